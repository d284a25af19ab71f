//! Workloads under the real OCI runtime, each test with an instance of Causeway of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "netns_runtime/attached.rs"]
mod attached;
#[path = "netns_runtime/bench.rs"]
mod bench;
#[path = "netns_runtime/isolation.rs"]
mod isolation;
#[expect(dead_code, reason = "it is made for the tests of the fabric")]
#[path = "netns_linux/lab.rs"]
mod lab;
#[path = "netns_runtime/limits.rs"]
mod limits;
#[path = "netns_runtime/service.rs"]
mod service;
#[path = "netns_runtime/shutdown.rs"]
mod shutdown;
#[path = "netns_runtime/slug.rs"]
mod slug;
#[path = "netns_runtime/tables.rs"]
mod tables;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bench::{Bench, intent, shell};
use causeway_fabric::runtime::{Error, Runtime, WorkloadState, doctor};

#[test]
fn output_and_exit_code_are_kept() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    bench.apply(id, Some(intent(&bench, &["sh", "-c", "echo out; echo err >&2; exit 3"])));
    assert_eq!(bench.ended(id), (Some(3), None));
    assert_eq!(bench.log(id), "out\nerr\n");
    assert_eq!(bench.runtime.log(&id, 4).unwrap(), b"err\n");
}

#[test]
fn the_signal_that_ended_a_command_is_told_from_an_exit_code() {
    let mut bench = Bench::new(2);
    let (first, second) = (bench.instance(1), bench.instance(2));
    bench.apply(first, Some(shell(&bench, "kill -SEGV $$")));
    assert_eq!(bench.ended(first), (None, Some(11)));
    bench.apply(second, Some(shell(&bench, "exit 139")));
    assert_eq!(bench.ended(second), (Some(139), None));
}

#[test]
fn what_cannot_run_says_so() {
    let mut bench = Bench::new(2);
    let (first, second) = (bench.instance(1), bench.instance(2));
    bench.apply(first, Some(intent(&bench, &["/no/such/program"])));
    assert_eq!(bench.ended(first), (Some(127), None));
    assert!(bench.log(first).contains("/no/such/program: No such file"), "{}", bench.log(first));

    let mut lost = shell(&bench, "true");
    lost.interface = "eni-ffffffffffffffff0".parse().unwrap();
    bench.apply(second, Some(lost));
    let state = bench.state(second);
    assert!(matches!(&state, WorkloadState::Failed(why) if why.contains("eni-ffff")), "{state:?}");
    // Once the interface is there, the next sweep starts it.
    bench.sweep(second, shell(&bench, "exit 4"));
    assert_eq!(bench.ended(second), (Some(4), None));
}

