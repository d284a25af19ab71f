//! What happens to an app and its parts, as Heroku's webhooks of the app are told it.
//!
//! It is kept only for the webhooks that there are at that time: an app without any costs nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::resource::{Addon, App, Dyno, Release, Webhook, WebhookOwner};
use crate::{AddonId, AppEntity, AppId, Change, DynoId, Record, ReleaseId, WebhookId, World};

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppAction {
    /// It is new.
    Create,
    /// It is another than before.
    Update,
    /// It is gone.
    Destroy,
}

/// The thing that it happened to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AppPart {
    /// An add-on.
    Addon(AddonId),
    /// An attachment, by its add-on and its name in the app.
    AddonAttachment(AddonId, String),
    /// The app.
    App,
    /// A custom domain, by its name.
    Domain(String),
    /// A dyno.
    Dyno(DynoId),
    /// A process type.
    Formation(String),
    /// A release.
    Release(ReleaseId),
}

impl AppPart {
    /// What it is.
    pub const fn entity(&self) -> AppEntity {
        match self {
            Self::Addon(_) => AppEntity::Addon,
            Self::AddonAttachment(..) => AppEntity::AddonAttachment,
            Self::App => AppEntity::App,
            Self::Domain(_) => AppEntity::Domain,
            Self::Dyno(_) => AppEntity::Dyno,
            Self::Formation(_) => AppEntity::Formation,
            Self::Release(_) => AppEntity::Release,
        }
    }
}

/// Something that happened to an app or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppChange {
    /// The app.
    pub app: AppId,
    /// What it happened to.
    pub part: AppPart,
    /// What happened.
    pub action: AppAction,
    /// The webhooks that are told.
    pub hooks: Vec<WebhookId>,
}

/// What happened to apps by the changes between two worlds that a webhook is to be told, in the order
/// of the changes.
pub fn app_changes(before: &World, after: &World, changes: &[Change]) -> Vec<AppChange> {
    let mut hooks: BTreeMap<AppId, Vec<&Webhook>> = BTreeMap::new();
    for hook in after.webhooks() {
        if let WebhookOwner::App(app) = hook.owner {
            hooks.entry(app).or_default().push(hook);
        }
    }
    if hooks.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for key in changes.iter().map(Change::key).filter(|key| seen.insert(*key)) {
        match (before.get(key), after.get(key)) {
            (Some(Record::App(old)), Some(Record::App(new))) => app_steps(old, new, &mut found),
            (old, Some(Record::Release(new))) => {
                let old = old.and_then(|old| match old {
                    Record::Release(old) => Some(&**old),
                    _ => None,
                });
                let action = release_step(old, new);
                found.extend(action.map(|action| (new.app, AppPart::Release(new.id), action)));
            }
            (Some(Record::Dyno(old)), new) => {
                let new = match new {
                    Some(Record::Dyno(new)) => Some(&**new),
                    _ => None,
                };
                let action = dyno_step(old, new);
                found.extend(action.map(|action| (old.app, AppPart::Dyno(old.id), action)));
            }
            (None, Some(Record::Dyno(new))) => {
                found.push((new.app, AppPart::Dyno(new.id), AppAction::Create));
            }
            (old @ (None | Some(Record::Addon(_))), new @ (None | Some(Record::Addon(_)))) => {
                let addon = |record: Option<&'_ Record>| match record {
                    Some(Record::Addon(addon)) => Some(std::sync::Arc::clone(addon)),
                    _ => None,
                };
                addon_steps(addon(old).as_deref(), addon(new).as_deref(), &mut found);
            }
            _ => {}
        }
    }
    let told = |(app, part, action): (AppId, AppPart, AppAction)| {
        let includes = |hook: &&&Webhook| hook.entities().contains(&part.entity());
        let hooks: Vec<_> = hooks.get(&app)?.iter().filter(includes).map(|hook| hook.id).collect();
        (!hooks.is_empty()).then_some(AppChange { app, part, action, hooks })
    };
    found.into_iter().filter_map(told).collect()
}

type Found = Vec<(AppId, AppPart, AppAction)>;

fn app_steps(old: &App, new: &App, found: &mut Found) {
    let id = new.id;
    if old.release != new.release || old.team != new.team || old.space != new.space {
        found.push((id, AppPart::App, AppAction::Update));
    }
    let types: BTreeSet<_> = old.formation.keys().chain(new.formation.keys()).collect();
    for process_type in types {
        let of = |app: &App| app.formation.get(process_type).map(|it| (it.quantity, it.size));
        let action = step(of(old), of(new));
        found.extend(action.map(|it| (id, AppPart::Formation(process_type.clone()), it)));
    }
    let domains: BTreeSet<_> = old.domains.keys().chain(new.domains.keys()).collect();
    for name in domains {
        let of = |app: &App| app.domains.get(name).map(|it| it.id);
        let action = step(of(old), of(new));
        found.extend(action.map(|action| (id, AppPart::Domain(name.clone()), action)));
    }
}

fn release_step(old: Option<&Release>, new: &Release) -> Option<AppAction> {
    match old {
        None => Some(AppAction::Create),
        Some(old) => (old.status != new.status).then_some(AppAction::Update),
    }
}

/// A dyno that has ended for good is gone to whoever is told, though it is kept for its log.
fn dyno_step(old: &Dyno, new: Option<&Dyno>) -> Option<AppAction> {
    let was = old.is_live();
    match new.filter(|new| new.is_live()) {
        None => was.then_some(AppAction::Destroy),
        Some(new) => (old.state.name() != new.state.name()).then_some(AppAction::Update),
    }
}

fn addon_steps(old: Option<&Addon>, new: Option<&Addon>, found: &mut Found) {
    let Some(either) = new.or(old) else { return };
    let action = step(old.map(|it| it.state), new.map(|it| it.state));
    found.extend(action.map(|action| (either.app, AppPart::Addon(either.id), action)));
    let attachments = |addon: Option<&Addon>| -> BTreeSet<(AppId, String)> {
        let Some(addon) = addon else { return BTreeSet::new() };
        let others = addon.attachments.iter().map(|it| (it.app, it.name.clone()));
        others.chain([(addon.app, addon.own_attachment().to_owned())]).collect()
    };
    let (old, new) = (attachments(old), attachments(new));
    let of = |(app, name): &(AppId, String), action| {
        (*app, AppPart::AddonAttachment(either.id, name.clone()), action)
    };
    found.extend(new.difference(&old).map(|it| of(it, AppAction::Create)));
    found.extend(old.difference(&new).map(|it| of(it, AppAction::Destroy)));
}

fn step<T: PartialEq>(old: Option<T>, new: Option<T>) -> Option<AppAction> {
    match (old, new) {
        (None, Some(_)) => Some(AppAction::Create),
        (Some(_), None) => Some(AppAction::Destroy),
        (Some(old), Some(new)) if old != new => Some(AppAction::Update),
        _ => None,
    }
}

/// An app, as parties of events have it.
pub fn party_of_app(id: AppId) -> String {
    format!("app/{id}")
}

/// A webhook of an app, as parties of events have it.
pub fn party_of_hook(id: WebhookId) -> String {
    format!("hook/{id}")
}
