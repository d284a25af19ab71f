//! Every way in which a request fails, with Heroku's code for it.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;

use model::AppId;
use model::edge::{AppRoute, Backend, BackendState};
use uuid::Uuid;

use super::backend::Dyno;
use super::bench::{Bench, Got, HOST, LOCAL, Raw, backend, up};

/// The code that an answer and the log agree on.
fn assert_code(bench: &Bench, got: &Got, code: &str, path: &str) {
    assert_eq!(got.status, 503, "{got:?}");
    assert_eq!(got.header("x-causeway-error"), code, "{got:?}");
    let line = bench.logged(path);
    assert!(line.contains(&format!("at=error code={code} desc=")), "{line}");
    assert!(line.contains("status=503"), "{line}");
}

#[test]
fn a_request_is_served_and_logged() {
    let mut bench = Bench::start();
    let dyno = Dyno::saying("hello");
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    let got = client.get("/a?b=c");
    assert_eq!((got.status, got.text().as_str()), (200, "hello"));
    assert_eq!(got.header("via"), "1.1 causeway-router");
    let line = bench.logged("/a?b=c");
    for part in [
        "at=info method=GET",
        "host=demo.apps.localhost request_id=",
        "fwd=\"127.0.0.1\" dyno=web.1 connect=",
        "status=200 bytes=5 protocol=http",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    // Both connections are kept.
    for _ in 0..20 {
        assert_eq!(client.get("/again").status, 200);
    }
    assert_eq!(dyno.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn h10_the_app_crashed() {
    let mut bench = Bench::start();
    bench.route(|route| route.crashed = true);
    let got = Raw::to(bench.router()).get("/h10");
    assert_code(&bench, &got, "H10", "/h10");
}

#[test]
fn h12_no_first_byte_in_time() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        connection.request();
        connection.request();
    });
    bench.backends(vec![up(1, dyno.address)]);
    let got = Raw::to(bench.router()).get("/h12");
    assert_code(&bench, &got, "H12", "/h12");
    assert!(bench.logged("/h12").contains("dyno=web.1"));
}

#[test]
fn h13_closed_without_response() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, served| {
        connection.request();
        served.fetch_add(1, Ordering::SeqCst);
    });
    bench.backends(vec![up(1, dyno.address)]);
    let got = Raw::to(bench.router()).get("/h13");
    assert_code(&bench, &got, "H13", "/h13");
    assert_eq!(dyno.requests.load(Ordering::SeqCst), 1, "a fresh connection is not tried twice");
}

#[test]
fn h14_no_web_dynos() {
    let mut bench = Bench::start();
    let got = Raw::to(bench.router()).get("/h14");
    assert_code(&bench, &got, "H14", "/h14");
    let dyno = Dyno::saying("too late");
    bench.backends(vec![backend(1, dyno.address, BackendState::Draining)]);
    let got = Raw::to(bench.router()).get("/draining");
    assert_code(&bench, &got, "H14", "/draining");
    assert_eq!(dyno.requests.load(Ordering::SeqCst), 0);
}

#[test]
fn h15_idle_in_the_middle() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        connection.request();
        connection.say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        connection.request();
    });
    bench.backends(vec![up(1, dyno.address)]);
    let got = Raw::to(bench.router()).get("/h15");
    assert_eq!((got.status, got.text().as_str(), got.whole), (200, "half", false));
    let line = bench.logged("/h15");
    assert!(line.contains("at=error code=H15 desc=\"Idle connection\""), "{line}");
    assert!(line.contains("status=200 bytes=4"), "{line}");
}

#[test]
fn h17_not_http() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        connection.request();
        connection.say("SSH-2.0-dyno\r\n\r\n");
    });
    bench.backends(vec![up(1, dyno.address)]);
    let got = Raw::to(bench.router()).get("/h17");
    assert_code(&bench, &got, "H17", "/h17");
}

#[test]
fn h18_interrupted_in_the_middle() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        connection.request();
        connection.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    });
    bench.backends(vec![up(1, dyno.address)]);
    let got = Raw::to(bench.router()).get("/h18");
    assert_eq!((got.status, got.text().as_str(), got.whole), (200, "half", false));
    let line = bench.logged("/h18");
    assert!(line.contains("at=error code=H18 desc=\"Server Request Interrupted\""), "{line}");
}

