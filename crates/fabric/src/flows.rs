//! What a router sees of the flows that go through it, where somebody asked: connections that it let
//! pass, and packets that it dropped.

use std::net::Ipv4Addr;

/// The ends of packets that go one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ends {
    /// Who sends.
    pub source: Ipv4Addr,
    /// Who is sent to.
    pub destination: Ipv4Addr,
    /// The protocol's number.
    pub protocol: u8,
    /// The source port of TCP or UDP; otherwise 0.
    pub source_port: u16,
    /// The destination port of TCP or UDP; otherwise 0.
    pub destination_port: u16,
    /// The type of ICMP; otherwise 0.
    pub icmp_type: u8,
}

/// How much went one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Packets.
    pub packets: u64,
    /// Their bytes, with the headers of IP.
    pub bytes: u64,
}

/// A connection that a router let pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The number by which the kernel tells it from others that have the same ends later.
    pub id: u32,
    /// The packets of who began it.
    pub forward: Ends,
    /// The packets of who answers.
    pub answer: Ends,
    /// How much went each way so far. A connection that was there before somebody asked has none.
    pub amounts: Option<[Amount; 2]>,
}

/// A packet that a router dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// What dropped it.
    pub place: Place,
    /// Its ends, as it had them there.
    pub ends: Ends,
    /// Its bytes, with the header of IP.
    pub bytes: u32,
    /// The flags of TCP; otherwise 0.
    pub tcp_flags: u8,
    /// The router's link that it came by: [`crate::linux::interface_link`] has the names.
    pub link: String,
    /// Whether it goes the other way than the first packet of its connection.
    pub answers: bool,
}

/// A place of a router that drops packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The source is not one that may come by the link.
    Source,
    /// No route leads to the destination.
    Route,
    /// No group of the sender lets it out.
    LeavesGroup,
    /// No group of the receiver lets it in.
    EntersGroup,
    /// The ACL of the sender's subnet does not let it out.
    LeavesSubnet,
    /// The ACL of the receiver's subnet does not let it in.
    EntersSubnet,
    /// Connection tracking: the packet is of no connection, and begins none.
    Untracked,
}

/// What a router sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A connection was let pass.
    Opened(Connection),
    /// A connection is still there.
    Counted(Connection),
    /// A connection has ended.
    Closed(Connection),
    /// A packet was dropped.
    Dropped(Dropped),
    /// So many more packets were dropped, of which nothing else is known.
    Untold(u64),
    /// Connections were opened or closed, of which nothing is known: more than there was room for.
    Overrun,
}
