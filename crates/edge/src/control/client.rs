//! The controller's end of the control socket. Its calls block.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use model::edge::{EdgeDelta, EdgeEvent, EdgeIntent};

use crate::config::socket;
use crate::figures::Figures;
use crate::protocol::{Hello, Namespaces, Order, Report, Table, TableDelta};

/// How long an edge may take to answer a connection.
const GREETING: Duration = Duration::from_secs(5);
/// How long an edge may take to say what it has counted.
const GLANCE: Duration = Duration::from_secs(1);
/// How long an edge may take to do what it was told.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to an edge as its controller. The newest connection is the controller's; orders over
/// older ones are ignored. When the controller goes away, the edge goes on with its last intent.
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
    ///
    /// # Errors
    ///
    /// The operating system's error, if no edge listens there or it does not answer in time.
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

    /// Sends the whole intent, in place of the one before, and the namespaces of its parts. These are
    /// not needed where all sockets are opened in the edge's own.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the edge is gone. The same is true of all other calls.
    pub fn sync(&mut self, intent: &EdgeIntent, namespaces: &Namespaces) -> io::Result<()> {
        self.say(&Order::Sync(Table::new(intent, namespaces)))
    }

    /// Sends what changed of the intent, and the namespaces of what is made or changed.
    pub fn change(&mut self, delta: &EdgeDelta, namespaces: &Namespaces) -> io::Result<()> {
        self.say(&Order::Change(TableDelta::new(delta, namespaces)))
    }

    /// Waits until the edge has done everything that it was told. Gives the number of sockets that
    /// could not be opened because their namespace does not exist; the edge goes on trying.
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

    /// The next event, or `None` if none came in time. An error means that the edge closed the
    /// connection, and that the controller has to connect anew.
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

    /// Whether events were read that [`Self::next_event`] has not given yet. It gives them even if
    /// the descriptor is not readable.
    pub fn has_more(&self) -> bool {
        !self.events.is_empty() || self.reader.buffer().contains(&b'\n')
    }

    /// Ends the edge at once, and waits until it closes the connection.
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

    /// The next report, or `None` if none came in time.
    fn report(&mut self, deadline: Instant) -> io::Result<Option<Report>> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Even without any time left, a report that came already is read.
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

/// What the edge in a directory has counted. It is asked over a connection of its own, which leaves the
/// controller's alone.
///
/// # Errors
///
/// The operating system's error, if no edge listens there or it does not answer in time, and whatever
/// an edge of another build does not know.
pub fn figures(dir: &Path) -> io::Result<Figures> {
    let mut stream = UnixStream::connect(socket(dir))?;
    stream.set_write_timeout(Some(GLANCE))?;
    stream.set_read_timeout(Some(GLANCE))?;
    let mut order = serde_json::to_vec(&Order::Figures)?;
    order.push(b'\n');
    stream.write_all(&order)?;
    let mut line = Vec::new();
    BufReader::new(stream).read_until(b'\n', &mut line)?;
    match serde_json::from_slice(&line)? {
        Report::Figures(figures) => Ok(*figures),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

impl AsFd for Control {
    /// The descriptor that is readable when the edge says something.
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
