//! R8: whether a VPC fits is said before anybody asks, and the acceptance says the same.

use model::{Caller, Ec2Command, Key, PcxId, PrefixedId, Region, Scope, Tags, VpcId};
use serde_json::Value;

use super::fixture::{ALICE, BOB, Fixture, STRANGER};
use super::writes::{request_peering, with_space};

/// What a reason of a check is about.
fn told(reason: &Value) -> [&str; 4] {
    ["reason", "cidr_block", "overlaps", "overlaps_with"]
        .map(|name| reason[name].as_str().unwrap_or("-"))
}

async fn check(server: &Fixture, query: &str) -> Value {
    // Members see it as admins do.
    let got = server.get(BOB, &format!("/spaces/alpha/peering-check?{query}")).await;
    assert_eq!(got.status, 200, "{query}: {}", got.text);
    got.json()
}

fn requester(server: &Fixture, pcx: PcxId) -> VpcId {
    server.state.world().peering(pcx).unwrap().requester.vpc
}

#[tokio::test]
async fn r8_every_reason_is_said_at_once_with_both_blocks() {
    let server = with_space().await;
    // The space has 10.20.0.0/16, and 10.1.0.0/16 for its data services.
    let pcx = request_peering(&server, "10.100.0.0/16").await;
    let accept = format!("/spaces/alpha/peerings/{pcx}/actions/accept");
    assert_eq!(server.ask(ALICE, "POST", &accept, "").await.status, 202);

    let query = "cidr=10.100.7.0/24&cidr=10.1.0.0/20,172.17.0.0/24&cidr=10.20.0.0/24";
    let said = check(&server, query).await;
    assert_eq!(said["fits"], false);
    let reasons = said["reasons"].as_array().unwrap();
    assert_eq!(
        reasons.iter().map(told).collect::<Vec<_>>(),
        [
            ["overlap", "10.20.0.0/24", "10.20.0.0/16", "space"],
            ["overlap", "10.1.0.0/20", "10.1.0.0/16", "data"],
            ["overlap", "172.17.0.0/24", "172.17.0.0/16", "reserved"],
            ["overlap", "10.100.7.0/24", "10.100.0.0/16", "peering"],
        ]
    );
    assert_eq!(reasons[3]["pcx_id"], pcx.to_string());
    let fails: Vec<bool> = reasons.iter().map(|r| r["fails_request"] == true).collect();
    assert_eq!(fails, [true, false, false, false]);
    for reason in reasons {
        for block in ["cidr_block", "overlaps"] {
            let block = reason[block].as_str().unwrap();
            assert!(reason["message"].as_str().unwrap().contains(block), "{reason}");
        }
        assert!(!reason["remedy"].as_str().unwrap().is_empty(), "{reason}");
    }
    let free = &said["free_cidr_blocks"];
    assert_eq!(free.as_array().unwrap().len(), 4);
    assert_eq!(free[0]["instead_of"], "10.20.0.0/24");
    assert_eq!(free[0]["cidr_blocks"][0], "10.0.0.0/24");

    let said = check(&server, "cidr=100.64.0.0/16").await;
    assert_eq!(told(&said["reasons"][0]), ["not_private", "100.64.0.0/16", "-", "-"]);

    let said = check(&server, "cidr=10.101.0.0/16&region=eu-west-1").await;
    assert_eq!((&said["fits"], &said["reasons"]), (&true.into(), &Value::Array(Vec::new())));
    let needs = said["needs"].as_array().unwrap();
    let needs: Vec<&str> = needs.iter().map(|need| need["need"].as_str().unwrap()).collect();
    assert_eq!(needs, ["route", "security_group", "mtu", "group_reference"]);
    assert_eq!(said["accepter"]["cidr_blocks"][0], "10.20.0.0/16");
}

#[tokio::test]
async fn r8_what_a_check_says_is_what_accepting_says() {
    let server = with_space().await;
    for (block, fits) in [("10.1.0.0/16", false), ("100.64.0.0/16", false), ("10.9.0.0/16", true)] {
        let before = check(&server, &format!("cidr={block}")).await;
        let pcx = request_peering(&server, block).await;
        let vpc = requester(&server, pcx);
        let asking = check(&server, &format!("vpc={vpc}")).await;
        assert_eq!(asking["requester"]["cidr_blocks"][0], block);
        let row = server.get(BOB, &format!("/spaces/alpha/peerings/{pcx}")).await.json();
        assert_eq!(row["reasons"], asking["reasons"], "the list says the same");
        for said in [&before, &asking, &row] {
            assert_eq!(said["fits"], fits, "{said}");
        }
        let accept = format!("/spaces/alpha/peerings/{pcx}/actions/accept");
        let got = server.ask(ALICE, "POST", &accept, "").await;
        assert_eq!(got.status, if fits { 202 } else { 422 }, "{}", got.text);
        for reason in asking["reasons"].as_array().unwrap() {
            let message = reason["message"].as_str().unwrap();
            assert!(got.json()["message"].as_str().unwrap().contains(message), "{}", got.text);
        }
        let row = server.get(BOB, &format!("/spaces/alpha/peerings/{pcx}")).await.json();
        assert_eq!(row.get("fits").is_some(), !fits, "only of what waits");
    }
}

