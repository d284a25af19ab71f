//! From nothing to a packet that passes, by commands alone: each remedy is followed, and each
//! step's delta leads from plan to plan.

use super::*;
use crate::command::*;
use crate::plan::lab::{account, apply_delta, cidr, now};
use crate::*;

struct Journey {
    world: World,
    ids: Sequence,
    customer: Caller,
}

impl Journey {
    fn new() -> Self {
        let scope = Scope { account: account(7), region: Region::DEFAULT };
        let customer = Caller::Account { scope, read_only: false };
        let mut journey = Self { world: World::default(), ids: Sequence::default(), customer };
        let (region, instance) = (Region::DEFAULT, "t1".to_owned());
        let set_up = IdentityCommand::SetUp { region, emulator: false, instance };
        journey.run(Caller::Operator, set_up);
        let owner = Account {
            disabled: None,
            id: scope.account,
            name: "shop".to_owned(),
            created: now(),
            quotas: Default::default(),
        };
        journey.world.apply(&Change::Put(owner.into()));
        journey
    }

    fn run(&mut self, caller: Caller, command: impl Into<Command>) -> Option<Key> {
        let decided = self.world.decide(caller, &command.into(), now(), &mut self.ids).unwrap();
        let Decided { world, changes, reply } = decided;
        let mut intent = plan(&self.world, now());
        let delta = plan_delta(&self.world, &world, &changes, now());
        apply_delta(&mut intent, delta, &world);
        assert_eq!(intent, plan(&world, now()));
        self.world = world;
        reply.main()
    }

    fn carry(&mut self, peering: PcxId) {
        let vpcs = self.world.vpcs().map(|vpc| vpc.id).collect();
        let carried = [peering].into();
        let seen = Observation { vpcs, carried, ..Observation::default() };
        self.run(Caller::System, SystemCommand::Observe(seen));
    }

    /// The space `blue` with a dyno.
    fn space(&mut self) -> (Caller, SpaceId, Endpoint) {
        let create = IdentityCommand::CreateUser { email: "ada@example.com".to_owned() };
        let Some(Key::User(admin)) = self.run(Caller::Operator, create) else { panic!() };
        let create = IdentityCommand::CreateTeam { name: "acme".to_owned(), admin };
        let Some(Key::Team(team)) = self.run(Caller::Operator, create) else { panic!() };
        let admin = Caller::User(admin);
        let name = "blue".to_owned();
        let create =
            PlatformCommand::CreateSpace { name, team, region: None, cidr: None, data_cidr: None };
        let Some(Key::Space(space)) = self.run(admin, create) else { panic!() };
        self.carry(self.world.space(space).unwrap().data_peering);
        let name = Some("web".to_owned());
        let create = PlatformCommand::CreateApp { name, space, internal_routing: false };
        let Some(Key::App(app)) = self.run(admin, create) else { panic!() };
        let start = PlatformCommand::StartDyno {
            app,
            command: "sleep 60".to_owned(),
            size: None,
            environment: Default::default(),
            stdio: Default::default(),
        };
        let Some(Key::Dyno(dyno)) = self.run(admin, start) else { panic!() };
        let dyno = format!("web/{}", self.world.dyno(dyno).unwrap().name);
        (admin, space, Endpoint::resolve(&self.world, &dyno, None).unwrap())
    }

    /// A customer's VPC with an instance.
    fn customers(&mut self) -> (VpcId, Endpoint) {
        let customer = self.customer;
        let create = Ec2Command::create_vpc(cidr("10.2.0.0/16"), Tags::new());
        let Some(Key::Vpc(vpc)) = self.run(customer, create) else { panic!() };
        let (block, zone) = (cidr("10.2.1.0/24"), None);
        let create = Ec2Command::create_subnet(vpc, block, zone, Tags::new());
        let Some(Key::Subnet(subnet)) = self.run(customer, create) else { panic!() };
        let run = RunInstances::new(subnet, "ami-00000000000000001");
        let made = self.run(customer, Ec2Command::RunInstances(run));
        let Some(Key::Instance(instance)) = made else { panic!() };
        let end = Endpoint::resolve(&self.world, &instance.to_string(), None).unwrap();
        (vpc, end)
    }

    /// What stops a flow to port 8000, as code and remedy.
    #[track_caller]
    fn stopped(&self, from: Endpoint, to: Endpoint) -> (ExplanationCode, String) {
        let verdict = explain(&self.world, &Flow::new(from, to, IpProtocol::TCP, 8000), now());
        let hop = verdict.blocked().expect("it passes");
        (hop.code.unwrap(), hop.remedy.as_ref().unwrap().to_string())
    }
}

#[test]
fn following_the_remedies_leads_to_a_flow_that_passes() {
    let mut journey = Journey::new();
    let (admin, space, dyno) = journey.space();
    let (vpc, instance) = journey.customers();
    let customer = journey.customer;

    let (code, remedy) = journey.stopped(instance, dyno);
    assert_eq!(code, ExplanationCode::NoRouteToDestination);
    assert!(remedy.starts_with(&format!(
        "aws ec2 create-vpc-peering-connection --vpc-id {vpc} --peer-vpc-id {}",
        dyno.vpc
    )));
    let peer_owner = Some(journey.world.vpc(dyno.vpc).unwrap().account);
    let request = Ec2Command::CreatePeering {
        vpc,
        peer_vpc: dyno.vpc,
        peer_owner,
        peer_region: None,
        tags: Tags::new(),
    };
    let Some(Key::Peering(peering)) = journey.run(customer, request) else { panic!() };

    let (_, remedy) = journey.stopped(instance, dyno);
    assert_eq!(remedy, format!("heroku spaces:peerings:accept {peering} --space blue"));
    journey.run(admin, PlatformCommand::AcceptPeering { space, peering });
    journey.carry(peering);

    // R12: the space's side is configured, the VPC's own is not.
    let (_, remedy) = journey.stopped(instance, dyno);
    let route_table = journey.world.vpc(vpc).unwrap().main_route_table;
    let command = format!(
        "aws ec2 create-route --route-table-id {route_table} --destination-cidr-block 10.0.0.0/16 \
         --vpc-peering-connection-id {peering}"
    );
    assert_eq!(remedy, command);
    let target = RouteTo::Peering(peering);
    let destination = cidr("10.0.0.0/16").into();
    journey.run(customer, Ec2Command::CreateRoute { route_table, destination, target });
    let flow = |from, to| Flow::new(from, to, IpProtocol::TCP, 8000);
    assert!(reach(&journey.world, &flow(instance, dyno), now()).allowed, "R21");

    let (code, remedy) = journey.stopped(dyno, instance);
    assert_eq!(code, ExplanationCode::EniSgRulesMismatch);
    let group = journey.world.vpc(vpc).unwrap().default_group;
    assert!(remedy.contains(&format!("authorize-security-group-ingress --group-id {group}")));
    let rules = ["10.0.128.0/20", "10.0.144.0/20"].map(|block| RuleSpec {
        traffic: Traffic::Tcp(PortRange { from: 8000, to: 8000 }),
        peer: RulePeerSpec::Cidr(cidr(block)),
        description: None,
    });
    let allow = Ec2Command::AuthorizeSecurityGroup {
        group,
        direction: Direction::Ingress,
        rules: rules.to_vec(),
        tags: Tags::new(),
    };
    journey.run(customer, allow);
    assert!(reach(&journey.world, &flow(dyno, instance), now()).allowed, "R16");
    let other_port = Flow::new(dyno, instance, IpProtocol::TCP, 8001);
    assert!(!reach(&journey.world, &other_port, now()).allowed, "R16");
}
