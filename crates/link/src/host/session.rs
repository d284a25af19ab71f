//! One connection with a server, from the greeting to its end.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::Timestamp;
use model::protocol::{Edge, Networks, Order, Report, Subject, Workloads};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::connect::connect;
use super::intents::NotDone;
use super::shared::Shared;
use super::streams::Server;
use crate::authority::from_pem;
use crate::frame::{self, FrameError, MOST_BYTES, MOST_BYTES_OF_STRANGERS, Reader};
use crate::identity::host_of;
use crate::keep::{Identity, Keep, KeepError};
use crate::message::{AnyOrder, Carried, Held, Hello, Of, RefusalCode, Stamp, ToHost, ToServer};
use crate::request::NewKey;
use crate::tls;
use crate::validity::Validity;

/// How often it is looked whether the certificate is to be renewed.
const LOOK: Duration = Duration::from_secs(3600);
/// What may wait to be sent beside reports.
const MOST_OUTGOING: usize = 8;

/// How a connection ended.
pub(super) enum Ended {
    /// After orders came.
    Served(String),
    /// Before.
    Failed(String),
    /// Another server leads; its address, where it is known.
    Elsewhere(String, Option<String>),
    /// The host is none any more.
    Removed(String),
    /// Something cannot be kept that must be.
    Keep(KeepError),
}

/// One connection.
pub(super) struct Session<'a> {
    pub host: &'a Arc<Shared>,
    /// Whether there was one before, on which reports may have been lost.
    pub again: bool,
}

/// Why orders are not listened to any more.
enum Stopped {
    Frame(FrameError),
    Said(String),
    /// Another server leads; its address, where it is known.
    Elsewhere(String, Option<String>),
    Removed(String),
    Keep(KeepError),
}

impl From<FrameError> for Stopped {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<KeepError> for Stopped {
    fn from(error: KeepError) -> Self {
        Self::Keep(error)
    }
}

impl Stopped {
    fn ended(self, as_text: fn(String) -> Ended) -> Ended {
        match self {
            Self::Frame(error) => as_text(os::error_chain(&error)),
            Self::Said(why) => as_text(why),
            Self::Elsewhere(why, leader) => Ended::Elsewhere(why, leader),
            Self::Removed(why) => Ended::Removed(why),
            Self::Keep(error) => Ended::Keep(error),
        }
    }
}

impl Session<'_> {
    /// Connects to a server and follows it, as long as it is there.
    pub(super) async fn run(&self, identity: &mut Identity, address: &str) -> Ended {
        let config = tls::of_host(&identity.authority, &identity.certificate, &identity.key);
        let config = match config {
            Ok(config) => config,
            Err(error) => return Ended::Failed(os::error_chain(&error)),
        };
        let stream = match connect(address, Arc::clone(&config)).await {
            Ok(stream) => stream,
            Err(error) => return Ended::Failed(error.to_string()),
        };
        let (read, mut write) = tokio::io::split(stream);
        let mut reader = Reader::new(read, MOST_BYTES_OF_STRANGERS);
        let greeted = self.greet(identity, &mut reader, &mut write).await;
        let (version, epoch) = match greeted {
            Ok(greeted) => greeted,
            Err(stopped) => return stopped.ended(Ended::Failed),
        };
        tracing::info!(address, epoch, "this host follows a server");
        let parts = &self.host.parts;
        let silence = parts.pulse.silence;
        let server = Server { address: address.to_owned(), config, version, silence };
        let _following = parts.streams.follow(server, epoch);
        // Of what happened meanwhile, how things are now is told in any case.
        if parts.reports.take_lost() || self.again {
            self.host.intents.tell_all();
        }
        let (outgoing, outgoes) = mpsc::channel(MOST_OUTGOING);
        let mut renewal = Renewal { identity, key: None };
        let ended = tokio::select! {
            ended = self.send(version, &mut write, outgoes) => ended.map_err(Stopped::Frame),
            ended = self.receive((version, epoch), &mut reader, outgoing, &mut renewal) => ended,
        };
        self.host.fence.disconnected();
        // Whatever was about to be said is said now.
        let _ = tokio::time::timeout(Duration::from_secs(1), write.shutdown()).await;
        match ended {
            Ok(()) => Ended::Served("it was closed".to_owned()),
            Err(stopped) => stopped.ended(Ended::Served),
        }
    }

