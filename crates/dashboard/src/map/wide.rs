//! The picture for wide screens: regions are bands, spaces stand left in them and VPCs right. A
//! peering of a space is a curve between the two, one of two VPCs a lane beside their column.

use std::collections::BTreeMap;

use super::frame::{
    Anchor, Band, Boxed, FOOT, INSET, Layout, Line, Parts, Rect, Signs, Sizes, Way, anchors,
    measured, place, spread, way,
};
use super::lanes::{Lanes, trunks};
use super::scene::Map;
use super::select::Shown;
use super::trace::{Dot, Trace, halves, point};

/// The width of the picture without lanes.
const WIDTH: f32 = 744.0;
/// Between what is above each other.
const GAP: f32 = 12.0;
/// Above the boxes of a band, for its name; and below them.
const BAND_HEAD: f32 = 30.0;
const BAND_FOOT: f32 = 16.0;
/// How far apart lines are at a box.
const PORTS_APART: f32 = 8.0;
const PORTS_MOST: f32 = 12.0;
/// The most lanes beside a column; further lines share one more.
const MOST_LANES: usize = 5;
const LANE: f32 = 12.0;
/// Where along a curve its sign stands: near the VPC, where lines are apart; the others are for
/// where it would be in another one's way.
const SIGN_AT: [f32; 8] = [0.86, 0.74, 0.62, 0.5, 0.8, 0.68, 0.56, 0.44];
/// The same along a lane.
const LANE_SIGN_AT: [f32; 7] = [0.5, 0.35, 0.65, 0.2, 0.8, 0.1, 0.9];

/// Where the columns are.
struct Columns {
    left: (f32, f32),
    right: (f32, f32),
}

const SINGLE: Columns = Columns { left: (32.0, 256.0), right: (456.0, 256.0) };
const GROUPED: Columns = Columns { left: (24.0, 216.0), right: (424.0, 296.0) };

/// A side of a box that lines lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Left,
    Right,
}

/// Lays a map out.
pub(super) fn wide<'m>(map: &'m Map, shown: &Shown<'m>) -> Layout<'m> {
    let columns = if shown.grouped { GROUPED } else { SINGLE };
    let mut counts: BTreeMap<(usize, Side), usize> = BTreeMap::new();
    for bundle in &shown.bundles {
        let sides = sides(shown, bundle.ends);
        for (end, side) in bundle.ends.into_iter().zip(sides) {
            *counts.entry((end, side)).or_default() += 1;
        }
    }
    let count = |n, side| counts.get(&(n, side)).copied().unwrap_or(0);
    let ports = |n| 12.0 + PORTS_APART * count(n, Side::Left).max(count(n, Side::Right)) as f32;
    let mut boxes = measured(map, shown, Sizes { vpc: columns.right.1 }, ports);
    let (mut bands, height) = stack(shown, &mut boxes, &columns);
    let anchors = anchors(map, shown, &boxes);
    let mut drawing = Drawing {
        shown,
        columns,
        anchors,
        ports: BTreeMap::new(),
        anchor_ports: BTreeMap::new(),
        right: Lanes::new(MOST_LANES),
        left: Lanes::new(1),
        outer: false,
        signs: Signs::default(),
        bands: bands.iter().filter_map(|band| band.border).collect(),
    };
    drawing.find_ports(&boxes);
    let (lines, trunks, way) = drawing.draw(map, &boxes);
    let lanes = drawing.right.len() + usize::from(drawing.outer);
    let extra = if lanes > 0 { 12.0 + LANE * lanes as f32 } else { 0.0 };
    for border in bands.iter_mut().filter_map(|band| band.border.as_mut()) {
        border.w += extra;
    }
    Layout { width: WIDTH + extra, height, bands, boxes, lines, trunks, way }
}

