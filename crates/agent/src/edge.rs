//! The edge, as the controller of its process tells it what to answer.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use edge::{Control, Namespaces};
use fabric::driver::NamespaceNames;
use model::VpcId;
use model::edge::{BackendState, EdgeDelta, EdgeEvent, EdgeIntent, RouterIntent};
use model::protocol::{Edge, EdgeStatus, Subject};
use os::Waker;
use os::poll::is_readable_within;

use crate::actuator::{Actuator, Fate, Found};
use crate::wait::{Wake, wait};

#[cfg(test)]
mod tests;

/// The name of the only part.
const EDGE: &str = "edge";
/// An edge that ends sooner than this after it was told what to answer may do so again and again.
const STEADY: Duration = Duration::from_secs(10);

/// Finds or starts an edge, tells it what to answer and hears from it.
pub struct EdgeActuator {
    program: PathBuf,
    config: edge::Config,
    /// The names of the namespaces in which the edge answers, from the driver that makes them.
    names: Arc<dyn NamespaceNames>,
    waker: Waker,
    /// What the edge must answer, for one that is new; `None` until that is known, as an edge that is
    /// found must not be told of nothing.
    table: Option<EdgeIntent>,
    control: Option<Control>,
    /// How soon is too soon for an edge to end.
    steady: Duration,
    /// When the edge was told what to answer.
    since: Instant,
    /// The number of edges that ended too soon, one after the other.
    short_lived: u32,
    /// Whether an edge is to be found or started in the next step.
    to_connect: bool,
    /// Whether it is to be told again, in the next step, of what it has to report.
    to_repeat: bool,
}

impl EdgeActuator {
    /// Makes one. `program` is our own, which knows the subcommand `edge`; `names` are those of the
    /// namespaces of this host.
    ///
    /// # Errors
    ///
    /// The kernel's error, if the process may have no more descriptors.
    pub fn new(
        program: PathBuf,
        config: edge::Config,
        names: Arc<dyn NamespaceNames>,
    ) -> io::Result<Self> {
        let (table, control) = (None, None);
        let (to_connect, to_repeat) = (false, false);
        Ok(Self {
            program,
            config,
            names,
            waker: Waker::new()?,
            table,
            control,
            steady: STEADY,
            since: Instant::now(),
            short_lived: 0,
            to_connect,
            to_repeat,
        })
    }

    /// Says something to the edge, if there is one.
    fn say(&mut self, say: impl FnOnce(&mut Control) -> io::Result<()>) {
        let said = self.control.as_mut().map_or(Ok(()), say);
        self.note(said);
    }

    fn say_change(&mut self, delta: &EdgeDelta) {
        let vpcs = delta.vpcs.iter().filter(|(_, vpc)| vpc.is_some());
        let namespaces = self.namespaces(vpcs.map(|(id, _)| id), delta.spaces.values().flatten());
        self.say(|control| control.change(delta, &namespaces));
    }

    fn namespaces_of(&self, intent: &EdgeIntent) -> Namespaces {
        self.namespaces(intent.vpcs.keys(), intent.spaces.values())
    }

