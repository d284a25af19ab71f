//! Small worlds at random, made by the commands that people give.

use std::collections::BTreeMap;

use model::intent::NetworksIntent;
use model::*;

/// A generator of numbers that are the same in every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((self.0 >> 33) % sides as u64) as usize
    }

    /// Whether something happens that does so in this many of a hundred cases.
    pub fn luck(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { of.get(self.roll(of.len())).cloned() }
    }
}

/// Blocks of customers' VPCs; one is there twice, and so are its addresses.
const BLOCKS: [&str; 4] = ["10.2.0.0/16", "172.16.0.0/16", "10.2.0.0/16", "192.168.0.0/16"];
/// Interfaces of customers' in one world.
const INSTANCES: usize = 7;

pub struct Maker {
    pub world: World,
    pub dice: Dice,
    /// Chance of its own for what leads outside.
    pub ways: Dice,
    /// Chance of its own for interfaces and prefix lists.
    pub links: Dice,
    pub ids: Sequence,
    customers: Vec<Caller>,
    admin: Option<Caller>,
    space: Option<SpaceId>,
    pub vpcs: Vec<(VpcId, Caller)>,
    pub subnets: Vec<(SubnetId, VpcId)>,
    pub instances: Vec<(InstanceId, VpcId)>,
    pub groups: Vec<(SecurityGroupId, VpcId)>,
    pub tables: Vec<(RouteTableId, VpcId)>,
    acls: Vec<(AclId, VpcId)>,
    pub peerings: Vec<PcxId>,
    pub lists: Vec<(PrefixListId, Caller)>,
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_000_000)
}

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

impl Maker {
    /// A world by its seed; `first` sets its ids apart from those of every other.
    pub fn new(seed: u64, first: u128) -> Self {
        let mut maker = Self {
            world: World::default(),
            dice: Dice(seed),
            ways: Dice(seed ^ 0x5eed),
            links: Dice(seed ^ 0x1177),
            ids: Sequence(first),
            customers: Vec::new(),
            admin: None,
            space: None,
            vpcs: Vec::new(),
            subnets: Vec::new(),
            instances: Vec::new(),
            groups: Vec::new(),
            tables: Vec::new(),
            acls: Vec::new(),
            peerings: Vec::new(),
            lists: Vec::new(),
        };
        let (region, instance) = (Region::DEFAULT, "t1".to_owned());
        let set_up = IdentityCommand::SetUp { region, emulator: false, instance };
        maker.run(Caller::Operator, set_up);
        maker.lead_out();
        maker.populate();
        maker.open_gateways();
        maker.add_interfaces();
        maker
    }

    pub fn plan(&self) -> NetworksIntent {
        plan(&self.world, now()).networks
    }

    pub fn verdict(&self, flow: &Flow) -> Verdict {
        reach(&self.world, flow, now())
    }

    /// Changes the world, unless that is refused; tells the first thing that was made.
    pub fn run(&mut self, caller: Caller, command: impl Into<Command>) -> Option<Key> {
        let decided = self.world.decide(caller, &command.into(), now(), &mut self.ids).ok()?;
        self.world = decided.world;
        decided.reply.main()
    }

    fn populate(&mut self) {
        for (name, region) in [("one", "us-east-1"), ("two", "us-east-1"), ("far", "eu-west-1")] {
            let create = IdentityCommand::CreateAccount { name: name.to_owned() };
            if let Some(Key::Account(account)) = self.run(Caller::Operator, create) {
                let scope = Scope { account, region: Region::find(region).unwrap() };
                self.customers.push(Caller::Account { scope, read_only: false });
            }
        }
        if self.dice.luck(60) {
            self.make_space();
        }
        let count = 2 + self.dice.roll(2);
        for block in BLOCKS.iter().take(count + self.dice.roll(2)) {
            self.make_vpc(block);
        }
        for _ in 0..4 {
            self.make_peering();
        }
        self.open_ways();
        if self.dice.luck(70) {
            self.join_twins();
        }
        for _ in 0..8 {
            self.mutate();
        }
    }

