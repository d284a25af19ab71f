//! Hears what routers say of the flows that go through them: connection tracking tells of connections
//! that were let pass, and the firewall of packets that it dropped.
//!
//! The kernel tells each socket what it has room for, and counts or tells what it had no room for. So
//! whoever reads slowly loses records, and never holds up a packet.

mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use model::VpcId;
use netlink_sys::Socket;
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{MsgFlags, recv, send};
use os::Waker;
use os::netns::NetworkNamespace;
use os::poll::{Interest, readable};

use self::read::{Heard, connection_of, dropped_of, limited_of};
use super::message::{Message, messages};
use super::namespace::failed;
use super::netfilter::{self, ACK, DONE, DUMP, ERROR, REQUEST, attribute, error_of};
use super::netlink::refused;
use super::told::GROUP;
use super::{monitor, names};
use crate::driver::Error;
use crate::flows::{Event, Place};

/// Routers that are heard at most; each has three sockets.
const MOST_ROUTERS: usize = 512;
/// Room for what a router said of connections and was not read yet.
const EVENTS_BUFFER: libc::c_int = 2 << 20;
/// The same for packets that it dropped.
const DROPS_BUFFER: libc::c_int = 1 << 20;
/// Datagrams of a router that are read before it is another's turn.
const TURN: usize = 256;
/// A whole datagram of the kernel's fits.
const DATAGRAM: usize = 64 << 10;

// Of `linux/netfilter/nfnetlink_compat.h`: connections that are new, and those that have ended.
const CONNECTION_GROUPS: [monitor::Group; 2] = [1, 3];
// Of `linux/netfilter/nfnetlink_conntrack.h`.
const CT_NEW: u16 = 1 << 8;
const CT_GET: u16 = (1 << 8) | 1;
const CT_DELETE: u16 = (1 << 8) | 2;
// Of `linux/netfilter/nfnetlink_log.h`.
const LOG_PACKET: u16 = 4 << 8;
const LOG_CONFIG: u16 = (4 << 8) | 1;
const CONFIG_COMMAND: u16 = 1;
const CONFIG_MODE: u16 = 2;
const CONFIG_TIMEOUT: u16 = 4;
const CONFIG_THRESHOLD: u16 = 5;
const CONFIG_FLAGS: u16 = 6;
const BIND: u8 = 1;
const COPY_PACKET: u8 = 2;
/// Packets are numbered.
const NUMBERED: u16 = 1;
/// Hundredths of a second for which packets are gathered.
const GATHER: u32 = 5;
// Of `linux/netfilter/nf_tables.h`.
const NFT_GETRULE: u16 = (10 << 8) | 7;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const NFPROTO_INET: u8 = 1;

/// Hears routers of an instance of Causeway, on the thread that calls it. It changes nothing.
#[derive(Debug)]
pub struct Recorder {
    instance: String,
    ears: BTreeMap<VpcId, Ear>,
    waker: Waker,
    buffer: Vec<u8>,
}

/// The sockets in one router.
#[derive(Debug)]
struct Ear {
    namespace: NetworkNamespace,
    connections: OwnedFd,
    drops: OwnedFd,
    questions: Socket,
    /// The names of the router's links.
    links: BTreeMap<u32, String>,
    /// The number of the last packet that was told.
    last: Option<u32>,
    /// How many packets each place had not told of when it was asked last.
    limited: BTreeMap<Place, u64>,
}

impl Recorder {
    /// Hears nothing yet.
    ///
    /// # Errors
    ///
    /// The process may have no more descriptors.
    pub fn new(instance: &str) -> io::Result<Self> {
        Ok(Self {
            instance: instance.to_owned(),
            ears: BTreeMap::new(),
            waker: Waker::new()?,
            buffer: vec![0; DATAGRAM],
        })
    }

    /// What ends [`Recorder::wait`], from any thread.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Hears these routers from now on and no others. Says of each that cannot be heard why not; a router
    /// that is not there yet can not. Whoever asks again has them tried again.
    pub fn hear(&mut self, routers: &BTreeSet<VpcId>) -> BTreeMap<VpcId, Error> {
        self.ears.retain(|vpc, ear| routers.contains(vpc) && ear.namespace.is_current());
        let mut failed = BTreeMap::new();
        for vpc in routers {
            if self.ears.contains_key(vpc) {
                continue;
            }
            let opened = match self.ears.len() < MOST_ROUTERS {
                true => Ear::open(&names::router(&self.instance, *vpc)),
                false => Err(Error::Thread(format!("{MOST_ROUTERS} routers are heard already"))),
            };
            match opened {
                Ok(ear) => drop(self.ears.insert(*vpc, ear)),
                Err(error) => drop(failed.insert(*vpc, error)),
            }
        }
        failed
    }

