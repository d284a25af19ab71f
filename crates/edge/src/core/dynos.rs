//! The dynos that an edge knows, and what it has to tell of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::DynoId;
use model::edge::{Backend, BackendState, EdgeEvent};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::task::AbortOnDropHandle;

use crate::control::message::Order;
use crate::sockets::Namespace;
use crate::web::Web;
use crate::web::dyno::Dyno;
use crate::web::probe::until_bound;

/// How often unused connections to dynos are looked at.
pub const SWEEP: Duration = Duration::from_secs(1);

struct Known {
    dyno: Arc<Dyno>,
    probe: Option<AbortOnDropHandle<()>>,
    told_bound: bool,
    told_drained: bool,
}

/// The edge before this one, which still serves what was under way.
struct Elder {
    orders: UnboundedSender<(u64, Order)>,
    /// The last order that it was passed.
    passed: u64,
    /// The last order that it said it had done; before it says so, nothing is known.
    done: Option<u64>,
    busy: BTreeSet<DynoId>,
}

impl Elder {
    /// Whether it has no request to a dyno, and will begin none.
    fn is_done_with(&self, dyno: DynoId) -> bool {
        self.done == Some(self.passed) && !self.busy.contains(&dyno)
    }
}

/// All dynos.
pub struct Dynos {
    web: Arc<Web>,
    events: UnboundedSender<EdgeEvent>,
    workers: usize,
    known: BTreeMap<DynoId, Known>,
    elder: Option<Elder>,
    /// Whether something may have to be told.
    news: bool,
}

impl Dynos {
    /// None yet.
    pub fn new(web: Arc<Web>, events: UnboundedSender<EdgeEvent>, workers: usize) -> Self {
        Self { web, events, workers, known: BTreeMap::new(), elder: None, news: false }
    }

    /// Notes what was told of a dyno, and gives it.
    pub fn set(&mut self, backend: &Backend, exits: &Arc<[Namespace]>) -> Arc<Dyno> {
        let address = at(backend);
        let moved = |known: &Known| known.dyno.address != address;
        if self.known.get(&backend.dyno).is_some_and(moved) {
            self.known.remove(&backend.dyno);
        }
        let known = self.known.entry(backend.dyno).or_insert_with(|| Known {
            dyno: Arc::new(Dyno::new(backend, self.workers, self.events.clone())),
            probe: None,
            told_bound: false,
            told_drained: false,
        });
        if known.dyno.state() != BackendState::Starting && backend.state == BackendState::Starting {
            // It was started anew.
            known.dyno.set_bound(false);
            known.told_bound = false;
        }
        if backend.state != BackendState::Draining {
            known.told_drained = false;
        }
        known.dyno.set_state(backend.state);
        match backend.state {
            BackendState::Starting if !known.dyno.is_bound() => {
                if known.probe.is_none() {
                    let (web, dyno) = (Arc::clone(&self.web), Arc::clone(&known.dyno));
                    let (exits, events) = (Arc::clone(exits), self.events.clone());
                    known.probe = Some(AbortOnDropHandle::new(tokio::spawn(async move {
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
        self.news = true;
        Arc::clone(&known.dyno)
    }

    /// Forgets one. Requests that are under way to it go on.
    pub fn remove(&mut self, dyno: DynoId) {
        if let Some(known) = self.known.remove(&dyno) {
            // Nobody is to begin another, who may have looked it up before.
            known.dyno.set_state(BackendState::Draining);
        }
    }

    /// Hears that something happened to a dyno.
    pub fn hear(&mut self, event: EdgeEvent) {
        let (EdgeEvent::Bound(dyno) | EdgeEvent::Drained(dyno)) = event;
        self.news |= self.known.contains_key(&dyno);
    }

    /// Everything is to be told again: the controller is a new one.
    pub fn forget_told(&mut self) {
        for known in self.known.values_mut() {
            (known.told_bound, known.told_drained) = (false, false);
        }
        self.news = true;
    }

    /// Tells what was not told yet; false if nobody listens.
    pub fn tell(&mut self, tell: impl Fn(EdgeEvent) -> bool) -> bool {
        if !std::mem::take(&mut self.news) {
            return true;
        }
        let elder = self.elder.as_ref();
        for (id, known) in &mut self.known {
            let dyno = &known.dyno;
            let event = match dyno.state() {
                BackendState::Starting if dyno.is_bound() && !known.told_bound => {
                    known.told_bound = true;
                    EdgeEvent::Bound(*id)
                }
                BackendState::Draining
                    if !known.told_drained
                        && dyno.under_way() == 0
                        && elder.is_none_or(|elder| elder.is_done_with(*id)) =>
                {
                    known.told_drained = true;
                    EdgeEvent::Drained(*id)
                }
                BackendState::Starting | BackendState::Draining | BackendState::Up => continue,
            };
            if !tell(event) {
                return false;
            }
        }
        true
    }

    /// Closes connections that nobody used for a while.
    pub fn sweep(&self) {
        for known in self.known.values() {
            known.dyno.sweep(self.web.limits.dyno_keep_alive);
        }
    }

    /// To which requests are under way here and in the edges before this one; `None` while that
    /// is not known.
    pub fn busy(&self) -> Option<Vec<DynoId>> {
        let here = self.known.values().filter(|known| known.dyno.under_way() > 0);
        let mut busy: BTreeSet<DynoId> = here.map(|known| known.dyno.id).collect();
        if let Some(elder) = &self.elder {
            if elder.done != Some(elder.passed) {
                return None;
            }
            busy.extend(&elder.busy);
        }
        Some(busy.into_iter().collect())
    }

    /// There is an edge that is still busy with what it began.
    pub fn set_elder(&mut self, orders: UnboundedSender<(u64, Order)>) {
        self.elder = Some(Elder { orders, passed: 0, done: None, busy: BTreeSet::new() });
    }

    /// Passes on to it what it has to know, too.
    pub fn pass_on(&mut self, order: Order) {
        if let Some(elder) = &mut self.elder {
            elder.passed += 1;
            if elder.orders.send((elder.passed, order)).is_err() {
                self.elder = None;
            }
        }
    }

    /// Hears how it is doing.
    pub fn hear_elder(&mut self, busy: Option<(u64, Vec<DynoId>)>) {
        match (busy, &mut self.elder) {
            (Some((done, busy)), Some(elder)) => {
                elder.done = Some(done);
                elder.busy = busy.into_iter().collect();
            }
            (Some(_) | None, _) => self.elder = None,
        }
        self.news = true;
    }
}

fn at(backend: &Backend) -> std::net::SocketAddr {
    std::net::SocketAddrV4::new(backend.address, backend.port).into()
}
