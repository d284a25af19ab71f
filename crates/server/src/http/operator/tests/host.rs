//! Hosts, as the operator's clients hear of them.

use std::collections::BTreeMap;

use model::{Caller, HostCapacity, HostCommand, HostFacts, Key, NewHost};
use serde_json::{Value, json};

use super::{ask, server};
use crate::http::platform::tests::fixture::{Fixture, Got};

const GIB: u64 = 1 << 30;

fn new_host(n: u8, gib: u64) -> NewHost {
    NewHost {
        name: format!("node-{n}"),
        facts: HostFacts {
            address: [192, 0, 2, n].into(),
            zone: "rack-1".to_owned(),
            labels: BTreeMap::from([("disk".to_owned(), "nvme".to_owned())]),
            capacity: HostCapacity { memory: gib * GIB, cpus: 4 },
            version: "1.0.0".to_owned(),
        },
    }
}

async fn send(server: &Fixture, method: &str, path: &str, body: &Value) -> Got {
    ask(server, method, path, "application/json", body.to_string().as_bytes()).await
}

async fn get(server: &Fixture, path: &str) -> Value {
    let got = send(server, "GET", path, &Value::Null).await;
    assert_eq!(got.status, 200, "{}", got.text);
    got.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_listed_with_what_is_there_and_drained_and_removed_by_name() {
    let server = server();
    let version = env!("CARGO_PKG_VERSION");
    let none = json!({ "version": version, "hosts": [], "waiting": [] });
    assert_eq!(get(&server, "hosts").await, none);
    let init = HostCommand::Init(new_host(1, 64));
    let Key::Host(first) = server.command(Caller::Operator, init).await else { panic!("no host") };
    server.command(Caller::Operator, HostCommand::Join(new_host(2, 4))).await;

    let hosts = get(&server, "hosts").await;
    let names: Vec<_> = hosts["hosts"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["node-1", "node-2"]);
    let world = server.state.world();
    let one = &hosts["hosts"][0];
    assert_eq!(one["memory"], json!(64 * GIB));
    assert_eq!(one["committed"], json!(world.committed(first)));
    assert!(world.committed(first) > 0);
    assert_eq!((&one["state"], &one["lost_since"]), (&json!("ready"), &Value::Null));
    assert_eq!(one["labels"], json!({ "disk": "nvme" }));

    let details = get(&server, "hosts/node-1").await;
    assert_eq!(get(&server, &format!("hosts/{first}")).await, details);
    assert_eq!(details["host"], *one);
    let workloads = details["workloads"].as_array().unwrap();
    let count = |kind: &str| workloads.iter().filter(|it| it["kind"] == kind).count();
    assert_eq!(json!(count("dyno")), one["dynos"]);
    assert_eq!(json!(count("service")), one["services"]);
    let sum: u64 = workloads.iter().filter_map(|it| it["memory"].as_u64()).sum();
    assert_eq!(sum, world.committed(first), "what is there is all that is given away");
    let addon = workloads.iter().find(|it| it["kind"] == "service").unwrap();
    assert_eq!((&addon["name"], &addon["pinned"]), (&json!("redis-flat-00001"), &json!(true)));

    let drained = send(&server, "POST", "hosts/node-2/drain", &json!({})).await;
    assert_eq!((drained.status.as_u16(), &drained.json()["state"]), (200, &json!("draining")));
    let undrained = send(&server, "POST", "hosts/node-2/undrain", &json!({})).await;
    assert_eq!(undrained.json()["state"], json!("ready"));

    server.command(Caller::Operator, HostCommand::Join(new_host(3, 4))).await;
    let gone = send(&server, "DELETE", "hosts/node-3", &json!({})).await;
    assert_eq!((gone.status.as_u16(), &gone.json()["name"]), (200, &json!("node-3")));
    let kept = send(&server, "DELETE", "hosts/node-1", &json!({})).await;
    assert_eq!(kept.status, 409);
    assert!(kept.text.contains("redis-flat-00001"), "{}", kept.text);
    for (method, path) in [
        ("GET", "hosts/nothing"),
        ("POST", "hosts/nothing/drain"),
        ("POST", "hosts/nothing/undrain"),
        ("DELETE", "hosts/nothing"),
    ] {
        let got = send(&server, method, path, &json!({})).await;
        assert_eq!(got.error(), (404, "not_found".to_owned()), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_host_is_listed_with_the_reason() {
    let server = server();
    let init = HostCommand::Init(new_host(1, 64));
    server.command(Caller::Operator, init).await;
    let second = HostCommand::Join(new_host(2, 64));
    let Key::Host(second) = server.command(Caller::Operator, second).await else { panic!() };
    send(&server, "POST", "hosts/node-2/drain", &json!({})).await;
    let gone = send(&server, "DELETE", "hosts/node-1", &json!({ "force": true })).await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    let hosts = get(&server, "hosts").await;
    let service = hosts["waiting"].as_array().unwrap().iter().find(|it| it["kind"] == "service");
    let service = service.unwrap_or_else(|| panic!("{hosts}"));
    assert_eq!(service["reason"], json!("It waits for a host: none is ready."));
    assert_eq!(service["name"], json!("redis-flat-00001"));
    server.command(Caller::Operator, HostCommand::Lost { host: second }).await;
    let lost = &get(&server, "hosts/node-2").await["host"];
    assert_eq!(lost["state"], json!("lost"));
    assert!(lost["lost_since"].is_string());
}
