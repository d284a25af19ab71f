//! Clients that keep a server waiting, and those that do not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};

use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::transport::SessionHandler;
use super::*;

const SHORT: Limits = Limits {
    headers: Duration::from_millis(50),
    idle: Duration::from_millis(200),
    body: Duration::from_millis(100),
    body_rate: 1024,
    unread: Duration::from_millis(500),
    stop: Duration::from_millis(500),
};

/// Limits that no test runs into, for what is not about them.
const LONG: Limits = Limits {
    headers: Duration::from_secs(300),
    idle: Duration::from_secs(300),
    body: Duration::from_secs(300),
    body_rate: 1024,
    unread: Duration::from_secs(300),
    stop: Duration::from_secs(300),
};

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<io::Result<()>>,
    /// Lets `/wait` answer.
    go: Arc<Notify>,
    /// Told when `/wait` was asked.
    asked: Arc<Notify>,
    /// Told when an answer of `/endless` was given up.
    given_up: Arc<Notify>,
}

/// Tells when it is dropped.
struct Telling(Arc<Notify>);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

async fn server(limits: Limits) -> Server {
    server_by(limits, None).await
}

use crate::identity::Identity;

async fn server_by(limits: Limits, identity: Option<Arc<edge::Identity>>) -> Server {
    server_awaiting(limits, identity, Arc::default()).await
}

