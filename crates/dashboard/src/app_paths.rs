//! The addresses of the pages of apps.

use model::{App, Space};

use crate::paths::space;

/// A page of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppPart {
    /// Its dynos, its processes and its log.
    Dynos,
    /// Its releases.
    Releases,
    /// Its config vars.
    Config,
    /// The names under which it is served.
    Domains,
    /// Its data services.
    Services,
}

impl AppPart {
    /// Every page, in the order in which they are shown.
    pub const ALL: [Self; 5] =
        [Self::Dynos, Self::Releases, Self::Config, Self::Domains, Self::Services];

    /// Its name in addresses; the first page has none.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Dynos => None,
            Self::Releases => Some("releases"),
            Self::Config => Some("config"),
            Self::Domains => Some("domains"),
            Self::Services => Some("services"),
        }
    }

    /// Finds a page by its name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == Some(name))
    }
}

/// The apps of a space.
pub fn apps(of: &Space) -> String {
    format!("{}apps", space(of))
}

/// An app. Names have letters, digits and hyphens.
pub fn app(of: &Space, app: &App) -> String {
    format!("{}/{}", apps(of), app.name)
}

/// A page of an app.
pub fn app_part(of: &Space, of_app: &App, part: AppPart) -> String {
    let app = app(of, of_app);
    part.name().map_or(app.clone(), |name| format!("{app}/{name}"))
}

/// The stream of an app's log.
pub fn app_log(of: &Space, of_app: &App) -> String {
    format!("{}/log", app(of, of_app))
}

/// The addresses that web requests to a space may come from.
pub fn trusted_ips(of: &Space) -> String {
    format!("{}trusted-ips", space(of))
}
