//! Whether this machine can carry the Linux fabric: tried, not guessed, in a namespace of nobody.

use std::os::fd::AsFd;

use os::error_chain;

use super::monitor::Monitor;
use super::namespace::{enter_new, failed, on_own_thread};
use super::netlink::{Netlink, VethEnd};
use super::nft::Nft;
use super::plan::{LinkEnd, ROUTER_MAC, Router};
use super::{conntrack, sysctl};
use crate::driver::{Check, Error};

/// Looks at everything that the Linux fabric needs. Leaves nothing behind.
pub fn doctor() -> Vec<Check> {
    let is_root = nix::unistd::geteuid().is_root();
    let root = check("root", "run as root, or with --fabric none", || {
        if is_root { Ok("yes".into()) } else { Err("no".into()) }
    });
    let forwarding = on_own_thread(forwarding);
    let rest = on_own_thread(|| {
        let space = check("namespaces", "a kernel with CONFIG_NET_NS, and root", || {
            enter_new("(probe)").map_err(|error| error_chain(&error))?;
            Ok("a network namespace can be made".into())
        });
        if !space.ok {
            return vec![space];
        }
        vec![
            space,
            check("libnftables", "apt-get install libnftables1", || said(Nft::open(), "loaded")),
            check("nftables", "a kernel with CONFIG_NF_TABLES_INET and CONFIG_NFT_CT", || {
                said(firewall(), "the ruleset loads")
            }),
            check("veth", "a kernel with CONFIG_VETH", || said(links(), "a pair can be made")),
            optional(check(
                "way outside",
                "a kernel with CONFIG_MACVLAN, or --outbound host",
                || said(outside(), "a private macvlan can be made"),
            )),
            check("policy routing", "a kernel with CONFIG_IP_MULTIPLE_TABLES", || {
                said(routing(), "rules and tables can be made")
            }),
            check("connection tracking", "a kernel with CONFIG_NF_CT_NETLINK", || {
                said(conntrack::forget(|_, _| false), "connections can be read")
            }),
            optional(check(
                "flow records",
                "a kernel with CONFIG_NETFILTER_NETLINK_LOG, CONFIG_NFT_LOG and \
                 CONFIG_NF_CONNTRACK_EVENTS",
                || said(flow_records(), "dropped packets and connections can be told of"),
            )),
            optional(check(
                "news of changes",
                "in a container: --cap-add NET_BROADCAST; without it, what others change is found \
                 by the comparisons every 30 s",
                || said(monitors(), "what others change is heard at once"),
            )),
            check("settings", "mount /proc/sys read-write", || {
                said(sysctl::router(), "can be written")
            }),
        ]
    });
    let rest = rest.unwrap_or_else(|error| {
        vec![check("worker thread", "lift the limit of threads", || Err(error_chain(&error)))]
    });
    [root].into_iter().chain(rest).chain(forwarding).collect()
}

/// Looks at what interfaces need whose packets a switch of this host carries. Leaves nothing behind.
pub fn doctor_of_ports() -> Vec<Check> {
    let needed = ["root", "namespaces", "veth", "settings", "worker thread"];
    let mut checks = doctor();
    checks.retain(|check| needed.contains(&check.name));
    checks
}

/// Whether this kernel can tell of flows: tried, in a namespace of nobody.
///
/// # Errors
///
/// What it lacks.
pub fn can_record() -> Result<(), Error> {
    on_own_thread(|| {
        enter_new("(probe)")?;
        flow_records()
    })
    .flatten()
}

fn check(name: &'static str, remedy: &str, look: impl FnOnce() -> Result<String, String>) -> Check {
    match look() {
        Ok(detail) => Check { name, ok: true, needed: true, detail, remedy: String::new() },
        Err(detail) => Check { name, ok: false, needed: true, detail, remedy: remedy.to_owned() },
    }
}

/// Whether the host's own firewall would drop what the host is to forward: it does where Docker runs.
/// Only `--outbound host` needs it.
fn forwarding() -> Check {
    let remedy = "for --outbound host: iptables -I FORWARD -i cwup+ -j ACCEPT; iptables -I FORWARD \
                  -o cwup+ -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT";
    optional(check("forwarding by the host", remedy, || {
        // Without libnftables or root there is another check that fails.
        let listing = Nft::open().and_then(|mut nft| nft.run("list ruleset")).unwrap_or_default();
        match drops_what_is_forwarded(&listing) {
            Some(chain) => Err(format!("the chain {chain} of its firewall drops by default")),
            None => Ok("no chain of its firewall drops by default".into()),
        }
    }))
}

/// The chain of a ruleset that drops what is forwarded unless a rule accepts it.
fn drops_what_is_forwarded(listing: &str) -> Option<String> {
    let (mut table, mut chain) = ("", "");
    for line in listing.lines() {
        let words = line.trim();
        if let Some(name) = line.strip_prefix("table ") {
            table = name.trim_end_matches([' ', '{']);
        } else if let Some(name) = words.strip_prefix("chain ") {
            chain = name.trim_end_matches([' ', '{']);
        } else if words.contains("hook forward ") && words.ends_with("policy drop;") {
            return Some(format!("{table} {chain}"));
        }
    }
    None
}