    fn make_space(&mut self) {
        let create = IdentityCommand::CreateUser { email: "ada@example.com".to_owned() };
        let Some(Key::User(admin)) = self.run(Caller::Operator, create) else { panic!() };
        let create = IdentityCommand::CreateTeam { name: "acme".to_owned(), admin };
        let Some(Key::Team(team)) = self.run(Caller::Operator, create) else { panic!() };
        let admin = Caller::User(admin);
        let (region, cidr, data_cidr) = (None, None, None);
        let name = "blue".to_owned();
        let create = PlatformCommand::CreateSpace { name, team, region, cidr, data_cidr };
        let Some(Key::Space(space)) = self.run(admin, create) else { panic!() };
        (self.admin, self.space) = (Some(admin), Some(space));
        self.observe();
        let name = Some("web".to_owned());
        let create = PlatformCommand::CreateApp { name, space, internal_routing: false };
        let Some(Key::App(app)) = self.run(admin, create) else { panic!() };
        for _ in 0..=self.dice.roll(2) {
            let start = PlatformCommand::StartDyno {
                app,
                command: "sleep 60".to_owned(),
                size: None,
                environment: BTreeMap::new(),
                stdio: Stdio::Log,
            };
            self.run(admin, start);
        }
    }

    fn make_vpc(&mut self, block: &str) {
        let near = if self.dice.luck(60) { 2 } else { 3 };
        let Some(owner) = self.dice.pick(&self.customers[..near]) else { return };
        let create = Ec2Command::create_vpc(cidr(block), Tags::default());
        let Some(Key::Vpc(vpc)) = self.run(owner, create) else { return };
        self.vpcs.push((vpc, owner));
        let made = self.world.vpc(vpc).unwrap();
        self.tables.push((made.main_route_table, vpc));
        self.groups.push((made.default_group, vpc));
        let mut blocks = vec![cidr(block).subnet(24, 0).unwrap()];
        if self.dice.luck(30) {
            let second = cidr(&format!("100.6{}.0.0/16", 4 + self.vpcs.len()));
            self.run(owner, Ec2Command::AssociateVpcCidrBlock { vpc, cidr: second });
            blocks.push(second.subnet(24, 1).unwrap());
        } else if self.dice.luck(50) {
            blocks.push(cidr(block).subnet(24, 7).unwrap());
        }
        for block in blocks {
            let (zone, tags) = (None, Tags::default());
            let create = Ec2Command::create_subnet(vpc, block, zone, tags);
            let Some(Key::Subnet(subnet)) = self.run(owner, create) else { continue };
            self.subnets.push((subnet, vpc));
            self.run_instance(subnet, vpc, owner);
        }
        if let Some((subnet, vpc)) = self.dice.pick(&self.subnets) {
            let owner = self.owner(vpc);
            self.run_instance(subnet, vpc, owner);
        }
    }

    pub fn owner(&self, vpc: VpcId) -> Caller {
        self.vpcs.iter().find(|(id, _)| *id == vpc).unwrap().1
    }

    fn run_instance(&mut self, subnet: SubnetId, vpc: VpcId, owner: Caller) {
        if self.instances.len() >= INSTANCES {
            return;
        }
        if self.dice.luck(40) {
            let create = Ec2Command::CreateSecurityGroup {
                vpc,
                name: format!("group-{}", self.groups.len()),
                description: "a group".to_owned(),
                tags: Tags::default(),
            };
            if let Some(Key::SecurityGroup(group)) = self.run(owner, create) {
                self.groups.push((group, vpc));
            }
        }
        let own: Vec<_> = self.groups.iter().filter(|(_, of)| *of == vpc).map(|g| g.0).collect();
        let groups = own.iter().filter(|_| self.dice.luck(60)).copied().collect();
        let run = RunInstances { groups, ..RunInstances::new(subnet, "ami-00000000000000001") };
        if let Some(Key::Instance(id)) = self.run(owner, Ec2Command::RunInstances(run)) {
            self.instances.push((id, vpc));
        }
    }

    fn make_peering(&mut self) {
        let Some((vpc, owner)) = self.dice.pick(&self.vpcs) else { return };
        let space = self.space.and_then(|id| self.world.space(id)).map(|space| space.vpc);
        let mut others: Vec<VpcId> = self.vpcs.iter().map(|(id, _)| *id).collect();
        others.extend(space);
        others.extend(space);
        let Some(peer_vpc) = self.dice.pick(&others) else { return };
        self.join(vpc, owner, peer_vpc);
    }

