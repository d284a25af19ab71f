//! The server: both APIs, the ledger, the reconcile loops.

pub mod clock;
pub mod ec2;
mod edge;
pub mod front;
pub mod ledger;
pub mod operator;
pub mod platform;
pub mod reconcile;
mod serve;
pub mod setup;
pub mod state;
mod workloads;

pub use serve::{Config, FabricKind, ServeError, Server, purge};
pub use setup::{FIRST_ACCOUNT, FIRST_TEAM, FIRST_USER, FirstStart};
pub use state::operator_token;
