//! The process types of an app as rows, each with the form that scales it.

use model::{App, Dyno, DynoSize};

use super::served::current_release;
use crate::context::Context;
use crate::markup::{Markup, fill, text};

/// A row of the table of process types.
pub(super) struct ProcessRow {
    pub(super) name: String,
    pub(super) command: String,
    /// Whether dynos of it are wanted, or it runs by itself before each release.
    pub(super) is_scaled: bool,
    pub(super) quantity: u16,
    /// Every size, and whether it is the one of these dynos.
    pub(super) sizes: Vec<(&'static str, bool)>,
    /// What the form sends back of how it was.
    pub(super) shown: String,
    pub(super) wanted_of: Markup,
    pub(super) size_of: Markup,
}

/// The process types of the current release.
pub(super) fn rows(of: &Context<'_>, app: &App) -> Vec<ProcessRow> {
    let t = of.texts();
    let slug = current_release(of, app).and_then(|release| of.world.slug(release.slug?));
    let types = slug.into_iter().flat_map(|slug| &slug.process_types);
    let row = |(name, command): (&String, &String)| {
        let formation = app.formation.get(name);
        let size = formation.map_or(DynoSize::S, |formation| formation.size);
        let process = || [("process", text(name))];
        ProcessRow {
            command: command.clone(),
            is_scaled: name != Dyno::RELEASE,
            quantity: formation.map_or(0, |formation| formation.quantity),
            sizes: DynoSize::ALL.map(|each| (each.name(), each == size)).to_vec(),
            shown: formation_shown(app, name),
            wanted_of: fill(t.apps.wanted_of, &process()),
            size_of: fill(t.apps.size_of, &process()),
            name: name.clone(),
        }
    };
    let mut rows: Vec<_> = types.map(row).collect();
    rows.sort_by_key(|row| (row.name != App::WEB, row.name.clone()));
    rows
}

/// The formation of a process type that a form was made for: a form sends it back, and is refused if
/// it is another one meanwhile.
pub fn formation_shown(app: &App, process_type: &str) -> String {
    match app.formation.get(process_type) {
        Some(formation) => {
            format!("{}@{}", formation.quantity, formation.updated.millis())
        }
        None => "0".to_owned(),
    }
}
