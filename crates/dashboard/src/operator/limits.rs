//! How many peerings each space may have, as the operator sets it.

use askama::Template;
use model::Space;

use super::tabs::tabs;
use crate::context::Context;
use crate::markup::{Markup, fill, strong, text};
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
    here: String,
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
        here: operator_paths::operator(OperatorPart::Limits),
    }
    .render()
}

/// The limit that a form was made for: a form sends it back, and is refused if it is another one
/// meanwhile.
pub fn limit_shown(space: &Space) -> String {
    space.peering_limit.to_string()
}
