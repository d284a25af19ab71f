//! The answers of all actions.

use super::stage::{Stage, US, alice, bob, scope};

fn transcript(name: &str, stage: &Stage) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, stage.transcript());
    });
}

#[test]
fn vpcs() {
    let mut stage = Stage::new();
    let mut show = |form: &str| stage.show(alice(), form);
    show(
        "Action=CreateVpc&CidrBlock=10.100.0.0/16&InstanceTenancy=default\
         &TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=Name\
         &TagSpecification.1.Tag.1.Value=a+%3Cb%3E+%26+c",
    );
    let id = stage.world.vpcs().next().unwrap().id.to_string();
    let mut show = |form: &str| stage.show(alice(), &form.replace("VPC", &id));
    show("Action=AssociateVpcCidrBlock&VpcId=VPC&CidrBlock=10.101.0.0/16");
    show("Action=DescribeVpcs&VpcId.1=VPC");
    show("Action=ModifyVpcAttribute&VpcId=VPC&EnableDnsHostnames.Value=true");
    show("Action=DescribeVpcAttribute&VpcId=VPC&Attribute=enableDnsHostnames");
    show("Action=DescribeVpcAttribute&VpcId=VPC&Attribute=enableDnsSupport");
    show("Action=DescribeVpcAttribute&VpcId=VPC&Attribute=enableNetworkAddressUsageMetrics");
    let second = stage.world.vpcs().next().unwrap().cidrs[1].id;
    stage.show(alice(), &format!("Action=DisassociateVpcCidrBlock&AssociationId={second}"));
    stage.show(alice(), "Action=DescribeDhcpOptions");
    stage.show(bob(), "Action=DescribeVpcs");
    stage.show(scope("111111111111", "eu-west-1"), &format!("Action=DescribeVpcs&VpcId.1={id}"));
    stage.show(alice(), &format!("Action=DeleteVpc&VpcId={id}"));
    stage.show(alice(), "Action=DescribeVpcs");
    transcript("vpcs", &stage);
}

#[test]
fn subnets() {
    let mut stage = Stage::new();
    let vpc = stage.get(alice(), "Action=CreateVpc&CidrBlock=10.100.0.0/16", "/vpc/vpcId");
    stage.show(
        alice(),
        &format!(
            "Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.100.1.7/24&AvailabilityZone=us-east-1b"
        ),
    );
    stage.show(
        alice(),
        &format!("Action=DescribeSubnets&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}"),
    );
    let subnet = stage.world.subnets().next().unwrap().id;
    stage.show(alice(), &format!("Action=DeleteSubnet&SubnetId={subnet}"));
    transcript("subnets", &stage);
}

#[test]
fn route_tables() {
    let mut stage = Stage::new();
    let (mine, subnet) = stage.vpc(alice(), "10.100.0.0/16");
    let (theirs, _) = stage.vpc(bob(), "10.0.0.0/16");
    let pcx = stage.ask((alice(), &mine), (bob(), &theirs));
    stage.show(
        alice(),
        &format!("Action=CreateRouteTable&VpcId={mine}&ClientToken=once&TagSpecification.1.ResourceType=route-table&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=own"),
    );
    let again = format!("Action=CreateRouteTable&VpcId={mine}&ClientToken=once");
    assert_eq!(stage.call(alice(), &again).unwrap_err().code, "IdempotentParameterMismatch");
    let table = stage.world.route_tables().find(|t| !t.tags.is_empty()).unwrap().id;
    let main = stage.world.vpc(mine.parse().unwrap()).unwrap().main_route_table;
    stage.show(
        alice(),
        &format!("Action=AssociateRouteTable&RouteTableId={table}&SubnetId={subnet}"),
    );
    stage.show(
        alice(),
        &format!("Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock=10.0.0.0/16&VpcPeeringConnectionId={pcx}"),
    );
    let described = format!("Action=DescribeRouteTables&RouteTableId.1={table}");
    let state = "/routeTableSet/0/routeSet/1/state";
    assert_eq!(stage.get(alice(), &described, state), "blackhole");
    stage.accept(bob(), &pcx);
    stage.show(alice(), &described);
    stage.show(
        alice(),
        "Action=DescribeRouteTables&Filter.1.Name=association.main&Filter.1.Value.1=true",
    );
    stage.show(
        alice(),
        &format!("Action=ReplaceRoute&RouteTableId={table}&DestinationCidrBlock=10.0.0.0/16&VpcPeeringConnectionId={pcx}"),
    );
    let own = stage.world.subnet(subnet.parse().unwrap()).unwrap().route_table.unwrap().id;
    stage.show(
        alice(),
        &format!("Action=ReplaceRouteTableAssociation&AssociationId={own}&RouteTableId={main}"),
    );
    let own = stage.world.subnet(subnet.parse().unwrap()).unwrap().route_table.unwrap().id;
    stage.show(alice(), &format!("Action=DisassociateRouteTable&AssociationId={own}"));
    let of_vpc = stage.world.vpc(mine.parse().unwrap()).unwrap().main_association;
    stage.show(
        alice(),
        &format!("Action=ReplaceRouteTableAssociation&AssociationId={of_vpc}&RouteTableId={table}"),
    );
    stage.show(
        alice(),
        &format!("Action=DeleteRoute&RouteTableId={table}&DestinationCidrBlock=10.0.0.0/16"),
    );
    stage.show(alice(), &format!("Action=DeleteRouteTable&RouteTableId={main}"));
    transcript("route_tables", &stage);
}

