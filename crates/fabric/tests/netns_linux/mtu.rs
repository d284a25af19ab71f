//! Packets that are too large for a link on their way (`ec2.md` §1.5), and what else routers say.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use model::*;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};

use crate::lab::*;

/// A UDP socket of an interface that never splits what it sends, and hears of errors.
fn whole(from: EniId, to: &str, port: u16) -> UdpSocket {
    let socket = udp(from, 0);
    socket.connect((ip(to), port)).unwrap();
    let value = libc::IP_PMTUDISC_DO;
    #[expect(unsafe_code, reason = "no safe wrapper knows this option")]
    // SAFETY: the pointer is to an integer of the length that is given, and the socket is open.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    assert_eq!(status, 0);
    setsockopt(&socket, sockopt::Ipv4RecvErr, &true).unwrap();
    socket
}

/// The error that a datagram of some size meets, if one comes back.
fn error_of(socket: &UdpSocket, size: usize) -> Option<Errno> {
    socket.send(&vec![0; size]).unwrap();
    let error = socket.recv(&mut [0; 8]).unwrap_err();
    match error.kind() {
        std::io::ErrorKind::WouldBlock => None,
        _ => error.raw_os_error().map(Errno::from_raw),
    }
}

fn learns(socket: &UdpSocket, mtu: i32) {
    assert_eq!(error_of(socket, 8000), Some(Errno::EMSGSIZE));
    assert_eq!(getsockopt(socket, sockopt::IpMtu).unwrap(), mtu);
    let again = socket.send(&[0; 8000]).unwrap_err();
    assert_eq!(again.raw_os_error(), Some(libc::EMSGSIZE), "the kernel knows now");
}

fn space_like(lab: &mut Lab, pcx: PcxId) {
    for (vpc, from) in [(1, "10.2.0.0/16"), (2, "10.1.0.0/16")] {
        lab.at(vpc).peerings.get_mut(&pcx).unwrap().admits_from = Some(vec![cidr(from)]);
    }
}

#[test]
fn a_sender_learns_of_a_link_between_regions() {
    let (mut lab, pcx, a, b) = Lab::peered();
    space_like(&mut lab, pcx);
    lab.intent.peerings.get_mut(&pcx).unwrap().mtu = 1500;
    lab.sweep();
    // A stream finds its size by itself, though both ends offer the most that their links carry.
    let listener = listen(a, 80);
    let (mut client, mut server) = connect(b, &listener, "10.1.0.4");
    let sent = vec![7; 4 << 20];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            client.write_all(&sent).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut got = Vec::new();
        server.read_to_end(&mut got).unwrap();
        assert!(got == sent);
    });
    assert!(run(&at(b), "ip route get 10.1.0.4").contains("mtu 1500"));

    let target = udp(b, 5000);
    let socket = whole(a, "10.2.0.4", 5000);
    learns(&socket, 1500);
    socket.send(&[0; 1400]).unwrap();
    assert_eq!(target.recv(&mut [0; 2000]).unwrap(), 1400);

    // What may be split arrives in parts.
    let splits = udp(a, 0);
    setsockopt(&splits, sockopt::Ipv4RecvErr, &false).unwrap();
    splits.send_to(&[1; 8000], (ip("10.2.0.4"), 5000)).unwrap();
    assert_eq!(target.recv(&mut [0; 9000]).unwrap(), 8000);
}

#[test]
fn a_sender_learns_of_a_link_behind_the_far_router() {
    for like_a_space in [false, true] {
        let (mut lab, pcx, a, b) = Lab::peered();
        if like_a_space {
            space_like(&mut lab, pcx);
        }
        lab.at(2).interfaces.get_mut(&b).unwrap().mtu = 1400;
        let udp_to = |port| Traffic::Udp(PortRange { from: port, to: port });
        lab.group(2).ingress = [rule(udp_to(5000), "10.1.0.0/16")].into();
        // Replies need no rule, and neither do errors.
        lab.group(1).ingress.clear();
        lab.group(2).egress.clear();
        lab.sweep();
        // Of what nobody allowed, nobody hears.
        let forbidden = whole(a, "10.2.0.4", 5001);
        for size in [8, 8000] {
            assert_eq!(error_of(&forbidden, size), None);
        }
        let target = udp(b, 5000);
        let socket = whole(a, "10.2.0.4", 5000);
        assert_eq!(error_of(&socket, 8), None);
        assert_eq!(target.recv(&mut [0; 8]).unwrap(), 8);
        learns(&socket, 1400);
    }
}

#[test]
fn routers_say_nothing_else_to_a_peer() {
    let (mut lab, pcx, a, b) = Lab::peered();
    lab.sweep();
    let target = udp(b, 5000);
    let socket = whole(a, "10.2.0.4", 5000);
    assert_eq!(error_of(&socket, 8), None);
    assert!(target.recv(&mut [0; 8]).is_ok());
    socket.set_ttl(1).unwrap();
    assert_eq!(error_of(&socket, 8), Some(Errno::EHOSTUNREACH), "its own router may");
    socket.set_ttl(2).unwrap();
    assert_eq!(error_of(&socket, 8), None, "the peer's may not");
    socket.set_ttl(3).unwrap();
    assert_eq!(error_of(&socket, 8), None);
    assert!(target.recv(&mut [0; 8]).is_ok());

    // Nor does anything of a router's own find a way out, whatever its mark.
    let router = format!("cw-{}", lab.id::<VpcId>(1));
    let raised =
        format!("ip route get 10.2.0.4 mark {}", 0xc000_0000_u64 | u64::from(pcx_bits(pcx)));
    assert!(run(&router, &raised).contains("dev p"), "the way back for errors");
    for mark in ["0", "1"] {
        let line = format!("ip route get 10.2.0.4 mark {mark}");
        let mut words = line.split(' ');
        let found = inside(&router, || {
            std::process::Command::new(words.next().unwrap()).args(words).output().unwrap()
        });
        assert!(!found.status.success(), "{found:?}");
    }
    run(&router, "ip addr add 10.1.0.99/32 dev lo");
    let own = inside(&router, || UdpSocket::bind("10.1.0.99:0").unwrap());
    assert_eq!(datagram(&own, &target, "10.2.0.4"), None);
    assert_eq!(datagram(&own, &udp(a, 5000), "10.1.0.4"), None);
}

fn pcx_bits(pcx: PcxId) -> u32 {
    pcx.bits() as u32 & 0x1fff_ffff
}
