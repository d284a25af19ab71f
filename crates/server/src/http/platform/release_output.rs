//! The output of release commands, at the `output_stream_url` of a release.
//!
//! Clients read this address without a token, as on Heroku, so it contains the grant, signed with
//! the installation's key. The same client always gets the same address, so an unchanged release is
//! shown unchanged.

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
use model::{App, Dyno, Need, Release, ReleaseId, ReleaseStatus, WorkloadId, World};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use super::call::Call;
use super::failure::Failure;
use super::headers::RequestIds;
use super::respond::respond;
use crate::apps::grant::Grant;
use crate::clock::SystemIds;
use crate::http::state::State;
use crate::party::Party;

/// What the token needs by which output is read, as for releases.
const NEED: Need = Need::ReadProtected;
/// How often the output is read, at most.
const EVERY: Duration = Duration::from_millis(250);

/// The address of a release's output. `None` if the release has no command or its output is gone.
pub(super) fn address(call: &Call, world: &World, release: &Release) -> Option<String> {
    let kept = || release.command.is_some_and(|id| world.dyno(id).is_some());
    let slug = || world.slug(release.slug?);
    let awaited = || {
        release.status == ReleaseStatus::Pending
            && slug().is_some_and(|slug| slug.process_types.contains_key(Dyno::RELEASE))
    };
    if !kept() && !awaited() {
        return None;
    }
    let (id, grant) = (release.id, Grant::of(call.caller, call.token.as_ref()).text());
    let signature = signature(&call.state, id, &grant);
    let grant = BASE64.encode(grant);
    let base = call.base_of_files();
    Some(format!("{base}/_releases/{id}?grant={grant}&signature={signature}"))
}

fn signature(state: &State, release: ReleaseId, grant: &str) -> String {
    hex::encode(state.secret.derive("release-output", &format!("{release} {grant}")))
}

/// The route of release outputs.
pub(super) fn router(state: Arc<State>) -> Router {
    let read = move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
        std::future::ready(read(&state, params, &request))
    };
    Router::new().route("/_releases/{release}", get(read))
}

fn read(
    state: &Arc<State>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: &Request,
) -> Response {
    let named = params.ok().and_then(|params| params.iter().next()?.1.parse().ok());
    match open(state, named, request.uri().query().unwrap_or_default()) {
        Ok(stream) => stream,
        Err(failure) => {
            let ids = RequestIds::new(&mut SystemIds, request.headers());
            respond(Err(failure), None, &HeaderMap::new(), &ids, None)
        }
    }
}

fn open(state: &Arc<State>, named: Option<ReleaseId>, query: &str) -> Result<Response, Failure> {
    let unknown = || Failure::not_found("release-output", "release output");
    let release = named.ok_or_else(unknown)?;
    let field = |name| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let grant = field("grant").and_then(|text| BASE64.decode(text).ok());
    let grant = grant.and_then(|text| String::from_utf8(text).ok()).ok_or_else(unknown)?;
    let expected = signature(state, release, &grant);
    let given = field("signature").unwrap_or_default();
    if !bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
        return Err(unknown());
    }
    let grant: Grant = serde_json::from_str(&grant).map_err(|_| unknown())?;
    let changed = state.logs.watch();
    let output = Output { state: Arc::clone(state), release, grant, from: None, over: false };
    // Clients understand a 404 as a command that has not begun.
    let (app, _) = output.dyno().ok_or_else(unknown)?;
    let share = state.log_readers.take(output.grant.parties(&app));
    let share = share.map_err(|why| Failure::no_share(why, "log readers"))?;
    let follow = Follow { output: Some(output), changed, _share: share };
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, Body::from_stream(stream::unfold(follow, Follow::next))).into_response())
}

/// A reader of a stream, which reads more only after the client took what it has.
struct Follow {
    /// `None` while it reads on another thread, and at the end of the stream.
    output: Option<Output>,
    changed: watch::Receiver<u64>,
    _share: Share<Party>,
}

impl Follow {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let mut output = self.output.take()?;
        let closing = output.state.closing.clone();
        loop {
            self.changed.mark_unchanged();
            let text;
            (text, output) = tokio::task::spawn_blocking(move || {
                let text = output.read();
                (text, output)
            })
            .await
            .ok()?;
            let over = output.over || closing.is_cancelled();
            if !text.is_empty() || over {
                self.output = (!over).then_some(output);
                return Some((Ok(text.into()), self));
            }
            tokio::select! {
                () = closing.cancelled() => {}
                _ = self.changed.changed() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}

/// Reads the output of a release command from the beginning to the end.
struct Output {
    state: Arc<State>,
    release: ReleaseId,
    grant: Grant,
    /// The position in the output.
    from: Option<LogPosition>,
    over: bool,
}

impl Output {
    /// The app and the dyno that runs the command, if the client may still see them.
    fn dyno(&self) -> Option<(Arc<App>, Arc<Dyno>)> {
        let world = self.state.world();
        let release = world.release(self.release)?;
        let app = world
            .app(release.app)
            .filter(|app| self.grant.holds(&world, app, NEED, self.state.clock.now()))?;
        Some((Arc::clone(app), world.dyno(release.command?).cloned()?))
    }

    /// The output since the last call.
    fn read(&mut self) -> Vec<u8> {
        let Some((_, dyno)) = self.dyno() else {
            self.over = true;
            return Vec::new();
        };
        // The output of a dyno that has ended is complete.
        self.over = dyno.state.ended();
        let id = WorkloadId::Dyno(dyno.id);
        let part = match self.state.console.lines(id, self.from, self.over) {
            Ok(part) => part,
            Err(error) if self.over && error.kind() != std::io::ErrorKind::NotFound => {
                return format!("causeway: the rest of the output is missing: {error}\n")
                    .into_bytes();
            }
            // A dyno that was not started yet has no output, and the host of one that runs may come back.
            Err(_) => return Vec::new(),
        };
        self.from = part.next;
        part.lines.into_iter().flat_map(|line| [line.text, b"\n".to_vec()].concat()).collect()
    }
}
