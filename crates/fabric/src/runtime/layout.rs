//! Where a workload finds in its own root what Causeway put there. All of it is read-only.

/// Our own program, which is the workload's first process.
pub(super) const INIT: &str = "/.causeway/init";
/// What that program is linked with, where the root is an image of other files.
pub(super) const LIBRARIES: &str = "/.causeway/lib";
/// The script that the first process runs first.
pub(super) const USER_DATA: &str = "/.causeway/user-data";
/// The pipe by which the first process says which signal ended the command.
pub(super) const STATUS: &str = "/.causeway/status";
