//! What `flows` takes.

use clap::Args;
use model::FlowLogId;

use super::common::Common;

/// Which records of flows are shown.
#[derive(Debug, Args)]
pub(crate) struct FlowsArgs {
    /// Show what happens from now on
    #[arg(long, short, conflicts_with_all = ["flow_log", "since"])]
    pub(crate) follow: bool,
    /// Only flows at this VPC, or at the VPC of this space
    #[arg(long, value_name = "VPC", requires = "follow")]
    pub(crate) vpc: Option<String>,
    /// Only what was stopped
    #[arg(long, requires = "follow")]
    pub(crate) rejected: bool,
    /// Only kept records of this flow log, as they are
    #[arg(long = "log", value_name = "FLOW-LOG")]
    pub(crate) flow_log: Option<FlowLogId>,
    /// Only records that were kept since: 2026-01-31T12:00:00Z, or how long ago, such as 90m or 6h
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}
