//! What the routers count. A process is one edge, so there is one set of figures for a process.

use std::time::Duration;

use metrics::{Counter, LATENCY_BOUNDS, Latency};

use super::code::Code;
use crate::figures::{Figures, named};

/// What the routers of this process have counted.
pub(crate) static WEB: Counters = Counters::new();

/// The classes of statuses, and what is in none of them.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// What routers count.
pub(crate) struct Counters {
    requests: [Counter; CLASSES.len()],
    errors: [Counter; Code::ALL.len()],
    latency: Latency,
}

impl Counters {
    const fn new() -> Self {
        Self {
            requests: [const { Counter::new() }; CLASSES.len()],
            errors: [const { Counter::new() }; Code::ALL.len()],
            latency: Latency::new(LATENCY_BOUNDS),
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
    pub(crate) fn served(&self, time: Duration) {
        self.latency.took(time);
    }

    /// Says what was counted so far.
    pub(crate) fn read(&self, figures: &mut Figures) {
        figures.requests = named(CLASSES, &self.requests);
        figures.errors = named(Code::ALL.map(Code::name), &self.errors);
        figures.latency = self.latency.read();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_clients_and_dynos_send_the_labels_stay() {
        let counters = Counters::new();
        let read = || {
            let mut figures = Figures::default();
            counters.read(&mut figures);
            figures
        };
        let labels = |of: &Figures| {
            [&of.requests, &of.errors].map(|map| map.keys().cloned().collect::<Vec<_>>())
        };
        let before = labels(&read());
        (0..=u16::MAX).for_each(|status| counters.answered(status));
        Code::ALL.into_iter().for_each(|code| counters.failed(code));
        let after = read();
        assert_eq!(labels(&after), before);
        assert_eq!(after.requests.values().sum::<u64>(), 1 << 16);
        assert_eq!((after.requests["2xx"], after.requests["5xx"]), (100, 100));
        assert!(after.errors.values().all(|count| *count == 1), "each code has its own place");
    }
}
