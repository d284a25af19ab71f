//! One of everything that an account can have, by the names that forms use for it.

use std::collections::BTreeMap;

use aws::xml::to_json;
use model::{
    Caller, IdentityCommand, Observation, Quota, QuotaOf, Scope, WorkloadId, WorkloadReport,
};

use super::stage::Stage;

/// A public key as `ImportKeyPair` takes it.
const PUBLIC_KEY: &str = "c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSU1UbExRZitKREtnTzRubGlKMGV1L2JV\
                          OEFVT2k4N3FzR1Q5alY0eGdueGMgYWRhQGV4YW1wbGUuY29t";

/// What an account has: ids by name.
pub(super) type Kit = BTreeMap<&'static str, String>;

struct Maker<'a> {
    stage: &'a mut Stage,
    scope: Scope,
    kit: Kit,
}

impl Maker<'_> {
    /// Sends a form in which `{name}` stands for what is there already.
    fn send(&mut self, form: &str) -> serde_json::Value {
        let form = filled(form, &self.kit);
        let answer = self.stage.call(self.scope, &format!("Action={form}"));
        to_json(&answer.unwrap_or_else(|error| panic!("{form}: {error:?}"))).unwrap()
    }

    /// Sends a form, and keeps what its answer has at a JSON pointer.
    fn make(&mut self, name: &'static str, form: &str, pointer: &str) {
        let answer = self.send(form);
        let id = answer.pointer(pointer).unwrap_or_else(|| panic!("{form}: {answer:#}"));
        self.kit.insert(name, id.as_str().unwrap().to_owned());
    }

    fn keep(&mut self, name: &'static str, value: impl std::fmt::Display) {
        self.kit.insert(name, value.to_string());
    }
}

/// The form with what a kit has for each `{name}`.
pub(super) fn filled(form: &str, kit: &Kit) -> String {
    kit.iter().fold(form.to_owned(), |form, (name, id)| form.replace(&format!("{{{name}}}"), id))
}

/// Makes all of it. The blocks are of 10.N.0.0/16 and those that follow, and texts have the number too, so
/// that an account may have several kits.
pub(super) fn kit(stage: &mut Stage, scope: Scope, n: u8) -> Kit {
    let mut maker = Maker { stage, scope, kit: Kit::new() };
    maker.keep("n", n);
    for (name, further) in [("second", 2), ("cidr", 6), ("elsewhere", 8)] {
        maker.keep(name, format!("10.{}.0.0/16", n + further));
    }
    maker.keep("material", PUBLIC_KEY);
    vpcs(&mut maker, n);
    subnets(&mut maker, n);
    gateways(&mut maker);
    groups(&mut maker);
    acls_and_lists(&mut maker, n);
    instances(&mut maker, n);
    addresses(&mut maker, n);
    tables(&mut maker, n);
    observing(&mut maker);
    tags(&mut maker);
    maker.kit
}

fn vpcs(maker: &mut Maker<'_>, n: u8) {
    let ipv6 = "AmazonProvidedIpv6CidrBlock=true";
    let block = |further: u8| format!("CreateVpc&CidrBlock=10.{}.0.0/16", n + further);
    let tag = "TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=Kit\
               &TagSpecification.1.Tag.1.Value=kit{n}";
    maker.make("vpc", &format!("{}&{ipv6}&{tag}", block(0)), "/vpc/vpcId");
    if n != 1 {
        maker.send("ModifyVpcAttribute&VpcId={vpc}&EnableDnsHostnames.Value=true");
    }
    maker.make("bare", &format!("{}&{ipv6}", block(1)), "/vpc/vpcId");
    maker.make("spare", &block(3), "/vpc/vpcId");
    let block = maker.stage.world.vpc(maker.kit["vpc"].parse().unwrap()).unwrap().ipv6[0].cidr;
    maker.keep("part", block.subnet(64, 1).unwrap());
    maker.keep("other_part", block.subnet(64, 2).unwrap());
    maker.keep("free", block.subnet(64, 9).unwrap());
    let bare = maker.stage.world.vpc(maker.kit["bare"].parse().unwrap()).unwrap();
    let association = bare.ipv6[0].id;
    maker.keep("bare_block", association);
    maker.make(
        "second_block",
        "AssociateVpcCidrBlock&VpcId={vpc}&CidrBlock={second}",
        "/cidrBlockAssociation/associationId",
    );
    let ask = |to: &str| format!("CreateVpcPeeringConnection&VpcId={{vpc}}&PeerVpcId={{{to}}}");
    let id = "/vpcPeeringConnection/vpcPeeringConnectionId";
    maker.make("pending", &ask("bare"), id);
    maker.make("pcx", &ask("spare"), id);
    maker.send("AcceptVpcPeeringConnection&VpcPeeringConnectionId={pcx}");
    maker.stage.carry(&maker.kit["pcx"].clone());
    maker.make(
        "options",
        "CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name\
         &DhcpConfiguration.1.Value.1=n{n}.example.com",
        "/dhcpOptions/dhcpOptionsId",
    );
}

