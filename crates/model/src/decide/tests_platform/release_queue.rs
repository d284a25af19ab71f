//! What runs before a release is current, and what becomes of the release.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fixture::*;
use super::shop::*;
use crate::PlatformCommand as C;
use crate::*;

const MIGRATE: (&str, &str) = ("release", "migrate");
const HOUR: Duration = Duration::from_secs(3600);

/// A shop whose code has a release command, deployed as v2.
fn shop() -> Shop {
    let mut shop = Shop::new();
    deploy(&mut shop, &[("web", "serve"), ("worker", "work"), MIGRATE]);
    end(&mut shop, Exit::Code(0));
    shop.start_all();
    assert_eq!(shop.release().version, 2);
    shop
}

fn deploy(shop: &mut Shop, types: &[(&str, &str)]) -> ReleaseId {
    let slug = shop.slug(types);
    let made = shop.ok(C::CreateRelease { app: shop.app, slug, description: None });
    let Some(Key::Release(release)) = made.main() else { panic!("no release") };
    release
}

/// The release command that runs.
fn command(shop: &Shop) -> Option<Dyno> {
    let mut all = shop.dynos().into_iter();
    all.find(|dyno| dyno.is_release_command() && !dyno.state.ended())
}

fn end(shop: &mut Shop, exit: Exit) {
    let id = command(shop).expect("a release command runs").id;
    shop.observe(id, WorkloadReport::Running);
    shop.observe(id, WorkloadReport::Ended(exit));
}

/// The numbers and states of all releases, oldest first.
fn releases(shop: &Shop) -> Vec<(u32, &'static str)> {
    let all = shop.town.bench.world.releases_of(Key::App(shop.app));
    let mut all: Vec<_> = all.map(|release| (release.version, release.status.name())).collect();
    all.sort_unstable();
    all
}

fn numbered(shop: &Shop, version: u32) -> Release {
    Release::clone(shop.town.bench.world.release_numbered(shop.app, version).unwrap())
}

fn why(shop: &Shop, version: u32) -> String {
    match numbered(shop, version).status {
        ReleaseStatus::Failed(why) => why,
        other => panic!("v{version} is {other:?}"),
    }
}

#[test]
fn a_release_is_current_once_its_command_has_ended_well() {
    let mut shop = shop();
    let old = shop.holder("web.1");
    let slug = shop.slug(&[("web", "serve 2"), MIGRATE]);
    shop.ok(C::CreateRelease { app: shop.app, slug, description: None });
    let dyno = command(&shop).unwrap();
    assert!(dyno.name.starts_with("release.") && dyno.command == "migrate", "{dyno:?}");
    assert_eq!(numbered(&shop, 3).command, Some(dyno.id));
    let intent = plan(&shop.town.bench.world, shop.town.bench.now);
    let workload = &intent.workloads.0[&WorkloadId::Dyno(dyno.id)];
    assert_eq!((workload.slug, workload.run), (Some(slug), true), "on its code");
    assert_eq!(workload.environment["HEROKU_RELEASE_VERSION"], "v3");
    assert_eq!(workload.environment["DYNO"], dyno.name);
    assert_eq!((shop.release().version, shop.holder("web.1").id), (2, old.id));

    end(&mut shop, Exit::Code(0));
    assert_eq!(releases(&shop), [(1, "succeeded"), (2, "succeeded"), (3, "succeeded")]);
    assert_eq!((shop.release().version, shop.holder("web.1").command.as_str()), (3, "serve 2"));
    assert_eq!(shop.dyno(old.id).state, DynoState::Up, "until the new one is");
    assert_eq!(numbered(&shop, 3).settled, Some(shop.town.bench.now));
}

#[test]
fn a_command_that_fails_leaves_the_release_before_it() {
    let lost = || Exit::Failed("its process is gone".to_owned());
    for (exit, reason) in [
        (Exit::Code(3), "its release command exited with status 3"),
        (Exit::Signal(9), "its release command exited with status 137"),
        (Exit::OutOfMemory, "its release command took more memory than its size allows"),
        (lost(), "its release command did not run: its process is gone"),
    ] {
        let mut shop = shop();
        let before = shop.places();
        deploy(&mut shop, &[("web", "broken"), ("clock", "tick"), MIGRATE]);
        end(&mut shop, exit);
        assert_eq!(releases(&shop)[2..], [(3, "failed")]);
        assert_eq!(why(&shop, 3), reason);
        assert_eq!((shop.release().version, shop.places()), (2, before), "nothing was replaced");
        let scale = FormationUpdate {
            process_type: "clock".to_owned(),
            quantity: Some(Quantity::To(1)),
            size: None,
        };
        let refused = shop.refused(C::Scale { app: shop.app, updates: vec![scale] });
        assert_eq!(refused.code, Code::NotFound, "what failed to be released is not there");
        let release = numbered(&shop, 3).id;
        let refused = shop.refused(C::Rollback { app: shop.app, release });
        assert!(refused.message.contains("v3 is failed"), "{}", refused.message);
    }
}

