//! A host that gets code over the real link.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use agent::Orders;
use fabric::runtime::{CodeSource, CodeState};
use link::{
    About, Authority, EnrolError, HOST_LIFETIME, Host, HostOrders, HostParts, Hub, HubParts,
    JoinParts, Keep, Newcomer, NotServed, Pulse, Registry, Reports, Tells, Versions,
};
use model::protocol::{Order, Subject};
use model::{Caller, SlugId, SystemCommand};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock::Clock;
use crate::code::{Cache, CacheParts, Unused};
use crate::http::platform::tests::fixture::{Fixture, SLUG};
use crate::loops::Supervisor;

/// A control loop that does nothing.
struct Idle;

impl<S: Subject> Orders<S> for Idle {
    fn give(&self, _: Order<S>) {}
}

fn nobody_hears() -> Tells {
    Tells { networks: Box::new(|_| ()), workloads: Box::new(|_| ()), edge: Box::new(|_| ()) }
}

/// A packed slug with a program of so many bytes.
fn packed(bytes: usize) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let program: Vec<u8> = (0..bytes).map(|n| (n % 241) as u8).collect();
    header.set_size(bytes as u64);
    header.set_mode(0o755);
    archive.append_data(&mut header, "serve", &program[..]).unwrap();
    archive.into_inner().unwrap()
}

/// A registry of one host.
struct One(link::HostId);

impl Registry for One {
    fn enrol(&self, _: Newcomer<'_>) -> Result<link::HostId, EnrolError> {
        Ok(self.0)
    }

    fn admits(&self, host: &link::HostId) -> bool {
        *host == self.0
    }

    fn connected(&self, _: &link::HostId, _: &About, _: IpAddr) -> Result<(), NotServed> {
        Ok(())
    }
}

/// Starts a host that follows a server, and waits until it is connected.
async fn host_of(server: &Fixture, dir: &std::path::Path) -> (HostStreams, CancellationToken) {
    let id = link::HostId::MIN;
    let now = || Clock::system().wall();
    let kept = server.state.slugs.kept.clone();
    let hub = Hub::new(HubParts {
        authority: Arc::new(Authority::of_seed(&[1; 32]).unwrap()),
        registry: Arc::new(One(id)),
        epoch: Box::new(|| Some(1)),
        servers: Box::new(link::Servers::default),
        attach: Box::new(|_, _| nobody_hears()),
        kinds: kinds(kept, server.state.ledger.clone()),
        now: Box::new(now),
        settings: link::Settings::default(),
        lifetime: HOST_LIFETIME,
        versions: Versions::OURS,
        pulse: Pulse::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (served, stop) = (hub.clone(), CancellationToken::new());
    let ends = stop.clone();
    tokio::spawn(async move { served.serve(listener, ends).await });
    let token = link::JoinToken::of_bits(7, hub.authority().fingerprint());
    let keep = Keep::at(&dir.join("host"));
    let about = About { name: "node-2".to_owned(), ..About::default() };
    let join = JoinParts {
        servers: &[format!("https://{address}")],
        token: &token,
        about: &about,
        keep: &keep,
        versions: Versions::OURS,
    };
    link::join(join).await.unwrap();
    let streams = HostStreams::default();
    let parts = HostParts {
        keep,
        reports: Reports::default(),
        streams: streams.clone(),
        kinds: Kinds::default(),
        now: Box::new(now),
        uptime: Arc::new(crate::host_agent::uptime().unwrap()),
        versions: Versions::OURS,
        pulse: Pulse::default(),
    };
    let loops =
        HostOrders { networks: Box::new(Idle), workloads: Box::new(Idle), edge: Box::new(Idle) };
    let (host, stopped) = (Host::start(parts, loops).unwrap(), stop.clone());
    tokio::spawn(async move { host.run(stopped).await });
    let since = Instant::now();
    while hub.hosts().iter().all(|host| host.connected.is_none()) {
        assert!(since.elapsed() < Duration::from_secs(10), "it does not connect");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (streams, stop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_gets_the_code_that_a_record_names_and_nothing_else() {
    let server = Fixture::new();
    let dir = tempfile::tempdir().unwrap();
    let slug: SlugId = SLUG.parse().unwrap();
    let code = packed(2 << 20);
    let digest = BlobDigest::of(&code);
    let upload = dir.path().join("upload");
    std::fs::write(&upload, &code).unwrap();
    server.state.slugs.kept.keep(slug, &digest, &upload).unwrap();
    let (streams, stop) = host_of(&server, dir.path()).await;
    let opens = opens(streams, Handle::current());
    let opens = Arc::new(opens);
    let open = |digest: BlobDigest, from: u64| {
        let opens = Arc::clone(&opens);
        let read = move || {
            let blob = opens(&digest, from)?.unwrap();
            let (bytes, mut content) = (blob.bytes, Vec::new());
            let mut from = blob.content;
            from.read_to_end(&mut content).map_err(|error| error.to_string())?;
            Ok::<_, String>((bytes, content))
        };
        async { tokio::task::spawn_blocking(read).await.unwrap() }
    };
    let refused = open(digest, 0).await.unwrap_err();
    assert!(refused.contains(&format!("no slug has the code sha256:{digest}")), "{refused}");
    let name = SystemCommand::KeepCode { slug, blob: digest.to_string() };
    server.command(Caller::System, name).await;
    for from in [0, 1, code.len() - 1, code.len()] {
        let (bytes, content) = open(digest, from as u64).await.unwrap();
        assert_eq!(bytes, code.len() as u64);
        assert!(content == code[from..], "from {from}");
    }

    let through = Arc::clone(&opens);
    let cache = Cache::new(CacheParts {
        slugs: dir.path().join("slugs"),
        opens: Box::new(move |digest, from| through(digest, from)),
        place: "the server".to_owned(),
        limit: u64::MAX,
        unused: Unused::Go(Duration::from_secs(60)),
        replaceable: Box::new(|_| true),
    });
    let threads = cache.start(&Supervisor::new(|_| ())).unwrap();
    let found = || cache.find(slug, Some(&digest.to_string()));
    assert_eq!(found(), CodeState::Coming);
    let since = Instant::now();
    while found() == CodeState::Coming {
        assert!(since.elapsed() < Duration::from_secs(10), "it does not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let CodeState::Here(path) = found() else { panic!("{:?}", found()) };
    let program = std::fs::metadata(path.join("serve")).unwrap();
    assert_eq!((program.len(), program.permissions().mode() & 0o777), (2 << 20, 0o755));

    // What the server has no more is named, and so is a server that is away.
    server.state.slugs.kept.forget(slug).unwrap();
    let missing = open(digest, 0).await.unwrap_err();
    assert!(missing.contains("has no such blob"), "{missing}");
    stop.cancel();
    let since = Instant::now();
    while !open(digest, 0).await.unwrap_err().contains("no connection") {
        assert!(since.elapsed() < Duration::from_secs(10), "it goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    cache.stop();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
