//! Several servers on one database, without processes: each has a ledger on a handle of its own.

pub(crate) mod history;
mod kills;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};

use model::{Change, FabricDriver, IdentityCommand, Region, Settings, World};
use store::faulty::{Faults, Faulty};
use store::{DataDir, EventQuery, Sqlite};

use super::*;
use crate::clock::{Clock, SystemIds};
use crate::config::FabricKind;
use crate::ledger::{self, LedgerError, Mandate, Request, Step};

/// A database that several servers share.
struct Town {
    store: Box<dyn Store>,
    data: DataDir,
    _dir: tempfile::TempDir,
}

impl Town {
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let store = Box::new(Sqlite::open(&data).unwrap());
        Self { store, data, _dir: dir }
    }

    fn server(&self, name: &str) -> Server {
        let (store, faults) = Faulty::new(self.store.handle().unwrap());
        let (follow, steps) = channel();
        let (ledger, thread) = Ledger::start(ledger::Parts {
            store: Box::new(store),
            secret: self.data.secret().clone(),
            ids: Box::new(SystemIds),
            clock: Arc::new(Clock::system()),
            follow: Box::new(move |step| drop(follow.send(step))),
            metrics: Arc::default(),
            supervisor: Supervisor::new(|_| ()),
        })
        .unwrap();
        let me = Me {
            id: name.to_owned(),
            start: format!("{name}-1"),
            name: name.to_owned(),
            address: format!("http://{name}"),
        };
        let leadership = Leadership::candidate();
        let newest = Arc::<Newest>::default();
        let members = Arc::new(Members::new(me.clone(), leadership.clone(), Arc::clone(&newest)));
        let (tell, told) = channel();
        let (store, silenced) = Faulty::new(self.store.handle().unwrap());
        let keeper = Keeper {
            holder: me.holder(),
            store: Box::new(store),
            ledger: ledger.clone(),
            leadership: leadership.clone(),
            members: Arc::clone(&members),
            lease: LEASE,
            changed: Box::new(move || tell.send(()).unwrap()),
            stop: CancellationToken::new(),
        };
        Server {
            ledger,
            thread,
            steps,
            faults,
            keeper,
            silenced,
            members,
            leadership,
            newest,
            told,
        }
    }
}

/// A server whose keeper is moved by hand.
struct Server {
    ledger: Ledger,
    thread: JoinHandle<()>,
    steps: Receiver<Step>,
    faults: Faults,
    keeper: Keeper,
    silenced: Faults,
    members: Arc<Members>,
    leadership: Leadership,
    newest: Arc<Newest>,
    told: Receiver<()>,
}

impl Server {
    /// Has its keeper ask once, and tell the others that it is there.
    fn turn(&mut self) {
        self.keeper.turn(&mut None).unwrap();
    }

    fn create(&self, user: &str) -> Result<(), LedgerError> {
        self.ledger.submit_blocking(Request::system(create(user))).map(|_| ())
    }

    fn create_under(&self, mandate: Mandate, user: &str) -> Result<(), LedgerError> {
        self.ledger.submit_under(mandate, Request::system(create(user))).map(|_| ())
    }

    fn knows(&self, user: &str) -> bool {
        self.ledger.world().user_named(&email(user)).is_some()
    }

    /// Its look at the database by another handle.
    fn look(&self, store: Box<dyn Store>) -> Look {
        Look { store, ledger: self.ledger.clone(), newest: Arc::clone(&self.newest) }
    }

