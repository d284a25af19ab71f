//! What Causeway finds out by itself.

use std::collections::BTreeMap;

use super::fixture::*;
use super::shop::{MINUTE, Shop, plan_of};
use crate::edge::EdgeEvent;
use crate::*;

fn observe(bench: &mut Bench, seen: &Observation) -> usize {
    let command = SystemCommand::Observe(seen.clone());
    bench.run(Caller::System, command).unwrap().1.len()
}

fn report(id: WorkloadId, report: WorkloadReport) -> Observation {
    Observation { workloads: [(id, report)].into(), ..Observation::default() }
}

fn tick(bench: &mut Bench) -> usize {
    bench.run(Caller::System, SystemCommand::Tick).unwrap().1.len()
}

fn dyno(town: &mut Town) -> DynoId {
    let (space, admin) = (town.space, town.admin());
    let name = None;
    let create = PlatformCommand::CreateApp { name, space, internal_routing: false };
    let Some(Key::App(app)) = town.bench.ok(admin, create).main() else { panic!() };
    let start = PlatformCommand::StartDyno {
        app,
        command: "sleep 60".to_owned(),
        size: None,
        environment: BTreeMap::default(),
        stdio: Stdio::Log,
    };
    let Some(Key::Dyno(id)) = town.bench.ok(admin, start).main() else { panic!() };
    id
}

/// An instance with its interface, put there without asking.
fn instance(bench: &mut Bench) -> InstanceId {
    let owner = scope(7, VIRGINIA);
    let vpc = bench.vpc(owner, &["10.50.0.0/16"]);
    let (id, eni) = (InstanceId::fresh(&mut bench.ids), EniId::fresh(&mut bench.ids));
    let subnet = SubnetId::fresh(&mut bench.ids);
    let address = "10.50.0.4".parse().unwrap();
    let attachment = Attachment {
        id: EniAttachmentId::fresh(&mut bench.ids),
        workload: WorkloadId::Instance(id),
        device_index: 0,
        delete_on_termination: true,
        attached: bench.now,
    };
    let interface = Eni {
        id: eni,
        vpc,
        subnet,
        mac: intent::MacAddr([2, 0, 0, 0, 0, 1]),
        addresses: vec![address],
        ipv6_addresses: Vec::new(),
        primary_ipv6: false,
        groups: Vec::new(),
        source_dest_check: true,
        description: String::new(),
        attachment: Some(attachment),
        requester_managed: false,
        public: PublicAddress::None,
        nat_gateway: None,
        created: bench.now,
        tags: Tags::new(),
        client_token: None,
    };
    let instance = Instance {
        id,
        reservation: ReservationId::fresh(&mut bench.ids),
        launch_index: 0,
        account: owner.account,
        vpc,
        subnet,
        eni,
        host: None,
        address,
        image: "ami-1".to_owned(),
        instance_type: "t3.micro".to_owned(),
        key_name: None,
        user_data: None,
        state: InstanceState::Pending,
        exit: None,
        launched: bench.now,
        since: bench.now,
        client_token: None,
        tags: Tags::new(),
        options: InstanceOptions::default(),
        boot: Boot::Settled,
        starts: 0,
    };
    bench.world.apply(&Change::Put(interface.into()));
    bench.world.apply(&Change::Put(instance.into()));
    id
}

#[test]
fn only_causeway_itself_observes() {
    let mut town = Town::new();
    for caller in [town.admin(), Caller::Operator, town.platform_key()] {
        for command in [SystemCommand::Observe(Observation::default()), SystemCommand::Tick] {
            let refused = town.bench.refused(caller, command);
            assert_eq!(refused.code, Code::UnauthorizedOperation);
        }
    }
    for caller in [town.admin(), town.platform_key()] {
        let refused = town.bench.refused(caller, SystemCommand::Reset);
        assert_eq!(refused.code, Code::UnauthorizedOperation);
    }
}

