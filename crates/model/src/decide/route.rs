//! Rules of route tables and routes (`ec2.md` §1.3, §1.5).

use std::sync::Arc;

use super::{Decision, Outcome, refuse};
use crate::command::Reply;
use crate::resource::*;
use crate::{
    Cidr, Code, IpCidr, Ipv6Cidr, Key, Kind, Part, PrefixedId, Quota, Refused,
    RouteTableAssociationId, RouteTableId, Scope, SmallMap, SubnetId, VpcId, World,
};

/// EC2 keeps these for its own services, in every VPC.
const SERVICES: [IpCidr; 2] = [
    IpCidr::V4(Cidr::new(169, 254, 168, 0, 22)),
    IpCidr::V6(Ipv6Cidr::new([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32)),
];

/// The other end of a route table's association.
enum Associated {
    /// A subnet with a table of its own.
    Subnet(Arc<Subnet>),
    /// A VPC with its main table.
    Vpc(Arc<Vpc>),
}

impl Decision<'_> {
    pub(super) fn create_route_table(
        &mut self,
        scope: Scope,
        vpc: VpcId,
        client_token: Option<&ClientToken>,
        tags: &Tags,
    ) -> Outcome {
        let key = Key::Vpc(self.editable_vpc(scope, vpc)?.id);
        if let Some(made) = self.repeated(scope, Kind::RouteTable, client_token)? {
            return Ok(made.into());
        }
        super::tag::check_tags(tags)?;
        let count = || self.world.naming(key, Kind::RouteTable).count();
        self.world.check_quota(scope.account, Quota::RouteTables, count)?;
        let id = RouteTableId::fresh(self.ids);
        self.put(RouteTable {
            id,
            vpc,
            routes: SmallMap::new(),
            client_token: client_token.map(|token| token.of(scope)),
            tags: tags.clone(),
            created: self.now,
        });
        Ok(Key::RouteTable(id).into())
    }

    pub(super) fn delete_route_table(&mut self, scope: Scope, id: RouteTableId) -> Outcome {
        let table = self.editable_table(scope, id)?;
        let main = self.world.vpc(table.vpc).is_some_and(|vpc| vpc.main_route_table == id);
        if main || self.world.naming(Key::RouteTable(id), Kind::Subnet).next().is_some() {
            return refuse(
                Code::DependencyViolation,
                format_args!("The routeTable '{id}' has dependencies and cannot be deleted."),
            );
        }
        self.delete(Key::RouteTable(id));
        Ok(Reply::Done)
    }

    fn editable_table(&self, scope: Scope, id: RouteTableId) -> Result<Arc<RouteTable>, Refused> {
        self.in_editable(scope, self.own_route_table(scope, id)?)
    }

    pub(super) fn associate_route_table(
        &mut self,
        scope: Scope,
        table: RouteTableId,
        subnet: SubnetId,
    ) -> Outcome {
        let table = self.editable_table(scope, table)?;
        let subnet = self.own_subnet(scope, subnet)?;
        check_same_vpc(&table, &subnet)?;
        match subnet.route_table {
            Some(own) if own.route_table != table.id => refuse(
                Code::AlreadyAssociated,
                format_args!(
                    "the specified association for route table {} conflicts with an existing \
                     association: '{}' of '{}' with '{}'",
                    table.id, own.id, subnet.id, own.route_table
                ),
            ),
            Some(_) => Ok(Key::Subnet(subnet.id).into()),
            None => Ok(self.give_table(&subnet, table.id)),
        }
    }

    fn give_table(&mut self, subnet: &Subnet, route_table: RouteTableId) -> Reply {
        let id = RouteTableAssociationId::fresh(self.ids);
        let route_table = Some(RouteTableAssociation { id, route_table });
        self.put(Subnet { route_table, ..subnet.clone() });
        Key::Subnet(subnet.id).into()
    }

    pub(super) fn disassociate_route_table(
        &mut self,
        scope: Scope,
        id: RouteTableAssociationId,
    ) -> Outcome {
        match self.own_association(scope, id)? {
            Associated::Vpc(_) => refuse(
                Code::InvalidParameterValue,
                format_args!("cannot disassociate the main route table association {id}"),
            ),
            Associated::Subnet(subnet) => {
                self.put(Subnet { route_table: None, ..Subnet::clone(&subnet) });
                Ok(Reply::Done)
            }
        }
    }

    pub(super) fn replace_route_table(
        &mut self,
        scope: Scope,
        id: RouteTableAssociationId,
        table: RouteTableId,
    ) -> Outcome {
        let associated = self.own_association(scope, id)?;
        let table = self.own_route_table(scope, table)?;
        match associated {
            Associated::Subnet(subnet) => {
                check_same_vpc(&table, &subnet)?;
                Ok(self.give_table(&subnet, table.id))
            }
            Associated::Vpc(vpc) if table.vpc == vpc.id => {
                let main_association = RouteTableAssociationId::fresh(self.ids);
                let main_route_table = table.id;
                self.put(Vpc { main_association, main_route_table, ..Vpc::clone(&vpc) });
                Ok(Key::Vpc(vpc.id).into())
            }
            Associated::Vpc(vpc) => {
                Err(different(format_args!("route table {} and vpc {}", table.id, vpc.id)))
            }
        }
    }

    fn own_association(
        &self,
        scope: Scope,
        id: RouteTableAssociationId,
    ) -> Result<Associated, Refused> {
        let absent = || super::lookup::absent(Code::AssociationNotFound, "association ID", id);
        let associated = match self.world.whole(Part::RouteTableAssociation(id)) {
            Some(Key::Subnet(id)) => self.own_subnet(scope, id).map(Associated::Subnet),
            Some(Key::Vpc(id)) => self.own_vpc(scope, id).map(Associated::Vpc),
            _ => Err(absent()),
        };
        let associated = associated.map_err(|_| absent())?;
        let vpc = match &associated {
            Associated::Subnet(subnet) => subnet.vpc,
            Associated::Vpc(vpc) => vpc.id,
        };
        self.editable_vpc(scope, vpc).map(|_| associated)
    }

    pub(super) fn create_route(
        &mut self,
        scope: Scope,
        table: RouteTableId,
        destination: RouteDestination,
        target: RouteTo,
    ) -> Outcome {
        let table = self.editable_table(scope, table)?;
        self.check_target(scope, &table, target)?;
        self.check_destination(scope, &table, destination, target)?;
        match table.routes.get(&destination) {
            // Asking for a route that is there already changes nothing.
            Some(old) if *old == target => return Ok(Reply::Done),
            Some(_) => return Err(route_exists(destination)),
            None => {}
        }
        let mut table = RouteTable::clone(&table);
        table.routes.insert(destination, target);
        check_room(&self.world, &table)?;
        self.put(table);
        Ok(Reply::Done)
    }

    pub(super) fn replace_route(
        &mut self,
        scope: Scope,
        table: RouteTableId,
        destination: RouteDestination,
        target: RouteTo,
    ) -> Outcome {
        let table = self.editable_table(scope, table)?;
        if self.is_local(&table, destination) {
            return self.replace_local_route(scope, &table, destination, target);
        }
        let Some(old) = table.routes.get(&destination) else {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "There is no route defined for '{destination}' in the route table. Use \
                     CreateRoute instead."
                ),
            );
        };
        self.check_target(scope, &table, target)?;
        self.check_destination(scope, &table, destination, target)?;
        if *old != target {
            let mut table = RouteTable::clone(&table);
            table.routes.insert(destination, target);
            self.put(table);
        }
        Ok(Reply::Done)
    }

    pub(super) fn delete_route(
        &mut self,
        scope: Scope,
        table: RouteTableId,
        destination: RouteDestination,
    ) -> Outcome {
        let table = self.editable_table(scope, table)?;
        self.check_not_local(&table, destination)?;
        let mut table = RouteTable::clone(&table);
        if table.routes.remove(&destination).is_none() {
            return refuse(
                Code::RouteNotFound,
                format_args!(
                    "no route with {} {destination} in route table {}",
                    destination.parameter(),
                    table.id
                ),
            );
        }
        self.put(table);
        Ok(Reply::Done)
    }

    /// Has an interface get what is for a block of the VPC itself, but for what stays in a subnet.
    fn replace_local_route(
        &mut self,
        scope: Scope,
        table: &RouteTable,
        destination: RouteDestination,
        target: RouteTo,
    ) -> Outcome {
        self.check_target(scope, table, target)?;
        if !matches!(target, RouteTo::Interface(_)) {
            return Err(only_interfaces(destination));
        }
        if table.routes.get(&destination) != Some(&target) {
            let mut table = table.clone();
            table.routes.insert(destination, target);
            check_room(&self.world, &table)?;
            self.put(table);
        }
        Ok(Reply::Done)
    }

    /// Removes from every table of a VPC what replaces the local route of a block that goes.
    pub(super) fn forget_local_routes(&mut self, vpc: VpcId, block: RouteDestination) {
        let replaced = |table: &&Arc<RouteTable>| table.routes.contains_key(&block);
        let tables = self.world.route_tables_in(Key::Vpc(vpc)).filter(replaced).cloned();
        for table in tables.collect::<Vec<_>>() {
            let mut table = RouteTable::clone(&table);
            table.routes.remove(&block);
            self.put(table);
        }
    }

    /// Gives a local route its own target back.
    pub(super) fn restore_local_route(
        &mut self,
        scope: Scope,
        table: RouteTableId,
        destination: RouteDestination,
    ) -> Outcome {
        let table = self.editable_table(scope, table)?;
        if self.is_local(&table, destination) {
            let mut table = RouteTable::clone(&table);
            if table.routes.remove(&destination).is_some() {
                self.put(table);
            }
            return Ok(Reply::Done);
        }
        refuse(
            Code::InvalidParameterValue,
            format_args!(
                "There is no local route defined for '{destination}' in the route table {}",
                table.id
            ),
        )
    }

    /// The blocks to which a table leads without a route of its own.
    fn local_blocks(&self, table: &RouteTable) -> Vec<IpCidr> {
        let blocks = |vpc: &Arc<Vpc>| {
            let ipv4 = vpc.blocks().map(IpCidr::V4);
            ipv4.chain(vpc.ipv6_blocks().map(IpCidr::V6)).collect()
        };
        self.world.vpc(table.vpc).map(blocks).unwrap_or_default()
    }

    fn is_local(&self, table: &RouteTable, destination: RouteDestination) -> bool {
        let block = match destination {
            RouteDestination::Cidr(block) => IpCidr::V4(block),
            RouteDestination::Ipv6(block) => IpCidr::V6(block),
            RouteDestination::PrefixList(_) => return false,
        };
        self.local_blocks(table).contains(&block)
    }

    fn check_not_local(
        &self,
        table: &RouteTable,
        destination: RouteDestination,
    ) -> Result<(), Refused> {
        if self.is_local(table, destination) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("cannot remove local route {destination} in route table {}", table.id),
            );
        }
        Ok(())
    }

    /// Whether a route may lead to a destination at all, given what it points to.
    fn check_destination(
        &self,
        scope: Scope,
        table: &RouteTable,
        destination: RouteDestination,
        target: RouteTo,
    ) -> Result<(), Refused> {
        let family = match destination {
            RouteDestination::Cidr(_) => AddressFamily::Ipv4,
            RouteDestination::Ipv6(_) => AddressFamily::Ipv6,
            RouteDestination::PrefixList(list) => self.own_prefix_list(scope, list)?.family,
        };
        if let (RouteTo::EgressGateway(id), AddressFamily::Ipv4) = (target, family) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "The egress-only internet gateway '{id}' takes IPv6 traffic alone: nothing of \
                     {destination} can be routed to it"
                ),
            );
        }
        match destination {
            RouteDestination::Cidr(block) => self.check_block(table, IpCidr::V4(block), target),
            RouteDestination::Ipv6(block) => self.check_block(table, IpCidr::V6(block), target),
            RouteDestination::PrefixList(_) => Ok(()),
        }
    }

    fn check_block(
        &self,
        table: &RouteTable,
        destination: IpCidr,
        target: RouteTo,
    ) -> Result<(), Refused> {
        if let Some(services) = SERVICES.into_iter().find(|own| covers(*own, destination)) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("The destination CIDR block {destination} is reserved: {services}"),
            );
        }
        let local = self.local_blocks(table);
        if !local.iter().any(|block| covers(*block, destination)) {
            return Ok(());
        }
        match target {
            RouteTo::Peering(_)
            | RouteTo::Gateway(_)
            | RouteTo::EgressGateway(_)
            | RouteTo::Nat(_) => Err(only_interfaces(destination)),
            RouteTo::Interface(_) if local.contains(&destination) => {
                Err(route_exists(match destination {
                    IpCidr::V4(block) => block.into(),
                    IpCidr::V6(block) => block.into(),
                }))
            }
            RouteTo::Interface(_) => self.check_whole_subnet(table, destination),
        }
    }

    fn check_whole_subnet(&self, table: &RouteTable, destination: IpCidr) -> Result<(), Refused> {
        let is_whole = |subnet: &Arc<Subnet>| match destination {
            IpCidr::V4(block) => subnet.cidr == block,
            IpCidr::V6(block) => subnet.ipv6.is_some_and(|own| own.cidr == block),
        };
        if self.world.subnets_in(Key::Vpc(table.vpc)).any(is_whole) {
            return Ok(());
        }
        refuse(
            Code::InvalidParameterValue,
            format_args!(
                "The destination CIDR block {destination} lies in this VPC, but is not the CIDR \
                 block of one of its subnets"
            ),
        )
    }

    /// The tables that have no room for a prefix list of another size, in order.
    pub(super) fn tables_too_full(&self, list: &PrefixList) -> Vec<RouteTableId> {
        let mut world = self.world.clone();
        world.apply(&crate::Change::Put(list.clone().into()));
        let naming = self.world.route_tables_in(Key::PrefixList(list.id));
        let full = naming.filter(|table| check_room(&world, table).is_err());
        full.map(|table| table.id).collect()
    }

    fn check_target(
        &self,
        scope: Scope,
        table: &RouteTable,
        target: RouteTo,
    ) -> Result<(), Refused> {
        let (here, what) = match target {
            RouteTo::Peering(id) => {
                let pcx = self.seen_peering(scope, id)?;
                let status = pcx.status(self.now);
                if status.ended() || status == PeeringStatus::Deleting {
                    return refuse(
                        Code::InvalidParameterValue,
                        format_args!(
                            "The vpcPeeringConnection '{id}' is {}: nothing can be routed to it",
                            status.code()
                        ),
                    );
                }
                (pcx.side(table.vpc).is_some(), format!("network gateway {id}"))
            }
            RouteTo::Interface(id) => {
                (self.own_eni(scope, id)?.vpc == table.vpc, format!("interface {id}"))
            }
            RouteTo::Gateway(id) => {
                let gateway = self.own_gateway(scope, id)?;
                (gateway.vpc == Some(table.vpc), format!("network gateway {id}"))
            }
            RouteTo::EgressGateway(id) => {
                let gateway = self.own_egress_gateway(scope, id)?;
                (gateway.vpc == table.vpc, format!("network gateway {id}"))
            }
            RouteTo::Nat(id) => {
                let nat = self.own_nat_gateway(scope, id).ok().filter(|nat| nat.works());
                let nat = nat.ok_or_else(|| {
                    super::lookup::absent(Code::NatTargetNotFound, "natGateway ID", id)
                })?;
                (nat.vpc == table.vpc, format!("network gateway {id}"))
            }
        };
        if !here {
            return Err(different(format_args!("route table {} and {what}", table.id)));
        }
        Ok(())
    }
}

