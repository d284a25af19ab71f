//! The dashboard in a real browser: what people do there, alone and at the same time (R10, R25).

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use serde_json::json;
use support::browser::{Browser, Person};
use support::second_factor;
use support::stage::{Stage, variable};
use support::text;

const NETWORK: &str = "/dashboard/spaces/blue/network";
const BOB: &str = "bob@example.com";

fn review(pcx: &str) -> String {
    format!("/dashboard/spaces/blue/peerings/{pcx}")
}

/// Marks the document: the mark is gone once the page was loaded anew.
fn mark(person: &Person<'_>) {
    person.run(
        "await page.evaluate(() => { document.documentElement.dataset.mark = 'here' })",
        json!(null),
    );
}

#[track_caller]
fn assert_marked(person: &Person<'_>) {
    let code = "return page.evaluate(() => document.documentElement.dataset.mark ?? null)";
    assert_eq!(person.run(code, json!(null)), "here", "the page was loaded anew");
}

/// Nothing of a request is left to decide.
#[track_caller]
fn assert_cannot_answer(person: &Person<'_>) {
    let actions = person.actions();
    assert!(!actions.iter().any(|name| name == "Accept" || name == "Reject"), "{actions:?}");
}

/// Waits until the page says that it is live.
#[track_caller]
fn see_live(person: &Person<'_>) {
    person.run("await page.locator('#live [data-is=live]:visible').waitFor()", json!(null));
}

#[test]
fn r10_r25_a_request_of_the_console_appears_and_is_accepted() {
    let stage = Stage::set_up(&[]);
    let vpc = stage.vpc("10.100.0.0/16");
    let (key, secret) = stage.key();
    let browser = Browser::start();
    let admin = browser.person(&stage.server, "the admin");
    admin.sign_in(&stage.admin());
    admin.open(NETWORK);
    see_live(&admin);
    admin.see("No peering");
    mark(&admin);

    // The VPC's owner asks, with what the space's owner hands out.
    let owner = browser.person(&stage.server, "the owner");
    owner.sign_in_by_key(&key, &secret);
    owner.open(&format!("/dashboard/vpcs/{vpc}"));
    owner.follow("Ask for a peering");
    let (peer, account) = stage.other_side();
    owner.fill("AWS VPC ID", &peer);
    owner.fill("AWS Account ID", &account);
    owner.press_button("Ask");
    owner.see("is asked for");
    let pcx = "return (await page.getByText(/^pcx-[0-9a-f]{17}$/).first().textContent()).trim()";
    let pcx = text(&owner.run(pcx, json!(null)));
    assert_eq!(stage.status(&pcx), "pending-acceptance");

    // The admin sees it come, in the page that is open.
    admin.see_in_row(&pcx, "pending-acceptance");
    admin.see_in_row(&pcx, "Can be accepted");
    assert_marked(&admin);
    admin.run("await page.getByRole('navigation').getByText('1 request waits').waitFor({ state: 'attached' })", json!(null));
    admin.follow(&format!("Review {pcx}"));
    admin.see_heading("Accept the request from");
    admin.see("10.100.0.0/16");
    admin.press_button("Accept");
    admin.see(&format!("{pcx} is accepted"));
    admin.see_in_row(&pcx, "active");
    assert_eq!(stage.status(&pcx), "active");

    // The owner, too, sees that it came about, without asking.
    see_live(&owner);
    owner.see_in_item(&pcx, "active");
    browser.end();
}

#[test]
fn r25_a_peering_is_destroyed_by_typing_its_id() {
    let stage = Stage::set_up(&[]);
    let pcx = stage.ask(&stage.vpc("10.100.0.0/16"));
    stage.accept(&pcx);
    let browser = Browser::start();
    let admin = browser.person(&stage.server, "the admin");
    admin.sign_in(&stage.admin());
    admin.open(NETWORK);
    admin.follow(&format!("Destroy… {pcx}"));
    admin.see_heading("Destroy the peering with");

    let label = format!("Type {pcx} to go on");
    admin.fill(&label, "pcx-00000000000000000");
    admin.press_button("Destroy the peering");
    admin.see("That is not the PCX ID of this peering");
    let focused = "return page.evaluate(() => document.activeElement.name)";
    assert_eq!(admin.run(focused, json!(null)), "confirm", "what is to be mended has the focus");
    assert_eq!(stage.status(&pcx), "active");

    admin.fill(&label, &format!(" {pcx} "));
    admin.press_button("Destroy the peering");
    admin.see(&format!("{pcx} is being destroyed"));
    admin.see_in_row(&pcx, "deleted");
    assert!(!admin.actions().iter().any(|name| name.contains(&pcx)), "{:?}", admin.actions());
    browser.end();
}

