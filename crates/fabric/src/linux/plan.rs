//! What a VPC's router and its workloads' namespaces must look like: pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use model::intent::{
    AclEntryIntent, ExitId, GroupIntent, InterfaceIntent, MacAddr, Member, PeeringEnd, RouteTarget,
    RuleIntent, RulePeer, SubnetIntent, Via, VpcIntent,
};
use model::{AclId, Cidr, EniId, PcxId, RouteTableId, SubnetId, Traffic, VpcId};
use model::{IpProtocol, PortRange};

use super::names;
use super::ruleset::{Chain, Ruleset, Set, Stage};
use super::state::{Action, FwMark, Hop, Link, Rule, State, TABLE_LOCAL, TABLE_MAIN};

/// The gateway that every workload and every router sees behind every link.
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The link-local block, which is never routed.
const LINK_LOCAL: Cidr = Cidr::new(169, 254, 0, 0, 16);

/// The Ethernet address of a router's end of an interface.
pub(super) const ROUTER_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x01]);
/// The Ethernet addresses of the two ends of a peering's link: the requester's, the accepter's.
const PEERING_MACS: [MacAddr; 2] =
    [MacAddr([0x02, 0, 0, 0, 0, 0x02]), MacAddr([0x02, 0, 0, 0, 0, 0x03])];

/// The Ethernet addresses of the two ends of an exit: the router's, the uplink's.
pub(super) const EXIT_MACS: [MacAddr; 2] =
    [MacAddr([0x02, 0, 0, 0, 0, 0x04]), MacAddr([0x02, 0, 0, 0, 0, 0x05])];

// What a router itself sends, as are errors, goes to the VPC's own interfaces, or back by the
// peering that the packet came by, and nowhere else.
const PRIORITY_OWN: u32 = 40;
const PRIORITY_OWN_BACK: u32 = 50;
const PRIORITY_OWN_END: u32 = 60;
// Only what the VPC's own interfaces send is for the router itself.
const PRIORITY_ROUTER: u32 = 90;
// What lies inside the VPC comes before any route table, except the routes to the VPC's blocks and
// inside of these: to middleboxes, or to nowhere. They are there twice, so that the loss of a table or of a
// rule does not open what they close. What came by a peering has a mark that no route table has: it
// sees the local addresses and then the end.
const PRIORITY_INSIDE: u32 = 100;
const PRIORITY_INSIDE_AGAIN: u32 = 110;
const PRIORITY_LOCAL: u32 = 200;
// For the same reason, so are routes that lie inside a wider one of their table.
const PRIORITY_NESTED: u32 = 290;
const PRIORITY_TABLES: u32 = 300;
const PRIORITY_REFUSE: u32 = 900;
const PRIORITY_END: u32 = 1000;

// In a workload's namespace: what it sends from an address of a further interface.
const PRIORITY_FURTHER: u32 = 10_000;
/// Kernel tables of further interfaces in a workload's namespace.
const TABLES_FURTHER: u32 = 10_000;

/// Kernel tables of routes that lead out of the VPC, which are also the marks of what comes from
/// its interfaces.
const TABLES_OUTSIDE: u32 = 0x4000_0000;
/// Kernel tables of those among them that lie inside others.
const TABLES_NESTED: u32 = 0x6000_0000;
/// Kernel tables of routes to the VPC's blocks and inside of these, twice.
const TABLES_INSIDE: u32 = 0x8000_0000;
const TABLES_INSIDE_AGAIN: u32 = 0xa000_0000;
/// Kernel tables of the way back by a peering, for what the router itself sends, which are also
/// the marks of what comes by it.
const TABLES_BACK: u32 = 0xc000_0000;
/// The marks of what comes by an exit, which has no way back of the router's own.
pub(super) const EXITS: FwMark = FwMark { value: 0xe000_0000, mask: 0xe000_0000 };
/// The mark of what comes from an interface and is for its own subnet, which no route table decides on.
const WITHIN_SUBNET: u32 = TABLES_NESTED;
const TABLE_BITS: u32 = 0x1fff_ffff;
/// The marks of what comes from the VPC's interfaces.
const FROM_INSIDE: FwMark = FwMark { value: TABLES_OUTSIDE, mask: TABLES_BACK };
/// All marks that the firewall gives. A packet without one did not meet it, and is dropped.
const CHECKED: FwMark = FwMark { value: TABLES_OUTSIDE, mask: TABLES_OUTSIDE };

