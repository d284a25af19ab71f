//! The pages, made from worlds that the rules make.

mod apps;
mod flows;
mod people;
mod second_factor;
mod stage;
mod vpc;

use std::time::Duration;

use model::{Caller, Code, PlatformCommand, Refused};

use self::stage::{Seen, Stage};
use crate::*;

/// What no page may contain: a place that was not filled, or HTML that was escaped twice.
fn check(page: &str) {
    // The script fills these two.
    let page = page.replace("{time}", "").replace("data-waiting=\"{n} ", "").replace(" {n} ", "");
    // Rules in the short form of the `aws` client.
    let page = page.replace("{CidrIp=", "").replace("},", "").replace("}]", "");
    for wrong in ["{", "}", "&amp;lt;", "&amp;amp;", " style=", "javascript:", "onclick"] {
        assert!(!page.contains(wrong), "'{wrong}' is in {page}");
    }
    for tag in ["section", "div", "main", "form", "ul", "ol", "dl", "table", "span", "p", "li", "a"]
    {
        let opened =
            page.matches(&format!("<{tag} ")).count() + page.matches(&format!("<{tag}>")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "<{tag}> in {page}");
    }
}

/// Every page of a stage, for somebody who sees the space.
fn pages(stage: &Stage, viewer: Viewer, language: Language) -> Vec<String> {
    let seen = Seen { viewer, language, theme: None };
    let space = stage.space();
    let mut pages = vec![stage.home(seen), stage.network(seen, None)];
    for vpc in stage.vpcs() {
        pages.push(stage.vpc(seen, vpc, None));
        for (cidr, unavailable) in [("", ""), ("10.0.0.0/16", "10.1.0.0/16"), ("10.64.0.0/10", "x")]
        {
            let space = stage.space().vpc.to_string();
            let account = "100000000001";
            let typed = Typed { vpc: &space, account, region: "", cidr, unavailable };
            pages.push(stage.ask(seen, vpc, typed, true));
        }
    }
    for peering in stage.world.space_peerings(&space, stage.now) {
        if peering.is_customers() {
            pages.push(stage.review(seen, peering.id, None));
            pages.push(stage.destroy(seen, peering.id, None, ""));
        }
    }
    for query in ["", "q=10.", "q=nothing-is-called-so", "state=pending"] {
        pages.push(stage.map(seen, query));
    }
    pages.push(stage.matrix(seen, "port=80&peered=1"));
    pages.push(stage.why(seen, &Question::default(), Came::Nothing));
    for query in ["", "alpha", "10.", "nowhere"] {
        pages.push(stage.search(seen, query));
    }
    pages.push(stage.problem(seen, &Problem::NotFound));
    pages.push(stage.problem(seen, &Problem::Failed("The disk is full.".to_owned())));
    for way in Way::ALL {
        for trouble in [None, Some(Trouble::Wrong), Some(Trouble::TooMany(7)), Some(Trouble::Over)]
        {
            pages.push(stage.sign_in(seen, way, trouble, "ada@example.com"));
        }
    }
    if let Some(user) = viewer.user {
        pages.extend(stage.second_factor_pages(seen, user));
    }
    pages
}

#[test]
fn every_page_is_whole_in_both_languages() {
    let mut stage = Stage::new();
    stage.request("10.100.0.0/16");
    let active = stage.request("10.64.0.0/16");
    stage.accept(active);
    stage.request("10.1.128.0/18");
    for language in Language::ALL {
        let viewers = [stage.admin(), stage.member(), stage.operator(), stage.both()];
        for viewer in viewers {
            for page in pages(&stage, viewer, language) {
                check(&page);
                assert!(page.contains(&format!("<html lang=\"{}\"", language.code())), "{page}");
                assert_eq!(page.matches("<h1").count(), 1, "{page}");
            }
        }
    }
}

