//! Random play with apps: what people ask for, what processes and the edge report, and time, in
//! any order. Nothing panics, and what always holds, holds after each step.

mod holds;
mod holds_hosts;
mod player;

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use self::player::Player;
use super::fixture::*;
use crate::PlatformCommand as C;
use crate::edge::{Domains, EdgeEvent, EdgeIntent};
use crate::intent::Intent;
use crate::*;

/// What chance a step is made from.
type Dice = [u8; 6];

/// The platform's domains.
fn domains() -> Domains {
    Domains::default()
}

/// A town, with what the fabric and the edge were told of it.
struct Game {
    town: Town,
    told: Intent,
    told_edge: EdgeIntent,
    told_hosts: holds_hosts::Told,
    /// How many steps were granted, by what they were.
    granted: BTreeMap<String, u32>,
}

impl Game {
    /// A space that the fabric may not carry yet with an app, and a customer's VPC with an
    /// instance.
    fn new(allocated: bool) -> Self {
        let mut town = if allocated { Town::allocated() } else { Town::new() };
        let bench = &mut town.bench;
        let (owner, region) = (account(700), region(VIRGINIA));
        bench.ok(Caller::Operator, IdentityCommand::EnsureAccount { id: owner, region });
        let run = RunInstances { subnet: None, ..super::shop::run(SubnetId::MIN) };
        bench.ok(key(scope(700, VIRGINIA)), Ec2Command::RunInstances(run));
        deploy(&mut town);
        let bench = &town.bench;
        let told = plan(&bench.world, bench.now);
        let told_edge = plan_edge(&bench.world, &domains());
        let told_hosts = holds_hosts::Told::default();
        Self { town, told, told_edge, told_hosts, granted: BTreeMap::new() }
    }

    /// Asks for something, and checks all that must hold.
    fn ask(&mut self, caller: Caller, command: impl Into<Command>) -> bool {
        let command = command.into();
        let bench = &mut self.town.bench;
        let before = bench.world.clone();
        let Ok((reply, changes)) = bench.run(caller, command.clone()) else {
            return false;
        };
        let after = &bench.world;
        holds::reply_names(&command, &reply, &before, after);
        if !changes.is_empty() {
            holds::after_step(&before, after, bench.now, &command);
            let worlds = (&before, after, bench.now);
            holds::follows(&mut self.told, &mut self.told_edge, worlds, &changes);
            holds_hosts::after_step(&before, after, &command);
            self.told_hosts.follow(worlds, &changes);
        }
        *self.granted.entry(command.name()).or_default() += 1;
        true
    }

    fn observe(&mut self, seen: Observation) -> bool {
        self.ask(Caller::System, SystemCommand::Observe(seen))
    }

    fn report(&mut self, id: WorkloadId, report: WorkloadReport) {
        self.observe(Observation { workloads: [(id, report)].into(), ..Observation::default() });
    }

    fn edge(&mut self, event: EdgeEvent) {
        self.observe(Observation { edge: vec![event], ..Observation::default() });
    }

    fn tick(&mut self) {
        self.ask(Caller::System, SystemCommand::Tick);
    }

    fn play(&mut self, dice: Dice) {
        match dice[0] {
            0..=127 => {
                let (caller, command) = Player { town: &self.town, dice }.ask();
                self.ask(caller, command);
            }
            128..=143 => {
                let (caller, command) = Player { town: &self.town, dice }.host_command();
                self.ask(caller, command);
            }
            144..=151 => self.customer(dice),
            152..=159 => self.platform_key(dice),
            160..=207 => {
                let (id, report) = Player { town: &self.town, dice }.report();
                self.report(id, report);
            }
            208..=229 => {
                let event = Player { town: &self.town, dice }.edge_event();
                self.edge(event);
            }
            230..=237 => {
                let seen = well(&self.town.bench.world);
                self.observe(seen);
            }
            238..=245 => self.tick(),
            246..=251 => {
                let seconds = [1, 10, 30, 60, 400, 400, 5000, 90_000];
                let span = seconds[usize::from(dice[1] % 8)];
                self.town.bench.pass(Duration::from_secs(span));
                if !dice[2].is_multiple_of(4) {
                    self.hear();
                }
            }
            252.. => self.until_due(),
        }
    }

