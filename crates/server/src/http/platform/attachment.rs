//! Attachments of data services to apps (`heroku.md` §1.4).

use std::sync::Arc;

use model::{Addon, App, Key, Plan, PlatformCommand, Timestamp, World};
use serde_json::{Value, json};
use uuid::Uuid;

use super::addon::plan_ref;
use super::app::app_ref;
use super::call::{Call, Outcome, created, list, ok};
use super::failure::Failure;
use super::identity::{derived_id, time};
use crate::ledger::Committed;

/// The `resource` of a 404, which the CLI distinguishes.
const RESOURCE: &str = "add_on attachment";

/// An attachment of a data service to an app, with its name there.
pub(super) struct Attachment {
    id: Uuid,
    app: Arc<App>,
    pub(super) addon: Arc<Addon>,
    /// The app that owns the service.
    owner: Arc<App>,
    pub(super) name: String,
    variables: Vec<String>,
    created: Timestamp,
}

impl Attachment {
    /// Whether typed text may mean this attachment: its id, `app::name`, or its name within the
    /// app.
    fn is_called(&self, named: &str, app: Option<&App>) -> bool {
        let here = app.is_some_and(|app| app.id == self.app.id);
        match named.split_once("::") {
            Some((app, name)) => self.app.name == app && self.name.eq_ignore_ascii_case(name),
            None => named.parse() == Ok(self.id) || (here && self.name.eq_ignore_ascii_case(named)),
        }
    }
}

/// All attachments of a data service, beginning with that of its owner.
fn of_addon(world: &World, addon: &Arc<Addon>) -> Vec<Attachment> {
    let Some(owner) = world.app(addon.app) else { return Vec::new() };
    let attachment =
        |app: &Arc<App>, name: &str, key: String, variables: &[String], created| Attachment {
            id: derived_id("attachment", &key),
            app: Arc::clone(app),
            addon: Arc::clone(addon),
            owner: Arc::clone(owner),
            name: name.to_owned(),
            variables: variables.to_owned(),
            created,
        };
    let own = addon.own_attachment();
    let own = attachment(owner, own, addon.id.to_string(), &addon.variables, addon.created);
    let others = addon.attachments.iter().filter_map(|other| {
        let app = world.app(other.app)?;
        let key = format!("{}/{}/{}", addon.id, app.id, other.name);
        Some(attachment(app, &other.name, key, &other.variables, other.created))
    });
    std::iter::once(own).chain(others).collect()
}

/// All attachments of an app.
pub(super) fn of_app(world: &World, app: &App) -> Vec<Attachment> {
    let all = world.addons_of(Key::App(app.id)).flat_map(|addon| of_addon(world, addon));
    all.filter(|attachment| attachment.app.id == app.id).collect()
}

/// The attachments of all apps that the caller sees.
fn every(call: &Call) -> impl Iterator<Item = Attachment> {
    call.apps().into_iter().flat_map(|app| of_app(&call.world, app))
}

pub(super) fn list_all(call: &Call, (): &()) -> Outcome {
    list(every(call).map(|attachment| view(&attachment)))
}

pub(super) fn list_of_app(call: &Call, app: &Arc<App>) -> Outcome {
    list(of_app(&call.world, app).iter().map(view))
}

pub(super) fn list_of_addon(call: &Call, addon: &Arc<Addon>) -> Outcome {
    let all = of_addon(&call.world, addon).into_iter();
    list(
        all.filter(|attachment| call.sees_app(&attachment.app)).map(|attachment| view(&attachment)),
    )
}

/// Finds the attachment that the path names, in any app that the caller sees.
pub(super) fn find(call: &Call) -> Result<Attachment, Failure> {
    let named = call.param("attachment");
    every(call).find(|attachment| attachment.is_called(named, None)).ok_or_else(|| not_found(named))
}

pub(super) fn info(_: &Call, attachment: &Attachment) -> Outcome {
    ok(view(attachment))
}

