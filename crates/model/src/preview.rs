//! What a change in a VPC would let packets do, before it is made: which flows start to pass, and which
//! stop.
//!
//! The change is decided on a copy of the world, and the walk of a packet is asked before and after. So
//! what is said here is what happens, for the ends that are asked about: those of the VPC that the change
//! concerns, and those on the other side of its peerings. Their number is bounded, and [`Changes`] says
//! when some were left out.

mod ends;
mod inverse;
mod probes;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use ends::{End, EndName};
pub use inverse::inverse;

use crate::command::{Caller, Command, Ec2Command};
use crate::reach::{Flow, Imagined, Reach, in_vpc};
use crate::resource::Vpc;
use crate::{IpProtocol, Refused, Timestamp, VpcId, World};

/// The most flows that one preview asks about.
pub const MOST_FLOWS: usize = 128;

/// A flow with the names of its ends, as far as they may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// The end that sends the first packet.
    pub from: End,
    /// The end that answers.
    pub to: End,
    /// The protocol.
    pub protocol: IpProtocol,
    /// The TCP or UDP destination port; 0 for other protocols.
    pub port: u16,
}

impl Crossing {
    /// The flow itself.
    pub fn flow(&self) -> Flow {
        Flow::new(self.from.endpoint, self.to.endpoint, self.protocol, self.port)
    }
}

/// Flows of which two worlds say different things.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that pass in the second world only.
    pub starts: Vec<Crossing>,
    /// Those that pass in the first world only.
    pub stops: Vec<Crossing>,
    /// How many were asked about.
    pub asked: usize,
    /// Whether ends or flows were left out, as there are too many.
    pub is_cut: bool,
}

/// Compares what becomes of flows in two worlds.
pub fn compare(before: &World, after: &World, flows: &[Crossing], now: Timestamp) -> Changes {
    let mut changes = Changes { asked: flows.len(), ..Changes::default() };
    let (before, after) = (Reach::of(before, now), Reach::of(after, now));
    for crossing in flows {
        let flow = crossing.flow();
        match (before.verdict(&flow).allowed, after.verdict(&flow).allowed) {
            (false, true) => changes.starts.push(crossing.clone()),
            (true, false) => changes.stops.push(crossing.clone()),
            (true, true) | (false, false) => {}
        }
    }
    changes
}

/// Says what commands on a VPC would change for packets, if they were carried out one after the other.
/// Of the ends in VPCs that `may_look` does not name, no more is told than what the owners of peered VPCs
/// know of each other.
///
/// # Errors
///
/// [`Refused`] says which rule refuses the first command that cannot be carried out.
pub fn preview(
    world: &World,
    caller: Caller,
    vpc: &Vpc,
    commands: &[Ec2Command],
    may_look: &dyn Fn(VpcId) -> bool,
    now: Timestamp,
) -> Result<Changes, Refused> {
    let mut ids = Imagined::new();
    let mut before = world.clone();
    let ends = ends::find(&mut before, vpc, commands, may_look, &mut ids, now);
    let after = carry_out(&before, caller, commands, now, &mut ids)?;
    let probes = probes::of(&before, &after, vpc, commands);
    let (flows, is_cut) = crossings(&ends, &probes);
    let changes = compare(&before, &after, &flows, now);
    Ok(Changes { is_cut: is_cut || ends.is_cut, ..changes })
}

/// The world once commands were carried out one after the other, or the first refusal: nothing is done.
///
/// # Errors
///
/// [`Refused`] says which rule refuses the first command that cannot be carried out.
pub fn tried(
    world: &World,
    caller: Caller,
    commands: &[Ec2Command],
    now: Timestamp,
) -> Result<World, Refused> {
    carry_out(world, caller, commands, now, &mut Imagined::new())
}

fn carry_out(
    world: &World,
    caller: Caller,
    commands: &[Ec2Command],
    now: Timestamp,
    ids: &mut Imagined,
) -> Result<World, Refused> {
    commands.iter().try_fold(world.clone(), |world, command| {
        let command: Command = command.clone().into();
        Ok(world.decide(caller, &command, now, ids)?.world)
    })
}

/// The command line of the `aws` client that does what a command does; `None` for commands that no page
/// and no remedy gives.
pub fn command_line(world: &World, vpc: &Vpc, command: &Ec2Command) -> Option<String> {
    in_vpc(vpc, command.clone())?.line(world)
}

/// The flows to ask about: both ways between each end that the change concerns and every other end.
fn crossings(ends: &ends::Ends, probes: &probes::Probes) -> (Vec<Crossing>, bool) {
    let mut flows = Vec::new();
    let mut seen = BTreeSet::new();
    for other in ends.far.iter().chain(&ends.near) {
        for own in ends.concerned.iter().filter(|own| own.endpoint != other.endpoint) {
            for (from, to) in [(other, own), (own, other)] {
                for (protocol, port) in probes.toward(to) {
                    let (from, to) = (from.clone(), to.clone());
                    let crossing = Crossing { from, to, protocol, port };
                    if !seen.insert(crossing.flow()) {
                        continue;
                    }
                    if flows.len() == MOST_FLOWS {
                        return (flows, true);
                    }
                    flows.push(crossing);
                }
            }
        }
    }
    (flows, false)
}