#[test]
fn names_from_outside_are_shown_as_text() {
    let mut stage = Stage::new();
    let hostile = "<script>alert(1)</script>";
    stage.name_vpc(&format!("{hostile}\"'&{{x}}"));
    let failed = stage.ask_in_vain();
    let peering = stage.request("10.100.0.0/16");
    stage.accept(peering);
    for language in Language::ALL {
        let seen = Seen { viewer: stage.both(), language, theme: None };
        let home = stage.home(seen);
        assert!(!home.contains(hostile), "{home}");
        assert!(
            home.contains("&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#38;{x}"),
            "{home}"
        );
        assert!(home.contains(&failed.to_string()), "{home}");
        let page = stage.sign_in(seen, Way::Password, Some(Trouble::Wrong), hostile);
        assert!(!page.contains(hostile) && page.contains("alert(1)"), "{page}");
        let page = stage.destroy(seen, peering, Some(&Refusal::TypedWrong), hostile);
        assert!(!page.contains(hostile) && page.contains("alert(1)"), "{page}");
        let refused = Refused::new(Code::InvalidParameterValue, hostile);
        let page = stage.review(seen, peering, Some(&Refusal::Rule(refused)));
        assert!(!page.contains(hostile) && page.contains("alert(1)"), "{page}");
    }
}

#[test]
fn who_may_not_answer_sees_no_button() {
    let mut stage = Stage::new();
    let waits = stage.request("10.100.0.0/16");
    let active = stage.request("10.64.0.0/16");
    stage.accept(active);
    for (viewer, may) in [(stage.admin(), true), (stage.operator(), true), (stage.member(), false)]
    {
        let seen = Seen { viewer, ..stage.seen() };
        let review = stage.review(seen, waits, None);
        assert_eq!(review.contains("value=\"accept\""), may, "{review}");
        assert_eq!(review.contains("value=\"reject\""), may, "{review}");
        assert_eq!(review.contains("Only admins of the team"), !may, "{review}");
        let network = stage.network(seen, None);
        assert_eq!(network.contains("/destroy\""), may, "{network}");
        // Everybody of the team may look at a request.
        assert!(network.contains(&format!("peerings/{waits}\"")), "{network}");
        let destroy = stage.destroy(seen, active, None, "");
        assert_eq!(destroy.contains("name=\"confirm\""), may, "{destroy}");
        let home = stage.home(seen);
        assert_eq!(home.contains("asks to peer with"), may, "{home}");
    }
}

#[test]
fn a_request_that_cannot_be_accepted_says_why_and_can_be_rejected() {
    let mut stage = Stage::new();
    // It overlaps the data services.
    let misfit = stage.request("10.1.128.0/18");
    let review = stage.review(stage.seen(), misfit, None);
    assert!(review.contains("cannot be accepted"), "{review}");
    assert!(review.contains("10.1.128.0/18") && review.contains("10.1.0.0/16"), "{review}");
    assert!(
        !review.contains("value=\"accept\"") && review.contains("value=\"reject\""),
        "{review}"
    );
    let network = stage.network(stage.seen(), None);
    assert!(network.contains("Cannot be accepted"), "{network}");
    let home = stage.home(stage.seen());
    assert!(home.contains("but the request cannot be accepted"), "{home}");
}

#[test]
fn the_platforms_own_peering_is_masked_and_cannot_be_touched() {
    let stage = Stage::new();
    let managed = stage.space().data_peering.to_string();
    for viewer in [stage.admin(), stage.operator()] {
        let seen = Seen { viewer, ..stage.seen() };
        let network = stage.network(seen, None);
        assert!(network.contains("******") && network.contains("heroku-managed"), "{network}");
        assert!(network.contains("managed by the platform"), "{network}");
        assert!(!network.contains(&managed), "{network}");
        assert!(!network.contains(&stage.space().data_vpc.to_string()), "{network}");
    }
}