pub(super) fn of_app_info(call: &Call, app: &Arc<App>) -> Outcome {
    let named = call.param("attachment");
    let mut all = of_app(&call.world, app).into_iter();
    let found = all.find(|attachment| attachment.is_called(named, Some(app)));
    ok(view(&found.ok_or_else(|| not_found(named))?))
}

fn not_found(named: &str) -> Failure {
    Failure::not_found(RESOURCE, "add-on attachment").naming(named, "addons")
}

/// Finds attachments by what a user has typed.
pub(super) fn resolve(call: &Call, (): &()) -> Outcome {
    let body = &call.body;
    let (named, service) =
        (body.required_text("addon_attachment")?, body.identity("addon_service")?);
    let app = body.identity("app")?.map(|app| call.app(app)).transpose()?;
    let of_service = |a: &Attachment| service.is_none_or(|service| a.addon.plan.service == service);
    let found: Vec<Value> = every(call)
        .filter(|a| of_service(a) && a.is_called(named, app.as_deref()))
        .map(|attachment| view(&attachment))
        .collect();
    if found.is_empty() { Err(not_found(named)) } else { list(found) }
}

pub(super) fn attach(call: &Call, (): &()) -> Result<PlatformCommand, Failure> {
    let body = &call.body;
    let missing = |field: &str| Failure::invalid(format!("`{field}` must be given."));
    let addon = call.addon(body.identity("addon")?.ok_or_else(|| missing("addon"))?)?;
    let app = call.app(body.identity("app")?.ok_or_else(|| missing("app"))?)?;
    if body.text("namespace")?.is_some() {
        return Err(Failure::invalid(
            "Data services have the one credential that they were made with here: leave \
             `--credential` out.",
        ));
    }
    let name = body.text("name")?.map(str::to_owned);
    Ok(PlatformCommand::AttachAddon { addon: addon.id, app: app.id, name })
}

pub(super) fn attached(_: &Call, (): &(), committed: &Committed) -> Outcome {
    let Some(Key::Addon(id)) = committed.reply.main() else { return Err(Failure::internal()) };
    let all = |world: &World| world.addon(id).map(|addon| of_addon(world, addon));
    let before = all(&committed.before).unwrap_or_default();
    let after = all(&committed.after).unwrap_or_default();
    let is_new = |attachment: &&Attachment| before.iter().all(|old| old.id != attachment.id);
    let made = after.iter().find(is_new).ok_or_else(Failure::internal)?;
    created(view(made))
}

pub(super) fn detach(_: &Call, attachment: &Attachment) -> Result<PlatformCommand, Failure> {
    Ok(PlatformCommand::DetachAddon {
        addon: attachment.addon.id,
        app: attachment.app.id,
        name: attachment.name.clone(),
    })
}

pub(super) fn detached(_: &Call, attachment: &Attachment, _: &Committed) -> Outcome {
    ok(view(attachment))
}

/// The plan in an attachment, under the name of a private plan. The `heroku` command connects to a
/// data service from the user's machine, where the service's private address does not exist or
/// belongs to somebody else. For a private plan it first asks the server for a tunnel, and gets an
/// explanation. Only attachments are read for this; the add-on has its real name.
fn private(plan: &Plan) -> Value {
    const PRIVATE: &str = "private";
    let mut shown = plan_ref(plan);
    if !plan.plan.starts_with(PRIVATE) {
        shown["name"] = format!("{}:{PRIVATE}-{}", plan.service, plan.plan).into();
    }
    shown
}

pub(super) fn view(attachment: &Attachment) -> Value {
    let Attachment { id, app, addon, owner, name, variables, created } = attachment;
    json!({
        "id": id,
        "name": name,
        "addon": {
            "id": addon.id,
            "name": addon.name,
            "app": app_ref(owner),
            "plan": private(&addon.plan),
        },
        "app": app_ref(app),
        "config_vars": variables,
        "log_input_url": Value::Null,
        "namespace": Value::Null,
        "web_url": Value::Null,
        "created_at": time(*created),
        "updated_at": time(*created),
    })
}