    fn join(&mut self, vpc: VpcId, owner: Caller, peer_vpc: VpcId) {
        let space = self.space.and_then(|id| self.world.space(id)).map(|space| space.vpc);
        let Some(peer) = self.world.vpc(peer_vpc) else { return };
        let create = Ec2Command::CreatePeering {
            vpc,
            peer_vpc,
            peer_owner: Some(peer.account),
            peer_region: Some(peer.region),
            tags: Tags::default(),
        };
        let Some(Key::Peering(peering)) = self.run(owner, create) else { return };
        match (self.space, self.admin) {
            (Some(id), Some(admin)) if Some(peer_vpc) == space => {
                let accept = PlatformCommand::AcceptPeering { space: id, peering };
                self.run(admin, accept);
            }
            _ => {
                let accepter = self.owner(peer_vpc);
                self.run(accepter, Ec2Command::AcceptPeering { peering });
            }
        }
        self.peerings.push(peering);
        self.observe();
    }

    /// The fabric carries everything that it is told to.
    fn observe(&mut self) {
        let intent = self.plan();
        let seen = Observation {
            vpcs: intent.vpcs.keys().copied().collect(),
            carried: intent.peerings.keys().copied().collect(),
            ..Observation::default()
        };
        self.run(Caller::System, SystemCommand::Observe(seen));
    }

    /// What most people would do next, so that not everything is closed.
    fn open_ways(&mut self) {
        for peering in self.peerings.clone() {
            let Some(record) = self.world.peering(peering).cloned() else { continue };
            for (near, far) in [
                (record.requester.vpc, record.accepter.vpc),
                (record.accepter.vpc, record.requester.vpc),
            ] {
                let (Some(here), Some(there)) = (self.world.vpc(near), self.world.vpc(far)) else {
                    continue;
                };
                let (table, to) = (here.main_route_table, there.primary());
                if here.role.is_none() && self.dice.luck(85) {
                    self.route(table, to, RouteTo::Peering(peering), near);
                }
            }
        }
        for (group, vpc) in self.groups.clone() {
            if self.dice.luck(75) {
                let rule = self.rule(Traffic::All, RulePeerSpec::Cidr(Cidr::ANY));
                self.authorize(group, vpc, Direction::Ingress, rule);
            }
        }
    }

    /// One VPC is peered with two that have the same block, routes to one or to the other, and
    /// has rules that name the groups of both and let in nobody else.
    fn join_twins(&mut self) {
        let primary = |id: VpcId| self.world.vpc(id).map(|vpc| vpc.primary());
        let block = Some(cidr(BLOCKS[0]));
        let (twins, others): (Vec<_>, Vec<_>) =
            self.vpcs.clone().into_iter().partition(|(id, _)| primary(*id) == block);
        let Some((hub, _)) = self.dice.pick(&others) else { return };
        let table = self.world.vpc(hub).unwrap().main_route_table;
        for (twin, twins_owner) in &twins {
            self.join(*twin, *twins_owner, hub);
            let live = self.world.peerings_of(Key::Vpc(hub)).find(|peering| {
                peering.carries() && peering.other_side(hub).is_some_and(|side| side.vpc == *twin)
            });
            let Some(pcx) = live.map(|peering| peering.id) else { continue };
            let (there, here) = (self.world.vpc(*twin), self.world.vpc(hub));
            let back = (there.unwrap().main_route_table, here.unwrap().primary());
            self.route(back.0, back.1, RouteTo::Peering(pcx), *twin);
            let (whole, one) = (cidr(BLOCKS[0]), cidr("10.2.0.4/32"));
            let to = if self.dice.luck(50) { whole } else { one };
            self.route(table, to, RouteTo::Peering(pcx), hub);
        }
        let twins: Vec<VpcId> = twins.into_iter().map(|(id, _)| id).collect();
        for direction in [Direction::Ingress, Direction::Egress] {
            if self.dice.luck(70) {
                self.name_groups(hub, &twins, direction);
            }
        }
    }

    /// Lets the groups of a VPC know the groups of others and nothing else.
    fn name_groups(&mut self, vpc: VpcId, others: &[VpcId], direction: Direction) {
        let owner = self.owner(vpc);
        for (group, _) in self.groups.clone().into_iter().filter(|(_, of)| *of == vpc) {
            let all: Vec<_> = self.world.group(group).into_iter().flat_map(|g| &g.rules).collect();
            let old = all.iter().filter(|(_, rule)| rule.direction == direction);
            let (rules, ids) = (Vec::new(), old.map(|(id, _)| **id).collect());
            self.run(owner, Ec2Command::RevokeSecurityGroup { group, direction, rules, ids });
            for (named, of) in self.groups.clone() {
                if others.contains(&of) && self.dice.luck(60) {
                    let account = self.world.vpc(of).map(|vpc| vpc.account);
                    let traffic = self.traffic();
                    let rule = self.rule(traffic, RulePeerSpec::Group(named, account));
                    self.authorize(group, vpc, direction, rule);
                }
            }
        }
    }

