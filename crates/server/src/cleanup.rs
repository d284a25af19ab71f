//! Removal of what installations leave behind: files without a record, networks and processes
//! without a data directory, and everything that an ephemeral server made.

pub(crate) mod lost;
pub mod orphans;
pub mod warden;
