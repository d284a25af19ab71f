//! Several whole servers on one store.

use std::time::{Duration, Instant};

use store::{Blobs, Sqlite, Store};

use super::*;

/// A data directory of a server that is to join others: it has their key, and nothing else.
pub(super) fn joining(data: &Path, secret: &Path) {
    std::fs::create_dir_all(data).unwrap();
    std::fs::set_permissions(data, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::copy(secret.join("secret.key"), data.join("secret.key")).unwrap();
    std::fs::write(DataDir::first_start(data), []).unwrap();
}

pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) state: Arc<State>,
    pub(super) stop: CancellationToken,
    pub(super) ends: tokio::task::JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub(super) async fn end(self) {
        drop(self.state);
        self.stop.cancel();
        self.ends.await.unwrap().unwrap();
    }
}

/// A server on a handle of a store that others have, too.
async fn beside_others(data: &Path, name: &str, store: Box<dyn Store>) -> Running {
    beside_others_with(data, name, store, None).await
}

/// The same with a place for code that others have, too.
async fn beside_others_with(
    data: &Path,
    name: &str,
    store: Box<dyn Store>,
    blobs: Option<Arc<dyn Blobs>>,
) -> Running {
    let cluster = ClusterConfig { name: Some(name.to_owned()), ..ClusterConfig::default() };
    let config = Config { cluster, ..config(data) };
    let opened = Opened { store, shared: true, blobs };
    let service_manager = &mut ServiceManager::default();
    let supervisor = Supervisor::new(|_| ());
    let server = Server::start_on(config, service_manager, supervisor, |_, _| Ok(opened)).await;
    let server = server.unwrap();
    server.greeted()();
    run_on(server)
}

/// Has a server run.
pub(super) fn run_on(server: Server) -> Running {
    let (address, state) = (server.address(), Arc::clone(&server.state));
    let stop = CancellationToken::new();
    let ends = tokio::spawn(server.run(stop.clone()));
    Running { address, state, stop, ends }
}

