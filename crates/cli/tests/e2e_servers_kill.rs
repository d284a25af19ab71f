//! Three servers on one PostgreSQL under load, of which one is killed, stopped for a while or parted from the
//! database, or the database itself ends, again and again: some order of all requests explains what every client saw, so that nothing that was acknowledged
//! is lost and nothing is done twice, and the others go on.
//!
//! `scripts/soak --servers` runs many more rounds.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

#[path = "../../server/src/cluster/tests/history.rs"]
mod history;
#[path = "e2e_servers_kill/proxy.rs"]
mod proxy;
#[path = "e2e_servers_kill/seen.rs"]
mod seen;
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use proxy::{Mode, Proxy};
use seen::{Addresses, Crowd, wait};
use support::Server;
use support::postgres::Server as Postgres;
use support::raw::{Chance, Client, given};

/// How many servers there are.
const SERVERS: usize = 3;
/// How long a server is stopped or away: longer than the lease, so that another one leads by then.
const LONGER_THAN_THE_LEASE: Duration = Duration::from_secs(9);

/// Which server leads, as one that is there knows it.
fn leader(server: &Server) -> Option<usize> {
    let servers = server.causeway(&["servers", "--json"]).json();
    let leads = |entry: &&Value| entry["leader"] == true;
    let name = servers.as_array().unwrap().iter().find(leads)?["name"].as_str()?;
    name.strip_prefix("server-")?.parse().ok()
}

/// How far the commit is of a server that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The database does not have it, and may get it later.
    Unsent,
    /// It took effect, and the server does not know.
    Unheard,
    /// The server has just heard of it, and nobody else.
    Untold,
}

/// In the order in which they are to go.
struct Installation {
    servers: Vec<Server>,
    /// Between each server and the database.
    proxies: Vec<Proxy>,
    postgres: Postgres,
    _scratch: tempfile::TempDir,
}

impl Installation {
    fn start() -> Self {
        let postgres = Postgres::start("");
        let database = postgres.database();
        let scratch = tempfile::tempdir().unwrap();
        let passwords = scratch.path().join("pgpass");
        fs::write(&passwords, "*:*:*:app:secret of the test\n").unwrap();
        fs::set_permissions(&passwords, fs::Permissions::from_mode(0o600)).unwrap();
        let (mut servers, mut proxies): (Vec<Server>, Vec<Proxy>) = (Vec::new(), Vec::new());
        for number in 0..SERVERS {
            let name = format!("server-{number}");
            let dir = scratch.path().join(&name);
            fs::create_dir(&dir).unwrap();
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
            if let Some(first) = servers.first() {
                let key = Path::new("secret.key");
                fs::copy(first.data.path().join(key), dir.join(key)).unwrap();
            }
            let proxy = Proxy::before(postgres.place());
            let (place, passwords) = (proxy.place(), passwords.display());
            let url = format!("postgres://app@{place}/{database}?passfile={passwords}");
            let arguments = ["--fabric", "none", "--store", &url, "--server-name", &name];
            servers.push(Server::on(&dir, &[&arguments[..], &["--rate-limit", "0"]].concat()));
            proxies.push(proxy);
        }
        servers[0].heroku(&["spaces:create", "yard", "--team", "team"]).ok();
        Self { servers, proxies, postgres, _scratch: scratch }
    }

    fn addresses(&self) -> Addresses {
        std::array::from_fn(|at| {
            Some(self.servers[at].url.strip_prefix("http://").unwrap().to_owned())
        })
    }

    fn crowd(&self, round: u64, chance: &mut Chance) -> Crowd {
        Crowd::start(round, Client::of(&self.servers[0]), self.addresses(), chance)
    }

    /// The one that leads, or any, by turns; whether it leads.
    fn failing(&self, round: u64, chance: &mut Chance) -> (usize, bool) {
        let leading = leader(&self.servers[0]);
        let any = usize::try_from(chance.below(SERVERS as u64)).unwrap();
        let failing = leading.filter(|_| round % 2 == 1).unwrap_or(any);
        (failing, leading == Some(failing))
    }

    /// One server is killed, or stopped for a while.
    fn lose_a_server(&mut self, round: u64, seed: u64) -> String {
        let mut chance = Chance(seed.wrapping_mul(1_000_003).wrapping_add(round));
        let crowd = self.crowd(round, &mut chance);
        let (failing, led) = self.failing(round, &mut chance);
        let stops = round % 8 == 1;
        crowd.answers(30 + chance.below(100), None);
        let pid = Pid::from_raw(self.servers[failing].pid().cast_signed());
        crowd.fault(Some(failing));
        let since = Instant::now();
        if stops {
            kill(pid, Signal::SIGSTOP).unwrap();
        } else {
            self.servers[failing].kill();
        }
        let another = (led && round % 4 == 1).then(|| self.another_leads(failing, since));
        crowd.answers(30, Some(failing));
        crowd.goes_on();
        if stops {
            wait("the end of a pause", || since.elapsed() >= LONGER_THAN_THE_LEASE);
            // It believes for a moment that it is still what it was.
            kill(pid, Signal::SIGCONT).unwrap();
        } else {
            self.servers[failing].restart();
        }
        crowd.back(self.addresses(), failing);
        let role = if led { ", which led," } else { "" };
        let what = if stops { "stopped for a while" } else { "killed" };
        let another = another.map(|after| format!("; another led {} ms later", after.as_millis()));
        format!("server {failing}{role} was {what}: {}{}", crowd.end(), another.unwrap_or_default())
    }

