//! Commands about hosts.

use clap::{Args, Subcommand};

use super::common::Common;

/// Commands about the machines that processes run on.
#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// List hosts, and what waits for one
    #[command(after_help = "Examples:
  causeway hosts
  causeway hosts --json

Without any, everything runs on the server's machine, but for --fabric ovn: then it waits for a host.
`causeway host:token` makes what one joins by.")]
    Hosts {
        #[command(flatten)]
        common: Common,
    },
    /// Show a host and what runs there
    #[command(
        name = "hosts:info",
        after_help = "Examples:
  causeway hosts:info node-2
  causeway hosts:info node-2 --json"
    )]
    HostsInfo(NamedHost),
    /// Give a host nothing new, and move its dynos to others, one after the other
    #[command(
        name = "hosts:drain",
        after_help = "Examples:
  causeway hosts:drain node-2
  causeway hosts:drain node-2 && causeway hosts:info node-2

Each dyno runs on until the one in its place is up on another host, and stays where it is while no
host has room for it. Data services and instances have their disks there, and stay."
    )]
    HostsDrain(NamedHost),
    /// Have a host be given what is to run again
    #[command(
        name = "hosts:undrain",
        after_help = "Examples:
  causeway hosts:undrain node-2

What has moved stays where it is."
    )]
    HostsUndrain(NamedHost),
    /// Remove a host
    #[command(
        name = "hosts:remove",
        after_help = "Examples:
  causeway hosts:remove node-2
  causeway hosts:remove node-2 --force --confirm node-2     a machine that is gone for good

Its agent is cut off at once, and ends what runs there; disks stay. An agent that cannot be reached does so
once it reaches a server again. To come back, the host joins anew, with another token and another data
directory.

A host that something runs on is not removed, but for the first one where it is the only one: what runs there
is to run elsewhere, or waits. With --force, dynos start elsewhere, data services too, with empty disks, and instances
are terminated."
    )]
    HostsRemove {
        #[command(flatten)]
        host: NamedHost,
        /// Remove it with all that is there
        #[arg(long)]
        force: bool,
        /// Name of the host, so that --force does not ask
        #[arg(long, value_name = "HOST", requires = "force")]
        confirm: Option<String>,
    },
}

/// A host by its name or id.
#[derive(Debug, Args)]
pub(crate) struct NamedHost {
    /// Name or id of the host
    pub(crate) host: String,
    #[command(flatten)]
    pub(crate) common: Common,
}