/// A check of what is needed only by those who ask for it.
fn optional(check: Check) -> Check {
    Check { needed: false, ..check }
}

fn said<T>(result: Result<T, Error>, text: &str) -> Result<String, String> {
    result.map(|_| text.to_owned()).map_err(|error| error_chain(&error))
}

/// A router with one interface and one peering: all the kinds of rules that there are.
fn sample() -> Router {
    let text = include_str!("doctor/sample.json");
    let vpc = serde_json::from_str(text).expect("the sample is a VPC's intent");
    let pcx = "pcx-00000000000000001".parse().expect("the id is well-formed");
    let other = "vpc-00000000000000002".parse().expect("the id is well-formed");
    let links = [(pcx, LinkEnd { mtu: 1500, requester: true, other })].into();
    Router { vpc, links, exit_mtu: 1500, recorded: false }
}

fn firewall() -> Result<(), Error> {
    Nft::open()?.run(&sample().ruleset().create()).map(drop)
}

/// What hears of changes in all namespaces, which is a right of its own.
fn monitors() -> Result<(), Error> {
    let open = || Monitor::of_routes().and_then(|_| Monitor::of_firewalls()).map(drop);
    open().map_err(|source| failed("(probe)", "listen beyond", source))
}

fn flow_records() -> Result<(), Error> {
    let mut nft = Nft::open()?;
    nft.run("flush ruleset")?;
    nft.run(&Router { recorded: true, ..sample() }.ruleset().create())?;
    super::flows::check()
}

fn links() -> Result<(), Error> {
    let mut netlink = Netlink::open()?;
    let own = own_namespace()?;
    let here = VethEnd { name: "causeway0", mac: ROUTER_MAC, mtu: 9001 };
    let there = VethEnd { name: "causeway1", mac: ROUTER_MAC, mtu: 9001 };
    netlink.add_veth(&here, &there, own.as_fd())?;
    netlink.delete_link("causeway0")
}

/// A private macvlan of a link that is there, in another namespace.
fn outside() -> Result<(), Error> {
    let mut netlink = Netlink::open()?;
    let own = own_namespace()?;
    let here = VethEnd { name: "causeway0", mac: ROUTER_MAC, mtu: 1500 };
    let there = VethEnd { name: "causeway1", mac: ROUTER_MAC, mtu: 1500 };
    netlink.add_veth(&here, &there, own.as_fd())?;
    let parent = netlink.index("causeway0")?;
    let made = netlink.add_macvlan(parent, "causeway2", ROUTER_MAC, own.as_fd());
    netlink.delete_link("causeway0")?;
    made
}

fn own_namespace() -> Result<std::fs::File, Error> {
    std::fs::File::open("/proc/thread-self/ns/net")
        .map_err(|source| failed("(probe)", "open", source))
}

fn routing() -> Result<(), Error> {
    let mut netlink = Netlink::open()?;
    let mut goal = sample().state();
    // The routes over links need the links, which were looked at before.
    goal.links.clear();
    goal.neighbours.clear();
    use super::state::Hop;
    goal.routes.retain(|_, hop| matches!(hop, Hop::Blackhole | Hop::Refuse));
    let requests = super::state::State::default().additions(&goal, &mut netlink)?;
    netlink.batch(requests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::ruleset::Ruleset;

    #[test]
    fn a_firewall_that_drops_what_is_forwarded_is_named() {
        let docker = "table ip nat {\n\tchain POSTROUTING {\n\t\ttype nat hook postrouting priority \
                      srcnat; policy accept;\n\t}\n}\ntable ip filter {\n\tchain FORWARD {\n\t\ttype \
                      filter hook forward priority filter; policy drop;\n\t\tcounter packets 0\n\t}\n}\n";
        assert_eq!(drops_what_is_forwarded(docker).as_deref(), Some("ip filter FORWARD"));
        let open = docker.replace("policy drop;", "policy accept;");
        assert_eq!(drops_what_is_forwarded(&open), None);
    }

    #[test]
    fn the_sample_has_every_kind_of_rule() {
        let text = sample().ruleset().create();
        for part in [
            "icmp type 8 icmp code 0 ",
            "@members_sg-00000000000000001",
            "tcp dport 8000-8010",
            "meta l4proto 50 ",
            "goto acl_in_acl-00000000000000001",
            "goto from_pcx-00000000000000001",
            "element inet causeway resolvers { 10.0.0.2, 169.254.169.253 }",
            "snat ip to ip saddr map { 10.0.0.4 : 203.0.113.20 }",
            "dnat ip to ip daddr map { 203.0.113.20 : 10.0.0.4 }",
            "snat ip to 203.0.113.17",
            "goto leave_nat-00000000000000001",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        // What is beside it, the table and the gate, is the same for every ruleset.
        let update = sample().ruleset().update(&Ruleset::default());
        let beside = Ruleset { gated: true, ..Ruleset::default() }.create().lines().count();
        assert_eq!(update.lines().count() + beside, text.lines().count());
    }
}
