//! The owner of a VPC asks for a peering.

use std::sync::Arc;

use model::{Access, Caller, IdentityCommand, Key, Region, Scope, VpcId};

use super::browser::{Browser, access_key, account, hidden, joined};
use crate::credentials::new_access_key;
use crate::http::platform::tests::fixture::{ALICE, Fixture};

/// A browser that is signed in with a key of the account, and a VPC of it.
pub(super) async fn owner(server: &Fixture) -> (Browser<'_>, VpcId) {
    let (id, secret) = access_key(server).await;
    let mut browser = Browser::new(server);
    assert_eq!(browser.sign_in_by_key(&id, &secret).await.status, 303);
    let account = account(server).await;
    let scope = Scope { account, region: Region::DEFAULT };
    let caller = Caller::Account { scope, read_only: false };
    let cidr = "10.77.0.0/16".parse().unwrap();
    let command = model::Ec2Command::create_vpc(cidr, Default::default());
    let Key::Vpc(vpc) = server.command(caller, command).await else { panic!("no VPC") };
    (browser, vpc)
}

/// What the owner of the space hands out.
fn handed_out(server: &Fixture) -> [(&'static str, String); 3] {
    let world = server.state.world();
    let space = world.space_named("alpha").unwrap();
    [
        ("peer", space.vpc.to_string()),
        ("owner", world.settings().unwrap().platform_account.to_string()),
        ("region", space.region.to_string()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_made_by_a_form_and_shown_to_both_sides() {
    let (server, _) = joined().await;
    let (mut browser, vpc) = owner(&server).await;
    let page = format!("/dashboard/vpcs/{vpc}");
    let form = format!("{page}/ask");
    assert!(browser.get("/dashboard").await.text.contains(&format!("href=\"{page}\"")));
    assert!(browser.get(&page).await.text.contains(&format!("href=\"{form}\"")));
    let values = handed_out(&server);
    let mut fields: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("answer", "ask"));
    let got = browser.fill(&form, &fields).await;
    assert_eq!(got.status, 303, "{}", got.text);
    let location = got.header("location").to_owned();
    let id = location.strip_prefix(&format!("{page}?asked=")).unwrap().to_owned();
    let shown = browser.get(&location).await.text;
    assert!(shown.contains("is asked for") && shown.contains("pending-acceptance"), "{shown}");
    // The same once more is the same.
    let again = browser.fill(&form, &fields).await;
    assert_eq!(again.header("location"), location);
    let mut alice = Browser::signed_in(&server, ALICE).await;
    assert!(alice.get("/dashboard/spaces/alpha/network").await.text.contains(&id));
    let review = format!("/dashboard/spaces/alpha/peerings/{id}");
    assert_eq!(alice.fill(&review, &[("answer", "accept")]).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_sends_nothing() {
    let (server, _) = joined().await;
    let (mut browser, vpc) = owner(&server).await;
    let form = format!("/dashboard/vpcs/{vpc}/ask");
    let before = server.state.world();
    let values = handed_out(&server);
    let fields: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for (cidr, unavailable, said) in [
        ("", "", "The check needs AWS VPC CIDR"),
        ("10.0.0.0/16", "10.1.0.0/16, 172.17.0.0/16", "10.77.0.0/16</span> fits"),
        ("10.0.0.0/16", "10.77.128.0/20", "10.77.0.0/16</span> does not fit"),
        ("10.77.0.0/16", "", "10.77.0.0/16</span> does not fit"),
        ("10.0.0.0/33", "", "This is no block"),
        ("10.0.0.0/16", "10.1.0.0/16;<b>", "This is no block"),
    ] {
        let mut fields = fields.clone();
        fields.extend([("cidr", cidr), ("unavailable", unavailable), ("answer", "check")]);
        let got = browser.fill(&form, &fields).await;
        assert_eq!(got.status, 200);
        assert!(got.text.contains(said), "{said} is not in {}", got.text);
        // What was typed stays.
        assert!(got.text.contains(&format!("value=\"{cidr}\"")), "{}", got.text);
        assert!(!got.text.contains("<b>\""), "{}", got.text);
    }
    assert!(Arc::ptr_eq(&before, &server.state.world()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_ask_is_refused_and_nothing_changes() {
    let (server, _) = joined().await;
    let (mut browser, vpc) = owner(&server).await;
    let form = format!("/dashboard/vpcs/{vpc}/ask");
    let values = handed_out(&server);
    let fields: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let account = account(&server).await;
    let (id, secret, command) =
        new_access_key(&server.state.secret, account, Access::ReadOnly).unwrap();
    server.command(Caller::Operator, command).await;
    let other = IdentityCommand::CreateAccount { name: "other".to_owned() };
    let Key::Account(other) = server.command(Caller::Operator, other).await else { panic!() };
    let (other_id, other_secret, command) =
        new_access_key(&server.state.secret, other, Access::Full).unwrap();
    server.command(Caller::Operator, command).await;
    let before = server.state.world();
    let post = async |browser: &mut Browser<'_>, fields: &[(&str, &str)]| {
        let token = hidden(&browser.get("/dashboard").await.text, "form").unwrap();
        let mut all = vec![("form", token.as_str()), ("answer", "ask")];
        all.extend(fields);
        browser.post(&form, &all).await
    };
    // A key that may only describe.
    let mut reader = Browser::new(&server);
    reader.sign_in_by_key(&id.to_string(), &secret).await;
    let page = reader.get(&format!("/dashboard/vpcs/{vpc}")).await.text;
    assert!(page.contains("10.77.0.0/16") && !page.contains("/ask\""), "{page}");
    assert_eq!(reader.get(&form).await.status, 404);
    let got = post(&mut reader, &fields).await;
    assert_eq!(got.status, 403, "{}", got.text);
    assert!(got.text.contains("This access key may change nothing"), "{}", got.text);
    // Another account, a user, and the operator.
    let mut other = Browser::new(&server);
    other.sign_in_by_key(&other_id.to_string(), &other_secret).await;
    let alice = Browser::signed_in(&server, ALICE).await;
    for mut browser in [other, alice] {
        assert_eq!(browser.get(&format!("/dashboard/vpcs/{vpc}")).await.status, 404);
        assert_eq!(post(&mut browser, &fields).await.status, 404);
    }
    let mut operator = Browser::signed_in(&server, &server.operator()).await;
    assert_eq!(operator.get(&format!("/dashboard/vpcs/{vpc}")).await.status, 200);
    assert_eq!(post(&mut operator, &fields).await.status, 404);
    // The platform's own VPCs are nobody's here.
    let own = &values[0].1;
    assert_eq!(operator.get(&format!("/dashboard/vpcs/{own}")).await.status, 404);
    // What cannot be read.
    for wrong in [
        [("peer", "vpc-x"), ("owner", "100000000001"), ("region", "")],
        [("peer", own.as_str()), ("owner", "1"), ("region", "")],
        [("peer", own.as_str()), ("owner", "100000000001"), ("region", "mars-north-1")],
    ] {
        assert_eq!(post(&mut browser, &wrong).await.status, 422, "{wrong:?}");
    }
    assert!(Arc::ptr_eq(&before, &server.state.world()));
}
