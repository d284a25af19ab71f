//! What carries packets.

use clap::ValueEnum;
use serde::Deserialize;
use server::FabricKind;

/// What carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fabric {
    /// The kernel of this machine
    Linux,
    /// OVN, between the hosts on which agents run
    Ovn,
    /// Nothing: the APIs alone
    None,
}

impl From<Fabric> for FabricKind {
    fn from(fabric: Fabric) -> Self {
        match fabric {
            Fabric::Linux => Self::Linux,
            Fabric::Ovn => Self::Ovn,
            Fabric::None => Self::None,
        }
    }
}