#[test]
fn h19_the_dyno_takes_no_connection_in_time() {
    let mut bench = Bench::start();
    // A listener whose queue is full lets connections wait.
    let (listener, _waiting) = full_listener();
    bench.backends(vec![up(1, listener.local_addr().unwrap())]);
    let got = Raw::to(bench.router()).get("/h19");
    assert_code(&bench, &got, "H19", "/h19");
}

fn full_listener() -> (TcpListener, Vec<TcpStream>) {
    use nix::sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, socket,
    };
    use std::os::fd::AsRawFd;
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(fd.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    listen(&fd, Backlog::new(0).unwrap()).unwrap();
    let listener = TcpListener::from(fd);
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    let brief = std::time::Duration::from_millis(100);
    while let Ok(stream) = TcpStream::connect_timeout(&address, brief) {
        waiting.push(stream);
    }
    (listener, waiting)
}

#[test]
fn h20_the_app_does_not_start_in_time() {
    let mut bench = Bench::start();
    let port = super::bench::free_port();
    bench.backends(vec![backend(1, (LOCAL, port).into(), BackendState::Starting)]);
    let got = Raw::to(bench.router()).get("/h20");
    assert_code(&bench, &got, "H20", "/h20");
}

#[test]
fn a_request_waits_for_a_dyno_that_starts() {
    let mut bench = Bench::with(|config| config.limits.boot = super::bench::SOON);
    let port = super::bench::free_port();
    bench.backends(vec![backend(1, (LOCAL, port).into(), BackendState::Starting)]);
    let mut client = Raw::to(bench.router());
    client.say(format!("GET /wait HTTP/1.1\r\nhost: {HOST}\r\n\r\n"));
    let listener = TcpListener::bind((LOCAL, port)).unwrap();
    let dyno =
        Dyno::on(
            listener,
            |_, connection, _| {
                while connection.request().is_some() && connection.reply("up") {}
            },
        );
    bench.await_event(model::edge::EdgeEvent::Bound(super::bench::dyno(1)));
    bench.backends(vec![up(1, dyno.address)]);
    assert_eq!(client.answer().text(), "up");
}

#[test]
fn h21_refused() {
    let mut bench = Bench::start();
    let port = super::bench::free_port();
    bench.backends(vec![up(1, (LOCAL, port).into())]);
    let got = Raw::to(bench.router()).get("/h21");
    assert_code(&bench, &got, "H21", "/h21");
}

#[test]
fn another_dyno_is_tried_where_one_refuses() {
    let mut bench = Bench::start();
    let dyno = Dyno::saying("here");
    let dead = || (LOCAL, super::bench::free_port()).into();
    bench.backends(vec![up(1, dead()), up(2, dead()), up(3, dyno.address)]);
    for _ in 0..50 {
        assert_eq!(Raw::to(bench.router()).get("/").text(), "here");
    }
}

