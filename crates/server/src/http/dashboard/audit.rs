//! The audit, as far as it is the viewer's to see: the operator sees all of it, others what they asked
//! for themselves, and what people did with what belongs to their teams.

use axum::http::StatusCode;
use axum::response::Response;
use dashboard::{AuditAsked, AuditShown, AuditUnreadable};
use model::{Caller, Key};
use store::{AuditQuery, AuditSight};

use super::answer::page;
use super::form::Form;
use super::visit::Visit;
use crate::http::operator::audit::{moment, read, view};

/// Rows of a page.
const ROWS: u32 = 50;

/// The page of the audit.
pub(super) async fn show(visit: &Visit, query: &Form) -> Response {
    let field = |name| query.get(name).map(str::trim).unwrap_or_default();
    let asked = AuditAsked {
        who: field("who"),
        action: field("action"),
        about: field("about"),
        outcome: field("outcome"),
        since: field("since"),
    };
    let before = query.get("before").and_then(|number| number.parse().ok());
    let of = visit.context();
    let in_vain = |status, why| {
        let unreadable = Some(why);
        page(
            status,
            dashboard::audit(&of, &AuditShown { asked, unreadable, ..AuditShown::default() }),
        )
    };
    let wanted = match wanted(visit, &asked, before) {
        Ok(wanted) => wanted,
        Err(why) => return in_vain(StatusCode::UNPROCESSABLE_ENTITY, why),
    };
    let mut rows = match read(&visit.dashboard.state, wanted).await {
        Ok(rows) => rows,
        Err(error) => {
            tracing::warn!(error, "the audit cannot be read for the dashboard");
            return in_vain(StatusCode::SERVICE_UNAVAILABLE, AuditUnreadable::Busy);
        }
    };
    let most = ROWS as usize;
    let more = rows.len() > most;
    rows.truncate(most);
    let rows: Vec<_> = rows.into_iter().map(|row| view(&visit.world, row)).collect();
    let older = rows.last().filter(|_| more).map(|row| row.number);
    let has_newer = before.is_some();
    let shown = AuditShown { asked, rows: &rows, older, has_newer, unreadable: None };
    page(StatusCode::OK, dashboard::audit(&of, &shown))
}

fn wanted(
    visit: &Visit,
    asked: &AuditAsked<'_>,
    before: Option<u64>,
) -> Result<AuditQuery, AuditUnreadable> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let since = match asked.since {
        "" => None,
        text => Some(moment(text, visit.now).ok_or(AuditUnreadable::Since)?),
    };
    let actor = match asked.who {
        "" => None,
        who => Some(actor(visit, who).ok_or(AuditUnreadable::Who)?),
    };
    let refused = asked.outcome == "refused";
    Ok(AuditQuery {
        actor,
        action: some(asked.action),
        resource: some(asked.about).map(|name| resource(visit, &name)),
        outcome: some(asked.outcome).filter(|_| !refused),
        refused,
        // It does much, and says so to who asks for it.
        by_people: asked.who != "system",
        since,
        before,
        sight: (!visit.viewer.operator).then(|| sight(visit)),
        // One more says whether there are older ones.
        limit: ROWS + 1,
        ..AuditQuery::default()
    })
}

/// Whose rows somebody sees who is not the operator.
fn sight(visit: &Visit) -> AuditSight {
    let (viewer, world) = (visit.viewer, &visit.world);
    let user = viewer.user.map(|id| Caller::User(id).to_string());
    let account = viewer.account.map(|id| id.to_string());
    let as_account = account.as_ref().map(|id| format!("account/{id}"));
    let teams = viewer.user.into_iter().flat_map(|id| world.teams_of(Key::User(id)));
    let teams = teams.filter(|team| team.disabled.is_none());
    AuditSight {
        actors: user.into_iter().chain(as_account).collect(),
        accounts: account.into_iter().collect(),
        teams: teams.map(|team| team.id.to_string()).collect(),
    }
}

/// Who acted, as the audit has it, by a name that the viewer knows.
fn actor(visit: &Visit, who: &str) -> Option<String> {
    let (viewer, world) = (visit.viewer, &visit.world);
    if matches!(who, "operator" | "system" | "nobody") {
        return Some(who.to_owned());
    }
    if who.contains('@') {
        let user = world.user_named(&who.to_lowercase())?;
        return viewer.knows(world, user.id).then(|| Caller::User(user.id).to_string());
    }
    let account = who.parse().ok().and_then(|id| world.account(id));
    let account = account.or_else(|| world.account_named(who))?;
    let is_known = viewer.operator || viewer.account == Some(account.id);
    is_known.then(|| format!("account/{}", account.id))
}

/// The id of what it was about, where its name is that of something the viewer sees.
fn resource(visit: &Visit, name: &str) -> String {
    let (viewer, world) = (visit.viewer, &visit.world);
    let space = viewer.space(world, name).map(|space| space.id.to_string());
    let app = || {
        let app = world.app_named(name)?;
        let caller = viewer.platform_caller()?;
        caller.role_in(world.team(app.team)?).map(|_| app.id.to_string())
    };
    let user = || {
        let user = world.user_named(&name.to_lowercase())?;
        viewer.knows(world, user.id).then(|| user.id.to_string())
    };
    space.or_else(app).or_else(user).unwrap_or_else(|| name.to_owned())
}
