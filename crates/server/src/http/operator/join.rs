//! How hosts join: where their agents connect, and the tokens that let them in.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use model::{HostCommand, JoinToken, Key};

use super::answer::{Answer, Problem, Reply, internal};
use super::context::Operator;
use super::input::Fields;
use crate::hosts::{Hosts, HostsError};

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
    let made = hosts.new_token().map_err(refused)?;
    let lifetime = body.lifetime_seconds.map_or(JoinToken::LIFETIME, Duration::from_secs);
    let create = HostCommand::CreateJoinToken { hash: made.token.hash(), lifetime };
    let done = operator.run(create).await?;
    let kept = match done.reply.main() {
        Some(Key::JoinToken(id)) => done.after.join_token(id),
        _ => None,
    };
    let kept = kept.ok_or_else(|| internal("the ledger names no token"))?;
    tracing::info!(expires = %kept.expires, "a token was made by which a host joins");
    Ok(Reply(api::JoinTokenCreated {
        token: made.token.to_string(),
        expires: kept.expires,
        agents: made.address,
        servers: made.servers.iter().map(|server| format!("https://{server}")).collect(),
        fingerprint: hosts.fingerprint().to_string(),
    }))
}

fn of(operator: &Operator) -> Result<Arc<Hosts>, Problem> {
    let none = || {
        let driver = operator.state.health.get().driver;
        let message = format!(
            "This server runs with --fabric {driver}, whose networks do not reach another machine: hosts \
             need --fabric ovn."
        );
        Problem(StatusCode::CONFLICT, "conflict", message)
    };
    operator.state.hosts.clone().ok_or_else(none)
}

fn refused(error: HostsError) -> Problem {
    let conflict = |message| Problem(StatusCode::CONFLICT, "conflict", message);
    match error {
        HostsError::Elsewhere(_) | HostsError::NotInit => conflict(error.to_string()),
        HostsError::Listen { .. } => conflict(os::error_chain(&error)),
        HostsError::Kept { .. } | HostsError::Authority(_) => internal(os::error_chain(&error)),
    }
}
