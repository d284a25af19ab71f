//! What `env` takes.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

use super::common::Common;
use crate::settings::DEFAULT_LISTEN;

/// What `env` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct EnvArgs {
    /// Account whose access key is used; by default customer
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// User whose token is used; by default admin@causeway.local
    #[arg(long, value_name = "EMAIL")]
    pub(crate) user: Option<String>,
    /// Shell whose syntax is printed; sh is for bash and zsh too
    #[arg(long, value_enum, default_value_t = Shell::Sh)]
    pub(crate) shell: Shell,
    /// Server on another machine, as `tunnel` takes it: the aws command and causeway are pointed
    /// at it, and the heroku command at the tunnel to it
    #[arg(long, value_name = "URL", conflicts_with_all = ["account", "user", "unset", "url"])]
    pub(crate) remote: Option<String>,
    /// Where `causeway tunnel` listens
    #[arg(long, value_name = "ADDRESS", default_value_t = DEFAULT_LISTEN)]
    pub(crate) tunnel: SocketAddr,
    /// Print the commands that unset the variables again; needs no server
    #[arg(long, conflicts_with_all = ["account", "user"])]
    pub(crate) unset: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// A shell, which has its own syntax for variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// sh, bash, zsh and others
    #[value(alias = "bash", alias = "zsh")]
    Sh,
    /// fish
    Fish,
    /// PowerShell
    #[value(name = "powershell", alias = "pwsh")]
    Pwsh,
}
