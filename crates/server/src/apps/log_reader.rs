//! Readers of apps' logs: what dynos and data services wrote, what routers served, and what the
//! platform did, in the order of its time.
//!
//! Whether somebody may read is not asked here. Whoever has a reader asks that before each read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fabric::runtime::LogPosition;
use model::{Key, Timestamp, WorkloadId, World};

use super::console::Console;
use super::logs::{Line, Logs, MOST_LINES, Source, Wanted};
use super::router_log::RouterLog;
use crate::ledger::Ledger;

/// Where the lines of logs come from.
#[derive(Clone)]
pub(crate) struct Sources {
    /// The worlds that say which processes an app has.
    pub(crate) ledger: Ledger,
    /// What processes wrote.
    pub(crate) console: Arc<dyn Console>,
    /// What the platform did.
    pub(crate) logs: Arc<Logs>,
    /// What routers served.
    pub(crate) router_log: Arc<dyn RouterLog>,
}

/// A position in a log: the time of the last line, and how many lines of that time were sent.
/// Clients send it back to resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    millis: i64,
    lines: usize,
}

impl Position {
    /// Reads what [`Self::show`] wrote.
    pub(crate) fn read(id: &str) -> Option<Self> {
        let (millis, lines) = id.split_once('-')?;
        Some(Self { millis: millis.parse().ok()?, lines: lines.parse().ok()? })
    }

    /// Its form in an address and as the id of an event.
    pub(crate) fn show(self) -> String {
        format!("{}-{}", self.millis, self.lines)
    }

    /// Counts a line that was sent.
    pub(crate) fn pass(&mut self, at: Timestamp) {
        let lines = if at.millis() == self.millis { self.lines + 1 } else { 1 };
        *self = Self { millis: at.millis(), lines };
    }

    /// The time of the last line.
    pub(crate) fn time(self) -> Timestamp {
        Timestamp::from_millis(self.millis)
    }

    /// Removes the lines before the position.
    pub(crate) fn skip(self, lines: &mut Vec<Line>) {
        let mut same = 0;
        lines.retain(|line| {
            same += usize::from(line.at.millis() == self.millis);
            line.at.millis() > self.millis || (line.at.millis() == self.millis && same > self.lines)
        });
    }
}

/// Reads an app's log in parts.
pub(crate) struct Reader {
    sources: Sources,
    wanted: Wanted,
    /// The position in the output of each workload.
    places: BTreeMap<WorkloadId, Option<LogPosition>>,
    /// Workloads that have ended and were read to the end.
    done: BTreeSet<WorkloadId>,
    /// The number of the last of the platform's lines that was read.
    number: u64,
    /// The last line of the request log that was read.
    routed: Option<String>,
    /// The position from which a client resumes.
    seen: Option<Position>,
    begun: bool,
}

impl Reader {
    /// A reader that has read nothing yet. With a position, it resumes from there.
    pub(crate) fn new(sources: Sources, wanted: Wanted, seen: Option<Position>) -> Self {
        Self {
            sources,
            wanted,
            places: BTreeMap::new(),
            done: BTreeSet::new(),
            number: 0,
            routed: None,
            seen,
            begun: false,
        }
    }

    /// The lines since the last call. The first call returns as many past lines as are wanted. It reads
    /// files.
    pub(crate) fn read(&mut self) -> Vec<Line> {
        let world = self.sources.ledger.world();
        let mut lines = self.of_processes(&world);
        lines.extend(self.of_platform());
        lines.extend(self.of_routers());
        lines.sort_by_key(|line| line.at);
        let mut lines: Vec<Line> = lines.into_iter().flat_map(Line::parts).collect();
        if !self.begun {
            self.begun = true;
            match self.seen {
                Some(position) => position.skip(&mut lines),
                None => drop(lines.drain(..lines.len().saturating_sub(self.wanted.lines))),
            }
        }
        lines
    }

    /// The output of dynos and of the app's data services.
    fn of_processes(&mut self, world: &World) -> Vec<Line> {
        let app = Key::App(self.wanted.app);
        let dynos = world.dynos_in(app);
        let dynos = dynos.map(|d| (WorkloadId::Dyno(d.id), d.name.as_str(), d.state.ended()));
        let addons = world.addons_of(app);
        let addons = addons.map(|a| (WorkloadId::Service(a.id), a.name.as_str(), false));
        let mut lines = Vec::new();
        for (id, name, ended) in dynos.chain(addons) {
            if self.wanted.wants(Source::App, name) && !self.done.contains(&id) {
                self.read_process(id, name, ended, &mut lines);
            }
        }
        lines
    }

    fn read_process(&mut self, id: WorkloadId, name: &str, ended: bool, lines: &mut Vec<Line>) {
        let from = self.places.get(&id).copied().flatten();
        // While a process runs, an incomplete last line is left for later.
        let whole = !self.wanted.tail || ended;
        // A process that was never started has no output.
        let Ok(part) = self.sources.console.lines(id, from, whole) else { return };
        if ended {
            self.done.insert(id);
        }
        self.places.insert(id, part.next);
        let most = if self.seen.is_some() { MOST_LINES } else { self.wanted.lines };
        let skip = if self.begun { 0 } else { part.lines.len().saturating_sub(most) };
        lines.extend(part.lines.into_iter().skip(skip).map(|line| Line {
            at: line.at,
            source: Source::App,
            process: name.to_owned(),
            text: String::from_utf8_lossy(&line.text).into_owned(),
        }));
    }

    fn of_platform(&mut self) -> Vec<Line> {
        let (lines, last) = self.sources.logs.since(self.wanted.app, self.number);
        self.number = last;
        lines.into_iter().filter(|line| self.wanted.wants(line.source, &line.process)).collect()
    }

    fn of_routers(&mut self) -> Vec<Line> {
        const ROUTER: &str = "router";
        if !self.wanted.wants(Source::Heroku, ROUTER) {
            return Vec::new();
        }
        let tail = match self.sources.router_log.tail(self.wanted.app, MOST_LINES) {
            Ok(tail) => tail,
            Err(error) => {
                tracing::warn!(app = %self.wanted.app, %error, "a router's log cannot be read");
                return Vec::new();
            }
        };
        // Every line contains its request's id, so no two are equal.
        let known = self.routed.as_ref().and_then(|last| tail.iter().rposition(|l| l == last));
        let new = &tail[known.map_or(0, |at| at + 1)..];
        if let Some(last) = new.last() {
            self.routed = Some(last.clone());
        }
        let read = |line: &String| {
            let (at, text) = line.split_once(' ')?;
            let at: Timestamp = at.parse().ok()?;
            let text = text.strip_prefix("router: ").unwrap_or(text).to_owned();
            Some(Line { at, source: Source::Heroku, process: ROUTER.to_owned(), text })
        };
        new.iter().filter_map(read).collect()
    }
}
