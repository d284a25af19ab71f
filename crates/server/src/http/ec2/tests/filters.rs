//! Every filter that EC2 has for an action is accepted, even if no resource can match it.

use super::stage::{Stage, alice, bob};

/// The filters of each action, without those of tags, from EC2's own model.
const FILTERS: &[(&str, &[&str])] = &[
    (
        "DescribeVpcPeeringConnections",
        &[
            "accepter-vpc-info.cidr-block",
            "accepter-vpc-info.owner-id",
            "accepter-vpc-info.vpc-id",
            "expiration-time",
            "requester-vpc-info.cidr-block",
            "requester-vpc-info.owner-id",
            "requester-vpc-info.vpc-id",
            "status-code",
            "status-message",
            "tag-key",
            "vpc-peering-connection-id",
        ],
    ),
    (
        "DescribeVpcs",
        &[
            "cidr",
            "cidr-block-association.cidr-block",
            "cidr-block-association.association-id",
            "cidr-block-association.state",
            "dhcp-options-id",
            "ipv6-cidr-block-association.ipv6-cidr-block",
            "ipv6-cidr-block-association.ipv6-pool",
            "ipv6-cidr-block-association.association-id",
            "ipv6-cidr-block-association.state",
            "is-default",
            "owner-id",
            "state",
            "tag-key",
            "vpc-id",
        ],
    ),
    (
        "DescribeSubnets",
        &[
            "availability-zone",
            "availability-zone-id",
            "available-ip-address-count",
            "cidr-block",
            "customer-owned-ipv4-pool",
            "default-for-az",
            "enable-dns64",
            "enable-lni-at-device-index",
            "ipv6-cidr-block-association.ipv6-cidr-block",
            "ipv6-cidr-block-association.association-id",
            "ipv6-cidr-block-association.state",
            "ipv6-native",
            "map-customer-owned-ip-on-launch",
            "map-public-ip-on-launch",
            "outpost-arn",
            "owner-id",
            "private-dns-name-options-on-launch.hostname-type",
            "private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
            "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
            "state",
            "subnet-arn",
            "subnet-id",
            "tag-key",
            "vpc-id",
        ],
    ),
    (
        "DescribeRouteTables",
        &[
            "association.gateway-id",
            "association.route-table-association-id",
            "association.route-table-id",
            "association.subnet-id",
            "association.main",
            "owner-id",
            "route-table-id",
            "route.destination-cidr-block",
            "route.destination-ipv6-cidr-block",
            "route.destination-prefix-list-id",
            "route.egress-only-internet-gateway-id",
            "route.gateway-id",
            "route.instance-id",
            "route.nat-gateway-id",
            "route.transit-gateway-id",
            "route.origin",
            "route.state",
            "route.vpc-peering-connection-id",
            "tag-key",
            "vpc-id",
        ],
    ),
    (
        "DescribeSecurityGroups",
        &[
            "description",
            "egress.ip-permission.cidr",
            "egress.ip-permission.from-port",
            "egress.ip-permission.group-id",
            "egress.ip-permission.group-name",
            "egress.ip-permission.ipv6-cidr",
            "egress.ip-permission.prefix-list-id",
            "egress.ip-permission.protocol",
            "egress.ip-permission.to-port",
            "egress.ip-permission.user-id",
            "group-id",
            "group-name",
            "ip-permission.cidr",
            "ip-permission.from-port",
            "ip-permission.group-id",
            "ip-permission.group-name",
            "ip-permission.ipv6-cidr",
            "ip-permission.prefix-list-id",
            "ip-permission.protocol",
            "ip-permission.to-port",
            "ip-permission.user-id",
            "owner-id",
            "tag-key",
            "vpc-id",
        ],
    ),
    ("DescribeSecurityGroupRules", &["group-id", "security-group-rule-id"]),
    (
        "DescribeNetworkAcls",
        &[
            "association.association-id",
            "association.network-acl-id",
            "association.subnet-id",
            "default",
            "entry.cidr",
            "entry.icmp.code",
            "entry.icmp.type",
            "entry.ipv6-cidr",
            "entry.port-range.from",
            "entry.port-range.to",
            "entry.protocol",
            "entry.rule-action",
            "entry.egress",
            "entry.rule-number",
            "network-acl-id",
            "owner-id",
            "tag-key",
            "vpc-id",
        ],
    ),
    (
        "DescribeNetworkInterfaces",
        &[
            "association.allocation-id",
            "association.association-id",
            "addresses.association.owner-id",
            "addresses.association.public-ip",
            "addresses.primary",
            "addresses.private-ip-address",
            "association.ip-owner-id",
            "association.public-ip",
            "association.public-dns-name",
            "attachment.attach-time",
            "attachment.attachment-id",
            "attachment.delete-on-termination",
            "attachment.device-index",
            "attachment.instance-id",
            "attachment.instance-owner-id",
            "attachment.status",
            "availability-zone",
            "availability-zone-id",
            "description",
            "group-id",
            "ipv6-addresses.ipv6-address",
            "interface-type",
            "mac-address",
            "network-interface-id",
            "operator.managed",
            "operator.principal",
            "owner-id",
            "private-dns-name",
            "private-ip-address",
            "requester-id",
            "requester-managed",
            "source-dest-check",
            "status",
            "subnet-id",
            "tag-key",
            "vpc-id",
        ],
    ),
    (
        "DescribeInternetGateways",
        &["attachment.state", "attachment.vpc-id", "internet-gateway-id", "owner-id", "tag-key"],
    ),
    ("DescribeTags", &["key", "resource-id", "resource-type", "value"]),
    (
        "DescribeAvailabilityZones",
        &[
            "group-long-name",
            "group-name",
            "message",
            "opt-in-status",
            "parent-zone-id",
            "parent-zone-name",
            "region-name",
            "state",
            "zone-id",
            "zone-name",
            "zone-type",
        ],
    ),
    ("DescribeRegions", &["endpoint", "opt-in-status", "region-name"]),
    (
        "DescribeAddresses",
        &[
            "allocation-id",
            "association-id",
            "instance-id",
            "network-border-group",
            "network-interface-id",
            "network-interface-owner-id",
            "private-ip-address",
            "public-ip",
            "tag-key",
        ],
    ),
    ("DescribeNatGateways", &["nat-gateway-id", "state", "subnet-id", "tag-key", "vpc-id"]),
    ("DescribeDhcpOptions", &["dhcp-options-id", "key", "value", "owner-id", "tag-key"]),
];

