//! Invalid input is refused with EC2's error codes, and nothing panics.

use proptest::prelude::*;

use super::stage::{Stage, alice};
use crate::http::ec2::ACTIONS;
use crate::http::ec2::input::client_token;

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
            "PrefixListId",
            "DescribeManagedPrefixLists",
            "InvalidPrefixListId.Malformed",
            "InvalidPrefixListID.NotFound",
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
            "PrefixListId" => "pl",
            _ => "vpc",
        };
        let form = format!("Action={action}&{parameter}.1={prefix}-0123456789abcdef0");
        assert_eq!(code(&form), absent, "{action}");
    }
}

#[test]
fn an_error_names_every_id_that_means_nothing() {
    let mut stage = Stage::new();
    let (vpc, _) = stage.vpc(alice(), "10.100.0.0/16");
    let of = |n: u32| format!("vpc-{n:017x}");
    let form =
        format!("Action=DescribeVpcs&VpcId.1={}&VpcId.2={vpc}&VpcId.3={}", of(8000), of(7000));
    let error = stage.call(alice(), &form).unwrap_err();
    assert_eq!(error.code, "InvalidVpcID.NotFound");
    assert_eq!(error.message, format!("The vpc IDs '{}, {}' do not exist", of(7000), of(8000)));
    let many: String = (1..=2000).map(|n| format!("&VpcId.{n}={}", of(n + 7000))).collect();
    let error = stage.call(alice(), &format!("Action=DescribeVpcs{many}")).unwrap_err();
    assert!(error.message.len() < 4096 && error.message.contains("…"), "{}", error.message);
}

