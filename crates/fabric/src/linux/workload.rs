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

/// The state that a workload's namespace must have, with its first interface and further ones.
///
/// What the workload sends from the address of a further one leaves by that one: each has a table of its
/// own, as the tools of the distributions make them on EC2.
pub(super) fn workload(interface: &InterfaceIntent, further: &[Further]) -> State {
    let mut state = State::default();
    state.links.extend([loopback()]);
    add_link(&mut state, names::WORKLOAD_LINK, interface, TABLE_MAIN);
    for Further { index, interface, .. } in further {
        let table = TABLES_FURTHER + u32::from(*index);
        add_link(&mut state, &names::further_link(*index), interface, table);
        let from = |address: &Ipv4Addr| Rule {
            priority: PRIORITY_FURTHER + u32::from(*index),
            own: false,
            mark: None,
            source: Some(*address),
            action: Action::Table(table),
        };
        state.rules.extend(interface.addresses.iter().map(from));
    }
    state
}

fn add_link(state: &mut State, name: &str, interface: &InterfaceIntent, table: u32) {
    let name = || name.to_owned();
    let link = Link { mac: interface.mac, mtu: interface.mtu.into(), up: true };
    state.links.insert(name(), link);
    state.addresses.extend(interface.addresses.iter().map(|address| (name(), *address)));
    state.routes.insert((table, Cidr::ANY), Hop::Via(GATEWAY, name()));
    state.neighbours.insert((name(), GATEWAY), ROUTER_MAC);
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