    /// Waits until a router says something, somebody wakes it, or the time is over.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn wait(&self, patience: Duration) -> io::Result<()> {
        let mut all: Vec<(BorrowedFd<'_>, Interest)> = vec![readable(&self.waker)];
        for ear in self.ears.values() {
            all.extend([readable(&ear.connections), readable(&ear.drops)]);
        }
        os::poll::wait(&all, Some(patience))?;
        self.waker.reset();
        Ok(())
    }

    /// Hands over what routers said since, as far as it is their turn, and says whether that is all.
    pub fn read(&mut self, each: &mut dyn FnMut(VpcId, Event)) -> bool {
        let mut done = true;
        for (vpc, ear) in &mut self.ears {
            done &= ear.read(&mut self.buffer, &mut |event| each(*vpc, event));
        }
        done
    }

    /// Asks some of the routers that are heard for all connections that there are now.
    pub fn count(&mut self, routers: &BTreeSet<VpcId>, each: &mut dyn FnMut(VpcId, Event)) {
        for (vpc, ear) in self.ears.iter_mut().filter(|(vpc, _)| routers.contains(vpc)) {
            // What cannot be counted now can be later, or the router is gone.
            let _ = ear.count(&mut |event| each(*vpc, event));
        }
    }

    /// Asks routers for how many packets were dropped that they did not tell of.
    pub fn count_untold(&mut self, each: &mut dyn FnMut(VpcId, Event)) {
        for (vpc, ear) in &mut self.ears {
            let _ = ear.count_untold(&mut |event| each(*vpc, event));
        }
    }
}

impl Ear {
    fn open(name: &str) -> Result<Self, Error> {
        let namespace = NetworkNamespace::open(name)?.ok_or_else(|| {
            let none = io::Error::from(io::ErrorKind::NotFound);
            failed(name, "open", none)
        })?;
        let ear = inside(&namespace, || -> Result<_, Error> {
            let open = || -> io::Result<_> {
                let connections = monitor::open(libc::NETLINK_NETFILTER, EVENTS_BUFFER)?;
                monitor::join(&connections, &CONNECTION_GROUPS)?;
                let drops = monitor::open(libc::NETLINK_NETFILTER, DROPS_BUFFER)?;
                Ok((connections, drops, netfilter::open()?))
            };
            let (connections, drops, questions) =
                open().map_err(|error| refused("hear connections", error))?;
            configure(&drops).map_err(|error| refused("hear dropped packets", error))?;
            Ok((connections, drops, questions, links()))
        })?;
        let (connections, drops, questions, links) = ear?;
        let (last, limited) = (None, BTreeMap::new());
        let mut ear = Self { namespace, connections, drops, questions, links, last, limited };
        // What was dropped before is nobody's loss.
        let _ = ear.count_untold(&mut drop);
        Ok(ear)
    }

    fn read(&mut self, buffer: &mut [u8], each: &mut dyn FnMut(Event)) -> bool {
        let mut connections = |message: Message<'_>| {
            let known = message.body.get(4..).and_then(connection_of);
            match (message.kind, known) {
                (CT_NEW, Some(connection)) => each(Event::Opened(connection)),
                (CT_DELETE, Some(connection)) => each(Event::Closed(connection)),
                _ => {}
            }
        };
        let (first, overrun) = datagrams(&self.connections, buffer, &mut connections);
        if overrun {
            each(Event::Overrun);
        }
        let mut heard: Vec<Heard> = Vec::new();
        let mut drops = |message: Message<'_>| {
            if message.kind == LOG_PACKET {
                heard.extend(message.body.get(4..).and_then(dropped_of));
            }
        };
        // A loss shows in the numbers of packets.
        let (second, _) = datagrams(&self.drops, buffer, &mut drops);
        for heard in heard {
            self.take(heard, each);
        }
        first && second
    }

    fn take(&mut self, heard: Heard, each: &mut dyn FnMut(Event)) {
        let Heard { mut dropped, link, number } = heard;
        if let Some(number) = number {
            let missing = self.last.map_or(0, |last| number.wrapping_sub(last).wrapping_sub(1));
            // A number that is less than the one before is of a packet that came late.
            if missing > 0 && missing < u32::MAX / 2 {
                each(Event::Untold(missing.into()));
            }
            self.last = Some(number);
        }
        if !self.links.contains_key(&link)
            && let Ok(links) = inside(&self.namespace, links)
        {
            self.links = links;
        }
        dropped.link = self.links.get(&link).cloned().unwrap_or_default();
        each(Event::Dropped(dropped));
    }

    fn count(&mut self, each: &mut dyn FnMut(Event)) -> io::Result<()> {
        self.questions.send(&netfilter::request(CT_GET, REQUEST | DUMP, &[]), 0)?;
        self.answers(&mut |message| {
            if let Some(connection) = message.body.get(4..).and_then(connection_of) {
                each(Event::Counted(connection));
            }
        })
    }

    fn count_untold(&mut self, each: &mut dyn FnMut(Event)) -> io::Result<()> {
        for place in Place::ALL {
            let chain = format!("{}\0", place.chain());
            let named =
                [attribute(RULE_TABLE, b"causeway\0"), attribute(RULE_CHAIN, chain.as_bytes())];
            let kind = (NFT_GETRULE, REQUEST | DUMP);
            let question = netfilter::request_of(NFPROTO_INET, 0, kind, &named.concat());
            self.questions.send(&question, 0)?;
            let mut now = 0;
            self.answers(&mut |message| {
                now += message.body.get(4..).map_or(0, limited_of);
            })?;
            let before = self.limited.insert(place, now).unwrap_or(0);
            // A chain that was filled anew begins at nothing.
            let more = if now >= before { now - before } else { now };
            if more > 0 {
                each(Event::Untold(more));
            }
        }
        Ok(())
    }

    /// Hands over all answers to a question.
    fn answers(&self, each: &mut dyn FnMut(&Message<'_>)) -> io::Result<()> {
        loop {
            let (bytes, _) = self.questions.recv_from_full()?;
            for message in messages(&bytes) {
                match message.kind {
                    DONE => return Ok(()),
                    ERROR => return error_of(message.body),
                    _ => each(&message),
                }
            }
        }
    }
}

