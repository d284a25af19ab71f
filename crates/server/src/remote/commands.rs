//! Processes on other hosts as if they were here: their input and output are sockets and pipes of this
//! process, between which and the stream to the host bytes are copied.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Socket;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::mpsc;

use fabric::runtime::Ends;
use link::{FrameError, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Sender;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::frame::{self, Frame};
use super::message::Greeting;
use crate::apps::console::{Attachment, ENDS_WITHIN, Process, Running, sender};

/// Bytes that are copied at a time.
const CHUNK: usize = 16 << 10;

/// A socket whose one end is this side's and whose other one is somebody else's.
fn socket() -> io::Result<(UnixStream, OwnedFd)> {
    let (near, far) = Socket::pair()?;
    near.set_nonblocking(true)?;
    Ok((UnixStream::from_std(near)?, far.into()))
}

/// Has the input and output of a process at the other end of a stream.
pub(super) async fn attached(mut stream: Stream) -> Result<Attachment, String> {
    let greeting: Result<Greeting, FrameError> = link::read_message(&mut stream, 1 << 10).await;
    let Greeting { terminal } = greeting.map_err(|error| os::error_chain(&error))?;
    let copies = || -> io::Result<_> {
        let (output, output_end) = socket()?;
        if terminal {
            return Ok((None, output, Ends::Terminal(output_end)));
        }
        let (input, input_end) = socket()?;
        Ok((Some(input), output, Ends::Pipes { input: input_end, output: output_end }))
    };
    let (input, output, ends) = copies().map_err(|error| error.to_string())?;
    let (says, ended) = oneshot::channel();
    let gone = CancellationToken::new();
    let over = gone.clone();
    tokio::spawn(async move {
        let copied = tokio::select! {
            copied = copy(stream, input, output) => copied,
            () = over.cancelled() => Ok(None),
        };
        // Whoever does not wait for it need not know.
        let _ = says.send(copied.map_err(|error| error.to_string()));
    });
    let ended = async move {
        let _gone = gone.drop_guard();
        // The host ends a command that takes too long, and says so.
        match tokio::time::timeout(2 * ENDS_WITHIN, ended).await {
            Ok(ended) => ended.unwrap_or(Ok(None)),
            Err(_) => Ok(None),
        }
    };
    Ok(Attachment { ends, ended: Some(Box::pin(ended)) })
}

/// Copies between a stream and sockets until the process has ended or nobody is attached any more; gives its
/// status, if it has one.
async fn copy(
    stream: Stream,
    input: Option<UnixStream>,
    output: UnixStream,
) -> io::Result<Option<i32>> {
    let (mut from, mut to) = tokio::io::split(stream);
    let is_terminal = input.is_none();
    // At a terminal input and output are one socket; of pipes, that of the output tells by its end that
    // nobody reads any more.
    let (mut reads, mut writes) = output.into_split();
    let sends = async {
        let mut chunk = vec![0; CHUNK];
        let mut input = input;
        loop {
            let read = match &mut input {
                Some(input) => input.read(&mut chunk).await,
                None => reads.read(&mut chunk).await,
            };
            match read {
                Ok(0) | Err(_) => break,
                Ok(read) => to.write_all(&chunk[..read]).await?,
            }
            to.flush().await?;
        }
        to.shutdown().await?;
        if !is_terminal {
            let _ = reads.read(&mut chunk).await;
        }
        Ok::<_, io::Error>(())
    };
    let receives = async {
        loop {
            match frame::read(&mut from).await? {
                Some(Frame::Output(bytes)) => writes.write_all(&bytes).await?,
                Some(Frame::Errors(_)) => {}
                Some(Frame::End(status)) => return Ok(status),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    };
    tokio::pin!(receives);
    let broken = |error: io::Error| {
        io::Error::other(format!("the connection with its host broke off ({error})"))
    };
    tokio::select! {
        status = &mut receives => status.map_err(broken),
        sent = sends => {
            sent.map_err(broken)?;
            // Nobody is attached any more: how it ends is waited for, and what it writes is not.
            tokio::time::timeout(2 * ENDS_WITHIN, receives).await.unwrap_or(Ok(None)).or(Ok(None))
        }
    }
}

/// Has the output of a command at the other end of a stream.
pub(super) fn running(stream: Stream) -> io::Result<Running> {
    let (output, to_output) = io::pipe()?;
    let (errors, to_errors) = io::pipe()?;
    let (to_output, to_errors) = (sender(to_output.into())?, sender(to_errors.into())?);
    let (says, ended) = mpsc::sync_channel(1);
    let gone = CancellationToken::new();
    let over = gone.clone();
    tokio::spawn(async move {
        let copied = tokio::select! {
            copied = receive(stream, to_output, to_errors) => copied,
            () = over.cancelled() => Err(io::Error::other("it was ended")),
        };
        // Whoever does not wait for it need not know.
        let _ = says.send(copied);
    });
    let process = Box::new(Far { ended, gone: Some(gone.drop_guard()) });
    Ok(Running { output: output.into(), errors: errors.into(), process })
}

async fn receive(
    mut stream: Stream,
    mut output: Sender,
    mut errors: Sender,
) -> io::Result<ExitStatus> {
    let broken = |error: io::Error| {
        io::Error::other(format!("the connection with its host broke off ({error})"))
    };
    loop {
        match frame::read(&mut stream).await.map_err(broken)? {
            Some(Frame::Output(bytes)) => output.write_all(&bytes).await?,
            Some(Frame::Errors(bytes)) => errors.write_all(&bytes).await?,
            Some(Frame::End(Some(status))) => return Ok(ExitStatus::from_raw(status)),
            Some(Frame::End(None)) | None => {
                return Err(broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

/// A process on another host.
struct Far {
    ended: mpsc::Receiver<io::Result<ExitStatus>>,
    /// Ends it when this is dropped.
    gone: Option<DropGuard>,
}

impl Process for Far {
    fn wait(&mut self) -> io::Result<ExitStatus> {
        self.ended.recv().unwrap_or_else(|_| Err(io::Error::other("nobody knows how it ended")))
    }

    fn kill(&mut self) {
        self.gone = None;
    }
}
