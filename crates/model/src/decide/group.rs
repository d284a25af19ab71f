//! Rules of security groups (`ec2.md` §1.3, §1.6).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::lookup::{absent, missing, no_such_rule};
use super::{Decision, Outcome, refuse};
use crate::command::{Reply, RulePeerSpec, RuleSpec};
use crate::resource::*;
use crate::{
    AccountId, Alias, Cidr, Code, Key, Kind, PortRange, PrefixedId, Refused, Scope,
    SecurityGroupId, SecurityGroupRuleId, SmallMap, Timestamp, Traffic, VpcId,
};

/// EC2's quota of rules per group and direction.
const MAX_RULES: usize = 60;
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
        let group =
            self.make_group(vpc, name, description, vec![egress_to_anywhere()], tags.clone());
        Ok(Key::SecurityGroup(group.id).into())
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

    fn editable_group(
        &self,
        scope: Scope,
        id: SecurityGroupId,
    ) -> Result<Arc<SecurityGroup>, Refused> {
        self.in_editable(scope, self.own_group(scope, id)?)
    }

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
        let mut added = Vec::with_capacity(specs.len());
        for spec in specs {
            check_traffic(spec.traffic)?;
            check_text("rule description", spec.description.as_deref().unwrap_or_default())?;
            let rule = GroupRule {
                direction,
                traffic: spec.traffic,
                peer: self.peer(group.vpc, &spec.peer)?,
                description: spec.description.clone().filter(|text| !text.is_empty()),
                tags: tags.clone(),
                created: self.now,
            };
            added.push(rule);
        }
        check_new(&group, &added)?;
        let rules: Vec<_> = added.iter().map(|_| SecurityGroupRuleId::fresh(self.ids)).collect();
        group.rules.extend(rules.iter().copied().zip(added));
        self.put(group);
        Ok(Reply::Rules { group: id, rules })
    }

    /// The other side of a new rule: what it names must be there.
    fn peer(&self, vpc: VpcId, spec: &RulePeerSpec) -> Result<GroupPeer, Refused> {
        match spec {
            RulePeerSpec::Cidr(cidr) => Ok(GroupPeer::Cidr(*cidr)),
            RulePeerSpec::Group(id, owner) => self.peer_group(vpc, *id, *owner),
            RulePeerSpec::GroupNamed(name) => {
                self.peer_group(vpc, self.group_named(vpc, name)?, None)
            }
        }
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

    /// A group of the same VPC, or of one that is peered with it in the same region.
    fn peer_group(
        &self,
        vpc: VpcId,
        id: SecurityGroupId,
        owner: Option<AccountId>,
    ) -> Result<GroupPeer, Refused> {
        let reachable = |other: &Vpc| {
            let peered = |pcx: &Arc<Peering>| {
                let region = |vpc| pcx.side(vpc).map(|side| side.region);
                pcx.carries() && region(other.id).is_some() && region(other.id) == region(vpc)
            };
            owner.is_none_or(|owner| owner == other.account)
                && (other.id == vpc || self.world.peerings_of(Key::Vpc(vpc)).any(peered))
        };
        let group = self.world.group(id);
        let other = group.and_then(|group| self.world.vpc(group.vpc)).filter(|vpc| reachable(vpc));
        match other {
            Some(other) => {
                Ok(GroupPeer::Group { group: id, account: other.account, vpc: other.id })
            }
            None => Err(absent(Code::GroupNotFound, "security group", id)),
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
        let mut removed = BTreeSet::new();
        for id in ids {
            if group.rules.get(id).is_none_or(|rule| rule.direction != direction) {
                return Err(no_such_rule(*id));
            }
            removed.insert(*id);
        }
        for spec in specs {
            removed.insert(self.rule_like(&group, direction, spec)?);
        }
        group.rules.retain(|id, _| !removed.contains(id));
        self.put(group);
        Ok(Reply::Rules { group: id, rules: removed.into_iter().collect() })
    }

    /// The rule that a request describes. The group that it names may be gone by now.
    fn rule_like(
        &self,
        group: &SecurityGroup,
        direction: Direction,
        spec: &RuleSpec,
    ) -> Result<SecurityGroupRuleId, Refused> {
        let named = match &spec.peer {
            RulePeerSpec::GroupNamed(name) => Some(self.group_named(group.vpc, name)?),
            RulePeerSpec::Cidr(_) | RulePeerSpec::Group(..) => None,
        };
        let same_peer = |peer: &GroupPeer| match (peer, &spec.peer) {
            (GroupPeer::Cidr(own), RulePeerSpec::Cidr(theirs)) => own == theirs,
            (GroupPeer::Group { group, account, .. }, RulePeerSpec::Group(id, owner)) => {
                group == id && owner.is_none_or(|owner| owner == *account)
            }
            (GroupPeer::Group { group, .. }, RulePeerSpec::GroupNamed(_)) => named == Some(*group),
            (GroupPeer::Cidr(_), RulePeerSpec::Group(..) | RulePeerSpec::GroupNamed(_))
            | (GroupPeer::Group { .. }, RulePeerSpec::Cidr(_)) => false,
        };
        let mut rules = group.rules.iter();
        let found = rules.find(|(_, rule)| {
            rule.direction == direction && rule.traffic == spec.traffic && same_peer(&rule.peer)
        });
        match found {
            Some((id, _)) => Ok(*id),
            None => refuse(
                Code::PermissionNotFound,
                "The specified rule does not exist in this security group.",
            ),
        }
    }
}

/// Whether rules can be added, all of them.
fn check_new(group: &SecurityGroup, added: &[GroupRule]) -> Result<(), Refused> {
    let says = |rule: &GroupRule| (rule.direction, rule.traffic, rule.peer);
    let there: BTreeSet<_> = group.rules.values().map(says).collect();
    let mut new = BTreeSet::new();
    for rule in added {
        if there.contains(&says(rule)) {
            return refuse(
                Code::PermissionDuplicate,
                format_args!("the specified rule \"{}\" already exists", Words(rule)),
            );
        }
        if !new.insert(says(rule)) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "The same permission must not appear multiple times: \"{}\"",
                    Words(rule)
                ),
            );
        }
    }
    let Some(direction) = added.first().map(|rule| rule.direction) else { return Ok(()) };
    let before = group.rules.values().filter(|rule| rule.direction == direction).count();
    if before + added.len() > MAX_RULES {
        return refuse(
            Code::RuleLimitExceeded,
            format_args!(
                "The maximum number of rules per security group has been reached: {MAX_RULES}"
            ),
        );
    }
    Ok(())
}

