//! Hosts: who joins, what is placed where, and what becomes of it when one drains, is lost or goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::fixture::*;
use super::shop::*;
use crate::PlatformCommand as C;
use crate::edge::EdgeEvent;
use crate::*;

const GIB: u64 = 1 << 30;

pub(super) fn new_host(n: u8, zone: &str, gib: u64) -> NewHost {
    NewHost {
        name: format!("host-{n}"),
        facts: HostFacts {
            address: [192, 0, 2, n].into(),
            zone: zone.to_owned(),
            labels: BTreeMap::new(),
            capacity: HostCapacity { memory: gib * GIB, cpus: 4 },
            version: "1.0.0".to_owned(),
        },
    }
}

impl Shop {
    fn host(&mut self, command: HostCommand) -> HostId {
        match self.town.bench.ok(Caller::Operator, command).main() {
            Some(Key::Host(id)) => id,
            other => panic!("not a host: {other:?}"),
        }
    }

    fn init(&mut self, zone: &str, gib: u64) -> HostId {
        self.host(HostCommand::Init(new_host(1, zone, gib)))
    }

    fn join(&mut self, n: u8, zone: &str, gib: u64) -> HostId {
        self.host(HostCommand::Join(new_host(n, zone, gib)))
    }

    fn host_refused(&mut self, command: HostCommand) -> (Code, String) {
        let refused = self.town.bench.refused(Caller::Operator, command);
        (refused.code, refused.message)
    }

    fn hear(&mut self, hosts: &[HostId]) {
        let hosts = hosts.iter().copied().collect();
        self.town.bench.ok(Caller::System, HostCommand::Heard { hosts });
    }

    fn pass(&mut self, seconds: u64) {
        self.town.bench.pass(Duration::from_secs(seconds));
    }

    fn world(&self) -> &World {
        &self.town.bench.world
    }

    /// Has it seen that these run.
    fn all_run(&mut self, workloads: [WorkloadId; 2]) {
        let workloads = workloads.map(|id| (id, WorkloadReport::Running)).into();
        let seen = Observation { workloads, ..Observation::default() };
        self.town.bench.ok(Caller::System, SystemCommand::Observe(seen));
    }

    /// Has everything end that is to.
    fn end_all(&mut self) {
        for dyno in self.dynos() {
            if dyno.state == DynoState::Draining {
                self.edge(EdgeEvent::Drained(dyno.id));
            }
            if matches!(dyno.state, DynoState::Draining | DynoState::Stopping) {
                self.observe(dyno.id, WorkloadReport::Ended(Exit::Signal(15)));
            }
        }
    }

    /// On which host each place's holder is.
    fn on(&self) -> BTreeMap<String, Option<HostId>> {
        let holders = self.dynos().into_iter().filter(|d| d.number.is_some() && !d.superseded);
        holders.map(|dyno| (dyno.name, dyno.host)).collect()
    }

    fn addon(&mut self) -> AddonId {
        let plan = plan_of("heroku-postgresql").into();
        let create =
            C::CreateAddon { app: self.app, plan, name: None, password: "s3cret".to_owned() };
        let Some(Key::Addon(id)) = self.ok(create).main() else { panic!("no add-on") };
        id
    }

    fn instance(&mut self) -> InstanceId {
        let (owner, region) = (account(700), region(VIRGINIA));
        let ensure = IdentityCommand::EnsureAccount { id: owner, region };
        self.town.bench.ok(Caller::Operator, ensure);
        let run = Ec2Command::RunInstances(RunInstances { subnet: None, ..run(SubnetId::MIN) });
        match self.town.bench.ok(key(scope(700, VIRGINIA)), run).main() {
            Some(Key::Instance(id)) => id,
            other => panic!("no instance: {other:?}"),
        }
    }
}

#[test]
fn without_hosts_no_record_says_a_word_of_any() {
    let mut shop = Shop::deployed();
    shop.addon();
    shop.instance();
    for record in shop.world().records() {
        let body: serde_json::Value = serde_json::from_str(&record.body()).unwrap();
        let fields: Vec<_> = ["host", "router_hosts"].iter().filter_map(|f| body.get(f)).collect();
        assert!(fields.is_empty(), "{record:?}");
    }
    assert!(!shop.world().has_hosts());
    assert_eq!(shop.world().why_unplaced(WorkloadId::Dyno(shop.holder("web.1").id)), None);
    assert!(plan(shop.world(), shop.town.bench.now).workloads.0.len() >= 3);
}

