//! The picture for phones: one column, with peerings in lanes at its left, as in the graph of a
//! history.

use std::collections::BTreeMap;

use super::frame::{
    Anchor, Band, Boxed, FOOT, INSET, Layout, Line, Parts, Signs, Sizes, Way, anchors, measured,
    place, way,
};
use super::lanes::{Lanes, trunks};
use super::scene::Map;
use super::select::Shown;
use super::trace::{Dot, Trace};

const WIDTH: f32 = 336.0;
/// The left edge of the column, and its width.
const LEFT: f32 = 64.0;
const COLUMN: f32 = 270.0;
/// Between what is above each other.
const GAP: f32 = 8.0;
/// Above the boxes of a region, for its name.
const BAND_HEAD: f32 = 22.0;
/// How high a sign is, and a line without one, where they begin or end.
const SIGN_PORT: f32 = 18.0;
const PORT: f32 = 8.0;
/// No box is higher than this for its lines' sake.
const MOST_PORTS: f32 = 240.0;
/// The most lanes; further lines share one more, at the outer edge.
const MOST_LANES: usize = 4;
const LANE: f32 = 12.0;
const OUTER: f32 = 4.0;

/// Lays a map out.
pub(super) fn narrow<'m>(map: &'m Map, shown: &Shown<'m>) -> Layout<'m> {
    let slots = slots(shown);
    let high = |n: usize| -> f32 { slots.get(&n).into_iter().flatten().map(|slot| slot.1).sum() };
    let ports = |n: usize| 8.0 + high(n).min(MOST_PORTS);
    let mut boxes = measured(map, shown, Sizes { vpc: COLUMN }, ports);
    let mut bands = Vec::new();
    let mut y = 4.0;
    let mut bottom: Vec<(usize, f32)> = Vec::new();
    for (n, item) in shown.items.iter().enumerate() {
        if bands.last().is_none_or(|band: &Band| band.region != item.region) {
            y += if bands.is_empty() { 0.0 } else { GAP };
            bands.push(Band { region: item.region, label: (LEFT, y + 14.0), border: None });
            y += BAND_HEAD;
        }
        match item.group {
            None => place(&mut boxes[n], LEFT, y, COLUMN),
            Some(group) => {
                // It goes on inside of the box of its group.
                let first = !bottom.iter().any(|(of, _)| *of == group);
                let top =
                    if first { boxes[group].rect.y + boxes[group].head } else { y - GAP + FOOT };
                place(&mut boxes[n], LEFT + INSET, top, COLUMN - 2.0 * INSET);
                let inside = boxes[n].rect.bottom() + FOOT;
                boxes[group].rect.h = inside - boxes[group].rect.y;
                bottom.push((group, inside));
            }
        }
        y = boxes[n].rect.bottom() + GAP;
        if shown.items.get(n + 1).is_none_or(|next| next.group.is_none())
            && let Some(group) = item.group
        {
            y = boxes[group].rect.bottom() + GAP;
        }
    }
    let anchors = anchors(map, shown, &boxes);
    let mut lanes = Lanes::new(MOST_LANES);
    let mut signs = Signs::default();
    let ports = find_ports(&boxes, &slots);
    let way = anchors.map(|anchors| chosen(map, &boxes, anchors, &mut lanes));
    for (at, _) in way.iter().flat_map(|way| &way.marks) {
        signs.take(*at);
    }
    let joined = anchors.map(|[a, b]| [a.item.min(b.item), a.item.max(b.item)]);
    let mut list: Vec<(usize, Dot, Dot)> = Vec::new();
    for (n, bundle) in shown.bundles.iter().enumerate() {
        let [a, b] = bundle.ends;
        let ends = [a, b].map(|end| ports.get(&(n, end)).map(|y| (boxes[end].rect.x, *y)));
        if let ([Some(from), Some(to)], true) = (ends, joined != Some([a.min(b), a.max(b)])) {
            list.push((n, from, to));
        }
    }
    list.sort_by(|x, y| {
        let length = |(_, a, b): &(usize, Dot, Dot)| (a.1 - b.1).abs();
        length(x).total_cmp(&length(y)).then(x.0.cmp(&y.0))
    });
    let mut rest = Vec::new();
    let mut lines = Vec::new();
    for (bundle, from, to) in list {
        let lane = lanes.take(from.1, to.1);
        if lane.is_none() {
            rest.push((from.1.min(to.1), from.1.max(to.1)));
        }
        let x = lane_x(lane);
        let trace = Trace::Bent(vec![from, (x, from.1), (x, to.1), to]);
        lines.push(Line { bundle, trace, mark: None });
    }
    for line in &mut lines {
        if shown.has_mark(line.bundle) {
            line.mark = line.trace.ends().and_then(|(_, to)| {
                let beside = [0.0, -9.0, 9.0].into_iter().map(|dx| (to.0 + dx, to.1));
                signs.first_free(beside)
            });
        }
    }
    let trunks = trunks(rest).into_iter().map(|(from, to)| (OUTER, from, to)).collect();
    Layout { width: WIDTH, height: y, bands, boxes, lines, trunks, way }
}

