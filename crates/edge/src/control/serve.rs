//! The edge's end of the control socket.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Sender, UnboundedReceiver, unbounded_channel};

use super::handover;
use super::message::{Order, Report};
use crate::core::Input;
use crate::web::Web;

/// A table of 10,000 VPCs has some 100 MB.
const LINE_BYTES: u64 = 1 << 30;
/// Longer lines are read elsewhere, so that nobody has to wait meanwhile.
const SHORT_LINE_BYTES: usize = 64 * 1024;

/// Binds the control socket, in the place of one that may be there.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    let new = path.with_extension("new");
    match std::fs::remove_file(&new) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(&new)?;
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&new, path)?;
    Ok(listener)
}

/// What connections need.
#[derive(Clone)]
pub struct Desk {
    /// Where the core hears.
    pub core: Sender<Input>,
    /// The routers, which another edge may relieve.
    pub web: Arc<Web>,
    /// Notified once another edge took over.
    pub replaced: Arc<Notify>,
}

/// Takes connections until another edge takes over.
pub async fn listen(listener: UnixListener, desk: Desk) {
    let mut next = 0;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                next += 1;
                tokio::spawn(connection(next, stream, desk.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a controller's connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(id: u64, stream: UnixStream, desk: Desk) {
    let (read, write) = stream.into_split();
    let mut lines = Lines::new(read);
    let mut write = Some(write);
    loop {
        let order = match lines.next().await {
            Ok(Some(order)) => order,
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, "a controller says what is not understood");
                break;
            }
        };
        let input = match order {
            Order::Hello(_) => {
                let Some(write) = write.take() else { continue };
                let (reports, told) = unbounded_channel();
                tokio::spawn(tell(write, told));
                Input::Controller(id, reports)
            }
            Order::Handover => {
                if let Some(write) = write.take() {
                    hand_over(lines, write, desk).await;
                }
                return;
            }
            order => Input::Order(id, order),
        };
        if desk.core.send(input).await.is_err() {
            return;
        }
    }
    // The core may be gone as well.
    let _ = desk.core.send(Input::Gone(id)).await;
}

async fn hand_over(lines: Lines, write: OwnedWriteHalf, desk: Desk) {
    if !lines.is_drained() {
        return;
    }
    let Ok(stream) = lines.into_inner().reunite(write) else { return };
    if let Err(error) = handover::give(stream, desk).await {
        tracing::warn!(%error, "another edge did not take over");
    }
}

/// Writes reports until there are no more, or nobody reads them.
pub async fn tell(mut write: OwnedWriteHalf, mut told: UnboundedReceiver<Report>) {
    while let Some(report) = told.recv().await {
        let Ok(line) = line(&report) else { continue };
        if write.write_all(&line).await.is_err() {
            return;
        }
    }
}

/// A message as a line.
pub fn line(message: &impl serde::Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads orders, a line each.
pub struct Lines {
    read: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
}

impl Lines {
    /// From a stream.
    pub fn new(read: OwnedReadHalf) -> Self {
        Self { read: BufReader::new(read), line: Vec::new() }
    }

    /// The next one; `None` at the end.
    pub async fn next(&mut self) -> io::Result<Option<Order>> {
        self.line.clear();
        let mut bounded = (&mut self.read).take(LINE_BYTES);
        bounded.read_until(b'\n', &mut self.line).await?;
        if self.line.last() != Some(&b'\n') {
            return Ok(None);
        }
        if self.line.len() <= SHORT_LINE_BYTES {
            return Ok(Some(serde_json::from_slice(&self.line)?));
        }
        let line = std::mem::take(&mut self.line);
        let read = tokio::task::spawn_blocking(move || serde_json::from_slice(&line));
        Ok(Some(read.await.map_err(io::Error::other)??))
    }

    fn is_drained(&self) -> bool {
        self.read.buffer().is_empty()
    }

    fn into_inner(self) -> OwnedReadHalf {
        self.read.into_inner()
    }
}
