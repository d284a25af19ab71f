//! The edge of Causeway: a process of its own that answers names inside VPCs and serves web
//! requests for apps, so that neither depends on the server being there.
//!
//! It holds a DNS resolver in every VPC, the router of public web requests, and one router inside
//! each space. What they answer follows from a table ([`model::edge`]) that a controller tells
//! over a Unix socket; without a controller the last table stays. It depends on the model alone.
//!
//! The controller calls [`ensure`], keeps the [`Control`] that it gives, and connects anew when
//! that ends. A new build of the program, or another configuration, gets an edge of its own, which
//! takes over the sockets of the one before it: no connection is lost.

mod clock;
mod config;
mod control;
mod core;
mod digits;
mod dns;
mod mark;
mod process;
mod run;
mod sockets;
mod web;

pub use config::{Config, Forward, Limits, Place};
pub use control::client::Control;
pub use control::message::Hello;
pub use process::{EnsureError, ensure, main, process_main};
pub use run::Edge;
pub use web::log::{forget, tail};