/// Does something in a namespace, and comes back.
fn inside<T>(namespace: &NetworkNamespace, work: impl FnOnce() -> T) -> Result<T, Error> {
    let home = |source| failed("(home)", "enter", source);
    let back = File::open("/proc/thread-self/ns/net").map_err(home)?;
    namespace.enter()?;
    let done = work();
    setns(back, CloneFlags::CLONE_NEWNET).map_err(|errno| home(errno.into()))?;
    Ok(done)
}

/// The names of the links of the calling thread's namespace, by their numbers.
fn links() -> BTreeMap<u32, String> {
    let Ok(all) = nix::net::if_::if_nameindex() else { return BTreeMap::new() };
    let named = |it: &nix::net::if_::Interface| (it.index(), it.name().to_string_lossy().into());
    all.iter().map(named).collect()
}

/// Has a socket hear the firewall of its namespace. Nobody else may do so at the same time.
fn configure(socket: &OwnedFd) -> io::Result<()> {
    let mode = [&(u32::from(u16::MAX)).to_be_bytes()[..], &[COPY_PACKET, 0]].concat();
    config(socket, &attribute(CONFIG_COMMAND, &[BIND]))?;
    config(socket, &attribute(CONFIG_MODE, &mode))?;
    config(socket, &attribute(CONFIG_TIMEOUT, &GATHER.to_be_bytes()))?;
    config(socket, &attribute(CONFIG_THRESHOLD, &64_u32.to_be_bytes()))?;
    config(socket, &attribute(CONFIG_FLAGS, &NUMBERED.to_be_bytes()))
}

fn config(socket: &OwnedFd, attributes: &[u8]) -> io::Result<()> {
    let family = libc::AF_UNSPEC as u8;
    let request = netfilter::request_of(family, GROUP, (LOG_CONFIG, REQUEST | ACK), attributes);
    send(socket.as_raw_fd(), &request, MsgFlags::empty())?;
    let mut buffer = vec![0; DATAGRAM];
    loop {
        // The kernel answers before it returns from the sending.
        let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let received = buffer.get(..length).unwrap_or_default();
        if let Some(answer) = messages(received).find(|message| message.kind == ERROR) {
            return error_of(answer.body);
        }
    }
}

/// Hands over the messages of as many datagrams as it is a socket's turn for. Says whether these were all,
/// and whether there was no room for some.
fn datagrams(
    socket: &OwnedFd,
    buffer: &mut [u8],
    each: &mut dyn FnMut(Message<'_>),
) -> (bool, bool) {
    let mut overrun = false;
    for _ in 0..TURN {
        match recv(socket.as_raw_fd(), buffer, MsgFlags::empty()) {
            Ok(length) => messages(buffer.get(..length).unwrap_or_default()).for_each(&mut *each),
            Err(Errno::ENOBUFS) => overrun = true,
            Err(Errno::EINTR) => {}
            // Nothing is left, or the socket is of no use any more.
            Err(_) => return (true, overrun),
        }
    }
    (false, overrun)
}

/// Whether the kernel can tell of dropped packets and of connections, in the calling thread's namespace.
pub(super) fn check() -> Result<(), Error> {
    let work = || -> io::Result<()> {
        let connections = monitor::open(libc::NETLINK_NETFILTER, EVENTS_BUFFER)?;
        monitor::join(&connections, &CONNECTION_GROUPS)?;
        configure(&monitor::open(libc::NETLINK_NETFILTER, DROPS_BUFFER)?)
    };
    work().map_err(|error| refused("hear flows", error))?;
    super::sysctl::can_record()
}
