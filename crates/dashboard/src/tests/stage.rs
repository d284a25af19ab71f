//! A world with a space, its team and an account with VPCs, as the rules make it.

use std::sync::Arc;
use std::time::Duration;

use model::{
    AccountId, Caller, Command, Ec2Command, IdentityCommand, Key, Observation, PcxId,
    PlatformCommand, Region, Reply, Role, RouteTo, RunInstances, Scope, Sequence, Space,
    SystemCommand, TaggedResource, TeamId, Timestamp, UserId, VpcId, World,
};

use crate::{
    Came, Challenge, Context, Language, Problem, Question, Refusal, SignIn, Theme, Told, Trouble,
    Typed, Viewer, Way,
};

/// How a page is looked at.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) viewer: Viewer,
    pub(super) language: Language,
    pub(super) theme: Option<Theme>,
}

pub(super) struct Stage {
    pub(super) world: World,
    pub(super) now: Timestamp,
    ids: Sequence,
    users: [UserId; 3],
    account: AccountId,
}

const REGION: Region = Region::DEFAULT;

impl Stage {
    pub(super) fn new() -> Self {
        let mut stage = Self {
            world: World::default(),
            now: "2016-09-19T22:57:33Z".parse().unwrap(),
            ids: Sequence(0x1000),
            users: [UserId::MIN; 3],
            account: AccountId::MIN,
        };
        let operator = Caller::Operator;
        let (region, instance) = (REGION, "test".to_owned());
        stage.run(operator, IdentityCommand::SetUp { region, emulator: false, instance });
        let users = ["alice", "bob", "stranger"].map(|name| {
            let email = format!("{name}@example.com");
            match stage.run(operator, IdentityCommand::CreateUser { email }) {
                Some(Key::User(id)) => id,
                other => panic!("{other:?}"),
            }
        });
        stage.users = users;
        let name = "acme".to_owned();
        let team = IdentityCommand::CreateTeam { name, admin: users[0] };
        let Some(Key::Team(team)) = stage.run(operator, team) else { panic!("no team") };
        let (user, role) = (users[1], Some(Role::Member));
        stage.run(operator, IdentityCommand::SetMember { team, user, role });
        stage.make_space(team);
        let account = IdentityCommand::CreateAccount { name: "partner".to_owned() };
        let Some(Key::Account(account)) = stage.run(operator, account) else { panic!("none") };
        stage.account = account;
        stage
    }

    fn make_space(&mut self, team: TeamId) {
        let name = "alpha".to_owned();
        let (region, cidr, data_cidr) = (None, None, None);
        let space = PlatformCommand::CreateSpace { name, team, region, cidr, data_cidr };
        self.run(Caller::User(self.users[0]), space);
        self.observe();
    }

    /// The fabric reports that everything is in place.
    pub(super) fn observe(&mut self) {
        let seen = Observation {
            vpcs: self.world.vpcs().map(|vpc| vpc.id).collect(),
            carried: self.world.peerings().filter(|p| p.carries()).map(|p| p.id).collect(),
            ..Observation::default()
        };
        self.run(Caller::System, SystemCommand::Observe(seen));
    }

    /// Carries out a command; what it is mainly about.
    pub(super) fn run(&mut self, caller: Caller, command: impl Into<Command>) -> Option<Key> {
        let decided = self.world.decide(caller, &command.into(), self.now, &mut self.ids).unwrap();
        self.world = decided.world;
        Reply::main(&decided.reply)
    }

