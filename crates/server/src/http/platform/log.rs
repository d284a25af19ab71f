//! Logs of apps, as a stream of events (`heroku.md` §2.2).
//!
//! A client that asks for a log is told an address that nobody can guess and that is valid for a
//! while. It contains the encrypted session, so it works after a restart of the server, too. The
//! stream is merged from the output of dynos, the request log and the platform's own lines.

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
use futures_util::stream;
use model::{App, Need};
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
use crate::apps::log_reader::{Position, Reader};
use crate::apps::logs::{Line, MOST_LINES, Session, Source, Wanted};
use crate::clock::SystemIds;
use crate::http::state::State;
use crate::party::Party;

const DEFAULT_LINES: i64 = 100;
/// What the token needs by which a log is read.
const NEED: Need = Need::Read;
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
        wanted: Wanted {
            app: app.id,
            lines: lines.min(MOST_LINES),
            tail: body.flag("tail")?.unwrap_or(false),
            source,
            process: body.text("dyno")?.or(body.text("type")?).map(str::to_owned),
        },
        made: call.state.clock.now(),
    };
    let made = session.made;
    let url = format!("{}/_logs/{}", call.base_of_files(), seal(&call.state.secret, &session)?);
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
    let app = world.app(session.wanted.app);
    let app = app.filter(|app| session.grant.holds(&world, app, NEED, state.clock.now()));
    let app = app.ok_or_else(|| Failure::not_found("log-session", "log session"))?;
    let share = state.log_readers.take(session.grant.parties(app));
    let share_of_readers = share.map_err(|why| Failure::no_share(why, "log readers"))?;
    let seen = headers.get("last-event-id").and_then(|id| Position::read(id.to_str().ok()?));
    let changed = state.logs.watch();
    let reader = Reader::new(state.log_sources(), session.wanted.clone(), seen);
    let position = seen.unwrap_or_default();
    let form = Form::wanted(headers);
    let follow = Follow {
        state: Arc::clone(state),
        session,
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
    state: Arc<State>,
    session: Session,
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
    /// Whether the session's user may still read the log.
    fn may_read(&self) -> bool {
        let world = self.state.world();
        let app = world.app(self.session.wanted.app);
        app.is_some_and(|app| self.session.grant.holds(&world, app, NEED, self.state.clock.now()))
    }

    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let mut reader = self.reader.take()?;
        let silent_since = Instant::now();
        let closing = self.state.closing.clone();
        loop {
            let started = Instant::now();
            self.changed.mark_unchanged();
            let lines;
            let may_read = self.may_read();
            (lines, reader) = tokio::task::spawn_blocking(move || {
                let lines = if may_read { reader.read() } else { Vec::new() };
                (lines, reader)
            })
            .await
            .ok()?;
            let held = self.session.holds(self.state.clock.now()) && self.may_read();
            let over = !self.session.wanted.tail || closing.is_cancelled() || !held;
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
