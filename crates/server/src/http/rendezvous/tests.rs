//! Admission of clients.

use std::sync::Arc;
use std::time::Duration;

use model::{Caller, DynoState, IdentityCommand, Key, Subject, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::http::listen::greeting;
use crate::http::platform::tests::fixture::{ALICE, BOB, Fixture};
use crate::remote::tests::Two;

/// Starts the listener of a server, and returns its address.
async fn listen(server: &Fixture) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let state = Arc::clone(&server.state);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let state = Arc::clone(&state);
            tokio::spawn(async move {
                let hello = greeting(Box::new(stream)).await.unwrap();
                serve(state, hello, CancellationToken::new()).await;
            });
        }
    });
    address
}

async fn connect(server: &Fixture, address: std::net::SocketAddr) -> TlsStream<TcpStream> {
    let state = &server.state;
    let (pem, _) = state.rendezvous.authorities(&state.secret, state.clock.wall());
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(authority.unwrap()).unwrap();
    }
    // The clock of the fixture is at another year.
    let config = ClientConfig::builder_with_details(
        Arc::new(ring::default_provider()),
        Arc::new(At(state.clock.wall())),
    );
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[derive(Debug)]
struct At(Timestamp);

impl tokio_rustls::rustls::time_provider::TimeProvider for At {
    fn current_time(&self) -> Option<tokio_rustls::rustls::pki_types::UnixTime> {
        let span = Duration::from_millis(u64::try_from(self.0.millis()).ok()?);
        Some(tokio_rustls::rustls::pki_types::UnixTime::since_unix_epoch(span))
    }
}

