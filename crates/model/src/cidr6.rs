//! IPv6 blocks and their arithmetic, and blocks of either family.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Cidr;

/// An IPv6 block in canonical form: no bit is set behind the prefix. Aligned to one byte, as rules
/// hold many.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv6Cidr {
    base: Ipv6Addr,
    len: u8,
}

/// A block of either family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpCidr {
    /// An IPv4 block.
    V4(Cidr),
    /// An IPv6 block.
    V6(Ipv6Cidr),
}

/// Text that is not an IPv6 block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedIpv6Cidr {
    /// It is nothing like one.
    #[error("'{0}' is not an IPv6 CIDR block such as 2001:db8::/56")]
    Nonsense(String),
    /// It is an address with a prefix that does not reach to the address's last set bit.
    #[error("'{text}' has host bits set behind its prefix; the block that it lies in is {block}")]
    HostBits {
        /// The text that was read.
        text: String,
        /// The block that has the address.
        block: Ipv6Cidr,
    },
    /// It is an address.
    #[error("'{text}' is an address; the block of it alone is {text}/128")]
    Address {
        /// The text that was read.
        text: Ipv6Addr,
    },
}

impl Ipv6Cidr {
    /// Every address.
    pub const ANY: Self = Self { base: Ipv6Addr::UNSPECIFIED, len: 0 };

    /// Makes a block from the eight groups of an address; bits behind the prefix are cut off.
    pub const fn new(groups: [u16; 8], len: u8) -> Self {
        let [a, b, c, d, e, f, g, h] = groups;
        Self::around(Ipv6Addr::new(a, b, c, d, e, f, g, h), len)
    }

    /// Makes the block of the given prefix length around an address, cutting the host bits off.
    pub const fn around(address: Ipv6Addr, len: u8) -> Self {
        let len = if len > 128 { 128 } else { len };
        Self { base: Ipv6Addr::from_bits(address.to_bits() & mask(len)), len }
    }

    /// The block of one address.
    pub const fn host(address: Ipv6Addr) -> Self {
        Self::around(address, 128)
    }

    /// The first address.
    pub const fn base(self) -> Ipv6Addr {
        self.base
    }

    /// The last address.
    pub const fn last(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.bits() | !mask(self.len))
    }

    /// The prefix length in bits.
    pub const fn prefix_len(self) -> u8 {
        self.len
    }

    /// The address at an offset from the base, if it lies inside.
    pub fn nth(self, offset: u128) -> Option<Ipv6Addr> {
        (offset & mask(self.len) == 0).then(|| Ipv6Addr::from_bits(self.bits() | offset))
    }

    /// Whether an address lies inside.
    pub const fn contains(self, address: Ipv6Addr) -> bool {
        address.to_bits() & mask(self.len) == self.bits()
    }

    /// Whether the other block lies inside this one; a block covers itself.
    pub const fn covers(self, other: Self) -> bool {
        self.len <= other.len && other.bits() & mask(self.len) == self.bits()
    }

    /// Whether the two have an address in common.
    pub const fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// The n-th block of the given prefix length inside this one.
    pub const fn subnet(self, len: u8, n: u128) -> Option<Self> {
        if len < self.len || len > 128 {
            return None;
        }
        let bits = (len - self.len) as u32;
        if bits < 128 && n >> bits != 0 {
            return None;
        }
        let shift = 128 - len as u32;
        let offset = if shift == 128 { 0 } else { n << shift };
        Some(Self { base: Ipv6Addr::from_bits(self.bits() | offset), len })
    }

    const fn bits(self) -> u128 {
        self.base.to_bits()
    }

    /// Reads a block and cuts its host bits off, as EC2 does.
    pub fn parse_lenient(text: &str) -> Result<Self, MalformedIpv6Cidr> {
        Self::parse(text).map(|(_, block)| block)
    }

    fn parse(text: &str) -> Result<(Ipv6Addr, Self), MalformedIpv6Cidr> {
        if let Ok(text) = text.parse() {
            return Err(MalformedIpv6Cidr::Address { text });
        }
        let malformed = || MalformedIpv6Cidr::Nonsense(text.chars().take(64).collect());
        let (address, len) = text.split_once('/').ok_or_else(malformed)?;
        let address: Ipv6Addr = address.parse().map_err(|_| malformed())?;
        if len.is_empty() || len.len() > 3 || !len.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed());
        }
        match len.parse() {
            Ok(len @ 0..=128) => Ok((address, Self::around(address, len))),
            _ => Err(malformed()),
        }
    }
}

