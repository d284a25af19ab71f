//! A server whose networks lead outside, with the real clients: spaces' own addresses, instances' public
//! ones, elastic IPs and NAT gateways.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use support::outside::{HOST, INTERNET, OUTBOUND, Outside};
use support::talk::{ECHO, Talk};
use support::{Server, text};

#[test]
fn a_spaces_dynos_go_out_by_its_own_address_and_go_on_while_the_server_is_killed() {
    let outside = Outside::enter();
    let mut server = Server::linux_with(&["--outbound", OUTBOUND]);
    support::space(&server, "blue", "shop");
    let shown = server.heroku(&["spaces:info", "--space", "blue", "--json"]).json();
    assert_eq!(shown["outbound_ips"]["sources"], serde_json::json!(["203.0.113.17"]));
    assert_eq!(shown["outbound_ips"]["state"], "enabled");
    let plain = server.causeway(&["spaces:info", "blue"]).ok();
    assert!(plain.contains("Outbound IPs: 203.0.113.17"), "{plain}");

    let dyno = support::dyno(&server, "shop", "sleep 600").target;
    let talk = Talk::start(&server, &dyno, INTERNET);
    assert_eq!(outside.came(), "203.0.113.17");
    let _listener = std::net::TcpListener::bind((HOST, 8001)).unwrap();
    assert!(!server.connects(&dyno, HOST, 8001), "the host is no part of what is outside");
    let why = server.causeway(&["why", &dyno, INTERNET, "--port", "8000"]).ok();
    assert!(why.contains("203.0.113.17"), "{why}");
    server.kill();
    server.restart();
    assert!(talk.end() > 0, "no byte was lost");
    assert!(server.sweep()["healthy"] == true, "all is as it was");
    let again = server.causeway(&["spaces:info", "blue", "--json"]).json();
    assert_eq!(again["outbound_ips"]["sources"][0], "203.0.113.17", "for the space's life");
}

#[test]
fn instances_are_reached_by_public_addresses_and_share_one_behind_a_nat_gateway() {
    let outside = Outside::enter();
    let server = Server::linux_with(&["--emulator", "--ephemeral=false", "--outbound", OUTBOUND]);
    let subnets = server.aws(&["ec2", "describe-subnets"]).json();
    let [first, second] = [0, 1].map(|n| text(&subnets["Subnets"][n]["SubnetId"]));
    let vpc = text(&subnets["Subnets"][0]["VpcId"]);
    let instance = support::launch(&server, &first, ECHO);
    let described = |id: &str| {
        let asked = ["ec2", "describe-instances", "--instance-ids", id];
        server.aws(&asked).json()["Reservations"][0]["Instances"][0].clone()
    };
    let public = text(&described(&instance.id)["PublicIpAddress"]);
    let name = text(&described(&instance.id)["PublicDnsName"]);
    assert_eq!(name, format!("ec2-{}.compute-1.amazonaws.com", public.replace('.', "-")));
    assert!(!outside.reaches(&public, 8000), "no group lets it in");
    let filter = format!("Name=vpc-id,Values={vpc}");
    let groups = server.aws(&["ec2", "describe-security-groups", "--filters", &filter]).json();
    let group = text(&groups["SecurityGroups"][0]["GroupId"]);
    let open = ["ec2", "authorize-security-group-ingress", "--group-id", &group, "--protocol"];
    let open = [&open[..], &["tcp", "--port", "8000", "--cidr", "0.0.0.0/0"]].concat();
    server.aws(&open).ok();
    server.until("it is reached", |_| outside.reaches(&public, 8000));
    Talk::start(&server, &instance.id, INTERNET).end();
    assert_eq!(outside.came(), public);

    let elastic = server.aws(&["ec2", "allocate-address"]).json();
    let (id, address) = (text(&elastic["AllocationId"]), text(&elastic["PublicIp"]));
    let give = ["ec2", "associate-address", "--allocation-id", &id, "--instance-id", &instance.id];
    let association = text(&server.aws(&give).json()["AssociationId"]);
    server.until("it is reached by the elastic one", |_| outside.reaches(&address, 8000));
    assert!(!outside.reaches(&public, 8000), "the other one was given back");
    Talk::start(&server, &instance.id, INTERNET).end();
    assert_eq!(outside.came(), address);
    let asked = server.aws(&["ec2", "describe-addresses", "--allocation-ids", &id]).json();
    assert_eq!(asked["Addresses"][0]["InstanceId"], instance.id.as_str());
    server.aws(&["ec2", "disassociate-address", "--association-id", &association]).ok();
    server.until("it is not any more", |_| !outside.reaches(&address, 8000));

    // A NAT gateway in the first subnet, to which the second one's own table leads.
    let create = ["ec2", "create-nat-gateway", "--subnet-id", &first, "--allocation-id", &id];
    let nat = text(&server.aws(&create).json()["NatGateway"]["NatGatewayId"]);
    server.aws(&["ec2", "wait", "nat-gateway-available", "--nat-gateway-ids", &nat]).ok();
    let table = server.aws(&["ec2", "create-route-table", "--vpc-id", &vpc]).json();
    let table = text(&table["RouteTable"]["RouteTableId"]);
    let lead = ["ec2", "create-route", "--route-table-id", &table, "--destination-cidr-block"];
    server.aws(&[&lead[..], &["0.0.0.0/0", "--nat-gateway-id", &nat]].concat()).ok();
    let follow = ["ec2", "associate-route-table", "--route-table-id", &table, "--subnet-id"];
    server.aws(&[&follow[..], &[&second]].concat()).ok();
    let hidden = support::launch(&server, &second, ECHO);
    Talk::start(&server, &hidden.id, INTERNET).end();
    assert_eq!(outside.came(), address);
    assert!(!outside.reaches(&address, 8000), "nothing comes in by a NAT gateway");
    let why = server.causeway(&["why", INTERNET, &hidden.id, "--port", "8000"]);
    assert!(!outside.reaches(&text(&described(&hidden.id)["PublicIpAddress"]), 8000), "{why:?}");
    server.aws(&["ec2", "delete-nat-gateway", "--nat-gateway-id", &nat]).ok();
    server.aws(&["ec2", "wait", "nat-gateway-deleted", "--nat-gateway-ids", &nat]).ok();
    let filter = format!("Name=route.nat-gateway-id,Values={nat}");
    let dead = server.aws(&["ec2", "describe-route-tables", "--filters", &filter]).json();
    assert_eq!(dead["RouteTables"][0]["Routes"][1]["State"], "blackhole");
    server.aws(&["ec2", "release-address", "--allocation-id", &id]).ok();
}
