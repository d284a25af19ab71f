//! The second factor: enabling it, signing in with it, and what must not work.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Caller, IdentityCommand};
use serde_json::json;

use super::fixture::{ALICE, BOB, Fixture, Got, request};
use crate::http::second_factor::shown_code;

const PASSWORD: &str = "correct horse battery";
const EMAIL: &str = "alice@example.com";
const TOKENS: &str = "/oauth/authorizations";
const PATH: &str = "/account/two-factor";

/// Alice has a password and a second factor, with this secret and these recovery codes.
async fn protected() -> (Fixture, String, Vec<String>) {
    let server = Fixture::new();
    server.set_password(EMAIL, PASSWORD).await;
    let (secret, enabled) = server.enable_second_factor(ALICE).await;
    let codes = serde_json::from_value(enabled.json()["recovery_codes"].clone()).unwrap();
    // The code that enabled it is used.
    server.state.clock.advance(Duration::from_secs(30));
    (server, secret, codes)
}

async fn sign_in(server: &Fixture, password: &str, code: Option<&str>) -> Got {
    let pair = STANDARD.encode(format!("{EMAIL}:{password}"));
    let mut request = request("POST", TOKENS).header("authorization", format!("Basic {pair}"));
    if let Some(code) = code {
        request = request.header("Heroku-Two-Factor-Code", code);
    }
    server.send(request.body(Body::from("{}")).unwrap()).await
}

fn code(server: &Fixture, secret: &str) -> String {
    shown_code(secret, server.state.clock.now())
}

/// Another code than the one that is right.
fn wrong(server: &Fixture, secret: &str) -> String {
    let near = [-30, 0, 30].map(|seconds| {
        let millis = server.state.clock.now().millis() + seconds * 1000;
        shown_code(secret, model::Timestamp::from_millis(millis))
    });
    (0..).map(|n| format!("{n:06}")).find(|code| !near.contains(code)).unwrap()
}

fn two_factor(got: &Got) {
    assert_eq!(got.error(), (403, "two_factor".to_owned()), "{}", got.text);
}

#[tokio::test]
async fn a_password_alone_is_not_enough_and_a_code_alone_neither() {
    let (server, secret, _) = protected().await;
    let before = server.state.world();
    two_factor(&sign_in(&server, PASSWORD, None).await);
    let now = code(&server, &secret);
    // A wrong password is told from an unknown user by nothing, whether there is a second factor or not.
    for tried in [Some(now.as_str()), Some("000000"), None] {
        let got = sign_in(&server, "wrong horse battery", tried).await;
        assert_eq!(got.error(), (401, "unauthorized".to_owned()));
    }
    assert!(before.records().eq(server.state.world().records()));
    let got = sign_in(&server, PASSWORD, Some(&now)).await;
    assert_eq!(got.status, 201, "{}", got.text);
    let account = server.get(ALICE, "/account").await.json();
    assert_eq!(account["two_factor_authentication"], true);
    let members = server.get(BOB, "/teams/acme/members").await.json();
    let of = |email: &str| {
        let all = members.as_array().unwrap().iter();
        all.clone().find(|one| one["email"] == email).unwrap()["two_factor_authentication"].clone()
    };
    assert_eq!((of(EMAIL), of("bob@example.com")), (json!(true), json!(false)));
}

#[tokio::test]
async fn no_code_is_taken_twice() {
    let (server, secret, _) = protected().await;
    let first = code(&server, &secret);
    assert_eq!(sign_in(&server, PASSWORD, Some(&first)).await.status, 201);
    two_factor(&sign_in(&server, PASSWORD, Some(&first)).await);
    server.state.clock.advance(Duration::from_secs(30));
    two_factor(&sign_in(&server, PASSWORD, Some(&first)).await);
    let next = code(&server, &secret);
    let spaced = format!("{} {}", &next[..3], &next[3..]);
    assert_eq!(sign_in(&server, PASSWORD, Some(&spaced)).await.status, 201);
    // The one before the last is as good as used, though its time is not over.
    two_factor(&sign_in(&server, PASSWORD, Some(&first)).await);
}

#[tokio::test]
async fn many_at_once_get_in_once_by_one_code() {
    let (server, secret, _) = protected().await;
    let now = code(&server, &secret);
    let server = Arc::new(server);
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (server, now) = (Arc::clone(&server), now.clone());
        tries.spawn(async move { sign_in(&server, PASSWORD, Some(&now)).await.status.as_u16() });
    }
    let mut statuses = tries.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 403, 403, 403]);
}

