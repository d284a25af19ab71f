//! What a rule matches: protocols, ports, ICMP types. Shared by security groups, network ACLs,
//! the fabric's intent and the packet walk.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// An IP protocol number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IpProtocol(pub u8);

impl IpProtocol {
    /// ICMP.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);

    /// Whether it has ports.
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP)
    }
}

impl fmt::Display for IpProtocol {
    /// Writes `tcp`, `udp`, `icmp` or the number, as EC2 does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ICMP => f.write_str("icmp"),
            Self::TCP => f.write_str("tcp"),
            Self::UDP => f.write_str("udp"),
            Self(number) => write!(f, "{number}"),
        }
    }
}

/// An inclusive range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortRange {
    /// The first port.
    pub from: u16,
    /// The last port, which belongs to the range.
    pub to: u16,
}

impl PortRange {
    /// Every port.
    pub const ALL: Self = Self { from: 0, to: u16::MAX };

    /// Whether a port lies inside.
    pub const fn contains(self, port: u16) -> bool {
        self.from <= port && port <= self.to
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "{}", self.from)
        } else {
            write!(f, "{}-{}", self.from, self.to)
        }
    }
}

/// The traffic that a rule is about, leaving the addresses aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// Every protocol (EC2's `-1`).
    All,
    /// TCP to these ports.
    Tcp(PortRange),
    /// UDP to these ports.
    Udp(PortRange),
    /// ICMP of a type and code; `None` is any.
    Icmp {
        /// The ICMP type; `None` for every type.
        kind: Option<u8>,
        /// The code; only meaningful with a type.
        code: Option<u8>,
    },
    /// Another protocol, by number, whole.
    Protocol(IpProtocol),
}

impl Traffic {
    /// Whether a packet of the flow, in its own direction, is of this traffic.
    pub fn matches(self, packet: &Packet) -> bool {
        match self {
            Self::All => true,
            Self::Tcp(ports) => {
                packet.protocol == IpProtocol::TCP && ports.contains(packet.destination_port)
            }
            Self::Udp(ports) => {
                packet.protocol == IpProtocol::UDP && ports.contains(packet.destination_port)
            }
            Self::Icmp { kind, code } => {
                packet.protocol == IpProtocol::ICMP
                    && kind.is_none_or(|k| k == packet.icmp_type)
                    && code.is_none_or(|c| c == packet.icmp_code)
            }
            Self::Protocol(protocol) => packet.protocol == protocol,
        }
    }

    /// The protocol number, or `None` for all.
    pub const fn protocol(self) -> Option<IpProtocol> {
        match self {
            Self::All => None,
            Self::Tcp(_) => Some(IpProtocol::TCP),
            Self::Udp(_) => Some(IpProtocol::UDP),
            Self::Icmp { .. } => Some(IpProtocol::ICMP),
            Self::Protocol(protocol) => Some(protocol),
        }
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all traffic"),
            Self::Tcp(PortRange::ALL) => f.write_str("tcp"),
            Self::Udp(PortRange::ALL) => f.write_str("udp"),
            Self::Tcp(ports) => write!(f, "tcp {ports}"),
            Self::Udp(ports) => write!(f, "udp {ports}"),
            Self::Icmp { kind: None, .. } => f.write_str("icmp"),
            Self::Icmp { kind: Some(kind), code: None } => write!(f, "icmp type {kind}"),
            Self::Icmp { kind: Some(kind), code: Some(code) } => {
                write!(f, "icmp type {kind} code {code}")
            }
            Self::Protocol(protocol) => write!(f, "protocol {protocol}"),
        }
    }
}

/// One packet as rules see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Packet {
    /// The source address.
    pub source: Ipv4Addr,
    /// The destination address.
    pub destination: Ipv4Addr,
    /// The packet's protocol.
    pub protocol: IpProtocol,
    /// TCP or UDP source port; 0 otherwise.
    pub source_port: u16,
    /// TCP or UDP destination port; 0 otherwise.
    pub destination_port: u16,
    /// The ICMP type; 0 for other protocols.
    pub icmp_type: u8,
    /// The ICMP code; 0 for other protocols.
    pub icmp_code: u8,
}

impl Packet {
    /// The answer to it: ends swapped; an echo request becomes the reply.
    pub fn reply(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            icmp_type: if self.icmp_type == 8 { 0 } else { self.icmp_type },
            ..*self
        }
    }
}
