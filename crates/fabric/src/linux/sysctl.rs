//! Kernel settings of a namespace.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{self, Write};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use crate::driver::Error;

/// The directory of all settings of the network.
const DIRECTORY: &str = "/proc/sys/net";

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
    // The firewall has checked each packet's source. Otherwise the kernel looks up the way back to it
    // for each packet, because there are policy rules.
    ("ipv4/conf/all/accept_local", "1"),
    // Hardly any packet is for a socket of the router's own.
    ("ipv4/ip_early_demux", "0"),
    // An error goes back the way that the mark of the packet it is about says.
    ("ipv4/fwmark_reflect", "1"),
    // Last: writing it resets others.
    ("ipv4/ip_forward", "1"),
];

/// What makes a workload's namespace pass on what is for others.
const MIDDLEBOX: &[(&str, &str)] = &[
    // What it passes on may go back by the link that it came by, and nobody is to be told of a shorter way.
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/eth0/send_redirects", "0"),
    ("ipv4/ip_forward", "1"),
];
/// Otherwise it passes nothing on, whatever the host's own setting is, which a new namespace may have.
const NO_MIDDLEBOX: &[(&str, &str)] = &[("ipv4/ip_forward", "0")];

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
pub(super) fn router() -> Result<Vec<&'static str>, Error> {
    // Forwarding last resets redirects to those of a router, so all are looked at again.
    let changed = settle(ROUTER)?;
    if !changed.is_empty() {
        settle(ROUTER)?;
    }
    Ok(changed)
}

/// Makes the calling thread's namespace a workload's; returns the settings that were otherwise.
pub(super) fn workload() -> Result<Vec<&'static str>, Error> {
    settle(WORKLOAD)
}

/// Has the calling thread's namespace, a workload's with its links, pass on what is for others or not;
/// returns the settings that were otherwise.
pub(super) fn middlebox(passes_on: bool) -> Result<Vec<&'static str>, Error> {
    let settings = if passes_on { MIDDLEBOX } else { NO_MIDDLEBOX };
    let changed = settle(settings)?;
    if !changed.is_empty() {
        // Forwarding sets others to what suits a router, or a host.
        settle(settings)?;
        settle(WORKLOAD)?;
    }
    Ok(changed)
}

/// Whether the kernel tells of connections, and can count what goes over them, in the calling thread's
/// namespace.
pub(super) fn can_record() -> Result<(), Error> {
    for name in ["nf_conntrack_events", "nf_conntrack_acct"] {
        let path = format!("{DIRECTORY}/netfilter/{name}");
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| Error::Setting { path: path.clone(), source })?;
        if name == "nf_conntrack_events" && text.trim() == "0" {
            let source = io::Error::other("it is 0, so that nothing is told of connections");
            return Err(Error::Setting { path, source });
        }
    }
    Ok(())
}

/// Has the calling thread's namespace, a router's, count the packets and bytes of connections or not.
pub(super) fn accounting(on: bool) -> Result<(), Error> {
    write("netfilter/nf_conntrack_acct", if on { "1" } else { "0" }).map(drop)
}

const FORWARDING: &str = "ipv4/ip_forward";

/// Whether the calling thread's namespace forwards packets.
pub(super) fn forwards() -> Result<bool, Error> {
    let path = format!("{DIRECTORY}/{FORWARDING}");
    let text = std::fs::read_to_string(&path).map_err(|source| Error::Setting { path, source })?;
    Ok(text.trim() != "0")
}

/// Has the calling thread's namespace forward packets or not.
pub(super) fn set_forwarding(on: bool) -> Result<(), Error> {
    write(FORWARDING, if on { "1" } else { "0" }).map(drop)
}

/// Has the calling thread's namespace speak no IPv6 on a link.
pub(super) fn without_ipv6(link: &str) -> Result<(), Error> {
    match write(&format!("ipv6/conf/{link}/disable_ipv6"), "1") {
        Err(Error::Setting { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// Writes a setting unless it is so, and says whether it was otherwise.
fn write(name: &str, value: &str) -> Result<bool, Error> {
    let path = format!("{DIRECTORY}/{name}");
    let write = || {
        if std::fs::read_to_string(&path)?.trim() == value {
            return Ok(false);
        }
        std::fs::write(&path, value).map(|()| true)
    };
    write().map_err(|source| Error::Setting { path: path.clone(), source })
}

/// Has the calling thread's namespace answer, on a link, for all addresses that it leads to; returns the
/// settings that were otherwise.
pub(super) fn answers_for_others(link: &str) -> Result<Vec<String>, Error> {
    // At once: whoever asks waits.
    let settings = [
        (format!("ipv4/conf/{link}/proxy_arp"), "1"),
        (format!("ipv4/neigh/{link}/proxy_delay"), "0"),
    ];
    let mut changed = Vec::new();
    for (name, value) in settings {
        if write(&name, value)? {
            changed.push(name);
        }
    }
    Ok(changed)
}

/// Has the calling thread's namespace ask again soon, on a link, who has an address, and everybody: it may be another's
/// by then, and nobody tells. Who answers is near.
pub(super) fn asks_again(link: &str) -> Result<(), Error> {
    let settings = [
        ("base_reachable_time_ms", "500"),
        ("delay_first_probe_time", "0"),
        // The last answer counts, however soon it comes.
        ("locktime", "0"),
        ("mcast_resolicit", "3"),
        ("ucast_solicit", "0"),
    ];
    for (name, value) in settings {
        write(&format!("ipv4/neigh/{link}/{name}"), value)?;
    }
    Ok(())
}

fn settle(settings: &'static [(&'static str, &'static str)]) -> Result<Vec<&'static str>, Error> {
    let mut changed = Vec::new();
    let mut families: BTreeMap<&str, Option<File>> = BTreeMap::new();
    for (name, value) in settings {
        let failed = |source| Error::Setting { path: format!("{DIRECTORY}/{name}"), source };
        let Some((family, rest)) = name.split_once('/') else { continue };
        let directory = match families.entry(family) {
            Entry::Occupied(opened) => opened.into_mut(),
            Entry::Vacant(first) => first.insert(open_family(family).map_err(failed)?),
        };
        let Some(directory) = directory else { continue };
        let open = |flags| openat(&*directory, rest, flags | OFlag::O_CLOEXEC, Mode::empty());
        let read = || io::read_to_string(File::from(open(OFlag::O_RDONLY)?));
        if read().map_err(failed)?.trim() != *value {
            let write = || File::from(open(OFlag::O_WRONLY)?).write_all(value.as_bytes());
            write().map_err(failed)?;
            changed.push(*name);
        }
    }
    Ok(changed)
}

/// Opens the directory of a family's settings; `None` where the kernel has no IPv6, and so nothing
/// of it to switch off.
///
/// The kernel finds it among the directories of all namespaces, one after the other, but what is in
/// it at once. So it is looked for once, and not for each setting.
fn open_family(family: &str) -> io::Result<Option<File>> {
    match File::open(format!("{DIRECTORY}/{family}")) {
        Ok(directory) => Ok(Some(directory)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && family == "ipv6" => Ok(None),
        Err(error) => Err(error),
    }
}
