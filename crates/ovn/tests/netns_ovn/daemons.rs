//! Daemons that are killed and started again: packets go on, and so do changes.

use crate::lab::{HOSTS, Lab};
use crate::town::{Change, Town, address, eni, rule, tcp};

#[test]
fn packets_and_changes_go_on_after_every_daemon_was_killed() {
    let (a, b) = (eni(1, 0, 0), eni(2, 0, 0));
    let to_b = address(2, 0, 0);
    let mut town = Town::new().vpc(1, &[1]).vpc(2, &[1]).peered(1, 2).0;
    let mut lab = Lab::new();
    lab.sweep(&town);
    let mut connection = lab.connect(a, (b, &to_b), 79);
    let all =
        ["central/northd", "central/db", "h2/controller", "h3/controller", "h2/db", "h3/vswitchd"];
    for (number, daemon) in all.iter().enumerate() {
        lab.restart(daemon);
        if let Some(host) = daemon.strip_suffix("/vswitchd") {
            lab.restore_underlay(host);
        }
        assert!(connection.carries_again(), "{daemon}");
        lab.await_connected();
        let port = 8000 + u16::try_from(number).unwrap();
        town.guard(2, b, &[rule(tcp(port), "0.0.0.0/0"), rule(tcp(79), "0.0.0.0/0")], &[]);
        lab.apply(&town);
        lab.reaches(a, (b, &to_b), port);
        lab.is_cut_off(a, (b, &to_b), port + 1);
    }
}

/// The test itself is killed, as one that hangs is: nothing is left of its laboratory.
#[test]
fn a_test_that_is_killed_leaves_nothing() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    if std::env::var_os(VICTIM).is_some() {
        let mut lab = Lab::new();
        lab.sweep(&Town::new().vpc(1, &[2]).0);
        println!("{MADE}{}", lab.directory().display());
        crate::lab::pause(60_000);
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "daemons::a_test_that_is_killed_leaves_nothing", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let directory =
        lines.map(Result::unwrap).find_map(|line| line.split_once(MADE).map(|it| it.1.to_owned()));
    let directory = directory.unwrap();
    let alive = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let commands = processes.map(|entry| std::fs::read_to_string(entry.path().join("cmdline")));
        commands.flatten().filter(|command| command.contains(&directory)).count()
    };
    assert!(alive() >= 2 + 3 * HOSTS, "{}", alive());
    victim.kill().unwrap();
    victim.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while alive() > 0 {
        assert!(Instant::now() < deadline, "{} processes go on", alive());
        crate::lab::pause(20);
    }
    // Its directory goes when the next one starts.
    assert!(std::path::Path::new(&directory).exists());
    drop(Lab::new());
    assert!(!std::path::Path::new(&directory).exists());
}

const VICTIM: &str = "CAUSEWAY_TEST_VICTIM";
const MADE: &str = "made in ";
