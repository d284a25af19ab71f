//! Commands by which hosts join.

use std::net::SocketAddr;

use clap::Subcommand;

use super::common::Common;

/// Commands by which hosts join.
#[derive(Debug, Subcommand)]
pub(crate) enum JoinCommand {
    /// Let agents of hosts connect to this server, at an address of its own
    #[command(
        name = "host:init",
        after_help = "Examples:
  causeway host:init --agents 0.0.0.0:4882
  causeway host:init --agents 10.9.0.1:4882 --json

It holds for each later start of the server, too, unless --agents is given to `causeway serve`. Agents and
servers know each other by certificates of the installation's own; no other is needed there. The networks of
hosts are OVN's, so the server runs with --fabric ovn."
    )]
    HostInit {
        /// Address where agents connect
        #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:4882")]
        agents: SocketAddr,
        #[command(flatten)]
        common: Common,
    },
    /// Make a token by which one host joins, once
    #[command(
        name = "host:token",
        after_help = "Examples:
  causeway host:token
  causeway host:token --lifetime 15m
  ssh root@host-2 causeway agent --join https://host-1:4882 --token \"$(causeway host:token --json | jq -r .token)\"

The token is shown once; the server keeps its hash. It holds the fingerprint of the installation's authority,
so a host that joins by it trusts no other server."
    )]
    HostToken {
        /// How long the token is good, such as 15m; 7d at most
        #[arg(long, value_name = "SPAN", default_value = "1h")]
        lifetime: String,
        #[command(flatten)]
        common: Common,
    },
}
