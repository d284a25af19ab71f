//! Odd moments in the lives of dyno and service: none may cost a place, a request or a name.

use std::collections::BTreeMap;

use super::fixture::*;
use super::shop::*;
use crate::PlatformCommand as C;
use crate::edge::EdgeEvent;
use crate::*;

fn one(id: DynoId) -> DynoSelection {
    DynoSelection::One(id)
}

#[test]
fn a_dyno_on_its_way_out_is_not_restarted() {
    let mut shop = Shop::deployed();
    shop.start_all();
    let old = shop.holder("web.1").id;
    shop.set("A", Some("1"));
    let new = shop.holder("web.1").id;
    let reply = shop.ok(C::RestartDynos { app: shop.app, which: one(old) });
    assert_eq!(reply.main(), Some(Key::Dyno(old)));
    assert_eq!((shop.holder("web.1").id, shop.dynos().len()), (new, 2));
    shop.start_all();
    shop.scale("web", Quantity::To(0));
    assert_eq!(shop.dyno(new).state, DynoState::Draining);
    shop.ok(C::RestartDynos { app: shop.app, which: one(new) });
    assert!(shop.places().is_empty(), "its place is gone");
}

#[test]
fn a_crashed_dyno_keeps_its_place_however_long_nobody_looked() {
    let mut shop = Shop::deployed();
    let web = shop.holder("web.1").id;
    shop.observe(web, WorkloadReport::Ended(Exit::Code(1)));
    shop.town.bench.pass(DAY);
    shop.tick();
    assert_eq!(shop.holder("web.1").state, DynoState::Starting);
    assert_eq!(shop.dynos().len(), 1, "its time to be looked at is over");
}

#[test]
fn a_stop_ends_what_runs_on_in_a_place_too() {
    let mut shop = Shop::deployed();
    shop.start_all();
    let first = shop.holder("web.1").id;
    shop.set("A", Some("1"));
    let second = shop.holder("web.1").id;
    shop.ok(C::StopDynos { app: shop.app, which: DynoSelection::Type("web".to_owned()) });
    assert_eq!([first, second].map(|id| shop.dyno(id).state), [DynoState::Stopping; 2]);
    shop.observe(first, WorkloadReport::Gone);
    assert_eq!(shop.holder("web.1").id, second, "it has the place until it has ended");
    shop.observe(second, WorkloadReport::Gone);
    assert_eq!(shop.holder("web.1").state, DynoState::Starting);
    assert_eq!(shop.dynos().iter().filter(|dyno| !dyno.state.ended()).count(), 1);
}

#[test]
fn the_edge_speaks_of_web_dynos_alone() {
    let mut shop = Shop::deployed();
    shop.scale("worker", Quantity::To(1));
    let worker = shop.holder("worker.1").id;
    shop.edge(EdgeEvent::Bound(worker));
    assert_eq!(shop.dyno(worker).state, DynoState::Starting);
}

#[test]
fn process_types_differ_in_dns_too() {
    let mut shop = Shop::new();
    for names in [["web_a", "web-a"], ["Web", "web"], ["web", "RUN"], ["web", "a-"], ["web", "_a"]]
    {
        let create = C::CreateSlug {
            app: shop.app,
            process_types: types(&names.map(|name| (name, "serve"))),
            commit: None,
            checksum: None,
        };
        assert_eq!(shop.refused(create).code, Code::InvalidParameterValue, "{names:?}");
    }
    shop.announced(&[("web", "serve"), ("web_a", "serve"), ("a-1", "serve")]);
}

/// Takes every address of the space's dynos but a few.
fn crowd(shop: &mut Shop, free: u32) {
    let space = shop.town.space();
    for id in space.dyno_subnets {
        let subnet = Subnet::clone(shop.town.bench.world.subnet(id).unwrap());
        let part = subnet.cidr.subnet(28, 0).unwrap();
        // A smaller block than any space has, with as many addresses as are to be free.
        assert!(free <= 11);
        shop.town.bench.world.apply(&Change::Put(Subnet { cidr: part, ..subnet }.into()));
    }
}

