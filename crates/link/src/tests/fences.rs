//! What is older than what a host has seen is not done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::edge::EdgeIntent;
use model::intent::{WorkloadIntent, WorkloadsIntent};
use model::protocol::{Order, Subject, WorkloadStatus, Workloads};
use model::{DynoId, EniId, PrefixedId, Stdio, VpcId, WorkloadId};
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
        self.welcome_in(1, epoch).await
    }

    /// The same, in a version of the protocol.
    async fn welcome_in(&self, version: u16, epoch: u64) -> Guest {
        // A host that was killed may have left a connection behind.
        let (reader, mut write, hello) = loop {
            let (stream, _) = self.listener.accept().await.unwrap();
            let acceptor = TlsAcceptor::from(self.tls.config(Time::default().now()).unwrap());
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let (read, write) = tokio::io::split(stream);
            let mut reader = Reader::new(read, MOST_BYTES);
            match reader.next(Duration::from_secs(5)).await {
                Ok(ToServer::Hello(hello)) => break (reader, write, hello),
                Ok(other) => panic!("{other:?}"),
                Err(_) => {}
            }
        };
        let welcome = ToHost::Welcome {
            version,
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

    async fn workloads(&mut self, epoch: u64, order: Order<Workloads>) {
        let order = ToHost::Order { epoch, order: Box::new(Of::Workloads(order)) };
        frame::write(&mut self.write, &order, MOST_BYTES).await.unwrap();
    }

    /// Says that it is there, and answers no question.
    async fn talks_for(&mut self, span: Duration) {
        let until = tokio::time::Instant::now() + span;
        while tokio::time::Instant::now() < until {
            frame::write(&mut self.write, &ToHost::Alive, MOST_BYTES).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Answers the next question of the host.
    async fn knows(&mut self) {
        let asked = self.until(|said| matches!(said, ToServer::Ask { .. })).await;
        let Some(ToServer::Ask { number }) = asked else { panic!("it asks nothing") };
        frame::write(&mut self.write, &ToHost::Known { number }, MOST_BYTES).await.unwrap();
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

fn process(n: u128, fenced: bool) -> (WorkloadId, WorkloadIntent) {
    let ids = &mut model::Sequence(n);
    let intent = WorkloadIntent {
        interface: EniId::fresh(ids),
        vpc: VpcId::fresh(ids),
        addresses: Vec::new(),
        hostname: "a".to_owned(),
        names: Default::default(),
        command: vec!["true".to_owned()],
        user_data: None,
        environment: Default::default(),
        slug: None,
        blob: None,
        disk: None,
        image: None,
        mounts: Vec::new(),
        memory_limit: None,
        cpu_weight: None,
        stdio: Stdio::Log,
        attempt: 0,
        once: false,
        fenced,
        run: true,
    };
    (WorkloadId::Dyno(DynoId::fresh(&mut model::Sequence(n))), intent)
}

impl Machine {
    /// What its control loop is to run by now.
    fn runs(&self) -> Vec<WorkloadId> {
        let mut intent = WorkloadsIntent::default();
        for order in &*self.workloads.lock().unwrap() {
            match order {
                Order::Sync { intent: all, .. } => intent = all.clone(),
                Order::Change { delta, .. } => Workloads::change(&mut intent, delta.clone()),
                Order::Settle(_) => {}
            }
        }
        intent.0.into_keys().collect()
    }

    async fn comes_to_run(&self, what: &str, wanted: &[WorkloadId]) {
        eventually(what, || (self.runs() == wanted).then_some(())).await;
    }
}

/// The agent is there and follows nobody, or somebody who does not know of it: what may run elsewhere by now
/// ends, and does not run again before a leader has said all.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_fenced_ends_when_no_server_knows_of_the_host_and_runs_again_once_one_does() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    machine.stop().await.unwrap();
    let puppet = Puppet::new().await;
    point_at(dir.path(), puppet.listener.local_addr().unwrap());
    let seconds = Arc::new(AtomicU64::new(1000));
    let start = || {
        let now = Arc::clone(&seconds);
        let uptime = Box::new(move || Duration::from_secs(now.load(Ordering::SeqCst)));
        Machine::by(dir.path(), Versions::OURS, None, uptime)
    };
    let pass = |span: u64| seconds.fetch_add(span, Ordering::SeqCst);
    let fence = model::Host::FENCE.as_secs();
    let ((fenced, a), (free, b)) = (process(1, true), process(2, false));
    let both = [fenced, free];

    let machine = start();
    let mut leader = puppet.welcome_in(3, 5).await;
    let intent = WorkloadsIntent([(fenced, a.clone()), (free, b.clone())].into());
    leader.workloads(5, Order::Sync { intent, revision: 10 }).await;
    machine.comes_to_run("what is not fenced begins", &[free]).await;
    leader.knows().await;
    machine.comes_to_run("so does the rest once it is known of", &both).await;

    // Servers are heard, and do not hear.
    pass(fence - 1);
    leader.talks_for(Duration::from_millis(1300)).await;
    assert_eq!(machine.runs(), both);
    pass(1);
    leader.talks_for(Duration::from_millis(1300)).await;
    machine.comes_to_run("what is fenced ends", &[free]).await;
    leader.workloads(5, Order::Change { delta: Default::default(), revision: 11 }).await;
    let changed = WorkloadIntent { attempt: 1, ..a };
    let delta = model::intent::WorkloadsDelta([(fenced, Some(changed))].into());
    leader.workloads(5, Order::Change { delta, revision: 12 }).await;
    leader
        .until(|said| matches!(said, ToServer::Held(Of::Workloads(at)) if at.revision == 12))
        .await;
    assert_eq!(machine.runs(), [free], "an order alone does not say that it is known of");
    leader.knows().await;
    machine.comes_to_run("it runs again", &both).await;

    // A process of the agent goes on with the time of the one before it.
    machine.kill();
    pass(fence - 1);
    drop(leader);
    let machine = start();
    machine.comes_to_run("all goes on", &both).await;
    machine.kill();
    pass(1);
    let machine = start();
    machine.comes_to_run("it was too long ago", &[free]).await;

    // What was placed elsewhere meanwhile ends, and is never begun here.
    let (mut leader, before) =
        (puppet.welcome_in(3, 6).await, machine.workloads.lock().unwrap().len());
    let delta = model::intent::WorkloadsDelta([(fenced, None)].into());
    leader.workloads(6, Order::Change { delta, revision: 13 }).await;
    leader.knows().await;
    leader.knows().await;
    let begins = |order: &Order<Workloads>| match order {
        Order::Sync { intent, .. } => intent.0.contains_key(&fenced),
        Order::Change { delta, .. } => delta.0.get(&fenced).is_some_and(Option::is_some),
        Order::Settle(_) => false,
    };
    assert!(!machine.workloads.lock().unwrap()[before..].iter().any(begins));
    assert_eq!(machine.runs(), [free]);
    machine.stop().await.unwrap();
}

/// A real server answers once it has said all, and a host that follows one of the release before goes by
/// whether it hears it.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_of_this_release_is_known_of_also_by_a_server_of_the_one_before() {
    for newest in [2, 3] {
        let server = Server::of(1, Versions { oldest: 1, newest }, HOUR).await;
        let (dir, machine) = Machine::joined(&server).await;
        let (fenced, intent) = process(1, true);
        let intent = WorkloadsIntent([(fenced, intent)].into());
        let order = Order::Sync { intent, revision: 1 };
        eventually("it is connected", || server.connected()).await;
        server.plan.give_workloads(order);
        machine.comes_to_run("it runs", &[fenced]).await;
        assert_eq!(server.connected().unwrap().connected.unwrap().version, newest);
        let kept = || Keep::at(dir.path()).contact();
        eventually("when it was known of is kept", kept).await;
        machine.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_has_ended_by_itself_is_reported_as_interrupted() {
    use model::protocol::{Report, WorkloadsOutcomes};

    let reports = Reports::default();
    let mut tells = reports.tells();
    let ((one, _), (two, _)) = (process(1, true), process(2, true));
    let report = |status: WorkloadStatus| Report {
        outcomes: WorkloadsOutcomes([(one, status.clone()), (two, status)].into()),
        ..Report::<Workloads>::at(1)
    };
    let mut said = async |status: WorkloadStatus| {
        (tells.workloads)(report(status));
        let Of::Workloads(report) = reports.next().await else { panic!("of workloads") };
        (report.outcomes.0[&one].clone(), report.outcomes.0[&two].clone())
    };
    use WorkloadStatus as S;
    reports.mask(&[one].into());
    assert_eq!(said(S::Gone).await, (S::Interrupted, S::Gone));
    assert_eq!(said(S::Running).await, (S::Running, S::Running));
    assert_eq!(said(S::Gone).await, (S::Gone, S::Gone), "that was another end");
    reports.mask(&[one, two].into());
    reports.mask_only(&[two].into());
    assert_eq!(said(S::Gone).await, (S::Gone, S::Interrupted), "nobody wants it any more");
}
