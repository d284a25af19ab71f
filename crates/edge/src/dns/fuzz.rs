//! Fuzz targets: whatever packet comes, it is answered within bounds and about what was asked.

use hickory_proto::op::{Message, MessageType};

use super::answer::{Answer, Transport, answer, bound, truncated};
use super::forward::fits;
use super::tests::vpc;

/// What an answer must be, whatever the question was.
fn check_reply(packet: &[u8], reply: &[u8], transport: Transport) {
    assert_eq!(packet[..2], reply[..2], "it has the question's number");
    let read = Message::from_vec(reply).unwrap();
    assert_eq!(read.metadata.message_type, MessageType::Response);
    assert!(reply.len() <= usize::from(u16::MAX));
    let Ok(question) = Message::from_vec(packet) else { return };
    if transport == Transport::Udp {
        assert!(reply.len() <= bound(&question), "{} bytes", reply.len());
    }
    if let [asked] = question.queries.as_slice() {
        assert_eq!(read.queries, std::slice::from_ref(asked), "it repeats what was asked");
        // Whoever asked us as we ask others would take it.
        assert!(fits(packet, reply));
    }
    assert_eq!(read.metadata.op_code, question.metadata.op_code);
}

#[test]
fn fuzz_dns() {
    let known = vpc();
    ::fuzz::target("dns", move |packet| {
        for transport in [Transport::Udp, Transport::Tcp] {
            match answer(packet, &known, transport, true, packet.len()) {
                Answer::Reply(reply) => check_reply(packet, &reply, transport),
                Answer::Elsewhere(question) => {
                    let again = truncated(&question, true);
                    assert!(Message::from_vec(&again).unwrap().metadata.truncation);
                    check_reply(packet, &again, transport);
                    // What is private is asked of nobody else.
                    let name = question.queries[0].name().to_ascii().to_ascii_lowercase();
                    for zone in ["localspace", "localhost", "10.in-addr.arpa", "ec2.internal"] {
                        let name = name.trim_end_matches('.');
                        assert!(name != zone && !name.ends_with(&format!(".{zone}")), "{name}");
                    }
                }
                Answer::Nothing => {
                    // Only what is no question is left without an answer.
                    assert!(packet.len() < 12 || packet[2] & 0x80 != 0);
                }
            }
        }
    });
}

/// What others answer is taken only if it answers what was asked of them.
#[test]
fn fuzz_dns_forwarded() {
    ::fuzz::target("dns_forwarded", |input| {
        let [length, rest @ ..] = input else { return };
        let (sent, received) = rest.split_at(usize::from(*length).min(rest.len()));
        // Only questions are asked of others.
        let Ok(asked) = Message::from_vec(sent) else { return };
        let [asked] = asked.queries.as_slice() else { return };
        if !fits(sent, received) {
            return;
        }
        assert_eq!(sent[..2], received[..2]);
        assert_ne!(received[2] & 0x80, 0);
        // As another reader has it, which compares names without regard to case.
        let Ok(answered) = Message::from_vec(received) else { return };
        if let Some(answered) = answered.queries.first() {
            assert_eq!(asked, answered);
        }
    });
}