/// Everything that a router's state and firewall follow from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Router {
    /// The VPC that it is the router of.
    pub vpc: VpcIntent,
    /// The peerings that have a link.
    pub links: BTreeMap<PcxId, LinkEnd>,
    /// Bytes that a packet on an exit may have.
    pub exit_mtu: u16,
}

/// A router's end of a peering's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkEnd {
    /// Bytes that a packet on the link may have.
    pub mtu: u16,
    /// Whether it is the requester's end.
    pub requester: bool,
    /// The VPC at the other end.
    pub other: VpcId,
}

impl LinkEnd {
    /// The Ethernet addresses of this end and of the other.
    pub(super) fn macs(&self) -> (MacAddr, MacAddr) {
        let [requester, accepter] = PEERING_MACS;
        if self.requester { (requester, accepter) } else { (accepter, requester) }
    }
}

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

pub(super) fn loopback() -> (String, Link) {
    let link = Link { mac: MacAddr([0; 6]), mtu: 65536, up: true };
    (names::LOOPBACK.to_owned(), link)
}

impl Router {
    /// The links, addresses, routes, rules and neighbours that the router must have.
    pub(super) fn state(&self) -> State {
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
        for exit in self.vpc.exits.keys() {
            let name = names::exit_link(*exit);
            let [mac, other] = EXIT_MACS;
            state.links.insert(name.clone(), Link { mac, mtu: self.exit_mtu.into(), up: true });
            state.neighbours.insert((name, GATEWAY), other);
        }
        self.add_policy_routes(&mut state);
        state
    }

    /// The links of peerings, the route tables, and which packets see which of them. The rules that
    /// a namespace is born with, by which every packet sees all that is local, are not among them.
    fn add_policy_routes(&self, state: &mut State) {
        let made = |own, priority, mark, action| Rule { priority, own, mark, source: None, action };
        let rule = |priority, mark, action| made(false, priority, mark, action);
        let own = |priority, mark, action| made(true, priority, mark, action);
        let table = Action::Table;
        state.rules.extend([
            own(PRIORITY_OWN, None, table(TABLE_MAIN)),
            own(PRIORITY_OWN_END, None, Action::Blackhole),
            rule(PRIORITY_ROUTER, Some(FROM_INSIDE), table(TABLE_LOCAL)),
            rule(PRIORITY_LOCAL, Some(CHECKED), table(TABLE_MAIN)),
            rule(PRIORITY_END, None, Action::Blackhole),
        ]);
        if self.vpc.refuses_unrouted {
            state.rules.insert(rule(PRIORITY_REFUSE, Some(FROM_INSIDE), Action::Refuse));
        }
        let marks = self.peering_marks();
        for (pcx, end) in &self.links {
            let name = names::peer_link(*pcx);
            let (mac, other) = end.macs();
            state.links.insert(name.clone(), Link { mac, mtu: end.mtu.into(), up: true });
            state.neighbours.insert((name.clone(), GATEWAY), other);
            if let Some(mark) = marks.get(pcx) {
                let way_back = own(PRIORITY_OWN_BACK, Some(FwMark::exactly(*mark)), table(*mark));
                state.rules.insert(way_back);
                state.routes.insert((*mark, Cidr::ANY), Hop::Via(GATEWAY, name));
            }
        }
        for (id, number) in self.table_numbers() {
            let outside = TABLES_OUTSIDE | number;
            let mark = Some(FwMark::exactly(outside));
            state.rules.insert(rule(PRIORITY_TABLES, mark, table(outside)));
            let Some(routes) = self.vpc.route_tables.get(&id) else { continue };
            for (cidr, target) in routes {
                let inside = |wider: &Cidr| wider.covers(*cidr) && wider != cidr;
                let places: &[_] = if self.is_inside(*cidr) {
                    &[
                        (PRIORITY_INSIDE, TABLES_INSIDE),
                        (PRIORITY_INSIDE_AGAIN, TABLES_INSIDE_AGAIN),
                    ]
                } else if routes.keys().any(inside) {
                    &[(PRIORITY_NESTED, TABLES_NESTED), (PRIORITY_TABLES, TABLES_OUTSIDE)]
                } else {
                    &[(PRIORITY_TABLES, TABLES_OUTSIDE)]
                };
                for (priority, tables) in places {
                    self.add_route(state, tables | number, *cidr, *target);
                    state.rules.insert(rule(*priority, mark, table(tables | number)));
                }
            }
        }
    }

