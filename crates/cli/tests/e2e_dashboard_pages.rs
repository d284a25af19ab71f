//! Every page of the dashboard in a real browser: for everybody, in both languages, in light and dark, on
//! wide and narrow screens, and by the keyboard alone.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use serde_json::{Value, json};
use support::browser::{Browser, Person};
use support::stage::Stage;

/// A world that has something to show on every page.
struct World {
    stage: Stage,
    vpc: String,
    table: String,
    group: String,
    instance: String,
    active: String,
    asked: String,
    overlapping: String,
    rejected: String,
    /// The token of somebody whose team demands a second factor, which they have not.
    newcomer: String,
}

impl World {
    fn set_up() -> Self {
        let stage = Stage::set_up(&[]);
        let vpc = stage.vpc("10.100.0.0/16");
        let (active, asked, overlapping, rejected) = (
            stage.ask(&vpc),
            stage.ask(&stage.vpc("10.101.0.0/16")),
            stage.ask(&stage.vpc("10.1.0.0/20")),
            stage.ask(&stage.vpc("10.102.0.0/16")),
        );
        stage.accept(&active);
        let reject =
            ["spaces:peerings:destroy", &rejected, "--space", "blue", "--confirm", &rejected];
        stage.server.causeway(&reject).ok();
        let (table, group) = stage.table_and_group(&vpc);
        let instance = stage.instance(&vpc, "10.100.0.0/24");
        let newcomer = stage.newcomer("eve@example.com");
        Self { stage, vpc, table, group, instance, active, asked, overlapping, rejected, newcomer }
    }

    /// The same, with names as long as they may be and without a gap, and with several networks that are
    /// peered already.
    fn with_long_names() -> Self {
        let world = Self::set_up();
        let (name, stage) = (format!("Key=Name,Value={}", "x".repeat(255)), &world.stage);
        let tags = ["ec2", "create-tags", "--tags", &name, "--resources"];
        stage.server.aws(&[&tags[..], &[&world.vpc, &world.instance]].concat()).ok();
        for n in 110..113 {
            stage.accept(&stage.ask(&stage.vpc(&format!("10.{n}.0.0/16"))));
        }
        world
    }

    /// Every page, for somebody who has something to do there. A new page is a line here.
    fn pages(&self) -> Vec<(Who, String)> {
        let space = "/dashboard/spaces/blue";
        let vpc = format!("/dashboard/vpcs/{}", self.vpc);
        let nobodys = [
            "/dashboard/sign-in",
            "/dashboard/sign-in?with=password",
            "/dashboard/sign-in?with=access-key",
        ];
        let operators = [
            "/dashboard/operator",
            "/dashboard/operator/accounts",
            "/dashboard/operator/people",
            "/dashboard/operator/limits",
        ];
        let everybodys = vec![
            "/dashboard".to_owned(),
            format!("{space}/network"),
            format!("{space}/peerings/{}", self.asked),
            format!("{space}/peerings/{}", self.overlapping),
            format!("{space}/peerings/{}", self.rejected),
            format!("{space}/peerings/{}/destroy", self.active),
            vpc.clone(),
            format!("{vpc}/ask"),
            format!("{vpc}/instances"),
            format!("{vpc}/instances/{}", self.instance),
            format!("{vpc}/instances/{}/terminate", self.instance),
            format!("{vpc}/interfaces"),
            format!("{vpc}/acls"),
            format!("{vpc}/gateways"),
            format!("{vpc}/peerings"),
            format!("{vpc}/peerings/{}", self.active),
            format!("{vpc}/tables/{}", self.table),
            format!("{vpc}/groups/{}", self.group),
            format!(
                "{vpc}/change?do=route&table={}&destination=10.0.0.0/16&target={}",
                self.table, self.active
            ),
            format!("{space}/apps"),
            format!("{space}/apps/shop"),
            format!("{space}/apps/shop/releases"),
            format!("{space}/apps/shop/config"),
            format!("{space}/apps/shop/domains"),
            format!("{space}/apps/shop/services"),
            format!("{space}/trusted-ips"),
            "/dashboard/map".to_owned(),
            format!("/dashboard/map?q={}", self.vpc),
            "/dashboard/map/matrix".to_owned(),
            "/dashboard/why".to_owned(),
            format!(
                "/dashboard/why?from={}/10.100.0.10&to=10.0.128.10&protocol=tcp&port=80",
                self.vpc
            ),
            // A remedy, and what it will change.
            self.question(),
            "/dashboard/audit".to_owned(),
            "/dashboard/keys".to_owned(),
            SECOND_FACTOR.to_owned(),
            "/dashboard/search".to_owned(),
            "/dashboard/search?q=10.".to_owned(),
            "/dashboard/search?q=nowhere".to_owned(),
            "/dashboard/no-such-page".to_owned(),
        ];
        let of = |who, pages: &[&str]| -> Vec<(Who, String)> {
            pages.iter().map(|page| (who, (*page).to_owned())).collect()
        };
        let everybodys = everybodys.into_iter().map(|page| (Who::Everybody, page));
        [
            of(Who::Nobody, &nobodys),
            everybodys.collect(),
            of(Who::Operator, &operators),
            of(Who::Newcomer, &[SECOND_FACTOR]),
        ]
        .concat()
    }

