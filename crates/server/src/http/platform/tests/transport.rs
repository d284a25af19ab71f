//! Headers, versions, tags and ranges (`heroku.md` §1.1).

use axum::body::Body;

use super::fixture::{ALICE, BOB, Fixture, Got, request};

async fn get(server: &Fixture, path: &str, header: (&str, &str)) -> Got {
    let request = http::Request::builder()
        .uri(path)
        .header("authorization", format!("bearer {ALICE}"))
        .header(header.0, header.1);
    let request = match header.0 {
        "accept" => request,
        _ => request.header("accept", "application/vnd.heroku+json; version=3"),
    };
    server.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn version_3_is_spoken_and_no_other() {
    let server = Fixture::new();
    for (accept, status) in [
        ("application/vnd.heroku+json; version=3", 200),
        ("application/vnd.heroku+json; version=3.sdk", 200),
        ("application/vnd.heroku+json;version=3.dogwood", 200),
        ("Application/Vnd.Heroku+JSON; Version=\"3\"", 200),
        ("application/vnd.heroku+json; version=2", 406),
        ("application/vnd.heroku+json; version=30", 406),
        ("application/vnd.heroku+json; version=3.", 406),
        ("application/vnd.heroku+json; version=", 406),
        ("text/html", 406),
        ("text/html, application/vnd.heroku+json; version=3", 200),
        ("application/vnd.heroku+json", 406),
        ("text/html, */*;q=0.8", 406),
        ("*/*", 406),
        ("application/json", 406),
        ("", 406),
    ] {
        let got = get(&server, "/account", ("accept", accept)).await;
        assert_eq!(got.status, status, "{accept}");
        if status == 406 {
            assert_eq!(got.error(), (406, "not_acceptable".to_owned()));
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_same_headers() {
    let server = Fixture::new();
    for path in ["/account", "/nothing", "/spaces/nowhere"] {
        let got = get(&server, path, ("x-nothing", "")).await;
        for (name, value) in [
            ("cache-control", "private, no-cache"),
            ("content-type", "application/json;charset=utf-8"),
            ("ratelimit-multiplier", "1"),
            ("vary", "Accept-Encoding"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(got.header(name), value, "{path}: {name}");
        }
        assert!(uuid::Uuid::try_parse(got.header("request-id")).is_ok(), "{path}");
        // Where the client is known.
        let remaining = if path == "/nothing" { "" } else { "4500" };
        assert_eq!(got.header("ratelimit-remaining"), remaining, "{path}");
    }
}

#[tokio::test]
async fn request_ids_are_joined_up_to_a_bound() {
    let server = Fixture::new();
    let got = get(&server, "/account", ("request-id", "one, two,, b\tad,three")).await;
    let ids: Vec<&str> = got.header("request-id").split(',').collect();
    assert_eq!(ids[1..], ["one", "two", "three"]);

    let many = vec!["0a1b2c3d-0000-0000-0000-000000000000"; 500].join(",");
    let got = get(&server, "/account", ("request-id", &many)).await;
    let bytes = got.header("request-id").len();
    assert!((6 * 1024..=7 * 1024).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let server = Fixture::new();
    let first = get(&server, "/spaces", ("x-nothing", "")).await;
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with("W/\""), "{etag}");
    for matching in [etag.clone(), format!("\"x\", {etag}"), etag[2..].to_owned(), "*".to_owned()] {
        let again = get(&server, "/spaces", ("if-none-match", &matching)).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""), "{matching}");
        assert_eq!(again.header("etag"), etag);
    }
    let other = get(&server, "/spaces", ("if-none-match", "W/\"x\"")).await;
    assert_eq!((other.status.as_u16(), other.text), (200, first.text));
    assert_eq!(get(&server, "/spaces/x", ("if-none-match", "*")).await.status, 404);
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let server = Fixture::new();
    let request = request("HEAD", "/spaces")
        .header("authorization", format!("Bearer {ALICE}"))
        .header("accept", "application/vnd.heroku+json; version=3");
    let got = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((got.status.as_u16(), got.text.as_str()), (200, ""));
    assert!(!got.header("etag").is_empty());
}

fn names(got: &Got) -> Vec<String> {
    let list = got.json();
    list.as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn long_lists_come_in_parts_that_join_up() {
    let server = Fixture::new();
    let whole = get(&server, "/regions", ("range", "id ..; max=1000;")).await;
    assert_eq!(whole.status, 200);
    assert_eq!(
        whole.header("accept-ranges"),
        "id, country, created_at, description, locale, name, private_capable, updated_at"
    );
    assert_eq!(whole.header("next-range"), "");
    for order in ["asc", "desc"] {
        let mut range = format!("name ..; max=3, order={order}");
        let mut all = Vec::new();
        loop {
            let part = get(&server, "/regions", ("range", &range)).await;
            let part_names = names(&part);
            let (first, last) = (&part_names[0], &part_names[part_names.len() - 1]);
            assert_eq!(part.header("content-range"), format!("name {first}..{last}"));
            all.extend(part_names.clone());
            if part.status == 200 {
                break;
            }
            assert_eq!(part.status, 206);
            part.header("next-range").clone_into(&mut range);
        }
        let mut expected = names(&whole);
        expected.sort();
        if order == "desc" {
            expected.reverse();
        }
        assert_eq!(all, expected, "{order}");
    }
}

#[tokio::test]
async fn ranges_are_read_as_clients_write_them() {
    let server = Fixture::new();
    for (range, expected) in [
        ("", 10),
        ("id ..", 10),
        ("id ..; max=1000;", 10),
        ("name dublin..london", 3),
        ("name ]dublin..london", 2),
        ("name dublin..london[", 2),
        ("name london..dublin; order=desc", 3),
        ("name dublin..london; max=10,order=desc", 3),
        ("name x..; max=5", 0),
        ("]zzz..; max=200", 0),
        ("country ..", 10),
        ("country Germany..Ireland", 3),
        ("created_at ..; order=desc,max=5", 5),
    ] {
        let got = get(&server, "/regions", ("range", range)).await;
        assert_eq!(got.json().as_array().map(Vec::len), Some(expected), "{range}: {}", got.text);
    }
    let version = ("range", "version ..; max=15, order=desc");
    assert_eq!(get(&server, "/apps/shop/releases", version).await.json()[0]["version"], 1);
    let long = "x".repeat(1025);
    for range in ["bytes=0-9", "id", "max=0", "max=-1", "max=x", "color ..", &long] {
        let got = get(&server, "/regions", ("range", range)).await;
        if range == "id" {
            assert_eq!(got.status, 200);
        } else {
            let error = (416, "requested_range_not_satisfiable".to_owned());
            assert_eq!(got.error(), error, "{range}");
        }
    }
}

#[tokio::test]
async fn domains_come_in_the_order_of_their_names_part_by_part() {
    let server = Fixture::new();
    for host in ["d.example.org", "a.example.org", "c.example.org", "b.example.org"] {
        let body = format!(r#"{{"hostname": "{host}"}}"#);
        let made = server.ask(ALICE, "POST", "/apps/shop/domains", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let names = |got: &Got| -> Vec<String> {
        let list = got.json();
        let name = |domain: &serde_json::Value| domain["hostname"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(name).collect()
    };
    let mut all = names(&server.get(ALICE, "/apps/shop/domains").await);
    all.sort_unstable();
    assert_eq!(all.len(), 6, "with the app's own and the one of the fixture");
    // Some clients sort by a field that the documentation names `domain`.
    for field in ["domain", "hostname"] {
        let (mut found, mut range) = (Vec::new(), format!("{field} ..; max=4"));
        loop {
            let got = get(&server, "/apps/shop/domains", ("range", &range)).await;
            let part = names(&got);
            let span = format!("hostname {}..{}", part[0], part[part.len() - 1]);
            assert_eq!(got.header("content-range"), span);
            found.extend(part);
            if got.status == 200 {
                break;
            }
            assert_eq!(got.status, 206, "{}", got.text);
            range = got.header("next-range").to_owned();
        }
        assert_eq!(found, all, "{field}");
        let range = format!("{field} ..; order=desc,max=2");
        let last = names(&get(&server, "/apps/shop/domains", ("range", &range)).await);
        assert_eq!(last, [all[5].clone(), all[4].clone()], "{field}");
        let range = format!("{field} b.example.org..d.example.org[");
        let got = get(&server, "/apps/shop/domains", ("range", &range)).await;
        assert_eq!(names(&got), ["b.example.org", "c.example.org"], "{field}");
    }
    // What has no order, and what is not there.
    for field in ["app", "nothing"] {
        let got = get(&server, "/apps/shop/domains", ("range", &format!("{field} .."))).await;
        assert_eq!(got.error(), (416, "requested_range_not_satisfiable".to_owned()), "{field}");
    }
}

#[tokio::test]
async fn where_no_change_may_wait_any_more_clients_are_told_when_to_come_back() {
    let server = Fixture::new().set(|state| state.commands = edge::Shares::new(0));
    let before = server.state.world();
    let body = r#"{"name": "beta"}"#;
    let refused = server.ask(ALICE, "PATCH", "/spaces/alpha", body).await;
    assert_eq!(refused.error(), (429, "rate_limit".to_owned()), "{}", refused.text);
    assert_eq!(refused.header("retry-after"), "1");
    assert!(before.records().eq(server.state.world().records()));
    assert_eq!(server.get(ALICE, "/spaces/alpha").await.status, 200, "who reads does not wait");
    // The operator is not limited.
    let changed = server.ask(&server.operator(), "PATCH", "/spaces/alpha", body).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
}

/// Asks for a change of the space's name, if it is what the client says.
/// The space `alpha`, which has this id under whatever name.
const SPACE: &str = "/spaces/00000000-0000-0000-0000-00000000005a";

async fn rename(server: &Fixture, to: &str, tag: &str) -> Got {
    let request = request("PATCH", SPACE)
        .header("authorization", format!("Bearer {ALICE}"))
        .header("if-match", tag);
    let body = format!(r#"{{"name": "{to}"}}"#);
    server.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn what_changed_meanwhile_is_not_changed_again() {
    let server = Fixture::new();
    let seen = get(&server, "/spaces/alpha", ("x-nothing", "")).await.header("etag").to_owned();
    let current = get(&server, "/spaces/alpha", ("if-match", &seen)).await;
    assert_eq!(current.status, 200);
    let other = get(&server, "/spaces/alpha", ("if-match", "W/\"x\"")).await;
    assert_eq!(other.error(), (412, "precondition_failed".to_owned()));
    assert_eq!(other.header("etag"), "");

    let path = "/spaces/alpha/inbound-ruleset";
    let body = r#"{"rules": []}"#;
    let changed = server.ask(ALICE, "PUT", path, body).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let before = server.state.world();
    let late = rename(&server, "beta", &seen).await;
    assert_eq!(late.error(), (412, "precondition_failed".to_owned()), "{}", late.text);
    assert!(before.records().eq(server.state.world().records()));
    let seen = get(&server, "/spaces/alpha", ("x-nothing", "")).await.header("etag").to_owned();
    let both = format!("\"x\", {seen}");
    assert_eq!(rename(&server, "alpha", &both).await.status, 200);
    assert_eq!(rename(&server, "alpha", "*").await.status, 200);
    // Where nothing can be read, nothing is what the client says.
    let create = request("POST", "/teams/apps")
        .header("authorization", format!("Bearer {ALICE}"))
        .header("if-match", "*");
    let got = server.send(create.body(Body::from(r#"{"space": "alpha"}"#)).unwrap()).await;
    assert_eq!(got.status, 412, "{}", got.text);
}

/// Both saw the same, and both change it: the ledger lets one of them.
#[tokio::test]
async fn of_two_changes_of_the_same_thing_one_is_made() {
    let server = Fixture::new();
    let seen = get(&server, SPACE, ("x-nothing", "")).await.header("etag").to_owned();
    let (a, b) = tokio::join!(rename(&server, "beta", &seen), rename(&server, "gamma", &seen));
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412], "{} {}", a.text, b.text);
}

#[tokio::test]
async fn a_user_has_so_many_requests_and_they_come_back() {
    let server = Fixture::limited(3);
    for left in ["2", "1", "0"] {
        let got = server.get(ALICE, "/account").await;
        assert_eq!((got.status.as_u16(), got.header("ratelimit-remaining")), (200, left));
    }
    let before = server.state.world();
    let body = r#"{"name": "beta"}"#;
    for (method, path) in [("GET", "/account"), ("PATCH", "/spaces/alpha")] {
        let got = server.ask(ALICE, method, path, body).await;
        assert_eq!(got.error(), (429, "rate_limit".to_owned()), "{method}");
        assert_eq!(got.header("ratelimit-remaining"), "0");
        let wait: u64 = got.header("retry-after").parse().unwrap();
        assert!((1..=3600).contains(&wait), "{wait}");
    }
    assert!(before.records().eq(server.state.world().records()));
    let free = server.get(ALICE, "/account/rate-limits").await;
    assert_eq!((free.status.as_u16(), &free.json()["remaining"]), (200, &0.into()));
    assert_eq!(server.get(BOB, "/account").await.header("ratelimit-remaining"), "2");
    // Another token brings no more of them.
    let body = r#"{"description": "another"}"#;
    let made = server.ask(BOB, "POST", "/oauth/authorizations", body).await;
    assert_eq!(made.header("ratelimit-remaining"), "1", "{}", made.text);
    let another = made.json()["access_token"]["token"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&another, "/account").await.header("ratelimit-remaining"), "0");
    assert_eq!(server.get(BOB, "/account").await.status, 429);
    let operator = server.operator();
    for _ in 0..5 {
        assert_eq!(server.get(&operator, "/account").await.status, 200);
    }
    server.state.clock.advance(std::time::Duration::from_secs(20 * 60));
    let got = server.get(ALICE, "/account").await;
    assert_eq!((got.status.as_u16(), got.header("ratelimit-remaining")), (200, "0"));
}
