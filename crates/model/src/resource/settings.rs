//! What the whole installation was set up with.

use serde::{Deserialize, Serialize};

use super::{Outbound, Owner, Resource};
use crate::{AccountId, Key, Quotas, Region, SettingsKey, Timestamp};

/// A server that drives networks and workloads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FabricDriver {
    /// The id that its data directory has, and no other.
    pub id: String,
    /// The name that people know it by.
    pub name: String,
}

/// The settings of the installation. There is one such record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The account that owns the spaces' VPCs.
    pub platform_account: AccountId,
    /// The region where a space is made when none is asked for.
    pub region: Region,
    /// Whether this is a test double: any credentials, default VPCs in every region.
    pub emulator: bool,
    /// A short random name that marks what this installation made outside its database.
    pub instance: String,
    /// When the installation was set up.
    pub created: Timestamp,
    /// How many seconds a test moved the clock ahead of the machine's. Times in the ledger were made
    /// under it, so it holds at every start.
    #[serde(default)]
    pub clock_offset: u64,
    /// How networks reach what is outside; `None` where nothing does.
    #[serde(default)]
    pub outbound: Option<Outbound>,
    /// Which of the servers that share the installation drives its networks and workloads; `None` where
    /// there is one server, or where packets are carried nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fabric: Option<FabricDriver>,
    /// How much of what accounts may have.
    #[serde(default, skip_serializing_if = "Quotas::is_default")]
    pub quotas: Quotas,
}

impl Resource for Settings {
    const SURVIVES_RESET: bool = true;

    fn key(&self) -> Key {
        Key::Settings(SettingsKey)
    }

    fn owner(&self) -> Owner {
        Owner::None
    }

    fn mentions(&self, _: &mut dyn FnMut(Key)) {}
}
