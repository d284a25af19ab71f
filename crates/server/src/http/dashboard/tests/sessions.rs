//! Who gets in, and for how long.

use std::time::Duration;

use model::{
    Caller, IdentityCommand, Key, NewToken, PasswordHash, Role, Subject, TokenBound, TokenScope,
};
use store::{AuditQuery, AuditRow};

use super::browser::{
    Browser, HOST, access_key, account, attribute, hidden, joined, server, sign, user,
};
use crate::credentials::token_hash;
use crate::http::dashboard::{Dashboard, router};
use crate::http::platform::tests::fixture::{ALICE, BOB, Fixture, STRANGER};
use crate::http::second_factor::shown_code;

const HOME: &str = "/dashboard";

/// Whether the browser's session is taken.
async fn is_in(browser: &mut Browser<'_>) -> bool {
    let got = browser.get(HOME).await;
    match got.status.as_u16() {
        200 => true,
        303 => {
            assert!(got.header("location").starts_with("/dashboard/sign-in?back=/dashboard"));
            false
        }
        other => panic!("{other}"),
    }
}

async fn set_password(server: &Fixture, password: &str) {
    let salt = [7; 16];
    let hash: PasswordHash = server.state.passwords.hash(password.to_owned(), salt).await.unwrap();
    let user = user(server, "alice");
    let command = IdentityCommand::SetPassword { user, hash, end_tokens: false };
    server.command(Caller::Operator, command).await;
}

