//! `serve`'s settings of the edge: names and web requests.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Args;
use model::edge::Domains;
use server::apps::web::Web;
use server::{Certificate, EdgeConfig, ForwardDns};

use super::values::{Variables, absolute, parsed, text};

/// The port of names.
const DNS_PORT: u16 = 53;

/// What `serve` takes about names and web requests.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EdgeArgs {
    /// Domain of which apps' names are subdomains; by default apps.localhost
    /// [env: CAUSEWAY_DOMAIN]
    #[arg(long, value_name = "NAME")]
    pub(crate) domain: Option<String>,
    /// Domain of apps with internal routing; by default apps.internal
    /// [env: CAUSEWAY_INTERNAL_DOMAIN]
    #[arg(long, value_name = "NAME")]
    pub(crate) internal_domain: Option<String>,
    /// Address where the public router accepts HTTP, such as 127.0.0.1:4881; by default there is no
    /// public router
    /// [env: CAUSEWAY_ROUTER]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) router: Option<SocketAddr>,
    /// Address where the public router accepts HTTPS; needs --router-cert and --router-key
    /// [env: CAUSEWAY_ROUTER_TLS]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) router_tls: Option<SocketAddr>,
    /// File with the certificate chain of the public router, in PEM
    /// [env: CAUSEWAY_ROUTER_CERT]
    #[arg(long, value_name = "FILE")]
    pub(crate) router_cert: Option<PathBuf>,
    /// File with the private key of the public router, in PEM
    /// [env: CAUSEWAY_ROUTER_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) router_key: Option<PathBuf>,
    /// Address where a DNS server answers for the public names of apps; by default there is none
    /// [env: CAUSEWAY_DNS]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) dns: Option<SocketAddr>,
    /// DNS servers that resolve all other names inside VPCs: none, host for those of this machine, or
    /// addresses; by default none, or host with --outbound
    /// [env: CAUSEWAY_FORWARD_DNS]
    #[arg(long, value_name = "none|host|ADDRESS[,ADDRESS]")]
    pub(crate) forward_dns: Option<String>,
}

impl EdgeArgs {
    /// What the environment says.
    ///
    /// # Errors
    ///
    /// An address that is none.
    pub(crate) fn of(variables: Variables<'_>) -> anyhow::Result<Self> {
        let path = |name| variables(name).map(PathBuf::from);
        Ok(Self {
            domain: text(variables, "CAUSEWAY_DOMAIN")?,
            internal_domain: text(variables, "CAUSEWAY_INTERNAL_DOMAIN")?,
            router: parsed(variables, "CAUSEWAY_ROUTER", str::parse)?,
            router_tls: parsed(variables, "CAUSEWAY_ROUTER_TLS", str::parse)?,
            router_cert: path("CAUSEWAY_ROUTER_CERT"),
            router_key: path("CAUSEWAY_ROUTER_KEY"),
            dns: parsed(variables, "CAUSEWAY_DNS", str::parse)?,
            forward_dns: text(variables, "CAUSEWAY_FORWARD_DNS")?,
        })
    }

    /// These, and what they leave open from others.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            domain: self.domain.or(other.domain),
            internal_domain: self.internal_domain.or(other.internal_domain),
            router: self.router.or(other.router),
            router_tls: self.router_tls.or(other.router_tls),
            router_cert: self.router_cert.or(other.router_cert),
            router_key: self.router_key.or(other.router_key),
            dns: self.dns.or(other.dns),
            forward_dns: self.forward_dns.or(other.forward_dns),
        }
    }

    /// What the server is started with. Where anything leads out, names of what is outside are
    /// resolved unless they are not to be.
    ///
    /// # Errors
    ///
    /// A domain that is none, TLS without a certificate or the other way round, files that are not
    /// there or hold no certificate and its key, addresses that are none or have no port.
    pub(crate) fn config(self, outbound: bool) -> anyhow::Result<EdgeConfig> {
        let default = Domains::default();
        let domains = Domains {
            public: self.domain.map_or(Ok(default.public), |name| domain("--domain", &name))?,
            internal: self
                .internal_domain
                .map_or(Ok(default.internal), |name| domain("--internal-domain", &name))?,
        };
        let addresses =
            [("--router", self.router), ("--router-tls", self.router_tls), ("--dns", self.dns)];
        for (flag, address) in addresses {
            // They are told to people, and a server that starts anew has to have the same ones.
            if let Some(address) = address.filter(|address| address.port() == 0) {
                bail!("{flag} {address} names no port; give one, such as 4881");
            }
        }
        if self.router.is_some() && self.router == self.router_tls {
            bail!("--router and --router-tls cannot be the same address");
        }
        let certificate = match (self.router_tls, self.router_cert, self.router_key) {
            (None, None, None) => None,
            (Some(_), Some(chain), Some(key)) => {
                // The edge reads them too, from a working directory of its own.
                let (chain, key) = (absolute(&chain)?, absolute(&key)?);
                for file in [&chain, &key] {
                    let about = std::fs::metadata(file)
                        .with_context(|| format!("{} cannot be read", file.display()))?;
                    ensure!(about.is_file(), "{} is not a file", file.display());
                }
                ::edge::check_certificate(&chain, &key)
                    .context("the router's certificate cannot be used")?;
                Some(Certificate { chain, key })
            }
            _ => bail!("--router-tls, --router-cert and --router-key must be given together"),
        };
        let otherwise = if outbound { ForwardDns::Host } else { ForwardDns::None };
        let forward_dns = self.forward_dns.map_or(Ok(otherwise), |text| forward(&text))?;
        Ok(EdgeConfig {
            web: Web { domains, router: self.router, router_tls: self.router_tls },
            certificate,
            dns: self.dns,
            forward_dns,
        })
    }
}

