//! Who may have what be sent where.

use serde_json::{Value, json};

use super::{ask, server};
use crate::http::platform::tests::fixture::{ALICE, BOB, Fixture, Got, STRANGER, request};

async fn add(server: &Fixture, token: &str, body: Value) -> Got {
    let request = request("POST", "/_causeway/webhooks")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    server.send(request.body(body.to_string().into()).unwrap()).await
}

async fn list(server: &Fixture, token: &str) -> Vec<Value> {
    let got = server.get(token, "/_causeway/webhooks").await;
    assert_eq!(got.status, 200, "{got:?}");
    got.json().as_array().unwrap().clone()
}

#[tokio::test]
async fn an_admin_has_events_be_sent_for_the_team_and_others_do_not() {
    let server = server();
    let body = json!({ "url": "https://x.example.com/h", "include": ["peering"], "team": "acme" });
    let made = add(&server, ALICE, body.clone()).await;
    assert_eq!(made.status, 200, "{made:?}");
    let (id, secret) = (made.json()["id"].clone(), made.json()["secret"].clone());
    assert!(secret.as_str().unwrap().len() >= 32, "it was made up: {secret}");
    assert_eq!(add(&server, BOB, body.clone()).await.error().0, 403, "a member is no admin");
    assert_eq!(add(&server, STRANGER, body.clone()).await.error().0, 404);
    assert_eq!(add(&server, "nobody", body).await.error().0, 401);
    for token in [ALICE, BOB, &server.operator()] {
        // The app has one of its own.
        let (all, apps): (Vec<_>, Vec<_>) =
            list(&server, token).await.into_iter().partition(|hook| hook["owner"] != "app shop");
        assert_eq!((all.len(), apps.len()), (1, 1));
        assert_eq!((&all[0]["id"], &all[0]["owner"]), (&id, &"acme".into()));
        assert_eq!(all[0]["secret"], Value::Null, "it is shown once");
    }
    assert_eq!(list(&server, STRANGER).await, [] as [Value; 0]);
    let path = format!("/_causeway/webhooks/{}", id.as_str().unwrap());
    let deliveries = server.get(BOB, &format!("{path}/deliveries")).await;
    assert_eq!((deliveries.status.as_u16(), deliveries.text.as_str()), (200, "[]"));
    for (token, status) in [(STRANGER, 404), (BOB, 403)] {
        assert_eq!(server.ask(token, "DELETE", &path, "").await.error().0, status);
    }
    assert_eq!(server.get(STRANGER, &format!("{path}/deliveries")).await.error().0, 404);
    assert_eq!(server.ask(ALICE, "DELETE", &path, "").await.status, 200);
    assert_eq!(server.ask(ALICE, "DELETE", &path, "").await.error().0, 404);
}

#[tokio::test]
async fn what_nothing_would_be_sent_to_is_refused_at_once() {
    let server = server();
    let before = server.state.world();
    for (url, include, named) in [
        ("http://x.example.com/", "peering", "https://"),
        ("https://127.0.0.1/", "peering", "webhook-allow"),
        ("https://[::ffff:10.0.0.1]/", "peering", "webhook-allow"),
        ("https://169.254.169.254/latest", "peering", "webhook-allow"),
        ("https://x example.com/", "peering", "spaces"),
        ("syslog+tls://x.example.com/", "peering", "https://"),
        ("https://x.example.com/", "peer", "no kind of event"),
    ] {
        let body = json!({ "url": url, "include": [include] }).to_string();
        let got = ask(&server, "POST", "webhooks", "application/json", body.as_bytes()).await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()), "{url}");
        assert!(got.text.contains(named), "{url}: {}", got.text);
    }
    for body in [
        json!({ "url": "https://x.example.com/", "include": [] }),
        json!({ "url": "https://x.example.com/", "include": ["*"], "secret": "short" }),
        json!({ "url": "https://x.example.com/", "include": ["*"], "authorization": "a\r\nb: c" }),
        json!({ "url": "https://x.example.com/", "include": ["*"], "team": "acme", "account": "x" }),
    ] {
        assert_eq!(add(&server, &server.operator(), body.clone()).await.error().0, 422, "{body}");
    }
    assert!(before.records().eq(server.state.world().records()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_says_by_which_request_a_webhook_came() {
    let server = server();
    let body = json!({ "url": "https://x.example.com/h", "include": ["peering"], "team": "acme" });
    let made = add(&server, ALICE, body).await;
    let id = made.header("request-id").to_owned();
    assert_eq!(id.len(), 32, "{made:?}");
    let got = ask(&server, "GET", "audit?action=*CreateWebhook", "", b"").await.json();
    assert_eq!(got["rows"][0]["request_id"], id.as_str(), "{got}");
}
