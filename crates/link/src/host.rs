//! A host's side: it keeps what it is told, does it, and says what came of it, whether servers are there
//! or not.

mod connect;
mod fence;
mod intents;
mod join;
mod search;
mod session;
mod shared;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use self::fence::Uptime;
pub use self::join::{JoinError, JoinParts, join};
pub use self::shared::HostParts;
pub use self::streams::HostStreams;

use self::fence::Fence;
use self::intents::Intents;
use self::search::Search;
use self::session::{Ended, Session};
use self::shared::Shared;
use crate::hub::HostOrders;
use crate::keep::{Identity, KeepError};
use crate::reports::LAST_QUESTION;

/// How long what runs on a host that was removed has to end.
const CLEARING: Duration = Duration::from_secs(120);

/// Why a host does not go on.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// What it keeps cannot be used.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// It has not joined.
    #[error("this host has not joined: give --join and --token")]
    NotJoined,
    /// It was removed.
    #[error("this host was removed from the installation ({0}), and what ran here was ended")]
    Removed(String),
}

/// A host that has joined.
pub struct Host {
    shared: Arc<Shared>,
}

impl Host {
    /// Has the control loops do what this host was last told.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub fn start(parts: HostParts, loops: HostOrders) -> Result<Self, HostError> {
        let fence = Fence::open(&parts.keep, Arc::clone(&parts.uptime));
        let reports = parts.reports.clone();
        let intents = Arc::new(Intents::open(&parts.keep, loops, reports, fence.is_up())?);
        intents.tell_all();
        Ok(Self { shared: Arc::new(Shared { parts, intents, fence }) })
    }

    /// Listens to servers until it is told to stop.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub async fn run(self, stop: CancellationToken) -> Result<(), HostError> {
        let mut identity = self.shared.parts.keep.identity()?.ok_or(HostError::NotJoined)?;
        let keeping = tokio::spawn(Arc::clone(&self.shared.intents).keep_up(stop.clone()));
        let fencing = tokio::spawn(Arc::clone(&self.shared).fence());
        let ended = self.listen(&mut identity, &stop).await;
        fencing.abort();
        self.shared.parts.streams.end();
        stop.cancel();
        if let Err(error) = keeping.await {
            tracing::error!(%error, "what this host was told last may not be kept");
        }
        ended
    }

    async fn listen(
        &self,
        identity: &mut Identity,
        stop: &CancellationToken,
    ) -> Result<(), HostError> {
        let mut search = Search::default();
        let mut again = false;
        loop {
            let known: Vec<String> = identity.addresses().into_iter().cloned().collect();
            let address = search.next(&known).ok_or(HostError::NotJoined)?;
            let session = Session { host: &self.shared, again };
            let began = tokio::time::Instant::now();
            let ended = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                ended = session.run(identity, &address) => ended,
            };
            let pause = match ended {
                Ended::Removed(why) => {
                    self.clear().await;
                    return Err(HostError::Removed(why));
                }
                Ended::Keep(error) => return Err(error.into()),
                Ended::Served(why) => {
                    again = true;
                    tracing::warn!(address, "the connection with the server ended: {why}");
                    search.served(began.elapsed())
                }
                Ended::Elsewhere(why, leader) => {
                    if search.is_news(&address, &why) {
                        tracing::info!(address, leader, "{why}");
                    }
                    search.elsewhere(&address, leader, known.len())
                }
                Ended::Failed(why) => {
                    if search.is_news(&address, &why) {
                        tracing::warn!(address, "no server is followed; this host goes on: {why}");
                    }
                    search.failed(address, known.len())
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(jittered(pause)) => {}
            }
        }
    }

    /// Ends all that runs here, as it may run elsewhere from now on. Disks stay.
    async fn clear(&self) {
        self.shared.intents.clear(LAST_QUESTION);
        let reports = &self.shared.parts.reports;
        if tokio::time::timeout(CLEARING, reports.all_answered()).await.is_err() {
            tracing::error!("what ran on this host has not ended in time");
        }
    }
}

/// A pause that is up to a quarter longer, so that hosts do not come back all at once.
fn jittered(pause: Duration) -> Duration {
    let part = u32::try_from(crate::registry::random() & 0xff).unwrap_or(0);
    pause + pause / 4 * part / 255
}