#[test]
fn security_groups() {
    let mut stage = Stage::new();
    let (mine, _) = stage.vpc(alice(), "10.100.0.0/16");
    let (theirs, _) = stage.vpc(bob(), "10.0.0.0/16");
    let pcx = stage.ask((alice(), &mine), (bob(), &theirs));
    stage.accept(bob(), &pcx);
    stage.show(
        alice(),
        &format!(
            "Action=CreateSecurityGroup&GroupName=web&GroupDescription=for+the+web&VpcId={mine}"
        ),
    );
    let group = stage.world.groups().find(|g| &*g.name == "web").unwrap().id;
    let other = stage.world.vpc(theirs.parse().unwrap()).unwrap().default_group;
    let rules = format!(
        "GroupId={group}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=8000\
         &IpPermissions.1.ToPort=8000&IpPermissions.1.IpRanges.1.CidrIp=10.0.144.0/20\
         &IpPermissions.1.IpRanges.1.Description=dynos&IpPermissions.1.IpRanges.2.CidrIp=10.0.128.0/20\
         &IpPermissions.2.IpProtocol=icmp&IpPermissions.2.FromPort=8&IpPermissions.2.ToPort=-1\
         &IpPermissions.2.Groups.1.GroupId={other}&IpPermissions.2.Groups.1.UserId=222222222222\
         &IpPermissions.3.IpProtocol=-1&IpPermissions.3.Groups.1.GroupId={group}"
    );
    stage.show(alice(), &format!("Action=AuthorizeSecurityGroupIngress&{rules}"));
    stage.show(alice(), &format!("Action=DescribeSecurityGroups&GroupId.1={group}"));
    stage.show(
        alice(),
        &format!(
            "Action=DescribeSecurityGroupRules&Filter.1.Name=group-id&Filter.1.Value.1={group}"
        ),
    );
    stage.show(
        alice(),
        &format!("Action=AuthorizeSecurityGroupEgress&GroupId={group}&IpPermissions.1.IpProtocol=udp&IpPermissions.1.FromPort=53&IpPermissions.1.ToPort=53&IpPermissions.1.IpRanges.1.CidrIp=10.9.8.7/16"),
    );
    let terraform = "IpPermissions.1.IpProtocol=-1&IpPermissions.1.FromPort=0&IpPermissions.1.ToPort=0&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0";
    stage.show(alice(), &format!("Action=RevokeSecurityGroupEgress&GroupId={group}&{terraform}"));
    stage.show(alice(), &format!("Action=RevokeSecurityGroupIngress&{rules}"));
    stage.show(
        alice(),
        &format!("Action=AuthorizeSecurityGroupIngress&GroupId={group}&IpProtocol=tcp&FromPort=22&ToPort=22&CidrIp=0.0.0.0/0"),
    );
    let rule = *stage.world.group(group).unwrap().rules.keys().next_back().unwrap();
    stage.show(
        alice(),
        &format!("Action=RevokeSecurityGroupIngress&GroupId={group}&SecurityGroupRuleId.1={rule}"),
    );
    stage.show(alice(), &format!("Action=DeleteSecurityGroup&GroupId={group}"));
    transcript("security_groups", &stage);
}

