//! Commands about spaces and their peerings.

use clap::{Args, Subcommand};

use super::common::{Common, Space};
use super::overview::Whose;

/// Commands about spaces and their peerings.
#[derive(Debug, Subcommand)]
pub(crate) enum SpaceCommand {
    /// List spaces
    #[command(after_help = "Examples:
  causeway spaces
  causeway spaces --all        of all teams, for the operator
  causeway spaces --json")]
    Spaces(Whose),
    /// Create a space
    #[command(
        name = "spaces:create",
        after_help = "Examples:
  causeway spaces:create my-space --team team
  causeway spaces:create my-space --team team --cidr 10.4.0.0/16 --data-cidr 10.5.0.0/16"
    )]
    SpacesCreate {
        /// Name of the space
        name: String,
        /// Team that owns the space
        #[arg(long, short)]
        team: String,
        /// Region, such as us-east-1 or virginia; by default that of the installation
        #[arg(long)]
        region: Option<String>,
        /// CIDR block of the space: a /16 of RFC 1918; by default 10.0.0.0/16
        #[arg(long)]
        cidr: Option<String>,
        /// CIDR block of its data services; by default 10.1.0.0/16
        #[arg(long)]
        data_cidr: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Show a space
    #[command(name = "spaces:info", after_help = "Examples:\n  causeway spaces:info my-space")]
    SpacesInfo(Space),
    /// Wait until a space can be used, and show it
    #[command(
        name = "spaces:wait",
        after_help = "Examples:
  causeway spaces:wait my-space
  causeway spaces:wait my-space --timeout 60 --json"
    )]
    SpacesWait {
        /// Seconds between two requests
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
        interval: u64,
        /// Seconds after which to give up
        #[arg(long, default_value_t = 1500)]
        timeout: u64,
        #[command(flatten)]
        space: Space,
    },
    /// List the regions in which spaces can be created
    #[command(after_help = "Examples:\n  causeway regions\n  causeway regions --json")]
    Regions(Common),
    /// Rename a space
    #[command(
        name = "spaces:rename",
        after_help = "Examples:
  causeway spaces:rename my-space --to our-space"
    )]
    SpacesRename {
        /// The new name
        #[arg(long)]
        to: String,
        #[command(flatten)]
        space: Space,
    },
    /// Destroy a space
    #[command(
        name = "spaces:destroy",
        after_help = "Examples:
  causeway spaces:destroy my-space
  causeway spaces:destroy my-space --confirm my-space"
    )]
    SpacesDestroy {
        /// Name of the space again, instead of being asked for it
        #[arg(long)]
        confirm: Option<String>,
        #[command(flatten)]
        space: Space,
    },
    /// Set how many VPCs may be peered with a space
    #[command(
        name = "spaces:limits:set",
        after_help = "Examples:
  causeway spaces:limits:set my-space --peerings 8"
    )]
    SpacesLimitsSet {
        /// How many VPCs
        #[arg(long)]
        peerings: u16,
        #[command(flatten)]
        space: Space,
    },
    /// Show what the owner of a VPC needs to know to request a peering
    #[command(
        name = "spaces:peering:info",
        alias = "spaces:peerings:info",
        after_help = "Examples:
  causeway spaces:peering:info my-space"
    )]
    SpacesPeeringInfo(Space),
    /// List a space's peerings
    #[command(
        name = "spaces:peerings",
        after_help = "Examples:
  causeway spaces:peerings my-space
  causeway spaces:peerings my-space --json"
    )]
    SpacesPeerings(Space),
    /// Accept a peering request, and configure the space's side of it
    #[command(
        name = "spaces:peerings:accept",
        after_help = "Examples:
  causeway spaces:peerings:accept pcx-111aaa111 --space my-space"
    )]
    SpacesPeeringsAccept(Peering),
    /// Tear down a peering
    #[command(
        name = "spaces:peerings:destroy",
        after_help = "Examples:
  causeway spaces:peerings:destroy pcx-111aaa111 --space my-space
  causeway spaces:peerings:destroy pcx-111aaa111 --space my-space --confirm pcx-111aaa111"
    )]
    SpacesPeeringsDestroy {
        #[command(flatten)]
        peering: Peering,
        /// Id of the peering again, instead of being asked for it
        #[arg(long)]
        confirm: Option<String>,
    },
}

/// Which peering of which space.
#[derive(Debug, Clone, Args)]
pub(crate) struct Peering {
    /// Id of the peering
    #[arg(value_name = "PCX")]
    pub(crate) pcx: String,
    /// The space
    #[arg(long, short)]
    pub(crate) space: String,
    #[command(flatten)]
    pub(crate) common: Common,
}
