//! Clients that create, remove and look for the same few things through three servers, while servers fail in
//! the middle of commits, are ended and started again, and the lease changes hands: what they saw of each
//! thing has an order that explains it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::Instant;

use model::{Caller, Command, Ec2Command, KeyKind, NewKeyPair, Scope};
use store::Holder;
use store::faulty::Fault;

use super::history::{Asked, Seen, is_linearizable};
use super::*;

const SERVERS: usize = 3;
const CLIENTS: u64 = 4;
/// Of each client in a round; the check takes 128 of each thing.
const REQUESTS: usize = 60;
const THINGS: u64 = 6;
const ROUNDS: u64 = 6;

/// Numbers that follow from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "at what moment a server is killed is left to chance"
)]
fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// A server as clients have it.
struct Node {
    ledger: Ledger,
    fresh: Fresh,
    faults: Faults,
    stop: CancellationToken,
}

impl Node {
    fn start(town: &Town) -> Self {
        let server = town.server("node");
        let stop = CancellationToken::new();
        let look = server.look(town.store.handle().unwrap());
        let parts = fresh::Parts { look, metrics: Arc::default(), stop: stop.clone() };
        let (fresh, _) = fresh::start(parts, &Supervisor::new(|_| ())).unwrap();
        let (ledger, faults) = (server.ledger.clone(), server.faults);
        Self { ledger, fresh, faults, stop }
    }

    /// Has what is under way fail, and nothing begin any more.
    fn kill(&self, chance: &mut Chance) {
        let faults = [Fault::Before, Fault::After, Fault::Conflict];
        self.faults.plan([Some(faults[chance.below(3) as usize]); 8]);
        self.faults.silence(true);
        pause(chance.below(8));
        self.ledger.stop();
        self.stop.cancel();
    }
}

struct Client<'a> {
    nodes: &'a [RwLock<Arc<Node>>],
    caller: Caller,
    scope: Scope,
    began: Instant,
}

impl Client<'_> {
    fn time(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap()
    }

    /// Asks a server for something; `None` where nothing was done, for sure.
    fn ask(&self, asked: Asked, thing: &str, node: &Node) -> Option<Seen> {
        let began = self.time();
        let outcome = match asked {
            Asked::Describe => self.describe(thing, node),
            Asked::Create => match self.submit(node, create(thing)) {
                Ok(_) => Some(true),
                Err(LedgerError::Refused(_)) => Some(false),
                Err(LedgerError::Store) => return None,
                Err(_) => None,
            },
            Asked::Delete => match self.submit(node, delete(thing)) {
                Ok(done) => Some(done.reply.main().is_some()),
                Err(LedgerError::Store) => return None,
                Err(_) => None,
            },
        };
        let ended = outcome.map(|_| self.time());
        Some(Seen { asked, began, ended, yes: outcome.unwrap_or_default() })
    }

    fn submit(&self, node: &Node, command: Ec2Command) -> Result<ledger::Committed, LedgerError> {
        let command = Command::Ec2(command);
        let request = Request { caller: self.caller, ..Request::system(command) };
        node.ledger.submit_blocking(request)
    }

    fn describe(&self, thing: &str, node: &Node) -> Option<bool> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(node.fresh.wait()).ok()?;
        let world = node.ledger.world();
        let found = world
            .key_pairs()
            .any(|pair| *pair.name == *thing && pair.account == self.scope.account);
        Some(found)
    }
}

fn create(name: &str) -> Ec2Command {
    Ec2Command::ImportKeyPair(NewKeyPair {
        name: name.to_owned(),
        kind: KeyKind::Ed25519,
        fingerprint: "print".to_owned(),
        public_key: "ssh-ed25519 AAAA".to_owned(),
        tags: model::Tags::new(),
    })
}

fn delete(name: &str) -> Ec2Command {
    Ec2Command::DeleteKeyPair { id: None, name: Some(name.to_owned()) }
}