#[test]
fn h27_the_client_is_gone() {
    let mut bench = Bench::with(|config| config.limits.first_byte = super::bench::SOON);
    let (asked, is_asked) = channel();
    let dyno = Dyno::with(move |_, connection, _| {
        connection.request();
        asked.send(()).unwrap();
        connection.request();
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(format!("GET /h27 HTTP/1.1\r\nhost: {HOST}\r\n\r\n"));
    is_asked.recv().unwrap();
    drop(client);
    let line = bench.logged("/h27");
    assert!(line.contains("at=warning code=H27 desc=\"Client Request Interrupted\""), "{line}");
    assert!(line.contains("status=499"), "{line}");
}

#[test]
fn h26_what_the_client_sends_is_no_body() {
    let mut bench = Bench::start();
    let dyno = Dyno::saying("unheard");
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(format!(
        "POST /h26 HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhalf"
    ));
    let got = client.answer();
    assert_eq!((got.status, got.header("connection")), (400, "close"));
    assert_eq!(got.header("x-causeway-error"), "H26");
    assert!(bench.logged("/h26").contains("code=H26 desc=\"Request Error\""));
    assert!(!got.text().contains("app"), "{}", got.text());
}

#[test]
fn h28_the_client_sends_no_more() {
    let mut bench = Bench::start();
    let dyno = Dyno::saying("unheard");
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(format!("POST /h28 HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 9\r\n\r\nhalf"));
    let got = client.answer();
    assert_eq!(got.status, 408);
    let line = bench.logged("/h28");
    assert!(line.contains("at=warning code=H28 desc=\"Client Connection Idle\""), "{line}");
}

#[test]
fn who_is_not_trusted_is_turned_away_and_nobody_else() {
    let mut bench = Bench::start();
    let dyno = Dyno::saying("in");
    bench.backends(vec![up(1, dyno.address)]);
    let router = bench.intent.spaces.get_mut(&super::bench::space()).unwrap();
    router.trusted = vec!["192.0.2.0/24".parse().unwrap()];
    bench.sync();
    assert_eq!(Raw::to(bench.router()).get("/out").status, 403);
    let line = bench.logged("/out");
    assert!(line.contains("at=warning desc=\"Not in the trusted IP ranges\""), "{line}");
    assert!(!line.contains("request_id= "), "{line}");
    assert_eq!(dyno.connections.load(Ordering::SeqCst), 0);
    let router = bench.intent.spaces.get_mut(&super::bench::space()).unwrap();
    router.trusted.push("127.0.0.0/8".parse().unwrap());
    bench.sync();
    assert_eq!(Raw::to(bench.router()).get("/in").text(), "in");
}

#[test]
fn each_router_knows_its_own_apps_alone() {
    let mut bench = Bench::start();
    let dyno = Dyno::saying("me");
    bench.backends(vec![up(1, dyno.address)]);
    assert_eq!(Raw::to(bench.router()).get("/").status, 200);
    assert_eq!(Raw::to(bench.internal()).get("/").status, 404);
    bench.route(|route| route.internal = true);
    assert_eq!(Raw::to(bench.router()).get("/").status, 404);
    assert_eq!(Raw::to(bench.internal()).get("/").status, 200);
    let mut other = Raw::to(bench.internal());
    other.say("GET / HTTP/1.1\r\nhost: other.apps.localhost\r\n\r\n");
    assert_eq!(other.answer().status, 404);
    // Trusted ranges are for the public way in.
    let router = bench.intent.spaces.get_mut(&super::bench::space()).unwrap();
    router.trusted.clear();
    bench.sync();
    assert_eq!(Raw::to(bench.internal()).get("/").status, 200);
}

#[test]
fn a_pattern_serves_what_nobody_has_as_its_own() {
    let mut bench = Bench::start();
    let (one, other) = (Dyno::saying("pattern"), Dyno::saying("own"));
    let route = |name: &str, host: &str, dyno: Backend| AppRoute {
        name: name.to_owned(),
        internal: false,
        hosts: BTreeSet::from([host.to_owned()]),
        backends: vec![dyno],
        crashed: false,
    };
    let apps = &mut bench.intent.spaces.get_mut(&super::bench::space()).unwrap().apps;
    let id = |number| AppId(Uuid::from_u128(number));
    apps.insert(id(7), route("wide", "*.example.com", up(7, one.address)));
    apps.insert(id(8), route("exact", "own.example.com", up(8, other.address)));
    bench.sync();
    let ask = |host: &str| {
        let mut client = Raw::to(bench.router());
        client.say(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        client.answer()
    };
    for host in ["a.example.com", "a.b.example.com", "B.Example.COM:8080", "own.example.com.x"] {
        let expected = if host.ends_with('x') { 404 } else { 200 };
        assert_eq!(ask(host).status, expected, "{host}");
    }
    assert_eq!(ask("a.example.com").text(), "pattern");
    assert_eq!(ask("own.example.com").text(), "own");
    assert_eq!(ask("x.own.example.com").text(), "pattern");
    assert_eq!(ask("example.com").status, 404);
}

#[test]
fn slow_heads_and_idle_connections_are_closed() {
    let mut bench =
        Bench::with(|config| config.limits.keep_alive = std::time::Duration::from_millis(200));
    let dyno = Dyno::saying("x");
    bench.backends(vec![up(1, dyno.address)]);
    let mut slow = Raw::to(bench.router());
    slow.say("GET / HTTP/1.1\r\nhost: ");
    let mut silent = Raw::to(bench.router());
    let mut idle = Raw::to(bench.router());
    assert_eq!(idle.get("/").status, 200);
    let mut rest = Vec::new();
    for client in [&mut slow, &mut silent, &mut idle] {
        rest.clear();
        let ended = client.stream.get_mut().read_to_end(&mut rest);
        assert!(ended.is_ok(), "{ended:?}");
    }
    let mut big = Raw::to(bench.router());
    let filler = "x".repeat(70_000);
    let _ = big.stream.get_mut().write_all(
        format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nfiller: {filler}\r\n\r\n").as_bytes(),
    );
    assert_eq!(big.answer().status, 431);
}
