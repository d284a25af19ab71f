//! Apps and dynos, as far as they go today.

use anyhow::bail;
use serde_json::{Value, json};

use super::{confirm, rows, show};
use crate::arguments::{Command, Common};
use crate::client::{As, part};
use crate::output::Out;

pub fn run(command: Command, out: &mut Out) -> anyhow::Result<()> {
    match command {
        Command::Apps(common) => {
            let list = common.connection.client(As::User)?.get("/apps")?;
            let fields = ["name", "space.name", "team.name", "created_at"];
            table(&common, out, &list, &["Name", "Space", "Team", "Created At"], &fields);
            Ok(())
        }
        Command::AppsCreate { name, space, common } => {
            let mut body = json!({ "space": space });
            if let Some(name) = name {
                body["name"] = name.into();
            }
            let made = common.connection.client(As::User)?.post("/teams/apps", &body)?;
            let name = show(&made["name"]);
            say(
                &common,
                out,
                &made,
                &format!("Made app {name} in {space}.\nNext: causeway run --app {name} -- COMMAND"),
            );
            Ok(())
        }
        Command::AppsDestroy { app, confirm: given, common } => {
            let warning = format!("This command will destroy {app} and its dynos");
            confirm(&warning, &app, given.as_deref(), out)?;
            let client = common.connection.client(As::User)?;
            let gone = client.delete(&format!("/apps/{}", part(&app)))?;
            say(&common, out, &gone, &format!("Destroying {app}"));
            Ok(())
        }
        Command::Ps { app, common } => {
            let client = common.connection.client(As::User)?;
            let list = client.get(&format!("/apps/{}/dynos", part(&app)))?;
            let fields = ["name", "state", "size", "command", "updated_at"];
            table(&common, out, &list, &["Name", "State", "Size", "Command", "Since"], &fields);
            Ok(())
        }
        Command::PsStop { dyno, app, common } => {
            let client = common.connection.client(As::User)?;
            let path = format!("/apps/{}/dynos/{}/actions/stop", part(&app), part(&dyno));
            let stopped = client.post(&path, &json!({}))?;
            say(&common, out, &stopped, &format!("Stopping {dyno} of {app}"));
            Ok(())
        }
        Command::Run { app, command, common } => {
            let client = common.connection.client(As::User)?;
            let body = json!({ "command": command.join(" "), "attach": false });
            let made = client.post(&format!("/apps/{}/dynos", part(&app)), &body)?;
            let name = show(&made["name"]);
            say(
                &common,
                out,
                &made,
                &format!(
                    "Running {} on {app}... {name}\n\
                 On the server's host: causeway exec {app}/{name} -- COMMAND, \
                 causeway logs {app}/{name}",
                    command.join(" ")
                ),
            );
            Ok(())
        }
        _ => bail!("this command is not about apps"),
    }
}

fn say(common: &Common, out: &mut Out, body: &Value, text: &str) {
    if common.json { out.json(body) } else { out.line(text) }
}

fn table(common: &Common, out: &mut Out, list: &Value, names: &[&str], fields: &[&str]) {
    if common.json { out.json(list) } else { out.table(names, &rows(list, fields)) }
}