fn subnets(maker: &mut Maker<'_>, n: u8) {
    let subnet = |number: u8| format!("CreateSubnet&VpcId={{vpc}}&CidrBlock=10.{n}.{number}.0/24");
    let id = "/subnet/subnetId";
    let zone = if n == 1 { "us-east-1a" } else { "us-east-1b" };
    let first = format!("{}&Ipv6CidrBlock={{part}}&AvailabilityZone={zone}", subnet(1));
    maker.make("subnet", &first, id);
    maker.make("plain", &subnet(2), id);
    maker.make("empty", &subnet(3), id);
    maker.make("ipv6_subnet", &format!("{}&Ipv6CidrBlock={{other_part}}", subnet(4)), id);
    maker.make(
        "reservation",
        &format!(
            "CreateSubnetCidrReservation&SubnetId={{subnet}}&Cidr=10.{n}.1.32/28\
             &ReservationType=prefix&Description=kit{n}"
        ),
        "/subnetCidrReservation/subnetCidrReservationId",
    );
    let subnet = maker.stage.world.subnet(maker.kit["subnet"].parse().unwrap()).unwrap();
    let (block, acl) = (subnet.ipv6.unwrap().id, subnet.acl_association);
    maker.keep("subnet_block", block);
    maker.keep("acl_association", acl);
    if n == 1 {
        maker.send("CreateDefaultVpc");
        maker.make(
            "missing",
            "DescribeSubnets&Filter.1.Name=default-for-az&Filter.1.Value.1=true\
             &Filter.2.Name=availability-zone&Filter.2.Value.1=us-east-1a",
            "/subnetSet/0/subnetId",
        );
        maker.send("DeleteSubnet&SubnetId={missing}");
    }
}

fn gateways(maker: &mut Maker<'_>) {
    let id = "/internetGateway/internetGatewayId";
    maker.make("gateway", "CreateInternetGateway", id);
    maker.make("loose", "CreateInternetGateway", id);
    maker.make("spare_gateway", "CreateInternetGateway", id);
    maker.send("AttachInternetGateway&VpcId={vpc}&InternetGatewayId={gateway}");
    maker.send("AttachInternetGateway&VpcId={spare}&InternetGatewayId={spare_gateway}");
    maker.make(
        "egress",
        "CreateEgressOnlyInternetGateway&VpcId={vpc}",
        "/egressOnlyInternetGateway/egressOnlyInternetGatewayId",
    );
}

fn groups(maker: &mut Maker<'_>) {
    let vpc = maker.stage.world.vpc(maker.kit["vpc"].parse().unwrap()).unwrap();
    let (default, main) = (vpc.default_group, vpc.main_route_table);
    maker.keep("default", default);
    maker.keep("main", main);
    let make = "CreateSecurityGroup&VpcId={vpc}&GroupDescription=of+kit{n}";
    maker.make("group", &format!("{make}&GroupName=one{{n}}"), "/groupId");
    maker.make("other", &format!("{make}&GroupName=other{{n}}"), "/groupId");
    maker.make(
        "rule",
        "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=tcp\
         &IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=8{n}\
         &IpPermissions.1.IpRanges.1.CidrIp=10.{n}.0.0/16",
        "/securityGroupRuleSet/0/securityGroupRuleId",
    );
    maker.make(
        "rule_of_group",
        "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=udp\
         &IpPermissions.1.FromPort=53&IpPermissions.1.ToPort=53\
         &IpPermissions.1.Groups.1.GroupId={default}",
        "/securityGroupRuleSet/0/securityGroupRuleId",
    );
    let group = maker.stage.world.group(maker.kit["group"].parse().unwrap()).unwrap();
    let mut rules = group.rules.iter();
    let (out, _) = rules.find(|(_, rule)| rule.direction == model::Direction::Egress).unwrap();
    let out = *out;
    maker.keep("rule_out", out);
}