    /// Whether a route comes before what lies in the VPC.
    fn is_inside(&self, cidr: Cidr) -> bool {
        self.vpc.cidrs.iter().any(|block| block.covers(cidr))
    }

    /// Whether a route of a subnet's table would lead away what stays in the subnet.
    fn crosses_itself(&self, subnet: &SubnetIntent) -> bool {
        let routes = self.vpc.route_tables.get(&subnet.route_table).into_iter().flatten();
        let mut routes = routes.map(|(cidr, _)| *cidr);
        routes.any(|cidr| self.is_inside(cidr) && cidr.overlaps(subnet.cidr))
    }

    fn add_route(&self, state: &mut State, table: u32, cidr: Cidr, target: RouteTarget) {
        let nowhere = if self.vpc.refuses_unrouted { Hop::Refuse } else { Hop::Blackhole };
        let hop = match target {
            RouteTarget::Blackhole => nowhere,
            RouteTarget::Peering(pcx) if self.links.contains_key(&pcx) => {
                Hop::Via(GATEWAY, names::peer_link(pcx))
            }
            RouteTarget::Peering(_) => nowhere,
            RouteTarget::Exit(exit) if self.vpc.exits.contains_key(&exit) => {
                Hop::Via(GATEWAY, names::exit_link(exit))
            }
            RouteTarget::Exit(_) => nowhere,
            RouteTarget::Interface(eni) => self.hop_to(state, table, cidr, eni),
        };
        // A /32 to an interface's own address, made below, is narrower than any route.
        state.routes.entry((table, cidr)).or_insert(hop);
    }

    /// The next hop to a middlebox. One that checks destinations gets only what is for itself.
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

    /// A number below 2^29 for each route table, which depends on the set of tables alone.
    fn table_numbers(&self) -> BTreeMap<RouteTableId, u32> {
        let named = self.vpc.subnets.values().map(|subnet| subnet.route_table);
        let all: BTreeSet<_> = self.vpc.route_tables.keys().copied().chain(named).collect();
        numbered(all.into_iter().map(|id| (id, id.bits())))
    }

    /// The mark of what came by each peering, which is also the table of the way back.
    pub(super) fn peering_marks(&self) -> BTreeMap<PcxId, u32> {
        let numbers = numbered(self.links.keys().map(|id| (*id, id.bits())));
        numbers.into_iter().map(|(id, number)| (id, TABLES_BACK | number)).collect()
    }

    /// The mark of what came by each exit.
    pub(super) fn exit_marks(&self) -> BTreeMap<ExitId, u32> {
        let bits = |exit: &ExitId| match exit {
            ExitId::Gateway(igw) => igw.bits(),
            ExitId::Nat(nat) => nat.bits(),
        };
        let numbers = numbered(self.vpc.exits.keys().map(|exit| (*exit, bits(exit))));
        numbers.into_iter().map(|(exit, number)| (exit, EXITS.value | number)).collect()
    }

    /// The ruleset that the router's firewall must have.
    pub(super) fn ruleset(&self) -> Ruleset {
        let mut rules = base_ruleset();
        for resolver in &self.vpc.resolvers {
            element(&mut rules, "resolvers", resolver.to_string());
        }
        self.add_subnets(&mut rules);
        self.add_interfaces(&mut rules);
        self.add_groups(&mut rules);
        self.add_acls(&mut rules);
        self.add_peerings(&mut rules);
        self.add_exits(&mut rules);
        rules
    }

