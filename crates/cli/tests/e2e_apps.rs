//! Apps from their code on, with the real client and our own, without packets.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{Server, text};

/// A server with a space that is ready.
fn ready(arguments: &[&str]) -> Server {
    let server = Server::none(arguments);
    server.heroku(&["spaces:create", "alpha", "--team", "team"]).ok();
    server.until("the space is allocated", |server| {
        server.causeway(&["spaces:info", "alpha", "--json"]).json()["state"] == "allocated"
    });
    server
}

fn code(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        std::fs::write(dir.path().join(path), text).unwrap();
    }
    dir
}

/// A server with an app that runs.
fn with_app() -> Server {
    with_app_on(&[])
}

fn with_app_on(arguments: &[&str]) -> Server {
    let server = ready(arguments);
    server.heroku(&["apps:create", "shop", "--space", "alpha"]).ok();
    let dir = code(&[("Procfile", "web: serve --port $PORT\nworker: work\n")]);
    deploy(&server, dir.path()).ok();
    server
}

fn deploy(server: &Server, from: &Path) -> support::Ran {
    server.causeway(&["deploy", "--app", "shop", from.to_str().unwrap()])
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let mut names: Vec<String> =
        list.as_array().unwrap().iter().map(|item| text(&item[field])).collect();
    names.sort();
    names
}

#[test]
fn an_app_is_made_deployed_scaled_and_removed_with_the_real_client() {
    let server = ready(&[]);
    let made = server.heroku(&["apps:create", "shop", "--space", "alpha"]).ok();
    assert!(made.contains(".apps.localhost/"), "{made}");
    let listed = server.heroku(&["apps", "--space", "alpha"]).ok();
    assert!(listed.contains("shop (virginia)"), "{listed}");

    let dir = code(&[("Procfile", "web: serve --port $PORT\nworker: work\n"), ("serve", "#!")]);
    let said = deploy(&server, dir.path());
    assert!(said.ok().starts_with("v2 of shop runs: http://shop-"), "{said:?}");
    assert!(said.err.contains("Packed 2 files") && said.err.contains("Released v2"), "{said:?}");

    let ps = server.heroku(&["ps", "--app", "shop"]).ok();
    assert!(ps.contains("web (Private-S): serve --port $PORT (1)"), "{ps}");
    assert!(ps.contains("web.1: up"), "{ps}");
    let scale = ["ps:scale", "web=2", "worker+1:Private-M", "--app", "shop"];
    let said = server.heroku(&scale);
    assert!(said.ok().is_empty() && said.err.contains("web at 2:Private-S"), "{said:?}");
    assert!(said.err.contains("worker at 1:Private-M"), "{said:?}");
    let shown = server.heroku(&["ps:scale", "--app", "shop"]).ok();
    assert_eq!(shown.trim(), "web=2:Private-S worker=1:Private-M");
    let space = server.heroku(&["spaces:ps", "--space", "alpha"]).ok();
    assert!(space.contains("web.2") && space.contains("worker.1"), "{space}");
    let topology = server.heroku(&["spaces:topology", "--space", "alpha"]).ok();
    assert!(topology.contains("web.1") && topology.contains(".apps.localhost"), "{topology}");

    for arguments in [
        &["ps:restart", "--app", "shop"][..],
        &["ps:restart", "--dyno-name", "web.1", "--app", "shop"],
        &["ps:restart", "--process-type", "worker", "--app", "shop"],
        &["ps:stop", "--dyno-name", "web.2", "--app", "shop"],
        &["ps:stop", "--process-type", "worker", "--app", "shop"],
    ] {
        server.heroku(arguments).ok();
        server.until("the dynos are up again", |server| {
            let dynos = server.causeway(&["ps", "--app", "shop", "--json"]).json();
            names(&dynos, "name") == ["web.1", "web.2", "worker.1"]
                && names(&dynos, "state") == ["up", "up", "up"]
        });
    }

    let info = server.heroku(&["apps:info", "--app", "shop"]).ok();
    assert!(info.contains("=== shop") && info.contains("web: 2"), "{info}");
    assert!(!info.contains("Git URL") && !info.contains("Create Status"), "{info}");
    let shell = server.heroku(&["apps:info", "--app", "shop", "--shell"]).ok();
    assert!(!shell.contains("undefined") && !shell.contains("create_status"), "{shell}");
    server.heroku(&["apps:destroy", "--app", "shop", "--confirm", "shop"]).ok();
    assert!(server.heroku(&["apps:info", "--app", "shop"]).refused().contains("Couldn't find"));
}

