//! Lists are in the order of creation, as a whole and page by page, whatever the ids are. What was
//! created at the same moment is in the order of ids.

use aws::xml::to_json;

use super::stage::{Stage, alice};

/// Some resources of one kind, and the list that has them.
struct Kind {
    /// The request for the list.
    form: String,
    /// The list in the answer.
    set: &'static str,
    /// The JSON pointer to the id of an item.
    id: &'static str,
    /// How many others the list has, which are older.
    others: usize,
    /// The ids, in the order of creation. Each sorts before all that were created earlier.
    made: Vec<String>,
}

/// The ids of a list, read in pages of `size` items.
fn listed(stage: &mut Stage, kind: &Kind, size: Option<usize>) -> Vec<String> {
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let page = size.map(|size| format!("&MaxResults={size}{token}")).unwrap_or_default();
        let answer = stage.call(alice(), &format!("{}{page}", kind.form)).unwrap();
        let answer = to_json(&answer).unwrap();
        let items = answer[kind.set].as_array().cloned().unwrap_or_default();
        let id =
            |item: &serde_json::Value| item.pointer(kind.id).unwrap().as_str().map(str::to_owned);
        found.extend(items.iter().map(|item| id(item).unwrap()));
        match answer["nextToken"].as_str() {
            Some(next) => token = format!("&NextToken={next}"),
            None => return found,
        }
    }
}

/// Seven resources of each kind but peerings, of which there are six. Each is so many hours younger
/// than the one before it.
fn seven_of_each(stage: &mut Stage, hours: u64) -> Vec<Kind> {
    let mut make = |form: &str, pointer: &str| {
        stage.pass(hours);
        stage.draw_smaller_ids();
        stage.get(alice(), form, pointer)
    };
    let block = |n: usize| format!("Action=CreateVpc&CidrBlock=10.{n}.0.0/16");
    let vpcs: Vec<_> = (0..7).map(|n| make(&block(n), "/vpc/vpcId")).collect();
    let vpc = vpcs[3].clone();
    let (mut subnets, mut peerings, mut groups, mut rules) = (vec![], vec![], vec![], vec![]);
    let (mut tables, mut acls, mut instances, mut lists) = (vec![], vec![], vec![], vec![]);
    for n in 0..7 {
        let form = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.3.{n}.0/24");
        subnets.push(make(&form, "/subnet/subnetId"));
        let peer = &vpcs[(n + 4) % 7];
        let form = format!("Action=CreateVpcPeeringConnection&VpcId={vpc}&PeerVpcId={peer}");
        if n != 6 {
            peerings.push(make(&form, "/vpcPeeringConnection/vpcPeeringConnectionId"));
        }
        let form =
            format!("Action=CreateSecurityGroup&VpcId={vpc}&GroupName=g{n}&GroupDescription=g");
        groups.push(make(&form, "/groupId"));
        let form = format!(
            "Action=AuthorizeSecurityGroupIngress&GroupId={}&IpPermissions.1.IpProtocol=tcp\
             &IpPermissions.1.FromPort={n}&IpPermissions.1.ToPort={n}\
             &IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8",
            groups[0]
        );
        rules.push(make(&form, "/securityGroupRuleSet/0/securityGroupRuleId"));
        let form = format!("Action=CreateRouteTable&VpcId={vpc}");
        tables.push(make(&form, "/routeTable/routeTableId"));
        let form = format!("Action=CreateNetworkAcl&VpcId={vpc}");
        acls.push(make(&form, "/networkAcl/networkAclId"));
        let form = format!(
            "Action=CreateManagedPrefixList&PrefixListName=l{n}&AddressFamily=IPv4&MaxEntries=1"
        );
        lists.push(make(&form, "/prefixList/prefixListId"));
        let subnet = &subnets[n];
        let form = format!(
            "Action=RunInstances&ImageId=ami-00000000000000001&MinCount=1&MaxCount=1\
             &SubnetId={subnet}"
        );
        instances.push(make(&form, "/instancesSet/0/instanceId"));
    }
    // Each instance has an interface.
    let own = "/reservationSet/0/instancesSet/0/networkInterfaceSet/0/networkInterfaceId";
    let describe = |id: &String| format!("Action=DescribeInstances&InstanceId.1={id}");
    let interfaces = instances.iter().map(|id| stage.get(alice(), &describe(id), own)).collect();
    let of = |action: &str, filter: &str, value: &str| {
        format!("Action=Describe{action}&Filter.1.Name={filter}&Filter.1.Value.1={value}")
    };
    let inside = |action: &str| of(action, "vpc-id", &vpc);
    let kind = |form, set, id, others, made| Kind { form, set, id, others, made };
    // Each VPC already has a group, a table and an ACL, and each group a rule.
    vec![
        kind("Action=DescribeVpcs".to_owned(), "vpcSet", "/vpcId", 0, vpcs),
        kind(inside("Subnets"), "subnetSet", "/subnetId", 0, subnets),
        kind(
            "Action=DescribeVpcPeeringConnections".to_owned(),
            "vpcPeeringConnectionSet",
            "/vpcPeeringConnectionId",
            0,
            peerings,
        ),
        kind(
            of("SecurityGroupRules", "group-id", &groups[0]),
            "securityGroupRuleSet",
            "/securityGroupRuleId",
            1,
            rules,
        ),
        kind(inside("SecurityGroups"), "securityGroupInfo", "/groupId", 1, groups),
        kind(inside("RouteTables"), "routeTableSet", "/routeTableId", 1, tables),
        kind(inside("NetworkAcls"), "networkAclSet", "/networkAclId", 1, acls),
        kind(
            "Action=DescribeManagedPrefixLists".to_owned(),
            "prefixListSet",
            "/prefixListId",
            0,
            lists,
        ),
        kind(
            inside("NetworkInterfaces"),
            "networkInterfaceSet",
            "/networkInterfaceId",
            0,
            interfaces,
        ),
        kind(
            "Action=DescribeInstances".to_owned(),
            "reservationSet",
            "/instancesSet/0/instanceId",
            0,
            instances,
        ),
    ]
}

