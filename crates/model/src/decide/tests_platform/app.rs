//! Apps and dynos.

use std::collections::BTreeMap;

use super::fixture::*;
use crate::PlatformCommand as C;
use crate::*;

/// The interfaces of a space's web router.
const ROUTERS: usize = 2;

fn create(space: SpaceId, name: Option<&str>) -> C {
    C::CreateApp { name: name.map(str::to_owned), space, internal_routing: false }
}

fn start(app: AppId) -> C {
    C::StartDyno {
        app,
        command: "sleep 60".to_owned(),
        size: None,
        environment: BTreeMap::default(),
        stdio: Stdio::Log,
    }
}

fn stop(app: AppId, dyno: DynoId) -> C {
    C::StopDynos { app, which: DynoSelection::One(dyno) }
}

fn app(town: &mut Town, name: &str) -> AppId {
    let (space, caller) = (town.space, Caller::User(town.member));
    match town.bench.ok(caller, create(space, Some(name))).main() {
        Some(Key::App(id)) => id,
        other => panic!("not an app: {other:?}"),
    }
}

fn dyno(town: &mut Town, app: AppId) -> DynoId {
    match town.bench.ok(Caller::User(town.member), start(app)).main() {
        Some(Key::Dyno(id)) => id,
        other => panic!("not a dyno: {other:?}"),
    }
}

#[test]
fn apps_have_names_of_their_own() {
    let mut town = Town::new();
    let (space, admin) = (town.space, town.admin());
    let shop = app(&mut town, "shop");
    let made = town.bench.world.app(shop).unwrap();
    assert_eq!((made.owner, made.team), (town.member, town.team));
    for name in ["ab", "1shop", "shop-", "Shop", "sh_op", "x".repeat(31).as_str(), "shop"] {
        let refused = town.bench.refused(admin, create(space, Some(name)));
        assert_eq!(refused.code, Code::InvalidParameterValue, "{name}");
    }
    for caller in [admin, Caller::Operator] {
        let Some(Key::App(id)) = town.bench.ok(caller, create(space, None)).main() else {
            panic!("not an app")
        };
        let made = town.bench.world.app(id).unwrap();
        let parts: Vec<_> = made.name.split('-').collect();
        assert_eq!((parts.len(), parts[2].len()), (3, 5), "{}", made.name);
        assert_eq!(made.owner, town.ada, "what the operator makes is an admin's");
    }
}

#[test]
fn r4_members_work_with_apps_and_strangers_see_none() {
    let mut town = Town::allocated();
    let shop = app(&mut town, "shop");
    let run = dyno(&mut town, shop);
    let space = town.space;
    let commands = [create(space, None), C::DeleteApp { app: shop }, start(shop), stop(shop, run)];
    for command in commands {
        let stranger = Caller::User(town.stranger);
        assert_eq!(town.bench.refused(stranger, command.clone()).code, Code::NotFound);
        let refused = town.bench.refused(town.platform_key(), command);
        assert_eq!(refused.code, Code::UnauthorizedOperation);
    }
    let admins = create(space, Some("blog"));
    let Some(Key::App(blog)) = town.bench.ok(town.admin(), admins).main() else { panic!() };
    let refused = town.bench.refused(Caller::User(town.member), C::DeleteApp { app: blog });
    assert_eq!(refused.code, Code::UnauthorizedOperation);
    town.bench.ok(Caller::User(town.member), C::DeleteApp { app: shop });
    for command in [C::DeleteApp { app: shop }, start(shop), stop(shop, run)] {
        assert_eq!(town.bench.refused(town.admin(), command).code, Code::NotFound);
    }
    assert_eq!(town.bench.world.enis().count(), ROUTERS, "dynos take their interfaces along");
}

#[test]
fn a_dyno_needs_an_allocated_space() {
    let mut town = Town::new();
    let shop = app(&mut town, "shop");
    let refused = town.bench.refused(town.admin(), start(shop));
    assert_eq!(refused.code, Code::Conflict);
    assert!(refused.message.contains("is not allocated yet"), "{}", refused.message);
}

#[test]
fn r7_dynos_take_turns_in_the_two_dyno_subnets() {
    let mut town = Town::allocated();
    let shop = app(&mut town, "shop");
    let space = town.space();
    let mut counts = [0, 0];
    for _ in 0..6 {
        let id = dyno(&mut town, shop);
        let eni = town.bench.world.eni_of(WorkloadId::Dyno(id)).unwrap();
        let attached = eni.attachment.as_ref().unwrap();
        assert_eq!(attached.workload, WorkloadId::Dyno(id));
        assert_eq!(eni.groups, [space.dyno_group]);
        assert!(eni.requester_managed);
        let at = space.dyno_cidrs().iter().position(|c| c.contains(eni.primary())).unwrap();
        counts[at] += 1;
    }
    assert_eq!(counts, [3, 3]);
    let names: Vec<_> = town.bench.world.dynos().map(|d| d.name.clone()).collect();
    assert!(names.iter().all(|n| n.len() == 8 && n.starts_with("run.")), "{names:?}");
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), 6);
}

