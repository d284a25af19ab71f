//! Commands of the space's side.

use std::collections::BTreeMap;

use crate::resource::{InboundRule, Plan};
use crate::{
    AddonId, AppId, Cidr, DomainId, DynoId, PcxId, Region, ReleaseId, SlugId, SpaceId, TeamId,
    UserId,
};

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
    /// Says from where web requests may come.
    SetInboundRules {
        /// Which space.
        space: SpaceId,
        /// All of them, in their order; the ones before are gone.
        rules: Vec<InboundRule>,
    },
    /// Says whether a member of the team may make apps in a space.
    SetSpaceAccess {
        /// Which space.
        space: SpaceId,
        /// Who.
        user: UserId,
        /// Whether.
        create_apps: bool,
    },
    /// Gives a space, with the apps in it, to another team.
    TransferSpace {
        /// Which.
        space: SpaceId,
        /// To whom.
        team: TeamId,
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
    /// Removes an app, its dynos and its data services.
    DeleteApp {
        /// Which.
        app: AppId,
    },
    /// Announces code that is about to be uploaded.
    CreateSlug {
        /// Of which app.
        app: AppId,
        /// The command of each process type; what the code itself says comes on top.
        process_types: BTreeMap<String, String>,
        /// Which commit it is of.
        commit: Option<String>,
        /// SHA-256 of it, in hexadecimal.
        checksum: Option<String>,
    },
    /// Makes a slug the code of a new release.
    CreateRelease {
        /// Of which app.
        app: AppId,
        /// The code.
        slug: SlugId,
        /// What it changes; `Deploy <commit>` by default.
        description: Option<String>,
    },
    /// Makes an old release's code and configuration those of a new one.
    Rollback {
        /// Of which app.
        app: AppId,
        /// The old release.
        release: ReleaseId,
    },
    /// Changes config vars, by a new release.
    SetConfig {
        /// Of which app.
        app: AppId,
        /// Their new values; `None` removes one.
        changes: BTreeMap<String, Option<String>>,
    },
    /// Says how many dynos are wanted.
    Scale {
        /// Of which app.
        app: AppId,
        /// What changes.
        updates: Vec<FormationUpdate>,
    },
    /// Replaces dynos by new ones; one-off dynos are stopped.
    RestartDynos {
        /// Of which app.
        app: AppId,
        /// Which of them.
        which: DynoSelection,
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
    /// Stops dynos; those of the formation are started anew.
    StopDynos {
        /// Of which app.
        app: AppId,
        /// Which of them.
        which: DynoSelection,
    },
    /// Serves an app under a further name.
    AddDomain {
        /// Of which app.
        app: AppId,
        /// The name.
        hostname: String,
    },
    /// Serves it no more under that name.
    RemoveDomain {
        /// Of which app.
        app: AppId,
        /// The name's id.
        domain: DomainId,
    },
    /// A new data service for an app.
    CreateAddon {
        /// For which app.
        app: AppId,
        /// What it is to be.
        plan: Box<Plan>,
        /// Its name; made up where none is given.
        name: Option<String>,
        /// What opens it.
        password: String,
    },
    /// Gives another app of the space, or the same one once more, a data service's variables.
    AttachAddon {
        /// Which service.
        addon: AddonId,
        /// To which app.
        app: AppId,
        /// What its variables begin with; as the plan has it where none is given and that is free.
        name: Option<String>,
    },
    /// Takes them from an app again.
    DetachAddon {
        /// Which service.
        addon: AddonId,
        /// From which app.
        app: AppId,
        /// The attachment's name.
        name: String,
    },
    /// Removes a data service and all that it holds.
    DeleteAddon {
        /// Which.
        addon: AddonId,
    },
}

/// What changes of one process type's formation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormationUpdate {
    /// The process type.
    pub process_type: String,
    /// How many dynos; as many as before where nothing is said.
    pub quantity: Option<Quantity>,
    /// Of which size; the same as before where nothing is said.
    pub size: Option<String>,
}

/// How many dynos are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// So many.
    To(u16),
    /// So many more, or fewer.
    By(i32),
}

impl std::str::FromStr for Quantity {
    type Err = std::num::ParseIntError;

    /// Reads `2`, `+1`, `-1`, as the CLI sends it (`heroku.md` §1.4).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.as_bytes().first() {
            Some(b'+' | b'-') => text.parse().map(Self::By),
            _ => text.parse().map(Self::To),
        }
    }
}

/// Some dynos of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DynoSelection {
    /// All of them.
    All,
    /// Those of a process type.
    Type(String),
    /// One.
    One(DynoId),
}
