//! The data services of an app.

use askama::Template;
use model::{Addon, AddonState, Key, WorkloadId};

use super::served::{Head, Served};
use crate::app_paths::AppPart;
use crate::context::Context;
use crate::markup::{Markup, Sign, command, fill, listed, mono, strong};
use crate::moment;
use crate::shell::Shell;

#[derive(Template)]
#[template(path = "app-services.html")]
struct Page<'a> {
    shell: Shell<'a>,
    head: Head,
    rows: Vec<Row>,
    create: Markup,
}

struct Row {
    name: String,
    plan: String,
    state: Markup,
    since: Markup,
    address: Markup,
    attached: Markup,
    variables: Markup,
    /// The app that it was made for, where it is another one.
    made_for: Option<Markup>,
}

/// The data services that an app has the variables of.
pub fn app_services(of: &Context<'_>, served: &Served<'_>) -> askama::Result<String> {
    let t = of.texts();
    let app = served.app;
    let mut addons: Vec<_> = of.world.addons_of(Key::App(app.id)).collect();
    addons.sort_by(|a, b| a.name.cmp(&b.name));
    Page {
        shell: Shell::new(of, format!("{} {}", app.name, t.apps.tab_services).into()),
        head: Head::new(of, served, AppPart::Services),
        rows: addons.into_iter().map(|addon| row(of, served, addon)).collect(),
        create: command(
            t,
            &["heroku", "addons:create", "heroku-postgresql", &format!("--app {}", app.name)],
        ),
    }
    .render()
}

fn row(of: &Context<'_>, served: &Served<'_>, addon: &Addon) -> Row {
    let t = of.texts();
    let app = served.app;
    let state = match addon.state {
        AddonState::Provisioning => Sign::Move.with(t.apps.service_provisioning),
        AddonState::Provisioned => Sign::Ok.with(t.apps.service_provisioned),
        AddonState::Crashed => Sign::Bad.with(t.apps.service_crashed),
    };
    let address = of.world.eni_of(WorkloadId::Service(addon.id));
    let address = address.and_then(|eni| eni.addresses.first());
    let made_for = of.world.app(addon.app).filter(|owner| owner.id != app.id);
    let attachments = || addon.attachments_to(app.id);
    Row {
        name: addon.name.clone(),
        plan: addon.plan.name().to_string(),
        state,
        since: moment::ago(t, addon.updated, of.now),
        address: address.map_or_else(|| t.none.into(), mono),
        attached: listed(attachments().map(|(name, _)| mono(name))),
        variables: listed(attachments().flat_map(|(_, variables)| variables).map(mono)),
        made_for: made_for.map(|owner| fill(t.apps.shared_by, &[("app", strong(&owner.name))])),
    }
}
