//! Requests that cannot be read are refused as JSON, and change nothing.

mod event;
mod flows;
mod golden;
mod host;
mod overview;
mod peer;
mod snapshot;
mod subject;
mod webhook;

use std::sync::Arc;

use axum::body::Body;
use model::{Caller, IdentityCommand, Key, NewToken, PlatformCommand, TokenBound, TokenScope};

use super::{Operator, router};
use crate::http::platform::tests::fixture::{ALICE, Fixture, Got, STRANGER};
use crate::party::Party;
use crate::reconcile::UnstartedPlanner;

/// What takes a body.
const WRITES: [(&str, &str); 15] = [
    ("POST", "accounts"),
    ("POST", "host/init"),
    ("POST", "keys"),
    ("POST", "roles"),
    ("PUT", "quotas/vpcs-per-region"),
    ("POST", "users"),
    ("PUT", "users/alice@example.com/password"),
    ("POST", "tokens"),
    ("POST", "teams"),
    ("PUT", "teams/acme/members"),
    ("PUT", "teams/acme/disabled"),
    ("POST", "env"),
    ("PUT", "spaces/alpha/limits"),
    ("POST", "backup"),
    ("POST", "clock"),
];

fn server() -> Fixture {
    with_endpoints(Fixture::new())
}

/// The same installation with the operator's endpoints.
fn with_endpoints(server: Fixture) -> Fixture {
    let planner = UnstartedPlanner::new().handle();
    let lost = crate::cleanup::lost::Lost::at(&server.data());
    let operator = Operator { state: Arc::clone(&server.state), planner, lost };
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
        ("GET", "peering-check", 400, "bad_request"),
        ("GET", "peering-check?vpc=vpc-1", 400, "bad_request"),
        ("GET", "peering-check?vpc=x&peer_cidr=10.0.0.0/16", 422, "invalid_params"),
        ("GET", "peering-check?vpc=vpc-00000000000000009&peer_cidr=10.0.0.0/16", 404, "not_found"),
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
        let open = [("GET", "why"), ("GET", "peering-check")];
        let open = open.into_iter().filter(|_| !token.ends_with(ALICE));
        for (method, path) in WRITES.into_iter().chain([("DELETE", "status")]).chain(open) {
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
async fn where_no_password_can_be_hashed_the_operator_is_told_when_to_come_back() {
    let full = Fixture::new().set(|state| state.passwords.permits = edge::Shares::new(0));
    let server = with_endpoints(full);
    let before = server.state.world();
    let (path, kind) = ("users/alice@example.com/password", "application/json");
    let got = ask(&server, "PUT", path, kind, br#"{"password": "long enough"}"#).await;
    assert_eq!(got.error(), (503, "service_unavailable".to_owned()), "{}", got.text);
    assert_eq!(got.header("retry-after"), "5");
    assert!(Arc::ptr_eq(&before, &server.state.world()));
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
    let matches =
        passwords.matches("correct horse".to_owned(), stored(&server), Party::Operator).await;
    assert_eq!(matches, Ok(true));

    let made_up =
        ask(&server, "PUT", path, json, br#"{"generate": true, "end_tokens": true}"#).await.json();
    let password = made_up["password"].as_str().unwrap().to_owned();
    assert_eq!(password.len(), 25);
    assert_eq!(passwords.matches(password, stored(&server), Party::Operator).await, Ok(true));
    assert!(server.state.authenticate(ALICE, server.state.clock.now()).is_none());

    let body = br#"{"email": "new@example.com", "password": "correct horse"}"#;
    let made = ask(&server, "POST", "users", json, body).await;
    assert_eq!(made.json()["email"], "new@example.com", "{}", made.text);
    let new = server.state.world().user_named("new@example.com").unwrap().password.clone();
    assert_eq!(passwords.matches("correct horse".to_owned(), new, Party::Operator).await, Ok(true));
}

#[tokio::test]
async fn the_clock_moves_by_what_the_ledger_took_and_by_nothing_else() {
    let server = server();
    let at = || server.state.clock.now().millis();
    let offset = || server.state.world().settings().unwrap().clock_offset;
    let before = at();
    let body = format!("{{\"advance_seconds\": {}}}", u64::MAX);
    let got = ask(&server, "POST", "clock", "application/json", body.as_bytes()).await;
    assert_eq!(got.error(), (422, "invalid_params".to_owned()));
    assert_eq!((at(), offset()), (before, 0));
    for days in 1..=2 {
        let body = br#"{"advance_seconds": 86400}"#;
        let got = ask(&server, "POST", "clock", "application/json", body).await;
        assert_eq!(got.status, 200, "{}", got.text);
        assert_eq!(offset(), 86_400 * days);
        assert_eq!(at(), before + 86_400_000 * i64::try_from(days).unwrap());
    }
}

/// What the audit says: who, what they asked for, and what came of it.
async fn audit(server: &Fixture, query: &str) -> Vec<(String, String, String)> {
    let got = ask(server, "GET", &format!("audit?{query}"), "", b"").await;
    assert_eq!(got.status, 200, "{}", got.text);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let rows = got.json()["rows"].as_array().unwrap().clone();
    rows.iter()
        .map(|row| (text(&row["who"]), text(&row["action"]), text(&row["outcome"])))
        .collect()
}

fn row(who: &str, action: &str, outcome: &str) -> (String, String, String) {
    (who.to_owned(), action.to_owned(), outcome.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_stays_in_the_audit_of_its_team() {
    let server = server();
    let team = server.state.world().teams().find(|team| team.name == "acme").unwrap().id;
    let (name, region, cidr, data_cidr) = ("gone".to_owned(), None, None, None);
    let create = PlatformCommand::CreateSpace { name, team, region, cidr, data_cidr };
    let Key::Space(space) = server.command(Caller::Operator, create).await else { panic!() };
    server.observe().await;
    server.command(Caller::Operator, PlatformCommand::DeleteSpace { space }).await;
    let rows = audit(&server, "team=acme").await;
    let actions: Vec<&str> = rows.iter().map(|(_, action, _)| &**action).collect();
    assert_eq!(actions, ["Platform.CreateSpace", "Platform.DeleteSpace"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_is_read_with_filters_and_in_pages() {
    let server = server();
    let json = "application/json";
    for name in ["one", "two", "three"] {
        let body = format!("{{\"name\": \"{name}\"}}");
        ask(&server, "POST", "accounts", json, body.as_bytes()).await;
    }
    ask(&server, "POST", "accounts", json, br#"{"name": "one"}"#).await;
    let limits = br#"{"peerings": 7}"#;
    assert_eq!(ask(&server, "PUT", "spaces/alpha/limits", json, limits).await.status, 200);
    let made = row("operator", "Identity.CreateAccount", "ok");
    let refused = row("operator", "Identity.CreateAccount", "ResourceAlreadyExists");
    let limited = row("operator", "Platform.SetPeeringLimit", "ok");
    let all = [made.clone(), made.clone(), made.clone(), refused.clone(), limited.clone()];
    assert_eq!(audit(&server, "").await, all, "newest last");
    assert_eq!(audit(&server, "limit=2").await, [refused.clone(), limited.clone()]);
    assert_eq!(audit(&server, "action=Platform.*").await, std::slice::from_ref(&limited));
    assert_eq!(audit(&server, "action=*Account&outcome=ok").await.len(), 3);
    assert_eq!(audit(&server, "outcome=refused").await, [refused]);
    assert_eq!(audit(&server, "space=alpha").await, std::slice::from_ref(&limited));
    assert_eq!(audit(&server, "team=acme").await, [limited]);
    assert_eq!(audit(&server, "team=rivals").await, []);
    assert_eq!(audit(&server, "who=alice@example.com").await, []);
    assert_eq!(audit(&server, "who=operator&since=1h").await.len(), 5);
    assert_eq!(audit(&server, "until=1h").await, []);
    // What a client was told of a request finds its row.
    let got = ask(&server, "POST", "accounts", json, br#"{"name": "one"}"#).await;
    let last = ask(&server, "GET", "audit?limit=1", "", b"").await.json();
    assert_eq!(got.header("request-id").len(), 32);
    assert_eq!(last["rows"][0]["request_id"], got.header("request-id"));

    let page = ask(&server, "GET", "audit?limit=2", "", b"").await.json();
    let before = page["before"].as_u64().unwrap();
    let older =
        ask(&server, "GET", &format!("audit?limit=4&before={before}"), "", b"").await.json();
    assert_eq!(older["rows"].as_array().unwrap().len(), 4);
    let last = older["rows"][0]["number"].as_u64().unwrap();
    let rest = ask(&server, "GET", &format!("audit?before={last}"), "", b"").await.json();
    assert_eq!(
        (&rest["rows"], &rest["before"]),
        (&serde_json::json!([]), &serde_json::Value::Null)
    );
    assert_eq!(audit(&server, &format!("after={last}&limit=1")).await, [made]);
    for (query, status) in [
        ("since=yesterday", 422),
        ("who=nobody@example.com", 404),
        ("who=x", 404),
        ("team=x", 404),
        ("space=x", 404),
        ("account=x", 404),
        ("limit=x", 400),
    ] {
        let got = ask(&server, "GET", &format!("audit?{query}"), "", b"").await;
        assert_eq!(got.error().0, status, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_knows_of_strangers_and_a_flood_of_them_is_counted() {
    let server = server();
    let both = server.state.clone();
    let planner = UnstartedPlanner::new().handle();
    let lost = crate::cleanup::lost::Lost::at(&server.data());
    let operator = Operator { state: Arc::clone(&both), planner, lost };
    let all = crate::http::platform::router(Arc::clone(&both)).merge(router(operator));
    let server = server.behind(all);
    for _ in 0..50 {
        assert_eq!(server.get("x", "/account").await.status, 401);
        assert_eq!(server.get(STRANGER, "/apps/shop").await.status, 404);
        assert_eq!(server.get(STRANGER, "/apps/no-such-app").await.status, 404);
        assert_eq!(server.get(ALICE, "/_causeway/status").await.status, 401);
        assert_eq!(server.get("x", "/_causeway/events").await.status, 401);
        assert_eq!(server.get(STRANGER, "/_causeway/webhooks/none/deliveries").await.status, 404);
        assert_eq!(server.ask("x", "PUT", "/_blobs/slugs/x", "code").await.status, 403);
    }
    let noted = [
        row("nobody", "GET /account", "unauthorized"),
        row("stranger@example.org", "GET /apps/{app}", "not_found"),
        row("alice@example.com", "GET /_causeway", "unauthorized"),
        row("nobody", "GET /_causeway", "unauthorized"),
        row("stranger@example.org", "GET /_causeway", "not_found"),
        row("nobody", "PUT /_blobs/slugs/{slug}", "forbidden"),
    ];
    assert_eq!(audit(&server, "").await, noted, "the first of each at once");
    assert_eq!(audit(&server, "team=acme").await, noted[1..2], "whose app it was");
    server.state.clock.advance(std::time::Duration::from_secs(60));
    server.state.note_refusals(false);
    let got = ask(&server, "GET", "audit?outcome=refused&since=1s", "", b"").await.json();
    let rows = got["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6, "{got}");
    for row in rows {
        assert!(row["message"].as_str().unwrap().ends_with("(and 49 more like it)"), "{row}");
    }
}

/// The token was made before it was known that there is no such account.
#[tokio::test]
async fn variables_for_an_account_that_there_is_not_make_no_token() {
    let server = server();
    let before = server.state.world();
    let body = br#"{"user": "alice@example.com", "account": "nobody"}"#;
    let got = ask(&server, "POST", "env", "application/json", body).await;
    assert_eq!(got.error(), (404, "not_found".to_owned()));
    assert!(Arc::ptr_eq(&before, &server.state.world()));
}

/// Whatever JSON the operator sends to whatever path, it is answered, or refused with nothing changed.
#[test]
fn fuzz_operator() {
    use crate::http::platform::tests::fuzz::{SharedFixture, asked};

    let kept = SharedFixture::new(|| {
        let server = server();
        let planner = UnstartedPlanner::new().handle();
        let lost = crate::cleanup::lost::Lost::at(&server.data());
        let operator = Operator { state: Arc::clone(&server.state), planner, lost };
        // What is no path of the operator's is one of the Platform API's, as where both are served.
        let platform = crate::http::platform::router(Arc::clone(&server.state));
        server.behind(platform.merge(router(operator)))
    });
    ::fuzz::target("operator", move |input| {
        let Some((method, path, body)) = asked(input) else { return };
        // A backup would be written wherever the input says, and there is no loop here that sweeps.
        if !path.contains("backup") && !path.contains("sweep") {
            kept.ask(Fixture::operator, method, &format!("/_causeway{path}"), body);
        }
    });
}

#[tokio::test]
async fn what_looks_into_peerings_takes_tokens_for_reading_that_are_not_bound() {
    let server = server();
    let alice = server.state.world().user_named("alice@example.com").unwrap().id;
    let space = server.state.world().space_named("alpha").unwrap().id;
    let new = |secret: &str| {
        NewToken::unlimited(alice, crate::credentials::token_hash(secret), String::new())
    };
    let scoped =
        |secret: &str, scope| NewToken { scopes: [scope].into_iter().collect(), ..new(secret) };
    for token in [
        scoped("identity", TokenScope::Identity),
        scoped("read", TokenScope::Read),
        scoped("write", TokenScope::Write),
        NewToken { bound: Some(TokenBound::Space(space)), ..new("bound") },
    ] {
        server.command(Caller::Operator, IdentityCommand::CreateToken(token)).await;
    }
    let reads = ["why?from=shop/run.0002&to=1.2.3.4", "peering-check?space=alpha&cidr=10.9.0.0/16"];
    let asks = async |secret: &str, method: &str, path: &str| {
        let request = http::Request::builder().method(method).uri(format!("/_causeway/{path}"));
        let request = request.header("authorization", format!("Bearer {secret}"));
        let request = request.header("content-type", "application/json");
        server.send(request.body(Body::from("{}")).unwrap()).await.status.as_u16()
    };
    for (secret, may_read, may_probe) in [
        ("identity", false, false),
        ("read", true, false),
        ("write", true, true),
        ("bound", false, false),
    ] {
        for path in reads {
            assert_eq!(asks(secret, "GET", path).await != 403, may_read, "{secret} {path}");
        }
        assert_eq!(asks(secret, "POST", "probe").await != 403, may_probe, "{secret}");
        // What is the operator's is no user's, whatever the token.
        for path in ["status", "users", "audit"] {
            assert_eq!(asks(secret, "GET", path).await, 401, "{secret} {path}");
        }
    }
}

#[tokio::test]
async fn the_operator_makes_narrow_tokens_and_takes_second_factors_away() {
    let server = server();
    let json = "application/json";
    let body = br#"{"user": "alice@example.com", "scopes": ["read", "identity"], "app": "shop"}"#;
    let made = ask(&server, "POST", "tokens", json, body).await.json();
    let token = made["token"].as_str().unwrap();
    let bearer = server.state.authenticate(token, server.state.clock.now()).unwrap();
    let record = bearer.token.unwrap().record;
    let shop = server.state.world().app_named("shop").unwrap().id;
    assert_eq!(record.scopes.to_string(), "identity read");
    assert_eq!(record.bound, Some(TokenBound::App(shop)));
    for (body, status) in [
        (r#"{"user": "alice@example.com", "scopes": ["reads"]}"#, 422),
        (r#"{"user": "alice@example.com", "app": "nope"}"#, 404),
        (r#"{"user": "alice@example.com", "space": "nope"}"#, 404),
        (r#"{"user": "alice@example.com", "space": "alpha", "app": "shop"}"#, 422),
        (r#"{"user": "stranger@example.org", "app": "shop"}"#, 404),
    ] {
        let got = ask(&server, "POST", "tokens", json, body.as_bytes()).await;
        assert_eq!(got.status.as_u16(), status, "{}", got.text);
    }
    server.enable_second_factor(ALICE).await;
    let path = "users/alice@example.com/two-factor";
    for was in [true, false] {
        let gone = ask(&server, "DELETE", path, json, b"").await.json();
        assert_eq!(gone["was_enabled"], was);
    }
    let world = server.state.world();
    assert_eq!(world.user_named("alice@example.com").unwrap().second_factor, None);
}
