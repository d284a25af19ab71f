//! The runtime that runs nothing, for the fabric that carries nothing.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use model::intent::WorkloadIntent;
use model::{AddonId, WorkloadId};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Error, ExecCommand, LogPart, LogPlace, Runtime, Waker, WorkloadEvent, WorkloadState};

/// Says of every workload at once that it runs, and runs none.
#[derive(Debug)]
pub struct NoRuntime {
    states: BTreeMap<WorkloadId, WorkloadState>,
    waker: Waker,
    woken: UnixStream,
}

impl NoRuntime {
    /// Makes one that knows no workload.
    pub fn new() -> io::Result<Self> {
        let (waker, woken) = Waker::pair()?;
        Ok(Self { states: BTreeMap::new(), waker, woken })
    }

    fn set(&mut self, id: WorkloadId, run: bool) -> Option<WorkloadEvent> {
        let state = if run { WorkloadState::Running { pid: None } } else { WorkloadState::Stopped };
        let before = self.states.insert(id, state.clone());
        (before.as_ref() != Some(&state)).then_some(WorkloadEvent { id, state })
    }

    fn forget(&mut self, id: WorkloadId) -> WorkloadEvent {
        self.states.remove(&id);
        WorkloadEvent { id, state: WorkloadState::Gone }
    }
}

impl Runtime for NoRuntime {
    fn name(&self) -> &'static str {
        "none"
    }

    fn sweep(&mut self, workloads: &BTreeMap<WorkloadId, WorkloadIntent>) -> Vec<WorkloadEvent> {
        let gone: Vec<_> =
            self.states.keys().filter(|id| !workloads.contains_key(id)).copied().collect();
        let mut events: Vec<_> = gone.into_iter().map(|id| self.forget(id)).collect();
        events.extend(workloads.iter().filter_map(|(id, intent)| self.set(*id, intent.run)));
        events
    }

    fn apply(
        &mut self,
        delta: &BTreeMap<WorkloadId, Option<WorkloadIntent>>,
    ) -> Vec<WorkloadEvent> {
        delta
            .iter()
            .filter_map(|(id, intent)| match intent {
                Some(intent) => self.set(*id, intent.run),
                None => Some(self.forget(*id)),
            })
            .collect()
    }

    fn retry(&mut self) -> Vec<WorkloadEvent> {
        Vec::new()
    }

    fn wait(&mut self, timeout: Duration) -> Vec<WorkloadEvent> {
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
        // An interrupted wait is a wait that ended early, which callers allow for.
        let _ = poll(&mut fds, timeout);
        let mut sink = [0; 64];
        while matches!((&self.woken).read(&mut sink), Ok(read) if read > 0) {}
        Vec::new()
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn states(&self) -> BTreeMap<WorkloadId, WorkloadState> {
        self.states.clone()
    }

    fn log(&self, id: &WorkloadId, _tail_bytes: usize) -> io::Result<Vec<u8>> {
        match self.states.contains_key(id) {
            true => Ok(Vec::new()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn read_log(
        &self,
        id: &WorkloadId,
        _from: Option<LogPlace>,
        _whole: bool,
    ) -> io::Result<LogPart> {
        match self.states.contains_key(id) {
            true => Ok(LogPart::default()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn exec_command(
        &self,
        id: &WorkloadId,
        _argv: &[String],
        _tty: bool,
    ) -> Result<ExecCommand, Error> {
        Err(Error::NotRunning(*id))
    }

    fn remove_disk(&mut self, _id: AddonId) -> Result<(), Error> {
        Ok(())
    }

    fn purge(&mut self) -> Result<usize, Error> {
        Ok(std::mem::take(&mut self.states).len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_running_at_once_and_wakes() {
        let mut none = NoRuntime::new().unwrap();
        let id: WorkloadId = "i-00000000000000001".parse().unwrap();
        let intent = WorkloadIntent {
            interface: "eni-00000000000000001".parse().unwrap(),
            vpc: "vpc-00000000000000001".parse().unwrap(),
            addresses: Vec::new(),
            hostname: "one".into(),
            command: Vec::new(),
            user_data: None,
            environment: BTreeMap::new(),
            slug: None,
            disk: None,
            image: None,
            mounts: Vec::new(),
            memory_limit: None,
            cpu_weight: None,
            attempt: 0,
            run: true,
        };
        let running = WorkloadState::Running { pid: None };
        assert_eq!(
            none.sweep(&[(id, intent.clone())].into()),
            [WorkloadEvent { id, state: running }]
        );
        assert_eq!(none.sweep(&[(id, intent)].into()), []);
        assert_eq!(none.log(&id, 10).unwrap(), b"");

        let waker = none.waker();
        waker.wake();
        assert_eq!(none.wait(Duration::from_secs(60)), []);

        let gone = WorkloadEvent { id, state: WorkloadState::Gone };
        assert_eq!(none.apply(&[(id, None)].into()), [gone]);
        assert!(none.log(&id, 10).is_err());
    }
}
