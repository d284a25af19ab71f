//! What a VPC's router and its workloads' namespaces must look like: pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use model::intent::{
    AclEntryIntent, GroupIntent, InterfaceIntent, MacAddr, RouteTarget, RuleIntent, RulePeer,
    VpcIntent,
};
use model::{Cidr, EniId, PcxId, RouteTableId, SubnetId, Traffic, VpcId};
use model::{IpProtocol, PortRange};

use super::names;
use super::ruleset::{Chain, Ruleset, Set};
use super::state::{Hop, Link, Rule, State, TABLE_MAIN};

/// The gateway that every workload and every router sees behind every link.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// What is never routed.
const LINK_LOCAL: Cidr = Cidr::new(169, 254, 0, 0, 16);

/// The Ethernet address of a router's end of an interface.
pub const ROUTER_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x01]);
/// Those of the two ends of a peering: the requester's, the accepter's.
const PEERING_MACS: [MacAddr; 2] =
    [MacAddr([0x02, 0, 0, 0, 0, 0x02]), MacAddr([0x02, 0, 0, 0, 0, 0x03])];

// What a router itself sends, as are errors, goes to the VPC's own interfaces, or back by the
// peering that the packet came by, and nowhere else.
const PRIORITY_OWN: u32 = 40;
const PRIORITY_OWN_BACK: u32 = 50;
const PRIORITY_OWN_END: u32 = 60;
// What lies inside the VPC comes before any route table, except the routes to middleboxes that
// are narrower than the VPC. What came by a peering has a mark that no route table has: it sees
// the local addresses and then the end.
const PRIORITY_INSIDE: u32 = 100;
const PRIORITY_LOCAL: u32 = 200;
const PRIORITY_TABLES: u32 = 300;
const PRIORITY_END: u32 = 1000;

/// Kernel tables of routes that lead out of the VPC, and of those narrower than its blocks.
const TABLES_OUTSIDE: u32 = 0x4000_0000;
const TABLES_INSIDE: u32 = 0x8000_0000;
/// Kernel tables of the way back by a peering, for what the router itself sends.
const TABLES_BACK: u32 = 0xc000_0000;
const TABLE_BITS: u32 = 0x3fff_ffff;

/// All that decides what one router looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    /// The VPC.
    pub vpc: VpcIntent,
    /// The peerings that have a link.
    pub links: BTreeMap<PcxId, LinkEnd>,
}

/// A router's end of a peering's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkEnd {
    /// Bytes that a packet may have.
    pub mtu: u16,
    /// Whether it is the requester's.
    pub requester: bool,
    /// The VPC behind it.
    pub other: VpcId,
}

impl LinkEnd {
    /// The Ethernet addresses: of this end, of the other.
    pub fn macs(&self) -> (MacAddr, MacAddr) {
        let [requester, accepter] = PEERING_MACS;
        if self.requester { (requester, accepter) } else { (accepter, requester) }
    }
}

/// What a workload's namespace must look like.
pub fn workload(interface: &InterfaceIntent) -> State {
    let eth0 = || names::WORKLOAD_LINK.to_owned();
    let link = Link { mac: interface.mac, mtu: interface.mtu.into(), up: true };
    State {
        links: [(eth0(), link), loopback()].into(),
        addresses: interface.addresses.iter().map(|address| (eth0(), *address)).collect(),
        routes: [((TABLE_MAIN, Cidr::ANY), Hop::Via(GATEWAY, eth0()))].into(),
        rules: BTreeSet::new(),
        neighbours: [((eth0(), GATEWAY), ROUTER_MAC)].into(),
    }
}

fn loopback() -> (String, Link) {
    let link = Link { mac: MacAddr([0; 6]), mtu: 65536, up: true };
    (names::LOOPBACK.to_owned(), link)
}

