//! Logs of apps, as a stream of events (`heroku.md` §2.2).
//!
//! A client that asks for a log is told an address that nobody can guess and that is valid for a
//! while. It contains the encrypted session, so it works after a restart of the server, too. The
//! stream is merged from the output of dynos, the request log and the platform's own lines.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use edge::Share;
use fabric::runtime::LogPosition;
use futures_util::stream;
use model::{App, Key, Timestamp, WorkloadId, World};
use serde_json::json;
use store::Secret;
use tokio::sync::watch;
use tokio::time::Instant;

use super::call::{Call, Outcome, created};
use super::failure::Failure;
use super::headers::RequestIds;
use super::identity::time;
use super::respond::respond;
use crate::apps::grant::Grant;
use crate::apps::logs::{Line, MOST_LINES, Session, Source};
use crate::clock::SystemIds;
use crate::http::state::State;
use crate::party::Party;

const DEFAULT_LINES: i64 = 100;
/// How often the output of dynos is read, at most. Reading may take half of the time.
const EVERY: Duration = Duration::from_millis(250);
/// How often an empty event is sent if there are no lines, to find out whether the client is still
/// there.
const SILENCE: Duration = Duration::from_secs(15);
/// How long a client waits before it reconnects.
const RETRY: Duration = Duration::from_secs(5);

pub(super) fn start(call: &Call, app: &Arc<App>) -> Outcome {
    let body = &call.body;
    let source = match body.text("source")? {
        None => None,
        Some("app") => Some(Source::App),
        Some("heroku") => Some(Source::Heroku),
        Some(other) => {
            return Err(Failure::invalid(format!(
                "Invalid value for `source`: '{other}' is neither app nor heroku."
            )));
        }
    };
    let lines = body.integer("lines")?.unwrap_or(DEFAULT_LINES);
    let lines = usize::try_from(lines).map_err(|_| {
        Failure::invalid("Invalid value for `lines`: it must be a number of lines.")
    })?;
    let session = Session {
        grant: Grant::of(call.caller, call.token.as_ref()),
        app: app.id,
        lines: lines.min(MOST_LINES),
        tail: body.flag("tail")?.unwrap_or(false),
        source,
        process: body.text("dyno")?.or(body.text("type")?).map(str::to_owned),
        made: call.state.clock.now(),
    };
    let made = session.made;
    let url = format!("{}/_logs/{}", call.base, seal(&call.state.secret, &session)?);
    let id = uuid::Uuid::from_u128(model::IdSource::next_bits(&mut SystemIds));
    created(json!({
        "id": id, "logplex_url": url, "created_at": time(made), "updated_at": time(made),
    }))
}

/// The context of the encryption, so that the text is not valid for anything else.
const SEALED_FOR: &[u8] = b"log session";

fn seal(secret: &Secret, session: &Session) -> Result<String, Failure> {
    let text = serde_json::to_vec(session).map_err(|_| Failure::internal())?;
    let sealed = secret.seal(&text, SEALED_FOR).map_err(|_| Failure::internal())?;
    Ok(BASE64.encode(sealed))
}

fn unseal(secret: &Secret, sealed: &str) -> Option<Session> {
    let text = secret.open(&BASE64.decode(sealed).ok()?, SEALED_FOR).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The route of log streams.
pub(super) fn router(state: Arc<State>) -> Router {
    let read = move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
        std::future::ready(read(&state, params, &request))
    };
    Router::new().route("/_logs/{session}", get(read))
}

fn read(
    state: &Arc<State>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: &Request,
) -> Response {
    match open(state, params, request.headers()) {
        Ok(stream) => stream,
        Err(failure) => {
            let ids = RequestIds::new(&mut SystemIds, request.headers());
            respond(Err(failure), None, &HeaderMap::new(), &ids, None)
        }
    }
}

