//! What an edge counts. A process is one edge, so there is one set of figures for a process.

use std::collections::BTreeMap;

use metrics::{Counter, Distribution, LATENCY_BOUNDS, Latency};
use serde::{Deserialize, Serialize};

use crate::web::code::Code;

/// What this process has counted.
pub(crate) static FIGURES: Counters = Counters::new();

/// The classes of statuses, and what is in none of them.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// The codes of answers to DNS questions, questions that are no DNS, and those that were dropped because
/// one client sent too many.
const ANSWERS: [&str; 9] = [
    "noerror",
    "formerr",
    "servfail",
    "nxdomain",
    "notimp",
    "refused",
    "other",
    "malformed",
    "limited",
];
const OTHER: usize = 6;
const MALFORMED: usize = 7;
const LIMITED: usize = 8;

/// What an edge counts.
pub(crate) struct Counters {
    requests: [Counter; CLASSES.len()],
    errors: [Counter; Code::ALL.len()],
    latency: Latency,
    questions: [Counter; ANSWERS.len()],
}

impl Counters {
    const fn new() -> Self {
        Self {
            requests: [const { Counter::new() }; CLASSES.len()],
            errors: [const { Counter::new() }; Code::ALL.len()],
            latency: Latency::new(LATENCY_BOUNDS),
            questions: [const { Counter::new() }; ANSWERS.len()],
        }
    }

    /// Counts a web request that was answered with a status, or would have been.
    pub(crate) fn answered(&self, status: u16) {
        let class = usize::from(status / 100).checked_sub(1);
        let class = class.filter(|class| *class < CLASSES.len() - 1);
        self.requests[class.unwrap_or(CLASSES.len() - 1)].inc();
    }

    /// Counts what went wrong with a request.
    pub(crate) fn failed(&self, code: Code) {
        self.errors[code as usize].inc();
    }

    /// Counts how long a dyno took, with the connection to it.
    pub(crate) fn served(&self, time: std::time::Duration) {
        self.latency.took(time);
    }

    /// Counts the answer to a DNS question.
    pub(crate) fn replied(&self, reply: &[u8]) {
        // The code is in the lower half of the fourth byte (RFC 1035 §4.1.1).
        let at = reply.get(3).map_or(MALFORMED, |byte| usize::from(byte & 0xf).min(OTHER));
        self.questions[at].inc();
    }

    /// Counts a DNS question that gets no answer.
    pub(crate) fn unanswered(&self, limited: bool) {
        self.questions[if limited { LIMITED } else { MALFORMED }].inc();
    }

    /// What was counted so far.
    pub(crate) fn read(&self, connections: usize) -> Figures {
        fn all<const N: usize>(names: [&str; N], counters: &[Counter; N]) -> BTreeMap<String, u64> {
            let pairs = names.iter().zip(counters);
            pairs.map(|(name, counter)| ((*name).to_owned(), counter.get())).collect()
        }
        Figures {
            requests: all(CLASSES, &self.requests),
            errors: all(Code::ALL.map(Code::name), &self.errors),
            latency: self.latency.read(),
            questions: all(ANSWERS, &self.questions),
            connections: connections as u64,
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_client_or_a_dyno_sends_the_labels_stay() {
        let counters = Counters::new();
        let labels = |read: &Figures| {
            let maps = [&read.requests, &read.errors, &read.questions];
            maps.map(|map| map.keys().cloned().collect::<Vec<_>>())
        };
        let before = labels(&counters.read(0));
        (0..=u16::MAX).for_each(|status| counters.answered(status));
        (0..=u8::MAX).for_each(|byte| counters.replied(&[0, 0, 0, byte]));
        counters.replied(&[]);
        Code::ALL.into_iter().for_each(|code| counters.failed(code));
        let read = counters.read(3);
        assert_eq!(labels(&read), before);
        assert_eq!(read.requests.values().sum::<u64>(), 1 << 16);
        assert_eq!((read.requests["2xx"], read.requests["5xx"]), (100, 100));
        assert_eq!(read.questions["nxdomain"], 16);
        assert_eq!(read.questions["other"], 10 * 16);
        assert_eq!(read.questions["malformed"], 1);
        assert!(read.errors.values().all(|count| *count == 1), "each code has its own place");
    }
}
