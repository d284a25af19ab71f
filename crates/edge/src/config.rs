//! What an edge is told when it starts, and never again.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::edge::Domains;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where an edge lives, listens and forwards to. Another configuration needs another edge: see
/// [`crate::ensure`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Its directory: the control socket, the lock, the note of the process and the logs.
    pub dir: PathBuf,
    /// Where the public router takes requests in the clear.
    pub router: Option<SocketAddr>,
    /// Where the public router takes requests over TLS; needs `tls`.
    pub router_tls: Option<SocketAddr>,
    /// The certificate chain and its key, as PEM files. With them the internal routers answer on
    /// the TLS port, too.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where names under the platform's domains are answered to everybody, over UDP and TCP.
    pub dns: Option<SocketAddr>,
    /// The platform's own domains, in lower case and without a trailing dot.
    pub domains: Domains,
    /// The address that the hosts of public apps resolve to; the public router's own if not
    /// given. Needed where that one listens on all addresses.
    pub public_address: Option<Ipv4Addr>,
    /// What becomes of questions of VPCs that nobody here can answer.
    pub forward: Forward,
    /// Where sockets are made.
    #[serde(default)]
    pub place: Place,
    /// What the names of those network namespaces begin with.
    #[serde(default = "usual_prefix")]
    pub prefix: String,
    /// How long things may take.
    #[serde(default)]
    pub limits: Limits,
}

fn usual_prefix() -> String {
    "cw-".to_owned()
}

impl Config {
    /// One that listens nowhere in public, forwards nothing, and has the default domains.
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
            place: Place::default(),
            prefix: usual_prefix(),
            limits: Limits::default(),
        }
    }

    /// What tells two configurations apart.
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
        hash.finalize().iter().take(16).fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// What the hosts of public apps resolve to.
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

/// What becomes of questions that nobody here can answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forward {
    /// They are refused.
    None,
    /// The resolvers that `/etc/resolv.conf` names are asked.
    HostResolvers,
    /// These are asked.
    Servers(Vec<SocketAddr>),
}

/// Where the sockets of VPCs and spaces are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the network namespaces of their VPC's router and their space's interfaces, on the ports
    /// that the world expects.
    #[default]
    Namespaces,
    /// In the process's own namespace and on these ports: for tests, and for a fabric that
    /// carries no packets.
    Here {
        /// Instead of 80.
        http: u16,
        /// Instead of 443.
        https: u16,
        /// Instead of 53.
        dns: u16,
    },
}

impl Place {
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

/// How long and how big things may be. The defaults are Heroku's where it documents one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// For a connection to a dyno (H19).
    pub connect: Duration,
    /// From the end of a request to the first byte of its response (H12).
    pub first_byte: Duration,
    /// Between two bytes after the first (H15, H28).
    pub idle: Duration,
    /// That a request waits for a dyno that starts (H20).
    pub boot: Duration,
    /// For the head of a request, and between two requests on a connection.
    pub keep_alive: Duration,
    /// That an unused connection to a dyno is kept.
    pub dyno_keep_alive: Duration,
    /// From one try to reach a starting dyno to the next: at first, and at most.
    pub probe: (Duration, Duration),
    /// That an edge which was replaced goes on with what is under way.
    pub linger: Duration,
    /// The head of a request, in bytes.
    pub head_bytes: usize,
    /// As much of a request's body is kept to be sent again to another connection, in bytes.
    pub replay_bytes: usize,
    /// DNS packets in a second from one address (`ec2.md` §1.8).
    pub dns_rate: u32,
    /// That a resolver beyond the host may take to answer.
    pub dns_forward: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
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
