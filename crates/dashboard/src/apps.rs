//! The apps of a space.

use askama::Template;
use model::edge::Domains;
use model::{App, Key, Space};

use crate::app::{Up, current_release};
use crate::app_paths;
use crate::context::Context;
use crate::markup::{Markup, command, text};
use crate::shell::Shell;
use crate::space_head::{SpaceHead, SpacePage};

#[derive(Template)]
#[template(path = "apps.html")]
struct Apps<'a> {
    shell: Shell<'a>,
    head: SpaceHead,
    rows: Vec<Row>,
    create: Markup,
}

struct Row {
    name: String,
    path: String,
    dynos: Markup,
    release: Markup,
    routing: &'static str,
    services: usize,
    domains: usize,
    label: String,
}

/// The apps of a space, which the viewer must see. `domains` are those of the platform.
pub fn apps(of: &Context<'_>, space: &Space, domains: &Domains) -> askama::Result<String> {
    let t = of.texts();
    let mut apps: Vec<_> = of.world.apps_in(Key::Space(space.id)).collect();
    apps.sort_by(|a, b| a.name.cmp(&b.name));
    Apps {
        shell: Shell::new(of, format!("{} {}", space.name, t.column_apps).into()),
        head: SpaceHead::new(of, space, SpacePage::Apps),
        rows: apps.into_iter().map(|app| row(of, space, app, domains.host(app))).collect(),
        create: command(
            t,
            &["heroku", "apps:create", "my-app", &format!("--space {}", space.name)],
        ),
    }
    .render()
}

fn row(of: &Context<'_>, space: &Space, app: &App, label: String) -> Row {
    let t = of.texts();
    let released = current_release(of, app).filter(|release| release.slug.is_some());
    Row {
        name: app.name.clone(),
        path: app_paths::app(space, app),
        dynos: Up::of(of, app).sign(t),
        release: match released {
            Some(release) => text(format_args!("v{}", release.version)),
            None => t.apps.release_none.into(),
        },
        routing: match app.internal_routing {
            true => t.apps.routing_internal,
            false => t.apps.routing_public,
        },
        services: of.world.addons_of(Key::App(app.id)).count(),
        domains: app.domains.len(),
        label,
    }
}
