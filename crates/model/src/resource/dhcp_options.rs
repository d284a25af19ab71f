//! DHCP option sets.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{Owner, Resource, Tags};
use crate::{AccountId, DhcpOptionsId, Key, Region, Timestamp};

/// A DHCP option set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpOptions {
    /// The option set's id.
    pub id: DhcpOptionsId,
    /// The account that owns the option set.
    pub account: AccountId,
    /// The region that the option set is in.
    pub region: Region,
    /// The values of each option, by the option's name.
    pub options: BTreeMap<String, Vec<String>>,
    /// Whether the owner made it. The one that was there before is what new VPCs get.
    #[serde(default)]
    pub custom: bool,
    /// The tags that the owner put on the option set.
    pub tags: Tags,
    /// When the option set was created; zero in records of older versions.
    #[serde(default)]
    pub created: Timestamp,
}

impl DhcpOptions {
    /// The option with the names under which a host looks up a name that has no dots.
    pub(crate) const DOMAIN_NAME: &str = "domain-name";
    /// The option with the addresses of resolvers.
    pub(crate) const DOMAIN_NAME_SERVERS: &str = "domain-name-servers";
    /// Stands for the VPC's own resolver among the addresses of resolvers.
    pub(crate) const OWN_RESOLVER: &str = "AmazonProvidedDNS";

    /// The names under which a host looks up a name that has no dots.
    pub(crate) fn search(&self) -> impl Iterator<Item = &str> {
        self.values(Self::DOMAIN_NAME).flat_map(str::split_whitespace)
    }

    /// The resolvers that a host asks, where `own` is the VPC's own.
    pub(crate) fn servers(&self, own: Ipv4Addr) -> impl Iterator<Item = IpAddr> {
        self.values(Self::DOMAIN_NAME_SERVERS).filter_map(move |value| match value {
            Self::OWN_RESOLVER => Some(own.into()),
            address => address.parse().ok(),
        })
    }

    fn values(&self, option: &str) -> impl Iterator<Item = &str> {
        self.options.get(option).into_iter().flatten().map(String::as_str)
    }
}

impl Resource for DhcpOptions {
    fn key(&self) -> Key {
        Key::DhcpOptions(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
    }
}
