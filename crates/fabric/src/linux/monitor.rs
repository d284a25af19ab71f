//! The kernel's notifications of changes to links, addresses, routes, rules and firewalls, as
//! `ip monitor` and `nft monitor` show them, in all namespaces that were given a number.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{NetlinkAddr, bind};

use super::message::{Message, messages};

/// A multicast group of netlink's, by number.
pub(super) type Group = libc::c_int;

/// Of links, neighbours, IPv4 addresses, routes and rules, IPv6 addresses, and settings such as
/// forwarding (`linux/rtnetlink.h`).
const ROUTE_GROUPS: [Group; 7] = [1, 3, 5, 7, 8, 9, 24];
/// Of tables, chains, rules, sets and their elements (`linux/netfilter/nfnetlink.h`).
const FIREWALL_GROUPS: [Group; 1] = [7];
/// Room for what comes while the reader waits for its turn.
const BUFFER: libc::c_int = 8 << 20;
/// One message, or many small ones, fits.
const MESSAGE: usize = 64 << 10;

// linux/netlink.h
const SOL_NETLINK: libc::c_int = 270;
const ADD_MEMBERSHIP: libc::c_int = 1;
const LISTEN_ALL_NSID: libc::c_int = 8;

// linux/rtnetlink.h, linux/neighbour.h
const NEW_NEIGHBOUR: u16 = 28;
const STATE_OFFSET: usize = 8;
const PERMANENT: u16 = 0x80;

/// A socket that receives notifications from all numbered namespaces.
pub(super) struct Monitor {
    socket: OwnedFd,
    is_route: bool,
    /// The port of this process's own requests.
    own: u32,
}

/// A notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notification {
    /// Something changed in the namespace of this number.
    Change(i32),
    /// More was sent than the socket's buffer could hold, so that something is missing.
    Overrun,
}

impl Monitor {
    /// Monitors links, addresses, routes, rules, neighbours and settings.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub(super) fn of_routes() -> io::Result<Self> {
        Self::open(libc::NETLINK_ROUTE, &ROUTE_GROUPS, true)
    }

    /// Monitors firewalls.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub(super) fn of_firewalls() -> io::Result<Self> {
        Self::open(libc::NETLINK_NETFILTER, &FIREWALL_GROUPS, false)
    }

    fn open(protocol: libc::c_int, groups: &[Group], is_route: bool) -> io::Result<Self> {
        let socket = open(protocol, BUFFER)?;
        set(&socket, SOL_NETLINK, LISTEN_ALL_NSID, 1)?;
        join(&socket, groups)?;
        Ok(Self { socket, is_route, own: std::process::id() })
    }

    /// Hands over every notification since the last call, without those of what this process itself
    /// did.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub(super) fn read(&self, mut each: impl FnMut(Notification)) -> io::Result<()> {
        let mut buffer = vec![0_u8; MESSAGE];
        loop {
            let (length, namespace) = match receive(&self.socket, &mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    each(Notification::Overrun);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Some(namespace) = namespace else { continue };
            let received = buffer.get(..length).unwrap_or_default();
            if messages(received).any(|message| self.is_news(&message)) {
                each(Notification::Change(namespace));
            }
        }
    }

    fn is_news(&self, message: &Message<'_>) -> bool {
        if message.port == self.own {
            return false;
        }
        // Entries that come and go with traffic are the kernel's own.
        let of_traffic = || {
            let state = message.body.get(STATE_OFFSET..STATE_OFFSET + 2);
            let state = state.and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_ne_bytes);
            message.port == 0 && state & PERMANENT == 0
        };
        !(self.is_route && message.kind == NEW_NEIGHBOUR && of_traffic())
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Opens a socket of netlink in the calling thread's namespace, which never waits, and has so much room
/// for what is not read yet.
pub(super) fn open(protocol: libc::c_int, buffer: libc::c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    #[expect(unsafe_code, reason = "no safe wrapper sets these options")]
    // SAFETY: takes no pointers; the descriptor is new and nobody else's.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_NETLINK, kind, protocol);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    // The kernel takes one without a port of its own for the sender of all that it says itself.
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, buffer)?;
    Ok(socket)
}

/// Has a socket hear what is said to some groups.
pub(super) fn join(socket: &OwnedFd, groups: &[Group]) -> io::Result<()> {
    groups.iter().try_for_each(|group| set(socket, SOL_NETLINK, ADD_MEMBERSHIP, *group))
}

fn set(socket: &OwnedFd, level: libc::c_int, name: libc::c_int, value: i32) -> io::Result<()> {
    #[expect(unsafe_code, reason = "no safe wrapper sets these options")]
    // SAFETY: the pointer is to a live integer of the size that is given.
    let status = unsafe {
        let size = size_of::<i32>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size)
    };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Receives a message, and the number of the namespace that it is from.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<(usize, Option<i32>)> {
    // Room for one integer with its header, aligned as headers are.
    let mut control = [0_u64; 8];
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    #[expect(unsafe_code, reason = "no safe wrapper reads this control message")]
    // SAFETY: `header` points to live memory of the lengths that it names for the whole call, and
    // the control messages are walked with the macros made for that, within what was received.
    unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut vector;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control);
        let length = libc::recvmsg(socket.as_raw_fd(), &raw mut header, 0);
        if length < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut namespace = None;
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while let Some(found) = message.as_ref() {
            if found.cmsg_level == SOL_NETLINK && found.cmsg_type == LISTEN_ALL_NSID {
                namespace = Some(libc::CMSG_DATA(message).cast::<i32>().read_unaligned());
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
        Ok((length as usize, namespace))
    }
}
