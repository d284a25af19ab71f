//! How a host that has an agent gets code: as a stream from the server that it follows.
//!
//! The server answers with the number of bytes of the whole blob, in eight bytes, and then with its content from
//! the byte on that was asked for.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use link::{HostStreams, Kinds, Stream};
use os::error_chain;
use serde::{Deserialize, Serialize};
use store::{Blob, BlobDigest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::Kept;
use super::cache::Opens;
use crate::ledger::Ledger;

/// The kind of these streams.
const KIND: &str = "code";
/// How many hosts are served at a time: each needs a connection to the place where code is kept.
const MOST: usize = 16;
/// How long a host waits for its turn; then it asks again.
const TURN: Duration = Duration::from_secs(10);
/// How long a host waits for the next bytes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes that are sent at once, and how many of such parts wait to be sent.
const PART: usize = 256 << 10;
const PARTS: usize = 4;

/// What is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Fetch {
    /// The digest of the blob.
    blob: String,
    /// The first byte that is wanted.
    #[serde(default)]
    from: u64,
}

/// What a server makes of such streams. Only what a record names is given.
pub(crate) fn kinds(kept: Kept, ledger: Ledger) -> Kinds {
    let turns = Arc::new(Semaphore::new(MOST));
    Kinds::default().with(KIND, move |asked| {
        let (kept, ledger, turns) = (kept.clone(), ledger.clone(), Arc::clone(&turns));
        async move {
            let Fetch { blob, from } = asked.about()?;
            let digest: BlobDigest = blob.parse().map_err(|error| format!("{error}"))?;
            let known = ledger.glance().slugs().any(|slug| slug.blob.as_ref() == Some(&blob));
            if !known {
                return Err(format!("no slug has the code sha256:{digest}"));
            }
            let turn = tokio::time::timeout(TURN, turns.acquire_owned()).await;
            let Ok(Ok(turn)) = turn else {
                return Err(format!("the server gives code to {MOST} hosts already"));
            };
            let (place, opens) = (kept.blobs().place(), kept.clone());
            let opened = tokio::task::spawn_blocking(move || opens.blobs().open(&digest, from));
            let opened = opened.await.map_err(|error| error.to_string())?;
            let blob = opened.map_err(|error| error_chain(&error))?;
            let blob = blob.ok_or_else(|| format!("{place} has no such blob"))?;
            Ok(move |stream: Stream| async move {
                if let Err(error) = give(stream, blob).await {
                    tracing::debug!(host = %asked.host, %error, "code did not reach a host");
                }
                drop(turn);
            })
        }
    })
}

/// Sends a blob. What breaks off is not ended as what was sent whole is.
async fn give(mut stream: Stream, blob: Blob) -> io::Result<()> {
    let Blob { bytes, mut content } = blob;
    let (parts, mut to_send) = mpsc::channel::<io::Result<Bytes>>(PARTS);
    let reading = tokio::task::spawn_blocking(move || {
        loop {
            let mut part = vec![0; PART];
            let read = match content.read(&mut part) {
                Ok(0) => return,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return drop(parts.blocking_send(Err(error))),
            };
            part.truncate(read);
            if parts.blocking_send(Ok(part.into())).is_err() {
                return;
            }
        }
    });
    stream.write_u64(bytes).await?;
    while let Some(part) = to_send.recv().await {
        stream.write_all(&part?).await?;
    }
    reading.await.map_err(io::Error::other)?;
    stream.shutdown().await
}

/// Opens blobs of the server that a host follows.
pub(crate) fn opens(streams: HostStreams, runtime: Handle) -> Opens {
    Box::new(move |digest, from| {
        let fetch = Fetch { blob: digest.to_string(), from };
        let opening = async {
            let opened = streams.open(KIND, &fetch).await;
            let mut stream = opened.map_err(|error| error_chain(&error))?;
            let bytes = tokio::time::timeout(PATIENCE, stream.read_u64()).await;
            match bytes {
                Ok(Ok(bytes)) => Ok((stream, bytes)),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("the server sends nothing".to_owned()),
            }
        };
        let (stream, bytes) = runtime.block_on(opening)?;
        let content = Box::new(OverLink { stream, runtime: runtime.clone() });
        Ok(Some(Blob { bytes, content }))
    })
}

/// Reads a stream on a thread that may wait.
struct OverLink {
    stream: Stream,
    runtime: Handle,
}

impl Read for OverLink {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let reading = async { tokio::time::timeout(PATIENCE, self.stream.read(buffer)).await };
        self.runtime.block_on(reading).unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the server sends nothing any more"))
        })
    }
}

#[cfg(test)]
mod tests;
