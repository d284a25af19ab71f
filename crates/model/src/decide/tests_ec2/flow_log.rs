use super::fixture::*;
use crate::command::*;
use crate::resource::*;
use crate::*;

/// The settings of a flow log that goes to a group of logs.
pub(super) fn settings(traffic: FlowLogTraffic, group: &str) -> FlowLogSettings {
    FlowLogSettings {
        traffic,
        destination: FlowLogDestination::CloudWatch { group: group.to_owned(), arn: None },
        role: Some("arn:aws:iam::111111111111:role/logs".to_owned()),
        cross_account_role: None,
        format: FlowLogSettings::DEFAULT_FORMAT.to_owned(),
        interval: 600,
        files: None,
    }
}

fn create(of: &[FlowLogSubject], settings: FlowLogSettings) -> Ec2Command {
    Ec2Command::CreateFlowLogs(CreateFlowLogs {
        of: of.to_vec(),
        settings,
        client_token: None,
        tags: tags(&[("Name", "a")]),
    })
}

fn all(group: &str) -> FlowLogSettings {
    settings(FlowLogTraffic::All, group)
}

/// What was made, and the codes of what was refused.
fn parts(reply: Reply) -> (Vec<FlowLogId>, Vec<(String, Code)>) {
    let Reply::Partly { made, refused } = reply else { panic!("{reply:?}") };
    let id = |key| match key {
        Key::FlowLog(id) => id,
        other => panic!("{other:?}"),
    };
    let code = |(of, refused): (String, Refused)| (of, refused.code);
    (made.into_iter().map(id).collect(), refused.into_iter().map(code).collect())
}

/// A VPC, a subnet and an interface of ours.
fn subjects(f: &mut Fixture) -> [FlowLogSubject; 3] {
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    let eni = f.eni(subnet);
    [FlowLogSubject::Vpc(vpc), FlowLogSubject::Subnet(subnet), FlowLogSubject::Eni(eni)]
}

#[test]
fn a_request_makes_one_for_each_and_says_of_which_there_is_one() {
    let mut f = Fixture::new();
    let of = subjects(&mut f);
    let (made, refused) = parts(f.run(create(&of[..1], all("web"))));
    assert_eq!((made.len(), refused.len()), (1, 0));
    let log = f.world.flow_log(made[0]).unwrap();
    assert_eq!((log.of, &log.tags), (of[0], &tags(&[("Name", "a")])));
    let (made, refused) = parts(f.run(create(&of, all("web"))));
    assert_eq!(made.len(), 2);
    assert_eq!(refused, [(of[0].to_string(), Code::FlowLogAlreadyExists)]);
    // Other packets, or another reader, make it another one; a shorter interval does not.
    let quicker = FlowLogSettings { interval: 60, ..all("web") };
    assert_eq!(parts(f.run(create(&of[..1], quicker))).0, []);
    for other in [settings(FlowLogTraffic::Reject, "web"), all("db")] {
        assert_eq!(parts(f.run(create(&of[..1], other))).0.len(), 1);
    }
    // The same group by its ARN is the same reader.
    let arn = Some("arn:aws:logs:us-east-1:111111111111:log-group:web".to_owned());
    let destination = FlowLogDestination::CloudWatch { group: "web".to_owned(), arn };
    let by_arn = FlowLogSettings { destination, ..all("web") };
    assert_eq!(parts(f.run(create(&of[..1], by_arn))).0, []);
}

#[test]
fn a_repeated_request_is_answered_with_all_that_it_made() {
    let mut f = Fixture::new();
    let of = subjects(&mut f);
    let ask = |digest: &str, of: &[FlowLogSubject]| {
        Ec2Command::CreateFlowLogs(CreateFlowLogs {
            of: of.to_vec(),
            settings: all("web"),
            client_token: token("once", digest),
            tags: Tags::new(),
        })
    };
    let (made, _) = parts(f.run(ask("a", &of)));
    let (mut again, refused) = parts(f.run(ask("a", &of)));
    again.sort_unstable();
    assert_eq!((&again, refused.len()), (&made, 0));
    assert_eq!(f.refused(ask("b", &of)), Code::IdempotentParameterMismatch);
    // The rest answers once the first one is gone.
    f.run(Ec2Command::DeleteFlowLogs { flow_logs: vec![made[0]] });
    let (mut again, _) = parts(f.run(ask("a", &of)));
    again.sort_unstable();
    assert_eq!(again, made[1..]);
}

#[test]
fn it_goes_with_what_it_is_of_and_holds_nothing_back() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    let of = [FlowLogSubject::Vpc(vpc), FlowLogSubject::Subnet(subnet)];
    let (made, _) = parts(f.run(create(&of, all("web"))));
    f.run(Ec2Command::DeleteSubnet { subnet });
    assert!(f.world.flow_log(made[1]).is_none() && f.world.flow_log(made[0]).is_some());
    f.run(Ec2Command::DeleteVpc { vpc });
    assert_eq!(f.world.flow_logs().count(), 0);
}

