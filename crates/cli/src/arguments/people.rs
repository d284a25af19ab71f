//! Commands about people: who belongs to a team, and who has access to what.

use clap::Subcommand;

use super::common::{Common, Space};

/// Commands about people and what they have access to.
#[derive(Debug, Subcommand)]
pub(crate) enum People {
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
        /// Only members with this role
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
    /// Change the role of a member of a team
    #[command(
        name = "members:set",
        after_help = "Examples:
  causeway members:set ada@example.com --role admin --team web"
    )]
    MembersSet(Member),
    /// Remove a member from a team
    #[command(
        name = "members:remove",
        after_help = "Examples:
  causeway members:remove ada@example.com --team web"
    )]
    MembersRemove {
        /// Email address of the user
        email: String,
        /// The team
        #[arg(long, short)]
        team: String,
        #[command(flatten)]
        common: Common,
    },
    /// List who has access to an app
    #[command(after_help = "Examples:\n  causeway access --app shop")]
    Access {
        /// The app
        #[arg(long, short)]
        app: String,
        #[command(flatten)]
        common: Common,
    },
    /// List the members of a space and their permissions
    #[command(
        name = "spaces:members",
        after_help = "Examples:
  causeway spaces:members my-space"
    )]
    SpacesMembers(Space),
    /// Set whether a member may create apps in a space
    #[command(
        name = "spaces:members:set",
        after_help = "Examples:
  causeway spaces:members:set ada@example.com --space my-space --create-apps no
  causeway spaces:members:set ada@example.com --space my-space --create-apps yes"
    )]
    SpacesMembersSet {
        /// Email address of the user
        email: String,
        /// The space
        #[arg(long, short)]
        space: String,
        /// Whether the member may create apps in the space
        #[arg(long, value_parser = ["yes", "no"])]
        create_apps: String,
        #[command(flatten)]
        common: Common,
    },
    /// Transfer a space and its apps to another team
    #[command(
        name = "spaces:transfer",
        after_help = "Examples:
  causeway spaces:transfer --space my-space --team web"
    )]
    SpacesTransfer {
        /// The space
        #[arg(long, short)]
        space: String,
        /// Team that takes it over
        #[arg(long, short)]
        team: String,
        #[command(flatten)]
        common: Common,
    },
    /// List the IP ranges from which a space accepts web requests
    #[command(
        name = "trusted-ips",
        alias = "spaces:trusted-ips",
        after_help = "Examples:
  causeway trusted-ips my-space
  causeway trusted-ips my-space --json"
    )]
    TrustedIps(Space),
    /// Add an IP range from which a space accepts web requests
    #[command(
        name = "trusted-ips:add",
        alias = "spaces:trusted-ips:add",
        after_help = "Examples:
  causeway trusted-ips:add 192.0.2.0/24 --space my-space"
    )]
    TrustedIpsAdd(TrustedRange),
    /// Remove such an IP range; a space without any accepts no web requests
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
    /// Show the apps of a space with their domains and the addresses of their dynos
    #[command(
        name = "spaces:topology",
        after_help = "Examples:
  causeway spaces:topology my-space"
    )]
    SpacesTopology(Space),
}

/// A user's membership of a team.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Member {
    /// Email address of the user
    pub(crate) email: String,
    /// Role of the user: an admin may change spaces and members
    #[arg(long, short, value_parser = ["admin", "member"])]
    pub(crate) role: String,
    /// The team
    #[arg(long, short)]
    pub(crate) team: String,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// An IP range from which a space accepts web requests.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TrustedRange {
    /// The IP range as a CIDR block, such as 192.0.2.0/24
    #[arg(value_name = "CIDR")]
    pub(crate) source: String,
    /// The space
    #[arg(long, short)]
    pub(crate) space: String,
    #[command(flatten)]
    pub(crate) common: Common,
}
