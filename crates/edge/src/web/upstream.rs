//! A connection to a dyno. It has no task of its own: whoever uses it moves it along, so that a
//! request costs no hand-over from task to task, and a dead one is noticed when it is taken up.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::TryFutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use tokio::net::TcpStream;

use super::alarm::Alarm;
use super::pieces::Pieces;
use super::upload::UpBody;

type Connection = http1::Connection<Pieces<TcpStream>, UpBody>;

/// A connection to a dyno.
pub struct Upstream {
    sender: SendRequest<UpBody>,
    /// Gone once it ended, so that what waits for it hears of that.
    connection: Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>,
    alarm: Alarm,
    used: bool,
    since: Instant,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("used", &self.used).finish_non_exhaustive()
    }
}

/// Why no response came.
#[derive(Debug)]
pub struct Lost {
    /// What went wrong.
    pub error: hyper::Error,
    /// The request, if nothing of it was sent.
    pub request: Option<Request<UpBody>>,
}

impl Upstream {
    /// Begins to speak HTTP on a stream.
    pub async fn begin(stream: TcpStream, head_bytes: usize) -> hyper::Result<Self> {
        let mut builder = http1::Builder::new();
        builder.max_header_size(head_bytes);
        let (sender, connection): (_, Connection) = builder.handshake(Pieces::new(stream)).await?;
        Ok(Self {
            sender,
            connection: Some(Box::pin(connection.with_upgrades())),
            alarm: Alarm::default(),
            used: false,
            since: Instant::now(),
        })
    }

    /// Whether a request went over it before.
    pub fn was_used(&self) -> bool {
        self.used
    }

    /// Since when no request goes over it.
    pub fn idle_for(&self) -> Duration {
        self.since.elapsed()
    }

    /// Moves it along.
    pub fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && connection.as_mut().poll(cx).is_ready()
        {
            // What went wrong is told to the request or to its body.
            self.connection = None;
        }
    }

    /// Whether whoever waits for it waited until a deadline.
    pub fn is_late(&mut self, cx: &mut Context<'_>, deadline: Instant) -> bool {
        self.alarm.poll(cx, deadline).is_ready()
    }

    /// Whether the dyno has not closed it, as far as is known here.
    pub fn is_alive(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.connection.is_some() && !self.sender.is_closed()
    }

    /// Whether it is done with a request and can take another. Moves it along for that.
    pub fn rests(&mut self) -> bool {
        if !self.sender.is_ready() {
            // Nobody waits for a connection that is kept.
            self.drive(&mut Context::from_waker(Waker::noop()));
        }
        let rests = self.connection.is_some() && self.sender.is_ready();
        if rests {
            self.used = true;
            self.since = Instant::now();
        }
        rests
    }

    /// Sends a request. The future does not move the connection along: see [`Self::drive`].
    pub fn send(
        &mut self,
        request: Request<UpBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, Lost>> + use<> {
        self.sender.try_send_request(request).map_err(|mut failed| {
            let request = failed.take_message();
            Lost { request, error: failed.into_error() }
        })
    }

    /// Moves it along until it ended: what an upgrade needs.
    pub async fn finish(&mut self) {
        std::future::poll_fn(|cx| {
            self.drive(cx);
            if self.connection.is_none() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
