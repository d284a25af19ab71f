//! Records of flows: each is told of their own.

use model::{Timestamp, VpcId};

use super::peer::{ask_as, town};
use super::{ask, server};
use crate::http::platform::tests::fixture::{ALICE, Fixture, STRANGER};

fn record(vpc: VpcId, port: u16, event: api::FlowEvent) -> api::FlowRecord {
    api::FlowRecord {
        time: Timestamp::from_millis(0),
        event,
        direction: api::FlowDirection::Ingress,
        protocol: 6,
        source: [10, 0, 128, 4].into(),
        destination: [10, 77, 0, 4].into(),
        source_port: 40_000,
        destination_port: port,
        packets: None,
        bytes: None,
        packets_back: None,
        bytes_back: None,
        reason: None,
        component: api::Component { vpc_id: Some(vpc), ..api::Component::default() },
    }
}

/// The ports of what is told after a record, and how much is missing.
async fn told(server: &Fixture, token: &str, query: &str) -> (Vec<u64>, u64) {
    let got = ask_as(server, token, "GET", &format!("flows?{query}"), "").await;
    assert_eq!(got.status, 200, "{query}: {}", got.text);
    let page = got.json();
    let records = page["records"].as_array().unwrap().iter();
    let ports = records.map(|record| record["destination_port"].as_u64().unwrap()).collect();
    (ports, page["lost"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_told_of_flows_at_their_own_interfaces() {
    let server = server();
    let (partners, _) = town(&server).await;
    let spaces = server.state.world().space_named("town").unwrap().vpc;
    let flows = server.state.flows.clone().unwrap();
    let all = ask(&server, "GET", "flows", "", b"").await.json();
    assert_eq!(all["records"], serde_json::json!([]), "who begins to follow is told what comes");
    let (opened, rejected) = (api::FlowEvent::Opened, api::FlowEvent::Rejected);
    flows.tell(spaces, record(spaces, 1, opened));
    flows.tell(partners, record(partners, 2, rejected));
    flows.tell(spaces, record(spaces, 3, rejected));
    let all = ask(&server, "GET", "flows?after=0", "", b"").await.json();
    assert_eq!(all["records"].as_array().unwrap().len(), 3, "the operator sees all");
    let rest = ask(&server, "GET", &format!("flows?after={}", all["next"]), "", b"").await.json();
    assert_eq!(rest["records"], serde_json::json!([]));

    assert_eq!(told(&server, ALICE, "after=0").await, (vec![1, 3], 0));
    assert_eq!(told(&server, ALICE, "after=0&vpc=town").await, (vec![1, 3], 0));
    assert_eq!(told(&server, ALICE, "after=0&rejected=true").await, (vec![3], 0));
    assert_eq!(told(&server, STRANGER, "after=0").await, (vec![], 0));
    for (token, name) in [(ALICE, partners.to_string()), (STRANGER, "town".to_owned())] {
        let got = ask_as(&server, token, "GET", &format!("flows?after=0&vpc={name}"), "").await;
        assert_eq!(got.status, 404, "{}", got.text);
        let absent = ask_as(&server, token, "GET", "flows?vpc=none", "").await;
        let said = |text: &str, name: &str| text.replace(name, "NAME");
        assert_eq!(said(&got.text, &name), said(&absent.text, "none"), "as what is not there");
    }
    let got = ask_as(&server, "nobody's", "GET", "flows?after=0", "").await;
    assert_eq!(got.status, 401, "{}", got.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_waits_for_what_comes() {
    let server = server();
    town(&server).await;
    let spaces = server.state.world().space_named("town").unwrap().vpc;
    let flows = server.state.flows.clone().unwrap();
    assert_eq!(told(&server, ALICE, "vpc=town").await, (vec![], 0));
    let telling = async {
        tokio::task::yield_now().await;
        flows.tell(spaces, record(spaces, 5, api::FlowEvent::Opened));
    };
    let (found, ()) = tokio::join!(told(&server, ALICE, "vpc=town&after=0&wait=20"), telling);
    assert_eq!(found, (vec![5], 0));
}
