//! The revision that the networks are known to match, kept over restarts: after a start, a difference is
//! drift only if nothing was left to be done.

use std::path::PathBuf;

/// The file's name in the data directory.
const FILE: &str = "followed";

/// The ledger's revision that the networks are known to match.
#[derive(Debug)]
pub(crate) struct CarriedRevision {
    path: Option<PathBuf>,
}

impl CarriedRevision {
    /// For the networks of a data directory.
    pub(crate) fn of(data: &std::path::Path) -> Self {
        Self { path: Some(data.join(FILE)) }
    }

    /// For networks of which nothing outlives the process.
    pub(crate) fn nowhere() -> Self {
        Self { path: None }
    }

    /// Whether all of a revision was done, by this version of Causeway: another one may plan
    /// otherwise.
    pub(crate) fn is_at(&self, revision: u64) -> bool {
        let written = self.path.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        written.is_some_and(|written| written == line(revision))
    }

    /// Takes note that all of a revision was done.
    pub(crate) fn note(&self, revision: u64) {
        if let Some(path) = &self.path
            && let Err(error) = std::fs::write(path, line(revision))
        {
            // Without it, drift that a start finds is repaired and not called so.
            tracing::debug!(%error, "how far the networks were brought is not written down");
        }
    }
}

fn line(revision: u64) -> String {
    format!("{} {revision}\n", env!("CARGO_PKG_VERSION"))
}
