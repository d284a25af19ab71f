//! The kernel's messages of connections and of dropped packets, as data. Nothing in them is trusted to be
//! there.

use std::net::Ipv4Addr;

use super::super::netfilter::Attributes;
use crate::flows::{Amount, Connection, Dropped, Ends, Place};

// Of `linux/netfilter/nfnetlink_conntrack.h`.
const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const COUNTERS_ORIG: u16 = 9;
const COUNTERS_REPLY: u16 = 10;
const ID: u16 = 12;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const IP_V4_SRC: u16 = 1;
const IP_V4_DST: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const PROTOCOL_SRC_PORT: u16 = 2;
const PROTOCOL_DST_PORT: u16 = 3;
const PROTOCOL_ICMP_TYPE: u16 = 5;
const COUNTER_PACKETS: u16 = 1;
const COUNTER_BYTES: u16 = 2;

// Of `linux/netfilter/nfnetlink_log.h`.
const LOG_INDEV: u16 = 4;
const LOG_PAYLOAD: u16 = 9;
const LOG_PREFIX: u16 = 10;
const LOG_SEQUENCE: u16 = 12;

// Of `linux/netfilter/nf_tables.h`.
const RULE_EXPRESSIONS: u16 = 4;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const COUNTED_PACKETS: u16 = 2;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// What a packet says that was told of.
pub(super) struct Heard {
    /// The packet, but for its link.
    pub(super) dropped: Dropped,
    /// The number of the link that it came by.
    pub(super) link: u32,
    /// Its number among those that were told of.
    pub(super) number: Option<u32>,
}

/// A connection of IPv4.
pub(super) fn connection_of(attributes: &[u8]) -> Option<Connection> {
    let (mut forward, mut answer, mut id) = (None, None, 0);
    let (mut sent, mut answered) = (None, None);
    for (kind, value, _) in Attributes(attributes) {
        match kind {
            TUPLE_ORIG => forward = ends_of(value),
            TUPLE_REPLY => answer = ends_of(value),
            COUNTERS_ORIG => sent = Some(amount_of(value)),
            COUNTERS_REPLY => answered = Some(amount_of(value)),
            ID => id = number(value).unwrap_or(0) as u32,
            _ => {}
        }
    }
    let amounts = sent.zip(answered).map(|(sent, answered)| [sent, answered]);
    Some(Connection { id, forward: forward?, answer: answer?, amounts })
}

