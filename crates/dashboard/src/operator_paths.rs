//! The addresses of the pages of who runs the installation.

use crate::paths::HOME;

/// A page of the operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorPart {
    /// How the installation fares.
    Health,
    /// Its accounts.
    Accounts,
    /// Its users and teams.
    People,
    /// How many peerings each space may have.
    Limits,
}

impl OperatorPart {
    /// Every page, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Health, Self::Accounts, Self::People, Self::Limits];

    /// Its name in addresses; the first page has none.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Health => None,
            Self::Accounts => Some("accounts"),
            Self::People => Some("people"),
            Self::Limits => Some("limits"),
        }
    }

    /// Finds a page by its name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == Some(name))
    }
}

/// A page of the operator's.
pub fn operator(part: OperatorPart) -> String {
    part.name().map_or(format!("{HOME}/operator"), |name| format!("{HOME}/operator/{name}"))
}
