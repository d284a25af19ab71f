//! Data services, which clients know as add-ons (`heroku.md` §1.4).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Addon, AddonState, App, IdSource, Key, Plan, PlatformCommand, World};
use serde_json::{Value, json};

use super::app::app_ref;
use super::call::{Call, Outcome, as_made, created, list, ok};
use super::failure::Failure;
use super::identity::{derived_id, time};
use crate::clock::SystemIds;
use crate::ledger::Committed;

/// The `resource` of a 404, which the CLI distinguishes.
const RESOURCE: &str = "add_on";

pub(super) fn list_services(call: &Call, (): &()) -> Outcome {
    let since = call.state.settings().created;
    let services = call.state.plans.services();
    list(services.map(|(name, _)| service_view(name, &time(since))))
}

pub(super) fn service(call: &Call, (): &()) -> Outcome {
    let since = call.state.settings().created;
    let (name, _) = find_service(call)?;
    ok(service_view(name, &time(since)))
}

pub(super) fn list_plans(call: &Call, (): &()) -> Outcome {
    let (_, plans) = find_service(call)?;
    let since = time(call.state.settings().created);
    list(plans.iter().enumerate().map(|(n, plan)| plan_view(plan, n == 0, &since)))
}

pub(super) fn plan(call: &Call, (): &()) -> Outcome {
    let (named, since) = (call.param("plan"), time(call.state.settings().created));
    let views = call.state.plans.services().flat_map(|(_, plans)| {
        plans.iter().enumerate().map(|(n, plan)| plan_view(plan, n == 0, &since))
    });
    let service = call.param("service");
    let found = views.into_iter().find(|view| {
        let of = service.is_empty() || view["addon_service"]["name"] == service;
        let name = view["name"].as_str().unwrap_or_default();
        of && (name == named || name == format!("{service}:{named}") || view["id"] == named)
    });
    ok(found.ok_or_else(|| Failure::not_found("plan", "add-on plan"))?)
}

fn find_service(call: &Call) -> Result<(&str, &[Plan]), Failure> {
    let named = call.param("service");
    let same = |name: &str| name == named || derived_id("addon-service", name).to_string() == named;
    let found = call.state.plans.services().find(|(name, _)| same(name));
    found.ok_or_else(|| match call.state.plans.find(named) {
        Err(not_offered) => Failure::absent("addon-service", not_offered.0),
        Ok(_) => Failure::not_found("addon-service", "add-on service"),
    })
}

/// Lists the add-ons of all apps that the caller sees.
pub(super) fn list_all(call: &Call, (): &()) -> Outcome {
    list(every(call).into_iter().map(|(app, addon)| view(app, addon)))
}

/// Lists an app's own add-ons, and those of other apps that are attached to it.
pub(super) fn list_addons(call: &Call, app: &Arc<App>) -> Outcome {
    let addons = call.world.addons_of(Key::App(app.id));
    let addons = as_made(addons, |addon| (addon.created, addon.id)).into_iter();
    list(addons.filter_map(|addon| Some(view(call.world.app(addon.app)?, addon))))
}

pub(super) fn info(call: &Call, addon: &Arc<Addon>) -> Outcome {
    ok(view(app_of(&call.world, addon)?, addon))
}

pub(super) fn of_app(call: &Call, app: &Arc<App>) -> Outcome {
    let addon = call.addon(call.param("addon"))?;
    if addon.attachments_to(app.id).next().is_none() {
        return Err(not_of(app, call.param("addon")));
    }
    ok(view(app_of(&call.world, &addon)?, &addon))
}

/// The add-ons of all apps that the caller sees, in the order of their creation.
fn every(call: &Call) -> Vec<(&Arc<App>, &Arc<Addon>)> {
    let apps = call.apps().into_iter();
    let addons = apps
        .flat_map(|app| call.world.addons_of(Key::App(app.id)).map(move |addon| (app, addon)))
        .filter(|(app, addon)| addon.app == app.id);
    as_made(addons, |(_, addon)| (addon.created, addon.id))
}

