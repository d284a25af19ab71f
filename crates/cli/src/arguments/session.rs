//! Commands about who we are to a server.

use clap::Subcommand;

use super::Common;

/// Signing in and out, and tokens.
#[derive(Debug, Subcommand)]
pub enum Session {
    /// Make a token by a password, and print how a shell takes it over
    #[command(after_help = "Examples:
  eval \"$(causeway login)\"
  eval \"$(causeway login ada@example.com)\"
  eval \"$(causeway login ada@example.com --expires-in 3600)\"
  pass show ada | causeway login ada@example.com --password-stdin")]
    Login {
        /// The address of the user; asked for where it is not given
        email: Option<String>,
        /// Ask for what is not given, which is done anyhow: for who is used to `heroku login -i`
        #[arg(long, short)]
        interactive: bool,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
        /// Seconds after which the token ends
        #[arg(long, short, value_name = "SECONDS", default_value_t = 30 * 24 * 3600)]
        expires_in: u64,
        #[command(flatten)]
        common: Common,
    },
    /// End the token that is in use
    #[command(after_help = "Examples:\n  causeway logout && unset HEROKU_API_KEY")]
    Logout(Common),
    /// Say who we are to the server
    #[command(alias = "auth:whoami", after_help = "Examples:\n  causeway whoami")]
    Whoami(Common),
    /// List our tokens
    #[command(after_help = "Examples:\n  causeway authorizations")]
    Authorizations(Common),
    /// Make a token; it is shown once
    #[command(
        name = "authorizations:create",
        after_help = "Examples:
  causeway authorizations:create --description laptop
  causeway authorizations:create --description CI --expires-in 3600 --short"
    )]
    AuthorizationsCreate {
        /// What it is for
        #[arg(long, short, default_value = "")]
        description: String,
        /// Seconds after which it ends; without end by default
        #[arg(long, short, value_name = "SECONDS")]
        expires_in: Option<u64>,
        /// Print the token alone
        #[arg(long, short = 'S')]
        short: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Show a token, without its secret
    #[command(
        name = "authorizations:info",
        after_help = "Examples:
  causeway authorizations:info 01234567-89ab-cdef-0123-456789abcdef"
    )]
    AuthorizationsInfo(Authorization),
    /// Say what a token is for
    #[command(
        name = "authorizations:update",
        after_help = "Examples:
  causeway authorizations:update 01234567-89ab-cdef-0123-456789abcdef --description desk"
    )]
    AuthorizationsUpdate {
        /// What it is for
        #[arg(long, short)]
        description: String,
        #[command(flatten)]
        authorization: Authorization,
    },
    /// Give a token another secret; the old one ends at once
    #[command(
        name = "authorizations:rotate",
        after_help = "Examples:
  causeway authorizations:rotate 01234567-89ab-cdef-0123-456789abcdef"
    )]
    AuthorizationsRotate(Authorization),
    /// End a token
    #[command(
        name = "authorizations:revoke",
        after_help = "Examples:
  causeway authorizations:revoke 01234567-89ab-cdef-0123-456789abcdef"
    )]
    AuthorizationsRevoke(Authorization),
}

/// A token.
#[derive(Debug, Clone, clap::Args)]
pub struct Authorization {
    /// Its id, as `authorizations` lists it
    pub id: String,
    #[command(flatten)]
    pub common: Common,
}
