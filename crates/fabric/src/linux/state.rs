//! Links, addresses, routes, rules and neighbours of a namespace: as they must be, as they are,
//! and the requests that lead from one to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use model::Cidr;
use model::intent::MacAddr;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::names::LOOPBACK;
use super::netlink::{Netlink, Request};
use crate::driver::Error;

/// The kernel's table of local addresses, which the kernel keeps itself.
pub(super) const TABLE_LOCAL: u32 = 255;
/// The kernel's main table.
pub(super) const TABLE_MAIN: u32 = 254;
/// The kernel's default table, which is looked at last.
const TABLE_DEFAULT: u32 = 253;
/// The length of an address as a prefix.
const HOST_LEN: u8 = 32;

/// The state of a namespace, as far as the fabric sets it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The veth ends and the uplink's outer link, by name, and `lo` where it must be up.
    pub links: BTreeMap<String, Link>,
    /// Addresses, all of them /32, with their link.
    pub addresses: BTreeSet<(String, Ipv4Addr)>,
    /// Routes, by table and destination.
    pub routes: BTreeMap<(u32, Cidr), Hop>,
    /// Policy rules.
    pub rules: BTreeSet<Rule>,
    /// Permanent neighbours, by link and address.
    pub neighbours: BTreeMap<(String, Ipv4Addr), MacAddr>,
}

/// A network link's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// The Ethernet address.
    pub mac: MacAddr,
    /// Bytes that a packet on it may have.
    pub mtu: u32,
    /// Whether it is up.
    pub up: bool,
}

/// The next hop of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hop {
    /// None: the packet is dropped silently.
    Blackhole,
    /// None: the packet is dropped, and its sender gets an ICMP error.
    Refuse,
    /// The destination itself, on a link.
    Link(String),
    /// A gateway on a link.
    Via(Ipv4Addr, String),
}

/// A policy rule of the kernel's routing (`ip rule`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rule {
    /// Its position: rules of lower numbers are asked first.
    pub priority: u32,
    /// Whether it is only for packets that the namespace itself sends.
    pub own: bool,
    /// The marks of the packets that it is for; `None` for all packets.
    pub mark: Option<FwMark>,
    /// The address that the packets come from; `None` for any.
    pub source: Option<Ipv4Addr>,
    /// What is done with those packets.
    pub action: Action,
}

/// A condition on a packet's firewall mark: its bits in `mask` are those of `value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FwMark {
    /// The bits that the mark must have.
    pub value: u32,
    /// The bits that are compared.
    pub mask: u32,
}

impl FwMark {
    /// The condition that only one mark meets.
    pub(super) const fn exactly(value: u32) -> Self {
        Self { value, mask: u32::MAX }
    }
}

/// The action of a policy rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    /// Looks for a route in a table, and goes on to the next rule if there is none.
    Table(u32),
    /// Drops the packet silently.
    Blackhole,
    /// Drops the packet, and sends its sender an ICMP error.
    Refuse,
    /// Goes on at the rule of a number, with packets that the namespace does not send itself.
    ForwardedGoTo(u32),
}

impl Rule {
    /// The rules that the kernel makes in every new namespace.
    const BORN: [Self; 3] = [
        Self::for_all(0, TABLE_LOCAL),
        Self::for_all(32766, TABLE_MAIN),
        Self::for_all(32767, TABLE_DEFAULT),
    ];

    const fn for_all(priority: u32, table: u32) -> Self {
        Self { priority, own: false, mark: None, source: None, action: Action::Table(table) }
    }
}

/// What was found in a namespace.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// The part of it that the fabric could have made.
    pub state: State,
    /// Each link's index and that of its other end.
    pub pairs: BTreeMap<String, (u32, Option<u32>)>,
    /// Routes and rules that the fabric never makes.
    pub strangers: Vec<RouteNetlinkMessage>,
    /// Addresses of a kind that the fabric never makes, with their names for people.
    foreign_addresses: Vec<(String, AddressMessage)>,
    /// Addresses that the kernel has in its table of local addresses.
    local: BTreeSet<Ipv4Addr>,
}

