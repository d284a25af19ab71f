//! Peerings, and the routes and rules that let packets through them.

use serde_json::Value;

use super::{Server, Site, site, text};

/// Makes a VPC with an instance that runs a script, and peers it with a space so that port 8000 of the
/// instance is open to the space's dynos and to its data services. `dyno` is one that reaches it then.
pub fn peered_site(server: &Server, space: &str, info: &Value, script: &str, dyno: &str) -> Site {
    let site = site(server, "10.100.0.0/16", "10.100.1.0/24", script);
    let pcx = join(server, &site, space, info);
    for block in ["10.0.0.0/16", "10.1.0.0/16"] {
        open(server, &site, &pcx, block, 8000);
    }
    server.sweep();
    assert!(server.connects(dyno, &site.address, 8000), "dynos do reach the VPC");
    site
}

/// Peers a VPC with a space, and waits until that carries packets; its id.
pub fn join(server: &Server, site: &Site, space: &str, info: &Value) -> String {
    let pcx = peer(server, site, info);
    server.heroku(&["spaces:peerings:accept", &pcx, "--space", space]).ok();
    until_active(server, &pcx);
    pcx
}

/// Peers two VPCs of one account, and waits until that carries packets; its id.
pub fn join_vpcs(server: &Server, one: &Site, other: &Site) -> String {
    let ask = ["ec2", "create-vpc-peering-connection", "--vpc-id", &one.vpc];
    let made = server.aws(&[&ask[..], &["--peer-vpc-id", &other.vpc]].concat()).json();
    let pcx = text(&made["VpcPeeringConnection"]["VpcPeeringConnectionId"]);
    let accept = ["ec2", "accept-vpc-peering-connection", "--vpc-peering-connection-id", &pcx];
    server.aws(&accept).ok();
    until_active(server, &pcx);
    pcx
}

fn until_active(server: &Server, pcx: &str) {
    server.until("the peering is active", |server| {
        let one = ["--vpc-peering-connection-ids", pcx];
        let asked = [&["ec2", "describe-vpc-peering-connections"][..], &one].concat();
        server.aws(&asked).json()["VpcPeeringConnections"][0]["Status"]["Code"] == "active"
    });
}

/// Asks a space for a peering; its id.
pub fn peer(server: &Server, site: &Site, info: &Value) -> String {
    let made = server
        .aws(&[
            "ec2",
            "create-vpc-peering-connection",
            "--vpc-id",
            &site.vpc,
            "--peer-vpc-id",
            &text(&info["vpc_id"]),
            "--peer-owner-id",
            &text(&info["aws_account_id"]),
        ])
        .json();
    text(&made["VpcPeeringConnection"]["VpcPeeringConnectionId"])
}

/// Sets the VPC's side: a route, and a rule for one port.
pub fn open(server: &Server, site: &Site, pcx: &str, block: &str, port: u16) {
    route(server, site, block, pcx);
    admit(server, site, block, port);
}

/// Sends what a VPC has for a block over a peering.
pub fn route(server: &Server, site: &Site, block: &str, pcx: &str) {
    server
        .aws(&[
            "ec2",
            "create-route",
            "--route-table-id",
            &site.table,
            "--destination-cidr-block",
            block,
            "--vpc-peering-connection-id",
            pcx,
        ])
        .ok();
}

/// Lets a block reach a port of what is in a VPC's default group.
pub fn admit(server: &Server, site: &Site, block: &str, port: u16) {
    server
        .aws(&[
            "ec2",
            "authorize-security-group-ingress",
            "--group-id",
            &site.group,
            "--protocol",
            "tcp",
            "--port",
            &port.to_string(),
            "--cidr",
            block,
        ])
        .ok();
}
