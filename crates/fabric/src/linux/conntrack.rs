//! Connection tracking: forgets connections whose ends or ways are gone.

use std::io;
use std::net::Ipv4Addr;

use netlink_sys::Socket;

use super::message::{Message, messages};
use super::netfilter::{self, ACK, Attributes, DONE, DUMP, ERROR, REQUEST, error_of};
use super::netlink::refused;
use crate::driver::Error;

// Of `linux/netfilter/nfnetlink_conntrack.h`.
const CT_GET: u16 = (1 << 8) | 1;
const CT_DELETE: u16 = (1 << 8) | 2;
const TUPLE_ORIG: u16 = 1;
const MARK: u16 = 8;
const ID: u16 = 12;
const TUPLE_IP: u16 = 1;
const IP_V4_SRC: u16 = 1;
const IP_V4_DST: u16 = 2;

/// Forgets, in the calling thread's namespace, every connection for whose two ends, as its first
/// packet had them, and mark the predicate holds; says how many.
pub(super) fn forget(stale: impl Fn([Ipv4Addr; 2], u32) -> bool) -> Result<usize, Error> {
    let work = || -> io::Result<usize> {
        let socket = netfilter::open()?;
        let doomed = list(&socket, &stale)?;
        for entry in &doomed {
            delete(&socket, entry)?;
        }
        Ok(doomed.len())
    };
    work().map_err(|error| refused("forget connections", error))
}

/// The attributes that name each stale connection.
fn list(socket: &Socket, stale: &impl Fn([Ipv4Addr; 2], u32) -> bool) -> io::Result<Vec<Vec<u8>>> {
    socket.send(&netfilter::request(CT_GET, REQUEST | DUMP, &[]), 0)?;
    let mut doomed = Vec::new();
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        for Message { kind, body, .. } in messages(&bytes) {
            match kind {
                DONE => return Ok(doomed),
                ERROR => return error_of(body).map(|()| doomed),
                _ => {}
            }
            let Some(attributes) = body.get(4..) else { continue };
            let mut name = Vec::new();
            let (mut both, mut mark) = (None, 0);
            for (attribute, value, whole) in Attributes(attributes) {
                match attribute {
                    TUPLE_ORIG => both = ends(value),
                    MARK => mark = value.try_into().map_or(0, u32::from_be_bytes),
                    _ => {}
                }
                if attribute == TUPLE_ORIG || attribute == ID {
                    name.extend_from_slice(whole);
                }
            }
            if both.is_some_and(|ends| stale(ends, mark)) {
                doomed.push(name);
            }
        }
    }
}

fn delete(socket: &Socket, name: &[u8]) -> io::Result<()> {
    socket.send(&netfilter::request(CT_DELETE, REQUEST | ACK, name), 0)?;
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        for Message { kind, body, .. } in messages(&bytes) {
            if kind == ERROR {
                return match error_of(body) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    other => other,
                };
            }
        }
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