/// A rule as EC2's refusals write it.
struct Words<'a>(&'a GroupRule);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.peer {
            GroupPeer::Cidr(cidr) => write!(f, "peer: {cidr}, ")?,
            GroupPeer::Group { group, .. } => write!(f, "peer: {group}, ")?,
        }
        let ports = |f: &mut fmt::Formatter<'_>, name: &str, ports: PortRange| {
            write!(f, "{name}, from port: {}, to port: {}", ports.from, ports.to)
        };
        let or_all = |n: Option<u8>| n.map_or("ALL".to_owned(), |n| n.to_string());
        match self.0.traffic {
            Traffic::All => f.write_str("ALL")?,
            Traffic::Tcp(range) => ports(f, "TCP", range)?,
            Traffic::Udp(range) => ports(f, "UDP", range)?,
            Traffic::Icmp { kind, code } => {
                write!(f, "ICMP, type: {}, code: {}", or_all(kind), or_all(code))?;
            }
            Traffic::Protocol(protocol) => write!(f, "{protocol}")?,
        }
        f.write_str(", ALLOW")
    }
}

/// Whether a rule's traffic makes sense.
pub(super) fn check_traffic(traffic: Traffic) -> Result<(), Refused> {
    match traffic {
        Traffic::Tcp(ports) | Traffic::Udp(ports) if ports.from > ports.to => refuse(
            Code::PermissionMalformed,
            format_args!("Invalid TCP/UDP port range ({}:{})", ports.from, ports.to),
        ),
        Traffic::Icmp { kind: None, code: Some(code) } => {
            refuse(Code::PermissionMalformed, format_args!("ICMP code ({code}) needs an ICMP type"))
        }
        Traffic::All
        | Traffic::Tcp(_)
        | Traffic::Udp(_)
        | Traffic::Icmp { .. }
        | Traffic::Protocol(_) => Ok(()),
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

fn check_text(what: &str, text: &str) -> Result<(), Refused> {
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
