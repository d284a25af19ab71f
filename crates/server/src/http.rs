//! Connections: HTTP/1.1 and HTTP/2 on one address, and an end to those that keep us waiting.
//!
//! A connection costs one timer, whatever the number of its requests: it looks from time to time
//! whether anything has happened since.

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
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long clients may keep us waiting.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the rest of a request's headers. How often a connection is looked at: one that began a
    /// request and does not go on is closed after two to three times this.
    pub headers: Duration,
    /// For a next request, and for any byte of an answer to be taken.
    pub idle: Duration,
    /// For the beginning of a body; what has come gives time for more, by `body_rate`.
    pub body: Duration,
    /// Bytes of a body in a second: the least that is waited for on average.
    pub body_rate: u32,
    /// For requests under way when the server is told to stop.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body: Duration::from_secs(30),
            body_rate: 1024,
            stop: Duration::from_secs(10),
        }
    }
}

/// Serves until told to stop, and then until what is under way is done.
///
/// # Errors
///
/// Where the listener itself fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) -> io::Result<()> {
    let tasks = TaskTracker::new();
    let served = loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => match accepted {
                Ok(accepted) => accepted,
                Err(error) => break Err(error),
            },
            () = stop.cancelled() => break Ok(()),
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection answers with delay");
        }
        tasks.spawn(connection(stream, peer, router.clone(), limits, stop.clone()));
    };
    drop(listener);
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(limits.stop, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "stopped before all requests were done");
    }
    served
}

/// The next connection. What goes wrong with one client is nobody else's business; where files are
/// lacking, it waits for others to close.
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

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let activity = Arc::new(Activity::default());
    let io = TokioIo::new(Watched { stream, activity: Arc::clone(&activity) });
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let under_way = UnderWay::new(&activity);
        let mut request = request.map(|body| axum::body::Body::new(Timed::new(body, limits)));
        request.extensions_mut().insert(ConnectInfo(peer));
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
    let mut stopping = false;
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
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// What happens on a connection.
#[derive(Debug, Default)]
struct Activity {
    /// Requests whose answers are not all handed over.
    under_way: AtomicU32,
    /// Grows when a request begins or ends, and when bytes of an answer leave.
    progress: AtomicU64,
    /// Whether bytes came that are no request yet.
    reading: AtomicBool,
}

/// Looks at a connection from time to time.
struct Watch {
    limits: Limits,
    sleep: Pin<Box<Sleep>>,
    /// What was seen at the last look.
    progress: u64,
    reading: bool,
    /// Since when there is no progress.
    since: Instant,
    closing: bool,
}

/// What is to be done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    GoOn,
    /// No more requests are to come.
    Close,
    /// It was told so and is still there.
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
        }
    }

    async fn tick(&mut self) {
        self.sleep.as_mut().await;
        self.sleep.as_mut().reset(Instant::now() + self.limits.headers);
    }

    fn look(&mut self, activity: &Activity) -> Look {
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

/// A request that is under way, until this is dropped.
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

/// The body of an answer, under way until it is handed over or given up.
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

/// The body of a request, which fails if it comes too slowly.
struct Timed {
    body: Incoming,
    limits: Limits,
    /// By when it must be here, as far as it has come; set when it is first waited for.
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    fn new(body: Incoming, limits: Limits) -> Self {
        Self { body, limits, deadline: None, sleep: None }
    }

    /// What has come gives time for more.
    fn came(&mut self, bytes: usize) {
        if let Some(deadline) = &mut self.deadline {
            let more = Duration::from_secs(1) / self.limits.body_rate.max(1);
            *deadline += more.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
    }

    /// Whether the time is over.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.limits.body;
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + limit);
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

/// Whether an error means that a body came too slowly.
pub fn is_late(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
    })
}

/// A connection that notes what happens on it.
struct Watched {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl Watched {
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.activity.progress.fetch_add(1, Relaxed);
        }
        written
    }
}

impl AsyncRead for Watched {
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

impl AsyncWrite for Watched {
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
