//! Logging in and out, and a user's own tokens.

use clap::Subcommand;

use super::common::Common;
use super::token::TokenLimits;

/// Signing in and out, and tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// Log in by the browser or with a password, and print the command that sets the token in a shell
    #[command(after_help = "Examples:
  eval \"$(causeway login)\"                    allow it on the dashboard, in any browser
  eval \"$(causeway login ada@example.com)\"
  eval \"$(causeway login ada@example.com --expires-in 3600)\"
  pass show ada | causeway login ada@example.com --password-stdin

Without an address it shows one of the dashboard, and waits until somebody who is signed in there allows
the log-in.")]
    Login {
        /// Email address of the user, to log in with a password
        email: Option<String>,
        /// Ask for the address and the password here, instead of using a browser
        #[arg(long, short)]
        interactive: bool,
        /// Read the password from standard input, and from its second line the code of the second factor where one
        /// is wanted
        #[arg(long)]
        password_stdin: bool,
        /// Seconds after which the token expires, with a password; by default 30 days
        #[arg(long, short, value_name = "SECONDS")]
        expires_in: Option<u64>,
        #[command(flatten)]
        common: Common,
    },
    /// Log out: revoke the token that is in use
    #[command(after_help = "Examples:\n  causeway logout && unset HEROKU_API_KEY")]
    Logout(Common),
    /// Show as which user you are logged in
    #[command(alias = "auth:whoami", after_help = "Examples:\n  causeway whoami")]
    Whoami(Common),
    /// Print the operator's token, for the dashboard's sign-in and for /metrics
    #[command(
        name = "operator:token",
        after_help = "Examples:
  causeway operator:token --data /var/lib/causeway
  curl -H \"Authorization: Bearer $(causeway operator:token)\" \"$CAUSEWAY_URL/metrics\"

It comes from the installation's key, so only who may read that can have it. It may do everything, for as
long as the key is the same: give a program a token of its own (tokens:create, serve --metrics-token)."
    )]
    OperatorToken(Common),
    /// List your tokens
    #[command(after_help = "Examples:\n  causeway authorizations")]
    Authorizations(Common),
    /// Create a token; it is shown once
    #[command(
        name = "authorizations:create",
        after_help = "Examples:
  causeway authorizations:create --description laptop
  causeway authorizations:create --description CI --expires-in 3600 --short
  causeway authorizations:create --description CI --app shop --scope write-protected,identity"
    )]
    AuthorizationsCreate {
        /// What the token is for
        #[arg(long, short, default_value = "")]
        description: String,
        /// Seconds after which the token expires; by default it does not expire
        #[arg(long, short, value_name = "SECONDS")]
        expires_in: Option<u64>,
        #[command(flatten)]
        limits: TokenLimits,
        /// Print only the token
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
    /// Change the description of a token
    #[command(
        name = "authorizations:update",
        after_help = "Examples:
  causeway authorizations:update 01234567-89ab-cdef-0123-456789abcdef --description desk"
    )]
    AuthorizationsUpdate {
        /// What the token is for
        #[arg(long, short)]
        description: String,
        #[command(flatten)]
        authorization: Authorization,
    },
    /// Replace the secret of a token; the old secret is void at once
    #[command(
        name = "authorizations:rotate",
        after_help = "Examples:
  causeway authorizations:rotate 01234567-89ab-cdef-0123-456789abcdef"
    )]
    AuthorizationsRotate(Authorization),
    /// Revoke a token
    #[command(
        name = "authorizations:revoke",
        after_help = "Examples:
  causeway authorizations:revoke 01234567-89ab-cdef-0123-456789abcdef"
    )]
    AuthorizationsRevoke(Authorization),
}

/// A token.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Authorization {
    /// Id of the token, as `causeway authorizations` lists it
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) common: Common,
}
