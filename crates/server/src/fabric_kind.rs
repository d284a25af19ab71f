//! What carries packets and runs processes.

/// The implementation of networks and workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FabricKind {
    /// This machine's kernel and an OCI runtime.
    Linux,
    /// OVN, and an OCI runtime on hosts that run agents.
    Ovn,
    /// None: the APIs work, but no packets are carried and no processes run.
    None,
}