    fn add_subnets(&self, rules: &mut Ruleset) {
        let numbers = self.table_numbers();
        for (id, subnet) in &self.vpc.subnets {
            let mark = numbers.get(&subnet.route_table).map_or(0, |n| TABLES_OUTSIDE | n);
            let within = self
                .crosses_itself(subnet)
                .then(|| format!("ip daddr {} meta mark set {WITHIN_SUBNET} accept", subnet.cidr));
            let outside = format!("meta mark set {mark} accept");
            chain(rules, from_subnet(*id), within.into_iter().chain([outside]).collect());
            let members = self.vpc.interfaces.iter().filter(|(_, i)| i.subnet == *id);
            let links = members.map(|(eni, _)| quoted(&names::eni_link(*eni))).collect();
            let set = Set { keyword: "set", kind: "ifname", elements: links };
            rules.sets.insert(links_of(*id), set);
            let acl = self.guard_of(*id);
            for (direction, other, stage) in
                [("out", "oifname", Stage::LEAVES_SUBNET), ("in", "iifname", Stage::ENTERS_SUBNET)]
            {
                // The set and the chains are there without an ACL, too. A packet's look-ups may find
                // an ACL that was just added while its rules are still those from before: then these
                // must say that there is none.
                let passes = format!("{} return", stage.enter());
                let lines = match acl {
                    Some(acl) => vec![
                        format!("{other} @{} {passes}", links_of(*id)),
                        format!("goto acl_{direction}_{acl}"),
                    ],
                    None => vec![passes],
                };
                chain(rules, format!("{direction}_{id}"), lines);
            }
        }
    }

    /// The ACL of a subnet, if it has one.
    pub(super) fn guard_of(&self, subnet: SubnetId) -> Option<AclId> {
        let acl = self.vpc.subnets.get(&subnet)?.acl;
        acl.filter(|acl| self.vpc.acls.contains_key(acl))
    }

    fn add_interfaces(&self, rules: &mut Ruleset) {
        for (eni, interface) in &self.vpc.interfaces {
            let link = quoted(&names::eni_link(*eni));
            // An interface in an unknown subnet would refer to chains that are not there.
            if !self.vpc.subnets.contains_key(&interface.subnet) {
                continue;
            }
            chain(rules, format!("from_{eni}"), closed(self.sources(interface)));
            element(rules, "origins", format!("{link} : goto from_{eni}"));
            element(rules, "interfaces", link.clone());
            let subnet = interface.subnet;
            if self.guard_of(subnet).is_some() {
                element(rules, "acl_out", format!("{link} : jump out_{subnet}"));
                element(rules, "acl_in", format!("{link} : jump in_{subnet}"));
            } else {
                add_unguarded(rules, &link);
            }
            for direction in ["out", "in"] {
                element(
                    rules,
                    &format!("group_{direction}"),
                    format!("{link} : jump {direction}_{eni}"),
                );
                let jumps = interface.groups.iter().map(|g| format!("jump {direction}_{g}"));
                // A NAT gateway is in no group, and its own firewall says what it takes.
                let stage = if direction == "out" { LEAVES_PEER } else { ENTERS_PEER };
                let open = interface.translates.then(|| format!("goto {stage}"));
                chain(rules, format!("{direction}_{eni}"), jumps.chain(open).collect());
            }
        }
    }

    /// The rules for what an interface sends, by its source, as far as they let anything in.
    fn sources(&self, interface: &InterfaceIntent) -> Vec<String> {
        let origin = from_subnet(interface.subnet);
        let resolvers = self.vpc.resolvers.iter().copied().map(Cidr::host);
        if interface.translates {
            // Of what the VPC's own send it sends on nothing but by its own address.
            let own =
                interface.addresses.first().map(|own| format!("ip saddr {own} goto {origin}"));
            let never: Vec<Cidr> = self.vpc.cidrs.iter().copied().chain(resolvers).collect();
            let answers = [never_from(&never), vec![format!("goto {origin}")]].concat();
            return own.into_iter().chain(answers).collect();
        }
        if !interface.source_dest_check {
            let resolvers: Vec<Cidr> = resolvers.collect();
            return [never_from(&resolvers), vec![format!("goto {origin}")]].concat();
        }
        let own: Vec<Cidr> = interface.addresses.iter().copied().map(Cidr::host).collect();
        let known = (!own.is_empty()).then(|| format!("ip saddr {} goto {origin}", list(&own)));
        known.into_iter().collect()
    }

