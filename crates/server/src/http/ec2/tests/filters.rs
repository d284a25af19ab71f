//! Every filter that EC2 has for an action is accepted, even if no resource can match it.

use super::kit::{filled, kit};
use super::stage::{Stage, alice, bob};
use super::surface::SURFACE;
use crate::http::ec2::{ACTIONS, absent};

/// What the actions need beside filters.
pub(super) const NEEDED: [(&str, &str); 2] = [
    ("GetSecurityGroupsForVpc", "&VpcId={vpc}"),
    ("GetSubnetCidrReservations", "&SubnetId={subnet}"),
];

/// Filters of which EC2 takes nothing but ids.
pub(super) const IDS_ALONE: [(&str, &str); 1] = [("DescribeSecurityGroupRules", "group-id")];

/// The actions with filters, each with what else it needs, and its filters by botocore's model.
pub(super) fn filtered() -> impl Iterator<Item = (&'static str, String, &'static [&'static str])> {
    SURFACE.iter().filter_map(|entry| {
        let (action, filters) = (entry.action, entry.filters.as_deref()?);
        let more = NEEDED.iter().find(|(of, _)| *of == action).map_or("", |(_, more)| more);
        Some((action, format!("Action={action}{more}"), filters))
    })
}

fn is_here(action: &str) -> bool {
    ACTIONS.iter().any(|(_, name, _)| *name == action)
}

#[test]
fn every_filter_of_ec2_is_known_and_no_other() {
    let mut stage = Stage::new();
    let kit = kit(&mut stage, alice(), 1);
    let mut wrong = Vec::new();
    for (action, form, names) in filtered() {
        if !is_here(action) && !absent::is_read(action) {
            continue;
        }
        let tags: &[&str] = match action {
            "DescribeTags" => &["tag:Name"],
            _ if is_here(action) && names.contains(&"tag-key") => &["tag:Name", "tag-value"],
            _ => &[],
        };
        for name in names.iter().chain(tags) {
            let values: &[&str] = match IDS_ALONE.contains(&(action, *name)) {
                true => &["sg-0123456789abcdef0"],
                false => &["none+has+it", "n?ne+h*s+it"],
            };
            for value in values {
                let form = format!("{form}&Filter.1.Name={name}&Filter.1.Value.1={value}");
                match stage.call(alice(), &filled(&form, &kit)) {
                    Ok(answer) if !answer.contains("<item>") => {}
                    Ok(_) => wrong.push(format!("{action}: {name}={value} finds something")),
                    Err(error) if absent::is_read(action) && error.code.ends_with("NotFound") => {}
                    Err(error) => wrong.push(format!("{action}: {name}: {error:?}")),
                }
            }
        }
        if absent::takes_any_filter(action) {
            assert!(names.is_empty(), "{action}: EC2 names its filters");
            continue;
        }
        let form = format!("{form}&Filter.1.Name=colour&Filter.1.Value.1=red");
        match stage.call(alice(), &filled(&form, &kit)) {
            Err(error) if error.code == "InvalidParameterValue" => {}
            other => wrong.push(format!("{action}: an unknown filter: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
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
    let entry = "Action=CreateManagedPrefixList&PrefixListName=offices&AddressFamily=IPv4\
                 &MaxEntries=5&TagSpecification.1.ResourceType=prefix-list\
                 &TagSpecification.1.Tag.1.Key=Of&TagSpecification.1.Tag.1.Value=web";
    let list = stage.get(alice(), entry, "/prefixList/prefixListId");
    let rules = format!(
        "Action=AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=icmpv6\
         &IpPermissions.1.FromPort=128&IpPermissions.1.ToPort=-1\
         &IpPermissions.1.Ipv6Ranges.1.CidrIpv6=2001:db8::/32&IpPermissions.2.IpProtocol=-1\
         &IpPermissions.2.PrefixListIds.1.PrefixListId={list}"
    );
    stage.call(alice(), &rules).unwrap();
    let acl = stage.world.vpc(vpc.parse().unwrap()).unwrap().default_acl;
    let entry = format!(
        "Action=CreateNetworkAclEntry&NetworkAclId={acl}&Egress=true&RuleNumber=1&Protocol=17\
         &RuleAction=deny&Ipv6CidrBlock=::/0&PortRange.From=1&PortRange.To=2"
    );
    stage.call(alice(), &entry).unwrap();
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
        ("DescribeSecurityGroupRules", "group-id", &group, 4),
        ("DescribeSecurityGroups", "ip-permission.ipv6-cidr", "2001:db8:*", 1),
        ("DescribeSecurityGroups", "egress.ip-permission.ipv6-cidr", "*", 0),
        ("DescribeSecurityGroups", "ip-permission.protocol", "icmpv6", 1),
        ("DescribeSecurityGroups", "ip-permission.from-port", "128", 1),
        ("DescribeSecurityGroups", "ip-permission.prefix-list-id", &list, 1),
        ("DescribeManagedPrefixLists", "prefix-list-name", "off*", 1),
        ("DescribeManagedPrefixLists", "tag:Of", "web", 1),
        ("DescribeNetworkAcls", "entry.ipv6-cidr", "::/0", 1),
        ("DescribeNetworkAcls", "entry.protocol", "udp", 1),
        ("DescribeNetworkAcls", "entry.protocol", "17", 1),
        ("DescribeNetworkAcls", "association.subnet-id", &subnet, 1),
        ("DescribeNetworkAcls", "default", "true", 2),
        ("DescribeNetworkAcls", "entry.rule-number", "32767", 2),
        ("DescribeNetworkInterfaces", "subnet-id", &subnet, 1),
        ("DescribeNetworkInterfaces", "group-id", &group, 1),
        ("DescribeNetworkInterfaces", "addresses.private-ip-address", "10.100.1.4", 1),
        ("DescribeInstances", "network-interface.addresses.private-ip-address", "10.100.1.4", 1),
        ("DescribeInstances", "instance.group-id", &group, 1),
        ("DescribeInstances", "block-device-mapping.device-name", "/dev/xvda", 1),
        ("DescribeInstances", "root-device-type", "ebs", 1),
        ("DescribeInstances", "monitoring-state", "enabled", 0),
        ("DescribeVolumes", "attachment.device", "/dev/xvda", 1),
        ("DescribeVolumes", "size", "8", 1),
        ("DescribeImages", "owner-id", "136693071363", 12),
        ("DescribeImages", "hypervisor", "ovm", 0),
        ("DescribeImages", "creation-date", "2025-11-12*", 2),
        ("DescribeImages", "block-device-mapping.volume-type", "io2", 0),
        ("DescribeImages", "name", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*", 3),
        ("DescribeImages", "name", "al2023-ami-2023.*-x86_64", 3),
        ("DescribeImages", "name", "amzn2-ami-hvm-*-x86_64-gp2", 3),
        ("DescribeInstanceTypes", "instance-type", "t3.*", 7),
        ("DescribeInstanceTypes", "bare-metal", "true", 10),
        ("DescribeInstanceTypeOfferings", "instance-type", "t?.micro", 2),
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
