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

#[test]
fn internet_gateways() {
    let mut stage = Stage::new();
    let (vpc, _) = stage.vpc(alice(), "10.100.0.0/16");
    let (second, _) = stage.vpc(alice(), "10.101.0.0/16");
    stage.show(
        alice(),
        "Action=CreateInternetGateway&TagSpecification.1.ResourceType=internet-gateway\
         &TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=out",
    );
    let igw = stage.world.gateways().next().unwrap().id;
    let other =
        stage.get(alice(), "Action=CreateInternetGateway", "/internetGateway/internetGatewayId");
    let on = |action: &str, igw: &dyn std::fmt::Display, vpc: &str| {
        format!("Action={action}InternetGateway&InternetGatewayId={igw}&VpcId={vpc}")
    };
    stage.show(alice(), &on("Detach", &igw, &vpc));
    stage.show(alice(), &on("Attach", &igw, &vpc));
    stage.show(alice(), &on("Attach", &igw, &second));
    stage.show(alice(), &on("Attach", &other, &vpc));
    stage.show(bob(), &on("Attach", &igw, &vpc));
    let table = stage.world.vpc(vpc.parse().unwrap()).unwrap().main_route_table;
    let route = format!("RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&GatewayId");
    stage.show(alice(), &format!("Action=CreateRoute&{route}={other}"));
    stage.show(alice(), &format!("Action=CreateRoute&{route}={igw}"));
    let routes = format!("Action=DescribeRouteTables&RouteTableId.1={table}");
    stage.show(alice(), &routes);
    stage.show(
        alice(),
        &format!(
            "Action=DescribeInternetGateways&Filter.1.Name=attachment.vpc-id&Filter.1.Value.1={vpc}"
        ),
    );
    stage.show(alice(), &format!("Action=DeleteInternetGateway&InternetGatewayId={igw}"));
    stage.show(alice(), &on("Detach", &igw, &vpc));
    assert_eq!(stage.get(alice(), &routes, "/routeTableSet/0/routeSet/1/state"), "blackhole");
    stage.show(alice(), "Action=DescribeInternetGateways");
    stage.show(alice(), &format!("Action=DeleteInternetGateway&InternetGatewayId={igw}"));
    stage.show(alice(), &format!("Action=DescribeInternetGateways&InternetGatewayId.1={igw}"));
    transcript("internet_gateways", &stage);
}

#[test]
fn egress_only_internet_gateways() {
    let mut stage = Stage::new();
    let (vpc, _) = stage.vpc(alice(), "10.100.0.0/16");
    let create = format!(
        "Action=CreateEgressOnlyInternetGateway&VpcId={vpc}&ClientToken=once\
         &TagSpecification.1.ResourceType=egress-only-internet-gateway\
         &TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=out"
    );
    stage.show(alice(), &create);
    stage.call(alice(), &create).unwrap();
    assert_eq!(stage.world.egress_gateways().count(), 1);
    let gateway = stage.world.egress_gateways().next().unwrap().id;
    let describe = format!(
        "Action=DescribeEgressOnlyInternetGateways&EgressOnlyInternetGatewayId.1={gateway}"
    );
    stage.show(alice(), &describe);
    stage.show(bob(), &describe);
    stage.show(alice(), "Action=DescribeTags");
    stage.show(alice(), &format!("Action=DeleteVpc&VpcId={vpc}"));
    let delete =
        format!("Action=DeleteEgressOnlyInternetGateway&EgressOnlyInternetGatewayId={gateway}");
    stage.show(bob(), &delete);
    stage.show(alice(), &delete);
    stage.show(alice(), &describe);
    transcript("egress_only_internet_gateways", &stage);
}

