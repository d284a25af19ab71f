//! What the host or whoever works there ends is started again, whichever of its processes hears it
//! first; what ends by itself is not.

use std::fs;

use causeway_fabric::runtime::{Runtime, WorkloadEvent, WorkloadState};
use model::WorkloadId;

use super::bench::{self, Bench, intent, shell};

/// A workload that says good-bye, and takes its time for it.
const POLITE: &str = "trap 'echo bye; exit 6' TERM; echo here; while :; do sleep 0.05; done";

/// The processes of a workload, its shim first, then the first one inside and its command.
fn processes(bench: &Bench, id: WorkloadId, init: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap();
    let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
    [bench.shim(id), init].into_iter().chain(children).collect()
}

fn orders(of: &[u32]) -> Vec<Vec<u32>> {
    match of {
        [] => vec![Vec::new()],
        _ => (0..of.len())
            .flat_map(|at| {
                let rest: Vec<u32> = [&of[..at], &of[at + 1..]].concat();
                orders(&rest).into_iter().map(move |rest| [vec![of[at]], rest].concat())
            })
            .collect(),
    }
}

#[test]
fn a_shim_that_is_told_to_end_ends_its_workload_in_good_order() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    bench.apply(id, Some(shell(&bench, POLITE)));
    let pid = bench.running(id);
    bench.exec_until(id, "pidof sleep");
    bench::signal("-TERM", &[bench.shim(id)]);
    bench.interrupted(id);
    assert!(bench.log(id).ends_with("bye\n"), "it had its time: {}", bench.log(id));
    assert_eq!(bench.state(id), WorkloadState::Interrupted);
    bench.retry();
    assert_ne!(bench.running(id), pid);
}

#[test]
fn what_is_told_to_end_with_all_others_is_started_again_in_every_order() {
    let mut bench = Bench::new(1);
    let id = bench.dyno(1);
    let wanted = shell(&bench, POLITE);
    bench.apply(id, Some(wanted.clone()));
    let mut pid = bench.running(id);
    // Alone, or with the others: what hears nothing itself hears it from another.
    let mut cases: Vec<Vec<usize>> = vec![vec![0], vec![1], vec![0, 1], vec![1, 0]];
    cases.extend(
        orders(&[0, 1, 2]).into_iter().map(|o| o.into_iter().map(|n| n as usize).collect()),
    );
    for case in cases {
        bench.exec_until(id, "pidof sleep");
        let all = processes(&bench, id, pid);
        assert_eq!(all.len(), 3, "{all:?}");
        let told: Vec<u32> = case.iter().map(|at| all[*at]).collect();
        bench::signal("-TERM", &told);
        bench.interrupted(id);
        bench.retry();
        let next = bench.running(id);
        assert_ne!(next, pid, "{case:?}");
        pid = next;
    }
}

#[test]
fn an_interruption_that_nobody_watched_is_told_before_the_new_start() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let wanted = intent(&bench, &[]);
    bench.apply(id, Some(wanted.clone()));
    for (name, which) in [("-TERM", 0..1), ("-TERM", 1..2), ("-KILL", 1..2), ("-KILL", 0..2)] {
        let pid = bench.running(id);
        // Before its first process listens, the kernel spares it.
        bench.exec_until(id, "grep -Eq '^SigBlk:.*[1-9a-f]' /proc/1/status");
        let all = processes(&bench, id, pid);
        let shim = bench.shim(id);
        bench.with_runtime_down(|| {
            bench::signal(name, &all[which]);
            bench::wait_for_end(shim);
        });
        let events = bench.runtime.sweep(&[(id, wanted.clone())].into());
        assert_eq!(events[0], WorkloadEvent { id, state: WorkloadState::Interrupted }, "{name}");
        assert_eq!(events.len(), 2, "{events:?}");
        assert_ne!(bench.running(id), pid);
    }
}

#[test]
fn what_ends_by_itself_was_not_interrupted() {
    let mut bench = Bench::new(3);
    let (own, first, status) = (bench.dyno(1), bench.instance(2), bench.dyno(3));
    bench.apply(own, Some(shell(&bench, "kill -TERM $$")));
    assert_eq!(bench.ended(own), (None, Some(15)));
    // Its first process is told from inside, as `poweroff` would.
    let mut wanted = intent(&bench, &[]);
    wanted.user_data = Some(b"kill -TERM 1; sleep 1000".to_vec());
    bench.apply(first, Some(wanted));
    assert_eq!(bench.ended(first), (Some(0), None));
    bench.apply(status, Some(shell(&bench, "exit 143")));
    assert_eq!(bench.ended(status), (Some(143), None));
}

#[test]
fn what_was_asked_to_stop_stays_stopped_though_the_host_ends_too() {
    let mut bench = Bench::new(1);
    let id = bench.dyno(1);
    let mut wanted = shell(&bench, "trap '' TERM; touch armed; while :; do sleep 0.05; done");
    bench.apply(id, Some(wanted.clone()));
    let pid = bench.running(id);
    bench.exec_until(id, "test -e armed");
    wanted.run = false;
    bench.apply(id, Some(wanted.clone()));
    bench::signal("-TERM", &[bench.shim(id), pid]);
    bench::kill(pid);
    assert_eq!(bench.ended(id), (None, Some(9)));
    bench.sweep(id, wanted);
    assert!(matches!(bench.state(id), WorkloadState::Exited { .. }));
}
