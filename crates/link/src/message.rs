//! What hosts and servers say to each other.
//!
//! Members and messages that a version does not have yet are not sent to it: both ends speak the newest
//! version that both know ([`Versions`]). Members may be added within a version if they have a default.

use std::collections::BTreeMap;
use std::net::IpAddr;

use agent::Tell;
use model::edge::Domains;
use model::protocol::{Edge, Networks, Order, Report, Subject, Workloads};
use model::{Cidr, Timestamp};
use serde::{Deserialize, Serialize};

use crate::identity::HostId;

/// Which versions of the messages a program speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The oldest.
    pub oldest: u16,
    /// The newest.
    pub newest: u16,
}

impl Versions {
    /// Those of this program. It always speaks that of the release before it, too, so that servers and
    /// hosts are upgraded one after the other.
    pub const OURS: Self = Self { oldest: 1, newest: 3 };
    /// The version since which there are streams.
    pub(crate) const STREAMS: u16 = 2;
    /// The version since which hosts ask whether they are known of.
    pub(crate) const QUESTIONS: u16 = 3;

    /// The newest that both speak.
    pub(crate) fn common(self, other: Self) -> Option<u16> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }
}

/// How new an order is: a later leader's is newer than any of an earlier one, and of one leader that
/// of a later revision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// Which leader of the servers gave it.
    pub epoch: u64,
    /// The ledger's revision that it was planned for.
    pub revision: u64,
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "epoch {} revision {}", self.epoch, self.revision)
    }
}

/// What is known of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its name, for people.
    pub name: String,
    /// What it shares power or a room with; apps are spread over several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What else is said of it, by key.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// How many processors it has.
    #[serde(default)]
    pub cpus: u32,
    /// How many MiB of memory it has.
    #[serde(default)]
    pub memory_mib: u64,
    /// Where other hosts reach it; `None` for where it connects from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Which release of Causeway it runs.
    #[serde(default)]
    pub software: String,
}

/// What every host is told of the installation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The platform's own domains, under which apps have names.
    #[serde(default)]
    pub domains: Domains,
    /// The blocks that nothing reaches from inside.
    #[serde(default)]
    pub denied: Vec<Cidr>,
}

/// Where servers are, as far as one of them knows: each a host and a port, for hosts to connect to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Servers {
    /// All of them.
    pub all: Vec<String>,
    /// The one that leads.
    pub leader: Option<String>,
}

/// How far a host has come with what it was told, of each subject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Of networks.
    #[serde(default)]
    pub networks: Option<Stamp>,
    /// Of workloads.
    #[serde(default)]
    pub workloads: Option<Stamp>,
    /// Of the edge.
    #[serde(default)]
    pub edge: Option<Stamp>,
}

/// Something of one of the three subjects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "subject", content = "is", rename_all = "snake_case")]
pub enum Of<N, W, E> {
    /// Of networks.
    Networks(N),
    /// Of workloads.
    Workloads(W),
    /// Of the edge.
    Edge(E),
}

/// An order of one of the three.
pub type AnyOrder = Of<Order<Networks>, Order<Workloads>, Order<Edge>>;
/// A report of one of the three.
pub type AnyReport = Of<Report<Networks>, Report<Workloads>, Report<Edge>>;

/// A subject whose messages can be sent among those of the others.
pub trait Carried: Subject {
    /// An order among those of others.
    fn order(order: Order<Self>) -> AnyOrder;
    /// A report among those of others.
    fn report(report: Report<Self>) -> AnyReport;
    /// How far a host has come with it.
    fn held(held: &mut Held) -> &mut Option<Stamp>;
}

macro_rules! carried {
    ($($subject:ident $field:ident;)*) => {$(
        impl Carried for $subject {
            fn order(order: Order<Self>) -> AnyOrder {
                Of::$subject(order)
            }

            fn report(report: Report<Self>) -> AnyReport {
                Of::$subject(report)
            }

            fn held(held: &mut Held) -> &mut Option<Stamp> {
                &mut held.$field
            }
        }
    )*};
}

carried! {
    Networks networks;
    Workloads workloads;
    Edge edge;
}

/// Takes what the three control loops of a host report.
pub struct Tells {
    /// What networks report.
    pub networks: Tell<Networks>,
    /// What workloads report.
    pub workloads: Tell<Workloads>,
    /// What the edge reports.
    pub edge: Tell<Edge>,
}

impl Tells {
    /// Hands a report on.
    pub(crate) fn tell(&mut self, report: AnyReport) {
        match report {
            Of::Networks(report) => (self.networks)(report),
            Of::Workloads(report) => (self.workloads)(report),
            Of::Edge(report) => (self.edge)(report),
        }
    }
}

/// What a host says first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// What it speaks.
    pub versions: Versions,
    /// What is known of it.
    pub about: About,
    /// The greatest epoch that it has seen.
    pub epoch: u64,
    /// How far it has come.
    pub held: Held,
}

/// What a host without a certificate says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Join {
    /// What it speaks.
    pub versions: Versions,
    /// The secret of its token.
    pub secret: String,
    /// The request for its certificate, in Base64.
    pub request: String,
    /// What is known of it.
    pub about: About,
}