/// Whether a table has room for its routes, of which those to a prefix list count as often as the list
/// may have entries. Each family is counted apart.
fn check_room(world: &World, table: &RouteTable) -> Result<(), Refused> {
    let account = world.vpc(table.vpc).map(|vpc| vpc.account);
    let most = account.and_then(|account| world.quota(account, Quota::Routes));
    let Some(most) = most else { return Ok(()) };
    for family in [AddressFamily::Ipv4, AddressFamily::Ipv6] {
        if world.routes_counted(table, family) > most {
            return Err(Quota::Routes.reached());
        }
    }
    Ok(())
}

fn covers(wider: IpCidr, block: IpCidr) -> bool {
    match (wider, block) {
        (IpCidr::V4(wider), IpCidr::V4(block)) => wider.covers(block),
        (IpCidr::V6(wider), IpCidr::V6(block)) => wider.covers(block),
        (IpCidr::V4(_), IpCidr::V6(_)) | (IpCidr::V6(_), IpCidr::V4(_)) => false,
    }
}

fn only_interfaces(destination: impl std::fmt::Display) -> Refused {
    Refused::new(
        Code::InvalidParameterValue,
        format_args!(
            "The destination CIDR block {destination} is equal to or more specific than one of this \
             VPC's CIDR blocks. This route can target only an interface or an instance."
        ),
    )
}

fn check_same_vpc(table: &RouteTable, subnet: &Subnet) -> Result<(), Refused> {
    if table.vpc == subnet.vpc {
        return Ok(());
    }
    Err(different(format_args!("route table {} and subnet {}", table.id, subnet.id)))
}

/// A refusal for what lies in two VPCs.
pub(super) fn different(what: impl std::fmt::Display) -> Refused {
    Refused::new(Code::InvalidParameterValue, format_args!("{what} belong to different networks"))
}

fn route_exists(destination: RouteDestination) -> Refused {
    Refused::new(
        Code::RouteAlreadyExists,
        format_args!("The route identified by {destination} already exists."),
    )
}
