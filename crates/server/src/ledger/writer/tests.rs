//! The writer on a store that fails, beside another writer, and with parts that panic.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver as Channel, channel};

use model::intent::MacAddr;
use model::{
    Eni, EniId, IdentityCommand, Key, PrefixedId, Record, SubnetId, Tags, Timestamp, VpcId,
};
use proptest::prelude::*;
use store::faulty::{Fault, Faults, Faulty};
use store::{AuditQuery, DataDir, Sqlite};

use super::*;
use crate::clock::SystemIds;
use crate::ledger::Ledger;
use crate::ledger::queue::Answer;
use crate::loops::Panicked;

/// A database, and how many requests there were.
struct Database {
    store: Box<dyn Store>,
    secret: Secret,
    requests: u64,
    _data: DataDir,
    _dir: tempfile::TempDir,
}

impl Database {
    fn new() -> Self {
        // In memory: what is tried here is not what a disk does.
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let store = Box::new(Sqlite::open(&data).unwrap());
        Self { store, secret: data.secret().clone(), requests: 0, _data: data, _dir: dir }
    }

    /// What a writer on this database works with, and how its store is made to fail.
    fn parts(&self, supervisor: Supervisor) -> (Parts, Faults, Channel<Step>) {
        let (store, faults) = Faulty::new(self.store.handle().unwrap());
        let (follow, steps) = channel();
        let parts = Parts {
            store: Box::new(store),
            secret: self.secret.clone(),
            ids: Box::new(SystemIds),
            clock: Arc::new(Clock::system()),
            follow: Box::new(move |step| drop(follow.send(step))),
            metrics: Arc::default(),
            supervisor,
        };
        (parts, faults, steps)
    }

    fn writer(&self) -> Moved {
        let (parts, faults, steps) = self.parts(Supervisor::new(|_| ()));
        Moved { writer: Writer::new(parts).unwrap(), faults, steps }
    }

    /// A request to make a user of this name, by an id of its own.
    fn request(&mut self, name: &str) -> Request {
        self.requests += 1;
        let command = IdentityCommand::CreateUser { email: email(name) };
        let caller = Caller::Operator;
        let request_id = format!("request-{}", self.requests);
        Request { caller, command: command.into(), source: None, request_id, only_if: None }
    }

    /// The world as it is stored, and the audit's rows.
    fn stored(&mut self) -> (World, Vec<AuditRow>) {
        let (world, _) = load(&mut *self.store, &self.secret).unwrap();
        let all = AuditQuery { limit: u32::MAX, ..AuditQuery::default() };
        (world, self.store.audit(&all).unwrap())
    }
}

fn email(name: &str) -> String {
    format!("{name}@example.com")
}

/// A writer that is moved by hand.
struct Moved {
    writer: Writer,
    faults: Faults,
    steps: Channel<Step>,
}

impl Moved {
    /// Has it decide on these in one turn.
    fn turn(&mut self, requests: Vec<Request>) -> Vec<Outcome> {
        let (entries, answers): (Vec<_>, Vec<_>) = requests
            .into_iter()
            .map(|request| {
                let (answer, answered) = Answer::new();
                (Queued { request, answer, trace: None, led: None }, answered)
            })
            .unzip();
        self.writer.turn(entries, Notes::default(), &Pulse::unwatched());
        answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect()
    }

    fn world(&self) -> Arc<World> {
        self.writer.world.load_full()
    }
}

fn rows(world: &World) -> BTreeMap<Key, Record> {
    world.records().map(|record| (record.key(), record.clone())).collect()
}

fn is_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Err(LedgerError::Refused(_)))
}

