//! What `demo` takes.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use crate::client::Connection;
use crate::settings::Fabric;

/// What is to be shown, and where.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// What carries packets
    #[arg(long, value_enum, default_value_t = Fabric::Linux)]
    pub(crate) fabric: Fabric,
    /// On that many hosts made of namespaces, which OVN joins, with three servers on a PostgreSQL of their own; one of
    /// each is lost on the way
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(2..=9), conflicts_with_all = ["fabric", "url"])]
    pub(crate) hosts: Option<u8>,
    /// With --hosts: where OVN's programs are, in `bin` and `share`; by default the system's
    /// [env: CAUSEWAY_OVN]
    #[arg(long, value_name = "DIR", requires = "hosts")]
    pub(crate) ovn: Option<PathBuf>,
    /// Address that the server of the demo listens on
    #[arg(long, default_value = "127.0.0.1", hide = true)]
    pub(crate) host: IpAddr,
    /// On a server that runs already: the team that is to own the space
    #[arg(long, default_value = api::FIRST_TEAM)]
    pub(crate) team: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
