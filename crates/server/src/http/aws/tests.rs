//! Requests that never become an action, and the errors that they are answered with.

mod forged;
mod sessions;

use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws::sigv4::{Credentials, SignedRequest};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::any;
use hyper::body::Frame;
use model::{Access, Caller, IdentityCommand};

use super::{MAX_BODY, PATH};
use crate::credentials::new_access_key;
use crate::http::platform::tests::fixture::{Fixture, Got};

/// A body whose sender went away or wrote invalid chunks.
struct Cut;

impl hyper::body::Body for Cut {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())))
    }
}

/// A body of which nothing has arrived yet.
struct Waits;

impl hyper::body::Body for Waits {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Pending
    }
}

fn server() -> Fixture {
    with_endpoint(Fixture::new())
}

/// The server with the endpoint in front.
fn with_endpoint(server: Fixture) -> Fixture {
    let state = Arc::clone(&server.state);
    let answer =
        move |request| super::answer(Arc::clone(&state), Ipv4Addr::LOCALHOST.into(), request);
    server.behind(Router::new().route(PATH, any(answer)))
}

async fn send(server: &Fixture, body: Body) -> Got {
    server.send(http::Request::post("/").body(body).unwrap()).await
}

fn code(got: &Got) -> (u16, &str) {
    let (_, rest) = got.text.split_once("<Response><Errors><Error><Code>").unwrap_or_default();
    (got.status.as_u16(), rest.split('<').next().unwrap_or_default())
}

#[tokio::test]
async fn a_body_cut_short_is_not_called_too_large() {
    let server = server();
    let got = send(&server, Body::new(Cut)).await;
    assert_eq!(code(&got), (400, "InvalidRequest"), "{}", got.text);
    let got = send(&server, Body::from(vec![b'a'; MAX_BODY + 1])).await;
    assert_eq!(code(&got), (413, "RequestEntityTooLarge"), "{}", got.text);
    assert!(got.text.contains("larger than 1048576 bytes"), "{}", got.text);
    // A body whose declared length is too large is refused before it arrives.
    let request = http::Request::post("/").header("content-length", MAX_BODY + 1);
    let got = server.send(request.body(Body::new(Waits)).unwrap()).await;
    assert_eq!(code(&got), (413, "RequestEntityTooLarge"), "{}", got.text);
    assert_eq!(got.header("connection"), "close");
    let got = send(&server, Body::from(vec![b'a'; MAX_BODY])).await;
    assert_eq!(code(&got), (403, "MissingAuthenticationToken"), "{}", got.text);
}

/// An access key.
#[derive(Clone)]
struct Key {
    id: String,
    secret: String,
}

/// A server with one account, and the account's key.
async fn with_key() -> (Fixture, Key) {
    let server = Fixture::set_up().await;
    let name = "customer".to_owned();
    let account = server.command(Caller::Operator, IdentityCommand::CreateAccount { name }).await;
    let model::Key::Account(account) = account else { panic!("{account:?}") };
    let (id, secret, command) =
        new_access_key(&server.state.secret, account, Access::Full).unwrap();
    server.command(Caller::Operator, command).await;
    (with_endpoint(server), Key { id: id.to_string(), secret })
}

const LOOK: &str = "Action=DescribeVpcs&Version=2016-11-15";

/// A request that is changed and then signed.
fn signed(
    server: &Fixture,
    key: &Key,
    method: &str,
    session_token: Option<&str>,
    added: &[(&str, &str)],
) -> http::request::Builder {
    signed_query(server, key, method, session_token, added, LOOK)
}

/// The same with a given query.
fn signed_query(
    server: &Fixture,
    key: &Key,
    method: &str,
    session_token: Option<&str>,
    added: &[(&str, &str)],
    query: &str,
) -> http::request::Builder {
    signed_for("ec2", server, key, method, session_token, added, query)
}

/// The same for a given service.
fn signed_for(
    service: &str,
    server: &Fixture,
    key: &Key,
    method: &str,
    session_token: Option<&str>,
    added: &[(&str, &str)],
    query: &str,
) -> http::request::Builder {
    let mut headers: Vec<(&str, &[u8])> = vec![("host", b"localhost")];
    headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
    let body_sha256 = aws::sigv4::sha256(b"");
    let request = SignedRequest { method, path: "/", query, headers: &headers, body_sha256 };
    let credentials = Credentials {
        access_key: key.id.clone(),
        secret: key.secret.clone(),
        session_token: session_token.map(str::to_owned),
    };
    let now = server.state.clock.wall().millis();
    let signature =
        aws::sigv4::sign(&request, &credentials, "us-east-1", service, now).unwrap_or_default();
    let mut builder = http::Request::builder()
        .method(method)
        .uri(format!("/?{query}"))
        .header("host", "localhost");
    for (name, value) in added {
        builder = builder.header(*name, *value);
    }
    for (name, value) in signature {
        builder = builder.header(name, value);
    }
    builder
}

