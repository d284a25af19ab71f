//! The document's commands in the document's order, with the real clients and real packets.
//!
//! Shows R1, R4, R6, R7, R9, R11–R18, R20, R21, R23 of the requirements.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use serde_json::Value;
use support::{Ran, Server, admit, dyno, peer, redact, site, text};

const WEB: &str =
    "#!/bin/sh\ncd /tmp\npython3 -m http.server 8000 &\npython3 -m http.server 8001\n";

// What stands in transcripts for what differs from run to run: as long, so that columns stay.
const ACCOUNT: &str = "111111111111";
const VPC: &str = "vpc-22222222222222222";
const PCX: &str = "pcx-33333333333333333";
const EXPIRES: &str = "2000-01-08T00:00:00Z";

#[test]
fn r6_to_r18_the_document_from_beginning_to_end() {
    let server = Server::linux();

    // A space, and what a VPC's owner needs to know of it (R6, R7).
    server.heroku(&["spaces:create", "shop-space", "--team", "team"]).ok();
    server.heroku(&["spaces:wait", "shop-space", "--interval", "1"]).ok();
    let info = server.causeway(&["spaces:peering:info", "shop-space", "--json"]).json();
    let (account, space_vpc) = (text(&info["aws_account_id"]), text(&info["vpc_id"]));
    let names = [(account.as_str(), ACCOUNT), (space_vpc.as_str(), VPC)];
    let info_of = |ran: Ran| redact(&transcript(&ran), &names);
    insta::assert_snapshot!(
        "heroku_spaces_peering_info",
        info_of(server.heroku(&["spaces:peering:info", "shop-space"]))
    );
    insta::assert_snapshot!(
        "causeway_spaces_peering_info",
        info_of(server.causeway(&["spaces:peering:info", "shop-space"]))
    );

    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", WEB);
    server.until("both web servers answer", |server| {
        [8000, 8001].iter().all(|port| server.connects(&site.instance, "127.0.0.1", *port))
    });
    server.heroku(&["apps:create", "shop", "--space", "shop-space"]).ok();
    let started = dyno(&server, "shop", "cd /tmp && python3 -m http.server 5000");
    let (dyno, dyno_address) = (started.target, started.address);
    assert!(
        dyno_address.starts_with("10.0.128.") || dyno_address.starts_with("10.0.144."),
        "R7: {dyno_address}"
    );
    let reaches = |port| server.connects(&dyno, &site.address, port);
    assert!(!reaches(8000), "without a peering");

    // The request (R9).
    let made = server
        .aws(&[
            "ec2",
            "create-vpc-peering-connection",
            "--vpc-id",
            &site.vpc,
            "--peer-vpc-id",
            &space_vpc,
            "--peer-owner-id",
            &account,
        ])
        .json();
    let made = &made["VpcPeeringConnection"];
    let pcx = text(&made["VpcPeeringConnectionId"]);
    assert_eq!(made["Status"]["Code"], "initiating-request");
    assert_eq!(made["Status"]["Message"], format!("Initiating Request to {account}"));
    assert_eq!(made["RequesterVpcInfo"]["CidrBlock"], "10.100.0.0/16");
    assert!(made["AccepterVpcInfo"]["CidrBlock"].is_null());
    assert!(made["ExpirationTime"].is_string());
    let customer = text(&made["RequesterVpcInfo"]["OwnerId"]);
    assert!(!reaches(8000), "R12: while it is pending");

    // The list (R11), with its managed row masked (R14).
    let expires = row(&server, &pcx)["expires"].as_str().unwrap_or_default().to_owned();
    let names = [
        (pcx.as_str(), PCX),
        (site.vpc.as_str(), VPC),
        (customer.as_str(), ACCOUNT),
        (expires.as_str(), EXPIRES),
    ];
    let list = |server: &Server| {
        [
            server.heroku(&["spaces:peerings", "shop-space"]),
            server.causeway(&["spaces:peerings", "shop-space"]),
        ]
        .map(|ran| redact(&transcript(&ran), &names))
    };
    let [heroku, causeway] = list(&server);
    insta::assert_snapshot!("heroku_spaces_peerings_pending", heroku);
    insta::assert_snapshot!("causeway_spaces_peerings_pending", causeway);
    let masked = server.heroku(&[
        "spaces:peerings:destroy",
        "******",
        "-s",
        "shop-space",
        "--confirm",
        "******",
    ]);
    masked.refused();

    // The acceptance (R12, R13).
    let accepted = server.heroku(&["spaces:peerings:accept", &pcx, "--space", "shop-space"]);
    insta::assert_snapshot!(
        "heroku_spaces_peerings_accept",
        redact(&transcript(&accepted), &names)
    );
    server.until("the peering is active", |server| {
        let row = row(server, &pcx);
        row["status"] == "active" && row["type"] == "customer-managed"
    });
    let [heroku, causeway] = list(&server);
    insta::assert_snapshot!("heroku_spaces_peerings_active", heroku);
    insta::assert_snapshot!("causeway_spaces_peerings_active", causeway);
    assert!(!reaches(8000), "R12: without a route on the VPC's side");

    // The route (R15, option 1) and the group (R16).
    let route = |destination: &str| {
        server
            .aws(&[
                "ec2",
                "create-route",
                "--route-table-id",
                &site.table,
                "--destination-cidr-block",
                destination,
                "--vpc-peering-connection-id",
                &pcx,
            ])
            .ok()
    };
    let no_route = |destination: &str| {
        server
            .aws(&[
                "ec2",
                "delete-route",
                "--route-table-id",
                &site.table,
                "--destination-cidr-block",
                destination,
            ])
            .ok()
    };
    route("10.0.0.0/16");
    server.sweep();
    assert!(!reaches(8000), "R16: without a rule");
    for block in ["10.0.144.0/20", "10.0.128.0/20"] {
        admit(&server, &site, block, 8000);
    }
    server.sweep();
    assert!(reaches(8000), "R12, R15, R16: everything is in place");
    assert!(!reaches(8001), "R16: another port");
    assert!(
        server.connects(&site.instance, &dyno_address, 5000),
        "R21: a host of the VPC reaches a dyno by its address"
    );
    let why = server.causeway(&["why", &dyno, &site.instance, "--port", "8000", "--json"]);
    assert_eq!(why.json()["allowed"], true);
    let why = server.causeway(&["why", &dyno, &site.instance, "--port", "8001", "--json"]);
    assert_eq!(why.code, Some(1), "{why:?}");

    // A network ACL (R17).
    let acls = server
        .aws(&[
            "ec2",
            "describe-network-acls",
            "--filters",
            &format!("Name=association.subnet-id,Values={}", site.subnet),
        ])
        .json();
    let acl = text(&acls["NetworkAcls"][0]["NetworkAclId"]);
    server
        .aws(&[
            "ec2",
            "create-network-acl-entry",
            "--network-acl-id",
            &acl,
            "--rule-number",
            "50",
            "--protocol",
            "tcp",
            "--port-range",
            "From=1024,To=65535",
            "--cidr-block",
            "10.0.0.0/16",
            "--rule-action",
            "deny",
            "--egress",
        ])
        .ok();
    server.sweep();
    assert!(!reaches(8000), "R17: the answer does not leave the subnet");
    server
        .aws(&[
            "ec2",
            "delete-network-acl-entry",
            "--network-acl-id",
            &acl,
            "--rule-number",
            "50",
            "--egress",
        ])
        .ok();
    server.sweep();
    assert!(reaches(8000), "R17: it does again");

    // Option 2: one route for each of the Space CIDRs (R7, R15).
    no_route("10.0.0.0/16");
    server.sweep();
    assert!(!reaches(8000), "R15: no way back");
    for block in text_list(&info["space_cidr_blocks"]) {
        route(&block);
    }
    server.sweep();
    assert!(reaches(8000), "R7, R15: by a route for each block");

    // The end (R18).
    let destroyed = server.heroku(&[
        "spaces:peerings:destroy",
        &pcx,
        "--space",
        "shop-space",
        "--confirm",
        &pcx,
    ]);
    insta::assert_snapshot!(
        "heroku_spaces_peerings_destroy",
        redact(&transcript(&destroyed), &names)
    );
    server.sweep();
    assert!(!reaches(8000), "R18: torn down");
    let tables =
        server.aws(&["ec2", "describe-route-tables", "--route-table-ids", &site.table]).json();
    let states: Vec<&Value> = tables["RouteTables"][0]["Routes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|route| route["VpcPeeringConnectionId"] == pcx)
        .map(|route| &route["State"])
        .collect();
    assert_eq!(states.len(), 4);
    assert!(states.iter().all(|state| **state == "blackhole"), "R18: {states:?}");

    // The same once more, with our own commands.
    let again = peer(&server, &site, &info);
    let said = |ran: &Ran| redact(&transcript(ran), &[(&again, PCX)]);
    let accepted = server.causeway(&["spaces:peerings:accept", &again, "--space", "shop-space"]);
    insta::assert_snapshot!("causeway_spaces_peerings_accept", said(&accepted));
    server.until("it is active again", |server| row(server, &again)["status"] == "active");
    let destroy = ["spaces:peerings:destroy", &again, "--space", "shop-space"];
    let destroyed = server.causeway(&[&destroy[..], &["--confirm", &again]].concat());
    insta::assert_snapshot!("causeway_spaces_peerings_destroy", said(&destroyed));
}

/// What a person sees of a command that did what it was asked to.
fn transcript(ran: &Ran) -> String {
    format!("{}{}", ran.ok(), ran.err)
}

/// A peering in its space's list.
fn row(server: &Server, pcx: &str) -> Value {
    let list = server.causeway(&["spaces:peerings", "shop-space", "--json"]).json();
    list.as_array().unwrap().iter().find(|row| row["pcx_id"] == pcx).unwrap().clone()
}

fn text_list(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(text).collect()
}
