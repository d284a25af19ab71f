//! The rows of a VPC: a router, its subnets, interfaces and routes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use model::intent::{InterfaceIntent, RouteTarget, SubnetIntent, VpcIntent};
use model::{Cidr, EniId, SubnetId, VpcId};
use ovsdb::{Datum, Row};

use crate::addresses::{RESOLVER, RESOLVER_BLOCK, RESOLVER_ROUTER, gateway};
use crate::links::Links;
use crate::part::{Part, PartId, RowKey, texts};
use crate::{groups, names, policies};

/// What of an intent these rows do not carry. All of it is closed: packets are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    /// Ways to what is outside.
    Exits,
    /// The interfaces of private NAT gateways.
    PrivateNat(EniId),
    /// No ICMP message tells interfaces that no route leads to where they send.
    Refusals,
}

/// The hosts of interfaces, by the names that OVN knows them by. An interface that is not there may be anywhere.
pub type Places = BTreeMap<EniId, String>;

/// Says which rows a VPC needs, and what of the intent they do not carry.
pub fn vpc_part(
    id: VpcId,
    intent: &VpcIntent,
    links: &Links,
    places: &Places,
) -> (Part, BTreeSet<LeftOut>) {
    let mut left_out = BTreeSet::new();
    let mut part = Part::new(PartId::Vpc(id));
    let options = texts([("mcast_relay", "false"), ("always_learn_from_arp_request", "false")]);
    let row = Row::new().with("name", names::router(id)).with("options", options);
    let router = part.add("Logical_Router", names::router(id), row);
    for (subnet, about) in &intent.subnets {
        add_subnet(&mut part, &router, *subnet, about, &intent.resolvers);
    }
    for (eni, interface) in &intent.interfaces {
        if interface.translates {
            left_out.insert(LeftOut::PrivateNat(*eni));
        } else if intent.subnets.contains_key(&interface.subnet) {
            add_interface(&mut part, *eni, interface, places.get(eni));
        }
    }
    if !intent.resolvers.is_empty() {
        add_resolver(&mut part, &router, id);
    }
    if !intent.exits.is_empty() {
        left_out.insert(LeftOut::Exits);
    }
    if intent.refuses_unrouted {
        left_out.insert(LeftOut::Refusals);
    }
    add_routes(&mut part, &router, id, intent, links);
    groups::add(&mut part, id, intent);
    policies::add(&mut part, &router, id, intent);
    (part, left_out)
}

fn add_subnet(
    part: &mut Part,
    router: &RowKey,
    id: SubnetId,
    subnet: &SubnetIntent,
    resolvers: &[Ipv4Addr],
) {
    let Some(gateway) = gateway(subnet) else { return };
    let row = Row::new().with("name", names::switch(id));
    let switch = part.add("Logical_Switch", names::switch(id), row);
    let port = names::subnet_port(id);
    let table = subnet.route_table.to_string();
    let row = Row::new()
        .with("name", port.as_str())
        .with("mac", names::mac(&port).to_string())
        .with("networks", Datum::set([format!("{gateway}/{}", subnet.cidr.prefix_len())]))
        .with("peer", Datum::none())
        .with("options", texts([("route_table", table.as_str())]));
    part.add_to(router, "ports", "Logical_Router_Port", port.as_str(), row);
    // Interfaces look for a resolver in their own subnet where its address lies there; it is behind the router.
    let near: Vec<_> = resolvers.iter().filter(|it| subnet.cidr.contains(**it)).collect();
    let near: Vec<String> = near.into_iter().map(Ipv4Addr::to_string).collect();
    let near = near.join(" ");
    let proxy = (!near.is_empty()).then_some(("arp_proxy", near.as_str()));
    let options = texts([("router-port", port.as_str())].into_iter().chain(proxy));
    add_uplink(part, &switch, names::uplink(id), options);
}

/// A switch's port that leads to the router.
fn add_uplink(part: &mut Part, switch: &RowKey, name: String, options: Datum) {
    let row = Row::new()
        .with("name", name.as_str())
        .with("type", "router")
        .with("addresses", "router")
        .with("port_security", Datum::none())
        .with("options", options);
    part.add_to(switch, "ports", "Logical_Switch_Port", name, row);
}

fn add_interface(part: &mut Part, id: EniId, interface: &InterfaceIntent, place: Option<&String>) {
    // Two hosts that both take an interface for theirs would else take it from each other for ever.
    let place = place.map(|host| ("requested-chassis", host.as_str()));
    let mut words = vec![interface.mac.to_string()];
    words.extend(interface.addresses.iter().map(Ipv4Addr::to_string));
    let addresses = words.join(" ");
    // An address at least, or what is not IPv4 would pass, too.
    let any = || format!("{} 0.0.0.0/0", interface.mac);
    let source = if interface.source_dest_check { addresses.clone() } else { any() };
    let row = Row::new()
        .with("name", names::interface(id))
        .with("type", "")
        .with("addresses", addresses)
        .with("port_security", source)
        .with("options", texts(place));
    let switch = RowKey::new("Logical_Switch", names::switch(interface.subnet));
    part.add_to(&switch, "ports", "Logical_Switch_Port", names::interface(id), row);
}

