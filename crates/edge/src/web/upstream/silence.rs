//! Whether the machine at the other end of a connection still answers.

use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

/// How often a segment must have been sent again without an answer. The kernel waits a fifth of a second before the
/// first time, and twice as long each further time.
const REPEATS: u8 = 2;

/// Whether what was sent was not acknowledged, though it was sent again and again. A process that takes its time does not
/// matter, nor one that was stopped: the machine that it is on acknowledges in its place.
pub(super) fn is_silent(connection: &impl AsFd) -> bool {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    #[expect(unsafe_code, reason = "no safe wrapper of this call")]
    // SAFETY: the descriptor is borrowed and open, the kernel writes `length` bytes at most, and all zeros is a value of
    // a structure of integers, so what an older kernel does not write is one, too.
    let (status, info) = unsafe {
        let status = libc::getsockopt(
            connection.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        );
        (status, info.assume_init())
    };
    status == 0 && info.tcpi_unacked > 0 && info.tcpi_retransmits >= REPEATS
}
