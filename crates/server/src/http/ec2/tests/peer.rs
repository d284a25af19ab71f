//! Plans of `causeway peer`: their command lines are run as printed, one after the other, with a new plan
//! after each, as the command itself does it.

use std::collections::BTreeMap;

use model::{
    Caller, Change, Endpoint, Flow, IdentityCommand, IpProtocol, Key, PeerAsk, PeerPlan, PeerSide,
    PeerStep, PlatformCommand, Reached, Region, Rights, Scope, Settings, Space, StepState, UserId,
    VpcId, plan_peer, plan_unpeer, reach,
};

use super::remedies::form;
use super::stage::{Stage, alice, bob};

/// More steps than any plan of these tests has.
const MOST_STEPS: usize = 30;

/// A space with a dyno, and a VPC of alice's with an instance.
struct Town {
    stage: Stage,
    admin: UserId,
    member: UserId,
    space: Space,
    vpc: VpcId,
    table: String,
    group: String,
    instance: String,
    dyno: String,
}

/// Who asks.
#[derive(Clone, Copy)]
enum Who {
    Operator,
    Both,
    Vpc,
    Space,
    Member,
    Reader,
}

impl Town {
    fn new() -> Self {
        let mut stage = Stage::new();
        let settings = Settings {
            platform_account: "999999999999".parse().unwrap(),
            region: Region::DEFAULT,
            emulator: false,
            instance: "t1".to_owned(),
            created: stage.now,
            clock_offset: 0,
            outbound: None,
            fabric: None,
            quotas: Default::default(),
        };
        stage.world.apply(&Change::Put(settings.into()));
        let mut user = |name: &str| {
            let email = format!("{name}@example.com");
            stage.decide(Caller::Operator, IdentityCommand::CreateUser { email: email.clone() });
            stage.world.user_named(&email).unwrap().id
        };
        let (admin, member) = (user("ada"), user("bob"));
        let create = IdentityCommand::CreateTeam { name: "acme".to_owned(), admin };
        stage.decide(Caller::Operator, create);
        let team = stage.world.team_named("acme").unwrap().id;
        let role = Some(model::Role::Member);
        stage.decide(Caller::Operator, IdentityCommand::SetMember { team, user: member, role });
        let name = "blue".to_owned();
        let create =
            PlatformCommand::CreateSpace { name, team, region: None, cidr: None, data_cidr: None };
        stage.decide(Caller::User(admin), create);
        let space = Space::clone(stage.world.space_named("blue").unwrap());
        let (vpc, subnet) = stage.vpc(alice(), "10.50.0.0/16");
        let run = format!(
            "Action=RunInstances&ImageId=ami-00000000000000001&MinCount=1&MaxCount=1&SubnetId={subnet}"
        );
        let instance = stage.get(alice(), &run, "/instancesSet/0/instanceId");
        stage.observe(model::Observation {
            vpcs: stage.world.vpcs().map(|vpc| vpc.id).collect(),
            carried: [space.data_peering].into(),
            ..Default::default()
        });
        let name = Some("shop".to_owned());
        let create = PlatformCommand::CreateApp { name, space: space.id, internal_routing: false };
        stage.decide(Caller::User(admin), create);
        let start = PlatformCommand::StartDyno {
            app: stage.world.app_named("shop").unwrap().id,
            command: "sleep 60".to_owned(),
            size: None,
            environment: BTreeMap::new(),
            stdio: model::Stdio::Log,
        };
        stage.decide(Caller::User(admin), start);
        let started = stage.world.dynos().next().unwrap().clone();
        let up = [(model::WorkloadId::Dyno(started.id), model::WorkloadReport::Running)];
        stage.observe(model::Observation { workloads: up.into(), ..Default::default() });
        let dyno = format!("shop/{}", started.name);
        let vpc: VpcId = vpc.parse().unwrap();
        let made = stage.world.vpc(vpc).unwrap();
        let (table, group) = (made.main_route_table.to_string(), made.default_group.to_string());
        Self { stage, admin, member, space, vpc, table, group, instance, dyno }
    }

