//! What carries packets.

use clap::ValueEnum;
use serde::Deserialize;

/// What carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fabric {
    /// The kernel of this machine
    Linux,
    /// Nothing: the APIs alone
    None,
}
