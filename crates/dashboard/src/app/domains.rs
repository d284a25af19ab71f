//! The names under which an app is served.

use askama::Template;

use super::served::{Head, Served};
use crate::app_paths::AppPart;
use crate::context::Context;
use crate::markup::{Markup, command, copy_button, fill, mono};
use crate::moment;
use crate::shell::Shell;

#[derive(Template)]
#[template(path = "app-domains.html")]
struct Page<'a> {
    shell: Shell<'a>,
    head: Head,
    own: Markup,
    custom: Vec<(String, Markup)>,
    add: Markup,
    target: Markup,
}

/// The names under which an app is served.
pub fn app_domains(of: &Context<'_>, served: &Served<'_>) -> askama::Result<String> {
    let t = of.texts();
    let app = served.app;
    let own = served.domains.host(app);
    let with_copy = || {
        let copy = copy_button(t, t.apps.own_name, &own);
        fill("{name} {copy}", &[("name", mono(&own)), ("copy", copy)])
    };
    let custom = app.domains.iter();
    Page {
        shell: Shell::new(of, format!("{} {}", app.name, t.apps.tab_domains).into()),
        head: Head::new(of, served, AppPart::Domains),
        own: with_copy(),
        custom: custom
            .map(|(name, domain)| (name.clone(), moment::at(t, domain.created)))
            .collect(),
        add: command(
            t,
            &["heroku", "domains:add", "www.example.com", &format!("--app {}", app.name)],
        ),
        target: mono(&own),
    }
    .render()
}