    fn add_groups(&self, rules: &mut Ruleset) {
        let used = self.vpc.interfaces.values().flat_map(|interface| &interface.groups);
        let all: BTreeSet<_> = self.vpc.groups.keys().chain(used).copied().collect();
        let nothing = GroupIntent::default();
        for id in all {
            let group = self.vpc.groups.get(&id).unwrap_or(&nothing);
            let list = |set: &BTreeSet<RuleIntent>, link, field, stage| {
                set.iter().map(|r| group_rule(r, link, field, stage)).collect()
            };
            let leaves = list(&group.egress, "oifname", "daddr", Stage::LEAVES_GROUP);
            chain(rules, format!("out_{id}"), leaves);
            let enters = list(&group.ingress, "iifname", "saddr", Stage::ENTERS_GROUP);
            chain(rules, format!("in_{id}"), enters);
            for rule in group.egress.iter().chain(&group.ingress) {
                if let RulePeer::Group(peer) = rule.peer {
                    let members = self.vpc.members.get(&peer).into_iter().flatten();
                    let set = Set {
                        keyword: "set",
                        kind: "ifname . ipv4_addr",
                        elements: members.map(member).collect(),
                    };
                    rules.sets.insert(format!("members_{peer}"), set);
                }
            }
        }
    }

    fn add_acls(&self, rules: &mut Ruleset) {
        for (id, acl) in &self.vpc.acls {
            let list = |entries: &[AclEntryIntent], field, stage| {
                entries.iter().flat_map(|e| acl_rules(e, field, stage)).collect()
            };
            let leaves = list(&acl.egress, "daddr", Stage::LEAVES_SUBNET);
            chain(rules, format!("acl_out_{id}"), leaves);
            let enters = list(&acl.ingress, "saddr", Stage::ENTERS_SUBNET);
            chain(rules, format!("acl_in_{id}"), enters);
        }
    }

    fn add_peerings(&self, rules: &mut Ruleset) {
        let behind = self.vpc.peerings.values().flat_map(|end| end.behind.iter().copied());
        let behind: Vec<Cidr> = behind.collect();
        chain(rules, PEERS_BLOCKS.to_owned(), never_from(&behind));
        for (pcx, mark) in self.peering_marks() {
            let link = quoted(&names::peer_link(pcx));
            element(rules, "origins", format!("{link} : goto from_{pcx}"));
            element(rules, "peering_marks", format!("{link} : {mark}"));
            element(rules, "crossings", format!("{mark} . {link}"));
            // A peering has neither groups nor an ACL: those of the other VPC are over there.
            element(rules, "group_out", format!("{link} : jump {LEAVES_PEER}"));
            element(rules, "group_in", format!("{link} : jump {ENTERS_PEER}"));
            add_unguarded(rules, &link);
            let admission = self.vpc.peerings.get(&pcx).map(|end| self.admission(end, mark));
            chain(rules, format!("from_{pcx}"), closed(admission.unwrap_or_default()));
        }
    }

    /// The rules for what comes by a peering, as far as they let anything in.
    fn admission(&self, end: &PeeringEnd, mark: u32) -> Vec<String> {
        if end.admits_to.is_empty() {
            return Vec::new();
        }
        // Nobody outside has an address of ours, of our resolvers' or of another peer's; a middlebox over
        // there might pretend.
        let resolvers = self.vpc.resolvers.iter().copied().map(Cidr::host);
        let own: Vec<Cidr> = self.vpc.cidrs.iter().copied().chain(resolvers).collect();
        let mut admission = never_from(&own);
        if !end.behind.is_empty() {
            let others = format!("ip saddr != {} jump {PEERS_BLOCKS}", list(&end.behind));
            admission.extend([others.clone(), others]);
        }
        let to = format!("ip daddr {} meta mark set {mark} accept", list(&end.admits_to));
        match &end.admits_from {
            None => admission.push(to),
            Some(from) if from.is_empty() => {}
            Some(from) => {
                // A router over there has no address; connection tracking knows what the error is
                // about, or drops it.
                admission.push(format!("{TOO_LARGE} {to}"));
                admission.push(format!("ip saddr {} {to}", list(from)));
            }
        }
        admission
    }
}

