//! The server: both APIs, the ledger, and the loops that make things follow it.

#![warn(unreachable_pub)]

mod acme;
mod app_webhook;
pub mod apps;
mod backup;
pub mod cleanup;
mod clock;
mod cluster;
mod code;
mod config;
mod credentials;
mod error;
mod fabric_kind;
mod flows;
mod host_agent;
mod hosts;
pub mod http;
mod identity;
mod ledger;
mod loops;
mod metrics;
mod offline;
mod outbox;
mod ovn_writer;
mod party;
mod reconcile;
mod remote;
mod snapshot;
mod start;

pub use backup::{Missing, Restored};
pub use config::{
    AcmeConfig, Certificate, ClusterConfig, Config, Database, EdgeConfig, FabricKind, ForwardDns,
    LogFormat, OvnConfig, Reads, TransportConfig, WatchConfig,
};
pub use error::ServeError;
pub use host_agent::{
    HostAgent, HostAgentConfig, HostAgentError, JoinConfig, is_agent, purge_host,
};
pub use hosts::HostsError;
pub use http::rate_limits::{DEFAULT_PER_HOUR, DEFAULT_PER_SECOND};
pub use link::{About, JoinToken};
pub use offline::{RestoreError, purge, restore};
pub use start::first::FirstStart;
pub use start::{Readiness, Server};
