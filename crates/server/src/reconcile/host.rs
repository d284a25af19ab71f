//! The three control loops of the host that this process runs on, with what they act on. Who gives them
//! orders may be a planner in this process, or a server that is connected.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;

use agent::{Handle, NetworksActuator, Orders};
use fabric::driver::{Check, Driver, NoFabric};
use fabric::instance::Held;
use fabric::linux::Linux;
use fabric::runtime::CodeSource;
use link::Tells;
use model::WorkloadId;
use model::protocol::Edge;
use tokio_util::sync::CancellationToken;

use super::control::{self, Running, Stop};
use super::{edge, workloads};
use crate::config::{FabricKind, Machine};
use crate::error::ServeError;
use crate::loops::Supervisor;

/// What carries packets here, and what holds it for this process.
pub(crate) struct Carrier {
    pub driver: Box<dyn Driver>,
    pub held: Option<Held>,
}

/// What the control loops work with.
pub(crate) struct HostParts<'a> {
    /// What they act on.
    pub machine: Machine<'a>,
    /// The name of what is this installation's on the machine.
    pub instance: &'a str,
    /// What carries packets.
    pub driver: Box<dyn Driver>,
    /// The edge.
    pub edge: ::edge::Config,
    /// Where the code of processes comes from; `None` where none run.
    pub code: Option<Arc<dyn CodeSource>>,
    /// Processes that no record names: they are left alone.
    pub lost: BTreeSet<WorkloadId>,
    /// This process was told to stop.
    pub closing: CancellationToken,
    /// Takes what they report.
    pub tells: Tells,
    /// Who watches over them.
    pub supervisor: Supervisor,
}

/// The control loops, which do nothing before they are given orders.
pub(crate) struct HostLoops {
    /// The way to that of networks.
    pub networks: Handle<NetworksActuator>,
    /// The way to that of workloads.
    pub workloads: workloads::Started,
    /// The way to that of the edge.
    pub edge: Box<dyn Orders<Edge>>,
    /// Their threads.
    pub running: RunningLoops,
}

/// Control loops that run.
pub(crate) struct RunningLoops {
    networks: Running,
    workloads: Running,
    edge: Running,
}

impl RunningLoops {
    /// Ends those of networks and of the edge.
    pub(crate) fn stop_networks_and_edge(&self) -> Stop {
        let (networks, edge) = (self.networks.stop.clone(), self.edge.stop.clone());
        Arc::new(move || {
            networks();
            edge();
        })
    }

    /// Ends that of workloads.
    pub(crate) fn stop_workloads(&self) -> Stop {
        self.workloads.stop.clone()
    }

    /// Their threads.
    pub(crate) fn threads(self) -> [JoinHandle<()>; 3] {
        [self.networks.thread, self.workloads.thread, self.edge.thread]
    }
}

/// What carries packets, once this machine was found able to, with all that is the instance's.
///
/// # Errors
///
/// What the machine lacks, and another process that holds it.
pub(crate) fn carrier(machine: &Machine<'_>, instance: &str) -> Result<Carrier, ServeError> {
    match machine.fabric {
        FabricKind::Ovn => {
            Err(ServeError::Ovn("this release does not reach OVN's databases".to_owned()))
        }
        FabricKind::None => Ok(Carrier { driver: Box::new(NoFabric::default()), held: None }),
        FabricKind::Linux => {
            let mut checks = fabric::linux::doctor();
            checks.extend(fabric::runtime::doctor(machine.runtime));
            let words =
                |check: &Check| format!("{}: {}. {}", check.name, check.detail, check.remedy);
            let (lacks, limits): (Vec<_>, Vec<_>) =
                checks.iter().filter(|check| !check.ok).partition(|check| check.needed);
            if !lacks.is_empty() {
                let lacks: Vec<String> = lacks.into_iter().map(words).collect();
                return Err(ServeError::Fabric(lacks.join("; ")));
            }
            for check in limits {
                tracing::warn!("{}", words(check));
            }
            let held = Held::take(instance, machine.data).map_err(ServeError::Instance)?;
            Ok(Carrier { driver: Box::new(Linux::new(instance)), held: Some(held) })
        }
    }
}

/// Starts the control loops.
///
/// # Errors
///
/// What the machine lacks.
pub(crate) fn start(parts: HostParts<'_>) -> Result<HostLoops, ServeError> {
    let HostParts { machine, instance, driver, code, lost, closing, tells, supervisor, .. } = parts;
    let lacks = |error: std::io::Error| ServeError::Fabric(error.to_string());
    let driver = NetworksActuator::new(driver);
    let (to_networks, networks) =
        control::start(&supervisor, driver, control::NETWORKS, None, tells.networks)
            .map_err(lacks)?;
    let workloads = workloads::Parts {
        code,
        lost,
        closing,
        networks: to_networks.progress(),
        tell: tells.workloads,
        supervisor: supervisor.clone(),
    };
    let (started, workloads) =
        workloads::start(&machine, instance, workloads).map_err(ServeError::Fabric)?;
    let (to_edge, edge) = match machine.fabric {
        FabricKind::None => edge::start_none(&supervisor, to_networks.progress(), tells.edge),
        FabricKind::Linux | FabricKind::Ovn => edge::start(
            &supervisor,
            machine.self_exe.to_owned(),
            parts.edge,
            Linux::new(instance).namespace_names(),
            to_networks.progress(),
            tells.edge,
        ),
    }
    .map_err(lacks)?;
    Ok(HostLoops {
        networks: to_networks,
        workloads: started,
        edge: to_edge,
        running: RunningLoops { networks, workloads, edge },
    })
}
