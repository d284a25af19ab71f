//! Other hosts, on which agents run.

use std::net::SocketAddr;

use hyper::Method;

use super::confirm::confirm;
use super::print::{print_fields, say};
use crate::arguments::agents::AgentsCommand;
use crate::client::{As, segment};
use crate::output::Out;
use crate::usage::usage;

const HOSTS: &str = "/_causeway/agents";

/// Does what a command about hosts says.
///
/// # Errors
///
/// What the server refused.
pub(super) fn run(command: AgentsCommand, out: &mut Out) -> anyhow::Result<()> {
    match command {
        AgentsCommand::HostInit { agents, common } => {
            let client = common.connection.client(As::Operator)?;
            let request = api::InitHosts { agents };
            let ready: api::HostsReady =
                client.write(&Method::POST, &format!("{HOSTS}/init"), &request)?;
            let text = format!(
                "Agents connect at {}\nThe installation's authority has the fingerprint {}\n\
                 `causeway host:token` makes a token by which a host joins",
                ready.agents, ready.fingerprint
            );
            say(&common, out, &ready, &text);
        }
        AgentsCommand::HostToken { lifetime, common } => {
            let client = common.connection.client(As::Operator)?;
            let lifetime =
                model::parse_duration(&lifetime).map_err(|error| usage(error.to_string()))?;
            let request = api::CreateJoinToken { lifetime_seconds: Some(lifetime.as_secs()) };
            let made: api::JoinTokenCreated =
                client.write(&Method::POST, &format!("{HOSTS}/tokens"), &request)?;
            let text = format!(
                "{}\nIt is good once, until {}. On the other host:\n  causeway agent --join {} --token {}",
                made.token,
                made.expires,
                address_of(made.agents),
                made.token
            );
            say(&common, out, &made, &text);
        }
        AgentsCommand::Agents(common) => {
            let client = common.connection.client(As::Operator)?;
            let hosts: Vec<api::AgentHost> = client.read(HOSTS)?;
            if common.json {
                out.json(&hosts);
            } else if hosts.is_empty() {
                out.line("There is no other host. `causeway host:init` and `host:token` say how one joins.");
            } else {
                let rows: Vec<_> = hosts.iter().map(row).collect();
                out.table(
                    &["Host", "Name", "Zone", "State", "Since", "Revision", "Version"],
                    &rows,
                );
                for host in &hosts {
                    for (what, why) in &host.failing {
                        out.line(format_args!("PROBLEM {}: {what}: {why}", host.name));
                    }
                }
            }
        }
        AgentsCommand::AgentsRemove { host, confirm: given, common } => {
            let warning = format!("This ends what runs on {host}, and its agent.");
            confirm(&warning, &host, given.as_deref(), out)?;
            let client = common.connection.client(As::Operator)?;
            let path = format!("{HOSTS}/{}", segment(&host));
            let removed: api::Deleted = client.write(&Method::DELETE, &path, &api::Empty {})?;
            print_fields(&common, out, &removed, &[("Removed", removed.id.clone())]);
        }
    }
    Ok(())
}

fn row(host: &api::AgentHost) -> Vec<String> {
    let text = |value: Option<String>| value.unwrap_or_default();
    let state = if host.connected { "connected" } else { "away" };
    vec![
        host.id.clone(),
        host.name.clone(),
        text(host.zone.clone()),
        state.to_owned(),
        text(host.since.map(|at| at.to_string())),
        text(host.revision.map(|revision| revision.to_string())),
        host.version.clone(),
    ]
}

/// Where another host finds this server, if that can be told from the address that it listens on.
fn address_of(agents: SocketAddr) -> String {
    if !agents.ip().is_unspecified() {
        return format!("https://{agents}");
    }
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    format!("https://{}:{}", name.as_deref().unwrap_or("THIS-HOST"), agents.port())
}
