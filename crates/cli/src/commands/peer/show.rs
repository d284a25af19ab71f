//! A plan and its result for people.

use api::{PeerPlan, PeerQuery, PeerState, PeerStep, ProbeOutcome};

use super::packets::Sent;
use crate::output::Out;

/// Prints what is to be done.
pub(super) fn plan(query: &PeerQuery, plan: &PeerPlan, out: &mut Out) {
    let done: Vec<&PeerStep> = of(plan, PeerState::Done);
    if !done.is_empty() {
        out.line("Already so:");
        for step in done {
            out.line(format_args!("  ✓ {}", step.what));
        }
    }
    let to_do = of(plan, PeerState::ToDo);
    let refused = of(plan, PeerState::Refused);
    if !to_do.is_empty() && refused.is_empty() {
        out.line("To be done:");
        for step in to_do {
            out.line(format_args!("  {}", step.what));
            command(step, out);
        }
    } else if refused.is_empty() {
        let others = !of(plan, PeerState::ForAnother).is_empty();
        out.line(match (others, query.take_back) {
            (true, _) => "Nothing that you can do.",
            (false, true) => "Nothing to take back.",
            (false, false) => "Nothing to do.",
        });
    }
    others(plan, out);
    for step in refused {
        out.line(format_args!("✗ {}", step.what));
        out.line(format_args!("      {}", step.reason.as_deref().unwrap_or_default()));
    }
    obstacles(plan, out);
    for note in &plan.notes {
        out.line(format_args!("{note}"));
    }
}

/// Prints what came of it.
pub(super) fn result(
    query: &PeerQuery,
    plan: &PeerPlan,
    done: usize,
    packets: &[Sent],
    out: &mut Out,
) {
    if done > 0 {
        let steps = if done == 1 { "step" } else { "steps" };
        let what = if query.take_back { "taken back" } else { "done" };
        out.line(format_args!("{done} {steps} {what}."));
        others(plan, out);
        obstacles(plan, out);
        if let Some(peering) = &plan.peering {
            out.line(format_args!("{} is {}.", peering.id, peering.status));
        }
    }
    if packets.iter().any(|sent| sent.outcome.is_none()) {
        out.line("This server carries no packets; `why` says of them:");
    } else if !packets.is_empty() {
        out.line("Packets:");
    }
    for sent in packets {
        let mark = if sent.passed { "✓" } else { "✗" };
        let words = match sent.outcome {
            Some(ProbeOutcome::Answered) => "passes",
            Some(ProbeOutcome::Refused) => "passes, and nobody listens there",
            Some(ProbeOutcome::Silent) => "nothing comes back",
            Some(ProbeOutcome::Unreachable) => "cannot get there",
            None if sent.passed => "passes",
            None => "does not pass",
        };
        let packet = &sent.packet;
        out.line(format_args!("  {mark} {} → {}:{}  {words}", packet.from, packet.to, packet.port));
        if let Some(because) = &sent.because {
            out.line(format_args!("      {because}"));
        }
    }
}

fn of(plan: &PeerPlan, state: PeerState) -> Vec<&PeerStep> {
    plan.steps.iter().filter(|step| step.state == state).collect()
}

fn command(step: &PeerStep, out: &mut Out) {
    if let Some(line) = &step.command {
        out.line(format_args!("      {line}"));
    }
}

fn others(plan: &PeerPlan, out: &mut Out) {
    let others = of(plan, PeerState::ForAnother);
    if !others.is_empty() {
        out.line("For another owner:");
    }
    for step in others {
        let why = step.reason.as_deref().unwrap_or_default();
        out.line(format_args!("  {}; {why}", step.what));
        command(step, out);
    }
}

fn obstacles(plan: &PeerPlan, out: &mut Out) {
    if !plan.obstacles.is_empty() {
        out.line("In the way even then, and left as it is:");
    }
    for obstacle in &plan.obstacles {
        out.line(format_args!("  ✗ {}: {}", obstacle.location, obstacle.because));
        if let Some(remedy) = &obstacle.remedy {
            out.line(format_args!("      to let it pass: {remedy}"));
        }
    }
}