#[test]
fn several_that_are_unknown_are_named_together() {
    let mut stage = Stage::new();
    let ids = ["fffffffffffffff0", "fffffffffffffff1"];
    for (action, parameter, prefix, message) in [
        ("DescribeInstances", "InstanceId", "i", "The instance IDs 'i-0A, i-0B' do not exist"),
        ("StopInstances", "InstanceId", "i", "The instance IDs 'i-0A, i-0B' do not exist"),
        (
            "DescribeNetworkInterfaces",
            "NetworkInterfaceId",
            "eni",
            "The networkInterface IDs 'eni-0A, eni-0B' do not exist",
        ),
        (
            "DescribeTransitGateways",
            "TransitGatewayIds",
            "tgw",
            "The transitGateway IDs 'tgw-0A, tgw-0B' do not exist",
        ),
    ] {
        let [a, b] = ids;
        let form =
            format!("Action={action}&{parameter}.1={prefix}-0{a}&{parameter}.2={prefix}-0{b}");
        let message = message.replace('A', a).replace('B', b);
        assert_eq!(stage.call(alice(), &form).unwrap_err().message, message);
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
            "Action=CreateVpc&CidrBlock=10.0.0.0/16&InstanceTenancy=host".to_owned(),
            "InvalidParameterValue",
        ),
        (
            "Action=CreateVpc&CidrBlock=10.0.0.0/16&Ipv6CidrBlock=2001:db8::/56".to_owned(),
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
             &TransitGatewayId=tgw-1"
                .to_owned(),
            "InvalidTransitGatewayID.NotFound",
        ),
        (permission("IpProtocol=tcp&IpPermissions.1.FromPort=1"), "InvalidParameterValue"),
        (permission("IpProtocol=carrier-pigeon"), "InvalidPermission.Malformed"),
        (permission("IpProtocol=icmpv6"), "MissingParameter"),
        (
            permission(&format!(
                "IpProtocol=icmpv6&IpPermissions.1.FromPort=256&IpPermissions.1.ToPort=0&{cidr}"
            )),
            "InvalidParameterValue",
        ),
        (permission("IpProtocol=-1"), "MissingParameter"),
        (
            permission("IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0"),
            "InvalidParameterValue",
        ),
        (
            permission("IpProtocol=-1&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/129"),
            "InvalidParameterValue",
        ),
        (
            permission("IpProtocol=-1&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0"),
            "InvalidGroup.NotFound",
        ),
        (
            permission("IpProtocol=-1&IpPermissions.1.PrefixListIds.1.PrefixListId=offices"),
            "InvalidPrefixListId.Malformed",
        ),
        ("Action=ModifySecurityGroupRules&GroupId=foobar".to_owned(), "InvalidGroupId.Malformed"),
        (format!("Action=ModifySecurityGroupRules&{GROUP}"), "MissingParameter"),
        (
            format!(
                "Action=ModifySecurityGroupRules&{GROUP}&SecurityGroupRule.1.SecurityGroupRuleId=\
                 sgr-00000000000000001&SecurityGroupRule.1.SecurityGroupRule.IpProtocol=-1\
                 &SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.0.0.0/8\
                 &SecurityGroupRule.1.SecurityGroupRule.CidrIpv6=::/0"
            ),
            "InvalidParameterCombination",
        ),
        (
            format!(
                "Action=UpdateSecurityGroupRuleDescriptionsIngress&{GROUP}\
                 &IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0\
                 &SecurityGroupRuleDescription.1.SecurityGroupRuleId=sgr-00000000000000001"
            ),
            "InvalidParameterCombination",
        ),
        (
            "Action=CreateManagedPrefixList&PrefixListName=a&AddressFamily=ipv4&MaxEntries=1"
                .to_owned(),
            "InvalidParameterValue",
        ),
        (
            "Action=CreateManagedPrefixList&PrefixListName=a&AddressFamily=IPv4".to_owned(),
            "MissingParameter",
        ),
        ("Action=GetManagedPrefixListEntries".to_owned(), "MissingParameter"),
        (
            "Action=CreateRoute&RouteTableId=rtb-00000000000000001&DestinationCidrBlock=1.0.0.0/8\
             &DestinationPrefixListId=pl-00000000000000001"
                .to_owned(),
            "InvalidParameterCombination",
        ),
        (
            format!(
                "Action=CreateNetworkAclEntry&{entry}&Ipv6CidrBlock=::/0&RuleNumber=1&Protocol=-1"
            ),
            "InvalidParameterCombination",
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
        (
            format!("Action=CreateNetworkAclEntry&{entry}&RuleNumber=1&Protocol=all"),
            "InvalidParameterValue",
        ),
        ("Action=RunInstances&ImageId=ami-1&MinCount=1".to_owned(), "MissingParameter"),
        ("Action=TerminateInstances".to_owned(), "MissingParameter"),
        ("Action=CreateTags&ResourceId.1=vol-1&Tag.1.Key=a".to_owned(), "InvalidID"),
        ("Action=CreateTags&ResourceId.1=123456789012&Tag.1.Key=a".to_owned(), "InvalidID"),
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

/// Names and values that actions look for, so that random requests get past the first check.
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
        Just("IpPermissions.1.Ipv6Ranges.1.CidrIpv6".to_owned()),
        Just("IpPermissions.1.PrefixListIds.1.PrefixListId".to_owned()),
        Just("SecurityGroupRule.1.SecurityGroupRule.IpProtocol".to_owned()),
        Just("Ipv6CidrBlock".to_owned()),
        Just("PrefixListId".to_owned()),
        Just("PrefixListName".to_owned()),
        Just("AddressFamily".to_owned()),
        Just("MaxEntries".to_owned()),
        Just("CurrentVersion".to_owned()),
        Just("TargetVersion".to_owned()),
        Just("AddEntry.1.Cidr".to_owned()),
        Just("Entry.1.Cidr".to_owned()),
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
        "(vpc|subnet|rtb|sg|sgr|pl|acl|pcx|eni|i)-0000000000000000[0-9a-f]",
        "10\\.[0-9]{1,3}\\.0\\.0/[0-9]{1,2}",
        "-?[0-9]{1,6}",
        "[0-9a-f:]{1,8}::/[0-9]{1,3}",
        "(IPv4|IPv6|tcp|udp|icmp|icmpv6|58|-1|all|true|false|vpc-id|state|ami-00000000000000001)",
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

/// EC2 clears the bits after a prefix everywhere (`ec2.md` §1.4), and shows the result.
#[test]
fn host_bits_of_blocks_are_cut_off() {
    let mut stage = Stage::new();
    let mut get = |form: &str, pointer: &str| stage.get(alice(), form, pointer);
    let vpc = get("Action=CreateVpc&CidrBlock=10.50.1.0/16", "/vpc/vpcId");
    let shown = format!("Action=DescribeVpcs&VpcId.1={vpc}");
    assert_eq!(get(&shown, "/vpcSet/0/cidrBlock"), "10.50.0.0/16");
    let form = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.50.1.7/24");
    assert_eq!(get(&form, "/subnet/cidrBlock"), "10.50.1.0/24");
    let form = format!("Action=AssociateVpcCidrBlock&VpcId={vpc}&CidrBlock=10.60.9.9/16");
    assert_eq!(get(&form, "/cidrBlockAssociation/cidrBlock"), "10.60.0.0/16");
    let tables = format!("Action=DescribeRouteTables&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
    let table = get(&tables, "/routeTableSet/0/routeTableId");
    let enis = format!("Action=DescribeSecurityGroups&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
    let group = get(&enis, "/securityGroupInfo/0/groupId");
    let rule = format!(
        "Action=AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1\
         &IpPermissions.1.IpRanges.1.CidrIp=100.68.0.18/18"
    );
    assert_eq!(get(&rule, "/securityGroupRuleSet/0/cidrIpv4"), "100.68.0.0/18");
    let acls = format!("Action=DescribeNetworkAcls&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
    let acl = get(&acls, "/networkAclSet/0/networkAclId");
    let entry = format!(
        "Action=CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&RuleNumber=1&Protocol=-1\
         &RuleAction=deny&CidrBlock=100.68.0.18/18"
    );
    stage.call(alice(), &entry).unwrap();
    assert!(stage.call(alice(), &acls).unwrap().contains("<cidrBlock>100.68.0.0/18<"));
    let (other, _) = stage.vpc(alice(), "10.70.0.0/16");
    let pcx = stage.ask((alice(), &vpc), (alice(), &other));
    let route = format!(
        "Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock=10.70.3.4/16\
         &VpcPeeringConnectionId={pcx}"
    );
    stage.call(alice(), &route).unwrap();
    let tables = stage.call(alice(), &tables).unwrap();
    assert!(tables.contains("<destinationCidrBlock>10.70.0.0/16<"), "{tables}");
}

#[test]
fn the_digest_of_a_request_is_the_same_in_every_version() {
    let token = |form: &str| {
        let params = aws::params::Params::parse(form.as_bytes()).unwrap();
        client_token(&params).unwrap().unwrap()
    };
    let asked = "Action=CreateRouteTable&VpcId=vpc-1&TagSpecification.1.ResourceType=route-table";
    let first = token(&format!("{asked}&ClientToken=once"));
    // It is stored with what the request made: another one would not be known again after an upgrade.
    assert_eq!(first.digest, "parameters:0548c2e6a945a1e6757725139e1e650d");
    assert_eq!(first.token, "once");
    let signed_anew =
        token(&format!("Version=2016-11-15&X-Amz-Date=1&ClientToken=once&DryRun=false&{asked}"));
    assert_eq!(signed_anew, first);
    assert_ne!(token("Action=CreateRouteTable&VpcId=vpc-1&ClientToken=once").digest, first.digest);
}