fn open(
    state: &Arc<State>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let params = params.ok();
    let sealed = params.as_ref().and_then(|params| Some(params.iter().next()?.1));
    let session = sealed.and_then(|sealed| unseal(&state.secret, sealed));
    let session = session
        .filter(|session| session.holds(state.clock.now()))
        .ok_or_else(|| Failure::not_found("log-session", "log session"))?;
    let world = state.world();
    let app =
        world.app(session.app).filter(|app| session.grant.holds(&world, app, state.clock.now()));
    let app = app.ok_or_else(|| Failure::not_found("log-session", "log session"))?;
    let share = state.log_readers.take(session.grant.parties(app));
    let share_of_readers = share.map_err(|why| Failure::no_share(why, "log readers"))?;
    let seen = headers.get("last-event-id").and_then(|id| Position::read(id.to_str().ok()?));
    let changed = state.logs.watch();
    let reader = Reader::new(Arc::clone(state), session, seen);
    let position = seen.unwrap_or_default();
    let form = Form::wanted(headers);
    let follow = Follow {
        reader: Some(reader),
        changed,
        form,
        begun: false,
        position,
        _share_of_readers: share_of_readers,
    };
    let events = stream::unfold(follow, Follow::next);
    let headers = [
        (header::CONTENT_TYPE, form.content_type()),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

/// The format of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Server-sent events, for clients that can resume.
    Events,
    /// Plain lines, as Heroku's clients for Python and Node read them.
    Plain,
}

impl Form {
    /// Events if the client accepts them by name, else plain lines.
    fn wanted(headers: &HeaderMap) -> Self {
        let accepted =
            headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut media = accepted.flat_map(|value| value.split(','));
        let events = media.any(|item| {
            let name = item.split(';').next().unwrap_or_default().trim();
            name.eq_ignore_ascii_case("text/event-stream")
        });
        if events { Self::Events } else { Self::Plain }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Plain => "text/plain; charset=utf-8",
        }
    }
}

/// A reader of a stream, which reads more only after the client took what it has.
struct Follow {
    /// `None` while it reads on another thread, and at the end of the stream.
    reader: Option<Reader>,
    changed: watch::Receiver<u64>,
    form: Form,
    begun: bool,
    /// The position after the last line that was sent.
    position: Position,
    _share_of_readers: Share<Party>,
}

impl Follow {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let mut reader = self.reader.take()?;
        let silent_since = Instant::now();
        let closing = reader.state.closing.clone();
        loop {
            let started = Instant::now();
            self.changed.mark_unchanged();
            let lines;
            (lines, reader) = tokio::task::spawn_blocking(move || {
                let lines = reader.read();
                (lines, reader)
            })
            .await
            .ok()?;
            let held = reader.session.holds(reader.state.clock.now()) && reader.may_read();
            let over = !reader.session.tail || closing.is_cancelled() || !held;
            if !lines.is_empty() || over || !self.begun {
                let text = self.write(&lines);
                self.reader = (!over).then_some(reader);
                return Some((Ok(text), self));
            }
            if self.form == Form::Events && silent_since.elapsed() >= SILENCE {
                self.reader = Some(reader);
                return Some((Ok(Bytes::from_static(b":\n\n")), self));
            }
            let pause = EVERY.max(started.elapsed());
            tokio::select! {
                () = closing.cancelled() => {}
                _ = self.changed.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Formats lines for the client. The first event is sent even without lines.
    fn write(&mut self, lines: &[Line]) -> Bytes {
        let mut text = String::new();
        if !self.begun {
            self.begun = true;
            if self.form == Form::Events {
                // A restart of the server takes less time than this.
                text.push_str(&format!("retry: {}\n\n", RETRY.as_millis()));
            }
        }
        for line in lines {
            self.position.pass(line.at);
            let id = self.position.show();
            let line = line.show();
            match self.form {
                Form::Events => text.push_str(&format!("id: {id}\ndata: {line}\n\n")),
                Form::Plain => text.push_str(&format!("{line}\n")),
            }
        }
        text.into()
    }
}

/// A position in a log: the time of the last line, and how many lines of that time were sent.
/// Clients send it back to resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Position {
    millis: i64,
    lines: usize,
}

impl Position {
    fn read(id: &str) -> Option<Self> {
        let (millis, lines) = id.split_once('-')?;
        Some(Self { millis: millis.parse().ok()?, lines: lines.parse().ok()? })
    }

    fn show(self) -> String {
        format!("{}-{}", self.millis, self.lines)
    }

    fn pass(&mut self, at: Timestamp) {
        let lines = if at.millis() == self.millis { self.lines + 1 } else { 1 };
        *self = Self { millis: at.millis(), lines };
    }

