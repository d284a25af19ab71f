//! Which of several servers leads, and how the others hear of what it commits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Result;

/// A server that leads, or would like to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its id: another one at each start of a process, as a process that begins anew knows nothing of
    /// what it did before.
    pub id: String,
    /// Where the other servers reach it.
    pub address: String,
}

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The server that leads.
    pub holder: Holder,
    /// The number of its leadership, higher than that of every one before. Commits carry it, and all
    /// that the leader tells others to do.
    pub epoch: u64,
    /// Whether it is the one that asked.
    pub mine: bool,
    /// How long it leads yet unless it asks again.
    pub remaining: Duration,
}

/// Rings when somebody committed, or when the lease has come free or to another.
///
/// It rings once for many, and may ring for nothing. What there is to know, [`Store::tail`] and
/// [`Store::lease`] say: whoever waits asks those from time to time, also if nothing rang.
///
/// [`Store::tail`]: crate::Store::tail
/// [`Store::lease`]: crate::Store::lease
pub trait Doorbell: Send {
    /// Waits until it rings, or for this long; says whether it rang. It rings, too, where it was out of
    /// order meanwhile.
    ///
    /// # Errors
    ///
    /// The database is out of reach. The next call tries again; that is the time to wait a little.
    fn wait(&mut self, timeout: Duration) -> Result<bool>;
}

/// What the handles on a database share that one process alone has open: nobody else commits, and
/// nobody else leads.
#[derive(Debug, Default)]
pub(crate) struct Alone {
    lease: Mutex<Option<Held>>,
    rung: Mutex<u64>,
    rings: Condvar,
}

/// A lease that somebody holds.
#[derive(Debug)]
struct Held {
    holder: Holder,
    epoch: u64,
    until: Instant,
}

impl Held {
    fn seen_by(&self, me: Option<&Holder>, now: Instant) -> Lease {
        Lease {
            holder: self.holder.clone(),
            epoch: self.epoch,
            mine: me.is_some_and(|me| me.id == self.holder.id),
            remaining: self.until.saturating_duration_since(now),
        }
    }
}

impl Alone {
    /// Takes the lease or renews it, or says who holds it. `raise` makes an epoch that is higher than
    /// every one before.
    pub(crate) fn lease(
        &self,
        me: &Holder,
        ttl: Duration,
        raise: impl FnOnce() -> Result<u64>,
    ) -> Result<Lease> {
        let now = Instant::now();
        let mut held = lock(&self.lease);
        let taken = match held.as_mut() {
            Some(held) if held.holder.id == me.id => {
                held.holder.address.clone_from(&me.address);
                held.until = now + ttl;
                held
            }
            Some(held) if now < held.until => held,
            Some(_) | None => {
                let epoch = raise()?;
                let taken = held.insert(Held { holder: me.clone(), epoch, until: now + ttl });
                self.ring();
                taken
            }
        };
        Ok(taken.seen_by(Some(me), now))
    }

    /// Who holds the lease.
    pub(crate) fn leader(&self) -> Option<Lease> {
        let now = Instant::now();
        let held = lock(&self.lease);
        held.as_ref().filter(|held| now < held.until).map(|held| held.seen_by(None, now))
    }

    /// Gives the lease up, if it is this one's.
    pub(crate) fn release(&self, me: &Holder) {
        if lock(&self.lease).take_if(|held| held.holder.id == me.id).is_some() {
            self.ring();
        }
    }

    /// Rings at everybody's.
    pub(crate) fn ring(&self) {
        *lock(&self.rung) += 1;
        self.rings.notify_all();
    }

    /// A doorbell that rings from now on.
    pub(crate) fn doorbell(self: &Arc<Self>) -> Box<dyn Doorbell> {
        Box::new(Bell { heard: *lock(&self.rung), alone: Arc::clone(self) })
    }
}

struct Bell {
    alone: Arc<Alone>,
    heard: u64,
}

impl Doorbell for Bell {
    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        let rung = lock(&self.alone.rung);
        let heard = self.heard;
        let (rung, waited) = self
            .alone
            .rings
            .wait_timeout_while(rung, timeout, |rung| *rung == heard)
            .unwrap_or_else(PoisonError::into_inner);
        self.heard = *rung;
        Ok(!waited.timed_out())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
