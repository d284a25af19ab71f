//! The thread that hears of others' commits, and has the ledger read them.

use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use store::Doorbell;
use tokio_util::sync::CancellationToken;

use super::own::Look;
use crate::loops::{Pulse, Supervisor};

/// How long one look at the database may take. Its connection may have to be made anew.
const LONGEST_LOOK: Duration = Duration::from_secs(60);
/// How often it looks though nobody rang. `/healthz` waits for a second.
const EVERY: Duration = Duration::from_millis(500);

pub(super) struct Parts {
    pub(super) look: Look,
    pub(super) stop: CancellationToken,
}

/// Starts it. Its supervisor knows it as `follower`.
pub(super) fn start(parts: Parts, supervisor: &Supervisor) -> io::Result<JoinHandle<()>> {
    let (wake, woken) = channel();
    // The thread is gone only when the server stops. While the database answers, it comes round by itself.
    let wake = move || {
        let _ = wake.send(());
    };
    supervisor.spawn("follower", LONGEST_LOOK, wake, move |pulse| parts.run(&woken, pulse))
}

impl Parts {
    fn run(&self, woken: &Receiver<()>, pulse: &Pulse) {
        let mut bell: Option<Box<dyn Doorbell>> = None;
        let mut away = false;
        while !self.stop.is_cancelled() {
            pulse.idle();
            woken.try_iter().for_each(drop);
            let looked = self.wait(&mut bell).and_then(|()| {
                pulse.turn();
                self.look.revision().map(drop)
            });
            match looked {
                Ok(()) if away => tracing::info!("the database answers again"),
                Ok(()) => {}
                Err(error) => {
                    if !away {
                        let error = os::error_chain(&error);
                        tracing::warn!(error, "others' changes are not seen here");
                    }
                    away = true;
                    pulse.idle();
                    let _ = woken.recv_timeout(EVERY);
                    continue;
                }
            }
            away = false;
        }
    }

    fn wait(&self, bell: &mut Option<Box<dyn Doorbell>>) -> store::Result<()> {
        let bell = match bell {
            Some(bell) => bell,
            None => bell.insert(self.look.store.doorbell()?),
        };
        bell.wait(EVERY).map(|_rang| ())
    }
}
