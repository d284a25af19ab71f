//! A web dyno as the routers see it: how far it is, what is under way to it, and the connections
//! to it that are kept.

use std::net::{SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::DynoId;
use model::edge::{Backend, BackendState, EdgeEvent};
use tokio::sync::mpsc::UnboundedSender;

use super::upstream::Upstream;

/// That a dyno which refused a connection is passed over if there are others.
const AVOIDED: Duration = Duration::from_secs(1);
/// Unused connections that each worker keeps to a dyno.
const KEPT: usize = 256;

/// What one worker keeps, in cache lines that no other worker writes to.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Kept(Mutex<Vec<Upstream>>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Vec<Upstream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A web dyno. It stays the same one from table to table.
#[derive(Debug)]
pub struct Dyno {
    /// Which.
    pub id: DynoId,
    /// Its name, for logs.
    pub name: Box<str>,
    /// Where it answers.
    pub address: SocketAddr,
    state: AtomicU8,
    bound: AtomicBool,
    under_way: AtomicUsize,
    refused: Mutex<Option<Instant>>,
    avoided: AtomicBool,
    /// Unused connections, by worker.
    kept: Box<[Kept]>,
    events: UnboundedSender<EdgeEvent>,
}

impl Dyno {
    /// One that is told of.
    pub fn new(backend: &Backend, workers: usize, events: UnboundedSender<EdgeEvent>) -> Self {
        Self {
            id: backend.dyno,
            name: backend.name.as_str().into(),
            address: SocketAddrV4::new(backend.address, backend.port).into(),
            state: AtomicU8::new(number(backend.state)),
            bound: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            refused: Mutex::default(),
            avoided: AtomicBool::new(false),
            kept: (0..workers).map(|_| Kept::default()).collect(),
            events,
        }
    }

    /// How far it is.
    pub fn state(&self) -> BackendState {
        match self.state.load(Ordering::SeqCst) {
            UP => BackendState::Up,
            DRAINING => BackendState::Draining,
            _ => BackendState::Starting,
        }
    }

    /// Says how far it is. Once it drains, no request begins that did not begin before.
    pub fn set_state(&self, state: BackendState) {
        self.state.store(number(state), Ordering::SeqCst);
        if state == BackendState::Draining {
            self.close_kept();
        }
    }

    /// Whether it bound its port.
    pub fn is_bound(&self) -> bool {
        self.bound.load(Ordering::Acquire)
    }

    /// Notes whether it bound its port.
    pub fn set_bound(&self, bound: bool) {
        self.bound.store(bound, Ordering::Release);
    }

    /// How many requests are under way to it.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }

    /// Notes that it refused a connection, or answers again.
    pub fn note(&self, refused: bool) {
        if !refused && !self.avoided.load(Ordering::Relaxed) {
            return;
        }
        let mut since = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *since = refused.then(Instant::now);
        self.avoided.store(refused, Ordering::Relaxed);
    }

    /// Whether it refused a connection a moment ago.
    pub fn is_avoided(&self) -> bool {
        self.avoided.load(Ordering::Relaxed)
            && self
                .refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_some_and(|since| since.elapsed() < AVOIDED)
    }

    /// A connection that a worker kept. `once` is for a request that must not be made twice.
    pub fn take_kept(&self, worker: usize, within: Duration, once: bool) -> Option<Upstream> {
        let mut kept = self.kept.get(worker)?.lock();
        loop {
            // The last one that was kept is the least likely to be closed.
            let last = kept.pop()?;
            if last.idle_for() > within {
                kept.push(last);
                return None;
            }
            if if once { last.is_surely_alive() } else { last.is_alive() } {
                return Some(last);
            }
        }
    }

    /// Keeps a connection for later.
    pub fn keep(&self, worker: usize, upstream: Upstream) {
        let Some(kept) = self.kept.get(worker) else { return };
        let mut kept = kept.lock();
        // Looked at under the lock, which the closing takes, too.
        if self.state() != BackendState::Draining && kept.len() < KEPT {
            kept.push(upstream);
        }
    }

    /// Closes the connections that were not used for some time, or that the dyno closed.
    pub fn sweep(&self, idle: Duration) {
        for kept in &self.kept {
            kept.lock().retain(|upstream| upstream.idle_for() < idle && upstream.is_alive());
        }
    }

    fn close_kept(&self) {
        for kept in &self.kept {
            kept.lock().clear();
        }
    }
}

const STARTING: u8 = 0;
const UP: u8 = 1;
const DRAINING: u8 = 2;

fn number(state: BackendState) -> u8 {
    match state {
        BackendState::Starting => STARTING,
        BackendState::Up => UP,
        BackendState::Draining => DRAINING,
    }
}

/// A request that is under way to a dyno.
#[derive(Debug)]
pub struct Lease {
    dyno: Arc<Dyno>,
    ended: bool,
}

impl Lease {
    /// Begins one, unless the dyno takes none any more.
    pub fn begin(dyno: &Arc<Dyno>) -> Option<Self> {
        // First counted, then looked at; whoever says that the dyno is drained does it the other
        // way round. So one of the two sees the other.
        dyno.under_way.fetch_add(1, Ordering::SeqCst);
        let lease = Self { dyno: Arc::clone(dyno), ended: false };
        (dyno.state() != BackendState::Draining).then_some(lease)
    }

    /// To which.
    pub fn dyno(&self) -> &Arc<Dyno> {
        &self.dyno
    }

    /// Says that the request is no longer under way.
    pub fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let last = self.dyno.under_way.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && self.dyno.state() == BackendState::Draining {
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