impl Observed {
    /// Reads everything in the namespace of the socket.
    pub(super) fn read(netlink: &mut Netlink) -> Result<Self, Error> {
        let mut observed = Self::default();
        let mut names = BTreeMap::new();
        for message in netlink.dump(&RouteNetlinkMessage::GetLink(LinkMessage::default()))? {
            if let RouteNetlinkMessage::NewLink(link) = message {
                observed.add_link(&link, &mut names);
            }
        }
        let mut ask = AddressMessage::default();
        ask.header.family = AddressFamily::Inet;
        for message in netlink.dump(&RouteNetlinkMessage::GetAddress(ask))? {
            if let RouteNetlinkMessage::NewAddress(address) = message {
                observed.add_address(address, &names);
            }
        }
        let mut ask = RouteMessage::default();
        ask.header.address_family = AddressFamily::Inet;
        for message in netlink.dump(&RouteNetlinkMessage::GetRoute(ask))? {
            if let RouteNetlinkMessage::NewRoute(route) = message {
                observed.add_route(route, &names);
            }
        }
        let mut ask = RuleMessage::default();
        ask.header.family = AddressFamily::Inet;
        for message in netlink.dump(&RouteNetlinkMessage::GetRule(ask))? {
            if let RouteNetlinkMessage::NewRule(rule) = message {
                observed.add_rule(rule);
            }
        }
        let mut ask = NeighbourMessage::default();
        ask.header.family = AddressFamily::Inet;
        for message in netlink.dump(&RouteNetlinkMessage::GetNeighbour(ask))? {
            if let RouteNetlinkMessage::NewNeighbour(neighbour) = message {
                observed.add_neighbour(&neighbour, &names);
            }
        }
        Ok(observed)
    }

    /// The requests that remove addresses which a goal does not have, or which the kernel does not
    /// take for its own any more, each with what people call it.
    pub(super) fn take_foreign_addresses(
        &mut self,
        goal: &State,
        netlink: &mut Netlink,
    ) -> Result<Vec<(String, Request)>, Error> {
        let mut foreign = std::mem::take(&mut self.foreign_addresses);
        for key in self.state.addresses.difference(&goal.addresses) {
            foreign.push((format!("address {} on {}", key.1, key.0), address(key, netlink)?));
        }
        let deaf = self.state.addresses.intersection(&goal.addresses);
        for key in deaf.filter(|(_, address)| !self.local.contains(address)) {
            let named = format!("address {} on {} without its route", key.1, key.0);
            foreign.push((named, address(key, netlink)?));
        }
        let removal = |(named, message): (String, AddressMessage)| {
            let ignore = Some(Errno::EADDRNOTAVAIL);
            let what = format!("delete {named}");
            (named, request(RouteNetlinkMessage::DelAddress(message), 0, ignore, what))
        };
        Ok(foreign.into_iter().map(removal).collect())
    }

