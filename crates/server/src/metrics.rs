//! What the server counts, logs of changes and traces, for whoever watches it.
//!
//! Nothing here takes a lock or memory while a request is answered: each action and route has its own
//! [`Endpoint`], which is looked up when the server starts. [`crate::http::metrics`] shows it all.

mod change_log;
mod cluster;
mod endpoints;
mod in_force;
mod ledger;
mod process;
mod reconcile;
pub(crate) mod text;
pub(crate) mod traces;

pub(crate) use self::change_log::{ChangeLog, line};
pub(crate) use self::cluster::ClusterFigures;
pub(crate) use self::endpoints::{Endpoint, Endpoints, OUTCOMES};
pub(crate) use self::in_force::InForce;
pub(crate) use self::ledger::LedgerFigures;
pub(crate) use self::process::Process;
pub(crate) use self::reconcile::{LoopFigures, ReconcileFigures};

use std::sync::{Arc, OnceLock};

use self::traces::Traces;

/// What one server counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// The requests of each action and route.
    pub(crate) endpoints: Endpoints,
    /// The endpoints of EC2, STS and IAM, in the order in which [`crate::http::ec2`] numbers them.
    pub(crate) aws: OnceLock<Box<[Arc<Endpoint>]>>,
    /// The ledger's writer.
    pub(crate) ledger: LedgerFigures,
    /// The control loops.
    pub(crate) reconcile: ReconcileFigures,
    /// What a server beside others waits for.
    pub(crate) cluster: ClusterFigures,
    /// Where changes are logged; not set where they are not.
    pub(crate) changes: OnceLock<ChangeLog>,
    /// Where spans go; not set where nothing is traced.
    pub(crate) traces: OnceLock<Traces>,
}