#[test]
fn a_conflict_is_decided_anew_and_no_caller_sees_it() {
    let mut database = Database::new();
    let (mut one, mut two) = (database.writer(), database.writer());
    let requests = ["a", "b"].map(|name| database.request(name));
    assert!(one.turn(requests.to_vec()).iter().all(Result::is_ok));
    // The other writer knows nothing of that: it would accept `a`.
    let requests = ["c", "a", "d"].map(|name| database.request(name));
    let answers = two.turn(requests.to_vec());
    assert!(answers[0].is_ok() && is_refused(&answers[1]) && answers[2].is_ok(), "{answers:?}");
    let (world, audit) = database.stored();
    assert_eq!(rows(&two.world()), rows(&world));
    let outcomes: Vec<(&str, &str)> = audit
        .iter()
        .map(|row| (row.request_id.as_str(), if row.outcome == "ok" { "ok" } else { "refused" }))
        .collect();
    let expected = [
        ("request-5", "ok"),
        ("request-4", "refused"),
        ("request-3", "ok"),
        ("request-2", "ok"),
        ("request-1", "ok"),
    ];
    assert_eq!(outcomes, expected);
    // Whoever follows hears of the other writer's commit by itself, and then of this one's.
    let steps: Vec<Step> = two.steps.try_iter().collect();
    assert_eq!(steps.iter().map(|step| step.revision).collect::<Vec<_>>(), [1, 2]);
    assert!(Arc::ptr_eq(&steps[0].after, &steps[1].before));
}

#[test]
fn a_refusal_for_what_was_not_committed_does_not_stand() {
    for fault in [Fault::Before, Fault::NoRoom] {
        let mut database = Database::new();
        let mut writer = database.writer();
        let first = database.request("there");
        assert!(writer.turn(vec![first])[0].is_ok());
        writer.faults.plan([Some(fault)]);
        let requests = ["a", "a", "there"].map(|name| database.request(name));
        let answers = writer.turn(requests.to_vec());
        let failed =
            |answer: &Outcome| matches!(answer, Err(LedgerError::Store | LedgerError::NoRoom));
        // The second was refused as the first was there; the third is refused whatever became of them.
        assert!(failed(&answers[0]) && failed(&answers[1]), "{answers:?}");
        assert!(is_refused(&answers[2]), "{answers:?}");
        let again = database.request("a");
        assert!(writer.turn(vec![again])[0].is_ok());
    }
}

#[test]
fn a_refusal_for_what_another_server_removed_does_not_stand_where_the_commit_fails() {
    let mut database = Database::new();
    let mut writer = database.writer();
    let request = database.request("a");
    assert!(writer.turn(vec![request])[0].is_ok());
    let user = writer.world().user_named(&email("a")).unwrap().id;
    let removed = Batch {
        id: 1,
        expected_revision: 1,
        revision: 2,
        deletes: vec![("user".to_owned(), user.to_string())],
        ..Batch::default()
    };
    database.store.commit(&removed).unwrap();
    for silent in [true, false] {
        writer.faults.plan([Some(Fault::Before)]);
        writer.faults.silence(silent);
        let request = database.request("a");
        let answers = writer.turn(vec![request]);
        assert!(answers[0].is_err() && !is_refused(&answers[0]), "{answers:?}");
    }
    let request = database.request("a");
    assert!(writer.turn(vec![request])[0].is_ok());
}

#[test]
fn what_took_effect_is_answered_so_though_its_commit_failed() {
    let mut database = Database::new();
    let mut writer = database.writer();
    writer.faults.plan([Some(Fault::After)]);
    let requests = ["a", "a"].map(|name| database.request(name));
    let answers = writer.turn(requests.to_vec());
    assert!(answers[0].is_ok() && is_refused(&answers[1]), "{answers:?}");
    let (world, audit) = database.stored();
    assert_eq!(rows(&writer.world()), rows(&world));
    assert_eq!(audit.len(), 2);
    assert_eq!(writer.steps.try_iter().count(), 1);
}

