//! The pages of who runs the installation.

use std::sync::Arc;

use super::browser::{Browser, access_key, account, hidden, joined};
use crate::cleanup::lost::Lost;
use crate::http::dashboard::{Dashboard, router};
use crate::http::platform::tests::fixture::{ALICE, STRANGER};
use crate::loops::Supervisor;

const PAGES: [&str; 4] = ["", "/accounts", "/people", "/limits"];

fn path(part: &str) -> String {
    format!("/dashboard/operator{part}")
}

fn limit(server: &crate::http::platform::tests::fixture::Fixture) -> u16 {
    server.state.world().space_named("alpha").unwrap().peering_limit
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_there_for_the_operator_alone() {
    let (server, _) = joined().await;
    let (id, secret) = access_key(&server).await;
    let mut alice = Browser::signed_in(&server, ALICE).await;
    let mut stranger = Browser::signed_in(&server, STRANGER).await;
    let mut account = Browser::new(&server);
    assert_eq!(account.sign_in_by_key(&id, &secret).await.status, 303);
    let before = server.state.world();
    for browser in [&mut alice, &mut stranger, &mut account] {
        let home = browser.get("/dashboard").await.text;
        assert!(!home.contains("/dashboard/operator"), "{home}");
        let form = hidden(&home, "form").unwrap();
        for part in PAGES {
            assert_eq!(browser.get(&path(part)).await.status, 404, "{part}");
            let fields = [
                ("form", &*form),
                ("answer", "limit"),
                ("space", "alpha"),
                ("shown", "5"),
                ("limit", "9"),
            ];
            assert_eq!(browser.post(&path(part), &fields).await.status, 404, "{part}");
            let events = format!("/dashboard/events?page={}", path(part));
            let answer = browser.open(&events).await;
            assert_ne!(answer.status(), 500, "{part}");
        }
    }
    assert!(Arc::ptr_eq(&before, &server.state.world()));
    let mut operator = Browser::signed_in(&server, &server.operator()).await;
    for language in ["en", "ja"] {
        operator.headers = vec![("accept-language", language.to_owned())];
        for part in PAGES {
            let got = operator.get(&path(part)).await;
            assert_eq!(got.status, 200, "{part}: {}", got.text);
            assert!(got.text.contains(&format!("<html lang=\"{language}\"")), "{part}");
            assert!(!got.text.contains(&secret) && !got.text.contains(ALICE), "{part}");
            assert!(!got.text.contains(&server.operator()), "{part}");
        }
    }
    assert_eq!(operator.get(&path("/none")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_show_what_there_is() {
    let (server, _) = joined().await;
    access_key(&server).await;
    let number = account(&server).await.to_string();
    let mut operator = Browser::signed_in(&server, &server.operator()).await;
    let shown = [
        ("", vec!["Installation <b>test</b>", "1 pending-acceptance", "does not watch over"]),
        ("/accounts", vec!["partner", &number, "the platform’s: it owns the VPCs of spaces"]),
        ("/people", vec!["alice@example.com (admin)", "bob@example.com (member)", "stranger@"]),
        ("/limits", vec!["alpha", "acme", "name=\"limit\" type=\"number\" min=\"1\" value=\"5\""]),
    ];
    for (part, needed) in shown {
        let page = operator.get(&path(part)).await.text;
        for needed in needed {
            assert!(page.contains(needed), "{needed} is not in {page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_names_loops_problems_and_what_was_set_aside() {
    let (server, _) = joined().await;
    let data = server.data();
    let kept = data.join("lost").join("workloads").join("i-0123456789abcdef0");
    std::fs::create_dir_all(&kept).unwrap();
    let supervisor = Supervisor::new(|_| ());
    let (wake, woken) = std::sync::mpsc::channel::<()>();
    let _thread = supervisor.spawn(
        "ledger-of-the-test",
        std::time::Duration::from_secs(60),
        move || {
            let _ = wake.send(());
        },
        move |pulse| {
            pulse.idle();
            while woken.recv().is_ok() {
                pulse.turn();
                pulse.idle();
            }
        },
    );
    let dashboard =
        Dashboard::new(Arc::clone(&server.state)).for_operator(Lost::at(&data), supervisor.clone());
    let why = "The image <x> is gone.".to_owned();
    server.state.health.set_failing([("shop/web.1".to_owned(), why)].into());
    let server = server.behind(router(dashboard));
    let mut operator = Browser::signed_in(&server, &server.operator()).await;
    let page = operator.get(&path("")).await.text;
    for needed in [
        "ledger-of-the-test",
        "shop/web.1",
        "The image &lt;x&gt; is gone.",
        "Something is not as it must be.",
        "workloads/i-0123456789abcdef0",
        "causeway lost:delete workloads/i-0123456789abcdef0",
    ] {
        assert!(page.contains(needed), "{needed} is not in {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_set_by_a_form() {
    let (server, _) = joined().await;
    let mut operator = Browser::signed_in(&server, &server.operator()).await;
    let limits = path("/limits");
    let fields = [("answer", "limit"), ("space", "alpha"), ("limit", "9")];
    let got = operator.fill(&limits, &fields).await;
    assert_eq!(got.header("location"), format!("{limits}?limited=alpha"), "{}", got.text);
    assert_eq!(limit(&server), 9);
    let page = operator.get(got.header("location")).await.text;
    assert!(page.contains("<b>alpha</b> may have 9 peerings now."), "{page}");
    let form = hidden(&page, "form").unwrap();
    for (shown, limit, status, said) in [
        ("9", "many", 422, "That is not a number of peerings"),
        ("9", "0", 422, "A space may have 1 to 125 peerings"),
        ("9", "70000", 422, "That is not a number of peerings"),
        ("5", "3", 412, "This changed while the page was open"),
    ] {
        let fields = [
            ("form", &*form),
            ("answer", "limit"),
            ("space", "alpha"),
            ("shown", shown),
            ("limit", limit),
        ];
        let got = operator.post(&limits, &fields).await;
        assert_eq!(got.status, status, "{limit}: {}", got.text);
        assert!(got.text.contains(said), "{limit}: {}", got.text);
    }
    let got = operator.post(&limits, &[("form", &form), ("space", "none")]).await;
    assert_eq!(got.status, 400);
    assert_eq!(limit(&server), 9);
}