    /// Says who this is and how far it has come; gives the version that is spoken and the server's epoch.
    async fn greet(
        &self,
        identity: &mut Identity,
        reader: &mut Reader<impl AsyncRead + Unpin>,
        write: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(u16, u64), Stopped> {
        let parts = &self.host.parts;
        let (seen, held) = self.host.intents.seen();
        let hello =
            Hello { versions: parts.versions, about: identity.about.clone(), epoch: seen, held };
        frame::write(write, &ToServer::Hello(Box::new(hello)), MOST_BYTES_OF_STRANGERS).await?;
        let (version, epoch, settings, servers, now) =
            match reader.next(parts.pulse.silence).await? {
                ToHost::Welcome { version, epoch, settings, servers, now, .. } => {
                    (version, epoch, settings, servers, now)
                }
                ToHost::Elsewhere { message, leader } => {
                    return Err(Stopped::Elsewhere(message, leader));
                }
                ToHost::Refused(refusal) if refusal.code == RefusalCode::Removed => {
                    return Err(Stopped::Removed(refusal.message));
                }
                ToHost::Refused(refusal) => return Err(Stopped::Said(refusal.message)),
                _ => return Err(Stopped::Said("it greets in another way".to_owned())),
            };
        if parts.versions.common(crate::Versions { oldest: version, newest: version }).is_none() {
            return Err(Stopped::Said(format!("it speaks version {version} of the protocol")));
        }
        if !self.host.intents.follow(epoch).await? {
            let why = format!("it leads in epoch {epoch}, and this host has seen epoch {seen}");
            return Err(Stopped::Said(why));
        }
        let skew = now.millis().abs_diff((parts.now)().millis());
        if skew > 60_000 {
            tracing::warn!("the clock of this host is {} s off the server's", skew / 1000);
        }
        note_servers(identity, servers, &parts.keep)?;
        if identity.settings != settings {
            identity.settings = settings;
            parts.keep.set_identity(identity)?;
            tracing::warn!(
                "the installation's settings have changed; they are used from the next start"
            );
        }
        reader.trust();
        Ok((version, epoch))
    }

    /// Sends what the control loops report, what was kept, and from time to time that this host is there.
    async fn send(
        &self,
        version: u16,
        write: &mut (impl AsyncWrite + Unpin),
        mut outgoing: mpsc::Receiver<ToServer>,
    ) -> Result<(), FrameError> {
        let parts = &self.host.parts;
        let mut alive = tokio::time::interval(parts.pulse.every);
        alive.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut said = Held::default();
        self.host.intents.kept.notify_one();
        loop {
            tokio::select! {
                report = parts.reports.next() => {
                    let report = ToServer::Report(Box::new(report));
                    frame::write(write, &report, MOST_BYTES).await?;
                }
                message = outgoing.recv() => {
                    let Some(message) = message else { return Ok(()) };
                    frame::write(write, &message, MOST_BYTES).await?;
                }
                () = self.host.intents.kept.notified() => {
                    let held = self.host.intents.held();
                    for held in news(&said, &held) {
                        frame::write(write, &ToServer::Held(held), MOST_BYTES).await?;
                    }
                    said = held;
                }
                _ = alive.tick() => {
                    let alive = match version >= crate::Versions::QUESTIONS {
                        true => ToServer::Ask { number: self.host.fence.ask() },
                        false => ToServer::Alive,
                    };
                    frame::write(write, &alive, MOST_BYTES).await?;
                }
            }
        }
    }

    /// Takes in what the server says.
    async fn receive(
        &self,
        (version, epoch): (u16, u64),
        reader: &mut Reader<impl AsyncRead + Unpin>,
        outgoing: mpsc::Sender<ToServer>,
        renewal: &mut Renewal<'_>,
    ) -> Result<(), Stopped> {
        let parts = &self.host.parts;
        let mut look = tokio::time::interval(LOOK);
        loop {
            let message = tokio::select! {
                message = reader.next(parts.pulse.silence) => message?,
                _ = look.tick() => {
                    if let Some(request) = renewal.due((parts.now)()) {
                        let _ = outgoing.try_send(ToServer::Renew { request });
                    }
                    continue;
                }
            };
            match message {
                ToHost::Order { epoch: given, order } if given == epoch => {
                    self.carry_out(epoch, *order, &outgoing).await?;
                }
                ToHost::Order { epoch: given, .. } => {
                    let why = format!("it gave an order of epoch {given} in epoch {epoch}");
                    return Err(Stopped::Said(why));
                }
                ToHost::Certificate { certificate } => {
                    renewal.take(&certificate, &parts.keep)?;
                }
                ToHost::Stream { number, ask } => {
                    let (host, outgoing) = (renewal.identity.host, outgoing.clone());
                    parts.streams.asked(host, number, ask, &parts.kinds, outgoing);
                }
                ToHost::Refused(refusal) if refusal.code == RefusalCode::Removed => {
                    return Err(Stopped::Removed(refusal.message));
                }
                ToHost::Refused(refusal) => return Err(Stopped::Said(refusal.message)),
                ToHost::Elsewhere { message, leader } => {
                    return Err(Stopped::Elsewhere(message, leader));
                }
                ToHost::Servers { servers } => {
                    note_servers(renewal.identity, servers, &parts.keep)?;
                }
                ToHost::Alive if version < crate::Versions::QUESTIONS => {
                    self.host.fence.heard();
                    self.host.known();
                }
                ToHost::Alive => {}
                ToHost::Known { number } => {
                    if self.host.fence.answered(number) {
                        self.host.known();
                    }
                }
                ToHost::Joined(_) | ToHost::Welcome { .. } | ToHost::Streaming => {
                    return Err(Stopped::Said("it greeted twice".to_owned()));
                }
            }
        }
    }

    async fn carry_out(
        &self,
        epoch: u64,
        order: AnyOrder,
        outgoing: &mpsc::Sender<ToServer>,
    ) -> Result<(), Stopped> {
        let parts = &self.host.parts;
        let ahead = match &order {
            Of::Networks(order) => revision(order).map(Of::Networks),
            Of::Workloads(order) => revision(order).map(Of::Workloads),
            Of::Edge(order) => revision(order).map(Of::Edge),
        };
        let forgot = match &order {
            Of::Networks(_) => Networks::report(forgotten()),
            Of::Workloads(_) => Workloads::report(forgotten()),
            Of::Edge(_) => Edge::report(forgotten()),
        };
        match self.host.intents.take(epoch, order) {
            Ok(()) => {
                if let Some(ahead) = ahead {
                    parts.reports.ordered(ahead).await;
                }
                Ok(())
            }
            Err(NotDone::Unknown) => {
                parts.reports.push(forgot);
                Ok(())
            }
            Err(NotDone::Older { given, seen }) => {
                let _ = outgoing.send(ToServer::Fenced { given, seen }).await;
                // It is sent by whoever runs beside this.
                tokio::time::sleep(Duration::from_millis(100)).await;
                let why = format!("it gave an order of {given}, and this host has seen {seen}");
                Err(Stopped::Said(why))
            }
        }
    }
}

/// Keeps where servers are, so that they are found when this one is gone.
fn note_servers(
    identity: &mut Identity,
    servers: Vec<String>,
    keep: &Keep,
) -> Result<(), KeepError> {
    if servers.is_empty() || identity.told == servers {
        return Ok(());
    }
    identity.told = servers;
    keep.set_identity(identity)
}

fn forgotten<S: Subject>() -> Report<S> {
    Report { forgot: true, ..Report::at(0) }
}

fn revision<S: Subject>(order: &Order<S>) -> Option<u64> {
    match order {
        Order::Sync { revision, .. } | Order::Change { revision, .. } => Some(*revision),
        Order::Settle(_) => None,
    }
}

/// What was kept since it was last said.
fn news(said: &Held, held: &Held) -> Vec<Of<Stamp, Stamp, Stamp>> {
    let fresh = |said: Option<Stamp>, held: Option<Stamp>| held.filter(|_| held != said);
    let networks = fresh(said.networks, held.networks).map(Of::Networks);
    let workloads = fresh(said.workloads, held.workloads).map(Of::Workloads);
    let edge = fresh(said.edge, held.edge).map(Of::Edge);
    networks.into_iter().chain(workloads).chain(edge).collect()
}

/// The certificate of this host, and the next one.
struct Renewal<'a> {
    identity: &'a mut Identity,
    /// The key of the one that was asked for.
    key: Option<String>,
}