impl Router {
    /// What the router's links, routes and neighbours must be.
    pub fn state(&self) -> State {
        let mut state = State::default();
        // Without a table of local addresses the kernel takes every gateway for a broadcast.
        state.links.extend([loopback()]);
        for cidr in self.vpc.cidrs.iter().chain([&LINK_LOCAL]) {
            state.routes.insert((TABLE_MAIN, *cidr), Hop::Blackhole);
        }
        let resolvers = self.vpc.resolvers.iter();
        state.addresses.extend(resolvers.map(|address| (names::LOOPBACK.to_owned(), *address)));
        for (eni, interface) in &self.vpc.interfaces {
            let name = names::eni_link(*eni);
            let link = Link { mac: ROUTER_MAC, mtu: interface.mtu.into(), up: true };
            state.links.insert(name.clone(), link);
            for address in &interface.addresses {
                state.neighbours.insert((name.clone(), *address), interface.mac);
                let key = (TABLE_MAIN, Cidr::host(*address));
                state.routes.insert(key, Hop::Link(name.clone()));
            }
        }
        let rule = |priority, mark, table| Rule { priority, own: false, mark, table };
        let own = |priority, mark, table| Rule { priority, own: true, mark, table };
        state.rules.insert(own(PRIORITY_OWN, None, Some(TABLE_MAIN)));
        state.rules.insert(own(PRIORITY_OWN_END, None, None));
        let marks = self.peering_marks();
        for (pcx, end) in &self.links {
            let name = names::peer_link(*pcx);
            let (mac, other) = end.macs();
            state.links.insert(name.clone(), Link { mac, mtu: end.mtu.into(), up: true });
            state.neighbours.insert((name.clone(), GATEWAY), other);
            if let Some(mark) = marks.get(pcx) {
                state.rules.insert(own(PRIORITY_OWN_BACK, Some(*mark), Some(*mark)));
                state.routes.insert((*mark, Cidr::ANY), Hop::Via(GATEWAY, name));
            }
        }
        state.rules.insert(rule(PRIORITY_LOCAL, None, Some(TABLE_MAIN)));
        state.rules.insert(rule(PRIORITY_END, None, None));
        for (id, number) in self.table_numbers() {
            let (inside, outside) = (TABLES_INSIDE | number, TABLES_OUTSIDE | number);
            state.rules.insert(rule(PRIORITY_TABLES, Some(outside), Some(outside)));
            let Some(routes) = self.vpc.route_tables.get(&id) else { continue };
            for (cidr, target) in routes {
                let narrower = self.vpc.cidrs.iter().any(|b| b.covers(*cidr) && b != cidr);
                let table = if narrower { inside } else { outside };
                self.add_route(&mut state, table, *cidr, *target);
                if narrower {
                    state.rules.insert(rule(PRIORITY_INSIDE, Some(outside), Some(inside)));
                }
            }
        }
        state
    }

    fn add_route(&self, state: &mut State, table: u32, cidr: Cidr, target: RouteTarget) {
        let hop = match target {
            RouteTarget::Blackhole => Hop::Blackhole,
            RouteTarget::Peering(pcx) if self.links.contains_key(&pcx) => {
                Hop::Via(GATEWAY, names::peer_link(pcx))
            }
            RouteTarget::Peering(_) => Hop::Blackhole,
            RouteTarget::Interface(eni) => self.hop_to(state, table, cidr, eni),
        };
        // A /32 to an interface's own address, made below, is narrower than any route.
        state.routes.entry((table, cidr)).or_insert(hop);
    }

    /// The way to a middlebox. One that checks destinations gets only what is for itself.
    fn hop_to(&self, state: &mut State, table: u32, cidr: Cidr, eni: EniId) -> Hop {
        let Some(interface) = self.vpc.interfaces.get(&eni) else { return Hop::Blackhole };
        let Some(first) = interface.addresses.first() else { return Hop::Blackhole };
        let name = names::eni_link(eni);
        if !interface.source_dest_check {
            return Hop::Via(*first, name);
        }
        for address in interface.addresses.iter().filter(|address| cidr.contains(**address)) {
            state.routes.insert((table, Cidr::host(*address)), Hop::Link(name.clone()));
        }
        Hop::Blackhole
    }

    /// A number below 2^30 for each route table, which depends on the set of tables alone.
    fn table_numbers(&self) -> BTreeMap<RouteTableId, u32> {
        let named = self.vpc.subnets.values().map(|subnet| subnet.route_table);
        let all: BTreeSet<_> = self.vpc.route_tables.keys().copied().chain(named).collect();
        numbered(all.into_iter().map(|id| (id, id.bits())))
    }