    pub fn rule(&self, traffic: Traffic, peer: RulePeerSpec) -> RuleSpec {
        RuleSpec { traffic, peer, description: None }
    }

    pub fn authorize(
        &mut self,
        group: SecurityGroupId,
        vpc: VpcId,
        direction: Direction,
        rule: RuleSpec,
    ) {
        let owner = self.owner(vpc);
        let (rules, tags) = (vec![rule], Tags::default());
        self.run(owner, Ec2Command::AuthorizeSecurityGroup { group, direction, rules, tags });
    }

    pub fn route(
        &mut self,
        route_table: RouteTableId,
        destination: Cidr,
        target: RouteTo,
        vpc: VpcId,
    ) {
        let owner = self.owner(vpc);
        let destination = destination.into();
        if self.run(owner, Ec2Command::CreateRoute { route_table, destination, target }).is_none() {
            self.run(owner, Ec2Command::ReplaceRoute { route_table, destination, target });
        }
    }

    /// One change, whatever it does.
    pub fn mutate(&mut self) {
        match self.dice.roll(12) {
            0..=2 => self.mutate_routes(),
            3..=5 => self.mutate_groups(),
            6 | 7 => self.mutate_acls(),
            8 => self.toggle_check(),
            9 => self.mutate_tables(),
            10 => self.make_peering(),
            _ => {
                if let Some(peering) = self.dice.pick(&self.peerings).filter(|_| self.dice.luck(50))
                    && let Some(record) = self.world.peering(peering).cloned()
                {
                    let owner = self.owner(record.requester.vpc);
                    self.run(owner, Ec2Command::DeletePeering { peering });
                }
            }
        }
    }

    /// A block that somebody might name: of a VPC, of a part of one, of an interface.
    fn block(&mut self) -> Cidr {
        let intent = self.plan();
        let vpcs: Vec<_> = intent.vpcs.values().collect();
        let vpc = vpcs[self.dice.roll(vpcs.len())];
        let whole = self.dice.pick(&vpc.cidrs).unwrap();
        let subnets: Vec<Cidr> = vpc.subnets.values().map(|subnet| subnet.cidr).collect();
        let hosts: Vec<Cidr> =
            vpc.interfaces.values().map(|i| Cidr::host(i.addresses[0])).collect();
        match self.dice.roll(5) {
            0 | 1 => whole,
            2 => self.dice.pick(&subnets).unwrap_or(whole),
            3 => self.dice.pick(&hosts).unwrap_or(whole),
            _ => Cidr::ANY,
        }
    }

    fn traffic(&mut self) -> Traffic {
        let one = |port| PortRange { from: port, to: port };
        let all = [
            Traffic::All,
            Traffic::Tcp(one(80)),
            Traffic::Tcp(PortRange { from: 1024, to: 65535 }),
            Traffic::Tcp(PortRange::ALL),
            Traffic::Udp(one(9000)),
            Traffic::Udp(PortRange::ALL),
            Traffic::Icmp { kind: Some(8), code: None },
            Traffic::Icmp { kind: None, code: None },
        ];
        self.dice.pick(&all).unwrap()
    }

    fn mutate_routes(&mut self) {
        let Some((table, vpc)) = self.dice.pick(&self.tables) else { return };
        let to = self.block();
        let enis: Vec<EniId> = self
            .instances
            .iter()
            .filter(|(_, of)| *of == vpc)
            .filter_map(|(id, _)| Some(self.world.instance(*id)?.eni))
            .collect();
        let target = match self.dice.roll(4) {
            0 => self.dice.pick(&enis).map(RouteTo::Interface),
            _ => self.dice.pick(&self.peerings).map(RouteTo::Peering),
        };
        let owner = self.owner(vpc);
        match target {
            Some(target) if self.dice.luck(80) => self.route(table, to, target, vpc),
            _ => {
                let (route_table, destination) = (table, to.into());
                self.run(owner, Ec2Command::DeleteRoute { route_table, destination });
            }
        }
    }

