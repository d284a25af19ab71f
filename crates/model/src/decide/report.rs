//! What it means that a process runs, ended, was interrupted or is gone: for dynos, instances and
//! data services, and for whoever reports it.
//!
//! Reports repeat what is so; they do not tell of changes. Whoever watches processes may therefore
//! say everything again at any time, and nothing hangs where something was said too early, got
//! lost, or fell out when several changes were followed as one.

use crate::command::WorkloadReport;
use crate::resource::{
    Addon, AddonState, Boot, Dyno, DynoState, Exit, Instance, InstanceState, ShutdownBehavior,
    SpaceState,
};
use crate::{EniId, Key, VpcId, WorkloadId, World};

/// The change that a report makes to a dyno.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DynoStep {
    /// The dyno enters this state, and its process ended so.
    Enter(DynoState, Option<Exit>),
    /// It was given up before its process ended, which only now gives its interface back.
    Release,
}

/// The change that a report makes to a dyno; `None` if it says nothing new.
pub(super) fn dyno_step(dyno: &Dyno, report: &WorkloadReport) -> Option<DynoStep> {
    use {DynoState as S, WorkloadReport as R};
    // What has a place in the formation is to run for ever: every end is a crash.
    let fine = |exit: &Exit| dyno.number.is_none() && exit.success();
    let (state, exit) = match (dyno.state, report) {
        (S::Starting, R::Running) if dyno.is_web() => (S::Booting, None),
        (S::Starting, R::Running) => (S::Up, None),
        (S::Starting | S::Booting | S::Up, R::Ended(exit)) if fine(exit) => {
            (S::Down, Some(exit.clone()))
        }
        (S::Starting | S::Booting | S::Up, R::Ended(exit)) => (S::Crashed, Some(exit.clone())),
        // It is started again.
        (S::Booting | S::Up, R::Interrupted) => (S::Starting, None),
        (S::Booting | S::Up, R::Gone) => (S::Crashed, Some(lost())),
        (S::Draining | S::Stopping, R::Ended(exit)) => (S::Down, Some(exit.clone())),
        (S::Draining | S::Stopping, R::Interrupted | R::Gone) => (S::Down, None),
        (S::Down | S::Crashed, R::Ended(_) | R::Interrupted | R::Gone) => {
            return Some(DynoStep::Release);
        }
        // Nothing is there yet, or nothing is new.
        (S::Starting, R::Interrupted | R::Gone)
        | (S::Booting | S::Up | S::Draining | S::Stopping | S::Down | S::Crashed, R::Running) => {
            return None;
        }
    };
    Some(DynoStep::Enter(state, exit))
}

/// How often an instance that is started again is told to run before it is seen to.
const MOST_TRIES: u8 = 5;

/// What a report changes of an instance.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InstanceStep {
    pub(super) state: InstanceState,
    pub(super) boot: Boot,
    pub(super) exit: Option<Exit>,
}

/// What a report changes of an instance; nothing where it is no news.
pub(super) fn instance_step(instance: &Instance, report: &WorkloadReport) -> Option<InstanceStep> {
    use {InstanceState as S, WorkloadReport as R};
    let step = |state, boot, exit| Some(InstanceStep { state, boot, exit });
    let enter = |state, exit: Option<Exit>| step(state, Boot::Settled, exit);
    let old = || instance.exit.clone();
    let restarts = match instance.boot {
        Boot::Again { tries } => Some(tries),
        Boot::Settled | Boot::Ending => None,
    };
    match (instance.state, report) {
        // It is rebooted: it has ended, and is to run again.
        (S::Running, R::Ended(_) | R::Interrupted | R::Gone) if instance.boot == Boot::Ending => {
            step(S::Running, Boot::AGAIN, None)
        }
        (S::Pending, R::Running) => enter(S::Running, old()),
        (S::Running, R::Running) if restarts.is_some() => enter(S::Running, old()),
        (S::Running, R::Gone) if restarts.is_some() => None,
        // This may be its last end, or another one. That it cannot be started is neither.
        (state @ (S::Pending | S::Running), R::Ended(exit))
            if restarts.is_some() && !matches!(exit, Exit::Failed(_)) =>
        {
            match restarts.unwrap_or(MOST_TRIES) {
                MOST_TRIES.. => enter(S::Stopped, Some(exit.clone())),
                tries => step(state, Boot::Again { tries: tries + 1 }, None),
            }
        }
        (S::Pending, R::Ended(exit)) => enter(S::ShuttingDown, Some(exit.clone())),
        (S::Running, R::Ended(exit)) => match instance.options.shutdown {
            ShutdownBehavior::Stop => enter(S::Stopped, Some(exit.clone())),
            ShutdownBehavior::Terminate => enter(S::ShuttingDown, Some(exit.clone())),
        },
        (S::Running, R::Gone) => enter(S::Terminated, Some(lost())),
        (S::Stopping, R::Ended(_) | R::Interrupted | R::Gone) => enter(S::Stopped, old()),
        (S::ShuttingDown, R::Gone) => enter(S::Terminated, old()),
        // Nothing is there yet, or nothing is new. What was interrupted is started again, as a
        // machine is after a power cut, and stays the same instance meanwhile.
        (S::Pending, R::Gone)
        | (S::Pending | S::Running | S::ShuttingDown, R::Interrupted)
        | (S::Running | S::Stopping, R::Running)
        | (S::ShuttingDown, R::Running | R::Ended(_))
        | (S::Stopped | S::Terminated, _) => None,
    }
}

