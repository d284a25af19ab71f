//! What is wrong with a request is said, in JSON, and never more than that.

use axum::body::Body;

use super::fixture::{ALICE, Fixture, request};
use crate::http::platform::body::MOST_BYTES;

/// Method, path, body, status, id, and what the message names.
const TABLE: &[(&str, &str, &str, u16, &str, &str)] = &[
    ("GET", "/nothing", "", 404, "not_found", "The requested API endpoint was not found."),
    ("GET", "/spaces/alpha/nothing", "", 404, "not_found", "endpoint"),
    ("PUT", "/spaces/alpha", "", 405, "method_not_allowed", "Allow"),
    ("PUT", "/account", "", 405, "method_not_allowed", "Allow"),
    ("POST", "/spaces", "{", 400, "bad_request", "line 1"),
    ("POST", "/spaces", "\u{0}", 400, "bad_request", "not JSON"),
    ("POST", "/spaces", "[]", 400, "bad_request", "object"),
    ("POST", "/spaces", "7", 400, "bad_request", "object"),
    ("POST", "/spaces", "", 422, "invalid_params", "`name`"),
    ("POST", "/spaces", "null", 422, "invalid_params", "`name`"),
    ("POST", "/spaces", r#"{"name": 7}"#, 422, "invalid_params", "`name`"),
    ("POST", "/spaces", r#"{"name": null}"#, 422, "invalid_params", "`name`"),
    ("POST", "/spaces", r#"{"name": "beta"}"#, 422, "invalid_params", "`team`"),
    ("POST", "/spaces", r#"{"name": "beta", "team": {}}"#, 422, "invalid_params", "`team`"),
    ("POST", "/spaces", r#"{"name": "beta", "team": "x"}"#, 404, "not_found", "team"),
    ("POST", "/spaces", r#"{"name": "beta", "team": "rivals"}"#, 404, "not_found", "team"),
    (
        "POST",
        "/spaces",
        r#"{"name": "beta", "team": "acme", "region": "mars"}"#,
        422,
        "invalid_params",
        "`mars`",
    ),
    (
        "POST",
        "/spaces",
        r#"{"name": "beta", "team": "acme", "cidr": "10.50.1.0/16"}"#,
        422,
        "invalid_params",
        "`cidr`: '10.50.1.0/16' has host bits set behind its prefix; the block that it lies in is 10.50.0.0/16",
    ),
    (
        "POST",
        "/spaces",
        r#"{"name": "beta", "team": "acme", "data_cidr": 10}"#,
        422,
        "invalid_params",
        "`data_cidr`",
    ),
    (
        "POST",
        "/spaces",
        r#"{"name": "beta", "team": "acme", "shield": true}"#,
        422,
        "invalid_params",
        "Shield",
    ),
    (
        "POST",
        "/spaces",
        r#"{"name": "beta", "team": "acme", "generation": "fir"}"#,
        422,
        "invalid_params",
        "cedar",
    ),
    (
        "POST",
        "/spaces",
        r#"{"name": "beta", "team": "acme", "log_drain_url": "https://x"}"#,
        422,
        "invalid_params",
        "`log_drain_url`",
    ),
    ("PATCH", "/spaces/alpha", "{}", 422, "invalid_params", "`name`"),
    ("POST", "/spaces/alpha/peerings", "{}", 422, "invalid_params", "`pcx_id`"),
    ("POST", "/spaces/alpha/peerings", r#"{"pcx_id": 7}"#, 422, "invalid_params", "`pcx_id`"),
    ("POST", "/spaces/alpha/peerings", r#"{"pcx_id": "x"}"#, 404, "not_found", "peering"),
    ("DELETE", "/spaces/alpha/peerings/x", "", 404, "not_found", "peering"),
    ("POST", "/apps", r#"{"name": "blog"}"#, 422, "invalid_params", "`space`"),
    ("POST", "/teams/apps", r#"{"space": "x"}"#, 404, "not_found", "space"),
    (
        "POST",
        "/teams/apps",
        r#"{"space": "alpha", "internal_routing": "yes"}"#,
        422,
        "invalid_params",
        "`internal_routing`",
    ),
    ("POST", "/apps/shop/dynos", "{}", 422, "invalid_params", "`command`"),
    (
        "POST",
        "/apps/shop/dynos",
        r#"{"command": "x", "attach": "yes"}"#,
        422,
        "invalid_params",
        "`attach`",
    ),
    (
        "POST",
        "/apps/shop/dynos",
        r#"{"command": "x", "env": {"A": []}}"#,
        422,
        "invalid_params",
        "`env.A`",
    ),
    ("POST", "/apps/shop/dynos", r#"{"command": "x", "env": 7}"#, 422, "invalid_params", "`env`"),
    (
        "POST",
        "/apps/shop/dynos",
        r#"{"command": "x", "time_to_live": 1.5}"#,
        422,
        "invalid_params",
        "`time_to_live`",
    ),
    ("GET", "/apps/shop/dynos/run.9999", "", 404, "not_found", "process"),
    ("POST", "/apps/shop/dynos/run.9999/actions/stop", "", 404, "not_found", "process"),
    ("GET", "/spaces/%ff", "", 400, "bad_request", "UTF-8"),
    ("GET", "/spaces/%00", "", 404, "not_found", "space"),
    ("GET", "/spaces/..%2f..", "", 404, "not_found", "space"),
];

#[tokio::test]
async fn every_mistake_is_named() {
    let server = Fixture::new();
    let before = server.state.world();
    for (method, path, body, status, id, names) in TABLE {
        let got = server.ask(ALICE, method, path, body).await;
        let about = format!("{method} {path} {body}: {}", got.text);
        assert_eq!(got.error(), (*status, (*id).to_owned()), "{about}");
        assert!(got.json()["message"].as_str().unwrap().contains(names), "{about}");
        assert_eq!(got.header("content-type"), "application/json;charset=utf-8");
        assert!(!got.header("request-id").is_empty());
    }
    assert!(before.records().eq(server.state.world().records()));
}

#[tokio::test]
async fn bodies_are_bounded_and_must_be_text() {
    let server = Fixture::new();
    let post = |body: Vec<u8>| {
        let request = request("POST", "/spaces").header("authorization", format!("Bearer {ALICE}"));
        server.send(request.body(Body::from(body)).unwrap())
    };
    let long = format!(r#"{{"name": "{}"}}"#, "x".repeat(MOST_BYTES));
    assert_eq!(post(long.into()).await.error(), (413, "payload_too_large".to_owned()));
    let broken = b"{\"name\": \"\xff\"}".to_vec();
    assert_eq!(post(broken).await.error(), (400, "bad_request".to_owned()));
    let deep = "[".repeat(10_000).into_bytes();
    assert_eq!(post(deep).await.error(), (400, "bad_request".to_owned()));
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let server = Fixture::new();
    let got = server.ask(ALICE, "PUT", "/spaces/alpha", "").await;
    let mut allowed: Vec<&str> = got.header("allow").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD", "PATCH"]);
}

/// What is wrong is said so that it can be mended, or found out: which name, and which command lists
/// what there is.
#[tokio::test]
async fn messages_name_what_is_wrong_and_where_to_look() {
    let server = Fixture::new();
    let long = format!("{{\"{}\": \"1\"}}", "X".repeat(200));
    for (method, path, body, status, names) in [
        ("POST", "/apps/shop/dynos", r#"{"command": "x", "type": "nope"}"#, 422, "not `nope`"),
        ("GET", "/apps/nothing", "", 404, "the command `apps` lists"),
        ("GET", "/apps/shop/releases/v99", "", 404, "`releases --app shop`"),
        ("GET", "/apps/shop/domains/x.example.com", "", 404, "`domains --app shop`"),
        ("GET", "/apps/shop/dynos/web.9", "", 404, "`ps --app shop`"),
        ("GET", "/apps/shop/formation/clock", "", 404, "`ps:scale --app shop`"),
        ("GET", "/apps/shop/slugs/x", "", 404, "`causeway slugs --app shop`"),
        ("GET", "/addons/x", "", 404, "`addons`"),
        ("GET", "/apps/shop/addons/x", "", 404, "`addons`"),
        ("GET", "/oauth/authorizations/x", "", 404, "`authorizations`"),
        ("DELETE", "/teams/acme/members/x@example.com", "", 404, "`members --team acme`"),
        ("GET", "/spaces/alpha/vpn-connections/office", "", 404, "connection `office`, as"),
        ("PATCH", "/apps/shop/config-vars", r#"{"A-B": "1"}"#, 422, "'A-B'"),
        ("PATCH", "/apps/shop/config-vars", r#"{"": "1"}"#, 422, "empty"),
        ("PATCH", "/apps/shop/config-vars", &long, 422, "200 bytes, and may have 128"),
        ("PATCH", "/apps/shop/config-vars", r#"{"A": "\u0000"}"#, 422, "value of the"),
        ("POST", "/apps/shop/domains", r#"{"hostname": "münchen.de"}"#, 422, "punycode"),
        ("PATCH", "/apps/shop/formation/web", r#"{"quantity": "100000"}"#, 422, "more dynos"),
        ("PATCH", "/apps/shop/formation/web", r#"{"quantity": -3}"#, 422, "such as +1 or -1"),
        ("PATCH", "/apps/shop/formation/web", r#"{"quantity": "x"}"#, 422, "no number"),
    ] {
        let got = server.ask(ALICE, method, path, body).await;
        assert_eq!(got.status, status, "{method} {path}: {}", got.text);
        assert!(got.text.contains(names), "{method} {path}: {}", got.text);
    }
}
