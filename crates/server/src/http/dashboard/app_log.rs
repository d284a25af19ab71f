//! The log of an app: its last lines for a page, and a stream of those that follow.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use dashboard::LogLine;
use edge::Share;
use futures_util::stream;
use model::App;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::app_place::find;
use super::form::Form;
use super::visit::Visit;
use crate::apps::log_reader::{Position, Reader};
use crate::apps::logs::{Line, MOST_LINES, Wanted};
use crate::party::Party;

/// The most lines of a page, and the most bytes of them: more come by the command.
const LINES: usize = 200;
const BYTES: usize = 48 << 10;
/// How often the output of dynos is read, at most. Reading may take half of the time.
const EVERY: Duration = Duration::from_millis(250);
/// How often something is sent if there are no lines, to find out whether the client is still there.
const SILENCE: Duration = Duration::from_secs(15);
/// How long a client waits before it comes again, in milliseconds.
const RETRY: &str = "retry: 3000\n\n";

/// The last lines of an app's log.
#[derive(Default)]
pub(super) struct Recent {
    pub(super) lines: Vec<LogLine>,
    /// The place after the last line.
    pub(super) position: String,
    /// Whether too many read logs, so that this one was not read.
    pub(super) is_busy: bool,
}

/// The last lines of an app's log, of one dyno or process type, and with a text in them.
pub(super) async fn recent(visit: &Visit, app: &App, process: Option<&str>, text: &str) -> Recent {
    let busy = Recent { is_busy: true, ..Recent::default() };
    let state = &visit.dashboard.state;
    let Ok(_share) = state.log_readers.take(Party::in_team(visit.viewer.user, app.team)) else {
        return busy;
    };
    let mut reader = Reader::new(state.log_sources(), wanted(app, process), None);
    let Ok(lines) = tokio::task::spawn_blocking(move || reader.read()).await else { return busy };
    let mut position = Position::default();
    lines.iter().for_each(|line| position.pass(line.at));
    let mut left = BYTES;
    let matching = lines.into_iter().rev().filter(|line| line.text.contains(text));
    let kept = matching.take(LINES).take_while(|line| {
        let fits = line.text.len() <= left;
        left = left.saturating_sub(line.text.len());
        fits
    });
    let mut lines: Vec<LogLine> = kept.map(shown).collect();
    lines.reverse();
    Recent { lines, position: position.show(), is_busy: false }
}

fn wanted(app: &App, process: Option<&str>) -> Wanted {
    Wanted {
        app: app.id,
        lines: MOST_LINES,
        tail: true,
        source: None,
        process: process.map(str::to_owned),
    }
}

/// A line as pages show it: without control characters, which some terminals would obey.
fn shown(line: Line) -> LogLine {
    let plain = |c: char| if c.is_control() && c != '\t' { ' ' } else { c };
    LogLine { at: line.at, process: line.process, text: line.text.chars().map(plain).collect() }
}

/// The space and the app whose log lies at an address.
pub(super) fn place(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(dashboard::HOME_PATH)?;
    let mut parts = rest.split('/').skip(1);
    match [(); 6].map(|()| parts.next()) {
        [Some("spaces"), Some(space), Some("apps"), Some(app), Some("log"), None] => {
            Some((space, app))
        }
        _ => None,
    }
}

/// Opens the stream of an app's log.
pub(super) fn open(
    visit: Visit,
    (space, app): (&str, &str),
    query: &Form,
    headers: &HeaderMap,
) -> Response {
    if !visit.is_in() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Some((_, found)) = find(&visit.world, visit.viewer, space, app) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let state = &visit.dashboard.state;
    let Ok(share) = state.log_readers.take(Party::in_team(visit.viewer.user, found.team)) else {
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "30")]).into_response();
    };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let seen = last.or(query.get("from")).and_then(Position::read);
    let wanted = wanted(found, query.get("dyno"));
    let follow = Follow {
        reader: Some(Reader::new(state.log_sources(), wanted, seen)),
        changed: state.logs.watch(),
        ended: visit.dashboard.ended.watch(),
        space: space.to_owned(),
        app: app.to_owned(),
        find: query.get("find").unwrap_or_default().to_owned(),
        position: seen.unwrap_or_default(),
        begun: false,
        visit,
        _share: share,
    };
    let events = stream::unfold(follow, Follow::next);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // A proxy is to pass each event on at once.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(events)).into_response()
}

/// A log that is followed.
struct Follow {
    visit: Visit,
    space: String,
    app: String,
    /// `None` while it reads on another thread, and at the end of the stream.
    reader: Option<Reader>,
    changed: watch::Receiver<u64>,
    ended: watch::Receiver<()>,
    /// What all lines that are sent have in them.
    find: String,
    /// The position after the last line that was read.
    position: Position,
    begun: bool,
    _share: Share<Party>,
}

impl Follow {
    /// Whether the session may still read the log.
    fn may_read(&self) -> bool {
        let Some(session) = &self.visit.session else { return false };
        let dashboard = &self.visit.dashboard;
        let (world, now) = (dashboard.state.world(), dashboard.state.clock.now());
        let viewer = session.viewer(&world, now).filter(|_| !dashboard.ended.has(&session.id));
        viewer.is_some_and(|viewer| find(&world, viewer, &self.space, &self.app).is_some())
    }

    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let mut reader = self.reader.take()?;
        if !self.begun {
            self.begun = true;
            self.reader = Some(reader);
            return Some((Ok(Bytes::from_static(RETRY.as_bytes())), self));
        }
        let silent_since = Instant::now();
        let closing = self.visit.dashboard.state.closing.clone();
        loop {
            let started = Instant::now();
            self.changed.mark_unchanged();
            if closing.is_cancelled() {
                return None;
            }
            if !self.may_read() {
                return Some((Ok(Bytes::from_static(b"event: ended\ndata:\n\n")), self));
            }
            let lines;
            (lines, reader) = tokio::task::spawn_blocking(move || {
                let lines = reader.read();
                (lines, reader)
            })
            .await
            .ok()?;
            if let Some(event) = self.write(lines) {
                self.reader = Some(reader);
                return Some((Ok(event), self));
            }
            if silent_since.elapsed() >= SILENCE {
                self.reader = Some(reader);
                return Some((Ok(Bytes::from_static(b":\n\n")), self));
            }
            let pause = EVERY.max(started.elapsed());
            tokio::select! {
                () = closing.cancelled() => {}
                _ = self.changed.changed() => {}
                _ = self.ended.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The event of these lines; `None` if none of them is wanted.
    fn write(&mut self, lines: Vec<Line>) -> Option<Bytes> {
        lines.iter().for_each(|line| self.position.pass(line.at));
        let matching = lines.into_iter().filter(|line| line.text.contains(&self.find));
        let lines: Vec<_> = matching
            .map(shown)
            .map(|line| {
                json!({
                    "exact": line.exact(), "time": line.time(), "process": line.process,
                    "text": line.text,
                })
            })
            .collect();
        if lines.is_empty() {
            return None;
        }
        let data = serde_json::Value::from(lines);
        Some(format!("id: {}\ndata: {data}\n\n", self.position.show()).into())
    }
}
