//! One request: from the client's head to the dyno's, with every way in which that can fail.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::{self, HeaderValue};
use http::uri::Authority;
use http::{Request, Response, StatusCode, Version, request};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::{Sleep, sleep};

use super::body::{DownBody, Download};
use super::code::Code;
use super::dyno::Lease;
use super::entry::Entry;
use super::head;
use super::page;
use super::table::{App, Choice, find};
use super::upload::{Progress, UpBody, Upload};
use super::upstream::{Lost, Upstream};
use super::{Client, tunnel};

/// As many dynos are tried for one request.
const TRIES: usize = 5;
/// A request that must not be made twice takes no connection that the dyno may be about to close.
const SURELY_OPEN: Duration = Duration::from_secs(1);

/// Serves a request.
pub async fn serve(
    client: Arc<Client>,
    request: Request<Incoming>,
) -> Result<Response<DownBody>, Infallible> {
    let (parts, body) = request.into_parts();
    let http2 = parts.version == Version::HTTP_2;
    let mut response = match head::check(&parts) {
        Ok(authority) => route(&client, parts, body, authority).await,
        Err(why) => page::malformed(why),
    };
    if client.web.is_leaving() && !http2 && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn route(
    client: &Arc<Client>,
    parts: request::Parts,
    body: Incoming,
    authority: Authority,
) -> Response<DownBody> {
    let host = authority.host();
    let Some(app) = find(client.scope.hosts(&client.web), host.strip_suffix('.').unwrap_or(host))
    else {
        return page::unknown_host();
    };
    let mut entry = Entry {
        log: Some(Arc::clone(&app.log)),
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        host: authority.clone(),
        id: None,
        client: None,
        secure: client.secure,
        dyno: None,
        connect: None,
        sent: None,
        status: 0,
        code: None,
        bytes: 0,
        ended: false,
    };
    if client.scope.is_public() && !app.view.load().trusts(client.address) {
        entry.client = Some(client.marks.client.clone());
        return page::forbidden(entry);
    }
    let exchange = Exchange::new(client, &app, parts, body, &authority, &mut entry);
    match exchange.run(&mut entry).await {
        Ok(done) => done.respond(entry).await,
        Err(code) => page::failed(code, entry),
    }
}

/// A request on its way.
struct Exchange<'a> {
    client: &'a Arc<Client>,
    app: &'a Arc<App>,
    parts: request::Parts,
    upload: Option<Upload>,
    /// What the client's connection becomes if the dyno agrees.
    upgrade: Option<OnUpgrade>,
    /// Whether it may be made twice (RFC 9110 §9.2.2).
    idempotent: bool,
}

/// A response that a dyno gave.
struct Done<'a> {
    client: &'a Arc<Client>,
    response: Response<Incoming>,
    upstream: Upstream,
    lease: Lease,
    upgrade: Option<OnUpgrade>,
}

/// How one try ended.
enum Tried {
    Response(Response<Incoming>),
    /// The connection was dead before anything of the request can have been looked at.
    Again,
    Failed(Code),
}

impl<'a> Exchange<'a> {
    fn new(
        client: &'a Arc<Client>,
        app: &'a Arc<App>,
        mut parts: request::Parts,
        body: Incoming,
        authority: &Authority,
        entry: &mut Entry,
    ) -> Self {
        let wanted = head::upgrade(&parts);
        let upgrade = wanted.as_ref().and_then(|_| parts.extensions.remove::<OnUpgrade>());
        let wanted = wanted.filter(|_| upgrade.is_some());
        let empty = body.is_end_stream();
        let sized = parts.headers.contains_key(header::CONTENT_LENGTH);
        let id = head::to_dyno(&mut parts, authority, &client.marks, wanted, !empty && !sized);
        entry.id = Some(id);
        entry.client = parts.headers.get("x-forwarded-for").cloned();
        parts.extensions.clear();
        let limits = &client.web.limits;
        Self {
            client,
            app,
            idempotent: parts.method.is_idempotent(),
            parts,
            upload: (!empty).then(|| Upload::new(body, limits.replay_bytes)),
            upgrade,
        }
    }

