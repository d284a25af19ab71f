//! Prints how many commits a second this machine's disk takes, for three sizes of batch.
//!
//! `cargo run --release -p causeway-store --example commit_rate [DIRECTORY]`: the directory says
//! which disk is measured; without it, the one with temporary files.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::time::{Duration, Instant};

use causeway_store::{AuditRow, Batch, DataDir, Row, Sqlite, Store};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Long enough for the log to be copied back several times.
const ROUND: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = match std::env::args_os().nth(1) {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    println!("{:>5} {:>12} {:>12} {:>14} {:>14}", "batch", "commits/s", "rows/s", "ms", "CPU ms");
    for size in [1, 8, 64] {
        let dir = DataDir::open(&scratch.path().join(size.to_string()))?;
        let mut store = Sqlite::open(&dir)?;
        let (commits, taken, cpu) = measure(&mut store, size)?;
        let per_second = f64::from(commits) / taken.as_secs_f64();
        println!(
            "{size:>5} {per_second:>12.0} {:>12.0} {:>14.3} {:>14.3}",
            per_second * f64::from(size),
            1_000.0 / per_second,
            cpu.as_secs_f64() * 1_000.0 / f64::from(commits),
        );
    }
    Ok(())
}

/// Commits new rows for a while: how many times, in how long, with how much of the processor.
fn measure(store: &mut Sqlite, size: u32) -> Result<(u32, Duration, Duration), Box<dyn Error>> {
    let (start, used) = (Instant::now(), processor_time()?);
    let mut commits = 0;
    while start.elapsed() < ROUND {
        store.commit(&batch(commits, size))?;
        commits += 1;
    }
    Ok((commits, start.elapsed(), processor_time()?.saturating_sub(used)))
}

/// Rows as large as a VPC's, each with its audit row.
fn batch(commits: u32, size: u32) -> Batch {
    let expected_revision = u64::from(commits) * u64::from(size);
    let revisions = expected_revision + 1..=expected_revision + u64::from(size);
    // Scattered like real identifiers, which is what costs the index.
    let id = |revision: u64| format!("vpc-{:016x}", revision.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let puts = revisions.clone().map(|revision| Row {
        kind: "vpc".to_owned(),
        id: id(revision),
        account: format!("{:012}", revision % 50),
        revision,
        body: format!("{{\"cidr\":\"10.0.0.0/16\",\"tags\":\"{}\"}}", "x".repeat(400)),
    });
    let audit = revisions.clone().map(|revision| AuditRow {
        at: 1_700_000_000_000,
        revision,
        actor: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        account: format!("{:012}", revision % 50),
        action: "CreateVpc".to_owned(),
        resource: id(revision),
        source: "127.0.0.1".to_owned(),
        outcome: "ok".to_owned(),
        request_id: "1b4e28ba-2fa1-11d2-883f-0016d3cca427".to_owned(),
        ..AuditRow::default()
    });
    Batch {
        id: expected_revision,
        epoch: 0,
        expected_revision,
        revision: *revisions.end(),
        puts: puts.collect(),
        deletes: Vec::new(),
        audit: audit.collect(),
        events: Vec::new(),
    }
}

fn processor_time() -> Result<Duration, Box<dyn Error>> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}
