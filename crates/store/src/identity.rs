//! Which database a store has.

use std::fmt;

/// Which database it is, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The database's own id, which every copy of it has.
    pub database: String,
    /// How often a copy took the place of the one before, where the database counts that; else 0.
    pub timeline: u64,
    /// The revision that it is at.
    pub revision: u64,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "revision {}", self.revision)?;
        match self.timeline {
            0 => Ok(()),
            timeline => write!(f, " of timeline {timeline}"),
        }
    }
}