    /// The namespaces of some parts.
    fn namespaces<'a>(
        &self,
        vpcs: impl Iterator<Item = &'a VpcId>,
        spaces: impl Iterator<Item = &'a RouterIntent>,
    ) -> Namespaces {
        let interfaces = spaces.flat_map(|space| space.interfaces.keys());
        Namespaces {
            routers: vpcs.map(|vpc| (*vpc, self.names.router(*vpc))).collect(),
            interfaces: interfaces.map(|eni| (*eni, self.names.interface(*eni))).collect(),
        }
    }

    /// Takes note of an edge that went away: another one is looked for at once. Of those that end as
    /// soon as they serve, the second and all later ones are a failure, which is tried again after pauses.
    fn note(&mut self, said: io::Result<()>) {
        if let Err(error) = said {
            tracing::warn!(%error, "the edge went away; another one is looked for");
            self.control = None;
            self.to_connect = true;
            let short = self.since.elapsed() < self.steady;
            self.short_lived = if short { self.short_lived.saturating_add(1) } else { 0 };
        }
    }

    fn connect(&mut self) -> Found<Edge> {
        self.to_connect = false;
        let Some(table) = &self.table else { return Found::default() };
        let why = match edge::ensure(&self.program, &self.config) {
            Ok(mut control) => match control.sync(table, &self.namespaces_of(table)) {
                Ok(()) => {
                    tracing::info!(pid = control.peer().pid, "the edge answers");
                    self.control = Some(control);
                    self.since = Instant::now();
                    // One of several that ended has to show that it is there to stay.
                    let steady = self.short_lived < 2;
                    return if steady { fares(EdgeStatus::Answers) } else { Found::default() };
                }
                Err(error) => format!("the edge went away: {error}"),
            },
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|c| format!(": {c}"));
                format!("{error}{}", cause.unwrap_or_default())
            }
        };
        tracing::error!("there is no edge: {why}");
        fares(EdgeStatus::Absent(why))
    }

    /// What is to be said of an edge that comes after several that ended too soon, once it has not.
    fn prove_steady(&mut self) -> Found<Edge> {
        let proven = self.control.is_some() && self.since.elapsed() >= self.steady;
        if self.short_lived < 2 || !proven {
            return Found::default();
        }
        self.short_lived = 0;
        fares(EdgeStatus::Answers)
    }

    /// Names the routers again that have anything to report, so that the edge reports it again.
    fn repeat(&mut self) {
        self.to_repeat = false;
        let spaces = self.table.iter().flat_map(|table| &table.spaces);
        let reports = spaces.filter(|(_, router)| events(router).next().is_some());
        let spaces = reports.map(|(id, router)| (*id, Some(router.clone()))).collect();
        let delta = EdgeDelta { spaces, ..EdgeDelta::default() };
        if delta != EdgeDelta::default() {
            self.say_change(&delta);
        }
    }

    /// Takes in what the edge said so far.
    fn hear(&mut self) -> Found<Edge> {
        let Some(control) = &mut self.control else { return Found::default() };
        let mut events = Vec::new();
        let ended = loop {
            if !control.has_more() && !said_something(control) {
                break Ok(());
            }
            match control.next_event(Duration::ZERO) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.note(ended);
        Found { events, outcomes: None }
    }
}

fn fares(status: EdgeStatus) -> Found<Edge> {
    Found { events: Vec::new(), outcomes: Some(status) }
}

impl Actuator for EdgeActuator {
    type Subject = Edge;
    type Part = &'static str;

    const RETRIES_BY_SWEEP: bool = false;

    fn wake(&self) -> Wake {
        let waker = self.waker.clone();
        Arc::new(move || waker.wake())
    }

    fn begin_sweep(&mut self, intent: EdgeIntent) {
        // Changes wait for what is told of everything, so it is told only if it is news.
        if self.table.as_ref() == Some(&intent) {
            self.look_again();
            return;
        }
        let first = self.table.is_none();
        let namespaces = self.namespaces_of(&intent);
        self.say(|control| control.sync(&intent, &namespaces));
        self.table = Some(intent);
        self.to_connect |= first;
    }

    fn look_again(&mut self) -> bool {
        self.to_repeat = true;
        true
    }

    fn step(&mut self) -> Option<Found<Edge>> {
        if self.to_connect && self.short_lived >= 2 {
            self.to_connect = false;
            let times = self.short_lived;
            let why = format!("{times} edges ended as soon as they served; edge.log says why");
            return Some(fares(EdgeStatus::Absent(why)));
        }
        if self.to_connect {
            return Some(self.connect());
        }
        self.to_repeat.then(|| {
            self.repeat();
            self.prove_steady()
        })
    }

