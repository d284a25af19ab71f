//! Web traffic of apps: the public way, and the way inside, with the real clients.
//!
//! Shows R19, R21 and R26 of the requirements.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::net::SocketAddr;

use support::capture::Capture;
use support::web::{deploy, free_address, get, host};
use support::{Server, join, route, site, space, text};

const IDLE: &str = "#!/bin/sh\nexec sleep 100000\n";
const PROCFILE: &str = "web: python3 app.py\nworker: sleep 100000\n";

/// A server with a public router and a public name service.
fn server() -> (Server, SocketAddr, SocketAddr) {
    let (router, dns) = (free_address(), free_address());
    let (router_text, dns_text) = (router.to_string(), dns.to_string());
    let server = Server::linux_with(&["--router", &router_text, "--dns", &dns_text]);
    (server, router, dns)
}

/// The addresses that a name has where a workload asks; none if it has none.
fn resolved(server: &Server, at: &str, name: &str) -> Vec<String> {
    let script = format!(
        "import socket\ntry:\n print(*sorted({{a[4][0] for a in \
         socket.getaddrinfo('{name}',80,socket.AF_INET)}}))\nexcept socket.gaierror: pass"
    );
    let ran = server.causeway(&["exec", at, "--", "python3", "-c", &script]);
    ran.ok().split_whitespace().map(str::to_owned).collect()
}

/// What a workload gets from a URL: the status and the body.
fn fetched(server: &Server, at: &str, url: &str) -> (String, String) {
    let script = format!(
        "import urllib.request as r, urllib.error as e\ntry:\n a=r.urlopen('{url}',timeout=5)\n \
         print(a.status); print(a.read().decode())\nexcept e.HTTPError as x: print(x.code)\n\
         except OSError as x: print('no answer'); print(x)"
    );
    let out = server.causeway(&["exec", at, "--", "python3", "-c", &script]).ok();
    let (status, body) = out.split_once('\n').unwrap_or((&out, ""));
    (status.to_owned(), body.to_owned())
}

/// What the public name service says of a name: the response code and the addresses.
fn asked(dns: SocketAddr, name: &str) -> (u8, Vec<std::net::Ipv4Addr>) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend(label.bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    socket.send_to(&question, dns).unwrap();
    let mut answer = [0; 512];
    let size = socket.recv(&mut answer).unwrap();
    let count = usize::from(answer[7]);
    // Each answer is a pointer to the name, ten bytes of what it is, and an address.
    let addresses = (0..count).map(|n| {
        let at = question.len() + n * 16 + 12;
        assert!(at + 4 <= size, "{:?}", &answer[..size]);
        std::net::Ipv4Addr::new(answer[at], answer[at + 1], answer[at + 2], answer[at + 3])
    });
    (answer[3] & 0xf, addresses.collect())
}

