//! What `audit` takes.

use clap::Args;

use super::common::Common;

/// Which rows of the audit are shown.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Only entries from this time on: 2026-01-31T12:00:00Z, or how long ago, such as 90m, 6h or 7d2h
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only entries before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only requests of this caller: a user's email address, an account, operator, system, or nobody
    /// for callers who were not let in
    #[arg(long, value_name = "WHO")]
    pub(crate) who: Option<String>,
    /// Only this action, such as Platform.CreateSpace; a star stands for any letters, as in 'Ec2.*'
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// Only requests with this outcome: ok, refused for every refusal, or the code of one
    #[arg(long)]
    pub(crate) outcome: Option<String>,
    /// Only requests that were made with a key of this account
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// Only requests about this team, its spaces and their apps
    #[arg(long, short)]
    pub(crate) team: Option<String>,
    /// Only requests about this space; a space that is gone is named by its id
    #[arg(long, short)]
    pub(crate) space: Option<String>,
    /// How many entries, from the end
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Go on with new entries as they are made
    #[arg(long, short, conflicts_with = "until")]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}