impl Renewal<'_> {
    /// The request for the next certificate once two thirds of the time of this one are over.
    fn due(&mut self, now: Timestamp) -> Option<String> {
        let validity = from_pem(&self.identity.certificate).and_then(|it| Validity::of(&it));
        if validity.is_some_and(|validity| now < validity.renewal()) {
            return None;
        }
        let new = NewKey::generate()
            .inspect_err(|error| tracing::error!(%error, "no key can be made"))
            .ok()?;
        self.key = Some(new.key);
        Some(STANDARD.encode(&new.request))
    }

    /// Keeps the certificate that was asked for. It is shown from the next connection on.
    fn take(&mut self, certificate: &str, keep: &Keep) -> Result<(), KeepError> {
        let Some(key) = self.key.take() else { return Ok(()) };
        let host = from_pem(certificate).and_then(|it| host_of(&it));
        let matches = tls::of_host(&self.identity.authority, certificate, &key).is_ok();
        if host != Some(self.identity.host) || !matches {
            tracing::error!("the server gave a certificate that is not this host's");
            return Ok(());
        }
        let mut next = self.identity.clone();
        (next.certificate, next.key) = (certificate.to_owned(), key);
        keep.set_identity(&next)?;
        *self.identity = next;
        tracing::info!("this host has another certificate");
        Ok(())
    }
}