    /// The mark of what came by each peering, which is also the table of the way back.
    fn peering_marks(&self) -> BTreeMap<PcxId, u32> {
        let numbers = numbered(self.links.keys().map(|id| (*id, id.bits())));
        numbers.into_iter().map(|(id, number)| (id, TABLES_BACK | number)).collect()
    }

    /// What the router's firewall must be.
    pub fn ruleset(&self) -> Ruleset {
        let mut rules = base_ruleset();
        for resolver in &self.vpc.resolvers {
            element(&mut rules, "resolvers", resolver.to_string());
        }
        self.add_subnets(&mut rules);
        self.add_interfaces(&mut rules);
        self.add_groups(&mut rules);
        self.add_acls(&mut rules);
        self.add_peerings(&mut rules);
        rules
    }

    fn add_subnets(&self, rules: &mut Ruleset) {
        let numbers = self.table_numbers();
        for (id, subnet) in &self.vpc.subnets {
            let mark = numbers.get(&subnet.route_table).map_or(0, |n| TABLES_OUTSIDE | n);
            chain(rules, from_subnet(*id), vec![format!("meta mark set {mark} accept")]);
            let members = self.vpc.interfaces.iter().filter(|(_, i)| i.subnet == *id);
            let links = members.map(|(eni, _)| quoted(&names::eni_link(*eni))).collect();
            let set = Set { keyword: "set", kind: "ifname", elements: links };
            rules.sets.insert(links_of(*id), set);
            let acl = subnet.acl.filter(|acl| self.vpc.acls.contains_key(acl));
            for (direction, other) in [("out", "oifname"), ("in", "iifname")] {
                let guard =
                    acl.map_or("accept".to_owned(), |acl| format!("goto acl_{direction}_{acl}"));
                let within = format!("{other} @{} accept", links_of(*id));
                chain(rules, format!("{direction}_{id}"), vec![within, guard]);
            }
        }
    }

    fn add_interfaces(&self, rules: &mut Ruleset) {
        for (eni, interface) in &self.vpc.interfaces {
            let link = quoted(&names::eni_link(*eni));
            let origin = from_subnet(interface.subnet);
            // An interface in an unknown subnet would refer to chains that are not there.
            if !self.vpc.subnets.contains_key(&interface.subnet) {
                continue;
            }
            if interface.source_dest_check {
                for address in &interface.addresses {
                    element(rules, "sources", format!("{link} . {address} : goto {origin}"));
                }
            } else {
                element(rules, "any_source", format!("{link} : goto {origin}"));
            }
            element(rules, "interfaces", link.clone());
            let subnet = interface.subnet;
            element(rules, "acl_out", format!("{link} : goto out_{subnet}"));
            element(rules, "acl_in", format!("{link} : goto in_{subnet}"));
            for direction in ["out", "in"] {
                element(
                    rules,
                    &format!("group_{direction}"),
                    format!("{link} : goto {direction}_{eni}"),
                );
                let jumps = interface.groups.iter().map(|g| format!("jump {direction}_{g}"));
                chain(rules, format!("{direction}_{eni}"), jumps.collect());
            }
        }
    }

    fn add_groups(&self, rules: &mut Ruleset) {
        let used = self.vpc.interfaces.values().flat_map(|interface| &interface.groups);
        let all: BTreeSet<_> = self.vpc.groups.keys().chain(used).copied().collect();
        let nothing = GroupIntent::default();
        for id in all {
            let group = self.vpc.groups.get(&id).unwrap_or(&nothing);
            let list = |set: &BTreeSet<RuleIntent>, field| {
                set.iter().map(|r| group_rule(r, field)).collect()
            };
            chain(rules, format!("out_{id}"), list(&group.egress, "daddr"));
            chain(rules, format!("in_{id}"), list(&group.ingress, "saddr"));
            for rule in group.egress.iter().chain(&group.ingress) {
                if let RulePeer::Group(peer) = rule.peer {
                    let members = self.vpc.members.get(&peer).into_iter().flatten();
                    let elements = members.map(Ipv4Addr::to_string).collect();
                    let set = Set { keyword: "set", kind: "ipv4_addr", elements };
                    rules.sets.insert(format!("members_{peer}"), set);
                }
            }
        }
    }

