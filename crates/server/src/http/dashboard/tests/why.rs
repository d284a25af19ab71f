//! The page that says why packets pass, or not: what its buttons do, and for whom.

use std::sync::Arc;

use model::{
    Access, Caller, Ec2Command, Flow, Key, PcxId, PlatformCommand, Region, RunInstances, Scope,
    VpcId, reach,
};

use super::browser::{Browser, access_key, account, hidden, joined, user};
use crate::credentials::new_access_key;
use crate::http::dashboard::place::Place;
use crate::http::platform::tests::fixture::{ALICE, BOB, Fixture, STRANGER};

/// A space with a dyno, and a VPC with an instance that asks for a peering with it.
struct Town {
    server: Fixture,
    peering: PcxId,
    vpc: VpcId,
    dyno: String,
    instance: String,
}

impl Town {
    async fn new() -> Self {
        let (server, peering) = joined().await;
        let scope = Scope { account: account(&server).await, region: Region::DEFAULT };
        let owner = Caller::Account { scope, read_only: false };
        let vpc = server.state.world().peering(peering).unwrap().requester.vpc;
        let (cidr, tags) = ("10.100.1.0/24".parse().unwrap(), Default::default());
        let subnet = Ec2Command::create_subnet(vpc, cidr, None, tags);
        let Key::Subnet(subnet) = server.command(owner, subnet).await else { panic!() };
        let run = RunInstances::new(subnet, "ami-00000000000000001");
        let made = server.command(owner, Ec2Command::RunInstances(run)).await;
        let Key::Instance(instance) = made else { panic!("{made:?}") };
        let admin = Caller::User(user(&server, "alice"));
        let space = server.state.world().space_named("alpha").unwrap().id;
        let name = Some("town".to_owned());
        let app = PlatformCommand::CreateApp { name, space, internal_routing: false };
        let Key::App(app) = server.command(admin, app).await else { panic!() };
        let start = PlatformCommand::StartDyno {
            app,
            command: "sleep 60".to_owned(),
            size: None,
            environment: Default::default(),
            stdio: Default::default(),
        };
        let Key::Dyno(dyno) = server.command(admin, start).await else { panic!() };
        let dyno = format!("town/{}", server.state.world().dyno(dyno).unwrap().name);
        Self { server, peering, vpc, dyno, instance: instance.to_string() }
    }

    fn path(&self, from: &str, to: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("from", from).append_pair("to", to);
        format!("/dashboard/why?{}&protocol=tcp&port=8000", query.finish())
    }

    fn passes(&self, from: &str, to: &str) -> bool {
        let world = self.server.state.world();
        let flow = Flow::resolve(&world, from, to, "tcp", Some(8000), None).unwrap();
        reach(&world, &flow, self.server.state.clock.now()).allowed
    }

    /// Somebody who has the space and the VPC.
    async fn both(&self) -> Browser<'_> {
        let mut browser = Browser::signed_in(&self.server, ALICE).await;
        let (id, secret) = access_key(&self.server).await;
        assert_eq!(browser.sign_in_by_key(&id, &secret).await.status, 303);
        browser
    }

    /// The owner of the VPC.
    async fn owner(&self) -> Browser<'_> {
        let (id, secret) = access_key(&self.server).await;
        let mut browser = Browser::new(&self.server);
        assert_eq!(browser.sign_in_by_key(&id, &secret).await.status, 303);
        browser
    }

    /// The same with a key that may change nothing.
    async fn reader(&self) -> Browser<'_> {
        let account = account(&self.server).await;
        let (id, secret, command) =
            new_access_key(&self.server.state.secret, account, Access::ReadOnly).unwrap();
        self.server.command(Caller::Operator, command).await;
        let mut browser = Browser::new(&self.server);
        assert_eq!(browser.sign_in_by_key(&id.to_string(), &secret).await.status, 303);
        browser
    }
}

