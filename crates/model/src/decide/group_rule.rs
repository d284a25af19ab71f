//! Rules about the rules of security groups: how they are added, changed and removed
//! (`ec2.md` §1.3, §1.6).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::group::check_text;
use super::lookup::{absent, missing, no_such_rule};
use super::permission::{Words, check_room, check_traffic, duplicate, says, source_words};
use super::{Decision, Outcome, refuse};
use crate::command::{Reply, RulePeerSpec, RuleSpec};
use crate::resource::*;
use crate::{
    AccountId, Code, Key, PrefixedId, Refused, Scope, SecurityGroupId, SecurityGroupRuleId,
    Traffic, VpcId,
};

/// Rules by id, each with its new description.
type Descriptions = [(SecurityGroupRuleId, Option<String>)];

impl Decision<'_> {
    pub(super) fn authorize(
        &mut self,
        scope: Scope,
        id: SecurityGroupId,
        direction: Direction,
        specs: &[RuleSpec],
        tags: &Tags,
    ) -> Outcome {
        let mut group = SecurityGroup::clone(&*self.editable_group(scope, id)?);
        if specs.is_empty() {
            return missing("ipPermissions");
        }
        super::tag::check_tags(tags)?;
        let (mut new, mut added) = (BTreeSet::new(), Vec::with_capacity(specs.len()));
        for spec in specs {
            let rule = self.rule(scope, &group, direction, spec)?;
            let rule = GroupRule { tags: tags.clone(), ..rule };
            if let Some(there) = group.rules.values().find(|there| says(there) == says(&rule)) {
                return Err(duplicate(there));
            }
            if !new.insert(says(&rule)) {
                return refuse(
                    Code::InvalidParameterValue,
                    format_args!(
                        "The same permission must not appear multiple times: \"{}\"",
                        Words(&rule)
                    ),
                );
            }
            added.push((SecurityGroupRuleId::fresh(self.ids), rule));
        }
        let rules = added.iter().map(|(id, _)| *id).collect();
        group.rules.extend(added);
        check_room(&self.world, &group, direction)?;
        self.put(group);
        Ok(Reply::Rules { group: id, rules, unknown: Vec::new() })
    }

    /// A rule as a request has it, if it makes sense and what it names is there.
    fn rule(
        &self,
        scope: Scope,
        group: &SecurityGroup,
        direction: Direction,
        spec: &RuleSpec,
    ) -> Result<GroupRule, Refused> {
        check_traffic(spec.traffic)?;
        Ok(GroupRule {
            direction,
            traffic: spec.traffic,
            peer: self.peer(scope, group.vpc, &spec.peer)?,
            description: checked(spec.description.as_deref())?,
            tags: Tags::new(),
            created: self.now,
        })
    }

    /// The other side of a new rule: what it names must be there.
    fn peer(&self, scope: Scope, vpc: VpcId, spec: &RulePeerSpec) -> Result<GroupPeer, Refused> {
        match spec {
            RulePeerSpec::Cidr(cidr) => Ok(GroupPeer::Cidr(*cidr)),
            RulePeerSpec::Ipv6(cidr) => Ok(GroupPeer::Ipv6(*cidr)),
            RulePeerSpec::PrefixList(list) => {
                self.own_prefix_list(scope, *list).map(|list| GroupPeer::PrefixList(list.id))
            }
            RulePeerSpec::Group(id, owner) => self.peer_group(scope, vpc, *id, *owner),
            RulePeerSpec::GroupNamed(name) => {
                self.peer_group(scope, vpc, self.group_named(vpc, name)?, None)
            }
        }
    }

    /// A group of the same VPC, or of one that is peered with it in the same region.
    fn peer_group(
        &self,
        scope: Scope,
        vpc: VpcId,
        id: SecurityGroupId,
        owner: Option<AccountId>,
    ) -> Result<GroupPeer, Refused> {
        let joined = |other: &Vpc| {
            let peered = |pcx: &Arc<Peering>| {
                let region = |vpc| pcx.side(vpc).map(|side| side.region);
                pcx.carries() && region(other.id).is_some() && region(other.id) == region(vpc)
            };
            other.id == vpc || self.world.peerings_of(Key::Vpc(vpc)).any(peered)
        };
        let group = self.world.group(id);
        let other = group.and_then(|group| self.world.vpc(group.vpc));
        match other.filter(|other| owner.is_none_or(|owner| owner == other.account)) {
            Some(other) if joined(other) => {
                Ok(GroupPeer::Group { group: id, account: other.account, vpc: other.id })
            }
            // Of a group that is the caller's own, it is told what is wrong with it.
            Some(other) if scope.holds(other) => refuse(
                Code::GroupNotFound,
                "You have specified two resources that belong to different networks.",
            ),
            Some(_) | None => Err(absent(Code::GroupNotFound, "security group", id)),
        }
    }

    pub(super) fn revoke(
        &mut self,
        scope: Scope,
        id: SecurityGroupId,
        direction: Direction,
        specs: &[RuleSpec],
        ids: &[SecurityGroupRuleId],
    ) -> Outcome {
        let mut group = SecurityGroup::clone(&*self.editable_group(scope, id)?);
        if specs.is_empty() && ids.is_empty() {
            return missing("ipPermissions");
        }
        let mut removed = Vec::new();
        let mut remove = |id| {
            if !removed.contains(&id) {
                removed.push(id);
            }
        };
        for id in ids {
            rule_of(&group, direction, *id)?;
            remove(*id);
        }
        // In a default VPC, what is not there is named in the answer instead of being refused.
        let forgiving = self.world.vpc(group.vpc).is_some_and(|vpc| vpc.is_default);
        let mut unknown = Vec::new();
        for spec in specs {
            match self.rule_like(&group, direction, spec) {
                Ok(id) => remove(id),
                Err(refused) if forgiving && refused.code == Code::PermissionNotFound => {
                    unknown.push(spec.clone());
                }
                Err(refused) => return Err(refused),
            }
        }
        if !removed.is_empty() {
            group.rules.retain(|id, _| !removed.contains(id));
            self.put(group);
        }
        Ok(Reply::Rules { group: id, rules: removed, unknown })
    }

    /// The rule that a request describes. What it names may be gone by now.
    fn rule_like(
        &self,
        group: &SecurityGroup,
        direction: Direction,
        spec: &RuleSpec,
    ) -> Result<SecurityGroupRuleId, Refused> {
        let named = match &spec.peer {
            RulePeerSpec::GroupNamed(name) => Some(self.group_named(group.vpc, name)?),
            RulePeerSpec::Cidr(_)
            | RulePeerSpec::Ipv6(_)
            | RulePeerSpec::PrefixList(_)
            | RulePeerSpec::Group(..) => None,
        };
        let same_peer = |peer: GroupPeer| match &spec.peer {
            RulePeerSpec::Cidr(block) => peer == GroupPeer::Cidr(*block),
            RulePeerSpec::Ipv6(block) => peer == GroupPeer::Ipv6(*block),
            RulePeerSpec::PrefixList(list) => peer == GroupPeer::PrefixList(*list),
            RulePeerSpec::Group(id, owner) => matches!(
                peer,
                GroupPeer::Group { group, account, .. }
                    if group == *id && owner.is_none_or(|owner| owner == account)
            ),
            RulePeerSpec::GroupNamed(_) => {
                matches!(peer, GroupPeer::Group { group, .. } if Some(group) == named)
            }
        };
        // A protocol that has a name now was kept by its number before.
        let same_traffic = |traffic: Traffic| match traffic {
            Traffic::Protocol(protocol) => Traffic::whole(protocol) == spec.traffic,
            traffic => traffic == spec.traffic,
        };
        let found = group.rules.iter().find(|(_, rule)| {
            rule.direction == direction && same_traffic(rule.traffic) && same_peer(rule.peer)
        });
        match found {
            Some((id, _)) => Ok(*id),
            None => refuse(
                Code::PermissionNotFound,
                "The specified rule does not exist in this security group.",
            ),
        }
    }

    /// Changes rules in their places: they keep their ids, tags and kinds of source.
    pub(super) fn modify_rules(
        &mut self,
        scope: Scope,
        id: SecurityGroupId,
        rules: &[(SecurityGroupRuleId, RuleSpec)],
    ) -> Outcome {
        let old = self.editable_group(scope, id)?;
        if rules.is_empty() {
            return missing("securityGroupRules");
        }
        let mut group = SecurityGroup::clone(&old);
        let mut changed = BTreeSet::new();
        for (id, spec) in rules {
            let there = old.rules.get(id).ok_or_else(|| no_such_rule(*id))?;
            if !changed.insert(*id) {
                return refuse(
                    Code::InvalidParameterValue,
                    format_args!("The same rule must not appear multiple times: {id}"),
                );
            }
            let new = self.rule(scope, &old, there.direction, spec)?;
            if std::mem::discriminant(&new.peer) != std::mem::discriminant(&there.peer) {
                return refuse(
                    Code::InvalidParameterValue,
                    format_args!(
                        "You may not specify {} for an existing {} rule.",
                        source_words(new.peer).1,
                        source_words(there.peer).0
                    ),
                );
            }
            let (tags, created) = (there.tags.clone(), there.created);
            group.rules.insert(*id, GroupRule { tags, created, ..new });
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = group.rules.values().find(|rule| !seen.insert(says(rule))) {
            return Err(duplicate(twice));
        }
        for direction in [Direction::Ingress, Direction::Egress] {
            check_room(&self.world, &group, direction)?;
        }
        if group != *old {
            self.put(group);
        }
        Ok(Reply::Done)
    }

    /// Gives rules other descriptions, or none.
    pub(super) fn describe_rules(
        &mut self,
        scope: Scope,
        id: SecurityGroupId,
        direction: Direction,
        specs: &[RuleSpec],
        ids: &Descriptions,
    ) -> Outcome {
        let old = self.editable_group(scope, id)?;
        if specs.is_empty() && ids.is_empty() {
            return missing("ipPermissions or securityGroupRuleDescriptions");
        }
        let mut group = SecurityGroup::clone(&old);
        for (id, description) in ids {
            rule_of(&old, direction, *id)?;
            describe(&mut group, *id, description.as_deref())?;
        }
        for spec in specs {
            let id = self.rule_like(&old, direction, spec)?;
            describe(&mut group, id, spec.description.as_deref())?;
        }
        if group != *old {
            self.put(group);
        }
        Ok(Reply::Done)
    }

    /// The groups that have no room for a prefix list of another size, in order.
    pub(super) fn groups_too_full(&self, list: &PrefixList) -> Vec<SecurityGroupId> {
        let mut world = self.world.clone();
        world.apply(&crate::Change::Put(list.clone().into()));
        let full = |group: &Arc<SecurityGroup>| {
            [Direction::Ingress, Direction::Egress]
                .into_iter()
                .any(|direction| check_room(&world, group, direction).is_err())
        };
        let naming = self.world.groups_in(Key::PrefixList(list.id));
        naming.filter(|group| full(group)).map(|group| group.id).collect()
    }
}

/// A rule of a direction by its id.
fn rule_of(
    group: &SecurityGroup,
    direction: Direction,
    id: SecurityGroupRuleId,
) -> Result<&GroupRule, Refused> {
    let found = group.rules.get(&id).filter(|rule| rule.direction == direction);
    found.ok_or_else(|| no_such_rule(id))
}

fn describe(
    group: &mut SecurityGroup,
    id: SecurityGroupRuleId,
    description: Option<&str>,
) -> Result<(), Refused> {
    let description = checked(description)?;
    group.rules.get_mut(&id).ok_or_else(|| no_such_rule(id))?.description = description;
    Ok(())
}

/// A description as it is kept: an empty one is none.
fn checked(description: Option<&str>) -> Result<Option<String>, Refused> {
    let description = description.unwrap_or_default();
    check_text("rule description", description)?;
    Ok(Some(description.to_owned()).filter(|text| !text.is_empty()))
}