#[test]
fn what_a_dyno_runs_is_checked() {
    let mut town = Town::allocated();
    let shop = app(&mut town, "shop");
    let admin = town.admin();
    let with = |command: &str, size: Option<&str>, name: &str, value: &str| C::StartDyno {
        app: shop,
        command: command.to_owned(),
        size: size.map(str::to_owned),
        environment: [(name.to_owned(), value.to_owned())].into(),
        stdio: Stdio::Log,
    };
    let (long, huge) = ("x".repeat(4097), "x".repeat(40_000));
    for command in [
        with(" ", None, "A", "b"),
        with(&long, None, "A", "b"),
        with("a\0b", None, "A", "b"),
        with("ls", Some("Standard-1X"), "A", "b"),
        with("ls", None, "", "b"),
        with("ls", None, "1A", "b"),
        with("ls", None, "A=B", "b"),
        with("ls", None, "A", "\0"),
        with("ls", None, "A", &huge),
    ] {
        let refused = town.bench.refused(admin, command);
        assert_eq!(refused.code, Code::InvalidParameterValue);
    }
    let command = with("ls", Some("private-l-ram"), "_A1", "b");
    let Some(Key::Dyno(id)) = town.bench.ok(admin, command).main() else { panic!() };
    assert_eq!(town.bench.world.dyno(id).unwrap().size, DynoSize::LRam);
}

#[test]
fn a_command_runs_inside_a_dyno_that_is_up_and_leaves_the_world_as_it_is() {
    let mut town = Town::allocated();
    let shop = app(&mut town, "shop");
    let id = dyno(&mut town, shop);
    let admin = town.admin();
    let inside = |dyno, command: &str| C::RunInside {
        app: shop,
        dyno,
        command: command.to_owned(),
        environment: BTreeMap::new(),
    };
    let early = town.bench.refused(admin, inside(id, "bash"));
    assert_eq!(early.code, Code::Conflict);
    assert!(early.message.contains("is starting"), "{early}");
    let workloads = [(WorkloadId::Dyno(id), WorkloadReport::Running)].into();
    let seen = Observation { workloads, ..Observation::default() };
    town.bench.ok(Caller::System, SystemCommand::Observe(seen));
    let before = town.bench.world.clone();
    assert_eq!(town.bench.ok(admin, inside(id, "bash")).main(), Some(Key::Dyno(id)));
    assert!(before.records().eq(town.bench.world.records()));
    assert_eq!(town.bench.refused(admin, inside(id, " ")).code, Code::InvalidParameterValue);
    let other = app(&mut town, "other");
    let mut elsewhere = inside(id, "bash");
    if let C::RunInside { app, .. } = &mut elsewhere {
        *app = other;
    }
    assert_eq!(town.bench.refused(admin, elsewhere).code, Code::NotFound);
    town.bench.ok(admin, stop(shop, id));
    assert_eq!(town.bench.refused(admin, inside(id, "bash")).code, Code::Conflict);
}

#[test]
fn a_dyno_is_stopped_once() {
    let mut town = Town::allocated();
    let shop = app(&mut town, "shop");
    let id = dyno(&mut town, shop);
    let admin = town.admin();
    town.bench.ok(admin, stop(shop, id));
    assert_eq!(town.bench.world.dyno(id).unwrap().state, DynoState::Stopping);
    town.bench.idle(admin, stop(shop, id));
    let report = [(WorkloadId::Dyno(id), WorkloadReport::Ended(Exit::Signal(15)))].into();
    let seen = Observation { workloads: report, ..Observation::default() };
    town.bench.ok(Caller::System, SystemCommand::Observe(seen));
    assert_eq!(town.bench.world.dyno(id).unwrap().state, DynoState::Down);
    assert_eq!(town.bench.refused(admin, stop(shop, id)).code, Code::NotFound);
    assert_eq!(town.bench.world.enis().count(), ROUTERS, "its interface is given back");
    let now = town.bench.now;
    let kept = plan(&town.bench.world, now).workloads.0[&WorkloadId::Dyno(id)].clone();
    assert!(!kept.run && kept.addresses.is_empty(), "its output is kept: {kept:?}");
}
