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
    InfoData, InfoKind, InfoMacVlan, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    MacVlanMode,
};
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;

use super::message::messages;
use crate::driver::Error;

/// Seconds to wait for an answer. The kernel takes microseconds; longer means that it never will.
const TIMEOUT_SECONDS: i64 = 5;
/// Requests that are sent at once: answers to more might not fit the socket's receive buffer.
const BATCH: usize = 64;
/// How often a table is read that changes meanwhile, before it is given up.
const DUMP_ATTEMPTS: usize = 8;

/// A request to the kernel that it acknowledges.
pub(super) struct Request {
    /// The message that is sent.
    pub message: RouteNetlinkMessage,
    /// Flags beyond request and acknowledgement.
    pub flags: u16,
    /// The refusal that means that the request is fulfilled already.
    pub ignore: Option<Errno>,
    /// The request in words, for errors.
    pub what: String,
}

/// One end of a veth pair that is to be made.
pub(super) struct VethEnd<'a> {
    /// The link's name.
    pub name: &'a str,
    /// The Ethernet address.
    pub mac: MacAddr,
    /// Bytes that a packet on it may have.
    pub mtu: u16,
}

/// A route netlink socket.
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
    indexes: BTreeMap<String, u32>,
}

impl Netlink {
    /// Opens a socket in the namespace of the calling thread.
    pub(super) fn open() -> Result<Self, Error> {
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
    pub(super) fn batch(&mut self, requests: Vec<Request>) -> Result<(), Error> {
        let mut errors = Vec::new();
        for chunk in requests.chunks(BATCH) {
            self.send_chunk(chunk, &mut errors)?;
        }
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Error::Several(errors.iter().map(|error| os::error_chain(error)).collect())),
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

    /// Reads a whole table.
    pub(super) fn dump(
        &mut self,
        ask: &RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, Error> {
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
    pub(super) fn link(&mut self, name: &str) -> Result<Option<LinkMessage>, Error> {
        let what = format!("look at link {name}");
        match self.get(RouteNetlinkMessage::GetLink(named(name)), Some(Errno::ENODEV), &what)? {
            Some(RouteNetlinkMessage::NewLink(link)) => Ok(Some(link)),
            Some(_) => Err(refused(&what, Errno::EPROTO.into())),
            None => Ok(None),
        }
    }

    /// Asks for one thing; `None` where the kernel's refusal is the one that means that there is
    /// none.
    fn get(
        &mut self,
        ask: RouteNetlinkMessage,
        absent: Option<Errno>,
        what: &str,
    ) -> Result<Option<RouteNetlinkMessage>, Error> {
        let mut bytes = Vec::new();
        self.append(&mut bytes, ask, NLM_F_REQUEST);
        self.send(&bytes)?;
        loop {
            for message in self.receive()? {
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                match message.payload {
                    NetlinkPayload::InnerMessage(answer) => return Ok(Some(answer)),
                    NetlinkPayload::Error(error) => {
                        let errno = Errno::from_raw(error.raw_code().wrapping_neg());
                        return match absent {
                            Some(absent) if absent == errno => Ok(None),
                            Some(_) | None => Err(refused(what, error.to_io())),
                        };
                    }
                    _ => {}
                }
            }
        }
    }

    /// The index of a link, remembered until [`Netlink::forget`].
    pub(super) fn index(&mut self, name: &str) -> Result<u32, Error> {
        if let Some(index) = self.indexes.get(name) {
            return Ok(*index);
        }
        let link = self.link(name)?;
        let link =
            link.ok_or_else(|| refused(&format!("find link {name}"), Errno::ENODEV.into()))?;
        self.indexes.insert(name.to_owned(), link.header.index);
        Ok(link.header.index)
    }

    /// A link's index and that of its other end; `None` where there is no such link.
    pub(super) fn pair(&mut self, name: &str) -> Result<Option<(u32, Option<u32>)>, Error> {
        let Some(link) = self.link(name)? else { return Ok(None) };
        let other = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Link(index) => Some(*index),
            _ => None,
        });
        Ok(Some((link.header.index, other)))
    }

    /// Forgets the indexes of all links: others may have made and removed some.
    pub(super) fn forget_all(&mut self) {
        self.indexes.clear();
    }

    /// Forgets the index of a link that was made or removed.
    pub(super) fn forget(&mut self, name: &str) {
        self.indexes.remove(name);
    }

    /// Makes a veth pair, one end here and up, the other in another namespace and still down (the
    /// kernel refuses to open the first of two ends); neither ever appears anywhere else.
    pub(super) fn add_veth(
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

    /// Makes a private macvlan of a link of this namespace in another one, where it is down yet. It never
    /// appears here; it cannot reach this namespace through the link, nor the other way round.
    pub(super) fn add_macvlan(
        &mut self,
        parent: u32,
        name: &str,
        mac: MacAddr,
        namespace: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        let mut link = named(name);
        link.attributes.push(LinkAttribute::Address(mac.0.to_vec()));
        link.attributes.push(LinkAttribute::Link(parent));
        link.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        link.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::MacVlan),
            LinkInfo::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)])),
        ]));
        self.batch(vec![Request {
            message: RouteNetlinkMessage::NewLink(link),
            flags: NLM_F_CREATE | NLM_F_EXCL,
            ignore: None,
            what: format!("add link {name}"),
        }])
    }

    /// Removes a link, and with it the other end; one that is gone already is fine.
    pub(super) fn delete_link(&mut self, name: &str) -> Result<(), Error> {
        self.forget(name);
        self.batch(vec![Request {
            message: RouteNetlinkMessage::DelLink(named(name)),
            flags: 0,
            ignore: Some(Errno::ENODEV),
            what: format!("delete link {name}"),
        }])
    }

    /// Names a link for people.
    pub(super) fn set_alias(&mut self, name: &str, alias: &str) -> Result<(), Error> {
        let mut link = named(name);
        link.attributes.push(LinkAttribute::IfAlias(alias.to_owned()));
        self.batch(vec![Request {
            message: RouteNetlinkMessage::SetLink(link),
            flags: 0,
            ignore: None,
            what: format!("set alias of link {name}"),
        }])
    }

    /// Gives another namespace a number in this one, unless it has one; returns the one that it has.
    pub(super) fn number_namespace(
        &mut self,
        namespace: BorrowedFd<'_>,
        number: i32,
    ) -> Result<i32, Error> {
        let fd = NsidAttribute::Fd(namespace.as_raw_fd().unsigned_abs());
        let mut message = NsidMessage::default();
        message.attributes = vec![fd.clone(), NsidAttribute::Id(number)];
        self.batch(vec![Request {
            message: RouteNetlinkMessage::NewNsId(message),
            flags: 0,
            ignore: Some(Errno::EEXIST),
            what: format!("number a namespace {number}"),
        }])?;
        let mut ask = NsidMessage::default();
        ask.attributes = vec![fd];
        let what = "ask a namespace's number";
        let answer = self.get(RouteNetlinkMessage::GetNsId(ask), None, what)?;
        let attributes = match answer {
            Some(RouteNetlinkMessage::NewNsId(answer)) => answer.attributes,
            Some(_) | None => return Err(refused(what, Errno::EPROTO.into())),
        };
        let number = attributes.iter().find_map(|attribute| match attribute {
            NsidAttribute::Id(number) if *number >= 0 => Some(*number),
            _ => None,
        });
        number.ok_or_else(|| refused("number a namespace", Errno::EEXIST.into()))
    }

    /// A link's name for people; `None` where there is no such link, or it has none.
    pub(super) fn alias(&mut self, name: &str) -> Result<Option<String>, Error> {
        let link = self.link(name)?;
        let attributes = link.into_iter().flat_map(|link| link.attributes);
        Ok(attributes.into_iter().find_map(|attribute| match attribute {
            LinkAttribute::IfAlias(alias) => Some(alias),
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
        let understood = messages(&bytes).map(|message| {
            NetlinkMessage::deserialize(message.whole)
                .map_err(|e| refused("understand the kernel", io::Error::other(e.to_string())))
        });
        understood.collect()
    }
}

/// Makes a netlink socket give up instead of waiting for ever.
pub(super) fn set_timeout(socket: &Socket) -> io::Result<()> {
    #[expect(unsafe_code, reason = "the socket type does not lend its descriptor safely")]
    // SAFETY: the descriptor is the socket's own, which is borrowed and open for as long.
    let fd = unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) };
    setsockopt(&fd.as_fd(), sockopt::ReceiveTimeout, &TimeVal::new(TIMEOUT_SECONDS, 0))?;
    Ok(())
}

/// The kernel's refusal, with the request in words.
pub(super) fn refused(step: &str, source: io::Error) -> Error {
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
