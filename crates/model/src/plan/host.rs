//! The part of the plan that is one host's.
//!
//! A host is told what is placed on it: its processes, their interfaces and those of web routers, and
//! what the edge beside them answers. Rules, routes and peerings are told to what carries packets
//! between hosts, once for all of them. Every process and every interface is in the part of one host
//! at most, and all parts together have all that is in the whole plan.

use std::collections::{BTreeMap, BTreeSet};

use super::edge::{plan_resolver, plan_router};
use super::vpc::own_part;
use super::workload::plan_workload;
use crate::edge::{Domains, EdgeDelta, EdgeIntent, RouterIntent};
use crate::intent::{Intent, IntentDelta, NetworksIntent, VpcIntent, WorkloadsIntent};
use crate::placed::workload_of;
use crate::resource::{Eni, Space};
use crate::{Change, EniId, HostId, Key, Kind, VpcId, WorkloadId, World};

/// Says what must be on a host.
pub fn plan_on(world: &World, host: HostId) -> Intent {
    let workloads = world.workloads_on(host).into_iter();
    let workloads = workloads.filter_map(|id| Some((id, plan_workload(world, id)?)));
    let vpcs = vpcs_on(world, host).into_iter();
    let vpcs = vpcs.filter_map(|id| Some((id, vpc_by_host(world, id).remove(&host)?)));
    Intent {
        networks: NetworksIntent { vpcs: vpcs.collect(), ..NetworksIntent::default() },
        workloads: WorkloadsIntent(workloads.collect()),
    }
}

/// Says what the edge of a host must answer: names in VPCs that something there is in, and requests to
/// the web routers that are there. `domains` are the platform's own.
pub fn plan_edge_on(world: &World, host: HostId, domains: &Domains) -> EdgeIntent {
    let vpcs = vpcs_on(world, host).into_iter();
    let vpcs = vpcs.filter_map(|id| Some((id, plan_resolver(world, world.vpc(id)?, domains)?)));
    let spaces = world.spaces_of(Key::Host(host)).filter_map(|space| {
        let mut routers = router_by_host(world, space, domains);
        Some((space.id, routers.remove(&host)?))
    });
    EdgeIntent { vpcs: vpcs.collect(), spaces: spaces.collect() }
}

/// Says for each host how what must be on it differs, given the difference of the whole plan and what
/// changed between. A host that is not here is to be what it was.
pub fn plan_delta_by_host(
    before: &World,
    after: &World,
    changes: &[Change],
    whole: &IntentDelta,
) -> BTreeMap<HostId, IntentDelta> {
    let mut parts: BTreeMap<HostId, IntentDelta> = BTreeMap::new();
    let touched = whole.workloads.0.keys().copied();
    let touched = touched.chain(changes.iter().filter_map(|change| workload_of(change.key())));
    for id in touched.collect::<BTreeSet<_>>() {
        let (old, new) = (before.host_of(id), after.host_of(id));
        let known = whole.workloads.0.get(&id);
        // Where nothing of it changed it may be another host's from now on.
        if let Some(new) = new.filter(|new| known.is_some() || old != Some(*new)) {
            let plan = known.cloned().unwrap_or_else(|| plan_workload(after, id));
            parts.entry(new).or_default().workloads.0.insert(id, plan);
        }
        if let Some(old) = old.filter(|old| Some(*old) != new) {
            parts.entry(old).or_default().workloads.0.insert(id, None);
        }
    }
    let touched = whole.networks.vpcs.keys().copied().chain(vpcs_touched(before, after, changes));
    for id in touched.collect::<BTreeSet<_>>() {
        let (old, new) = (vpc_by_host(before, id), vpc_by_host(after, id));
        for (host, part) in differing(old, new) {
            parts.entry(host).or_default().networks.vpcs.insert(id, part);
        }
    }
    parts
}

