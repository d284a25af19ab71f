//! What goes through: bodies of any size as they come, both HTTPs, WebSockets, TLS.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::backend::Dyno;
use super::bench::{Bench, HOST, LOCAL, Raw, SOON, free_port, up};

#[test]
fn a_dyno_is_told_who_asks() {
    let mut bench = Bench::start();
    let dyno = Dyno::echoing();
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(format!(
        "GET /a HTTP/1.1\r\nhost: {HOST}\r\nx-forwarded-for: 198.51.100.1\r\n\
         x-request-id: 0123456789-0123456789\r\n\r\n"
    ));
    let text = client.answer().text();
    let port = bench.router().port();
    for line in [
        "GET /a HTTP/1.1".to_owned(),
        format!("host: {HOST}"),
        "x-forwarded-for: 198.51.100.1, 127.0.0.1".into(),
        "x-forwarded-proto: http".into(),
        format!("x-forwarded-port: {port}"),
        "x-request-id: 0123456789-0123456789".into(),
        "via: 1.1 causeway-router".into(),
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in {text}");
    }
    let start = text.lines().find_map(|line| line.strip_prefix("x-request-start: ")).unwrap();
    assert_eq!(start.len(), 13, "milliseconds");
}

#[test]
fn bodies_go_through_as_they_come() {
    let mut bench = Bench::with(|config| config.limits = causeway_edge::Limits::default());
    let dyno = Dyno::with(|_, connection, _| {
        // Each chunk is answered before the next is sent.
        if connection.head().is_some() {
            connection.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            let mut chunk = [0; 6];
            while connection.reader.read_exact(&mut chunk).is_ok() && chunk[0] != b'0' {
                connection.say(chunk);
            }
            connection.say("0\r\n\r\n");
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client
        .say(format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n"));
    assert_eq!(client.head().status, 200);
    for letter in ["a", "b", "c"] {
        client.say(format!("1\r\n{letter}\r\n"));
        assert_eq!(client.chunk().unwrap(), letter.as_bytes());
    }
}

#[test]
fn a_huge_body_goes_through_and_is_held_back_where_nobody_takes_it() {
    const SIZE: u64 = 256 << 20;
    let mut bench = Bench::with(|config| config.limits = causeway_edge::Limits::default());
    let (go, gone) = channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let dyno = Dyno::with(move |_, connection, _| {
        if connection.head().is_some() {
            gone.lock().unwrap().recv().unwrap();
            let read =
                std::io::copy(&mut (&mut connection.reader).take(SIZE), &mut std::io::sink());
            connection.reply(&read.unwrap().to_string());
            connection.head();
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(format!("POST /huge HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {SIZE}\r\n\r\n"));
    let mut out = client.stream.get_ref().try_clone().unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    let writer = std::thread::spawn(move || {
        let block = vec![7; 1 << 20];
        for _ in 0..SIZE >> 20 {
            out.write_all(&block).unwrap();
            counted.fetch_add(1 << 20, Ordering::SeqCst);
        }
    });
    // It stops going on once all buffers are full.
    let mut before = u64::MAX;
    let steady = || {
        let now = sent.load(Ordering::SeqCst);
        std::mem::replace(&mut before, now) == now && now > 0
    };
    await_steady(steady);
    assert!(
        sent.load(Ordering::SeqCst) < SIZE / 4,
        "{} bytes were taken",
        sent.load(Ordering::SeqCst)
    );
    go.send(()).unwrap();
    assert_eq!(client.answer().text(), SIZE.to_string());
    writer.join().unwrap();
}

/// Looks again and again, at growing distances, until something does not change any more.
fn await_steady(mut steady: impl FnMut() -> bool) {
    let (_never, nothing) = channel::<()>();
    let mut in_a_row = 0;
    while in_a_row < 5 {
        let _ = nothing.recv_timeout(Duration::from_millis(100));
        in_a_row = if steady() { in_a_row + 1 } else { 0 };
    }
}

#[test]
fn an_expectation_is_met_once_the_dyno_can_be_reached() {
    let mut bench = Bench::start();
    let dyno = Dyno::echoing();
    let ask = format!(
        "POST /x HTTP/1.1\r\nhost: {HOST}\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"
    );
    let mut client = Raw::to(bench.router());
    client.say(&ask);
    assert_eq!(client.head().status, 503, "H14 without a word of going on");
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(&ask);
    assert_eq!(client.head().status, 100);
    client.say("body");
    let got = client.answer();
    assert!(got.text().ends_with("body") && !got.text().contains("expect"), "{}", got.text());
}

#[test]
fn trailers_go_through_both_ways() {
    let mut bench = Bench::start();
    let (tell, told) = channel();
    let dyno = Dyno::with(move |_, connection, _| {
        while let Some(asked) = connection.request() {
            tell.send(asked).unwrap();
            connection.say(
                "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
                 2\r\nok\r\n0\r\nx-sum: 9\r\n\r\n",
            );
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(format!(
        "POST /t HTTP/1.1\r\nhost: {HOST}\r\nte: trailers\r\nconnection: te\r\ntrailer: x-in\r\n\
         transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-forwarded-for: 6.6.6.6\r\n\
         x_request_id: mine\r\nx-in: 5\r\n\r\n"
    ));
    let mut got = client.head();
    assert_eq!((got.status, client.chunk().unwrap()), (200, b"ok".to_vec()));
    let mut rest = [0; 15];
    client.stream.read_exact(&mut rest).unwrap();
    got.body.extend(rest);
    assert_eq!(got.text(), "0\r\nx-sum: 9\r\n\r\n");
    let asked = told.recv().unwrap();
    assert_eq!((asked.body.as_slice(), asked.header("te")), (&b"hi"[..], Some("trailers")));
    assert_eq!(asked.header("trailer-line"), Some("x-in: 5"));
}

#[test]
fn heads_old_clients_and_empty_answers() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        while let Some(asked) = connection.request() {
            let answer = match asked.line.split(' ').next() {
                Some("HEAD") => "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n",
                Some("DELETE") => "HTTP/1.1 204 No Content\r\n\r\n",
                Some("GET") => {
                    "HTTP/1.1 299 Fine Indeed\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
                }
                _ => {
                    "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 304 Not Modified\r\netag: 1\r\n\r\n"
                }
            };
            connection.say(answer);
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    for (method, status) in [("HEAD", 200), ("DELETE", 204), ("PATCH", 304), ("HEAD", 200)] {
        client.say(format!("{method} /e HTTP/1.1\r\nhost: {HOST}\r\n\r\n"));
        let got = client.head();
        assert_eq!(got.status, status, "{method}");
        if method == "HEAD" {
            assert_eq!(got.header("content-length"), "1000");
        }
    }
    let mut old = Raw::to(bench.router());
    old.say(format!("GET /old HTTP/1.0\r\nhost: {HOST}\r\n\r\n"));
    let got = old.answer();
    assert_eq!((got.status, got.text().as_str()), (299, "ok"), "{got:?}");
    assert_eq!(got.header("transfer-encoding"), "");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        while let Some(asked) = connection.request() {
            connection.reply(&asked.line);
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    let all: String =
        (0..50).map(|n| format!("GET /{n} HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).collect();
    client.say(all);
    for n in 0..50 {
        assert_eq!(client.answer().text(), format!("GET /{n} HTTP/1.1"));
    }
}

#[test]
fn a_websocket_speaks_both_ways_and_does_not_hold_a_dyno() {
    let mut bench = Bench::with(|config| config.limits.idle = SOON);
    let dyno = Dyno::with(|_, connection, _| {
        let Some(asked) = connection.request() else { return };
        assert_eq!(asked.header("upgrade"), Some("websocket"));
        assert_eq!(asked.header("connection"), Some("upgrade"));
        assert_eq!(asked.header("sec-websocket-key"), Some("a2V5"));
        connection.say(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: yes\r\n\r\nfirst",
        );
        let mut buffer = [0; 4];
        while connection.reader.read_exact(&mut buffer).is_ok() {
            connection.say(buffer);
        }
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(format!(
        "GET /ws HTTP/1.1\r\nhost: {HOST}\r\nconnection: keep-alive, Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-key: a2V5\r\n\r\n"
    ));
    let got = client.head();
    assert_eq!((got.status, got.header("upgrade")), (101, "websocket"), "{got:?}");
    assert_eq!(got.header("sec-websocket-accept"), "yes");
    let mut buffer = [0; 5];
    client.stream.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"first");
    let mut echo = [0; 4];
    for word in ["ping", "pong"] {
        client.say(word);
        client.stream.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, word.as_bytes());
    }
    let mut draining = up(1, dyno.address);
    draining.state = model::edge::BackendState::Draining;
    bench.backends(vec![draining]);
    bench.await_event(model::edge::EdgeEvent::Drained(super::bench::dyno(1)));
    client.say("more");
    client.stream.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"more");
    drop(client);
    let line = bench.logged("/ws");
    assert!(line.contains("at=info") && line.contains("status=101 bytes=17"), "{line}");
}

#[test]
fn a_websocket_that_says_nothing_ends() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        connection.request();
        connection.say("HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
        connection.request();
    });
    bench.backends(vec![up(1, dyno.address)]);
    let mut client = Raw::to(bench.router());
    client.say(format!(
        "GET /idle HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
    ));
    assert_eq!(client.head().status, 101);
    assert_eq!(client.stream.read(&mut [0]).unwrap(), 0);
    assert!(bench.logged("/idle").contains("code=H15"));
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_no_answer() {
    let mut bench = Bench::start();
    let dyno = Dyno::with(|_, connection, _| {
        connection.request();
        connection.say("HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
        connection.request();
    });
    bench.backends(vec![up(1, dyno.address)]);
    let got = Raw::to(bench.router()).get("/101");
    assert_eq!(got.status, 503);
}

/// What an HTTP/2 client does over a stream: many requests at once, one with a body.
async fn over_http2<S>(stream: S, scheme: &str, port: u16)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut asked = Vec::new();
    for number in 0..200 {
        let mut sender = sender.clone();
        let request = http::Request::builder()
            .method("POST")
            .uri(format!("{scheme}://{HOST}:{port}/h2/{number}"))
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .body(Full::new(Bytes::from(format!("body {number}"))))
            .unwrap();
        asked.push(tokio::spawn(async move {
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), 200);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(text.starts_with(&format!("POST /h2/{number} HTTP/1.1\n")), "{text}");
            assert!(text.ends_with(&format!("body {number}")), "{text}");
            assert!(text.contains("cookie: a=1; b=2\n"), "{text}");
            assert!(text.contains("via: 2.0 causeway-router\n"), "{text}");
            text
        }));
    }
    for asked in asked {
        let text = asked.await.unwrap();
        assert!(text.contains(&format!("host: {HOST}:{port}\n")), "{text}");
        assert!(text.contains(if scheme == "https" { "proto: https" } else { "proto: http" }));
    }
}

#[test]
fn http_2_in_the_clear() {
    let mut bench = Bench::start();
    let dyno = Dyno::echoing();
    bench.backends(vec![up(1, dyno.address)]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(bench.router()).await.unwrap();
        over_http2(stream, "http", bench.router().port()).await;
    });
}

#[test]
fn http_2_streams_bodies_of_unknown_length() {
    let mut bench = Bench::start();
    let dyno = Dyno::echoing();
    bench.backends(vec![up(1, dyno.address)]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let text = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(bench.router()).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let frames = ["one ", "two ", "three"]
            .map(|text| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(text))));
        let body = StreamBody::new(futures_util::stream::iter(frames));
        // Even with a method that has a body seldom.
        let request = http::Request::builder()
            .method("GET")
            .uri(format!("http://{HOST}/s"))
            .body(body)
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    });
    assert!(text.ends_with("one two three"), "{text}");
}

#[test]
fn tls_with_both_https() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/web/tls");
    let secure = (LOCAL, free_port()).into();
    let mut bench = Bench::with(|config| {
        config.tls = Some((here.join("chain.pem"), here.join("key.pem")));
        config.router_tls = Some(secure);
    });
    let dyno = Dyno::echoing();
    bench.backends(vec![up(1, dyno.address)]);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(here.join("chain.pem")).unwrap()).unwrap();
    let client = |protocol: &[u8]| {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        tokio_rustls::TlsConnector::from(Arc::new(config))
    };
    let name = || ServerName::try_from(HOST).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(secure).await.unwrap();
        let stream = client(b"h2").connect(name(), stream).await.unwrap();
        over_http2(stream, "https", secure.port()).await;
        let stream = tokio::net::TcpStream::connect(secure).await.unwrap();
        let stream = client(b"http/1.1").connect(name(), stream).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request =
            http::Request::builder().uri("/1").header("host", HOST).body(String::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains("x-forwarded-proto: https\n"), "{text}");
    });
}
