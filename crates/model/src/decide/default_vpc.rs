//! Default VPCs and their subnets: what an account finds where it names no subnet.

use super::{Decision, Outcome, refuse};
use crate::resource::{RouteTable, RouteTo, Subnet, Tags, Vpc};
use crate::{Cidr, Code, Key, Scope, Zone};

/// The block of every default VPC.
const BLOCK: Cidr = Cidr::new(172, 31, 0, 0, 16);
/// The prefix length of its subnets' blocks.
const SUBNET_LEN: u8 = 20;

impl Decision<'_> {
    pub(super) fn create_default_vpc(&mut self, scope: Scope) -> Outcome {
        if self.default_vpc(scope).is_some() {
            return refuse(
                Code::DefaultVpcExists,
                "A Default VPC already exists for this account in this region.",
            );
        }
        self.check_vpc_quota(scope)?;
        Ok(Key::Vpc(self.make_default_vpc(scope).id).into())
    }

    fn default_vpc(&self, scope: Scope) -> Option<std::sync::Arc<Vpc>> {
        let mut own = self.world.vpcs_of(Key::Account(scope.account));
        own.find(|vpc| vpc.is_default && scope.holds(vpc)).cloned()
    }

    /// Makes a default VPC: with a subnet in each zone, and a way out.
    pub(super) fn make_default_vpc(&mut self, scope: Scope) -> Vpc {
        let vpc = self.make_vpc(scope, BLOCK, None, true, Tags::new());
        for (n, zone) in (0..).zip(scope.region.zones()) {
            if let Some(block) = BLOCK.subnet(SUBNET_LEN, n) {
                self.make_subnet(&vpc, block, zone, true, Tags::new());
            }
        }
        let out = RouteTo::Gateway(self.make_gateway(scope, Some(vpc.id), &Tags::new()));
        if let Some(table) = self.world.route_table(vpc.main_route_table).cloned() {
            let mut table = RouteTable::clone(&table);
            table.routes.insert(Cidr::ANY.into(), out);
            self.put(table);
        }
        vpc
    }

    /// Gives a zone a default subnet again, at the lowest block that is free.
    pub(super) fn create_default_subnet(&mut self, scope: Scope, zone: Zone) -> Outcome {
        super::subnet::check_zone(scope, zone)?;
        let Some(vpc) = self.default_vpc(scope) else {
            return refuse(
                Code::DefaultVpcMissing,
                "No default VPC exists for this account in this region.",
            );
        };
        let inside = || self.world.subnets_in(Key::Vpc(vpc.id));
        let there =
            |subnet: &&std::sync::Arc<Subnet>| subnet.default_for_zone && subnet.zone == zone;
        if let Some(there) = inside().find(there) {
            return refuse(
                Code::DefaultSubnetExists,
                format_args!("'{}' is already the default subnet in {zone}.", there.id),
            );
        }
        let blocks = (0..).map_while(|n| vpc.primary().subnet(SUBNET_LEN, n));
        let free = |block: &Cidr| !inside().any(|subnet| subnet.cidr.overlaps(*block));
        let Some(block) = blocks.into_iter().find(free) else {
            return refuse(
                Code::SubnetConflict,
                format_args!("No /{SUBNET_LEN} of the default VPC {} is free.", vpc.id),
            );
        };
        let subnet = self.make_subnet(&vpc, block, zone, true, Tags::new());
        Ok(Key::Subnet(subnet.id).into())
    }
}
