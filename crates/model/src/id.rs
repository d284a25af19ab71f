//! Typed identifiers: two kinds never mix, malformed text never becomes one.
//!
//! EC2 ids are a prefix and 17 hexadecimal digits; the 8-digit form of old ids is accepted as
//! well-formed (`ec2.md` §1.2). Heroku's ids are UUIDs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where new identifiers and other chance come from: an argument, so that tests are deterministic.
pub trait IdSource {
    /// Returns 128 bits that were never returned before.
    fn next_bits(&mut self) -> u128;
}

/// Counts upwards from a start: the deterministic source of golden tests.
#[derive(Debug, Clone, Default)]
pub struct Sequence(pub u128);

impl IdSource for Sequence {
    fn next_bits(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

/// Text that is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a well-formed {kind} id")]
pub struct MalformedId {
    /// The text that was read, cut to 64 characters.
    pub text: String,
    /// The kind of id that was expected, by its prefix.
    pub kind: &'static str,
}

/// What all EC2-style identifiers have in common.
pub trait PrefixedId: Copy + Ord + fmt::Display + FromStr<Err = MalformedId> {
    /// The text before the hyphen.
    const PREFIX: &'static str;
    /// The smallest identifier of the kind, for range look-ups.
    const MIN: Self;
    /// The largest identifier of the kind, for range look-ups.
    const MAX: Self;
    /// Makes a new one.
    fn fresh(ids: &mut dyn IdSource) -> Self;
}

const LONG_DIGITS: usize = 17;
const SHORT_DIGITS: usize = 8;
/// Bytes that the text of an id has at most.
const LONGEST: usize = 40;
const LONG_MASK: u128 = (1 << (4 * LONG_DIGITS)) - 1;

/// The digits of an id in nine bytes, aligned to one: ids are most of what the world's indexes
/// hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed)]
struct Digits {
    /// The first digit of the long form; [`Self::SHORT`] for the short one.
    high: u8,
    low: u64,
}

impl Digits {
    /// Marks the 8-digit form, which must print as it was read.
    const SHORT: u8 = 1 << 7;
    const MIN: Self = Self { high: 0, low: 0 };
    const MAX: Self = Self { high: u8::MAX, low: u64::MAX };

    const fn long(value: u128) -> Self {
        let value = value & LONG_MASK;
        Self { high: (value >> u64::BITS) as u8, low: value as u64 }
    }

    const fn short(value: u128) -> Self {
        Self { high: Self::SHORT, low: value as u64 }
    }

    const fn is_short(self) -> bool {
        self.high & Self::SHORT != 0
    }

    const fn value(self) -> u128 {
        ((self.high & !Self::SHORT) as u128) << u64::BITS | self.low as u128
    }
}

fn parse_prefixed(text: &str, kind: &'static str) -> Result<Digits, MalformedId> {
    let malformed = || MalformedId { text: text.chars().take(64).collect(), kind };
    let digits =
        text.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-')).ok_or_else(malformed)?;
    if !digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Err(malformed());
    }
    let value = u128::from_str_radix(digits, 16).map_err(|_| malformed())?;
    match digits.len() {
        LONG_DIGITS => Ok(Digits::long(value)),
        SHORT_DIGITS => Ok(Digits::short(value)),
        _ => Err(malformed()),
    }
}

/// Writes an id in one piece: long answers hold tens of thousands of them.
fn print_prefixed(f: &mut fmt::Formatter<'_>, prefix: &str, id: Digits) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = if id.is_short() { SHORT_DIGITS } else { LONG_DIGITS };
    let mut text = [b'-'; LONGEST];
    text[..prefix.len()].copy_from_slice(prefix.as_bytes());
    let end = prefix.len() + 1 + digits;
    let mut rest = id.value();
    for place in text[prefix.len() + 1..end].iter_mut().rev() {
        *place = DIGITS[(rest & 0xf) as usize];
        rest >>= 4;
    }
    f.write_str(std::str::from_utf8(&text[..end]).map_err(|_| fmt::Error)?)
}

macro_rules! prefixed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Digits);

        impl $name {
            /// The identifier's digits as a number, for names derived from it.
            pub const fn bits(self) -> u128 {
                self.0.value()
            }
        }

        const _: () = assert!($prefix.len() + 1 + LONG_DIGITS <= LONGEST);

        impl PrefixedId for $name {
            const PREFIX: &'static str = $prefix;
            const MIN: Self = Self(Digits::MIN);
            const MAX: Self = Self(Digits::MAX);
            fn fresh(ids: &mut dyn IdSource) -> Self {
                Self(Digits::long(ids.next_bits()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                print_prefixed(f, $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;
            fn from_str(text: &str) -> Result<Self, MalformedId> {
                parse_prefixed(text, $prefix).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

prefixed_ids! {
    /// A network ACL.
    AclId = "acl";
    /// A network ACL's association with a subnet.
    AclAssociationId = "aclassoc";
    /// An elastic IP address's association with an interface.
    AddressAssociationId = "eipassoc";
    /// An elastic IP address, by its allocation to an account.
    AllocationId = "eipalloc";
    /// A DHCP option set.
    DhcpOptionsId = "dopt";
    /// An egress-only internet gateway.
    EgressGatewayId = "eigw";
    /// A network interface.
    EniId = "eni";
    /// A network interface's attachment.
    EniAttachmentId = "eni-attach";
    /// A flow log.
    FlowLogId = "fl";
    /// A customer's instance.
    InstanceId = "i";
    /// An internet gateway.
    IgwId = "igw";
    /// A key pair.
    KeyPairId = "key";
    /// A NAT gateway.
    NatGatewayId = "nat";
    /// An analysis of a path of Network Insights.
    NetworkInsightsAnalysisId = "nia";
    /// A path of Network Insights.
    NetworkInsightsPathId = "nip";
    /// A VPC peering connection.
    PcxId = "pcx";
    /// A managed prefix list.
    PrefixListId = "pl";
    /// A reservation: the set of instances of one RunInstances.
    ReservationId = "r";
    /// A route table.
    RouteTableId = "rtb";
    /// A route table's association with a subnet, or with the VPC as its main table.
    RouteTableAssociationId = "rtbassoc";
    /// A security group.
    SecurityGroupId = "sg";
    /// A security group's rule.
    SecurityGroupRuleId = "sgr";
    /// A subnet.
    SubnetId = "subnet";
    /// An IPv6 block's association with a subnet.
    SubnetCidrAssociationId = "subnet-cidr-assoc";
    /// A reservation of addresses in a subnet.
    SubnetReservationId = "scr";
    /// An instance's root volume.
    VolumeId = "vol";
    /// A VPC.
    VpcId = "vpc";
    /// A CIDR block's association with a VPC.
    VpcCidrAssociationId = "vpc-cidr-assoc";
}

/// What tells the digits of a root volume's id from those of its instance's.
const VOLUME_BITS: u128 = 0x0b5e_3a91_c64d_7f20;

impl VolumeId {
    /// The id of the root volume of an instance, which follows from the instance's.
    pub(crate) fn of(instance: InstanceId) -> Self {
        Self(Digits::long(instance.bits() ^ VOLUME_BITS))
    }

    /// The instance whose root volume has this id.
    pub fn instance(self) -> InstanceId {
        InstanceId(Digits::long(self.bits() ^ VOLUME_BITS))
    }
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl $name {
            /// The smallest, for range look-ups.
            pub const MIN: Self = Self(uuid::Uuid::nil());
            /// The largest, for range look-ups.
            pub const MAX: Self = Self(uuid::Uuid::max());

            /// Makes a new one.
            pub fn fresh(ids: &mut dyn IdSource) -> Self {
                Self(uuid::Builder::from_random_bytes(ids.next_bits().to_be_bytes()).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;
            fn from_str(text: &str) -> Result<Self, MalformedId> {
                uuid::Uuid::try_parse(text).map(Self).map_err(|_| MalformedId {
                    text: text.chars().take(64).collect(),
                    kind: "uuid",
                })
            }
        }
    )*};
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

uuid_ids! {
    /// An add-on: a data service of an app.
    AddonId;
    /// An app.
    AppId;
    /// A custom domain of an app.
    DomainId;
    /// A dyno.
    DynoId;
    /// A host.
    HostId;
    /// A token by which a host joins (its public handle, never the secret).
    JoinTokenId;
    /// A log drain of an app.
    LogDrainId;
    /// A release of an app.
    ReleaseId;
    /// An app's code as it was uploaded.
    SlugId;
    /// A Private Space.
    SpaceId;
    /// A team.
    TeamId;
    /// An API token (its public handle, never the secret).
    TokenId;
    /// A user.
    UserId;
    /// A webhook.
    WebhookId;
}

/// An account: 12 decimal digits. Aligned to one byte, as every other id: see [`crate::Key`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed)]
pub struct AccountId(u64);

impl AccountId {
    /// The smallest, for range look-ups.
    pub const MIN: Self = Self(0);
    /// The largest.
    pub const MAX: Self = Self(999_999_999_999);

    /// The account that an emulator takes where a request's access key names none: the one of AWS's
    /// examples.
    pub const EMULATED: Self = Self(123_456_789_012);

    /// Makes a new one; the first digit is never zero, as tools drop leading zeros.
    pub fn fresh(ids: &mut dyn IdSource) -> Self {
        const FIRST: u128 = 100_000_000_000;
        Self((FIRST + ids.next_bits() % (9 * FIRST)) as u64)
    }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

macro_rules! base32_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 10]);

        impl $name {
            /// The smallest, for range look-ups.
            pub const MIN: Self = Self([0; 10]);
            /// The largest.
            pub const MAX: Self = Self([u8::MAX; 10]);

            /// Makes a new one.
            pub fn fresh(ids: &mut dyn IdSource) -> Self {
                Self::of_bits(ids.next_bits())
            }

            /// Takes the lower 80 bits.
            fn of_bits(bits: u128) -> Self {
                let [_, _, _, _, _, _, rest @ ..] = bits.to_be_bytes();
                Self(rest)
            }

            fn bits(self) -> u128 {
                self.0.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                let bits = self.bits();
                (0..16).rev().try_for_each(|n| {
                    let digit = (bits >> (5 * n)) & 31;
                    fmt::Write::write_char(f, char::from(BASE32[digit as usize]))
                })
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;
            fn from_str(text: &str) -> Result<Self, MalformedId> {
                let malformed =
                    || MalformedId { text: text.chars().take(64).collect(), kind: $kind };
                let digits =
                    text.strip_prefix($prefix).filter(|d| d.len() == 16).ok_or_else(malformed)?;
                digits
                    .bytes()
                    .try_fold(0, |value: u128, byte| {
                        let digit = BASE32.iter().position(|b| *b == byte)?;
                        Some(value << 5 | digit as u128)
                    })
                    .map(Self::of_bits)
                    .ok_or_else(malformed)
            }
        }
    )*};
}

// Four letters that say what it is, and 16 characters of base 32, most significant byte first.
base32_ids! {
    /// An access key's public half.
    AccessKeyId = "AKIA", "access key";
    /// A role of an account.
    RoleId = "AROA", "role";
    /// The public half of temporary credentials.
    TemporaryKeyId = "ASIA", "temporary access key";
}

as_text! { AccessKeyId, AccountId, RoleId, TemporaryKeyId }

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'0'; 12];
        let mut rest = self.0;
        for place in text.iter_mut().rev() {
            *place += (rest % 10) as u8;
            rest /= 10;
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for AccountId {
    type Err = MalformedId;
    fn from_str(text: &str) -> Result<Self, MalformedId> {
        if text.len() != 12 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(MalformedId { text: text.chars().take(64).collect(), kind: "account" });
        }
        text.parse().map(Self).map_err(|_| MalformedId { text: text.to_owned(), kind: "account" })
    }
}

/// A process with its own interface: a dyno of an app or a customer's instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadId {
    /// A dyno in a space.
    Dyno(DynoId),
    /// An instance in a customer's VPC.
    Instance(InstanceId),
    /// A data service of an app, in its space's data VPC.
    Service(AddonId),
    /// The web router of a space: no process of its own, but the edge's place in the space.
    Router(SpaceId),
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyno(id) => write!(f, "dyno-{id}"),
            Self::Instance(id) => write!(f, "{id}"),
            Self::Service(id) => write!(f, "service-{id}"),
            Self::Router(id) => write!(f, "router-{id}"),
        }
    }
}

