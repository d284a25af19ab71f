//! Lines: where they go, and how an SVG writes it.

use super::text::number;

/// A point of the picture, in pixels from its upper left corner.
pub(super) type Dot = (f32, f32);

/// How round corners are.
const CORNER: f32 = 5.0;

/// The way of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trace {
    /// From the left column to the right one.
    Curve(Dot, Dot),
    /// Along straight lines with round corners.
    Bent(Vec<Dot>),
}

impl Trace {
    /// Its first and its last point.
    pub(super) fn ends(&self) -> Option<(Dot, Dot)> {
        match self {
            Self::Curve(from, to) => Some((*from, *to)),
            Self::Bent(dots) => Some((*dots.first()?, *dots.last()?)),
        }
    }

    /// A point of a curve at a part of it from 0 to 1; of a bent line, on its longest stretch.
    pub(super) fn point(&self, t: f32) -> Dot {
        match self {
            Self::Curve(from, to) => curve_point(*from, *to, t),
            Self::Bent(dots) => {
                let long = dots.windows(2).max_by(|a, b| span(a).total_cmp(&span(b)));
                match long {
                    Some([a, b]) => (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t),
                    _ => (0.0, 0.0),
                }
            }
        }
    }

    /// Writes it as the data of a path.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Curve(from, to) => {
                let middle = (from.0 + to.0) / 2.0;
                point(out, 'M', *from);
                curve(out, (middle, from.1), (middle, to.1), *to);
            }
            Self::Bent(dots) => bent(out, dots),
        }
    }
}

fn span(pair: &[Dot]) -> f32 {
    match pair {
        [a, b] => (b.0 - a.0).abs() + (b.1 - a.1).abs(),
        _ => 0.0,
    }
}

/// Both halves of a curve as data of paths, without their beginning.
pub(super) fn halves(from: Dot, to: Dot) -> (String, String) {
    let x = (from.0 + to.0) / 2.0;
    let half = |a: Dot, b: Dot| ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
    let (one, two, three) =
        (half(from, (x, from.1)), (x, (from.1 + to.1) / 2.0), half((x, to.1), to));
    let (left, right) = (half(one, two), half(two, three));
    let (mut first, mut second) = (String::new(), String::new());
    curve(&mut first, one, left, half(left, right));
    curve(&mut second, right, three, to);
    (first, second)
}

fn curve_point(from: Dot, to: Dot, t: f32) -> Dot {
    let (u, x) = (1.0 - t, (from.0 + to.0) / 2.0);
    let (a, b, c, d) = (u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t);
    (a * from.0 + (b + c) * x + d * to.0, (a + b) * from.1 + (c + d) * to.1)
}

pub(super) fn point(out: &mut String, letter: char, at: Dot) {
    out.push(letter);
    number(out, at.0);
    out.push(' ');
    number(out, at.1);
}

fn curve(out: &mut String, a: Dot, b: Dot, end: Dot) {
    point(out, 'C', a);
    point(out, ' ', b);
    point(out, ' ', end);
}

/// Writes a line along dots, each of which lies beside or below the one before.
fn bent(out: &mut String, dots: &[Dot]) {
    let Some(first) = dots.first() else { return };
    point(out, 'M', *first);
    for three in dots.windows(3) {
        let [before, corner, after] = three else { continue };
        let round = CORNER.min(span(&[*before, *corner]) / 2.0).min(span(&[*corner, *after]) / 2.0);
        straight(out, *before, toward(*corner, *before, round));
        point(out, 'Q', *corner);
        point(out, ' ', toward(*corner, *after, round));
    }
    if let [.., before, last] = dots {
        straight(out, *before, *last);
    }
}

fn straight(out: &mut String, before: Dot, to: Dot) {
    if (before.1 - to.1).abs() < 0.05 {
        out.push('H');
        number(out, to.0);
    } else {
        out.push('V');
        number(out, to.1);
    }
}

fn toward(from: Dot, to: Dot, by: f32) -> Dot {
    let sign = |d: f32| if d.abs() < 0.05 { 0.0 } else { d.signum() };
    (from.0 + sign(to.0 - from.0) * by, from.1 + sign(to.1 - from.1) * by)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(trace: &Trace) -> String {
        let mut out = String::new();
        trace.write(&mut out);
        out
    }

    #[test]
    fn lines_are_short_to_write() {
        let curve = Trace::Curve((288.0, 122.0), (456.0, 234.0));
        assert_eq!(text(&curve), "M288 122C372 122 372 234 456 234");
        assert_eq!(curve.point(0.5), (372.0, 178.0));
        let lane = Trace::Bent(vec![(64.0, 36.0), (50.0, 36.0), (50.0, 184.0), (64.0, 184.0)]);
        assert_eq!(text(&lane), "M64 36H55Q50 36 50 41V179Q50 184 55 184H64");
        assert_eq!(lane.point(0.5), (50.0, 110.0));
    }

    #[test]
    fn halves_meet_in_the_middle() {
        let (first, second) = halves((0.0, 0.0), (8.0, 8.0));
        assert_eq!((&*first, &*second), ("C2 0 3 2 4 4", "C5 6 6 8 8 8"));
    }
}
