//! A session of a client, after its secret was accepted.

use std::sync::Arc;
use std::time::Duration;

use model::{
    AppId, Caller, Dyno, DynoId, DynoSelection, DynoState, Exit, PlatformCommand, WorkloadId,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::pump::{self, Attached};
use crate::apps::console::{Attachment, ENDS_WITHIN};
use crate::apps::rendezvous::{Requester, Target, Ticket};
use crate::http::listen::Wire;
use crate::http::state::{Origin, State};

/// The `heroku` command waits for a first line and ignores it.
pub(super) const GREETING: &str = "rendezvous\r\n";
/// How often it is checked whether a token has expired.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a client may take to read the last message.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long after its greeting a client is waited for to say that its input has ended. The `heroku` command
/// breaks off with an error of its own where the connection ends before it has said so, as it does after a
/// command that takes no time.
const INPUT_ENDS_WITHIN: Duration = Duration::from_secs(1);
/// How many bytes a client may send before its dyno is up.
const MOST_EARLY: usize = 64 << 10;

/// The reason why a session ended.
enum End {
    /// The command has ended. `marked` tells whether its output contained the exit marker.
    Over { marked: bool },
    /// The client is gone.
    Left,
    /// The session must not go on; the reason.
    Lost(String),
}

/// Runs a session to its end, and ends the dyno if the session was its only purpose.
pub(super) async fn run(
    state: &Arc<State>,
    stream: TlsStream<Wire>,
    ticket: Ticket,
    early: Vec<u8>,
    closing: CancellationToken,
) {
    let (app, dyno) = (ticket.requester.app, ticket.dyno);
    let whole = ticket.target == Target::Dyno;
    tracing::info!(%app, %dyno, inside = !whole, "a client is attached");
    let mut session = Session {
        watch: Watch { worlds: state.rendezvous.worlds.subscribe(), ticket: &ticket, state },
        stream,
        closing,
        begun: false,
    };
    let end = session.attend(early).await;
    session.part(&end).await;
    if whole {
        let Session { watch, closing, .. } = &mut session;
        tokio::select! {
            ended = tokio::time::timeout(ENDS_WITHIN, watch.ended()) => if ended.is_err() {
                stop(state, app, dyno).await;
            },
            // The server stops and records no ends any more. The next start stops the dyno if it
            // still runs.
            () = closing.cancelled() => {}
        }
    }
    tracing::info!(%app, %dyno, "a client is not attached any more");
}

/// Stops a dyno that has lost its client.
pub(super) async fn stop(state: &State, app: AppId, dyno: DynoId) {
    let command = PlatformCommand::StopDynos { app, which: DynoSelection::One(dyno) };
    // The command is refused if the dyno has ended meanwhile.
    if let Err(error) = state.submit(Caller::System, command, &Origin::default()).await {
        tracing::debug!(%app, %dyno, %error, "a dyno that lost its client is not stopped");
    }
}

struct Session<'a> {
    watch: Watch<'a>,
    stream: TlsStream<Wire>,
    /// Cancelled when the server stops.
    closing: CancellationToken,
    /// Whether the client was greeted.
    begun: bool,
}

/// Watches what a session depends on.
struct Watch<'a> {
    worlds: watch::Receiver<()>,
    ticket: &'a Ticket,
    state: &'a Arc<State>,
}

impl Watch<'_> {
    /// Returns the dyno if the session may go on, or the reason why not.
    fn look(&mut self) -> Result<Arc<Dyno>, String> {
        self.worlds.mark_unchanged();
        let world = self.state.world();
        let Requester { app, .. } = self.ticket.requester;
        if let Some(why) = self.ticket.requester.lost(&world, self.state.clock.now()) {
            return Err(why.to_owned());
        }
        match world.dyno(self.ticket.dyno).filter(|dyno| dyno.app == app) {
            Some(dyno) => Ok(Arc::clone(dyno)),
            None => Err("the dyno is gone".to_owned()),
        }
    }

    async fn changed(&mut self) {
        tokio::select! {
            _ = self.worlds.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }

    /// Waits until the dyno is up.
    async fn up(&mut self) -> Result<(), String> {
        loop {
            let dyno = self.look()?;
            match dyno.state {
                DynoState::Starting => self.changed().await,
                DynoState::Booting | DynoState::Up | DynoState::Draining => return Ok(()),
                DynoState::Stopping | DynoState::Down | DynoState::Crashed => {
                    return Err(match &dyno.exit {
                        Some(Exit::Failed(why)) => format!("the dyno could not run: {why}"),
                        Some(exit) => format!("the dyno has ended with status {}", exit.status()),
                        None => "the dyno was stopped".to_owned(),
                    });
                }
            }
        }
    }

    /// Waits until the session must end, and returns the reason.
    async fn lost(&mut self) -> String {
        loop {
            if let Err(why) = self.look() {
                return why;
            }
            self.changed().await;
        }
    }

    /// The exit status of the dyno, if it ends soon.
    async fn status(&mut self) -> Option<i32> {
        tokio::time::timeout(ENDS_WITHIN, self.ended()).await.ok()?;
        let world = self.state.world();
        Some(world.dyno(self.ticket.dyno)?.exit.as_ref()?.status())
    }

    /// Waits until the dyno has ended.
    async fn ended(&mut self) {
        let ended = |state: &State, id| state.world().dyno(id).is_none_or(|d| d.state.ended());
        while !ended(self.state, self.ticket.dyno) {
            self.changed().await;
        }
    }
}

