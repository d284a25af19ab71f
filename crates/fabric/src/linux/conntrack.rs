//! Connection tracking: forgets connections whose ends or ways are gone.

use std::io;
use std::net::Ipv4Addr;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use super::netlink::{refused, set_timeout};
use crate::driver::Error;

// linux/netfilter/nfnetlink_conntrack.h
const CT_GET: u16 = (1 << 8) | 1;
const CT_DELETE: u16 = (1 << 8) | 2;
const TUPLE_ORIG: u16 = 1;
const ID: u16 = 12;
const TUPLE_IP: u16 = 1;
const IP_V4_SRC: u16 = 1;
const IP_V4_DST: u16 = 2;

const HEADER: usize = 20;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const NESTED: u16 = 1 << 15;

/// Forgets, in the calling thread's namespace, every connection with an end for which the
/// predicate holds; says how many.
pub fn forget(stale: impl Fn(Ipv4Addr) -> bool) -> Result<usize, Error> {
    let open = || -> io::Result<Socket> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        set_timeout(&socket)?;
        Ok(socket)
    };
    let work = || -> io::Result<usize> {
        let socket = open()?;
        let doomed = list(&socket, &stale)?;
        for entry in &doomed {
            delete(&socket, entry)?;
        }
        Ok(doomed.len())
    };
    work().map_err(|error| refused("forget connections", error))
}

/// The attributes that name each stale connection.
fn list(socket: &Socket, stale: &impl Fn(Ipv4Addr) -> bool) -> io::Result<Vec<Vec<u8>>> {
    socket.send(&request(CT_GET, REQUEST | DUMP, &[]), 0)?;
    let mut doomed = Vec::new();
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        for (kind, body) in messages(&bytes) {
            match kind {
                DONE => return Ok(doomed),
                ERROR => return error_of(body).map(|()| doomed),
                _ => {}
            }
            let Some(attributes) = body.get(4..) else { continue };
            let mut name = Vec::new();
            let mut hit = false;
            for (attribute, value, whole) in Attributes(attributes) {
                if attribute == TUPLE_ORIG {
                    hit = ends(value).is_some_and(|ends| ends.into_iter().any(stale));
                }
                if attribute == TUPLE_ORIG || attribute == ID {
                    name.extend_from_slice(whole);
                }
            }
            if hit {
                doomed.push(name);
            }
        }
    }
}

fn delete(socket: &Socket, name: &[u8]) -> io::Result<()> {
    socket.send(&request(CT_DELETE, REQUEST | ACK, name), 0)?;
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        for (kind, body) in messages(&bytes) {
            if kind == ERROR {
                return match error_of(body) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    other => other,
                };
            }
        }
    }
}

fn request(kind: u16, flags: u16, attributes: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + attributes.len());
    bytes.extend_from_slice(&((HEADER + attributes.len()) as u32).to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[nix::libc::AF_INET as u8, 0, 0, 0]);
    bytes.extend_from_slice(attributes);
    bytes
}

fn messages(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(rest.get(4..6)?.try_into().ok()?);
        let body = rest.get(16..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

fn error_of(body: &[u8]) -> io::Result<()> {
    let code = body.get(..4).and_then(|b| b.try_into().ok()).map_or(0, i32::from_ne_bytes);
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.wrapping_neg())) }
}

/// Attributes as (kind, value, value with its header and padding).
struct Attributes<'a>(&'a [u8]);

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

fn ends(tuple: &[u8]) -> Option<[Ipv4Addr; 2]> {
    let (_, ip, _) = Attributes(tuple).find(|(kind, ..)| *kind == TUPLE_IP)?;
    let end = |wanted| {
        let (_, value, _) = Attributes(ip).find(|(kind, ..)| *kind == wanted)?;
        Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?))
    };
    Some([end(IP_V4_SRC)?, end(IP_V4_DST)?])
}