#[test]
fn r19_public_apps_are_served_by_the_public_router_and_not_over_a_peering() {
    let (server, router, dns) = server();
    let info = space(&server, "shop-space", "shop");
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", IDLE);
    join(&server, &site, "shop-space", &info);
    server.heroku(&["config:set", "--app", "shop", "GREETING=hello"]).ok();
    deploy(&server, "shop", PROCFILE);
    let name = host(&server, "shop");

    let both = format!("tcp and host {}", site.address);
    let peer = Capture::of_router(&site.vpc, &both);
    let seen = get(router, &name, "/some/path?q=1").json();
    assert_eq!(seen["path"], "/some/path?q=1");
    assert_eq!(seen["env"]["GREETING"], "hello");
    assert_eq!(seen["env"]["DYNO"], "web.1");
    assert_eq!(seen["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["headers"]["x-forwarded-proto"], "http");
    assert!(seen["headers"]["x-request-id"].is_string());
    let routers = ["10.0.0.", "10.0.16."];
    let from = text(&seen["peer"]);
    assert!(routers.iter().any(|net| from.starts_with(net)), "R7: {from}");
    assert_eq!(get(router, "nobody.apps.localhost", "/").status, 404);
    assert_eq!(peer.all(), Vec::<String>::new(), "R19: seen in the peered VPC");

    // Its name, and a custom domain's, lead to the public router (R19); dynos' names to nothing (R21).
    let std::net::IpAddr::V4(public) = router.ip() else { panic!() };
    assert_eq!(asked(dns, &name), (0, vec![public]));
    assert_eq!(asked(dns, "1.web.shop.app.localspace").0, 3, "R21: no public record");
    server.heroku(&["domains:add", "www.example.com", "--app", "shop"]).ok();
    server.sweep();
    assert_eq!(get(router, "WWW.Example.com", "/").json()["env"]["DYNO"], "web.1");

    // Only who is trusted gets in.
    server.heroku(&["trusted-ips:remove", "0.0.0.0/0", "--space", "shop-space"]).ok();
    server.heroku(&["trusted-ips:add", "192.0.2.0/24", "--space", "shop-space"]).ok();
    server.sweep();
    assert_eq!(get(router, &name, "/").status, 403);
    server.heroku(&["trusted-ips:add", "127.0.0.0/8", "--space", "shop-space"]).ok();
    server.sweep();
    assert_eq!(get(router, &name, "/").status, 200);

    // The errors that Heroku tells apart.
    server.heroku(&["ps:scale", "web=0", "--app", "shop"]).ok();
    server.until("H14", |_| {
        let response = get(router, &name, "/");
        response.status == 503 && response.header("x-causeway-error") == Some("H14")
    });
}

#[test]
fn r26_internal_apps_are_reached_from_the_space_and_its_peers_alone() {
    let (server, router, dns) = server();
    let info = space(&server, "shop-space", "shop");
    server.heroku(&["apps:create", "inner", "--space", "shop-space", "--internal-routing"]).ok();
    let shown = server.heroku(&["apps:info", "inner"]).ok();
    assert!(shown.contains("Internal Routing"), "{shown}");
    deploy(&server, "inner", "web: python3 app.py\n");
    deploy(&server, "shop", PROCFILE);
    let (name, public) = (host(&server, "inner"), host(&server, "shop"));
    let url = format!("http://{name}/");

    // From the space itself.
    let inside = resolved(&server, "shop/web.1", &name);
    assert_eq!(inside.len(), 2, "{inside:?}");
    assert!(
        inside[0].starts_with("10.0.0.") && inside[1].starts_with("10.0.16."),
        "R7: {inside:?}"
    );
    let (status, body) = fetched(&server, "shop/web.1", &url);
    assert_eq!(status, "200", "R26: {body}");
    let shop = resolved(&server, "shop/web.1", "web.shop.app.localspace");
    assert_eq!(shop.len(), 1);
    assert!(shop[0].starts_with("10.0.128.") || shop[0].starts_with("10.0.144."), "{shop:?}");

    // From a VPC: not before it is peered, then with one route for the whole block.
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", IDLE);
    let at = site.instance.as_str();
    assert_eq!(resolved(&server, at, &name), Vec::<String>::new(), "R26: no peering, no name");
    let pcx = join(&server, &site, "shop-space", &info);
    server.sweep();
    assert_eq!(resolved(&server, at, &name), inside);
    assert_eq!(fetched(&server, at, &url).0, "no answer", "there is no route yet");
    route(&server, &site, "10.0.0.0/16", &pcx);
    server.sweep();
    let (status, body) = fetched(&server, at, &url);
    assert_eq!(status, "200", "R26: {body}");
    let seen: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(seen["headers"]["x-forwarded-for"], site.address.as_str());
    assert_eq!(resolved(&server, at, "web.shop.app.localspace"), Vec::<String>::new());
    // The public app is not served inside, nor the internal one outside.
    let routed = fetched(&server, at, &format!("http://{}/", inside[0])).0;
    assert_eq!(routed, "404");
    assert_eq!(get(router, &name, "/").status, 404, "R26: refused from outside");
    assert_ne!(
        asked(dns, &name).1,
        [router.ip().to_string().parse::<std::net::Ipv4Addr>().unwrap()]
    );
    assert_eq!(asked(dns, &name).1, Vec::<std::net::Ipv4Addr>::new(), "R26: no name outside");
    assert_eq!(get(router, &public, "/").status, 200);

    // With a route for each block, as the document's second option has it.
    server
        .aws(&[
            "ec2",
            "delete-route",
            "--route-table-id",
            &site.table,
            "--destination-cidr-block",
            "10.0.0.0/16",
        ])
        .ok();
    for block in info["space_cidr_blocks"].as_array().unwrap() {
        route(&server, &site, block.as_str().unwrap(), &pcx);
    }
    server.sweep();
    assert_eq!(fetched(&server, at, &url).0, "200", "R26: by a route for each block");

    // From a VPC that is not peered.
    let other = support::site(&server, "10.101.0.0/16", "10.101.1.0/24", IDLE);
    assert_eq!(resolved(&server, &other.instance, &name), Vec::<String>::new());
    for address in &inside {
        assert!(!server.connects(&other.instance, address, 80), "R26: {address}");
    }
}
