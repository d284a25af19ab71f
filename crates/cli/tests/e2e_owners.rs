//! What the two owners may do and may not, with the real clients and without packets.
//!
//! Shows R2, R3, R4, R5, R14, R24, R27 of the requirements.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use serde_json::Value;
use support::Server;

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

fn vpc(server: &Server, arguments: &[&str], cidr: &str) -> String {
    let made = server.aws(&[&["ec2", "create-vpc", "--cidr-block", cidr], arguments].concat());
    text(&made.json()["Vpc"]["VpcId"])
}

struct Space {
    account: String,
    vpc: String,
}

fn space(server: &Server, name: &str) -> Space {
    server.heroku(&["spaces:create", name, "--team", "team"]).ok();
    server.until("the space is allocated", |server| {
        server.causeway(&["spaces:info", name, "--json"]).json()["state"] == "allocated"
    });
    let info = server.causeway(&["spaces:peering:info", name, "--json"]).json();
    Space { account: text(&info["aws_account_id"]), vpc: text(&info["vpc_id"]) }
}

fn ask(server: &Server, vpc: &str, space: &Space) -> Value {
    let made = server.aws(&[
        "ec2",
        "create-vpc-peering-connection",
        "--vpc-id",
        vpc,
        "--peer-vpc-id",
        &space.vpc,
        "--peer-owner-id",
        &space.account,
    ]);
    made.json()["VpcPeeringConnection"].clone()
}

fn status(server: &Server, pcx: &str) -> String {
    let found = server
        .aws(&["ec2", "describe-vpc-peering-connections", "--vpc-peering-connection-ids", pcx])
        .json();
    text(&found["VpcPeeringConnections"][0]["Status"]["Code"])
}

#[test]
fn r2_r3_blocks_that_do_not_fit_are_refused_with_the_reason() {
    let server = Server::none(&[]);
    let space = space(&server, "blocks");

    let same = vpc(&server, &[], "10.0.0.0/16");
    let pcx = text(&ask(&server, &same, &space)["VpcPeeringConnectionId"]);
    assert_eq!(status(&server, &pcx), "failed", "R3: the space's own block");

    for (cidr, named) in [
        ("10.1.0.0/16", "10.1.0.0/16"),
        ("172.17.0.0/20", "172.17.0.0/16"),
        ("100.64.0.0/16", "100.64.0.0/16"),
    ] {
        let other = vpc(&server, &[], cidr);
        let pcx = text(&ask(&server, &other, &space)["VpcPeeringConnectionId"]);
        assert_eq!(status(&server, &pcx), "pending-acceptance", "{cidr}");
        let said = server.heroku(&["spaces:peerings:accept", &pcx, "-s", "blocks"]).refused();
        assert!(said.contains(named) && said.contains(cidr), "R2, R3: {cidr}: {said}");
        assert_eq!(status(&server, &pcx), "pending-acceptance", "nothing changed");
    }

    // Another peer's block.
    let first = vpc(&server, &[], "10.50.0.0/16");
    let pcx = text(&ask(&server, &first, &space)["VpcPeeringConnectionId"]);
    server.heroku(&["spaces:peerings:accept", &pcx, "-s", "blocks"]).ok();
    let second = vpc(&server, &[], "10.50.128.0/20");
    let pcx = text(&ask(&server, &second, &space)["VpcPeeringConnectionId"]);
    let said = server.heroku(&["spaces:peerings:accept", &pcx, "-s", "blocks"]).refused();
    assert!(said.contains("10.50.0.0/16") && said.contains("10.50.128.0/20"), "R3: {said}");
}

