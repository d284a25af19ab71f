//! What lies beyond a peering, and how many there may be.
//!
//! Shows R23 and R24 of the requirements.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use support::{Server, admit, dyno, join, join_vpcs, peer, route, site, space, text};

const WEB: &str = "#!/bin/sh\ncd /tmp\nexec python3 -m http.server 8000\n";
/// Hands every connection to port 8080 on to port 8000 of the third network.
const PROXY: &str = r#"#!/usr/bin/python3
import socket, threading
def pump(a, b):
    try:
        while data := a.recv(65536): b.sendall(data)
    except OSError: pass
    for s in (a, b):
        try: s.shutdown(socket.SHUT_RDWR)
        except OSError: pass
listener = socket.create_server(("0.0.0.0", 8080))
while True:
    a, _ = listener.accept()
    b = socket.create_connection(("10.102.1.4", 8000), 5)
    threading.Thread(target=pump, args=(a, b), daemon=True).start()
    threading.Thread(target=pump, args=(b, a), daemon=True).start()
"#;

#[test]
fn r23_a_proxy_makes_the_third_network_reachable_and_nothing_else_does() {
    let server = Server::linux();
    let info = space(&server, "shop-space", "shop");
    let near = site(&server, "10.101.0.0/16", "10.101.1.0/24", PROXY);
    let far = site(&server, "10.102.0.0/16", "10.102.1.0/24", WEB);
    assert_eq!(far.address, "10.102.1.4", "where the proxy looks for it");
    let dyno = dyno(&server, "shop", "sleep 100000").target;
    let pcx = join(&server, &near, "shop-space", &info);
    let beyond = join_vpcs(&server, &near, &far);
    route(&server, &near, "10.0.0.0/16", &pcx);
    route(&server, &near, "10.102.0.0/16", &beyond);
    route(&server, &far, "10.101.0.0/16", &beyond);
    // Nobody keeps the owner from trying; the packets do not come so far.
    route(&server, &far, "10.0.0.0/16", &beyond);
    admit(&server, &near, "10.0.0.0/16", 8080);
    admit(&server, &far, "10.101.0.0/16", 8000);
    admit(&server, &far, "10.0.0.0/16", 8000);
    server.sweep();
    server.until("the far server answers the near network", |server| {
        server.connects(&near.instance, &far.address, 8000)
    });
    assert!(!server.connects(&dyno, &far.address, 8000), "R23: no transit");
    let script = format!(
        "import urllib.request as r;print(r.urlopen('http://{}:8080/',timeout=5).status)",
        near.address
    );
    server.until("through the proxy", |server| {
        let ran = server.causeway(&["exec", &dyno, "--", "python3", "-c", &script]);
        ran.out.trim() == "200"
    });
    assert!(!server.connects(&dyno, &far.address, 8000), "R23: still no transit");
}

#[test]
fn r24_the_operator_raises_the_limit_of_five() {
    let server = Server::none(&[]);
    let info = space(&server, "shop-space", "shop");
    let request = |n: u8| {
        let block = format!("10.{}.0.0/16", 100 + n);
        let vpc = server.aws(&["ec2", "create-vpc", "--cidr-block", &block]).json();
        let site = support::Site {
            vpc: text(&vpc["Vpc"]["VpcId"]),
            subnet: String::new(),
            group: String::new(),
            table: String::new(),
            instance: String::new(),
            address: String::new(),
        };
        peer(&server, &site, &info)
    };
    for n in 0..5 {
        let pcx = request(n);
        server.heroku(&["spaces:peerings:accept", &pcx, "--space", "shop-space"]).ok();
    }
    let sixth = request(5);
    let accept = ["spaces:peerings:accept", &sixth, "--space", "shop-space"];
    let said = server.heroku(&accept).refused();
    assert!(said.contains("spaces:limits:set"), "R24: the way out: {said}");
    let row = |server: &Server| {
        let list = server.causeway(&["spaces:peerings", "shop-space", "--json"]).json();
        let row = list.as_array().unwrap().iter().find(|row| row["pcx_id"] == sixth.as_str());
        text(&row.unwrap()["status"])
    };
    assert_eq!(row(&server), "pending-acceptance", "a refusal changes nothing");
    server.causeway(&["spaces:limits:set", "shop-space", "--peerings", "6"]).ok();
    server.heroku(&accept).ok();
    server.until("it is active", |server| row(server) == "active");
}
