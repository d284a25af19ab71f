//! Rules of what Causeway itself finds out: the fabric's observations and the passing of time.

use super::report::{InstanceStep, instance_step};
use super::{Decision, Outcome, refuse};
use crate::command::{Caller, Observation, Reply, SystemCommand, WorkloadReport};
use crate::resource::{
    Boot, Eni, Instance, InstanceState, PeeringEvent, PeeringState, Space, SpaceState,
};
use crate::{Code, EniId, InstanceId, Key, Refused, WorkloadId};

impl Decision<'_> {
    pub(super) fn system(&mut self, command: &SystemCommand) -> Outcome {
        match command {
            SystemCommand::Observe(observation) => {
                self.system_only()?;
                self.observe(observation)?;
            }
            SystemCommand::Tick => {
                self.system_only()?;
                self.tick();
            }
            SystemCommand::StoreSlug { slug, stored } => {
                self.system_only()?;
                return self.store_slug(*slug, stored);
            }
            SystemCommand::KeepCode { slug, blob } => {
                self.system_only()?;
                self.keep_code(*slug, blob);
            }
            SystemCommand::Reset => return self.reset(),
            SystemCommand::ResetAccount { account } => return self.reset_account(*account),
            SystemCommand::LoadSnapshot { records, saved } => {
                return self.load_snapshot(records, *saved);
            }
        }
        Ok(Reply::Done)
    }

    pub(super) fn system_only(&self) -> Result<(), Refused> {
        match self.caller {
            Caller::System => Ok(()),
            Caller::Account { .. } | Caller::User(_) | Caller::Operator => refuse(
                Code::UnauthorizedOperation,
                "You are not authorized to perform this operation.",
            ),
        }
    }

    fn observe(&mut self, seen: &Observation) -> Result<(), Refused> {
        let steps = seen
            .carried
            .iter()
            .map(|id| (id, PeeringState::Provisioning, PeeringEvent::Carried))
            .chain(seen.gone.iter().map(|id| (id, PeeringState::Deleting, PeeringEvent::Gone)));
        for (id, from, event) in steps {
            // The fabric speaks of what was asked of it a moment ago.
            let peering = self.world.peering(*id).filter(|p| p.state == from).cloned();
            if let Some(peering) = peering {
                self.step(&peering, event, None)?;
            }
        }
        self.observe_spaces(seen);
        for (id, report) in &seen.workloads {
            if self.world.waits_for_host(*id) {
                // Nobody can have seen it.
                continue;
            }
            match id {
                WorkloadId::Dyno(id) => self.observe_dyno(*id, report),
                WorkloadId::Instance(id) => self.observe_instance(*id, report),
                WorkloadId::Service(id) => self.observe_service(*id, report),
                WorkloadId::Router(_) => {}
            }
        }
        for event in &seen.edge {
            self.observe_edge(*event);
        }
        Ok(())
    }

    fn observe_spaces(&mut self, seen: &Observation) {
        let ready = |space: &Space| {
            let carried = self.world.peering(space.data_peering);
            space.state == SpaceState::Allocating
                && seen.vpcs.contains(&space.vpc)
                && seen.vpcs.contains(&space.data_vpc)
                && carried.is_some_and(|p| p.state == PeeringState::Active)
        };
        let spaces: Vec<_> = self.world.spaces().filter(|space| ready(space)).cloned().collect();
        for space in spaces {
            let space = Space::clone(&space);
            let id = space.id;
            self.put(Space { state: SpaceState::Allocated, updated: self.now, ..space });
            self.settle_space(id);
        }
    }

    pub(super) fn observe_instance(&mut self, id: InstanceId, report: &WorkloadReport) {
        let Some(instance) = self.world.instance(id).cloned() else { return };
        let Some(InstanceStep { state, boot, exit }) = instance_step(&instance, report) else {
            return;
        };
        let since = if state == instance.state { instance.since } else { self.now };
        let again = matches!(boot, Boot::Again { .. });
        let starts = instance.starts.wrapping_add(u16::from(again));
        let instance = Instance { state, boot, exit, since, starts, ..Instance::clone(&instance) };
        self.put(instance.clone());
        if state == InstanceState::Stopped {
            // An address is given back, which always succeeds.
            let _ = self.settle_public(&instance);
        }
        if state == InstanceState::Terminated {
            let enis = self.world.enis_in(Key::Instance(id)).map(|eni| eni.id);
            let enis: Vec<EniId> = enis.collect();
            enis.into_iter().for_each(|eni| self.release_eni(eni));
        }
    }

    /// Removes an interface whose workload has ended, or detaches it.
    pub(super) fn release_eni(&mut self, id: EniId) {
        let Some(eni) = self.world.eni(id).cloned() else { return };
        if eni.attachment.as_ref().is_none_or(|a| a.delete_on_termination) {
            self.delete(Key::Eni(id));
        } else {
            let public = crate::PublicAddress::None;
            self.put(Eni { attachment: None, public, ..Eni::clone(&eni) });
        }
    }
}
