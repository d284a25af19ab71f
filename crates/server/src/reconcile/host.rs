//! The three control loops of the host that this process runs on, with what they act on. Who gives them
//! orders may be a planner in this process, or a server that is connected.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;

use agent::{Handle, NetworksActuator, NoEdge, Orders};
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
        FabricKind::None => Ok(Carrier { driver: Box::new(NoFabric::default()), held: None }),
        FabricKind::Linux => {
            let mut checks = fabric::linux::doctor();
            checks.extend(fabric::runtime::doctor(machine.runtime));
            require(&checks)?;
            let held = Held::take(instance, machine.data).map_err(ServeError::Instance)?;
            Ok(Carrier { driver: Box::new(Linux::new(instance)), held: Some(held) })
        }
        FabricKind::Ovn => {
            let missing = || ServeError::Fabric("no Open vSwitch was named".to_owned());
            let switch = machine.switch.ok_or_else(missing)?;
            let mut checks = fabric::linux::doctor_of_ports();
            checks.extend(fabric::runtime::doctor(machine.runtime));
            require(&checks)?;
            let held = Held::take(instance, machine.data).map_err(ServeError::Instance)?;
            let driver = of_switch(switch, instance).map_err(ServeError::Fabric)?;
            Ok(Carrier { driver, held: Some(held) })
        }
    }
}

/// The driver of a host whose packets an Open vSwitch carries.
///
/// # Errors
///
/// The operating system's error, in words.
pub(crate) fn of_switch(switch: &ovn::Database, instance: &str) -> Result<Box<dyn Driver>, String> {
    let alarm = ovn::Alarm::default();
    let here = ovn::Host::new(switch.switch(instance, &alarm)?, instance, LEAST_UNDERLAY);
    Ok(Box::new(ovn::HostDriver::new(here, alarm)))
}

/// Bytes of a packet between hosts that every network has, until the host's own links were looked at.
const LEAST_UNDERLAY: u16 = 1280;

/// Refuses a machine that lacks what is needed, and warns of what else it lacks.
fn require(checks: &[Check]) -> Result<(), ServeError> {
    let words = |check: &Check| format!("{}: {}. {}", check.name, check.detail, check.remedy);
    let (lacks, limits): (Vec<_>, Vec<_>) =
        checks.iter().filter(|check| !check.ok).partition(|check| check.needed);
    if !lacks.is_empty() {
        let lacks: Vec<String> = lacks.into_iter().map(words).collect();
        return Err(ServeError::Fabric(lacks.join("; ")));
    }
    for check in limits {
        tracing::warn!("{}", words(check));
    }
    Ok(())
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
    let none = |actuator: std::io::Result<NoEdge>, tell| {
        edge::start_none(&supervisor, actuator?, to_networks.progress(), tell)
    };
    let (to_edge, edge) = match machine.fabric {
        FabricKind::None => none(NoEdge::new(), tells.edge),
        // A server that carries nothing itself: the edges are those of hosts.
        FabricKind::Ovn if machine.switch.is_none() => none(NoEdge::idle(), tells.edge),
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
