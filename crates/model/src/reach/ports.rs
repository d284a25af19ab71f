//! Sets of ports, held as ranges, so that a rule divides them exactly and at once.

use std::fmt;

use crate::PortRange;

/// A set of ports: ranges in order, with a gap between each two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ports(Vec<PortRange>);

impl Ports {
    /// The ports of one range.
    pub(super) fn of(range: PortRange) -> Self {
        Self(if range.from <= range.to { vec![range] } else { Vec::new() })
    }

    /// A single port.
    pub(super) fn one(port: u16) -> Self {
        Self::of(PortRange { from: port, to: port })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn ranges(&self) -> &[PortRange] {
        &self.0
    }

    /// The narrowest range that has all of them.
    pub(super) fn hull(&self) -> Option<PortRange> {
        let (first, last) = self.0.first().zip(self.0.last())?;
        Some(PortRange { from: first.from, to: last.to })
    }

    /// Splits the set into the ports inside a range and those outside.
    pub(super) fn split(&self, by: PortRange) -> (Self, Self) {
        let (mut inside, mut outside) = (Self::default(), Self::default());
        for range in &self.0 {
            if let Some(below) = by.from.checked_sub(1) {
                outside.push(range.from, range.to.min(below));
            }
            inside.push(range.from.max(by.from), range.to.min(by.to));
            if let Some(above) = by.to.checked_add(1) {
                outside.push(range.from.max(above), range.to);
            }
        }
        (inside, outside)
    }

    /// Adds the ports of another set, which has none of this one.
    pub(super) fn add(&mut self, other: &Self) {
        let mut all = std::mem::take(&mut self.0);
        all.extend(&other.0);
        all.sort_unstable();
        for range in all {
            match self.0.last_mut() {
                Some(last) if last.to.checked_add(1) == Some(range.from) => last.to = range.to,
                Some(_) | None => self.0.push(range),
            }
        }
    }

    fn push(&mut self, from: u16, to: u16) {
        if from <= to {
            self.0.push(PortRange { from, to });
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.0.iter().enumerate() {
            write!(f, "{}{range}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(ports: &Ports) -> Vec<u16> {
        ports.ranges().iter().flat_map(|range| range.from..=range.to).collect()
    }

    fn any_range() -> impl Strategy<Value = PortRange> {
        let edge = prop_oneof![0u16..=64, 65_500u16..=65_535];
        (edge.clone(), edge).prop_map(|(a, b)| PortRange { from: a.min(b), to: a.max(b) })
    }

    proptest! {
        #[test]
        fn splits_agree_with_counting(all in any_range(), by in prop::collection::vec(any_range(), 1..6)) {
            let mut rest = Ports::of(all);
            let mut taken = Ports::default();
            for range in by {
                let before = listed(&rest);
                let (inside, outside) = rest.split(range);
                let (counted, left): (Vec<u16>, Vec<u16>) =
                    before.iter().partition(|port| range.contains(**port));
                prop_assert_eq!(listed(&inside), counted);
                prop_assert_eq!(listed(&outside), left);
                taken.add(&inside);
                rest = outside;
            }
            taken.add(&rest);
            prop_assert_eq!(taken, Ports::of(all));
        }
    }

    #[test]
    fn sets_are_written_as_ranges() {
        let (inside, outside) = Ports::of(PortRange::ALL).split(PortRange { from: 1, to: 80 });
        assert_eq!(
            (inside.to_string(), outside.to_string()),
            ("1-80".into(), "0, 81-65535".into())
        );
        assert_eq!(outside.hull(), Some(PortRange::ALL));
        assert_eq!(Ports::default().to_string(), "");
    }
}
