//! Nothing acknowledged is ever lost, and traffic does not notice that the server died.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use serde_json::Value;
use support::talk::{ECHO, Talk};
use support::{Server, text};

#[test]
fn a_backup_of_a_running_server_starts_elsewhere() {
    let server = Server::none(&[]);
    server.causeway(&["spaces:create", "kept", "--team", "team"]).ok();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("causeway.backup");
    let file = file.to_str().unwrap();
    server.causeway(&["backup", file]).ok();
    server.causeway(&["backup", file]).refused();
    server.causeway(&["spaces:create", "later", "--team", "team"]).ok();

    let elsewhere = place.path().join("data");
    let restored = std::process::Command::new(env!("CARGO_BIN_EXE_causeway"))
        .args(["restore", file, "--data"])
        .arg(&elsewhere)
        .output()
        .unwrap();
    assert!(restored.status.success(), "{restored:?}");
    let other = Server::on(&elsewhere, &["--fabric", "none"]);
    let list = other.causeway(&["spaces", "--json"]).json();
    let names: Vec<&str> =
        list.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["kept"]);
    // The access key works there too: its secret was sealed with the key in the backup.
    assert_eq!(
        server.env(&[]).iter().find(|(n, _)| n == "AWS_SECRET_ACCESS_KEY"),
        other.env(&[]).iter().find(|(n, _)| n == "AWS_SECRET_ACCESS_KEY"),
    );
}

#[test]
fn what_a_moved_clock_ended_stays_ended_over_restarts() {
    let mut server = Server::none(&["--test-clock"]);
    let info = support::space(&server, "blue", "shop");
    let site = support::site(&server, "10.100.0.0/16", "10.100.1.0/24", "true");
    let pcx = support::peer(&server, &site, &info);
    let status = |server: &Server| {
        let describe = ["ec2", "describe-vpc-peering-connections", "--vpc-peering-connection-ids"];
        let found = server.aws(&[&describe[..], &[&pcx]].concat()).json();
        let seen = text(&found["VpcPeeringConnections"][0]["Status"]["Code"]);
        let shown = server.status();
        assert_eq!(shown["peerings"][&seen], 1, "{shown}");
        seen
    };
    assert_eq!(status(&server), "pending-acceptance");
    server.causeway(&["clock:advance", "8d"]).ok();
    assert_eq!(status(&server), "expired");
    server.hang_up();
    server.restart();
    assert_eq!(status(&server), "expired");
    server.kill_and_restart();
    assert_eq!(status(&server), "expired");

    // Without a clock that may be moved, too; it only goes no further.
    server.kill();
    let server = Server::on(server.data.path(), &["--fabric", "none"]);
    assert_eq!(status(&server), "expired");
    let refused = server.causeway(&["clock:advance", "1d"]).refused();
    assert!(refused.contains("--test-clock"), "{refused}");
}

#[test]
fn a_second_server_is_kept_from_the_same_directory() {
    let server = Server::none(&[]);
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_causeway"))
        .args(["serve", "--listen", "127.0.0.1:0", "--fabric", "none", "--data"])
        .arg(server.data.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("in use by process"), "{said}");
}

#[test]
fn established_connections_outlive_the_server() {
    let mut server = Server::linux();
    server.causeway(&["spaces:create", "calm", "--team", "team"]).ok();
    server.until("the space is allocated", |server| {
        server.causeway(&["spaces:info", "calm", "--json"]).json()["state"] == "allocated"
    });
    let info = server.causeway(&["spaces:peering:info", "calm", "--json"]).json();
    let site = support::site(&server, "10.100.0.0/16", "10.100.1.0/24", ECHO);
    server.causeway(&["apps:create", "calm-app", "--space", "calm"]).ok();
    let dyno = support::dyno(&server, "calm-app", "sleep 1000000");
    let pcx = support::peer(&server, &site, &info);
    server.causeway(&["spaces:peerings:accept", &pcx, "--space", "calm"]).ok();
    support::open(&server, &site, &pcx, "10.0.0.0/16", 8000);
    server.until("the instance answers the dyno", |server| {
        server.connects(&dyno.target, &site.address, 8000)
    });

    let talk = Talk::start(&server, &dyno.target, &site.address);
    for _ in 0..3 {
        server.kill_and_restart();
        server.sweep();
    }
    let answers = talk.end();
    assert!(answers > 20, "the connection was used all the while: {answers}");
    let status = server.status();
    assert_eq!(status["fabric"]["repairs"], 0, "nothing had to be repaired: {status}");
    assert_eq!(status["dynos"]["up"], 1);
}

/// Runs a command in the root namespace that damages something.
fn damage(line: &str) {
    let mut words = line.split(' ');
    let ran = std::process::Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(ran.status.success(), "{line}: {ran:?}");
}

#[test]
fn what_is_damaged_by_hand_is_repaired_without_a_sweep_and_told() {
    let server = Server::linux();
    let site = support::site(&server, "10.100.0.0/16", "10.100.1.0/24", ECHO);
    let other = support::launch(&server, &site.subnet, "#!/bin/sh\nexec sleep 100000\n");
    let asked = ["ec2", "describe-instances", "--instance-ids", &site.instance];
    let found = server.aws(&asked).json();
    let found = &found["Reservations"][0]["Instances"][0]["NetworkInterfaces"][0];
    let eni = text(&found["NetworkInterfaceId"]);
    let group = ["ec2", "authorize-security-group-ingress", "--group-id", &site.group];
    let open = ["--protocol", "tcp", "--port", "8000", "--cidr", "0.0.0.0/0"];
    server.aws(&[&group[..], &open].concat()).json();
    server.until("the instance answers", |server| server.connects(&other.id, &site.address, 8000));
    // Each process's start, as the kernel counts.
    let started = || {
        let look = ["--", "cut", "-d ", "-f22", "/proc/1/stat"];
        server.causeway(&[&["exec", &site.instance][..], &look].concat()).ok()
    };
    let since = started();
    assert_eq!(server.status()["fabric"]["repairs"], 0);
    let fabric = || server.status()["fabric"].clone();
    let repairs_of = |fabric: &Value, said: &str| {
        let all = fabric["last_repairs"].as_array().unwrap();
        all.iter().filter(|repair| repair.as_str().unwrap().contains(said)).count()
    };
    let vpc = &site.vpc;
    for (line, said) in [
        (format!("ip netns del cw-{eni}"), "its namespace had lost its name"),
        (format!("umount -l /run/netns/cw-{vpc}"), "its router's namespace had lost its name"),
        (format!("ip netns exec cw-{vpc} nft flush ruleset"), "the firewall was missing"),
        (format!("ip -n cw-{vpc} rule del prio 1000"), "policy rule 1000 was missing"),
        (format!("ip -n cw-{eni} link del eth0"), "link eth0 was missing"),
    ] {
        // A sweep that happens to come in between repairs it too, and says nothing of what the
        // kernel told: then once more.
        let told = (0..5).any(|_| {
            let before = fabric();
            damage(&line);
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
            let after = loop {
                let now = fabric();
                if repairs_of(&now, said) > repairs_of(&before, said) {
                    break now;
                }
                assert!(std::time::Instant::now() < deadline, "{line}: {now}");
            };
            assert!(after["repairs"].as_u64() > before["repairs"].as_u64(), "{line}");
            after["last_sweep"] == before["last_sweep"]
        });
        assert!(told, "{line}: only sweeps find it");
        assert!(server.log().contains(said), "{line}");
        assert!(server.connects(&other.id, &site.address, 8000), "{line}");
        assert_eq!(started(), since, "{line}: the process went on");
    }
}