#[test]
fn a_request_counts_down_and_expires() {
    let mut stage = Stage::new();
    let waits = stage.request("10.100.0.0/16");
    let review = stage.review(stage.seen(), waits, None);
    assert!(
        review.contains("Expires in 7\u{a0}days, on 26 September 2016 at 22:57 UTC"),
        "{review}"
    );
    assert!(
        !stage
            .network(stage.seen(), None)
            .contains("st wait\"><svg class=\"i\" aria-hidden=\"true\"><use href=\"#warn\"/>")
    );
    stage.advance(Duration::from_secs(6 * 24 * 3600 + 5 * 3600));
    let network = stage.network(stage.seen(), None);
    assert!(network.contains("19\u{a0}h</time>") && network.contains("#warn"), "{network}");
    stage.advance(Duration::from_secs(24 * 3600));
    let review = stage.review(stage.seen(), waits, None);
    assert!(review.contains("expired") && !review.contains("value=\"accept\""), "{review}");
    assert!(review.contains("It is expired since 26 September 2016 at 22:57 UTC."), "{review}");
    assert!(!stage.home(stage.seen()).contains("asks to peer"));
}

#[test]
fn the_network_has_what_the_owner_of_a_vpc_needs() {
    let stage = Stage::new();
    let space = stage.space();
    let network = stage.network(stage.seen(), None);
    let account = stage.world.settings().unwrap().platform_account;
    for needed in [
        format!("data-copy=\"{account}\""),
        format!("data-copy=\"{}\"", space.vpc),
        "data-copy=\"10.0.128.0/20, 10.0.144.0/20, 10.0.0.0/20, 10.0.16.0/20\"".to_owned(),
        format!(
            "data-copy=\"aws ec2 create-vpc-peering-connection --vpc-id vpc-YOUR_VPC_ID \
             --peer-vpc-id {} --peer-owner-id {account} --peer-region us-east-1\"",
            space.vpc
        ),
    ] {
        assert!(network.contains(&needed), "{needed} is not in {network}");
    }
    assert!(network.contains("0 of 5 customer peerings used"), "{network}");
}

#[test]
fn who_has_nothing_is_told_where_to_begin_and_who_has_nothing_to_do_that_nothing_waits() {
    let stage = Stage::new();
    let stranger = Seen { viewer: stage.stranger(), ..stage.seen() };
    let home = stage.home(stranger);
    assert!(home.contains("Begin here") && home.contains("No space yet."), "{home}");
    assert!(!home.contains("alpha"), "{home}");
    let home = stage.home(stage.seen());
    assert!(!home.contains("Begin here") && home.contains("Nothing."), "{home}");
    assert!(home.contains("/dashboard/spaces/alpha/network"), "{home}");
}

#[test]
fn an_account_sees_its_vpcs_what_leads_nowhere_and_the_next_step() {
    let mut stage = Stage::new();
    let account = Seen { viewer: stage.account(), ..stage.seen() };
    let peering = stage.request("10.64.0.0/16");
    assert!(!stage.home(account).contains("has no route to"));
    stage.accept(peering);
    let home = stage.home(account);
    assert!(home.contains("has no route to") && home.contains("create-route"), "{home}");
    assert!(!home.contains("alpha"), "{home}");
    stage.route_over(peering);
    assert!(!stage.home(account).contains("has no route to"));
    let space = stage.space().id;
    stage.run(Caller::Operator, PlatformCommand::DeletePeering { space, peering });
    let home = stage.home(account);
    assert!(home.contains("leads nowhere") && home.contains("delete-route"), "{home}");
}

#[test]
fn what_was_done_is_told_and_nothing_else_that_an_address_says() {
    let mut stage = Stage::new();
    let peering = stage.request("10.100.0.0/16");
    for told in [Told::Accepted(peering), Told::Rejected(peering), Told::Destroyed(peering)] {
        assert_eq!(Told::read(&told.query()), Some(told));
        let network = stage.network(stage.seen(), Some(told));
        assert!(network.contains("note ok"), "{network}");
    }
    for query in ["", "accepted", "accepted=<b>", "accepted=pcx-1&x", "done=pcx-00000000000000001"]
    {
        assert_eq!(Told::read(query), None, "{query}");
    }
}

