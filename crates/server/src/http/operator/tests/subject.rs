//! Who is disabled and destroyed, as their clients hear of it.

use std::sync::Arc;

use model::{Caller, IdentityCommand, Key, NewToken, Role};
use serde_json::{Value, json};

use super::{Operator, ask, router};
use crate::credentials::token_hash;
use crate::http::platform::tests::fixture::{ALICE, BOB, Fixture, Got, STRANGER};
use crate::reconcile::UnstartedPlanner;

/// An installation with the endpoints of both.
fn server() -> Fixture {
    let server = Fixture::new();
    let planner = UnstartedPlanner::new().handle();
    let lost = crate::cleanup::lost::Lost::at(&server.data());
    let operator = Operator { state: Arc::clone(&server.state), planner, lost };
    let platform = crate::http::platform::router(Arc::clone(&server.state));
    server.behind(platform.merge(router(operator)))
}

async fn put(server: &Fixture, path: &str, body: &Value) -> Got {
    ask(server, "PUT", path, "application/json", body.to_string().as_bytes()).await
}

async fn set(server: &Fixture, path: &str, disabled: bool) {
    let got = put(server, &format!("{path}/disabled"), &json!({ "disabled": disabled })).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(got.json()["disabled"].is_string(), disabled, "{}", got.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_user_hears_of_it_and_a_disabled_token_is_none() {
    let server = server();
    let bob = server.state.world().user_named("bob@example.com").unwrap().id;
    let token = server.state.world().tokens_of(Key::User(bob)).next().unwrap().id;
    assert_eq!(server.get(BOB, "/account").await.status, 200);
    set(&server, "users/bob@example.com", true).await;
    for (method, path) in [("GET", "/account"), ("GET", "/apps/shop"), ("DELETE", "/apps/shop")] {
        let got = server.ask(BOB, method, path, "").await;
        assert_eq!(got.error(), (403, "suspended".to_owned()), "{method} {path}");
    }
    set(&server, "users/bob@example.com", false).await;
    assert_eq!(server.get(BOB, "/apps/shop").await.status, 200);
    let path = format!("tokens/{token}");
    set(&server, &path, true).await;
    assert_eq!(server.get(BOB, "/account").await.error(), (401, "unauthorized".to_owned()));
    // Another token of the user speaks for them still, and does not see the one.
    let new =
        NewToken { user: bob, hash: token_hash("other"), description: String::new(), lives: None };
    server.command(Caller::Operator, IdentityCommand::CreateToken(new)).await;
    let listed = server.get("other", "/oauth/authorizations").await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    set(&server, &path, false).await;
    assert_eq!(server.get(BOB, "/account").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_password_of_a_disabled_user_lets_nobody_in() {
    let server = server();
    let body = json!({ "password": "correct horse" });
    put(&server, "users/bob@example.com/password", &body).await;
    set(&server, "users/bob@example.com", true).await;
    let basic = |password: &str| {
        use base64::Engine;
        let text = format!("bob@example.com:{password}");
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    let sign_in = async |password: &str| {
        let request = http::Request::post("/oauth/authorizations")
            .header("accept", "application/vnd.heroku+json; version=3")
            .header("content-type", "application/json")
            .header("authorization", basic(password));
        server.send(request.body(axum::body::Body::from("{}")).unwrap()).await
    };
    assert_eq!(sign_in("correct horse").await.error(), (403, "suspended".to_owned()));
    // A wrong one learns nothing.
    assert_eq!(sign_in("wrong").await.error(), (401, "unauthorized".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_disabled_team_hear_of_it_and_others_do_not() {
    let server = server();
    set(&server, "teams/acme", true).await;
    for (method, path) in [
        ("GET", "/teams/acme"),
        ("GET", "/spaces/alpha"),
        ("GET", "/apps/shop"),
        ("PATCH", "/apps/shop/config-vars"),
    ] {
        let got = server.ask(ALICE, method, path, "{}").await;
        assert_eq!(got.error(), (403, "suspended".to_owned()), "{method} {path}");
        let got = server.ask(STRANGER, method, path, "{}").await;
        assert_eq!(got.error(), (404, "not_found".to_owned()), "{method} {path}");
    }
    for path in ["/teams", "/spaces", "/apps"] {
        assert_eq!(server.get(ALICE, path).await.json(), json!([]), "{path}");
    }
    let operator = server.operator();
    assert_eq!(server.get(&operator, "/apps/shop").await.status, 200);
    set(&server, "teams/acme", false).await;
    assert_eq!(server.get(ALICE, "/apps/shop").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_did_keeps_their_name_when_they_are_gone() {
    let server = server();
    let made =
        server.ask(BOB, "POST", "/teams/apps", r#"{"name": "more", "space": "alpha"}"#).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let gone = ask(&server, "DELETE", "users/bob@example.com", "application/json", b"{}").await;
    assert_eq!((gone.status.as_u16(), &gone.json()["destroyed"]), (200, &json!(true)));
    let rows = async |query: &str| {
        let got = ask(&server, "GET", &format!("audit?{query}"), "", b"").await;
        assert_eq!(got.status, 200, "{}", got.text);
        got.json()["rows"].as_array().unwrap().clone()
    };
    let own = rows("who=bob@example.com").await;
    let row = own.iter().find(|row| row["action"] == "Platform.CreateApp").unwrap();
    assert_eq!((&row["who"], &row["outcome"]), (&json!("bob@example.com"), &json!("ok")));
    let destroyed = rows("action=Identity.Destroy").await;
    assert_eq!(destroyed[0]["what"], "bob@example.com");
    let releases = server.get(ALICE, "/apps/more/releases").await.json();
    let last = releases.as_array().unwrap().iter().max_by_key(|it| it["version"].as_u64());
    assert_eq!(last.unwrap()["user"]["email"], "bob@example.com");
    // The address is free, and is somebody else's then.
    let again = json!({ "email": "bob@example.com" }).to_string();
    let again = ask(&server, "POST", "users", "application/json", again.as_bytes()).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert!(rows("who=bob@example.com").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_admin_is_protected_and_the_preview_says_so() {
    let server = server();
    let told = async |name: &str, measure: &str| {
        let path = format!("users/{name}@example.com/dependents?for={measure}");
        ask(&server, "GET", &path, "", b"").await.json()
    };
    let before = server.state.world();
    let alice = told("alice", "disable").await;
    assert!(alice["refused"].as_str().unwrap().contains("without an admin"), "{alice}");
    let bob = told("bob", "destroy").await;
    assert_eq!(bob["refused"], Value::Null);
    let whats: Vec<_> =
        bob["dependents"].as_array().unwrap().iter().map(|it| &it["what"]).collect();
    assert!(whats.contains(&&json!("tokens")) && whats.contains(&&json!("teams")), "{bob}");
    assert!(before.records().eq(server.state.world().records()), "it is a look");
    let refused =
        ask(&server, "DELETE", "users/alice@example.com", "application/json", b"{}").await;
    assert_eq!(refused.error(), (409, "conflict".to_owned()));
    let world = server.state.world();
    let (team, user) =
        (world.team_named("acme").unwrap().id, world.user_named("bob@example.com").unwrap().id);
    let role = Some(Role::Admin);
    let promote = IdentityCommand::SetMember { team, user, role };
    server.command(Caller::Operator, promote).await;
    set(&server, "users/alice@example.com", true).await;
}
