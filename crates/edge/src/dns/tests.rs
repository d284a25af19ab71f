//! Questions and packets of every kind, without a socket.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use model::edge::{Domains, ResolverIntent};
use tokio::sync::Notify;

use super::answer::{Answer, TTL, Transport, answer};
use super::known::{Knowledge, Platform, Zones};
use crate::config::Limits;
use crate::sockets::Sockets;
use crate::web::Web;
use crate::web::log::Logs;
use crate::web::table::{App, View, change};

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 128, last)
}

fn platform() -> Arc<Platform> {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::start(dir.path()).unwrap();
    let web = Web::new(Limits::default(), Sockets::start().unwrap());
    let app = App {
        log: logs.of(model::AppId(uuid::Uuid::nil())),
        view: ArcSwap::from_pointee(View::default()),
        changed: Notify::new(),
    };
    let hosts = HashMap::from([("shop.apps.localhost".to_owned(), Arc::new(app))]);
    change(&web.public, &[], &hosts);
    let domains = Domains::default();
    Arc::new(Platform { domains, address: Some(ROUTER), web: Arc::new(web) })
}

pub(super) fn vpc() -> Knowledge {
    let many = (1..=200).map(|last| Ipv4Addr::new(10, 0, 144, last)).collect();
    let names = [
        ("web.demo.app.localspace", vec![ip(1), ip(2), ip(3)]),
        ("1.web.demo.app.localspace", vec![ip(1)]),
        ("many.demo.app.localspace", many),
        ("ip-10-0-128-1.ec2.internal", vec![ip(1)]),
        ("inside.apps.internal", vec![ip(9)]),
        ("custom.example.com", vec![ip(9)]),
    ];
    let intent = ResolverIntent {
        addresses: vec![],
        zones: BTreeSet::from(["ec2.internal".to_owned(), "apps.internal".to_owned()]),
        names: names.map(|(name, addresses)| (name.to_owned(), addresses)).into(),
        pointers: BTreeMap::from([(ip(1), "ip-10-0-128-1.ec2.internal".to_owned())]),
    };
    Knowledge::Vpc(platform(), Box::new(Zones::new(intent)))
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn reply(known: &Knowledge, question: &Message) -> Message {
    match answer(&question.to_vec().unwrap(), known, Transport::Udp, true, 0) {
        Answer::Reply(packet) => Message::from_vec(&packet).unwrap(),
        other => panic!("{other:?} for {question:?}"),
    }
}

fn addresses(reply: &Message) -> Vec<Ipv4Addr> {
    let address = |data: &RData| match data {
        RData::A(address) => Some(address.0),
        _ => None,
    };
    reply.answers.iter().filter_map(|record| address(&record.data)).collect()
}

fn has_soa(reply: &Message) -> bool {
    matches!(&reply.authorities[..], [soa] if matches!(soa.data, RData::SOA(_)) && soa.ttl == TTL)
}

#[test]
fn names_have_their_addresses_whatever_their_case() {
    let known = vpc();
    let reply = reply(&known, &question("1.WEB.demo.App.LocalSpace.", RecordType::A));
    assert_eq!(addresses(&reply), [ip(1)]);
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    assert!(reply.metadata.authoritative && reply.metadata.recursion_available);
    assert_eq!(reply.metadata.id, 7);
    assert_eq!(reply.answers[0].ttl, TTL);
    // The question comes back as it was asked, which some clients check.
    assert_eq!(reply.queries[0].name().to_ascii(), "1.WEB.demo.App.LocalSpace.");
}

#[test]
fn several_addresses_rotate() {
    let known = vpc();
    let packet = question("web.demo.app.localspace.", RecordType::A).to_vec().unwrap();
    let firsts: BTreeSet<Ipv4Addr> = (0..3)
        .map(|turn| match answer(&packet, &known, Transport::Udp, true, turn) {
            Answer::Reply(packet) => {
                let all = addresses(&Message::from_vec(&packet).unwrap());
                assert_eq!(all.len(), 3);
                all[0]
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(firsts.len(), 3);
}

#[test]
fn a_name_without_such_a_record_is_told_from_no_name() {
    let known = vpc();
    for name in ["web.demo.app.localspace.", "demo.app.localspace.", "localspace.", "ec2.internal."]
    {
        let reply = reply(&known, &question(name, RecordType::AAAA));
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{name}");
        assert!(reply.answers.is_empty() && has_soa(&reply), "{name}");
    }
    for name in
        ["2.web.demo.app.localspace.", "x.localspace.", "no.ec2.internal.", "no.apps.internal."]
    {
        for kind in [RecordType::A, RecordType::AAAA, RecordType::MX] {
            let reply = reply(&known, &question(name, kind));
            assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain, "{name}");
            assert!(has_soa(&reply), "{name}");
        }
    }
}

#[test]
fn addresses_have_names_and_private_ones_are_not_asked_elsewhere() {
    let known = vpc();
    let found = reply(&known, &question("1.128.0.10.in-addr.arpa.", RecordType::PTR));
    match &found.answers[0].data {
        RData::PTR(pointer) => assert_eq!(pointer.0.to_ascii(), "ip-10-0-128-1.ec2.internal."),
        other => panic!("{other:?}"),
    }
    let missing = reply(&known, &question("9.9.168.192.in-addr.arpa.", RecordType::PTR));
    assert_eq!(missing.metadata.response_code, ResponseCode::NXDomain);
    let packet = question("8.8.8.8.in-addr.arpa.", RecordType::PTR).to_vec().unwrap();
    let outside = answer(&packet, &known, Transport::Udp, true, 0);
    assert!(matches!(outside, Answer::Elsewhere(_)), "{outside:?}");
}

#[test]
fn apps_resolve_where_they_are_served_and_nowhere_else() {
    let inside = vpc();
    let outside = Knowledge::Public(platform());
    let other = Knowledge::Vpc(platform(), Box::new(Zones::new(ResolverIntent::default())));
    let ask = |known: &Knowledge, name: &str| {
        let reply = reply(known, &question(name, RecordType::A));
        (reply.metadata.response_code, addresses(&reply))
    };
    let found = |address| (ResponseCode::NoError, vec![address]);
    let missing = (ResponseCode::NXDomain, vec![]);
    // R19: the public way for a public app, even from within.
    for known in [&inside, &outside, &other] {
        assert_eq!(ask(known, "shop.apps.localhost."), found(ROUTER));
        assert_eq!(ask(known, "nobody.apps.localhost."), missing);
    }
    // R26: an internal app inside, and nowhere else.
    assert_eq!(ask(&inside, "inside.apps.internal."), found(ip(9)));
    assert_eq!(ask(&inside, "custom.example.com."), found(ip(9)));
    assert_eq!(ask(&outside, "inside.apps.internal."), missing);
    assert_eq!(ask(&other, "inside.apps.internal."), missing);
    // R21: dynos have no public names.
    assert_eq!(ask(&outside, "1.web.demo.app.localspace."), missing);
    assert_eq!(ask(&other, "1.web.demo.app.localspace."), missing);
    let packet = question("example.com.", RecordType::A).to_vec().unwrap();
    let elsewhere = answer(&packet, &outside, Transport::Udp, false, 0);
    assert!(matches!(elsewhere, Answer::Elsewhere(_)), "{elsewhere:?}");
}

#[test]
fn what_does_not_fit_is_asked_for_again() {
    let known = vpc();
    let mut asked = question("many.demo.app.localspace.", RecordType::A);
    for (payload, bound) in [(None, 512), (Some(100), 512), (Some(4096), 1232)] {
        asked.edns = payload.map(|payload| {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            edns
        });
        let packet = asked.to_vec().unwrap();
        let Answer::Reply(reply) = answer(&packet, &known, Transport::Udp, true, 0) else {
            panic!("no reply");
        };
        assert!(reply.len() <= bound, "{} > {bound}", reply.len());
        let reply = Message::from_vec(&reply).unwrap();
        assert!(reply.metadata.truncation && reply.answers.is_empty());
        assert_eq!(reply.edns.is_some(), payload.is_some());
        let Answer::Reply(whole) = answer(&packet, &known, Transport::Tcp, true, 0) else {
            panic!("no reply");
        };
        let whole = Message::from_vec(&whole).unwrap();
        assert!(!whole.metadata.truncation);
        assert_eq!(whole.answers.len(), 200);
    }
}

#[test]
fn what_is_not_done_is_said_so() {
    let known = vpc();
    let code = |message: &Message| reply(&known, message).metadata.response_code;
    let name = "web.demo.app.localspace.";
    let mut update = question(name, RecordType::A);
    update.metadata.op_code = OpCode::Notify;
    assert_eq!(code(&update), ResponseCode::NotImp);
    let mut chaos = question("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(code(&chaos), ResponseCode::Refused);
    assert_eq!(code(&question("localspace.", RecordType::AXFR)), ResponseCode::Refused);
    let mut two = question(name, RecordType::A);
    two.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    assert_eq!(code(&two), ResponseCode::FormErr);
    let mut none = question(name, RecordType::A);
    none.queries.clear();
    assert_eq!(code(&none), ResponseCode::FormErr);
    let mut newer = question(name, RecordType::A);
    newer.set_edns(Edns::new()).edns.as_mut().unwrap().set_version(1);
    // The same number means something else where it is not signed.
    assert_eq!(u16::from(code(&newer)), u16::from(ResponseCode::BADVERS));
}

#[test]
fn hostile_packets_get_an_error_or_nothing() {
    let known = vpc();
    let good = question("web.demo.app.localspace.", RecordType::A).to_vec().unwrap();
    let try_it = |packet: &[u8]| match answer(packet, &known, Transport::Udp, true, 0) {
        Answer::Reply(reply) => {
            assert!(Message::from_vec(&reply).is_ok(), "{packet:?} gets {reply:?}");
            assert!(reply[2] & 0x80 != 0);
        }
        Answer::Elsewhere(_) | Answer::Nothing => {}
    };
    for length in 0..good.len() {
        try_it(&good[..length]);
    }
    let mut answered = good.clone();
    answered[2] |= 0x80;
    assert!(matches!(answer(&answered, &known, Transport::Udp, true, 0), Answer::Nothing));
    // A name that points to itself, one that points beyond the end, labels without end.
    for name in [&[0xc0, 12][..], &[0xc0, 0xff], &[63; 300], &[0x80, 1], &[0xc0]] {
        let mut packet = good[..12].to_vec();
        packet.extend_from_slice(name);
        packet.extend_from_slice(&[0, 1, 0, 1]);
        try_it(&packet);
    }
    // Counts that promise what is not there.
    for count in [4, 6, 8, 10] {
        let mut packet = good.clone();
        packet[count] = 0xff;
        packet[count + 1] = 0xff;
        try_it(&packet);
    }
    // Every byte changed, and noise.
    let mut seed = 1_u64;
    for round in 0..20_000 {
        let mut packet = good.clone();
        if round % 2 == 0 {
            packet.resize((crate::clock::chance() % 600) as usize, 0);
        }
        let length = packet.len().max(1);
        for _ in 0..=(round % 7) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            if let Some(byte) = packet.get_mut((seed >> 33) as usize % length) {
                *byte = (seed >> 24) as u8;
            }
        }
        try_it(&packet);
    }
    // Text that is no text.
    let mut odd = question("localspace.", RecordType::A);
    let labels = [&b"a.b\0\xff"[..], b"localspace"];
    odd.queries[0].set_name(Name::from_labels(labels).unwrap());
    assert_eq!(reply(&known, &odd).metadata.response_code, ResponseCode::NXDomain);
}
