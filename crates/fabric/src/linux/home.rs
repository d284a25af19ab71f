//! The host, as far as anything leads out by it: its links and routes, and where it stands for the
//! uplink, its end of the link between them and a firewall table.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd};

use model::Cidr;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use nix::sched::{CloneFlags, setns};

use super::firewalls::Firewalls;
use super::namespace::{failed, on_own_thread, owner_mark};
use super::netlink::{Netlink, VethEnd, refused};
use super::nft::Nft;
use super::router::joined;
use super::state::{Hop, Link, Observed, State, TABLE_MAIN};
use super::uplink::{EXIT_MTU, HOST_MAC, UplinkHandle, host_link, outer_mac, transit};
use super::{names, sysctl};
use crate::driver::Error;

/// The name of a chain of the host's table that is there where it was us who had the host forward.
const FORWARDING_WAS_OFF: &str = "forwarding_was_off";

/// The namespace that has the link to the outside: the one that the server was started in.
pub(super) struct Home {
    namespace: std::fs::File,
    /// The socket for its links and routes.
    pub netlink: Netlink,
}

impl Home {
    /// The calling thread's namespace.
    pub(super) fn of_this_thread() -> Result<Self, Error> {
        let namespace = std::fs::File::open("/proc/thread-self/ns/net")
            .map_err(|source| failed("(host)", "open", source))?;
        Ok(Self { namespace, netlink: Netlink::open()? })
    }

    /// The addresses that the host has, without those of its loopback.
    fn addresses(&mut self) -> Result<Vec<Ipv4Addr>, Error> {
        let mut ask = AddressMessage::default();
        ask.header.family = AddressFamily::Inet;
        let mut found = Vec::new();
        for message in self.netlink.dump(&RouteNetlinkMessage::GetAddress(ask))? {
            let RouteNetlinkMessage::NewAddress(message) = message else { continue };
            found.extend(message.attributes.iter().filter_map(|attribute| match attribute {
                AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
                _ => None,
            }));
        }
        found.retain(|address| !address.is_loopback());
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// How many bytes a packet may have on the link that has an address.
    fn mtu_at(&mut self, address: IpAddr) -> Result<Option<u16>, Error> {
        let found =
            self.netlink.dump(&RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
        let index = found.iter().find_map(|message| {
            let RouteNetlinkMessage::NewAddress(message) = message else { return None };
            let has = |attribute: &AddressAttribute| match attribute {
                AddressAttribute::Local(own) | AddressAttribute::Address(own) => *own == address,
                _ => false,
            };
            message.attributes.iter().any(has).then_some(message.header.index)
        });
        let links = self.netlink.dump(&RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        Ok(links.iter().find_map(|message| {
            let RouteNetlinkMessage::NewLink(link) = message else { return None };
            (Some(link.header.index) == index).then(|| mtu(link)).flatten()
        }))
    }

    /// Its namespace.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// Moves the calling thread there.
    pub(super) fn enter(&self) -> Result<(), Error> {
        setns(self.namespace.as_fd(), CloneFlags::CLONE_NEWNET)
            .map_err(|errno| failed("(host)", "enter", errno.into()))
    }

    /// A link by its name: its number, and the bytes that a packet on it may have.
    pub(super) fn link(&mut self, name: &str) -> Result<(u32, u16), Error> {
        let missing = || refused(&format!("find link {name}"), nix::errno::Errno::ENODEV.into());
        let link: LinkMessage = self.netlink.link(name)?.ok_or_else(missing)?;
        Ok((link.header.index, mtu(&link).unwrap_or(EXIT_MTU)))
    }

    /// The router of the default route over a link.
    pub(super) fn gateway(&mut self, link: u32) -> Result<Option<Ipv4Addr>, Error> {
        let mut ask = RouteMessage::default();
        ask.header.address_family = AddressFamily::Inet;
        let mut best: Option<(u32, Ipv4Addr)> = None;
        for message in self.netlink.dump(&RouteNetlinkMessage::GetRoute(ask))? {
            let RouteNetlinkMessage::NewRoute(route) = message else { continue };
            if route.header.destination_prefix_length != 0
                || route.header.kind != RouteType::Unicast
                || u32::from(route.header.table) != TABLE_MAIN
            {
                continue;
            }
            let (mut over, mut via, mut metric) = (None, None, 0);
            for attribute in route.attributes {
                match attribute {
                    RouteAttribute::Oif(index) => over = Some(index),
                    RouteAttribute::Gateway(RouteAddress::Inet(address)) => via = Some(address),
                    RouteAttribute::Priority(number) => metric = number,
                    _ => {}
                }
            }
            if let Some(via) = via.filter(|_| over == Some(link))
                && best.is_none_or(|(least, _)| metric < least)
            {
                best = Some((metric, via));
            }
        }
        Ok(best.map(|(_, via)| via))
    }

    /// Makes the link between the host and the uplink, and has the host stand for the uplink: what
    /// comes by it gets the host's own address and cannot reach the host itself, and nothing goes by
    /// it but answers.
    pub(super) fn settle(
        &mut self,
        instance: &str,
        uplink: &mut UplinkHandle,
        firewalls: &mut Firewalls,
        repairs: &mut Vec<String>,
    ) -> Result<(), Error> {
        let (name, mac, own) = (host_link(instance), outer_mac(instance), transit(instance));
        self.netlink.forget_all();
        let there = uplink.netlink.pair(names::OUTER_LINK)?;
        if !joined(self.netlink.pair(&name)?, there) {
            self.netlink.delete_link(&name)?;
            uplink.netlink.delete_link(names::OUTER_LINK)?;
            let here = VethEnd { name: &name, mac: HOST_MAC, mtu: EXIT_MTU };
            let there = VethEnd { name: names::OUTER_LINK, mac, mtu: EXIT_MTU };
            self.netlink.add_veth(&here, &there, uplink.namespace.as_fd())?;
            uplink.netlink.forget_all();
            self.netlink.forget_all();
            repairs.push(format!("link {} was missing", names::OUTER_LINK));
        }
        self.enter()?;
        self.settle_firewall(instance, firewalls, repairs)?;
        self.enter()?;
        sysctl::without_ipv6(&name)?;
        let mark = owner_mark(instance);
        // The kernel tells of it even where it was so, and whoever listens would look here again.
        if self.netlink.alias(&name)?.as_ref() != Some(&mark) {
            self.netlink.set_alias(&name, &mark)?;
        }
        let mut have = Observed::read(&mut self.netlink)?.state;
        let (route, neighbour) = ((TABLE_MAIN, Cidr::host(own)), (name.clone(), own));
        // The rest is the host's own.
        (have.addresses, have.rules) = Default::default();
        have.links.retain(|link, _| *link == name);
        have.routes.retain(|key, _| *key == route);
        have.neighbours.retain(|key, _| *key == neighbour);
        let goal = State {
            links: [(name.clone(), Link { mac: HOST_MAC, mtu: EXIT_MTU.into(), up: true })].into(),
            routes: [(route, Hop::Link(name))].into(),
            neighbours: [(neighbour, mac)].into(),
            ..State::default()
        };
        repairs.extend(have.differences(&goal).iter().map(|what| format!("host: {what}")));
        let additions = have.additions(&goal, &mut self.netlink)?;
        self.netlink.batch(additions)
    }

    /// Makes the host's table, and has the host forward. The table says whether it did not before.
    fn settle_firewall(
        &mut self,
        instance: &str,
        firewalls: &mut Firewalls,
        repairs: &mut Vec<String>,
    ) -> Result<(), Error> {
        self.enter()?;
        let table = table_of(instance);
        let mut nft = Nft::open()?;
        let found = nft.run(&format!("list table {table}")).unwrap_or_default();
        let forwards = sysctl::forwards()?;
        let was_off = !forwards || found.contains(FORWARDING_WAS_OFF);
        let commands = firewall(&table, &host_link(instance), transit(instance), was_off);
        if found != firewalls.listed(&commands, &table)? {
            repairs.push(format!("host: firewall table {table} was not as it must be"));
            nft.run(&format!("add table {table}\ndelete table {table}\n{commands}"))?;
        }
        self.enter()?;
        if forwards {
            return Ok(());
        }
        repairs.push("host: it did not forward".to_owned());
        sysctl::set_forwarding(true)
    }

    /// Removes what was made on the host, and says whether anything was there.
    pub(super) fn clear(&mut self, instance: &str) -> Result<bool, Error> {
        let (name, table) = (host_link(instance), table_of(instance));
        let alias = self.netlink.alias(&name)?;
        let ours = alias.is_some_and(|alias| alias == owner_mark(instance));
        self.enter()?;
        // Where libnftables is missing no table was made.
        let found = match Nft::open() {
            Ok(mut nft) => nft.run(&format!("list table {table}")).unwrap_or_default(),
            Err(_) => String::new(),
        };
        if found.contains(FORWARDING_WAS_OFF) {
            sysctl::set_forwarding(false)?;
        }
        if !found.is_empty() {
            Nft::open()?.run(&format!("delete table {table}"))?;
        }
        if ours {
            self.netlink.delete_link(&name)?;
        }
        Ok(ours || !found.is_empty())
    }
}

fn mtu(link: &LinkMessage) -> Option<u16> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(u16::try_from(*mtu).unwrap_or(u16::MAX)),
        _ => None,
    })
}

