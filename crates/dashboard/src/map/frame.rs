//! A layout: where everything of a picture stands, as plain numbers.

use std::collections::BTreeMap;

use model::Region;

use super::rows::{Row, addresses, rows};
use super::scene::{Chosen, Map, Passage, Place, Sign};
use super::select::{Shown, What};
use super::trace::{Dot, Trace};

/// The height of a node, and the distance of what is below each other in it.
pub(super) const HEAD: f32 = 44.0;
/// The height of a row of an opened node.
pub(super) const ROW: f32 = 24.0;
/// Below the last row.
pub(super) const FOOT: f32 = 8.0;
/// A cell of a group.
pub(super) const CELL: f32 = 18.0;
/// The head of a group, above its cells.
pub(super) const TITLE: f32 = 26.0;
/// How far rows are from the edge of their node.
pub(super) const INSET: f32 = 8.0;
/// How far apart two signs are at least.
const SIGNS_APART: f32 = 17.0;

/// Where everything stands.
#[derive(Debug)]
pub(super) struct Layout<'m> {
    pub width: f32,
    pub height: f32,
    pub bands: Vec<Band>,
    /// Boxes, as [`Shown::items`] has them.
    pub boxes: Vec<Boxed<'m>>,
    /// Lines of bundles that are drawn.
    pub lines: Vec<Line>,
    /// Lines that stand for many: each along one x from one y to another.
    pub trunks: Vec<(f32, f32, f32)>,
    /// The line between what is chosen.
    pub way: Option<Way>,
}

/// A region.
#[derive(Debug)]
pub(super) struct Band {
    pub region: Region,
    pub label: Dot,
    /// Its border; none in the narrow picture.
    pub border: Option<Rect>,
}

/// A rectangle.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rect {
    pub x: f32,
    pub y: f32,
    pub w: f32,
    pub h: f32,
}

impl Rect {
    pub(super) fn right(self) -> f32 {
        self.x + self.w
    }

    pub(super) fn bottom(self) -> f32 {
        self.y + self.h
    }
}

/// A box in its place.
#[derive(Debug, Default)]
pub(super) struct Boxed<'m> {
    pub rect: Rect,
    /// The height of the part at the top to which lines lead.
    pub head: f32,
    /// Rows, with the y of their upper edges.
    pub rows: Vec<(Row<'m>, f32)>,
}

/// The line of a bundle.
#[derive(Debug)]
pub(super) struct Line {
    pub bundle: usize,
    pub trace: Trace,
    /// Where its sign or its number stands.
    pub mark: Option<Dot>,
}

/// The line between what is chosen.
#[derive(Debug)]
pub(super) struct Way {
    /// The part that packets get along, as data of a path.
    pub gone: String,
    /// The part that they do not.
    pub rest: String,
    /// The class of its colour.
    pub colour: &'static str,
    /// Signs along it.
    pub marks: Vec<(Dot, Sign)>,
    /// What it is like as a whole, to be kept clear of.
    pub trace: Trace,
}

/// Sizes that a picture's boxes are measured by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// The width of a VPC's node, and of a group.
    pub vpc: f32,
}

impl Sizes {
    /// How many cells stand beside each other.
    pub(super) fn cells_across(self) -> usize {
        ((self.vpc - 24.0) / CELL) as usize
    }
}

/// Measures the boxes: their heads, rows and heights, without their places. `ports` says how high
/// the lines that lead to a box need its head to be.
pub(super) fn measured<'m>(
    map: &'m Map,
    shown: &Shown<'m>,
    sizes: Sizes,
    ports: impl Fn(usize) -> f32,
) -> Vec<Boxed<'m>> {
    let mut by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (n, bundle) in shown.bundles.iter().enumerate() {
        bundle.ends.iter().for_each(|end| by.entry(*end).or_default().push(n));
    }
    let measure = |(n, item): (usize, &super::select::Item<'m>)| {
        let mut boxed = Boxed::default();
        match &item.what {
            What::Node { node, open, .. } => {
                boxed.head = HEAD.max(ports(n));
                boxed.rect.h = boxed.head;
                if *open {
                    let bundles = by.get(&n).into_iter().flatten();
                    let peerings = bundles.flat_map(|b| shown.bundles[*b].peerings.iter().copied());
                    let list = rows(node, peerings, &map.chosen).into_iter().enumerate();
                    boxed.rows = list.map(|(i, row)| (row, boxed.head + i as f32 * ROW)).collect();
                    if !boxed.rows.is_empty() {
                        boxed.rect.h += boxed.rows.len() as f32 * ROW + FOOT;
                    }
                }
            }
            What::Group { cells, .. } => {
                let lines = cells.len().div_ceil(sizes.cells_across()) as f32;
                let needed = TITLE + lines * CELL + if cells.is_empty() { 2.0 } else { 6.0 };
                boxed.head = needed.max(ports(n));
                boxed.rect.h = boxed.head;
            }
        }
        boxed
    };
    shown.items.iter().enumerate().map(measure).collect()
}

/// Puts a box into its place.
pub(super) fn place(boxed: &mut Boxed<'_>, x: f32, y: f32, w: f32) {
    boxed.rect = Rect { x, y, w, ..boxed.rect };
    for (_, top) in &mut boxed.rows {
        *top += y;
    }
}

/// An end of what is chosen on a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchor {
    pub item: usize,
    /// The middle of its row; none where the node shows no row for it.
    pub row: Option<f32>,
}

