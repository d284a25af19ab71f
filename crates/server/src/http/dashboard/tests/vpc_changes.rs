//! Changes of routes and rules: a preview, the change, and what takes it back.

use std::sync::Arc;

use model::{
    Access, Caller, Ec2Command, IdentityCommand, Key, PcxId, PlatformCommand, Region, RouteTo,
    Scope, SecurityGroupId, Vpc, VpcId,
};

use super::browser::{Browser, access_key, account, hidden, joined};
use crate::credentials::new_access_key;
use crate::http::platform::tests::fixture::{ALICE, Fixture, Got};

/// A server with an active peering of a VPC, of which the browser has the owner's key.
struct Lab {
    server: Fixture,
    vpc: VpcId,
    peering: PcxId,
    key: (String, String),
}

impl Lab {
    async fn new() -> Self {
        let (server, peering) = joined().await;
        let world = server.state.world();
        let space = world.space_named("alpha").unwrap().id;
        server.command(Caller::Operator, PlatformCommand::AcceptPeering { space, peering }).await;
        server.observe().await;
        let vpc = world.peering(peering).unwrap().requester.vpc;
        let key = access_key(&server).await;
        Self { server, vpc, peering, key }
    }

    async fn browser(&self) -> Browser<'_> {
        let mut browser = Browser::new(&self.server);
        assert_eq!(browser.sign_in_by_key(&self.key.0, &self.key.1).await.status, 303);
        browser
    }

    fn vpc(&self) -> Arc<Vpc> {
        Arc::clone(self.server.state.world().vpc(self.vpc).unwrap())
    }

    fn path(&self, rest: &str) -> String {
        format!("/dashboard/vpcs/{}/{rest}", self.vpc)
    }

    fn main_table(&self) -> String {
        self.vpc().main_route_table.to_string()
    }

    /// The address of the preview of a route.
    fn route(&self, destination: &str, target: &str) -> String {
        self.asks(&[
            ("do", "route"),
            ("table", &self.main_table()),
            ("destination", destination),
            ("target", target),
        ])
    }

    /// The address to which a form with these fields leads.
    fn asks(&self, fields: &[(&str, &str)]) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        format!("{}?{query}", self.path("change"))
    }

    fn routes(&self) -> Vec<String> {
        let world = self.server.state.world();
        let table = world.route_table(self.vpc().main_route_table).unwrap();
        table.routes.iter().map(|(to, target)| format!("{to} {target:?}")).collect()
    }

    fn rules(&self, group: SecurityGroupId) -> Vec<String> {
        let world = self.server.state.world();
        let rules = world.group(group).unwrap().rules.values();
        rules.map(|rule| format!("{:?} {} {:?}", rule.direction, rule.traffic, rule.peer)).collect()
    }

    /// Somebody else changes the same table.
    async fn meanwhile(&self) {
        let account = account(&self.server).await;
        let scope = Scope { account, region: Region::DEFAULT };
        let route_table = self.vpc().main_route_table;
        let destination = "10.99.0.0/16".parse().unwrap();
        let target = RouteTo::Peering(self.peering);
        let command = Ec2Command::CreateRoute { route_table, destination, target };
        self.server.command(Caller::Account { scope, read_only: false }, command).await;
    }
}