#[test]
fn a_theme_that_was_chosen_overrides_the_systems() {
    let stage = Stage::new();
    for (theme, said) in
        [(None, None), (Some(Theme::Light), Some("light")), (Some(Theme::Dark), Some("dark"))]
    {
        let home = stage.home(Seen { theme, ..stage.seen() });
        match said {
            None => assert!(!home.contains("data-theme")),
            Some(said) => assert!(home.contains(&format!("data-theme=\"{said}\""))),
        }
    }
}

#[test]
fn a_vpc_shows_its_peerings_routes_and_rules() {
    let mut stage = Stage::new();
    let peering = stage.request("10.64.0.0/16");
    stage.accept(peering);
    stage.route_over(peering);
    let vpc = stage.world.peering(peering).unwrap().requester.vpc;
    let account = Seen { viewer: stage.account(), ..stage.seen() };
    let page = stage.vpc(account, vpc, Some(Told::Asked(peering)));
    for shown in [
        peering.to_string(),
        stage.space().vpc.to_string(),
        "10.0.0.0/16".to_owned(),
        ">local<".to_owned(),
        "is asked for".to_owned(),
        "members of".to_owned(),
        "/ask\"".to_owned(),
    ] {
        assert!(page.contains(&shown), "{shown} is not in {page}");
    }
    assert!(!page.contains("blackhole"), "{page}");
    let space = stage.space().id;
    stage.run(Caller::Operator, PlatformCommand::DeletePeering { space, peering });
    assert!(stage.vpc(account, vpc, None).contains("blackhole"));
    for viewer in [stage.operator(), Viewer { read_only: true, ..stage.account() }] {
        let page = stage.vpc(Seen { viewer, ..account }, vpc, None);
        assert!(!page.contains("/ask\""), "{page}");
    }
}

#[test]
fn a_check_names_every_reason_and_what_is_free() {
    let mut stage = Stage::new();
    let peering = stage.request("10.1.128.0/18");
    let vpc = stage.world.peering(peering).unwrap().requester.vpc;
    let space = stage.space().vpc.to_string();
    let typed = Typed { vpc: &space, account: "100000000001", ..Typed::default() };
    // Somebody who sees the space needs to type no blocks.
    for (viewer, said) in [
        (stage.both(), "the data services of the space"),
        (stage.account(), "The check needs AWS VPC CIDR"),
    ] {
        let page = stage.ask(Seen { viewer, ..stage.seen() }, vpc, typed, true);
        assert!(page.contains(said), "{said} is not in {page}");
    }
    let page = stage.ask(Seen { viewer: stage.both(), ..stage.seen() }, vpc, typed, true);
    assert!(page.contains("Free for both sides") && page.contains("does not fit"), "{page}");
    assert!(page.contains("create-vpc-peering-connection"), "{page}");
}

#[test]
fn a_check_says_that_no_more_requests_may_wait() {
    let mut stage = Stage::new();
    let space = stage.space().vpc.to_string();
    let typed = Typed { vpc: &space, account: "100000000001", ..Typed::default() };
    let mut last = None;
    for n in 0..25 {
        last = Some(stage.request(&format!("10.{}.0.0/16", 100 + n)));
    }
    stage.name_vpc("one more");
    let asks = |vpc, language| {
        let seen = Seen { viewer: stage.both(), language, theme: None };
        stage.ask(seen, vpc, typed, true)
    };
    let named = |vpc: &&model::VpcId| stage.world.vpc(**vpc).unwrap().tags.contains_key("Name");
    let vpcs = stage.vpcs();
    let more = *vpcs.iter().find(named).unwrap();
    let page = asks(more, Language::English);
    assert!(page.contains("does not fit") && page.contains("25 of your requests wait"), "{page}");
    assert!(asks(more, Language::Japanese).contains("上限の 25 件"));
    // The same request again is none more.
    let asked = stage.world.peering(last.unwrap()).unwrap().requester.vpc;
    let page = asks(asked, Language::English);
    assert!(!page.contains("your requests wait"), "{page}");
    stage.advance(Duration::from_secs(8 * 24 * 3600));
    let seen = Seen { viewer: stage.both(), ..stage.seen() };
    assert!(!stage.ask(seen, more, typed, true).contains("your requests wait"), "they expired");
}