#[test]
fn every_filter_of_ec2_is_known() {
    let mut stage = Stage::new();
    let (_, subnet) = stage.vpc(alice(), "10.100.0.0/16");
    let image = "ami-00000000000000001";
    let run =
        format!("Action=RunInstances&ImageId={image}&MinCount=1&MaxCount=1&SubnetId={subnet}");
    stage.call(alice(), &run).unwrap();
    for (action, names) in FILTERS {
        for name in names.iter().chain(&["tag:Name", "tag-key"]) {
            if *action == "DescribeTags" && *name == "tag-key" {
                continue;
            }
            let form = format!("Action={action}&Filter.1.Name={name}&Filter.1.Value.1=none+has+it");
            let answer = stage.call(alice(), &form).unwrap_or_else(|e| panic!("{form}: {e:?}"));
            assert!(!answer.contains("<item>"), "{form}: {answer}");
        }
        let form = format!("Action={action}&Filter.1.Name=colour&Filter.1.Value.1=red");
        assert_eq!(stage.call(alice(), &form).unwrap_err().code, "InvalidParameterValue", "{form}");
    }
}

#[test]
fn filters_find_what_they_name() {
    let mut stage = Stage::new();
    let (vpc, subnet) = stage.vpc(alice(), "10.100.0.0/16");
    stage.vpc(alice(), "10.101.0.0/16");
    let image = "ami-00000000000000001";
    let run =
        format!("Action=RunInstances&ImageId={image}&MinCount=1&MaxCount=1&SubnetId={subnet}");
    stage.call(alice(), &run).unwrap();
    let table = stage.world.vpc(vpc.parse().unwrap()).unwrap().main_association.to_string();
    let block = stage.world.vpc(vpc.parse().unwrap()).unwrap().cidrs[0].id.to_string();
    let group = stage.world.vpc(vpc.parse().unwrap()).unwrap().default_group.to_string();
    for (action, name, value, expected) in [
        ("DescribeVpcs", "cidr-block-association.association-id", block.as_str(), 1),
        ("DescribeVpcs", "cidr", "10.10?.0.0/16", 2),
        ("DescribeVpcs", "is-default", "true", 0),
        ("DescribeSubnets", "available-ip-address-count", "250", 1),
        ("DescribeSubnets", "availability-zone-id", "use1-az1", 2),
        ("DescribeSubnets", "vpc-id", &vpc, 1),
        ("DescribeSubnets", "vpc-id", "vpc-*", 2),
        ("DescribeSubnets", "vpc-id", "nonsense", 0),
        ("DescribeRouteTables", "association.route-table-association-id", &table, 1),
        ("DescribeRouteTables", "route.destination-cidr-block", "10.101.0.0/16", 1),
        ("DescribeRouteTables", "route.gateway-id", "local", 2),
        ("DescribeSecurityGroups", "group-name", "default", 2),
        ("DescribeSecurityGroups", "ip-permission.group-id", &group, 1),
        ("DescribeSecurityGroups", "egress.ip-permission.cidr", "0.0.0.0/0", 2),
        ("DescribeSecurityGroupRules", "group-id", &group, 2),
        ("DescribeNetworkAcls", "association.subnet-id", &subnet, 1),
        ("DescribeNetworkAcls", "default", "true", 2),
        ("DescribeNetworkAcls", "entry.rule-number", "32767", 2),
        ("DescribeNetworkInterfaces", "subnet-id", &subnet, 1),
        ("DescribeNetworkInterfaces", "group-id", &group, 1),
        ("DescribeNetworkInterfaces", "addresses.private-ip-address", "10.100.1.4", 1),
    ] {
        let form = format!("Action={action}&Filter.1.Name={name}&Filter.1.Value.1={value}");
        let answer = stage.call(alice(), &form).unwrap();
        let json = aws::xml::to_json(&answer).unwrap();
        let lists = json.as_object().unwrap().values().find_map(serde_json::Value::as_array);
        assert_eq!(lists.map_or(0, Vec::len), expected, "{form}: {answer}");
    }
}

#[test]
fn pages_are_the_whole_in_order() {
    let mut stage = Stage::new();
    let mut made: Vec<String> =
        (0..12).map(|n| stage.vpc(alice(), &format!("10.{n}.0.0/16")).0).collect();
    made.sort();
    let mut form = "Action=DescribeVpcs&MaxResults=5".to_owned();
    let mut seen = Vec::new();
    loop {
        let json = aws::xml::to_json(&stage.call(alice(), &form).unwrap()).unwrap();
        let page = json["vpcSet"].as_array().unwrap();
        assert!(page.len() <= 5);
        seen.extend(page.iter().map(|vpc| vpc["vpcId"].as_str().unwrap().to_owned()));
        let Some(token) = json["nextToken"].as_str() else { break };
        form = format!("Action=DescribeVpcs&MaxResults=5&NextToken={token}");
    }
    assert_eq!(seen, made);
    assert_eq!(stage.call(bob(), "Action=DescribeVpcs").unwrap().matches("<item>").count(), 0);
}
