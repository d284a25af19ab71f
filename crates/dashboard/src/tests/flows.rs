//! What becomes of flows, on the page that says why and on the map.

use model::{Flow, reach};

use super::check;
use super::stage::{Seen, Stage};
use crate::*;

/// A stage where a dyno and an instance are joined, but for the VPC's route and rule; and both ends.
fn joined() -> (Stage, String, String) {
    let mut stage = Stage::new();
    let peering = stage.request("10.64.0.0/16");
    stage.accept(peering);
    let vpc = stage.world.peering(peering).unwrap().requester.vpc;
    let instance = stage.run_instance(vpc, "10.64.1.0/24");
    let dyno = stage.start_dyno();
    (stage, dyno, instance)
}

fn question(from: &str, to: &str, protocol: Protocol, port: Option<u16>) -> Question {
    Question { from: from.to_owned(), to: to.to_owned(), protocol, port }
}

fn both(stage: &Stage, language: Language) -> Seen {
    Seen { viewer: stage.both(), language, theme: None }
}

#[test]
fn the_page_says_what_reach_says() {
    let (mut stage, dyno, instance) = joined();
    let ends = [dyno.as_str(), instance.as_str()];
    let (mut passed, mut stopped) = (0, 0);
    for round in 0..2 {
        for (from, to) in [(ends[0], ends[1]), (ends[1], ends[0]), (ends[0], ends[0])] {
            for (protocol, port) in
                [(Protocol::Tcp, Some(80)), (Protocol::Udp, Some(53)), (Protocol::Icmp, None)]
            {
                let flow = Flow::resolve(&stage.world, from, to, protocol.name(), port, None);
                let verdict = reach(&stage.world, &flow.unwrap(), stage.now);
                let asked = question(from, to, protocol, port);
                for language in Language::ALL {
                    let page = stage.why(both(&stage, language), &asked, Came::Nothing);
                    check(&page);
                    let says = page.contains("<div class=\"note ok\" role=\"status\">");
                    assert_eq!(says, verdict.allowed, "{asked:?} in round {round}: {page}");
                    let hops = page.matches("<span class=\"w\">").count();
                    assert!(hops >= verdict.hops.len(), "{hops} of {:?}", verdict.hops);
                }
                if verdict.allowed { passed += 1 } else { stopped += 1 }
            }
        }
        // The route back, without which no answer comes.
        let peering = stage.world.peerings().find(|peering| peering.is_customers()).unwrap().id;
        if round == 0 {
            stage.route_over(peering);
        }
    }
    assert!(passed > 4 && stopped > 4, "{passed} and {stopped}");
}

#[test]
fn a_remedy_is_a_button_for_whoever_may_and_a_line_to_send_for_others() {
    let mut stage = Stage::new();
    let peering = stage.request("10.64.0.0/16");
    let vpc = stage.world.peering(peering).unwrap().requester.vpc;
    let instance = stage.run_instance(vpc, "10.64.1.0/24");
    let dyno = stage.start_dyno();
    let asked = question(&instance, &dyno, Protocol::Tcp, Some(80));
    let accept = format!("spaces:peerings:accept {peering}");
    let page = stage.why(both(&stage, Language::English), &asked, Came::Nothing);
    assert!(page.contains("Accept the request</button>") && page.contains(&accept), "{page}");
    let review = format!("<a href=\"{}\">", review_path(&stage.space(), peering));
    assert!(page.contains("Packets pass once it is active") && page.contains(&review), "{page}");
    // A member of the team sees it, and whom to ask.
    let to = format!("{vpc}/10.64.1.4");
    let asked = question(&dyno, &to, Protocol::Tcp, Some(80));
    let member = Seen { viewer: stage.member(), ..both(&stage, Language::English) };
    let page = stage.why(member, &asked, Came::Nothing);
    assert!(page.contains(&accept) && page.contains("an admin of the team <b>acme</b>"), "{page}");
    assert!(!page.contains("value=\"remedy\""), "{page}");
    // The owner of the VPC does not see into the space: its owner is told by a line.
    let space = stage.space();
    let address = space.cidr.base();
    let asked = question(&instance, &format!("{}/{address}", space.vpc), Protocol::Udp, Some(53));
    let owner = Seen { viewer: stage.account(), ..both(&stage, Language::Japanese) };
    let page = stage.why(owner, &asked, Came::Nothing);
    check(&page);
    assert!(!page.contains("spaces:peerings:accept") && !page.contains("alpha"), "{page}");
    assert!(
        page.contains("の所有者に依頼してください。") && page.contains("causeway why vpc-"),
        "{page}"
    );
    assert!(page.contains("--port 53</span>") && page.contains("--proto udp</span>"), "{page}");
    // A key that may only describe.
    stage.accept(peering);
    let asked = question(&instance, &format!("{}/{address}", space.vpc), Protocol::Tcp, Some(80));
    let page = stage.why(Seen { ..owner }, &asked, Came::Nothing);
    assert!(page.contains("value=\"remedy\"") && page.contains("create-route"), "{page}");
    let reader = Viewer { read_only: true, ..stage.account() };
    let page = stage.why(Seen { viewer: reader, ..owner }, &asked, Came::Nothing);
    assert!(!page.contains("value=\"remedy\"") && page.contains("create-route"), "{page}");
    assert!(page.contains("変更の権限がありません"), "{page}");
}

