//! Verdicts on packets for the map and the matrix, with bounded work.

use model::{
    DynoState, Endpoint, Eni, Flow, InstanceState, Key, Leg, Reach, Ruling, Timestamp, VpcId,
    WorkloadId, World,
};

use super::scene::{Passage, Place};
use crate::question::Protocol;

/// The most ends of a network that are looked at.
pub(super) const MOST_ENDS: usize = 64;

/// What is asked of packets.
#[derive(Debug)]
pub(super) struct Judge<'w> {
    world: &'w World,
    reach: Reach<'w>,
    protocol: Protocol,
    pub port: u16,
}

/// What became of some flows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// How many there are.
    pub all: usize,
    /// How many were looked at.
    pub seen: usize,
    /// How many of those were stopped.
    pub stopped: usize,
    /// One of them, to ask why: one that is stopped, if any is.
    pub example: Option<(Endpoint, Endpoint)>,
}

impl<'w> Judge<'w> {
    pub(super) fn new(world: &'w World, now: Timestamp, protocol: Protocol, port: u16) -> Self {
        Self { world, reach: Reach::of(world, now), protocol, port }
    }

    /// What becomes of a flow.
    pub(super) fn passage(&self, from: Endpoint, to: Endpoint) -> Passage {
        let verdict = self.reach.verdict(&self.flow(from, to));
        let stop = verdict.hops.iter().find(|hop| hop.decision != Ruling::Passed);
        let Some(hop) = stop.filter(|_| !verdict.allowed) else { return Passage::Passes };
        let place = match hop.vpc {
            None => Place::Peering,
            Some(vpc) if vpc == to.vpc && from.vpc != to.vpc => Place::To,
            Some(_) if from.vpc == to.vpc => {
                let of = hop.component.network_interface_id.and_then(|id| self.world.eni(id));
                let is_first = of.is_some_and(|eni| eni.addresses.contains(&from.address));
                if is_first { Place::From } else { Place::To }
            }
            Some(_) => Place::From,
        };
        Passage::Stops { place, answer: hop.leg == Leg::Answer }
    }

    fn flow(&self, from: Endpoint, to: Endpoint) -> Flow {
        Flow::new(from, to, self.protocol.number(), self.port)
    }

    /// Looks at no more than `most` flows from some ends to others, each end as often as any other.
    pub(super) fn count(&self, from: &[Endpoint], to: &[Endpoint], most: usize) -> Count {
        let all = from.len() * to.len();
        let seen = all.min(most);
        let mut count = Count { all, seen, ..Count::default() };
        for n in 0..seen {
            // All pairs, where there is room; else along the diagonals.
            let (a, b) = match all <= most {
                true => (n / to.len(), n % to.len()),
                false => (n % from.len(), (n + n / from.len()) % to.len()),
            };
            let pair = (from[a], to[b]);
            let stopped = self.passage(pair.0, pair.1) != Passage::Passes;
            if n == 0 || stopped && count.stopped == 0 {
                count.example = Some(pair);
            }
            count.stopped += usize::from(stopped);
        }
        count
    }

    /// Whether packets get out of their own network and onto the peering with another's, about
    /// which nothing else is told.
    pub(super) fn leaves(&self, from: Endpoint, to: VpcId, block: model::Cidr) -> bool {
        let Some(address) = block.nth(block.size() / 2) else { return false };
        match self.passage(from, Endpoint { vpc: to, address }) {
            Passage::Passes | Passage::Stops { place: Place::To, .. } => true,
            Passage::Stops { answer, .. } => answer,
        }
    }
}

/// The ends in a network that something uses.
pub(super) fn ends(world: &World, vpc: VpcId) -> impl Iterator<Item = (Endpoint, &Eni)> {
    world.enis_in(Key::Vpc(vpc)).filter_map(move |eni| {
        let live = match eni.attachment.as_ref()?.workload {
            WorkloadId::Dyno(id) => world.dyno(id).is_some_and(|dyno| is_shown(dyno)),
            WorkloadId::Instance(id) => {
                let runs = |state: InstanceState| state.wants_to_run();
                world.instance(id).is_some_and(|instance| runs(instance.state))
            }
            WorkloadId::Service(_) | WorkloadId::Router(_) => false,
        };
        let address = *eni.addresses.first()?;
        live.then_some((Endpoint { vpc, address }, &**eni))
    })
}

/// Whether the Platform API lists a dyno. One that another takes the place of is, while it is up.
pub(super) fn is_shown(dyno: &model::Dyno) -> bool {
    match dyno.superseded {
        true => dyno.state == DynoState::Up,
        false => dyno.is_live(),
    }
}