#[test]
fn every_kind_of_release_runs_it() {
    let mut shop = shop();
    let create = |shop: &Shop| C::CreateAddon {
        app: shop.app,
        plan: plan_of("heroku-postgresql").into(),
        name: None,
        password: "s3cret".to_owned(),
    };
    let mut version = 2;
    let mut next = |shop: &mut Shop, command: C| {
        let reply = shop.ok(command);
        version += 1;
        assert_eq!(numbered(shop, version).status, ReleaseStatus::Pending, "v{version}");
        end(shop, Exit::Code(0));
        assert_eq!(shop.release().version, version);
        reply
    };
    let changes: BTreeMap<_, _> = [("KEY".to_owned(), Some("x".to_owned()))].into();
    let set = C::SetConfig { app: shop.app, changes };
    next(&mut shop, set);
    let back = C::Rollback { app: shop.app, release: numbered(&shop, 2).id };
    next(&mut shop, back);
    let provision = create(&shop);
    let Some(Key::Addon(addon)) = next(&mut shop, provision).main() else { panic!("no add-on") };
    let name = Some("CACHE".to_owned());
    let attach = C::AttachAddon { addon, app: shop.app, name };
    next(&mut shop, attach);
    let detach = C::DetachAddon { addon, app: shop.app, name: "CACHE".to_owned() };
    next(&mut shop, detach);
    next(&mut shop, C::DeleteAddon { addon });
    // What the CLI does to try a release again.
    let (slug, description) = (shop.release().slug.unwrap(), Some("Retry of v9".to_owned()));
    let again = C::CreateRelease { app: shop.app, slug, description };
    next(&mut shop, again);
    // Code without one is current at once.
    deploy(&mut shop, &[("web", "serve")]);
    assert_eq!((shop.release().version, command(&shop)), (version + 1, None));
}

#[test]
fn releases_wait_for_each_other_in_order() {
    let mut shop = shop();
    let third = shop.slug(&[("web", "serve 3"), MIGRATE]);
    shop.ok(C::CreateRelease { app: shop.app, slug: third, description: None });
    let running = command(&shop).unwrap().id;
    shop.set("KEY", Some("4"));
    let fifth = shop.slug(&[("web", "serve 5")]);
    shop.ok(C::CreateRelease { app: shop.app, slug: fifth, description: None });
    shop.set("KEY", Some("6"));
    assert_eq!(releases(&shop)[2..], [3, 4, 5, 6].map(|version| (version, "pending")));
    assert_eq!(command(&shop).unwrap().id, running, "one at a time");
    assert_eq!(shop.app().config["KEY"], "6", "what was asked for is shown");
    assert_eq!(numbered(&shop, 4).slug, Some(third), "as far as is known");

    // The fourth has the code that is there when its turn comes, not that of what failed.
    end(&mut shop, Exit::Code(1));
    assert_eq!(numbered(&shop, 4).slug, numbered(&shop, 2).slug);
    assert_eq!(command(&shop).unwrap().release, numbered(&shop, 4).id);
    end(&mut shop, Exit::Code(0));
    // The fifth and the sixth have no release command, and follow at once.
    assert_eq!(
        releases(&shop)[2..],
        [(3, "failed"), (4, "succeeded"), (5, "succeeded"), (6, "succeeded")]
    );
    assert_eq!((shop.release().version, shop.release().slug), (6, Some(fifth)));
    assert_eq!((shop.holder("web.1").command.as_str(), command(&shop)), ("serve 5", None));
}

#[test]
fn dynos_stay_on_the_current_release_while_one_waits() {
    let mut shop = shop();
    let current = shop.release().id;
    deploy(&mut shop, &[("web", "serve 2"), MIGRATE]);
    shop.scale("web", Quantity::To(2));
    shop.ok(C::RestartDynos { app: shop.app, which: DynoSelection::All });
    let (line, size) = ("bash".to_owned(), None);
    let (environment, stdio) = (BTreeMap::new(), Stdio::Log);
    shop.ok(C::StartDyno { app: shop.app, command: line, size, environment, stdio });
    let release_of = |dyno: &Dyno| (dyno.release, dyno.command == "serve 2");
    let others = shop.dynos().into_iter().filter(|dyno| !dyno.is_release_command());
    assert!(others.clone().count() >= 4);
    assert!(others.map(|dyno| release_of(&dyno)).all(|it| it == (current, false)));
    end(&mut shop, Exit::Code(0));
    assert_eq!(shop.places().into_values().map(|(_, v)| v).collect::<Vec<_>>(), [3, 3]);
}

