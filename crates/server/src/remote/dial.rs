//! Packets from interfaces on other hosts: the agent of the host sends them from where the interface is, and
//! says what became of them.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use fabric::driver::{Dialer, Dialled, Error};
use link::{Kinds, Stream};
use model::{EniId, HostId};
use serde::{Deserialize, Serialize};

use super::console::HostConsole;
use crate::apps::host_logs::HostLogs;

/// A stream for one packet ([`Dial`]), of which the host says what became ([`Came`]).
const DIAL: &str = "dial";
/// The longest that a host waits for an answer.
const MOST_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of what a host says.
const MOST_SAID: usize = 4 << 10;

/// A connection that is to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Dial {
    /// From which interface.
    interface: EniId,
    /// From which of its addresses.
    source: Ipv4Addr,
    /// To where.
    to: SocketAddrV4,
    /// How long an answer is waited for, in milliseconds.
    patience: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Came {
    /// The other end took it.
    Answered,
    /// The other end refused it.
    Refused,
    /// Nothing came back.
    Silent,
    /// It could not leave or arrive, in the kernel's words.
    Unreachable(String),
    /// Nothing could be sent, and why.
    Failed(String),
}

impl From<Result<Dialled, Error>> for Came {
    fn from(dialled: Result<Dialled, Error>) -> Self {
        match dialled {
            Ok(Dialled::Answered) => Self::Answered,
            Ok(Dialled::Refused) => Self::Refused,
            Ok(Dialled::Silent) => Self::Silent,
            Ok(Dialled::Unreachable(why)) => Self::Unreachable(why),
            Err(Error::Dial(why)) => Self::Failed(why),
            Err(error) => Self::Failed(os::error_chain(&error)),
        }
    }
}

impl From<Came> for Result<Dialled, Error> {
    fn from(came: Came) -> Self {
        match came {
            Came::Answered => Ok(Dialled::Answered),
            Came::Refused => Ok(Dialled::Refused),
            Came::Silent => Ok(Dialled::Silent),
            Came::Unreachable(why) => Ok(Dialled::Unreachable(why)),
            Came::Failed(why) => Err(Error::Dial(why)),
        }
    }
}

/// The kind of streams by which a server has packets sent from the interfaces of this host; `None` is a host
/// that carries none.
pub(super) fn kinds(dialer: Option<Arc<dyn Dialer>>) -> Kinds {
    Kinds::default().with(DIAL, move |asked| {
        let dialer = dialer.clone();
        async move {
            let Dial { interface, source, to, patience } = asked.about()?;
            let dialer = dialer.ok_or("its agent was started with --fabric none")?;
            let patience = Duration::from_millis(patience).min(MOST_PATIENCE);
            let dial = move || Came::from(dialer.dial(interface, source, to, patience));
            Ok(move |stream| answer(stream, dial))
        }
    })
}

async fn answer(mut stream: Stream, dial: impl FnOnce() -> Came + Send + 'static) {
    let came = tokio::task::spawn_blocking(dial).await;
    let came = came.unwrap_or_else(|error| Came::Failed(error.to_string()));
    if let Err(error) = link::write_message(&mut stream, &came, MOST_SAID).await {
        tracing::debug!(%error, "a server does not hear what became of a packet");
    }
}

impl HostConsole {
    /// Has a host send a packet from one of its interfaces.
    pub(super) fn dial_on(
        &self,
        host: HostId,
        from: EniId,
        source: Ipv4Addr,
        to: SocketAddrV4,
        patience: Duration,
    ) -> Result<Dialled, Error> {
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let about = Dial { interface: from, source, to, patience };
        let came = self.open(host, DIAL, about, |mut stream| async move {
            let came = link::read_message::<Came>(&mut stream, MOST_SAID).await;
            came.map_err(|error| os::error_chain(&error))
        });
        came.map_err(Error::Away)?.into()
    }
}

impl Dialer for HostConsole {
    fn dial(
        &self,
        from: EniId,
        source: Ipv4Addr,
        to: SocketAddrV4,
        patience: Duration,
    ) -> Result<Dialled, Error> {
        let host = self.host_of_interface(from).filter(|host| self.is_other(*host));
        let host = host.ok_or_else(|| {
            Error::Away("what has the interface waits for a host that it can run on".to_owned())
        })?;
        self.dial_on(host, from, source, to, patience)
    }
}