    /// What its loops hear of next.
    fn step(&self) -> Step {
        self.steps.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    /// Waits until its world is at a revision.
    fn wait_for(&self, revision: u64) {
        let mut published = self.ledger.watch();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(published.wait_for(|ours| *ours >= revision)).unwrap();
    }

    fn end(self) {
        self.ledger.stop();
        drop(self.keeper);
        self.thread.join().unwrap();
    }
}

fn email(user: &str) -> String {
    format!("{user}@example.com")
}

fn create(user: &str) -> IdentityCommand {
    IdentityCommand::CreateUser { email: email(user) }
}

#[test]
fn a_follower_has_what_another_server_committed_and_its_loops_hear_of_it() {
    let town = Town::new();
    let (one, two) = (town.server("one"), town.server("two"));
    for user in ["a", "b", "c"] {
        one.create(user).unwrap();
    }
    assert!(!two.knows("a"));
    two.ledger.follow();
    two.wait_for(one.ledger.revision());
    assert!(["a", "b", "c"].iter().all(|user| two.knows(user)));
    // Loops hear of it after the world is there.
    let mut changes = 0;
    while changes < 3 {
        let step = two.step();
        changes += step.changes.len();
        assert_eq!(changes == 3, step.revision == one.ledger.revision());
    }
    // Asked for nothing, it tells nobody anything.
    two.ledger.follow();
    two.create("d").unwrap();
    assert_eq!(two.step().revision, two.ledger.revision());
    [one, two].into_iter().for_each(Server::end);
}

#[test]
fn a_follower_that_is_too_far_behind_reads_everything_anew_and_serves_meanwhile() {
    let town = Town::new();
    let (one, two) = (town.server("one"), town.server("two"));
    one.create("first").unwrap();
    two.ledger.follow();
    two.wait_for(1);
    let old = two.ledger.world();
    // What was deleted is known for so many deletions only.
    let mut other = town.store.handle().unwrap();
    let rows = |revision| {
        (0..100_001).map(move |n| store::Row {
            kind: "user".to_owned(),
            id: format!("nobody-{n}"),
            account: String::new(),
            revision,
            body: "{}".to_owned(),
        })
    };
    let came = store::Batch {
        id: 1,
        expected_revision: 1,
        revision: 2,
        puts: rows(2).collect(),
        ..store::Batch::default()
    };
    other.commit(&came).unwrap();
    let deletes = came.puts.into_iter().map(|row| (row.kind, row.id)).collect();
    let (id, expected_revision, revision) = (2, 2, 3);
    let went = store::Batch { id, expected_revision, revision, deletes, ..Default::default() };
    other.commit(&went).unwrap();
    assert!(matches!(other.tail(1), Err(store::Error::Forgotten { .. })));
    two.ledger.follow();
    two.wait_for(revision);
    assert!(two.knows("first"));
    assert!(old.user_named(&email("first")).is_some(), "who reads the old world still has it");
    [one, two].into_iter().for_each(Server::end);
}

#[test]
fn one_leads_and_another_takes_over_once_the_lease_has_run_out() {
    let town = Town::new();
    let (mut one, mut two) = (town.server("one"), town.server("two"));
    one.turn();
    two.turn();
    let first = one.leadership.epoch().unwrap();
    assert_eq!(two.leadership.epoch(), None);
    assert_eq!((one.told.try_iter().count(), two.told.try_iter().count()), (1, 0));
    assert_eq!(two.members.leader().as_deref(), Some("one"));
    // As if it had not been heard of for that long.
    one.keeper.lease = Duration::ZERO;
    one.turn();
    assert_eq!(one.leadership.epoch(), None, "it has run out");
    two.turn();
    assert!(two.leadership.epoch().unwrap() > first);
    one.turn();
    assert_eq!(one.leadership.epoch(), None);
    let list = two.members.list(Some("one"));
    let rows: Vec<_> = list.iter().map(|it| (it.name.as_str(), it.leader, it.fabric)).collect();
    assert_eq!(rows, [("one", false, true), ("two", true, false)]);
    assert!(list[1].this && list[1].silent_seconds == 0);
    one.members.leave(&mut *one.keeper.store).unwrap();
    two.turn();
    assert_eq!(two.members.list(None).len(), 1);
    [one, two].into_iter().for_each(Server::end);
}

#[test]
fn each_server_knows_how_the_fabric_fares_that_another_one_drives() {
    let town = Town::new();
    let [mut one, mut two] = ["one", "two"].map(|name| town.server(name));
    let healthy = |problems: usize| api::Fabric {
        driver: "ovn".to_owned(),
        healthy: problems == 0,
        problems: (0..problems).map(|n| (format!("{n:03}"), "why".to_owned())).collect(),
        ..api::Fabric::default()
    };
    let drives = Arc::new(AtomicBool::new(true));
    let one_drives = Arc::clone(&drives);
    one.members.tell_of_fabric(move || one_drives.load(Ordering::SeqCst).then(|| healthy(0)));
    let two_drives = Arc::clone(&drives);
    two.members.tell_of_fabric(move || (!two_drives.load(Ordering::SeqCst)).then(|| healthy(70)));
    let heard = |server: &Server| server.members.fabric_elsewhere();
    assert_eq!(heard(&two), None, "nobody said anything");
    one.turn();
    two.turn();
    assert_eq!(heard(&two), Some(healthy(0)));
    assert_eq!(heard(&one), None, "it knows better itself");
    drives.store(false, Ordering::SeqCst);
    assert_eq!(heard(&two), None, "it drives itself, whatever the other said last");
    two.turn();
    one.turn();
    let told = heard(&one).unwrap();
    assert!(!told.healthy && told.problems.len() == 50, "{told:?}");
    [one, two].into_iter().for_each(Server::end);
}

#[test]
fn a_leader_that_cannot_reach_the_database_does_not_lead_longer_than_its_lease() {
    let town = Town::new();
    let mut one = town.server("one");
    one.keeper.lease = Duration::from_millis(30);
    one.turn();
    assert!(one.leadership.epoch().is_some());
    one.silenced.silence(true);
    assert!(one.keeper.turn(&mut None).is_err());
    let since = std::time::Instant::now();
    while one.leadership.epoch().is_some() {
        assert!(since.elapsed() < Duration::from_secs(5));
        std::thread::yield_now();
    }
    assert_eq!(one.leadership.mandate(), None);
    one.keeper.notice_the_end();
    assert_eq!(one.told.try_iter().count(), 2, "it is told to its loops");
    one.end();
}

#[test]
fn what_only_the_leader_may_do_is_not_done_by_one_that_was_followed_by_another() {
    let town = Town::new();
    let (mut one, mut two) = (town.server("one"), town.server("two"));
    one.turn();
    let stale = one.leadership.mandate().unwrap();
    one.create_under(stale, "by-one").unwrap();
    one.keeper.lease = Duration::ZERO;
    one.turn();
    two.turn();
    // The old leader wakes up and goes on with what it was doing: its ledger knows nothing of the other.
    let late = one.create_under(stale, "late");
    assert!(matches!(late, Err(LedgerError::NotLeading)), "{late:?}");
    let event = |name: &str| model::drift_repaired(name, "x", model::Timestamp::from_millis(1));
    assert!(one.ledger.happened_under(stale, &[event("stale")]));
    assert!(two.ledger.happened_under(two.leadership.mandate().unwrap(), &[event("fresh")]));
    one.ledger.wait_for_notes_blocking();
    two.ledger.wait_for_notes_blocking();
    // What any server may do is decided again, and done.
    one.create("by-anybody").unwrap();
    two.create_under(two.leadership.mandate().unwrap(), "by-two").unwrap();
    one.ledger.follow();
    one.wait_for(two.ledger.revision());
    for server in [&one, &two] {
        assert!(server.knows("by-one") && server.knows("by-anybody") && server.knows("by-two"));
        assert!(!server.knows("late"));
    }
    let events = town.store.events(&EventQuery { limit: 100, ..EventQuery::default() }).unwrap();
    let drift: Vec<_> = events.rows.iter().filter(|row| row.body.contains("drift")).collect();
    assert_eq!(drift.len(), 1, "{events:?}");
    assert!(drift[0].body.contains("fresh"));
    let late = store::AuditQuery { action: Some("*".into()), ..store::AuditQuery::default() };
    assert_eq!(town.store.audit(&late).unwrap().len(), 3, "what was not done is in no audit");
    [one, two].into_iter().for_each(Server::end);
}

/// A world whose settings name a server that drives the fabric.
fn driven_by(server: &Server, driver: Option<&str>) -> Arc<World> {
    if server.ledger.world().settings().is_none() {
        let (region, instance) = (Region::DEFAULT, "t1".to_owned());
        let set_up = IdentityCommand::SetUp { region, emulator: false, instance };
        server.ledger.submit_blocking(Request::system(set_up)).unwrap();
    }
    let mut world = World::clone(&server.ledger.world());
    let settings = Settings::clone(world.settings().unwrap());
    let named = |id: &str| FabricDriver { id: id.to_owned(), name: id.to_owned() };
    world.apply(&Change::Put(Settings { fabric: driver.map(named), ..settings }.into()));
    Arc::new(world)
}

#[test]
fn one_server_drives_a_fabric_whoever_leads() {
    let town = Town::new();
    let mut one = town.server("one");
    let [nobody, ours, theirs] =
        [None, Some("one"), Some("two")].map(|driver| driven_by(&one, driver));
    let carries = Duties::beside_others(one.leadership.clone(), "one", FabricKind::Linux);
    let api_only = Duties::beside_others(one.leadership.clone(), "one", FabricKind::None);
    for leads in [false, true] {
        assert_eq!(api_only.leads().is_some(), leads);
        // Where packets are carried nowhere, the leader says that all is done.
        assert_eq!(api_only.drives(&nobody).is_some(), leads);
        assert_eq!(api_only.drives(&ours), None);
        assert_eq!(api_only.drives(&theirs), None);
        // Where they are, the machine that has them does, and no other one.
        assert_eq!(carries.drives(&nobody), None);
        assert_eq!(carries.drives(&ours), Some(Mandate::ALONE));
        assert_eq!(carries.drives(&theirs), None);
        assert!(carries.lost_the_fabric(&theirs) && !carries.lost_the_fabric(&ours));
        one.turn();
    }
    // What is said of networks is decided on the world that there is then, which names nobody here.
    let say = |duties: &Duties, user: &str| {
        let request = Request { only_if: duties.drives_still(), ..Request::system(create(user)) };
        one.ledger.submit_blocking(request)
    };
    say(&api_only, "a").unwrap();
    let refused = say(&carries, "b");
    assert!(matches!(refused, Err(LedgerError::Refused(_))), "{refused:?}");
    assert!(Duties::alone().drives_still().is_none());
    assert_eq!(Duties::alone().drives(&theirs), Some(Mandate::ALONE));
    one.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_waits_for_all_that_was_acknowledged_before_and_not_for_ever() {
    let town = Town::new();
    let (one, two) = (town.server("one"), town.server("two"));
    let (store, silenced) = Faulty::new(town.store.handle().unwrap());
    let stop = CancellationToken::new();
    let look = two.look(Box::new(store));
    let parts = fresh::Parts { look, metrics: Arc::default(), stop: stop.clone() };
    let (fresh, thread) = fresh::start(parts, &Supervisor::new(|_| ())).unwrap();
    for n in 0..50 {
        let user = format!("user-{n}");
        let (ledger, command) = (one.ledger.clone(), create(&user));
        ledger.submit(Request::system(command)).await.unwrap();
        fresh.wait().await.unwrap();
        assert!(two.knows(&user), "{user}");
    }
    silenced.silence(true);
    assert_eq!(fresh.wait().await, Err(Stale));
    silenced.silence(false);
    fresh.wait().await.unwrap();
    stop.cancel();
    tokio::task::spawn_blocking(move || {
        thread.join().unwrap();
        drop(fresh);
        [one, two].into_iter().for_each(Server::end);
    })
    .await
    .unwrap();
}

#[test]
fn a_follower_hears_of_commits_by_itself() {
    let town = Town::new();
    let (one, two) = (town.server("one"), town.server("two"));
    let stop = CancellationToken::new();
    let look = two.look(town.store.handle().unwrap());
    let parts = follower::Parts { look, stop: stop.clone() };
    let thread = follower::start(parts, &Supervisor::new(|_| ())).unwrap();
    for n in 0..20 {
        one.create(&format!("user-{n}")).unwrap();
        two.wait_for(one.ledger.revision());
        assert!(two.knows(&format!("user-{n}")));
    }
    stop.cancel();
    thread.join().unwrap();
    assert_eq!(two.newest.behind(two.ledger.revision()), 0);
    [one, two].into_iter().for_each(Server::end);
}
