//! By what the world finds resources: their keys, their other names, and what waits for its time.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use crate::kinds::with_kinds;
use crate::{
    AccessKeyId, AccountId, AclAssociationId, AclId, AddonId, AddressAssociationId, AllocationId,
    AppId, DhcpOptionsId, DynoId, EgressGatewayId, EniId, FlowLogId, HostId, IgwId, InstanceId,
    Ipv6Cidr, JoinTokenId, KeyPairId, LogDrainId, MalformedId, NatGatewayId,
    NetworkInsightsAnalysisId, NetworkInsightsPathId, PcxId, PrefixListId, PrefixedId, ReleaseId,
    RoleId, RouteTableAssociationId, RouteTableId, Scope, SecurityGroupId, SecurityGroupRuleId,
    SlugId, SpaceId, SubnetCidrAssociationId, SubnetId, SubnetReservationId, TeamId, TokenId,
    UserId, VpcCidrAssociationId, VpcId, WebhookId, WorkloadId,
};

/// The id of the one record of settings: there are no others, so it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SettingsKey;

impl SettingsKey {
    const TEXT: &str = "settings";
    const MIN: Self = Self;
    const MAX: Self = Self;
}

impl fmt::Display for SettingsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::TEXT)
    }
}

impl FromStr for SettingsKey {
    type Err = MalformedId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            Self::TEXT => Ok(Self),
            _ => Err(MalformedId { text: text.to_owned(), kind: Self::TEXT }),
        }
    }
}

/// A row of the store that is no resource.
#[derive(Debug, thiserror::Error)]
#[error("the row {kind} {id} cannot be read")]
pub struct BadRow {
    /// The kind that the row names.
    pub kind: String,
    /// The id that the row names.
    pub id: String,
    /// The reason why it cannot be read.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl BadRow {
    pub(crate) fn new(
        kind: &str,
        id: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind: kind.to_owned(), id: id.to_owned(), source: source.into() }
    }

    pub(crate) fn unknown_kind(kind: &str, id: &str) -> Self {
        Self::new(kind, id, format!("'{kind}' is not a kind of resource"))
    }
}

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident $id:ident = $kind:literal;)*) => {
        /// The key of a resource: its kind and its id. It takes 17 bytes, as every id is aligned to
        /// one byte.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key {
            $($(#[$doc])* $name($id),)*
        }

        /// A kind of resource.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name of the kind in the store.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $kind,)* }
            }

            /// The smallest and the largest key of the kind.
            pub(crate) fn range(self) -> (Key, Key) {
                match self { $(Self::$name => (Key::$name($id::MIN), Key::$name($id::MAX)),)* }
            }
        }

        impl Key {
            /// The kind of the resource that it names.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name,)* }
            }

            /// Reads what the store holds.
            ///
            /// # Errors
            ///
            /// There is no such kind, or the id is not one of that kind.
            pub fn parse(kind: &str, id: &str) -> Result<Self, BadRow> {
                match kind {
                    $($kind => {
                        id.parse().map(Self::$name).map_err(|error| BadRow::new(kind, id, error))
                    })*
                    _ => Err(BadRow::unknown_kind(kind, id)),
                }
            }
        }

        impl fmt::Display for Key {
            /// Writes the id alone, without the kind.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Self::$name(id) => id.fmt(f),)* }
            }
        }
    };
}

with_kinds! { keys }

impl From<WorkloadId> for Key {
    /// The key of the resource whose process it is.
    fn from(id: WorkloadId) -> Self {
        match id {
            WorkloadId::Dyno(id) => Self::Dyno(id),
            WorkloadId::Instance(id) => Self::Instance(id),
            WorkloadId::Service(id) => Self::Addon(id),
            WorkloadId::Router(id) => Self::Space(id),
        }
    }
}

/// Another name of a resource: unique, and an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alias {
    /// An account by name.
    Account(Arc<str>),
    /// A role by its name in an account, in lower case.
    IamRole(AccountId, Arc<str>),
    /// A user by address.
    User(Arc<str>),
    /// A token by hash.
    Token(Arc<str>),
    /// A team by name.
    Team(Arc<str>),
    /// A host by name.
    Machine(Arc<str>),
    /// A token by which a host joins, by hash.
    JoinToken(Arc<str>),
    /// A space by name.
    Space(Arc<str>),
    /// An app by name.
    App(Arc<str>),
    /// An app by its name under the platform's domain.
    Label(Arc<str>),
    /// An app by a custom domain, of which the labels are in reverse: see [`Alias::host`].
    Host(Arc<str>),
    /// A release by its number in an app.
    Release(AppId, u32),
    /// A data service by name.
    Addon(Arc<str>),
    /// A dyno that is up in a place that another one has by now, by the name that both have.
    Predecessor(AppId, Arc<str>),
    /// A dyno by its name in an app.
    Dyno(AppId, Arc<str>),
    /// A VPC by an IPv6 block: no two have the same.
    Ipv6Block(Ipv6Cidr),
    /// An interface by an IPv6 address, which nothing else has, as no two VPCs have the same block.
    Ipv6Address(Ipv6Addr),
    /// What has a public address.
    PublicAddress(Ipv4Addr),
    /// A security group by its name in a VPC.
    Group(VpcId, Arc<str>),
    /// A key pair by its name, for an account in a region.
    KeyPair(Scope, Arc<str>),
    /// The resource that a request with a client token made: who sent it and where, the kind of
    /// resource, and the token.
    Request(Scope, Kind, Arc<str>),
}

impl Alias {
    /// The alias of a custom domain or a pattern. Its labels are kept in reverse order
    /// (`com.example.www`), so that all names below a domain stand together.
    pub fn host(name: &str) -> Self {
        Self::Host(reversed_labels(name).into())
    }
}

/// `com.example.www` for `www.example.com`.
pub(crate) fn reversed_labels(name: &str) -> String {
    name.rsplit('.').collect::<Vec<_>>().join(".")
}

/// A part of a resource that has an id of its own: an index too, and apart from [`Alias`] because
/// there are many and they are small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A rule of a security group.
    GroupRule(SecurityGroupRuleId),
    /// The association of a block with a VPC.
    VpcCidr(VpcCidrAssociationId),
    /// The association of an IPv6 block with a subnet.
    SubnetCidr(SubnetCidrAssociationId),
    /// The association of a route table with a subnet, or with a VPC as its main table.
    RouteTableAssociation(RouteTableAssociationId),
    /// The association of a network ACL with a subnet.
    AclAssociation(AclAssociationId),
    /// The association of an elastic IP address with an interface.
    AddressAssociation(AddressAssociationId),
}

/// What is to be done with a resource that waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Errand {
    /// Something is to happen, at once when it is due.
    Act,
    /// Nobody needs the resource any more: it is to be forgotten, at leisure.
    Forget,
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;

    /// The world's indexes hold little else: a word more in a key is megabytes in a large world.
    #[test]
    fn keys_are_small() {
        assert_eq!(size_of::<Key>(), 17);
        assert_eq!(size_of::<Part>(), 10);
        assert_eq!(size_of::<(Alias, Key)>(), 64);
    }
}
