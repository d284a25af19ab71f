//! Spans and dates in the words of a language. Times are in UTC, and say so.

use std::time::Duration;

use model::Timestamp;

use crate::markup::{Markup, Sign, fill, time};
use crate::texts::Texts;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What is left until then, in two units at most: `6 d 21 h`, under a day the hours, under an hour
/// the minutes. A begun minute counts.
pub(crate) fn short(t: &Texts, span: Duration) -> String {
    let seconds = span.as_secs();
    let unit = |text: &str, n: u64| text.replace("{n}", &n.to_string());
    match seconds {
        DAY.. => {
            let hours = seconds % DAY / HOUR;
            let days = unit(t.days_short, seconds / DAY);
            if hours == 0 { days } else { format!("{days} {}", unit(t.hours_short, hours)) }
        }
        HOUR.. => unit(t.hours_short, seconds / HOUR),
        _ => unit(t.minutes_short, seconds.div_ceil(MINUTE)),
    }
}

/// The same in whole words: `6 days 21 hours`.
pub(crate) fn long(t: &Texts, span: Duration) -> String {
    let seconds = span.as_secs();
    let unit = |one: &str, other: &str, n: u64| {
        (if n == 1 { one } else { other }).replace("{n}", &n.to_string())
    };
    let days = |n| unit(t.day_one, t.day_other, n);
    let hours = |n| unit(t.hour_one, t.hour_other, n);
    match seconds {
        DAY.. => match seconds % DAY / HOUR {
            0 => days(seconds / DAY),
            rest => {
                t.moments.replace("{days}", &days(seconds / DAY)).replace("{hours}", &hours(rest))
            }
        },
        HOUR.. => hours(seconds / HOUR),
        _ => unit(t.minute_one, t.minute_other, seconds.div_ceil(MINUTE)),
    }
}

/// Whether something ends so soon that it needs care.
pub(crate) fn is_soon(left: Duration) -> bool {
    left.as_secs() < DAY
}

/// The parts of a time: year, month, day, hour and minute.
fn parts(at: Timestamp) -> [String; 5] {
    // RFC 3339: 2026-12-06T19:57:33Z.
    let text = at.to_seconds_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
    [part(0, 4), part(5, 7), part(8, 10), part(11, 13), part(14, 16)]
}

/// A day: `6 December 2026`.
pub(crate) fn date(t: &Texts, at: Timestamp) -> String {
    let [year, month, day, ..] = parts(at);
    let number = |text: &str| text.trim_start_matches('0').to_owned();
    let month: usize = month.parse().unwrap_or(1);
    let month = t.months.split('|').nth(month.saturating_sub(1)).unwrap_or_default();
    t.date.replace("{day}", &number(&day)).replace("{month}", month).replace("{year}", &year)
}

/// A day with the time: `6 December 2026 at 19:57 UTC`.
pub(crate) fn date_time(t: &Texts, at: Timestamp) -> String {
    let [.., hour, minute] = parts(at);
    t.date_time.replace("{date}", &date(t, at)).replace("{time}", &format!("{hour}:{minute}"))
}

/// The time of a day: `19:57:33`.
pub(crate) fn clock(at: Timestamp) -> String {
    at.to_seconds_string().get(11..19).unwrap_or_default().to_owned()
}

/// A countdown: what is left, with the exact time behind it, and a sign if it needs care soon.
pub(crate) fn countdown(t: &Texts, until: Timestamp, now: Timestamp) -> Markup {
    let left = until.since(now);
    let [year, month, day, hour, minute] = parts(until);
    let title = format!("{year}-{month}-{day} {hour}:{minute} UTC");
    let sign = is_soon(left).then_some(Sign::Warn);
    time(&until.to_seconds_string(), &title, &short(t, left), sign)
}

/// A time to the second, as tables have it: `2026-12-06 19:57:33`, in UTC.
pub(crate) fn stamp(at: Timestamp) -> Markup {
    let exact = at.to_seconds_string();
    let shown = exact.trim_end_matches('Z').replacen('T', " ", 1);
    time(&exact, &format!("{shown} UTC"), &shown, None)
}

