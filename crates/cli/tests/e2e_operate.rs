//! Looking after an installation: copies, wrong usage, clocks, and who may ask why.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use support::{Server, text};

/// Our own command in an environment of these variables alone.
fn causeway(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
    command.env_clear().args(arguments);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.envs(variables.iter().copied()).output().unwrap()
}

#[track_caller]
fn ended(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "'{word}' is not in: {said}");
    }
}

#[test]
fn a_copy_neither_takes_over_its_original_nor_is_taken_over() {
    let server = Server::linux();
    support::space(&server, "kept", "shop");
    let dyno = support::dyno(&server, "shop", "sleep 600").target;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("causeway.backup");
    let file = file.to_str().unwrap();
    server.causeway(&["backup", file]).ok();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let (same, own) = (at("same"), at("own"));
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data"];

    ended(&causeway(&["restore", file, "--data", &same], &[]), 0, &[]);
    let words = ["is managed by process", "stop that server", "restore --new-instance"];
    ended(&causeway(&[&serve[..], &[&same]].concat(), &[]), 1, &words);
    ended(&causeway(&["fabric:purge", "--confirm", "--data", &same], &[]), 1, &words);
    server.causeway(&["exec", &dyno, "--", "true"]).ok();
    // A command that is not there is told as a shell tells it.
    let missing = server.causeway(&["exec", &dyno, "--", "no-such-command"]);
    assert_eq!(missing.code, Some(127), "{missing:?}");
    assert!(missing.err.contains("no-such-command: not found"), "{missing:?}");
    let forbidden = server.causeway(&["exec", &dyno, "--", "/etc/hosts"]);
    assert_eq!(forbidden.code, Some(126), "{forbidden:?}");

    let restored = causeway(&["restore", file, "--new-instance", "--data", &own], &[]);
    ended(&restored, 0, &["It is instance copy-"]);
    {
        let copy = Server::on(Path::new(&own), &["--fabric", "linux"]);
        copy.until("the copy's own dyno runs", |copy| {
            copy.causeway(&["exec", &dyno, "--", "true"]).code == Some(0)
        });
        let pid = |server: &Server| {
            server.causeway(&["exec", &dyno, "--", "readlink", "/proc/self/ns/net"]).ok()
        };
        assert_ne!(pid(&copy), pid(&server), "each has a network of its own");
        // The copy ends here, and all that it made with it.
    }
    server.causeway(&["exec", &dyno, "--", "true"]).ok();
    assert!(server.sweep()["healthy"] == true, "nothing of the original is missing");
}

#[test]
fn a_runtime_that_is_not_there_is_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let serve =
        ["serve", "--listen", "127.0.0.1:0", "--runtime", "/nonexistent/runc", "--data", data];
    let words = ["OCI runtime", "/nonexistent/runc", "apt-get install runc", "--fabric none"];
    ended(&causeway(&serve, &[]), 1, &words);
    // What the first start made is told by the first one that goes on.
    let server = Server::on(dir.path(), &["--fabric", "none"]);
    assert!(server.said.contains("This is a new installation"), "{}", server.said);
    drop(server);
    let server = Server::on(dir.path(), &["--fabric", "none", "--region", "tokyo"]);
    assert!(!server.said.contains("new installation"), "{}", server.said);
    assert!(server.log().contains("--region ap-northeast-1 changes nothing"), "{}", server.log());
}

#[test]
fn where_the_address_is_taken_nothing_is_made() {
    let server = Server::none(&[]);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let address = server.url.trim_start_matches("http://");
    let serve = ["serve", "--fabric", "none", "--listen", address, "--data"];
    let taken = causeway(&[&serve[..], &[data.to_str().unwrap()]].concat(), &[]);
    ended(&taken, 1, &["cannot listen on", "--listen 127.0.0.1:0"]);
    assert!(!data.exists());
}

