//! The control loops of this host, each on a thread of its own, and how often each compares and retries.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use agent::{Actuator, ControlLoop, Handle, Pace, Progress, Pulse, Tell};
use model::protocol::Subject;

use crate::loops::{self, Supervisor};

/// How a control loop is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub pace: Pace,
    /// How long one step of it may take.
    pub longest_step: Duration,
}

/// How often everything is compared with what it must be. Changes do not wait for it: this is for
/// drift, for what failed, and for what was reported in vain.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Networks that failed are soon looked at again. A step of a comparison takes some milliseconds, but
/// the changes that were merged meanwhile are made in one go, router by router, and an observation
/// waits for the ledger, whose own bound is 30 seconds.
pub(crate) const NETWORKS: Settings = Settings {
    pace: Pace {
        sweep: SWEEP_EVERY,
        retry: Duration::from_secs(2),
        longest_retry: Duration::from_secs(2),
        interrupted: Duration::ZERO,
    },
    longest_step: Duration::from_secs(120),
};
/// A process that is interrupted over and over is started again now and then. What was asked for at
/// once is started one after the other, and the disks of whole databases are removed.
pub(crate) const WORKLOADS: Settings = Settings {
    pace: Pace {
        sweep: SWEEP_EVERY,
        retry: Duration::from_secs(1),
        longest_retry: Duration::from_secs(256),
        interrupted: Duration::from_secs(15),
    },
    longest_step: Duration::from_secs(300),
};
/// An edge that is started may take a minute to take over from an older one, and is then told all that
/// there is.
pub(crate) const EDGE: Settings = Settings {
    pace: Pace {
        sweep: SWEEP_EVERY,
        retry: Duration::from_millis(200),
        longest_retry: Duration::from_secs(30),
        interrupted: Duration::ZERO,
    },
    longest_step: Duration::from_secs(120),
};

/// A control loop that runs.
pub(crate) struct Running {
    /// Ends it. What it looks after stays as it is.
    pub stop: Stop,
    /// The thread that the loop runs on.
    pub thread: JoinHandle<()>,
}

/// Ends a control loop.
pub(crate) type Stop = Arc<dyn Fn() + Send + Sync>;

/// Starts a control loop, which the supervisor knows by the name of its subject. It does nothing before
/// it is given an order.
///
/// # Errors
///
/// The operating system's error, if it has no thread left.
pub(crate) fn start<A: Actuator>(
    supervisor: &Supervisor,
    actuator: A,
    Settings { pace, longest_step }: Settings,
    after: Option<Progress>,
    tell: Tell<A::Subject>,
) -> std::io::Result<(Handle<A>, Running)> {
    let wake = actuator.wake();
    let (handle, mut looped) = ControlLoop::new(actuator, pace, after, tell);
    let run = move |pulse: &loops::Pulse| looped.run(pulse);
    let thread = supervisor.spawn(A::Subject::NAME, longest_step, move || wake(), run)?;
    let stopped = handle.clone();
    let stop: Stop = Arc::new(move || stopped.stop());
    Ok((handle, Running { stop, thread }))
}

impl Pulse for loops::Pulse {
    fn turn(&self) {
        Self::turn(self);
    }

    fn idle(&self) {
        Self::idle(self);
    }
}