    fn add_link(&mut self, message: &LinkMessage, names: &mut BTreeMap<u32, String>) {
        let mut name = None;
        let mut mac = MacAddr([0; 6]);
        let (mut mtu, mut pair, mut veth) = (0, None, false);
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(text) => name = Some(text.clone()),
                LinkAttribute::Address(bytes) => {
                    mac = MacAddr(bytes.as_slice().try_into().unwrap_or_default());
                }
                LinkAttribute::Mtu(bytes) => mtu = *bytes,
                LinkAttribute::Link(index) => pair = Some(*index),
                LinkAttribute::LinkInfo(info) => {
                    let ours = |i: &LinkInfo| {
                        matches!(i, LinkInfo::Kind(InfoKind::Veth | InfoKind::MacVlan))
                    };
                    veth = info.iter().any(ours);
                }
                _ => {}
            }
        }
        let Some(name) = name else { return };
        names.insert(message.header.index, name.clone());
        if !veth && name != LOOPBACK {
            return;
        }
        let up = message.header.flags.contains(LinkFlags::Up);
        self.pairs.insert(name.clone(), (message.header.index, pair));
        self.state.links.insert(name, Link { mac, mtu, up });
    }

    fn add_address(&mut self, message: AddressMessage, names: &BTreeMap<u32, String>) {
        let Some(name) = names.get(&message.header.index) else { return };
        let local = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
            _ => None,
        });
        match local {
            // The kernel's own, which comes with the link.
            Some(address) if address.is_loopback() && name == LOOPBACK => {}
            Some(address) if message.header.prefix_len == 32 => {
                self.state.addresses.insert((name.clone(), address));
            }
            Some(address) => {
                let named = format!("address {address} on {name}");
                self.foreign_addresses.push((named, message));
            }
            None => {}
        }
    }

    fn add_route(&mut self, message: RouteMessage, names: &BTreeMap<u32, String>) {
        let mut table = u32::from(message.header.table);
        let mut destination = Ipv4Addr::UNSPECIFIED;
        let (mut via, mut link, mut plain) = (None, None, message.header.tos == 0);
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Table(number) => table = *number,
                RouteAttribute::Destination(RouteAddress::Inet(address)) => destination = *address,
                RouteAttribute::Gateway(RouteAddress::Inet(address)) => via = Some(*address),
                RouteAttribute::Oif(index) => link = names.get(index).cloned(),
                RouteAttribute::Priority(metric) => plain &= *metric == 0,
                RouteAttribute::CacheInfo(_) | RouteAttribute::PrefSource(_) => {}
                _ => plain = false,
            }
        }
        if table == TABLE_LOCAL {
            if message.header.kind == RouteType::Local {
                self.local.insert(destination);
            }
            return;
        }
        let hop = match (message.header.kind, via, link) {
            (RouteType::BlackHole, None, None) => Some(Hop::Blackhole),
            (RouteType::Prohibit, None, None) => Some(Hop::Refuse),
            (RouteType::Unicast, None, Some(link)) => Some(Hop::Link(link)),
            (RouteType::Unicast, Some(gateway), Some(link)) => Some(Hop::Via(gateway, link)),
            _ => None,
        };
        let key = (table, Cidr::around(destination, message.header.destination_prefix_length));
        // The kernel takes a second route to the same block, which is never ours.
        match hop.filter(|_| plain && !self.state.routes.contains_key(&key)) {
            Some(hop) => {
                self.state.routes.insert(key, hop);
            }
            None => self.strangers.push(RouteNetlinkMessage::DelRoute(message)),
        }
    }

    fn add_rule(&mut self, message: RuleMessage) {
        let action = Action::Table(message.header.table.into());
        let mut rule = Rule { priority: 0, own: false, mark: None, source: None, action };
        let (mut value, mut mask) = (0, 0);
        let (mut plain, mut target) = (true, None);
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(number) => rule.priority = *number,
                RuleAttribute::FwMark(bits) => value = *bits,
                RuleAttribute::FwMask(bits) => mask = *bits,
                // What a namespace sends comes in by its loopback, as the kernel sees it.
                RuleAttribute::Iifname(name) if name == LOOPBACK => rule.own = true,
                RuleAttribute::Source(IpAddr::V4(address)) => rule.source = Some(*address),
                RuleAttribute::Table(table) => rule.action = Action::Table(*table),
                RuleAttribute::Goto(priority) => target = Some(*priority),
                RuleAttribute::SuppressPrefixLen(len) => plain &= *len == u32::MAX,
                RuleAttribute::Protocol(_) => {}
                _ => plain = false,
            }
        }
        rule.mark = (mask != 0).then_some(FwMark { value, mask });
        let mut inverted = message.header.flags.contains(RuleFlags::Invert);
        match (message.header.action, target) {
            (RuleAction::ToTable, None) => {}
            (RuleAction::Blackhole, None) => rule.action = Action::Blackhole,
            (RuleAction::Prohibit, None) => rule.action = Action::Refuse,
            (RuleAction::Goto, Some(target)) if rule.own && inverted => {
                rule.action = Action::ForwardedGoTo(target);
                (rule.own, inverted) = (false, false);
            }
            _ => plain = false,
        }
        plain &= !inverted;
        let hosts = if rule.source.is_some() { HOST_LEN } else { 0 };
        plain &= message.header.src_len == hosts && message.header.dst_len == 0;
        if plain {
            self.state.rules.insert(rule);
        } else {
            self.strangers.push(RouteNetlinkMessage::DelRule(message));
        }
    }

    fn add_neighbour(&mut self, message: &NeighbourMessage, names: &BTreeMap<u32, String>) {
        if message.header.state != NeighbourState::Permanent {
            return;
        }
        let Some(name) = names.get(&message.header.ifindex) else { return };
        let mut address = None;
        let mut mac = None;
        for attribute in &message.attributes {
            match attribute {
                NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => address = Some(*v4),
                NeighbourAttribute::LinkLayerAddress(bytes) => {
                    mac = bytes.as_slice().try_into().ok().map(MacAddr);
                }
                _ => {}
            }
        }
        if let (Some(address), Some(mac)) = (address, mac) {
            self.state.neighbours.insert((name.clone(), address), mac);
        }
    }
}