#[test]
fn a_workload_is_confined() {
    let mut bench = Bench::new(1);
    let id = bench.dyno(1);
    let script = "
        echo user $(id -u) $(id -g) $(id -G)
        grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status
        echo root: $(ls -A /)
        cat /etc/shadow; echo shadow $?
        ls /root /home /work /var; echo hidden $?
        touch /usr/here /etc/here /here /.causeway/here; echo read-only $?
        touch /app/here /tmp/here /var/tmp/here /run/here /dev/shm/here; echo writable $?
        echo home $HOME $(pwd) $USER
        echo name $(hostname) $(cat /etc/hostname) $(getent hosts web.1)
        echo processes $(ls /proc | grep -c '^[0-9]')
        echo net $(stat -Lc %i /proc/self/ns/net) $(ls /sys/class/net)
        unshare -U true; echo user-namespace $?
        mount -t tmpfs x /tmp; echo mount $?
        echo devices $(ls /dev)
        cat /dev/vda; echo disk $?
        echo open $(ls /proc/1/fd | wc -l)
    ";
    let mut wanted = shell(&bench, script);
    wanted.hostname = "web.1".into();
    bench.apply(id, Some(wanted));
    assert_eq!(bench.ended(id), (Some(0), None), "{}", bench.log(id));
    let log = bench.log(id);
    let line = |start: &str| {
        let found = log.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no '{start}' in\n{log}")).to_owned()
    };
    let words: Vec<u32> = line("user ").split(' ').skip(1).map(|n| n.parse().unwrap()).collect();
    assert!(words.len() == 3 && words.iter().all(|n| (100_000..500_000).contains(n)), "{words:?}");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(line(set), format!("{set}:\t0000000000000000"));
    }
    assert_eq!(line("NoNewPrivs"), "NoNewPrivs:\t1");
    assert_eq!(line("Seccomp:"), "Seccomp:\t2");
    let root = line("root:");
    assert!(!["work", "home", "root", "opt"].iter().any(|d| root[5..].contains(d)), "{root}");
    assert_eq!(line("shadow"), "shadow 1");
    assert_eq!(line("hidden"), "hidden 2");
    assert_eq!(line("read-only"), "read-only 1");
    assert_eq!(line("writable"), "writable 0", "{log}");
    assert_eq!(line("home"), "home /app /app dyno");
    let name = line("name");
    assert!(name.starts_with("name web.1 web.1 10.9.8.7"), "{name}");
    let processes: u32 = line("processes ")[10..].parse().unwrap();
    assert!(processes <= 6, "{processes}");
    let inode = fs::metadata(&bench.netns_path).unwrap().ino();
    assert_eq!(line("net "), format!("net {inode} lo"));
    assert_eq!(line("user-namespace"), "user-namespace 1");
    assert_ne!(line("mount"), "mount 0");
    assert_eq!(line("disk"), "disk 1");
    assert!(!line("devices").contains("vda"));
}

#[test]
fn it_runs_on_without_the_runtime_and_is_adopted() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let wanted = intent(&bench, &["sleep", "1000"]);
    bench.apply(id, Some(wanted.clone()));
    let pid = bench.running(id);

    bench.restart();
    assert_eq!(bench.state(id), WorkloadState::Running { pid: Some(pid) });
    bench.sweep(id, wanted.clone());
    assert_eq!(bench.running(id), pid);
    bench.sweep(id, wanted);
    assert_eq!(bench.running(id), pid);

    // Nothing that the intent does not name stays.
    bench.runtime.sweep(&[].into());
    bench.gone(id);
    assert!(!bench.dir(id).exists());
}

#[test]
fn what_lost_its_files_makes_room_for_what_has_its_name() {
    let mut bench = Bench::new(2);
    let (kept, lost) = (bench.instance(1), bench.instance(2));
    let wanted = intent(&bench, &["sleep", "1000"]);
    bench.apply(kept, Some(wanted.clone()));
    bench.apply(lost, Some(wanted.clone()));
    let pids = [bench.running(kept), bench.running(lost)];
    let workloads = bench.root().join("workloads");
    bench.with_runtime_down(|| {
        // What runs goes on writing there.
        while fs::remove_dir_all(&workloads).is_err() && workloads.exists() {}
    });
    // One of them is wanted again, the other is not.
    bench.sweep(kept, wanted);
    let pid = bench.running(kept);
    assert!(pid != pids[0] && !bench::lives(pids[0]) && !bench::lives(pids[1]), "{pid} {pids:?}");
    assert_eq!(bench.runtime.purge().unwrap(), 1);
}

#[test]
fn an_end_that_nobody_watched_is_found() {
    let mut bench = Bench::new(1);
    let id = bench.dyno(1);
    let wanted = shell(&bench, "mkfifo go; read line < go; echo $line; exit 7");
    bench.apply(id, Some(wanted.clone()));
    let home = Bench::home(bench.running(id));
    bench.exec_until(id, "test -p go");
    let shim = bench.shim(id);
    bench.with_runtime_down(|| {
        fs::write(home.join("go"), "unwatched\n").unwrap();
        bench::wait_for_end(shim);
    });
    assert!(
        matches!(bench.state(id), WorkloadState::Exited { code: Some(7), signal: None, at, .. }
            if at.millis() > 1_600_000_000_000)
    );
    assert_eq!(bench.log(id), "unwatched\n");
    // What ended by itself is not started by a sweep, and is by a change that names it.
    bench.sweep(id, wanted.clone());
    assert!(matches!(bench.state(id), WorkloadState::Exited { code: Some(7), .. }));
    bench.ended(id);
    bench.apply(id, Some(shell(&bench, "exit 8")));
    assert_eq!(bench.ended(id), (Some(8), None));
}

