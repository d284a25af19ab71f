//! The audit: who asked for what, and what came of it, as far as it is the viewer's to see.

use askama::Template;
use model::UserId;

use crate::context::Context;
use crate::markup::{Markup, Sign, in_english, mono, text};
use crate::moment;
use crate::paths;
use crate::shell::Shell;

/// Spans that can be chosen; an empty one is no bound.
const SINCE: [&str; 5] = ["", "1h", "1d", "7d", "30d"];

/// What somebody wants to see, as it was typed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditAsked<'a> {
    /// Who acted.
    pub who: &'a str,
    /// The action, with stars for any letters.
    pub action: &'a str,
    /// The name or the id of what it was about.
    pub about: &'a str,
    /// `ok`, `refused`, or the code of a refusal.
    pub outcome: &'a str,
    /// A time, or how long ago it was.
    pub since: &'a str,
}

impl AuditAsked<'_> {
    const fn is_empty(&self) -> bool {
        self.who.is_empty()
            && self.action.is_empty()
            && self.about.is_empty()
            && self.outcome.is_empty()
            && self.since.is_empty()
    }

    fn path(&self, before: Option<u64>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("who", self.who),
            ("action", self.action),
            ("about", self.about),
            ("outcome", self.outcome),
            ("since", self.since),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        let query = query.finish();
        if query.is_empty() { paths::AUDIT.to_owned() } else { format!("{}?{query}", paths::AUDIT) }
    }
}

/// Why rows could not be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditUnreadable {
    /// The time cannot be read.
    Since,
    /// There is nobody of that name.
    Who,
    /// The audit cannot be read now.
    Busy,
}

/// The rows of a page.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditShown<'a> {
    /// What was asked for.
    pub asked: AuditAsked<'a>,
    /// The rows that the viewer may see, newest first.
    pub rows: &'a [api::AuditRow],
    /// The number before which there are older ones.
    pub older: Option<u64>,
    /// Whether there are newer ones.
    pub has_newer: bool,
    /// Why there are none.
    pub unreadable: Option<AuditUnreadable>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit<'a> {
    shell: Shell<'a>,
    intro: &'static str,
    asked: AuditAsked<'a>,
    outcomes: Vec<(String, &'static str, bool)>,
    since: Vec<(String, String, bool)>,
    unreadable: Option<&'static str>,
    is_filtered: bool,
    everything: &'static str,
    rows: Vec<Row>,
    older: Option<String>,
    newest: Option<String>,
}

struct Row {
    at: Markup,
    who: Markup,
    action: String,
    about: Markup,
    outcome: Markup,
    message: Option<Markup>,
    from: String,
    request_id: String,
}

/// The audit. The rows must be the viewer's to see.
pub fn audit(of: &Context<'_>, shown: &AuditShown<'_>) -> askama::Result<String> {
    let t = of.texts();
    let asked = shown.asked;
    let chosen = |value: &str, words| (value.to_owned(), words, asked.outcome == value);
    let mut outcomes = vec![
        chosen("", t.audit.outcome_any),
        chosen("ok", t.audit.outcome_ok),
        chosen("refused", t.audit.outcome_refused),
    ];
    // The code of a refusal, which an address can ask for.
    if !outcomes.iter().any(|(.., is_chosen)| *is_chosen) {
        outcomes.push((asked.outcome.to_owned(), "", true));
    }
    let spans = [
        t.audit.since_any,
        t.audit.since_hour,
        t.audit.since_day,
        t.audit.since_week,
        t.audit.since_month,
    ];
    let mut since: Vec<_> = SINCE
        .into_iter()
        .zip(spans)
        .map(|(value, words)| (value.to_owned(), words.to_owned(), asked.since == value))
        .collect();
    if !since.iter().any(|(.., is_chosen)| *is_chosen) {
        since.push((asked.since.to_owned(), asked.since.to_owned(), true));
    }
    Audit {
        shell: Shell::new(of, t.audit.title.into()),
        intro: if of.viewer.operator { t.audit.all_of_it } else { t.audit.your_part },
        asked,
        outcomes,
        since,
        unreadable: shown.unreadable.map(|why| match why {
            AuditUnreadable::Since => t.audit.unreadable_since,
            AuditUnreadable::Who => t.audit.unknown_who,
            AuditUnreadable::Busy => t.audit.busy,
        }),
        is_filtered: !asked.is_empty(),
        everything: paths::AUDIT,
        rows: shown.rows.iter().map(|row| self::row(of, row)).collect(),
        older: shown.older.map(|before| asked.path(Some(before))),
        newest: shown.has_newer.then(|| asked.path(None)),
    }
    .render()
}

fn row(of: &Context<'_>, row: &api::AuditRow) -> Row {
    let t = of.texts();
    let refused = row.outcome != "ok";
    let message = (refused && !row.message.is_empty()).then(|| in_english(t, &row.message));
    let sign = if refused { Sign::Bad } else { Sign::Ok };
    // Where somebody asked from is between them and the operator.
    let from = if of.viewer.operator || is_own(of, &row.actor) { &*row.source } else { "" };
    Row {
        at: moment::stamp(row.time),
        who: who(of, row),
        action: row.action.clone(),
        about: about(of, row),
        outcome: sign.with(text(&row.outcome)),
        message,
        from: from.to_owned(),
        request_id: row.request_id.clone(),
    }
}

fn is_own(of: &Context<'_>, actor: &str) -> bool {
    let user = of.viewer.user.map(|id| format!("user/{id}"));
    let account = of.viewer.account.map(|id| format!("account/{id}"));
    user.as_deref() == Some(actor) || account.as_deref() == Some(actor)
}

/// Who acted, by a name that is the viewer's to know.
fn who(of: &Context<'_>, row: &api::AuditRow) -> Markup {
    let t = of.texts();
    let is_known = || match row.actor.split_once('/') {
        Some(("user", id)) => id.parse().is_ok_and(|id| of.viewer.knows(of.world, id)),
        Some(_) => false,
        None => true,
    };
    if of.viewer.operator || is_own(of, &row.actor) || is_known() {
        return text(&row.who);
    }
    let is_account = row.actor.starts_with("account/");
    if is_account { t.audit.another_account.into() } else { t.audit.another_user.into() }
}

/// What it was about, by its name where that is the viewer's to know, else by its id.
fn about(of: &Context<'_>, row: &api::AuditRow) -> Markup {
    let t = of.texts();
    let managed = row.resource.parse().ok().and_then(|id| of.world.peering(id));
    if managed.is_some_and(|peering| !peering.is_customers()) && !of.viewer.operator {
        return t.managed_by_platform.into();
    }
    match (row.what.is_empty(), row.what != row.resource && may_name(of, row)) {
        (true, _) => t.none.into(),
        (false, true) => text(&row.what),
        (false, false) => mono(&row.resource),
    }
}

/// Whether the name of what a row is about is the viewer's to know: it belongs to one of their teams,
/// or it is somebody that they know.
fn may_name(of: &Context<'_>, row: &api::AuditRow) -> bool {
    let user = row.resource.parse().ok().and_then(|id: UserId| of.world.user(id));
    let team = row.team.parse().ok().and_then(|id| of.world.team(id));
    let caller = of.viewer.platform_caller();
    of.viewer.operator
        || user.is_some_and(|user| of.viewer.knows(of.world, user.id))
        || team.is_some_and(|team| caller.is_some_and(|caller| caller.role_in(team).is_some()))
}
