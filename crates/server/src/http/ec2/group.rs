//! Security groups, apart from the parsing of rules.

use std::collections::BTreeMap;

use aws::xml::Xml;
use model::{
    Alias, Direction, Ec2Command, GroupPeer, GroupRule, Key, Reply, SecurityGroup, SecurityGroupId,
    Tags, Timestamp, Traffic, World,
};

use super::describe::{
    self, Described, Filter, Stored, Values, View, many, one, place, write_tags,
};
use super::input::{self, id, id_opt};
use super::request::{Ec2Error, Request};
use super::rule::{ports, protocol, write_reference};

macro_rules! rule_filters {
    ($($prefix:literal $direction:ident),*) => {
        [$(
            (concat!($prefix, "ip-permission.cidr"), |_, group| {
                rules(group, Direction::$direction, |rule| match rule.peer {
                    GroupPeer::Cidr(cidr) => Some(cidr.to_string()),
                    GroupPeer::Ipv6(_) | GroupPeer::PrefixList(_) | GroupPeer::Group { .. } => None,
                })
            }),
            (concat!($prefix, "ip-permission.from-port"), |_, group| {
                rules(group, Direction::$direction, |r| Some(ports(r.traffic)?.0.to_string()))
            }),
            (concat!($prefix, "ip-permission.group-id"), |_, group| {
                rules(group, Direction::$direction, |rule| match rule.peer {
                    GroupPeer::Group { group, .. } => Some(group.to_string()),
                    GroupPeer::Cidr(_) | GroupPeer::Ipv6(_) | GroupPeer::PrefixList(_) => None,
                })
            }),
            (concat!($prefix, "ip-permission.group-name"), |view, group| {
                rules(group, Direction::$direction, |rule| match rule.peer {
                    GroupPeer::Cidr(_) | GroupPeer::Ipv6(_) | GroupPeer::PrefixList(_) => None,
                    GroupPeer::Group { group, vpc, .. } => {
                        view.vpc(vpc)?;
                        view.world.group(group).map(|g| g.name.to_string())
                    }
                })
            }),
            (concat!($prefix, "ip-permission.ipv6-cidr"), |_, group| {
                rules(group, Direction::$direction, |rule| match rule.peer {
                    GroupPeer::Ipv6(cidr) => Some(cidr.to_string()),
                    GroupPeer::Cidr(_) | GroupPeer::PrefixList(_) | GroupPeer::Group { .. } => None,
                })
            }),
            (concat!($prefix, "ip-permission.prefix-list-id"), |_, group| {
                rules(group, Direction::$direction, |rule| match rule.peer {
                    GroupPeer::PrefixList(list) => Some(list.to_string()),
                    GroupPeer::Cidr(_) | GroupPeer::Ipv6(_) | GroupPeer::Group { .. } => None,
                })
            }),
            (concat!($prefix, "ip-permission.protocol"), |_, group| {
                rules(group, Direction::$direction, |rule| Some(protocol(rule.traffic)))
            }),
            (concat!($prefix, "ip-permission.to-port"), |_, group| {
                rules(group, Direction::$direction, |r| Some(ports(r.traffic)?.1.to_string()))
            }),
            (concat!($prefix, "ip-permission.user-id"), |_, group| {
                rules(group, Direction::$direction, |rule| match rule.peer {
                    GroupPeer::Group { account, .. } => Some(account.to_string()),
                    GroupPeer::Cidr(_) | GroupPeer::Ipv6(_) | GroupPeer::PrefixList(_) => None,
                })
            }),
        )*
            ("description", |_, group| one(&group.description)),
            ("group-id", |_, group| one(group.id)),
            ("group-name", |_, group| one(&group.name)),
            ("owner-id", |view, _| one(view.scope.account)),
            ("vpc-id", |_, group| one(group.vpc)),
        ]
    };
}

fn rules<'v>(
    group: &SecurityGroup,
    direction: Direction,
    value: impl Fn(&GroupRule) -> Option<String>,
) -> Values<'v> {
    many(group.rules.values().filter(|rule| rule.direction == direction).filter_map(value))
}

impl Described for SecurityGroup {
    type Id = SecurityGroupId;
    const SET: &'static str = "securityGroupInfo";
    const PARAM: &'static str = "GroupId";
    const MALFORMED: &'static str = <SecurityGroupId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) = ("InvalidGroup.NotFound", "security group");
    const FILTERS: &'static [Filter<Self>] = &rule_filters!("" Ingress, "egress." Egress);

    fn id(&self) -> SecurityGroupId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        x.el("groupId", self.id);
        x.el("groupName", &self.name);
        x.el("groupDescription", &self.description);
        x.el("ownerId", view.scope.account);
        x.el("vpcId", self.vpc);
        x.el("securityGroupArn", view.arn("security-group", self.id));
        write_permissions(self, Direction::Ingress, "ipPermissions", view, x);
        write_permissions(self, Direction::Egress, "ipPermissionsEgress", view, x);
        write_tags(x, Some(&self.tags));
    }
}

impl Stored for SecurityGroup {
    fn get<'w>(view: &View<'w>, id: SecurityGroupId) -> Option<&'w Self> {
        view.world.group(id).map(|g| &**g).filter(|g| view.vpc(g.vpc).is_some())
    }

    /// The index has the VPC's own groups: a rule of another VPC mentions the group, not the VPC.
    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let inside = |id| view.world.groups_in(Key::Vpc(id)).map(|group| &**group);
        view.vpcs().flat_map(|vpc| inside(vpc.id)).collect()
    }
}

