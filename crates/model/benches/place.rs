//! What it costs to say where processes run: 1,000 hosts in ten zones, 50,000 dynos of 1,000 apps.
//!
//! Each figure is of whole decisions, as commands lead to them: the interface of a dyno, its record, its
//! host, and all that follows. What must hold is looked up as well, and counted.
#![expect(clippy::print_stdout, reason = "a benchmark reports")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use causeway_model::edge::EdgeEvent;
use causeway_model::{
    AppId, Caller, Change, Command, DynoId, DynoState, FormationUpdate, HostCapacity, HostCommand,
    HostFacts, HostId, IdentityCommand, Key, NewHost, Observation, PlatformCommand, Quantity,
    Quota, QuotaOf, Record, Region, Reply, Sequence, SlugId, SpaceId, StoredCode, SystemCommand,
    Timestamp, UserId, WorkloadId, WorkloadReport, World,
};

const HOSTS: u32 = 1000;
const ZONES: u32 = 10;
/// Teams, each with one space.
const TEAMS: u32 = 100;
const APPS: u32 = 1000;
const DYNOS_PER_APP: u32 = 50;
/// Further decisions, at random.
const CHANGES: u32 = 5000;
/// Hosts that are lost, and as many that drain.
const EVENTS: usize = 10;

const GIB: u64 = 1 << 30;

fn main() {
    let mut town = Town::new();
    town.add_hosts();
    let apps = town.add_apps();
    // Some of them were given another size, as was asked for.
    (town.moves, town.needless) = (0, 0);
    let what = format!("{HOSTS} hosts, {} dynos", APPS * DYNOS_PER_APP);

    let mut spent = Vec::new();
    for _ in 1..DYNOS_PER_APP {
        for app in &apps {
            spent.push(town.scale(*app, 1));
        }
    }
    report(&format!("{what}, one dyno more, from none to all"), &mut spent);
    town.start_all();
    println!("{what}: {}", town.spread(&apps));

    let mut spent = Vec::new();
    let mut random = Random(1);
    for _ in 0..CHANGES {
        let app = apps[random.below(apps.len())];
        let more = if random.below(2) == 0 { 1 } else { -1 };
        spent.push(town.scale(app, more));
    }
    report(&format!("{what}, one dyno more or less"), &mut spent);
    town.settle();

    let hosts: Vec<HostId> = town.world.hosts().map(|host| host.id).collect();
    let (mut spent, mut each) = (Vec::new(), Vec::new());
    for host in hosts.iter().take(EVENTS) {
        let had = town.dynos_on(*host);
        let took = town.timed(Caller::Operator, HostCommand::Lost { host: *host });
        spent.push(took);
        each.push(took / u32::try_from(had.max(1)).unwrap_or(u32::MAX));
    }
    report(&format!("{what}, a host is lost"), &mut spent);
    report(&format!("{what}, a host is lost, for each of its dynos"), &mut each);
    town.settle();

    let mut spent = Vec::new();
    for host in hosts.iter().skip(EVENTS).take(EVENTS) {
        spent.push(town.timed(Caller::Operator, HostCommand::Drain { host: *host }));
        while town.dynos_on(*host) > 0 {
            spent.extend(town.settle());
        }
    }
    report(&format!("{what}, a host is emptied, each step"), &mut spent);

    let full =
        town.world.hosts().filter(|host| town.world.committed(host.id) > host.capacity.memory);
    println!(
        "{what}: {} moves, {} of them without need; {} hosts with too much, {} dynos that wait",
        town.moves,
        town.needless,
        full.count(),
        town.world.unplaced().count()
    );
}

