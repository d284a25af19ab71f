//! Operations on an installation whose server is down.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fabric::instance::{COPY, Held};
use model::{Caller, IdSource, IdentityCommand};
use store::{DataDir, Postgres, PostgresUrl, Sqlite, Store};

use crate::backup::{self, Restored};
use crate::clock::{Clock, SystemIds};
use crate::config::{OvnConfig, edge_dir};
use crate::error::ServeError;
use crate::ledger::{self, Ledger, Request};
use crate::loops::Supervisor;
use crate::reconcile::edge;
use crate::reconcile::workloads;

/// Removes all networks of an installation from this machine, and from OVN if that is named, and ends its
/// workloads here. Returns how many were removed.
///
/// # Errors
///
/// The server of the installation runs, its data directory cannot be opened, or something cannot be
/// removed.
pub fn purge(
    data: &Path,
    url: Option<&PostgresUrl>,
    at: Option<&OvnConfig>,
) -> Result<usize, ServeError> {
    let broken = |source| ServeError::Data { path: data.to_owned(), source: Box::new(source) };
    let dir = match url {
        Some(_) => DataDir::open_for_server(data, None),
        None => DataDir::open_existing(data),
    };
    let dir = dir.map_err(broken)?;
    let mut store = open(&dir, url).map_err(broken)?;
    let (world, _) = ledger::load(&mut *store, dir.secret()).map_err(broken)?;
    let Some(settings) = world.settings() else { return Ok(0) };
    let held = Held::take(&settings.instance, data).map_err(ServeError::Instance)?;
    edge::end(&edge_dir(data)).map_err(|error| ServeError::Fabric(error.to_string()))?;
    let processes = workloads::purge(data, &settings.instance).map_err(ServeError::Fabric)?;
    let networks = fabric::linux::Linux::purge_instance(&settings.instance)
        .map_err(|error| ServeError::Fabric(os::error_chain(&error)))?;
    let of_ovn = match at {
        Some(OvnConfig { northbound, southbound }) => {
            let removed = ovn::purge(northbound, southbound, &settings.instance);
            removed.map_err(|error| ServeError::Fabric(os::error_chain(&error)))?
        }
        None => 0,
    };
    held.remove();
    Ok(processes + networks + of_ovn)
}

/// The database of an installation: on a server, or else in its directory.
fn open(dir: &DataDir, url: Option<&PostgresUrl>) -> store::Result<Box<dyn Store>> {
    Ok(match url {
        Some(url) => Box::new(Postgres::open(url, dir)?),
        None => Box::new(Sqlite::open(dir)?),
    })
}

/// Makes a data directory from a backup, and fills the database on a server if one is named. With `new_instance` the copy gets a name of its own, so
/// that its networks and workloads are not mixed up with the original's on the same machine.
/// `progress` is called with the bytes read so far and their total.
///
/// # Errors
///
/// [`RestoreError`]. If only the new name could not be given, the directory is complete.
pub fn restore(
    backup: &Path,
    data: &Path,
    url: Option<&PostgresUrl>,
    new_instance: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Restored, RestoreError> {
    let broken =
        |source| RestoreError::Restore { backup: backup.to_owned(), data: data.to_owned(), source };
    let unreadable = |error: store::Error| broken(error.into());
    let (dir, restored) = backup::restore(backup, data, url, progress).map_err(broken)?;
    if !new_instance {
        return Ok(restored);
    }
    let instance = format!("{COPY}{:08x}", SystemIds.next_bits() as u32);
    let store = open(&dir, url).map_err(unreadable)?;
    let (ledger, thread) = Ledger::start(ledger::Parts {
        store,
        secret: dir.secret().clone(),
        ids: Box::new(SystemIds),
        clock: Arc::new(Clock::system()),
        follow: Box::new(|_| {}),
        metrics: Arc::default(),
        supervisor: Supervisor::ending_the_process(),
    })
    .map_err(unreadable)?;
    let named = ledger.submit_blocking(Request {
        caller: Caller::Operator,
        command: IdentityCommand::SetInstance { instance: instance.clone() }.into(),
        source: None,
        request_id: "restore".to_owned(),
        only_if: None,
    });
    drop(ledger);
    // The writer ends when its last handle is dropped. What it committed is durable already.
    let _ = thread.join();
    named.map_err(|source| RestoreError::Name { data: data.to_owned(), source })?;
    Ok(Restored { instance: Some(instance), ..restored })
}

/// An error that ends a restore.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup cannot be read, or the directory cannot be made.
    #[error("{} cannot be restored to {}", .backup.display(), .data.display())]
    Restore {
        /// The file.
        backup: PathBuf,
        /// The directory.
        data: PathBuf,
        /// The cause.
        #[source]
        source: store::BoxError,
    },
    /// The copy could not be given its own name.
    #[error("{} was restored, but still has its original's name", .data.display())]
    Name {
        /// The directory.
        data: PathBuf,
        /// The cause.
        #[source]
        source: ledger::LedgerError,
    },
}
