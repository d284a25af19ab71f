//! Instances are started, read and terminated.

use std::sync::Arc;

use model::{Access, Caller, Ec2Command, Key, Region, Scope, VpcId};

use super::asks::owner;
use super::browser::{Browser, account, hidden, joined};
use crate::credentials::new_access_key;
use crate::http::platform::tests::fixture::Fixture;

async fn subnet(server: &Fixture, vpc: VpcId) -> String {
    let scope = Scope { account: account(server).await, region: Region::DEFAULT };
    let caller = Caller::Account { scope, read_only: false };
    let (cidr, zone) = ("10.77.1.0/24".parse().unwrap(), None);
    let create = Ec2Command::create_subnet(vpc, cidr, zone, Default::default());
    match server.command(caller, create).await {
        Key::Subnet(id) => id.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_started_shown_and_terminated() {
    let (server, _) = joined().await;
    let (mut browser, vpc) = owner(&server).await;
    let subnet = subnet(&server, vpc).await;
    let page = format!("/dashboard/vpcs/{vpc}/instances");
    let group = server.state.world().vpc(vpc).unwrap().default_group.to_string();
    let fields = [
        ("answer", "start"),
        ("name", "shop"),
        ("subnet", subnet.as_str()),
        ("group", group.as_str()),
        ("script", "#!/bin/sh\r\nsleep 60\r\n"),
    ];
    let got = browser.fill(&page, &fields).await;
    assert_eq!(got.status, 303, "{}", got.text);
    let id = got.header("location").split_once("started=").unwrap().1.to_owned();
    let shown = browser.get(got.header("location")).await.text;
    assert!(shown.contains("starts.") && shown.contains(">shop</a>"), "{shown}");
    let world = server.state.world();
    let instance = world.instance(id.parse().unwrap()).unwrap();
    // It is "#!/bin/sh\nsleep 60\n".
    assert_eq!(instance.user_data.as_deref(), Some("IyEvYmluL3NoCnNsZWVwIDYwCg=="));
    let own = format!("{page}/{id}");
    let shown = browser.get(&own).await.text;
    assert!(shown.contains("Console output") && shown.contains("Terminate…"), "{shown}");
    assert!(shown.contains(&instance.address.to_string()), "{shown}");

    let question = format!("{own}/terminate");
    for typed in ["", "shop", "i-00000000000000000"] {
        let got = browser.fill(&question, &[("confirm", typed)]).await;
        assert_eq!(got.status, 422, "{typed}");
        assert!(got.text.contains("That is not the id of this instance"), "{}", got.text);
    }
    let open = browser.get(&question).await.text;
    let (form, shown) = (hidden(&open, "form").unwrap(), hidden(&open, "shown").unwrap());
    let got = browser.fill(&question, &[("confirm", &id)]).await;
    assert_eq!(got.header("location"), own, "{}", got.text);
    let gone = browser.get(&own).await.text;
    assert!(gone.contains("shutting-down") && !gone.contains("Terminate…"), "{gone}");
    // A page that was open before is told.
    let before = server.state.world();
    let fields = [("form", &*form), ("shown", &*shown), ("confirm", &*id)];
    let got = browser.post(&question, &fields).await;
    assert_eq!(got.status, 412, "{}", got.text);
    assert!(Arc::ptr_eq(&before, &server.state.world()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_starts_and_terminates_nothing() {
    let (server, _) = joined().await;
    let (mut browser, vpc) = owner(&server).await;
    let subnet = subnet(&server, vpc).await;
    let page = format!("/dashboard/vpcs/{vpc}/instances");
    let start = [("answer", "start"), ("subnet", subnet.as_str()), ("script", "")];
    let got = browser.fill(&page, &start).await;
    let id = got.header("location").split_once("started=").unwrap().1.to_owned();
    let question = format!("{page}/{id}/terminate");
    let open = browser.get(&question).await.text;
    let shown = hidden(&open, "shown").unwrap();
    // A subnet of another VPC, and none at all.
    for wrong in ["", "subnet-00000000000000001", "x"] {
        let fields = [("answer", "start"), ("subnet", wrong)];
        assert_eq!(browser.fill(&page, &fields).await.status, 400, "{wrong}");
    }
    // What a rule refuses is shown with what was typed.
    let long = "x".repeat(300);
    let fields = [("answer", "start"), ("subnet", subnet.as_str()), ("name", long.as_str())];
    let got = browser.fill(&page, &fields).await;
    assert!(got.status.is_client_error() && got.text.contains(&long), "{}", got.text);
    let (reader, secret, command) =
        new_access_key(&server.state.secret, account(&server).await, Access::ReadOnly).unwrap();
    server.command(Caller::Operator, command).await;
    let mut reader_browser = Browser::new(&server);
    reader_browser.sign_in_by_key(&reader.to_string(), &secret).await;
    let before = server.state.world();
    let seen = reader_browser.get(&page).await.text;
    assert!(seen.contains(&id) && !seen.contains("name=\"answer\""), "{seen}");
    assert_eq!(reader_browser.get(&question).await.status, 404);
    let form = hidden(&reader_browser.get("/dashboard").await.text, "form").unwrap();
    let mut fields = vec![("form", form.as_str())];
    fields.extend(start);
    let got = reader_browser.post(&page, &fields).await;
    assert_eq!(got.status, 403, "{}", got.text);
    let fields = [("form", &*form), ("shown", &*shown), ("confirm", &*id)];
    assert_eq!(reader_browser.post(&question, &fields).await.status, 403);
    assert!(Arc::ptr_eq(&before, &server.state.world()));
}
