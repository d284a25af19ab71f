//! Takes DNS questions from sockets and sends the answers.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hickory_proto::op::{Message, ResponseCode};
use nix::libc::{in_addr, in_pktinfo};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
use os::panics::confine;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::answer::{Answer, Transport, answer, bound, refuse, truncated};
use super::figures::DNS;
use super::forward::{Forwarder, framed};
use super::known::Knowledge;
use crate::sockets::readable;
use crate::tasks::spawn_confined;

/// The size of the longest question, in bytes.
const QUESTION_BYTES: usize = 4096;
/// The number of packets that one socket's task handles before other tasks have their turn.
const AT_ONCE: usize = 32;
/// The most TCP connections at once to one address of a resolver.
const STREAMS: usize = 256;
/// How long a TCP connection may be idle.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause after the process ran out of files.
const SHORT_OF: Duration = Duration::from_millis(50);
/// The most addresses whose packets are counted at once. Packets from others are dropped.
const SOURCES: usize = 65_536;
/// The time over which the packets from an address are counted.
const SECOND: Duration = Duration::from_secs(1);

/// A resolver: what answers questions.
#[derive(Debug)]
pub(crate) struct Resolver {
    /// The names that it knows.
    pub known: ArcSwap<Knowledge>,
    forwarder: Option<Arc<Forwarder>>,
    /// Tells the resolver from others that share the forwarder.
    number: u64,
    rate: u32,
    heard: Mutex<Heard>,
    turn: AtomicUsize,
}

/// The number of packets from each address in this second.
#[derive(Debug)]
struct Heard {
    since: Instant,
    packets: HashMap<IpAddr, u32>,
}

impl Resolver {
    /// A resolver that asks the forwarder, if there is one, for names that it does not know. It answers
    /// `rate` packets in a second from one address.
    pub(crate) fn new(known: Knowledge, forwarder: Option<Arc<Forwarder>>, rate: u32) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            known: ArcSwap::from_pointee(known),
            forwarder,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            rate,
            heard: Mutex::new(Heard { since: Instant::now(), packets: HashMap::new() }),
            turn: AtomicUsize::new(0),
        }
    }

    /// Counts a packet from an address; false if the address has sent too many in this second.
    fn hears(&self, from: IpAddr) -> bool {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.since.elapsed() >= SECOND {
            heard.since = Instant::now();
            heard.packets.clear();
        }
        if heard.packets.len() >= SOURCES && !heard.packets.contains_key(&from) {
            return false;
        }
        let packets = heard.packets.entry(from).or_insert(0);
        *packets = packets.saturating_add(1);
        *packets <= self.rate
    }

    fn answer(&self, packet: &[u8], transport: Transport) -> Answer {
        #[cfg(test)]
        crate::fault::at("question", packet.get(..2).unwrap_or_default());
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let recursive = self.forwarder.is_some();
        match answer(packet, &self.known.load(), transport, recursive, turn) {
            Answer::Elsewhere(question) if self.forwarder.is_none() => {
                refuse(&question, ResponseCode::Refused, transport, recursive)
            }
            answer => answer,
        }
    }

    /// Asks the resolvers beyond the host.
    async fn elsewhere(&self, packet: &[u8], question: &Message, transport: Transport) -> Vec<u8> {
        let asked = match &self.forwarder {
            Some(forwarder) => forwarder.ask(self.number, packet, transport).await,
            None => None,
        };
        match (asked, transport) {
            (Some(found), Transport::Udp) if found.len() > bound(question) => {
                truncated(question, true)
            }
            (Some(found), _) => found,
            (None, _) => match refuse(question, ResponseCode::ServFail, transport, true) {
                Answer::Reply(reply) => reply,
                Answer::Elsewhere(_) | Answer::Nothing => Vec::new(),
            },
        }
    }
}

/// Answers the packets that come to a UDP socket. It ends only with an error.
pub(crate) async fn datagrams(socket: Arc<UdpSocket>, resolver: Arc<Resolver>) -> io::Result<()> {
    let source = match socket.local_addr()?.ip() {
        IpAddr::V4(address) if !address.is_unspecified() => Some(address),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    };
    let socket = readable(socket)?;
    loop {
        let mut ready = socket.readable().await?;
        let mut more = true;
        for _ in 0..AT_ONCE {
            more = take_one(socket.get_ref(), source, &resolver);
            if !more {
                break;
            }
        }
        if more {
            tokio::task::yield_now().await;
        } else {
            ready.clear_ready();
        }
    }
}

