//! What the ledger is asked, and what it answers.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use model::{Caller, Command, HostCommand, Refused, Reply, World};

/// A command for the ledger, with what the audit records of it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The caller.
    pub caller: Caller,
    /// The command.
    pub command: Command,
    /// The client's address; `None` for Causeway's own requests.
    pub source: Option<IpAddr>,
    /// The request's id, which the caller was told.
    pub request_id: String,
    /// A condition on the world that the command is decided on; without one, it is decided in any case.
    pub only_if: Option<OnlyIf>,
}

impl Request {
    /// A request that Causeway makes itself.
    pub fn system(command: impl Into<Command>) -> Self {
        Self {
            caller: Caller::System,
            command: command.into(),
            source: None,
            request_id: String::new(),
            only_if: None,
        }
    }

    /// Whether it said no more, as its reply has it, than that hosts are still there: for that there is
    /// too much of it to be kept.
    pub(super) fn is_heartbeat(&self, reply: &Reply) -> bool {
        matches!(self.command, Command::Host(HostCommand::Heard { .. })) && *reply == Reply::Done
    }
}

/// By what right something is done that only one of several servers may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mandate(Option<u64>);

impl Mandate {
    /// The right of a server that has its database to itself.
    pub(crate) const ALONE: Self = Self(None);

    /// The right of the server that has led since an epoch. It ends once another server leads.
    pub(crate) const fn of_epoch(epoch: u64) -> Self {
        Self(Some(epoch))
    }

    /// The epoch in which alone it stands; `None` where it always does.
    pub(super) const fn epoch(self) -> Option<u64> {
        self.0
    }
}

/// A condition on a world.
#[derive(Clone)]
pub struct OnlyIf(Arc<Holds>);

type Holds = dyn Fn(&Arc<World>) -> bool + Send + Sync;

impl OnlyIf {
    /// Makes a condition. It is checked on the writer's thread, so it must not wait for anything; it may
    /// be checked again, on another world.
    pub fn new(holds: impl Fn(&Arc<World>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// Whether the condition holds of a world.
    pub(super) fn holds(&self, world: &Arc<World>) -> bool {
        self.0(world)
    }
}

impl fmt::Debug for OnlyIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnlyIf(…)")
    }
}

/// A command that was decided and is durable.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The world that it was decided on.
    pub before: Arc<World>,
    /// The world after it.
    pub after: Arc<World>,
    /// What to tell the caller.
    pub reply: Reply,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// A rule refused it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The store could not keep it, and does not have it. Why, is for the operator: it is in the log, and
    /// no client is told.
    #[error(
        "The change could not be stored, and is not in effect. Try again; if that does not help, ask \
         whoever runs this installation to look at its log."
    )]
    Store,
    /// The store's disk is full, and the store does not have it.
    #[error(
        "The change could not be stored, as the server's disk is full, and is not in effect. What \
         is there can still be read. Try again once whoever runs this installation has made room."
    )]
    NoRoom,
    /// The store failed and cannot say whether it has it, or the server failed while it was stored.
    #[error(
        "The server failed while it stored the change, and cannot say whether it is in effect. Look \
         before you try again; if that does not help, ask whoever runs this installation to look at \
         its log."
    )]
    Unknown,
    /// Another server leads by now, and does what only the leader may.
    #[error("Another server leads, and does this. Nothing was changed here.")]
    NotLeading,
    /// So many commands of the caller's wait already that others would wait for them.
    #[error("You have too many changes under way. Try again in a moment.")]
    Busy,
    /// The server is stopping.
    #[error("The server is stopping. Try again in a moment.")]
    Stopped,
}

impl From<&store::Error> for LedgerError {
    fn from(error: &store::Error) -> Self {
        if error.is_no_room() { Self::NoRoom } else { Self::Store }
    }
}