/// What stands in a page's attribute or text, as it was written.
fn plain(text: &str) -> String {
    let signs = [("&#38;", "&"), ("&#39;", "'"), ("&amp;", "&"), ("&#34;", "\""), ("&#62;", ">")];
    signs.into_iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Presses the first button of a page that carries a remedy out; nothing where there is none.
async fn press(browser: &mut Browser<'_>, path: &str, page: &str) -> Option<String> {
    let commands = plain(&hidden(page, "commands")?);
    let form = hidden(page, "form").unwrap();
    let fields = [("form", form.as_str()), ("do", "remedy"), ("commands", commands.as_str())];
    let got = browser.post(path, &fields).await;
    assert_eq!(got.status, 303, "{commands}: {}", got.text);
    let back = got.header("location").strip_prefix(path).expect("it leads back");
    assert!(back == "&done=1" || back.starts_with("&did="), "{back}");
    Some(browser.get(got.header("location")).await.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_is_mended_by_the_buttons_of_the_page() {
    let town = Town::new().await;
    let mut browser = town.both().await;
    for (from, to) in [(&town.instance, &town.dyno), (&town.dyno, &town.instance)] {
        let path = town.path(from, to);
        let mut page = browser.get(&path).await.text;
        let mut presses = 0;
        while !town.passes(from, to) {
            assert!(page.contains("<div class=\"note bad\" role=\"status\">"), "{page}");
            page = press(&mut browser, &path, &page).await.expect("a button that goes on");
            assert!(page.contains("This is what the rules say now."), "{page}");
            presses += 1;
            assert!(presses < 6, "it comes to an end: {page}");
            // The fabric carries the peering.
            town.server.observe().await;
        }
        let page = browser.get(&path).await.text;
        assert!(page.contains("<div class=\"note ok\" role=\"status\">"), "{page}");
        assert_eq!(hidden(&page, "commands"), None, "there is nothing left to do");
        assert!(presses > 0, "{from} to {to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_an_end_finds_nothing() {
    let town = Town::new().await;
    let path = town.path(&town.dyno, &town.instance);
    let missing = town.path("town/run.1", "i-00000000000000000");
    let stranger = Browser::signed_in(&town.server, STRANGER).await;
    let bob = Browser::signed_in(&town.server, BOB).await;
    for mut browser in [stranger, bob, town.owner().await] {
        for path in [&path, &missing] {
            let got = browser.get(path).await;
            assert_eq!(got.status, 404, "{}", got.text);
            assert!(!got.text.contains("class=\"hops\""), "{}", got.text);
            let form = hidden(&got.text, "form").unwrap();
            for what in ["probe", "remedy"] {
                let fields = [("form", form.as_str()), ("do", what), ("commands", "x")];
                assert_eq!(browser.post(path, &fields).await.status, 404, "{what}");
            }
        }
    }
    let mut both = town.both().await;
    assert_eq!(both.get(&path).await.status, 200);
    assert_eq!(both.get(&missing).await.status, 404);
    assert_eq!(both.get("/dashboard/why").await.status, 200, "nothing is asked yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_carry_a_remedy_out_is_refused_and_nothing_changes() {
    let town = Town::new().await;
    // Bob, a member, sees the space but may not accept; the VPC is named by its block.
    let to = format!("{}/10.100.1.4", town.vpc);
    let path = town.path(&town.dyno, &to);
    let mut alice = Browser::signed_in(&town.server, ALICE).await;
    let page = alice.get(&path).await.text;
    let accept = plain(&hidden(&page, "commands").expect("an admin may accept"));
    assert!(accept.contains(&format!("spaces:peerings:accept {}", town.peering)), "{accept}");
    let before = town.server.state.world();
    let mut bob = Browser::signed_in(&town.server, BOB).await;
    let page = bob.get(&path).await.text;
    assert!(page.contains("spaces:peerings:accept"), "what to send to an admin: {page}");
    assert_eq!(hidden(&page, "commands"), None);
    let post = async |browser: &mut Browser<'_>, path: &str, commands: &str| {
        let form = hidden(&browser.get(path).await.text, "form").unwrap();
        let fields = [("form", form.as_str()), ("do", "remedy"), ("commands", commands)];
        browser.post(path, &fields).await
    };
    let got = post(&mut bob, &path, &accept).await;
    assert_eq!(got.status, 403, "{}", got.text);
    assert!(got.text.contains("it is not yours to do"), "{}", got.text);
    assert!(Arc::ptr_eq(&before, &town.server.state.world()));
    // The VPC's owner is not told how the space accepts, and cannot do it.
    let space = town.server.state.world().space_named("alpha").unwrap().vpc;
    let theirs = town.path(&town.instance, &format!("{space}/10.0.128.4"));
    let mut owner = town.owner().await;
    let before = town.server.state.world();
    assert!(!owner.get(&theirs).await.text.contains("spaces:peerings:accept"));
    assert_eq!(post(&mut owner, &theirs, &accept).await.status, 412);
    assert_eq!(post(&mut owner, &theirs, "aws ec2 delete-vpc").await.status, 412);
    assert!(Arc::ptr_eq(&before, &town.server.state.world()));
    // A key that may only describe.
    assert!(mend(&mut alice, &path).await);
    town.server.observe().await;
    let route = plain(&hidden(&owner.get(&theirs).await.text, "commands").unwrap());
    assert!(route.contains("create-route"), "{route}");
    let mut reader = town.reader().await;
    let before = town.server.state.world();
    let page = reader.get(&theirs).await.text;
    assert!(page.contains("create-route") && hidden(&page, "commands").is_none(), "{page}");
    assert_eq!(post(&mut reader, &theirs, &route).await.status, 403);
    assert!(Arc::ptr_eq(&before, &town.server.state.world()));
    // Without the form's token nothing is looked at.
    let fields = [("do", "remedy"), ("commands", route.as_str())];
    assert_eq!(owner.post(&theirs, &fields).await.status, 403);
    // What was done already is none any more.
    assert!(mend(&mut owner, &theirs).await);
    assert_eq!(post(&mut owner, &theirs, &route).await.status, 412);
}

/// Opens a page and presses its first button, if it has one.
async fn mend(browser: &mut Browser<'_>, path: &str) -> bool {
    let page = browser.get(path).await.text;
    press(browser, path, &page).await.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_packets_are_carried_a_probe_says_so() {
    let town = Town::new().await;
    let path = town.path(&town.dyno, &town.instance);
    let mut browser = town.both().await;
    for (language, words) in
        [("en", "There are no packets here"), ("ja", "パケットは流れていません")]
    {
        browser.headers = vec![("accept-language", language.to_owned())];
        let page = browser.get(&path).await.text;
        let form = hidden(&page, "form").unwrap();
        let before = town.server.state.world();
        let got = browser.post(&path, &[("form", &form), ("do", "probe")]).await;
        assert_eq!(got.status, 200);
        assert!(got.text.contains(words) && got.text.contains("class=\"hops\""), "{}", got.text);
        assert!(Arc::ptr_eq(&before, &town.server.state.world()));
    }
    let form = hidden(&browser.get(&path).await.text, "form").unwrap();
    let udp = path.replace("protocol=tcp", "protocol=udp");
    assert_eq!(browser.post(&udp, &[("form", &form), ("do", "probe")]).await.status, 400);
    assert_eq!(browser.post(&path, &[("form", &form), ("do", "other")]).await.status, 400);
    assert_eq!(browser.post("/dashboard/map", &[("form", &form)]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_link_of_the_map_and_of_why_leads_somewhere() {
    let town = Town::new().await;
    let (space, vpc) = (town.server.state.world().space_named("alpha").unwrap().vpc, town.vpc);
    let ends = format!("from={}&to={}", town.dyno, town.instance);
    let mut browsers = vec![
        (Browser::signed_in(&town.server, ALICE).await, "alice"),
        (town.owner().await, "owner"),
        (town.both().await, "both"),
        (Browser::signed_in(&town.server, &town.server.operator()).await, "operator"),
    ];
    let mut kinds = std::collections::BTreeSet::new();
    for (browser, who) in &mut browsers {
        for query in ["".to_owned(), format!("open={space}&open={vpc}"), format!("{ends}&port=80")]
        {
            for page in ["/dashboard/map", "/dashboard/map/matrix"] {
                let page = format!("{page}?{query}");
                let got = browser.get(&page).await;
                assert_eq!(got.status, 200, "{who}: {page}");
                for href in got.text.split("href=\"").skip(1) {
                    let href = plain(href.split_once('"').unwrap().0);
                    let (path, asked) = href.split_once('?').unwrap_or((&href, ""));
                    let known = path.starts_with('#')
                        || path.starts_with("/dashboard/assets/")
                        || path == "/dashboard/sign-in"
                        || path == dashboard::SECOND_FACTOR_PATH;
                    if known {
                        continue;
                    }
                    let asked = asked.split_once('#').map_or(asked, |(asked, _)| asked);
                    let path = path.split_once('#').map_or(path, |(path, _)| path);
                    let place = Place::of(path, asked);
                    assert!(place.is_some(), "{who} is led from {page} to {href}");
                    // The page is there for them, too. It is asked for once.
                    if kinds.insert((*who, path.to_owned())) {
                        assert_eq!(browser.get(&href).await.status, 200, "{who}: {href}");
                    }
                }
            }
        }
    }
    let review = format!("/dashboard/spaces/alpha/peerings/{}", town.peering);
    for (who, path) in [
        ("alice", review.clone()),
        ("operator", review.clone()),
        ("both", review),
        ("owner", format!("/dashboard/vpcs/{vpc}")),
    ] {
        assert!(kinds.contains(&(who, path.clone())), "{who}: {path} of {kinds:?}");
    }
}

/// The owner's question whose answer is a route in the VPC, once the space has accepted.
async fn route_missing(town: &Town) -> String {
    let mut alice = Browser::signed_in(&town.server, ALICE).await;
    let accept = town.path(&town.dyno, &format!("{}/10.100.1.4", town.vpc));
    assert!(mend(&mut alice, &accept).await);
    town.server.observe().await;
    let space = town.server.state.world().space_named("alpha").unwrap().vpc;
    town.path(&town.instance, &format!("{space}/10.0.128.4"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remedy_says_what_it_will_change_and_can_be_taken_back() {
    let town = Town::new().await;
    let path = route_missing(&town).await;
    let mut owner = town.owner().await;
    let before = town.server.state.world();
    let page = owner.get(&path).await.text;
    assert!(page.contains("flows start to pass") && page.contains("0 flows stop"), "{page}");
    assert!(page.contains("dynos in <span class=\"m\">10.0.128.0/20</span>"), "{page}");
    assert!(!page.contains("town/"), "whose dynos they are is the space's: {page}");
    assert!(Arc::ptr_eq(&before, &town.server.state.world()), "a look changes nothing");
    let routes = || {
        let world = town.server.state.world();
        let table = world.vpc(town.vpc).unwrap().main_route_table;
        world.route_table(table).unwrap().routes.len()
    };
    let page = press(&mut owner, &path, &page).await.unwrap();
    assert_eq!(routes(), 1);
    assert!(page.contains("is added.") && page.contains("Undo</button>"), "{page}");
    let undo = async |browser: &mut Browser<'_>, page: &str| {
        let (_, rest) = page.split_once("name=\"edit\" value=\"").expect("a form that undoes it");
        let edit = plain(rest.split_once('"').unwrap().0);
        let (form, shown) = (hidden(page, "form").unwrap(), hidden(page, "shown").unwrap());
        let fields = [("form", &*form), ("do", "undo"), ("edit", &*edit), ("shown", &*shown)];
        browser.post(&path, &fields).await
    };
    // Others cannot take it back, whatever they send.
    let mut reader = town.reader().await;
    let form = hidden(&reader.get(&path).await.text, "form").unwrap();
    let theirs = page.replace(&hidden(&page, "form").unwrap(), &form);
    assert_eq!(undo(&mut reader, &theirs).await.status, 403);
    let mut alice = Browser::signed_in(&town.server, ALICE).await;
    let form = hidden(&alice.get("/dashboard").await.text, "form").unwrap();
    let theirs = page.replace(&hidden(&page, "form").unwrap(), &form);
    assert_eq!(undo(&mut alice, &theirs).await.status, 404);
    assert_eq!(routes(), 1);
    // Who did it can, and take that back, too.
    let got = undo(&mut owner, &page).await;
    assert_eq!((got.status.as_u16(), routes()), (303, 0), "{}", got.text);
    let again = owner.get(got.header("location")).await.text;
    assert!(again.contains("is removed.") && again.contains("Undo</button>"), "{again}");
    assert!(again.contains("<div class=\"note bad\" role=\"status\">"), "{again}");
    // What was taken back is not taken back once more.
    assert_eq!(undo(&mut owner, &page).await.status, 412);
    assert_eq!(undo(&mut owner, &again).await.status, 303);
    assert_eq!(routes(), 1);
    // Another session is told of nothing.
    let mut other = town.owner().await;
    assert!(!other.get(got.header("location")).await.text.contains("is removed."));
    for fields in [vec![("do", "undo")], vec![("do", "undo"), ("edit", "x"), ("shown", "x")]] {
        let form = hidden(&owner.get(&path).await.text, "form").unwrap();
        let fields = [vec![("form", form.as_str())], fields].concat();
        assert_eq!(owner.post(&path, &fields).await.status, 400);
    }
}