    fn change(&mut self, delta: EdgeDelta) -> Found<Edge> {
        self.say_change(&delta);
        if let Some(table) = &mut self.table {
            Edge::change(table, delta);
        }
        Found::default()
    }

    fn retry(&mut self) -> Found<Edge> {
        if self.control.is_none() { self.connect() } else { Found::default() }
    }

    fn wait(&mut self, timeout: Duration) -> Found<Edge> {
        let control = self.control.as_ref().map(AsFd::as_fd);
        wait(&self.waker, control.as_slice(), timeout);
        self.hear()
    }

    fn settle(&mut self) -> Found<Edge> {
        self.say(|control| control.settle().map(drop));
        self.hear()
    }

    fn fates(found: &Found<Edge>) -> Vec<(&'static str, Fate)> {
        let fate = |status: &EdgeStatus| match status {
            EdgeStatus::Answers => (EDGE, Fate::Fine),
            EdgeStatus::Absent(why) => (EDGE, Fate::Failed(why.clone())),
        };
        found.outcomes.iter().map(fate).collect()
    }
}

fn said_something(control: &Control) -> bool {
    is_readable_within(control, Duration::ZERO).unwrap_or(false)
}

/// The events that a router's dynos must bring about sooner or later.
fn events(router: &RouterIntent) -> impl Iterator<Item = EdgeEvent> {
    let backends = router.apps.values().flat_map(|app| &app.backends);
    backends.filter_map(|backend| match backend.state {
        BackendState::Starting => Some(EdgeEvent::Bound(backend.dyno)),
        BackendState::Draining => Some(EdgeEvent::Drained(backend.dyno)),
        BackendState::Up => None,
    })
}

/// Where no packets are carried there is nobody to answer: whatever starts is taken to be bound,
/// and has no request to finish. An idle one says nothing of anything.
pub struct NoEdge {
    idle: bool,
    waker: Waker,
    table: EdgeIntent,
    to_report: bool,
}

impl NoEdge {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// The kernel's error, if the process may have no more descriptors.
    pub fn new() -> io::Result<Self> {
        let (waker, table) = (Waker::new()?, EdgeIntent::default());
        Ok(Self { idle: false, waker, table, to_report: false })
    }

    /// Makes one for a machine that answers nothing, as others do.
    ///
    /// # Errors
    ///
    /// The kernel's error, if the process may have no more descriptors.
    pub fn idle() -> io::Result<Self> {
        Ok(Self { idle: true, ..Self::new()? })
    }

    /// What is to be said of some routers.
    fn events<'a>(&self, spaces: impl Iterator<Item = &'a RouterIntent>) -> Vec<EdgeEvent> {
        if self.idle { Vec::new() } else { spaces.flat_map(events).collect() }
    }
}

impl Actuator for NoEdge {
    type Subject = Edge;
    type Part = &'static str;

    const RETRIES_BY_SWEEP: bool = false;

    fn wake(&self) -> Wake {
        let waker = self.waker.clone();
        Arc::new(move || waker.wake())
    }

    fn begin_sweep(&mut self, intent: EdgeIntent) {
        self.table = intent;
        self.to_report = true;
    }

    fn look_again(&mut self) -> bool {
        self.to_report = true;
        true
    }

    fn step(&mut self) -> Option<Found<Edge>> {
        std::mem::take(&mut self.to_report).then(|| {
            let events = self.events(self.table.spaces.values());
            Found { events, outcomes: None }
        })
    }

    fn change(&mut self, delta: EdgeDelta) -> Found<Edge> {
        let events = self.events(delta.spaces.values().flatten());
        Edge::change(&mut self.table, delta);
        Found { events, outcomes: None }
    }

    fn retry(&mut self) -> Found<Edge> {
        Found::default()
    }

    fn wait(&mut self, timeout: Duration) -> Found<Edge> {
        wait(&self.waker, &[], timeout);
        Found::default()
    }

    fn fates(_: &Found<Edge>) -> Vec<(&'static str, Fate)> {
        Vec::new()
    }
}