    fn mutate_groups(&mut self) {
        let Some((group, vpc)) = self.dice.pick(&self.groups) else { return };
        let direction = if self.dice.luck(70) { Direction::Ingress } else { Direction::Egress };
        let owner = self.owner(vpc);
        let rules: Vec<_> = self.world.group(group).into_iter().flat_map(|g| &g.rules).collect();
        let own: Vec<_> =
            rules.iter().filter(|(_, r)| r.direction == direction).map(|(id, _)| **id).collect();
        if self.dice.luck(45)
            && let Some(id) = self.dice.pick(&own)
        {
            let (rules, ids) = (Vec::new(), vec![id]);
            self.run(owner, Ec2Command::RevokeSecurityGroup { group, direction, rules, ids });
            return;
        }
        let peer = match self.dice.roll(3) {
            0 => self
                .dice
                .pick(&self.groups)
                .map(|(id, of)| RulePeerSpec::Group(id, self.world.vpc(of).map(|vpc| vpc.account))),
            _ => Some(RulePeerSpec::Cidr(self.block())),
        };
        let traffic = self.traffic();
        if let Some(peer) = peer {
            let rule = self.rule(traffic, peer);
            self.authorize(group, vpc, direction, rule);
        }
    }

    fn mutate_acls(&mut self) {
        let Some((subnet, vpc)) = self.dice.pick(&self.subnets) else { return };
        let owner = self.owner(vpc);
        let own: Vec<_> = self.acls.iter().filter(|(_, of)| *of == vpc).map(|a| a.0).collect();
        let acl = match self.dice.pick(&own).filter(|_| self.dice.luck(60)) {
            Some(acl) => acl,
            None => {
                let (client_token, tags) = (None, Tags::default());
                let create = Ec2Command::CreateNetworkAcl { vpc, client_token, tags };
                let Some(Key::NetworkAcl(acl)) = self.run(owner, create) else { return };
                self.acls.push((acl, vpc));
                for direction in [Direction::Ingress, Direction::Egress] {
                    self.entry(acl, direction, owner, 1000, (true, Traffic::All, Cidr::ANY));
                }
                acl
            }
        };
        for _ in 0..2 {
            let direction = if self.dice.luck(50) { Direction::Ingress } else { Direction::Egress };
            let what = (self.dice.luck(40), self.traffic(), self.block());
            let number = 100 + self.dice.roll(5) as u16;
            self.entry(acl, direction, owner, number, what);
        }
        let association = self.world.subnet(subnet).unwrap().acl_association;
        self.run(owner, Ec2Command::ReplaceNetworkAclAssociation { association, acl });
    }

    fn entry(
        &mut self,
        acl: AclId,
        direction: Direction,
        owner: Caller,
        number: u16,
        (allow, traffic, cidr): (bool, Traffic, Cidr),
    ) {
        let entry = AclEntry { allow, traffic, cidr: cidr.into() };
        let create = Ec2Command::CreateNetworkAclEntry { acl, direction, number, entry };
        self.run(owner, create);
    }

    fn toggle_check(&mut self) {
        let Some((id, vpc)) = self.dice.pick(&self.instances) else { return };
        let eni = self.world.instance(id).and_then(|i| self.world.eni(i.eni)).cloned();
        if let Some(eni) = eni {
            let change = InterfaceChange::SourceDestCheck(!eni.source_dest_check);
            let interface = eni.id;
            let modify = Ec2Command::ModifyNetworkInterfaceAttribute { interface, change };
            self.run(self.owner(vpc), modify);
        }
    }

    fn mutate_tables(&mut self) {
        let Some((subnet, vpc)) = self.dice.pick(&self.subnets) else { return };
        let owner = self.owner(vpc);
        let (client_token, tags) = (None, Tags::default());
        let create = Ec2Command::CreateRouteTable { vpc, client_token, tags };
        let Some(Key::RouteTable(route_table)) = self.run(owner, create) else { return };
        self.tables.push((route_table, vpc));
        self.run(owner, Ec2Command::AssociateRouteTable { route_table, subnet });
        let mut routes = Vec::new();
        if let Some(main) =
            self.world.vpc(vpc).and_then(|v| self.world.route_table(v.main_route_table))
        {
            routes.extend(main.cidr_routes());
        }
        for (to, by) in routes {
            if self.dice.luck(80) {
                self.route(route_table, to, by, vpc);
            }
        }
    }
}