    pub(super) fn advance(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    pub(super) fn space(&self) -> Arc<Space> {
        Arc::clone(self.world.space_named("alpha").unwrap())
    }

    /// The account, by a key that may change something.
    pub(super) fn caller(&self) -> Caller {
        let scope = Scope { account: self.account, region: REGION };
        Caller::Account { scope, read_only: false }
    }

    fn make_vpc(&mut self, block: &str) -> VpcId {
        let cidr = block.parse().unwrap();
        let vpc = Ec2Command::create_vpc(cidr, Default::default());
        match self.run(self.caller(), vpc) {
            Some(Key::Vpc(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    /// A dyno of the space, by the name that `causeway why` takes.
    pub(super) fn start_dyno(&mut self) -> String {
        let (space, admin) = (self.space().id, Caller::User(self.users[0]));
        let app = match self.world.app_named("shop") {
            Some(app) => app.id,
            None => {
                let name = Some("shop".to_owned());
                let app = PlatformCommand::CreateApp { name, space, internal_routing: false };
                match self.run(admin, app) {
                    Some(Key::App(app)) => app,
                    other => panic!("{other:?}"),
                }
            }
        };
        let start = PlatformCommand::StartDyno {
            app,
            command: "sleep 60".to_owned(),
            size: None,
            environment: Default::default(),
            stdio: Default::default(),
        };
        match self.run(admin, start) {
            Some(Key::Dyno(dyno)) => format!("shop/{}", self.world.dyno(dyno).unwrap().name),
            other => panic!("{other:?}"),
        }
    }

    /// An instance in a VPC, in a new subnet with this block.
    pub(super) fn run_instance(&mut self, vpc: VpcId, block: &str) -> String {
        let (cidr, zone) = (block.parse().unwrap(), None);
        let subnet = Ec2Command::create_subnet(vpc, cidr, zone, Default::default());
        let Some(Key::Subnet(subnet)) = self.run(self.caller(), subnet) else { panic!("none") };
        let run = RunInstances::new(subnet, "ami-00000000000000001");
        match self.run(self.caller(), Ec2Command::RunInstances(run)) {
            Some(Key::Instance(id)) => id.to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn ask_for(&mut self, vpc: VpcId, peer_vpc: VpcId, owner: AccountId) -> PcxId {
        let ask = Ec2Command::CreatePeering {
            vpc,
            peer_vpc,
            peer_owner: Some(owner),
            peer_region: Some(REGION),
            tags: Default::default(),
        };
        match self.run(self.caller(), ask) {
            Some(Key::Peering(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    fn platform(&self) -> AccountId {
        self.world.settings().unwrap().platform_account
    }

    /// A request of a new VPC with this block.
    pub(super) fn request(&mut self, block: &str) -> PcxId {
        let vpc = self.make_vpc(block);
        self.ask_for(vpc, self.space().vpc, self.platform())
    }

    /// A request for a VPC that is not there.
    pub(super) fn ask_in_vain(&mut self) -> PcxId {
        let vpc = self.make_vpc("10.200.0.0/16");
        self.ask_for(vpc, "vpc-00000000deadbeef0".parse().unwrap(), self.platform())
    }

    pub(super) fn accept(&mut self, peering: PcxId) {
        let space = self.space().id;
        let accept = PlatformCommand::AcceptPeering { space, peering };
        self.run(Caller::User(self.users[0]), accept);
        self.observe();
    }

    /// A VPC whose owner gave it a name.
    pub(super) fn name_vpc(&mut self, name: &str) {
        let vpc = self.make_vpc("10.210.0.0/16");
        self.give_name(vpc, name);
    }

    /// Names a VPC that is there.
    pub(super) fn give_name(&mut self, vpc: VpcId, name: &str) {
        let tags = [("Name".to_owned(), name.to_owned())].into_iter().collect();
        let resources = vec![TaggedResource::Vpc(vpc)];
        self.run(self.caller(), Ec2Command::CreateTags { resources, tags });
    }

    /// Routes the space's block over a peering in the VPC that asked for it.
    pub(super) fn route_over(&mut self, peering: PcxId) {
        let vpc = self.world.peering(peering).unwrap().requester.vpc;
        let route_table = self.world.vpc(vpc).unwrap().main_route_table;
        let (destination, target) = (self.space().cidr.into(), RouteTo::Peering(peering));
        self.run(self.caller(), Ec2Command::CreateRoute { route_table, destination, target });
    }
}

/// Who looks.
impl Stage {
    pub(super) fn admin(&self) -> Viewer {
        Viewer { user: Some(self.users[0]), ..Viewer::default() }
    }

    pub(super) fn member(&self) -> Viewer {
        Viewer { user: Some(self.users[1]), ..Viewer::default() }
    }

    pub(super) fn stranger(&self) -> Viewer {
        Viewer { user: Some(self.users[2]), ..Viewer::default() }
    }

    pub(super) fn operator(&self) -> Viewer {
        Viewer { operator: true, ..Viewer::default() }
    }

    pub(super) fn account(&self) -> Viewer {
        Viewer { account: Some(self.account), ..Viewer::default() }
    }

    /// Somebody who has both sides.
    pub(super) fn both(&self) -> Viewer {
        Viewer { account: Some(self.account), ..self.admin() }
    }

    /// The admin, in English.
    pub(super) fn seen(&self) -> Seen {
        Seen { viewer: self.admin(), language: Language::English, theme: None }
    }

    pub(super) fn context<'a>(&'a self, seen: Seen, path: &'a str) -> Context<'a> {
        let Seen { viewer, language, theme } = seen;
        let form_token = "0123456789abcdef";
        let (world, now, shortcut) = (&self.world, self.now, true);
        Context { world, viewer, language, theme, shortcut, now, form_token, path }
    }

    pub(super) fn home(&self, seen: Seen) -> String {
        crate::home(&self.context(seen, "/dashboard")).unwrap()
    }

    pub(super) fn network(&self, seen: Seen, told: Option<Told>) -> String {
        let space = self.space();
        let path = crate::network_path(&space);
        crate::network(&self.context(seen, &path), &space, told).unwrap()
    }

    pub(super) fn review(&self, seen: Seen, id: PcxId, refused: Option<&Refusal>) -> String {
        let space = self.space();
        let path = crate::review_path(&space, id);
        let peering = self.world.peering(id).unwrap();
        crate::review(&self.context(seen, &path), &space, peering, refused).unwrap()
    }

    pub(super) fn destroy(
        &self,
        seen: Seen,
        id: PcxId,
        refused: Option<&Refusal>,
        typed: &str,
    ) -> String {
        let space = self.space();
        let path = crate::destroy_path(&space, id);
        let peering = self.world.peering(id).unwrap();
        crate::destroy(&self.context(seen, &path), &space, peering, refused, typed).unwrap()
    }

    /// The customers' VPCs.
    pub(super) fn vpcs(&self) -> Vec<VpcId> {
        let customers = self.world.vpcs().filter(|vpc| vpc.role.is_none());
        customers.map(|vpc| vpc.id).collect()
    }

    pub(super) fn vpc(&self, seen: Seen, id: VpcId, told: Option<Told>) -> String {
        let vpc = self.world.vpc(id).unwrap();
        crate::vpc(&self.context(seen, &crate::vpc_path(vpc)), vpc, told).unwrap()
    }

    pub(super) fn ask(&self, seen: Seen, id: VpcId, typed: Typed<'_>, check: bool) -> String {
        let vpc = self.world.vpc(id).unwrap();
        crate::ask(&self.context(seen, &crate::ask_path(vpc)), vpc, typed, check, None).unwrap()
    }

    pub(super) fn map(&self, seen: Seen, query: &str) -> String {
        let asked = crate::map::Asked::read(query);
        crate::map::map(&self.context(seen, &format!("/dashboard/map?{query}")), &asked).unwrap()
    }

    pub(super) fn matrix(&self, seen: Seen, query: &str) -> String {
        let asked = crate::map::Asked::read(query);
        let path = format!("/dashboard/map/matrix?{query}");
        crate::map::matrix(&self.context(seen, &path), &asked).unwrap()
    }

    pub(super) fn why(&self, seen: Seen, question: &Question, came: Came<'_>) -> String {
        let path = question.path();
        crate::why(&self.context(seen, &path), question, came).unwrap()
    }

    pub(super) fn search(&self, seen: Seen, query: &str) -> String {
        crate::search(&self.context(seen, crate::SEARCH_PATH), query).unwrap()
    }

    pub(super) fn problem(&self, seen: Seen, problem: &Problem) -> String {
        crate::problem(&self.context(seen, "/dashboard/x"), problem).unwrap()
    }

    pub(super) fn sign_in(
        &self,
        seen: Seen,
        way: Way,
        trouble: Option<Trouble>,
        name: &str,
    ) -> String {
        let challenge = Challenge {
            nonce: "bm9uY2U".to_owned(),
            date: "20160919".to_owned(),
            region: REGION.to_string(),
        };
        let asks = matches!(trouble, Some(Trouble::Code | Trouble::WrongCode));
        let (step, back) = (if asks { "c3RlcA" } else { "" }, "/dashboard");
        let page = SignIn { way, trouble, name, step, challenge: &challenge, back };
        crate::sign_in(&self.context(seen, "/dashboard/sign-in"), &page).unwrap()
    }
}
