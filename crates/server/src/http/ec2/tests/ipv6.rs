//! The answers of actions on IPv6 addresses.

use super::stage::{Stage, alice, bob};

#[test]
fn ipv6_addresses() {
    let mut stage = Stage::new();
    let create = "Action=CreateVpc&CidrBlock=10.100.0.0/16&AmazonProvidedIpv6CidrBlock=true";
    let vpc = stage.get(alice(), create, "/vpc/vpcId");
    let block = stage.world.vpcs().next().unwrap().ipv6[0].cidr.subnet(64, 1).unwrap();
    let subnet = stage.get(
        alice(),
        &format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.100.1.0/24&Ipv6CidrBlock={block}"),
        "/subnet/subnetId",
    );
    let at = |n: u128| block.nth(n).unwrap().to_string();
    for form in [
        "Action=DescribeNetworkAcls".to_owned(),
        "Action=DescribeSecurityGroups".to_owned(),
        "Action=DescribeRouteTables".to_owned(),
        format!(
            "Action=CreateNetworkInterface&SubnetId={subnet}&EnablePrimaryIpv6=true\
             &Ipv6Addresses.1.Ipv6Address={}&Ipv6Addresses.2.Ipv6Address={}",
            at(9),
            at(8)
        ),
    ] {
        stage.show(alice(), &form);
    }
    let eni = stage.world.enis().next().unwrap().id.to_string();
    for form in [
        "Action=AssignIpv6Addresses&NetworkInterfaceId=~&Ipv6Addresses.1=AT10",
        "Action=AssignIpv6Addresses&NetworkInterfaceId=~&Ipv6AddressCount=2",
        "Action=AssignIpv6Addresses&NetworkInterfaceId=~&Ipv6Addresses.1=10.100.1.9",
        "Action=AssignIpv6Addresses&NetworkInterfaceId=~&Ipv6PrefixCount=1",
        "Action=AssignIpv6Addresses&NetworkInterfaceId=~",
        "Action=UnassignIpv6Addresses&NetworkInterfaceId=~&Ipv6Addresses.1=AT8",
        "Action=UnassignIpv6Addresses&NetworkInterfaceId=~&Ipv6Addresses.1=AT9",
        "Action=UnassignIpv6Addresses&NetworkInterfaceId=~&Ipv6Prefix.1=AT8",
        "Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=~&EnablePrimaryIpv6=false",
        "Action=DescribeNetworkInterfaces&Filter.1.Name=ipv6-addresses.ipv6-address\
         &Filter.1.Value.1=AT9",
        "Action=DescribeNetworkInterfaces&Filter.1.Name=ipv6-addresses.ipv6-address\
         &Filter.1.Value.1=AT8",
    ] {
        let form = form.replace("AT10", &at(16)).replace("AT8", &at(8)).replace("AT9", &at(9));
        stage.show(alice(), &form.replace('~', &eni));
    }
    stage.show(
        bob(),
        &format!("Action=AssignIpv6Addresses&NetworkInterfaceId={eni}&Ipv6AddressCount=1"),
    );
    let run = format!("Action=RunInstances&ImageId=host&MinCount=1&MaxCount=1&SubnetId={subnet}");
    for form in [
        format!("{run}&Ipv6Address.1.Ipv6Address={}", at(20)),
        "Action=RunInstances&ImageId=host&MinCount=1&MaxCount=1&Ipv6AddressCount=1\
         &NetworkInterface.1.DeviceIndex=0"
            .to_owned(),
        format!(
            "Action=RunInstances&ImageId=host&MinCount=1&MaxCount=1\
             &NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={subnet}\
             &NetworkInterface.1.Ipv6AddressCount=2&NetworkInterface.1.PrimaryIpv6=true"
        ),
        format!("Action=DescribeInstances&Filter.1.Name=ipv6-address&Filter.1.Value.1={}", at(20)),
    ] {
        stage.show(alice(), &form);
    }
    let found = |stage: &mut Stage, name: &str, value: &str| {
        let form =
            format!("Action=DescribeInstances&Filter.1.Name={name}&Filter.1.Value.1={value}");
        stage.call(alice(), &form).unwrap().matches("<instanceId>").count() != 0
    };
    for name in ["network-interface.ipv6-address", "network-interface.ipv6-addresses.ipv6-address"]
    {
        assert!(found(&mut stage, name, &at(20)), "{name}");
        assert!(!found(&mut stage, name, &at(21)), "{name}");
    }
    assert!(found(&mut stage, "network-interface.ipv6-addresses.is-primary-ipv6", "true"));
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("ipv6_addresses", stage.transcript());
    });
}