#[test]
fn wrong_usage_is_told_from_refusals() {
    let dir = tempfile::tempdir().unwrap();
    let typo = dir.path().join("typo");
    let typo = typo.to_str().unwrap();
    for arguments in [
        &["fabric:purge", "--confirm"][..],
        &["backup", "/tmp/never-written"],
        &["env"],
        &["status"],
        &["accounts"],
    ] {
        let words = ["is not a data directory of Causeway"];
        ended(&causeway(&[arguments, &["--data", typo]].concat(), &[]), 2, &words);
        assert!(!Path::new(typo).exists(), "{arguments:?} made a directory");
    }
    ended(&causeway(&["serve", "--region", "mars-1"], &[]), 2, &["mars-1"]);
    let settings = dir.path().join("settings.toml");
    std::fs::write(&settings, "test_clock = true\n").unwrap();
    let serve = ["serve", "--config", settings.to_str().unwrap()];
    ended(&causeway(&serve, &[]), 2, &["test_clock", "did you mean 'test-clock'"]);

    let server = Server::none(&[]);
    server.causeway(&["spaces:create", "one", "--team", "team"]).ok();
    for arguments in [
        &["why", "i-00000000000000001", "10.0.0.4"][..],
        &["why", "i-00000000000000001", "10.0.0.4", "--port", "80"],
        &["why", "10.0.0.4", "10.0.0.5", "--port", "80"],
        &["why", "x", "y", "--proto", "icmp", "--port", "1"],
        &["clock:advance", "1 fortnight"],
        &["fabric:purge"],
    ] {
        assert_eq!(server.causeway(arguments).code, Some(2), "{arguments:?}");
    }
    // The clock is the machine's: that is a refusal.
    assert_eq!(server.causeway(&["clock:advance", "1d"]).code, Some(1));
    // Whether its network is healthy is not asked here: it has just started.
    let status = server.causeway(&["status"]).out;
    assert!(status.contains("Instances  0\n"), "{status}");
}

#[test]
fn a_refusal_has_its_id_in_words_and_as_json() {
    let server = Server::none(&[]);
    let operator = [("CAUSEWAY_DATA", server.data.path().to_str().unwrap())];
    let stranger = [("CAUSEWAY_URL", &*server.url), ("HEROKU_API_KEY", "wrong")];
    for (variables, arguments, status, id) in [
        (&operator[..], &["spaces:info", "nowhere"][..], 404, "not_found"),
        (&operator, &["spaces:create", "No Name", "--team", "team"], 422, "invalid_params"),
        (&operator, &["teams:create", "one", "--admin", "nobody@example.com"], 404, "not_found"),
        (&stranger, &["spaces"], 401, "unauthorized"),
    ] {
        let run = |arguments: &[&str]| {
            let refused = causeway(arguments, variables);
            ended(&refused, 1, &[]);
            assert!(refused.stdout.is_empty(), "{arguments:?}: {refused:?}");
            String::from_utf8(refused.stderr).unwrap()
        };
        let words = run(arguments);
        let message = words
            .strip_prefix("Error: ")
            .and_then(|rest| rest.strip_suffix(&format!("\nError ID: {id}\n")))
            .unwrap_or_else(|| panic!("{arguments:?}: {words}"));
        let json = run(&[arguments, &["--json"]].concat());
        let error: serde_json::Value = serde_json::from_str(&json).unwrap();
        let expected = serde_json::json!({ "id": id, "message": message, "status": status });
        assert_eq!(error, expected, "{arguments:?}");
    }
}

#[test]
fn a_directory_that_is_named_is_over_the_variables() {
    let (one, other) = (Server::none(&[]), Server::none(&[]));
    let mut variables: Vec<(String, String)> = one.env(&[]);
    variables.retain(|(name, _)| name == "CAUSEWAY_URL" || name == "HEROKU_API_KEY");
    variables.push(("CAUSEWAY_DATA".to_owned(), one.data.path().to_str().unwrap().to_owned()));
    variables.push(("CAUSEWAY_LISTEN".to_owned(), String::new()));
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    let named = other.data.path().to_str().unwrap();
    let env = causeway(&["env", "--json", "--data", named], &variables);
    ended(&env, 0, &[&other.url]);
    other.causeway(&["spaces:create", "theirs", "--team", "team"]).ok();
    ended(&causeway(&["spaces", "--data", named], &variables), 0, &["theirs"]);
    let url = ["accounts", "--url", &other.url, "--data", named];
    ended(&causeway(&url, &variables), 0, &["customer"]);
    let spaces = causeway(&["spaces"], &variables);
    ended(&spaces, 1, &["You do not have access to any spaces"]);
}

