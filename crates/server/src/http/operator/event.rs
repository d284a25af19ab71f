//! Events: what happened, as everybody is told what concerns them.

use axum::extract::State as Shared;
use axum::http::request::Parts;
use model::{Caller, EventKind, Need, Rights, TeamId, World, party_of_account, party_of_team};
use store::{EventQuery, EventRow, Events};

use super::answer::{Answer, Problem, Reply, internal, invalid};
use super::audit::moment;
use super::context::Operator;
use super::input::Asked;
use super::viewer::{reading, rights_of};
use crate::http::state::State;

/// Events in one answer where nothing is said, and at most.
const FEW: u32 = 100;
const MOST: u32 = 1000;

pub(super) async fn events(
    Shared(operator): Shared<Operator>,
    parts: Parts,
    asked: Result<Asked<api::EventQuery>, Problem>,
) -> Answer<api::EventPage> {
    let state = &operator.state;
    let rights = rights_of(state, &parts, &[], Need::Read)?;
    let Asked(asked) = asked?;
    let world = state.world();
    let teams = teams_of(&world, rights);
    let since = asked.since.map(|text| {
        let text: String = text.chars().take(64).collect();
        moment(&text, state.clock.now()).ok_or_else(|| {
            invalid(format!(
                "'{text}' is not a time: use 2026-01-31T12:00:00Z, or how long ago, such as 6h."
            ))
        })
    });
    let limit = asked.limit.unwrap_or(FEW).clamp(1, MOST);
    let query = EventQuery {
        after: asked.after,
        since: since.transpose()?,
        kinds: Some(kinds(asked.kind.as_deref().unwrap_or("*"))?),
        parties: (!rights.operator).then(|| {
            let account = rights.account.map(|(account, _)| party_of_account(account));
            account.into_iter().chain(teams.iter().map(|team| party_of_team(*team))).collect()
        }),
        limit,
    };
    let _share = reading(state, rights)?;
    let Events { rows, oldest, newest } = read(state, query).await.map_err(internal)?;
    let full = u32::try_from(rows.len()).is_ok_and(|count| count == limit);
    let last = match rows.last() {
        // There may be more, which are for the next question.
        Some(row) if full => row.number,
        _ => newest.max(asked.after.unwrap_or(0)),
    };
    let events = rows.into_iter().filter_map(|row| told(row, rights, &teams)).collect();
    Ok(Reply(api::EventPage { events, last, oldest }))
}

/// The kinds that a list of names means.
pub(super) fn kinds(list: &str) -> Result<Vec<String>, Problem> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    let kinds = names.map(EventKind::named).collect::<Result<Vec<_>, _>>();
    let kinds = kinds.map_err(|error| invalid(format!("{error}.")))?;
    Ok(kinds.into_iter().flatten().map(|kind| kind.name().to_owned()).collect())
}

fn teams_of(world: &World, rights: Rights) -> Vec<TeamId> {
    let Some(user) = rights.user else { return Vec::new() };
    let is_in = |team: &&std::sync::Arc<model::Team>| Caller::User(user).role_in(team).is_some();
    world.teams().filter(is_in).map(|team| team.id).collect()
}

/// An event as somebody is told it. What a later version kept and this one cannot read is passed over.
fn told(row: EventRow, rights: Rights, teams: &[TeamId]) -> Option<api::Event> {
    let event: model::Event = serde_json::from_str(&row.body).ok()?;
    let knows_space =
        rights.operator || event.audience.teams.iter().any(|team| teams.contains(team));
    Some(api::Event::told(row.number, event, knows_space))
}

/// The events that match, after everything that was noted so far. They are read by a handle of its own,
/// on a thread that may wait.
async fn read(state: &State, query: EventQuery) -> Result<Events, String> {
    let store = state.store.lock().expect("no holder panics").handle();
    let store = store.map_err(|error| error.to_string())?;
    let rows = tokio::task::spawn_blocking(move || store.events(&query)).await;
    rows.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}
