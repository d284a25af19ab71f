//! Streams: bytes both ways, refusals, bounds, and what ends them.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::kit::*;
use crate::frame::{self, MOST_BYTES_OF_STRANGERS, Reader};
use crate::message::{ToHost, ToServer, Which};
use crate::stream::MOST;
use crate::*;

/// What both ends of tests know.
pub(super) fn kinds(end: &'static str) -> Kinds {
    Kinds::default()
        .with("echo", |_| async {
            Ok(|mut stream: Stream| async move {
                let (mut read, mut write) = tokio::io::split(&mut stream);
                if tokio::io::copy(&mut read, &mut write).await.is_ok() {
                    let _ = write.shutdown().await;
                }
            })
        })
        .with("who", move |asked| async move {
            let text: String = asked.about()?;
            if text == "nobody" {
                return Err("nobody is there".to_owned());
            }
            Ok(move |mut stream: Stream| async move {
                let said = format!("{text} {end} {}", asked.host);
                let _ = stream.write_all(said.as_bytes()).await;
                let _ = stream.shutdown().await;
            })
        })
        .with("never", |_| async {
            std::future::pending::<()>().await;
            Ok(|_: Stream| async {})
        })
}

async fn linked() -> (Server, Dir, Machine, HostId) {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    let host = eventually("it is connected", || server.connected()).await.id;
    eventually("it follows", || machine.intent()).await;
    (server, dir, machine, host)
}

/// Sends so much that each end must read while it writes, and shuts one direction down before the other.
async fn echoes(mut stream: Stream) {
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let expected = sent.clone();
    let (mut read, mut write) = tokio::io::split(&mut stream);
    let writes = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let reads = async {
        let mut got = Vec::new();
        read.read_to_end(&mut got).await.unwrap();
        got
    };
    let ((), got) = tokio::join!(writes, reads);
    assert!(got == expected, "{} bytes of {}", got.len(), expected.len());
}

async fn said(mut stream: Stream) -> String {
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said
}

/// Reads until the stream is over, and gives the error.
async fn broken(mut stream: Stream) -> ErrorKind {
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut byte));
    read.await.expect("it ends").expect_err("it is no clean end").kind()
}

#[tokio::test(flavor = "multi_thread")]
async fn either_end_opens_streams_and_bytes_go_both_ways() {
    let (server, _dir, machine, host) = linked().await;
    let hub = &server.hub;
    echoes(hub.open(&host, "echo", &()).await.unwrap()).await;
    echoes(machine.streams.open("echo", &()).await.unwrap()).await;
    let asked = hub.open(&host, "who", &"hello").await.unwrap();
    assert_eq!(said(asked).await, format!("hello host {host}"));
    let own = machine.streams.open("who", &"hello").await.unwrap();
    assert_eq!(said(own).await, format!("hello server {host}"));
    let many = (0..MOST / 2).map(|_| hub.open(&host, "who", &"at once"));
    for opened in futures(many.collect()).await {
        assert_eq!(said(opened.unwrap()).await, format!("at once host {host}"));
    }
    machine.stop().await.unwrap();
}

