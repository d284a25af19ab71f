//! Asks resolvers beyond the host for names that are not known here.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, Record};
use model::Cidr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::answer::Transport;
use crate::clock;
use crate::config::{Config, Forward};
use crate::shares::Shares;

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// How long the content of that file is used before it is read again.
const BELIEVED: Duration = Duration::from_secs(5);
/// The most questions in flight at once.
const AT_ONCE: usize = 1024;
/// The size of the largest answer, in bytes: as big as a packet can be.
const PACKET_BYTES: usize = 65_535;
const HEADER_BYTES: usize = 12;

/// Asks other resolvers.
#[derive(Debug)]
pub(crate) struct Forwarder {
    servers: Servers,
    /// The addresses at which this edge answers. To ask there would go round in circles.
    ours: Vec<SocketAddr>,
    patience: Duration,
    /// Blocks in which no name leads.
    denied: Vec<Cidr>,
    /// The slots for questions in flight, which the resolvers of all VPCs share.
    at_once: Shares<u64>,
}

#[derive(Debug)]
enum Servers {
    Given(Vec<SocketAddr>),
    Host(Mutex<Option<(Instant, Vec<SocketAddr>)>>),
}

impl Forwarder {
    /// The forwarder that the configuration says; `None` if no questions are forwarded.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let servers = match &config.forward {
            Forward::None => return None,
            Forward::HostResolvers => Servers::Host(Mutex::default()),
            Forward::Servers(servers) => Servers::Given(servers.clone()),
        };
        Some(Self {
            servers,
            ours: config.dns.into_iter().collect(),
            patience: config.limits.dns_forward,
            denied: config.denied.clone(),
            at_once: Shares::new(AT_ONCE),
        })
    }

    /// Asks one server after the other, for the resolver with this number. `None` if no server answers,
    /// or as long as the resolver has its share of questions in flight.
    pub(crate) async fn ask(
        &self,
        resolver: u64,
        packet: &[u8],
        transport: Transport,
    ) -> Option<Vec<u8>> {
        let share = self.at_once.take([resolver]).ok()?;
        let mut answer = None;
        for server in self.servers() {
            let asked = async {
                match transport {
                    Transport::Udp => over_udp(server, packet).await,
                    Transport::Tcp => over_tcp(server, packet).await,
                }
            };
            if let Ok(Ok(found)) = timeout(self.patience, asked).await {
                answer = Some(found);
                break;
            }
        }
        drop(share);
        answer.and_then(|answer| without(answer, &self.denied))
    }

    fn servers(&self) -> Vec<SocketAddr> {
        let mut servers = match &self.servers {
            Servers::Given(servers) => servers.clone(),
            Servers::Host(read) => {
                let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
                match &*read {
                    Some((when, servers)) if when.elapsed() < BELIEVED => servers.clone(),
                    Some(_) | None => {
                        let text = fs::read_to_string(RESOLV_CONF).unwrap_or_default();
                        let servers = name_servers(&text);
                        *read = Some((Instant::now(), servers.clone()));
                        servers
                    }
                }
            }
        };
        servers.retain(|server| !self.ours.iter().any(|ours| is_same(*ours, *server)));
        servers
    }
}

/// An answer without the addresses that lie inside some blocks: whoever has a name that somebody
/// here looks up might have it lead to a machine of ours. `None` if it cannot be read.
pub(super) fn without(answer: Vec<u8>, denied: &[Cidr]) -> Option<Vec<u8>> {
    if denied.is_empty() {
        return Some(answer);
    }
    let mut message = Message::from_vec(&answer).ok()?;
    let leads_inside = |record: &Record| {
        let address = match &record.data {
            RData::A(A(address)) => Some(*address),
            RData::AAAA(AAAA(address)) => address.to_ipv4_mapped(),
            _ => None,
        };
        address.is_some_and(|address| denied.iter().any(|block| block.contains(address)))
    };
    let before = message.answers.len() + message.additionals.len();
    message.answers.retain(|record| !leads_inside(record));
    message.additionals.retain(|record| !leads_inside(record));
    if message.answers.len() + message.additionals.len() == before {
        return Some(answer);
    }
    message.to_vec().ok()
}

/// Whether a packet to an address reaches a listener.
fn is_same(listener: SocketAddr, address: SocketAddr) -> bool {
    let everywhere = listener.ip().is_unspecified() && address.ip().is_loopback();
    listener.port() == address.port() && (everywhere || listener.ip() == address.ip())
}

/// The servers that a resolver's configuration names.
fn name_servers(text: &str) -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("nameserver")
            && let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>)
        {
            servers.push(SocketAddr::new(address, 53));
        }
    }
    servers
}

async fn over_udp(server: SocketAddr, packet: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let sent = with_id(packet, clock::secret_u16());
    socket.send(&sent).await?;
    let mut answer = vec![0; PACKET_BYTES];
    loop {
        let length = socket.recv(&mut answer).await?;
        let received = answer.get(..length).unwrap_or_default();
        if fits(&sent, received) {
            return Ok(with_id(received, id(packet)));
        }
    }
}

async fn over_tcp(server: SocketAddr, packet: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let sent = with_id(packet, clock::secret_u16());
    stream.write_all(&framed(&sent)).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    if !fits(&sent, &answer) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(with_id(&answer, id(packet)))
}

