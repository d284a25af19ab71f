//! The audit: who asked for what, when, from where, and what came of it.

use axum::extract::State as Shared;
use axum::http::{Method, StatusCode};
use model::{AccountId, Caller, Timestamp, UserId, World};
use store::{AuditQuery, AuditRow};

use super::answer::{Answer, Problem, Reply, internal, missing};
use super::context::Operator;
use super::input::Asked;
use crate::http::refusals::Refusal;
use crate::http::state::{Origin, State};

/// Rows in one answer where nothing is said, and at most.
const FEW: u32 = 100;
const MOST: u32 = 1000;

/// The rows that match, newest last. Where there are older ones, `before` is what to ask with for
/// those.
pub(super) async fn audit(
    Shared(operator): Shared<Operator>,
    Asked(wanted): Asked<api::AuditQuery>,
) -> Answer<api::AuditPage> {
    let query = operator.query(wanted)?;
    let state = &operator.state;
    let mut rows = read(state, query.clone()).await.map_err(internal)?;
    if query.after.is_none() {
        rows.reverse();
    }
    let full = u32::try_from(rows.len()).is_ok_and(|count| count == query.limit);
    let before = rows.first().filter(|_| full && query.after.is_none()).map(|row| row.number);
    let world = state.world();
    let rows = rows.into_iter().map(|row| view(&world, row)).collect();
    Ok(Reply(api::AuditPage { rows, before }))
}

/// The rows that match. They are read by a handle of its own, on a thread that may wait: all of the audit
/// may have to be read. Refusals are recorded after they were answered, and who was told of one must find
/// it.
///
/// # Errors
///
/// The store's, in words.
pub(crate) async fn read(state: &State, query: AuditQuery) -> Result<Vec<AuditRow>, String> {
    let store = state.store.lock().expect("no holder panics").handle();
    let store = store.map_err(|error| error.to_string())?;
    let ledger = state.ledger.clone();
    let rows = tokio::task::spawn_blocking(move || {
        ledger.wait_for_notes_blocking();
        store.audit(&query)
    });
    let rows = rows.await.map_err(|error| error.to_string())?;
    rows.map_err(|error| error.to_string())
}

impl Operator {
    fn query(&self, wanted: api::AuditQuery) -> Result<AuditQuery, Problem> {
        let now = self.state.clock.now();
        let time = |text: Option<String>| text.map(|text| time(&text, now)).transpose();
        let world = self.state.world();
        let space = match &wanted.space {
            Some(name) => Some(match world.space_named(name) {
                Some(space) => space.id.to_string(),
                // One that is gone, by its id.
                None => id(name, "space")?,
            }),
            None => None,
        };
        let team = match &wanted.team {
            Some(name) => Some(match self.team(name) {
                Ok(id) => id.to_string(),
                Err(problem) => former_team(&world, name).ok_or(problem)?,
            }),
            None => None,
        };
        let account = match &wanted.account {
            Some(name) => Some(self.past_account(name)?),
            None => None,
        };
        let refused = wanted.outcome.as_deref() == Some("refused");
        Ok(AuditQuery {
            account,
            actor: wanted.who.map(|who| self.actor(&who)).transpose()?,
            action: wanted.action,
            outcome: wanted.outcome.filter(|_| !refused),
            refused,
            team,
            space,
            since: time(wanted.since)?,
            until: time(wanted.until)?,
            before: wanted.before,
            after: wanted.after,
            limit: wanted.limit.unwrap_or(FEW).clamp(1, MOST),
            ..AuditQuery::default()
        })
    }

    /// Who acted, as the audit has it: by an address, by an account, or by what they are.
    fn actor(&self, who: &str) -> Result<String, Problem> {
        match who {
            "operator" | "system" | "nobody" => Ok(who.to_owned()),
            email if email.contains('@') => {
                let user = match self.user(email) {
                    Ok(user) => user,
                    Err(problem) => former_user(&self.state.world(), email).ok_or(problem)?,
                };
                Ok(Caller::User(user).to_string())
            }
            account => Ok(format!("account/{}", self.past_account(account)?)),
        }
    }

    /// The id of an account by its name or id, also of one that was destroyed.
    fn past_account(&self, name: &str) -> Result<String, Problem> {
        match self.account(name) {
            Ok(id) => Ok(id.to_string()),
            Err(problem) => former_account(&self.state.world(), name).ok_or(problem),
        }
    }
}

/// The user of an address who was destroyed last.
pub(crate) fn former_user(world: &World, email: &str) -> Option<UserId> {
    let named = world.former_users().filter(|it| it.name.eq_ignore_ascii_case(email));
    named.max_by_key(|it| it.destroyed).map(|it| it.id)
}

fn former_team(world: &World, name: &str) -> Option<String> {
    let named = world.former_teams().filter(|it| it.name == name || it.id.to_string() == name);
    named.max_by_key(|it| it.destroyed).map(|it| it.id.to_string())
}

fn former_account(world: &World, name: &str) -> Option<String> {
    let named = world.former_accounts().filter(|it| it.name == name || it.id.to_string() == name);
    named.max_by_key(|it| it.destroyed).map(|it| it.id.to_string())
}

