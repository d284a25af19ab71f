//! The answers of actions on what a VPC is made of.

use super::stage::{Stage, alice, bob};

fn transcript(name: &str, stage: &Stage) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, stage.transcript());
    });
}

#[test]
fn attributes_of_subnets_and_their_reservations() {
    let mut stage = Stage::new();
    let (_, subnet) = stage.vpc(alice(), "10.100.0.0/16");
    for attribute in [
        "MapPublicIpOnLaunch.Value=true",
        "PrivateDnsHostnameTypeOnLaunch=resource-name",
        "EnableResourceNameDnsARecordOnLaunch.Value=true",
        "EnableLniAtDeviceIndex=1",
        "AssignIpv6AddressOnCreation.Value=true",
        "EnableDns64.Value=true",
        "EnableResourceNameDnsAAAARecordOnLaunch.Value=true",
        "MapCustomerOwnedIpOnLaunch.Value=true",
        "MapPublicIpOnLaunch.Value=true&EnableDns64.Value=false",
        "PrivateDnsHostnameTypeOnLaunch=mine",
        "DisableLniAtDeviceIndex.Value=false",
    ] {
        let form = format!("Action=ModifySubnetAttribute&SubnetId={subnet}&{attribute}");
        stage.show(alice(), &form);
    }
    stage.show(
        alice(),
        "Action=DescribeSubnets&Filter.1.Name=enable-lni-at-device-index&Filter.1.Value.1=1",
    );
    let reserve = format!(
        "Action=CreateSubnetCidrReservation&SubnetId={subnet}&ReservationType=explicit\
         &Cidr=10.100.1.32/28&Description=printers"
    );
    stage.show(
        alice(),
        &format!(
            "{reserve}&TagSpecification.1.ResourceType=subnet-cidr-reservation\
             &TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=printers"
        ),
    );
    stage.show(alice(), &reserve);
    stage.show(bob(), &reserve);
    stage.show(
        alice(),
        &format!(
            "Action=CreateSubnetCidrReservation&SubnetId={subnet}&ReservationType=prefix\
             &Cidr=10.100.1.64/27"
        ),
    );
    stage.show(alice(), &format!("Action=GetSubnetCidrReservations&SubnetId={subnet}"));
    stage.show(
        alice(),
        &format!(
            "Action=GetSubnetCidrReservations&SubnetId={subnet}&Filter.1.Name=reservationType\
             &Filter.1.Value.1=prefix"
        ),
    );
    stage.show(bob(), &format!("Action=GetSubnetCidrReservations&SubnetId={subnet}"));
    stage.show(alice(), "Action=DescribeTags");
    let available = "/subnetSet/0/availableIpAddressCount";
    assert_eq!(stage.get(alice(), "Action=DescribeSubnets", available), "219");
    let reservation = stage.world.subnet_reservations().next().unwrap().id;
    let delete =
        format!("Action=DeleteSubnetCidrReservation&SubnetCidrReservationId={reservation}");
    stage.show(bob(), &delete);
    stage.show(alice(), &delete);
    stage.show(alice(), &delete);
    transcript("subnet_attributes", &stage);
}
