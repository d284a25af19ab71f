//! What webhooks of apps can be told of, and the names of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoEnumIterator};

/// What a webhook of an app is told of.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "&'static str")]
pub enum AppEntity {
    /// Add-ons that were made for the app.
    Addon,
    /// What gives the app an add-on's variables.
    AddonAttachment,
    /// The app itself.
    App,
    /// Custom domains.
    Domain,
    /// Dynos.
    Dyno,
    /// How many dynos of a process type there are to be, and how large they are.
    Formation,
    /// Releases.
    Release,
}

/// A webhook of an app cannot be told of that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAppEntity {
    /// Heroku has it, and Causeway does not.
    #[error("{0} never happens here, as there are no {1}; use {2}")]
    Absent(&'static str, &'static str, &'static str),
    /// There is no such entity.
    #[error("'{0}' is none of {1}")]
    Unknown(String, String),
}

impl AppEntity {
    /// The name that clients subscribe by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Addon => "api:addon",
            Self::AddonAttachment => "api:addon-attachment",
            Self::App => "api:app",
            Self::Domain => "api:domain",
            Self::Dyno => "api:dyno",
            Self::Formation => "api:formation",
            Self::Release => "api:release",
        }
    }

    /// The kind of resource, as receivers are told it: the name without `api:`.
    pub fn resource(self) -> &'static str {
        self.name().trim_start_matches("api:")
    }
}

impl FromStr for AppEntity {
    type Err = NoAppEntity;

    fn from_str(name: &str) -> Result<Self, NoAppEntity> {
        // Heroku has dynos under both names.
        let wanted = if name == "dyno" { Self::Dyno.name() } else { name };
        if let Some(found) = Self::iter().find(|entity| entity.name() == wanted) {
            return Ok(found);
        }
        const ABSENT: [(&str, &str, &str); 3] = [
            ("api:build", "builds", "api:release, which tells of each deploy"),
            ("api:collaborator", "collaborators of an app beside its team", "the team's members"),
            ("api:sni-endpoint", "certificates of an app", "api:domain"),
        ];
        if let Some((name, what, instead)) = ABSENT.iter().find(|(absent, ..)| *absent == name) {
            return Err(NoAppEntity::Absent(name, what, instead));
        }
        let all: Vec<_> = Self::iter().map(Self::name).collect();
        Err(NoAppEntity::Unknown(name.chars().take(64).collect(), all.join(", ")))
    }
}

impl fmt::Display for AppEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<String> for AppEntity {
    type Error = NoAppEntity;

    fn try_from(name: String) -> Result<Self, NoAppEntity> {
        name.parse()
    }
}

impl From<AppEntity> for &'static str {
    fn from(entity: AppEntity) -> Self {
        entity.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_known_by_their_names_and_absent_ones_named_with_what_there_is_instead() {
        for entity in AppEntity::iter() {
            assert_eq!(entity.name().parse(), Ok(entity));
            assert_eq!(format!("api:{}", entity.resource()), entity.name());
            let text = serde_json::to_string(&entity).unwrap();
            assert_eq!(serde_json::from_str::<AppEntity>(&text).unwrap(), entity);
        }
        assert_eq!("dyno".parse(), Ok(AppEntity::Dyno));
        let refused = |name: &str| name.parse::<AppEntity>().unwrap_err().to_string();
        assert!(refused("api:build").contains("api:release"));
        assert!(refused("api:sni-endpoint").contains("api:domain"));
        for wrong in ["", "release", "api:", "api:Release", "*", "peering"] {
            assert!(refused(wrong).contains("api:addon, api:addon-attachment"), "{wrong}");
        }
    }
}
