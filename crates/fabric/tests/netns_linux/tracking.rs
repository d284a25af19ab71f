//! The kernel's table of connections: each VPC's router has its own.

use std::net::UdpSocket;

use model::*;

use crate::lab::*;

/// How many connections a router tracks, and how many it may.
fn tracked(router: &str) -> [usize; 2] {
    ["nf_conntrack_count", "nf_conntrack_max"].map(|name| {
        run(router, &format!("cat /proc/sys/net/netfilter/{name}")).trim().parse().unwrap()
    })
}

#[test]
fn who_fills_the_table_of_connections_keeps_nobody_else_from_any() {
    let mut lab = Lab::new();
    let mut pairs = Vec::new();
    for vpc in [1, 2] {
        lab.vpc(vpc, "10.1.0.0/16");
        lab.subnet(vpc, vpc, "10.1.0.0/24");
        let pair = ["10.1.0.4", "10.1.0.5"];
        pairs.push([0, 1].map(|n| lab.eni(vpc, vpc, 10 * vpc + n, pair[n as usize])));
    }
    lab.sweep();
    let routers = [1, 2].map(|vpc| format!("cw-{}", lab.id::<VpcId>(vpc)));
    // However slow the machine is, nothing lapses before the end.
    run(&routers[0], "sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600");
    let [_, most] = tracked(&routers[0]);
    // One datagram for each pair of ports, and some more than there is room for.
    let ports = 10_000..60_000_u16;
    let sources = most / ports.len() + 2;
    let sockets: Vec<UdpSocket> = (0..sources).map(|_| udp(pairs[0][0], 0)).collect();
    for socket in &sockets {
        for port in ports.clone() {
            // Nobody listens, and the last answer to that effect is an error here.
            let _ = socket.send_to(b"x", (ip("10.1.0.5"), port));
        }
    }
    let ([full, _], [empty, _]) = (tracked(&routers[0]), tracked(&routers[1]));
    assert!(full * 10 > most * 9 && full <= most, "{full} of {most}");
    assert!(empty < 100, "{empty}");
    let server = udp(pairs[1][1], 5000);
    for _ in 0..20 {
        assert!(datagram(&udp(pairs[1][0], 0), &server, "10.1.0.5").is_some());
    }
    assert!(reaches(pairs[1][0], pairs[1][1], "10.1.0.5", 80));
}