#[test]
fn security_group_rules() {
    let mut stage = Stage::new();
    let (mine, _) = stage.vpc(alice(), "10.100.0.0/16");
    let group = stage.world.vpc(mine.parse().unwrap()).unwrap().default_group;
    let entry =
        "Action=CreateManagedPrefixList&PrefixListName=offices&AddressFamily=IPv6&MaxEntries=5";
    let list = stage.get(alice(), entry, "/prefixList/prefixListId");
    // Terraform takes the rule away that a group of a VPC with IPv6 would have.
    let all6 = "IpPermissions.1.IpProtocol=-1&IpPermissions.1.FromPort=0&IpPermissions.1.ToPort=0&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0";
    stage.show(alice(), &format!("Action=RevokeSecurityGroupEgress&GroupId={group}&{all6}"));
    let rules = format!(
        "GroupId={group}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=443\
         &IpPermissions.1.ToPort=443&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=2001:DB8:0:0::1/32\
         &IpPermissions.1.Ipv6Ranges.1.Description=all+of+it\
         &IpPermissions.1.PrefixListIds.1.PrefixListId={list}\
         &IpPermissions.1.PrefixListIds.1.Description=offices\
         &IpPermissions.2.IpProtocol=58&IpPermissions.2.FromPort=128&IpPermissions.2.ToPort=-1\
         &IpPermissions.2.Ipv6Ranges.1.CidrIpv6=::/0"
    );
    stage.show(
        alice(),
        &format!(
            "Action=AuthorizeSecurityGroupIngress&{rules}\
             &TagSpecification.1.ResourceType=security-group-rule\
             &TagSpecification.1.Tag.1.Key=Of&TagSpecification.1.Tag.1.Value=web"
        ),
    );
    stage.show(alice(), &format!("Action=AuthorizeSecurityGroupIngress&{rules}"));
    stage.show(alice(), &format!("Action=DescribeSecurityGroups&GroupId.1={group}"));
    let ids: Vec<_> = stage.world.group(group).unwrap().rules.keys().copied().collect();
    let [.., tls, of_list, echo] = ids.as_slice() else { panic!("{ids:?}") };
    stage.show(
        alice(),
        &format!(
            "Action=ModifySecurityGroupRules&GroupId={group}\
             &SecurityGroupRule.1.SecurityGroupRuleId={tls}\
             &SecurityGroupRule.1.SecurityGroupRule.IpProtocol=tcp\
             &SecurityGroupRule.1.SecurityGroupRule.FromPort=8443\
             &SecurityGroupRule.1.SecurityGroupRule.ToPort=8443\
             &SecurityGroupRule.1.SecurityGroupRule.CidrIpv6=2001:db8::/40\
             &SecurityGroupRule.1.SecurityGroupRule.Description=a+part"
        ),
    );
    stage.show(
        alice(),
        &format!(
            "Action=ModifySecurityGroupRules&GroupId={group}\
             &SecurityGroupRule.1.SecurityGroupRuleId={tls}\
             &SecurityGroupRule.1.SecurityGroupRule.IpProtocol=-1\
             &SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.0.0.0/8"
        ),
    );
    stage.show(
        alice(),
        &format!(
            "Action=UpdateSecurityGroupRuleDescriptionsIngress&GroupId={group}\
             &SecurityGroupRuleDescription.1.SecurityGroupRuleId={echo}\
             &SecurityGroupRuleDescription.1.Description=ping"
        ),
    );
    stage.show(
        alice(),
        &format!(
            "Action=UpdateSecurityGroupRuleDescriptionsIngress&GroupId={group}\
             &IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=443\
             &IpPermissions.1.ToPort=443&IpPermissions.1.PrefixListIds.1.PrefixListId={list}"
        ),
    );
    stage.show(
        alice(),
        &format!(
            "Action=DescribeSecurityGroupRules&SecurityGroupRuleId.1={tls}\
             &SecurityGroupRuleId.2={of_list}&SecurityGroupRuleId.3={echo}"
        ),
    );
    stage.show(
        alice(),
        "Action=DescribeSecurityGroupRules&SecurityGroupRuleId.1=sgr-0000000000000aaaa\
         &SecurityGroupRuleId.2=sgr-0000000000000bbbb",
    );
    stage.show(
        alice(),
        &format!(
            "Action=RevokeSecurityGroupIngress&GroupId={group}&SecurityGroupRuleId.1={tls}\
             &SecurityGroupRuleId.2={of_list}"
        ),
    );
    let alone = format!("GroupId={group}&SourceSecurityGroupName=default");
    stage.show(alice(), &format!("Action=AuthorizeSecurityGroupIngress&{alone}"));
    stage.show(alice(), &format!("Action=RevokeSecurityGroupIngress&{alone}"));
    let default = model::Vpc {
        is_default: true,
        ..model::Vpc::clone(stage.world.vpc(mine.parse().unwrap()).unwrap())
    };
    stage.world.apply(&model::Change::Put(default.into()));
    stage.show(alice(), &format!("Action=RevokeSecurityGroupEgress&GroupId={group}&{all6}"));
    stage.show(alice(), &format!("Action=RevokeSecurityGroupIngress&{alone}"));
    transcript("security_group_rules", &stage);
}

#[test]
fn references_between_groups() {
    let mut stage = Stage::new();
    let (mine, _) = stage.vpc(alice(), "10.100.0.0/16");
    let (theirs, _) = stage.vpc(bob(), "10.0.0.0/16");
    let pcx = stage.ask((alice(), &mine), (bob(), &theirs));
    stage.accept(bob(), &pcx);
    let [own, other] =
        [&mine, &theirs].map(|id| stage.world.vpc(id.parse().unwrap()).unwrap().default_group);
    stage
        .call(
            alice(),
            &format!(
                "Action=AuthorizeSecurityGroupIngress&GroupId={own}&IpPermissions.1.IpProtocol=tcp\
             &IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80\
             &IpPermissions.1.Groups.1.GroupId={other}&IpPermissions.1.Groups.1.UserId=222222222222\
             &IpPermissions.1.Groups.1.Description=them"
            ),
        )
        .unwrap();
    stage.show(bob(), &format!("Action=DescribeSecurityGroupReferences&GroupId.1={other}"));
    stage.show(alice(), &format!("Action=DescribeSecurityGroupReferences&GroupId.1={own}"));
    stage.show(alice(), &format!("Action=DescribeStaleSecurityGroups&VpcId={mine}"));
    stage
        .call(alice(), &format!("Action=DeleteVpcPeeringConnection&VpcPeeringConnectionId={pcx}"))
        .unwrap();
    stage.show(bob(), &format!("Action=DescribeSecurityGroupReferences&GroupId.1={other}"));
    stage.show(alice(), &format!("Action=DescribeStaleSecurityGroups&VpcId={mine}"));
    stage.show(
        alice(),
        &format!(
            "Action=GetSecurityGroupsForVpc&VpcId={mine}&Filter.1.Name=group-name\
             &Filter.1.Value.1=def*"
        ),
    );
    stage.show(alice(), &format!("Action=GetSecurityGroupsForVpc&VpcId={theirs}"));
    stage.show(
        alice(),
        "Action=DescribeSecurityGroupVpcAssociations&Filter.1.Name=state&Filter.1.Value.1=associated",
    );
    transcript("group_references", &stage);
}

