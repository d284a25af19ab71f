//! No account sees or changes the resources of another one. The VPC of a space belongs to the
//! platform's account.

use model::{
    Caller, IdentityCommand, InstanceId, Key, PlatformCommand, Reply, Scope, UserId, World,
};

use super::stage::{Stage, US, alice, bob};

const DESCRIBES: [&str; 12] = [
    "DescribeVpcs",
    "DescribeSubnets",
    "DescribeRouteTables",
    "DescribeSecurityGroups",
    "DescribeSecurityGroupRules",
    "DescribeNetworkAcls",
    "DescribeManagedPrefixLists",
    "DescribeNetworkInterfaces",
    "DescribeInstances",
    "DescribeVpcPeeringConnections",
    "DescribeDhcpOptions",
    "DescribeTags",
];

fn items(stage: &mut Stage, scope: Scope, action: &str) -> usize {
    stage.call(scope, &format!("Action={action}")).unwrap().matches("<item>").count()
}

/// A stage with a space, and the platform's scope.
fn with_space() -> (Stage, Scope) {
    let mut stage = Stage::new();
    stage.world = World::default();
    let (region, emulator, instance) = (US.parse().unwrap(), false, "test".to_owned());
    stage.decide(Caller::System, IdentityCommand::SetUp { region, emulator, instance });
    for name in ["alice", "bob"] {
        stage.decide(Caller::Operator, IdentityCommand::CreateAccount { name: name.into() });
    }
    let email = "ada@example.com".to_owned();
    stage.decide(Caller::Operator, IdentityCommand::CreateUser { email });
    let admin: UserId = stage.world.users().next().unwrap().id;
    let name = "crew".to_owned();
    stage.decide(Caller::Operator, IdentityCommand::CreateTeam { name, admin });
    let team = stage.world.teams().next().unwrap().id;
    let create = PlatformCommand::CreateSpace {
        name: "shop".into(),
        team,
        region: None,
        cidr: None,
        data_cidr: None,
    };
    stage.decide(Caller::User(admin), create);
    let account = stage.world.settings().unwrap().platform_account;
    (stage, Scope { account, region })
}

#[test]
fn a_spaces_resources_are_seen_by_the_platforms_account_alone() {
    let (mut stage, platform) = with_space();
    let other = stage.world.account_named("alice").unwrap().id;
    let customer = Scope { account: other, ..platform };
    for action in DESCRIBES {
        assert_eq!(items(&mut stage, customer, action), 0, "{action}");
    }
    for action in ["DescribeVpcs", "DescribeSubnets", "DescribeVpcPeeringConnections"] {
        assert!(items(&mut stage, platform, action) >= 1, "{action}");
    }
    let elsewhere = Scope { region: "eu-west-1".parse().unwrap(), ..platform };
    assert_eq!(items(&mut stage, elsewhere, "DescribeVpcs"), 0);
    let space = stage.world.spaces().next().unwrap().clone();
    for (form, code) in [
        (format!("Action=DescribeVpcs&VpcId.1={}", space.vpc), "InvalidVpcID.NotFound"),
        (
            format!("Action=DescribeVpcAttribute&Attribute=enableDnsSupport&VpcId={}", space.vpc),
            "InvalidVpcID.NotFound",
        ),
        (format!("Action=DescribeSubnets&Filter.1.Name=vpc-id&Filter.1.Value.1={}", space.vpc), ""),
        (
            format!("Action=DescribeSecurityGroups&GroupId.1={}", space.dyno_group),
            "InvalidGroup.NotFound",
        ),
        (format!("Action=DeleteVpc&VpcId={}", space.vpc), "InvalidVpcID.NotFound"),
        (
            format!(
                "Action=DescribeVpcPeeringConnections&VpcPeeringConnectionId.1={}",
                space.data_peering
            ),
            "InvalidVpcPeeringConnectionID.NotFound",
        ),
    ] {
        match stage.call(customer, &form) {
            Ok(answer) => assert!(code.is_empty() && !answer.contains("<item>"), "{form}"),
            Err(error) => assert_eq!(error.code, code, "{form}"),
        }
    }
}

