//! The server: both APIs, the ledger, the reconcile loops.

pub mod attempts;
pub mod backup;
pub mod clock;
mod document;
pub mod ec2;
mod edge;
mod follow;
pub mod front;
pub mod hosting;
pub mod http;
pub mod ledger;
pub mod logs;
mod near;
pub mod operator;
pub mod password;
pub mod plans;
pub mod platform;
pub mod rate;
pub mod reconcile;
mod serve;
pub mod setup;
pub mod state;
mod upkeep;
mod workloads;

pub use backup::{Missing, Restored};
pub use rate::DEFAULT_PER_HOUR;
pub use serve::{Certificate, Config, EdgeConfig, FabricKind, ForwardDns, ServeError, Server};
pub use setup::{FIRST_ACCOUNT, FIRST_TEAM, FIRST_USER, FirstStart};
pub use state::operator_token;
pub use upkeep::{RestoreError, purge, restore};