    fn rights(&self, who: Who) -> (bool, bool, Rights) {
        let account = |read_only| Some((alice().account, read_only));
        let none = Rights::default();
        match who {
            Who::Operator => (true, true, Rights { operator: true, ..none }),
            Who::Both => {
                (true, true, Rights { user: Some(self.admin), account: account(false), ..none })
            }
            Who::Vpc => (false, true, Rights { account: account(false), ..none }),
            Who::Reader => {
                (true, true, Rights { user: Some(self.admin), account: account(true), ..none })
            }
            Who::Space => (true, false, Rights { user: Some(self.admin), ..none }),
            Who::Member => {
                (true, true, Rights { user: Some(self.member), account: account(false), ..none })
            }
        }
    }

    fn ask(&self, who: Who, ports: &[u16], to: &[Reached], back: bool) -> Result<PeerPlan, String> {
        let (owns_space, owns_vpc, rights) = self.rights(who);
        let world = &self.stage.world;
        let seen = world
            .peerings_of(Key::Vpc(self.vpc))
            .any(|peering| !peering.status(peering.since).ended());
        let ask = PeerAsk {
            space_vpc: self.space.vpc,
            space: (owns_space || seen).then_some(&self.space),
            vpc: self.vpc,
            owns_space,
            owns_vpc,
            rights,
            ports,
            to,
            from: None,
        };
        let plan = if back { plan_unpeer } else { plan_peer };
        plan(world, &ask, self.stage.now)
    }

    fn plan(&self, who: Who) -> PeerPlan {
        self.ask(who, &[8000], &[], false).unwrap()
    }

    fn back(&self, who: Who) -> PeerPlan {
        self.ask(who, &[], &[], true).unwrap()
    }

    /// Runs a command line as the command of that name would.
    fn type_in(&mut self, line: &str) {
        let words = shlex::split(line).unwrap();
        match (words[0].as_str(), words[1].as_str()) {
            ("aws", "ec2") => {
                let form = form(&words[2..]);
                self.stage.call(alice(), &form).unwrap_or_else(|e| panic!("{line}: {e:?}"));
            }
            ("heroku", verb) => {
                let (space, peering) = (self.space.id, words[2].parse().unwrap());
                assert_eq!((&*words[3], &*words[4]), ("--space", "blue"));
                let caller = Caller::User(self.admin);
                match verb {
                    "spaces:peerings:accept" => {
                        let accept = PlatformCommand::AcceptPeering { space, peering };
                        self.stage.decide(caller, accept);
                        self.stage.carry(&words[2]);
                    }
                    "spaces:peerings:destroy" => {
                        let destroy = PlatformCommand::DeletePeering { space, peering };
                        self.stage.decide(caller, destroy);
                    }
                    other => panic!("{other}"),
                }
            }
            other => panic!("{other:?} is no client"),
        }
    }

    /// Does what is to be done, one step at a time, with a new plan after each; at most so many. The
    /// steps, with their undoing lines as they are once the step is done.
    fn follow(&mut self, who: Who, most: usize, back: bool) -> Vec<PeerStep> {
        let mut taken = Vec::new();
        while taken.len() < most {
            assert!(taken.len() < MOST_STEPS, "it never ends: {taken:#?}");
            let plan = self.ask(who, if back { &[] } else { &[8000] }, &[], back).unwrap();
            let Some(step) = to_do(&plan).first().cloned().cloned() else { break };
            self.type_in(step.line.as_deref().unwrap());
            taken.push(step);
        }
        taken
    }

    /// What a customer can see of what was made: routes, rules, tags and peerings that have not ended.
    fn traces(&self) -> Vec<String> {
        let world = &self.stage.world;
        let vpc = Key::Vpc(self.vpc);
        let routes = world.route_tables_in(vpc).flat_map(|table| {
            let tags = table.tags.iter().map(|tag| format!("{} {tag:?}", table.id));
            table.routes.iter().map(|route| format!("{} {route:?}", table.id)).chain(tags)
        });
        let rules = world.groups_in(vpc).flat_map(|group| {
            group.rules.values().map(|rule| {
                format!("{} {:?} {:?} {:?}", group.id, rule.traffic, rule.peer, rule.description)
            })
        });
        let peerings = world.peerings_of(vpc).filter_map(|peering| {
            let status = peering.status(self.stage.now);
            let ends = status.ended() || status.code() == "deleting";
            (!ends).then(|| format!("{} {}", peering.id, status.code()))
        });
        routes.chain(rules).chain(peerings).collect()
    }

