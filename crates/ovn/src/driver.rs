//! OVN as a driver of networks: the writer of all networks, and the part of the host that it runs on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fabric::driver::{Driver, Error as FabricError, Outcome, Place, Repair, Report};
use model::intent::{NetworksDelta, NetworksIntent};
use model::{EniId, VpcId};
use os::error_chain;

use crate::host::{Host, Settled};
use crate::part::PartId;
use crate::routers::{Routers, Written};
use crate::uptake::Lag;
use crate::vpc::Places;

/// How long a change waits for hosts; they take some milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Wakes whoever drives, once it is known who that is. Clients of databases ring it.
#[derive(Clone, Default)]
pub struct Alarm(Arc<OnceLock<Arc<dyn Fn() + Send + Sync>>>);

impl Alarm {
    /// What rings it.
    pub fn ring(&self) -> Arc<dyn Fn() + Send + Sync> {
        let alarm = self.clone();
        Arc::new(move || {
            if let Some(wake) = alarm.0.get() {
                wake();
            }
        })
    }

    /// Says whom it wakes. The first one stays.
    pub(crate) fn set(&self, wake: Arc<dyn Fn() + Send + Sync>) {
        let _ = self.0.set(wake);
    }
}

/// The driver. What must be is written to the northbound database; the interfaces of the host's own processes
/// are made and given to its switch.
pub struct Ovn {
    routers: Routers,
    host: Option<Host>,
    alarm: Alarm,
    begun: bool,
    /// What is to be looked at.
    pending: VecDeque<Look>,
    /// What was written and is not everywhere yet.
    late: BTreeSet<PartId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Part(PartId),
    Host,
}

impl Ovn {
    /// A driver of the writer, and of the host that it runs on if that has processes. The clients of both must ring
    /// the alarm.
    pub fn new(routers: Routers, host: Option<Host>, alarm: Alarm) -> Self {
        Self { routers, host, alarm, begun: false, pending: VecDeque::new(), late: BTreeSet::new() }
    }

    /// The writer.
    pub fn routers(&self) -> &Routers {
        &self.routers
    }

    /// Says where interfaces are, as far as that is known. What is to be written for it is written with the next change
    /// or steps.
    pub fn place(&mut self, places: Places) {
        let parts = self.routers.place(places);
        self.pending.extend(parts.into_iter().map(Look::Part));
    }

    /// Says where some interfaces are, of VPCs that are about to be changed.
    pub fn place_some(&mut self, enis: &BTreeSet<EniId>, places: Places) {
        self.routers.place_some(enis, places);
    }

    /// The host's part.
    pub fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    fn look_at(&mut self, parts: Vec<PartId>) {
        self.pending.clear();
        self.pending.extend(self.host.iter().map(|_| Look::Host));
        self.pending.extend(parts.into_iter().map(Look::Part));
    }

    /// Writes a part; that anything of it had to be changed is drift, unless it was to be changed. Says why no other
    /// part could be written either, if that is so.
    fn write(&mut self, part: PartId, is_new: bool, report: &mut Report) -> Option<String> {
        match self.routers.write(part) {
            Ok(Written::Is(changes)) => {
                self.late.insert(part);
                if let Some(vpc) = self.routers.ends(part).first()
                    && changes > 0
                    && !is_new
                {
                    let place = Place::Vpc(*vpc);
                    let what =
                        format!("{changes} rows of {part} in the northbound database were changed");
                    report.repairs.push(Repair { place, what });
                }
            }
            Ok(Written::Gone) => {
                self.late.remove(&part);
                outcome(report, part, Outcome::Gone);
            }
            Err(error) => {
                self.late.remove(&part);
                let why = error_chain(&error);
                outcome(report, part, Outcome::Failed(why.clone()));
                return error.is_of_all().then_some(why);
            }
        }
        None
    }

    fn settle_host(&mut self, report: &mut Report) {
        let Some(host) = &mut self.host else { return };
        let Settled { repairs, failed, errors } = host.settle();
        for (vpc, all) in repairs {
            let place = Place::Vpc(vpc);
            report.repairs.extend(all.into_iter().map(|what| Repair { place, what }));
        }
        for (vpc, why) in failed {
            self.late.remove(&PartId::Vpc(vpc));
            report.vpcs.insert(vpc, Outcome::Failed(why));
        }
        report.errors.extend(errors);
    }

    /// Reports those parts that are everywhere by now, and those that lag, too, if that is to be told.
    fn report_late(&mut self, tell: bool, report: &mut Report) {
        for part in std::mem::take(&mut self.late) {
            match self.obstacle(part) {
                None => outcome(report, part, Outcome::Carried),
                Some(why) => {
                    self.late.insert(part);
                    if tell {
                        outcome(report, part, Outcome::Failed(why));
                    }
                }
            }
        }
    }

