//! How many peerings each space may have, and the quotas, as the operator sets them.

use askama::Template;
use model::{Quota, Space};

use super::tabs::tabs;
use crate::context::Context;
use crate::markup::{Markup, command, fill, strong, text};
use crate::operator_paths::{self, OperatorPart};
use crate::paths;
use crate::peerings::used;
use crate::refusal::Refusal;
use crate::shell::Shell;
use crate::space_head::team_name;
use crate::tabs::Tabs;

#[derive(Template)]
#[template(path = "operator-limits.html")]
struct Limits<'a> {
    shell: Shell<'a>,
    tabs: Tabs,
    told: Option<Markup>,
    refused: Option<Markup>,
    rows: Vec<Row>,
    quotas: Vec<QuotaRow>,
    set_quota: Markup,
    here: String,
}

/// A quota that was set.
struct QuotaRow {
    name: &'static str,
    whose: Markup,
    /// How much of it is used; empty where it is everybody's.
    used: String,
    limit: u32,
}

struct Row {
    name: String,
    path: String,
    team: String,
    used: usize,
    limit: u16,
    limit_of: Markup,
    shown: String,
}

/// How many peerings each space may have. Only the operator may see it. `told` is the space whose
/// limit was just set.
pub fn operator_limits(
    of: &Context<'_>,
    told: Option<&str>,
    refused: Option<&Refusal>,
) -> askama::Result<String> {
    let t = of.texts();
    let mut spaces: Vec<_> = of.world.spaces().collect();
    spaces.sort_by(|a, b| a.name.cmp(&b.name));
    let told = told.and_then(|name| of.world.space_named(name)).map(|space| {
        let pieces = [("space", strong(&space.name)), ("n", text(space.peering_limit))];
        fill(t.operating.told_limit, &pieces)
    });
    let row = |space: &Space| {
        let (used, limit) = used(of, space);
        Row {
            name: space.name.clone(),
            path: paths::network(space),
            team: team_name(of, space).to_owned(),
            used,
            limit,
            limit_of: fill(t.operating.limit_of, &[("space", text(&space.name))]),
            shown: limit_shown(space),
        }
    };
    Limits {
        shell: Shell::new(of, format!("{} {}", t.operating.title, t.operating.tab_limits).into()),
        tabs: tabs(of, OperatorPart::Limits),
        told,
        refused: refused.map(|refusal| refusal.sentence(of)),
        rows: spaces.into_iter().map(|space| row(space)).collect(),
        quotas: quotas(of),
        set_quota: command(
            t,
            &["causeway", "quotas:set", "vpcs-per-region", "20", "--account acme"],
        ),
        here: operator_paths::operator(OperatorPart::Limits),
    }
    .render()
}

/// The quotas that were set: for all, and for single accounts and teams.
fn quotas(of: &Context<'_>) -> Vec<QuotaRow> {
    let t = of.texts();
    let common =
        of.world.settings().map(|settings| settings.quotas.set.clone()).unwrap_or_default();
    let mut rows: Vec<QuotaRow> = common
        .into_iter()
        .map(|(quota, limit)| {
            let whose = t.operating.quota_of_all.into();
            QuotaRow { name: quota.name(), whose, used: String::new(), limit }
        })
        .collect();
    let mut own = |words, name: &str, quota: Quota, limit, used: u64| {
        let whose = fill(words, &[("name", strong(name))]);
        rows.push(QuotaRow { name: quota.name(), whose, used: used.to_string(), limit });
    };
    let mut accounts: Vec<_> = of.world.accounts().collect();
    accounts.sort_by(|a, b| a.name.cmp(&b.name));
    for account in accounts {
        for (quota, limit) in &account.quotas {
            let used = of.world.account_usage(account.id, *quota, of.now);
            own(t.operating.quota_of_account, &account.name, *quota, *limit, used);
        }
    }
    let mut teams: Vec<_> = of.world.teams().collect();
    teams.sort_by(|a, b| a.name.cmp(&b.name));
    for team in teams {
        for (quota, limit) in &team.quotas {
            let used = of.world.team_usage(team.id, *quota);
            own(t.operating.quota_of_team, &team.name, *quota, *limit, used);
        }
    }
    rows
}

/// The limit that a form was made for: a form sends it back, and is refused if it is another one
/// meanwhile.
pub fn limit_shown(space: &Space) -> String {
    space.peering_limit.to_string()
}
