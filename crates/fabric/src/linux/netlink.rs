//! Route netlink on a blocking socket, which stays in the namespace it was opened in.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use model::intent::MacAddr;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REQUEST,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;

use super::namespace;
use crate::driver::Error;

/// The kernel answers within microseconds; longer means that it never will.
const TIMEOUT_SECONDS: i64 = 5;
/// Answers to more requests at once might not fit the socket's receive buffer.
const BATCH: usize = 64;
/// A dump that meets a change is repeated; a table that never rests is given up.
const DUMP_ATTEMPTS: usize = 8;

/// One thing asked of the kernel.
pub struct Request {
    /// The message.
    pub message: RouteNetlinkMessage,
    /// Flags beyond request and acknowledgement.
    pub flags: u16,
    /// The refusal that means that it is so already.
    pub ignore: Option<Errno>,
    /// What it is, for errors.
    pub what: String,
}

/// One end of a veth pair that is to be made.
pub struct VethEnd<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// Its MTU.
    pub mtu: u16,
}

/// A socket to the routing half of the kernel.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
    indexes: BTreeMap<String, u32>,
}

impl Netlink {
    /// Opens a socket in the namespace of the calling thread.
    pub fn open() -> Result<Self, Error> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            socket.set_netlink_get_strict_chk(true)?;
            set_timeout(&socket)?;
            Ok(socket)
        };
        let socket = open().map_err(|e| refused("open a socket", e))?;
        Ok(Self { socket, sequence: 0, indexes: BTreeMap::new() })
    }

    /// Sends requests and awaits all answers; all are tried, the errors are collected.
    pub fn batch(&mut self, requests: Vec<Request>) -> Result<(), Error> {
        let mut errors = Vec::new();
        for chunk in requests.chunks(BATCH) {
            self.send_chunk(chunk, &mut errors)?;
        }
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Error::Several(errors.iter().map(Error::chain).collect())),
        }
    }

    fn send_chunk(&mut self, chunk: &[Request], errors: &mut Vec<Error>) -> Result<(), Error> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        for request in chunk {
            let flags = NLM_F_REQUEST | NLM_F_ACK | request.flags;
            self.append(&mut bytes, request.message.clone(), flags);
        }
        self.send(&bytes)?;
        let mut waiting = chunk.len();
        while waiting > 0 {
            for message in self.receive()? {
                let NetlinkPayload::Error(answer) = message.payload else { continue };
                let offset = message.header.sequence_number.wrapping_sub(first) as usize;
                let Some(request) = chunk.get(offset) else { continue };
                waiting -= 1;
                let code = answer.raw_code().wrapping_neg();
                if code != 0 && request.ignore.map(|errno| errno as i32) != Some(code) {
                    errors.push(refused(&request.what, io::Error::from_raw_os_error(code)));
                }
            }
        }
        Ok(())
    }

    /// Asks for a whole table.
    pub fn dump(&mut self, ask: &RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>, Error> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(found) = self.dump_once(ask)? {
                return Ok(found);
            }
        }
        Err(refused("read a table that keeps changing", Errno::EINTR.into()))
    }

    /// `None` when the table changed meanwhile, so that what was read is not one state of it.
    fn dump_once(
        &mut self,
        ask: &RouteNetlinkMessage,
    ) -> Result<Option<Vec<RouteNetlinkMessage>>, Error> {
        let mut bytes = Vec::new();
        self.append(&mut bytes, ask.clone(), NLM_F_REQUEST | NLM_F_DUMP);
        self.send(&bytes)?;
        let mut found = Vec::new();
        let mut whole = true;
        loop {
            for message in self.receive()? {
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                whole &= message.header.flags & NLM_F_DUMP_INTR == 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => found.push(inner),
                    NetlinkPayload::Done(_) => return Ok(whole.then_some(found)),
                    NetlinkPayload::Error(error) => {
                        return Err(refused("read a table", error.to_io()));
                    }
                    NetlinkPayload::Noop | NetlinkPayload::Overrun(_) => {}
                    _ => {}
                }
            }
        }
    }

    /// Looks at one link; `None` if there is none of the name.
    pub fn link(&mut self, name: &str) -> Result<Option<LinkMessage>, Error> {
        let mut bytes = Vec::new();
        let ask = RouteNetlinkMessage::GetLink(named(name));
        self.append(&mut bytes, ask, NLM_F_REQUEST);
        self.send(&bytes)?;
        loop {
            for message in self.receive()? {
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                match message.payload {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                        return Ok(Some(link));
                    }
                    NetlinkPayload::Error(error) => {
                        let absent = error.raw_code().wrapping_neg() == Errno::ENODEV as i32;
                        let what = || refused(&format!("look at link {name}"), error.to_io());
                        return if absent { Ok(None) } else { Err(what()) };
                    }
                    _ => {}
                }
            }
        }
    }

    /// The index of a link, remembered until [`Netlink::forget`].
    pub fn index(&mut self, name: &str) -> Result<u32, Error> {
        if let Some(index) = self.indexes.get(name) {
            return Ok(*index);
        }
        let link = self.link(name)?;
        let link =
            link.ok_or_else(|| refused(&format!("find link {name}"), Errno::ENODEV.into()))?;
        self.indexes.insert(name.to_owned(), link.header.index);
        Ok(link.header.index)
    }

    /// Forgets the index of a link that was made or removed.
    pub fn forget(&mut self, name: &str) {
        self.indexes.remove(name);
    }

    /// Makes a veth pair, one end here and up, the other in another namespace and still down (the
    /// kernel refuses to open the first of two ends); neither ever appears anywhere else.
    pub fn add_veth(
        &mut self,
        here: &VethEnd<'_>,
        there: &VethEnd<'_>,
        namespace: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        let mut peer = veth_end(there);
        peer.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        let mut link = veth_end(here);
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        link.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        self.forget(here.name);
        self.batch(vec![Request {
            message: RouteNetlinkMessage::NewLink(link),
            flags: NLM_F_CREATE | NLM_F_EXCL,
            ignore: None,
            what: format!("add link {}", here.name),
        }])
    }

    /// Removes a link, and with it the other end; one that is gone already is fine.
    pub fn delete_link(&mut self, name: &str) -> Result<(), Error> {
        self.forget(name);
        self.batch(vec![Request {
            message: RouteNetlinkMessage::DelLink(named(name)),
            flags: 0,
            ignore: Some(Errno::ENODEV),
            what: format!("delete link {name}"),
        }])
    }

    /// Names a link for people.
    pub fn set_alias(&mut self, name: &str, alias: &str) -> Result<(), Error> {
        let mut link = named(name);
        link.attributes.push(LinkAttribute::IfAlias(alias.to_owned()));
        self.batch(vec![Request {
            message: RouteNetlinkMessage::SetLink(link),
            flags: 0,
            ignore: None,
            what: format!("set alias of link {name}"),
        }])
    }

    /// The instance of Causeway that this namespace belongs to.
    pub fn owner(&mut self) -> Result<Option<String>, Error> {
        let link = self.link("lo")?;
        Ok(link.iter().flat_map(|link| &link.attributes).find_map(|attribute| match attribute {
            LinkAttribute::IfAlias(alias) => namespace::owner_of(alias),
            _ => None,
        }))
    }

    fn append(&mut self, bytes: &mut Vec<u8>, message: RouteNetlinkMessage, flags: u16) {
        let mut message = NetlinkMessage::from(message);
        self.sequence = self.sequence.wrapping_add(1);
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let start = bytes.len();
        bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
        message.serialize(&mut bytes[start..]);
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        self.socket.send(bytes, 0).map_err(|e| refused("send", e))?;
        Ok(())
    }

    fn receive(&self) -> Result<Vec<NetlinkMessage<RouteNetlinkMessage>>, Error> {
        let (bytes, _) = self.socket.recv_from_full().map_err(|e| refused("receive", e))?;
        let mut messages = Vec::new();
        let mut rest = bytes.as_slice();
        while rest.len() >= 16 {
            let length = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
            if length < 16 || length > rest.len() {
                break;
            }
            let message = NetlinkMessage::deserialize(&rest[..length])
                .map_err(|e| refused("understand the kernel", io::Error::other(e.to_string())))?;
            messages.push(message);
            rest = &rest[length.next_multiple_of(4).min(rest.len())..];
        }
        Ok(messages)
    }
}

/// Makes a netlink socket give up instead of waiting for ever.
pub fn set_timeout(socket: &Socket) -> io::Result<()> {
    #[expect(unsafe_code, reason = "the socket type does not lend its descriptor safely")]
    // SAFETY: the descriptor is the socket's own, which is borrowed and open for as long.
    let fd = unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) };
    setsockopt(&fd.as_fd(), sockopt::ReceiveTimeout, &TimeVal::new(TIMEOUT_SECONDS, 0))?;
    Ok(())
}

/// An error that names what was asked for.
pub fn refused(step: &str, source: io::Error) -> Error {
    Error::Netlink { step: step.to_owned(), source }
}

fn named(name: &str) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.attributes.push(LinkAttribute::IfName(name.to_owned()));
    link
}

fn veth_end(end: &VethEnd<'_>) -> LinkMessage {
    let mut link = named(end.name);
    link.attributes.push(LinkAttribute::Address(end.mac.0.to_vec()));
    link.attributes.push(LinkAttribute::Mtu(end.mtu.into()));
    link
}
