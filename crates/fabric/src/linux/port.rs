//! Interfaces whose network a switch of this host carries: a namespace for each process, as of the Linux
//! fabric, and for each of its interfaces a veth pair whose other end is where the switch is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::Arc;

use model::intent::{InterfaceIntent, MacAddr};
use model::{Cidr, EniId, VpcId};
use netlink_packet_route::link::LinkFlags;
use nix::sched::{CloneFlags, setns};
use os::netns::{self, NetworkNamespace};

use super::namespace::{self, failed, on_own_thread};
use super::netlink::{Netlink, VethEnd};
use super::plan::loopback;
use super::router::joined;
use super::state::{Observed, State};
use super::workload::{Way, add_link};
use super::{ByName, names, offload, sysctl};
use crate::driver::{Dialer, Error, Interfaces, NamespaceNames};
use crate::instance::namespace_prefix;

/// What a port of a switch leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortId {
    /// An interface.
    Interface(EniId),
    /// The resolver that a VPC has on this host.
    Resolver(VpcId),
}

impl PortId {
    /// The name of the namespace of a process whose first port it is.
    fn namespace(self, instance: &str) -> String {
        match self {
            Self::Interface(eni) => names::workload(instance, eni),
            Self::Resolver(vpc) => names::router(instance, vpc),
        }
    }
}

/// An interface of this host, as its process sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// What it is.
    pub id: PortId,
    /// Its number among those of the process; the first one is 0.
    pub index: u8,
    /// The interface.
    pub interface: InterfaceIntent,
    /// The block of its subnet.
    pub subnet: Cidr,
    /// The address of the subnet's router.
    pub router: Ipv4Addr,
}

impl Port {
    /// The name of the link that the switch is to be given.
    pub fn link(&self) -> String {
        match self.id {
            PortId::Interface(eni) => names::eni_link(eni),
            PortId::Resolver(vpc) => names::resolver_link(vpc),
        }
    }
}

/// Makes the interfaces of one instance of Causeway. The switch's ends are in the network namespace of the
/// thread that asks.
#[derive(Debug, Clone)]
pub struct Ports {
    instance: String,
    /// Whether the switch is outside of the kernel.
    user_space: bool,
}

impl Ports {
    /// For an instance, and for a switch that is outside of the kernel or in it.
    pub fn new(instance: &str, user_space: bool) -> Self {
        Self { instance: instance.to_owned(), user_space }
    }

    /// The interfaces of one process, out of these, that have no link. Before they are made anew, the switch must
    /// have let go of what it knows by their names: it would else take the new link for the old one, and may set
    /// it down when it forgets that.
    ///
    /// # Errors
    ///
    /// What keeps them from being looked at.
    pub fn missing(&self, ports: &[Port]) -> Result<BTreeSet<PortId>, Error> {
        let Some(first) = ports.first() else { return Ok(BTreeSet::new()) };
        let name = first.id.namespace(&self.instance);
        on_own_thread(|| {
            let mut outside = Outside::of_this_thread()?;
            let mut pairs = BTreeMap::new();
            if let Some(namespace) = NetworkNamespace::open(&name)? {
                namespace.enter()?;
                pairs = Observed::read(&mut Netlink::open()?)?.pairs;
            }
            let mut missing = BTreeSet::new();
            for port in ports {
                let there = pairs.get(&names::further_link(port.index)).copied();
                if !outside.leads(port, there)? {
                    missing.insert(port.id);
                }
            }
            Ok(missing)
        })
        .flatten()
    }

    /// Makes the interfaces of one process what they must be, the first one at the head, and says what was
    /// otherwise.
    ///
    /// # Errors
    ///
    /// What keeps them from being made; some may be.
    pub fn settle(&self, ports: &[Port]) -> Result<Vec<String>, Error> {
        let Some(first) = ports.first() else { return Ok(Vec::new()) };
        on_own_thread(|| self.settle_here(first.id, ports)).flatten()
    }

    fn settle_here(&self, first: PortId, ports: &[Port]) -> Result<Vec<String>, Error> {
        let mut outside = Outside::of_this_thread()?;
        let name = first.namespace(&self.instance);
        let (namespace, made) = namespace::adopt_or_create(&name, &self.instance)?;
        namespace.enter()?;
        let mut netlink = Netlink::open()?;
        let settings = sysctl::workload()?;
        let observed = Observed::read(&mut netlink)?;
        let goal = goal(ports);
        let mut state = observed.state;
        state.keep_known(&goal);
        let mut found = if made {
            vec!["its namespace was missing".to_owned()]
        } else {
            state.differences(&goal)
        };
        found.extend(
            settings.iter().filter(|_| !made).map(|it| format!("setting {it} was changed")),
        );
        for name in observed.pairs.keys().filter(|name| names::is_workload_link(name)) {
            if !goal.links.contains_key(name) {
                found.push(format!("link {name} was not ours"));
                netlink.delete_link(name)?;
            }
        }
        for port in ports {
            let inner = names::further_link(port.index);
            let there = observed.pairs.get(&inner).copied();
            if outside.leads(port, there)? {
                continue;
            }
            netlink.delete_link(&inner)?;
            outside.make(port, &inner, &namespace)?;
            state.forget_link(&inner);
        }
        // The last address takes the routes with it, so the new ones come first.
        let additions = state.additions(&goal, &mut netlink)?;
        netlink.batch(additions)?;
        let removals = state.removals(&goal, &mut netlink)?;
        netlink.batch(removals)?;
        namespace.enter()?;
        for link in ports.iter().map(|port| names::further_link(port.index)) {
            sysctl::asks_again(&link)?;
            if self.user_space {
                offload::complete_checksums(&link)?;
            }
        }
        let passes_on = ports.iter().any(|port| !port.interface.source_dest_check);
        sysctl::middlebox(passes_on)?;
        Ok(found)
    }

