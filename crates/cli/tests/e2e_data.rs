//! Data services with real servers, and what lies beyond a peering.
//!
//! Shows R14, R22, R23 and R24 of the requirements.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use support::web::deploy;
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

/// What a command in a dyno prints, where it does what it is asked to.
fn printed(server: &Server, at: &str, command: &str) -> Result<String, String> {
    let ran = server.causeway(&["exec", at, "--", "sh", "-c", command]);
    if ran.code == Some(0) { Ok(ran.out.trim().to_owned()) } else { Err(ran.err) }
}

/// Whether a text can be read in the store's files.
fn stored(server: &Server, text: &str) -> bool {
    let files = std::fs::read_dir(server.data.path()).unwrap().map(|entry| entry.unwrap().path());
    let store = files.filter(|path| path.file_name().unwrap().to_string_lossy().contains(".db"));
    let held: Vec<_> = store.map(|path| std::fs::read(path).unwrap()).collect();
    assert!(!held.is_empty());
    held.iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[test]
fn r22_a_database_serves_the_dynos_of_its_space_and_nobody_else() {
    let mut server = Server::linux();
    let info = space(&server, "shop-space", "shop");
    deploy(&server, "shop", "web: exec python3 app.py\n");
    server.heroku(&["addons:create", "heroku-postgresql", "--app", "shop"]).ok();
    server.heroku(&["addons:create", "heroku-redis", "--app", "shop"]).ok();
    let config = server.heroku(&["config", "--app", "shop", "--json"]).json();
    let (database, redis) = (text(&config["DATABASE_URL"]), text(&config["REDIS_URL"]));
    let place = |url: &str| {
        let (_, rest) = url.split_once('@').unwrap();
        let host = rest.split('/').next().unwrap().to_owned();
        let (address, port) = host.split_once(':').unwrap();
        (address.to_owned(), port.parse::<u16>().unwrap())
    };
    let (address, port) = place(&database);
    assert!(address.starts_with("10.1."), "the data block: {address}");
    let (_, password) = database.split_once("://").unwrap().1.split_once(':').unwrap();
    let password = password.split_once('@').unwrap().0;
    assert!(!stored(&server, password), "what opens it lies in the store in the clear");
    assert!(stored(&server, "DATABASE_URL"), "names of variables are in descriptions of releases");
    let dyno = dyno(&server, "shop", "sleep 100000").target;
    let sql = |server: &Server, sql: &str| {
        printed(
            server,
            &dyno,
            &format!("PGCONNECT_TIMEOUT=3 psql \"$DATABASE_URL\" -qAtc \"{sql}\""),
        )
    };
    server.until("the database answers", |server| sql(server, "select 1").as_deref() == Ok("1"));
    sql(&server, "create table t (n int); insert into t values (42)").unwrap();
    // The app is not its superuser, whom nobody gets in as, and its connection can be encrypted.
    assert_eq!(
        sql(&server, "select usesuper from pg_user where usename = current_user").as_deref(),
        Ok("f")
    );
    assert_eq!(
        sql(&server, "select ssl from pg_stat_ssl where pid = pg_backend_pid()").as_deref(),
        Ok("t")
    );
    sql(&server, "create extension pgcrypto").unwrap();
    let root = database.replace("://app:", "://postgres:").replace("/app", "/postgres");
    let tried = printed(&server, &dyno, &format!("psql '{root}?sslmode=disable' -c 'select 1'"));
    assert!(tried.unwrap_err().contains("pg_hba.conf rejects"), "a superuser from elsewhere");
    let reply = printed(&server, &dyno, "redis-cli -u \"$REDIS_URL\" set greeting hello");
    assert_eq!(reply.as_deref(), Ok("OK"));

    // It is the platform's own peering, masked, and of its own type (R14).
    let list = server.heroku(&["spaces:peerings", "shop-space"]).ok();
    assert!(list.contains("heroku-postgresql") && list.contains("******"), "{list}");

    // A peered VPC cannot reach it, in either direction, nor can another space's dyno.
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", WEB);
    let pcx = join(&server, &site, "shop-space", &info);
    for block in ["10.0.0.0/16", "10.1.0.0/16"] {
        route(&server, &site, block, &pcx);
        admit(&server, &site, block, 8000);
    }
    server.sweep();
    assert!(server.connects(&dyno, &site.address, 8000), "dynos do reach the VPC");
    let redis_place = place(&redis);
    for (address, port) in [(&address, port), (&redis_place.0, redis_place.1)] {
        assert!(server.connects(&dyno, address, port), "R22: a dyno reaches it");
        assert!(!server.connects(&site.instance, address, port), "R22: the VPC does not");
    }
    let addons = server.causeway(&["addons", "--app", "shop", "--json"]).json();
    for addon in addons.as_array().unwrap() {
        let target = text(&addon["name"]);
        assert!(!server.connects(&target, &site.address, 8000), "R22: nor does it reach the VPC");
    }
    space_of_its_own(&server, &address, port);

    // What it holds survives its process and the server.
    server.kill_and_restart();
    server.until("the database answers again", |server| {
        sql(server, "select n from t").as_deref() == Ok("42")
    });
    let postgres = addons
        .as_array()
        .unwrap()
        .iter()
        .map(|a| text(&a["name"]))
        .find(|n| n.starts_with("postgresql"))
        .unwrap();
    let killed = server.causeway(&["exec", &postgres, "--", "sh", "-c", "kill -9 $(head -1 /data/*/postmaster.pid /data/postmaster.pid 2>/dev/null | grep -E '^[0-9]+$')"]);
    assert!(killed.code.is_some());
    server.until("the database is back", |server| {
        sql(server, "select n from t").as_deref() == Ok("42")
    });
    server.heroku(&["addons:destroy", &postgres, "--app", "shop", "--confirm", "shop"]).ok();
    server.sweep();
    assert!(sql(&server, "select 1").is_err(), "it is gone");
}

/// A dyno of another space, with the same blocks, finds nobody there.
fn space_of_its_own(server: &Server, address: &str, port: u16) {
    space(server, "other-space", "other");
    let other = dyno(server, "other", "sleep 100000").target;
    assert!(!server.connects(&other, address, port), "R22: another space");
}

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