/// Where the two chosen ends are.
pub(super) fn anchors(map: &Map, shown: &Shown<'_>, boxes: &[Boxed<'_>]) -> Option<[Anchor; 2]> {
    let find = |point: super::scene::Point| {
        let item = shown.items.iter().position(
            |item| matches!(item.what, What::Node { node, .. } if node.id == point.vpc),
        )?;
        let row = boxes[item].rows.iter().find(|(row, _)| row.address() == Some(point.address));
        Some(Anchor { item, row: row.map(|(_, top)| top + ROW / 2.0) })
    };
    Some([find(map.chosen.from?)?, find(map.chosen.to?)?])
}

/// Whether a row is one of the chosen ends.
pub(super) fn is_chosen(shown: &Shown<'_>, item: usize, row: &Row<'_>, chosen: &Chosen) -> bool {
    let What::Node { node, .. } = shown.items[item].what else { return false };
    row.address().is_some_and(|address| addresses(node, chosen).any(|point| point == address))
}

/// Places along a stretch for lines to begin or end at, in order.
pub(super) fn spread(count: usize, from: f32, to: f32, apart: f32) -> impl Iterator<Item = f32> {
    let (from, to) = if from <= to { (from, to) } else { ((from + to) / 2.0, (from + to) / 2.0) };
    let step = if count > 1 { ((to - from) / (count - 1) as f32).min(apart) } else { 0.0 };
    let first = (from + to) / 2.0 - step * count.saturating_sub(1) as f32 / 2.0;
    (0..count).map(move |n| first + step * n as f32)
}

/// What is drawn of the line between what is chosen, part by part: from the first row to its node's
/// edge, to the middle, to the other edge, and to the other row. Each part begins where the one
/// before ended; the first two dots are where the first one begins and the second one does.
#[derive(Debug)]
pub(super) struct Parts {
    /// Each part as data of a path, with its beginning.
    pub parts: [String; 4],
    /// The edge of the first node, the middle, and the edge of the second one.
    pub places: [Dot; 3],
    /// Whether a peering lies in the middle.
    pub between: bool,
}

/// Draws the line between what is chosen by what becomes of packets on it.
pub(super) fn way(parts: Parts, trace: Trace, verdict: Option<Passage>) -> Way {
    let Parts { parts, places, between } = parts;
    let (reached, colour) = match verdict {
        None => (4, "pick"),
        Some(Passage::Passes | Passage::Stops { answer: true, .. }) => (4, ""),
        Some(Passage::Stops { place: Place::From, .. }) => (1, ""),
        Some(Passage::Stops { place: Place::Peering, .. }) => (2, ""),
        Some(Passage::Stops { place: Place::To, .. }) => (3, ""),
    };
    let colour = match verdict {
        None => colour,
        Some(Passage::Passes) => Sign::Ok.colour(),
        Some(Passage::Stops { .. }) => Sign::Bad.colour(),
    };
    let marks = marks(verdict, places, between);
    let rest = parts[reached..].concat();
    Way { gone: parts[..reached].concat(), rest, colour, marks, trace }
}

fn marks(verdict: Option<Passage>, places: [Dot; 3], between: bool) -> Vec<(Dot, Sign)> {
    let [from, middle, to] = places;
    let middle = between.then_some(middle);
    let with = |at: Option<Dot>, sign| at.map(|at| (at, sign));
    let list = match verdict {
        None => vec![],
        Some(Passage::Passes) => vec![with(middle, Sign::Ok), with(Some(to), Sign::Ok)],
        Some(Passage::Stops { place, answer }) => {
            let passed = if answer { Sign::Ok } else { Sign::Ended };
            match place {
                Place::From if answer => vec![
                    with(Some(from), Sign::Bad),
                    with(middle, Sign::Ok),
                    with(Some(to), Sign::Ok),
                ],
                Place::From => vec![with(Some(from), Sign::Bad), with(Some(to), Sign::Ended)],
                Place::Peering => vec![with(middle, Sign::Bad), with(Some(to), passed)],
                Place::To => vec![with(middle, Sign::Ok), with(Some(to), Sign::Bad)],
            }
        }
    };
    list.into_iter().flatten().collect()
}

/// Finds places for signs that are apart from each other.
#[derive(Debug, Default)]
pub(super) struct Signs {
    /// Those that there are, by the square of the picture that they are in.
    taken: BTreeMap<(i32, i32), Vec<Dot>>,
}

impl Signs {
    /// Takes a place.
    pub(super) fn take(&mut self, at: Dot) {
        self.taken.entry(square(at)).or_default().push(at);
    }

    /// Takes the first place that is free, or the very first one if none is.
    pub(super) fn first_free(&mut self, places: impl Iterator<Item = Dot>) -> Option<Dot> {
        let mut places = places.peekable();
        let first = *places.peek()?;
        let at = places.find(|at| self.is_free(*at)).unwrap_or(first);
        self.take(at);
        Some(at)
    }

    fn is_free(&self, at: Dot) -> bool {
        let (column, line) = square(at);
        let near = (-1..=1).flat_map(|a| (-1..=1).map(move |b| (column + a, line + b)));
        near.filter_map(|key| self.taken.get(&key)).flatten().all(|other| {
            let (dx, dy) = (other.0 - at.0, other.1 - at.1);
            dx * dx + dy * dy >= SIGNS_APART * SIGNS_APART
        })
    }
}

fn square(at: Dot) -> (i32, i32) {
    ((at.0 / SIGNS_APART).floor() as i32, (at.1 / SIGNS_APART).floor() as i32)
}