#[test]
fn a_killed_shim_leaves_nothing_and_the_next_sweep_starts_anew() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let wanted = intent(&bench, &["sleep", "1000"]);
    bench.apply(id, Some(wanted.clone()));
    let pid = bench.running(id);
    bench::kill(bench.shim(id));
    bench.interrupted(id);
    assert!(!bench::lives(pid));
    bench.sweep(id, wanted);
    assert_ne!(bench.running(id), pid);
}

#[test]
fn user_data_runs_before_the_command_and_ends_nothing() {
    let mut bench = Bench::new(3);
    let (script, program, broken) = (bench.instance(1), bench.instance(2), bench.instance(3));
    let mut wanted = shell(&bench, "cat ~/made; exit 5");
    wanted.user_data = Some(b"echo data > ~/made; echo script $WHAT; exit 9".to_vec());
    wanted.environment.insert("WHAT".into(), "with environment".into());
    bench.apply(script, Some(wanted));
    assert_eq!(bench.ended(script), (Some(5), None));
    assert_eq!(bench.log(script), "script with environment\ndata\n");

    let mut wanted = shell(&bench, "echo command");
    wanted.user_data = Some(b"#!/usr/bin/awk -f\nBEGIN { print \"awk\" }\n".to_vec());
    bench.apply(program, Some(wanted));
    assert_eq!(bench.ended(program), (Some(0), None));
    assert_eq!(bench.log(program), "awk\ncommand\n");

    let mut wanted = shell(&bench, "echo still here");
    wanted.user_data = Some(b"#!/no/such/interpreter\n".to_vec());
    bench.apply(broken, Some(wanted));
    assert_eq!(bench.ended(broken), (Some(0), None));
    assert!(bench.log(broken).ends_with("still here\n"), "{}", bench.log(broken));
}

#[test]
fn without_a_command_it_stays_and_buries_its_dead() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let mut wanted = intent(&bench, &[]);
    wanted.user_data = Some(b"(sleep 0.01 &) ; (sleep 1000 &) ; touch ~/done".to_vec());
    bench.apply(id, Some(wanted.clone()));
    bench.running(id);
    bench.exec_until(id, "test -e ~/done && ! grep -l '^State:.Z' /proc/[0-9]*/status");
    // Everything in it hears the request to end, so it needs no grace.
    wanted.run = false;
    bench.apply(id, Some(wanted));
    assert_eq!(bench.ended(id), (Some(0), None));
}

#[test]
fn stopping_asks_first_and_keeps_the_log_and_files() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let script = "trap 'echo bye; exit 6' TERM; mkfifo armed; read x <> armed";
    let mut wanted = shell(&bench, script);
    bench.apply(id, Some(wanted.clone()));
    bench.running(id);
    bench.exec_until(id, "test -e armed");
    wanted.run = false;
    bench.apply(id, Some(wanted.clone()));
    assert_eq!(bench.ended(id), (Some(6), None));
    assert_eq!(bench.log(id), "bye\n");
    bench.sweep(id, wanted.clone());
    assert!(matches!(bench.state(id), WorkloadState::Exited { .. }));

    // It can run again, with what it had.
    wanted.run = true;
    wanted.command = ["ls"].map(str::to_owned).to_vec();
    bench.apply(id, Some(wanted));
    assert_eq!(bench.ended(id), (Some(0), None));
    assert_eq!(bench.log(id), "bye\narmed\n");
}

#[test]
fn what_does_not_end_in_time_is_killed() {
    let mut bench = Bench::with_grace(1, Duration::from_millis(200));
    let id = bench.dyno(1);
    let script = "trap '' TERM; touch armed; while :; do sleep 0.1 || :; done";
    let mut wanted = shell(&bench, script);
    bench.apply(id, Some(wanted.clone()));
    bench.running(id);
    bench.exec_until(id, "test -e armed");
    wanted.run = false;
    bench.apply(id, Some(wanted));
    assert_eq!(bench.ended(id), (None, Some(9)));
}