#[test]
fn r8_r25_a_request_that_overlaps_says_so_and_cannot_be_accepted() {
    let stage = Stage::set_up(&[]);
    let pcx = stage.ask(&stage.vpc("10.1.0.0/20"));
    let browser = Browser::start();
    let admin = browser.person(&stage.server, "the admin");
    admin.sign_in(&stage.admin());
    admin.see("but the request cannot be accepted");
    admin.open(&review(&pcx));
    admin.see_heading("cannot be accepted");
    admin.see("10.1.0.0/20 overlaps 10.1.0.0/16, the data services of the space.");
    admin.see("needs another block");
    let actions = admin.actions();
    assert!(actions.contains(&"Reject".to_owned()), "{actions:?}");
    assert!(!actions.contains(&"Accept".to_owned()), "{actions:?}");

    // Whoever accepts it all the same is refused by the same rule.
    let shown = "return page.locator('input[name=shown]').inputValue()";
    let shown = admin.run(shown, json!(null));
    let status = admin.post(&review(&pcx), json!({ "shown": shown, "answer": "accept" }));
    assert!(status == 409 || status == 422, "{status}");
    assert_eq!(stage.status(&pcx), "pending-acceptance");
    admin.press_button("Reject");
    admin.see(&format!("{pcx} is rejected"));
    assert_eq!(stage.status(&pcx), "rejected");
    browser.end();
}

#[test]
fn r25_a_request_that_expired_meanwhile_is_not_accepted() {
    let stage = Stage::set_up(&[]);
    let pcx = stage.ask(&stage.vpc("10.100.0.0/16"));
    stage.server.causeway(&["clock:advance", "6d23h"]).ok();
    let browser = Browser::start();
    // A page that is not live shows what was.
    let admin = browser.person(&stage.server, "the admin");
    let deaf = "await context.route(/[/]dashboard[/]events/, (route) => route.abort())";
    admin.run(deaf, json!(null));
    admin.sign_in(&stage.admin());
    admin.open(&review(&pcx));
    admin.see("Expires in");
    let live = browser.person(&stage.server, "another admin");
    live.sign_in(&stage.user("ada@example.com", "admin"));
    live.open(&review(&pcx));
    see_live(&live);
    mark(&live);

    stage.server.causeway(&["clock:advance", "2h"]).ok();
    live.see("It is expired since");
    assert_marked(&live);
    assert_cannot_answer(&live);
    admin.press_button("Accept");
    admin.see("This changed while the page was open, and nothing was done");
    admin.see("It is expired since");
    admin.open(NETWORK);
    admin.see_in_row(&pcx, "expired");
    browser.end();
}

#[test]
fn two_people_who_change_the_same_are_told_of_each_other() {
    let stage = Stage::set_up(&[]);
    let pcx = stage.ask(&stage.vpc("10.100.0.0/16"));
    let browser = Browser::start();
    // Without a script: everything but what is live works so.
    let plain =
        browser.person_with(&stage.server, "the admin", json!({ "javaScriptEnabled": false }));
    plain.sign_in(&stage.admin());
    plain.open(&review(&pcx));
    plain.see_heading("Accept the request from");
    let ada = stage.user("ada@example.com", "admin");
    let live = browser.person(&stage.server, "one who watches");
    live.sign_in(&ada);
    live.open(&review(&pcx));
    see_live(&live);
    let other = browser.person(&stage.server, "another admin");
    other.sign_in(&ada);
    other.open(&review(&pcx));

    other.press_button("Reject");
    other.see(&format!("{pcx} is rejected"));
    live.see("It is rejected since");
    assert_cannot_answer(&live);
    plain.press_button("Accept");
    plain.see("This changed while the page was open, and nothing was done");
    plain.see("It is rejected since");
    assert_cannot_answer(&plain);
    assert_eq!(stage.status(&pcx), "rejected");
    browser.end();
}

