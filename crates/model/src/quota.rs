//! Quotas: of what an account may have how much. This is the one table of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Code, Refused};

macro_rules! quotas {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $code:ident, $here:expr, $aws:literal, $what:literal;)*) => {
        /// Something that an account may have so much of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Quota {
            $($(#[$doc])* $name,)*
        }

        impl Quota {
            /// Every quota.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name by which `causeway quotas:set` knows the quota.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The code of what is refused by it.
            pub const fn code(self) -> Code {
                match self { $(Self::$name => Code::$code,)* }
            }

            /// How much there may be where nothing else is said: what protects the machine. `None` for
            /// as much as there is room for.
            pub const fn default(self) -> Option<u32> {
                match self { $(Self::$name => $here,)* }
            }

            /// How much an account of AWS may have that has not asked for more.
            pub const fn of_aws(self) -> u32 {
                match self { $(Self::$name => $aws,)* }
            }

            /// What it counts, in words.
            const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }
    };
}

// The name, the code, how much there may be here, how much AWS lets an account have, and what is counted.
// Sizes of what is compiled for the kernel as one (rules, entries, routes) are AWS's here too.
quotas! {
    /// VPCs of an account in a region.
    Vpcs = "vpcs-per-region", VpcLimit, None, 5, "VPCs";
    /// Blocks of a VPC, of either family.
    VpcBlocks = "cidr-blocks-per-vpc", VpcCidrLimit, Some(5), 5, "CIDR blocks";
    /// Subnets of a VPC.
    Subnets = "subnets-per-vpc", SubnetLimit, Some(200), 200, "subnets";
    /// Route tables of a VPC.
    RouteTables = "route-tables-per-vpc", RouteTableLimit, Some(200), 200, "route tables";
    /// Routes of a table, counted for each family.
    Routes = "routes-per-route-table", RouteLimitExceeded, Some(500), 500, "routes";
    /// Security groups of an account in a region.
    Groups = "security-groups-per-region", GroupLimit, None, 2500, "security groups";
    /// Rules of a group, counted for each direction and family.
    GroupRules = "rules-per-security-group", RuleLimitExceeded, Some(60), 60,
        "rules per security group";
    /// Groups of an interface.
    InterfaceGroups = "security-groups-per-interface", GroupsPerInterfaceLimit, Some(5), 5,
        "security groups per interface";
    /// Network ACLs of a VPC.
    Acls = "network-acls-per-vpc", AclLimit, Some(200), 200, "network ACLs";
    /// Entries of a network ACL, counted for each direction and family, with the denial at their end.
    AclEntries = "rules-per-network-acl", AclEntryLimit, Some(20), 20, "network acl entries";
    /// Internet gateways of an account in a region.
    InternetGateways = "internet-gateways-per-region", InternetGatewayLimit, None, 5,
        "internet gateways";
    /// Elastic IP addresses of an account in a region.
    ElasticIps = "elastic-ips-per-region", AddressLimitExceeded, Some(100), 5, "addresses";
    /// NAT gateways of an account in an availability zone.
    NatGateways = "nat-gateways-per-zone", NatGatewayLimitExceeded, Some(100), 5, "NAT gateways";
    /// Network interfaces of an account in a region.
    Interfaces = "network-interfaces-per-region", InterfaceLimit, None, 5000, "network interfaces";
    /// Peering connections of a VPC.
    Peerings = "vpc-peering-connections-per-vpc", PeeringActiveLimit, Some(50), 50,
        "VPC peering connections";
    /// Requests for peering connections of an account that nobody has answered.
    Requests = "outstanding-vpc-peering-connections", PeeringOutstandingLimit, Some(25), 25,
        "outstanding VPC peering connections";
    /// Managed prefix lists of an account in a region.
    PrefixLists = "prefix-lists-per-region", LimitExceeded, Some(100), 100, "prefix lists";
    /// Key pairs of an account.
    KeyPairs = "key-pairs-per-region", LimitExceeded, Some(5000), 5000, "key pairs";
}

/// The most that a quota can be set to.
pub(crate) const MOST: u32 = 1_000_000;

/// The quotas of all accounts that have none of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotas {
    /// Whether what is not set is as an account of AWS has it.
    #[serde(default)]
    pub like_aws: bool,
    /// What was set.
    #[serde(default)]
    pub set: BTreeMap<Quota, u32>,
}

impl Quotas {
    /// Whether nothing was said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Quota {
    /// The refusal of one more.
    pub(crate) fn reached(self) -> Refused {
        let what = self.what();
        Refused::new(self.code(), format_args!("The maximum number of {what} has been reached."))
    }
}

/// No quota has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not the name of a quota")]
pub struct UnknownQuota {
    /// The text that was read, cut to 64 characters.
    pub text: String,
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Quota {
    type Err = UnknownQuota;
    fn from_str(text: &str) -> Result<Self, UnknownQuota> {
        let named = Self::ALL.iter().find(|quota| quota.name() == text);
        named.copied().ok_or_else(|| UnknownQuota { text: text.chars().take(64).collect() })
    }
}

impl Serialize for Quota {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Quota {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