async fn post(address: SocketAddr, path: &str, token: &str, body: &str) -> u16 {
    let answer = send(address, "POST", path, token, body).await;
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn send(address: SocketAddr, method: &str, path: &str, token: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\n\
         accept: application/vnd.heroku+json; version=3\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn servers(address: SocketAddr, token: &str) -> Vec<api::ServerEntry> {
    let headers = format!("host: x\r\nauthorization: Bearer {token}\r\n");
    let answer = get(address, "/_causeway/servers", &headers).await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Waits until exactly one of all servers leads, as every one of them sees it, and says which.
pub(super) async fn leader(all: &[Running], token: &str) -> usize {
    let since = Instant::now();
    loop {
        let mut seen = Vec::new();
        for server in all {
            let list = servers(server.address, token).await;
            let leaders: Vec<_> = list.iter().filter(|it| it.leader).collect();
            if list.len() == all.len() && leaders.len() == 1 {
                seen.push(leaders[0].address.clone());
            }
        }
        if seen.len() == all.len() && seen.iter().all(|it| *it == seen[0]) {
            let mut found = all.iter();
            return found.position(|it| seen[0].ends_with(&it.address.to_string())).unwrap();
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{seen:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_any_of_three_servers_finds_what_they_did_at_another() {
    let dir = tempfile::tempdir().unwrap();
    let data = |name: &str| dir.path().join(name);
    let first = DataDir::open(&data("store")).unwrap();
    let store = Sqlite::open(&first).unwrap();
    let operator = operator_token(first.secret());
    let mut all = Vec::new();
    for name in ["one", "two", "three"] {
        joining(&data(name), &data("store"));
        all.push(beside_others(&data(name), name, store.handle().unwrap()).await);
    }
    // The first one made the installation, and the others nothing.
    assert_eq!(all[2].state.world().teams().count(), 1);
    for n in 0..30 {
        let body = format!("{{\"name\":\"account-{n}\"}}");
        let made = post(all[n % 3].address, "/_causeway/accounts", &operator, &body).await;
        assert_eq!(made, 200, "account-{n}");
        for other in &all {
            let list = answer(other.address, "/_causeway/accounts", Some(&operator)).await;
            assert!(list.contains(&format!("\"account-{n}\"")), "{list}");
        }
    }
    let leads = leader(&all, &operator).await;
    for (n, server) in all.iter().enumerate() {
        let health = answer(server.address, "/healthz", None).await;
        let role = if n == leads { "role: leader, 0" } else { "role: follower, 0" };
        assert!(health.contains(" 200 ") && health.contains(role), "{health}");
        for thread in ["lease", "follower", "reads"] {
            assert!(health.contains(&format!("{thread}: ")), "{health}");
        }
        let figures = answer(server.address, "/metrics", Some(&operator)).await;
        assert!(figures.contains(&format!("causeway_server_leader {}", u8::from(n == leads))));
    }
    // What must be done once is: the peering of a space is carried, as no packets are, by the leader.
    let ended = all.remove(leads);
    ended.end().await;
    let since = Instant::now();
    let next = leader(&all, &operator).await;
    assert!(since.elapsed() < Duration::from_secs(4), "one that ends gives the lease up");
    let body = "{\"name\":\"after\"}";
    assert_eq!(post(all[1 - next].address, "/_causeway/accounts", &operator, body).await, 200);
    for server in all {
        assert!(
            server.state.world().account_named("after").is_some() || {
                answer(server.address, "/_causeway/accounts", Some(&operator))
                    .await
                    .contains("after")
            }
        );
        server.end().await;
    }
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_joins_makes_nothing_and_another_fabric_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = |name: &str| dir.path().join(name);
    let first = DataDir::open(&data("store")).unwrap();
    let store = Sqlite::open(&first).unwrap();
    joining(&data("one"), &data("store"));
    let one = beside_others(&data("one"), "one", store.handle().unwrap()).await;
    let before = one.state.ledger.revision();
    joining(&data("two"), &data("store"));
    let two = beside_others(&data("two"), "two", store.handle().unwrap()).await;
    assert_eq!(two.state.ledger.revision(), before);
    let drive = |id: &str, config: &Config| {
        let ledger = two.state.ledger.clone();
        first::claim_fabric(&ledger, config, id, &format!("host-{id}"))
    };
    let linux = Config { fabric: FabricKind::Linux, ..config(&data("three")) };
    let none = config(&data("three"));
    let driver = || two.state.settings().fabric.as_ref().map(|driver| driver.name.clone());
    let blocking = |run: &dyn Fn() -> Result<(), ServeError>| tokio::task::block_in_place(run);
    blocking(&|| drive("a", &none)).unwrap();
    assert_eq!(driver(), None);
    blocking(&|| drive("a", &linux)).unwrap();
    assert_eq!(driver().as_deref(), Some("host-a"));
    let refused = blocking(&|| drive("b", &linux)).unwrap_err();
    assert!(matches!(&refused, ServeError::FabricDriven(name) if name == "host-a"), "{refused}");
    let cluster = ClusterConfig { take_fabric: true, ..ClusterConfig::default() };
    let takes = Config { cluster, ..linux.clone() };
    blocking(&|| drive("b", &takes)).unwrap();
    assert_eq!(driver().as_deref(), Some("host-b"));
    // One that was started without packets leaves them to whoever takes them.
    blocking(&|| drive("b", &none)).unwrap();
    assert_eq!(driver(), None);
    one.end().await;
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_server_with_the_processes_has_is_asked_for_there() {
    let dir = tempfile::tempdir().unwrap();
    let data = |name: &str| dir.path().join(name);
    let first = DataDir::open(&data("store")).unwrap();
    let store = Sqlite::open(&first).unwrap();
    let mut all = Vec::new();
    for name in ["one", "two"] {
        joining(&data(name), &data("store"));
        all.push(beside_others(&data(name), name, store.handle().unwrap()).await);
    }
    leader(&all, &operator_token(first.secret())).await;
    let [one, two] = <[Running; 2]>::try_from(all).ok().unwrap();
    let user = two.state.world().user_named(api::FIRST_USER).unwrap().id;
    let token = user_token(first.secret(), user);
    let team = api::FIRST_TEAM;
    let space = format!("{{\"name\":\"yard\",\"team\":\"{team}\"}}");
    let made = send(two.address, "POST", "/spaces", &token, &space).await;
    assert!(made.contains(" 201 "), "{made}");
    let app = format!("{{\"name\":\"shop\",\"team\":\"{team}\",\"space\":\"yard\"}}");
    let made = send(two.address, "POST", "/teams/apps", &token, &app).await;
    assert!(made.contains(" 201 "), "{made}");

    let slug = async |at: SocketAddr| {
        let body = "{\"process_types\":{\"web\":\"./run\"}}";
        let made = send(at, "POST", "/apps/shop/slugs", &token, body).await;
        let (_, body) = made.split_once("\r\n\r\n").unwrap();
        let made: serde_json::Value = serde_json::from_str(body).unwrap();
        let url = made["blob"]["url"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        let (_, rest) = url.split_once("://").unwrap();
        let (authority, path) = rest.split_once('/').unwrap();
        (authority.to_owned(), format!("/{path}"))
    };
    // Nobody has processes yet: what was asked for takes the code.
    assert_eq!(slug(two.address).await.0, "x");
    let linux = Config { fabric: FabricKind::Linux, ..config(&data("one")) };
    let id = one.state.members.as_ref().unwrap().id().to_owned();
    let ledger = one.state.ledger.clone();
    tokio::task::block_in_place(|| first::claim_fabric(&ledger, &linux, &id, "one")).unwrap();
    let (authority, path) = slug(two.address).await;
    assert_eq!(authority, one.address.to_string());
    let refused = send(two.address, "PUT", &path, &token, "code").await;
    let place = format!("Code is uploaded to the server one (http://{})", one.address);
    assert!(refused.contains(" 503 ") && refused.contains(&place), "{refused}");
    let taken = send(one.address, "PUT", &path, &token, "code").await;
    assert!(taken.contains("this is not a tar archive"), "the address is good there: {taken}");
    assert_eq!(slug(one.address).await.0, "x", "as its own clients know it");

    let sessions = send(two.address, "POST", "/apps/shop/log-sessions", &token, "{}").await;
    assert!(sessions.contains(&format!("\"http://{}/_logs/", one.address)), "{sessions}");
    let run = "{\"command\":\"sh\",\"attach\":true}";
    let refused = send(two.address, "POST", "/apps/shop/dynos", &token, run).await;
    let place = format!("Dynos run at the server one (http://{})", one.address);
    assert!(refused.contains(" 503 ") && refused.contains(&place), "{refused}");
    let operator = operator_token(first.secret());
    let file = format!("{{\"path\":\"{}\"}}", data("backup").display());
    let refused = send(two.address, "POST", "/_causeway/backup", &operator, &file).await;
    assert!(refused.contains("make the backup there"), "{refused}");
    assert!(!data("backup").exists());
    one.end().await;
    two.end().await;
}

/// An archive with a Procfile.
fn archive() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let procfile = b"web: ./run\n";
    header.set_size(procfile.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "Procfile", &procfile[..]).unwrap();
    archive.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_one_server_took_is_released_and_backed_up_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let data = |name: &str| dir.path().join(name);
    let first = DataDir::open(&data("store")).unwrap();
    let store = Sqlite::open(&first).unwrap();
    let blobs: Arc<dyn Blobs> = Arc::new(store::DirectoryBlobs::at(data("blobs")));
    let mut all = Vec::new();
    for name in ["one", "two"] {
        joining(&data(name), &data("store"));
        let (store, blobs) = (store.handle().unwrap(), Some(Arc::clone(&blobs)));
        all.push(beside_others_with(&data(name), name, store, blobs).await);
    }
    leader(&all, &operator_token(first.secret())).await;
    let [one, two] = <[Running; 2]>::try_from(all).ok().unwrap();
    // Though another server drives processes, each takes code.
    let linux = Config { fabric: FabricKind::Linux, ..config(&data("one")) };
    let (id, ledger) =
        (one.state.members.as_ref().unwrap().id().to_owned(), one.state.ledger.clone());
    tokio::task::block_in_place(|| first::claim_fabric(&ledger, &linux, &id, "one")).unwrap();
    let user = two.state.world().user_named(api::FIRST_USER).unwrap().id;
    let token = user_token(first.secret(), user);
    let team = api::FIRST_TEAM;
    let space = format!("{{\"name\":\"yard\",\"team\":\"{team}\"}}");
    let made = send(two.address, "POST", "/spaces", &token, &space).await;
    assert!(made.contains(" 201 "), "{made}");
    let app = format!("{{\"name\":\"shop\",\"team\":\"{team}\",\"space\":\"yard\"}}");
    let made = send(two.address, "POST", "/teams/apps", &token, &app).await;
    assert!(made.contains(" 201 "), "{made}");
    let made = send(two.address, "POST", "/apps/shop/slugs", &token, "{}").await;
    let made: serde_json::Value =
        serde_json::from_str(made.split_once("\r\n\r\n").unwrap().1).unwrap();
    let url = made["blob"]["url"].as_str().unwrap();
    assert!(url.starts_with("http://x/"), "by the server that was asked: {url}");
    let code = String::from_utf8(archive()).unwrap();
    let path = url.trim_start_matches("http://x");
    let taken = send(two.address, "PUT", path, &token, &code).await;
    assert!(taken.contains(" 200 "), "{taken}");
    let digest = store::BlobDigest::of(code.as_bytes());
    assert_eq!(blobs.list().unwrap()[0].digest, digest);
    let left = |name: &str| std::fs::read_dir(data(name).join("slugs")).unwrap().count();
    assert_eq!(left("two"), 0, "no process runs there");

    let release = format!("{{\"slug\":{}}}", made["id"]);
    let released = send(one.address, "POST", "/apps/shop/releases", &token, &release).await;
    assert!(released.contains(" 201 "), "{released}");
    let world = one.state.world();
    let slug = world.slugs().next().unwrap();
    assert_eq!(slug.blob, Some(digest.to_string()));
    let backup = format!("{{\"path\":\"{}\"}}", data("backup").display());
    let operator = operator_token(first.secret());
    let written = send(one.address, "POST", "/_causeway/backup", &operator, &backup).await;
    assert!(written.contains(" 200 ") && !written.contains("\"error\""), "{written}");
    two.end().await;
    one.end().await;

    // From there the code goes into a data directory of its own, where it is kept as it came.
    let restored = tokio::task::block_in_place(|| {
        crate::restore(&data("backup"), &data("back"), None, false, &mut |_, _| {}).unwrap()
    });
    assert_eq!((restored.slugs, restored.missing), (1, Vec::new()));
    let back = store::DirectoryBlobs::at(data("back").join("blobs"));
    let mut content = Vec::new();
    let mut blob = back.open(&digest, 0).unwrap().unwrap();
    std::io::Read::read_to_end(&mut blob.content, &mut content).unwrap();
    assert_eq!(content, code.as_bytes());
    assert!(data("back").join("code").join(made["id"].as_str().unwrap()).exists());
}
