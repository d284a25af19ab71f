//! Headers, versions, tags and ranges (`heroku.md` §1.1).

use axum::body::Body;

use super::fixture::{ALICE, Fixture, Got, request};

async fn get(server: &Fixture, path: &str, header: (&str, &str)) -> Got {
    let request = http::Request::builder()
        .uri(path)
        .header("authorization", format!("bearer {ALICE}"))
        .header(header.0, header.1);
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
        ("text/html, */*;q=0.8", 200),
        ("*/*", 200),
        ("application/json", 200),
        ("", 200),
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
            ("ratelimit-remaining", "4500"),
            ("vary", "Accept-Encoding"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(got.header(name), value, "{path}: {name}");
        }
        assert!(uuid::Uuid::try_parse(got.header("request-id")).is_ok(), "{path}");
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
    let request = request("HEAD", "/spaces").header("authorization", format!("Bearer {ALICE}"));
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
    assert_eq!(whole.header("accept-ranges"), "id, name");
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
    ] {
        let got = get(&server, "/regions", ("range", range)).await;
        assert_eq!(got.json().as_array().map(Vec::len), Some(expected), "{range}: {}", got.text);
    }
    let version = ("range", "version ..; max=15, order=desc");
    assert_eq!(get(&server, "/apps/shop/releases", version).await.json()[0]["version"], 1);
    let long = "x".repeat(600);
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
