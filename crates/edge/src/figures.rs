//! What an edge says that it has counted.

use std::collections::BTreeMap;

use metrics::{Counter, Distribution};
use serde::{Deserialize, Serialize};

/// What an edge has counted since its process began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Web requests by the class of their answer's status.
    pub requests: BTreeMap<String, u64>,
    /// Web requests that failed, by Heroku's error code.
    pub errors: BTreeMap<String, u64>,
    /// How long dynos took, with the connections to them, in microseconds.
    pub latency: Distribution,
    /// DNS questions by what became of them.
    pub questions: BTreeMap<String, u64>,
    /// Clients' connections that are open.
    pub connections: u64,
}

/// What counters have counted, each by its name.
pub(crate) fn named<const N: usize>(
    names: [&str; N],
    counters: &[Counter; N],
) -> BTreeMap<String, u64> {
    let pairs = names.iter().zip(counters);
    pairs.map(|(name, counter)| ((*name).to_owned(), counter.get())).collect()
}