#[test]
fn signatures_do_not_age_with_a_test_s_clock() {
    let server = Server::none(&["--test-clock"]);
    let make = |cidr: &str| {
        let made = server.aws(&["ec2", "create-vpc", "--cidr-block", cidr]).json();
        text(&made["Vpc"]["VpcId"])
    };
    let (ours, theirs) = (make("10.100.0.0/16"), make("10.101.0.0/16"));
    let ask = ["ec2", "create-vpc-peering-connection", "--vpc-id", &ours, "--peer-vpc-id", &theirs];
    let pcx = text(&server.aws(&ask).json()["VpcPeeringConnection"]["VpcPeeringConnectionId"]);
    let status = || {
        let describe = ["ec2", "describe-vpc-peering-connections", "--vpc-peering-connection-ids"];
        let found = server.aws(&[&describe[..], &[&pcx]].concat()).json();
        text(&found["VpcPeeringConnections"][0]["Status"]["Code"])
    };
    assert_eq!(status(), "pending-acceptance");
    server.causeway(&["clock:advance", "6d"]).ok();
    assert_eq!(status(), "pending-acceptance");
    server.causeway(&["clock:advance", "1d"]).ok();
    assert_eq!(status(), "expired", "R27, as the requester sees it");
    let accept = ["ec2", "accept-vpc-peering-connection", "--vpc-peering-connection-id", &pcx];
    let refused = server.aws(&accept).refused();
    assert!(refused.contains("InvalidStateTransition"), "{refused}");
}

#[test]
fn whoever_sees_an_end_may_ask_why() {
    let server = Server::none(&[]);
    let info = support::space(&server, "blue", "shop");
    let dyno =
        text(&server.causeway(&["run", "--app", "shop", "--json", "--", "sleep 1"]).json()["name"]);
    let dyno = format!("shop/{dyno}");
    let site = support::site(&server, "10.100.0.0/16", "10.100.1.0/24", "true");
    let pcx = support::join(&server, &site, "blue", &info);
    let all = server.env(&[]);
    let with = |names: &[&str]| -> Vec<(String, String)> {
        let kept = all.iter().filter(|(name, _)| {
            names.iter().any(|prefix| name.starts_with(prefix)) || name == "CAUSEWAY_URL"
        });
        kept.cloned().collect()
    };
    let why = |variables: &[(String, String)], from: &str, to: &str| {
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        causeway(&["why", from, to, "--port", "8000"], &variables)
    };
    let (user, account) = (with(&["HEROKU_API_KEY"]), with(&["AWS_"]));
    let at = format!("{}/{}", site.vpc, site.address);
    support::admit(&server, &site, "10.0.0.0/16", 8000);
    // The VPC has no route back yet: its owner is told which, the space's is sent to its owner.
    let theirs = format!("ask the owner of {}", site.vpc);
    ended(&why(&user, &dyno, &at), 1, &["does NOT get through", &theirs, "on its way back"]);
    let blocked = why(&account, &site.instance, &site.address.replace(".1.", ".2."));
    ended(&blocked, 1, &["NO_POSSIBLE_DESTINATION", "describe-network-interfaces"]);
    let vpc = text(&info["vpc_id"]);
    let there = format!("{vpc}/10.0.128.4");
    ended(&why(&account, &site.instance, &there), 1, &["create-route", "10.0.0.0/16"]);
    support::route(&server, &site, "10.0.0.0/16", &pcx);
    ended(&why(&user, &dyno, &at), 0, &["gets through", "what its owner set lets it pass"]);
    let said = why(&user, &dyno, &at);
    assert!(!String::from_utf8_lossy(&said.stdout).contains(&site.group), "{said:?}");
    // Both together see both ends, by name and in full.
    let both = [user.clone(), account.clone()].concat();
    ended(&why(&both, &dyno, &site.instance), 0, &["gets through", &site.group]);
    // What is another's is not told from what is not there.
    let none = ["there is no instance", "named by its address", "vpc-…/10.0.0.5"];
    ended(&why(&user, &dyno, &site.instance), 2, &none);
    ended(&why(&user, &dyno, "i-00000000000000001"), 2, &none);
    let none = ["there is no app 'shop'", "named by its address"];
    ended(&why(&account, &dyno, &site.instance), 2, &none);
    // Named so, it is found.
    ended(&why(&user, &dyno, &site.address), 0, &["gets through"]);
    // No verdict is neither yes nor no.
    ended(&why(&with(&[]), &dyno, &at), 3, &["there is no verdict", "causeway env"]);
    let wrong = [("CAUSEWAY_URL", &*server.url), ("HEROKU_API_KEY", "HRKU-nobody")];
    ended(&causeway(&["why", &dyno, &at, "--port", "8000"], &wrong), 3, &["causeway env"]);
    let nowhere = [("CAUSEWAY_URL", "http://127.0.0.1:9"), ("HEROKU_API_KEY", "HRKU-nobody")];
    ended(&causeway(&["why", &dyno, &at, "--port", "8000"], &nowhere), 3, &["no verdict"]);
    let asked = ["why", &dyno, &at, "--proto", "icmp", "--source-port", "53"];
    ended(&causeway(&asked, &wrong), 2, &["icmp has no ports"]);
}

