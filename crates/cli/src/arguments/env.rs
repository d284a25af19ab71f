//! What `env` takes.

use clap::{Args, ValueEnum};

use super::common::Common;

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