fn id(text: &str, what: &str) -> Result<String, Problem> {
    let id: Option<uuid::Uuid> = text.parse().ok();
    id.map(|id| id.to_string()).ok_or_else(|| {
        missing(format!("There is no {what} '{text}'; one that is gone is found by its id."))
    })
}

/// A time, or how long ago it was, in milliseconds since 1970.
fn time(text: &str, now: Timestamp) -> Result<i64, Problem> {
    moment(text, now).ok_or_else(|| {
        let text: String = text.chars().take(64).collect();
        let message = format!(
            "'{text}' is not a time: use 2026-01-31T12:00:00Z, or how long ago, such as 90m, 6h or 7d2h."
        );
        Problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_params", message)
    })
}

/// A time, or how long ago it was, in milliseconds since 1970; `None` if it is neither.
pub(crate) fn moment(text: &str, now: Timestamp) -> Option<i64> {
    let at = text.parse::<Timestamp>().ok().map(Timestamp::millis);
    let ago =
        || model::parse_duration(text).ok().and_then(|ago| i64::try_from(ago.as_millis()).ok());
    at.or_else(|| ago().map(|ago| now.millis().saturating_sub(ago)))
}

/// A row with the names that people know.
pub(crate) fn view(world: &World, row: AuditRow) -> api::AuditRow {
    api::AuditRow {
        number: row.number,
        time: Timestamp::from_millis(row.at),
        who: who(world, &row.actor),
        what: name(world, &row.resource),
        actor: row.actor,
        account: row.account,
        action: row.action,
        resource: row.resource,
        team: row.team,
        space: row.space,
        source: row.source,
        outcome: row.outcome,
        message: row.message,
        request_id: row.request_id,
        revision: row.revision,
    }
}

/// Who acted, by the name that people know.
fn who(world: &World, actor: &str) -> String {
    let named = match actor.split_once('/') {
        Some(("user", id)) => id.parse().ok().and_then(|id| world.email_of(id)).map(str::to_owned),
        Some(("account", id)) => id.parse().ok().and_then(|id| account_name(world, id)),
        Some(_) | None => None,
    };
    named.unwrap_or_else(|| actor.to_owned())
}

fn account_name(world: &World, id: AccountId) -> Option<String> {
    let former = || world.former_account(id).map(|account| account.name.clone());
    world.account(id).map(|account| account.name.clone()).or_else(former)
}

/// What it was about, by its name where it has one: as it is, or was when it was destroyed.
fn name(world: &World, resource: &str) -> String {
    let space = || Some(world.space(resource.parse().ok()?)?.name.clone());
    let app = || Some(world.app(resource.parse().ok()?)?.name.clone());
    let team = || {
        let id = resource.parse().ok()?;
        let former = || world.former_team(id).map(|team| team.name.clone());
        world.team(id).map(|team| team.name.clone()).or_else(former)
    };
    let user = || world.email_of(resource.parse().ok()?).map(str::to_owned);
    let account = || account_name(world, resource.parse().ok()?);
    let addon = || Some(world.addon(resource.parse().ok()?)?.name.clone());
    let release = || {
        let release = world.release(resource.parse().ok()?)?;
        Some(format!("{}/v{}", world.app(release.app)?.name, release.version))
    };
    let slug = || Some(world.app(world.slug(resource.parse().ok()?)?.app)?.name.clone());
    let dyno = || {
        let dyno = world.dyno(resource.parse().ok()?)?;
        Some(format!("{}/{}", world.app(dyno.app)?.name, dyno.name))
    };
    let named = space().or_else(app).or_else(team).or_else(user).or_else(addon).or_else(dyno);
    let named = named.or_else(release).or_else(slug).or_else(account);
    named.unwrap_or_else(|| resource.to_owned())
}

/// Has the audit know of somebody who is not the operator.
pub(super) fn note_stranger(
    state: &State,
    caller: Option<Caller>,
    origin: &Origin,
    method: &Method,
    problem: &Problem,
) {
    let Problem(_, outcome, message) = problem;
    let row = AuditRow {
        actor: caller.map_or("nobody".to_owned(), |caller| caller.to_string()),
        action: format!("{} /_causeway", if *method == Method::GET { "GET" } else { "POST" }),
        outcome: (*outcome).to_owned(),
        message: message.clone(),
        request_id: origin.request_id.clone(),
        ..AuditRow::default()
    };
    state.refused(Refusal { source: origin.address, row });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let read = |text: &str| time(text, now).ok().map(Timestamp::from_millis);
        assert_eq!(read("2026-01-30T00:00:00Z"), "2026-01-30T00:00:00Z".parse().ok());
        assert_eq!(read("90m"), "2026-01-31T10:30:00Z".parse().ok());
        assert_eq!(read("7d2h"), "2026-01-24T10:00:00Z".parse().ok());
        for wrong in ["", "m", "7", "7w", "-1d", "é", "99999999999999999999d", "yesterday"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
