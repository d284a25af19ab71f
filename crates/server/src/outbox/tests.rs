//! What the passing of time brings about, and how tasks follow the world.

use std::sync::Condvar;
use std::sync::mpsc;

use model::{
    AppId, Caller, IdentityCommand, Key, NewWebhook, PlatformCommand, Subject, WebhookOwner,
};
use store::{DeliveryRow, EventQuery};

use super::receiver::Receiver;
use super::*;
use crate::apps::router_log::RouterLog;
use crate::http::platform::tests::fixture::{Fixture, PENDING};

fn parts(server: &Fixture) -> Parts {
    let state = &server.state;
    Parts {
        ledger: state.ledger.clone(),
        store: state.store.lock().unwrap().handle().unwrap(),
        clock: Arc::clone(&state.clock),
        reachable: Reachable { anything: true, ..Reachable::default() },
        sources: state.log_sources(),
        duties: Duties::alone(),
    }
}

fn outbox(server: &Fixture) -> Outbox {
    Outbox::new(parts(server))
}

fn kinds(server: &Fixture, resource: &str) -> Vec<String> {
    let store = server.state.store.lock().unwrap();
    let events = store.events(&EventQuery { limit: 100, ..EventQuery::default() }).unwrap();
    let of_it = events.rows.into_iter().filter(|row| row.resource == resource);
    of_it.map(|row| row.kind).collect()
}

#[tokio::test]
async fn that_a_request_expires_is_told_once_also_after_a_restart() {
    let server = Fixture::new();
    let day = Duration::from_secs(24 * 3600);
    let mut first = outbox(&server);
    first.tell_by_time().await.unwrap();
    assert_eq!(kinds(&server, PENDING), [] as [&str; 0]);
    server.state.clock.advance(6 * day);
    for _ in 0..3 {
        first.tell_by_time().await.unwrap();
    }
    assert_eq!(kinds(&server, PENDING), ["peering.expiring"]);
    let mut second = outbox(&server);
    second.tell_by_time().await.unwrap();
    assert_eq!(kinds(&server, PENDING), ["peering.expiring"]);
    server.state.clock.advance(day);
    second.tell_by_time().await.unwrap();
    first.tell_by_time().await.unwrap();
    assert_eq!(kinds(&server, PENDING), ["peering.expiring", "peering.expired"]);
}

#[tokio::test]
async fn webhooks_and_drains_are_served_for_as_long_as_they_are_there() {
    let server = Fixture::new();
    let receiver = Receiver::http(false).await;
    let mut outbox = outbox(&server);
    let new = NewWebhook {
        owner: WebhookOwner::Operator,
        url: receiver.url("http", "/hook"),
        include: vec!["drift".to_owned()],
        secret: "0123456789abcdef".to_owned(),
        authorization: None,
    };
    let hook = server.command(Caller::Operator, IdentityCommand::CreateWebhook(new)).await;
    let app = server.state.world().app_named("shop").unwrap().id;
    let url = receiver.url("http", "/logs");
    let drain = server.command(Caller::Operator, PlatformCommand::AddLogDrain { app, url }).await;
    let (Key::Webhook(hook), Key::LogDrain(drain)) = (hook, drain) else {
        panic!("{hook:?} {drain:?}")
    };
    let now = server.state.clock.now();
    server.state.ledger.happened(&[model::drift_repaired("vpc-1", "x", now)]);
    let ledger = server.state.ledger.clone();
    tokio::task::spawn_blocking(move || ledger.wait_for_notes_blocking()).await.unwrap();
    outbox.follow().await;
    // The app has another one of both already.
    assert_eq!((outbox.hooks.len(), outbox.drains.len()), (2, 2));
    let had = |path: &str| receiver.requests().iter().any(|request| request.path == path);
    while !had("/hook") {
        tokio::task::yield_now().await;
    }
    let deliveries = || {
        let store = server.state.store.lock().unwrap();
        store.deliveries(&hook.to_string(), 10).unwrap().len()
    };
    while deliveries() == 0 {
        tokio::task::yield_now().await;
    }
    server.command(Caller::Operator, IdentityCommand::DeleteWebhook { id: hook }).await;
    server.command(Caller::Operator, PlatformCommand::RemoveLogDrain { app, drain }).await;
    outbox.follow().await;
    assert_eq!((outbox.hooks.len(), outbox.drains.len()), (1, 1));
    while deliveries() > 0 {
        tokio::task::yield_now().await;
    }
}

/// A webhook and a drain of the team's space, and what was noted of both.
struct Noting<'a> {
    server: &'a Fixture,
    hook: WebhookId,
    drain: LogDrainId,
    app: AppId,
}

impl<'a> Noting<'a> {
    async fn set_up(server: &'a Fixture) -> Self {
        let world = server.state.world();
        let team = world.team_named("acme").unwrap().id;
        let app = world.app_named("shop").unwrap().id;
        let url = "https://nobody.invalid/".to_owned();
        let new = NewWebhook {
            owner: WebhookOwner::Team(team),
            url: url.clone(),
            include: vec!["peering".to_owned()],
            secret: "0123456789abcdef".to_owned(),
            authorization: None,
        };
        let hook = server.command(Caller::Operator, IdentityCommand::CreateWebhook(new)).await;
        let drain =
            server.command(Caller::Operator, PlatformCommand::AddLogDrain { app, url }).await;
        let (Key::Webhook(hook), Key::LogDrain(drain)) = (hook, drain) else {
            panic!("{hook:?} {drain:?}")
        };
        Self { server, hook, drain, app }
    }

