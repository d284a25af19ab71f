//! Where processes run: the choice of a host.
//!
//! The choice is pure, and depends on what there is alone. A process that is to run beside others of
//! its kind is kept apart from them: first by zone, then by host. Among the hosts that are left the one
//! is chosen that has given away the least share of its memory. A host that drains or is lost is never
//! chosen, nor one without room. Once a process has a host, nothing but the end of one of them changes
//! that: what moves is ended, and begins anew elsewhere.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use crate::load;
use crate::resource::{Dyno, Host, HostState, Instance, Space};
use crate::{EniId, HostId, Key, WorkloadId, World};

/// What is to be placed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Bytes of memory that it takes.
    pub(crate) memory: u64,
    /// Those that it is to be kept apart from, by host.
    pub(crate) beside: BTreeMap<HostId, Beside>,
}

/// How many there are that something is to be kept apart from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Beside {
    /// Those that do the same: of one process type of an app, or routers of one space.
    same: u32,
    /// All of the same app.
    related: u32,
}

/// Why something has no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unplaced {
    /// There is no host that takes anything.
    NoHost,
    /// No host has as much memory left.
    NoRoom {
        /// Bytes that it takes.
        wanted: u64,
        /// The most that one has left.
        most: u64,
    },
}

impl fmt::Display for Unplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHost => f.write_str("It waits for a host: none is ready."),
            Self::NoRoom { wanted, most } => write!(
                f,
                "It waits for a host with room: it takes {} of memory, and no host that is ready has \
                 more than {} left.",
                Bytes(*wanted),
                Bytes(*most)
            ),
        }
    }
}

/// An amount of memory, for people.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: u64 = 1 << 20;
        const GIB: u64 = 1 << 30;
        match self.0 {
            bytes if bytes >= GIB && bytes.is_multiple_of(GIB) => write!(f, "{} GiB", bytes / GIB),
            bytes => write!(f, "{} MiB", bytes / MIB),
        }
    }
}

/// What makes a host the better choice: the least of all is chosen.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    same_in_zone: u32,
    same: u32,
    related_in_zone: u32,
    related: u32,
    share: Reverse<u64>,
    id: HostId,
}

/// Chooses a host for something.
///
/// # Errors
///
/// [`Unplaced`] says why none can have it.
pub(crate) fn place(world: &World, wanted: &Wanted) -> Result<HostId, Unplaced> {
    let mut zones: BTreeMap<&str, Beside> = BTreeMap::new();
    for (id, beside) in &wanted.beside {
        if let Some(host) = world.host(*id) {
            zones.entry(&host.zone).or_default().add(*beside);
        }
    }
    let mut most = None;
    let mut best: Option<Rank> = None;
    // Both are in the order of the hosts' ids, so that nothing has to be looked up.
    let mut given_away = world.load.by_host().peekable();
    for host in world.hosts() {
        while given_away.next_if(|(id, _)| *id < host.id).is_some() {}
        let committed = given_away.next_if(|(id, _)| *id == host.id).map_or(0, |(_, sum)| sum);
        if host.state() != HostState::Ready {
            continue;
        }
        let left = host.capacity.memory.saturating_sub(committed);
        most = most.max(Some(left));
        if left < wanted.memory {
            continue;
        }
        let zone = zones.get(host.zone.as_str()).copied().unwrap_or_default();
        let own = wanted.beside.get(&host.id).copied().unwrap_or_default();
        let rank = Rank {
            same_in_zone: zone.same,
            same: own.same,
            related_in_zone: zone.related,
            related: own.related,
            share: Reverse(share(left, host.capacity.memory)),
            id: host.id,
        };
        if best.as_ref().is_none_or(|best| rank < *best) {
            best = Some(rank);
        }
    }
    match (best, most) {
        (Some(best), _) => Ok(best.id),
        (None, Some(most)) => Err(Unplaced::NoRoom { wanted: wanted.memory, most }),
        (None, None) => Err(Unplaced::NoHost),
    }
}

/// Bytes of a host's memory that may be given away still.
fn left(world: &World, host: &Host) -> u64 {
    host.capacity.memory.saturating_sub(world.committed(host.id))
}

/// Whether an instance takes no more than before of its host, or no more than what is left of it.
pub(crate) fn grows_within(world: &World, host: &Host, old: &Instance, new: &Instance) -> bool {
    let [old, new] = [old, new].map(load::of_instance);
    new.saturating_sub(old) <= left(world, host) || new <= old
}

/// How much of a whole is left, in parts of 65,536.
fn share(left: u64, whole: u64) -> u64 {
    let parts = (u128::from(left) << 16) / u128::from(whole.max(1));
    u64::try_from(parts).unwrap_or(u64::MAX)
}

impl Beside {
    fn add(&mut self, more: Self) {
        self.same += more.same;
        self.related += more.related;
    }
}

impl Wanted {
    /// What a process takes of a host while it is to run; `None` for one that has ended. What has a disk
    /// is one of its kind.
    pub(crate) fn of(world: &World, id: WorkloadId) -> Option<Self> {
        let memory = world.memory_of(id)?;
        Some(match id {
            WorkloadId::Dyno(id) => Self::of_dyno(world, world.dyno(id)?),
            _ => Self { memory, ..Self::default() },
        })
    }

    /// A host for a dyno, or for another one in its place. Those that another dyno has the place of
    /// are about to end, and in nobody's way.
    pub(crate) fn of_dyno(world: &World, dyno: &Dyno) -> Self {
        let mut beside: BTreeMap<HostId, Beside> = BTreeMap::new();
        let others = world
            .dynos_in(Key::App(dyno.app))
            .filter(|other| other.id != dyno.id && !other.superseded && !other.state.ended());
        for other in others {
            let Some(host) = other.host else { continue };
            let same = u32::from(other.process_type == dyno.process_type);
            beside.entry(host).or_default().add(Beside { same, related: 1 });
        }
        Self { memory: dyno.size.memory(), beside }
    }

    /// A host for one of the interfaces of a space's web router. The router shares the memory of its
    /// host's edge with all others.
    pub(crate) fn of_router(space: &Space, eni: EniId) -> Self {
        let mut beside: BTreeMap<HostId, Beside> = BTreeMap::new();
        for (_, host) in space.router_hosts.iter().filter(|(other, _)| **other != eni) {
            beside.entry(*host).or_default().add(Beside { same: 1, related: 1 });
        }
        Self { memory: 0, beside }
    }
}

impl World {
    /// Why a process has no host although there are some; `None` where it has one or needs none.
    pub fn why_unplaced(&self, id: WorkloadId) -> Option<Unplaced> {
        if !self.waits_for_host(id) {
            return None;
        }
        place(self, &Wanted::of(self, id)?).err()
    }
}
