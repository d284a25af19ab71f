//! How route tables are shown: the `local` routes first, then all others, active or blackholed.

use aws::xml::Xml;
use model::{
    EniId, InstanceId, Key, Reply, RouteDestination, RouteTable, RouteTableAssociationId,
    RouteTableId, RouteTo, SubnetId, Tags, Timestamp, Vpc, WorkloadId, World,
};

use super::describe::{Described, Filter, Stored, View, many, nothing, one, write_tags};
use super::input;
use super::request::Request;

impl Described for RouteTable {
    type Id = RouteTableId;
    const SET: &'static str = "routeTableSet";
    const PARAM: &'static str = "RouteTableId";
    const MALFORMED: &'static str = <RouteTableId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) =
        ("InvalidRouteTableID.NotFound", "routeTable ID");
    const PAGE: std::ops::RangeInclusive<u16> = 5..=100;
    const FILTERS: &'static [Filter<Self>] = &[
        ("association.gateway-id", nothing),
        ("association.route-table-association-id", |view, table| {
            many(associations(view.world, table).iter().map(|a| a.id))
        }),
        ("association.route-table-id", |view, table| {
            many(associations(view.world, table).first().map(|_| table.id))
        }),
        ("association.subnet-id", |view, table| {
            many(associations(view.world, table).iter().filter_map(|a| a.subnet))
        }),
        ("association.main", |view, table| {
            many(associations(view.world, table).iter().map(|a| a.subnet.is_none()))
        }),
        ("owner-id", |view, _| one(view.scope.account)),
        ("route-table-id", |_, table| one(table.id)),
        ("route.destination-cidr-block", |view, table| {
            many(routes(view.world, table).iter().filter_map(|route| route.destination.cidr()))
        }),
        ("route.destination-ipv6-cidr-block", |view, table| {
            many(routes(view.world, table).iter().filter_map(|route| route.destination.ipv6()))
        }),
        ("route.destination-prefix-list-id", |_, table| {
            many(table.routes.keys().filter_map(|to| match to {
                RouteDestination::PrefixList(list) => Some(list),
                RouteDestination::Cidr(_) | RouteDestination::Ipv6(_) => None,
            }))
        }),
        ("route.egress-only-internet-gateway-id", |_, table| {
            many(table.routes.values().filter_map(|to| match to {
                RouteTo::EgressGateway(id) => Some(id),
                _ => None,
            }))
        }),
        ("route.gateway-id", |view, table| {
            many(routes(view.world, table).iter().filter_map(Route::gateway))
        }),
        ("route.instance-id", |view, table| {
            many(routes(view.world, table).iter().filter_map(|route| route.instance))
        }),
        ("route.nat-gateway-id", |_, table| {
            many(table.routes.values().filter_map(|to| match to {
                RouteTo::Nat(id) => Some(id),
                _ => None,
            }))
        }),
        ("route.transit-gateway-id", nothing),
        ("route.origin", |view, table| many(routes(view.world, table).iter().map(Route::origin))),
        ("route.state", |view, table| many(routes(view.world, table).iter().map(Route::state))),
        ("route.vpc-peering-connection-id", |_, table| {
            many(table.routes.values().filter_map(|to| match to {
                RouteTo::Peering(id) => Some(id),
                _ => None,
            }))
        }),
        ("vpc-id", |_, table| one(table.vpc)),
    ];

    fn id(&self) -> RouteTableId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        x.el("routeTableId", self.id);
        x.el("vpcId", self.vpc);
        x.el("ownerId", view.scope.account);
        x.items("associationSet", associations(view.world, self), |x, association| {
            x.el("routeTableAssociationId", association.id);
            x.el("routeTableId", self.id);
            x.opt("subnetId", association.subnet);
            x.el("main", association.subnet.is_none());
            x.nest("associationState", |x| x.el("state", "associated"));
        });
        x.items("routeSet", routes(view.world, self), |x, route| {
            route.write(view.scope.account, x);
        });
        x.items("propagatingVgwSet", [(); 0], |_, ()| {});
        write_tags(x, Some(&self.tags));
    }
}

impl Stored for RouteTable {
    fn get<'w>(view: &View<'w>, id: RouteTableId) -> Option<&'w Self> {
        view.world.route_table(id).map(|t| &**t).filter(|t| view.vpc(t.vpc).is_some())
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let inside = |id| view.world.route_tables_in(Key::Vpc(id)).map(|table| &**table);
        view.vpcs().flat_map(|vpc| inside(vpc.id)).collect()
    }
}

/// An association of a table with a subnet, or as the main table of its VPC.
struct Association {
    id: RouteTableAssociationId,
    subnet: Option<SubnetId>,
}

fn associations(world: &World, table: &RouteTable) -> Vec<Association> {
    let main = world
        .vpc(table.vpc)
        .filter(|vpc| vpc.main_route_table == table.id)
        .map(|vpc| Association { id: vpc.main_association, subnet: None });
    let subnets = world.subnets_in(Key::RouteTable(table.id)).filter_map(|subnet| {
        let own = subnet.route_table.filter(|own| own.route_table == table.id)?;
        Some(Association { id: own.id, subnet: Some(subnet.id) })
    });
    main.into_iter().chain(subnets).collect()
}