#[test]
fn where_the_store_cannot_say_the_caller_is_told_that_nobody_knows() {
    for (fault, there) in [(Fault::Before, false), (Fault::After, true)] {
        let mut database = Database::new();
        let mut writer = database.writer();
        writer.faults.plan([Some(fault)]);
        writer.faults.silence(true);
        let request = database.request("a");
        let answers = writer.turn(vec![request]);
        assert!(matches!(answers[0], Err(LedgerError::Unknown)), "{answers:?}");
        // As long as it is not known what there is, nothing is decided.
        let request = database.request("a");
        let answers = writer.turn(vec![request]);
        assert!(matches!(answers[0], Err(LedgerError::Store)), "{answers:?}");
        writer.faults.silence(false);
        let request = database.request("a");
        assert_eq!(is_refused(&writer.turn(vec![request])[0]), there);
        assert_eq!(rows(&writer.world()), rows(&database.stored().0));
    }
}

#[test]
fn a_store_that_speaks_of_conflicts_for_ever_does_not_hold_up_the_writer() {
    let mut database = Database::new();
    let mut writer = database.writer();
    writer.faults.plan([Some(Fault::Conflict); 3]);
    let request = database.request("a");
    assert!(writer.turn(vec![request])[0].is_ok());
    writer.faults.plan([Some(Fault::Conflict); 100]);
    let request = database.request("b");
    let answers = writer.turn(vec![request]);
    assert!(matches!(answers[0], Err(LedgerError::Store)), "{answers:?}");
    assert_eq!(database.stored().1.len(), 1);
}

#[test]
fn a_batch_that_does_not_get_through_is_committed_in_parts_and_in_order() {
    let mut database = Database::new();
    let mut writer = database.writer();
    writer.faults.plan([Some(Fault::Conflict); 3]);
    let requests = ["a", "b", "a", "c", "b"].map(|name| database.request(name));
    let answers = writer.turn(requests.to_vec());
    let refused: Vec<_> = answers.iter().map(is_refused).collect();
    assert_eq!(refused, [false, false, true, false, true], "{answers:?}");
    assert_eq!(writer.steps.try_iter().count(), 2);
    let (world, audit) = database.stored();
    assert_eq!(rows(&writer.world()), rows(&world));
    let order: Vec<_> = audit.iter().rev().map(|row| row.request_id.clone()).collect();
    assert_eq!(order, [1, 2, 3, 4, 5].map(|n| format!("request-{n}")));
}

#[test]
fn an_address_that_went_from_one_interface_to_another_stays_in_use() {
    let (vpc, address, other) =
        (VpcId::MIN, Ipv4Addr::new(10, 0, 0, 4), Ipv4Addr::new(10, 0, 0, 5));
    let interface = |id: EniId, address| -> Record {
        let (subnet, mac) = (SubnetId::MIN, MacAddr([2, 0, 0, 0, 0, 1]));
        let eni = Eni {
            id,
            vpc,
            subnet,
            mac,
            addresses: vec![address],
            ipv6_addresses: Vec::new(),
            primary_ipv6: false,
            groups: Vec::new(),
            source_dest_check: true,
            description: String::new(),
            attachment: None,
            requester_managed: false,
            public: model::PublicAddress::None,
            nat_gateway: None,
            created: Timestamp::from_millis(1),
            tags: Tags::new(),
            client_token: None,
        };
        eni.into()
    };
    let (one, two) = (EniId::MIN, EniId::MAX);
    let mut before = World::default();
    before.apply(&Change::Put(interface(one, address)));
    // The second one got it before the first one changed for the last time.
    let moved = Change::Put(interface(two, address));
    for last in [Change::Put(interface(one, other)), Change::Delete(Key::Eni(one))] {
        let world = followed(&before, &[moved.clone(), last]);
        let in_use: Vec<_> = world.addresses_between(vpc, address, address).collect();
        assert_eq!(in_use, [address], "the second interface has it");
    }
}

