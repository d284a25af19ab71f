//! The connection of one host, from its greeting to its end.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::protocol::{Edge, Networks, Report, Workloads};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::admission::{Admitted, removed};
use super::state::{Addressed, Connection, Host, Mail, Shared, State};
use crate::frame::{self, FrameError, MOST_BYTES, MOST_BYTES_OF_STRANGERS, Reader};
use crate::identity::HostId;
use crate::message::{AnyReport, Carried, Held, Hello, Of, Stamp, ToHost, ToServer, Versions};
use crate::request::ProvedKey;

/// How long a host may take to hear why it is not served.
const FAREWELL: Duration = Duration::from_secs(2);
/// Answers and questions that wait to be sent beside orders.
const MOST_ANSWERS: usize = 64;

/// Serves a host until its connection ends.
pub(super) async fn serve<R, W>(
    shared: &Arc<Shared>,
    (id, from): (HostId, IpAddr),
    hello: Hello,
    mut reader: Reader<R>,
    mut write: W,
    stop: CancellationToken,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (hub, about) = (Arc::clone(shared), hello.about.clone());
    let admitted = match shared.admit(&hello) {
        Ok(admitted) => {
            // It may wait for the ledger.
            let noted = tokio::task::spawn_blocking(move || {
                hub.note(&id, &about, from).map(|()| hub.host(&id))
            });
            let Ok(noted) = noted.await else { return };
            noted.map(|host| (host, admitted))
        }
        Err(answer) => Err(answer),
    };
    let (host, admitted) = match admitted {
        Ok(admitted) => admitted,
        Err(answer) => {
            match &*answer {
                ToHost::Refused(refusal) => {
                    tracing::warn!(host = %id, "a host is not served: {}", refusal.message);
                }
                _ => tracing::debug!(host = %id, "a host is sent to the server that leads"),
            }
            farewell(&mut write, *answer).await;
            return;
        }
    };
    reader.trust();
    let (answers, answered) = mpsc::channel(MOST_ANSWERS);
    let number = begin(shared, &host, &hello, &admitted, &stop, answers.clone());
    let session = Session { shared, host: &host, number, epoch: admitted.epoch };
    tracing::info!(host = %id, name = hello.about.name, "a host is connected");
    let ended = tokio::select! {
        // Whoever was removed hears it, and nothing else.
        () = stop.cancelled() => Ok(()),
        ended = session.send(&admitted, &mut write, answered) => ended,
        ended = session.receive(&mut reader, answers) => ended,
    };
    match &ended {
        Ok(()) => tracing::info!(host = %id, "the connection of a host was ended"),
        Err(error) => {
            let why = os::error_chain(error);
            tracing::warn!(host = %id, "the connection of a host is lost: {why}");
        }
    }
    if !shared.parts.registry.admits(&id) {
        farewell(&mut write, ToHost::Refused(removed(&id))).await;
    } else if (shared.parts.epoch)() != Some(admitted.epoch) {
        farewell(&mut write, shared.elsewhere()).await;
    }
    let _ = tokio::time::timeout(FAREWELL, write.shutdown()).await;
    let mut state = host.state();
    if state.connection.as_ref().is_some_and(|connection| connection.number == number) {
        state.connection = None;
        state.lost = Some((shared.parts.now)());
        host.streams.give_up();
        if (shared.parts.epoch)() != Some(state.streams_epoch) {
            state.streams_end.cancel();
        }
    }
}

/// Takes a connection in place of an earlier one of the same host.
fn begin(
    shared: &Shared,
    host: &Host,
    hello: &Hello,
    admitted: &Admitted,
    stop: &CancellationToken,
    asks: mpsc::Sender<ToHost>,
) -> u64 {
    let mut state = host.state();
    state.connections += 1;
    let number = state.connections;
    let connection = Connection {
        number,
        about: hello.about.clone(),
        since: (shared.parts.now)(),
        version: admitted.version,
        end: stop.clone(),
        asks,
    };
    if let Some(earlier) = state.connection.replace(connection) {
        earlier.end.cancel();
    }
    if state.streams_epoch != admitted.epoch || state.streams_end.is_cancelled() {
        state.streams_end.cancel();
        state.streams_end = CancellationToken::new();
        state.streams_epoch = admitted.epoch;
    }
    host.streams.give_up();
    state.held = hello.held;
    state.heard = Some(Instant::now());
    let Mail { networks, workloads, edge } = &mut state.mail;
    networks.connect(admitted.epoch, hello.held.networks);
    workloads.connect(admitted.epoch, hello.held.workloads);
    edge.connect(admitted.epoch, hello.held.edge);
    drop(state);
    host.wake.notify_one();
    number
}

