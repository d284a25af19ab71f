//! What the owner of a VPC has to do on their own side so that packets pass a peering that is there: the
//! routes back, and rules for what comes over it.

use std::collections::BTreeSet;

use super::flows;
use super::join::{ended, not_led, tables};
use super::step::PeerAsk;
use crate::command::Ec2Command;
use crate::resource::{Direction, GroupPeer, Peering, RouteDestination, RouteTo, Vpc};
use crate::rights::Rights;
use crate::{
    Cidr, Key, PcxId, RouteTableId, SecurityGroupId, SecurityGroupRuleId, SubnetId, World,
};

/// What a VPC needs for a peering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// The blocks of the other side: a space's whole block, or all of another VPC's.
    pub whole: Vec<Cidr>,
    /// The parts of them that have hosts, where a route to the whole is not wanted: the Space CIDRs (R6).
    /// Those of another VPC are its blocks.
    pub parts: Vec<Cidr>,
    /// The blocks from which packets come: the dynos', or all of another VPC's.
    pub sources: Vec<Cidr>,
    /// The route tables of the subnets in which something is to be reached.
    pub tables: Vec<TableNeed>,
    /// The groups of what is to be reached, with the number of interfaces in each.
    pub groups: Vec<(SecurityGroupId, usize)>,
    /// The rules of those groups that let something in from a source as a whole.
    pub rules: Vec<(SecurityGroupId, SecurityGroupRuleId)>,
}

/// What a route table needs for a peering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableNeed {
    /// The route table.
    pub table: RouteTableId,
    /// The subnets that follow it and in which something is to be reached.
    pub subnets: Vec<SubnetId>,
    /// The parts of the other side to which it does not lead over the peering.
    pub missing: Vec<Cidr>,
}

impl Needs {
    /// What a VPC needs for one of its peerings; `None` if it is another's.
    pub fn of(world: &World, vpc: &Vpc, peering: &Peering) -> Option<Self> {
        let other = peering.other_side(vpc.id)?;
        let space = world.vpc(other.vpc).and_then(|other| world.space_of_vpc(other));
        let (whole, parts, sources) = match space {
            Some(space) => {
                (vec![space.cidr], space.space_cidrs().to_vec(), space.dyno_cidrs().to_vec())
            }
            None => (other.cidrs.clone(), other.cidrs.clone(), other.cidrs.clone()),
        };
        let ask = PeerAsk {
            space_vpc: other.vpc,
            space: space.map(|space| &**space),
            vpc: vpc.id,
            owns_space: false,
            owns_vpc: true,
            rights: Rights::default(),
            ports: &[],
            to: &[],
            from: None,
        };
        let targets = flows::targets(world, &ask).unwrap_or_default();
        let tables = tables(world, vpc, &targets)
            .into_iter()
            .map(|(table, subnets)| {
                let missing = not_led(world, vpc, &parts, table, peering.id);
                TableNeed { table, subnets, missing }
            })
            .collect();
        let reached: BTreeSet<SecurityGroupId> =
            targets.iter().flat_map(|target| target.eni.groups.iter().copied()).collect();
        let groups = reached
            .iter()
            .map(|group| (*group, world.enis_in(Key::SecurityGroup(*group)).count()))
            .collect();
        let mut rules = Vec::new();
        for group in reached.iter().filter_map(|id| world.group(*id)) {
            for (id, rule) in &group.rules {
                let admits = match rule.peer {
                    GroupPeer::Cidr(cidr) => sources.iter().any(|source| cidr.covers(*source)),
                    GroupPeer::Ipv6(_) => false,
                    GroupPeer::PrefixList(id) => world.prefix_list(id).is_some_and(|list| {
                        list.cidrs().any(|cidr| sources.iter().any(|source| cidr.covers(*source)))
                    }),
                    GroupPeer::Group { vpc, .. } => vpc == other.vpc,
                };
                if rule.direction == Direction::Ingress && admits {
                    rules.push((group.id, *id));
                }
            }
        }
        Some(Self { whole, parts, sources, tables, groups, rules })
    }

    /// Whether every table leads to all of the other side.
    pub fn is_routed(&self) -> bool {
        self.tables.iter().all(|table| table.missing.is_empty())
    }
}

/// The commands that route destinations to a peering in a route table, as far as they are not routed there
/// yet. A route that leads nowhere, as its peering is gone, is replaced; no other is.
pub fn return_routes(
    world: &World,
    route_table: RouteTableId,
    peering: PcxId,
    destinations: &[Cidr],
) -> Vec<Ec2Command> {
    let Some(table) = world.route_table(route_table) else { return Vec::new() };
    let target = RouteTo::Peering(peering);
    let make = |destination: &Cidr| {
        let destination = RouteDestination::Cidr(*destination);
        match table.routes.get(&destination) {
            Some(there) if *there == target => None,
            Some(RouteTo::Peering(old)) if ended(world, *old) => {
                Some(Ec2Command::ReplaceRoute { route_table, destination, target })
            }
            _ => Some(Ec2Command::CreateRoute { route_table, destination, target }),
        }
    };
    destinations.iter().filter_map(make).collect()
}
