use super::fixture::*;
use crate::command::*;
use crate::resource::*;
use crate::*;

fn packets(source: PathEnd, destination: Option<PathEnd>) -> PathPackets {
    PathPackets {
        source,
        destination,
        source_ip: None,
        destination_ip: None,
        protocol: IpProtocol::TCP,
        destination_port: Some(443),
        at_source: None,
        at_destination: None,
    }
}

fn create(packets: PathPackets) -> Ec2Command {
    Ec2Command::CreateNetworkInsightsPath(CreateNetworkInsightsPath {
        packets,
        client_token: None,
        tags: tags(&[("Name", "a")]),
    })
}

fn start(path: NetworkInsightsPathId) -> Ec2Command {
    Ec2Command::StartNetworkInsightsAnalysis(StartNetworkInsightsAnalysis {
        path,
        options: AnalysisOptions::default(),
        outcome: Err("not asked".to_owned()),
        client_token: token("once", "a"),
        tags: Tags::new(),
    })
}

impl Fixture {
    fn path(&mut self, packets: PathPackets) -> NetworkInsightsPathId {
        match self.run(create(packets)).main() {
            Some(Key::NetworkInsightsPath(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    fn analyse(&self, path: NetworkInsightsPathId) -> Result<Analysis, String> {
        analyse(&self.world, ours(), path, &AnalysisOptions::default(), self.now)
    }

    /// What an analysis of packets finds.
    fn found(&mut self, packets: PathPackets) -> Analysis {
        let path = self.path(packets);
        self.analyse(path).unwrap()
    }

    /// Allows traffic to the members of a VPC's default group.
    fn allow(&mut self, vpc: VpcId, from: u16, to: u16, block: &str) {
        let group = self.get_vpc(vpc).default_group;
        let rule = RuleSpec {
            traffic: Traffic::Tcp(PortRange { from, to }),
            peer: RulePeerSpec::Cidr(cidr(block)),
            description: None,
        };
        self.run(Ec2Command::AuthorizeSecurityGroup {
            group,
            direction: Direction::Ingress,
            rules: vec![rule],
            tags: Tags::new(),
        });
    }
}

/// The ids of the components of a way.
fn ids(steps: &[PathStep]) -> Vec<String> {
    steps.iter().map(|step| step.component.id.clone()).collect()
}

fn codes(analysis: &Analysis) -> Vec<&str> {
    analysis.explanations.iter().map(|it| it.code.as_deref().unwrap_or("-")).collect()
}

#[test]
fn a_path_is_made_of_what_is_ones_own() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    let (one, other) = (f.instance(subnet), f.eni(subnet));
    let (one, other) = (PathEnd::Instance(one), PathEnd::Eni(other));
    for (packets, code) in [
        (packets(one, Some(other)), Code::InstanceNotFound),
        (packets(other, Some(one)), Code::EniNotFound),
    ] {
        assert_eq!(f.refused_as(theirs(), create(packets)).0, code);
    }
    let filter = Some(PathFilter::default());
    let address = "10.2.1.9".parse().ok();
    let backwards =
        PathFilter { source_ports: Some(PortRange { from: 9, to: 8 }), ..PathFilter::default() };
    let gateway = PathEnd::Gateway(f.gateway(Some(vpc)));
    let peering = PathEnd::Peering(PcxId::MIN);
    let whole = packets(one, Some(other));
    use Code::{InvalidParameterCombination, InvalidParameterValue};
    for (packets, code) in [
        (packets(one, None), Code::MissingParameter),
        (packets(one, Some(one)), InvalidParameterValue),
        (packets(peering, Some(one)), InvalidParameterValue),
        (packets(gateway, Some(gateway)), InvalidParameterValue),
        (packets(gateway, None), Code::MissingParameter),
        (PathPackets { destination_ip: address, ..packets(gateway, None) }, InvalidParameterValue),
        (packets(one, Some(peering)), Code::PeeringNotFound),
        (PathPackets { at_source: filter, ..whole }, InvalidParameterCombination),
        (
            PathPackets { at_source: filter, source_ip: address, destination_port: None, ..whole },
            InvalidParameterCombination,
        ),
        (
            PathPackets { at_destination: filter, destination_ip: address, ..whole },
            InvalidParameterCombination,
        ),
        (PathPackets { at_destination: Some(backwards), ..whole }, InvalidParameterValue),
    ] {
        assert_eq!(f.refused(create(packets)), code, "{packets:?}");
    }
    let path = f.path(whole);
    assert_eq!(f.world.insights_path(path).unwrap().tags, tags(&[("Name", "a")]));
}

#[test]
fn a_path_stays_as_long_as_its_analyses() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    let (one, other) = (PathEnd::Eni(f.eni(subnet)), PathEnd::Eni(f.eni(subnet)));
    let path = f.path(packets(one, Some(other)));
    assert_eq!(f.refused_as(theirs(), start(path)).0, Code::InsightsPathNotFound);
    let made = f.run(start(path));
    assert_eq!(f.run(start(path)), made, "a repeated request starts nothing twice");
    let Some(Key::NetworkInsightsAnalysis(analysis)) = made.main() else { panic!("{made:?}") };
    let it = f.world.insights_analysis(analysis).unwrap();
    let later = f.now + std::time::Duration::from_secs(1);
    assert_eq!([it.status(f.now), it.status(later)], ["running", "failed"]);
    let delete_path = || Ec2Command::DeleteNetworkInsightsPath { path };
    let delete = || Ec2Command::DeleteNetworkInsightsAnalysis { analysis };
    assert_eq!(f.refused_as(theirs(), delete_path()).0, Code::InsightsPathNotFound);
    assert_eq!(f.refused_as(theirs(), delete()).0, Code::AnalysisNotFound);
    assert_eq!(f.refused(delete_path()), Code::AnalysisExists);
    f.run(delete());
    assert_eq!(f.refused(delete()), Code::AnalysisNotFound);
    f.run(delete_path());
    assert_eq!(f.refused(delete_path()), Code::InsightsPathNotFound);
}

#[test]
fn an_analysis_shows_what_a_packet_meets_and_what_stops_it() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let near = f.subnet(vpc, "10.2.1.0/24");
    let far = f.subnet(vpc, "10.2.2.0/24");
    let (from, to) = (f.instance(near), f.instance(far));
    let [from_eni, to_eni] = [from, to].map(|id| f.world.instance(id).unwrap().eni);
    let Vpc { default_group, default_acl, main_route_table, .. } = f.get_vpc(vpc);
    let way = packets(PathEnd::Instance(from), Some(PathEnd::Instance(to)));
    let analysis = f.found(way);
    // The default group lets its members in, whatever they send.
    assert!(analysis.found, "{analysis:?}");
    let (group, acl) = (default_group.to_string(), default_acl.to_string());
    let (from, to) = (from.to_string(), to.to_string());
    let (from_eni, to_eni, table) =
        (from_eni.to_string(), to_eni.to_string(), main_route_table.to_string());
    let there = [&from, &from_eni, &group, &acl, &table, &acl, &group, &to_eni, &to];
    assert_eq!(ids(&analysis.forward).iter().collect::<Vec<_>>(), there);
    let back = [&to, &to_eni, &acl, &table, &acl, &from_eni, &from];
    assert_eq!(ids(&analysis.back).iter().collect::<Vec<_>>(), back);
    let entry = AclEntry { allow: true, traffic: Traffic::All, cidr: cidr("0.0.0.0/0").into() };
    assert_eq!(analysis.forward[3].rule, Some(PathRule::Acl { number: 100, entry }));
    let route = PathRule::Route {
        destination: cidr("10.2.0.0/16"),
        target: "local".to_owned(),
        active: true,
    };
    assert_eq!(analysis.forward[4].rule, Some(route));
    assert_eq!(analysis.forward[2].direction, Some(Direction::Egress));
    assert_eq!(analysis.forward[6].direction, Some(Direction::Ingress));
    let arn = &analysis.forward[1].component.arn;
    let region = Region::DEFAULT;
    assert_eq!(*arn, format!("arn:aws:ec2:{region}:111111111111:network-interface/{from_eni}"));

    // It may be told what to come by, and what not.
    let path = f.path(way);
    let ask = |through: &[&str], around: &[&str]| {
        let arn = |id: &&str| format!("arn:aws:ec2:{region}:111111111111:network-acl/{id}");
        let options = AnalysisOptions {
            through: through.iter().map(arn).collect(),
            around: around.iter().map(arn).collect(),
            accounts: Vec::new(),
        };
        analyse(&f.world, ours(), path, &options, f.now).unwrap().found
    };
    assert!(ask(&[acl.as_str()], &[]) && ask(&[], &["acl-0"]));
    assert!(!ask(&[], &[acl.as_str()]) && !ask(&["acl-0"], &[]));

    f.run(Ec2Command::CreateNetworkAclEntry {
        acl: default_acl,
        direction: Direction::Egress,
        number: 7,
        entry: AclEntry {
            allow: false,
            traffic: Traffic::Tcp(PortRange { from: 400, to: 500 }),
            cidr: cidr("10.2.2.0/24").into(),
        },
    });
    let blocked = f.found(way);
    assert_eq!((blocked.found, blocked.forward.len()), (false, 0));
    assert_eq!(codes(&blocked), ["SUBNET_ACL_RESTRICTION"]);
    let step = &blocked.explanations[0].step;
    assert_eq!((&step.component.id, step.direction), (&acl, Some(Direction::Egress)));
    assert!(matches!(step.rule, Some(PathRule::Acl { number: 7, .. })), "{step:?}");
    // Any other port is let through, so a path to any port is found.
    let any = f.found(PathPackets { destination_port: None, ..way });
    assert!(any.found);
    let ports = |from, to| {
        let destination_ports = Some(PortRange { from, to });
        let at_source = Some(PathFilter { destination_ports, ..PathFilter::default() });
        PathPackets { destination_port: None, at_source, ..way }
    };
    for (from, to, found) in [(400, 500, false), (400, 501, true), (399, 450, true)] {
        assert_eq!(f.found(ports(from, to)).found, found, "{from}-{to}");
    }
}

#[test]
fn an_analysis_follows_peerings_and_shows_nothing_of_others() {
    let mut f = Fixture::new();
    let (mine, their) = (f.vpc("10.2.0.0/16"), f.vpc_as(theirs(), "10.3.0.0/16"));
    let subnet = f.subnet(mine, "10.2.1.0/24");
    f.subnet_as(theirs(), their, "10.3.1.0/24");
    let eni = PathEnd::Eni(f.eni(subnet));
    let address = "10.3.1.4".parse().ok();
    let to_address = PathPackets { destination_ip: address, ..packets(eni, None) };
    assert_eq!(codes(&f.found(to_address)), ["NO_ROUTE_TO_DESTINATION"]);
    let pcx = f.peering(mine, their, PeeringState::Active);
    let route_table = f.get_vpc(mine).main_route_table;
    f.run(Ec2Command::CreateRoute {
        route_table,
        destination: cidr("10.3.0.0/16").into(),
        target: RouteTo::Peering(pcx),
    });
    // Up to the peering, there is nothing in the way.
    let found = f.found(packets(eni, Some(PathEnd::Peering(pcx))));
    assert!(found.found, "{found:?}");
    assert_eq!(found.forward.last().unwrap().component.id, pcx.to_string());
    assert_eq!(found.back, []);
    // Behind it is another's VPC, of which no more is told.
    let hidden = f.found(to_address);
    assert_eq!(codes(&hidden), ["-"]);
    assert_eq!(hidden.explanations[0].step.component.id, their.to_string());
    let other = f.vpc("10.4.0.0/16");
    let astray = f.subnet(other, "10.4.1.0/24");
    let astray = PathEnd::Eni(f.eni(astray));
    let elsewhere = f.found(packets(astray, Some(PathEnd::Peering(pcx))));
    assert_eq!(codes(&elsewhere), ["NO_POSSIBLE_DESTINATION"]);
}

#[test]
fn an_analysis_tries_addresses_outside_that_rules_tell_apart() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    let eni = PathEnd::Eni(f.eni(subnet));
    let igw = f.gateway(Some(vpc));
    let (inward, outward) =
        (packets(PathEnd::Gateway(igw), Some(eni)), packets(eni, Some(PathEnd::Gateway(igw))));
    let loose = f.gateway(None);
    assert_eq!(
        codes(&f.found(packets(PathEnd::Gateway(loose), Some(eni)))),
        ["NO_POSSIBLE_DESTINATION"]
    );
    assert_eq!(codes(&f.found(outward)), ["NO_ROUTE_TO_DESTINATION"]);
    let route_table = f.get_vpc(vpc).main_route_table;
    f.run(Ec2Command::CreateRoute {
        route_table,
        destination: Cidr::ANY.into(),
        target: RouteTo::Gateway(igw),
    });
    // Nothing leads outside on this installation.
    assert_eq!(codes(&f.found(outward)), ["BAD_STATE_ROUTE"]);
    f.allow(vpc, 443, 443, "198.51.100.0/24");
    assert_eq!(codes(&f.found(inward)), ["BAD_STATE"]);
}

#[test]
fn ends_that_are_gone_are_told_apart_from_what_stops_packets() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    let (from, to) = (f.eni(subnet), f.instance(subnet));
    let way = packets(PathEnd::Eni(from), Some(PathEnd::Instance(to)));
    let address = "10.2.1.200".parse().ok();
    for odd in
        [PathPackets { source_ip: address, ..way }, PathPackets { destination_ip: address, ..way }]
    {
        assert_eq!(codes(&f.found(odd)), ["ENI_ADDRESS_RESTRICTION"]);
    }
    let path = f.path(way);
    assert!(f.analyse(path).unwrap().found);
    assert!(analyse(&f.world, theirs(), path, &AnalysisOptions::default(), f.now).is_err());
    let mut instance = Instance::clone(f.world.instance(to).unwrap());
    instance.eni = EniId::MIN;
    f.put(instance);
    let words = f.analyse(path).unwrap_err();
    assert!(words.starts_with(&format!("'{to}' does not exist any more")), "{words}");
}