#[test]
fn r4_who_may_not_is_told_so_and_nothing_changes() {
    let server = Server::none(&[]);
    let space = space(&server, "doors");
    let vpc = vpc(&server, &[], "10.60.0.0/16");
    let pcx = text(&ask(&server, &vpc, &space)["VpcPeeringConnectionId"]);

    // The requester's own account cannot accept.
    let accept = ["ec2", "accept-vpc-peering-connection", "--vpc-peering-connection-id", &pcx];
    assert!(server.aws(&accept).refused().contains("OperationNotPermitted"));

    // A key that may only look.
    let key =
        server.causeway(&["keys:create", "--account", "customer", "--read-only", "--json"]).json();
    let mut reader = server.env(&[]);
    for (name, value) in &mut reader {
        match name.as_str() {
            "AWS_ACCESS_KEY_ID" => *value = text(&key["access_key_id"]),
            "AWS_SECRET_ACCESS_KEY" => *value = text(&key["secret_access_key"]),
            _ => {}
        }
    }
    server.aws_as(&reader, &["ec2", "describe-vpcs"]).ok();
    for denied in [
        vec!["ec2", "create-vpc", "--cidr-block", "10.61.0.0/16"],
        vec!["ec2", "delete-vpc-peering-connection", "--vpc-peering-connection-id", &pcx],
        vec!["ec2", "create-vpc-peering-connection", "--vpc-id", &vpc, "--peer-vpc-id", &space.vpc],
    ] {
        let said = server.aws_as(&reader, &denied).refused();
        assert!(said.contains("UnauthorizedOperation"), "{denied:?}: {said}");
    }

    // Another account neither sees nor touches.
    server.causeway(&["accounts:create", "stranger"]).ok();
    let stranger = server.env(&["--account", "stranger"]);
    let found = server.aws_as(&stranger, &["ec2", "describe-vpcs"]).json();
    assert_eq!(found["Vpcs"].as_array().unwrap().len(), 0);
    let said = server.aws_as(&stranger, &["ec2", "delete-vpc", "--vpc-id", &vpc]).refused();
    assert!(said.contains("InvalidVpcID.NotFound"), "{said}");
    let said = server.aws_as(&stranger, &accept).refused();
    assert!(said.contains("InvalidVpcPeeringConnectionID.NotFound"), "{said}");

    // A user of another team, and no user at all.
    server.causeway(&["users:create", "eve@example.com"]).ok();
    let token = server.causeway(&["tokens:create", "--user", "eve@example.com", "--json"]).json();
    let token = text(&token["token"]);
    for arguments in [
        vec!["spaces:peerings", "doors", "--token", &token],
        vec!["spaces:peerings:accept", &pcx, "-s", "doors", "--token", &token],
        vec!["spaces:peerings", "doors", "--token", "HRKU-nobody"],
    ] {
        assert_eq!(server.causeway(&arguments).code, Some(1), "{arguments:?}");
    }
    assert_eq!(status(&server, &pcx), "pending-acceptance", "nothing changed");
}

#[test]
fn wrong_credentials_are_told_apart() {
    let server = Server::none(&[]);
    let with = |changes: &[(&str, &str)]| {
        let mut variables = server.env(&[]);
        for (name, value) in &mut variables {
            if let Some((_, new)) = changes.iter().find(|(changed, _)| changed == name) {
                *value = (*new).to_owned();
            }
        }
        server.aws_as(&variables, &["ec2", "describe-vpcs"]).refused()
    };
    assert!(with(&[("AWS_SECRET_ACCESS_KEY", "wrong")]).contains("SignatureDoesNotMatch"));
    assert!(with(&[("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA")]).contains("AuthFailure"));
    assert!(with(&[("AWS_ACCESS_KEY_ID", "nonsense")]).contains("AuthFailure"));
    assert!(with(&[("AWS_DEFAULT_REGION", "mars-north-1")]).contains("AuthFailure"));
}

#[test]
fn r5_a_peering_across_regions_is_accepted_where_the_accepter_is() {
    let server = Server::none(&[]);
    let here = vpc(&server, &[], "10.70.0.0/16");
    let there = vpc(&server, &["--region", "eu-west-1"], "10.71.0.0/16");
    let made = server
        .aws(&[
            "ec2",
            "create-vpc-peering-connection",
            "--vpc-id",
            &here,
            "--peer-vpc-id",
            &there,
            "--peer-region",
            "eu-west-1",
        ])
        .json();
    let pcx = text(&made["VpcPeeringConnection"]["VpcPeeringConnectionId"]);
    let accept = ["ec2", "accept-vpc-peering-connection", "--vpc-peering-connection-id", &pcx];
    let said = server.aws(&accept).refused();
    assert!(said.contains("must be accepted in region eu-west-1"), "{said}");
    server.aws(&[&accept[..], &["--region", "eu-west-1"]].concat()).ok();
    server.until("it is active", |server| status(server, &pcx) == "active");
}

