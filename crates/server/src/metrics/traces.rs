//! Spans of requests, for a collector of OpenTelemetry traces: what was asked, how it was decided and
//! committed, and when networks followed.
//!
//! Without a collector (`serve --otlp`) none of this is done. With one, nobody waits for it: spans that
//! it does not take in time are left out.

mod json;
mod send;
mod span;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc::{Sender, channel};

use self::send::send;
use self::span::Span;

/// The most spans that wait for the collector.
const MOST_WAITING: usize = 8192;
/// The most commits that are waited for. Of further ones it is not told when they came into force.
const MOST_COMMITS: usize = 4096;

tokio::task_local! {
    /// The request that a task answers.
    static CURRENT: Arc<Trace>;
}

/// A request that is traced.
#[derive(Debug)]
pub(crate) struct Trace {
    id: u128,
    root: u64,
    began: Instant,
    action: OnceLock<String>,
}

impl Trace {
    /// A request that begins now; `None` where the system gives no random numbers.
    pub(crate) fn begin() -> Option<Arc<Self>> {
        let id = u128::from(getrandom::u64().ok()?) << 64 | u128::from(getrandom::u64().ok()?);
        let (began, action) = (Instant::now(), OnceLock::new());
        Some(Arc::new(Self { id, root: fresh()?, began, action }))
    }

    /// Answers the request as this one.
    pub(crate) fn scope<F: Future>(self: Arc<Self>, answer: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, answer)
    }
}

fn fresh() -> Option<u64> {
    getrandom::u64().ok().map(|bits| bits.max(1))
}

/// The request that this task answers, if it is traced.
pub(crate) fn current() -> Option<Arc<Trace>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Names the request that this task answers, if it is traced: by its API, and its action or route.
pub(crate) fn name(api: &str, action: &str) {
    let _ = CURRENT.try_with(|trace| trace.action.set(format!("{api} {action}")));
}

/// A commit that networks have not followed yet.
#[derive(Debug)]
struct Waits {
    revision: u64,
    trace: Arc<Trace>,
    committed: Instant,
    ordered: Option<Instant>,
}

/// Takes spans.
#[derive(Debug)]
pub(crate) struct Traces {
    spans: Sender<Span>,
    waiting: Mutex<VecDeque<Waits>>,
}

impl Traces {
    /// Begins to take spans and to send them to a collector, in a task of this runtime.
    pub(crate) fn start(collector: http::Uri) -> Self {
        let (spans, taken) = channel(MOST_WAITING);
        tokio::spawn(send(collector, taken));
        Self { spans, waiting: Mutex::default() }
    }

    /// A request was answered with a status.
    pub(crate) fn answered(&self, trace: &Trace, status: http::StatusCode) {
        let name = trace.action.get().cloned().unwrap_or_else(|| "request".to_owned());
        let attributes = vec![("http.response.status_code", status.as_u16().to_string())];
        self.put(Span {
            trace: trace.id,
            id: trace.root,
            parent: None,
            name,
            began: trace.began,
            ended: Instant::now(),
            attributes,
            failed: status.is_server_error(),
        });
    }

    /// A part of a request that began at a moment has ended.
    pub(crate) fn part(&self, of: &Trace, name: &str, began: Instant, failed: bool) {
        self.between(of, of.root, name, began, Instant::now(), failed);
    }

    /// A request's change was committed as a revision.
    pub(crate) fn committed(&self, trace: &Arc<Trace>, revision: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST_COMMITS {
            let (trace, committed) = (Arc::clone(trace), Instant::now());
            waiting.push_back(Waits { revision, trace, committed, ordered: None });
        }
    }

    /// The networks were told of all commits up to a revision.
    pub(crate) fn ordered(&self, revision: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for it in waiting.iter_mut().take_while(|it| it.revision <= revision) {
            it.ordered.get_or_insert_with(Instant::now);
        }
    }

    /// The networks have followed all commits up to a revision.
    pub(crate) fn followed(&self, revision: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while let Some(it) = waiting.pop_front_if(|it| it.revision <= revision) {
            let root = it.trace.root;
            let within = self.between(&it.trace, root, "in force", it.committed, now, false);
            if let (Some(within), Some(ordered)) = (within, it.ordered) {
                self.between(&it.trace, within, "reconcile", ordered, now, false);
            }
        }
    }

    fn between(
        &self,
        of: &Trace,
        parent: u64,
        name: &str,
        began: Instant,
        ended: Instant,
        failed: bool,
    ) -> Option<u64> {
        let id = fresh()?;
        self.put(Span {
            trace: of.id,
            id,
            parent: Some(parent),
            name: name.to_owned(),
            began,
            ended,
            attributes: Vec::new(),
            failed,
        });
        Some(id)
    }

    fn put(&self, span: Span) {
        // What the collector does not take in time is left out.
        let _ = self.spans.try_send(span);
    }
}