    /// Why the instance does not reach the space: the VPC's owner has to add a route.
    fn question(&self) -> String {
        let (space, _) = self.stage.other_side();
        format!("/dashboard/why?from={}&to={space}/10.0.128.10&protocol=tcp&port=80", self.instance)
    }

    /// Has each page looked at by whom it is for, in a language; everything that was found on them.
    #[track_caller]
    fn look(&self, locale: &str, find: fn(&Person<'_>, &str, &mut Vec<String>)) {
        let browser = Browser::start();
        let options = || json!({ "locale": locale });
        let nobody = browser.person_with(&self.stage.server, "nobody", options());
        let everybody = self.everybody(&browser, options());
        let operator = browser.person_with(&self.stage.server, "the operator", options());
        operator.enter_token(&self.stage.operator());
        let newcomer = browser.person_with(&self.stage.server, "the newcomer", options());
        newcomer.enter_to_enrol(&self.newcomer);
        let mut found = Vec::new();
        let mut pages = self.pages();
        // A command waits there for as long as the pages are looked at.
        pages.push((Who::Everybody, nobody.begin_log_in()));
        for (who, page) in pages {
            let person = match who {
                Who::Nobody => &nobody,
                Who::Everybody => &everybody,
                Who::Operator => &operator,
                Who::Newcomer => &newcomer,
            };
            person.open(&page);
            find(person, &page, &mut found);
        }
        // What follows a form, which no address leads to, and what the page is afterwards.
        newcomer.enable_second_factor(&self.stage.server);
        find(&newcomer, "the recovery codes", &mut found);
        newcomer.open(SECOND_FACTOR);
        find(&newcomer, "a second factor that is enabled", &mut found);
        assert!(found.is_empty(), "{}", found.join("\n\n"));
        browser.end();
    }

    /// Somebody who sees both sides.
    fn everybody<'a>(&self, browser: &'a Browser, options: Value) -> Person<'a> {
        let person = browser.person_with(&self.stage.server, "everybody", options);
        let (key, secret) = self.stage.key();
        person.enter_token(&self.stage.admin());
        person.enter_key(&key, &secret);
        person
    }
}

/// For whom a page is.
#[derive(Clone, Copy)]
enum Who {
    /// Who is not signed in.
    Nobody,
    /// Who sees both sides.
    Everybody,
    Operator,
    /// Who has yet to enable a second factor.
    Newcomer,
}

const SECOND_FACTOR: &str = "/dashboard/second-factor";

const JAPANESE: &str = "ja-JP";

/// Looks at the page that is open with axe-core, in light and dark, and on a narrow screen with its menu
/// open.
fn find_barriers(person: &Person<'_>, page: &str, found: &mut Vec<String>) {
    let code = r"
        const found = [];
        for (const [width, height] of [[1280, 800], [360, 740]]) {
          await page.setViewportSize({ width, height });
          for (const colorScheme of ['light', 'dark']) {
            await page.emulateMedia({ colorScheme });
            for (const barrier of await axe()) found.push(`${width} ${colorScheme}: ${barrier}`);
          }
        }
        const menu = page.locator('.b.menu');
        if (await menu.count()) {
          await menu.click();
          await page.locator('#nav:popover-open').waitFor();
          for (const barrier of await axe()) found.push(`menu: ${barrier}`);
        }
        await page.setViewportSize({ width: 1280, height: 800 });
        return found;";
    let barriers = person.run(code, json!(null));
    found.extend(barriers.as_array().unwrap().iter().map(|barrier| format!("{page} {barrier}")));
}

