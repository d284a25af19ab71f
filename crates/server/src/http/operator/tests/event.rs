//! Who is told of which events.

use model::{Caller, Ec2Command, Key, PcxId, PlatformCommand, Scope, Tags};
use serde_json::Value;

use super::peer::town;
use super::server;
use crate::http::platform::tests::fixture::{ALICE, Fixture, STRANGER};

async fn page(server: &Fixture, token: &str, query: &str) -> Value {
    let got = server.get(token, &format!("/_causeway/events?{query}")).await;
    assert_eq!(got.status, 200, "{got:?}");
    got.json()
}

fn kinds(page: &Value) -> Vec<&str> {
    let events = page["events"].as_array().unwrap();
    events.iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

/// A request for a peering with a space.
pub(super) async fn requested(server: &Fixture) -> PcxId {
    let (vpc, _) = town(server).await;
    let world = server.state.world();
    let peer_vpc = world.space_named("town").unwrap().vpc;
    let account = world.vpc(vpc).unwrap().account;
    let scope = Scope { account, region: server.state.region() };
    let (peer_owner, peer_region) = (world.vpc(peer_vpc).map(|vpc| vpc.account), None);
    let tags = Tags::new();
    let request = Ec2Command::CreatePeering { vpc, peer_vpc, peer_owner, peer_region, tags };
    match server.command(Caller::Account { scope, read_only: false }, request).await {
        Key::Peering(id) => id,
        other => panic!("{other:?}"),
    }
}

/// The request is accepted, and the fabric carries it.
async fn accepted(server: &Fixture) -> PcxId {
    let peering = requested(server).await;
    let world = server.state.world();
    let space = world.space_named("town").unwrap().id;
    let alice = world.user_named("alice@example.com").unwrap().id;
    let accept = PlatformCommand::AcceptPeering { space, peering };
    server.command(Caller::User(alice), accept).await;
    server.observe().await;
    peering
}

#[tokio::test]
async fn a_follower_goes_on_after_what_it_has_seen_and_misses_nothing() {
    let server = server();
    let operator = server.operator();
    let begin = page(&server, &operator, "limit=1").await["last"].as_u64().unwrap();
    accepted(&server).await;
    let of = "kind=peering.requested,peering.accepted";
    let all = page(&server, &operator, &format!("after={begin}&{of}")).await;
    assert_eq!(kinds(&all), ["peering.requested", "peering.accepted"]);
    let first = page(&server, &operator, &format!("after={begin}&{of}&limit=1")).await;
    assert_eq!(kinds(&first), ["peering.requested"]);
    let last = first["last"].as_u64().unwrap();
    let next = page(&server, &operator, &format!("after={last}&{of}&limit=1")).await;
    assert_eq!(kinds(&next), ["peering.accepted"]);
    let end = all["last"].as_u64().unwrap();
    let none = page(&server, &operator, &format!("after={end}")).await;
    assert_eq!((kinds(&none), none["last"].as_u64()), (Vec::new(), Some(end)));
}

#[tokio::test]
async fn everybody_is_told_what_concerns_them_alone() {
    let server = server();
    let peering = accepted(&server).await.to_string();
    let team = page(&server, ALICE, "kind=peering.active").await;
    let events = team["events"].as_array().unwrap();
    let event = events.iter().find(|event| event["resource"] == peering.as_str()).unwrap();
    assert_eq!(event["space"], "town");
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
