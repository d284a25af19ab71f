//! What a change of the world changes of the plan.
//!
//! From the changed keys it follows which parts may differ; only those are planned, before and
//! after, and only where they differ is anything said.

use std::collections::{BTreeMap, BTreeSet};

use super::edge;
use super::exits::plan_uplink;
use super::vpc::{joins, plan_peering, plan_vpc};
use super::workload::plan_workload;
use crate::edge::{Domains, EdgeDelta};
use crate::intent::{IntentDelta, NetworksDelta, UplinkDelta, WorkloadsDelta};
use crate::resource::{DynoState, Eni, Peering};
use crate::{Change, Key, PcxId, SecurityGroupId, Timestamp, VpcId, WorkloadId, World};

/// Says how the plan of `after` differs from the plan of `before`, given what changed between.
///
/// Of what changed it also names what the world waits to hear of, though its plan be the same: where
/// several changes are followed as one, what was asked for in between may have been taken back, and
/// yet its end must be reported.
pub fn plan_delta(
    before: &World,
    after: &World,
    changes: &[Change],
    _now: Timestamp,
) -> IntentDelta {
    let keys: BTreeSet<Key> = changes.iter().map(Change::key).collect();
    let mut touched = Touched::default();
    for key in keys {
        for world in [before, after] {
            touched.add(world, key);
        }
    }
    // With the first host, and without the last one, what has no host becomes something else.
    if before.has_hosts() != after.has_hosts() {
        for world in [before, after] {
            touched.add_all(world);
        }
    }
    let vpc = |world: &World, id| world.vpc(id).map(|vpc| plan_vpc(world, vpc));
    let peering = |world: &World, id| plan_peering(world, world.peering(id)?);
    let networks = NetworksDelta {
        vpcs: differing(touched.vpcs, before, after, vpc, |id| after.awaits_router(id)),
        peerings: differing(touched.peerings, before, after, peering, |id| {
            after.peering(id).is_some_and(|peering| peering.state.is_transient())
        }),
        uplink: uplink(before, after),
    };
    let awaited = |id| after.awaits_end(id);
    let workloads = differing(touched.workloads, before, after, plan_workload, awaited);
    IntentDelta { networks, workloads: WorkloadsDelta(workloads) }
}

/// Says how what the edge must answer differs, given what changed between. `domains` are
/// the platform's own.
pub fn edge_delta(
    before: &World,
    after: &World,
    changes: &[Change],
    domains: &Domains,
) -> EdgeDelta {
    let keys: BTreeSet<Key> = changes.iter().map(Change::key).collect();
    let (mut touched, mut spaces) = (Touched::default(), BTreeSet::new());
    for key in keys {
        for world in [before, after] {
            touched.add(world, key);
            spaces.extend(edge::spaces_of(world, key));
        }
    }
    for world in [before, after] {
        // Names of a space's apps are known in the VPCs that it is peered with.
        let own = spaces.iter().filter_map(|id| world.space(*id)).map(|space| space.vpc);
        let seen: Vec<VpcId> = own.chain(touched.vpcs.iter().copied()).collect();
        for id in seen {
            touched.vpcs.insert(id);
            touched.vpcs.extend(edge::peers_of(world, id));
        }
    }
    let resolver = |world: &World, id| edge::plan_resolver(world, world.vpc(id)?, domains);
    let router = |world: &World, id| edge::plan_router(world, world.space(id)?, domains);
    EdgeDelta {
        vpcs: differing(touched.vpcs, before, after, resolver, |_| false),
        // Of a dyno that starts or drains, the edge is to say when it does so no more.
        spaces: differing(spaces, before, after, router, |id| {
            after.dynos_in(Key::Space(id)).any(|dyno| {
                use DynoState as S;
                dyno.is_web() && matches!(dyno.state, S::Starting | S::Booting | S::Draining)
            })
        }),
    }
}

fn uplink(before: &World, after: &World) -> UplinkDelta {
    match (plan_uplink(before), plan_uplink(after)) {
        (old, new) if old == new => UplinkDelta::Same,
        (_, Some(new)) => UplinkDelta::Put(new),
        (_, None) => UplinkDelta::Gone,
    }
}

fn differing<Id: Ord + Copy, Plan: PartialEq>(
    ids: BTreeSet<Id>,
    before: &World,
    after: &World,
    plan: impl Fn(&World, Id) -> Option<Plan>,
    awaited: impl Fn(Id) -> bool,
) -> BTreeMap<Id, Option<Plan>> {
    ids.into_iter()
        .filter_map(|id| {
            let (old, new) = (plan(before, id), plan(after, id));
            (old != new || awaited(id)).then_some((id, new))
        })
        .collect()
}

/// The parts of the plan that may differ.
#[derive(Default)]
struct Touched {
    vpcs: BTreeSet<VpcId>,
    peerings: BTreeSet<PcxId>,
    workloads: BTreeSet<WorkloadId>,
}