    /// Waits for what time alone changes next.
    fn until_due(&mut self) {
        if let Some(due) = self.town.bench.world.next_deadline() {
            self.town.bench.now = self.town.bench.now.max(due);
        }
        self.tick();
    }

    /// Has every host be heard.
    fn hear(&mut self) {
        let hosts = self.town.bench.world.hosts().map(|host| host.id).collect();
        self.ask(Caller::System, HostCommand::Heard { hosts });
    }

    /// Has some hosts be heard, and others not: a bit for each.
    fn hear_some(&mut self, which: u8) {
        let all = self.town.bench.world.hosts().map(|host| host.id).enumerate();
        let hosts = all.filter(|(at, _)| which >> (at % 8) & 1 == 1).map(|(_, id)| id).collect();
        self.ask(Caller::System, HostCommand::Heard { hosts });
    }

    /// A step of hosts that come and go: they join, drain, fall silent and are lost, each by itself, come back
    /// and are removed, while what runs on them reports, and people ask for a little.
    fn play_hosts(&mut self, dice: Dice) {
        match dice[0] {
            0..=89 => {
                let (caller, command) = Player { town: &self.town, dice }.host_command();
                self.ask(caller, command);
            }
            90..=134 => self.hear_some(dice[1]),
            135..=174 => {
                let seconds = [1, 5, 10, 20, 29, 31, 45, 90][usize::from(dice[1] % 8)];
                self.town.bench.pass(Duration::from_secs(seconds));
                self.tick();
            }
            175..=204 => {
                let seen = well(&self.town.bench.world);
                self.observe(seen);
            }
            205..=229 => {
                let (id, report) = Player { town: &self.town, dice }.report();
                self.report(id, report);
            }
            230..=245 => {
                let (caller, command) = Player { town: &self.town, dice }.ask();
                self.ask(caller, command);
            }
            246.. => self.until_due(),
        }
    }

    /// Where there are hosts, adds one that has room for everything.
    fn make_room(&mut self) {
        self.hear();
        if self.town.bench.world.has_hosts() {
            let new = super::host::new_host(200, "spare", 1 << 20);
            self.ask(Caller::Operator, HostCommand::Join(new));
        }
    }

    /// A peering comes and goes.
    fn customer(&mut self, dice: Dice) {
        let owner = scope(700, VIRGINIA);
        let space = self.town.space;
        let Some(own) = self.town.bench.world.space(space).map(|space| space.vpc) else { return };
        let world = &self.town.bench.world;
        let vpc = world.vpcs_of(Key::Account(owner.account)).next().map(|vpc| vpc.id);
        let pcx = world.peerings_of(Key::Vpc(own)).find(|p| p.requester.account == owner.account);
        let (pcx, platform) = (pcx.map(|p| p.id), self.town.bench.platform());
        match (dice[1] % 4, pcx, vpc) {
            (0, Some(peering), _) => {
                self.ask(key(owner), Ec2Command::DeletePeering { peering });
            }
            (1, Some(peering), _) => {
                self.ask(self.town.admin(), C::DeletePeering { space, peering });
            }
            (2, Some(peering), _) => {
                self.ask(self.town.admin(), C::AcceptPeering { space, peering });
            }
            (_, _, Some(vpc)) => {
                let command = Ec2Command::CreatePeering {
                    vpc,
                    peer_vpc: own,
                    peer_owner: Some(platform),
                    peer_region: Some(owner.region),
                    tags: Tags::new(),
                };
                self.ask(key(owner), command);
            }
            (_, _, None) => {}
        }
    }

    /// A key of the platform's account tries to change what the platform made.
    fn platform_key(&mut self, dice: Dice) {
        let scope = platform_scope(&self.town);
        let [_, a, b, c, d, e] = dice;
        let dice = [a, b, c, d, e, a.wrapping_mul(31)];
        let player =
            super::super::tests_ec2::random::Player { world: &self.town.bench.world, scope, dice };
        let command = player.command();
        let before = self.town.bench.world.clone();
        if self.ask(key(scope), command.clone()) {
            holds::untouched(&before, &self.town.bench.world, &command);
        }
    }

