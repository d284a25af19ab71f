//! The dashboard with real packets, in a real browser: from the request to the first packet and to the end,
//! why one does not pass, what lets it pass, and a probe that shows that it does.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use serde_json::json;
use support::browser::{Browser, Person};
use support::stage::variable;
use support::{Server, dyno, join, site, space, talk, text};

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
    text(&person.run(code, json!(null)))
}

/// Waits until the page of a flow says that it passes, `ok`, or does not, `bad`.
#[track_caller]
fn see_verdict(person: &Person<'_>, class: &str) {
    let code = "await page.locator(`[data-live=verdict] .note.${args}`).waitFor()";
    person.run(code, json!(class));
}

#[test]
fn r10_r25_a_request_becomes_packets_and_is_destroyed() {
    let server = Server::linux();
    let info = space(&server, "blue", "shop");
    let dyno = dyno(&server, "shop", "sleep 86400");
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", talk::ECHO);
    let browser = Browser::start();
    let variables = server.env(&[]);
    let of = |name| variable(&variables, name);
    let admin = browser.person(&server, "the admin");
    admin.sign_in(&of("HEROKU_API_KEY"));
    let network = "/dashboard/spaces/blue/network";
    admin.open(network);
    admin.run("await page.locator('#live [data-is=live]:visible').waitFor()", json!(null));
    let owner = browser.person(&server, "the owner");
    owner.sign_in_by_key(&of("AWS_ACCESS_KEY_ID"), &of("AWS_SECRET_ACCESS_KEY"));

    // The owner types what the space hands out, and is told meanwhile whether that fits.
    owner.open(&format!("/dashboard/vpcs/{}", site.vpc));
    owner.follow("Ask for a peering");
    owner.fill("AWS VPC ID", &text(&info["vpc_id"]));
    owner.fill("AWS Account ID", &text(&info["aws_account_id"]));
    owner.see("The check needs AWS VPC CIDR");
    owner.fill("AWS VPC CIDR", "10.100.0.0/17");
    owner.see("10.100.0.0/16 does not fit. Nothing was sent.");
    owner.fill("AWS VPC CIDR", "10.0.0.0/16");
    owner.fill("Unavailable CIDRs", "10.1.0.0/16");
    owner.see("10.100.0.0/16 fits. Nothing was sent.");
    admin.see("No peering");
    owner.press_button("Ask");
    owner.see("is asked for");

    // The admin sees it come, and accepts it.
    let pcx = "return (await page.getByRole('row').filter({ hasText: 'pending-acceptance' }) \
               .getByText(/^pcx-[0-9a-f]{17}$/).first().textContent()).trim()";
    let pcx = text(&admin.run(pcx, json!(null)));
    admin.follow(&format!("Review {pcx}"));
    admin.press_button("Accept");
    admin.see_in_row(&pcx, "active");

    // Packets of the dyno do not arrive yet, and what is to be done is the owner's.
    let path = format!("from={}&to={}/{}", dyno.target, site.vpc, site.address);
    admin.open(&format!("/dashboard/why?{path}&protocol=tcp&port=8000"));
    see_verdict(&admin, "bad");
    let remedies = "return page.locator('button[value=remedy]').count()";
    assert_eq!(admin.run(remedies, json!(null)), 0);
    let said = probe(&admin);
    assert!(!said.contains("It arrived"), "{said}");

    // The next step came to the owner's page by itself. It leads to the route, and to the rule.
    owner.follow(&format!("Add the return route {pcx}"));
    press_and_load(&owner, "form:has(input[value=return-route]) button");
    owner.see_heading("Add a route to 10.0.0.0/16?");
    owner.see("start to pass");
    owner.see("create-route");
    owner.press_button("Add the route");
    owner.see("is added.");
    owner.fill("Port or range", "80x");
    press_and_load(&owner, "form:has(input[value=let-in]) button");
    owner.see("This is no port");
    owner.fill("Port or range", "8000");
    press_and_load(&owner, "form:has(input[value=let-in]) button");
    owner.see_heading("Add 2 rules to default?");
    owner.see("tcp 8000");
    owner.press_button("Add the rule");
    owner.see("Both steps are done");

    // Now they do, and the admin's page says so by itself.
    see_verdict(&admin, "ok");
    let (from, to) = (&dyno.target, &site.address);
    server.until("packets pass", |server| server.connects(from, to, 8000));
    let said = probe(&admin);
    assert!(said.contains("It arrived, and the other end took the connection"), "{said}");

    // What is destroyed carries nothing any more, and the owner sees it.
    admin.open(network);
    admin.follow(&format!("Destroy… {pcx}"));
    admin.fill(&format!("Type {pcx} to go on"), &pcx);
    admin.press_button("Destroy the peering");
    admin.see(&format!("{pcx} is being destroyed"));
    owner.open(&format!("/dashboard/vpcs/{}/peerings/{pcx}", site.vpc));
    owner.see("nothing passes over it any more");
    server.until("packets are stopped", |server| !server.connects(from, to, 8000));
    browser.end();
}

#[test]
fn a_remedy_says_what_it_changes_and_is_undone() {
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
    see_verdict(&ada, "bad");
    let said = probe(&ada);
    assert!(!said.contains("It arrived"), "{said}");

    // What is missing is a button each: the group's rule, and the route back. Each says what it changes.
    let remedies = "return page.locator('button[value=remedy]').count()";
    let effects = "return page.locator('.remedy .diff').first().innerText()";
    let mut changes = Vec::new();
    while ada.run(remedies, json!(null)) != 0 {
        assert!(changes.len() < 8, "it never passes: {changes:#?}");
        changes.push(text(&ada.run(effects, json!(null))));
        press_and_load(&ada, "button[value=remedy]");
        ada.see("This is what the rules say now");
    }
    let last = changes.last().unwrap();
    assert!(last.contains(from.as_str()) && last.contains("tcp 8000"), "{changes:#?}");
    assert!(last.contains("0 flows stop"), "{changes:#?}");
    ada.see("The packet arrives, and so does its answer");
    see_verdict(&ada, "ok");
    server.until("packets pass", |server| server.connects(from, &site.address, 8000));
    let said = probe(&ada);
    assert!(said.contains("It arrived, and the other end took the connection"), "{said}");

    // The last step is undone, and that is undone again.
    ada.run("await page.goBack()", json!(null));
    press_and_load(&ada, ".note form button");
    see_verdict(&ada, "bad");
    server.until("packets are stopped", |server| !server.connects(from, &site.address, 8000));
    press_and_load(&ada, ".note form button");
    see_verdict(&ada, "ok");
    server.until("packets pass", |server| server.connects(from, &site.address, 8000));
    browser.end();
}
