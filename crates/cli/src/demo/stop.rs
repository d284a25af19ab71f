//! Ending the demo early: signals, and waiting that ends with them.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

/// Whether the demo is to end, and the process groups that then end with it.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    groups: BTreeSet<i32>,
}

impl Stop {
    /// Makes one that SIGINT, SIGTERM and SIGHUP set, from now on and as often as they come.
    pub(crate) fn on_signals() -> anyhow::Result<Self> {
        let stop = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("signals cannot be waited for")?;
        let inside = runtime.enter();
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [mut interrupt, mut terminate, mut hangup] = match kinds.map(signal) {
            [Ok(interrupt), Ok(terminate), Ok(hangup)] => [interrupt, terminate, hangup],
            _ => bail!("signals cannot be received"),
        };
        drop(inside);
        let told = stop.clone();
        std::thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hangup.recv() => {}
                    }
                    told.set();
                }
            });
        });
        Ok(stop)
    }

    /// Ends all waiting, and the processes of the groups.
    pub(crate) fn set(&self) {
        let mut state = self.lock();
        state.stopped = true;
        for group in &state.groups {
            // One that has ended meanwhile needs no signal.
            let _ = killpg(Pid::from_raw(*group), Signal::SIGTERM);
        }
        self.0.changed.notify_all();
    }

    /// Whether it was set.
    pub(crate) fn is_set(&self) -> bool {
        self.lock().stopped
    }

    /// Returns an error if it was set.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.is_set() {
            bail!("interrupted");
        }
        Ok(())
    }

    /// Waits between two looks at what others do. If it is set, this returns an error at once.
    pub(crate) fn pause(&self, span: Duration) -> anyhow::Result<()> {
        let state = self.lock();
        let waited = self.0.changed.wait_timeout_while(state, span, |state| !state.stopped);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.check()
    }

    /// Adds a process group that is to end with us.
    pub(crate) fn adopt(&self, group: i32) {
        let mut state = self.lock();
        state.groups.insert(group);
        if state.stopped {
            let _ = killpg(Pid::from_raw(group), Signal::SIGTERM);
        }
    }

    /// Forgets a process group.
    pub(crate) fn release(&self, group: i32) {
        self.lock().groups.remove(&group);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_wait_ends_when_it_is_set() {
        let stop = Stop::default();
        assert!(stop.pause(Duration::from_millis(1)).is_ok());
        let other = stop.clone();
        let started = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || other.set());
            assert!(stop.pause(Duration::from_secs(60)).is_err());
        });
        assert!(started.elapsed() < Duration::from_secs(30));
        assert!(stop.check().is_err());
    }
}
