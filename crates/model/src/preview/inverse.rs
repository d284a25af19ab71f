//! What takes a change back.

use crate::command::{Ec2Command, RuleSpec};
use crate::resource::{AclEntry, Direction, GroupRule, Tags};
use crate::{AclId, World};

/// The command that takes back what a command does to a world; `None` if it changes nothing there, or is
/// not one of routes, rules and entries. Whether it can be carried out later is decided then: what a route led to
/// may be gone.
pub fn inverse(before: &World, command: &Ec2Command) -> Option<Ec2Command> {
    use Ec2Command as C;
    match command {
        C::CreateRoute { route_table, destination, .. } => {
            let (route_table, destination) = (*route_table, *destination);
            let there = before.route_table(route_table)?.routes.get(&destination).is_some();
            (!there).then_some(C::DeleteRoute { route_table, destination })
        }
        C::ReplaceRoute { route_table, destination, target } => {
            let (route_table, destination) = (*route_table, *destination);
            let Some(old) = before.route_table(route_table)?.route(destination) else {
                return Some(C::RestoreLocalRoute { route_table, destination });
            };
            (old != *target).then_some(C::ReplaceRoute { route_table, destination, target: old })
        }
        C::RestoreLocalRoute { route_table, destination } => {
            let (route_table, destination) = (*route_table, *destination);
            let target = before.route_table(route_table)?.route(destination)?;
            Some(C::ReplaceRoute { route_table, destination, target })
        }
        C::DeleteRoute { route_table, destination } => {
            let (route_table, destination) = (*route_table, *destination);
            let target = *before.route_table(route_table)?.routes.get(&destination)?;
            Some(C::CreateRoute { route_table, destination, target })
        }
        C::AuthorizeSecurityGroup { group, direction, rules, .. } => {
            let bare = |rule: &RuleSpec| RuleSpec { description: None, ..rule.clone() };
            let rules = rules.iter().map(bare).collect();
            let (group, direction, ids) = (*group, *direction, Vec::new());
            Some(C::RevokeSecurityGroup { group, direction, rules, ids })
        }
        C::RevokeSecurityGroup { group, direction, rules, ids } => {
            let there = &before.group(*group)?.rules;
            let by_id = ids.iter().filter_map(|id| there.get(id));
            let described = |spec: &RuleSpec| {
                let same = |rule: &&GroupRule| {
                    rule.direction == *direction && spec_of(rule, false) == *spec
                };
                there.values().find(same)
            };
            let removed: Vec<&GroupRule> =
                by_id.chain(rules.iter().filter_map(described)).collect();
            let first = removed.first()?;
            // A request has the same tags for all of its rules.
            let tags = match removed.iter().all(|rule| rule.tags == first.tags) {
                true => first.tags.clone(),
                false => Tags::new(),
            };
            Some(C::AuthorizeSecurityGroup {
                group: *group,
                direction: *direction,
                rules: removed.into_iter().map(|rule| spec_of(rule, true)).collect(),
                tags,
            })
        }
        C::CreateNetworkAclEntry { acl, direction, number, .. } => {
            let (acl, direction, number) = (*acl, *direction, *number);
            let there = entry(before, acl, direction, number);
            (before.acl(acl).is_some() && there.is_none()).then_some(C::DeleteNetworkAclEntry {
                acl,
                direction,
                number,
            })
        }
        C::ReplaceNetworkAclEntry { acl, direction, number, entry: new } => {
            let (acl, direction, number) = (*acl, *direction, *number);
            let entry = entry(before, acl, direction, number).filter(|old| old != new)?;
            Some(C::ReplaceNetworkAclEntry { acl, direction, number, entry })
        }
        C::DeleteNetworkAclEntry { acl, direction, number } => {
            let (acl, direction, number) = (*acl, *direction, *number);
            let entry = entry(before, acl, direction, number)?;
            Some(C::CreateNetworkAclEntry { acl, direction, number, entry })
        }
        _ => None,
    }
}

/// The entry of a network ACL that has a number.
fn entry(world: &World, acl: AclId, direction: Direction, number: u16) -> Option<AclEntry> {
    world.acl(acl)?.entries(direction).get(&number).copied()
}

/// A rule as a request has it, with its description or without.
fn spec_of(rule: &GroupRule, described: bool) -> RuleSpec {
    RuleSpec {
        traffic: rule.traffic,
        peer: rule.peer.into(),
        description: rule.description.clone().filter(|_| described),
    }
}
