//! The one place of the edge that reads the clock and asks for chance.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// The time since 1970-01-01 00:00 UTC.
pub(crate) fn since_epoch() -> Duration {
    #[expect(
        clippy::disallowed_methods,
        reason = "the edge is a process of its own; here it looks"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A number that nobody can foresee well: for spreading load and for ids, not for secrets.
pub(crate) fn chance() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = const { Cell::new(0) };
    }
    STATE.with(|state| {
        let mut x = state.get();
        if x == 0 {
            x = seed();
        }
        // SplitMix64.
        x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(if x == 0 { 1 } else { x });
        let mut z = x;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// A number from the system's cryptographic source, for what a forger must not guess.
pub(crate) fn secret_u16() -> u16 {
    let mut bytes = [0; 2];
    if getrandom::fill(&mut bytes).is_err() {
        bytes.copy_from_slice(&chance().to_le_bytes()[..2]);
    }
    u16::from_le_bytes(bytes)
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    if getrandom::fill(&mut bytes).is_err() {
        let now = since_epoch();
        return now.as_secs() ^ u64::from(now.subsec_nanos()) << 32 | 1;
    }
    u64::from_le_bytes(bytes) | 1
}

/// Writes a time since 1970 as RFC 3339 does, in UTC and with microseconds.
pub(crate) fn write_rfc3339(out: &mut String, at: Duration) {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    // Times beyond the year 9999 cannot be written. To print into a string never fails.
    let timestamp = SignedDuration::try_from(at).and_then(Timestamp::from_duration);
    let _ =
        PRINTER.print_timestamp_with_offset(&timestamp.unwrap_or(Timestamp::MAX), Offset::UTC, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000+00:00"),
            (951_782_400, "2000-02-29T00:00:00.000000+00:00"),
            (1_709_164_800, "2024-02-29T00:00:00.000000+00:00"),
            (1_735_689_599, "2024-12-31T23:59:59.000000+00:00"),
            (4_107_542_400, "2100-03-01T00:00:00.000000+00:00"),
        ] {
            let mut out = String::new();
            write_rfc3339(&mut out, Duration::from_secs(seconds));
            assert_eq!(out, text);
        }
    }

    #[test]
    fn chance_does_not_repeat_itself() {
        let seen: std::collections::BTreeSet<u64> = (0..1000).map(|_| chance()).collect();
        assert_eq!(seen.len(), 1000);
    }
}