#[tokio::test]
async fn each_recovery_code_is_good_once() {
    let (server, _, codes) = protected().await;
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), 10);
    assert!(codes.iter().all(|code| code.len() == 19), "{codes:?}");
    // Nothing of them is stored as it is.
    for record in server.state.world().records() {
        assert!(codes.iter().all(|code| !record.body().contains(code)));
    }
    assert_eq!(sign_in(&server, PASSWORD, Some(&codes[0])).await.status, 201);
    two_factor(&sign_in(&server, PASSWORD, Some(&codes[0])).await);
    let typed = codes[1].replace('-', " ").to_uppercase();
    assert_eq!(sign_in(&server, PASSWORD, Some(&typed)).await.status, 201);
    assert_eq!(server.get(ALICE, PATH).await.json()["recovery_codes_left"], 8);
    let renew = format!("{PATH}/recovery-codes");
    let body = json!({ "code": codes[2] }).to_string();
    let renewed = server.ask(ALICE, "POST", &renew, &body).await.json();
    assert_eq!(renewed["recovery_codes_left"], 10);
    two_factor(&sign_in(&server, PASSWORD, Some(&codes[3])).await);
    let new = renewed["recovery_codes"][0].as_str().unwrap();
    assert_eq!(sign_in(&server, PASSWORD, Some(new)).await.status, 201);
}

#[tokio::test]
async fn wrong_codes_are_bounded_wherever_they_come_from() {
    let (server, secret, codes) = protected().await;
    let wrong = wrong(&server, &secret);
    for n in 0..10 {
        // A minute apart, so that what is counted for the network does not matter.
        two_factor(&sign_in(&server, PASSWORD, Some(&wrong)).await);
        if n % 4 == 3 {
            server.state.clock.advance(Duration::from_secs(60));
        }
    }
    server.state.clock.advance(Duration::from_secs(60));
    for right in [code(&server, &secret), codes[0].clone()] {
        let got = sign_in(&server, PASSWORD, Some(&right)).await;
        assert_eq!(got.error(), (429, "rate_limit".to_owned()), "{}", got.text);
        let body = json!({ "code": right }).to_string();
        let disable = server.ask(ALICE, "POST", &format!("{PATH}/actions/disable"), &body).await;
        assert_eq!(disable.error(), (429, "rate_limit".to_owned()), "{}", disable.text);
    }
    server.state.clock.advance(Duration::from_secs(3600));
    let right = code(&server, &secret);
    assert_eq!(sign_in(&server, PASSWORD, Some(&right)).await.status, 201);
}

#[tokio::test]
async fn it_is_enabled_by_who_has_the_secret_for_themselves() {
    let server = Fixture::new();
    let before = server.state.world();
    let enrol = format!("{PATH}/actions/enrol");
    let offered = server.ask(ALICE, "POST", &enrol, "{}").await.json();
    let secret = offered["secret"].as_str().unwrap();
    let url = offered["url"].as_str().unwrap();
    assert!(url.starts_with("otpauth://totp/Causeway%20test:alice%40example.com?secret="), "{url}");
    assert!(url.contains(secret) && secret.len() == 32, "{url}");
    let (right, enrolment) = (code(&server, secret), offered["enrolment"].clone());
    let enable = async |who: &str, enrolment: &serde_json::Value, code: &str| {
        let body = json!({ "enrolment": enrolment, "code": code }).to_string();
        server.ask(who, "PUT", PATH, &body).await
    };
    for (who, enrolment, code) in [
        (ALICE, &enrolment, wrong(&server, secret)),
        (BOB, &enrolment, right.clone()),
        (ALICE, &json!("AAAA"), right.clone()),
        (ALICE, &json!("é"), right.clone()),
    ] {
        let got = enable(who, enrolment, &code).await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()), "{}", got.text);
    }
    assert!(before.records().eq(server.state.world().records()), "an offer changes nothing");
    server.state.clock.advance(Duration::from_secs(15 * 60));
    let late = enable(ALICE, &enrolment, &code(&server, secret)).await;
    assert_eq!(late.error(), (422, "invalid_params".to_owned()), "{}", late.text);

    let (secret, enabled) = server.enable_second_factor(ALICE).await;
    assert_eq!(enabled.json()["enabled"], true);
    for record in server.state.world().records() {
        assert!(!record.body().contains(&secret), "the secret is kept sealed");
    }
    let again = server.ask(ALICE, "POST", &enrol, "{}").await;
    assert_eq!(again.error(), (409, "conflict".to_owned()));
    let operator = server.operator();
    let nobody = server.ask(&operator, "POST", &enrol, "{}").await;
    assert_eq!(nobody.error(), (403, "forbidden".to_owned()));
}