#[test]
fn default_vpcs_and_what_is_asked_of_vpcs_besides() {
    let mut stage = Stage::new();
    stage.show(alice(), "Action=CreateDefaultSubnet&AvailabilityZone=us-east-1b");
    stage.show(alice(), "Action=CreateDefaultVpc");
    stage.show(alice(), "Action=CreateDefaultVpc");
    stage.show(alice(), "Action=CreateDefaultSubnet&AvailabilityZone=us-east-1b");
    stage.show(alice(), "Action=CreateDefaultSubnet");
    let described =
        "Action=DescribeSubnets&Filter.1.Name=availability-zone&Filter.1.Value.1=us-east-1b";
    let subnet = stage.get(alice(), described, "/subnetSet/0/subnetId");
    stage.call(alice(), &format!("Action=DeleteSubnet&SubnetId={subnet}")).unwrap();
    stage.show(alice(), "Action=CreateDefaultSubnet&AvailabilityZoneId=use1-az2");
    let create = "Action=CreateVpc&CidrBlock=10.9.0.0/16&InstanceTenancy=dedicated";
    let vpc = stage.get(alice(), create, "/vpc/vpcId");
    let modify = format!("Action=ModifyVpcTenancy&VpcId={vpc}&InstanceTenancy=");
    stage.show(alice(), &format!("{modify}dedicated"));
    stage.show(alice(), &format!("{modify}default"));
    for form in [
        "Action=DescribeVpcBlockPublicAccessOptions",
        "Action=DescribeVpcBlockPublicAccessExclusions",
        "Action=DescribeVpcBlockPublicAccessExclusions&ExclusionId.1=vpcbpa-exclude-1",
        "Action=DescribeVpcClassicLink&Filter.1.Name=is-classic-link-enabled&Filter.1.Value.1=true",
        &format!("Action=DescribeVpcClassicLink&VpcId.1={vpc}"),
        &format!("Action=DescribeVpcClassicLinkDnsSupport&VpcIds.1={vpc}"),
        &format!("Action=EnableVpcClassicLink&VpcId={vpc}"),
    ] {
        stage.show(alice(), form);
    }
    stage.show(bob(), &format!("Action=DescribeVpcClassicLink&VpcId.1={vpc}"));
    transcript("default_vpcs", &stage);
}

#[test]
fn dhcp_options() {
    let mut stage = Stage::new();
    let (vpc, _) = stage.vpc(alice(), "10.100.0.0/16");
    let create = "Action=CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name\
                  &DhcpConfiguration.1.Value.1=corp.example\
                  &DhcpConfiguration.2.Key=domain-name-servers\
                  &DhcpConfiguration.2.Value.1=10.100.0.9\
                  &DhcpConfiguration.2.Value.2=AmazonProvidedDNS\
                  &TagSpecification.1.ResourceType=dhcp-options\
                  &TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=corp";
    stage.show(alice(), create);
    let set = stage.world.dhcp_option_sets().find(|set| set.custom).unwrap().id;
    for wrong in [
        "DhcpConfiguration.1.Key=colour&DhcpConfiguration.1.Value.1=red",
        "DhcpConfiguration.1.Key=ntp-servers&DhcpConfiguration.1.Value.1=clock",
        "DhcpConfiguration.1.Key=ntp-servers",
        "DhcpConfiguration.1.Value.1=clock",
        "TagSpecification.1.ResourceType=dhcp-options",
    ] {
        stage.show(alice(), &format!("Action=CreateDhcpOptions&{wrong}"));
    }
    for (name, value) in [("key", "domain-name"), ("value", "10.100.0.9"), ("tag:Name", "corp")] {
        let filter = format!("Filter.1.Name={name}&Filter.1.Value.1={value}");
        let form = format!("Action=DescribeDhcpOptions&{filter}");
        let found = stage.call(alice(), &form).unwrap().matches(&set.to_string()).count();
        assert_eq!(found, 1, "{form}");
    }
    let delete = format!("Action=DeleteDhcpOptions&DhcpOptionsId={set}");
    let associate =
        |set: &str| format!("Action=AssociateDhcpOptions&VpcId={vpc}&DhcpOptionsId={set}");
    stage.show(alice(), &associate(&set.to_string()));
    stage.show(bob(), &associate(&set.to_string()));
    stage.show(alice(), &delete);
    let described = format!("Action=DescribeVpcs&VpcId.1={vpc}");
    let shown = "/vpcSet/0/dhcpOptionsId";
    assert_eq!(stage.get(alice(), &described, shown), set.to_string());
    stage.show(alice(), &associate("default"));
    assert_eq!(stage.get(alice(), &described, shown), "default");
    stage.show(alice(), &associate("dopt-1"));
    stage.show(bob(), &delete);
    stage.show(alice(), &delete);
    stage.show(alice(), &delete);
    stage.show(alice(), "Action=DescribeDhcpOptions");
    transcript("dhcp_options", &stage);
}

