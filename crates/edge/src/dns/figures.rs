//! What the resolvers count. A process is one edge, so there is one set of figures for a process.

use metrics::Counter;

use crate::figures::{Figures, named};

/// What the resolvers of this process have counted.
pub(crate) static DNS: Counters = Counters::new();

/// The codes of answers, questions that are no DNS, and those that were dropped because one client sent
/// too many.
const OUTCOMES: [&str; 9] = [
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

/// What resolvers count.
pub(crate) struct Counters([Counter; OUTCOMES.len()]);

impl Counters {
    const fn new() -> Self {
        Self([const { Counter::new() }; OUTCOMES.len()])
    }

    /// Counts the answer to a question.
    pub(crate) fn replied(&self, reply: &[u8]) {
        // The code is in the lower half of the fourth byte (RFC 1035 §4.1.1).
        let at = reply.get(3).map_or(MALFORMED, |byte| usize::from(byte & 0xf).min(OTHER));
        self.0[at].inc();
    }

    /// Counts a question that gets no answer.
    pub(crate) fn unanswered(&self, limited: bool) {
        self.0[if limited { LIMITED } else { MALFORMED }].inc();
    }

    /// Says what was counted so far.
    pub(crate) fn read(&self, figures: &mut Figures) {
        figures.questions = named(OUTCOMES, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_a_place_and_there_are_no_more() {
        let counters = Counters::new();
        (0..=u8::MAX).for_each(|byte| counters.replied(&[0, 0, 0, byte]));
        counters.replied(&[]);
        counters.unanswered(true);
        let mut figures = Figures::default();
        counters.read(&mut figures);
        assert_eq!(figures.questions.len(), OUTCOMES.len());
        assert_eq!(figures.questions["nxdomain"], 16);
        assert_eq!(figures.questions["other"], 10 * 16);
        assert_eq!((figures.questions["malformed"], figures.questions["limited"]), (1, 1));
    }
}