#[test]
fn the_first_host_has_all_that_runs_and_the_last_one_gives_it_back() {
    let mut shop = Shop::deployed();
    let (addon, instance) = (shop.addon(), shop.instance());
    shop.start_all();
    let before = plan(shop.world(), shop.town.bench.now);
    let (code, message) = shop.host_refused(HostCommand::Join(new_host(2, "a", 8)));
    assert_eq!(code, Code::Conflict);
    assert!(message.contains("no hosts yet"), "{message}");

    let first = shop.init("a", 8);
    assert_eq!(plan(shop.world(), shop.town.bench.now), before, "nothing is begun or ended by it");
    assert_eq!(plan_on(shop.world(), first).workloads, before.workloads);
    assert_eq!(shop.world().addon(addon).unwrap().host, Some(first));
    assert_eq!(shop.world().instance(instance).unwrap().host, Some(first));
    let routers = shop.town.space().router_hosts;
    assert_eq!(routers.values().collect::<Vec<_>>(), [&first, &first]);
    assert_eq!(shop.host_refused(HostCommand::Init(new_host(3, "a", 8))).0, Code::Conflict);

    let old = shop.holder("web.1");
    shop.town.bench.ok(Caller::Operator, HostCommand::Remove { host: first, force: false });
    assert!(!shop.world().has_hosts());
    assert!(shop.town.space().router_hosts.is_empty());
    let dyno = shop.holder("web.1");
    assert_ne!(dyno.id, old.id);
    let after = plan(shop.world(), shop.town.bench.now);
    let service = WorkloadId::Service(addon);
    assert_eq!(after.workloads.0.get(&service), before.workloads.0.get(&service));
    let mut kept = after.networks.vpcs.values().flat_map(|vpc| vpc.interfaces.keys());
    assert!(kept.all(|eni| *eni != old.eni), "nobody has its address");
    shop.world().check();
}

#[test]
fn nothing_is_said_to_run_once_the_only_host_was_removed() {
    let mut shop = Shop::deployed();
    let (addon, instance) = (shop.addon(), shop.instance());
    let (stopping, ending) = (shop.instance(), shop.instance());
    let first = shop.init("a", 8);
    shop.start_all();
    shop.all_run([WorkloadId::Service(addon), WorkloadId::Instance(instance)]);
    shop.all_run([WorkloadId::Instance(stopping), WorkloadId::Instance(ending)]);
    let of_account = |shop: &mut Shop, command: Ec2Command| {
        shop.town.bench.ok(key(scope(700, VIRGINIA)), command);
    };
    of_account(&mut shop, Ec2Command::StopInstances { instances: vec![stopping] });
    of_account(&mut shop, Ec2Command::TerminateInstances { instances: vec![ending] });
    let attempt = shop.world().addon(addon).unwrap().attempt;
    let ran = shop.holder("web.1");
    assert_eq!(ran.state, DynoState::Up);

    shop.town.bench.ok(Caller::Operator, HostCommand::Remove { host: first, force: false });
    let runs = shop.dynos().into_iter().filter(|dyno| dyno.state == DynoState::Up).count();
    assert_eq!(runs, 0);
    let old = shop.dyno(ran.id);
    assert_eq!(old.state, DynoState::Crashed);
    let Some(Exit::Failed(why)) = &old.exit else { panic!("{:?}", old.exit) };
    assert_eq!(why, "its host host-1 was removed");
    assert_eq!(shop.holder("web.1").state, DynoState::Starting);
    let state = |shop: &Shop, id| shop.world().instance(id).unwrap().state;
    assert_eq!(state(&shop, instance), InstanceState::Pending);
    assert_eq!(state(&shop, stopping), InstanceState::Stopped);
    assert_eq!(state(&shop, ending), InstanceState::Terminated);
    let service = shop.world().addon(addon).unwrap();
    assert_eq!((service.state, service.attempt), (AddonState::Provisioning, attempt));

    // Another one has all that waits, and it is up there.
    let second = shop.init("b", 8);
    assert_eq!(shop.on()["web.1"], Some(second));
    shop.start_all();
    shop.all_run([WorkloadId::Service(addon), WorkloadId::Instance(instance)]);
    assert_eq!(shop.holder("web.1").state, DynoState::Up);
    assert_eq!(state(&shop, instance), InstanceState::Running);
    assert_eq!(shop.world().addon(addon).unwrap().state, AddonState::Provisioned);
    assert_eq!(state(&shop, stopping), InstanceState::Stopped);
    shop.world().check();
}

#[test]
fn dynos_are_spread_over_zones_and_hosts_and_stay_where_they_are() {
    let mut shop = Shop::deployed();
    let first = shop.init("a", 64);
    let hosts = [first, shop.join(2, "a", 64), shop.join(3, "b", 64), shop.join(4, "b", 64)];
    shop.scale("web", Quantity::To(4));
    let on = shop.on();
    let used: BTreeSet<_> = on.values().map(|host| host.unwrap()).collect();
    assert_eq!(used, hosts.into(), "one on each");
    let web2 = on["web.2"].unwrap();
    assert!([hosts[2], hosts[3]].contains(&web2), "the second one is in the other zone");
    shop.scale("web", Quantity::To(8));
    for (name, host) in &on {
        assert_eq!(shop.on()[name], *host, "{name} has not moved");
    }
    let mut counts = BTreeMap::new();
    shop.on().into_values().for_each(|host| *counts.entry(host).or_insert(0) += 1);
    assert!(counts.values().all(|count| *count == 2), "{counts:?}");
    assert_eq!(shop.world().committed(first), 2 * GIB);
}