/// Prints the middle one, the 99th of a hundred, and the longest.
fn report(what: &str, spent: &mut [Duration]) {
    spent.sort_unstable();
    let at = |part: f64| spent[((spent.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
    println!("{what}: p50 {:.3} ms, p99 {:.3} ms, longest {:.3} ms", at(0.5), at(0.99), at(1.0));
}

struct Random(u64);

impl Random {
    /// The next number below a bound (splitmix64).
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

struct Town {
    world: World,
    ids: Sequence,
    now: Timestamp,
    /// Dynos that had a host and now have another one, or whose place another one has that runs
    /// elsewhere though nobody asked for it.
    moves: u32,
    /// Those of them whose host was neither lost nor to be emptied.
    needless: u32,
}

impl Town {
    fn new() -> Self {
        let mut town = Self {
            world: World::default(),
            ids: Sequence::default(),
            now: Timestamp::from_millis(1_780_000_000_000),
            moves: 0,
            needless: 0,
        };
        let instance = "bench".to_owned();
        let set_up = IdentityCommand::SetUp { region: Region::DEFAULT, emulator: false, instance };
        town.ask(Caller::Operator, set_up);
        for quota in [Quota::Dynos, Quota::Memory] {
            let most = Some(1_000_000);
            town.ask(Caller::Operator, IdentityCommand::SetQuota { of: QuotaOf::All, quota, most });
        }
        town
    }

    /// Decides, goes on from there, and looks for what has moved.
    fn ask(&mut self, caller: Caller, command: impl Into<Command>) -> Reply {
        let command = command.into();
        let decided = self.world.decide(caller, &command, self.now, &mut self.ids);
        let decided = decided.unwrap_or_else(|refused| panic!("{command:?}: {refused}"));
        let before = std::mem::replace(&mut self.world, decided.world);
        self.count_moves(&before, &decided.changes);
        decided.reply
    }

    /// Decides, and says how long that took.
    fn timed(&mut self, caller: Caller, command: impl Into<Command>) -> Duration {
        let command = command.into();
        let start = Instant::now();
        let decided = self.world.decide(caller, &command, self.now, &mut self.ids);
        let took = start.elapsed();
        let decided = decided.unwrap_or_else(|refused| panic!("{command:?}: {refused}"));
        let before = std::mem::replace(&mut self.world, decided.world);
        self.count_moves(&before, &decided.changes);
        took
    }

    fn count_moves(&mut self, before: &World, changes: &[Change]) {
        let keys: BTreeSet<Key> = changes.iter().map(Change::key).collect();
        for key in keys {
            let Key::Dyno(id) = key else { continue };
            let (Some(old), Some(new)) = (before.dyno(id), self.world.dyno(id)) else { continue };
            let Some(host) = old.host else { continue };
            let replaced = new.superseded && !old.superseded;
            if new.host == Some(host) && !replaced {
                continue;
            }
            // Nobody releases or restarts anything here: who loses a place by scaling has no successor.
            if replaced && self.world.dyno_named(old.app, &old.name).is_none() {
                continue;
            }
            self.moves += 1;
            let host = self.world.host(host);
            let needed = host.is_none_or(|host| host.lost.is_some() || host.draining);
            self.needless += u32::from(!needed);
        }
    }

    fn add_hosts(&mut self) {
        for n in 0..HOSTS {
            let [_, _, third, fourth] = n.to_be_bytes();
            let gib = [64, 128, 256][n as usize % 3];
            let new = NewHost {
                name: format!("host-{n}"),
                facts: HostFacts {
                    address: [10, 200, third, fourth].into(),
                    zone: format!("zone-{}", n % ZONES),
                    labels: BTreeMap::new(),
                    capacity: HostCapacity { memory: gib * GIB, cpus: 32 },
                    version: String::new(),
                },
            };
            let add = if n == 0 { HostCommand::Init(new) } else { HostCommand::Join(new) };
            self.ask(Caller::Operator, add);
        }
    }

    /// Apps with one dyno each. A fifth of them has larger ones.
    fn add_apps(&mut self) -> Vec<AppId> {
        let email = "ada@example.com".to_owned();
        let ada = self.ask(Caller::Operator, IdentityCommand::CreateUser { email });
        let Some(Key::User(ada)) = ada.main() else { panic!("no user") };
        let spaces: Vec<_> = (0..TEAMS).map(|n| self.space(ada, n)).collect();
        let apps = (0..APPS).map(|n| {
            let size = if (n / TEAMS).is_multiple_of(5) { "Private-M" } else { "Private-S" };
            self.app(spaces[(n % TEAMS) as usize], ada, n, size)
        });
        apps.collect()
    }

    /// A space of a team of its own.
    fn space(&mut self, ada: UserId, n: u32) -> SpaceId {
        let create = IdentityCommand::CreateTeam { name: format!("team-{n}"), admin: ada };
        let Some(Key::Team(team)) = self.ask(Caller::Operator, create).main() else {
            panic!("no team")
        };
        let create = PlatformCommand::CreateSpace {
            name: format!("space-{n}"),
            team,
            region: None,
            cidr: None,
            data_cidr: None,
        };
        let Some(Key::Space(id)) = self.ask(Caller::User(ada), create).main() else {
            panic!("no space")
        };
        let space = self.world.space(id).expect("it was made");
        let seen = Observation {
            vpcs: [space.vpc, space.data_vpc].into(),
            carried: [space.data_peering].into(),
            ..Observation::default()
        };
        self.ask(Caller::System, SystemCommand::Observe(seen));
        id
    }

    fn app(&mut self, space: SpaceId, ada: UserId, n: u32, size: &str) -> AppId {
        let ada = Caller::User(ada);
        let name = Some(format!("app-{n}"));
        let create = PlatformCommand::CreateApp { name, space, internal_routing: false };
        let Some(Key::App(app)) = self.ask(ada, create).main() else { panic!("no app") };
        let process_types = BTreeMap::from([("web".to_owned(), "serve".to_owned())]);
        let create =
            PlatformCommand::CreateSlug { app, process_types, commit: None, checksum: None };
        let Some(Key::Slug(slug)) = self.ask(ada, create).main() else { panic!("no slug") };
        self.release(app, slug, ada);
        let update = update(None, Some(size.to_owned()));
        self.ask(ada, PlatformCommand::Scale { app, updates: vec![update] });
        app
    }

    fn release(&mut self, app: AppId, slug: SlugId, ada: Caller) {
        let stored = StoredCode { size: 1, unpacked: 1, ..StoredCode::default() };
        self.ask(Caller::System, SystemCommand::StoreSlug { slug, stored });
        self.ask(ada, PlatformCommand::CreateRelease { app, slug, description: None });
    }

    fn scale(&mut self, app: AppId, more: i32) -> Duration {
        let updates = vec![update(Some(Quantity::By(more)), None)];
        self.timed(Caller::Operator, PlatformCommand::Scale { app, updates })
    }

    fn dynos_on(&self, host: HostId) -> usize {
        self.world.dynos_in(Key::Host(host)).filter(|dyno| !dyno.state.ended()).count()
    }

    /// Has everything come up that starts, and end that is to; says how long each took.
    fn settle(&mut self) -> Vec<Duration> {
        let busy = |state| !matches!(state, DynoState::Up | DynoState::Down | DynoState::Crashed);
        let busy: Vec<(DynoId, DynoState)> = self
            .world
            .dynos()
            .filter(|dyno| busy(dyno.state) && dyno.host.is_some())
            .map(|dyno| (dyno.id, dyno.state))
            .collect();
        let mut spent = Vec::new();
        for (id, state) in busy {
            let workload = WorkloadId::Dyno(id);
            let process = |report| Observation {
                workloads: [(workload, report)].into(),
                ..Observation::default()
            };
            let edge = |event| Observation { edge: vec![event], ..Observation::default() };
            let seen = match state {
                DynoState::Starting | DynoState::Booting => edge(EdgeEvent::Bound(id)),
                DynoState::Draining => edge(EdgeEvent::Drained(id)),
                _ => process(WorkloadReport::Gone),
            };
            spent.push(self.timed(Caller::System, SystemCommand::Observe(seen)));
        }
        spent
    }

    fn start_all(&mut self) {
        let starting = self.world.dynos().filter(|dyno| dyno.state == DynoState::Starting);
        let edge = starting.map(|dyno| EdgeEvent::Bound(dyno.id)).collect();
        let seen = Observation { edge, ..Observation::default() };
        self.ask(Caller::System, SystemCommand::Observe(seen));
    }

    /// By how many the zones of an app, and its hosts, differ at most.
    fn spread(&self, apps: &[AppId]) -> String {
        let (mut zones_differ, mut most_on_host) = (0, 0);
        for app in apps {
            let mut zones: BTreeMap<&str, u32> =
                self.world.hosts().map(|host| (host.zone.as_str(), 0)).collect();
            let mut hosts: BTreeMap<HostId, u32> = BTreeMap::new();
            for dyno in self.world.dynos_in(Key::App(*app)).filter(|dyno| !dyno.state.ended()) {
                let Some(Record::Host(host)) =
                    dyno.host.and_then(|id| self.world.get(Key::Host(id)))
                else {
                    continue;
                };
                *zones.entry(&host.zone).or_default() += 1;
                *hosts.entry(host.id).or_default() += 1;
            }
            let most = zones.values().max().copied().unwrap_or_default();
            let least = zones.values().min().copied().unwrap_or_default();
            zones_differ = zones_differ.max(most - least);
            most_on_host = most_on_host.max(hosts.into_values().max().unwrap_or_default());
        }
        format!(
            "zones of an app differ by {zones_differ}, {most_on_host} of an app on a host at most"
        )
    }
}

fn update(quantity: Option<Quantity>, size: Option<String>) -> FormationUpdate {
    FormationUpdate { process_type: "web".to_owned(), quantity, size }
}
