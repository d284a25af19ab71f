//! Which way packets go.

use serde::{Deserialize, Serialize};

/// Which way packets go, as seen from an interface or a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Packets that enter the interface or the subnet.
    Ingress,
    /// Packets that leave the interface or the subnet.
    Egress,
}
