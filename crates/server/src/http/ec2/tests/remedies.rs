//! The commands that `why` prints are run as printed until the packet passes.
//!
//! The worlds are broken at random: routes that lead nowhere or to the wrong peer, denials with
//! every number, full tables, peerings that nobody accepted. All commands of a verdict must be
//! accepted in their order, and asking again must come to an end. If the flow does not pass then,
//! there must be a reason that no command can remove.

use std::collections::BTreeMap;

use model::{
    Caller, Change, Cidr, Endpoint, Flow, Hop, IdentityCommand, IpProtocol, Key, PlatformCommand,
    Region, Ruling, Scope, Settings, Verdict, Vpc, VpcId, WorkloadId, explain, reach,
};

use super::stage::{Stage, alice, bob};

/// The seeds of the worlds.
const SEEDS: std::ops::Range<u64> = 0..40;
/// The most rounds until a flow must pass. Most flows need two, because a peering has no id before
/// it is requested.
const MOST_ROUNDS: usize = 8;

/// Converts `vpc-peering-connection-id` to the API's `VpcPeeringConnectionId`.
fn pascal(name: &str) -> String {
    let part = |part: &str| part[..1].to_uppercase() + &part[1..];
    name.split('-').map(part).collect()
}

/// The parameters that the AWS CLI sends for the words after `aws ec2`.
pub(super) fn form(line: &[String]) -> String {
    let mut form = format!("Action={}", pascal(&line[0]));
    let mut add = |name: &str, value: &str| form.push_str(&format!("&{name}={value}"));
    let mut rest = line[1..].iter().peekable();
    while let Some(flag) = rest.next() {
        let name = flag.strip_prefix("--").unwrap();
        let mut values: Vec<&str> = Vec::new();
        while let Some(value) = rest.next_if(|word| !word.starts_with("--")) {
            values.push(value);
        }
        let value = || values[0];
        let fields = |text: &str| -> Vec<(String, String)> {
            let pair = |pair: &str| pair.split_once('=').map(|(a, b)| (a.into(), b.into()));
            text.split(',').map(|text| pair(text).unwrap()).collect()
        };
        match name {
            "ingress" | "egress" => add("Egress", if name == "egress" { "true" } else { "false" }),
            "region" => {}
            "local-target" => add("LocalTarget", "true"),
            "protocol" if line[0].contains("network-acl") => {
                let numbers = [("tcp", "6"), ("udp", "17"), ("icmp", "1")];
                let number = numbers.into_iter().find(|(name, _)| *name == value());
                add("Protocol", number.map_or(value(), |(_, number)| number));
            }
            "port-range" => {
                fields(value()).iter().for_each(|(k, v)| add(&format!("PortRange.{k}"), v));
            }
            "icmp-type-code" => {
                fields(value()).iter().for_each(|(k, v)| add(&format!("Icmp.{k}"), v))
            }
            "ip-permissions" => {
                let (what, blocks) = value().split_once(",IpRanges=[{").unwrap();
                let blocks = blocks.strip_suffix("}]").unwrap().split("},{").enumerate();
                for (k, v) in fields(what) {
                    add(&format!("IpPermissions.1.{k}"), &v);
                }
                for (n, block) in blocks {
                    for (k, v) in fields(block) {
                        assert!(["CidrIp", "Description"].contains(&&*k));
                        add(&format!("IpPermissions.1.IpRanges.{}.{k}", n + 1), &v);
                    }
                }
            }
            "resources" => add("ResourceId.1", value()),
            "tags" => fields(value()).iter().for_each(|(k, v)| add(&format!("Tag.1.{k}"), v)),
            "tag-specifications" => {
                let (kind, tag) = value().split_once(",Tags=[{").unwrap();
                add("TagSpecification.1.ResourceType", kind.split_once('=').unwrap().1);
                for (k, v) in fields(tag.strip_suffix("}]").unwrap()) {
                    add(&format!("TagSpecification.1.Tag.1.{k}"), &v);
                }
            }
            "security-group-rule-ids" => {
                for (n, id) in values.iter().enumerate() {
                    add(&format!("SecurityGroupRuleId.{}", n + 1), id);
                }
            }
            name => add(&pascal(name), value()),
        }
    }
    form
}