#[test]
fn prefix_lists() {
    let mut stage = Stage::new();
    let (mine, _) = stage.vpc(alice(), "10.100.0.0/16");
    let (theirs, _) = stage.vpc(bob(), "10.0.0.0/16");
    let pcx = stage.ask((alice(), &mine), (bob(), &theirs));
    stage.show(
        alice(),
        "Action=CreateManagedPrefixList&PrefixListName=offices&AddressFamily=IPv4&MaxEntries=3\
         &Entry.1.Cidr=10.0.1.9/24&Entry.1.Description=north&Entry.2.Cidr=10.0.2.0/24\
         &ClientToken=once&TagSpecification.1.ResourceType=prefix-list\
         &TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=o",
    );
    let id = stage.world.prefix_lists().next().unwrap().id;
    let vpc = stage.world.vpc(mine.parse().unwrap()).unwrap();
    let (table, group) = (vpc.main_route_table, vpc.default_group);
    let mut show =
        |form: &str| stage.show(alice(), &form.replace("~", &format!("PrefixListId={id}")));
    show(
        "Action=ModifyManagedPrefixList&~&CurrentVersion=1&AddEntry.1.Cidr=10.0.3.0/24&RemoveEntry.1.Cidr=10.0.2.0/24",
    );
    show("Action=ModifyManagedPrefixList&~&CurrentVersion=1&AddEntry.1.Cidr=10.0.4.0/24");
    show("Action=ModifyManagedPrefixList&~&MaxEntries=4&AddEntry.1.Cidr=10.0.4.0/24");
    show("Action=ModifyManagedPrefixList&~&PrefixListName=branches&MaxEntries=61");
    show(&format!("Action=DescribeManagedPrefixLists&PrefixListId.1={id}"));
    show("Action=GetManagedPrefixListEntries&~&MaxResults=1");
    show("Action=GetManagedPrefixListEntries&~&TargetVersion=1");
    show("Action=GetManagedPrefixListEntries&~&TargetVersion=3");
    show(&format!(
        "Action=CreateRoute&RouteTableId={table}&DestinationPrefixListId={id}\
         &VpcPeeringConnectionId={pcx}"
    ));
    show(&format!(
        "Action=DescribeRouteTables&Filter.1.Name=route.destination-prefix-list-id\
         &Filter.1.Value.1={id}"
    ));
    show(&format!(
        "Action=AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1\
         &IpPermissions.1.PrefixListIds.1.PrefixListId={id}"
    ));
    show("Action=ModifyManagedPrefixList&~&MaxEntries=3");
    show(&format!(
        "Action=AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1\
         &IpPermissions.1.PrefixListIds.1.PrefixListId={id}"
    ));
    show("Action=ModifyManagedPrefixList&~&MaxEntries=61");
    show(&format!("Action=DescribeManagedPrefixLists&PrefixListId.1={id}"));
    show("Action=GetManagedPrefixListAssociations&~");
    show("Action=DeleteManagedPrefixList&~");
    show("Action=RestoreManagedPrefixListVersion&~&PreviousVersion=1&CurrentVersion=2");
    show("Action=DescribeManagedPrefixLists&Filter.1.Name=prefix-list-name&Filter.1.Value.1=br*");
    show(&format!("Action=DeleteRoute&RouteTableId={table}&DestinationPrefixListId={id}"));
    show(&format!(
        "Action=RevokeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=-1\
         &IpPermissions.1.PrefixListIds.1.PrefixListId={id}"
    ));
    show("Action=DescribeTags&Filter.1.Name=resource-type&Filter.1.Value.1=prefix-list");
    show("Action=DeleteManagedPrefixList&~");
    show("Action=GetManagedPrefixListEntries&~");
    show("Action=DescribePrefixLists");
    transcript("prefix_lists", &stage);
}

