//! R8: whether a VPC fits a space is seen before anybody asks, by either side, and accepting says the
//! same. With the real clients, which the new members of answers do not disturb.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::process::{Command, Output};

use serde_json::Value;
use support::{Server, redact, text};

/// Our own command in an environment of these variables alone.
fn causeway(arguments: &[&str], variables: &[(String, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
    command.env_clear().args(arguments);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.envs(variables.iter().map(|(name, value)| (name, value))).output().unwrap()
}

#[track_caller]
fn ended(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "'{word}' is not in: {said}");
    }
}

/// The variables of `causeway env` with these beginnings, and those without which there is no server.
fn with(server: &Server, beginnings: &[&str]) -> Vec<(String, String)> {
    let kept = |name: &str| {
        name == "CAUSEWAY_URL" || beginnings.iter().any(|beginning| name.starts_with(beginning))
    };
    server.env(&[]).into_iter().filter(|(name, _)| kept(name)).collect()
}

fn vpc(server: &Server, block: &str) -> String {
    let made = server.aws(&["ec2", "create-vpc", "--cidr-block", block]).json();
    text(&made["Vpc"]["VpcId"])
}

fn ask(server: &Server, vpc: &str, info: &Value) -> String {
    let peer = [text(&info["vpc_id"]), text(&info["aws_account_id"])];
    let ask = ["ec2", "create-vpc-peering-connection", "--vpc-id", vpc];
    let to = ["--peer-vpc-id", &peer[0], "--peer-owner-id", &peer[1]];
    let made = server.aws(&[&ask[..], &to].concat()).json();
    text(&made["VpcPeeringConnection"]["VpcPeeringConnectionId"])
}

