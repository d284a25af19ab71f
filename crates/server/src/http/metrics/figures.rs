//! What `/metrics` shows, and to whom.

use std::path::PathBuf;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use model::Caller;
use subtle::ConstantTimeEq;

use crate::http::state::State;
use crate::loops::Supervisor;

/// What `/metrics` shows, and to whom.
#[derive(Clone)]
pub(crate) struct Figures {
    pub(crate) state: Arc<State>,
    pub(crate) supervisor: Supervisor,
    /// The edge's directory; `None` where there is no edge.
    pub(crate) edge: Option<PathBuf>,
    /// The token that is for this alone, if there is one.
    pub(crate) token: Option<Arc<str>>,
}

impl Figures {
    /// Whether a request has a token with which one may read this.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(given) = given.and_then(|value| value.strip_prefix("Bearer ")) else {
            return false;
        };
        let given = given.trim();
        let same = |token: &Arc<str>| bool::from(token.as_bytes().ct_eq(given.as_bytes()));
        self.token.as_ref().is_some_and(same)
            || self
                .state
                .authenticate(given, self.state.clock.now())
                .is_some_and(|bearer| bearer.caller == Caller::Operator)
    }
}
