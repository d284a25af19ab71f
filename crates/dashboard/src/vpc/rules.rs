//! Rules of security groups as rows and in words.

use model::{
    Direction, Ec2Command, GroupPeer, GroupRule, RulePeerSpec, RuleSpec, SecurityGroup,
    SecurityGroupRuleId, Traffic,
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
    rules.sort_by_key(|(id, rule)| {
        (rule.direction == Direction::Egress, rule.traffic, rule.peer, *id)
    });
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
            GroupPeer::Ipv6(cidr) => mono(cidr),
            GroupPeer::PrefixList(list) => mono(list),
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

/// A rule of a request in words: which way, what, from or to where, and what it is for.
pub(super) fn spec(of: &Context<'_>, direction: Direction, rule: &RuleSpec) -> Markup {
    let t = of.texts();
    let peer = match &rule.peer {
        RulePeerSpec::Cidr(block) => mono(block),
        RulePeerSpec::Ipv6(block) => mono(block),
        RulePeerSpec::PrefixList(list) => mono(list),
        RulePeerSpec::Group(group, _) => fill(t.members_of, &[("group", mono(group))]),
        RulePeerSpec::GroupNamed(name) => fill(t.members_of, &[("group", text(name))]),
    };
    let way = way(of, direction).into();
    let what = traffic(of, rule.traffic);
    let said = fill("{way} · {what} · {peer}", &[("way", way), ("what", what), ("peer", peer)]);
    match rule.description.as_deref().unwrap_or_default() {
        "" => said,
        about => fill("{said} · {about}", &[("said", said), ("about", text(about))]),
    }
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
            | Ec2Command::RestoreLocalRoute { destination, .. }
            | Ec2Command::DeleteRoute { destination, .. },
        ) => mono(destination),
        _ => Markup::default(),
    }
}
