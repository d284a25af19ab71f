//! Sends spans to a collector.

use std::io;
use std::time::{Duration, Instant};

use http::header::{CONTENT_TYPE, HOST};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};

use super::json::{self, Anchor};
use super::span::Span;
use crate::clock::Clock;

/// The most spans in one request.
const MOST: usize = 512;
/// How long spans are gathered for one request.
const GATHER: Duration = Duration::from_millis(500);
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is said at most that a collector does not take anything, in requests.
const SAY_EVERY: u64 = 120;

/// By how much the machine's clock must differ from what it would show to have been set.
const SET: Duration = Duration::from_secs(1);

/// This moment by both clocks.
fn now() -> Anchor {
    let millis = u64::try_from(Clock::system().wall().millis()).unwrap_or(0);
    Anchor { at: Instant::now(), since_epoch: Duration::from_millis(millis) }
}

/// Sends what comes, until nobody sends any more.
pub(crate) async fn send(collector: http::Uri, mut spans: Receiver<Span>) {
    let mut failures = 0;
    let mut anchor = now();
    let mut batch = Vec::new();
    while spans.recv_many(&mut batch, MOST).await > 0 {
        if batch.len() < MOST {
            sleep(GATHER).await;
            while batch.len() < MOST
                && let Ok(span) = spans.try_recv()
            {
                batch.push(span);
            }
        }
        let current = now();
        // The machine's clock may be set while this runs.
        if current.since_epoch.abs_diff(anchor.since_epoch(current.at)) > SET {
            anchor = current;
        }
        let body = json::request(&batch, anchor).to_string();
        batch.clear();
        let sent = timeout(PATIENCE, post(&collector, body)).await;
        match sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(()) => failures = 0,
            Err(error) => {
                if failures % SAY_EVERY == 0 {
                    tracing::warn!(%error, %collector, "the collector takes no traces");
                }
                failures += 1;
            }
        }
    }
}

async fn post(collector: &http::Uri, body: String) -> io::Result<()> {
    let authority = collector.authority().ok_or(io::ErrorKind::InvalidInput)?;
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let path = collector.path().trim_end_matches('/');
    let request = hyper::Request::post(format!("{path}/v1/traces"))
        .header(HOST, authority.as_str())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(io::Error::other)?;
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = answer.status();
    // What it says does not matter, and must not fill the memory.
    let _ = http_body_util::Limited::new(answer.into_body(), 64 << 10).collect().await;
    connection.abort();
    if status.is_success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("it answered {status}")))
    }
}
