//! Who sees what of what there is.

use serde_json::Value;

use super::server;
use crate::http::platform::tests::fixture::{ALICE, BOB, Fixture, PENDING, STRANGER};

async fn rows(server: &Fixture, token: &str, kind: &str) -> Vec<Value> {
    let got = server.get(token, &format!("/_causeway/overview/{kind}")).await;
    assert_eq!(got.status, 200, "{got:?}");
    got.json()["rows"].as_array().unwrap().clone()
}

#[tokio::test]
async fn everybody_sees_what_is_theirs_and_the_operator_all() {
    let server = server();
    let operator = server.operator();
    for (kind, field, name) in
        [("spaces", "name", "alpha"), ("apps", "name", "shop"), ("peerings", "id", PENDING)]
    {
        let named = |rows: &[Value]| rows.iter().any(|row| row[field] == name);
        for token in [operator.as_str(), ALICE, BOB] {
            let rows = rows(&server, token, kind).await;
            assert!(named(&rows), "{kind}: {rows:?}");
        }
        assert_eq!(rows(&server, STRANGER, kind).await, [] as [Value; 0], "{kind}");
        let nobody = server.get("nobody", &format!("/_causeway/overview/{kind}")).await;
        assert_eq!(nobody.error().0, 401, "{kind}");
    }
}

#[tokio::test]
async fn a_team_learns_nothing_of_who_is_on_the_other_side_but_what_the_request_shows() {
    let server = server();
    let world = server.state.world();
    let operator = server.operator();
    let all = rows(&server, &operator, "peerings").await;
    let own = rows(&server, ALICE, "peerings").await;
    assert!(all.len() > own.len(), "the platform's own peering is the operator's to see");
    let pending = own.iter().find(|row| row["id"] == PENDING).unwrap();
    let requester = world.peering(PENDING.parse().unwrap()).unwrap().requester.clone();
    assert_eq!(pending["requester"]["owner"], requester.account.to_string());
    assert_eq!(pending["requester"]["name"], "");
    assert_eq!(pending["accepter"]["name"], "alpha");
    assert_eq!(pending["accepter"]["owner"], "acme");
    // The data VPC is shown to nobody else either.
    let space = world.space_named("alpha").unwrap();
    let shows = |rows: &[Value]| rows.iter().any(|row| row["id"] == space.data_vpc.to_string());
    assert!(!shows(&rows(&server, ALICE, "vpcs").await));
}

#[tokio::test]
async fn what_is_used_is_for_the_operator_alone() {
    let server = server();
    assert_eq!(server.get(ALICE, "/_causeway/usage").await.error().0, 401);
    let got = server.get(&server.operator(), "/_causeway/usage").await;
    let usage = got.json();
    let row = usage["rows"].as_array().unwrap().iter().find(|row| row["kind"] == "dyno").unwrap();
    assert!(row["name"].as_str().unwrap().starts_with("shop/"), "{row}");
    assert_eq!((&row["owner"], &row["space"]), (&"acme".into(), &"alpha".into()), "{row}");
    assert_eq!(row["cpu_micros"], Value::Null, "nothing runs here");
}
