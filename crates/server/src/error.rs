//! Errors that keep a server from starting or end it.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::ledger::LedgerError;

/// Errors that keep a server from starting or end it.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The bucket for code cannot be used.
    #[error("the code of apps cannot be kept in {place}")]
    Blobs {
        /// The bucket.
        place: String,
        /// Why not.
        #[source]
        source: store::BoxError,
    },
    /// The installation has the code of apps elsewhere.
    #[error(
        "the code of apps is kept in {known}, and this server was told {wanted}: it would not find what the \
         others have. Give every server the same --blobs. To change the place, stop the other servers, see to \
         it that the code is there (what the database has is moved by itself), and start once with \
         --accept-blobs"
    )]
    BlobsElsewhere {
        /// Where it is.
        known: String,
        /// Where this server was told to keep it.
        wanted: String,
    },
    /// The data directory or its database cannot be used.
    #[error("the data directory {} cannot be used", .path.display())]
    Data {
        /// The path or address.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<store::Error>,
    },
    /// The database on a server cannot be used.
    #[error(transparent)]
    Database(Box<store::Error>),
    /// The first start failed.
    #[error("the installation cannot be set up")]
    SetUp(#[source] SetupError),
    /// The data directory was made with or without `--emulator`, and this start is not.
    #[error(
        "the data directory was made {}; start with the same, or with another --data",
        if *.was { "with --emulator" } else { "without --emulator" }
    )]
    OtherMode {
        /// Whether the data directory was made with `--emulator`.
        was: bool,
    },
    /// An emulator accepts any credentials, so it must not be reachable from other machines.
    #[error(
        "--emulator accepts any credentials, so it listens on loopback only, not on {0}; in a network \
         that is yours alone, as that of containers, say --insecure, and --allow-host NAME for each \
         name by which it is reached"
    )]
    EmulatorInPublic(SocketAddr),
    /// Whoever is on the way between another machine and this one could read tokens.
    #[error(
        "other machines reach {0}, and whoever is on the way could read tokens: give --tls-cert and \
         --tls-key or --acme, or listen on loopback, behind a proxy or ssh -L; --insecure listens there all the same"
    )]
    PlainInPublic(SocketAddr),
    /// Whoever is on the way between another machine and this one could read what is counted.
    #[error(
        "other machines reach {0}: let --metrics be on loopback, have them read /metrics of --listen \
         with the token of --metrics-token, or say --insecure"
    )]
    MetricsInPublic(SocketAddr),
    /// The token of `--metrics-token` cannot be used.
    #[error("--metrics-token: {} {why}", .path.display())]
    MetricsToken {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The certificate cannot be read any more.
    #[error("the certificate of --tls-cert cannot be used")]
    Certificate(#[source] std::io::Error),
    /// The address cannot be bound.
    #[error("cannot listen on {address}; is something else there? Try --listen 127.0.0.1:0")]
    Listen {
        /// The path or address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The address of `--metrics` cannot be bound.
    #[error("cannot listen on {address} for --metrics; is something else there?")]
    ListenForMetrics {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Agents of other hosts cannot be served.
    #[error("agents of other hosts cannot be served")]
    Hosts(#[source] crate::hosts::HostsError),
    /// Agents are to connect, and no fabric joins their hosts.
    #[error("--agents needs --fabric ovn: what other fabrics carry does not reach another machine")]
    AgentsWithoutOvn,
    /// The installation has hosts, whose networks another fabric does not carry.
    #[error(
        "this installation has hosts, on which agents run (`causeway hosts`): start with --fabric ovn; once \
         all but the first are removed, and then that one, everything is one machine's again"
    )]
    HasHosts,
    /// A socket unit listens where the configuration says nothing of.
    #[error(
        "the service manager gives the socket {name} ({place}), on which nobody would answer: let \
         --listen, --metrics or --agents be its address, or give no such socket"
    )]
    ListensElsewhere {
        /// The socket's name.
        name: String,
        /// Where it is.
        place: String,
    },
    /// Another server drives the networks and workloads of the installation.
    #[error(
        "the server {0} drives the networks and workloads of this installation, and two would undo each \
         other's work: start with --fabric none; if that machine is gone for good, start once with \
         --take-fabric"
    )]
    FabricDriven(String),
    /// Several servers share the installation, and this one cannot join them.
    #[error("this server cannot join the others of the installation")]
    Join(#[source] store::BoxError),
    /// The machine lacks what the Linux fabric needs.
    #[error(
        "the Linux fabric cannot start: {0}; `causeway doctor` says more, and --fabric none works without"
    )]
    Fabric(String),
    /// The machine cannot take part in a network of OVN.
    #[error("--fabric ovn cannot start: {0}")]
    Ovn(String),
    /// Another server of the same instance runs on this machine.
    #[error("{0}")]
    Instance(#[source] fabric::instance::HoldError),
    /// The file that tells client commands the server's address cannot be written.
    #[error("{} cannot be written", .path.display())]
    Note {
        /// The path or address.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The HTTP server.
    #[error("serving failed")]
    Http(#[source] std::io::Error),
}

/// Why an installation could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The ledger refused or failed.
    #[error("the first start could not make {what}")]
    Ledger {
        /// What was to be made.
        what: &'static str,
        /// Why not.
        #[source]
        source: LedgerError,
    },
    /// The database holds nothing, and this is no first start.
    #[error(transparent)]
    Lost(store::Error),
    /// It cannot be noted that this server makes the installation.
    #[error("{} cannot be written", .path.display())]
    Begun {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A secret could not be sealed.
    #[error("an access key's secret could not be sealed")]
    Seal(#[source] store::Error),
}
