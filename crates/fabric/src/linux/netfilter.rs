//! The netfilter half of netlink: what connection tracking and the firewall have in common.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use super::message::{Message, messages};
use super::netlink::set_timeout;

// Of `linux/netlink.h` and, for the last four bytes of the header, `linux/netfilter/nfnetlink.h`.
const HEADER: usize = 20;
pub(super) const REQUEST: u16 = 1;
pub(super) const ACK: u16 = 4;
pub(super) const DUMP: u16 = 0x300;
pub(super) const ERROR: u16 = 2;
pub(super) const DONE: u16 = 3;
const NESTED: u16 = 1 << 15;

// Of `linux/netfilter/nf_tables.h`.
const NFT_NEWGEN: u16 = (10 << 8) | 15;
const NFT_GETGEN: u16 = (10 << 8) | 16;
const GEN_ID: u16 = 1;

/// Opens a socket in the calling thread's namespace.
pub(super) fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    set_timeout(&socket)?;
    Ok(socket)
}

/// The generation of the firewall in the calling thread's namespace: the kernel counts every change
/// of any of its tables.
pub(super) fn generation() -> io::Result<u32> {
    let socket = open()?;
    socket.send(&request(NFT_GETGEN, REQUEST, &[]), 0)?;
    let (bytes, _) = socket.recv_from_full()?;
    for Message { kind, body, .. } in messages(&bytes) {
        if kind == ERROR {
            error_of(body)?;
        }
        let Some(attributes) = body.get(4..).filter(|_| kind == NFT_NEWGEN) else { continue };
        let id = Attributes(attributes).find(|(kind, ..)| *kind == GEN_ID);
        if let Some(number) = id.and_then(|(_, value, _)| value.try_into().ok()) {
            return Ok(u32::from_be_bytes(number));
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// A request with its attributes, about what concerns IPv4.
pub(super) fn request(kind: u16, flags: u16, attributes: &[u8]) -> Vec<u8> {
    request_of(nix::libc::AF_INET as u8, 0, (kind, flags), attributes)
}

/// An attribute with its header and padding.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len();
    let mut bytes = Vec::with_capacity(length.next_multiple_of(4));
    bytes.extend_from_slice(&(length as u16).to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

/// A request of a family about one resource of that, such as a group.
pub(super) fn request_of(
    family: u8,
    resource: u16,
    (kind, flags): (u16, u16),
    attributes: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + attributes.len());
    bytes.extend_from_slice(&((HEADER + attributes.len()) as u32).to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[family, 0]);
    bytes.extend_from_slice(&resource.to_be_bytes());
    bytes.extend_from_slice(attributes);
    bytes
}

/// What the body of an `ERROR` message says: zero is that all went well.
pub(super) fn error_of(body: &[u8]) -> io::Result<()> {
    let code = body.get(..4).and_then(|b| b.try_into().ok()).map_or(0, i32::from_ne_bytes);
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.wrapping_neg())) }
}

/// Attributes as (kind, value, value with its header and padding).
pub(super) struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16::from_ne_bytes(self.0.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(self.0.get(2..4)?.try_into().ok()?) & !NESTED;
        let value = self.0.get(4..length)?;
        let padded = length.next_multiple_of(4).min(self.0.len());
        let (whole, rest) = self.0.split_at(padded);
        self.0 = rest;
        Some((kind, value, whole))
    }
}