/// Finds add-ons by what a user has typed: an id or a name, and within an app also a plan, a
/// service or an attachment.
pub(super) fn resolve(call: &Call, (): &()) -> Outcome {
    let body = &call.body;
    let (named, service) = (body.required_text("addon")?, body.identity("addon_service")?);
    let app = body.identity("app")?.map(|app| call.app(app)).transpose()?;
    let mut exact = Vec::new();
    let mut loose = Vec::new();
    for (of, addon) in every(call) {
        if service.is_some_and(|service| addon.plan.service != service) {
            continue;
        }
        if addon.name == named || named.parse() == Ok(addon.id) {
            exact.push(view(of, addon));
        } else if app.as_ref().is_some_and(|app| is_called(app, addon, named)) {
            loose.push(view(of, addon));
        }
    }
    let found = if exact.is_empty() { loose } else { exact };
    if found.is_empty() {
        let list = app.map_or("addons".to_owned(), |app| format!("addons --app {}", app.name));
        return Err(Failure::not_found(RESOURCE, "add-on").naming(named, &list));
    }
    list(found)
}

/// Whether an app has an add-on that the typed text may mean there.
fn is_called(app: &App, addon: &Addon, named: &str) -> bool {
    let same = |text: &str| text.eq_ignore_ascii_case(named);
    let of_plan = same(&addon.plan.service) || same(&addon.plan.name());
    addon.attachments_to(app.id).any(|(name, variables)| {
        of_plan || same(name) || variables.iter().any(|variable| same(variable))
    })
}

pub(super) fn create(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    let body = &call.body;
    let Some(named) = body.identity("plan")? else {
        return Err(Failure::invalid("`plan` must be given, such as heroku-postgresql."));
    };
    let plans = &call.state.plans;
    let by_id = plans.all().iter().find(|p| derived_id("plan", &p.name()).to_string() == named);
    let plan = match by_id {
        Some(plan) => plan,
        None => plans.find(named).map_err(|error| Failure::absent("plan", error.0))?,
    };
    if let Some(root) = &call.state.programs
        && let Some(what) = crate::apps::plans::missing(plan, root)
    {
        return Err(Failure::invalid(format!(
            "{} cannot run here yet: this machine lacks {what}. `causeway doctor` says what it has.",
            plan.name()
        )));
    }
    let attachment = body.object("attachment")?;
    if attachment.text("name")?.is_some() {
        return Err(Failure::invalid(
            "An add-on's first attachment is named by its plan here: leave `--as` out, and \
             attach it under a further name with `addons:attach ADDON --app APP --as NAME`.",
        ));
    }
    if let Some(option) = body.object("config")?.first_field() {
        return Err(Failure::invalid(format!(
            "The add-on takes no options; leave `--{option}` out."
        )));
    }
    Ok(PlatformCommand::CreateAddon {
        app: app.id,
        plan: plan.clone().into(),
        name: body.text("name")?.map(str::to_owned),
        password: fresh_password(&mut SystemIds),
    })
}

/// A password of 32 characters that need no escaping in a URL.
fn fresh_password(ids: &mut dyn IdSource) -> String {
    let bytes = [ids.next_bits().to_be_bytes(), ids.next_bits().to_be_bytes()].concat();
    // 24 bytes are 32 characters of six bits.
    URL_SAFE_NO_PAD.encode(&bytes[..24])
}

pub(super) fn made(_: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    let Some(Key::Addon(id)) = committed.reply.main() else { return Err(Failure::internal()) };
    let addon = committed.after.addon(id).ok_or_else(Failure::internal)?;
    created(view(app, addon))
}

pub(super) fn delete(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    Ok(PlatformCommand::DeleteAddon { addon: find(call, app)?.id })
}

