//! The plan of the ways to what is outside: of each router's exits, and of the uplink.

use std::collections::BTreeMap;

use crate::intent::{ExitId, ExitIntent, SharedExit, UplinkIntent};
use crate::resource::{Connectivity, NatGateway, RouteTo, Vpc, VpcRole};
use crate::{Cidr, Key, World};

/// Says what all exits lead to.
pub(super) fn plan_uplink(world: &World) -> Option<UplinkIntent> {
    let outbound = world.outbound()?;
    Some(UplinkIntent { way: outbound.way.clone(), denied: outbound.denied() })
}

/// The exits of a VPC's router. A public address that is none of the pool leads nowhere, as those
/// that were given before there was this pool.
pub(super) fn plan_exits(world: &World, vpc: &Vpc) -> BTreeMap<ExitId, ExitIntent> {
    let mut exits = BTreeMap::new();
    if world.outbound().is_none() {
        return exits;
    }
    let pool = world.public_pool();
    let carried = |address: &std::net::Ipv4Addr| pool.contains(*address) && *address != pool.base();
    if let Some(gateway) = world.gateway_of(vpc.id).filter(|_| vpc.role.is_none()) {
        let used = world.enis_in(Key::Vpc(vpc.id)).filter(|eni| eni.attachment.is_some());
        let publics = used.flat_map(|eni| {
            let public = |private| Some((private, world.public_of(eni, private)?.address));
            eni.addresses.iter().copied().filter_map(public).collect::<Vec<_>>()
        });
        let publics = publics.filter(|(_, public)| carried(public)).collect();
        exits.insert(ExitId::Gateway(gateway.id), ExitIntent::OneToOne(publics));
    }
    for nat in world.nat_gateways_of(Key::Vpc(vpc.id)) {
        if let Some(shared) = plan_shared(world, vpc, nat)
            && carried(&shared.address)
        {
            exits.insert(ExitId::Nat(nat.id), ExitIntent::Shared(shared));
        }
    }
    exits
}

fn plan_shared(world: &World, vpc: &Vpc, nat: &NatGateway) -> Option<SharedExit> {
    if !nat.works() || nat.vpc != vpc.id || nat.connectivity != Connectivity::Public {
        return None;
    }
    let elastic = world.elastic_ip(nat.allocation?)?;
    let association = elastic.association?;
    if Some(association.eni) != nat.interface.map(|interface| interface.eni) {
        return None;
    }
    let subnet = world.subnet(nat.subnet).filter(|subnet| subnet.vpc == vpc.id)?;
    let leads_to = match vpc.role {
        // The platform's own needs no gateway of its VPC.
        Some(VpcRole::Space(_)) => vec![Cidr::ANY],
        Some(VpcRole::Data(_)) => return None,
        None => {
            let table = subnet.route_table.map_or(vpc.main_route_table, |own| own.route_table);
            outside(world, vpc, table)?
        }
    };
    Some(SharedExit { address: elastic.address, subnet: subnet.id, leads_to })
}

/// The blocks that a route table leads to its VPC's internet gateway.
fn outside(world: &World, vpc: &Vpc, table: crate::RouteTableId) -> Option<Vec<Cidr>> {
    let gateway = world.gateway_of(vpc.id)?.id;
    let table = world.route_table(table).filter(|table| table.vpc == vpc.id)?;
    let routes = super::routes_of(world, table);
    let mut led: Vec<Cidr> = Vec::new();
    for (block, _) in routes.iter().filter(|(_, (_, to))| *to == RouteTo::Gateway(gateway)) {
        let narrower = routes.keys().filter(|other| *other != block && block.covers(**other));
        let mut rest = vec![*block];
        for hole in narrower {
            rest = rest.into_iter().flat_map(|block| block.without(*hole)).collect();
        }
        led.extend(rest);
    }
    led.sort_unstable();
    Some(led)
}
