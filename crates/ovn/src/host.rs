//! A host's part: the interfaces of the processes that run here, and the ports of its switch.

use std::collections::{BTreeMap, BTreeSet};

use fabric::driver::Error as FabricError;
use fabric::linux::{Port, PortId, Ports};
use model::intent::{InterfaceIntent, VpcIntent};
use model::{Cidr, EniId, VpcId};
use os::error_chain;

use crate::addresses::{RESOLVER, RESOLVER_BLOCK, RESOLVER_ROUTER, gateway};
use crate::names;
use crate::switch::{Switch, SwitchError};

/// The interfaces of one host.
#[derive(Debug)]
pub struct Host {
    switch: Switch,
    instance: String,
    /// Bytes that a packet may have on its way to another host.
    mtu: u16,
    /// What is to be here, by VPC and by the first port of each process.
    wanted: BTreeMap<VpcId, BTreeMap<PortId, Vec<Port>>>,
    /// What was found right or made so, by the first port of each process.
    made: BTreeSet<PortId>,
    /// What is to be otherwise than it was made: that it differs is no drift.
    changed: BTreeSet<PortId>,
    /// Whether what was made is to be looked at again.
    look: bool,
}

/// What came of settling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// What was put right, in words, by VPC. What was to be changed anyway is not told.
    pub repairs: BTreeMap<VpcId, Vec<String>>,
    /// The VPCs whose interfaces could not all be made, and why.
    pub failed: BTreeMap<VpcId, String>,
    /// What went wrong that is no VPC's.
    pub errors: Vec<String>,
}

/// What a tunnel between hosts adds to a packet: Ethernet, IPv4, UDP, and Geneve with OVN's option.
pub(crate) const TUNNEL: u16 = 58;

impl Host {
    /// The part of a host whose switch this is. `underlay` is how many bytes a packet between hosts may have.
    pub fn new(switch: Switch, instance: &str, underlay: u16) -> Self {
        let mtu = underlay.saturating_sub(TUNNEL);
        Self {
            switch,
            instance: instance.to_owned(),
            mtu,
            wanted: BTreeMap::new(),
            made: BTreeSet::new(),
            changed: BTreeSet::new(),
            look: false,
        }
    }

    /// Takes note of how many bytes a packet between hosts may have, and says whether that is news: then all that is
    /// wanted is to be said again.
    pub(crate) fn set_underlay(&mut self, underlay: u16) -> bool {
        let mtu = underlay.saturating_sub(TUNNEL);
        std::mem::replace(&mut self.mtu, mtu) != mtu
    }

    /// The switch, for what it says of its ports.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// Takes note of what is to be here of a VPC: `None` is nothing.
    pub fn want(&mut self, vpc: VpcId, intent: Option<&VpcIntent>) {
        let mut ports = intent.map(|intent| ports(intent, self.mtu)).unwrap_or_default();
        let asking = intent.filter(|_| !ports.is_empty());
        if let Some(resolver) = asking.and_then(|intent| resolver(vpc, intent, self.mtu)) {
            ports.insert(resolver.id, vec![resolver]);
        }
        let old = match ports.is_empty() {
            true => self.wanted.remove(&vpc),
            false => self.wanted.insert(vpc, ports),
        };
        let now = self.wanted.get(&vpc);
        for (first, ports) in old.into_iter().flatten() {
            if now.and_then(|now| now.get(&first)) != Some(&ports) && self.made.remove(&first) {
                self.changed.insert(first);
            }
        }
    }

    /// The VPCs that are to have interfaces here.
    pub fn vpcs(&self) -> impl Iterator<Item = VpcId> {
        self.wanted.keys().copied()
    }

    /// The interfaces of a VPC that are to be here.
    pub fn interfaces(&self, vpc: VpcId) -> BTreeSet<EniId> {
        let processes = self.wanted.get(&vpc).into_iter().flat_map(BTreeMap::values);
        let of_interface = |port: &Port| match port.id {
            PortId::Interface(eni) => Some(eni),
            PortId::Resolver(_) => None,
        };
        processes.flatten().filter_map(of_interface).collect()
    }

    /// What the interfaces of a VPC wait for, once they were settled.
    pub(crate) fn obstacle(&self, vpc: VpcId) -> Option<String> {
        let ports = self.switch.ports();
        let wanted = self.interfaces(vpc);
        let mut wanting =
            wanted.iter().filter(|eni| !ports.get(*eni).is_some_and(|port| port.installed));
        let eni = wanting.next()?;
        let why = ports.get(eni).and_then(|port| port.error.clone());
        Some(why.map_or_else(
            || format!("this host has not taken up {eni} yet"),
            |why| format!("Open vSwitch does not take {eni}: {why}"),
        ))
    }

    /// Looks at everything when it is settled next.
    pub fn look_again(&mut self) {
        self.look = true;
    }

