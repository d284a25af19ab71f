//! A world with two accounts, and how tests act in it.

use crate::command::*;
use crate::resource::*;
use crate::*;

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);

/// A world, and what its identifiers come from.
pub(super) struct Fixture {
    pub world: World,
    pub ids: Sequence,
    pub now: Timestamp,
}

pub(super) fn account(text: &str) -> AccountId {
    text.parse().unwrap()
}

/// The account that most tests act as.
pub(super) fn ours() -> Scope {
    Scope { account: account("111111111111"), region: Region::DEFAULT }
}

/// Somebody else in the same region.
pub(super) fn theirs() -> Scope {
    Scope { account: account("222222222222"), ..ours() }
}

/// The same account somewhere else.
pub(super) fn elsewhere() -> Scope {
    Scope { region: Region::find("eu-west-1").unwrap(), ..ours() }
}

pub(super) fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

pub(super) fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

impl Fixture {
    pub(super) fn new() -> Self {
        let mut world = World::default();
        for (id, name) in [("111111111111", "ours"), ("222222222222", "theirs")] {
            let account = Account {
                disabled: None,
                id: account(id),
                name: name.to_owned(),
                created: NOW,
                quotas: Default::default(),
            };
            world.apply(&Change::Put(account.into()));
        }
        Self { world, ids: Sequence(0), now: NOW }
    }

    /// Acts as an account.
    pub(super) fn try_as(&mut self, scope: Scope, command: Ec2Command) -> Result<Reply, Refused> {
        self.decide(Caller::Account { scope, read_only: false }, command.into())
    }

    /// Acts, and checks what holds after any command.
    pub(super) fn decide(&mut self, caller: Caller, command: Command) -> Result<Reply, Refused> {
        let before = self.world.clone();
        let outcome = self.world.decide(caller, &command, self.now, &mut self.ids);
        assert_eq!(self.world, before, "a decision works on a copy");
        let decided = outcome?;
        let mut replayed = before;
        decided.changes.iter().for_each(|change| replayed.apply(change));
        assert_eq!(replayed, decided.world, "the changes say all that changed");
        decided.world.check();
        self.world = decided.world;
        Ok(decided.reply)
    }

