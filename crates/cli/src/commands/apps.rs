//! Apps: what they are, their configuration and their names.

use anyhow::Context;
use api::{Dyno, Release};
use serde_json::{Value, json};

use super::confirm::confirm;
use super::print::{dyno_order, print_fields, print_members, rows, say, show, sort, table};
use super::{config, deploy, domains, dynos, overview, release};
use crate::arguments::Common;
use crate::arguments::apps::{App, AppCommand};
use crate::client::{As, Client, Parsed, segment};
use crate::output::Out;

pub(crate) fn run(command: AppCommand, out: &mut Out) -> anyhow::Result<()> {
    match command {
        AppCommand::Apps { all: true, space, common } => {
            overview::all_apps(space.as_deref(), &common, out)
        }
        AppCommand::Apps { all: false, space, common } => list(space.as_deref(), &common, out),
        AppCommand::AppsCreate { name, space, internal_routing, common } => {
            create(name, &space, internal_routing, &common, out)
        }
        AppCommand::AppsInfo(app) => info(&app.into(), out),
        AppCommand::AppsDestroy { confirm: given, app } => {
            let app = App::from(app);
            let client = app.client()?;
            // Nobody is asked about what is not there.
            client.get(&app.path(""))?;
            let warning = format!("This command will destroy {}, its dynos and its data", app.name);
            confirm(&warning, &app.name, given.as_deref(), out)?;
            let gone = client.delete(&app.path(""))?;
            say(&app.common, out, &gone, &format!("Destroying {}", app.name));
            Ok(())
        }
        AppCommand::Deploy { from, process, commit, no_wait, app } => {
            let deployment = deploy::Deployment { from, process, commit, wait: !no_wait };
            deploy::run(&deployment, &app, out)
        }
        AppCommand::Slugs { all, app } => {
            let mut list = app.client()?.get(&app.path("/slugs"))?;
            sort(&mut list, "created_at");
            if let Value::Array(slugs) = &mut list {
                slugs.retain(|slug| all || !slug["size"].is_null());
                slugs.reverse();
            }
            let fields = ["id", "size", "commit", "created_at"];
            table(&app.common, out, &list, &["ID", "Bytes", "Commit", "Created At"], &fields);
            Ok(())
        }
        AppCommand::Releases { num, app } => releases(num, &app, out),
        AppCommand::Rollback { release, app } => roll_back(release.as_deref(), &app, out),
        AppCommand::ReleasesInfo { release, shell, app } => {
            release_info(release.as_deref(), shell, &app, out)
        }
        AppCommand::ReleasesOutput { release: named, app } => {
            release::output(named.as_deref(), &app, out)
        }
        AppCommand::Config { shell, app } => config::list(shell, &app, out),
        AppCommand::ConfigGet { names, shell, app } => config::get(&names, shell, &app, out),
        AppCommand::ConfigEdit { name, yes, app } => config::edit(name.as_deref(), yes, &app, out),
        AppCommand::ConfigSet { variables, app } => {
            let names: Vec<String> = variables.iter().map(|(name, _)| name.clone()).collect();
            let changes = variables.into_iter().map(|(name, value)| (name, Value::String(value)));
            config::set("Setting", &names, &Value::Object(changes.collect()), &app, out)
        }
        AppCommand::ConfigUnset { names, app } => {
            let changes = names.iter().map(|name| (name.clone(), Value::Null)).collect();
            config::set("Unsetting", &names, &Value::Object(changes), &app, out)
        }
        AppCommand::Ps(app) => dynos::list(&app, out),
        AppCommand::PsScale { changes, app } => dynos::scale(&changes, &app, out),
        AppCommand::PsRestart { dyno, app } => dynos::restart(dyno.as_deref(), &app, out),
        AppCommand::PsStop { dyno, app } => dynos::stop(&dyno, &app, out),
        AppCommand::Run { size, env, tail, command, app } => {
            let run = dynos::OneOff { size, env, tail, command };
            dynos::start(&run, &app, out)
        }
        AppCommand::Domains(app) => domains::list(&app, out),
        AppCommand::DomainsAdd { hostname, app } => domains::add(&hostname, &app, out),
        AppCommand::DomainsInfo(domain) => domains::info(&domain, out),
        AppCommand::DomainsUpdate { cert, domain } => domains::update(&cert, &domain, out),
        AppCommand::DomainsWait { hostname, app } => domains::wait(hostname.as_deref(), &app, out),
        AppCommand::DomainsRemove(domain) => domains::remove(&domain, out),
        AppCommand::DomainsClear(app) => domains::clear(&app, out),
    }
}

impl App {
    /// A path below the app's own.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/apps/{}{rest}", segment(&self.name))
    }

    /// A client that asks as the user.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        self.common.connection.client(As::User)
    }
}

fn list(space: Option<&str>, common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let mut list = common.connection.client(As::User)?.get("/apps")?;
    if let (Some(space), Value::Array(apps)) = (space, &mut list) {
        apps.retain(|app| app["space"]["name"] == space || app["space"]["id"] == space);
    }
    sort(&mut list, "name");
    let fields = ["name", "space.name", "team.name", "web_url", "created_at"];
    table(common, out, &list, &["Name", "Space", "Team", "Web URL", "Created At"], &fields);
    Ok(())
}

