//! Commands about accounts, keys, users, tokens and teams.

use clap::{Subcommand, ValueEnum};
use model::Role;

use super::common::Common;
use super::token::TokenLimits;

/// Commands about who there is: accounts, keys, users, tokens and teams.
#[derive(Debug, Subcommand)]
pub(crate) enum Identity {
    /// List accounts
    #[command(after_help = "Examples:\n  causeway accounts\n  causeway accounts --json")]
    Accounts(Common),
    /// Create an account: an owner of VPCs
    #[command(
        name = "accounts:create",
        after_help = "Examples:\n  causeway accounts:create partner"
    )]
    AccountsCreate {
        /// Name of the account
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// List access keys, without their secrets
    #[command(after_help = "Examples:\n  causeway keys")]
    Keys(Common),
    /// Create an access key; its secret is shown once
    #[command(
        name = "keys:create",
        after_help = "Examples:
  causeway keys:create --account partner
  causeway keys:create --account partner --read-only"
    )]
    KeysCreate {
        /// Account whose requests the key signs: its name or its id
        #[arg(long)]
        account: String,
        /// Create a key that may describe everything and change nothing
        #[arg(long)]
        read_only: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Replace an access key; the old one ends at once, the new secret is shown once
    #[command(name = "keys:rotate", after_help = "Examples:\n  causeway keys:rotate AKIA…")]
    KeysRotate {
        /// Id of the key to replace
        key: String,
        #[command(flatten)]
        common: Common,
    },
    /// List users
    #[command(after_help = "Examples:\n  causeway users")]
    Users(Common),
    /// Create a user
    #[command(
        name = "users:create",
        after_help = "Examples:
  causeway users:create ada@example.com
  pass show ada | causeway users:create ada@example.com --password-stdin"
    )]
    UsersCreate {
        /// Email address of the user
        email: String,
        /// Read a password from standard input; the user can then log in with `heroku login -i`
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Set a user's password, for `heroku login -i`
    #[command(
        name = "users:password",
        after_help = "Examples:
  causeway users:password ada@example.com                  ask for it
  causeway users:password ada@example.com --generate       generate one, and show it once
  pass show ada | causeway users:password ada@example.com --password-stdin
  causeway users:password ada@example.com --end-tokens     whoever has a token must log in again"
    )]
    UsersPassword {
        /// Email address of the user
        email: String,
        /// Read the password from standard input
        #[arg(long, conflicts_with = "generate")]
        password_stdin: bool,
        /// Generate a password, and show it once
        #[arg(long)]
        generate: bool,
        /// Revoke all tokens of the user
        #[arg(long)]
        end_tokens: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Create a token for a user; it is shown once
    #[command(
        name = "tokens:create",
        after_help = "Examples:
  causeway tokens:create --user ada@example.com --description laptop
  causeway tokens:create --user ada@example.com --expires-in 3600
  causeway tokens:create --user ci@example.com --app shop --scope write-protected,identity"
    )]
    TokensCreate {
        /// Email address of the user
        #[arg(long, value_name = "EMAIL")]
        user: String,
        /// What the token is for
        #[arg(long, default_value = "")]
        description: String,
        /// Seconds after which the token expires; by default it does not expire
        #[arg(long, value_name = "SECONDS")]
        expires_in: Option<u64>,
        #[command(flatten)]
        limits: TokenLimits,
        #[command(flatten)]
        common: Common,
    },
    /// List teams and their members
    #[command(after_help = "Examples:\n  causeway teams")]
    Teams(Common),
    /// Create a team: an owner of spaces
    #[command(
        name = "teams:create",
        after_help = "Examples:
  causeway teams:create web --admin ada@example.com"
    )]
    TeamsCreate {
        /// Name of the team
        name: String,
        /// Email address of the team's first admin
        #[arg(long, value_name = "EMAIL")]
        admin: String,
        #[command(flatten)]
        common: Common,
    },
    /// Add a user to a team, change the user's role, or remove the user
    #[command(
        name = "teams:members:set",
        after_help = "Examples:
  causeway teams:members:set web ada@example.com --role admin
  causeway teams:members:set ada@example.com --team web --role member
  causeway teams:members:set web ada@example.com --role none"
    )]
    TeamsMembersSet {
        /// The team, unless --team names it, and the email address of the user
        #[arg(required = true, num_args = 1..=2, value_names = ["TEAM", "EMAIL"])]
        names: Vec<String>,
        /// The team
        #[arg(long, short, value_name = "TEAM")]
        team: Option<String>,
        /// Role of the user in the team; none removes the user from it
        #[arg(long, value_enum)]
        role: Membership,
        #[command(flatten)]
        common: Common,
    },
}

/// What a user may do in a team, or that the user does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Membership {
    Admin,
    Member,
    None,
}

impl Membership {
    /// The user's role; none for a user who does not belong to the team.
    pub(crate) fn role(self) -> Option<Role> {
        match self {
            Self::Admin => Some(Role::Admin),
            Self::Member => Some(Role::Member),
            Self::None => None,
        }
    }
}