#[test]
fn r13_active_is_said_when_the_fabric_carries_it() {
    let mut town = Town::allocated();
    let (space, admin) = (town.space, town.admin());
    let peering = town.request(0);
    let carried = Observation { carried: [peering].into(), ..Observation::default() };
    let gone = Observation { gone: [peering].into(), ..Observation::default() };
    assert_eq!(observe(&mut town.bench, &carried), 0, "nobody has accepted it");
    assert_eq!(town.bench.state(peering), PeeringState::PendingAcceptance);
    town.bench.ok(admin, PlatformCommand::AcceptPeering { space, peering });
    assert_eq!(observe(&mut town.bench, &gone), 0);
    assert_eq!(town.bench.state(peering), PeeringState::Provisioning);
    observe(&mut town.bench, &carried);
    assert_eq!(town.bench.state(peering), PeeringState::Active);
    assert_eq!(observe(&mut town.bench, &carried), 0);
    town.bench.ok(admin, PlatformCommand::DeletePeering { space, peering });
    assert_eq!(observe(&mut town.bench, &carried), 0, "it is on its way out");
    observe(&mut town.bench, &gone);
    let deleted = town.bench.peering(peering);
    assert_eq!((deleted.state, deleted.by), (PeeringState::Deleted, Some(town.bench.platform())));
    assert_eq!(observe(&mut town.bench, &gone), 0);
}

#[test]
fn a_space_is_allocated_when_all_of_it_is_there() {
    let mut town = Town::new();
    let space = town.space();
    let carried = [space.data_peering].into();
    let all =
        Observation { vpcs: [space.vpc, space.data_vpc].into(), carried, ..Observation::default() };
    for part in [
        Observation { carried: Default::default(), ..all.clone() },
        Observation { vpcs: [space.vpc].into(), ..all.clone() },
        Observation { vpcs: [space.data_vpc].into(), ..all.clone() },
    ] {
        observe(&mut town.bench, &part);
        assert_eq!(town.space().state, SpaceState::Allocating);
    }
    observe(&mut town.bench, &all);
    assert_eq!(town.space().state, SpaceState::Allocated);
    assert_eq!(observe(&mut town.bench, &all), 0);
}

#[test]
fn what_is_not_known_is_not_minded() {
    let mut town = Town::allocated();
    let ids = &mut town.bench.ids;
    let seen = Observation {
        vpcs: [VpcId::fresh(ids)].into(),
        carried: [PcxId::fresh(ids)].into(),
        gone: [PcxId::fresh(ids)].into(),
        workloads: [
            (WorkloadId::Dyno(DynoId::fresh(ids)), WorkloadReport::Running),
            (WorkloadId::Instance(InstanceId::fresh(ids)), WorkloadReport::Gone),
        ]
        .into(),
        edge: vec![EdgeEvent::Bound(DynoId::fresh(ids))],
    };
    assert_eq!(observe(&mut town.bench, &seen), 0);
}

#[test]
fn dynos_come_up_and_go_down() {
    use {DynoState as S, WorkloadReport as R};
    for (reports, state, exit) in [
        (vec![R::Running], S::Up, None),
        (vec![R::Gone], S::Starting, None),
        (vec![R::Running, R::Ended(Exit::Code(0))], S::Down, Some(Exit::Code(0))),
        (vec![R::Running, R::Ended(Exit::Code(3))], S::Crashed, Some(Exit::Code(3))),
        (vec![R::Ended(Exit::Signal(9))], S::Crashed, Some(Exit::Signal(9))),
        (vec![R::Running, R::Gone], S::Crashed, Some(Exit::Failed("its process is gone".into()))),
    ] {
        let mut town = Town::allocated();
        let id = dyno(&mut town);
        for each in &reports {
            observe(&mut town.bench, &report(WorkloadId::Dyno(id), each.clone()));
        }
        let dyno = Dyno::clone(town.bench.world.dyno(id).unwrap());
        assert_eq!((dyno.state, dyno.exit), (state, exit), "{reports:?}");
        let kept = town.bench.world.eni(dyno.eni).is_some();
        assert_eq!(kept, !dyno.state.ended(), "{reports:?}");
        let last = reports.last().unwrap().clone();
        assert_eq!(observe(&mut town.bench, &report(WorkloadId::Dyno(id), last)), 0);
    }
}