#[test]
fn no_page_has_a_barrier_in_english() {
    World::set_up().look("en-GB", find_barriers);
}

#[test]
fn no_page_has_a_barrier_in_japanese() {
    World::set_up().look(JAPANESE, find_barriers);
}

/// What is wider than the screen: everything but what scrolls by itself.
fn find_wide(person: &Person<'_>, page: &str, found: &mut Vec<String>) {
    let code = r"
        const found = [];
        for (const width of [320, 360, 401, 701, 1001, 1121, 1241, 1310, 1920]) {
          await page.setViewportSize({ width, height: 800 });
          const wide = await page.evaluate(() => {
            const root = document.documentElement;
            if (root.scrollWidth <= root.clientWidth) return null;
            const beyond = [...document.querySelectorAll('body *')].filter((one) =>
              one.getBoundingClientRect().right > root.clientWidth + 0.5);
            return `${root.scrollWidth} px: ${beyond.slice(-3).map((one) => one.outerHTML.slice(0, 200))}`;
          });
          if (wide) found.push(`at ${width}: ${wide}`);
        }
        return found;";
    let wide = person.run(code, json!(null));
    found.extend(wide.as_array().unwrap().iter().map(|wide| format!("{page} {wide}")));
}

#[test]
fn no_page_scrolls_sideways_from_320_px_on_in_english() {
    World::with_long_names().look("en-US", find_wide);
}

#[test]
fn no_page_scrolls_sideways_from_320_px_on_in_japanese() {
    World::with_long_names().look(JAPANESE, find_wide);
}

/// The language that the page says it is in, and that of its heading.
fn language(person: &Person<'_>) -> (String, bool) {
    let code = "return [await page.locator('html').getAttribute('lang'), \
                /[\\u3040-\\u30ff\\u4e00-\\u9fff]/.test(await page.locator('h1').textContent())]";
    let said = person.run(code, json!(null));
    (said[0].as_str().unwrap().to_owned(), said[1].as_bool().unwrap())
}

#[test]
fn a_page_speaks_the_language_of_the_browser_or_the_one_that_was_chosen() {
    let world = World::set_up();
    let browser = Browser::start();
    let ask = format!("/dashboard/vpcs/{}/ask", world.vpc);
    for (name, locale, own, other, switch) in
        [("a reader", JAPANESE, "ja", "en", "English"), ("another", "en-US", "en", "ja", "日本語")]
    {
        let options = json!({ "locale": locale });
        let person = browser.person_with(&world.stage.server, name, options);
        person.open("/dashboard/sign-in");
        assert_eq!(language(&person), (own.to_owned(), own == "ja"));
        person.enter_token(&world.stage.admin());
        let (key, secret) = world.stage.key();
        person.enter_key(&key, &secret);
        person.open(&ask);
        assert_eq!(language(&person), (own.to_owned(), own == "ja"));
        person.press_button(switch);
        let lang = format!("html[lang={other}]");
        person.run("await page.locator(args).waitFor()", json!(lang));
        assert_eq!(language(&person), (other.to_owned(), other == "ja"));
        assert_eq!(person.path(), ask, "one stays where one was");
        person.open("/dashboard");
        assert_eq!(language(&person), (other.to_owned(), other == "ja"), "it is kept");
    }
    browser.end();
}