    fn add_acls(&self, rules: &mut Ruleset) {
        for (id, acl) in &self.vpc.acls {
            let list = |entries: &[AclEntryIntent], field| {
                entries.iter().map(|e| acl_rule(e, field)).collect()
            };
            chain(rules, format!("acl_out_{id}"), list(&acl.egress, "daddr"));
            chain(rules, format!("acl_in_{id}"), list(&acl.ingress, "saddr"));
        }
    }

    fn add_peerings(&self, rules: &mut Ruleset) {
        for (pcx, mark) in self.peering_marks() {
            let link = quoted(&names::peer_link(pcx));
            element(rules, "any_source", format!("{link} : goto from_{pcx}"));
            for map in ["group_out", "group_in", "acl_out", "acl_in"] {
                element(rules, map, format!("{link} : accept"));
            }
            let mut admission = Vec::new();
            if let Some(end) = self.vpc.peerings.get(&pcx).filter(|end| !end.admits_to.is_empty()) {
                // Nobody outside has an address of ours; a middlebox over there might pretend.
                admission.extend(self.vpc.cidrs.iter().map(|own| format!("ip saddr {own} drop")));
                let to = format!("ip daddr {} meta mark set {mark} accept", list(&end.admits_to));
                match &end.admits_from {
                    None => admission.push(to),
                    Some(from) if from.is_empty() => {}
                    Some(from) => {
                        // A router over there has no address; connection tracking knows what the
                        // error is about, or drops it.
                        admission.push(format!("{TOO_LARGE} {to}"));
                        admission.push(format!("ip saddr {} {to}", list(from)));
                    }
                }
            }
            admission.push("drop".to_owned());
            chain(rules, format!("from_{pcx}"), admission);
        }
    }
}

/// All that reaches a router itself: what the VPC's own interfaces ask its resolver. What comes by
/// a peering does not, although the resolver's address is in a block that the peering admits.
const QUESTIONS: &str = "iifname @interfaces ip daddr @resolvers meta l4proto { tcp, udp } \
                         th dport 53 ct state new,established accept";
/// Errors that a router raises about what its own interfaces sent.
const ERRORS: &str = "oifname @interfaces icmp type { 3, 11, 12 } accept";
/// Of all errors that a router raises, only that a packet is too large for the next link goes back
/// over a peering, and only about a connection that was let through (`ec2.md` §1.5).
const TOO_LARGE: &str = "icmp type 3 icmp code 4";
/// The resolver begins nothing.
const ANSWERS: &str = "oifname @interfaces ip saddr @resolvers meta l4proto { tcp, udp } \
                       th sport 53 ct state established ct direction reply accept";

/// Chains that are called by the kernel, and the maps by which they find the others.
///
/// A packet passes only if every base chain of its hook accepts it.
fn base_ruleset() -> Ruleset {
    let mut rules = Ruleset::default();
    let sets = [
        ("set", "interfaces", "ifname"),
        ("set", "resolvers", "ipv4_addr"),
        ("map", "any_source", "ifname : verdict"),
        ("map", "sources", "ifname . ipv4_addr : verdict"),
        ("map", "group_out", "ifname : verdict"),
        ("map", "acl_out", "ifname : verdict"),
        ("map", "acl_in", "ifname : verdict"),
        ("map", "group_in", "ifname : verdict"),
    ];
    for (keyword, name, kind) in sets {
        let set = Set { keyword, kind, elements: BTreeSet::new() };
        rules.sets.insert(name.to_owned(), set);
    }
    // Before connection tracking, so that a forged packet touches no connection.
    let source = [
        "meta nfproto != ipv4 drop",
        "ip saddr @resolvers drop",
        "iifname vmap @any_source",
        "iifname . ip saddr vmap @sources",
    ];
    // An error is related to its packet even where that was not let through, and so not confirmed.
    let too_large = format!("{TOO_LARGE} ct state related ct status confirmed accept");
    let known = ["ct state established,related accept", "ct state != new drop"];
    let chains: [(&str, &str, Vec<&str>); 7] = [
        ("source_check", "prerouting priority -300", source.to_vec()),
        ("to_router", "input priority 0", vec![QUESTIONS]),
        ("from_router", "output priority 0", vec![ERRORS, &too_large, ANSWERS]),
        (
            "egress_groups",
            "forward priority 10",
            [&known[..], &["iifname vmap @group_out"]].concat(),
        ),
        ("egress_acl", "forward priority 20", vec!["iifname vmap @acl_out"]),
        ("ingress_acl", "forward priority 30", vec!["oifname vmap @acl_in"]),
        (
            "ingress_groups",
            "forward priority 40",
            [&known[..], &["oifname vmap @group_in"]].concat(),
        ),
    ];
    for (name, hook, lines) in chains {
        let lines = lines.into_iter().map(str::to_owned).collect();
        rules.chains.insert(name.to_owned(), Chain { hook: Some(hook), rules: lines });
    }
    rules
}