impl IpCidr {
    /// The IPv4 block, if it is one.
    pub const fn v4(self) -> Option<Cidr> {
        match self {
            Self::V4(block) => Some(block),
            Self::V6(_) => None,
        }
    }

    /// The IPv6 block, if it is one.
    pub const fn v6(self) -> Option<Ipv6Cidr> {
        match self {
            Self::V4(_) => None,
            Self::V6(block) => Some(block),
        }
    }

    /// Whether the two are of one family and have an address in common.
    pub const fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::V4(own), Self::V4(other)) => own.overlaps(other),
            (Self::V6(own), Self::V6(other)) => own.overlaps(other),
            (Self::V4(_), Self::V6(_)) | (Self::V6(_), Self::V4(_)) => false,
        }
    }
}

impl From<Cidr> for IpCidr {
    fn from(block: Cidr) -> Self {
        Self::V4(block)
    }
}

impl From<Ipv6Cidr> for IpCidr {
    fn from(block: Ipv6Cidr) -> Self {
        Self::V6(block)
    }
}

impl fmt::Display for IpCidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(block) => block.fmt(f),
            Self::V6(block) => block.fmt(f),
        }
    }
}

impl fmt::Debug for IpCidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for IpCidr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Text that is no block of either family.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedIpCidr {
    /// It has no colon, which is in every IPv6 address and in no other, and is no IPv4 block.
    #[error(transparent)]
    V4(#[from] crate::MalformedCidr),
    /// It has one, and is no IPv6 block.
    #[error(transparent)]
    V6(#[from] MalformedIpv6Cidr),
}

impl FromStr for IpCidr {
    type Err = MalformedIpCidr;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text.contains(':') { Self::V6(text.parse()?) } else { Self::V4(text.parse()?) })
    }
}

impl<'de> Deserialize<'de> for IpCidr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

const fn mask(len: u8) -> u128 {
    if len == 0 { 0 } else { u128::MAX << (128 - len as u32) }
}

impl fmt::Display for Ipv6Cidr {
    /// Writes the address in the form of RFC 5952.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base(), self.len)
    }
}

impl fmt::Debug for Ipv6Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Ipv6Cidr {
    type Err = MalformedIpv6Cidr;

    /// Reads a block in any spelling; host bits are an error here (see
    /// [`Ipv6Cidr::parse_lenient`]).
    fn from_str(text: &str) -> Result<Self, MalformedIpv6Cidr> {
        let (address, block) = Self::parse(text)?;
        if address != block.base() {
            return Err(MalformedIpv6Cidr::HostBits { text: text.to_owned(), block });
        }
        Ok(block)
    }
}

