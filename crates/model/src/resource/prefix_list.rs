//! Managed prefix lists.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{ClientToken, Owner, Resource, Tags};
use crate::{AccountId, Alias, Cidr, IpCidr, Key, Kind, PrefixListId, Region, Timestamp};

/// A managed prefix list: blocks that rules of groups and routes name by one id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixList {
    /// The prefix list's id.
    pub id: PrefixListId,
    /// The account that owns the prefix list.
    pub account: AccountId,
    /// The region that the prefix list is in.
    pub region: Region,
    /// The prefix list's name, which need not be unique.
    pub name: String,
    /// The family of all its blocks.
    pub family: AddressFamily,
    /// How many blocks it may have: whatever names it makes room for as many.
    pub max_entries: u16,
    /// The number of the current version; the first one is 1.
    pub version: u64,
    /// The blocks of all versions that are kept, by the block and by when they were added.
    pub entries: Vec<PrefixEntry>,
    /// What became of the last change.
    pub state: PrefixListState,
    /// The request that made it, for repeats.
    pub client_token: Option<ClientToken>,
    /// The tags that the owner put on the prefix list.
    pub tags: Tags,
    /// When the prefix list was created.
    pub created: Timestamp,
}

/// The family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressFamily {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// A block of a prefix list, and the versions that have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixEntry {
    /// The block.
    pub cidr: IpCidr,
    /// What the block is, in its owner's words.
    pub description: Option<String>,
    /// The first version that has it.
    pub since: u64,
    /// The first version that has it no more; `None` if the current one has it.
    pub until: Option<u64>,
}

/// What became of the last change of a prefix list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrefixListState {
    /// It was created.
    Created,
    /// It was modified.
    Modified,
    /// Its size was not changed, since something that names it has no room, as the message says.
    NotModified {
        /// The reason.
        message: String,
    },
    /// It has the blocks of an earlier version again.
    Restored,
}

impl AddressFamily {
    /// The family of a block.
    pub const fn of(block: IpCidr) -> Self {
        match block {
            IpCidr::V4(_) => Self::Ipv4,
            IpCidr::V6(_) => Self::Ipv6,
        }
    }

    /// The family as EC2 writes it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }
}

impl PrefixList {
    /// How many versions are kept.
    pub(crate) const KEPT_VERSIONS: u64 = 1000;

    /// The oldest version that is kept.
    pub fn oldest_version(&self) -> u64 {
        self.version.saturating_sub(Self::KEPT_VERSIONS - 1).max(1)
    }

    /// Whether a version is kept.
    pub fn has_version(&self, version: u64) -> bool {
        (self.oldest_version()..=self.version).contains(&version)
    }

    /// The blocks of a version, in order.
    pub fn entries_of(&self, version: u64) -> impl Iterator<Item = &PrefixEntry> + '_ {
        self.entries.iter().filter(move |entry| {
            entry.since <= version && entry.until.is_none_or(|until| version < until)
        })
    }

    /// The blocks of the current version, in order.
    pub fn current(&self) -> impl Iterator<Item = &PrefixEntry> + '_ {
        self.entries.iter().filter(|entry| entry.until.is_none())
    }

    /// The IPv4 blocks of the current version.
    pub fn cidrs(&self) -> impl Iterator<Item = Cidr> + '_ {
        self.current().filter_map(|entry| entry.cidr.v4())
    }

    /// Whether one of its IPv4 blocks has an address.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.cidrs().any(|block| block.contains(address))
    }
}

impl Resource for PrefixList {
    fn key(&self) -> Key {
        Key::PrefixList(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        self.client_token.iter().filter_map(|t| t.alias(Kind::PrefixList)).for_each(each);
    }

    fn client_token(&self) -> Option<&ClientToken> {
        self.client_token.as_ref()
    }
}
