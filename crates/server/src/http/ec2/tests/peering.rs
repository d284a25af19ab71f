//! How a peering connection is shown to each side in each state.

use super::stage::{Stage, accept_form, alice, bob, scope};

const DESCRIBE: &str = "Action=DescribeVpcPeeringConnections";
const CODE: &str = "/vpcPeeringConnectionSet/0/status/code";

fn transcript(name: &str, stage: &Stage) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, stage.transcript());
    });
}

fn count(stage: &mut Stage, scope: model::Scope) -> usize {
    stage.call(scope, DESCRIBE).unwrap().matches("<status>").count()
}

#[test]
fn every_state_from_request_to_deletion() {
    let mut stage = Stage::new();
    let (mine, _) = stage.vpc(alice(), "10.100.0.0/16");
    let (theirs, _) = stage.vpc(bob(), "10.0.0.0/16");
    stage.show(
        alice(),
        &format!(
            "Action=CreateVpcPeeringConnection&VpcId={mine}&PeerVpcId={theirs}\
             &PeerOwnerId=222222222222&TagSpecification.1.ResourceType=vpc-peering-connection\
             &TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=to+bob"
        ),
    );
    stage.show(bob(), DESCRIBE);
    let pcx = stage.world.peerings().next().unwrap().id.to_string();
    // The same request again returns the existing connection as it is now.
    let again = format!(
        "Action=CreateVpcPeeringConnection&VpcId={mine}&PeerVpcId={theirs}&PeerOwnerId=222222222222"
    );
    assert_eq!(
        stage.get(alice(), &again, "/vpcPeeringConnection/status/code"),
        "pending-acceptance"
    );
    stage.show(bob(), &accept_form(&pcx));
    stage.carry(&pcx);
    stage.show(alice(), &format!("{DESCRIBE}&VpcPeeringConnectionId.1={pcx}"));
    stage
        .call(
            alice(),
            &format!("Action=ModifyVpcAttribute&VpcId={mine}&EnableDnsHostnames.Value=true"),
        )
        .unwrap();
    stage.show(
        alice(),
        &format!(
            "Action=ModifyVpcPeeringConnectionOptions&VpcPeeringConnectionId={pcx}\
             &RequesterPeeringConnectionOptions.AllowDnsResolutionFromRemoteVpc=true"
        ),
    );
    stage.show(alice(), &format!("Action=DeleteVpcPeeringConnection&VpcPeeringConnectionId={pcx}"));
    stage.show(alice(), &format!("{DESCRIBE}&Filter.1.Name=status-code&Filter.1.Value.1=deleting"));
    stage.observe(model::Observation { gone: [pcx.parse().unwrap()].into(), ..Default::default() });
    stage.show(alice(), DESCRIBE);
    stage.show(bob(), DESCRIBE);
    stage.pass(3);
    assert_eq!((count(&mut stage, alice()), count(&mut stage, bob())), (0, 1));
    stage.pass(48);
    assert_eq!(count(&mut stage, bob()), 0);
    stage.show(bob(), &format!("{DESCRIBE}&VpcPeeringConnectionId.1={pcx}"));
    transcript("peering", &stage);
}

#[test]
fn requests_that_come_to_nothing() {
    let mut stage = Stage::new();
    let (mine, _) = stage.vpc(alice(), "10.100.0.0/16");
    let (theirs, _) = stage.vpc(bob(), "10.0.0.0/16");
    let (overlapping, _) = stage.vpc(bob(), "10.100.0.0/17");
    let failed = stage.ask((alice(), &mine), (bob(), &overlapping));
    stage.show(alice(), &format!("{DESCRIBE}&VpcPeeringConnectionId.1={failed}"));
    assert_eq!(count(&mut stage, bob()), 0);
    let rejected = stage.ask((alice(), &mine), (bob(), &theirs));
    stage.show(
        bob(),
        &format!("Action=RejectVpcPeeringConnection&VpcPeeringConnectionId={rejected}"),
    );
    stage.show(alice(), &format!("{DESCRIBE}&VpcPeeringConnectionId.1={rejected}"));
    let expired = stage.ask((alice(), &mine), (bob(), &theirs));
    stage.pass(24 * 7);
    stage.show(alice(), &format!("{DESCRIBE}&VpcPeeringConnectionId.1={expired}"));
    stage.show(bob(), &accept_form(&expired));
    transcript("peering_in_vain", &stage);
}

#[test]
fn only_the_sides_see_it_in_their_own_regions() {
    let mut stage = Stage::new();
    let there = scope("222222222222", "eu-west-1");
    let (mine, _) = stage.vpc(alice(), "10.100.0.0/16");
    let (theirs, _) = stage.vpc(there, "10.0.0.0/16");
    stage.ask((alice(), &mine), (there, &theirs));
    assert_eq!(stage.get(there, DESCRIBE, CODE), "pending-acceptance");
    assert_eq!(count(&mut stage, bob()), 0);
    assert_eq!(count(&mut stage, scope("333333333333", "us-east-1")), 0);
    let filtered = |name: &str, value: &str| {
        format!("{DESCRIBE}&Filter.1.Name={name}&Filter.1.Value.1={value}")
    };
    for (name, value, expected) in [
        ("accepter-vpc-info.vpc-id", theirs.as_str(), 1),
        ("accepter-vpc-info.cidr-block", "10.0.0.0/16", 0),
        ("requester-vpc-info.cidr-block", "10.100.0.0/16", 1),
        ("requester-vpc-info.owner-id", "111111111111", 1),
        ("expiration-time", "2026-02-07*", 1),
        ("status-message", "Pending Acceptance by 222222222222", 1),
        ("status-code", "active", 0),
        ("tag-key", "*", 0),
    ] {
        let answer = stage.call(alice(), &filtered(name, &value.replace(' ', "+"))).unwrap();
        assert_eq!(answer.matches("<status>").count(), expected, "{name}");
    }
}
