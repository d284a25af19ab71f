//! The runtime that runs nothing, for the fabric that carries nothing.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use model::intent::WorkloadIntent;
use model::{AddonId, Timestamp, WorkloadId};
use os::Waker;
use os::poll::is_readable_within;

use super::{
    Error, ExecCommand, Inside, LogPart, LogPosition, Runtime, SessionCommand, WorkloadEvent,
    WorkloadState,
};

/// Says of every workload at once that it runs, and runs none; of what is to end by itself, that it
/// has ended well. An idle one says nothing of what is to run.
#[derive(Debug)]
pub struct NoRuntime {
    idle: bool,
    states: BTreeMap<WorkloadId, WorkloadState>,
    /// What is to be said of all of them, if anything is.
    to_report: Option<Vec<WorkloadEvent>>,
    waker: Waker,
}

impl NoRuntime {
    /// Makes one that knows no workload.
    pub fn new() -> io::Result<Self> {
        Ok(Self { idle: false, states: BTreeMap::new(), to_report: None, waker: Waker::new()? })
    }

    /// Makes one for a machine where nothing is to run: what is told to run there waits for another one.
    pub fn idle() -> io::Result<Self> {
        Ok(Self { idle: true, ..Self::new()? })
    }

    fn set(&mut self, id: WorkloadId, intent: &WorkloadIntent) -> Option<WorkloadEvent> {
        if self.idle && intent.run {
            self.states.remove(&id);
            return None;
        }
        let state = match (intent.run, intent.once) {
            (false, _) => WorkloadState::Stopped,
            (true, false) => WorkloadState::Running { pid: None },
            (true, true) => WorkloadState::Exited {
                code: Some(0),
                signal: None,
                out_of_memory: false,
                at: Timestamp::from_millis(0),
            },
        };
        self.states.insert(id, state.clone());
        Some(WorkloadEvent { id, state })
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

    fn begin_sweep(&mut self, workloads: BTreeMap<WorkloadId, WorkloadIntent>) {
        let gone: Vec<_> =
            self.states.keys().filter(|id| !workloads.contains_key(id)).copied().collect();
        let mut events: Vec<_> = gone.into_iter().map(|id| self.forget(id)).collect();
        events.extend(workloads.iter().filter_map(|(id, intent)| self.set(*id, intent)));
        self.to_report = Some(events);
    }

    fn look_again(&mut self) {
        let event = |(id, state): (&WorkloadId, &WorkloadState)| WorkloadEvent {
            id: *id,
            state: state.clone(),
        };
        self.to_report = Some(self.states.iter().map(event).collect());
    }

    fn step(&mut self) -> Option<Vec<WorkloadEvent>> {
        self.to_report.take()
    }

    fn apply(
        &mut self,
        delta: &BTreeMap<WorkloadId, Option<WorkloadIntent>>,
    ) -> Vec<WorkloadEvent> {
        delta
            .iter()
            .filter_map(|(id, intent)| match intent {
                Some(intent) => self.set(*id, intent),
                None => Some(self.forget(*id)),
            })
            .collect()
    }

    fn retry(&mut self) -> Vec<WorkloadEvent> {
        Vec::new()
    }

    fn wait(&mut self, timeout: Duration) -> Vec<WorkloadEvent> {
        // A wait that failed is a wait that ended early, which callers allow for.
        let _ = is_readable_within(&self.waker, timeout);
        self.waker.reset();
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
        _from: Option<LogPosition>,
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

    fn session_command(&self, id: &WorkloadId, _: &Inside) -> Result<SessionCommand, Error> {
        Err(Error::NotRunning(*id))
    }

    fn attach_socket(&self, id: &WorkloadId) -> Result<PathBuf, Error> {
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
    fn says_running_at_once_and_again_and_wakes() {
        let mut none = NoRuntime::new().unwrap();
        let id: WorkloadId = "i-00000000000000001".parse().unwrap();
        let intent = WorkloadIntent {
            interface: "eni-00000000000000001".parse().unwrap(),
            vpc: "vpc-00000000000000001".parse().unwrap(),
            addresses: Vec::new(),
            hostname: "one".into(),
            names: Default::default(),
            command: Vec::new(),
            user_data: None,
            environment: BTreeMap::new(),
            slug: None,
            blob: None,
            disk: None,
            image: None,
            mounts: Vec::new(),
            memory_limit: None,
            cpu_weight: None,
            stdio: model::Stdio::Log,
            attempt: 0,
            once: false,
            fenced: false,
            run: true,
        };
        let running = WorkloadState::Running { pid: None };
        let said = [WorkloadEvent { id, state: running }];
        assert_eq!(none.sweep(&[(id, intent.clone())].into()), said);
        assert_eq!(
            none.sweep(&[(id, intent.clone())].into()),
            said,
            "who missed it hears it again"
        );
        assert_eq!(none.log(&id, 10).unwrap(), b"");

        let (second, once) = (
            "i-00000000000000002".parse().unwrap(),
            WorkloadIntent { once: true, ..intent.clone() },
        );
        let events = none.apply(&[(second, Some(once))].into());
        assert!(
            matches!(
                &events[..],
                [WorkloadEvent { state: WorkloadState::Exited { code: Some(0), .. }, .. }]
            ),
            "{events:?}"
        );

        let mut idle = NoRuntime::idle().unwrap();
        let stopped = WorkloadIntent { run: false, ..intent.clone() };
        let said = |state| vec![WorkloadEvent { id, state }];
        assert_eq!(idle.sweep(&[(id, intent.clone())].into()), []);
        let ended = idle.apply(&[(id, Some(stopped))].into());
        assert_eq!(ended, said(WorkloadState::Stopped));
        assert_eq!(idle.apply(&[(id, Some(intent.clone()))].into()), []);
        idle.look_again();
        assert_eq!(idle.step(), Some(Vec::new()), "it waits again");
        assert_eq!(idle.apply(&[(id, None)].into()), said(WorkloadState::Gone));

        let waker = none.waker();
        waker.wake();
        assert_eq!(none.wait(Duration::from_secs(60)), []);

        let gone = WorkloadEvent { id, state: WorkloadState::Gone };
        assert_eq!(none.apply(&[(id, None)].into()), [gone]);
        assert!(none.log(&id, 10).is_err());
    }
}
