//! Whether OVN's databases, or the Open vSwitch of a host, can be used.

use std::path::Path;
use std::time::Duration;

use fabric::driver::Check;
use fabric::linux::mtu_at;
use os::error_chain;

use crate::central::watches;
use crate::connection::{self, Database};
use crate::driver::Alarm;
use crate::host::TUNNEL;
use crate::uptake::Uptake;
use crate::version;

/// How long a database may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at the databases that all networks are written to.
pub fn doctor(northbound: &Database, southbound: &Database) -> Vec<Check> {
    let run = "see that ovn-northd and both of its databases run, and that this machine may connect: `ovn-nbctl \
               set-connection ptcp:6641`, `ovn-sbctl set-connection ptcp:6642`, or pssl: for TLS";
    let alarm = Alarm::default();
    let connect = |at: &Database, name: &str, watches| {
        let client = at.client(name, watches, &alarm)?;
        connection::wait(&client, &at.name(), PATIENCE).map(|()| client)
    };
    // Of nobody's installation, so that few rows are read.
    let north = connect(northbound, "OVN_Northbound", watches(""));
    let south = connect(southbound, "OVN_Southbound", Uptake::watches(""));
    let mut checks = vec![
        check("northbound database", run, said(&north, northbound)),
        check("southbound database", run, said(&south, southbound)),
    ];
    if let Ok(north) = north {
        let release = version::require(&north.snapshot());
        let install =
            "install ovn-central 25.03 or newer, on all hosts ovn-host of the same release";
        checks.push(check("release of OVN", install, release));
    }
    if let Ok(south) = south {
        let mut hosts: Vec<String> = Uptake::new(south).chassis().into_iter().collect();
        hosts.truncate(10);
        let known = match hosts.is_empty() {
            true => Err("none has said that it is there".to_owned()),
            false => Ok(hosts.join(", ")),
        };
        let hosts = "start ovn-controller on each host; before that nothing is carried";
        checks.push(Check { needed: false, ..check("hosts", hosts, known) });
    }
    checks
}

/// Looks at the Open vSwitch of this host.
pub fn doctor_of_host(switch: &Database) -> Vec<Check> {
    let run = "start openvswitch-switch, or name its database with --ovs";
    let found = switch.switch("", &Alarm::default()).and_then(|found| {
        connection::wait(found.client(), &switch.name(), PATIENCE).map(|()| found)
    });
    let found = match found {
        Ok(found) => found,
        Err(why) => return vec![check("Open vSwitch", run, Err(why))],
    };
    let set = "ovs-vsctl set Open_vSwitch . external_ids:system-id=NAME \
               external_ids:ovn-remote=tcp:CENTRAL:6642 external_ids:ovn-encap-type=geneve \
               external_ids:ovn-encap-ip=ADDRESS";
    let address = found.encapsulation().ok_or_else(|| "no ovn-encap-ip is set".to_owned());
    let tunnel = address.and_then(|address| match mtu_at(address) {
        Ok(Some(mtu)) => {
            Ok(format!("{address}, with {} bytes a packet", mtu.saturating_sub(TUNNEL)))
        }
        Ok(None) => Err(format!("no link of this host has {address}")),
        Err(error) => Err(error_chain(&error)),
    });
    let control = "start ovn-controller (ovn-host) on this host, which makes the bridge";
    let bridge = found.is_user_space().map_err(|error| error.to_string());
    let user_space = bridge.as_ref().is_ok_and(|user_space| *user_space);
    let module = Path::new("/sys/module/openvswitch").exists() || user_space;
    let fast = "load the kernel's module openvswitch, or set \
                external_ids:ovn-bridge-datapath-type=netdev for a slower switch without it";
    let datapath = match module {
        true if user_space => Ok("packets are switched outside of the kernel".to_owned()),
        true => Ok("packets are switched by the kernel".to_owned()),
        false => Err("the kernel has not loaded openvswitch".to_owned()),
    };
    vec![
        check("Open vSwitch", run, Ok(format!("{} answers", switch.name()))),
        check("name for OVN", set, found.chassis().map_err(|error| error.to_string())),
        check("tunnels", set, tunnel),
        check("bridge of OVN", control, bridge.map(|_| "is there".to_owned())),
        Check { needed: false, ..check("datapath", fast, datapath) },
    ]
}

fn said<T>(client: &Result<T, String>, at: &Database) -> Result<String, String> {
    client.as_ref().map(|_| format!("{} answers", at.name())).map_err(Clone::clone)
}

fn check(name: &'static str, remedy: &str, found: Result<String, String>) -> Check {
    match found {
        Ok(detail) => Check { name, ok: true, needed: true, detail, remedy: String::new() },
        Err(detail) => Check { name, ok: false, needed: true, detail, remedy: remedy.to_owned() },
    }
}
