//! Disks of data services that were destroyed. A server tells the host at once; a host that was away then
//! asks, from time to time, which of the disks that it has are of no use any more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use link::{HostStreams, Kinds, Stream, StreamError};
use model::{AddonId, Key, World};
use store::Store;

use super::message::{GONE, MOST_ASKED};
use crate::ledger::Ledger;

/// How often a host asks, and how soon it asks again where nobody could be asked.
const EVERY: Duration = Duration::from_secs(600);
const SOON: Duration = Duration::from_secs(30);
/// How many disks are asked about at a time: all that a host has, as far as anybody can tell.
const MOST: usize = 50_000;

/// Says which disks are of no use any more: those of services that the database says were destroyed. What
/// it knows nothing of stays, as the database may be an older one.
pub(crate) fn kinds(ledger: Ledger, store: Box<dyn Store>) -> Kinds {
    let store = Arc::new(Mutex::new(store));
    Kinds::default().with(GONE, move |_| {
        let (ledger, store) = (ledger.clone(), Arc::clone(&store));
        async move { Ok(move |stream| tell(stream, ledger, store)) }
    })
}

async fn tell(mut stream: Stream, ledger: Ledger, store: Arc<Mutex<Box<dyn Store>>>) {
    let Ok(asked) = link::read_message::<Vec<AddonId>>(&mut stream, MOST_ASKED).await else {
        return;
    };
    let gone = tokio::task::spawn_blocking(move || {
        let store = store.lock().unwrap_or_else(PoisonError::into_inner);
        gone_of(asked, &ledger.world(), &**store)
    });
    let Ok(gone) = gone.await else { return };
    if let Err(error) = link::write_message(&mut stream, &gone, MOST_ASKED).await {
        tracing::debug!(%error, "a host asks later which disks are of no use");
    }
}

fn gone_of(asked: Vec<AddonId>, world: &World, store: &dyn Store) -> Vec<AddonId> {
    let was_deleted = |id: &AddonId| {
        let key = Key::Addon(*id);
        store.was_deleted(key.kind().name(), &key.to_string()).is_ok_and(|deleted| deleted)
    };
    asked.into_iter().filter(|id| world.addon(*id).is_none() && was_deleted(id)).collect()
}

/// Has the disks of a host's directory removed that are of no use any more, as long as it is polled.
pub(crate) async fn remove(
    streams: HostStreams,
    disks: PathBuf,
    remove: impl Fn(AddonId) + Send + 'static,
) {
    loop {
        let pause = match ask(&streams, &disks).await {
            Ok(gone) => {
                gone.into_iter().for_each(&remove);
                EVERY
            }
            Err(error) => {
                let error = os::error_chain(&error);
                tracing::debug!(error, "nobody says which disks are of no use");
                SOON
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn ask(streams: &HostStreams, disks: &Path) -> Result<BTreeSet<AddonId>, StreamError> {
    let disks = disks.to_owned();
    let there = tokio::task::spawn_blocking(move || names(&disks)).await.unwrap_or_default();
    if there.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut stream = streams.open(GONE, &()).await?;
    link::write_message(&mut stream, &there, MOST_ASKED).await?;
    let gone: BTreeSet<AddonId> = link::read_message(&mut stream, MOST_ASKED).await?;
    Ok(gone.into_iter().filter(|id| there.contains(id)).collect())
}

/// The services whose disks are in a directory.
fn names(disks: &Path) -> BTreeSet<AddonId> {
    let entries = std::fs::read_dir(disks).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).take(MOST).collect()
}