/// How long ago something was, with the exact time behind it.
pub(crate) fn ago(t: &Texts, at: Timestamp, now: Timestamp) -> Markup {
    let [year, month, day, hour, minute] = parts(at);
    let title = format!("{year}-{month}-{day} {hour}:{minute} UTC");
    time(&at.to_seconds_string(), &title, &short(t, now.since(at)), None)
}

/// A day with the time, for machines too.
pub(crate) fn at(t: &Texts, at: Timestamp) -> Markup {
    let exact = at.to_seconds_string();
    time(&exact, &exact, &date_time(t, at), None)
}

/// Until when a request waits, as a sentence with the exact time.
pub(crate) fn expiry(t: &Texts, until: Timestamp, now: Timestamp) -> Markup {
    let left = until.since(now);
    let sentence = fill(
        t.expires_sentence,
        &[("left", long(t, left).into()), ("at", date_time(t, until).into())],
    );
    if is_soon(left) { Sign::Warn.with(sentence) } else { sentence }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Language;

    #[test]
    fn spans_are_shown_in_two_units_at_most() {
        let (en, ja) = (Language::English.texts(), Language::Japanese.texts());
        let span = |days: u64, hours: u64, minutes: u64, seconds: u64| {
            Duration::from_secs(days * DAY + hours * HOUR + minutes * MINUTE + seconds)
        };
        for (at, english, japanese, whole) in [
            (span(6, 21, 59, 0), "6\u{a0}d 21\u{a0}h", "6\u{a0}日 21\u{a0}時間", "6 days 21 hours"),
            (span(1, 1, 0, 0), "1\u{a0}d 1\u{a0}h", "1\u{a0}日 1\u{a0}時間", "1 day 1 hour"),
            (span(7, 0, 0, 0), "7\u{a0}d", "7\u{a0}日", "7 days"),
            (span(0, 19, 1, 0), "19\u{a0}h", "19\u{a0}時間", "19 hours"),
            (span(0, 0, 59, 59), "60\u{a0}min", "60\u{a0}分", "60 minutes"),
            (span(0, 0, 0, 1), "1\u{a0}min", "1\u{a0}分", "1 minute"),
        ] {
            assert_eq!(short(en, at), english);
            assert_eq!(short(ja, at), japanese);
            assert_eq!(long(en, at).replace('\u{a0}', " "), whole);
        }
    }

    #[test]
    fn dates_are_written_as_the_language_writes_them() {
        let at: Timestamp = "2026-12-06T19:57:33Z".parse().unwrap();
        let (en, ja) = (Language::English.texts(), Language::Japanese.texts());
        assert_eq!(date(en, at), "6 December 2026");
        assert_eq!(date(ja, at), "2026年12月6日");
        assert_eq!(date_time(en, at), "6 December 2026 at 19:57 UTC");
        assert_eq!(date_time(ja, at), "2026年12月6日 19:57 UTC");
        assert_eq!(date(en, "2026-03-12T00:00:00Z".parse().unwrap()), "12 March 2026");
        for extreme in [Timestamp::MIN, Timestamp::MAX] {
            assert!(!date_time(en, extreme).is_empty());
        }
    }

    #[test]
    fn a_countdown_names_the_exact_time_and_warns_in_the_last_day() {
        let t = Language::English.texts();
        let until: Timestamp = "2026-12-06T19:57:33Z".parse().unwrap();
        let early = countdown(t, until, until - Duration::from_secs(2 * DAY)).to_string();
        assert!(early.contains(r#"datetime="2026-12-06T19:57:33Z""#), "{early}");
        assert!(early.contains(r#"title="2026-12-06 19:57 UTC""#), "{early}");
        assert!(!early.contains("#warn"), "{early}");
        let late = countdown(t, until, until - Duration::from_secs(HOUR)).to_string();
        assert!(late.contains("#warn") && late.contains("wait"), "{late}");
    }
}
