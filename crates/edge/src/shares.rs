//! Fair shares of a bounded pool of slots: no holder gets all of them.
//!
//! A pool of slots is bounded as a whole. Who comes alone may have many of them, and who comes later
//! still finds some: nobody takes a slot while they hold as many as are free. So one holder gets half
//! of the pool, two get a third each, and there is always one left for the next. This is how switches
//! share a buffer among their ports ("dynamic thresholds", Choudhury and Hahne 1998), and it needs no
//! number of holders to be known.
//!
//! Holders can be within others, as users are in teams: nobody in a team gets all that is left to the
//! team, either.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// A pool of slots, shared by its copies.
#[derive(Debug)]
pub struct Shares<K> {
    slots: usize,
    held: Arc<Mutex<Held<K>>>,
}

/// How many slots are held, and by whom.
#[derive(Debug)]
struct Held<K> {
    all: usize,
    by: HashMap<K, usize>,
}

/// Why there is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoShare {
    /// One of the holders has a fair share already.
    OverShare,
    /// All slots are held.
    Full,
}

/// A slot that is held until this is dropped.
#[derive(Debug)]
pub struct Share<K: Eq + Hash> {
    holders: Vec<K>,
    held: Arc<Mutex<Held<K>>>,
}

impl<K> Clone for Shares<K> {
    fn clone(&self) -> Self {
        Self { slots: self.slots, held: Arc::clone(&self.held) }
    }
}

impl<K: Eq + Hash> Shares<K> {
    /// A pool of so many slots.
    pub fn new(slots: usize) -> Self {
        Self { slots, held: Arc::new(Mutex::new(Held { all: 0, by: HashMap::new() })) }
    }

    /// Takes a slot for a holder, who may be within others: those come before them.
    ///
    /// # Errors
    ///
    /// [`NoShare`].
    pub fn take(&self, holders: impl Into<Vec<K>>) -> Result<Share<K>, NoShare>
    where
        K: Clone,
    {
        let holders = holders.into();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut room = self.slots.saturating_sub(held.all);
        if room == 0 {
            return Err(NoShare::Full);
        }
        for holder in &holders {
            let own = held.by.get(holder).copied().unwrap_or(0);
            if own >= room {
                return Err(NoShare::OverShare);
            }
            room -= own;
        }
        held.all += 1;
        for holder in &holders {
            *held.by.entry(holder.clone()).or_insert(0) += 1;
        }
        drop(held);
        Ok(Share { holders, held: Arc::clone(&self.held) })
    }

    /// The number of slots that are held.
    pub fn held(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.all = held.all.saturating_sub(1);
        for holder in &self.holders {
            if let Some(own) = held.by.get_mut(holder) {
                *own = own.saturating_sub(1);
                if *own == 0 {
                    held.by.remove(holder);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes slots until there is none, and says why.
    fn fill(pool: &Shares<u8>, holders: &[u8]) -> (Vec<Share<u8>>, NoShare) {
        let mut slots = Vec::new();
        loop {
            match pool.take(holders) {
                Ok(slot) => slots.push(slot),
                Err(why) => return (slots, why),
            }
        }
    }

    #[test]
    fn one_gets_half_and_there_is_one_left_for_the_next() {
        let pool = Shares::new(64);
        let mut kept = Vec::new();
        for (holder, got) in [(1, 32), (2, 16), (3, 8), (4, 4), (5, 2), (6, 1)] {
            let (slots, why) = fill(&pool, &[holder]);
            assert_eq!((slots.len(), why), (got, NoShare::OverShare), "holder {holder}");
            kept.push(slots);
        }
        assert_eq!(fill(&pool, &[7]).0.len(), 1);
        kept.push(fill(&pool, &[7]).0);
        assert_eq!(fill(&pool, &[8]).1, NoShare::Full);
        kept.remove(0);
        assert_eq!(fill(&pool, &[8]).0.len(), 16, "what is given back is anybody's");
        drop(kept);
        assert_eq!((pool.held(), pool.held.lock().unwrap().by.len()), (0, 0));
    }

    #[test]
    fn nobody_gets_all_that_is_left_to_their_team() {
        let pool = Shares::new(64);
        let (team, one, other) = (100, 1, 2);
        let (first, why) = fill(&pool, &[team, one]);
        assert_eq!((first.len(), why), (22, NoShare::OverShare));
        let (second, _) = fill(&pool, &[team, other]);
        assert_eq!(second.len(), 7, "another of the same team");
        let (third, _) = fill(&pool, &[101, other]);
        assert_eq!(third.len(), 10, "the same user in another team");
    }

    proptest! {
        /// Whatever happened before: who holds nothing gets a slot while there is one.
        #[test]
        fn a_newcomer_finds_a_slot(steps in prop::collection::vec((0u8..6, any::<bool>()), 0..200)) {
            let pool = Shares::new(16);
            let mut kept: Vec<(u8, Share<u8>)> = Vec::new();
            for (holder, gives_back) in steps {
                if gives_back {
                    if let Some(at) = kept.iter().position(|(of, _)| *of == holder) {
                        kept.swap_remove(at);
                    }
                } else if let Ok(slot) = pool.take([holder]) {
                    kept.push((holder, slot));
                }
                prop_assert!(kept.len() <= 16 && pool.held() == kept.len());
                let of_each = (0..6).map(|n| kept.iter().filter(|(of, _)| *of == n).count());
                prop_assert!(of_each.max() <= Some(8));
                if kept.len() < 16 {
                    prop_assert!(pool.take([200]).is_ok());
                }
            }
        }
    }
}
