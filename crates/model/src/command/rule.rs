//! The parts of commands about the rules of security groups and about managed prefix lists.

use crate::resource::{AddressFamily, ClientToken, GroupPeer, Tags};
use crate::{AccountId, Cidr, IpCidr, Ipv6Cidr, PrefixListId, SecurityGroupId, Traffic};

/// One rule of a security group as a request has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSpec {
    /// The traffic that the rule matches.
    pub traffic: Traffic,
    /// The source of incoming traffic, or the destination of outgoing traffic.
    pub peer: RulePeerSpec,
    /// What the rule is for, in words.
    pub description: Option<String>,
}

/// The other side of a rule as a request has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulePeerSpec {
    /// An IPv4 block.
    Cidr(Cidr),
    /// An IPv6 block.
    Ipv6(Ipv6Cidr),
    /// A managed prefix list.
    PrefixList(PrefixListId),
    /// A group by id, and its owner where the request names one.
    Group(SecurityGroupId, Option<AccountId>),
    /// A group of the same VPC by name.
    GroupNamed(String),
}

impl From<GroupPeer> for RulePeerSpec {
    fn from(peer: GroupPeer) -> Self {
        match peer {
            GroupPeer::Cidr(cidr) => Self::Cidr(cidr),
            GroupPeer::Ipv6(cidr) => Self::Ipv6(cidr),
            GroupPeer::PrefixList(list) => Self::PrefixList(list),
            GroupPeer::Group { group, account, .. } => Self::Group(group, Some(account)),
        }
    }
}

/// `CreateManagedPrefixList`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatePrefixList {
    /// The prefix list's name.
    pub name: String,
    /// The family of its blocks.
    pub family: AddressFamily,
    /// How many entries it may have.
    pub max_entries: u16,
    /// Its first entries: each a block and what it is, in words.
    pub entries: Vec<(IpCidr, Option<String>)>,
    /// The token by which the client may repeat the request.
    pub client_token: Option<ClientToken>,
    /// Tags for the prefix list.
    pub tags: Tags,
}

/// `ModifyManagedPrefixList`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModifyPrefixList {
    /// The prefix list to modify.
    pub list: PrefixListId,
    /// The version that is the current one, as far as the caller knows.
    pub current: Option<u64>,
    /// Its new name.
    pub name: Option<String>,
    /// How many entries it may have from now on.
    pub max_entries: Option<u16>,
    /// Entries to add; a block that is there gets the new description.
    pub add: Vec<(IpCidr, Option<String>)>,
    /// Blocks to remove.
    pub remove: Vec<IpCidr>,
}
