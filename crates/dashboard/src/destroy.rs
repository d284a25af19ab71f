//! The question before a peering is destroyed: what it does, and the id to be typed (R18).

use askama::Template;
use model::{Peering, PeeringStatus, Space};

use crate::context::Context;
use crate::markup::{Markup, Sign, command, fill, icon, listed, mono, strong, strong_mono, text};
use crate::moment;
use crate::paths;
use crate::peerings::{is_now, state_shown, status_sign};
use crate::refusal::Refusal;
use crate::shell::Shell;

#[derive(Template)]
#[template(path = "destroy.html")]
struct Destroy<'a> {
    shell: Shell<'a>,
    refused: Option<Markup>,
    typed_wrong: bool,
    typed: &'a str,
    space: &'a str,
    network: String,
    title: Markup,
    status: Markup,
    id: String,
    since: Markup,
    blocks: Markup,
    account: Markup,
    warning: Markup,
    effects: Vec<(Markup, Markup, Markup)>,
    may_destroy: bool,
    cannot: Markup,
    type_to_go_on: Markup,
    action: String,
    shown: String,
    command: Markup,
}

/// The question before a customer's peering with a space is destroyed. `refused` says why it was not
/// done, and `typed` is what was typed then.
pub fn destroy(
    of: &Context<'_>,
    space: &Space,
    peering: &Peering,
    refused: Option<&Refusal>,
    typed: &str,
) -> askama::Result<String> {
    let (t, now) = (of.texts(), of.now);
    let peer = peering.other_side(space.vpc).unwrap_or(&peering.requester);
    let status = peering.status(now);
    let is_there = matches!(status, PeeringStatus::Provisioning | PeeringStatus::Active);
    let team = of.world.team(space.team).map_or("", |team| team.name.as_str());
    let id = peering.id.to_string();
    let blocks = || listed(peer.cidrs.iter().map(mono));
    let title = fill(t.destroy_title, &[("account", text(peer.account))]);
    let vpc = || mono(peer.vpc);
    let effects = vec![
        (
            Sign::Bad.icon(),
            fill(t.destroy_flows, &[("vpc", vpc())]),
            fill(t.destroy_flows_sub, &[("block", blocks())]),
        ),
        (
            icon("minus"),
            fill(t.destroy_routes, &[("block", blocks())]),
            t.destroy_routes_sub.into(),
        ),
        (
            Sign::None.icon(),
            fill(t.destroy_blackhole, &[("vpc", vpc()), ("blackhole", mono("blackhole"))]),
            t.destroy_blackhole_sub.into(),
        ),
    ];
    Destroy {
        shell: Shell::new(of, title.clone()),
        typed_wrong: refused == Some(&Refusal::TypedWrong),
        refused: refused.map(|refusal| refusal.sentence(of)),
        typed,
        space: &space.name,
        network: paths::network(space),
        title,
        status: status_sign(peering, now).with(text(status.platform_word())),
        since: fill(t.since, &[("date", moment::date(t, peering.since).into())]),
        blocks: listed(peer.cidrs.iter().map(strong_mono)),
        account: fill(t.account_named, &[("account", strong_mono(peer.account))]),
        warning: fill(t.destroy_warning_text, &[("account", mono(peer.account))]),
        effects,
        may_destroy: is_there && of.viewer.may_change(of.world, space),
        cannot: match is_there {
            true => fill(t.only_admins, &[("team", strong(team))]),
            false => is_now(of, peering),
        },
        type_to_go_on: fill(t.type_to_go_on, &[("pcx", mono(&id))]),
        action: paths::destroy(space, peering.id),
        shown: state_shown(peering, now),
        command: command(
            t,
            &["heroku", "spaces:peerings:destroy", &id, &format!("--space {}", space.name)],
        ),
        id,
    }
    .render()
}
