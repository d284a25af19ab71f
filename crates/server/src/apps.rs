//! What the platform keeps for apps outside the ledger: code, plans of data services, logs, web
//! names, and the clients that are attached to dynos.

pub(crate) mod console;
pub(crate) mod grant;
pub(crate) mod host_logs;
pub(crate) mod log_reader;
pub(crate) mod logs;
pub mod plans;
pub(crate) mod rendezvous;
pub(crate) mod router_log;
pub(crate) mod slugs;
pub mod web;
