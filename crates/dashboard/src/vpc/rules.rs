//! Rules of security groups as rows and in words.

use model::{
    Direction, Ec2Command, GroupPeer, GroupRule, RulePeerSpec, SecurityGroup, SecurityGroupRuleId,
    Traffic,
};

use super::edit::Edit;
use crate::context::Context;
use crate::markup::{Markup, fill, mono, text};
use crate::shell::counted;

/// A row of a group's rules.
pub(super) struct RuleRow {
    pub(super) id: String,
    pub(super) way: &'static str,
    pub(super) traffic: Markup,
    pub(super) peer: Markup,
    pub(super) description: String,
}

/// The rules of a group: what comes in first.
pub(super) fn sorted(group: &SecurityGroup) -> Vec<(SecurityGroupRuleId, &GroupRule)> {
    let mut rules: Vec<_> = group.rules.iter().map(|(id, rule)| (*id, rule)).collect();
    rules.sort_by_key(|(id, rule)| (rule.direction == Direction::Egress, rule.traffic, *id));
    rules
}

pub(super) fn row(of: &Context<'_>, id: SecurityGroupRuleId, rule: &GroupRule) -> RuleRow {
    let t = of.texts();
    RuleRow {
        id: id.to_string(),
        way: way(of, rule.direction),
        traffic: traffic(of, rule.traffic),
        peer: match rule.peer {
            GroupPeer::Cidr(cidr) => mono(cidr),
            GroupPeer::Group { group, .. } => fill(t.members_of, &[("group", mono(group))]),
        },
        description: rule.description.clone().unwrap_or_default(),
    }
}

/// Which way a rule is for.
pub(super) fn way(of: &Context<'_>, direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => of.texts().way_in,
        Direction::Egress => of.texts().way_out,
    }
}

/// Traffic in the page's language.
pub(super) fn traffic(of: &Context<'_>, traffic: Traffic) -> Markup {
    match traffic {
        Traffic::All => of.texts().vpc_pages.any_protocol.into(),
        traffic => mono(traffic),
    }
}

/// A rule of a request in words: which way, what, and from or to where.
pub(super) fn spec(
    of: &Context<'_>,
    direction: Direction,
    what: Traffic,
    peer: &RulePeerSpec,
) -> Markup {
    let t = of.texts();
    let peer = match peer {
        RulePeerSpec::Cidr(block) => mono(block),
        RulePeerSpec::Group(group, _) => fill(t.members_of, &[("group", mono(group))]),
        RulePeerSpec::GroupNamed(name) => fill(t.members_of, &[("group", text(name))]),
    };
    let way = way(of, direction).into();
    fill("{way} · {what} · {peer}", &[("way", way), ("what", traffic(of, what)), ("peer", peer)])
}

/// How many rules a change adds or removes.
pub(super) fn counted_rules(of: &Context<'_>, edit: &Edit) -> Markup {
    let v = &of.texts().vpc_pages;
    let n = edit.commands().iter().map(|command| match command {
        Ec2Command::AuthorizeSecurityGroup { rules, .. } => rules.len(),
        Ec2Command::RevokeSecurityGroup { rules, ids, .. } => rules.len() + ids.len(),
        _ => 0,
    });
    counted(v.rules_one, v.rules_other, n.sum())
}

/// The destination of a change's first route.
pub(super) fn block_of(edit: &Edit) -> Markup {
    match edit.commands().first() {
        Some(
            Ec2Command::CreateRoute { destination, .. }
            | Ec2Command::ReplaceRoute { destination, .. }
            | Ec2Command::DeleteRoute { destination, .. },
        ) => mono(destination),
        _ => Markup::default(),
    }
}
