//! The limits of a connection.

use std::time::Duration;

/// How long clients may keep the server waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How often a connection is checked. One that began a request's head and does not complete it is
    /// closed after two to three times this, and one that does not complete a step of its TLS handshake
    /// after this.
    pub headers: Duration,
    /// How long a connection may stay without a request.
    pub idle: Duration,
    /// How long the beginning of a request's body may take. Each byte that arrives extends the time,
    /// by `body_rate`.
    pub body: Duration,
    /// The lowest average rate at which a body may arrive, in bytes per second.
    pub body_rate: u32,
    /// How long a client may take nothing of an answer, or answer nothing to the kernel's probes.
    pub unread: Duration,
    /// How long requests under way may take once the server is told to stop.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body: Duration::from_secs(30),
            body_rate: 1024,
            unread: Duration::from_secs(120),
            stop: Duration::from_secs(10),
        }
    }
}

/// Once the server stops: how long to wait for a byte of a body, or for an idle connection to
/// close.
pub(super) const QUIET: Duration = Duration::from_millis(100);
/// Once the server stops: how long to wait for a client that does not take its answer.
pub(super) const STALLED: Duration = Duration::from_secs(1);
/// Once the server stops: for how long after it was accepted a client that has sent nothing is waited for.
pub(super) const NEW: Duration = Duration::from_secs(1);
