//! How the agent of another host speaks with the servers.
//!
//! What is said is the house's one protocol ([`model::protocol`]), as between the planner and the control
//! loops of one process. Here a connection over TLS is in between, so that a remote host is the same code
//! over a socket: the server has an [`agent::Orders`] for each control loop of the host ([`HostOrders`])
//! and takes what they report ([`Tells`]).
//!
//! - An [`Authority`] of the installation's own says who a server and who a host is. A host joins with a
//!   [`JoinToken`], which is good once, for a while, and names the only authority that the host trusts. It is
//!   served while the [`Registry`] knows it.
//! - A [`Hub`] is where hosts connect. Orders that wait for a host are made one (`mailbox`), so that neither
//!   a slow host nor one that is away costs more than what it is to be told.
//! - A [`Host`] carries orders out and keeps what it was told, and goes on without servers, also after its
//!   restart. It carries out nothing that is older than what it has seen ([`Stamp`]).
//! - What is no order is a [`Stream`]: bytes both ways on a connection of its own, such as the terminal of a
//!   process. Either end asks for one ([`Hub::open`], [`HostStreams::open`]), and it is always the host that
//!   connects. What the other end makes of it is what it has for that kind among its [`Kinds`].

#![warn(unreachable_pub)]

mod authority;
mod der;
mod frame;
mod host;
mod hub;
mod identity;
mod keep;
mod kinds;
mod mailbox;
mod message;
mod registry;
mod reports;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod validity;

pub use authority::{Authority, AuthorityError, PURPOSE};
pub use frame::{FrameError, MOST_BYTES, read_message, write_message};
pub use host::{Host, HostError, HostParts, HostStreams, JoinError, JoinParts, Uptime, join};
pub use hub::{
    Attach, ConnectedHost, Epoch, HOST_LIFETIME, HostOrders, HostView, Hub, HubParts, Pulse,
    WhereServers,
};
pub use identity::HostId;
pub use keep::{Identity, Keep, KeepError};
pub use kinds::{Answered, Asked, Kinds, Served};
pub use message::{
    About, AnyOrder, AnyReport, Carried, Held, Of, Refusal, RefusalCode, Servers, Settings, Stamp,
    Tells, Versions,
};
pub use registry::{EnrolError, Newcomer, NotServed, Registry};
pub use reports::Reports;
pub use request::{BadRequest, NewKey, ProvedKey};
pub use stream::{Stream, StreamError};
pub use tls::TlsError;
pub use token::{Fingerprint, JoinToken, NoToken};
pub use validity::Validity;