fn ends_of(tuple: &[u8]) -> Option<Ends> {
    let (mut source, mut destination) = (None, None);
    let mut ends = Ends {
        source: Ipv4Addr::UNSPECIFIED,
        destination: Ipv4Addr::UNSPECIFIED,
        protocol: 0,
        source_port: 0,
        destination_port: 0,
        icmp_type: 0,
    };
    for (kind, value, _) in Attributes(tuple) {
        match kind {
            TUPLE_IP => {
                for (kind, value, _) in Attributes(value) {
                    let address = || <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from);
                    match kind {
                        IP_V4_SRC => source = address(),
                        IP_V4_DST => destination = address(),
                        _ => {}
                    }
                }
            }
            TUPLE_PROTOCOL => {
                for (kind, value, _) in Attributes(value) {
                    let it = number(value).unwrap_or(0);
                    match kind {
                        PROTOCOL_NUMBER => ends.protocol = it as u8,
                        PROTOCOL_SRC_PORT => ends.source_port = it as u16,
                        PROTOCOL_DST_PORT => ends.destination_port = it as u16,
                        PROTOCOL_ICMP_TYPE => ends.icmp_type = it as u8,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(Ends { source: source?, destination: destination?, ..ends })
}

fn amount_of(counters: &[u8]) -> Amount {
    let mut amount = Amount::default();
    for (kind, value, _) in Attributes(counters) {
        let it = number(value).unwrap_or(0);
        match kind {
            COUNTER_PACKETS => amount.packets = it,
            COUNTER_BYTES => amount.bytes = it,
            _ => {}
        }
    }
    amount
}

/// A number of up to eight bytes, in the order of the network.
fn number(value: &[u8]) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes.get_mut(8_usize.checked_sub(value.len())?..)?.copy_from_slice(value);
    Some(u64::from_be_bytes(bytes))
}

/// A packet of IPv4 that was dropped.
pub(super) fn dropped_of(attributes: &[u8]) -> Option<Heard> {
    let (mut place, mut packet, mut link) = (None, None, 0);
    let mut sequence = None;
    for (kind, value, _) in Attributes(attributes) {
        match kind {
            LOG_INDEV => link = number(value)? as u32,
            LOG_PAYLOAD => packet = packet_of(value),
            LOG_PREFIX => {
                let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
                place = std::str::from_utf8(name).ok().and_then(Place::find);
            }
            LOG_SEQUENCE => sequence = number(value).map(|it| it as u32),
            _ => {}
        }
    }
    let (ends, bytes, tcp_flags) = packet?;
    let (place, answers) = place?;
    let dropped = Dropped { place, ends, bytes, tcp_flags, link: String::new(), answers };
    Some(Heard { dropped, link, number: sequence })
}

/// The ends, the length and the flags of a packet of IPv4. A fragment that is not the first has no ports.
fn packet_of(packet: &[u8]) -> Option<(Ends, u32, u8)> {
    let at = |offset: usize| packet.get(offset).copied();
    let two = |offset: usize| Some(u16::from_be_bytes([at(offset)?, at(offset + 1)?]));
    let address = |offset: usize| {
        let bytes: [u8; 4] = packet.get(offset..offset + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(bytes))
    };
    let first = at(0)?;
    if first >> 4 != 4 {
        return None;
    }
    let header = usize::from(first & 0xf) * 4;
    let protocol = at(9)?;
    let mut ends = Ends {
        source: address(12)?,
        destination: address(16)?,
        protocol,
        source_port: 0,
        destination_port: 0,
        icmp_type: 0,
    };
    let mut flags = 0;
    if two(6)? & 0x1fff == 0 {
        match protocol {
            TCP | UDP => {
                ends.source_port = two(header).unwrap_or(0);
                ends.destination_port = two(header + 2).unwrap_or(0);
                if protocol == TCP {
                    flags = at(header + 13).unwrap_or(0);
                }
            }
            ICMP => ends.icmp_type = at(header).unwrap_or(0),
            _ => {}
        }
    }
    Some((ends, two(2)?.into(), flags))
}

/// How many packets a rule counted.
pub(super) fn limited_of(attributes: &[u8]) -> u64 {
    let expressions = Attributes(attributes).filter(|(kind, ..)| *kind == RULE_EXPRESSIONS);
    let elements = expressions.flat_map(|(_, value, _)| Attributes(value));
    let counted = elements.filter_map(|(_, element, _)| {
        let part = |wanted| Attributes(element).find(|(kind, ..)| *kind == wanted);
        let (_, name, _) = part(EXPRESSION_NAME)?;
        let (_, data, _) = part(EXPRESSION_DATA).filter(|_| name == b"counter\0")?;
        let (_, packets, _) = Attributes(data).find(|(kind, ..)| *kind == COUNTED_PACKETS)?;
        number(packets)
    });
    counted.sum()
}

#[cfg(test)]
mod tests {
    use super::super::super::netfilter::attribute;
    use super::*;

    fn packet(protocol: u8, fragment: u16, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 60, 0, 0, 0, 0, 64, protocol, 0, 0];
        bytes[6..8].copy_from_slice(&fragment.to_be_bytes());
        bytes.extend([10, 1, 0, 4, 10, 2, 0, 4]);
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn a_dropped_packet_is_read() {
        let tcp = packet(TCP, 0, &[0x9c, 0x40, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2]);
        let message = [
            attribute(LOG_PREFIX, b"group_in\0"),
            attribute(LOG_INDEV, &7_u32.to_be_bytes()),
            attribute(LOG_SEQUENCE, &9_u32.to_be_bytes()),
            attribute(LOG_PAYLOAD, &tcp),
        ]
        .concat();
        let Heard { dropped, link, number } = dropped_of(&message).unwrap();
        assert_eq!((link, number, dropped.place), (7, Some(9), Place::EntersGroup));
        let Ends { source, destination, source_port, destination_port, .. } = dropped.ends;
        assert_eq!((source.to_string(), source_port), ("10.1.0.4".to_owned(), 40_000));
        assert_eq!((destination.to_string(), destination_port), ("10.2.0.4".to_owned(), 80));
        assert_eq!((dropped.bytes, dropped.tcp_flags, dropped.answers), (60, 2, false));
    }

    #[test]
    fn what_is_cut_off_or_strange_is_read_as_far_as_it_goes() {
        let whole = packet(UDP, 0, &[0, 53, 0x30, 0x39]);
        assert_eq!(packet_of(&whole).unwrap().0.destination_port, 12_345);
        assert_eq!(packet_of(&whole[..22]).unwrap().0.destination_port, 0);
        assert_eq!(packet_of(&whole[..19]), None);
        assert_eq!(packet_of(&packet(UDP, 100, &[0, 53, 0x30, 0x39])).unwrap().0.source_port, 0);
        assert_eq!(packet_of(&packet(ICMP, 0, &[8, 0])).unwrap().0.icmp_type, 8);
        assert_eq!(packet_of(&[0x60; 60]), None);
        let answer = [attribute(LOG_PREFIX, b"acl_out answer\0"), attribute(LOG_PAYLOAD, &whole)];
        let Heard { dropped, .. } = dropped_of(&answer.concat()).unwrap();
        assert_eq!((dropped.place, dropped.answers), (Place::LeavesSubnet, true));
        let unknown = [attribute(LOG_PREFIX, b"else\0"), attribute(LOG_PAYLOAD, &whole)].concat();
        assert!(dropped_of(&unknown).is_none());
        for length in 0..unknown.len() {
            assert!(dropped_of(&unknown[..length]).is_none());
            assert_eq!(connection_of(&unknown[..length]), None);
            assert_eq!(limited_of(&unknown[..length]), 0);
        }
    }

    #[test]
    fn a_connection_is_read_with_what_went_each_way() {
        let tuple = |source: [u8; 4], destination: [u8; 4], ports: [u16; 2]| {
            let ip = [attribute(IP_V4_SRC, &source), attribute(IP_V4_DST, &destination)].concat();
            let protocol = [
                attribute(PROTOCOL_NUMBER, &[TCP]),
                attribute(PROTOCOL_SRC_PORT, &ports[0].to_be_bytes()),
                attribute(PROTOCOL_DST_PORT, &ports[1].to_be_bytes()),
            ]
            .concat();
            [attribute(TUPLE_IP, &ip), attribute(TUPLE_PROTOCOL, &protocol)].concat()
        };
        let amount = |packets: u64, bytes: u64| {
            [
                attribute(COUNTER_PACKETS, &packets.to_be_bytes()),
                attribute(COUNTER_BYTES, &bytes.to_be_bytes()),
            ]
            .concat()
        };
        let (a, b) = ([10, 1, 0, 4], [10, 2, 0, 4]);
        let mut message = [
            attribute(TUPLE_ORIG, &tuple(a, b, [40_000, 80])),
            attribute(TUPLE_REPLY, &tuple(b, a, [80, 40_000])),
            attribute(ID, &77_u32.to_be_bytes()),
        ]
        .concat();
        let found = connection_of(&message).unwrap();
        assert_eq!((found.id, found.amounts), (77, None));
        assert_eq!((found.forward.source_port, found.answer.source_port), (40_000, 80));
        message.extend(attribute(COUNTERS_ORIG, &amount(5, 300)));
        message.extend(attribute(COUNTERS_REPLY, &amount(4, 1_000_000)));
        let amounts = connection_of(&message).unwrap().amounts.unwrap();
        assert_eq!(amounts.map(|it| (it.packets, it.bytes)), [(5, 300), (4, 1_000_000)]);
    }
}