impl Session<'_> {
    async fn attend(&mut self, early: Vec<u8>) -> End {
        let early = match self.wait(early).await {
            Ok(early) => early,
            Err(end) => return end,
        };
        let Attachment { ends, ended } = match self.attach().await {
            Ok(attached) => attached,
            Err(why) => return End::Lost(why),
        };
        if self.greet().await.is_err() {
            return End::Left;
        }
        let attached = match Attached::new(ends) {
            Ok(attached) => attached,
            Err(error) => return End::Lost(error.to_string()),
        };
        let greeted = tokio::time::Instant::now();
        let (mut input, output) = attached.split();
        let mut end = {
            let (mut reads, mut writes) = tokio::io::split(&mut self.stream);
            tokio::select! {
                () = input.run(&mut reads, early) => End::Left,
                sent = output.run(&mut writes) => match sent {
                    Ok(marked) => End::Over { marked },
                    Err(_) => End::Left,
                },
                why = self.watch.lost() => End::Lost(why),
                () = self.closing.cancelled() => End::Lost("the server is stopping".to_owned()),
            }
        };
        let prints_exit_marker = match &self.watch.ticket.target {
            Target::Dyno => {
                self.watch.look().is_ok_and(|dyno| pump::prints_exit_marker(&dyno.command))
            }
            Target::Inside(inside) => {
                inside.argv.last().is_some_and(|last| pump::prints_exit_marker(last))
            }
        };
        // By this a command learns that nobody is there any more.
        input.close();
        let mut status = None;
        if let Some(ended) = ended {
            match ended.await {
                Ok(said) => status = said,
                Err(why) if matches!(end, End::Over { .. }) => end = End::Lost(why),
                Err(_) => {}
            }
        }
        let is_whole = self.watch.ticket.target == Target::Dyno;
        if is_whole && prints_exit_marker && matches!(end, End::Over { .. }) {
            status = self.watch.status().await;
        }
        if let (End::Over { marked: false }, true, Some(status)) =
            (&end, prints_exit_marker, status)
        {
            self.say_status(status).await;
        }
        if matches!(end, End::Over { .. }) {
            tokio::select! {
                () = input.finish(&mut self.stream) => {}
                () = tokio::time::sleep_until(greeted + INPUT_ENDS_WITHIN) => {}
                () = self.closing.cancelled() => {}
            }
        }
        end
    }

    /// Sends the exit status of a command that ended its shell before the shell could print it,
    /// such as `exit 3`.
    async fn say_status(&mut self, status: i32) {
        let marker = pump::exit_marker(status);
        let said = async {
            self.stream.write_all(marker.as_bytes()).await?;
            self.stream.flush().await
        };
        let _ = tokio::time::timeout(FAREWELL, said).await;
    }

    /// Waits until the dyno is up, and keeps what the client sends meanwhile.
    async fn wait(&mut self, mut early: Vec<u8>) -> Result<Vec<u8>, End> {
        let mut chunk = [0; 1024];
        loop {
            tokio::select! {
                up = self.watch.up() => return up.map(|()| early).map_err(End::Lost),
                read = self.stream.read(&mut chunk), if early.len() < MOST_EARLY => match read {
                    Ok(0) | Err(_) => return Err(End::Left),
                    Ok(read) => early.extend_from_slice(&chunk[..read]),
                },
                () = self.closing.cancelled() => {
                    return Err(End::Lost("the server is stopping".to_owned()));
                }
            }
        }
    }

    /// Takes over the dyno's input and output, or starts a command inside it.
    async fn attach(&self) -> Result<Attachment, String> {
        let workload = WorkloadId::Dyno(self.watch.ticket.dyno);
        let console = Arc::clone(&self.watch.state.console);
        let what = self.watch.ticket.target.clone();
        let attach = move || match what {
            Target::Dyno => console.attach(workload),
            Target::Inside(inside) => console.session(workload, &inside),
        };
        tokio::task::spawn_blocking(attach).await.map_err(|error| error.to_string())?
    }

    async fn greet(&mut self) -> std::io::Result<()> {
        self.begun = true;
        self.stream.write_all(GREETING.as_bytes()).await?;
        self.stream.flush().await
    }

    /// Tells the client why the session is over.
    async fn part(&mut self, end: &End) {
        let words = async {
            if let End::Lost(why) = end {
                if !self.begun {
                    self.greet().await?;
                }
                let text = format!("\r\ncauseway: the session is over: {why}\r\n");
                self.stream.write_all(text.as_bytes()).await?;
                self.stream.flush().await?;
            }
            self.stream.shutdown().await
        };
        let _ = tokio::time::timeout(FAREWELL, words).await;
    }
}