/// Presses the button of the form that a page has for a change.
async fn press(browser: &mut Browser<'_>, lab: &Lab, page: &str) -> Got {
    // Of several forms, that of the change is the one with what it is.
    let (_, rest) = page.split_once("name=\"edit\"").expect("a form of a change");
    let edit = rest.split_once("value=\"").unwrap().1.split_once('"').unwrap().0;
    let form = hidden(page, "form").unwrap();
    let shown = hidden(page, "shown").unwrap();
    let from = hidden(page, "from");
    let mut fields = vec![("form", form.as_str()), ("edit", edit), ("shown", shown.as_str())];
    fields.extend(from.as_deref().map(|from| ("from", from)));
    browser.post(&lab.path("change"), &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_added_after_a_preview_and_taken_back() {
    let lab = Lab::new().await;
    let mut browser = lab.browser().await;
    let target = lab.peering.to_string();
    let before = lab.server.state.world();
    let preview = browser.get(&lab.route("10.0.0.0/16", &target)).await;
    assert_eq!(preview.status, 200, "{}", preview.text);
    assert!(preview.text.contains("aws ec2 create-route"), "{}", preview.text);
    assert!(Arc::ptr_eq(&before, &lab.server.state.world()), "a look changes nothing");
    let got = press(&mut browser, &lab, &preview.text).await;
    assert_eq!(got.status, 303, "{}", got.text);
    let place = lab.path(&format!("tables/{}", lab.main_table()));
    assert!(got.header("location").starts_with(&place), "{}", got.header("location"));
    assert_eq!(lab.routes(), [format!("10.0.0.0/16 Peering({target})")]);
    let notice = browser.get(got.header("location")).await.text;
    assert!(notice.contains("is added.") && notice.contains("Undo</button>"), "{notice}");
    // The same again is nothing new.
    let again = browser.get(&lab.route("10.0.0.0/16", &target)).await;
    assert_eq!(again.status, 422);
    assert!(again.text.contains("There is nothing to add"), "{}", again.text);
    let got = press(&mut browser, &lab, &notice).await;
    assert_eq!(got.status, 303, "{}", got.text);
    assert_eq!(lab.routes(), [""; 0]);
    // What was taken back can be taken back.
    let notice = browser.get(got.header("location")).await.text;
    assert!(notice.contains("is removed.") && notice.contains("Undo</button>"), "{notice}");
    assert_eq!(press(&mut browser, &lab, &notice).await.status, 303);
    assert_eq!(lab.routes().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_change_in_between_is_told() {
    let lab = Lab::new().await;
    let mut browser = lab.browser().await;
    let preview = browser.get(&lab.route("10.0.0.0/16", &lab.peering.to_string())).await.text;
    lab.meanwhile().await;
    let before = lab.server.state.world();
    let got = press(&mut browser, &lab, &preview).await;
    assert_eq!(got.status, 412, "{}", got.text);
    assert!(got.text.contains("This changed while the page was open"), "{}", got.text);
    assert!(Arc::ptr_eq(&before, &lab.server.state.world()));
    // The page that says so is made for how it is now.
    let got = press(&mut browser, &lab, &got.text).await;
    assert_eq!(got.status, 303, "{}", got.text);
    assert_eq!(lab.routes().len(), 2);
    // A notice that was open offers to undo, and is refused when somebody changed more meanwhile.
    let location = got.header("location").to_owned();
    let notice = browser.get(&location).await.text;
    let other = browser.get(&lab.route("10.98.0.0/16", &lab.peering.to_string())).await.text;
    assert_eq!(press(&mut browser, &lab, &other).await.status, 303);
    let before = lab.server.state.world();
    let got = press(&mut browser, &lab, &notice).await;
    assert_eq!(got.status, 412, "{}", got.text);
    assert!(Arc::ptr_eq(&before, &lab.server.state.world()));
    assert!(!browser.get(&location).await.text.contains("Undo</button>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_change_is_refused_and_nothing_changes() {
    let lab = Lab::new().await;
    let server = &lab.server;
    let asked = lab.route("10.0.0.0/16", &lab.peering.to_string());
    let (edit, shown) = {
        let page = lab.browser().await.get(&asked).await.text;
        let (_, rest) = page.split_once("name=\"edit\" value=\"").unwrap();
        (rest.split_once('"').unwrap().0.to_owned(), hidden(&page, "shown").unwrap())
    };
    let owner = account(server).await;
    let (reader, reader_secret, command) =
        new_access_key(&server.state.secret, owner, Access::ReadOnly).unwrap();
    server.command(Caller::Operator, command).await;
    let other = IdentityCommand::CreateAccount { name: "other".to_owned() };
    let Key::Account(other) = server.command(Caller::Operator, other).await else { panic!() };
    let (other, other_secret, command) =
        new_access_key(&server.state.secret, other, Access::Full).unwrap();
    server.command(Caller::Operator, command).await;
    let before = server.state.world();
    let post = async |browser: &mut Browser<'_>| {
        let form = hidden(&browser.get("/dashboard").await.text, "form").unwrap();
        let fields = [("form", &*form), ("edit", &*edit), ("shown", &*shown)];
        browser.post(&lab.path("change"), &fields).await
    };
    // A key that may only describe sees the table, no form and no preview.
    let mut browser = Browser::new(server);
    browser.sign_in_by_key(&reader.to_string(), &reader_secret).await;
    let table = browser.get(&lab.path(&format!("tables/{}", lab.main_table()))).await;
    assert_eq!(table.status, 200);
    assert!(!table.text.contains("/change"), "{}", table.text);
    assert_eq!(browser.get(&asked).await.status, 404);
    let got = post(&mut browser).await;
    assert_eq!(got.status, 403, "{}", got.text);
    assert!(got.text.contains("This access key may change nothing"), "{}", got.text);
    // For another account and a user there is no such VPC; the operator sees it and may not change it.
    let mut stranger = Browser::new(server);
    stranger.sign_in_by_key(&other.to_string(), &other_secret).await;
    let alice = Browser::signed_in(server, ALICE).await;
    for mut browser in [stranger, alice] {
        for page in ["instances", "interfaces", "acls", "gateways", "peerings"] {
            assert_eq!(browser.get(&lab.path(page)).await.status, 404, "{page}");
        }
        assert_eq!(browser.get(&asked).await.status, 404);
        assert_eq!(post(&mut browser).await.status, 404);
    }
    let mut operator = Browser::signed_in(server, &server.operator()).await;
    assert_eq!(operator.get(&lab.path("acls")).await.status, 200);
    assert_eq!(operator.get(&asked).await.status, 404);
    assert_eq!(post(&mut operator).await.status, 404);
    assert!(Arc::ptr_eq(&before, &server.state.world()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_another_vpc_or_one_that_is_none_is_not_made() {
    let lab = Lab::new().await;
    let mut browser = lab.browser().await;
    let page = browser.get(&lab.route("10.0.0.0/16", &lab.peering.to_string())).await.text;
    let (form, shown) = (hidden(&page, "form").unwrap(), hidden(&page, "shown").unwrap());
    let other = {
        let scope = Scope { account: account(&lab.server).await, region: Region::DEFAULT };
        let cidr = "10.200.0.0/16".parse().unwrap();
        let create = Ec2Command::create_vpc(cidr, Default::default());
        let caller = Caller::Account { scope, read_only: false };
        let Key::Vpc(id) = lab.server.command(caller, create).await else { panic!() };
        lab.server.state.world().vpc(id).unwrap().main_route_table
    };
    let before = lab.server.state.world();
    let elsewhere = format!("route+ {other} 10.0.0.0/16 {}", lab.peering);
    for (edit, status) in [(elsewhere.as_str(), 404), ("route+", 400), ("", 400)] {
        let fields = [("form", &*form), ("edit", edit), ("shown", &*shown)];
        let got = browser.post(&lab.path("change"), &fields).await;
        assert_eq!(got.status, status, "{edit}");
        let got = browser.get(&lab.asks(&[("do", "edit"), ("edit", edit)])).await;
        assert!([404, 400].contains(&got.status.as_u16()), "{edit}: {}", got.status);
    }
    for fields in [
        vec![("do", "nothing")],
        vec![("do", "route"), ("table", "x")],
        vec![("do", "rule"), ("group", "sg-00000000000000001"), ("direction", "in")],
    ] {
        let got = browser.get(&lab.asks(&fields)).await;
        assert!([404, 400].contains(&got.status.as_u16()), "{fields:?}: {}", got.status);
    }
    // What cannot be read leads back to its form, with what was typed.
    let got = browser.get(&lab.route("10.0.0.0/99", &lab.peering.to_string())).await;
    assert_eq!(got.status, 422);
    assert!(got.text.contains("This is no block") && got.text.contains("10.0.0.0/99"));
    assert!(Arc::ptr_eq(&before, &lab.server.state.world()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_shown_to_the_session_that_made_the_change_alone() {
    let lab = Lab::new().await;
    let mut browser = lab.browser().await;
    let page = browser.get(&lab.route("10.0.0.0/16", &lab.peering.to_string())).await.text;
    let location = press(&mut browser, &lab, &page).await.header("location").to_owned();
    assert!(browser.get(&location).await.text.contains("is added."));
    let mut other = lab.browser().await;
    assert!(!other.get(&location).await.text.contains("is added."));
    let (path, _) = location.split_once('?').unwrap();
    let table = lab.main_table();
    let forged = form_urlencoded::Serializer::new(String::new())
        .append_pair("did", &format!("route- {table} 10.0.0.0/16\n"))
        .append_pair("undo", &format!("route+ {table} 0.0.0.0/0 {}\n", lab.peering))
        .append_pair("state", "0")
        .append_pair("seal", "0")
        .finish();
    let page = browser.get(&format!("{path}?{forged}")).await.text;
    assert!(!page.contains("is removed.") && !page.contains("0.0.0.0/0"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peering_is_let_in_step_by_step() {
    let lab = Lab::new().await;
    let mut browser = lab.browser().await;
    let join = lab.path(&format!("peerings/{}", lab.peering));
    let page = browser.get(&join).await.text;
    assert!(page.contains("Return route") && page.contains(&lab.main_table()), "{page}");
    let pcx = lab.peering.to_string();
    let (table, group) = (lab.main_table(), lab.vpc().default_group);
    let asked =
        lab.asks(&[("do", "return-route"), ("peering", &pcx), ("table", &table), ("to", "whole")]);
    let preview = browser.get(&asked).await.text;
    let got = press(&mut browser, &lab, &preview).await;
    assert!(got.header("location").starts_with(&join), "it leads back: {}", got.text);
    let page = browser.get(got.header("location")).await.text;
    assert!(page.contains("is added.") && page.contains("in every table that needs it"), "{page}");
    let group_id = group.to_string();
    let asked = lab.asks(&[
        ("do", "let-in"),
        ("peering", &pcx),
        ("group", &group_id),
        ("protocol", "tcp"),
        ("ports", "8000"),
        ("source", "10.0.128.0/20"),
        ("source", "10.0.144.0/20"),
    ]);
    let preview = browser.get(&asked).await.text;
    assert!(preview.contains("authorize-security-group-ingress"), "{preview}");
    let got = press(&mut browser, &lab, &preview).await;
    assert_eq!(got.status, 303, "{}", got.text);
    let added: Vec<_> = lab.rules(group).into_iter().filter(|r| r.contains("8000")).collect();
    assert_eq!(added.len(), 2, "{added:?}");
    // Undone, both are gone.
    let notice = browser.get(got.header("location")).await.text;
    assert_eq!(press(&mut browser, &lab, &notice).await.status, 303);
    assert!(!lab.rules(group).iter().any(|rule| rule.contains("8000")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_replaced_removed_and_brought_back() {
    let lab = Lab::new().await;
    let mut browser = lab.browser().await;
    let group = lab.vpc().default_group;
    let group_id = group.to_string();
    let rule = |replaces: &str, ports: &str, peer: &str| {
        lab.asks(&[
            ("do", "rule"),
            ("group", &group_id),
            ("replaces", replaces),
            ("direction", "in"),
            ("protocol", "tcp"),
            ("ports", ports),
            ("peer", peer),
            ("description", "from the office, mostly"),
        ])
    };
    let begun = lab.rules(group).len();
    let preview = browser.get(&rule("", "22", "192.168.0.0/16")).await.text;
    assert_eq!(press(&mut browser, &lab, &preview).await.status, 303);
    let id_of = |text: &str| {
        let world = lab.server.state.world();
        let rules = &world.group(group).unwrap().rules;
        let found = rules.iter().find(|(_, rule)| rule.traffic.to_string() == text);
        found.map(|(id, _)| id.to_string())
    };
    let old = id_of("tcp 22").unwrap();
    let page = browser.get(&lab.path(&format!("groups/{group}?replaces={old}"))).await.text;
    assert!(page.contains("from the office, mostly") && page.contains("value=\"22\""), "{page}");
    let preview = browser.get(&rule(&old, "23", "192.168.0.0/16")).await.text;
    assert!(preview.contains("revoke-security-group-ingress"), "{preview}");
    let got = press(&mut browser, &lab, &preview).await;
    assert_eq!(got.status, 303, "{}", got.text);
    assert!(id_of("tcp 22").is_none() && id_of("tcp 23").is_some());
    let notice = browser.get(got.header("location")).await.text;
    let got = press(&mut browser, &lab, &notice).await;
    assert_eq!(got.status, 303, "{}", got.text);
    assert!(id_of("tcp 22").is_some() && id_of("tcp 23").is_none());
    // A link beside the rule leads to its removal.
    let old = id_of("tcp 22").unwrap();
    let remove = format!("rule- {group} in {old}");
    let preview = browser.get(&lab.asks(&[("do", "edit"), ("edit", &remove)])).await.text;
    let got = press(&mut browser, &lab, &preview).await;
    assert_eq!(lab.rules(group).len(), begun);
    let notice = browser.get(got.header("location")).await.text;
    assert_eq!(press(&mut browser, &lab, &notice).await.status, 303);
    let world = lab.server.state.world();
    let described =
        |rule: &model::GroupRule| rule.description.as_deref() == Some("from the office, mostly");
    assert!(world.group(group).unwrap().rules.values().any(described));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_whose_second_half_is_refused_changes_nothing() {
    let lab = Lab::new().await;
    let mut browser = lab.browser().await;
    let group = lab.vpc().default_group;
    let (group_id, before) = (group.to_string(), lab.rules(group));
    // The old rule is gone by the time that it would be taken away.
    let edit = format!(
        "rule+ {group} in tcp:23-23 192.168.0.0/16 \nrule- {group} in sgr-00000000000000001\n"
    );
    let asked = lab.asks(&[
        ("do", "rule"),
        ("group", &group_id),
        ("direction", "in"),
        ("protocol", "tcp"),
        ("ports", "23"),
        ("peer", "192.168.0.0/16"),
    ]);
    let page = browser.get(&asked).await.text;
    let (form, shown) = (hidden(&page, "form").unwrap(), hidden(&page, "shown").unwrap());
    let fields = [("form", &*form), ("edit", &*edit), ("shown", &*shown)];
    let got = browser.post(&lab.path("change"), &fields).await;
    assert!(got.status.is_client_error(), "{}", got.text);
    assert_eq!(lab.rules(group), before, "the first half is taken back");
    assert!(got.text.contains("This cannot be done"), "{}", got.text);
    assert!(!got.text.contains("Only a part was done"), "{}", got.text);
    // Who asks for the first half alone gets it: nothing is left in its way.
    let preview = browser.get(&asked).await.text;
    assert_eq!(press(&mut browser, &lab, &preview).await.status, 303);
    assert_eq!(lab.rules(group).len(), before.len() + 1);
}
