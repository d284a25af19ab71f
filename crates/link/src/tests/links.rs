//! What a host is told, however connections fare.

use std::time::Duration;

use model::protocol::Order;
use tokio::net::TcpStream;

use super::kit::*;
use crate::frame::{self, MOST_BYTES, Reader};
use crate::message::{Hello, ToHost, ToServer};
use crate::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_told_what_it_must_be_and_what_came_of_it_is_heard() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    let view = eventually("it is connected", || server.connected()).await;
    assert_eq!(view.connected.unwrap().about.name, "one");
    for n in 0..20 {
        server.plan.change(n % 5, (n % 3 != 0).then_some(n));
    }
    let revision = server.plan.change(1, Some(200));
    machine.comes_to(&server.plan.truth()).await;
    eventually("it is reported", || server.plan.has_reached(revision).then_some(())).await;
    server.plan.give(Order::Settle(7));
    eventually("it answers", || server.plan.settled(7).then_some(())).await;
    let stamp = Stamp { epoch: 1, revision };
    let held = || server.connected().filter(|it| it.held.edge == Some(stamp));
    eventually("it is on its disk", held).await;
    machine.stop().await.unwrap();
    // Its disk alone says what it must be.
    server.end().await;
    let alone = Machine::start(dir.path());
    assert!(matches!(&alone.told.lock().unwrap()[..], [Order::Sync { .. }]), "at once");
    alone.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_meanwhile_is_told_as_a_change() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    machine.comes_to(&server.plan.truth()).await;
    server.plan.change(1, Some(1));
    machine.comes_to(&server.plan.truth()).await;
    machine.stop().await.unwrap();
    eventually("it is gone", || server.connected().is_none().then_some(())).await;
    let syncs = server.plan.syncs();
    for n in 0..100 {
        server.plan.change(n % 4, Some(n));
    }
    let machine = Machine::start(dir.path());
    machine.comes_to(&server.plan.truth()).await;
    assert_eq!(server.plan.syncs(), syncs, "nobody had to tell all");
    let told = machine.told.lock().unwrap().clone();
    let [Order::Sync { .. }, Order::Change { delta, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(delta.vpcs.len(), 4, "a hundred changes are one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_goes_on_without_servers_and_follows_the_next_one() {
    let server = Server::start().await;
    let (_dir, machine) = Machine::joined(&server).await;
    server.plan.change(1, Some(1));
    machine.comes_to(&server.plan.truth()).await;
    let kept = server.end().await;
    kept.2.change(2, Some(2));
    assert!(!machine.ended.is_finished());
    let server = Server::again(kept, 2).await;
    machine.comes_to(&server.plan.truth()).await;
    eventually("it is connected", || server.connected()).await;
    machine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_host_goes_on_where_it_was() {
    let server = Server::start().await;
    let (dir, mut machine) = Machine::joined(&server).await;
    for n in 0..10 {
        server.plan.change(n, Some(n));
        machine.comes_to(&server.plan.truth()).await;
        machine.kill();
        server.plan.change(n, None);
        machine = Machine::start(dir.path());
        machine.comes_to(&server.plan.truth()).await;
    }
}

/// Connections are cut after any number of bytes, in the middle of messages and of greetings, while things
/// change.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_anywhere_lose_nothing() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    machine.comes_to(&server.plan.truth()).await;
    machine.stop().await.unwrap();
    let proxy = Proxy::to(server.address).await;
    point_at(dir.path(), proxy.address);
    proxy.cut_after.send_replace(Some(100));
    let machine = Machine::start(dir.path());
    for round in 0..24_usize {
        proxy.cut_after.send_replace(Some(100 + 331 * round));
        for n in 0..10_u8 {
            server.plan.change(n % 7, (n % 4 != 0).then_some(n + u8::try_from(round).unwrap()));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    proxy.cut_after.send_replace(None);
    machine.comes_to(&server.plan.truth()).await;
    machine.stop().await.unwrap();
}

/// Nothing is closed, but nothing comes through any more.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_silent_counts_as_gone() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    machine.comes_to(&server.plan.truth()).await;
    machine.stop().await.unwrap();
    // A host that greets and then says nothing.
    let _silent = Raw::connect(&server, dir.path()).await;
    eventually("it is connected", || server.connected()).await;
    eventually("it counts as gone", || server.connected().is_none().then_some(())).await;
    let view = server.hub.hosts().remove(0);
    assert!(view.lost.is_some());
}

/// A connection whose host reads nothing.
struct Raw {
    reader: Reader<tokio::io::ReadHalf<tokio_rustls::client::TlsStream<TcpStream>>>,
    write: tokio::io::WriteHalf<tokio_rustls::client::TlsStream<TcpStream>>,
}

impl Raw {
    async fn connect(server: &Server, dir: &std::path::Path) -> Self {
        let identity = Keep::at(dir).identity().unwrap().unwrap();
        let config = tls::of_host(&identity.authority, &identity.certificate, &identity.key);
        let stream = TcpStream::connect(server.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(config.unwrap());
        let stream = connector.connect(tls::server_name(), stream).await.unwrap();
        let (read, mut write) = tokio::io::split(stream);
        let hello = Hello {
            versions: Versions::OURS,
            about: about("raw"),
            epoch: 0,
            held: Held::default(),
        };
        let hello = ToServer::Hello(Box::new(hello));
        frame::write(&mut write, &hello, MOST_BYTES).await.unwrap();
        Self { reader: Reader::new(read, MOST_BYTES), write }
    }
}

/// A host that comes anew before its last connection was found dead is told everything there, and nothing of it
/// goes to the dead one.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_takes_no_order_that_is_for_the_one_after_it() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    machine.comes_to(&server.plan.truth()).await;
    machine.stop().await.unwrap();
    let mut dead = Vec::new();
    for _ in 0..40 {
        let mut raw = Raw::connect(&server, dir.path()).await;
        let told = async {
            loop {
                let message = raw.reader.next(Duration::from_secs(5)).await.unwrap();
                if let ToHost::Order { order, .. } = message
                    && let Of::Edge(Order::Sync { intent, .. }) = *order
                {
                    return intent;
                }
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(5), told).await;
        assert_eq!(told.expect("it is told all that there is"), server.plan.truth());
        dead.push(raw);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_for_a_slow_host_does_not_grow() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    machine.comes_to(&server.plan.truth()).await;
    machine.stop().await.unwrap();
    let mut slow = Raw::connect(&server, dir.path()).await;
    eventually("it is connected", || server.connected()).await;
    let changes = 100_000_u32;
    for n in 0..changes {
        let part = u8::try_from(n % 250).unwrap();
        server.plan.change(part, Some(part));
        if n % 10_000 == 0 {
            frame::write(&mut slow.write, &ToServer::Alive, MOST_BYTES).await.unwrap();
        }
    }
    let last = server.plan.change(1, Some(9));
    let (mut orders, mut intent) = (0_u32, None);
    loop {
        frame::write(&mut slow.write, &ToServer::Alive, MOST_BYTES).await.unwrap();
        let ToHost::Order { order, .. } = slow.reader.next(Duration::from_secs(5)).await.unwrap()
        else {
            continue;
        };
        let Of::Edge(order) = *order else { continue };
        orders += 1;
        let reached = match order {
            Order::Sync { intent: all, revision } => {
                intent = Some(all);
                revision
            }
            Order::Change { delta, revision } => {
                use model::protocol::{Edge, Subject};
                Edge::change(intent.as_mut().expect("it was told all first"), delta);
                revision
            }
            Order::Settle(_) => continue,
        };
        if reached == last {
            break;
        }
    }
    assert!(orders < changes / 2, "{orders} orders for {changes} changes");
    assert_eq!(intent.unwrap(), server.plan.truth());
}
