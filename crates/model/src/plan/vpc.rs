//! The plan of one VPC's router, and of the links between routers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::exits;
use super::routes::routes_of;
use crate::intent::{
    AclEntryIntent, AclIntent, ExitId, ExitIntent, GroupIntent, InterfaceIntent, Member,
    PeeringEnd, PeeringIntent, RouteTarget, RuleIntent, RulePeer, Slot, SubnetIntent, Via,
    VpcIntent,
};
use crate::resource::{
    Direction, Eni, GroupPeer, GroupRule, NetworkAcl, Peering, RouteTo, SecurityGroup, Subnet, Vpc,
    VpcRole,
};
use crate::{AclId, Cidr, EniId, Key, NatGatewayId, SecurityGroupId, VpcId, World};

/// Bytes that a packet inside a VPC may have (`ec2.md` §1.5).
const MTU: u16 = 9001;

/// Says what one VPC's router must look like.
pub fn plan_vpc(world: &World, vpc: &Vpc) -> VpcIntent {
    let key = Key::Vpc(vpc.id);
    let interfaces: BTreeMap<_, _> = world
        .enis_in(key)
        .filter(|eni| eni.attachment.is_some() || translates(world, eni))
        .map(|eni| (eni.id, plan_interface(world, eni)))
        .collect();
    let used: BTreeSet<_> = interfaces.values().flat_map(|i| i.groups.iter().copied()).collect();
    let groups: BTreeMap<_, _> = used.into_iter().map(|id| (id, plan_group(world, id))).collect();
    let acls = plan_acls(world, vpc);
    let exits = exits::plan_exits(world, vpc);
    let denied = world.outbound().filter(|_| !exits.is_empty());
    let denied = denied.map(|outbound| outbound.denied()).unwrap_or_default();
    VpcIntent {
        cidrs: vpc.blocks().collect(),
        resolvers: resolvers(vpc),
        subnets: world
            .subnets_in(key)
            .map(|subnet| (subnet.id, plan_subnet(vpc, subnet, &acls)))
            .collect(),
        route_tables: world
            .route_tables_in(key)
            .map(|table| {
                let routes = routes_of(world, table).into_iter();
                let routes = routes.map(|(to, (_, by))| (to, target(world, vpc, &exits, by)));
                (table.id, routes.collect())
            })
            .collect(),
        members: groups
            .values()
            .flat_map(|group| group.ingress.iter().chain(&group.egress))
            .filter_map(|rule| match rule.peer {
                RulePeer::Group(id) => Some((id, members_seen(world, vpc, id).unwrap_or_default())),
                RulePeer::Cidr(_) => None,
            })
            .collect(),
        interfaces,
        groups,
        acls,
        peerings: world
            .peerings_of(key)
            .filter_map(|peering| Some((peering.id, plan_end(world, vpc, peering)?)))
            .collect(),
        exits,
        denied,
        refuses_unrouted: vpc.role.is_some(),
    }
}

/// What a host must know of a VPC in which it has these interfaces.
pub(super) fn own_part(world: &World, vpc: &Vpc, enis: &[&Eni]) -> VpcIntent {
    let used: BTreeSet<_> = enis.iter().map(|eni| eni.subnet).collect();
    let subnets = used.into_iter().filter_map(|id| world.subnet(id));
    let subnets = subnets.map(|subnet| (subnet.id, plan_subnet(vpc, subnet, &BTreeMap::new())));
    VpcIntent {
        cidrs: vpc.blocks().collect(),
        resolvers: resolvers(vpc),
        subnets: subnets.collect(),
        route_tables: BTreeMap::new(),
        interfaces: enis.iter().map(|eni| (eni.id, plan_interface(world, eni))).collect(),
        groups: BTreeMap::new(),
        members: BTreeMap::new(),
        acls: BTreeMap::new(),
        peerings: BTreeMap::new(),
        exits: BTreeMap::new(),
        denied: Vec::new(),
        refuses_unrouted: vpc.role.is_some(),
    }
}

/// The primary block's base + 2, and the address that is the same in every VPC.
pub(crate) fn resolvers(vpc: &Vpc) -> Vec<Ipv4Addr> {
    if !vpc.dns_support {
        return Vec::new();
    }
    let second = u32::from(vpc.primary().base()) + 2;
    vec![second.into(), crate::edge::RESOLVER]
}

/// The place of an interface that is not the first one of its instance. It follows from interfaces
/// alone: what an instance does otherwise changes nothing of its VPC's router.
fn slot(world: &World, eni: &Eni) -> Option<Slot> {
    let index = |eni: &Eni| eni.attachment.as_ref().map(|attachment| attachment.device_index);
    let own = index(eni).filter(|index| *index > 0)?;
    let mut others = world.enis_in(Key::Instance(eni.instance()?));
    let host = others.find(|other| index(other) == Some(0) && other.vpc == eni.vpc)?;
    Some(Slot { host: host.id, index: own })
}

