//! IPv4 blocks and their arithmetic.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An IPv4 block in canonical form: no bit is set behind the prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    base: u32,
    len: u8,
}

/// Text that is not an IPv4 block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCidr {
    /// It is nothing like one.
    #[error("'{0}' is not an IPv4 CIDR block such as 10.0.0.0/16")]
    Nonsense(String),
    /// It is an address with a prefix that does not reach to the address's last set bit.
    #[error("'{text}' has host bits set behind its prefix; the block that it lies in is {block}")]
    HostBits {
        /// The text that was read.
        text: String,
        /// The block that has the address.
        block: Cidr,
    },
    /// It is an address.
    #[error("'{text}' is an address; the block of it alone is {text}/32")]
    Address {
        /// The text that was read.
        text: Ipv4Addr,
    },
}

impl Cidr {
    /// Every address.
    pub const ANY: Self = Self { base: 0, len: 0 };

    /// Makes a block from constants; bits behind the prefix are cut off.
    pub const fn new(a: u8, b: u8, c: u8, d: u8, len: u8) -> Self {
        Self::from_bits(u32::from_be_bytes([a, b, c, d]), len)
    }

    const fn from_bits(bits: u32, len: u8) -> Self {
        let len = if len > 32 { 32 } else { len };
        Self { base: bits & mask(len), len }
    }

    /// Makes the block of the given prefix length around an address, cutting the host bits off.
    pub fn around(address: Ipv4Addr, len: u8) -> Self {
        Self::from_bits(address.into(), len)
    }

    /// The block of one address.
    pub fn host(address: Ipv4Addr) -> Self {
        Self::around(address, 32)
    }

    /// The first address.
    pub fn base(self) -> Ipv4Addr {
        self.base.into()
    }

    /// The last address.
    pub fn last(self) -> Ipv4Addr {
        (self.base | !mask(self.len)).into()
    }

    /// The prefix length in bits.
    pub const fn prefix_len(self) -> u8 {
        self.len
    }

    /// The number of addresses in the block.
    pub const fn size(self) -> u64 {
        1 << (32 - self.len)
    }

    /// The address at an offset from the base, if it lies inside.
    pub fn nth(self, offset: u64) -> Option<Ipv4Addr> {
        (offset < self.size()).then(|| (self.base + offset as u32).into())
    }

    /// Whether an address lies inside.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.len) == self.base
    }

    /// Whether the other block lies inside this one; a block covers itself.
    pub const fn covers(self, other: Self) -> bool {
        self.len <= other.len && other.base & mask(self.len) == self.base
    }

    /// Whether the two have an address in common.
    pub const fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// What is left of this block without another one, as few blocks as possible, in order.
    pub fn without(self, hole: Self) -> Vec<Self> {
        if !self.overlaps(hole) {
            return vec![self];
        }
        let mut left = Vec::new();
        let mut rest = self;
        while !hole.covers(rest) {
            // The hole lies in one half; the other one stays whole.
            let halves = [0, 1].map(|n| rest.subnet(rest.len + 1, n).unwrap_or(rest));
            let [inside, outside] =
                if halves[0].overlaps(hole) { halves } else { [halves[1], halves[0]] };
            left.push(outside);
            rest = inside;
        }
        left.sort_unstable();
        left
    }

    /// The n-th block of the given prefix length inside this one.
    pub const fn subnet(self, len: u8, n: u32) -> Option<Self> {
        if len < self.len || len > 32 || (n as u64) >> (len - self.len) != 0 {
            return None;
        }
        let shift = 32 - len as u32;
        let offset = if shift == 32 { 0 } else { n << shift };
        Some(Self { base: self.base | offset, len })
    }

    /// The RFC 1918 block that this one lies in, if any (R2).
    pub fn rfc1918(self) -> Option<Self> {
        RFC1918.into_iter().find(|private| private.covers(self))
    }

    /// Reads a block and says whether it had host bits, which are cut off as EC2 does
    /// (`ec2.md` §1.4).
    pub fn parse_lenient(text: &str) -> Result<Self, MalformedCidr> {
        if let Ok(text) = text.parse() {
            return Err(MalformedCidr::Address { text });
        }
        let malformed = || MalformedCidr::Nonsense(text.chars().take(64).collect());
        let (address, len) = text.split_once('/').ok_or_else(malformed)?;
        let address: Ipv4Addr = address.parse().map_err(|_| malformed())?;
        if len.is_empty() || len.len() > 2 || !len.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed());
        }
        let len: u8 = len.parse().map_err(|_| malformed())?;
        if len > 32 {
            return Err(malformed());
        }
        Ok(Self::around(address, len))
    }
}

/// The private blocks of RFC 1918.
pub const RFC1918: [Cidr; 3] =
    [Cidr::new(10, 0, 0, 0, 8), Cidr::new(172, 16, 0, 0, 12), Cidr::new(192, 168, 0, 0, 16)];