/// A number below 2^30 for each id, which depends on the set of ids alone.
fn numbered<Id: Ord>(ids: impl Iterator<Item = (Id, u128)>) -> BTreeMap<Id, u32> {
    let mut taken = BTreeSet::new();
    ids.map(|(id, bits)| {
        let mut number = bits as u32 & TABLE_BITS;
        while !taken.insert(number) {
            number = (number + 1) & TABLE_BITS;
        }
        (id, number)
    })
    .collect()
}

fn chain(rules: &mut Ruleset, name: String, lines: Vec<String>) {
    rules.chains.insert(name, Chain { hook: None, rules: lines });
}

fn element(rules: &mut Ruleset, map: &str, element: String) {
    rules.sets.get_mut(map).expect("the base ruleset has the map").elements.insert(element);
}

fn from_subnet(id: SubnetId) -> String {
    format!("from_{id}")
}

fn links_of(id: SubnetId) -> String {
    format!("links_{id}")
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn list(cidrs: &[Cidr]) -> String {
    let mut blocks: Vec<Cidr> = Vec::new();
    // The kernel refuses an interval inside another.
    for cidr in cidrs.iter().collect::<BTreeSet<_>>() {
        if !cidrs.iter().any(|wider| wider != cidr && wider.covers(*cidr)) {
            blocks.push(*cidr);
        }
    }
    let blocks: Vec<String> = blocks.iter().map(Cidr::to_string).collect();
    format!("{{ {} }}", blocks.join(", "))
}

fn group_rule(rule: &RuleIntent, field: &str) -> String {
    let peer = match rule.peer {
        RulePeer::Cidr(cidr) => block(cidr, field),
        RulePeer::Group(group) => format!("ip {field} @members_{group} "),
    };
    format!("{peer}{}accept", traffic(rule.traffic))
}

fn acl_rule(entry: &AclEntryIntent, field: &str) -> String {
    let verdict = if entry.allow { "accept" } else { "drop" };
    format!("{}{}{verdict}", block(entry.cidr, field), traffic(entry.traffic))
}

fn block(cidr: Cidr, field: &str) -> String {
    if cidr == Cidr::ANY { String::new() } else { format!("ip {field} {cidr} ") }
}

/// A match that ends in a space, or nothing.
fn traffic(traffic: Traffic) -> String {
    let protocol = |IpProtocol(number)| format!("meta l4proto {number} ");
    let ports = |name, ports: PortRange| format!("{name} dport {ports} ");
    match traffic {
        Traffic::All => String::new(),
        Traffic::Tcp(PortRange::ALL) => protocol(IpProtocol::TCP),
        Traffic::Udp(PortRange::ALL) => protocol(IpProtocol::UDP),
        Traffic::Tcp(range) => ports("tcp", range),
        Traffic::Udp(range) => ports("udp", range),
        Traffic::Icmp { kind: None, code: None } => protocol(IpProtocol::ICMP),
        Traffic::Icmp { kind, code } => {
            let kind = kind.map(|kind| format!("icmp type {kind} ")).unwrap_or_default();
            let code = code.map(|code| format!("icmp code {code} ")).unwrap_or_default();
            kind + &code
        }
        Traffic::Protocol(number) => protocol(number),
    }
}
