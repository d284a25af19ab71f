//! What happens to the uplink, or to the host behind it, is noticed when it happens, as it is of routers.

use std::net::IpAddr;

use model::*;

use crate::drift::Watched;
use crate::lab::*;
use crate::outside::{INTERNET, Outside, lead_out_by, outbound, share, uplink_of};

/// A watched lab of one interface that shares a public address, on a host of its own.
fn led_out(way: &Outbound, address: &str) -> (Watched, Outside, EniId) {
    let mut lab = Lab::new();
    lab.vpc(1, "10.0.0.0/16");
    lab.subnet(1, 1, "10.0.1.0/24");
    let eni = lab.eni(1, 1, 1, "10.0.1.10");
    lead_out_by(&mut lab, way);
    share(&mut lab, 1, 1, address);
    let outside = Outside::new(&lab);
    let watched = outside.on_host(|| Watched::new(lab));
    outside.await_uplink(&watched.lab);
    (watched, outside, eni)
}

/// What damages of a namespace do, one after the other: each is repaired, as it is said to be, before
/// anything sweeps.
fn insist(
    (watched, outside, eni): &mut (Watched, Outside, EniId),
    namespace: &str,
    seen: &str,
    damages: &[(&str, &str)],
) {
    let seen = Some(IpAddr::from(ip(seen)));
    for (damage, said) in damages {
        run(namespace, damage);
        watched.await_repair(said);
        outside.await_uplink(&watched.lab);
        watched.lab.await_links();
        await_links(namespace);
        assert_eq!(outside.sees(*eni, INTERNET), seen, "{damage}");
    }
}

fn exit_of(lab: &Lab) -> String {
    format!("n{:014x}", lab.id::<NatGatewayId>(1).bits() & ((1 << 56) - 1))
}

#[test]
fn damage_of_the_uplink_is_repaired_when_it_happens() {
    let mut all = led_out(&outbound(), "203.0.113.17");
    let (uplink, exit) = (uplink_of(&all.0.lab), exit_of(&all.0.lab));
    let damages = [
        ("ip route del default", "route 0.0.0.0/0"),
        ("ip route del 203.0.113.17", "route 203.0.113.17/32"),
        ("ip route del blackhole 203.0.113.16/28", "route 203.0.113.16/28"),
        ("ip route add 10.0.0.0/8 dev out0", "route 10.0.0.0/8"),
        ("ip rule add prio 5 from 10.0.0.0/8 lookup main", "a route or rule was not ours"),
        ("ip addr del 203.0.113.16/32 dev out0", "address 203.0.113.16 on out0 was missing"),
        ("ip addr add 203.0.113.99/24 dev out0", "address 203.0.113.99 on out0 was not ours"),
        ("ip neigh flush dev EXIT nud permanent", "neighbour"),
        ("ip link set out0 down", "link out0 was changed"),
        ("ip link set EXIT down", "was changed"),
        ("ip link del out0", "link out0 was missing"),
        ("ip link del EXIT", "was missing"),
        ("sysctl -qw net.ipv4.ip_forward=0", "ip_forward"),
        ("sysctl -qw net.ipv4.conf.out0.proxy_arp=0", "proxy_arp"),
        ("nft flush chain inet causeway forward", "firewall forward was changed"),
        ("nft flush set inet causeway senders", "firewall senders was changed"),
        ("nft delete table inet causeway", "the firewall was missing"),
        ("nft flush ruleset", "the firewall was missing"),
        ("nft add table ip other", "ip other was not ours"),
    ];
    let damages: Vec<(String, &str)> =
        damages.iter().map(|(line, said)| (line.replace("EXIT", &exit), *said)).collect();
    let damages: Vec<(&str, &str)> =
        damages.iter().map(|(line, said)| (line.as_str(), *said)).collect();
    insist(&mut all, &uplink, "203.0.113.17", &damages);
    let (mut watched, outside, _) = all;
    let report = outside.on_host(|| watched.lab.sweep());
    assert!(is_quiet(&report), "a sweep finds nothing to do: {report:#?}");
}

#[test]
fn an_uplink_that_lost_its_name_gets_it_back_and_connections_go_on() {
    let (mut watched, outside, eni) = led_out(&outbound(), "203.0.113.17");
    let listener = inside(&outside.out, || std::net::TcpListener::bind((INTERNET, 81)).unwrap());
    let (mut client, mut server) = connect(eni, &listener, INTERNET);
    let name = uplink_of(&watched.lab);
    for damage in ["ip netns del NAME", "umount -l /run/netns/NAME"] {
        run(&outside.home, &damage.replace("NAME", &name));
        watched.await_repair("namespace had lost its name");
        assert!(carries(&mut client, &mut server) && carries(&mut server, &mut client), "{damage}");
    }
    assert!(is_quiet(&watched.lab.sweep()));
}

#[test]
fn a_link_of_the_host_that_comes_back_is_used_when_it_does() {
    let (mut watched, outside, eni) = led_out(&outbound(), "203.0.113.17");
    // The host's own link goes, and the macvlan with it; it comes back with another number.
    run(&outside.home, "ip link del eth0");
    assert_eq!(outside.sees(eni, INTERNET), None);
    outside.connect_host();
    watched.await_repair("link out0 was missing");
    outside.await_uplink(&watched.lab);
    assert_eq!(outside.sees(eni, INTERNET), Some(ip("203.0.113.17").into()));
}

#[test]
fn damage_of_the_host_where_it_stands_for_the_uplink_is_repaired_when_it_happens() {
    let through = Outbound { way: OutboundWay::Host, ..outbound() };
    let mut all = led_out(&through, "198.18.0.1");
    let home = all.1.home.clone();
    await_links(&home);
    let links = run(&home, "ip -o link");
    let names = links.lines().filter_map(|line| line.split_whitespace().nth(1)?.split('@').next());
    let link = names.into_iter().find(|name| name.starts_with("cwup")).unwrap().to_owned();
    let table = run(&home, "nft list tables");
    let table = table.lines().next().unwrap().trim_start_matches("table ").to_owned();
    let damages = [
        (format!("ip link set {link} down"), "host: link"),
        (format!("ip link del {link}"), "link out0 was missing"),
        (format!("nft flush chain {table} translate"), "host: firewall"),
        (format!("nft delete table {table}"), "host: firewall"),
        ("sysctl -qw net.ipv4.ip_forward=0".to_owned(), "host: it did not forward"),
    ];
    let damages: Vec<(&str, &str)> =
        damages.iter().map(|(line, said)| (line.as_str(), *said)).collect();
    insist(&mut all, &home, "203.0.113.2", &damages);
}
