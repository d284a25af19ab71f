//! Commands of the space's side.

use std::collections::BTreeMap;

use crate::{AppId, Cidr, DynoId, PcxId, Region, SpaceId, TeamId};

/// What users of the platform ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlatformCommand {
    /// A new space.
    CreateSpace {
        /// Its name.
        name: String,
        /// Its owner.
        team: TeamId,
        /// Where; the installation's region by default.
        region: Option<Region>,
        /// Its block; 10.0.0.0/16 by default.
        cidr: Option<Cidr>,
        /// The block of its data services; 10.1.0.0/16 by default, or the next free one where
        /// that overlaps the space's own.
        data_cidr: Option<Cidr>,
    },
    /// Another name.
    RenameSpace {
        /// Which.
        space: SpaceId,
        /// The new name.
        name: String,
    },
    /// Removes a space.
    DeleteSpace {
        /// Which.
        space: SpaceId,
    },
    /// The operator's answer to a support ticket (R24).
    SetPeeringLimit {
        /// Which space.
        space: SpaceId,
        /// How many.
        limit: u16,
    },
    /// Accepts a request and configures the space's side (R12).
    AcceptPeering {
        /// The space.
        space: SpaceId,
        /// The request.
        peering: PcxId,
    },
    /// Tears a peering down (R18).
    DeletePeering {
        /// The space.
        space: SpaceId,
        /// Which.
        peering: PcxId,
    },
    /// A new app in a space.
    CreateApp {
        /// Its name; made up where none is given.
        name: Option<String>,
        /// The space.
        space: SpaceId,
        /// Whether it is served inside only (R26).
        internal_routing: bool,
    },
    /// Removes an app and its dynos.
    DeleteApp {
        /// Which.
        app: AppId,
    },
    /// Starts a one-off dyno.
    StartDyno {
        /// Of which app.
        app: AppId,
        /// What to run, for a shell.
        command: String,
        /// The size; `Private-S` by default.
        size: Option<String>,
        /// Environment variables of this dyno alone.
        environment: BTreeMap<String, String>,
    },
    /// Stops a dyno.
    StopDyno {
        /// Which.
        dyno: DynoId,
    },
}