#[test]
fn configuration_and_releases_with_the_real_client() {
    let server = with_app();
    let set = server.heroku(&["config:set", "GREETING=hello world", "KEY=x", "--app", "shop"]);
    assert!(set.ok().contains("GREETING: hello world"), "{set:?}");
    assert!(set.err.contains("done, v3"), "{set:?}");
    assert_eq!(server.heroku(&["config:get", "GREETING", "--app", "shop"]).ok(), "hello world\n");
    server.heroku(&["config:unset", "KEY", "--app", "shop"]).ok();
    let config = server.heroku(&["config", "--app", "shop", "--json"]).json();
    assert_eq!(config, serde_json::json!({ "GREETING": "hello world" }));

    let releases = server.heroku(&["releases", "--app", "shop", "--json"]).json();
    let descriptions: Vec<String> =
        releases.as_array().unwrap().iter().map(|r| text(&r["description"])).collect();
    assert_eq!(
        descriptions,
        [
            "Remove KEY config vars",
            "Set GREETING, KEY config vars",
            "Deploy slug",
            "Initial release"
        ]
    );
    let table = server.heroku(&["releases", "--app", "shop"]).ok();
    assert!(table.contains("Current: v4") && table.contains("v1"), "{table}");
    let one = server.heroku(&["releases:info", "v3", "--app", "shop"]).ok();
    assert!(one.contains("KEY:") && one.contains("Set GREETING, KEY"), "{one}");

    let back = server.heroku(&["rollback", "v2", "--app", "shop"]);
    assert!(back.err.contains("done, v5"), "{back:?}");
    assert_eq!(server.heroku(&["config", "--app", "shop", "--json"]).json(), serde_json::json!({}));
    let said = server.causeway(&["rollback", "--app", "shop"]).ok();
    assert_eq!(said, "Rolling back shop to v4... done, v6\n");
    assert_eq!(server.causeway(&["config:get", "GREETING", "--app", "shop"]).ok(), "hello world\n");
}

