//! Requests about VPCs, subnets, gateways, routes and peerings.

use super::Player;
use crate::command::*;
use crate::resource::*;
use crate::*;

impl Player<'_> {
    fn association(&self, die: usize) -> RouteTableAssociationId {
        let own = self.world.subnets().filter_map(|subnet| Some(subnet.route_table?.id));
        self.pick(die, own.chain(self.world.vpcs().map(|vpc| vpc.main_association)))
            .unwrap_or(RouteTableAssociationId::MIN)
    }

    /// An interface, a NAT gateway, a peering or a gateway of the table's VPC.
    fn target(&self, table: RouteTableId, die: usize) -> RouteTo {
        let vpc = Key::Vpc(self.world.route_table(table).map_or(VpcId::MIN, |table| table.vpc));
        let enis = self.world.enis_in(vpc).map(|eni| RouteTo::Interface(eni.id));
        let peerings = self.world.peerings_of(vpc).map(|pcx| RouteTo::Peering(pcx.id));
        let gateways = self.world.gateways_of(vpc).map(|igw| RouteTo::Gateway(igw.id));
        let egress = self.world.egress_gateways_in(vpc).map(|it| RouteTo::EgressGateway(it.id));
        let nats = self.world.nat_gateways_of(vpc).map(|nat| RouteTo::Nat(nat.id));
        self.pick(die, enis.chain(peerings).chain(gateways).chain(egress).chain(nats))
            .unwrap_or(RouteTo::Peering(PcxId::MIN))
    }

    /// A destination that is there, one that the peer has, or one inside the VPC.
    fn destination(&self, table: RouteTableId, die: usize) -> RouteDestination {
        let table = self.world.route_table(table);
        let there = table.and_then(|t| self.pick(die, t.routes.keys().copied()));
        let subnets = self.world.subnets().map(|subnet| subnet.cidr);
        let subnets6 = self.world.subnets().filter_map(|subnet| Some(subnet.ipv6?.cidr));
        let vpcs6 = self.world.vpcs().flat_map(|vpc| vpc.ipv6_blocks().collect::<Vec<_>>());
        let block = match self.dice[die] % 7 {
            5 => return self.pick(die, subnets6).unwrap_or(Ipv6Cidr::ANY).into(),
            6 => return self.pick(die, vpcs6).unwrap_or(Ipv6Cidr::ANY).into(),
            0 => return there.unwrap_or(Cidr::ANY.into()),
            4 => return self.prefix_list(die).into(),
            1 => self.pick(die, subnets).unwrap_or(Cidr::ANY),
            2 => self.part(self.block(die), die),
            _ => self.block_of(self.vpc(die), die),
        };
        block.into()
    }

    pub(super) fn gateway_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let vpc = self.vpc(1);
        let (tags, client_token) = (self.tags(3), self.token(4));
        let gateway = self.pick(2, self.world.gateways().map(|r| r.id)).unwrap_or(IgwId::MIN);
        let options = self.pick(2, self.world.dhcp_option_sets().map(|r| r.id));
        match self.dice[5] % 12 {
            8 => {
                let servers = vec![format!("10.0.0.{}", self.dice[2])];
                let options = [("domain-name-servers".to_owned(), servers)].into();
                C::CreateDhcpOptions { options, tags }
            }
            9 => C::DeleteDhcpOptions { options: options.unwrap_or(DhcpOptionsId::MIN) },
            10..=11 => C::AssociateDhcpOptions { vpc, options: options.filter(|_| self.flag(3)) },
            0..=1 => C::CreateInternetGateway { tags },
            2..=3 => C::AttachInternetGateway { gateway, vpc },
            4 => C::DetachInternetGateway { gateway, vpc },
            5 => C::DeleteInternetGateway { gateway },
            6 => C::CreateEgressOnlyInternetGateway { vpc, client_token, tags },
            _ => {
                let all = self.world.egress_gateways().map(|r| r.id);
                let gateway = self.pick(2, all).unwrap_or(EgressGatewayId::MIN);
                C::DeleteEgressOnlyInternetGateway { gateway }
            }
        }
    }

    pub(super) fn subnet_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let subnet = self.subnet(1);
        let on = self.flag(3);
        match self.dice[5] % 16 {
            11 => C::AssociateVpcIpv6CidrBlock { vpc: self.vpc(1) },
            12..=13 => {
                let vpc = self.world.subnet(subnet).and_then(|subnet| self.world.vpc(subnet.vpc));
                let block = vpc.and_then(|vpc| self.pick(2, vpc.ipv6_blocks()));
                let len = 56 + self.dice[3] % 3 * 4;
                let cidr = block.and_then(|b| b.subnet(len, u128::from(self.dice[4] % 16)));
                C::AssociateSubnetCidrBlock { subnet, cidr: cidr.unwrap_or(Ipv6Cidr::ANY) }
            }
            14 => {
                let all = self.world.subnets().filter_map(|subnet| Some(subnet.ipv6?.id));
                let association = self.pick(2, all).unwrap_or(SubnetCidrAssociationId::MIN);
                C::DisassociateSubnetCidrBlock { association }
            }
            15 => {
                let new = NewVpc {
                    cidr: self.block(1),
                    ipv6: true,
                    tenancy: Tenancy::Dedicated,
                    tags: self.tags(2),
                };
                C::CreateVpc(new)
            }
            8 => C::CreateDefaultVpc,
            9 => {
                let region = self.scope.region;
                C::CreateDefaultSubnet { zone: region.zone(usize::from(self.dice[2] % 3)) }
            }
            10 => C::ModifyVpcTenancy { vpc: self.vpc(1) },
            0 => {
                let all = self.world.subnet_reservations().map(|r| r.id);
                let reservation = self.pick(2, all).unwrap_or(SubnetReservationId::MIN);
                C::DeleteSubnetCidrReservation { reservation }
            }
            1..=3 => {
                let block = self.world.subnet(subnet).map(|subnet| subnet.cidr);
                let cidr = self.part(block.unwrap_or(Cidr::ANY), 2).into();
                let kind = if on { ReservationKind::Prefix } else { ReservationKind::Explicit };
                let (description, tags) = (None, self.tags(4));
                C::CreateSubnetCidrReservation { subnet, cidr, kind, description, tags }
            }
            _ => {
                let attribute = match self.dice[2] % 4 {
                    0 => SubnetAttribute::MapPublicIp(on),
                    1 => SubnetAttribute::AssignIpv6(on),
                    2 => SubnetAttribute::HostnameType(HostnameType::ResourceName),
                    _ => SubnetAttribute::LniDeviceIndex(on.then_some(1)),
                };
                C::ModifySubnetAttribute { subnet, attribute }
            }
        }
    }

    pub(super) fn attribute(&self) -> VpcAttribute {
        match self.dice[2] % 3 {
            0 => VpcAttribute::DnsSupport(self.flag(2)),
            1 => VpcAttribute::DnsHostnames(self.flag(2)),
            _ => VpcAttribute::UsageMetrics(self.flag(2)),
        }
    }

    pub(super) fn cidr_association(&self) -> VpcCidrAssociationId {
        let all = self
            .world
            .vpcs()
            .flat_map(|vpc| vpc.cidrs.iter().map(|c| c.id).chain(vpc.ipv6.iter().map(|c| c.id)));
        self.pick(1, all).unwrap_or(VpcCidrAssociationId::MIN)
    }

    pub(super) fn route_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let route_table = self.table(1);
        let (destination, target) = (self.destination(route_table, 2), self.target(route_table, 3));
        let association = self.association(4);
        match self.dice[5] % 12 {
            0 => {
                let (client_token, tags) = (self.token(2), self.tags(3));
                C::CreateRouteTable { vpc: self.vpc(1), client_token, tags }
            }
            1 => C::DeleteRouteTable { route_table },
            2 => C::AssociateRouteTable { route_table, subnet: self.subnet(2) },
            3 => C::DisassociateRouteTable { association },
            4 => C::ReplaceRouteTableAssociation { association, route_table },
            5 => C::DeleteRoute { route_table, destination },
            6 if self.flag(3) => C::RestoreLocalRoute { route_table, destination },
            6..=7 => C::ReplaceRoute { route_table, destination, target },
            _ => C::CreateRoute { route_table, destination, target },
        }
    }

    pub(super) fn peering_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let peering = self.pcx(1);
        match self.dice[5] % 6 {
            0 => C::RejectPeering { peering },
            1 => C::DeletePeering { peering },
            2..=3 => C::AcceptPeering { peering },
            _ => {
                let others = self.world.vpcs().map(|vpc| vpc.id);
                let (vpc, peer_vpc) = (self.vpc(1), self.pick(2, others).unwrap_or(VpcId::MIN));
                let peer_owner = self.world.vpc(peer_vpc).map(|vpc| vpc.account);
                let tags = self.tags(3);
                C::CreatePeering { vpc, peer_vpc, peer_owner, peer_region: None, tags }
            }
        }
    }
}
