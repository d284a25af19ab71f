//! The thread that hears routers.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use api::{FlowDirection, FlowEvent, FlowRecord};
use fabric::flows::{Connection, Dropped, Ends, Event, Place};
use fabric::linux::{Recorder, interface_link};
use model::{Eni, Key, Timestamp, VpcId, World};

use super::book::{Entry, Flows};
use super::explain::{Asking, Known, reason};
use super::log::{LogFiles, Noted};
use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::loops::{Pulse, Supervisor};

/// How often it is looked whether somebody asks, and how much was not told.
const EVERY: Duration = Duration::from_secs(1);
/// How often the connections that go on are counted, where a flow log wants them.
const COUNT_EVERY: Duration = Duration::from_secs(30);
/// How long one step may take: all connections of some hundred routers are counted in it.
const LONGEST_STEP: Duration = Duration::from_secs(60);
/// Records of one VPC that are told in one second. The rest is counted.
const MOST_TOLD: u32 = 2000;

/// What the thread works with.
pub(crate) struct Parts {
    /// Hears routers.
    pub(crate) recorder: Recorder,
    /// What followers ask for.
    pub(crate) flows: Arc<Flows>,
    /// The world.
    pub(crate) ledger: Ledger,
    /// The time.
    pub(crate) clock: Arc<Clock>,
    /// Has these routers tell of flows, and no others.
    pub(crate) record: Box<dyn Fn(BTreeSet<VpcId>) + Send>,
}

/// Starts the thread. Its supervisor knows it as `flows`.
pub(crate) fn start(parts: Parts, supervisor: &Supervisor) -> io::Result<JoinHandle<()>> {
    let waker = parts.recorder.waker();
    let mut work = Work::new(parts);
    supervisor.spawn("flows", LONGEST_STEP, move || waker.wake(), move |pulse| work.run(pulse))
}

struct Work {
    parts: Parts,
    files: LogFiles,
    known: Known,
    /// Of which routers somebody wants to know.
    asked: BTreeSet<VpcId>,
    followed: BTreeSet<VpcId>,
    /// How many records each VPC may have in what is left of this second, and how many it had too many.
    told: BTreeMap<VpcId, (u32, u64)>,
    looked: Option<Instant>,
    counted: Instant,
}

impl Work {
    fn new(parts: Parts) -> Self {
        let files = LogFiles::at(parts.flows.directory.clone());
        let mut work = Self {
            parts,
            files,
            known: Known::default(),
            asked: BTreeSet::new(),
            followed: BTreeSet::new(),
            told: BTreeMap::new(),
            looked: None,
            counted: Instant::now(),
        };
        // Before networks are looked at for the first time, so that none is found to be other than it must.
        let world = work.parts.ledger.world();
        work.files.clean(&world);
        work.asked = work.files.settle(&world);
        (work.parts.record)(work.asked.clone());
        work
    }

    fn run(&mut self, pulse: &Pulse) {
        loop {
            pulse.idle();
            let left = self.looked.map_or(Duration::ZERO, |at| EVERY.saturating_sub(at.elapsed()));
            if let Err(error) = self.parts.recorder.wait(left) {
                tracing::warn!(%error, "cannot wait for records of flows");
                std::thread::park_timeout(EVERY);
            }
            pulse.turn();
            if self.parts.flows.is_stopped() {
                let world = self.parts.ledger.world();
                self.hear(&world, true);
                self.files.flush(&world, self.parts.clock.now(), true);
                return;
            }
            let world = self.parts.ledger.world();
            self.look(&world);
            if !self.asked.is_empty() {
                self.hear(&world, false);
            }
        }
    }

