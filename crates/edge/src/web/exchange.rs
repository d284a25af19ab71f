//! One request: from the client's head to the dyno's, with every way in which that can fail.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version, request};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use model::DynoId;
use tokio::time::sleep_until;

use super::body::{DownBody, Download};
use super::code::Code;
use super::dyno::Lease;
use super::entry::Entry;
use super::head::{self, Copied};
use super::page;
use super::table::{App, Choice, find};
use super::upload::{Progress, UpBody, Upload};
use super::upstream::{Lost, Upstream};
use super::{Client, tunnel};

/// As many dynos are tried for one request.
const TRIES: usize = 5;
/// A request that must not be made twice takes no connection that the dyno may be about to close.
const SURELY_OPEN: Duration = Duration::from_secs(1);

/// Serves a request. What there is to know of its head is taken from it at once, before the
/// connection that it came over reads on.
pub fn serve(
    client: &Arc<Client>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<DownBody>, Infallible>> + use<> {
    let client = Arc::clone(client);
    let http2 = request.version() == Version::HTTP_2;
    let begun = Exchange::begin(&client, request);
    async move {
        let mut response = match begun {
            Ok(exchange) => exchange.run().await,
            Err(answer) => *answer,
        };
        let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if client.web.is_leaving() && !http2 && !upgraded {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// A request on its way. It is kept in a box, for hyper writes over all of a future's memory
/// with every request.
struct Exchange {
    client: Arc<Client>,
    entry: Box<Entry>,
    method: Method,
    uri: Uri,
    /// Its fields, unless a connection took them along.
    headers: Option<HeaderMap>,
    copied: Copied,
    upload: Option<Upload>,
    /// What the client's connection becomes if the dyno agrees.
    upgrade: Option<OnUpgrade>,
}

/// How one try ended.
enum Tried {
    Response(Response<Incoming>),
    /// The connection was dead before anything of the request can have been looked at.
    Again,
    Failed(Code),
}

impl Exchange {
    /// Begins one, unless the router answers itself.
    fn begin(
        client: &Arc<Client>,
        request: Request<Incoming>,
    ) -> Result<Box<Self>, Box<Response<DownBody>>> {
        let (mut parts, body) = request.into_parts();
        let authority = head::check(&parts).map_err(|why| Box::new(page::malformed(why)))?;
        let host = authority.host();
        let host = host.strip_suffix('.').unwrap_or(host);
        let app = find(client.scope.hosts(&client.web), host)
            .ok_or_else(|| Box::new(page::unknown_host()))?;
        let trusted = !client.scope.is_public() || app.view.load().trusts(client.address);
        if !trusted {
            let mut entry = Entry::new(app, client.secure, &parts, authority);
            entry.client = Some(client.marks.client.clone());
            entry.id = Some(head::new_id());
            return Err(Box::new(page::forbidden(Box::new(entry))));
        }
        let wanted = head::upgrade(&parts);
        let upgrade = wanted.as_ref().and_then(|_| parts.extensions.remove::<OnUpgrade>());
        let wanted = wanted.filter(|_| upgrade.is_some());
        let empty = body.is_end_stream();
        let sized = parts.headers.contains_key(header::CONTENT_LENGTH);
        let id = head::to_dyno(&mut parts, &authority, &client.marks, wanted, !empty && !sized);
        let copied = Copied::of(&mut parts);
        let mut entry = Entry::new(app, client.secure, &parts, authority);
        entry.id = Some(id);
        entry.client = parts.headers.get(&head::FORWARDED_FOR).cloned();
        let upload = (!empty).then(|| Upload::new(body, client.web.limits.replay_bytes));
        let request::Parts { method, uri, headers, .. } = parts;
        Ok(Box::new(Self {
            client: Arc::clone(client),
            entry: Box::new(entry),
            method,
            uri,
            headers: Some(headers),
            copied,
            upload,
            upgrade,
        }))
    }

    async fn run(mut self: Box<Self>) -> Response<DownBody> {
        match self.answer().await {
            Ok((response, upstream)) => self.respond(response, upstream),
            Err(code) => page::failed(code, self.entry),
        }
    }

    /// What one of the app's dynos says.
    async fn answer(&mut self) -> Result<(Response<Incoming>, Upstream), Code> {
        let mut tried = Vec::new();
        let mut last = None;
        let mut boot = None;
        loop {
            self.entry.lease = Some(self.choose(&tried, last, &mut boot).await?);
            match self.ask().await {
                Err(code @ (Code::H19 | Code::H21)) => {
                    self.entry.release();
                    tried.extend(self.entry.dyno().map(|dyno| dyno.id));
                    last = Some(code);
                }
                answered => return answered,
            }
        }
    }

    /// A dyno that was not tried. `last` is why the last one failed.
    async fn choose(
        &self,
        tried: &[DynoId],
        last: Option<Code>,
        boot: &mut Option<Instant>,
    ) -> Result<Lease, Code> {
        let app = &self.entry.app;
        match last {
            Some(code) if tried.len() >= TRIES => return Err(code),
            Some(_) | None => {}
        }
        let choice = app.view.load().choose(tried);
        match choice {
            Choice::Dyno(lease) => Ok(lease),
            Choice::Wait => {
                let limit = self.client.web.limits.boot;
                let boot = *boot.get_or_insert_with(|| Instant::now() + limit);
                Box::pin(wait(app, tried, last, boot)).await
            }
            Choice::Crashed => Err(last.unwrap_or(Code::H10)),
            Choice::Nothing => Err(last.unwrap_or(Code::H14)),
        }
    }

    /// Sends it to its dyno: over connections that were kept, and over a new one if those are
    /// dead.
    async fn ask(&mut self) -> Result<(Response<Incoming>, Upstream), Code> {
        while let Some(mut kept) = self.kept() {
            self.entry.connect = Some(Duration::ZERO);
            match self.over(&mut kept).await {
                Tried::Response(response) => return Ok((response, kept)),
                Tried::Again => {}
                Tried::Failed(code) => return Err(code),
            }
        }
        // Rare, and bigger than all the rest of a request.
        let mut upstream = Box::pin(self.connect()).await?;
        match self.over(&mut upstream).await {
            Tried::Response(response) => Ok((response, upstream)),
            Tried::Again => Err(Code::H13),
            Tried::Failed(code) => Err(code),
        }
    }

    /// Whether it may be made twice (RFC 9110 §9.2.2).
    fn is_idempotent(&self) -> bool {
        self.method.is_idempotent()
    }

    fn kept(&self) -> Option<Upstream> {
        let limits = &self.client.web.limits;
        let within = if self.is_idempotent() { limits.dyno_keep_alive } else { SURELY_OPEN };
        self.entry.dyno()?.take_kept(self.client.worker, within)
    }

    async fn connect(&mut self) -> Result<Upstream, Code> {
        let dyno = self.entry.dyno().ok_or(Code::H14)?;
        let exits = Arc::clone(&self.entry.app.view.load().exits);
        let began = Instant::now();
        let connected = self.client.web.connect(dyno.address, &exits).await;
        dyno.note(connected.is_err());
        self.entry.connect = Some(began.elapsed());
        connected
    }

    async fn over(&mut self, upstream: &mut Upstream) -> Tried {
        let began = Instant::now();
        self.entry.sent = Some(began);
        let sent = pin!(upstream.send(self.request()));
        match self.head(upstream, sent, began).await {
            Ok(response) => Tried::Response(response),
            Err(Failed::Late(code)) => Tried::Failed(code),
            Err(Failed::Lost(lost)) => {
                let Lost { error, request } = *lost;
                self.headers = request.map(|request| request.into_parts().0.headers);
                self.judge(&error, self.headers.is_some(), upstream.was_used())
            }
        }
    }

    fn request(&mut self) -> Request<UpBody> {
        let body = self.upload.clone().map_or(UpBody::Empty, UpBody::Shared);
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.take().unwrap_or_else(|| self.copied.headers());
        request
    }

    /// What the loss of a connection means for the request.
    fn judge(&self, error: &hyper::Error, unsent: bool, used: bool) -> Tried {
        match self.upload.as_ref().map(|upload| upload.progress().0) {
            Some(Progress::Broken) => return Tried::Failed(Code::H27),
            Some(Progress::Malformed) => return Tried::Failed(Code::H26),
            Some(Progress::AwaitsClient | Progress::AwaitsDyno | Progress::Done) | None => {}
        }
        if error.is_parse() {
            return Tried::Failed(Code::H17);
        }
        let whole = self.upload.as_ref().is_none_or(Upload::rewind);
        if used && whole && (unsent || self.is_idempotent()) {
            return Tried::Again;
        }
        Tried::Failed(Code::H13)
    }

    /// Moves the connection along until the dyno's head is there, or it is too late.
    async fn head(
        &self,
        upstream: &mut Upstream,
        mut sent: Pin<&mut impl Future<Output = Result<Response<Incoming>, Lost>>>,
        began: Instant,
    ) -> Result<Response<Incoming>, Failed> {
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
            Some((
                Progress::AwaitsDyno | Progress::Done | Progress::Broken | Progress::Malformed,
                since,
            )) => (since.max(began) + limits.first_byte, Code::H12),
        }
    }

    /// Makes a dyno's response one for the client.
    fn respond(
        mut self: Box<Self>,
        mut response: Response<Incoming>,
        upstream: Upstream,
    ) -> Response<DownBody> {
        self.entry.status = response.status().as_u16();
        let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let hidden = response.headers().get(header::UPGRADE).is_some_and(head::names_http2);
        head::to_client(response.headers_mut(), upgraded);
        let Self { client, entry, upgrade, .. } = *self;
        if upgraded {
            return match upgrade {
                Some(of_client) if !hidden => {
                    tunnel::open(&client, response, upstream, of_client, entry)
                }
                // Nobody asked for it.
                Some(_) | None => page::failed(Code::H17, entry),
            };
        }
        let (mut parts, incoming) = response.into_parts();
        let reason = parts.extensions.remove::<hyper::ext::ReasonPhrase>();
        parts.extensions.clear();
        if let Some(reason) = reason {
            parts.extensions.insert(reason);
        }
        let idle = client.web.limits.idle;
        let mut download = Download::new(incoming, upstream, client.worker, entry, idle);
        download.end_if_whole();
        Response::from_parts(parts, DownBody::Stream(Box::new(download)))
    }
}

/// Waits until a dyno that starts takes requests.
async fn wait(
    app: &App,
    tried: &[DynoId],
    last: Option<Code>,
    boot: Instant,
) -> Result<Lease, Code> {
    loop {
        // Listened to before it is looked at, so that no change is missed.
        let mut changed = pin!(app.changed.notified());
        changed.as_mut().enable();
        let choice = app.view.load().choose(tried);
        match choice {
            Choice::Dyno(lease) => return Ok(lease),
            Choice::Wait => tokio::select! {
                () = changed => {}
                () = sleep_until(boot.into()) => return Err(Code::H20),
            },
            Choice::Crashed => return Err(last.unwrap_or(Code::H10)),
            Choice::Nothing => return Err(last.unwrap_or(Code::H14)),
        }
    }
}

/// Why a dyno's head did not come.
enum Failed {
    Lost(Box<Lost>),
    Late(Code),
}
