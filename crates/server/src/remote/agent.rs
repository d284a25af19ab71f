//! The agent's end: what it makes of the streams that servers ask for.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;

use fabric::driver::Dialer;
use link::{Kinds, Stream};
use model::AddonId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};

use super::dial;
use super::frame;
use super::message::{
    ATTACH, Answer, Ask, Asks, Attach, Bytes, Greeting, LOGS, MOST_ANSWERED, MOST_ASKED, RUN, Run,
};
use crate::apps::console::{Attachment, Console, NotRun, Running, halves, receiver};
use crate::apps::router_log::RouterLog;

/// Has the disk of a data service removed once the service has ended.
pub(crate) type RemoveDisk = Arc<dyn Fn(AddonId) + Send + Sync>;

/// The kinds of streams by which servers reach the processes of this host, and have packets sent from their
/// interfaces.
pub(crate) fn kinds(
    console: Arc<dyn Console>,
    router_log: Arc<dyn RouterLog>,
    remove_disk: RemoveDisk,
    dialer: Option<Arc<dyn Dialer>>,
) -> Kinds {
    let (attached, running) = (Arc::clone(&console), Arc::clone(&console));
    Kinds::default()
        .with(LOGS, move |_| {
            let (console, log) = (Arc::clone(&console), Arc::clone(&router_log));
            let sources = Sources { console, log, remove_disk: Arc::clone(&remove_disk) };
            async move { Ok(move |stream| logs(sources, stream)) }
        })
        .with(ATTACH, move |asked| {
            let console = Arc::clone(&attached);
            async move {
                let Attach { workload, inside } = asked.about()?;
                let attach = move || match inside {
                    None => console.attach(workload),
                    Some(inside) => console.session(workload, &inside.into()),
                };
                let attachment = blocking(attach).await??;
                Ok(move |stream| attach_to(attachment, stream))
            }
        })
        .with(RUN, move |asked| {
            let console = Arc::clone(&running);
            async move {
                let Run { workload, command } = asked.about()?;
                let running = blocking(move || console.run(workload, &command)).await??;
                Ok(move |stream| run(running, stream))
            }
        })
        .and(dial::kinds(dialer))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
}

/// Where answers come from.
#[derive(Clone)]
struct Sources {
    console: Arc<dyn Console>,
    log: Arc<dyn RouterLog>,
    remove_disk: RemoveDisk,
}

/// Answers questions until the other end has no more.
async fn logs(sources: Sources, mut stream: Stream) {
    while let Ok(asks) = link::read_message::<Asks>(&mut stream, MOST_ASKED).await {
        for ask in asks {
            let sources = sources.clone();
            let answer = blocking(move || sources.answer(ask)).await.unwrap_or_else(Answer::Failed);
            if let Err(error) = link::write_message(&mut stream, &answer, MOST_ANSWERED).await {
                tracing::debug!(%error, "a server asks no more for logs");
                return;
            }
        }
    }
}

impl Sources {
    fn answer(&self, ask: Ask) -> Answer {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Answer::Missing,
            _ => Answer::Failed(error.to_string()),
        };
        match ask {
            Ask::Tail { workload, bytes } => {
                let tail = self.console.tail(workload, bytes);
                tail.map_or_else(failed, |tail| Answer::Bytes(Bytes(tail)))
            }
            Ask::Lines { workload, from, whole, most } => {
                let part = self.console.lines(workload, from.map(Into::into), whole);
                part.map_or_else(failed, |part| Answer::of_part(part, most))
            }
            Ask::Router { app, most, after } => {
                let log = self.log.tail(app, most);
                log.map_or_else(failed, |mut lines| {
                    let known = after.and_then(|last| lines.iter().rposition(|it| *it == last));
                    drop(lines.drain(..known.map_or(0, |at| at + 1)));
                    Answer::Router(lines)
                })
            }
            Ask::Runs { workload } => match self.console.runs(workload) {
                Ok(()) => Answer::Runs(true),
                Err(NotRun::Idle) => Answer::Runs(false),
                Err(NotRun::Elsewhere(why)) => Answer::Failed(why),
            },
            Ask::RemoveDisk { service } => {
                (self.remove_disk)(service);
                Answer::Done
            }
            Ask::ForgetRouter { app } => {
                self.log.forget(app).map_or_else(failed, |()| Answer::Done)
            }
        }
    }
}