    /// Whether the dyno's packets reach a port of the instance, and the instance's the dyno.
    fn passes(&self, port: u16) -> bool {
        let end = |text: &str| Endpoint::resolve(&self.stage.world, text, None).unwrap();
        let (dyno, instance) = (end(&self.dyno), end(&self.instance));
        let allowed = |from, to, port| {
            let flow = Flow::new(from, to, IpProtocol::TCP, port);
            reach(&self.stage.world, &flow, self.stage.now).allowed
        };
        allowed(dyno, instance, port) && allowed(instance, dyno, 5000)
    }
}

fn to_do(plan: &PeerPlan) -> Vec<&PeerStep> {
    plan.steps.iter().filter(|step| step.state == StepState::ToDo).collect()
}

fn lines(plan: &PeerPlan) -> Vec<&str> {
    plan.steps.iter().filter_map(|step| step.line.as_deref()).collect()
}

#[test]
fn one_run_after_the_other_joins_the_two_and_the_next_finds_nothing_to_do() {
    for who in [Who::Both, Who::Operator] {
        let mut town = Town::new();
        let before = town.traces();
        assert!(!town.passes(8000));
        let plan = town.plan(who);
        let states: Vec<_> = plan.steps.iter().map(|step| &step.state).collect();
        assert!(states.iter().all(|state| **state == StepState::ToDo), "{plan:#?}");
        let (vpc, space) = (town.vpc, town.space.vpc);
        let (table, group) = (&town.table, &town.group);
        let mark = format!("causeway:peer:{space}");
        let expected = [
            format!(
                "aws ec2 create-vpc-peering-connection --vpc-id {vpc} --peer-vpc-id {space} \
                 --peer-owner-id 999999999999 --tag-specifications \
                 'ResourceType=vpc-peering-connection,Tags=[{{Key={mark},Value=requested}}]'"
            ),
            "heroku spaces:peerings:accept pcx-… --space blue".to_owned(),
            format!(
                "aws ec2 create-tags --resources {table} --tags 'Key={mark},Value=10.0.0.0/16'"
            ),
            format!(
                "aws ec2 create-route --route-table-id {table} --destination-cidr-block 10.0.0.0/16 \
                 --vpc-peering-connection-id pcx-…"
            ),
            format!(
                "aws ec2 authorize-security-group-ingress --group-id {group} --ip-permissions \
                 'IpProtocol=tcp,FromPort=8000,ToPort=8000,IpRanges=[{{CidrIp=10.0.128.0/20,\
                 Description={mark}}},{{CidrIp=10.0.144.0/20,Description={mark}}}]'"
            ),
        ];
        assert_eq!(lines(&plan), expected);
        assert!(plan.obstacles.is_empty(), "{plan:#?}");
        let named: Vec<_> = plan.trials.iter().map(|t| (&*t.from, &*t.to)).collect();
        let (dyno, instance) = (&*town.dyno, &*town.instance);
        assert_eq!(named, [(dyno, instance), (instance, dyno)]);

        assert_eq!(town.follow(who, MOST_STEPS, false).len(), expected.len());
        assert!(town.passes(8000) && !town.passes(8001));
        let again = town.plan(who);
        let done = |step: &PeerStep| step.state == StepState::Done && step.line.is_none();
        assert!(again.steps.iter().all(done), "{again:#?}");
        assert_eq!(again.peering.map(|(_, status)| status.code()), Some("active"));

        // And back, with nothing left but what was there before.
        assert_eq!(town.follow(who, MOST_STEPS, true).len(), 4);
        assert_eq!(town.traces(), before);
        assert!(town.back(who).steps.is_empty());
    }
}

#[test]
fn killed_after_any_step_it_goes_on_from_there_or_is_taken_back() {
    for most in 0..=5 {
        let mut town = Town::new();
        let before = town.traces();
        town.follow(Who::Both, most, false);
        let world = town.stage.world.clone();
        town.follow(Who::Both, MOST_STEPS, false);
        assert!(town.passes(8000), "it goes on after {most}");
        town.stage.world = world.clone();
        // The way back is cut short after any step, too.
        for steps in 0..=4 {
            town.follow(Who::Both, steps, true);
            town.follow(Who::Both, MOST_STEPS, true);
            assert_eq!(town.traces(), before, "taken back after {most}, cut short after {steps}");
            town.stage.world = world.clone();
        }
    }
}