/// Types what `why` prints into the real clients, until it says that the flow passes; says how
/// often it was asked, and all that was typed.
fn mend(server: &Server, from: &str, to: &str, port: &str) -> (usize, Vec<String>) {
    let mut typed = Vec::new();
    for asked in 1..10 {
        let why = server.causeway(&["why", from, to, "--port", port, "--json"]);
        let verdict: serde_json::Value = serde_json::from_str(&why.out).unwrap();
        assert_eq!(why.code, Some(if verdict["allowed"] == true { 0 } else { 1 }), "{why:?}");
        if verdict["allowed"] == true {
            return (asked, typed);
        }
        let commands: Vec<String> = verdict["hops"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|hop| hop["commands"].as_array().unwrap().iter().map(text))
            .collect();
        assert!(!commands.is_empty(), "nothing is left to type: {verdict:#}");
        for line in commands {
            let words = shlex::split(&line).unwrap();
            let arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
            match &*words[0] {
                "aws" => drop(server.aws(&arguments).ok()),
                "heroku" => drop(server.heroku(&arguments).ok()),
                "causeway" => drop(server.causeway(&arguments).ok()),
                other => panic!("{other} is no client"),
            }
            typed.push(line);
        }
    }
    panic!("it never passes: {typed:#?}");
}

