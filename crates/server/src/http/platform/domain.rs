//! The names under which apps are served (`heroku.md` §1.4).

use std::sync::Arc;

use model::{App, Domain, PlatformCommand, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::app::app_ref;
use super::call::{Call, Outcome, as_made, created, list, ok};
use super::failure::Failure;
use super::identity::{derived_id, time};
use crate::apps::web::Web;
use crate::ledger::Committed;

/// Lists an app's own name and its custom domains.
pub(super) fn list_domains(call: &Call, app: &Arc<App>) -> Outcome {
    let custom = as_made(&app.domains, |(_, domain)| (domain.created, domain.id));
    let custom = custom.into_iter().map(|(name, domain)| view(&call.state.web, app, name, domain));
    list([own_view(call, app)].into_iter().chain(custom))
}

pub(super) fn one(call: &Call, app: &Arc<App>) -> Outcome {
    let identity = call.param("domain");
    let own = own_view(call, app);
    if own["hostname"] == identity || own["id"] == identity {
        return ok(own);
    }
    let (name, domain) = find(call, app)?;
    ok(view(&call.state.web, app, name, domain))
}

pub(super) fn add(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    let hostname = call.body.required_text("hostname")?.to_owned();
    if call.body.identity("sni_endpoint")?.is_some() {
        return Err(Failure::invalid(
            "Apps have no certificates of their own here: leave `sni_endpoint` out. The router's \
             certificate is the operator's.",
        ));
    }
    let name = hostname.trim_end_matches('.').to_ascii_lowercase();
    if call.state.web.domains.hold(&name) {
        return Err(Failure::invalid(format!(
            "{hostname} lies in the platform's own domain, where each app has the one name that it \
             was given. Add a name in a domain of your own, such as www.example.com."
        )));
    }
    Ok(PlatformCommand::AddDomain { app: app.id, hostname })
}

pub(super) fn added(call: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    let after = committed.after.app(app.id).ok_or_else(Failure::internal)?;
    let before = committed.before.app(app.id).unwrap_or(app);
    let mut new = after.domains.iter().filter(|(name, _)| !before.domains.contains_key(*name));
    let (name, domain) = new.next().ok_or_else(Failure::internal)?;
    created(view(&call.state.web, after, name, domain))
}

pub(super) fn remove(call: &Call, app: &Arc<App>) -> Result<PlatformCommand, Failure> {
    if call.state.web.domains.host(app) == call.param("domain") {
        return Err(Failure::invalid("The app's own name stays as long as the app does."));
    }
    Ok(PlatformCommand::RemoveDomain { app: app.id, domain: find(call, app)?.1.id })
}

pub(super) fn removed(call: &Call, app: &Arc<App>, committed: &Committed) -> Outcome {
    let before = committed.before.app(app.id).unwrap_or(app);
    let (name, domain) = find(call, before)?;
    ok(view(&call.state.web, before, name, domain))
}

/// Finds a custom domain by its name or its id.
fn find<'a>(call: &Call, app: &'a App) -> Result<(&'a str, &'a Domain), Failure> {
    let identity = call.param("domain").trim_end_matches('.').to_ascii_lowercase();
    let mut domains = app.domains.iter();
    let found = domains
        .find(|(name, domain)| **name == identity || identity.parse() == Ok(domain.id))
        .map(|(name, domain)| (name.as_str(), domain));
    found.ok_or_else(|| {
        let list = format!("domains --app {}", app.name);
        Failure::not_found("domain", "domain name").naming(call.param("domain"), &list)
    })
}

/// Shows a custom domain, whose DNS target is the app's own name.
pub(super) fn view(web: &Web, app: &App, name: &str, domain: &Domain) -> Value {
    let target = web.domains.host(app);
    show(app, domain.id.0, name, "custom", Some(&target), domain.created)
}

fn own_view(call: &Call, app: &App) -> Value {
    let host = call.state.web.domains.host(app);
    show(app, derived_id("domain", &app.id.to_string()), &host, "heroku", None, app.created)
}

/// Shows a domain with the status `none`, which tells clients that there is nothing to wait for.
fn show(
    app: &App,
    id: Uuid,
    hostname: &str,
    kind: &str,
    target: Option<&str>,
    created: Timestamp,
) -> Value {
    json!({
        "id": id,
        "hostname": hostname,
        "kind": kind,
        "cname": target,
        "status": "none",
        "acm_status": Value::Null,
        "acm_status_reason": Value::Null,
        "sni_endpoint": Value::Null,
        "app": app_ref(app),
        "created_at": time(created),
        "updated_at": time(created),
    })
}