#[test]
fn each_step_s_undoing_line_undoes_it() {
    let mut town = Town::new();
    town.follow(Who::Both, 2, false);
    while let Some(step) = town.follow(Who::Both, 1, false).pop() {
        let after = town.traces();
        town.type_in(step.undo.as_deref().unwrap());
        let undone = town.traces();
        assert_ne!(undone, after, "{step:?}");
        town.follow(Who::Both, 1, false);
        assert_eq!(town.traces(), after, "{step:?}");
    }
    assert!(town.passes(8000));
}

#[test]
fn what_is_another_s_is_named_with_the_lines_for_them() {
    let mut town = Town::new();
    // The space's owner sees nothing of the VPC.
    let plan = town.plan(Who::Space);
    assert!(to_do(&plan).is_empty(), "{plan:#?}");
    let text = lines(&plan).join("\n");
    assert!(text.contains("--peer-owner-id 999999999999") && text.contains("rtb-…"), "{text}");
    assert!(text.contains("--group-id sg-…") && !text.contains(&town.group), "{text}");
    assert!(plan.notes.iter().any(|note| note.contains("causeway peer")), "{plan:#?}");

    // The VPC's owner cannot be told whether the space is there before they ask.
    let plan = town.plan(Who::Vpc);
    assert_eq!(to_do(&plan).len(), 1, "{plan:#?}");
    assert_eq!(plan.steps.len(), 1);
    town.follow(Who::Vpc, 1, false);
    let plan = town.plan(Who::Vpc);
    let accept = &plan.steps[1];
    assert_eq!(accept.side, PeerSide::Space);
    assert!(matches!(&accept.state, StepState::ForAnother(why) if why.contains("the owner of")));
    assert!(accept.line.as_deref().unwrap().ends_with("--space SPACE"), "{accept:?}");
    // They go on with what is theirs.
    assert_eq!(town.follow(Who::Vpc, MOST_STEPS, false).len(), 3);
    assert!(!town.passes(8000));
    let plan = town.plan(Who::Space);
    assert_eq!(to_do(&plan).len(), 1, "accept it: {plan:#?}");
    town.follow(Who::Space, 1, false);
    assert!(town.passes(8000));

    // Rights that are not enough on either side.
    let mut town = Town::new();
    let plan = town.plan(Who::Reader);
    let for_another = |step: &&PeerStep| matches!(step.state, StepState::ForAnother(_));
    assert_eq!(plan.steps.iter().filter(for_another).count(), 4, "{plan:#?}");
    let plan = town.plan(Who::Member);
    let others: Vec<_> = plan.steps.iter().filter(for_another).collect();
    assert!(others.len() == 1 && others[0].side == PeerSide::Space, "{plan:#?}");
    assert!(
        matches!(&others[0].state, StepState::ForAnother(why) if why.contains("admins")),
        "{plan:#?}"
    );
    // The space's owner ends what was made, and only the VPC's takes its own side back.
    town.follow(Who::Both, MOST_STEPS, false);
    assert_eq!(to_do(&town.back(Who::Space)).len(), 1);
    town.follow(Who::Space, 1, true);
    assert!(!town.passes(8000));
    assert_eq!(town.follow(Who::Vpc, MOST_STEPS, true).len(), 3);
}

