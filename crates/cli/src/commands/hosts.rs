//! Hosts: what runs where, and which are to be emptied.

use hyper::Method;

use super::confirm::confirm;
use super::print::{print_fields, say};
use crate::arguments::Common;
use crate::arguments::hosts::{HostCommand, NamedHost};
use crate::client::{As, segment};
use crate::output::Out;

const HOSTS: &str = "/_causeway/hosts";

/// Does what a command about hosts says.
///
/// # Errors
///
/// What the server refused, and what was not confirmed.
pub(super) fn run(command: HostCommand, out: &mut Out) -> anyhow::Result<()> {
    match command {
        HostCommand::Hosts { common } => list(&common, out),
        HostCommand::HostsInfo(host) => info(&host, out),
        HostCommand::HostsDrain(host) => change(&host, "drain", out),
        HostCommand::HostsUndrain(host) => change(&host, "undrain", out),
        HostCommand::HostsRemove { host, force, confirm } => {
            remove(&host, force, confirm.as_deref(), out)
        }
    }
}

fn list(common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let client = common.connection.client(As::Operator)?;
    let all: api::Hosts = client.read(HOSTS)?;
    if common.json {
        out.json(&all);
        return Ok(());
    }
    if all.hosts.is_empty() {
        out.line(
            "There are no hosts: everything runs on the server's machine, or with --fabric ovn waits for one. \
             `causeway host:init` and `host:token` say how one joins.",
        );
        return Ok(());
    }
    let row = |host: &api::Host| {
        vec![
            host.name.clone(),
            host.state.clone(),
            host.zone.clone(),
            host.connected_since.clone().unwrap_or_default(),
            release(host, &all.version),
            memory(host),
            host.dynos.to_string(),
            host.services.to_string(),
            host.instances.to_string(),
        ]
    };
    let rows: Vec<_> = all.hosts.iter().map(row).collect();
    let titles = [
        "Host",
        "State",
        "Zone",
        "Connected",
        "Version",
        "Memory",
        "Dynos",
        "Services",
        "Instances",
    ];
    out.table(&titles, &rows);
    let others = all.hosts.iter().filter(|host| is_of_another(host, &all.version));
    let others: Vec<_> = others.map(|host| host.name.as_str()).collect();
    if !others.is_empty() {
        out.line("");
        out.line(format_args!(
            "The agents of {} are of another release than the server ({}). Neighbouring releases work \
             together; upgrade servers first, and then hosts one after another.",
            others.join(", "),
            all.version
        ));
    }
    if !all.waiting.is_empty() {
        out.line("");
        let rows: Vec<_> =
            all.waiting.iter().map(|it| vec![it.name.clone(), it.reason.clone()]).collect();
        out.table(&["Waiting", "Why"], &rows);
    }
    Ok(())
}

fn info(NamedHost { host, common }: &NamedHost, out: &mut Out) -> anyhow::Result<()> {
    let client = common.connection.client(As::Operator)?;
    let found: api::HostDetails = client.read(&path(host))?;
    let host = &found.host;
    let labels: Vec<_> =
        host.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut fields = vec![
        ("Host", host.name.clone()),
        ("Id", host.id.clone()),
        ("State", host.state.clone()),
        ("Zone", host.zone.clone()),
        ("Address", host.address.clone()),
        ("Memory", memory(host)),
        ("Processors", host.cpus.to_string()),
        ("Labels", labels.join(", ")),
        ("Joined", host.created_at.clone()),
        (
            "Connected since",
            host.connected_since.clone().unwrap_or_else(|| "not connected".to_owned()),
        ),
        ("Last heard", host.last_heard.clone()),
        ("Version", host.version.clone()),
    ];
    fields.extend(host.lost_since.clone().map(|since| ("Lost since", since)));
    print_fields(common, out, &found, &fields);
    if common.json {
        return Ok(());
    }
    for (what, why) in &found.failing {
        out.line(format_args!("PROBLEM {what}: {why}"));
    }
    if found.workloads.is_empty() {
        return Ok(());
    }
    out.line("");
    let row = |it: &api::HostedWorkload| {
        let pinned = match (it.pinned, it.fenced) {
            (true, _) => "stays",
            (false, true) => "fence-stop",
            (false, false) => "",
        };
        let memory = gib(it.memory);
        vec![it.name.clone(), it.kind.clone(), it.state.clone(), memory, pinned.to_owned()]
    };
    let rows: Vec<_> = found.workloads.iter().map(row).collect();
    out.table(&["Name", "Kind", "State", "Memory", ""], &rows);
    Ok(())
}

/// Whether a host's agent is of another release than the server that says so.
fn is_of_another(host: &api::Host, server: &str) -> bool {
    ![host.version.as_str(), server].contains(&"") && host.version != server
}

/// The release of a host's agent, marked where it is another one than the server's.
fn release(host: &api::Host, server: &str) -> String {
    let mark = if is_of_another(host, server) { " *" } else { "" };
    format!("{}{mark}", host.version)
}

fn change(named: &NamedHost, verb: &str, out: &mut Out) -> anyhow::Result<()> {
    let NamedHost { host, common } = named;
    let client = common.connection.client(As::Operator)?;
    let path = format!("{}/{verb}", path(host));
    let changed: api::Host = client.write(&Method::POST, &path, &api::Empty {})?;
    let name = &changed.name;
    let text = match changed.state.as_str() {
        "draining" if changed.dynos > 0 => format!(
            "{name} is draining: {} dynos are there still. `causeway hosts:info {name}` shows them",
            changed.dynos
        ),
        state => format!("{name} is {state}"),
    };
    say(common, out, &changed, &text);
    Ok(())
}

fn remove(
    named: &NamedHost,
    force: bool,
    given: Option<&str>,
    out: &mut Out,
) -> anyhow::Result<()> {
    let NamedHost { host, common } = named;
    let client = common.connection.client(As::Operator)?;
    if force {
        let warning = format!(
            "This command will remove {host}: its data services start elsewhere with empty disks, and \
             its instances are terminated"
        );
        confirm(&warning, host, given, out)?;
    }
    let request = api::RemoveHost { force };
    let gone: api::HostRemoved = client.write(&Method::DELETE, &path(host), &request)?;
    say(common, out, &gone, &format!("Removed {}", gone.name));
    Ok(())
}

fn path(host: &str) -> String {
    format!("{HOSTS}/{}", segment(host))
}

/// What is given away of a host's memory, and how much there is.
fn memory(host: &api::Host) -> String {
    format!("{} of {}", gib(host.committed), gib(host.memory))
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_another_release_is_marked() {
        let host = |version: &str| api::Host {
            id: String::new(),
            name: "host-2".to_owned(),
            state: "ready".to_owned(),
            address: String::new(),
            zone: String::new(),
            labels: Default::default(),
            memory: 0,
            committed: 0,
            cpus: 1,
            dynos: 0,
            services: 0,
            instances: 0,
            first: false,
            version: version.to_owned(),
            connected_since: None,
            last_heard: String::new(),
            lost_since: None,
            created_at: String::new(),
        };
        assert_eq!(release(&host("0.1.0"), "0.2.0"), "0.1.0 *");
        assert_eq!(release(&host("0.2.0"), "0.2.0"), "0.2.0");
        // It never connected; a server before this one does not say what it is.
        assert_eq!(
            (release(&host(""), "0.2.0"), release(&host("0.2.0"), "")),
            (String::new(), "0.2.0".to_owned())
        );
    }
}
