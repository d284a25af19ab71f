//! The answers of actions on the addresses of NAT gateways.

use super::actions::open_vpc;
use super::stage::{Stage, alice, bob};

#[test]
fn secondary_addresses_of_nat_gateways() {
    let mut stage = Stage::new();
    let (_, subnet) = open_vpc(&mut stage);
    let [one, two, three] =
        [0; 3].map(|_| stage.get(alice(), "Action=AllocateAddress", "/allocationId"));
    let id = "/natGateway/natGatewayId";
    let public = stage.get(
        alice(),
        &format!(
            "Action=CreateNatGateway&SubnetId={subnet}&AllocationId={one}\
             &SecondaryAllocationId.1={two}&SecondaryPrivateIpAddress.1=10.100.1.40"
        ),
        id,
    );
    let private = stage.get(
        alice(),
        &format!(
            "Action=CreateNatGateway&SubnetId={subnet}&ConnectivityType=private\
             &SecondaryPrivateIpAddressCount=1"
        ),
        id,
    );
    stage.pass(1);
    let on = |action: &str, nat: &str, rest: &str| {
        format!("Action={action}NatGatewayAddress&NatGatewayId={nat}&{rest}")
    };
    stage.show(alice(), &on("Associate", &public, &format!("AllocationId.1={three}")));
    stage.show(bob(), &on("Associate", &public, &format!("AllocationId.1={three}")));
    stage.show(alice(), &on("Associate", &private, &format!("AllocationId.1={three}")));
    stage.show(alice(), &on("Associate", &public, "AllocationId.1=eipalloc-x"));
    let association = |stage: &Stage, allocation: &str| {
        let elastic = stage.world.elastic_ip(allocation.parse().unwrap()).unwrap();
        elastic.association.unwrap().id
    };
    let (first, second) = (association(&stage, &one), association(&stage, &two));
    let drain = "MaxDrainDurationSeconds=60";
    for association in [first, second] {
        let rest = format!("AssociationId.1={association}&{drain}");
        stage.show(alice(), &on("Disassociate", &public, &rest));
    }
    stage.show(alice(), &on("AssignPrivate", &private, "PrivateIpAddressCount=2"));
    stage.show(alice(), &on("AssignPrivate", &private, "PrivateIpAddress.1=10.100.1.40"));
    stage.show(alice(), &on("AssignPrivate", &private, "PrivateIpAddressCount=32"));
    stage.show(alice(), &on("AssignPrivate", &private, "PrivateIpAddress.1=nonsense"));
    stage.show(alice(), &on("AssignPrivate", &public, "PrivateIpAddressCount=1"));
    let rest = format!("PrivateIpAddress.1=10.100.1.40&{drain}");
    stage.show(alice(), &on("UnassignPrivate", &private, &rest));
    stage.show(alice(), &on("UnassignPrivate", &private, &rest));
    stage.show(alice(), "Action=DescribeNatGateways");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("nat_gateway_addresses", stage.transcript());
    });
}