/// Writes the rules of one direction. Rules about the same traffic are one permission.
fn write_permissions(
    group: &SecurityGroup,
    direction: Direction,
    name: &str,
    view: &View<'_>,
    x: &mut Xml,
) {
    let mut by_traffic: BTreeMap<Traffic, Vec<&GroupRule>> = BTreeMap::new();
    for rule in group.rules.values().filter(|rule| rule.direction == direction) {
        by_traffic.entry(rule.traffic).or_default().push(rule);
    }
    x.items(name, by_traffic, |x, (traffic, rules)| {
        x.el("ipProtocol", protocol(traffic));
        if let Some((from, to)) = ports(traffic) {
            x.el("fromPort", from);
            x.el("toPort", to);
        }
        let groups = rules.iter().filter(|r| matches!(r.peer, GroupPeer::Group { .. }));
        x.items("groups", groups, |x, rule| {
            write_reference(rule.peer, group.vpc, view, x);
            x.opt("description", rule.description.as_deref());
        });
        let ranges = rules.iter().filter_map(|rule| match rule.peer {
            GroupPeer::Cidr(cidr) => Some((cidr, &rule.description)),
            GroupPeer::Ipv6(_) | GroupPeer::PrefixList(_) | GroupPeer::Group { .. } => None,
        });
        x.items("ipRanges", ranges, |x, (cidr, description)| {
            x.el("cidrIp", cidr);
            x.opt("description", description.as_deref());
        });
        let ranges = rules.iter().filter_map(|rule| match rule.peer {
            GroupPeer::Ipv6(cidr) => Some((cidr, &rule.description)),
            GroupPeer::Cidr(_) | GroupPeer::PrefixList(_) | GroupPeer::Group { .. } => None,
        });
        x.items("ipv6Ranges", ranges, |x, (cidr, description)| {
            x.el("cidrIpv6", cidr);
            x.opt("description", description.as_deref());
        });
        let lists = rules.iter().filter_map(|rule| match rule.peer {
            GroupPeer::PrefixList(list) => Some((list, &rule.description)),
            GroupPeer::Cidr(_) | GroupPeer::Ipv6(_) | GroupPeer::Group { .. } => None,
        });
        x.items("prefixListIds", lists, |x, (list, description)| {
            x.el("prefixListId", list);
            x.opt("description", description.as_deref());
        });
    });
}

/// `DescribeSecurityGroups`. Groups of the default VPC may also be given by name.
pub(super) fn describe(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let names: Vec<&str> = request.params.list("GroupName").collect();
    if names.is_empty() {
        return describe::describe::<SecurityGroup>(world, request);
    }
    let view = View::new(world, request);
    let query = describe::Query::parse::<SecurityGroup>(request)?;
    let mut found = Vec::new();
    for name in names {
        let id = named(&view, name)?;
        found.extend(SecurityGroup::get(&view, id));
    }
    let ids = describe::ids::<SecurityGroup>(request.params)?;
    let get = |id| SecurityGroup::get(&view, id);
    found.extend(describe::find_all::<SecurityGroup, _>(&ids, get)?);
    found.sort_unstable_by_key(|group| place(*group));
    found.dedup_by_key(|group| group.id);
    let (page, next) = query.among(&view, found)?;
    Ok(describe::listed(&view, request, &page, next.as_deref()))
}

/// Finds a group of the default VPC by its name.
fn named(view: &View<'_>, name: &str) -> Result<SecurityGroupId, Ec2Error> {
    let shown: String = name.chars().take(256).collect();
    let vpc = view.default_vpc().ok_or_else(|| {
        Ec2Error::new(
            "InvalidGroup.NotFound",
            format_args!(
                "The security group '{shown}' does not exist in default VPC: there is none; \
                 use the group's id"
            ),
        )
    })?;
    match view.world.find(&Alias::Group(vpc.id, name.into())) {
        Some(Key::SecurityGroup(id)) => Ok(id),
        _ => Err(Ec2Error::new(
            "InvalidGroup.NotFound",
            format_args!("The security group '{shown}' does not exist in default VPC '{}'", vpc.id),
        )),
    }
}

/// The group that a request names, by id or, in the default VPC, by name.
pub(super) fn group_of(world: &World, request: &Request<'_>) -> Result<SecurityGroupId, Ec2Error> {
    let by_id = id_opt(request.params, "GroupId")?;
    match (by_id, request.params.get("GroupName")) {
        (Some(id), _) => Ok(id),
        (None, Some(name)) => named(&View::new(world, request), name),
        (None, None) => Err(input::missing_one_of("groupId")),
    }
}

/// `CreateSecurityGroup`.
pub(super) fn create(world: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let name = params.required("GroupName")?.to_owned();
    let description = params.required("GroupDescription")?.to_owned();
    let vpc = if params.get("VpcId").is_some_and(|text| !text.is_empty()) {
        id(params, "VpcId")?
    } else {
        let none = || Ec2Error::new("VPCIdNotSpecified", "No default VPC for this user");
        View::new(world, request).default_vpc().ok_or_else(none)?.id
    };
    let tags = input::tag_specifications(params, "security-group", &[])?;
    Ok(Ec2Command::CreateSecurityGroup { vpc, name, description, tags })
}

/// The answer to `CreateSecurityGroup`.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        if let Some(Key::SecurityGroup(id)) = reply.main() {
            x.el("return", true);
            x.el("groupId", id);
            x.el("securityGroupArn", view.arn("security-group", id));
            write_tags(x, after.group(id).map(|group| &group.tags));
        }
    })
}

/// `DeleteSecurityGroup`.
pub(super) fn delete(world: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DeleteSecurityGroup { group: group_of(world, request)? })
}

/// The answer to `DeleteSecurityGroup`.
pub(super) fn deleted(before: &World, _: &World, _: &Reply, request: &Request<'_>) -> String {
    let id = group_of(before, request).ok();
    request.respond(|x| {
        x.el("return", true);
        x.opt("groupId", id);
    })
}
