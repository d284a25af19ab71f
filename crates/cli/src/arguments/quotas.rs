//! Commands about quotas of accounts and teams.

use clap::Subcommand;

use super::common::Common;

/// Commands about how much of what accounts and teams may have.
#[derive(Debug, Subcommand)]
pub(crate) enum QuotaCommand {
    /// List quotas: how much of what an account or a team may have
    #[command(after_help = "Examples:
  causeway quotas
  causeway quotas --account partner
  causeway quotas --team web                 what it has, too
  causeway quotas --json")]
    Quotas {
        /// Account whose quotas to list; by default those of all that have none of their own
        #[arg(long)]
        account: Option<String>,
        /// Team whose quotas to list, and what it has
        #[arg(long, short, conflicts_with = "account")]
        team: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Set a quota; what there is already stays, if it is more
    #[command(
        name = "quotas:set",
        after_help = "Examples:
  causeway quotas:set vpcs-per-region 20
  causeway quotas:set elastic-ips-per-region 2 --account partner
  causeway quotas:set elastic-ips-per-region default --account partner
  causeway quotas:set dynos-per-team 20 --team web"
    )]
    QuotasSet {
        /// Name of the quota
        name: String,
        /// How much there may be, or default
        #[arg(value_parser = limit, value_name = "NUMBER|default")]
        limit: Limit,
        /// Account whose quota to set; by default that of all that have none of their own
        #[arg(long)]
        account: Option<String>,
        /// Team whose quota to set
        #[arg(long, short, conflicts_with = "account")]
        team: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

/// How much there may be; `None` for what is so of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<u32>);

fn limit(text: &str) -> Result<Limit, String> {
    match text {
        "default" => Ok(Limit(None)),
        _ => text
            .parse()
            .map(|most| Limit(Some(most)))
            .map_err(|_| "a number is expected, or default".to_owned()),
    }
}