/// All of them at once, in order.
async fn futures<F: Future>(all: Vec<F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.into_iter().map(|it| (Box::pin(it), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in &mut all {
            if done.is_none()
                && let std::task::Poll::Ready(it) = future.as_mut().poll(cx)
            {
                *done = Some(it);
            }
        }
        let is_done = all.iter().all(|(_, done)| done.is_some());
        if is_done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    all.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_or_not_wanted_is_refused_with_the_reason() {
    let (server, _dir, machine, host) = linked().await;
    let asked = |kind: &'static str, about: serde_json::Value| {
        let (hub, host, streams) = (server.hub.clone(), host, machine.streams.clone());
        async move {
            let one = hub.open(&host, kind, &about).await.unwrap_err();
            let two = streams.open(kind, &about).await.unwrap_err();
            assert_eq!(one.to_string(), two.to_string());
            one
        }
    };
    let unknown = asked("moon", 1.into()).await;
    let StreamError::Refused(refusal) = &unknown else { panic!("{unknown:?}") };
    assert_eq!(refusal.code, RefusalCode::Kind);
    let says = "release 0.1.0 does not know streams of the kind 'moon'";
    assert_eq!(unknown.to_string(), says.replace("0.1.0", env!("CARGO_PKG_VERSION")));
    assert_eq!(asked("who", "nobody".into()).await.to_string(), "nobody is there");
    let malformed = asked("who", 7.into()).await.to_string();
    assert!(malformed.starts_with("what is asked for: invalid type"), "{malformed}");
    let large = asked("who", "x".repeat(25 << 10).into()).await;
    assert!(matches!(large, StreamError::TooLarge), "{large}");
    let nobody = HostId::MIN;
    let nobody = server.hub.open(&nobody, "echo", &()).await.unwrap_err();
    assert!(matches!(nobody, StreamError::Away), "{nobody}");
    let streams = machine.streams.clone();
    machine.stop().await.unwrap();
    eventually("it is gone", || server.connected().is_none().then_some(())).await;
    let away = server.hub.open(&host, "echo", &()).await.unwrap_err();
    assert!(matches!(away, StreamError::Away), "{away}");
    let away = streams.open("echo", &()).await.unwrap_err();
    assert!(matches!(away, StreamError::Away), "{away}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_of_an_earlier_version_is_asked_for_no_stream() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    machine.stop().await.unwrap();
    eventually("it is gone", || server.connected().is_none().then_some(())).await;
    let machine = Machine::of(dir.path(), Versions { oldest: 1, newest: 1 }, None);
    let host = eventually("it is connected", || server.connected()).await.id;
    eventually("it follows", || machine.intent()).await;
    let older = server.hub.open(&host, "echo", &()).await.unwrap_err();
    assert!(matches!(older, StreamError::Older), "{older}");
    let older = machine.streams.open("echo", &()).await.unwrap_err();
    assert!(matches!(older, StreamError::Older), "{older}");
    server.plan.change(1, Some(1));
    machine.comes_to(&server.plan.truth()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_so_many_streams_of_a_host_and_no_more() {
    let (server, _dir, machine, host) = linked().await;
    let mut open = Vec::new();
    for n in 0..MOST {
        // Those that the host asked for count at both ends, too.
        open.push(if n % 2 == 0 {
            server.hub.open(&host, "echo", &()).await.unwrap()
        } else {
            machine.streams.open("echo", &()).await.unwrap()
        });
    }
    let busy = server.hub.open(&host, "echo", &()).await.unwrap_err();
    assert!(matches!(busy, StreamError::Busy), "{busy}");
    let busy = machine.streams.open("echo", &()).await.unwrap_err();
    assert!(matches!(busy, StreamError::Busy), "{busy}");
    drop(open);
    eventually_open(&server, &host).await;
}

async fn eventually_open(server: &Server, host: &HostId) {
    for _ in 0..500 {
        match server.hub.open(host, "echo", &()).await {
            Ok(stream) => return echoes(stream).await,
            Err(StreamError::Busy | StreamError::Refused(_) | StreamError::Away) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("there is room in 10 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_streams_of_a_removed_host_end_at_once() {
    let (server, _dir, machine, host) = linked().await;
    let one = server.hub.open(&host, "echo", &()).await.unwrap();
    let two = machine.streams.open("echo", &()).await.unwrap();
    let streams = machine.streams.clone();
    server.registry.remove(&host);
    server.hub.review();
    assert_eq!(broken(one).await, ErrorKind::ConnectionAborted);
    broken(two).await;
    let none = server.hub.open(&host, "echo", &()).await.unwrap_err();
    assert!(matches!(none, StreamError::Away), "{none}");
    machine.ended.await.unwrap().unwrap_err();
    assert!(streams.open("echo", &()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_of_one_leader() {
    let (server, _dir, machine, host) = linked().await;
    let one = server.hub.open(&host, "echo", &()).await.unwrap();
    let two = machine.streams.open("echo", &()).await.unwrap();
    let waiting = tokio::spawn({
        let (hub, host) = (server.hub.clone(), host);
        async move { hub.open(&host, "never", &()).await }
    });
    // It has lost the lead, and leads once more later.
    server.epoch.store(0, Ordering::SeqCst);
    eventually("it is gone", || server.connected().is_none().then_some(())).await;
    assert_eq!(broken(one).await, ErrorKind::ConnectionAborted);
    broken(two).await;
    assert!(matches!(waiting.await.unwrap(), Err(StreamError::Away)));
    server.epoch.store(2, Ordering::SeqCst);
    eventually("it is connected", || server.connected()).await;
    eventually_open(&server, &host).await;
    drop(machine);
}

/// The connection for orders is lost, but those of streams are not.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_outlives_the_connection_on_which_it_was_asked_for() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    let host = eventually("it is connected", || server.connected()).await.id;
    let since = |server: &Server| server.connected().and_then(|it| it.connected).map(|it| it.since);
    eventually("it follows", || machine.intent()).await;
    let stream = server.hub.open(&host, "echo", &()).await.unwrap();
    let before = since(&server);
    // Another connection in the name of the same host takes the place of the first.
    let identity = Keep::at(dir.path()).identity().unwrap().unwrap();
    let config = tls::of_host(&identity.authority, &identity.certificate, &identity.key).unwrap();
    let (_read, mut write) = tokio::io::split(tls_to(&server, config).await);
    let hello = message::Hello {
        versions: Versions::OURS,
        about: about("raw"),
        epoch: 0,
        held: Held::default(),
    };
    let hello = ToServer::Hello(Box::new(hello));
    frame::write(&mut write, &hello, MOST_BYTES_OF_STRANGERS).await.unwrap();
    eventually("it is another", || (since(&server) >= before).then_some(())).await;
    echoes(stream).await;
    drop(machine);
}

async fn tls_to(
    server: &Server,
    config: std::sync::Arc<tokio_rustls::rustls::ClientConfig>,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(config);
    connector.connect(tls::server_name(), stream).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_the_stream_of_another() {
    let (server, dir, machine, host) = linked().await;
    let open = tokio::spawn({
        let (hub, host) = (server.hub.clone(), host);
        async move { hub.open(&host, "never", &()).await }
    });
    // Somebody without a certificate, and another host.
    let stranger = tls::of_stranger(server.hub.authority().fingerprint()).unwrap();
    let other = Dir::new();
    let keep = Keep::at(other.path());
    let identity = join_at(&server.url(), &server.token(), &keep, Versions::OURS).await.unwrap();
    let other = tls::of_host(&identity.authority, &identity.certificate, &identity.key).unwrap();
    for (config, answered) in [(stranger, false), (other, true)] {
        for number in 1..4 {
            let (read, mut write) = tokio::io::split(tls_to(&server, config.clone()).await);
            let mut reader = Reader::new(read, MOST_BYTES_OF_STRANGERS);
            let stream = ToServer::Stream(Box::new(Which::Asked(number)));
            frame::write(&mut write, &stream, MOST_BYTES_OF_STRANGERS).await.unwrap();
            match reader.next::<ToHost>(Duration::from_secs(5)).await {
                Ok(ToHost::Refused(refusal)) => assert!(answered, "{refusal:?}"),
                Err(_) => assert!(!answered),
                Ok(other) => panic!("{other:?}"),
            }
        }
    }
    assert!(!open.is_finished());
    open.abort();
    drop((machine, dir));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_broke_off_is_told_from_one_that_ended() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    machine.stop().await.unwrap();
    eventually("it is gone", || server.connected().is_none().then_some(())).await;
    let proxy = Proxy::to(server.address).await;
    point_at(dir.path(), proxy.address);
    let machine = Machine::start(dir.path());
    let host = eventually("it is connected", || server.connected()).await.id;
    eventually("it follows", || machine.intent()).await;
    let mut stream = server.hub.open(&host, "echo", &()).await.unwrap();
    proxy.cut_after.send_replace(Some(50_000));
    let mut got = Vec::new();
    let (mut read, mut write) = tokio::io::split(&mut stream);
    let writes = async { while write.write_all(&[7; 4096]).await.is_ok() {} };
    let ((), read) = tokio::join!(writes, read.read_to_end(&mut got));
    assert!(read.is_err(), "{} bytes are not all", got.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_a_stream_leave_what_follows_them() {
    let (server, _dir, _machine, host) = linked().await;
    let mut stream = server.hub.open(&host, "echo", &()).await.unwrap();
    write_message(&mut stream, &["one", "two"], 100).await.unwrap();
    stream.write_all(b"bytes").await.unwrap();
    let message: Vec<String> = read_message(&mut stream, 100).await.unwrap();
    assert_eq!(message, ["one", "two"]);
    let mut bytes = [0; 5];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"bytes");
    stream.write_all(&[0, 0, 0, 101]).await.unwrap();
    let large = read_message::<String>(&mut stream, 100).await.unwrap_err();
    assert!(matches!(large, FrameError::TooLarge(101, 100)), "{large}");
    stream.write_all(&[0, 0, 0, 9, b'"']).await.unwrap();
    stream.shutdown().await.unwrap();
    let cut = read_message::<String>(&mut stream, 100).await.unwrap_err();
    assert!(matches!(cut, FrameError::Closed), "{cut}");
}