#[test]
fn a_failed_change_of_configuration_is_in_the_next_release() {
    let mut shop = shop();
    shop.set("KEY", Some("bad"));
    end(&mut shop, Exit::Code(1));
    assert_eq!(shop.app().config["KEY"], "bad");
    assert!(!shop.release().config.contains_key("KEY"), "the dynos have it not");
    shop.set("OTHER", Some("x"));
    end(&mut shop, Exit::Code(0));
    let config = shop.release().config;
    assert_eq!((config["KEY"].as_str(), config["OTHER"].as_str()), ("bad", "x"));
}

#[test]
fn a_release_command_that_is_stopped_or_takes_too_long_has_failed() {
    let mut shop = shop();
    deploy(&mut shop, &[("web", "serve 2"), MIGRATE]);
    let id = command(&shop).unwrap().id;
    shop.observe(id, WorkloadReport::Running);
    let which = DynoSelection::Type("release".to_owned());
    shop.ok(C::StopDynos { app: shop.app, which });
    assert_eq!(releases(&shop)[2], (3, "pending"), "it has not ended yet");
    shop.observe(id, WorkloadReport::Ended(Exit::Code(0)));
    assert_eq!(why(&shop, 3), "its release command was stopped", "whatever it said");

    deploy(&mut shop, &[("web", "serve 3"), MIGRATE]);
    let id = command(&shop).unwrap().id;
    shop.observe(id, WorkloadReport::Running);
    let due = shop.town.bench.now + HOUR;
    assert_eq!(shop.town.bench.world.next_deadline(), Some(due));
    shop.town.bench.pass(HOUR);
    shop.tick();
    assert_eq!(shop.dyno(id).state, DynoState::Stopping);
    shop.observe(id, WorkloadReport::Ended(Exit::Signal(15)));
    assert_eq!(why(&shop, 4), "its release command did not end within 60 minutes");
    assert_eq!(shop.release().version, 2);

    // What it wrote can be read for a day.
    shop.town.bench.pass(23 * HOUR);
    shop.tick();
    assert!(shop.town.bench.world.dyno(id).is_some());
    shop.town.bench.pass(2 * HOUR);
    shop.tick();
    assert!(shop.town.bench.world.dyno(id).is_none());
}

#[test]
fn a_release_command_waits_for_its_space() {
    let mut town = Town::new();
    let (space, admin) = (town.space, town.admin());
    let create = C::CreateApp { name: Some("shop".to_owned()), space, internal_routing: false };
    let Some(Key::App(app)) = town.bench.ok(admin, create).main() else { panic!("no app") };
    let mut shop = Shop { town, app };
    deploy(&mut shop, &[("web", "serve"), MIGRATE]);
    assert_eq!((releases(&shop)[1], command(&shop)), ((2, "pending"), None));
    shop.town.allocate();
    assert!(command(&shop).is_some());
    end(&mut shop, Exit::Code(0));
    assert_eq!(shop.holder("web.1").state, DynoState::Starting);
}

#[test]
fn the_release_process_has_a_size_and_no_quantity() {
    let mut shop = shop();
    let update = |quantity, size: Option<&str>| C::Scale {
        app: shop.app,
        updates: vec![FormationUpdate {
            process_type: "release".to_owned(),
            quantity,
            size: size.map(str::to_owned),
        }],
    };
    let (scale, resize) = (update(Some(Quantity::By(1)), None), update(None, Some("private-m")));
    assert_eq!(shop.refused(scale).code, Code::InvalidParameterValue);
    shop.ok(resize);
    assert_eq!(command(&shop), None);
    shop.set("KEY", Some("x"));
    assert_eq!(command(&shop).unwrap().size, DynoSize::M);
}

#[test]
fn not_too_many_releases_wait_and_none_that_waits_is_forgotten() {
    let mut shop = shop();
    for n in 0..20 {
        shop.set("N", Some(&n.to_string()));
    }
    let changes = [("N".to_owned(), Some("one more".to_owned()))].into();
    let refused = shop.refused(C::SetConfig { app: shop.app, changes });
    assert_eq!(refused.code, Code::Conflict);
    assert!(refused.message.contains("ps:stop"), "{}", refused.message);
    for _ in 0..20 {
        end(&mut shop, Exit::Code(1));
    }
    for n in 0..120 {
        shop.set("N", Some(&n.to_string()));
        end(&mut shop, Exit::Code(1));
    }
    assert_eq!(shop.release().version, 2, "the current one stays, however many failed");
    assert!(shop.release().slug.is_some_and(|slug| shop.town.bench.world.slug(slug).is_some()));
    assert!(releases(&shop).len() <= 102);
}
