//! What changes something, through the ledger and its rules.

use model::{
    Caller, Ec2Command, IdentityCommand, Key, Outbound, OutboundWay, PcxId, Region, Scope, Tags,
    VpcId,
};
use store::AuditQuery;

use super::fixture::{ALICE, BOB, Fixture, STRANGER};

/// The request that the CLI makes, with what it adds by itself.
const CREATE: &str = r#"{"name": "alpha", "team": "acme", "features": [], "generation": "cedar",
    "region": "oregon", "cidr": "10.20.0.0/16", "data_cidr": null, "kpi_url": "x"}"#;

pub(super) async fn with_space() -> Fixture {
    let server = Fixture::set_up().await;
    let got = server.ask(ALICE, "POST", "/spaces", CREATE).await;
    assert_eq!(got.status, 201, "{}", got.text);
    server
}

#[tokio::test]
async fn a_space_is_made_renamed_and_removed() {
    let server = with_space().await;
    let space = server.get(ALICE, "/spaces/alpha").await.json();
    assert_eq!(space["state"], "allocating");
    assert_eq!(space["region"]["name"], "oregon");
    assert_eq!((&space["cidr"], &space["team"]["name"]), (&"10.20.0.0/16".into(), &"acme".into()));
    for _ in 0..2 {
        server.observe().await;
    }
    assert_eq!(server.get(BOB, "/spaces/alpha").await.json()["state"], "allocated");

    let taken = server.ask(ALICE, "POST", "/spaces", CREATE).await;
    assert_eq!(taken.error(), (422, "invalid_params".to_owned()));

    let renamed = server.ask(ALICE, "PATCH", "/spaces/alpha", r#"{"name": "beta"}"#).await;
    assert_eq!((renamed.status.as_u16(), &renamed.json()["id"]), (200, &space["id"]));
    assert_eq!(renamed.json()["name"], "beta");
    assert_eq!(server.get(ALICE, "/spaces/alpha").await.status, 404);

    let removed = server.ask(ALICE, "DELETE", "/spaces/beta", "").await;
    assert_eq!((removed.status.as_u16(), &removed.json()["id"]), (200, &space["id"]));
    assert_eq!(removed.json()["state"], "deleting");
    assert_eq!(server.get(ALICE, "/spaces/beta").await.status, 404);
}

#[tokio::test]
async fn a_space_tells_by_which_address_it_goes_out() {
    let server = with_space().await;
    let nat = || async {
        let nat = server.get(BOB, "/spaces/alpha/nat").await.json();
        (nat["state"].clone(), nat["sources"].clone())
    };
    assert_eq!(nat().await, ("disabled".into(), serde_json::json!([])));
    let pool = "203.0.113.16/28".parse().unwrap();
    let way = OutboundWay::Parent { link: "eth0".to_owned(), pool, gateway: None };
    let outbound = Some(Outbound { way, allow: Vec::new(), deny: Vec::new() });
    server.command(Caller::Operator, IdentityCommand::SetOutbound { outbound }).await;
    assert_eq!(nat().await, ("enabled".into(), serde_json::json!(["203.0.113.17"])));
    assert_eq!(server.get(STRANGER, "/spaces/alpha/nat").await.status, 404);
}

#[tokio::test]
async fn only_admins_change_spaces() {
    let server = with_space().await;
    for (token, status) in [(BOB, 403), (STRANGER, 404)] {
        for (method, path, body) in
            [("PATCH", "/spaces/alpha", r#"{"name": "beta"}"#), ("DELETE", "/spaces/alpha", "")]
        {
            let got = server.ask(token, method, path, body).await;
            assert_eq!(got.status, status, "{method}: {}", got.text);
        }
        let got = server.ask(token, "POST", "/spaces", CREATE).await;
        assert_eq!(got.status, status, "{}", got.text);
    }
}

#[tokio::test]
async fn a_refusal_is_on_record_under_the_id_that_the_client_was_told() {
    let server = with_space().await;
    let got = server.ask(BOB, "DELETE", "/spaces/alpha", "").await;
    let own = got.header("request-id").split(',').next().unwrap().to_owned();
    let query = AuditQuery { request_id: Some(own), ..AuditQuery::default() };
    let rows = server.state.store.lock().unwrap().audit(&query).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].action, "Platform.DeleteSpace");
    assert_eq!(rows[0].outcome, "UnauthorizedOperation");
    let space = server.state.world().space_named("alpha").unwrap().id;
    assert_eq!(rows[0].resource, space.to_string(), "what it was about");
}

#[tokio::test]
async fn an_app_runs_dynos_and_goes() {
    let server = with_space().await;
    let body = r#"{"name": "shop", "space": "alpha", "internal_routing": true}"#;
    let app = server.ask(BOB, "POST", "/teams/apps", body).await;
    assert_eq!(app.status, 201, "{}", app.text);
    assert_eq!(
        (&app.json()["joined"], &app.json()["internal_routing"]),
        (&true.into(), &true.into())
    );
    assert_eq!(app.json()["owner"]["email"], "bob@example.com");
    let nameless = server.ask(BOB, "POST", "/apps", r#"{"space": {"name": "alpha"}}"#).await;
    assert_eq!(nameless.status, 201, "{}", nameless.text);
    assert!(!nameless.json()["name"].as_str().unwrap().is_empty());

    let run = r#"{"command": "sleep 9", "attach": false, "size": "Private-M", "type": "run",
        "time_to_live": 60, "env": {"TERM": "xterm", "COLUMNS": 80, "LINES": null}}"#;
    let early = server.ask(BOB, "POST", "/apps/shop/dynos", run).await;
    assert_eq!(early.error(), (409, "conflict".to_owned()));
    for _ in 0..2 {
        server.observe().await;
    }
    let dyno = server.ask(BOB, "POST", "/apps/shop/dynos", run).await;
    assert_eq!(dyno.status, 201, "{}", dyno.text);
    assert_eq!(
        (&dyno.json()["size"], &dyno.json()["state"]),
        (&"Private-M".into(), &"starting".into())
    );
    let name = dyno.json()["name"].as_str().unwrap().to_owned();
    server.observe().await;
    assert_eq!(server.get(BOB, "/apps/shop/dynos").await.json()[0]["state"], "up");

    let stop = format!("/apps/shop/dynos/{name}/actions/stop");
    let stopped = server.ask(BOB, "POST", &stop, "").await;
    assert_eq!((stopped.status.as_u16(), &stopped.json()["state"]), (202, &"down".into()));
    server.observe().await;
    assert_eq!(server.get(BOB, "/apps/shop/dynos").await.text, "[]");
    let info = server.get(BOB, &format!("/apps/shop/dynos/{name}")).await;
    assert_eq!((info.status.as_u16(), &info.json()["state"]), (200, &"down".into()));

    let kept = server.ask(ALICE, "DELETE", "/spaces/alpha", "").await;
    assert_eq!(kept.status, 409, "{}", kept.text);
    let gone = server.ask(BOB, "DELETE", "/apps/shop", "").await;
    assert_eq!((gone.status.as_u16(), &gone.json()["name"]), (200, &"shop".into()));
    assert_eq!(server.get(BOB, "/apps/shop").await.status, 404);
}

/// A VPC of a customer that asks to be peered with the space.
pub(super) async fn request_peering(server: &Fixture, block: &str) -> PcxId {
    let account = server.state.world().account_named("customer").map(|account| account.id);
    let account = match account {
        Some(account) => account,
        None => {
            let name = "customer".to_owned();
            let made = IdentityCommand::CreateAccount { name };
            match server.command(Caller::Operator, made).await {
                Key::Account(account) => account,
                other => panic!("{other:?}"),
            }
        }
    };
    let scope = Scope { account, region: Region::DEFAULT };
    let caller = Caller::Account { scope, read_only: false };
    let cidr = block.parse().unwrap();
    let made = Ec2Command::create_vpc(cidr, Tags::default());
    let Key::Vpc(vpc) = server.command(caller, made).await else { panic!("no VPC") };
    let info = server.get(ALICE, "/spaces/alpha/peering-info").await.json();
    let text = |field: &str| info[field].as_str().unwrap().to_owned();
    let peer_vpc: VpcId = text("vpc_id").parse().unwrap();
    let request = Ec2Command::CreatePeering {
        vpc,
        peer_vpc,
        peer_owner: Some(text("aws_account_id").parse().unwrap()),
        peer_region: Some(text("aws_region").parse().unwrap()),
        tags: Tags::default(),
    };
    match server.command(caller, request).await {
        Key::Peering(pcx) => pcx,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_is_accepted_either_way_and_destroyed() {
    let server = with_space().await;
    let by_body = request_peering(&server, "10.100.0.0/16").await;
    let by_path = request_peering(&server, "10.101.0.0/16").await;
    let list = server.get(BOB, "/spaces/alpha/peerings").await.json();
    assert_eq!(
        (&list[0]["type"], &list[0]["status"]),
        (&"unknown".into(), &"pending-acceptance".into())
    );
    assert_eq!(list[0]["aws_region"], "us-east-1");

    let body = format!(r#"{{"pcx_id": "{by_body}"}}"#);
    let path = format!("/spaces/alpha/peerings/{by_path}/actions/accept");
    let refused = server.ask(BOB, "POST", &path, "").await;
    assert_eq!(refused.error(), (403, "forbidden".to_owned()));
    for (path, body) in [("/spaces/alpha/peerings", body.as_str()), (path.as_str(), "")] {
        let got = server.ask(ALICE, "POST", path, body).await;
        assert_eq!(got.status, 202, "{}", got.text);
        let got = got.json();
        assert_eq!(
            (&got["status"], &got["type"]),
            (&"provisioning".into(), &"customer-managed".into())
        );
        assert_eq!(got.get("expires"), None);
    }
    server.observe().await;
    let one = format!("/spaces/alpha/peerings/{by_path}");
    assert_eq!(server.get(ALICE, &one).await.json()["status"], "active");

    assert_eq!(server.ask(BOB, "DELETE", &one, "").await.status, 403);
    let got = server.ask(ALICE, "DELETE", &one, "").await;
    assert_eq!((got.status.as_u16(), &got.json()["status"]), (202, &"deleted".into()));
    assert_eq!(got.json()["pcx_id"], by_path.to_string());
    server.observe().await;
    assert_eq!(server.ask(ALICE, "DELETE", &one, "").await.status, 409);
}

#[tokio::test]
async fn a_refusal_names_what_stands_in_the_way() {
    let server = with_space().await;
    let overlaps_data = server.get(ALICE, "/spaces/alpha").await.json()["data_cidr"].clone();
    let pcx = request_peering(&server, overlaps_data.as_str().unwrap()).await;
    let path = format!("/spaces/alpha/peerings/{pcx}/actions/accept");
    let got = server.ask(ALICE, "POST", &path, "").await;
    assert_eq!(got.error(), (422, "invalid_params".to_owned()));
    assert!(got.text.contains(overlaps_data.as_str().unwrap()), "{}", got.text);
    let path = format!("/spaces/alpha/peerings/{pcx}");
    assert_eq!(server.get(ALICE, &path).await.json()["status"], "pending-acceptance");
}

/// Terraform asks until it sees what it wants (`heroku.md` §6).
#[tokio::test]
async fn what_is_done_already_may_be_asked_for_again() {
    let server = with_space().await;
    let one = format!("/spaces/alpha/peerings/{}", request_peering(&server, "10.100.0.0/16").await);
    let accept = format!("{one}/actions/accept");
    for (method, path, status) in [("POST", &accept, "provisioning"), ("DELETE", &one, "deleted")] {
        for _ in 0..2 {
            let got = server.ask(ALICE, method, path, "").await;
            assert_eq!((got.status.as_u16(), &got.json()["status"]), (202, &status.into()));
        }
    }
}
