//! Two servers measured in turns, so that whatever else the machine does meanwhile meets both.

use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::bare::Bare;
use super::client::{Connection, Server};
use crate::row;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Connections at a time, each with a request under way.
    pub connections: usize,
    /// How often each of the two has its turn.
    pub rounds: usize,
    /// How long a turn takes; one that is not done with its first request by then takes longer.
    pub turn: Duration,
    /// Whether all is measured once more with everything on one processor. With several, a small answer
    /// takes as long as the machine takes to wake a processor that has gone to sleep, and how often it has
    /// to depends on which threads happen to meet on which processor. On one nobody sleeps, and the work
    /// alone is measured.
    pub on_one_too: bool,
}

/// Measures one request against a bare hyper server that gives the same answer, and prints the rows.
pub fn against_bare(
    server: &Server,
    what: &str,
    request: &[u8],
    plan: Plan,
    wanted: &str,
) -> anyhow::Result<()> {
    let bare = Bare::answering(&Connection::open(&server.address)?.ask_well(request)?)?;
    measure(server, &bare, what, request, plan, wanted)?;
    if !plan.on_one_too {
        return Ok(());
    }
    let _pinned = [
        Pinned::whole(server.process())?,
        Pinned::whole(bare.process())?,
        // The threads of the client begin where this one is.
        Pinned::thread(Pid::from_raw(0))?,
    ];
    measure(server, &bare, &format!("{what}, on one processor"), request, plan, wanted)
}

/// Threads that run on the first processor alone until this is dropped.
struct Pinned(Vec<(Pid, CpuSet)>);

impl Pinned {
    /// All threads that a process has now.
    fn whole(process: u32) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
            let name = thread?.file_name();
            let id: i32 = name.to_string_lossy().parse()?;
            all.extend(std::mem::take(&mut Self::thread(Pid::from_raw(id))?.0));
        }
        Ok(Self(all))
    }

    fn thread(id: Pid) -> anyhow::Result<Self> {
        let before = sched_getaffinity(id)?;
        let mut first = CpuSet::new();
        first.set(
            (0..CpuSet::count()).find(|at| before.is_set(*at).unwrap_or(false)).unwrap_or(0),
        )?;
        sched_setaffinity(id, &first)?;
        Ok(Self(vec![(id, before)]))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        for (id, before) in &self.0 {
            // A thread that has ended needs nothing.
            let _ = sched_setaffinity(*id, before);
        }
    }
}

fn measure(
    server: &Server,
    bare: &Bare,
    what: &str,
    request: &[u8],
    plan: Plan,
    wanted: &str,
) -> anyhow::Result<()> {
    let mut ours = Side::open(&server.address, plan.connections)?;
    let mut theirs = Side::open(&bare.address, plan.connections)?;
    let mut ratios = Vec::new();
    for round in 0..plan.rounds {
        // Who is second may find the machine warmer.
        let (ours, theirs) = if round % 2 == 0 {
            let ours = ours.turn(request, plan.turn)?;
            (ours, theirs.turn(request, plan.turn)?)
        } else {
            let theirs = theirs.turn(request, plan.turn)?;
            (ours.turn(request, plan.turn)?, theirs)
        };
        ratios.push(ours / theirs);
    }
    let size = bare.size as f64 / 1e3;
    row(&format!("{what} ({size:.1} kB)"), ours.rates(), "");
    row("  median and 99th percentile", ours.latencies(), "");
    row("  of bare hyper", theirs.rates(), "");
    row("  its median and 99th percentile", theirs.latencies(), "");
    let [low, middle, high] = quartiles(&mut ratios);
    row("  ÷ bare hyper", format!("{middle:.2} ({low:.2} to {high:.2})"), wanted);
    Ok(())
}

/// One of the two, and what was measured of it.
struct Side {
    connections: Vec<Connection>,
    /// Requests per second of each turn.
    rates: Vec<f64>,
    /// How long each request took.
    times: Vec<Duration>,
}

impl Side {
    fn open(address: &str, connections: usize) -> anyhow::Result<Self> {
        let open = |_| Connection::open(address);
        let connections = (0..connections).map(open).collect::<anyhow::Result<_>>()?;
        Ok(Self { connections, rates: Vec::new(), times: Vec::new() })
    }

    /// Sends a request again and again on each connection, and returns how many a second were answered.
    fn turn(&mut self, request: &[u8], span: Duration) -> anyhow::Result<f64> {
        let started = Instant::now();
        let all = std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .connections
                .iter_mut()
                .map(|connection| scope.spawn(move || repeat(connection, request, span)))
                .collect();
            let mut all = Vec::new();
            for thread in threads {
                let times = thread.join().map_err(|_| anyhow::anyhow!("a client broke off"))?;
                all.extend(times?);
            }
            anyhow::Ok(all)
        })?;
        let rate = all.len() as f64 / started.elapsed().as_secs_f64();
        self.rates.push(rate);
        self.times.extend(all);
        Ok(rate)
    }

    fn rates(&self) -> String {
        let [low, middle, high] = quartiles(&mut self.rates.clone());
        let digits = usize::from(middle < 100.0);
        format!("{middle:.digits$}/s ({low:.digits$} to {high:.digits$})")
    }

    fn latencies(&self) -> String {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        format!("{:.3} and {:.3} ms", at(50), at(99))
    }
}

fn repeat(
    connection: &mut Connection,
    request: &[u8],
    span: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    let started = Instant::now();
    while times.is_empty() || started.elapsed() < span {
        let at = Instant::now();
        connection.pass(request)?;
        times.push(at.elapsed());
    }
    Ok(times)
}

/// The lower quartile, the median and the upper quartile.
fn quartiles(figures: &mut [f64]) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| figures[(figures.len() - 1) * quarter / 4])
}
