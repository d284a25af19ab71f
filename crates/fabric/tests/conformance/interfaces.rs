//! What random worlds have besides one address for each instance: further interfaces, secondary
//! addresses, middleboxes, and prefix lists in routes and rules.

use std::net::Ipv4Addr;

use model::*;

use super::world::Maker;

/// Interfaces of instances beyond the first ones, in one world.
const FURTHER: usize = 3;
/// Prefix lists in one world.
const LISTS: usize = 3;

impl Maker {
    /// Gives some instances further interfaces and addresses, makes prefix lists, and has some of it used.
    pub fn add_interfaces(&mut self) {
        for _ in 0..4 {
            self.make_list();
        }
        for _ in 0..10 {
            self.change_interfaces();
        }
    }

    /// One change of interfaces or prefix lists, whatever it does.
    pub fn change_interfaces(&mut self) {
        match self.links.roll(9) {
            0 => self.attach_further(),
            1 => self.detach_further(),
            2 | 3 => self.give_secondary(),
            4 => self.take_secondary(),
            5 => self.name_list_in_route(),
            6 => self.name_list_in_rule(),
            7 => self.change_list(),
            _ => self.lead_by_middlebox(),
        }
    }

    fn attached(&self) -> Vec<(EniId, VpcId)> {
        let own = |vpc: &VpcId| self.vpcs.iter().any(|(id, _)| id == vpc);
        let all = self.vpcs.iter().flat_map(|(vpc, _)| self.world.enis_in(Key::Vpc(*vpc)));
        let used = all.filter(|eni| own(&eni.vpc) && eni.instance().is_some());
        used.map(|eni| (eni.id, eni.vpc)).collect()
    }

    fn further(&self) -> Vec<(EniId, VpcId)> {
        let mut all = self.attached();
        all.retain(|(eni, _)| {
            let attachment = self.world.eni(*eni).and_then(|eni| eni.attachment.clone());
            attachment.is_some_and(|attachment| attachment.device_index > 0)
        });
        all
    }

    fn attach_further(&mut self) {
        if self.further().len() >= FURTHER {
            return;
        }
        let Some((instance, vpc)) = self.links.pick(&self.instances) else { return };
        let subnets: Vec<_> = self.subnets.iter().filter(|(_, of)| *of == vpc).copied().collect();
        let Some((subnet, _)) = self.links.pick(&subnets) else { return };
        let groups: Vec<_> = self.groups.iter().filter(|(_, of)| *of == vpc).copied().collect();
        let groups = self.links.pick(&groups).into_iter().map(|(group, _)| group).collect();
        let owner = self.owner(vpc);
        let create = Ec2Command::CreateNetworkInterface(NewInterface {
            subnet,
            groups,
            description: String::new(),
            addresses: AddressesSpec::default(),
            client_token: None,
            tags: Tags::new(),
        });
        let Some(Key::Eni(interface)) = self.run(owner, create) else { return };
        let attach = Ec2Command::AttachNetworkInterface { interface, instance, device_index: 1 };
        if self.run(owner, attach).is_none() && self.world.eni(interface).is_some() {
            self.run(owner, Ec2Command::DeleteNetworkInterface { interface });
        }
    }

    fn detach_further(&mut self) {
        let all = self.further();
        let Some((interface, vpc)) = self.links.pick(&all).filter(|_| self.links.luck(50)) else {
            return;
        };
        let eni = self.world.eni(interface).unwrap();
        let attachment = eni.attachment.as_ref().unwrap().id;
        let owner = self.owner(vpc);
        self.run(owner, Ec2Command::DetachNetworkInterface { attachment });
        self.run(owner, Ec2Command::DeleteNetworkInterface { interface });
    }

    /// A new address, or one of another interface of the same subnet.
    fn give_secondary(&mut self) {
        let all = self.attached();
        let Some((interface, vpc)) = self.links.pick(&all) else { return };
        let subnet = self.world.eni(interface).unwrap().subnet;
        let others = self.world.enis_in(Key::Subnet(subnet)).filter(|eni| eni.id != interface);
        let theirs: Vec<Ipv4Addr> =
            others.flat_map(|eni| eni.addresses.iter().skip(1).copied()).collect();
        let moved = self.links.pick(&theirs).filter(|_| self.links.luck(60));
        let (addresses, count) =
            (moved.into_iter().collect::<Vec<_>>(), u16::from(moved.is_none()));
        let take = moved.is_some();
        let give = Ec2Command::AssignPrivateIpAddresses { interface, addresses, count, take };
        self.run(self.owner(vpc), give);
    }

    fn take_secondary(&mut self) {
        let all = self.attached();
        let Some((interface, vpc)) = self.links.pick(&all).filter(|_| self.links.luck(50)) else {
            return;
        };
        let addresses = self.world.eni(interface).unwrap().addresses.iter().skip(1).copied();
        let addresses: Vec<_> = addresses.collect();
        self.run(self.owner(vpc), Ec2Command::UnassignPrivateIpAddresses { interface, addresses });
    }

