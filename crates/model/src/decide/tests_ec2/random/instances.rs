//! Requests about instances, interfaces, public addresses and NAT gateways.

use super::super::fixture::*;
use super::Player;
use crate::command::*;
use crate::resource::*;
use crate::*;

impl Player<'_> {
    pub(super) fn run(&self) -> RunInstances {
        let subnet = self.subnet(1);
        let n = self.dice[2];
        let block = self.world.subnet(subnet).map(|subnet| subnet.cidr);
        RunInstances {
            max_count: u16::from(n % 8),
            min_count: 1,
            groups: (n > 128).then(|| self.group(3)).into_iter().collect(),
            address: block.filter(|_| n % 8 == 1).and_then(|b| b.nth(self.dice[4].into())),
            public: (n > 64).then_some(n.is_multiple_of(2)),
            ipv6: self.ipv6(subnet, 3),
            client_token: self.token(5),
            ..run_in(subnet)
        }
    }

    pub(super) fn instance_command(&self) -> Ec2Command {
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

    /// IPv6 addresses in a subnet, mostly where it has any.
    fn ipv6(&self, subnet: SubnetId, die: usize) -> Ipv6Spec {
        let n = self.dice[die];
        let has_block = self.world.subnet(subnet).is_some_and(|subnet| subnet.ipv6.is_some());
        let count = u16::from(has_block || n > 240) * u16::from(n % 3);
        Ipv6Spec { addresses: Vec::new(), count: Some(count), primary: count > 0 && n > 99 }
    }

    fn ipv6_command(&self, interface: EniId) -> Ec2Command {
        use Ec2Command as C;
        let eni = self.world.eni(interface);
        let block = eni.and_then(|eni| self.world.subnet(eni.subnet)?.ipv6);
        let own = eni.and_then(|eni| self.pick(2, eni.ipv6_addresses.iter().copied()));
        match self.dice[3] % 5 {
            0 => C::AssignIpv6Addresses { interface, addresses: Vec::new(), count: 2 },
            1..=2 => {
                let address = block.and_then(|block| block.cidr.nth(u128::from(self.dice[2] % 8)));
                let addresses = address.into_iter().collect();
                C::AssignIpv6Addresses { interface, addresses, count: 0 }
            }
            3 => {
                let change = InterfaceChange::PrimaryIpv6(self.flag(2));
                C::ModifyNetworkInterfaceAttribute { interface, change }
            }
            _ => C::UnassignIpv6Addresses { interface, addresses: own.into_iter().collect() },
        }
    }

    pub(super) fn interface_command(&self) -> Ec2Command {
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
        match self.dice[5] % 9 {
            7..=8 => self.ipv6_command(interface),
            0..=1 => C::CreateNetworkInterface(NewInterface {
                subnet: self.subnet(1),
                groups: Vec::new(),
                description: String::new(),
                addresses: AddressesSpec {
                    count: u16::from(self.dice[2] % 3),
                    ipv6: self.ipv6(self.subnet(1), 2),
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

    fn nat_addresses(&self, public: bool) -> NatAddressesSpec {
        NatAddressesSpec {
            allocations: (public && self.flag(4)).then(|| self.elastic(4)).into_iter().collect(),
            addresses: Vec::new(),
            count: if public { 0 } else { u16::from(self.dice[4] % 3) },
        }
    }

    fn nat_address_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let nat = self.pick(1, self.world.nat_gateways());
        let nat_gateway = nat.map_or(NatGatewayId::MIN, |nat| nat.id);
        let secondary = nat.and_then(|nat| self.pick(2, nat.secondary.iter().copied()));
        let public = nat.is_some_and(|nat| nat.connectivity == Connectivity::Public);
        match self.dice[3] % 4 {
            0 if public => {
                let elastic = secondary.and_then(|it| self.world.elastic_ip(it.allocation?));
                let association = elastic.and_then(|elastic| elastic.association);
                let associations = association.map(|it| it.id).into_iter().collect();
                C::DisassociateNatGatewayAddress { nat_gateway, associations }
            }
            0 => {
                let addresses = secondary.map(|it| it.private).into_iter().collect();
                C::UnassignPrivateNatGatewayAddress { nat_gateway, addresses }
            }
            _ => C::AddNatGatewayAddresses {
                nat_gateway,
                connectivity: nat.map_or(Connectivity::Public, |nat| nat.connectivity),
                addresses: NatAddressesSpec {
                    allocations: public.then(|| self.elastic(4)).into_iter().collect(),
                    ..self.nat_addresses(public)
                },
            },
        }
    }

    pub(super) fn outside_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let which = ElasticIpName::Allocation(self.elastic(1));
        match self.dice[5] % 10 {
            8..=9 => self.nat_address_command(),
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
                    secondary: self.nat_addresses(public),
                    client_token: self.token(4),
                    tags: self.tags(3),
                })
            }
        }
    }
}
