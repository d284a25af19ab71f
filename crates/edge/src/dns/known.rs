//! What a resolver knows, apart from any wire.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use model::Cidr;
use model::edge::{Domains, ResolverIntent, is_in, known_as};

use crate::web::Web;
use crate::web::table::find;

/// Under which dynos have their names. Nobody else knows such names, so they are never asked.
const LOCALSPACE: &str = "localspace";
/// Everybody's own machine (RFC 6761), so nobody else is asked either.
const LOCALHOST: &str = "localhost";
const REVERSE: &str = "in-addr.arpa";
/// Whose reverse names mean nothing outside (RFC 6303), beside the private ranges.
const UNROUTED: [Cidr; 3] =
    [Cidr::new(100, 64, 0, 0, 10), Cidr::new(127, 0, 0, 0, 8), Cidr::new(169, 254, 0, 0, 16)];

/// What is known about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It has these addresses.
    Addresses(Vec<Ipv4Addr>),
    /// It stands for an address that has this name.
    Pointer(String),
    /// There is such a name, but nothing at it. With the zone that says so.
    Bare(String),
    /// There is no such name. With the zone that says so.
    Missing(String),
    /// Others may know it.
    Elsewhere,
}

/// What the platform's domains hold.
#[derive(Debug)]
pub struct Platform {
    /// The domains. What the internal one holds is known to VPCs alone, each to its own.
    pub domains: Domains,
    /// Where the public router is.
    pub address: Option<Ipv4Addr>,
    /// Knows the hosts of public apps.
    pub web: Arc<Web>,
}

impl Platform {
    /// What a VPC knows of it. A router that answers its own machine alone is no place to send
    /// anybody to: the same address is the asker's own.
    fn find_inside(&self, name: &str) -> Found {
        match self.find(name) {
            Found::Addresses(at) if at.iter().all(Ipv4Addr::is_loopback) => {
                Found::Bare(self.zone_of(name).unwrap_or(name).to_owned())
            }
            found => found,
        }
    }

    /// The domain that a name is in.
    fn zone_of(&self, name: &str) -> Option<&str> {
        let Domains { public, internal } = &self.domains;
        let zones = [public, internal].into_iter().filter(|zone| is_in(name, zone));
        zones.max_by_key(|zone| zone.len()).map(String::as_str)
    }

    /// What everybody knows about a name in the domains.
    fn find(&self, name: &str) -> Found {
        let Some(zone) = self.zone_of(name) else { return Found::Elsewhere };
        let zone = zone.to_owned();
        if name == zone {
            return Found::Bare(zone);
        }
        match (find(&self.web.public, name), self.address) {
            (Some(_), Some(address)) => Found::Addresses(vec![address]),
            (Some(_), None) => Found::Bare(zone),
            (None, _) => Found::Missing(zone),
        }
    }
}

/// Somebody who knows names.
#[derive(Debug)]
pub enum Knowledge {
    /// What everybody may know.
    Public(Arc<Platform>),
    /// What a VPC knows.
    Vpc(Arc<Platform>, Box<Zones>),
}

/// The names of a VPC.
#[derive(Debug)]
pub struct Zones {
    intent: ResolverIntent,
    /// Names that are there because others end in them.
    between: HashSet<String>,
}

impl Zones {
    /// From what was told.
    pub fn new(mut intent: ResolverIntent) -> Self {
        intent.zones.extend([LOCALSPACE, LOCALHOST].map(str::to_owned));
        intent.names.insert(LOCALHOST.to_owned(), vec![Ipv4Addr::LOCALHOST]);
        let mut between: HashSet<String> = intent.zones.iter().cloned().collect();
        for name in intent.names.keys() {
            let mut rest = name.as_str();
            while let Some((_, parent)) = rest.split_once('.') {
                if zone_of(&intent, parent).is_none() || !between.insert(parent.to_owned()) {
                    break;
                }
                rest = parent;
            }
        }
        Self { intent, between }
    }

    fn find(&self, name: &str) -> Found {
        if let Some(addresses) = known_as(name).find_map(|name| self.intent.names.get(&*name)) {
            return if addresses.is_empty() {
                Found::Bare(zone_of(&self.intent, name).unwrap_or(name).to_owned())
            } else {
                Found::Addresses(addresses.clone())
            };
        }
        let pointer = reversed(name).and_then(|address| self.intent.pointers.get(&address));
        if let Some(pointer) = pointer {
            return Found::Pointer(pointer.clone());
        }
        // Nobody outside knows whose these are, nor is to be told that somebody asks.
        if reverse_block(name).is_some_and(is_private) {
            return Found::Missing(REVERSE.to_owned());
        }
        Found::Elsewhere
    }

