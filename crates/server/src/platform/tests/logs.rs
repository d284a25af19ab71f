//! Logs, as the CLI reads them.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use model::{DynoId, Timestamp};
use serde_json::{Value, json};

use super::apps::{deploy, with_app};
use super::fixture::{ALICE, BOB, Fixture, STRANGER, past};

/// A space with an app that runs one web dyno and one worker.
async fn running() -> Fixture {
    let server = with_app().await;
    deploy(&server, "web: serve\nworker: work\n").await;
    let body = r#"{"updates": [{"type": "worker", "quantity": 1}]}"#;
    server.ask(BOB, "PATCH", "/apps/shop/formation", body).await;
    for _ in 0..2 {
        server.observe().await;
    }
    server
}

fn dyno(server: &Fixture, name: &str) -> DynoId {
    let world = server.state.world();
    world.dyno_named(world.app_named("shop").unwrap().id, name).unwrap().id
}

async fn url(server: &Fixture, wanted: &Value) -> String {
    let made = server.ask(BOB, "POST", "/apps/shop/log-sessions", &wanted.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let url = made.json()["logplex_url"].as_str().unwrap().to_owned();
    url.strip_prefix("http://localhost").unwrap().to_owned()
}

fn get(path: &str) -> http::Request<Body> {
    http::Request::get(path).header("accept", "text/event-stream").body(Body::empty()).unwrap()
}

/// The lines of a stream.
fn lines(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
}

async fn read(server: &Fixture, wanted: &Value) -> Vec<String> {
    let got = server.send(get(&url(server, wanted).await)).await;
    assert_eq!((got.status.as_u16(), got.header("content-type")), (200, "text/event-stream"));
    lines(&got.text)
}

fn at(seconds: u64) -> Timestamp {
    past() + Duration::from_secs(3600 + seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_is_told_in_its_order() {
    let server = running().await;
    let (web, worker) = (dyno(&server, "web.1"), dyno(&server, "worker.1"));
    server.script.write(web, at(30), "second");
    server.script.write(web, at(50), "third");
    server.script.write(worker, at(10), "fir\rst");
    let all = read(&server, &json!({ "lines": 100, "tail": false })).await;
    insta::assert_snapshot!(all.join("\n"));

    let last = read(&server, &json!({ "lines": 2 })).await;
    assert_eq!(last, all[all.len() - 2..]);
    let of = |wanted: Value| async {
        let wanted = wanted;
        read(&server, &wanted).await
    };
    let written = |lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| line.split_once(": ").unwrap().1.to_owned()).collect()
    };
    let app = of(json!({ "source": "app", "dyno": "web" })).await;
    assert_eq!(written(&app), ["second", "third"]);
    let one = of(json!({ "dyno": "worker.1", "source": "heroku", "lines": 1 })).await;
    assert_eq!(written(&one), ["State changed from starting to up"]);
    let api = of(json!({ "dyno": "api" })).await;
    assert!(api.iter().all(|line| line.contains(" app[api]: ")) && !api.is_empty());
    assert!(of(json!({ "dyno": "clock" })).await.is_empty());
    assert!(of(json!({ "lines": 0 })).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_good_for_a_while_and_for_who_may_see_the_app() {
    let server = running().await;
    let url = url(&server, &json!({})).await;
    let first = server.send(get(&url)).await;
    assert_eq!((first.status.as_u16(), server.send(get(&url)).await.text), (200, first.text));
    let mut forged = url.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    server.state.clock.advance(Duration::from_secs(300));
    for wrong in [url.as_str(), forged.as_str(), "/_logs/x", "/_logs/%ff"] {
        let got = server.send(get(wrong)).await;
        assert_eq!(got.error(), (404, "not_found".to_owned()), "{wrong}");
    }
    let stranger = server.ask(STRANGER, "POST", "/apps/shop/log-sessions", "{}").await;
    assert_eq!(stranger.status, 404);
    for (body, names) in [
        (r#"{"lines": -1}"#, "`lines`"),
        (r#"{"lines": "many"}"#, "`lines`"),
        (r#"{"tail": 1}"#, "`tail`"),
        (r#"{"source": "moon"}"#, "moon"),
    ] {
        let got = server.ask(BOB, "POST", "/apps/shop/log-sessions", body).await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()), "{body}");
        assert!(got.text.contains(names), "{}", got.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_is_shown_what_came_meanwhile() {
    let server = running().await;
    let web = dyno(&server, "web.1");
    for text in ["one", "two", "three"] {
        server.script.write(web, at(30), text);
    }
    server.script.write(web, at(40), "four");
    let url = url(&server, &json!({ "source": "app", "dyno": "web", "lines": 2 })).await;
    let got = server.send(get(&url)).await;
    let shown = |text: &str| -> Vec<String> {
        lines(text).iter().map(|line| line.split_once("]: ").unwrap().1.to_owned()).collect()
    };
    assert_eq!(shown(&got.text), ["three", "four"]);
    assert!(got.text.starts_with("retry: 5000\n\n"), "{}", got.text);
    let ids: Vec<&str> = got.text.lines().filter_map(|l| l.strip_prefix("id: ")).collect();
    // Of three lines of one moment, the two that were seen are left out.
    let millis = at(30).millis();
    let again = async |id: &str| {
        let mut request = get(&url);
        request.headers_mut().insert("last-event-id", id.parse().unwrap());
        shown(&server.send(request).await.text)
    };
    assert_eq!(again(&format!("{millis}-2")).await, ["three", "four"]);
    assert_eq!(again(ids[1]).await, [""; 0]);
    assert_eq!(again("nonsense").await, ["three", "four"]);
}

/// Reads a stream until it has some text, or ends.
async fn until(body: &mut Body, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let Some(frame) = body.frame().await else { break };
        text.push_str(std::str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap());
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_goes_on_as_more_is_written_until_the_app_is_gone() {
    let server = running().await;
    let web = dyno(&server, "web.1");
    server.script.write(web, at(1), "before");
    let url = url(&server, &json!({ "tail": true, "lines": 1 })).await;
    let mut body = server.open(get(&url)).await.into_body();
    let first = until(&mut body, "before").await;
    assert_eq!(lines(&first).len(), 1, "{first}");
    server.script.write(web, at(2), "after");
    let more = until(&mut body, "after").await;
    assert!(!more.contains("before"), "{more}");
    server.ask(BOB, "DELETE", "/apps/shop/dynos/web.1", "").await;
    let system = until(&mut body, "heroku[web.1]: Starting process").await;
    assert!(!system.contains("after"), "{system}");
    for _ in 0..2 {
        server.observe().await;
    }
    server.script.write(dyno(&server, "web.1"), at(3), "of the new one");
    until(&mut body, "of the new one").await;

    assert_eq!(server.ask(ALICE, "DELETE", "/apps/shop", "").await.status, 200);
    while let Some(frame) = body.frame().await {
        let frame = frame.unwrap();
        assert!(!String::from_utf8_lossy(frame.data_ref().unwrap()).contains("[web.1]: before"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_of_the_server_ends_what_would_go_on_for_ever() {
    let server = running().await;
    let url = url(&server, &json!({ "tail": true })).await;
    let mut body = server.open(get(&url)).await.into_body();
    until(&mut body, "api").await;
    server.state.hosting.closing.cancel();
    while body.frame().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_read_at_the_same_time() {
    let server = running().await;
    let most = server.state.hosting.log_readers.available_permits();
    let mut open = Vec::new();
    for _ in 0..most {
        let url = url(&server, &json!({ "tail": true })).await;
        open.push(server.open(get(&url)).await.into_body());
    }
    let waits = url(&server, &json!({})).await;
    assert_eq!(server.send(get(&waits)).await.error().0, 503);
    open.pop();
    // The address was not used up.
    assert_eq!(server.send(get(&waits)).await.status, 200);
}
