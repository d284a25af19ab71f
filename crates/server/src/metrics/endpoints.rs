//! The requests of each action and route: how many, with what outcome, and how long they took.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::StatusCode;
use metrics::{Counter, Latency};

use super::traces;

/// The outcomes of requests, by their place in [`Endpoint::outcomes`].
pub(crate) const OUTCOMES: [&str; 5] = ["ok", "refused", "denied", "throttled", "failed"];

/// The place of a request's outcome in [`OUTCOMES`].
fn outcome(status: StatusCode) -> usize {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => 2,
        StatusCode::TOO_MANY_REQUESTS => 3,
        status if status.is_server_error() => 4,
        status if status.is_client_error() => 1,
        _ => 0,
    }
}

/// The requests of one action of an API, or of one of its routes.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The API.
    pub(crate) api: &'static str,
    /// The action, or the method and the path of the route. Never anything that a client sent.
    pub(crate) action: String,
    outcomes: [Counter; OUTCOMES.len()],
    /// How long its requests took until the head of the answer was ready.
    pub(crate) latency: Latency,
}

impl Endpoint {
    /// Counts a request that began at a moment and is answered now, and names its trace.
    pub(crate) fn answered(&self, began: Instant, status: StatusCode) {
        self.count(began, outcome(status));
    }

    /// Counts a request that was refused because of its sender's rate, whatever its status.
    pub(crate) fn throttled(&self, began: Instant) {
        self.count(began, outcome(StatusCode::TOO_MANY_REQUESTS));
    }

    fn count(&self, began: Instant, outcome: usize) {
        traces::name(self.api, &self.action);
        self.outcomes[outcome].inc();
        self.latency.took(began.elapsed());
    }

    /// How many requests had each of [`OUTCOMES`].
    pub(crate) fn outcomes(&self) -> [u64; OUTCOMES.len()] {
        std::array::from_fn(|at| self.outcomes[at].get())
    }
}

/// All endpoints.
#[derive(Debug, Default)]
pub(crate) struct Endpoints(Mutex<Vec<Arc<Endpoint>>>);

impl Endpoints {
    /// The endpoint of an action, which is made if there is none yet. Whoever counts keeps it.
    pub(crate) fn of(&self, api: &'static str, action: &str) -> Arc<Endpoint> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all.iter().find(|it| it.api == api && it.action == action) {
            return Arc::clone(found);
        }
        let new = Arc::new(Endpoint {
            api,
            action: action.to_owned(),
            outcomes: [const { Counter::new() }; OUTCOMES.len()],
            latency: Latency::default(),
        });
        all.push(Arc::clone(&new));
        new
    }

    /// Those that had a request, by API and action.
    pub(crate) fn used(&self) -> Vec<Arc<Endpoint>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut used: Vec<_> =
            all.iter().filter(|it| it.outcomes() != [0; OUTCOMES.len()]).cloned().collect();
        drop(all);
        used.sort_by(|a, b| (a.api, &a.action).cmp(&(b.api, &b.action)));
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_made_once_and_shown_once_it_was_used() {
        let endpoints = Endpoints::default();
        let (one, again) = (endpoints.of("ec2", "A"), endpoints.of("ec2", "A"));
        let _ = endpoints.of("sts", "A");
        assert!(Arc::ptr_eq(&one, &again));
        assert!(endpoints.used().is_empty());
        let now = Instant::now();
        for status in [200, 304, 400, 404, 401, 403, 429, 500, 503] {
            one.answered(now, StatusCode::from_u16(status).unwrap());
        }
        again.throttled(now);
        assert_eq!(endpoints.used().len(), 1);
        assert_eq!(one.outcomes(), [2, 2, 2, 2, 2]);
        assert_eq!(one.latency.read().count(), 10);
    }
}