/// A server that awaits clients of a session, who name it `localhost`, while it is told so.
async fn server_awaiting(
    limits: Limits,
    identity: Option<Arc<edge::Identity>>,
    awaits: Arc<AtomicBool>,
) -> Server {
    let (go, asked) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (wait_go, wait_asked) = (Arc::clone(&go), Arc::clone(&asked));
    let given_up = Arc::new(Notify::new());
    let endless_given_up = Arc::clone(&given_up);
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route(
            "/wait",
            get(|| async move {
                wait_asked.notify_one();
                wait_go.notified().await;
                "at last"
            }),
        )
        .route(
            "/endless",
            get(move || async move {
                let telling = Telling(endless_given_up);
                let chunks = futures_util::stream::repeat_with(move || {
                    let _ = &telling;
                    Ok::<_, io::Error>(Bytes::from_static(&[0; 16 << 10]))
                });
                Body::from_stream(chunks)
            }),
        )
        .route(
            "/echo",
            post(|ConnectInfo(peer): ConnectInfo<SocketAddr>, body: Body| async move {
                assert!(peer.ip().is_loopback());
                match body.collect().await {
                    Ok(body) => (hyper::StatusCode::OK, body.to_bytes()),
                    Err(error) if is_late(&error) => {
                        (hyper::StatusCode::REQUEST_TIMEOUT, Bytes::from_static(b"late"))
                    }
                    Err(_) => (hyper::StatusCode::BAD_REQUEST, Bytes::from_static(b"short")),
                }
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let identity = identity.map(Identity::Files);
    let transport =
        Transport { identity, sessions: Some(sessions(awaits)), ..Transport::default() };
    let served = tokio::spawn(serve(listener, router, transport, limits, stop.clone()));
    Server { address, stop, served, go, asked, given_up }
}

/// A certificate for a name, made for a test.
fn identity(name: &str) -> (Arc<edge::Identity>, CertificateDer<'static>) {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let (chain, key) = (dir.path().join("chain.pem"), dir.path().join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (Arc::new(edge::Identity::read(&chain, &key).unwrap()), made.cert.der().clone())
}

/// The certificate of sessions.
static SESSIONS: LazyLock<(Arc<edge::Identity>, CertificateDer<'static>)> =
    LazyLock::new(|| identity("localhost"));

/// Says hello in a session.
fn sessions(awaits: Arc<AtomicBool>) -> Sessions {
    let serve: SessionHandler = Arc::new(|hello, _| {
        Box::pin(async move {
            let config = SESSIONS.0.config();
            let mut stream = hello.into_stream(config).await.unwrap();
            stream.write_all(b"a session").await.unwrap();
            stream.shutdown().await.unwrap();
        })
    });
    let awaits =
        move |name: Option<&str>| name == Some("localhost") && awaits.load(Ordering::Relaxed);
    Sessions { serve, awaits: Arc::new(awaits) }
}

/// A connection over TLS to whoever has a certificate.
async fn over<S>(
    stream: S,
    name: &'static str,
    alpn: &[&[u8]],
    root: &CertificateDer<'static>,
) -> TlsStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from(name).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// Sends something, and reads until the other end closes.
async fn said(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_certificate_serves_http_and_sessions_on_one_address() {
    let (own, root) = identity("cw.example.org");
    let awaits = Arc::new(AtomicBool::new(true));
    let server = server_awaiting(LONG, Some(own), Arc::clone(&awaits)).await;
    let connect = || async { TcpStream::connect(server.address).await.unwrap() };
    for alpn in [&[][..], &[&b"http/1.1"[..]]] {
        let stream = over(connect().await, "cw.example.org", alpn, &root).await;
        let answer = said(stream, GET).await;
        assert!(answer.contains("200 OK") && answer.ends_with("hello"), "{answer}");
    }
    // The heroku command on this machine, which names no protocol, and through `causeway tunnel`.
    let session = over(connect().await, "localhost", &[], &SESSIONS.1).await;
    assert_eq!(said(session, b"").await, "a session");
    let tunnel = over(connect().await, "cw.example.org", &[b"http/1.1"], &root).await;
    let session = over(tunnel, "localhost", &[], &SESSIONS.1).await;
    assert_eq!(said(session, b"").await, "a session");
    let answer = said(connect().await, GET).await;
    assert!(answer.contains("200 OK"), "what stays on this machine needs no TLS: {answer}");
}

#[tokio::test]
async fn who_names_no_protocol_sees_the_certificate_unless_a_session_is_awaited() {
    let (own, root) = identity("localhost");
    let awaits = Arc::<AtomicBool>::default();
    let server = server_awaiting(LONG, Some(own), Arc::clone(&awaits)).await;
    let connect = || async { TcpStream::connect(server.address).await.unwrap() };
    let stream = over(connect().await, "localhost", &[], &root).await;
    assert!(said(stream, GET).await.contains("200 OK"), "as by Python's urllib");
    awaits.store(true, Ordering::Relaxed);
    let session = over(connect().await, "localhost", &[], &SESSIONS.1).await;
    assert_eq!(said(session, b"").await, "a session");
    let stream = over(connect().await, "localhost", &[b"http/1.1"], &root).await;
    assert!(said(stream, GET).await.contains("200 OK"), "who names one is not that client");
}

#[tokio::test]
async fn plain_http_of_other_machines_is_told_to_use_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    tokio::spawn(refuse_plain(accepted));
    let answer = said(stream, GET).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
}

#[tokio::test]
async fn a_connection_that_begins_with_tls_is_a_session_where_there_is_no_certificate() {
    let server = server(LONG).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let session = over(stream, "localhost", &[b"http/1.1"], &SESSIONS.1).await;
    assert_eq!(said(session, b"").await, "a session");
    let answer = send(&server, GET).await;
    assert!(answer.contains("200 OK") && answer.ends_with("hello"), "{answer}");
    // Who has said nothing yet does not hold up the end.
    let silent = TcpStream::connect(server.address).await.unwrap();
    server.stop.cancel();
    server.served.await.unwrap().unwrap();
    drop(silent);
}

/// Sends something, and reads until the server closes.
async fn send(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn who_sends_half_a_request_or_nothing_is_sent_away() {
    let server = server(SHORT).await;
    for half in [
        "",
        "G",
        "GET / HTT",
        "GET / HTTP/1.1\r\nhost: x\r\nx-long: ",
        "PRI * HTT",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}",
    ] {
        let answer = send(&server, half.as_bytes()).await;
        assert!(!answer.contains("200"), "{half:?}: {answer}");
    }
    // After a whole one too.
    let answer = send(&server, b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET /").await;
    assert_eq!(answer.matches("200 OK").count(), 1, "{answer}");
}

#[tokio::test]
async fn who_drips_a_request_is_sent_away() {
    let server = server(SHORT).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let drip = tokio::spawn(async move {
        writer.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let mut pause = tokio::time::interval(Duration::from_millis(5));
        loop {
            pause.tick().await;
            if writer.write_all(b"a").await.is_err() {
                return;
            }
        }
    });
    let mut answer = Vec::new();
    let _ = reader.read_to_end(&mut answer).await;
    drip.await.unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains("200"));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = server(SHORT).await;
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\n";
    for rest in ["content-length: 10\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n5\r\nab"] {
        let answer = send(&server, format!("{head}{rest}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{rest:?}: {answer}");
    }
}

#[tokio::test]
async fn an_answer_that_takes_its_time_is_waited_for() {
    let server = server(SHORT).await;
    let waiting = async {
        let request = b"GET /wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        send(&server, request).await
    };
    let idle = async {
        server.asked.notified().await;
        // Two whole idle times, as the server itself keeps them.
        for _ in 0..2 {
            assert_eq!(send(&server, b"").await, "");
        }
        server.go.notify_one();
    };
    let (answer, ()) = tokio::join!(waiting, idle);
    assert!(answer.ends_with("at last"), "{answer}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_given_up() {
    let server = server(SHORT).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    server.given_up.notified().await;
    drop(stream);
    // So is one that stops in the middle; one that goes on taking is not.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut taken = vec![0; 32 << 20];
    stream.read_exact(&mut taken).await.unwrap();
    server.given_up.notified().await;
}

#[tokio::test]
async fn a_connection_takes_many_requests() {
    let server = server(LONG).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for body in ["one", "three"] {
        let length = body.len();
        let request = format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with(body) {
            let mut bytes = [0; 1024];
            let n = stream.read(&mut bytes).await.unwrap();
            assert_ne!(n, 0, "{answer}");
            answer.push_str(std::str::from_utf8(&bytes[..n]).unwrap());
        }
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
}

#[tokio::test]
async fn both_versions_are_spoken() {
    let server = server(LONG).await;
    for two in [false, true] {
        let client: Client<_, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).http2_only(two).build_http();
        for _ in 0..3 {
            let url = format!("http://{}/", server.address);
            let answer = client.get(url.parse().unwrap()).await.unwrap();
            let expected = if two { hyper::Version::HTTP_2 } else { hyper::Version::HTTP_11 };
            assert_eq!(answer.version(), expected);
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
        }
    }
}

#[tokio::test]
async fn what_is_under_way_is_done_before_a_stop() {
    let server = server(LONG).await;
    let done = Mutex::new(false);
    let waiting = async {
        let answer = send(&server, b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
        *done.lock().unwrap() = true;
        answer
    };
    let stopping = async {
        server.asked.notified().await;
        server.stop.cancel();
        assert!(!*done.lock().unwrap());
        server.go.notify_one();
    };
    let (answer, ()) = tokio::join!(waiting, stopping);
    assert!(answer.ends_with("at last"), "{answer}");
    server.served.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let server = server(Limits { stop: Duration::from_millis(50), ..LONG }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    server.asked.notified().await;
    server.stop.cancel();
    server.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn clients_that_are_waited_for_do_not_hold_up_a_stop() {
    // Their limits are far away, and none of them closes.
    let server = server(LONG).await;
    let whole = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let settings = "\0\0\0\u{4}\0\0\0\0\0";
    let mut open = Vec::new();
    for said in [
        "",
        whole,
        "GET / HTTP/1.1\r\nhost: x\r\nx-half: ",
        &format!("{whole}GET /"),
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc",
        &format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{settings}"),
        // Whoever asks that much and reads nothing takes no more answers at some time.
        &whole.repeat(100_000),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // What does not fit is of no use here.
        let mut rest = said.as_bytes();
        while let Ok(Ok(sent @ 1..)) =
            tokio::time::timeout(Duration::from_millis(200), stream.write(rest)).await
        {
            rest = &rest[sent..];
        }
        open.push(stream);
    }
    server.stop.cancel();
    server.served.await.unwrap().unwrap();
    // Whoever sent a part of a body is told why it was not enough.
    let mut answer = String::new();
    open[4].read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn who_has_just_come_is_answered_though_the_server_stops() {
    let (own, root) = identity("localhost");
    let server = server_by(LONG, Some(own)).await;
    let bare = TcpStream::connect(server.address).await.unwrap();
    let to_be_secured = TcpStream::connect(server.address).await.unwrap();
    // They are accepted in their order.
    assert!(send(&server, GET).await.ends_with("hello"));
    server.stop.cancel();
    let answer = said(bare, GET).await;
    assert!(answer.ends_with("hello"), "{answer}");
    let secured = over(to_be_secured, "localhost", &[b"http/1.1"], &root).await;
    let answer = said(secured, GET).await;
    assert!(answer.ends_with("hello"), "{answer}");
    server.served.await.unwrap().unwrap();
}