/// What a host becomes that joins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Joined {
    /// Its id.
    pub host: HostId,
    /// Its certificate, in PEM.
    pub certificate: String,
    /// The authority's, in PEM.
    pub authority: String,
    /// What it is to know of the installation.
    pub settings: Settings,
    /// Where servers are.
    #[serde(default)]
    pub servers: Vec<String>,
}

/// What a stream is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    /// What it carries.
    pub kind: String,
    /// What else is to be known, as JSON. What it says is a matter of the kind.
    #[serde(default)]
    pub about: String,
}

/// Which stream a connection is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Which {
    /// The one that the server asked for, by its number.
    Asked(u64),
    /// One that the host asks for.
    Own(Ask),
}

/// Messages of hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToServer {
    /// First, from one that has no certificate.
    Join(Box<Join>),
    /// First, from one that has.
    Hello(Box<Hello>),
    /// What came of orders.
    Report(Box<AnyReport>),
    /// What it was told up to here outlives its process.
    Held(Of<Stamp, Stamp, Stamp>),
    /// An order was older than what it has seen, and it ends the connection.
    Fenced {
        /// What it was given.
        given: Stamp,
        /// What it has seen.
        seen: Stamp,
    },
    /// It wants another certificate.
    Renew {
        /// The request for it, in Base64.
        request: String,
    },
    /// First, on a connection that is to become a stream.
    Stream(Box<Which>),
    /// There will be no stream of this number.
    NoStream {
        /// Which one.
        number: u64,
        /// Why not.
        refusal: Refusal,
    },
    /// It is there.
    Alive,
    /// It is there, and asks for [`ToHost::Known`] of this number.
    Ask {
        /// Which question this is.
        number: u64,
    },
}

/// Messages of servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToHost {
    /// It has joined.
    Joined(Box<Joined>),
    /// It is not served, and the connection ends.
    Refused(Refusal),
    /// It is known, and orders follow.
    Welcome {
        /// The version of all messages from now on.
        version: u16,
        /// Which leader gives them.
        epoch: u64,
        /// The server's release of Causeway.
        software: String,
        /// The server's time.
        now: Timestamp,
        /// What it is to know of the installation.
        settings: Settings,
        /// Where servers are.
        #[serde(default)]
        servers: Vec<String>,
    },
    /// Where servers are now.
    Servers {
        /// All of them, each a host and a port.
        servers: Vec<String>,
    },
    /// Another server leads, and the connection ends.
    Elsewhere {
        /// For people.
        message: String,
        /// Where that server is, if it is known.
        #[serde(default)]
        leader: Option<String>,
    },
    /// What it is to do.
    Order {
        /// Which leader says so.
        epoch: u64,
        /// What.
        order: Box<AnyOrder>,
    },
    /// The certificate that it wanted.
    Certificate {
        /// In PEM.
        certificate: String,
    },
    /// It is to open a stream.
    Stream {
        /// By which it says on the new connection which stream that is.
        number: u64,
        /// What for.
        ask: Ask,
    },
    /// From here on the connection is a stream, and what follows are bytes.
    Streaming,
    /// The server is there.
    Alive,
    /// It leads, has heard a question of the host, and has said all that it has to say.
    Known {
        /// Which question that was.
        number: u64,
    },
}

/// Why a host is not served, or a stream not opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// For people.
    pub message: String,
}

/// Why a host is not served, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// Its token is none, or was used.
    Token,
    /// Its token has expired.
    TokenExpired,
    /// It is not one of the installation's hosts any more.
    Removed,
    /// It speaks no version that the server speaks.
    Version,
    /// Another server leads.
    NotLeading,
    /// It has heard from a later leader than this server knows of.
    Older,
    /// The release of who was asked does not know what a stream is for.
    Kind,
    /// There are too many streams.
    Busy,
    /// Something else, which this version does not know.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_speak_the_newest_version_that_both_know() {
        let versions = |oldest, newest| Versions { oldest, newest };
        for (one, two, common) in [
            (versions(1, 1), versions(1, 1), Some(1)),
            (versions(1, 2), versions(2, 3), Some(2)),
            (versions(1, 3), versions(1, 2), Some(2)),
            (versions(1, 2), versions(3, 4), None),
        ] {
            assert_eq!(one.common(two), common, "{one:?} and {two:?}");
            assert_eq!(two.common(one), common, "{two:?} and {one:?}");
        }
    }

    #[test]
    fn what_a_later_version_adds_is_read_over() {
        let hello = r#"{"versions": {"oldest": 1, "newest": 9, "x": 1}, "about": {"name": "a"},
            "epoch": 3, "held": {}, "later": true}"#;
        let hello: Hello = serde_json::from_str(hello).unwrap();
        assert_eq!((hello.epoch, hello.held), (3, Held::default()));
        let refusal: Refusal =
            serde_json::from_str(r#"{"code": "moon", "message": "full"}"#).unwrap();
        assert_eq!(refusal.code, RefusalCode::Other);
    }

    #[test]
    fn stamps_are_ordered_by_leader_and_then_by_revision() {
        let stamp = |epoch, revision| Stamp { epoch, revision };
        assert!(stamp(1, 9) < stamp(2, 1) && stamp(2, 1) < stamp(2, 2));
    }
}
