//! The review of a request for a peering: who asks, whether it fits, and what accepting does.

use askama::Template;
use model::fit::{Fit, taken_beside};
use model::{Peering, PeeringStatus, Space};

use crate::context::Context;
use crate::fits::{Check, checks, free_blocks};
use crate::markup::{
    Markup, Sign, command, copy_button, fill, icon, listed, mono, strong, strong_mono, text,
};
use crate::moment;
use crate::paths;
use crate::peerings::{is_now, state_shown, status_sign, used};
use crate::refusal::Refusal;
use crate::shell::Shell;

#[derive(Template)]
#[template(path = "review.html")]
struct Review<'a> {
    shell: Shell<'a>,
    refused: Option<Markup>,
    space: &'a str,
    network: String,
    title: Markup,
    status: Markup,
    asks: Markup,
    id: String,
    when: Markup,
    who: Vec<Line>,
    /// Whether it still waits for an answer.
    waits: bool,
    fits: bool,
    checks: Vec<Check>,
    /// Blocks that would fit, with buttons that copy them.
    free: Vec<(Markup, Markup)>,
    effects: Vec<Effect>,
    may_answer: bool,
    admins_decide: Markup,
    action: String,
    shown: String,
    command: Markup,
}

/// A line about who asks.
struct Line {
    label: &'static str,
    value: Markup,
    note: Markup,
    copy: Markup,
}

/// Something that accepting does, or does not do.
struct Effect {
    sign: Markup,
    what: Markup,
    more: Markup,
}

/// The review of a customer's peering with a space, which the viewer must see. `refused` says why an
/// answer was not taken.
pub fn review(
    of: &Context<'_>,
    space: &Space,
    peering: &Peering,
    refused: Option<&Refusal>,
) -> askama::Result<String> {
    let (t, now) = (of.texts(), of.now);
    let peer = peering.other_side(space.vpc).unwrap_or(&peering.requester);
    let status = peering.status(now);
    let waits = status == PeeringStatus::PendingAcceptance;
    let fit = Fit::of_peering(of.world, peering);
    let fits = fit.fits();
    let account = || strong_mono(peer.account);
    let title = match status {
        PeeringStatus::PendingAcceptance if fits => t.accept_title,
        PeeringStatus::PendingAcceptance => t.cannot_accept_title,
        PeeringStatus::Active => t.joined_title,
        _ => t.request_title,
    };
    let title = fill(title, &[("account", text(peer.account))]);
    let blocks = || listed(peer.cidrs.iter().map(strong_mono));
    let joined = status == PeeringStatus::Active;
    let asks = fill(
        if joined { t.joined_sentence } else { t.asks_sentence },
        &[("block", blocks()), ("account", account()), ("space", strong(&space.name))],
    );
    let when = match waits {
        true => moment::expiry(t, peering.expires, now),
        false => is_now(of, peering),
    };
    let team = of.world.team(space.team).map_or("", |team| team.name.as_str());
    let is_admin = of.viewer.may_change(of.world, space);
    Review {
        shell: Shell::new(of, title.clone()),
        refused: refused.map(|refusal| refusal.sentence(of)),
        space: &space.name,
        network: paths::network(space),
        title,
        status: status_sign(peering, now).with(text(status.platform_word())),
        asks,
        id: peering.id.to_string(),
        when,
        who: who(of, space, peering),
        waits,
        fits,
        checks: checks(t, &fit, &taken_beside(of.world, space), used(of, space)),
        free: free_blocks(t, &fit),
        effects: effects(of, space, peering),
        may_answer: is_admin && waits,
        admins_decide: fill(t.admins_decide, &[("team", strong(team))]),
        action: paths::review(space, peering.id),
        shown: state_shown(peering, now),
        command: command(
            t,
            &[
                "heroku",
                "spaces:peerings:accept",
                &peering.id.to_string(),
                &format!("--space {}", space.name),
            ],
        ),
    }
    .render()
}

fn who(of: &Context<'_>, space: &Space, peering: &Peering) -> Vec<Line> {
    let t = of.texts();
    let peer = peering.other_side(space.vpc).unwrap_or(&peering.requester);
    let region = if peer.region == space.region { t.own_region } else { t.other_region };
    let line = |label, value: &str, shown: Markup, note: Markup| Line {
        label,
        value: shown,
        note,
        copy: copy_button(t, label, value),
    };
    let nothing = Markup::default;
    let blocks: Vec<String> = peer.cidrs.iter().map(ToString::to_string).collect();
    let other_blocks = match blocks.len() {
        0 | 1 => nothing(),
        _ => t.other_blocks.into(),
    };
    let (account, vpc) = (peer.account.to_string(), peer.vpc.to_string());
    vec![
        line(t.aws_account, &account, mono(&account), nothing()),
        line(t.vpc, &vpc, mono(&vpc), nothing()),
        Line {
            label: t.region,
            value: text(peer.region),
            note: fill(region, &[("mtu", text(peering.mtu()))]),
            copy: nothing(),
        },
        line(t.block, &blocks.join(", "), listed(blocks.iter().map(mono)), other_blocks),
        Line {
            label: t.asked,
            value: moment::date_time(t, peering.created()).into(),
            note: nothing(),
            copy: nothing(),
        },
    ]
}

fn effects(of: &Context<'_>, space: &Space, peering: &Peering) -> Vec<Effect> {
    let t = of.texts();
    let peer = peering.other_side(space.vpc).unwrap_or(&peering.requester);
    let primary = || peer.cidrs.first().map_or(Markup::default(), mono);
    let vpc = || mono(peer.vpc);
    let mut effects = vec![
        Effect {
            sign: icon("plus"),
            what: fill(t.does_route, &[("block", primary())]),
            more: fill(t.does_route_sub, &[("pcx", mono(peering.id))]),
        },
        Effect {
            sign: icon("plus"),
            what: fill(t.does_hosts, &[("vpc", vpc())]),
            more: t.does_hosts_sub.into(),
        },
    ];
    if peer.cidrs.len() > 1 {
        effects.push(Effect {
            sign: Sign::None.icon(),
            what: fill(t.does_primary, &[("block", primary())]),
            more: t.does_primary_sub.into(),
        });
    }
    effects.push(Effect {
        sign: Sign::None.icon(),
        what: fill(t.does_no_transit, &[("vpc", vpc())]),
        more: t.does_no_transit_sub.into(),
    });
    effects.push(Effect {
        sign: Sign::Wait.icon(),
        what: t.does_not_yet.into(),
        more: fill(t.does_not_yet_sub, &[("block", mono(space.cidr))]),
    });
    effects
}