/// A random number generator with a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.roll(all.len())]
    }
}

struct Town {
    stage: Stage,
    dice: Dice,
    space: String,
}

impl Town {
    /// A space with a dyno, and VPCs of two owners with instances. Some have the same blocks.
    fn new(seed: u64) -> Self {
        let mut town = Self { stage: Stage::new(), dice: Dice(seed), space: "blue".to_owned() };
        let settings = Settings {
            platform_account: "999999999999".parse().unwrap(),
            region: Region::DEFAULT,
            emulator: false,
            instance: "t1".to_owned(),
            created: town.stage.now,
            clock_offset: 0,
            outbound: None,
            fabric: None,
            quotas: Default::default(),
        };
        town.stage.world.apply(&Change::Put(settings.into()));
        let email = "ada@example.com".to_owned();
        town.stage.decide(Caller::Operator, IdentityCommand::CreateUser { email });
        let admin = town.stage.world.users().next().unwrap().id;
        let name = "acme".to_owned();
        town.stage.decide(Caller::Operator, IdentityCommand::CreateTeam { name, admin });
        let (team, admin) = (town.stage.world.teams().next().unwrap().id, Caller::User(admin));
        let name = town.space.clone();
        let create =
            PlatformCommand::CreateSpace { name, team, region: None, cidr: None, data_cidr: None };
        town.stage.decide(admin, create);
        let space = town.stage.world.spaces().next().unwrap().clone();
        town.stage.observe(model::Observation {
            vpcs: town.stage.world.vpcs().map(|vpc| vpc.id).collect(),
            carried: [space.data_peering].into(),
            ..Default::default()
        });
        let name = Some("web".to_owned());
        let create = PlatformCommand::CreateApp { name, space: space.id, internal_routing: false };
        town.stage.decide(admin, create);
        let app = town.stage.world.apps().next().unwrap().id;
        let start = PlatformCommand::StartDyno {
            app,
            command: "sleep 60".to_owned(),
            size: None,
            environment: BTreeMap::new(),
            stdio: model::Stdio::Log,
        };
        town.stage.decide(admin, start);
        for (scope, block) in
            [(alice(), "10.50.0.0/16"), (bob(), "10.60.0.0/16"), (bob(), "10.60.0.0/16")]
        {
            town.owner(scope, block);
        }
        for _ in 0..12 + town.dice.roll(24) {
            town.mutate();
        }
        town
    }

    fn owner(&mut self, scope: Scope, block: &str) {
        let (vpc, subnet) = self.stage.vpc(scope, block);
        let other = block.replace(".0.0/16", ".2.0/24");
        let form = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock={other}");
        let other = self.stage.get(scope, &form, "/subnet/subnetId");
        for subnet in [&subnet, &subnet, &other] {
            self.run(scope, &format!(
                "Action=RunInstances&ImageId=ami-00000000000000001&MinCount=1&MaxCount=1&SubnetId={subnet}"
            ));
        }
    }

    /// Sends a request that may be refused. Returns whether it was accepted.
    fn run(&mut self, scope: Scope, form: &str) -> bool {
        self.stage.call(scope, form).is_ok()
    }

    /// A random VPC of a customer.
    fn some_vpc(&mut self) -> (Scope, Vpc) {
        let all: Vec<Vpc> =
            self.stage.world.vpcs().filter(|v| v.role.is_none()).map(|v| Vpc::clone(v)).collect();
        let vpc = all[self.dice.roll(all.len())].clone();
        (Scope { account: vpc.account, region: vpc.region }, vpc)
    }

