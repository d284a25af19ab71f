//! Whose a name is.

use super::fixture::*;
use super::shop::*;
use crate::PlatformCommand as C;
use crate::edge::{Domains, known_as};
use crate::*;

fn add(app: AppId, hostname: &str) -> C {
    C::AddDomain { app, hostname: hostname.to_owned() }
}

/// An app of another team, in a space of its own.
fn rival(shop: &mut Shop) -> (Caller, AppId) {
    let eve = shop.town.stranger;
    let create = IdentityCommand::CreateTeam { name: "rival".to_owned(), admin: eve };
    let made = shop.town.bench.ok(Caller::Operator, create).main();
    let Some(Key::Team(team)) = made else { panic!("no team") };
    let create = C::CreateSpace {
        name: "rival".to_owned(),
        team,
        region: None,
        cidr: None,
        data_cidr: None,
    };
    let made = shop.town.bench.ok(Caller::User(eve), create).main();
    let Some(Key::Space(space)) = made else { panic!("no space") };
    let create = C::CreateApp { name: None, space, internal_routing: false };
    let made = shop.town.bench.ok(Caller::User(eve), create).main();
    let Some(Key::App(app)) = made else { panic!("no app") };
    (Caller::User(eve), app)
}

#[test]
fn a_name_is_known_as_itself_then_by_its_nearest_pattern() {
    let all: Vec<_> = known_as("a.b.example.com").collect();
    assert_eq!(all, ["a.b.example.com", "*.b.example.com", "*.example.com"]);
    assert_eq!(known_as("example.com").collect::<Vec<_>>(), ["example.com"]);
    assert_eq!(known_as("localhost").collect::<Vec<_>>(), ["localhost"]);
}

#[test]
fn a_domain_is_a_suffix_of_labels() {
    for (name, expected) in [("a.localspace", true), ("localspace", true), ("alocalspace", false)] {
        assert_eq!(edge::is_in(name, "localspace"), expected, "{name}");
    }
}

#[test]
fn what_a_pattern_stands_for_is_its_teams() {
    let mut shop = Shop::new();
    let (eve, theirs) = rival(&mut shop);
    shop.ok(add(shop.app, "*.example.com"));
    for name in ["www.example.com", "a.b.example.com", "*.b.example.com", "*.example.com"] {
        let refused = shop.town.bench.refused(eve, add(theirs, name));
        assert_eq!(refused.code, Code::InvalidParameterValue, "{name}");
        assert!(refused.message.contains("in use by another app"), "{refused}");
    }
    shop.town.bench.ok(eve, add(theirs, "example.com"));
    // The same team divides it as it likes.
    let (space, name) = (shop.town.space, None);
    let made = shop.ok(C::CreateApp { name, space, internal_routing: false }).main();
    let Some(Key::App(other)) = made else { panic!("no app") };
    shop.ok(add(other, "www.example.com"));
}

#[test]
fn a_pattern_takes_no_names_of_another_team() {
    let mut shop = Shop::new();
    let (eve, theirs) = rival(&mut shop);
    for (own, pattern) in [
        ("www.victim.example", "*.victim.example"),
        ("a.b.deep.example", "*.deep.example"),
        ("*.api.wide.example", "*.wide.example"),
        ("apex.example", "*.apex.example"),
        ("www.below.example", "*.www.below.example"),
    ] {
        shop.ok(add(shop.app, own));
        let refused = shop.town.bench.refused(eve, add(theirs, pattern));
        assert_eq!(refused.code, Code::InvalidParameterValue, "{pattern}");
        assert!(refused.message.contains("an app of another team"), "{refused}");
        assert!(!refused.message.replace(pattern, "").contains(own), "{refused}");
        // The same team may have both.
        shop.ok(add(shop.app, pattern));
    }
    // Neither a neighbour of the name nor a domain that only ends alike is below it.
    shop.ok(add(shop.app, "www.near.example"));
    for pattern in ["*.other.near.example", "*.ear.example", "*.near.example.org"] {
        shop.town.bench.ok(eve, add(theirs, pattern));
    }
    // Once the name is given up, it holds nothing any more.
    let app = shop.app;
    let domain = shop.app().domains["www.near.example"].id;
    shop.ok(C::RemoveDomain { app, domain });
    shop.town.bench.ok(eve, add(theirs, "*.www.near.example"));
    shop.town.bench.ok(eve, add(theirs, "*.near.example"));
}