impl FromStr for WorkloadId {
    type Err = MalformedId;
    fn from_str(text: &str) -> Result<Self, MalformedId> {
        match text.split_once('-') {
            Some(("dyno", uuid)) => uuid.parse().map(Self::Dyno),
            Some(("service", uuid)) => uuid.parse().map(Self::Service),
            Some(("router", uuid)) => uuid.parse().map(Self::Router),
            _ => text.parse().map(Self::Instance),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_as_they_were_read() {
        for text in ["vpc-0123456789abcdef0", "vpc-e291cc85"] {
            assert_eq!(text.parse::<VpcId>().unwrap().to_string(), text);
        }
        let longest = "vpc-cidr-assoc-0123456789abcdef0";
        assert_eq!(longest.parse::<VpcCidrAssociationId>().unwrap().to_string(), longest);
        for text in ["000000000000", "012345678901", "999999999999"] {
            assert_eq!(text.parse::<AccountId>().unwrap().to_string(), text);
        }
        assert_eq!("eni-attach-00000000000000001".parse::<EniAttachmentId>().unwrap().bits(), 1);
    }

    #[test]
    fn ids_are_ordered_as_their_text_is_and_short_ones_come_last() {
        let texts = ["vpc-00000000000000001", "vpc-0ffffffffffffffff", "vpc-10000000000000000"];
        let ids: Vec<VpcId> = texts.map(|text| text.parse().unwrap()).to_vec();
        assert!(ids.is_sorted() && ids[2] < "vpc-00000000".parse().unwrap());
        assert_eq!(ids[2].bits(), 1 << 64);
    }

    #[test]
    fn access_keys_round_trip() {
        let id = AccessKeyId::fresh(&mut Sequence(0x1234_5678_9abc_def0_1234));
        assert_eq!(id.to_string().len(), 20);
        assert_eq!(id.to_string().parse::<AccessKeyId>().unwrap(), id);
        assert!("AKIA0000000000000000".parse::<AccessKeyId>().is_err());
        assert!("AKIAé".parse::<AccessKeyId>().is_err());
    }

    #[test]
    fn malformed_ids_are_refused() {
        for text in [
            "",
            "vpc",
            "vpc-",
            "vpc-012",
            "vpc-0123456789ABCDEF0",
            "pcx-e291cc85",
            "vpc-+123456f",
            "vpc-é291cc8",
        ] {
            assert!(text.parse::<VpcId>().is_err(), "{text}");
        }
        for text in ["12345678901", "1234567890123", "12345678901a", "+12345678901"] {
            assert!(text.parse::<AccountId>().is_err(), "{text}");
        }
    }

    #[test]
    fn workload_ids_name_their_kind() {
        let mut ids = Sequence(7);
        for id in [
            WorkloadId::Dyno(DynoId::fresh(&mut ids)),
            WorkloadId::Instance(InstanceId::fresh(&mut ids)),
            WorkloadId::Service(AddonId::fresh(&mut ids)),
            WorkloadId::Router(SpaceId::fresh(&mut ids)),
        ] {
            assert_eq!(id.to_string().parse::<WorkloadId>().unwrap(), id);
        }
    }
}
