//! Events that tell a page that it has changed.

use axum::body::Body;
use http_body_util::BodyExt;
use model::{Caller, IdentityCommand, Key};

use super::browser::{Browser, attribute, hidden, joined, request, user};
use crate::http::platform::tests::fixture::{ALICE, BOB};

const NETWORK: &str = "/dashboard/events?page=/dashboard/spaces/alpha/network";

/// The next piece of a stream; nothing at its end.
async fn next(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_hears_of_what_changes_on_it_and_of_nothing_else() {
    let (server, _) = joined().await;
    let alice = Browser::signed_in(&server, ALICE).await;
    let answer = alice.open(NETWORK).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let mut events = answer.into_body();
    assert_eq!(next(&mut events).await.unwrap(), "retry: 3000\n\n");
    request(&server, "10.101.0.0/16").await;
    assert_eq!(next(&mut events).await.unwrap(), "event: changed\ndata:\n\n");
    // A user that nobody here sees.
    let email = "new@example.com".to_owned();
    server.command(Caller::Operator, IdentityCommand::CreateUser { email }).await;
    assert_eq!(next(&mut events).await.unwrap(), ":\n\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_hears_of_what_is_asked_of_it() {
    let (server, _) = joined().await;
    let alice = Browser::signed_in(&server, ALICE).await;
    let page = "/dashboard/events?page=%2Fdashboard%2Fmap%3Fstate%3Dpending";
    let mut events = alice.open(page).await.into_body();
    assert_eq!(next(&mut events).await.unwrap(), "retry: 3000\n\n");
    request(&server, "10.101.0.0/16").await;
    assert_eq!(next(&mut events).await.unwrap(), "event: changed\ndata:\n\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_before_a_page_listened_is_told_too() {
    let (server, _) = joined().await;
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let page = alice.get("/dashboard/spaces/alpha/network").await.text;
    let seen = attribute(&page, "data-seen").unwrap();
    let events = format!("{NETWORK}&seen={seen}");
    let mut body = alice.open(&events).await.into_body();
    assert_eq!(next(&mut body).await.unwrap(), "retry: 3000\n\n", "it shows what is");
    request(&server, "10.101.0.0/16").await;
    let mut body = alice.open(&events).await.into_body();
    assert_eq!(next(&mut body).await.unwrap(), "retry: 3000\n\nevent: changed\ndata:\n\n");
    // Nothing that a client says else is more than a page that differs.
    for seen in ["", "x", "&amp;"] {
        let mut body = alice.open(&format!("{NETWORK}&seen={seen}")).await.into_body();
        assert!(next(&mut body).await.unwrap().ends_with("event: changed\ndata:\n\n"), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_session() {
    let (server, _) = joined().await;
    let ended = "event: ended\ndata:\n\n";
    // The token is revoked.
    let bob = Browser::signed_in(&server, BOB).await;
    let mut events = bob.open(NETWORK).await.into_body();
    next(&mut events).await.unwrap();
    let token = server.state.world().tokens_of(Key::User(user(&server, "bob"))).next().unwrap().id;
    server.command(Caller::Operator, IdentityCommand::DeleteToken { id: token }).await;
    assert_eq!(next(&mut events).await.as_deref(), Some(ended));
    assert_eq!(next(&mut events).await, None);
    // Somebody is locked out.
    let alice = Browser::signed_in(&server, ALICE).await;
    let mut events = alice.open(NETWORK).await.into_body();
    next(&mut events).await.unwrap();
    let team = server.state.world().team_named("acme").unwrap().id;
    let promote = |role| IdentityCommand::SetMember { team, user: user(&server, "bob"), role };
    server.command(Caller::Operator, promote(Some(model::Role::Admin))).await;
    let subject = model::Subject::User(user(&server, "alice"));
    server.command(Caller::Operator, IdentityCommand::Disable { subject }).await;
    loop {
        // Bob's promotion is news on the page, or not, depending on when it is looked at.
        match next(&mut events).await.as_deref() {
            Some(event) if event == ended => break,
            Some(_) => {}
            None => panic!("the stream ends without a word"),
        }
    }
    server.command(Caller::Operator, IdentityCommand::Enable { subject }).await;
    // Somebody signs out.
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let mut events = alice.open(NETWORK).await.into_body();
    next(&mut events).await.unwrap();
    let form = hidden(&alice.get("/dashboard").await.text, "form").unwrap();
    alice.post("/dashboard/sign-out", &[("form", &form)]).await;
    assert_eq!(next(&mut events).await.as_deref(), Some(ended));
    assert_eq!(next(&mut events).await, None);
    // The server stops.
    let alice = Browser::signed_in(&server, ALICE).await;
    let mut events = alice.open(NETWORK).await.into_body();
    next(&mut events).await.unwrap();
    server.state.closing.cancel();
    assert_eq!(next(&mut events).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_all_places_of_live_pages() {
    let (server, _) = joined().await;
    let (alice, bob) =
        (Browser::signed_in(&server, ALICE).await, Browser::signed_in(&server, BOB).await);
    let mut held = Vec::new();
    loop {
        let answer = alice.open(NETWORK).await;
        if answer.status() == 429 {
            break;
        }
        held.push(answer);
    }
    assert_eq!(held.len(), 128, "half of them");
    assert_eq!(bob.open(NETWORK).await.status(), 200);
    drop(held);
    assert_eq!(alice.open(NETWORK).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_events_of_pages_alone() {
    let (server, _) = joined().await;
    let mut alice = Browser::signed_in(&server, ALICE).await;
    for page in ["", "/dashboard/sign-in", "/", "/healthz", "/dashboard/events"] {
        let path = format!("/dashboard/events?page={page}");
        assert_eq!(alice.get(&path).await.status, 404, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_search_finds_shows_itself() {
    let (server, _) = joined().await;
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let page = alice.get("/dashboard/search?q=10.77.").await.text;
    assert!(page.contains("Nothing has"), "{page}");
    let (_, events) = page.split_once("data-events=\"").unwrap();
    let events = events.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    let mut body = alice.open(&events).await.into_body();
    next(&mut body).await.unwrap();
    let found = request(&server, "10.77.0.0/16").await;
    assert_eq!(next(&mut body).await.as_deref(), Some("event: changed\ndata:\n\n"));
    assert!(alice.get("/dashboard/search?q=10.77.").await.text.contains(&found.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_leads_to_the_search_can_be_turned_off() {
    let (server, _) = joined().await;
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let on = "aria-keyshortcuts=\"/\"";
    let page = alice.get("/dashboard/search?q=alpha").await.text;
    assert!(page.contains(on) && page.contains("Turn it off"), "{page}");
    for (chosen, is_on) in [("off", false), ("nonsense", false), ("on", true)] {
        let form = hidden(&alice.get("/dashboard").await.text, "form").unwrap();
        let back = "/dashboard/search?q=alpha";
        let fields = [("form", &*form), ("back", back), ("shortcut", chosen)];
        let got = alice.post("/dashboard/preferences", &fields).await;
        assert_eq!((got.status.as_u16(), got.header("location")), (303, back));
        assert_eq!(alice.get("/dashboard").await.text.contains(on), is_on, "{chosen}");
    }
}