fn table_of(instance: &str) -> String {
    format!("inet causeway_{instance}")
}

/// The commands that make the host's table.
fn firewall(table: &str, link: &str, uplink: Ipv4Addr, was_off: bool) -> String {
    let note =
        if was_off { format!("add chain {table} {FORWARDING_WAS_OFF}\n") } else { String::new() };
    format!(
        "add table {table}\n\
         add chain {table} input {{ type filter hook input priority 0; policy accept; }}\n\
         add rule {table} input iifname \"{link}\" drop\n\
         add chain {table} forward {{ type filter hook forward priority 0; policy accept; }}\n\
         add rule {table} forward oifname \"{link}\" ct state established,related accept\n\
         add rule {table} forward oifname \"{link}\" drop\n\
         add chain {table} translate {{ type nat hook postrouting priority 100; policy accept; }}\n\
         add rule {table} translate ip saddr {uplink} masquerade\n{note}"
    )
}

/// The IPv4 addresses of this machine, as far as the namespace of the calling thread has them.
///
/// # Errors
///
/// What keeps them from being looked at.
pub fn host_addresses() -> Result<Vec<Ipv4Addr>, Error> {
    on_own_thread(|| Home::of_this_thread()?.addresses()).flatten()
}

/// How many bytes a packet may have on the link of this host that has an address; `None` where no link has it.
///
/// # Errors
///
/// What keeps the links from being looked at.
pub fn mtu_at(address: IpAddr) -> Result<Option<u16>, Error> {
    on_own_thread(|| Home::of_this_thread()?.mtu_at(address)).flatten()
}