    fn refuse(&self, name: &str) -> Found {
        match zone_of(&self.intent, name) {
            Some(zone) if self.between.contains(name) => Found::Bare(zone.to_owned()),
            Some(zone) => Found::Missing(zone.to_owned()),
            None => Found::Elsewhere,
        }
    }
}

impl Knowledge {
    /// The zone that a name is in, as far as it is in one that is known.
    pub fn zone_of(&self, name: &str) -> Option<&str> {
        let reverse = is_in(name, REVERSE).then_some(REVERSE);
        match self {
            Self::Public(platform) => platform.zone_of(name),
            Self::Vpc(platform, zones) => {
                platform.zone_of(name).or_else(|| zone_of(&zones.intent, name))
            }
        }
        .or(reverse)
    }

    /// What is known about a name, in lower case and without a trailing dot.
    pub fn find(&self, name: &str) -> Found {
        match self {
            Self::Public(platform) => match platform.find(name) {
                Found::Elsewhere if is_in(name, LOCALSPACE) => {
                    Found::Missing(LOCALSPACE.to_owned())
                }
                found => found,
            },
            // A public app's host is one in every VPC, even if a zone of the VPC holds the
            // platform's domain; an app that this VPC reaches inside goes before.
            Self::Vpc(platform, zones) => match (zones.find(name), platform.find_inside(name)) {
                (Found::Elsewhere, found @ (Found::Addresses(_) | Found::Bare(_))) => found,
                (Found::Elsewhere, of_platform) => match zones.refuse(name) {
                    Found::Elsewhere => of_platform,
                    found => found,
                },
                (found, _) => found,
            },
        }
    }
}

fn zone_of<'a>(intent: &'a ResolverIntent, name: &str) -> Option<&'a str> {
    let mut rest = Some(name);
    while let Some(candidate) = rest {
        if let Some(zone) = intent.zones.get(candidate) {
            return Some(zone);
        }
        rest = candidate.split_once('.').map(|(_, parent)| parent);
    }
    None
}

/// The address that a name of the reverse tree stands for.
fn reversed(name: &str) -> Option<Ipv4Addr> {
    reverse_block(name).filter(|block| block.prefix_len() == 32).map(Cidr::base)
}

/// The addresses that a name of the reverse tree stands for: `2.10.in-addr.arpa` is 10.2.0.0/16.
fn reverse_block(name: &str) -> Option<Cidr> {
    let labels = name.strip_suffix(REVERSE)?.strip_suffix('.')?;
    let mut octets = [0; 4];
    let mut known = 0;
    for label in labels.rsplit('.') {
        let plain = label == "0" || !label.starts_with('0');
        *octets.get_mut(known)? = label.parse().ok().filter(|_| plain)?;
        known += 1;
    }
    let [a, b, c, d] = octets;
    let length = u8::try_from(known * 8).ok()?;
    Some(Cidr::new(a, b, c, d, length))
}

/// Whether a block means nothing outside.
fn is_private(block: Cidr) -> bool {
    block.rfc1918().is_some() || UNROUTED.iter().any(|range| range.covers(block))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_names_are_read_exactly() {
        assert_eq!(reversed("4.3.2.1.in-addr.arpa"), Some(Ipv4Addr::new(1, 2, 3, 4)));
        for bad in [
            "3.2.1.in-addr.arpa",
            "5.4.3.2.1.in-addr.arpa",
            "04.3.2.1.in-addr.arpa",
            "256.3.2.1.in-addr.arpa",
            "in-addr.arpa",
            "4.3.2.1xin-addr.arpa",
        ] {
            assert_eq!(reversed(bad), None, "{bad}");
        }
    }

    #[test]
    fn private_reverse_zones_are_known_in_part_too() {
        for (name, private) in [
            ("10.in-addr.arpa", true),
            ("168.192.in-addr.arpa", true),
            ("192.in-addr.arpa", false),
            ("20.172.in-addr.arpa", true),
            ("32.172.in-addr.arpa", false),
            ("5.64.100.in-addr.arpa", true),
            ("1.0.0.127.in-addr.arpa", true),
            ("8.8.8.8.in-addr.arpa", false),
        ] {
            assert_eq!(reverse_block(name).is_some_and(is_private), private, "{name}");
        }
    }
}