#[test]
fn our_own_commands_do_the_same() {
    let server = ready(&[]);
    let create = ["apps:create", "stock", "--space", "alpha", "--internal-routing"];
    let made = server.causeway(&create).ok();
    assert!(made.contains(".apps.internal/"), "{made}");
    let dir = code(&[("serve", "#!")]);
    let from = dir.path().to_str().unwrap();
    let said = server.causeway(&["deploy", "--app", "stock", from]).refused();
    assert!(said.contains("Procfile") && said.contains("--process"), "{said}");
    assert!(server.causeway(&["deploy", "--app", "sotck", from]).refused().contains("that app"));
    let json = server
        .causeway(&["deploy", "--app", "stock", "--process", "web=serve", "--json", from])
        .json();
    assert_eq!((&json["version"], &json["current"]), (&2.into(), &true.into()));
    let slugs = server.causeway(&["slugs", "--app", "stock", "--all", "--json"]).json();
    assert_eq!(slugs.as_array().unwrap().len(), 2);
    assert!(slugs[0]["created_at"].as_str() >= slugs[1]["created_at"].as_str(), "newest first");

    let scaled = server.causeway(&["ps:scale", "--app", "stock", "web+2:Private-M"]).ok();
    assert_eq!(scaled, "Scaling stock... done, now running web at 3:Private-M\n");
    let shown = server.causeway(&["ps:scale", "--app", "stock"]).ok();
    assert!(shown.contains("web   3         Private-M  serve"), "{shown}");
    server.causeway(&["ps:restart", "--app", "stock", "web"]).ok();
    server.causeway(&["ps:stop", "--app", "stock", "web.3"]).ok();
    assert!(server.causeway(&["ps:restart", "--app", "stock", "clock"]).refused().contains("find"));
    let ran = server.causeway(&["run", "--app", "stock", "--json", "--", "sleep", "9"]).json();
    assert_eq!((&ran["command"], &ran["type"]), (&"sleep 9".into(), &"run".into()));
    server.causeway(&["ps:stop", &text(&ran["name"]), "--app", "stock"]).ok();
    server.until("what ended is not counted", |server| {
        let counted = &server.status()["dynos"];
        counted["up"] == 3 && counted.as_object().is_some_and(|states| states.len() == 1)
    });
    server.causeway(&["apps:create", "a-shop", "--space", "alpha"]).ok();
    let apps = server.causeway(&["apps", "--json"]).json();
    assert_eq!([&apps[0]["name"], &apps[1]["name"]], ["a-shop", "stock"]);
    server.causeway(&["apps:destroy", "a-shop", "--confirm", "a-shop"]).ok();

    let set = server.causeway(&["config:set", "--app", "stock", "A=1", "B=x=y"]).ok();
    assert_eq!(set, "Setting A, B of stock... done, v3\n");
    let config = server.causeway(&["config", "--app", "stock"]).ok();
    assert_eq!(config, "=== stock Config Vars\nA: 1\nB: x=y\n");
    assert!(server.causeway(&["config:get", "C", "--app", "stock"]).refused().contains("C"));
    server.causeway(&["config:unset", "A", "--app", "stock"]).ok();
    let releases = server.causeway(&["releases", "--app", "stock", "--num", "2"]).ok();
    assert!(releases.contains("v4") && releases.contains("v3") && !releases.contains("v2"));
    let info = server.causeway(&["apps:info", "--app", "stock"]).ok();
    assert!(info.contains("=== stock") && info.contains("Internal:    true"), "{info}");
    server.causeway(&["apps:destroy", "--app", "stock", "--confirm", "stock"]).ok();
    assert_eq!(server.causeway(&["apps", "--json"]).json(), serde_json::json!([]));
}

