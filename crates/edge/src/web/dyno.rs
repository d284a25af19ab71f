//! A web dyno as the routers see it: its state, the requests in flight to it, and the unused
//! connections to it.

use std::net::{SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::DynoId;
use model::edge::{Backend, BackendState, EdgeEvent};
use tokio::sync::mpsc::UnboundedSender;

use super::in_flight::InFlight;
use super::upstream::Upstream;

/// How long a dyno that refused a connection is passed over, if there are others.
const AVOIDED: Duration = Duration::from_secs(1);
/// The most unused connections that each worker keeps to a dyno.
const MAX_IDLE: usize = 256;

/// The unused connections of one worker, in cache lines that no other worker writes to.
#[derive(Debug, Default)]
#[repr(align(128))]
struct IdleConnections(Mutex<Vec<Upstream>>);

impl IdleConnections {
    fn lock(&self) -> MutexGuard<'_, Vec<Upstream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A web dyno. The same value stands for it as long as the intent has it.
#[derive(Debug)]
pub(crate) struct Dyno {
    pub id: DynoId,
    /// The dyno's name, for the log.
    pub name: Box<str>,
    /// The address and port at which it takes connections.
    pub address: SocketAddr,
    in_flight: InFlight,
    bound: AtomicBool,
    refused: Mutex<Option<Instant>>,
    avoided: AtomicBool,
    /// Whether its machine gave no answer, and is asked for one beside all requests.
    silent: AtomicBool,
    /// The unused connections of each worker.
    idle_connections: Box<[IdleConnections]>,
    events: UnboundedSender<EdgeEvent>,
}

impl Dyno {
    /// A dyno of the intent.
    pub(crate) fn new(
        backend: &Backend,
        workers: usize,
        events: UnboundedSender<EdgeEvent>,
    ) -> Self {
        Self {
            id: backend.dyno,
            name: backend.name.as_str().into(),
            address: SocketAddrV4::new(backend.address, backend.port).into(),
            in_flight: InFlight::new(backend.state),
            bound: AtomicBool::new(false),
            refused: Mutex::default(),
            avoided: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            idle_connections: (0..workers).map(|_| IdleConnections::default()).collect(),
            events,
        }
    }

    pub(crate) fn state(&self) -> BackendState {
        self.in_flight.state()
    }

    /// Sets the dyno's state. Once it drains, no request begins.
    pub(crate) fn set_state(&self, state: BackendState) {
        self.in_flight.set_state(state);
        if state == BackendState::Draining {
            self.close_idle();
        }
    }

    /// Whether the dyno listens on its port.
    pub(crate) fn is_bound(&self) -> bool {
        self.bound.load(Ordering::Acquire)
    }

    /// Notes whether the dyno listens on its port.
    pub(crate) fn set_bound(&self, bound: bool) {
        self.bound.store(bound, Ordering::Release);
    }

    /// The number of requests in flight to the dyno.
    pub(crate) fn requests(&self) -> usize {
        self.in_flight.requests()
    }

    /// Whether the dyno drains and has no request left.
    pub(crate) fn is_drained(&self) -> bool {
        self.in_flight.is_drained()
    }

    /// Notes whether the dyno refused a connection.
    pub(crate) fn note(&self, refused: bool) {
        if !refused && !self.avoided.load(Ordering::Relaxed) {
            return;
        }
        let mut since = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *since = refused.then(Instant::now);
        self.avoided.store(refused, Ordering::Relaxed);
    }

    /// Notes that the dyno's machine gives no answer, and returns whether that is news: whoever hears it first finds out
    /// when it answers again.
    pub(crate) fn falls_silent(&self) -> bool {
        let news = !self.silent.swap(true, Ordering::Relaxed);
        if news {
            self.close_idle();
        }
        news
    }

    /// Notes that the dyno's machine answers.
    pub(crate) fn answers(&self) {
        self.silent.store(false, Ordering::Relaxed);
    }

    /// Whether the dyno's machine gives no answer.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Whether the dyno refused a connection a moment ago, or its machine gives no answer.
    pub(crate) fn is_avoided(&self) -> bool {
        if self.is_silent() {
            return true;
        }
        self.avoided.load(Ordering::Relaxed)
            && self
                .refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_some_and(|since| since.elapsed() < AVOIDED)
    }

    /// An unused connection of a worker that was used `within` this time. `once` is for a request that
    /// must not be made twice: it goes over no connection that may be closed.
    pub(crate) fn take_idle(
        &self,
        worker: usize,
        within: Duration,
        once: bool,
    ) -> Option<Upstream> {
        let mut pool = self.idle_connections.get(worker)?.lock();
        loop {
            // The one that was used last is the least likely to be closed.
            let last = pool.pop()?;
            if last.idle_for() > within {
                pool.push(last);
                return None;
            }
            if if once { last.is_surely_alive() } else { last.is_alive() } {
                return Some(last);
            }
        }
    }

    /// Keeps an unused connection.
    pub(crate) fn keep(&self, worker: usize, upstream: Upstream) {
        let Some(pool) = self.idle_connections.get(worker) else { return };
        let mut pool = pool.lock();
        // The state is read under the lock, which is taken to close all connections, too.
        if self.state() != BackendState::Draining && pool.len() < MAX_IDLE {
            pool.push(upstream);
        }
    }

    /// Closes the connections that were not used for some time, or that the dyno closed.
    pub(crate) fn sweep(&self, idle: Duration) {
        for pool in &self.idle_connections {
            pool.lock().retain(|upstream| upstream.idle_for() < idle && upstream.is_alive());
        }
    }

    fn close_idle(&self) {
        for pool in &self.idle_connections {
            pool.lock().clear();
        }
    }
}

/// A request in flight to a dyno.
#[derive(Debug)]
pub(crate) struct Lease {
    dyno: Arc<Dyno>,
    ended: bool,
}

impl Lease {
    /// Begins a request, unless the dyno drains.
    pub(crate) fn begin(dyno: &Arc<Dyno>) -> Option<Self> {
        let lease = Self { dyno: Arc::clone(dyno), ended: false };
        dyno.in_flight.begin().then_some(lease)
    }

    pub(crate) fn dyno(&self) -> &Arc<Dyno> {
        &self.dyno
    }

    /// Ends the request, if it has not ended yet.
    pub(crate) fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if self.dyno.in_flight.end() {
            // Nobody listens once the edge ends.
            let _ = self.dyno.events.send(EdgeEvent::Drained(self.dyno.id));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.end();
    }
}
