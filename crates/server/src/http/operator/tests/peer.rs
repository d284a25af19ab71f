//! Plans of `causeway peer` and packets that are to be tried: who may ask, and for what.

use axum::body::Body;
use model::{Caller, Ec2Command, Key, PlatformCommand, Scope, Tags, VpcId};

use super::{ask, server};
use crate::http::platform::tests::fixture::{ALICE, Fixture, Got, STRANGER};

pub(super) async fn ask_as(
    server: &Fixture,
    token: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Got {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("/_causeway/{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    server.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

/// The space `town` with a dyno, and a VPC of an account of which nobody here has a key: the VPC,
/// and the dyno's name.
pub(super) async fn town(server: &Fixture) -> (VpcId, String) {
    let made = ask(server, "POST", "accounts", "application/json", br#"{"name": "partner"}"#).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let world = server.state.world();
    let account = world.account_named("partner").unwrap().id;
    let scope = Scope { account, region: server.state.region() };
    let caller = Caller::Account { scope, read_only: false };
    let create = Ec2Command::create_vpc("10.77.0.0/16".parse().unwrap(), Tags::new());
    let Key::Vpc(vpc) = server.command(caller, create).await else { panic!("not a VPC") };
    let team = world.team_named("acme").unwrap().id;
    let (region, cidr, data_cidr) = (None, None, None);
    let create =
        PlatformCommand::CreateSpace { name: "town".to_owned(), team, region, cidr, data_cidr };
    let Key::Space(space) = server.command(Caller::Operator, create).await else { panic!() };
    server.observe().await;
    let name = Some("shed".to_owned());
    let create = PlatformCommand::CreateApp { name, space, internal_routing: false };
    let Key::App(app) = server.command(Caller::Operator, create).await else { panic!() };
    let start = PlatformCommand::StartDyno {
        app,
        command: "sleep 60".to_owned(),
        size: None,
        environment: Default::default(),
        stdio: model::Stdio::Log,
    };
    let Key::Dyno(dyno) = server.command(Caller::Operator, start).await else { panic!() };
    let name = server.state.world().dyno(dyno).unwrap().name.clone();
    (vpc, format!("shed/{name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_for_whoever_owns_one_end() {
    let server = server();
    let (vpc, _) = town(&server).await;
    let before = server.state.world();
    let plan = |space: &str| format!("peer-plan?space={space}&vpc={vpc}&ports=80,443&from=web");
    let whole = ask(&server, "GET", &plan("town"), "", b"").await.json();
    let lines = whole.to_string();
    let table = server.state.world().vpc(vpc).unwrap().main_route_table.to_string();
    assert!(lines.contains(&table), "the operator looks into both: {lines}");
    let own = ask_as(&server, ALICE, "GET", &plan("town"), "").await;
    assert_eq!(own.status, 200, "{}", own.text);
    assert!(!own.text.contains(&table) && own.text.contains("rtb-…"), "{}", own.text);
    let nowhere = ask_as(
        &server,
        ALICE,
        "GET",
        "peer-plan?space=town&vpc=vpc-0123456789abcdef0&ports=80,443&from=web",
        "",
    )
    .await;
    let id = vpc.to_string();
    assert_eq!(nowhere.text.replace("vpc-0123456789abcdef0", &id), own.text, "nothing is told");
    for token in [STRANGER, ALICE] {
        let space = if token == ALICE { "nowhere" } else { "town" };
        let got = ask_as(&server, token, "GET", &plan(space), "").await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()));
        assert!(got.text.contains("no space") && !got.text.contains("10."), "{}", got.text);
    }
    let got = ask_as(&server, "HRKU-nobody", "GET", &plan("town"), "").await;
    assert_eq!(got.error(), (401, "unauthorized".to_owned()));
    for query in ["", "?space=town", "?space=town&vpc=x", "?space=town&vpc=vpc-1&take_back=7"] {
        let got = ask(&server, "GET", &format!("peer-plan{query}"), "", b"").await;
        assert!([400, 422].contains(&got.error().0), "{query}: {got:?}");
    }
    for more in ["ports=x", "ports=0", "ports=99999", "to=x", "to=i-0123456789abcdef0"] {
        let query = format!("peer-plan?space=town&vpc={vpc}&{more}");
        let got = ask(&server, "GET", &query, "", b"").await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()), "{more}");
    }
    // Data services are joined with nobody.
    let space = server.state.world().space_named("town").unwrap().clone();
    for end in [space.vpc, space.data_vpc] {
        let query = format!("peer-plan?space=town&vpc={end}");
        let got = ask(&server, "GET", &query, "", b"").await;
        assert_eq!(got.error().0, 422, "{}", got.text);
        assert!(got.text.contains("the platform's"), "{}", got.text);
    }
    assert!(std::sync::Arc::ptr_eq(&before, &server.state.world()), "a plan changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_is_tried_for_whoever_may_ask_why() {
    let server = server();
    let (_, dyno) = town(&server).await;
    let probe = &format!(r#"{{"from": "{dyno}", "to": "{dyno}", "port": 80}}"#);
    // No packet is carried here, which is told to those who may ask.
    for token in [server.operator(), ALICE.to_owned()] {
        let got = ask_as(&server, &token, "POST", "probe", probe).await;
        assert_eq!(got.error(), (409, "conflict".to_owned()), "{}", got.text);
        assert!(got.text.contains("--fabric none"), "{}", got.text);
    }
    let got = ask_as(&server, STRANGER, "POST", "probe", probe).await;
    assert_eq!(got.error(), (422, "invalid_params".to_owned()));
    let got = ask_as(&server, "HRKU-nobody", "POST", "probe", probe).await;
    assert_eq!(got.error(), (401, "unauthorized".to_owned()));
    let space = server.state.world().space_named("town").unwrap().vpc;
    let empty = format!(r#"{{"from": "{space}/10.0.128.99", "to": "{dyno}", "port": 80}}"#);
    let got = ask_as(&server, ALICE, "POST", "probe", &empty).await;
    assert_eq!(got.error(), (422, "invalid_params".to_owned()));
    for body in ["", "[]", "{}", r#"{"from": 1, "to": 2, "port": 3}"#] {
        let got = ask_as(&server, ALICE, "POST", "probe", body).await;
        assert!([400, 422].contains(&got.error().0), "{body}: {got:?}");
    }
    let got = ask(&server, "POST", "probe", "text/plain", probe.as_bytes()).await;
    assert_eq!(got.error(), (415, "unsupported_media_type".to_owned()));
    let got = ask(&server, "GET", "probe", "", b"").await;
    assert_eq!(got.error(), (405, "method_not_allowed".to_owned()));
}
