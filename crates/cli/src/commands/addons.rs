//! Data services.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use super::confirm::confirm;
use super::print::{print_fields, rows, say, show, table};
use crate::arguments::addons::{Addon, AddonCommand};
use crate::arguments::apps::App;
use crate::client::{As, Client, segment};
use crate::output::Out;

/// How long a data service may take to run.
const PATIENCE: Duration = Duration::from_secs(120);
const EVERY: Duration = Duration::from_millis(250);

pub(crate) fn run(command: AddonCommand, out: &mut Out) -> anyhow::Result<()> {
    match command {
        AddonCommand::Addons { app, common } => {
            let path =
                app.map_or("/addons".to_owned(), |app| format!("/apps/{}/addons", segment(&app)));
            let list = common.connection.client(As::User)?.get(&path)?;
            let names = ["Name", "App", "Plan", "State", "Config Vars"];
            let fields = ["name", "app.name", "plan.name", "state", "config_vars"];
            table(&common, out, &list, &names, &fields);
            Ok(())
        }
        AddonCommand::AddonsServices(common) => {
            let list = common.connection.client(As::User)?.get("/addon-services")?;
            table(&common, out, &list, &["Service", "State"], &["name", "state"]);
            if !common.json {
                out.line("Their plans: causeway addons:plans SERVICE");
            }
            Ok(())
        }
        AddonCommand::AddonsPlans { service, common } => {
            let client = common.connection.client(As::User)?;
            let plans = plans(&client, service.as_deref())?;
            let fields = ["name", "description"];
            table(&common, out, &plans, &["Plan", "What It Is"], &fields);
            Ok(())
        }
        AddonCommand::AddonsCreate { plan, name, wait, app } => {
            create(&plan, name, wait, &app, out)
        }
        AddonCommand::AddonsAttach { addon, name, app } => {
            let mut body = json!({ "addon": addon, "app": app.name });
            if let Some(name) = name {
                body["name"] = name.into();
            }
            let made = app.client()?.post("/addon-attachments", &body)?;
            let text = format!(
                "Attached {} to {} as {}: {}",
                show(&made["addon"]["name"]),
                app.name,
                show(&made["name"]),
                show(&made["config_vars"])
            );
            say(&app.common, out, &made, &text);
            Ok(())
        }
        AddonCommand::AddonsDetach { attachment, app } => {
            let client = app.client()?;
            let path = app.path(&format!("/addon-attachments/{}", segment(&attachment)));
            let found = client.get(&path)?;
            let gone = client.delete(&format!("/addon-attachments/{}", show(&found["id"])))?;
            let text = format!(
                "Detached {} ({}) from {}",
                show(&gone["addon"]["name"]),
                show(&gone["name"]),
                app.name
            );
            say(&app.common, out, &gone, &text);
            Ok(())
        }
        AddonCommand::AddonsInfo(addon) => info(&addon, out),
        AddonCommand::AddonsDestroy { addon, confirm: given } => {
            let client = addon.common.connection.client(As::User)?;
            let found = find(&client, &addon)?;
            let (name, app) = (show(&found["name"]), show(&found["app"]["name"]));
            if let Some(named) = addon.app.as_ref().filter(|named| **named != app) {
                bail!(
                    "{name} belongs to {app}, not to {named}: detach it from {named} with `causeway \
                     addons:detach`"
                );
            }
            let warning = format!("This command will destroy {name} of {app}, and all its data");
            confirm(&warning, &app, given.as_deref(), out)?;
            let path = format!("/apps/{}/addons/{}", segment(&app), segment(&name));
            let gone = client.delete(&path)?;
            say(&addon.common, out, &gone, &format!("Destroying {name} of {app}"));
            Ok(())
        }
    }
}

/// Finds a data service by its name, or by the name that it has for an app.
fn find(client: &Client, addon: &Addon) -> anyhow::Result<Value> {
    let Some(app) = &addon.app else {
        return client.get(&format!("/addons/{}", segment(&addon.name)));
    };
    let body = json!({ "addon": addon.name, "app": app });
    let found = client.post("/actions/addons/resolve", &body)?;
    match found.as_array().map(Vec::as_slice) {
        Some([one]) => Ok(one.clone()),
        _ => {
            let names = rows(&found, &["name"]).concat().join(", ");
            bail!("several add-ons of {app} match: {names}. Name one of them")
        }
    }
}

fn info(addon: &Addon, out: &mut Out) -> anyhow::Result<()> {
    let client = addon.common.connection.client(As::User)?;
    let mut found = find(&client, addon)?;
    let path = format!("/addons/{}/addon-attachments", show(&found["id"]));
    let attachments = client.get(&path)?;
    let mut names: Vec<String> = rows(&attachments, &["app.name", "name"])
        .iter()
        .map(|attachment| attachment.join("::"))
        .collect();
    names.sort();
    let fields = [
        ("ID", show(&found["id"])),
        ("Plan", show(&found["plan"]["name"])),
        ("App", show(&found["app"]["name"])),
        ("Config Vars", show(&found["config_vars"])),
        ("Attached as", names.join(", ")),
        ("State", show(&found["state"])),
        ("Created at", show(&found["created_at"])),
    ];
    if !addon.common.json {
        out.line(format_args!("=== {}", show(&found["name"])));
    }
    found["attachments"] = attachments;
    print_fields(&addon.common, out, &found, &fields);
    Ok(())
}

fn plans(client: &Client, service: Option<&str>) -> anyhow::Result<Value> {
    let services = match service {
        Some(service) => vec![service.to_owned()],
        None => rows(&client.get("/addon-services")?, &["name"]).concat(),
    };
    let mut all = Vec::new();
    for service in services {
        let plans = client.get(&format!("/addon-services/{}/plans", segment(&service)))?;
        all.extend(plans.as_array().into_iter().flatten().cloned());
    }
    Ok(all.into())
}

fn create(
    plan: &str,
    name: Option<String>,
    wait: bool,
    app: &App,
    out: &mut Out,
) -> anyhow::Result<()> {
    let client = app.client()?;
    let mut body = json!({ "plan": plan });
    if let Some(name) = name {
        body["name"] = name.into();
    }
    let mut made = client.post(&app.path("/addons"), &body)?;
    let name = show(&made["name"]);
    if wait {
        let deadline = Instant::now() + PATIENCE;
        while made["state"] != "provisioned" {
            if Instant::now() >= deadline {
                bail!("{name} was made, but does not run after {PATIENCE:?}");
            }
            client.pause(EVERY);
            made = client.get(&format!("/addons/{}", segment(&name)))?;
        }
    }
    let text = format!(
        "Made {name} for {} as {}: {}",
        app.name,
        show(&made["config_vars"]),
        show(&made["state"])
    );
    say(&app.common, out, &made, &text);
    Ok(())
}
