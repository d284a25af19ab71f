//! Connections that became a WebSocket, or something else that both ends agreed on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::time::{Instant, sleep_until, timeout};

use super::Client;
use super::code::Code;
use super::request_record::RequestRecord;
use super::upstream::Raw;
use crate::tasks::spawn_confined;

/// The size of the buffer for each direction, in bytes.
const BUFFER: usize = 16 * 1024;

/// Connects a client to a dyno once the client has the head of the dyno's response.
///
/// The request ends with that response: what follows does not keep a dyno from being drained. The app
/// gets a signal before its end, and can tell its clients.
pub(crate) fn open(
    client: &Arc<Client>,
    dyno: Raw,
    of_client: OnUpgrade,
    mut record: Box<RequestRecord>,
) {
    let limits = client.web.limits.clone();
    let guard = client.web.under_way();
    spawn_confined(async move {
        if let Ok(Ok(client)) = timeout(limits.first_byte, of_client).await {
            record.release();
            run(client, dyno, limits.idle, &mut record).await;
        }
        drop(guard);
    });
}

async fn run(client: Upgraded, dyno: Raw, idle: Duration, record: &mut RequestRecord) {
    let moved = Arc::new(Moved::default());
    let mut client = TokioIo::new(client);
    let mut dyno = Counted { inner: dyno, moved: Arc::clone(&moved) };
    let copied = copy_bidirectional_with_sizes(&mut client, &mut dyno, BUFFER, BUFFER);
    tokio::select! {
        copied = copied => {
            record.bytes = copied.map_or(0, |(_, down)| down);
        }
        () = until_idle(&moved, idle) => record.code = Some(Code::H15),
    }
    if record.bytes == 0 {
        record.bytes = moved.bytes.load(Ordering::Relaxed);
    }
    record.ended = true;
}

/// Waits until nothing has moved for as long as `idle`.
async fn until_idle(moved: &Moved, idle: Duration) {
    loop {
        let end = moved.last() + idle;
        if Instant::now() >= end {
            return;
        }
        sleep_until(end).await;
    }
}

/// The number of bytes that moved, and when the last of them did.
struct Moved {
    bytes: AtomicU64,
    begun: Instant,
    /// When something moved last, in milliseconds since `begun`.
    last: AtomicU64,
}

impl Default for Moved {
    fn default() -> Self {
        Self { bytes: AtomicU64::new(0), begun: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Moved {
    fn add(&self, bytes: usize) {
        if bytes > 0 {
            self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            self.last.store(self.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
        }
    }

    fn last(&self) -> Instant {
        self.begun + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

/// A stream that counts what moves over it.
struct Counted<T> {
    inner: T,
    moved: Arc<Moved>,
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
        this.moved.add(buffer.filled().len() - before);
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
            this.moved.add(written);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_moves_puts_the_end_off_by_a_whole_limit_and_no_more() {
        let moved = Moved::default();
        let (idle, begun) = (Duration::from_secs(55), Instant::now());
        let talk = async {
            for _ in 0..3 {
                sleep_until(Instant::now() + Duration::from_secs(50)).await;
                moved.add(1);
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = until_idle(&moved, idle) => {}
            () = talk => {}
        }
        assert_eq!(begun.elapsed().as_secs(), 150 + 55);
    }
}
