//! Who is told of which events.

use model::{Caller, PlatformCommand};
use serde_json::Value;

use super::server;
use crate::http::platform::tests::fixture::{ALICE, Fixture, PENDING, STRANGER};

async fn page(server: &Fixture, token: &str, query: &str) -> Value {
    let got = server.get(token, &format!("/_causeway/events?{query}")).await;
    assert_eq!(got.status, 200, "{got:?}");
    got.json()
}

fn kinds(page: &Value) -> Vec<&str> {
    let events = page["events"].as_array().unwrap();
    events.iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

/// The pending request is accepted, and the fabric carries it.
async fn accepted(server: &Fixture) {
    let world = server.state.world();
    let space = world.space_named("alpha").unwrap().id;
    let alice = world.user_named("alice@example.com").unwrap().id;
    let accept = PlatformCommand::AcceptPeering { space, peering: PENDING.parse().unwrap() };
    server.command(Caller::User(alice), accept).await;
    server.observe().await;
}

#[tokio::test]
async fn a_follower_goes_on_after_what_it_has_seen_and_misses_nothing() {
    let server = server();
    let operator = server.operator();
    let begin = page(&server, &operator, "limit=1").await["last"].as_u64().unwrap();
    accepted(&server).await;
    let all = page(&server, &operator, &format!("after={begin}&kind=peering")).await;
    assert_eq!(kinds(&all), ["peering.accepted", "peering.active"]);
    let first = page(&server, &operator, &format!("after={begin}&kind=peering&limit=1")).await;
    assert_eq!(kinds(&first), ["peering.accepted"]);
    let last = first["last"].as_u64().unwrap();
    let next = page(&server, &operator, &format!("after={last}&kind=peering&limit=1")).await;
    assert_eq!(kinds(&next), ["peering.active"]);
    let end = all["last"].as_u64().unwrap();
    let none = page(&server, &operator, &format!("after={end}")).await;
    assert_eq!((kinds(&none), none["last"].as_u64()), (Vec::new(), Some(end)));
}

#[tokio::test]
async fn everybody_is_told_what_concerns_them_alone() {
    let server = server();
    accepted(&server).await;
    let team = page(&server, ALICE, "kind=peering.active").await;
    assert_eq!(kinds(&team), ["peering.active"]);
    let event = &team["events"][0];
    assert_eq!((&event["space"], &event["resource"]), (&"alpha".into(), &PENDING.into()));
    assert_eq!(kinds(&page(&server, STRANGER, "kind=*").await), [] as [&str; 0]);
    assert_eq!(server.get("nobody", "/_causeway/events").await.error().0, 401);
    // Drift is the operator's business.
    let drift = model::drift_repaired("vpc-1", "a route was missing", server.state.clock.now());
    assert!(server.state.ledger.happened(&[drift]));
    let ledger = server.state.ledger.clone();
    tokio::task::spawn_blocking(move || ledger.wait_for_notes_blocking()).await.unwrap();
    let operator = page(&server, &server.operator(), "kind=drift").await;
    assert_eq!(operator["events"][0]["details"]["what"], "a route was missing");
    assert_eq!(kinds(&page(&server, ALICE, "kind=drift").await), [] as [&str; 0]);
}

#[tokio::test]
async fn queries_that_mean_nothing_are_refused() {
    let server = server();
    for (query, status) in
        [("kind=peer", 422), ("since=yesterday", 422), ("after=-1", 400), ("limit=x", 400)]
    {
        let got = server.get(ALICE, &format!("/_causeway/events?{query}")).await;
        assert_eq!(got.error().0, status, "{query}");
    }
}
