//! The second factor of users, and teams that demand it.

use clap::Subcommand;

use super::common::Common;

/// Commands about second factors.
#[derive(Debug, Subcommand)]
pub(crate) enum TwoFactor {
    /// Show whether you have a second factor, and who demands it
    #[command(
        name = "2fa",
        alias = "auth:2fa",
        after_help = "Examples:\n  causeway 2fa\n  causeway 2fa --json"
    )]
    Show(Common),
    /// Enable a second factor: whoever signs in with your password then needs a code of your phone too
    #[command(
        name = "2fa:enable",
        after_help = "Examples:
  causeway 2fa:enable
  causeway 2fa:enable --no-qr

It shows a secret for an authenticator app, as a QR code and as text, asks for the first code, and then
shows ten recovery codes. Keep those: each of them is good once in place of a code."
    )]
    Enable {
        /// Show the secret as text alone
        #[arg(long)]
        no_qr: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Disable the second factor
    #[command(
        name = "2fa:disable",
        after_help = "Examples:
  causeway 2fa:disable

It asks for a code or a recovery code. Whoever has lost both asks the operator."
    )]
    Disable(Common),
    /// Replace the recovery codes; the old ones are void at once
    #[command(name = "2fa:recovery-codes", after_help = "Examples:\n  causeway 2fa:recovery-codes")]
    RecoveryCodes(Common),
    /// Say whether the members of a team must have a second factor
    #[command(
        name = "teams:2fa",
        after_help = "Examples:
  causeway teams:2fa web --demand
  causeway teams:2fa web --no-demand

Members without one are let into nothing until they enable it."
    )]
    Team {
        /// The team
        team: String,
        /// They must
        #[arg(long, required_unless_present = "no_demand", conflicts_with = "no_demand")]
        demand: bool,
        /// They need not
        #[arg(long)]
        no_demand: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Take the second factor away from a user who has lost it
    #[command(
        name = "users:2fa:disable",
        after_help = "Examples:
  causeway users:2fa:disable ada@example.com
  causeway users:2fa:disable ada@example.com --confirm ada@example.com

Be sure that it is the user who asks."
    )]
    UserDisable {
        /// Email address of the user
        email: String,
        /// The address again, instead of being asked for it
        #[arg(long, value_name = "EMAIL")]
        confirm: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}