    /// What a part waits for.
    fn obstacle(&self, part: PartId) -> Option<String> {
        let Some(Lag { hosts, .. }) = self.routers.lag(part) else {
            return Some("it is not in the northbound database".to_owned());
        };
        if !hosts.is_empty() {
            let names: Vec<&str> = hosts.keys().map(String::as_str).collect();
            return Some(format!("not taken up yet by {}", names.join(", ")));
        }
        match (part, &self.host) {
            (PartId::Vpc(vpc), Some(host)) => host.obstacle(vpc),
            _ => None,
        }
    }

    /// Waits for hosts for as long as changes may take.
    fn wait(&self, parts: &[PartId]) {
        self.routers.wait(parts, PATIENCE);
        let Some(host) = &self.host else { return };
        let vpcs = parts.iter().filter_map(|part| match part {
            PartId::Vpc(vpc) => Some(*vpc),
            PartId::Peering(_) => None,
        });
        let enis: BTreeSet<_> = vpcs.flat_map(|vpc| host.interfaces(vpc)).collect();
        if !enis.is_empty() {
            host.switch().wait_installed(&enis, PATIENCE);
        }
    }
}

impl Driver for Ovn {
    fn name(&self) -> &'static str {
        "ovn"
    }

    fn on_drift(&mut self, alarm: Arc<dyn Fn() + Send + Sync>) {
        self.alarm.set(alarm);
    }

    fn begin_sweep(&mut self, intent: NetworksIntent) {
        self.begun = true;
        if let Some(host) = &mut self.host {
            let gone: Vec<VpcId> =
                host.vpcs().filter(|vpc| !intent.vpcs.contains_key(vpc)).collect();
            gone.into_iter().for_each(|vpc| host.want(vpc, None));
            intent.vpcs.iter().for_each(|(vpc, intent)| host.want(*vpc, Some(intent)));
            host.look_again();
        }
        let parts = self.routers.begin(intent);
        self.look_at(parts);
    }

    fn look_again(&mut self) -> bool {
        if self.begun {
            if let Some(host) = &mut self.host {
                host.look_again();
            }
            let parts = self.routers.all();
            self.look_at(parts);
        }
        self.begun
    }

    fn step(&mut self) -> Option<Report> {
        let mut report = Report::default();
        let Some(look) = self.pending.pop_front() else {
            // What lagged may be there now.
            self.report_late(false, &mut report);
            return (report != Report::default()).then_some(report);
        };
        match look {
            Look::Host => self.settle_host(&mut report),
            Look::Part(part) => {
                // What this writer has not written yet was another's, and may be of an older intent.
                let is_new = self.routers.lag(part).is_none();
                drop(self.write(part, is_new, &mut report));
            }
        }
        if self.pending.is_empty() {
            let late: Vec<PartId> = self.late.iter().copied().collect();
            self.wait(&late);
            self.report_late(true, &mut report);
        }
        Some(report)
    }

    fn apply(&mut self, delta: &NetworksDelta) -> Report {
        let mut report = Report::default();
        if !self.begun {
            report.errors.push("nothing is known of the networks until the next sweep".to_owned());
            return report;
        }
        let parts = self.routers.change(delta);
        // Each try to reach a database that is not there takes its time.
        let mut gone = None;
        for part in &parts {
            match &gone {
                None => gone = self.write(*part, true, &mut report),
                Some(why) => {
                    self.late.remove(part);
                    outcome(&mut report, *part, Outcome::Failed(String::clone(why)));
                }
            }
        }
        if let Some(host) = &mut self.host {
            delta.vpcs.iter().for_each(|(vpc, new)| host.want(*vpc, new.as_ref()));
        }
        if !delta.vpcs.is_empty() {
            self.settle_host(&mut report);
        }
        self.wait(&parts);
        self.report_late(true, &mut report);
        report
    }

    fn purge(&mut self) -> Result<usize, FabricError> {
        self.pending.clear();
        self.late.clear();
        let mut errors = Vec::new();
        let mut count = 0;
        for part in self.routers.begin(NetworksIntent::default()) {
            match self.routers.write(part) {
                Ok(_) => count += 1,
                Err(error) => errors.push(format!("{part}: {}", error_chain(&error))),
            }
        }
        match self.host.as_mut().map(Host::purge) {
            Some(Ok(namespaces)) => count += namespaces,
            Some(Err(more)) => errors.extend(more),
            None => {}
        }
        if errors.is_empty() { Ok(count) } else { Err(FabricError::Several(errors)) }
    }
}

/// Takes note of how a part fares; what failed before stays so.
fn outcome(report: &mut Report, part: PartId, outcome: Outcome) {
    fn put<Id: Ord>(all: &mut BTreeMap<Id, Outcome>, id: Id, outcome: Outcome) {
        let entry = all.entry(id).or_insert(Outcome::Carried);
        if !matches!(entry, Outcome::Failed(_)) {
            *entry = outcome;
        }
    }
    match part {
        PartId::Vpc(vpc) => put(&mut report.vpcs, vpc, outcome),
        PartId::Peering(pcx) => put(&mut report.peerings, pcx, outcome),
    }
}
