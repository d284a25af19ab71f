//! A small installation: two teams that know nothing of each other, one space with everything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use fabric::runtime::{LogLine, LogPart, LogPosition};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use model::edge::EdgeEvent;
use model::{
    AccountId, Addon, AddonId, AddonState, App, AppId, Caller, Cidr, Command, Domain, DomainId,
    DrainOf, Dyno, DynoId, DynoSize, DynoState, Eni, EniId, Exit, Formation, IdentityCommand, Key,
    LogDrain, NewToken, Observation, PEERING_EXPIRY, PcxId, Peering, PeeringKind, PeeringSide,
    PeeringState, Record, Region, Release, ReleaseId, ReleaseStatus, Role, Sequence, Settings,
    SettingsKey, Slug, SlugId, Space, SpaceId, SpaceState, SystemCommand, Team, TeamId, Timestamp,
    Token, TokenId, TokenScopes, User, UserId, VpcId, Webhook, WebhookLevel, WebhookOwner,
    WorkloadId, WorkloadReport,
};
use serde_json::Value;
use store::{Batch, DataDir, Row, Sqlite, Store};
use uuid::Uuid;

use crate::apps::console::{Attachment, Console, NotRun};
use crate::apps::logs::Logs;
use crate::apps::plans::Plans;
use crate::apps::web::Web;
use crate::clock::Clock;
use crate::credentials::{operator_token, token_hash};
use crate::http::platform::router;
use crate::http::state::{Origin, State};
use crate::ledger::{Ledger, Parts};
use crate::loops::Supervisor;

/// An admin of the team that owns the space.
pub(crate) const ALICE: &str = "alices-token";
/// A member of that team.
pub(crate) const BOB: &str = "bobs-token";
/// An admin of another team.
pub(crate) const STRANGER: &str = "strangers-token";

pub(crate) const ALPHA: &str = "00000000-0000-0000-0000-00000000005a";
pub(crate) const PENDING: &str = "pcx-00000000000000001";
pub(crate) const ACTIVE: &str = "pcx-00000000000000002";
/// A log drain of the app.
pub(crate) const DRAIN: &str = "00000000-0000-0000-0000-0000000000d1";
/// The webhook of the app.
pub(crate) const HOOK: &str = "00000000-0000-0000-0000-0000000000f1";
/// The code of the app.
pub(crate) const SLUG: &str = "00000000-0000-0000-0000-000000000051";

const PLATFORM: &str = "100000000001";
const CUSTOMER: &str = "200000000002";

/// When everything was made.
pub(crate) fn past() -> Timestamp {
    "2016-09-19T22:57:33Z".parse().unwrap()
}

/// When the tests ask.
fn now() -> Timestamp {
    past() + Duration::from_secs(3600)
}