/// A domain in lower case: labels of letters, digits and hyphens.
fn domain(flag: &str, name: &str) -> anyhow::Result<String> {
    /// What a label before it may need: an app's name, a hyphen, twelve digits and a dot.
    const MOST: usize = 253 - 64;
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    ensure!(
        name.len() <= MOST && model::names::is_domain(&name),
        "'{name}' is not a domain for {flag}; one is like apps.example.com"
    );
    Ok(name)
}

fn forward(text: &str) -> anyhow::Result<ForwardDns> {
    let address = |text: &str| {
        let text = text.trim();
        let bare = || Some(SocketAddr::new(text.parse().ok()?, DNS_PORT));
        text.parse().ok().or_else(bare).with_context(|| {
            format!("'{text}' is not an address for --forward-dns; it is none, host or addresses")
        })
    };
    match text {
        "none" => Ok(ForwardDns::None),
        "host" => Ok(ForwardDns::Host),
        _ => Ok(ForwardDns::To(text.split(',').map(address).collect::<Result<_, _>>()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut EdgeArgs)) -> anyhow::Result<EdgeConfig> {
        let mut args = EdgeArgs::default();
        change(&mut args);
        args.config(false)
    }

    #[test]
    fn what_is_given_is_checked() {
        let config = EdgeArgs::default().config(false).unwrap();
        assert_eq!(config, EdgeConfig::default());
        let forwards = |args: EdgeArgs| args.config(true).unwrap().forward_dns;
        assert_eq!(forwards(EdgeArgs::default()), ForwardDns::Host, "where anything leads out");
        let none = EdgeArgs { forward_dns: Some("none".to_owned()), ..EdgeArgs::default() };
        assert_eq!(forwards(none), ForwardDns::None, "unless it is not to be");
        let config = with(|a| a.domain = Some("Apps.Example.com.".to_owned())).unwrap();
        assert_eq!(config.web.domains.public, "apps.example.com");
        for wrong in ["", "a..b", "-a.b", "a b", "exämple.com", &"a".repeat(64), "x.y/z"] {
            assert!(with(|a| a.domain = Some(wrong.to_owned())).is_err(), "{wrong}");
        }
        let unknown = "127.0.0.1:0".parse().ok();
        let error = with(|a| a.router = unknown).unwrap_err().to_string();
        assert_eq!(error, "--router 127.0.0.1:0 names no port; give one, such as 4881");
        assert!(with(|a| a.dns = unknown).unwrap_err().to_string().starts_with("--dns "));
        let address = "127.0.0.1:4443".parse().ok();
        assert!(
            with(|a| a.router_tls = address).unwrap_err().to_string().contains("--router-cert")
        );
        let error = with(|a| {
            a.router_tls = address;
            a.router_cert = Some("/nonexistent/chain.pem".into());
            a.router_key = Some("/nonexistent/key.pem".into());
        });
        assert!(format!("{:#}", error.unwrap_err()).contains("/nonexistent/chain.pem"));
        let none = tempfile::NamedTempFile::new().unwrap();
        let error = with(|a| {
            a.router_tls = address;
            a.router_cert = Some(none.path().to_owned());
            a.router_key = Some(none.path().to_owned());
        });
        let error = format!("{:#}", error.unwrap_err());
        assert!(error.contains("cannot be used"), "{error}");
        assert!(
            with(|a| {
                a.router = address;
                a.router_tls = address;
            })
            .is_err()
        );
    }

    #[test]
    fn forwarders_are_read() {
        assert_eq!(forward("none").unwrap(), ForwardDns::None);
        assert_eq!(forward("host").unwrap(), ForwardDns::Host);
        let to = ["1.1.1.1:53", "127.0.0.1:5353", "[::1]:53"].map(|a| a.parse().unwrap());
        assert_eq!(forward("1.1.1.1, 127.0.0.1:5353,::1").unwrap(), ForwardDns::To(to.into()));
        for wrong in ["", "dns.example.com", "1.1.1.1,", "1.1.1"] {
            assert!(forward(wrong).unwrap_err().to_string().contains("--forward-dns"), "{wrong}");
        }
    }

    #[test]
    fn a_flag_is_over_the_file() {
        let flag = EdgeArgs { domain: Some("a.b".to_owned()), ..EdgeArgs::default() };
        let file = EdgeArgs {
            domain: Some("c.d".to_owned()),
            dns: "127.0.0.1:53".parse().ok(),
            ..EdgeArgs::default()
        };
        let both = flag.or(file);
        assert_eq!((both.domain.as_deref(), both.dns.is_some()), (Some("a.b"), true));
    }
}
