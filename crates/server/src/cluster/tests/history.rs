//! A check of what several clients saw of one thing: whether some order of their requests explains it, in
//! which each takes effect at one moment between its beginning and its answer.
//!
//! The thing is there or not. A request without an answer may have taken effect at any time after it began,
//! or never.

use std::collections::HashSet;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To make it.
    Create,
    /// To remove it.
    Delete,
    /// Whether it is there.
    Describe,
}

/// A request, and what was seen of it. Times are of one clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What was asked.
    pub(crate) asked: Asked,
    /// When the request was sent.
    pub(crate) began: u64,
    /// When its answer came; `None` where none came, or one that says that nobody knows.
    pub(crate) ended: Option<u64>,
    /// What the answer was: made, removed, or there; false where the thing was there already or was not.
    pub(crate) yes: bool,
}

/// Whether some order explains what was seen of one thing, which was not there at first.
///
/// # Panics
///
/// There are more than 128 requests.
pub(crate) fn is_linearizable(history: &[Seen]) -> bool {
    assert!(history.len() <= 128, "too many requests for one thing");
    let mut tried = HashSet::new();
    let mut open = vec![(0_u128, false)];
    while let Some((done, there)) = open.pop() {
        if !tried.insert((done, there)) {
            continue;
        }
        let left = || (0..history.len()).filter(move |n| done & (1 << n) == 0);
        if left().all(|n| history[n].ended.is_none()) {
            return true;
        }
        // What begins after an answer came takes effect after that request.
        let first_end = left().filter_map(|n| history[n].ended).min().unwrap_or(u64::MAX);
        for n in left().filter(|n| history[*n].began <= first_end) {
            let seen = history[n];
            let (after, yes) = match seen.asked {
                Asked::Create => (true, !there),
                Asked::Delete => (false, there),
                Asked::Describe => (there, there),
            };
            if seen.ended.is_none() || seen.yes == yes {
                open.push((done | (1 << n), after));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(asked: Asked, began: u64, ended: u64, yes: bool) -> Seen {
        Seen { asked, began, ended: Some(ended), yes }
    }

    fn unanswered(asked: Asked, began: u64) -> Seen {
        Seen { asked, began, ended: None, yes: false }
    }

    #[test]
    fn what_one_order_explains_is_told_from_what_none_does() {
        use Asked::{Create, Delete, Describe};
        let made = seen(Create, 0, 1, true);
        assert!(is_linearizable(&[]));
        assert!(is_linearizable(&[made, seen(Describe, 2, 3, true)]));
        // Lost: it was acknowledged, and is not there later.
        assert!(!is_linearizable(&[made, seen(Describe, 2, 3, false)]));
        // At the same time, either may come first.
        assert!(is_linearizable(&[made, seen(Describe, 1, 3, false)]));
        // Doubled: made twice, though nobody removed it between.
        assert!(!is_linearizable(&[made, seen(Create, 2, 3, true)]));
        assert!(is_linearizable(&[made, seen(Create, 2, 3, false)]));
        // A delete without an answer explains either, but not a way back.
        let gone = unanswered(Delete, 2);
        let (there, away) = (seen(Describe, 4, 5, true), seen(Describe, 6, 7, false));
        assert!(is_linearizable(&[made, gone, there, away]));
        let back = seen(Describe, 8, 9, true);
        assert!(!is_linearizable(&[made, gone, there, away, back]));
        // Read what was not sent off yet.
        assert!(!is_linearizable(&[seen(Describe, 0, 1, true), unanswered(Create, 2)]));
        // A stale read after a fresh one.
        let removed = seen(Delete, 2, 10, true);
        let reads = [seen(Describe, 3, 4, false), seen(Describe, 5, 6, true)];
        assert!(!is_linearizable(&[made, removed, reads[0], reads[1]]));
    }
}
