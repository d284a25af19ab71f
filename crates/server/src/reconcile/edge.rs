//! The edge of this host.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent::{EdgeActuator, NoEdge, Orders, Progress, Tell};
use edge::Control;
use fabric::driver::NamespaceNames;
use model::protocol::Edge;

use super::control::{self, Running};
use crate::loops::Supervisor;

/// Starts the control loop that finds or starts the edge, tells it what to answer and hears from it.
///
/// # Errors
///
/// The operating system's error, if it has no descriptor or thread left.
pub(crate) fn start(
    supervisor: &Supervisor,
    program: PathBuf,
    config: edge::Config,
    names: Arc<dyn NamespaceNames>,
    networks: Progress,
    tell: Tell<Edge>,
) -> std::io::Result<(Box<dyn Orders<Edge>>, Running)> {
    let actuator = EdgeActuator::new(program, config, names)?;
    let (handle, running) =
        control::start(supervisor, actuator, control::EDGE, Some(networks), tell)?;
    Ok((Box::new(handle), running))
}

/// Starts the control loop that stands for an edge where no packets are carried.
///
/// # Errors
///
/// The operating system's error, if it has no thread left.
pub(crate) fn start_none(
    supervisor: &Supervisor,
    actuator: NoEdge,
    networks: Progress,
    tell: Tell<Edge>,
) -> std::io::Result<(Box<dyn Orders<Edge>>, Running)> {
    let (handle, running) =
        control::start(supervisor, actuator, control::EDGE, Some(networks), tell)?;
    Ok((Box::new(handle), running))
}

/// Ends the edge of a data directory, if there is one.
///
/// # Errors
///
/// Where one is there and does not end.
pub(crate) fn end(dir: &Path) -> std::io::Result<bool> {
    match Control::connect(dir) {
        Ok(control) => control.stop().map(|()| true),
        Err(_) => Ok(false),
    }
}