#[tokio::test]
async fn only_get_and_post_are_requests() {
    let (server, key) = with_key().await;
    for method in ["GET", "POST"] {
        let got =
            server.send(signed(&server, &key, method, None, &[]).body(Body::empty()).unwrap());
        assert_eq!(got.await.status, 200, "{method}");
    }
    for method in ["HEAD", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"] {
        let request = signed(&server, &key, method, None, &[]).body(Body::empty()).unwrap();
        let got = server.send(request).await;
        assert_eq!((got.status.as_u16(), got.header("allow")), (405, "GET, POST"), "{method}");
        if method != "HEAD" {
            assert_eq!(code(&got), (405, "MethodNotAllowed"), "{method}: {}", got.text);
        }
    }
}

#[tokio::test]
async fn the_token_of_no_session_is_refused() {
    let (server, key) = with_key().await;
    let request = signed(&server, &key, "POST", Some("a-token"), &[]).body(Body::empty()).unwrap();
    let got = server.send(request).await;
    assert_eq!(code(&got), (401, "AuthFailure"), "{}", got.text);
    assert!(got.text.contains("AWS_SESSION_TOKEN"), "{}", got.text);
}

#[tokio::test]
async fn a_body_that_no_signature_covers_is_refused() {
    let (server, key) = with_key().await;
    let hash: String = aws::sigv4::sha256(b"").iter().map(|byte| format!("{byte:02x}")).collect();
    let with = |value: &str| {
        signed(&server, &key, "POST", None, &[("x-amz-content-sha256", value)])
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(server.send(with(&hash)).await.status, 200);
    // No client makes such a signature any more, so a valid one is edited.
    let mut request = with(&hash);
    request.headers_mut().insert("x-amz-content-sha256", "UNSIGNED-PAYLOAD".parse().unwrap());
    let got = server.send(request).await;
    assert_eq!(code(&got), (403, "SignatureDoesNotMatch"), "{}", got.text);
    assert!(got.text.contains("x-amz-content-sha256"), "{}", got.text);
}

#[tokio::test]
async fn an_account_has_so_many_requests_and_they_come_back() {
    let (server, key) = with_key().await;
    let server = server.limited_to(0, 1);
    let server = with_endpoint(server);
    let ask = async || {
        let request = signed(&server, &key, "GET", None, &[]).body(Body::empty()).unwrap();
        server.send(request).await
    };
    for _ in 0..20 {
        assert_eq!(ask().await.status, 200);
    }
    let got = ask().await;
    assert_eq!(code(&got), (503, "RequestLimitExceeded"), "{}", got.text);
    assert_eq!(got.header("retry-after"), "1");
    server.state.clock.advance(Duration::from_secs(1));
    assert_eq!(ask().await.status, 200);
    assert_eq!(ask().await.status, 503);
}

#[tokio::test]
async fn where_no_change_may_wait_any_more_clients_are_told_when_to_come_back() {
    let (server, key) = with_key().await;
    let server = server.set(|state| state.commands = edge::Shares::new(0));
    let server = with_endpoint(server);
    let before = server.state.world();
    let ask = async |query: &str| {
        let request = signed_query(&server, &key, "POST", None, &[], query).body(Body::empty());
        server.send(request.unwrap()).await
    };
    let got = ask("Action=CreateVpc&CidrBlock=10.1.0.0%2F16&Version=2016-11-15").await;
    assert_eq!(code(&got), (503, "RequestLimitExceeded"), "{}", got.text);
    assert_eq!(got.header("retry-after"), "1");
    assert!(before.records().eq(server.state.world().records()));
    assert_eq!(ask(LOOK).await.status, 200, "who reads does not wait");
}

#[tokio::test]
async fn the_audit_knows_whose_signature_was_not_believed() {
    let (server, key) = with_key().await;
    let other = Key { id: key.id.clone(), secret: "another".to_owned() };
    let unknown = Key { id: "AKIAIOSFODNN7EXAMPLE".to_owned(), secret: key.secret.clone() };
    for _ in 0..3 {
        for key in [&other, &unknown] {
            let request = signed(&server, key, "GET", None, &[]).body(Body::empty()).unwrap();
            assert_ne!(server.send(request).await.status, 200);
        }
        let unsigned = http::Request::get(format!("/?{LOOK}")).body(Body::empty()).unwrap();
        assert_eq!(server.send(unsigned).await.status, 403);
    }
    // A command that follows them in the writer's queue.
    let name = "after".to_owned();
    server.command(Caller::Operator, IdentityCommand::CreateAccount { name }).await;
    let query = store::AuditQuery { refused: true, ..Default::default() };
    let mut rows = server.state.store.lock().unwrap().audit(&query).unwrap();
    rows.reverse();
    let seen: Vec<_> = rows.iter().map(|row| (&*row.outcome, &*row.resource)).collect();
    let expected = [
        ("SignatureDoesNotMatch", key.id.as_str()),
        ("AuthFailure", "AKIAIOSFODNN7EXAMPLE"),
        ("MissingAuthenticationToken", ""),
    ];
    assert_eq!(seen, expected);
    assert!(rows.iter().all(|row| row.source == "127.0.0.1" && !row.request_id.is_empty()));
    assert!(!rows[0].account.is_empty() && rows[1].account.is_empty());
}

/// The answer to an action with encoded parameters.
async fn act(server: &Fixture, key: &Key, query: &str) -> String {
    let query = format!("Version=2016-11-15&{query}");
    let request = signed_query(server, key, "POST", None, &[], &query).body(Body::empty());
    let got = server.send(request.unwrap()).await;
    assert_eq!(got.status, 200, "{query}: {}", got.text);
    got.text
}

/// A future is copied as a whole each time that it is handed on, so its size is a part of each answer's cost.
#[test]
fn the_future_of_an_answer_is_small() {
    let server = server();
    let request = http::Request::post("/").body(Body::empty()).unwrap();
    let answer = super::answer(Arc::clone(&server.state), Ipv4Addr::LOCALHOST.into(), request);
    let size = size_of_val(&answer);
    assert!(size <= 1280, "{size} bytes");
}

fn element<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{text}"));
    rest.split('<').next().unwrap_or_default()
}

