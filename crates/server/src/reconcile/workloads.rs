//! The processes of this host: the control loop that runs them, and access to their output.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use agent::{Handle, Progress, Tell, WorkloadsActuator};
use fabric::linux::Linux;
use fabric::runtime::{self, CodeSource, Inside, LogPart, LogPosition, NoRuntime, Runc, Runtime};
use model::protocol::Workloads;
use model::{AddonId, WorkloadId};
use tokio_util::sync::CancellationToken;

use super::control::{self, Running};
use crate::apps::console::{Attachment, Console, NotRun, on_terminal};
use crate::cleanup::lost::Lost;
use crate::config::{FabricKind, Machine, disks_dir};
use crate::loops::Supervisor;

/// That nobody can be attached to a dyno any more.
const HAS_ENDED: &str = "the dyno has ended";

/// What was started.
pub(crate) struct Started {
    /// The way to the control loop.
    pub workloads: Handle<WorkloadsActuator>,
}

/// What the control loop works with.
pub(crate) struct Parts {
    /// Where their code comes from; `None` where none run.
    pub code: Option<Arc<dyn CodeSource>>,
    /// Processes that no record names: they are left alone.
    pub lost: BTreeSet<WorkloadId>,
    /// The server was told to stop.
    pub closing: CancellationToken,
    /// Networks come before processes.
    pub networks: Progress,
    /// Takes what processes do.
    pub tell: Tell<Workloads>,
    /// Who watches over the control loop.
    pub supervisor: Supervisor,
}

impl Started {
    /// Access to the output of processes, for requests.
    pub(crate) fn console(&self) -> Arc<dyn Console> {
        Arc::new(ConsoleHandle(self.workloads.clone()))
    }

    /// What has the disk of a data service removed once the service has ended.
    pub(crate) fn disks(&self) -> impl Fn(AddonId) + Clone + Send + Sync + use<> {
        let workloads = self.workloads.clone();
        move |id| workloads.call(move |actuator| actuator.remove_disk(id))
    }
}

/// Asks the runtime, on the control loop's thread.
struct ConsoleHandle(Handle<WorkloadsActuator>);

impl ConsoleHandle {
    /// The answer; `None` where the control loop has ended.
    fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Runtime) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = sync_channel(1);
        // A caller that went away needs no answer.
        self.0.call(move |actuator| drop(answer.send(ask(actuator.runtime()))));
        answered.recv().ok()
    }
}

fn stopping<T>() -> std::io::Result<T> {
    Err(std::io::Error::other("the server is stopping"))
}

impl Console for ConsoleHandle {
    fn tail(&self, workload: WorkloadId, bytes: usize) -> std::io::Result<Vec<u8>> {
        self.ask(move |runtime| runtime.log(&workload, bytes)).unwrap_or_else(stopping)
    }

    fn lines(
        &self,
        workload: WorkloadId,
        from: Option<LogPosition>,
        whole: bool,
    ) -> std::io::Result<LogPart> {
        self.ask(move |runtime| runtime.read_log(&workload, from, whole)).unwrap_or_else(stopping)
    }

    fn exec(
        &self,
        workload: WorkloadId,
        command: &[String],
        tty: bool,
    ) -> Result<Vec<String>, NotRun> {
        let command = command.to_vec();
        let spec = self.ask(move |runtime| runtime.exec_command(&workload, &command, tty).ok());
        let spec = spec.flatten().ok_or(NotRun::Idle)?;
        let program = spec.program.to_string_lossy().into_owned();
        Ok([vec![program], spec.args].concat())
    }

    fn session(&self, workload: WorkloadId, inside: &Inside) -> Result<Attachment, String> {
        let (wanted, Inside { columns, rows, .. }) = (inside.clone(), inside);
        let command = self.ask(move |runtime| runtime.session_command(&workload, &wanted).ok());
        let command = command.flatten().ok_or(HAS_ENDED)?;
        on_terminal(command, *columns, *rows).map_err(|error| {
            tracing::error!(%error, "a command cannot be started inside a dyno");
            "the command cannot be started".to_owned()
        })
    }

    fn attach(&self, workload: WorkloadId) -> Result<Attachment, String> {
        let socket = self.ask(move |runtime| runtime.attach_socket(&workload).ok());
        let ends = runtime::take(&socket.flatten().ok_or(HAS_ENDED)?);
        let ends = ends.map_err(|error| format!("{HAS_ENDED} ({error})"))?;
        Ok(Attachment { ends, ended: None })
    }
}

fn runtime_of(
    machine: &Machine<'_>,
    instance: &str,
    code: Option<Arc<dyn CodeSource>>,
    lost: BTreeSet<WorkloadId>,
) -> Result<Box<dyn Runtime>, String> {
    let Machine { data, runtime: program, self_exe, .. } = *machine;
    let none = |none: std::io::Result<NoRuntime>| {
        none.map(|none| Box::new(none) as Box<dyn Runtime>).map_err(|error| error.to_string())
    };
    match machine.fabric {
        FabricKind::None => none(NoRuntime::new()),
        // A server that runs nothing itself: what no host has waits for one.
        FabricKind::Ovn if machine.switch.is_none() => none(NoRuntime::idle()),
        // Both name the namespaces of interfaces alike.
        FabricKind::Linux | FabricKind::Ovn => {
            // Shims have a directory of their own, and mount what is named from there.
            let data = std::path::absolute(data).map_err(|error| error.to_string())?;
            let interfaces = Linux::new(instance).interfaces();
            Runc::new(data.join("workloads"), program, self_exe, instance, interfaces)
                .map(|runc| runc.with_disks(disks_dir(&data)))
                .map(|runc| match code {
                    Some(code) => runc.with_code(code),
                    None => runc,
                })
                .map(|runc| runc.with_lost(Lost::at(&data).workloads(), lost))
                .map(|runc| Box::new(runc) as Box<dyn Runtime>)
                .map_err(|error| os::error_chain(&error))
        }
    }
}

/// Starts the control loop of processes.
///
/// # Errors
///
/// What the runtime lacks, in words.
pub(crate) fn start(
    machine: &Machine<'_>,
    instance: &str,
    parts: Parts,
) -> Result<(Started, Running), String> {
    let Parts { code, lost, closing, networks, tell, supervisor } = parts;
    let runtime = runtime_of(machine, instance, code, lost)?;
    let actuator = WorkloadsActuator::new(runtime, Box::new(move || closing.is_cancelled()));
    let (workloads, running) =
        control::start(&supervisor, actuator, control::WORKLOADS, Some(networks), tell)
            .map_err(|error| error.to_string())?;
    Ok((Started { workloads }, running))
}

/// Ends and removes every process of an installation.
///
/// # Errors
///
/// What could not be removed, in words.
pub(crate) fn purge(data: &Path, instance: &str) -> Result<usize, String> {
    if !data.join("workloads").exists() {
        return Ok(0);
    }
    let exe = std::env::current_exe().map_err(|error| error.to_string())?;
    let runtime = Path::new("runc");
    let fabric = FabricKind::Linux;
    let machine = Machine { data, fabric, switch: None, runtime, self_exe: &exe };
    runtime_of(&machine, instance, None, BTreeSet::new())?
        .purge()
        .map_err(|error| os::error_chain(&error))
}

#[cfg(test)]
pub(crate) mod tests;