#[test]
fn two_ledgers_on_one_database_take_commands_at_once_and_converge() {
    const EACH: usize = 40;
    let mut database = Database::new();
    let supervisor = Supervisor::new(|_| ());
    let start = || Ledger::start(database.parts(supervisor.clone()).0).unwrap();
    let started = [start(), start()];
    let submit = |ledger: &Ledger, name: &str, request_id: String| {
        let command = IdentityCommand::CreateUser { email: email(name) }.into();
        let caller = Caller::Operator;
        ledger.submit_blocking(Request { caller, command, source: None, request_id, only_if: None })
    };
    let accepted: usize = std::thread::scope(|scope| {
        let work = |side: usize, n: usize| {
            let ledger = started[side].0.clone();
            move || {
                let mut accepted = 0;
                for round in 0..EACH {
                    let own = format!("own-{side}-{n}-{round}");
                    submit(&ledger, &own, own.clone()).unwrap();
                    // All four want this one, and one of them gets it.
                    let shared = submit(&ledger, &format!("shared-{round}"), format!("{n}-{own}"));
                    assert!(shared.is_ok() || is_refused(&shared), "{shared:?}");
                    accepted += usize::from(shared.is_ok());
                }
                accepted
            }
        };
        let makers = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(side, n)| scope.spawn(work(side, n)));
        makers.into_iter().map(|maker| maker.join().unwrap()).sum()
    });
    assert_eq!(accepted, EACH, "each shared name was given once");
    // What changes nothing is committed too, and by that each hears of the other's last commits.
    for (ledger, _) in &started {
        assert!(is_refused(&submit(ledger, "shared-0", "last".to_owned())));
    }
    let (world, audit) = database.stored();
    assert_eq!(world.users().count(), 5 * EACH);
    assert_eq!(audit.iter().filter(|row| row.outcome == "ok").count(), 5 * EACH);
    assert_eq!(audit.len(), 8 * EACH + 2);
    for (ledger, thread) in started {
        assert_eq!(rows(&ledger.world()), rows(&world));
        ledger.stop();
        thread.join().unwrap();
    }
}

/// Gives no ids: whoever decides on something new panics.
struct NoIds;

impl IdSource for NoIds {
    fn next_bits(&mut self) -> u128 {
        panic!("there are no ids");
    }
}

#[test]
fn a_panic_of_the_store_or_of_a_decision_is_told_and_claims_nothing_to_callers() {
    for (fault, there) in
        [(None, false), (Some(Fault::PanicBefore), false), (Some(Fault::PanicAfter), true)]
    {
        let mut database = Database::new();
        let (panicked, panics) = channel::<Panicked>();
        let supervisor = Supervisor::new(move |panic| drop(panicked.send(panic.clone())));
        let (mut parts, faults, _steps) = database.parts(supervisor);
        if fault.is_none() {
            parts.ids = Box::new(NoIds);
        }
        faults.plan([fault]);
        let (ledger, thread) = Ledger::start(parts).unwrap();
        let request = database.request("a");
        let outcome = ledger.submit_blocking(request);
        assert!(matches!(outcome, Err(LedgerError::Unknown)), "{outcome:?}");
        assert_eq!(panics.recv().unwrap().name, "ledger");
        assert!(thread.join().is_err());
        assert_eq!(database.stored().0.user_named(&email("a")).is_some(), there);
        let request = database.request("b");
        let outcome = ledger.submit_blocking(request);
        assert!(matches!(outcome, Err(LedgerError::Stopped)), "{outcome:?}");
    }
}

/// One turn of a generated run.
#[derive(Debug, Clone)]
struct Turn {
    /// Which of the two writers takes it.
    writer: usize,
    /// The users that are asked for.
    names: Vec<u8>,
    /// What becomes of its commits.
    faults: Vec<Option<Fault>>,
    /// Whether the store answers no questions meanwhile.
    silent: bool,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let fault = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Fault::Before)),
        1 => Just(Some(Fault::After)),
        1 => Just(Some(Fault::NoRoom)),
        1 => Just(Some(Fault::Conflict)),
    ];
    let names = prop::collection::vec(0..12_u8, 1..5);
    let faults = prop::collection::vec(fault, 0..3);
    let turn = (0..2_usize, names, faults, prop::bool::weighted(0.15));
    let turn =
        turn.prop_map(|(writer, names, faults, silent)| Turn { writer, names, faults, silent });
    prop::collection::vec(turn, 1..12)
}

