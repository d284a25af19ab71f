//! Headers, files, languages and limits.

use std::sync::Arc;

use axum::body::Body;

use model::{Caller, Ec2Command, Key, Region, Scope};

use super::browser::{Browser, access_key, account, attribute, hidden, joined, server};
use crate::http::dashboard::{Dashboard, router};
use crate::http::platform::tests::fixture::{ALICE, Fixture};

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_forbids_what_is_not_needed() {
    let (server, _) = joined().await;
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let style = attribute(&alice.get("/dashboard").await.text, "href").unwrap();
    let mut nobody = Browser::new(&server);
    let mut answers = vec![
        nobody.get("/dashboard").await,
        nobody.get("/dashboard/sign-in").await,
        nobody.get("/dashboard/events").await,
        nobody.get(&style).await,
    ];
    for path in ["/dashboard", "/dashboard/spaces/alpha/network", "/dashboard/none"] {
        answers.push(alice.get(path).await);
    }
    answers.push(alice.post("/dashboard/sign-out", &[]).await);
    for got in answers {
        let policy = got.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "style-src 'self'",
            "script-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{part} is not in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert_eq!(got.header("referrer-policy"), "same-origin");
        assert_eq!(got.header("request-id").len(), 32);
        if !got.text.contains("--surface:") {
            assert_eq!(got.header("cache-control"), "no-store");
        }
        // Nothing of a page is for a script to be run from, nor for a style attribute.
        for inline in ["<script>", " style=", " onclick=", "javascript:", "//cdn"] {
            assert!(!got.text.contains(inline), "{inline}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_cannot_turn_the_direction_of_a_page() {
    let (server, _) = joined().await;
    let account = account(&server).await;
    let key = access_key(&server).await;
    let scope = Scope { account, region: Region::DEFAULT };
    let caller = Caller::Account { scope, read_only: false };
    let tags = [("Name".to_owned(), "\u{202e}nwod\u{2066}".to_owned())].into();
    let Key::Vpc(vpc) =
        server.command(caller, Ec2Command::create_vpc("10.99.0.0/16".parse().unwrap(), tags)).await
    else {
        panic!("no VPC")
    };
    let mut browser = Browser::new(&server);
    browser.sign_in_by_key(&key.0, &key.1).await;
    for path in
        ["/dashboard".to_owned(), format!("/dashboard/vpcs/{vpc}"), "/dashboard/map".to_owned()]
    {
        let page = browser.get(&path).await.text;
        assert!(page.contains("\u{fffd}nwod\u{fffd}"), "{path}: {page}");
        assert!(!page.contains(['\u{202e}', '\u{2066}']), "{path}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_for_ever_by_names_that_change_with_them() {
    let server = server().await;
    let mut browser = Browser::new(&server);
    let page = browser.get("/dashboard/sign-in").await.text;
    let mut seen = 0;
    for part in page.split('"').filter(|part| part.starts_with("/dashboard/assets/")) {
        let got = browser.get(part).await;
        assert_eq!(got.status, 200, "{part}");
        assert_eq!(got.header("cache-control"), "public, max-age=31536000, immutable");
        assert!(!got.text.is_empty());
        seen += 1;
    }
    assert_eq!(seen, 3);
    assert_eq!(browser.get("/dashboard/assets/style.css").await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_is_kept_from_scripts_and_other_sites() {
    let server = server().await;
    for (proto, secure) in [(None, false), (Some("https"), true), (Some("http"), false)] {
        let mut browser = Browser::new(&server);
        browser.headers.extend(proto.map(|proto| ("x-forwarded-proto", proto.to_owned())));
        let got = browser.sign_in(&[("with", "token"), ("token", ALICE)]).await;
        let set: Vec<_> =
            got.headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap()).collect();
        let session = set.iter().find(|line| line.starts_with("causeway_session=")).unwrap();
        for part in ["; HttpOnly", "; SameSite=Lax", "; Path=/dashboard", "; Max-Age=43200"] {
            assert!(session.contains(part), "{session}");
        }
        assert_eq!(session.contains("; Secure"), secure, "{session}");
        assert!(!session.contains("alice"), "{session}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn language_and_theme_are_the_browsers_until_they_are_chosen() {
    let (server, _) = joined().await;
    let mut alice = Browser::signed_in(&server, ALICE).await;
    assert!(alice.get("/dashboard").await.text.contains("<html lang=\"en\">"));
    alice.headers.push(("accept-language", "ja,en;q=0.5".to_owned()));
    let page = alice.get("/dashboard").await;
    assert!(page.text.contains("<html lang=\"ja\">") && page.text.contains("対応が必要なもの"));
    assert_eq!(page.header("vary"), "Cookie, Accept-Language");
    let form = hidden(&page.text, "form").unwrap();
    let network = "/dashboard/spaces/alpha/network";
    let choose =
        |name, value| [("form", form.clone()), ("back", network.to_owned()), (name, value)];
    for (name, value, shown) in [
        ("language", "en", "<html lang=\"en\">"),
        ("theme", "dark", "<html lang=\"en\" data-theme=\"dark\">"),
        ("theme", "neon", "<html lang=\"en\" data-theme=\"dark\">"),
        ("language", "tlh", "<html lang=\"en\" data-theme=\"dark\">"),
        ("theme", "system", "<html lang=\"en\">"),
        ("language", "ja", "<html lang=\"ja\">"),
    ] {
        let fields = choose(name, value.to_owned());
        let fields: Vec<_> = fields.iter().map(|(a, b)| (*a, b.as_str())).collect();
        let got = alice.post("/dashboard/preferences", &fields).await;
        assert_eq!((got.status.as_u16(), got.header("location")), (303, network), "{name} {value}");
        assert!(alice.get(network).await.text.contains(shown), "{name} {value}");
    }
    // Whoever is not signed in chooses, too.
    let mut nobody = Browser::new(&server);
    let page = nobody.get("/dashboard/sign-in").await.text;
    let form = hidden(&page, "form").unwrap();
    let fields = [("form", &*form), ("back", "/dashboard/sign-in"), ("language", "ja")];
    let got = nobody.post("/dashboard/preferences", &fields).await;
    assert_eq!(got.header("location"), "/dashboard/sign-in");
    assert!(nobody.get("/dashboard/sign-in").await.text.contains("サインイン"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_and_too_many_requests_are_refused() {
    let server = Fixture::set_up().await;
    let dashboard = Dashboard::new(Arc::clone(&server.state));
    let server = server.behind(router(dashboard));
    for method in ["PUT", "DELETE", "PATCH"] {
        let request = http::Request::builder().method(method).uri("/dashboard");
        let got = server.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((got.status.as_u16(), got.header("allow")), (405, "GET, HEAD, POST"));
    }
    let mut browser = Browser::signed_in(&server, ALICE).await;
    let mut nobody = Browser::new(&server);
    let mut taken = 0;
    while nobody.get("/dashboard/sign-in").await.status == 200 {
        taken += 1;
        assert!(taken < 1000, "there is a limit");
    }
    assert!(taken > 100, "{taken}");
    assert_eq!(nobody.get("/dashboard/sign-in").await.status, 429);
    assert_eq!(browser.get("/dashboard").await.status, 200, "others are others");
}
