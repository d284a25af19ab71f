//! The ways packets take, and the ways they cannot take, with the real clients and real packets.
//!
//! Shows R1, R20, R22 and R23 of the requirements.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use support::capture::Capture;
use support::{Server, admit, dyno, join, join_vpcs, launch, open, route, site, space, text};

const WEB: &str = "#!/bin/sh\ncd /tmp\nhead -c 1000000 /dev/zero > file\n\
                   exec python3 -m http.server 8000\n";
const LISTEN: &str = "cd /tmp && exec python3 -m http.server 5000";

/// Waits until a workload's own server listens, so that silence later means a closed way.
fn listens(server: &Server, target: &str, port: u16) {
    server.until("a server listens", |server| server.connects(target, "127.0.0.1", port));
}

/// How much a workload gets from a URL.
fn fetched(server: &Server, from: &str, url: &str) -> usize {
    let script =
        format!("import urllib.request as r;print(len(r.urlopen('{url}',timeout=5).read()))");
    server.causeway(&["exec", from, "--", "python3", "-c", &script]).ok().trim().parse().unwrap()
}

/// What `why` says of a port, where it can be asked.
fn explained(server: &Server, from: &str, to: &str, port: u16) -> bool {
    let asked = ["why", from, to, "--port", &port.to_string(), "--json"];
    let ran = server.causeway(&asked);
    let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    answer["allowed"].as_bool().unwrap()
}

#[test]
fn r1_packets_of_a_peering_never_touch_an_interface_of_the_host() {
    let server = Server::linux();
    let info = space(&server, "shop-space", "shop");
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", WEB);
    let dyno = dyno(&server, "shop", LISTEN);
    listens(&server, &site.instance, 8000);
    let pcx = join(&server, &site, "shop-space", &info);
    open(&server, &site, &pcx, "10.0.0.0/16", 8000);
    server.sweep();

    let both = format!("tcp and host {} and host {}", dyno.address, site.address);
    let host = Capture::of_the_host(&both);
    let routers = [&site.vpc, &text(&info["vpc_id"])].map(|vpc| Capture::of_router(vpc, &both));
    let url = format!("http://{}:8000/file", site.address);
    assert_eq!(fetched(&server, &dyno.target, &url), 1_000_000);

    // The link is the same in both routers, and sees both directions with nothing translated.
    let digits = pcx.strip_prefix("pcx-").unwrap();
    let link = format!("p{}", &digits[digits.len() - 14..]);
    let there = format!("{}.", dyno.address);
    let back = format!("{}.8000 > {}", site.address, dyno.address);
    for router in &routers {
        let asked = router.until(|line| line.contains(&link) && line.contains(&there));
        assert!(asked.contains(&format!("> {}.8000", site.address)), "R1: {asked}");
        router.until(|line| line.contains(&link) && line.contains(&back));
    }
    assert_eq!(host.all(), Vec::<String>::new(), "R1: seen by the host");
}

#[test]
fn r20_a_secondary_block_is_out_of_reach() {
    let server = Server::linux();
    let info = space(&server, "shop-space", "shop");
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", WEB);
    let vpc = ["--vpc-id", &site.vpc, "--cidr-block"];
    let block = [&["ec2", "associate-vpc-cidr-block"][..], &vpc, &["10.200.0.0/16"]].concat();
    server.aws(&block).ok();
    let subnet = [&["ec2", "create-subnet"][..], &vpc, &["10.200.1.0/24"]].concat();
    let subnet = text(&server.aws(&subnet).json()["Subnet"]["SubnetId"]);
    let second = launch(&server, &subnet, WEB);
    assert!(second.address.starts_with("10.200.1."), "{}", second.address);
    let dyno = dyno(&server, "shop", LISTEN);
    listens(&server, &site.instance, 8000);
    listens(&server, &second.id, 8000);
    listens(&server, &dyno.target, 5000);

    let pcx = join(&server, &site, "shop-space", &info);
    open(&server, &site, &pcx, "10.0.0.0/16", 8000);
    server.sweep();
    let reaches = |from: &str, to: &str, port| server.connects(from, to, port);
    assert!(reaches(&site.instance, &second.address, 8000), "one VPC");
    assert!(reaches(&dyno.target, &site.address, 8000), "R20: the primary block");
    assert!(reaches(&site.instance, &dyno.address, 5000), "R21: and back");
    assert!(!reaches(&dyno.target, &second.address, 8000), "R20: the secondary block");
    assert!(!reaches(&second.id, &dyno.address, 5000), "R20: nor from there");
    assert!(explained(&server, &dyno.target, &site.instance, 8000));
    assert!(!explained(&server, &dyno.target, &second.id, 8000));
    assert!(!explained(&server, &second.id, &dyno.target, 5000));
}

