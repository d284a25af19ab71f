//! The uplink: a namespace of no process through which everything goes that leaves the host. It
//! translates nothing of its own and only routes public addresses, so that a router that errs
//! sends nothing out.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use model::Cidr;
use model::intent::{ExitIntent, MacAddr, UplinkIntent};
use os::netns::NetworkNamespace;

use super::names::OUTER_LINK;
use super::netlink::Netlink;
use super::nft::Nft;
use super::plan::{EXIT_MACS, loopback};
use super::rule_text::{closed, list, quoted};
use super::ruleset::{Chain, Ruleset, Set};
use super::state::{Hop, Link, State, TABLE_MAIN};

/// Bytes that a packet on an exit may have where the outer link does not say it.
pub(super) const EXIT_MTU: u16 = 1500;

/// The uplink's namespace, with sockets in it that stay open.
pub(super) struct UplinkHandle {
    /// The namespace itself.
    pub namespace: NetworkNamespace,
    /// The socket for links, routes and neighbours.
    pub netlink: Netlink,
    /// The context for its firewall.
    pub nft: Nft,
    /// Bytes that a packet on the outer link may have.
    pub mtu: u16,
    /// Whether it was just made, so that nothing in it can have drifted.
    pub made: bool,
    /// The exits that it was made for last, by the names of their links; `None` where that is to be
    /// looked at.
    pub settled: Option<BTreeMap<String, ExitIntent>>,
}

/// The link behind which the outside lies, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outer {
    /// What it is one end of.
    pub kind: OuterKind,
    /// The Ethernet address.
    pub mac: MacAddr,
    /// Bytes that a packet on it may have.
    pub mtu: u16,
    /// The uplink's own address.
    pub address: Ipv4Addr,
    /// The router behind it.
    pub gateway: Ipv4Addr,
}

/// What the link behind which the outside lies is one end of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OuterKind {
    /// The host's link of this number, which it is a private macvlan of.
    Macvlan(u32),
    /// A veth pair whose other end is the host's. Everything takes the uplink's own address by it.
    Veth,
}

/// What the uplink follows from.
#[derive(Debug, Clone)]
pub(super) struct Uplink<'a> {
    /// What it is told.
    pub intent: &'a UplinkIntent,
    /// Its link to the outside.
    pub outer: Outer,
    /// The exits of all routers, by the names of their links.
    pub exits: BTreeMap<String, &'a ExitIntent>,
}

impl Uplink<'_> {
    /// The links, addresses, routes and neighbours that it must have.
    pub(super) fn state(&self) -> State {
        let mut state = State::born();
        state.links.extend([loopback()]);
        let (mac, mtu) = (self.outer.mac, u32::from(self.outer.mtu));
        state.links.insert(OUTER_LINK.to_owned(), Link { mac, mtu, up: true });
        state.addresses.insert((OUTER_LINK.to_owned(), self.outer.address));
        let outside = Hop::Via(self.outer.gateway, OUTER_LINK.to_owned());
        state.routes.insert((TABLE_MAIN, Cidr::ANY), outside);
        if self.outer.kind == OuterKind::Veth {
            let key = (OUTER_LINK.to_owned(), self.outer.gateway);
            state.neighbours.insert(key, HOST_MAC);
        }
        // An address of the pool that nobody has leads nowhere.
        state.routes.insert((TABLE_MAIN, self.intent.way.pool()), Hop::Blackhole);
        for (name, exit) in &self.exits {
            let [router, mac] = EXIT_MACS;
            state.links.insert(name.clone(), Link { mac, mtu, up: true });
            for address in exit.addresses() {
                state.routes.insert((TABLE_MAIN, Cidr::host(address)), Hop::Link(name.clone()));
                state.neighbours.insert((name.clone(), address), router);
            }
        }
        state
    }

    /// The ruleset that its firewall must have.
    pub(super) fn ruleset(&self) -> Ruleset {
        let mut rules = Ruleset::default();
        let (mut senders, mut open) = (Vec::new(), Vec::new());
        for (name, exit) in &self.exits {
            let pairs = exit.addresses().into_iter();
            let pairs = pairs.map(|address| format!("{} . {address}", quoted(name)));
            if matches!(exit, ExitIntent::OneToOne(_)) {
                open.extend(pairs.clone());
            }
            senders.extend(pairs);
        }
        for (name, elements) in [("senders", senders), ("open", open)] {
            let elements = elements.into_iter().collect();
            let set = Set { keyword: "set", kind: "ifname . ipv4_addr", elements };
            rules.sets.insert(name.to_owned(), set);
        }
        let outer = quoted(OUTER_LINK);
        let denied = format!("ip daddr {} drop", list(&self.intent.denied));
        let forward = [
            format!("iifname {outer} oifname . ip daddr @open accept"),
            // By an address that is shared nothing comes but answers.
            format!(
                "iifname {outer} ct state established,related oifname . ip daddr @senders accept"
            ),
            // Twice, since the loss of one would open.
            denied.clone(),
            denied,
            format!("oifname {outer} iifname . ip saddr @senders accept"),
        ];
        let chains = [
            ("forward", "filter hook forward priority 0; policy drop", forward.to_vec()),
            ("input", "filter hook input priority 0; policy drop", Vec::new()),
            (
                "output",
                "filter hook output priority 0; policy drop",
                vec!["icmp type { 3, 11, 12 } accept".to_owned()],
            ),
        ];
        for (name, hook, lines) in chains {
            let chain = Chain { hook: Some(hook), rules: closed(lines) };
            rules.chains.insert(name.to_owned(), chain);
        }
        if self.outer.kind == OuterKind::Veth {
            let lines = vec![format!("oifname {outer} snat ip to {}", self.outer.address)];
            let hook = Some("nat hook postrouting priority 100; policy accept");
            rules.chains.insert("translate".to_owned(), Chain { hook, rules: lines });
        }
        rules
    }
}

/// The Ethernet address of the host's end where the outer link is a veth pair.
pub(super) const HOST_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x06]);

/// The Ethernet address of an instance's outer link: its own, and the same at each start.
pub(super) fn outer_mac(instance: &str) -> MacAddr {
    let [a, b, c, d, e, ..] = hash(instance).to_be_bytes();
    MacAddr([0x02, a, b, c, d, e])
}

/// The address of an instance's uplink where the host stands for it: one of the block that is for
/// use between networks and their providers (RFC 6598), so that hardly any two are the same.
pub(super) fn transit(instance: &str) -> Ipv4Addr {
    const SHARED: Cidr = Cidr::new(100, 64, 0, 0, 10);
    SHARED.nth(hash(instance) % SHARED.size()).unwrap_or(SHARED.base())
}

/// The host's end where the outer link is a veth pair.
pub(super) fn host_link(instance: &str) -> String {
    format!("cwup{:08x}", hash(instance) as u32)
}

/// FNV-1a: short names that differ in one digit are to differ here.
fn hash(instance: &str) -> u64 {
    instance.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    #[test]
    fn instances_have_ethernet_addresses_of_their_own() {
        let all = ["0badcafe", "0badcaff", "copy-0badcafe"].map(outer_mac);
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
        assert!(all.iter().all(|mac| mac.0[0] == 0x02), "each is locally administered");
    }

    #[test]
    fn link_names_of_exits_are_ours() {
        let exit = model::intent::ExitId::Nat("nat-fffffffffffffffff".parse().unwrap());
        assert!(names::is_ours(&names::exit_link(exit)));
        assert!(!names::is_ours(OUTER_LINK));
    }
}