impl State {
    /// The state of a namespace that was just made.
    pub(super) fn born() -> Self {
        Self { rules: Rule::BORN.into(), ..Self::default() }
    }

    /// Forgets a link that is gone, and what the kernel removes with it.
    pub(super) fn forget_link(&mut self, name: &str) {
        self.links.remove(name);
        self.addresses.retain(|(link, _)| link != name);
        self.neighbours.retain(|(link, _), _| link != name);
        self.routes.retain(|_, hop| match hop {
            Hop::Blackhole | Hop::Refuse => true,
            Hop::Link(link) | Hop::Via(_, link) => link != name,
        });
    }

    /// Drops what a workload may have beside what is wanted: all but the addresses of our links.
    pub(super) fn keep_known(&mut self, wanted: &Self) {
        self.links.retain(|name, _| wanted.links.contains_key(name));
        self.addresses.retain(|(link, _)| link != LOOPBACK && wanted.links.contains_key(link));
        self.routes.retain(|key, _| wanted.routes.contains_key(key));
        self.rules.retain(|rule| wanted.rules.contains(rule));
        self.neighbours.retain(|key, _| wanted.neighbours.contains_key(key));
    }

    /// The differences from another state, in words.
    pub(super) fn differences(&self, wanted: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut say = |kind: &str, name: String, had: bool, wants: bool| {
            let how = match (had, wants) {
                (false, _) => "was missing",
                (true, false) => "was not ours",
                (true, true) => "was changed",
            };
            found.push(format!("{kind} {name} {how}"));
        };
        for name in self.links.keys().chain(wanted.links.keys()).collect::<BTreeSet<_>>() {
            let (had, wants) = (self.links.get(name), wanted.links.get(name));
            if had != wants {
                say("link", name.clone(), had.is_some(), wants.is_some());
            }
        }
        for key in self.routes.keys().chain(wanted.routes.keys()).collect::<BTreeSet<_>>() {
            let (had, wants) = (self.routes.get(key), wanted.routes.get(key));
            if had != wants {
                let name = format!("{} in table {}", key.1, key.0);
                say("route", name, had.is_some(), wants.is_some());
            }
        }
        for key in self.neighbours.keys().chain(wanted.neighbours.keys()).collect::<BTreeSet<_>>() {
            let (had, wants) = (self.neighbours.get(key), wanted.neighbours.get(key));
            if had != wants {
                say("neighbour", format!("{} on {}", key.1, key.0), had.is_some(), wants.is_some());
            }
        }
        for rule in self.rules.symmetric_difference(&wanted.rules) {
            let had = self.rules.contains(rule);
            say("policy rule", rule.priority.to_string(), had, !had);
        }
        for key in self.addresses.symmetric_difference(&wanted.addresses) {
            let had = self.addresses.contains(key);
            say("address", format!("{} on {}", key.1, key.0), had, !had);
        }
        found
    }

