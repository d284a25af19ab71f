//! What an HTTP connection may become: a WebSocket, or another protocol that both ends agreed on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::time::{interval, timeout};

use super::Client;
use super::body::DownBody;
use super::code::Code;
use super::entry::Entry;
use super::upstream::Upstream;

const BUFFER: usize = 16 * 1024;

/// Lets client and dyno speak to each other once the client has the dyno's answer.
///
/// The request ended with that answer: what follows does not keep a dyno from being drained. The
/// app hears of its end by its signal, and can tell its clients.
pub fn open(
    client: &Arc<Client>,
    mut response: Response<Incoming>,
    mut upstream: Upstream,
    of_client: OnUpgrade,
    mut entry: Box<Entry>,
) -> Response<DownBody> {
    let of_dyno = hyper::upgrade::on(&mut response);
    let limits = client.web.limits.clone();
    let guard = client.web.under_way();
    tokio::spawn(async move {
        let both = async {
            let (dyno, (), client) = tokio::join!(of_dyno, upstream.finish(), of_client);
            Some((client.ok()?, dyno.ok()?))
        };
        if let Ok(Some((client, dyno))) = timeout(limits.first_byte, both).await {
            entry.release();
            run(client, dyno, limits.idle, &mut entry).await;
        }
        drop(guard);
    });
    let (parts, _) = response.into_parts();
    let mut out = Response::new(DownBody::Page { text: None, _entry: None });
    *out.status_mut() = parts.status;
    *out.headers_mut() = parts.headers;
    out
}

async fn run(client: Upgraded, dyno: Upgraded, idle: Duration, entry: &mut Entry) {
    let moved = Arc::new(AtomicU64::new(0));
    let mut client = TokioIo::new(client);
    let mut dyno = Counted { inner: TokioIo::new(dyno), moved: Arc::clone(&moved) };
    let copied = copy_bidirectional_with_sizes(&mut client, &mut dyno, BUFFER, BUFFER);
    tokio::select! {
        copied = copied => {
            entry.bytes = copied.map_or(0, |(_, down)| down);
        }
        () = until_idle(&moved, idle) => entry.code = Some(Code::H15),
    }
    if entry.bytes == 0 {
        entry.bytes = moved.load(Ordering::Relaxed);
    }
    entry.ended = true;
}

async fn until_idle(moved: &AtomicU64, idle: Duration) {
    let mut ticks = interval(idle);
    ticks.tick().await;
    let mut before = moved.load(Ordering::Relaxed);
    loop {
        ticks.tick().await;
        let now = moved.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}

/// Counts what moves.
struct Counted<T> {
    inner: T,
    moved: Arc<AtomicU64>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buffer);
        this.moved.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write(cx, data);
        if let Poll::Ready(Ok(written)) = polled {
            this.moved.fetch_add(written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
