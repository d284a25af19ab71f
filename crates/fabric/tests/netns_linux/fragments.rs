//! Forged fragments: routers put datagrams together to know their connections, and must not take
//! the parts from anybody else.

use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use model::*;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};

use crate::lab::*;

const PORT: u16 = 5000;
/// The parts of a datagram: its first 16 bytes with the UDP header, and the rest.
const HEAD: &[u8] = b"headhead";
const TAIL: &[u8] = b"truetail";
const FORGED: &[u8] = b"forgedtl";

/// A fragment of a UDP datagram of two, as its sender claims to have sent it.
struct Fragment {
    from: Ipv4Addr,
    to: Ipv4Addr,
    number: u16,
    tail: Option<&'static [u8]>,
}

impl Fragment {
    fn bytes(&self) -> Vec<u8> {
        const MORE: u16 = 0x2000;
        // The kernel fills in the length and the sum; UDP needs no sum.
        let place: u16 = if self.tail.is_some() { 2 } else { MORE };
        let mut packet = vec![0x45, 0, 0, 0];
        packet.extend(self.number.to_be_bytes());
        packet.extend(place.to_be_bytes());
        packet.extend([64, IpProtocol::UDP.0, 0, 0]);
        packet.extend(self.from.octets());
        packet.extend(self.to.octets());
        match self.tail {
            Some(tail) => packet.extend(tail),
            None => {
                let length = (8 + HEAD.len() + TAIL.len()) as u16;
                for field in [7000, PORT, length, 0] {
                    packet.extend(field.to_be_bytes());
                }
                packet.extend(HEAD);
            }
        }
        packet
    }

    /// Sends it from an interface, whatever source it claims.
    fn send(&self, eni: EniId) {
        let bytes = self.bytes();
        inside(&at(eni), || {
            let kind = (AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC);
            let raw = socket(kind.0, kind.1, kind.2, SockProtocol::Raw).unwrap();
            let to = SockaddrIn::from(std::net::SocketAddrV4::new(self.to, 0));
            sendto(raw.as_raw_fd(), &bytes, &to, MsgFlags::empty()).unwrap();
        });
    }
}

/// Sends the head of a datagram from its true sender, then a forged tail, then the true one, and
/// says what arrived after either.
fn tails(
    sender: EniId,
    forger: EniId,
    target: EniId,
    from: &str,
    to: &str,
) -> [Option<Vec<u8>>; 2] {
    let server = udp(target, PORT);
    let part = |tail| Fragment { from: ip(from), to: ip(to), number: 77, tail };
    let got = || {
        let mut buffer = [0; 64];
        let length = server.recv(&mut buffer).ok()?;
        Some(buffer[..length].to_vec())
    };
    part(None).send(sender);
    part(Some(FORGED)).send(forger);
    let first = got();
    part(Some(TAIL)).send(sender);
    [first, got()]
}

#[test]
fn a_forged_fragment_completes_nobodys_datagram() {
    let mut lab = Lab::new();
    lab.vpc(1, "10.1.0.0/16");
    lab.subnet(1, 1, "10.1.0.0/24");
    let (a, b) = (lab.eni(1, 1, 1, "10.1.0.4"), lab.eni(1, 1, 2, "10.1.0.5"));
    let forger = lab.eni(1, 1, 3, "10.1.0.6");
    lab.sweep();
    let whole = [HEAD, TAIL].concat();
    assert_eq!(tails(a, forger, b, "10.1.0.4", "10.1.0.5"), [None, Some(whole)]);
}

#[test]
fn a_peer_completes_no_datagram_of_another() {
    let (mut lab, _, a, b) = Lab::peered();
    lab.vpc(3, "10.3.0.0/16");
    lab.subnet(3, 3, "10.3.0.0/24");
    let forger = lab.eni(3, 3, 3, "10.3.0.4");
    let third = lab.peer(3, 1, 3);
    lab.route(3, "10.1.0.0/16", intent::RouteTarget::Peering(third));
    lab.at(3).interfaces.get_mut(&forger).unwrap().source_dest_check = false;
    lab.sweep();
    let whole = [HEAD, TAIL].concat();
    assert_eq!(tails(b, forger, a, "10.2.0.4", "10.1.0.4"), [None, Some(whole)]);
}
