//! The audit: who sees which rows, and how they are chosen.

use std::sync::Arc;

use model::{Caller, IdentityCommand, Key, PlatformCommand};

use super::browser::{Browser, access_key, joined, request, user};
use crate::http::platform::tests::fixture::{ALICE, BOB, Fixture, STRANGER};

const AUDIT: &str = "/dashboard/audit";

/// How many rows a page has.
fn rows(page: &str) -> usize {
    page.matches("<tr role=\"row\"><th scope=\"row\"").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sees_what_is_theirs() {
    let (server, peering) = joined().await;
    // A team of the stranger's, of which nobody else is to know.
    let create = IdentityCommand::CreateTeam {
        name: "hidden-team".to_owned(),
        admin: user(&server, "stranger"),
    };
    let Key::Team(team) = server.command(Caller::Operator, create).await else { panic!("no team") };
    let space = PlatformCommand::CreateSpace {
        name: "hidden-space".to_owned(),
        team,
        region: None,
        cidr: None,
        data_cidr: None,
    };
    server.command(Caller::User(user(&server, "stranger")), space).await;
    // A refusal of somebody who is not of the team, and an answer of somebody who is.
    let mut bob = Browser::signed_in(&server, BOB).await;
    let review = format!("/dashboard/spaces/alpha/peerings/{peering}");
    let form = super::browser::hidden(&bob.get("/dashboard").await.text, "form").unwrap();
    let fields = [("form", &*form), ("shown", "x"), ("answer", "accept")];
    assert_ne!(bob.post(&review, &fields).await.status, 303);

    let mut operator = Browser::signed_in(&server, &server.operator()).await;
    let page = operator.get(AUDIT).await.text;
    for needed in ["hidden-space", "hidden-team", "Ec2.CreatePeering", "stranger@example.com"] {
        assert!(page.contains(needed), "{needed} is not in {page}");
    }
    assert!(!page.contains("System.Observe"), "{page}");
    let page = operator.get(&format!("{AUDIT}?who=system")).await.text;
    assert!(page.contains("System.Observe") && !page.contains("Platform.Create"), "{page}");
    let page = bob.get(AUDIT).await.text;
    for needed in ["Platform.CreateSpace", "alpha", "Platform.AcceptPeering", "bob@example.com"] {
        assert!(page.contains(needed), "{needed} is not in {page}");
    }
    // What the account asked of the space is the account's.
    for absent in ["hidden-", "stranger@", "Ec2.", "Identity.CreateUser", "partner"] {
        assert!(!page.contains(absent), "{absent} is in {page}");
    }
    let mut stranger = Browser::signed_in(&server, STRANGER).await;
    let page = stranger.get(AUDIT).await.text;
    assert!(page.contains("hidden-space") && !page.contains("alpha"), "{page}");

    let (id, secret) = access_key(&server).await;
    let mut account = Browser::new(&server);
    assert_eq!(account.sign_in_by_key(&id, &secret).await.status, 303);
    let page = account.get(AUDIT).await.text;
    assert!(page.contains("Ec2.CreatePeering") && page.contains("partner"), "{page}");
    for absent in ["Platform.C", "Identity.", "@example.com", "hidden-"] {
        assert!(!page.contains(absent), "{absent} is in {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_by_a_filter_what_is_not_theirs() {
    let (server, _) = joined().await;
    let mut bob = Browser::signed_in(&server, BOB).await;
    for (query, status) in [
        ("who=stranger@example.com", 422),
        ("who=nobody-at-all@example.com", 422),
        ("who=partner", 422),
        ("who=system", 200),
        ("action=Ec2.*", 200),
        ("action=Identity.CreateUser", 200),
        ("outcome=%27+OR+true+--", 200),
    ] {
        let got = bob.get(&format!("{AUDIT}?{query}")).await;
        assert_eq!((got.status.as_u16(), rows(&got.text)), (status, 0), "{query}: {}", got.text);
    }
    // Nobody's and somebody's names are refused alike.
    let said = |text: &str| text.contains("There is nobody of that name that you can see.");
    for who in ["stranger@example.com", "nobody-at-all@example.com"] {
        assert!(said(&bob.get(&format!("{AUDIT}?who={who}")).await.text), "{who}");
    }
    let mut nobody = Browser::new(&server);
    assert_eq!(nobody.get(AUDIT).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_chosen_by_a_form_and_come_in_pages() {
    let (server, _) = joined().await;
    for n in 0..60 {
        let create = IdentityCommand::CreateUser { email: format!("user-{n}@example.com") };
        server.command(Caller::Operator, create).await;
    }
    let mut operator = Browser::signed_in(&server, &server.operator()).await;
    let asked = format!("{AUDIT}?who=operator&action=Identity.CreateUser&outcome=ok&since=7d");
    let first = operator.get(&asked).await.text;
    assert_eq!(rows(&first), 50);
    assert!(first.contains("user-59@") && !first.contains("user-9@"), "{first}");
    for kept in [
        "name=\"who\" value=\"operator\"",
        "name=\"action\" value=\"Identity.CreateUser\"",
        "<option value=\"ok\" selected>",
        "<option value=\"7d\" selected>",
    ] {
        assert!(first.contains(kept), "{kept} is not in {first}");
    }
    let link = older(&first).unwrap();
    assert!(link.starts_with(&format!("{AUDIT}?who=operator&")), "{link}");
    let second = operator.get(&link).await.text;
    assert!(second.contains("user-9@") && !second.contains("user-10@"), "{second}");
    assert!(second.contains("alice@example.com"), "{second}");
    assert!(older(&second).is_none() && second.contains(">Newest<"), "{second}");

    let about = operator.get(&format!("{AUDIT}?about=alpha")).await.text;
    assert!(rows(&about) >= 1 && about.contains("Platform.CreateSpace"), "{about}");
    assert!(!about.contains("Identity."), "{about}");
    for (query, status, said) in [
        ("since=yesterday", 422, "That is not a time"),
        ("who=ghost@example.com", 422, "nobody of that name"),
        ("action=Nothing", 200, "Nothing matches."),
        ("before=0", 200, "Nothing yet."),
    ] {
        let got = operator.get(&format!("{AUDIT}?{query}")).await;
        assert_eq!(got.status, status, "{query}");
        assert!(got.text.contains(said), "{query}: {}", got.text);
    }
}

/// The address of older rows.
fn older(page: &str) -> Option<String> {
    let (before, _) = page.split_once("\">Older</a>")?;
    let (_, address) = before.rsplit_once("href=\"")?;
    Some(address.replace("&#38;", "&"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_audit_changes_nothing() {
    let (server, _) = joined().await;
    request(&server, "10.105.0.0/16").await;
    let before = server.state.world();
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let form = super::browser::hidden(&alice.get(AUDIT).await.text, "form").unwrap();
    assert_eq!(alice.post(AUDIT, &[("form", &form)]).await.status, 404);
    assert!(Arc::ptr_eq(&before, &server.state.world()));
    in_japanese(&server).await;
}

async fn in_japanese(server: &Fixture) {
    let mut alice = Browser::signed_in(server, ALICE).await;
    alice.headers.push(("accept-language", "ja".to_owned()));
    let page = alice.get(AUDIT).await.text;
    assert!(page.contains("<html lang=\"ja\"") && page.contains("監査"), "{page}");
    assert!(page.contains("Platform.CreateSpace"), "{page}");
}