    /// Finds out who asks, at once for followers, and every second for the rest.
    fn look(&mut self, world: &World) {
        let followed = self.parts.flows.followed();
        let due = self.looked.is_none_or(|at| at.elapsed() >= EVERY);
        if !due && followed.is_subset(&self.followed) {
            return;
        }
        self.looked = Some(Instant::now());
        self.followed = followed;
        let mut asked = self.files.settle(world);
        asked.extend(self.followed.iter().filter(|vpc| world.vpc(**vpc).is_some()));
        if asked != self.asked {
            (self.parts.record)(asked.clone());
            self.asked = asked;
        }
        let failed = self.parts.recorder.hear(&self.asked);
        let words = |(vpc, error)| (vpc, os::error_chain(&error));
        self.parts.flows.set_failing(failed.into_iter().map(words).collect());
        self.known.refill();
        for (vpc, (left, over)) in &mut self.told {
            *left = MOST_TOLD;
            if *over > 0 {
                let lost = Entry::Lost(std::mem::take(over));
                self.parts.flows.keep(vec![(*vpc, lost)]);
            }
        }
        self.told.retain(|vpc, _| self.asked.contains(vpc));
    }

    /// Takes in what routers said since. At the end, connections that go on are counted once more.
    fn hear(&mut self, world: &World, is_end: bool) {
        let mut events: Vec<(VpcId, Event)> = Vec::new();
        let recorder = &mut self.parts.recorder;
        let mut each = |vpc, event| events.push((vpc, event));
        recorder.read(&mut each);
        if self.looked.is_some_and(|at| at.elapsed() < EVERY / 10) {
            recorder.count_untold(&mut each);
        }
        let now = self.parts.clock.now();
        self.known.at(self.parts.ledger.revision());
        let mut asking = Asking::of(world, now, &mut self.known);
        let mut kept = Vec::new();
        for (vpc, event) in events {
            let is_followed = self.followed.contains(&vpc);
            let told = self.told.entry(vpc).or_insert((MOST_TOLD, 0));
            let mut tell = |record: &mut dyn FnMut() -> FlowRecord| {
                if !is_followed {
                } else if told.0 == 0 {
                    told.1 += 1;
                } else {
                    told.0 -= 1;
                    kept.push((vpc, Entry::Record(Box::new(record()))));
                }
            };
            match event {
                Event::Opened(it) => {
                    self.files.opened(vpc, &it, now);
                    for side in sides(world, vpc, it.forward) {
                        tell(&mut || opened(&mut asking, side, &it, now));
                    }
                }
                Event::Counted(_) => {}
                Event::Closed(it) => {
                    count(&mut self.files, (world, now), vpc, &it, true);
                    for side in sides(world, vpc, it.forward) {
                        tell(&mut || closed(&mut asking, side, &it, now));
                    }
                }
                Event::Dropped(it) => {
                    let Some(eni) = stopped_at(world, vpc, &it) else { continue };
                    let direction = direction_of(it.place);
                    let noted = Noted::rejected(eni, direction, &it, now);
                    self.files.note(world, eni, noted);
                    tell(&mut || rejected(&mut asking, eni, &it, now));
                }
                Event::Untold(count) => {
                    self.files.skipped(vpc, count);
                    if is_followed {
                        kept.push((vpc, Entry::Lost(count)));
                    }
                }
                Event::Overrun => {
                    self.files.skipped(vpc, 1);
                    if is_followed {
                        kept.push((vpc, Entry::Lost(1)));
                    }
                }
            }
        }
        let due = is_end || self.files.are_due() || self.counted.elapsed() >= COUNT_EVERY;
        if self.files.any() && due {
            self.counted = Instant::now();
            let (routers, files) = (self.files.vpcs(), &mut self.files);
            // There may be many: none of them is kept.
            self.parts.recorder.count(&routers, &mut |vpc, event| {
                if let Event::Counted(it) = event {
                    count(files, (world, now), vpc, &it, false);
                }
            });
        }
        self.parts.flows.keep(kept);
        self.files.flush(world, now, false);
    }
}

/// Adds to flow logs what went over a connection since it was counted last.
fn count(
    files: &mut LogFiles,
    (world, now): (&World, Timestamp),
    vpc: VpcId,
    it: &Connection,
    ends: bool,
) {
    let Some(([sent, answered], since)) = files.more(vpc, it, ends, now) else { return };
    for Side { eni, egress } in sides(world, vpc, it.forward) {
        let (there, back) = match egress {
            true => (FlowDirection::Egress, FlowDirection::Ingress),
            false => (FlowDirection::Ingress, FlowDirection::Egress),
        };
        let answer = swapped(it.forward);
        for (direction, ends, amount) in [(there, it.forward, sent), (back, answer, answered)] {
            if amount.packets > 0 {
                let times = (since, now);
                files.note(world, eni, Noted::accepted(eni, direction, ends, amount, times));
            }
        }
    }
}

