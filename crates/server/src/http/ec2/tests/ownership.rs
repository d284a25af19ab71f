//! Whose a resource is, for each action on what a VPC is made of: the owner's own is found, and what
//! belongs to another account is answered as what there is not.

use std::collections::BTreeMap;

use model::Scope;

use super::stage::{Stage, alice, bob};

/// What an account has, by a name for the requests below.
type Kit = BTreeMap<&'static str, String>;

/// A request, with the codes for an id in it that is malformed, and for one that means nothing. The
/// id is in angle brackets; what else is named belongs to whoever asks.
type Row = (&'static str, &'static str, &'static str);

const VPC: (&str, &str) = ("InvalidVpcID.Malformed", "InvalidVpcID.NotFound");
const SUBNET: (&str, &str) = ("InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound");
const TABLE: (&str, &str) = ("InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound");
const GATEWAY: (&str, &str) =
    ("InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound");
const EGRESS: (&str, &str) =
    ("InvalidEgressOnlyInternetGatewayId.Malformed", "InvalidGatewayID.NotFound");
const OPTIONS: (&str, &str) = ("InvalidDhcpOptionsId.Malformed", "InvalidDhcpOptionID.NotFound");
const RESERVATION: (&str, &str) =
    ("InvalidSubnetCidrReservationId.Malformed", "InvalidSubnetCidrReservationID.NotFound");
const BLOCK: (&str, &str) =
    ("InvalidVpcCidrBlockAssociationID.Malformed", "InvalidVpcCidrBlockAssociationID.NotFound");
const SUBNET_BLOCK: (&str, &str) = (
    "InvalidSubnetCidrBlockAssociationId.Malformed",
    "InvalidSubnetCidrBlockAssociationID.NotFound",
);

const fn row(form: &'static str, codes: (&'static str, &'static str)) -> Row {
    (form, codes.0, codes.1)
}

const ROWS: [Row; 30] = [
    row("ModifySubnetAttribute&SubnetId=<subnet>&MapPublicIpOnLaunch.Value=true", SUBNET),
    row(
        "CreateSubnetCidrReservation&SubnetId=<subnet>&Cidr=10.1.1.64/28&ReservationType=explicit",
        SUBNET,
    ),
    row("GetSubnetCidrReservations&SubnetId=<subnet>", SUBNET),
    row("DeleteSubnetCidrReservation&SubnetCidrReservationId=<reservation>", RESERVATION),
    row("AssociateSubnetCidrBlock&SubnetId=<plain>&Ipv6CidrBlock={free}", SUBNET),
    row("DisassociateSubnetCidrBlock&AssociationId=<subnet_block>", SUBNET_BLOCK),
    row("AttachInternetGateway&InternetGatewayId=<loose>&VpcId={bare}", GATEWAY),
    row("AttachInternetGateway&InternetGatewayId={loose}&VpcId=<bare>", VPC),
    row("DetachInternetGateway&InternetGatewayId=<gateway>&VpcId={vpc}", GATEWAY),
    row("DetachInternetGateway&InternetGatewayId={gateway}&VpcId=<vpc>", VPC),
    row("DeleteInternetGateway&InternetGatewayId=<loose>", GATEWAY),
    row("DescribeInternetGateways&InternetGatewayId.1=<loose>", GATEWAY),
    row("CreateEgressOnlyInternetGateway&VpcId=<vpc>", VPC),
    row("DeleteEgressOnlyInternetGateway&EgressOnlyInternetGatewayId=<egress>", EGRESS),
    row("ModifyVpcTenancy&VpcId=<vpc>&InstanceTenancy=default", VPC),
    row("ModifyVpcAttribute&VpcId=<vpc>&EnableDnsHostnames.Value=true", VPC),
    row("AssociateVpcCidrBlock&VpcId=<vpc>&AmazonProvidedIpv6CidrBlock=true", VPC),
    row("AssociateVpcCidrBlock&VpcId=<vpc>&CidrBlock=10.7.0.0/16", VPC),
    row("DisassociateVpcCidrBlock&AssociationId=<second_block>", BLOCK),
    row("DisassociateVpcCidrBlock&AssociationId=<bare_block>", BLOCK),
    row("AssociateDhcpOptions&VpcId=<vpc>&DhcpOptionsId={options}", VPC),
    row("AssociateDhcpOptions&VpcId={vpc}&DhcpOptionsId=<options>", OPTIONS),
    row("DeleteDhcpOptions&DhcpOptionsId=<options>", OPTIONS),
    row("DescribeDhcpOptions&DhcpOptionsId.1=<options>", OPTIONS),
    row("DescribeVpcClassicLink&VpcId.1=<vpc>", VPC),
    row(
        "CreateRoute&RouteTableId=<table>&DestinationCidrBlock=0.0.0.0/0&GatewayId={gateway}",
        TABLE,
    ),
    row(
        "CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&GatewayId=<gateway>",
        GATEWAY,
    ),
    row(
        "CreateRoute&RouteTableId={table}&DestinationIpv6CidrBlock=::/0\
         &EgressOnlyInternetGatewayId=<egress>",
        EGRESS,
    ),
    row(
        "ReplaceRoute&RouteTableId=<table>&DestinationCidrBlock=10.1.0.0/16&LocalTarget=true",
        TABLE,
    ),
    row("AssociateRouteTable&RouteTableId=<table>&SubnetId={plain}", TABLE),
];

/// Makes all that the requests name.
fn kit(stage: &mut Stage, scope: Scope) -> Kit {
    let mut kit = Kit::new();
    let mut make = |name, form: &str, pointer: &str, kit: &mut Kit| {
        let id = stage.get(scope, &format!("Action={form}"), pointer);
        kit.insert(name, id);
    };
    let ipv6 = "AmazonProvidedIpv6CidrBlock=true";
    make("vpc", &format!("CreateVpc&CidrBlock=10.1.0.0/16&{ipv6}"), "/vpc/vpcId", &mut kit);
    make("bare", &format!("CreateVpc&CidrBlock=10.2.0.0/16&{ipv6}"), "/vpc/vpcId", &mut kit);
    let vpc = kit["vpc"].clone();
    let of = |action: &str| format!("{action}&VpcId={vpc}");
    let block = stage.world.vpc(vpc.parse().unwrap()).unwrap().ipv6[0].cidr;
    let part = |n| block.subnet(64, n).unwrap().to_string();
    kit.insert("free", part(9));
    let bare = stage.world.vpc(kit["bare"].parse().unwrap()).unwrap();
    kit.insert("bare_block", bare.ipv6[0].id.to_string());
    let mut make = |name, form: &str, pointer: &str, kit: &mut Kit| {
        let id = stage.get(scope, &format!("Action={form}"), pointer);
        kit.insert(name, id);
    };
    let second = of("AssociateVpcCidrBlock&CidrBlock=10.3.0.0/16");
    make("second_block", &second, "/cidrBlockAssociation/associationId", &mut kit);
    let create = format!("{}&CidrBlock=10.1.1.0/24&Ipv6CidrBlock={}", of("CreateSubnet"), part(1));
    make("subnet", &create, "/subnet/subnetId", &mut kit);
    let create = format!("{}&CidrBlock=10.1.2.0/24", of("CreateSubnet"));
    make("plain", &create, "/subnet/subnetId", &mut kit);
    let reserve = format!(
        "CreateSubnetCidrReservation&SubnetId={}&Cidr=10.1.1.32/28&ReservationType=prefix",
        kit["subnet"]
    );
    let pointer = "/subnetCidrReservation/subnetCidrReservationId";
    make("reservation", &reserve, pointer, &mut kit);
    let pointer = "/internetGateway/internetGatewayId";
    make("gateway", "CreateInternetGateway", pointer, &mut kit);
    make("loose", "CreateInternetGateway", pointer, &mut kit);
    let pointer = "/egressOnlyInternetGateway/egressOnlyInternetGatewayId";
    make("egress", &of("CreateEgressOnlyInternetGateway"), pointer, &mut kit);
    let options = "CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name\
                   &DhcpConfiguration.1.Value.1=example.com";
    make("options", options, "/dhcpOptions/dhcpOptionsId", &mut kit);
    make("table", &of("CreateRouteTable"), "/routeTable/routeTableId", &mut kit);
    let attach =
        format!("Action={}&InternetGatewayId={}", of("AttachInternetGateway"), kit["gateway"]);
    stage.call(scope, &attach).unwrap();
    let subnet = stage.world.subnet(kit["subnet"].parse().unwrap()).unwrap();
    kit.insert("subnet_block", subnet.ipv6.unwrap().id.to_string());
    kit
}

/// The request with an id for the one in angle brackets, and all else from a kit.
fn filled(form: &str, kit: &Kit, id: &str) -> String {
    let (before, rest) = form.split_once('<').unwrap();
    let (_, after) = rest.split_once('>').unwrap();
    let mut form = format!("Action={before}{id}{after}");
    for (name, value) in kit {
        form = form.replace(&format!("{{{name}}}"), value);
    }
    form
}

#[test]
fn what_is_anothers_is_answered_as_what_there_is_not() {
    let mut stage = Stage::new();
    let (own, other) = (kit(&mut stage, alice()), kit(&mut stage, bob()));
    let world = stage.world.clone();
    for (form, malformed, absent) in ROWS {
        let name = form.split(['<', '>']).nth(1).unwrap();
        let id = &own[name];
        let (prefix, _) = id.rsplit_once('-').unwrap();
        let mut refused = |kit: &Kit, scope, id: &str| {
            let form = filled(form, kit, id);
            stage.world = world.clone();
            let error = stage.call(scope, &form).expect_err(&form);
            (error.code.into_owned(), error.message)
        };
        let (code, _) = refused(&own, alice(), &format!("{prefix}-nonsense"));
        assert_eq!(code, malformed, "{form}");
        let nobodys = format!("{prefix}-0ffffffffffffffff");
        let (code, expected) = refused(&other, bob(), &nobodys);
        assert_eq!(code, absent, "{form}");
        let (code, said) = refused(&other, bob(), id);
        assert_eq!(code, absent, "{form}");
        assert_eq!(said.replace(id, &nobodys), expected, "{form}");
        stage.world = world.clone();
        let form = filled(form, &own, id);
        stage.call(alice(), &form).unwrap_or_else(|error| panic!("{form}: {error:?}"));
        // A key that may only read does so, and no more.
        stage.world = world.clone();
        stage.read_only = true;
        let answer = stage.call(alice(), &form);
        stage.read_only = false;
        let reads =
            ["Get", "Describe"].iter().any(|word| form["Action=".len()..].starts_with(word));
        match answer {
            Ok(_) => assert!(reads, "{form}"),
            Err(error) => assert!(!reads && error.code == "UnauthorizedOperation", "{form}"),
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
        let answer = aws::xml::to_json(&stage.call(alice(), &form).unwrap()).unwrap();
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
