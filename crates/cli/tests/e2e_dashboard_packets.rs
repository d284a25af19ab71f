//! The dashboard with real packets, in a real browser: why one does not pass, what lets it pass, and a
//! probe that shows that it does.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use serde_json::json;
use support::browser::{Browser, Person};
use support::stage::variable;
use support::{Server, dyno, join, site, space, talk};

/// Presses a button that loads a page, and waits for that one.
#[track_caller]
fn press_and_load(person: &Person<'_>, selector: &str) {
    let code = r"
        await page.evaluate(() => { document.documentElement.dataset.mark = 'before'; });
        await page.locator(args).first().click();
        await page.locator('html:not([data-mark]) body').waitFor();
        await page.waitForLoadState();";
    person.run(code, json!(selector));
}

/// Sends a packet from the page; what it says of it.
#[track_caller]
fn probe(person: &Person<'_>) -> String {
    press_and_load(person, "button[value=probe]");
    let code = "return page.locator('#probe [role=status]').innerText()";
    person.run(code, json!(null)).as_str().unwrap().to_owned()
}

#[test]
fn a_probe_turns_from_red_to_green() {
    let server = Server::linux();
    let info = space(&server, "blue", "shop");
    let dyno = dyno(&server, "shop", "sleep 86400");
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", talk::ECHO);
    join(&server, &site, "blue", &info);

    // Both sides are hers.
    let browser = Browser::start();
    let ada = browser.person(&server, "ada");
    let variables = server.env(&[]);
    let of = |name| variable(&variables, name);
    ada.sign_in(&of("HEROKU_API_KEY"));
    ada.sign_in_by_key(&of("AWS_ACCESS_KEY_ID"), &of("AWS_SECRET_ACCESS_KEY"));
    let (from, to) = (&dyno.target, &site.instance);
    ada.open(&format!("/dashboard/why?from={from}&to={to}&protocol=tcp&port=8000"));
    ada.run("await page.locator('[data-live=verdict] .note.bad').waitFor()", json!(null));
    let said = probe(&ada);
    assert!(!said.contains("It arrived"), "{said}");

    // What is missing is a button each: the route back, and the group's rule.
    for _ in 0..8 {
        if ada.run("return page.locator('button[value=remedy]').count()", json!(null)) == 0 {
            break;
        }
        press_and_load(&ada, "button[value=remedy]");
        ada.see("It is done");
    }
    ada.see("The packet arrives, and so does its answer");
    ada.run("await page.locator('[data-live=verdict] .note.ok').waitFor()", json!(null));
    server.until("packets pass", |server| server.connects(from, &site.address, 8000));
    let said = probe(&ada);
    assert!(said.contains("It arrived, and the other end took the connection"), "{said}");
    browser.end();
}