fn acls_and_lists(maker: &mut Maker<'_>, n: u8) {
    maker.make("acl", "CreateNetworkAcl&VpcId={vpc}", "/networkAcl/networkAclId");
    maker.send(
        "CreateNetworkAclEntry&NetworkAclId={acl}&RuleNumber=5&Protocol=6&RuleAction=deny&Egress=true\
         &CidrBlock=10.{n}.0.0/16&PortRange.From=20&PortRange.To=2{n}",
    );
    let entry = "CreateNetworkAclEntry&NetworkAclId={acl}&RuleAction=deny&Egress=false";
    maker.send(&format!(
        "{entry}&RuleNumber=6&Protocol=1&CidrBlock=0.0.0.0/0&Icmp.Type=8&Icmp.Code=-1"
    ));
    maker.send(&format!("{entry}&RuleNumber=7&Protocol=-1&Ipv6CidrBlock=2001:db8:{n}::/48"));
    maker.make(
        "list",
        "CreateManagedPrefixList&PrefixListName=list{n}&AddressFamily=IPv4&MaxEntries=2",
        "/prefixList/prefixListId",
    );
    let rule = "GroupId={group}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=44{n}\
                &IpPermissions.1.ToPort=44{n}&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=2001:db8:{n}::/48\
                &IpPermissions.1.Groups.1.GroupId={default}";
    maker.send(&format!("AuthorizeSecurityGroupIngress&{rule}"));
    maker.send(&format!(
        "AuthorizeSecurityGroupEgress&{rule}&IpPermissions.1.PrefixListIds.1.PrefixListId={{list}}"
    ));
    maker.make(
        "free_list",
        "CreateManagedPrefixList&PrefixListName=free{n}&AddressFamily=IPv6&MaxEntries=3",
        "/prefixList/prefixListId",
    );
    maker.make(
        "rule_of_list",
        "AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=udp\
         &IpPermissions.1.FromPort=53&IpPermissions.1.ToPort=53\
         &IpPermissions.1.PrefixListIds.1.PrefixListId={list}",
        "/securityGroupRuleSet/0/securityGroupRuleId",
    );
    maker.send(&format!(
        "ModifyManagedPrefixList&PrefixListId={{list}}&AddEntry.1.Cidr=10.{}.0.0/16",
        n + 3
    ));
}

fn instances(maker: &mut Maker<'_>, n: u8) {
    maker.make("key", "CreateKeyPair&KeyName=key{n}&KeyType=ed25519", "/keyPairId");
    let run = "RunInstances&ImageId=host&MinCount=1&MaxCount=1&SubnetId={subnet}&KeyName=key{n}";
    let id = "/instancesSet/0/instanceId";
    maker.make("instance", &format!("{run}&InstanceType=m5.large"), id);
    maker.make("single", &format!("{run}&InstanceType=t3.micro&ClientToken=token{n}"), id);
    let running = ["instance", "single"].map(|name| {
        (WorkloadId::Instance(maker.kit[name].parse().unwrap()), WorkloadReport::Running)
    });
    maker.stage.observe(Observation { workloads: running.into(), ..Default::default() });
    let create = "CreateNetworkInterface&SubnetId={subnet}&Description=kit{n}";
    let id = "/networkInterface/networkInterfaceId";
    for name in ["eni", "loose_eni", "attached"] {
        maker.make(name, create, id);
    }
    maker.make(
        "secondary",
        &format!("{create}&PrivateIpAddresses.1.PrivateIpAddress=10.{n}.1.200"),
        id,
    );
    maker.make("ipv6_eni", "CreateNetworkInterface&SubnetId={ipv6_subnet}&Description=kit{n}", id);
    maker.make(
        "ipv6",
        "AssignIpv6Addresses&NetworkInterfaceId={ipv6_eni}&Ipv6AddressCount=1",
        "/assignedIpv6Addresses/0",
    );
    maker.make(
        "attachment",
        "AttachNetworkInterface&NetworkInterfaceId={attached}&InstanceId={instance}&DeviceIndex=1",
        "/attachmentId",
    );
    maker.make(
        "volume",
        "DescribeVolumes&Filter.1.Name=attachment.instance-id&Filter.1.Value.1={instance}",
        "/volumeSet/0/volumeId",
    );
}