async fn hear(stream: &mut TlsStream<TcpStream>) -> String {
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn a_stranger_learns_nothing() {
    let server = Fixture::new();
    let address = listen(&server).await;
    for line in ["nothing\r\n", "\r\n", "\u{ffff}\n"] {
        let mut stream = connect(&server, address).await;
        stream.write_all(line.as_bytes()).await.unwrap();
        let heard = hear(&mut stream).await;
        assert_eq!(heard, "rendezvous\r\nThat session is over, or was joined already.\r\n");
    }
    let mut stream = connect(&server, address).await;
    stream.write_all("x".repeat(1000).as_bytes()).await.unwrap();
    assert_eq!(hear(&mut stream).await, "", "no line is as long");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_send_the_secret_is_sent_away() {
    let server = Fixture::new();
    let address = listen(&server).await;
    let mut silent = connect(&server, address).await;
    assert_eq!(hear(&mut silent).await, "");
}

/// A running dyno of the fixture's app.
const RUN: &str = "/apps/shop/dynos/run.0001";

async fn start(server: &Fixture, path: &str, body: &str) -> serde_json::Value {
    let got = server.ask(BOB, "POST", path, body).await;
    assert_eq!(got.status, 201, "{}", got.text);
    got.json()
}

fn secret_of(made: &serde_json::Value) -> String {
    let url = made["attach_url"].as_str().unwrap();
    let (authority, secret) =
        url.strip_prefix("rendezvous://").and_then(|rest| rest.split_once('/')).unwrap();
    assert!(authority.rsplit_once(':').unwrap().1.parse::<u16>().is_ok(), "{url}");
    assert_eq!(secret.len(), 64);
    secret.to_owned()
}

#[tokio::test]
async fn a_session_that_can_go_on_no_longer_says_why() {
    let server = Fixture::new();
    let address = listen(&server).await;
    // Nothing runs in the fixture, so there is nothing to attach to.
    let made = start(&server, RUN, r#"{"command": "bash"}"#).await;
    let mut stream = connect(&server, address).await;
    stream.write_all(format!("{}\r\n", secret_of(&made)).as_bytes()).await.unwrap();
    let heard = hear(&mut stream).await;
    assert!(heard.starts_with("rendezvous\r\n") && heard.contains("the dyno has ended"), "{heard}");

    // A user who was removed meanwhile is not attached.
    let made = start(&server, RUN, r#"{"command": "bash"}"#).await;
    let path = "/teams/acme/members/bob@example.com";
    let removed = server.ask(ALICE, "DELETE", path, "").await;
    assert_eq!(removed.status, 200, "{}", removed.text);
    let mut stream = connect(&server, address).await;
    stream.write_all(format!("{}\r\n", secret_of(&made)).as_bytes()).await.unwrap();
    let heard = hear(&mut stream).await;
    assert!(heard.contains("you do not belong to the team"), "{heard}");
}

#[tokio::test]
async fn who_is_disabled_is_attached_no_longer() {
    for what in ["user", "team", "token"] {
        let server = Fixture::new();
        let address = listen(&server).await;
        let made = start(&server, RUN, r#"{"command": "bash"}"#).await;
        let world = server.state.world();
        let bob = world.user_named("bob@example.com").unwrap().id;
        let (subject, words) = match what {
            "user" => (Subject::User(bob), "you are not let in any more"),
            "team" => {
                let team = world.team_named("acme").unwrap().id;
                (Subject::Team(team), "you do not belong to the team")
            }
            _ => {
                let token = world.tokens_of(Key::User(bob)).next().unwrap().id;
                (Subject::Token(token), "the token that it was started with has ended")
            }
        };
        server.command(Caller::Operator, IdentityCommand::Disable { subject }).await;
        let mut stream = connect(&server, address).await;
        stream.write_all(format!("{}\r\n", secret_of(&made)).as_bytes()).await.unwrap();
        let heard = hear(&mut stream).await;
        assert!(heard.contains(words), "{what}: {heard}");
    }
}

#[tokio::test]
async fn a_secret_that_nobody_uses_ends_after_a_minute_and_its_dyno_with_it() {
    let server = Fixture::new();
    let address = listen(&server).await;
    let before = Instant::now();
    let world = server.state.world();
    let dyno = world.dynos().find(|dyno| dyno.name == "run.0001").unwrap();
    let caller = Caller::User(world.user_named("bob@example.com").unwrap().id);
    let who = Requester { caller, token: None, app: dyno.app };
    let attached = issue(&server.state, who, dyno.id, Target::Dyno, None).unwrap();
    let inside = start(&server, "/apps/shop/dynos/web.1", r#"{"command": "bash"}"#).await;
    let inside = secret_of(&inside);
    let state_of = |name: &str| {
        let world = server.state.world();
        world.dynos().find(|dyno| dyno.name == name).map(|dyno| dyno.state).unwrap()
    };

    // Neither was issued before `before`, nor later than now. Both wait for their end by now.
    tokio::task::yield_now().await;
    tokio::time::pause();
    let minute = Duration::from_secs(60);
    let almost = (before + minute).saturating_duration_since(Instant::now());
    tokio::time::advance(almost.saturating_sub(Duration::from_millis(1))).await;
    assert_eq!((server.state.rendezvous.held(), state_of("run.0001")), (2, DynoState::Up));
    tokio::time::advance(2 * minute).await;
    tokio::time::resume();
    while server.state.rendezvous.held() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(state_of("run.0001"), DynoState::Stopping, "nobody can attach to it any more");
    assert_eq!(state_of("web.1"), DynoState::Up, "it does not depend on who looks inside");
    for secret in [attached, inside] {
        let mut stream = connect(&server, address).await;
        stream.write_all(format!("{secret}\r\n").as_bytes()).await.unwrap();
        let heard = hear(&mut stream).await;
        assert!(heard.contains("That session is over"), "{heard}");
    }
}

#[tokio::test]
async fn what_cannot_be_attached_is_refused() {
    let server = Fixture::new();
    for (path, body, status, words) in [
        (RUN, r#"{}"#, 422, "`command`"),
        (RUN, r#"{"command": "x", "force_no_tty": true}"#, 422, "--no-tty"),
        (RUN, r#"{"command": "x", "env": {"A B": "c"}}"#, 422, "A B"),
        ("/apps/shop/dynos/run.0002", r#"{"command": "x"}"#, 409, "is crashed"),
        ("/apps/shop/dynos/run.9999", r#"{"command": "x"}"#, 404, "run.9999"),
        ("/apps/shop/dynos", r#"{"command": "x", "attach": 1}"#, 422, "`attach`"),
        (
            "/apps/shop/dynos",
            r#"{"command": "x", "attach": true, "force_no_tty": 1}"#,
            422,
            "`force_no_tty`",
        ),
    ] {
        let got = server.ask(BOB, "POST", path, body).await;
        assert_eq!(got.status.as_u16(), status, "{path} {body}: {}", got.text);
        assert!(got.text.contains(words), "{path} {body}: {}", got.text);
    }
    assert_eq!(server.state.rendezvous.held(), 0);
}

/// The agent of the host runs the command, and the client notices nothing of that.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_attached_to_a_dyno_on_another_host() {
    let mut two = Two::start().await;
    let address = listen(&two.server).await;
    let marker = "echo \"\u{ffff} heroku-command-exit-status: $?\"";
    let session = async |command: &str| {
        let command = format!("{command}; {marker}");
        let body = serde_json::json!({ "command": command }).to_string();
        let made = start(&two.server, RUN, &body).await;
        let mut stream = connect(&two.server, address).await;
        stream.write_all(format!("{}\r\n", secret_of(&made)).as_bytes()).await.unwrap();
        stream
    };
    let mut stream = session("read line; echo got $line; exit 3").await;
    stream.write_all(b"hello\n").await.unwrap();
    let heard = hear(&mut stream).await;
    assert!(heard.starts_with("rendezvous\r\n") && heard.contains("got hello"), "{heard}");
    assert!(heard.ends_with("\u{ffff} heroku-command-exit-status: 3\r\n"), "{heard:?}");
    let mut stream = session("echo begun; sleep 99").await;
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("begun") {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "it goes on");
    }
    two.stop_agent().await;
    let rest = hear(&mut stream).await;
    assert!(rest.contains("the session is over: the connection with its host broke off"), "{rest}");
}