    pub(super) fn run_as(&mut self, scope: Scope, command: Ec2Command) -> Reply {
        self.try_as(scope, command).unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    pub(super) fn run(&mut self, command: Ec2Command) -> Reply {
        self.run_as(ours(), command)
    }

    pub(super) fn refused_as(&mut self, scope: Scope, command: Ec2Command) -> (Code, String) {
        match self.try_as(scope, command) {
            Err(refused) => (refused.code, refused.message),
            Ok(reply) => panic!("not refused: {reply:?}"),
        }
    }

    /// Which rule refuses what our account asks for.
    pub(super) fn refused(&mut self, command: Ec2Command) -> Code {
        self.refused_as(ours(), command).0
    }

    /// Has the operator say how much of something our account may have.
    pub(super) fn set_quota(&mut self, quota: Quota, most: u32) {
        let account = Some(ours().account);
        let of = account.map_or(QuotaOf::All, QuotaOf::Account);
        let set = IdentityCommand::SetQuota { of, quota, most: Some(most) };
        self.decide(Caller::Operator, set.into()).unwrap();
    }

    /// Puts what other rules would have made.
    pub(super) fn put(&mut self, record: impl Into<Record>) {
        self.world.apply(&Change::Put(record.into()));
    }

    pub(super) fn vpc_as(&mut self, scope: Scope, block: &str) -> VpcId {
        let create = Ec2Command::create_vpc(cidr(block), Tags::new());
        match self.run_as(scope, create).main() {
            Some(Key::Vpc(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn vpc(&mut self, block: &str) -> VpcId {
        self.vpc_as(ours(), block)
    }

    pub(super) fn get_vpc(&self, id: VpcId) -> Vpc {
        Vpc::clone(self.world.vpc(id).unwrap())
    }

    pub(super) fn subnet_as(&mut self, scope: Scope, vpc: VpcId, block: &str) -> SubnetId {
        let create = Ec2Command::create_subnet(vpc, cidr(block), None, Tags::new());
        match self.run_as(scope, create).main() {
            Some(Key::Subnet(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn subnet(&mut self, vpc: VpcId, block: &str) -> SubnetId {
        self.subnet_as(ours(), vpc, block)
    }

    /// A peering between two VPCs, as the rules of peerings would have made it.
    pub(super) fn peering(
        &mut self,
        requester: VpcId,
        accepter: VpcId,
        state: PeeringState,
    ) -> PcxId {
        let side = |vpc: Vpc| PeeringSide {
            account: vpc.account,
            region: vpc.region,
            vpc: vpc.id,
            cidrs: vpc.blocks().collect(),
            ipv6: vpc.ipv6_blocks().collect(),
            dns_resolution: false,
            tags: Tags::new(),
        };
        let (requester, accepter) = (self.get_vpc(requester), self.get_vpc(accepter));
        let id = PcxId::fresh(&mut self.ids);
        self.put(Peering {
            id,
            requester: side(requester),
            accepter: side(accepter),
            kind: PeeringKind::Customer,
            state,
            since: self.now,
            by: None,
            expires: self.now + PEERING_EXPIRY,
        });
        id
    }

    /// Makes a VPC one of the platform's.
    pub(super) fn give_role(&mut self, id: VpcId) {
        let space = SpaceId::fresh(&mut self.ids);
        let vpc = Vpc { role: Some(VpcRole::Space(space)), ..self.get_vpc(id) };
        self.put(vpc);
    }

    pub(super) fn group(&mut self, vpc: VpcId, name: &str) -> SecurityGroupId {
        let (name, description) = (name.to_owned(), "a group".to_owned());
        let create = Ec2Command::CreateSecurityGroup { vpc, name, description, tags: Tags::new() };
        match self.run(create).main() {
            Some(Key::SecurityGroup(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn route_table(&mut self, vpc: VpcId) -> RouteTableId {
        let create = Ec2Command::CreateRouteTable { vpc, client_token: None, tags: Tags::new() };
        match self.run(create).main() {
            Some(Key::RouteTable(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    /// An internet gateway, attached to a VPC or to none.
    pub(super) fn gateway(&mut self, vpc: Option<VpcId>) -> IgwId {
        let create = Ec2Command::CreateInternetGateway { tags: Tags::new() };
        let Some(Key::InternetGateway(gateway)) = self.run(create).main() else { panic!() };
        if let Some(vpc) = vpc {
            self.run(Ec2Command::AttachInternetGateway { gateway, vpc });
        }
        gateway
    }

    /// One instance in a subnet.
    pub(super) fn instance(&mut self, subnet: SubnetId) -> InstanceId {
        match self.run(Ec2Command::RunInstances(run_in(subnet))).main() {
            Some(Key::Instance(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    /// The interface of one instance in a subnet.
    pub(super) fn eni(&mut self, subnet: SubnetId) -> EniId {
        let id = self.instance(subnet);
        self.world.instance(id).unwrap().eni
    }
}

/// A request for one instance in a subnet.
pub(super) fn run_in(subnet: SubnetId) -> RunInstances {
    RunInstances::new(subnet, "host")
}

pub(super) fn token(token: &str, digest: &str) -> Option<ClientToken> {
    Some(ClientToken { token: token.to_owned(), digest: digest.to_owned(), scope: None })
}

/// What a request on a resource's tags names; `None` where it can have none.
pub(super) fn tagged(key: Key) -> Option<TaggedResource> {
    use TaggedResource as T;
    Some(match key {
        Key::DhcpOptions(id) => T::DhcpOptions(id),
        Key::EgressGateway(id) => T::EgressGateway(id),
        Key::ElasticIp(id) => T::ElasticIp(id),
        Key::Eni(id) => T::Eni(id),
        Key::FlowLog(id) => T::FlowLog(id),
        Key::Instance(id) => T::Instance(id),
        Key::InternetGateway(id) => T::InternetGateway(id),
        Key::KeyPair(id) => T::KeyPair(id),
        Key::NatGateway(id) => T::NatGateway(id),
        Key::NetworkAcl(id) => T::NetworkAcl(id),
        Key::NetworkInsightsAnalysis(id) => T::NetworkInsightsAnalysis(id),
        Key::NetworkInsightsPath(id) => T::NetworkInsightsPath(id),
        Key::Peering(id) => T::Peering(id),
        Key::PrefixList(id) => T::PrefixList(id),
        Key::RouteTable(id) => T::RouteTable(id),
        Key::SecurityGroup(id) => T::SecurityGroup(id),
        Key::Subnet(id) => T::Subnet(id),
        Key::SubnetReservation(id) => T::SubnetReservation(id),
        Key::Vpc(id) => T::Vpc(id),
        _ => return None,
    })
}