    /// What couriers and senders note.
    fn note(&self) {
        let mut store = self.server.state.store.lock().unwrap();
        let hook = self.hook.to_string();
        let row = DeliveryRow { hook, event: 1, settled: true, body: "{}".to_owned() };
        store.note_delivery(&row).unwrap();
        store.set_meta(&format!("drain/{}", self.drain), "7-1").unwrap();
    }

    /// How many deliveries are noted, and whether it is how far the drain is.
    fn noted(&self) -> (usize, bool) {
        let store = self.server.state.store.lock().unwrap();
        let position = store.meta(&format!("drain/{}", self.drain)).unwrap();
        (store.deliveries(&self.hook.to_string(), 10).unwrap().len(), position.is_some())
    }

    async fn delete(&self) {
        let (hook, drain, app) = (self.hook, self.drain, self.app);
        let (command, drained) = (
            IdentityCommand::DeleteWebhook { id: hook },
            PlatformCommand::RemoveLogDrain { app, drain },
        );
        self.server.command(Caller::Operator, command).await;
        self.server.command(Caller::Operator, drained).await;
    }
}

#[tokio::test]
async fn what_is_noted_goes_also_when_its_owner_was_disabled_before() {
    let server = Fixture::new();
    let noting = Noting::set_up(&server).await;
    let mut outbox = outbox(&server);
    outbox.follow().await;
    noting.note();
    let subject = Subject::Team(server.state.world().team_named("acme").unwrap().id);
    server.command(Caller::Operator, IdentityCommand::Disable { subject }).await;
    outbox.follow().await;
    assert!(!outbox.hooks.contains_key(&noting.hook), "nothing is sent for who is disabled");
    assert_eq!(noting.noted(), (1, true), "and nothing is forgotten: they may be let in again");
    noting.delete().await;
    outbox.follow().await;
    assert_eq!(noting.noted(), (0, false));
}

#[tokio::test]
async fn a_start_forgets_what_went_while_nothing_ran() {
    let server = Fixture::new();
    let noting = Noting::set_up(&server).await;
    let others = Noted::of(&server.state.world());
    outbox(&server).follow().await;
    noting.note();
    noting.delete().await;
    assert_eq!(noting.noted(), (1, true), "nobody has seen it go");
    outbox(&server).follow().await;
    assert_eq!(noting.noted(), (0, false));
    let store = server.state.store.lock().unwrap();
    let left = Noted::read(&**store).unwrap();
    assert_eq!(left, Noted::of(&server.state.world()));
    assert_ne!(left, others, "it is known no more");
}

/// A log that is read for as long as a test wants it.
struct Endless {
    began: Mutex<mpsc::Sender<()>>,
    ends: Arc<(Mutex<bool>, Condvar)>,
}

impl RouterLog for Endless {
    fn tail(&self, _: AppId, _: usize) -> std::io::Result<Vec<String>> {
        let _ = self.began.lock().unwrap().send(());
        let (ends, told) = &*self.ends;
        drop(told.wait_while(ends.lock().unwrap(), |ends| !*ends).unwrap());
        Ok(Vec::new())
    }

    fn forget(&self, _: AppId) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_end_waits_for_what_does_not_end_no_longer_than_its_bound() {
    let server = Fixture::new();
    Noting::set_up(&server).await;
    let (began, has_begun) = mpsc::channel();
    let ends = Arc::new((Mutex::new(false), Condvar::new()));
    let endless = Endless { began: Mutex::new(began), ends: Arc::clone(&ends) };
    let mut parts = parts(&server);
    parts.sources.router_log = Arc::new(endless);
    let stop = CancellationToken::new();
    let supervisor = Supervisor::new(|panicked| panic!("{panicked:?}"));
    let thread = start(parts, &supervisor, stop.clone()).unwrap();
    let ended = tokio::task::spawn_blocking(move || {
        has_begun.recv().unwrap();
        stop.cancel();
        let since = Instant::now();
        thread.join().unwrap();
        since.elapsed()
    });
    let took = ended.await.unwrap();
    let (ends, told) = &*ends;
    *ends.lock().unwrap() = true;
    told.notify_all();
    // A machine that is busy may be late, but nothing would have ended by itself.
    assert!(took >= LONGEST_STOP && took < 10 * LONGEST_STOP, "{took:?}");
}

#[tokio::test]
async fn while_it_waits_for_more_it_says_that_it_is_well() {
    let supervisor = Supervisor::ending_the_process();
    let (come_round, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let (wake, stopped) = (Arc::clone(&come_round), stop.clone());
    let wait = move |pulse: &Pulse| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = pause(pulse, &come_round, LONGEST_TURN) => {}
            }
        });
    };
    let thread = supervisor.spawn("outbox", LONGEST_TURN, move || wake.notify_one(), wait).unwrap();
    for _ in 0..3 {
        assert_eq!(supervisor.check().await[0].to_string(), "outbox: ok");
    }
    stop.cancel();
    thread.join().unwrap();
}
