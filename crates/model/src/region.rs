//! The regions and their availability zones: a fixed table, so that a region costs one byte.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(u8);

/// What is known of a region.
#[derive(Debug)]
pub struct RegionFacts {
    /// EC2's name: `us-east-1`.
    pub name: &'static str,
    /// The Platform API's name of the private region there, if it has one: `virginia`.
    pub platform: Option<&'static str>,
    /// The place of the region: `Virginia, United States`.
    pub description: &'static str,
    /// The country, as the Platform API writes it.
    pub country: &'static str,
    /// The city or state, as the Platform API writes it.
    pub locale: &'static str,
    /// The short code that zone ids begin with: `use1`.
    pub code: &'static str,
    /// The letters of its zones.
    pub zones: &'static str,
}

macro_rules! regions {
    ($($name:literal $platform:expr, $locale:literal $country:literal $code:literal $zones:literal;)*) => {
        &[$(RegionFacts {
            name: $name, platform: $platform, description: concat!($locale, ", ", $country),
            country: $country, locale: $locale, code: $code, zones: $zones,
        }),*]
    };
}

/// Every region, by name.
static REGIONS: &[RegionFacts] = regions! {
    "ap-northeast-1" Some("tokyo"), "Tokyo" "Japan" "apne1" "acd";
    "ap-northeast-2" None, "Seoul" "South Korea" "apne2" "abcd";
    "ap-northeast-3" None, "Osaka" "Japan" "apne3" "abc";
    "ap-south-1" Some("mumbai"), "Mumbai" "India" "aps1" "abc";
    "ap-southeast-1" Some("singapore"), "Singapore" "Singapore" "apse1" "abc";
    "ap-southeast-2" Some("sydney"), "Sydney" "Australia" "apse2" "abc";
    "ca-central-1" Some("montreal"), "Montreal" "Canada" "cac1" "abd";
    "eu-central-1" Some("frankfurt"), "Frankfurt" "Germany" "euc1" "abc";
    "eu-north-1" None, "Stockholm" "Sweden" "eun1" "abc";
    "eu-west-1" Some("dublin"), "Dublin" "Ireland" "euw1" "abc";
    "eu-west-2" Some("london"), "London" "United Kingdom" "euw2" "abc";
    "eu-west-3" None, "Paris" "France" "euw3" "abc";
    "sa-east-1" None, "São Paulo" "Brazil" "sae1" "abc";
    "us-east-1" Some("virginia"), "Virginia" "United States" "use1" "abcdef";
    "us-east-2" None, "Ohio" "United States" "use2" "abc";
    "us-west-1" None, "California" "United States" "usw1" "ac";
    "us-west-2" Some("oregon"), "Oregon" "United States" "usw2" "abcd";
};

/// A name that is no region's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a region; see `aws ec2 describe-regions`")]
pub struct UnknownRegion(pub String);

impl Region {
    /// The region that a server is in unless it is told otherwise.
    pub const DEFAULT: Self = Self(13);

    /// All of them, by name.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..REGIONS.len()).map(|n| Self(n as u8))
    }

    /// The facts about the region.
    pub fn facts(self) -> &'static RegionFacts {
        &REGIONS[usize::from(self.0)]
    }

    /// EC2's name.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Finds a region by EC2's name or by the Platform API's.
    pub fn find(name: &str) -> Option<Self> {
        match REGIONS.binary_search_by_key(&name, |facts| facts.name) {
            Ok(at) => Some(Self(at as u8)),
            Err(_) => Self::all().find(|region| region.facts().platform == Some(name)),
        }
    }

    /// Its zones, in order.
    pub fn zones(self) -> impl Iterator<Item = Zone> {
        (0..self.facts().zones.len()).map(move |n| Zone { region: self, index: n as u8 })
    }

    /// The n-th zone, counted round.
    pub fn zone(self, n: usize) -> Zone {
        Zone { region: self, index: (n % self.facts().zones.len()) as u8 }
    }
}

/// An availability zone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone {
    region: Region,
    index: u8,
}

impl Zone {
    /// The region it is in.
    pub fn region(self) -> Region {
        self.region
    }

    /// Its id, the same for every account: `use1-az1`.
    pub fn zone_id(self) -> String {
        format!("{}-az{}", self.region.facts().code, self.index + 1)
    }

    /// Finds a zone by name or id.
    pub fn find(text: &str) -> Option<Self> {
        Region::all()
            .flat_map(Region::zones)
            .find(|zone| zone.to_string() == text || zone.zone_id() == text)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Region {
    type Err = UnknownRegion;
    fn from_str(text: &str) -> Result<Self, UnknownRegion> {
        REGIONS
            .binary_search_by_key(&text, |r| r.name)
            .map(|n| Self(n as u8))
            .map_err(|_| UnknownRegion(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.region.facts();
        let at = usize::from(self.index);
        write!(f, "{}{}", facts.name, &facts.zones[at..=at])
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! as_text {
    ($($name:ty, $parse:expr;)*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                $parse(&text).ok_or_else(|| serde::de::Error::custom(format!("unknown place '{text}'")))
            }
        }
    )*};
}

as_text! {
    Region, |text: &str| text.parse::<Region>().ok();
    Zone, Zone::find;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_the_default_is_virginia() {
        assert!(REGIONS.is_sorted_by_key(|r| r.name));
        assert_eq!(Region::DEFAULT.name(), "us-east-1");
        assert_eq!(Region::find("virginia"), Some(Region::DEFAULT));
    }

    #[test]
    fn names_round_trip() {
        for region in Region::all() {
            assert_eq!(region.name().parse::<Region>(), Ok(region));
            for zone in region.zones() {
                assert_eq!(Zone::find(&zone.to_string()), Some(zone));
                assert_eq!(Zone::find(&zone.zone_id()), Some(zone));
            }
        }
        assert!("mars-north-1".parse::<Region>().is_err());
    }
}
