//! Enabling a second factor in a browser, and what is open to who has yet to do so.

use std::time::Duration;

use model::{Caller, IdentityCommand, PasswordHash};
use store::{AuditQuery, AuditRow};

use super::browser::{Browser, access_key, attribute, hidden, joined, user};
use crate::http::platform::tests::fixture::{ALICE, BOB, Fixture, Got};
use crate::http::second_factor::shown_code;

const HOME: &str = "/dashboard";
const PAGE: &str = "/dashboard/second-factor";

async fn demand(server: &Fixture, demanded: bool) {
    let team = server.state.world().team_named("acme").unwrap().id;
    let demand = IdentityCommand::DemandSecondFactor { team, demanded };
    server.command(Caller::Operator, demand).await;
}

async fn set_password(server: &Fixture, password: &str) {
    let hash: PasswordHash =
        server.state.passwords.hash(password.to_owned(), [7; 16]).await.unwrap();
    let user = user(server, "alice");
    let command = IdentityCommand::SetPassword { user, hash, end_tokens: false };
    server.command(Caller::Operator, command).await;
}

/// The secret that a page offers, as its button copies it.
fn secret_of(page: &str) -> String {
    attribute(page, "data-copy").unwrap()
}

/// The recovery codes that a page shows.
fn codes_of(page: &str) -> Vec<String> {
    let items = page.split("<li class=\"m\">").skip(1);
    items.map(|item| item.split_once("</li>").unwrap().0.to_owned()).collect()
}

/// Sends the code of a secret, as it is now, with the form of the page.
async fn enable(server: &Fixture, browser: &mut Browser<'_>) -> (String, Got) {
    let page = browser.get(PAGE).await.text;
    let secret = secret_of(&page);
    let code = shown_code(&secret, server.state.clock.now());
    let enrolment = hidden(&page, "enrolment").unwrap();
    let fields = [("answer", "enable"), ("enrolment", &enrolment), ("code", &code)];
    let got = browser.fill(PAGE, &fields).await;
    (secret, got)
}

