//! What links leave to hardware that is not there.

use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::netlink::refused;
use crate::driver::Error;

const ETHTOOL_GTXCSUM: u32 = 0x16;
const ETHTOOL_STXCSUM: u32 = 0x17;

/// A question of ethtool's or an order, with one number (`struct ethtool_value`).
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// Has the kernel fill in checksums before a packet leaves by a link of the calling thread's namespace. A
/// veth link leaves that to whoever sends the packet on, which a switch outside of the kernel does not
/// do. Says whether it was otherwise.
///
/// # Errors
///
/// The kernel's error.
pub fn complete_checksums(link: &str) -> Result<bool, Error> {
    let step = |what: &str| format!("{what} the checksums of link {link}");
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .map_err(|errno| refused(&step("ask for"), errno.into()))?;
    let asked = ethtool(&socket, link, ETHTOOL_GTXCSUM, 0);
    if asked.map_err(|errno| refused(&step("ask for"), errno.into()))? == 0 {
        return Ok(false);
    }
    let told = ethtool(&socket, link, ETHTOOL_STXCSUM, 0);
    told.map_err(|errno| refused(&step("complete"), errno.into()))?;
    Ok(true)
}

/// One call; returns the number that came back.
fn ethtool(socket: &impl AsRawFd, link: &str, command: u32, data: u32) -> nix::Result<u32> {
    let mut value = Value { command, data };
    let mut name = [0; libc::IFNAMSIZ];
    // The last byte stays zero.
    for (to, from) in name.iter_mut().take(libc::IFNAMSIZ - 1).zip(link.bytes()) {
        *to = from.cast_signed();
    }
    let ifru_data = (&raw mut value).cast();
    let mut request =
        libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data } };
    #[expect(unsafe_code, reason = "no safe wrapper of this call")]
    // SAFETY: the kernel reads and writes the request and the eight bytes that it leads to, and both
    // live until the call has returned; the descriptor is borrowed and open.
    let status =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    nix::errno::Errno::result(status)?;
    Ok(value.data)
}
