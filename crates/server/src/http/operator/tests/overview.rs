//! Who sees what of what there is.

use serde_json::Value;

use super::super::names::in_texts;
use super::event::requested;
use super::{server, with_endpoints};
use crate::http::platform::tests::fixture::{ALICE, BOB, Fixture, STRANGER};
use crate::party::Party;

async fn rows(server: &Fixture, token: &str, kind: &str) -> Vec<Value> {
    let got = server.get(token, &format!("/_causeway/overview/{kind}")).await;
    assert_eq!(got.status, 200, "{got:?}");
    got.json()["rows"].as_array().unwrap().clone()
}

#[tokio::test]
async fn everybody_sees_what_is_theirs_and_the_operator_all() {
    let server = server();
    let peering = requested(&server).await.to_string();
    let operator = server.operator();
    for (kind, field, name) in
        [("spaces", "name", "town"), ("apps", "name", "shed"), ("peerings", "id", &*peering)]
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
    let peering = requested(&server).await;
    let id = peering.to_string();
    let world = server.state.world();
    let operator = server.operator();
    let all = rows(&server, &operator, "peerings").await;
    let own = rows(&server, ALICE, "peerings").await;
    assert!(all.len() > own.len(), "the platform's own peering is the operator's to see");
    let pending = own.iter().find(|row| row["id"] == id.as_str()).unwrap();
    let requester = world.peering(peering).unwrap().requester.clone();
    assert_eq!(pending["requester"]["owner"], requester.account.to_string());
    assert_eq!(pending["requester"]["name"], "");
    assert_eq!(pending["accepter"]["name"], "town");
    assert_eq!(pending["accepter"]["owner"], "acme");
    // The data VPC is shown to nobody else either.
    let space = world.space_named("town").unwrap();
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

#[tokio::test]
async fn ids_in_texts_get_the_names_that_people_know() {
    let server = server();
    let peering = requested(&server).await;
    let world = server.state.world();
    let space = world.space_named("town").unwrap();
    let text = format!("{}: a route of {peering} was missing; i-1, vpc-zz, é", space.vpc);
    let names = in_texts(&world, [text.as_str(), ""].into_iter());
    assert_eq!(names[&space.vpc.to_string()], "space town of acme");
    assert_eq!(names[&peering.to_string()], "partner to space town of acme");
    assert_eq!(names.len(), 2, "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_take_their_time_are_made_by_so_many_at_a_time() {
    let server = Fixture::new().set(|state| state.log_readers = edge::Shares::new(1));
    let server = with_endpoints(server);
    let (vpc, dyno) = super::peer::town(&server).await;
    let operator = server.operator();
    let paths = [
        "overview/vpcs".to_owned(),
        "overview/peerings".to_owned(),
        "overview/instances".to_owned(),
        "overview/spaces".to_owned(),
        "overview/apps".to_owned(),
        format!("why?from={dyno}&to={vpc}/10.77.0.10&port=80"),
        format!("peer-plan?space=town&vpc={vpc}"),
    ];
    let held = server.state.log_readers.take([Party::Operator]).unwrap();
    for path in &paths {
        let got = server.get(&operator, &format!("/_causeway/{path}")).await;
        assert_eq!(got.error(), (429, "rate_limit".to_owned()), "{path}");
    }
    drop(held);
    // The share of each answer is given back once it is made.
    for path in paths.iter().chain(&paths) {
        let got = server.get(&operator, &format!("/_causeway/{path}")).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
    }
}
