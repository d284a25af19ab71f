//! The loop with a subject of numbers by letters, whose every message goes through bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use model::protocol::Message;
use os::Waker;
use proptest::prelude::*;

use super::*;
use crate::wait::wait;

/// Letters and the numbers that they must have.
#[derive(Debug, Clone, PartialEq)]
enum Letters {}

type Numbers = BTreeMap<char, u32>;

impl Subject for Letters {
    const NAME: &'static str = "letters";
    type Intent = Numbers;
    type Delta = BTreeMap<char, Option<u32>>;
    type Outcomes = BTreeMap<char, Result<u32, String>>;
    type Event = String;

    fn merge(earlier: &mut Self::Delta, later: Self::Delta) {
        earlier.extend(later);
    }

    fn change(intent: &mut Numbers, delta: Self::Delta) {
        for (letter, number) in delta {
            match number {
                Some(number) => drop(intent.insert(letter, number)),
                None => drop(intent.remove(&letter)),
            }
        }
    }
}

/// What the letters are, and what is wanted of them. Tests look at it while the loop runs.
#[derive(Default)]
struct World {
    wanted: Numbers,
    is: Numbers,
    pending: BTreeSet<char>,
    failed: BTreeSet<char>,
    /// How many of the next things that are done fail; true for each that does.
    failures: Vec<bool>,
    did: Vec<String>,
}

impl World {
    fn put_right(&mut self, letter: char) -> (char, Result<u32, String>) {
        if self.failures.pop().unwrap_or(false) {
            self.failed.insert(letter);
            return (letter, Err("no".to_owned()));
        }
        self.failed.remove(&letter);
        let number = self.wanted.get(&letter).copied();
        match number {
            Some(number) => drop(self.is.insert(letter, number)),
            None => drop(self.is.remove(&letter)),
        }
        (letter, Ok(number.unwrap_or(0)))
    }
}

/// `BY_SWEEP`: whether it tries again by comparing everything.
struct Writer<const BY_SWEEP: bool> {
    world: Arc<Mutex<World>>,
    waker: Waker,
}

impl<const BY_SWEEP: bool> Actuator for Writer<BY_SWEEP> {
    type Subject = Letters;
    type Part = char;

    const RETRIES_BY_SWEEP: bool = BY_SWEEP;

    fn wake(&self) -> Wake {
        let waker = self.waker.clone();
        Arc::new(move || waker.wake())
    }

    fn begin_sweep(&mut self, intent: Numbers) {
        let mut world = self.world.lock().unwrap();
        world.did.push("begin".to_owned());
        let gone: Vec<_> = world.is.keys().copied().collect();
        world.pending.extend(gone.into_iter().chain(intent.keys().copied()));
        world.wanted = intent;
    }

    fn look_again(&mut self) -> bool {
        let mut world = self.world.lock().unwrap();
        let all: Vec<_> = world.wanted.keys().chain(world.is.keys()).copied().collect();
        world.pending.extend(all);
        true
    }

    fn step(&mut self) -> Option<Found<Letters>> {
        let mut world = self.world.lock().unwrap();
        let letter = world.pending.pop_first()?;
        world.did.push(format!("step {letter}"));
        let outcomes = [world.put_right(letter)].into();
        Some(Found { events: Vec::new(), outcomes })
    }

    fn change(&mut self, delta: BTreeMap<char, Option<u32>>) -> Found<Letters> {
        let mut world = self.world.lock().unwrap();
        let letters: Vec<_> = delta.keys().copied().collect();
        world.did.push(format!("change {}", letters.iter().collect::<String>()));
        Letters::change(&mut world.wanted, delta);
        let outcomes = letters.into_iter().map(|letter| world.put_right(letter)).collect();
        Found { events: Vec::new(), outcomes }
    }

    fn retry(&mut self) -> Found<Letters> {
        let mut world = self.world.lock().unwrap();
        let failed = std::mem::take(&mut world.failed);
        let outcomes = failed.into_iter().map(|letter| world.put_right(letter)).collect();
        Found { events: Vec::new(), outcomes }
    }

    fn wait(&mut self, timeout: Duration) -> Found<Letters> {
        wait(&self.waker, &[], timeout);
        Found::default()
    }

    fn fates(found: &Found<Letters>) -> Vec<(char, Fate)> {
        let fate = |(letter, outcome): (&char, &Result<u32, String>)| match outcome {
            Ok(_) => (*letter, Fate::Fine),
            Err(why) => (*letter, Fate::Failed(why.clone())),
        };
        found.outcomes.iter().map(fate).collect()
    }
}