    /// Has every process do what it is for until nothing is left to be done, which must not take
    /// long.
    fn settle(&mut self) {
        self.make_room();
        let dynos = self.town.bench.world.dynos().count();
        let bound = 10 * dynos + 50;
        for _ in 0..bound {
            let seen = well(&self.town.bench.world);
            let news = seen != Observation { vpcs: seen.vpcs.clone(), ..Observation::default() };
            let before = self.town.bench.world.clone();
            self.observe(seen);
            if !news || before.records().eq(self.town.bench.world.records()) {
                let Some(due) = holds_hosts::deadline_beside_hosts(&self.town.bench.world) else {
                    holds_hosts::at_rest(&self.town.bench.world);
                    return holds::at_rest(&self.town.bench.world);
                };
                self.town.bench.now = self.town.bench.now.max(due);
                self.hear();
                self.tick();
            }
        }
        let due = holds_hosts::deadline_beside_hosts(&self.town.bench.world);
        panic!("no rest after {bound} rounds: {due:?}");
    }

    /// Takes everything down, and looks for what is left of it.
    fn clear(&mut self) {
        self.town.bench.pass(DAY);
        self.hear();
        self.tick();
        holds::aged(&self.town.bench.world);
        let apps: Vec<_> = self.town.bench.world.apps().map(|app| app.id).collect();
        for app in apps {
            assert!(self.ask(self.town.admin(), C::DeleteApp { app }));
        }
        holds::no_apps(&self.town.bench.world);
        let space = self.town.space();
        assert!(self.ask(self.town.admin(), C::DeleteSpace { space: space.id }));
        holds::no_space(&self.town.bench.world, &space);
    }
}

/// An app with code, so that random requests have something to be about.
fn deploy(town: &mut Town) {
    let (admin, space) = (town.admin(), town.space);
    let name = Some("app-0".to_owned());
    let create = C::CreateApp { name, space, internal_routing: false };
    let Some(Key::App(app)) = town.bench.ok(admin, create).main() else { panic!("no app") };
    let types = [("web", "serve"), ("worker", "work")];
    let process_types = types.map(|(name, command)| (name.to_owned(), command.to_owned())).into();
    let create = C::CreateSlug { app, process_types, commit: None, checksum: None };
    let Some(Key::Slug(slug)) = town.bench.ok(admin, create).main() else { panic!("no slug") };
    let stored = StoredCode { size: 1, unpacked: 1, ..StoredCode::default() };
    town.bench.ok(Caller::System, SystemCommand::StoreSlug { slug, stored });
    town.bench.ok(admin, C::CreateRelease { app, slug, description: None });
}

/// What would be seen if every process did all that it is asked to.
fn well(world: &World) -> Observation {
    let runs = |id| !world.waits_for_host(id);
    let dyno = |dyno: &Dyno| match dyno.state {
        DynoState::Starting => Some(WorkloadReport::Running),
        DynoState::Up if dyno.is_release_command() => Some(WorkloadReport::Ended(Exit::Code(0))),
        DynoState::Stopping => Some(WorkloadReport::Ended(Exit::Signal(15))),
        DynoState::Booting
        | DynoState::Up
        | DynoState::Draining
        | DynoState::Down
        | DynoState::Crashed => None,
    };
    let edge = |dyno: &Dyno| match dyno.state {
        DynoState::Booting => Some(EdgeEvent::Bound(dyno.id)),
        DynoState::Draining => Some(EdgeEvent::Drained(dyno.id)),
        DynoState::Starting
        | DynoState::Up
        | DynoState::Stopping
        | DynoState::Down
        | DynoState::Crashed => None,
    };
    let addon = |addon: &Addon| match addon.state {
        AddonState::Provisioning => Some(WorkloadReport::Running),
        AddonState::Provisioned | AddonState::Crashed => None,
    };
    let dynos = world.dynos().filter_map(|d| Some((WorkloadId::Dyno(d.id), dyno(d)?)));
    let addons = world.addons().filter_map(|a| Some((WorkloadId::Service(a.id), addon(a)?)));
    let peerings_in =
        |state| world.peerings().filter(move |pcx| pcx.state == state).map(|pcx| pcx.id).collect();
    Observation {
        vpcs: world.vpcs().map(|vpc| vpc.id).collect(),
        carried: peerings_in(PeeringState::Provisioning),
        gone: peerings_in(PeeringState::Deleting),
        workloads: dynos.chain(addons).filter(|(id, _)| runs(*id)).collect(),
        edge: world.dynos().filter_map(|dyno| edge(dyno)).collect(),
    }
}

