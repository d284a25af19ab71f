//! No route without an authorization test: this walks the table (R4).

use axum::body::Body;

use super::fixture::{ACTIVE, ALICE, BOB, DRAIN, Fixture, HOOK, SLUG, STRANGER, request};
use crate::http::platform::route::{Method, Route, Scope};
use crate::http::platform::routes::ROUTES;

const NAMES: [(&str, &str); 32] = [
    ("{team}", "acme"),
    ("{space}", "alpha"),
    ("{app}", "shop"),
    ("{dyno}", "run.0001"),
    ("{pcx}", ACTIVE),
    ("{region}", "virginia"),
    ("{generation}", "cedar"),
    ("{member}", "alice@example.com"),
    ("{ruleset}", RULESET),
    ("{feature}", "fence-stop"),
    ("{vpn}", "office"),
    ("{authorization}", "00000000-0000-0000-0000-000000000071"),
    ("{session}", "~"),
    ("{type}", "web"),
    ("{slug}", SLUG),
    ("{release}", "1"),
    ("{addon}", "redis-flat-00001"),
    ("{domain}", "www.example.com"),
    ("{service}", "heroku-redis"),
    ("{plan}", "heroku-redis:premium-0"),
    ("{attachment}", "shop::REDIS"),
    ("{drain}", DRAIN),
    ("{key}", "none"),
    ("{pipeline}", "none"),
    ("{endpoint}", "none"),
    ("{size}", "Private-S"),
    ("{stack}", "container"),
    ("{setup}", "none"),
    ("{webhook}", HOOK),
    ("{delivery}", "none"),
    ("{event}", "none"),
    ("{*path}", "databases/none"),
];

/// The id of the space's trusted IP ranges, which follows from the space's own.
const RULESET: &str = "2e37f9ef-ead7-86c1-93d7-cc13127e8c0a";

/// What is answered with 404 to everybody: this installation has nothing of the kind.
const ABSENT: [&str; 18] = [
    "/webhook-deliveries/",
    "/webhook-events/",
    "{space}/log-drain",
    "vpn-connections",
    "/account/features/",
    "invitations",
    "/account/keys/",
    "/pipelines/",
    "pipeline-couplings",
    "/sni-endpoints/",
    "/client/v11/",
    "/postgres/v0/",
    "/redis/v0/",
    "/data/",
    "app-transfers",
    "/app-setups/",
    "outbound-ruleset",
    "/telemetry-drains/",
];

/// What every route that takes a body would take.
pub(super) const BODY: &str = r#"{"name": "mine", "team": "acme", "space": "alpha", "command": "true",
    "pcx_id": "pcx-00000000000000001", "email": "alice@example.com", "role": "member",
    "rules": [], "addon_attachment": "REDIS", "permissions": [], "new_owner": "acme",
    "addon": "redis-flat-00001", "plan": "heroku-redis", "hostname": "x.example.com",
    "url": "https://logs.example.com/in", "demanded": true, "include": ["api:release"], "level": "sync",
    "enabled": true}"#;

pub(super) fn path(route: &Route) -> String {
    let path =
        NAMES.iter().fold(route.path.to_owned(), |path, (key, value)| path.replace(key, value));
    assert!(!path.contains('{'), "the test does not know what stands for {path}");
    // What this one asks about is in the query.
    if path.ends_with("/peering-check") { path + "?cidr=10.200.0.0/16" } else { path }
}

pub(super) fn method(route: &Route) -> &'static str {
    match route.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

fn absent(route: &Route) -> bool {
    let is = |path: &str, method| route.path.ends_with(path) && route.method == method;
    let none_yet = is("/invitations", Method::Get) || is("/log-drain", Method::Put);
    ABSENT.iter().any(|part| route.path.contains(part)) && !none_yet
}

#[tokio::test]
async fn no_route_answers_without_a_token() {
    let server = Fixture::new();
    for route in ROUTES {
        for credentials in
            [None, Some("Bearer wrong"), Some("Basic d3Jvbmc6d3Jvbmc="), Some("Basic %"), Some("x")]
        {
            let mut request = request(method(route), &path(route));
            if let Some(credentials) = credentials {
                request = request.header("authorization", credentials);
            }
            let got = server.send(request.body(Body::from(BODY)).unwrap()).await;
            assert_eq!(got.error(), (401, "unauthorized".to_owned()), "{}", route.path);
            assert_eq!(got.json()["message"], "Invalid credentials provided.");
        }
    }
}

