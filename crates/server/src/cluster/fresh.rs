//! What lets everybody find their own changes on whichever server they ask next.
//!
//! Before a request is answered, the database is asked how far it has come, and the answer waits until the
//! world here is as far. Whatever was acknowledged before the request came, by any server, is in that world.
//! Requests that come while the database is asked share the next question.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::own::Look;
use crate::loops::{Pulse, Supervisor};
use crate::metrics::Metrics;

/// How long one question may take. Its connection may have to be made anew.
const LONGEST_QUESTION: Duration = Duration::from_secs(60);
/// How long a request waits for the world to be as far as the database.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether the thread is to end.
const EVERY: Duration = Duration::from_millis(500);

pub(super) struct Parts {
    pub(super) look: Look,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stop: CancellationToken,
}

/// A request that waits for the revision that is to be waited for.
type Asked = oneshot::Sender<u64>;

/// What requests wait for. Copies are cheap.
#[derive(Clone)]
pub(crate) struct Fresh {
    asks: Sender<Asked>,
    published: watch::Receiver<u64>,
    metrics: Arc<Metrics>,
}

/// The world here may lack what was acknowledged, as the database does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "This server cannot reach the database, so what it knows may be out of date. Try again in a moment."
)]
pub(crate) struct Stale;

/// Starts it. Its supervisor knows the thread as `reads`.
pub(super) fn start(parts: Parts, supervisor: &Supervisor) -> io::Result<(Fresh, JoinHandle<()>)> {
    let (asks, asked) = channel();
    let published = parts.look.ledger.watch();
    let metrics = Arc::clone(&parts.metrics);
    // It comes round by itself.
    let run = move |pulse: &Pulse| parts.run(&asked, pulse);
    let thread = supervisor.spawn("reads", LONGEST_QUESTION, || (), run)?;
    Ok((Fresh { asks, published, metrics }, thread))
}

impl Fresh {
    /// Waits until the world here has all that was acknowledged before.
    ///
    /// # Errors
    ///
    /// [`Stale`] where that cannot be said for some seconds.
    pub(crate) async fn wait(&self) -> Result<(), Stale> {
        let began = Instant::now();
        let waited = tokio::time::timeout(PATIENCE, self.wait_on()).await;
        self.metrics.cluster.wait.took(began.elapsed());
        let waited = waited.unwrap_or(Err(Stale));
        if waited.is_err() {
            self.metrics.cluster.stale.inc();
        }
        waited
    }

    async fn wait_on(&self) -> Result<(), Stale> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(answer).map_err(|_| Stale)?;
        let revision = answered.await.map_err(|_| Stale)?;
        let mut published = self.published.clone();
        published.wait_for(|ours| *ours >= revision).await.map(|_| ()).map_err(|_| Stale)
    }
}

impl Parts {
    fn run(&self, asked: &Receiver<Asked>, pulse: &Pulse) {
        while !self.stop.is_cancelled() {
            pulse.idle();
            let first = match asked.recv_timeout(EVERY) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            pulse.turn();
            // All of them came before the question is put.
            let waiting: Vec<Asked> = std::iter::once(first).chain(asked.try_iter()).collect();
            match self.look.revision() {
                Ok(revision) => {
                    for answer in waiting {
                        // Whoever went away needs no answer.
                        let _ = answer.send(revision);
                    }
                }
                // They are told by what they hold being dropped.
                Err(error) => {
                    let error = os::error_chain(&error);
                    tracing::debug!(error, requests = waiting.len(), "requests get no answer");
                }
            }
        }
    }
}
