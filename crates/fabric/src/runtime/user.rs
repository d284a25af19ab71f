//! The users that workloads run as.

use model::WorkloadId;

/// Above the host's own users and those it gives to people, below those that systemd gives to
/// containers.
const FIRST_USER: u32 = 100_000;
const USERS: u64 = 400_000;

/// A workload's user, the same at every start so that its files stay its own. It follows from a
/// hash (FNV-1a) of the workload's id, so two workloads may get the same one.
pub(super) fn user_of(id: WorkloadId) -> u32 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = id
        .to_string()
        .bytes()
        .fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    FIRST_USER + u32::try_from(hash % USERS).expect("the remainder is small")
}