fn lane_x(lane: Option<usize>) -> f32 {
    lane.map_or(OUTER, |lane| LEFT - 14.0 - LANE * lane as f32)
}

/// What leads to each box: the other box, its height, and the bundle, in the order of the others.
type Slots = BTreeMap<usize, Vec<(usize, f32, usize)>>;

fn slots(shown: &Shown<'_>) -> Slots {
    let mut slots = Slots::new();
    for (n, bundle) in shown.bundles.iter().enumerate() {
        let [a, b] = bundle.ends;
        let marked = shown.has_mark(n);
        slots.entry(a).or_default().push((b, PORT, n));
        slots.entry(b).or_default().push((a, if marked { SIGN_PORT } else { PORT }, n));
    }
    slots.values_mut().for_each(|list| list.sort_by_key(|slot| slot.0));
    slots
}

fn find_ports(boxes: &[Boxed<'_>], slots: &Slots) -> BTreeMap<(usize, usize), f32> {
    let mut ports = BTreeMap::new();
    for (item, list) in slots {
        let (rect, head) = (boxes[*item].rect, boxes[*item].head);
        let high: f32 = list.iter().map(|slot| slot.1).sum();
        let scale = (MOST_PORTS / high).min(1.0);
        let mut y = rect.y + (head - high * scale) / 2.0;
        for (_, height, bundle) in list {
            ports.insert((*bundle, *item), y + height * scale / 2.0);
            y += height * scale;
        }
    }
    ports
}

/// The line between what is chosen.
fn chosen(map: &Map, boxes: &[Boxed<'_>], [a, b]: [Anchor; 2], lanes: &mut Lanes) -> Way {
    let at = |anchor: Anchor| {
        let rect = boxes[anchor.item].rect;
        (rect.x, anchor.row.unwrap_or(rect.y + boxes[anchor.item].head / 2.0))
    };
    let (first, last) = (at(a), at(b));
    let lane = lanes.take(first.1, last.1);
    let x = lane_x(lane);
    let middle = (x, (first.1 + last.1) / 2.0);
    let piece = |dots: Vec<Dot>| {
        let mut out = String::new();
        Trace::Bent(dots).write(&mut out);
        out
    };
    let stub = |anchor: Anchor, edge: Dot, out: bool| match anchor.row {
        None => String::new(),
        Some(_) => {
            let inner = (edge.0 + INSET, edge.1);
            piece(if out { vec![inner, edge] } else { vec![edge, inner] })
        }
    };
    let parts = Parts {
        parts: [
            stub(a, first, true),
            piece(vec![first, (x, first.1), middle]),
            piece(vec![middle, (x, last.1), last]),
            stub(b, last, false),
        ],
        places: [first, middle, last],
        between: a.item != b.item,
    };
    let trace = Trace::Bent(vec![first, (x, first.1), (x, last.1), last]);
    way(parts, trace, map.chosen.verdict)
}
