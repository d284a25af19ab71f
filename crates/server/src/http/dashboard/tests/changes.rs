//! What forms change, and what is refused.

use std::sync::Arc;

use model::{Caller, PeeringStatus, PlatformCommand};
use store::AuditQuery;

use super::browser::{Browser, HOST, hidden, joined, request, user};
use crate::http::platform::tests::fixture::{ALICE, BOB, Fixture, STRANGER};

fn status(server: &Fixture, peering: model::PcxId) -> &'static str {
    let world = server.state.world();
    world.peering(peering).map_or("gone", |peering| peering.status(server.state.clock.now()).code())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_accepted_and_destroyed_by_forms() {
    let (server, peering) = joined().await;
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let review = format!("/dashboard/spaces/alpha/peerings/{peering}");
    let network = "/dashboard/spaces/alpha/network";
    let got = alice.fill(&review, &[("answer", "accept")]).await;
    assert_eq!(got.status, 303, "{}", got.text);
    assert_eq!(got.header("location"), format!("{network}?accepted={peering}"));
    assert_eq!(status(&server, peering), "provisioning");
    let page = alice.get(got.header("location")).await.text;
    assert!(page.contains("is accepted and being configured"), "{page}");
    server.observe().await;
    assert_eq!(status(&server, peering), "active");

    let destroy = format!("{review}/destroy");
    for typed in ["", "pcx-00000000000000000", "yes", "<b>"] {
        let got = alice.fill(&destroy, &[("confirm", typed)]).await;
        assert_eq!(got.status, 422, "{typed}");
        assert!(got.text.contains("That is not the PCX ID"), "{}", got.text);
        assert!(!got.text.contains("value=\"<b>"), "{}", got.text);
        assert_eq!(status(&server, peering), "active");
    }
    let got = alice.fill(&destroy, &[("confirm", &format!(" {peering} "))]).await;
    assert_eq!(got.header("location"), format!("{network}?destroyed={peering}"), "{}", got.text);
    assert_eq!(status(&server, peering), "deleting");

    let other = request(&server, "10.101.0.0/16").await;
    let review = format!("/dashboard/spaces/alpha/peerings/{other}");
    let got = alice.fill(&review, &[("answer", "reject")]).await;
    assert_eq!(got.header("location"), format!("{network}?rejected={other}"));
    assert_eq!(status(&server, other), "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_refused_and_nothing_changes() {
    let (server, peering) = joined().await;
    let review = format!("/dashboard/spaces/alpha/peerings/{peering}");
    let destroy = format!("{review}/destroy");
    let before = server.state.world();
    let shown = {
        let mut alice = Browser::signed_in(&server, ALICE).await;
        hidden(&alice.get(&review).await.text, "shown").unwrap()
    };
    let id = peering.to_string();
    // A member sees no button, and posts all the same.
    let mut bob = Browser::signed_in(&server, BOB).await;
    let page = bob.get(&review).await.text;
    assert!(!page.contains("name=\"answer\""), "{page}");
    let form = hidden(&page, "form").unwrap();
    for (path, field) in [
        (&review, ("answer", "accept")),
        (&review, ("answer", "reject")),
        (&destroy, ("confirm", &*id)),
    ] {
        let got = bob.post(path, &[("form", &form), ("shown", &shown), field]).await;
        assert_eq!(got.status, 403, "{path} {field:?}");
        assert!(got.text.contains("You may not do this"), "{}", got.text);
    }
    // Somebody of another team is not told that it exists.
    let mut stranger = Browser::signed_in(&server, STRANGER).await;
    let form = hidden(&stranger.get("/dashboard").await.text, "form").unwrap();
    for path in [&review, &destroy] {
        let fields =
            [("form", &*form), ("shown", &*shown), ("answer", "accept"), ("confirm", &*id)];
        assert_eq!(stranger.post(path, &fields).await.status, 404, "{path}");
    }
    assert!(Arc::ptr_eq(&before, &server.state.world()));
    // The audit has all of it.
    let bob = Caller::User(user(&server, "bob")).to_string();
    let stranger = Caller::User(user(&server, "stranger")).to_string();
    let rows = tokio::task::block_in_place(|| {
        server.state.ledger.wait_for_notes_blocking();
        let query = AuditQuery { limit: 100, ..AuditQuery::default() };
        server.state.store.lock().unwrap().audit(&query).unwrap()
    });
    let of = |actor: &str, action: &str| {
        rows.iter().any(|row| row.actor == actor && row.action == action && row.outcome != "ok")
    };
    assert!(of(&bob, "Platform.AcceptPeering") && of(&bob, "Platform.DeletePeering"), "{rows:?}");
    assert!(of(&stranger, "POST /dashboard"), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_own_peering_has_no_page_and_no_form() {
    let (server, _) = joined().await;
    let managed = server.state.world().space_named("alpha").unwrap().data_peering;
    let mut operator = Browser::signed_in(&server, &server.operator()).await;
    let review = format!("/dashboard/spaces/alpha/peerings/{managed}");
    let form = hidden(&operator.get("/dashboard").await.text, "form").unwrap();
    let id = managed.to_string();
    for path in [review.clone(), format!("{review}/destroy")] {
        assert_eq!(operator.get(&path).await.status, 404);
        let fields =
            [("form", &*form), ("shown", "active@0"), ("answer", "accept"), ("confirm", &*id)];
        assert_eq!(operator.post(&path, &fields).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_answer_at_once_are_told() {
    let (server, peering) = joined().await;
    let review = format!("/dashboard/spaces/alpha/peerings/{peering}");
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let page = alice.get(&review).await.text;
    let (form, shown) = (hidden(&page, "form").unwrap(), hidden(&page, "shown").unwrap());
    // Meanwhile the operator accepts.
    let space = server.state.world().space_named("alpha").unwrap().id;
    server.command(Caller::Operator, PlatformCommand::AcceptPeering { space, peering }).await;
    let before = server.state.world();
    for answer in ["accept", "reject"] {
        let fields = [("form", &*form), ("shown", &*shown), ("answer", answer)];
        let got = alice.post(&review, &fields).await;
        assert_eq!(got.status, 412, "{answer}: {}", got.text);
        assert!(got.text.contains("This changed while the page was open"), "{}", got.text);
        assert!(got.text.contains("provisioning"), "the page shows how it is: {}", got.text);
    }
    assert!(Arc::ptr_eq(&before, &server.state.world()));
    // What it is told now is about what is there now.
    server.observe().await;
    let destroy = format!("{review}/destroy");
    let id = peering.to_string();
    let got = alice.fill(&destroy, &[("confirm", &id)]).await;
    assert_eq!(got.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_came_not_to_fit_is_refused_with_the_reason() {
    let (server, first) = joined().await;
    let second = request(&server, "10.100.0.0/16").await;
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let review = |peering| format!("/dashboard/spaces/alpha/peerings/{peering}");
    let page = alice.get(&review(second)).await.text;
    let (form, shown) = (hidden(&page, "form").unwrap(), hidden(&page, "shown").unwrap());
    assert_eq!(alice.fill(&review(first), &[("answer", "accept")]).await.status, 303);
    let fields = [("form", &*form), ("shown", &*shown), ("answer", "accept")];
    let got = alice.post(&review(second), &fields).await;
    assert_eq!(got.status, 422, "{}", got.text);
    assert!(got.text.contains("Nothing was done") && got.text.contains("overlaps"), "{}", got.text);
    assert_eq!(status(&server, second), PeeringStatus::PendingAcceptance.code());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_somebody_elses_page_is_refused() {
    let (server, peering) = joined().await;
    let review = format!("/dashboard/spaces/alpha/peerings/{peering}");
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let page = alice.get(&review).await.text;
    let (form, shown) = (hidden(&page, "form").unwrap(), hidden(&page, "shown").unwrap());
    let other = {
        let mut other = Browser::signed_in(&server, ALICE).await;
        hidden(&other.get(&review).await.text, "form").unwrap()
    };
    assert_ne!(form, other, "each session has its own");
    let own = [("sec-fetch-site", "same-origin")];
    let before = server.state.world();
    let origin = format!("http://{HOST}");
    for (form, headers) in [
        ("", &own[..]),
        (other.as_str(), &own),
        (form.as_str(), &[]),
        (form.as_str(), &[("sec-fetch-site", "cross-site")]),
        (form.as_str(), &[("sec-fetch-site", "same-site")]),
        (form.as_str(), &[("sec-fetch-site", "none")]),
        (form.as_str(), &[("origin", "https://evil.example")]),
        (form.as_str(), &[("origin", "null")]),
        (form.as_str(), &[("sec-fetch-site", "cross-site"), ("origin", origin.as_str())]),
    ] {
        for path in
            [&*review, "/dashboard/sign-out", "/dashboard/preferences", "/dashboard/sign-in"]
        {
            let fields =
                [("form", form), ("shown", &*shown), ("answer", "accept"), ("theme", "dark")];
            let got = alice.post_from(path, &fields, headers).await;
            assert_eq!(got.status, 403, "{path} {headers:?}");
            assert!(got.headers.get("set-cookie").is_none(), "{path}");
        }
    }
    assert!(Arc::ptr_eq(&before, &server.state.world()));
    // Browsers that do not say where a request comes from name the page's origin.
    let fields = [("form", &*form), ("shown", &*shown), ("answer", "accept")];
    let got = alice.post_from(&review, &fields, &[("origin", &origin)]).await;
    assert_eq!(got.status, 303, "{}", got.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_that_cannot_be_read_change_nothing() {
    let (server, peering) = joined().await;
    let review = format!("/dashboard/spaces/alpha/peerings/{peering}");
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let page = alice.get(&review).await.text;
    let (form, shown) = (hidden(&page, "form").unwrap(), hidden(&page, "shown").unwrap());
    let before = server.state.world();
    let long = "a".repeat(70_000);
    for fields in [
        vec![("form", &*form), ("shown", &*shown)],
        vec![("form", &*form), ("shown", &*shown), ("answer", "maybe")],
        vec![("form", &*form), ("answer", "accept")],
        vec![("form", &*form), ("shown", &*shown), ("answer", "accept"), ("answer", "reject")],
        vec![("form", &*form), ("shown", &*shown), ("answer", "accept"), ("x", &*long)],
    ] {
        let got = alice.post(&review, &fields).await;
        assert_eq!(got.status, 400, "{}", got.text);
    }
    for path in ["/dashboard", "/dashboard/spaces/alpha/network", "/dashboard/x"] {
        let got = alice.post(path, &[("form", &form)]).await;
        assert_eq!(got.status, 404, "{path}");
    }
    assert!(Arc::ptr_eq(&before, &server.state.world()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_session_ended_is_told_so_and_nothing_was_done() {
    let (server, peering) = joined().await;
    let review = format!("/dashboard/spaces/alpha/peerings/{peering}");
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let page = alice.get(&review).await.text;
    let (form, shown) = (hidden(&page, "form").unwrap(), hidden(&page, "shown").unwrap());
    server.state.clock.advance(std::time::Duration::from_secs(13 * 3600));
    let fields = [("form", &*form), ("shown", &*shown), ("answer", "accept")];
    let got = alice.post(&review, &fields).await;
    assert_eq!(got.status, 401);
    assert!(got.text.contains("Your session has ended"), "{}", got.text);
    assert_eq!(hidden(&got.text, "back"), Some(review));
    assert_eq!(status(&server, peering), "pending-acceptance");
}
