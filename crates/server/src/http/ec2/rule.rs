//! How single rules of security groups are shown.

use aws::xml::Xml;
use model::{
    AccountId, Direction, GroupPeer, GroupRule, Key, Reply, RulePeerSpec, RuleSpec, SecurityGroup,
    SecurityGroupId, SecurityGroupRuleId, Tags, Timestamp, Traffic, VpcId, World,
};

use super::describe::{
    Described, Filter, Query, Stored, View, find_all, ids, listed, one, write_tags,
};
use super::input;
use super::request::{Ec2Error, Request};

/// A rule and the group that it belongs to.
pub(super) struct OwnRule {
    group: SecurityGroupId,
    group_created: Timestamp,
    vpc: VpcId,
    id: SecurityGroupRuleId,
    rule: GroupRule,
}

impl Described for OwnRule {
    type Id = SecurityGroupRuleId;
    const SET: &'static str = "securityGroupRuleSet";
    const PARAM: &'static str = "SecurityGroupRuleId";
    const MALFORMED: &'static str = <SecurityGroupRuleId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) =
        ("InvalidSecurityGroupRuleId.NotFound", "security group rule ID");
    const FILTERS: &'static [Filter<Self>] = &[
        ("group-id", |_, rule| one(rule.group)),
        ("security-group-rule-id", |_, rule| one(rule.id)),
    ];

    fn id(&self) -> SecurityGroupRuleId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.rule.created.max(self.group_created)
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.rule.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        x.el("securityGroupRuleId", self.id);
        x.el("groupId", self.group);
        x.el("groupOwnerId", view.scope.account);
        write_traffic(&self.rule, x);
        match self.rule.peer {
            GroupPeer::Cidr(cidr) => x.el("cidrIpv4", cidr),
            GroupPeer::Ipv6(cidr) => x.el("cidrIpv6", cidr),
            GroupPeer::PrefixList(list) => x.el("prefixListId", list),
            peer @ GroupPeer::Group { .. } => {
                x.nest("referencedGroupInfo", |x| write_reference(peer, self.vpc, view, x));
            }
        }
        x.opt("description", self.rule.description.as_deref());
        x.el("securityGroupRuleArn", view.arn("security-group-rule", self.id));
        write_tags(x, Some(&self.rule.tags));
    }
}

fn rules_of(group: &SecurityGroup) -> impl Iterator<Item = OwnRule> + '_ {
    group.rules.keys().filter_map(|id| rule_of(group, *id))
}

fn rule_of(group: &SecurityGroup, id: SecurityGroupRuleId) -> Option<OwnRule> {
    Some(OwnRule {
        group: group.id,
        group_created: group.created,
        vpc: group.vpc,
        id,
        rule: group.rules.get(&id)?.clone(),
    })
}

/// `DescribeSecurityGroupRules`.
pub(super) fn describe(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let view = View::new(world, request);
    let query = Query::parse::<OwnRule>(request)?;
    check_groups(request)?;
    let ids = ids::<OwnRule>(request.params)?;
    let candidates: Vec<OwnRule> = if ids.is_empty() {
        let groups = narrowed(&view, request);
        groups.into_iter().flat_map(rules_of).collect()
    } else {
        find_all::<OwnRule, _>(&ids, |id| find_rule(&view, id))?
    };
    let (page, next) = query.among(&view, candidates.iter().collect())?;
    Ok(listed(&view, request, &page, next.as_deref()))
}

/// Whether the values of the filter `group-id` are ids: of the rules' filters EC2 holds this one to the form.
fn check_groups(request: &Request<'_>) -> Result<(), Ec2Error> {
    for filter in request.params.structs("Filter") {
        if filter.get("Name") != Some("group-id") {
            continue;
        }
        for value in filter.list("Value").filter(|value| !value.contains(['*', '?'])) {
            input::parse_id::<SecurityGroupId>(value)?;
        }
    }
    Ok(())
}

/// The groups whose rules can match: those that a filter `group-id` without wildcards names, or
/// all.
fn narrowed<'w>(view: &View<'w>, request: &Request<'_>) -> Vec<&'w SecurityGroup> {
    let mut filters = request.params.structs("Filter");
    let named: Option<Vec<SecurityGroupId>> = filters
        .find(|filter| filter.get("Name") == Some("group-id"))
        .and_then(|filter| filter.list("Value").map(|value| value.parse().ok()).collect());
    match named {
        Some(mut ids) => {
            ids.sort_unstable();
            ids.dedup();
            ids.into_iter().filter_map(|id| SecurityGroup::get(view, id)).collect()
        }
        None => SecurityGroup::all(view),
    }
}

fn find_rule(view: &View<'_>, id: SecurityGroupRuleId) -> Option<OwnRule> {
    let Key::SecurityGroup(group) = view.world.whole(model::Part::GroupRule(id))? else {
        return None;
    };
    rule_of(SecurityGroup::get(view, group)?, id)
}

/// The protocol as EC2 writes it.
pub(super) fn protocol(traffic: Traffic) -> String {
    traffic.protocol().map_or_else(|| "-1".to_owned(), |protocol| protocol.to_string())
}

