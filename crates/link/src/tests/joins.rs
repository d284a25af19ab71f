//! Who is let in.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::kit::*;
use crate::frame::{self, MOST_BYTES_OF_STRANGERS, Reader};
use crate::message::{Hello, ToHost, ToServer};
use crate::tls::ServerTls;
use crate::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_one_host_in_once() {
    let server = Server::start().await;
    let token = server.token();
    let (one, two) = (Dir::new(), Dir::new());
    let keep = Keep::at(one.path());
    let identity = join_at(&server.url(), &token, &keep, Versions::OURS).await.unwrap();
    assert!(server.registry.admits(&identity.host));
    assert_eq!(keep.identity().unwrap().unwrap(), identity);
    for file in files(one.path()) {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    let again = join_at(&server.url(), &server.token(), &keep, Versions::OURS).await;
    assert!(matches!(again, Err(JoinError::Already(host)) if host == identity.host));
    let twice = join_at(&server.url(), &token, &Keep::at(two.path()), Versions::OURS).await;
    let Err(JoinError::Refused(refusal)) = twice else { panic!("{twice:?}") };
    assert_eq!(refusal.code, RefusalCode::Token);
    assert!(refusal.message.contains("was used"), "{}", refusal.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_token_lets_nobody_in() {
    let server = Server::start().await;
    let token = server.token();
    server.time.advance(HOUR);
    let dir = Dir::new();
    let late = join_at(&server.url(), &token, &Keep::at(dir.path()), Versions::OURS).await;
    let Err(JoinError::Refused(refusal)) = late else { panic!("{late:?}") };
    assert_eq!(refusal.code, RefusalCode::TokenExpired);
    assert!(server.registry.all().is_empty());
    let fresh = server.token();
    let joined = join_at(&server.url(), &fresh, &Keep::at(dir.path()), Versions::OURS).await;
    assert!(joined.is_ok(), "{joined:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_told_to_the_server_that_it_is_of_and_to_no_other() {
    let (server, other) = (Server::start().await, Server::of(2, Versions::OURS, HOUR).await);
    let dir = Dir::new();
    let keep = Keep::at(dir.path());
    let token = server.token();
    let wrong = join_at(&other.url(), &token, &keep, Versions::OURS).await.unwrap_err();
    assert!(matches!(wrong, JoinError::OtherServer { .. }), "{wrong}");
    assert!(wrong.to_string().contains("nothing was sent to it"), "{wrong}");
    assert!(join_at(&server.url(), &token, &keep, Versions::OURS).await.is_ok(), "it is unused");
}

/// The answer is lost on the way: whoever asks again with the same key is the same host.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_whose_answer_was_lost_is_repeated_with_the_same_token() {
    let server = Server::start().await;
    let (token, dir) = (server.token(), Dir::new());
    let keep = Keep::at(dir.path());
    let first = join_at(&server.url(), &token, &keep, Versions::OURS).await.unwrap();
    std::fs::remove_file(dir.path().join("identity.json")).unwrap();
    keep.set_joining(&first.key).unwrap();
    let second = join_at(&server.url(), &token, &keep, Versions::OURS).await.unwrap();
    assert_eq!(second.host, first.host);
    assert_eq!(server.registry.all().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_served_without_a_certificate_of_this_installation() {
    let (server, other) = (Server::start().await, Server::of(2, Versions::OURS, HOUR).await);
    let greeting = |versions| {
        let hello = Hello { versions, about: about("x"), epoch: 0, held: Held::default() };
        ToServer::Hello(Box::new(hello))
    };
    // Without one, by whoever knows the fingerprint.
    let config = tls::of_stranger(server.hub.authority().fingerprint()).unwrap();
    let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(config);
    let stream = connector.connect(tls::server_name(), stream).await.unwrap();
    let (read, mut write) = tokio::io::split(stream);
    frame::write(&mut write, &greeting(Versions::OURS), MOST_BYTES_OF_STRANGERS).await.unwrap();
    let silence = Duration::from_secs(5);
    let answer = Reader::new(read, 1000).next::<ToHost>(silence).await;
    assert!(answer.is_err(), "{answer:?}");
    // With one of another installation, whose authority it claims to trust.
    let dir = Dir::new();
    let keep = Keep::at(dir.path());
    let token = other.token();
    let mut identity = join_at(&other.url(), &token, &keep, Versions::OURS).await.unwrap();
    let (own, theirs) =
        (server.hub.authority(), authority::to_pem(other.hub.authority().certificate()));
    identity.authority = authority::to_pem(own.certificate());
    let config = tls::of_host(&identity.authority, &identity.certificate, &identity.key).unwrap();
    let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(config);
    let refused = async {
        let stream = connector.connect(tls::server_name(), stream).await?;
        let (read, mut write) = tokio::io::split(stream);
        frame::write(&mut write, &greeting(Versions::OURS), 1000)
            .await
            .map_err(std::io::Error::other)?;
        let answer = Reader::new(read, 1000).next::<ToHost>(silence).await;
        answer.map_err(std::io::Error::other)
    };
    assert!(refused.await.is_err());
    assert_ne!(theirs, identity.authority);
    assert!(server.hub.hosts().is_empty());
}

/// A host that was broken into must not be able to give orders to others.
#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_of_a_host_makes_no_server() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    eventually("it is connected", || server.connected()).await;
    machine.stop().await.unwrap();
    let identity = Keep::at(dir.path()).identity().unwrap().unwrap();
    let pem = |text: &str| authority::from_pem(text).unwrap();
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    let key =
        tokio_rustls::rustls::pki_types::PrivateKeyDer::from_pem_slice(identity.key.as_bytes());
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pem(&identity.certificate), pem(&identity.authority)], key.unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"causeway-agents".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let accepting = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.map(drop)
    });
    let (token, fresh) = (server.token(), Dir::new());
    let url = format!("https://{address}");
    let joined = join_at(&url, &token, &Keep::at(fresh.path()), Versions::OURS).await;
    assert!(joined.is_err());
    assert!(accepting.await.unwrap().is_err(), "the newcomer did not believe it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_after_two_thirds_of_its_time() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    eventually("it is connected", || server.connected()).await;
    machine.stop().await.unwrap();
    let keep = Keep::at(dir.path());
    let before = keep.identity().unwrap().unwrap();
    // A host whose clock says that two thirds are over.
    let time = Arc::new(Time::default());
    time.advance(HOST_LIFETIME / 3 * 2);
    let machine = Machine::of(dir.path(), Versions::OURS, Some(time));
    let changed = || keep.identity().unwrap().filter(|now| now.certificate != before.certificate);
    let after = eventually("it has another certificate", changed).await;
    assert_eq!((&after.host, &after.authority), (&before.host, &before.authority));
    assert_ne!(after.key, before.key, "and another key");
    machine.stop().await.unwrap();
    let machine = Machine::start(dir.path());
    machine.comes_to(&server.plan.truth()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_host_is_cut_off_at_once_and_ends_what_it_runs() {
    let server = Server::start().await;
    let (dir, machine) = Machine::joined(&server).await;
    let host = eventually("it is connected", || server.connected()).await.id;
    server.plan.change(1, Some(1));
    machine.comes_to(&server.plan.truth()).await;
    assert!(server.registry.remove(&host));
    server.hub.review();
    let told = Arc::clone(&machine.told);
    let ended = tokio::time::timeout(Duration::from_secs(10), machine.ended).await;
    let ended = ended.expect("it hears of it").unwrap();
    assert!(matches!(ended, Err(HostError::Removed(_))), "{ended:?}");
    let last = told.lock().unwrap().iter().rev().find_map(|order| match order {
        model::protocol::Order::Sync { intent, .. } => Some(intent.clone()),
        _ => None,
    });
    assert_eq!(last, Some(Default::default()), "nothing is to run there");
    // Another try, as by a service manager that starts it again.
    let again = Machine::start(dir.path());
    assert_eq!(again.intent(), Some(Default::default()), "nor what it was told once");
    let ended = tokio::time::timeout(Duration::from_secs(10), again.ended).await.unwrap();
    assert!(matches!(ended.unwrap(), Err(HostError::Removed(_))));
    assert!(server.hub.hosts().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbouring_versions_work_together_and_others_say_which_is_too_old() {
    let versions = |oldest, newest| Versions { oldest, newest };
    let server = Server::of(1, versions(2, 3), HOUR).await;
    let dir = Dir::new();
    let keep = Keep::at(dir.path());
    join_at(&server.url(), &server.token(), &keep, versions(1, 2)).await.unwrap();
    let machine = Machine::of(dir.path(), versions(1, 2), None);
    let view = eventually("the one before it", || server.connected()).await;
    assert_eq!(view.connected.unwrap().version, 2);
    machine.comes_to(&server.plan.truth()).await;
    machine.stop().await.unwrap();
    let machine = Machine::of(dir.path(), versions(3, 4), None);
    let newest = || server.connected().filter(|it| it.connected.as_ref().unwrap().version == 3);
    eventually("the one after it", newest).await;
    machine.stop().await.unwrap();
    for (theirs, said) in [
        (versions(1, 1), "release of Causeway is too old"),
        (versions(4, 5), "upgrade the servers first"),
    ] {
        let dir = Dir::new();
        let refused = join_at(&server.url(), &server.token(), &Keep::at(dir.path()), theirs).await;
        let Err(JoinError::Refused(refusal)) = refused else { panic!("{refused:?}") };
        assert_eq!(refusal.code, RefusalCode::Version);
        assert!(refusal.message.contains(said), "{}", refusal.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_lead_gives_no_orders() {
    let server = Server::start().await;
    server.epoch.store(0, Ordering::SeqCst);
    let (_dir, machine) = Machine::joined(&server).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(server.connected().is_none() && machine.told.lock().unwrap().is_empty());
    server.epoch.store(2, Ordering::SeqCst);
    eventually("it leads", || server.connected()).await;
    machine.comes_to(&server.plan.truth()).await;
    server.epoch.store(0, Ordering::SeqCst);
    eventually("its hosts go", || server.connected().is_none().then_some(())).await;
}

#[test]
fn the_certificate_of_a_server_is_used_for_a_month() {
    let tls = ServerTls::new(Arc::new(Authority::of_seed(&[1; 32]).unwrap()));
    let now = Time::default().now();
    let first = tls.config(now).unwrap();
    let day = Duration::from_secs(24 * 3600);
    assert!(Arc::ptr_eq(&first, &tls.config(now + 29 * day).unwrap()));
    let second = tls.config(now + 30 * day).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(!Arc::ptr_eq(&second, &tls.config(now).unwrap()), "a clock that was set back");
}
