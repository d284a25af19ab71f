//! Points in time, and lengths of time as people write them. The model has no clock: `now` is always an
//! argument.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since the epoch, UTC; RFC 3339 in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Text that is not an RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not an RFC 3339 time such as 2026-01-31T12:00:00Z")]
pub struct MalformedTimestamp {
    /// The text that was read.
    pub text: String,
}

/// Text that is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a duration such as 7d2h, 90m or 45s")]
pub struct MalformedDuration {
    /// The text that was read, at most 64 characters of it.
    pub text: String,
}

/// Reads a length of time as people write it: whole numbers of days, hours, minutes and seconds, such as
/// `7d2h`, `90m` or `45s`.
///
/// # Errors
///
/// The text is of another form, or longer than 2⁶⁴ seconds.
pub fn parse_duration(text: &str) -> Result<Duration, MalformedDuration> {
    let malformed = || MalformedDuration { text: text.chars().take(64).collect() };
    let mut seconds: u64 = 0;
    let mut rest = text;
    while let Some(at) = rest.find(|letter: char| !letter.is_ascii_digit()) {
        let (count, unit) = rest.split_at(at);
        let of_unit = match unit.as_bytes().first() {
            Some(b'd') => 86_400,
            Some(b'h') => 3_600,
            Some(b'm') => 60,
            Some(b's') => 1,
            _ => return Err(malformed()),
        };
        let count: u64 = count.parse().map_err(|_| malformed())?;
        let more = count.checked_mul(of_unit).and_then(|more| seconds.checked_add(more));
        seconds = more.ok_or_else(malformed)?;
        rest = &unit[1..];
    }
    // A number without a unit is left, or there was nothing at all.
    if text.is_empty() || !rest.is_empty() {
        return Err(malformed());
    }
    Ok(Duration::from_secs(seconds))
}

impl Timestamp {
    /// The first moment of the year 0.
    pub const MIN: Self = Self(-62_167_219_200_000);
    /// The last moment that a timestamp can be.
    pub const MAX: Self = Self(253_402_207_200_000);

    /// Makes one from milliseconds since the epoch; out of the years 0–9999 it is cut to them.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < Self::MIN.0 {
            Self::MIN
        } else if millis > Self::MAX.0 {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long ago `earlier` was; zero if it was not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 with whole seconds, as the Platform API writes it: `2016-09-26T22:57:33Z`.
    pub fn to_seconds_string(self) -> String {
        format!("{:.0}", self.display())
    }

    fn display(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).expect("the constructor keeps it in range")
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(span))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(span))
    }
}

impl fmt::Display for Timestamp {
    /// Writes milliseconds, as EC2 does: `2016-09-26T22:57:33.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.display())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = MalformedTimestamp;
    fn from_str(text: &str) -> Result<Self, MalformedTimestamp> {
        let malformed = || MalformedTimestamp { text: text.chars().take(64).collect() };
        let parsed: jiff::Timestamp = text.parse().map_err(|_| malformed())?;
        Ok(Self::from_millis(parsed.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_both_forms_and_reads_them_back() {
        let t: Timestamp = "2016-09-26T22:57:33.250Z".parse().unwrap();
        assert_eq!(t.to_string(), "2016-09-26T22:57:33.250Z");
        assert_eq!(t.to_seconds_string(), "2016-09-26T22:57:33Z");
        assert_eq!(
            t.to_seconds_string().parse::<Timestamp>().unwrap() + Duration::from_millis(250),
            t
        );
    }

    #[test]
    fn absurd_times_are_cut_not_panicked_on() {
        for millis in [i64::MIN, i64::MAX, 0] {
            let t = Timestamp::from_millis(millis);
            assert!(t.to_string().parse::<Timestamp>().is_ok(), "{millis}");
            let _ = t + Duration::MAX;
            let _ = t - Duration::MAX;
        }
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [
            ("7d2h", 7 * 86_400 + 2 * 3_600),
            ("1h30m", 5_400),
            ("90m", 5_400),
            ("45s", 45),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in
            ["", "7", "d", "1x", "7d2", "-1d", " 1d", "1 d", "1é", "99999999999999999999d", "é"]
        {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        let most = format!("{}d", u64::MAX / 86_400);
        assert!(parse_duration(&most).is_ok());
        assert!(parse_duration(&format!("{most}1d")).is_err());
        assert_eq!(parse_duration(&"7".repeat(100)).unwrap_err().text.len(), 64);
    }
}
