//! The configuration of an edge, which does not change while it runs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Cidr;
use model::edge::Domains;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How many hexadecimal digits of a configuration's hash tell it from others.
const FINGERPRINT_DIGITS: usize = 32;

/// Where an edge lives, listens and forwards to. Another configuration needs another edge: see
/// [`crate::ensure`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The edge's directory, with its control socket, lock, process mark and logs.
    pub dir: PathBuf,
    /// The address at which the public router takes requests without TLS.
    pub router: Option<SocketAddr>,
    /// The address at which the public router takes requests over TLS. It needs `tls`.
    pub router_tls: Option<SocketAddr>,
    /// The PEM files of the certificate chain and of its key. With them the internal routers listen
    /// on the TLS port, too.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The address at which everybody may look up names in the platform's domains, over UDP and
    /// TCP.
    pub dns: Option<SocketAddr>,
    /// The platform's own domains, in lower case and without a trailing dot.
    pub domains: Domains,
    /// The address that the hosts of public apps resolve to. Without one it is the public router's
    /// own, unless that listens on all addresses.
    pub public_address: Option<Ipv4Addr>,
    /// Who is asked when a VPC's resolver does not know a name.
    pub forward: Forward,
    /// Blocks in which no name of somebody else's leads: an answer's addresses inside are left out.
    #[serde(default)]
    pub denied: Vec<Cidr>,
    /// Where the sockets of VPCs and spaces are opened.
    #[serde(default)]
    pub location: Location,
    /// The limits on time, size and rate.
    #[serde(default)]
    pub limits: Limits,
}

impl Config {
    /// A configuration that listens at no public address, forwards no questions and has the default
    /// domains.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            router: None,
            router_tls: None,
            tls: None,
            dns: None,
            domains: Domains::default(),
            public_address: None,
            forward: Forward::None,
            denied: Vec::new(),
            location: Location::default(),
            limits: Limits::default(),
        }
    }

    /// A hash of everything that the configuration says, certificate files included, in hexadecimal
    /// digits.
    pub fn fingerprint(&self) -> String {
        let text = serde_json::to_vec(self).expect("a configuration is plain data");
        let mut hash = Sha256::new();
        hash.update(text);
        if let Some((chain, key)) = &self.tls {
            // A renewed certificate is another configuration.
            for path in [chain, key] {
                hash.update(std::fs::read(path).unwrap_or_default());
            }
        }
        let mut text = hex::encode(hash.finalize());
        text.truncate(FINGERPRINT_DIGITS);
        text
    }

    /// The address that the hosts of public apps resolve to, if there is one.
    pub fn public(&self) -> Option<Ipv4Addr> {
        let listens = self.router.or(self.router_tls).map(|address| address.ip());
        self.public_address.or(match listens {
            Some(IpAddr::V4(address)) if !address.is_unspecified() => Some(address),
            Some(IpAddr::V4(_) | IpAddr::V6(_)) | None => None,
        })
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket(&self.dir)
    }
}

/// The control socket of the edge in a directory.
pub(crate) fn socket(dir: &Path) -> PathBuf {
    dir.join("edge.sock")
}

/// Who is asked when a resolver does not know a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forward {
    /// Nobody: such questions are refused.
    None,
    /// The resolvers that `/etc/resolv.conf` names are asked.
    HostResolvers,
    /// These are asked.
    Servers(Vec<SocketAddr>),
}

/// Where the sockets of VPCs and spaces are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// In the network namespaces of their VPC's router and their space's interfaces, which the
    /// controller names, on the ports that the world expects.
    #[default]
    Namespaces,
    /// In the process's own namespace and on these ports: for tests, and for a fabric that
    /// carries no packets.
    Here {
        /// The port in place of 80.
        http: u16,
        /// The port in place of 443.
        https: u16,
        /// The port in place of 53.
        dns: u16,
    },
}

impl Location {
    pub(crate) fn http(self) -> u16 {
        match self {
            Self::Namespaces => 80,
            Self::Here { http, .. } => http,
        }
    }

    pub(crate) fn https(self) -> u16 {
        match self {
            Self::Namespaces => 443,
            Self::Here { https, .. } => https,
        }
    }

    pub(crate) fn dns(self) -> u16 {
        match self {
            Self::Namespaces => 53,
            Self::Here { dns, .. } => dns,
        }
    }
}

/// How long things may take and how big they may be. The defaults are Heroku's where it documents
/// one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// How long it may take to open a connection to a dyno (H19).
    pub connect: Duration,
    /// How long the machine of a dyno may be silent before another dyno is asked, where there is one: until it opens a
    /// connection, and until it acknowledges a request.
    pub elsewhere: Duration,
    /// How long a dyno may take from the end of a request to the first byte of its response (H12).
    pub first_byte: Duration,
    /// How long nothing may move of a body that was begun: of a response (H15) or of a request
    /// (H28).
    pub idle: Duration,
    /// How long a request waits for a starting dyno (H20).
    pub boot: Duration,
    /// How long a client may take for the head of a request, and between two requests on a
    /// connection.
    pub keep_alive: Duration,
    /// How long an unused connection to a dyno is kept open.
    pub dyno_keep_alive: Duration,
    /// The pause between two tries to reach a starting dyno: the first pause, and the longest.
    pub probe: (Duration, Duration),
    /// How long an edge goes on with requests in flight after a successor took over.
    pub linger: Duration,
    /// The size of the head of a request or a response, in bytes.
    pub head_bytes: usize,
    /// How many bytes of a request's body are kept, to be sent again over another connection.
    pub replay_bytes: usize,
    /// How many DNS packets from one address are answered in a second, as Amazon documents it for
    /// its resolver.
    pub dns_rate: u32,
    /// How long a resolver beyond the host may take to answer.
    pub dns_forward: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            elsewhere: Duration::from_secs(1),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(55),
            boot: Duration::from_secs(75),
            keep_alive: Duration::from_secs(60),
            // Shorter than most application servers keep theirs, but long enough to be of use.
            dyno_keep_alive: Duration::from_secs(15),
            probe: (Duration::from_millis(50), Duration::from_secs(1)),
            linger: Duration::from_secs(3600),
            head_bytes: 64 * 1024,
            replay_bytes: 64 * 1024,
            dns_rate: 1024,
            dns_forward: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_configurations_apart() {
        let one = Config::new("/x");
        let mut two = one.clone();
        assert_eq!(one.fingerprint(), two.fingerprint());
        two.limits.boot = Duration::from_secs(1);
        assert_ne!(one.fingerprint(), two.fingerprint());
    }

    #[test]
    fn the_public_address_is_the_routers_unless_it_listens_everywhere() {
        let mut config = Config::new("/x");
        assert_eq!(config.public(), None);
        config.router = Some("127.0.0.1:4881".parse().unwrap());
        assert_eq!(config.public(), Some(Ipv4Addr::LOCALHOST));
        config.router = Some("0.0.0.0:4881".parse().unwrap());
        assert_eq!(config.public(), None);
        config.public_address = Some(Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(config.public(), config.public_address);
    }
}
