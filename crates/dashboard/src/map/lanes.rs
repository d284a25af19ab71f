//! Lanes beside a column, as in the graph of a history: lines that overlap get lanes of their own.

use std::collections::BTreeMap;

/// Lanes, the one nearest to the column first.
#[derive(Debug)]
pub(super) struct Lanes {
    /// Of each lane what is taken, by its beginning.
    taken: Vec<BTreeMap<i32, i32>>,
    most: usize,
}

impl Lanes {
    /// No more lanes than these.
    pub(super) fn new(most: usize) -> Self {
        Self { taken: Vec::new(), most }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }

    /// Takes a stretch of the first lane where it is free: nothing where there is none.
    pub(super) fn take(&mut self, a: f32, b: f32) -> Option<usize> {
        let (from, to) = (a.min(b).floor() as i32, a.max(b).ceil() as i32);
        let free = |lane: &BTreeMap<i32, i32>| {
            lane.range(..=to).next_back().is_none_or(|(_, end)| *end < from)
        };
        let at = match self.taken.iter().position(free) {
            Some(at) => at,
            None if self.taken.len() < self.most => {
                self.taken.push(BTreeMap::new());
                self.taken.len() - 1
            }
            None => return None,
        };
        self.taken[at].insert(from, to);
        Some(at)
    }
}

/// Puts overlapping stretches together: where each of the whole ones begins and ends. A stretch
/// that overlaps no other one is none.
pub(super) fn trunks(mut stretches: Vec<(f32, f32)>) -> Vec<(f32, f32)> {
    stretches.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut whole: Vec<(f32, f32, usize)> = Vec::new();
    for (from, to) in stretches {
        match whole.last_mut() {
            Some(last) if from <= last.1 => (last.1, last.2) = (last.1.max(to), last.2 + 1),
            Some(_) | None => whole.push((from, to, 1)),
        }
    }
    whole.into_iter().filter(|(.., count)| *count > 1).map(|(from, to, _)| (from, to)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_gets_another_lane() {
        let mut lanes = Lanes::new(2);
        assert_eq!(lanes.take(10.0, 20.0), Some(0));
        assert_eq!(lanes.take(30.0, 21.0), Some(0));
        assert_eq!(lanes.take(15.0, 25.0), Some(1));
        assert_eq!(lanes.take(0.0, 50.0), None);
        assert_eq!(lanes.len(), 2);
    }

    #[test]
    fn what_overlaps_is_one_trunk() {
        let whole = trunks(vec![(5.0, 9.0), (1.0, 3.0), (2.0, 4.0), (9.0, 10.0), (20.0, 30.0)]);
        assert_eq!(whole, [(1.0, 4.0), (5.0, 10.0)]);
    }
}
