//! What the ledger keeps over a restart beside its records.

use std::path::Path;

use model::{IdentityCommand, Region, Sequence};
use store::{DataDir, Sqlite};

use super::*;
use crate::clock::Clock;
use crate::loops::Supervisor;

const WEEK: u64 = 7 * 24 * 3600;

/// A ledger on a data directory, as one start of a server has it.
struct Start {
    ledger: Ledger,
    thread: JoinHandle<()>,
    clock: Arc<Clock>,
    _data: DataDir,
}

impl Start {
    fn on(data: &Path, clock: Clock) -> Self {
        let dir = DataDir::open(data).unwrap();
        let clock = Arc::new(clock);
        let parts = Parts {
            store: Box::new(Sqlite::open(&dir).unwrap()),
            secret: dir.secret().clone(),
            ids: Box::new(Sequence(0x1000)),
            clock: Arc::clone(&clock),
            follow: Box::new(|_| {}),
            metrics: Arc::default(),
            supervisor: Supervisor::new(|_| ()),
        };
        let (ledger, thread) = Ledger::start(parts).unwrap();
        Self { ledger, thread, clock, _data: dir }
    }

    fn submit(&self, command: IdentityCommand) {
        self.ledger.submit_blocking(Request::system(command)).unwrap();
    }

    fn is_ahead(&self, seconds: u64) -> bool {
        let ahead = self.clock.now().millis() - self.clock.wall().millis();
        let expected = i64::try_from(seconds * 1000).unwrap();
        // The machine's clock goes on between the two looks.
        (expected - 60_000..=expected).contains(&ahead)
    }

    fn end(self) {
        drop(self.ledger);
        self.thread.join().unwrap();
    }
}

#[test]
fn the_clock_is_where_the_ledger_has_it_at_every_start() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let start = Start::on(&data, Clock::movable());
    let instance = "test".to_owned();
    start.submit(IdentityCommand::SetUp { region: Region::DEFAULT, emulator: false, instance });
    assert!(start.is_ahead(0));
    start.submit(IdentityCommand::AdvanceClock { seconds: WEEK });
    start.submit(IdentityCommand::AdvanceClock { seconds: WEEK });
    assert!(start.is_ahead(2 * WEEK));
    start.end();
    for clock in [Clock::movable(), Clock::system()] {
        let start = Start::on(&data, clock);
        assert!(start.is_ahead(2 * WEEK), "{:?}", start.clock);
        start.end();
    }
}