fn run(seed: u64) {
    let town = Town::new();
    let maker = town.server("maker");
    let (region, instance) = (Region::DEFAULT, "t1".to_owned());
    let operator = |command: IdentityCommand| {
        let request = Request { caller: Caller::Operator, ..Request::system(command) };
        maker.ledger.submit_blocking(request).unwrap()
    };
    operator(IdentityCommand::SetUp { region, emulator: false, instance });
    operator(IdentityCommand::CreateAccount { name: "acme".to_owned() });
    let account = maker.ledger.world().account_named("acme").unwrap().id;
    maker.end();
    let scope = Scope { account, region };
    let caller = Caller::Account { scope, read_only: false };
    let nodes: Vec<_> = (0..SERVERS).map(|_| RwLock::new(Arc::new(Node::start(&town)))).collect();
    let histories: Mutex<Vec<(String, Seen)>> = Mutex::default();
    let (began, over) = (Instant::now(), AtomicBool::new(false));
    let kills = std::thread::scope(|threads| {
        let client = |n: u64| {
            let (nodes, histories) = (&nodes, &histories);
            move || {
                let client = Client { nodes, caller, scope, began };
                let mut chance = Chance(seed.wrapping_mul(1_000) + n);
                for round in 0..ROUNDS {
                    for _ in 0..REQUESTS / 4 {
                        let thing = format!("thing-{round}-{}", chance.below(THINGS));
                        let asked = match chance.below(4) {
                            0 => Asked::Create,
                            1 => Asked::Delete,
                            _ => Asked::Describe,
                        };
                        let node = Arc::clone(
                            &client.nodes[chance.below(SERVERS as u64) as usize].read().unwrap(),
                        );
                        if let Some(seen) = client.ask(asked, &thing, &node) {
                            histories.lock().unwrap().push((thing, seen));
                        }
                    }
                }
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|n| threads.spawn(client(n))).collect();
        let (nodes, over) = (&nodes, &over);
        let killer = threads.spawn(move || {
            let mut chance = Chance(seed);
            let mut leaders = town.store.handle().unwrap();
            let mut kills = 0;
            while !over.load(Ordering::Relaxed) {
                pause(1 + chance.below(10));
                let victim = &nodes[chance.below(SERVERS as u64) as usize];
                let old = Arc::clone(&victim.read().unwrap());
                old.kill(&mut chance);
                *victim.write().unwrap() = Arc::new(Node::start(&town));
                // Others lead, and at once others again: all that is under way is fenced.
                let me = Holder { id: format!("leader-{kills}"), address: String::new() };
                leaders.lease(&me, Duration::ZERO).unwrap();
                kills += 1;
            }
            kills
        });
        clients.into_iter().for_each(|client| client.join().unwrap());
        over.store(true, Ordering::Relaxed);
        killer.join().unwrap()
    });
    assert!(kills > 0);
    for node in nodes {
        let node = node.into_inner().unwrap();
        node.ledger.stop();
        node.stop.cancel();
    }
    let mut all = histories.into_inner().unwrap();
    all.sort_by(|a, b| (&a.0, a.1.began).cmp(&(&b.0, b.1.began)));
    let answered = all.iter().filter(|(_, seen)| seen.ended.is_some()).count();
    assert!(answered * 2 > all.len(), "{answered} of {} requests were answered", all.len());
    for of_one in all.chunk_by(|a, b| a.0 == b.0) {
        let seen: Vec<Seen> = of_one.iter().map(|(_, seen)| *seen).collect();
        assert!(is_linearizable(&seen), "seed {seed}, {}: {seen:#?}", of_one[0].0);
    }
}

#[test]
fn what_clients_saw_through_servers_that_were_killed_has_an_order() {
    // More of them: CAUSEWAY_SEEDS=1000.
    let seeds = std::env::var("CAUSEWAY_SEEDS").ok().and_then(|text| text.parse().ok());
    (1..=seeds.unwrap_or(3)).for_each(run);
}
