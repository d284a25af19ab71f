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
    /// OVN, between hosts that run `causeway agent`
    Ovn,
    /// Nothing: the APIs alone
    None,
}

impl Fabric {
    /// It as the server knows it.
    pub(crate) fn kind(self) -> FabricKind {
        match self {
            Self::Linux => FabricKind::Linux,
            Self::Ovn => FabricKind::Ovn,
            Self::None => FabricKind::None,
        }
    }
}
