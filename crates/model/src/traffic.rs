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
    /// ICMP of IPv6.
    pub const ICMPV6: Self = Self(58);
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
    /// Writes `tcp`, `udp`, `icmp`, `icmpv6` or the number, as EC2 does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ICMP => f.write_str("icmp"),
            Self::ICMPV6 => f.write_str("icmpv6"),
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
    /// ICMP of IPv6 of a type and code; `None` is any.
    Icmpv6 {
        /// The ICMP type; `None` for every type.
        kind: Option<u8>,
        /// The code; only meaningful with a type.
        code: Option<u8>,
    },
    /// Another protocol, by number, whole.
    Protocol(IpProtocol),
}

impl Traffic {
    /// All of a protocol.
    pub const fn whole(protocol: IpProtocol) -> Self {
        match protocol {
            IpProtocol::TCP => Self::Tcp(PortRange::ALL),
            IpProtocol::UDP => Self::Udp(PortRange::ALL),
            IpProtocol::ICMP => Self::Icmp { kind: None, code: None },
            IpProtocol::ICMPV6 => Self::Icmpv6 { kind: None, code: None },
            other => Self::Protocol(other),
        }
    }

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
            Self::Icmpv6 { kind, code } => {
                packet.protocol == IpProtocol::ICMPV6
                    && kind.is_none_or(|k| k == packet.icmp_type)
                    && code.is_none_or(|c| c == packet.icmp_code)
            }
            Self::Protocol(protocol) => packet.protocol == protocol,
        }
    }

    /// Whether IPv4 packets can be of it.
    pub const fn is_of_ipv4(self) -> bool {
        !matches!(self, Self::Icmpv6 { .. })
    }

    /// The protocol number, or `None` for all.
    pub const fn protocol(self) -> Option<IpProtocol> {
        match self {
            Self::All => None,
            Self::Tcp(_) => Some(IpProtocol::TCP),
            Self::Udp(_) => Some(IpProtocol::UDP),
            Self::Icmp { .. } => Some(IpProtocol::ICMP),
            Self::Icmpv6 { .. } => Some(IpProtocol::ICMPV6),
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
            Self::Icmp { kind, code } => icmp(f, IpProtocol::ICMP, *kind, *code),
            Self::Icmpv6 { kind, code } => icmp(f, IpProtocol::ICMPV6, *kind, *code),
            Self::Protocol(protocol) => write!(f, "protocol {}", protocol.0),
        }
    }
}

fn icmp(
    f: &mut fmt::Formatter<'_>,
    protocol: IpProtocol,
    kind: Option<u8>,
    code: Option<u8>,
) -> fmt::Result {
    write!(f, "{protocol}")?;
    if let Some(kind) = kind {
        write!(f, " type {kind}")?;
        code.map_or(Ok(()), |code| write!(f, " code {code}"))?;
    }
    Ok(())
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