    /// How long after a moment another server leads.
    fn another_leads(&self, failing: usize, since: Instant) -> Duration {
        let other = &self.servers[(failing + 1) % SERVERS];
        wait("another leader", || leader(other).is_some_and(|leads| leads != failing));
        since.elapsed()
    }

    /// The server that leads is killed at one step of a commit: before the database has it, before it is known
    /// that it took effect, or before anybody was told.
    fn lose_the_leader_at(&mut self, step: Step, round: u64, seed: u64) -> String {
        let mut chance = Chance(seed.wrapping_mul(1_000_039).wrapping_add(round));
        let crowd = self.crowd(round, &mut chance);
        let leading = || leader(&self.servers[0]);
        wait("a leader", || leading().is_some());
        let failing = leading().unwrap();
        crowd.answers(30 + chance.below(60), None);
        let proxy = &self.proxies[failing];
        match step {
            Step::Unsent => {
                proxy.set(Mode::HoldsQuestions);
                wait("a commit", || proxy.holds_a_commit());
            }
            Step::Unheard | Step::Untold => {
                proxy.set(Mode::HoldsAnswers);
                wait("a commit's end", || proxy.holds_what_became_of_a_commit());
            }
        }
        crowd.fault(Some(failing));
        if step == Step::Untold {
            // What it hears now, it has no time to say.
            proxy.set(Mode::Passes);
        }
        self.servers[failing].kill();
        let since = Instant::now();
        let another = self.another_leads(failing, since);
        crowd.goes_on();
        // What was on its way arrives now, when others have gone on.
        self.proxies[failing].set(Mode::Passes);
        crowd.answers(60, Some(failing));
        self.servers[failing].restart();
        crowd.back(self.addresses(), failing);
        let another = another.as_millis();
        format!("killed with a commit {step:?}; another led {another} ms later: {}", crowd.end())
    }

    /// One server does not reach the database for longer than its lease: what it sent arrives later, or
    /// never.
    fn part_a_server(&self, round: u64, seed: u64) -> String {
        let mut chance = Chance(seed.wrapping_mul(1_000_033).wrapping_add(round));
        let crowd = self.crowd(round, &mut chance);
        let (failing, led) = self.failing(round, &mut chance);
        let late = round % 2 == 1;
        crowd.answers(30 + chance.below(100), None);
        crowd.fault(Some(failing));
        let since = Instant::now();
        self.proxies[failing].set(if late { Mode::Holds } else { Mode::Cuts });
        crowd.answers(30, Some(failing));
        crowd.goes_on();
        wait("the end of a parting", || since.elapsed() >= LONGER_THAN_THE_LEASE);
        self.proxies[failing].set(Mode::Passes);
        crowd.back(self.addresses(), failing);
        let role = if led { ", which led," } else { "" };
        let what = if late { "sent what arrived late" } else { "was cut off" };
        format!("server {failing}{role} {what}: {}", crowd.end())
    }

    /// The database ends in the middle of what it does, and is started again.
    fn restart_the_database(&mut self, round: u64, seed: u64) -> String {
        let mut chance = Chance(seed.wrapping_mul(1_000_037).wrapping_add(round));
        let crowd = self.crowd(round, &mut chance);
        crowd.answers(30 + chance.below(100), None);
        crowd.fault(None);
        let since = Instant::now();
        self.postgres.stop("QUIT");
        self.postgres.start_again();
        let away = since.elapsed().as_millis();
        crowd.goes_on();
        for which in 0..SERVERS {
            crowd.back(self.addresses(), which);
        }
        format!("the database was away for {away} ms: {}", crowd.end())
    }
}

#[test]
fn some_order_explains_what_clients_see_while_servers_fail() {
    let rounds = given("CAUSEWAY_TEST_SERVER_ROUNDS").unwrap_or(4);
    let seed = given("CAUSEWAY_TEST_SEED").unwrap_or(1);
    let mut installation = Installation::start();
    for round in 1..=rounds {
        let what = installation.lose_a_server(round, seed);
        println!("round {round} of {rounds}: {what}");
    }
}

#[test]
fn some_order_explains_what_clients_see_while_the_leader_is_killed_at_each_step_of_a_commit() {
    let rounds = given("CAUSEWAY_TEST_SERVER_ROUNDS").map_or(1, |rounds| rounds.div_ceil(10));
    let seed = given("CAUSEWAY_TEST_SEED").unwrap_or(1);
    let mut installation = Installation::start();
    let steps = [Step::Unsent, Step::Unheard, Step::Untold];
    for (round, step) in
        (1..=rounds).flat_map(|_| steps).zip(1..).map(|(step, round)| (round, step))
    {
        let what = installation.lose_the_leader_at(step, round, seed);
        println!("round {round} of {}: {what}", 3 * rounds);
    }
}

#[test]
fn some_order_explains_what_clients_see_while_the_database_fails() {
    let rounds = given("CAUSEWAY_TEST_SERVER_ROUNDS").map_or(2, |rounds| rounds.div_ceil(10));
    let seed = given("CAUSEWAY_TEST_SEED").unwrap_or(1);
    let mut installation = Installation::start();
    for round in 1..=rounds {
        let what = match round % 3 {
            2 => installation.restart_the_database(round, seed),
            _ => installation.part_a_server(round, seed),
        };
        println!("round {round} of {rounds}: {what}");
    }
}
