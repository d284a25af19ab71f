//! What a packet meets on its way, and its answer on the way back.
//!
//! The walk goes over the same intents that the fabric is told to carry, so what is explained here
//! is what happens there. The world only lends the names.

mod act;
mod code;
mod component;
mod explain;
mod flow;
mod imagined;
mod lookup;
mod phrase;
mod ports;
mod remedy;
mod resolve;
mod sites;
mod verdict;
mod walk;
mod words;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_decided;
#[cfg(test)]
mod tests_members;
#[cfg(test)]
mod tests_outside;
#[cfg(test)]
mod tests_remedy;

pub use act::Act;
pub(crate) use act::in_vpc;
pub use code::ExplanationCode;
pub use component::Component;
pub use flow::{Endpoint, Flow};
pub(crate) use imagined::Imagined;
pub use phrase::{Part as PhrasePart, Phrase, Wording};
pub use verdict::{Hop, Leg, Ruling, SourcePorts, Verdict};

use std::net::Ipv4Addr;

use crate::intent::{RouteTarget, VpcIntent};
use crate::{Cidr, PcxId, RouteTableId, Timestamp, World};

/// The peering to which a route table of a VPC leads from there to an address, and the route that does.
pub(crate) fn peering_toward(
    vpc: &VpcIntent,
    table: RouteTableId,
    address: Ipv4Addr,
) -> Option<(Cidr, PcxId)> {
    match lookup::way(vpc, table, address) {
        lookup::Way::Route(destination, RouteTarget::Peering(pcx)) => Some((destination, pcx)),
        _ => None,
    }
}

/// Says whether a flow passes, and what decides at each step, up to what stops it.
pub fn reach(world: &World, flow: &Flow, now: Timestamp) -> Verdict {
    Reach::of(world, now).verdict(flow)
}

/// Says the same of many flows. What the routers were told is planned once for all of them, which is most
/// of the work in VPCs that have many interfaces.
pub struct Reach<'w> {
    sites: sites::Sites<'w>,
    now: Timestamp,
}

impl<'w> Reach<'w> {
    /// Nothing is planned before the first question.
    pub fn of(world: &'w World, now: Timestamp) -> Self {
        Self { sites: sites::Sites::of(world), now }
    }

    /// Whether a flow passes, and what decides at each step, up to what stops it.
    pub fn verdict(&self, flow: &Flow) -> Verdict {
        walk::run(&self.sites, flow, self.now).verdict()
    }
}

impl std::fmt::Debug for Reach<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reach").field("now", &self.now).finish_non_exhaustive()
    }
}

/// The same with what to do about everything that stops the flow. Each remedy that is a command was
/// tried on a copy of the world: it is accepted there and removes its obstacle. The hops behind an
/// obstacle are those that the packet meets once that remedy is carried out.
pub fn explain(world: &World, flow: &Flow, now: Timestamp) -> Verdict {
    explain::run(world, flow, now)
}
