//! Tokens that may do less than their user: each route of the table with each scope, and tokens that are
//! bound to an app or a space.

use axum::body::Body;
use http::StatusCode;
use model::{Need, Record, TokenScope};

use super::authorization::{BODY, method, path};
use super::fixture::{ALICE, BOB, Fixture, Got, request};
use crate::apps::grant::Grant;
use crate::http::platform::route::{Method, Route};
use crate::http::platform::routes::ROUTES;

const AUTHORIZATIONS: &str = "/oauth/authorizations";
/// How a refusal begins because of a token's scopes, as Heroku words it.
const REFUSED: &str =
    "The scope of this OAuth authorization does not allow access to this resource.";

const SCOPES: [TokenScope; 6] = [
    TokenScope::Global,
    TokenScope::Identity,
    TokenScope::Read,
    TokenScope::ReadProtected,
    TokenScope::Write,
    TokenScope::WriteProtected,
];

/// A token of Alice's, as she asks for it.
async fn token(server: &Fixture, body: serde_json::Value) -> String {
    let got = server.ask(ALICE, "POST", AUTHORIZATIONS, &body.to_string()).await;
    assert_eq!(got.status, 201, "{}", got.text);
    got.json()["access_token"]["token"].as_str().unwrap().to_owned()
}

async fn scoped(server: &Fixture, scopes: &[TokenScope]) -> String {
    token(server, serde_json::json!({ "scope": scopes })).await
}

fn is_refusal(got: &Got) -> bool {
    got.status == StatusCode::FORBIDDEN && got.text.contains(REFUSED)
}

/// What is kept of who may do what.
fn rights(server: &Fixture) -> Vec<Record> {
    let world = server.state.world();
    let people = world
        .records()
        .filter(|record| matches!(record, Record::User(_) | Record::Token(_) | Record::Team(_)));
    people.cloned().collect()
}

/// Routes by which what other routes are about would be gone.
fn removes_much(route: &Route) -> bool {
    let all = ["/apps/{app}", "/spaces/{space}"];
    route.method == Method::Delete && all.contains(&route.path)
}

#[test]
fn the_needs_of_all_routes() {
    let line = |route: &Route| {
        let accepted: Vec<&str> = route.need.accepted().iter().map(|scope| scope.name()).collect();
        format!("{:6} {}: {}\n", method(route), route.path, accepted.join(" "))
    };
    insta::assert_snapshot!("needs", ROUTES.iter().map(line).collect::<String>());
}

#[tokio::test]
async fn each_route_takes_the_scopes_that_it_names_and_no_others() {
    for scope in SCOPES {
        let server = Fixture::new();
        let own = scoped(&server, &[scope]).await;
        for route in ROUTES {
            let before = server.state.world();
            let got = server.ask(&own, method(route), &path(route), BODY).await;
            let about = format!("{scope}: {} {}: {}", method(route), route.path, got.text);
            assert_eq!(got.header("oauth-scope"), scope.name(), "{about}");
            let accepted = route.need.accepted();
            assert_eq!(got.header("oauth-scope-accepted").split(' ').count(), accepted.len());
            if accepted.contains(&scope) {
                assert!(!is_refusal(&got), "{about}");
                continue;
            }
            assert!(is_refusal(&got), "{about}");
            assert_eq!(got.error(), (403, "forbidden".to_owned()), "{about}");
            assert!(before.records().eq(server.state.world().records()), "{about}");
        }
    }
}

/// An installation with room for what people ask for: a space and an app, as the rules make them.
async fn town() -> Fixture {
    let server = Fixture::set_up().await;
    let space = r#"{"name": "alpha", "team": "acme"}"#;
    assert_eq!(server.ask(ALICE, "POST", "/spaces", space).await.status, 201);
    server.observe().await;
    let app = r#"{"name": "shop", "space": "alpha"}"#;
    assert_eq!(server.ask(ALICE, "POST", "/apps", app).await.status, 201);
    server
}