#[test]
fn network_acls() {
    let mut stage = Stage::new();
    let (vpc, subnet) = stage.vpc(alice(), "10.100.0.0/16");
    stage.show(
        alice(),
        &format!("Action=DescribeNetworkAcls&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}"),
    );
    stage.show(alice(), &format!("Action=CreateNetworkAcl&VpcId={vpc}&ClientToken=t1"));
    let acl = stage.world.acls().find(|acl| !acl.is_default).unwrap().id;
    for entry in [
        "RuleNumber=100&Protocol=6&RuleAction=allow&Egress=false&CidrBlock=10.0.0.0/16&PortRange.From=8000&PortRange.To=8001",
        "RuleNumber=110&Protocol=1&RuleAction=deny&Egress=true&CidrBlock=0.0.0.0/0&Icmp.Type=-1&Icmp.Code=-1",
        "RuleNumber=120&Protocol=-1&RuleAction=allow&Egress=true&CidrBlock=0.0.0.0/0",
        "RuleNumber=130&Protocol=tcp&RuleAction=allow&Egress=true&CidrBlock=0.0.0.0/0&PortRange.From=1&PortRange.To=2",
        "RuleNumber=130&Protocol=58&RuleAction=allow&Egress=true&Ipv6CidrBlock=2001:DB8:0::1/32&Icmp.Type=128&Icmp.Code=-1",
        "RuleNumber=140&Protocol=58&RuleAction=allow&Egress=true&Ipv6CidrBlock=::/0",
        "RuleNumber=140&Protocol=58&RuleAction=allow&Egress=true&CidrBlock=0.0.0.0/0",
    ] {
        stage.show(alice(), &format!("Action=CreateNetworkAclEntry&NetworkAclId={acl}&{entry}"));
    }
    stage.show(
        alice(),
        &format!("Action=ReplaceNetworkAclEntry&NetworkAclId={acl}&RuleNumber=100&Protocol=17&RuleAction=allow&Egress=false&CidrBlock=10.0.0.0/16&PortRange.From=53&PortRange.To=53"),
    );
    let association = stage.world.subnet(subnet.parse().unwrap()).unwrap().acl_association;
    stage.show(
        alice(),
        &format!(
            "Action=ReplaceNetworkAclAssociation&AssociationId={association}&NetworkAclId={acl}"
        ),
    );
    stage.show(alice(), &format!("Action=DescribeNetworkAcls&NetworkAclId.1={acl}"));
    stage.show(
        alice(),
        &format!("Action=DeleteNetworkAclEntry&NetworkAclId={acl}&RuleNumber=110&Egress=true"),
    );
    stage.show(alice(), &format!("Action=DeleteNetworkAcl&NetworkAclId={acl}"));
    stage.call(alice(), &format!("Action=DeleteSubnet&SubnetId={subnet}")).unwrap();
    stage.show(alice(), &format!("Action=DeleteNetworkAcl&NetworkAclId={acl}"));
    transcript("network_acls", &stage);
}

#[test]
fn instances() {
    let mut stage = Stage::new();
    let (_, subnet) = stage.vpc(alice(), "10.100.0.0/16");
    let run = format!(
        "Action=RunInstances&ImageId=ami-00000000000000001&MinCount=1&MaxCount=2&SubnetId={subnet}\
         &KeyName=key&UserData=IyEvYmluL3NoCg%3D%3D&ClientToken=t2\
         &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=Name\
         &TagSpecification.1.Tag.1.Value=web&TagSpecification.2.ResourceType=network-interface\
         &TagSpecification.2.Tag.1.Key=Of&TagSpecification.2.Tag.1.Value=web"
    );
    let key = "Action=CreateKeyPair&KeyName=key&KeyType=ed25519";
    stage.call(alice(), key).unwrap();
    stage.show(alice(), &run);
    let count = stage.world.instances().count();
    stage.call(alice(), &run).unwrap();
    assert_eq!(stage.world.instances().count(), count, "the same token is the same request");
    let [first, second] = [0, 1].map(|n| stage.world.instances().nth(n).unwrap().id);
    stage.observe(model::Observation {
        workloads: [(model::WorkloadId::Instance(first), model::WorkloadReport::Running)].into(),
        ..Default::default()
    });
    stage.show(alice(), &format!("Action=DescribeInstances&InstanceId.1={first}"));
    stage.show(alice(), "Action=DescribeNetworkInterfaces");
    stage.show(alice(), &format!("Action=GetConsoleOutput&InstanceId={first}"));
    stage.show(
        alice(),
        &format!("Action=TerminateInstances&InstanceId.1={second}&InstanceId.2={first}"),
    );
    let ended = model::WorkloadReport::Ended(model::Exit::Code(0));
    for report in [ended, model::WorkloadReport::Gone] {
        stage.observe(model::Observation {
            workloads: [(model::WorkloadId::Instance(first), report)].into(),
            ..Default::default()
        });
    }
    stage.show(
        alice(),
        "Action=DescribeInstances&Filter.1.Name=instance-state-name&Filter.1.Value.1=terminated",
    );
    transcript("instances", &stage);
}

/// A VPC with a subnet whose internet gateway is attached.
pub(super) fn open_vpc(stage: &mut Stage) -> (String, String) {
    let (vpc, subnet) = stage.vpc(alice(), "10.100.0.0/16");
    let id = "igw-0000000000000abcd".parse().unwrap();
    let model::Scope { account, region } = alice();
    let gateway = model::InternetGateway {
        id,
        account,
        region,
        vpc: vpc.parse().ok(),
        tags: model::Tags::new(),
        created: Default::default(),
    };
    stage.world.apply(&model::Change::Put(gateway.into()));
    (vpc, subnet)
}

