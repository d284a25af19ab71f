//! What becomes of a flow, step by step, as pages show it.

use model::{Flow, Hop, Leg, PortRange, Ruling, Verdict};

use crate::context::Context;
use crate::markup::{Markup, Sign, fill, icon, strong, text};
use crate::question::Question;
use crate::remedies::{Remedy, remedies, traffic};
use crate::said::in_markup;

/// What becomes of a flow.
pub(crate) struct Answer {
    pub(crate) class: &'static str,
    pub(crate) sign: Markup,
    /// Whether it passes, in a sentence.
    pub(crate) sentence: Markup,
    /// What decides.
    pub(crate) decides: Markup,
    pub(crate) legs: Vec<Way>,
    pub(crate) passes: bool,
    pub(crate) remedies: Vec<Remedy>,
    /// Where its page is, and its forms are sent.
    pub(crate) path: String,
}

/// The packet's way, or its answer's.
pub(crate) struct Way {
    pub(crate) icon: Markup,
    pub(crate) name: &'static str,
    pub(crate) state: Markup,
    pub(crate) steps: Vec<Step>,
}

/// One step of it.
pub(crate) struct Step {
    pub(crate) stops: bool,
    pub(crate) sign: Markup,
    pub(crate) place: Markup,
    pub(crate) because: Markup,
    pub(crate) code: Option<String>,
}

/// How much of the way is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All that there is to say.
    Whole,
    /// No further than packets get.
    Reached,
}

/// What the viewer is told of a flow that they asked about.
pub(crate) fn answer(of: &Context<'_>, question: &Question, flow: &Flow, extent: Extent) -> Answer {
    let verdict = of.viewer.rights().explain(of.world, flow, of.now);
    let t = &of.texts().why;
    let legs = [(Leg::Forward, "right", t.packet), (Leg::Answer, "left", t.answer)];
    let legs = legs.into_iter().filter_map(|(leg, symbol, name)| {
        let is_shown = |hop: &&Hop| hop.leg == leg && (extent == Extent::Whole || !hop.presumed);
        let hops: Vec<&Hop> = verdict.hops.iter().filter(is_shown).collect();
        (!hops.is_empty()).then(|| way(of, icon(symbol), name, &hops))
    });
    let sign = if verdict.allowed { Sign::Ok } else { Sign::Bad };
    Answer {
        class: sign.class(),
        sign: sign.icon(),
        sentence: sentence(of, question, flow, &verdict),
        decides: decides(of, &verdict),
        legs: legs.collect(),
        passes: verdict.allowed,
        remedies: remedies(of, flow, &verdict),
        path: question.path(),
    }
}

fn sentence(of: &Context<'_>, question: &Question, flow: &Flow, verdict: &Verdict) -> Markup {
    let t = &of.texts().why;
    let passing = verdict.source_ports.as_ref().map(|ports| &ports.passing[..]).unwrap_or_default();
    let (sentence, ports) = match verdict.allowed {
        true => (t.passes, String::new()),
        false if passing.is_empty() => (t.stops, String::new()),
        false => (t.passes_partly, ranges(passing)),
    };
    let ends = [("from", strong(&question.from)), ("to", strong(&question.to))];
    let [from, to] = ends;
    fill(sentence, &[from, to, ("traffic", traffic(flow)), ("ports", text(ports))])
}

/// Ranges of ports as people write them.
fn ranges(ranges: &[PortRange]) -> String {
    ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn decides(of: &Context<'_>, verdict: &Verdict) -> Markup {
    let t = &of.texts().why;
    let stops = |hop: &&Hop| hop.decision != Ruling::Passed && !hop.presumed;
    let Some(hop) = verdict.hops.iter().find(stops) else { return t.arrives_both.into() };
    let sentence = match hop.leg {
        Leg::Forward => t.stopped_there,
        Leg::Answer => t.answer_stopped_there,
    };
    let said = |phrase| in_markup(of.language, phrase);
    fill(sentence, &[("place", said(&hop.where_)), ("because", said(&hop.because))])
}

fn way(of: &Context<'_>, icon: Markup, name: &'static str, hops: &[&Hop]) -> Way {
    let t = &of.texts().why;
    let at = |ruling| {
        hops.iter().position(|hop| !hop.presumed && hop.decision == ruling).map(|at| at + 1)
    };
    let numbered = |sentence, n: usize| fill(sentence, &[("n", text(n))]);
    let state = if let Some(n) = at(Ruling::Blocked) {
        Sign::Bad.with(numbered(t.stopped_at, n))
    } else if hops.iter().all(|hop| hop.presumed) {
        Sign::None.with(t.leg_not_reached)
    } else if let Some(n) = at(Ruling::Partly) {
        Sign::Warn.with(numbered(t.partly_at, n))
    } else {
        Sign::Ok.with(t.arrives)
    };
    Way { icon, name, state, steps: hops.iter().map(|hop| step(of, hop)).collect() }
}

fn step(of: &Context<'_>, hop: &Hop) -> Step {
    let t = &of.texts().why;
    let because = in_markup(of.language, &hop.because);
    let presumed = |sentence| fill(sentence, &[("because", because.clone())]);
    let (sign, because) = match (hop.presumed, hop.decision) {
        (false, Ruling::Passed) => (Sign::Ok, because),
        (false, Ruling::Partly) => (Sign::Warn, because),
        (false, Ruling::Blocked) => (Sign::Bad, because),
        (true, Ruling::Passed) => (Sign::None, presumed(t.not_reached)),
        (true, Ruling::Partly | Ruling::Blocked) => (Sign::None, presumed(t.not_reached_stopped)),
    };
    Step {
        stops: !hop.presumed && hop.decision != Ruling::Passed,
        sign: sign.icon(),
        place: in_markup(of.language, &hop.where_),
        because,
        code: hop.code.map(|code| code.to_string()),
    }
}
