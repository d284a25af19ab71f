//! Clients' connections: how they are accepted and given to workers, and how each is served over TLS
//! or without it, with HTTP/1.1 or HTTP/2.

use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::HeaderValue;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::alarm::ConnectionTimer;
use super::client_io::ClientIo;
use super::exchange::serve;
use super::head::ForwardedHeaders;
use super::{Client, Scope, Web};
use crate::sockets::readable;
use crate::tasks::{ConfiningExecutor, spawn_confined};
use crate::tls::Identity;

/// The pause after a connection could not be accepted, for want of files or memory.
const SHORT_OF: Duration = Duration::from_millis(50);
/// The bytes that an HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// The most requests at once on an HTTP/2 connection.
const STREAMS: u32 = 250;
/// How many bytes an HTTP/2 client may send ahead: for one request, and for all of a connection.
const WINDOWS: (u32, u32) = (256 * 1024, 1024 * 1024);
/// The pause between two pings of an HTTP/2 client.
const PING: Duration = Duration::from_secs(20);

/// What all connections of a listener have in common.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// The hosts that are served.
    pub scope: Scope,
    /// The port that clients connect to.
    pub port: u16,
    /// Makes connections secure, if they are to be.
    pub tls: Option<Arc<Identity>>,
}

/// A connection that was accepted.
struct Arrival {
    stream: std::net::TcpStream,
    client: SocketAddr,
    endpoint: Arc<Endpoint>,
}

/// The threads that serve connections.
pub(crate) struct Workers {
    workers: Vec<Worker>,
}

struct Worker {
    arrivals: Option<UnboundedSender<Arrival>>,
    connections: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Workers {
    /// Starts this many threads.
    pub(crate) fn start(web: &Arc<Web>, count: usize) -> io::Result<Self> {
        let mut workers = Vec::new();
        for number in 0..count {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (arrivals, arriving) = unbounded_channel();
            let connections = Arc::new(AtomicUsize::new(0));
            let (web, counted) = (Arc::clone(web), Arc::clone(&connections));
            let thread = std::thread::Builder::new()
                .name(format!("edge-web-{number}"))
                .spawn(move || runtime.block_on(take_in(web, number, counted, arriving)))?;
            workers.push(Worker { arrivals: Some(arrivals), connections, thread: Some(thread) });
        }
        Ok(Self { workers })
    }

    /// Accepts connections and gives each to the worker with the fewest. It ends only with an error.
    pub(crate) async fn accept(
        &self,
        listener: Arc<TcpListener>,
        endpoint: Endpoint,
    ) -> io::Result<()> {
        let endpoint = Arc::new(endpoint);
        let listener = readable(listener)?;
        loop {
            let mut ready = listener.readable().await?;
            match ready.try_io(|listener| listener.get_ref().accept()) {
                Err(_would_block) => {}
                Ok(Ok((stream, client))) => {
                    self.give(Arrival { stream, client, endpoint: Arc::clone(&endpoint) });
                }
                Ok(Err(error)) if is_of_one_connection(&error) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "cannot take a connection");
                    sleep(SHORT_OF).await;
                }
            }
        }
    }

    fn give(&self, arrival: Arrival) {
        let fewest = |worker: &&Worker| worker.connections.load(Ordering::Relaxed);
        if let Some(worker) = self.workers.iter().min_by_key(fewest)
            && let Some(arrivals) = &worker.arrivals
        {
            worker.connections.fetch_add(1, Ordering::Relaxed);
            // A worker is gone only when the edge ends. Then the connection is closed.
            let _ = arrivals.send(arrival);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            worker.arrivals = None;
        }
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take() {
                // However the thread ended, its connections are closed.
                let _ = thread.join();
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

async fn take_in(
    web: Arc<Web>,
    worker: usize,
    connections: Arc<AtomicUsize>,
    mut arriving: UnboundedReceiver<Arrival>,
) {
    while let Some(arrival) = arriving.recv().await {
        #[cfg(test)]
        crate::fault::at("edge-web", b"");
        let (web, counted) = (Arc::clone(&web), Counted(Arc::clone(&connections)));
        spawn_confined(async move {
            let under_way = web.under_way();
            if let Err(error) = welcome(web, worker, arrival).await {
                tracing::debug!(%error, "a client's connection ended");
            }
            drop((counted, under_way));
        });
    }
}

/// One of a worker's connections, which counts until it ends, however it does.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn welcome(web: Arc<Web>, worker: usize, arrival: Arrival) -> Ended {
    let Arrival { stream, client: address, endpoint } = arrival;
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    let stream = TcpStream::from_std(stream)?;
    let patience = web.limits.keep_alive;
    let client = Arc::new(Client {
        worker,
        scope: endpoint.scope.clone(),
        address: address.ip().to_canonical(),
        secure: endpoint.tls.is_some(),
        forwarded: forwarded(&address, &endpoint),
        web,
    });
    match &endpoint.tls {
        Some(identity) => {
            let stream = timeout(patience, identity.acceptor().accept(stream)).await??;
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                http2(client, stream).await
            } else {
                http1(client, stream).await
            }
        }
        None => {
            if timeout(patience, speaks_http2(&stream)).await?? {
                http2(client, stream).await
            } else {
                http1(client, stream).await
            }
        }
    }
}

