//! Why packets are stopped, in the words of AWS.

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// A reason in the words of AWS's Reachability Analyzer (`ec2.md` §5).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ExplanationCode {
            $($(#[$doc])* $name,)*
        }

        impl ExplanationCode {
            /// The code as the Reachability Analyzer writes it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

codes! {
    /// A component that does not work, such as a peering that nobody accepted.
    BadState = "BAD_STATE";
    /// A route to nowhere.
    BadStateRoute = "BAD_STATE_ROUTE";
    /// An interface does not have the address.
    EniAddressRestriction = "ENI_ADDRESS_RESTRICTION";
    /// No rule of an interface's groups allows the packet.
    EniSgRulesMismatch = "ENI_SG_RULES_MISMATCH";
    /// An interface gets, or sends, what is not its own.
    EniSourceDestCheckRestriction = "ENI_SOURCE_DEST_CHECK_RESTRICTION";
    /// Another route comes first.
    HigherPriorityRoute = "HIGHER_PRIORITY_ROUTE";
    /// Nobody has the address.
    NoPossibleDestination = "NO_POSSIBLE_DESTINATION";
    /// The route table does not say where to.
    NoRouteToDestination = "NO_ROUTE_TO_DESTINATION";
    /// The peering does not let the address through.
    PcxRequiresAddressInVpcCidr = "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR";
    /// The interface's groups have no rule at all for this direction.
    SgHasNoRules = "SG_HAS_NO_RULES";
    /// The subnet's network ACL denies the packet.
    SubnetAclRestriction = "SUBNET_ACL_RESTRICTION";
    /// A rule names a group that cannot be seen from here.
    UnknownPeeredSgs = "UNKNOWN_PEERED_SGS";
}

impl std::fmt::Display for ExplanationCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ExplanationCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
