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
    /// What everybody knows about a name in the domains.
    fn find(&self, name: &str) -> Found {
        let Domains { public, internal } = &self.domains;
        let zones = [public, internal].into_iter().filter(|zone| is_in(name, zone));
        let Some(zone) = zones.max_by_key(|zone| zone.len()) else { return Found::Elsewhere };
        let zone = zone.clone();
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
        intent.zones.insert(LOCALSPACE.to_owned());
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
        if let Some(address) = reversed(name) {
            if let Some(pointer) = self.intent.pointers.get(&address) {
                return Found::Pointer(pointer.clone());
            }
            let host = Cidr::host(address);
            if host.rfc1918().is_some() || UNROUTED.iter().any(|range| range.covers(host)) {
                return Found::Missing(REVERSE.to_owned());
            }
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
            Self::Vpc(platform, zones) => match (zones.find(name), platform.find(name)) {
                (Found::Elsewhere, found @ Found::Addresses(_)) => found,
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
    let labels = name.strip_suffix(REVERSE)?.strip_suffix('.')?;
    let mut octets = [0; 4];
    let mut labels = labels.split('.');
    for octet in octets.iter_mut().rev() {
        let label = labels.next()?;
        let plain = label == "0" || !label.starts_with('0');
        *octet = label.parse().ok().filter(|_| plain)?;
    }
    labels.next().is_none().then(|| Ipv4Addr::from(octets))
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
}
