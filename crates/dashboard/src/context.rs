//! What every page is made from.

use model::{Timestamp, World};

use crate::language::Language;
use crate::texts::Texts;
use crate::viewer::Viewer;

/// What every page is made from.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The world of the last commit.
    pub world: &'a World,
    /// Who looks.
    pub viewer: Viewer,
    /// The language of the page.
    pub language: Language,
    /// The theme that was chosen; `None` follows the system.
    pub theme: Option<Theme>,
    /// Whether the key `/` leads to the search. Who speaks to a computer turns it off (WCAG 2.1.4).
    pub shortcut: bool,
    /// The server's time.
    pub now: Timestamp,
    /// What every form sends back, so that the server knows it for its own.
    pub form_token: &'a str,
    /// The path of the page, to come back to it; with its query, where that says what is shown.
    pub path: &'a str,
}

impl Context<'_> {
    pub(crate) const fn texts(&self) -> &'static Texts {
        self.language.texts()
    }
}

/// A theme that was chosen over the system's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark letters on light ground.
    Light,
    /// Light letters on dark ground.
    Dark,
}

impl Theme {
    /// Its name, as `data-theme` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Finds a theme by its name.
    pub fn find(name: &str) -> Option<Self> {
        [Self::Light, Self::Dark].into_iter().find(|theme| theme.name() == name)
    }
}