#[test]
fn r22_the_data_services_block_is_out_of_reach() {
    let server = Server::linux();
    let info = space(&server, "shop-space", "shop");
    assert_eq!(text(&info["unavailable_cidr_blocks"][0]), "10.1.0.0/16");
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", WEB);
    let dyno = dyno(&server, "shop", LISTEN);
    listens(&server, &dyno.target, 5000);
    let pcx = join(&server, &site, "shop-space", &info);
    route(&server, &site, "10.0.0.0/16", &pcx);
    // Nobody keeps the VPC's owner from trying.
    route(&server, &site, "10.1.0.0/16", &pcx);
    server.sweep();

    let filter = format!("tcp and src host {}", site.address);
    let router = Capture::of_router(&text(&info["vpc_id"]), &filter);
    for address in ["10.1.0.1", "10.1.0.10", "10.1.255.254"] {
        assert!(!server.connects(&site.instance, address, 5432), "R22: {address}");
    }
    // Once what may pass has left the router, whatever came before has too, if it ever does.
    assert!(server.connects(&site.instance, &dyno.address, 5000));
    let last = format!("> {}.5000", dyno.address);
    router.until(|line| line.contains(" Out ") && line.contains(&last));
    let data: Vec<String> =
        router.all().into_iter().filter(|l| l.contains(" Out ") && l.contains("> 10.1.")).collect();
    assert_eq!(data, Vec::<String>::new(), "R22: went on from the space's router");
}

#[test]
fn r23_a_peering_is_no_way_to_what_is_behind_the_peer() {
    let server = Server::linux();
    let info = space(&server, "shop-space", "shop");
    let third = site(&server, "10.110.0.0/16", "10.110.1.0/24", WEB);
    let proxy = format!("{PROXY}'{}'{PROXY_END}", third.address);
    let middle = site(&server, "10.100.0.0/16", "10.100.1.0/24", &proxy);
    let first = site(&server, "10.120.0.0/16", "10.120.1.0/24", WEB);
    let dyno = dyno(&server, "shop", LISTEN);
    for (target, port) in [
        (&third.instance, 8000),
        (&middle.instance, 8000),
        (&middle.instance, 8080),
        (&first.instance, 8000),
        (&dyno.target, 5000),
    ] {
        listens(&server, target, port);
    }

    // Every route that an owner may set is set, and every group is open.
    let space = join(&server, &middle, "shop-space", &info);
    let to_first = join_vpcs(&server, &middle, &first);
    let to_third = join_vpcs(&server, &middle, &third);
    route(&server, &middle, "10.0.0.0/16", &space);
    route(&server, &middle, "10.120.0.0/16", &to_first);
    route(&server, &middle, "10.110.0.0/16", &to_third);
    for block in ["10.0.0.0/16", "10.100.0.0/16", "10.110.0.0/16"] {
        route(&server, &first, block, &to_first);
    }
    for block in ["10.0.0.0/16", "10.100.0.0/16", "10.120.0.0/16"] {
        route(&server, &third, block, &to_third);
    }
    for site in [&first, &middle, &third] {
        admit(&server, site, "0.0.0.0/0", 8000);
    }
    admit(&server, &middle, "0.0.0.0/0", 8080);
    server.sweep();

    let reaches = |from: &str, to: &str, port| server.connects(from, to, port);
    assert!(reaches(&dyno.target, &middle.address, 8000), "each peering by itself");
    assert!(reaches(&middle.instance, &dyno.address, 5000), "each peering by itself");
    for beside in [&first, &third] {
        assert!(reaches(&middle.instance, &beside.address, 8000), "each peering by itself");
        assert!(reaches(&beside.instance, &middle.address, 8000), "each peering by itself");
        assert!(!reaches(&dyno.target, &beside.address, 8000), "R23: from the space");
        assert!(!reaches(&beside.instance, &dyno.address, 5000), "R23: to the space");
        assert!(!explained(&server, &dyno.target, &beside.instance, 8000));
        assert!(!explained(&server, &beside.instance, &dyno.target, 5000));
    }
    assert!(!reaches(&first.instance, &third.address, 8000), "R23: between VPCs");
    assert!(!reaches(&third.instance, &first.address, 8000), "R23: between VPCs");

    // A proxy in the VPC makes it possible.
    let url = format!("http://{}:8080/file", middle.address);
    assert_eq!(fetched(&server, &dyno.target, &url), 1_000_000, "R23: by the proxy");
}

/// Serves on 8000, and hands on what comes to 8080 to port 8000 of an address.
const PROXY: &str = r"#!/usr/bin/env python3
import os, shutil, socket, threading, http.server
os.chdir('/tmp')
local = http.server.ThreadingHTTPServer(('', 8000), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=local.serve_forever).start()
def hand_on(near):
    far = socket.create_connection((";
const PROXY_END: &str = r", 8000))
    def copy(a, b):
        shutil.copyfileobj(a.makefile('rb', 0), b.makefile('wb', 0))
        b.shutdown(socket.SHUT_WR)
    threading.Thread(target=copy, args=(near, far)).start()
    copy(far, near)
door = socket.create_server(('', 8080))
while True:
    near, _ = door.accept()
    threading.Thread(target=hand_on, args=(near,)).start()
";
