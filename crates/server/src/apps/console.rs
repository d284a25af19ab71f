//! Access to running workloads: their output, and commands inside them.

use std::path::PathBuf;

use fabric::runtime::{Inside, LogPart, LogPosition, SessionCommand};
use model::WorkloadId;

/// Reads the output of workloads, and tells how to run commands inside them.
pub trait Console: Send + Sync {
    /// The last `bytes` bytes of a workload's output, or as many of them as are kept.
    ///
    /// # Errors
    ///
    /// The output cannot be read, or there is no such workload.
    fn tail(&self, workload: WorkloadId, bytes: usize) -> std::io::Result<Vec<u8>>;
    /// The lines of a workload's output after a position, or from the beginning. With `whole`, a
    /// last line that has no line end yet is included.
    ///
    /// # Errors
    ///
    /// The output cannot be read, or there is no such workload.
    fn lines(
        &self,
        workload: WorkloadId,
        from: Option<LogPosition>,
        whole: bool,
    ) -> std::io::Result<LogPart>;
    /// The program and arguments that run a command inside a workload. `None` if the workload does
    /// not run.
    fn exec(&self, workload: WorkloadId, command: &[String], tty: bool) -> Option<Vec<String>>;
    /// The command that runs another one inside a workload, for a client with a terminal. `None` if
    /// the workload does not run.
    fn session(&self, workload: WorkloadId, inside: &Inside) -> Option<SessionCommand>;
    /// The path of the socket that hands over the standard input and output of a workload which
    /// waits for a client. `None` if the workload does not run.
    fn attach_socket(&self, workload: WorkloadId) -> Option<PathBuf>;
}
