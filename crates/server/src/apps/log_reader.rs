//! Readers of apps' logs: what dynos and data services wrote, what routers served, and what the
//! platform did, in the order of its time.
//!
//! Whether somebody may read is not asked here. Whoever has a reader asks that before each read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fabric::runtime::{LogPart, LogPosition};
use model::{HostId, Key, Timestamp, WorkloadId, World};

use super::console::Console;
use super::host_logs::{HostAsk, HostLogs, ProcessAsk, RouterAsk};
use super::logs::{Line, Logs, MOST_LINES, Source, Wanted};
use super::router_log::RouterLog;
use crate::clock::Clock;
use crate::ledger::Ledger;

/// Of hosts that have neither a process of an app nor the router of its space, the request log is asked for
/// with each so many-th read.
const SELDOM: u32 = 8;

/// Where the lines of logs come from.
#[derive(Clone)]
pub(crate) struct Sources {
    /// The worlds that say which processes an app has.
    pub(crate) ledger: Ledger,
    /// The time.
    pub(crate) clock: Arc<Clock>,
    /// What processes wrote.
    pub(crate) console: Arc<dyn Console>,
    /// What processes and routers wrote on other hosts.
    pub(crate) hosts: Arc<dyn HostLogs>,
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
    /// The position in the output of each workload, on the host that it is on.
    places: BTreeMap<WorkloadId, (Option<HostId>, Option<LogPosition>)>,
    /// Workloads that have ended and were read to the end.
    done: BTreeSet<WorkloadId>,
    /// The number of the last of the platform's lines that was read.
    number: u64,
    /// The last line of the request log that was read, of this machine and of other hosts.
    routed: BTreeMap<Option<HostId>, String>,
    /// Hosts that could not be asked when it was tried last.
    away: BTreeSet<HostId>,
    /// How often it was read.
    turn: u32,
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
            routed: BTreeMap::new(),
            away: BTreeSet::new(),
            turn: 0,
            seen,
            begun: false,
        }
    }

    /// The lines since the last call. The first call returns as many past lines as are wanted. It reads
    /// files, and waits some seconds for other hosts.
    pub(crate) fn read(&mut self) -> Vec<Line> {
        let world = self.sources.ledger.world();
        let mut lines = self.of_processes_and_routers(&world);
        lines.extend(self.of_platform());
        lines.sort_by_key(|line| line.at);
        let mut lines: Vec<Line> = lines.into_iter().flat_map(Line::parts).collect();
        self.turn = self.turn.wrapping_add(1);
        if !self.begun {
            self.begun = true;
            match self.seen {
                Some(position) => position.skip(&mut lines),
                None => drop(lines.drain(..lines.len().saturating_sub(self.wanted.lines))),
            }
        }
        lines
    }

    /// The output of dynos and of the app's data services, and what routers served, here and on other hosts.
    fn of_processes_and_routers(&mut self, world: &World) -> Vec<Line> {
        let app = Key::App(self.wanted.app);
        let dynos = world.dynos_in(app);
        let dynos = dynos.map(|d| (WorkloadId::Dyno(d.id), &*d.name, d.host, d.state.ended()));
        let addons = world.addons_of(app);
        let addons = addons.map(|a| (WorkloadId::Service(a.id), &*a.name, a.host, false));
        let (mut here, mut others) = (Vec::new(), BTreeMap::<HostId, Vec<Process<'_>>>::new());
        for (id, name, host, ended) in dynos.chain(addons) {
            if !self.wanted.wants(Source::App, name) || self.done.contains(&id) {
                continue;
            }
            let host = host.filter(|host| self.sources.hosts.is_other(*host));
            let process = Process { id, name, ended };
            match host {
                None => here.push(process),
                Some(host) => others.entry(host).or_default().push(process),
            }
        }
        let mut lines = Vec::new();
        for process in here {
            let from = self.place(process.id, None);
            let part = self.sources.console.lines(process.id, from, self.whole(&process));
            self.take(&process, None, part, &mut lines);
        }
        let routers = self.wanted.wants(Source::Heroku, ROUTER);
        if routers {
            self.of_this_router(&mut lines);
        }
        self.of_others(world, others, routers, &mut lines);
        lines
    }

    /// While a process runs, an incomplete last line is left for later.
    fn whole(&self, process: &Process<'_>) -> bool {
        !self.wanted.tail || process.ended
    }

    /// Where the next lines of a process begin. One that was moved begins anew.
    fn place(&self, id: WorkloadId, host: Option<HostId>) -> Option<LogPosition> {
        self.places.get(&id).filter(|(on, _)| *on == host).and_then(|(_, place)| *place)
    }

    /// How many lines of one process are wanted at most.
    fn most(&self) -> usize {
        if self.seen.is_some() { MOST_LINES } else { self.wanted.lines }
    }

    fn take(
        &mut self,
        process: &Process<'_>,
        host: Option<HostId>,
        part: std::io::Result<LogPart>,
        lines: &mut Vec<Line>,
    ) {
        // A process that was never started has no output.
        let Ok(part) = part else { return };
        if process.ended {
            self.done.insert(process.id);
        }
        self.places.insert(process.id, (host, part.next));
        let surplus = part.lines.len().saturating_sub(self.most());
        let skip = if self.begun { 0 } else { surplus };
        lines.extend(part.lines.into_iter().skip(skip).map(|line| Line {
            at: line.at,
            source: Source::App,
            process: process.name.to_owned(),
            text: String::from_utf8_lossy(&line.text).into_owned(),
        }));
    }

    /// What was written on other hosts. Of one that cannot be asked it is said once what is missing.
    fn of_others(
        &mut self,
        world: &World,
        mut others: BTreeMap<HostId, Vec<Process<'_>>>,
        routers: bool,
        lines: &mut Vec<Line>,
    ) {
        if routers {
            for host in self.routers_of(world) {
                others.entry(host).or_default();
            }
        }
        if others.is_empty() {
            return;
        }
        let most = if self.begun { usize::MAX } else { self.most() };
        let ask = |host: HostId, processes: &[Process<'_>]| HostAsk {
            processes: processes
                .iter()
                .map(|process| ProcessAsk {
                    workload: process.id,
                    from: self.place(process.id, Some(host)),
                    whole: self.whole(process),
                    most,
                })
                .collect(),
            router: routers.then(|| RouterAsk {
                app: self.wanted.app,
                most: MOST_LINES,
                after: self.routed.get(&Some(host)).cloned(),
            }),
        };
        let asks = others.iter().map(|(host, processes)| (*host, ask(*host, processes))).collect();
        for (host, answer) in self.sources.hosts.read(asks) {
            let processes = others.remove(&host).unwrap_or_default();
            match answer {
                Ok(answer) => {
                    self.away.remove(&host);
                    for (process, part) in processes.iter().zip(answer.processes) {
                        self.take(process, Some(host), part, lines);
                    }
                    lines.extend(answer.router.iter().filter_map(|line| router_line(line)));
                    if let Some(last) = answer.router.into_iter().next_back() {
                        self.routed.insert(Some(host), last);
                    }
                }
                Err(why) => {
                    // What has ended there is not asked for again, as others would wait for that each time.
                    if !self.wanted.tail {
                        self.done.extend(processes.iter().map(|process| process.id));
                    }
                    if self.away.insert(host) {
                        lines.push(self.missing(&processes, &why));
                    }
                }
            }
        }
    }

    /// The other hosts that may have served requests: those with the router of the app's space, and from time
    /// to time all.
    fn routers_of(&self, world: &World) -> Vec<HostId> {
        let hosts: BTreeSet<HostId> = if self.turn.is_multiple_of(SELDOM) {
            world.hosts().map(|host| host.id).collect()
        } else {
            let app = world.app(self.wanted.app);
            let space = app.and_then(|app| world.space(app.space));
            space.into_iter().flat_map(|space| space.router_hosts.values().copied()).collect()
        };
        hosts.into_iter().filter(|host| self.sources.hosts.is_other(*host)).collect()
    }

    /// That lines are missing.
    fn missing(&self, processes: &[Process<'_>], why: &str) -> Line {
        let mut names: Vec<&str> = processes.iter().map(|process| process.name).collect();
        names.sort_unstable();
        names.dedup();
        let what = match &names[..] {
            [] => "Requests that it served are".to_owned(),
            names => format!("The output of {} is", names.join(", ")),
        };
        Line {
            at: self.sources.clock.now(),
            source: Source::Heroku,
            process: "logs".to_owned(),
            text: format!("{what} missing: {why}"),
        }
    }

    fn of_platform(&mut self) -> Vec<Line> {
        let (lines, last) = self.sources.logs.since(self.wanted.app, self.number);
        self.number = last;
        lines.into_iter().filter(|line| self.wanted.wants(line.source, &line.process)).collect()
    }

    fn of_this_router(&mut self, lines: &mut Vec<Line>) {
        let tail = match self.sources.router_log.tail(self.wanted.app, MOST_LINES) {
            Ok(tail) => tail,
            Err(error) => {
                return tracing::warn!(app = %self.wanted.app, %error, "a router's log cannot be read");
            }
        };
        // Every line contains its request's id, so no two are equal.
        let known = self.routed.get(&None).and_then(|last| tail.iter().rposition(|l| l == last));
        let new = &tail[known.map_or(0, |at| at + 1)..];
        lines.extend(new.iter().filter_map(|line| router_line(line)));
        if let Some(last) = new.last() {
            self.routed.insert(None, last.clone());
        }
    }
}

/// The name of routers in lines.
const ROUTER: &str = "router";

/// A process whose output is wanted.
struct Process<'a> {
    id: WorkloadId,
    name: &'a str,
    ended: bool,
}

/// A line of a request log.
fn router_line(line: &str) -> Option<Line> {
    let (at, text) = line.split_once(' ')?;
    let at: Timestamp = at.parse().ok()?;
    let text = text.strip_prefix("router: ").unwrap_or(text).to_owned();
    Some(Line { at, source: Source::Heroku, process: ROUTER.to_owned(), text })
}