#[test]
fn r24_the_sixth_peering_needs_a_ticket() {
    let server = Server::none(&[]);
    let space = space(&server, "crowded");
    let pcxs: Vec<String> = (0..6)
        .map(|n| {
            let vpc = vpc(&server, &[], &format!("10.8{n}.0.0/16"));
            text(&ask(&server, &vpc, &space)["VpcPeeringConnectionId"])
        })
        .collect();
    for pcx in &pcxs[..5] {
        server.heroku(&["spaces:peerings:accept", pcx, "-s", "crowded"]).ok();
    }
    let said = server.heroku(&["spaces:peerings:accept", &pcxs[5], "-s", "crowded"]).refused();
    assert!(said.contains("spaces:limits:set"), "R24: the way out: {said}");
    server.causeway(&["spaces:limits:set", "crowded", "--peerings", "6"]).ok();
    server.heroku(&["spaces:peerings:accept", &pcxs[5], "-s", "crowded"]).ok();
}

#[test]
fn r27_a_request_that_nobody_accepts_expires_after_seven_days() {
    let server = Server::none(&["--test-clock"]);
    let space = space(&server, "late");
    let vpc = vpc(&server, &[], "10.90.0.0/16");
    let pcx = text(&ask(&server, &vpc, &space)["VpcPeeringConnectionId"]);
    let list = server.causeway(&["spaces:peerings", "late", "--json"]).json();
    let row = list.as_array().unwrap().iter().find(|row| row["pcx_id"] == pcx).unwrap();
    assert!(row["expires"].is_string(), "R27: the list shows when");

    // Signatures are checked against the same clock, so the clients' own clocks are left behind:
    // our own commands carry tokens.
    server.causeway(&["clock:advance", "167h"]).ok();
    let state = |server: &Server| {
        let list = server.causeway(&["spaces:peerings", "late", "--json"]).json();
        let rows = list.as_array().unwrap().clone();
        rows.iter().find(|row| row["pcx_id"] == pcx).map(|row| text(&row["status"]))
    };
    assert_eq!(state(&server).as_deref(), Some("pending-acceptance"));
    server.causeway(&["clock:advance", "1h"]).ok();
    assert_eq!(state(&server).as_deref(), Some("expired"));
    server.causeway(&["spaces:peerings:accept", &pcx, "-s", "late"]).refused();
    server.causeway(&["clock:advance", "48h"]).ok();
    assert_eq!(state(&server), None, "two days later nobody sees it");
}

#[test]
fn what_a_space_needs_cannot_be_pulled_from_under_it() {
    let server = Server::none(&[]);
    space(&server, "home");
    server.heroku(&["apps:create", "tenant", "--space", "home"]).ok();
    let said = server.heroku(&["spaces:destroy", "--space", "home", "--confirm", "home"]).refused();
    assert!(said.contains("tenant"), "{said}");
    server.heroku(&["apps:destroy", "--app", "tenant", "--confirm", "tenant"]).ok();
    server.heroku(&["spaces:rename", "--from", "home", "--to", "house"]).ok();
    let list = server.heroku(&["spaces"]).ok();
    assert!(list.contains("house") && !list.contains("home "), "{list}");
    server.heroku(&["spaces:destroy", "--space", "house", "--confirm", "house"]).ok();
    assert!(server.heroku(&["spaces"]).refused().contains("do not have access to any spaces"));
}

#[test]
fn the_real_cli_knows_who_we_are() {
    let server = Server::none(&[]);
    assert!(server.heroku(&["auth:whoami"]).ok().contains("admin@causeway.local"));
    assert!(server.heroku(&["teams"]).ok().contains("team"));
    let me = server.aws(&["sts", "get-caller-identity"]).json();
    assert_eq!(text(&me["Account"]).len(), 12);
    server.aws(&["iam", "get-user"]).ok();
}

#[test]
fn an_emulator_takes_anybody_and_can_be_emptied() {
    let server = Server::none(&["--emulator"]);
    let mut variables = server.env(&[]);
    for (name, value) in &mut variables {
        match name.as_str() {
            "AWS_ACCESS_KEY_ID" => *value = "210987654321".to_owned(),
            "AWS_SECRET_ACCESS_KEY" => *value = "anything".to_owned(),
            _ => {}
        }
    }
    let me = server.aws_as(&variables, &["sts", "get-caller-identity"]).json();
    assert_eq!(me["Account"], "210987654321");
    let vpcs = server.aws_as(&variables, &["ec2", "describe-vpcs"]).json();
    assert_eq!(vpcs["Vpcs"][0]["CidrBlock"], "172.31.0.0/16");
    assert_eq!(vpcs["Vpcs"][0]["IsDefault"], true);
    let subnets =
        server.aws_as(&variables, &["ec2", "describe-subnets", "--region", "eu-west-1"]).json();
    assert_eq!(subnets["Subnets"].as_array().unwrap().len(), 3, "a subnet per zone");
    server.aws_as(&variables, &["ec2", "create-vpc", "--cidr-block", "10.0.0.0/16"]).ok();
    server.causeway(&["reset"]).ok();
    let vpcs = server.aws_as(&variables, &["ec2", "describe-vpcs"]).json();
    assert_eq!(vpcs["Vpcs"].as_array().unwrap().len(), 1, "the default VPC alone");
}