#[tokio::test]
async fn r8_unavailable_are_all_blocks_that_accepting_would_be_refused_for() {
    let server = with_space().await;
    let unavailable = async |server: &Fixture| {
        server.get(BOB, "/spaces/alpha/peering-info").await.json()["unavailable_cidr_blocks"]
            .clone()
    };
    let fresh = serde_json::json!(["10.1.0.0/16", "172.17.0.0/16"]);
    assert_eq!(unavailable(&server).await, fresh);
    let pcx = request_peering(&server, "10.100.0.0/16").await;
    assert_eq!(unavailable(&server).await, fresh);
    let accept = format!("/spaces/alpha/peerings/{pcx}/actions/accept");
    assert_eq!(server.ask(ALICE, "POST", &accept, "").await.status, 202);
    let all = serde_json::json!(["10.1.0.0/16", "172.17.0.0/16", "10.100.0.0/16"]);
    assert_eq!(unavailable(&server).await, all);
}

#[tokio::test]
async fn r4_r8_a_member_learns_of_no_vpc_that_has_not_asked() {
    let server = with_space().await;
    let pcx = request_peering(&server, "10.100.0.0/16").await;
    let asking = requester(&server, pcx);
    let account = server.state.world().account_named("customer").unwrap().id;
    let scope = Scope { account, region: Region::DEFAULT };
    let caller = Caller::Account { scope, read_only: false };
    let cidr = "10.101.0.0/16".parse().unwrap();
    let create = Ec2Command::create_vpc(cidr, Tags::default());
    let Key::Vpc(other) = server.command(caller, create).await else { panic!("no VPC") };
    let ask = async |token: &str, query: &str| {
        server.get(token, &format!("/spaces/alpha/peering-check?{query}")).await
    };
    let nowhere = VpcId::MAX;
    let (hidden, absent) =
        (ask(BOB, &format!("vpc={other}")).await, ask(BOB, &format!("vpc={nowhere}")).await);
    assert_eq!(hidden.error(), (404, "not_found".to_owned()));
    assert_eq!(
        hidden.text.replace(&other.to_string(), "x"),
        absent.text.replace(&nowhere.to_string(), "x")
    );
    let platforms: VpcId = {
        let info = server.get(BOB, "/spaces/alpha/peering-info").await.json();
        info["vpc_id"].as_str().unwrap().parse().unwrap()
    };
    assert_eq!(ask(&server.operator(), &format!("vpc={platforms}")).await.status, 404);
    assert_eq!(ask(&server.operator(), &format!("vpc={other}")).await.status, 200);
    for (query, status) in [
        (format!("vpc={asking}&account={account}&region=us-east-1"), 200),
        (format!("vpc={asking}&account=999999999999"), 404),
        (format!("vpc={asking}&region=eu-west-1"), 404),
    ] {
        assert_eq!(ask(BOB, &query).await.status, status, "{query}");
    }
    assert_eq!(ask(STRANGER, "cidr=10.101.0.0/16").await.status, 404);
    let destroyed = server.ask(ALICE, "DELETE", &format!("/spaces/alpha/peerings/{pcx}"), "").await;
    assert_eq!(destroyed.status, 202);
    assert_eq!(
        ask(BOB, &format!("vpc={asking}")).await.status,
        404,
        "what has ended shows nothing"
    );
}

#[tokio::test]
async fn r8_what_cannot_be_checked_is_refused_with_the_reason() {
    let server = with_space().await;
    for (query, named) in [
        ("", "`cidr`"),
        ("cidr=", "'' is not"),
        ("cidr=10.0.0.7/16", "10.0.0.0/16"),
        ("cidr=10.0.0.0/8", "/16 to /28"),
        ("cidr=10.5.0.0/16,10.5.0.0/24", "overlap"),
        ("cidr=127.0.0.0/16", "127.0.0.0/8"),
        ("cidr=10.5.0.0/16&vpc=vpc-00000000000000001", "Either"),
        ("vpc=nonsense", "`vpc`"),
        ("vpc=vpc-00000000000000001&vpc=vpc-00000000000000001", "twice"),
        ("cidr=10.5.0.0/16&region=mars", "mars"),
        ("cidr=10.5.0.0/16&account=200000000002", "`account`"),
        ("cidr=10.5.0.0/16&cdir=10.6.0.0/16", "`cdir`"),
    ] {
        let got = server.get(BOB, &format!("/spaces/alpha/peering-check?{query}")).await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()), "{query}: {}", got.text);
        assert!(got.json()["message"].as_str().unwrap().contains(named), "{query}: {}", got.text);
    }
}
