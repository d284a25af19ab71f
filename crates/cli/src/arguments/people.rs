//! Commands about people: who belongs to a team, and who gets at a space.

use clap::Subcommand;

use super::{Common, Space};

/// Commands about people and what they get at.
#[derive(Debug, Subcommand)]
pub enum People {
    /// List a team's members
    #[command(after_help = "Examples:
  causeway members web
  causeway members --team web --role admin --json")]
    Members {
        /// The team
        #[arg(value_name = "TEAM", required_unless_present = "team")]
        name: Option<String>,
        /// The team
        #[arg(long, short, conflicts_with = "name")]
        team: Option<String>,
        /// Only those who are this
        #[arg(long, short, value_parser = ["admin", "member"])]
        role: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Add a user to a team
    #[command(
        name = "members:add",
        after_help = "Examples:
  causeway members:add ada@example.com --role member --team web"
    )]
    MembersAdd(Member),
    /// Change what a user may do in a team
    #[command(
        name = "members:set",
        after_help = "Examples:
  causeway members:set ada@example.com --role admin --team web"
    )]
    MembersSet(Member),
    /// Remove a user from a team
    #[command(
        name = "members:remove",
        after_help = "Examples:
  causeway members:remove ada@example.com --team web"
    )]
    MembersRemove {
        /// The user's address
        email: String,
        /// The team
        #[arg(long, short)]
        team: String,
        #[command(flatten)]
        common: Common,
    },
    /// List who gets at an app
    #[command(after_help = "Examples:\n  causeway access --app shop")]
    Access {
        /// The app
        #[arg(long, short)]
        app: String,
        #[command(flatten)]
        common: Common,
    },
    /// List who may do what in a space
    #[command(
        name = "spaces:members",
        after_help = "Examples:
  causeway spaces:members my-space"
    )]
    SpacesMembers(Space),
    /// Say whether a member may make apps in a space
    #[command(
        name = "spaces:members:set",
        after_help = "Examples:
  causeway spaces:members:set ada@example.com --space my-space --create-apps no
  causeway spaces:members:set ada@example.com --space my-space --create-apps yes"
    )]
    SpacesMembersSet {
        /// The user's address
        email: String,
        /// The space
        #[arg(long, short)]
        space: String,
        /// Whether the user may make apps in it
        #[arg(long, value_parser = ["yes", "no"])]
        create_apps: String,
        #[command(flatten)]
        common: Common,
    },
    /// Give a space, with its apps, to another team
    #[command(
        name = "spaces:transfer",
        after_help = "Examples:
  causeway spaces:transfer --space my-space --team web"
    )]
    SpacesTransfer {
        /// The space
        #[arg(long, short)]
        space: String,
        /// The team that takes it
        #[arg(long, short)]
        team: String,
        #[command(flatten)]
        common: Common,
    },
    /// List the ranges that web requests for a space's apps may come from
    #[command(
        name = "trusted-ips",
        alias = "spaces:trusted-ips",
        after_help = "Examples:
  causeway trusted-ips my-space
  causeway trusted-ips my-space --json"
    )]
    TrustedIps(Space),
    /// Add a trusted range
    #[command(
        name = "trusted-ips:add",
        alias = "spaces:trusted-ips:add",
        after_help = "Examples:
  causeway trusted-ips:add 192.0.2.0/24 --space my-space"
    )]
    TrustedIpsAdd(TrustedRange),
    /// Remove a trusted range; a space without any takes no web requests
    #[command(
        name = "trusted-ips:remove",
        alias = "spaces:trusted-ips:remove",
        after_help = "Examples:
  causeway trusted-ips:remove 0.0.0.0/0 --space my-space"
    )]
    TrustedIpsRemove(TrustedRange),
    /// List the machines that a space's dynos run on
    #[command(name = "spaces:hosts", after_help = "Examples:\n  causeway spaces:hosts my-space")]
    SpacesHosts(Space),
    /// List the dynos of all apps in a space
    #[command(name = "spaces:ps", after_help = "Examples:\n  causeway spaces:ps my-space")]
    SpacesPs(Space),
    /// Show the apps of a space, with their domains and where their dynos are
    #[command(
        name = "spaces:topology",
        after_help = "Examples:
  causeway spaces:topology my-space"
    )]
    SpacesTopology(Space),
}

/// A user's place in a team.
#[derive(Debug, Clone, clap::Args)]
pub struct Member {
    /// The user's address
    pub email: String,
    /// What the user may do: an admin changes spaces and members
    #[arg(long, short, value_parser = ["admin", "member"])]
    pub role: String,
    /// The team
    #[arg(long, short)]
    pub team: String,
    #[command(flatten)]
    pub common: Common,
}

/// A range of a space.
#[derive(Debug, Clone, clap::Args)]
pub struct TrustedRange {
    /// The range, as a block: 192.0.2.0/24
    #[arg(value_name = "CIDR")]
    pub source: String,
    /// The space
    #[arg(long, short)]
    pub space: String,
    #[command(flatten)]
    pub common: Common,
}
