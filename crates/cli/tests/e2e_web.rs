//! Web traffic of apps: the public way, and the way inside, with the real clients.
//!
//! Shows R19, R21 and R26 of the requirements.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};

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
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
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
    let peering = Capture::of_router(&site.vpc, &format!("tcp and host {}", site.address));
    let outside = Capture::of_the_host(&format!("tcp port 80 and host {}", site.address));
    let (status, body) = fetched(&server, at, &url);
    assert_eq!(status, "200", "R26: {body}");
    peering.until(|line| {
        line.contains(&format!("{}.80", inside[0])) || line.contains(&format!("{}.80", inside[1]))
    });
    assert_eq!(outside.all(), Vec::<String>::new(), "R1: seen on an interface of the host's");
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

/// Answers every question for an address with the same one, and keeps what it was asked.
fn resolver_of_the_host() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((size, from)) = socket.recv_from(&mut packet) {
            let mut labels = Vec::new();
            let mut at = 12;
            while packet[at] != 0 {
                let end = at + 1 + usize::from(packet[at]);
                labels.push(String::from_utf8_lossy(&packet[at + 1..end]).into_owned());
                at = end;
            }
            assert!(at + 5 <= size);
            kept.lock().unwrap().push(labels.join("."));
            let is_a = packet[at + 1..at + 3] == [0, 1];
            let mut answer = packet[..at + 5].to_vec();
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
            if is_a {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 7]);
            }
            socket.send_to(&answer, from).unwrap();
        }
    });
    (address, asked)
}

#[test]
fn names_of_peers_and_of_others() {
    let (resolver, asked) = resolver_of_the_host();
    let server = Server::linux_with(&["--forward-dns", &resolver.to_string()]);
    let info = space(&server, "shop-space", "shop");
    deploy(&server, "shop", PROCFILE);
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", IDLE);
    let pcx = join(&server, &site, "shop-space", &info);
    let shown = server.aws(&["ec2", "describe-instances", "--instance-ids", &site.instance]);
    let name = text(&shown.json()["Reservations"][0]["Instances"][0]["PrivateDnsName"]);
    let none = Vec::<String>::new();
    let at = "shop/web.1";
    server.sweep();

    // A VPC's own names, and a peer's only while its owner lets others have them and has them.
    assert_eq!(resolved(&server, &site.instance, &name), [site.address.as_str()]);
    assert_eq!(resolved(&server, at, &name), none);
    let allow = [
        "ec2",
        "modify-vpc-peering-connection-options",
        "--vpc-peering-connection-id",
        &pcx,
        "--requester-peering-connection-options",
        "AllowDnsResolutionFromRemoteVpc=true",
    ];
    assert!(server.aws(&allow).refused().contains("DNS"), "its owner has no host names");
    let hostnames = |on: &str| {
        server.aws(&["ec2", "modify-vpc-attribute", "--vpc-id", &site.vpc, on]).ok();
        server.sweep();
    };
    hostnames("--enable-dns-hostnames");
    server.aws(&allow).ok();
    server.sweep();
    assert_eq!(resolved(&server, at, &name), [site.address.as_str()]);
    hostnames("--no-enable-dns-hostnames");
    assert_eq!(resolved(&server, at, &name), none);

    // What nobody here knows the host's resolver is asked, and nothing else.
    for from in [at, site.instance.as_str()] {
        assert_eq!(resolved(&server, from, "www.example.org"), ["203.0.113.7"]);
        for name in ["ip-10-9-9-9.ec2.internal", "x.app.localspace", "x.apps.internal"] {
            assert_eq!(resolved(&server, from, name), none, "{name}");
        }
    }
    let asked = asked.lock().unwrap().clone();
    assert!(asked.iter().all(|name| name == "www.example.org"), "{asked:?}");
}

/// A key and a certificate for names, in files.
fn certificate(dir: &std::path::Path, names: &str) -> (String, String) {
    let [key, chain] = ["key.pem", "chain.pem"].map(|name| dir.join(name).display().to_string());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=router", "-addext"])
        .arg(format!("subjectAltName={names}"))
        .args(["-keyout", &key, "-out", &chain])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (key, chain)
}

#[test]
fn a_real_client_over_tls_and_http_2_and_a_pattern_of_names() {
    let dir = tempfile::tempdir().unwrap();
    let (_, chain) = certificate(dir.path(), "DNS:*.apps.localhost,DNS:*.example.com");
    let (clear, secure) = (free_address(), free_address());
    let (clear_text, secure_text) = (clear.to_string(), secure.to_string());
    // The edge, which reads them, has another working directory than the server.
    let server = Server::on(
        dir.path(),
        &[
            "--fabric",
            "linux",
            "--test-clock",
            "--router",
            &clear_text,
            "--router-tls",
            &secure_text,
            "--router-cert",
            "chain.pem",
            "--router-key",
            "./key.pem",
        ],
    );
    space(&server, "shop-space", "shop");
    deploy(&server, "shop", PROCFILE);
    server.heroku(&["domains:add", "*.example.com", "--app", "shop"]).ok();
    server.sweep();
    let own = host(&server, "shop");
    for (name, version, expected) in [
        (own.as_str(), "--http1.1", "1.1"),
        (own.as_str(), "--http2", "2"),
        ("any.example.com", "--http2", "2"),
    ] {
        let url = format!("https://{name}:{}/path", secure.port());
        let here = format!("{name}:{}:127.0.0.1", secure.port());
        let body = dir.path().join("body").display().to_string();
        let ran = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20", version, "--cacert", &chain])
            .args([
                "--resolve",
                &here,
                "--output",
                &body,
                "--write-out",
                "%{http_version} %{http_code}",
                &url,
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        let problem = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(said, format!("{expected} 200"), "{name}: {problem}");
        let seen: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&body).unwrap()).unwrap();
        assert_eq!(seen["headers"]["x-forwarded-proto"], "https");
        assert_eq!(seen["headers"]["x-forwarded-port"], secure.port().to_string());
        assert_eq!(seen["headers"]["host"], format!("{name}:{}", secure.port()));
    }
    assert_eq!(get(clear, "deep.down.example.com", "/").status, 200);
    assert_eq!(get(clear, "example.com", "/").status, 404);
    let refused = server.heroku(&["domains:add", "mine.apps.localhost", "--app", "shop"]).refused();
    assert!(refused.contains("platform's own domain"), "{refused}");
}
