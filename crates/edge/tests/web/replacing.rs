//! No request is lost while dynos are replaced.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use model::edge::{BackendState, EdgeEvent};

use super::backend::Dyno;
use super::bench::{Bench, HOST, LOCAL, Raw, backend, dyno, free_port, up};

/// Clients that ask without a pause, on connections that they keep, and new ones now and then.
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<(usize, Vec<String>)>>,
    asked: Arc<AtomicUsize>,
}

impl Load {
    pub fn start(address: std::net::SocketAddr, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicUsize::new(0));
        let threads = (0..clients)
            .map(|number| {
                let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
                std::thread::spawn(move || {
                    let (mut good, mut bad) = (0, Vec::new());
                    let mut client = Raw::to(address);
                    while !stop.load(Ordering::SeqCst) {
                        let got = if (good + number) % 3 == 0 {
                            client.say(format!(
                                "POST /p HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 4\r\n\r\nbody"
                            ));
                            client.answer()
                        } else {
                            client.get("/g")
                        };
                        if got.status == 200 && got.whole {
                            good += 1;
                            asked.fetch_add(1, Ordering::SeqCst);
                        } else {
                            bad.push(format!("{got:?}"));
                        }
                        if got.header("connection") == "close" || !got.whole || good % 97 == 0 {
                            client = Raw::to(address);
                        }
                    }
                    (good, bad)
                })
            })
            .collect();
        Self { stop, threads, asked }
    }

    pub fn wait_for(&self, more: usize) {
        let goal = self.asked.load(Ordering::SeqCst) + more;
        while self.asked.load(Ordering::SeqCst) < goal {
            assert!(!self.threads.iter().all(std::thread::JoinHandle::is_finished));
            std::thread::yield_now();
        }
    }

    pub fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = 0;
        for thread in self.threads {
            let (good, bad) = thread.join().unwrap();
            assert!(bad.is_empty(), "{} failed after {good}: {:?}", bad.len(), bad.first());
            all += good;
        }
        all
    }
}

#[test]
fn thousands_of_requests_while_dynos_are_replaced() {
    let mut bench = Bench::start();
    let mut dynos = vec![Dyno::saying("1"), Dyno::saying("2")];
    let mut backends = vec![up(1, dynos[0].address), up(2, dynos[1].address)];
    bench.backends(backends.clone());
    let load = Load::start(bench.router(), 8);
    for number in 3..15 {
        // A new one starts, is found to be up, and takes requests before an old one drains.
        let port = free_port();
        let mut starting = backends.clone();
        starting.push(backend(number, (LOCAL, port).into(), BackendState::Starting));
        bench.backends(starting);
        let listener = TcpListener::bind((LOCAL, port)).unwrap();
        let new =
            Dyno::on(
                listener,
                |_, connection, _| {
                    while connection.request().is_some() && connection.reply("new") {}
                },
            );
        bench.await_event(EdgeEvent::Bound(dyno(number)));
        backends.push(up(number, new.address));
        dynos.push(new);
        bench.backends(backends.clone());
        load.wait_for(50);
        let old = backends[0].dyno;
        backends[0].state = BackendState::Draining;
        bench.backends(backends.clone());
        bench.await_event(EdgeEvent::Drained(old));
        drop(dynos.remove(0));
        backends.remove(0);
        load.wait_for(50);
        bench.backends(backends.clone());
    }
    assert!(load.end() > 1000);
}

#[test]
fn a_dyno_is_drained_once_its_last_request_ended() {
    let mut bench = Bench::with(|config| config.limits = causeway_edge::Limits::default());
    let (asked, is_asked) = channel();
    let (go, gone) = channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let slow = Dyno::with(move |_, connection, _| {
        if connection.request().is_some() {
            connection.say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha");
            asked.send(()).unwrap();
            gone.lock().unwrap().recv().unwrap();
            connection.say("lf");
        }
    });
    let other = Dyno::saying("other");
    bench.backends(vec![up(1, slow.address)]);
    let mut client = Raw::to(bench.router());
    client.say(format!("GET /slow HTTP/1.1\r\nhost: {HOST}\r\n\r\n"));
    is_asked.recv().unwrap();
    let draining = backend(1, slow.address, BackendState::Draining);
    bench.backends(vec![draining, up(2, other.address)]);
    for _ in 0..20 {
        assert_eq!(Raw::to(bench.router()).get("/").text(), "other");
    }
    let nothing = bench.control.next_event(std::time::Duration::from_millis(50)).unwrap();
    assert_eq!(nothing, None, "it is not drained while it answers");
    go.send(()).unwrap();
    assert_eq!(client.answer().text(), "half");
    bench.await_event(EdgeEvent::Drained(dyno(1)));
}

#[test]
fn a_dyno_without_requests_is_drained_at_once() {
    let mut bench = Bench::start();
    let one = Dyno::saying("1");
    bench.backends(vec![backend(1, one.address, BackendState::Draining)]);
    bench.await_event(EdgeEvent::Drained(dyno(1)));
}

#[test]
fn a_kept_connection_that_died_is_replaced() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, served| {
        // Each connection is closed after its first answer, without a word.
        if connection.request().is_some() {
            served.fetch_add(1, Ordering::SeqCst);
            connection.reply("once");
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    for _ in 0..200 {
        assert_eq!(client.get("/").text(), "once");
    }
    assert_eq!(dyno.requests.load(Ordering::SeqCst), 200);
}

#[test]
fn a_request_that_may_have_been_made_is_made_again_only_if_that_does_no_harm() {
    for (method, status) in [("PUT", 200), ("GET", 200), ("POST", 503)] {
        let mut bench = Bench::start();
        let dyno = Dyno::with(|number, connection, served| {
            let mut first = true;
            while let Some(asked) = connection.request() {
                served.fetch_add(1, Ordering::SeqCst);
                // The second request on the first connection is swallowed.
                if number == 0 && !first {
                    return;
                }
                first = false;
                connection.reply(&String::from_utf8_lossy(&asked.body));
            }
        });
        bench.backends(vec![up(1, dyno.address)]);
        let mut client = Raw::to(bench.router());
        assert_eq!(client.get("/").status, 200);
        client.say(format!(
            "{method} /again HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 4\r\n\r\nbody"
        ));
        let got = client.answer();
        assert_eq!(got.status, status, "{method}");
        if status == 200 {
            assert_eq!(got.text(), "body");
        }
    }
}