/// Says why nobody is served.
async fn farewell(write: &mut (impl AsyncWrite + Unpin), answer: ToHost) {
    let said = async {
        let _ = frame::write(write, &answer, MOST_BYTES_OF_STRANGERS).await;
        write.shutdown().await
    };
    // Whoever does not hear it finds the connection closed.
    let _ = tokio::time::timeout(FAREWELL, said).await;
}

/// One connection of a host.
struct Session<'a> {
    shared: &'a Arc<Shared>,
    host: &'a Arc<Host>,
    /// Which connection of the host this is.
    number: u64,
    epoch: u64,
}

impl Session<'_> {
    /// Sends orders and answers, and says from time to time that this server is there.
    async fn send(
        &self,
        admitted: &Admitted,
        write: &mut (impl AsyncWrite + Unpin),
        mut answers: mpsc::Receiver<ToHost>,
    ) -> Result<(), FrameError> {
        let parts = &self.shared.parts;
        let mut servers = (parts.servers)().all;
        let welcome = ToHost::Welcome {
            version: admitted.version,
            epoch: self.epoch,
            software: env!("CARGO_PKG_VERSION").to_owned(),
            now: (parts.now)(),
            settings: parts.settings.clone(),
            servers: servers.clone(),
        };
        frame::write(write, &welcome, MOST_BYTES).await?;
        let mut alive = tokio::time::interval(parts.pulse.every);
        alive.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The last question that has no answer.
        let mut question = None;
        loop {
            tokio::select! {
                () = self.host.wake.notified() => {
                    self.ask_for_what_is_lacking().await;
                    let Some(orders) = self.take() else {
                        self.host.wake.notify_one();
                        return Ok(());
                    };
                    for order in orders {
                        // What this server said while it led is said by nobody now.
                        if (parts.epoch)() != Some(self.epoch) {
                            return Ok(());
                        }
                        let order = ToHost::Order { epoch: self.epoch, order: Box::new(order) };
                        frame::write(write, &order, MOST_BYTES).await?;
                    }
                }
                answer = answers.recv() => {
                    match answer {
                        None => return Ok(()),
                        Some(ToHost::Known { number }) => question = Some(number),
                        Some(answer) => frame::write(write, &answer, MOST_BYTES).await?,
                    }
                }
                _ = alive.tick() => {
                    if (parts.epoch)() != Some(self.epoch) {
                        return Ok(());
                    }
                    let known = (parts.servers)().all;
                    if known != servers && admitted.version >= Versions::STREAMS {
                        servers = known;
                        let said = ToHost::Servers { servers: servers.clone() };
                        frame::write(write, &said, MOST_BYTES).await?;
                    }
                    frame::write(write, &ToHost::Alive, MOST_BYTES).await?;
                }
            }
            // Whoever hears it takes what it was told for all that there is.
            if let Some(number) = question.filter(|_| self.has_said_all()) {
                if (parts.epoch)() != Some(self.epoch) {
                    return Ok(());
                }
                question = None;
                frame::write(write, &ToHost::Known { number }, MOST_BYTES).await?;
            }
        }
    }

    /// Whether nothing waits to be sent.
    fn has_said_all(&self) -> bool {
        let state = self.host.state();
        let Mail { networks, workloads, edge } = &state.mail;
        self.is_current(&state) && networks.is_empty() && workloads.is_empty() && edge.is_empty()
    }

    /// What waits, networks first: an interface is there before its process is, and whoever asks for a
    /// process that ends is sent elsewhere before. `None` where the host has another connection by now, as
    /// what waits is counted from what that one said the host has.
    fn take(&self) -> Option<Vec<crate::message::AnyOrder>> {
        let mut state = self.host.state();
        if !self.is_current(&state) {
            return None;
        }
        let Mail { networks, workloads, edge } = &mut state.mail;
        let networks = networks.take().into_iter().map(Carried::order);
        let edge = edge.take().into_iter().map(Carried::order);
        let workloads = workloads.take().into_iter().map(Carried::order);
        Some(networks.chain(edge).chain(workloads).collect())
    }

    /// Whether the host has no other connection by now.
    fn is_current(&self, state: &State) -> bool {
        state.connection.as_ref().is_some_and(|connection| connection.number == self.number)
    }

    /// Has whoever plans give all that there is, where the host cannot be told what changed.
    async fn ask_for_what_is_lacking(&self) {
        async fn ask<S: Addressed>(session: &Session<'_>) {
            let (asks, held) = {
                let mut state = session.host.state();
                let asks = session.is_current(&state) && S::mailbox(&mut state.mail).asks();
                (asks, S::held(&mut state.held).map_or(0, |stamp| stamp.revision))
            };
            if asks {
                let report = Report { forgot: true, ..Report::<S>::at(held) };
                session.tell(S::report(report)).await;
            }
        }
        ask::<Networks>(self).await;
        ask::<Edge>(self).await;
        ask::<Workloads>(self).await;
    }

    /// Takes in what the host says.
    async fn receive(
        &self,
        reader: &mut Reader<impl AsyncRead + Unpin>,
        answers: mpsc::Sender<ToHost>,
    ) -> Result<(), FrameError> {
        let parts = &self.shared.parts;
        loop {
            let message = reader.next(parts.pulse.silence).await?;
            self.host.state().heard = Some(Instant::now());
            match message {
                ToServer::Report(report) => self.tell(*report).await,
                ToServer::Held(held) => self.held(held),
                ToServer::Fenced { given, seen } => {
                    tracing::error!(
                        host = %self.host.id,
                        "a host refused an order of {given}, as it has seen {seen}"
                    );
                    return Ok(());
                }
                ToServer::Renew { request } => {
                    if let Some(certificate) = self.renew(&request) {
                        // Whoever asks more often than is answered is not waited for.
                        let _ = answers.try_send(ToHost::Certificate { certificate });
                    }
                }
                ToServer::NoStream { number, refusal } => {
                    self.host.streams.refused(number, refusal);
                }
                ToServer::Alive => {}
                ToServer::Ask { number } => {
                    // Whoever asks more often than is answered is not waited for.
                    let _ = answers.try_send(ToHost::Known { number });
                }
                ToServer::Join(_) | ToServer::Hello(_) | ToServer::Stream(_) => {
                    tracing::warn!(host = %self.host.id, "a host greeted twice");
                    return Ok(());
                }
            }
        }
    }

    fn renew(&self, request: &str) -> Option<String> {
        let host = &self.host.id;
        let refused = |why: &dyn std::fmt::Display| {
            tracing::warn!(%host, "a host is given no other certificate: {why}");
        };
        let request = STANDARD.decode(request).inspect_err(|error| refused(error)).ok()?;
        let key = ProvedKey::of_request(&request).inspect_err(|error| refused(error)).ok()?;
        let made = self.shared.certificate(host, &key).inspect_err(|error| refused(error)).ok()?;
        tracing::info!(%host, "a host has another certificate");
        Some(made)
    }

    fn held(&self, held: Of<Stamp, Stamp, Stamp>) {
        fn note<S: Addressed>(mail: &mut Mail, held: &mut Held, stamp: Stamp) {
            *S::held(held) = Some(stamp);
            S::mailbox(mail).held(stamp);
        }
        let state = &mut *self.host.state();
        match held {
            Of::Networks(stamp) => {
                note::<Networks>(&mut state.mail, &mut state.held, stamp);
            }
            Of::Workloads(stamp) => {
                note::<Workloads>(&mut state.mail, &mut state.held, stamp);
            }
            Of::Edge(stamp) => note::<Edge>(&mut state.mail, &mut state.held, stamp),
        }
    }

    /// Hands a report on. Whoever takes it may wait for the ledger; nothing else of the host is read until
    /// then.
    async fn tell(&self, report: AnyReport) {
        let host = Arc::clone(self.host);
        let told = tokio::task::spawn_blocking(move || {
            let mut tells = host.tells.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(tells) = &mut *tells {
                tells.tell(report);
            }
        });
        if let Err(error) = told.await {
            tracing::error!(host = %self.host.id, %error, "a report of a host was not taken");
        }
    }
}