#[test]
fn instances_run_end_and_are_gone() {
    use {InstanceState as S, WorkloadReport as R};
    let end = || R::Ended(Exit::Code(1));
    for (reports, state) in [
        (vec![R::Gone], S::Pending),
        (vec![R::Running], S::Running),
        (vec![end()], S::ShuttingDown),
        (vec![end(), R::Gone], S::Terminated),
        (vec![R::Running, end()], S::Stopped),
        (vec![R::Running, end(), R::Gone], S::Stopped),
        (vec![R::Running, R::Gone], S::Terminated),
    ] {
        let mut bench = Bench::set_up(true);
        let id = instance(&mut bench);
        let workload = WorkloadId::Instance(id);
        for each in &reports {
            observe(&mut bench, &report(workload, each.clone()));
        }
        let instance = Instance::clone(bench.world.instance(id).unwrap());
        assert_eq!(instance.state, state, "{reports:?}");
        let ended = reports.iter().any(|r| matches!(r, R::Ended(_)));
        assert_eq!(instance.exit == Some(Exit::Code(1)), ended, "{reports:?}");
        let released = bench.world.eni(instance.eni).is_none();
        assert_eq!(released, state == S::Terminated, "{reports:?}");
        let last = reports.last().unwrap().clone();
        assert_eq!(observe(&mut bench, &report(workload, last)), 0);
    }
}

/// An app with a dyno of each kind, each of which is up: a web dyno and a worker that crashed once
/// before, a one-off, and a release command.
fn dynos_of_each_kind() -> Shop {
    let mut shop = Shop::deployed();
    shop.scale("worker", Quantity::To(1));
    for id in ["web.1", "worker.1"].map(|name| shop.holder(name).id) {
        shop.observe(id, WorkloadReport::Ended(Exit::Code(1)));
    }
    shop.town.bench.pass(MINUTE);
    shop.tick();
    let start = PlatformCommand::StartDyno {
        app: shop.app,
        command: "sleep 60".to_owned(),
        size: None,
        environment: BTreeMap::default(),
        stdio: Stdio::Log,
    };
    shop.ok(start);
    let slug = shop.slug(&[("web", "serve"), ("worker", "work"), ("release", "migrate")]);
    shop.ok(PlatformCommand::CreateRelease { app: shop.app, slug, description: None });
    shop.start_all();
    shop
}

#[test]
fn a_dyno_that_the_host_ended_is_started_again_and_has_not_crashed() {
    let mut shop = dynos_of_each_kind();
    let up: Vec<_> = shop.dynos().into_iter().filter(|d| d.state == DynoState::Up).collect();
    let of = |process_type: &str| up.iter().find(|d| d.process_type == process_type).unwrap();
    let crashes = ["web", "worker", "run", "release"].map(|kind| of(kind).crashes);
    assert_eq!((up.len(), crashes), (4, [1, 1, 0, 0]));
    for before in &up {
        shop.town.bench.pass(MINUTE);
        let interrupted = report(WorkloadId::Dyno(before.id), WorkloadReport::Interrupted);
        assert_eq!(observe(&mut shop.town.bench, &interrupted), 1, "the dyno and nothing else");
        let starting =
            Dyno { state: DynoState::Starting, updated: shop.town.bench.now, ..before.clone() };
        assert_eq!(shop.dyno(before.id), starting, "its interface, its count of crashes, no exit");
        assert_eq!(observe(&mut shop.town.bench, &interrupted), 0, "it waits to be started");
        let intent = plan(&shop.town.bench.world, shop.town.bench.now);
        assert!(intent.workloads.0[&WorkloadId::Dyno(before.id)].run, "{}", before.name);
        shop.start_all();
        let again = Dyno { updated: shop.town.bench.now, ..before.clone() };
        assert_eq!(shop.dyno(before.id), again);
    }
    let release = shop.town.bench.world.release(of("release").release).unwrap();
    assert_eq!(release.status, ReleaseStatus::Pending, "its command has not failed");
}

