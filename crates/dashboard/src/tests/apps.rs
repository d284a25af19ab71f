//! The pages of apps, and of what of a space belongs to its apps.

use model::edge::Domains;
use model::{
    Addon, App, Caller, Cidr, Exit, FormationUpdate, InboundAction, InboundRule, Key, Observation,
    Plan, PlatformCommand, Quantity, SlugId, StoredCode, SystemCommand, Timestamp, WorkloadId,
    WorkloadReport,
};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::check;
use super::stage::{Seen, Stage};
use crate::*;

const VALUE: &str = "s3cr3t-<value>";

impl Stage {
    fn as_bob(&self) -> Caller {
        Caller::User(self.member().user.unwrap())
    }

    /// An app without code.
    fn make_app(&mut self, name: &str) -> Arc<App> {
        let (space, name) = (self.space().id, Some(name.to_owned()));
        let create = PlatformCommand::CreateApp { name, space, internal_routing: false };
        match self.run(self.as_bob(), create) {
            Some(Key::App(id)) => Arc::clone(self.world.app(id).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    fn app(&self) -> Arc<App> {
        Arc::clone(self.world.app_named("shop").unwrap())
    }

    /// Releases code with these process types.
    fn deploy(&mut self, types: &[(&str, &str)]) {
        let app = self.app().id;
        let process_types =
            types.iter().map(|(name, line)| ((*name).to_owned(), (*line).to_owned())).collect();
        let create =
            PlatformCommand::CreateSlug { app, process_types, commit: None, checksum: None };
        let slug: SlugId = match self.run(self.as_bob(), create) {
            Some(Key::Slug(id)) => id,
            other => panic!("{other:?}"),
        };
        let stored = StoredCode { size: 1, ..StoredCode::default() };
        self.run(Caller::System, SystemCommand::StoreSlug { slug, stored });
        let release = PlatformCommand::CreateRelease { app, slug, description: None };
        self.run(self.as_bob(), release);
    }

    fn set_config(&mut self, name: &str, value: &str) {
        let changes = [(name.to_owned(), Some(value.to_owned()))].into_iter().collect();
        let app = self.app().id;
        self.run(self.as_bob(), PlatformCommand::SetConfig { app, changes });
    }

    /// What the agent says of the app's dynos.
    fn report(&mut self, report: &WorkloadReport) {
        let dynos = self.world.shown_dynos(self.app().id);
        let workloads = dynos.map(|dyno| (WorkloadId::Dyno(dyno.id), report.clone())).collect();
        let seen = Observation { workloads, ..Observation::default() };
        self.run(Caller::System, SystemCommand::Observe(seen));
    }

    /// A running app with a worker, a config var and a release command.
    fn shop() -> Self {
        let mut stage = Self::new();
        stage.make_app("shop");
        stage.deploy(&[("web", "serve --port $PORT"), ("worker", "work <hard>")]);
        let app = stage.app().id;
        let update = FormationUpdate {
            process_type: "worker".to_owned(),
            quantity: Some(Quantity::To(1)),
            size: None,
        };
        let scale = PlatformCommand::Scale { app, updates: vec![update] };
        stage.run(stage.as_bob(), scale);
        stage.set_config("SECRET_KEY", VALUE);
        stage.report(&WorkloadReport::Running);
        stage
    }

    /// A page of the app.
    fn part(&self, seen: Seen, part: AppPart, page: &DynosPage<'_>) -> String {
        let (space, app) = (self.space(), self.app());
        let path = app_part_path(&space, &app, part);
        let of = self.context(seen, &path);
        let domains = Domains::default();
        let url = "http://shop.example/";
        let served = Served { space: &space, app: &app, domains: &domains, url };
        match part {
            AppPart::Dynos => app_dynos(&of, &served, page),
            AppPart::Releases => app_releases(&of, &served, None),
            AppPart::Config => app_config(&of, &served, false),
            AppPart::Domains => app_domains(&of, &served),
            AppPart::Services => app_services(&of, &served),
        }
        .unwrap()
    }

    fn dynos(&self, seen: Seen) -> String {
        self.part(seen, AppPart::Dynos, &DynosPage::default())
    }

    fn revealed(&self, seen: Seen) -> String {
        let (space, app) = (self.space(), self.app());
        let path = app_part_path(&space, &app, AppPart::Config);
        let (domains, url) = (Domains::default(), "");
        let served = Served { space: &space, app: &app, domains: &domains, url };
        app_config(&self.context(seen, &path), &served, true).unwrap()
    }

    fn apps(&self, seen: Seen) -> String {
        let space = self.space();
        let path = apps_path(&space);
        apps(&self.context(seen, &path), &space, &Domains::default()).unwrap()
    }

    fn trusted(&self, seen: Seen) -> String {
        let space = self.space();
        let path = trusted_ips_path(&space);
        trusted_ips(&self.context(seen, &path), &space).unwrap()
    }
}

fn lines() -> Vec<LogLine> {
    let at: Timestamp = "2016-09-19T22:57:33Z".parse().unwrap();
    let line = |process: &str, text: &str| LogLine {
        at,
        process: process.to_owned(),
        text: text.to_owned(),
    };
    vec![line("web.1", "Listening <on> all"), line("router", "GET / 200")]
}

#[test]
fn every_page_of_an_app_is_whole_in_both_languages() {
    let mut empty = Stage::new();
    empty.make_app("shop");
    let shop = Stage::shop();
    let mut crashed = Stage::shop();
    crashed.report(&WorkloadReport::Ended(Exit::Code(3)));
    for language in Language::ALL {
        for stage in [&empty, &shop, &crashed] {
            let seen = Seen { language, viewer: stage.member(), theme: None };
            let mut pages = vec![stage.apps(seen), stage.trusted(seen), stage.revealed(seen)];
            let lines = lines();
            let log = LogShown { lines: &lines, position: "1-1", ..LogShown::default() };
            let told = AppTold::RestartedAll;
            for page in [
                DynosPage::default(),
                DynosPage { log, told: Some(&told), refused: None },
                DynosPage { log, told: None, refused: Some(&Refusal::QuantityUnreadable) },
            ] {
                pages.extend(AppPart::ALL.map(|part| stage.part(seen, part, &page)));
            }
            for page in pages {
                check(&page);
                assert!(page.contains(&format!("<html lang=\"{}\"", language.code())), "{page}");
                assert_eq!(page.matches("<h1").count(), 1, "{page}");
                assert_eq!(page.matches("class=\"tabs\"").count(), 1, "{page}");
            }
        }
    }
}

#[test]
fn a_space_without_apps_says_what_to_do_first_and_one_with_them_shows_each() {
    let stage = Stage::new();
    let page = stage.apps(stage.seen());
    assert!(page.contains("No app yet.") && page.contains("heroku apps:create"), "{page}");
    let stage = Stage::shop();
    let page = stage.apps(stage.seen());
    for needed in ["/dashboard/spaces/alpha/apps/shop\"", "1 of 2 dynos up", ">v3<", "shop-"] {
        assert!(page.contains(needed), "{needed} is not in {page}");
    }
    assert!(!page.contains("No app yet."), "{page}");
    // The network's page leads there.
    let network = stage.network(stage.seen(), None);
    assert!(network.contains("\"/dashboard/spaces/alpha/apps\""), "{network}");
}

#[test]
fn an_app_shows_its_dynos_processes_and_log() {
    let stage = Stage::shop();
    let lines = lines();
    let log =
        LogShown { lines: &lines, position: "7-2", process: Some("web"), ..LogShown::default() };
    let page = stage.part(stage.seen(), AppPart::Dynos, &DynosPage { log, ..DynosPage::default() });
    for needed in [
        ">web.1<",
        ">worker.1<",
        "serve --port $PORT",
        "work &#60;hard&#62;",
        "name=\"quantity\"",
        "value=\"restart-all\"",
        "22:57:33.000",
        "Listening &#60;on&#62; all",
        "data-stream=\"/dashboard/spaces/alpha/apps/shop/log?from=7-2&#38;dyno=web\"",
        "<option selected>web</option>",
    ] {
        assert!(page.contains(needed), "{needed} is not in {page}");
    }
    let mut empty = Stage::new();
    empty.make_app("shop");
    let page = empty.dynos(empty.seen());
    assert!(page.contains("No code yet.") && page.contains("causeway deploy"), "{page}");
    for absent in ["name=\"quantity\"", "restart-all", "data-copy=\"heroku ps:scale"] {
        assert!(!page.contains(absent), "{absent} is in {page}");
    }
}

#[test]
fn a_dyno_that_crashed_says_how_it_ended_and_when_it_is_tried_again() {
    for (exit, said) in [
        (Exit::Code(3), "ended with status 3"),
        (Exit::Signal(9), "ended by signal 9"),
        (Exit::OutOfMemory, "took more memory than its size has"),
        (Exit::Failed("There is no <shell>.".to_owned()), "There is no &lt;shell&gt;."),
    ] {
        let mut stage = Stage::shop();
        stage.report(&WorkloadReport::Ended(exit));
        let page = stage.dynos(stage.seen());
        assert!(page.contains(said) && page.contains("tried again in"), "{said}: {page}");
    }
}

#[test]
fn values_of_config_vars_are_in_no_page_but_the_one_that_was_asked_for() {
    let stage = Stage::shop();
    let escaped = "s3cr3t-&#60;value&#62;";
    for language in Language::ALL {
        let seen = Seen { language, ..stage.seen() };
        let mut pages: Vec<_> =
            AppPart::ALL.map(|part| stage.part(seen, part, &DynosPage::default())).to_vec();
        pages.extend([stage.apps(seen), stage.home(seen), stage.network(seen, None)]);
        for page in pages {
            assert!(!page.contains("s3cr3t"), "{page}");
        }
        let page = stage.part(seen, AppPart::Config, &DynosPage::default());
        assert!(page.contains("SECRET_KEY") && page.contains("value=\"reveal\""), "{page}");
        let page = stage.revealed(seen);
        assert!(page.contains(escaped) && !page.contains(VALUE), "{page}");
        // A change of the app does not take away what somebody reads.
        assert!(!page.contains("data-live=\"config\""), "{page}");
    }
}

#[test]
fn releases_are_shown_newest_first_and_in_parts() {
    let mut stage = Stage::shop();
    for n in 0..60 {
        stage.set_config("N", &format!("{n}"));
    }
    let (space, app) = (stage.space(), stage.app());
    let path = app_part_path(&space, &app, AppPart::Releases);
    let of = stage.context(stage.seen(), &path);
    let (domains, url) = (Domains::default(), "");
    let served = Served { space: &space, app: &app, domains: &domains, url };
    let newest = app_releases(&of, &served, None).unwrap();
    assert_eq!(newest.matches("<tr role=\"row\"").count(), 51, "{newest}");
    assert!(newest.contains(">v63 <b>current</b>") && newest.contains("?before=14\""), "{newest}");
    assert!(newest.contains("bob@example.com"), "{newest}");
    let older = app_releases(&of, &served, Some(14)).unwrap();
    assert_eq!(older.matches("<tr role=\"row\"").count(), 14, "{older}");
    assert!(!older.contains("?before=") && older.contains("Newest"), "{older}");
    assert!(older.contains("without code"), "{older}");
}

#[test]
fn domains_and_data_services_are_shown_or_how_to_get_one() {
    let mut stage = Stage::shop();
    let part = |stage: &Stage, part| stage.part(stage.seen(), part, &DynosPage::default());
    let page = part(&stage, AppPart::Domains);
    assert!(page.contains("No domain of your own yet.") && page.contains("domains:add"), "{page}");
    let page = part(&stage, AppPart::Services);
    assert!(page.contains("No data service yet.") && page.contains("addons:create"), "{page}");
    let app = stage.app().id;
    let hostname = "www.example.com".to_owned();
    stage.run(stage.as_bob(), PlatformCommand::AddDomain { app, hostname });
    let plan = Plan {
        service: "heroku-redis".to_owned(),
        plan: "mini".to_owned(),
        description: String::new(),
        port: 6379,
        command: "redis".to_owned(),
        image: None,
        mounts: Vec::new(),
        data: Plan::DATA.to_owned(),
        environment: BTreeMap::new(),
        config: [("REDIS_URL".to_owned(), "redis://:{password}@{host}:{port}".to_owned())].into(),
        memory: None,
        disk: None,
        backup: None,
        restore: None,
    };
    let (plan, name) = (Box::new(plan), Some("cache-1".to_owned()));
    let password = "p4ssw0rd-of-redis".to_owned();
    stage.run(stage.as_bob(), PlatformCommand::CreateAddon { app, plan, name, password });
    let page = part(&stage, AppPart::Domains);
    assert!(page.contains(">www.example.com<") && !page.contains("No domain of"), "{page}");
    let page = part(&stage, AppPart::Services);
    for needed in ["cache-1", "heroku-redis:mini", "REDIS_URL", ">REDIS<"] {
        assert!(page.contains(needed), "{needed} is not in {page}");
    }
    assert!(!page.contains("p4ssw0rd"), "{page}");
    let page = part(&stage, AppPart::Config);
    assert!(page.contains("from <b>cache-1</b>") && !page.contains("p4ssw0rd"), "{page}");
    let addons: Vec<&Arc<Addon>> = stage.world.addons_of(Key::App(app)).collect();
    assert_eq!(addons.len(), 1);
}

#[test]
fn trusted_ips_are_shown_with_what_they_come_to() {
    let mut stage = Stage::new();
    let page = stage.trusted(stage.seen());
    assert!(page.contains("Every address may") && page.contains("Never set"), "{page}");
    assert!(page.contains("trusted-ips:add"), "{page}");
    let member = Seen { viewer: stage.member(), ..stage.seen() };
    let page = stage.trusted(member);
    assert!(!page.contains("trusted-ips:add") && page.contains("Only admins"), "{page}");
    let rule = |action, source: &str| InboundRule { action, source: source.parse().unwrap() };
    let space = stage.space().id;
    let admin = Caller::User(stage.admin().user.unwrap());
    let allowed = rule(InboundAction::Allow, "192.0.2.0/24");
    let rules = vec![allowed, rule(InboundAction::Deny, "192.0.2.128/25")];
    stage.run(admin, PlatformCommand::SetInboundRules { space, rules });
    let page = stage.trusted(stage.seen());
    for needed in ["192.0.2.0/24", "192.0.2.128/25", "deny", "alice@example.com"] {
        assert!(page.contains(needed), "{needed} is not in {page}");
    }
    assert!(!page.contains("Every address may") && !page.contains("No address may"), "{page}");
    let rules = vec![InboundRule { action: InboundAction::Deny, source: Cidr::ANY }];
    stage.run(admin, PlatformCommand::SetInboundRules { space, rules });
    assert!(stage.trusted(stage.seen()).contains("No address may"));
}

#[test]
fn what_was_done_with_an_app_is_told_and_nothing_else_that_an_address_says() {
    let stage = Stage::shop();
    for told in [
        AppTold::RestartedAll,
        AppTold::Restarted("web.1".to_owned()),
        AppTold::Stopped("worker.1".to_owned()),
        AppTold::Scaled("worker".to_owned()),
    ] {
        let query = told.query();
        let (what, name) = query.split_once('=').unwrap_or((&query, ""));
        assert_eq!(AppTold::read(what, name).as_ref(), Some(&told));
        let page = DynosPage { told: Some(&told), ..DynosPage::default() };
        let page = stage.part(stage.seen(), AppPart::Dynos, &page);
        assert!(page.contains("note ok"), "{query}: {page}");
    }
    for (what, name) in
        [("restarted", ""), ("restarted-all", "x"), ("restarted", "<b>"), ("x", "y")]
    {
        assert_eq!(AppTold::read(what, name), None, "{what}={name}");
    }
    // A name that no dyno has is not told of.
    for told in [AppTold::Restarted("ghost.1".to_owned()), AppTold::Scaled("ghost".to_owned())] {
        let page = DynosPage { told: Some(&told), ..DynosPage::default() };
        let page = stage.part(stage.seen(), AppPart::Dynos, &page);
        assert!(!page.contains("ghost"), "{page}");
    }
}
