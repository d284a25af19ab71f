//! Answers of the Platform API that the commands of `causeway` go by: releases and dynos. Members that
//! are the same in every answer, for clients that want to see them, are not here.

use model::{AppId, DynoId, DynoState, ReleaseId, ReleaseStatus, SlugId, UserId};
use serde::{Deserialize, Serialize};

/// A release: `GET /apps/APP/releases/VERSION`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The id of the release.
    pub id: ReleaseId,
    /// Its number among the releases of its app, from 1.
    pub version: u32,
    /// The plans of the app's add-ons.
    pub addon_plan_names: Vec<String>,
    /// Its app.
    pub app: AppRef,
    /// When it was made.
    pub created_at: String,
    /// Whether it is the current release of its app.
    pub current: bool,
    /// What it changed.
    pub description: String,
    /// Whether a rollback can go to it.
    pub eligible_for_rollback: bool,
    /// Where the output of its release command is to be had, as long as there is any.
    pub output_stream_url: Option<String>,
    /// Its code.
    pub slug: Option<SlugRef>,
    /// Whether it became the current release, or still may: the name of a [`ReleaseStatus`].
    pub status: String,
    /// Why it failed.
    pub status_message: Option<String>,
    /// When its status changed last.
    pub updated_at: String,
    /// Who made it.
    pub user: UserRef,
}

impl Release {
    /// Whether its release command runs, or it waits for releases before it.
    pub fn is_pending(&self) -> bool {
        self.status == ReleaseStatus::Pending.name()
    }

    /// Whether it never became the current release.
    pub fn has_failed(&self) -> bool {
        self.status == ReleaseStatus::Failed(String::new()).name()
    }
}

/// A dyno: `GET /apps/APP/dynos/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dyno {
    /// The id of the dyno.
    pub id: DynoId,
    /// Its name, such as `web.1`.
    pub name: String,
    /// Its process type.
    #[serde(rename = "type")]
    pub process_type: String,
    /// How it fares: the name of a [`DynoState`].
    pub state: String,
    /// The name of its size.
    pub size: String,
    /// What it runs.
    pub command: String,
    /// Its app.
    pub app: AppRef,
    /// The release that it runs.
    pub release: ReleaseRef,
    /// What its command returned, once that has ended.
    pub exit_code: Option<i32>,
    /// When it was asked for.
    pub created_at: String,
    /// When its state changed last.
    pub updated_at: String,
}

impl Dyno {
    /// Whether it does what it is for.
    pub fn is_up(&self) -> bool {
        self.state == DynoState::Up.name()
    }

    /// Whether it failed, or could not start.
    pub fn has_crashed(&self) -> bool {
        self.state == DynoState::Crashed.name()
    }
}

/// An app, as other answers name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppRef {
    /// The id of the app.
    pub id: AppId,
    /// The name of the app.
    pub name: String,
}

/// A user, as other answers name them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRef {
    /// Their id.
    pub id: UserId,
    /// Their address.
    pub email: String,
}

/// A release, as other answers name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRef {
    /// The id of the release.
    pub id: ReleaseId,
    /// Its number; `None` once it is not known any more.
    pub version: Option<u32>,
}

/// An app's code, as other answers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlugRef {
    /// The id of the slug.
    pub id: SlugId,
}
