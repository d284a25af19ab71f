//! Security groups.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Direction, Owner, Resource, Tags};
use crate::{
    AccountId, Alias, Cidr, Ipv6Cidr, Key, Part, PrefixListId, SecurityGroupId,
    SecurityGroupRuleId, SmallMap, Timestamp, Traffic, VpcId,
};

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// The security group's id.
    pub id: SecurityGroupId,
    /// The VPC that the security group belongs to.
    pub vpc: VpcId,
    /// The group's name, unique in the VPC.
    pub name: Arc<str>,
    /// What the group is for, in its owner's words.
    pub description: String,
    /// The group's rules.
    pub rules: SmallMap<SecurityGroupRuleId, GroupRule>,
    /// The tags that the owner put on the security group.
    pub tags: Tags,
    /// When the group was created; zero in records of older versions.
    #[serde(default)]
    pub created: Timestamp,
}

impl SecurityGroup {
    /// The name of the group that every VPC has.
    pub const DEFAULT: &str = "default";
}

/// One rule of a security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRule {
    /// The direction of the traffic.
    pub direction: Direction,
    /// The traffic that the rule matches.
    pub traffic: Traffic,
    /// The source of incoming traffic, or the destination of outgoing traffic.
    pub peer: GroupPeer,
    /// What the rule is for, in its owner's words.
    pub description: Option<String>,
    /// The tags that the owner put on the rule.
    pub tags: Tags,
    /// When the rule was added; zero if it came with its group, and in records of older versions.
    #[serde(default)]
    pub created: Timestamp,
}

/// The other side of a security group's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupPeer {
    /// Any address of an IPv4 block.
    Cidr(Cidr),
    /// Any address of an IPv6 block.
    Ipv6(Ipv6Cidr),
    /// Any address of the blocks that a managed prefix list has at the time.
    PrefixList(PrefixListId),
    /// The members of a group, of this VPC or of one that is peered with it.
    Group {
        /// The group; it may be gone, and the rule then matches nothing.
        group: SecurityGroupId,
        /// The account that owns the group.
        account: AccountId,
        /// The VPC that the group belongs to.
        vpc: VpcId,
    },
}

impl Resource for SecurityGroup {
    fn key(&self) -> Key {
        Key::SecurityGroup(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::OfVpc(self.vpc)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Vpc(self.vpc));
        for rule in self.rules.values() {
            match rule.peer {
                GroupPeer::Group { group, .. } => each(Key::SecurityGroup(group)),
                GroupPeer::PrefixList(list) => each(Key::PrefixList(list)),
                GroupPeer::Cidr(_) | GroupPeer::Ipv6(_) => {}
            }
        }
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Alias::Group(self.vpc, Arc::clone(&self.name)));
    }

    fn parts(&self, each: &mut dyn FnMut(Part)) {
        self.rules.keys().for_each(|id| each(Part::GroupRule(*id)));
    }
}
