//! A whole server in process.

mod cluster;
mod hosts;
mod watch;

use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use model::CodeRoom;

use crate::apps::plans::Plans;
use crate::config::{ClusterConfig, Database, EdgeConfig, WatchConfig};
use crate::credentials::{operator_token, user_token};

fn config(data: &Path) -> Config {
    Config {
        outbound: None,
        data: data.to_owned(),
        agents: None,
        listen: "127.0.0.1:0".parse().unwrap(),
        transport: TransportConfig::default(),
        watch: WatchConfig::default(),
        fabric: FabricKind::None,
        ovn: None,
        region: None,
        test_clock: false,
        like_aws: false,
        key: None,
        webhook_allow: Vec::new(),
        emulator: false,
        rate_limit: 0,
        ec2_rate_limit: 0,
        code_room: CodeRoom::default(),
        slug_cache: u64::MAX,
        runtime: "runc".into(),
        self_exe: "/nonexistent".into(),
        edge: EdgeConfig::default(),
        plans: Plans::default(),
        blobs: None,
        accept_blobs: false,
        store: None,
        database: Database::default(),
        ephemeral: Ephemeral::default(),
        cluster: ClusterConfig::default(),
    }
}

/// A server under which nothing ends the process of the tests.
async fn start(config: Config) -> Result<Server, ServeError> {
    Server::start_under(config, &mut ServiceManager::default(), Supervisor::new(|_| ())).await
}

