//! Data services.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use super::apps::{say, table};
use super::{confirm, show};
use crate::arguments::addons::AddonCommand;
use crate::arguments::apps::App;
use crate::client::{As, Client, part};
use crate::output::Out;

/// How long a data service may take to run.
const PATIENCE: Duration = Duration::from_secs(120);
const EVERY: Duration = Duration::from_millis(250);

pub fn run(command: AddonCommand, out: &mut Out) -> anyhow::Result<()> {
    match command {
        AddonCommand::Addons { app, common } => {
            let path =
                app.map_or("/addons".to_owned(), |app| format!("/apps/{}/addons", part(&app)));
            let list = common.connection.client(As::User)?.get(&path)?;
            let names = ["Name", "App", "Plan", "State", "Config Vars"];
            let fields = ["name", "app.name", "plan.name", "state", "config_vars"];
            table(&common, out, &list, &names, &fields);
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
        AddonCommand::AddonsInfo { addon, common } => {
            let client = common.connection.client(As::User)?;
            let found = client.get(&format!("/addons/{}", part(&addon)))?;
            if common.json {
                out.json(&found);
                return Ok(());
            }
            out.line(format_args!("=== {}", show(&found["name"])));
            for (name, value) in [
                ("ID", &found["id"]),
                ("Plan", &found["plan"]["name"]),
                ("App", &found["app"]["name"]),
                ("Config Vars", &found["config_vars"]),
                ("State", &found["state"]),
                ("Created at", &found["created_at"]),
            ] {
                out.line(format_args!("{:<13}{}", format!("{name}:"), show(value)));
            }
            Ok(())
        }
        AddonCommand::AddonsDestroy { addon, confirm: given, common } => {
            let client = common.connection.client(As::User)?;
            let found = client.get(&format!("/addons/{}", part(&addon)))?;
            let app = show(&found["app"]["name"]);
            let warning = format!("This command will destroy {addon} of {app}, and all its data");
            confirm(&warning, &app, given.as_deref(), out)?;
            let path = format!("/apps/{}/addons/{}", part(&app), part(&addon));
            let gone = client.delete(&path)?;
            say(&common, out, &gone, &format!("Destroying {addon} of {app}"));
            Ok(())
        }
    }
}

fn plans(client: &Client, service: Option<&str>) -> anyhow::Result<Value> {
    let services = match service {
        Some(service) => vec![service.to_owned()],
        None => super::rows(&client.get("/addon-services")?, &["name"]).concat(),
    };
    let mut all = Vec::new();
    for service in services {
        let plans = client.get(&format!("/addon-services/{}/plans", part(&service)))?;
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
            made = client.get(&format!("/addons/{}", part(&name)))?;
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
