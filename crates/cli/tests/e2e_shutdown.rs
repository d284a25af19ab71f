//! An orderly stop, of the server alone or of all its processes at once, costs nobody anything.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::Server;
use support::web::deploy;

/// What a server's processes do that outlive it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Shim,
    Edge,
}

/// A process that serves a data directory, and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Helper {
    pid: u32,
    role: Role,
    of: String,
}

impl Helper {
    fn terminate(&self) {
        // It may have ended by itself since it was seen.
        let _ = kill(Pid::from_raw(self.pid.cast_signed()), Signal::SIGTERM);
    }
}

/// The shims and the edge of a data directory that run.
fn helpers(data: &Path) -> Vec<Helper> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = String::from_utf8(line).ok()?;
        let mut words = line.split('\0').skip(1);
        let role = match words.next()? {
            "shim" => Role::Shim,
            "edge" => Role::Edge,
            _ => return None,
        };
        let of = words.next()?;
        Path::new(of).starts_with(data).then(|| Helper { pid, role, of: of.to_owned() })
    })
    .collect()
}

fn of_role(data: &Path, role: Role) -> Vec<Helper> {
    helpers(data).into_iter().filter(|helper| helper.role == role).collect()
}

/// Tells some processes to end and waits until they have.
fn end(data: &Path, doomed: &[Helper]) {
    assert!(!doomed.is_empty());
    doomed.iter().for_each(Helper::terminate);
    gone(data, doomed);
}

fn gone(data: &Path, doomed: &[Helper]) {
    let deadline = Instant::now() + Duration::from_secs(40);
    while helpers(data).iter().any(|helper| doomed.contains(helper)) {
        assert!(Instant::now() < deadline, "still there: {doomed:?}");
        std::thread::yield_now();
    }
}

/// Ends whatever the server has started again before it ended itself.
fn end_the_rest(data: &Path) {
    let left = helpers(data);
    left.iter().for_each(Helper::terminate);
    gone(data, &left);
    assert_eq!(helpers(data), []);
}

fn instance(server: &Server, id: &str) -> Value {
    let found = server.aws(&["ec2", "describe-instances", "--instance-ids", id]).json();
    found["Reservations"][0]["Instances"][0].clone()
}

/// Waits until an instance and an app's dyno have processes, and sees that nobody thinks that the
/// instance has ended.
fn both_run(server: &Server, id: &str, order: &str) {
    for target in [id, "shop/web.1"] {
        server.until(&format!("{order}: {target} runs"), |server| {
            server.causeway(&["exec", target, "--", "true"]).code == Some(0)
        });
    }
    server.until(&format!("{order}: the dyno is up"), |server| {
        let list = server.causeway(&["ps", "--app", "shop", "--json"]).json();
        list.as_array().unwrap().iter().any(|d| d["name"] == "web.1" && d["state"] == "up")
    });
    let found = instance(server, id);
    assert_eq!(found["State"]["Name"], "running", "{order}: {found}");
    let reason = (&found["StateReason"]["Code"], &found["StateTransitionReason"]);
    let none = |value: &Value| value.as_str().is_none_or(str::is_empty);
    assert!(none(reason.0) && none(reason.1), "{order}: it has not ended: {found}");
}

#[test]
fn what_the_host_ends_is_started_again_in_whatever_order_it_ends() {
    let mut server = Server::linux();
    let site =
        support::site(&server, "10.100.0.0/16", "10.100.1.0/24", "#!/bin/sh\nexec sleep 100000");
    support::space(&server, "shop-space", "shop");
    deploy(&server, "shop", "web: exec python3 app.py\n");
    let data = server.data.path().to_owned();
    both_run(&server, &site.instance, "at first");
    assert_eq!(of_role(&data, Role::Shim).len(), 2);
    assert_eq!(of_role(&data, Role::Edge).len(), 1);

    let of_instance: Vec<_> =
        helpers(&data).into_iter().filter(|helper| helper.of.contains(&site.instance)).collect();
    assert_eq!(of_instance.len(), 1);
    end(&data, &of_instance);
    both_run(&server, &site.instance, "one shim under a running server");

    for order in ["all at once", "shims first", "edge first"] {
        match order {
            "shims first" => end(&data, &of_role(&data, Role::Shim)),
            "edge first" => end(&data, &of_role(&data, Role::Edge)),
            _ => {}
        }
        let others = helpers(&data);
        let server_ends = std::thread::scope(|scope| {
            let ends = scope.spawn(|| server.terminate());
            others.iter().for_each(Helper::terminate);
            ends.join().unwrap()
        });
        assert!(server_ends.success(), "{order}: {server_ends}");
        end_the_rest(&data);
        server.restart();
        both_run(&server, &site.instance, order);
    }
}

/// A connection on which something was said.
fn connection(server: &Server, says: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(says).unwrap();
    stream
}

/// Reads until some text was seen.
fn until_seen(stream: &mut TcpStream, wanted: &str) -> String {
    let (mut seen, mut bytes) = (String::new(), [0; 4096]);
    while !seen.contains(wanted) {
        let read = stream.read(&mut bytes).unwrap();
        assert_ne!(read, 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    seen
}

/// Clients that wait for something, or that are waited for, and none of which closes first.
fn clients(server: &Server) -> Vec<TcpStream> {
    let token = server.env(&[]).into_iter().find(|(name, _)| name == "HEROKU_API_KEY").unwrap().1;
    let head = format!(
        "host: x\r\nauthorization: Bearer {token}\r\n\
         accept: application/vnd.heroku+json; version=3\r\n"
    );
    let ask = |line: &str, body: &str| {
        let length = body.len();
        let head = format!("{line} HTTP/1.1\r\n{head}content-length: {length}\r\n\r\n");
        format!("{head}{body}").into_bytes()
    };
    let mut idle = connection(server, &ask("GET /account", ""));
    until_seen(&mut idle, "email");
    let half_body = ask("POST /spaces", &"x".repeat(100));
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let two = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat();
    let mut all = vec![
        idle,
        connection(server, b""),
        connection(server, b"GET /account HTTP/1.1\r\nhost: x\r\nx-half: "),
        connection(server, &half_body[..half_body.len() - 50]),
        connection(server, b"PRI * HTTP/2"),
        connection(server, &two),
        connection(server, b"\x16\x03\x01\x02\x00\x01"),
    ];
    // The server has seen what was said before once it answers these.
    for _ in 0..3 {
        let made = ask("POST /apps/shop/log-sessions", r#"{"tail": true}"#);
        let answer = until_seen(&mut connection(server, &made), "logplex_url");
        let (_, path) = answer.split_once("/_logs/").unwrap();
        let path = path.split_once('"').unwrap().0;
        let mut tail = connection(server, &ask(&format!("GET /_logs/{path}"), ""));
        until_seen(&mut tail, "app[api]");
        all.push(tail);
    }
    all
}

#[test]
fn no_client_that_waits_or_is_waited_for_holds_up_a_stop() {
    for mut server in [Server::none(&[]), Server::linux()] {
        support::space(&server, "shop-space", "shop");
        deploy(&server, "shop", "web: exec python3 app.py\n");
        let clients = clients(&server);
        let told = Instant::now();
        let ended = server.terminate();
        let took = told.elapsed();
        println!("the server ended within {took:?}");
        assert!(ended.success(), "{ended}");
        assert!(took < Duration::from_secs(5), "{took:?}");
        drop(clients);
    }
}