    /// Removes the lines before the position.
    fn skip(self, lines: &mut Vec<Line>) {
        let mut same = 0;
        lines.retain(|line| {
            same += usize::from(line.at.millis() == self.millis);
            line.at.millis() > self.millis || (line.at.millis() == self.millis && same > self.lines)
        });
    }
}

/// Reads an app's log in parts.
struct Reader {
    state: Arc<State>,
    session: Session,
    /// The position in the output of each workload.
    places: BTreeMap<WorkloadId, Option<LogPosition>>,
    /// Workloads that have ended and were read to the end.
    done: BTreeSet<WorkloadId>,
    /// The number of the last of the platform's lines that was read.
    number: u64,
    /// The last line of the request log that was read.
    routed: Option<String>,
    /// The position from which a client resumes.
    seen: Option<Position>,
    begun: bool,
}

impl Reader {
    fn new(state: Arc<State>, session: Session, seen: Option<Position>) -> Self {
        Self {
            state,
            session,
            places: BTreeMap::new(),
            done: BTreeSet::new(),
            number: 0,
            routed: None,
            seen,
            begun: false,
        }
    }

    /// Whether the session's user may still read the log.
    fn may_read(&self) -> bool {
        let world = self.state.world();
        let app = world.app(self.session.app);
        app.is_some_and(|app| self.session.grant.holds(&world, app, self.state.clock.now()))
    }

    /// The lines since the last call. The first call returns as many past lines as the session asks
    /// for.
    fn read(&mut self) -> Vec<Line> {
        if !self.may_read() {
            return Vec::new();
        }
        let world = self.state.world();
        let mut lines = self.of_processes(&world);
        lines.extend(self.of_platform());
        lines.extend(self.of_routers());
        lines.sort_by_key(|line| line.at);
        let mut lines: Vec<Line> = lines.into_iter().flat_map(Line::parts).collect();
        if !self.begun {
            self.begun = true;
            match self.seen {
                Some(position) => position.skip(&mut lines),
                None => drop(lines.drain(..lines.len().saturating_sub(self.session.lines))),
            }
        }
        lines
    }

    /// The output of dynos and of the app's data services.
    fn of_processes(&mut self, world: &World) -> Vec<Line> {
        let app = Key::App(self.session.app);
        let dynos = world.dynos_in(app);
        let dynos = dynos.map(|d| (WorkloadId::Dyno(d.id), d.name.as_str(), d.state.ended()));
        let addons = world.addons_of(app);
        let addons = addons.map(|a| (WorkloadId::Service(a.id), a.name.as_str(), false));
        let mut lines = Vec::new();
        for (id, name, ended) in dynos.chain(addons) {
            if self.session.wants(Source::App, name) && !self.done.contains(&id) {
                self.read_process(id, name, ended, &mut lines);
            }
        }
        lines
    }

    fn read_process(&mut self, id: WorkloadId, name: &str, ended: bool, lines: &mut Vec<Line>) {
        let from = self.places.get(&id).copied().flatten();
        // While a process runs, an incomplete last line is left for later.
        let whole = !self.session.tail || ended;
        // A process that was never started has no output.
        let Ok(part) = self.state.console.lines(id, from, whole) else { return };
        if ended {
            self.done.insert(id);
        }
        self.places.insert(id, part.next);
        let most = if self.seen.is_some() { MOST_LINES } else { self.session.lines };
        let skip = if self.begun { 0 } else { part.lines.len().saturating_sub(most) };
        lines.extend(part.lines.into_iter().skip(skip).map(|line| Line {
            at: line.at,
            source: Source::App,
            process: name.to_owned(),
            text: String::from_utf8_lossy(&line.text).into_owned(),
        }));
    }

    fn of_platform(&mut self) -> Vec<Line> {
        let (lines, last) = self.state.logs.since(self.session.app, self.number);
        self.number = last;
        lines.into_iter().filter(|line| self.session.wants(line.source, &line.process)).collect()
    }

    fn of_routers(&mut self) -> Vec<Line> {
        const ROUTER: &str = "router";
        if !self.session.wants(Source::Heroku, ROUTER) {
            return Vec::new();
        }
        let tail = match self.state.router_log.tail(self.session.app, MOST_LINES) {
            Ok(tail) => tail,
            Err(error) => {
                tracing::warn!(app = %self.session.app, %error, "a router's log cannot be read");
                return Vec::new();
            }
        };
        // Every line contains its request's id, so no two are equal.
        let known = self.routed.as_ref().and_then(|last| tail.iter().rposition(|l| l == last));
        let new = &tail[known.map_or(0, |at| at + 1)..];
        if let Some(last) = new.last() {
            self.routed = Some(last.clone());
        }
        let read = |line: &String| {
            let (at, text) = line.split_once(' ')?;
            let at: Timestamp = at.parse().ok()?;
            let text = text.strip_prefix("router: ").unwrap_or(text).to_owned();
            Some(Line { at, source: Source::Heroku, process: ROUTER.to_owned(), text })
        };
        new.iter().filter_map(read).collect()
    }
}