/// The ports, or the type and code of ICMP. `None` for traffic that has neither.
pub(super) fn ports(traffic: Traffic) -> Option<(i32, i32)> {
    let any = |value: Option<u8>| value.map_or(-1, i32::from);
    match traffic {
        Traffic::All | Traffic::Protocol(_) => None,
        Traffic::Tcp(ports) | Traffic::Udp(ports) => Some((ports.from.into(), ports.to.into())),
        Traffic::Icmp { kind, code } | Traffic::Icmpv6 { kind, code } => {
            Some((any(kind), any(code)))
        }
    }
}

fn write_traffic(rule: &GroupRule, x: &mut Xml) {
    let (from, to) = ports(rule.traffic).unwrap_or((-1, -1));
    x.el("isEgress", rule.direction == Direction::Egress);
    x.el("ipProtocol", protocol(rule.traffic));
    x.el("fromPort", from);
    x.el("toPort", to);
}

/// Writes a reference to a group, with the peering that it needs if the group belongs to another
/// VPC.
pub(super) fn write_reference(peer: GroupPeer, from: VpcId, view: &View<'_>, x: &mut Xml) {
    let GroupPeer::Group { group, account, vpc } = peer else { return };
    x.el("groupId", group);
    x.el("userId", account);
    if vpc == from {
        return;
    }
    x.el("vpcId", vpc);
    let between = view.world.peerings_of(Key::Vpc(from)).filter(|pcx| {
        pcx.other_side(from).is_some_and(|other| other.vpc == vpc)
            && pcx.visible_to(view.scope.account, view.scope.region, view.now)
    });
    // An active peering is preferred to earlier ones.
    if let Some(pcx) = between.max_by_key(|pcx| (pcx.carries(), pcx.since)) {
        x.el("vpcPeeringConnectionId", pcx.id);
        x.el("peeringStatus", pcx.status(view.now).code());
    }
}

/// Writes a rule as a request had it, as a permission of its own.
fn write_spec(rule: &RuleSpec, x: &mut Xml) {
    x.el("ipProtocol", protocol(rule.traffic));
    if let Some((from, to)) = ports(rule.traffic) {
        x.el("fromPort", from);
        x.el("toPort", to);
    }
    let description = rule.description.as_deref();
    let mut list = |name: &str, element: &str, value: Option<String>, owner: Option<AccountId>| {
        x.items(name, value, |x, value| {
            x.el(element, value);
            x.opt("userId", owner);
            x.opt("description", description);
        });
    };
    let (mut groups, mut blocks, mut blocks6, mut lists) = (None, None, None, None);
    let (mut group_by, mut owner) = ("groupId", None);
    match &rule.peer {
        RulePeerSpec::Cidr(block) => blocks = Some(block.to_string()),
        RulePeerSpec::Ipv6(block) => blocks6 = Some(block.to_string()),
        RulePeerSpec::PrefixList(id) => lists = Some(id.to_string()),
        RulePeerSpec::Group(id, account) => (groups, owner) = (Some(id.to_string()), *account),
        RulePeerSpec::GroupNamed(name) => (groups, group_by) = (Some(name.clone()), "groupName"),
    }
    list("groups", group_by, groups, owner);
    list("ipRanges", "cidrIp", blocks, None);
    list("ipv6Ranges", "cidrIpv6", blocks6, None);
    list("prefixListIds", "prefixListId", lists, None);
}

/// The rules that a reply names, in its order, which is that of the request.
fn rules_in(world: &World, reply: &Reply) -> Vec<OwnRule> {
    let Reply::Rules { group, rules, .. } = reply else { return Vec::new() };
    let Some(group) = world.group(*group) else { return Vec::new() };
    rules.iter().filter_map(|id| rule_of(group, *id)).collect()
}

/// The answer to `AuthorizeSecurityGroupIngress` and `…Egress`.
pub(super) fn authorized(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        x.el("return", true);
        x.items(OwnRule::SET, rules_in(after, reply), |x, rule| rule.write(&view, x));
    })
}

/// The answer to `RevokeSecurityGroupIngress` and `…Egress`.
pub(super) fn revoked(before: &World, _: &World, reply: &Reply, request: &Request<'_>) -> String {
    let unknown = match reply {
        Reply::Rules { unknown, .. } => unknown.as_slice(),
        Reply::Done | Reply::Resources(_) | Reply::Partly { .. } => &[],
    };
    request.respond(|x| {
        x.el("return", true);
        if !unknown.is_empty() {
            x.items("unknownIpPermissionSet", unknown, |x, rule| write_spec(rule, x));
        }
        x.items("revokedSecurityGroupRuleSet", rules_in(before, reply), |x, rule| {
            x.el("securityGroupRuleId", rule.id);
            x.el("groupId", rule.group);
            write_traffic(&rule.rule, x);
            match rule.rule.peer {
                GroupPeer::Cidr(cidr) => x.el("cidrIpv4", cidr),
                GroupPeer::Ipv6(cidr) => x.el("cidrIpv6", cidr),
                GroupPeer::PrefixList(list) => x.el("prefixListId", list),
                GroupPeer::Group { group, .. } => x.el("referencedGroupId", group),
            }
            x.opt("description", rule.rule.description.as_deref());
        });
    })
}
