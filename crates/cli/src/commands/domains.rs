//! The names under which apps are served.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use super::print::{print_fields, say, show, table};
use crate::arguments::apps::{App, Domain};
use crate::client::{Client, segment};
use crate::output::Out;

/// How long a name may take to be served.
const PATIENCE: Duration = Duration::from_secs(600);
const EVERY: Duration = Duration::from_secs(1);

impl Domain {
    fn path(&self) -> String {
        self.app.path(&format!("/domains/{}", segment(&self.hostname)))
    }
}

pub(crate) fn list(app: &App, out: &mut Out) -> anyhow::Result<()> {
    let list = app.client()?.get(&app.path("/domains"))?;
    let fields = ["hostname", "kind", "cname"];
    table(&app.common, out, &list, &["Domain Name", "Kind", "DNS Target"], &fields);
    Ok(())
}

pub(crate) fn add(hostname: &str, app: &App, out: &mut Out) -> anyhow::Result<()> {
    let body = json!({ "hostname": hostname });
    let added = app.client()?.post(&app.path("/domains"), &body)?;
    let text = format!(
        "Serving {} under {}.\nNext: have that name lead to {}.",
        app.name,
        show(&added["hostname"]),
        show(&added["cname"])
    );
    say(&app.common, out, &added, &text);
    Ok(())
}

pub(crate) fn info(domain: &Domain, out: &mut Out) -> anyhow::Result<()> {
    let found = domain.app.client()?.get(&domain.path())?;
    let fields = [
        ("Domain Name", show(&found["hostname"])),
        ("ID", show(&found["id"])),
        ("App", show(&found["app"]["name"])),
        ("Kind", show(&found["kind"])),
        ("DNS Target", show(&found["cname"])),
        ("Status", show(&found["status"])),
        ("Created at", show(&found["created_at"])),
    ];
    print_fields(&domain.app.common, out, &found, &fields);
    Ok(())
}

pub(crate) fn update(cert: &str, domain: &Domain, out: &mut Out) -> anyhow::Result<()> {
    let body = json!({ "sni_endpoint": cert });
    let updated = domain.app.client()?.patch(&domain.path(), &body)?;
    let text = format!("{} has the certificate {cert}", domain.hostname);
    say(&domain.app.common, out, &updated, &text);
    Ok(())
}

/// Waits for what a server has still to do, which ours never has.
pub(crate) fn wait(hostname: Option<&str>, app: &App, out: &mut Out) -> anyhow::Result<()> {
    let client = app.client()?;
    let path = match hostname {
        Some(hostname) => app.path(&format!("/domains/{}", segment(hostname))),
        None => app.path("/domains"),
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = client.get(&path)?;
        let all = found.as_array().map_or(std::slice::from_ref(&found), Vec::as_slice);
        let status = |wanted: &str| all.iter().find(|domain| domain["status"] == wanted);
        if let Some(failed) = status("failed") {
            bail!("{} of {} failed", show(&failed["hostname"]), app.name);
        }
        let Some(pending) = status("pending") else {
            let names = all.iter().map(|domain| show(&domain["hostname"])).collect::<Vec<_>>();
            let text = format!("{} is served under {}", app.name, names.join(", "));
            say(&app.common, out, &found, &text);
            return Ok(());
        };
        if Instant::now() >= deadline {
            bail!("{} is not served after {PATIENCE:?}", show(&pending["hostname"]));
        }
        client.pause(EVERY);
    }
}

pub(crate) fn remove(domain: &Domain, out: &mut Out) -> anyhow::Result<()> {
    let gone = domain.app.client()?.delete(&domain.path())?;
    let text = format!("Removing {} from {}", domain.hostname, domain.app.name);
    say(&domain.app.common, out, &gone, &text);
    Ok(())
}

pub(crate) fn clear(app: &App, out: &mut Out) -> anyhow::Result<()> {
    let client: Client = app.client()?;
    let list = client.get(&app.path("/domains"))?;
    let custom = list.as_array().into_iter().flatten().filter(|name| name["kind"] == "custom");
    let mut gone = Vec::new();
    for domain in custom {
        let name = segment(&show(&domain["hostname"]));
        gone.push(client.delete(&app.path(&format!("/domains/{name}")))?);
    }
    let names = gone.iter().map(|domain| show(&domain["hostname"])).collect::<Vec<_>>();
    let text = match names.is_empty() {
        true => format!("{} has no name but its own", app.name),
        false => format!("Removing {} from {}", names.join(", "), app.name),
    };
    say(&app.common, out, &Value::Array(gone), &text);
    Ok(())
}