fn addresses(maker: &mut Maker<'_>, n: u8) {
    let allocate = "AllocateAddress&Domain=vpc";
    let quota = IdentityCommand::SetQuota {
        of: QuotaOf::Account(maker.scope.account),
        quota: Quota::ElasticIps,
        most: Some(8),
    };
    maker.stage.decide(Caller::Operator, quota);
    for name in ["address", "bound", "of_nat", "of_nat_too"] {
        maker.make(name, allocate, "/allocationId");
    }
    let to = if n == 1 { "NetworkInterfaceId={loose_eni}" } else { "InstanceId={single}" };
    let associate = format!("AssociateAddress&AllocationId={{bound}}&{to}");
    maker.make("association", &associate, "/associationId");
    let nat = "/natGateway/natGatewayId";
    maker.make(
        "nat",
        "CreateNatGateway&SubnetId={subnet}&AllocationId={of_nat}\
         &SecondaryAllocationId.1={of_nat_too}",
        nat,
    );
    let too = maker.stage.world.elastic_ip(maker.kit["of_nat_too"].parse().unwrap()).unwrap();
    let association = too.association.unwrap().id;
    maker.keep("nat_association", association);
    maker.keep("nat_private", format!("10.{n}.1.210"));
    maker.make(
        "private_nat",
        "CreateNatGateway&SubnetId={subnet}&ConnectivityType=private\
         &SecondaryPrivateIpAddress.1={nat_private}",
        nat,
    );
}

fn tables(maker: &mut Maker<'_>, n: u8) {
    let id = "/routeTable/routeTableId";
    for name in ["table", "used", "spare_table"] {
        maker.make(name, "CreateRouteTable&VpcId={vpc}", id);
    }
    maker.make(
        "table_association",
        "AssociateRouteTable&RouteTableId={used}&SubnetId={plain}",
        "/associationId",
    );
    maker.send(&format!(
        "CreateRoute&RouteTableId={{table}}&DestinationCidrBlock=10.{}.0.0/16\
         &VpcPeeringConnectionId={{pcx}}",
        n + 3
    ));
    for route in [
        "DestinationCidrBlock=0.0.0.0/0&NatGatewayId={nat}",
        "DestinationCidrBlock=10.99.{n}.0/24&InstanceId={single}",
        "DestinationIpv6CidrBlock=::/0&EgressOnlyInternetGatewayId={egress}",
        "DestinationPrefixListId={list}&VpcPeeringConnectionId={pcx}",
    ] {
        maker.send(&format!("CreateRoute&RouteTableId={{used}}&{route}"));
    }
}

fn observing(maker: &mut Maker<'_>) {
    maker.make(
        "flow_log",
        "CreateFlowLogs&ResourceType=VPC&ResourceId.1={vpc}&TrafficType=ALL&LogDestinationType=s3\
         &LogDestination=arn:aws:s3:::logs",
        "/flowLogIdSet/0",
    );
    let path = "CreateNetworkInsightsPath&Source={single}&Destination={attached}&Protocol=tcp";
    for (name, port) in [("path", 80), ("free_path", 81)] {
        let path = format!("{path}&DestinationPort={port}");
        maker.make(name, &path, "/networkInsightsPath/networkInsightsPathId");
    }
    maker.make(
        "analysis",
        "StartNetworkInsightsAnalysis&NetworkInsightsPathId={path}",
        "/networkInsightsAnalysis/networkInsightsAnalysisId",
    );
}

/// The kinds of ids that take tags.
const TAGGED: [&str; 21] = [
    "acl", "dopt", "eigw", "eipalloc", "eni", "fl", "i", "igw", "key", "nat", "nia", "nip", "pcx",
    "pl", "rtb", "scr", "sg", "sgr", "subnet", "vol", "vpc",
];

fn tags(maker: &mut Maker<'_>) {
    let kit = maker.kit.values();
    let ids: Vec<String> = kit
        .filter(|id| id.rsplit_once('-').is_some_and(|(prefix, _)| TAGGED.contains(&prefix)))
        .filter(|id| **id != maker.kit.get("missing").cloned().unwrap_or_default())
        .cloned()
        .collect();
    for id in ids {
        maker.send(&format!("CreateTags&ResourceId.1={id}&Tag.1.Key=Kit&Tag.1.Value=kit{{n}}"));
    }
}
