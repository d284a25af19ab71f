//! Packets from one end to another.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{IpProtocol, Packet, PortRange, VpcId};

/// An address in a VPC. The same address in another VPC is another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// The VPC that the address is in.
    pub vpc: VpcId,
    /// The address itself.
    pub address: Ipv4Addr,
}

/// Packets from one end to another, with their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Flow {
    /// The end that sends the first packet.
    pub from: Endpoint,
    /// The end that answers.
    pub to: Endpoint,
    /// The protocol.
    pub protocol: IpProtocol,
    /// The TCP or UDP source ports that who begins may choose; 0 otherwise. Network ACLs remember
    /// nothing, so the answers' way can depend on them.
    pub source_ports: PortRange,
    /// The TCP or UDP destination port; 0 for other protocols.
    pub destination_port: u16,
    /// The ICMP type of the first packet; 0 for other protocols.
    pub icmp_type: u8,
}

impl Flow {
    /// The source ports that some system or other chooses (`ec2.md` §1.7).
    pub(crate) const EPHEMERAL_PORTS: PortRange = PortRange { from: 1024, to: u16::MAX };
    /// ICMP's echo request.
    const ECHO: u8 = 8;

    /// A flow of a protocol. Ports are for TCP and UDP only; ICMP is an echo.
    pub fn new(from: Endpoint, to: Endpoint, protocol: IpProtocol, port: u16) -> Self {
        let ports = protocol.has_ports();
        Self {
            from,
            to,
            protocol,
            source_ports: if ports { Self::EPHEMERAL_PORTS } else { PortRange { from: 0, to: 0 } },
            destination_port: if ports { port } else { 0 },
            icmp_type: if protocol == IpProtocol::ICMP { Self::ECHO } else { 0 },
        }
    }

    /// The flow's first packet, from the first of its source ports.
    pub fn packet(&self) -> Packet {
        Packet {
            source: self.from.address,
            destination: self.to.address,
            protocol: self.protocol,
            source_port: self.source_ports.from,
            destination_port: self.destination_port,
            icmp_type: self.icmp_type,
            icmp_code: 0,
        }
    }
}