/// Whether an interface is that of a private NAT gateway which works.
fn translates(world: &World, eni: &Eni) -> bool {
    let nat = eni.nat_gateway.and_then(|id| world.nat_gateway(id));
    nat.is_some_and(|nat| nat.vpc == eni.vpc && nat.translates_inside())
}

fn plan_interface(world: &World, eni: &Eni) -> InterfaceIntent {
    let groups: BTreeSet<_> = eni.groups.iter().copied().collect();
    InterfaceIntent {
        mac: eni.mac,
        subnet: eni.subnet,
        addresses: eni.addresses.clone(),
        groups: groups.into_iter().collect(),
        source_dest_check: eni.source_dest_check,
        mtu: MTU,
        slot: slot(world, eni),
        translates: translates(world, eni),
    }
}

fn plan_subnet(vpc: &Vpc, subnet: &Subnet, acls: &BTreeMap<AclId, AclIntent>) -> SubnetIntent {
    SubnetIntent {
        cidr: subnet.cidr,
        route_table: subnet.route_table.map_or(vpc.main_route_table, |own| own.route_table),
        acl: acls.contains_key(&subnet.acl).then_some(subnet.acl),
    }
}

/// The ACLs that subnets of the VPC use and that restrict anything. One that is gone lets nothing
/// pass: what is not known to be open stays closed.
fn plan_acls(world: &World, vpc: &Vpc) -> BTreeMap<AclId, AclIntent> {
    let used: BTreeSet<_> = world.subnets_in(Key::Vpc(vpc.id)).map(|subnet| subnet.acl).collect();
    used.into_iter()
        .filter_map(|id| match world.acl(id) {
            Some(acl) if acl.allows_all() => None,
            Some(acl) => Some((id, plan_acl(acl))),
            None => Some((id, AclIntent::default())),
        })
        .collect()
}

fn plan_acl(acl: &NetworkAcl) -> AclIntent {
    let entries = |direction| {
        let entries = acl.cidr_entries(direction);
        entries
            .map(|(_, e, cidr)| AclEntryIntent { allow: e.allow, traffic: e.traffic, cidr })
            .collect()
    };
    AclIntent { ingress: entries(Direction::Ingress), egress: entries(Direction::Egress) }
}

fn plan_group(world: &World, id: SecurityGroupId) -> GroupIntent {
    let rules = |group: &SecurityGroup, direction| {
        group
            .rules
            .values()
            .filter(|rule| rule.direction == direction)
            .flat_map(|rule| rule_intents(world, rule))
            .collect()
    };
    world.group(id).map_or_else(GroupIntent::default, |group| GroupIntent {
        ingress: rules(group, Direction::Ingress),
        egress: rules(group, Direction::Egress),
    })
}

/// A rule as a router of IPv4 knows it: one for each block of a prefix list, and none for IPv6.
pub(crate) fn rule_intents(world: &World, rule: &GroupRule) -> Vec<RuleIntent> {
    if !rule.traffic.is_of_ipv4() {
        return Vec::new();
    }
    let peers = match rule.peer {
        GroupPeer::Cidr(cidr) => vec![RulePeer::Cidr(cidr)],
        GroupPeer::Ipv6(_) => Vec::new(),
        GroupPeer::PrefixList(id) => world
            .prefix_list(id)
            .map_or_else(Vec::new, |list| list.cidrs().map(RulePeer::Cidr).collect()),
        GroupPeer::Group { group, .. } => vec![RulePeer::Group(group)],
    };
    let traffic = rule.traffic;
    peers.into_iter().map(|peer| RuleIntent { traffic, peer }).collect()
}

/// A group's members as a rule in a VPC sees them; `None` where such a rule is stale: the group is
/// gone, or no peering within the region leads to it (`ec2.md` §1.6).
pub(crate) fn members_seen(
    world: &World,
    vpc: &Vpc,
    id: SecurityGroupId,
) -> Option<BTreeSet<Member>> {
    let group = world.group(id)?;
    let own = group.vpc == vpc.id;
    let peerings: Vec<Via> = world
        .peerings_of(Key::Vpc(vpc.id))
        .filter(|peering| {
            joins(world, peering)
                && peering.requester.region == peering.accepter.region
                && peering.other_side(vpc.id).is_some_and(|side| side.vpc == group.vpc)
        })
        .map(|peering| Via::Peering(peering.id))
        .collect();
    if !own && peerings.is_empty() {
        return None;
    }
    let members = world
        .enis_in(Key::SecurityGroup(id))
        .filter(|eni| eni.vpc == group.vpc && eni.attachment.is_some())
        .flat_map(|eni| {
            let ways = if own { vec![Via::Interface(eni.id)] } else { peerings.clone() };
            ways.into_iter().flat_map(|via| {
                eni.addresses.iter().map(move |address| Member { via, address: *address })
            })
        });
    Some(members.collect())
}

