//! Kernel settings of a namespace.

use std::fs;
use std::io;

use crate::driver::Error;

const ROUTER: &[(&str, &str)] = &[
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
    ("ipv4/conf/all/accept_source_route", "0"),
    ("ipv4/conf/default/accept_source_route", "0"),
    ("ipv6/conf/all/disable_ipv6", "1"),
    ("ipv6/conf/default/disable_ipv6", "1"),
    // An error goes back the way that the mark of the packet it is about says.
    ("ipv4/fwmark_reflect", "1"),
    // Last: writing it resets others.
    ("ipv4/ip_forward", "1"),
];

const WORKLOAD: &[(&str, &str)] = &[
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
    ("ipv6/conf/all/disable_ipv6", "1"),
    ("ipv6/conf/default/disable_ipv6", "1"),
    // Workloads have no capabilities; these two want none.
    ("ipv4/ip_unprivileged_port_start", "0"),
    ("ipv4/ping_group_range", "0\t2147483647"),
];

/// Makes the calling thread's namespace a router; returns the settings that were otherwise.
pub fn router() -> Result<Vec<&'static str>, Error> {
    // Forwarding last resets redirects to those of a router, so all are looked at again.
    let changed = settle(ROUTER)?;
    if !changed.is_empty() {
        settle(ROUTER)?;
    }
    Ok(changed)
}

/// Makes the calling thread's namespace a workload's; returns the settings that were otherwise.
pub fn workload() -> Result<Vec<&'static str>, Error> {
    settle(WORKLOAD)
}

fn settle(settings: &'static [(&'static str, &'static str)]) -> Result<Vec<&'static str>, Error> {
    let mut changed = Vec::new();
    for (name, value) in settings {
        let path = format!("/proc/sys/net/{name}");
        let failed = |source| Error::Setting { path: path.clone(), source };
        let found = match fs::read_to_string(&path) {
            Ok(found) => found,
            // A kernel without IPv6 has nothing to switch off.
            Err(error) if error.kind() == io::ErrorKind::NotFound && name.starts_with("ipv6") => {
                continue;
            }
            Err(error) => return Err(failed(error)),
        };
        if found.trim() != *value {
            fs::write(&path, value).map_err(failed)?;
            changed.push(*name);
        }
    }
    Ok(changed)
}
