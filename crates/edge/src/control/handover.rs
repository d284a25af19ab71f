//! One edge takes over from another: it is given the table and the very sockets, so that no
//! connection that waits in one of them is lost. The other goes on with what is under way, and
//! says to which dynos that is.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use model::DynoId;
use model::edge::EdgeIntent;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use tokio::sync::mpsc::{Sender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::interval;

use super::message::{Order, Report};
use super::serve::{Desk, Lines, line};
use crate::core::listening::Spot;
use crate::core::{Input, Inventory};

/// So many sockets go with one message; the kernel takes 253.
const AT_ONCE: usize = 128;
/// How long an edge may take for one step.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at which dynos are busy.
const LOOK: Duration = Duration::from_millis(20);
/// Room for the names of so many sockets.
const NAMES_BYTES: usize = 64 * 1024;

/// What an edge took over.
pub struct Inheritance {
    /// The table.
    pub intent: EdgeIntent,
    /// The sockets.
    pub sockets: BTreeMap<Spot, OwnedFd>,
    stream: UnixStream,
}

/// Asks the edge that listens on a control socket for everything.
pub fn ask(socket: &Path) -> io::Result<Inheritance> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&line(&Order::Handover)?)?;
    let intent = match serde_json::from_slice(&read_line(&mut stream)?)? {
        Report::Table(intent) => *intent,
        _ => return Err(io::Error::other("the edge does not give its table")),
    };
    let mut sockets = BTreeMap::new();
    loop {
        stream.write_all(&line(&Order::Next)?)?;
        let some = receive(&stream)?;
        if some.is_empty() {
            return Ok(Inheritance { intent, sockets, stream });
        }
        sockets.extend(some);
    }
}

impl Inheritance {
    /// Says that everything is served here now. What the other edge tells from then on goes to
    /// the core.
    pub async fn accept(stream: UnixStream, core: Sender<Input>) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let (read, mut write) = tokio::net::UnixStream::from_std(stream)?.into_split();
        let (orders, mut passed) = unbounded_channel::<(u64, Order)>();
        // The core lives as long as this edge does.
        let _ = core.send(Input::Elder(orders)).await;
        use tokio::io::AsyncWriteExt;
        write.write_all(&line(&Order::Taken)?).await?;
        tokio::spawn(async move {
            while let Some((number, order)) = passed.recv().await {
                let Ok(line) = line(&Order::Heir(number, Box::new(order))) else { continue };
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
                    let _ = core.send(Input::ElderBusy(Some((done, dynos)))).await;
                }
            }
            let _ = core.send(Input::ElderBusy(None)).await;
        });
        Ok(())
    }

    /// Takes the parts apart.
    pub fn into_parts(self) -> (EdgeIntent, BTreeMap<Spot, OwnedFd>, UnixStream) {
        (self.intent, self.sockets, self.stream)
    }
}

/// Gives everything to another edge, and then says what is still under way here.
pub async fn give(stream: tokio::net::UnixStream, desk: Desk) -> io::Result<()> {
    let (answer, answered) = oneshot::channel();
    let gone = || io::Error::other("the edge ends");
    desk.core.send(Input::Inventory(answer)).await.map_err(|_| gone())?;
    let inventory = answered.await.map_err(|_| gone())?;
    let stream = stream.into_std()?;
    let stream = tokio::task::spawn_blocking(move || give_all(stream, &inventory))
        .await
        .map_err(io::Error::other)??;
    desk.core.send(Input::Replaced).await.map_err(|_| gone())?;
    desk.replaced.notify_one();
    stream.set_nonblocking(true)?;
    let (read, write) = tokio::net::UnixStream::from_std(stream)?.into_split();
    report(read, write, desk).await
}

fn give_all(mut stream: UnixStream, inventory: &Inventory) -> io::Result<UnixStream> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&line(&Report::Table(Box::new(inventory.intent.clone())))?)?;
    let mut rest = inventory.sockets.as_slice();
    let mut ended = false;
    loop {
        match serde_json::from_slice(&read_line(&mut stream)?)? {
            Order::Next => {
                let (some, others) = rest.split_at(rest.len().min(AT_ONCE));
                rest = others;
                ended = some.is_empty();
                let names = some.iter().map(|(spot, _)| *spot).collect();
                let fds: Vec<RawFd> =
                    some.iter().map(|(_, socket)| socket.as_fd().as_raw_fd()).collect();
                send(&stream, &line(&Report::Sockets(names))?, &fds)?;
            }
            Order::Taken if ended => return Ok(stream),
            _ => return Err(io::Error::other("the other edge says something else")),
        }
    }
}

/// Tells what is under way, and hears what the other edge hears, until nothing is left.
async fn report(
    read: tokio::net::unix::OwnedReadHalf,
    mut write: tokio::net::unix::OwnedWriteHalf,
    desk: Desk,
) -> io::Result<()> {
    use tokio::io::AsyncWriteExt;
    let mut lines = Lines::new(read);
    let mut looks = interval(LOOK);
    let mut done = 0;
    let mut told: Option<(u64, Vec<DynoId>)> = None;
    loop {
        tokio::select! {
            () = desk.web.until_closed() => {
                write.write_all(&line(&Report::Busy(done, Vec::new()))?).await?;
                return Ok(());
            }
            order = lines.next() => match order? {
                Some(Order::Heir(number, order)) => {
                    // The core takes it before it is asked who is busy.
                    let _ = desk.core.send(Input::FromHeir(*order)).await;
                    done = number;
                }
                Some(_) => {}
                // The other one is gone; whoever replaces it asks nobody here.
                None => return Ok(()),
            },
            _ = looks.tick() => {}
        }
        let (answer, answered) = oneshot::channel();
        let _ = desk.core.send(Input::WhoIsBusy(answer)).await;
        if let Ok(Some(busy)) = answered.await {
            let now = Some((done, busy));
            if now != told {
                if let Some((done, busy)) = &now {
                    write.write_all(&line(&Report::Busy(*done, busy.clone()))?).await?;
                }
                told = now;
            }
        }
    }
}

fn send(stream: &UnixStream, line: &[u8], fds: &[RawFd]) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(fds)];
    let rights = if fds.is_empty() { &[][..] } else { &rights[..] };
    let parts = [IoSlice::new(line)];
    let sent = sendmsg::<()>(stream.as_raw_fd(), &parts, rights, MsgFlags::MSG_NOSIGNAL, None)?;
    // The rights went with the first bytes.
    let mut stream = stream;
    stream.write_all(line.get(sent..).unwrap_or_default())
}

fn receive(stream: &UnixStream) -> io::Result<Vec<(Spot, OwnedFd)>> {
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

/// A line, and nothing beyond it: what follows may have sockets with it.
fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    // The other side sends nothing more before it is answered.
    let mut line = Vec::new();
    let mut reader = BufReader::with_capacity(NAMES_BYTES, stream);
    reader.read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') || !reader.buffer().is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line)
}
