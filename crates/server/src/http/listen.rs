//! The listener: HTTP/1.1 and HTTP/2 on one address, and a limit for every way in which a client can
//! keep the server waiting.
//!
//! The limits are our own where a library has none that does the same. hyper's `header_read_timeout`
//! counts idle time and the time for a head as one, and does not cover the bytes by which HTTP/1.1 and
//! HTTP/2 are told apart, nor the handshake of HTTP/2; tower-http's timeouts have no minimum rate for a
//! body. A connection costs one timer here, whatever the number of its requests. A client that takes
//! nothing of its answer is found out by the kernel (`TCP_USER_TIMEOUT`).

mod transport;

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::StartHandshake;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

pub(crate) use self::transport::{Arrived, SessionHandler, Transport, Wire, greeting};
use self::transport::{Peeked, joins_session, stays_here};

/// How long clients may keep the server waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How often a connection is checked. One that began a request's head and does not complete it is
    /// closed after two to three times this.
    pub headers: Duration,
    /// How long a connection may stay without a request.
    pub idle: Duration,
    /// How long the beginning of a request's body may take. Each byte that arrives extends the time,
    /// by `body_rate`.
    pub body: Duration,
    /// The lowest average rate at which a body may arrive, in bytes per second.
    pub body_rate: u32,
    /// How long a client may take nothing of an answer, or answer nothing to the kernel's probes.
    pub unread: Duration,
    /// How long requests under way may take once the server is told to stop.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body: Duration::from_secs(30),
            body_rate: 1024,
            unread: Duration::from_secs(120),
            stop: Duration::from_secs(10),
        }
    }
}

/// Once the server stops: how long to wait for a byte of a body, or for an idle connection to
/// close.
const QUIET: Duration = Duration::from_millis(100);
/// Once the server stops: how long to wait for a client that does not take its answer.
const STALLED: Duration = Duration::from_secs(1);

/// The first byte of a TLS handshake (RFC 8446 §5.1), with which no HTTP request begins.
const TLS_HANDSHAKE: u8 = 22;

/// Serves until told to stop, and then until the requests under way are done. Idle clients do not
/// delay the end, nor do clients that have sent a part of a request or take nothing of their
/// answer.
///
/// # Errors
///
/// The listening socket fails.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    transport: Transport,
    limits: Limits,
    stop: CancellationToken,
) -> io::Result<()> {
    let tasks = TaskTracker::new();
    let transport = Arc::new(transport);
    let served = loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => match accepted {
                Ok(accepted) => accepted,
                Err(error) => break Err(error),
            },
            () = stop.cancelled() => break Ok(()),
        };
        if let Err(error) = set_up(&stream, limits.unread) {
            tracing::debug!(%error, "a connection has the kernel's default settings");
        }
        let entrance = Entrance {
            transport: Arc::clone(&transport),
            router: router.clone(),
            peer,
            limits,
            stop: stop.clone(),
        };
        tasks.spawn(entrance.serve(stream));
    };
    drop(listener);
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(limits.stop, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "stopped before all requests were done");
    }
    served
}