/// What Terraform does to each new group, rules of every kind of source, and a prefix list's versions; all
/// of it is there again after a restart.
#[test]
fn rules_name_ipv6_blocks_and_prefix_lists() {
    let mut server = Server::none(&[]);
    let vpc = vpc(&server, &[], "10.100.0.0/16");
    let group = server
        .aws(&[
            "ec2",
            "create-security-group",
            "--group-name",
            "web",
            "--description",
            "web",
            "--vpc-id",
            &vpc,
        ])
        .json();
    let group = text(&group["GroupId"]);
    let rules = |server: &Server, action: &str, permissions: &[&str]| {
        let named = ["ec2", action, "--group-id", &group, "--ip-permissions"];
        server.aws(&[&named[..], permissions].concat())
    };
    let all = "IpProtocol=-1,FromPort=0,ToPort=0,Ipv6Ranges=[{CidrIpv6=::/0}]";
    let said = rules(&server, "revoke-security-group-egress", &[all]).refused();
    assert!(said.contains("(InvalidPermission.NotFound)"), "{said}");

    let list = server
        .aws(&[
            "ec2",
            "create-managed-prefix-list",
            "--prefix-list-name",
            "offices",
            "--address-family",
            "IPv4",
            "--max-entries",
            "5",
            "--entries",
            "Cidr=192.0.2.0/24,Description=north",
        ])
        .json();
    let list = text(&list["PrefixList"]["PrefixListId"]);
    let of_list = format!(
        "IpProtocol=tcp,FromPort=443,ToPort=443,Ipv6Ranges=[{{CidrIpv6=2001:DB8::1/32}}],\
         PrefixListIds=[{{PrefixListId={list}}}]"
    );
    let echo = "IpProtocol=icmpv6,Ipv6Ranges=[{CidrIpv6=::/0}]";
    let made = rules(&server, "authorize-security-group-ingress", &[&of_list, echo]).json();
    let made = made["SecurityGroupRules"].clone();
    assert_eq!(made[0]["CidrIpv6"], "2001:db8::/32");
    assert_eq!(made[1]["PrefixListId"], list);
    assert_eq!(made[2]["IpProtocol"], "icmpv6");
    let rule = text(&made[0]["SecurityGroupRuleId"]);
    let change = format!(
        "SecurityGroupRuleId={rule},SecurityGroupRule={{IpProtocol=tcp,FromPort=80,ToPort=80,\
         CidrIpv6=2001:db8::/40,Description=narrower}}"
    );
    let modify = ["ec2", "modify-security-group-rules", "--group-id", &group];
    server.aws(&[&modify[..], &["--security-group-rules", &change]].concat()).ok();
    let modify = ["ec2", "modify-managed-prefix-list", "--prefix-list-id", &list];
    let entries = ["--current-version", "1", "--add-entries", "Cidr=198.51.100.0/24"];
    server.aws(&[&modify[..], &entries].concat()).ok();
    let said = server.aws(&[&modify[..], &entries].concat()).refused();
    assert!(said.contains("(PrefixListVersionMismatch)"), "{said}");
    let delete = ["ec2", "delete-managed-prefix-list", "--prefix-list-id", &list];
    assert!(server.aws(&delete).refused().contains("(DependencyViolation)"));

    server.kill_and_restart();
    let by_id = ["ec2", "describe-security-group-rules", "--security-group-rule-ids", &rule];
    let found = server.aws(&by_id).json()["SecurityGroupRules"][0].clone();
    assert_eq!(found["CidrIpv6"], "2001:db8::/40");
    assert_eq!(found["Description"], "narrower");
    let entries = ["ec2", "get-managed-prefix-list-entries", "--prefix-list-id", &list];
    let now = server.aws(&entries).json()["Entries"].clone();
    assert_eq!(now.as_array().map(Vec::len), Some(2));
    let then = server.aws(&[&entries[..], &["--target-version", "1"]].concat()).json();
    assert_eq!(then["Entries"][0]["Description"], "north");
}
