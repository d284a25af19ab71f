//! Ids of what is only imagined.

use crate::IdSource;

/// Where imagined ids begin: far from where any counting starts, and as improbable as any other.
const IMAGINED: u128 = 0x5bd1_e995_c2b2_ae35_9e37_79b9_7f4a_7c15;

/// Ids of what a remedy or a plan would make. Nobody ever sees them.
pub(crate) struct Imagined(u128);

impl Imagined {
    /// The first of them.
    pub(crate) fn new() -> Self {
        Self(IMAGINED)
    }
}

impl IdSource for Imagined {
    fn next_bits(&mut self) -> u128 {
        self.0 = self.0.wrapping_add(1);
        self.0
    }
}