#[test]
fn what_nothing_has_room_for_waits_and_runs_once_there_is_room() {
    let mut shop = Shop::deployed();
    let first = shop.init("a", 2);
    shop.scale("web", Quantity::To(3));
    let third = shop.holder("web.3");
    assert_eq!((third.host, third.state), (None, DynoState::Starting));
    let id = WorkloadId::Dyno(third.id);
    let why = shop.world().why_unplaced(id).unwrap();
    assert_eq!(why, Unplaced::NoRoom { wanted: GIB, most: 0 });
    assert_eq!(shop.world().unplaced().collect::<Vec<_>>(), [id]);
    let told = plan(shop.world(), shop.town.bench.now).workloads.0;
    assert!(!told.contains_key(&id), "nobody is told to run it");
    // Nobody can have seen it.
    shop.observe(third.id, WorkloadReport::Running);
    assert_eq!(shop.holder("web.3"), third);

    // Another one ends, for whatever reason.
    shop.start_all();
    shop.scale("web", Quantity::To(3));
    let second = shop.holder("web.2").id;
    shop.ok(C::StopDynos { app: shop.app, which: DynoSelection::One(second) });
    shop.observe(second, WorkloadReport::Ended(Exit::Signal(15)));
    assert_eq!(shop.on()["web.3"], Some(first), "it has waited for longer");
    assert_eq!(shop.on()["web.2"], None);
    let second = shop.join(2, "a", 2);
    assert_eq!(shop.on()["web.2"], Some(second));
    assert_eq!(shop.world().unplaced().next(), None);
}

#[test]
fn what_waits_is_ended_at_once_when_it_is_told_to() {
    let mut shop = Shop::deployed();
    shop.init("a", 1);
    shop.scale("web", Quantity::To(2));
    let waiting = shop.holder("web.2");
    assert_eq!(waiting.host, None);
    shop.scale("web", Quantity::To(1));
    assert_eq!(shop.dyno(waiting.id).state, DynoState::Down);
    assert!(shop.world().eni(waiting.eni).is_none());

    let instance = shop.instance();
    assert_eq!(shop.world().instance(instance).unwrap().host, None);
    let terminate = Ec2Command::TerminateInstances { instances: vec![instance] };
    shop.town.bench.ok(key(scope(700, VIRGINIA)), terminate);
    let state = shop.world().instance(instance).unwrap().state;
    assert_eq!(state, InstanceState::Terminated);
}

#[test]
fn dynos_of_a_host_that_is_silent_start_anew_elsewhere_and_disks_stay() {
    let mut shop = Shop::deployed();
    let first = shop.init("a", 64);
    let (addon, instance) = (shop.addon(), shop.instance());
    let second = shop.join(2, "b", 64);
    shop.scale("web", Quantity::To(2));
    shop.scale("worker", Quantity::To(2));
    shop.start_all();
    shop.end_all();
    let lost: Vec<Dyno> =
        shop.dynos().into_iter().filter(|d| d.host == Some(first) && !d.state.ended()).collect();
    assert_eq!(lost.len(), 2, "one of each type");

    shop.pass(29);
    shop.hear(&[second]);
    shop.tick();
    assert_eq!(shop.world().host(first).unwrap().state(), HostState::Ready);
    assert_eq!(
        shop.world().next_deadline(),
        Some(shop.world().host(first).unwrap().last_heard + Host::SILENCE)
    );
    shop.pass(1);
    shop.tick();
    assert_eq!(shop.world().host(first).unwrap().state(), HostState::Lost);
    assert!(shop.on().values().all(|host| *host == Some(second)), "{:?}", shop.on());
    for old in &lost {
        let new = shop.holder(&old.name);
        assert_ne!((new.id, new.eni), (old.id, old.eni));
        let given_up = shop.dyno(old.id);
        assert_eq!(given_up.exit, Some(Exit::Failed("its host host-1 was lost".to_owned())));
        assert!(given_up.superseded && given_up.state == DynoState::Crashed);
        // It may run on there, so nobody else gets its address.
        assert!(shop.world().eni(old.eni).is_some());
        let told = plan_on(shop.world(), first).workloads;
        assert!(!told.0[&WorkloadId::Dyno(old.id)].run, "it is to be stopped there");
    }
    assert_eq!(shop.world().addon(addon).unwrap().host, Some(first));
    assert_eq!(shop.world().instance(instance).unwrap().host, Some(first));
    let routers = shop.town.space().router_hosts;
    assert!(routers.values().all(|host| *host == second), "{routers:?}");
    shop.scale("web", Quantity::To(3));
    assert_eq!(shop.on()["web.3"], Some(second), "what is lost is given nothing");

    shop.pass(60);
    let back = HostCommand::Heard { hosts: [first].into() };
    let reply = shop.town.bench.ok(Caller::System, back);
    assert_eq!(reply, Reply::Resources(vec![Key::Host(first)]), "it tells who was lost until now");
    assert_eq!(shop.world().host(first).unwrap().state(), HostState::Ready);
    for old in &lost {
        shop.observe(old.id, WorkloadReport::Ended(Exit::Signal(15)));
        assert!(shop.world().eni(old.eni).is_none(), "now its address is free");
    }
    assert!(shop.on().values().all(|host| *host == Some(second)), "nothing moves back");
    shop.scale("web", Quantity::To(4));
    assert_eq!(shop.on()["web.4"], Some(first));
}

