//! The control socket: who is heard, what stays, and how one edge takes over from another.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Duration;

use causeway_edge::{Control, Edge, Namespaces, ensure, figures};
use model::edge::{BackendState, EdgeDelta, EdgeEvent};

use super::backend::Dyno;
use super::bench::{Bench, HOST, Raw, SOON, app, backend, dyno, space, up};
use super::replacing::Load;

#[test]
fn the_last_controller_is_heard_and_told_everything_again() {
    let mut bench = Bench::start();
    let one = Dyno::saying("1");
    bench.backends(vec![backend(1, one.address, BackendState::Starting)]);
    bench.await_event(EdgeEvent::Bound(dyno(1)));
    let mut newer = Control::connect(&bench.config.dir).unwrap();
    assert_eq!(newer.next_event(SOON).unwrap(), Some(EdgeEvent::Bound(dyno(1))));
    // The older one's connection ends, and what it says is not heard.
    let _ = bench.control.sync(&model::edge::EdgeIntent::default(), &Namespaces::default());
    assert!(bench.control.settle().is_err());
    assert_eq!(newer.settle().unwrap(), 0);
    assert_eq!(Raw::to(bench.router()).get("/").text(), "1");
    let mode = std::fs::metadata(bench.config.dir.join("edge.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_edge_says_what_it_counted_and_its_controller_stays() {
    let mut bench = Bench::start();
    let one = Dyno::saying("1");
    bench.backends(vec![up(1, one.address)]);
    let before = figures(&bench.config.dir).unwrap();
    let mut client = Raw::to(bench.router());
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "1");
    }
    client.say("GET / HTTP/1.1\r\nhost: nowhere\r\n\r\n");
    assert_eq!(client.answer().status, 404);
    bench.backends(vec![]);
    assert_eq!(client.get("/none").status, 503);
    assert!(bench.logged("/none").contains("code=H14"));
    let after = figures(&bench.config.dir).unwrap();
    let more = |class: &str| after.requests[class] - before.requests[class];
    assert_eq!((more("2xx"), more("4xx"), more("5xx")), (3, 1, 1));
    assert_eq!(after.errors["H14"] - before.errors["H14"], 1);
    assert_eq!(after.latency.count() - before.latency.count(), 3);
    assert_eq!(after.connections, 1, "the client's");
    assert_eq!(bench.control.settle().unwrap(), 0, "the controller is heard as before");
}

#[test]
fn the_table_stays_without_a_controller() {
    let mut bench = Bench::start();
    let one = Dyno::saying("1");
    bench.backends(vec![up(1, one.address)]);
    let Bench { control, config, edge, dir, intent } = bench;
    drop(control);
    for _ in 0..20 {
        assert_eq!(Raw::to(config.router.unwrap()).get("/").text(), "1");
    }
    // A controller that comes back and says the same changes nothing; a delta takes away.
    let mut control = Control::connect(&config.dir).unwrap();
    control.sync(&intent, &Namespaces::default()).unwrap();
    let mut delta = EdgeDelta::default();
    delta.spaces.insert(space(), None);
    control.change(&delta, &Namespaces::default()).unwrap();
    control.settle().unwrap();
    assert_eq!(Raw::to(config.router.unwrap()).get("/").status, 404);
    drop((edge, dir));
}

/// Who comes before an edge knows what there is waits, and is not told that there is nothing.
#[test]
fn requests_wait_until_an_edge_is_told_what_to_serve() {
    let mut bench = Bench::untold(|_| {});
    let dyno = Dyno::saying("there");
    let mut early = Raw::to(bench.router());
    early.say(format!("GET /early HTTP/1.1\r\nhost: {HOST}\r\n\r\n"));
    let router = bench.intent.spaces.get_mut(&space()).unwrap();
    router.apps.get_mut(&app()).unwrap().backends = vec![up(1, dyno.address)];
    bench.sync();
    assert_eq!(early.answer().text(), "there");
}

#[test]
fn what_is_no_order_ends_the_connection_and_nothing_else() {
    use std::io::{Read, Write};
    let mut bench = Bench::start();
    for said in ["nonsense\n", "{\"sync\":7}\n", "\n", "\"unknown\"\n", "\"taken\"\n\"next\"\n"] {
        let mut stream =
            std::os::unix::net::UnixStream::connect(bench.config.dir.join("edge.sock")).unwrap();
        stream.write_all(said.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty());
    }
    assert_eq!(bench.control.settle().unwrap(), 0);
}

#[test]
fn another_edge_takes_over_without_a_failed_request() {
    let mut bench = Bench::start();
    let dynos = [Dyno::saying("1"), Dyno::saying("2")];
    bench.backends(vec![up(1, dynos[0].address), up(2, dynos[1].address)]);
    let load = Load::start(bench.router(), 8);
    load.wait_for(200);
    for round in 0..3 {
        let next = Edge::start(bench.config.clone()).unwrap();
        let old = bench.edge.replace(next).unwrap();
        let ended = std::thread::spawn(move || old.wait());
        bench.control = Control::connect(&bench.config.dir).unwrap();
        bench.sync();
        load.wait_for(400);
        // All clients came over by and by; then the old one is done.
        ended.join().unwrap();
        assert!(round < 3);
    }
    assert!(load.end() > 1000);
}

