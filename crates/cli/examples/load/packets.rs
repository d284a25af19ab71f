//! What a packet costs on its way through a peering, against a bare veth pair.
//!
//! Other work on the machine disturbs each figure. So many short rounds alternate between the two,
//! and what counts is the median of the ratios of neighbouring rounds, with the quarters around it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::client::Server;
use super::fabric::{accept_to_first_packet, enter, ip, request_peering, site};
use crate::row;

const ROUNDS: usize = 30;
/// How long a round of anything lasts.
pub const ROUND: Duration = Duration::from_millis(200);
/// Bytes that are written and read at once.
const CHUNK: usize = 128 << 10;
/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Where packets go to and from.
pub struct Path<'a> {
    /// The namespace that they leave.
    pub from: &'a str,
    /// The namespace that they go to.
    pub to: &'a str,
    /// Their destination.
    pub address: Ipv4Addr,
}

/// Measures two VPCs, peered, with stateful groups.
pub fn run() -> anyhow::Result<()> {
    let server = Server::start("linux")?;
    let a = site(&server, "10.10.0.0/16", "10.10.1.0/24")?;
    let b = site(&server, "10.99.0.0/16", "10.99.1.0/24")?;
    let pcx = request_peering(&server, &a, &b, "CreateRoute")?;
    accept_to_first_packet(&server, &a, &b, &pcx)?;
    let _bare = Bare::new()?;
    let ours = Path { from: &a.namespace, to: &b.namespace, address: b.address };
    let theirs = Path { from: Bare::A, to: Bare::B, address: Bare::ADDRESS };

    let (figure, ratio) = compare(&ours, &theirs, throughput)?;
    row("TCP through a peering", format!("{:.2} Gbit/s", figure / 1e9), "");
    row("  ÷ a bare veth pair", ratio, "≥ 0.95");
    let (figure, ratio) = compare(&ours, &theirs, round_trips)?;
    row("request-response through a peering", format!("{figure:.0}/s"), "");
    row("  ÷ a bare veth pair", ratio, "≥ 0.8");
    let (figure, ratio) = compare(&ours, &theirs, turns)?;
    let micros = 1e6 / figure;
    row("there and back on one thread, nobody woken", format!("{micros:.2} µs"), "");
    row("  ÷ a bare veth pair", ratio, "");
    Ok(())
}

/// The median of a measure, and in words how it compares to the other path's.
pub fn compare(
    ours: &Path<'_>,
    theirs: &Path<'_>,
    measure: impl Fn(&Path<'_>) -> anyhow::Result<f64>,
) -> anyhow::Result<(f64, String)> {
    let (mut figures, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let bare = measure(theirs)?;
        let peering = measure(ours)?;
        figures.push(peering);
        ratios.push(peering / bare);
    }
    let quarter = |values: &mut Vec<f64>, quarters: usize| {
        values.sort_by(f64::total_cmp);
        values[values.len() * quarters / 4]
    };
    let [low, middle, high] = [1, 2, 3].map(|quarters| quarter(&mut ratios, quarters));
    Ok((quarter(&mut figures, 2), format!("{middle:.2} ({low:.2} to {high:.2})")))
}

/// A connection from one end of a path to the other.
fn connect(path: &Path<'_>) -> anyhow::Result<(TcpStream, TcpStream)> {
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| {
            enter(path.to)?;
            let listener = TcpListener::bind(("0.0.0.0", 0))?;
            let address = SocketAddr::from((path.address, listener.local_addr()?.port()));
            enter(path.from)?;
            let client = TcpStream::connect_timeout(&address, PATIENCE)?;
            let (server, _) = listener.accept()?;
            for stream in [&client, &server] {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
            }
            Ok((client, server))
        });
        connecting.join().unwrap_or_else(|_| anyhow::bail!("the connecting broke off"))
    })
}

/// Bits a second that arrive of one TCP stream.
pub fn throughput(path: &Path<'_>) -> anyhow::Result<f64> {
    let (mut client, mut server) = connect(path)?;
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || {
            let chunk = vec![0; CHUNK];
            let started = Instant::now();
            while started.elapsed() < ROUND {
                client.write_all(&chunk)?;
            }
            anyhow::Ok(())
        });
        let mut chunk = vec![0; CHUNK];
        let (started, mut bytes) = (Instant::now(), 0);
        loop {
            match server.read(&mut chunk)? {
                0 => break,
                count => bytes += count,
            }
        }
        let rate = bytes as f64 * 8.0 / started.elapsed().as_secs_f64();
        sender.join().unwrap_or_else(|_| anyhow::bail!("the sender broke off"))?;
        Ok(rate)
    })
}

/// Bytes a second that go there and back over TCP, one at a time.
pub fn round_trips(path: &Path<'_>) -> anyhow::Result<f64> {
    let (mut client, mut server) = connect(path)?;
    std::thread::scope(|scope| {
        let echo = scope.spawn(move || {
            let mut byte = [0];
            while server.read(&mut byte)? == 1 {
                server.write_all(&byte)?;
            }
            anyhow::Ok(())
        });
        let (started, mut count, mut byte) = (Instant::now(), 0_u32, [1]);
        while started.elapsed() < ROUND {
            client.write_all(&byte)?;
            client.read_exact(&mut byte)?;
            count += 1;
        }
        let rate = f64::from(count) / started.elapsed().as_secs_f64();
        drop(client);
        echo.join().unwrap_or_else(|_| anyhow::bail!("the echo broke off"))?;
        Ok(rate)
    })
}

/// Datagrams a second that go there and back where one thread has both ends: what the way itself
/// costs, as the kernel carries each packet to its end before the call that sends it returns.
pub fn turns(path: &Path<'_>) -> anyhow::Result<f64> {
    std::thread::scope(|scope| {
        let turning = scope.spawn(|| {
            enter(path.to)?;
            let there = UdpSocket::bind(("0.0.0.0", 0))?;
            let to = (path.address, there.local_addr()?.port());
            enter(path.from)?;
            let here = UdpSocket::bind(("0.0.0.0", 0))?;
            here.connect(to)?;
            for socket in [&here, &there] {
                socket.set_read_timeout(Some(PATIENCE))?;
            }
            let mut byte = [1];
            here.send(&byte)?;
            let (_, back) = there.recv_from(&mut byte).context("no packet came")?;
            there.connect(back)?;
            let (started, mut count) = (Instant::now(), 0_u32);
            while started.elapsed() < ROUND {
                for (from, to) in [(&there, &here), (&here, &there)] {
                    from.send(&byte)?;
                    to.recv(&mut byte).context("a packet was lost")?;
                }
                count += 1;
            }
            Ok(f64::from(count) / started.elapsed().as_secs_f64())
        });
        turning.join().unwrap_or_else(|_| anyhow::bail!("the turning broke off"))
    })
}

/// Two namespaces with nothing but a veth pair between them.
struct Bare;

impl Bare {
    const A: &str = "cwbench-a";
    const B: &str = "cwbench-b";
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 255, 2);

    fn new() -> anyhow::Result<Self> {
        let bare = Self;
        for words in [
            "netns add cwbench-a",
            "netns add cwbench-b",
            "-n cwbench-a link add v0 mtu 9001 type veth peer name v0 mtu 9001 netns cwbench-b",
            "-n cwbench-a addr add 192.168.255.1/30 dev v0",
            "-n cwbench-b addr add 192.168.255.2/30 dev v0",
            "-n cwbench-a link set v0 up",
            "-n cwbench-b link set v0 up",
        ] {
            ip(words)?;
        }
        Ok(bare)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for name in [Self::A, Self::B] {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}
