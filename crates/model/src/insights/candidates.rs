//! Which packets are asked about.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::ends::Ends;
use crate::reach::{Endpoint, Flow};
use crate::resource::*;
use crate::{Cidr, PortRange, Traffic, World};

/// More flows than rules tell apart in any but a strange network. It bounds the search.
const MOST_FLOWS: usize = 512;
/// More addresses outside than are worth asking about.
const MOST_ADDRESSES: usize = 16;
/// An address that is like any other on the internet: it is kept for examples.
const SOMEWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// One flow for each kind of packets of a path that rules may tell apart.
pub(super) fn flows(world: &World, packets: &PathPackets, ends: &Ends) -> Vec<Flow> {
    let at = [packets.at_source, packets.at_destination];
    let (Some(source_ports), Some(ports)) = (
        overlap(at.iter().flatten().filter_map(|at| at.source_ports)),
        overlap(
            at.iter()
                .flatten()
                .filter_map(|at| at.destination_ports)
                .chain(packets.destination_port.map(|port| PortRange { from: port, to: port })),
        ),
    ) else {
        return Vec::new();
    };
    let bounds = Bounds::of(world, ends);
    let sources = ends.source.map_or_else(|| bounds.outside(), |address| vec![address]);
    let destinations = ends.destination.map_or_else(|| bounds.outside(), |address| vec![address]);
    let mut flows = Vec::new();
    for source in sources {
        for destination in &destinations {
            for port in bounds.ports(ports) {
                if flows.len() == MOST_FLOWS {
                    return flows;
                }
                let from = Endpoint { vpc: ends.from, address: source };
                let to = Endpoint { vpc: ends.to, address: *destination };
                let flow = Flow::new(from, to, packets.protocol, port);
                flows.push(Flow { source_ports, ..flow });
            }
        }
    }
    flows
}

/// The ports that all ranges have.
fn overlap(ranges: impl Iterator<Item = PortRange>) -> Option<PortRange> {
    let both = |one: PortRange, other: PortRange| PortRange {
        from: one.from.max(other.from),
        to: one.to.min(other.to),
    };
    Some(ranges.fold(PortRange::ALL, both)).filter(|range| range.from <= range.to)
}

/// The bounds of the rules at both ends.
struct Bounds {
    ports: BTreeSet<u16>,
    blocks: BTreeSet<Cidr>,
}

impl Bounds {
    fn of(world: &World, ends: &Ends) -> Self {
        let mut bounds = Self { ports: BTreeSet::new(), blocks: BTreeSet::new() };
        for eni in [&ends.sender, &ends.receiver].into_iter().flatten() {
            for group in eni.groups.iter().filter_map(|id| world.group(*id)) {
                for rule in group.rules.values() {
                    bounds.add_traffic(rule.traffic);
                    match rule.peer {
                        GroupPeer::Cidr(block) => drop(bounds.blocks.insert(block)),
                        GroupPeer::PrefixList(id) => {
                            let list = world.prefix_list(id);
                            bounds.blocks.extend(list.into_iter().flat_map(|list| list.cidrs()));
                        }
                        GroupPeer::Ipv6(_) | GroupPeer::Group { .. } => {}
                    }
                }
            }
            let acl = world.subnet(eni.subnet).and_then(|subnet| world.acl(subnet.acl));
            for acl in acl.into_iter() {
                for way in [Direction::Ingress, Direction::Egress] {
                    for (_, entry, block) in acl.cidr_entries(way) {
                        bounds.add_traffic(entry.traffic);
                        bounds.blocks.insert(block);
                    }
                }
            }
        }
        bounds
    }

    fn add_traffic(&mut self, traffic: Traffic) {
        if let Traffic::Tcp(range) | Traffic::Udp(range) = traffic {
            self.ports.insert(range.from);
            self.ports.extend(range.to.checked_add(1));
        }
    }

    /// One port of each part of a range that the rules do not divide.
    fn ports(&self, range: PortRange) -> impl Iterator<Item = u16> {
        let inside = self.ports.range(range.from..=range.to).copied();
        std::iter::once(range.from).chain(inside.filter(move |port| *port != range.from))
    }

    /// Addresses on the internet, of which the rules tell some apart.
    fn outside(&self) -> Vec<Ipv4Addr> {
        let public =
            |address: &Ipv4Addr| !Outbound::NEVER.iter().any(|block| block.contains(*address));
        let mut all = vec![SOMEWHERE];
        // A block's own address may be that of a network, so the next one stands for it.
        let of = |block: &Cidr| block.nth(1).unwrap_or_else(|| block.base());
        all.extend(self.blocks.iter().map(of).filter(public).take(MOST_ADDRESSES));
        all
    }
}
