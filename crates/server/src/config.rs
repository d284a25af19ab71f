//! The configuration of a server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use model::{CodeRoom, IpCidr, Outbound, Region};
use s3::S3Url;
use store::{KeySource, PostgresUrl};

use crate::apps::plans::Plans;
use crate::apps::web::Web;
use crate::cleanup::warden::Ephemeral;
pub use crate::fabric_kind::FabricKind;

/// The configuration of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory.
    pub data: PathBuf,
    /// The address of both APIs.
    pub listen: SocketAddr,
    /// Where the agents of other hosts connect; `None` for where `host:init` said, if it did.
    pub agents: Option<SocketAddr>,
    /// How clients reach it.
    pub transport: TransportConfig,
    /// How it is watched.
    pub watch: WatchConfig,
    /// The implementation of networks and workloads.
    pub fabric: FabricKind,
    /// Where OVN is, if that carries packets.
    pub ovn: Option<OvnConfig>,
    /// How networks reach what is outside; `None` where nothing does.
    pub outbound: Option<Outbound>,
    /// The region of a new installation; `None` for the default one.
    pub region: Option<Region>,
    /// Allows `causeway clock:advance`.
    pub test_clock: bool,
    /// Accepts any credentials, for tests.
    pub emulator: bool,
    /// Accounts may have as much as AWS's may, where no other quota is set.
    pub like_aws: bool,
    /// Requests per hour of each user to the Platform API; 0 for no limit.
    pub rate_limit: u32,
    /// Requests per second of each account to EC2's API; 0 for no limit.
    pub ec2_rate_limit: u32,
    /// How much code of apps is kept.
    pub code_room: CodeRoom,
    /// How many bytes of unpacked code stay on this machine, as far as no process needs more.
    pub slug_cache: u64,
    /// The OCI runtime program.
    pub runtime: PathBuf,
    /// The path of this program, which also runs as shim, init and edge.
    pub self_exe: PathBuf,
    /// The configuration of the edge.
    pub edge: EdgeConfig,
    /// The plans of data services on offer.
    pub plans: Plans,
    /// What webhooks and log drains may reach although it is special, as private networks are.
    pub webhook_allow: Vec<IpCidr>,
    /// Where the key is; `None` for the data directory, or where that says.
    pub key: Option<KeySource>,
    /// The bucket that has the code of apps; `None` for the database on a server, or else the data directory.
    pub blobs: Option<S3Url>,
    /// Whether that is where code is from now on, though it was elsewhere.
    pub accept_blobs: bool,
    /// The database on a PostgreSQL server; `None` for one in the data directory.
    pub store: Option<PostgresUrl>,
    /// Which database the start accepts.
    pub database: Database,
    /// What is removed when the server ends.
    pub ephemeral: Ephemeral,
    /// What it is beside other servers of the installation.
    pub cluster: ClusterConfig,
}

/// What a server is beside others that share its database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterConfig {
    /// The name that people know it by; `None` for this machine's.
    pub name: Option<String>,
    /// The URL at which others reach it; `None` for the address that it listens on.
    pub advertise: Option<String>,
    /// What it answers reads from.
    pub reads: Reads,
    /// Drive networks and workloads, though another server is known to do so, which is gone.
    pub take_fabric: bool,
}

/// What a server beside others answers reads from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reads {
    /// What has all that was acknowledged before by any server. The database is asked how far it is.
    #[default]
    Fresh,
    /// What this server has at the moment, which may lack what others acknowledged just now.
    Local,
}

/// Where the databases of OVN are, that all networks are written to.
#[derive(Debug, Clone)]
pub struct OvnConfig {
    /// The northbound one, which is written to.
    pub northbound: ovn::Database,
    /// The southbound one, where hosts say what they have.
    pub southbound: ovn::Database,
}

/// What the control loops of a host act on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine<'a> {
    /// The data directory.
    pub data: &'a Path,
    /// What carries packets and runs processes.
    pub fabric: FabricKind,
    /// The Open vSwitch of this host, where it has one.
    pub switch: Option<&'a ovn::Database>,
    /// The OCI runtime program.
    pub runtime: &'a Path,
    /// The path of this program.
    pub self_exe: &'a Path,
}

