//! Code, configuration, and how dynos follow them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::fixture::*;
use super::shop::*;
use crate::PlatformCommand as C;
use crate::edge::{BackendState, EdgeEvent};
use crate::*;

fn domains() -> edge::Domains {
    edge::Domains::default()
}

#[test]
fn the_first_deployment_runs_one_web_dyno() {
    let mut shop = Shop::new();
    assert_eq!((shop.release().version, shop.release().slug), (1, None));
    let update = |name: &str| FormationUpdate {
        process_type: name.to_owned(),
        quantity: Some(Quantity::To(1)),
        size: None,
    };
    let scale = C::Scale { app: shop.app, updates: vec![update("web")] };
    assert_eq!(shop.refused(scale).code, Code::NotFound, "there is no code yet");
    let slug = shop.announced(&[("web", "serve")]);
    let release = C::CreateRelease { app: shop.app, slug, description: None };
    assert_eq!(shop.refused(release.clone()).code, Code::InvalidParameterValue, "not uploaded");
    let process_types = types(&[("web", "from the code"), ("worker", "work")]);
    let stored = StoredCode { size: 10, process_types, ..StoredCode::default() };
    let store = SystemCommand::StoreSlug { slug, stored };
    shop.town.bench.ok(Caller::System, store.clone());
    assert_eq!(shop.town.bench.refused(Caller::System, store).code, Code::Conflict, "only once");
    shop.ok(release);
    assert_eq!(shop.release().description, "Deploy 01234567");
    assert_eq!(shop.places(), [("web.1".to_owned(), (DynoState::Starting, 2))].into());
    assert_eq!(shop.holder("web.1").command, "serve", "what its maker said comes first");
    assert_eq!(shop.app().formation["worker"].quantity, 0);
}

#[test]
fn a_host_is_told_by_which_digest_code_is_kept_and_nothing_starts_anew_for_it() {
    let mut shop = Shop::deployed();
    let (slug, web) = (shop.release().slug.unwrap(), WorkloadId::Dyno(shop.holder("web.1").id));
    let told = |shop: &Shop| {
        let plan = plan(&shop.town.bench.world, shop.town.bench.now);
        plan.workloads.0[&web].clone()
    };
    let before = told(&shop);
    assert_eq!((before.slug, &before.blob), (Some(slug), &None), "an older version took it");
    let keep = |blob: &str| SystemCommand::KeepCode { slug, blob: blob.to_owned() };
    assert_eq!(
        shop.town.bench.refused(Caller::Operator, keep("ab")).code,
        Code::UnauthorizedOperation
    );
    shop.town.bench.ok(Caller::System, keep("ab"));
    let after = told(&shop);
    assert_eq!(after.blob.as_deref(), Some("ab"));
    assert_eq!(intent::WorkloadIntent { blob: None, ..after }, before);
    // Once is for ever.
    shop.town.bench.idle(Caller::System, keep("cd"));
    assert_eq!(told(&shop).blob.as_deref(), Some("ab"));
    let waits = shop.announced(&[("web", "serve")]);
    let keep = SystemCommand::KeepCode { slug: waits, blob: "ef".to_owned() };
    shop.town.bench.idle(Caller::System, keep);
    assert_eq!(shop.town.bench.world.slug(waits).unwrap().blob, None, "it has no code yet");
}

#[test]
fn a_web_dyno_is_up_once_it_has_bound_its_port_and_a_worker_once_it_runs() {
    let mut shop = Shop::deployed();
    shop.scale("worker", Quantity::By(1));
    let (web, worker) = (shop.holder("web.1").id, shop.holder("worker.1").id);
    shop.observe(web, WorkloadReport::Running);
    shop.observe(worker, WorkloadReport::Running);
    assert_eq!(shop.dyno(web).state, DynoState::Booting);
    assert_eq!(shop.dyno(worker).state, DynoState::Up);
    shop.edge(EdgeEvent::Bound(web));
    assert_eq!(shop.dyno(web).state, DynoState::Up);
}

#[test]
fn a_web_dyno_that_never_binds_is_given_up() {
    let mut shop = Shop::deployed();
    let web = shop.holder("web.1").id;
    shop.observe(web, WorkloadReport::Running);
    let now = shop.town.bench.now;
    assert_eq!(shop.town.bench.world.next_deadline(), Some(now + MINUTE));
    shop.town.bench.pass(MINUTE);
    shop.tick();
    let dyno = shop.dyno(web);
    assert_eq!(dyno.state, DynoState::Crashed);
    assert!(
        matches!(&dyno.exit, Some(Exit::Failed(why)) if why.contains("R10")),
        "{:?}",
        dyno.exit
    );
}

