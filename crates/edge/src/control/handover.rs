//! How one edge takes over from another. The successor gets the table and the open sockets
//! themselves, so that no connection that waits in one of them is lost. The predecessor goes on with
//! its requests in flight, and says to which dynos they are.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use model::DynoId;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use tokio::sync::mpsc::{Sender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::interval;

use super::handle::Handle;
use super::lines::{Lines, line};
use crate::core::{Input, Inventory};
use crate::protocol::{Order, Report, SocketId, Table};

/// The number of sockets that go with one message. The kernel takes at most 253.
const AT_ONCE: usize = 128;
/// How long the other edge may take for one step.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two looks at the requests in flight.
const LOOK: Duration = Duration::from_millis(20);
/// The size of the buffer for the names of the sockets in one message, in bytes.
const NAMES_BYTES: usize = 64 * 1024;

/// What a successor got from the edge before it.
pub(crate) struct Inheritance {
    /// The whole table.
    pub table: Table,
    /// The open sockets.
    pub sockets: BTreeMap<SocketId, OwnedFd>,
    stream: UnixStream,
}

/// Asks the edge that listens on a control socket for its table and its sockets.
pub(crate) fn ask(socket: &Path) -> io::Result<Inheritance> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&line(&Order::Handover)?)?;
    let table = match serde_json::from_slice(&read_line(&mut stream)?)? {
        Report::Table(table) => *table,
        _ => return Err(io::Error::other("the edge does not give its table")),
    };
    let mut sockets = BTreeMap::new();
    loop {
        stream.write_all(&line(&Order::Next)?)?;
        let some = receive(&stream)?;
        if some.is_empty() {
            return Ok(Inheritance { table, sockets, stream });
        }
        sockets.extend(some);
    }
}

impl Inheritance {
    /// Tells the predecessor that everything is served here now. What it reports from then on goes
    /// to the core.
    pub(crate) async fn accept(stream: UnixStream, core: Sender<Input>) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let (read, mut write) = tokio::net::UnixStream::from_std(stream)?.into_split();
        let (orders, mut passed) = unbounded_channel::<(u64, Order)>();
        // The core runs as long as this edge does.
        let _ = core.send(Input::Predecessor(orders)).await;
        use tokio::io::AsyncWriteExt;
        write.write_all(&line(&Order::Taken)?).await?;
        tokio::spawn(async move {
            while let Some((number, order)) = passed.recv().await {
                let Ok(line) = line(&Order::Successor(number, Box::new(order))) else { continue };
                if write.write_all(&line).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            use tokio::io::AsyncBufReadExt;
            let mut lines = tokio::io::BufReader::new(read).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(Report::Busy(done, dynos)) = serde_json::from_str(&line) {
                    let _ = core.send(Input::PredecessorBusy(Some((done, dynos)))).await;
                }
            }
            let _ = core.send(Input::PredecessorBusy(None)).await;
        });
        Ok(())
    }

    /// Takes the parts apart.
    pub(crate) fn into_parts(self) -> (Table, BTreeMap<SocketId, OwnedFd>, UnixStream) {
        (self.table, self.sockets, self.stream)
    }
}

/// Gives the table and the sockets to a successor, and then reports the requests in flight.
pub(crate) async fn give(stream: tokio::net::UnixStream, handle: Handle) -> io::Result<()> {
    let (answer, answered) = oneshot::channel();
    let gone = || io::Error::other("the edge ends");
    handle.core.send(Input::Inventory(answer)).await.map_err(|_| gone())?;
    let inventory = answered.await.map_err(|_| gone())?;
    let stream = stream.into_std()?;
    let stream = tokio::task::spawn_blocking(move || give_all(stream, &inventory))
        .await
        .map_err(io::Error::other)??;
    handle.core.send(Input::Replaced).await.map_err(|_| gone())?;
    handle.replaced.notify_one();
    stream.set_nonblocking(true)?;
    let (read, write) = tokio::net::UnixStream::from_std(stream)?.into_split();
    report(read, write, handle).await
}

