//! What a change lets packets do, in the words of a page: which flows start to pass, and which stop.

use std::collections::BTreeMap;

use model::IpProtocol;
use model::preview::{Changes, Crossing, EndName};

use crate::context::Context;
use crate::markup::{Markup, Sign, fill, icon, listed, mono, signed, text, whole};
use crate::shell::counted;

/// The most names in a line.
const MOST_NAMES: usize = 6;

/// What a change lets packets do.
pub(crate) struct Effects {
    pub(crate) starts: Flows,
    pub(crate) stops: Flows,
    /// How many flows were asked about, or why none was.
    pub(crate) asked: Markup,
    /// Whether that has to be said: none was asked about, or not all.
    pub(crate) is_partial: bool,
}

/// Flows that start, or stop.
pub(crate) struct Flows {
    pub(crate) sign: Markup,
    pub(crate) heading: Markup,
    pub(crate) lines: Vec<Markup>,
    pub(crate) more: Option<Markup>,
}

impl Effects {
    /// The differences that a change makes, in no more than so many lines of each kind.
    pub(crate) fn of(of: &Context<'_>, changes: &Changes, most_lines: usize) -> Self {
        let v = of.texts().vpc_pages;
        let start = (icon("plus"), signed("plus", Sign::Ok));
        let stop = (icon("minus"), signed("minus", Sign::Bad));
        let (starts, stops) =
            ((v.flows_start_one, v.flows_start_other), (v.flows_stop_one, v.flows_stop_other));
        Self {
            starts: Flows::of(of, &changes.starts, start, starts, most_lines),
            stops: Flows::of(of, &changes.stops, stop, stops, most_lines),
            asked: asked(of, changes),
            is_partial: changes.asked == 0 || changes.is_cut,
        }
    }
}

fn asked(of: &Context<'_>, changes: &Changes) -> Markup {
    let v = of.texts().vpc_pages;
    let n = || text(changes.asked);
    let asked = || fill(v.asked_flows, &[("n", n())]);
    match (changes.asked, changes.is_cut) {
        (0, _) => v.no_flow_known.into(),
        (_, false) => asked(),
        (_, true) => {
            let cut = fill(v.cut_flows, &[("n", n())]);
            fill("{asked} {cut}", &[("asked", asked()), ("cut", cut)])
        }
    }
}

impl Flows {
    /// Flows in as few lines as say the same: those to the same ends, by the same packets, together. The
    /// first sign is for none of them, the second one for some.
    fn of(
        of: &Context<'_>,
        all: &[Crossing],
        (none, some): (Markup, Markup),
        (one, other): (&str, &str),
        most_lines: usize,
    ) -> Self {
        let v = of.texts().vpc_pages;
        // Packets and sender, and then packets and receivers: names come out sorted.
        let mut by_sender: BTreeMap<(IpProtocol, u16, &EndName), Vec<&EndName>> = BTreeMap::new();
        for crossing in all {
            let key = (crossing.protocol, crossing.port, &crossing.from.name);
            by_sender.entry(key).or_default().push(&crossing.to.name);
        }
        let mut merged: BTreeMap<(IpProtocol, u16, Vec<&EndName>), Vec<&EndName>> = BTreeMap::new();
        for ((protocol, port, from), mut to) in by_sender {
            to.sort();
            to.dedup();
            merged.entry((protocol, port, to)).or_default().push(from);
        }
        let lines: Vec<Markup> = merged
            .iter()
            .map(|((protocol, port, to), from)| {
                let what = match protocol.has_ports() {
                    true => mono(format!("{protocol} {port}")),
                    false => mono(protocol),
                };
                let places = [("from", names(of, from)), ("to", names(of, to)), ("what", what)];
                fill(v.flow, &places)
            })
            .collect();
        let more = lines.len().saturating_sub(most_lines);
        Self {
            sign: if all.is_empty() { none } else { some },
            heading: counted(one, other, all.len()),
            lines: lines.into_iter().take(most_lines).collect(),
            more: (more > 0).then(|| fill(v.more_flows, &[("n", text(more))])),
        }
    }
}

fn names(of: &Context<'_>, ends: &[&EndName]) -> Markup {
    let v = of.texts().vpc_pages;
    let more = ends.len().saturating_sub(MOST_NAMES);
    let shown = ends.iter().take(MOST_NAMES).map(|name| match name {
        EndName::Dyno(name) => mono(name),
        EndName::Dynos(block) => fill(v.dynos_of, &[("block", mono(block))]),
        EndName::Instance(id) => {
            match of.world.instance(*id).and_then(|own| own.tags.get("Name")) {
                Some(name) if !name.is_empty() => text(name),
                _ => whole(mono(id)),
            }
        }
        EndName::Vpc(id) => fill(v.host_of, &[("vpc", mono(id))]),
    });
    let rest = (more > 0).then(|| fill(v.more_flows, &[("n", text(more))]));
    listed(shown.chain(rest))
}