async fn ask(address: SocketAddr, path: &str, token: Option<&str>) -> u16 {
    let answer = answer(address, path, token).await;
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn answer(address: SocketAddr, path: &str, token: Option<&str>) -> String {
    let credentials =
        token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let accept = "accept: application/vnd.heroku+json; version=3";
    get(address, path, &format!("host: x\r\n{credentials}{accept}\r\n")).await
}

/// The answer to a request with these headers, one a line.
async fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_endpoints_are_the_operators_alone() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(config(dir.path())).await.unwrap();
    let (address, state) = (server.address(), Arc::clone(&server.state));
    let operator = operator_token(&state.secret);
    let user = state.world().users().next().unwrap().id;
    let user = user_token(&state.secret, user);
    drop(state);
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));
    assert_eq!(ask(address, "/healthz", None).await, 200);
    for path in [
        "/_causeway/status",
        "/_causeway/accounts",
        "/_causeway/keys",
        "/_causeway/users",
        "/_causeway/teams",
        "/_causeway/workloads/a/b",
        "/_causeway/logs/a/b",
    ] {
        assert_eq!(ask(address, path, None).await, 401, "{path}");
        assert_eq!(ask(address, path, Some(&user)).await, 401, "{path}");
        assert_eq!(ask(address, path, Some("")).await, 401, "{path}");
        assert_ne!(ask(address, path, Some(&operator)).await, 401, "{path}");
    }
    // Whoever is somebody may ask why; what about is another matter.
    let why = "/_causeway/why?from=a&to=b";
    for (token, status) in [(None, 401), (Some("x"), 401), (Some(&*user), 422)] {
        assert_eq!(ask(address, why, token).await, status);
    }
    assert_eq!(ask(address, "/account", Some(&user)).await, 200);
    stop.cancel();
    running.await.unwrap().unwrap();
    assert!(!dir.path().join("serve.json").exists(), "it says no more where it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_start_keeps_what_the_first_one_made() {
    let dir = tempfile::tempdir().unwrap();
    let mut worlds = Vec::new();
    for first in [true, false] {
        let server = start(config(dir.path())).await.unwrap();
        assert_eq!(server.first.is_some(), first);
        server.greeted()();
        worlds.push(server.state.world());
        let stop = CancellationToken::new();
        stop.cancel();
        server.run(stop).await.unwrap();
    }
    let rows =
        |world: &model::World| world.records().map(|r| (r.key(), r.body())).collect::<Vec<_>>();
    assert_eq!(rows(&worlds[0]), rows(&worlds[1]));
    let other = Config { emulator: true, ..config(dir.path()) };
    let refused = start(other).await.err().unwrap();
    assert!(matches!(refused, ServeError::OtherMode { was: false }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_destroyed_of_the_first_start_does_not_come_back() {
    use model::{Caller, IdentityCommand, Key, Subject};

    let dir = tempfile::tempdir().unwrap();
    let mut left = Vec::new();
    for first in [true, false] {
        let server = start(config(dir.path())).await.unwrap();
        server.greeted()();
        let world = server.state.world();
        if first {
            let user = world.users().next().unwrap().id;
            let platform = world.settings().unwrap().platform_account;
            let account = world.accounts().find(|it| it.id != platform).unwrap().id;
            let team = world.teams().next().unwrap().id;
            for subject in [Subject::Team(team), Subject::User(user), Subject::Account(account)] {
                let request = ledger::Request {
                    caller: Caller::Operator,
                    ..ledger::Request::system(IdentityCommand::Destroy { subject })
                };
                server.state.ledger.submit(request).await.unwrap();
            }
        }
        let world = server.state.world();
        left.push(world.records().map(|record| record.key()).collect::<Vec<_>>());
        let stop = CancellationToken::new();
        stop.cancel();
        server.run(stop).await.unwrap();
    }
    assert_eq!(left[0], left[1]);
    let is_alive = |key: &&Key| matches!(key, Key::User(_) | Key::Token(_) | Key::Team(_));
    assert_eq!(left[1].iter().find(is_alive), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_still_has_a_way_to_the_ledger_does_not_hold_up_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(config(dir.path())).await.unwrap();
    let state = Arc::clone(&server.state);
    let stop = CancellationToken::new();
    stop.cancel();
    server.run(stop).await.unwrap();
    let late = ledger::Request::system(model::SystemCommand::Tick);
    let refused = state.ledger.submit(late).await.err().unwrap();
    assert!(matches!(refused, ledger::LedgerError::Stopped), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dynos_come_up_where_no_packets_are_carried() {
    use model::{Caller, DynoState, Key, PlatformCommand as C, StoredCode, SystemCommand};
    let dir = tempfile::tempdir().unwrap();
    let server = start(config(dir.path())).await.unwrap();
    let (state, planner) = (Arc::clone(&server.state), server.planner.clone());
    let origin = crate::http::state::Origin { address: None, request_id: String::new() };
    let run = async |caller, command: model::Command| {
        state.submit(caller, command, &origin).await.unwrap().reply.main()
    };
    let team = state.world().teams().next().unwrap().id;
    let (name, region, cidr, data_cidr) = ("one".to_owned(), None, None, None);
    let create = C::CreateSpace { name, team, region, cidr, data_cidr };
    let Some(Key::Space(space)) = run(Caller::Operator, create.into()).await else { panic!() };
    planner.sweep().await.unwrap();
    let create = C::CreateApp { name: None, space, internal_routing: false };
    let Some(Key::App(app)) = run(Caller::Operator, create.into()).await else { panic!() };
    let process_types = [("web".to_owned(), "serve".to_owned())].into();
    let create = C::CreateSlug { app, process_types, commit: None, checksum: None };
    let Some(Key::Slug(slug)) = run(Caller::Operator, create.into()).await else { panic!() };
    let store = SystemCommand::StoreSlug { slug, stored: StoredCode::default() };
    run(Caller::System, store.into()).await;
    run(Caller::Operator, C::CreateRelease { app, slug, description: None }.into()).await;
    // Each sweep waits for what the one before led to.
    let up = async |version: u32| {
        for _ in 0..1000 {
            planner.sweep().await.unwrap();
            let world = state.world();
            let dyno = world.dyno_named(app, "web.1").unwrap();
            let release = world.release(dyno.release).unwrap();
            if dyno.state == DynoState::Up && release.version == version {
                return world.dynos().filter(|d| d.state.wants_to_run()).count();
            }
        }
        panic!("v{version} never came up");
    };
    assert_eq!(up(2).await, 1);
    let changes = [("KEY".to_owned(), Some("value".to_owned()))].into();
    run(Caller::Operator, C::SetConfig { app, changes }.into()).await;
    up(3).await;
    planner.sweep().await.unwrap();
    assert_eq!(up(3).await, 1, "the old one was drained");
    let stop = CancellationToken::new();
    stop.cancel();
    drop(state);
    server.run(stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_is_not_for_other_machines() {
    let dir = tempfile::tempdir().unwrap();
    let open =
        Config { emulator: true, listen: "0.0.0.0:0".parse().unwrap(), ..config(dir.path()) };
    let refused = start(open).await.err().unwrap();
    assert!(matches!(refused, ServeError::EmulatorInPublic(_)), "{refused}");
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none(), "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_make_nothing_on_an_emulator() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(Config { emulator: true, ..config(dir.path()) }).await.unwrap();
    let (address, state) = (server.address(), Arc::clone(&server.state));
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));
    // What an image or a form of a page can ask for; an emulator wants no signature.
    let path = "/?Action=CreateVpc&CidrBlock=10.9.0.0%2F16&Version=2016-11-15";
    let keys = || state.world().records().map(|record| record.key()).collect::<Vec<_>>();
    let before = keys();
    for page in [
        "sec-fetch-site: cross-site",
        "sec-fetch-site: same-site",
        "origin: https://evil.example",
        "sec-fetch-site: none\r\norigin: null",
    ] {
        let answer = get(address, path, &format!("host: {address}\r\n{page}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{page}: {answer}");
        assert!(answer.contains("content-type: text/xml"), "{page}: {answer}");
        assert!(answer.contains("<Code>AccessDenied</Code>"), "{page}: {answer}");
        assert!(answer.contains("the pages of other sites"), "{page}: {answer}");
        let other_name = get(address, path, "host: evil.example\r\n").await;
        assert!(other_name.contains("<Code>AccessDenied</Code>"), "{other_name}");
        assert_eq!(keys(), before, "{page}");
    }
    // The other API's form.
    let page = format!("host: {address}\r\nsec-fetch-site: cross-site\r\n");
    let answer = get(address, "/account", &page).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.contains(r#""id":"forbidden""#), "{answer}");
    assert_eq!(keys(), before);
    // The same by a program, and typed into a browser.
    for head in ["", "sec-fetch-site: none\r\n"] {
        let vpcs = state.world().vpcs().count();
        let answer = get(address, path, &format!("host: {address}\r\n{head}")).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("<vpcId>"), "{answer}");
        assert!(state.world().vpcs().count() > vpcs);
    }
    drop(state);
    stop.cancel();
    running.await.unwrap().unwrap();
}

/// What makes the writer panic that decides on it.
fn panics() -> Option<ledger::OnlyIf> {
    Some(ledger::OnlyIf::new(|_| panic!("a rule is wrong")))
}

fn account(name: &str) -> model::IdentityCommand {
    model::IdentityCommand::CreateAccount { name: name.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn healthz_says_which_loop_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (panicked, mut panics_seen) = tokio::sync::mpsc::unbounded_channel();
    let supervisor = Supervisor::new(move |panic| panicked.send(panic.name).unwrap());
    let server =
        Server::start_under(config(dir.path()), &mut ServiceManager::default(), supervisor)
            .await
            .unwrap();
    let (address, state) = (server.address(), Arc::clone(&server.state));
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));
    let well = answer(address, "/healthz", None).await;
    assert!(well.starts_with("HTTP/1.1 200"), "{well}");
    let lines = "\r\n\r\nledger: ok\nnetworks: ok\nworkloads: ok\nedge: ok\nfiles: ok\ncode: ok\n\
         outbox: ok\nreconcile: ok\n";
    assert!(well.ends_with(lines), "{well}");
    let origin = crate::http::state::Origin::default();
    let caller = model::Caller::Operator;
    let outcome = state.submit_if(caller, account("one"), &origin, panics()).await;
    assert!(outcome.is_err());
    assert_eq!(panics_seen.recv().await, Some("ledger"));
    let ill = answer(address, "/healthz", None).await;
    assert!(ill.starts_with("HTTP/1.1 503"), "{ill}");
    assert!(ill.contains("\r\n\r\nledger: has ended\nnetworks: ok\nworkloads: ok\n"), "{ill}");
    stop.cancel();
    running.await.unwrap().unwrap();
}

const CHILD_DIRECTORY: &str = "CAUSEWAY_SERVER_TEST_DIRECTORY";

/// Not a test: the process that `a_panic_ends_the_process_and_loses_nothing_acknowledged` starts.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "is run by another test, as a process of its own"]
async fn serves_until_its_ledger_panics() {
    let Some(dir) = std::env::var_os(CHILD_DIRECTORY) else { return };
    let server =
        Server::start(config(Path::new(&dir)), &mut ServiceManager::default()).await.unwrap();
    let state = Arc::clone(&server.state);
    tokio::spawn(server.run(CancellationToken::new()));
    let origin = crate::http::state::Origin::default();
    let submit =
        |name, only_if| state.submit_if(model::Caller::Operator, account(name), &origin, only_if);
    for name in ["one", "two", "three"] {
        submit(name, None).await.unwrap();
    }
    let outcome = submit("four", panics()).await;
    panic!("the process went on, with {outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_the_process_and_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let ended = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "start::tests::serves_until_its_ledger_panics"])
        .args(["--ignored", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIRECTORY, dir.path())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(os::panics::EXIT_STATUS), "{said}");
    assert!(said.contains("thread 'ledger'") && said.contains("a rule is wrong"), "{said}");
    let server = start(config(dir.path())).await.unwrap();
    let world = server.state.world();
    let there = ["one", "two", "three", "four"].map(|name| world.account_named(name).is_some());
    assert_eq!(there, [true, true, true, false]);
    let stop = CancellationToken::new();
    stop.cancel();
    server.run(stop).await.unwrap();
}

#[test]
fn a_server_that_listens_everywhere_is_reached_by_loopback() {
    for (listens, reached) in [
        ("0.0.0.0:4880", "127.0.0.1:4880"),
        ("[::]:4880", "[::1]:4880"),
        ("198.51.100.1:443", "198.51.100.1:443"),
        ("127.0.0.2:1", "127.0.0.2:1"),
    ] {
        assert_eq!(here(listens.parse().unwrap()).to_string(), reached);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(api::ServerNote::FILE);
    write_note(&path, "0.0.0.0:4880".parse().unwrap()).unwrap();
    let note: api::ServerNote = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(note.url, "http://127.0.0.1:4880");
}