#[test]
fn elastic_ips() {
    let mut stage = Stage::new();
    let (vpc, subnet) = open_vpc(&mut stage);
    stage.show(
        alice(),
        "Action=AllocateAddress&Domain=vpc&NetworkBorderGroup=us-east-1\
         &TagSpecification.1.ResourceType=elastic-ip&TagSpecification.1.Tag.1.Key=Name\
         &TagSpecification.1.Tag.1.Value=front",
    );
    let elastic = stage.world.elastic_ips().next().unwrap().clone();
    stage.call(alice(), "Action=AllocateAddress").unwrap();
    stage
        .call(
            alice(),
            &format!("Action=ModifyVpcAttribute&VpcId={vpc}&EnableDnsHostnames.Value=true"),
        )
        .unwrap();
    let run = format!(
        "Action=RunInstances&ImageId=ami-00000000000000001&MinCount=1&MaxCount=1\
         &NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={subnet}\
         &NetworkInterface.1.AssociatePublicIpAddress=true"
    );
    let instance = stage.get(alice(), &run, "/instancesSet/0/instanceId");
    stage.show(alice(), "Action=DescribeNetworkInterfaces");
    let (id, address) = (elastic.id, elastic.address);
    let of = format!("Action=AssociateAddress&AllocationId={id}");
    stage.show(alice(), &format!("{of}&InstanceId={instance}&AllowReassociation=true"));
    stage.show(alice(), &format!("Action=DescribeAddresses&AllocationId.1={id}"));
    stage.show(alice(), &format!("Action=DescribeAddresses&PublicIp.1={address}"));
    stage.show(alice(), &format!("Action=DescribeInstances&InstanceId.1={instance}"));
    stage.show(alice(), "Action=DescribeNetworkInterfaces");
    stage.show(
        alice(),
        &format!("Action=DescribeAddressesAttribute&AllocationId.1={id}&Attribute=domain-name"),
    );
    stage.show(alice(), &format!("Action=ReleaseAddress&AllocationId={id}"));
    let association = stage.world.elastic_ip(id).unwrap().association.unwrap().id;
    stage.show(alice(), &format!("Action=DisassociateAddress&AssociationId={association}"));
    stage.show(alice(), &format!("Action=DisassociateAddress&AssociationId={association}"));
    stage.show(alice(), &format!("Action=ReleaseAddress&PublicIp={address}"));
    stage.show(alice(), &format!("Action=DescribeAddresses&PublicIp.1={address}"));
    stage.show(alice(), &format!("Action=DescribeAddresses&AllocationId.1={id}"));
    stage.show(alice(), &of);
    stage.show(bob(), "Action=DescribeAddresses");
    transcript("elastic_ips", &stage);
}

#[test]
fn nat_gateways() {
    let mut stage = Stage::new();
    let (vpc, subnet) = open_vpc(&mut stage);
    let allocation = stage.get(alice(), "Action=AllocateAddress", "/allocationId");
    let create = format!(
        "Action=CreateNatGateway&SubnetId={subnet}&AllocationId={allocation}&ClientToken=once\
         &TagSpecification.1.ResourceType=natgateway&TagSpecification.1.Tag.1.Key=Name\
         &TagSpecification.1.Tag.1.Value=out"
    );
    stage.show(alice(), &create);
    let id = stage.world.nat_gateways().next().unwrap().id;
    stage.pass(1);
    stage.show(alice(), &format!("Action=DescribeNatGateways&NatGatewayId.1={id}"));
    stage.show(alice(), "Action=DescribeNetworkInterfaces&Filter.1.Name=interface-type&Filter.1.Value.1=nat_gateway");
    let table = stage.world.vpc(vpc.parse().unwrap()).unwrap().main_route_table;
    stage.show(alice(), &format!("Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&NatGatewayId={id}"));
    stage.show(
        alice(),
        &format!(
            "Action=DescribeRouteTables&Filter.1.Name=route.nat-gateway-id&Filter.1.Value.1={id}"
        ),
    );
    stage.show(alice(), &format!("Action=DeleteNatGateway&NatGatewayId={id}"));
    stage.pass(0);
    stage.show(
        alice(),
        &format!("Action=DescribeNatGateways&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}"),
    );
    let state = format!("Action=DescribeRouteTables&RouteTableId.1={table}");
    assert_eq!(stage.get(alice(), &state, "/routeTableSet/0/routeSet/1/state"), "blackhole");
    stage.show(alice(), "Action=DescribeNatGateways&NatGatewayId.1=nat-00000000000000fff");
    stage.show(alice(), "Action=DeleteNatGateway&NatGatewayId=nat-xyz");
    stage.show(alice(), &format!("Action=CreateNatGateway&SubnetId={subnet}&ConnectivityType=private&PrivateIpAddress=10.100.1.77"));
    transcript("nat_gateways", &stage);
}