/// The chain that drops what comes from the block of any peer.
pub(super) const PEERS_BLOCKS: &str = "peers_blocks";

/// All that reaches a router itself: what the VPC's own interfaces ask its resolver. What comes by
/// a peering does not, although the resolver's address is in a block that the peering admits.
const QUESTIONS: &str = "iifname @interfaces ip daddr @resolvers meta l4proto { tcp, udp } \
                         th dport 53 ct state new,established accept";
/// Errors that a router raises about what its own interfaces sent.
const ERRORS: &str = "oifname @interfaces icmp type { 3, 11, 12 } accept";
/// Of all errors that a router raises, only that a packet is too large for the next link goes back
/// over a peering, and only about a connection that was let through (`ec2.md` §1.5).
pub(super) const TOO_LARGE: &str = "icmp type 3 icmp code 4";
/// The resolver begins nothing.
const ANSWERS: &str = "oifname @interfaces ip saddr @resolvers meta l4proto { tcp, udp } \
                       th sport 53 ct state established ct direction reply accept";

/// The chains through which what comes or goes by a peering passes where other links have groups.
pub(super) const LEAVES_PEER: &str = "leaves_peer";
const ENTERS_PEER: &str = "enters_peer";

/// Chains that are called by the kernel, the chains between them, and the maps by which they find
/// the rest.
///
/// A forwarded packet goes through `forward` from stage to stage, and a look-up that misses or a
/// stage that was not reached is a drop. A packet of a known connection skips the groups. That
/// and the source check are all that most packets meet, so both are kept short: a few look-ups.
fn base_ruleset() -> Ruleset {
    let mut rules = Ruleset { gated: true, ..Ruleset::default() };
    let sets = [
        ("set", "interfaces", "ifname"),
        ("set", "resolvers", "ipv4_addr"),
        ("set", "crossings", "mark . ifname"),
        ("map", "peering_marks", "ifname : mark"),
        ("map", "origins", "ifname : verdict"),
        ("map", "group_out", "ifname : verdict"),
        ("map", "acl_out", "ifname : verdict"),
        ("map", "acl_in", "ifname : verdict"),
        ("map", "group_in", "ifname : verdict"),
    ];
    for (keyword, name, kind) in sets {
        let set = Set { keyword, kind, elements: BTreeSet::new() };
        rules.sets.insert(name.to_owned(), set);
    }
    add_base_chains(&mut rules);
    add_stages(&mut rules);
    rules
}

fn add_base_chains(rules: &mut Ruleset) {
    // Before connection tracking, so that a forged packet touches no connection, and before what
    // puts fragments together for it, so that a forged fragment completes nobody's datagram.
    let source = ["meta nfproto != ipv4 drop", "iifname vmap @origins"];
    // An error is related to its packet even where that was not let through, and so not confirmed.
    let too_large = format!("{TOO_LARGE} ct state related ct status confirmed accept");
    let forward = [
        "ct state established,related jump known",
        // What is invalid or untracked is in none of these states, and so leaves no group.
        "ct state new,established,related iifname vmap @group_out",
        &Stage::LEAVES_GROUP.leads_to("receive"),
    ];
    // The firewall's second table lets pass only what bears the mark of one of these ends.
    let [router, own] = [Stage::INTO_ROUTER, Stage::FROM_ROUTER].map(Stage::enter);
    let chains: [(&str, &str, &[&str]); 4] = [
        ("source_check", "filter hook prerouting priority -450; policy drop", &source),
        ("to_router", "filter hook input priority 0; policy drop", &[&router, QUESTIONS]),
        (
            "from_router",
            "filter hook output priority 0; policy drop",
            &[&own, ERRORS, &too_large, ANSWERS],
        ),
        ("forward", "filter hook forward priority 10; policy drop", &forward),
    ];
    for (name, hook, lines) in chains {
        // The last rule does what the policy does, which somebody might change.
        let lines = closed(lines.iter().copied().map(str::to_owned).collect());
        rules.chains.insert(name.to_owned(), Chain { hook: Some(hook), rules: lines });
    }
}