/// A route to elsewhere has the space's whole block.
#[test]
fn each_of_the_space_s_blocks_gets_a_route_where_the_whole_does_not_fit() {
    let mut town = Town::new();
    let (other, _) = town.stage.vpc(bob(), "10.60.0.0/16");
    let vpc = town.vpc.to_string();
    let pcx = town.stage.ask((alice(), &vpc), (bob(), &other));
    town.stage.accept(bob(), &pcx);
    let elsewhere = format!(
        "Action=CreateRoute&RouteTableId={}&DestinationCidrBlock=10.0.0.0/16\
         &VpcPeeringConnectionId={pcx}",
        town.table
    );
    town.stage.call(alice(), &elsewhere).unwrap();
    let before = town.traces();
    let plan = town.plan(Who::Both);
    let routes: Vec<&str> =
        lines(&plan).into_iter().filter(|line| line.contains("create-route")).collect();
    let blocks: Vec<_> = routes.iter().map(|line| line.split(' ').nth(6).unwrap()).collect();
    assert_eq!(blocks, ["10.0.128.0/20", "10.0.144.0/20", "10.0.0.0/20", "10.0.16.0/20"]);
    town.follow(Who::Both, MOST_STEPS, false);
    assert!(town.passes(8000));
    assert!(to_do(&town.plan(Who::Both)).is_empty());
    // What is missing of them is added, and no more.
    let gone = format!(
        "Action=DeleteRoute&RouteTableId={}&DestinationCidrBlock=10.0.144.0/20",
        town.table
    );
    town.stage.call(alice(), &gone).unwrap();
    let plan = town.plan(Who::Both);
    assert_eq!(to_do(&plan).len(), 1, "{plan:#?}");
    town.follow(Who::Both, MOST_STEPS, true);
    assert_eq!(town.traces(), before, "the other's route stays");
}

#[test]
fn what_somebody_else_made_is_used_and_left_alone() {
    let mut town = Town::new();
    let vpc = town.vpc.to_string();
    let platform = Scope { account: "999999999999".parse().unwrap(), region: Region::DEFAULT };
    let space_vpc = town.space.vpc.to_string();
    let pcx = town.stage.ask((alice(), &vpc), (platform, &space_vpc));
    let by_hand = [
        format!(
            "Action=CreateRoute&RouteTableId={}&DestinationCidrBlock=10.0.0.0/16\
             &VpcPeeringConnectionId={pcx}",
            town.table
        ),
        format!(
            "Action=AuthorizeSecurityGroupIngress&GroupId={}&IpPermissions.1.IpProtocol=tcp\
             &IpPermissions.1.FromPort=8000&IpPermissions.1.ToPort=8000\
             &IpPermissions.1.IpRanges.1.CidrIp=10.0.144.0/20",
            town.group
        ),
    ];
    for form in &by_hand {
        town.stage.call(alice(), form).unwrap();
    }
    let before = town.traces();
    let steps = town.follow(Who::Both, MOST_STEPS, false);
    let made: Vec<&str> = steps.iter().filter_map(|step| step.line.as_deref()).collect();
    assert_eq!(made.len(), 2, "accept, and the one rule that is missing: {made:#?}");
    assert!(made[1].contains("[{CidrIp=10.0.128.0/20,") && !made[1].contains("144"), "{made:#?}");
    let plan = town.back(Who::Both);
    assert_eq!(to_do(&plan).len(), 1, "{plan:#?}");
    assert!(plan.notes[0].contains("somebody else asked for it"), "{plan:#?}");
    town.follow(Who::Both, MOST_STEPS, true);
    let stays: Vec<String> =
        before.iter().map(|line| line.replace("pending-acceptance", "active")).collect();
    assert_eq!(town.traces(), stays);
}

/// The peering was torn down by the space's owner: the route is dead, and is ours to replace.
#[test]
fn what_came_to_lead_nowhere_is_made_anew() {
    let mut town = Town::new();
    town.follow(Who::Both, MOST_STEPS, false);
    let pcx = town.plan(Who::Both).peering.unwrap().0;
    town.type_in(&format!("heroku spaces:peerings:destroy {pcx} --space blue --confirm {pcx}"));
    town.stage.observe(model::Observation { gone: [pcx].into(), ..Default::default() });
    let steps = town.follow(Who::Both, MOST_STEPS, false);
    let made: Vec<&str> = steps.iter().filter_map(|step| step.line.as_deref()).collect();
    assert_eq!(made.len(), 3, "{made:#?}");
    assert!(made[2].starts_with("aws ec2 replace-route"), "{made:#?}");
    assert!(town.passes(8000));
}

