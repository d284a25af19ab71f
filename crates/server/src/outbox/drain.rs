//! Sends a log to a log drain, over HTTPS or as syslog over TLS.
//!
//! Lines wait in a buffer while the receiver is away. Where there are too many the oldest are dropped, and
//! the receiver is told how many. What was sent and not acknowledged is sent again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use model::{Destination, LogDrain, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use super::courier::{AGENT, basic};
use super::dial::{Dialer, SendError, Stream, pause_after};
use super::frame;
use super::space_log::Log;
use crate::apps::log_reader::Position;
use crate::apps::logs::Line;
use crate::clock::SystemIds;

/// How many lines wait at most, and how many bytes they have.
const MOST_LINES: usize = 4096;
const MOST_BYTES: usize = 4 << 20;
/// How many bytes the lines of all drains together have at most: a space's drain has a buffer for each app.
const MOST_OF_ALL: usize = 64 << 20;
/// How many lines are sent at a time, and how many bytes.
const BATCH_LINES: usize = 256;
const BATCH_BYTES: usize = 256 << 10;
/// How long writing to a receiver of syslog may take.
const TO_WRITE: Duration = Duration::from_secs(10);

/// A line that waits, and the position in the log after it.
struct Waiting {
    frame: Vec<u8>,
    after: Position,
}

/// Lines that wait to be sent.
#[derive(Default)]
struct Buffer {
    lines: VecDeque<Waiting>,
    bytes: usize,
    /// How many lines came before the first of those that wait.
    first: u64,
    /// How many were dropped since when, of which the receiver does not know yet.
    dropped: Option<(u64, Timestamp)>,
    /// The position after the last line that was put in.
    position: Position,
}

impl Buffer {
    /// Takes lines, and drops the oldest where there are too many.
    fn add(&mut self, host: &str, lines: &[Line]) {
        for line in lines {
            self.position.pass(line.at);
            let frame = frame::frame(host, line);
            self.bytes += frame.len();
            self.lines.push_back(Waiting { frame, after: self.position });
            while self.lines.len() > MOST_LINES || self.bytes > MOST_BYTES {
                self.drop_oldest();
            }
        }
    }

    fn drop_oldest(&mut self) {
        if self.take_first().is_some() {
            let (count, _) = self.dropped.get_or_insert((0, self.position.time()));
            *count += 1;
        }
    }

    fn take_first(&mut self) -> Option<Waiting> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.frame.len();
        self.first += 1;
        Some(line)
    }

    /// What is to be sent next; `None` where nothing waits.
    fn batch(&self, host: &str, now: Timestamp) -> Option<Batch> {
        let mut batch = Batch { begin: self.first, end: self.first, ..Batch::default() };
        if let Some((count, since)) = self.dropped {
            batch.body.extend(frame::overflow(host, now, count, since));
            batch.messages += 1;
            batch.told = count;
        }
        for line in self.lines.iter().take(BATCH_LINES) {
            let is_first = batch.end == batch.begin;
            if !is_first && batch.body.len() + line.frame.len() > BATCH_BYTES {
                break;
            }
            batch.body.extend_from_slice(&line.frame);
            batch.messages += 1;
            batch.end += 1;
            batch.after = Some(line.after);
        }
        (batch.messages > 0).then_some(batch)
    }

    /// Forgets what was sent.
    fn sent(&mut self, batch: &Batch) {
        // Lines that were dropped while they were on their way have arrived all the same.
        let arrived = self.first.clamp(batch.begin, batch.end) - batch.begin;
        let untold = |count: u64| count.saturating_sub(batch.told).saturating_sub(arrived);
        self.dropped = self.dropped.map(|(count, since)| (untold(count), since));
        self.dropped = self.dropped.filter(|(count, _)| *count > 0);
        while self.first < batch.end && self.take_first().is_some() {}
    }
}

/// Messages that are sent together.
#[derive(Default)]
struct Batch {
    body: Vec<u8>,
    messages: usize,
    /// The numbers of the waiting lines that it holds.
    begin: u64,
    end: u64,
    /// Of how many dropped lines it tells.
    told: u64,
    /// The position after its last line.
    after: Option<Position>,
}

/// The buffers of all drains, which share what there is room for.
#[derive(Clone)]
pub(super) struct Buffers(Arc<Mutex<All>>);

struct All {
    buffers: BTreeMap<u64, Buffer>,
    /// The number of the next buffer.
    next: u64,
    /// How many bytes they have, and how many they may have.
    bytes: usize,
    most: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        Self::up_to(MOST_OF_ALL)
    }
}

impl Buffers {
    fn up_to(most: usize) -> Self {
        Self(Arc::new(Mutex::new(All { buffers: BTreeMap::new(), next: 0, bytes: 0, most })))
    }

    /// An empty buffer at a position in a log.
    pub(super) fn place(&self, position: Position) -> Place {
        let mut all = self.lock();
        let number = all.next;
        all.next += 1;
        all.buffers.insert(number, Buffer { position, ..Buffer::default() });
        drop(all);
        Place { buffers: self.clone(), number }
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// Drops the oldest lines of the largest buffer, whichever that is, until there is room: a receiver that is
    /// away takes it from nobody who has less.
    fn fit(&mut self) {
        while self.bytes > self.most {
            let Some(largest) = self.buffers.values_mut().max_by_key(|buffer| buffer.bytes) else {
                return;
            };
            let before = largest.bytes;
            largest.drop_oldest();
            self.bytes -= before - largest.bytes;
        }
    }
}

/// A buffer among all of them, which goes with this.
pub(super) struct Place {
    buffers: Buffers,
    number: u64,
}

impl Place {
    fn with<T>(&self, what: impl FnOnce(&mut Buffer) -> T) -> T {
        let mut all = self.buffers.lock();
        let all = &mut *all;
        let buffer = all.buffers.entry(self.number).or_default();
        let before = buffer.bytes;
        let outcome = what(buffer);
        all.bytes = all.bytes - before + buffer.bytes;
        all.fit();
        outcome
    }