/// Answers one packet; false if there is none. There are many sockets, so the buffer is not kept
/// while no packet comes.
fn take_one(socket: &Arc<UdpSocket>, source: Option<Ipv4Addr>, resolver: &Arc<Resolver>) -> bool {
    let mut buffer = [0; QUESTION_BYTES];
    let (length, from) = match socket.recv_from(&mut buffer) {
        Ok(received) => received,
        Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
    };
    let packet = buffer.get(..length).unwrap_or_default();
    if !resolver.hears(from.ip()) {
        DNS.unanswered(true);
        return true;
    }
    // A packet that is our undoing is one without an answer.
    let answer = confine(|| resolver.answer(packet, Transport::Udp));
    match answer.unwrap_or(Answer::Nothing) {
        Answer::Nothing => DNS.unanswered(false),
        Answer::Reply(reply) => send(socket, source, &reply, from),
        Answer::Elsewhere(question) => {
            let (socket, resolver) = (Arc::clone(socket), Arc::clone(resolver));
            let packet = packet.to_vec();
            spawn_confined(async move {
                let reply = resolver.elsewhere(&packet, &question, Transport::Udp).await;
                send(&socket, source, &reply, from);
            });
        }
    }
    true
}

/// Sends an answer from the address that was asked. The kernel would not do so by itself, for a socket
/// that was bound before its namespace had any address has no source address of its own.
fn send(socket: &UdpSocket, source: Option<Ipv4Addr>, reply: &[u8], to: SocketAddr) {
    DNS.replied(reply);
    let from = source.map(|source| in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: in_addr { s_addr: u32::from(source).to_be() },
        ipi_addr: in_addr { s_addr: 0 },
    });
    let control: Vec<ControlMessage<'_>> =
        from.iter().map(ControlMessage::Ipv4PacketInfo).collect();
    let (parts, to) = ([IoSlice::new(reply)], SockaddrStorage::from(to));
    // If the socket's buffer is full the answer is lost, and the client asks again.
    let _ = sendmsg(socket.as_raw_fd(), &parts, &control, MsgFlags::MSG_DONTWAIT, Some(&to));
}

/// Answers what comes over the TCP connections of a listener. It ends only with an error.
pub(crate) async fn streams(listener: Arc<TcpListener>, resolver: Arc<Resolver>) -> io::Result<()> {
    let listener = readable(listener)?;
    let permits = Arc::new(Semaphore::new(STREAMS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return Ok(()) };
        let accepted = listener.async_io(Interest::READABLE, |listener| listener.accept()).await;
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "cannot take a stream of questions");
                sleep(SHORT_OF).await;
                continue;
            }
        };
        let resolver = Arc::clone(&resolver);
        spawn_confined(async move {
            // A connection that breaks off concerns its client alone.
            let _ = converse(stream, from, &resolver).await;
            drop(permit);
        });
    }
}

async fn converse(
    stream: std::net::TcpStream,
    from: SocketAddr,
    resolver: &Arc<Resolver>,
) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream)?;
    stream.set_nodelay(true)?;
    loop {
        let asked = async {
            let length = usize::from(stream.read_u16().await?);
            let mut packet = vec![0; length.min(QUESTION_BYTES)];
            stream.read_exact(&mut packet).await?;
            Ok::<_, io::Error>((length, packet))
        };
        let (length, packet) = timeout(PATIENCE, asked).await??;
        if length > QUESTION_BYTES || !resolver.hears(from.ip()) {
            DNS.unanswered(length <= QUESTION_BYTES);
            return Ok(());
        }
        let reply = match resolver.answer(&packet, Transport::Tcp) {
            Answer::Nothing => {
                DNS.unanswered(false);
                return Ok(());
            }
            Answer::Reply(reply) => reply,
            Answer::Elsewhere(question) => {
                resolver.elsewhere(&packet, &question, Transport::Tcp).await
            }
        };
        DNS.replied(&reply);
        timeout(PATIENCE, stream.write_all(&framed(&reply))).await??;
    }
}
