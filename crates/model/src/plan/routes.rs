//! The routes of a table, with what its prefix lists have at the time.

use std::collections::BTreeMap;

use crate::resource::{RouteDestination, RouteTable, RouteTo, Vpc};
use crate::{Cidr, World};

/// Every IPv4 block that a table routes, with the route that does: of two to the same block the one that
/// names it comes before that of a prefix list, and of two lists the one with the lesser id. What lies in
/// the VPC itself is no destination that a list can have (`ec2.md` §1.5).
pub(crate) fn routes_of(
    world: &World,
    table: &RouteTable,
) -> BTreeMap<Cidr, (RouteDestination, RouteTo)> {
    let mut routes: BTreeMap<_, _> =
        table.cidr_routes().map(|(cidr, target)| (cidr, (cidr.into(), target))).collect();
    let vpc = world.vpc(table.vpc);
    let local = |cidr: Cidr| vpc.into_iter().flat_map(|v| Vpc::blocks(v)).any(|b| b.covers(cidr));
    for (destination, target) in &table.routes {
        let RouteDestination::PrefixList(id) = destination else { continue };
        let blocks = world.prefix_list(*id).into_iter().flat_map(|list| list.cidrs());
        for cidr in blocks.filter(|cidr| !local(*cidr)) {
            routes.entry(cidr).or_insert((*destination, *target));
        }
    }
    routes
}
