//! The control protocol: what an edge and its controller, and an edge and its successor, say to each
//! other. Each message is one line of JSON.
//!
//! An edge of one build is replaced by that of another, so the names on the wire stay.

use std::net::Ipv4Addr;

use model::edge::{EdgeDelta, EdgeEvent, EdgeIntent};
use model::{DynoId, EniId, SpaceId, VpcId};
use serde::{Deserialize, Serialize};

/// What an edge is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Who speaks. The sender becomes the controller.
    Hello(Hello),
    /// The whole intent, in place of the one before.
    Sync(EdgeIntent),
    /// What changed of the intent.
    Change(EdgeDelta),
    /// Asks for a [`Report::Pong`] with the same number once everything before it is done.
    Ping(u64),
    /// A successor asks for the intent and the sockets.
    Handover,
    /// The successor is ready for more sockets.
    Next,
    /// The successor has all sockets and serves.
    Taken,
    /// A numbered order that the successor got, for the requests that are still in flight here.
    #[serde(rename = "heir")]
    Successor(u64, Box<Self>),
    /// Ends the edge at once.
    Stop,
}

/// What an edge tells its controller or its successor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// Who the edge is.
    Hello(Hello),
    /// The number of a [`Order::Ping`] before which everything is done, and how many sockets are
    /// missing because their namespace does not exist yet.
    Pong(u64, usize),
    /// Something happened to a dyno.
    Event(EdgeEvent),
    /// The intent, for a successor.
    Table(Box<EdgeIntent>),
    /// The names of the sockets whose descriptors come with this line, in the same order.
    Sockets(Vec<SocketId>),
    /// The number of the last [`Order::Successor`] that was done, and the dynos to which requests
    /// are still in flight in the edge that was replaced.
    Busy(u64, Vec<DynoId>),
}

/// Who a process at one end of the control socket is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// What tells one build of the program from another.
    pub build: String,
    /// The fingerprint of the edge's configuration.
    pub config: String,
    /// The number of the process.
    pub pid: u32,
}

/// What a socket is for: its name when one edge hands it over to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SocketId {
    /// The public router without TLS.
    PublicHttp,
    /// The public router over TLS.
    PublicHttps,
    /// Public names over UDP.
    PublicDatagrams,
    /// Public names over TCP.
    PublicStreams,
    /// A space's router on one of its interfaces, without TLS.
    SpaceHttp(SpaceId, EniId),
    /// A space's router on one of its interfaces, over TLS.
    SpaceHttps(SpaceId, EniId),
    /// A VPC's resolver at one of its addresses, over UDP.
    VpcDatagrams(VpcId, Ipv4Addr),
    /// A VPC's resolver at one of its addresses, over TCP.
    VpcStreams(VpcId, Ipv4Addr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_earlier_builds_are_understood() {
        let order = Order::Successor(7, Box::new(Order::Ping(1)));
        assert_eq!(serde_json::to_string(&order).unwrap(), r#"{"heir":[7,{"ping":1}]}"#);
        let names = Report::Sockets(vec![
            SocketId::PublicHttp,
            SocketId::VpcStreams("vpc-00000000000000003".parse().unwrap(), Ipv4Addr::LOCALHOST),
        ]);
        let line =
            r#"{"sockets":["public_http",{"vpc_streams":["vpc-00000000000000003","127.0.0.1"]}]}"#;
        assert_eq!(serde_json::to_string(&names).unwrap(), line);
    }
}