    async fn run(mut self, entry: &mut Entry) -> Result<Done<'a>, Code> {
        let mut tried = Vec::new();
        let mut last = None;
        let limits = &self.client.web.limits;
        let mut boot: Option<std::pin::Pin<Box<Sleep>>> = None;
        loop {
            // Listened to before it is looked at, so that no change is missed.
            let mut changed = pin!(self.app.changed.notified());
            changed.as_mut().enable();
            let choice = match last {
                Some(code) if tried.len() >= TRIES => return Err(code),
                Some(_) | None => self.app.view.load().choose(&tried),
            };
            let lease = match (choice, last) {
                (Choice::Dyno(lease), _) => lease,
                (Choice::Wait, _) => {
                    let boot = boot.get_or_insert_with(|| Box::pin(sleep(limits.boot)));
                    tokio::select! {
                        () = changed => continue,
                        () = boot => return Err(Code::H20),
                    }
                }
                (Choice::Crashed | Choice::Nothing, Some(code)) => return Err(code),
                (Choice::Crashed, None) => return Err(Code::H10),
                (Choice::Nothing, None) => return Err(Code::H14),
            };
            entry.dyno = Some(Arc::clone(lease.dyno()));
            match self.with(&lease, entry).await {
                Ok((response, upstream)) => {
                    let Self { client, upgrade, .. } = self;
                    return Ok(Done { client, response, upstream, lease, upgrade });
                }
                Err(code @ (Code::H19 | Code::H21)) => {
                    tried.push(lease.dyno().id);
                    last = Some(code);
                }
                Err(code) => return Err(code),
            }
        }
    }

    /// Sends it to one dyno: over connections that were kept, and over a new one if those are
    /// dead.
    async fn with(
        &mut self,
        lease: &Lease,
        entry: &mut Entry,
    ) -> Result<(Response<Incoming>, Upstream), Code> {
        let dyno = lease.dyno();
        let web = &self.client.web;
        let within = if self.idempotent { web.limits.dyno_keep_alive } else { SURELY_OPEN };
        while let Some(mut kept) = dyno.take_kept(self.client.worker, within) {
            if !kept.is_alive() {
                continue;
            }
            entry.connect = Some(Duration::ZERO);
            match self.over(&mut kept, entry).await {
                Tried::Response(response) => return Ok((response, kept)),
                Tried::Again => {}
                Tried::Failed(code) => return Err(code),
            }
        }
        let began = Instant::now();
        let connected = web.connect(dyno.address, &self.app.view.load().exits).await;
        entry.connect = Some(began.elapsed());
        dyno.note(connected.is_err());
        let mut upstream = connected?;
        match self.over(&mut upstream, entry).await {
            Tried::Response(response) => Ok((response, upstream)),
            Tried::Again => Err(Code::H13),
            Tried::Failed(code) => Err(code),
        }
    }

    async fn over(&mut self, upstream: &mut Upstream, entry: &mut Entry) -> Tried {
        let began = Instant::now();
        entry.sent = Some(began);
        let body = self.upload.clone().map_or(UpBody::Empty, UpBody::Shared);
        let mut request = Request::new(body);
        *request.method_mut() = self.parts.method.clone();
        *request.uri_mut() = self.parts.uri.clone();
        // On its first way out a request takes its fields along; whoever needs them again for
        // another try may be given them back.
        let again = upstream.was_used();
        *request.headers_mut() = if again {
            self.parts.headers.clone()
        } else {
            std::mem::take(&mut self.parts.headers)
        };
        match self.head(upstream, request, began).await {
            Ok(response) => Tried::Response(response),
            Err(Failed::Late(code)) => Tried::Failed(code),
            Err(Failed::Lost(lost)) => {
                let unsent = lost.request.is_some();
                if !again && let Some(request) = lost.request {
                    self.parts.headers = request.into_parts().0.headers;
                }
                self.judge(&lost.error, unsent, again)
            }
        }
    }

    /// What the loss of a connection means for the request.
    fn judge(&self, error: &hyper::Error, unsent: bool, used: bool) -> Tried {
        if let Some(upload) = &self.upload
            && upload.progress().0 == Progress::Broken
        {
            return Tried::Failed(Code::H27);
        }
        if error.is_parse() {
            return Tried::Failed(Code::H17);
        }
        let whole = self.upload.as_ref().is_none_or(Upload::rewind);
        if used && whole && (unsent || self.idempotent) {
            return Tried::Again;
        }
        Tried::Failed(Code::H13)
    }

    /// Moves the connection along until the dyno's head is there, or it is too late.
    async fn head(
        &self,
        upstream: &mut Upstream,
        request: Request<UpBody>,
        began: Instant,
    ) -> Result<Response<Incoming>, Failed> {
        let mut sent = pin!(upstream.send(request));
        poll_fn(|cx| {
            upstream.drive(cx);
            if let Poll::Ready(answered) = sent.as_mut().poll(cx) {
                return Poll::Ready(answered.map_err(|lost| Failed::Lost(Box::new(lost))));
            }
            let (deadline, code) = self.deadline(began);
            if upstream.is_late(cx, deadline) {
                return Poll::Ready(Err(Failed::Late(code)));
            }
            Poll::Pending
        })
        .await
    }

    /// Until when the dyno, or the client, may let us wait, and what it is if that is over.
    fn deadline(&self, began: Instant) -> (Instant, Code) {
        let limits = &self.client.web.limits;
        match self.upload.as_ref().map(Upload::progress) {
            None => (began + limits.first_byte, Code::H12),
            Some((Progress::AwaitsClient, since)) => (since + limits.idle, Code::H28),
            Some((Progress::AwaitsDyno | Progress::Done | Progress::Broken, since)) => {
                (since.max(began) + limits.first_byte, Code::H12)
            }
        }
    }
}

/// Why a dyno's head did not come.
enum Failed {
    Lost(Box<Lost>),
    Late(Code),
}

impl Done<'_> {
    async fn respond(self, mut entry: Entry) -> Response<DownBody> {
        let Self { client, mut response, upstream, lease, upgrade } = self;
        entry.status = response.status().as_u16();
        let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        head::to_client(response.headers_mut(), upgraded);
        if upgraded {
            return match upgrade {
                Some(of_client) => {
                    tunnel::open(client, response, upstream, of_client, lease, entry)
                }
                // Nobody asked for it.
                None => page::failed(Code::H17, entry),
            };
        }
        let idle = client.web.limits.idle;
        let (mut parts, incoming) = response.into_parts();
        let reason = parts.extensions.remove::<hyper::ext::ReasonPhrase>();
        parts.extensions.clear();
        if let Some(reason) = reason {
            parts.extensions.insert(reason);
        }
        let mut download = Download::new(incoming, upstream, lease, client.worker, entry, idle);
        poll_fn(|cx| {
            download.end_if_whole(cx);
            Poll::Ready(())
        })
        .await;
        Response::from_parts(parts, DownBody::Stream(Box::new(download)))
    }
}