/// The chains that a forwarded packet goes through after it was found to be of a known connection
/// or was let through by the groups.
fn add_stages(rules: &mut Ruleset) {
    // A connection over a peering bears the peering's mark. What comes or goes by another one is
    // not of it, though it has the same addresses, and is judged by the rules alone.
    let known = [
        "ct mark 0 iifname @interfaces oifname @interfaces goto guard_out",
        "ct mark . iifname @crossings goto guard_out",
        "ct mark . oifname @crossings goto guard_out",
        "iifname @interfaces oifname @interfaces goto guard_out",
    ];
    let receive = ["oifname vmap @group_in", &Stage::ENTERS_GROUP.leads_to("guard_out"), "drop"];
    let guard_out = ["iifname vmap @acl_out", &Stage::LEAVES_SUBNET.leads_to("guard_in"), "drop"];
    let guard_in = ["oifname vmap @acl_in", &Stage::ENTERS_SUBNET.leads_to("passed"), "drop"];
    let accept = format!("{} accept", Stage::PASSED.enter());
    let passed = [
        "ct mark 0 ct mark set iifname map @peering_marks",
        "ct mark 0 ct mark set oifname map @peering_marks",
        &accept,
    ];
    let (leaves, enters) = (Stage::LEAVES_GROUP.enter(), Stage::ENTERS_GROUP.enter());
    let chains: [(&str, &[&str]); 7] = [
        ("known", &known),
        ("receive", &receive),
        ("guard_out", &guard_out),
        ("guard_in", &guard_in),
        ("passed", &passed),
        (LEAVES_PEER, &[&leaves]),
        (ENTERS_PEER, &[&enters]),
    ];
    for (name, lines) in chains {
        chain(rules, name.to_owned(), lines.iter().copied().map(str::to_owned).collect());
    }
}

/// Rules that drop what comes from some blocks: two alike, since the loss of one would open.
pub(super) fn never_from(blocks: &[Cidr]) -> Vec<String> {
    if blocks.is_empty() {
        return Vec::new();
    }
    let drop = format!("ip saddr {} drop", list(blocks));
    vec![drop.clone(), drop]
}

/// Rules after which everything else is dropped.
pub(super) fn closed(mut rules: Vec<String>) -> Vec<String> {
    rules.push("drop".to_owned());
    rules
}

/// A number below 2^29 for each id, which depends on the set of ids alone.
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

pub(super) fn chain(rules: &mut Ruleset, name: String, lines: Vec<String>) {
    rules.chains.insert(name, Chain { hook: None, rules: lines });
}

pub(super) fn element(rules: &mut Ruleset, map: &str, element: String) {
    rules.sets.get_mut(map).expect("the base ruleset has the map").elements.insert(element);
}

/// Lets a link that has no ACL skip the ACLs. Every link has one element in each map, whatever its
/// ACL: the kernel may change to a new ruleset between two look-ups of one packet, so a link that
/// moved from one set to another might be found in neither.
pub(super) fn add_unguarded(rules: &mut Ruleset, link: &str) {
    element(rules, "acl_out", format!("{link} : goto guard_in"));
    element(rules, "acl_in", format!("{link} : goto passed"));
}

fn from_subnet(id: SubnetId) -> String {
    format!("from_{id}")
}

