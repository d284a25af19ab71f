//! One request: from the client's head to the dyno's, with every way in which that can fail.

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
use super::dyno::Lease;
use super::entry::Entry;
use super::head::{self, Framing};
use super::page;
use super::table::{App, Choice, find};
use super::upload::{Progress, Upload};
use super::upstream::{Answer, Lost, Upstream};
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
    upload: Option<Upload>,
    /// How long that is, if the client said so.
    length: Option<u64>,
    /// The memory of the request's fields, for the answer's.
    spare: HeaderMap,
    /// What the client's connection becomes if the dyno agrees.
    upgrade: Option<OnUpgrade>,
}

/// How one try ended.
enum Tried {
    Answer(Answer),
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
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let host = head::check(&parts).map_err(|why| Box::new(page::malformed(why)))?;
        let name = host.name();
        let name = name.strip_suffix('.').unwrap_or(name);
        let app = find(client.scope.hosts(&client.web), name)
            .ok_or_else(|| Box::new(page::unknown_host()))?;
        let entry =
            |app, written| Box::new(Entry::new(app, client.secure, parts.method.clone(), written));
        let trusted = !client.scope.is_public() || app.view.load().trusts(client.address);
        if !trusted {
            let written = head::turned_away(&parts, host, &client.marks);
            return Err(Box::new(page::forbidden(entry(app, written))));
        }
        let wanted = upgrade.as_ref().and_then(|_| head::upgrade(&parts));
        let length = head::length(&parts);
        let framing = match (body.is_end_stream(), length) {
            (true, _) => Framing::Bodiless,
            (false, Some(_)) => Framing::Sized,
            (false, None) => Framing::Chunked,
        };
        let written = head::to_dyno(&parts, host, &client.marks, wanted.as_ref(), framing);
        let entry = entry(app, written);
        let upload = (framing != Framing::Bodiless)
            .then(|| Upload::new(body, client.web.limits.replay_bytes));
        let mut spare = parts.headers;
        spare.clear();
        Ok(Box::new(Self {
            client: Arc::clone(client),
            entry,
            upload,
            length,
            spare,
            upgrade: upgrade.filter(|_| wanted.is_some()),
        }))
    }

    async fn run(mut self: Box<Self>) -> Response<DownBody> {
        let answered = self.answer().await;
        let Self { client, entry, upgrade, .. } = *self;
        match answered {
            Ok((answer, upstream)) => respond(&client, entry, upgrade, answer, upstream),
            Err(code) => page::failed(code, entry),
        }
    }

    /// What one of the app's dynos says.
    async fn answer(&mut self) -> Result<(Answer, Upstream), Code> {
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
    async fn ask(&mut self) -> Result<(Answer, Upstream), Code> {
        while let Some(mut kept) = self.kept() {
            self.entry.connect = Some(Duration::ZERO);
            match self.over(&mut kept).await {
                Tried::Answer(answer) => return Ok((answer, kept)),
                Tried::Again => {}
                Tried::Failed(code) => return Err(code),
            }
        }
        // Rare, and bigger than all the rest of a request.
        let mut upstream = Box::pin(self.connect()).await?;
        match self.over(&mut upstream).await {
            Tried::Answer(answer) => Ok((answer, upstream)),
            Tried::Again => Err(Code::H13),
            Tried::Failed(code) => Err(code),
        }
    }

    /// Whether it may be made twice (RFC 9110 §9.2.2).
    fn is_idempotent(&self) -> bool {
        self.entry.method.is_idempotent()
    }

    fn kept(&self) -> Option<Upstream> {
        let once = !self.is_idempotent();
        let within = if once { SURELY_OPEN } else { self.client.web.limits.dyno_keep_alive };
        self.entry.dyno()?.take_kept(self.client.worker, within, once)
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
        let head = self.entry.request.block().clone();
        let body = self.upload.clone().map(|upload| (upload, self.length));
        upstream.ask(&self.entry.method, head, body, std::mem::take(&mut self.spare));
        match self.head(upstream, began).await {
            Ok(answer) => Tried::Answer(answer),
            Err(Failed::Late(code)) => Tried::Failed(code),
            Err(Failed::Lost(lost)) => self.judge(lost, upstream.was_used()),
        }
    }

    /// What the loss of a connection means for the request.
    fn judge(&self, lost: Lost, used: bool) -> Tried {
        match self.upload.as_ref().map(|upload| upload.progress().0) {
            Some(Progress::Broken) => return Tried::Failed(Code::H27),
            Some(Progress::Malformed) => return Tried::Failed(Code::H26),
            Some(Progress::AwaitsClient | Progress::AwaitsDyno | Progress::Done) | None => {}
        }
        let unsent = match lost {
            Lost::NotHttp => return Tried::Failed(Code::H17),
            // Its body is not as long as it said.
            Lost::Upload => return Tried::Failed(Code::H26),
            Lost::Closed { unsent } => unsent,
        };
        let whole = self.upload.as_ref().is_none_or(Upload::rewind);
        if used && whole && (unsent || self.is_idempotent()) {
            return Tried::Again;
        }
        Tried::Failed(Code::H13)
    }

    /// Moves the connection along until the dyno's head is there, or it is too late.
    async fn head(&self, upstream: &mut Upstream, began: Instant) -> Result<Answer, Failed> {
        poll_fn(|cx| {
            if let Poll::Ready(answered) = upstream.poll_answer(cx) {
                return Poll::Ready(answered.map_err(Failed::Lost));
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
}

/// Makes a dyno's response one for the client, whose connection may become `upgrade`.
fn respond(
    client: &Arc<Client>,
    mut entry: Box<Entry>,
    upgrade: Option<OnUpgrade>,
    answer: Answer,
    upstream: Upstream,
) -> Response<DownBody> {
    let Answer { status, reason, mut headers } = answer;
    entry.status = status.as_u16();
    let upgraded = status == StatusCode::SWITCHING_PROTOCOLS;
    let hidden = headers.get(header::UPGRADE).is_some_and(head::names_http2);
    head::to_client(&mut headers, upgraded);
    let body = match upgrade {
        _ if !upgraded => DownBody::of_dyno(upstream, client.worker, entry, client.web.limits.idle),
        Some(of_client) if !hidden => {
            tunnel::open(client, upstream.into_raw(), of_client, entry);
            DownBody::Page { text: None, _entry: None }
        }
        // Nobody asked for it.
        Some(_) | None => return page::failed(Code::H17, entry),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if let Some(reason) = reason {
        response.extensions_mut().insert(reason);
    }
    response
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
    Lost(Lost),
    Late(Code),
}