#[test]
fn a_release_takes_over_dyno_by_dyno_once_the_new_ones_are_up() {
    let mut shop = Shop::deployed();
    shop.scale("web", Quantity::To(2));
    shop.start_all();
    let old = [shop.holder("web.1"), shop.holder("web.2")];
    shop.set("GREETING", Some("hello"));
    assert_eq!(shop.release().description, "Set GREETING config vars");
    let states = |shop: &Shop| old.clone().map(|d| shop.dyno(d.id).state);
    assert_eq!(states(&shop), [DynoState::Up; 2], "the old ones serve on");
    let new = shop.holder("web.1");
    assert_ne!(new.id, old[0].id);
    shop.observe(new.id, WorkloadReport::Running);
    assert_eq!(states(&shop), [DynoState::Up; 2], "it runs, and may not answer yet");
    shop.edge(EdgeEvent::Bound(new.id));
    assert_eq!(states(&shop), [DynoState::Draining, DynoState::Up]);
    shop.edge(EdgeEvent::Drained(old[0].id));
    assert_eq!(shop.dyno(old[0].id).state, DynoState::Stopping);
    shop.observe(old[0].id, WorkloadReport::Ended(Exit::Signal(15)));
    assert_eq!(shop.dyno(old[0].id).state, DynoState::Down, "no crash");
    shop.start_all();
    assert_eq!(shop.dyno(old[1].id).state, DynoState::Draining);
    shop.town.bench.pass(MINUTE);
    shop.tick();
    assert_eq!(shop.dyno(old[1].id).state, DynoState::Stopping, "it had its time");
    let up = (DynoState::Up, 3);
    assert_eq!(shop.places(), [("web.1".to_owned(), up), ("web.2".to_owned(), up)].into());
}

#[test]
fn a_release_that_crashes_leaves_the_old_dynos_serving() {
    let mut shop = Shop::deployed();
    shop.start_all();
    let old = shop.holder("web.1").id;
    let slug = shop.slug(&[("web", "broken")]);
    shop.ok(C::CreateRelease { app: shop.app, slug, description: None });
    for _ in 0..3 {
        let new = shop.holder("web.1").id;
        shop.observe(new, WorkloadReport::Ended(Exit::Code(1)));
        shop.town.bench.pass(10 * MINUTE);
        shop.tick();
    }
    assert_eq!(shop.dyno(old).state, DynoState::Up);
    let release = shop.town.bench.world.release_numbered(shop.app, 2).unwrap().id;
    shop.ok(C::Rollback { app: shop.app, release });
    assert_eq!(shop.release().description, "Rollback to v2");
    shop.start_all();
    assert_eq!(shop.dyno(old).state, DynoState::Draining);
    assert_eq!(shop.holder("web.1").command, "serve");
}

#[test]
fn a_rollback_brings_the_configuration_back_too() {
    let mut shop = Shop::deployed();
    shop.set("KEY", Some("old"));
    shop.set("KEY", Some("new"));
    assert_eq!(shop.release().version, 4);
    let third = shop.town.bench.world.release_numbered(shop.app, 3).unwrap().id;
    shop.ok(C::Rollback { app: shop.app, release: third });
    assert_eq!((shop.app().config["KEY"].as_str(), shop.release().version), ("old", 5));
    let first = shop.town.bench.world.release_numbered(shop.app, 1).unwrap().id;
    let refused = shop.refused(C::Rollback { app: shop.app, release: first });
    assert_eq!(refused.code, Code::InvalidParameterValue, "it has no code");
    shop.set("KEY", None);
    assert_eq!(shop.release().description, "Remove KEY config vars");
    let admin = shop.town.admin();
    let changes: BTreeMap<_, _> = [("KEY".to_owned(), None)].into();
    shop.town.bench.idle(admin, C::SetConfig { app: shop.app, changes });
    let changes = [("1KEY".to_owned(), Some("x".to_owned()))].into();
    let refused = shop.refused(C::SetConfig { app: shop.app, changes });
    assert_eq!(refused.code, Code::InvalidParameterValue);
}

