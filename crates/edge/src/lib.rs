//! The edge of Causeway: a process of its own that answers names inside VPCs and serves web
//! requests for apps, so that neither depends on the server being there.
//!
//! It holds a DNS resolver in every VPC, the router of public web requests, and one router inside
//! each space. What they answer follows from an intent ([`model::edge`]) that a controller sends
//! over a Unix socket, with the names of the network namespaces in which they do. Without a
//! controller the edge goes on with the last intent.
//!
//! The controller calls [`ensure`], keeps the [`Control`] that it gives, and connects anew when
//! that fails. A new build of the program, or another configuration, gets an edge of its own, which
//! takes over the sockets of the one before it: no connection is lost.

#![warn(unreachable_pub)]

mod clock;
mod config;
mod control;
mod core;
mod dns;
#[cfg(test)]
mod fault;
mod figures;
mod mark;
mod process;
mod protocol;
mod run;
mod shares;
mod sockets;
mod tasks;
#[cfg(any(test, feature = "test-support"))]
pub mod test_support;
mod tls;
mod web;

pub use config::{Config, Forward, Limits, Location};
pub use control::client::{Control, figures};
pub use figures::Figures;
pub use process::{EDGE, EnsureError, ensure, process_main};
pub use protocol::{Hello, Namespaces};
pub use run::Edge;
pub use shares::{NoShare, Share, Shares};
pub use tls::{Identity, check_authorities, check_certificate};
pub use web::log::{forget, tail};
