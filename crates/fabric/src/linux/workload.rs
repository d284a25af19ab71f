//! The links, routes and rules that a workload's namespace must have: pure.

use std::net::Ipv4Addr;

use model::intent::{InterfaceIntent, VpcIntent};
use model::{Cidr, EniId};

use super::names;
use super::plan::{GATEWAY, ROUTER_MAC, loopback};
use super::state::{Action, Hop, Link, Rule, State, TABLE_MAIN};

// In a workload's namespace: what it sends from an address of a further interface.
const PRIORITY_FURTHER: u32 = 10_000;
/// Kernel tables of further interfaces in a workload's namespace.
const TABLES_FURTHER: u32 = 10_000;

/// How a workload's link leads to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Everything, its own subnet too, goes to the router at the other end of the link.
    Routed,
    /// Its subnet is there as on a wire, and everything else goes to a router in it.
    Switched {
        /// The subnet's block.
        subnet: Cidr,
        /// The router's address.
        router: Ipv4Addr,
    },
}

/// The state that a workload's namespace must have, with its first interface and further ones.
///
/// What the workload sends from the address of a further one leaves by that one: each has a table of its
/// own, as the tools of the distributions make them on EC2.
pub(super) fn workload(interface: &InterfaceIntent, further: &[Further]) -> State {
    let mut state = State::default();
    state.links.extend([loopback()]);
    add_link(&mut state, 0, interface, Way::Routed);
    for Further { index, interface, .. } in further {
        add_link(&mut state, *index, interface, Way::Routed);
    }
    state
}

/// Adds the link of an interface, by its number among those of the workload.
pub(super) fn add_link(state: &mut State, index: u8, interface: &InterfaceIntent, way: Way) {
    let name = || names::further_link(index);
    let table = if index == 0 { TABLE_MAIN } else { TABLES_FURTHER + u32::from(index) };
    let link = Link { mac: interface.mac, mtu: interface.mtu.into(), up: true };
    state.links.insert(name(), link);
    state.addresses.extend(interface.addresses.iter().map(|address| (name(), *address)));
    match way {
        Way::Routed => {
            state.routes.insert((table, Cidr::ANY), Hop::Via(GATEWAY, name()));
            state.neighbours.insert((name(), GATEWAY), ROUTER_MAC);
        }
        Way::Switched { subnet, router } => {
            state.routes.insert((table, subnet), Hop::Link(name()));
            state.routes.insert((table, Cidr::ANY), Hop::Via(router, name()));
        }
    }
    let from = |address: &Ipv4Addr| Rule {
        priority: PRIORITY_FURTHER + u32::from(index),
        own: false,
        mark: None,
        source: Some(*address),
        action: Action::Table(table),
    };
    let addresses = interface.addresses.iter().filter(|_| index > 0);
    state.rules.extend(addresses.map(from));
}

/// A further interface of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Further {
    /// The interface's id.
    pub eni: EniId,
    /// Its number among those of the workload.
    pub index: u8,
    /// The interface.
    pub interface: InterfaceIntent,
}

/// The further interfaces of a workload whose first one is `host`, in the order of their numbers.
pub(super) fn further(vpc: &VpcIntent, host: EniId) -> Vec<Further> {
    let of_host = |(eni, interface): (&EniId, &InterfaceIntent)| {
        let slot = interface.slot.filter(|slot| slot.host == host)?;
        Some(Further { eni: *eni, index: slot.index, interface: interface.clone() })
    };
    let mut found: Vec<Further> = vpc.interfaces.iter().filter_map(of_host).collect();
    found.sort_by_key(|further| further.index);
    found
}