fn audited(server: &Fixture) -> Vec<AuditRow> {
    server.state.note_refusals(true);
    server.state.ledger.wait_for_notes_blocking();
    let query = AuditQuery { limit: 100, ..AuditQuery::default() };
    server.state.store.lock().unwrap().audit(&query).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_leads_in_and_shows_what_is_theirs() {
    let (server, _) = joined().await;
    set_password(&server, "correct horse").await;
    let (id, secret) = access_key(&server).await;
    let account = account(&server).await.to_string();

    let mut by_token = Browser::signed_in(&server, ALICE).await;
    let page = by_token.get(HOME).await.text;
    assert!(page.contains("alice@example.com") && page.contains(">alpha<"), "{page}");
    assert!(!page.contains(&account.clone()) || page.contains("asks to peer"), "{page}");

    let mut by_password = Browser::new(&server);
    let fields =
        [("with", "password"), ("email", "ALICE@example.com"), ("password", "correct horse")];
    assert_eq!(by_password.sign_in(&fields).await.status, 303);
    assert!(by_password.get(HOME).await.text.contains("alice@example.com"));

    let mut by_key = Browser::new(&server);
    assert_eq!(by_key.sign_in_by_key(&id, &secret).await.status, 303);
    let page = by_key.get(HOME).await.text;
    assert!(page.contains(&account) && page.contains("10.100.0.0/16"), "{page}");
    assert!(!page.contains(">alpha<"), "an account sees no spaces: {page}");

    let operator = server.operator();
    let mut by_operator = Browser::signed_in(&server, &operator).await;
    let page = by_operator.get(HOME).await.text;
    assert!(page.contains("Operator") && page.contains(">alpha<"), "{page}");

    let mut stranger = Browser::signed_in(&server, STRANGER).await;
    assert!(!stranger.get(HOME).await.text.contains("alpha"));
    for path in ["/dashboard/spaces/alpha/network", "/dashboard/spaces/none/network"] {
        assert_eq!(stranger.get(path).await.status, 404, "{path}");
        assert_eq!(by_key.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_proof_leads_nowhere_and_the_audit_has_it() {
    let (server, _) = joined().await;
    set_password(&server, "correct horse").await;
    let (id, secret) = access_key(&server).await;
    let mut browser = Browser::new(&server);
    for fields in [
        vec![("with", "token"), ("token", "")],
        vec![("with", "token"), ("token", "HRKU-x")],
        vec![("with", "password"), ("email", "alice@example.com"), ("password", "battery")],
        vec![("with", "password"), ("email", "nobody@example.com"), ("password", "correct horse")],
        vec![("with", "password"), ("email", "bob@example.com"), ("password", "")],
    ] {
        let got = browser.sign_in(&fields).await;
        assert_eq!(got.status, 401, "{fields:?}");
        assert!(got.text.contains("aria-invalid"), "{fields:?}");
        assert!(!is_in(&mut browser).await);
    }
    for (id, secret) in [
        (id.as_str(), "wrong"),
        ("AKIAAAAAAAAAAAAAAAAA", secret.as_str()),
        ("", ""),
        ("<b>", secret.as_str()),
    ] {
        let got = browser.sign_in_by_key(id, secret).await;
        assert_eq!(got.status, 401, "{id}");
        assert!(!got.text.contains("<b>\""), "{}", got.text);
        assert!(!is_in(&mut browser).await);
    }
    let rows = tokio::task::block_in_place(|| audited(&server));
    let failed: Vec<_> = rows.iter().filter(|row| row.action == "Dashboard.SignIn").collect();
    assert!(failed.iter().any(|row| row.message.contains("by token")), "{rows:?}");
    assert!(failed.iter().all(|row| row.outcome == "unauthorized" && row.actor == "nobody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_fail_are_limited_each_by_its_name() {
    let (server, _) = joined().await;
    let mut browser = Browser::new(&server);
    for _ in 0..5 {
        let got = browser.sign_in(&[("with", "token"), ("token", "x")]).await;
        assert_eq!(got.status, 401);
    }
    let got = browser.sign_in(&[("with", "token"), ("token", ALICE)]).await;
    assert_eq!(got.status, 429, "even with the right one");
    assert_eq!(got.header("retry-after"), "60");
    assert!(got.text.contains("Try again in 60 seconds"), "{}", got.text);
    set_password(&server, "correct horse").await;
    let fields =
        [("with", "password"), ("email", "alice@example.com"), ("password", "correct horse")];
    assert_eq!(browser.sign_in(&fields).await.status, 303, "another name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_taken_once_from_whom_the_nonce_was_given_to() {
    let (server, _) = joined().await;
    let (id, secret) = access_key(&server).await;
    let mut browser = Browser::new(&server);
    let page = browser.get("/dashboard/sign-in?with=access-key").await.text;
    assert!(!page.contains("name=\"secret\""), "the secret has no name, so it is never sent");
    let of = |name: &str| attribute(&page, name).unwrap();
    let (nonce, form) = (of("data-nonce"), hidden(&page, "form").unwrap());
    let signature = sign(&secret, &of("data-date"), &of("data-region"), &nonce);
    let fields = |form: &str, nonce: &str, signature: &str| {
        [
            ("form", form),
            ("with", "access-key"),
            ("key", &id),
            ("nonce", nonce),
            ("signature", signature),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let post = async |browser: &mut Browser<'_>, form: &str, nonce: &str, signature: &str| {
        let fields = fields(form, nonce, signature);
        let fields: Vec<_> = fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        browser.post("/dashboard/sign-in", &fields).await.status.as_u16()
    };
    // Somebody else's visit.
    let mut other = Browser::new(&server);
    let others = hidden(&other.get("/dashboard/sign-in").await.text, "form").unwrap();
    assert_eq!(post(&mut other, &others, &nonce, &signature).await, 401);
    // One that is not the server's.
    assert_eq!(post(&mut browser, &form, "bm9uY2U", &signature).await, 401);
    let before = browser.cookies.clone();
    assert_eq!(post(&mut browser, &form, &nonce, &signature).await, 303);
    // The same again, in the same visit.
    browser.cookies = before.clone();
    assert_eq!(post(&mut browser, &form, &nonce, &signature).await, 401);
    // A nonce ends by itself, too.
    let page = browser.get("/dashboard/sign-in?with=access-key").await.text;
    let of = |name: &str| attribute(&page, name).unwrap();
    let nonce = of("data-nonce");
    let signature = sign(&secret, &of("data-date"), &of("data-region"), &nonce);
    server.state.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(post(&mut browser, &form, &nonce, &signature).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_what_proved_it() {
    let (server, _) = joined().await;
    set_password(&server, "correct horse").await;
    let (id, secret) = access_key(&server).await;
    let operator = Caller::Operator;

    // A token that is revoked.
    let mut by_token = Browser::signed_in(&server, BOB).await;
    assert!(is_in(&mut by_token).await);
    let token = server.state.world().tokens_of(Key::User(user(&server, "bob"))).next().unwrap().id;
    server.command(operator, IdentityCommand::DeleteToken { id: token }).await;
    assert!(!is_in(&mut by_token).await);

    // A token that gets another secret.
    let mut replaced = Browser::signed_in(&server, ALICE).await;
    let token =
        server.state.world().tokens_of(Key::User(user(&server, "alice"))).next().unwrap().id;
    let hash = token_hash("another");
    server.command(operator, IdentityCommand::ReplaceToken { id: token, hash }).await;
    assert!(!is_in(&mut replaced).await);
    let mut again = Browser::signed_in(&server, "another").await;
    assert!(is_in(&mut again).await);

    // A password that is changed, even to itself.
    let mut by_password = Browser::new(&server);
    let fields =
        [("with", "password"), ("email", "alice@example.com"), ("password", "correct horse")];
    by_password.sign_in(&fields).await;
    assert!(is_in(&mut by_password).await);
    let user_id = user(&server, "alice");
    let hash = server.state.passwords.hash("correct horse".to_owned(), [9; 16]).await.unwrap();
    let command = IdentityCommand::SetPassword { user: user_id, hash, end_tokens: false };
    server.command(operator, command).await;
    assert!(!is_in(&mut by_password).await);

    // A key that is deleted.
    let mut by_key = Browser::new(&server);
    by_key.sign_in_by_key(&id, &secret).await;
    assert!(is_in(&mut by_key).await);
    server.command(operator, IdentityCommand::DeleteAccessKey { id: id.parse().unwrap() }).await;
    assert!(!is_in(&mut by_key).await);

    // A token that expires, and then the session itself.
    let (hash, description) = (token_hash("short"), "short".to_owned());
    let lives = Some(Duration::from_secs(3600));
    let token = NewToken { lives, ..NewToken::unlimited(user_id, hash, description) };
    server.command(operator, IdentityCommand::CreateToken(token)).await;
    let mut short = Browser::signed_in(&server, "short").await;
    assert!(is_in(&mut short).await && is_in(&mut again).await);
    server.state.clock.advance(Duration::from_secs(3600));
    assert!(!is_in(&mut short).await && is_in(&mut again).await);
    server.state.clock.advance(Duration::from_secs(11 * 3600));
    assert!(!is_in(&mut again).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_is_out_until_that_is_undone_by_whatever_proof() {
    let (server, _) = joined().await;
    set_password(&server, "correct horse").await;
    let (id, secret) = access_key(&server).await;
    let (alice, team) =
        (user(&server, "alice"), server.state.world().team_named("acme").unwrap().id);
    let role = Some(Role::Admin);
    let promote = IdentityCommand::SetMember { team, user: user(&server, "bob"), role };
    server.command(Caller::Operator, promote).await;
    let token = server.state.world().tokens_of(Key::User(alice)).next().unwrap().id;
    let key: model::AccessKeyId = id.parse().unwrap();
    let account = server.state.world().access_key(key).unwrap().account;
    let fields =
        [("with", "password"), ("email", "alice@example.com"), ("password", "correct horse")];
    for (subject, by) in [
        (Subject::Token(token), "token"),
        (Subject::User(alice), "token"),
        (Subject::User(alice), "password"),
        (Subject::AccessKey(key), "key"),
        (Subject::Account(account), "key"),
    ] {
        let sign_in = async || match by {
            "token" => Browser::signed_in(&server, ALICE).await,
            "password" => {
                let mut browser = Browser::new(&server);
                browser.sign_in(&fields).await;
                browser
            }
            _ => {
                let mut browser = Browser::new(&server);
                browser.sign_in_by_key(&id, &secret).await;
                browser
            }
        };
        let mut browser = sign_in().await;
        assert!(is_in(&mut browser).await, "{subject:?} {by}");
        let (disable, enable) =
            (IdentityCommand::Disable { subject }, IdentityCommand::Enable { subject });
        server.command(Caller::Operator, disable).await;
        assert!(!is_in(&mut browser).await, "{subject:?} {by}");
        if by == "password" {
            let mut again = sign_in().await;
            assert!(!is_in(&mut again).await, "{subject:?}");
        }
        server.command(Caller::Operator, enable).await;
        let mut again = sign_in().await;
        assert!(is_in(&mut again).await, "{subject:?} {by}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_a_team_sees_its_spaces_no_more() {
    let (server, _) = joined().await;
    let mut bob = Browser::signed_in(&server, BOB).await;
    assert_eq!(bob.get("/dashboard/spaces/alpha/network").await.status, 200);
    let team = server.state.world().team_named("acme").unwrap().id;
    let (user, role) = (user(&server, "bob"), None::<Role>);
    server.command(Caller::Operator, IdentityCommand::SetMember { team, user, role }).await;
    assert_eq!(bob.get("/dashboard/spaces/alpha/network").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_wherever_its_cookie_is() {
    let (server, _) = joined().await;
    let mut browser = Browser::signed_in(&server, ALICE).await;
    let mut copied = Browser::new(&server);
    copied.cookies = browser.cookies.clone();
    assert!(is_in(&mut copied).await);
    let page = browser.get(HOME).await.text;
    let form = hidden(&page, "form").unwrap();
    let got = browser.post("/dashboard/sign-out", &[("form", &form)]).await;
    assert_eq!((got.status.as_u16(), got.header("location")), (303, "/dashboard/sign-in"));
    assert!(!browser.cookies.contains_key("causeway_session"));
    assert!(!is_in(&mut copied).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_may_have_both_sides_and_gets_no_longer_by_it() {
    let (server, _) = joined().await;
    let (id, secret) = access_key(&server).await;
    let mut browser = Browser::signed_in(&server, ALICE).await;
    let alone = browser.cookies.clone();
    server.state.clock.advance(Duration::from_secs(6 * 3600));
    assert_eq!(browser.sign_in_by_key(&id, &secret).await.status, 303);
    let page = browser.get(HOME).await.text;
    assert!(page.contains("alice@example.com") && page.contains("10.100.0.0/16"), "{page}");
    assert!(page.contains(">alpha<"), "{page}");
    let mut before = Browser::new(&server);
    before.cookies = alone;
    assert!(!is_in(&mut before).await, "the session before has ended");
    // Without the key it goes on as the user's.
    server
        .command(Caller::Operator, IdentityCommand::DeleteAccessKey { id: id.parse().unwrap() })
        .await;
    assert!(is_in(&mut browser).await);
    server.state.clock.advance(Duration::from_secs(6 * 3600));
    assert!(!is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_was_changed_is_nobodys() {
    let (server, _) = joined().await;
    let browser = Browser::signed_in(&server, ALICE).await;
    let sealed = browser.cookies["causeway_session"].clone();
    for forged in [
        String::new(),
        "x".to_owned(),
        sealed[1..].to_owned(),
        format!("{sealed}A"),
        sealed.chars().rev().collect(),
        "A".repeat(10_000),
    ] {
        let mut other = Browser::new(&server);
        other.cookies.insert("causeway_session".to_owned(), forged);
        assert!(!is_in(&mut other).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_takes_everybody() {
    let server = Fixture::emulator();
    let dashboard = Dashboard::new(std::sync::Arc::clone(&server.state));
    let server = server.behind(router(dashboard));
    let mut by_token = Browser::signed_in(&server, "anything").await;
    assert!(by_token.get(HOME).await.text.contains("alice@example.com"));
    let mut by_name = Browser::new(&server);
    let fields = [("with", "password"), ("email", "bob@example.com"), ("password", "x")];
    assert_eq!(by_name.sign_in(&fields).await.status, 303);
    assert!(by_name.get(HOME).await.text.contains("bob@example.com"));
    let mut by_key = Browser::new(&server);
    assert_eq!(by_key.sign_in_by_key("200000000002", "x").await.status, 303);
    assert!(by_key.get(HOME).await.text.contains("200000000002"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_comes_back_to_where_one_wanted_to_go() {
    let (server, peering) = joined().await;
    let mut browser = Browser::new(&server);
    let wanted = format!("/dashboard/spaces/alpha/peerings/{peering}");
    let got = browser.get(&wanted).await;
    let sign_in = got.header("location").to_owned();
    assert_eq!(sign_in, format!("/dashboard/sign-in?back={wanted}"));
    let page = browser.get(&sign_in).await.text;
    assert_eq!(hidden(&page, "back").as_deref(), Some(wanted.as_str()));
    for (back, location) in [(wanted.as_str(), wanted.as_str()), ("https://evil.example", HOME)] {
        let mut browser = Browser::new(&server);
        let fields = [("with", "token"), ("token", ALICE), ("back", back)];
        let got = browser.sign_in(&fields).await;
        assert_eq!(got.header("location"), location);
    }
    assert!(!HOST.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_name_nothing_is_known_of_a_server() {
    let server = server().await;
    let mut browser = Browser::new(&server);
    for path in [HOME, "/dashboard/spaces/alpha/network", "/dashboard/x"] {
        assert_eq!(browser.get(path).await.status, 303, "{path}");
    }
    assert_eq!(browser.get("/dashboard/events?page=/dashboard").await.status, 401);
}

/// What a form that was answered asks to be sent back.
fn step_of(text: &str) -> String {
    hidden(text, "step").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_leads_to_the_code_and_the_code_leads_in() {
    let (server, _) = joined().await;
    set_password(&server, "correct horse").await;
    let mut early = Browser::new(&server);
    let fields =
        [("with", "password"), ("email", "alice@example.com"), ("password", "correct horse")];
    assert_eq!(early.sign_in(&fields).await.status, 303);
    let (secret, _) = server.enable_second_factor(ALICE).await;
    assert!(!is_in(&mut early).await, "a session by the password alone ends");
    server.state.clock.advance(Duration::from_secs(30));

    let mut browser = Browser::new(&server);
    let asked = browser.sign_in(&fields).await;
    assert_eq!(asked.status, 401);
    assert!(asked.text.contains("one-time-code"), "{}", asked.text);
    assert!(!is_in(&mut browser).await, "the password alone opens nothing");
    let step = step_of(&asked.text);
    let code = shown_code(&secret, server.state.clock.now());
    let with = |step: &str, code: &str| {
        [("with", "password"), ("email", "alice@example.com"), ("step", step), ("code", code)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let send = async |browser: &mut Browser<'_>, step: &str, code: &str| {
        let fields = with(step, code);
        let fields = fields.each_ref().map(|(name, value)| (name.as_str(), value.as_str()));
        browser.sign_in(&fields).await
    };
    // Neither a code without a password, nor the step of somebody else's page.
    let mut other = Browser::new(&server);
    for step in ["", "AAAA"] {
        assert_eq!(send(&mut browser, step, &code).await.status, 401, "{step}");
        assert!(!is_in(&mut browser).await);
    }
    assert_eq!(send(&mut other, &step, &code).await.status, 401);
    assert!(!is_in(&mut other).await);
    let again = send(&mut browser, &step, "12345").await;
    assert_eq!(again.status, 401);
    assert!(again.text.contains("aria-invalid"), "{}", again.text);
    let step = step_of(&again.text);
    assert_eq!(send(&mut browser, &step, &code).await.status, 303);
    assert!(browser.get(HOME).await.text.contains("alice@example.com"));

    let mut replay = Browser::new(&server);
    let asked = replay.sign_in(&fields).await;
    let step = step_of(&asked.text);
    assert_eq!(send(&mut replay, &step, &code).await.status, 401, "a code holds once");
    server.state.clock.advance(Duration::from_secs(30));
    set_password(&server, "another horse").await;
    let code = shown_code(&secret, server.state.clock.now());
    assert_eq!(send(&mut replay, &step, &code).await.status, 401, "the password has changed");
    assert!(!is_in(&mut replay).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_less_than_everything_opens_no_page() {
    let (server, _) = joined().await;
    let alice = user(&server, "alice");
    let space = server.state.world().space_named("alpha").unwrap().id;
    let new = |secret: &str| NewToken::unlimited(alice, token_hash(secret), String::new());
    let scopes = [TokenScope::WriteProtected, TokenScope::Identity].into_iter().collect();
    for (secret, token) in [
        ("narrow", NewToken { scopes, ..new("narrow") }),
        ("bound", NewToken { bound: Some(TokenBound::Space(space)), ..new("bound") }),
    ] {
        server.command(Caller::Operator, IdentityCommand::CreateToken(token)).await;
        let mut browser = Browser::new(&server);
        let got = browser.sign_in(&[("with", "token"), ("token", secret)]).await;
        assert_eq!(got.status, 401, "{secret}");
        assert!(got.text.contains("scope global"), "{}", got.text);
        assert!(!is_in(&mut browser).await, "{secret}");
    }
}