#[test]
fn ipv6_blocks() {
    let mut stage = Stage::new();
    stage.show(
        alice(),
        "Action=CreateVpc&CidrBlock=10.100.0.0/16&AmazonProvidedIpv6CidrBlock=true\
         &Ipv6CidrBlockNetworkBorderGroup=us-east-1",
    );
    let vpc = stage.world.vpcs().next().unwrap().clone();
    let (id, first) = (vpc.id, vpc.ipv6[0]);
    stage.show(
        alice(),
        "Action=DescribeVpcs&Filter.1.Name=ipv6-cidr-block-association.ipv6-pool\
         &Filter.1.Value.1=Amazon",
    );
    let own = first.cidr.subnet(64, 1).unwrap();
    stage.show(
        alice(),
        &format!("Action=CreateSubnet&VpcId={id}&CidrBlock=10.100.1.0/24&Ipv6CidrBlock={own}"),
    );
    let subnet = stage.world.subnets().next().unwrap().clone();
    let association = subnet.ipv6.unwrap().id;
    stage.show(
        alice(),
        &format!(
            "Action=DescribeSubnets&Filter.1.Value.1={association}\
             &Filter.1.Name=ipv6-cidr-block-association.association-id"
        ),
    );
    stage.show(alice(), &format!("Action=DisassociateVpcCidrBlock&AssociationId={}", first.id));
    let assign = format!("Action=ModifySubnetAttribute&SubnetId={}", subnet.id);
    let disassociate = format!("Action=DisassociateSubnetCidrBlock&AssociationId={association}");
    stage.show(alice(), &format!("{assign}&AssignIpv6AddressOnCreation.Value=true"));
    stage.show(alice(), &disassociate);
    stage.show(alice(), &format!("{assign}&AssignIpv6AddressOnCreation.Value=false"));
    stage.show(bob(), &disassociate);
    stage.show(alice(), &disassociate);
    let associate = |cidr: &str| {
        format!("Action=AssociateSubnetCidrBlock&SubnetId={}&Ipv6CidrBlock={cidr}", subnet.id)
    };
    for cidr in ["2001:db8::/64", "10.0.0.0/8", &format!("{}/63", own.base()), &own.to_string()] {
        stage.show(alice(), &associate(cidr));
    }
    stage.show(alice(), &format!("Action=DeleteSubnet&SubnetId={}", subnet.id));
    stage.show(alice(), &format!("Action=DisassociateVpcCidrBlock&AssociationId={}", first.id));
    for more in [
        "AmazonProvidedIpv6CidrBlock=true",
        "AmazonProvidedIpv6CidrBlock=true&CidrBlock=10.101.0.0/16",
        "AmazonProvidedIpv6CidrBlock=false",
        "Ipv6CidrBlock=2001:db8::/56&Ipv6Pool=mine",
        "CidrBlock=10.101.0.0/16&Ipv6CidrBlockNetworkBorderGroup=eu-west-1",
    ] {
        stage.show(alice(), &format!("Action=AssociateVpcCidrBlock&VpcId={id}&{more}"));
    }
    transcript("ipv6_blocks", &stage);
}

