//! Commands that disable, enable and destroy users, teams, accounts, access keys and tokens.

use clap::{Args, Subcommand};

use super::common::Common;

/// Commands about who is let in no longer.
#[derive(Debug, Subcommand)]
pub(crate) enum SubjectCommand {
    /// Lock a user out: tokens, password, sessions and whatever is attached or under way end at once
    #[command(
        name = "users:disable",
        after_help = "Examples:
  causeway users:disable ada@example.com
  causeway users:disable ada@example.com --confirm ada@example.com

What depends on it is said first. `causeway users:enable` undoes it."
    )]
    UsersDisable(Confirmed),
    /// Let a user in again, with all tokens and memberships
    #[command(
        name = "users:enable",
        after_help = "Examples:\n  causeway users:enable ada@example.com"
    )]
    UsersEnable(Named),
    /// Destroy a user: tokens and memberships go; what the teams have stays, and so does the audit
    #[command(
        name = "users:destroy",
        after_help = "Examples:
  causeway users:destroy ada@example.com
  causeway users:destroy ada@example.com --confirm ada@example.com

What depends on it is said first. It cannot be undone; `causeway users:disable` can."
    )]
    UsersDestroy(Confirmed),
    /// Lock the members of a team out of it; its spaces and apps go on
    #[command(
        name = "teams:disable",
        after_help = "Examples:
  causeway teams:disable web
  causeway teams:disable web --confirm web

What depends on it is said first. `causeway teams:enable` undoes it."
    )]
    TeamsDisable(Confirmed),
    /// Let the members of a team in again
    #[command(name = "teams:enable", after_help = "Examples:\n  causeway teams:enable web")]
    TeamsEnable(Named),
    /// Destroy a team that has neither spaces nor apps
    #[command(
        name = "teams:destroy",
        after_help = "Examples:
  causeway teams:destroy web
  causeway teams:destroy web --confirm web

What depends on it is said first. It cannot be undone; `causeway teams:disable` can."
    )]
    TeamsDestroy(Confirmed),
    /// Lock an account out: its access keys and whoever acts in its roles; what it has goes on
    #[command(
        name = "accounts:disable",
        after_help = "Examples:
  causeway accounts:disable partner
  causeway accounts:disable partner --confirm partner

What depends on it is said first. `causeway accounts:enable` undoes it."
    )]
    AccountsDisable(Confirmed),
    /// Let an account in again
    #[command(
        name = "accounts:enable",
        after_help = "Examples:\n  causeway accounts:enable partner"
    )]
    AccountsEnable(Named),
    /// Destroy an account that has no VPCs and nothing else, with its keys and roles
    #[command(
        name = "accounts:destroy",
        after_help = "Examples:
  causeway accounts:destroy partner
  causeway accounts:destroy partner --confirm partner

What depends on it is said first. It cannot be undone; `causeway accounts:disable` can."
    )]
    AccountsDestroy(Confirmed),
    /// Disable an access key, and all temporary credentials that began with it
    #[command(
        name = "keys:disable",
        after_help = "Examples:
  causeway keys:disable AKIA…
  causeway keys:disable AKIA… --confirm AKIA…

What depends on it is said first. `causeway keys:enable` undoes it."
    )]
    KeysDisable(Confirmed),
    /// Enable an access key again
    #[command(name = "keys:enable", after_help = "Examples:\n  causeway keys:enable AKIA…")]
    KeysEnable(Named),
    /// Destroy an access key, and end all temporary credentials that began with it
    #[command(
        name = "keys:destroy",
        after_help = "Examples:
  causeway keys:destroy AKIA…
  causeway keys:destroy AKIA… --confirm AKIA…

What depends on it is said first. It cannot be undone; `causeway keys:disable` can."
    )]
    KeysDestroy(Confirmed),
    /// Disable a token, and end what it was used for
    #[command(
        name = "tokens:disable",
        after_help = "Examples:
  causeway tokens:disable 0f4dd3a7-5d4f-4b53-9c9e-2f0d6f8a1b2c
  causeway tokens:disable 0f4dd3a7-5d4f-4b53-9c9e-2f0d6f8a1b2c --confirm 0f4dd3a7-5d4f-4b53-9c9e-2f0d6f8a1b2c

What depends on it is said first. `causeway tokens:enable` undoes it."
    )]
    TokensDisable(Confirmed),
    /// Enable a token again
    #[command(
        name = "tokens:enable",
        after_help = "Examples:\n  causeway tokens:enable 0f4dd3a7-5d4f-4b53-9c9e-2f0d6f8a1b2c"
    )]
    TokensEnable(Named),
    /// Destroy a token, and end what it was used for
    #[command(
        name = "tokens:destroy",
        after_help = "Examples:
  causeway tokens:destroy 0f4dd3a7-5d4f-4b53-9c9e-2f0d6f8a1b2c
  causeway tokens:destroy 0f4dd3a7-5d4f-4b53-9c9e-2f0d6f8a1b2c --confirm 0f4dd3a7-5d4f-4b53-9c9e-2f0d6f8a1b2c

What depends on it is said first. It cannot be undone; `causeway tokens:disable` can."
    )]
    TokensDestroy(Confirmed),
    /// List tokens, without their secrets
    #[command(after_help = "Examples:
  causeway tokens
  causeway tokens --user ada@example.com
  causeway tokens --json")]
    Tokens {
        /// Email address of the user whose tokens to list; by default those of all
        #[arg(long, value_name = "EMAIL")]
        user: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

/// Who or what is meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct Named {
    /// Who or what: the email address of a user, the name of a team or an account, the id of a key or a
    /// token
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Who or what is meant, and that it is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Confirmed {
    #[command(flatten)]
    pub(crate) named: Named,
    /// The name or id again, instead of being asked for it
    #[arg(long)]
    pub(crate) confirm: Option<String>,
}