/// The sides of two boxes at which a line between them begins and ends.
fn sides(shown: &Shown<'_>, [a, b]: [usize; 2]) -> [Side; 2] {
    match (shown.items[a].left, shown.items[b].left) {
        (true, true) => [Side::Left, Side::Left],
        (true, false) => [Side::Right, Side::Left],
        (false, true) => [Side::Left, Side::Right],
        (false, false) => [Side::Right, Side::Right],
    }
}

/// Puts boxes below each other, column by column.
fn stack(shown: &Shown<'_>, boxes: &mut [Boxed<'_>], columns: &Columns) -> (Vec<Band>, f32) {
    let mut bands = Vec::new();
    let mut y = GAP;
    let mut n = 0;
    while let Some(region) = shown.items.get(n).map(|item| item.region) {
        let top = y;
        let (mut left, mut right) = (top + BAND_HEAD, top + BAND_HEAD);
        while let Some(item) = shown.items.get(n).filter(|item| item.region == region) {
            let (x, w) = if item.left { columns.left } else { columns.right };
            let at = if item.left { &mut left } else { &mut right };
            place(&mut boxes[n], x, *at, w);
            let mut inside = boxes[n].rect.y + boxes[n].head;
            let group = n;
            n += 1;
            while shown.items.get(n).is_some_and(|item| item.group == Some(group)) {
                place(&mut boxes[n], x + INSET, inside, w - 2.0 * INSET);
                inside = boxes[n].rect.bottom() + FOOT;
                boxes[group].rect.h = inside - boxes[group].rect.y;
                n += 1;
            }
            *at = boxes[group].rect.bottom() + GAP;
        }
        y = left.max(right) - GAP + BAND_FOOT;
        bands.push(Band {
            region,
            label: (24.0, top + 20.0),
            border: Some(Rect { x: 8.0, y: top, w: WIDTH - 16.0, h: y - top }),
        });
        y += GAP;
    }
    (bands, y)
}

struct Drawing<'a, 'm> {
    shown: &'a Shown<'m>,
    columns: Columns,
    anchors: Option<[Anchor; 2]>,
    /// Where the line of a bundle meets a box, by bundle and box.
    ports: BTreeMap<(usize, usize), f32>,
    /// The same of the line between what is chosen, where it has no row.
    anchor_ports: BTreeMap<usize, f32>,
    right: Lanes,
    left: Lanes,
    /// Whether there are lines beside all lanes on the right.
    outer: bool,
    signs: Signs,
    /// The borders of the bands.
    bands: Vec<Rect>,
}

/// Lines, trunks, and the line between what is chosen.
type Drawn = (Vec<Line>, Vec<(f32, f32, f32)>, Option<Way>);

/// What leads to a side of a box.
#[derive(Clone, Copy)]
enum Comer {
    Bundle(usize),
    Chosen,
}