/// Accepts the next connection. Errors of one client are ignored; if there are no file descriptors
/// left, it waits for others to close.
async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    const PAUSE: Duration = Duration::from_millis(500);
    loop {
        match listener.accept().await {
            Ok(accepted) => return Ok(accepted),
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::Interrupted => {}
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => return Err(error),
                _ => {
                    tracing::error!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

/// Has answers sent at once, and has the kernel end the connection of a client that is gone or
/// takes nothing. Such a client would keep its request, and the resources of that, for ever.
fn set_up(stream: &TcpStream, unread: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let seconds = u32::try_from(unread.as_secs()).unwrap_or(u32::MAX).max(1);
    let milliseconds = u32::try_from(unread.as_millis()).unwrap_or(u32::MAX);
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpKeepIdle, &(seconds / 2).max(1))?;
    setsockopt(stream, sockopt::TcpKeepInterval, &(seconds / 8).max(1))?;
    setsockopt(stream, sockopt::TcpKeepCount, &4)?;
    setsockopt(stream, sockopt::TcpUserTimeout, &milliseconds)?;
    Ok(())
}

/// Peeks at the first byte of a connection. `None` if the connection is not to be served.
async fn first_byte(stream: &TcpStream, limits: Limits, stop: &CancellationToken) -> Option<u8> {
    let mut byte = [0];
    let seen = tokio::select! {
        seen = tokio::time::timeout(limits.idle, stream.peek(&mut byte)) => seen.ok()?.ok()?,
        () = stop.cancelled() => return None,
    };
    (seen > 0).then_some(byte[0])
}

/// What serves one connection.
struct Entrance {
    transport: Arc<Transport>,
    router: Router,
    peer: SocketAddr,
    limits: Limits,
    stop: CancellationToken,
}

impl Entrance {
    async fn serve(self, stream: TcpStream) {
        let Some(first) = first_byte(&stream, self.limits, &self.stop).await else { return };
        // Nobody who is gone is asked anything.
        let Ok(local) = stream.local_addr() else { return };
        let here = stays_here(self.peer, local);
        let has_certificate = self.transport.identity.is_some();
        if first == TLS_HANDSHAKE {
            self.secured(Box::new(stream), here).await;
        } else if has_certificate && !here && !self.transport.trusts(self.peer) {
            refuse_plain(stream).await;
        } else {
            self.http(stream, false).await;
        }
    }

    /// Serves a connection that begins with TLS: HTTP by our own certificate, or a session.
    async fn secured(self, wire: Wire, here: bool) {
        let Some(hello) = self.within(greeting(wire)).await else { return };
        match &self.transport.identity {
            Some(identity) if !(here && joins_session(&hello.client_hello())) => {
                let config = identity.config();
                let Some(tls) = self.within(hello.into_stream(config)).await else { return };
                let Some(Some((first, tls))) = self.within(Peeked::new(tls)).await else { return };
                if first == TLS_HANDSHAKE {
                    // What comes through `causeway tunnel` is what its client sent.
                    let Some(hello) = self.within(greeting(Box::new(tls))).await else { return };
                    self.session(hello).await;
                } else {
                    self.http(tls, true).await;
                }
            }
            _ => self.session(hello).await,
        }
    }

    async fn session(self, hello: StartHandshake<Wire>) {
        if let Some(sessions) = &self.transport.sessions {
            sessions(hello, self.stop.clone()).await;
        }
    }

    /// What a client sends before its first request, unless it lets us wait for too long.
    async fn within<T>(&self, step: impl Future<Output = io::Result<T>>) -> Option<T> {
        tokio::select! {
            done = tokio::time::timeout(self.limits.idle, step) => done
                .ok()?
                .inspect_err(|error| tracing::debug!(%error, peer = %self.peer, "no handshake"))
                .ok(),
            () = self.stop.cancelled() => None,
        }
    }

    async fn http<S>(self, stream: S, over_tls: bool)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { transport, router, peer, limits, stop } = self;
        connection(stream, peer, over_tls, &transport, router, limits, stop).await;
    }
}

/// Tells a client that there is TLS here, in the words of HTTP.
async fn refuse_plain(mut stream: TcpStream) {
    // As the Platform API tells what is wrong, which is for people too.
    const ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n\
        connection: close\r\n\r\n{\"id\":\"tls_required\",\"message\":\"This server speaks HTTPS \
        with other machines: begin its address with https://\"}\n";
    const WITHIN: Duration = Duration::from_secs(1);
    /// What a client may have sent already. What is not read would break off the answer.
    const MOST: u64 = 64 << 10;
    let told = async {
        stream.write_all(ANSWER).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(MOST), &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(WITHIN, told).await;
}

async fn connection<S>(
    stream: S,
    peer: SocketAddr,
    over_tls: bool,
    transport: &Transport,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let activity = Arc::new(Activity::default());
    let io = TokioIo::new(Watched { stream, activity: Arc::clone(&activity) });
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let under_way = UnderWay::new(&activity);
        let timed = |body| axum::body::Body::new(Timed::new(body, limits, stop.clone()));
        let mut request = request.map(timed);
        let (sender, arrived) = transport.sender(peer, over_tls, request.headers_mut());
        request.extensions_mut().insert(ConnectInfo(sender));
        request.extensions_mut().insert(arrived);
        let answer = hyper::service::Service::call(&router, request);
        async move {
            let answer: Response<axum::body::Body> = answer.await?;
            Ok::<_, std::convert::Infallible>(
                answer.map(|body| Counted { body, _under_way: under_way }),
            )
        }
    });
    let builder = Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
    let mut watch = Watch::new(limits);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, %peer, "a connection broke off");
                }
                return;
            }
            () = watch.tick() => match watch.look(&activity) {
                Look::GoOn => {}
                Look::Close => connection.as_mut().graceful_shutdown(),
                Look::Drop => return,
            },
            () = stop.cancelled(), if !watch.stopping => {
                watch.stop(&activity);
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Counters of what happens on a connection.
#[derive(Debug, Default)]
struct Activity {
    /// Requests whose answers are not complete.
    under_way: AtomicU32,
    /// Increased when a request begins or ends, and when bytes of an answer are sent.
    progress: AtomicU64,
    /// Whether bytes have arrived that are not a whole request yet.
    reading: AtomicBool,
    /// Whether bytes of an answer wait because the client has not taken earlier ones.
    blocked: AtomicBool,
}

/// Checks a connection periodically.
struct Watch {
    limits: Limits,
    sleep: Pin<Box<Sleep>>,
    /// The counters at the last check.
    progress: u64,
    reading: bool,
    /// The time of the last progress.
    since: Instant,
    closing: bool,
    /// Whether the server stops.
    stopping: bool,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    GoOn,
    /// The connection takes no more requests.
    Close,
    /// The connection is dropped, because it did not close by itself.
    Drop,
}

impl Watch {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            sleep: Box::pin(tokio::time::sleep(limits.headers)),
            progress: 0,
            reading: false,
            since: Instant::now(),
            closing: false,
            stopping: false,
        }
    }

    async fn tick(&mut self) {
        self.sleep.as_mut().await;
        let pause = if self.stopping { QUIET } else { self.limits.headers };
        self.sleep.as_mut().reset(Instant::now() + pause);
    }

    /// Checks more often from now on, and waits for no client.
    fn stop(&mut self, activity: &Activity) {
        self.stopping = true;
        self.progress = activity.progress.load(Relaxed);
        self.since = Instant::now();
        self.sleep.as_mut().reset(self.since + QUIET);
    }

    fn look(&mut self, activity: &Activity) -> Look {
        if self.stopping { self.look_at_the_end(activity) } else { self.look_for_life(activity) }
    }

    fn look_at_the_end(&mut self, activity: &Activity) -> Look {
        let progress = activity.progress.load(Relaxed);
        let patience = match activity.under_way.load(Relaxed) {
            _ if activity.blocked.load(Relaxed) => STALLED,
            0 => QUIET,
            // An answer is being made, which has a limit of its own.
            _ => Duration::MAX,
        };
        if progress != self.progress {
            (self.progress, self.since) = (progress, Instant::now());
        }
        if self.since.elapsed() >= patience { Look::Drop } else { Look::GoOn }
    }

    fn look_for_life(&mut self, activity: &Activity) -> Look {
        let (progress, reading) = (activity.progress.load(Relaxed), activity.reading.load(Relaxed));
        if activity.under_way.load(Relaxed) > 0 || progress != self.progress {
            (self.progress, self.reading) = (progress, reading);
            (self.since, self.closing) = (Instant::now(), false);
            return Look::GoOn;
        }
        let half = reading && self.reading;
        self.reading = reading;
        match (self.closing, half || self.since.elapsed() >= self.limits.idle) {
            (true, _) => Look::Drop,
            (false, true) => {
                self.closing = true;
                Look::Close
            }
            (false, false) => Look::GoOn,
        }
    }
}