#[test]
fn r24_a_member_without_rights_sees_no_buttons_and_is_refused() {
    let stage = Stage::set_up(&[]);
    let (active, asked) =
        (stage.ask(&stage.vpc("10.100.0.0/16")), stage.ask(&stage.vpc("10.101.0.0/16")));
    stage.accept(&active);
    let browser = Browser::start();
    let member = browser.person(&stage.server, "the member");
    member.sign_in(&stage.user(BOB, "member"));
    member.open(NETWORK);
    member.see_in_row(&active, "active");
    member.see("Only admins of the team");
    let actions = member.actions();
    assert!(!actions.iter().any(|name| name.starts_with("Destroy")), "{actions:?}");
    let destroy = format!("{}/destroy", review(&active));
    for page in [review(&asked), destroy.clone()] {
        member.open(&page);
        member.see("Only admins of the team");
        let main = "return page.locator('main form').count()";
        assert_eq!(member.run(main, json!(null)), 0, "{page}");
    }

    // The forms of an admin's pages, sent by the member.
    let admin = browser.person(&stage.server, "the admin");
    admin.sign_in(&stage.admin());
    let shown = |page: &str| {
        admin.open(page);
        admin.run("return page.locator('input[name=shown]').inputValue()", json!(null))
    };
    let (of_asked, of_active) = (shown(&review(&asked)), shown(&destroy));
    for (page, fields) in [
        (review(&asked), json!({ "shown": of_asked, "answer": "accept" })),
        (review(&asked), json!({ "shown": of_asked, "answer": "reject" })),
        (destroy, json!({ "shown": of_active, "confirm": active })),
    ] {
        assert_eq!(member.post(&page, fields.clone()), 403, "{page} {fields}");
    }
    assert_eq!(stage.status(&asked), "pending-acceptance");
    assert_eq!(stage.status(&active), "active");
    browser.end();
}

#[test]
fn r2_the_secret_of_an_access_key_stays_in_the_page() {
    let stage = Stage::set_up(&[]);
    let (key, secret) = stage.key();
    let browser = Browser::start();
    let owner = browser.person(&stage.server, "the owner");
    owner.open("/dashboard/sign-in?with=access-key");
    owner.fill("Access key ID", &key);
    let wrong: String = secret.chars().rev().collect();
    owner.fill("Secret access key", &wrong);
    owner.press_button("Sign in");
    owner.see("The signature does not match");
    owner.fill("Secret access key", &secret);
    owner.press_button("Sign in");
    owner.see_heading("What waits for you");

    let requests = owner.requests();
    let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    for request in &requests {
        let request = request.to_string();
        for form in [&secret, &wrong, &encoded] {
            assert!(!request.contains(form.as_str()), "{request}");
        }
    }
    let posted = requests.iter().filter(|request| request["method"] == "POST");
    let bodies: Vec<String> = posted.map(|request| text(&request["body"])).collect();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    for body in bodies {
        assert!(body.contains(&format!("key={key}")), "{body}");
        let (_, signature) = body.split_once("signature=").unwrap();
        let signature = signature.split('&').next().unwrap();
        assert_eq!(signature.len(), 64, "an HMAC of SHA-256: {body}");
    }
    browser.end();
}

#[test]
fn a_session_that_ends_elsewhere_says_so_and_what_was_typed_stays() {
    let stage = Stage::set_up(&[]);
    let pcx = stage.ask(&stage.vpc("10.100.0.0/16"));
    stage.accept(&pcx);
    stage.user("ada@example.com", "admin");
    let variables = stage.server.env(&["--user", "ada@example.com"]);
    let token = variable(&variables, "HEROKU_API_KEY");
    let browser = Browser::start();
    let ada = browser.person(&stage.server, "ada");
    ada.sign_in(&token);
    let destroy = format!("{}/destroy", review(&pcx));
    ada.open(&destroy);
    see_live(&ada);
    let label = format!("Type {pcx} to go on");
    ada.fill(&label, &pcx);

    stage.server.causeway_as(&variables, &["logout"]).ok();
    ada.see("Your session has ended");
    let typed = "return page.locator('input[name=confirm]').inputValue()";
    assert_eq!(ada.run(typed, json!(null)), json!(pcx), "what was typed is still there");
    ada.press_button("Destroy the peering");
    ada.see("Your session has ended. Sign in to go on.");
    assert_eq!(stage.status(&pcx), "active", "nothing was done");
    ada.fill("Token", &stage.admin());
    ada.press_button("Sign in");
    ada.see_heading("Destroy the peering with");
    assert_eq!(ada.path(), destroy, "one goes on where one was");
    browser.end();
}

