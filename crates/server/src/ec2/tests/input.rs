//! What makes no sense is refused, with EC2's codes, and nothing panics.

use proptest::prelude::*;

use super::stage::{Stage, alice};
use crate::ec2::ACTIONS;

fn code(form: &str) -> String {
    Stage::new().call(alice(), form).unwrap_err().code.into_owned()
}

const VPC: &str = "vpc-00000000000000001";
const GROUP: &str = "GroupId=sg-00000000000000001";

#[test]
fn ids_that_are_none_or_mean_nothing() {
    for (parameter, action, malformed, absent) in [
        ("VpcId", "DescribeVpcs", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"),
        ("SubnetId", "DescribeSubnets", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"),
        (
            "RouteTableId",
            "DescribeRouteTables",
            "InvalidRouteTableId.Malformed",
            "InvalidRouteTableID.NotFound",
        ),
        ("GroupId", "DescribeSecurityGroups", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"),
        (
            "SecurityGroupRuleId",
            "DescribeSecurityGroupRules",
            "InvalidSecurityGroupRuleId.Malformed",
            "InvalidSecurityGroupRuleId.NotFound",
        ),
        (
            "NetworkAclId",
            "DescribeNetworkAcls",
            "InvalidNetworkAclId.Malformed",
            "InvalidNetworkAclID.NotFound",
        ),
        (
            "NetworkInterfaceId",
            "DescribeNetworkInterfaces",
            "InvalidNetworkInterfaceId.Malformed",
            "InvalidNetworkInterfaceID.NotFound",
        ),
        (
            "InstanceId",
            "DescribeInstances",
            "InvalidInstanceID.Malformed",
            "InvalidInstanceID.NotFound",
        ),
        (
            "VpcPeeringConnectionId",
            "DescribeVpcPeeringConnections",
            "InvalidVpcPeeringConnectionId.Malformed",
            "InvalidVpcPeeringConnectionID.NotFound",
        ),
        (
            "InternetGatewayId",
            "DescribeInternetGateways",
            "InvalidInternetGatewayId.Malformed",
            "InvalidInternetGatewayID.NotFound",
        ),
        (
            "DhcpOptionsId",
            "DescribeDhcpOptions",
            "InvalidDhcpOptionsId.Malformed",
            "InvalidDhcpOptionID.NotFound",
        ),
    ] {
        assert_eq!(code(&format!("Action={action}&{parameter}.1=x-1")), malformed, "{action}");
        let prefix = match parameter {
            "SubnetId" => "subnet",
            "RouteTableId" => "rtb",
            "GroupId" => "sg",
            "SecurityGroupRuleId" => "sgr",
            "NetworkAclId" => "acl",
            "NetworkInterfaceId" => "eni",
            "InstanceId" => "i",
            "VpcPeeringConnectionId" => "pcx",
            "InternetGatewayId" => "igw",
            "DhcpOptionsId" => "dopt",
            _ => "vpc",
        };
        let form = format!("Action={action}&{parameter}.1={prefix}-0123456789abcdef0");
        assert_eq!(code(&form), absent, "{action}");
    }
}

#[test]
fn requests_that_make_no_sense() {
    let entry =
        "NetworkAclId=acl-00000000000000001&Egress=true&RuleAction=allow&CidrBlock=0.0.0.0/0";
    let cidr = "IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8";
    let permission =
        |rest: &str| format!("Action=AuthorizeSecurityGroupIngress&{GROUP}&IpPermissions.1.{rest}");
    for (form, expected) in [
        ("Action=CreateVpc".to_owned(), "MissingParameter"),
        ("Action=CreateVpc&CidrBlock=10.0.0.0".to_owned(), "InvalidParameterValue"),
        ("Action=CreateVpc&CidrBlock=10.0.0.0/16&Colour=red".to_owned(), "UnknownParameter"),
        (
            "Action=CreateVpc&CidrBlock=10.0.0.0/16&InstanceTenancy=dedicated".to_owned(),
            "InvalidParameterValue",
        ),
        (
            "Action=CreateVpc&CidrBlock=10.0.0.0/16&AmazonProvidedIpv6CidrBlock=true".to_owned(),
            "InvalidParameterValue",
        ),
        (
            "Action=CreateVpc&CidrBlock=10.0.0.0/16&TagSpecification.1.ResourceType=subnet"
                .to_owned(),
            "InvalidParameterValue",
        ),
        (format!("Action=ModifyVpcAttribute&VpcId={VPC}"), "MissingParameter"),
        (format!("Action=DescribeVpcs&VpcId.1={VPC}&MaxResults=5"), "InvalidParameterCombination"),
        ("Action=DescribeVpcs&MaxResults=4".to_owned(), "InvalidParameterValue"),
        ("Action=DescribeRouteTables&MaxResults=101".to_owned(), "InvalidParameterValue"),
        (
            "Action=DescribeVpcs&Filter.1.Name=colour&Filter.1.Value.1=red".to_owned(),
            "InvalidParameterValue",
        ),
        ("Action=DescribeVpcs&NextToken=abc".to_owned(), "InvalidNextToken"),
        (
            "Action=CreateRoute&RouteTableId=rtb-00000000000000001&DestinationCidrBlock=1.0.0.0/8"
                .to_owned(),
            "MissingParameter",
        ),
        (
            "Action=CreateRoute&RouteTableId=rtb-00000000000000001&DestinationCidrBlock=1.0.0.0/8\
             &NatGatewayId=nat-1"
                .to_owned(),
            "InvalidParameterValue",
        ),
        (permission("IpProtocol=tcp&IpPermissions.1.FromPort=1"), "InvalidParameterValue"),
        (permission("IpProtocol=carrier-pigeon"), "InvalidPermission.Malformed"),
        (permission("IpProtocol=icmpv6"), "InvalidParameterValue"),
        (permission("IpProtocol=-1"), "MissingParameter"),
        (
            permission("IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0"),
            "InvalidParameterValue",
        ),
        (
            permission("IpProtocol=-1&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0"),
            "InvalidParameterValue",
        ),
        (
            permission(&format!(
                "IpProtocol=tcp&IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=79&{cidr}"
            )),
            "InvalidParameterValue",
        ),
        (
            permission(&format!(
                "IpProtocol=icmp&IpPermissions.1.FromPort=-1&IpPermissions.1.ToPort=3&{cidr}"
            )),
            "InvalidParameterValue",
        ),
        (
            permission("IpProtocol=-1&IpPermissions.1.Groups.1.GroupId=web"),
            "InvalidGroupId.Malformed",
        ),
        (
            format!("Action=CreateNetworkAclEntry&{entry}&RuleNumber=32767&Protocol=-1"),
            "InvalidParameterValue",
        ),
        (
            format!("Action=CreateNetworkAclEntry&{entry}&RuleNumber=1&Protocol=6"),
            "MissingParameter",
        ),
        (
            format!("Action=CreateNetworkAclEntry&{entry}&RuleNumber=1&Protocol=x"),
            "InvalidParameterValue",
        ),
        ("Action=RunInstances&ImageId=ami-1&MinCount=1".to_owned(), "MissingParameter"),
        ("Action=TerminateInstances".to_owned(), "MissingParameter"),
        ("Action=CreateTags&ResourceId.1=vol-1&Tag.1.Key=a".to_owned(), "InvalidID"),
        (format!("Action=CreateTags&ResourceId.1={VPC}"), "MissingParameter"),
        (
            format!("Action=CreateTags&ResourceId.1={VPC}&Tag.1.Key=a&Tag.2.Key=a"),
            "InvalidParameterValue",
        ),
        ("Action=GetUser&UserName=root".to_owned(), "NoSuchEntity"),
        (
            "Action=DescribeImages&ImageId.1=ami-00000000000000009".to_owned(),
            "InvalidAMIID.NotFound",
        ),
    ] {
        assert_eq!(code(&form), expected, "{form}");
    }
}

/// Names and values that actions look for, so that chance gets past the first check.
fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        Just("VpcId".to_owned()),
        Just("VpcId.1".to_owned()),
        Just("SubnetId".to_owned()),
        Just("CidrBlock".to_owned()),
        Just("DestinationCidrBlock".to_owned()),
        Just("RouteTableId".to_owned()),
        Just("GroupId".to_owned()),
        Just("Protocol".to_owned()),
        Just("RuleNumber".to_owned()),
        Just("Egress".to_owned()),
        Just("IpPermissions.1.IpProtocol".to_owned()),
        Just("IpPermissions.1.FromPort".to_owned()),
        Just("IpPermissions.1.ToPort".to_owned()),
        Just("IpPermissions.1.IpRanges.1.CidrIp".to_owned()),
        Just("IpPermissions.1.Groups.1.GroupId".to_owned()),
        Just("Filter.1.Name".to_owned()),
        Just("Filter.1.Value.1".to_owned()),
        Just("Tag.1.Key".to_owned()),
        Just("ResourceId.1".to_owned()),
        Just("MaxResults".to_owned()),
        Just("NextToken".to_owned()),
        Just("MinCount".to_owned()),
        Just("MaxCount".to_owned()),
        Just("ImageId".to_owned()),
        Just("NetworkInterface.1.PrivateIpAddresses.1.PrivateIpAddress".to_owned()),
        Just("ClientToken".to_owned()),
        "[A-Z][a-zA-Z.1-3]{0,12}[a-z]",
    ];
    let value = prop_oneof![
        "(vpc|subnet|rtb|sg|acl|pcx|eni|i)-0000000000000000[0-9a-f]",
        "10\\.[0-9]{1,3}\\.0\\.0/[0-9]{1,2}",
        "-?[0-9]{1,6}",
        "(tcp|udp|icmp|-1|all|true|false|vpc-id|state|ami-00000000000000001)",
        "\\PC{0,8}",
    ];
    prop::collection::vec((name, value), 0..12)
}

proptest! {
    #[test]
    fn no_request_panics(action in 0..ACTIONS.len(), pairs in pairs()) {
        let mut stage = Stage::new();
        let (vpc, subnet) = stage.vpc(alice(), "10.100.0.0/16");
        let encode = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        let mut form = format!("Action={}", ACTIONS[action].1);
        for (name, value) in pairs {
            form.push_str(&format!("&{}={}", encode(&name), encode(&value)));
        }
        let _ = stage.call(alice(), &form);
        let known = format!("{form}&VpcId={vpc}&SubnetId={subnet}");
        let _ = stage.call(alice(), &known);
    }
}
