//! A client of OVSDB (RFC 7047, with the extensions that `ovsdb-server` documents): the database that OVN
//! takes its networks from.
//!
//! A [`Client`] has one thread. It keeps a connection to one of several servers, goes to another when that
//! one fails or leads no more, and keeps a copy of the tables that it was told to watch. Whoever uses it
//! works without any `async`: [`Client::transact`] waits for the answer, [`Client::snapshot`] costs
//! nothing to speak of, and [`Client::wait_until`] waits for a change.
//!
//! What a server sends is never trusted to be well formed: it is an [`error::SessionError`], after which
//! the client connects anew.

#![warn(unreachable_pub)]

pub mod client;
pub mod config;
pub mod database;
pub mod endpoint;
pub mod error;
pub mod record;
pub mod schema;
pub mod tls;
pub mod transaction;
pub mod value;

mod frame;
mod link;
mod message;
mod rounds;
mod session;
mod shared;
mod transport;

#[cfg(test)]
mod tests_fuzz;
#[cfg(test)]
mod tests_values;

pub use client::Client;
pub use config::{Config, Watch};
pub use database::{Database, Table};
pub use endpoint::Endpoint;
pub use error::TransactError;
pub use record::{Column, Record};
pub use shared::Status;
pub use tls::Tls;
pub use transaction::{Committed, Condition, Function, Mutation, Transaction};
pub use uuid::Uuid;
pub use value::{Atom, Datum, NamedUuid, Real, Row};
