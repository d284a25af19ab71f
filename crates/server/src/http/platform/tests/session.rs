//! Signing in and out.

use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Caller, IdentityCommand};

use super::fixture::{ALICE, BOB, Fixture, Got, STRANGER, request};
use crate::credentials::{token_hash, user_token};

const PASSWORD: &str = "correct horse battery";
const EMAIL: &str = "alice@example.com";
const PATH: &str = "/oauth/authorizations";
/// What `heroku login -i` sends.
const LOGIN: &str = r#"{"description": "login", "expires_in": 2592000, "scope": ["global"]}"#;

async fn with_password() -> Fixture {
    let server = Fixture::new();
    let hash = server.state.passwords.hash(PASSWORD.to_owned(), [7; 16]).await.unwrap();
    let user = server.state.world().user_named(EMAIL).unwrap().id;
    let set = IdentityCommand::SetPassword { user, hash, end_tokens: false };
    server.command(Caller::Operator, set).await;
    server
}

async fn sign_in(server: &Fixture, email: &str, password: &str) -> Got {
    let pair = STANDARD.encode(format!("{email}:{password}"));
    let request = request("POST", PATH).header("authorization", format!("Basic {pair}"));
    server.send(request.body(Body::from(LOGIN)).unwrap()).await
}

fn secret(got: &Got) -> String {
    got.json()["access_token"]["token"].as_str().unwrap_or_else(|| panic!("{got:?}")).to_owned()
}

#[tokio::test]
async fn a_password_makes_a_token_and_opens_nothing_else() {
    let server = with_password().await;
    let got = sign_in(&server, "Alice@Example.com", PASSWORD).await;
    assert_eq!(got.status, 201, "{}", got.text);
    let body = got.json();
    assert_eq!(body["user"]["email"], EMAIL);
    assert_eq!(body["access_token"]["expires_in"], 2_592_000);
    assert_eq!(body["scope"], serde_json::json!(["global"]));
    let token = secret(&got);
    assert!(token.starts_with("HRKU-"), "{token}");
    assert_eq!(server.get(&token, "/account").await.json()["email"], EMAIL);

    let pair = STANDARD.encode(format!("{EMAIL}:{PASSWORD}"));
    for (method, path) in [("GET", "/account"), ("GET", PATH), ("POST", "/spaces")] {
        let request = request(method, path).header("authorization", format!("Basic {pair}"));
        let got = server.send(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(got.error(), (401, "unauthorized".to_owned()), "{method} {path}");
    }
    // Nothing of either is stored as it is.
    for record in server.state.world().records() {
        let row = record.body();
        assert!(!row.contains(PASSWORD) && !row.contains(&token), "{row}");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let server = with_password().await;
    let before = server.state.world();
    let wrong = sign_in(&server, EMAIL, "wrong horse battery").await;
    let unknown = sign_in(&server, "nobody@example.com", PASSWORD).await;
    let without = sign_in(&server, "bob@example.com", "").await;
    for got in [&wrong, &unknown, &without] {
        assert_eq!(got.error(), (401, "unauthorized".to_owned()));
        assert_eq!(got.text, wrong.text);
        let names = |got: &Got| got.headers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(got), names(&wrong));
    }
    assert!(before.records().eq(server.state.world().records()));
}

#[tokio::test]
async fn after_five_wrong_passwords_none_is_listened_to_for_a_minute() {
    let server = with_password().await;
    for email in [EMAIL, "nobody@example.com"] {
        for _ in 0..5 {
            assert_eq!(sign_in(&server, email, "wrong horse battery").await.status, 401);
        }
        let got = sign_in(&server, email, PASSWORD).await;
        assert_eq!(got.error(), (429, "rate_limit".to_owned()), "{email}");
        assert!(got.text.contains("60 seconds"), "{}", got.text);
        assert_eq!(got.header("retry-after"), "60");
    }
    server.state.clock.advance(Duration::from_secs(59));
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status, 429);
    server.state.clock.advance(Duration::from_secs(1));
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status, 201);
}