#[test]
fn a_page_outlives_a_restart_of_the_server() {
    let listen = support::web::lasting_address().to_string();
    let mut stage = Stage::set_up(&["--listen", &listen]);
    let pcx = stage.ask(&stage.vpc("10.100.0.0/16"));
    stage.accept(&pcx);
    let vpc = stage.vpc("10.101.0.0/16");
    let browser = Browser::start();
    let admin = browser.person(&stage.server, "the admin");
    admin.sign_in(&stage.admin());
    admin.open(&format!("{}/destroy", review(&pcx)));
    see_live(&admin);
    mark(&admin);
    admin.fill(&format!("Type {pcx} to go on"), "pcx-half");
    let watcher = browser.person(&stage.server, "one who watches");
    watcher.sign_in(&stage.admin());
    watcher.open(NETWORK);
    see_live(&watcher);

    stage.server.kill();
    for person in [&admin, &watcher] {
        person.see("No connection since");
    }
    stage.server.restart();
    for person in [&admin, &watcher] {
        see_live(person);
    }
    assert_marked(&admin);
    let typed = "return page.locator('input[name=confirm]').inputValue()";
    assert_eq!(admin.run(typed, json!(null)), "pcx-half");
    // Both are live again, with the session that they had.
    let asked = stage.ask(&vpc);
    watcher.see_in_row(&asked, "pending-acceptance");
    admin.fill(&format!("Type {pcx} to go on"), &pcx);
    admin.press_button("Destroy the peering");
    admin.see(&format!("{pcx} is being destroyed"));
    browser.end();
}

#[test]
fn a_second_factor_that_a_team_demands_is_enabled_in_the_browser() {
    let stage = Stage::set_up(&[]);
    let (email, token) = ("eve@example.com", stage.newcomer("eve@example.com"));
    let browser = Browser::start();
    let eve = browser.person(&stage.server, "eve");
    // A command waits to be logged in, and the page that asks leads to what has to be done before.
    let waits = eve.begin_log_in();
    eve.open(&waits);
    eve.run("await page.locator('input[name=token]').fill(args)", json!(token));
    eve.press_button("Sign in");
    eve.see_heading("Two-factor authentication");
    eve.see("The team careful demands a second factor");
    for path in ["/dashboard", "/dashboard/map", "/dashboard/keys", &waits] {
        eve.open(path);
        assert_eq!(eve.path(), "/dashboard/second-factor", "{path}");
    }
    // The picture is drawn: the page's own policy lets it through.
    let dark = "return page.locator('svg.qr path').last().evaluate((one) => one.getBBox().width)";
    assert!(eve.run(dark, json!(null)).as_f64().unwrap() > 20.0);
    eve.fill("Code", "000000");
    eve.press_button("Enable");
    eve.see("This is not the code");
    let secret = eve.enable_second_factor(&stage.server);
    eve.see("Keep your recovery codes now");
    let codes = eve.run("return page.locator('.codes li').allTextContents()", json!(null));
    assert_eq!(codes.as_array().unwrap().len(), 10);
    eve.follow("I have kept them");
    eve.see_heading("Allow a command to log in?");
    eve.open("/dashboard");
    eve.see_heading("What waits for you");
    let state = stage.server.causeway(&["2fa", "--token", &token]).ok();
    assert!(state.contains("is enabled. 10 recovery codes are left"), "{state}");

    // Nobody signs in by the password alone any more.
    let password = "correct horse battery";
    stage.server.causeway_reading(&["users:password", email, "--password-stdin"], password).ok();
    stage.server.causeway(&["clock:advance", "60s"]).ok();
    let again = browser.person(&stage.server, "eve at another desk");
    again.open("/dashboard/sign-in?with=password");
    again.fill("E-mail address", email);
    again.fill("Password", password);
    again.press_button("Sign in");
    again.fill("Two-factor code", &second_factor::code(&stage.server, &secret, 60));
    again.press_button("Sign in");
    again.see_heading("What waits for you");

    // Once no team demands it, it is disabled by one of the recovery codes.
    stage.server.causeway(&["teams:2fa", "careful", "--no-demand"]).ok();
    again.follow("Two-factor authentication");
    let disable = "await page.locator('#dn').fill(args)";
    again.run(disable, codes[3].clone());
    again.press_button("Disable");
    again.see("Your second factor is disabled");
    assert!(!stage.server.log().contains(&secret), "the log has no secret");
    browser.end();
}