/// Counts a request as under way until it is dropped.
struct UnderWay(Arc<Activity>);

impl UnderWay {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.under_way.fetch_add(1, Relaxed);
        activity.progress.fetch_add(1, Relaxed);
        activity.reading.store(false, Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.progress.fetch_add(1, Relaxed);
        self.0.reading.store(false, Relaxed);
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

/// The body of an answer, whose request is under way until the body is sent or given up.
struct Counted {
    body: axum::body::Body,
    _under_way: UnderWay,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a request, which fails if it arrives too slowly.
struct Timed {
    body: Incoming,
    limits: Limits,
    /// The deadline for what has not arrived yet; set when the body is first waited for.
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    stop: CancellationToken,
    /// Wakes the reader of the body when the server stops.
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// The deadline for the next byte once the server stops.
    quiet: Option<Instant>,
}

impl Timed {
    fn new(body: Incoming, limits: Limits, stop: CancellationToken) -> Self {
        Self { body, limits, deadline: None, sleep: None, stop, stopping: None, quiet: None }
    }

    /// Extends the deadline for bytes that have arrived.
    fn came(&mut self, bytes: usize) {
        self.quiet = None;
        if let Some(deadline) = &mut self.deadline {
            let more = Duration::from_secs(1) / self.limits.body_rate.max(1);
            *deadline += more.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
    }

    /// Ready when the deadline has passed.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.limits.body;
        let mut deadline = *self.deadline.get_or_insert_with(|| Instant::now() + limit);
        let stop = &self.stop;
        let stopping =
            self.stopping.get_or_insert_with(|| Box::pin(stop.clone().cancelled_owned()));
        if stop.is_cancelled() || stopping.as_mut().poll(context).is_ready() {
            deadline = deadline.min(*self.quiet.get_or_insert_with(|| Instant::now() + QUIET));
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(context)
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.came(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(other) => Poll::Ready(other.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => {
                ready!(self.poll_late(context));
                let late = io::Error::new(io::ErrorKind::TimedOut, "the body came too slowly");
                Poll::Ready(Some(Err(late.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether an error means that a body arrived too slowly.
pub(crate) fn is_late(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
    })
}

/// A connection that updates the counters.
struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.blocked.store(written.is_pending(), Relaxed);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.activity.progress.fetch_add(1, Relaxed);
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.reading.store(true, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
