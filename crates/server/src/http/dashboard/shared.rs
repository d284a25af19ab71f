//! What all requests of the dashboard share.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge::Shares;
use model::Timestamp;
use tokio::sync::{Semaphore, watch};

use crate::cleanup::lost::Lost;
use crate::http::rate_limits::RateLimits;
use crate::http::state::State;
use crate::loops::Supervisor;
use crate::metrics::{Endpoint, Metrics};
use crate::party::Party;

/// Requests per second of one party: a person who reads fast, with several live pages.
const PER_SECOND: u32 = 20;
/// The most pages that are live at a time. They are shared among parties.
const MOST_LIVE: usize = 256;
/// The most ended ids that are kept. If there are more, those that end first are forgotten.
const MOST_ENDED: usize = 10_000;

/// What all requests of the dashboard share.
#[derive(Clone)]
pub(crate) struct Dashboard {
    pub(super) state: Arc<State>,
    /// How many requests each party may send.
    pub(super) rates: Arc<RateLimits<Party>>,
    /// The places of live pages.
    pub(super) live: Shares<Party>,
    /// Sessions that were signed out, and nonces that were used.
    pub(super) ended: Arc<Ended>,
    /// Turns of work that takes its time.
    pub(super) turns: Arc<Semaphore>,
    /// Where requests are counted.
    pub(super) counted: Arc<Counted>,
    /// What starts have set aside; `None` where nothing is told of it.
    pub(super) lost: Option<Lost>,
    /// What watches over the server's loops; `None` where nothing is told of them.
    pub(super) supervisor: Option<Supervisor>,
}

impl Dashboard {
    /// The dashboard of an installation.
    pub(crate) fn new(state: Arc<State>) -> Self {
        let counted = Arc::new(Counted::of(&state.metrics));
        let per_second = if state.emulator { 0 } else { PER_SECOND };
        Self {
            state,
            rates: Arc::new(RateLimits::per_second(per_second)),
            live: Shares::new(MOST_LIVE),
            ended: Arc::default(),
            turns: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(1, NonZero::get),
            )),
            counted,
            lost: None,
            supervisor: None,
        }
    }

    /// One that shows the operator what was set aside, and how the server's loops fare.
    #[must_use]
    pub(crate) fn for_operator(self, lost: Lost, supervisor: Supervisor) -> Self {
        Self { lost: Some(lost), supervisor: Some(supervisor), ..self }
    }
}

/// Where requests are counted, by their kind: there are too many pages to count each.
pub(super) struct Counted {
    /// Styles, scripts and pictures.
    pub(super) asset: Arc<Endpoint>,
    /// Pages and what else is read.
    pub(super) page: Arc<Endpoint>,
    /// Streams that tell of changes.
    pub(super) events: Arc<Endpoint>,
    /// Forms that are sent.
    pub(super) form: Arc<Endpoint>,
    /// Requests by other methods.
    pub(super) other: Arc<Endpoint>,
}

impl Counted {
    fn of(metrics: &Metrics) -> Self {
        let of = |action| metrics.endpoints.of("dashboard", action);
        Self {
            asset: of("asset"),
            page: of("page"),
            events: of("events"),
            form: of("form"),
            other: of("other"),
        }
    }
}

/// Ids that are not taken any more, until they would have ended by themselves.
#[derive(Debug)]
pub(super) struct Ended {
    ids: Mutex<BTreeMap<String, Timestamp>>,
    changed: watch::Sender<()>,
}

impl Default for Ended {
    fn default() -> Self {
        Self { ids: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

impl Ended {
    /// Ends an id that would have ended by itself at a time. Returns whether it had not ended yet.
    pub(super) fn end(&self, id: &str, by_itself: Timestamp, now: Timestamp) -> bool {
        let mut ids = self.ids.lock().expect("no holder panics");
        if ids.len() >= MOST_ENDED {
            ids.retain(|_, end| now < *end);
            if ids.len() >= MOST_ENDED
                && let Some(first) = ids.iter().min_by_key(|(_, end)| **end)
            {
                let first = first.0.clone();
                ids.remove(&first);
            }
        }
        let fresh = ids.insert(id.to_owned(), by_itself).is_none();
        drop(ids);
        self.changed.send_replace(());
        fresh
    }

    /// Whether an id has ended.
    pub(super) fn has(&self, id: &str) -> bool {
        self.ids.lock().expect("no holder panics").contains_key(id)
    }

    /// Tells when one more has ended.
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

/// How long a form of the page where one signs in is taken.
pub(super) const FORM_LIFE: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(0) + Duration::from_secs(seconds)
    }

    #[test]
    fn what_ended_stays_so_and_is_bounded() {
        let ended = Ended::default();
        assert!(!ended.has("a"));
        assert!(ended.end("a", at(100), at(0)));
        assert!(ended.has("a"));
        assert!(!ended.end("a", at(100), at(1)), "it had ended");
        for n in 0..MOST_ENDED as u64 + 10 {
            ended.end(&format!("{n:08}"), at(1000 + n), at(2));
        }
        assert!(ended.ids.lock().unwrap().len() <= MOST_ENDED);
        assert!(!ended.has("a"), "it would have ended first");
        assert!(ended.has(&format!("{:08}", MOST_ENDED + 9)));
        let much_later = at(1_000_000);
        assert!(ended.end("b", much_later + FORM_LIFE, much_later));
        assert_eq!(ended.ids.lock().unwrap().len(), 1, "what ended by itself is forgotten");
    }
}
