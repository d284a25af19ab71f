//! Other hosts, and the tokens by which they join.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use link::HostId;

use super::answer::{Answer, Problem, Reply, internal, invalid, missing};
use super::context::Operator;
use super::input::{Fields, Segment};
use crate::hosts::{HostRow, Hosts, HostsError};

pub(super) async fn agents(Shared(operator): Shared<Operator>) -> Answer<Vec<api::AgentHost>> {
    Ok(Reply(of(&operator)?.list().into_iter().map(row).collect()))
}

pub(super) async fn init(
    Shared(operator): Shared<Operator>,
    Fields(body): Fields<api::InitHosts>,
) -> Answer<api::HostsReady> {
    let hosts = of(&operator)?;
    let agents = hosts.init(body.agents).await.map_err(refused)?;
    tracing::info!(%agents, "agents of other hosts connect here, by the operator's order");
    Ok(Reply(api::HostsReady { agents, fingerprint: hosts.fingerprint().to_string() }))
}

pub(super) async fn create_token(
    Shared(operator): Shared<Operator>,
    Fields(body): Fields<api::CreateJoinToken>,
) -> Answer<api::JoinTokenCreated> {
    let hosts = of(&operator)?;
    let fingerprint = hosts.fingerprint().to_string();
    let lifetime = body.lifetime_seconds.map(Duration::from_secs);
    let made = tokio::task::spawn_blocking(move || hosts.new_token(lifetime)).await;
    let made = made.map_err(internal)?.map_err(refused)?;
    tracing::info!(expires = %made.expires, "a token was made by which a host joins");
    Ok(Reply(api::JoinTokenCreated {
        token: made.token.to_string(),
        expires: made.expires,
        agents: made.address,
        fingerprint,
    }))
}

pub(super) async fn remove(
    Shared(operator): Shared<Operator>,
    Segment(named): Segment,
) -> Answer<api::Deleted> {
    let hosts = of(&operator)?;
    let id = find(&hosts, &named)?;
    let (shared, removed) = (Arc::clone(&hosts), id.clone());
    let done = tokio::task::spawn_blocking(move || shared.remove(&removed)).await;
    if !done.map_err(internal)?.map_err(refused)? {
        return Err(unknown(&named));
    }
    tracing::info!(host = %id, "a host was removed, by the operator's order");
    Ok(Reply(api::Deleted { id: id.to_string() }))
}

fn of(operator: &Operator) -> Result<Arc<Hosts>, Problem> {
    let none = || {
        let message = "This server is for itself, and has no other hosts.";
        Problem(StatusCode::CONFLICT, "conflict", message.to_owned())
    };
    operator.state.hosts.clone().ok_or_else(none)
}

/// A host by its id, or by its name if only one has it.
fn find(hosts: &Hosts, named: &str) -> Result<HostId, Problem> {
    let all = hosts.list();
    if let Some(host) = all.iter().find(|host| host.id.as_str() == named) {
        return Ok(host.id.clone());
    }
    let mut called = all.iter().filter(|host| host.member.about.name == named);
    match (called.next(), called.next()) {
        (Some(host), None) => Ok(host.id.clone()),
        (Some(_), Some(_)) => {
            let message = format!("Several hosts are called '{named}'; name one by its id.");
            Err(Problem(StatusCode::CONFLICT, "conflict", message))
        }
        (None, _) => Err(unknown(named)),
    }
}

fn unknown(named: &str) -> Problem {
    missing(format!("There is no host '{named}'; `causeway agents` lists them."))
}

fn refused(error: HostsError) -> Problem {
    let conflict = |message| Problem(StatusCode::CONFLICT, "conflict", message);
    match error {
        HostsError::Lifetime => invalid(error.to_string()),
        HostsError::Elsewhere(_) | HostsError::NotInit => conflict(error.to_string()),
        HostsError::Listen { .. } => conflict(os::error_chain(&error)),
        HostsError::Kept { .. } | HostsError::Authority(_) | HostsError::Token(_) => {
            internal(os::error_chain(&error))
        }
    }
}

fn row(host: HostRow) -> api::AgentHost {
    let HostRow { id, member, view, revision, failing } = host;
    let connected = view.as_ref().and_then(|view| view.connected.clone());
    let about = connected.as_ref().map_or(member.about, |now| now.about.clone());
    let since = match &connected {
        Some(now) => Some(now.since),
        None => view.as_ref().and_then(|view| view.lost),
    };
    api::AgentHost {
        id: id.to_string(),
        name: about.name,
        zone: about.zone,
        labels: about.labels,
        cpus: about.cpus,
        memory_mib: about.memory_mib,
        version: about.software,
        joined: member.joined,
        connected: connected.is_some(),
        since,
        protocol: connected.map(|now| now.version),
        revision,
        kept_revision: view.and_then(|view| view.held.networks).map(|stamp| stamp.revision),
        failing,
    }
}