#[test]
fn a_search_finds_what_one_sees_and_nothing_else() {
    let mut stage = Stage::new();
    let asked = stage.request("10.100.0.0/16");
    let vpc = stage.vpcs()[0];
    stage.give_name(vpc, "office");
    let managed = stage.space().data_peering.to_string();
    let asked = asked.to_string();
    let find = |viewer, query: &str| {
        let page = stage.search(Seen { viewer, ..stage.seen() }, query);
        let hits = page.split("<tbody>").nth(1).unwrap_or_default();
        let paths = hits.split("<a href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        paths.map(str::to_owned).collect::<Vec<_>>()
    };
    let network = "/dashboard/spaces/alpha/network".to_owned();
    let review = format!("/dashboard/spaces/alpha/peerings/{asked}");
    let office = format!("/dashboard/vpcs/{vpc}");
    let (admin, account, both) = (stage.admin(), stage.account(), stage.both());
    let none = Vec::<String>::new();
    for (viewer, query, found) in [
        (admin, "alpha", vec![network.clone()]),
        (admin, " ALPH ", vec![network.clone()]),
        (admin, &*asked, vec![review.clone()]),
        (admin, "10.100.", vec![review.clone()]),
        // The VPC is somebody else's, and the platform's own peering nobody's.
        (admin, "office", none.clone()),
        (admin, &*managed, none.clone()),
        (account, "offi", vec![office.clone()]),
        (account, &*asked, vec![office.clone()]),
        (account, "alpha", none.clone()),
        // Both sides: a peering is there once, where it can be answered.
        (both, &*asked, vec![review]),
        (stage.operator(), "office", vec![office]),
        (stage.stranger(), "alpha", none.clone()),
        (admin, "", none.clone()),
        (admin, "%", none.clone()),
        (admin, &"a".repeat(10_000), none),
    ] {
        assert_eq!(find(viewer, query), found, "{query:.40}");
    }
    let hostile = stage.search(stage.seen(), "\"><script>");
    assert!(!hostile.contains("<script>"), "{hostile}");
    assert!(hostile.contains("Nothing has"), "{hostile}");
}

#[test]
fn a_search_shows_the_best_first_and_no_more_than_can_be_read() {
    let mut stage = Stage::new();
    for n in 0..24 {
        stage.request(&format!("10.{}.0.0/16", 100 + n));
    }
    for _ in 0..12 {
        stage.name_vpc("office");
    }
    let seen = Seen { viewer: stage.account(), ..stage.seen() };
    let page = stage.search(seen, "10.");
    assert_eq!(page.matches("<tr role=\"row\"><th scope=\"row\"").count(), 50);
    assert!(page.contains("60 found") && page.contains("the first 50"), "{page}");
    stage.name_vpc("vpc");
    let page = stage.search(Seen { viewer: stage.account(), ..stage.seen() }, "vpc");
    let first = page.split("<tbody>").nth(1).unwrap().split("</tr>").next().unwrap();
    assert!(first.contains(">vpc</a>"), "what is just that comes first: {first}");
}

#[test]
fn the_first_page_stays_small_whatever_there_is() {
    let mut stage = Stage::new();
    for _ in 0..200 {
        stage.name_vpc("office");
    }
    for n in 0..24 {
        let active = stage.request(&format!("10.{}.0.0/16", 100 + n));
        if n < 5 {
            stage.accept(active);
        }
    }
    for viewer in [stage.account(), stage.both(), stage.operator()] {
        let page = stage.home(Seen { viewer, ..stage.seen() });
        assert!(page.len() < 100_000, "{}", page.len());
        assert!(page.contains("212 more."), "{page}");
    }
}