/// A packet with its length before it, as TCP carries it.
pub(crate) fn framed(packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    let mut framed = Vec::with_capacity(packet.len() + 2);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(packet.get(..usize::from(length)).unwrap_or_default());
    framed
}

fn id(packet: &[u8]) -> u16 {
    match packet {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

fn with_id(packet: &[u8], id: u16) -> Vec<u8> {
    let mut changed = packet.to_vec();
    if let Some(start) = changed.get_mut(..2) {
        start.copy_from_slice(&id.to_be_bytes());
    }
    changed
}

/// Whether a packet answers a question: the same id, and the same question if it repeats it.
pub(super) fn fits(sent: &[u8], received: &[u8]) -> bool {
    let is_answer = received.get(2).is_some_and(|flags| flags & 0x80 != 0);
    if received.len() < HEADER_BYTES || !is_answer || id(sent) != id(received) {
        return false;
    }
    if received.get(4..6) == Some(&[0, 0]) {
        return true;
    }
    let question = |packet: &[u8]| packet.get(HEADER_BYTES..).map(<[u8]>::to_vec);
    let (Some(asked), Some(answered)) = (question(sent), question(received)) else { return false };
    let Some(length) = question_bytes(&asked) else { return false };
    match (asked.get(..length), answered.get(..length)) {
        (Some(asked), Some(answered)) => asked.eq_ignore_ascii_case(answered),
        (Some(_) | None, _) => false,
    }
}

/// How long the question is that a packet's body begins with.
fn question_bytes(body: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *body.get(at)? {
            0 => return Some(at + 5),
            length if length < 64 => at += usize::from(length) + 1,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use hickory_proto::op::{MessageType, OpCode, Query};
    use hickory_proto::rr::{Name, RecordType};

    use super::*;

    #[test]
    fn the_hosts_resolvers_are_read() {
        let text = "# x\nnameserver 192.0.2.1\nsearch a\nnameserver ::1\nnameserver x\n";
        let expected: Vec<SocketAddr> =
            vec!["192.0.2.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()];
        assert_eq!(name_servers(text), expected);
    }

    #[tokio::test]
    async fn one_resolver_leaves_room_for_the_questions_of_others() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut config = Config::new(PathBuf::from("/nonexistent"));
        config.forward = Forward::Servers(vec![silent.local_addr().unwrap()]);
        let forwarder = Forwarder::new(&config).unwrap();
        let packet = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01";
        let held: Vec<_> =
            std::iter::from_fn(|| forwarder.at_once.take([1]).ok()).take(AT_ONCE).collect();
        assert!(held.len() < AT_ONCE);
        // Its next question is refused at once, another's goes out.
        assert_eq!(forwarder.ask(1, packet, Transport::Udp).await, None);
        let mut heard = [0; 64];
        tokio::select! {
            answer = forwarder.ask(2, packet, Transport::Udp) => panic!("{answer:?}"),
            length = silent.recv(&mut heard) => assert_eq!(length.unwrap(), packet.len()),
        }
    }

    #[test]
    fn what_leads_inside_is_left_out() {
        let denied = ["10.0.0.0/8".parse().unwrap(), "203.0.113.16/28".parse().unwrap()];
        let name = || Name::from_ascii("a.example.com.").unwrap();
        let answer = |addresses: &[&str]| {
            let mut message = Message::new(7, MessageType::Response, OpCode::Query);
            message.add_query(Query::query(name(), RecordType::A));
            for text in addresses {
                let data = match text.parse::<IpAddr>().unwrap() {
                    IpAddr::V4(address) => RData::A(A(address)),
                    IpAddr::V6(address) => RData::AAAA(AAAA(address)),
                };
                message.add_answer(Record::from_rdata(name(), 5, data));
            }
            message.to_vec().unwrap()
        };
        let outside = answer(&["198.51.100.7", "2001:db8::1"]);
        assert_eq!(without(outside.clone(), &denied), Some(outside.clone()), "as it came");
        let mixed = ["198.51.100.7", "10.0.0.1", "203.0.113.17", "::ffff:10.0.0.1", "2001:db8::1"];
        assert_eq!(without(answer(&mixed), &denied), Some(outside));
        assert_eq!(without(answer(&mixed), &[]), Some(answer(&mixed)), "nothing is denied");
        assert_eq!(without(answer(&["10.0.0.1"]), &denied), Some(answer(&[])));
        assert_eq!(without(b"nonsense".to_vec(), &denied), None);
    }

    #[test]
    fn we_are_not_asked_ourselves() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(is_same(at("0.0.0.0:53"), at("127.0.0.1:53")));
        assert!(is_same(at("127.0.0.1:53"), at("127.0.0.1:53")));
        assert!(!is_same(at("127.0.0.1:5300"), at("127.0.0.1:53")));
        assert!(!is_same(at("192.0.2.1:53"), at("127.0.0.1:53")));
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let sent = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01";
        let mut answer = sent.to_vec();
        assert!(!fits(sent, &answer), "a question is no answer");
        answer[2] = 0x81;
        assert!(fits(sent, &answer));
        answer[13] = b'A';
        assert!(fits(sent, &answer));
        answer[13] = b'b';
        assert!(!fits(sent, &answer));
        answer[13] = b'a';
        answer[0] = 0;
        assert!(!fits(sent, &answer));
        assert!(!fits(sent, &answer[..11]));
    }
}
