//! Teams: owners of spaces and apps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::{Alias, Key, Quota, TeamId, Timestamp, UserId};

/// An owner of spaces and apps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// The team's id.
    pub id: TeamId,
    /// The team's name, unique in the installation.
    pub name: String,
    /// The members of the team, with their roles.
    pub members: BTreeMap<UserId, Role>,
    /// Whether the team's members must have a second factor.
    #[serde(default)]
    pub demands_second_factor: bool,
    /// Since when its members are locked out of it; `None` while they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Timestamp>,
    /// How much of what it may have, where that is not as for all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quotas: BTreeMap<Quota, u32>,
    /// When the team was created.
    pub created: Timestamp,
    /// When the team was last changed.
    pub updated: Timestamp,
}

impl Team {
    /// Whether the team's members must have a second factor. One that is disabled demands nothing.
    pub fn demands_factor_now(&self) -> bool {
        self.demands_second_factor && self.disabled.is_none()
    }
}

/// What a member of a team may do (`heroku.md` §4, Roles).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May see spaces and work with apps.
    Member,
    /// May change spaces as well.
    Admin,
}

impl Role {
    /// Its name in the Platform API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }

    /// Whether it may change the team's spaces, and answer requests for peerings with them.
    pub const fn may_change_spaces(self) -> bool {
        match self {
            Self::Member => false,
            Self::Admin => true,
        }
    }
}

impl Resource for Team {
    const SURVIVES_RESET: bool = true;

    fn key(&self) -> Key {
        Key::Team(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::None
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        self.members.keys().for_each(|user| each(Key::User(*user)));
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Alias::Team(self.name.as_str().into()));
    }
}
