//! Events that tell a page that it has changed.
//!
//! The page itself is made anew when the world has changed, and is compared: so a viewer hears of what
//! they see, and of nobody else's changes. A stream ends with its session.
//!
//! A page has the hash of itself, which its script hands back: so a change that came after the page was
//! made and before it listened is told at once.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use dashboard::Context;
use edge::Share;
use futures_util::stream;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::Instant;

use super::form::Form;
use super::place::Place;
use super::visit::Visit;
use crate::party::Party;

/// How often a page is looked at without a change of the world, as time changes it too; and how often
/// something is sent, to find out whether the client is still there.
const SILENCE: Duration = Duration::from_secs(15);
/// How soon after a look a page is looked at again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a client waits before it comes again, in milliseconds.
const RETRY: &str = "retry: 3000\n\n";

/// Tells a client that its page has changed.
const CHANGED: &str = "event: changed\ndata:\n\n";

/// Writes the hash of a page into it, for its script to hand back.
pub(super) fn with_hash(html: &str) -> String {
    let hash = hex::encode(hash(html));
    html.replacen("<body class=\"app\"", &format!("<body class=\"app\" data-seen=\"{hash}\""), 1)
}

fn hash(html: &str) -> [u8; 32] {
    Sha256::digest(html.as_bytes()).into()
}

/// Opens the stream of a page.
pub(super) async fn open(visit: Visit, query: &Form) -> Response {
    let path = query.get("page").unwrap_or_default().to_owned();
    let (page, asked) = path.split_once('?').unwrap_or((&path, ""));
    let (Some(place), true) = (Place::of(page, asked), visit.is_in()) else {
        let outside = !visit.is_in();
        let status = if outside { StatusCode::UNAUTHORIZED } else { StatusCode::NOT_FOUND };
        return status.into_response();
    };
    let Ok(share) = visit.dashboard.live.take([visit.party()]) else {
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "30")]).into_response();
    };
    let changed = visit.dashboard.state.ledger.watch();
    let ended = visit.dashboard.ended.watch();
    let watched = Watched {
        visit,
        path,
        place,
        changed,
        ended,
        seen: None,
        looked: None,
        is_stale: false,
        over: false,
        _share: share,
    };
    let Some((mut watched, seen)) = watched.looked_at().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    watched.seen = seen;
    let shown = query.get("seen");
    watched.is_stale =
        shown.is_some_and(|shown| watched.seen.map(hex::encode).as_deref() != Some(shown));
    let events = stream::unfold(watched, Watched::next);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // A proxy is to pass each event on at once.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(events)).into_response()
}

/// A page that is watched.
struct Watched {
    visit: Visit,
    path: String,
    place: Place,
    changed: watch::Receiver<u64>,
    ended: watch::Receiver<()>,
    /// The hash of the page as the client was last told of it.
    seen: Option<[u8; 32]>,
    /// When it was looked at; nothing before the first event.
    looked: Option<Instant>,
    /// Whether the client shows what was before the stream was opened.
    is_stale: bool,
    over: bool,
    _share: Share<Party>,
}

impl Watched {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.over {
            return None;
        }
        if self.looked.is_none() {
            self.looked = Some(Instant::now());
            let changed = if self.is_stale { CHANGED } else { "" };
            return Some((Ok(Bytes::from(format!("{RETRY}{changed}"))), self));
        }
        let closing = self.visit.dashboard.state.closing.clone();
        tokio::select! {
            () = closing.cancelled() => return None,
            changed = self.changed.changed() => {
                changed.ok()?;
                if let Some(looked) = self.looked {
                    tokio::select! {
                        () = closing.cancelled() => return None,
                        () = tokio::time::sleep_until(looked + PAUSE) => {}
                    }
                }
            }
            ended = self.ended.changed() => ended.ok()?,
            () = tokio::time::sleep(SILENCE) => {}
        }
        self.changed.mark_unchanged();
        self.looked = Some(Instant::now());
        let (mut watched, now) = self.looked_at().await?;
        let Some(now) = now else {
            watched.over = true;
            return Some((Ok(Bytes::from_static(b"event: ended\ndata:\n\n")), watched));
        };
        if watched.seen.replace(now) == Some(now) {
            return Some((Ok(Bytes::from_static(b":\n\n")), watched));
        }
        Some((Ok(Bytes::from_static(CHANGED.as_bytes())), watched))
    }

    /// The page with what [`Self::look`] finds, beside other requests if it takes its time; `None` if it
    /// cannot be made by a defect.
    async fn looked_at(self) -> Option<(Self, Option<[u8; 32]>)> {
        let (dashboard, takes_time) = (self.visit.dashboard.clone(), self.place.takes_time());
        let look = move || {
            let seen = self.look();
            (self, seen)
        };
        if takes_time { dashboard.aside(look).await } else { Some(look()) }
    }

    /// The hash of the page as it is; `None` once the session has ended.
    fn look(&self) -> Option<[u8; 32]> {
        let visit = &self.visit;
        let session = visit.session.as_ref()?;
        let (world, now) = (visit.dashboard.state.world(), visit.dashboard.state.clock.now());
        if visit.dashboard.ended.has(&session.id) {
            return None;
        }
        let viewer = session.viewer(&world, now)?;
        let of = Context { world: &world, viewer, now, path: &self.path, ..visit.context() };
        // What is gone looks like nothing, and coming back is a change.
        let page =
            self.place.render(&of, &visit.dashboard, None).and_then(Result::ok).unwrap_or_default();
        Some(hash(&page))
    }
}