fn links_of(id: SubnetId) -> String {
    format!("links_{id}")
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

pub(super) fn list(cidrs: &[Cidr]) -> String {
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

/// A member by the link that leads to it, and its address.
fn member(member: &Member) -> String {
    let link = match member.via {
        Via::Interface(eni) => names::eni_link(eni),
        Via::Peering(pcx) => names::peer_link(pcx),
        Via::Exit(exit) => names::exit_link(exit),
    };
    format!("{} . {}", quoted(&link), member.address)
}

fn group_rule(rule: &RuleIntent, link: &str, field: &str, stage: Stage) -> String {
    let peer = match rule.peer {
        RulePeer::Cidr(cidr) => block(cidr, field),
        RulePeer::Group(group) => format!("{link} . ip {field} @members_{group} "),
    };
    format!("{peer}{}{} return", traffic(rule.traffic), stage.enter())
}

/// An entry as rules. One that denies is there twice: its loss would let pass what a later one allows.
fn acl_rules(entry: &AclEntryIntent, field: &str, stage: Stage) -> Vec<String> {
    let verdict = if entry.allow { format!("{} return", stage.enter()) } else { "drop".to_owned() };
    let rule = format!("{}{}{verdict}", block(entry.cidr, field), traffic(entry.traffic));
    if entry.allow { vec![rule] } else { vec![rule.clone(), rule] }
}

fn block(cidr: Cidr, field: &str) -> String {
    if cidr == Cidr::ANY { String::new() } else { format!("ip {field} {cidr} ") }
}

/// A match that ends in a space, or nothing.
fn traffic(traffic: Traffic) -> String {
    let protocol = |IpProtocol(number)| format!("meta l4proto {number} ");
    let ports = |name, ports: PortRange| format!("{name} dport {ports} ");
    let icmp = |name, kind: Option<u8>, code: Option<u8>| {
        let kind = kind.map(|kind| format!("{name} type {kind} ")).unwrap_or_default();
        let code = code.map(|code| format!("{name} code {code} ")).unwrap_or_default();
        kind + &code
    };
    match traffic {
        Traffic::All => String::new(),
        Traffic::Tcp(PortRange::ALL) => protocol(IpProtocol::TCP),
        Traffic::Udp(PortRange::ALL) => protocol(IpProtocol::UDP),
        Traffic::Tcp(range) => ports("tcp", range),
        Traffic::Udp(range) => ports("udp", range),
        Traffic::Icmp { kind: None, code: None } => protocol(IpProtocol::ICMP),
        Traffic::Icmpv6 { kind: None, code: None } => protocol(IpProtocol::ICMPV6),
        Traffic::Icmp { kind, code } => icmp("icmp", kind, code),
        Traffic::Icmpv6 { kind, code } => icmp("icmpv6", kind, code),
        Traffic::Protocol(number) => protocol(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of a map's elements.
    fn keys<'a>(rules: &'a Ruleset, map: &str) -> Vec<&'a str> {
        let key = |element: &'a String| element.split_once(" : ").unwrap().0;
        rules.sets[map].elements.iter().map(key).collect()
    }

    /// The rules that a packet meets are those of the ruleset that it came upon, but its look-ups find
    /// what the next one has as soon as that is there. So both must have the same chains and keys.
    #[test]
    fn an_acl_that_comes_or_goes_changes_verdicts_and_no_keys() {
        let text = include_str!("doctor/sample.json");
        let guarded: VpcIntent = serde_json::from_str(text).unwrap();
        assert!(guarded.subnets.values().any(|subnet| subnet.acl.is_some()));
        let mut open = guarded.clone();
        open.subnets.values_mut().for_each(|subnet| subnet.acl = None);
        let pcx = "pcx-00000000000000001".parse().unwrap();
        let other = "vpc-00000000000000002".parse().unwrap();
        let links = || [(pcx, LinkEnd { mtu: 1500, requester: true, other })].into();
        let [guarded, open] =
            [guarded, open].map(|vpc| Router { vpc, links: links(), exit_mtu: 1500 }.ruleset());
        assert_ne!(guarded, open);
        for map in ["acl_out", "acl_in", "group_out", "group_in", "origins"] {
            assert_eq!(keys(&guarded, map), keys(&open, map), "{map}");
            assert_eq!(keys(&open, map).len(), 4, "an interface, a peering, two exits: {map}");
        }
        let sets = |rules: &Ruleset| rules.sets.keys().cloned().collect::<Vec<_>>();
        let chains = |rules: &Ruleset| rules.chains.keys().cloned().collect::<Vec<_>>();
        assert_eq!((sets(&guarded), chains(&guarded)), (sets(&open), chains(&open)));
    }
}
