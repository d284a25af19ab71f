//! Tokens and access keys: who makes and ends which, and that no secret is shown twice.

use std::sync::Arc;

use model::{Caller, IdentityCommand, Key};

use super::browser::{Browser, access_key, account, hidden, joined, user};
use crate::credentials::{find_token, open_access_key};
use crate::http::platform::tests::fixture::{ALICE, BOB, STRANGER};

const KEYS: &str = "/dashboard/keys";

/// The values that can be copied from a note about what was just made.
fn secrets(page: &str) -> Vec<String> {
    let values = page.split("<p class=\"once\">").skip(1);
    values.map(|part| super::browser::attribute(part, "data-copy").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_shown_once_and_revoked() {
    let (server, _) = joined().await;
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let page = alice.get(KEYS).await.text;
    assert!(page.contains("this session") && !page.contains(ALICE), "{page}");
    let (form, shown) = (hidden(&page, "form").unwrap(), hidden(&page, "shown").unwrap());
    let fields = [
        ("form", &*form),
        ("shown", &shown),
        ("answer", "make-token"),
        ("description", "CI of <shop>"),
        ("days", "30"),
    ];
    let got = alice.post(KEYS, &fields).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(got.header("cache-control"), "no-store");
    let [secret] = &*secrets(&got.text) else { panic!("{}", got.text) };
    let world = server.state.world();
    let token = find_token(&world, secret).expect("it is a token");
    assert_eq!(token.user, user(&server, "alice"));
    assert_eq!(token.description, "CI of <shop>");
    let lives = token.expires.unwrap().since(token.created);
    assert_eq!(lives.as_secs(), 30 * 24 * 3600);
    let id = token.id;
    // It signs in, and is not shown again, not even by sending the form again.
    let mut ci = Browser::signed_in(&server, secret).await;
    let page = ci.get(KEYS).await.text;
    assert!(page.contains("CI of &#60;shop&#62;") && !page.contains(secret), "{page}");
    let before = server.state.world();
    let again = alice.post(KEYS, &fields).await;
    assert_eq!(again.status, 412, "{}", again.text);
    assert!(secrets(&again.text).is_empty() && !again.text.contains(secret), "{}", again.text);
    assert!(Arc::ptr_eq(&before, &server.state.world()));

    let question = format!("{KEYS}?revoke={id}");
    let page = alice.get(&question).await.text;
    assert!(page.contains("Revoke the token <b>CI of &lt;shop&gt;</b>?"), "{page}");
    assert!(Arc::ptr_eq(&before, &server.state.world()), "a question changes nothing");
    let (id, form) = (id.to_string(), hidden(&page, "form").unwrap());
    let fields = [("form", &*form), ("answer", "revoke"), ("token", &id)];
    let got = alice.post(KEYS, &fields).await;
    assert_eq!(got.header("location"), format!("{KEYS}?revoked"), "{}", got.text);
    let page = alice.get(got.header("location")).await.text;
    assert!(page.contains("The token is revoked.") && !page.contains("CI of &#60;"), "{page}");
    assert_eq!(ci.get(KEYS).await.status, 303, "its session has ended");
    let got = alice.post(KEYS, &fields).await;
    assert_eq!(got.status, 404, "{}", got.text);
    assert!(got.text.contains("It is not there any more"), "{}", got.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_revokes_their_own_token_is_signed_out() {
    let (server, _) = joined().await;
    let mut bob = Browser::signed_in(&server, BOB).await;
    let world = server.state.world();
    let id = world.tokens_of(Key::User(user(&server, "bob"))).next().unwrap().id.to_string();
    let page = bob.get(&format!("{KEYS}?revoke={id}")).await.text;
    assert!(page.contains("so this session ends, too"), "{page}");
    let form = hidden(&page, "form").unwrap();
    let got = bob.post(KEYS, &[("form", &form), ("answer", "revoke"), ("token", &id)]).await;
    assert_eq!(got.status, 303);
    let got = bob.get(got.header("location")).await;
    assert!(got.header("location").starts_with("/dashboard/sign-in"), "{}", got.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_ends_or_sees_what_is_somebody_elses() {
    let (server, _) = joined().await;
    let (key, secret) = access_key(&server).await;
    let (account, before) = (account(&server).await.to_string(), server.state.world());
    let alices = before.tokens_of(Key::User(user(&server, "alice"))).next().unwrap().id;
    let alices = alices.to_string();
    let mut stranger = Browser::signed_in(&server, STRANGER).await;
    let page = stranger.get(KEYS).await.text;
    for absent in [&*alices, &key, "alice", "make-key", "partner"] {
        assert!(!page.contains(absent), "{absent} is in {page}");
    }
    for query in [format!("?revoke={alices}"), format!("?delete={key}")] {
        let page = stranger.get(&format!("{KEYS}{query}")).await.text;
        assert!(!page.contains("class=\"b dd\""), "{query}: {page}");
    }
    let (form, shown) = (hidden(&page, "form").unwrap(), hidden(&page, "shown").unwrap());
    for (fields, status) in [
        (vec![("answer", "revoke"), ("token", &*alices)], 404),
        (vec![("answer", "delete-key"), ("key", &*key)], 403),
        (vec![("answer", "make-key"), ("account", &*account)], 412),
        (vec![("answer", "make-token"), ("days", "7")], 400),
        (vec![("answer", "make-token")], 400),
        (vec![("answer", "revoke"), ("token", "x")], 400),
        (vec![], 400),
    ] {
        let mut all = vec![("form", &*form), ("shown", &*shown)];
        all.extend(fields.iter().copied());
        let got = stranger.post(KEYS, &all).await;
        assert_eq!(got.status, status, "{fields:?}: {}", got.text);
        assert!(secrets(&got.text).is_empty(), "{fields:?}");
    }
    // Not even with what the page of the operator would send.
    let shown = dashboard::keys_shown(&before);
    let fields =
        [("form", &*form), ("shown", &*shown), ("answer", "make-key"), ("account", &*account)];
    let got = stranger.post(KEYS, &fields).await;
    assert_eq!(got.status, 403, "{}", got.text);

    // An account sees the key that it has, and makes none.
    let mut owner = Browser::new(&server);
    assert_eq!(owner.sign_in_by_key(&key, &secret).await.status, 303);
    let page = owner.get(KEYS).await.text;
    assert!(page.contains(&key) && page.contains("everything in its account"), "{page}");
    for absent in [&*secret, "name=\"answer\"", "?delete="] {
        assert!(!page.contains(absent), "{absent} is in {page}");
    }
    let form = hidden(&page, "form").unwrap();
    for fields in [
        vec![("answer", "delete-key"), ("key", &*key)],
        vec![("answer", "make-key"), ("account", &*account)],
        vec![("answer", "make-token"), ("days", "1")],
    ] {
        let mut all = vec![("form", &*form), ("shown", &*shown)];
        all.extend(fields);
        assert_eq!(owner.post(KEYS, &all).await.status, 404);
    }
    assert!(Arc::ptr_eq(&before, &server.state.world()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_makes_and_deletes_keys_of_accounts() {
    let (server, _) = joined().await;
    let account = account(&server).await;
    let mut operator = Browser::signed_in(&server, &server.operator()).await;
    let page = operator.get(KEYS).await.text;
    assert!(page.contains("No access key yet.") && page.contains("make-key"), "{page}");
    assert!(!page.contains("make-token"), "the operator is no user: {page}");
    let number = account.to_string();
    let fields = [("answer", "make-key"), ("account", &*number), ("read-only", "yes")];
    let got = operator.fill(KEYS, &fields).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let [id, secret] = &*secrets(&got.text) else { panic!("{}", got.text) };
    let world = server.state.world();
    let key = world.access_key(id.parse().unwrap()).unwrap();
    assert_eq!((key.account, key.access), (account, model::Access::ReadOnly));
    let opened = open_access_key(&server.state.secret, key.id, &key.sealed_secret);
    assert_eq!(opened.as_ref(), Some(secret));
    let page = operator.get(KEYS).await.text;
    assert!(page.contains(id.as_str()) && !page.contains(secret.as_str()), "{page}");
    assert!(!page.contains(&key.sealed_secret), "{page}");

    let page = operator.get(&format!("{KEYS}?delete={id}")).await.text;
    assert!(page.contains("Delete the access key"), "{page}");
    let form = hidden(&page, "form").unwrap();
    let fields = [("form", &*form), ("answer", "delete-key"), ("key", id)];
    let got = operator.post(KEYS, &fields).await;
    assert_eq!(got.header("location"), format!("{KEYS}?deleted"), "{}", got.text);
    assert!(server.state.world().access_key(key.id).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_keys_is_there_in_japanese_and_ends_with_its_session() {
    let (server, _) = joined().await;
    let mut alice = Browser::signed_in(&server, ALICE).await;
    alice.headers.push(("accept-language", "ja".to_owned()));
    let page = alice.get(KEYS).await.text;
    assert!(page.contains("<html lang=\"ja\"") && page.contains("トークンとキー"), "{page}");
    let id = server.state.world().tokens_of(Key::User(user(&server, "alice"))).next().unwrap().id;
    server.command(Caller::Operator, IdentityCommand::DeleteToken { id }).await;
    assert_eq!(alice.get(KEYS).await.status, 303);
}