/// Checks one answer against what is stored. Returns the name of the user that it promises.
fn check(
    request: &Request,
    name: &str,
    answer: &Outcome,
    world: &World,
    audit: &[AuditRow],
) -> Result<bool, TestCaseError> {
    let noted = audit.iter().filter(|row| row.request_id == request.request_id);
    let noted: Vec<&str> = noted.map(|row| row.outcome.as_str()).collect();
    let there = world.user_named(&email(name));
    match answer {
        Ok(done) => {
            prop_assert_eq!(there.map(|user| Key::User(user.id)), done.reply.main());
            prop_assert_eq!(noted, ["ok"]);
        }
        Err(LedgerError::Refused(_)) => {
            prop_assert!(there.is_some(), "{} was refused for what is not there", name);
            prop_assert!(noted.len() <= 1 && !noted.contains(&"ok"), "{:?}", noted);
        }
        Err(LedgerError::Store | LedgerError::NoRoom) => prop_assert_eq!(noted.len(), 0),
        Err(LedgerError::Unknown) => prop_assert!(noted.len() <= 1, "{:?}", noted),
        Err(other) => prop_assert!(false, "{:?}", other),
    }
    Ok(answer.is_ok() || matches!(answer, Err(LedgerError::Unknown)))
}

/// Runs on a database with two writers; what is answered is what is stored, at every moment.
fn run(turns: Vec<Turn>) -> Result<(), TestCaseError> {
    let mut database = Database::new();
    let mut writers = [database.writer(), database.writer()];
    let mut answered: Vec<(Request, String, Outcome)> = Vec::new();
    for Turn { writer, names, faults, silent } in turns {
        let names: Vec<String> = names.iter().map(|n| format!("user-{n}")).collect();
        let requests: Vec<Request> = names.iter().map(|name| database.request(name)).collect();
        let writer = &mut writers[writer];
        writer.faults.plan(faults);
        writer.faults.silence(silent);
        let answers = writer.turn(requests.clone());
        answered.extend(requests.into_iter().zip(names).zip(answers).map(|((r, n), a)| (r, n, a)));
        let (world, audit) = database.stored();
        let mut promised = std::collections::BTreeSet::new();
        for (request, name, answer) in &answered {
            if check(request, name, answer, &world, &audit)? {
                promised.insert(email(name));
            }
        }
        for user in world.users() {
            prop_assert!(promised.contains(&user.email), "nobody was told of {}", user.email);
        }
        let made = audit.iter().filter(|row| row.outcome == "ok").count();
        prop_assert_eq!(made, world.users().count());
    }
    for Moved { writer, faults, steps } in &mut writers {
        faults.plan([]);
        faults.silence(false);
        writer.catch_up().map_err(|error| TestCaseError::fail(error_chain(&error)))?;
        let (stored, _) = database.stored();
        prop_assert_eq!(rows(&writer.world.load()), rows(&stored));
        // Whoever follows has the same, and missed nothing.
        let mut follower = World::default();
        for step in steps.try_iter() {
            prop_assert_eq!(rows(&step.before), rows(&follower));
            follower = followed(&follower, &step.changes);
            prop_assert_eq!(rows(&step.after), rows(&follower));
        }
        prop_assert_eq!(rows(&follower), rows(&stored));
    }
    Ok(())
}

#[test]
fn what_is_answered_is_what_is_durable_whatever_fails() {
    let config = ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() };
    proptest!(config, |(turns in turns())| run(turns)?);
}