/// Found out without the table: by what the answers hold.
#[tokio::test]
async fn no_secret_is_told_to_a_token_that_is_not_for_secrets() {
    let server = town().await;
    let set = r#"{"CANARY": "wren-and-robin"}"#;
    assert_eq!(server.ask(ALICE, "PATCH", "/apps/shop/config-vars", set).await.status, 200);
    let slug = server
        .ask(ALICE, "POST", "/apps/shop/slugs", r#"{"process_types": {"web": "true"}}"#)
        .await;
    assert_eq!(slug.status, 201, "{}", slug.text);
    for scope in [TokenScope::Identity, TokenScope::Read, TokenScope::Write] {
        let own = scoped(&server, &[scope]).await;
        for route in ROUTES.iter().filter(|route| route.method == Method::Get) {
            let got = server.get(&own, &path(route)).await;
            for secret in ["wren-and-robin", "/_blobs/", "/_releases/"] {
                assert!(!got.text.contains(secret), "{scope} {}: {}", route.path, got.text);
            }
        }
    }
    let own = scoped(&server, &[TokenScope::ReadProtected]).await;
    let got = server.get(&own, "/apps/shop/config-vars").await;
    assert!(got.text.contains("wren-and-robin"), "{}", got.text);
}

#[tokio::test]
async fn a_token_for_reading_changes_nothing() {
    let server = Fixture::new();
    let reads = [TokenScope::Identity, TokenScope::Read, TokenScope::ReadProtected];
    let own = scoped(&server, &reads).await;
    let before = server.state.world();
    for route in ROUTES {
        server.ask(&own, method(route), &path(route), BODY).await;
    }
    assert!(before.records().eq(server.state.world().records()));
}

#[tokio::test]
async fn no_token_gives_itself_or_others_more_than_it_has() {
    let server = Fixture::new();
    let all_but_global: Vec<TokenScope> = SCOPES[1..].to_vec();
    let own = scoped(&server, &all_but_global).await;
    let before = rights(&server);
    let wishes = [BODY, r#"{"scope": ["global"]}"#, r#"{"scope": ["read"], "app": "shop"}"#];
    for route in ROUTES.iter().filter(|route| !removes_much(route)) {
        for wish in wishes {
            server.ask(&own, method(route), &path(route), wish).await;
        }
        assert_eq!(before, rights(&server), "{} {}", method(route), route.path);
    }
}

/// Whoever may only look at a slug that waits would choose the code that somebody else releases.
#[tokio::test]
async fn an_upload_address_is_told_to_who_may_release_code() {
    let server = Fixture::new();
    let made = server
        .ask(ALICE, "POST", "/apps/shop/slugs", r#"{"process_types": {"web": "true"}}"#)
        .await;
    let slug = format!("/apps/shop/slugs/{}", made.json()["id"].as_str().unwrap());
    let looks = scoped(&server, &[TokenScope::ReadProtected, TokenScope::Write]).await;
    let shown = server.get(&looks, &slug).await.json();
    assert_eq!(shown["blob"], serde_json::Value::Null);
    let deploys = scoped(&server, &[TokenScope::WriteProtected]).await;
    let shown = server.get(&deploys, &slug).await.json();
    let address = shown["blob"]["url"].as_str().unwrap();
    let at = &address[address.find("/_blobs/").unwrap()..];
    let put = request("PUT", at).body(Body::from("no archive")).unwrap();
    assert_eq!(server.send(put).await.error(), (422, "invalid_params".to_owned()));
}

#[tokio::test]
async fn an_address_is_good_for_what_its_token_is() {
    let server = Fixture::new();
    let (world, now) = (server.state.world(), server.state.clock.now());
    let app = world.app_named("shop").unwrap();
    let needs = [Need::Read, Need::ReadProtected, Need::WriteProtected];
    for (scope, good) in [
        (TokenScope::Identity, [false, false, false]),
        (TokenScope::Read, [true, false, false]),
        (TokenScope::Write, [true, false, false]),
        (TokenScope::ReadProtected, [true, true, false]),
        (TokenScope::WriteProtected, [true, true, true]),
    ] {
        let own = scoped(&server, &[scope]).await;
        let bearer = server.state.authenticate(&own, now).unwrap();
        let grant = Grant::of(bearer.caller, bearer.token.as_ref());
        let world = server.state.world();
        assert_eq!(needs.map(|need| grant.holds(&world, app, need, now)), good, "{scope}");
    }
}

async fn other_app(server: &Fixture) {
    let other = r#"{"name": "other", "space": "alpha"}"#;
    assert_eq!(server.ask(ALICE, "POST", "/apps", other).await.status, 201);
}

#[tokio::test]
async fn for_a_token_that_is_bound_to_an_app_nothing_else_is_there() {
    let server = Fixture::new();
    other_app(&server).await;
    let own = token(&server, serde_json::json!({ "app": "other" })).await;
    let before = server.state.world();
    for route in ROUTES {
        let got = server.ask(&own, method(route), &path(route), BODY).await;
        let about = format!("{} {}: {}", method(route), route.path, got.text);
        if got.status.is_success() {
            assert_eq!(route.method, Method::Get, "{about}");
            // Of its user and its app it may know: neither is named here.
            for secret in ["shop", "redis-flat-00001", "pcx-", "bob@", "10.0.0.0/16"] {
                assert!(!got.text.contains(secret), "{about}");
            }
        } else {
            assert!([403, 404, 409, 422].contains(&got.status.as_u16()), "{about}");
        }
    }
    assert!(before.records().eq(server.state.world().records()));
    let log = server.ask(&own, "POST", "/apps/shop/log-sessions", "{}").await;
    assert_eq!(log.error(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn what_is_hidden_from_a_bound_token_looks_as_what_is_not_there() {
    let server = Fixture::new();
    other_app(&server).await;
    let own = token(&server, serde_json::json!({ "app": "other" })).await;
    for (hidden, nothing) in [
        ("/apps/shop", "/apps/nope"),
        ("/spaces/alpha", "/spaces/omega"),
        ("/teams/acme", "/teams/nope"),
        ("/addons/redis-flat-00001", "/addons/redis-flat-99999"),
    ] {
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let (a, b) = (server.get(&own, hidden).await, server.get(&own, nothing).await);
        let (a_text, b_text) =
            (a.text.replace(&name(hidden), "x"), b.text.replace(&name(nothing), "x"));
        assert_eq!((a.status, a_text), (b.status, b_text));
    }
}

#[tokio::test]
async fn a_bound_token_does_what_it_is_for() {
    let server = town().await;
    other_app(&server).await;
    for bound in [serde_json::json!({ "app": "shop" }), serde_json::json!({ "space": "alpha" })] {
        let own = token(&server, bound.clone()).await;
        let set = server.ask(&own, "PATCH", "/apps/shop/config-vars", r#"{"A": "b"}"#).await;
        assert_eq!(set.status, 200, "{}", set.text);
        let run = server.ask(&own, "POST", "/apps/shop/dynos", r#"{"command": "true"}"#).await;
        assert_eq!(run.status, 201, "{}", run.text);
        let slug = server
            .ask(&own, "POST", "/apps/shop/slugs", r#"{"process_types": {"web": "true"}}"#)
            .await;
        assert_eq!(slug.status, 201, "{}", slug.text);
        let log = server.ask(&own, "POST", "/apps/shop/log-sessions", "{}").await;
        let address = log.json()["logplex_url"].as_str().unwrap().to_owned();
        let at = address[address.find("/_logs/").unwrap()..].to_owned();
        assert_eq!(server.get("", &at).await.status, 200);
        let whoever = server.get(&own, "/account").await.json();
        assert_eq!(whoever["email"], "alice@example.com");
        let in_space = bound.get("space").is_some();
        let apps = server.get(&own, "/apps").await.json();
        assert_eq!(apps.as_array().unwrap().len(), if in_space { 2 } else { 1 });
        let spaces = server.get(&own, "/spaces").await.json();
        assert_eq!(spaces.as_array().unwrap().len(), usize::from(in_space));
        let space = server.get(&own, "/spaces/alpha").await.status;
        assert_eq!(space.as_u16(), if in_space { 200 } else { 404 });
        let made = r#"{"name": "third", "space": "alpha"}"#;
        let made = server.ask(&own, "POST", "/apps", made).await;
        assert_eq!(made.status.as_u16(), if in_space { 201 } else { 404 }, "{}", made.text);
        let spaces = r#"{"name": "beta", "team": "acme"}"#;
        let spaces = server.ask(&own, "POST", "/spaces", spaces).await;
        assert_eq!(spaces.error(), (404, "not_found".to_owned()));
        // What is about the user is not for it, and the answer says why.
        let tokens = server.get(&own, AUTHORIZATIONS).await;
        assert!(is_refusal(&tokens) && tokens.text.contains("bound"), "{}", tokens.text);
        let members =
            server.ask(&own, "PATCH", "/spaces/alpha/members/bob@example.com", BODY).await;
        assert!(is_refusal(&members), "{}", members.text);
    }
}

#[tokio::test]
async fn a_bound_token_ends_with_its_app_and_with_its_users_membership() {
    let server = Fixture::new();
    other_app(&server).await;
    let own = token(&server, serde_json::json!({ "app": "other" })).await;
    assert_eq!(server.get(&own, "/apps/other").await.status, 200);
    assert_eq!(server.ask(ALICE, "DELETE", "/apps/other", "").await.status, 200);
    assert_eq!(server.get(&own, "/account").await.error(), (401, "unauthorized".to_owned()));
    let bobs = server.ask(BOB, "POST", AUTHORIZATIONS, r#"{"app": "shop"}"#).await.json();
    let bobs = bobs["access_token"]["token"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&bobs, "/apps/shop").await.status, 200);
    let left = server.ask(ALICE, "DELETE", "/teams/acme/members/bob@example.com", "").await;
    assert_eq!(left.status, 200, "{}", left.text);
    assert_eq!(server.get(&bobs, "/apps/shop").await.error(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn nobody_binds_a_token_to_what_they_do_not_see() {
    let server = Fixture::new();
    let stranger = super::fixture::STRANGER;
    for body in [r#"{"app": "shop"}"#, r#"{"space": "alpha"}"#, r#"{"app": "nope"}"#] {
        let got = server.ask(stranger, "POST", AUTHORIZATIONS, body).await;
        assert_eq!(got.error(), (404, "not_found".to_owned()), "{body}");
    }
}
