//! Several servers that share one database.
//!
//! Each of them answers reads from a world of its own, decides on the changes that it is asked for, and
//! commits them by compare-and-set: that keeps them safe, whoever leads. One of them leads by a lease, and
//! does what must be done once ([`Duties`]). Each has three threads for this:
//!
//! - `lease` takes or renews the lease, and says at the database that this server is there;
//! - `follower` hears of commits, and has the ledger read them;
//! - `reads` asks how far the database has come before a request is answered ([`Fresh`]), so that everybody
//!   finds their own changes on whichever server they ask next.
//!
//! A server with a database of its own has none of them.

mod duties;
mod follower;
mod fresh;
mod keeper;
mod leadership;
mod members;
mod own;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use store::Store;
use tokio_util::sync::CancellationToken;

pub(crate) use self::duties::Duties;
pub(crate) use self::fresh::{Fresh, Stale};
use self::keeper::Keeper;
pub(crate) use self::leadership::Leadership;
pub(crate) use self::members::Members;
use self::own::Look;
pub(crate) use self::own::{Me, Newest};
use crate::ledger::Ledger;
use crate::loops::Supervisor;
use crate::metrics::Metrics;

/// How long a server leads without asking again. Another one leads that much after it was killed, and a
/// second later at most.
pub(crate) const LEASE: Duration = Duration::from_secs(6);

/// What it works with.
pub(crate) struct Parts {
    /// Whom it speaks for.
    pub me: Me,
    /// The database that the servers share.
    pub store: Box<dyn Store>,
    /// The ledger of this server.
    pub ledger: Ledger,
    /// Whether this server leads, for whoever must know.
    pub leadership: Leadership,
    /// How long it leads without asking again.
    pub lease: Duration,
    /// Called when this server begins to lead, and when it no longer does. Must not block.
    pub changed: Box<dyn Fn() + Send>,
    /// Where it is counted how long requests waited.
    pub metrics: Arc<Metrics>,
    /// The supervisor of its threads.
    pub supervisor: Supervisor,
    /// Cancelled when it is to end.
    pub stop: CancellationToken,
}

/// The way to what was started.
pub(crate) struct Joined {
    /// What is known of all servers.
    pub members: Arc<Members>,
    /// What requests wait for.
    pub fresh: Fresh,
    /// The threads, which end when they are told to stop.
    pub threads: Vec<JoinHandle<()>>,
}

/// Has a server be one of several.
///
/// # Errors
///
/// A thread cannot be started, or the database cannot be asked.
pub(crate) fn join(parts: Parts) -> Result<Joined, JoinError> {
    let Parts { me, store, ledger, leadership, lease, changed, metrics, supervisor, stop } = parts;
    let newest = Arc::<Newest>::default();
    let members = Arc::new(Members::new(me.clone(), leadership.clone(), Arc::clone(&newest)));
    let (for_follower, for_reads) = (store.handle()?, store.handle()?);
    let keeper = Keeper {
        holder: me.holder(),
        store,
        ledger: ledger.clone(),
        leadership,
        members: Arc::clone(&members),
        lease,
        changed,
        stop: stop.clone(),
    };
    let keeper = keeper.start(&supervisor)?;
    let look = |store| Look { store, ledger: ledger.clone(), newest: Arc::clone(&newest) };
    let follower = follower::Parts { look: look(for_follower), stop: stop.clone() };
    let follower = follower::start(follower, &supervisor)?;
    let reads = fresh::Parts { look: look(for_reads), metrics, stop };
    let (fresh, reads) = fresh::start(reads, &supervisor)?;
    Ok(Joined { members, fresh, threads: vec![keeper, follower, reads] })
}

/// Why a server cannot be one of several.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    /// A thread cannot be started.
    #[error("a thread cannot be started")]
    Thread(#[from] io::Error),
    /// The database cannot be asked.
    #[error(transparent)]
    Store(#[from] store::Error),
}