/// What a host ends by itself runs nowhere else before that.
#[test]
fn what_is_fenced_starts_elsewhere_once_its_host_must_have_ended_it() {
    let mut shop = Shop::deployed();
    let first = shop.init("a", 64);
    let second = shop.join(2, "b", 64);
    shop.scale("worker", Quantity::To(1));
    shop.start_all();
    shop.end_all();
    let old = shop.holder("worker.1");
    let on = old.host.unwrap();
    let (other, id) = (if on == first { second } else { first }, WorkloadId::Dyno(old.id));
    let fenced = |shop: &Shop| plan_on(shop.world(), on).workloads.0[&id].fenced;
    assert!(!fenced(&shop));
    shop.ok(C::SetFenceStop { app: shop.app, fence_stop: true });
    assert!(fenced(&shop) && shop.holder("worker.1").id == old.id, "it runs on");
    let single = C::StartDyno {
        app: shop.app,
        command: "true".to_owned(),
        size: None,
        environment: BTreeMap::new(),
        stdio: Stdio::Log,
    };
    let Some(Key::Dyno(single)) = shop.ok(single).main() else { panic!("no dyno") };
    let plans = plan(shop.world(), shop.town.bench.now).workloads.0;
    assert!(!plans[&WorkloadId::Dyno(single)].fenced, "nothing runs in its place");

    let heard = shop.world().host(on).unwrap().last_heard;
    let mut silent = Duration::ZERO;
    let mut pass = |shop: &mut Shop, until: Duration| {
        while silent < until {
            silent += Duration::from_secs(5);
            shop.pass(5);
            shop.hear(&[other]);
            shop.tick();
        }
    };
    pass(&mut shop, Host::SILENCE);
    assert_eq!(shop.world().host(on).unwrap().state(), HostState::Lost);
    let waits = shop.holder("worker.1");
    assert_eq!((waits.id, waits.state), (old.id, DynoState::Crashed));
    let Some(Exit::Failed(why)) = &waits.exit else { panic!("{waits:?}") };
    assert!(why.contains("was lost") && why.contains("fence-stop"), "{why}");
    assert_eq!(waits.tried_again(), Some(heard + Host::FENCED));
    assert!(!plan_on(shop.world(), on).workloads.0[&id].run, "it is not to run there again");
    pass(&mut shop, Host::FENCED - Duration::from_secs(5));
    assert_eq!(shop.holder("worker.1").id, old.id, "it may run still");
    pass(&mut shop, Host::FENCED);
    let new = shop.holder("worker.1");
    assert_eq!((new.host, new.state), (Some(other), DynoState::Starting));
    assert_eq!((new.crashes, new.fenced_until), (old.crashes, None), "that was no crash");

    // Without it nothing waits.
    shop.hear(&[first, second]);
    shop.ok(C::SetFenceStop { app: shop.app, fence_stop: false });
    shop.observe(new.id, WorkloadReport::Running);
    shop.town.bench.ok(Caller::Operator, HostCommand::Lost { host: other });
    assert_eq!(shop.on()["worker.1"], Some(on));
}

#[test]
fn the_operator_is_told_of_a_host_that_is_lost_and_of_its_return() {
    let mut shop = Shop::deployed();
    let first = shop.init("a", 64);
    shop.pass(30);
    let told = |shop: &mut Shop, command: Command| {
        let before = shop.world().clone();
        let (_, changes) = shop.town.bench.run(Caller::System, command).unwrap();
        let events = events_of(&before, shop.world(), &changes, shop.town.bench.now);
        let of_host = events.into_iter().filter(|event| event.resource == first.to_string());
        of_host.map(|event| (event.kind, event.text, event.audience)).collect::<Vec<_>>()
    };
    let lost = "Nothing is heard of the host host-1 any more.".to_owned();
    let everybody_else = Audience::default();
    assert_eq!(
        told(&mut shop, SystemCommand::Tick.into()),
        [(EventKind::HostLost, lost, everybody_else.clone())]
    );
    let heard = || HostCommand::Heard { hosts: [first].into() };
    let again = "The host host-1 is heard again.".to_owned();
    assert_eq!(told(&mut shop, heard().into()), [(EventKind::HostHeard, again, everybody_else)]);
    shop.pass(5);
    assert_eq!(told(&mut shop, heard().into()), [], "that is no news");
}

