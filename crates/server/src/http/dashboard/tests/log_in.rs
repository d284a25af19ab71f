//! Logging a command in by the browser, and what must not work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use model::Caller;
use serde_json::Value;

use super::browser::{Browser, hidden, user};
use crate::http::browser_login;
use crate::http::dashboard::{Dashboard, router};
use crate::http::login_requests::LIFE;
use crate::http::platform::tests::fixture::{ALICE, BOB, Fixture, Got};

/// A server with the dashboard, and what commands ask that want to log in.
async fn server() -> Fixture {
    let server = Fixture::set_up().await;
    let dashboard = router(Dashboard::new(Arc::clone(&server.state)));
    let logins = browser_login::router(Arc::clone(&server.state));
    server.behind(dashboard.merge(logins))
}

/// What the heroku command is told when it begins.
struct Begun {
    browser: String,
    cli: String,
    token: String,
}

/// Begins as the heroku command does, from another network if `from` is given.
async fn begin(server: &Fixture, from: Option<&str>) -> Begun {
    let body = r#"{"description": "Heroku CLI login from <b>laptop</b>"}"#;
    let request = Request::post("/auth").header("content-type", "application/json");
    let mut request = request.body(Body::from(body)).unwrap();
    if let Some(from) = from {
        let peer: SocketAddr = format!("{from}:4000").parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    let got = server.send(request).await;
    assert_eq!(got.status, 201, "{}", got.text);
    let said = got.json();
    let text = |name: &str| said[name].as_str().unwrap().to_owned();
    Begun { browser: text("browser_url"), cli: text("cli_url"), token: text("token") }
}

async fn poll(server: &Fixture, begun: &Begun, proof: &str) -> Got {
    let request = Request::get(&begun.cli).header("authorization", format!("Bearer {proof}"));
    server.send(request.body(Body::empty()).unwrap()).await
}

fn tokens(server: &Fixture) -> usize {
    server.state.world().tokens().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_allows_it_logs_the_command_in_as_themselves() {
    let server = server().await;
    let begun = begin(&server, None).await;
    let before = tokens(&server);
    // Whoever is not signed in yet does that first, and comes back.
    let mut browser = Browser::new(&server);
    let led = browser.get(&begun.browser).await;
    assert_eq!(led.status, 303);
    assert!(led.header("location").ends_with(&format!("back={}", begun.browser)), "{led:?}");

    let mut browser = Browser::signed_in(&server, ALICE).await;
    let page = browser.get(&begun.browser).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("alice@example.com") && page.text.contains("laptop"));
    assert!(!page.text.contains("<b>laptop"), "{}", page.text);
    assert!(!page.text.contains(&begun.token), "the browser never sees the proof");
    let allowed = browser.fill(&begun.browser, &[("answer", "allow")]).await;
    assert_eq!(allowed.status, 200, "{}", allowed.text);
    assert_eq!(tokens(&server), before, "nothing is made before the command takes it");
    let answer: Value = poll(&server, &begun, &begun.token).await.json();
    let token = answer["access_token"].as_str().unwrap();
    let now = server.state.clock.now();
    let bearer = server.state.authenticate(token, now).unwrap();
    assert_eq!(bearer.caller, Caller::User(user(&server, "alice")));
    let record = bearer.token.unwrap().record;
    assert_eq!(record.expires, Some(now + Duration::from_secs(30 * 24 * 3600)));
    assert!(record.description.starts_with("Heroku CLI login"), "{}", record.description);
    // Neither is answered again.
    assert_eq!(poll(&server, &begun, &begun.token).await.status, 404);
    assert_eq!(browser.get(&begun.browser).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_waits_hears_of_it_at_once() {
    let server = Arc::new(server().await);
    for (answer, said) in [("allow", "access_token"), ("deny", "error")] {
        let begun = begin(&server, None).await;
        let waits = {
            let (server, token) = (Arc::clone(&server), begun.token.clone());
            let begun = Begun { browser: String::new(), cli: begun.cli.clone(), token };
            tokio::spawn(async move { poll(&server, &begun, &begun.token).await.json() })
        };
        let mut browser = Browser::signed_in(&server, ALICE).await;
        let answered = browser.fill(&begun.browser, &[("answer", answer)]).await;
        assert_eq!(answered.status, 200, "{}", answered.text);
        assert!(waits.await.unwrap()[said].is_string(), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_proof_nobody_takes_the_answer() {
    let server = server().await;
    let (begun, other) = (begin(&server, None).await, begin(&server, None).await);
    let mut browser = Browser::signed_in(&server, ALICE).await;
    browser.fill(&begun.browser, &[("answer", "allow")]).await;
    let before = tokens(&server);
    let id = begun.cli.rsplit('/').next().unwrap();
    for wrong in ["", ALICE, id, &other.token] {
        let got = poll(&server, &begun, wrong).await;
        assert_eq!(got.error(), (404, "not_found".to_owned()), "{wrong}");
    }
    assert_eq!(tokens(&server), before);
    assert!(poll(&server, &begun, &begun.token).await.json()["access_token"].is_string());
}

/// Somebody sends a link, and hopes that the other one clicks.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_network_asks_for_is_not_allowed_by_a_click() {
    let server = server().await;
    let begun = begin(&server, Some("203.0.113.7")).await;
    let mut browser = Browser::signed_in(&server, ALICE).await;
    let page = browser.get(&begun.browser).await.text;
    assert!(page.contains("203.0.113.7") && page.contains("deny it"), "{page}");
    for typed in ["", "203.0.113.8", "yes"] {
        let fields = [("answer", "allow"), ("confirm", typed)];
        let got = browser.fill(&begun.browser, &fields).await;
        assert_eq!(got.status, 422, "{}", got.text);
        assert!(got.text.contains("aria-invalid"), "{}", got.text);
    }
    let got =
        browser.fill(&begun.browser, &[("answer", "allow"), ("confirm", "203.0.113.7")]).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert!(poll(&server, &begun, &begun.token).await.json()["access_token"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_page_and_no_other_visitor_answers_for_a_user() {
    let server = server().await;
    let begun = begin(&server, None).await;
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let mut bob = Browser::signed_in(&server, BOB).await;
    let form = hidden(&alice.get(&begun.browser).await.text, "form").unwrap();
    let fields = [("form", form.as_str()), ("answer", "allow")];
    // Another site's form, and one of another's session.
    let foreign = alice.post_from(&begun.browser, &fields, &[("sec-fetch-site", "cross-site")]);
    assert_eq!(foreign.await.status, 403);
    assert_eq!(bob.post(&begun.browser, &fields).await.status, 403);
    assert_eq!(Browser::new(&server).post(&begun.browser, &fields).await.status, 401);
    // The operator is not a user, and an account neither.
    let mut operator = Browser::signed_in(&server, &server.operator()).await;
    let page = operator.get(&begun.browser).await.text;
    assert!(page.contains("not as a user") && !page.contains("value=\"allow\""), "{page}");
    let form = hidden(&page, "form").unwrap();
    let fields = [("form", form.as_str()), ("answer", "allow")];
    assert_eq!(operator.post(&begun.browser, &fields).await.status, 403);
    // It waits still.
    assert_eq!(alice.get(&begun.browser).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_too_long_is_over() {
    let server = server().await;
    let begun = begin(&server, None).await;
    let mut browser = Browser::signed_in(&server, ALICE).await;
    let form = hidden(&browser.get(&begun.browser).await.text, "form").unwrap();
    server.state.clock.advance(LIFE);
    assert_eq!(browser.get(&begun.browser).await.status, 404);
    let fields = [("form", form.as_str()), ("answer", "allow")];
    assert_eq!(browser.post(&begun.browser, &fields).await.status, 404);

    let begun = begin(&server, None).await;
    browser.fill(&begun.browser, &[("answer", "allow")]).await;
    server.state.clock.advance(LIFE);
    let late = poll(&server, &begun, &begun.token).await.json();
    assert!(late["error"].is_string(), "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_none_are_refused() {
    let server = server().await;
    for (kind, body) in [
        ("application/json", ""),
        ("application/json", "[]"),
        ("application/json", "{"),
        ("text/plain", "{}"),
        ("application/x-www-form-urlencoded", "{}"),
    ] {
        let request = Request::post("/auth").header("content-type", kind);
        let got = server.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(got.error(), (400, "bad_request".to_owned()), "{kind} {body}");
    }
    for _ in 0..16 {
        begin(&server, None).await;
    }
    let request = Request::post("/auth").header("content-type", "application/json");
    let got = server.send(request.body(Body::from("{}")).unwrap()).await;
    assert_eq!(got.error(), (429, "rate_limit".to_owned()));
    begin(&server, Some("203.0.113.7")).await;
}
