//! The dynos that an edge knows, and what its controller is to hear of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::DynoId;
use model::edge::{Backend, BackendState, EdgeEvent};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::task::AbortOnDropHandle;

use crate::protocol::Order;
use crate::sockets::Namespace;
use crate::tasks::spawn_confined;
use crate::web::Web;
use crate::web::dyno::Dyno;
use crate::web::probe::until_bound;

/// The pause between two sweeps of unused connections.
pub(super) const SWEEP: Duration = Duration::from_secs(1);

/// A dyno, and what the controller heard of it.
struct Known {
    dyno: Arc<Dyno>,
    probe: Option<AbortOnDropHandle<()>>,
    reported_bound: bool,
    reported_drained: bool,
}

/// The edge before this one, which still has requests in flight.
struct Predecessor {
    orders: UnboundedSender<(u64, Order)>,
    /// The number of the last order that it was sent.
    passed: u64,
    /// The number of the last order that it has done, once it said so.
    done: Option<u64>,
    /// The dynos to which it has requests in flight.
    busy: BTreeSet<DynoId>,
}

impl Predecessor {
    /// Whether it has no request in flight to a dyno, and will begin none.
    fn is_done_with(&self, dyno: DynoId) -> bool {
        self.done == Some(self.passed) && !self.busy.contains(&dyno)
    }
}

/// All dynos that an edge knows.
pub(super) struct Dynos {
    web: Arc<Web>,
    events: UnboundedSender<EdgeEvent>,
    workers: usize,
    known: BTreeMap<DynoId, Known>,
    predecessor: Option<Predecessor>,
    /// Whether the controller may have to hear something.
    unreported: bool,
}

impl Dynos {
    /// No dynos. Each keeps unused connections for so many workers.
    pub(super) fn new(web: Arc<Web>, events: UnboundedSender<EdgeEvent>, workers: usize) -> Self {
        Self { web, events, workers, known: BTreeMap::new(), predecessor: None, unreported: false }
    }

    /// Sets the state of a dyno, and probes it while it starts.
    pub(super) fn set(&mut self, backend: &Backend, exits: &Arc<[Namespace]>) -> Arc<Dyno> {
        let address = at(backend);
        let moved = |known: &Known| known.dyno.address != address;
        if self.known.get(&backend.dyno).is_some_and(moved) {
            self.known.remove(&backend.dyno);
        }
        let known = self.known.entry(backend.dyno).or_insert_with(|| Known {
            dyno: Arc::new(Dyno::new(backend, self.workers, self.events.clone())),
            probe: None,
            reported_bound: false,
            reported_drained: false,
        });
        if known.dyno.state() != BackendState::Starting && backend.state == BackendState::Starting {
            // The dyno was restarted.
            known.dyno.set_bound(false);
        }
        // A controller that says so again has not heard how it ended.
        (known.reported_bound, known.reported_drained) = (false, false);
        known.dyno.set_state(backend.state);
        match backend.state {
            BackendState::Starting if !known.dyno.is_bound() => {
                if known.probe.is_none() {
                    let (web, dyno) = (Arc::clone(&self.web), Arc::clone(&known.dyno));
                    let (exits, events) = (Arc::clone(exits), self.events.clone());
                    known.probe = Some(AbortOnDropHandle::new(spawn_confined(async move {
                        let id = dyno.id;
                        until_bound(web, dyno, exits).await;
                        // Nobody listens once the edge ends.
                        let _ = events.send(EdgeEvent::Bound(id));
                    })));
                }
            }
            BackendState::Starting | BackendState::Draining => known.probe = None,
            BackendState::Up => {
                known.probe = None;
                known.dyno.set_bound(true);
            }
        }
        self.unreported = true;
        Arc::clone(&known.dyno)
    }

    /// Forgets a dyno. Requests in flight to it go on.
    pub(super) fn remove(&mut self, dyno: DynoId) {
        if let Some(known) = self.known.remove(&dyno) {
            // A request that looked the dyno up before must not begin now.
            known.dyno.set_state(BackendState::Draining);
        }
    }

    /// Notes that something happened to a dyno.
    pub(super) fn hear(&mut self, event: EdgeEvent) {
        let (EdgeEvent::Bound(dyno) | EdgeEvent::Drained(dyno)) = event;
        self.unreported |= self.known.contains_key(&dyno);
    }

    /// Makes [`Self::report`] report everything again, to a new controller.
    pub(super) fn forget_reports(&mut self) {
        for known in self.known.values_mut() {
            (known.reported_bound, known.reported_drained) = (false, false);
        }
        self.unreported = true;
    }

    /// Reports what the controller has not heard yet; false if nobody listens.
    pub(super) fn report(&mut self, send: impl Fn(EdgeEvent) -> bool) -> bool {
        if !std::mem::take(&mut self.unreported) {
            return true;
        }
        let predecessor = self.predecessor.as_ref();
        for (id, known) in &mut self.known {
            let dyno = &known.dyno;
            let event = match dyno.state() {
                BackendState::Starting if dyno.is_bound() && !known.reported_bound => {
                    known.reported_bound = true;
                    EdgeEvent::Bound(*id)
                }
                BackendState::Draining
                    if !known.reported_drained
                        && dyno.is_drained()
                        && predecessor.is_none_or(|predecessor| predecessor.is_done_with(*id)) =>
                {
                    known.reported_drained = true;
                    EdgeEvent::Drained(*id)
                }
                BackendState::Starting | BackendState::Draining | BackendState::Up => continue,
            };
            if !send(event) {
                return false;
            }
        }
        true
    }

    /// Closes connections that were not used for a while.
    pub(super) fn sweep(&self) {
        for known in self.known.values() {
            known.dyno.sweep(self.web.limits.dyno_keep_alive);
        }
    }

    /// The dynos to which requests are in flight, here and in the edges before this one. `None`
    /// while that is not known.
    pub(super) fn busy(&self) -> Option<Vec<DynoId>> {
        let here = self.known.values().filter(|known| known.dyno.requests() > 0);
        let mut busy: BTreeSet<DynoId> = here.map(|known| known.dyno.id).collect();
        if let Some(predecessor) = &self.predecessor {
            if predecessor.done != Some(predecessor.passed) {
                return None;
            }
            busy.extend(&predecessor.busy);
        }
        Some(busy.into_iter().collect())
    }

    /// This edge took over from another, which gets these orders.
    pub(super) fn set_predecessor(&mut self, orders: UnboundedSender<(u64, Order)>) {
        self.predecessor =
            Some(Predecessor { orders, passed: 0, done: None, busy: BTreeSet::new() });
    }

    /// Sends an order on to the edge before this one, if there is one.
    pub(super) fn pass_on(&mut self, order: Order) {
        if let Some(predecessor) = &mut self.predecessor {
            predecessor.passed += 1;
            if predecessor.orders.send((predecessor.passed, order)).is_err() {
                self.predecessor = None;
            }
        }
    }

    /// Notes the last order that the edge before this one has done, and the dynos to which it has
    /// requests in flight; or that it is gone.
    pub(super) fn hear_predecessor(&mut self, busy: Option<(u64, Vec<DynoId>)>) {
        match (busy, &mut self.predecessor) {
            (Some((done, busy)), Some(predecessor)) => {
                predecessor.done = Some(done);
                predecessor.busy = busy.into_iter().collect();
            }
            (Some(_) | None, _) => self.predecessor = None,
        }
        self.unreported = true;
    }
}

fn at(backend: &Backend) -> std::net::SocketAddr {
    std::net::SocketAddrV4::new(backend.address, backend.port).into()
}
