//! Rules about security groups: how they are made and deleted (`ec2.md` §1.3, §1.6).

use std::sync::Arc;

use super::lookup::missing;
use super::{Decision, Outcome, refuse};
use crate::command::Reply;
use crate::resource::*;
use crate::{
    Alias, Cidr, Code, Ipv6Cidr, Key, Kind, PrefixedId, Quota, Refused, Scope, SecurityGroupId,
    SecurityGroupRuleId, SmallMap, Timestamp, Traffic, VpcId,
};

/// The most characters of names and descriptions.
const MAX_TEXT: usize = 255;
/// The characters that EC2 allows in names and descriptions besides letters and digits.
const SPECIAL: &str = " ._-:/()#,@[]+=&;{}!$*";

impl Decision<'_> {
    pub(super) fn create_group(
        &mut self,
        scope: Scope,
        vpc: VpcId,
        name: &str,
        description: &str,
        tags: &Tags,
    ) -> Outcome {
        let vpc = self.editable_vpc(scope, vpc)?.id;
        check_name(name)?;
        if description.is_empty() {
            return missing("GroupDescription");
        }
        check_text("security group description", description)?;
        super::tag::check_tags(tags)?;
        if self.world.find(&Alias::Group(vpc, name.into())).is_some() {
            return refuse(
                Code::GroupDuplicate,
                format_args!("The security group '{name}' already exists for VPC '{vpc}'"),
            );
        }
        self.world.check_quota(scope.account, Quota::Groups, || self.groups_of(scope))?;
        let mut rules = vec![egress_to_anywhere()];
        if self.world.vpc(vpc).is_some_and(|vpc| !vpc.ipv6.is_empty()) {
            rules.push(egress_to_anywhere_by_ipv6());
        }
        let group = self.make_group(vpc, name, description, rules, tags.clone());
        Ok(Key::SecurityGroup(group.id).into())
    }

    /// How many groups an account has in a region.
    fn groups_of(&self, scope: Scope) -> usize {
        let mine = self.world.vpcs_of(Key::Account(scope.account)).filter(|vpc| scope.holds(vpc));
        mine.map(|vpc| self.world.naming(Key::Vpc(vpc.id), Kind::SecurityGroup).count()).sum()
    }

    /// Makes a group with the given rules. Whether the name is free has been checked.
    pub(super) fn make_group(
        &mut self,
        vpc: VpcId,
        name: &str,
        description: &str,
        rules: Vec<GroupRule>,
        tags: Tags,
    ) -> SecurityGroup {
        let id = SecurityGroupId::fresh(self.ids);
        let rules: SmallMap<_, _> =
            rules.into_iter().map(|rule| (SecurityGroupRuleId::fresh(self.ids), rule)).collect();
        let (name, description) = (name.into(), description.to_owned());
        let created = self.now;
        let group = SecurityGroup { id, vpc, name, description, rules, tags, created };
        self.put(group.clone());
        group
    }

    pub(super) fn delete_group(&mut self, scope: Scope, id: SecurityGroupId) -> Outcome {
        let group = self.editable_group(scope, id)?;
        if self.world.vpc(group.vpc).is_some_and(|vpc| vpc.default_group == id) {
            return refuse(
                Code::CannotDelete,
                format_args!(
                    "the specified group: \"{id}\" name: \"{}\" cannot be deleted by a user",
                    group.name
                ),
            );
        }
        let key = Key::SecurityGroup(id);
        let referring = |other: &Arc<SecurityGroup>| other.id != id && other.vpc == group.vpc;
        if self.world.naming(key, Kind::Eni).next().is_some()
            || self.world.groups_in(key).any(referring)
        {
            return refuse(
                Code::DependencyViolation,
                format_args!("resource {id} has a dependent object"),
            );
        }
        self.delete(key);
        Ok(Reply::Done)
    }

    pub(super) fn editable_group(
        &self,
        scope: Scope,
        id: SecurityGroupId,
    ) -> Result<Arc<SecurityGroup>, Refused> {
        self.in_editable(scope, self.own_group(scope, id)?)
    }

    pub(super) fn group_named(&self, vpc: VpcId, name: &str) -> Result<SecurityGroupId, Refused> {
        match self.world.find(&Alias::Group(vpc, name.into())) {
            Some(Key::SecurityGroup(id)) => Ok(id),
            _ => refuse(
                Code::GroupNotFound,
                format_args!("The security group '{name}' does not exist in VPC '{vpc}'"),
            ),
        }
    }
}

fn check_name(name: &str) -> Result<(), Refused> {
    if name.is_empty() {
        return missing("GroupName");
    }
    check_text("security group name", name)?;
    if name == SecurityGroup::DEFAULT {
        return refuse(
            Code::GroupReserved,
            format_args!("The security group '{name}' is reserved"),
        );
    }
    if name.starts_with("sg-") {
        return refuse(
            Code::InvalidParameterValue,
            "Invalid security group name. Group names may not be in the format sg-*.",
        );
    }
    Ok(())
}

pub(super) fn check_text(what: &str, text: &str) -> Result<(), Refused> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || SPECIAL.contains(c);
    if text.len() <= MAX_TEXT && text.chars().all(allowed) {
        return Ok(());
    }
    refuse(
        Code::InvalidParameterValue,
        format_args!(
            "Invalid {what}. It has up to {MAX_TEXT} characters of a-z, A-Z, 0-9, spaces and \
             {SPECIAL}"
        ),
    )
}

/// The rule that a new group has: its members may reach anything.
pub(super) fn egress_to_anywhere() -> GroupRule {
    rule(Direction::Egress, GroupPeer::Cidr(Cidr::ANY))
}

/// The rule that a new group of a VPC with an IPv6 block has beside it.
pub(super) fn egress_to_anywhere_by_ipv6() -> GroupRule {
    rule(Direction::Egress, GroupPeer::Ipv6(Ipv6Cidr::ANY))
}

/// A rule for every kind of traffic.
pub(super) fn rule(direction: Direction, peer: GroupPeer) -> GroupRule {
    GroupRule {
        direction,
        traffic: Traffic::All,
        peer,
        description: None,
        tags: Tags::new(),
        created: Timestamp::default(),
    }
}