/// Says for each host how what its edge must answer differs, given the difference for all together and
/// what changed between.
pub fn edge_delta_by_host(
    before: &World,
    after: &World,
    changes: &[Change],
    whole: &EdgeDelta,
    domains: &Domains,
) -> BTreeMap<HostId, EdgeDelta> {
    let mut parts: BTreeMap<HostId, EdgeDelta> = BTreeMap::new();
    let touched = whole.vpcs.keys().copied().chain(vpcs_touched(before, after, changes));
    for id in touched.collect::<BTreeSet<_>>() {
        let (old, new) = (hosts_in(before, id), hosts_in(after, id));
        let known = whole.vpcs.get(&id);
        let plan = || plan_resolver(after, after.vpc(id)?, domains);
        let plan = known.cloned().unwrap_or_else(plan);
        // Where nothing of it changed, those are told it who do not have it yet.
        let told = new.iter().filter(|host| known.is_some() || !old.contains(host));
        for host in told.filter(|_| known.is_some() || plan.is_some()) {
            parts.entry(*host).or_default().vpcs.insert(id, plan.clone());
        }
        for host in old.difference(&new) {
            parts.entry(*host).or_default().vpcs.insert(id, None);
        }
    }
    let changed = changes.iter().filter_map(|change| match change.key() {
        Key::Space(id) => Some(id),
        _ => None,
    });
    for id in whole.spaces.keys().copied().chain(changed).collect::<BTreeSet<_>>() {
        let routers = |world: &World| {
            world.space(id).map(|space| router_by_host(world, space, domains)).unwrap_or_default()
        };
        let (old, new) = (routers(before), routers(after));
        // What is to be heard again is told again.
        let again: Vec<_> = match whole.spaces.get(&id) {
            Some(Some(_)) => new.iter().map(|(host, plan)| (*host, Some(plan.clone()))).collect(),
            _ => Vec::new(),
        };
        for (host, plan) in differing(old, new).into_iter().chain(again) {
            parts.entry(host).or_default().spaces.insert(id, plan);
        }
    }
    parts
}

fn differing<Part: PartialEq>(
    old: BTreeMap<HostId, Part>,
    mut new: BTreeMap<HostId, Part>,
) -> Vec<(HostId, Option<Part>)> {
    let mut found = Vec::new();
    for (host, part) in old {
        match new.remove(&host) {
            Some(same) if same == part => {}
            other => found.push((host, other)),
        }
    }
    found.extend(new.into_iter().map(|(host, part)| (host, Some(part))));
    found
}

/// The host that an interface is on; `None` where what has it waits for one, or there are none.
pub fn host_of_interface(world: &World, id: EniId) -> Option<HostId> {
    host_of_eni(world, world.eni(id)?)
}

/// The host that an interface is on: that of the process or of the web router that has it.
fn host_of_eni(world: &World, eni: &Eni) -> Option<HostId> {
    match eni.attachment.as_ref()?.workload {
        WorkloadId::Router(space) => world.space(space)?.router_hosts.get(&eni.id).copied(),
        workload => world.host_of(workload),
    }
}

/// The VPCs in which a host has an interface.
fn vpcs_on(world: &World, host: HostId) -> BTreeSet<VpcId> {
    let named = world.workloads_on(host).into_iter().map(Key::from);
    let named = named.chain(world.spaces_of(Key::Host(host)).map(|space| Key::Space(space.id)));
    let enis = named.flat_map(|key| world.enis_in(key));
    enis.filter(|eni| host_of_eni(world, eni) == Some(host)).map(|eni| eni.vpc).collect()
}

/// The VPCs of which an interface may be on another host than before.
fn vpcs_touched(before: &World, after: &World, changes: &[Change]) -> BTreeSet<VpcId> {
    let kinds = [Kind::Dyno, Kind::Instance, Kind::Addon, Kind::Space];
    let keys = changes.iter().map(Change::key).filter(|key| kinds.contains(&key.kind()));
    let keys: BTreeSet<Key> = keys.collect();
    let enis = keys.iter().flat_map(|key| before.enis_in(*key).chain(after.enis_in(*key)));
    enis.map(|eni| eni.vpc).collect()
}

/// The hosts that have an interface in a VPC.
fn hosts_in(world: &World, id: VpcId) -> BTreeSet<HostId> {
    world.enis_in(Key::Vpc(id)).filter_map(|eni| host_of_eni(world, eni)).collect()
}

/// A VPC as each host knows it that has an interface there.
fn vpc_by_host(world: &World, id: VpcId) -> BTreeMap<HostId, VpcIntent> {
    let Some(vpc) = world.vpc(id) else { return BTreeMap::new() };
    let mut enis: BTreeMap<HostId, Vec<&Eni>> = BTreeMap::new();
    for eni in world.enis_in(Key::Vpc(id)) {
        if let Some(host) = host_of_eni(world, eni) {
            enis.entry(host).or_default().push(eni);
        }
    }
    enis.into_iter().map(|(host, enis)| (host, own_part(world, vpc, &enis))).collect()
}

/// A space's web router as each host knows it that has one of its interfaces.
fn router_by_host(
    world: &World,
    space: &Space,
    domains: &Domains,
) -> BTreeMap<HostId, RouterIntent> {
    let Some(whole) = plan_router(world, space, domains) else { return BTreeMap::new() };
    let hosts: BTreeSet<HostId> = space.router_hosts.values().copied().collect();
    let on = |host: HostId| {
        let own = |eni: &EniId| space.router_hosts.get(eni) == Some(&host);
        let mut part = whole.clone();
        part.interfaces.retain(|eni, _| own(eni));
        (host, part)
    };
    hosts.into_iter().map(on).collect()
}