/// The resolver answers on each host, in a network of its own.
fn add_resolver(part: &mut Part, router: &RowKey, vpc: VpcId) {
    let name = names::resolver_switch(vpc);
    let switch = part.add("Logical_Switch", name.as_str(), Row::new().with("name", name.as_str()));
    let port = names::resolver_port(vpc);
    let row = Row::new()
        .with("name", port.as_str())
        .with("mac", names::mac(&port).to_string())
        .with("networks", Datum::set([format!("{RESOLVER_ROUTER}/{RESOLVER_BLOCK}")]))
        .with("peer", Datum::none())
        .with("options", texts([]));
    part.add_to(router, "ports", "Logical_Router_Port", port.as_str(), row);
    let options = texts([("router-port", port.as_str())]);
    add_uplink(part, &switch, names::resolver_uplink(vpc), options);
    let name = names::resolver_interface(vpc);
    let row = Row::new()
        .with("name", name.as_str())
        .with("type", "localport")
        .with("addresses", format!("{} {RESOLVER}", names::mac(&name)))
        .with("port_security", Datum::none())
        .with("options", texts([]));
    part.add_to(&switch, "ports", "Logical_Switch_Port", name, row);
}

fn add_routes(part: &mut Part, router: &RowKey, vpc: VpcId, intent: &VpcIntent, links: &Links) {
    for (table, routes) in &intent.route_tables {
        let nowhere = || ("discard".to_owned(), None);
        let mut hops: BTreeMap<Cidr, (String, Option<String>)> = BTreeMap::new();
        // What no subnet has of the VPC's own blocks is nowhere, whatever wider routes there are.
        hops.extend(intent.cidrs.iter().map(|own| (*own, nowhere())));
        let mut routes: Vec<_> = routes.iter().collect();
        routes.sort_by_key(|(to, _)| to.prefix_len());
        for (to, target) in routes {
            let hop = match target {
                RouteTarget::Peering(pcx) => match links.addresses(*pcx, vpc) {
                    Some((_, other)) => (other.to_string(), Some(names::peering_port(*pcx, vpc))),
                    None => nowhere(),
                },
                RouteTarget::Interface(eni) => interface_hop(intent, *eni).unwrap_or_else(nowhere),
                RouteTarget::Exit(_) | RouteTarget::Blackhole => nowhere(),
            };
            if intent.cidrs.iter().any(|own| own.covers(*to)) {
                let whole = intent.subnets.values().filter(|subnet| to.covers(subnet.cidr));
                hops.extend(whole.flat_map(|it| halves(it.cidr)).map(|half| (half, hop.clone())));
            }
            hops.insert(*to, hop);
        }
        // A middlebox that checks destinations gets what is for itself, whatever narrower routes there are.
        let own =
            intent.route_tables.get(table).into_iter().flatten().filter_map(|(to, target)| {
                let RouteTarget::Interface(eni) = target else { return None };
                let interface = intent.interfaces.get(eni).filter(|it| it.source_dest_check)?;
                let is_inside = intent.cidrs.iter().any(|own| own.covers(*to));
                is_inside.then(|| {
                    interface.addresses.iter().filter(|it| to.contains(**it)).map(|it| (*it, *eni))
                })
            });
        for (address, eni) in own.flatten() {
            hops.extend(interface_hop(intent, eni).map(|hop| (Cidr::host(address), hop)));
        }
        for resolver in intent.resolvers.iter().filter(|resolver| **resolver != RESOLVER) {
            let hop = (RESOLVER.to_string(), Some(names::resolver_port(vpc)));
            hops.insert(Cidr::host(*resolver), hop);
        }
        for (to, (hop, port)) in hops {
            let row = Row::new()
                .with("route_table", table.to_string())
                .with("ip_prefix", to.to_string())
                .with("nexthop", hop)
                .with("output_port", Datum::set(port));
            let name = format!("{table} {to}");
            part.add_to(router, "static_routes", "Logical_Router_Static_Route", name, row);
        }
    }
}

/// The two halves of a subnet's block: routes to them come before the subnet itself, as one to the whole would not.
fn halves(block: Cidr) -> impl Iterator<Item = Cidr> {
    [0, 1]
        .into_iter()
        .filter_map(move |half| block.subnet(block.prefix_len().saturating_add(1), half))
}

/// How what a route leads to an interface gets there.
fn interface_hop(intent: &VpcIntent, eni: EniId) -> Option<(String, Option<String>)> {
    let interface = intent.interfaces.get(&eni).filter(|interface| !interface.translates)?;
    let address = interface.addresses.first()?;
    Some((address.to_string(), Some(names::subnet_port(interface.subnet))))
}