/// What a list has beyond one page is listed too.
#[test]
fn long_lists_are_whole() {
    let server = ready(&[]);
    server.causeway(&["apps:create", "shop", "--space", "alpha"]).ok();
    let token = server.env(&[]).into_iter().find(|(name, _)| name == "HEROKU_API_KEY").unwrap().1;
    let domain = |n: usize| format!(r#"{{"hostname": "{n}.example.com"}}"#);
    assert!((0..210).all(|n| post(&server, &token, "/apps/shop/domains", &domain(n)) == 201));
    let domains = server.causeway(&["domains", "--app", "shop", "--json"]).json();
    let names: Vec<String> =
        domains.as_array().unwrap().iter().map(|domain| text(&domain["hostname"])).collect();
    assert_eq!(names.len(), 211, "and the app's own name");
    assert!((0..210).all(|n| names.contains(&format!("{n}.example.com"))));

    assert_eq!(post(&server, &token, "/apps/shop/slugs", "{}"), 201);
    let slugs = server.causeway(&["slugs", "--app", "shop", "--all", "--json"]).json();
    assert_eq!(slugs.as_array().unwrap().len(), 1);
    let came = server.causeway(&["slugs", "--app", "shop", "--json"]).json();
    assert_eq!(came, serde_json::json!([]), "it was not uploaded");
}

fn post(server: &Server, token: &str, path: &str, body: &str) -> u16 {
    use std::io::{Read, Write};
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         accept: application/vnd.heroku+json; version=3\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn logs_say_what_happened_with_the_real_client() {
    let address = support::web::free_address().to_string();
    let server = with_app_on(&["--listen", &address]);
    let all = server.heroku(&["logs", "--app", "shop"]).ok();
    for said in [
        "app[api]: Release v2 created by the operator",
        "heroku[web.1]: Starting process with command `serve --port $PORT`",
        "heroku[web.1]: State changed from starting to up",
    ] {
        assert!(all.contains(said), "{said}: {all}");
    }
    let some =
        ["logs", "--app", "shop", "--dyno-name", "web.1", "--source", "heroku", "--num", "1"];
    let one = server.heroku(&some).ok();
    assert_eq!(one.lines().count(), 1, "{one}");
    assert!(one.contains("State changed from starting to up"), "{one}");
    let ours = server.causeway(&["logs", "--app", "shop", "--source", "app", "--num", "1"]).ok();
    assert!(ours.ends_with("app[api]: Scaled to web@1:Private-S worker@0:Private-S\n"), "{ours}");
    let said = server.causeway(&["logs", "--app", "sohp"]).refused();
    assert!(said.contains("Couldn't find that app"), "{said}");

    // As it goes on, until whoever reads has enough.
    let mut tail = server.causeway_child(&["logs", "--app", "shop", "--tail", "--num", "1"]);
    let mut output = std::io::BufReader::new(tail.stdout.take().unwrap());
    // The last line so far says that it reads: what happened before that would not be told.
    let mut line = String::new();
    assert!(std::io::BufRead::read_line(&mut output, &mut line).unwrap() > 0, "the log ended");
    server.causeway(&["config:set", "--app", "shop", "KEY=value"]).ok();
    while !line.contains("Release v3 created") {
        line.clear();
        let read = std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        assert!(read > 0, "the log ended");
    }

    // What is known of an app outlives the server, and who reads goes on where it was.
    let mut server = server;
    server.kill_and_restart();
    server.causeway(&["config:set", "--app", "shop", "KEY=another"]).ok();
    let mut since = Vec::new();
    while !line.contains("Release v4 created") {
        line.clear();
        let read = std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        assert!(read > 0, "the log ended: {since:?}");
        since.push(line.clone());
    }
    assert!(!since.iter().any(|line| line.contains("Release v3")), "shown again: {since:?}");
    tail.kill().unwrap();
    tail.wait().unwrap();
    let after = server.heroku(&["logs", "--app", "shop", "--num", "1500"]).ok();
    for line in all.lines() {
        assert!(after.contains(line), "{line}: {after}");
    }
}

#[test]
fn names_and_data_services_with_the_real_client() {
    let server = with_app();
    let added = server.heroku(&["domains:add", "www.example.com", "--app", "shop"]);
    assert!(added.ok().contains(".apps.localhost"), "{added:?}");
    let listed = server.heroku(&["domains", "--app", "shop"]).ok();
    assert!(listed.contains("www.example.com") && listed.contains("CNAME"), "{listed}");
    server.heroku(&["domains:remove", "www.example.com", "--app", "shop"]).ok();
    let ours = server.causeway(&["domains", "--app", "shop", "--json"]).json();
    assert_eq!(names(&ours, "kind"), ["heroku"]);

    let plans = server.heroku(&["addons:plans", "heroku-postgresql"]).ok();
    assert!(plans.contains("heroku-postgresql:standard-0") && plans.contains("free"), "{plans}");
    let create = ["addons:create", "heroku-postgresql:standard-0", "--app", "shop", "--name", "db"];
    assert!(server.heroku(&create).refused().contains("3 to 60"));
    let create = [&create[..5], &["shop-db"]].concat();
    let made = server.heroku(&create);
    assert!(made.ok().contains("shop-db") && made.err.contains("free"), "{made:?}");
    server.until("the service runs", |server| {
        server.causeway(&["addons:info", "shop-db", "--json"]).json()["state"] == "provisioned"
    });
    let listed = server.heroku(&["addons", "--app", "shop"]).ok();
    assert!(listed.contains("shop-db") && listed.contains("DATABASE"), "{listed}");
    let info = server.heroku(&["addons:info", "shop-db"]).ok();
    assert!(info.contains("heroku-postgresql:standard-0") && info.contains("created"), "{info}");
    let peerings = server.causeway(&["spaces:peerings", "alpha"]).ok();
    assert!(peerings.contains("******  heroku-postgresql"), "R14: {peerings}");
    let url = server.causeway(&["config:get", "DATABASE_URL", "--app", "shop"]).ok();
    assert!(url.starts_with("postgres://app:"), "{url}");

    // Another app of the space gets it too.
    server.causeway(&["apps:create", "stock", "--space", "alpha"]).ok();
    let attach = ["addons:attach", "shop-db", "--app", "stock", "--as", "SHOP_DB"];
    let attached = server.heroku(&attach);
    assert!(attached.ok().is_empty() && attached.err.contains("done, v2"), "{attached:?}");
    let same = server.causeway(&["config:get", "SHOP_DB_URL", "--app", "stock"]).ok();
    assert_eq!(same, url);
    let info = server.heroku(&["addons:info", "shop-db"]).ok();
    assert!(info.contains("shop::DATABASE") && info.contains("stock::SHOP_DB"), "{info}");
    let listed = server.heroku(&["addons", "--app", "stock"]).ok();
    assert!(listed.contains("shop-db") && listed.contains("SHOP_DB"), "{listed}");
    let detached = server.heroku(&["addons:detach", "SHOP_DB", "--app", "stock"]);
    assert!(detached.ok().is_empty() && detached.err.contains("done, v3"), "{detached:?}");
    server.heroku(&attach).ok();

    let destroy = ["addons:destroy", "shop-db", "--app", "shop", "--confirm", "shop"];
    server.heroku(&destroy).ok();
    assert_eq!(server.heroku(&["config", "--app", "shop", "--json"]).json(), serde_json::json!({}));
    assert_eq!(
        server.heroku(&["config", "--app", "stock", "--json"]).json(),
        serde_json::json!({})
    );
    assert!(server.heroku(&["addons:info", "shop-db"]).refused().contains("Couldn't find"));

    // The same with our own.
    let made = server.causeway(&["addons:create", "heroku-redis", "--app", "shop", "--wait"]).ok();
    assert!(made.contains("as REDIS_URL: provisioned"), "{made}");
    let plans = server.causeway(&["addons:plans"]).ok();
    assert!(plans.contains("heroku-redis:premium-0"), "{plans}");
    let said = server.causeway(&["addons:create", "heroku-mongo", "--app", "shop"]).refused();
    assert!(said.contains("heroku-kafka:standard-0"), "{said}");
    let list = server.causeway(&["addons", "--json"]).json();
    let name = text(&list[0]["name"]);
    assert!(server.causeway(&["addons:destroy", &name, "--confirm", "x"]).refused().contains("x"));
    server.causeway(&["addons:destroy", &name, "--confirm", "shop"]).ok();
    assert_eq!(
        server.causeway(&["addons", "--app", "shop", "--json"]).json(),
        serde_json::json!([])
    );
}

/// What there is not is said by the real client in words that help.
#[test]
fn what_does_not_exist_is_said_with_what_there_is_instead() {
    let server = with_app();
    for (service, name) in [("heroku-redis", "cache"), ("heroku-postgresql", "shop-db")] {
        server.causeway(&["addons:create", service, "--app", "shop", "--name", name]).ok();
    }
    for (plan, name) in
        [("heroku-redis:private-0", "inner-redis"), ("heroku-postgresql:private-0", "private-db")]
    {
        server.heroku(&["addons:create", plan, "--app", "shop", "--name", name]).ok();
        let info = server.heroku(&["addons:info", name]).ok();
        assert!(info.contains(plan), "{info}");
    }
    for (arguments, names) in [
        (&["apps:rename", "store", "--app", "shop"][..], "localspace"),
        (&["maintenance:on", "--app", "shop"], "ps:scale web=0"),
        (&["addons:rename", "cache", "store"], "addons:attach cache"),
        (&["addons:upgrade", "cache", "premium-9", "--app", "shop"], "addons:create"),
        (&["drains:add", "syslog://x.example.com", "--app", "shop"], "syslog+tls://"),
        (&["features:enable", "http-routing", "--app", "shop"], "http-routing"),
        (&["labs:enable", "metrics", "--app", "shop"], "metrics"),
        (&["domains:update", "www.example.com", "--cert", "x", "--app", "shop"], "--router-cert"),
        (&["buildpacks:set", "heroku/python", "--app", "shop"], "causeway deploy --app shop"),
        (&["pg:info", "--app", "shop"], "psql $DATABASE_URL"),
        // These connect from here, or would: nothing is to dial a private address.
        (&["pg:psql", "--app", "shop"], "run 'psql $DATABASE_URL' --app"),
        (&["pg:psql", "DATABASE", "--command", "select 1", "--app", "shop"], "psql $DATABASE_URL"),
        (&["pg:ps", "--app", "shop"], "psql $DATABASE_URL"),
        (&["pg:locks", "--app", "shop"], "psql $DATABASE_URL"),
        (&["pg:pull", "DATABASE", "here", "--app", "shop"], "psql $DATABASE_URL"),
        (&["redis:cli", "cache", "--app", "shop"], "nothing connects to it from"),
        (&["redis:cli", "inner-redis", "--app", "shop"], "nothing connects to it from"),
        (&["pg:credentials", "--app", "shop"], "Database"),
        (&["redis:maxmemory", "cache", "--policy", "noeviction", "--app", "shop"], "addons:info"),
        (&["pipelines:create", "line", "--app", "shop", "--stage", "staging"], "Pipeline"),
    ] {
        let said = server.heroku(arguments).refused();
        // The CLI breaks long lines.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ").replace(" › ", " ");
        assert!(said.contains(names), "{arguments:?}: {said}");
    }
    for arguments in [
        &["drains", "--app", "shop"][..],
        &["features", "--app", "shop"],
        &["labs", "--app", "shop"],
        &["maintenance", "--app", "shop"],
        &["maintenance:off", "--app", "shop"],
        &["keys"],
        &["pipelines"],
    ] {
        server.heroku(arguments).ok();
    }
}

/// What the real client has for configuration, releases and names, ours has too.
#[test]
fn our_own_commands_have_the_same_forms() {
    let server = ready(&[]);
    let waited = server.causeway(&["spaces:wait", "alpha", "--timeout", "60"]).ok();
    for line in ["State:        allocated", "Shield:       off", "Outbound IPs: disabled"] {
        assert!(waited.contains(line), "{line}: {waited}");
    }
    assert_eq!(server.causeway(&["spaces:info", "alpha"]).ok(), waited);
    let regions = server.causeway(&["regions"]).ok();
    assert!(regions.contains("virginia"), "{regions}");

    server.causeway(&["apps:create", "shop", "--space", "alpha"]).ok();
    let app = ["--app", "shop"];
    let ours = |arguments: &[&str]| server.causeway(&[arguments, &app].concat());
    ours(&["config:set", "A=1", "B=it's two", "C=x"]).ok();
    let shell = ours(&["config", "--shell"]).ok();
    assert_eq!(shell, "A=1\nB='it'\\''s two'\nC=x\n");
    assert_eq!(ours(&["config:get", "A", "C"]).ok(), "1\nx\n");
    assert_eq!(ours(&["config:get", "C", "A", "--shell"]).ok(), "A=1\nC=x\n");
    assert_eq!(ours(&["config:get", "A", "--json"]).json(), "1");
    let some = ours(&["config:get", "A", "C", "--json"]).json();
    assert_eq!(some, serde_json::json!({ "A": "1", "C": "x" }));
    assert!(ours(&["config:get", "A", "D", "E"]).refused().contains("D, E"));

    let edit = |editor: &str, arguments: &[&str]| {
        server.causeway_editing(editor, &[&["config:edit"], arguments, &app].concat())
    };
    let said = edit("sed -i -e /^A=/d -e s/^C=x/C=y/", &["--yes"]);
    assert_eq!(said.ok(), "Changing A, C of shop... done, v3\n");
    let config = ours(&["config", "--json"]).json();
    assert_eq!(config, serde_json::json!({ "B": "it's two", "C": "y" }));
    assert_eq!(edit("sed -i s/two/three/", &["B", "--yes"]).ok().lines().count(), 1);
    assert_eq!(ours(&["config:get", "B"]).ok(), "it's three\n");
    assert_eq!(edit("true", &[]).ok(), "Nothing was changed.\n");
    assert!(edit("false", &[]).refused().contains("EDITOR"));
    let unasked = edit("sed -i /C=/d", &[]);
    assert!(unasked.refused().contains("--yes") && unasked.err.contains("remove C"), "{unasked:?}");

    let current = ours(&["releases:info"]).ok();
    assert!(current.starts_with("=== Release v4 of shop\n"), "{current}");
    assert!(
        current.contains("Set B config vars") && current.contains("B: it's three"),
        "{current}"
    );
    let old = ours(&["releases:info", "v2", "--shell"]).ok();
    assert_eq!(old, shell);
    assert_eq!(ours(&["releases:info", "2", "--json"]).json()["version"], 2);

    for name in ["www.example.com", "shop.example.com"] {
        ours(&["domains:add", name]).ok();
    }
    let info = ours(&["domains:info", "www.example.com"]).ok();
    assert!(info.contains("Kind:        custom") && info.contains("Status:      none"), "{info}");
    let waited = ours(&["domains:wait", "www.example.com"]).ok();
    assert_eq!(waited, "shop is served under www.example.com\n");
    ours(&["domains:wait"]).ok();
    let said = ours(&["domains:update", "www.example.com", "--cert", "mine"]).refused();
    assert!(said.contains("--router-cert"), "{said}");
    let cleared = ours(&["domains:clear"]).ok();
    assert!(cleared.starts_with("Removing ") && cleared.contains("www.example.com"), "{cleared}");
    assert_eq!(ours(&["domains:clear", "--json"]).json(), serde_json::json!([]));

    let ran = ours(&["run:detached", "sleep", "9", "--env", "A=1;B=2", "--json"]).json();
    assert_eq!(ran["command"], "sleep 9");

    let services = server.causeway(&["addons:services"]).ok();
    assert!(services.contains("heroku-redis"), "{services}");
    ours(&["addons:create", "heroku-redis", "--name", "shop-cache"]).ok();
    server.causeway(&["apps:create", "stock", "--space", "alpha"]).ok();
    let attach = ["addons:attach", "shop-cache", "--app", "stock", "--as", "shop"];
    assert_eq!(server.causeway(&attach).ok(), "Attached shop-cache to stock as SHOP: SHOP_URL\n");
    let info = server.causeway(&["addons:info", "SHOP", "--app", "stock"]).ok();
    assert!(info.contains("Attached as: shop::REDIS, stock::SHOP"), "{info}");
    let kept = ["addons:destroy", "SHOP", "--app", "stock", "--confirm", "shop"];
    assert!(server.causeway(&kept).refused().contains("addons:detach"));
    let detached = server.causeway(&["addons:detach", "SHOP", "--app", "stock"]).ok();
    assert_eq!(detached, "Detached shop-cache (SHOP) from stock\n");
    ours(&["addons:destroy", "REDIS", "--confirm", "shop"]).ok();

    assert!(server.causeway(&["apps:info", "shop"]).ok().starts_with("=== shop\n"));
    server.causeway(&["apps:destroy", "shop", "--confirm", "shop"]).ok();
    assert!(server.causeway(&["apps:info", "shop"]).refused().contains("Couldn't find"));
}

#[test]
fn a_deployment_says_what_of_it_will_not_run() {
    let server = ready(&[]);
    server.causeway(&["apps:create", "shop", "--space", "alpha"]).ok();
    let dir = code(&[("Procfile", "worker: work\n")]);
    let said = deploy(&server, dir.path());
    assert!(said.ok().starts_with("v2 of shop is released, and nothing of it"), "{said:?}");
    assert!(said.out.contains("causeway ps:scale --app shop TYPE=1"), "{said:?}");
    let dir = code(&[("Procfile", "web: a\nweb: b\n")]);
    assert!(deploy(&server, dir.path()).refused().contains("line 2 of the Procfile"));
    let typed = ["run:detached", "--type", "nope", "--app", "shop", "--", "sleep 9"];
    assert!(server.heroku(&typed).refused().contains("nope"));
}