    /// Changes something that packets depend on, mostly for the worse.
    fn mutate(&mut self) {
        let (scope, vpc) = self.some_vpc();
        let world = self.stage.world.clone();
        match self.dice.roll(10) {
            0 | 1 => {
                let all: Vec<&std::sync::Arc<Vpc>> = world.vpcs().collect();
                let peer = all[self.dice.roll(all.len())];
                self.run(
                    scope,
                    &format!(
                        "Action=CreateVpcPeeringConnection&VpcId={}&PeerVpcId={}&PeerOwnerId={}",
                        vpc.id, peer.id, peer.account
                    ),
                );
            }
            2 | 3 => {
                let Some(pcx) = self.some_peering(&vpc) else { return };
                self.run(scope, &super::stage::accept_form(&pcx));
                self.stage.carry(&pcx);
                let perhaps = ["Reject", "Delete", "None", "None"];
                let verb = self.dice.pick(&perhaps);
                let form =
                    format!("Action={verb}VpcPeeringConnection&VpcPeeringConnectionId={pcx}");
                self.run(scope, &form);
            }
            4 | 5 => self.route(scope, &vpc),
            6 => self.groups(scope, &vpc),
            7 | 8 => self.acl(scope, &vpc),
            _ => {
                let inside = world.instances().filter(|i| i.vpc == vpc.id);
                let live = inside.filter(|i| i.state != model::InstanceState::Terminated);
                let ids: Vec<String> = live.map(|i| i.id.to_string()).collect();
                if ids.len() > 2 {
                    self.run(scope, &format!("Action=TerminateInstances&InstanceId.1={}", ids[0]));
                    self.gone(&ids[0]);
                }
            }
        }
    }

    fn gone(&mut self, instance: &str) {
        let id = WorkloadId::Instance(instance.parse().unwrap());
        self.stage.observe(model::Observation {
            workloads: [(id, model::WorkloadReport::Gone)].into(),
            ..Default::default()
        });
    }

    fn some_peering(&mut self, vpc: &Vpc) -> Option<String> {
        let all: Vec<String> =
            self.stage.world.peerings_of(Key::Vpc(vpc.id)).map(|p| p.id.to_string()).collect();
        (!all.is_empty()).then(|| all[self.dice.roll(all.len())].clone())
    }

    fn route(&mut self, scope: Scope, vpc: &Vpc) {
        let blocks = [
            "10.0.0.0/16",
            "10.0.128.0/20",
            "10.50.0.0/16",
            "10.60.0.0/16",
            "10.60.1.0/24",
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.50.1.0/24",
            "10.60.1.4/32",
        ];
        let block = self.dice.pick(&blocks);
        let enis: Vec<String> =
            self.stage.world.enis_in(Key::Vpc(vpc.id)).map(|eni| eni.id.to_string()).collect();
        let target = match self.some_peering(vpc).filter(|_| self.dice.roll(3) > 0) {
            Some(pcx) => format!("VpcPeeringConnectionId={pcx}"),
            None => format!("NetworkInterfaceId={}", enis[self.dice.roll(enis.len())]),
        };
        let table = vpc.main_route_table;
        for verb in ["Create", "Replace"] {
            self.run(
                scope,
                &format!(
                    "Action={verb}Route&RouteTableId={table}&DestinationCidrBlock={block}&{target}"
                ),
            );
        }
        if self.dice.roll(12) == 0 {
            for n in 0..50 {
                self.run(scope, &format!(
                    "Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock=192.168.{n}.0/24&{target}"
                ));
            }
        }
    }

    fn groups(&mut self, scope: Scope, vpc: &Vpc) {
        let group = vpc.default_group;
        let (way, count) = (["Ingress", "Egress"][self.dice.roll(2)], self.dice.roll(12));
        self.run(
            scope,
            &format!(
                "Action=RevokeSecurityGroupEgress&GroupId={group}&IpPermissions.1.IpProtocol=-1\
             &IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0"
            ),
        );
        let some = ["10.0.144.0/20", "10.60.0.0/16", "192.0.2.0/24"];
        for n in 0..if count == 0 { 60 } else { 1 } {
            let block = some[self.dice.roll(some.len())];
            self.run(scope, &format!(
                "Action=AuthorizeSecurityGroup{way}&GroupId={group}&IpPermissions.1.IpProtocol=tcp\
                 &IpPermissions.1.FromPort=8000&IpPermissions.1.ToPort={}\
                 &IpPermissions.1.IpRanges.1.CidrIp={block}",
                8000 + n
            ));
        }
    }