    /// The requests that take away what another state does not have. Links go by themselves.
    pub(super) fn removals(
        &self,
        wanted: &Self,
        netlink: &mut Netlink,
    ) -> Result<Vec<Request>, Error> {
        let mut out = Vec::new();
        for (key, hop) in self.routes.iter().filter(|(key, _)| !wanted.routes.contains_key(*key)) {
            let mut message = route(key, hop, netlink)?;
            // Whoever made it, and for whichever scope: the kernel compares these where they are set.
            message.header.protocol = RouteProtocol::Unspec;
            message.header.scope = RouteScope::NoWhere;
            let message = RouteNetlinkMessage::DelRoute(message);
            out.push(request(message, 0, Some(Errno::ESRCH), format!("delete route {}", key.1)));
        }
        for item in self.rules.difference(&wanted.rules) {
            let message = RouteNetlinkMessage::DelRule(rule(item));
            out.push(request(message, 0, Some(Errno::ENOENT), "delete policy rule".into()));
        }
        for key in self.neighbours.keys().filter(|key| !wanted.neighbours.contains_key(*key)) {
            let message = RouteNetlinkMessage::DelNeighbour(neighbour(key, None, netlink)?);
            out.push(request(message, 0, Some(Errno::ENOENT), "delete neighbour".into()));
        }
        for key in self.addresses.difference(&wanted.addresses) {
            let message = RouteNetlinkMessage::DelAddress(address(key, netlink)?);
            let ignore = Some(Errno::EADDRNOTAVAIL);
            out.push(request(message, 0, ignore, format!("delete address {}", key.1)));
        }
        Ok(out)
    }

    /// The requests that add or change what another state wants otherwise. The links exist.
    pub(super) fn additions(
        &self,
        wanted: &Self,
        netlink: &mut Netlink,
    ) -> Result<Vec<Request>, Error> {
        const PUT: u16 = NLM_F_CREATE | NLM_F_REPLACE;
        let mut out = Vec::new();
        for (name, link) in &wanted.links {
            let had = self.links.get(name);
            if had != Some(link) {
                let message = RouteNetlinkMessage::SetLink(set_link(name, had, *link, netlink)?);
                out.push(request(message, 0, None, format!("set link {name}")));
            }
        }
        for key in wanted.addresses.difference(&self.addresses) {
            let message = RouteNetlinkMessage::NewAddress(address(key, netlink)?);
            out.push(request(message, PUT, None, format!("add address {}", key.1)));
        }
        // A link that gets another Ethernet address loses its neighbours.
        let renamed = |name: &String| {
            let mac = |state: &Self| state.links.get(name).map(|link| link.mac);
            mac(self) != mac(wanted)
        };
        for (key, mac) in &wanted.neighbours {
            if self.neighbours.get(key) != Some(mac) || renamed(&key.0) {
                let message =
                    RouteNetlinkMessage::NewNeighbour(neighbour(key, Some(*mac), netlink)?);
                out.push(request(message, PUT, None, format!("add neighbour {}", key.1)));
            }
        }
        // Before routes: only a first rule parts the table of local addresses from the main one,
        // in which the gateway is a blackhole.
        for item in wanted.rules.difference(&self.rules) {
            let message = RouteNetlinkMessage::NewRule(rule(item));
            let ignore = Some(Errno::EEXIST);
            out.push(request(message, NLM_F_CREATE, ignore, "add policy rule".into()));
        }
        for (key, hop) in &wanted.routes {
            if self.routes.get(key) != Some(hop) {
                let message = RouteNetlinkMessage::NewRoute(route(key, hop, netlink)?);
                out.push(request(message, PUT, None, format!("add route {}", key.1)));
            }
        }
        Ok(out)
    }
}

/// The table and destination of each route that leads over a link.
pub(super) fn routes_over(
    netlink: &mut Netlink,
    link: &str,
) -> Result<BTreeSet<(u32, Cidr)>, Error> {
    let mut ask = RouteMessage::default();
    ask.header.address_family = AddressFamily::Inet;
    let index = netlink.index(link)?;
    ask.attributes.push(RouteAttribute::Oif(index));
    let mut observed = Observed::default();
    let names = [(index, link.to_owned())].into();
    for message in netlink.dump(&RouteNetlinkMessage::GetRoute(ask))? {
        if let RouteNetlinkMessage::NewRoute(route) = message {
            observed.add_route(route, &names);
        }
    }
    Ok(observed.state.routes.into_keys().collect())
}

/// A request that removes what the fabric never makes.
pub(super) fn removal_of_stranger(message: RouteNetlinkMessage) -> Request {
    request(message, 0, Some(Errno::ESRCH), "delete what is not ours".into())
}

fn request(
    message: RouteNetlinkMessage,
    flags: u16,
    ignore: Option<Errno>,
    what: String,
) -> Request {
    Request { message, flags, ignore, what }
}