/// Presses the tabulator until the focus is on what has a name. Everything on the way must show that it
/// has the focus, and be in the window.
#[track_caller]
fn tab_to(person: &Person<'_>, name: &str) {
    let code = r"
        const passed = [];
        for (let n = 0; n < 200; n += 1) {
          await page.keyboard.press('Tab');
          const focused = await page.evaluate(() => {
            const one = document.activeElement;
            if (one === document.body) return null;
            const name = (one.getAttribute('aria-label') ?? (one.labels?.[0] ?? one).textContent).trim();
            const style = getComputedStyle(one);
            const box = one.getBoundingClientRect();
            const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
            const shown = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
            return { name, inside, shown };
          });
          if (focused) {
            passed.push(focused.name);
            if (!focused.inside || !focused.shown) throw new Error(`the focus is not seen: ${JSON.stringify(focused)}`);
            if (focused.name === args) return;
          }
        }
        throw new Error(`${args} is not among: ${passed.join(' | ')}`);";
    person.run(code, json!(name));
}

#[track_caller]
fn press(person: &Person<'_>, key: &str) {
    person.run("await page.keyboard.press(args)", json!(key));
}

#[test]
fn the_keyboard_alone_does_it() {
    let world = World::set_up();
    let browser = Browser::start();
    let admin = browser.person(&world.stage.server, "the admin");
    // The field has the focus, and Enter sends the form.
    admin.open("/dashboard/sign-in");
    admin.run("await page.keyboard.type(args)", json!(world.stage.admin()));
    press(&admin, "Enter");
    admin.see_heading("What waits for you");

    // The first thing that has the focus leads past the navigation.
    tab_to(&admin, "Skip to the content");
    press(&admin, "Enter");
    let path = format!("/dashboard/spaces/blue/peerings/{}", world.asked);
    let review = "await until('the focus is on the review', async () => { \
                    await page.keyboard.press('Tab'); \
                    return page.evaluate((path) => document.activeElement.pathname === path, args); })";
    admin.run(review, json!(path));
    let navigation = "return page.evaluate(() => document.activeElement.closest('main') !== null)";
    assert_eq!(admin.run(navigation, json!(null)), true, "in the content");
    press(&admin, "Enter");
    admin.see_heading("Accept the request from");
    tab_to(&admin, "Accept");
    press(&admin, "Enter");
    admin.see(&format!("{} is accepted", world.asked));

    // Destroying, too.
    tab_to(&admin, &format!("Destroy… {}", world.active));
    press(&admin, "Enter");
    admin.see_heading("Destroy the peering with");
    tab_to(&admin, &format!("Type {} to go on", world.active));
    admin.run("await page.keyboard.type(args)", json!(world.active));
    press(&admin, "Enter");
    admin.see(&format!("{} is being destroyed", world.active));

    // A slash leads to the search, from anywhere but where one types.
    press(&admin, "/");
    admin.run("await page.keyboard.type(args)", json!("10.0.0.0/16"));
    press(&admin, "Enter");
    admin.see_heading("Find");
    // Who speaks to the computer turns that off, and on again.
    tab_to(&admin, "Turn it off");
    press(&admin, "Enter");
    admin.see("does nothing of its own");
    press(&admin, "/");
    let focused = "return page.evaluate(() => document.activeElement.id)";
    assert_ne!(admin.run(focused, json!(null)), "q", "the key does nothing");
    tab_to(&admin, "Let it lead to the search");
    press(&admin, "Enter");
    admin.see("leads to the search from every page");
    press(&admin, "/");
    assert_eq!(admin.run(focused, json!(null)), "q");
    tab_to(&admin, "blue");
    press(&admin, "Enter");
    admin.see_heading("blue");

    // The menu of a narrow screen opens, and closes again.
    admin.run("await page.setViewportSize({ width: 360, height: 740 })", json!(null));
    admin.open("/dashboard");
    tab_to(&admin, "Menu");
    press(&admin, "Enter");
    admin.run("await page.locator('#nav:popover-open').waitFor()", json!(null));
    tab_to(&admin, "Home");
    press(&admin, "Escape");
    admin
        .run("await page.locator('#nav:popover-open').waitFor({ state: 'detached' })", json!(null));
    let back = "return page.evaluate(() => document.activeElement.textContent.trim())";
    assert_eq!(admin.run(back, json!(null)), "Menu", "the focus is where it was");
    press(&admin, "Enter");
    tab_to(&admin, "Sign out");
    press(&admin, "Enter");
    admin.see_heading("Sign in");
    browser.end();
}
