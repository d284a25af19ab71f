//! The names of dynos and instances inside their VPCs (`heroku.md` §4, `ec2.md` §1.8).

use std::net::Ipv4Addr;

use crate::Region;
use crate::resource::App;

/// What the names of dynos end with.
pub(crate) const DYNO_ZONE: &str = "localspace";

/// What the private names of instances end with, in whatever region: nobody outside knows any.
pub(crate) const PRIVATE_ZONES: [&str; 2] = ["ec2.internal", "compute.internal"];

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
    let zones = PRIVATE_ZONES.into_iter().chain([DYNO_ZONE, "in-addr.arpa"]);
    zones.into_iter().any(|zone| crate::edge::is_in(name, zone))
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