#[test]
fn a_changed_command_replaces_the_process_and_an_address_does_not() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let mut wanted = intent(&bench, &["sleep", "1000"]);
    bench.apply(id, Some(wanted.clone()));
    let pid = bench.running(id);

    wanted.addresses.insert(0, "10.1.2.3".parse().unwrap());
    bench.apply(id, Some(wanted.clone()));
    assert_eq!(bench.running(id), pid);
    let (code, out) = bench.exec(id, &["cat", "/etc/hosts"], "");
    assert!(code == Some(0) && out.contains("10.1.2.3 host"), "{out}");

    wanted.command = ["sleep", "2000"].map(str::to_owned).to_vec();
    bench.apply(id, Some(wanted));
    assert_eq!(bench.ended(id), (None, Some(15)));
    assert_ne!(bench.running(id), pid);
}

#[test]
fn exec_has_the_callers_input_output_and_exit_status() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    bench.apply(id, Some(intent(&bench, &["sleep", "1000"])));
    bench.running(id);
    let (code, out) = bench.exec(id, &["sh", "-c", "cat; id -u; exit 5"], "hello\n");
    assert_eq!(code, Some(5));
    let user: u32 = out.strip_prefix("hello\n").unwrap().trim().parse().unwrap();
    assert!(user >= 100_000);
    let (_, out) = bench.exec(id, &["grep", "CapEff", "/proc/self/status"], "");
    assert_eq!(out, "CapEff:\t0000000000000000\n");

    let spec = bench.runtime.exec_command(&id, &["tty".to_owned()], true).unwrap();
    let quoted = spec.args.iter().map(|arg| format!("'{arg}'")).collect::<Vec<_>>().join(" ");
    let line = format!("{} {quoted}", spec.program.display());
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).trim_end().ends_with("/dev/pts/0"));

    let other = bench.instance(2);
    let refused = bench.runtime.exec_command(&other, &["true".to_owned()], false);
    assert!(matches!(refused, Err(Error::NotRunning(_))));
}

#[test]
fn a_server_on_a_low_port_needs_no_capability() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let program = "use IO::Socket::INET; IO::Socket::INET->new(LocalPort => 80, Listen => 1) \
                   or die $!; print qq(listens\n)";
    bench.apply(id, Some(intent(&bench, &["perl", "-e", program])));
    assert_eq!(bench.ended(id), (Some(0), None));
    assert_eq!(bench.log(id), "listens\n");
}

#[test]
fn the_waker_ends_a_wait() {
    let mut bench = Bench::new(1);
    let waker = bench.runtime.waker();
    let thread = std::thread::spawn(move || waker.wake());
    assert_eq!(bench.runtime.wait(Duration::from_secs(60)), []);
    thread.join().unwrap();
}

#[test]
fn an_interface_made_anew_gets_its_workload_back() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let wanted = shell(&bench, "stat -Lc %i /proc/self/ns/net; exec sleep 1000");
    bench.apply(id, Some(wanted.clone()));
    let pid = bench.running(id);
    bench.remake_network();
    bench.sweep(id, wanted);
    bench.ended(id);
    assert_ne!(bench.running(id), pid);
    bench.exec_until(id, "pidof sleep");
    let inode = fs::metadata(&bench.netns_path).unwrap().ino();
    assert!(bench.log(id).ends_with(&format!("{inode}\n")), "{}", bench.log(id));
}

#[test]
fn a_start_that_failed_is_tried_again_though_it_ran_before() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let wanted = shell(&bench, "exit 1");
    bench.apply(id, Some(wanted.clone()));
    assert_eq!(bench.ended(id), (Some(1), None));
    let mut elsewhere = wanted.clone();
    elsewhere.interface = "eni-ffffffffffffffff0".parse().unwrap();
    bench.apply(id, Some(elsewhere));
    assert!(matches!(bench.state(id), WorkloadState::Failed(_)));
    bench.restart();
    bench.sweep(id, shell(&bench, "exit 2"));
    assert_eq!(bench.ended(id), (Some(2), None));
}