#[test]
fn where_addresses_are_short_what_has_ended_gives_its_own() {
    let mut shop = Shop::deployed();
    crowd(&mut shop, 11);
    // Two blocks of eleven addresses each; one is taken.
    shop.scale("web", Quantity::To(11));
    shop.start_all();
    for round in 0..12 {
        let id = shop.holder("web.1").id;
        shop.observe(id, WorkloadReport::Ended(Exit::Code(1)));
        shop.town.bench.pass(5 * MINUTE);
        shop.tick();
        assert_ne!(shop.holder("web.1").id, id, "{round}");
    }
    let refused = shop.refused(C::Scale {
        app: shop.app,
        updates: vec![FormationUpdate {
            process_type: "worker".to_owned(),
            quantity: Some(Quantity::To(12)),
            size: None,
        }],
    });
    assert_eq!(refused.code, Code::LimitExceeded);
    assert!(refused.message.contains("acme has no address left"), "{refused}");

    let run = |shop: &mut Shop| {
        shop.ok(C::StartDyno {
            app: shop.app,
            command: "sleep".to_owned(),
            size: None,
            environment: BTreeMap::new(),
            stdio: Stdio::Log,
        });
    };
    (0..11).for_each(|_| run(&mut shop));
    let id = shop.holder("web.2").id;
    shop.observe(id, WorkloadReport::Ended(Exit::Code(1)));
    shop.town.bench.pass(MINUTE);
    shop.tick();
    let again = shop.holder("web.2");
    assert_eq!(again.state, DynoState::Starting, "it has the address of the one before");
    assert!(shop.town.bench.world.dyno(id).is_some(), "whose output is kept");
}

fn addon(shop: &mut Shop) -> AddonId {
    let create = C::CreateAddon {
        app: shop.app,
        plan: plan_of("heroku-postgresql").into(),
        name: None,
        password: "s3cret".to_owned(),
    };
    let Some(Key::Addon(id)) = shop.ok(create).main() else { panic!("no add-on") };
    id
}

#[test]
fn an_apps_environment_says_what_its_add_ons_say() {
    let mut shop = Shop::deployed();
    let before = shop.release().id;
    addon(&mut shop);
    let url = shop.app().config["DATABASE_URL"].clone();
    let change = |value: Option<&str>| C::SetConfig {
        app: shop.app,
        changes: [("DATABASE_URL".to_owned(), value.map(str::to_owned))].into(),
    };
    for command in [change(None), change(Some("mine"))] {
        let refused = shop.refused(command);
        assert_eq!(refused.code, Code::InvalidParameterValue);
        assert!(refused.message.contains("attachment values DATABASE_URL"), "{refused}");
    }
    shop.ok(C::Rollback { app: shop.app, release: before });
    assert_eq!(shop.app().config["DATABASE_URL"], url, "the add-on is still there");
    assert_eq!(shop.release().config, shop.app().config);
}

#[test]
fn a_service_that_ran_for_long_starts_its_series_of_crashes_anew() {
    let mut shop = Shop::deployed();
    let id = addon(&mut shop);
    let report = |shop: &mut Shop, report: WorkloadReport| {
        let workloads = [(WorkloadId::Service(id), report)].into();
        let seen = Observation { workloads, ..Observation::default() };
        shop.town.bench.ok(Caller::System, SystemCommand::Observe(seen));
        Addon::clone(shop.town.bench.world.addon(id).unwrap())
    };
    let ended = || WorkloadReport::Ended(Exit::Code(1));
    for n in 0..5 {
        report(&mut shop, WorkloadReport::Running);
        let addon = report(&mut shop, ended());
        assert_eq!((addon.crashes, addon.attempt), (n, n));
        shop.town.bench.pass(10 * MINUTE);
        shop.tick();
    }
    report(&mut shop, WorkloadReport::Running);
    shop.town.bench.pass(10 * MINUTE);
    let addon = report(&mut shop, ended());
    assert_eq!((addon.crashes, addon.attempt), (0, 5));
    let now = shop.town.bench.now;
    assert_eq!(shop.town.bench.world.next_deadline(), Some(now + MINUTE / 60));
    shop.town.bench.pass(MINUTE);
    shop.tick();
    let attempt = plan(&shop.town.bench.world, now).workloads.0[&WorkloadId::Service(id)].attempt;
    assert_eq!(attempt, 6, "always another one, so that it is started");
}

#[test]
fn code_goes_with_the_last_release_of_it() {
    let mut shop = Shop::deployed();
    let (first, release) = (shop.release().slug.unwrap(), shop.app().release);
    let web = shop.holder("web.1").id;
    let second = shop.slug(&[("worker", "work")]);
    shop.ok(C::CreateRelease { app: shop.app, slug: second, description: None });
    shop.observe(web, WorkloadReport::Gone);
    let has = |shop: &Shop, slug| shop.town.bench.world.slug(slug).is_some();
    for n in 0..97 {
        shop.set("N", Some(&n.to_string()));
    }
    assert!(has(&shop, first) && shop.town.bench.world.release(release).is_some());
    for n in 0..3 {
        shop.set("M", Some(&n.to_string()));
    }
    assert!(!has(&shop, first) && has(&shop, second));
    // One from before this was kept apart is known for what it is when its time comes.
    let slug = Slug::clone(shop.town.bench.world.slug(second).unwrap());
    shop.town.bench.world.apply(&Change::Put(Slug { released: false, ..slug }.into()));
    shop.town.bench.pass(DAY);
    shop.tick();
    assert!(shop.town.bench.world.slug(second).unwrap().released);
}
