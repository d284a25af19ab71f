//! A peering is carried when those hosts have it that have ports of it, and no others matter.

use std::sync::mpsc::channel;

use causeway_ovn::{Alarm, Ovn};
use fabric::driver::{Driver, Outcome, Report};
use nix::sys::signal::Signal;

use crate::lab::{LONG, Lab, carried, delta};
use crate::town::{Change, Town, address, eni};

/// VPCs 1 and 2 have an interface each on hosts h2 and h3, VPC 3 on h1, where the controller stands still.
#[test]
fn only_hosts_that_have_ports_hold_up_a_peering() {
    let town = Town::new().vpc(1, &[1]).vpc(2, &[1]).vpc(3, &[1]).0;
    let mut lab = Lab::new();
    lab.sweep(&town);
    assert_eq!([1, 2, 3].map(|n| lab.host_of(eni(n, 0, 0))), [1, 2, 0]);
    let hosts = lab.driver.routers().uptake().hosts();
    assert_eq!([1, 2, 3].map(|n| hosts[&eni(n, 0, 0)].clone()), ["h2", "h3", "h1"]);

    // Another server takes over, which is told when hosts report.
    let alarm = Alarm::default();
    let mut driver = Ovn::new(lab.routers(2, &alarm), None, alarm);
    let (bell, rung) = channel();
    let bell = std::sync::Mutex::new(bell);
    driver.on_drift(std::sync::Arc::new(move || bell.lock().unwrap().send(()).unwrap_or_default()));
    driver.place([1, 2, 3].map(|n| (eni(n, 0, 0), hosts[&eni(n, 0, 0)].clone())).into());
    let report = driver.sweep(&town);
    let report = carried(&mut driver, report);
    assert!(report.repairs.is_empty(), "{report:#?}");

    lab.signal("h1/controller", Signal::SIGSTOP);
    let mut next = town.clone();
    let near = next.peer(1, 2);
    let report = driver.apply(&delta(&town, &next));
    let report = carried(&mut driver, report);
    assert_eq!(report.peerings, [(near, Outcome::Carried)].into(), "{report:#?}");
    lab.reaches(eni(1, 0, 0), (eni(2, 0, 0), &address(2, 0, 0)), 80);
    // The sum over all hosts says that nothing is carried.
    let sum = |column: &str| {
        let line =
            format!("ovn-nbctl --db=unix:{} get NB_Global . {column}", lab.northbound().display());
        lab.tool("central", &line).trim().parse::<i64>().unwrap()
    };
    assert!(sum("hv_cfg") < sum("nb_cfg"));

    let before = next.clone();
    let far = next.peer(2, 3);
    let report = driver.apply(&delta(&before, &next));
    let late = "not taken up yet by h1".to_owned();
    assert_eq!(report.peerings[&far], Outcome::Failed(late), "{report:#?}");
    while rung.try_recv().is_ok() {}
    let waits = |report: Report| !report.peerings.contains_key(&far);
    assert!(driver.step().is_none_or(waits), "nothing has changed");

    lab.signal("h1/controller", Signal::SIGCONT);
    let found = std::iter::from_fn(|| {
        rung.recv_timeout(LONG).unwrap();
        Some(driver.step())
    });
    let is_carried = |report: &Report| report.peerings.get(&far) == Some(&Outcome::Carried);
    let report = found.flatten().find(is_carried);
    assert!(report.is_some());
    lab.reaches(eni(2, 0, 0), (eni(3, 0, 0), &address(3, 0, 0)), 80);

    // Who led before changes nothing any more.
    let old = lab.driver.sweep(&town);
    let fenced = |outcome: &Outcome| matches!(outcome, Outcome::Failed(why) if why.contains("epoch 1 is over"));
    assert!(old.vpcs.values().chain(old.peerings.values()).any(fenced), "{old:#?}");
    lab.reaches(eni(2, 0, 0), (eni(3, 0, 0), &address(3, 0, 0)), 80);
}