#[tokio::test]
async fn a_stranger_learns_nothing_and_changes_nothing() {
    let server = Fixture::new();
    let before = server.state.world();
    // Whoever signs in makes a token for themselves, and enables a second factor for themselves.
    let is_own = |route: &Route| {
        let ends_itself = route.path == "/account" && route.method == Method::Delete;
        let is_sign_in = matches!(route.scope, Scope::SignIn(_));
        is_sign_in || route.path.starts_with("/account/two-factor") || ends_itself
    };
    for route in ROUTES.iter().filter(|route| !is_own(route)) {
        let got = server.ask(STRANGER, method(route), &path(route), BODY).await;
        let about = format!("{} {}: {}", method(route), route.path, got.text);
        match (&route.scope, route.method) {
            // Such lists hold what is the caller's own: nothing of anybody else.
            (Scope::User(_), Method::Get) if !absent(route) => {
                assert_eq!(got.status, 200, "{about}");
                for secret in ["acme", "alpha", "shop", "alice", "pcx-"] {
                    assert!(!got.text.contains(secret), "{about}");
                }
            }
            _ => assert!([403, 404].contains(&got.status.as_u16()), "{about}"),
        }
    }
    assert!(before.records().eq(server.state.world().records()));
}

#[tokio::test]
async fn what_is_not_there_and_what_is_hidden_look_the_same() {
    let server = Fixture::new();
    for (hidden, absent) in [
        ("/spaces/alpha", "/spaces/nowhere"),
        ("/apps/shop", "/apps/nothing"),
        ("/teams/acme", "/teams/nobody"),
    ] {
        let (a, b) = (server.get(STRANGER, hidden).await, server.get(STRANGER, absent).await);
        // But for the name that was asked for.
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let (a_text, b_text) =
            (a.text.replace(&name(hidden), "x"), b.text.replace(&name(absent), "x"));
        assert_eq!((a.status, a_text), (b.status, b_text));
    }
}

#[tokio::test]
async fn members_see_everything_but_change_no_space() {
    let server = Fixture::new();
    let before = server.state.world();
    for route in ROUTES.iter().filter(|route| !absent(route)) {
        match (route.method, &route.scope) {
            // It is Alice's.
            (_, Scope::Token(_)) => {
                let got = server.ask(BOB, method(route), &path(route), BODY).await;
                assert_eq!(got.error(), (404, "not_found".to_owned()), "{}", route.path);
            }
            (Method::Get, _) => {
                let got = server.get(BOB, &path(route)).await;
                assert_eq!(got.status, 200, "{}: {}", route.path, got.text);
            }
            // All but adding one who is in it already, which is said first.
            (_, Scope::Space(_) | Scope::Team(_)) => {
                let got = server.ask(BOB, method(route), &path(route), BODY).await;
                let added = route.path.ends_with("/members") && route.method == Method::Post;
                let status = if added { 422 } else { 403 };
                assert_eq!(got.status, status, "{}: {}", route.path, got.text);
            }
            _ => {}
        }
    }
    assert!(before.records().eq(server.state.world().records()));
}

#[tokio::test]
async fn basic_takes_the_token_as_password_whatever_the_user() {
    use base64::Engine;
    let server = Fixture::new();
    for user in ["", "alice@example.com"] {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{ALICE}"));
        let request = request("GET", "/account").header("authorization", format!("Basic {pair}"));
        let got = server.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(got.json()["email"], "alice@example.com");
    }
}

#[tokio::test]
async fn an_emulator_takes_any_token_and_none() {
    let server = Fixture::emulator();
    assert_eq!(server.get("anything", "/account").await.json()["email"], "alice@example.com");
    assert_eq!(server.get(STRANGER, "/account").await.json()["email"], "stranger@example.org");
    let nobody = || request("GET", "/account").body(Body::empty()).unwrap();
    assert_eq!(server.send(nobody()).await.json()["email"], "alice@example.com");
    assert_eq!(Fixture::new().send(nobody()).await.status, 401, "but no other server");
}
