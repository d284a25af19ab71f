//! The answer to a DNS packet: a pure function, so that any packet can be tried.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, PTR, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::known::{Found, Knowledge};

/// How long an answer may be cached, in seconds. It is short, for dynos come and go.
pub(crate) const TTL: u32 = 5;
/// The size of a UDP packet that a client without EDNS takes, in bytes.
const PLAIN_BYTES: u16 = 512;
/// The size of the largest UDP packet that is sent, in bytes. It fits every path.
const MOST_BYTES: u16 = hickory_proto::op::DEFAULT_MAX_PAYLOAD_LEN;
/// The most addresses in one answer.
const ADDRESSES: usize = 1000;
const HEADER_BYTES: usize = 12;
/// The bit in the third byte of a packet that tells an answer from a question.
const IS_ANSWER: u8 = 0x80;

/// The transport over which a question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// UDP: the question is one packet.
    Udp,
    /// TCP.
    Tcp,
}

/// What is to be done about a packet.
#[derive(Debug)]
pub(crate) enum Answer {
    /// This packet is sent back.
    Reply(Vec<u8>),
    /// The name is not known here; another resolver may be asked.
    Elsewhere(Box<Message>),
    /// Nothing: the packet is no question.
    Nothing,
}

/// Answers a packet. `turn` rotates the addresses of a name that has several of them.
pub(crate) fn answer(
    packet: &[u8],
    known: &Knowledge,
    transport: Transport,
    recursive: bool,
    turn: usize,
) -> Answer {
    let Some(&flags) = packet.get(2) else { return Answer::Nothing };
    if packet.len() < HEADER_BYTES || flags & IS_ANSWER != 0 {
        return Answer::Nothing;
    }
    let Ok(question) = Message::from_vec(packet) else {
        let id = u16::from_be_bytes([packet[0], packet[1]]);
        let error = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
        return error.to_vec().map_or(Answer::Nothing, Answer::Reply);
    };
    let mut reply = reply_to(&question, recursive);
    if let Some(code) = unfit(&question) {
        return refuse(&question, code, transport, recursive);
    }
    let [query] = question.queries.as_slice() else { return Answer::Nothing };
    let name = text(query.name());
    match known.find(&name) {
        Found::Elsewhere => return Answer::Elsewhere(Box::new(question)),
        found => {
            let zone = || known.zone_of(&name).unwrap_or(&name);
            fill(&mut reply, query, found, zone, turn);
        }
    }
    Answer::Reply(encode(&reply, &question, transport))
}

/// An answer that holds nothing but an error.
pub(crate) fn refuse(
    question: &Message,
    code: ResponseCode,
    transport: Transport,
    recursive: bool,
) -> Answer {
    let mut reply = reply_to(question, recursive);
    reply.metadata.response_code = code;
    reply.metadata.authoritative = false;
    Answer::Reply(encode(&reply, question, transport))
}

/// An answer that tells the client to ask again over TCP.
pub(crate) fn truncated(question: &Message, recursive: bool) -> Vec<u8> {
    let mut reply = reply_to(question, recursive);
    reply.metadata.truncation = true;
    reply.to_vec().unwrap_or_default()
}

/// The size of a UDP packet that a client takes, in bytes.
pub(crate) fn bound(question: &Message) -> usize {
    let asked = question.edns.as_ref().map_or(PLAIN_BYTES, Edns::max_payload);
    usize::from(asked.clamp(PLAIN_BYTES, MOST_BYTES))
}

/// A name in lower case and without a trailing dot.
fn text(name: &Name) -> String {
    let mut text = name.to_ascii();
    text.make_ascii_lowercase();
    if text.ends_with('.') {
        text.pop();
    }
    text
}

fn unfit(question: &Message) -> Option<ResponseCode> {
    if question.metadata.op_code != OpCode::Query {
        return Some(ResponseCode::NotImp);
    }
    if question.edns.as_ref().is_some_and(|edns| edns.version() != 0) {
        return Some(ResponseCode::BADVERS);
    }
    let [query] = question.queries.as_slice() else { return Some(ResponseCode::FormErr) };
    if query.query_class() != DNSClass::IN {
        return Some(ResponseCode::Refused);
    }
    match query.query_type() {
        // Nobody gets whole zones.
        RecordType::AXFR | RecordType::IXFR => Some(ResponseCode::Refused),
        RecordType::OPT => Some(ResponseCode::FormErr),
        _ => None,
    }
}

fn reply_to(question: &Message, recursive: bool) -> Message {
    let asked = &question.metadata;
    let mut reply = Message::new(asked.id, MessageType::Response, asked.op_code);
    reply.metadata.recursion_desired = asked.recursion_desired;
    reply.metadata.recursion_available = recursive;
    reply.metadata.checking_disabled = asked.checking_disabled;
    reply.metadata.authoritative = true;
    if let [query] = question.queries.as_slice() {
        reply.add_query(query.clone());
    }
    if question.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(MOST_BYTES).set_version(0);
        reply.set_edns(edns);
    }
    reply
}

/// Fills an answer with what is known. `zone` gives the name's zone where `found` does not.
fn fill<'a>(
    reply: &mut Message,
    query: &Query,
    found: Found,
    zone: impl FnOnce() -> &'a str,
    turn: usize,
) {
    let (name, kind) = (query.name(), query.query_type());
    let record = |data| Record::from_rdata(name.clone(), TTL, data);
    match found {
        Found::Addresses(addresses) if matches!(kind, RecordType::A | RecordType::ANY) => {
            let count = addresses.len();
            let rotated = addresses.iter().cycle().skip(turn % count.max(1)).take(count);
            let rotated = rotated.take(ADDRESSES);
            reply.add_answers(rotated.map(|address| record(RData::A(A(*address)))));
        }
        Found::Pointer(pointer) if matches!(kind, RecordType::PTR | RecordType::ANY) => {
            if let Some(pointer) = absolute(&pointer) {
                reply.add_answer(record(RData::PTR(PTR(pointer))));
            }
        }
        Found::Bare(zone) if kind == RecordType::SOA && text(name) == zone => {
            if let Some(soa) = authority(&zone) {
                reply.add_answer(soa);
            }
        }
        Found::Addresses(_) | Found::Pointer(_) => {
            reply.add_authorities(authority(zone()));
        }
        Found::Bare(zone) => {
            reply.add_authorities(authority(&zone));
        }
        Found::Missing(zone) => {
            reply.metadata.response_code = ResponseCode::NXDomain;
            reply.add_authorities(authority(&zone));
        }
        Found::Elsewhere => {}
    }
}

fn absolute(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// The record that says in whose name nothing was found, and how long that may be cached.
fn authority(zone: &str) -> Option<Record> {
    let zone = absolute(zone)?;
    let master = zone.prepend_label("ns").unwrap_or_else(|_| zone.clone());
    let who = zone.prepend_label("hostmaster").unwrap_or_else(|_| zone.clone());
    let soa = SOA::new(master, who, 1, 3600, 600, 86_400, TTL);
    Some(Record::from_rdata(zone, TTL, RData::SOA(soa)))
}

fn encode(reply: &Message, question: &Message, transport: Transport) -> Vec<u8> {
    let bound = match transport {
        Transport::Udp => bound(question),
        Transport::Tcp => usize::from(u16::MAX),
    };
    match reply.to_vec() {
        Ok(packet) if packet.len() <= bound => packet,
        Ok(_) | Err(_) => reply.truncate().to_vec().unwrap_or_default(),
    }
}
