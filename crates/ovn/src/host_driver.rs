//! The driver of a host whose routers a server elsewhere writes: it makes the interfaces that are here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fabric::driver::{Driver, Error as FabricError, Outcome, Place, Repair, Report};
use fabric::linux::mtu_at;
use model::VpcId;
use model::intent::{NetworksDelta, NetworksIntent, VpcIntent};
use os::error_chain;

use crate::connection;
use crate::driver::{Alarm, PATIENCE};
use crate::host::{Host, Settled};

/// The driver of the interfaces of one host.
pub struct HostDriver {
    host: Host,
    alarm: Alarm,
    /// What is to be here; nothing is known of it before the first sweep.
    told: Option<BTreeMap<VpcId, VpcIntent>>,
    /// Whether all of it is to be looked at.
    pending: bool,
    /// What was made, and OVN has not taken up yet.
    late: BTreeSet<VpcId>,
}

impl HostDriver {
    /// The driver of a host's part. The client of its switch must ring the alarm.
    pub fn new(host: Host, alarm: Alarm) -> Self {
        Self { host, alarm, told: None, pending: false, late: BTreeSet::new() }
    }

    /// Makes what is wanted; whether anything could be made.
    fn settle(&mut self, report: &mut Report) -> bool {
        if let Err(why) = self.measure() {
            report.errors.push(why);
            return false;
        }
        let Settled { repairs, failed, errors } = self.host.settle();
        for (vpc, all) in repairs {
            let place = Place::Vpc(vpc);
            report.repairs.extend(all.into_iter().map(|what| Repair { place, what }));
        }
        report.vpcs.extend(failed.into_iter().map(|(vpc, why)| (vpc, Outcome::Failed(why))));
        let fine = errors.is_empty();
        report.errors.extend(errors);
        fine
    }

    /// Finds out how many bytes a packet between hosts may have.
    fn measure(&mut self) -> Result<(), String> {
        let switch = self.host.switch();
        connection::wait(switch.client(), "Open vSwitch", PATIENCE)?;
        let address = switch.encapsulation().ok_or_else(|| {
            "Open vSwitch has no ovn-encap-ip: say by which address other hosts reach this one, as `ovs-vsctl set \
             Open_vSwitch . external_ids:ovn-encap-type=geneve external_ids:ovn-encap-ip=ADDRESS`"
                .to_owned()
        })?;
        let underlay = mtu_at(address).map_err(|error| error_chain(&error))?;
        let underlay = underlay.ok_or_else(|| {
            format!("no link of this host has {address}, which ovn-encap-ip of Open vSwitch names")
        })?;
        if self.host.set_underlay(underlay) {
            for (vpc, intent) in self.told.iter().flatten() {
                self.host.want(*vpc, Some(intent));
            }
        }
        Ok(())
    }

    /// Waits until OVN has taken up the interfaces of these VPCs, as long as changes may take, and says how they fare.
    fn await_uptake(&mut self, vpcs: BTreeSet<VpcId>, report: &mut Report) {
        let enis = vpcs.iter().flat_map(|vpc| self.host.interfaces(*vpc)).collect();
        self.host.switch().wait_installed(&enis, PATIENCE);
        for vpc in vpcs {
            if report.vpcs.contains_key(&vpc) {
                continue;
            }
            let outcome = match self.host.obstacle(vpc) {
                None => Outcome::Carried,
                Some(why) => {
                    self.late.insert(vpc);
                    Outcome::Failed(why)
                }
            };
            report.vpcs.insert(vpc, outcome);
        }
    }

    /// What lagged and is there by now.
    fn caught_up(&mut self) -> Option<Report> {
        let mut report = Report::default();
        for vpc in std::mem::take(&mut self.late) {
            match self.host.obstacle(vpc) {
                None => drop(report.vpcs.insert(vpc, Outcome::Carried)),
                Some(_) => drop(self.late.insert(vpc)),
            }
        }
        (!report.vpcs.is_empty()).then_some(report)
    }
}

impl Driver for HostDriver {
    fn name(&self) -> &'static str {
        "ovn"
    }

    fn on_drift(&mut self, alarm: Arc<dyn Fn() + Send + Sync>) {
        self.alarm.set(alarm);
    }

    fn begin_sweep(&mut self, intent: NetworksIntent) {
        let gone: Vec<VpcId> =
            self.host.vpcs().filter(|vpc| !intent.vpcs.contains_key(vpc)).collect();
        gone.into_iter().for_each(|vpc| self.host.want(vpc, None));
        intent.vpcs.iter().for_each(|(vpc, intent)| self.host.want(*vpc, Some(intent)));
        self.told = Some(intent.vpcs);
        self.look_again();
    }

    fn look_again(&mut self) -> bool {
        self.host.look_again();
        self.pending = self.told.is_some();
        self.pending
    }

    fn step(&mut self) -> Option<Report> {
        if !std::mem::take(&mut self.pending) {
            return self.caught_up();
        }
        let mut report = Report::default();
        self.late.clear();
        if self.settle(&mut report) {
            let vpcs = self.told.iter().flatten().map(|(vpc, _)| *vpc).collect();
            self.await_uptake(vpcs, &mut report);
        }
        Some(report)
    }

    fn apply(&mut self, delta: &NetworksDelta) -> Report {
        let mut report = Report::default();
        let Some(told) = &mut self.told else {
            report.errors.push("nothing is known of the networks until the next sweep".to_owned());
            return report;
        };
        for (vpc, new) in &delta.vpcs {
            self.host.want(*vpc, new.as_ref());
            match new {
                Some(new) => drop(told.insert(*vpc, new.clone())),
                None => drop(told.remove(vpc)),
            }
        }
        if !delta.vpcs.is_empty() && self.settle(&mut report) {
            let (here, gone): (Vec<_>, Vec<_>) =
                delta.vpcs.iter().partition(|(_, new)| new.is_some());
            for (vpc, _) in gone {
                self.late.remove(vpc);
                report.vpcs.entry(*vpc).or_insert(Outcome::Gone);
            }
            self.await_uptake(here.into_iter().map(|(vpc, _)| *vpc).collect(), &mut report);
        }
        report
    }

    fn purge(&mut self) -> Result<usize, FabricError> {
        self.told = None;
        self.pending = false;
        self.late.clear();
        connection::wait(self.host.switch().client(), "Open vSwitch", PATIENCE)
            .map_err(|why| FabricError::Several(vec![why]))?;
        self.host.purge().map_err(FabricError::Several)
    }
}