#[test]
fn lists_come_in_the_order_of_creation() {
    let mut stage = Stage::new();
    for kind in seven_of_each(&mut stage, 1) {
        assert!(kind.made.iter().rev().is_sorted(), "the ids are against it: {}", kind.form);
        for size in [None, Some(5)] {
            let found = listed(&mut stage, &kind, size);
            assert_eq!(found[kind.others..], kind.made, "{}, pages of {size:?}", kind.form);
        }
    }
}

#[test]
fn what_was_created_at_the_same_moment_comes_in_the_order_of_ids() {
    let mut stage = Stage::new();
    for kind in seven_of_each(&mut stage, 0) {
        let mut expected = kind.made.clone();
        expected.sort_unstable();
        for size in [None, Some(5)] {
            let mut found = listed(&mut stage, &kind, size);
            assert!(found.is_sorted(), "{}, pages of {size:?}: {found:?}", kind.form);
            assert_eq!(found.len(), kind.others + expected.len());
            found.retain(|id| expected.contains(id));
            assert_eq!(found, expected, "{}, pages of {size:?}", kind.form);
        }
    }
}

#[test]
fn pages_go_on_where_they_were_whatever_comes_and_goes() {
    let mut stage = Stage::new();
    let make = |stage: &mut Stage| {
        stage.pass(1);
        stage.draw_smaller_ids();
        let pointer = "/internetGateway/internetGatewayId";
        stage.get(alice(), "Action=CreateInternetGateway", pointer)
    };
    let made: Vec<String> = (0..12).map(|_| make(&mut stage)).collect();
    assert!(made.iter().rev().is_sorted(), "the ids are against it");
    let page = |stage: &mut Stage, token: &str| {
        let form = format!("Action=DescribeInternetGateways&MaxResults=5{token}");
        let answer = to_json(&stage.call(alice(), &form).unwrap()).unwrap();
        let items = answer["internetGatewaySet"].as_array().unwrap().clone();
        let ids = items.iter().map(|item| item["internetGatewayId"].as_str().unwrap().to_owned());
        let next = answer["nextToken"].as_str().map(|token| format!("&NextToken={token}"));
        (ids.collect::<Vec<_>>(), next)
    };
    let (first, token) = page(&mut stage, "");
    assert_eq!(first, made[..5]);
    // The last one of the page goes, and one of the next page; another one comes.
    for gone in [&made[4], &made[6]] {
        let form = format!("Action=DeleteInternetGateway&InternetGatewayId={gone}");
        stage.call(alice(), &form).unwrap();
    }
    let last = make(&mut stage);
    let (second, token) = page(&mut stage, &token.unwrap());
    assert_eq!(second, [&made[5..6], &made[7..11]].concat());
    let (third, token) = page(&mut stage, &token.unwrap());
    assert_eq!(third, [made[11].clone(), last]);
    assert_eq!(token, None);
}
