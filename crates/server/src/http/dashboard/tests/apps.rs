//! Apps: their pages, what their forms change, what is refused, and their log.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use model::{Caller, DynoId, IdentityCommand, Key, Timestamp};

use super::browser::{Browser, access_key, hidden, user};
use crate::http::dashboard::{Dashboard, router};
use crate::http::platform::tests::apps::{deploy, with_app};
use crate::http::platform::tests::fixture::{ALICE, BOB, Fixture, STRANGER, past};

const APP: &str = "/dashboard/spaces/alpha/apps/shop";
const LOG: &str = "/dashboard/spaces/alpha/apps/shop/log";
const VALUE: &str = "s3cr3t-value";

/// A space with an app that runs a web dyno and has a config var.
async fn running() -> Fixture {
    let server = deployed().await;
    let dashboard = Dashboard::new(Arc::clone(&server.state));
    server.behind(router(dashboard))
}

/// The same, without the dashboard.
async fn deployed() -> Fixture {
    let server = with_app().await;
    deploy(&server, "web: serve\nworker: work\n").await;
    let body = format!(r#"{{"SECRET_KEY": "{VALUE}"}}"#);
    assert_eq!(server.ask(BOB, "PATCH", "/apps/shop/config-vars", &body).await.status, 200);
    for _ in 0..4 {
        server.observe().await;
    }
    server
}

fn dyno(server: &Fixture, name: &str) -> Option<DynoId> {
    let world = server.state.world();
    world.dyno_named(world.app_named("shop").unwrap().id, name).map(|dyno| dyno.id)
}

fn wanted(server: &Fixture, process: &str) -> u16 {
    let world = server.state.world();
    let app = world.app_named("shop").unwrap();
    app.formation.get(process).map_or(0, |formation| formation.quantity)
}

/// The fields of the form that scales a process type.
fn scale_form(page: &str, process: &str) -> (String, String) {
    let field = format!("name=\"process\" value=\"{process}\">");
    let (_, rest) = page.split_once(&field).expect("a form that scales it");
    (hidden(page, "form").unwrap(), hidden(rest, "shown").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_an_app_is_there_for_its_team_and_for_nobody_else() {
    let server = running().await;
    let pages = ["", "/releases", "/config", "/domains", "/services"]
        .map(|part| format!("{APP}{part}"))
        .into_iter()
        .chain(["apps", "trusted-ips"].map(|page| format!("/dashboard/spaces/alpha/{page}")));
    let pages: Vec<String> = pages.collect();
    let operator = server.operator();
    for token in [ALICE, BOB, &operator] {
        let mut browser = Browser::signed_in(&server, token).await;
        for page in &pages {
            let got = browser.get(page).await;
            assert_eq!(got.status, 200, "{page}: {}", got.text);
            assert_eq!(got.header("cache-control"), "no-store");
            assert!(!got.text.contains(VALUE), "{page}");
        }
    }
    let mut stranger = Browser::signed_in(&server, STRANGER).await;
    let (id, secret) = access_key(&server).await;
    let mut account = Browser::new(&server);
    assert_eq!(account.sign_in_by_key(&id, &secret).await.status, 303);
    for browser in [&mut stranger, &mut account] {
        for page in &pages {
            assert_eq!(browser.get(page).await.status, 404, "{page}");
        }
        assert_eq!(browser.get(LOG).await.status, 404);
    }
    // Who is not signed in is led to where that is done.
    let mut nobody = Browser::new(&server);
    for page in &pages {
        let got = nobody.get(page).await;
        assert_eq!(got.status, 303, "{page}");
        assert!(got.header("location").starts_with("/dashboard/sign-in?back="), "{page}");
    }
    assert_eq!(nobody.get(LOG).await.status, 401);
    let mut alice = Browser::signed_in(&server, ALICE).await;
    for page in ["/dashboard/spaces/alpha/apps/none", "/dashboard/spaces/none/apps/shop"] {
        assert_eq!(alice.get(page).await.status, 404, "{page}");
    }
    assert_eq!(alice.get(&format!("{APP}/none")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn dynos_are_restarted_and_scaled_by_forms() {
    let server = running().await;
    let mut bob = Browser::signed_in(&server, BOB).await;
    let before = dyno(&server, "web.1").unwrap();
    let got = bob.fill(APP, &[("answer", "restart"), ("dyno", "web.1")]).await;
    assert_eq!(got.header("location"), format!("{APP}?restarted=web.1"), "{}", got.text);
    let after = dyno(&server, "web.1").unwrap();
    assert_ne!(before, after, "another dyno has its place");
    let page = bob.get(got.header("location")).await.text;
    assert!(page.contains("is being replaced"), "{page}");

    let page = bob.get(APP).await.text;
    let (form, shown) = scale_form(&page, "worker");
    let fields = [
        ("form", &*form),
        ("shown", &shown),
        ("answer", "scale"),
        ("process", "worker"),
        ("quantity", "2"),
        ("size", "Private-M"),
    ];
    let got = bob.post(APP, &fields).await;
    assert_eq!(got.header("location"), format!("{APP}?scaled=worker"), "{}", got.text);
    assert_eq!(wanted(&server, "worker"), 2);
    assert!(dyno(&server, "worker.2").is_some());
    // The form that was sent is of how it was before.
    let got = bob.post(APP, &fields).await;
    assert_eq!(got.status, 412, "{}", got.text);
    assert!(got.text.contains("This changed while the page was open"), "{}", got.text);

    let all = ["web.1", "worker.1", "worker.2"].map(|name| dyno(&server, name).unwrap());
    for _ in 0..3 {
        server.observe().await;
    }
    let got = bob.fill(APP, &[("answer", "restart-all")]).await;
    assert_eq!(got.header("location"), format!("{APP}?restarted-all"), "{}", got.text);
    let replaced = ["web.1", "worker.1", "worker.2"].map(|name| dyno(&server, name).unwrap());
    assert!(all.iter().zip(&replaced).all(|(one, other)| one != other));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_with_an_app_changes_nothing_and_says_why() {
    let server = running().await;
    let mut bob = Browser::signed_in(&server, BOB).await;
    let page = bob.get(APP).await.text;
    let (form, shown) = scale_form(&page, "worker");
    let before = server.state.world();
    let scale = |quantity: &'static str| {
        vec![("answer", "scale"), ("process", "worker"), ("quantity", quantity)]
    };
    for (fields, status, said) in [
        (vec![("answer", "restart"), ("dyno", "web.9")], 404, "does not run any more"),
        (vec![("answer", "stop"), ("dyno", "run.1")], 404, "does not run any more"),
        (scale("many"), 422, "not a number of dynos"),
        (scale("-1"), 422, "not a number of dynos"),
        (scale("101"), 422, "Nothing was done"),
        (vec![("answer", "scale"), ("process", "ghost"), ("quantity", "1")], 412, "changed"),
    ] {
        let mut all = vec![("form", &*form), ("shown", &*shown)];
        all.extend(fields.iter().copied());
        let got = bob.post(APP, &all).await;
        assert_eq!(got.status, status, "{fields:?}: {}", got.text);
        assert!(got.text.contains(said), "{fields:?}: {}", got.text);
    }
    for fields in [vec![], vec![("answer", "explode")], vec![("answer", "scale")]] {
        let mut all = vec![("form", &*form)];
        all.extend(fields.iter().copied());
        assert_eq!(bob.post(APP, &all).await.status, 400, "{fields:?}");
    }
    for part in ["/releases", "/domains", "/services", "/log"] {
        let got = bob.post(&format!("{APP}{part}"), &[("form", &form)]).await;
        assert_eq!(got.status, 404, "{part}");
    }
    assert!(Arc::ptr_eq(&before, &server.state.world()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_of_the_team_changes_nothing_and_reads_nothing() {
    let server = running().await;
    let before = server.state.world();
    let mut stranger = Browser::signed_in(&server, STRANGER).await;
    let form = hidden(&stranger.get("/dashboard").await.text, "form").unwrap();
    for (path, field) in [
        (APP.to_owned(), ("answer", "restart-all")),
        (APP.to_owned(), ("answer", "scale")),
        (format!("{APP}/config"), ("answer", "reveal")),
    ] {
        let got = stranger.post(&path, &[("form", &form), field]).await;
        assert_eq!(got.status, 404, "{path}");
        assert!(!got.text.contains(VALUE), "{}", got.text);
    }
    // Nor does a page of somebody else that a member has open.
    let mut bob = Browser::signed_in(&server, BOB).await;
    let form = hidden(&bob.get(APP).await.text, "form").unwrap();
    for (path, answer) in [(APP.to_owned(), "restart-all"), (format!("{APP}/config"), "reveal")] {
        let fields = [("form", &*form), ("answer", answer)];
        let foreign = [("sec-fetch-site", "cross-site")];
        let got = bob.post_from(&path, &fields, &foreign).await;
        assert_eq!(got.status, 403, "{path}");
        assert!(!got.text.contains(VALUE), "{}", got.text);
    }
    assert!(Arc::ptr_eq(&before, &server.state.world()));
}

#[tokio::test(flavor = "multi_thread")]
async fn config_vars_are_shown_to_who_asks_by_a_form() {
    let server = running().await;
    let config = format!("{APP}/config");
    let mut bob = Browser::signed_in(&server, BOB).await;
    for query in ["", "?reveal=1", "?answer=reveal", "?reveal"] {
        let page = bob.get(&format!("{config}{query}")).await.text;
        assert!(page.contains("SECRET_KEY") && !page.contains(VALUE), "{query}: {page}");
    }
    let got = bob.fill(&config, &[("answer", "reveal")]).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.header("cache-control"), "no-store");
    assert!(got.text.contains(VALUE), "{}", got.text);
    let form = hidden(&bob.get(&config).await.text, "form").unwrap();
    assert_eq!(bob.post(&config, &[("form", &form)]).await.status, 400);
}

fn at(seconds: u64) -> Timestamp {
    past() + Duration::from_secs(3600 + seconds)
}

/// The next piece of a stream; nothing at its end.
async fn next(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

/// The address of the stream that a page goes on with.
fn stream(page: &str) -> String {
    let address = super::browser::attribute(page, "data-stream").unwrap();
    address.replace("&#38;", "&")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_on_its_page_and_goes_on_where_that_ended() {
    let server = running().await;
    let web = dyno(&server, "web.1").unwrap();
    server.script.write(web, at(10), "first <b>");
    server.script.write(web, at(11), "second \u{1b}[1m");
    let mut bob = Browser::signed_in(&server, BOB).await;
    let page = bob.get(APP).await.text;
    assert!(page.contains("first &#60;b&#62;") && page.contains("second  [1m"), "{page}");
    assert!(page.contains("<span class=\"src\">web.1</span>"), "{page}");
    let answer = bob.open(&stream(&page)).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let mut events = answer.into_body();
    assert_eq!(next(&mut events).await.unwrap(), "retry: 3000\n\n");
    let later = at(9 * 365 * 24 * 3600);
    server.script.write(web, later, "third\nline");
    let event = next(&mut events).await.unwrap();
    let (id, data) = event.split_once("\ndata: ").unwrap();
    assert_eq!(id, format!("id: {}-1", later.millis()));
    let lines: serde_json::Value = serde_json::from_str(data.trim_end()).unwrap();
    assert_eq!(lines.as_array().unwrap().len(), 1, "{lines}");
    assert_eq!((&lines[0]["process"], &lines[0]["text"]), (&"web.1".into(), &"third line".into()));
    // Who comes back with that goes on there.
    let again = format!("{LOG}?from={}", id.trim_start_matches("id: "));
    let mut events = bob.open(&again).await.into_body();
    next(&mut events).await.unwrap();
    server.script.write(web, later + Duration::from_secs(1), "fourth");
    let event = next(&mut events).await.unwrap();
    assert!(event.contains("fourth") && !event.contains("third"), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_filtered_by_dyno_and_by_text() {
    let server = running().await;
    let web = dyno(&server, "web.1").unwrap();
    server.script.write(web, at(10), "apples");
    server.script.write(web, at(11), "pears");
    let mut bob = Browser::signed_in(&server, BOB).await;
    let page = bob.get(&format!("{APP}?dyno=web.1&find=app")).await.text;
    assert!(page.contains(">apples<") && !page.contains(">pears<"), "{page}");
    assert!(page.contains("<option selected>web.1</option>"), "{page}");
    assert!(page.contains("name=\"find\" type=\"search\" value=\"app\""), "{page}");
    let page = bob.get(&format!("{APP}?dyno=worker")).await.text;
    assert!(page.contains("No kept line matches") && !page.contains(">apples<"), "{page}");
    let page = bob.get(&format!("{APP}?find=app")).await.text;
    let mut events = bob.open(&stream(&page)).await.into_body();
    let events = &mut events;
    next(events).await.unwrap();
    let later = at(9 * 365 * 24 * 3600);
    server.script.write(web, later, "plums");
    server.script.write(web, later, "more apples");
    let event = next(events).await.unwrap();
    assert!(event.contains("more apples") && !event.contains("plums"), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_ends_with_its_session_and_with_the_membership() {
    let server = running().await;
    let ended = "event: ended\ndata:\n\n";
    let log = format!("{LOG}?dyno=none.1");
    // Somebody is taken out of the team.
    let bob = Browser::signed_in(&server, BOB).await;
    let mut events = bob.open(&log).await.into_body();
    next(&mut events).await.unwrap();
    let team = server.state.world().team_named("acme").unwrap().id;
    let remove = IdentityCommand::SetMember { team, user: user(&server, "bob"), role: None };
    server.command(Caller::Operator, remove).await;
    assert_eq!(next(&mut events).await.as_deref(), Some(ended));
    assert_eq!(next(&mut events).await, None);
    // Somebody signs out.
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let mut events = alice.open(&log).await.into_body();
    next(&mut events).await.unwrap();
    let form = hidden(&alice.get("/dashboard").await.text, "form").unwrap();
    alice.post("/dashboard/sign-out", &[("form", &form)]).await;
    assert_eq!(next(&mut events).await.as_deref(), Some(ended));
    assert_eq!(next(&mut events).await, None);
    // The token is revoked.
    let alice = Browser::signed_in(&server, ALICE).await;
    let mut events = alice.open(&log).await.into_body();
    next(&mut events).await.unwrap();
    let id = server.state.world().tokens_of(Key::User(user(&server, "alice"))).next().unwrap().id;
    server.command(Caller::Operator, IdentityCommand::DeleteToken { id }).await;
    assert_eq!(next(&mut events).await.as_deref(), Some(ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_there_though_too_many_read_logs() {
    let server = deployed().await.set(|state| state.log_readers = edge::Shares::new(0));
    let dashboard = Dashboard::new(Arc::clone(&server.state));
    let server = server.behind(router(dashboard));
    let mut bob = Browser::signed_in(&server, BOB).await;
    let got = bob.get(APP).await;
    assert_eq!(got.status, 200);
    assert!(got.text.contains("Too much is under way") && got.text.contains(">web.1<"));
    let answer = bob.open(LOG).await;
    let again = answer.headers()["retry-after"].to_str().unwrap();
    assert_eq!((answer.status().as_u16(), again), (429, "30"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apps_page_hears_of_its_changes() {
    let server = running().await;
    let bob = Browser::signed_in(&server, BOB).await;
    let mut events = bob.open(&format!("/dashboard/events?page={APP}")).await.into_body();
    assert_eq!(next(&mut events).await.unwrap(), "retry: 3000\n\n");
    let app = server.state.world().app_named("shop").unwrap().id;
    let which = model::DynoSelection::All;
    let restart = model::PlatformCommand::RestartDynos { app, which };
    server.command(Caller::Operator, restart).await;
    assert_eq!(next(&mut events).await.unwrap(), "event: changed\ndata:\n\n");
    let log = format!("/dashboard/events?page={LOG}");
    assert_eq!(bob.open(&log).await.status(), 404, "a stream is no page");
}
