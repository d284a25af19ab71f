//! A small world to decide in.

use std::time::Duration;

use crate::*;

pub(super) const TOKYO: &str = "ap-northeast-1";
pub(super) const VIRGINIA: &str = "us-east-1";
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Bench {
    pub(super) world: World,
    pub(super) now: Timestamp,
    pub(super) ids: Sequence,
}

pub(super) fn region(name: &str) -> Region {
    name.parse().unwrap()
}

pub(super) fn block(text: &str) -> Cidr {
    text.parse().unwrap()
}

pub(super) fn account(n: u64) -> AccountId {
    format!("{n:012}").parse().unwrap()
}

pub(super) fn scope(n: u64, place: &str) -> Scope {
    Scope { account: account(n), region: region(place) }
}

pub(super) fn key(scope: Scope) -> Caller {
    Caller::Account { scope, read_only: false }
}

impl Bench {
    pub(super) fn new() -> Self {
        let now = "2026-01-31T12:00:00Z".parse().unwrap();
        Self { world: World::default(), now, ids: Sequence::default() }
    }

    /// The same with the platform's account and settings.
    pub(super) fn set_up(emulator: bool) -> Self {
        let mut bench = Self::new();
        let instance = "t1".to_owned();
        let region = region(VIRGINIA);
        bench.ok(Caller::Operator, IdentityCommand::SetUp { region, emulator, instance });
        bench
    }

    pub(super) fn platform(&self) -> AccountId {
        self.world.settings().unwrap().platform_account
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    /// Decides, and goes on from there. Checks that the changes alone lead to the same world.
    pub(super) fn run(
        &mut self,
        caller: Caller,
        command: impl Into<Command>,
    ) -> Result<(Reply, Vec<Change>), Refused> {
        let before = self.world.clone();
        let decided = self.world.decide(caller, &command.into(), self.now, &mut self.ids);
        assert!(self.world.records().eq(before.records()), "a decision changed what it was given");
        let Decided { world, changes, reply } = decided?;
        changes.iter().for_each(|change| self.world.apply(change));
        assert!(self.world.records().eq(world.records()), "the changes miss something");
        Ok((reply, changes))
    }

    pub(super) fn ok(&mut self, caller: Caller, command: impl Into<Command>) -> Reply {
        self.run(caller, command).unwrap_or_else(|e| panic!("{:?}: {e}", e.code)).0
    }

    pub(super) fn refused(&mut self, caller: Caller, command: impl Into<Command>) -> Refused {
        self.run(caller, command).map(|(reply, _)| reply).unwrap_err()
    }

    /// Asks, and expects that nothing comes of it.
    pub(super) fn idle(&mut self, caller: Caller, command: impl Into<Command>) {
        let (_, changes) = self.run(caller, command).unwrap();
        assert_eq!(changes, []);
    }

    /// A VPC, put there without asking.
    pub(super) fn vpc(&mut self, scope: Scope, blocks: &[&str]) -> VpcId {
        let ids: &mut Sequence = &mut self.ids;
        let (id, table) = (VpcId::fresh(ids), RouteTableId::fresh(ids));
        let cidrs = blocks
            .iter()
            .map(|text| VpcCidr { id: VpcCidrAssociationId::fresh(ids), cidr: block(text) })
            .collect();
        let vpc = Vpc {
            id,
            account: scope.account,
            region: scope.region,
            cidrs,
            ipv6: Vec::new(),
            dns_support: true,
            dns_hostnames: false,
            usage_metrics: false,
            is_default: false,
            dhcp_options: Some(DhcpOptionsId::fresh(ids)),
            main_route_table: table,
            main_association: RouteTableAssociationId::fresh(ids),
            default_acl: AclId::fresh(ids),
            default_group: SecurityGroupId::fresh(ids),
            tenancy: Default::default(),
            role: None,
            tags: Tags::default(),
            created: Timestamp::default(),
        };
        let table = RouteTable {
            id: table,
            vpc: id,
            routes: Default::default(),
            client_token: None,
            tags: Tags::default(),
            created: Timestamp::default(),
        };
        self.world.apply(&Change::Put(vpc.into()));
        self.world.apply(&Change::Put(table.into()));
        id
    }

    pub(super) fn change_vpc(&mut self, id: VpcId, change: impl FnOnce(&mut Vpc)) {
        let mut vpc = Vpc::clone(self.world.vpc(id).unwrap());
        change(&mut vpc);
        self.world.apply(&Change::Put(vpc.into()));
    }

    pub(super) fn request(&mut self, from: (Scope, VpcId), to: (Scope, VpcId)) -> PcxId {
        let command = Ec2Command::CreatePeering {
            vpc: from.1,
            peer_vpc: to.1,
            peer_owner: Some(to.0.account),
            peer_region: Some(to.0.region),
            tags: Tags::default(),
        };
        match self.ok(key(from.0), command).main() {
            Some(Key::Peering(id)) => id,
            other => panic!("not a peering: {other:?}"),
        }
    }

    pub(super) fn peering(&self, id: PcxId) -> Peering {
        Peering::clone(self.world.peering(id).unwrap())
    }

    pub(super) fn state(&self, id: PcxId) -> PeeringState {
        self.peering(id).state
    }

    /// Puts a peering into a state without asking.
    pub(super) fn force(&mut self, id: PcxId, state: PeeringState) {
        let peering = Peering { state, since: self.now, ..self.peering(id) };
        self.world.apply(&Change::Put(peering.into()));
    }
}

/// A set-up world with a team, its people and a space.
pub(super) struct Town {
    pub(super) bench: Bench,
    pub(super) ada: UserId,
    pub(super) member: UserId,
    pub(super) stranger: UserId,
    pub(super) team: TeamId,
    pub(super) space: SpaceId,
}

impl Town {
    pub(super) fn new() -> Self {
        let mut bench = Bench::set_up(true);
        let op = Caller::Operator;
        let [ada, member, stranger] = ["ada", "bob", "eve"].map(|name| {
            let email = format!("{name}@example.com");
            match bench.ok(op, IdentityCommand::CreateUser { email }).main() {
                Some(Key::User(id)) => id,
                other => panic!("not a user: {other:?}"),
            }
        });
        let create = IdentityCommand::CreateTeam { name: "acme".to_owned(), admin: ada };
        let Some(Key::Team(team)) = bench.ok(op, create).main() else { panic!("not a team") };
        let role = Some(Role::Member);
        bench.ok(op, IdentityCommand::SetMember { team, user: member, role });
        let create = PlatformCommand::CreateSpace {
            name: "acme".to_owned(),
            team,
            region: None,
            cidr: None,
            data_cidr: None,
        };
        let made = bench.ok(Caller::User(ada), create).main();
        let Some(Key::Space(space)) = made else { panic!("not a space") };
        Self { bench, ada, member, stranger, team, space }
    }

