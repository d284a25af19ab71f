//! Commands that do the whole job of joining a space and a VPC.

use clap::{Args, Subcommand};

use super::common::Common;

/// Commands that join a space and a VPC in one go.
#[derive(Debug, Subcommand)]
pub(crate) enum PeerCommand {
    /// Join a space and a VPC: peering, routes and rules, tried with real packets
    ///
    /// Says first what it will do, as the commands of aws and heroku that it stands for, and asks. It does
    /// what is missing, each step with the rights that you have: the token of a user for the space's side,
    /// the access key of an account for the VPC's, as `causeway env` sets them; on the server's host the
    /// operator acts for both. What is another owner's to do is printed for them. If a step fails, what
    /// was done before is taken back.
    ///
    /// It only adds: a route or rule that somebody else made is used or left as it is, and a network ACL
    /// that is in the way is named with what to do about it.
    #[command(after_help = "Examples:
  causeway peer my-space vpc-0123456789abcdef0 --port 8000
  causeway peer my-space vpc-0123456789abcdef0 --port 80 --port 443 --plan
  causeway peer my-space vpc-0123456789abcdef0 --port 5432 --to sg-0123456789abcdef0 --yes
  causeway peer my-space vpc-0123456789abcdef0 --port 8000 --from worker --account customer
  causeway peer vpc-0fedcba9876543210 vpc-0123456789abcdef0 --port 8000 --json --yes

Another owner's space is named by the id of its VPC, as `spaces:peering:info` prints it.
Routes are made in the tables of the subnets that hold what is to be reached: one for the space's whole
block, or one for each of the Space CIDRs where that does not fit. Rules admit the two blocks of the
space's dynos: the address of a dyno does not tell its process type, so --from chooses only the dynos
from which packets are tried.
Exit status: 0 if everything is done and the packets pass; 1 if something failed, is left for another
owner or does not pass; 2 if the command line is wrong.")]
    Peer(Box<Peer>),
    /// Take back what `causeway peer` made, and only that
    ///
    /// Revokes its rules, deletes its routes, and ends the peering if it was asked for by `causeway peer`.
    #[command(after_help = "Examples:
  causeway unpeer my-space vpc-0123456789abcdef0
  causeway unpeer my-space vpc-0123456789abcdef0 --plan
  causeway unpeer vpc-0fedcba9876543210 vpc-0123456789abcdef0 --yes")]
    Unpeer(Box<Ends>),
}

/// What is to be joined, and how far.
#[derive(Debug, Args)]
pub(crate) struct Peer {
    #[command(flatten)]
    pub(crate) ends: Ends,
    /// TCP port that dynos are to reach; may be given more than once
    #[arg(long = "port", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) ports: Vec<u16>,
    /// Instance, interface or security group that they are to reach; by default every instance of the
    /// VPC. May be given more than once
    #[arg(long, value_name = "ID")]
    pub(crate) to: Vec<String>,
    /// Process type of the dynos from which packets are tried, such as web or worker
    #[arg(long, value_name = "TYPE", default_value = "all")]
    pub(crate) from: String,
}

/// Which space and which VPC, and how it is gone about.
#[derive(Debug, Args)]
pub(crate) struct Ends {
    /// The space, or the id of its VPC
    pub(crate) space: String,
    /// Id of the VPC
    pub(crate) vpc: String,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Do it without asking
    #[arg(long, short, conflicts_with = "plan")]
    pub(crate) yes: bool,
    /// On the server's host: account whose access key is used for the VPC's side
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}