#[test]
fn what_why_prints_is_typed_until_the_packet_passes() {
    let server = Server::none(&[]);
    support::space(&server, "blue", "shop");
    server.causeway(&["spaces:limits:set", "blue", "--peerings", "1"]).ok();
    let run = server.causeway(&["run", "--app", "shop", "--json", "--", "sleep 1"]).json();
    let dyno = format!("shop/{}", text(&run["name"]));
    let site = support::site(&server, "10.100.0.0/16", "10.100.1.0/24", "true");
    let other = support::site(&server, "10.110.0.0/16", "10.110.1.0/24", "true");
    let ec2 =
        |line: &str| server.aws(&[&["ec2"][..], &line.split(' ').collect::<Vec<_>>()].concat());
    let entry = |acl: &str, way: &str, number: u16, rest: &str| {
        ec2(&format!(
            "create-network-acl-entry --network-acl-id {acl} {way} --rule-number {number} {rest}"
        ))
        .ok();
    };
    let of_vpc =
        |kind: &str, vpc: &str| ec2(&format!("{kind} --filters Name=vpc-id,Values={vpc}")).json();

    // A denial with the first number of all, another one of most ephemeral ports, a group without
    // a rule, and a route to an interface that vanished.
    let acl = text(&of_vpc("describe-network-acls", &site.vpc)["NetworkAcls"][0]["NetworkAclId"]);
    entry(&acl, "--ingress", 1, "--protocol -1 --cidr-block 10.0.0.0/8 --rule-action deny");
    let ports = "--protocol tcp --port-range From=2048,To=65535 --cidr-block 0.0.0.0/0";
    entry(&acl, "--egress", 50, &format!("{ports} --rule-action deny"));
    let table = text(&of_vpc("describe-route-tables", &site.vpc)["RouteTables"][0]["RouteTableId"]);
    let second = support::launch(&server, &site.subnet, "true");
    ec2(&format!("create-route --route-table-id {table} --destination-cidr-block 10.0.0.0/16 --instance-id {}", second.id)).ok();
    ec2(&format!("terminate-instances --instance-ids {}", second.id)).ok();
    server.until("the interface is gone", |_| {
        let tables = of_vpc("describe-route-tables", &site.vpc);
        tables["RouteTables"][0]["Routes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|r| r["State"] == "blackhole")
    });

    let (asked, typed) = mend(&server, &dyno, &site.instance, "8000");
    assert_eq!(asked, 3, "the peering first, then all the rest at once: {typed:#?}");
    for part in [
        "create-vpc-peering-connection",
        "heroku spaces:peerings:accept",
        "replace-network-acl-entry",
        "authorize-security-group-ingress",
        "--port-range From=2048,To=65535",
        "replace-route",
    ] {
        assert!(typed.iter().any(|line| line.contains(part)), "{part}: {typed:#?}");
    }
    // The space is full by now, and the other VPC needs the way back only.
    let (_, typed) = mend(&server, &other.instance, &dyno, "5000");
    assert!(typed.iter().any(|line| line.starts_with("causeway spaces:limits:set")), "{typed:#?}");
    let json = server.causeway(&["why", &dyno, &site.instance, "--port", "8000", "--json"]).json();
    let hops = json["hops"].as_array().unwrap();
    let acls: Vec<&serde_json::Value> =
        hops.iter().filter(|hop| hop["network_acl_id"] == acl.as_str()).collect();
    assert_eq!(acls.len(), 2, "{json:#}");
    assert!(acls.iter().all(|hop| hop["rule_number"].as_u64().is_some()), "{acls:#?}");
    assert!(hops.iter().any(|hop| hop["security_group_rule_id"].is_string()), "{json:#}");

    // In Japanese, but for what programs read.
    let japanese = ["why", &dyno, &site.instance, "--port", "8000", "--lang", "ja"];
    let said = server.causeway(&japanese);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains(": 通ります\n") && said.out.contains("  復路の応答:\n"), "{said:?}");
    assert!(said.out.contains("を持っています") && !said.out.contains(" of "), "{said:?}");
    assert_eq!(server.causeway(&[&japanese[..], &["--json"]].concat()).json(), json);
    let other = server.causeway(&["why", &dyno, &site.instance, "--port", "8000", "--lang", "fr"]);
    assert_eq!(other.code, Some(2), "{other:?}");

    // Some source ports only are told as such.
    entry(&acl, "--egress", 10, &format!("{ports} --rule-action deny"));
    let part = server.causeway(&["why", &dyno, &site.instance, "--port", "8000"]);
    assert_eq!(part.code, Some(1));
    assert!(part.out.contains("gets through from the source ports 1024-2047 ONLY"), "{part:?}");
    let one = ["why", &dyno, &site.instance, "--port", "8000", "--source-port", "1024-2047"];
    assert_eq!(server.causeway(&one).code, Some(0));

    // Who accepts what is accepted is told so; the API does it again.
    let accepted = typed_accept(&server);
    for _ in 0..2 {
        let again = server.causeway(&["spaces:peerings:accept", &accepted, "--space", "blue"]).ok();
        assert!(again.contains("already") && again.contains("nothing was changed"), "{again}");
        server.heroku(&["spaces:peerings:accept", &accepted, "--space", "blue"]).ok();
    }
}

