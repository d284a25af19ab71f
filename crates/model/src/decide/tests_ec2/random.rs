//! Random requests of two accounts, of which most name something that exists: nothing panics, and
//! what always holds, holds after each.

use std::time::Duration;

use proptest::prelude::*;

use super::fixture::*;
use crate::command::*;
use crate::resource::*;
use crate::*;

/// What chance a request is made from.
pub(in crate::decide) type Dice = [u8; 6];

/// Turns chance into requests about what there is.
pub(in crate::decide) struct Player<'a> {
    pub(in crate::decide) world: &'a World,
    pub(in crate::decide) scope: Scope,
    pub(in crate::decide) dice: Dice,
}

impl Player<'_> {
    fn pick<T>(&self, die: usize, all: impl Iterator<Item = T>) -> Option<T> {
        let all: Vec<T> = all.collect();
        let at = usize::from(self.dice[die]) % all.len().max(1);
        all.into_iter().nth(at)
    }

    fn flag(&self, die: usize) -> bool {
        self.dice[die] & 0x80 != 0
    }

    /// Mostly the player's own, for what is somebody else's is always refused.
    fn mine(&self, vpc: VpcId) -> bool {
        let mine = self.world.vpc(vpc).is_some_and(|vpc| self.scope.holds(vpc));
        mine || self.dice[4].is_multiple_of(16)
    }

    fn vpc(&self, die: usize) -> VpcId {
        let all = self.world.vpcs().map(|r| r.id);
        self.pick(die, all.filter(|id| self.mine(*id))).unwrap_or(VpcId::MIN)
    }

    fn subnet(&self, die: usize) -> SubnetId {
        let all = self.world.subnets().filter(|r| self.mine(r.vpc));
        self.pick(die, all.map(|r| r.id)).unwrap_or(SubnetId::MIN)
    }

    fn table(&self, die: usize) -> RouteTableId {
        let all = self.world.route_tables().filter(|r| self.mine(r.vpc));
        self.pick(die, all.map(|r| r.id)).unwrap_or(RouteTableId::MIN)
    }

    fn group(&self, die: usize) -> SecurityGroupId {
        let all = self.world.groups().filter(|r| self.mine(r.vpc));
        self.pick(die, all.map(|r| r.id)).unwrap_or(SecurityGroupId::MIN)
    }

    fn acl(&self, die: usize) -> AclId {
        let all = self.world.acls().filter(|r| self.mine(r.vpc));
        self.pick(die, all.map(|r| r.id)).unwrap_or(AclId::MIN)
    }

    fn pcx(&self, die: usize) -> PcxId {
        self.pick(die, self.world.peerings().map(|r| r.id)).unwrap_or(PcxId::MIN)
    }

    fn instance(&self, die: usize) -> InstanceId {
        let all = self.world.instances().filter(|r| self.mine(r.vpc));
        self.pick(die, all.map(|r| r.id)).unwrap_or(InstanceId::MIN)
    }

    fn association(&self, die: usize) -> RouteTableAssociationId {
        let own = self.world.subnets().filter_map(|subnet| Some(subnet.route_table?.id));
        self.pick(die, own.chain(self.world.vpcs().map(|vpc| vpc.main_association)))
            .unwrap_or(RouteTableAssociationId::MIN)
    }

    /// A VPC's block: one of few, so that they collide.
    fn block(&self, die: usize) -> Cidr {
        let n = self.dice[die];
        match n % 8 {
            7 => Cidr::new(172, 16 + n / 16, 0, 0, 16),
            _ => Cidr::new(10, n % 4, (n & 0x30) * 4, 0, 16 + n / 64 * 2),
        }
    }

    /// An IPv6 block: one of few, so that they collide.
    fn block6(&self, die: usize) -> Ipv6Cidr {
        let n = u16::from(self.dice[die]);
        Ipv6Cidr::new([0x2001, 0xdb8, n % 4, 0, 0, 0, 0, 0], 32 + self.dice[die] / 8)
    }

    fn prefix_list(&self, die: usize) -> PrefixListId {
        let mine = |list: &&std::sync::Arc<PrefixList>| {
            list.account == self.scope.account || self.dice[4].is_multiple_of(16)
        };
        self.pick(die, self.world.prefix_lists().filter(mine).map(|list| list.id))
            .unwrap_or(PrefixListId::MIN)
    }

    fn part(&self, of: Cidr, die: usize) -> Cidr {
        let n = self.dice[die];
        let len = (of.prefix_len() + n % 12).min(28 + n / 128);
        of.subnet(len, u32::from(n / 4) % (1 << (len - of.prefix_len()).min(6))).unwrap_or(of)
    }

    fn block_of(&self, vpc: VpcId, die: usize) -> Cidr {
        self.world
            .vpc(vpc)
            .and_then(|vpc| self.pick(die, vpc.blocks()))
            .unwrap_or_else(|| self.block(die))
    }

    fn direction(&self, die: usize) -> Direction {
        if self.dice[die] & 1 == 0 { Direction::Ingress } else { Direction::Egress }
    }

    fn traffic(&self, die: usize) -> Traffic {
        let n = self.dice[die];
        let ports = PortRange { from: u16::from(n), to: u16::from(n.wrapping_add(16)) };
        match n % 6 {
            0 => Traffic::All,
            1 => Traffic::Tcp(ports),
            2 => Traffic::Udp(ports),
            3 => Traffic::Icmp { kind: (n > 99).then_some(8), code: (n > 199).then_some(0) },
            4 => Traffic::Icmpv6 { kind: (n > 99).then_some(128), code: (n > 199).then_some(0) },
            _ => Traffic::Protocol(IpProtocol(n)),
        }
    }

    fn tags(&self, die: usize) -> Tags {
        let n = self.dice[die];
        (0..n % 3).map(|key| (key.to_string(), n.to_string())).collect()
    }

    fn token(&self, die: usize) -> Option<ClientToken> {
        let n = self.dice[die];
        token(&(n % 4).to_string(), &(n / 128).to_string()).filter(|_| n & 64 != 0)
    }

    fn rule(&self, die: usize) -> RuleSpec {
        let peer = match self.dice[die] % 6 {
            0..=1 => RulePeerSpec::Cidr(self.block(die)),
            2 => RulePeerSpec::Ipv6(self.block6(die)),
            3 => RulePeerSpec::PrefixList(self.prefix_list(die)),
            4 => RulePeerSpec::Group(self.group(die), None),
            _ => RulePeerSpec::GroupNamed("default".to_owned()),
        };
        RuleSpec { traffic: self.traffic(die + 1), peer, description: None }
    }

    fn rule_id(&self, die: usize) -> Option<SecurityGroupRuleId> {
        self.pick(die, self.world.group(self.group(1))?.rules.keys().copied())
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

    fn tagged(&self, die: usize) -> Vec<TaggedResource> {
        let any = self.pick(die, self.world.records().filter_map(|record| tagged(record.key())));
        let rule = self.rule_id(die).map(TaggedResource::GroupRule);
        any.into_iter().chain(rule).collect()
    }

    fn run(&self) -> RunInstances {
        let subnet = self.subnet(1);
        let n = self.dice[2];
        let block = self.world.subnet(subnet).map(|subnet| subnet.cidr);
        RunInstances {
            max_count: u16::from(n % 8),
            min_count: 1,
            groups: (n > 128).then(|| self.group(3)).into_iter().collect(),
            address: block.filter(|_| n % 8 == 1).and_then(|b| b.nth(self.dice[4].into())),
            public: (n > 64).then_some(n.is_multiple_of(2)),
            client_token: self.token(5),
            ..run_in(subnet)
        }
    }

    pub(in crate::decide) fn command(&self) -> Ec2Command {
        use Ec2Command as C;
        match self.dice[0] % 66 {
            0..=1 => C::create_vpc(self.block(1), self.tags(2)),
            2 => C::DeleteVpc { vpc: self.vpc(1) },
            3..=4 => C::ModifyVpcAttribute { vpc: self.vpc(1), attribute: self.attribute() },
            5 => C::AssociateVpcCidrBlock { vpc: self.vpc(1), cidr: self.block(2) },
            6 => C::DisassociateVpcCidrBlock { association: self.cidr_association() },
            7..=9 => {
                let vpc = self.vpc(1);
                let cidr = self.part(self.block_of(vpc, 2), 3);
                C::create_subnet(vpc, cidr, None, self.tags(4))
            }
            10 => C::DeleteSubnet { subnet: self.subnet(1) },
            11..=17 => self.route_command(),
            18..=23 => self.group_command(),
            24..=28 => self.acl_command(),
            29..=31 => C::RunInstances(self.run()),
            32 => C::TerminateInstances { instances: vec![self.instance(1), self.instance(2)] },
            33 => C::CreateTags { resources: self.tagged(2), tags: self.tags(3) },
            34 => C::DeleteTags { resources: self.tagged(2), tags: Vec::new() },
            35..=36 => self.subnet_command(),
            37..=38 => self.gateway_command(),
            39..=42 => self.prefix_list_command(),
            43..=46 => self.instance_command(),
            47..=50 => self.interface_command(),
            51..=56 => self.outside_command(),
            57..=58 => self.flow_log_command(),
            59..=60 => self.insights_command(),
            _ => self.peering_command(),
        }
    }

    fn gateway_command(&self) -> Ec2Command {
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

    fn subnet_command(&self) -> Ec2Command {
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

    fn instance_command(&self) -> Ec2Command {
        use Ec2Command as C;
        use InstanceChange as Change;
        let instances = vec![self.instance(1), self.instance(2)];
        let change = match self.dice[3] % 6 {
            0 => Change::Type("m5.large".to_owned()),
            1 => Change::StopDisabled(self.flag(4)),
            2 => Change::SourceDestCheck(self.flag(4)),
            3 => Change::Groups(vec![self.group(4)]),
            4 => Change::TerminationDisabled(self.flag(4)),
            _ => Change::Shutdown(ShutdownBehavior::Terminate),
        };
        match self.dice[5] % 6 {
            0 => C::StartInstances { instances },
            1 => C::StopInstances { instances },
            2 => C::RebootInstances { instances },
            3 => C::MonitorInstances { instances, on: self.flag(3) },
            4 => C::ModifyInstanceCreditSpecification {
                credits: vec![(self.instance(1), CpuCredits::Unlimited)],
            },
            _ => C::ModifyInstanceAttribute { instance: self.instance(1), change },
        }
    }

    fn eni(&self, die: usize) -> EniId {
        let all = self.world.enis().filter(|r| self.mine(r.vpc));
        self.pick(die, all.map(|r| r.id)).unwrap_or(EniId::MIN)
    }

    fn interface_command(&self) -> Ec2Command {
        use Ec2Command as C;
        use InterfaceChange as Change;
        let interface = self.eni(1);
        let found = self.world.eni(interface);
        let attachment = found.and_then(|eni| eni.attachment.as_ref()).map(|a| a.id);
        let attachment = attachment.unwrap_or(EniAttachmentId::MIN);
        let change = match self.dice[3] % 4 {
            0 => Change::Description("other".to_owned()),
            1 => Change::Groups(vec![self.group(4)]),
            2 => Change::SourceDestCheck(self.flag(4)),
            _ => Change::DeleteOnTermination { attachment, on: self.flag(4) },
        };
        let block = found.and_then(|eni| self.world.subnet(eni.subnet)).map(|subnet| subnet.cidr);
        let address = block.and_then(|block| block.nth(u64::from(self.dice[3] % 16)));
        let other = self.world.eni(self.eni(2)).and_then(|eni| eni.addresses.last().copied());
        let addresses = if self.flag(2) { other } else { address };
        let addresses: Vec<_> = addresses.into_iter().collect();
        match self.dice[5] % 7 {
            0..=1 => C::CreateNetworkInterface(NewInterface {
                subnet: self.subnet(1),
                groups: Vec::new(),
                description: String::new(),
                addresses: AddressesSpec {
                    count: u16::from(self.dice[2] % 3),
                    ..AddressesSpec::default()
                },
                client_token: self.token(3),
                tags: self.tags(4),
            }),
            2 => C::DeleteNetworkInterface { interface },
            3 => {
                let device_index = self.dice[3] % 3;
                C::AttachNetworkInterface { interface, instance: self.instance(2), device_index }
            }
            4 => C::DetachNetworkInterface { attachment },
            5 => C::ModifyNetworkInterfaceAttribute { interface, change },
            _ if self.flag(4) => C::UnassignPrivateIpAddresses { interface, addresses },
            _ => {
                let count = u16::from(addresses.is_empty());
                C::AssignPrivateIpAddresses { interface, addresses, count, take: self.flag(3) }
            }
        }
    }

    fn elastic(&self, die: usize) -> AllocationId {
        let all = self.world.elastic_ips().filter(|r| r.account == self.scope.account);
        self.pick(die, all.map(|r| r.id)).unwrap_or(AllocationId::MIN)
    }

    fn outside_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let which = ElasticIpName::Allocation(self.elastic(1));
        match self.dice[5] % 8 {
            0..=1 => C::AllocateAddress { address: None, tags: self.tags(2) },
            2 => C::ReleaseAddress { which },
            3 => {
                let association = self.pick(1, self.world.elastic_ips());
                let association = association.and_then(|elastic| elastic.association);
                let id = association.map_or(AddressAssociationId::MIN, |it| it.id);
                C::DisassociateAddress { which: AddressAssociationName::Association(id) }
            }
            4..=5 => {
                let target = match self.pick(2, self.world.enis().filter(|r| self.mine(r.vpc))) {
                    Some(eni) if self.flag(3) => AddressTarget::Eni(eni.id),
                    Some(_) | None => AddressTarget::Instance(self.instance(2)),
                };
                let reassociate = self.flag(4);
                C::AssociateAddress { which, target, private: None, reassociate }
            }
            6 => {
                let all = self.world.nat_gateways().map(|nat| nat.id);
                C::DeleteNatGateway { nat_gateway: self.pick(1, all).unwrap_or(NatGatewayId::MIN) }
            }
            _ => {
                let public = self.flag(3);
                C::CreateNatGateway(CreateNatGateway {
                    subnet: self.subnet(2),
                    connectivity: [Connectivity::Private, Connectivity::Public]
                        [usize::from(public)],
                    allocation: public.then(|| self.elastic(1)),
                    private: None,
                    client_token: self.token(4),
                    tags: self.tags(3),
                })
            }
        }
    }

    fn flow_log_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let enis = self.world.enis().filter(|r| self.mine(r.vpc)).map(|r| r.id);
        if self.dice[5].is_multiple_of(4) {
            let all: Vec<_> = self.world.flow_logs().map(|log| log.id).collect();
            let ids = [1, 2].into_iter().filter_map(|die| self.pick(die, all.iter().copied()));
            return C::DeleteFlowLogs { flow_logs: ids.collect() };
        }
        let subjects = [
            FlowLogSubject::Vpc(self.vpc(1)),
            FlowLogSubject::Subnet(self.subnet(2)),
            FlowLogSubject::Eni(self.pick(3, enis).unwrap_or(EniId::MIN)),
        ];
        let at = usize::from(self.dice[5] / 4 % 3);
        let traffic = [FlowLogTraffic::Accept, FlowLogTraffic::All][usize::from(self.flag(1))];
        let group = format!("group-{}", self.dice[2] % 3);
        C::CreateFlowLogs(CreateFlowLogs {
            of: subjects[at..].to_vec(),
            settings: super::flow_log::settings(traffic, &group),
            client_token: self.token(4),
            tags: self.tags(3),
        })
    }

    fn path_end(&self, die: usize) -> PathEnd {
        let gateways = self.world.gateways().map(|r| r.id);
        let enis = self.world.enis().filter(|r| self.mine(r.vpc)).map(|r| r.id);
        match self.dice[die] % 8 {
            0 => PathEnd::Peering(self.pcx(die)),
            1..=2 => PathEnd::Gateway(self.pick(die, gateways).unwrap_or(IgwId::MIN)),
            3..=5 => PathEnd::Eni(self.pick(die, enis).unwrap_or(EniId::MIN)),
            _ => PathEnd::Instance(self.instance(die)),
        }
    }

    fn insights_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let paths = self.world.insights_paths().filter(|it| it.is_of(self.scope));
        let path = self.pick(1, paths).map_or(NetworkInsightsPathId::MIN, |path| path.id);
        let (client_token, tags) = (self.token(4), self.tags(3));
        match self.dice[5] % 8 {
            0..=3 => {
                let address = self.block(3).nth(4).filter(|_| self.flag(4));
                let packets = PathPackets {
                    source: self.path_end(1),
                    destination: Some(self.path_end(2)).filter(|_| self.flag(3)),
                    source_ip: None,
                    destination_ip: address,
                    protocol: [IpProtocol::TCP, IpProtocol::UDP][usize::from(self.flag(2))],
                    destination_port: Some(self.dice[3].into()).filter(|_| self.flag(1)),
                    at_source: None,
                    at_destination: None,
                };
                let new = CreateNetworkInsightsPath { packets, client_token, tags };
                C::CreateNetworkInsightsPath(new)
            }
            4..=5 => {
                let options = AnalysisOptions::default();
                let now = NOW;
                let outcome = analyse(self.world, self.scope, path, &options, now);
                let new =
                    StartNetworkInsightsAnalysis { path, options, outcome, client_token, tags };
                C::StartNetworkInsightsAnalysis(new)
            }
            6 => C::DeleteNetworkInsightsPath { path },
            _ => {
                let all = self.world.insights_analyses().map(|it| it.id);
                let analysis = self.pick(1, all).unwrap_or(NetworkInsightsAnalysisId::MIN);
                C::DeleteNetworkInsightsAnalysis { analysis }
            }
        }
    }

    fn attribute(&self) -> VpcAttribute {
        match self.dice[2] % 3 {
            0 => VpcAttribute::DnsSupport(self.flag(2)),
            1 => VpcAttribute::DnsHostnames(self.flag(2)),
            _ => VpcAttribute::UsageMetrics(self.flag(2)),
        }
    }

    fn cidr_association(&self) -> VpcCidrAssociationId {
        let all = self
            .world
            .vpcs()
            .flat_map(|vpc| vpc.cidrs.iter().map(|c| c.id).chain(vpc.ipv6.iter().map(|c| c.id)));
        self.pick(1, all).unwrap_or(VpcCidrAssociationId::MIN)
    }

    fn route_command(&self) -> Ec2Command {
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
            6..=7 => C::ReplaceRoute { route_table, destination, target },
            _ => C::CreateRoute { route_table, destination, target },
        }
    }

    fn group_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let (group, direction, tags) = (self.group(1), self.direction(2), self.tags(2));
        match self.dice[5] % 8 {
            0 => {
                let name = format!("group {}", self.dice[3] % 8);
                let description = name.clone();
                C::CreateSecurityGroup { vpc: self.vpc(1), name, description, tags }
            }
            1 => C::DeleteSecurityGroup { group },
            2 => {
                let rules = vec![self.rule(3)];
                C::RevokeSecurityGroup { group, direction, rules, ids: Vec::new() }
            }
            3 => {
                let ids = self.rule_id(3).into_iter().collect();
                C::RevokeSecurityGroup { group, direction, rules: Vec::new(), ids }
            }
            4 => {
                let rules = self.rule_id(3).map(|id| (id, self.rule(4))).into_iter().collect();
                C::ModifySecurityGroupRules { group, rules }
            }
            5 => {
                let words = Some(format!("words {}", self.dice[4]));
                let ids = self.rule_id(3).map(|id| (id, words)).into_iter().collect();
                C::DescribeSecurityGroupRules { group, direction, rules: Vec::new(), ids }
            }
            _ => {
                let rules = vec![self.rule(2), self.rule(3)];
                C::AuthorizeSecurityGroup { group, direction, rules, tags }
            }
        }
    }

    fn prefix_list_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let (list, n) = (self.prefix_list(1), self.dice[3]);
        let there = self.world.prefix_list(list);
        let family = match self.dice[2] % 4 {
            0 => AddressFamily::Ipv6,
            _ => there.map_or(AddressFamily::Ipv4, |list| list.family),
        };
        let block = |die| match family {
            AddressFamily::Ipv4 => IpCidr::V4(self.block(die)),
            AddressFamily::Ipv6 => IpCidr::V6(self.block6(die)),
        };
        let version = there.map_or(1, |list| list.version);
        let modify = ModifyPrefixList {
            list,
            current: (n > 99).then_some(version + u64::from(n.is_multiple_of(16))),
            name: None,
            max_entries: None,
            add: Vec::new(),
            remove: Vec::new(),
        };
        match self.dice[5] % 8 {
            0..=1 => C::CreatePrefixList(CreatePrefixList {
                name: format!("list {}", n % 4),
                family,
                max_entries: u16::from(n % 32),
                entries: vec![(block(3), None)],
                client_token: self.token(4),
                tags: self.tags(4),
            }),
            2 => C::ModifyPrefixList(ModifyPrefixList { max_entries: Some(n.into()), ..modify }),
            3 => C::ModifyPrefixList(ModifyPrefixList { remove: vec![block(3)], ..modify }),
            4 => C::RestorePrefixList {
                list,
                previous: u64::from(n) % (version + 1),
                current: version,
            },
            5 => C::DeletePrefixList { list },
            _ => C::ModifyPrefixList(ModifyPrefixList {
                add: vec![(block(3), None), (block(4), Some("words".to_owned()))],
                ..modify
            }),
        }
    }

    fn acl_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let (acl, direction) = (self.acl(1), self.direction(2));
        let number = u16::from(self.dice[3] % 32) * 10;
        let cidr = match self.dice[4] % 4 {
            0 => self.block6(4).into(),
            _ => self.block(4).into(),
        };
        let entry = AclEntry { allow: self.flag(4), traffic: self.traffic(4), cidr };
        let association = self.pick(2, self.world.subnets().map(|s| s.acl_association));
        match self.dice[5] % 6 {
            0 => {
                let (client_token, tags) = (self.token(2), self.tags(3));
                C::CreateNetworkAcl { vpc: self.vpc(1), client_token, tags }
            }
            1 => C::DeleteNetworkAcl { acl },
            2 => C::ReplaceNetworkAclAssociation {
                association: association.unwrap_or(AclAssociationId::MIN),
                acl,
            },
            3 => C::ReplaceNetworkAclEntry { acl, direction, number, entry },
            4 => C::DeleteNetworkAclEntry { acl, direction, number },
            _ => C::CreateNetworkAclEntry { acl, direction, number, entry },
        }
    }

    fn peering_command(&self) -> Ec2Command {
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

/// What the fabric would report, if it did all that it is asked to.
fn observation(world: &World) -> Observation {
    let peerings_in =
        |state| world.peerings().filter(move |pcx| pcx.state == state).map(|pcx| pcx.id).collect();
    let report = |instance: &Instance| match instance.state {
        InstanceState::Running if instance.boot == Boot::Ending => {
            WorkloadReport::Ended(Exit::Code(0))
        }
        InstanceState::Pending | InstanceState::Running => WorkloadReport::Running,
        InstanceState::Stopping
        | InstanceState::Stopped
        | InstanceState::ShuttingDown
        | InstanceState::Terminated => WorkloadReport::Gone,
    };
    Observation {
        vpcs: world.vpcs().map(|vpc| vpc.id).collect(),
        carried: peerings_in(PeeringState::Provisioning),
        gone: peerings_in(PeeringState::Deleting),
        workloads: world
            .instances()
            .map(|instance| (WorkloadId::Instance(instance.id), report(instance)))
            .collect(),
        edge: Vec::new(),
    }
}

/// What holds in every world, whatever was asked for.
fn check_invariants(world: &World) {
    for vpc in world.vpcs() {
        assert!(world.route_table(vpc.main_route_table).is_some_and(|r| r.vpc == vpc.id));
        assert!(world.acl(vpc.default_acl).is_some_and(|r| r.vpc == vpc.id && r.is_default));
        assert!(world.group(vpc.default_group).is_some_and(|r| r.vpc == vpc.id));
        assert!(vpc.dhcp_options.is_none_or(|id| world.dhcp_options(id).is_some()));
        assert!((1..=5).contains(&vpc.cidrs.len()));
        let mut blocks: Vec<_> = vpc.blocks().collect();
        blocks.sort_unstable_by_key(|block| block.base());
        assert!(blocks.windows(2).all(|pair| !pair[0].overlaps(pair[1])));
    }
    for subnet in world.subnets() {
        assert!(world.acl(subnet.acl).is_some_and(|acl| acl.vpc == subnet.vpc));
        let ipv6 = subnet.launch.assign_ipv6 || subnet.launch.dns64;
        assert!(!ipv6 || subnet.ipv6.is_some(), "{subnet:?}");
        let own = subnet.route_table.map(|own| world.route_table(own.route_table).unwrap());
        assert!(own.is_none_or(|table| table.vpc == subnet.vpc));
    }
    for gateway in world.gateways() {
        let Some(vpc) = gateway.vpc else { continue };
        assert_eq!(world.vpc(vpc).unwrap().account, gateway.account);
        assert_eq!(world.naming(Key::Vpc(vpc), Kind::InternetGateway).count(), 1);
    }
    for reservation in world.subnet_reservations() {
        let subnet = world.subnet(reservation.subnet).unwrap();
        assert_eq!(subnet.vpc, reservation.vpc);
        let inside = match reservation.cidr {
            IpCidr::V4(block) => subnet.cidr.covers(block),
            IpCidr::V6(block) => subnet.ipv6.is_some_and(|own| own.cidr.covers(block)),
        };
        assert!(inside, "{reservation:?}");
    }
    for table in world.route_tables() {
        let vpc = world.vpc(table.vpc).unwrap();
        for (to, target) in table.cidr_routes() {
            let inside = vpc.blocks().any(|block| block.covers(to));
            assert!(!inside || matches!(target, RouteTo::Interface(_)), "{to} {target:?}");
            assert!(!vpc.blocks().any(|block| block == to));
        }
        for (to, target) in table.routes.iter().filter_map(|(to, by)| Some((to.ipv6()?, by))) {
            let inside = vpc.ipv6_blocks().any(|block| block.covers(to));
            assert!(!inside || matches!(target, RouteTo::Interface(_)), "{to} {target:?}");
            assert!(!vpc.ipv6_blocks().any(|block| block == to));
        }
    }
    world.prefix_lists().for_each(|list| check_prefix_list(world, list));
    for eni in world.enis() {
        let subnet = world.subnet(eni.subnet).unwrap();
        assert_eq!(subnet.vpc, eni.vpc);
        assert!((1..=5).contains(&eni.groups.len()) || eni.nat_gateway.is_some());
        for group in &eni.groups {
            assert_eq!(world.group(*group).unwrap().vpc, eni.vpc);
        }
        if let Some(instance) = eni.instance() {
            assert_eq!(world.instance(instance).unwrap().vpc, eni.vpc);
        }
        for address in &eni.addresses {
            assert!(subnet.cidr.contains(*address) && !subnet.reserves(*address), "{address}");
        }
    }
    world.flow_logs().for_each(|log| check_flow_log(world, log));
    for analysis in world.insights_analyses() {
        let path = world.insights_path(analysis.path).unwrap();
        assert_eq!((path.account, path.region), (analysis.account, analysis.region));
    }
    world.elastic_ips().for_each(|elastic| check_elastic(world, elastic));
    world.nat_gateways().for_each(|nat| check_nat(world, nat));
    world.instances().for_each(|instance| check_instance(world, instance));
    world.peerings().filter(|pcx| pcx.carries()).for_each(|pcx| check_carried(world, pcx));
}

fn check_prefix_list(world: &World, list: &PrefixList) {
    for version in list.oldest_version()..=list.version {
        let blocks: Vec<_> = list.entries_of(version).map(|entry| entry.cidr).collect();
        assert!(blocks.windows(2).all(|pair| pair[0] < pair[1]), "{blocks:?}");
        assert!(blocks.iter().all(|block| AddressFamily::of(*block) == list.family));
    }
    assert_eq!(list.current().count(), list.entries_of(list.version).count());
    assert!(list.current().count() <= list.max_entries.into());
    for group in world.groups_in(Key::PrefixList(list.id)) {
        assert_eq!(world.vpc(group.vpc).unwrap().account, list.account);
    }
}

fn check_flow_log(world: &World, log: &FlowLog) {
    let owner = world.get(log.of.key()).and_then(|of| world.owner(of));
    assert_eq!(owner, Some(log.account), "it goes with what it is of: {log:?}");
    let first = world.flow_log(log.first).unwrap();
    assert_eq!((first.first, first.settings == log.settings), (first.id, true));
    assert!(log.client_token.is_none() || log.first == log.id);
}

fn check_elastic(world: &World, elastic: &ElasticIp) {
    assert!(world.public_pool().contains(elastic.address));
    if let Some(association) = elastic.association {
        let eni = world.eni(association.eni).unwrap();
        assert!(eni.addresses.contains(&association.private));
        assert_eq!(world.vpc(eni.vpc).unwrap().account, elastic.account);
        let known = world.at_public(elastic.address).map(|(eni, private)| (eni.id, private));
        assert_eq!(known, Some((association.eni, association.private)));
    }
}

fn check_nat(world: &World, nat: &NatGateway) {
    let Some(interface) = nat.interface.filter(|_| nat.works()) else {
        assert!(!nat.works() || nat.interface.is_some());
        return;
    };
    assert_eq!(world.eni(interface.eni).unwrap().nat_gateway, Some(nat.id));
    let association = |id| world.elastic_ip(id).unwrap().association.unwrap();
    assert!(nat.allocation.is_none_or(|id| association(id).eni == interface.eni));
}

fn check_instance(world: &World, instance: &Instance) {
    if instance.state != InstanceState::Terminated {
        let eni = world.eni(instance.eni).unwrap();
        assert_eq!(eni.primary(), instance.address);
        let workload = eni.attachment.as_ref().unwrap().workload;
        assert_eq!(workload, WorkloadId::Instance(instance.id));
    }
}

fn check_carried(world: &World, pcx: &Peering) {
    let vpcs = [&pcx.requester, &pcx.accepter].map(|side| {
        let vpc = world.vpc(side.vpc).unwrap();
        assert_eq!(side.cidrs, vpc.blocks().collect::<Vec<_>>());
        assert_eq!(side.ipv6, vpc.ipv6_blocks().collect::<Vec<_>>());
        vpc
    });
    let overlap = vpcs[0].blocks().any(|a| vpcs[1].blocks().any(|b| a.overlaps(b)));
    assert!(!overlap, "{pcx:?}");
}

fn check_record(record: &Record) {
    let key = record.key();
    let read = Record::read(key.kind().name(), &key.to_string(), &record.body());
    assert_eq!(read.unwrap(), *record, "a row reads back as it was written");
}

fn play(f: &mut Fixture, dice: Dice) -> bool {
    let scope = if dice[5] & 0x40 == 0 { ours() } else { theirs() };
    match dice[0] {
        240..=246 => {
            let report = SystemCommand::Observe(observation(&f.world));
            f.decide(Caller::System, report.into()).is_ok()
        }
        247..=249 => f.decide(Caller::System, SystemCommand::Tick.into()).is_ok(),
        250.. => {
            f.now = f.now + Duration::from_secs(u64::from(dice[1]) * 3600);
            true
        }
        _ => {
            let command = Player { world: &f.world, scope, dice }.command();
            f.try_as(scope, command).is_ok()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_for_the_world_stays_whole(
        steps in proptest::collection::vec(any::<Dice>(), 1..160)
    ) {
        let mut f = Fixture::new();
        for (scope, block) in [(ours(), "10.0.0.0/20"), (theirs(), "10.1.0.0/20")] {
            let vpc = f.vpc_as(scope, block);
            f.subnet_as(scope, vpc, &block.replace("/20", "/24"));
            let id = IgwId::fresh(&mut f.ids);
            let Scope { account, region } = scope;
            f.put(InternetGateway { id, account, region, vpc: Some(vpc), tags: Tags::new(), created: Timestamp::default() });
        }
        for dice in steps {
            play(&mut f, dice);
            check_invariants(&f.world);
        }
        f.world.records().for_each(check_record);
    }
}

/// The random requests are worth something only if enough of them are granted.
#[test]
fn random_requests_reach_what_they_are_to_test() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut f = Fixture::new();
    f.vpc("10.0.0.0/20");
    f.vpc_as(theirs(), "10.1.0.0/20");
    let mut runner = TestRunner::deterministic();
    let mut granted = 0;
    let (mut carried, mut routed, mut ended, mut listed) = (false, false, false, false);
    let (mut logged, mut analysed) = (false, false);
    for _ in 0..2500 {
        let dice = any::<Dice>().new_tree(&mut runner).unwrap().current();
        granted += usize::from(play(&mut f, dice));
        carried |= f.world.peerings().any(|pcx| pcx.state == PeeringState::Active);
        routed |= f.world.route_tables().any(|table| !table.routes.is_empty());
        logged |= f.world.flow_logs().any(|log| log.first != log.id);
        analysed |= f.world.insights_analyses().any(|it| it.outcome.is_ok());
        listed |= f.world.prefix_lists().any(|list| {
            let named = f.world.groups_in(Key::PrefixList(list.id)).next().is_some();
            named && list.version > 1
        });
        ended |= f.world.peerings().any(|pcx| pcx.state == PeeringState::Deleted);
    }
    assert!(carried && routed && ended && listed, "{carried} {routed} {ended} {listed}");
    assert!(logged && analysed, "several flow logs by one request {logged}, analyses {analysed}");
    assert!(granted > 500, "{granted}");
}