#[test]
fn r8_both_sides_see_before_the_request_what_accepting_says_after_it() {
    let server = Server::none(&[]);
    let info = support::space(&server, "blue", "shop");
    let (user, account) = (with(&server, &["HEROKU_API_KEY"]), with(&server, &["AWS_"]));
    let both = [user.clone(), account.clone()].concat();
    let (good, bad) = (vpc(&server, "10.100.0.0/16"), vpc(&server, "10.1.0.0/20"));
    let add = ["ec2", "associate-vpc-cidr-block", "--vpc-id", &bad, "--cidr-block"];
    server.aws(&[&add[..], &["10.9.0.0/20"]].concat()).ok();

    // The space's side, by blocks: every reason at once, each with both blocks.
    let check = ["spaces:peering:check", "blue", "--cidr", "10.0.0.0/20,172.17.5.0/24"];
    let reasons = ["10.0.0.0/20", "10.0.0.0/16", "172.17.5.0/24", "172.17.0.0/16", "what to do"];
    ended(&causeway(&check, &user), 1, &reasons);
    let check = ["spaces:peering:check", "blue", "--cidr", "10.100.0.0/16"];
    let needs = ["can be peered", "create-route", "10.0.128.0/20", "10.0.144.0/20"];
    ended(&causeway(&check, &user), 0, &needs);
    let abroad = [&check[..], &["--region", "eu-west-1"]].concat();
    ended(&causeway(&abroad, &user), 0, &["1500", "cannot name groups"]);
    ended(&causeway(&["spaces:peering:check", "blue", "--cidr", "10.0.0.0/8"], &user), 2, &["/28"]);
    ended(&causeway(&["spaces:peering:check", "red", "--cidr", "10.8.0.0/16"], &user), 3, &["red"]);

    // By a VPC, which the space's side sees once it has asked, and its owner before.
    let by_vpc = |vpc: &str, variables: &[(String, String)]| {
        causeway(&["spaces:peering:check", "blue", "--vpc", vpc], variables)
    };
    ended(&by_vpc(&bad, &user), 3, &["Couldn't find that VPC", "--cidr BLOCK"]);
    ended(&by_vpc(&bad, &both), 1, &[&bad, "10.1.0.0/20", "10.1.0.0/16", "data services"]);
    ended(&by_vpc(&good, &both), 0, &[&good, "rtb-"]);

    // The VPC's side, with no more than the six lines, as either client prints them.
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("info");
    let file_name = file.to_str().unwrap();
    let lines = server.heroku(&["spaces:peering:info", "blue"]).ok();
    let unavailable = "Unavailable CIDRs: 10.1.0.0/16, 172.17.0.0/16";
    assert!(lines.contains(unavailable), "{lines}");
    for text in [lines, info.to_string()] {
        std::fs::write(&file, text).unwrap();
        let check = |vpc| ["vpcs:peering:check", vpc, "--info", file_name];
        let reasons = ["CANNOT", "10.1.0.0/20", "10.1.0.0/16", "Unavailable CIDRs", "10.2.0.0/20"];
        ended(&causeway(&check(&bad), &account), 1, &reasons);
        ended(&causeway(&check(&good), &account), 0, &["can be peered", "rtb-"]);
        ended(&causeway(&check(&good), &user), 3, &["There is no vpc-"]);
    }
    let by_flags = ["vpcs:peering:check", &good, "--peer-cidr", "10.100.128.0/20"];
    ended(&causeway(&by_flags, &account), 1, &["10.100.0.0/16", "10.100.128.0/20"]);
    ended(&causeway(&["vpcs:peering:check", &good], &account), 2, &["--info"]);

    // What was said comes to pass, by the real clients.
    let (good_pcx, bad_pcx) = (ask(&server, &good, &info), ask(&server, &bad, &info));
    ended(&by_vpc(&bad, &user), 1, &[&bad, "10.1.0.0/20"]);
    let listed = server.causeway(&["spaces:peerings", "blue"]).ok();
    for words in [
        format!("{good_pcx} can be accepted: causeway spaces:peerings:accept {good_pcx}"),
        format!("{bad_pcx} cannot be accepted:\n  ✗ The block 10.1.0.0/20 of {bad} overlaps"),
    ] {
        assert!(listed.contains(&words), "{words}: {listed}");
    }
    let rows = server.causeway(&["spaces:peerings", "blue", "--json"]).json();
    let row = |pcx: &str| {
        let mut rows = rows.as_array().unwrap().iter();
        rows.find(|row| row["pcx_id"] == pcx).unwrap().clone()
    };
    assert_eq!(row(&good_pcx)["fits"], true);
    let reason = &row(&bad_pcx)["reasons"][0];
    assert_eq!(
        (&reason["overlaps_with"], &reason["overlaps"]),
        (&"data".into(), &"10.1.0.0/16".into())
    );
    let real = server.heroku(&["spaces:peerings", "blue"]).ok();
    assert!(real.contains(&good_pcx) && real.contains("pending-acceptance"), "{real}");
    let accept = |pcx: &str| server.heroku(&["spaces:peerings:accept", pcx, "--space", "blue"]);
    let refused = accept(&bad_pcx).refused();
    assert!(refused.contains("10.1.0.0/20") && refused.contains("10.1.0.0/16"), "{refused}");
    accept(&good_pcx).ok();

    // From here on its block is taken too.
    let real = server.heroku(&["spaces:peering:info", "blue"]).ok();
    assert!(real.contains(&format!("{unavailable}, 10.100.0.0/16")), "{real}");
    let check = ["spaces:peering:check", "blue", "--cidr", "10.100.7.0/24"];
    ended(&causeway(&check, &user), 1, &["10.100.7.0/24", "10.100.0.0/16", &good_pcx]);
    ended(&by_vpc(&good, &user), 1, &["already exists", &good_pcx]);
}

/// R8: what both commands print, to the letter.
#[test]
fn r8_a_check_in_words() {
    let server = Server::none(&[]);
    let info = support::space(&server, "blue", "shop");
    let own = vpc(&server, "10.1.0.0/16");
    let filter = format!("Name=vpc-id,Values={own}");
    let tables = server.aws(&["ec2", "describe-route-tables", "--filters", &filter]).json();
    let table = text(&tables["RouteTables"][0]["RouteTableId"]);
    let names = [(own.as_str(), "vpc-1"), (table.as_str(), "rtb-1")];
    let said = |arguments: &[&str], input: &str| {
        let ran = server.causeway_reading(arguments, input);
        redact(&format!("{}exit status {}\n", ran.out, ran.code.unwrap()), &names)
    };
    let blocks = "10.1.0.0/16,100.64.0.0/16";
    insta::assert_snapshot!(
        "spaces_peering_check_in_vain",
        said(&["spaces:peering:check", "blue", "--cidr", blocks], "")
    );
    let abroad = ["spaces:peering:check", "blue", "--cidr", "10.9.0.0/16", "--region", "eu-west-1"];
    insta::assert_snapshot!("spaces_peering_check", said(&abroad, ""));
    let from_stdin = ["vpcs:peering:check", &own, "--info", "-"];
    insta::assert_snapshot!("vpcs_peering_check_in_vain", said(&from_stdin, &info.to_string()));
    let mut other = info.clone();
    other["unavailable_cidr_blocks"] = Value::Array(Vec::new());
    insta::assert_snapshot!("vpcs_peering_check", said(&from_stdin, &other.to_string()));
}