impl Touched {
    /// Adds what depends on a resource as it is in one of the two worlds: by what the resource says,
    /// and by what names it, whether it is there or not.
    fn add(&mut self, world: &World, key: Key) {
        match key {
            Key::App(_) | Key::Release(_) => self.add_dynos(world, key),
            Key::Slug(_) => {
                let releases = world.releases_of(key).map(|release| Key::Release(release.id));
                releases.for_each(|release| self.add_dynos(world, release));
            }
            Key::Space(id) => {
                self.add_dynos(world, key);
                self.vpcs.extend(world.space(id).into_iter().flat_map(|r| [r.vpc, r.data_vpc]));
            }
            Key::Dyno(id) => self.workloads.extend([WorkloadId::Dyno(id)]),
            Key::Addon(id) => self.workloads.extend([WorkloadId::Service(id)]),
            Key::Instance(id) => self.workloads.extend([WorkloadId::Instance(id)]),
            Key::Vpc(id) => self.add_vpc(world, id),
            Key::Subnet(id) => self.vpcs.extend(world.subnet(id).map(|subnet| subnet.vpc)),
            Key::RouteTable(id) => self.vpcs.extend(world.route_table(id).map(|table| table.vpc)),
            Key::SecurityGroup(id) => self.add_group(world, id),
            Key::NetworkAcl(id) => {
                self.vpcs.extend(world.subnets_in(key).map(|subnet| subnet.vpc));
                self.vpcs.extend(world.acl(id).map(|acl| acl.vpc));
            }
            Key::PrefixList(_) => {
                for naming in world.groups_in(key) {
                    let inside = world.enis_in(Key::SecurityGroup(naming.id));
                    self.vpcs.extend(inside.map(|eni| eni.vpc));
                }
                self.vpcs.extend(world.route_tables_in(key).map(|table| table.vpc));
            }
            Key::Eni(id) => {
                self.vpcs.extend(world.route_tables_in(key).map(|table| table.vpc));
                world.eni(id).into_iter().for_each(|eni| self.add_eni(world, eni));
            }
            // A route over a peering is alive in the VPCs that it joins, which the record names.
            Key::Peering(id) => {
                self.peerings.extend([id]);
                world.peering(id).into_iter().for_each(|peering| self.add_peering(peering));
            }
            // Which addresses lead out, and to where, is up to the operator.
            Key::Settings(_) => self.vpcs.extend(world.vpcs().map(|vpc| vpc.id)),
            Key::InternetGateway(id) => {
                self.vpcs.extend(world.gateway(id).and_then(|gateway| gateway.vpc));
                self.vpcs.extend(world.route_tables_in(key).map(|table| table.vpc));
            }
            Key::NatGateway(id) => {
                self.vpcs.extend(world.nat_gateway(id).map(|nat| nat.vpc));
                self.vpcs.extend(world.route_tables_in(key).map(|table| table.vpc));
            }
            Key::ElasticIp(id) => {
                let association = world.elastic_ip(id).and_then(|elastic| elastic.association);
                let eni = association.and_then(|association| world.eni(association.eni));
                self.vpcs.extend(eni.map(|eni| eni.vpc));
                self.vpcs.extend(world.nat_gateways_of(key).map(|nat| nat.vpc));
            }
            Key::Account(_)
            | Key::Host(_)
            | Key::JoinToken(_)
            | Key::AccessKey(_)
            | Key::IamRole(_)
            | Key::User(_)
            | Key::Token(_)
            | Key::Team(_)
            | Key::FormerUser(_)
            | Key::FormerTeam(_)
            | Key::FormerAccount(_)
            | Key::SubnetReservation(_)
            | Key::EgressGateway(_)
            | Key::DhcpOptions(_)
            | Key::KeyPair(_)
            | Key::FlowLog(_)
            | Key::NetworkInsightsPath(_)
            | Key::NetworkInsightsAnalysis(_)
            | Key::LogDrain(_)
            | Key::Webhook(_) => {}
        }
    }

    /// All processes.
    fn add_all(&mut self, world: &World) {
        self.workloads.extend(world.dynos().map(|dyno| WorkloadId::Dyno(dyno.id)));
        self.workloads.extend(world.addons().map(|addon| WorkloadId::Service(addon.id)));
        self.workloads.extend(world.instances().map(|it| WorkloadId::Instance(it.id)));
    }

    fn add_dynos(&mut self, world: &World, named: Key) {
        self.workloads.extend(world.dynos_in(named).map(|dyno| WorkloadId::Dyno(dyno.id)));
    }

    /// A VPC, what is joined with it, and the processes inside.
    fn add_vpc(&mut self, world: &World, id: VpcId) {
        self.vpcs.insert(id);
        for peering in world.peerings_of(Key::Vpc(id)).filter(|p| joins(world, p)) {
            self.add_peering(peering);
        }
        let used = world.enis_in(Key::Vpc(id)).filter_map(|eni| eni.attachment.as_ref());
        self.workloads.extend(used.map(|attachment| attachment.workload));
    }

    fn add_peering(&mut self, peering: &Peering) {
        self.peerings.insert(peering.id);
        self.vpcs.extend([peering.requester.vpc, peering.accepter.vpc]);
    }

    /// The VPCs with an interface in the group, or in a group with a rule that names it.
    fn add_group(&mut self, world: &World, id: SecurityGroupId) {
        let key = Key::SecurityGroup(id);
        self.vpcs.extend(world.enis_in(key).map(|eni| eni.vpc));
        for naming in world.groups_in(key) {
            let inside = world.enis_in(Key::SecurityGroup(naming.id));
            self.vpcs.extend(inside.map(|eni| eni.vpc));
        }
    }

    fn add_eni(&mut self, world: &World, eni: &Eni) {
        self.vpcs.insert(eni.vpc);
        eni.groups.iter().for_each(|group| self.add_group(world, *group));
        self.workloads.extend(eni.attachment.as_ref().map(|attachment| attachment.workload));
    }
}