#[test]
fn after_nobody_listened_silence_is_counted_anew() {
    let mut shop = Shop::deployed();
    let first = shop.init("a", 64);
    shop.pass(3600);
    shop.town.bench.ok(Caller::System, HostCommand::Listen);
    shop.tick();
    assert_eq!(shop.world().host(first).unwrap().state(), HostState::Ready);
    shop.pass(30);
    shop.tick();
    assert_eq!(shop.world().host(first).unwrap().state(), HostState::Lost);
    shop.town.bench.idle(Caller::System, HostCommand::Listen);
    assert_eq!(shop.world().host(first).unwrap().state(), HostState::Lost, "it was not heard");
}

/// A tick may come late, and find that more than one time has come.
#[test]
fn what_a_lost_host_ended_does_not_come_to_its_own_time_as_well() {
    let mut shop = Shop::deployed();
    let first = shop.init("a", 64);
    let second = shop.join(2, "b", 64);
    let old = shop.holder("web.1");
    shop.observe(old.id, WorkloadReport::Running);
    assert_eq!((shop.holder("web.1").state, old.host), (DynoState::Booting, Some(first)));
    shop.pass(100);
    shop.hear(&[second]);
    shop.tick();
    let given_up = shop.dyno(old.id);
    assert_eq!(given_up.exit, Some(Exit::Failed("its host host-1 was lost".to_owned())));
    assert!(given_up.superseded);
    assert_eq!(shop.on()["web.1"], Some(second));
    shop.tick();
    assert_eq!(shop.dyno(old.id), given_up);
}

#[test]
fn a_lone_host_that_is_lost_takes_its_dynos_back_when_it_is_heard() {
    let mut shop = Shop::deployed();
    let first = shop.init("a", 64);
    shop.start_all();
    let old = shop.holder("web.1");
    shop.host(HostCommand::Lost { host: first });
    let new = shop.holder("web.1");
    assert_ne!(new.id, old.id);
    assert_eq!(shop.world().why_unplaced(WorkloadId::Dyno(new.id)), Some(Unplaced::NoHost));
    shop.hear(&[first]);
    assert_eq!(shop.on()["web.1"], Some(first));
}

#[test]
fn one_off_dynos_and_release_commands_of_a_lost_host_have_ended() {
    let mut shop = Shop::new();
    let first = shop.init("a", 64);
    let second = shop.join(2, "b", 64);
    let slug = shop.slug(&[("web", "serve"), ("release", "migrate")]);
    shop.ok(C::CreateRelease { app: shop.app, slug, description: None });
    let command = shop.dynos().into_iter().find(Dyno::is_release_command).unwrap();
    let (lost, other) = (command.host.unwrap(), first);
    shop.observe(command.id, WorkloadReport::Running);
    shop.host(HostCommand::Lost { host: lost });
    assert_eq!(shop.dyno(command.id).state, DynoState::Crashed);
    let releases = shop.world().releases_of(Key::App(shop.app));
    let last = releases.max_by_key(|release| release.version).unwrap();
    assert!(
        matches!(&last.status, ReleaseStatus::Failed(why) if why.contains("was lost")),
        "{:?}",
        last.status
    );
    assert!(lost == other || lost == second);
    assert!(!shop.dynos().iter().any(|dyno| !dyno.state.ended()), "it is not tried elsewhere");
}

