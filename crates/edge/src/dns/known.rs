//! The names that a resolver knows, apart from how they are asked for.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use model::Cidr;
use model::edge::{Domains, ResolverIntent, is_in, known_as};
use model::names::{DYNO_ZONE, REVERSE_ZONE};

use crate::web::Web;
use crate::web::table::find;

/// The name of everybody's own machine (RFC 6761). No other resolver is asked for it, either.
const LOCALHOST: &str = "localhost";
/// The blocks whose reverse names mean nothing outside (RFC 6303), beside the private ranges.
const UNROUTED: [Cidr; 3] =
    [Cidr::new(100, 64, 0, 0, 10), Cidr::new(127, 0, 0, 0, 8), Cidr::new(169, 254, 0, 0, 16)];

/// What is known about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// The name has these addresses.
    Addresses(Vec<Ipv4Addr>),
    /// The name is that of an address in the reverse tree, and points to this name.
    Pointer(String),
    /// The name exists but has no addresses, as this zone says.
    Bare(String),
    /// The name does not exist, as this zone says.
    Missing(String),
    /// The name is not known here. Other resolvers may know it.
    Elsewhere,
}

/// The names in the platform's domains.
#[derive(Debug)]
pub(crate) struct Platform {
    /// The domains. The names in the internal one are known to VPCs alone, each of which knows its
    /// own.
    pub domains: Domains,
    /// The public router's address, if it has one.
    pub address: Option<Ipv4Addr>,
    /// The routers, which know the hosts of public apps.
    pub web: Arc<Web>,
}

impl Platform {
    /// What a VPC knows of a name. If the router listens on a loopback address, the name has no address
    /// for the VPC: the same address would be the asker's own.
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

    /// What everybody knows of a name in the domains.
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

/// The names that one resolver knows.
#[derive(Debug)]
pub(crate) enum Knowledge {
    /// What everybody may know: the names of public apps.
    Public(Arc<Platform>),
    /// What a VPC knows besides.
    Vpc(Arc<Platform>, Box<Zones>),
}

/// The names of a VPC.
#[derive(Debug)]
pub(crate) struct Zones {
    intent: ResolverIntent,
    /// Names that exist because longer names end in them.
    between: HashSet<String>,
}

impl Zones {
    /// The names of an intent, and those that every VPC has.
    pub(crate) fn new(mut intent: ResolverIntent) -> Self {
        intent.zones.extend([DYNO_ZONE, LOCALHOST].map(str::to_owned));
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
        // No resolver outside knows private addresses, or is to be told who asks for them.
        if reverse_block(name).is_some_and(|(block, _)| is_private(block)) {
            return Found::Missing(REVERSE_ZONE.to_owned());
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
    pub(crate) fn zone_of(&self, name: &str) -> Option<&str> {
        let reverse = is_in(name, REVERSE_ZONE).then_some(REVERSE_ZONE);
        match self {
            Self::Public(platform) => platform.zone_of(name),
            Self::Vpc(platform, zones) => {
                platform.zone_of(name).or_else(|| zone_of(&zones.intent, name))
            }
        }
        .or(reverse)
    }

    /// What is known of a name in lower case and without a trailing dot.
    pub(crate) fn find(&self, name: &str) -> Found {
        match self {
            Self::Public(platform) => match platform.find(name) {
                Found::Elsewhere if is_in(name, DYNO_ZONE) => Found::Missing(DYNO_ZONE.to_owned()),
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
    reverse_block(name)
        .filter(|(block, exact)| *exact && block.prefix_len() == 32)
        .map(|it| it.0.base())
}

/// The smallest block whose part of the reverse tree a name is in, and whether it stands for just that:
/// `2.10.in-addr.arpa` stands for 10.2.0.0/16, and `_udp.2.10.in-addr.arpa` is below it.
fn reverse_block(name: &str) -> Option<(Cidr, bool)> {
    let labels = name.strip_suffix(REVERSE_ZONE)?.strip_suffix('.')?;
    let octet = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_digit());
        let canonical = label == "0" || !label.starts_with('0');
        label.parse::<u8>().ok().filter(|_| plain && canonical)
    };
    let mut octets = [0; 4];
    let mut known = 0;
    for (place, value) in octets.iter_mut().zip(labels.rsplit('.').map_while(octet)) {
        *place = value;
        known += 1;
    }
    let [a, b, c, d] = octets;
    let block = Cidr::new(a, b, c, d, 8 * known);
    Some((block, labels.split('.').count() == usize::from(known)))
}

/// Whether the addresses of a block mean nothing outside.
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
            // Names of services, and what stands for no address, are below a block all the same.
            ("b._dns-sd._udp.0.2.10.in-addr.arpa", true),
            ("256.0.10.in-addr.arpa", true),
            ("9.4.3.2.10.in-addr.arpa", true),
            ("+1.10.in-addr.arpa", true),
            ("_udp.8.8.in-addr.arpa", false),
            ("10.8.in-addr.arpa", false),
            ("010.in-addr.arpa", false),
        ] {
            let found = reverse_block(name).is_some_and(|(block, _)| is_private(block));
            assert_eq!(found, private, "{name}");
        }
    }
}
