//! Logs, as the CLI reads them.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use model::{
    Caller, Command, DynoId, IdentityCommand, Key, NewToken, Observation, PlatformCommand, Subject,
    SystemCommand, Timestamp, WorkloadId, WorkloadReport,
};
use serde_json::{Value, json};

use super::apps::{deploy, with_app};
use super::fixture::{ALICE, BOB, Fixture, STRANGER, past};
use crate::credentials::token_hash;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_long_line_counts_as_the_lines_that_are_shown_of_it() {
    let server = running().await;
    let web = dyno(&server, "web.1");
    for text in ["one", &"x".repeat(95_000), "three"] {
        server.script.write(web, at(30), text);
    }
    let last = read(&server, &json!({ "source": "app", "dyno": "web", "lines": 8 })).await;
    assert_eq!(last.len(), 8);
    assert!(last[7].ends_with(": three") && last[0].ends_with('x'), "{}", last[7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_accepts_no_events_reads_plain_lines() {
    let server = running().await;
    server.script.write(dyno(&server, "web.1"), at(30), "second");
    let url = url(&server, &json!({ "source": "app", "dyno": "web" })).await;
    for accept in [None, Some("*/*"), Some("text/plain, application/json;q=0.5")] {
        let mut request = get(&url);
        match accept {
            Some(accept) => request.headers_mut().insert("accept", accept.parse().unwrap()),
            None => request.headers_mut().remove("accept"),
        };
        let got = server.send(request).await;
        assert_eq!(got.header("content-type"), "text/plain; charset=utf-8", "{accept:?}");
        assert_eq!(got.text.lines().count(), 1, "{}", got.text);
        assert!(got.text.ends_with(" app[web.1]: second\n"), "{}", got.text);
    }
    let mut request = get(&url);
    let accept = "application/json, Text/Event-Stream;q=0.9";
    request.headers_mut().insert("accept", accept.parse().unwrap());
    assert_eq!(server.send(request).await.header("content-type"), "text/event-stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_end_of_a_dyno_is_told_with_its_reason() {
    let server = running().await;
    let scale = async |process_type: &str, quantity: u16, size: &str| {
        let update = json!({ "type": process_type, "quantity": quantity, "size": size });
        let body = json!({ "updates": [update] }).to_string();
        let got = server.ask(BOB, "PATCH", "/apps/shop/formation", &body).await;
        assert_eq!(got.status, 200, "{}", got.text);
    };
    let settle = async || {
        for _ in 0..4 {
            server.observe().await;
        }
    };
    let ends = async |dyno: &str| -> Vec<String> {
        let all = read(&server, &json!({ "dyno": dyno, "source": "heroku", "lines": 1500 })).await;
        let said = all.iter().filter(|line| line.contains("SIGTERM") || line.contains(" to down"));
        said.map(|line| line.split_once("]: ").unwrap().1.to_owned()).collect()
    };
    let term = |why: &str| format!("Stopping all processes with SIGTERM ({why})");
    let down = |why: &str| format!("State changed from up to down ({why})");

    scale("worker", 0, "Private-S").await;
    settle().await;
    let scaled = vec![term("v2, scaled down"), down("v2, scaled down")];
    assert_eq!(ends("worker.1").await, scaled);
    assert_eq!(ends("web.1").await, [""; 0], "nothing became of others");

    scale("web", 1, "Private-M").await;
    settle().await;
    // A web dyno that gets no more requests is down for those who look.
    let mut web = vec![down("v2, resized"), term("v2, resized")];
    assert_eq!(ends("web.1").await, web);

    server.ask(BOB, "PATCH", "/apps/shop/config-vars", r#"{"KEY": "value"}"#).await;
    settle().await;
    web.extend([down("v2, replaced by v3"), term("v2, replaced by v3")]);
    assert_eq!(ends("web.1").await, web);

    server.ask(BOB, "DELETE", "/apps/shop/dynos/web.1", "").await;
    settle().await;
    web.extend([down("v3, restarted"), term("v3, restarted")]);
    assert_eq!(ends("web.1").await, web);

    let stop = server.ask(BOB, "POST", "/apps/shop/dynos/web.1/actions/stop", "").await;
    assert_eq!(stop.status, 202, "{}", stop.text);
    settle().await;
    web.push(term("v3, stopped"));
    let all = ends("web.1").await;
    assert_eq!(all[..web.len()], web);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dyno_that_the_host_ended_is_told_to_start_again() {
    let server = running().await;
    let worker = dyno(&server, "worker.1");
    let report = (WorkloadId::Dyno(worker), WorkloadReport::Interrupted);
    let seen = Observation { workloads: [report].into(), ..Observation::default() };
    server.command(Caller::System, SystemCommand::Observe(seen)).await;
    server.observe().await;
    let all = read(&server, &json!({ "dyno": "worker.1", "source": "heroku", "lines": 3 })).await;
    let said: Vec<&str> = all.iter().map(|line| line.split_once("]: ").unwrap().1).collect();
    let expected = [
        "The host ended it; starting it again",
        "State changed from up to starting",
        "State changed from starting to up",
    ];
    assert_eq!(said, expected);
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
    server.state.closing.cancel();
    while body.frame().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_many_logs_leaves_room_for_others() {
    let server = running().await;
    let tail = json!({ "tail": true });
    let path = url(&server, &tail).await;
    let mut open = Vec::new();
    let refused = loop {
        let answer = server.open(get(&path)).await;
        if answer.status() != 200 {
            break answer;
        }
        open.push(answer.into_body());
    };
    assert_eq!((refused.status().as_u16(), open.len()), (429, 22), "a user in a team: a third");
    assert!(refused.headers().contains_key("retry-after"));
    // Another of the team, and the operator, who is held up by no team.
    for (token, status) in [(ALICE, 200), (&*server.operator(), 200)] {
        let made = server.ask(token, "POST", "/apps/shop/log-sessions", "{}").await.json();
        let path = made["logplex_url"].as_str().unwrap().strip_prefix("http://localhost").unwrap();
        assert_eq!(server.send(get(path)).await.status, status);
    }
    open.pop();
    // The address was not used up.
    assert_eq!(server.open(get(&path)).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_places_are_held_readers_are_told_when_to_come_back() {
    let server = running().await.set(|state| state.log_readers = edge::Shares::new(1));
    let path = url(&server, &json!({ "tail": true })).await;
    let held = server.open(get(&path)).await;
    assert_eq!(held.status(), 200);
    let refused = server.send(get(&path)).await;
    assert_eq!(refused.error(), (503, "service_unavailable".to_owned()));
    assert_eq!(refused.header("retry-after"), "5");
    drop(held);
    assert_eq!(server.open(get(&path)).await.status(), 200);
}

/// What ends a token, or its user's place in the team.
pub(super) async fn endings() -> Vec<(&'static str, Fixture)> {
    let bob = |server: &Fixture| server.state.world().user_named("bob@example.com").unwrap().id;
    let token = |server: &Fixture| {
        let world = server.state.world();
        world.tokens_of(Key::User(bob(server))).next().unwrap().id
    };
    let mut servers = Vec::new();
    for what in [
        "revoked",
        "replaced",
        "ended",
        "password",
        "removed",
        "transferred",
        "app",
        "token disabled",
        "user disabled",
        "user destroyed",
        "team disabled",
    ] {
        let server = running().await;
        let lives = Some(Duration::from_secs(3600));
        let (user, hash) = (bob(&server), token_hash("short"));
        let new = NewToken { user, hash, description: String::new(), lives };
        server.command(Caller::Operator, IdentityCommand::DeleteToken { id: token(&server) }).await;
        server.command(Caller::Operator, IdentityCommand::CreateToken(new)).await;
        servers.push((what, server));
    }
    servers
}

/// Brings such an end about.
pub(super) async fn end(server: &Fixture, what: &str) {
    let world = server.state.world();
    let user = world.user_named("bob@example.com").unwrap().id;
    let id = world.tokens_of(Key::User(user)).next().unwrap().id;
    let team = world.team_named("acme").unwrap().id;
    let app = world.app_named("shop").unwrap();
    let operator = Caller::Operator;
    let command: Command = match what {
        "revoked" => IdentityCommand::DeleteToken { id }.into(),
        "replaced" => IdentityCommand::ReplaceToken { id, hash: token_hash("another") }.into(),
        "ended" => {
            server.state.clock.advance(Duration::from_secs(3600));
            SystemCommand::Tick.into()
        }
        "password" => {
            let hash = model::PasswordHash("$argon2id$".to_owned());
            IdentityCommand::SetPassword { user, hash, end_tokens: true }.into()
        }
        "removed" => IdentityCommand::SetMember { team, user, role: None }.into(),
        "transferred" => {
            let stranger = world.user_named("stranger@example.com").unwrap().id;
            let name = "others".to_owned();
            let made = IdentityCommand::CreateTeam { name, admin: stranger };
            let Key::Team(team) = server.command(operator, made).await else { panic!("no team") };
            PlatformCommand::TransferSpace { space: app.space, team }.into()
        }
        "app" => PlatformCommand::DeleteApp { app: app.id }.into(),
        "token disabled" => IdentityCommand::Disable { subject: Subject::Token(id) }.into(),
        "user disabled" => IdentityCommand::Disable { subject: Subject::User(user) }.into(),
        "user destroyed" => IdentityCommand::Destroy { subject: Subject::User(user) }.into(),
        "team disabled" => IdentityCommand::Disable { subject: Subject::Team(team) }.into(),
        other => panic!("{other}"),
    };
    let caller = if what == "ended" { Caller::System } else { operator };
    server.command(caller, command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_ends_with_the_token_and_the_membership_that_made_it() {
    for (what, server) in endings().await {
        let ask = async || {
            let body = r#"{"tail": true}"#;
            let made = server.ask("short", "POST", "/apps/shop/log-sessions", body).await;
            assert_eq!(made.status, 201, "{what}: {}", made.text);
            let url = made.json()["logplex_url"].as_str().unwrap().to_owned();
            url.strip_prefix("http://localhost").unwrap().to_owned()
        };
        let path = ask().await;
        let mut body = server.open(get(&path)).await.into_body();
        until(&mut body, "api").await;
        end(&server, what).await;
        // What is open ends; what is not is not opened.
        while body.frame().await.is_some() {}
        assert_eq!(server.send(get(&path)).await.error().0, 404, "{what}");
    }
}