fn refusals(server: &Fixture, action: &str) -> Vec<AuditRow> {
    tokio::task::block_in_place(|| {
        server.state.note_refusals(true);
        server.state.ledger.wait_for_notes_blocking();
        let query = AuditQuery { limit: 100, ..AuditQuery::default() };
        let mut rows = server.state.store.lock().unwrap().audit(&query).unwrap();
        rows.retain(|row| row.action == action && row.outcome != "ok");
        rows
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lacks_what_a_team_demands_enables_it_and_gets_no_further_before() {
    let (server, _) = joined().await;
    let mut early = Browser::signed_in(&server, BOB).await;
    demand(&server, true).await;
    // Neither a session that was there before, nor a new one, opens another page.
    let mut late = Browser::new(&server);
    let form = late.get("/dashboard/sign-in").await.text;
    let form = hidden(&form, "form").unwrap();
    let back = "/dashboard/spaces/alpha/network";
    let fields = [("form", form.as_str()), ("with", "token"), ("token", BOB), ("back", back)];
    let led = late.post("/dashboard/sign-in", &fields).await;
    assert_eq!(led.status, 303, "{}", led.text);
    let to = led.header("location").to_owned();
    assert_eq!(to, format!("{PAGE}?back={}", back.replace('/', "%2F")));
    for browser in [&mut early, &mut late] {
        for path in
            [HOME, back, "/dashboard/keys", "/dashboard/map", "/dashboard/log-in/x", "/dashboard/x"]
        {
            let got = browser.get(path).await;
            assert_eq!(got.status, 303, "{path}");
            assert!(got.header("location").starts_with(PAGE), "{path}: {got:?}");
        }
        for stream in ["/dashboard/events?page=/dashboard", "/dashboard/spaces/alpha/apps/x/log"] {
            assert_eq!(browser.get(stream).await.status, 401, "{stream}");
        }
    }
    let page = late.get(&to).await.text;
    assert!(page.contains("acme") && page.contains("bob@example.com"), "{page}");
    assert!(!page.contains("<nav") && !page.contains("alpha<"), "nothing else is there: {page}");
    let form = hidden(&page, "form").unwrap();
    let before = server.state.world().tokens().count();
    let make = [("form", form.as_str()), ("answer", "make-token"), ("shown", ""), ("days", "1")];
    assert_eq!(late.post("/dashboard/keys", &make).await.status, 403);
    assert_eq!(server.state.world().tokens().count(), before);
    // What the phone has already is shown again, also after a wrong code.
    let secret = secret_of(&page);
    let enrolment = hidden(&page, "enrolment").unwrap();
    let fields = |code| {
        let back = hidden(&page, "back").unwrap();
        [
            ("answer", "enable".to_owned()),
            ("enrolment", enrolment.clone()),
            ("code", code),
            ("back", back),
        ]
    };
    let send = async |browser: &mut Browser<'_>, code: &str| {
        let fields = fields(code.to_owned());
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.fill(PAGE, &fields).await
    };
    let wrong = send(&mut late, "000000").await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("aria-invalid"), "{}", wrong.text);
    assert_eq!(secret_of(&wrong.text), secret);
    assert_eq!(secret_of(&late.get(PAGE).await.text), secret);
    assert_ne!(secret_of(&early.get(PAGE).await.text), secret, "another session's is another");
    let got = send(&mut late, &shown_code(&secret, server.state.clock.now())).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(codes_of(&got.text).len(), 10, "{}", got.text);
    assert!(got.text.contains(&format!("href=\"{back}\"")), "it leads on: {}", got.text);
    // Everything is open, to the other session as well: a token proves the same as before.
    assert_eq!(late.get(back).await.status, 200);
    assert_eq!(early.get(HOME).await.status, 200);
    let page = late.get(PAGE).await.text;
    assert!(codes_of(&page).is_empty() && page.contains("10 recovery codes are left"), "{page}");
    assert!(page.contains("Leave the team") && !page.contains("value=\"disable\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_by_password_goes_on_and_all_others_end() {
    let (server, _) = joined().await;
    set_password(&server, "correct horse").await;
    let fields =
        [("with", "password"), ("email", "alice@example.com"), ("password", "correct horse")];
    let (mut own, mut other) = (Browser::new(&server), Browser::new(&server));
    assert_eq!(own.sign_in(&fields).await.status, 303);
    assert_eq!(other.sign_in(&fields).await.status, 303);
    let before = own.cookies.clone();
    let (secret, got) = enable(&server, &mut own).await;
    assert_eq!(got.status, 200, "{}", got.text);
    // The forms of the answer are those of the new session.
    let form = hidden(&got.text, "form").unwrap();
    let choose = [("form", form.as_str()), ("theme", "dark"), ("back", HOME)];
    assert_eq!(own.post("/dashboard/preferences", &choose).await.status, 303);
    assert_eq!(own.get(HOME).await.status, 200);
    let led = other.get(HOME).await;
    assert!(led.header("location").starts_with("/dashboard/sign-in"), "{led:?}");
    other.cookies = before;
    assert_eq!(other.get(HOME).await.status, 303, "the cookie from before has ended, too");
    let asked = Browser::new(&server).sign_in(&fields).await;
    assert_eq!(asked.status, 401);
    assert!(asked.text.contains("one-time-code"), "{}", asked.text);

    // A code holds once: that which enabled it disables nothing.
    let code = shown_code(&secret, server.state.clock.now());
    let refused = own.fill(PAGE, &[("answer", "disable"), ("code", &code)]).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    server.state.clock.advance(Duration::from_secs(30));
    let code = shown_code(&secret, server.state.clock.now());
    let gone = own.fill(PAGE, &[("answer", "disable"), ("code", &code)]).await;
    assert_eq!(
        (gone.status.as_u16(), gone.header("location")),
        (303, &*format!("{PAGE}?disabled"))
    );
    assert!(own.get(&format!("{PAGE}?disabled")).await.text.contains("is disabled"));
    assert!(server.state.world().user(user(&server, "alice")).unwrap().second_factor.is_none());
    assert_eq!(Browser::new(&server).sign_in(&fields).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_recovery_codes_take_the_place_of_the_old_ones() {
    let (server, _) = joined().await;
    let mut browser = Browser::signed_in(&server, ALICE).await;
    let (_, got) = enable(&server, &mut browser).await;
    let old = codes_of(&got.text);
    let renewed = browser.fill(PAGE, &[("answer", "renew"), ("code", &old[0])]).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    let new = codes_of(&renewed.text);
    assert_eq!(new.len(), 10);
    assert!(new.iter().all(|code| !old.contains(code)));
    for code in ["", "12345", &old[0], &old[1]] {
        let got = browser.fill(PAGE, &[("answer", "disable"), ("code", code)]).await;
        assert_eq!(got.status, 422, "{code}");
        assert!(got.text.contains("id=\"de\"") && !got.text.contains("id=\"re\""), "{}", got.text);
    }
    let gone = browser.fill(PAGE, &[("answer", "disable"), ("code", &new[9])]).await;
    assert_eq!(gone.status, 303, "{}", gone.text);
    // Somebody who had the page open still sends its form.
    let late = browser.fill(PAGE, &[("answer", "renew"), ("code", &new[8])]).await;
    assert_eq!(late.status, 409, "{}", late.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_are_limited_and_the_audit_has_them() {
    let (server, _) = joined().await;
    let mut browser = Browser::signed_in(&server, ALICE).await;
    let (_, got) = enable(&server, &mut browser).await;
    let codes = codes_of(&got.text);
    for _ in 0..10 {
        let got = browser.fill(PAGE, &[("answer", "disable"), ("code", "000000")]).await;
        assert_eq!(got.status, 422);
    }
    let got = browser.fill(PAGE, &[("answer", "disable"), ("code", &codes[0])]).await;
    assert_eq!(got.status, 429, "even with the right one");
    assert_eq!(got.header("retry-after"), "3600");
    assert!(server.state.world().user(user(&server, "alice")).unwrap().second_factor.is_some());
    let rows = refusals(&server, "Dashboard.SecondFactor");
    assert!(rows.iter().any(|row| row.outcome == "unauthorized"), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_enables_it_for_another() {
    let (server, _) = joined().await;
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let mut bob = Browser::signed_in(&server, BOB).await;
    let page = bob.get(PAGE).await.text;
    let (enrolment, secret) = (hidden(&page, "enrolment").unwrap(), secret_of(&page));
    let code = shown_code(&secret, server.state.clock.now());
    let fields = [("answer", "enable"), ("enrolment", enrolment.as_str()), ("code", code.as_str())];
    let got = alice.fill(PAGE, &fields).await;
    assert_eq!(got.status, 422);
    assert_ne!(secret_of(&got.text), secret, "what was offered to another is not shown");
    let form = hidden(&page, "form").unwrap();
    let stolen = [&[("form", form.as_str())][..], &fields].concat();
    assert_eq!(alice.post(PAGE, &stolen).await.status, 403, "a form of another's session");
    let foreign = bob.post_from(PAGE, &stolen, &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(foreign.status, 403);
    assert_eq!(Browser::new(&server).post(PAGE, &stolen).await.status, 401);
    let world = server.state.world();
    assert!(
        ["alice", "bob"]
            .iter()
            .all(|name| { world.user(user(&server, name)).unwrap().second_factor.is_none() })
    );
    // The operator and an account have no password.
    let operator = server.operator();
    let (id, secret) = access_key(&server).await;
    let mut account = Browser::new(&server);
    account.sign_in_by_key(&id, &secret).await;
    let mut operator = Browser::signed_in(&server, &operator).await;
    for browser in [&mut operator, &mut account] {
        assert_eq!(browser.get(PAGE).await.status, 404);
        let form = hidden(&browser.get(HOME).await.text, "form").unwrap();
        let fields = [&[("form", form.as_str())][..], &fields].concat();
        assert_eq!(browser.post(PAGE, &fields).await.status, 404);
        assert!(!browser.get(HOME).await.text.contains(PAGE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_side_of_an_account_stays_open_meanwhile() {
    let (server, _) = joined().await;
    let (id, secret) = access_key(&server).await;
    let mut browser = Browser::signed_in(&server, BOB).await;
    assert_eq!(browser.sign_in_by_key(&id, &secret).await.status, 303);
    demand(&server, true).await;
    let page = browser.get(HOME).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("10.100.0.0/16") && !page.text.contains(">alpha<"), "{}", page.text);
    assert_eq!(browser.get("/dashboard/spaces/alpha/network").await.status, 404);
    // Who comes as the user is led to the page all the same.
    let led = browser.sign_in(&[("with", "token"), ("token", BOB)]).await;
    assert!(led.header("location").starts_with(PAGE), "{led:?}");
    let (_, got) = enable(&server, &mut browser).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(browser.get("/dashboard/spaces/alpha/network").await.status, 200);
    assert!(browser.get(HOME).await.text.contains("10.100.0.0/16"));
}
