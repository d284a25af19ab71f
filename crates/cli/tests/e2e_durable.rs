//! Nothing acknowledged is ever lost, and traffic does not notice that the server died.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use support::Server;

/// Requests that make things, by the Platform API: each answer is a promise.
fn make(url: String, token: String, first: usize, stop: &AtomicBool, kept: &Mutex<Vec<String>>) {
    for n in (first..).step_by(4) {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("space-{n}");
        let second = n / 250;
        let body = json!({
            "name": name, "team": "team", "cidr": format!("10.{}.0.0/16", n % 250),
            "data_cidr": format!("172.{}.0.0/16", 18 + second % 10),
        });
        match post(&url, &token, &body.to_string()) {
            Some(201) => kept.lock().unwrap().push(name),
            Some(other) => panic!("{name}: {other}"),
            None => return,
        }
    }
}

/// One request over a socket of its own; the status, if an answer came whole.
fn post(url: &str, token: &str, body: &str) -> Option<u16> {
    use std::io::{Read, Write};
    let address = url.strip_prefix("http://")?;
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    write!(
        stream,
        "POST /spaces HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         accept: application/vnd.heroku+json; version=3\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str::<serde_json::Value>(body).ok()?;
    head.split(' ').nth(1)?.parse().ok()
}

#[test]
fn what_was_acknowledged_survives_kill_nine() {
    let mut server = Server::none(&[]);
    let kept = Arc::new(Mutex::new(Vec::new()));
    let mut made = 0;
    for round in 0..4_usize {
        let token = server.env(&[]).into_iter().find(|(n, _)| n == "HEROKU_API_KEY").unwrap().1;
        let stop = Arc::new(AtomicBool::new(false));
        let makers: Vec<_> = (0..4)
            .map(|n| {
                let (url, token) = (server.url.clone(), token.clone());
                let (stop, kept) = (Arc::clone(&stop), Arc::clone(&kept));
                let first = 1000 * round + n;
                std::thread::spawn(move || make(url, token, first, &stop, &kept))
            })
            .collect();
        // A point that differs from round to round, in the middle of commits.
        let enough = made + 20 + 17 * round;
        while kept.lock().unwrap().len() < enough {
            std::thread::yield_now();
        }
        server.kill();
        stop.store(true, Ordering::Relaxed);
        makers.into_iter().for_each(|maker| maker.join().unwrap());
        server.restart();
        let there = server.causeway(&["spaces", "--json"]).json();
        let there: Vec<&str> =
            there.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
        let kept = kept.lock().unwrap();
        for name in kept.iter() {
            assert!(there.contains(&name.as_str()), "{name} was acknowledged and is gone");
        }
        made = kept.len();
    }
}

#[test]
fn a_backup_of_a_running_server_starts_elsewhere() {
    let server = Server::none(&[]);
    server.causeway(&["spaces:create", "kept", "--team", "team"]).ok();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("causeway.backup");
    let file = file.to_str().unwrap();
    server.causeway(&["backup", file]).ok();
    server.causeway(&["backup", file]).refused();
    server.causeway(&["spaces:create", "later", "--team", "team"]).ok();

    let elsewhere = place.path().join("data");
    let restored = std::process::Command::new(env!("CARGO_BIN_EXE_causeway"))
        .args(["restore", file, "--data"])
        .arg(&elsewhere)
        .output()
        .unwrap();
    assert!(restored.status.success(), "{restored:?}");
    let other = Server::on(&elsewhere, &["--fabric", "none"]);
    let list = other.causeway(&["spaces", "--json"]).json();
    let names: Vec<&str> =
        list.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["kept"]);
    // The access key works there too: its secret was sealed with the key in the backup.
    assert_eq!(
        server.env(&[]).iter().find(|(n, _)| n == "AWS_SECRET_ACCESS_KEY"),
        other.env(&[]).iter().find(|(n, _)| n == "AWS_SECRET_ACCESS_KEY"),
    );
}

#[test]
fn a_second_server_is_kept_from_the_same_directory() {
    let server = Server::none(&[]);
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_causeway"))
        .args(["serve", "--listen", "127.0.0.1:0", "--fabric", "none", "--data"])
        .arg(server.data.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("in use by process"), "{said}");
}

/// Answers every byte; an instance's user data.
const ECHO: &str = r#"#!/bin/sh
exec python3 -c '
import socket, threading
def serve(c):
    while True:
        d = c.recv(64)
        if not d: return
        c.sendall(d)
l = socket.create_server(("0.0.0.0", 8000))
while True:
    threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
'
"#;

/// Sends a byte and waits for its answer, again and again, until its input ends. A byte that is
/// lost ends it with an error.
const ASK: &str = r#"
import select, socket, sys
s = socket.create_connection((sys.argv[1], 8000), timeout=5)
n = 0
print("connected", flush=True)
while not select.select([sys.stdin], [], [], 0.005)[0]:
    s.sendall(b"x")
    if s.recv(1) != b"x":
        sys.exit("the connection ended")
    n += 1
print("answers", n, flush=True)
"#;

#[test]
fn established_connections_outlive_the_server() {
    use std::io::{BufRead, BufReader, Read};

    let mut server = Server::linux();
    server.causeway(&["spaces:create", "calm", "--team", "team"]).ok();
    server.until("the space is allocated", |server| {
        server.causeway(&["spaces:info", "calm", "--json"]).json()["state"] == "allocated"
    });
    let info = server.causeway(&["spaces:peering:info", "calm", "--json"]).json();
    let site = support::site(&server, "10.100.0.0/16", "10.100.1.0/24", ECHO);
    server.causeway(&["apps:create", "calm-app", "--space", "calm"]).ok();
    let dyno = support::dyno(&server, "calm-app", "sleep 1000000");
    let pcx = support::peer(&server, &site, &info);
    server.causeway(&["spaces:peerings:accept", &pcx, "--space", "calm"]).ok();
    support::open(&server, &site, &pcx, "10.0.0.0/16", 8000);
    server.until("the instance answers the dyno", |server| {
        server.connects(&dyno.target, &site.address, 8000)
    });

    let mut client = std::process::Command::new(env!("CARGO_BIN_EXE_causeway"))
        .args(["exec", &dyno.target, "--data"])
        .arg(server.data.path())
        .args(["--", "python3", "-c", ASK, &site.address])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(client.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "connected\n");
    for _ in 0..3 {
        server.kill_and_restart();
        server.sweep();
    }
    drop(client.stdin.take());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(client.wait().unwrap().success(), "{rest}");
    let answers: u32 = rest.trim().strip_prefix("answers ").unwrap().parse().unwrap();
    assert!(answers > 20, "the connection was used all the while: {answers}");
    let status = server.causeway(&["status", "--json"]).json();
    assert_eq!(status["fabric"]["repairs"], 0, "nothing had to be repaired: {status}");
    assert_eq!(status["dynos"]["up"], 1);
}
