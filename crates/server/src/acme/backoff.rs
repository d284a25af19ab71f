//! Pauses after attempts that failed. Those that the ACME server refused are kept, so that a server which is
//! started again and again with a name that it cannot prove does not use up what the issuer allows.

use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::AcmeConfig;

/// The pause after the first failure, and the longest one.
const FIRST: u64 = 60;
const LONGEST: u64 = 6 * 3600;

/// Attempts in a row that an ACME server did not grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refusals {
    /// The address of the server's directory, and the names that it was asked for: of others nothing was
    /// refused.
    directory: String,
    names: Vec<String>,
    /// How many there were.
    pub count: u32,
    /// What the server said last.
    pub error: String,
    /// Before when it is not asked again.
    next: Timestamp,
}

impl Refusals {
    /// The number of refusals up to this one, and when the server may be asked again.
    pub(super) fn noted(
        config: &AcmeConfig,
        count: u32,
        error: &str,
        now: Timestamp,
        chance: u8,
    ) -> Self {
        Self {
            directory: config.directory.clone(),
            names: config.names.clone(),
            count,
            error: error.to_owned(),
            next: now + pause(count, chance),
        }
    }

    /// Whether they are of what is asked for now.
    pub(super) fn are_of(&self, config: &AcmeConfig) -> bool {
        self.directory == config.directory && self.names == config.names
    }

    /// How long the server is not to be asked yet. A clock that was set back makes it no longer than it may be.
    pub(super) fn wait(&self, now: Timestamp) -> Duration {
        millis(self.next.millis().saturating_sub(now.millis())).min(pause(u32::MAX, u8::MAX))
    }
}

/// How long to wait after some failures: from a minute to six hours, and up to a quarter more by chance, so
/// that many servers do not come back at once.
pub(super) fn pause(failures: u32, chance: u8) -> Duration {
    let factor = 4u64.saturating_pow(failures.saturating_sub(1));
    let pause = Duration::from_secs(FIRST.saturating_mul(factor).min(LONGEST));
    pause + pause * u32::from(chance) / 1024
}

/// So many milliseconds; none where that is less than none.
pub(super) fn millis(count: i64) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}
