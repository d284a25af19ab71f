//! Where processes are.

use crate::load;
use crate::{HostId, Key, WorkloadId, World};

/// The process of a resource, if it has one of its own.
pub(crate) fn workload_of(key: Key) -> Option<WorkloadId> {
    match key {
        Key::Dyno(id) => Some(WorkloadId::Dyno(id)),
        Key::Addon(id) => Some(WorkloadId::Service(id)),
        Key::Instance(id) => Some(WorkloadId::Instance(id)),
        _ => None,
    }
}

impl World {
    /// Whether there are hosts: else everything runs on one machine that nothing is said of.
    pub fn has_hosts(&self) -> bool {
        self.hosts().next().is_some()
    }

    /// Bytes of memory that are given away on a host.
    pub fn committed(&self, host: HostId) -> u64 {
        self.load.committed(host)
    }

    /// The host that a process is on; `None` where it waits for one, or there are none.
    pub fn host_of(&self, id: WorkloadId) -> Option<HostId> {
        match id {
            WorkloadId::Dyno(id) => self.dyno(id)?.host,
            WorkloadId::Instance(id) => self.instance(id)?.host,
            WorkloadId::Service(id) => self.addon(id)?.host,
            WorkloadId::Router(_) => None,
        }
    }

    /// Whether a process's host ends it where it cannot reach the servers.
    pub fn is_fenced(&self, id: WorkloadId) -> bool {
        let WorkloadId::Dyno(id) = id else { return false };
        self.dyno(id).is_some_and(|dyno| {
            let stops = || self.app(dyno.app).is_some_and(|app| app.fence_stop);
            dyno.host.is_some() && dyno.number.is_some() && stops()
        })
    }

    /// Whether there are hosts, and a process is on none of them.
    pub fn waits_for_host(&self, id: WorkloadId) -> bool {
        self.has_hosts() && self.host_of(id).is_none()
    }

    /// The processes that are to run and have no host, oldest first. Without hosts those are all.
    pub fn unplaced(&self) -> impl Iterator<Item = WorkloadId> + '_ {
        self.load.unplaced().filter_map(|(key, _)| workload_of(key))
    }

    /// The processes on a host, also such as have ended.
    pub fn workloads_on(&self, host: HostId) -> Vec<WorkloadId> {
        let key = Key::Host(host);
        let dynos = self.dynos_in(key).map(|dyno| WorkloadId::Dyno(dyno.id));
        let addons = self.addons_of(key).map(|addon| WorkloadId::Service(addon.id));
        let instances = self.instances_of(key).map(|instance| WorkloadId::Instance(instance.id));
        dynos.chain(addons).chain(instances).collect()
    }

    /// Bytes of memory that a process takes of its host; `None` for one that has ended.
    pub fn memory_of(&self, id: WorkloadId) -> Option<u64> {
        match id {
            // It shares the memory of its host's edge with all others.
            WorkloadId::Router(_) => None,
            _ => load::memory(self.get(id.into())?),
        }
    }
}