#[test]
fn a_host_is_emptied_one_dyno_after_another_and_none_ends_before_the_new_one_is_up() {
    let mut shop = Shop::deployed();
    let first = shop.init("a", 64);
    shop.scale("web", Quantity::To(3));
    shop.start_all();
    let addon = shop.addon();
    shop.start_all();
    shop.end_all();
    let olds: Vec<Dyno> =
        ["web.1", "web.2", "web.3"].iter().map(|name| shop.holder(name)).collect();
    let second = shop.join(2, "b", 64);
    shop.host(HostCommand::Drain { host: first });
    assert_eq!(shop.world().host(first).unwrap().state(), HostState::Draining);
    let routers = shop.town.space().router_hosts;
    assert!(routers.values().all(|host| *host == second), "{routers:?}");
    for moved in 1..=3 {
        let starting: Vec<Dyno> =
            shop.dynos().into_iter().filter(|d| d.state == DynoState::Starting).collect();
        assert_eq!(starting.len(), 1, "one after another");
        assert_eq!(starting[0].host, Some(second));
        let old = shop.dyno(olds.iter().find(|old| old.name == starting[0].name).unwrap().id);
        assert_eq!(old.state, DynoState::Up, "it serves until then");
        shop.start_all();
        assert_eq!(shop.dyno(old.id).state, DynoState::Draining);
        let there = shop.on().values().filter(|host| **host == Some(second)).count();
        assert_eq!(there, if moved == 3 { 3 } else { moved + 1 });
    }
    let (code, message) = shop.host_refused(HostCommand::Remove { host: first, force: false });
    assert_eq!(code, Code::DependencyViolation);
    let name = &shop.world().addon(addon).unwrap().name;
    assert!(message.contains("dynos of shop (3)") && message.contains(name), "{message}");

    shop.host(HostCommand::Undrain { host: first });
    assert_eq!(shop.on()["web.1"], Some(second), "what has moved stays");
    shop.scale("web", Quantity::To(4));
    assert_eq!(shop.on()["web.4"], Some(first));
}

#[test]
fn a_host_is_not_emptied_to_where_there_is_no_room_and_a_crash_elsewhere_stops_nothing() {
    let mut shop = Shop::deployed();
    let first = shop.init("a", 8);
    shop.scale("web", Quantity::To(2));
    shop.start_all();
    let second = shop.join(2, "b", 1);
    shop.host(HostCommand::Drain { host: first });
    shop.start_all();
    let on = shop.on();
    let moved = on.values().filter(|host| **host == Some(second)).count();
    assert_eq!(moved, 1, "the other one stays up where it is: {on:?}");
    assert!(shop.places().values().all(|(state, _)| *state == DynoState::Up));
    let third = shop.join(3, "b", 8);
    let new = shop.dynos().into_iter().find(|dyno| dyno.host == Some(third)).unwrap();
    shop.observe(new.id, WorkloadReport::Ended(Exit::Code(1)));
    let old = shop.dynos().into_iter().find(|d| d.host == Some(first) && d.state == DynoState::Up);
    assert!(old.is_some(), "it serves on");
    shop.scale("worker", Quantity::To(1));
    shop.pass(2);
    shop.hear(&[first, second, third]);
    shop.tick();
    shop.start_all();
    assert!(shop.on().values().all(|host| *host != Some(first)), "{:?}", shop.on());
}

#[test]
fn a_host_is_removed_once_it_is_empty_or_by_force_with_all_that_is_there() {
    let mut shop = Shop::deployed();
    let first = shop.init("a", 64);
    let second = shop.join(2, "b", 64);
    let (addon, instance) = (shop.addon(), shop.instance());
    shop.start_all();
    let old = shop.holder("web.1");
    let on = |shop: &Shop| shop.world().addon(addon).unwrap().host.unwrap();
    let doomed = on(&shop);
    let other = if doomed == first { second } else { first };
    let told = shop.world().addon(addon).unwrap().attempt;
    let (code, message) = shop.host_refused(HostCommand::Remove { host: doomed, force: false });
    assert_eq!(code, Code::DependencyViolation, "{message}");
    assert!(message.contains("--force"), "{message}");
    let reply =
        shop.town.bench.ok(Caller::Operator, HostCommand::Remove { host: doomed, force: true });
    assert_eq!(reply, Reply::Done);
    assert!(shop.world().host(doomed).is_none());
    let found = shop.world().addon(addon).unwrap();
    assert_eq!((found.host, found.state), (Some(other), AddonState::Provisioning));
    assert_ne!(found.attempt, told, "it starts with an empty disk");
    assert_eq!(shop.on()["web.1"], Some(other));
    let ended = shop.world().instance(instance).unwrap();
    assert_eq!(ended.state == InstanceState::Terminated, ended.host.is_none());
    if old.host == Some(doomed) {
        assert!(shop.world().eni(old.eni).is_none(), "nobody will say that it ended");
    }
    shop.world().check();
    assert!(shop.world().naming(Key::Host(doomed), Kind::Dyno).next().is_none());
}

