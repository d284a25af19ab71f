//! What a workload may use.

use std::fs;
use std::path::{Path, PathBuf};

use causeway_fabric::runtime::WorkloadState;
use model::WorkloadId;

use crate::bench::{Bench, TASKS, intent, shell};

/// A file of a running workload's control group, whichever version this machine has.
fn of_group(bench: &Bench, id: WorkloadId, names: [&str; 2]) -> String {
    let mount = Path::new("/sys/fs/cgroup");
    let below = PathBuf::from(format!("causeway-{}", bench.instance_name())).join(id.to_string());
    let [old, new] = names;
    let controller = old.split('.').next().unwrap();
    let old = mount.join(controller).join(&below).join(old);
    let text = fs::read_to_string(mount.join(&below).join(new));
    text.or_else(|_| fs::read_to_string(old)).unwrap().trim().to_owned()
}

fn ran_out(bench: &Bench, id: WorkloadId) -> bool {
    matches!(bench.state(id), WorkloadState::Exited { out_of_memory: true, .. })
}

#[test]
fn memory_is_limited_and_a_kill_for_it_is_told() {
    let mut bench = Bench::new(1);
    let (first, second, third) = (bench.dyno(1), bench.dyno(2), bench.dyno(3));
    let mut wanted = intent(&bench, &["tail", "/dev/zero"]);
    wanted.memory_limit = Some(32 << 20);
    bench.apply(first, Some(wanted));
    assert_eq!(bench.ended(first), (None, Some(9)));
    assert!(ran_out(&bench, first));
    assert!(bench.log(first).starts_with("causeway: out of memory: "), "{}", bench.log(first));

    // It is the limit of all processes together.
    let hoard = "my @all = map { my $p = fork; \
                 if (!$p) { my $x = chr(97 + $_) x (24 << 20 | $_); sleep 1000; exit } $p } 1..3; \
                 wait; kill 9, @all";
    let mut wanted = intent(&bench, &["perl", "-e", hoard]);
    wanted.memory_limit = Some(64 << 20);
    bench.apply(second, Some(wanted));
    assert_eq!(bench.ended(second), (Some(0), None));
    assert!(ran_out(&bench, second));

    let mut wanted = shell(&bench, "kill -9 $$");
    wanted.memory_limit = Some(64 << 20);
    bench.apply(third, Some(wanted));
    assert_eq!(bench.ended(third), (None, Some(9)));
    assert!(!ran_out(&bench, third));
    assert_eq!(bench.log(third), "");
}

#[test]
fn the_processors_are_shared_by_weight() {
    let mut bench = Bench::new(1);
    let (light, heavy) = (bench.dyno(1), bench.dyno(2));
    for (id, weight) in [(light, None), (heavy, Some(800))] {
        let mut wanted = intent(&bench, &["sleep", "1000"]);
        wanted.cpu_weight = weight;
        bench.apply(id, Some(wanted));
        bench.running(id);
    }
    let share = |id| of_group(&bench, id, ["cpu.shares", "cpu.weight"]).parse::<u64>().unwrap();
    assert_eq!(share(heavy), share(light) * 8);
}

#[test]
fn a_fork_bomb_ends_at_the_limit_of_processes() {
    let mut bench = Bench::with_grace(1, std::time::Duration::from_millis(100));
    let id = bench.dyno(1);
    let bomb = "1 while defined($p = fork) && ($p || sleep 1000); \
                open F, q(>full); close F; sleep 1000";
    let mut wanted = intent(&bench, &["perl", "-e", bomb]);
    bench.apply(id, Some(wanted.clone()));
    let pid = bench.running(id);
    Bench::file_appears(pid, "full");
    let limit: u64 = of_group(&bench, id, ["pids.max", "pids.max"]).parse().unwrap();
    let running: u64 = of_group(&bench, id, ["pids.current", "pids.current"]).parse().unwrap();
    assert!(limit == TASKS && running <= limit && running > limit / 2, "{running} of {limit}");
    // The host has processes to spare, and all of it ends at once.
    wanted.run = false;
    bench.apply(id, Some(wanted));
    bench.ended(id);
    assert!(!crate::bench::lives(pid));
}

#[test]
fn a_home_that_outlives_its_process_has_a_bound() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let script = "set -e; cd; [ \"$(stat -c %U .)\" = \"$(id -un)\" ]; echo again >> kept
        fallocate -l 16M fits
        ! fallocate -l 9G large 2> /tmp/why; grep -q 'No space left' /tmp/why
        rm -f large; echo $(ls -A) $(wc -l < kept)";
    let wanted = shell(&bench, script);
    for count in 1..=2 {
        bench.apply(id, Some(wanted.clone()));
        let ended = bench.ended(id);
        assert_eq!(ended, (Some(0), None), "{}", bench.log(id));
        assert!(bench.log(id).ends_with(&format!("fits kept {count}\n")), "{}", bench.log(id));
        let mut stopped = wanted.clone();
        stopped.run = false;
        bench.apply(id, Some(stopped));
    }
    bench.apply(id, None);
    bench.gone(id);

    // A home of an earlier version has something in it, and stays what it is.
    let id = bench.instance(2);
    let home = bench.root().join("workloads").join(id.to_string()).join("home");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("old"), "").unwrap();
    bench.apply(id, Some(shell(&bench, "cd; ls -A; touch new")));
    assert_eq!(bench.ended(id), (Some(0), None), "{}", bench.log(id));
    assert_eq!(bench.log(id), "old\n");
    assert!(home.join("new").exists());
}