#[test]
fn routes_and_their_targets() {
    let mut stage = Stage::new();
    let create = "Action=CreateVpc&CidrBlock=10.100.0.0/16&AmazonProvidedIpv6CidrBlock=true";
    let vpc = stage.get(alice(), create, "/vpc/vpcId");
    let table = stage.world.vpc(vpc.parse().unwrap()).unwrap().main_route_table;
    let block = stage.world.vpc(vpc.parse().unwrap()).unwrap().ipv6[0].cidr;
    let egress = stage.get(
        alice(),
        &format!("Action=CreateEgressOnlyInternetGateway&VpcId={vpc}"),
        "/egressOnlyInternetGateway/egressOnlyInternetGatewayId",
    );
    let create = |rest: &str| format!("Action=CreateRoute&RouteTableId={table}&{rest}");
    let all6 = "DestinationIpv6CidrBlock=::/0";
    let all4 = "DestinationCidrBlock=0.0.0.0/0";
    stage.show(alice(), &create(&format!("{all6}&EgressOnlyInternetGatewayId={egress}")));
    for rest in [
        &format!("{all4}&EgressOnlyInternetGatewayId={egress}"),
        &format!("{all4}&{all6}&EgressOnlyInternetGatewayId={egress}"),
        &format!("DestinationIpv6CidrBlock={block}&EgressOnlyInternetGatewayId={egress}"),
        &format!("DestinationIpv6CidrBlock=fd00:ec2::254/128&EgressOnlyInternetGatewayId={egress}"),
        &format!("DestinationIpv6CidrBlock=10.0.0.0/8&EgressOnlyInternetGatewayId={egress}"),
        &format!("{all6}&EgressOnlyInternetGatewayId=eigw-0ffffffffffffffff"),
        &format!("{all4}&TransitGatewayId=tgw-0ffffffffffffffff"),
        &format!("{all4}&VpcEndpointId=vpce-0ffffffffffffffff"),
        &format!("{all4}&LocalGatewayId=lgw-0ffffffffffffffff"),
        &format!("{all4}&CarrierGatewayId=cagw-0ffffffffffffffff"),
        &format!("{all4}&CoreNetworkArn=arn:aws:networkmanager::111111111111:core-network/x"),
        &format!("{all4}&OdbNetworkArn=arn:aws:odb:us-east-1:111111111111:odb-network/x"),
        &format!("{all4}&GatewayId=vgw-0ffffffffffffffff"),
        &format!("{all4}&GatewayId=vpce-0ffffffffffffffff"),
        &format!("{all4}&GatewayId=igw-0ffffffffffffffff"),
        &format!("{all4}&GatewayId=local"),
        &format!("{all4}&GatewayId=igw-0ffffffffffffffff&CarrierGatewayId=cagw-1"),
        &all4.to_owned(),
    ] {
        stage.show(alice(), &create(rest));
    }
    let replace = |rest: &str| format!("Action=ReplaceRoute&RouteTableId={table}&{rest}");
    stage.show(alice(), &replace("DestinationCidrBlock=10.100.0.0/16&LocalTarget=true"));
    stage.show(alice(), &replace(&format!("DestinationIpv6CidrBlock={block}&LocalTarget=true")));
    stage.show(alice(), &replace(&format!("{all6}&LocalTarget=true")));
    let subnet = stage.get(
        alice(),
        &format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.100.1.0/24"),
        "/subnet/subnetId",
    );
    let eni = stage.get(
        alice(),
        &format!("Action=CreateNetworkInterface&SubnetId={subnet}"),
        "/networkInterface/networkInterfaceId",
    );
    let through = format!("DestinationCidrBlock=10.100.0.0/16&NetworkInterfaceId={eni}");
    stage.show(alice(), &replace(&through));
    stage.show(alice(), &format!("Action=DescribeRouteTables&RouteTableId.1={table}"));
    stage.show(alice(), &replace("DestinationCidrBlock=10.100.0.0/16&LocalTarget=true"));
    stage.show(
        alice(),
        &replace(&format!("{all6}&LocalTarget=true&EgressOnlyInternetGatewayId={egress}")),
    );
    for (name, value) in [
        ("route.destination-ipv6-cidr-block", "::/0"),
        ("route.destination-ipv6-cidr-block", &block.to_string()),
        ("route.egress-only-internet-gateway-id", &egress),
    ] {
        let filter = format!("Filter.1.Name={name}&Filter.1.Value.1={value}");
        let form = format!("Action=DescribeRouteTables&{filter}");
        let found = stage.get(alice(), &form, "/routeTableSet/0/routeTableId");
        assert_eq!(found, table.to_string(), "{form}");
    }
    stage.show(alice(), &format!("Action=DescribeRouteTables&RouteTableId.1={table}"));
    let gateway =
        stage.get(alice(), "Action=CreateInternetGateway", "/internetGateway/internetGatewayId");
    for rest in [
        &format!("GatewayId={gateway}"),
        "GatewayId=vgw-0ffffffffffffffff",
        "GatewayId=igw-0ffffffffffffffff",
        "GatewayId=nonsense",
        "",
    ] {
        stage.show(alice(), &format!("Action=AssociateRouteTable&RouteTableId={table}&{rest}"));
    }
    for action in ["EnableVgwRoutePropagation", "DisableVgwRoutePropagation"] {
        for gateway in ["vgw-0ffffffffffffffff", "igw-1"] {
            let form = format!("Action={action}&RouteTableId={table}&GatewayId={gateway}");
            stage.show(alice(), &form);
        }
        let form = format!("Action={action}&RouteTableId={table}&GatewayId=vgw-0ffffffffffffffff");
        assert_eq!(stage.call(bob(), &form).unwrap_err().code, "InvalidRouteTableID.NotFound");
    }
    stage.show(alice(), &format!("Action=DeleteRoute&RouteTableId={table}&{all6}"));
    stage.show(alice(), &format!("Action=DeleteRoute&RouteTableId={table}&{all6}"));
    transcript("routes_and_their_targets", &stage);
}