#[test]
fn what_is_said_of_a_host_makes_sense() {
    let mut shop = Shop::deployed();
    let first = shop.init("a", 8);
    let with = |change: &dyn Fn(&mut NewHost)| {
        let mut new = new_host(2, "a", 8);
        change(&mut new);
        HostCommand::Join(new)
    };
    let address = |text: &str| text.parse().unwrap();
    for (bad, code, says) in [
        (with(&|new| new.name = "Host".to_owned()), Code::InvalidParameterValue, "lowercase"),
        (with(&|new| new.name = "host-1".to_owned()), Code::Conflict, "named host-1"),
        (with(&|new| new.facts.zone = String::new()), Code::InvalidParameterValue, "A zone"),
        (with(&|new| new.facts.address = address("127.0.0.1")), Code::InvalidParameterValue, "127"),
        (
            with(&|new| new.facts.address = address("::")),
            Code::InvalidParameterValue,
            "one machine",
        ),
        (with(&|new| new.facts.address = address("192.0.2.1")), Code::Conflict, "host-1"),
        (with(&|new| new.facts.capacity.memory = 5), Code::InvalidParameterValue, "1 GiB"),
        (with(&|new| new.facts.capacity.cpus = 0), Code::InvalidParameterValue, "one processor"),
        (
            with(&|new| new.facts.labels = [("a b".to_owned(), String::new())].into()),
            Code::InvalidParameterValue,
            "label's name",
        ),
        (
            with(&|new| new.facts.labels = [("a".to_owned(), "\n".to_owned())].into()),
            Code::InvalidParameterValue,
            "label a",
        ),
    ] {
        let (found, message) = shop.host_refused(bad);
        assert_eq!(found, code, "{message}");
        assert!(message.contains(says), "{message}");
    }
    let nobody = HostId::MIN;
    for command in [HostCommand::Drain { host: nobody }, HostCommand::Lost { host: nobody }] {
        assert_eq!(shop.host_refused(command).0, Code::NotFound);
    }
    // Its own address is nobody else's.
    let facts = HostFacts { zone: "b".to_owned(), ..new_host(1, "a", 8).facts };
    shop.town.bench.ok(Caller::System, HostCommand::Connected { host: first, facts });
    let host = shop.world().host(first).unwrap();
    assert_eq!((host.zone.as_str(), host.connected), ("b", Some(shop.town.bench.now)));
    let facts = HostFacts { version: "x".repeat(999), ..new_host(1, "a", 8).facts };
    let unreadable = HostCommand::Connected { host: first, facts };
    let refused = shop.town.bench.refused(Caller::System, unreadable);
    assert_eq!(refused.code, Code::InvalidParameterValue);
    shop.town.bench.idle(Caller::Operator, HostCommand::Undrain { host: first });
}

#[test]
fn hosts_are_the_operators_and_what_is_heard_of_them_causeways_own() {
    let mut shop = Shop::deployed();
    let host = shop.init("a", 8);
    let user = shop.town.admin();
    let customer = key(scope(700, VIRGINIA));
    for command in [
        HostCommand::Join(new_host(2, "a", 8)),
        HostCommand::Drain { host },
        HostCommand::Undrain { host },
        HostCommand::Remove { host, force: true },
        HostCommand::Lost { host },
        HostCommand::Connected { host, facts: new_host(1, "a", 8).facts },
        HostCommand::CreateJoinToken { hash: "h".to_owned(), lifetime: JoinToken::LIFETIME },
        HostCommand::Enrol { token: "h".to_owned(), key: "k".to_owned(), new: new_host(2, "a", 8) },
        HostCommand::Heard { hosts: [host].into() },
        HostCommand::Listen,
    ] {
        for caller in [user, customer] {
            let refused = shop.town.bench.refused(caller, command.clone());
            assert_eq!(refused.code, Code::UnauthorizedOperation, "{command:?}");
        }
    }
    for systems in [
        HostCommand::Listen,
        HostCommand::Connected { host, facts: new_host(1, "a", 8).facts },
        HostCommand::Enrol { token: "h".to_owned(), key: "k".to_owned(), new: new_host(2, "a", 8) },
    ] {
        let refused = shop.town.bench.refused(Caller::Operator, systems);
        assert_eq!(refused.code, Code::UnauthorizedOperation);
    }
}

#[test]
fn an_instance_takes_no_type_that_its_host_has_no_room_for() {
    let mut shop = Shop::deployed();
    let first = shop.init("a", 8);
    let instance = shop.instance();
    let customer = key(scope(700, VIRGINIA));
    let observe = |shop: &mut Shop, report| {
        let workloads = [(WorkloadId::Instance(instance), report)].into();
        let seen = Observation { workloads, ..Observation::default() };
        shop.town.bench.ok(Caller::System, SystemCommand::Observe(seen));
    };
    observe(&mut shop, WorkloadReport::Running);
    shop.town.bench.ok(customer, Ec2Command::StopInstances { instances: vec![instance] });
    observe(&mut shop, WorkloadReport::Ended(Exit::Code(0)));
    let before = shop.world().committed(first);
    let modify = |name: &str| Ec2Command::ModifyInstanceAttribute {
        instance,
        change: InstanceChange::Type(name.to_owned()),
    };
    let refused = shop.town.bench.refused(customer, modify("m5.2xlarge"));
    assert_eq!(refused.code, Code::InsufficientInstanceCapacity);
    shop.town.bench.ok(customer, modify("t3.medium"));
    assert_eq!(shop.world().committed(first), before + 3 * GIB);
}