impl Serialize for Ipv6Cidr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ipv6Cidr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_block() -> impl Strategy<Value = Ipv6Cidr> {
        (any::<u128>(), 0u8..=128).prop_map(|(bits, len)| Ipv6Cidr::around(bits.into(), len))
    }

    /// Blocks small enough to be counted out address by address.
    fn small_block() -> impl Strategy<Value = Ipv6Cidr> {
        (0u128..256, 120u8..=128)
            .prop_map(|(low, len)| Ipv6Cidr::around(((0x2001_0db8_u128 << 96) | low).into(), len))
    }

    fn addresses(block: Ipv6Cidr) -> Vec<Ipv6Addr> {
        (0..1 << (128 - block.prefix_len())).map(|n| block.nth(n).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn text_round_trips(block in any_block()) {
            prop_assert_eq!(block.to_string().parse::<Ipv6Cidr>().unwrap(), block);
            let json = serde_json::to_string(&block).unwrap();
            prop_assert_eq!(serde_json::from_str::<Ipv6Cidr>(&json).unwrap(), block);
        }

        #[test]
        fn overlap_agrees_with_counting(a in small_block(), b in small_block()) {
            let naive = addresses(a).iter().any(|x| addresses(b).contains(x));
            prop_assert_eq!(a.overlaps(b), naive);
            prop_assert_eq!(b.overlaps(a), naive);
        }

        #[test]
        fn covers_agrees_with_counting(a in small_block(), b in small_block()) {
            let naive = addresses(b).iter().all(|x| addresses(a).contains(x));
            prop_assert_eq!(a.covers(b), naive);
        }

        #[test]
        fn contains_is_between_base_and_last(block in any_block(), bits in any::<u128>()) {
            let address = Ipv6Addr::from(bits);
            let between = (block.base()..=block.last()).contains(&address);
            prop_assert_eq!(block.contains(address), between);
        }

        #[test]
        fn no_address_lies_behind_the_last(block in any_block()) {
            let size = 1u128.checked_shl(128 - u32::from(block.prefix_len()));
            if let Some(size) = size {
                prop_assert_eq!(block.nth(size - 1), Some(block.last()));
                prop_assert_eq!(block.nth(size), None);
            }
        }

        #[test]
        fn subnets_partition_their_block(block in small_block(), extra in 0u8..=8) {
            let len = (block.prefix_len() + extra).min(128);
            let count = 1u128 << (len - block.prefix_len());
            let parts: Vec<_> = (0..count).map(|n| block.subnet(len, n).unwrap()).collect();
            let counted: Vec<_> = parts.iter().flat_map(|part| addresses(*part)).collect();
            prop_assert_eq!(counted, addresses(block));
            prop_assert_eq!(block.subnet(len, count), None);
        }

        #[test]
        fn arbitrary_text_never_panics(text in "[0-9a-f:./%]{0,50}|\\PC{0,24}") {
            let _ = Ipv6Cidr::parse_lenient(&text);
            let _ = text.parse::<Ipv6Cidr>();
        }
    }

    #[test]
    fn the_whole_space_and_single_addresses_have_no_overflow() {
        assert_eq!(Ipv6Cidr::ANY.to_string(), "::/0");
        assert_eq!(Ipv6Cidr::ANY.nth(u128::MAX), Some(Ipv6Cidr::ANY.last()));
        assert_eq!(
            Ipv6Cidr::ANY.subnet(128, u128::MAX).map(Ipv6Cidr::base),
            Some(Ipv6Cidr::ANY.last())
        );
        assert_eq!(Ipv6Cidr::ANY.subnet(0, 0), Some(Ipv6Cidr::ANY));
        assert_eq!(Ipv6Cidr::ANY.subnet(0, 1), None);
        let one = Ipv6Cidr::host(Ipv6Addr::LOCALHOST);
        assert_eq!((one.base(), one.last()), (Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST));
        assert_eq!(one.nth(1), None);
    }

    #[test]
    fn blocks_of_either_family_are_told_apart_by_their_text() {
        for text in ["10.0.0.0/8", "::/0", "2001:db8::/56"] {
            let json = format!("\"{text}\"");
            let block: IpCidr = serde_json::from_str(&json).unwrap();
            assert_eq!(block.v6().is_some(), text.contains(':'));
            assert_eq!(serde_json::to_string(&block).unwrap(), json);
        }
        assert!(serde_json::from_str::<IpCidr>("\"10.0.0.1/8\"").is_err());
        let (any4, any6) = (IpCidr::from(Cidr::ANY), IpCidr::from(Ipv6Cidr::ANY));
        assert!(!any4.overlaps(any6) && any6.overlaps(any6));
        assert_eq!(size_of::<Ipv6Cidr>(), 17);
    }

    #[test]
    fn text_is_canonical_and_host_bits_are_cut_only_when_asked() {
        let shown = |text: &str| Ipv6Cidr::parse_lenient(text).unwrap().to_string();
        assert_eq!(shown("2001:0DB8:0000:0000:0000:0000:0000:0001/56"), "2001:db8::/56");
        assert_eq!(shown("2001:db8:0:0:1:0:0:1/128"), "2001:db8::1:0:0:1/128");
        assert_eq!(shown("0:0:0:0:0:0:0:0/0"), "::/0");
        let said = |text: &str| text.parse::<Ipv6Cidr>().unwrap_err().to_string();
        assert_eq!(
            said("2001:db8::1/56"),
            "'2001:db8::1/56' has host bits set behind its prefix; the block that it lies in is \
             2001:db8::/56"
        );
        assert_eq!(
            said("2001:DB8::7"),
            "'2001:db8::7' is an address; the block of it alone is 2001:db8::7/128"
        );
        for bad in
            ["10.0.0.0/8", "::/129", "::/-1", "::/+1", "::/0128", "::/", "/0", "fe80::1%eth0/64"]
        {
            assert!(Ipv6Cidr::parse_lenient(bad).is_err(), "{bad}");
        }
    }
}