#[test]
fn what_a_form_asks_for_is_done_as_the_viewer_or_not_at_all() {
    let (stage, dyno, instance) = joined();
    let flow = Flow::resolve(&stage.world, &instance, &dyno, "tcp", Some(80), None).unwrap();
    let verdict = model::explain(&stage.world, &flow, stage.now);
    let line = verdict.blocked().unwrap().commands.join("\n");
    let asked = |viewer, line: &str| {
        let of = stage.context(Seen { viewer, ..stage.seen() }, "/dashboard/why");
        remedy_asked(&of, &flow, line)
    };
    match asked(stage.both(), &line) {
        RemedyAsked::Change(vpc, edit) => {
            assert_eq!(Some(vpc), edit.vpc(&stage.world));
            assert_eq!(edit.commands().len(), 1);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(asked(stage.both(), "aws ec2 delete-vpc"), RemedyAsked::Gone));
    assert!(matches!(asked(stage.both(), ""), RemedyAsked::Gone));
    // An admin of the space alone is not told of it.
    assert!(matches!(asked(stage.admin(), &line), RemedyAsked::Gone));
    let reader = Viewer { read_only: true, ..stage.both() };
    assert!(matches!(asked(reader, &line), RemedyAsked::Anothers));
    // The operator sees it, and does not give the account's commands here.
    assert!(matches!(asked(stage.operator(), &line), RemedyAsked::Anothers));
}

#[test]
fn a_remedy_says_before_what_it_changes_for_packets() {
    let (mut stage, dyno, instance) = joined();
    let asked = question(&dyno, &instance, Protocol::Tcp, Some(8000));
    let peering = stage.world.peerings().find(|peering| peering.is_customers()).unwrap().id;
    for language in Language::ALL {
        let page = stage.why(both(&stage, language), &asked, Came::Nothing);
        check(&page.replace("},{", "").replace("}]", ""));
        // The rule and the route: each alone does not let it pass.
        assert_eq!(page.matches("value=\"remedy\"").count(), 2, "{page}");
        assert_eq!(page.matches("<ul class=\"b0 diff\">").count(), 2, "{page}");
    }
    stage.route_over(peering);
    let page = stage.why(both(&stage, Language::English), &asked, Came::Nothing);
    // The dyno does not run yet, so its block stands for it.
    let starts = format!("10.0.144.0/20</span> to <span class=\"nw\"><span class=\"m\">{instance}");
    assert!(page.contains("2 flows start to pass") && page.contains(&starts), "{page}");
    assert!(page.contains("0 flows stop") && page.contains("tcp 8000"), "{page}");
    // On the map it is said, too.
    let query = format!("from={dyno}&to={instance}&protocol=tcp&port=8000");
    assert!(stage.map(both(&stage, Language::English), &query).contains("2 flows start to pass"));
    // Who may only look is shown the command and no more.
    let viewer = Viewer { read_only: true, ..stage.both() };
    let page = stage.why(Seen { viewer, ..stage.seen() }, &asked, Came::Nothing);
    assert!(!page.contains("to pass</b>") && page.contains("authorize-security"), "{page}");
}

#[test]
fn what_the_server_says_is_introduced_in_the_language_of_the_page() {
    let (stage, dyno, instance) = joined();
    let asked = question(&dyno, &instance, Protocol::Tcp, Some(80));
    let ledger = Refusal::Ledger("The server is stopping.".to_owned());
    let unreachable = Probed::Unreachable("No route to host".to_owned());
    let failed = Probed::Failed("no such file".to_owned());
    for (came, intro, words) in [
        (Came::Refused(&ledger), "サーバーから次の応答がありました: ", "The server is stopping."),
        (Came::Probed(&unreachable), "ネットワークからの応答: ", "No route to host"),
        (Came::Probed(&failed), "理由: ", "no such file"),
    ] {
        let page = stage.why(both(&stage, Language::Japanese), &asked, came);
        let said = format!("{intro}<span lang=\"en\">{words}</span>");
        assert!(page.contains(&said), "{said} is not in {page}");
        let page = stage.why(both(&stage, Language::English), &asked, came);
        assert!(page.contains(words) && !page.contains("lang=\"en\">No"), "{page}");
    }
    // A change may have taken effect although nobody knows: nothing else is claimed.
    let page = stage.why(both(&stage, Language::English), &asked, Came::Refused(&ledger));
    assert!(!page.contains("Nothing was done"), "{page}");
}

#[test]
fn what_is_not_theirs_is_not_there() {
    let (stage, dyno, instance) = joined();
    let of = |viewer| Seen { viewer, ..stage.seen() };
    let unknown = |viewer, asked: &Question| {
        let context = stage.context(of(viewer), "/dashboard/why");
        let why = asked.flow(&context).unwrap_err();
        let page = stage.why(of(viewer), asked, Came::Nothing);
        check(&page);
        assert!(!page.contains("class=\"hops\""), "{page}");
        (why, page.replace(&asked.from, "").replace(&asked.to, ""))
    };
    let ask = |from: &str, to: &str| question(from, to, Protocol::Tcp, Some(80));
    // Another's dyno or instance and one that there is not are the same.
    let (why, real) = unknown(stage.account(), &ask(&dyno, &instance));
    assert_eq!(why, Unanswered::From);
    let missing = unknown(stage.account(), &ask("shop/run.9999999", &instance));
    assert_eq!(missing.0, Unanswered::From);
    let stranger = unknown(stage.stranger(), &ask(&dyno, &instance));
    assert_eq!(stranger.0, Unanswered::From);
    let (why, _) = unknown(stage.admin(), &ask(&dyno, &instance));
    assert_eq!(why, Unanswered::To);
    let (why, _) = unknown(stage.admin(), &ask(&dyno, "i-00000000000000000"));
    assert_eq!(why, Unanswered::To);
    assert!(!real.contains("10.0."), "{real}");
    let hostile = ask("<script>alert(1)</script>", "\"><b>");
    for came in [Came::Nothing, Came::Done, Came::NotYours] {
        let page = stage.why(of(stage.both()), &hostile, came);
        assert!(!page.contains("<script>alert") && !page.contains("<b>\""), "{page}");
    }
}

#[test]
fn what_became_of_a_packet_is_said_in_words() {
    let (stage, dyno, instance) = joined();
    let asked = question(&dyno, &instance, Protocol::Tcp, Some(80));
    for (probed, words, compared) in [
        (Probed::Answered, "the other end took", "It differs"),
        (Probed::Refused, "nothing listens on the port", "It differs"),
        (Probed::Silent, "No answer came", "It agrees"),
        (Probed::Unreachable("<no> way".to_owned()), "&lt;no&gt; way", "It agrees"),
        (Probed::NobodyThere, "Nothing that could send", ""),
        (Probed::NoPackets, "There are no packets here", ""),
        (Probed::TooMany, "Try again in some seconds", ""),
        (Probed::Failed("broken".to_owned()), "could not be sent: broken", ""),
    ] {
        for language in Language::ALL {
            let page = stage.why(both(&stage, language), &asked, Came::Probed(&probed));
            check(&page);
            if language == Language::English {
                assert!(page.contains(words) && page.contains(compared), "{words}: {page}");
                let compares = page.contains("It agrees") || page.contains("It differs");
                assert_eq!(compares, !compared.is_empty(), "{words}");
            }
        }
    }
    let page = stage.why(
        both(&stage, Language::English),
        &question(&dyno, &instance, Protocol::Icmp, None),
        Came::Nothing,
    );
    assert!(!page.contains("value=\"probe\"") && page.contains("A probe is a TCP"), "{page}");
}

#[test]
fn two_ends_are_chosen_on_the_map_and_asked_about_there() {
    let (stage, dyno, instance) = joined();
    for language in Language::ALL {
        let seen = both(&stage, language);
        let query = format!("from={dyno}&to={instance}");
        let page = stage.map(seen, &query);
        check(&page);
        assert!(!page.contains("class=\"hops\"") && page.contains("name=\"port\""), "{page}");
        let page = stage.map(seen, &format!("{query}&port=80"));
        check(&page);
        assert!(page.contains("class=\"hops\"") && page.contains("note bad"), "{page}");
        assert!(page.contains("class=\"path bad\""), "the line on the picture: {page}");
        let page = stage.map(Seen { viewer: stage.stranger(), ..seen }, &query);
        assert!(!page.contains("10.0.") && !page.contains("class=\"hops\""), "{page}");
    }
}

#[test]
fn the_command_s_words_are_there_in_both_languages() {
    let (stage, dyno, instance) = joined();
    let flow = Flow::resolve(&stage.world, &dyno, &instance, "tcp", Some(80), None).unwrap();
    let verdict = model::explain(&stage.world, &flow, stage.now);
    let english = verdict_words(Language::English, &verdict);
    for (hop, words) in verdict.hops.iter().zip(&english) {
        assert_eq!(words.because, hop.because.to_string());
        assert_eq!(words.location, hop.where_.to_string());
        assert_eq!(words.remedy, hop.remedy.as_ref().map(ToString::to_string));
    }
    for words in verdict_words(Language::Japanese, &verdict) {
        assert!(!words.because.is_ascii() && !words.because.contains('{'), "{words:?}");
    }
    let words = CommandWords::of(Language::Japanese);
    assert_eq!(words.outcome(true, None), "通ります");
    assert_eq!(words.outcome(false, None), "通りません");
    let partly = words.outcome(false, Some(("1-2", "1-9")));
    assert!(partly.contains("1-9") && partly.contains("1-2"), "{partly}");
}