#[test]
fn a_log_without_end_is_bounded() {
    let mut bench = Bench::new(1);
    let id = bench.dyno(1);
    bench.apply(id, Some(shell(&bench, "yes $(printf %01000d 0) | head -c 5005000; echo end")));
    assert_eq!(bench.ended(id), (Some(0), None));
    assert_eq!(bench.runtime.log(&id, 6).unwrap(), b"0\nend\n");
    let len = bench.runtime.log(&id, usize::MAX).unwrap().len();
    // The older file at least, which is full but for what is written at a time and for the time
    // before each line.
    assert!((900 << 10..=2 << 20).contains(&len), "{len}");
}

#[test]
fn what_a_shell_started_has_its_time_to_end() {
    let mut bench = Bench::new(1);
    // The shell that a command runs in ends with the first signal; its child has work to finish.
    let child = "trap 'echo asked; sleep 1; echo finished; exit 3' TERM; touch armed; \
                 while :; do sleep 0.05; done";
    let id = bench.dyno(1);
    let mut wanted = shell(&bench, &format!("sh -c \"{child}\"; echo never"));
    bench.apply(id, Some(wanted.clone()));
    bench.running(id);
    bench.exec_until(id, "test -e armed");
    wanted.run = false;
    bench.apply(id, Some(wanted));
    // Its own status is the workload's.
    assert_eq!(bench.ended(id), (Some(3), None));
    let log = bench.log(id);
    assert!(log.ends_with("asked\nfinished\n") && !log.contains("never"), "{log}");
}

#[test]
fn a_workload_that_shouts_at_its_shim_is_still_stopped() {
    let mut bench = Bench::with_grace(1, Duration::from_millis(200));
    let id = bench.dyno(1);
    let script = "trap '' TERM; yes 'signal 1' > /.causeway/status & yes & touch on; sleep 1000";
    let mut wanted = shell(&bench, script);
    bench.apply(id, Some(wanted.clone()));
    bench.running(id);
    bench.exec_until(id, "test -e on");
    wanted.run = false;
    bench.apply(id, Some(wanted));
    assert_eq!(bench.ended(id), (None, Some(9)));
}

#[test]
fn what_it_left_is_removed_however_deep() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let program = "for (1..3000) { mkdir q(a) x 9; chdir q(a) x 9 or die } chmod 0, q(.)";
    bench.apply(id, Some(intent(&bench, &["perl", "-e", program])));
    assert_eq!(bench.ended(id), (Some(0), None));
    bench.apply(id, None);
    bench.gone(id);
    assert!(!bench.dir(id).exists());
    // It is deleted aside; purge waits for the end of that, and nothing may be left after it.
    assert_eq!(bench.runtime.purge().unwrap(), 0);
    assert_eq!(bench.traces(), Vec::<String>::new());
}

#[test]
fn what_nobody_knows_is_gone() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    bench.apply(id, None);
    bench.gone(id);
    let mut wanted = shell(&bench, "true");
    wanted.run = false;
    bench.apply(id, Some(wanted));
    assert_eq!(bench.state(id), WorkloadState::Stopped);
    assert_eq!(bench.log(id), "");
}

#[test]
fn this_machine_is_found_able() {
    let checks = doctor(Path::new("runc"));
    assert!(checks.len() >= 4 && checks.iter().all(|check| check.ok), "{checks:?}");
}

#[test]
fn purge_leaves_nothing() {
    let mut bench = Bench::new(2);
    let (first, second) = (bench.instance(1), bench.dyno(2));
    bench.apply(first, Some(shell(&bench, "trap '' TERM; while :; do sleep 1 || :; done")));
    bench.apply(second, Some(shell(&bench, "mkdir -p a/b; (sleep 1000 &); sleep 1000")));
    let pids = [bench.running(first), bench.running(second)];
    let shims = [bench.shim(first), bench.shim(second)];
    assert!(!bench.traces().is_empty());
    assert_eq!(bench.runtime.purge().unwrap(), 2);
    assert!(!pids.into_iter().chain(shims).any(bench::lives));
    assert_eq!(bench.traces(), Vec::<String>::new());
    assert_eq!(bench.runtime.states(), [].into());
}