impl<'m> Drawing<'_, 'm> {
    /// The y at which the chosen line meets a box.
    fn anchor_y(&self, anchor: Anchor) -> f32 {
        let port = || self.anchor_ports.get(&anchor.item).copied();
        anchor.row.or_else(port).unwrap_or(0.0)
    }

    /// Says where each line meets its boxes: in the order of their other ends, so that lines of a
    /// box do not cross; and so that none of them crosses the line between what is chosen.
    fn find_ports(&mut self, boxes: &[Boxed<'_>]) {
        let middle = |n: usize| boxes[n].rect.y + boxes[n].head / 2.0;
        let mut comers: BTreeMap<(usize, Side), Vec<(f32, Comer)>> = BTreeMap::new();
        let joined = self.anchors.map(|[a, b]| [a.item.min(b.item), a.item.max(b.item)]);
        for (n, bundle) in self.shown.bundles.iter().enumerate() {
            let [a, b] = bundle.ends;
            if joined == Some([a.min(b), a.max(b)]) {
                continue;
            }
            let [side_a, side_b] = sides(self.shown, bundle.ends);
            comers.entry((a, side_a)).or_default().push((middle(b), Comer::Bundle(n)));
            comers.entry((b, side_b)).or_default().push((middle(a), Comer::Bundle(n)));
        }
        if let Some([a, b]) = self.anchors.filter(|[a, b]| a.item != b.item) {
            let y = |anchor: Anchor| anchor.row.unwrap_or(middle(anchor.item));
            let [side_a, side_b] = sides(self.shown, [a.item, b.item]);
            comers.entry((a.item, side_a)).or_default().push((y(b), Comer::Chosen));
            comers.entry((b.item, side_b)).or_default().push((y(a), Comer::Chosen));
        }
        for ((item, _), mut list) in comers {
            list.sort_by(|a, b| a.0.total_cmp(&b.0));
            self.find_ports_of(item, &boxes[item], &list);
        }
    }

    fn find_ports_of(&mut self, item: usize, boxed: &Boxed<'_>, list: &[(f32, Comer)]) {
        let (top, end) = (boxed.rect.y + 6.0, boxed.rect.y + boxed.head - 6.0);
        let row = self.anchors.into_iter().flatten().find(|a| a.item == item).and_then(|a| a.row);
        let chosen = list.iter().position(|(_, comer)| matches!(comer, Comer::Chosen));
        if let Some((at, row)) = chosen.zip(row) {
            let (before, after) = (&list[..at], &list[at + 1..]);
            let bottom = boxed.rect.bottom() - 4.0;
            let to = end.min(row - PORTS_APART);
            self.put(item, before, spread(before.len(), top, to, PORTS_MOST));
            let from = row + PORTS_APART;
            let to = bottom.min(from + PORTS_APART * after.len() as f32);
            self.put(item, after, spread(after.len(), from.min(to), to, PORTS_APART));
        } else {
            self.put(item, list, spread(list.len(), top, end, PORTS_MOST));
        }
    }

    fn put(&mut self, item: usize, list: &[(f32, Comer)], places: impl Iterator<Item = f32>) {
        for ((_, comer), y) in list.iter().zip(places) {
            match comer {
                Comer::Bundle(n) => drop(self.ports.insert((*n, item), y)),
                Comer::Chosen => drop(self.anchor_ports.insert(item, y)),
            }
        }
    }

    fn draw(&mut self, map: &Map, boxes: &[Boxed<'m>]) -> Drawn {
        let way = self.anchors.and_then(|anchors| self.way(map, boxes, anchors));
        for (at, _) in way.iter().flat_map(|way| &way.marks) {
            self.signs.take(*at);
        }
        let mut lines = Vec::new();
        let mut beside = Vec::new();
        let mut detours = 0;
        for (n, bundle) in self.shown.bundles.iter().enumerate() {
            let [a, b] = bundle.ends;
            let ports = [a, b].map(|end| self.ports.get(&(n, end)).copied());
            let [Some(from), Some(to)] = ports else { continue };
            match sides(self.shown, bundle.ends) {
                [Side::Right, Side::Left] => {
                    let ends = ((boxes[a].rect.right(), from), (boxes[b].rect.x, to));
                    let trace = self.curve(ends, [a, b], way.as_ref(), &mut detours, boxes);
                    lines.push(Line { bundle: n, trace, mark: None });
                }
                _ => beside.push((n, [a, b], [from, to])),
            }
        }
        // The shortest ones are nearest to the column.
        beside.sort_by(|x, y| {
            let length = |ports: [f32; 2]| (ports[0] - ports[1]).abs();
            length(x.2).total_cmp(&length(y.2)).then(x.0.cmp(&y.0))
        });
        let mut rest = Vec::new();
        for (n, ends, [from, to]) in beside {
            let left = self.shown.items[ends[0]].left;
            let lanes = if left { &mut self.left } else { &mut self.right };
            let lane = lanes.take(from, to);
            let x = self.lane_x(left, lane.unwrap_or(MOST_LANES));
            if lane.is_none() {
                self.outer |= !left;
                rest.push((x, from.min(to), from.max(to)));
            }
            let edge = |end: usize| if left { boxes[end].rect.x } else { boxes[end].rect.right() };
            let dots = vec![(edge(ends[0]), from), (x, from), (x, to), (edge(ends[1]), to)];
            lines.push(Line { bundle: n, trace: Trace::Bent(dots), mark: None });
        }
        self.mark(&mut lines);
        let mut whole = Vec::new();
        for left in [true, false] {
            let x = self.lane_x(left, MOST_LANES);
            let here = rest.iter().filter(|stretch| stretch.0 == x);
            let here = here.map(|(_, from, to)| (*from, *to)).collect();
            whole.extend(trunks(here).into_iter().map(|(from, to)| (x, from, to)));
        }
        (lines, whole, way)
    }

    /// Finds places for signs, from the upper lines to the lower ones.
    fn mark(&mut self, lines: &mut [Line]) {
        lines.sort_by(|a, b| {
            let y = |line: &Line| line.trace.ends().map_or(0.0, |(_, to)| to.1);
            y(a).total_cmp(&y(b)).then(a.bundle.cmp(&b.bundle))
        });
        for line in lines {
            if !self.shown.has_mark(line.bundle) {
                continue;
            }
            let trace = &line.trace;
            line.mark = match trace {
                Trace::Curve(..) => self.signs.first_free(SIGN_AT.iter().map(|t| trace.point(*t))),
                Trace::Bent(_) => {
                    self.signs.first_free(LANE_SIGN_AT.iter().map(|t| trace.point(*t)))
                }
            };
        }
    }

    fn lane_x(&self, left: bool, lane: usize) -> f32 {
        match left {
            true => self.columns.left.0 - 12.0,
            false => self.columns.right.0 + self.columns.right.1 + 16.0 + LANE * lane as f32,
        }
    }

    /// A line from the left column to the right one. One that leads to another region and would
    /// cross the line between what is chosen goes around it, if that is possible.
    fn curve(
        &mut self,
        (from, to): (Dot, Dot),
        [a, b]: [usize; 2],
        way: Option<&Way>,
        detours: &mut usize,
        boxes: &[Boxed<'_>],
    ) -> Trace {
        let straight = Trace::Curve(from, to);
        let crosses = |dots: &[Dot]| way.is_some_and(|way| crosses(&way.trace, dots));
        let elsewhere = self.shown.items[a].region != self.shown.items[b].region;
        if !elsewhere || !crosses(&[from, to]) {
            return straight;
        }
        let offset = 3.0 * (1 + *detours % 3) as f32;
        let band = |item: usize| {
            let inside =
                |band: &&Rect| band.y <= boxes[item].rect.y && boxes[item].rect.y < band.bottom();
            self.bands.iter().find(inside).copied().unwrap_or_default()
        };
        let borders = |band: Rect, other: Rect| {
            let (above, below) = (band.y - offset, band.bottom() + offset);
            if other.y < band.y { [above, below] } else { [below, above] }
        };
        let (home, away) = (band(a), band(b));
        let gutter = boxes[a].rect.x - 6.0 - offset;
        let near = to.0 - 8.0 - offset;
        for y in borders(away, home) {
            let across = vec![(gutter, y), (near, y), (near, to.1), to];
            if !crosses(&across) {
                *detours += 1;
                let mut dots = vec![(boxes[a].rect.x, from.1), (gutter, from.1)];
                dots.extend(across);
                return Trace::Bent(dots);
            }
        }
        let edge = boxes[b].rect.right();
        for y in borders(home, away) {
            let near = from.0 + 8.0 + offset;
            let across = [from, (near, from.1), (near, y), (edge, y)];
            if crosses(&across) {
                continue;
            }
            let Some(lane) = self.right.take(y, to.1) else { break };
            *detours += 1;
            let x = self.lane_x(false, lane);
            let mut dots = across[..3].to_vec();
            dots.extend([(x, y), (x, to.1), (edge, to.1)]);
            return Trace::Bent(dots);
        }
        straight
    }

    /// The line between what is chosen.
    fn way(&mut self, map: &Map, boxes: &[Boxed<'_>], [a, b]: [Anchor; 2]) -> Option<Way> {
        let verdict = map.chosen.verdict;
        let ([from, to], sides) = ([a, b].map(|anchor| self.anchor_y(anchor)), {
            if a.item == b.item {
                let left = self.shown.items[a.item].left;
                [if left { Side::Left } else { Side::Right }; 2]
            } else {
                sides(self.shown, [a.item, b.item])
            }
        });
        let edge = |item: usize, side: Side| match side {
            Side::Left => boxes[item].rect.x,
            Side::Right => boxes[item].rect.right(),
        };
        let inner = |anchor: Anchor, side: Side| match (anchor.row, side) {
            (None, side) => edge(anchor.item, side),
            (Some(_), Side::Left) => edge(anchor.item, side) + INSET,
            (Some(_), Side::Right) => edge(anchor.item, side) - INSET,
        };
        let first = (edge(a.item, sides[0]), from);
        let last = (edge(b.item, sides[1]), to);
        let (one, two, middle, trace) = if sides[0] == sides[1] {
            let left = sides[0] == Side::Left;
            let lanes = if left { &mut self.left } else { &mut self.right };
            let lane = lanes.take(from, to).unwrap_or(0);
            let x = self.lane_x(left, lane);
            let middle = (x, (from + to) / 2.0);
            let piece = |dots: Vec<Dot>| {
                let mut out = String::new();
                Trace::Bent(dots).write(&mut out);
                out
            };
            (
                piece(vec![first, (x, from), middle]),
                piece(vec![middle, (x, to), last]),
                middle,
                Trace::Bent(vec![first, (x, from), (x, to), last]),
            )
        } else {
            let (one, two) = halves(first, last);
            let middle = ((first.0 + last.0) / 2.0, (from + to) / 2.0);
            let begin = |at: Dot, rest: String| {
                let mut out = String::new();
                point(&mut out, 'M', at);
                out + &rest
            };
            (begin(first, one), begin(middle, two), middle, Trace::Curve(first, last))
        };
        let stub = |from: Dot, to: Dot| {
            let mut out = String::new();
            if from != to {
                Trace::Bent(vec![from, to]).write(&mut out);
            }
            out
        };
        let begin = (inner(a, sides[0]), from);
        let end = (inner(b, sides[1]), to);
        let parts = Parts {
            parts: [stub(begin, first), one, two, stub(last, end)],
            places: [first, middle, last],
            between: a.item != b.item,
        };
        Some(way(parts, trace, verdict))
    }
}

/// Whether a line along dots crosses the one between what is chosen, between the columns. Two dots
/// are the ends of a curve between the same columns.
fn crosses(way: &Trace, dots: &[Dot]) -> bool {
    let Trace::Curve(p, q) = way else { return false };
    let (p, q) = if p.0 <= q.0 { (*p, *q) } else { (*q, *p) };
    if let [from, to] = dots {
        return (from.1 - p.1) * (to.1 - q.1) < 0.0;
    }
    let curve: Vec<Dot> = (0..=48).map(|n| Trace::Curve(p, q).point(n as f32 / 48.0)).collect();
    dots.windows(2).any(|pair| {
        let [a, b] = pair else { return false };
        let within =
            |x: f32, one: f32, other: f32| one.min(other) - 4.0 <= x && x <= one.max(other) + 4.0;
        let ys = || curve.iter().filter(|at| within(at.0, a.0, b.0)).map(|at| at.1);
        let (low, high) = (ys().fold(f32::MAX, f32::min), ys().fold(f32::MIN, f32::max));
        low <= high && a.1.min(b.1) <= high + 2.0 && low - 2.0 <= a.1.max(b.1)
    })
}
