//! What `events` takes.

use clap::Args;

use super::common::Common;

/// Which events are shown.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Only events from this time on: 2026-01-31T12:00:00Z, or how long ago, such as 90m, 6h or 7d2h
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only events after the one with this number, oldest first
    #[arg(long, value_name = "NUMBER", conflicts_with = "since")]
    pub(crate) after: Option<u64>,
    /// Only events of this kind or group, such as peering or dyno.crashed; may be repeated
    #[arg(long, short, value_name = "KIND", value_delimiter = ',')]
    pub(crate) kind: Vec<String>,
    /// How many events, from the end
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// Go on with new events as they happen
    #[arg(long, short)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}
