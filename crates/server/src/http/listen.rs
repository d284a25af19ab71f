//! The listener: HTTP/1.1 and HTTP/2 on one address, and a limit for every way in which a client can
//! keep the server waiting.
//!
//! The limits are our own where a library has none that does the same. hyper's `header_read_timeout`
//! counts idle time and the time for a head as one, and does not cover the bytes by which HTTP/1.1 and
//! HTTP/2 are told apart, nor the handshake of HTTP/2; tower-http's timeouts have no minimum rate for a
//! body. A connection costs one timer here, whatever the number of its requests. A client that takes
//! nothing of its answer is found out by the kernel (`TCP_USER_TIMEOUT`).

mod again;
mod body;
mod limits;
mod transport;
mod watch;

pub(crate) use self::body::{Timed, is_late};
pub(crate) use self::limits::Limits;
pub(crate) use self::transport::{Arrived, Sessions, Transport, Wire, greeting};

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::server::StartHandshake;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::again::Again;
use self::body::{Counted, Terms};
use self::limits::NEW;
use self::transport::{Peeked, stays_here};
use self::watch::{Activity, Look, UnderWay, Watch, Watched};
use crate::acme::{Alert, Offer};

/// What answers the requests of all connections.
pub(crate) trait Handler: Clone + Send + Sync + 'static {
    /// Answers one request of a client.
    fn answer(
        &self,
        request: Request<Timed>,
        client: SocketAddr,
    ) -> impl Future<Output = Response<Body>> + Send + 'static;
}

/// Handlers find the client's address as [`ConnectInfo`].
impl Handler for Router {
    fn answer(
        &self,
        request: Request<Timed>,
        client: SocketAddr,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(client));
        let answer = TowerToHyperService::new(self.clone()).call(request);
        async move {
            let answer: Result<_, Infallible> = answer.await;
            answer.unwrap_or_else(|never| match never {})
        }
    }
}

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
    handler: impl Handler,
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
            handler: handler.clone(),
            peer,
            limits,
            new_until: Instant::now() + NEW,
            // Each connection looks at its own with every request; one for all would be a lock that they share.
            stop: stop.child_token(),
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

/// What serves one connection.
struct Entrance<H> {
    transport: Arc<Transport>,
    handler: H,
    peer: SocketAddr,
    limits: Limits,
    /// Until when a stop lets the client begin its first request.
    new_until: Instant,
    stop: CancellationToken,
}

impl<H: Handler> Entrance<H> {
    async fn serve(self, stream: TcpStream) {
        let Some(first) = self.first_byte(&stream).await else { return };
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
        let Limits { headers, idle, .. } = self.limits;
        let Some(hello) = self.within(headers, greeting(wire)).await else { return };
        match &self.transport.identity {
            Some(identity) if !(here && self.transport.joins_session(&hello.client_hello())) => {
                let offer = identity.offer(&hello.client_hello());
                let config = match offer {
                    Offer::Serve(config) => config,
                    Offer::Prove(config) => {
                        let proved = async { hello.into_stream(config).await?.shutdown().await };
                        self.within(headers, proved).await;
                        return;
                    }
                    Offer::Refuse(alert) => {
                        self.within(headers, refuse_handshake(hello.io, alert)).await;
                        return;
                    }
                };
                let Some(tls) = self.within(headers, hello.into_stream(config)).await else {
                    return;
                };
                let Some(Some((first, tls))) = self.within(idle, Peeked::new(tls)).await else {
                    return;
                };
                if first == TLS_HANDSHAKE {
                    // What comes through `causeway tunnel` is what its client sent.
                    let Some(hello) = self.within(headers, greeting(Box::new(tls))).await else {
                        return;
                    };
                    self.session(hello).await;
                } else {
                    self.http(tls, true).await;
                }
            }
            _ => self.session(hello).await,
        }
    }

    /// Peeks at the first byte of a connection. `None` if the connection is not to be served.
    async fn first_byte(&self, stream: &TcpStream) -> Option<u8> {
        let mut byte = [0];
        let seen = tokio::select! {
            seen = tokio::time::timeout(self.limits.idle, stream.peek(&mut byte)) => seen.ok()?.ok()?,
            () = self.sent_away() => return None,
        };
        (seen > 0).then_some(byte[0])
    }

    async fn session(self, hello: StartHandshake<Wire>) {
        if let Some(sessions) = &self.transport.sessions {
            (sessions.serve)(hello, self.stop.clone()).await;
        }
    }

    /// What a client sends before its first request, unless it lets us wait for too long.
    async fn within<T>(
        &self,
        limit: Duration,
        step: impl Future<Output = io::Result<T>>,
    ) -> Option<T> {
        tokio::select! {
            done = tokio::time::timeout(limit, step) => done
                .ok()?
                .inspect_err(|error| tracing::debug!(%error, peer = %self.peer, "no handshake"))
                .ok(),
            () = self.sent_away() => None,
        }
    }

    /// Until the server stops, and not before the client had its time: its request may be on the way.
    async fn sent_away(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep_until(self.new_until).await;
    }

    async fn http<S>(self, stream: S, over_tls: bool)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { transport, handler, peer, limits, stop, .. } = self;
        connection(stream, peer, over_tls, &transport, handler, limits, stop).await;
    }
}

/// Ends a handshake by an alert.
async fn refuse_handshake(mut wire: Wire, alert: Alert) -> io::Result<()> {
    wire.write_all(&alert.record()).await?;
    wire.shutdown().await
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
    handler: impl Handler,
    limits: Limits,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let activity = Arc::new(Activity::default());
    let terms = Arc::new(Terms { limits, stop: stop.clone() });
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
    let service = service_fn(|request: Request<Incoming>| {
        let under_way = UnderWay::new(&activity);
        let timed = |body| Timed::new(body, Arc::clone(&terms));
        let mut request = request.map(timed);
        let (sender, arrived) = transport.sender(peer, over_tls, request.headers_mut());
        if arrived != Arrived::default() {
            request.extensions_mut().insert(arrived);
        }
        let counted = |answer: Response<_>| answer.map(|body| Counted::new(body, under_way));
        handler.answer(request, sender).map(|answer| Ok::<_, Infallible>(counted(answer)))
    });
    let builder = Builder::new(TokioExecutor::new());
    let (again, mut connection) = (Again::new(), pin!(builder.serve_connection(io, service)));
    let mut watch = Watch::new(limits);
    loop {
        tokio::select! {
            biased;
            ended = poll_fn(|context| again.poll(connection.as_mut(), context)) => {
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

#[cfg(test)]
mod tests;
