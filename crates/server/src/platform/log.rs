//! Logs of apps, as a stream of events (`heroku.md` §2.2).
//!
//! Whoever asks is told an address that nobody can guess, and that is good for a while: it holds
//! what was asked for, sealed, so that a client can come back to it after a restart of the server.
//! What is read there is put together from what dynos wrote, what routers served and what the
//! platform says.

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
use fabric::runtime::LogPlace;
use futures_util::stream;
use model::{App, Caller, Key, Timestamp, WorkloadId, World};
use serde_json::json;
use store::Secret;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::call::{Call, Outcome, created};
use super::failure::Failure;
use super::headers::RequestIds;
use super::identity::time;
use crate::clock::SystemIds;
use crate::logs::{Line, MOST_LINES, Session, Source};
use crate::state::{State, role_in};

const DEFAULT_LINES: i64 = 100;
/// How often what dynos wrote is looked at, at most. Looking may take half of the time.
const EVERY: Duration = Duration::from_millis(250);
/// How long a client hears nothing; a word of nothing finds out whether it is still there.
const SILENCE: Duration = Duration::from_secs(15);
/// How long a client that lost the server is to wait.
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
    let user = match call.caller {
        Caller::User(user) => Some(user),
        Caller::Operator | Caller::System | Caller::Account { .. } => None,
    };
    let session = Session {
        user,
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

/// What the key seals here, so that it is good for nothing else.
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

/// The route.
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
            super::respond(Err(failure), None, &HeaderMap::new(), &ids, None)
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
    let readers = Arc::clone(&state.hosting.log_readers);
    let permit = readers.try_acquire_owned().map_err(|_| {
        Failure::unavailable("Too many logs are being read. Try again when others are closed.")
    })?;
    let session = sealed.and_then(|sealed| unseal(&state.secret, sealed));
    let session = session
        .filter(|session| session.holds(state.clock.now()))
        .ok_or_else(|| Failure::not_found("log-session", "log session"))?;
    let seen = headers.get("last-event-id").and_then(|id| Place::read(id.to_str().ok()?));
    let changed = state.hosting.logs.watch();
    let reader = Reader::new(Arc::clone(state), session, seen);
    let place = seen.unwrap_or_default();
    let follow = Follow { reader: Some(reader), changed, begun: false, place, _permit: permit };
    let events = stream::unfold(follow, Follow::next);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

/// Somebody who reads. It is asked for more only after what it gave was taken.
struct Follow {
    /// Away while it reads; gone once there is nothing more to come.
    reader: Option<Reader>,
    changed: watch::Receiver<u64>,
    begun: bool,
    /// What was shown last.
    place: Place,
    _permit: OwnedSemaphorePermit,
}

impl Follow {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let mut reader = self.reader.take()?;
        let silent_since = Instant::now();
        let closing = reader.state.hosting.closing.clone();
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
            let over = !reader.session.tail || closing.is_cancelled() || !reader.may_read();
            if !lines.is_empty() || over || !self.begun {
                let text = self.write(&lines);
                self.reader = (!over).then_some(reader);
                return Some((Ok(text), self));
            }
            if silent_since.elapsed() >= SILENCE {
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

    /// Lines as events. The first one says at least that they will come.
    fn write(&mut self, lines: &[Line]) -> Bytes {
        let mut text = String::new();
        if !self.begun {
            self.begun = true;
            // How long to wait before coming back: a restart of the server takes less.
            text.push_str(&format!("retry: {}\n\n", RETRY.as_millis()));
        }
        for line in lines {
            self.place.pass(line.at);
            let id = self.place.show();
            for part in line.show() {
                text.push_str(&format!("id: {id}\ndata: {part}\n\n"));
            }
        }
        text.into()
    }
}

/// How far a log was shown: the time of the last line, and how many lines of that time. Clients
/// send it back as what they saw last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    millis: i64,
    lines: usize,
}

impl Place {
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

    /// Takes away what was shown before.
    fn skip(self, lines: &mut Vec<Line>) {
        let mut same = 0;
        lines.retain(|line| {
            same += usize::from(line.at.millis() == self.millis);
            line.at.millis() > self.millis || (line.at.millis() == self.millis && same > self.lines)
        });
    }
}

/// Reads an app's log, part by part.
struct Reader {
    state: Arc<State>,
    session: Session,
    /// How far what each dyno wrote was read.
    places: BTreeMap<WorkloadId, Option<LogPlace>>,
    /// Those that ended, of which nothing more comes.
    done: BTreeSet<WorkloadId>,
    /// How far the platform's own lines were read.
    number: u64,
    /// The last line of the routers that was read.
    routed: Option<String>,
    /// What a client that comes back saw last.
    seen: Option<Place>,
    begun: bool,
}

impl Reader {
    fn new(state: Arc<State>, session: Session, seen: Option<Place>) -> Self {
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

    /// Whether whoever asked may still see the app.
    fn may_read(&self) -> bool {
        let world = self.state.world();
        let team = world.app(self.session.app).and_then(|app| world.team(app.team));
        let caller = self.session.user.map_or(Caller::Operator, Caller::User);
        team.is_some_and(|team| role_in(team, caller).is_some())
    }

    /// What is new since the last time; at the first, as many lines of the past as are wanted.
    fn read(&mut self) -> Vec<Line> {
        if !self.may_read() {
            return Vec::new();
        }
        let world = self.state.world();
        let mut lines = self.of_processes(&world);
        lines.extend(self.of_platform());
        lines.extend(self.of_routers());
        lines.sort_by_key(|line| line.at);
        if !self.begun {
            self.begun = true;
            match self.seen {
                Some(place) => place.skip(&mut lines),
                None => drop(lines.drain(..lines.len().saturating_sub(self.session.lines))),
            }
        }
        lines
    }

    /// What dynos wrote, and the app's data services.
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
        // Of what goes on, a line that has not ended is left for later.
        let whole = !self.session.tail || ended;
        // One that was never started has written nothing.
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
        let (lines, last) = self.state.hosting.logs.since(self.session.app, self.number);
        self.number = last;
        lines.into_iter().filter(|line| self.session.wants(line.source, &line.process)).collect()
    }

    fn of_routers(&mut self) -> Vec<Line> {
        const ROUTER: &str = "router";
        if !self.session.wants(Source::Heroku, ROUTER) {
            return Vec::new();
        }
        let tail = match self.state.hosting.router_log.tail(self.session.app, MOST_LINES) {
            Ok(tail) => tail,
            Err(error) => {
                tracing::warn!(app = %self.session.app, %error, "a router's log cannot be read");
                return Vec::new();
            }
        };
        // Every line has its request's id, so no two are alike.
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
