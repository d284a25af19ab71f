//! What `tunnel` takes.

use std::net::SocketAddr;

use clap::Args;

use crate::client::TrustArgs;
use crate::settings::DEFAULT_LISTEN;

/// What `tunnel` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct TunnelArgs {
    /// Address of the server over TLS
    pub(crate) url: String,
    /// Port of this machine behind which the server is to be
    #[arg(long, value_name = "ADDRESS", default_value_t = DEFAULT_LISTEN)]
    pub(crate) listen: SocketAddr,
    /// Print where the tunnel begins and ends as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}
