//! The steps of a sweep: one router, some interfaces, one peering or some strays at a time, and
//! first of all what may have drifted.

use std::collections::BTreeSet;
use std::time::Instant;

use model::{EniId, PcxId, VpcId};
use os::error_chain;

use super::super::pending::Part;
use super::super::router::{Handle, Look};
use super::super::watch::{Role, Watch};
use super::super::{names, namespace};
use super::{OPEN_ROUTERS, Scope, Worker};
use crate::driver::{Error, Place, Repair, Report};

impl Worker {
    /// See [`crate::driver::Driver::step`].
    pub(crate) fn step(&mut self) -> Option<Report> {
        self.take_suspects();
        let drifted = self.drifted.next();
        self.urgent = drifted.is_some();
        let part = match drifted {
            Some(part) => part,
            None => self.pending.next()?,
        };
        let mut report = Report { errors: std::mem::take(&mut self.errors), ..Report::default() };
        self.look_at(part, &mut report);
        let failure = self.watch.as_mut().and_then(Watch::take_failure);
        report.errors.extend(
            failure.map(|error| format!("drift is found by sweeps only: {}", error_chain(&error))),
        );
        if let Some(watch) = self.watch.as_mut().filter(|_| self.urgent) {
            watch.note_repairs(&report.repairs, Instant::now());
        }
        Some(report)
    }

    /// Takes note of what may have drifted.
    fn take_suspects(&mut self) {
        let Some(watch) = &self.watch else { return };
        let suspects = watch.suspects();
        if suspects.is_empty() {
            return;
        }
        let mut roles = watch.roles(&suspects, Instant::now());
        if suspects.names {
            roles.extend(watch.lost());
        }
        for role in roles {
            match role {
                Role::Router(vpc) => self.drifted.add_router(vpc),
                Role::Interface(vpc, eni) => self.drifted.add_interfaces(vpc, [eni].into_iter()),
                Role::Uplink => self.drifted.add_uplink(),
            }
        }
        if suspects.everything {
            self.drifted.add_all(self.vpcs.keys().copied(), self.peerings.keys().copied());
        }
        if let Some(why) = suspects.deaf {
            // The next sweep begins to watch anew.
            self.watch = None;
            self.errors.push(format!("drift is found by sweeps only: {why}"));
        }
    }

    fn look_at(&mut self, part: Part, report: &mut Report) {
        match part {
            Part::Router(id) => self.look_at_router(id, report),
            Part::Interfaces(id, some) => self.look_at_interfaces(id, some, report),
            Part::Uplink => self.look_at_uplink(report),
            Part::Peering(pcx) => self.look_at_peering(pcx, report),
            Part::ListStrays => {
                let names = self.list_strays().unwrap_or_else(|error| {
                    report.errors.push(error_chain(&error));
                    Vec::new()
                });
                let pending = if self.urgent { &mut self.drifted } else { &mut self.pending };
                pending.add_strays(names);
            }
            Part::Strays(names) => self.remove_strays(&names, report),
        }
    }

    fn look_at_router(&mut self, id: VpcId, report: &mut Report) {
        if !self.vpcs.contains_key(&id) {
            return;
        }
        self.known.remove(&id);
        if let Err(error) = self.restore_router(id) {
            report.errors.push(error_chain(&error));
        }
        // It may have been replaced behind sockets that are open.
        let current = |handle: &Handle| handle.namespace.is_current();
        let open = self.handles.get(&id).is_some_and(current);
        if !open {
            self.handles.remove(&id);
        }
        self.reconcile_once(Scope::of([id], &Look::Router), report);
        // A sweep passes by all routers: those that change keep their sockets.
        if !open && self.handles.len() > OPEN_ROUTERS / 2 {
            self.handles.remove(&id);
        }
    }

    /// Gives a router its name back if it has lost it.
    pub(super) fn restore_router(&mut self, id: VpcId) -> Result<(), Error> {
        let name = names::router(&self.instance, id);
        if let Some(watch) = &self.watch
            && watch.restore(&name)?
        {
            let what = "its router's namespace had lost its name".to_owned();
            self.repairs.push(Repair { place: Place::Vpc(id), what });
        }
        Ok(())
    }

    fn look_at_interfaces(&mut self, id: VpcId, some: BTreeSet<EniId>, report: &mut Report) {
        for eni in &some {
            self.absent.interfaces.remove(eni);
        }
        // What is not known has failed, and the next sweep looks at all of it.
        if !self.vpcs.contains_key(&id) || !self.known.contains_key(&id) {
            return;
        }
        let look = Look::Interfaces(some);
        self.reconcile_once(Scope::of([id], &look), report);
    }

    fn look_at_peering(&mut self, pcx: PcxId, report: &mut Report) {
        self.absent.peerings.remove(&pcx);
        let Some(link) = self.peerings.get(&pcx) else { return };
        let mut scope = Scope::of([link.requester, link.accepter], &Look::Router);
        scope.targets.retain(|id| self.vpcs.contains_key(id));
        scope.peerings.insert(pcx);
        self.reconcile_once(scope, report);
    }

    /// The namespaces that no intent names. Most are another instance's.
    fn list_strays(&self) -> Result<Vec<String>, Error> {
        // Before the first intent is there, none is named by it, and nothing is a stray.
        if !self.begun {
            return Ok(Vec::new());
        }
        let instance = self.instance.as_str();
        let mut wanted: BTreeSet<String> =
            self.vpcs.keys().map(|id| names::router(instance, *id)).collect();
        let interfaces = self.vpcs.values().flat_map(|vpc| vpc.interfaces.keys());
        wanted.extend(interfaces.map(|eni| names::workload(instance, *eni)));
        wanted.extend(self.uplink.iter().map(|_| names::uplink(instance)));
        let all = namespace::all()?.into_iter();
        Ok(all.filter(|name| !wanted.contains(name)).collect())
    }

    fn remove_strays(&mut self, names: &[String], report: &mut Report) {
        for name in names {
            let removed = match namespace::owner(name) {
                Ok(Some(owner)) if owner == self.instance => {
                    self.remove_namespace(name).map(|()| true)
                }
                Ok(_) => Ok(false),
                Err(error) => Err(error),
            };
            match removed {
                Ok(true) => drop(report.removed.insert(name.clone())),
                Ok(false) => {}
                Err(error) => report.errors.push(error_chain(&error)),
            }
        }
    }
}
