//! What comes of a flow, hop by hop.

use serde::Serialize;

use super::phrase::{Phrase, say};
use super::{Act, Component, ExplanationCode};
use crate::{PortRange, VpcId};

/// Whether a flow passes, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether the packet arrives and its answer too, from every source port that was asked about.
    pub allowed: bool,
    /// The source ports from which the flow passes; `None` where the protocol has no ports.
    pub source_ports: Option<SourcePorts>,
    /// The hops of the packet and of its answer, in order.
    pub hops: Vec<Hop>,
}

/// The source ports of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourcePorts {
    /// The source ports that were asked about.
    pub asked: PortRange,
    /// The ranges of those from which the flow passes, in order.
    pub passing: Vec<PortRange>,
}

impl Verdict {
    /// The hop that stops the whole flow, if one does.
    pub fn blocked(&self) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.decision == Ruling::Blocked && !hop.presumed)
    }
}

/// One step of a packet's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// Whether it is the packet that is on its way, or the answer.
    pub leg: Leg,
    /// Whether it is met only once the obstacles before it are removed.
    pub presumed: bool,
    /// The component that decides, in words: `rtb-… of subnet-…`.
    #[serde(rename = "where")]
    pub where_: Phrase,
    /// The component that decides, by its ids, with its rule.
    #[serde(flatten)]
    pub component: Component,
    /// What becomes of the packet there.
    pub decision: Ruling,
    /// Why the packet is stopped, in the words of AWS; none has a word for everything.
    pub code: Option<ExplanationCode>,
    /// The rule that decides, in words.
    pub because: Phrase,
    /// What to do so that the packet passes; `None` where nobody can do anything.
    pub remedy: Option<Phrase>,
    /// The same as command lines, to be run in this order, where commands do it. A command that
    /// needs the id of what an earlier one makes is not here yet: ask again then.
    pub commands: Vec<String>,
    /// What the command lines do, in the same order.
    #[serde(skip)]
    pub acts: Vec<Act>,
    /// The VPC that the component belongs to; `None` for a peering, which lies between two.
    #[serde(skip)]
    pub vpc: Option<VpcId>,
    /// The VPC that a packet on a peering is going to.
    #[serde(skip)]
    pub toward: Option<VpcId>,
    /// The VPC in which the remedy changes something.
    #[serde(skip)]
    pub remedy_in: Option<VpcId>,
}

impl Verdict {
    /// The same for somebody who may look into some VPCs only: of what the others have, no more
    /// is told than the VPC's id and what becomes of the packet there. What lies behind an obstacle
    /// in another's VPC is not told at all, as no packet of theirs would find it out.
    pub fn seen_by(self, may_look: impl Fn(VpcId) -> bool) -> Self {
        let mut hops: Vec<Hop> = Vec::with_capacity(self.hops.len());
        for mut hop in self.hops {
            if hop.presumed && !hop.vpc.or(hop.toward).is_some_and(&may_look) {
                break;
            }
            if let Some(at) = hop.remedy_in.filter(|at| !may_look(*at)) {
                hop.remedy = hop.remedy.map(|_| say!(AskOwner, vpc = at));
                hop.commands.clear();
                hop.acts.clear();
            }
            if let Some(vpc) = hop.vpc.filter(|vpc| !may_look(*vpc)) {
                hop.component = Component::vpc(vpc);
                hop.where_ = hop.component.phrase();
                hop.because = match hop.decision {
                    Ruling::Passed => say!(OwnerLetsPass),
                    Ruling::Partly => say!(OwnerStopsSome),
                    Ruling::Blocked => say!(OwnerStops),
                };
                hop.code = None;
                hop.commands.clear();
                hop.acts.clear();
                hop.remedy = match hop.decision {
                    Ruling::Passed => None,
                    Ruling::Partly | Ruling::Blocked => Some(say!(AskOwner, vpc = vpc)),
                };
            }
            // Equal hops would tell how many components the other VPC has.
            if hops.last() != Some(&hop) {
                hops.push(hop);
            }
        }
        Self { hops, ..self }
    }
}

/// A direction of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// From the source to the destination.
    Forward,
    /// From the destination back to the source.
    Answer,
}

/// What a component decides on a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// The packet goes on.
    Passed,
    /// It goes on from some source ports, and is dropped from others.
    Partly,
    /// The packet is dropped.
    Blocked,
}
