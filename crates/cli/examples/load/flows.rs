//! What records of flows cost: the same over two peerings of one server, of which one has flow logs at
//! both ends and the other has none.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Instant;

use anyhow::ensure;

use super::client::Server;
use super::fabric::{accept_to_first_packet, enter, request_peering, site};
use super::packets::{PATIENCE, Path, ROUND, compare, round_trips, throughput, turns};
use crate::row;

/// An address that no route leads to.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(10, 250, 0, 1);

/// Measures two pairs of VPCs, in turns.
pub fn run() -> anyhow::Result<()> {
    let server = Server::start("linux")?;
    let mut pairs = Vec::new();
    for [one, other] in [[10, 11], [20, 21]] {
        let at = |net| site(&server, &format!("10.{net}.0.0/16"), &format!("10.{net}.1.0/24"));
        let (a, b) = (at(one)?, at(other)?);
        let pcx = request_peering(&server, &a, &b, "CreateRoute")?;
        accept_to_first_packet(&server, &a, &b, &pcx)?;
        pairs.push((a, b));
    }
    let [(a, b), (c, d)] = &pairs[..] else { anyhow::bail!("there are two pairs") };
    for vpc in [&a.vpc, &b.vpc] {
        let made = server.ec2(&format!(
            "Action=CreateFlowLogs&ResourceType=VPC&ResourceId.1={vpc}&TrafficType=ALL\
             &LogDestinationType=s3&LogDestination=arn:aws:s3:::bench&MaxAggregationInterval=60"
        ))?;
        ensure!(made["flowLogIdSet"][0].is_string(), "{made}");
    }
    for vpc in [&a.vpc, &b.vpc] {
        while !counts(&format!("cw-{vpc}"))? {
            server.sweep()?;
        }
    }
    let on = Path { from: &a.namespace, to: &b.namespace, address: b.address };
    let off = Path { from: &c.namespace, to: &d.namespace, address: d.address };

    let (figure, ratio) = compare(&on, &off, throughput)?;
    row("TCP through a peering with flow logs", format!("{:.2} Gbit/s", figure / 1e9), "");
    row("  ÷ without", ratio, "");
    let (figure, ratio) = compare(&on, &off, round_trips)?;
    row("request-response with flow logs", format!("{figure:.0}/s"), "");
    row("  ÷ without", ratio, "");
    let (figure, ratio) = compare(&on, &off, turns)?;
    row("there and back on one thread, with flow logs", format!("{:.2} µs", 1e6 / figure), "");
    row("  ÷ without", ratio, "");
    let (figure, ratio) = compare(&on, &off, connections)?;
    row("new connections with flow logs", format!("{figure:.0}/s"), "");
    row("  ÷ without", ratio, "");
    let (figure, ratio) = compare(&on, &off, dropped)?;
    row("datagrams that no route leads to, with flow logs", format!("{figure:.0}/s"), "");
    row("  ÷ without", ratio, "");
    Ok(())
}

/// Whether a router counts what goes over connections, as it does where a flow log is about it.
fn counts(router: &str) -> anyhow::Result<bool> {
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            enter(router)?;
            let path = "/proc/sys/net/netfilter/nf_conntrack_acct";
            Ok(std::fs::read_to_string(path)?.trim() == "1")
        });
        looking.join().unwrap_or_else(|_| anyhow::bail!("the looking broke off"))
    })
}

/// Connections a second that are opened and closed, one at a time.
fn connections(path: &Path<'_>) -> anyhow::Result<f64> {
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| {
            enter(path.to)?;
            let listener = TcpListener::bind(("0.0.0.0", 0))?;
            let address = SocketAddr::from((path.address, listener.local_addr()?.port()));
            enter(path.from)?;
            let (started, mut count) = (Instant::now(), 0_u32);
            while started.elapsed() < ROUND {
                let client = TcpStream::connect_timeout(&address, PATIENCE)?;
                let (server, _) = listener.accept()?;
                drop((client, server));
                count += 1;
            }
            Ok(f64::from(count) / started.elapsed().as_secs_f64())
        });
        connecting.join().unwrap_or_else(|_| anyhow::bail!("the connecting broke off"))
    })
}

/// Datagrams a second that are sent and dropped.
fn dropped(path: &Path<'_>) -> anyhow::Result<f64> {
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            enter(path.from)?;
            let socket = UdpSocket::bind(("0.0.0.0", 0))?;
            let (started, mut count) = (Instant::now(), 0_u32);
            while started.elapsed() < ROUND {
                // Nothing says that it was dropped.
                socket.send_to(&[1], (NOWHERE, 9))?;
                count += 1;
            }
            Ok(f64::from(count) / started.elapsed().as_secs_f64())
        });
        sending.join().unwrap_or_else(|_| anyhow::bail!("the sending broke off"))
    })
}