#[tokio::test]
async fn it_is_disabled_by_a_code_and_not_by_a_token_alone() {
    let (server, secret, _) = protected().await;
    let disable = format!("{PATH}/actions/disable");
    let ask = async |who: &str, code: &str| {
        server.ask(who, "POST", &disable, &json!({ "code": code }).to_string()).await
    };
    two_factor(&ask(ALICE, &wrong(&server, &secret)).await);
    let none = server.ask(ALICE, "POST", &disable, "{}").await;
    assert_eq!(none.error(), (422, "invalid_params".to_owned()));
    let bobs = ask(BOB, &code(&server, &secret)).await;
    assert_eq!(bobs.error(), (409, "conflict".to_owned()));
    let done = ask(ALICE, &code(&server, &secret)).await.json();
    assert_eq!((&done["enabled"], &done["recovery_codes_left"]), (&json!(false), &json!(0)));
    assert_eq!(sign_in(&server, PASSWORD, None).await.status, 201);
}

/// A sealed secret is good in its own user's record alone.
#[tokio::test]
async fn a_secret_moved_to_another_user_opens_nothing() {
    let (server, secret, _) = protected().await;
    let world = server.state.world();
    let alice = world.user_named(EMAIL).unwrap();
    let bob = world.user_named("bob@example.com").unwrap();
    let moved =
        model::User { second_factor: alice.second_factor.clone(), ..model::User::clone(bob) };
    let (now, right) = (server.state.clock.now(), code(&server, &secret));
    let checked = |user| crate::http::second_factor::check(&server.state, user, &right, now);
    assert!(checked(alice).is_ok());
    assert!(checked(&moved).is_err());
}

#[tokio::test]
async fn a_team_that_demands_one_lets_nobody_in_without() {
    let (server, _, _) = protected().await;
    let demand = |on: bool| json!({ "demanded": on }).to_string();
    let path = "/teams/acme/two-factor";
    let bobs = server.ask(BOB, "PUT", path, &demand(true)).await;
    assert_eq!(bobs.error(), (403, "forbidden".to_owned()));
    let log = server.ask(BOB, "POST", "/apps/shop/log-sessions", r#"{"tail": true}"#).await.json();
    let log = log["logplex_url"].as_str().unwrap();
    let log = &log[log.find("/_logs/").unwrap()..];
    // Not while a member has none, whom it would shut out of other teams, too. The operator may.
    let refused = server.ask(ALICE, "PUT", path, &demand(true)).await;
    assert_eq!(refused.error().0, 409, "{}", refused.text);
    assert!(refused.text.contains("bob@example.com"), "{}", refused.text);
    let team = server.state.world().team_named("acme").unwrap().id;
    let demanded = IdentityCommand::DemandSecondFactor { team, demanded: true };
    server.command(Caller::Operator, demanded).await;
    assert!(server.state.world().team_named("acme").unwrap().demands_second_factor);
    for (method, path) in [
        ("GET", "/apps"),
        ("GET", "/apps/shop"),
        ("PATCH", "/apps/shop/config-vars"),
        ("POST", "/apps/shop/dynos"),
        ("GET", "/spaces/alpha"),
        ("GET", TOKENS),
    ] {
        let got = server.ask(BOB, method, path, "{}").await;
        assert_eq!(got.error(), (403, "forbidden".to_owned()), "{method} {path}");
        assert!(got.text.contains("acme demands a second factor"), "{}", got.text);
    }
    // What was given out before ends with it, too.
    assert_eq!(server.get("", log).await.status, 404);
    let account = server.get(BOB, "/account").await;
    assert_eq!(account.status, 200, "{}", account.text);
    assert_eq!(server.get(BOB, PATH).await.json()["demanded_by"], json!(["acme"]));
    assert_eq!(server.get(ALICE, "/apps/shop").await.status, 200);
    server.enable_second_factor(BOB).await;
    assert_eq!(server.get(BOB, "/apps/shop").await.status, 200);
}
