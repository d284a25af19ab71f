//! Log drains of apps and of spaces.

use super::fixture::{ALICE, BOB, DRAIN, Fixture, STRANGER};

const DRAINS: &str = "/apps/shop/log-drains";

fn body(url: &str) -> String {
    serde_json::json!({ "url": url }).to_string()
}

#[tokio::test]
async fn a_drain_is_added_found_by_three_names_and_removed() {
    let server = Fixture::new();
    let url = "https://u:p@logs.example.com:8443/in?x=1";
    let made = server.ask(BOB, "POST", DRAINS, &body(url)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let drain = made.json();
    assert_eq!(drain["url"], url);
    let token = drain["token"].as_str().unwrap();
    assert!(token.starts_with("d.") && !token.contains(drain["id"].as_str().unwrap()), "{token}");
    let escaped = "https%3A%2F%2Fu%3Ap%40logs.example.com%3A8443%2Fin%3Fx%3D1";
    for name in [drain["id"].as_str().unwrap(), token, escaped] {
        let found = server.get(ALICE, &format!("{DRAINS}/{name}")).await;
        assert_eq!((found.status.as_u16(), found.json()), (200, drain.clone()), "{name}");
    }
    assert_eq!(server.get(BOB, DRAINS).await.json().as_array().unwrap().len(), 2);
    let again = server.ask(BOB, "POST", DRAINS, &body(url)).await;
    assert_eq!(again.error().0, 422);
    let gone = server.ask(BOB, "DELETE", &format!("{DRAINS}/{token}"), "").await;
    assert_eq!((gone.status.as_u16(), gone.json()), (200, drain.clone()));
    assert_eq!(server.get(BOB, &format!("{DRAINS}/{token}")).await.error().0, 404);
}

#[tokio::test]
async fn what_nothing_would_be_sent_to_is_refused_and_others_drains_are_not_there() {
    let server = Fixture::new();
    let before = server.state.world();
    for url in [
        "http://logs.example.com/",
        "syslog://logs.example.com:514",
        "https://127.0.0.1/",
        "syslog+tls://10.0.0.5:6514",
        "ftp://logs.example.com/",
        "logs.example.com",
        "",
    ] {
        let got = server.ask(ALICE, "POST", DRAINS, &body(url)).await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()), "{url}");
    }
    let path = format!("{DRAINS}/{DRAIN}");
    assert_eq!(server.get(STRANGER, &path).await.error().0, 404);
    assert_eq!(server.ask(STRANGER, "DELETE", &path, "").await.error().0, 404);
    assert!(before.records().eq(server.state.world().records()));
    // There are five at most.
    for n in 0..4 {
        let url = format!("https://logs.example.com/{n}");
        assert_eq!(server.ask(ALICE, "POST", DRAINS, &body(&url)).await.status, 201);
    }
    let sixth = server.ask(ALICE, "POST", DRAINS, &body("https://logs.example.com/9")).await;
    assert!(sixth.error().0 == 422 || sixth.error().0 == 403, "{sixth:?}");
    // They go with the app.
    assert_eq!(server.ask(ALICE, "DELETE", "/apps/shop", "").await.status, 200);
    assert_eq!(server.state.world().log_drains().count(), 0);
}

#[tokio::test]
async fn the_operator_may_open_what_is_private() {
    let allow = vec!["10.0.0.0/24".parse().unwrap()];
    let server = Fixture::new().set(|state| state.reachable.allow = allow);
    for (url, status) in [
        ("https://10.0.0.5/", 201),
        ("syslog://10.0.0.5", 201),
        ("https://10.0.1.5/", 422),
        ("http://8.8.8.8/", 422),
        // What a name leads to is looked at when something is sent.
        ("http://logs.example.com/", 201),
    ] {
        let got = server.ask(ALICE, "POST", DRAINS, &body(url)).await;
        assert_eq!(got.status, status, "{url}: {}", got.text);
    }
}

#[tokio::test]
async fn the_drain_of_a_space_is_set_by_its_admins_and_replaced() {
    const DRAIN_OF_SPACE: &str = "/spaces/alpha/log-drain";
    let server = Fixture::new();
    assert_eq!(server.get(BOB, DRAIN_OF_SPACE).await.error().0, 404);
    let set = async |who: &str, url: &str| server.ask(who, "PUT", DRAIN_OF_SPACE, &body(url)).await;
    assert_eq!(set(BOB, "https://logs.example.com/a").await.error().0, 403);
    assert_eq!(set(STRANGER, "https://logs.example.com/a").await.error().0, 404);
    assert_eq!(set(ALICE, "http://logs.example.com/a").await.error().0, 422);
    assert_eq!(server.ask(ALICE, "PUT", DRAIN_OF_SPACE, "{}").await.error().0, 422);
    let first = set(ALICE, "https://logs.example.com/a").await;
    assert_eq!((first.status.as_u16(), &first.json()["addon"]), (200, &serde_json::Value::Null));
    let same = set(ALICE, "https://logs.example.com/a").await.json();
    assert_eq!(same, first.json(), "what is so already stays");
    let second = set(ALICE, "syslog+tls://logs.example.com:6514").await.json();
    assert_ne!(second["token"], first.json()["token"]);
    assert_eq!(server.get(BOB, DRAIN_OF_SPACE).await.json(), second);
    let of_app = server.get(BOB, DRAINS).await.json();
    assert_eq!(of_app.as_array().unwrap().len(), 1, "it is none of the app's");
    let token = second["token"].as_str().unwrap();
    let gone = server.ask(ALICE, "DELETE", &format!("{DRAINS}/{token}"), "").await;
    assert_eq!(gone.error().0, 404);
}
