//! Starting processes inside a workload, as its first process does.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Pid, getpid, setpgid, tcsetpgrp};

/// Starts a command with no signal blocked: the first process blocks those that it reads.
pub(super) fn spawn(command: &mut Command) -> io::Result<Pid> {
    #[expect(unsafe_code, reason = "the signal mask is inherited and only the child may clear it")]
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; setting the signal
    // mask from a value on the stack is one, and it neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(|| Ok(SigSet::empty().thread_set_mask()?));
    }
    let child = command.spawn()?;
    Ok(Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?))
}

/// Starts a command in a process group of its own, which gets the terminal's signals. Each signal
/// arrives once: the first process passes on those that it gets itself.
pub(super) fn spawn_in_foreground(command: &mut Command) -> io::Result<Pid> {
    #[expect(unsafe_code, reason = "only the child itself can do it before its program runs")]
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; these are system calls
    // on values on the stack, and neither allocate nor take a lock.
    unsafe {
        command.pre_exec(|| {
            // Whoever takes the terminal from the background is stopped by this signal otherwise.
            SigSet::from_iter([Signal::SIGTTOU]).thread_block()?;
            setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
            tcsetpgrp(BorrowedFd::borrow_raw(0), getpid())?;
            Ok(())
        });
    }
    spawn(command)
}
