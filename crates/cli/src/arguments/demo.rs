//! What `demo` takes.

use std::net::IpAddr;

use clap::Args;

use crate::client::Connection;
use crate::settings::Fabric;

/// What is to be shown, and where.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// What carries packets
    #[arg(long, value_enum, default_value_t = Fabric::Linux)]
    pub(crate) fabric: Fabric,
    /// Address that the server of the demo listens on
    #[arg(long, default_value = "127.0.0.1", hide = true)]
    pub(crate) host: IpAddr,
    /// On a server that runs already: the team that is to own the space
    #[arg(long, default_value = api::FIRST_TEAM)]
    pub(crate) team: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
