//! What a router forwards goes past the rules for what it sends itself.

use std::sync::atomic::{AtomicBool, Ordering};

use causeway_fabric::linux::Linux;

use crate::lab::*;

/// The rule by which it does, as `ip rule` takes it and prints it.
const PAST_OWN: &str = "not from all iif lo goto 90";

fn rules(lab: &Lab) -> Vec<String> {
    let router = |vpc: &model::VpcId| run(&format!("cw-{vpc}"), "ip rule");
    lab.intent.vpcs.keys().map(router).collect()
}

/// Releases before it had no such rule.
#[test]
fn a_router_of_an_older_release_is_taken_over_without_a_loss() {
    let (mut lab, _, a, b) = Lab::peered();
    lab.sweep();
    assert!(rules(&lab).iter().all(|rules| rules.contains(PAST_OWN)), "{:?}", rules(&lab));
    let (from, to, stop) = (udp(a, 0), udp(b, 7000), AtomicBool::new(false));
    let (asked, lost) = std::thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let (mut asked, mut lost) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                asked += 1;
                lost += u32::from(datagram(&from, &to, "10.2.0.4").is_none());
            }
            (asked, lost)
        });
        for _ in 0..20 {
            for vpc in lab.intent.vpcs.keys() {
                run(&format!("cw-{vpc}"), &format!("ip rule del prio 30 {PAST_OWN}"));
            }
            lab.driver = Linux::new(&lab.instance);
            let report = lab.sweep();
            let said = report.repairs.iter().map(|repair| repair.what.as_str());
            assert_eq!(said.collect::<Vec<_>>(), ["policy rule 30 was missing"; 2]);
            assert!(is_quiet(&lab.sweep()));
        }
        stop.store(true, Ordering::Relaxed);
        asker.join().unwrap()
    });
    assert!(asked > 100, "{asked}");
    assert_eq!(lost, 0, "of {asked}");
}

/// A rule of ours for all other packets than ours is for is not ours. The kernel does not let both be there.
#[test]
fn a_rule_that_is_turned_round_is_found() {
    let (mut lab, _, a, b) = Lab::peered();
    lab.sweep();
    let before = rules(&lab);
    let router = format!("cw-{}", lab.id::<model::VpcId>(1));
    for (rule, priority) in [
        ("not fwmark 0x40000000/0xc0000000 lookup local", 90),
        ("not fwmark 0x40000000/0x40000000 lookup main", 200),
        ("iif lo goto 90", 30),
        ("not iif lo goto 1000", 30),
    ] {
        run(&router, &format!("ip rule del prio {priority}"));
        run(&router, &format!("ip rule add prio {priority} {rule}"));
        let report = lab.sweep();
        assert!(!report.repairs.is_empty(), "{rule}");
        assert_eq!(rules(&lab), before, "{rule}");
        assert!(is_quiet(&lab.sweep()), "{rule}");
        assert!(reaches(a, b, "10.2.0.4", 80), "{rule}");
    }
}