#[test]
fn another_owners_things_are_as_if_they_were_not() {
    let mut stage = Stage::new();
    let (vpc, subnet) = stage.vpc(alice(), "10.100.0.0/16");
    let image = "ami-00000000000000001";
    let run =
        format!("Action=RunInstances&ImageId={image}&MinCount=1&MaxCount=1&SubnetId={subnet}");
    stage.call(alice(), &run).unwrap();
    stage.call(alice(), &format!("Action=CreateTags&ResourceId.1={vpc}&Tag.1.Key=a")).unwrap();
    for action in DESCRIBES {
        assert_eq!(items(&mut stage, bob(), action), 0, "{action}");
    }
    let instance: InstanceId = stage.world.instances().next().unwrap().id;
    let rule = stage.world.groups().next().unwrap().rules.keys().next().copied().unwrap();
    let (mine, _) = stage.vpc(bob(), "10.0.0.0/16");
    let table = stage.world.vpc(mine.parse().unwrap()).unwrap().main_route_table;
    for (form, code) in [
        (format!("Action=GetConsoleOutput&InstanceId={instance}"), "InvalidInstanceID.NotFound"),
        (
            format!("Action=DescribeSecurityGroupRules&SecurityGroupRuleId.1={rule}"),
            "InvalidSecurityGroupRuleId.NotFound",
        ),
        (
            format!(
                "Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock=10.9.0.0/16\
                 &InstanceId={instance}"
            ),
            "InvalidInstanceID.NotFound",
        ),
        (
            format!("Action=TerminateInstances&InstanceId.1={instance}"),
            "InvalidInstanceID.NotFound",
        ),
    ] {
        assert_eq!(stage.call(bob(), &form).unwrap_err().code, code, "{form}");
    }
}

#[test]
fn a_key_that_may_only_look_changes_nothing() {
    let mut stage = Stage::new();
    stage.read_only = true;
    let form = "Action=CreateVpc&CidrBlock=10.0.0.0/16";
    let error = stage.call(alice(), form).unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("UnauthorizedOperation", 403));
    assert_eq!(items(&mut stage, alice(), "DescribeVpcs"), 0);
}

#[test]
fn a_reply_about_something_else_is_no_panic() {
    let stage = Stage::new();
    let params = aws::params::Params::parse(b"Action=CreateVpc").unwrap();
    let request = stage.request(alice(), &params);
    for (_, name, action) in crate::http::ec2::ACTIONS {
        let crate::http::ec2::Action::Write { answer, .. } = action else { continue };
        for reply in [Reply::Done, Key::Settings(model::SettingsKey).into()] {
            let text = answer(&stage.world, &stage.world, &reply, &request);
            assert!(text.contains("<requestId>"), "{name}");
        }
    }
}

#[test]
fn a_private_key_is_seen_once() {
    let mut stage = Stage::new();
    let make = "Action=CreateKeyPair&KeyName=a&KeyType=ed25519";
    let made = stage.call(alice(), make).unwrap();
    assert!(made.contains("-----BEGIN OPENSSH PRIVATE KEY-----"), "{made}");
    for record in stage.world.records() {
        assert!(!record.body().contains("PRIVATE"), "{}", record.body());
    }
    let shown = "Action=DescribeKeyPairs&IncludePublicKey=true";
    let shown = stage.call(alice(), shown).unwrap();
    assert!(shown.contains("<publicKey>ssh-ed25519 ") && !shown.contains("PRIVATE"), "{shown}");
    assert_eq!(stage.call(alice(), make).unwrap_err().code, "InvalidKeyPair.Duplicate");
    let unknown = "Action=DescribeKeyPairs&KeyName.1=b&KeyName.2=a";
    let error = stage.call(alice(), unknown).unwrap_err();
    assert_eq!(error.message, "The key pair 'b' does not exist");
    assert!(!stage.call(bob(), "Action=DescribeKeyPairs").unwrap().contains("<item>"));
}
