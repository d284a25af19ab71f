//! Waiting for a server that is starting.

use std::time::{Duration, Instant};

use crate::client::{Connection, noted};

/// How often to look.
const EVERY: Duration = Duration::from_millis(50);
/// How long a server may take until it holds the lock of its directory.
const BEGINS_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take from then on until it listens.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// After how long the user is told what is waited for.
const QUIET: Duration = Duration::from_secs(1);

/// Waits for a server that is starting on the data directory that is meant, as `causeway serve &` has
/// hardly begun when a shell runs the next command. If it does not come up, the next request says so.
#[expect(clippy::print_stderr, reason = "standard output is for a shell")]
#[expect(clippy::disallowed_methods, reason = "who starts tells nobody of being ready")]
pub(super) fn await_server(connection: &Connection) {
    let Some(data) = connection.awaited_data() else { return };
    let began = Instant::now();
    let mut said = false;
    loop {
        let holder = store::DataDir::holder(&data);
        let patience = match holder {
            // It has noted where it is.
            Some(pid) if noted(&data).is_some_and(|note| note.pid == pid) => return,
            Some(_) => READY_WITHIN,
            // One that is there and that nobody serves is not waited for as long.
            None if store::DataDir::is_installation(&data) => BEGINS_WITHIN / 5,
            None => BEGINS_WITHIN,
        };
        if began.elapsed() >= patience {
            return;
        }
        if began.elapsed() >= QUIET && holder.is_some() && !std::mem::replace(&mut said, true) {
            eprintln!("Waiting for the server on {} to be ready …", data.display());
        }
        std::thread::sleep(EVERY);
    }
}
