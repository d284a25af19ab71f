//! What leads outside of random worlds: gateways, public addresses, and changes of both.

use std::net::Ipv4Addr;

use model::*;

use super::world::Maker;

/// An address of the internet.
pub const INTERNET: &str = "198.51.100.7";
/// Addresses of the installation's own outside.
pub const POOL: &str = "203.0.113.16/28";

/// The way out of worlds that have one.
pub fn outbound() -> Outbound {
    let (link, pool) = ("eth0".to_owned(), POOL.parse().unwrap());
    let way = OutboundWay::Parent { link, pool, gateway: None };
    Outbound { way, allow: Vec::new(), deny: Vec::new() }
}

impl Maker {
    /// Has everything lead out that may.
    pub fn lead_out(&mut self) {
        let outbound = Some(outbound());
        self.run(Caller::Operator, IdentityCommand::SetOutbound { outbound });
    }

    /// The public address that an interface is known by outside.
    pub fn public(&self, of: Endpoint) -> Option<Ipv4Addr> {
        let mut all = self.world.enis_in(Key::Vpc(of.vpc));
        let eni = all.find(|eni| eni.addresses.contains(&of.address))?;
        self.world.public_of(eni, of.address).map(|public| public.address)
    }

    /// Gives most VPCs an internet gateway, and what most people would have by it.
    pub fn open_gateways(&mut self) {
        for (vpc, _) in self.vpcs.clone() {
            if !self.ways.luck(80) {
                continue;
            }
            let owner = self.world.vpc(vpc).unwrap();
            let (account, region) = (owner.account, owner.region);
            let table = owner.main_route_table;
            let id = IgwId::fresh(&mut self.ids);
            let gateway = InternetGateway {
                id,
                account,
                region,
                vpc: Some(vpc),
                tags: Tags::new(),
                created: Default::default(),
            };
            self.world.apply(&Change::Put(gateway.into()));
            if self.ways.luck(80) {
                self.route(table, Cidr::ANY, RouteTo::Gateway(id), vpc);
            }
        }
        for (instance, vpc) in self.instances.clone() {
            if self.ways.luck(50) {
                self.give_address(instance, vpc);
            }
        }
        for _ in 0..4 {
            self.change_ways();
        }
    }

    fn give_address(&mut self, instance: InstanceId, vpc: VpcId) {
        let owner = self.owner(vpc);
        let allocate = Ec2Command::AllocateAddress { address: None, tags: Tags::new() };
        let Some(Key::ElasticIp(id)) = self.run(owner, allocate) else { return };
        let which = ElasticIpName::Allocation(id);
        let own = self.world.enis_in(Key::Instance(instance));
        let all: Vec<(EniId, Ipv4Addr)> =
            own.flat_map(|eni| eni.addresses.iter().map(|it| (eni.id, *it))).collect();
        // Mostly the first address of the first interface.
        let other = self.links.pick(&all).filter(|_| self.links.luck(40));
        let target = match other {
            Some((eni, _)) => AddressTarget::Eni(eni),
            None => AddressTarget::Instance(instance),
        };
        let (private, reassociate) = (other.map(|(_, address)| address), true);
        let give = Ec2Command::AssociateAddress { which, target, private, reassociate };
        if self.run(owner, give).is_none() {
            self.run(owner, Ec2Command::ReleaseAddress { which });
        }
    }

    /// One change of what leads outside, whatever it does.
    pub fn change_ways(&mut self) {
        match self.ways.roll(5) {
            0 => {
                if let Some((instance, vpc)) = self.ways.pick(&self.instances) {
                    self.give_address(instance, vpc);
                }
            }
            1 => {
                let all: Vec<_> = self.world.elastic_ips().map(|it| it.address).collect();
                if let Some(address) = self.ways.pick(&all)
                    && let Some((_, owner)) = self.ways.pick(&self.vpcs)
                {
                    let which = AddressAssociationName::Address(address);
                    self.run(owner, Ec2Command::DisassociateAddress { which });
                }
            }
            2 => self.make_nat(),
            3 => {
                let all: Vec<_> = self.world.nat_gateways().map(|it| (it.id, it.vpc)).collect();
                if let Some((nat_gateway, vpc)) = self.ways.pick(&all)
                    && self.vpcs.iter().any(|(id, _)| *id == vpc)
                    && self.ways.luck(40)
                {
                    let owner = self.owner(vpc);
                    self.run(owner, Ec2Command::DeleteNatGateway { nat_gateway });
                }
            }
            _ => self.lead_elsewhere(),
        }
    }

    /// A NAT gateway in some subnet, and mostly a table of its own for another one that leads to it.
    fn make_nat(&mut self) {
        let Some((subnet, vpc)) = self.ways.pick(&self.subnets) else { return };
        let owner = self.owner(vpc);
        let allocate = Ec2Command::AllocateAddress { address: None, tags: Tags::new() };
        let (connectivity, allocation) = match self.ways.luck(40) {
            true => (Connectivity::Private, None),
            false => {
                let Some(Key::ElasticIp(id)) = self.run(owner, allocate) else { return };
                (Connectivity::Public, Some(id))
            }
        };
        let create = Ec2Command::CreateNatGateway(CreateNatGateway {
            subnet,
            connectivity,
            allocation,
            private: None,
            secondary: NatAddressesSpec::default(),
            client_token: None,
            tags: Tags::new(),
        });
        let Some(Key::NatGateway(nat)) = self.run(owner, create) else { return };
        let others = self.subnets.iter().filter(|(_, of)| *of == vpc).copied().collect::<Vec<_>>();
        let Some((other, _)) = self.ways.pick(&others) else { return };
        if other == subnet && self.ways.luck(80) {
            return;
        }
        let (client_token, tags) = (None, Tags::new());
        let create = Ec2Command::CreateRouteTable { vpc, client_token, tags };
        let Some(Key::RouteTable(route_table)) = self.run(owner, create) else { return };
        self.tables.push((route_table, vpc));
        self.run(owner, Ec2Command::AssociateRouteTable { route_table, subnet: other });
        self.route(route_table, Cidr::ANY, RouteTo::Nat(nat), vpc);
    }

    /// Leads what is outside by another gateway, or a part of it.
    fn lead_elsewhere(&mut self) {
        let Some((table, vpc)) = self.ways.pick(&self.tables) else { return };
        let nats = self.world.nat_gateways_of(Key::Vpc(vpc)).map(|nat| RouteTo::Nat(nat.id));
        let gateway = self.world.gateway_of(vpc).map(|gateway| RouteTo::Gateway(gateway.id));
        let all: Vec<RouteTo> = nats.chain(gateway).collect();
        let blocks = ["0.0.0.0/0", "198.51.100.0/24", "128.0.0.0/1", "198.51.100.7/32"];
        let block = self.ways.pick(&blocks).unwrap().parse().unwrap();
        if let Some(target) = self.ways.pick(&all) {
            self.route(table, block, target, vpc);
        }
    }
}
