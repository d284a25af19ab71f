//! Commands about roles of accounts.

use clap::{Args, Subcommand};

use super::common::Common;

/// Commands about roles, which others act in for a while.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// List roles
    #[command(after_help = "Examples:\n  causeway roles\n  causeway roles --json")]
    Roles(Common),
    /// Create a role: who is trusted can act in its account for a while, by `sts assume-role`
    #[command(
        name = "roles:create",
        after_help = "Examples:
  causeway roles:create deployer --account partner --trust customer
  causeway roles:create auditor --account partner --trust AKIA… --read-only
  causeway roles:create peering --account partner --trust customer --external-id 7421 \\
    --max-duration 7200

A profile of the aws command, and a provider of Terraform, assume it by its ARN, which
`causeway roles` shows."
    )]
    RolesCreate {
        /// Name of the role
        name: String,
        /// Account that whoever assumes the role acts in: its name or its id
        #[arg(long)]
        account: String,
        /// Who may assume it: accounts, by name or id, and access keys
        #[arg(long, required = true, num_args = 1.., value_name = "ACCOUNT_OR_KEY")]
        trust: Vec<String>,
        /// What whoever assumes the role has to say as well
        #[arg(long, value_name = "ID")]
        external_id: Option<String>,
        /// Create a role that may describe everything and change nothing
        #[arg(long)]
        read_only: bool,
        /// Seconds that its credentials hold at most, 3600 to 43200; by default 3600
        #[arg(long, value_name = "SECONDS")]
        max_duration: Option<u32>,
        /// What the role is for
        #[arg(long, default_value = "")]
        description: String,
        #[command(flatten)]
        common: Common,
    },
    /// Show a role
    #[command(
        name = "roles:info",
        after_help = "Examples:
  causeway roles:info deployer
  causeway roles:info deployer --account partner
  causeway roles:info arn:aws:iam::123456789012:role/deployer --json"
    )]
    RolesInfo(Role),
    /// Destroy a role; whoever acts in it can do so no longer, at once
    #[command(
        name = "roles:destroy",
        after_help = "Examples:
  causeway roles:destroy deployer
  causeway roles:destroy deployer --account partner --confirm deployer"
    )]
    RolesDestroy {
        /// The role again as it is named, instead of being asked for it
        #[arg(long)]
        confirm: Option<String>,
        #[command(flatten)]
        role: Role,
    },
}

/// Which role.
#[derive(Debug, Clone, Args)]
pub(crate) struct Role {
    /// The role: its name, its id or its ARN
    #[arg(value_name = "ROLE")]
    pub(crate) name: String,
    /// Account of the role, where several have one of that name
    #[arg(long)]
    pub(crate) account: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}
