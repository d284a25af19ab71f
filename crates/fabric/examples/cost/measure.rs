//! What is measured: one round of one way.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::socket::{setsockopt, sockopt};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use os::netns::NetworkNamespace;

use crate::Result;

/// How long a round lasts: short beside what disturbs it.
const ROUND: Duration = Duration::from_millis(20);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that are written and read at once.
const CHUNK: usize = 128 << 10;

/// Where packets go from and to.
pub struct Way {
    /// The namespace that they leave.
    pub from: String,
    /// The namespace that they go to.
    pub to: String,
    /// Their destination.
    pub address: Ipv4Addr,
}

/// What a round shows.
#[derive(Clone, Copy)]
pub struct Round {
    /// Seconds of the processor for one of what is counted.
    pub busy: f64,
    /// How many of them a second were done.
    pub rate: f64,
}

/// Something that is measured.
pub struct Measure {
    /// What it is.
    pub what: &'static str,
    /// The unit of its cost.
    pub unit: &'static str,
    /// How many of these units a second for one is.
    pub scale: f64,
    /// The unit of its rate.
    pub rate: &'static str,
    /// How many of what is counted are one of that.
    pub per: f64,
    /// Measures it once.
    pub run: fn(&Way) -> Result<Round>,
}

/// All of them.
pub const MEASURES: &[Measure] = &[
    Measure {
        what: "A byte there and back over TCP",
        unit: "µs of the processor",
        scale: 1e6,
        rate: "thousand a second",
        per: 1e3,
        run: round_trips,
    },
    Measure {
        what: "The same between two threads, each of which wakes the other",
        unit: "µs of the processor",
        scale: 1e6,
        rate: "thousand a second",
        per: 1e3,
        run: woken,
    },
    Measure {
        what: "One stream of TCP",
        unit: "ms of the processor per GB",
        scale: 1e12,
        rate: "Gbit/s on one processor",
        per: 1e9 / 8.0,
        run: stream,
    },
    Measure {
        what: "A connection of TCP made and broken off",
        unit: "µs of the processor",
        scale: 1e6,
        rate: "thousand a second",
        per: 1e3,
        run: connections,
    },
];

/// Keeps the calling thread, and those that it begins, on one processor.
pub fn pin() -> Result<()> {
    let may = sched_getaffinity(Pid::from_raw(0))?;
    let last = (0..CpuSet::count()).rev().find(|at| may.is_set(*at).unwrap_or(false));
    let mut one = CpuSet::new();
    one.set(last.unwrap_or(0))?;
    Ok(sched_setaffinity(Pid::from_raw(0), &one)?)
}

/// Counts what a closure does until the round is over. It says how much it did.
fn count(mut work: impl FnMut() -> Result<usize>) -> Result<Round> {
    // Of the whole process: what is measured may take two threads, and no other has anything to do.
    let busy = || clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from);
    let (began, mut done) = (Instant::now(), 0);
    let before = busy()?;
    while began.elapsed() < ROUND {
        done += work()?;
    }
    let (busy, elapsed) = ((busy()? - before).as_secs_f64(), began.elapsed().as_secs_f64());
    let done = done as f64;
    Ok(Round { busy: busy / done, rate: done / elapsed })
}

fn enter(name: &str) -> Result<()> {
    let namespace = NetworkNamespace::open(name)?.ok_or_else(|| format!("{name} is not there"))?;
    Ok(namespace.enter()?)
}

/// A listener at the end of a way; leaves the thread at its beginning.
fn listen(way: &Way) -> Result<(TcpListener, SocketAddr)> {
    enter(&way.to)?;
    let listener = TcpListener::bind(("0.0.0.0", 0))?;
    enter(&way.from)?;
    let port = listener.local_addr()?.port();
    Ok((listener, (way.address, port).into()))
}

fn connect(way: &Way) -> Result<(TcpStream, TcpStream)> {
    let (listener, address) = listen(way)?;
    let client = TcpStream::connect_timeout(&address, PATIENCE)?;
    let (server, _) = listener.accept()?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
    }
    Ok((client, server))
}

fn round_trips(way: &Way) -> Result<Round> {
    let (mut client, mut server) = connect(way)?;
    let mut byte = [1];
    let mut turn = || {
        client.write_all(&byte)?;
        server.read_exact(&mut byte)?;
        server.write_all(&byte)?;
        client.read_exact(&mut byte)?;
        Ok(1)
    };
    for _ in 0..10 {
        turn()?;
    }
    count(turn)
}

fn woken(way: &Way) -> Result<Round> {
    let (mut client, mut server) = connect(way)?;
    std::thread::scope(|scope| {
        let echo = scope.spawn(move || {
            let mut byte = [0];
            while server.read(&mut byte)? == 1 {
                server.write_all(&byte)?;
            }
            std::io::Result::Ok(())
        });
        let mut byte = [1];
        let round = count(|| {
            client.write_all(&byte)?;
            client.read_exact(&mut byte)?;
            Ok(1)
        });
        drop(client);
        echo.join().map_err(|_| "the echo broke off")??;
        round
    })
}

fn stream(way: &Way) -> Result<Round> {
    let (mut client, mut server) = connect(way)?;
    for stream in [&client, &server] {
        stream.set_nonblocking(true)?;
    }
    let (from, mut to) = (vec![0; CHUNK], vec![0; CHUNK]);
    let waits = |done: std::io::Result<usize>| match done {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    };
    // Until the window is as large as it gets.
    let began = Instant::now();
    let mut pump = || {
        let written = waits(client.write(&from))?;
        let mut read = 0;
        loop {
            match waits(server.read(&mut to))? {
                0 => break,
                count => read += count,
            }
        }
        if written == 0 && read == 0 {
            std::thread::yield_now();
        }
        Ok(read)
    };
    while began.elapsed() < ROUND / 2 {
        pump()?;
    }
    count(pump)
}

fn connections(way: &Way) -> Result<Round> {
    let (listener, address) = listen(way)?;
    count(|| {
        let client = TcpStream::connect_timeout(&address, PATIENCE)?;
        let (server, _) = listener.accept()?;
        // Nobody waits for what might still come, so that no round is left with the next one's ports.
        let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&client, sockopt::Linger, &at_once)?;
        drop((client, server));
        Ok(1)
    })
}
