//! What the passing of time brings about, and how tasks follow the world.

use model::{Caller, IdentityCommand, NewWebhook, PlatformCommand, WebhookOwner};
use store::EventQuery;

use super::receiver::Receiver;
use super::*;
use crate::http::platform::tests::fixture::{Fixture, PENDING};

fn outbox(server: &Fixture) -> Outbox {
    let state = &server.state;
    Outbox::new(Parts {
        ledger: state.ledger.clone(),
        store: state.store.lock().unwrap().handle().unwrap(),
        clock: Arc::clone(&state.clock),
        reachable: Reachable { anything: true, ..Reachable::default() },
        sources: state.log_sources(),
        duties: Duties::alone(),
    })
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
    outbox.follow();
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
    outbox.follow();
    assert_eq!((outbox.hooks.len(), outbox.drains.len()), (1, 1));
    while deliveries() > 0 {
        tokio::task::yield_now().await;
    }
}
