//! How many files this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files: to `wanted` where this process may go beyond its hard limit, as
/// root may, and otherwise to the hard limit. A hard limit that is higher is used whole.
pub fn raise_limit(wanted: u64) {
    let hard = getrlimit(Resource::Nofile).maximum;
    let most = hard.map(|hard| hard.max(wanted));
    let limit = |files| Rlimit { current: files, maximum: files };
    if setrlimit(Resource::Nofile, limit(most)).is_err() {
        // With too few, opening fails, which is reported where it is tried.
        let _ = setrlimit(Resource::Nofile, limit(hard));
    }
}