fn create(
    name: Option<String>,
    space: &str,
    internal_routing: bool,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<()> {
    let mut body = json!({ "space": space, "internal_routing": internal_routing });
    if let Some(name) = name {
        body["name"] = name.into();
    }
    let made = common.connection.client(As::User)?.post("/teams/apps", &body)?;
    let name = show(&made["name"]);
    let text = format!(
        "Made app {name} in {space}, to be found at {}\nNext: causeway deploy --app {name} DIR",
        show(&made["web_url"])
    );
    say(common, out, &made, &text);
    Ok(())
}

fn info(app: &App, out: &mut Out) -> anyhow::Result<()> {
    let client = app.client()?;
    let found = client.get(&app.path(""))?;
    if app.common.json {
        out.json(&found);
        return Ok(());
    }
    let dynos = client.get(&app.path("/dynos"))?;
    let addons = client.get(&app.path("/addons"))?;
    out.line(format_args!("=== {}", show(&found["name"])));
    let mut dynos = Parsed::<Vec<Dyno>>::of(dynos)?.value;
    dynos.sort_by_cached_key(|dyno| dyno_order(&dyno.name));
    let dynos: Vec<_> = dynos.iter().map(|dyno| format!("{} {}", dyno.name, dyno.state)).collect();
    let addons = rows(&addons, &["name"]).concat();
    for (name, value) in [
        ("ID", show(&found["id"])),
        ("Web URL", show(&found["web_url"])),
        ("Internal", show(&found["internal_routing"])),
        ("Space", show(&found["space"]["name"])),
        ("Team", show(&found["team"]["name"])),
        ("Region", show(&found["region"]["name"])),
        ("Owner", show(&found["owner"]["email"])),
        ("Slug bytes", show(&found["slug_size"])),
        ("Released at", show(&found["released_at"])),
        ("Created at", show(&found["created_at"])),
        ("Dynos", dynos.join(", ")),
        ("Add-ons", addons.join(", ")),
    ] {
        out.line(format!("{:<13}{value}", format!("{name}:")).trim_end());
    }
    Ok(())
}

fn releases(num: u16, app: &App, out: &mut Out) -> anyhow::Result<()> {
    let range = format!("version ..; max={num},order=desc");
    let list = app.client()?.get_range(&app.path("/releases"), &range)?;
    if app.common.json {
        out.json(&list);
        return Ok(());
    }
    let row = |release: Release| {
        let status = if release.current { "current".to_owned() } else { release.status };
        let Release { version, description, user, created_at, .. } = release;
        vec![format!("v{version}"), status, description, user.email, created_at]
    };
    let rows: Vec<_> = Parsed::<Vec<Release>>::of(list)?.value.into_iter().map(row).collect();
    out.line(format_args!("=== {} Releases", app.name));
    out.table(&["Version", "Status", "Description", "By", "Created At"], &rows);
    Ok(())
}

/// A release, or the current one, with the config vars that it has.
fn release_info(
    release: Option<&str>,
    shell: bool,
    app: &App,
    out: &mut Out,
) -> anyhow::Result<()> {
    let client = app.client()?;
    let found = release::find(&client, release, app)?;
    let Parsed { value: found, json } = found;
    let path = app.path(&format!("/releases/{}/config-vars", found.version));
    let config = client.get(&path)?;
    if app.common.json {
        out.json(&json);
        return Ok(());
    }
    if shell {
        config::print_for_shell(&config, out);
        return Ok(());
    }
    let status = match &found.status_message {
        Some(why) => format!("{}: {why}", found.status),
        None => found.status,
    };
    let yes = if found.eligible_for_rollback { "yes" } else { "no" };
    out.line(format_args!("=== Release v{} of {}", found.version, app.name));
    let fields = [
        ("Change", found.description),
        ("Status", status),
        ("By", found.user.email),
        ("Created at", found.created_at),
        ("Add-ons", found.addon_plan_names.join(", ")),
        ("Code", found.slug.map(|slug| slug.id.to_string()).unwrap_or_default()),
        ("Rollback to", yes.to_owned()),
    ];
    print_fields(&app.common, out, &json, &fields);
    out.line("");
    out.line(format_args!("=== v{} Config Vars", found.version));
    print_members(&config, out);
    Ok(())
}

fn roll_back(release: Option<&str>, app: &App, out: &mut Out) -> anyhow::Result<()> {
    let client = app.client()?;
    let release = match release {
        Some(release) => release.to_owned(),
        None => previous(&client, app)?,
    };
    let body = json!({ "release": release });
    let made = Parsed::of(client.post(&app.path("/releases"), &body)?)?;
    let quiet = app.common.json;
    let done = release::follow(&client, app, made, |bytes| {
        if !quiet {
            out.text(String::from_utf8_lossy(bytes));
            out.flush();
        }
    })?;
    let text = format!("Rolling back {} to {release}... done, v{}", app.name, done.value.version);
    say(&app.common, out, &done.json, &text);
    Ok(())
}

/// The last release before the current one that has code.
fn previous(client: &Client, app: &App) -> anyhow::Result<String> {
    let list = client.get_range(&app.path("/releases"), "version ..; max=100,order=desc")?;
    let list = Parsed::<Vec<Release>>::of(list)?.value;
    let mut older = list.iter().skip_while(|release| !release.current);
    let found = older.by_ref().skip(1).find(|release| release.eligible_for_rollback);
    let found = found.with_context(|| {
        format!("{} has no earlier release with code; `causeway releases` lists all", app.name)
    })?;
    Ok(format!("v{}", found.version))
}
