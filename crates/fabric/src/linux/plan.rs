//! The links, routes and rules that a VPC's router must have: pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use model::intent::{ExitId, MacAddr, RouteTarget, SubnetIntent, VpcIntent};
use model::{AclId, Cidr, EniId, PcxId, RouteTableId, SubnetId, VpcId};

use super::names;
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

// What a router forwards skips the rules for what it sends itself, one of which there is for each peering.
// Without this one it meets them, and none is for it.
const PRIORITY_FORWARDED: u32 = 30;
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

/// Kernel tables of routes that lead out of the VPC, which are also the marks of what comes from
/// its interfaces.
pub(super) const TABLES_OUTSIDE: u32 = 0x4000_0000;
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
pub(super) const WITHIN_SUBNET: u32 = TABLES_NESTED;
const TABLE_BITS: u32 = 0x1fff_ffff;
/// The marks of what comes from the VPC's interfaces.
pub(super) const FROM_INSIDE: FwMark = FwMark { value: TABLES_OUTSIDE, mask: TABLES_BACK };
/// The marks of what comes by a peering.
pub(super) const FROM_PEERINGS: FwMark = FwMark { value: TABLES_BACK, mask: 0xe000_0000 };
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
    /// Whether somebody asked for records of its flows.
    pub recorded: bool,
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

/// The link that every namespace is born with.
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
            rule(PRIORITY_FORWARDED, None, Action::ForwardedGoTo(PRIORITY_ROUTER)),
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
    pub(super) fn is_inside(&self, cidr: Cidr) -> bool {
        self.vpc.cidrs.iter().any(|block| block.covers(cidr))
    }

    /// Whether a route of a subnet's table would lead away what stays in the subnet.
    pub(super) fn crosses_itself(&self, subnet: &SubnetIntent) -> bool {
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
    pub(super) fn table_numbers(&self) -> BTreeMap<RouteTableId, u32> {
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

    /// The ACL of a subnet, if it has one.
    pub(super) fn guard_of(&self, subnet: SubnetId) -> Option<AclId> {
        let acl = self.vpc.subnets.get(&subnet)?.acl;
        acl.filter(|acl| self.vpc.acls.contains_key(acl))
    }
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
