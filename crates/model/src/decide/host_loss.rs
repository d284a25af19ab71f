//! Rules of what becomes of that which was on a host, once it is lost or removed.
//!
//! What a lost host ran may run on there, as nobody knows. So its dynos are given up and others start
//! elsewhere with interfaces of their own, while theirs stay taken until the host was heard again and
//! has stopped them, or until they are forgotten. What has a disk stays.

use std::sync::Arc;

use super::Decision;
use crate::command::WorkloadReport;
use crate::resource::{
    Addon, AddonState, Boot, Dyno, DynoState, Exit, Host, Instance, InstanceState, Space,
};
use crate::{AddonId, DynoId, HostId, InstanceId, Key, WorkloadId};

impl Decision<'_> {
    /// Gives a host up that is not heard any more.
    pub(super) fn lose_host(&mut self, id: HostId) {
        let Some(host) = self.world.host(id).filter(|host| host.lost.is_none()).cloned() else {
            return;
        };
        self.put(Host { lost: Some(self.now), ..Host::clone(&host) });
        self.give_up_dynos(&host, "was lost");
        self.unplace_routers(id);
    }

    /// Ends the dynos of a host, and starts others for those that have a place in a formation.
    fn give_up_dynos(&mut self, host: &Host, why: &str) {
        let dynos = self.world.dynos_in(Key::Host(host.id)).map(|dyno| dyno.id);
        let dynos: Vec<DynoId> = dynos.collect();
        for id in dynos {
            if self.waits_for_fence(id) {
                self.wait_for_fence(id, host, why);
            } else {
                self.give_up_dyno(id, format!("its host {} {why}", host.name));
            }
        }
    }

    /// Whether another dyno is to start in the place of one once its host has ended it by itself.
    fn waits_for_fence(&self, id: DynoId) -> bool {
        let has_place = |dyno: &&Arc<Dyno>| !dyno.superseded && !dyno.state.ended();
        self.world.is_fenced(WorkloadId::Dyno(id))
            && self.world.dyno(id).filter(has_place).is_some()
    }

    /// Gives a dyno up, and starts another one once its host must have ended it.
    fn wait_for_fence(&mut self, id: DynoId, host: &Host, why: &str) {
        let Some(dyno) = self.world.dyno(id).cloned() else { return };
        let until = host.last_heard + Host::FENCED;
        let why = format!(
            "its host {} {why}; as the app has `fence-stop`, another one starts at {}, when that host must \
             have ended it",
            host.name,
            until.to_seconds_string()
        );
        let dyno = Dyno { fenced_until: Some(until), ..Dyno::clone(&dyno) };
        self.enter(&dyno, DynoState::Crashed, Some(Exit::Failed(why)));
    }

    fn give_up_dyno(&mut self, id: DynoId, why: String) {
        let Some(before) = self.world.dyno(id).cloned() else { return };
        let exit = Exit::Failed(why);
        match before.state {
            DynoState::Down | DynoState::Crashed => return,
            DynoState::Draining | DynoState::Stopping => self.enter(&before, DynoState::Down, None),
            DynoState::Starting | DynoState::Booting | DynoState::Up => {
                self.enter(&before, DynoState::Crashed, Some(exit.clone()));
            }
        }
        self.release_command_ended(&before, Some(&exit));
        // Its release may have failed or passed by this, and its place be gone.
        let Some(dyno) = self.world.dyno(id).cloned() else { return };
        if dyno.number.is_none() || dyno.superseded {
            return;
        }
        if dyno.state == DynoState::Down {
            self.start_after(id);
        } else {
            // Where no address is free it is tried again, as after a crash.
            self.try_in_place_of(&dyno, dyno.crashes);
        }
    }

    /// Has the web routers that are on a host be placed anew.
    fn unplace_routers(&mut self, id: HostId) {
        let spaces: Vec<_> = self.world.spaces_of(Key::Host(id)).cloned().collect();
        for space in spaces {
            let mut space = Space::clone(&space);
            space.router_hosts.retain(|_, host| *host != id);
            self.put(space);
        }
    }

    /// Takes everything from a host that is removed. Nobody will say what became of it.
    pub(super) fn clear_host(&mut self, host: &Host) {
        self.clear_dynos(host);
        self.unplace_routers(host.id);
        let key = Key::Host(host.id);
        let addons: Vec<_> = self.world.addons_of(key).cloned().collect();
        for addon in addons {
            self.put(Addon {
                host: None,
                state: AddonState::Provisioning,
                attempt: addon.attempt.wrapping_add(1),
                updated: self.now,
                ..Addon::clone(&addon)
            });
        }
        let instances: Vec<_> = self.world.instances_of(key).cloned().collect();
        for instance in instances {
            self.put(Instance { host: None, ..Instance::clone(&instance) });
            self.end_instance(instance.id);
        }
    }

    /// Takes everything from the only host, which had all that there is. Nothing runs any more, as far as
    /// anybody knows, and what is to run waits for a host, which may have the disks.
    pub(super) fn leave_last_host(&mut self, host: &Host) {
        let key = Key::Host(host.id);
        let addons: Vec<AddonId> = self.world.addons_of(key).map(|addon| addon.id).collect();
        let instances: Vec<_> = self.world.instances_of(key).map(|instance| instance.id).collect();
        self.clear_dynos(host);
        self.give_all(None);
        for id in addons {
            self.observe_service(id, &WorkloadReport::Interrupted);
        }
        instances.into_iter().for_each(|id| self.stand_by(id));
    }

    /// Has an instance that ran start again once there is a host; one that was about to end has ended.
    fn stand_by(&mut self, id: InstanceId) {
        let Some(instance) = self.world.instance(id).cloned() else { return };
        match instance.state {
            InstanceState::Running => self.put(Instance {
                state: InstanceState::Pending,
                boot: Boot::AGAIN,
                starts: instance.starts.wrapping_add(1),
                exit: None,
                since: self.now,
                ..Instance::clone(&instance)
            }),
            InstanceState::Stopping | InstanceState::ShuttingDown => {
                self.observe_instance(id, &WorkloadReport::Gone);
            }
            InstanceState::Pending | InstanceState::Stopped | InstanceState::Terminated => {}
        }
    }

    /// Ends the dynos of a host that is removed, and frees their interfaces.
    fn clear_dynos(&mut self, host: &Host) {
        self.give_up_dynos(host, "was removed");
        let dynos: Vec<_> = self.world.dynos_in(Key::Host(host.id)).cloned().collect();
        for dyno in dynos {
            self.put(Dyno { host: None, ..Dyno::clone(&dyno) });
            self.release_eni(dyno.eni);
        }
    }

    /// Terminates an instance that nothing is left of.
    fn end_instance(&mut self, id: InstanceId) {
        let Some(instance) = self.world.instance(id).cloned() else { return };
        if instance.state != InstanceState::Terminated {
            let state = InstanceState::ShuttingDown;
            self.put(Instance { state, since: self.now, ..Instance::clone(&instance) });
            self.observe_instance(id, &WorkloadReport::Gone);
        }
    }
}