#[test]
fn what_clients_send_with_an_instance_is_read() {
    let mut stage = Stage::new();
    let (vpc, subnet) = stage.vpc(alice(), "10.100.0.0/16");
    let group = stage.world.vpc(vpc.parse().unwrap()).unwrap().default_group;
    let form = format!(
        "Action=RunInstances&ImageId=ami-00000000000000001&MinCount=1&MaxCount=1\
         &Monitoring.Enabled=false&MetadataOptions.HttpTokens=required\
         &NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={subnet}\
         &NetworkInterface.1.SecurityGroupId.1={group}\
         &NetworkInterface.1.AssociatePublicIpAddress=false\
         &NetworkInterface.1.PrivateIpAddresses.1.Primary=true\
         &NetworkInterface.1.PrivateIpAddresses.1.PrivateIpAddress=10.100.1.9\
         &TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=a\
         &TagSpecification.1.Tag.1.Value=b"
    );
    let address = "/instancesSet/0/privateIpAddress";
    assert_eq!(stage.get(alice(), &form, address), "10.100.1.9");
}

#[test]
fn tags() {
    let mut stage = Stage::new();
    let (vpc, subnet) = stage.vpc(alice(), "10.100.0.0/16");
    stage.show(
        alice(),
        &format!("Action=CreateTags&ResourceId.1={vpc}&ResourceId.2={subnet}&Tag.1.Key=Name&Tag.1.Value=x&Tag.2.Key=Stage&Tag.2.Value="),
    );
    stage.show(alice(), "Action=DescribeTags");
    stage.show(alice(), "Action=DescribeTags&Filter.1.Name=resource-type&Filter.1.Value.1=subnet&Filter.2.Name=key&Filter.2.Value.1=N*");
    assert_eq!(
        stage.get(
            alice(),
            "Action=DescribeTags&Filter.1.Name=tag:Name&Filter.1.Value.1=x",
            "/tagSet/1/value"
        ),
        "x"
    );
    stage.show(alice(), &format!("Action=DeleteTags&ResourceId.1={vpc}&Tag.1.Key=Name"));
    stage.show(bob(), "Action=DescribeTags");
    transcript("tags", &stage);
}

#[test]
fn what_there_is_to_choose_from() {
    let mut stage = Stage::new();
    let ensure = model::IdentityCommand::SetUp {
        region: US.parse().unwrap(),
        emulator: true,
        instance: "test".into(),
    };
    let mut empty = Stage::new();
    empty.world = model::World::default();
    empty.decide(model::Caller::System, ensure);
    let zone =
        model::IdentityCommand::EnsureAccount { id: alice().account, region: alice().region };
    empty.decide(model::Caller::System, zone);
    for form in [
        "Action=DescribeInternetGateways",
        "Action=DescribeDhcpOptions",
        "Action=DescribeAccountAttributes",
        "Action=DescribeImages&Owner.1=amazon&ImageId.1=host",
        "Action=DescribeImages&ImageId.1=ami-0123456789abcdef0",
        "Action=GetCallerIdentity",
        "Action=GetUser",
        "Action=ListAccountAliases",
        "Action=DescribeSecurityGroups&GroupName.1=default",
    ] {
        empty.show(alice(), form);
    }
    for form in [
        "Action=DescribeRegions&RegionName.1=us-east-1",
        "Action=DescribeAvailabilityZones&Filter.1.Name=zone-name&Filter.1.Value.1=us-east-1a",
        "Action=DescribeInstanceTypes&InstanceType.1=t3.micro",
    ] {
        empty.show(alice(), form);
    }
    transcript("catalog", &empty);
    assert_eq!(
        stage.call(alice(), "Action=DescribeInternetGateways").unwrap().matches("<item>").count(),
        0
    );
}