    /// Leads what is for some subnet by an interface, which mostly passes on.
    fn lead_by_middlebox(&mut self) {
        let all = self.attached();
        let Some((eni, vpc)) = self.links.pick(&all) else { return };
        let tables: Vec<_> = self.tables.iter().filter(|(_, of)| *of == vpc).copied().collect();
        let Some((table, _)) = self.links.pick(&tables) else { return };
        let subnets = self.subnets.iter().filter(|(_, of)| *of == vpc);
        let mut blocks: Vec<Cidr> =
            subnets.filter_map(|(id, _)| self.world.subnet(*id)).map(|it| it.cidr).collect();
        blocks.extend(
            self.vpcs.iter().filter_map(|(id, _)| self.world.vpc(*id)).map(|vpc| vpc.primary()),
        );
        let Some(block) = self.links.pick(&blocks) else { return };
        if self.links.luck(80) {
            let change = InterfaceChange::SourceDestCheck(false);
            let modify = Ec2Command::ModifyNetworkInterfaceAttribute { interface: eni, change };
            self.run(self.owner(vpc), modify);
        }
        self.route(table, block, RouteTo::Interface(eni), vpc);
    }

    fn make_list(&mut self) {
        if self.lists.len() >= LISTS {
            return;
        }
        let Some((_, owner)) = self.links.pick(&self.vpcs) else { return };
        let entries = (0..2).map(|_| (IpCidr::V4(self.some_block()), None)).collect();
        let create = Ec2Command::CreatePrefixList(CreatePrefixList {
            name: format!("list-{}", self.lists.len()),
            family: AddressFamily::Ipv4,
            max_entries: 4,
            entries,
            client_token: None,
            tags: Tags::new(),
        });
        if let Some(Key::PrefixList(id)) = self.run(owner, create) {
            self.lists.push((id, owner));
        }
    }

    /// A block of a VPC or a subnet, or what is outside.
    fn some_block(&mut self) -> Cidr {
        let vpcs = self.vpcs.iter().filter_map(|(id, _)| self.world.vpc(*id));
        let mut blocks: Vec<Cidr> = vpcs.map(|vpc| vpc.primary()).collect();
        let subnets = self.subnets.iter().filter_map(|(id, _)| self.world.subnet(*id));
        blocks.extend(subnets.map(|subnet| subnet.cidr));
        blocks.extend(
            ["198.51.100.0/24", "0.0.0.0/1", "10.0.0.0/16"].map(|b| b.parse::<Cidr>().unwrap()),
        );
        self.links.pick(&blocks).unwrap()
    }

    fn change_list(&mut self) {
        let Some((list, owner)) = self.links.pick(&self.lists) else { return };
        let own: Vec<IpCidr> = {
            let found = self.world.prefix_list(list).unwrap();
            found.cidrs().map(IpCidr::V4).collect()
        };
        let block = IpCidr::V4(self.some_block());
        let remove: Vec<IpCidr> =
            self.links.pick(&own).into_iter().filter(|it| *it != block).collect();
        let (add, remove) = match self.links.roll(3) {
            0 => (Vec::new(), remove),
            1 => (vec![(block, None)], Vec::new()),
            _ => (vec![(block, None)], remove),
        };
        let current = self.world.prefix_list(list).map(|list| list.version);
        let modify = ModifyPrefixList { list, current, name: None, max_entries: None, add, remove };
        self.run(owner, Ec2Command::ModifyPrefixList(modify));
    }

    fn name_list_in_route(&mut self) {
        let Some((list, owner)) = self.links.pick(&self.lists) else { return };
        let tables: Vec<_> =
            self.tables.iter().filter(|(_, vpc)| self.owner(*vpc) == owner).copied().collect();
        let Some((route_table, vpc)) = self.links.pick(&tables) else { return };
        let mut targets: Vec<RouteTo> =
            self.peerings.iter().map(|peering| RouteTo::Peering(*peering)).collect();
        targets.extend(self.world.gateway_of(vpc).map(|gateway| RouteTo::Gateway(gateway.id)));
        targets.extend(self.world.nat_gateways_of(Key::Vpc(vpc)).map(|nat| RouteTo::Nat(nat.id)));
        let Some(target) = self.links.pick(&targets) else { return };
        let destination = list.into();
        if self.run(owner, Ec2Command::CreateRoute { route_table, destination, target }).is_none() {
            self.run(owner, Ec2Command::ReplaceRoute { route_table, destination, target });
        }
    }

    fn name_list_in_rule(&mut self) {
        let Some((list, owner)) = self.links.pick(&self.lists) else { return };
        let groups: Vec<_> =
            self.groups.iter().filter(|(_, vpc)| self.owner(*vpc) == owner).copied().collect();
        let Some((group, vpc)) = self.links.pick(&groups) else { return };
        let direction = if self.links.luck(70) { Direction::Ingress } else { Direction::Egress };
        let rule = self.rule(Traffic::All, RulePeerSpec::PrefixList(list));
        self.authorize(group, vpc, direction, rule);
    }
}