/// Makes a token with a hash, which is good for an hour.
fn token(shop: &mut Shop, hash: &str) {
    let lifetime = JoinToken::LIFETIME;
    let create = HostCommand::CreateJoinToken { hash: hash.to_owned(), lifetime };
    shop.town.bench.ok(Caller::Operator, create);
}

fn enrol(shop: &mut Shop, hash: &str, key: &str, new: NewHost) -> Result<HostId, Refused> {
    let (token, key) = (hash.to_owned(), key.to_owned());
    let (reply, _) = shop.town.bench.run(Caller::System, HostCommand::Enrol { token, key, new })?;
    match reply.main() {
        Some(Key::Host(id)) => Ok(id),
        other => panic!("not a host: {other:?}"),
    }
}

#[test]
fn a_token_lets_one_host_in_and_the_first_has_all_that_runs() {
    let mut shop = Shop::deployed();
    shop.start_all();
    for hash in ["one", "two", "three"] {
        token(&mut shop, hash);
    }
    let first = enrol(&mut shop, "one", "key 1", new_host(1, "a", 8)).unwrap();
    assert!(shop.on().values().all(|host| *host == Some(first)));
    assert!(shop.world().host(first).unwrap().first);
    let second = enrol(&mut shop, "two", "key 2", new_host(2, "b", 8)).unwrap();
    assert!(!shop.world().host(second).unwrap().first);
    // Whom the answer did not reach asks once more, and nobody else may.
    let changes = shop.town.bench.world.clone();
    let again = enrol(&mut shop, "two", "key 2", new_host(2, "b", 8)).unwrap();
    assert_eq!(again, second);
    assert_eq!(shop.world().hosts().count(), changes.hosts().count());
    let other = enrol(&mut shop, "two", "key 3", new_host(3, "b", 8)).unwrap_err();
    assert_eq!((other.code, other.message.as_str()), (Code::NotFound, "The token was used."));
    let none = enrol(&mut shop, "none", "key 3", new_host(3, "b", 8)).unwrap_err();
    assert_eq!(none.code, Code::NotFound);
    // One whose name another has is refused, and may choose another with the same token.
    let taken = enrol(&mut shop, "three", "key 3", new_host(2, "b", 8)).unwrap_err();
    assert_eq!(taken.code, Code::Conflict);
    shop.pass(3600);
    let late = enrol(&mut shop, "three", "key 3", new_host(3, "b", 8)).unwrap_err();
    assert_eq!(late.code, Code::PreconditionFailed);
    // Who was removed needs another token.
    shop.town.bench.ok(Caller::Operator, HostCommand::Remove { host: second, force: true });
    let gone = enrol(&mut shop, "two", "key 2", new_host(2, "b", 8)).unwrap_err();
    assert_eq!(gone.code, Code::NotFound);
    assert_eq!(shop.world().join_tokens().count(), 3);
    shop.pass(24 * 3600);
    shop.town.bench.ok(Caller::System, SystemCommand::Tick);
    assert_eq!(shop.world().join_tokens().count(), 0, "they are forgotten");
}

#[test]
fn tokens_to_join_by_have_bounds() {
    let mut shop = Shop::deployed();
    for lifetime in [Duration::ZERO, JoinToken::LONGEST_LIFETIME + Duration::from_secs(1)] {
        let create = HostCommand::CreateJoinToken { hash: "h".to_owned(), lifetime };
        assert_eq!(shop.host_refused(create).0, Code::InvalidParameterValue);
    }
    for n in 0..1000 {
        token(&mut shop, &format!("token {n}"));
    }
    let lifetime = JoinToken::LIFETIME;
    let more = || HostCommand::CreateJoinToken { hash: "more".to_owned(), lifetime };
    assert_eq!(shop.host_refused(more()).0, Code::LimitExceeded);
    enrol(&mut shop, "token 7", "key", new_host(1, "a", 8)).unwrap();
    shop.town.bench.ok(Caller::Operator, more());
}

#[test]
fn a_host_is_connected_while_it_is_heard() {
    let mut shop = Shop::deployed();
    let host = shop.init("a", 8);
    let since = |shop: &Shop| {
        let bench = &shop.town.bench;
        bench.world.host(host).unwrap().connected_since(bench.now)
    };
    assert_eq!(since(&shop), None, "its agent was never there");
    let facts = new_host(1, "a", 8).facts;
    shop.town.bench.ok(Caller::System, HostCommand::Connected { host, facts });
    shop.hear(&[host]);
    let began = shop.town.bench.now;
    for _ in 0..4 {
        shop.pass(5);
        shop.hear(&[host]);
        assert_eq!(since(&shop), Some(began));
    }
    shop.pass(12);
    assert_eq!(since(&shop), None, "nothing is heard of it");
}