#[test]
fn only_ones_own_is_logged_and_deleted() {
    let mut f = Fixture::new();
    let of = subjects(&mut f);
    let codes = [Code::VpcNotFound, Code::SubnetNotFound, Code::EniNotFound];
    for (of, code) in of.into_iter().zip(codes) {
        let ask = || create(&[of], all("web"));
        assert_eq!(f.refused_as(theirs(), ask()).0, code);
        assert_eq!(f.refused_as(elsewhere(), ask()).0, code);
    }
    let FlowLogSubject::Vpc(platforms) = of[0] else { panic!() };
    let (made, _) = parts(f.run(create(&of[..1], all("web"))));
    let nobodys: FlowLogId = "fl-0ffffffffffffffff".parse().unwrap();
    let delete = || Ec2Command::DeleteFlowLogs { flow_logs: vec![made[0], nobodys] };
    let (gone, refused) = parts(f.run_as(theirs(), delete()));
    let absent = |id: FlowLogId| (id.to_string(), Code::FlowLogNotFound);
    assert_eq!((gone, refused), (vec![], vec![absent(made[0]), absent(nobodys)]));
    let (gone, refused) = parts(f.run(delete()));
    assert_eq!((gone, refused), (made, vec![absent(nobodys)]));
    f.give_role(platforms);
    assert_eq!(f.refused(create(&of[..1], all("web"))), Code::OperationNotPermitted);
}

#[test]
fn settings_that_ec2_does_not_take_are_refused() {
    let mut f = Fixture::new();
    let of = subjects(&mut f);
    let s3 = |arn: &str| FlowLogSettings {
        destination: FlowLogDestination::S3 { arn: arn.to_owned() },
        role: None,
        ..all("")
    };
    let stream = |arn: &str| FlowLogSettings {
        destination: FlowLogDestination::Firehose { arn: arn.to_owned() },
        role: None,
        ..all("")
    };
    let by_arn = |arn: &str| FlowLogSettings {
        destination: FlowLogDestination::CloudWatch {
            group: "web".to_owned(),
            arn: Some(arn.to_owned()),
        },
        ..all("")
    };
    let format = |text: &str| FlowLogSettings { format: text.to_owned(), ..all("f") };
    let files = Some(FlowLogFiles { parquet: true, hive: true, hourly: false });
    let wrong = [
        FlowLogSettings { interval: 61, ..all("web") },
        FlowLogSettings { role: None, ..all("web") },
        FlowLogSettings { role: Some("logs".to_owned()), ..all("web") },
        FlowLogSettings { files, ..all("web") },
        all(""),
        all("two words"),
        format(""),
        format("srcaddr"),
        format("${srcaddr} ${colour}"),
        format("${srcaddr} ${srcaddr}"),
        s3("bucket"),
        s3("arn:aws:s3:::"),
        s3("arn:aws:s3:::bucket/AWSLogs/"),
        s3("arn:aws:s3:::bu cket"),
        FlowLogSettings { role: all("").role, ..s3("arn:aws:s3:::bucket") },
        stream("arn:aws:s3:::bucket"),
        stream("arn:aws:firehose:us-east-1:111111111111:stream/a"),
        by_arn("arn:aws:logs:us-east-1:111111111111:web"),
        by_arn("arn:aws:logs:us-east-1:bob:log-group:web"),
    ];
    for settings in wrong {
        assert_eq!(f.refused(create(&of[..1], settings)), Code::InvalidParameter);
    }
    let right = [
        all("/aws/vpc/web"),
        format("${srcaddr} ${traffic-path}"),
        FlowLogSettings { files, ..s3("arn:aws:s3:::bucket/folder/") },
        stream("arn:aws:firehose:us-east-1:111111111111:deliverystream/a"),
        by_arn("arn:aws:logs:us-east-1:111111111111:log-group:web"),
    ];
    for settings in right {
        assert_eq!(parts(f.run(create(&of[..1], settings))).0.len(), 1);
    }
}

#[test]
fn one_resource_has_so_many_at_most() {
    let mut f = Fixture::new();
    let of = subjects(&mut f);
    for n in 0..50 {
        assert_eq!(parts(f.run(create(&of[..1], all(&n.to_string())))).0.len(), 1);
    }
    let (made, refused) = parts(f.run(create(&of[..2], all("more"))));
    assert_eq!(made.len(), 1);
    assert_eq!(refused, [(of[0].to_string(), Code::FlowLogsLimitExceeded)]);
}

#[test]
fn no_account_takes_all_flow_logs() {
    let mut f = Fixture::new();
    let of = subjects(&mut f);
    let asked = (0..50).flat_map(|n| of.map(|of| create(&[of], all(&n.to_string()))));
    let mut made = 0;
    let mut refused = Vec::new();
    for asked in asked {
        let (some, not) = parts(f.run(asked));
        made += some.len();
        refused.extend(not.into_iter().map(|(_, code)| code));
    }
    assert_eq!((made, refused.len()), (FlowLog::MOST / 2, 150 - FlowLog::MOST / 2));
    assert!(refused.iter().all(|code| *code == Code::FlowLogsLimitExceeded), "{refused:?}");
    let their = FlowLogSubject::Vpc(f.vpc_as(theirs(), "10.3.0.0/16"));
    assert_eq!(parts(f.run_as(theirs(), create(&[their], all("web")))).0.len(), 1);
}
