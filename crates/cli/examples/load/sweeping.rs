//! How soon a change is in force while the fabric is being swept: what is taken away, and what is
//! given.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::client::{Connection, Server};
use super::fabric::{Site, accept_to_first_packet, enter, request_peering};
use crate::row;

const REVOKES: usize = 200;
const ACCEPTS: usize = 100;
const COMMITS: usize = 200;
/// Sweeps that are asked for at once: while one runs, the next one waits.
const SWEEPERS: usize = 2;
/// Between two packets of the flood that a revoke must end.
const PACKET_EVERY: Duration = Duration::from_micros(200);
/// How long after a change the comparison goes on for certain.
const SWEEPS_ON: Duration = Duration::from_millis(30);
/// After this long without a packet none is on its way.
const SILENCE: Duration = Duration::from_millis(200);

/// Measures both between two sites.
pub fn run(server: &Server, a: &Site, b: &Site, vpcs: usize) -> anyhow::Result<()> {
    let mut pcx = request_peering(server, a, b, "CreateRoute")?;
    accept_to_first_packet(server, a, b, &pcx)?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..SWEEPERS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // One that fails shows in what is measured.
                    let _ = server.sweep();
                }
            });
        }
        let mut measure = || -> anyhow::Result<[Vec<Duration>; 3]> {
            let commits = commits(server, a)?;
            let mut accepts = Vec::new();
            for _ in 0..ACCEPTS {
                let delete = "Action=DeleteVpcPeeringConnection&VpcPeeringConnectionId=";
                server.ec2(&format!("{delete}{pcx}"))?;
                pcx = request_peering(server, a, b, "ReplaceRoute")?;
                accepts.push(accept_to_first_packet(server, a, b, &pcx)?);
            }
            let revokes = (0..REVOKES).map(|_| revoke_to_last_packet(server, a, b));
            Ok([commits, revokes.collect::<anyhow::Result<_>>()?, accepts])
        };
        let measured = measure();
        stop.store(true, Ordering::Relaxed);
        let [commits, revokes, accepts] = measured?;
        let (p50, p99) = percentiles(commits);
        let name = format!("a commit that changes no packets, sweep under way, {vpcs} VPCs");
        row(&name, format!("p50 {p50:.1} ms, p99 {p99:.1} ms"), "part of those below");
        show(&format!("revoke → last packet, sweep under way, {vpcs} VPCs"), revokes);
        show(&format!("accept → first packet, sweep under way, {vpcs} VPCs"), accepts);
        Ok(())
    })
}

fn show(name: &str, times: Vec<Duration>) {
    let (p50, p99) = percentiles(times);
    row(name, format!("p50 {p50:.1} ms, p99 {p99:.1} ms"), "p99 ≤ 15 ms");
}

/// The median and the 99th percentile by the nearest rank, in milliseconds.
fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: usize| {
        let time = times.get((times.len() * share).div_ceil(100).saturating_sub(1));
        time.copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    (at(50), at(99))
}

/// What a change takes that is written down and answered and changes nothing of the network.
fn commits(server: &Server, a: &Site) -> anyhow::Result<Vec<Duration>> {
    let mut connection = Connection::open(&server.address)?;
    let commit = |n: usize| {
        let tag = format!("ResourceId.1={}&Tag.1.Key=round&Tag.1.Value={n}", a.vpc);
        let request = server.request(&format!("Action=CreateTags&{tag}"))?;
        let asked = Instant::now();
        connection.exchange(&request)?;
        Ok(asked.elapsed())
    };
    (0..COMMITS).map(commit).collect()
}

/// From the request that takes a rule away to the last packet that it let through. Each packet
/// is a connection of its own: those that are established already may go on.
fn revoke_to_last_packet(server: &Server, a: &Site, b: &Site) -> anyhow::Result<Duration> {
    let rule = format!(
        "GroupId={}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8",
        b.group
    );
    let revoke = server.request(&format!("Action=RevokeSecurityGroupIngress&{rule}"))?;
    let mut connection = Connection::open(&server.address)?;
    let stop = AtomicBool::new(false);
    let took = std::thread::scope(|scope| {
        let (first, flows) = channel();
        let receiver = scope.spawn(move || {
            enter(&b.namespace)?;
            let socket = UdpSocket::bind(("0.0.0.0", 7000))?;
            socket.set_read_timeout(Some(Duration::from_secs(10)))?;
            socket.recv(&mut [0; 16]).context("no packet came")?;
            socket.set_read_timeout(Some(SILENCE))?;
            let mut last = Instant::now();
            first.send(())?;
            while socket.recv(&mut [0; 16]).is_ok() {
                last = Instant::now();
            }
            anyhow::Ok(last)
        });
        let sender = scope.spawn(|| {
            enter(&a.namespace)?;
            while !stop.load(Ordering::Relaxed) {
                let socket = UdpSocket::bind(("0.0.0.0", 0))?;
                // Refused is what it is afterwards.
                let _ = socket.send_to(b"x", (b.address, 7000));
                std::thread::park_timeout(PACKET_EVERY);
            }
            anyhow::Ok(())
        });
        let measured = flows.recv().context("no packet came").and_then(|()| {
            // The rule was given just before: the comparison stands still for a moment after it.
            std::thread::park_timeout(SWEEPS_ON);
            let asked = Instant::now();
            connection.exchange(&revoke)?;
            Ok(asked)
        });
        let last = receiver.join().unwrap_or_else(|_| anyhow::bail!("the receiver broke off"));
        stop.store(true, Ordering::Relaxed);
        sender.join().unwrap_or_else(|_| anyhow::bail!("the sender broke off"))?;
        anyhow::Ok(last?.saturating_duration_since(measured?))
    });
    server.ec2(&format!("Action=AuthorizeSecurityGroupIngress&{rule}"))?;
    took
}