/// A server with one instance that was just requested.
async fn with_instance() -> (Fixture, Key, model::InstanceId) {
    let (server, key) = with_key().await;
    let made = act(&server, &key, "Action=CreateVpc&CidrBlock=10.1.0.0%2F16").await;
    let vpc = element(&made, "vpcId");
    let subnet = format!("Action=CreateSubnet&CidrBlock=10.1.1.0%2F24&VpcId={vpc}");
    let made = act(&server, &key, &subnet).await;
    let subnet = element(&made, "subnetId");
    let run = format!("Action=RunInstances&ImageId=host&MinCount=1&MaxCount=1&SubnetId={subnet}");
    let made = act(&server, &key, &run).await;
    assert!(made.contains("<name>pending</name>"), "{made}");
    let id = element(&made, "instanceId").parse().unwrap();
    (server, key, id)
}

const INSTANCES: &str = "Action=DescribeInstances";

// Time is paused in these tests. It advances only when all tasks wait and no blocking task runs.

#[tokio::test(start_paused = true)]
async fn a_new_instance_is_described_once_it_runs() {
    let (server, key, id) = with_instance().await;
    let ledger = server.state.ledger.clone();
    let observed = async {
        let report = (model::WorkloadId::Instance(id), model::WorkloadReport::Running);
        let workloads = [report].into();
        let seen = model::Observation { workloads, ..Default::default() };
        let command = model::SystemCommand::Observe(seen);
        let request = crate::ledger::Request::system(command);
        tokio::task::spawn_blocking(move || ledger.submit_blocking(request)).await.unwrap().unwrap()
    };
    let start = tokio::time::Instant::now();
    // The request arrives first, and is answered after the observation.
    let (shown, _) = tokio::join!(act(&server, &key, INSTANCES), observed);
    assert!(shown.contains("<name>running</name>"), "{shown}");
    assert_eq!(start.elapsed(), Duration::ZERO, "it waits no longer than it must");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_does_not_come_to_run_is_described_as_it_is() {
    let (server, key, id) = with_instance().await;
    let waited = async |query: &str| {
        let start = tokio::time::Instant::now();
        let shown = act(&server, &key, query).await;
        (start.elapsed() >= super::LONGEST_START, shown.contains("<name>pending</name>"))
    };
    assert_eq!(waited(INSTANCES).await, (true, true));
    assert_eq!(waited(&format!("{INSTANCES}&InstanceId.1={id}")).await, (true, true));
    // A request whose answer does not contain the instance does not wait.
    let others = format!("{INSTANCES}&Filter.1.Name=image-id&Filter.1.Value.1=other");
    assert_eq!(waited(&others).await, (false, false));
    assert_eq!(waited("Action=DescribeVpcs").await, (false, false));
    // Nor does a request for an instance that has been pending for long.
    server.state.clock.advance(Duration::from_secs(5));
    assert_eq!(waited(INSTANCES).await, (false, true));
}
