//! No request is lost while dynos are replaced, and while the server dies.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use serde_json::Value;
use support::web::{Load, deploy, free_address, host};
use support::{Server, space};

const PROCFILE: &str = "web: exec python3 app.py\n";

/// The app's web dynos that are up.
fn up(server: &Server) -> Vec<Value> {
    let list = server.causeway(&["ps", "--app", "shop", "--json"]).json();
    let up = list.as_array().unwrap().iter().filter(|d| d["type"] == "web" && d["state"] == "up");
    up.cloned().collect()
}

#[test]
fn no_request_is_lost_while_dynos_come_and_go() {
    let router = free_address();
    let router_text = router.to_string();
    let mut server = Server::linux_with(&["--router", &router_text]);
    space(&server, "shop-space", "shop");
    deploy(&server, "shop", PROCFILE);
    let name = host(&server, "shop");
    let load = Load::start(router, &name, 2);
    load.pass(50);

    for count in [5, 1] {
        server.heroku(&["ps:scale", &format!("web={count}"), "--app", "shop"]).ok();
        server.until("as many dynos are up", |server| up(server).len() == count);
        load.pass(100);
    }
    let version = |server: &Server| {
        up(server).iter().map(|d| d["release"]["version"].clone()).max_by_key(Value::as_u64)
    };
    let before = version(&server);
    server.heroku(&["config:set", "--app", "shop", "GREETING=again"]).ok();
    server.until("the release took over", |server| {
        up(server).len() == 1 && version(server) != before
    });
    load.pass(100);
    let first = up(&server)[0]["id"].clone();
    server.heroku(&["ps:restart", "--app", "shop"]).ok();
    server.until("the new dyno is up", |server| {
        up(server).len() == 1 && up(server)[0]["id"] != first
    });
    load.pass(100);
    deploy(&server, "shop", PROCFILE);
    load.pass(100);

    server.kill();
    load.pass(300);
    server.restart();
    load.pass(300);
    server.heroku(&["ps:scale", "web=2", "--app", "shop"]).ok();
    server.until("the new server goes on", |server| up(server).len() == 2);
    load.pass(100);
    let (good, bad) = load.end();
    assert!(bad.is_empty(), "{} of {good} failed: {bad:#?}", bad.len());
}