#[test]
fn dynos_that_crash_are_tried_again_after_longer_and_longer_pauses() {
    let mut shop = Shop::deployed();
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let id = shop.holder("web.1").id;
        shop.observe(id, WorkloadReport::Running);
        shop.observe(id, WorkloadReport::Ended(Exit::Code(0)));
        assert_eq!(shop.dyno(id).state, DynoState::Crashed, "web processes are to run for ever");
        let (now, due) = (shop.town.bench.now, shop.town.bench.world.next_deadline().unwrap());
        let pause = Duration::from_millis((due.millis() - now.millis()) as u64);
        shop.town.bench.pass(pause - Duration::from_millis(1));
        shop.tick();
        assert_eq!(shop.holder("web.1").id, id, "not yet");
        shop.town.bench.pass(Duration::from_millis(1));
        shop.tick();
        assert_ne!(shop.holder("web.1").id, id);
        pauses.push(pause.as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
    shop.start_all();
    let id = shop.holder("web.1").id;
    shop.town.bench.pass(10 * MINUTE);
    shop.observe(id, WorkloadReport::Ended(Exit::Signal(11)));
    assert_eq!(shop.dyno(id).crashes, 0, "it had run long enough");
}

#[test]
fn scaling_takes_the_highest_numbers_first() {
    let mut shop = Shop::deployed();
    shop.scale("web", Quantity::To(5));
    shop.start_all();
    let all: Vec<_> = (1..=5).map(|n| shop.holder(&format!("web.{n}")).id).collect();
    shop.scale("web", Quantity::By(-4));
    let states: Vec<_> = all.iter().map(|id| shop.dyno(*id).state).collect();
    assert_eq!(states[0], DynoState::Up);
    assert!(states[1..].iter().all(|s| *s == DynoState::Draining), "{states:?}");
    let update = |quantity, size: Option<&str>| C::Scale {
        app: shop.app,
        updates: vec![FormationUpdate {
            process_type: "web".to_owned(),
            quantity,
            size: size.map(str::to_owned),
        }],
    };
    let bad = [
        update(Some(Quantity::By(-2)), None),
        update(Some(Quantity::To(101)), None),
        update(Some(Quantity::By(i32::MAX)), None),
        update(None, Some("Tiny")),
    ];
    let resize = update(None, Some("private-m"));
    for command in bad {
        assert_eq!(shop.refused(command).code, Code::InvalidParameterValue);
    }
    shop.ok(resize);
    assert_eq!(shop.holder("web.1").size, DynoSize::M, "another size is another dyno");
    assert_eq!(shop.dyno(all[0]).state, DynoState::Up);
    assert_eq!("+2".parse(), Ok(Quantity::By(2)));
    assert_eq!("-2".parse(), Ok(Quantity::By(-2)));
    assert_eq!("2".parse(), Ok(Quantity::To(2)));
    assert!("two".parse::<Quantity>().is_err() && "".parse::<Quantity>().is_err());
}

#[test]
fn a_restart_replaces_and_a_stop_ends_first() {
    let mut shop = Shop::deployed();
    shop.scale("worker", Quantity::To(1));
    shop.start_all();
    let (web, worker) = (shop.holder("web.1").id, shop.holder("worker.1").id);
    shop.ok(C::RestartDynos { app: shop.app, which: DynoSelection::All });
    assert_eq!([web, worker].map(|id| shop.dyno(id).state), [DynoState::Up; 2]);
    shop.start_all();
    assert_eq!(shop.dyno(web).state, DynoState::Draining);
    assert_eq!(shop.dyno(worker).state, DynoState::Stopping);
    let worker = shop.holder("worker.1").id;
    let which = DynoSelection::Type("worker".to_owned());
    shop.ok(C::StopDynos { app: shop.app, which });
    assert_eq!(shop.holder("worker.1").id, worker, "none starts before it has ended");
    assert_eq!(shop.dyno(worker).state, DynoState::Stopping);
    shop.observe(worker, WorkloadReport::Ended(Exit::Signal(15)));
    assert_eq!(shop.dyno(worker).state, DynoState::Down);
    let next = shop.holder("worker.1");
    assert_ne!(next.id, worker, "the formation still wants one");
    assert_eq!((next.state, next.crashes), (DynoState::Starting, 0), "it is no crash");

    // What lost its place while it stopped is followed by no other.
    shop.ok(C::StopDynos { app: shop.app, which: DynoSelection::One(next.id) });
    shop.scale("worker", Quantity::To(0));
    shop.observe(next.id, WorkloadReport::Gone);
    assert!(!shop.places().contains_key("worker.1"));
    // What waits to be tried again is tried at once.
    let web = shop.holder("web.1").id;
    shop.observe(web, WorkloadReport::Ended(Exit::Code(1)));
    shop.ok(C::StopDynos { app: shop.app, which: DynoSelection::One(web) });
    assert_eq!(shop.holder("web.1").state, DynoState::Starting);
    let which = DynoSelection::Type("clock".to_owned());
    let refused = shop.refused(C::RestartDynos { app: shop.app, which });
    assert_eq!(refused.code, Code::NotFound);
}

#[test]
fn dynos_find_their_release_their_names_and_their_port() {
    let mut shop = Shop::deployed();
    shop.set("DYNO", Some("mine"));
    shop.set("KEY", Some("value"));
    shop.set("HEROKU_APP_NAME", Some("mine"));
    let dyno = shop.holder("web.1");
    let intent = plan(&shop.town.bench.world, shop.town.bench.now);
    let workload = &intent.workloads.0[&WorkloadId::Dyno(dyno.id)];
    let get = |name: &str| workload.environment[name].as_str();
    assert_eq!((get("DYNO"), get("KEY")), ("web.1", "value"), "what we say of it is so");
    assert_eq!(get("HEROKU_DNS_FORMATION_NAME"), "web.shop.app.localspace");
    assert_eq!(get("HEROKU_DNS_DYNO_NAME"), "1.web.shop.app.localspace");
    assert_eq!(get("HEROKU_DNS_APP_NAME"), "shop.app.localspace");
    assert_eq!(get("PORT"), dyno.port().to_string());
    assert_eq!(get("HEROKU_APP_ID"), shop.app.to_string());
    assert_eq!(get("HEROKU_APP_NAME"), "shop", "the platform's, not the app's own variable");
    assert_eq!(get("HEROKU_DYNO_ID"), dyno.id.to_string());
    assert_eq!(get("HEROKU_RELEASE_VERSION"), "v5");
    assert_eq!(get("HEROKU_RELEASE_CREATED_AT"), shop.release().created.to_seconds_string());
    assert_eq!(get("HEROKU_SLUG_COMMIT"), "0123456789abcdef");
    assert_eq!(get("HEROKU_SLUG_DESCRIPTION"), "Set HEROKU_APP_NAME config vars");
    assert!((1024..65535).contains(&dyno.port()));
    assert_eq!(workload.slug, shop.release().slug);
    assert_eq!(workload.memory_limit, Some(1 << 30));
}

#[test]
fn one_offs_and_release_commands_find_what_web_dynos_find() {
    let mut shop = Shop::deployed();
    shop.set("HEROKU_APP_ID", Some("mine"));
    shop.set("HEROKU_DYNO_ID", Some("mine"));
    let current = shop.release();
    let start = C::StartDyno {
        app: shop.app,
        command: "env".to_owned(),
        size: None,
        environment: [("HEROKU_RELEASE_VERSION", "HEROKU_APP_NAME")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        stdio: Stdio::Log,
    };
    let Some(Key::Dyno(one_off)) = shop.ok(start).main() else { panic!("no dyno") };
    let made = shop.ok(C::CreateSlug {
        app: shop.app,
        process_types: types(&[("release", "migrate")]),
        commit: Some("fedcba9876543210".to_owned()),
        checksum: None,
    });
    let Some(Key::Slug(slug)) = made.main() else { panic!("no slug") };
    shop.town.bench.ok(Caller::System, stored(slug, 10, CodeRoom::default()));
    let description = Some("Deploy fedcba98".to_owned());
    let made = shop.ok(C::CreateRelease { app: shop.app, slug, description });
    let Some(Key::Release(next)) = made.main() else { panic!("no release") };
    let next = Release::clone(shop.town.bench.world.release(next).unwrap());
    let commits = ["0123456789abcdef", "fedcba9876543210"];
    let intent = plan(&shop.town.bench.world, shop.town.bench.now);
    for (dyno, release, commit) in [
        (shop.holder("web.1").id, &current, commits[0]),
        (one_off, &current, commits[0]),
        (next.command.unwrap(), &next, commits[1]),
    ] {
        let environment = &intent.workloads.0[&WorkloadId::Dyno(dyno)].environment;
        for (name, value) in [
            ("HEROKU_APP_ID", shop.app.to_string()),
            ("HEROKU_APP_NAME", "shop".to_owned()),
            ("HEROKU_DYNO_ID", dyno.to_string()),
            ("HEROKU_RELEASE_CREATED_AT", release.created.to_seconds_string()),
            ("HEROKU_RELEASE_VERSION", format!("v{}", release.version)),
            ("HEROKU_SLUG_COMMIT", commit.to_owned()),
            ("HEROKU_SLUG_DESCRIPTION", release.description.clone()),
        ] {
            assert_eq!(environment.get(name), Some(&value), "{name} of {}", environment["DYNO"]);
        }
    }
    assert_eq!((current.version + 1, next.description.as_str()), (next.version, "Deploy fedcba98"));
}

#[test]
fn a_one_off_may_name_a_process_type() {
    let mut shop = Shop::deployed();
    for (line, runs) in [("work hard", "work hard"), ("worker 'a b' $X", "work 'a b' $X")] {
        let command = line.to_owned();
        let (size, environment) = (None, BTreeMap::new());
        let stdio = Stdio::Log;
        let start = C::StartDyno { app: shop.app, command, size, environment, stdio };
        let Some(Key::Dyno(id)) = shop.ok(start).main() else { panic!("no dyno") };
        assert_eq!(shop.dyno(id).command, line, "it is shown as it was asked for");
        let intent = plan(&shop.town.bench.world, shop.town.bench.now);
        assert_eq!(intent.workloads.0[&WorkloadId::Dyno(id)].command, dyno_command(runs));
    }
}

#[test]
fn the_edge_learns_of_dynos_as_they_come_and_go() {
    let mut shop = Shop::deployed();
    let app = shop.app;
    let space = shop.town.space;
    let route = |shop: &Shop| {
        let plan = plan_edge(&shop.town.bench.world, &domains());
        plan.spaces[&space].apps[&app].clone()
    };
    let made = route(&shop);
    assert!(made.backends[0].state == BackendState::Starting && !made.crashed && !made.internal);
    assert_eq!(made.hosts, BTreeSet::from([format!("{}.apps.localhost", shop.app().label)]));
    let id = shop.holder("web.1").id;
    shop.observe(id, WorkloadReport::Running);
    assert_eq!(route(&shop).backends[0].state, BackendState::Starting);
    shop.edge(EdgeEvent::Bound(id));
    assert_eq!(route(&shop).backends[0].state, BackendState::Up);
    let plan = plan_edge(&shop.town.bench.world, &domains());
    let resolver = &plan.vpcs[&shop.town.space().vpc];
    let address = route(&shop).backends[0].address;
    for name in ["1.web.shop.app.localspace", "web.shop.app.localspace", "shop.app.localspace"] {
        assert_eq!(resolver.names[name], [address], "{name}");
    }
    assert_eq!(resolver.pointers[&address], "1.web.shop.app.localspace");
    shop.ok(C::AddDomain { app, hostname: "WWW.example.com".to_owned() });
    assert!(route(&shop).hosts.contains("www.example.com"));
    shop.observe(id, WorkloadReport::Ended(Exit::Code(1)));
    assert!(route(&shop).crashed && route(&shop).backends.is_empty());
}

#[test]
fn r26_internal_names_reach_as_far_as_peerings() {
    let mut town = Town::allocated();
    let (space, admin) = (town.space, town.admin());
    let create = C::CreateApp { name: Some("inner".to_owned()), space, internal_routing: true };
    let Some(Key::App(app)) = town.bench.ok(admin, create).main() else { panic!() };
    let label = town.bench.world.app(app).unwrap().label.clone();
    let host = format!("{label}.apps.internal");
    let pcx = town.request(1);
    let customer = town.bench.peering(pcx).requester.vpc;
    // Somebody there who could ask.
    let owner = scope(701, VIRGINIA);
    let made = town.bench.ok(
        key(owner),
        Ec2Command::create_subnet(customer, block("10.11.1.0/24"), None, Tags::new()),
    );
    let Some(Key::Subnet(subnet)) = made.main() else { panic!() };
    town.bench.ok(key(owner), Ec2Command::RunInstances(run(subnet)));
    let names = |town: &Town, vpc| {
        let before = plan_edge(&World::default(), &domains());
        assert_eq!(before, edge::EdgeIntent::default());
        plan_edge(&town.bench.world, &domains()).vpcs[&vpc].names.get(&host).cloned()
    };
    assert_eq!(names(&town, customer), None, "not before it is accepted");
    town.bench.ok(admin, C::AcceptPeering { space, peering: pcx });
    let found = names(&town, customer).unwrap();
    assert_eq!(names(&town, town.space().vpc).unwrap(), found);
    let routers = town.space().router_cidrs();
    assert!(found.iter().zip(routers).all(|(a, block)| block.contains(*a)), "R7: {found:?}");
    assert_eq!(found.len(), 2);
}

#[test]
fn r22_data_services_live_in_the_data_block_and_their_app_finds_them() {
    let mut shop = Shop::deployed();
    let create = |shop: &Shop| C::CreateAddon {
        app: shop.app,
        plan: plan_of("heroku-postgresql").into(),
        name: None,
        password: "s3cret".to_owned(),
    };
    let command = create(&shop);
    let Some(Key::Addon(first)) = shop.ok(command).main() else { panic!() };
    let addon = Addon::clone(shop.town.bench.world.addon(first).unwrap());
    let eni = Eni::clone(shop.town.bench.world.eni(addon.eni).unwrap());
    assert_eq!(eni.vpc, shop.town.space().data_vpc);
    let url = format!("postgres://u:s3cret@{}:5432/d", eni.primary());
    assert_eq!(shop.app().config["DATABASE_URL"], url);
    assert!(addon.name.starts_with("postgresql-"), "{}", addon.name);
    let command = create(&shop);
    shop.ok(command);
    assert!(shop.app().config.contains_key("HEROKU_POSTGRESQL_AMBER_URL"));
    let intent = plan(&shop.town.bench.world, shop.town.bench.now);
    let workload = &intent.workloads.0[&WorkloadId::Service(first)];
    assert_eq!(
        (workload.disk.as_ref().map(|disk| disk.addon), workload.attempt, workload.run),
        (Some(first), 0, true)
    );

    let report = |shop: &mut Shop, report| {
        let workloads = [(WorkloadId::Service(first), report)].into();
        let seen = Observation { workloads, ..Observation::default() };
        shop.town.bench.ok(Caller::System, SystemCommand::Observe(seen));
        shop.town.bench.world.addon(first).unwrap().state
    };
    assert_eq!(report(&mut shop, WorkloadReport::Running), AddonState::Provisioned);
    let ended = WorkloadReport::Ended(Exit::Code(1));
    assert_eq!(report(&mut shop, ended), AddonState::Crashed);
    shop.town.bench.pass(MINUTE);
    shop.tick();
    let intent = plan(&shop.town.bench.world, shop.town.bench.now);
    assert_eq!(intent.workloads.0[&WorkloadId::Service(first)].attempt, 1, "it is tried again");
    shop.ok(C::DeleteAddon { addon: first });
    assert!(!shop.app().config.contains_key("DATABASE_URL"));
    assert!(shop.town.bench.world.eni(addon.eni).is_none());
}

#[test]
fn domains_belong_to_one_app_and_have_plausible_names() {
    let mut shop = Shop::new();
    let add = |name: &str| C::AddDomain { app: shop.app, hostname: name.to_owned() };
    let (good, wild) = (add("www.example.com"), add("*.example.org"));
    let long = format!("{}.com", "x".repeat(64));
    let bad =
        ["", "localhost", "a..b", "-a.com", "a-.com", "10.0.0.1", "a b.com", "*.*.com", &long];
    let bad: Vec<_> = bad.iter().map(|name| add(name)).collect();
    shop.ok(good.clone());
    shop.ok(wild);
    for command in bad.into_iter().chain([good]) {
        assert_eq!(shop.refused(command).code, Code::InvalidParameterValue);
    }
    let domain = shop.app().domains["www.example.com"].id;
    let remove = C::RemoveDomain { app: shop.app, domain };
    shop.ok(remove.clone());
    assert_eq!(shop.refused(remove).code, Code::NotFound);
}

#[test]
fn an_app_takes_everything_along() {
    let mut shop = Shop::deployed();
    let plan = plan_of("heroku-redis").into();
    let password = "x".to_owned();
    shop.ok(C::CreateAddon { app: shop.app, plan, name: None, password });
    shop.ok(C::DeleteApp { app: shop.app });
    let world = &shop.town.bench.world;
    let left = [
        world.dynos().count(),
        world.releases().count(),
        world.slugs().count(),
        world.addons().count(),
    ];
    assert_eq!(left, [0; 4]);
    assert_eq!(world.enis().count(), 2, "those of the space's router");
}

#[test]
fn code_without_a_release_is_forgotten_after_a_day() {
    let mut shop = Shop::deployed();
    let stale = shop.slug(&[("web", "x")]);
    shop.town.bench.pass(DAY - MINUTE);
    shop.tick();
    assert!(shop.town.bench.world.slug(stale).is_some());
    shop.town.bench.pass(MINUTE);
    shop.tick();
    assert!(shop.town.bench.world.slug(stale).is_none());
    assert!(shop.release().slug.is_some_and(|slug| shop.town.bench.world.slug(slug).is_some()));
}

#[test]
fn old_releases_are_forgotten_but_none_that_runs() {
    let mut shop = Shop::deployed();
    shop.start_all();
    let runs = shop.holder("web.1");
    for n in 0..120 {
        let before = shop.holder("web.1");
        shop.set("N", Some(&n.to_string()));
        if before.id != runs.id {
            shop.observe(before.id, WorkloadReport::Gone);
        }
    }
    let world = &shop.town.bench.world;
    assert!(world.release(runs.release).is_some(), "web.1 of v2 is still up");
    let versions: Vec<_> = world.releases_of(Key::App(shop.app)).map(|r| r.version).collect();
    assert!(versions.len() < 110, "{}", versions.len());
    assert!(!versions.contains(&1));
}

#[test]
fn the_edges_changes_add_up_to_its_plan() {
    let mut shop = Shop::new();
    let admin = shop.town.admin();
    let mut known = plan_edge(&shop.town.bench.world, &domains());
    let mut follow = |shop: &mut Shop, caller: Caller, command: Command| {
        let before = shop.town.bench.world.clone();
        let (reply, changes) = shop.town.bench.run(caller, command).unwrap();
        let after = &shop.town.bench.world;
        let delta = edge_delta(&before, after, &changes, &domains());
        for (id, plan) in delta.vpcs {
            match plan {
                Some(plan) => drop(known.vpcs.insert(id, plan)),
                None => drop(known.vpcs.remove(&id)),
            }
        }
        for (id, plan) in delta.spaces {
            match plan {
                Some(plan) => drop(known.spaces.insert(id, plan)),
                None => drop(known.spaces.remove(&id)),
            }
        }
        assert_eq!(known, plan_edge(after, &domains()));
        reply
    };
    let slug = shop.slug(&[("web", "serve"), ("worker", "work")]);
    let app = shop.app;
    let release = C::CreateRelease { app, slug, description: None };
    follow(&mut shop, admin, release.into());
    let updates = vec![FormationUpdate {
        process_type: "web".to_owned(),
        quantity: Some(Quantity::To(3)),
        size: None,
    }];
    follow(&mut shop, admin, C::Scale { app, updates }.into());
    for dyno in shop.dynos() {
        let workloads = [(WorkloadId::Dyno(dyno.id), WorkloadReport::Running)].into();
        let seen = Observation {
            workloads,
            edge: vec![EdgeEvent::Bound(dyno.id)],
            ..Observation::default()
        };
        follow(&mut shop, Caller::System, SystemCommand::Observe(seen).into());
    }
    let (space, name) = (shop.town.space, Some("inner".to_owned()));
    follow(&mut shop, admin, C::CreateApp { name, space, internal_routing: true }.into());
    let pcx = shop.town.request(2);
    follow(&mut shop, admin, C::AcceptPeering { space, peering: pcx }.into());
    follow(&mut shop, admin, C::AddDomain { app, hostname: "a.example.com".to_owned() }.into());
    let customer = shop.town.bench.peering(pcx).requester.account;
    let customer = key(Scope { account: customer, region: region(VIRGINIA) });
    follow(&mut shop, customer, Ec2Command::DeletePeering { peering: pcx }.into());
    follow(&mut shop, admin, C::DeleteApp { app }.into());
}