    /// The same, with the space carried by the fabric.
    pub(super) fn allocated() -> Self {
        let mut town = Self::new();
        town.allocate();
        town
    }

    /// Has the fabric carry the space.
    pub(super) fn allocate(&mut self) {
        let space = self.space();
        let observation = Observation {
            vpcs: [space.vpc, space.data_vpc].into(),
            carried: [space.data_peering].into(),
            ..Observation::default()
        };
        self.bench.ok(Caller::System, SystemCommand::Observe(observation));
    }

    pub(super) fn admin(&self) -> Caller {
        Caller::User(self.ada)
    }

    pub(super) fn space(&self) -> Space {
        Space::clone(self.bench.world.space(self.space).unwrap())
    }

    /// A key of the platform's account, where the space is.
    pub(super) fn platform_key(&self) -> Caller {
        key(Scope { account: self.bench.platform(), region: self.space().region })
    }

    /// A request of the n-th customer's VPC.
    pub(super) fn request(&mut self, n: u8) -> PcxId {
        let owner = scope(700 + u64::from(n), VIRGINIA);
        let vpc = self.bench.vpc(owner, &[&format!("10.{}.0.0/16", 10 + n)]);
        self.request_from((owner, vpc))
    }

    pub(super) fn request_from(&mut self, from: (Scope, VpcId)) -> PcxId {
        let space = self.space();
        let platform = Scope { account: self.bench.platform(), region: space.region };
        self.bench.request(from, (platform, space.vpc))
    }
}

/// Whether nobody sees a peering any more.
pub(super) fn is_forgotten(peering: &Peering, now: Timestamp) -> bool {
    peering.due().is_some_and(|(errand, at)| errand == Errand::Forget && at <= now)
}
