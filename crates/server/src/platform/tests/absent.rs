//! What there is not is said to be so, with what there is instead.

use super::fixture::{BOB, Fixture};

/// Method, path, body, and what the message names.
const TABLE: &[(&str, &str, &str, &str)] = &[
    ("PATCH", "/apps/shop", r#"{"name": "store"}"#, "shop.app.localspace"),
    ("PATCH", "/apps/shop", r#"{"maintenance": true}"#, "ps:scale web=0 --app shop"),
    ("PATCH", "/apps/shop", r#"{"build_stack": "heroku-24"}"#, "config vars"),
    ("PATCH", "/teams/apps/shop", r#"{"locked": true}"#, "spaces:transfer"),
    ("POST", "/account/app-transfers", "{}", "spaces:transfer"),
    ("PATCH", "/apps/shop/addons/redis-flat-00001", r#"{"name": "x"}"#, "addons:attach"),
    ("PATCH", "/apps/shop/addons/redis-flat-00001", r#"{"plan": "x:y"}"#, "addons:create"),
    ("PATCH", "/apps/shop/domains/www.example.com", "{}", "--router-cert"),
    ("POST", "/apps/shop/sni-endpoints", "{}", "--router-cert"),
    ("POST", "/apps/shop/acm", "{}", "--router-cert"),
    ("POST", "/apps/shop/log-drains", r#"{"url": "syslog://x"}"#, "logs --tail --app shop"),
    ("DELETE", "/apps/shop/log-drains/x", "", "Log drain"),
    ("GET", "/apps/shop/features/http-routing", "", "`http-routing`"),
    ("PATCH", "/account/features/metrics", r#"{"enabled": true}"#, "`metrics`"),
    ("POST", "/account/keys", r#"{"public_key": "ssh-rsa x"}"#, "causeway deploy"),
    ("POST", "/pipelines", r#"{"name": "x"}"#, "Pipeline"),
    ("GET", "/apps/shop/pipeline-couplings", "", "Pipeline"),
    ("POST", "/apps/shop/builds", "{}", "causeway deploy --app shop"),
    ("POST", "/apps/shop/webhooks", "{}", "Webhook"),
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
        "/apps/shop/features",
        "/apps/shop/log-drains",
        "/apps/shop/webhooks",
        "/apps/shop/builds",
    ] {
        let got = server.get(BOB, path).await;
        assert_eq!((got.status.as_u16(), got.text.as_str()), (200, "[]"), "{path}");
    }
    let off = server.ask(BOB, "PATCH", "/apps/shop", r#"{"maintenance": false}"#).await;
    assert_eq!((off.status.as_u16(), &off.json()["name"]), (200, &"shop".into()));
}