/// Copies between a process and a client of the server.
async fn attach_to(attachment: Attachment, mut stream: Stream) {
    let Attachment { ends, ended } = attachment;
    let (terminal, input, mut output) = match halves(ends) {
        Ok(halves) => halves,
        Err(error) => return tracing::warn!(%error, "a client cannot be attached to a process"),
    };
    if link::write_message(&mut stream, &Greeting { terminal }, 1 << 10).await.is_err() {
        return;
    }
    let (mut read, mut write) = tokio::io::split(stream);
    let sent = tokio::select! {
        // Then nobody reads any more, and what is left here is closed.
        () = hand_on(&mut read, input, terminal) => false,
        sent = send(&mut output, &mut write, false) => sent.is_ok(),
    };
    // Before its end is waited for: by this it learns that its client is gone.
    drop(output);
    let status = match ended {
        Some(ended) => ended.await.unwrap_or(None),
        None => None,
    };
    if sent && frame::write_end(&mut write, status).await.is_ok() {
        let _ = write.shutdown().await;
    }
}

/// Hands on what a client sends, and returns only when the client is gone. At a terminal it is gone when it
/// sends no more; a pipe is closed then.
async fn hand_on(from: &mut (impl AsyncRead + Unpin), to: Sender, terminal: bool) {
    let (mut to, mut chunk) = (Some(to), vec![0; frame::MOST / 4]);
    loop {
        let Ok(read) = from.read(&mut chunk).await else { return };
        if read == 0 {
            drop(to.take());
            if terminal {
                return;
            }
            return std::future::pending().await;
        }
        // What does not read any more may still write.
        if let Some(open) = &mut to
            && open.write_all(&chunk[..read]).await.is_err()
        {
            to = None;
        }
    }
}

/// Sends all that a process writes.
async fn send(
    from: &mut Receiver,
    to: &mut (impl AsyncWrite + Unpin),
    errors: bool,
) -> io::Result<()> {
    let mut chunk = vec![0; frame::MOST / 4];
    loop {
        // Reading from a terminal whose other end is closed fails.
        match from.read(&mut chunk).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(read) => frame::write(to, errors, &chunk[..read]).await?,
        }
    }
}

/// Sends what a command writes, and how it ended.
async fn run(running: Running, stream: Stream) {
    let Running { output, errors, mut process } = running;
    let (mut output, mut errors) = match receiver(output).and_then(|it| Ok((it, receiver(errors)?)))
    {
        Ok(pipes) => pipes,
        Err(error) => return tracing::warn!(%error, "what a command writes cannot be read"),
    };
    let (mut read, write) = tokio::io::split(stream);
    let write = tokio::sync::Mutex::new(write);
    let copied = async {
        let (said, complained) = tokio::join!(
            send_in_turns(&mut output, &write, false),
            send_in_turns(&mut errors, &write, true),
        );
        said.and(complained)
    };
    let mut nothing = [0];
    let copied = tokio::select! {
        copied = copied => copied,
        // Whoever asked says nothing more, and so is gone.
        _ = read.read(&mut nothing) => Err(io::ErrorKind::ConnectionAborted.into()),
    };
    drop((output, errors));
    if copied.is_err() {
        process.kill();
    }
    let ended = blocking(move || process.wait()).await;
    let (Ok(()), Ok(Ok(status))) = (copied, ended) else { return };
    let mut write = write.into_inner();
    if frame::write_end(&mut write, Some(status.into_raw())).await.is_ok() {
        let _ = write.shutdown().await;
    }
}

/// Sends all of one of several pipes.
async fn send_in_turns(
    from: &mut Receiver,
    to: &tokio::sync::Mutex<impl AsyncWrite + Unpin>,
    errors: bool,
) -> io::Result<()> {
    let mut chunk = vec![0; frame::MOST / 4];
    loop {
        match from.read(&mut chunk).await? {
            0 => return Ok(()),
            read => frame::write(&mut *to.lock().await, errors, &chunk[..read]).await?,
        }
    }
}
