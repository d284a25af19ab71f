//! What was done with an app, for the page that follows.

use model::{App, DynoSize};

use crate::context::Context;
use crate::markup::{Markup, fill, strong, text};

/// What was done with an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppTold {
    /// All dynos are being replaced.
    RestartedAll,
    /// A dyno is being replaced.
    Restarted(String),
    /// A dyno that had no place in the formation is being stopped.
    Stopped(String),
    /// A process type was scaled.
    Scaled(String),
}

impl AppTold {
    /// Its form in an address. Names of dynos and of process types have letters, digits, dots, hyphens
    /// and underscores.
    pub fn query(&self) -> String {
        match self {
            Self::RestartedAll => "restarted-all".to_owned(),
            Self::Restarted(dyno) => format!("restarted={dyno}"),
            Self::Stopped(dyno) => format!("stopped={dyno}"),
            Self::Scaled(process) => format!("scaled={process}"),
        }
    }

    /// Reads what [`Self::query`] wrote.
    pub fn read(what: &str, name: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.len() > 80 || !name.chars().all(plain) {
            return None;
        }
        match (what, name) {
            ("restarted-all", "") => Some(Self::RestartedAll),
            (_, "") => None,
            ("restarted", dyno) => Some(Self::Restarted(dyno.to_owned())),
            ("stopped", dyno) => Some(Self::Stopped(dyno.to_owned())),
            ("scaled", process) => Some(Self::Scaled(process.to_owned())),
            _ => None,
        }
    }

    /// It in words, as far as the app has what is named.
    pub(super) fn sentence(&self, of: &Context<'_>, app: &App) -> Option<Markup> {
        let t = of.texts();
        let dyno = |name: &str| {
            let has = of.world.dynos_in(model::Key::App(app.id)).any(|dyno| dyno.name == name);
            has.then(|| [("dyno", strong(name))])
        };
        match self {
            Self::RestartedAll => Some(t.apps.told_restarted_all.into()),
            Self::Restarted(name) => Some(fill(t.apps.told_restarted, &dyno(name)?)),
            Self::Stopped(name) => Some(fill(t.apps.told_stopped, &dyno(name)?)),
            Self::Scaled(name) => {
                let formation = app.formation.get(name)?;
                let size: DynoSize = formation.size;
                let pieces = [
                    ("process", strong(name)),
                    ("n", text(formation.quantity)),
                    ("size", text(size.name())),
                ];
                Some(fill(t.apps.told_scaled, &pieces))
            }
        }
    }
}