    /// Makes what is wanted and was not made or looked at yet, and removes everything else of this installation. To be
    /// called on a thread in the network namespace that the switch is in.
    pub fn settle(&mut self) -> Settled {
        let mut settled = Settled::default();
        let user_space = match self.switch.is_user_space() {
            Ok(user_space) => user_space,
            Err(error) => {
                settled.errors.push(error.to_string());
                return settled;
            }
        };
        let ports = Ports::new(&self.instance, user_space);
        let there = ports.all().unwrap_or_else(|error| {
            settled.errors.push(error_chain(&error));
            BTreeSet::new()
        });
        if let Err(error) = self.release(&ports, &there) {
            settled.errors.push(error.to_string());
            return settled;
        }
        let mut links = BTreeMap::new();
        for (vpc, processes) in &self.wanted {
            for (first, wanted) in processes {
                let known = self.made.contains(first);
                if self.made.contains(first) && there.contains(first) && !self.look {
                    links.extend(wanted.iter().map(|port| (port.id, port.link())));
                    continue;
                }
                match ports.settle(wanted) {
                    Ok(found) => {
                        links.extend(wanted.iter().map(|port| (port.id, port.link())));
                        let changed = self.changed.remove(first);
                        let drifted = !changed && (known || there.contains(first));
                        let repairs = found.into_iter().filter(|_| drifted);
                        let repairs: Vec<_> = repairs
                            .map(|what| format!("{}: {what}", names::port(*first)))
                            .collect();
                        if !repairs.is_empty() {
                            settled.repairs.entry(*vpc).or_default().extend(repairs);
                        }
                        self.made.insert(*first);
                    }
                    Err(error) => drop(settled.failed.insert(*vpc, error_chain(&error))),
                }
            }
        }
        self.look = false;
        // The switch lets go of a link before the link is gone, and gets one when it is there.
        if let Err(error) = self.switch.settle(&links) {
            settled.errors.push(error.to_string());
            return settled;
        }
        let wanted: BTreeSet<PortId> =
            self.wanted.values().flat_map(|processes| processes.keys().copied()).collect();
        for gone in there.difference(&wanted) {
            if let Err(error) = ports.remove(*gone) {
                settled.errors.push(error_chain(&error));
            }
        }
        settled
    }

    /// Has the switch let go of links that are not there any more.
    fn release(&self, ports: &Ports, there: &BTreeSet<PortId>) -> Result<(), SwitchError> {
        let mut missing = BTreeSet::new();
        for (first, wanted) in self.wanted.values().flatten() {
            if !self.is_settled(first, there) {
                // What cannot be looked at cannot be settled either, which is told then.
                missing.extend(ports.missing(wanted).unwrap_or_default());
            }
        }
        if missing.is_empty() { Ok(()) } else { self.switch.release(&missing) }
    }

    /// Whether a process has been settled, and nothing says that it is to be looked at.
    fn is_settled(&self, first: &PortId, there: &BTreeSet<PortId>) -> bool {
        self.made.contains(first) && there.contains(first) && !self.look
    }

    /// Removes everything of this installation, and returns how many namespaces that was.
    ///
    /// # Errors
    ///
    /// What could not be removed; all of the rest was.
    pub fn purge(&mut self) -> Result<usize, Vec<String>> {
        self.wanted.clear();
        self.made.clear();
        self.changed.clear();
        let ports = Ports::new(&self.instance, false);
        let there = ports.all().map_err(|error| vec![error_chain(&error)])?;
        let mut errors = Vec::new();
        match self.switch.settle(&BTreeMap::new()) {
            // Where there is no bridge, there is no port.
            Ok(_) | Err(SwitchError::NoBridge(_)) => {}
            Err(error) => errors.push(error.to_string()),
        }
        let failed: Vec<FabricError> =
            there.iter().filter_map(|first| ports.remove(*first).err()).collect();
        errors.extend(failed.iter().map(|error| error_chain(error)));
        if errors.is_empty() { Ok(there.len()) } else { Err(errors) }
    }
}

/// The interfaces of a VPC by process, each with its further ones behind it.
fn ports(vpc: &VpcIntent, mtu: u16) -> BTreeMap<PortId, Vec<Port>> {
    let mut all: BTreeMap<PortId, Vec<Port>> = BTreeMap::new();
    for (eni, interface) in &vpc.interfaces {
        let Some(subnet) = vpc.subnets.get(&interface.subnet) else { continue };
        let Some(router) = gateway(subnet).filter(|_| !interface.translates) else { continue };
        let (first, index) = interface.slot.map_or((*eni, 0), |slot| (slot.host, slot.index));
        let mut interface = interface.clone();
        interface.mtu = interface.mtu.min(mtu);
        all.entry(PortId::Interface(first)).or_default().push(Port {
            id: PortId::Interface(*eni),
            index,
            interface,
            subnet: subnet.cidr,
            router,
        });
    }
    for ports in all.values_mut() {
        ports.sort_by_key(|port| port.index);
    }
    // Without its first one there is no process.
    all.retain(|_, ports| ports.first().is_some_and(|port| port.index == 0));
    all
}

/// Where the resolver answers that a VPC has on each of its hosts: a namespace in the place of a router's.
fn resolver(id: VpcId, vpc: &VpcIntent, mtu: u16) -> Option<Port> {
    let subnet = vpc.subnets.keys().next()?;
    let others = vpc.resolvers.iter().filter(|address| **address != RESOLVER);
    let interface = InterfaceIntent {
        mac: names::mac(&names::resolver_interface(id)),
        subnet: *subnet,
        addresses: std::iter::once(RESOLVER).chain(others.copied()).collect(),
        groups: Vec::new(),
        source_dest_check: true,
        mtu,
        slot: None,
        translates: false,
    };
    let block = Cidr::around(RESOLVER, RESOLVER_BLOCK);
    let (id, router) = (PortId::Resolver(id), RESOLVER_ROUTER);
    (!vpc.resolvers.is_empty()).then_some(Port { id, index: 0, interface, subnet: block, router })
}
