//! The names of dynos and instances inside their VPCs (`heroku.md` §4, `ec2.md` §1.8).

use std::net::Ipv4Addr;

use crate::Region;
use crate::resource::App;

/// What the names of dynos end with.
pub(crate) const DYNO_ZONE: &str = "localspace";

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
    const ZONES: [&str; 4] = [DYNO_ZONE, "ec2.internal", "compute.internal", "in-addr.arpa"];
    ZONES.into_iter().any(|zone| crate::edge::is_in(name, zone))
}

/// What the private names of a region's instances end with.
pub(crate) fn private_zone(region: Region) -> String {
    if region == Region::DEFAULT {
        return "ec2.internal".to_owned();
    }
    format!("{region}.compute.internal")
}

/// The private name that an address has: `ip-10-0-1-5.ec2.internal`.
pub(crate) fn private(address: Ipv4Addr, region: Region) -> String {
    let [a, b, c, d] = address.octets();
    format!("ip-{a}-{b}-{c}-{d}.{}", private_zone(region))
}