#[test]
fn a_pattern_stands_for_names_of_one_owner() {
    let mut shop = Shop::new();
    let top = shop.refused(add(shop.app, "*.com"));
    assert_eq!(top.code, Code::InvalidParameterValue, "{top}");
    for pattern in ["*.co.uk", "*.github.io", "*.herokuapp.com", "*.kobe.jp"] {
        let refused = shop.refused(add(shop.app, pattern));
        assert_eq!(refused.code, Code::InvalidParameterValue, "{pattern}");
        assert!(refused.message.contains("anybody may register"), "{refused}");
    }
    for name in ["*.example.co.uk", "*.me.github.io", "*.corp.local", "shop.co.uk"] {
        shop.ok(add(shop.app, name));
    }
}

#[test]
fn names_that_the_platform_gives_out_are_nobodys_custom_domain() {
    let mut shop = Shop::new();
    let (eve, theirs) = rival(&mut shop);
    for name in ["web.shop.app.localspace", "*.ec2.internal", "ip-1.eu-west-1.compute.internal"] {
        let refused = shop.refused(add(shop.app, name));
        assert!(refused.message.contains("the platform itself keeps"), "{refused}");
    }
    // What lies in the platform's domain only whoever knows it can refuse.
    let domains = Domains::default();
    let own = domains.host(&shop.app());
    shop.town.bench.ok(eve, add(theirs, &own));
    shop.town.bench.ok(eve, add(theirs, "*.apps.localhost"));
    assert!(
        Domains { public: "apps.acme.example".to_owned(), ..domains.clone() }
            .hold("*.acme.example")
    );
    assert!(
        !Domains { public: "apps.acme.example".to_owned(), ..domains.clone() }.hold("acme.example")
    );
    shop.town.bench.ok(eve, add(theirs, "myapps.localhost.example"));
    let space = shop.town.bench.world.app(theirs).unwrap().space;
    let mut vpcs = Observation::default();
    vpcs.vpcs.extend(shop.town.bench.world.vpcs().map(|vpc| vpc.id));
    let data = shop.town.bench.world.space(space).unwrap().data_peering;
    vpcs.carried.insert(data);
    shop.town.bench.ok(Caller::System, SystemCommand::Observe(vpcs));
    let route = plan_edge(&shop.town.bench.world, &domains).spaces[&space].apps[&theirs].clone();
    let label = domains.host(shop.town.bench.world.app(theirs).unwrap());
    assert_eq!(route.hosts, [label, "myapps.localhost.example".to_owned()].into());
}

#[test]
fn custom_domains_mean_nothing_in_the_vpcs_of_others() {
    let mut shop = Shop::new();
    let (space, name) = (shop.town.space, Some("inner".to_owned()));
    let made = shop.ok(C::CreateApp { name, space, internal_routing: true }).main();
    let Some(Key::App(app)) = made else { panic!("no app") };
    shop.ok(add(app, "bank.example.com"));
    let owner = scope(700, VIRGINIA);
    let ensure = IdentityCommand::EnsureAccount { id: owner.account, region: owner.region };
    shop.town.bench.ok(Caller::Operator, ensure);
    shop.town.bench.ok(key(owner), Ec2Command::RunInstances(default_instance()));
    let vpcs = shop.town.bench.world.vpcs_of(Key::Account(owner.account));
    let vpc = vpcs.map(|vpc| vpc.id).next().unwrap();
    let pcx = shop.town.request_from((owner, vpc));
    shop.ok(C::AcceptPeering { space, peering: pcx });
    let plan = plan_edge(&shop.town.bench.world, &Domains::default());
    let own = Domains::default().host(shop.town.bench.world.app(app).unwrap());
    let names = |vpc: VpcId| {
        let names = &plan.vpcs[&vpc].names;
        [own.as_str(), "bank.example.com"].map(|name| names.contains_key(name))
    };
    assert_eq!(names(shop.town.space().vpc), [true, true]);
    assert_eq!(names(vpc), [true, false]);
}

fn default_instance() -> RunInstances {
    RunInstances { subnet: None, ..run(SubnetId::MIN) }
}
