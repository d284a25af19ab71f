//! Snapshots of an emulator, and what of it can be emptied.

use super::{ask, server, with_endpoints};
use crate::http::platform::tests::fixture::{Fixture, Got};

const KIND: &str = "application/vnd.causeway.snapshot";

fn emulator() -> Fixture {
    with_endpoints(Fixture::emulator())
}

async fn send(server: &Fixture, method: &str, path: &str, body: &str) -> Got {
    ask(server, method, path, "application/json", body.as_bytes()).await
}

/// The names of all accounts.
async fn accounts(server: &Fixture) -> Vec<String> {
    let got = send(server, "GET", "accounts", "").await.json();
    let all = got.as_array().unwrap().iter();
    all.map(|account| account["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_after_a_snapshot_goes_when_it_is_loaded() {
    let server = emulator();
    assert_eq!(send(&server, "POST", "reset", "{}").await.status, 200);
    send(&server, "POST", "accounts", r#"{"name": "before"}"#).await;
    let before = accounts(&server).await;
    let saved = ask(&server, "GET", "snapshot", "", b"").await;
    assert_eq!((saved.status.as_u16(), saved.header("content-type")), (200, KIND));
    assert!(saved.text.starts_with("{\"causeway_snapshot\":1,"), "{}", saved.text);
    send(&server, "POST", "accounts", r#"{"name": "after"}"#).await;
    assert_ne!(accounts(&server).await, before);
    let loaded = ask(&server, "PUT", "snapshot", KIND, saved.text.as_bytes()).await;
    assert_eq!(loaded.status, 200, "{loaded:?}");
    assert_eq!(loaded.json()["records"], saved.text.lines().count() - 1);
    assert_eq!(accounts(&server).await, before);
    // Elsewhere as well.
    let other = emulator();
    let loaded = ask(&other, "PUT", "snapshot", KIND, saved.text.as_bytes()).await;
    assert_eq!(loaded.status, 200, "{loaded:?}");
    assert_eq!(accounts(&other).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_snapshot_or_would_not_be_whole_is_refused() {
    let server = emulator();
    let got = ask(&server, "GET", "snapshot", "", b"").await;
    assert_eq!(got.error(), (409, "conflict".to_owned()));
    assert!(got.text.contains("the code of the app shop"), "{}", got.text);
    send(&server, "POST", "reset", "{}").await;
    let saved = ask(&server, "GET", "snapshot", "", b"").await.text;
    let before = server.state.world();
    for wrong in ["", "{}", "nothing", &saved[..saved.len() - 9], &saved.replace("acme", "emca")] {
        let got = ask(&server, "PUT", "snapshot", KIND, wrong.as_bytes()).await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()), "{wrong}");
        assert!(got.text.contains("The snapshot cannot be loaded"), "{}", got.text);
    }
    assert!(std::sync::Arc::ptr_eq(&before, &server.state.world()));
    let real = self::server();
    for (method, body) in [("GET", ""), ("PUT", &*saved)] {
        let got = ask(&real, method, "snapshot", KIND, body.as_bytes()).await;
        assert_eq!(got.error(), (409, "conflict".to_owned()), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_is_emptied_or_nothing() {
    let server = emulator();
    for (query, status) in [
        ("?account=123456789012", 200),
        ("?account=nobody", 404),
        // Whoever slips must not have everything removed.
        ("?acount=123456789012", 400),
    ] {
        let got = send(&server, "POST", &format!("reset{query}"), "{}").await;
        assert_eq!(got.status, status, "{query}: {got:?}");
        assert!(server.state.world().spaces().next().is_some(), "{query}");
    }
    assert_eq!(send(&server, "POST", "reset", "").await.status, 200);
    assert!(server.state.world().spaces().next().is_none());
}
