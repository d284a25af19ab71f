//! `serve`'s settings for one server of several.

use clap::{Args, ValueEnum};
use serde::Deserialize;
use server::{ClusterConfig, Reads as Kind};

use super::values::{Variables, parsed, text};
use crate::usage::usage;

/// What `serve` takes for one server of several that share a database.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ClusterArgs {
    /// Name by which `causeway servers` knows this server; by default this machine's
    /// [env: CAUSEWAY_SERVER_NAME]
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,
    /// URL at which the other servers and their operator reach this one; by default the address that it
    /// listens on
    /// [env: CAUSEWAY_ADVERTISE]
    #[arg(long, value_name = "URL")]
    pub(crate) advertise: Option<String>,
    /// What a server beside others answers from: fresh, all that was acknowledged before by any of them;
    /// or local, what it has, which may lack the last moments; by default fresh
    /// [env: CAUSEWAY_READS]
    #[arg(long, value_enum)]
    pub(crate) reads: Option<Reads>,
    /// Drive networks and workloads from now on, although another server is known to do so, whose machine
    /// is gone
    #[arg(long)]
    pub(crate) take_fabric: bool,
}

/// What a server beside others answers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reads {
    /// All that was acknowledged before by any server
    Fresh,
    /// What the server has at the moment
    Local,
}

impl ClusterArgs {
    /// What the environment says.
    ///
    /// # Errors
    ///
    /// A word that means nothing.
    pub(crate) fn of(variables: Variables<'_>) -> anyhow::Result<Self> {
        let reads = |text: &str| Reads::from_str(text, true);
        Ok(Self {
            server_name: text(variables, "CAUSEWAY_SERVER_NAME")?,
            advertise: text(variables, "CAUSEWAY_ADVERTISE")?,
            reads: parsed(variables, "CAUSEWAY_READS", reads)?,
            // It is for one start, so neither the environment nor a file may say it.
            take_fabric: false,
        })
    }

    /// These, and what they leave open from others.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            server_name: self.server_name.or(other.server_name),
            advertise: self.advertise.or(other.advertise),
            reads: self.reads.or(other.reads),
            take_fabric: self.take_fabric || other.take_fabric,
        }
    }

    /// The configuration that they make.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::usage::Usage): a name or a URL that cannot be one.
    pub(crate) fn config(self) -> anyhow::Result<ClusterConfig> {
        const LONGEST: usize = 255;
        let is_name = |name: &str| {
            !name.is_empty() && name.len() <= LONGEST && name.chars().all(|c| c.is_ascii_graphic())
        };
        if let Some(name) = self.server_name.as_ref().filter(|name| !is_name(name)) {
            return Err(usage(format!(
                "'{name}' is not a name for --server-name: it has 1 to {LONGEST} letters without spaces"
            )));
        }
        let is_url =
            |url: &str| is_name(url) && (url.starts_with("http://") || url.starts_with("https://"));
        if let Some(url) = self.advertise.as_ref().filter(|url| !is_url(url)) {
            return Err(usage(format!(
                "'{url}' is not a URL for --advertise; one is like https://one.example.org:4880"
            )));
        }
        Ok(ClusterConfig {
            name: self.server_name,
            advertise: self.advertise.map(|url| url.trim_end_matches('/').to_owned()),
            reads: match self.reads {
                None | Some(Reads::Fresh) => Kind::Fresh,
                Some(Reads::Local) => Kind::Local,
            },
            take_fabric: self.take_fabric,
        })
    }
}