/// What Terraform and Ansible read of an instance before and after each change.
#[test]
fn what_tools_read_of_an_instance() {
    let mut stage = Stage::new();
    let (_, subnet) = stage.vpc(alice(), "10.100.0.0/16");
    let run = format!(
        "Action=RunInstances&ImageId=debian-12-amd64-20251112-2294&MinCount=1&MaxCount=1\
         &SubnetId={subnet}&InstanceType=m5.large&DisableApiTermination=true&Monitoring.Enabled=true\
         &InstanceInitiatedShutdownBehavior=terminate&MetadataOptions.HttpTokens=required\
         &BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.Ebs.VolumeSize=20\
         &BlockDeviceMapping.1.Ebs.VolumeType=gp3&TagSpecification.1.ResourceType=volume\
         &TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=root"
    );
    let id = stage.get(alice(), &run, "/instancesSet/0/instanceId");
    stage.observe(model::Observation {
        workloads: [(
            model::WorkloadId::Instance(id.parse().unwrap()),
            model::WorkloadReport::Running,
        )]
        .into(),
        ..Default::default()
    });
    stage.show(alice(), &format!("Action=DescribeInstances&InstanceId.1={id}"));
    stage.show(alice(), "Action=DescribeVolumes");
    stage.show(alice(), &format!("Action=DescribeInstanceStatus&InstanceId.1={id}"));
    stage.show(alice(), "Action=DescribeIamInstanceProfileAssociations");
    for attribute in [
        "instanceType",
        "kernel",
        "ramdisk",
        "userData",
        "disableApiTermination",
        "disableApiStop",
        "instanceInitiatedShutdownBehavior",
        "rootDeviceName",
        "blockDeviceMapping",
        "productCodes",
        "sourceDestCheck",
        "groupSet",
        "ebsOptimized",
        "sriovNetSupport",
        "enaSupport",
        "enclaveOptions",
        "colour",
    ] {
        let form =
            format!("Action=DescribeInstanceAttribute&InstanceId={id}&Attribute={attribute}");
        stage.show(alice(), &form);
    }
    for form in [
        "Action=DescribeInstanceCreditSpecifications&InstanceId.1=~",
        "Action=TerminateInstances&InstanceId.1=~",
        "Action=StopInstances&InstanceId.1=~",
        "Action=DescribeInstances&Filter.1.Name=instance-state-name&Filter.1.Value.1=stopping",
        "Action=ModifyInstanceAttribute&InstanceId=~&DisableApiTermination.Value=false&EbsOptimized.Value=true",
        "Action=ModifyInstanceAttribute&InstanceId=~&Attribute=disableApiTermination&Value=false",
        "Action=ModifyInstanceMetadataOptions&InstanceId=~&HttpPutResponseHopLimit=2",
        "Action=MonitorInstances&InstanceId.1=~",
    ] {
        stage.show(alice(), &form.replace('~', &id));
    }
    let names = "Action=DescribeInstanceTypeOfferings&LocationType=availability-zone";
    let one = "&Filter.1.Name=instance-type&Filter.1.Value.1=t3.micro\
               &Filter.2.Name=location&Filter.2.Value.1=us-east-1a";
    stage.show(alice(), &format!("{names}{one}"));
    stage.show(alice(), "Action=DescribeTags&Filter.1.Name=resource-type&Filter.1.Value.1=volume");
    transcript("instance_reads", &stage);
}

#[test]
fn interfaces() {
    let mut stage = Stage::new();
    let (_, subnet) = stage.vpc(alice(), "10.100.0.0/16");
    let run = format!("Action=RunInstances&ImageId=host&MinCount=1&MaxCount=1&SubnetId={subnet}");
    let id = stage.get(alice(), &run, "/instancesSet/0/instanceId");
    stage.observe(model::Observation {
        workloads: [(
            model::WorkloadId::Instance(id.parse().unwrap()),
            model::WorkloadReport::Running,
        )]
        .into(),
        ..Default::default()
    });
    stage.show(
        alice(),
        &format!(
            "Action=CreateNetworkInterface&SubnetId={subnet}&Description=second\
             &PrivateIpAddresses.1.PrivateIpAddress=10.100.1.50&PrivateIpAddresses.1.Primary=true\
             &PrivateIpAddresses.2.PrivateIpAddress=10.100.1.51&ClientToken=once\
             &TagSpecification.1.ResourceType=network-interface\
             &TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=two"
        ),
    );
    let free = "Action=DescribeNetworkInterfaces&Filter.1.Name=status&Filter.1.Value.1=available";
    let eni = stage.get(alice(), free, "/networkInterfaceSet/0/networkInterfaceId");
    let attach = format!(
        "Action=AttachNetworkInterface&NetworkInterfaceId={eni}&InstanceId={id}&DeviceIndex=1"
    );
    stage.show(alice(), &attach);
    for form in [
        "Action=DescribeNetworkInterfaceAttribute&NetworkInterfaceId=~&Attribute=attachment",
        "Action=DescribeNetworkInterfaceAttribute&NetworkInterfaceId=~&Attribute=groupSet",
        "Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=~&SourceDestCheck.Value=false",
        "Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=~&SourceDestCheck.Value=false&Description.Value=x",
        "Action=UnassignPrivateIpAddresses&NetworkInterfaceId=~&PrivateIpAddress.1=10.100.1.51",
        "Action=AssignPrivateIpAddresses&NetworkInterfaceId=~&SecondaryPrivateIpAddressCount=1",
        "Action=DeleteNetworkInterface&NetworkInterfaceId=~",
    ] {
        stage.show(alice(), &form.replace('~', &eni));
    }
    stage.show(alice(), &format!("Action=DescribeInstances&InstanceId.1={id}"));
    transcript("interfaces", &stage);
}

#[test]
fn key_pairs() {
    let mut stage = Stage::new();
    let material = "c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSU1UbExRZitKREtnTzRubGlKMGV1L2JVOEFVT2k4N3FzR1Q5alY0eGdueGMgYWRhQGV4YW1wbGUuY29t";
    for form in [
        &format!("Action=ImportKeyPair&KeyName=ada&PublicKeyMaterial={material}"),
        "Action=ImportKeyPair&KeyName=bad&PublicKeyMaterial=c3NoLXJzYQ%3D%3D",
        "Action=DescribeKeyPairs&IncludePublicKey=true&Filter.1.Name=key-name&Filter.1.Value.1=a*",
        "Action=CreateKeyPair&KeyName=new&KeyType=dsa",
        "Action=DeleteKeyPair&KeyName=ada",
        "Action=DeleteKeyPair&KeyName=ada",
    ] {
        stage.show(alice(), form);
    }
    transcript("key_pairs", &stage);
}