const fn mask(len: u8) -> u32 {
    if len == 0 { 0 } else { u32::MAX << (32 - len as u32) }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In one piece, as long answers hold tens of thousands of them.
        let [a, b, c, d] = self.base().octets();
        let mut text = [0; 18];
        let mut end = 0;
        for (number, after) in [(a, b'.'), (b, b'.'), (c, b'.'), (d, b'/'), (self.len, b' ')] {
            for (place, least) in [(100, 100), (10, 10), (1, 0)] {
                if number >= least {
                    text[end] = b'0' + number / place % 10;
                    end += 1;
                }
            }
            if after != b' ' {
                text[end] = after;
                end += 1;
            }
        }
        f.write_str(std::str::from_utf8(&text[..end]).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Cidr {
    type Err = MalformedCidr;

    /// Reads a canonical block; host bits are an error here (see [`Cidr::parse_lenient`]).
    fn from_str(text: &str) -> Result<Self, MalformedCidr> {
        let block = Self::parse_lenient(text)?;
        if text.split('/').next().and_then(|a| a.parse().ok()) != Some(block.base()) {
            return Err(MalformedCidr::HostBits { text: text.to_owned(), block });
        }
        Ok(block)
    }
}

impl Serialize for Cidr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_cidr() -> impl Strategy<Value = Cidr> {
        (any::<u32>(), 0u8..=32).prop_map(|(bits, len)| Cidr::around(bits.into(), len))
    }

    /// Blocks small enough to be counted out address by address.
    fn small_cidr() -> impl Strategy<Value = Cidr> {
        (0u32..256, 24u8..=32).prop_map(|(low, len)| Cidr::around((0x0a00_0000 | low).into(), len))
    }

    fn addresses(block: Cidr) -> Vec<Ipv4Addr> {
        (0..block.size()).map(|n| block.nth(n).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn what_is_left_is_the_rest(block in small_cidr(), hole in small_cidr()) {
            let left = block.without(hole);
            let counted: Vec<_> = left.iter().flat_map(|part| addresses(*part)).collect();
            let expected: Vec<_> =
                addresses(block).into_iter().filter(|a| !hole.contains(*a)).collect();
            prop_assert_eq!(counted, expected);
            prop_assert!(left.len() <= 32);
        }

        #[test]
        fn text_round_trips(block in any_cidr()) {
            prop_assert_eq!(block.to_string().parse::<Cidr>().unwrap(), block);
        }

        #[test]
        fn overlap_agrees_with_counting(a in small_cidr(), b in small_cidr()) {
            let naive = addresses(a).iter().any(|x| addresses(b).contains(x));
            prop_assert_eq!(a.overlaps(b), naive);
            prop_assert_eq!(b.overlaps(a), naive);
        }

        #[test]
        fn covers_agrees_with_counting(a in small_cidr(), b in small_cidr()) {
            let naive = addresses(b).iter().all(|x| addresses(a).contains(x));
            prop_assert_eq!(a.covers(b), naive);
        }

        #[test]
        fn contains_is_between_base_and_last(block in any_cidr(), bits in any::<u32>()) {
            let address = Ipv4Addr::from(bits);
            prop_assert_eq!(block.contains(address), (block.base()..=block.last()).contains(&address));
        }

        #[test]
        fn subnets_partition_their_block(block in small_cidr(), extra in 0u8..=8) {
            let len = (block.prefix_len() + extra).min(32);
            let count = 1u32 << (len - block.prefix_len());
            let parts: Vec<Cidr> = (0..count).map(|n| block.subnet(len, n).unwrap()).collect();
            prop_assert_eq!(parts.iter().map(|p| p.size()).sum::<u64>(), block.size());
            prop_assert!(parts.windows(2).all(|w| w[0].last() < w[1].base()));
            prop_assert!(parts.iter().all(|p| block.covers(*p)));
            prop_assert_eq!(block.subnet(len, count), None);
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,24}") {
            let _ = Cidr::parse_lenient(&text);
            let _ = text.parse::<Cidr>();
        }
    }

    #[test]
    fn host_bits_are_cut_only_when_asked() {
        assert_eq!(Cidr::parse_lenient("100.68.0.18/18").unwrap().to_string(), "100.68.0.0/18");
        let said = |text: &str| text.parse::<Cidr>().unwrap_err().to_string();
        assert_eq!(
            said("10.50.1.0/16"),
            "'10.50.1.0/16' has host bits set behind its prefix; the block that it lies in is \
             10.50.0.0/16"
        );
        assert_eq!(
            said("10.0.0.7"),
            "'10.0.0.7' is an address; the block of it alone is 10.0.0.7/32"
        );
        assert_eq!(said("::/0"), "'::/0' is not an IPv4 CIDR block such as 10.0.0.0/16");
        for bad in [
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0/8",
            "10.0.0.0/+8",
            "::/0",
            "10.0.0.0/008",
        ] {
            assert!(Cidr::parse_lenient(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rfc1918_is_exact() {
        assert!(Cidr::new(172, 31, 0, 0, 16).rfc1918().is_some());
        assert!(Cidr::new(172, 32, 0, 0, 16).rfc1918().is_none());
        assert!(Cidr::new(10, 0, 0, 0, 7).rfc1918().is_none());
    }
}