fn give_all(mut stream: UnixStream, inventory: &Inventory) -> io::Result<UnixStream> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&line(&Report::Table(Box::new(inventory.table.clone())))?)?;
    let mut rest = inventory.sockets.as_slice();
    let mut ended = false;
    loop {
        match serde_json::from_slice(&read_line(&mut stream)?)? {
            Order::Next => {
                let (some, others) = rest.split_at(rest.len().min(AT_ONCE));
                rest = others;
                ended = some.is_empty();
                let names = some.iter().map(|(id, _)| *id).collect();
                let fds: Vec<RawFd> =
                    some.iter().map(|(_, socket)| socket.as_fd().as_raw_fd()).collect();
                send(&stream, &line(&Report::Sockets(names))?, &fds)?;
            }
            Order::Taken if ended => return Ok(stream),
            _ => return Err(io::Error::other("the other edge says something else")),
        }
    }
}

/// Reports the dynos to which requests are in flight, and takes the orders that the successor gets,
/// until no request is left.
async fn report(
    read: tokio::net::unix::OwnedReadHalf,
    mut write: tokio::net::unix::OwnedWriteHalf,
    handle: Handle,
) -> io::Result<()> {
    use tokio::io::AsyncWriteExt;
    let mut lines = Lines::new(read);
    let mut looks = interval(LOOK);
    let mut done = 0;
    let mut reported: Option<(u64, Vec<DynoId>)> = None;
    loop {
        tokio::select! {
            () = handle.web.until_closed() => {
                write.write_all(&line(&Report::Busy(done, Vec::new()))?).await?;
                return Ok(());
            }
            order = lines.next() => match order? {
                Some(Order::Successor(number, order)) => {
                    // The core takes this order before the question below.
                    let _ = handle.core.send(Input::FromSuccessor(*order)).await;
                    done = number;
                }
                Some(_) => {}
                // The successor is gone. Whatever replaces it does not ask this edge.
                None => return Ok(()),
            },
            _ = looks.tick() => {}
        }
        let (answer, answered) = oneshot::channel();
        let _ = handle.core.send(Input::WhoIsBusy(answer)).await;
        if let Ok(Some(busy)) = answered.await {
            let now = Some((done, busy));
            if now != reported {
                if let Some((done, busy)) = &now {
                    write.write_all(&line(&Report::Busy(*done, busy.clone()))?).await?;
                }
                reported = now;
            }
        }
    }
}

fn send(stream: &UnixStream, line: &[u8], fds: &[RawFd]) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(fds)];
    let rights = if fds.is_empty() { &[][..] } else { &rights[..] };
    let parts = [IoSlice::new(line)];
    let sent = sendmsg::<()>(stream.as_raw_fd(), &parts, rights, MsgFlags::MSG_NOSIGNAL, None)?;
    // The descriptors went with the first bytes.
    let mut stream = stream;
    stream.write_all(line.get(sent..).unwrap_or_default())
}

fn receive(stream: &UnixStream) -> io::Result<Vec<(SocketId, OwnedFd)>> {
    let mut buffer = vec![0; NAMES_BYTES];
    let mut space = nix::cmsg_space!([RawFd; 253]);
    let mut fds = Vec::new();
    let received = {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(rights) = control {
                #[expect(
                    unsafe_code,
                    reason = "the kernel made these descriptors for us just now"
                )]
                // SAFETY: they are new in this process, and nobody else has seen them.
                fds.extend(rights.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
        message.bytes
    };
    let mut line = buffer.get(..received).unwrap_or_default().to_vec();
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut stream = stream;
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.extend(byte);
    }
    match serde_json::from_slice(&line)? {
        Report::Sockets(names) if names.len() == fds.len() => {
            Ok(names.into_iter().zip(fds).collect())
        }
        _ => Err(io::Error::other("the edge does not give its sockets")),
    }
}

/// Reads one line and nothing beyond it, for the next message may carry sockets.
fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    // The other edge sends nothing more before it gets an answer.
    let mut line = Vec::new();
    let mut reader = BufReader::with_capacity(NAMES_BYTES, stream);
    reader.read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') || !reader.buffer().is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line)
}