    fn acl(&mut self, scope: Scope, vpc: &Vpc) {
        let numbers = ["1", "2", "3", "99", "100", "101", "32766"];
        let blocks = ["0.0.0.0/0", "10.0.0.0/8", "10.0.128.0/20", "10.60.0.0/16"];
        let ports = ["1024-2047", "8000-8000", "0-65535", "32768-60999", "1024-65535"];
        let count = if self.dice.roll(10) == 0 { 20 } else { 2 };
        for n in 0..count {
            let (from, to) = self.dice.pick(&ports).split_once('-').unwrap();
            let number =
                if count == 2 { self.dice.pick(&numbers).to_owned() } else { n.to_string() };
            let egress = self.dice.roll(2) == 0;
            let form = format!(
                "NetworkAcl{}&NetworkAclId={}&Egress={egress}&RuleNumber={number}&Protocol={}\
                 &PortRange.From={from}&PortRange.To={to}&CidrBlock={}&RuleAction={}",
                "Entry",
                vpc.default_acl,
                ["6", "17", "-1"][self.dice.roll(3)],
                self.dice.pick(&blocks),
                ["allow", "deny", "deny"][self.dice.roll(3)],
            );
            let verb = ["Create", "Replace"][self.dice.roll(2)];
            self.run(scope, &format!("Action={verb}{form}"));
        }
        if self.dice.roll(4) == 0 {
            self.run(
                scope,
                &format!(
                    "Action=DeleteNetworkAclEntry&NetworkAclId={}&Egress=true&RuleNumber=100",
                    vpc.default_acl
                ),
            );
        }
    }

    /// The endpoints of all dynos and instances.
    fn ends(&self) -> Vec<Endpoint> {
        let used = self.stage.world.enis().filter(|eni| {
            let workload = eni.attachment.as_ref().map(|attachment| attachment.workload);
            matches!(workload, Some(WorkloadId::Dyno(_) | WorkloadId::Instance(_)))
        });
        used.map(|eni| Endpoint { vpc: eni.vpc, address: eni.primary() }).collect()
    }

    fn explained(&self, flow: &Flow) -> Verdict {
        explain(&self.stage.world, flow, self.stage.now)
    }

    /// Runs a printed command line.
    fn type_in(&mut self, line: &str, within: VpcId) {
        let line = shlex::split(line).unwrap();
        match (line[0].as_str(), line[1].as_str()) {
            ("aws", "ec2") => {
                let vpc = self.stage.world.vpc(within).unwrap();
                let scope = Scope { account: vpc.account, region: vpc.region };
                let form = form(&line[2..]);
                self.stage.call(scope, &form).unwrap_or_else(|e| panic!("{form}: {e:?}"));
            }
            ("heroku", "spaces:peerings:accept") => {
                assert_eq!((line[3].as_str(), &line[4]), ("--space", &self.space));
                let space = self.stage.world.space_named(&self.space).unwrap().id;
                let peering = line[2].parse().unwrap();
                let accept = PlatformCommand::AcceptPeering { space, peering };
                self.stage.decide(Caller::Operator, accept);
            }
            ("causeway", "spaces:limits:set") => {
                assert_eq!((line[2].as_str(), line[4].as_str()), ("--space", "--peerings"));
                let space = self.stage.world.space_named(&line[3]).unwrap().id;
                let limit = line[5].parse().unwrap();
                let set = PlatformCommand::SetPeeringLimit { space, limit };
                self.stage.decide(Caller::Operator, set);
            }
            other => panic!("{other:?} is no client"),
        }
    }

    /// Runs the commands that `why` prints until there are none.
    fn follow(&mut self, flow: &Flow) -> (Verdict, usize) {
        for round in 0..MOST_ROUNDS {
            let verdict = self.explained(flow);
            let obstacles: Vec<Hop> = obstacles(&verdict).cloned().collect();
            let commands: Vec<(String, VpcId)> = obstacles
                .iter()
                .flat_map(|hop| {
                    hop.commands.iter().map(|line| (line.clone(), hop.remedy_in.unwrap()))
                })
                .collect();
            if commands.is_empty() {
                return (verdict, round);
            }
            for (line, within) in commands {
                self.type_in(&line, within);
            }
        }
        panic!("{flow:?} never comes to an end: {:#?}", self.explained(flow));
    }

