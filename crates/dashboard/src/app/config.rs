//! The config vars of an app. Their values are in no page before somebody asks for them.

use askama::Template;
use model::Key;

use super::served::{Head, Served};
use crate::app_paths::{self, AppPart};
use crate::context::Context;
use crate::markup::{Markup, command, copy_button, fill, strong};
use crate::shell::Shell;

#[derive(Template)]
#[template(path = "app-config.html")]
struct Page<'a> {
    shell: Shell<'a>,
    head: Head,
    is_revealed: bool,
    action: String,
    rows: Vec<Row>,
    set: Markup,
    unset: Markup,
}

struct Row {
    name: String,
    /// The value with a button that copies it; `None` while values are hidden.
    value: Option<(String, Markup)>,
    /// The data service that it came with.
    of_service: Option<Markup>,
}

/// The config vars of an app, with their values if `is_revealed` is set.
pub fn app_config(
    of: &Context<'_>,
    served: &Served<'_>,
    is_revealed: bool,
) -> askama::Result<String> {
    let t = of.texts();
    let Served { space, app, .. } = *served;
    let addons: Vec<_> = of.world.addons_of(Key::App(app.id)).collect();
    let row = |(name, value): (&String, &String)| {
        let came_with = addons.iter().find(|addon| {
            addon.attachments_to(app.id).any(|(_, variables)| variables.contains(name))
        });
        Row {
            value: is_revealed.then(|| (value.clone(), copy_button(t, name, value))),
            of_service: came_with
                .map(|addon| fill(t.apps.of_service, &[("service", strong(&addon.name))])),
            name: name.clone(),
        }
    };
    let option = format!("--app {}", app.name);
    Page {
        shell: Shell::new(of, format!("{} {}", app.name, t.apps.tab_config).into()),
        head: Head::new(of, served, AppPart::Config),
        is_revealed,
        action: app_paths::app_part(space, app, AppPart::Config),
        rows: app.config.iter().map(row).collect(),
        set: command(t, &["heroku", "config:set", "NAME=value", &option]),
        unset: command(t, &["heroku", "config:unset", "NAME", &option]),
    }
    .render()
}