/// A running router.
pub(crate) struct Fixture {
    pub state: Arc<State>,
    /// What dynos wrote.
    pub script: Arc<Script>,
    router: TowerToHyperService<Router>,
    directory: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `id` of an error.
    pub(crate) fn error(&self) -> (u16, String) {
        let body = self.json();
        assert!(body["message"].as_str().is_some_and(|m| !m.is_empty()), "{body}");
        (self.status.as_u16(), body["id"].as_str().unwrap().to_owned())
    }
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::over(records(false))
    }

    /// With so many requests in an hour.
    pub(crate) fn limited(per_hour: u32) -> Self {
        Self::with(records(false), per_hour)
    }

    pub(crate) fn emulator() -> Self {
        Self::over(records(true))
    }

    fn over(records: Vec<Record>) -> Self {
        Self::with(records, 0)
    }

    fn with(records: Vec<Record>, per_hour: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(&directory.path().join("data")).unwrap();
        let mut store = Sqlite::open(&data).unwrap();
        store.commit(&batch(&records)).unwrap();
        let handle = store.handle().unwrap();
        let clock = Arc::new(Clock::still(now()));
        let logs: Arc<Logs> = Arc::default();
        let follow = Arc::clone(&logs);
        let parts = Parts {
            store: Box::new(store),
            secret: data.secret().clone(),
            ids: Box::new(Sequence(0x1000)),
            clock: Arc::clone(&clock),
            follow: Box::new(move |step| follow.follow(&step, now())),
            metrics: Arc::default(),
            supervisor: Supervisor::new(|_| ()),
        };
        let (ledger, _writer) = Ledger::start(parts).unwrap();
        ledger.tell_by(super::super::teller(Web::default()));
        let secret = data.secret().clone();
        let script = Arc::new(Script::default());
        let state = State::new(
            &directory.path().join("data"),
            ledger,
            clock,
            secret,
            Arc::default(),
            Arc::clone(&script) as Arc<dyn Console>,
            handle,
        );
        let mut state = state.with_rate_limits(per_hour, 0);
        let waker = os::Waker::new().unwrap();
        let flows = crate::flows::Flows::new(directory.path().join("flow-logs"), waker);
        state.flows = Some(Arc::new(flows));
        state.logs = logs;
        let state = Arc::new(state);
        let router = TowerToHyperService::new(router(Arc::clone(&state)));
        Self { state, script, router, directory }
    }

    /// The data directory.
    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    /// The same installation with another setting.
    pub(crate) fn set(self, change: impl FnOnce(&mut State)) -> Self {
        self.changed(|mut state| {
            change(&mut state);
            state
        })
    }

    /// The same with so many requests in an hour for each user, and in a second for each account.
    pub(crate) fn limited_to(self, per_hour: u32, per_second: u32) -> Self {
        self.changed(|state| state.with_rate_limits(per_hour, per_second))
    }

    fn changed(self, change: impl FnOnce(State) -> State) -> Self {
        let Self { state, script, router: served, directory } = self;
        drop(served);
        let state = Arc::into_inner(state).expect("nobody else has it");
        let state = Arc::new(change(state));
        let router = TowerToHyperService::new(router(Arc::clone(&state)));
        Self { state, script, router, directory }
    }

    /// The same installation behind other routes.
    pub(crate) fn behind(self, router: Router) -> Self {
        Self { router: TowerToHyperService::new(router), ..self }
    }

    /// An answer whose body is still to be read.
    pub(crate) async fn open(&self, request: Request<Body>) -> axum::response::Response {
        self.router.call(request).await.unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Got {
        let answer = self.open(request).await;
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Got { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) async fn ask(&self, token: &str, method: &str, path: &str, body: &str) -> Got {
        let request = request(method, path).header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Got {
        self.ask(token, "GET", path, "").await
    }

    /// Hands a command to the ledger, as whoever.
    pub(crate) async fn command(&self, caller: Caller, command: impl Into<Command>) -> Key {
        let committed = self.state.submit(caller, command, &Origin::default()).await.unwrap();
        committed.reply.main().unwrap_or(Key::Settings(SettingsKey))
    }

    /// The fabric reports that everything is in place, and the edge that web dynos answer.
    pub(crate) async fn observe(&self) {
        let world = self.state.world();
        let report = |dyno: &Arc<Dyno>| {
            let wanted = dyno.state.wants_to_run();
            let report = if wanted { WorkloadReport::Running } else { WorkloadReport::Gone };
            (WorkloadId::Dyno(dyno.id), report)
        };
        let services = world.addons().map(|a| (WorkloadId::Service(a.id), WorkloadReport::Running));
        let event = |dyno: &Arc<Dyno>| match dyno.state {
            DynoState::Booting => Some(EdgeEvent::Bound(dyno.id)),
            DynoState::Draining => Some(EdgeEvent::Drained(dyno.id)),
            _ => None,
        };
        let seen = Observation {
            vpcs: world.vpcs().map(|vpc| vpc.id).collect(),
            carried: world.peerings().filter(|p| p.carries()).map(|p| p.id).collect(),
            gone: world.peerings().filter(|p| !p.carries()).map(|p| p.id).collect(),
            workloads: world.dynos().map(report).chain(services).collect(),
            edge: world.dynos().filter_map(event).collect(),
        };
        self.command(Caller::System, SystemCommand::Observe(seen)).await;
    }

    /// The same installation as the rules make it, with people in it and nothing else.
    pub(crate) async fn set_up() -> Self {
        let server = Self::over(Vec::new());
        let (region, instance) = (Region::DEFAULT, "test".to_owned());
        let operator = Caller::Operator;
        let set_up = IdentityCommand::SetUp { region, emulator: false, instance };
        server.command(operator, set_up).await;
        let people = [("alice", ALICE), ("bob", BOB), ("stranger", STRANGER)];
        let mut users = Vec::new();
        for (name, token) in people {
            let email = format!("{name}@example.com");
            let user = server.command(operator, IdentityCommand::CreateUser { email }).await;
            let Key::User(user) = user else { panic!("{user:?}") };
            let (hash, description) = (token_hash(token), name.to_owned());
            let token = NewToken::unlimited(user, hash, description);
            server.command(operator, IdentityCommand::CreateToken(token)).await;
            users.push(user);
        }
        let name = "acme".to_owned();
        let team = IdentityCommand::CreateTeam { name, admin: users[0] };
        let Key::Team(team) = server.command(operator, team).await else { panic!("no team") };
        let (user, role) = (users[1], Some(Role::Member));
        server.command(operator, IdentityCommand::SetMember { team, user, role }).await;
        server
    }

    /// Gives a user a password.
    pub(crate) async fn set_password(&self, email: &str, password: &str) {
        let hash = self.state.passwords.hash(password.to_owned(), [7; 16]).await.unwrap();
        let user = self.state.world().user_named(email).unwrap().id;
        let set = IdentityCommand::SetPassword { user, hash, end_tokens: false };
        self.command(Caller::Operator, set).await;
    }

    /// Gives the user of a token a second factor: its secret, and the answer with the recovery codes.
    pub(crate) async fn enable_second_factor(&self, token: &str) -> (String, Got) {
        const PATH: &str = "/account/two-factor";
        let platform = router(Arc::clone(&self.state));
        let ask = async |method: &str, path: &str, body: String| {
            let request = request(method, path).header("authorization", format!("Bearer {token}"));
            let mut router = platform.clone();
            let request = request.body(Body::from(body)).unwrap();
            let answer = tower_call(&mut router, request).await;
            let (parts, body) = answer.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            Got { status: parts.status, headers: parts.headers, text }
        };
        let offered = ask("POST", &format!("{PATH}/actions/enrol"), "{}".to_owned()).await.json();
        let secret = offered["secret"].as_str().unwrap().to_owned();
        let code = crate::http::second_factor::shown_code(&secret, self.state.clock.now());
        let body = serde_json::json!({ "enrolment": offered["enrolment"], "code": code });
        let enabled = ask("PUT", PATH, body.to_string()).await;
        assert_eq!(enabled.status, 200, "{}", enabled.text);
        (secret, enabled)
    }

    pub(crate) fn operator(&self) -> String {
        operator_token(&self.state.secret)
    }
}

async fn tower_call(router: &mut Router, request: Request<Body>) -> axum::response::Response {
    TowerToHyperService::new(router.clone()).call(request).await.unwrap()
}

/// A request as the CLI makes it, but for the token.
pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("accept", "application/vnd.heroku+json; version=3.sdk")
}

/// What dynos wrote, as a test says it.
#[derive(Default)]
pub(crate) struct Script {
    written: Mutex<BTreeMap<WorkloadId, Vec<LogLine>>>,
    runs: Mutex<Vec<String>>,
}

impl Script {
    pub(crate) fn write(&self, dyno: DynoId, at: Timestamp, text: &str) {
        let line = LogLine { at, text: text.as_bytes().to_vec() };
        self.written.lock().unwrap().entry(WorkloadId::Dyno(dyno)).or_default().push(line);
    }

    /// What is run in place of any command in a workload; nothing where none runs.
    pub(crate) fn runs(&self, command: &[&str]) {
        *self.runs.lock().unwrap() = command.iter().map(|word| (*word).to_owned()).collect();
    }
}

impl Console for Script {
    fn session(&self, _: WorkloadId, _: &fabric::runtime::Inside) -> Result<Attachment, String> {
        Err("the dyno has ended".to_owned())
    }

    fn attach(&self, _: WorkloadId) -> Result<Attachment, String> {
        Err("the dyno has ended".to_owned())
    }

    fn lines(
        &self,
        workload: WorkloadId,
        from: Option<LogPosition>,
        _: bool,
    ) -> std::io::Result<LogPart> {
        let written = self.written.lock().unwrap();
        let all = written.get(&workload).ok_or(std::io::ErrorKind::NotFound)?;
        let from = from.map_or(0, |place| place.offset) as usize;
        let next = Some(LogPosition { generation: 0, offset: all.len() as u64 });
        Ok(LogPart { lines: all[from..].to_vec(), next })
    }

    fn tail(&self, _: WorkloadId, _: usize) -> std::io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn exec(&self, _: WorkloadId, _: &[String], _: bool) -> Result<Vec<String>, NotRun> {
        let runs = self.runs.lock().unwrap().clone();
        if runs.is_empty() { Err(NotRun::Idle) } else { Ok(runs) }
    }
}

fn batch(records: &[Record]) -> Batch {
    let puts = records
        .iter()
        .map(|record| Row {
            kind: record.key().kind().name().to_owned(),
            id: record.key().to_string(),
            account: String::new(),
            revision: 1,
            body: record.body(),
        })
        .collect();
    Batch { expected_revision: 0, revision: 1, puts, ..Batch::default() }
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn vpc(n: u64) -> VpcId {
    format!("vpc-{n:017x}").parse().unwrap()
}

fn records(emulator: bool) -> Vec<Record> {
    let settings = Settings {
        platform_account: PLATFORM.parse().unwrap(),
        region: Region::DEFAULT,
        emulator,
        instance: "test".to_owned(),
        created: past(),
        clock_offset: 0,
        outbound: None,
        fabric: None,
        quotas: Default::default(),
    };
    let mut records: Vec<Record> = vec![settings.into()];
    people(&mut records);
    records.extend([space().into(), app().into(), release().into(), slug().into(), addon().into()]);
    records.push(log_drain().into());
    records.push(webhook().into());
    dynos(&mut records);
    peerings(&mut records);
    records
}

fn people(records: &mut Vec<Record>) {
    let people = [(1, "alice@example.com", ALICE), (2, "bob@example.com", BOB)];
    let stranger = (3, "stranger@example.org", STRANGER);
    for (n, email, token) in people.into_iter().chain([stranger]) {
        let user = UserId(id(n));
        let email = email.to_owned();
        let user_record = User {
            id: user,
            email,
            password: None,
            second_factor: None,
            disabled: None,
            created: past(),
            updated: past(),
        };
        records.push(user_record.into());
        let token = Token {
            disabled: None,
            id: TokenId(id(0x70 + n)),
            user,
            hash: token_hash(token),
            description: "test".to_owned(),
            scopes: TokenScopes::default(),
            bound: None,
            expires: None,
            created: past(),
            updated: None,
        };
        records.push(token.into());
    }
    let mut team = |n, name: &str, members: &[(u128, Role)]| {
        let members = members.iter().map(|(n, role)| (UserId(id(*n)), *role)).collect();
        let (name, id) = (name.to_owned(), TeamId(id(n)));
        records.push(
            Team {
                id,
                name,
                members,
                demands_second_factor: false,
                disabled: None,
                quotas: Default::default(),
                created: past(),
                updated: past(),
            }
            .into(),
        );
    };
    team(0xa, "acme", &[(1, Role::Admin), (2, Role::Member)]);
    team(0xb, "rivals", &[(3, Role::Admin)]);
}

fn space() -> Space {
    Space {
        id: ALPHA.parse().unwrap(),
        name: "alpha".to_owned(),
        team: TeamId(id(0xa)),
        region: Region::DEFAULT,
        state: SpaceState::Allocated,
        cidr: Space::DEFAULT_CIDR,
        data_cidr: Space::DEFAULT_DATA_CIDR,
        vpc: vpc(1),
        data_vpc: vpc(2),
        data_peering: "pcx-000000000000000ff".parse().unwrap(),
        dyno_subnets: [1, 2].map(|n| format!("subnet-{n:017x}").parse().unwrap()),
        dyno_group: "sg-00000000000000001".parse().unwrap(),
        router_enis: Vec::new(),
        router_hosts: BTreeMap::new(),
        peering_limit: Space::DEFAULT_PEERING_LIMIT,
        trusted: vec![Cidr::ANY],
        inbound: None,
        no_apps: Default::default(),
        nat_gateway: None,
        created: past(),
        updated: past(),
    }
}

fn app() -> App {
    App {
        id: AppId(id(0xc1)),
        name: "shop".to_owned(),
        team: TeamId(id(0xa)),
        space: SpaceId(id(0x5a)),
        owner: UserId(id(1)),
        internal_routing: true,
        fence_stop: false,
        label: "shop-0123456789ab".to_owned(),
        config: release().config,
        formation: BTreeMap::from([(
            "web".to_owned(),
            Formation { quantity: 1, size: DynoSize::M, updated: past() },
        )]),
        domains: BTreeMap::from([(
            "www.example.com".to_owned(),
            Domain { id: DomainId(id(0xdd)), created: past() },
        )]),
        release: release().id,
        created: past(),
        updated: past(),
    }
}

fn release() -> Release {
    Release {
        id: ReleaseId(id(0x4e)),
        app: AppId(id(0xc1)),
        version: 1,
        slug: Some(slug().id),
        inherits_code: false,
        config: BTreeMap::from([("RACK_ENV".to_owned(), "production".to_owned())]),
        description: "Initial release".to_owned(),
        user: Some(UserId(id(1))),
        status: ReleaseStatus::Succeeded,
        command: None,
        created: past(),
        settled: None,
    }
}

fn addon() -> Addon {
    let plans = Plans::default();
    Addon {
        id: AddonId(id(0xad)),
        app: AppId(id(0xc1)),
        space: SpaceId(id(0x5a)),
        name: "redis-flat-00001".to_owned(),
        plan: plans.find("heroku-redis").unwrap().clone(),
        password: "a-password".to_owned(),
        state: AddonState::Provisioned,
        eni: "eni-000000000000000ad".parse().unwrap(),
        host: None,
        variables: vec!["REDIS_URL".to_owned()],
        attachments: Vec::new(),
        crashes: 0,
        attempt: 0,
        created: past(),
        updated: past(),
    }
}

fn log_drain() -> LogDrain {
    LogDrain {
        id: DRAIN.parse().unwrap(),
        of: DrainOf::App(AppId(id(0xc1))),
        url: "https://logs.invalid/in?token=t".to_owned(),
        token: "d.00000000-0000-0000-0000-0000000000d2".to_owned(),
        created: past(),
    }
}

fn webhook() -> Webhook {
    Webhook {
        id: HOOK.parse().unwrap(),
        owner: WebhookOwner::App(AppId(id(0xc1))),
        url: "https://hooks.invalid/in?token=t".to_owned(),
        include: vec!["api:release".to_owned(), "api:formation".to_owned()],
        secret: "0123456789abcdef".to_owned(),
        authorization: None,
        created: past(),
        updated: None,
        level: WebhookLevel::Notify,
    }
}

fn slug() -> Slug {
    let types = [("web", "serve --port $PORT"), ("worker", "work")];
    Slug {
        id: SlugId(id(0x51)),
        app: AppId(id(0xc1)),
        process_types: types.map(|(name, command)| (name.to_owned(), command.to_owned())).into(),
        commit: Some("0123456789abcdef".to_owned()),
        checksum: Some("ab".repeat(32)),
        size: Some(1234),
        unpacked: None,
        blob: None,
        released: false,
        created: past(),
        updated: past(),
    }
}

fn dynos(records: &mut Vec<Record>) {
    let mut dyno = |n: u64, web: bool, state, exit| {
        let eni: EniId = format!("eni-{n:017x}").parse().unwrap();
        let dyno = Dyno {
            id: DynoId(id(0xd0 + u128::from(n))),
            app: AppId(id(0xc1)),
            space: SpaceId(id(0x5a)),
            name: if web { "web.1".to_owned() } else { format!("run.{n:04}") },
            process_type: if web { "web" } else { "run" }.to_owned(),
            number: web.then_some(1),
            release: release().id,
            command: "sleep 1000".to_owned(),
            size: DynoSize::S,
            environment: BTreeMap::new(),
            stdio: model::Stdio::Log,
            state,
            exit,
            eni,
            host: None,
            superseded: false,
            fenced_until: None,
            crashes: 0,
            created: past(),
            updated: past(),
        };
        records.push(dyno.into());
        let eni = Eni {
            id: eni,
            vpc: vpc(1),
            subnet: space().dyno_subnets[0],
            mac: serde_json::from_str("\"02:00:00:00:00:01\"").unwrap(),
            addresses: vec![std::net::Ipv4Addr::new(10, 0, 128, 3 + n as u8)],
            ipv6_addresses: Vec::new(),
            primary_ipv6: false,
            groups: vec![space().dyno_group],
            source_dest_check: true,
            description: String::new(),
            attachment: None,
            requester_managed: true,
            public: model::PublicAddress::None,
            nat_gateway: None,
            created: past(),
            tags: Default::default(),
            client_token: None,
        };
        records.push(eni.into());
    };
    dyno(1, false, DynoState::Up, None);
    dyno(2, false, DynoState::Crashed, Some(Exit::Code(3)));
    dyno(3, true, DynoState::Up, None);
}

/// One customer's peering in every state, and the platform's own.
fn peerings(records: &mut Vec<Record>) {
    use PeeringState as S;
    let states = [
        (1, S::PendingAcceptance),
        (2, S::Active),
        (3, S::Provisioning),
        (4, S::Deleting),
        (5, S::Deleted),
        (6, S::Rejected),
        // The accepter is never shown what failed.
        (7, S::Failed),
    ];
    for (n, state) in states {
        let block = Cidr::new(10, 100 + n as u8, 0, 0, 16);
        records.push(peering(n, state, side(CUSTOMER, vpc(0x100 + n), &[block])).into());
    }
    let mut expired = peering(8, S::PendingAcceptance, side(CUSTOMER, vpc(0x108), &[]));
    expired.expires = past();
    records.push(expired.into());
    let mut managed = peering(0xff, S::Active, side(PLATFORM, vpc(2), &[Space::DEFAULT_DATA_CIDR]));
    managed.kind = PeeringKind::HerokuManaged;
    records.push(managed.into());
}

fn peering(n: u64, state: PeeringState, requester: PeeringSide) -> Peering {
    let pcx: PcxId = format!("pcx-{n:017x}").parse().unwrap();
    Peering {
        id: pcx,
        requester,
        accepter: side(PLATFORM, vpc(1), &[Space::DEFAULT_CIDR]),
        kind: PeeringKind::Customer,
        state,
        since: past(),
        by: None,
        expires: past() + PEERING_EXPIRY,
    }
}

fn side(account: &str, vpc: VpcId, cidrs: &[Cidr]) -> PeeringSide {
    let account: AccountId = account.parse().unwrap();
    PeeringSide {
        account,
        region: Region::DEFAULT,
        vpc,
        cidrs: cidrs.to_vec(),
        ipv6: Vec::new(),
        dns_resolution: false,
        tags: Default::default(),
    }
}
