//! Commands that show what there is, whose it is, and what it uses.

use clap::{Args, Subcommand, ValueEnum};

use super::common::Common;
use super::events::EventsArgs;

/// Commands that show what there is, and what it uses.
#[derive(Debug, Subcommand)]
pub(crate) enum OverviewCommand {
    /// List VPCs: your own, or those of all owners
    #[command(after_help = "Examples:
  causeway vpcs
  causeway vpcs --all
  causeway vpcs --all --json")]
    Vpcs(Whose),
    /// List peerings and requests: your own, or those of all owners
    #[command(after_help = "Examples:
  causeway peerings
  causeway peerings --all
  causeway peerings --all --state pending-acceptance --json")]
    Peerings {
        /// Only those in this state
        #[arg(long, value_parser = [
            "pending-acceptance", "provisioning", "active", "deleting", "deleted", "rejected", "failed", "expired",
        ])]
        state: Option<String>,
        #[command(flatten)]
        whose: Whose,
    },
    /// List instances: your own, or those of all owners
    #[command(after_help = "Examples:
  causeway instances
  causeway instances --all
  causeway instances --all --json")]
    Instances(Whose),
    /// Show what dynos, data services and instances use now, and go on with it
    #[command(after_help = "Examples:
  causeway top
  causeway top --sort memory
  causeway top --once
  causeway top --once --json

Processor time is in percent of one processor. Rates are averages over the interval. What the machine
does not count is left out. With --json, every interval has a line of its own.")]
    Top(TopArgs),
    /// Show what happened: to peerings, apps, dynos and spaces of yours, or to all for the operator
    #[command(after_help = "Examples:
  causeway events
  causeway events --since 24h --kind peering
  causeway events --follow --json
  causeway events --follow --after 4711     go on after the last one that was seen

Kinds are peering.requested, peering.accepted, peering.active, peering.rejected, peering.expiring (in 24
hours), peering.expired, peering.failed, peering.deleted, drift.repaired, dyno.crashed, app.created,
app.destroyed, app.released, app.release-failed, space.allocated, space.destroyed,
certificate.renewed, host.lost and host.heard. Each event has a number, after which --after goes on.")]
    Events(Box<EventsArgs>),
}

/// Whose things are meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct Whose {
    /// Those of all owners; for the operator
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What `top` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct TopArgs {
    /// Print it once
    #[arg(long)]
    pub(crate) once: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) interval: u64,
    /// What to sort by
    #[arg(long, value_enum, default_value_t = Sort::Cpu)]
    pub(crate) sort: Sort,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What `top` sorts by: the most comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Processor time
    Cpu,
    /// Memory
    Memory,
    /// What was received and sent
    Traffic,
    /// Space, owner and name
    Name,
}
