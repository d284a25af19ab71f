//! Everything that is served over HTTP: the listener with its limits, the state that requests
//! share, and one module for each API and for the dashboard.

pub(crate) mod aws;
pub(crate) mod dashboard;
pub mod ec2;
pub(crate) mod front;
pub mod healthz;
pub(crate) mod listen;
pub(crate) mod loopback_only;
pub(crate) mod measure;
pub(crate) mod metrics;
pub(crate) mod operator;
pub(crate) mod passwords;
pub(crate) mod platform;
pub(crate) mod probe;
pub(crate) mod rate_limits;
pub(crate) mod refusals;
pub(crate) mod refused;
pub(crate) mod rendezvous;
pub(crate) mod sign_in_limits;
pub(crate) mod state;
