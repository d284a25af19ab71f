//! The controller's end of the control socket, for a thread that may block.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use model::edge::{EdgeDelta, EdgeEvent, EdgeIntent};

use super::message::{Hello, Order, Report};
use crate::config::socket;

/// How long an edge may take to say who it is.
const GREETING: Duration = Duration::from_secs(5);
/// How long it may take to do what it was told.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells an edge what to answer. Whoever has the newest one is the controller; older ones are not
/// heard any more. The edge goes on with its last table when its controller goes away.
#[derive(Debug)]
pub struct Control {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
    line: Vec<u8>,
    peer: Hello,
    events: VecDeque<EdgeEvent>,
    pinged: u64,
}

impl Control {
    /// Becomes the controller of the edge in a directory.
    pub fn connect(dir: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket(dir))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let reader = BufReader::new(stream.try_clone()?);
        let nobody = Hello { build: String::new(), config: String::new(), pid: 0 };
        let mut control = Self {
            stream,
            reader,
            line: Vec::new(),
            peer: nobody.clone(),
            events: VecDeque::new(),
            pinged: 0,
        };
        control.say(&Order::Hello(Hello { pid: std::process::id(), ..nobody }))?;
        let deadline = Instant::now() + GREETING;
        loop {
            match control.report(deadline)? {
                Some(Report::Hello(peer)) => {
                    control.peer = peer;
                    return Ok(control);
                }
                Some(_) => {}
                None => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    /// Who the edge is.
    pub fn peer(&self) -> &Hello {
        &self.peer
    }

    /// Tells everything.
    pub fn sync(&mut self, intent: &EdgeIntent) -> io::Result<()> {
        self.say(&Order::Sync(intent.clone()))
    }

    /// Tells what changed.
    pub fn change(&mut self, delta: &EdgeDelta) -> io::Result<()> {
        self.say(&Order::Change(delta.clone()))
    }

    /// Waits until everything that was told is done, each socket made or at least tried. Gives
    /// the number of sockets that are still missing, because their namespace is; the edge goes on
    /// trying.
    pub fn settle(&mut self) -> io::Result<usize> {
        self.pinged += 1;
        self.say(&Order::Ping(self.pinged))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.report(deadline)? {
                Some(Report::Pong(number, missing)) if number == self.pinged => return Ok(missing),
                Some(Report::Event(event)) => self.events.push_back(event),
                Some(_) => {}
                None => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    /// The next thing that the edge found out; `None` if nothing came in time. An error means
    /// that the edge, or another controller, closed the connection: connect anew.
    pub fn next_event(&mut self, within: Duration) -> io::Result<Option<EdgeEvent>> {
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        let deadline = Instant::now() + within;
        loop {
            match self.report(deadline)? {
                Some(Report::Event(event)) => return Ok(Some(event)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Whether something was read that was not asked for yet: then [`Self::next_event`] does not
    /// wait, and the descriptor need not be readable.
    pub fn has_more(&self) -> bool {
        !self.events.is_empty() || self.reader.buffer().contains(&b'\n')
    }

    /// Ends the edge at once, and waits until it is gone.
    pub fn stop(mut self) -> io::Result<()> {
        self.say(&Order::Stop)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.report(deadline) {
                Ok(Some(_)) => {}
                Ok(None) => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) if is_end(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn say(&mut self, order: &Order) -> io::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.stream.write_all(&line)
    }

    /// The next report; `None` if none came in time.
    fn report(&mut self, deadline: Instant) -> io::Result<Option<Report>> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Nothing is waited for if there is no time left, but what is there is read.
            self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match self.reader.read_until(b'\n', &mut self.line) {
                Ok(_) if self.line.last() == Some(&b'\n') => {
                    let report = serde_json::from_slice(&self.line);
                    self.line.clear();
                    return Ok(Some(report?));
                }
                Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    if left.is_zero() {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Control {
    /// For waiting until the edge says something.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}