#[tokio::test]
async fn many_at_once_are_no_way_around() {
    let server = std::sync::Arc::new(with_password().await);
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..20 {
        let server = std::sync::Arc::clone(&server);
        tries.spawn(async move {
            sign_in(&server, EMAIL, &format!("wrong horse {n}")).await.status.as_u16()
        });
    }
    let mut statuses = tries.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [[401; 5].as_slice(), &[429; 15]].concat());
}

#[tokio::test]
async fn where_no_password_can_be_checked_clients_are_told_when_to_come_back() {
    let server = with_password().await;
    let server = server.set(|state| state.passwords.permits = edge::Shares::new(0));
    let before = server.state.world();
    // Whether the password is right makes no difference.
    for password in [PASSWORD, "wrong horse battery"] {
        let refused = sign_in(&server, EMAIL, password).await;
        assert_eq!(refused.error(), (503, "service_unavailable".to_owned()), "{}", refused.text);
        assert_eq!(refused.header("retry-after"), "5");
    }
    assert!(before.records().eq(server.state.world().records()));
    let server = server.set(|state| state.passwords.permits = edge::Shares::new(1));
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status, 201);
}

#[tokio::test]
async fn a_token_that_has_ended_is_refused() {
    let server = Fixture::new();
    for (expires_in, seconds) in [("60", 60), (r#""120""#, 120)] {
        let body = format!(r#"{{"expires_in": {expires_in}}}"#);
        let got = server.ask(ALICE, "POST", PATH, &body).await;
        assert_eq!(got.json()["access_token"]["expires_in"], seconds, "{}", got.text);
        let token = secret(&got);
        let path = format!("{PATH}/{}", got.json()["id"].as_str().unwrap());
        server.state.clock.advance(Duration::from_secs(20));
        let left = server.get(&token, &path).await.json();
        assert_eq!(left["access_token"]["expires_in"], seconds - 20);
        server.state.clock.advance(Duration::from_secs(seconds - 21));
        assert_eq!(server.get(&token, "/account").await.status, 200);
        server.state.clock.advance(Duration::from_secs(1));
        let ended = server.get(&token, "/account").await;
        assert_eq!(ended.error(), (401, "unauthorized".to_owned()));
        assert_eq!(server.get(ALICE, &path).await.status, 404);
    }
    let list = server.get(ALICE, PATH).await.json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
}

#[tokio::test]
async fn a_token_is_shown_once_and_later_its_ends_to_who_has_it() {
    let server = Fixture::new();
    let made = server.ask(ALICE, "POST", PATH, r#"{"description": "desk"}"#).await;
    let token = secret(&made);
    let path = format!("{PATH}/{}", made.json()["id"].as_str().unwrap());
    let shown = server.get(&token, &path).await.json();
    let ends = format!("{}**********{}", &token[..9], &token[token.len() - 4..]);
    assert_eq!(shown["access_token"]["token"], ends);
    assert_eq!(shown["description"], "desk");
    let others = server.get(ALICE, PATH).await;
    assert!(!others.text.contains(&token[9..]), "{}", others.text);
    let list = others.json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    for one in list.as_array().unwrap() {
        assert_eq!(one["access_token"]["token"], serde_json::Value::Null, "{one}");
    }

    let named = server.ask(ALICE, "PATCH", &path, r#"{"description": "chair"}"#).await;
    assert_eq!(named.json()["description"], "chair", "{}", named.text);
    let rotate = format!("{path}/actions/regenerate-tokens");
    let rotated = server.ask(ALICE, "POST", &rotate, "").await;
    let new = secret(&rotated);
    assert_ne!(new, token);
    assert_eq!(server.get(&token, "/account").await.status, 401);
    assert_eq!(server.get(&new, "/account").await.json()["email"], EMAIL);

    for (who, method) in [(BOB, "GET"), (STRANGER, "DELETE"), (BOB, "PATCH")] {
        let got = server.ask(who, method, &path, r#"{"description": "mine"}"#).await;
        assert_eq!(got.error(), (404, "not_found".to_owned()), "{method}");
    }
    let gone = server.ask(&new, "DELETE", &path, "").await;
    assert_eq!((gone.status.as_u16(), &gone.json()["description"]), (200, &"chair".into()));
    assert_eq!(server.get(&new, "/account").await.status, 401);
}

/// What the CLI's logout asks for, and must get (`heroku.md` §1.5).
#[tokio::test]
async fn a_logout_finds_its_own_token_and_leaves_the_api_key() {
    let server = Fixture::new();
    let session = server.ask(ALICE, "DELETE", "/oauth/sessions/~", "").await;
    assert_eq!(session.error(), (404, "not_found".to_owned()));
    assert_eq!(session.json()["resource"], "session");
    assert_eq!(server.get(ALICE, "/oauth/sessions").await.text, "[]");
    let none = server.get(ALICE, "/oauth/authorizations/~").await;
    assert_eq!((none.status.as_u16(), &none.json()["resource"]), (404, &"authorization".into()));

    let user = server.state.world().user_named(EMAIL).unwrap().id;
    let key = user_token(&server.state.secret, user);
    let (hash, description) = (token_hash(&key), "causeway env".to_owned());
    let new = model::NewToken::unlimited(user, hash, description);
    server.command(Caller::Operator, IdentityCommand::CreateToken(new)).await;
    let own = server.get(ALICE, "/oauth/authorizations/~").await.json();
    assert_eq!(own["description"], "causeway env");
    assert_eq!(own["access_token"]["token"], serde_json::Value::Null, "another has asked");
    let own = server.get(&key, "/oauth/authorizations/~").await.json();
    let shown = own["access_token"]["token"].as_str().unwrap();
    let (start, end) = shown.split_once("**********").unwrap();
    assert!(key.starts_with(start) && key.ends_with(end), "{shown}");
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_promised() {
    let server = Fixture::new();
    let before = server.state.world();
    for (body, named) in [
        (r#"{"scope": ["reads"]}"#, "`scope`"),
        (r#"{"scope": ["read", 7]}"#, "`scope`"),
        (r#"{"scope": ["Global"]}"#, "`scope`"),
        (r#"{"app": "shop", "space": "alpha"}"#, "`app` and `space`"),
        (r#"{"app": 7}"#, "`app`"),
        (r#"{"scope": "global"}"#, "`scope`"),
        (r#"{"expires_in": "soon"}"#, "`expires_in`"),
        (r#"{"expires_in": -1}"#, "`expires_in`"),
        (r#"{"expires_in": 0}"#, "at least a second"),
        (r#"{"expires_in": 99999999999}"#, "ten years"),
        (r#"{"description": 7}"#, "`description`"),
        (r#"{"description": "a\u0000b"}"#, "control characters"),
    ] {
        let got = server.ask(ALICE, "POST", PATH, body).await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()), "{body}");
        assert!(got.text.contains(named), "{}", got.text);
    }
    let operator = server.operator();
    let got = server.ask(&operator, "POST", PATH, "{}").await;
    assert_eq!(got.error(), (403, "forbidden".to_owned()));
    assert!(got.text.contains("tokens:create"), "{}", got.text);
    assert_eq!(server.get(&operator, PATH).await.text, "[]");
    assert!(before.records().eq(server.state.world().records()));
}

#[tokio::test]
async fn an_emulator_lets_anybody_sign_in() {
    let server = Fixture::emulator();
    let got = sign_in(&server, "anybody@example.com", "x").await;
    assert_eq!((got.status.as_u16(), &got.json()["user"]["email"]), (201, &EMAIL.into()));
}