    fn add(&self, host: &str, lines: &[Line]) {
        self.with(|buffer| buffer.add(host, lines));
    }

    fn batch(&self, host: &str, now: Timestamp) -> Option<Batch> {
        self.with(|buffer| buffer.batch(host, now))
    }

    fn sent(&self, batch: &Batch) {
        self.with(|buffer| buffer.sent(batch));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.buffers.lock();
        if let Some(buffer) = all.buffers.remove(&self.number) {
            all.bytes -= buffer.bytes;
        }
    }
}

/// Sends one log to a drain.
pub(super) struct Sender {
    drain: Arc<LogDrain>,
    to: Option<Destination>,
    dialer: Dialer,
    log: Option<Log>,
    buffer: Place,
    /// The connection to a receiver of syslog.
    stream: Option<Box<dyn Stream>>,
    /// How often in a row it failed, and when it is tried again.
    failed: Option<(u32, Timestamp)>,
    /// What the next request is called; the same for every attempt.
    frame_id: Uuid,
}

impl Sender {
    /// A sender whose buffer begins at a position, which is the log's too.
    pub(super) fn new(drain: Arc<LogDrain>, dialer: Dialer, log: Log, buffer: Place) -> Self {
        let to = drain.url.parse().ok();
        Self {
            drain,
            to,
            dialer,
            log: Some(log),
            buffer,
            stream: None,
            failed: None,
            frame_id: fresh(),
        }
    }

    /// Reads what is new, and sends what can be sent. Returns the position after what was sent last, if
    /// anything was.
    pub(super) async fn turn(&mut self, now: impl Fn() -> Timestamp) -> Option<Position> {
        self.read().await;
        let mut position = None;
        while self.failed.is_none_or(|(_, at)| now() >= at) {
            let host = self.host();
            let Some(batch) = self.buffer.batch(&host, now()) else { break };
            match self.send(&batch).await {
                Ok(()) => {
                    self.buffer.sent(&batch);
                    position = batch.after.or(position);
                    self.failed = None;
                    self.frame_id = fresh();
                }
                Err(error) => {
                    let attempts = self.failed.map_or(0, |(attempts, _)| attempts) + 1;
                    tracing::debug!(drain = %self.drain.id, attempts, "a log drain: {error}");
                    self.failed = Some((attempts, now() + pause_after(attempts)));
                }
            }
        }
        position
    }

    /// Reads the log on a thread that may wait for the disk.
    async fn read(&mut self) {
        let Some(mut log) = self.log.take() else { return };
        let read = tokio::task::spawn_blocking(move || {
            let lines = log.read();
            (lines, log)
        });
        match read.await {
            Ok((lines, log)) => {
                self.log = Some(log);
                let host = self.host();
                self.buffer.add(&host, &lines);
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// What stands as the host in messages: over HTTP a header says which drain it is.
    fn host(&self) -> String {
        match &self.to {
            Some(to) if !to.scheme.is_http() => self.drain.token.clone(),
            _ => "host".to_owned(),
        }
    }

    async fn send(&mut self, batch: &Batch) -> Result<(), SendError> {
        let broken = |why: &str| SendError::Broken(why.to_owned());
        let Some(to) = self.to.clone() else { return Err(broken("the address cannot be read")) };
        if !to.scheme.is_http() {
            return self.write(&to, batch).await;
        }
        let mut request = Request::post(&to.path)
            .header(header::HOST, to.authority())
            .header(header::USER_AGENT, AGENT)
            .header(header::CONTENT_TYPE, "application/logplex-1")
            .header("logplex-msg-count", batch.messages)
            .header("logplex-frame-id", self.frame_id.simple().to_string())
            .header("logplex-drain-token", &self.drain.token);
        if let Some(credentials) = &to.credentials {
            request = request.header(header::AUTHORIZATION, basic(credentials));
        }
        let body = Full::new(Bytes::from(batch.body.clone()));
        let request = request.body(body).map_err(|error| broken(&error.to_string()))?;
        let status = self.dialer.request(&to, request).await?;
        match status.is_success() {
            true => Ok(()),
            false => Err(SendError::Broken(format!("the answer had the status {status}"))),
        }
    }

    /// Writes to a receiver of syslog, which says nothing. So it is looked first whether it has gone.
    async fn write(&mut self, to: &Destination, batch: &Batch) -> Result<(), SendError> {
        let mut stream = match self.stream.take() {
            Some(mut stream) => match has_ended(&mut stream).await {
                false => stream,
                true => self.dialer.connect(to).await?,
            },
            None => self.dialer.connect(to).await?,
        };
        let writing = async {
            stream.write_all(&batch.body).await?;
            stream.flush().await
        };
        let written = tokio::time::timeout(TO_WRITE, writing).await.map_err(|_| SendError::Late)?;
        written.map_err(|error| SendError::Broken(error.to_string()))?;
        self.stream = Some(stream);
        Ok(())
    }
}

/// Whether the other end has closed a connection. What it says is passed over.
async fn has_ended(stream: &mut Box<dyn Stream>) -> bool {
    let mut said = [0; 512];
    // A read that would wait is given up at once.
    match tokio::time::timeout(Duration::ZERO, stream.read(&mut said)).await {
        Err(_) => false,
        Ok(Ok(count)) => count == 0,
        Ok(Err(_)) => true,
    }
}

fn fresh() -> Uuid {
    Uuid::from_u128(model::IdSource::next_bits(&mut SystemIds))
}

#[cfg(test)]
mod tests;
