//! What there is not is said to be so, with what there is instead.

use serde_json::{Value, json};

use super::fixture::{BOB, Fixture};

/// Method, path, body, and what the message names.
const TABLE: &[(&str, &str, &str, &str)] = &[
    ("PATCH", "/apps/shop", r#"{"name": "store"}"#, "shop.app.localspace"),
    ("PATCH", "/apps/shop", r#"{"maintenance": true}"#, "ps:scale web=0 --app shop"),
    ("PATCH", "/apps/shop", r#"{"build_stack": "heroku-24"}"#, "`container`"),
    ("PATCH", "/apps/shop", r#"{"acm": true}"#, "config vars"),
    ("GET", "/stacks/heroku-24", "", "`container`"),
    ("POST", "/sources", "", "causeway deploy --app APP"),
    ("POST", "/app-setups", r#"{"source_blob": {"url": "x"}}"#, "apps:create NAME --space SPACE"),
    ("GET", "/spaces/alpha/outbound-ruleset", "", "security groups"),
    ("PUT", "/spaces/alpha/outbound-ruleset", r#"{"rules": []}"#, "security groups"),
    (
        "PUT",
        "/apps/shop/buildpack-installations",
        r#"{"updates": []}"#,
        "causeway deploy --app shop",
    ),
    ("POST", "/telemetry-drains", r#"{"owner": {"id": "x"}}"#, "logs --tail --app APP"),
    ("DELETE", "/telemetry-drains/x", "", "logs --tail --app APP"),
    ("PATCH", "/teams/apps/shop", r#"{"locked": true}"#, "spaces:transfer"),
    ("POST", "/account/app-transfers", "{}", "spaces:transfer"),
    ("PATCH", "/apps/shop/addons/redis-flat-00001", r#"{"name": "x"}"#, "addons:attach"),
    ("PATCH", "/apps/shop/addons/redis-flat-00001", r#"{"plan": "x:y"}"#, "addons:create"),
    ("PATCH", "/apps/shop/domains/www.example.com", "{}", "--router-cert"),
    ("POST", "/apps/shop/sni-endpoints", "{}", "--router-cert"),
    ("POST", "/apps/shop/acm", "{}", "--router-cert"),
    ("GET", "/apps/shop/features/http-routing", "", "`http-routing`"),
    ("PATCH", "/account/features/metrics", r#"{"enabled": true}"#, "`metrics`"),
    ("POST", "/account/keys", r#"{"public_key": "ssh-rsa x"}"#, "causeway deploy"),
    ("GET", "/apps/shop/features/runtime-heroku-exec", "", "run:inside DYNO bash"),
    ("POST", "/pipelines", r#"{"name": "x"}"#, "Pipeline"),
    ("GET", "/apps/shop/pipeline-couplings", "", "Pipeline"),
    ("POST", "/apps/shop/builds", "{}", "causeway deploy --app shop"),
    ("GET", "/client/v11/databases/x/wait_status", "", "psql $DATABASE_URL"),
    ("POST", "/postgres/v0/databases/x/credentials", "", "psql $DATABASE_URL"),
    ("GET", "/redis/v0/databases/x", "", "addons:info"),
    ("DELETE", "/data/postgres/v1/x/settings", "", "addons:info"),
];

#[tokio::test]
async fn what_is_missing_is_named_with_what_there_is_instead() {
    let server = Fixture::new();
    let before = server.state.world();
    for (method, path, body, names) in TABLE {
        let got = server.ask(BOB, method, path, body).await;
        let about = format!("{method} {path}: {}", got.text);
        assert_eq!(got.error(), (404, "not_found".to_owned()), "{about}");
        let message = got.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("not found: ") && message.contains(names), "{about}");
    }
    assert!(before.records().eq(server.state.world().records()));
}

#[tokio::test]
async fn there_is_none_of_what_can_be_listed() {
    let server = Fixture::new();
    for path in [
        "/account/keys",
        "/account/features",
        "/pipelines",
        "/apps/shop/builds",
        "/apps/shop/telemetry-drains",
        "/spaces/alpha/telemetry-drains",
    ] {
        let got = server.get(BOB, path).await;
        assert_eq!((got.status.as_u16(), got.text.as_str()), (200, "[]"), "{path}");
    }
    let off = server.ask(BOB, "PATCH", "/apps/shop", r#"{"maintenance": false}"#).await;
    assert_eq!((off.status.as_u16(), &off.json()["name"]), (200, &"shop".into()));
}

#[tokio::test]
async fn sizes_and_the_stack_are_what_dynos_have() {
    let server = Fixture::new();
    let sizes = server.get(BOB, "/dyno-sizes").await.json();
    assert_eq!(server.get(BOB, "/apps/shop/available-dyno-sizes").await.json(), sizes);
    let shown = |size: &Value| (size["name"].clone(), size["memory"].clone());
    let shown: Vec<_> = sizes.as_array().unwrap().iter().map(shown).collect();
    assert_eq!(shown[..2], [(json!("Private-S"), json!(1.0)), (json!("Private-M"), json!(2.5))]);
    assert_eq!(shown.len(), 6);
    // The same ids as where a size is referred to.
    let formation = server.get(BOB, "/apps/shop/formation").await.json();
    let id = formation[0]["dyno_size"]["id"].as_str().unwrap();
    let size = server.get(BOB, &format!("/dyno-sizes/{id}")).await.json();
    assert_eq!(size["name"], formation[0]["size"]);
    assert_eq!(server.get(BOB, "/dyno-sizes/private-m").await.json(), sizes[1]);
    let unknown = server.get(BOB, "/dyno-sizes/standard-1x").await;
    assert_eq!(unknown.error(), (404, "not_found".to_owned()));
    assert!(unknown.text.contains("standard-1x"), "{}", unknown.text);

    let stacks = server.get(BOB, "/stacks").await.json();
    let app = server.get(BOB, "/apps/shop").await.json();
    assert_eq!(
        (&stacks[0]["id"], &stacks[0]["name"]),
        (&app["stack"]["id"], &app["stack"]["name"])
    );
    assert_eq!(server.get(BOB, "/stacks/container").await.json(), stacks[0]);
    let same = server.ask(BOB, "PATCH", "/apps/shop", r#"{"build_stack": "container"}"#).await;
    assert_eq!((same.status.as_u16(), &same.json()["name"]), (200, &json!("shop")));
}

#[tokio::test]
async fn an_app_s_dynos_are_fenced_by_a_feature_that_is_switched() {
    let server = Fixture::new();
    let path = "/apps/shop/features/fence-stop";
    let enabled = async || {
        let listed = server.get(BOB, "/apps/shop/features").await.json();
        let info = server.get(BOB, path).await.json();
        assert_eq!(listed, serde_json::json!([info]));
        assert!(info["description"].as_str().unwrap().contains("70 seconds"), "{info}");
        info["enabled"].as_bool().unwrap()
    };
    assert!(!enabled().await);
    for state in [true, true, false] {
        let body = format!(r#"{{"enabled": {state}}}"#);
        let got = server.ask(BOB, "PATCH", path, &body).await;
        assert_eq!((got.status.as_u16(), &got.json()["enabled"]), (200, &state.into()));
        assert_eq!(enabled().await, state);
    }
    let before = server.state.world();
    for body in ["{}", r#"{"enabled": "yes"}"#] {
        let got = server.ask(BOB, "PATCH", path, body).await;
        assert_eq!(got.status.as_u16(), 422, "{}", got.text);
    }
    let got = server.ask(BOB, "PATCH", "/apps/shop/features/x", r#"{"enabled": true}"#).await;
    assert_eq!(got.status.as_u16(), 404, "{}", got.text);
    assert!(before.records().eq(server.state.world().records()));
}