fn forwarded(address: &SocketAddr, endpoint: &Endpoint) -> ForwardedHeaders {
    let text = |text: String| HeaderValue::try_from(text).expect("an address is good in a header");
    ForwardedHeaders {
        client: text(address.ip().to_canonical().to_string()),
        proto: HeaderValue::from_static(if endpoint.tls.is_some() { "https" } else { "http" }),
        port: {
            let mut port = String::new();
            let _ = write!(port, "{}", endpoint.port);
            text(port)
        },
    }
}

/// Looks at the first bytes that a client sends, without taking them.
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    /// The pause between two looks at a client that sends its first bytes one by one.
    const AGAIN: Duration = Duration::from_millis(5);
    let mut first = [0; PREFACE.len()];
    loop {
        let seen = stream.peek(&mut first).await?;
        let said = first.get(..seen).unwrap_or_default();
        if said == PREFACE {
            return Ok(true);
        }
        if said.is_empty() || !PREFACE.starts_with(said) {
            return Ok(false);
        }
        sleep(AGAIN).await;
    }
}

async fn http1<S>(client: Arc<Client>, stream: S) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &client.web.limits;
    let io = ClientIo::new(stream, limits.idle);
    let mut builder = http1::Builder::new();
    builder
        .timer(ConnectionTimer::default())
        .header_read_timeout(limits.keep_alive)
        .max_header_size(limits.head_bytes);
    let service = service_fn(move |request| serve(&client, request));
    Ok(builder.serve_connection(io, service).with_upgrades().await?)
}

async fn http2<S>(client: Arc<Client>, stream: S) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let web = Arc::clone(&client.web);
    let limits = &web.limits;
    let io = ClientIo::new(stream, limits.idle);
    let mut builder = http2::Builder::new(ConfiningExecutor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    let idle = Arc::new(Idle::default());
    let watched = Arc::clone(&idle);
    let service = service_fn(move |request| {
        let (served, use_of) = (serve(&client, request), watched.begin());
        async move {
            let response = served.await;
            drop(use_of);
            response
        }
    });
    let mut connection = std::pin::pin!(builder.serve_connection(io, service));
    tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        () = web.until_leaving() => {}
        () = idle.until_unused(limits.keep_alive) => {}
    }
    // The client is told to begin no more requests. Those in flight come to their end.
    connection.as_mut().graceful_shutdown();
    Ok(connection.await?)
}

/// Counts the requests of an HTTP/2 connection.
#[derive(Default)]
struct Idle {
    now: AtomicUsize,
    ever: AtomicUsize,
}

struct Use(Arc<Idle>);

impl Drop for Use {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Idle {
    fn begin(self: &Arc<Self>) -> Use {
        self.now.fetch_add(1, Ordering::Relaxed);
        self.ever.fetch_add(1, Ordering::Relaxed);
        Use(Arc::clone(self))
    }

    async fn until_unused(&self, patience: Duration) {
        let mut before = None;
        loop {
            let ever = self.ever.load(Ordering::Relaxed);
            if before == Some(ever) && self.now.load(Ordering::Relaxed) == 0 {
                return;
            }
            before = Some(ever);
            sleep(patience).await;
        }
    }
}
