//! Heroku's webhooks of apps, and what they are told.

use serde_json::{Value, json};

use super::fixture::{ALICE, BOB, Fixture, HOOK, STRANGER};

const HOOKS: &str = "/apps/shop/webhooks";

fn body(include: &[&str]) -> Value {
    json!({ "include": include, "level": "notify", "url": "https://hooks.example.com/in" })
}

impl Fixture {
    async fn noted(&self) {
        let ledger = self.state.ledger.clone();
        tokio::task::spawn_blocking(move || ledger.wait_for_notes_blocking()).await.unwrap();
    }
}

#[tokio::test]
async fn a_webhook_shows_its_secret_once_and_is_changed_and_removed() {
    let server = Fixture::new();
    let made = server.ask(BOB, "POST", HOOKS, &body(&["api:release", "dyno"]).to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let secret = made.headers["heroku-webhook-secret"].to_str().unwrap().to_owned();
    assert!(secret.len() >= 32 && !made.text.contains(&secret), "{made:?}");
    let hook = made.json();
    let path = format!("{HOOKS}/{}", hook["id"].as_str().unwrap());
    let given = json!({ "secret": "0123456789abcdef0", "level": "sync", "include": ["api:app"],
        "url": "https://other.example.com/", "authorization": "Bearer x" });
    let changed = server.ask(BOB, "PATCH", &path, &given.to_string()).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert!(!changed.headers.contains_key("heroku-webhook-secret"));
    for shown in [changed.json(), server.get(ALICE, &path).await.json()] {
        assert_eq!(shown["level"], "sync");
        assert_eq!((&shown["include"], &shown["id"]), (&json!(["api:app"]), &hook["id"]));
        let text = shown.to_string();
        assert!(!text.contains("0123456789abcdef0") && !text.contains("Bearer"), "{text}");
    }
    let own = json!({ "secret": "0123456789abcdef1" });
    let own = server.ask(BOB, "POST", HOOKS, &merged(body(&["api:app"]), own).to_string()).await;
    assert_eq!(own.headers["heroku-webhook-secret"], "0123456789abcdef1");
    assert_eq!(server.get(BOB, HOOKS).await.json().as_array().unwrap().len(), 3);
    assert_eq!(server.ask(BOB, "DELETE", &path, "").await.json()["id"], hook["id"]);
    assert_eq!(server.get(BOB, &path).await.error().0, 404);
    assert_eq!(server.ask(STRANGER, "DELETE", &format!("{HOOKS}/{HOOK}"), "").await.error().0, 404);
}

fn merged(mut one: Value, other: Value) -> Value {
    one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    one
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_what_can() {
    let server = Fixture::new();
    let before = server.state.world();
    for (change, names) in [
        (json!({ "include": ["api:build"] }), "api:release"),
        (json!({ "include": ["release"] }), "api:addon-attachment"),
        (json!({ "include": [] }), "api:release"),
        (json!({ "include": [1] }), "include"),
        (json!({ "include": null }), "include"),
        (json!({ "level": "often" }), "sync"),
        (json!({ "level": null }), "level"),
        (json!({ "url": null }), "url"),
        (json!({ "url": "http://hooks.example.com/" }), "https://"),
        (json!({ "url": "https://127.0.0.1/" }), "webhook-allow"),
        (json!({ "secret": "short" }), "16"),
    ] {
        let asked = merged(body(&["api:app"]), change).to_string();
        let got = server.ask(ALICE, "POST", HOOKS, &asked).await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()), "{asked}: {}", got.text);
        assert!(got.json()["message"].as_str().unwrap().contains(names), "{asked}: {}", got.text);
    }
    assert!(before.records().eq(server.state.world().records()));
}

#[tokio::test]
async fn what_happens_is_kept_for_those_who_include_it_as_the_api_shows_it() {
    let server = Fixture::new();
    let scaled = r#"{"updates": [{"type": "web", "quantity": 0}]}"#;
    let scaled = server.ask(BOB, "PATCH", "/apps/shop/formation", scaled).await;
    assert_eq!(scaled.status, 200, "{}", scaled.text);
    let domain = r#"{"hostname": "x.example.com"}"#;
    assert_eq!(server.ask(BOB, "POST", "/apps/shop/domains", domain).await.status, 201);
    server.noted().await;
    let events = server.get(ALICE, "/apps/shop/webhook-events").await.json();
    let [event] = events.as_array().unwrap().as_slice() else { panic!("{events}") };
    let payload = &event["payload"];
    assert_eq!(
        (&event["include"], &payload["resource"]),
        (&json!("api:formation"), &json!("formation"))
    );
    assert_eq!((&payload["action"], &payload["data"]["quantity"]), (&json!("update"), &json!(0)));
    assert_eq!(payload["actor"]["email"], "bob@example.com");
    let formation = server.get(ALICE, "/apps/shop/formation/web").await.json();
    assert_eq!(payload["data"], formation);
    let previous = payload["previous_data"].as_object().unwrap();
    assert!(previous.contains_key("quantity") && !previous.contains_key("type"), "{previous:?}");
    let path = format!("/apps/shop/webhook-events/{}", event["id"].as_str().unwrap());
    assert_eq!(server.get(ALICE, &path).await.json(), *event);

    let deliveries = server.get(BOB, "/apps/shop/webhook-deliveries").await.json();
    let [delivery] = deliveries.as_array().unwrap().as_slice() else { panic!("{deliveries}") };
    assert_eq!((&delivery["status"], &delivery["num_attempts"]), (&json!("pending"), &json!(0)));
    assert_eq!(
        (&delivery["event"]["id"], &delivery["webhook"]["id"]),
        (&event["id"], &json!(HOOK))
    );
    let path = format!("/apps/shop/webhook-deliveries/{}", delivery["id"].as_str().unwrap());
    assert_eq!(server.get(BOB, &path).await.json(), *delivery);
    for (status, count) in [("pending", 1), ("failed", 0)] {
        let path = format!("/apps/shop/webhook-deliveries?eq[status]={status}");
        assert_eq!(server.get(BOB, &path).await.json().as_array().unwrap().len(), count);
    }
    for path in ["/apps/shop/webhook-deliveries", "/apps/shop/webhook-events"] {
        assert_eq!(server.get(STRANGER, path).await.error().0, 404);
    }

    // A release has config vars, which nobody is told.
    let config = r#"{"COLOUR": "s3cret"}"#;
    assert_eq!(server.ask(BOB, "PATCH", "/apps/shop/config-vars", config).await.status, 200);
    server.noted().await;
    let events = server.get(ALICE, "/apps/shop/webhook-events").await;
    assert!(events.text.contains("api:release") && !events.text.contains("s3cret"), "{events:?}");
}
