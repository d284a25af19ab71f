//! Quotas: of what an account or a team may have how much. This is the one table of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Code, Refused};

/// Who has a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaHolder {
    /// Each account, on the VPC's side.
    Account,
    /// Each team, on the space's side.
    Team,
}

impl QuotaHolder {
    /// What it is, in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Team => "team",
        }
    }
}

macro_rules! quotas {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $of:ident, $code:ident, $here:expr, $aws:expr, $what:literal;)*) => {
        /// Something that an account or a team may have so much of.
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

            /// Whether it is of accounts or of teams.
            pub const fn holder(self) -> QuotaHolder {
                match self { $(Self::$name => QuotaHolder::$of,)* }
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

            /// How much an account of AWS may have that has not asked for more; `None` for what is a
            /// team's.
            pub const fn of_aws(self) -> Option<u32> {
                match self { $(Self::$name => $aws,)* }
            }

            /// What it counts, in words.
            const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }
    };
}

// The name, whose it is, the code, how much there may be here, how much AWS lets an account have, and what is counted.
// Sizes of what is compiled for the kernel as one (rules, entries, routes) are AWS's here too.
quotas! {
    /// VPCs of an account in a region.
    Vpcs = "vpcs-per-region", Account, VpcLimit, None, Some(5), "VPCs";
    /// Blocks of a VPC, of either family.
    VpcBlocks = "cidr-blocks-per-vpc", Account, VpcCidrLimit, Some(5), Some(5), "CIDR blocks";
    /// Subnets of a VPC.
    Subnets = "subnets-per-vpc", Account, SubnetLimit, Some(200), Some(200), "subnets";
    /// Route tables of a VPC.
    RouteTables = "route-tables-per-vpc", Account, RouteTableLimit, Some(200), Some(200), "route tables";
    /// Routes of a table, counted for each family.
    Routes = "routes-per-route-table", Account, RouteLimitExceeded, Some(500), Some(500), "routes";
    /// Security groups of an account in a region.
    Groups = "security-groups-per-region", Account, GroupLimit, None, Some(2500), "security groups";
    /// Rules of a group, counted for each direction and family.
    GroupRules = "rules-per-security-group", Account, RuleLimitExceeded, Some(60), Some(60),
        "rules per security group";
    /// Groups of an interface.
    InterfaceGroups = "security-groups-per-interface", Account, GroupsPerInterfaceLimit, Some(5), Some(5),
        "security groups per interface";
    /// Network ACLs of a VPC.
    Acls = "network-acls-per-vpc", Account, AclLimit, Some(200), Some(200), "network ACLs";
    /// Entries of a network ACL, counted for each direction and family, with the denial at their end.
    AclEntries = "rules-per-network-acl", Account, AclEntryLimit, Some(20), Some(20), "network acl entries";
    /// Internet gateways of an account in a region.
    InternetGateways = "internet-gateways-per-region", Account, InternetGatewayLimit, None, Some(5),
        "internet gateways";
    /// Elastic IP addresses of an account in a region.
    ElasticIps = "elastic-ips-per-region", Account, AddressLimitExceeded, Some(100), Some(5), "addresses";
    /// NAT gateways of an account in an availability zone.
    NatGateways = "nat-gateways-per-zone", Account, NatGatewayLimitExceeded, Some(100), Some(5), "NAT gateways";
    /// Network interfaces of an account in a region.
    Interfaces = "network-interfaces-per-region", Account, InterfaceLimit, None, Some(5000), "network interfaces";
    /// Peering connections of a VPC.
    Peerings = "vpc-peering-connections-per-vpc", Account, PeeringActiveLimit, Some(50), Some(50),
        "VPC peering connections";
    /// Requests for peering connections of an account that nobody has answered.
    Requests = "outstanding-vpc-peering-connections", Account, PeeringOutstandingLimit, Some(25), Some(25),
        "outstanding VPC peering connections";
    /// Managed prefix lists of an account in a region.
    PrefixLists = "prefix-lists-per-region", Account, LimitExceeded, Some(100), Some(100), "prefix lists";
    /// Key pairs of an account.
    KeyPairs = "key-pairs-per-region", Account, LimitExceeded, Some(5000), Some(5000), "key pairs";
    /// Instances of an account in a region that were not terminated.
    Instances = "instances-per-region", Account, InstanceLimitExceeded, Some(1000), Some(20), "instances";
    /// Spaces of a team.
    Spaces = "spaces-per-team", Team, LimitExceeded, Some(50), None, "spaces";
    /// Apps of a team.
    Apps = "apps-per-team", Team, LimitExceeded, Some(200), None, "apps";
    /// Dynos of a team: what its apps' formations say, and one-off dynos.
    Dynos = "dynos-per-team", Team, LimitExceeded, Some(500), None, "dynos";
    /// Memory of those dynos and of the team's add-ons, as their sizes and plans say.
    Memory = "memory-mib-per-team", Team, LimitExceeded, Some(524_288), None,
        "MiB of memory for dynos and add-ons";
    /// Code of a team's apps, unpacked. Where nothing is set, `serve --team-code-limit` holds.
    Code = "code-mib-per-team", Team, LimitExceeded, None, None, "MiB of code";
    /// Add-ons of a team.
    Addons = "addons-per-team", Team, LimitExceeded, Some(100), None, "add-ons";
    /// What the disks of a team's add-ons may hold, as their plans say.
    Disk = "disk-mib-per-team", Team, LimitExceeded, Some(1_048_576), None, "MiB of disks";
}

/// The most that a quota can be set to.
pub(crate) const MOST: u32 = 1_000_000;
/// The most that a team's quota can be set to: as MiB, a pebibyte.
pub(crate) const MOST_OF_TEAM: u32 = 1 << 30;

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
        // EC2's own words and nothing else, as programs compare them.
        let what = self.what();
        Refused::new(self.code(), format_args!("The maximum number of {what} has been reached."))
    }

    /// The refusal of so much where there may be less.
    pub(crate) fn exceeded(self, team: &str, would: u64, most: u64) -> Refused {
        let (what, name) = (self.what(), self.name());
        Refused::new(
            self.code(),
            format_args!(
                "The team {team} would have {would} {what}, and may have {most}. Remove what is not \
                 needed, or ask whoever runs this installation to raise {name} for the team: \
                 `causeway quotas:set {name} {would} --team {team}`."
            ),
        )
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