impl Config {
    /// What the control loops of this host act on.
    pub(crate) fn machine(&self) -> Machine<'_> {
        let Self { data, fabric, runtime, self_exe, .. } = self;
        Machine { data, fabric: *fabric, switch: None, runtime, self_exe }
    }
}

/// How clients reach a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransportConfig {
    /// The certificate of the APIs and the dashboard; `None` where they speak plain HTTP.
    pub certificate: Option<Certificate>,
    /// From whom certificates come instead; `None` where nobody is asked.
    pub acme: Option<AcmeConfig>,
    /// Allows plain HTTP to and from other machines.
    pub insecure: bool,
    /// The proxies that are believed when they say for whom they ask.
    pub proxies: Vec<IpCidr>,
    /// The names and addresses by which an emulator is reached besides this machine's own, in lower
    /// case.
    pub allowed_hosts: Vec<String>,
}

/// From which ACME server certificates come, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeConfig {
    /// The names of this server, in lower case; at least one.
    pub names: Vec<String>,
    /// Where the ACME server's owners reach this server's.
    pub email: Option<String>,
    /// The address of the ACME server's directory.
    pub directory: String,
    /// The file with the authorities by which the ACME server itself is trusted, in PEM; `None` for this
    /// machine's.
    pub ca: Option<PathBuf>,
}

/// How a server is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchConfig {
    /// The address that has `/metrics` alone.
    pub metrics: Option<SocketAddr>,
    /// The file with a token that reads `/metrics` and nothing else.
    pub metrics_token: Option<PathBuf>,
    /// How whoever starts the process writes the log.
    pub log: LogFormat,
    /// The base address of a collector of traces; `None` where nothing is traced.
    pub otlp: Option<http::Uri>,
}

/// How a log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object of JSON a line.
    Json,
}

/// Which database a start accepts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Database {
    /// The one that was used last, at the revision that was seen last or a later one.
    #[default]
    Expected,
    /// The one that is there if it is at this revision, even if another one was used last.
    At(u64),
    /// A new one in place of one that is lost.
    New,
}

/// The configuration of the edge, which answers DNS queries and web requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeConfig {
    /// The domains of apps, and the addresses of the public router.
    pub web: Web,
    /// The certificate of the public router. It is required if the router has an address for TLS.
    pub certificate: Option<Certificate>,
    /// The address of the public DNS server; `None` for no such server.
    pub dns: Option<SocketAddr>,
    /// Who answers queries for names that Causeway does not know.
    pub forward_dns: ForwardDns,
}

/// The files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate chain, in PEM.
    pub chain: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
}

/// Who answers queries for names that Causeway does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ForwardDns {
    /// Nobody. Such names do not exist.
    #[default]
    None,
    /// The name servers of this machine.
    Host,
    /// The given name servers.
    To(Vec<SocketAddr>),
}

/// The edge's directory in a data directory.
pub(crate) fn edge_dir(data: &Path) -> PathBuf {
    data.join("edge")
}

/// The directory of data services' disks in a data directory.
pub(crate) fn disks_dir(data: &Path) -> PathBuf {
    data.join("services")
}

impl EdgeConfig {
    /// The configuration in the form that the edge takes.
    pub(crate) fn of(&self, data: &Path, outbound: Option<&Outbound>) -> ::edge::Config {
        let dir = std::path::absolute(edge_dir(data)).unwrap_or_else(|_| edge_dir(data));
        let mut config = ::edge::Config::new(dir);
        config.domains = self.web.domains.clone();
        config.router = self.web.router;
        config.router_tls = self.web.router_tls;
        config.tls = self.certificate.clone().map(|c| (c.chain, c.key));
        config.dns = self.dns;
        config.denied = outbound.map(Outbound::denied).unwrap_or_default();
        config.forward = match &self.forward_dns {
            ForwardDns::None => ::edge::Forward::None,
            ForwardDns::Host => ::edge::Forward::HostResolvers,
            ForwardDns::To(servers) => ::edge::Forward::Servers(servers.clone()),
        };
        config
    }
}
