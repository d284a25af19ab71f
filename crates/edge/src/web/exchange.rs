//! One request: from the client's head to the head of the dyno's response, with every way in which that
//! can fail.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use model::DynoId;
use tokio::time::sleep_until;

use super::body::DownBody;
use super::code::Code;
use super::dyno::{Dyno, Lease};
use super::figures::WEB;
use super::head::{self, Framing};
use super::page;
use super::probe::until_heard;
use super::request_record::RequestRecord;
use super::table::{App, Choice, find};
use super::upload::{Progress, Upload};
use super::upstream::{Answer, Lost, Upstream};
use super::{Client, tunnel};
use crate::tasks::spawn_confined;

/// The number of dynos that are tried for one request.
const TRIES: usize = 5;
/// How long ago a connection was used that a request may take which must not be made twice: the dyno
/// might be about to close an older one.
const SURELY_OPEN: Duration = Duration::from_secs(1);

/// Serves a request. Its head is copied before this returns, so that the client's connection can use
/// the memory of the head to read on.
pub(crate) fn serve(
    client: &Arc<Client>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<DownBody>, Infallible>> + use<> {
    #[cfg(test)]
    crate::fault::at("request", request.uri().path().as_bytes());
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

/// A request on its way. It is boxed, for hyper writes over all memory of the future of a request with
/// the next one.
struct Exchange {
    client: Arc<Client>,
    record: Box<RequestRecord>,
    upload: Option<Upload>,
    /// The length of the upload in bytes, if the client said it.
    length: Option<u64>,
    /// The memory of the request's fields, for the answer's.
    spare: HeaderMap,
    /// The client's connection, as it becomes if the dyno agrees to another protocol.
    upgrade: Option<OnUpgrade>,
}

/// The outcome of a request over one connection.
enum Attempt {
    Answer(Answer),
    /// The connection was closed before the dyno can have seen anything of the request.
    Again,
    /// The machine that the dyno is on does not answer, and another dyno may take the request.
    Elsewhere,
    Failed(Code),
}

impl Exchange {
    /// Begins a request, unless the router answers it itself.
    fn begin(
        client: &Arc<Client>,
        request: Request<Incoming>,
    ) -> Result<Box<Self>, Box<Response<DownBody>>> {
        let (mut parts, body) = request.into_parts();
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let host = head::check(&parts).map_err(|why| {
            WEB.answered(400);
            Box::new(page::malformed(why))
        })?;
        let name = host.name();
        let name = name.strip_suffix('.').unwrap_or(name);
        let app = find(client.scope.hosts(&client.web), name).ok_or_else(|| {
            WEB.answered(404);
            Box::new(page::unknown_host())
        })?;
        let record = |app, written| {
            Box::new(RequestRecord::new(app, client.secure, parts.method.clone(), written))
        };
        let trusted = !client.scope.is_public() || app.view.load().trusts(client.address);
        if !trusted {
            let written = head::turned_away(&parts, host, &client.forwarded);
            return Err(Box::new(page::forbidden(record(app, written))));
        }
        let wanted = upgrade.as_ref().and_then(|_| head::upgrade(&parts));
        let length = head::length(&parts);
        let framing = match (body.is_end_stream(), length) {
            (true, _) => Framing::Bodiless,
            (false, Some(_)) => Framing::Sized,
            (false, None) => Framing::Chunked,
        };
        let written = head::to_dyno(&parts, host, &client.forwarded, wanted.as_ref(), framing);
        let record = record(app, written);
        let upload = (framing != Framing::Bodiless)
            .then(|| Upload::new(body, client.web.limits.replay_bytes));
        let mut spare = parts.headers;
        spare.clear();
        Ok(Box::new(Self {
            client: Arc::clone(client),
            record,
            upload,
            length,
            spare,
            upgrade: upgrade.filter(|_| wanted.is_some()),
        }))
    }

    async fn run(mut self: Box<Self>) -> Response<DownBody> {
        let answered = self.answer().await;
        let Self { client, record, upgrade, .. } = *self;
        match answered {
            Ok((answer, upstream)) => respond(&client, record, upgrade, answer, upstream),
            Err(code) => page::failed(code, record),
        }
    }

    /// The response of one of the app's dynos.
    async fn answer(&mut self) -> Result<(Answer, Upstream), Code> {
        let mut tried = Vec::new();
        let mut last = None;
        let mut boot = None;
        loop {
            self.record.lease = Some(self.choose(&tried, last, &mut boot).await?);
            match self.ask(&tried).await {
                Err(code @ (Code::H19 | Code::H21)) => {
                    self.record.release();
                    tried.extend(self.record.dyno().map(|dyno| dyno.id));
                    last = Some(code);
                }
                answered => return answered,
            }
        }
    }

    /// Chooses a dyno that was not tried. `last` is why the last one failed.
    async fn choose(
        &self,
        tried: &[DynoId],
        last: Option<Code>,
        boot: &mut Option<Instant>,
    ) -> Result<Lease, Code> {
        let app = &self.record.app;
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

    /// Sends the request to its dyno: over unused connections, and over a new one if those are closed.
    async fn ask(&mut self, tried: &[DynoId]) -> Result<(Answer, Upstream), Code> {
        while let Some(mut idle) = self.idle_connection() {
            self.record.connect = Some(Duration::ZERO);
            match self.over(&mut idle, tried).await {
                Attempt::Answer(answer) => return Ok((answer, idle)),
                Attempt::Again => {}
                Attempt::Elsewhere => return Err(Code::H19),
                Attempt::Failed(code) => return Err(code),
            }
        }
        // This is rare, and its future is bigger than all the rest of a request.
        let mut upstream = Box::pin(self.connect(tried)).await?;
        match self.over(&mut upstream, tried).await {
            Attempt::Answer(answer) => Ok((answer, upstream)),
            Attempt::Again => Err(Code::H13),
            Attempt::Elsewhere => Err(Code::H19),
            Attempt::Failed(code) => Err(code),
        }
    }

    /// Whether the request may be made twice (RFC 9110 §9.2.2).
    fn is_idempotent(&self) -> bool {
        self.record.method.is_idempotent()
    }

    fn idle_connection(&self) -> Option<Upstream> {
        let once = !self.is_idempotent();
        let within = if once { SURELY_OPEN } else { self.client.web.limits.dyno_keep_alive };
        self.record.dyno()?.take_idle(self.client.worker, within, once)
    }

    async fn connect(&mut self, tried: &[DynoId]) -> Result<Upstream, Code> {
        let dyno = self.record.dyno().ok_or(Code::H14)?;
        let view = self.record.app.view.load();
        let (exits, other) = (Arc::clone(&view.exits), view.has_another(dyno.id, tried));
        drop(view);
        let limits = &self.client.web.limits;
        let limit = if other { limits.elsewhere.min(limits.connect) } else { limits.connect };
        let began = Instant::now();
        let connected = self.client.web.connect(dyno.address, &exits, limit).await;
        match &connected {
            Err(Code::H19) => self.silent(dyno),
            _ => dyno.note(connected.is_err()),
        }
        self.record.connect = Some(began.elapsed());
        connected
    }

    /// Has a dyno whose machine does not answer passed over until it does.
    fn silent(&self, dyno: &Arc<Dyno>) {
        if dyno.falls_silent() {
            let exits = Arc::clone(&self.record.app.view.load().exits);
            let web = Arc::clone(&self.client.web);
            drop(spawn_confined(until_heard(web, Arc::downgrade(dyno), exits)));
        }
    }

    async fn over(&mut self, upstream: &mut Upstream, tried: &[DynoId]) -> Attempt {
        let began = Instant::now();
        self.record.sent = Some(began);
        let head = self.record.request.block().clone();
        let body = self.upload.clone().map(|upload| (upload, self.length));
        upstream.ask(&self.record.method, head, body, std::mem::take(&mut self.spare));
        match self.head(upstream, began, tried).await {
            Ok(answer) => Attempt::Answer(answer),
            Err(Failed::Late(code)) => Attempt::Failed(code),
            Err(Failed::Silent) => Attempt::Elsewhere,
            Err(Failed::Lost(lost)) => self.judge(lost, upstream.was_used()),
        }
    }

    /// Decides what becomes of a request that got no response over a connection. `used` says whether
    /// the connection had carried another request before.
    fn judge(&self, lost: Lost, used: bool) -> Attempt {
        match self.upload.as_ref().map(|upload| upload.progress().0) {
            Some(Progress::Broken) => return Attempt::Failed(Code::H27),
            Some(Progress::Malformed) => return Attempt::Failed(Code::H26),
            Some(Progress::AwaitsClient | Progress::AwaitsDyno | Progress::Done) | None => {}
        }
        let unsent = match lost {
            Lost::NotHttp => return Attempt::Failed(Code::H17),
            // The request's body is not as long as its head says.
            Lost::Upload => return Attempt::Failed(Code::H26),
            Lost::Closed { unsent } => unsent,
        };
        let whole = self.upload.as_ref().is_none_or(Upload::rewind);
        if used && whole && (unsent || self.is_idempotent()) {
            return Attempt::Again;
        }
        Attempt::Failed(Code::H13)
    }

    /// Moves the connection along until the head of the response is there or a deadline is over.
    async fn head(
        &self,
        upstream: &mut Upstream,
        began: Instant,
        tried: &[DynoId],
    ) -> Result<Answer, Failed> {
        // A request that must not be made twice waits for the one dyno that may have it.
        let mut look = self.is_idempotent().then(|| began + self.client.web.limits.elsewhere);
        poll_fn(|cx| {
            if let Poll::Ready(answered) = upstream.poll_answer(cx) {
                return Poll::Ready(answered.map_err(Failed::Lost));
            }
            let (deadline, code) = self.deadline(began);
            while let Some(at) = look.filter(|at| *at < deadline) {
                if !upstream.is_late(cx, at) {
                    return Poll::Pending;
                }
                if upstream.is_silent() && self.gives_up(tried) {
                    return Poll::Ready(Err(Failed::Silent));
                }
                look = Some(at + self.client.web.limits.elsewhere);
            }
            if upstream.is_late(cx, deadline) {
                return Poll::Ready(Err(Failed::Late(code)));
            }
            Poll::Pending
        })
        .await
    }

    /// Whether a request whose dyno is on a silent machine can be made anew to another dyno.
    fn gives_up(&self, tried: &[DynoId]) -> bool {
        let Some(dyno) = self.record.dyno() else { return false };
        self.silent(dyno);
        self.record.app.view.load().has_another(dyno.id, tried)
            && self.upload.as_ref().is_none_or(Upload::rewind)
    }

    /// The deadline for the dyno, or for the client, and the code if it is over.
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
}

/// Makes a dyno's response one for the client. `upgrade` is the client's connection, if it asked for
/// another protocol.
fn respond(
    client: &Arc<Client>,
    mut record: Box<RequestRecord>,
    upgrade: Option<OnUpgrade>,
    answer: Answer,
    upstream: Upstream,
) -> Response<DownBody> {
    let Answer { status, reason, mut headers } = answer;
    record.status = status.as_u16();
    let upgraded = status == StatusCode::SWITCHING_PROTOCOLS;
    let hidden = headers.get(header::UPGRADE).is_some_and(head::names_http2);
    head::to_client(&mut headers, upgraded);
    let body = match upgrade {
        _ if !upgraded => {
            DownBody::of_dyno(upstream, client.worker, record, client.web.limits.idle)
        }
        Some(of_client) if !hidden => {
            tunnel::open(client, upstream.into_raw(), of_client, record);
            DownBody::Page { text: None, _record: None }
        }
        // The client asked for no other protocol, or for HTTP/2.
        Some(_) | None => return page::failed(Code::H17, record),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if let Some(reason) = reason {
        response.extensions_mut().insert(reason);
    }
    response
}

/// Waits until a starting dyno takes requests.
async fn wait(
    app: &App,
    tried: &[DynoId],
    last: Option<Code>,
    boot: Instant,
) -> Result<Lease, Code> {
    loop {
        // It listens before it looks, so that it misses no change.
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

/// Why the head of a response did not come.
enum Failed {
    Lost(Lost),
    Late(Code),
    /// The machine that the dyno is on does not answer, and the request can be made to another.
    Silent,
}
