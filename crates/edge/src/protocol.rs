//! The control protocol: what an edge and its controller, and an edge and its successor, say to each
//! other. Each message is one line of JSON.
//!
//! An edge of one build is replaced by that of another, so the names on the wire stay.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use model::edge::{EdgeDelta, EdgeEvent, EdgeIntent, ResolverIntent, RouterIntent};
use model::{DynoId, EniId, SpaceId, VpcId};
use serde::{Deserialize, Serialize};

use crate::figures::Figures;

/// What an edge is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Who speaks. The sender becomes the controller.
    Hello(Hello),
    /// The whole table, in place of the one before.
    Sync(Table),
    /// What changed of the table.
    Change(TableDelta),
    /// Asks for a [`Report::Pong`] with the same number once everything before it is done.
    Ping(u64),
    /// Asks for [`Report::Figures`], over a connection of its own.
    Figures,
    /// A successor asks for the table and the sockets.
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
    /// What the edge has counted.
    Figures(Box<Figures>),
    /// Something happened to a dyno.
    Event(EdgeEvent),
    /// The table, for a successor.
    Table(Box<Table>),
    /// The names of the sockets whose descriptors come with this line, in the same order.
    Sockets(Vec<SocketId>),
    /// The number of the last [`Order::Successor`] that was done, and the dynos to which requests
    /// are still in flight in the edge that was replaced.
    Busy(u64, Vec<DynoId>),
}

/// What an edge is to answer, and in which network namespaces of its host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// The resolvers of VPCs.
    pub(crate) vpcs: BTreeMap<VpcId, ResolverIntent>,
    /// The routers of spaces.
    pub(crate) spaces: BTreeMap<SpaceId, RouterIntent>,
    /// The namespaces of all of these. Edges of earlier builds did not say.
    #[serde(default)]
    pub(crate) namespaces: Namespaces,
}

impl Table {
    /// An intent, and the namespaces of its parts.
    pub(crate) fn new(intent: &EdgeIntent, namespaces: &Namespaces) -> Self {
        let EdgeIntent { vpcs, spaces } = intent.clone();
        Self { vpcs, spaces, namespaces: namespaces.clone() }
    }

    /// Whether it says the namespace of each part.
    pub(crate) fn names_all_namespaces(&self) -> bool {
        let Namespaces { routers, interfaces } = &self.namespaces;
        let mut enis = self.spaces.values().flat_map(|space| space.interfaces.keys());
        self.vpcs.keys().all(|vpc| routers.contains_key(vpc))
            && enis.all(|eni| interfaces.contains_key(eni))
    }
}

/// What changed of a [`Table`]: `None` means that it must go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableDelta {
    /// Resolvers made, changed or removed.
    pub(crate) vpcs: BTreeMap<VpcId, Option<ResolverIntent>>,
    /// Routers made, changed or removed.
    pub(crate) spaces: BTreeMap<SpaceId, Option<RouterIntent>>,
    /// The namespaces of those that are made or changed.
    #[serde(default)]
    pub(crate) namespaces: Namespaces,
}

impl TableDelta {
    /// What changed of an intent, and the namespaces of what it makes or changes.
    pub(crate) fn new(delta: &EdgeDelta, namespaces: &Namespaces) -> Self {
        let EdgeDelta { vpcs, spaces } = delta.clone();
        Self { vpcs, spaces, namespaces: namespaces.clone() }
    }
}

/// The names of network namespaces, as whoever makes them says: an edge builds none itself.
///
/// They are names, not descriptors, since an edge outlives both its controller and a namespace: it
/// opens its sockets anew in the next one of the same name, whoever is there to tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// The namespaces of VPCs' routers.
    pub routers: BTreeMap<VpcId, String>,
    /// The namespaces that network interfaces lead into.
    pub interfaces: BTreeMap<EniId, String>,
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

    /// The table is an intent and its namespaces side by side, so that a build which knows of no
    /// namespaces reads it, and one which does reads what such a build wrote.
    #[test]
    fn a_table_is_an_intent_for_earlier_builds_and_theirs_is_one_without_namespaces() {
        let vpc: VpcId = "vpc-00000000000000003".parse().unwrap();
        let intent = EdgeIntent {
            vpcs: BTreeMap::from([(vpc, ResolverIntent::default())]),
            spaces: BTreeMap::new(),
        };
        let routers = BTreeMap::from([(vpc, "router-of-3".to_owned())]);
        let table = Table::new(&intent, &Namespaces { routers, ..Namespaces::default() });
        assert!(table.names_all_namespaces());
        let text = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<EdgeIntent>(&text).unwrap(), intent);
        let earlier = serde_json::to_string(&Order::Sync(Table {
            namespaces: Namespaces::default(),
            ..table.clone()
        }));
        let text = serde_json::to_string(&intent).unwrap();
        let read: Table = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&Order::Sync(read.clone())).unwrap(), earlier.unwrap());
        assert!(!read.names_all_namespaces());
    }
}
