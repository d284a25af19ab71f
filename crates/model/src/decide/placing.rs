//! Rules of which process runs where. They are followed at the end of every decision, whatever it was
//! about: what is to run and has no host is given one as soon as one has room, oldest first, and hosts
//! that are to be emptied go on with that.

use std::sync::Arc;

use super::{Decision, refuse};
use crate::command::WorkloadReport;
use crate::place::{Wanted, grows_within, place};
use crate::placed::workload_of;
use crate::resource::{Addon, Dyno, DynoState, Instance, InstanceState, Space};
use crate::{Change, Code, HostId, Key, Refused, SpaceId, WorkloadId};

impl Decision<'_> {
    /// Does what there is to be done now.
    pub(super) fn settle_hosts(&mut self) {
        let matters = |change: &Change| {
            matches!(
                change.key(),
                Key::Host(_) | Key::Dyno(_) | Key::Addon(_) | Key::Instance(_) | Key::Space(_)
            )
        };
        if !self.changes.iter().any(matters) || !self.world.has_hosts() {
            return;
        }
        self.end_unplaced();
        self.place_all();
        let draining: Vec<HostId> = self.world.load.draining().collect();
        for host in draining {
            self.move_routers(host);
            self.move_dynos(host);
        }
    }

    /// What nobody runs has ended as soon as it is told to. Another one may begin in its place.
    fn end_unplaced(&mut self) {
        loop {
            let told = |key: &Key| match *key {
                Key::Dyno(id) => self.world.dyno(id).is_some_and(|dyno| !dyno.state.wants_to_run()),
                Key::Instance(id) => self.world.instance(id).is_some_and(|instance| {
                    matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Stopping)
                }),
                _ => false,
            };
            let ends: Vec<Key> =
                self.world.load.unplaced().map(|(key, _)| key).filter(told).collect();
            if ends.is_empty() {
                return;
            }
            for key in ends {
                match key {
                    Key::Dyno(id) => self.observe_dyno(id, &WorkloadReport::Gone),
                    Key::Instance(id) => self.observe_instance(id, &WorkloadReport::Gone),
                    _ => {}
                }
            }
        }
    }

    fn place_all(&mut self) {
        // Nothing that takes as much fits anywhere.
        let mut too_much = u64::MAX;
        let unplaced: Vec<(Key, u64)> = self.world.load.unplaced().collect();
        for (key, memory) in unplaced {
            if let Key::Space(id) = key {
                self.place_routers(id);
            }
            let Some(id) = workload_of(key).filter(|_| memory < too_much) else { continue };
            let Some(wanted) = Wanted::of(&self.world, id) else { continue };
            match place(&self.world, &wanted) {
                Ok(host) => self.put_on(id, host),
                Err(_) => too_much = memory,
            }
        }
    }

    fn put_on(&mut self, id: WorkloadId, host: HostId) {
        let host = Some(host);
        match id {
            WorkloadId::Dyno(id) => {
                if let Some(dyno) = self.world.dyno(id).cloned() {
                    self.put(Dyno { host, ..Dyno::clone(&dyno) });
                }
            }
            WorkloadId::Service(id) => {
                if let Some(addon) = self.world.addon(id).cloned() {
                    self.put(Addon { host, ..Addon::clone(&addon) });
                }
            }
            WorkloadId::Instance(id) => {
                if let Some(instance) = self.world.instance(id).cloned() {
                    self.put(Instance { host, ..Instance::clone(&instance) });
                }
            }
            WorkloadId::Router(_) => {}
        }
    }

    /// Whether the host of an instance, which its volume ties it to, has room for what it becomes.
    pub(super) fn check_host_has_room(
        &self,
        old: &Instance,
        new: &Instance,
    ) -> Result<(), Refused> {
        let host = old.host.and_then(|id| self.world.host(id));
        if host.is_none_or(|host| grows_within(&self.world, host, old, new)) {
            return Ok(());
        }
        refuse(
            Code::InsufficientInstanceCapacity,
            format_args!(
                "There is no {} capacity left where the volume of the instance '{}' is. Choose a \
                 smaller type.",
                new.instance_type, old.id
            ),
        )
    }

    /// Gives a space's web routers hosts that have none.
    fn place_routers(&mut self, id: SpaceId) {
        let Some(before) = self.world.space(id).cloned() else { return };
        let mut space = Space::clone(&before);
        for eni in &before.router_enis {
            if space.router_hosts.contains_key(eni) {
                continue;
            }
            if let Ok(host) = place(&self.world, &Wanted::of_router(&space, *eni)) {
                space.router_hosts.insert(*eni, host);
            }
        }
        if space != *before {
            self.put(space);
        }
    }

    /// Takes web routers from a host, as far as there is another one for them.
    fn move_routers(&mut self, from: HostId) {
        let spaces: Vec<_> = self.world.spaces_of(Key::Host(from)).cloned().collect();
        for before in spaces {
            let mut space = Space::clone(&before);
            for (eni, _) in before.router_hosts.iter().filter(|(_, host)| **host == from) {
                if let Ok(host) = place(&self.world, &Wanted::of_router(&space, *eni)) {
                    space.router_hosts.insert(*eni, host);
                }
            }
            if space != *before {
                self.put(space);
            }
        }
    }

    /// Moves dynos from a host, one after another: the next one follows once the one in the place of
    /// the last one is up. What does not run yet is not waited for.
    fn move_dynos(&mut self, from: HostId) {
        while !self.is_moving(from) {
            let Some(dyno) = self.next_to_move(from) else { return };
            if !self.try_in_place_of(&dyno, dyno.crashes) {
                return;
            }
            self.retire_superseded(dyno.app);
            self.end_unplaced();
            self.place_all();
        }
    }

    /// Whether a dyno of a host runs on until the one that has its place elsewhere is up. One that
    /// crashed is in nobody's way: its place is tried again beside what else moves.
    fn is_moving(&self, from: HostId) -> bool {
        let starts = |dyno: &Dyno| {
            let holder = self.world.dyno_named(dyno.app, &dyno.name);
            holder.is_some_and(|it| matches!(it.state, DynoState::Starting | DynoState::Booting))
        };
        let mut old = self.world.dynos_in(Key::Host(from));
        old.any(|dyno| dyno.superseded && dyno.state == DynoState::Up && starts(dyno))
    }

    /// The oldest dyno of a host that another one has room for.
    fn next_to_move(&self, from: HostId) -> Option<Arc<Dyno>> {
        use DynoState as S;
        let moves = |dyno: &&Arc<Dyno>| {
            let runs = matches!(dyno.state, S::Starting | S::Booting | S::Up);
            dyno.number.is_some() && !dyno.superseded && runs
        };
        let mut dynos: Vec<_> = self.world.dynos_in(Key::Host(from)).filter(moves).collect();
        dynos.sort_by_key(|dyno| (dyno.created, dyno.id));
        let mut too_much = u64::MAX;
        let mut fits = |dyno: &Dyno| {
            let memory = dyno.size.memory();
            let found = memory < too_much
                && place(&self.world, &Wanted::of_dyno(&self.world, dyno)).is_ok();
            if !found {
                too_much = too_much.min(memory);
            }
            found
        };
        dynos.into_iter().find(|dyno| fits(dyno)).cloned()
    }
}