/// Shows the last state of a deleted add-on, as the CLI expects.
pub(super) fn deleted(call: &Call, app: &Arc<App>, _: &Committed) -> Outcome {
    let addon = find(call, app)?;
    let mut last = view(app, &addon);
    last["state"] = "deprovisioned".into();
    ok(last)
}

/// Finds the add-on that the path names, if it belongs to the app.
fn find(call: &Call, app: &App) -> Result<Arc<Addon>, Failure> {
    let addon = call.addon(call.param("addon"))?;
    if addon.app == app.id {
        return Ok(addon);
    }
    match (addon.attachments_to(app.id).next(), call.world.app(addon.app)) {
        (Some((name, _)), Some(owner)) => Err(Failure::invalid(format!(
            "{} was made for the app {}, and is only attached to {}: take it from there with \
             `addons:detach {name} --app {}`.",
            addon.name, owner.name, app.name, app.name
        ))),
        _ => Err(not_of(app, call.param("addon"))),
    }
}

fn not_of(app: &App, named: &str) -> Failure {
    let list = format!("addons --app {}", app.name);
    Failure::not_found(RESOURCE, "add-on").naming(named, &list)
}

fn app_of<'a>(world: &'a World, addon: &Addon) -> Result<&'a Arc<App>, Failure> {
    world.app(addon.app).ok_or_else(|| Failure::not_found(RESOURCE, "add-on"))
}

fn service_view(name: &str, since: &str) -> Value {
    json!({
        "id": derived_id("addon-service", name),
        "name": name,
        "human_name": name,
        "cli_plugin_name": Value::Null,
        "state": "ga",
        "supports_multiple_installations": true,
        "supports_sharing": true,
        "created_at": since,
        "updated_at": since,
    })
}

fn service_ref(plan: &Plan) -> Value {
    json!({
        "id": derived_id("addon-service", &plan.service),
        "name": plan.service,
        "human_name": plan.service,
    })
}

/// Everything is free.
fn price() -> Value {
    json!({ "cents": 0, "contract": false, "metered": false, "unit": "month" })
}

pub(super) fn plan_ref(plan: &Plan) -> Value {
    json!({
        "id": derived_id("plan", &plan.name()),
        "name": plan.name(),
        "human_name": plan.plan,
        "description": plan.description,
        "price": price(),
    })
}

fn plan_view(plan: &Plan, default: bool, since: &str) -> Value {
    let mut view = plan_ref(plan);
    for (name, value) in [
        ("addon_service", service_ref(plan)),
        ("compliance", Value::Null),
        ("default", default.into()),
        ("installable_inside_private_network", true.into()),
        ("installable_outside_private_network", false.into()),
        ("space_default", default.into()),
        ("state", "ga".into()),
        ("visible", true.into()),
        ("created_at", since.into()),
        ("updated_at", since.into()),
    ] {
        view[name] = value;
    }
    view
}

/// Shows an add-on. One that failed and is about to be restarted is `provisioning`, since clients
/// know no better word.
pub(super) fn view(app: &App, addon: &Addon) -> Value {
    let state = match addon.state {
        AddonState::Provisioned => "provisioned",
        AddonState::Provisioning | AddonState::Crashed => "provisioning",
    };
    json!({
        "id": addon.id,
        "name": addon.name,
        "actions": [],
        "addon_service": service_ref(&addon.plan),
        "app": app_ref(app),
        "billed_price": price(),
        "billing_entity": { "id": app.id, "name": app.name, "type": "app" },
        "config_vars": addon.variables,
        "plan": plan_ref(&addon.plan),
        "provider_id": addon.id,
        "state": state,
        "web_url": Value::Null,
        "created_at": time(addon.created),
        "updated_at": time(addon.updated),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_may_stand_in_addresses_and_are_no_two_alike() {
        let made: std::collections::BTreeSet<String> =
            (0..100).map(|_| fresh_password(&mut SystemIds)).collect();
        assert_eq!(made.len(), 100);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(made.iter().all(|password| password.len() == 32 && password.chars().all(plain)));
    }
}