    /// The reason, if any, why no command can make the flow pass.
    fn impossible(&self, flow: &Flow, hop: &Hop) -> Option<&'static str> {
        let world = &self.stage.world;
        let [one, other] = [flow.from.vpc, flow.to.vpc].map(|id| world.vpc(id).unwrap());
        let clash = |a: Cidr| other.blocks().any(|b| a.overlaps(b));
        let space_of = |vpc: &Vpc| world.space_of_vpc(vpc).is_some();
        let both = one.role.is_some() && other.role.is_some();
        let words = hop.remedy.as_ref().map(ToString::to_string).unwrap_or_default();
        // A space peers with only one of several VPCs with the same block.
        let taken = |own: &Vpc, space: &Vpc| {
            space_of(space)
                && world.peerings_of(Key::Vpc(space.id)).any(|p| {
                    let side = p.other_side(space.id);
                    p.carries()
                        && side.is_some_and(|s| {
                            s.vpc != own.id
                                && s.cidrs.iter().any(|a| own.blocks().any(|b| a.overlaps(b)))
                        })
                })
        };
        if one.id != other.id && one.blocks().any(clash) {
            Some("one block")
        } else if both {
            Some("the platform's")
        } else if taken(one, other) || taken(other, one) {
            Some("a block that the space knows already")
        } else if words.contains("as it may have") || words.contains("as they may have") {
            Some("full")
        } else {
            None
        }
    }
}

#[test]
fn what_is_printed_is_run_until_the_packet_passes() {
    let mut ended: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in SEEDS {
        let ends = Town::new(seed).ends();
        for pair in 0..4 {
            let mut town = Town::new(seed);
            let mut dice = Dice(seed * 4 + pair);
            let (from, to) = (ends[dice.roll(ends.len())], ends[dice.roll(ends.len())]);
            let protocol = [IpProtocol::TCP, IpProtocol::UDP, IpProtocol::ICMP, IpProtocol(47)];
            let protocol = protocol[[0, 0, 0, 1, 2, 3][dice.roll(6)]];
            let flow = Flow::new(from, to, protocol, 8000);
            let before = town.explained(&flow);
            assert_eq!(before.allowed, reach(&town.stage.world, &flow, town.stage.now).allowed);
            let (verdict, rounds) = town.follow(&flow);
            let what = match obstacles(&verdict).last() {
                None => {
                    assert!(reach(&town.stage.world, &flow, town.stage.now).allowed);
                    if rounds == 0 { "passed" } else { "passes now" }
                }
                Some(hop) => town.impossible(&flow, hop).unwrap_or_else(|| {
                    let met: Vec<_> =
                        obstacles(&verdict).map(|o| (&o.where_, &o.because)).collect();
                    panic!(
                        "seed {seed}, {flow:?}: nothing is left to type: {met:#?}, {:?}",
                        hop.remedy
                    )
                }),
            };
            *ended.entry(what).or_default() += 1;
        }
    }
    // Most flows can be mended, and every way to end occurs.
    assert!(ended["passes now"] >= 80, "{ended:?}");
    for end in ["passed", "one block", "full"] {
        assert!(ended.contains_key(end), "{ended:?}");
    }
}

#[test]
fn a_command_line_is_read_as_the_real_client_reads_it() {
    let line = "authorize-security-group-ingress --group-id sg-1 --ip-permissions \
                'IpProtocol=tcp,FromPort=8000,ToPort=8000,IpRanges=[{CidrIp=10.0.0.0/8}]'";
    assert_eq!(
        form(&shlex::split(line).unwrap()),
        "Action=AuthorizeSecurityGroupIngress&GroupId=sg-1&IpPermissions.1.IpProtocol=tcp\
         &IpPermissions.1.FromPort=8000&IpPermissions.1.ToPort=8000\
         &IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"
    );
}

/// Everything that is in the way of a flow or of a part of it, in order.
fn obstacles(verdict: &Verdict) -> impl Iterator<Item = &Hop> {
    verdict.hops.iter().filter(|hop| hop.decision != Ruling::Passed)
}
