//! Measures both stores side by side, on one disk: how many durable commands each takes, how long one takes,
//! and when a follower sees it.

#![allow(clippy::unwrap_used, reason = "a measurement ends where something is not as it must be")]
#![allow(
    clippy::allow_attributes,
    reason = "the server for tests has parts that are not used here"
)]
#![expect(clippy::print_stdout, reason = "its rows are what it is for")]

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../src/postgres/tests/server.rs"]
mod server;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use causeway_store::{AuditRow, Batch, DataDir, Postgres, PostgresUrl, Row, Sqlite, Store};

/// How long each figure is measured.
const EACH: Duration = Duration::from_secs(4);

/// What a command changes, as most do: a row or two.
const ROWS: u64 = 2;

/// What one command leaves, and that of as many as wait for a commit together.
fn batch(revision: u64, commands: u64, id: u64) -> Batch {
    let row = |n: u64| Row {
        kind: "route-table".to_owned(),
        // Some are made and some changed.
        id: format!("rtb-{:017x}", (revision * 7919 + n) % 20_000),
        account: "111122223333".to_owned(),
        revision: revision + 1,
        body: format!("{{\"name\":\"{}\"}}", "x".repeat(600)),
    };
    let note = |n: u64| AuditRow {
        at: 1_700_000_000_000 + n as i64,
        revision: revision + 1,
        actor: "account/111122223333".to_owned(),
        account: "111122223333".to_owned(),
        action: "Ec2.CreateRouteTable".to_owned(),
        outcome: "ok".to_owned(),
        request_id: format!("{revision}-{n}"),
        ..AuditRow::default()
    };
    Batch {
        id,
        expected_revision: revision,
        revision: revision + 1,
        puts: (0..commands * ROWS).map(row).collect(),
        audit: (0..commands).map(note).collect(),
        ..Batch::default()
    }
}

/// Commits for a while: commands in a second, and how long half of the commits took at most.
fn commits(store: &mut dyn Store, commands: u64) -> (f64, Duration) {
    let mut revision = store.identity().unwrap().revision;
    let mut took = Vec::new();
    let began = Instant::now();
    while began.elapsed() < EACH {
        let batch = batch(revision, commands, revision);
        let sent = Instant::now();
        store.commit(&batch).unwrap();
        took.push(sent.elapsed());
        revision += 1;
    }
    let rate = took.len() as f64 * commands as f64 / began.elapsed().as_secs_f64();
    (rate, median(took))
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}

/// How long a commit takes until a follower, which waits at the doorbell, has read it.
fn follower(store: &mut dyn Store) -> Duration {
    let follower = store.handle().unwrap();
    let mut bell = store.doorbell().unwrap();
    let mut revision = store.identity().unwrap().revision;
    let (done, seen) = std::sync::mpsc::channel();
    let since = revision;
    let following = thread::spawn(move || {
        let mut since = since;
        while since < u64::MAX {
            if bell.wait(Duration::from_secs(2)).unwrap() {
                since = follower.tail(since).unwrap().revision;
                let _ = done.send((since, Instant::now()));
            } else {
                return;
            }
        }
    });
    let mut took = Vec::new();
    let began = Instant::now();
    while began.elapsed() < EACH {
        let sent = Instant::now();
        store.commit(&batch(revision, 1, revision)).unwrap();
        revision += 1;
        while let Ok((at, when)) = seen.recv_timeout(Duration::from_secs(2)) {
            if at >= revision {
                took.push(when.saturating_duration_since(sent));
                break;
            }
        }
        rest();
    }
    drop(seen);
    following.join().unwrap();
    median(took)
}

/// Lets the follower come to rest, so that each commit is measured by itself.
#[expect(clippy::disallowed_methods, reason = "nothing is waited for")]
fn rest() {
    thread::sleep(Duration::from_millis(5));
}

/// How long the disk takes to keep a page.
fn fsync(dir: &Path) -> Duration {
    let mut file = File::create(dir.join("fsync")).unwrap();
    let page = [7; 8192];
    let took = (0..400).map(|_| {
        let began = Instant::now();
        file.write_all(&page).unwrap();
        file.sync_data().unwrap();
        began.elapsed()
    });
    median(took.collect())
}

fn row(what: &str, figure: impl std::fmt::Display, wanted: &str) {
    let wanted = if wanted.is_empty() { String::new() } else { format!("   wanted {wanted}") };
    println!("{what:<58} {figure:>24}{wanted}");
}

fn main() {
    let scratch = tempfile::tempdir().unwrap();
    let server = server::Server::start("shared_buffers = '128MB'");
    let url = PostgresUrl::read(&server.url(&server.database())).unwrap();
    let other = scratch.path().join("server");
    let mut postgres =
        Postgres::open(&url, &DataDir::open_for_server(&other, None).unwrap()).unwrap();
    let here = scratch.path().join("here");
    let mut sqlite = Sqlite::open(&DataDir::open(&here).unwrap()).unwrap();

    let disk = fsync(scratch.path());
    row("the disk keeps a page (fdatasync, p50)", format!("{disk:.1?}"), "");
    // In turn, so that whatever else the machine does meets both.
    let mut rates = Vec::new();
    for commands in [1, 8, 64] {
        let (one, single) = commits(&mut sqlite, commands);
        let (two, twice) = commits(&mut postgres, commands);
        rates.push((commands, one, two));
        row(
            &format!("SQLite, {commands} waiting: commands/s, p50 of a commit"),
            format!("{one:.0}/s, {single:.2?}"),
            "",
        );
        row(
            &format!("PostgreSQL over TCP, {commands} waiting"),
            format!("{two:.0}/s, {twice:.2?}"),
            if commands == 1 { "≤ 3 × fsync + 1 ms" } else { "" },
        );
    }
    for (commands, one, two) in rates {
        row(
            &format!("PostgreSQL ÷ SQLite, {commands} waiting"),
            format!("{:.2}", two / one),
            if commands == 64 { "≥ 0.6" } else { "" },
        );
    }
    row(
        "a follower has a commit (p50 from before it is sent)",
        format!("{:.2?}", follower(&mut postgres)),
        "≤ 10 ms",
    );
}
