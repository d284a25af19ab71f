//! Requests that cannot be read are refused as JSON, and change nothing.

use std::sync::Arc;

use axum::body::Body;

use super::{Operator, router};
use crate::platform::tests::fixture::{ALICE, Fixture, Got};
use crate::reconcile::Reconciler;

/// What takes a body.
const WRITES: [(&str, &str); 11] = [
    ("POST", "accounts"),
    ("POST", "keys"),
    ("POST", "users"),
    ("PUT", "users/alice@example.com/password"),
    ("POST", "tokens"),
    ("POST", "teams"),
    ("PUT", "teams/acme/members"),
    ("POST", "env"),
    ("PUT", "spaces/alpha/limits"),
    ("POST", "backup"),
    ("POST", "clock"),
];

fn server() -> Fixture {
    let server = Fixture::new();
    let waker = Reconciler::new().waker();
    let operator = Operator { state: Arc::clone(&server.state), waker };
    server.behind(router(operator))
}

async fn ask(server: &Fixture, method: &str, path: &str, kind: &str, body: &[u8]) -> Got {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("/_causeway/{path}"))
        .header("authorization", format!("Bearer {}", server.operator()))
        .header("content-type", kind);
    server.send(request.body(Body::from(body.to_vec())).unwrap()).await
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused_as_json() {
    let server = server();
    let before = server.state.world();
    let deep = "[".repeat(100_000);
    let nested = "{\"name\":".repeat(5_000);
    let large = format!("{{\"name\":\"{}\"}}", "a".repeat(3 << 20));
    // Where the status is 0, it depends on the endpoint where reading ends: 400 or 422.
    let bodies: [(&[u8], u16, &str); 11] = [
        (b"", 400, "bad_request"),
        (b"null", 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b"[\"a-name\"]", 400, "bad_request"),
        (b"\"x\"", 400, "bad_request"),
        (b"\xff\xfe", 400, "bad_request"),
        (b"{", 400, "bad_request"),
        (deep.as_bytes(), 400, "bad_request"),
        (large.as_bytes(), 413, "payload_too_large"),
        (nested.as_bytes(), 0, ""),
        (
            br#"{"name":1,"account":1,"email":1,"user":1,"admin":1,"peerings":99999,"path":1,"password":1,
                "advance_seconds":-1}"#,
            0,
            "",
        ),
    ];
    for (method, path) in WRITES {
        for (body, status, id) in bodies {
            let got = ask(&server, method, path, "application/json", body).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            if status == 0 {
                assert!([400, 422].contains(&got.error().0), "{path} {shown}: {got:?}");
            } else {
                assert_eq!(got.error(), (status, id.to_owned()), "{method} {path} {shown}");
            }
            assert_eq!(got.header("content-type"), "application/json", "{method} {path}");
        }
        for kind in ["", "text/plain", "application/x-www-form-urlencoded"] {
            let got = ask(&server, method, path, kind, b"{}").await;
            assert_eq!(got.error(), (415, "unsupported_media_type".to_owned()), "{path} {kind}");
        }
    }
    assert!(Arc::ptr_eq(&before, &server.state.world()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_says_line_by_line_how_far_it_is() {
    let server = server();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.backup");
    let lines = async |skip: bool| {
        let body = serde_json::json!({ "path": path, "skip_unavailable": skip }).to_string();
        let got = ask(&server, "POST", "backup", "application/json", body.as_bytes()).await;
        assert_eq!(got.status, 200, "{got:?}");
        let lines = got.text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<serde_json::Value>>()
    };
    // Its slug's files are nowhere.
    let said = lines(false).await;
    assert_eq!(said[0]["progress"]["what"], "the ledger", "{said:?}");
    let failed = &said.last().unwrap()["failed"];
    assert_eq!((&failed["status"], &failed["id"]), (&409.into(), &"conflict".into()), "{failed}");
    assert!(failed["message"].as_str().unwrap().contains("the code of shop"), "{failed}");
    assert!(!path.exists());
    let said = lines(true).await;
    let done = &said.last().unwrap()["done"];
    assert_eq!(done["path"], path.to_str().unwrap(), "{done}");
    assert_eq!(done["bytes"], std::fs::metadata(&path).unwrap().len());
    for (body, status) in [
        (serde_json::json!({ "path": path }), 409),
        (serde_json::json!({ "path": "a.backup" }), 422),
        (serde_json::json!({ "path": path, "skip_unavailable": 7 }), 422),
    ] {
        let body = body.to_string();
        let got = ask(&server, "POST", "backup", "application/json", body.as_bytes()).await;
        assert_eq!(got.error().0, status, "{body}");
    }
    let nowhere = serde_json::json!({ "path": place.path().join("no/such/a.backup") }).to_string();
    let got = ask(&server, "POST", "backup", "application/json", nowhere.as_bytes()).await;
    assert!(got.text.contains("failed") && got.text.contains("No such file"), "{got:?}");
}

#[tokio::test]
async fn paths_queries_and_methods_that_are_none_are_refused_as_json() {
    let server = server();
    for (method, path, status, id) in [
        ("DELETE", "status", 405, "method_not_allowed"),
        ("GET", "reset", 405, "method_not_allowed"),
        ("GET", "why", 400, "bad_request"),
        ("GET", "why?from=a&to=b&port=99999", 400, "bad_request"),
        ("GET", "why?from=a&from=b&to=c", 400, "bad_request"),
        ("GET", "logs/shop/web?bytes=-1", 400, "bad_request"),
        ("GET", "logs/shop/web?bytes=1e99", 400, "bad_request"),
        ("GET", "logs/%ff", 400, "bad_request"),
        ("GET", "logs/..%2f..%2fetc%2fpasswd", 404, "not_found"),
        ("GET", "workloads/%ff", 400, "bad_request"),
        ("POST", "keys/%ff/rotate", 400, "bad_request"),
        ("PUT", "teams/%ff/members", 400, "bad_request"),
        ("PUT", "spaces/%ff/limits", 400, "bad_request"),
    ] {
        let got = ask(&server, method, path, "application/json", b"{}").await;
        assert_eq!(got.error(), (status, id.to_owned()), "{method} {path}");
    }
    let got = ask(&server, "DELETE", "accounts", "application/json", b"").await;
    assert_eq!(got.header("allow"), "GET,HEAD,POST");
}

#[tokio::test]
async fn who_is_not_the_operator_learns_nothing_of_a_request() {
    let server = server();
    let tokens = ["", "Bearer", "Bearer ", "Bearer x", "Basic eDp5"].map(str::to_owned);
    for token in tokens.into_iter().chain([format!("Bearer {ALICE}")]) {
        // Whoever has a token may ask why, see the tests of that.
        let why = (!token.ends_with(ALICE)).then_some(("GET", "why"));
        for (method, path) in WRITES.into_iter().chain([("DELETE", "status")]).chain(why) {
            let request = http::Request::builder()
                .method(method)
                .uri(format!("/_causeway/{path}"))
                .header("authorization", &token);
            let got = server.send(request.body(Body::from("{")).unwrap()).await;
            assert_eq!(got.error(), (401, "unauthorized".to_owned()), "{token} {path}");
        }
    }
}

#[tokio::test]
async fn passwords_are_set_made_up_and_shown_once() {
    let server = server();
    let json = "application/json";
    let path = "users/alice@example.com/password";
    let stored = |server: &Fixture| {
        server.state.world().user_named("alice@example.com").unwrap().password.clone()
    };
    for (path, body, status, id) in [
        (path, r#"{"password": "short"}"#, 422, "invalid_params"),
        (path, r#"{"end_tokens": true}"#, 422, "invalid_params"),
        ("users/nobody@example.com/password", "{}", 404, "not_found"),
        ("users", r#"{"email": "new@example.com", "password": "short"}"#, 422, "invalid_params"),
    ] {
        let method = if path == "users" { "POST" } else { "PUT" };
        let got = ask(&server, method, path, json, body.as_bytes()).await;
        assert_eq!(got.error(), (status, id.to_owned()), "{path}");
    }
    assert_eq!(stored(&server), None);
    assert!(server.state.world().user_named("new@example.com").is_none());

    let given = ask(&server, "PUT", path, json, br#"{"password": "correct horse"}"#).await;
    assert_eq!(given.json()["password"], serde_json::Value::Null, "{}", given.text);
    let passwords = &server.state.passwords;
    let matches = passwords.matches("correct horse".to_owned(), stored(&server)).await;
    assert_eq!(matches, Ok(true));

    let made_up =
        ask(&server, "PUT", path, json, br#"{"generate": true, "end_tokens": true}"#).await.json();
    let password = made_up["password"].as_str().unwrap().to_owned();
    assert_eq!(password.len(), 25);
    assert_eq!(passwords.matches(password, stored(&server)).await, Ok(true));
    assert!(server.state.authenticate(ALICE, server.state.clock.now()).is_none());

    let body = br#"{"email": "new@example.com", "password": "correct horse"}"#;
    let made = ask(&server, "POST", "users", json, body).await;
    assert_eq!(made.json()["email"], "new@example.com", "{}", made.text);
    let new = server.state.world().user_named("new@example.com").unwrap().password.clone();
    assert_eq!(passwords.matches("correct horse".to_owned(), new).await, Ok(true));
}
