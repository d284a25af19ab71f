//! Releases that wait for their release command, as clients see them.

use axum::body::Body;
use http_body_util::BodyExt;
use model::{Caller, DynoId, Exit, Observation, SystemCommand, WorkloadId, WorkloadReport};
use serde_json::{Value, json};

use super::apps::{deploy, with_app};
use super::fixture::{ALICE, BOB, Fixture, STRANGER, past};

/// An app with a release command, of which v2 is current.
async fn running() -> Fixture {
    let server = with_app().await;
    let first = deploy(&server, "web: serve\nrelease: migrate\n").await;
    assert_eq!((&first["status"], &first["current"]), (&json!("pending"), &json!(false)));
    end(&server, Exit::Code(0)).await;
    server.observe().await;
    assert_eq!(release(&server, BOB, 2).await["current"], true);
    server
}

async fn release(server: &Fixture, token: &str, version: u32) -> Value {
    server.get(token, &format!("/apps/shop/releases/{version}")).await.json()
}

fn command(server: &Fixture) -> DynoId {
    let world = server.state.world();
    let mut dynos = world.dynos().filter(|dyno| dyno.is_release_command());
    dynos.find(|dyno| !dyno.state.ended()).expect("a release command runs").id
}

async fn end(server: &Fixture, exit: Exit) {
    let workloads = [(WorkloadId::Dyno(command(server)), WorkloadReport::Ended(exit))].into();
    let seen = Observation { workloads, ..Observation::default() };
    server.command(Caller::System, SystemCommand::Observe(seen)).await;
}

fn path_of(release: &Value) -> String {
    let url = release["output_stream_url"].as_str().expect("it has output");
    url.strip_prefix("http://localhost").unwrap().to_owned()
}

fn get(path: &str) -> http::Request<Body> {
    http::Request::get(path).body(Body::empty()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn output_comes_as_it_is_written_and_ends_with_the_command() {
    let server = running().await;
    let pending = deploy(&server, "web: serve 2\nrelease: migrate\n").await;
    assert_eq!((&pending["version"], &pending["status"]), (&json!(3), &json!("pending")));
    assert_eq!(pending["eligible_for_rollback"], false);
    let dyno = command(&server);
    let shown = server.get(BOB, "/apps/shop/dynos").await.json();
    let types: Vec<_> = shown.as_array().unwrap().iter().map(|dyno| &dyno["type"]).collect();
    assert!(types.contains(&&json!("release")), "{shown}");
    assert_eq!(release(&server, BOB, 3).await, pending, "it reads the same");

    server.script.write(dyno, past(), "first");
    let mut body = server.open(get(&path_of(&pending))).await.into_body();
    let read = async |body: &mut Body| {
        let frame = body.frame().await?.unwrap().into_data().unwrap();
        Some(String::from_utf8(frame.to_vec()).unwrap())
    };
    assert_eq!(read(&mut body).await.as_deref(), Some("first\n"));
    server.script.write(dyno, past(), "second");
    assert_eq!(read(&mut body).await.as_deref(), Some("second\n"));
    server.script.write(dyno, past(), "third");
    end(&server, Exit::Code(3)).await;
    let mut rest = String::new();
    while let Some(more) = read(&mut body).await {
        rest.push_str(&more);
    }
    assert_eq!(rest, "third\n");

    let failed = release(&server, BOB, 3).await;
    assert_eq!((&failed["status"], &failed["current"]), (&json!("failed"), &json!(false)));
    assert_eq!(failed["status_message"], "its release command exited with status 3");
    assert_eq!(release(&server, BOB, 2).await["current"], true);
    let whole = server.send(get(&path_of(&failed))).await;
    assert_eq!((whole.status.as_u16(), whole.text.as_str()), (200, "first\nsecond\nthird\n"));
    assert_eq!(whole.header("content-type"), "text/plain; charset=utf-8");
}

fn grant(path: &str) -> &str {
    path.split_once("grant=").unwrap().1.split_once('&').unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_good_for_who_was_told_of_it_and_as_long_as_they_may_see_it() {
    let server = running().await;
    deploy(&server, "web: serve 2\nrelease: migrate\n").await;
    let of_bob = path_of(&release(&server, BOB, 3).await);
    let of_alice = path_of(&release(&server, ALICE, 3).await);
    assert_ne!(of_bob, of_alice);
    end(&server, Exit::Code(0)).await;
    for path in [&of_bob, &of_alice] {
        assert_eq!(server.send(get(path)).await.status, 200);
    }
    // One that waits behind another has not begun, which clients take a 404 for.
    for _ in 0..2 {
        deploy(&server, "web: serve 3\nrelease: migrate\n").await;
    }
    let waits = path_of(&release(&server, BOB, 5).await);
    let (signed, _) = of_bob.split_once("signature=").unwrap();
    let mut wrong = vec![
        waits,
        format!("{signed}signature="),
        of_bob.replace("grant=", "grant=x"),
        of_bob.replace(grant(&of_bob), grant(&of_alice)),
        of_bob.replace(signed.split('?').next().unwrap(), "/_releases/x"),
        of_bob.split('?').next().unwrap().to_owned(),
    ];
    // The signature of one release is not another's.
    let third = release(&server, BOB, 3).await["id"].as_str().unwrap().to_owned();
    let second = release(&server, BOB, 2).await["id"].as_str().unwrap().to_owned();
    wrong.push(of_bob.replace(&third, &second));
    for path in wrong {
        assert_eq!(server.send(get(&path)).await.error().0, 404, "{path}");
    }
    assert_eq!(server.get(STRANGER, "/apps/shop/releases/3").await.status, 404);

    // Bob leaves the team.
    let left = server.ask(ALICE, "DELETE", "/teams/acme/members/bob@example.com", "").await;
    assert!(left.status.is_success(), "{}", left.text);
    assert_eq!(server.send(get(&of_bob)).await.error().0, 404);
    assert_eq!(server.send(get(&of_alice)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_without_a_command_has_no_output() {
    let server = with_app().await;
    let made = deploy(&server, "web: serve\n").await;
    assert_eq!(made["status"], "succeeded");
    assert_eq!((&made["output_stream_url"], &made["status_message"]), (&json!(null), &json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_of_release_commands() {
    let server = running().await;
    deploy(&server, "web: serve 2\nrelease: migrate\n").await;
    end(&server, Exit::Code(1)).await;
    let made = server.ask(BOB, "POST", "/apps/shop/log-sessions", r#"{"dyno": "api"}"#).await;
    let url = made.json()["logplex_url"].as_str().unwrap().to_owned();
    let log = server.send(get(url.strip_prefix("http://localhost").unwrap())).await.text;
    let said: Vec<&str> =
        log.lines().filter_map(|line| Some(line.split_once("app[api]: ")?.1)).collect();
    assert_eq!(
        said[said.len() - 3..],
        [
            "Deploy 01234567 by user bob@example.com",
            "Running release v3 commands by user bob@example.com",
            "Release v3 failed: its release command exited with status 1",
        ],
        "{log}"
    );
    assert!(said.contains(&"Release v2 created by user bob@example.com"), "{log}");
}