#[test]
fn a_web_dyno_that_the_host_ended_has_its_whole_time_to_boot_again() {
    let mut shop = Shop::deployed();
    let id = shop.holder("web.1").id;
    shop.observe(id, WorkloadReport::Running);
    shop.town.bench.pass(MINUTE - std::time::Duration::from_secs(1));
    shop.observe(id, WorkloadReport::Interrupted);
    assert_eq!(shop.dyno(id).state, DynoState::Starting);
    shop.observe(id, WorkloadReport::Running);
    shop.town.bench.pass(MINUTE - std::time::Duration::from_secs(1));
    shop.tick();
    assert_eq!(shop.dyno(id).state, DynoState::Booting);
}

#[test]
fn a_dyno_that_was_to_end_is_down_once_the_host_ended_it() {
    let mut shop = dynos_of_each_kind();
    let which = DynoSelection::Type("run".to_owned());
    shop.ok(PlatformCommand::StopDynos { app: shop.app, which });
    let run = shop.dynos().into_iter().find(|dyno| dyno.process_type == "run").unwrap();
    assert_eq!(run.state, DynoState::Stopping);
    shop.observe(run.id, WorkloadReport::Interrupted);
    let down = shop.dyno(run.id);
    assert_eq!((down.state, down.exit), (DynoState::Down, None));
    assert!(shop.town.bench.world.eni(run.eni).is_none());
}

#[test]
fn an_instance_that_the_host_ended_stays_the_same_instance() {
    use {InstanceState as S, WorkloadReport as R};
    for (reports, state) in [
        (vec![], S::Pending),
        (vec![R::Running], S::Running),
        (vec![R::Running, R::Ended(Exit::Code(1))], S::Stopped),
        (vec![R::Ended(Exit::Code(1))], S::ShuttingDown),
    ] {
        let mut bench = Bench::set_up(true);
        let id = instance(&mut bench);
        let workload = WorkloadId::Instance(id);
        for each in reports {
            observe(&mut bench, &report(workload, each));
        }
        assert_eq!(bench.world.instance(id).unwrap().state, state);
        bench.pass(MINUTE);
        assert_eq!(observe(&mut bench, &report(workload, R::Interrupted)), 0, "{state:?}");
        let planned = plan(&bench.world, bench.now).workloads.0.contains_key(&workload);
        assert_eq!(planned, state != S::ShuttingDown, "{state:?}");
    }
}

#[test]
fn a_service_that_the_host_ended_is_started_again_and_has_not_crashed() {
    let mut shop = Shop::deployed();
    let create = PlatformCommand::CreateAddon {
        app: shop.app,
        plan: plan_of("heroku-redis").into(),
        name: None,
        password: "x".to_owned(),
    };
    let Some(Key::Addon(id)) = shop.ok(create).main() else { panic!("no add-on") };
    let of = |shop: &Shop| Addon::clone(shop.town.bench.world.addon(id).unwrap());
    let workload = WorkloadId::Service(id);
    let tell = |shop: &mut Shop, what: WorkloadReport| {
        shop.town.bench.pass(MINUTE);
        observe(&mut shop.town.bench, &report(workload, what))
    };
    tell(&mut shop, WorkloadReport::Running);
    tell(&mut shop, WorkloadReport::Ended(Exit::Code(1)));
    shop.town.bench.pass(MINUTE);
    shop.tick();
    tell(&mut shop, WorkloadReport::Running);
    let before = of(&shop);
    assert_eq!((before.state, before.crashes, before.attempt), (AddonState::Provisioned, 1, 1));

    assert_eq!(tell(&mut shop, WorkloadReport::Interrupted), 1, "the service and nothing else");
    let now = shop.town.bench.now;
    let state = AddonState::Provisioning;
    assert_eq!(of(&shop), Addon { state, updated: now, ..before.clone() });
    assert_eq!(tell(&mut shop, WorkloadReport::Interrupted), 0, "it waits to be started");
    tell(&mut shop, WorkloadReport::Running);
    assert_eq!(of(&shop), Addon { updated: shop.town.bench.now, ..before });
}