/// An interface at one end of a connection.
#[derive(Clone, Copy)]
struct Side<'w> {
    eni: &'w Eni,
    /// Whether the end is who began.
    egress: bool,
}

/// The interfaces of a VPC at the ends of a connection. What is for a resolver is no flow between two, as
/// in EC2.
fn sides(world: &World, vpc: VpcId, ends: Ends) -> Vec<Side<'_>> {
    let found = |address, egress| {
        let eni = world.eni_at(vpc, address)?;
        Some(Side { eni, egress })
    };
    let second = world.vpc(vpc).map(|vpc| u32::from(vpc.primary().base()) + 2);
    let is_resolver = second == Some(ends.destination.into());
    if is_resolver || ends.destination == model::edge::RESOLVER {
        return Vec::new();
    }
    [found(ends.source, true), found(ends.destination, false)].into_iter().flatten().collect()
}

/// The interface at which a packet was stopped.
fn stopped_at<'w>(world: &'w World, vpc: VpcId, it: &Dropped) -> Option<&'w Eni> {
    let by_link = || {
        let mut enis = world.enis_in(Key::Vpc(vpc));
        enis.find(|eni| interface_link(eni.id) == it.link).map(|eni| &**eni)
    };
    let at = |address| world.eni_at(vpc, address).map(|eni| &**eni);
    match it.place {
        Place::EntersGroup | Place::EntersSubnet => at(it.ends.destination),
        // The source is not to be believed.
        Place::Source => by_link(),
        _ => at(it.ends.source).or_else(by_link).or_else(|| at(it.ends.destination)),
    }
}

const fn direction_of(place: Place) -> FlowDirection {
    match place {
        Place::EntersGroup | Place::EntersSubnet => FlowDirection::Ingress,
        _ => FlowDirection::Egress,
    }
}

/// The ends of what goes the other way.
fn swapped(ends: Ends) -> Ends {
    Ends {
        source: ends.destination,
        destination: ends.source,
        source_port: ends.destination_port,
        destination_port: ends.source_port,
        ..ends
    }
}

fn record(ends: Ends, event: FlowEvent, direction: FlowDirection, now: Timestamp) -> FlowRecord {
    FlowRecord {
        time: now,
        event,
        direction,
        protocol: ends.protocol,
        source: ends.source,
        destination: ends.destination,
        source_port: ends.source_port,
        destination_port: ends.destination_port,
        packets: None,
        bytes: None,
        packets_back: None,
        bytes_back: None,
        reason: None,
        component: api::Component::default(),
    }
}

fn opened(asking: &mut Asking<'_>, side: Side<'_>, it: &Connection, now: Timestamp) -> FlowRecord {
    let direction = if side.egress { FlowDirection::Egress } else { FlowDirection::Ingress };
    FlowRecord {
        component: asking.passed(side.eni, it.forward, side.egress),
        ..record(it.forward, FlowEvent::Opened, direction, now)
    }
}

fn closed(asking: &mut Asking<'_>, side: Side<'_>, it: &Connection, now: Timestamp) -> FlowRecord {
    let [sent, answered] = it.amounts.map_or([None; 2], |amounts| amounts.map(Some));
    FlowRecord {
        event: FlowEvent::Closed,
        packets: sent.map(|it| it.packets),
        bytes: sent.map(|it| it.bytes),
        packets_back: answered.map(|it| it.packets),
        bytes_back: answered.map(|it| it.bytes),
        ..opened(asking, side, it, now)
    }
}

fn rejected(asking: &mut Asking<'_>, eni: &Eni, it: &Dropped, now: Timestamp) -> FlowRecord {
    FlowRecord {
        packets: Some(1),
        bytes: Some(it.bytes.into()),
        reason: Some(reason(it.place)),
        component: asking.stopped(eni, it.place, it.ends, it.answers),
        ..record(it.ends, FlowEvent::Rejected, direction_of(it.place), now)
    }
}