/// The id of a customer's peering of the space `blue`.
fn typed_accept(server: &Server) -> String {
    let list = server.causeway(&["spaces:peerings", "blue", "--json"]).json();
    let ids = list.as_array().unwrap().iter().map(|peering| text(&peering["pcx_id"]));
    ids.into_iter().find(|id| id.starts_with("pcx-")).unwrap()
}

#[test]
fn an_emulator_believes_everybody_here_and_nobody_elsewhere() {
    let server = Server::none(&["--emulator"]);
    assert!(server.said.contains("any account             123456789012"), "{}", server.said);
    let near = server.url.trim_start_matches("http://").to_owned();
    let get = |host: &str, more: &str| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(&near).unwrap();
        let accept = "accept: application/vnd.heroku+json; version=3";
        let head = format!("GET /account HTTP/1.1\r\nhost: {host}\r\n{accept}\r\n{more}");
        write!(stream, "{head}connection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    // Without any credentials, but only from this machine.
    assert!(get(&near, "").contains("admin@causeway.local"), "{}", get(&near, ""));
    for (host, more) in [("evil.example", ""), (&*near, "origin: https://evil.example\r\n")] {
        assert!(get(host, more).starts_with("HTTP/1.1 403 "), "{host}");
    }
    let variables: Vec<(String, String)> = [
        ("AWS_ENDPOINT_URL", &*server.url),
        ("AWS_ACCESS_KEY_ID", "111122223333"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_DEFAULT_REGION", "us-esat-1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let refused = server.aws_as(&variables, &["ec2", "describe-vpcs"]).refused();
    assert!(refused.contains("us-esat-1") && refused.contains("AuthFailure"), "{refused}");
    // Whoever can reach it may empty it.
    ended(&causeway(&["reset", "--url", &server.url], &[]), 0, &["Emptied"]);
}

#[test]
fn the_demo_leaves_a_server_that_runs_as_it_was() {
    let server = Server::none(&[]);
    let data = server.data.path().to_str().unwrap();
    // Of the real clients there are none on this path: the demo's own are quick.
    let variables = [("PATH", "/usr/bin:/bin")];
    let demo = causeway(&["demo", "--url", &server.url, "--data", data], &variables);
    ended(&demo, 0, &["which runs and stays", "packets none", "What the demo made there is gone"]);
    let status = server.status();
    assert_eq!((&status["vpcs"], &status["spaces"]), (&0.into(), &serde_json::json!([])));
}

#[test]
fn a_closed_terminal_ends_a_server_cleanly() {
    let mut server = Server::none(&[]);
    let note = server.data.path().join("serve.json");
    assert!(note.exists());
    assert!(server.hang_up().success(), "{}", server.log());
    assert!(!note.exists(), "it said goodbye");
}

#[test]
fn other_services_are_refused_in_their_own_form() {
    let server = Server::none(&[]);
    // For some services this client has other addresses unless it is told.
    let here = format!("--endpoint-url {}", server.url);
    for (line, code) in [
        ("s3 ls", "NotImplemented"),
        ("s3api create-bucket --bucket apps", "NotImplemented"),
        ("dynamodb list-tables", "UnknownOperationException"),
        ("sqs list-queues HERE", "UnknownOperationException"),
        ("lambda list-functions", "UnknownOperationException"),
        ("cloudwatch list-metrics", ""),
        ("cloudformation list-stacks", "InvalidAction"),
        ("elbv2 describe-load-balancers", "InvalidAction"),
        ("rds describe-db-instances HERE", "InvalidAction"),
        ("route53 list-hosted-zones", "InvalidAction"),
    ] {
        let line = line.replace("HERE", &here);
        let words: Vec<&str> = line.split(' ').collect();
        let said = server.aws(&words).refused();
        assert!(said.contains("Causeway has EC2, STS and IAM; it has no "), "{line}: {said}");
        assert!(said.contains(&format!("({code}")), "{line}: {said}");
    }
    server.aws(&["sts", "get-caller-identity"]).ok();
    server.aws(&["iam", "list-account-aliases"]).ok();
}
