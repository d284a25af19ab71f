//! The edge's end of the control socket.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;

use super::handle::Handle;
use super::handover;
use super::lines::{Lines, line};
use crate::core::Input;
use crate::dns::figures::DNS;
use crate::figures::Figures;
use crate::protocol::{Order, Report};
use crate::tasks::spawn_confined;
use crate::web::figures::WEB;

/// Binds the control socket, and replaces one that is there already.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
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

/// Accepts connections. The caller drops this once a successor took over.
pub(crate) async fn listen(listener: UnixListener, handle: Handle) {
    let mut next = 0;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                next += 1;
                #[cfg(test)]
                crate::fault::at("control", b"");
                spawn_confined(connection(next, stream, handle.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a controller's connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(id: u64, stream: UnixStream, handle: Handle) {
    let (read, write) = stream.into_split();
    let mut lines = Lines::new(read);
    let mut write = Some(write);
    // The connection is closed with this task, however it ends: nobody sends orders to nobody.
    let mut _writer = None;
    loop {
        let order = match lines.next().await {
            Ok(Some(order)) => {
                #[cfg(test)]
                if matches!(order, Order::Change(_)) {
                    crate::fault::at("order", b"");
                }
                order
            }
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, "a controller sent a message that cannot be read");
                break;
            }
        };
        let input = match order {
            Order::Hello(_) => {
                let Some(write) = write.take() else { continue };
                let (reports, unwritten) = unbounded_channel();
                _writer =
                    Some(AbortOnDropHandle::new(spawn_confined(write_reports(write, unwritten))));
                Input::Controller(id, reports)
            }
            Order::Handover => {
                if let Some(write) = write.take() {
                    hand_over(lines, write, handle).await;
                }
                return;
            }
            Order::Figures => {
                let Some(mut write) = write.take() else { continue };
                let connections = handle.web.open() as u64;
                let mut figures = Figures { connections, ..Figures::default() };
                WEB.read(&mut figures);
                DNS.read(&mut figures);
                let Ok(line) = line(&Report::Figures(Box::new(figures))) else { return };
                // Whoever went away needs no answer.
                let _ = write.write_all(&line).await;
                return;
            }
            order => Input::Order(id, order),
        };
        if handle.core.send(input).await.is_err() {
            return;
        }
    }
    // If this fails, the core has ended and needs not know.
    let _ = handle.core.send(Input::Gone(id)).await;
}

async fn hand_over(lines: Lines, write: OwnedWriteHalf, handle: Handle) {
    if !lines.is_drained() {
        return;
    }
    let Ok(stream) = lines.into_inner().reunite(write) else { return };
    if let Err(error) = handover::give(stream, handle).await {
        tracing::warn!(%error, "another edge did not take over");
    }
}

/// Writes reports until there are no more or nobody reads them.
pub(crate) async fn write_reports(
    mut write: OwnedWriteHalf,
    mut reports: UnboundedReceiver<Report>,
) {
    while let Some(report) = reports.recv().await {
        let Ok(line) = line(&report) else { continue };
        if write.write_all(&line).await.is_err() {
            return;
        }
    }
}
