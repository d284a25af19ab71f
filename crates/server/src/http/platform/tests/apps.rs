//! An app's code, releases, configuration and formation, as clients handle them.

use axum::body::Body;
use flate2::Compression;
use flate2::write::GzEncoder;
use model::{Caller, CodeRoom, Exit, Observation, SystemCommand, WorkloadId, WorkloadReport};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::fixture::{ALICE, BOB, Fixture, Got, STRANGER};

/// A space with one app in it, ready to be deployed to.
pub(crate) async fn with_app() -> Fixture {
    let server = Fixture::set_up().await;
    let space = r#"{"name": "alpha", "team": "acme"}"#;
    assert_eq!(server.ask(ALICE, "POST", "/spaces", space).await.status, 201);
    for _ in 0..2 {
        server.observe().await;
    }
    let app = r#"{"name": "shop", "space": "alpha"}"#;
    assert_eq!(server.ask(BOB, "POST", "/teams/apps", app).await.status, 201);
    server
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

async fn slug(server: &Fixture, body: &Value) -> Value {
    let made = server.ask(BOB, "POST", "/apps/shop/slugs", &body.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()
}

/// Puts code to where a slug says, as curl would.
async fn put(server: &Fixture, slug: &Value, code: Vec<u8>) -> Got {
    let url = slug["blob"]["url"].as_str().unwrap();
    let path = url.strip_prefix("http://localhost").unwrap();
    let request = http::Request::builder().method("PUT").uri(path);
    server.send(request.body(Body::from(code)).unwrap()).await
}

pub(crate) async fn deploy(server: &Fixture, procfile: &str) -> Value {
    let slug = slug(server, &json!({ "commit": "0123456789abcdef" })).await;
    let stored = put(server, &slug, archive(&[("Procfile", procfile), ("serve", "#!")])).await;
    assert_eq!(stored.status, 200, "{}", stored.text);
    let body = json!({ "slug": slug["id"] }).to_string();
    let release = server.ask(BOB, "POST", "/apps/shop/releases", &body).await;
    assert_eq!(release.status, 201, "{}", release.text);
    release.json()
}

/// What is in the directory of slugs.
fn kept(server: &Fixture) -> Vec<String> {
    let entries = std::fs::read_dir(&server.state.slugs.directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_uploaded_released_and_runs() {
    let server = with_app().await;
    let code = archive(&[("Procfile", "web: serve\nworker: work\n"), ("serve", "#!")]);
    let checksum = format!("SHA256:{}", hex::encode(Sha256::digest(&code)));
    let types = json!({ "worker": "work --hard" });
    let made =
        slug(&server, &json!({ "process_types": types, "checksum": checksum, "commit": "abc" }))
            .await;
    assert_eq!(made["blob"]["method"], "PUT");
    assert_eq!((&made["size"], &made["checksum"]), (&Value::Null, &json!(checksum)));

    let early = json!({ "slug": made["id"] }).to_string();
    let early = server.ask(BOB, "POST", "/apps/shop/releases", &early).await;
    assert_eq!(early.error(), (422, "invalid_params".to_owned()));

    let stored = put(&server, &made, code.clone()).await;
    assert_eq!(stored.status, 200, "{}", stored.text);
    assert_eq!(stored.json()["size"], code.len());
    assert_eq!(kept(&server), [made["id"].as_str().unwrap()]);
    let path = format!("/apps/shop/slugs/{}", made["id"].as_str().unwrap());
    let shown = server.get(BOB, &path).await.json();
    assert_eq!(shown["blob"], Value::Null, "it is awaited no more");
    assert_eq!(shown["process_types"], json!({ "web": "serve", "worker": "work --hard" }));
    let again = put(&server, &made, code).await;
    assert_eq!(again.error(), (409, "conflict".to_owned()));

    let body = json!({ "slug": made["id"], "description": "First" }).to_string();
    let release = server.ask(BOB, "POST", "/apps/shop/releases", &body).await.json();
    assert_eq!((&release["version"], &release["description"]), (&json!(2), &json!("First")));
    assert_eq!((&release["current"], &release["slug"]["id"]), (&json!(true), &made["id"]));
    assert_eq!(release["user"]["email"], "bob@example.com");
    for state in ["starting", "starting", "up"] {
        let dynos = server.get(BOB, "/apps/shop/dynos").await.json();
        assert_eq!((&dynos[0]["name"], &dynos[0]["state"]), (&json!("web.1"), &json!(state)));
        assert_eq!(dynos.as_array().unwrap().len(), 1, "one web dyno and no worker at first");
        server.observe().await;
    }
    let app = server.get(BOB, "/apps/shop").await.json();
    assert_eq!(app["slug_size"], shown["size"]);
    assert!(app["released_at"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_code_that_is_wrong() {
    let server = with_app().await;
    let good = archive(&[("Procfile", "web: serve\n")]);
    let wrong = json!({ "checksum": "0".repeat(64) });
    let plain = json!({});
    let table: &[(&Value, Vec<u8>, u16, &str)] = &[
        (&wrong, good.clone(), 422, "checksum"),
        (&plain, Vec::new(), 400, "empty"),
        (&plain, b"not a tar archive".to_vec(), 422, "tar archive"),
        (&plain, good[..good.len() / 2].to_vec(), 422, "cut off"),
        (&plain, good[..good.len() - 20].to_vec(), 422, "The slug was refused"),
        (&plain, archive(&[("Procfile", "web serve\n")]), 422, "line 1"),
        (&plain, archive(&[("Procfile", "run: serve\n")]), 422, "'run'"),
        (&plain, archive(&[("Procfile", "web: a\nweb: b\n")]), 422, "defines `web` again"),
    ];
    for (body, code, status, names) in table {
        let made = slug(&server, body).await;
        let got = put(&server, &made, code.clone()).await;
        assert_eq!(got.status, *status, "{}", got.text);
        assert!(got.json()["message"].as_str().unwrap().contains(names), "{names}: {}", got.text);
        assert!(!got.text.contains(server.state.slugs.directory.to_str().unwrap()), "{}", got.text);
        assert!(kept(&server).is_empty(), "{names}: {:?}", kept(&server));
        // The address is good for another try, which must then be right.
        let path = format!("/apps/shop/slugs/{}", made["id"].as_str().unwrap());
        assert_eq!(server.get(BOB, &path).await.json()["size"], Value::Null);
    }
    let retried = slug(&server, &plain).await;
    assert_eq!(put(&server, &retried, b"nonsense".to_vec()).await.status, 422);
    assert_eq!(put(&server, &retried, good).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_address_that_was_told_takes_code() {
    let server = with_app().await;
    let (one, two) = (slug(&server, &json!({})).await, slug(&server, &json!({})).await);
    let code = archive(&[("Procfile", "web: serve\n")]);
    let url = one["blob"]["url"].as_str().unwrap().to_owned();
    let other = url.replace(one["id"].as_str().unwrap(), two["id"].as_str().unwrap());
    let unknown = url.replace(one["id"].as_str().unwrap(), "00000000-0000-0000-0000-00000000ffff");
    let (bare, _) = url.split_once('?').unwrap();
    for url in [&other, &unknown, bare, &format!("{bare}?signature="), &format!("{url}0")] {
        let forged = json!({ "blob": { "url": url } });
        let got = put(&server, &forged, code.clone()).await;
        assert_eq!(got.error(), (403, "forbidden".to_owned()), "{url}");
    }
    assert!(kept(&server).is_empty());
    let stranger = server.ask(STRANGER, "POST", "/apps/shop/slugs", "{}").await;
    assert_eq!(stranger.status, 404);
    assert_eq!(put(&server, &one, code).await.status, 200);
}

/// A body of which parts are still to come.
fn unfinished() -> (UnboundedSender<Vec<u8>>, Body) {
    let (parts, coming) = unbounded_channel();
    let next = |mut coming: UnboundedReceiver<Vec<u8>>| async {
        let part = coming.recv().await?;
        Some((Ok::<_, std::io::Error>(part), coming))
    };
    (parts, Body::from_stream(futures_util::stream::unfold(coming, next)))
}

fn upload(slug: &Value, body: Body) -> http::Request<Body> {
    let path = slug["blob"]["url"].as_str().unwrap().strip_prefix("http://localhost").unwrap();
    http::Request::put(path).body(body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_for_code_ends_with_the_token_and_the_membership_that_made_it() {
    for (what, server) in super::logs::endings().await {
        let make = async || {
            let made = server.ask("short", "POST", "/apps/shop/slugs", "{}").await;
            assert_eq!(made.status, 201, "{}", made.text);
            made.json()
        };
        let (late, under_way) = (make().await, make().await);
        let before = kept(&server).len();
        let (parts, body) = unfinished();
        parts.send(b"something".to_vec()).unwrap();
        let answer = server.send(upload(&under_way, body));
        let ends = async {
            // The upload is waited for as long as it is under way.
            while server.state.slugs.uploads.held() == 0 {
                tokio::task::yield_now().await;
            }
            super::logs::end(&server, what).await;
        };
        let (got, ()) = tokio::join!(answer, ends);
        assert_eq!(got.error(), (403, "forbidden".to_owned()), "{what}");
        let got = put(&server, &late, archive(&[("Procfile", "web: serve\n")])).await;
        let status = if what == "app" { 404 } else { 403 };
        assert_eq!(got.error().0, status, "{what}");
        assert!(kept(&server).len() <= before, "{what}: nothing is left of it");
        drop(parts);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_have_an_end_and_leave_room_for_others() {
    let server = with_app().await;
    let mut open = Vec::new();
    let refused = loop {
        let (made, (parts, body)) = (slug(&server, &json!({})).await, unfinished());
        let held = server.state.slugs.uploads.held();
        let mut answer = Box::pin(server.send(upload(&made, body)));
        // Until it has its place, or is refused one.
        let done = loop {
            let polled = futures_util::poll!(&mut answer);
            if let std::task::Poll::Ready(got) = polled {
                break Some(got);
            }
            if server.state.slugs.uploads.held() > held {
                break None;
            }
        };
        match done {
            Some(got) => break got,
            None => open.push((parts, answer)),
        }
    };
    assert_eq!((refused.error().0, open.len()), (429, 6), "{}", refused.text);
    assert_eq!(refused.header("retry-after"), "5");
    let other = server.ask(ALICE, "POST", "/apps/shop/slugs", "{}").await.json();
    let got = put(&server, &other, archive(&[("Procfile", "web: serve\n")])).await;
    assert_eq!(got.status, 200, "another of the team: {}", got.text);
    drop(open);

    // Some of it comes again and again, and never all of it.
    let server =
        server.set(|state| state.slugs.upload_time = std::time::Duration::from_millis(300));
    let (made, (parts, body)) = (slug(&server, &json!({})).await, unfinished());
    let drips = async {
        while parts.send(vec![0]).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let (got, ()) = tokio::join!(server.send(upload(&made, body)), drips);
    assert_eq!(got.error(), (408, "request_timeout".to_owned()), "{}", got.text);
    let server = server.set(|state| {
        state.slugs.upload_patience = std::time::Duration::from_millis(20);
        state.slugs.upload_time = std::time::Duration::from_secs(60);
    });
    let (_parts, body) = unfinished();
    let got = server.send(upload(&made, body)).await;
    assert_eq!(got.error(), (408, "request_timeout".to_owned()), "{}", got.text);
    assert!(got.text.contains("No data arrived"), "{}", got.text);
    assert_eq!(server.state.slugs.uploads.held(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_places_are_held_uploads_are_told_when_to_come_back() {
    let server = with_app().await.set(|state| state.slugs.uploads = edge::Shares::new(1));
    let (first, second) = (slug(&server, &json!({})).await, slug(&server, &json!({})).await);
    let (parts, body) = unfinished();
    let mut under_way = Box::pin(server.send(upload(&first, body)));
    while server.state.slugs.uploads.held() == 0 {
        assert!(futures_util::poll!(&mut under_way).is_pending());
    }
    let code = || archive(&[("Procfile", "web: serve\n")]);
    let refused = put(&server, &second, code()).await;
    assert_eq!(refused.error(), (503, "service_unavailable".to_owned()), "{}", refused.text);
    assert_eq!(refused.header("retry-after"), "5");
    // The place is free once the other upload is over, and the address is still good.
    parts.send(code()).unwrap();
    drop(parts);
    let done = under_way.await;
    assert_eq!(done.status, 200, "{}", done.text);
    let got = put(&server, &second, code()).await;
    assert_eq!(got.status, 200, "{}", got.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_too_large_is_refused_before_it_is_read() {
    let server = with_app().await;
    let made = slug(&server, &json!({})).await;
    let path = made["blob"]["url"].as_str().unwrap().strip_prefix("http://localhost").unwrap();
    let request = http::Request::builder()
        .method("PUT")
        .uri(path)
        .header("content-length", (500u64 << 20) + 1);
    let got = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(got.error(), (413, "payload_too_large".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_makes_releases_and_old_ones_come_back() {
    let server = with_app().await;
    deploy(&server, "web: serve\n").await;
    let set = server
        .ask(BOB, "PATCH", "/apps/shop/config-vars", r#"{"KEY": "value", "OTHER": "x"}"#)
        .await;
    assert_eq!((set.status.as_u16(), set.json()), (200, json!({ "KEY": "value", "OTHER": "x" })));
    let unset = server.ask(BOB, "PATCH", "/apps/shop/config-vars", r#"{"OTHER": null}"#).await;
    assert_eq!(unset.json(), json!({ "KEY": "value" }));
    let bad = server.ask(BOB, "PATCH", "/apps/shop/config-vars", r#"{"KEY": 7}"#).await;
    assert_eq!(bad.error(), (422, "invalid_params".to_owned()));
    assert_eq!(server.get(BOB, "/apps/shop/releases/3/config-vars").await.json()["OTHER"], "x");

    let list = |range: &'static str| {
        let request = super::fixture::request("GET", "/apps/shop/releases")
            .header("authorization", format!("Bearer {BOB}"))
            .header("range", range);
        server.send(request.body(Body::empty()).unwrap())
    };
    let last = list("version ..; order=desc,max=1").await;
    assert_eq!((last.status.as_u16(), &last.json()[0]["version"]), (206, &json!(4)));
    assert_eq!(last.json()[0]["description"], "Remove OTHER config vars");

    let back = server.ask(BOB, "POST", "/apps/shop/releases", r#"{"release": "v2"}"#).await;
    assert_eq!(back.status, 201, "{}", back.text);
    assert_eq!(back.json()["description"], "Rollback to v2");
    assert_eq!(server.get(BOB, "/apps/shop/config-vars").await.text, "{}");
    for body in ["{}", r#"{"slug": "x", "release": "y"}"#, r#"{"release": 1.5}"#] {
        let got = server.ask(BOB, "POST", "/apps/shop/releases", body).await;
        assert_eq!(got.error(), (422, "invalid_params".to_owned()), "{body}");
    }
    for body in [r#"{"slug": "x"}"#, r#"{"release": "99"}"#, r#"{"release": "x"}"#] {
        let got = server.ask(BOB, "POST", "/apps/shop/releases", body).await;
        assert_eq!(got.error(), (404, "not_found".to_owned()), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_in_the_order_of_numbers() {
    let server = with_app().await;
    for n in 0..10 {
        let body = json!({ "KEY": n.to_string() }).to_string();
        server.ask(BOB, "PATCH", "/apps/shop/config-vars", &body).await;
    }
    let request = super::fixture::request("GET", "/apps/shop/releases")
        .header("authorization", format!("Bearer {BOB}"))
        .header("range", "version ]9..; max=15");
    let got = server.send(request.body(Body::empty()).unwrap()).await.json();
    let versions: Vec<&Value> =
        got.as_array().unwrap().iter().map(|release| &release["version"]).collect();
    assert_eq!(versions, [&json!(10), &json!(11)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn formations_are_changed_as_the_cli_says_it() {
    let server = with_app().await;
    let none = server.ask(BOB, "PATCH", "/apps/shop/formation", r#"{"updates": []}"#).await;
    assert_eq!(none.error(), (422, "invalid_params".to_owned()));
    assert_eq!(server.get(BOB, "/apps/shop/formation").await.text, "[]");
    deploy(&server, "web: serve\nworker: work\n").await;
    let formation = server.get(BOB, "/apps/shop/formation").await.json();
    assert_eq!(formation.as_array().unwrap().len(), 2);

    let body = r#"{"updates": [{"type": "web", "quantity": "+2", "size": "Private-M"},
        {"type": "worker", "quantity": 1}]}"#;
    let scaled = server.ask(BOB, "PATCH", "/apps/shop/formation", body).await;
    assert_eq!(scaled.status, 200, "{}", scaled.text);
    let of = |list: &Value, process: &str| {
        let found = list.as_array().unwrap().iter().find(|f| f["type"] == process).unwrap();
        (found["quantity"].as_u64().unwrap(), found["size"].as_str().unwrap().to_owned())
    };
    assert_eq!(of(&scaled.json(), "web"), (3, "Private-M".to_owned()));
    assert_eq!(of(&scaled.json(), "worker"), (1, "Private-S".to_owned()));
    let names = async || {
        let dynos = server.get(BOB, "/apps/shop/dynos").await.json();
        let mut names: Vec<String> = dynos
            .as_array()
            .unwrap()
            .iter()
            .map(|dyno| dyno["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names().await, ["web.1", "web.2", "web.3", "worker.1"]);

    let size = formation[0]["dyno_size"]["id"].as_str().unwrap();
    let body = json!({ "quantity": 0, "dyno_size": { "id": size } }).to_string();
    let one = server.ask(BOB, "PATCH", "/apps/shop/formation/web", &body).await;
    assert_eq!((&one.json()["quantity"], &one.json()["size"]), (&json!(0), &json!("Private-S")));
    assert_eq!(names().await, ["worker.1"]);
    let by_id = format!("/apps/shop/formation/{}", one.json()["id"].as_str().unwrap());
    assert_eq!(server.get(BOB, &by_id).await.json(), one.json());

    for (body, status) in [
        (r#"{"updates": [{"type": "web", "quantity": "many"}]}"#, 422),
        (r#"{"updates": [{"type": "web", "quantity": 1.5}]}"#, 422),
        (r#"{"updates": [{"quantity": 1}]}"#, 422),
        (r#"{"updates": "web"}"#, 422),
        (r#"{"updates": [{"type": "web", "size": "Huge"}]}"#, 422),
        (r#"{"updates": [{"type": "clock", "quantity": 1}]}"#, 404),
    ] {
        let got = server.ask(BOB, "PATCH", "/apps/shop/formation", body).await;
        assert_eq!(got.status, status, "{body}: {}", got.text);
    }
    assert_eq!(server.get(BOB, "/apps/shop/formation/clock").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn dynos_are_restarted_and_stopped_in_every_way() {
    let server = with_app().await;
    deploy(&server, "web: serve\nworker: work\n").await;
    let body = r#"{"updates": [{"type": "worker", "quantity": "1"}]}"#;
    server.ask(BOB, "PATCH", "/apps/shop/formation", body).await;
    let ids = async || {
        let dynos = server.get(BOB, "/apps/shop/dynos").await.json();
        let id = |name: &str| {
            let named = dynos.as_array().unwrap().iter().filter(|dyno| dyno["name"] == name);
            let ids: Vec<&Value> = named.map(|dyno| &dyno["id"]).collect();
            assert_eq!(ids.len(), 1, "{name}: {dynos}");
            ids[0].as_str().unwrap().to_owned()
        };
        (id("web.1"), id("worker.1"))
    };
    // Until each place has one again.
    let settle = async || {
        for _ in 0..4 {
            server.observe().await;
        }
    };
    settle().await;
    let mut before = ids().await;
    for (method, path, web, worker) in [
        ("DELETE", "/apps/shop/dynos", true, true),
        ("DELETE", "/apps/shop/dynos/web.1", true, false),
        ("DELETE", "/apps/shop/formations/worker", false, true),
        ("POST", "/apps/shop/dynos/worker.1/actions/stop", false, true),
        ("POST", "/apps/shop/formations/web/actions/stop", true, false),
    ] {
        let got = server.ask(BOB, method, path, "").await;
        assert_eq!(got.status, 202, "{path}: {}", got.text);
        settle().await;
        let after = ids().await;
        assert_eq!((before.0 != after.0, before.1 != after.1), (web, worker), "{path}");
        before = after;
    }
    for path in ["/apps/shop/formations/clock", "/apps/shop/dynos/web.9"] {
        assert_eq!(server.ask(BOB, "DELETE", path, "").await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_serves_on_after_a_failed_release_is_shown_and_stopped_by_name() {
    let server = with_app().await;
    deploy(&server, "web: serve\n").await;
    server.observe().await;
    server.observe().await;
    deploy(&server, "web: fail\n").await;
    // Of two in one place, the older one first.
    let places = || {
        let world = server.state.world();
        let mut dynos: Vec<_> = world.dynos().filter(|d| !d.state.ended()).cloned().collect();
        dynos.sort_by_key(|dyno| world.release(dyno.release).unwrap().version);
        dynos
    };
    let new = places().pop().unwrap();
    let failed = (WorkloadId::Dyno(new.id), WorkloadReport::Ended(Exit::Code(1)));
    let seen = Observation { workloads: [failed].into(), ..Observation::default() };
    server.command(Caller::System, SystemCommand::Observe(seen)).await;

    let seen = |list: &Value| {
        let mut seen: Vec<_> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|d| (d["release"]["version"].clone(), d["name"].clone(), d["state"].clone()))
            .collect();
        seen.sort_by_key(|(version, ..)| version.as_u64());
        seen
    };
    let both =
        [(json!(2), json!("web.1"), json!("up")), (json!(3), json!("web.1"), json!("crashed"))];
    let dynos = server.get(BOB, "/apps/shop/dynos").await.json();
    assert_eq!(seen(&dynos), both);
    let of_space = server.get(BOB, "/spaces/alpha/dynos").await.json();
    assert_eq!(seen(&of_space[0]["dynos"]), both);
    let topology = server.get(BOB, "/spaces/alpha/topology").await.json();
    let shown = topology["apps"][0]["formation"][0]["dynos"].as_array().unwrap().clone();
    let addresses: std::collections::BTreeSet<_> =
        shown.iter().map(|dyno| dyno["private_ip"].to_string()).collect();
    assert_eq!((shown.len(), addresses.len()), (2, 2), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_there_is_no_room_for_is_refused_and_removed() {
    let server = with_app().await;
    // Room for two files in one app; the least that a file takes is 4 KiB.
    let room = CodeRoom { app: 10_000, team: 15_000 };
    let server = server.set(|state| state.slugs.room = room);
    deploy(&server, "web: serve\n").await;
    let before = kept(&server);
    let made = slug(&server, &json!({})).await;
    let got = put(&server, &made, archive(&[("Procfile", "web: serve\n"), ("serve", "#!")])).await;
    assert_eq!(got.error(), (422, "invalid_params".to_owned()), "{}", got.text);
    assert!(got.text.contains("more room"), "{}", got.text);
    assert_eq!(kept(&server), before);
}
