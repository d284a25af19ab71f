//! Times as signatures and headers write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;

use super::SigError;

/// The time as signatures write it: `20260131T120000Z`.
pub(super) fn format_stamp(now_ms: i64) -> Result<String, SigError> {
    let time = Timestamp::from_millisecond(now_ms)
        .map_err(|_| SigError::Incomplete { why: "The time is out of range." })?;
    Ok(time.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// The day of a time: `20260131`.
pub(super) fn stamp_date(stamp: &str) -> Option<&str> {
    stamp.get(..8)
}

/// `20260131T120000Z`, in milliseconds since the epoch.
pub(super) fn stamp_millis(stamp: &str) -> Option<i64> {
    let bytes: &[u8; 16] = stamp.as_bytes().try_into().ok()?;
    let digits = |from: usize, to: usize| {
        bytes[from..to].iter().try_fold(0i16, |n, b| match b {
            b'0'..=b'9' => Some(n * 10 + i16::from(b - b'0')),
            _ => None,
        })
    };
    let small = |from: usize| digits(from, from + 2).and_then(|n| i8::try_from(n).ok());
    if bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let time =
        DateTime::new(digits(0, 4)?, small(4)?, small(6)?, small(9)?, small(11)?, small(13)?, 0);
    Some(TimeZone::UTC.to_timestamp(time.ok()?).ok()?.as_millisecond())
}

/// The form of the `Date` header.
pub(super) fn rfc_millis(date: &str) -> Option<i64> {
    rfc2822::DateTimeParser::new().parse_timestamp(date).ok().map(|time| time.as_millisecond())
}
