//! How long to wait before a process that ended is started again.

use std::time::Duration;

/// A process that lived as long as this was no part of a series of crashes.
pub(crate) const STABLE: Duration = Duration::from_secs(600);
/// The pause after the first crash. It doubles with each further one, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The pause after a crash that came after as many others.
pub(crate) fn pause_after(crashes: u16) -> Duration {
    const MAX_DOUBLINGS: u32 = 16;
    let doubled = FIRST_PAUSE.saturating_mul(1 << u32::from(crashes).min(MAX_DOUBLINGS));
    doubled.min(LONGEST_PAUSE)
}
