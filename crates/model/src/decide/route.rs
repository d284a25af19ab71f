//! Rules of route tables and routes (`ec2.md` §1.3, §1.5).

use std::sync::Arc;

use super::{Decision, Outcome, refuse};
use crate::command::Reply;
use crate::resource::*;
use crate::{
    Cidr, Code, Key, Kind, Part, PrefixedId, Refused, RouteTableAssociationId, RouteTableId, Scope,
    SmallMap, SubnetId, VpcId,
};

/// EC2's quota of route tables per VPC.
const MAX_TABLES: usize = 200;
/// EC2's quota of routes per table.
const MAX_ROUTES: usize = 500;
/// EC2 keeps this for its own services, in every VPC.
const SERVICES: Cidr = Cidr::new(169, 254, 168, 0, 22);

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
        if self.world.naming(key, Kind::RouteTable).count() >= MAX_TABLES {
            return refuse(
                Code::LimitExceeded,
                format_args!("The maximum number of route tables has been reached: {MAX_TABLES}"),
            );
        }
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
        destination: Cidr,
        target: RouteTo,
    ) -> Outcome {
        let table = self.editable_table(scope, table)?;
        self.check_target(scope, &table, target)?;
        self.check_destination(&table, destination, target)?;
        match table.routes.get(&destination) {
            // Asking for a route that is there already changes nothing.
            Some(old) if *old == target => return Ok(Reply::Done),
            Some(_) => return Err(route_exists(destination)),
            None => {}
        }
        if table.routes.len() >= MAX_ROUTES {
            return refuse(
                Code::RouteLimitExceeded,
                format_args!("The maximum number of routes has been reached: {MAX_ROUTES}"),
            );
        }
        self.put_route(&table, destination, target);
        Ok(Reply::Done)
    }

    pub(super) fn replace_route(
        &mut self,
        scope: Scope,
        table: RouteTableId,
        destination: Cidr,
        target: RouteTo,
    ) -> Outcome {
        let table = self.editable_table(scope, table)?;
        self.check_not_local(&table, destination, "replace")?;
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
        self.check_destination(&table, destination, target)?;
        if *old != target {
            self.put_route(&table, destination, target);
        }
        Ok(Reply::Done)
    }

    pub(super) fn delete_route(
        &mut self,
        scope: Scope,
        table: RouteTableId,
        destination: Cidr,
    ) -> Outcome {
        let table = self.editable_table(scope, table)?;
        self.check_not_local(&table, destination, "remove")?;
        let mut table = RouteTable::clone(&table);
        if table.routes.remove(&destination).is_none() {
            return refuse(
                Code::RouteNotFound,
                format_args!(
                    "no route with destination-cidr-block {destination} in route table {}",
                    table.id
                ),
            );
        }
        self.put(table);
        Ok(Reply::Done)
    }

    fn put_route(&mut self, table: &RouteTable, destination: Cidr, target: RouteTo) {
        let mut table = table.clone();
        table.routes.insert(destination, target);
        self.put(table);
    }

    fn check_not_local(
        &self,
        table: &RouteTable,
        destination: Cidr,
        verb: &str,
    ) -> Result<(), Refused> {
        let local = |vpc: &Arc<Vpc>| vpc.blocks().any(|block| block == destination);
        if self.world.vpc(table.vpc).is_some_and(local) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("cannot {verb} local route {destination} in route table {}", table.id),
            );
        }
        Ok(())
    }

    /// Whether a route may lead to a destination at all, given what it points to.
    fn check_destination(
        &self,
        table: &RouteTable,
        destination: Cidr,
        target: RouteTo,
    ) -> Result<(), Refused> {
        if SERVICES.covers(destination) {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("The destination CIDR block {destination} is reserved: {SERVICES}"),
            );
        }
        let inside = |vpc: &Arc<Vpc>| vpc.blocks().any(|block| block.covers(destination));
        if !self.world.vpc(table.vpc).is_some_and(inside) {
            return Ok(());
        }
        match target {
            RouteTo::Peering(_) | RouteTo::Gateway(_) | RouteTo::Nat(_) => refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "The destination CIDR block {destination} is equal to or more specific than \
                     one of this VPC's CIDR blocks. This route can target only an interface or an \
                     instance."
                ),
            ),
            RouteTo::Interface(_) => self.check_whole_subnet(table, destination),
        }
    }

    fn check_whole_subnet(&self, table: &RouteTable, destination: Cidr) -> Result<(), Refused> {
        if self.world.vpc(table.vpc).is_some_and(|vpc| vpc.blocks().any(|b| b == destination)) {
            return Err(route_exists(destination));
        }
        if self.world.subnets_in(Key::Vpc(table.vpc)).any(|subnet| subnet.cidr == destination) {
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
            RouteTo::Nat(id) => {
                let nat = self.own_nat_gateway(scope, id)?;
                if !nat.works() {
                    return refuse(
                        Code::NatGatewayNotFound,
                        format_args!("The Nat Gateway {id} was not found"),
                    );
                }
                (nat.vpc == table.vpc, format!("network gateway {id}"))
            }
        };
        if !here {
            return Err(different(format_args!("route table {} and {what}", table.id)));
        }
        Ok(())
    }
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

fn route_exists(destination: Cidr) -> Refused {
    Refused::new(
        Code::RouteAlreadyExists,
        format_args!("The route identified by {destination} already exists."),
    )
}
