//! Analyses of paths of Network Insights: the packets that a path is about, walked by [`Reach`], in the
//! form of EC2's answers.
//!
//! A path may be about many packets, as its port or its address may be any. What decides on packets are the
//! rules at both ends, so it is enough to ask about one packet on each side of every bound that they have.

mod candidates;
mod ends;
mod steps;

use self::ends::{End, Ends};
use self::steps::Steps;
use crate::reach::{ExplanationCode, Flow, Leg, Reach, Ruling, Verdict};
use crate::resource::*;
use crate::{NetworkInsightsPathId, Scope, Timestamp, VpcId, World};

/// Analyses a path. The error says why it cannot be: that it is not theirs, or an end is gone.
///
/// # Errors
///
/// Says in words what there is not.
pub fn analyse(
    world: &World,
    scope: Scope,
    path: NetworkInsightsPathId,
    options: &AnalysisOptions,
    now: Timestamp,
) -> Result<Analysis, String> {
    let found = world.insights_path(path).filter(|path| path.is_of(scope));
    let path = found.ok_or_else(|| format!("There is no network insights path '{path}'."))?;
    let ends = match ends::resolve(world, scope, &path.packets)? {
        Ok(ends) => ends,
        Err(explanation) => {
            return Ok(Analysis { explanations: vec![explanation], ..Analysis::default() });
        }
    };
    let reach = Reach::of(world, now);
    let may_look = |id: VpcId| world.vpc(id).is_none_or(|vpc| vpc.account == scope.account);
    // What stops the packet that comes farthest is what is in the way.
    let mut farthest: Option<(Flow, Verdict)> = None;
    for flow in candidates::flows(world, &path.packets, &ends) {
        let verdict = reach.verdict(&flow).seen_by(may_look);
        if arrives(&verdict, &ends) {
            return Ok(found_by(world, (&flow, &verdict), &ends, options));
        }
        if farthest.as_ref().is_none_or(|(_, other)| other.hops.len() < verdict.hops.len()) {
            farthest = Some((flow, verdict));
        }
    }
    let Some((flow, verdict)) = farthest else {
        return Err("The filters of the path fit no packet.".to_owned());
    };
    let steps = Steps::of(world, &flow);
    let blocked = verdict.hops.iter().filter(|hop| hop.decision != Ruling::Passed);
    let mut explanations: Vec<PathExplanation> = blocked
        .filter_map(|hop| {
            let code = hop.code.map(|code| code.name().to_owned());
            Some(PathExplanation {
                code,
                step: steps.of_hop(hop)?,
                packet: Some(steps.header(hop.leg)),
            })
        })
        .collect();
    if explanations.is_empty() {
        // The packet arrives, but not by the gateway or the peering that is the destination.
        explanations.extend(ends.missed(world, ExplanationCode::NoPossibleDestination));
    }
    Ok(Analysis { explanations, ..Analysis::default() })
}

/// Whether some packet of a flow arrives, and its answer comes back. At a peering, a path is at its end
/// as soon as the packet is on it.
fn arrives(verdict: &Verdict, ends: &Ends) -> bool {
    if let End::Peering(pcx) = ends.end {
        return verdict.hops.iter().any(|hop| {
            hop.leg == Leg::Forward
                && hop.decision == Ruling::Passed
                && hop.component.vpc_peering_connection_id == Some(pcx)
        });
    }
    let passes = verdict.source_ports.as_ref().is_some_and(|ports| !ports.passing.is_empty());
    passes && ends.is_end_of(verdict)
}

/// What is answered about a flow that arrives.
fn found_by(
    world: &World,
    (flow, verdict): (&Flow, &Verdict),
    ends: &Ends,
    options: &AnalysisOptions,
) -> Analysis {
    // Of the ports that the packet may come from, those that pass; at a peering, all of them.
    let passing = verdict.source_ports.as_ref().and_then(|ports| ports.passing.first().copied());
    let flow = &Flow { source_ports: passing.unwrap_or(flow.source_ports), ..*flow };
    let steps = Steps::of(world, flow);
    let mut forward = steps.of_leg(&verdict.hops, Leg::Forward);
    let mut back = steps.of_leg(&verdict.hops, Leg::Answer);
    if let End::Peering(pcx) = ends.end {
        let id = pcx.to_string();
        if let Some(at) = forward.iter().position(|step| step.component.id == id) {
            forward.truncate(at + 1);
        }
        back.clear();
    }
    let met = |arn: &String| forward.iter().any(|step| step.component.arn == *arn);
    if !options.through.iter().all(met) || options.around.iter().any(met) {
        return Analysis::default();
    }
    Analysis { found: true, forward, back, explanations: Vec::new() }
}
