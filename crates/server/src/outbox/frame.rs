//! Logplex's format: lines of a log as syslog messages, each with its length before it.
//!
//! A message is of RFC 5424's form without structured data, as Heroku's log drains have it. RFC 6587 calls
//! the way they follow each other octet counting; RFC 5425 has the same over TLS.

use model::Timestamp;

use crate::apps::logs::{Line, Source};

/// Facility local7, severity informational: what apps write.
const APP: u8 = 190;
/// Facility local3, severity informational: what routers serve.
const ROUTER: u8 = 158;
/// Facility syslog, severity notice: what the platform does.
const PLATFORM: u8 = 45;
/// Facility local5, severity warning: what the drain itself has to say.
const DRAIN: u8 = 172;

/// A line as a message with its length before it. `host` is the drain's token where nothing else tells the
/// receiver which drain it is.
pub(super) fn frame(host: &str, line: &Line) -> Vec<u8> {
    let (priority, app) = match line.source {
        Source::App => (APP, "app"),
        Source::Heroku if line.process == "router" => (ROUTER, "heroku"),
        Source::Heroku => (PLATFORM, "heroku"),
    };
    counted(host, priority, line.at, app, &line.process, &line.text)
}

/// Logplex's message that lines were dropped.
pub(super) fn overflow(host: &str, at: Timestamp, dropped: u64, since: Timestamp) -> Vec<u8> {
    let messages = if dropped == 1 { "message" } else { "messages" };
    let text = format!(
        "Error L10 (output buffer overflow): {dropped} {messages} dropped since {}.",
        time(since)
    );
    counted(host, DRAIN, at, "heroku", "logplex", &text)
}

fn counted(
    host: &str,
    priority: u8,
    at: Timestamp,
    app: &str,
    process: &str,
    text: &str,
) -> Vec<u8> {
    let time = time(at);
    // A message is one line: what would end it within is made visible.
    let text = text.replace(['\n', '\r', '\0'], " ");
    let message = format!("<{priority}>1 {time} {host} {app} {process} - {text}\n");
    format!("{} {message}", message.len()).into_bytes()
}

/// The time with microseconds, as Logplex writes it.
fn time(at: Timestamp) -> String {
    let text = at.to_string();
    match text.strip_suffix('Z') {
        Some(millis) => format!("{millis}000+00:00"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(source: Source, process: &str, text: &str) -> Line {
        let at = "2012-11-30T06:45:29Z".parse().unwrap();
        Line { at, source, process: process.to_owned(), text: text.to_owned() }
    }

    fn shown(line: &Line) -> String {
        String::from_utf8(frame("host", line)).unwrap()
    }

    #[test]
    fn messages_are_logplexs() {
        let app = line(Source::App, "web.3", "State changed from starting to up");
        assert_eq!(
            shown(&app),
            "92 <190>1 2012-11-30T06:45:29.000000+00:00 host app web.3 - State changed from starting \
             to up\n"
        );
        let router = shown(&line(Source::Heroku, "router", "at=info"));
        assert!(
            router.contains("<158>1 ") && router.contains(" heroku router - at=info\n"),
            "{router}"
        );
        assert!(shown(&line(Source::Heroku, "web.1", "x")).contains("<45>1 "));
    }

    #[test]
    fn the_length_counts_bytes_and_no_line_ends_within() {
        let text = shown(&line(Source::App, "web.1", "日本\r\nx\0y"));
        let (length, message) = text.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), message.len());
        assert!(message.ends_with("- 日本  x y\n"), "{message:?}");
        assert_eq!(message.matches('\n').count(), 1);
    }

    #[test]
    fn what_was_dropped_is_told_as_logplex_tells_it() {
        let (at, since) =
            ("2012-11-30T06:45:29Z".parse().unwrap(), "2012-11-30T06:00:00Z".parse().unwrap());
        let text = String::from_utf8(overflow("host", at, 491, since)).unwrap();
        assert!(
            text.ends_with(
                " host heroku logplex - Error L10 (output buffer overflow): 491 messages dropped \
                 since 2012-11-30T06:00:00.000000+00:00.\n"
            ),
            "{text}"
        );
    }
}
