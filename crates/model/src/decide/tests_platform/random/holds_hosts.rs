//! What holds of hosts after each step of random play.

use std::collections::{BTreeMap, BTreeSet};

use super::domains;
use crate::edge::EdgeIntent;
use crate::intent::{Intent, NetworksIntent};
use crate::protocol::{Edge, Networks, Subject, Workloads};
use crate::*;

/// Where everything is that has a host.
fn placed(world: &World) -> BTreeMap<WorkloadId, HostId> {
    let dynos = world.dynos().map(|dyno| (WorkloadId::Dyno(dyno.id), dyno.host));
    let addons = world.addons().map(|addon| (WorkloadId::Service(addon.id), addon.host));
    let instances = world.instances().map(|it| (WorkloadId::Instance(it.id), it.host));
    let all = dynos.chain(addons).chain(instances);
    all.filter_map(|(id, host)| Some((id, host?))).collect()
}

pub(super) fn after_step(before: &World, after: &World, command: &Command) {
    let (old, new) = (placed(before), placed(after));
    if !after.has_hosts() {
        assert!(new.is_empty(), "{new:?} are on hosts that are not there");
        return;
    }
    let gives_all = matches!(command, Command::Host(HostCommand::Init(_)));
    for (id, host) in &new {
        let found = after.host(*host).expect("it is on a host that is there");
        if old.get(id) == Some(host) || gives_all {
            continue;
        }
        // What never runs by two records at once moves only where its host was removed.
        let before_that = old.get(id).and_then(|old| after.host(*old));
        assert_eq!(before_that, None, "{id:?} has moved by {command:?}");
        assert_eq!(found.state(), HostState::Ready, "{id:?} was put there by {command:?}");
        let committed = after.committed(*host);
        assert!(committed <= found.capacity.memory, "{} has too much by {command:?}", found.name);
    }
    for id in after.unplaced() {
        assert!(after.why_unplaced(id).is_some(), "{id:?} waits although there is room");
    }
    for dyno in after.dynos().filter(|dyno| !dyno.state.ended()) {
        let lost = dyno.host.and_then(|id| after.host(id)).and_then(|host| host.lost);
        assert_eq!(lost, None, "{} runs on a host that is lost", dyno.name);
        let told_to_end = dyno.host.is_none() && !dyno.state.wants_to_run();
        assert!(!told_to_end, "nobody will say that {} has ended", dyno.name);
    }
    for space in after.spaces() {
        let ready = after.hosts().any(|host| host.state() == HostState::Ready);
        let without = space.router_enis.iter().any(|eni| !space.router_hosts.contains_key(eni));
        assert!(!without || !ready, "a web router waits although there is a host");
    }
    check_parts(after);
}

/// What hosts are told is all that is to be, and nothing is told to two.
fn check_parts(world: &World) {
    let whole = plan(world, Timestamp::default());
    let edge = plan_edge(world, &domains());
    let mut workloads = BTreeMap::new();
    let (mut enis, mut routers) = (BTreeMap::new(), BTreeMap::new());
    for host in world.hosts() {
        let part = plan_on(world, host.id);
        for (id, plan) in part.workloads.0 {
            assert_eq!(workloads.insert(id, plan), None, "{id} is told to two hosts");
        }
        for vpc in part.networks.vpcs.into_values() {
            for (id, interface) in vpc.interfaces {
                assert!(vpc.subnets.contains_key(&interface.subnet));
                assert_eq!(enis.insert(id, interface), None, "{id} is told to two hosts");
            }
        }
        let answered = plan_edge_on(world, host.id, &domains());
        for (id, resolver) in answered.vpcs {
            assert_eq!(edge.vpcs.get(&id), Some(&resolver), "all resolvers of a VPC say the same");
        }
        for (id, router) in answered.spaces {
            assert_eq!(edge.spaces[&id].apps, router.apps);
            for (eni, address) in router.interfaces {
                assert_eq!(routers.insert((id, eni), address), None, "{eni} is told to two hosts");
            }
        }
    }
    assert_eq!(workloads, whole.workloads.0);
    let interfaces = whole.networks.vpcs.into_values().flat_map(|vpc| vpc.interfaces);
    let interfaces: BTreeMap<_, _> = interfaces.collect();
    for (id, interface) in &enis {
        assert_eq!(interfaces.get(id), Some(interface), "it is what it is in the whole");
    }
    for workload in workloads.values().filter(|workload| !workload.addresses.is_empty()) {
        assert!(enis.contains_key(&workload.interface), "its interface is told with it");
    }
    for space in world.spaces().filter(|space| space.state == SpaceState::Allocated) {
        let told = routers.keys().filter(|(id, _)| *id == space.id).count();
        assert_eq!(told, space.router_hosts.len());
    }
}

/// What each host was told.
#[derive(Default)]
pub(super) struct Told(BTreeMap<HostId, (Intent, EdgeIntent)>);

impl Told {
    /// What was told of the changes adds up to what is to be.
    pub(super) fn follow(
        &mut self,
        (before, after, now): (&World, &World, Timestamp),
        changes: &[Change],
    ) {
        if !before.has_hosts() && !after.has_hosts() {
            return;
        }
        let whole = plan_delta(before, after, changes, now);
        for (host, delta) in plan_delta_by_host(before, after, changes, &whole) {
            let (intent, _) = self.0.entry(host).or_default();
            Networks::change(&mut intent.networks, delta.networks);
            Workloads::change(&mut intent.workloads, delta.workloads);
        }
        let whole = edge_delta(before, after, changes, &domains());
        for (host, delta) in edge_delta_by_host(before, after, changes, &whole, &domains()) {
            Edge::change(&mut self.0.entry(host).or_default().1, delta);
        }
        let gone: BTreeSet<HostId> =
            self.0.keys().filter(|id| after.host(**id).is_none()).copied().collect();
        for host in gone {
            // Whoever listens for it still was told to end everything.
            let (intent, edge) = self.0.remove(&host).unwrap_or_default();
            assert_eq!(intent.workloads.0.keys().next(), None);
            assert_eq!(intent.networks, NetworksIntent::default());
            assert_eq!(edge, EdgeIntent::default());
        }
        for host in after.hosts() {
            let (intent, edge) = self.0.entry(host.id).or_default();
            assert_eq!(*intent, plan_on(after, host.id), "{}", host.name);
            assert_eq!(*edge, plan_edge_on(after, host.id, &domains()), "{}", host.name);
        }
    }
}

/// When time alone changes something next that is no host.
pub(super) fn deadline_beside_hosts(world: &World) -> Option<Timestamp> {
    let waiting = world.waiting(Errand::Act);
    waiting.filter(|(_, key)| !matches!(key, Key::Host(_))).map(|(at, _)| at).next()
}

/// Whether a dyno ended because nothing is heard of its host any more, or the host was removed.
pub(super) fn gone_with_its_host(after: &World, old: &Dyno) -> bool {
    old.host.is_some_and(|id| after.host(id).is_none_or(|host| host.lost.is_some()))
}

/// Everything is where it is to be.
pub(super) fn at_rest(world: &World) {
    if !world.has_hosts() {
        return;
    }
    assert_eq!(world.unplaced().next(), None);
    for host in world.hosts().filter(|host| host.draining) {
        let dynos = world.dynos_in(Key::Host(host.id)).filter(|dyno| dyno.number.is_some());
        let left: Vec<_> = dynos.filter(|dyno| !dyno.state.ended()).collect();
        assert!(left.is_empty(), "{} is not empty: {left:?}", host.name);
        assert_eq!(world.spaces_of(Key::Host(host.id)).next(), None);
    }
}