#[test]
fn time_forgets_what_has_ended() {
    let mut town = Town::allocated();
    let id = dyno(&mut town);
    let ended = WorkloadReport::Ended(Exit::Code(0));
    observe(&mut town.bench, &report(WorkloadId::Dyno(id), ended));
    let vm = instance(&mut town.bench);
    for each in [WorkloadReport::Running, WorkloadReport::Gone] {
        observe(&mut town.bench, &report(WorkloadId::Instance(vm), each));
    }
    let peering = town.request(0);
    town.bench.pass(HOUR - std::time::Duration::from_secs(1));
    assert_eq!(tick(&mut town.bench), 0);
    town.bench.pass(std::time::Duration::from_secs(1));
    assert_eq!(tick(&mut town.bench), 2, "the dyno, the instance");
    assert!(town.bench.world.dyno(id).is_none() && town.bench.world.instance(vm).is_none());
    town.bench.pass(9 * DAY - 2 * HOUR);
    assert_eq!(tick(&mut town.bench), 0);
    town.bench.pass(2 * HOUR);
    assert_eq!(tick(&mut town.bench), 1, "seven days to expire, two to be seen");
    assert!(town.bench.world.peering(peering).is_none());
    assert_eq!(tick(&mut town.bench), 0);
}

#[test]
fn an_emulator_has_accounts_as_soon_as_they_are_named() {
    let mut bench = Bench::set_up(true);
    let (id, region) = (account(42), region(TOKYO));
    let ensure = IdentityCommand::EnsureAccount { id, region };
    bench.ok(Caller::System, ensure.clone());
    let vpc = Vpc::clone(bench.world.vpcs_of(Key::Account(id)).next().unwrap());
    assert!(vpc.is_default && vpc.dns_hostnames);
    assert_eq!(vpc.primary(), block("172.31.0.0/16"));
    let subnets: Vec<_> = bench.world.subnets_in(Key::Vpc(vpc.id)).collect();
    assert_eq!(subnets.len(), region.zones().count());
    assert!(subnets.iter().all(|s| s.default_for_zone && s.map_public_ip));
    let table = bench.world.route_table(vpc.main_route_table).unwrap();
    let gateway = bench.world.gateways_of(Key::Vpc(vpc.id)).next().unwrap();
    assert_eq!(table.route(Cidr::ANY), Some(RouteTo::Gateway(gateway.id)));
    bench.idle(Caller::System, ensure.clone());
    bench.world.apply(&Change::Delete(Key::Vpc(vpc.id)));
    bench.idle(Caller::System, ensure);
    let platform = IdentityCommand::EnsureAccount { id: bench.platform(), region };
    bench.idle(Caller::System, platform);
    let mut bench = Bench::set_up(false);
    let ensure = IdentityCommand::EnsureAccount { id, region };
    assert_eq!(bench.refused(Caller::System, ensure).code, Code::OperationNotPermitted);
}

#[test]
fn a_reset_leaves_who_acts() {
    let mut town = Town::allocated();
    dyno(&mut town);
    town.request(0);
    town.bench.ok(Caller::Operator, SystemCommand::Reset);
    let kinds: Vec<_> = town.bench.world.records().map(|r| r.key().kind()).collect();
    let expected = [Kind::Settings, Kind::Account, Kind::User, Kind::User, Kind::User, Kind::Team];
    assert_eq!(kinds, expected);
    town.bench.idle(Caller::Operator, SystemCommand::Reset);
    let mut bench = Bench::set_up(false);
    let refused = bench.refused(Caller::Operator, SystemCommand::Reset);
    assert_eq!(refused.code, Code::OperationNotPermitted);
}
