//! Why the runtime could not do as asked.

use std::io;
use std::path::{Path, PathBuf};

use model::WorkloadId;

/// Why the runtime could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of a workload could not be read, written or removed.
    #[error("{step} {}", path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// A program could not be run.
    #[error("run {program}")]
    Program {
        /// The program.
        program: String,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// A program, a shim or this runtime refused, for this reason.
    #[error("{0}")]
    Refused(String),
    /// The workload's network namespace cannot be found.
    #[error(transparent)]
    Network(#[from] os::netns::Error),
    /// The workload's interface has no network namespace yet.
    #[error("interface {0} has no network namespace yet")]
    NoNetwork(model::EniId),
    /// The code of the workload is on its way.
    #[error("the code is on its way")]
    CodeComing,
    /// The workload does not run.
    #[error("workload {0} does not run")]
    NotRunning(WorkloadId),
    /// Several things went wrong; all of the rest was done.
    #[error("{}", .0.join("; "))]
    Several(Vec<String>),
}

/// Adds the step and the file to the kernel's error.
pub(super) fn at<'a>(step: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::File { step, path: path.to_owned(), source }
}
