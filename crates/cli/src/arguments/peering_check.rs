//! Commands that say whether a VPC could be peered with a space, before anybody asks for it (R8).

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::common::{Common, Space};

/// Commands that say whether a VPC could be peered with a space.
#[derive(Debug, Subcommand)]
pub(crate) enum PeeringCheck {
    /// Say whether a VPC could be peered with a space, every reason why not, and what to do
    #[command(
        name = "spaces:peering:check",
        alias = "spaces:peerings:check",
        after_help = "Examples:
  causeway spaces:peering:check my-space --cidr 10.100.0.0/16
  causeway spaces:peering:check my-space --cidr 10.100.0.0/16,10.101.0.0/20 --region eu-west-1
  causeway spaces:peering:check my-space --vpc vpc-0123456789abcdef0 --json

The blocks of a VPC are given with its primary block first; there need be no such VPC yet. --vpc
takes a VPC that asks to be peered with the space, or one of your own, if the variables of `causeway
env` have its account's key. Accepting a request is decided by the same rule.
Exit status: 0 if it fits; 1 if not; 2 if the command line is wrong; 3 if there is no verdict, for
want of a server or of permission."
    )]
    SpacesPeeringCheck(Box<SpaceCheck>),
    /// Say whether a VPC of yours could be peered with a space, by what the space's owner told you
    #[command(
        name = "vpcs:peering:check",
        alias = "vpcs:peerings:check",
        after_help = "Examples:
  heroku spaces:peering:info my-space > info
  causeway vpcs:peering:check vpc-0123456789abcdef0 --info info
  causeway spaces:peering:info my-space | causeway vpcs:peering:check vpc-0123456789abcdef0 --info -
  causeway vpcs:peering:check vpc-0123456789abcdef0 --peer-cidr 10.0.0.0/16 \\
      --unavailable 10.1.0.0/16,172.17.0.0/16

It needs no permission in the space: its owner runs `spaces:peering:info` and gives you the six lines.
Whether the space has room for one more peering, only its owner sees.
Exit status: 0 if it fits; 1 if not; 2 if the command line is wrong; 3 if there is no verdict, for
want of a server or of permission."
    )]
    VpcsPeeringCheck(Box<VpcCheck>),
}

/// What `spaces:peering:check` takes.
#[derive(Debug, Args)]
pub(crate) struct SpaceCheck {
    /// A block of the VPC; once for each, the primary one first
    #[arg(long, value_name = "BLOCK", value_delimiter = ',', required_unless_present = "vpc")]
    pub(crate) cidr: Vec<String>,
    /// Id of the VPC
    #[arg(long, value_name = "VPC", conflicts_with = "cidr")]
    pub(crate) vpc: Option<String>,
    /// The account whose VPC is meant
    #[arg(long, requires = "vpc")]
    pub(crate) account: Option<String>,
    /// The region of the VPC; by default that of the space
    #[arg(long)]
    pub(crate) region: Option<String>,
    #[command(flatten)]
    pub(crate) space: Space,
}

/// What `vpcs:peering:check` takes.
#[derive(Debug, Args)]
pub(crate) struct VpcCheck {
    /// Id of your VPC
    #[arg(value_name = "VPC")]
    pub(crate) vpc: String,
    /// File with what `spaces:peering:info` prints, in words or as JSON; - reads it from standard input
    #[arg(long, value_name = "FILE", required_unless_present = "peer_cidr")]
    pub(crate) info: Option<PathBuf>,
    /// The space's AWS VPC CIDR
    #[arg(long, value_name = "BLOCK")]
    pub(crate) peer_cidr: Option<String>,
    /// The space's AWS VPC ID
    #[arg(long, value_name = "VPC")]
    pub(crate) peer_vpc: Option<String>,
    /// The space's AWS Region; by default that of your VPC
    #[arg(long, value_name = "REGION")]
    pub(crate) peer_region: Option<String>,
    /// The space's Space CIDRs, in their order
    #[arg(long, value_name = "BLOCK", value_delimiter = ',')]
    pub(crate) space_cidrs: Vec<String>,
    /// The space's Unavailable CIDRs
    #[arg(long, value_name = "BLOCK", value_delimiter = ',')]
    pub(crate) unavailable: Vec<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}