/// A route of the answer.
struct Route {
    destination: RouteDestination,
    /// `None` is `local`.
    to: Option<RouteTo>,
    /// Whether it is to one of the VPC's own blocks, and so came with the table.
    own: bool,
    alive: bool,
    instance: Option<InstanceId>,
}

impl Route {
    fn state(&self) -> &'static str {
        if self.alive { "active" } else { "blackhole" }
    }

    fn origin(&self) -> &'static str {
        if self.own { "CreateRouteTable" } else { "CreateRoute" }
    }

    fn gateway(&self) -> Option<String> {
        match self.to {
            None => Some("local".to_owned()),
            Some(RouteTo::Gateway(id)) => Some(id.to_string()),
            Some(
                RouteTo::Peering(_)
                | RouteTo::Interface(_)
                | RouteTo::EgressGateway(_)
                | RouteTo::Nat(_),
            ) => None,
        }
    }

    fn write(&self, owner: model::AccountId, x: &mut Xml) {
        match self.destination {
            RouteDestination::Cidr(block) => x.el("destinationCidrBlock", block),
            RouteDestination::Ipv6(block) => x.el("destinationIpv6CidrBlock", block),
            RouteDestination::PrefixList(list) => x.el("destinationPrefixListId", list),
        }
        x.opt("gatewayId", self.gateway());
        match self.to {
            Some(RouteTo::Peering(id)) => x.el("vpcPeeringConnectionId", id),
            Some(RouteTo::Interface(id)) => {
                x.el("networkInterfaceId", id);
                if let Some(instance) = self.instance {
                    x.el("instanceId", instance);
                    x.el("instanceOwnerId", owner);
                }
            }
            Some(RouteTo::EgressGateway(id)) => x.el("egressOnlyInternetGatewayId", id),
            Some(RouteTo::Nat(id)) => x.el("natGatewayId", id),
            Some(RouteTo::Gateway(_)) | None => {}
        }
        x.el("state", self.state());
        x.el("origin", self.origin());
    }
}

/// The routes of a table, with those of the VPC's own blocks first.
fn routes(world: &World, table: &RouteTable) -> Vec<Route> {
    let blocks = |vpc: &'_ Vpc| {
        let ipv4 = vpc.blocks().map(RouteDestination::Cidr);
        ipv4.chain(vpc.ipv6_blocks().map(RouteDestination::Ipv6)).collect::<Vec<_>>()
    };
    let blocks = world.vpc(table.vpc).map(|vpc| blocks(vpc)).unwrap_or_default();
    let local = blocks.iter().filter(|block| table.route(**block).is_none());
    let local = local.map(|destination| Route {
        destination: *destination,
        to: None,
        own: true,
        alive: destination.ipv6().is_none(),
        instance: None,
    });
    let made = table.routes.iter().map(|(destination, to)| Route {
        destination: *destination,
        to: Some(*to),
        own: blocks.contains(destination),
        alive: world.is_active(table, *destination, *to),
        instance: match to {
            RouteTo::Interface(id) => instance_of(world, *id),
            RouteTo::Peering(_)
            | RouteTo::Gateway(_)
            | RouteTo::EgressGateway(_)
            | RouteTo::Nat(_) => None,
        },
    });
    let mut all: Vec<Route> = local.chain(made).collect();
    all.sort_by_key(|route| !route.own);
    all
}

fn instance_of(world: &World, id: EniId) -> Option<InstanceId> {
    match world.eni(id)?.attachment.as_ref()?.workload {
        WorkloadId::Instance(id) => Some(id),
        WorkloadId::Dyno(_) | WorkloadId::Service(_) | WorkloadId::Router(_) => None,
    }
}

/// The answer to `CreateRouteTable`.
pub(super) fn table_created(
    _: &World,
    after: &World,
    reply: &Reply,
    request: &Request<'_>,
) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        if let Some(Key::RouteTable(id)) = reply.main()
            && let Some(table) = after.route_table(id)
        {
            x.nest("routeTable", |x| table.write(&view, x));
            x.opt("clientToken", table.client_token.as_ref().map(|t| t.token.as_str()));
        }
    })
}

/// The answer to `AssociateRouteTable`.
pub(super) fn associated(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    answer_association("associationId", after, reply, request)
}

/// The answer to `ReplaceRouteTableAssociation`.
pub(super) fn replaced(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    answer_association("newAssociationId", after, reply, request)
}

fn answer_association(
    element: &str,
    after: &World,
    reply: &Reply,
    request: &Request<'_>,
) -> String {
    let id = match reply.main() {
        Some(Key::Subnet(id)) => after.subnet(id).and_then(|s| s.route_table).map(|own| own.id),
        Some(Key::Vpc(id)) => after.vpc(id).map(|vpc| vpc.main_association),
        _ => None,
    };
    request.respond(|x| {
        x.opt(element, id);
        x.nest("associationState", |x| x.el("state", "associated"));
    })
}