/// A data service's next state after a report; nothing where it is no news. It is to run for ever:
/// every end is a crash.
pub(super) fn service_step(addon: &Addon, report: &WorkloadReport) -> Option<AddonState> {
    use {AddonState as S, WorkloadReport as R};
    match (addon.state, report) {
        (S::Provisioning, R::Running) => Some(S::Provisioned),
        (S::Provisioning | S::Provisioned, R::Ended(_)) | (S::Provisioned, R::Gone) => {
            Some(S::Crashed)
        }
        (S::Provisioned, R::Interrupted) => Some(S::Provisioning),
        (S::Provisioning, R::Interrupted | R::Gone)
        | (S::Provisioned, R::Running)
        | (S::Crashed, _) => None,
    }
}

/// The end of a process that is gone without anybody having seen how it ended.
fn lost() -> Exit {
    Exit::Failed("its process is gone".to_owned())
}

impl World {
    /// Whether a report of a process changes anything here.
    pub fn is_news(&self, id: WorkloadId, report: &WorkloadReport) -> bool {
        if self.waits_for_host(id) {
            return false;
        }
        match id {
            WorkloadId::Dyno(id) => self.dyno(id).is_some_and(|dyno| {
                let has_eni = || self.uses(WorkloadId::Dyno(id), dyno.eni);
                dyno_step(dyno, report).is_some_and(|step| step != DynoStep::Release || has_eni())
            }),
            WorkloadId::Instance(id) => {
                self.instance(id).is_some_and(|it| instance_step(it, report).is_some())
            }
            WorkloadId::Service(id) => {
                self.addon(id).is_some_and(|it| service_step(it, report).is_some())
            }
            WorkloadId::Router(_) => false,
        }
    }

    /// Whether a process is to run, so that it is started again where its host ended it.
    pub fn wants_to_run(&self, id: WorkloadId) -> bool {
        match id {
            WorkloadId::Dyno(id) => self.dyno(id).is_some_and(|dyno| dyno.state.wants_to_run()),
            WorkloadId::Instance(id) => self.instance(id).is_some_and(|instance| {
                instance.state.wants_to_run() && instance.boot != Boot::Ending
            }),
            WorkloadId::Service(id) => {
                self.addon(id).is_some_and(|addon| addon.state != AddonState::Crashed)
            }
            WorkloadId::Router(_) => false,
        }
    }

    /// Whether it is waited for that a process is heard to have ended: until then its interface
    /// and its address are taken.
    pub(crate) fn awaits_end(&self, id: WorkloadId) -> bool {
        match id {
            WorkloadId::Dyno(id) => self.dyno(id).is_some_and(|dyno| match dyno.state {
                DynoState::Stopping => true,
                DynoState::Down | DynoState::Crashed => self.uses(WorkloadId::Dyno(id), dyno.eni),
                DynoState::Starting | DynoState::Booting | DynoState::Up | DynoState::Draining => {
                    false
                }
            }),
            WorkloadId::Instance(id) => self.instance(id).is_some_and(|it| {
                matches!(it.state, InstanceState::ShuttingDown | InstanceState::Stopping)
                    || it.boot == Boot::Ending
            }),
            WorkloadId::Service(_) | WorkloadId::Router(_) => false,
        }
    }

    /// All processes of which it is waited for that they are heard to have ended.
    pub fn awaited_ends(&self) -> impl Iterator<Item = WorkloadId> + '_ {
        let dynos = self.dynos().map(|dyno| WorkloadId::Dyno(dyno.id));
        let instances = self.instances().map(|instance| WorkloadId::Instance(instance.id));
        dynos.chain(instances).filter(|id| self.awaits_end(*id))
    }

    /// Whether it is waited for that a VPC's router is seen to be in place.
    pub fn awaits_router(&self, id: VpcId) -> bool {
        self.spaces_of(Key::Vpc(id)).any(|space| space.state == SpaceState::Allocating)
    }

    fn uses(&self, workload: WorkloadId, eni: EniId) -> bool {
        let attachment = self.eni(eni).and_then(|eni| eni.attachment.as_ref());
        attachment.is_some_and(|attachment| attachment.workload == workload)
    }
}