#[test]
fn a_dyno_is_not_drained_while_the_edge_before_answers_from_it() {
    let mut bench = Bench::with(|config| config.limits = causeway_edge::Limits::default());
    let (asked, is_asked) = channel();
    let (go, gone) = channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let slow = Dyno::with(move |_, connection, _| {
        if connection.request().is_some() {
            asked.send(()).unwrap();
            gone.lock().unwrap().recv().unwrap();
            connection.reply("late");
        }
    });
    let other = Dyno::saying("other");
    bench.backends(vec![up(1, slow.address)]);
    let mut client = Raw::to(bench.router());
    client.say(format!("GET /slow HTTP/1.1\r\nhost: {HOST}\r\n\r\n"));
    is_asked.recv().unwrap();
    let mut kept = Raw::to(bench.router());
    kept.say("GET / HTTP/1.1\r\nhost: nowhere\r\n\r\n");
    assert_eq!(kept.answer().status, 404);
    let next = Edge::start(bench.config.clone()).unwrap();
    let old = bench.edge.replace(next).unwrap();
    let ended = std::thread::spawn(move || old.wait());
    bench.control = Control::connect(&bench.config.dir).unwrap();
    bench.sync();
    bench.backends(vec![backend(1, slow.address, BackendState::Draining), up(2, other.address)]);
    // Even the old edge begins nothing new there, on a connection that it kept.
    assert_eq!(bench.control.next_event(Duration::from_millis(100)).unwrap(), None);
    assert_eq!(kept.get("/").text(), "other");
    go.send(()).unwrap();
    assert_eq!(client.answer().text(), "late");
    bench.await_event(EdgeEvent::Drained(dyno(1)));
    drop((client, kept));
    ended.join().unwrap();
}

fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().unwrap().parent().unwrap();
    let program = target.join("examples/edge_process");
    assert!(program.exists(), "{} is missing", program.display());
    program
}

#[test]
fn a_process_of_its_own_is_found_and_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = causeway_edge::Config::new(dir.path().join("edge"));
    config.router = Some((super::bench::LOCAL, super::bench::free_port()).into());
    config.limits = super::bench::limits();
    let one = Dyno::saying("1");
    let mut intent = model::edge::EdgeIntent::default();
    let mut router = super::bench::router(vec![up(1, one.address)]);
    // No namespace holds this interface, so only the public router is there.
    router.interfaces.clear();
    intent.spaces.insert(space(), router);
    config.location =
        causeway_edge::Location::Here { http: super::bench::free_port(), https: 1, dns: 1 };
    let mut first = ensure(&program(), &config).unwrap();
    intent
        .spaces
        .get_mut(&space())
        .unwrap()
        .interfaces
        .insert(super::bench::eni(), super::bench::LOCAL);
    first.sync(&intent, &Namespaces::default()).unwrap();
    first.settle().unwrap();
    let load = Load::start(config.router.unwrap(), 4);
    load.wait_for(100);
    let same = ensure(&program(), &config).unwrap();
    assert_eq!(same.peer().pid, first.peer().pid);
    assert_ne!(same.peer().pid, std::process::id());
    config.limits.boot = Duration::from_secs(1);
    let other = ensure(&program(), &config).unwrap();
    assert_ne!(other.peer().pid, same.peer().pid);
    // It serves from the table of the one before it, with no word of its controller.
    load.wait_for(200);
    assert!(load.end() > 300);
    // One that does not answer any more is ended, and another takes its place.
    let stuck = nix::unistd::Pid::from_raw(other.peer().pid.cast_signed());
    nix::sys::signal::kill(stuck, nix::sys::signal::Signal::SIGKILL).unwrap();
    let mut last = ensure(&program(), &config).unwrap();
    last.sync(&intent, &Namespaces::default()).unwrap();
    // The kernel may not have closed the sockets of the killed one at once.
    while last.settle().unwrap() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(Raw::to(config.router.unwrap()).get("/").text(), "1");
    last.stop().unwrap();
}

#[test]
fn an_edge_whose_directory_was_removed_gives_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = causeway_edge::Config::new(dir.path().join("edge"));
    config.location =
        causeway_edge::Location::Here { http: super::bench::free_port(), https: 1, dns: 1 };
    let mut first = ensure(&program(), &config).unwrap();
    std::fs::remove_dir_all(&config.dir).unwrap();
    let mut second = ensure(&program(), &config).unwrap();
    assert_ne!(first.peer().pid, second.peer().pid);
    first.settle().unwrap_err();
    second.settle().unwrap();
    second.stop().unwrap();
}

#[test]
fn a_process_that_only_looks_like_a_lost_edge_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = causeway_edge::Config::new(dir.path().join("edge"));
    config.location =
        causeway_edge::Location::Here { http: super::bench::free_port(), https: 1, dns: 1 };
    // Another program with the same words, and even with the same mark.
    let place = dir.path().join("place");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("edge"), "read line\n").unwrap();
    let mut other = std::process::Command::new("sh")
        .args([std::ffi::OsStr::new("edge"), config.dir.as_os_str()])
        .current_dir(&place)
        .env("CAUSEWAY_EDGE_STAYS", "1")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut edge = ensure(&program(), &config).unwrap();
    edge.settle().unwrap();
    assert!(other.try_wait().unwrap().is_none(), "it goes on");
    drop(other.stdin.take());
    assert!(other.wait().is_ok_and(|status| !status.success()), "its input ended");
    edge.stop().unwrap();
}

#[test]
fn an_edge_that_cannot_serve_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = causeway_edge::Config::new(dir.path().join("edge"));
    config.tls = Some((dir.path().join("none.pem"), dir.path().join("none.key")));
    let error = ensure(&program(), &config).unwrap_err().to_string();
    assert!(error.contains("none.pem"), "{error}");
}
