//! Commands of the space's side.

use std::collections::BTreeMap;

use crate::resource::{InboundRule, Plan, Stdio};
use crate::{
    AddonId, AppId, Cidr, DomainId, DynoId, LogDrainId, PcxId, Region, ReleaseId, SlugId, SpaceId,
    TeamId, UserId, WebhookId,
};

/// What users of the platform ask for.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
pub enum PlatformCommand {
    /// Creates a space.
    CreateSpace {
        /// The space's name.
        name: String,
        /// The team that is to own the space.
        team: TeamId,
        /// The region; the installation's by default.
        region: Option<Region>,
        /// The block of the space's VPC; 10.0.0.0/16 by default.
        cidr: Option<Cidr>,
        /// The block of its data services; 10.1.0.0/16 by default, or the next free one where
        /// that overlaps the space's own.
        data_cidr: Option<Cidr>,
    },
    /// Renames a space.
    RenameSpace {
        /// The space to rename.
        space: SpaceId,
        /// The new name.
        name: String,
    },
    /// Removes a space.
    DeleteSpace {
        /// The space to delete.
        space: SpaceId,
    },
    /// The operator's answer to a support ticket (R24).
    SetPeeringLimit {
        /// The space.
        space: SpaceId,
        /// How many peerings the space may have.
        limit: u16,
    },
    /// Says from where web requests may come.
    SetInboundRules {
        /// The space.
        space: SpaceId,
        /// All rules, in their order; they take the place of the ones before.
        rules: Vec<InboundRule>,
    },
    /// Has the log of a space be sent to an address, and no longer to the one before.
    SetSpaceLogDrain {
        /// The space.
        space: SpaceId,
        /// The address.
        url: String,
    },
    /// Says whether a member of the team may make apps in a space.
    SetSpaceAccess {
        /// The space.
        space: SpaceId,
        /// The member of the team.
        user: UserId,
        /// Whether the member may make apps in the space.
        create_apps: bool,
    },
    /// Gives a space, with the apps in it, to another team.
    TransferSpace {
        /// The space to transfer.
        space: SpaceId,
        /// The team that is to own the space.
        team: TeamId,
    },
    /// Accepts a request and configures the space's side (R12).
    AcceptPeering {
        /// The space that is asked.
        space: SpaceId,
        /// The request.
        peering: PcxId,
    },
    /// Tears a peering down (R18).
    DeletePeering {
        /// The space.
        space: SpaceId,
        /// The peering to delete.
        peering: PcxId,
    },
    /// Creates an app in a space.
    CreateApp {
        /// The app's name; one is made up where none is given.
        name: Option<String>,
        /// The space to make the app in.
        space: SpaceId,
        /// Whether the app is served inside the space only (R26).
        internal_routing: bool,
    },
    /// Removes an app, its dynos and its data services.
    DeleteApp {
        /// The app to delete.
        app: AppId,
    },
    /// Says whether a host that cannot reach the servers ends an app's dynos.
    SetFenceStop {
        /// The app.
        app: AppId,
        /// Whether it does.
        fence_stop: bool,
    },
    /// Announces code that is about to be uploaded.
    CreateSlug {
        /// The app that the code is of.
        app: AppId,
        /// The command of each process type; what the code's own Procfile says comes on top.
        process_types: BTreeMap<String, String>,
        /// The commit that the code is of.
        commit: Option<String>,
        /// The SHA-256 of the upload, in hexadecimal.
        checksum: Option<String>,
    },
    /// Makes a slug the code of a new release.
    CreateRelease {
        /// The app to release.
        app: AppId,
        /// The code to release.
        slug: SlugId,
        /// What the release changes, in words; `Deploy <commit>` by default.
        description: Option<String>,
    },
    /// Makes an old release's code and configuration those of a new one.
    Rollback {
        /// The app to roll back.
        app: AppId,
        /// The release to go back to.
        release: ReleaseId,
    },
    /// Changes config vars, by a new release.
    SetConfig {
        /// The app whose config vars change.
        app: AppId,
        /// The new values, by name; `None` removes a config var.
        changes: BTreeMap<String, Option<String>>,
    },
    /// Says how many dynos are wanted.
    Scale {
        /// The app to scale.
        app: AppId,
        /// What changes of its formation.
        updates: Vec<FormationUpdate>,
    },
    /// Replaces dynos by new ones; one-off dynos are stopped.
    RestartDynos {
        /// The app whose dynos restart.
        app: AppId,
        /// The dynos to restart.
        which: DynoSelection,
    },
    /// Starts a one-off dyno.
    StartDyno {
        /// The app to run a dyno of.
        app: AppId,
        /// The command to run, for a shell.
        command: String,
        /// The dyno's size; `Private-S` by default.
        size: Option<String>,
        /// Environment variables of this dyno alone.
        environment: BTreeMap<String, String>,
        /// Where the dyno's standard input and output lead.
        stdio: Stdio,
    },
    /// Runs a command inside a dyno that is up. The world stays as it is: this says whether the caller
    /// may, and leaves a row in the audit.
    RunInside {
        /// The app that the dyno is of.
        app: AppId,
        /// The dyno to run the command in.
        dyno: DynoId,
        /// The command to run, for a shell.
        command: String,
        /// Environment variables of this command alone.
        environment: BTreeMap<String, String>,
    },
    /// Stops dynos; those of the formation are started anew.
    StopDynos {
        /// The app whose dynos stop.
        app: AppId,
        /// The dynos to stop.
        which: DynoSelection,
    },
    /// Serves an app under one more name.
    AddDomain {
        /// The app to serve.
        app: AppId,
        /// The name, or a pattern such as `*.example.com`.
        hostname: String,
    },
    /// Stops serving an app under a name.
    RemoveDomain {
        /// The app.
        app: AppId,
        /// The domain's id.
        domain: DomainId,
    },
    /// Has an app's log be sent to an address.
    AddLogDrain {
        /// The app.
        app: AppId,
        /// The address.
        url: String,
    },
    /// Sends an app's log no more to an address.
    RemoveLogDrain {
        /// The app.
        app: AppId,
        /// The drain's id.
        drain: LogDrainId,
    },
    /// Has what happens to an app be sent to an address, as Heroku's webhooks do.
    CreateAppWebhook {
        /// The app.
        app: AppId,
        /// The webhook.
        new: AppWebhook,
    },
    /// Changes a webhook of an app. What is not said is left.
    UpdateAppWebhook {
        /// The app.
        app: AppId,
        /// The webhook's id.
        id: WebhookId,
        /// What it is to be.
        to: AppWebhook,
    },
    /// Removes a webhook of an app.
    DeleteAppWebhook {
        /// The app.
        app: AppId,
        /// The webhook's id.
        id: WebhookId,
    },
    /// Creates a data service for an app.
    CreateAddon {
        /// The app that gets the service.
        app: AppId,
        /// The plan of the service.
        plan: Box<Plan>,
        /// The add-on's name; one is made up where none is given.
        name: Option<String>,
        /// The service's password.
        password: String,
    },
    /// Gives another app of the space, or the same one once more, a data service's variables.
    AttachAddon {
        /// The add-on to attach.
        addon: AddonId,
        /// The app to attach it to.
        app: AppId,
        /// What its variables begin with; by default as the plan has it, if the app has nothing of
        /// that name.
        name: Option<String>,
    },
    /// Takes an attached data service's variables from an app.
    DetachAddon {
        /// The add-on to detach.
        addon: AddonId,
        /// The app to detach it from.
        app: AppId,
        /// The attachment's name.
        name: String,
    },
    /// Removes a data service and all that it holds.
    DeleteAddon {
        /// The add-on to delete.
        addon: AddonId,
    },
}

/// What is said of a webhook of an app.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AppWebhook {
    /// The address.
    pub url: Option<String>,
    /// What it is told of: entities such as `api:release`.
    pub include: Option<Vec<String>>,
    /// Whether what fails is tried again: `notify` or `sync`.
    pub level: Option<String>,
    /// The key that what is sent is signed with.
    pub secret: Option<String>,
    /// The value of the header `Authorization` that is sent along.
    pub authorization: Option<String>,
}

impl std::fmt::Debug for AppWebhook {
    /// Without what may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AppWebhook({:?}, {:?})", self.include, self.level)
    }
}

/// What changes of one process type's formation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormationUpdate {
    /// The process type.
    pub process_type: String,
    /// The number of dynos; `None` leaves it.
    pub quantity: Option<Quantity>,
    /// The size of each dyno; `None` leaves it.
    pub size: Option<String>,
}

/// How many dynos are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// This number of dynos.
    To(u16),
    /// This number of dynos more, or fewer if it is negative.
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
    /// All dynos.
    All,
    /// The dynos of a process type.
    Type(String),
    /// One dyno.
    One(DynoId),
}
