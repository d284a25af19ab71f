//! What every reading endpoint answers, to the letter (R6, R11, R14).

use super::fixture::{ACTIVE, ALICE, ALPHA, Fixture, PENDING};

/// Every path that is read, with names where ids do as well.
const PATHS: &[&str] = &[
    "/account",
    "/account/rate-limits",
    "/generations",
    "/generations/cedar",
    "/regions",
    "/regions/virginia",
    "/teams",
    "/teams/acme",
    "/teams/acme/members",
    "/teams/acme/apps",
    "/teams/permissions",
    "/spaces/alpha",
    "/spaces/alpha/nat",
    "/spaces/alpha/members",
    "/spaces/alpha/members/bob@example.com",
    "/spaces/alpha/inbound-ruleset",
    "/spaces/alpha/topology",
    "/spaces/alpha/dynos",
    "/spaces/alpha/peering-info",
    "/spaces/alpha/peerings",
    "/spaces/alpha/peerings/pcx-00000000000000001",
    "/apps/shop",
    "/apps/shop/collaborators",
    "/apps/shop/config-vars",
    "/apps/shop/releases",
    "/apps/shop/releases/1",
    "/apps/shop/releases/1/config-vars",
    "/apps/shop/slugs",
    "/apps/shop/formation",
    "/apps/shop/domains",
    "/apps/shop/log-drains",
    "/apps/shop/log-drains/00000000-0000-0000-0000-0000000000d1",
    "/apps/shop/webhooks",
    "/apps/shop/webhooks/00000000-0000-0000-0000-0000000000f1",
    "/apps/shop/webhook-deliveries",
    "/apps/shop/webhook-events",
    "/apps/shop/addons",
    "/apps/shop/addon-attachments",
    "/addon-services",
    "/addon-services/heroku-postgresql/plans",
    "/apps/shop/dynos",
    "/apps/shop/dynos/run.0002",
];

#[tokio::test]
async fn every_reading_endpoint_answers_to_the_letter() {
    let server = Fixture::new();
    for path in PATHS {
        let got = server.get(ALICE, path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        let name = path.trim_matches('/').replace(['/', '.'], "_");
        insta::assert_json_snapshot!(name, got.json());
    }
}

#[tokio::test]
async fn lists_that_are_alike_hold_the_same() {
    let server = Fixture::new();
    for (path, same_as) in [
        ("/users/~", "/account"),
        ("/users/~/apps", "/apps"),
        ("/spaces", "/teams/acme/spaces"),
        ("/teams/acme/available-generations", "/generations"),
        ("/regions/us-east-1", "/regions/virginia"),
        ("/teams/00000000-0000-0000-0000-00000000000a", "/teams/acme"),
        ("/apps/00000000-0000-0000-0000-0000000000c1", "/apps/shop"),
        ("/teams/apps/shop", "/teams/acme/apps"),
        ("/addons", "/apps/shop/addons"),
        ("/addon-attachments", "/apps/shop/addon-attachments"),
        ("/addons/redis-flat-00001/addon-attachments", "/apps/shop/addon-attachments"),
        ("/addons/redis-flat-00001", "/apps/shop/addons/redis-flat-00001"),
        ("/plans/heroku-redis:premium-0", "/addon-services/heroku-redis/plans/premium-0"),
        ("/apps/shop/releases/v1", "/apps/shop/releases/1"),
        ("/apps/shop/releases/00000000-0000-0000-0000-00000000004e", "/apps/shop/releases/1"),
    ] {
        let (a, b) = (server.get(ALICE, path).await, server.get(ALICE, same_as).await);
        assert_eq!(a.status, 200, "{path}");
        let b = b.json();
        let b = if path == "/teams/apps/shop" { b[0].clone() } else { b };
        assert_eq!(a.json(), b, "{path}");
    }
    assert_eq!(
        server.get(ALICE, &format!("/spaces/{ALPHA}")).await.json(),
        server.get(ALICE, "/spaces").await.json()[0]
    );
    for empty in ["buildpack-installations", "sni-endpoints"] {
        assert_eq!(server.get(ALICE, &format!("/apps/shop/{empty}")).await.text, "[]");
    }
}

#[tokio::test]
async fn regions_are_found_by_their_derived_ids() {
    let server = Fixture::new();
    let virginia = server.get(ALICE, "/regions/virginia").await.json();
    let id = virginia["id"].as_str().unwrap();
    assert_eq!(server.get(ALICE, &format!("/regions/{id}")).await.json(), virginia);
    assert_eq!(server.get(ALICE, "/regions/ohio").await.error(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn the_platforms_own_peerings_are_masked_and_have_no_address() {
    let server = Fixture::new();
    let list = server.get(ALICE, "/spaces/alpha/peerings").await;
    for secret in ["pcx-000000000000000ff", "vpc-00000000000000002", "100000000001"] {
        assert!(!list.text.contains(secret), "{secret}");
    }
    let last = list.json().as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["type"], "heroku-managed");
    assert_eq!(last.get("expires"), None);
    for pcx in ["******", "pcx-000000000000000ff", "pcx-00000000000000007", "nonsense"] {
        let got = server.get(ALICE, &format!("/spaces/alpha/peerings/{pcx}")).await;
        assert_eq!(got.error(), (404, "not_found".to_owned()), "{pcx}");
    }
    for (method, path) in [
        ("DELETE", "/spaces/alpha/peerings/******"),
        ("POST", "/spaces/alpha/peerings/******/actions/accept"),
    ] {
        let got = server.ask(ALICE, method, path, "").await;
        assert_eq!(got.error(), (403, "forbidden".to_owned()), "{method}");
    }
    for (method, path) in [
        ("DELETE", "/spaces/alpha/peerings/pcx-000000000000000ff"),
        ("POST", "/spaces/alpha/peerings/pcx-000000000000000ff/actions/accept"),
    ] {
        let got = server.ask(ALICE, method, path, "").await;
        assert_eq!(got.error(), (404, "not_found".to_owned()), "{method}");
    }
}

#[tokio::test]
async fn expiry_is_told_only_while_a_request_waits() {
    let server = Fixture::new();
    let list = server.get(ALICE, "/spaces/alpha/peerings").await.json();
    for row in list.as_array().unwrap() {
        let waits = row["status"] == "pending-acceptance";
        assert_eq!(row.get("expires").is_some(), waits, "{row}");
    }
    let one = |pcx: &str| {
        let path = format!("/spaces/alpha/peerings/{pcx}");
        let server = &server;
        async move { server.get(ALICE, &path).await.json() }
    };
    assert_eq!(one(PENDING).await["type"], "unknown");
    assert_eq!(one(ACTIVE).await["type"], "customer-managed");
}

#[tokio::test]
async fn the_operator_is_an_account_too_and_sees_every_team() {
    let server = Fixture::new();
    let operator = server.operator();
    assert_eq!(
        server.get(&operator, "/account").await.json()["email"],
        "operator@causeway.localhost"
    );
    let teams = server.get(&operator, "/teams").await.json();
    assert_eq!(teams.as_array().unwrap().len(), 2);
    assert_eq!(teams[0]["role"], "admin");
}
