//! The API's rows.

use std::time::{Duration, Instant};

use super::client::{Connection, Server};
use crate::row;

const MANY: usize = 10_000;
const WRITERS: usize = 8;

/// Measures them.
pub fn run() -> anyhow::Result<()> {
    let server = Server::start("none")?;
    let millis = |span: Duration| format!("{:.1} ms", span.as_secs_f64() * 1e3);
    row("start to first answer", millis(server.first_answer), "≤ 50 ms");
    row("memory, empty", megabytes(server.memory()?), "≤ 15 MB");

    server.ec2("Action=CreateVpc&CidrBlock=10.0.0.0/16")?;
    let request = server.request("Action=DescribeVpcs")?;
    let mut connection = Connection::open(&server.address)?;
    let mut times = Vec::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        let at = Instant::now();
        connection.exchange(&request)?;
        times.push(at.elapsed());
    }
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    times.sort_unstable();
    row("DescribeVpcs, one VPC, one connection", format!("{rate:.0}/s"), "≥ 15000/s");
    row("  its 99th percentile", millis(times[times.len() * 99 / 100]), "≤ 0.2 ms");

    let (all, quarters) = create(&server)?;
    row(
        &format!("CreateVpc, durable, {WRITERS} connections, up to {MANY}"),
        format!("{all:.0}/s"),
        "≥ 5000/s",
    );
    let flat = quarters[3] / quarters[0];
    row("  last quarter ÷ first quarter", format!("{flat:.2}"), "flat (≈ 1)");
    row("memory, 10000 VPCs", megabytes(server.memory()?), "≤ 50 MB");

    let mut best = Duration::MAX;
    for _ in 0..10 {
        let at = Instant::now();
        connection.exchange(&request)?;
        best = best.min(at.elapsed());
    }
    row("DescribeVpcs, all 10000", millis(best), "≤ 15 ms");
    Ok(())
}

fn create(server: &Server) -> anyhow::Result<(f64, [f64; 4])> {
    let request = server.request("Action=CreateVpc&CidrBlock=10.0.0.0/16")?;
    let mut quarters = [0.0; 4];
    let started = Instant::now();
    for quarter in &mut quarters {
        let at = Instant::now();
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut connection = Connection::open(&server.address)?;
                        for _ in 0..MANY / 4 / WRITERS {
                            connection.exchange(&request)?;
                        }
                        anyhow::Ok(())
                    })
                })
                .collect();
            writers.into_iter().try_for_each(|writer| {
                writer.join().unwrap_or_else(|_| anyhow::bail!("a writer broke off"))
            })
        })?;
        *quarter = (MANY / 4) as f64 / at.elapsed().as_secs_f64();
    }
    Ok((MANY as f64 / started.elapsed().as_secs_f64(), quarters))
}

fn megabytes(kib: u64) -> String {
    format!("{:.1} MB", kib as f64 / 1024.0)
}
