//! Commands about other hosts, on which agents run.

use std::net::SocketAddr;

use clap::Subcommand;

use super::common::Common;

/// Commands about other hosts.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentsCommand {
    /// Let agents of other hosts connect to this server, at an address of its own
    #[command(
        name = "host:init",
        after_help = "Examples:
  causeway host:init --agents 0.0.0.0:4882
  causeway host:init --agents 10.9.0.1:4882 --json

It holds for each later start of the server, too, unless --agents is given to `causeway serve`. Agents and
servers know each other by certificates of the installation's own; no other is needed there."
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
    /// List agents of other hosts: whether they are connected, and how far they follow
    #[command(after_help = "Examples:\n  causeway agents\n  causeway agents --json")]
    Agents(Common),
    /// Remove a host: its agent is cut off at once, and ends what runs there; disks stay
    #[command(
        name = "agents:remove",
        after_help = "Examples:
  causeway agents:remove host-0123456789abcdef0
  causeway agents:remove host-2 --confirm host-2

An agent that cannot be reached ends what runs on its host once it reaches a server again. To come back, the
host joins anew, with another token and another data directory."
    )]
    AgentsRemove {
        /// Id or name of the host
        host: String,
        /// The id or name again, instead of being asked for it
        #[arg(long)]
        confirm: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}
