//! What is on which host: an index of the world.

use imbl::{OrdMap, OrdSet};

use crate::resource::{Addon, HostState, Instance, InstanceState, InstanceType};
use crate::{HostId, Key, Record, Timestamp};

/// Memory that a data service without a bound is taken to need, and an instance of a type that nothing
/// is known of.
const NOMINAL: u64 = 1 << 30;
/// The most that one data service is taken to need, so that sums of all stay in their bounds.
const MOST: u64 = 1 << 43;

/// What is given away of each host, what has no host, and which hosts are to be emptied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Bytes of memory; a host with nothing is not here.
    committed: OrdMap<HostId, u64>,
    /// What is to run and has no host, oldest first, and the memory that it takes. Without hosts that is
    /// all there is.
    unplaced: OrdMap<(Timestamp, Key), u64>,
    draining: OrdSet<HostId>,
}

/// What something takes of its host.
struct Burden {
    host: Option<HostId>,
    memory: u64,
    since: Timestamp,
}

impl Load {
    pub(crate) fn committed(&self, host: HostId) -> u64 {
        self.committed.get(&host).copied().unwrap_or_default()
    }

    /// What is given away of each host that has anything, by their ids.
    pub(crate) fn by_host(&self) -> impl Iterator<Item = (HostId, u64)> + '_ {
        self.committed.iter().map(|(host, memory)| (*host, *memory))
    }

    pub(crate) fn unplaced(&self) -> impl Iterator<Item = (Key, u64)> + '_ {
        self.unplaced.iter().map(|((_, key), memory)| (*key, *memory))
    }

    pub(crate) fn draining(&self) -> impl Iterator<Item = HostId> + '_ {
        self.draining.iter().copied()
    }

    pub(crate) fn add(&mut self, record: &Record) {
        if let Record::Host(host) = record
            && host.state() == HostState::Draining
        {
            self.draining.insert(host.id);
        }
        let Some(burden) = burden(record) else { return };
        match burden.host {
            Some(host) => {
                let committed = self.committed(host).saturating_add(burden.memory);
                self.committed.insert(host, committed);
            }
            None => {
                self.unplaced.insert((burden.since, record.key()), burden.memory);
            }
        }
    }

    pub(crate) fn remove(&mut self, record: &Record) {
        if let Record::Host(host) = record {
            self.draining.remove(&host.id);
        }
        let Some(burden) = burden(record) else { return };
        match burden.host {
            Some(host) => match self.committed(host).saturating_sub(burden.memory) {
                0 => drop(self.committed.remove(&host)),
                committed => drop(self.committed.insert(host, committed)),
            },
            None => drop(self.unplaced.remove(&(burden.since, record.key()))),
        }
    }
}

/// Bytes of memory that a resource takes of a host; `None` for what needs none.
pub(crate) fn memory(record: &Record) -> Option<u64> {
    burden(record).map(|burden| burden.memory)
}

/// What a resource takes of a host; `None` for what needs none.
fn burden(record: &Record) -> Option<Burden> {
    match record {
        Record::Dyno(dyno) => (!dyno.state.ended()).then(|| Burden {
            host: dyno.host,
            memory: dyno.size.memory(),
            since: dyno.created,
        }),
        // Also while it is stopped: its volume stays where it is, and it is to start there again.
        Record::Instance(instance) => (instance.state != InstanceState::Terminated).then(|| {
            Burden { host: instance.host, memory: of_instance(instance), since: instance.launched }
        }),
        Record::Addon(addon) => {
            Some(Burden { host: addon.host, memory: of_addon(addon), since: addon.created })
        }
        // Routers take nothing that is counted, so that only those without a host are of interest.
        Record::Space(space) => (space.router_hosts.len() < space.router_enis.len())
            .then(|| Burden { host: None, memory: 0, since: space.created }),
        _ => None,
    }
}

/// Memory that an instance takes: what its type has.
pub(crate) fn of_instance(instance: &Instance) -> u64 {
    let found = InstanceType::find(&instance.instance_type);
    found.map_or(NOMINAL, |found| u64::from(found.memory) << 20)
}

/// Memory that a data service takes.
fn of_addon(addon: &Addon) -> u64 {
    addon.plan.memory.unwrap_or(NOMINAL).min(MOST)
}
