//! Everything that is in the way of a flow at once, with what to do about it.

use std::collections::BTreeSet;

use super::act::Act;
use super::imagined::Imagined;
use super::phrase::{Wording, say};
use super::remedy::Candidate;
use super::sites::Sites;
use super::walk::{self, Step, Walked};
use super::{Flow, Hop, Ruling, Verdict};
use crate::{Key, PcxId, Timestamp, World};

/// More obstacles than a flow can meet. It bounds the search, whatever the world is like.
const MOST_OBSTACLES: usize = 32;

pub(super) fn run(world: &World, flow: &Flow, now: Timestamp) -> Verdict {
    let first = walk::run(&Sites::of(world), flow, now);
    let mut verdict = Verdict { hops: Vec::new(), ..first.clone().verdict() };
    let mut search = Search { flow, now, ids: Imagined::new(), new: BTreeSet::new() };
    let mut world = world.clone();
    let mut walked = first;
    let mut told = 0;
    for _ in 0..MOST_OBSTACLES {
        let met = walked.obstacle();
        let end = met.map_or(walked.steps.len(), |at| at + 1);
        let steps = walked.steps.get(told..end).unwrap_or_default();
        let presumed = verdict.blocked().is_some();
        let hop_of = |step: &Step| Hop { presumed, ..step.hop.clone() };
        verdict.hops.extend(steps.iter().map(hop_of));
        let (Some(at), Some(hop)) = (met, verdict.hops.last_mut()) else { break };
        let step = &walked.steps[at];
        let helps = |candidate: &Candidate| search.try_out(&world, step, candidate);
        let Some((candidate, after)) = first_that(&step.advice.candidates, helps) else {
            if let Some(words) = &step.advice.words {
                (hop.remedy, hop.remedy_in) = (Some(words.text.clone()), Some(words.within));
            }
            // What comes behind a part that is stopped is met all the same.
            verdict.hops.extend(walked.steps[end..].iter().map(hop_of));
            break;
        };
        search.write(&world, candidate, hop);
        // Its place is behind us, unless the same place has more against the flow.
        let passed = after.walked.steps.get(at).is_some_and(|next| {
            next.hop.decision == Ruling::Passed && next.hop.where_ == step.hop.where_
        });
        told = if passed { at + 1 } else { at };
        (world, walked) = (after.world, after.walked);
        search.new.extend(after.new);
    }
    search.forget_ids(&mut verdict);
    verdict
}

/// The first item of which something can be made.
fn first_that<T, U>(items: &[T], mut make: impl FnMut(&T) -> Option<U>) -> Option<(&T, U)> {
    items.iter().find_map(|item| Some((item, make(item)?)))
}

struct Search<'a> {
    flow: &'a Flow,
    now: Timestamp,
    ids: Imagined,
    /// Peerings that there are only once a remedy is carried out.
    new: BTreeSet<PcxId>,
}

/// A world in which a remedy was carried out.
struct After {
    world: World,
    walked: Walked,
    new: Option<PcxId>,
}

impl Search<'_> {
    /// Carries a remedy out on a copy of the world: nothing if it is refused, or if what stopped
    /// the flow still does.
    fn try_out(&mut self, world: &World, obstacle: &Step, candidate: &Candidate) -> Option<After> {
        let mut world = world.clone();
        let mut new = None;
        for act in &candidate.acts {
            let known = |pcx| world.peering(pcx).is_some();
            let (after, reply) = act.perform(&world, self.now, &mut self.ids)?;
            if let Some(Key::Peering(pcx)) = reply.main().filter(|_| act.peering().is_none()) {
                new = Some(pcx).filter(|pcx| !known(*pcx));
            }
            world = after;
        }
        let walked = walk::run(&Sites::of(&world), self.flow, self.now);
        let helped = walked.obstacle().is_none_or(|at| {
            let (next, hop) = (&walked.steps[at].hop, &obstacle.hop);
            let same = (next.leg, &next.where_, next.code, &next.because)
                == (hop.leg, &hop.where_, hop.code, &hop.because);
            !same && next.leg >= hop.leg
        });
        helped.then_some(After { world, walked, new })
    }

    /// Writes a remedy into the hop that it is for: as commands, or in words where they would need
    /// an id that is not known yet.
    fn write(&self, world: &World, candidate: &Candidate, hop: &mut Hop) {
        hop.remedy_in = Some(candidate.within);
        if candidate.acts.iter().filter_map(Act::peering).any(|pcx| self.new.contains(&pcx)) {
            let words = candidate.acts.iter().map(Act::in_words);
            let words = words.reduce(|one, other| say!(AndThen, one = one, other = other));
            hop.remedy = words.map(|act| say!(AfterThat, act = act));
            return;
        }
        hop.commands = candidate.acts.iter().filter_map(|act| act.line(world)).collect();
        hop.remedy = Some(say!(Code, code = hop.commands.join(" && ")));
        hop.acts.clone_from(&candidate.acts);
    }

    /// Takes the ids of what is not there yet out of a verdict.
    fn forget_ids(&self, verdict: &mut Verdict) {
        for pcx in &self.new {
            let id = pcx.to_string();
            for hop in verdict.hops.iter_mut().filter(|hop| hop.presumed) {
                for phrase in [&mut hop.where_, &mut hop.because] {
                    phrase.replace(&id, Wording::TheNewPeering);
                }
                let peering = &mut hop.component.vpc_peering_connection_id;
                *peering = peering.filter(|id| id != pcx);
            }
        }
    }
}
