//! The names of dynos and instances inside their VPCs (`heroku.md` §4, `ec2.md` §1.8), and what a
//! domain name is.

use std::net::Ipv4Addr;

use crate::Region;
use crate::resource::App;

/// The zone in which dynos have their names.
pub const DYNO_ZONE: &str = "localspace";
/// The zone in which addresses have theirs (RFC 1035 §3.5).
pub const REVERSE_ZONE: &str = "in-addr.arpa";
/// The zone in which the instances of [`Region::DEFAULT`] have their private names.
const DEFAULT_PRIVATE_ZONE: &str = "ec2.internal";
/// The zone in which those of every other region have theirs, below the region's name.
const PRIVATE_ZONE: &str = "compute.internal";
/// The zones in which instances have their private names, in whatever region: nobody outside knows
/// any.
pub(crate) const PRIVATE_ZONES: [&str; 2] = [DEFAULT_PRIVATE_ZONE, PRIVATE_ZONE];

/// Bytes that a whole name has at most (RFC 1035 §2.3.4).
pub(crate) const MAX_NAME: usize = 253;
/// Bytes that a label of a name has at most.
const MAX_LABEL: usize = 63;

/// Whether a name in lower case is a domain name that hosts can have (RFC 952, RFC 1123 §2.1): labels
/// of letters, digits and hyphens, none of which begins or ends with a hyphen, without a dot at the
/// end.
pub fn is_domain(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= MAX_NAME && name.split('.').all(is_label)
}

/// All dynos of an app: `shop.app.localspace`.
pub(crate) fn app(app: &App) -> String {
    format!("{}.app.{DYNO_ZONE}", app.name)
}

/// The dynos of one process type: `web.shop.app.localspace`. Host names know no case and no
/// underscores, so no two process types of an app may differ by these alone.
pub(crate) fn process(of: &App, process_type: &str) -> String {
    format!("{}.{}", process_label(process_type), app(of))
}

/// A process type as a part of such a name.
pub(crate) fn process_label(process_type: &str) -> String {
    process_type.to_ascii_lowercase().replace('_', "-")
}

/// One dyno: `1.web.shop.app.localspace`.
pub(crate) fn dyno(number: u16, process: &str) -> String {
    format!("{number}.{process}")
}

/// Whether only the platform may say what a name stands for.
pub(crate) fn is_reserved(name: &str) -> bool {
    let zones = PRIVATE_ZONES.into_iter().chain([DYNO_ZONE, REVERSE_ZONE]);
    zones.into_iter().any(|zone| crate::edge::is_in(name, zone))
}

/// What the private names of a region's instances end with.
pub(crate) fn private_zone(region: Region) -> String {
    if region == Region::DEFAULT {
        return DEFAULT_PRIVATE_ZONE.to_owned();
    }
    format!("{region}.{PRIVATE_ZONE}")
}

/// The private name that an address has: `ip-10-0-1-5.ec2.internal`.
pub fn private_name(address: Ipv4Addr, region: Region) -> String {
    let [a, b, c, d] = address.octets();
    format!("ip-{a}-{b}-{c}-{d}.{}", private_zone(region))
}

/// The public name that an address has: `ec2-203-0-113-17.compute-1.amazonaws.com`.
pub fn public_name(address: Ipv4Addr, region: Region) -> String {
    let [a, b, c, d] = address.octets();
    let zone = if region == Region::DEFAULT {
        "compute-1".to_owned()
    } else {
        format!("{region}.compute")
    };
    format!("ec2-{a}-{b}-{c}-{d}.{zone}.amazonaws.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_made_of_labels() {
        let long = |length: usize| "a".repeat(length);
        let longest = [long(63), long(63), long(63), long(61)].join(".");
        for good in ["localhost", "a.example.com", "xn--mnchen-3ya.de", "4.a-b", &longest] {
            assert!(is_domain(good), "{good}");
        }
        let too_long = format!("{longest}a");
        let label = long(64);
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a.b",
            "a-.b",
            "A.b",
            "a_b.c",
            "m\u{fc}nchen.de",
            &label,
            &too_long,
        ] {
            assert!(!is_domain(bad), "{bad}");
        }
    }
}