/// Whether a rule of a group in a VPC that names another group is stale: that group is gone, or no peering
/// leads to it.
pub fn is_stale(world: &World, vpc: VpcId, group: SecurityGroupId) -> bool {
    world.vpc(vpc).is_none_or(|vpc| members_seen(world, vpc, group).is_none())
}

/// Where a route leads as things are.
fn target(
    world: &World,
    vpc: &Vpc,
    exits: &BTreeMap<ExitId, ExitIntent>,
    to: RouteTo,
) -> RouteTarget {
    let exit = |exit| match exits.contains_key(&exit) {
        true => RouteTarget::Exit(exit),
        false => RouteTarget::Blackhole,
    };
    match to {
        RouteTo::Peering(id) => world
            .peering(id)
            .filter(|peering| joins(world, peering) && peering.side(vpc.id).is_some())
            .map_or(RouteTarget::Blackhole, |_| RouteTarget::Peering(id)),
        RouteTo::Interface(id) => world
            .eni(id)
            .filter(|eni| eni.vpc == vpc.id && eni.attachment.is_some())
            .map_or(RouteTarget::Blackhole, |_| RouteTarget::Interface(id)),
        RouteTo::EgressGateway(_) => RouteTarget::Blackhole,
        RouteTo::Gateway(id) => exit(ExitId::Gateway(id)),
        RouteTo::Nat(id) => match inside(world, vpc, id) {
            Some(eni) => RouteTarget::Interface(eni),
            None => exit(ExitId::Nat(id)),
        },
    }
}

/// The interface of a private NAT gateway of a VPC.
fn inside(world: &World, vpc: &Vpc, id: NatGatewayId) -> Option<EniId> {
    let nat = world.nat_gateway(id)?;
    let eni = world.eni(nat.interface?.eni).filter(|eni| eni.vpc == vpc.id)?;
    (eni.nat_gateway == Some(id) && translates(world, eni)).then_some(eni.id)
}

/// Whether the fabric carries a peering: it is accepted, and both of its VPCs are there.
pub(crate) fn joins(world: &World, peering: &Peering) -> bool {
    let (asks, answers) = (peering.requester.vpc, peering.accepter.vpc);
    peering.carries()
        && asks != answers
        && [asks, answers].into_iter().all(|id| world.vpc(id).is_some())
}

pub(super) fn plan_peering(world: &World, peering: &Peering) -> Option<PeeringIntent> {
    joins(world, peering).then(|| PeeringIntent {
        requester: peering.requester.vpc,
        accepter: peering.accepter.vpc,
        mtu: peering.mtu(),
    })
}

/// What a VPC lets in by a peering, if the fabric carries it.
fn plan_end(world: &World, vpc: &Vpc, peering: &Peering) -> Option<PeeringEnd> {
    let other = world.vpc(peering.other_side(vpc.id)?.vpc).filter(|_| joins(world, peering))?;
    let all = || vpc.blocks().collect();
    let behind: Vec<Cidr> = other.blocks().collect();
    let end = |admits_to, admits_from| Some(PeeringEnd { admits_to, admits_from, behind });
    match (vpc.role, other.role) {
        (None, None) => end(all(), None),
        // A space reaches, and is reached from, the primary block alone (R20).
        (None, Some(_)) => end(vec![vpc.primary()], None),
        (Some(VpcRole::Space(_)), None) => end(all(), Some(vec![other.primary()])),
        (Some(VpcRole::Space(own)), Some(VpcRole::Data(of))) if own == of => {
            end(all(), Some(vec![other.primary()]))
        }
        (Some(VpcRole::Data(of)), Some(VpcRole::Space(own))) if own == of => {
            end(all(), Some(dyno_blocks(world, vpc)))
        }
        // Data services serve their own space's dynos and nobody else (R22), and spaces are not
        // joined with each other.
        (Some(VpcRole::Data(_)), _) | (Some(VpcRole::Space(_)), Some(_)) => {
            end(all(), Some(Vec::new()))
        }
    }
}

/// The blocks of the dynos that a data VPC serves; none if it is not its space's own.
fn dyno_blocks(world: &World, data: &Vpc) -> Vec<Cidr> {
    let Some(VpcRole::Data(id)) = data.role else { return Vec::new() };
    let space = world.space(id).filter(|space| space.data_vpc == data.id);
    space.map(|space| space.dyno_cidrs().to_vec()).unwrap_or_default()
}
