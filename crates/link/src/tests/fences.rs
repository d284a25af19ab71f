//! What is older than what a host has seen is not done.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::edge::EdgeIntent;
use model::protocol::Order;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::kit::*;
use crate::frame::{self, MOST_BYTES, Reader};
use crate::message::{Hello, ToHost, ToServer};
use crate::tls::ServerTls;
use crate::*;

type Stream = tokio_rustls::server::TlsStream<TcpStream>;

/// A server that says whatever a test has it say, with the authority of the installation.
struct Puppet {
    listener: TcpListener,
    tls: ServerTls,
}

struct Guest {
    reader: Reader<tokio::io::ReadHalf<Stream>>,
    write: tokio::io::WriteHalf<Stream>,
    hello: Hello,
}

impl Puppet {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, tls: ServerTls::new(Arc::new(Authority::of_seed(&[1; 32]).unwrap())) }
    }

    /// The next host, which is greeted as by the leader of an epoch.
    async fn welcome(&self, epoch: u64) -> Guest {
        let (stream, _) = self.listener.accept().await.unwrap();
        let acceptor = TlsAcceptor::from(self.tls.config(Time::default().now()).unwrap());
        let stream = acceptor.accept(stream).await.unwrap();
        let (read, mut write) = tokio::io::split(stream);
        let mut reader = Reader::new(read, MOST_BYTES);
        let first = reader.next(Duration::from_secs(5)).await.unwrap();
        let ToServer::Hello(hello) = first else { panic!("{first:?}") };
        let welcome = ToHost::Welcome {
            version: 1,
            epoch,
            software: String::new(),
            now: Time::default().now(),
            servers: Vec::new(),
            settings: Settings::default(),
        };
        frame::write(&mut write, &welcome, MOST_BYTES).await.unwrap();
        Guest { reader, write, hello: *hello }
    }
}

impl Guest {
    async fn order(&mut self, epoch: u64, order: Order<model::protocol::Edge>) {
        let order = ToHost::Order { epoch, order: Box::new(Of::Edge(order)) };
        frame::write(&mut self.write, &order, MOST_BYTES).await.unwrap();
    }

    /// What the host says until it says something in particular, or ends the connection.
    async fn until(&mut self, is: impl Fn(&ToServer) -> bool) -> Option<ToServer> {
        loop {
            match self.reader.next(Duration::from_secs(10)).await {
                Ok(message) if is(&message) => return Some(message),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}

fn sync(revision: u64) -> Order<model::protocol::Edge> {
    Order::Sync { intent: EdgeIntent::default(), revision }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_an_older_revision_is_refused_also_after_a_restart() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    eventually("it is connected", || server.connected()).await;
    machine.stop().await.unwrap();
    let puppet = Puppet::new().await;
    point_at(dir.path(), puppet.listener.local_addr().unwrap());
    let machine = Machine::start(dir.path());
    let mut host = puppet.welcome(5).await;
    host.order(5, sync(100)).await;
    let is_kept = |said: &ToServer| matches!(said, ToServer::Held(Of::Edge(stamp)) if *stamp == Stamp { epoch: 5, revision: 100 });
    host.until(is_kept).await.expect("it is kept");
    host.order(5, Order::Change { delta: delta(1, Some(1)), revision: 99 }).await;
    let refused = host.until(|said| matches!(said, ToServer::Fenced { .. })).await.unwrap();
    let (given, seen) = (Stamp { epoch: 5, revision: 99 }, Stamp { epoch: 5, revision: 100 });
    assert_eq!(refused, ToServer::Fenced { given, seen });
    assert!(host.until(|_| false).await.is_none(), "it ends the connection");
    assert_eq!(machine.intent(), Some(EdgeIntent::default()), "nothing of it was done");
    machine.kill();
    let machine = Machine::start(dir.path());
    let mut host = puppet.welcome(5).await;
    assert_eq!((host.hello.epoch, host.hello.held.edge), (5, Some(seen)));
    host.order(5, sync(99)).await;
    let refused = host.until(|said| matches!(said, ToServer::Fenced { .. })).await.unwrap();
    assert_eq!(refused, ToServer::Fenced { given, seen });
    machine.kill();
}

/// A leader that was paused, or a database that is older, is not followed by who has followed the next
/// one, though it was killed before it was told anything.
#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_leader_is_not_followed_any_more_from_the_next_one_s_greeting_on() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    machine.comes_to(&server.plan.truth()).await;
    machine.stop().await.unwrap();
    let puppet = Puppet::new().await;
    point_at(dir.path(), puppet.listener.local_addr().unwrap());
    let machine = Machine::start(dir.path());
    let mut later = puppet.welcome(9).await;
    later.until(|said| *said == ToServer::Alive).await.unwrap();
    machine.kill();
    let machine = Machine::start(dir.path());
    let mut earlier = puppet.welcome(8).await;
    assert_eq!(earlier.hello.epoch, 9);
    let before = machine.told.lock().unwrap().len();
    earlier.order(8, sync(u64::MAX)).await;
    assert!(earlier.until(|said| matches!(said, ToServer::Held(_))).await.is_none());
    assert_eq!(machine.told.lock().unwrap().len(), before);
    // A real server says so itself.
    machine.stop().await.unwrap();
    point_at(dir.path(), server.address);
    server.epoch.store(8, Ordering::SeqCst);
    let machine = Machine::start(dir.path());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(server.connected().is_none());
    server.epoch.store(9, Ordering::SeqCst);
    eventually("it leads again", || server.connected()).await;
    machine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_another_epoch_than_the_greeting_s_is_not_done() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    eventually("it is connected", || server.connected()).await;
    machine.stop().await.unwrap();
    let puppet = Puppet::new().await;
    point_at(dir.path(), puppet.listener.local_addr().unwrap());
    let machine = Machine::start(dir.path());
    let mut host = puppet.welcome(5).await;
    let before = machine.told.lock().unwrap().len();
    host.order(6, sync(100)).await;
    assert!(host.until(|_| false).await.is_none());
    assert_eq!(machine.told.lock().unwrap().len(), before);
    machine.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_is_not_known_is_answered_by_a_question_for_all() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    eventually("it is connected", || server.connected()).await;
    machine.stop().await.unwrap();
    // What it was told is lost.
    std::fs::write(dir.path().join("edge.json"), "{").unwrap();
    let puppet = Puppet::new().await;
    point_at(dir.path(), puppet.listener.local_addr().unwrap());
    let machine = Machine::start(dir.path());
    let mut host = puppet.welcome(5).await;
    assert_eq!(host.hello.held.edge, None);
    host.order(5, Order::Change { delta: delta(1, Some(1)), revision: 9 }).await;
    let asked = |said: &ToServer| matches!(said, ToServer::Report(report) if matches!(&**report, Of::Edge(it) if it.forgot));
    assert!(host.until(asked).await.is_some());
    machine.stop().await.unwrap();
    // The server gives it all.
    point_at(dir.path(), server.address);
    server.plan.change(3, Some(3));
    let machine = Machine::start(dir.path());
    server.epoch.store(6, Ordering::SeqCst);
    machine.comes_to(&server.plan.truth()).await;
}
