//! Connections from interfaces, made in their namespaces, so that they meet what a workload's meet.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, getsockopt, socket, sockopt,
};
use os::netns::NetworkNamespace;
use os::poll::{Interest, is_ready_within};

use super::namespace;
use crate::driver::{Dialled, Error};

/// Connects in the namespace of a name. Waits on a thread of its own, which alone enters it.
pub(super) fn dial(
    name: &str,
    source: Ipv4Addr,
    to: SocketAddrV4,
    patience: Duration,
) -> Result<Dialled, Error> {
    namespace::on_own_thread(|| {
        let found = NetworkNamespace::open(name)?;
        let namespace =
            found.ok_or_else(|| Error::Dial(format!("there is no network namespace {name}")))?;
        namespace.enter()?;
        let failed = |error: io::Error| Error::Dial(error.to_string());
        let socket = from(source).map_err(failed)?;
        outcome(attempt(&socket, to, patience).map_err(failed)?)
    })
    .flatten()
}

fn from(source: Ipv4Addr) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
    bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(source, 0)))?;
    Ok(socket)
}

/// The error with which connecting ends, 0 if it does not fail; `None` if it does not end in time.
fn attempt(socket: &OwnedFd, to: SocketAddrV4, patience: Duration) -> io::Result<Option<i32>> {
    match connect(socket.as_raw_fd(), &SockaddrIn::from(to)) {
        Ok(()) => return Ok(Some(0)),
        Err(Errno::EINPROGRESS) => {}
        Err(errno) => return Ok(Some(errno as i32)),
    }
    if !is_ready_within(socket, Interest::Writable, patience)? {
        return Ok(None);
    }
    Ok(Some(getsockopt(socket, sockopt::SocketError)?))
}

fn outcome(error: Option<i32>) -> Result<Dialled, Error> {
    Ok(match error.map(Errno::from_raw) {
        None | Some(Errno::ETIMEDOUT) => Dialled::Silent,
        Some(Errno::ECONNREFUSED) => Dialled::Refused,
        Some(errno @ (Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EACCES)) => {
            Dialled::Unreachable(errno.desc().to_owned())
        }
        Some(_) if error == Some(0) => Dialled::Answered,
        Some(errno) => return Err(Error::Dial(errno.desc().to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_kernel_say_what_became_of_the_packet() {
        assert_eq!(outcome(Some(0)).unwrap(), Dialled::Answered);
        assert_eq!(outcome(None).unwrap(), Dialled::Silent);
        assert_eq!(outcome(Some(Errno::ETIMEDOUT as i32)).unwrap(), Dialled::Silent);
        assert_eq!(outcome(Some(Errno::ECONNREFUSED as i32)).unwrap(), Dialled::Refused);
        let unreachable = outcome(Some(Errno::EHOSTUNREACH as i32)).unwrap();
        assert_eq!(unreachable, Dialled::Unreachable("No route to host".to_owned()));
        assert!(outcome(Some(Errno::EADDRNOTAVAIL as i32)).is_err());
    }
}