#[test]
fn what_cannot_be_is_refused_with_the_reason_and_nothing_after_it() {
    // The space's own block.
    let mut town = Town::new();
    let (vpc, _) = town.stage.vpc(alice(), "10.0.0.0/16");
    town.vpc = vpc.parse().unwrap();
    let plan = town.plan(Who::Both);
    let [step] = &plan.steps[..] else { panic!("{plan:#?}") };
    assert!(matches!(&step.state, StepState::Refused(why) if why.contains("10.0.0.0/16")));

    // A block of the space's data services: refused at acceptance.
    let (vpc, _) = town.stage.vpc(alice(), "10.1.0.0/16");
    town.vpc = vpc.parse().unwrap();
    let plan = town.plan(Who::Both);
    let [step] = &plan.steps[..] else { panic!("{plan:#?}") };
    assert!(matches!(&step.state, StepState::Refused(why) if why.contains("data services")));
    // Its owner asked before, and is not told what else the space has.
    let (vpc, space) = (town.vpc.to_string(), town.space.vpc.to_string());
    let platform = Scope { account: "999999999999".parse().unwrap(), region: Region::DEFAULT };
    town.stage.ask((alice(), &vpc), (platform, &space));
    let plan = town.plan(Who::Vpc);
    let StepState::Refused(why) = &plan.steps[1].state else { panic!("{plan:#?}") };
    assert!(why.contains("its owner is told why") && !why.contains("10."), "{why}");
    let plan = town.plan(Who::Space);
    let StepState::Refused(why) = &plan.steps[1].state else { panic!("{plan:#?}") };
    assert!(why.contains("10.1.0.0/16"), "{why}");

    for (ports, to, words) in [
        (&[0][..], &[][..], "0 is no port"),
        (&[1; 17], &[], "at most 16 ports"),
        (&[80], &["i-0123456789abcdef0"], "no instance i-0123456789abcdef0"),
        (&[80], &["sg-0123456789abcdef0"], "no security group sg-0123456789abcdef0"),
        (&[80], &["eni-0123456789abcdef0"], "no interface eni-0123456789abcdef0"),
    ] {
        let town = Town::new();
        let to: Vec<Reached> = to.iter().map(|text| text.parse().unwrap()).collect();
        let error = town.ask(Who::Both, ports, &to, false).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    assert!("subnet-1".parse::<Reached>().unwrap_err().contains("'subnet-1' is no instance"));
}

/// An ACL is set on purpose, so it is named with what to do about it, and left as it is.
#[test]
fn a_network_acl_in_the_way_is_named_and_left() {
    let mut town = Town::new();
    let acl = town.stage.world.vpc(town.vpc).unwrap().default_acl;
    let deny = format!(
        "Action=CreateNetworkAclEntry&NetworkAclId={acl}&Egress=false&RuleNumber=50&Protocol=6\
         &PortRange.From=8000&PortRange.To=8000&CidrBlock=10.0.0.0/8&RuleAction=deny"
    );
    town.stage.call(alice(), &deny).unwrap();
    let plan = town.plan(Who::Both);
    let [obstacle] = &plan.obstacles[..] else { panic!("{plan:#?}") };
    assert!(obstacle.where_.contains(&acl.to_string()), "{obstacle:?}");
    let remedy = obstacle.remedy.clone().unwrap();
    assert!(remedy.starts_with("aws ec2 create-network-acl-entry"), "{remedy}");
    town.follow(Who::Both, MOST_STEPS, false);
    assert!(!town.passes(8000));
    let plan = town.plan(Who::Both);
    assert!(to_do(&plan).is_empty() && plan.obstacles.len() == 1, "{plan:#?}");
    for line in remedy.split(" && ") {
        town.type_in(line);
    }
    assert!(town.passes(8000));
    assert!(town.plan(Who::Both).obstacles.is_empty());
}

#[test]
fn a_group_that_is_named_gets_the_rules_though_nothing_is_in_it() {
    let mut town = Town::new();
    let form =
        format!("Action=CreateSecurityGroup&GroupName=web&GroupDescription=web&VpcId={}", town.vpc);
    let group = town.stage.get(alice(), &form, "/groupId");
    let to = [group.parse().unwrap()];
    let plan = town.ask(Who::Both, &[80, 443], &to, false).unwrap();
    let rules: Vec<&str> =
        lines(&plan).into_iter().filter(|line| line.contains("authorize")).collect();
    assert_eq!(rules.len(), 2, "{plan:#?}");
    assert!(rules.iter().all(|line| line.contains(&group)), "{rules:#?}");
}
