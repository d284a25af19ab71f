//! The thread that takes the lease or renews it, and tells the others that this server is there.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use store::{Holder, Lease, Store};
use tokio_util::sync::CancellationToken;

use super::leadership::Leadership;
use super::members::Members;
use crate::ledger::Ledger;
use crate::loops::{Pulse, Supervisor};

/// How long one turn may take: a few questions to the database, whose connection may have to be made anew.
const LONGEST_TURN: Duration = Duration::from_secs(60);
/// How often the others are told that this server is there.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// How often the lease is renewed while it lasts.
const RENEWALS: u32 = 3;
/// How often a server that does not lead looks whether it may.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How soon it looks whether it is to end.
const MOMENT: Duration = Duration::from_millis(100);

pub(super) struct Keeper {
    pub(super) holder: Holder,
    pub(super) store: Box<dyn Store>,
    pub(super) ledger: Ledger,
    pub(super) leadership: Leadership,
    pub(super) members: Arc<Members>,
    pub(super) lease: Duration,
    pub(super) changed: Box<dyn Fn() + Send>,
    pub(super) stop: CancellationToken,
}

impl Keeper {
    /// Starts it. Its supervisor knows it as `lease`.
    pub(super) fn start(mut self, supervisor: &Supervisor) -> io::Result<JoinHandle<()>> {
        let (wake, woken) = channel();
        // The thread is gone only when the server stops.
        let wake = move || {
            let _ = wake.send(());
        };
        supervisor.spawn("lease", LONGEST_TURN, wake, move |pulse| self.run(&woken, pulse))
    }

    fn run(&mut self, woken: &Receiver<()>, pulse: &Pulse) {
        let mut told: Option<Instant> = None;
        let mut away = false;
        while !self.stop.is_cancelled() {
            pulse.turn();
            let pause = match self.turn(&mut told) {
                Ok(pause) => {
                    away = false;
                    pause
                }
                Err(error) => {
                    if !away {
                        let error = os::error_chain(&error);
                        tracing::warn!(error, "the database cannot be asked who leads");
                    }
                    away = true;
                    LOOK_EVERY
                }
            };
            let until = Instant::now() + pause;
            while Instant::now() < until && !self.stop.is_cancelled() {
                pulse.idle();
                let _ = woken.recv_timeout(MOMENT);
                self.notice_the_end();
            }
        }
        self.follows("it ends");
        let left = self.members.leave(&mut *self.store);
        if let Err(error) = left.and(self.store.release_lease(&self.holder)) {
            let error = os::error_chain(&error);
            tracing::warn!(error, "the others find out by themselves that this server has ended");
        }
    }

    /// Asks for the lease, and says that this server is there; how long to wait then.
    pub(super) fn turn(&mut self, told: &mut Option<Instant>) -> store::Result<Duration> {
        let asked = Instant::now();
        let lease = self.store.lease(&self.holder, self.lease)?;
        self.took(&lease, asked);
        if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            *told = Some(asked);
            self.members.beat(&mut *self.store, self.ledger.revision(), Some(&lease))?;
        }
        Ok(if lease.mine { self.lease / RENEWALS } else { lease.remaining.min(LOOK_EVERY) })
    }

    /// Notes who leads. The lease runs from before the question, as nobody knows when it was answered.
    fn took(&self, lease: &Lease, asked: Instant) {
        if !lease.mine {
            self.follows("another server leads");
        } else if self.leadership.leads(lease.epoch, asked + self.lease) {
            tracing::info!(epoch = lease.epoch, "this server leads");
            (self.changed)();
        }
    }

    /// Ceases to lead once the lease has run out, though the database does not answer.
    pub(super) fn notice_the_end(&self) {
        if self.leadership.epoch().is_none() {
            self.follows("its lease has run out");
        }
    }

    fn follows(&self, why: &str) {
        if self.leadership.follows() {
            tracing::info!(why, "this server does not lead any more");
            (self.changed)();
        }
    }
}