/// A loop, and what it reported.
struct Bench<const BY_SWEEP: bool> {
    handle: Handle<Writer<BY_SWEEP>>,
    looped: ControlLoop<Writer<BY_SWEEP>>,
    world: Arc<Mutex<World>>,
    reports: Receiver<Report<Letters>>,
}

/// As it is after it was sent to another machine.
fn sent<T: Message>(message: &T) -> T {
    let bytes = serde_json::to_vec(message).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

impl<const BY_SWEEP: bool> Bench<BY_SWEEP> {
    fn new(after: Option<Progress>) -> Self {
        let world = Arc::new(Mutex::new(World::default()));
        let writer = Writer { world: Arc::clone(&world), waker: Waker::new().unwrap() };
        let (tell, reports) = channel();
        let never = Duration::from_secs(1 << 30);
        let pace = Pace {
            sweep: never,
            retry: Duration::ZERO,
            longest_retry: Duration::ZERO,
            interrupted: Duration::ZERO,
        };
        let tell = Box::new(move |report: Report<Letters>| tell.send(sent(&report)).unwrap());
        let (handle, looped) = ControlLoop::new(writer, pace, after, tell);
        Self { handle, looped, world, reports }
    }

    fn give(&self, order: &Order<Letters>) {
        self.handle.give(sent(order));
    }

    /// Runs until nothing fails any more.
    fn rest(&mut self) {
        for _ in 0..1000 {
            // No pause after a comparison of everything.
            self.looped.sweep_took = Duration::ZERO;
            assert!(self.looped.run_until_idle());
            if self.looped.retries.due().is_none() {
                return;
            }
        }
        panic!("it never rests: {:?}", self.looped.retries.failing());
    }

    fn did(&self) -> Vec<String> {
        std::mem::take(&mut self.world.lock().unwrap().did)
    }
}

fn sync(letters: &str, number: u32) -> Order<Letters> {
    let intent = letters.chars().map(|letter| (letter, number)).collect();
    Order::Sync { intent, revision: number.into() }
}

fn change(letters: &str, number: u32) -> Order<Letters> {
    let delta = letters.chars().map(|letter| (letter, Some(number))).collect();
    Order::Change { delta, revision: number.into() }
}

#[test]
fn changes_come_before_the_next_step_and_several_are_made_as_one() {
    let mut bench = Bench::<true>::new(None);
    bench.give(&sync("abcd", 1));
    bench.looped.stepped = Instant::now() - LONGEST_WITHOUT_STEP;
    assert!(bench.looped.turn());
    assert_eq!(bench.did(), ["begin", "step a"]);
    bench.give(&change("d", 2));
    bench.give(&change("e", 3));
    bench.looped.stepped = Instant::now() - LONGEST_WITHOUT_STEP;
    assert!(bench.looped.turn());
    // However many changes come, a step is taken now and then.
    assert_eq!(bench.did(), ["change de", "step b"]);
    bench.rest();
    assert_eq!(bench.did(), ["step c", "step d"]);
    let world = bench.world.lock().unwrap();
    assert_eq!(world.is, [('a', 1), ('b', 1), ('c', 1), ('d', 2), ('e', 3)].into());
    let reports: Vec<_> = bench.reports.try_iter().collect();
    let swept: Vec<_> = reports.iter().filter_map(|report| report.swept).collect();
    assert!(matches!(swept[..], [Swept { failed: false, .. }]), "{swept:?}");
    let revisions: Vec<_> = reports.iter().map(|report| report.revision).collect();
    assert_eq!(revisions, [1, 3, 3, 3, 3, 3], "of the last order that was carried out");
}

#[test]
fn a_comparison_stands_still_for_a_moment_after_a_change() {
    let mut bench = Bench::<true>::new(None);
    assert_eq!(bench.looped.lull(Instant::now()), None, "nothing was changed");
    bench.give(&sync("abcd", 1));
    bench.give(&change("a", 2));
    // No step is due for a long time.
    bench.looped.stepped = Instant::now() + LONGEST_WAIT;
    assert!(bench.looped.turn());
    assert_eq!(bench.did(), ["begin", "change a"]);
    let changed = bench.looped.changed.unwrap();
    assert_eq!(bench.looped.lull(changed), Some(LULL));
    assert_eq!(bench.looped.lull(changed + LULL / 4), Some(LULL * 3 / 4));
    // A change that comes in this time is made before the next step; but not for ever.
    bench.looped.changed = Some(Instant::now() + LONGEST_WAIT);
    bench.looped.stepped = Instant::now() - LONGEST_WITHOUT_STEP;
    assert!(bench.looped.turn());
    assert_eq!(bench.did(), ["step a"]);
    assert_eq!(bench.looped.lull(bench.looped.changed.unwrap() + LULL), None);
    bench.rest();
    assert_eq!(bench.did(), ["step b", "step c", "step d"]);
    bench.looped.changed = Some(Instant::now());
    assert_eq!(bench.looped.lull(Instant::now()), None, "nothing is being compared");
}

#[test]
fn a_question_is_answered_after_all_that_came_before_it() {
    let mut bench = Bench::<true>::new(None);
    bench.give(&sync("ab", 1));
    bench.give(&Order::Settle(7));
    let mut steps = 0;
    while bench.reports.try_iter().all(|report| report.settled.is_empty()) {
        assert!(bench.looped.turn());
        steps += 1;
        assert!(steps < 100);
    }
    assert_eq!(bench.world.lock().unwrap().is, [('a', 1), ('b', 1)].into());
    // With nothing to wait for it is answered at once, also where the loop waits.
    bench.rest();
    bench.give(&Order::Settle(8));
    assert!(bench.looped.turn());
    assert!(bench.reports.try_iter().any(|report| report.settled == [8]));
}

#[test]
fn what_fails_is_said_until_it_is_mended_and_then_not_any_more() {
    fn try_it<const BY_SWEEP: bool>() {
        let mut bench = Bench::<BY_SWEEP>::new(None);
        bench.give(&sync("ab", 1));
        bench.rest();
        bench.reports.try_iter().for_each(drop);
        bench.world.lock().unwrap().failures = vec![true];
        bench.give(&change("b", 2));
        bench.rest();
        let failing: Vec<_> = bench.reports.try_iter().filter_map(|it| it.failing).collect();
        assert_eq!(failing, [[("b".to_owned(), "no".to_owned())].into(), BTreeMap::new()]);
        assert_eq!(bench.world.lock().unwrap().is[&'b'], 2);
    }
    try_it::<true>();
    try_it::<false>();
}

#[test]
fn a_loop_waits_for_the_one_before_it() {
    let mut first = Bench::<true>::new(None);
    let mut second = Bench::<false>::new(Some(first.handle.progress()));
    first.give(&sync("ab", 1));
    second.give(&sync("ab", 1));
    assert!(second.looped.run_until_idle());
    assert_eq!(second.did(), [""; 0], "nothing was looked at before it");
    first.looped.stepped = Instant::now() - LONGEST_WITHOUT_STEP;
    assert!(first.looped.turn());
    assert_eq!(first.did(), ["begin", "step a"]);
    // A change does not wait for the comparison of everything that is under way.
    first.give(&change("c", 2));
    second.give(&change("c", 2));
    assert!(second.looped.run_until_idle());
    assert_eq!(second.did(), [""; 0], "the change before it was not made yet");
    assert!(first.looped.turn());
    assert!(second.looped.run_until_idle());
    assert_eq!(second.did(), ["change c"]);
    first.rest();
    assert!(second.looped.run_until_idle());
    assert_eq!(second.did(), ["begin", "step a", "step b", "step c"]);
    assert_eq!(second.world.lock().unwrap().is, [('a', 1), ('b', 1), ('c', 2)].into());
}

#[test]
fn the_loop_before_wakes_the_one_that_waits_and_both_end_when_they_are_told_to() {
    struct Still;
    impl Pulse for Still {
        fn turn(&self) {}
        fn idle(&self) {}
    }
    let first = Bench::<true>::new(None);
    let second = Bench::<false>::new(Some(first.handle.progress()));
    first.give(&sync("a", 1));
    second.give(&sync("a", 1));
    second.give(&Order::Settle(1));
    let Bench { mut looped, handle, world, reports } = second;
    let waits = std::thread::spawn(move || looped.run(&Still));
    let (mut before, before_handle) = (first.looped, first.handle);
    let works = std::thread::spawn(move || before.run(&Still));
    assert!(reports.iter().any(|report| report.settled == [1]));
    assert_eq!(world.lock().unwrap().is, [('a', 1)].into());
    handle.stop();
    before_handle.stop();
    waits.join().unwrap();
    works.join().unwrap();
}

#[derive(Debug, Clone)]
enum Act {
    Sync(Vec<char>),
    Change(Vec<(char, bool)>),
    Settle,
    Turn,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let letter = || prop::char::range('a', 'h');
    let act = prop_oneof![
        1 => prop::collection::vec(letter(), 0..6).prop_map(Act::Sync),
        4 => prop::collection::vec((letter(), any::<bool>()), 0..4).prop_map(Act::Change),
        1 => Just(Act::Settle),
        4 => Just(Act::Turn),
    ];
    prop::collection::vec(act, 1..60)
}

/// However orders are cut, merged and delayed, and whatever fails on the way: in the end all is as it
/// was ordered last, nothing that was ordered is lost, no question is answered too early, and what was
/// reported adds up.
fn holds<const BY_SWEEP: bool>(acts: Vec<Act>, failures: Vec<bool>, after: Option<Progress>) {
    let mut bench = Bench::<BY_SWEEP>::new(after);
    bench.world.lock().unwrap().failures = failures;
    let gated = bench.looped.after.is_some();
    // What was to be after each order; the number of an order is its revision.
    let mut history = vec![Numbers::new()];
    let mut synced = false;
    let mut asked: BTreeMap<u64, usize> = BTreeMap::new();
    let (mut settled, mut seen) = (Vec::new(), Numbers::new());
    let mut failing = BTreeMap::new();
    let mut hear = |bench: &Bench<BY_SWEEP>, history: &[Numbers], asked: &BTreeMap<u64, usize>| {
        for report in bench.reports.try_iter() {
            for (letter, outcome) in report.outcomes {
                match outcome {
                    Ok(0) => drop(seen.remove(&letter)),
                    Ok(number) => drop(seen.insert(letter, number)),
                    Err(_) => {}
                }
            }
            failing = report.failing.unwrap_or(std::mem::take(&mut failing));
            for number in report.settled {
                let wanted = bench.world.lock().unwrap().wanted.clone();
                // What came later may have been done with it.
                let since = &history[asked[&number]..];
                assert!(gated || since.contains(&wanted), "{number}: {wanted:?} {since:?}");
                settled.push(number);
            }
        }
        (seen.clone(), settled.clone(), failing.clone())
    };
    for act in acts {
        let revision = history.len() as u64;
        let number = u32::try_from(revision).unwrap();
        match act {
            Act::Sync(letters) => {
                let intent: Numbers = letters.into_iter().map(|it| (it, number)).collect();
                history.push(intent.clone());
                bench.give(&Order::Sync { intent, revision });
                synced = true;
            }
            // Nothing is changed before it is known what there is.
            Act::Change(letters) if synced => {
                let delta: BTreeMap<_, _> =
                    letters.into_iter().map(|(it, there)| (it, there.then_some(number))).collect();
                let mut intent = history.last().unwrap().clone();
                Letters::change(&mut intent, delta.clone());
                history.push(intent);
                bench.give(&Order::Change { delta, revision });
            }
            Act::Settle => {
                let number = asked.len() as u64;
                asked.insert(number, history.len() - 1);
                bench.give(&Order::Settle(number));
            }
            Act::Change(_) | Act::Turn => assert!(bench.looped.turn()),
        }
        hear(&bench, &history, &asked);
    }
    bench.rest();
    let (seen, settled, failing) = hear(&bench, &history, &asked);
    let world = bench.world.lock().unwrap();
    assert_eq!(&world.wanted, history.last().unwrap());
    assert_eq!(world.is, world.wanted);
    assert_eq!(seen, world.is, "what was reported adds up");
    assert_eq!(settled, asked.keys().copied().collect::<Vec<_>>());
    assert_eq!(failing, BTreeMap::new());
    let last = history.len() as u64 - 1;
    assert_eq!(bench.looped.revision, last);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn however_orders_are_cut_and_merged_all_comes_to_be_as_it_was_ordered_last(
        acts in acts(),
        failures in prop::collection::vec(prop::bool::weighted(0.3), 0..80),
        by_sweep in any::<bool>(),
        gated in any::<bool>(),
    ) {
        // One before it that is done with everything at once.
        let after = gated.then(Progress::default);
        match by_sweep {
            true => holds::<true>(acts, failures, after),
            false => holds::<false>(acts, failures, after),
        }
    }
}
