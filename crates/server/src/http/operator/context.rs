//! What all endpoints share, and how they find what a request names.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use axum::http::StatusCode;
use model::{
    AccountId, Caller, Command, IdSource, PasswordHash, TeamId, TokenBound, UserId, WorkloadId,
};

use super::answer::{Problem, invalid, missing};
use crate::cleanup::lost::Lost;
use crate::clock::SystemIds;
use crate::http::passwords::PasswordError;
use crate::http::state::{Origin, State};
use crate::ledger::{Committed, LedgerError};
use crate::reconcile::PlannerHandle;

tokio::task_local! {
    /// The address of who asks, for the audit.
    pub(super) static PEER: Option<IpAddr>;
    /// The id that they are told, for the audit and the log.
    pub(super) static REQUEST_ID: String;
    /// Whether the ledger refused a command, so that the audit has it.
    pub(super) static DECIDED: Cell<bool>;
}

/// What these endpoints share.
#[derive(Clone)]
pub(crate) struct Operator {
    /// What every request shares.
    pub state: Arc<State>,
    /// The way to the reconcile loop.
    pub planner: PlannerHandle,
    /// What no record names.
    pub lost: Lost,
}

impl Operator {
    pub(super) async fn run(&self, command: impl Into<Command>) -> Result<Committed, Problem> {
        self.run_as(Caller::Operator, command).await
    }

    pub(super) async fn run_as(
        &self,
        caller: Caller,
        command: impl Into<Command>,
    ) -> Result<Committed, Problem> {
        let address = PEER.try_with(|peer| *peer).ok().flatten();
        let request_id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
        let origin = Origin { address, request_id };
        let committed = self.state.submit(caller, command, &origin).await;
        if matches!(committed, Err(LedgerError::Refused(_))) {
            let _ = DECIDED.try_with(|decided| decided.set(true));
        }
        Ok(committed?)
    }

    /// What is stored of a password.
    pub(super) async fn hash(&self, password: String) -> Result<PasswordHash, Problem> {
        let salt = SystemIds.next_bits().to_be_bytes();
        self.state.passwords.hash(password, salt).await.map_err(|error| match error {
            PasswordError::Length => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Problem(status, "invalid_params", error.to_string())
            }
            PasswordError::Busy => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Problem(status, "service_unavailable", error.to_string())
            }
        })
    }

    pub(super) fn account(&self, name: &str) -> Result<AccountId, Problem> {
        let world = self.state.world();
        let by_id = name.parse().ok().filter(|id| world.account(*id).is_some());
        by_id.or_else(|| world.account_named(name).map(|a| a.id)).ok_or_else(|| {
            missing(format!("There is no account '{name}'; `causeway accounts` lists them."))
        })
    }

    pub(super) fn user(&self, email: &str) -> Result<UserId, Problem> {
        self.state.world().user_named(email).map(|u| u.id).ok_or_else(|| {
            missing(format!("There is no user '{email}'; `causeway users` lists them."))
        })
    }

    pub(super) fn team(&self, name: &str) -> Result<TeamId, Problem> {
        let world = self.state.world();
        let by_id = name.parse().ok().filter(|id| world.team(*id).is_some());
        by_id.or_else(|| world.team_named(name).map(|t| t.id)).ok_or_else(|| {
            missing(format!("There is no team '{name}'; `causeway teams` lists them."))
        })
    }

    /// What a token is to be bound to.
    pub(super) fn bound(
        &self,
        app: Option<&str>,
        space: Option<&str>,
    ) -> Result<Option<TokenBound>, Problem> {
        let world = self.state.world();
        match (app, space) {
            (None, None) => Ok(None),
            (Some(name), None) => {
                let by_id = name.parse().ok().and_then(|id| world.app(id));
                let found = by_id.or_else(|| world.app_named(name));
                let found = found.map(|app| Some(TokenBound::App(app.id)));
                found.ok_or_else(|| {
                    missing(format!("There is no app '{name}'; `causeway apps` lists them."))
                })
            }
            (None, Some(name)) => {
                let by_id = name.parse().ok().and_then(|id| world.space(id));
                let found = by_id.or_else(|| world.space_named(name));
                let found = found.map(|space| Some(TokenBound::Space(space.id)));
                found.ok_or_else(|| {
                    missing(format!("There is no space '{name}'; `causeway spaces` lists them."))
                })
            }
            (Some(_), Some(_)) => Err(invalid(
                "A token is bound to an app or to a space: give one of `app` and `space`."
                    .to_owned(),
            )),
        }
    }

    pub(super) fn target(&self, text: &str) -> Result<WorkloadId, Problem> {
        let world = self.state.world();
        let found = match text.split_once('/') {
            Some((app, dyno)) => world
                .app_named(app)
                .and_then(|app| world.dyno_named(app.id, dyno))
                .map(|dyno| WorkloadId::Dyno(dyno.id)),
            None => world
                .addon_named(text)
                .map(|addon| WorkloadId::Service(addon.id))
                .or_else(|| text.parse().ok().filter(|id| world.eni_of(*id).is_some())),
        };
        found.ok_or_else(|| {
            missing(format!(
                "'{text}' is no dyno (as shop/run.1234), no instance (as i-0123…) and no data \
                 service (by its name); `causeway ps --app APP`, `aws ec2 describe-instances` and \
                 `causeway addons --app APP` list them."
            ))
        })
    }
}

/// Records in the order of their creation; ids break ties.
pub(super) fn oldest_first<'w, T: 'w, K: Ord>(
    records: impl Iterator<Item = &'w Arc<T>>,
    place: impl Fn(&T) -> K,
) -> std::vec::IntoIter<&'w Arc<T>> {
    let mut records: Vec<_> = records.collect();
    records.sort_by_key(|record| place(record));
    records.into_iter()
}