/// The platform's account, where the space is, or was.
fn platform_scope(town: &Town) -> Scope {
    Scope { account: town.bench.platform(), region: region(VIRGINIA) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 600, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_apps_stay_whole(
        allocated in any::<bool>(),
        steps in proptest::collection::vec(any::<Dice>(), 1..140)
    ) {
        let mut game = Game::new(allocated);
        for dice in steps {
            game.play(dice);
        }
        holds::can_be_saved(&game.town.bench);
        if game.town.bench.world.space(game.town.space).is_some() {
            game.settle();
            game.clear();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 600, ..ProptestConfig::default() })]

    #[test]
    fn hosts_come_and_go_in_every_order(
        steps in proptest::collection::vec(any::<Dice>(), 1..100)
    ) {
        let mut game = Game::new(true);
        let first = super::host::new_host(100, "a", 64);
        game.ask(Caller::Operator, HostCommand::Init(first));
        for dice in steps {
            game.play_hosts(dice);
        }
        holds::can_be_saved(&game.town.bench);
        if game.town.bench.world.space(game.town.space).is_some() {
            game.settle();
            game.clear();
        }
    }
}

/// The random steps are worth something only if enough of them are granted.
#[test]
fn random_play_reaches_what_it_is_to_test() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut granted, mut states) = (BTreeMap::new(), std::collections::BTreeSet::new());
    let mut commands = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let mut game = Game::new(true);
        for _ in 0..200 {
            game.play(any::<Dice>().new_tree(&mut runner).unwrap().current());
            let releases = game.town.bench.world.releases();
            let with_command = releases.filter(|release| release.command.is_some());
            commands.extend(with_command.map(|release| (release.id, release.status.name())));
            states.extend(
                game.town
                    .bench
                    .world
                    .dynos()
                    .map(|dyno| (dyno.state.name(), dyno.superseded, format!("{:?}", dyno.state))),
            );
        }
        for (name, count) in game.granted {
            *granted.entry(name).or_insert(0) += count;
        }
    }
    for name in ["Scale", "CreateRelease", "Rollback", "StopDynos", "RestartDynos", "CreateAddon"] {
        let count = granted.get(&format!("Platform.{name}")).copied().unwrap_or(0);
        assert!(count >= 5, "{name}: {granted:?}");
    }
    for name in ["AddLogDrain", "RemoveLogDrain", "SetSpaceLogDrain", "CreateAppWebhook"]
        .into_iter()
        .chain(["UpdateAppWebhook", "DeleteAppWebhook"])
    {
        assert!(granted.contains_key(&format!("Platform.{name}")), "{name}: {granted:?}");
    }
    for name in ["Init", "Join", "Drain", "Undrain", "Remove", "Lost", "Heard", "Connected"] {
        assert!(granted.contains_key(&format!("Host.{name}")), "{name}: {granted:?}");
    }
    let count = |status: &str| commands.iter().filter(|(_, at)| *at == status).count();
    assert!(
        ["pending", "succeeded", "failed"].map(count).into_iter().all(|n| n >= 2),
        "{commands:?}"
    );
    // All seven, and those that another one follows may be up, draining, stopping and ended.
    assert!(states.len() >= 11, "{states:?}");
}

/// So are those of hosts.
#[test]
fn hosts_that_come_and_go_reach_what_is_to_be_tested() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut granted, mut lost) = (BTreeMap::new(), std::collections::BTreeSet::new());
    for round in 0..6 {
        let mut game = Game::new(true);
        game.ask(Caller::Operator, HostCommand::Init(super::host::new_host(100, "a", 64)));
        for _ in 0..150 {
            game.play_hosts(any::<Dice>().new_tree(&mut runner).unwrap().current());
            let world = &game.town.bench.world;
            let heard = world.hosts().filter(|host| host.lost.is_none()).count();
            // Others are heard meanwhile.
            let silent = world.hosts().filter(|host| host.lost.is_some() && heard > 0);
            lost.extend(silent.map(|host| (round, host.id)));
        }
        for (name, count) in game.granted {
            *granted.entry(name).or_insert(0) += count;
        }
    }
    for name in ["Join", "Drain", "Undrain", "Remove", "Heard", "Lost"] {
        let count: u32 = granted.get(&format!("Host.{name}")).copied().unwrap_or(0);
        assert!(count >= 1, "{name}: {granted:?}");
    }
    assert!(lost.len() >= 3, "{lost:?}");
}
