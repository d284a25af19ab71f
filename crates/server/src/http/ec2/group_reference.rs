//! Which groups refer to each other across VPCs, and which groups a VPC's interfaces may have.

use std::sync::Arc;

use aws::filter::Filters;
use aws::paging::{Paging, page};
use aws::xml::Xml;
use model::{
    Direction, GroupPeer, GroupRule, Key, Peering, SecurityGroup, SecurityGroupId, Tags, Timestamp,
    VpcId, World, is_stale,
};

use super::describe::{
    Described, Filter, Query, Stored, USUAL_PAGE, View, find_all, listed, not_found, one,
    write_tags,
};
use super::input::{self, id, id_list, missing_one_of};
use super::request::{Ec2Error, Request};
use super::rule::{ports, protocol, write_reference};

/// `DescribeSecurityGroupReferences`.
pub(super) fn references(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let view = View::new(world, request);
    let ids: Vec<SecurityGroupId> = id_list(request.params, "GroupId")?;
    if ids.is_empty() {
        return Err(missing_one_of("groupId"));
    }
    let get = |id| SecurityGroup::get(&view, id);
    let groups = find_all::<SecurityGroup, _>(&ids, get)?;
    let mut references: Vec<(SecurityGroupId, VpcId, &Peering)> = Vec::new();
    for group in groups {
        for other in world.groups_in(Key::SecurityGroup(group.id)) {
            let joins = |pcx: &&Arc<Peering>| {
                pcx.carries() && pcx.other_side(group.vpc).is_some_and(|it| it.vpc == other.vpc)
            };
            let pcx = world.peerings_of(Key::Vpc(group.vpc)).find(joins);
            references.extend(pcx.map(|pcx| (group.id, other.vpc, &**pcx)));
        }
    }
    references.sort_unstable_by_key(|(group, vpc, pcx)| (*group, *vpc, pcx.id));
    references.dedup_by_key(|(group, vpc, _)| (*group, *vpc));
    Ok(request.respond(|x| {
        x.items("securityGroupReferenceSet", references, |x, (group, vpc, pcx)| {
            x.el("groupId", group);
            x.el("referencingVpcId", vpc);
            x.el("vpcPeeringConnectionId", pcx.id);
        });
    }))
}

/// `DescribeStaleSecurityGroups`.
pub(super) fn stale(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let view = View::new(world, request);
    let vpc = own_vpc(&view, request)?;
    let paging = Paging::parse(request.params, "DescribeStaleSecurityGroups", 5..=255, None)?;
    let is_stale = |rule: &GroupRule| match rule.peer {
        GroupPeer::Group { group, .. } => is_stale(world, vpc, group),
        GroupPeer::Cidr(_) | GroupPeer::Ipv6(_) | GroupPeer::PrefixList(_) => false,
    };
    let groups = world.groups_in(Key::Vpc(vpc)).filter(|group| group.rules.values().any(&is_stale));
    let (items, next) = page(groups, |group| group.id.to_string(), &paging);
    let write = |x: &mut Xml, name: &str, group: &SecurityGroup, direction: Direction| {
        let rules = group.rules.values();
        let rules = rules.filter(|rule| rule.direction == direction && is_stale(rule));
        x.items(name, rules, |x, rule| {
            x.el("ipProtocol", protocol(rule.traffic));
            if let Some((from, to)) = ports(rule.traffic) {
                x.el("fromPort", from);
                x.el("toPort", to);
            }
            x.items("groups", [rule], |x, rule| {
                write_reference(rule.peer, vpc, &view, x);
                x.opt("description", rule.description.as_deref());
            });
        });
    };
    Ok(request.respond(|x| {
        x.items("staleSecurityGroupSet", items, |x, group| {
            x.el("groupId", group.id);
            x.el("groupName", &group.name);
            x.el("description", &group.description);
            x.el("vpcId", vpc);
            write(x, "staleIpPermissions", group, Direction::Ingress);
            write(x, "staleIpPermissionsEgress", group, Direction::Egress);
        });
        x.opt("nextToken", next);
    }))
}

/// The VPC that a request names.
fn own_vpc(view: &View<'_>, request: &Request<'_>) -> Result<VpcId, Ec2Error> {
    let id: VpcId = id(request.params, "VpcId")?;
    view.vpc(id).map(|vpc| vpc.id).ok_or_else(|| not_found::<model::Vpc>(id))
}

/// A group as one that an interface in its VPC may have.
struct ForVpc(Arc<SecurityGroup>);

impl Described for ForVpc {
    type Id = SecurityGroupId;
    const SET: &'static str = "securityGroupForVpcSet";
    const PARAM: &'static str = "GroupId";
    const MALFORMED: &'static str = <SecurityGroupId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) = <SecurityGroup as Described>::NOT_FOUND;
    const FILTERS: &'static [Filter<Self>] = &[
        ("description", |_, group| one(&group.0.description)),
        ("group-id", |_, group| one(group.0.id)),
        ("group-name", |_, group| one(&group.0.name)),
        ("owner-id", |view, _| one(view.scope.account)),
        ("primary-vpc-id", |_, group| one(group.0.vpc)),
    ];

    fn id(&self) -> SecurityGroupId {
        self.0.id
    }

    fn created(&self) -> Timestamp {
        self.0.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.0.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        x.el("groupId", self.0.id);
        x.el("groupName", &self.0.name);
        x.el("description", &self.0.description);
        x.el("ownerId", view.scope.account);
        x.el("primaryVpcId", self.0.vpc);
        write_tags(x, Some(&self.0.tags));
    }
}

/// `GetSecurityGroupsForVpc`.
pub(super) fn for_vpc(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let view = View::new(world, request);
    let query = Query::parse::<ForVpc>(request)?;
    let vpc = own_vpc(&view, request)?;
    let groups: Vec<ForVpc> = world.groups_in(Key::Vpc(vpc)).cloned().map(ForVpc).collect();
    let (page, next) = query.among(&view, groups.iter().collect())?;
    Ok(listed(&view, request, &page, next.as_deref()))
}

/// `DescribeSecurityGroupVpcAssociations`: no group is associated with another VPC than its own.
pub(super) fn vpc_associations(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    Paging::parse(params, "DescribeSecurityGroupVpcAssociations", USUAL_PAGE, None)?;
    let known = ["group-id", "group-owner-id", "state", "vpc-id", "vpc-owner-id"];
    Filters::parse(params)?.check_names(|name| known.contains(&name))?;
    Ok(request.respond(|x| x.items("securityGroupVpcAssociationSet", [(); 0], |_, ()| {})))
}