    /// Removes the interfaces of a process, given its first one, with their namespace. That there are none
    /// is fine.
    ///
    /// # Errors
    ///
    /// What keeps them from being removed.
    pub fn remove(&self, first: PortId) -> Result<(), Error> {
        let name = first.namespace(&self.instance);
        on_own_thread(|| {
            let Some(namespace) = NetworkNamespace::open(&name)? else { return Ok(()) };
            namespace.enter()?;
            let mut netlink = Netlink::open()?;
            namespace::require_owner(&mut netlink, &name, &self.instance)?;
            // A process that is in it would keep its links.
            let found = Observed::read(&mut netlink)?;
            for link in found.state.links.keys().filter(|link| names::is_workload_link(link)) {
                netlink.delete_link(link)?;
            }
            Ok(netns::remove(&name)?)
        })
        .flatten()
    }

    /// The first ports of all processes that there are namespaces for.
    ///
    /// # Errors
    ///
    /// What keeps them from being looked at.
    pub fn all(&self) -> Result<BTreeSet<PortId>, Error> {
        let prefix = namespace_prefix(&self.instance);
        let owned = on_own_thread(|| namespace::owned_by(&self.instance)).flatten()?;
        let id = |name: &String| {
            let id = name.strip_prefix(&prefix)?;
            let interface = id.parse().map(PortId::Interface);
            interface.or_else(|_| id.parse().map(PortId::Resolver)).ok()
        };
        Ok(owned.iter().filter_map(id).collect())
    }

    /// What sends packets from the interfaces.
    pub fn dialer(&self) -> Arc<dyn Dialer> {
        Arc::new(ByName { instance: self.instance.clone() })
    }

    /// The interfaces, for the runtime that starts workloads behind them.
    pub fn interfaces(&self) -> Arc<dyn Interfaces> {
        Arc::new(ByName { instance: self.instance.clone() })
    }

    /// The names of their namespaces.
    pub fn namespace_names(&self) -> Arc<dyn NamespaceNames> {
        Arc::new(ByName { instance: self.instance.clone() })
    }
}

/// What the namespace of a process must be.
fn goal(ports: &[Port]) -> State {
    let mut state = State::default();
    state.links.extend([loopback()]);
    for Port { index, interface, subnet, router, .. } in ports {
        add_link(&mut state, *index, interface, Way::Switched { subnet: *subnet, router: *router });
    }
    state
}

/// Where the switch is.
struct Outside {
    namespace: File,
    netlink: Netlink,
}

impl Outside {
    fn of_this_thread() -> Result<Self, Error> {
        let namespace = File::open("/proc/thread-self/ns/net")
            .map_err(|source| failed("(host)", "open", source))?;
        Ok(Self { namespace, netlink: Netlink::open()? })
    }

    /// Whether the link of an interface leads into its namespace, where its other end is this, and is up.
    fn leads(&mut self, port: &Port, there: Option<(u32, Option<u32>)>) -> Result<bool, Error> {
        let link = self.netlink.link(&port.link())?;
        let is_up = link.is_some_and(|link| link.header.flags.contains(LinkFlags::Up));
        Ok(is_up && joined(self.netlink.pair(&port.link())?, there))
    }

    /// Makes the link of an interface, in place of one that leads elsewhere. Leaves the thread outside.
    fn make(
        &mut self,
        port: &Port,
        inner: &str,
        namespace: &NetworkNamespace,
    ) -> Result<(), Error> {
        let (outer, mtu) = (port.link(), port.interface.mtu);
        self.netlink.delete_link(&outer)?;
        let here = VethEnd { name: &outer, mac: outer_mac(port.interface.mac), mtu };
        let there = VethEnd { name: inner, mac: port.interface.mac, mtu };
        self.netlink.add_veth(&here, &there, namespace.as_fd())?;
        setns(&self.namespace, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| failed("(host)", "enter", errno.into()))?;
        // The host itself has nothing to say on it.
        sysctl::without_ipv6(&outer)
    }
}

/// The Ethernet address of the switch's end, which nobody sends to.
fn outer_mac(inner: MacAddr) -> MacAddr {
    let MacAddr([_, rest @ ..]) = inner;
    let [a, b, c, d, e] = rest;
    MacAddr([0xfe, a, b, c, d, e])
}