/// Sets only what differs: the kernel drops all neighbours even for the same Ethernet address.
fn set_link(
    name: &str,
    had: Option<&Link>,
    link: Link,
    netlink: &mut Netlink,
) -> Result<LinkMessage, Error> {
    let mut message = LinkMessage::default();
    message.header.index = netlink.index(name)?;
    if link.up {
        message.header.flags = LinkFlags::Up;
    }
    message.header.change_mask = LinkFlags::Up;
    if name != LOOPBACK && had.map(|had| had.mac) != Some(link.mac) {
        message.attributes.push(LinkAttribute::Address(link.mac.0.to_vec()));
    }
    if had.map(|had| had.mtu) != Some(link.mtu) {
        message.attributes.push(LinkAttribute::Mtu(link.mtu));
    }
    Ok(message)
}

fn address(key: &(String, Ipv4Addr), netlink: &mut Netlink) -> Result<AddressMessage, Error> {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 32;
    message.header.index = netlink.index(&key.0)?;
    if key.0 == LOOPBACK {
        // Never taken for the source of what the namespace sends of its own accord.
        message.header.scope = AddressScope::Host;
    }
    message.attributes.push(AddressAttribute::Local(key.1.into()));
    message.attributes.push(AddressAttribute::Address(key.1.into()));
    Ok(message)
}

fn neighbour(
    key: &(String, Ipv4Addr),
    mac: Option<MacAddr>,
    netlink: &mut Netlink,
) -> Result<NeighbourMessage, Error> {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = netlink.index(&key.0)?;
    message.attributes.push(NeighbourAttribute::Destination(key.1.into()));
    if let Some(mac) = mac {
        message.header.state = NeighbourState::Permanent;
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
    }
    Ok(message)
}

fn route(key: &(u32, Cidr), hop: &Hop, netlink: &mut Netlink) -> Result<RouteMessage, Error> {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.destination_prefix_length = key.1.prefix_len();
    message.header.protocol = RouteProtocol::Static;
    message.header.kind = RouteType::Unicast;
    message.attributes.push(RouteAttribute::Table(key.0));
    if key.1.prefix_len() > 0 {
        message.attributes.push(RouteAttribute::Destination(RouteAddress::Inet(key.1.base())));
    }
    match hop {
        Hop::Blackhole => message.header.kind = RouteType::BlackHole,
        Hop::Refuse => message.header.kind = RouteType::Prohibit,
        Hop::Link(link) => {
            message.header.scope = RouteScope::Link;
            message.attributes.push(RouteAttribute::Oif(netlink.index(link)?));
        }
        Hop::Via(gateway, link) => {
            message.header.flags = RouteFlags::Onlink;
            message.attributes.push(RouteAttribute::Gateway(RouteAddress::Inet(*gateway)));
            message.attributes.push(RouteAttribute::Oif(netlink.index(link)?));
        }
    }
    Ok(message)
}

fn rule(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = AddressFamily::Inet;
    message.attributes.push(RuleAttribute::Priority(rule.priority));
    if rule.own {
        message.attributes.push(RuleAttribute::Iifname(LOOPBACK.to_owned()));
    }
    if let Some(FwMark { value, mask }) = rule.mark {
        message.attributes.push(RuleAttribute::FwMark(value));
        message.attributes.push(RuleAttribute::FwMask(mask));
    }
    if let Some(address) = rule.source {
        message.header.src_len = HOST_LEN;
        message.attributes.push(RuleAttribute::Source(address.into()));
    }
    match rule.action {
        Action::Table(table) => {
            message.header.action = RuleAction::ToTable;
            message.attributes.push(RuleAttribute::Table(table));
        }
        Action::Blackhole => message.header.action = RuleAction::Blackhole,
        Action::Refuse => message.header.action = RuleAction::Prohibit,
        Action::ForwardedGoTo(priority) => {
            message.header.action = RuleAction::Goto;
            message.header.flags = RuleFlags::Invert;
            message.attributes.push(RuleAttribute::Iifname(LOOPBACK.to_owned()));
            message.attributes.push(RuleAttribute::Goto(priority));
        }
    }
    message
}
