//! The addresses from which web requests to the apps of a space may come.

use askama::Template;
use model::{Cidr, InboundAction, InboundRuleset, Space};

use crate::context::Context;
use crate::markup::{Markup, Sign, command, fill, mono, strong, text};
use crate::moment;
use crate::shell::Shell;
use crate::space_head::{SpaceHead, SpacePage, team_name};

#[derive(Template)]
#[template(path = "trusted.html")]
struct Trusted<'a> {
    shell: Shell<'a>,
    head: SpaceHead,
    verdict: Option<Markup>,
    set_by: Markup,
    rules: Vec<(Markup, Markup)>,
    may_change: bool,
    only_admins: Markup,
    commands: [Markup; 2],
}

/// The addresses that web requests to a space may come from. The viewer must see the space.
pub fn trusted_ips(of: &Context<'_>, space: &Space) -> askama::Result<String> {
    let t = of.texts();
    let admitted = InboundRuleset::admitted(space.inbound_rules());
    let rules = space.inbound_rules().iter().map(|rule| {
        let sign = match rule.action {
            InboundAction::Allow => Sign::Ok,
            InboundAction::Deny => Sign::Bad,
        };
        (sign.with(rule.action.name()), mono(rule.source))
    });
    let set_by = space.inbound.as_ref().map(|set| {
        let who = set.by.and_then(|id| of.world.email_of(id));
        let who = who.map_or(t.apps.operator_did.into(), text);
        let date = moment::date(t, set.since).into();
        fill(t.apps.trusted_set_by, &[("date", date), ("who", who)])
    });
    let change = |verb: &str, source: &str| {
        command(
            t,
            &["heroku", &format!("trusted-ips:{verb}"), source, &format!("--space {}", space.name)],
        )
    };
    Trusted {
        shell: Shell::new(of, format!("{} {}", space.name, t.apps.trusted_title).into()),
        head: SpaceHead::new(of, space, SpacePage::TrustedIps),
        verdict: match *admitted {
            [] => Some(Sign::Bad.why(&t.apps.trusted_nobody.into())),
            [Cidr::ANY] => Some(Sign::Ok.why(&t.apps.trusted_all.into())),
            _ => None,
        },
        set_by: set_by.unwrap_or_else(|| t.apps.trusted_never_set.into()),
        rules: rules.collect(),
        may_change: of.viewer.may_change(of.world, space),
        only_admins: fill(t.only_admins, &[("team", strong(team_name(of, space)))]),
        commands: [change("add", "192.0.2.0/24"), change("remove", "0.0.0.0/0")],
    }
    .render()
}
