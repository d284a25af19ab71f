//! The settings of an agent: a flag over the environment over the default.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use server::{About, HostAgentConfig, JoinConfig, JoinToken, LogFormat};

use super::edge::EdgeArgs;
use super::fabric::Fabric;
use super::ovn::open_vswitch;
use super::values::{Variables, absolute, first, program, text};
use super::watch::WatchArgs;
use super::{SLUG_CACHE, default_data};
use crate::usage::usage;

/// Characters that a host's name, zone or label has at most.
const LONGEST: usize = 63;

/// What `agent` takes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct AgentArgs {
    /// Address of a server's side for agents, as https://host-1:4882, to join its installation; can be given
    /// several times, for several servers
    #[arg(long, value_name = "URL", requires = "token")]
    pub(crate) join: Vec<String>,
    /// Token by which this host joins; `causeway host:token` makes one
    /// [env: CAUSEWAY_JOIN_TOKEN]
    #[arg(long, value_name = "TOKEN", env = "CAUSEWAY_JOIN_TOKEN", hide_env = true)]
    pub(crate) token: Option<String>,
    /// Name of this host, for people; by default its host name
    #[arg(long, requires = "join")]
    pub(crate) name: Option<String>,
    /// Address at which other hosts reach this one; by default that of OVN's tunnels, or else where it
    /// connects from
    #[arg(long, value_name = "ADDRESS", requires = "join")]
    pub(crate) address: Option<IpAddr>,
    /// What this host shares power or a room with, as rack-1
    #[arg(long, requires = "join")]
    pub(crate) zone: Option<String>,
    /// What else is to be known of this host, as disk=ssd; can be given several times
    #[arg(long, value_name = "KEY=VALUE", requires = "join")]
    pub(crate) label: Vec<String>,
    /// Data directory; by default /var/lib/causeway for root, or else ~/.local/share/causeway
    /// [env: CAUSEWAY_DATA]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// What carries packets and runs processes: OVN by this machine's Open vSwitch, the kernel of this
    /// machine, or nothing; by default ovn
    /// [env: CAUSEWAY_FABRIC]
    #[arg(long, value_enum)]
    pub(crate) fabric: Option<Fabric>,
    /// Database of this host's Open vSwitch, for --fabric ovn; by default
    /// unix:/var/run/openvswitch/db.sock
    /// [env: CAUSEWAY_OVS]
    #[arg(long, value_name = "DATABASE")]
    pub(crate) ovs: Option<String>,
    /// How many GiB of unpacked code stay on this host, where no dyno needs more; by default 20
    /// [env: CAUSEWAY_SLUG_CACHE]
    #[arg(long, value_name = "GIB")]
    pub(crate) slug_cache: Option<u32>,
    /// OCI runtime that runs dynos and instances; by default runc [env: CAUSEWAY_RUNTIME]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) runtime: Option<PathBuf>,
    /// Address where the public router of this host accepts HTTP; by default there is none
    /// [env: CAUSEWAY_ROUTER]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) router: Option<SocketAddr>,
    /// Address where it accepts HTTPS; needs --router-cert and --router-key
    /// [env: CAUSEWAY_ROUTER_TLS]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) router_tls: Option<SocketAddr>,
    /// File with its certificate chain, in PEM [env: CAUSEWAY_ROUTER_CERT]
    #[arg(long, value_name = "FILE")]
    pub(crate) router_cert: Option<PathBuf>,
    /// File with its private key, in PEM [env: CAUSEWAY_ROUTER_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) router_key: Option<PathBuf>,
    /// DNS servers that resolve all other names inside VPCs: none, host for those of this machine, or
    /// addresses; by default none
    /// [env: CAUSEWAY_FORWARD_DNS]
    #[arg(long, value_name = "none|host|ADDRESS[,ADDRESS]")]
    pub(crate) forward_dns: Option<String>,
    /// How the log on standard error is written; by default text
    /// [env: CAUSEWAY_LOG_FORMAT]
    #[arg(long, value_name = "text|json")]
    pub(crate) log_format: Option<String>,
    /// Print who this host is as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl AgentArgs {
    /// Puts flags, environment and defaults together.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::usage::Usage): a value that cannot be read.
    pub(crate) fn config(
        self,
        variables: Variables<'_>,
    ) -> anyhow::Result<(HostAgentConfig, LogFormat)> {
        let path = |name| variables(name).map(PathBuf::from);
        let fabric = |text: &str| <Fabric as clap::ValueEnum>::from_str(text, true);
        let fabric = first(self.fabric, variables, "CAUSEWAY_FABRIC", fabric, None)?;
        let slug_cache =
            first(self.slug_cache, variables, "CAUSEWAY_SLUG_CACHE", str::parse, None)?;
        let join = match self.token {
            Some(token) if !self.join.is_empty() => {
                let token: JoinToken = token.parse().map_err(|error| usage(format!("{error}")))?;
                let about = about(self.name, self.zone, &self.label)?;
                let about = About { address: self.address, ..about };
                Some(JoinConfig { servers: self.join, token, about })
            }
            _ => None,
        };
        let edge = EdgeArgs {
            router: self.router,
            router_tls: self.router_tls,
            router_cert: self.router_cert,
            router_key: self.router_key,
            forward_dns: self.forward_dns,
            ..EdgeArgs::default()
        };
        // The domains are the installation's.
        let set =
            EdgeArgs { domain: None, internal_domain: None, dns: None, ..EdgeArgs::of(variables)? };
        let log_format = self.log_format.or(text(variables, "CAUSEWAY_LOG_FORMAT")?);
        let watch = WatchArgs { log_format, ..WatchArgs::default() }.config()?;
        let data = self.data.or_else(|| path("CAUSEWAY_DATA")).unwrap_or_else(default_data);
        let runtime = self.runtime.or_else(|| path("CAUSEWAY_RUNTIME"));
        let config = HostAgentConfig {
            data: absolute(&data)?,
            fabric: fabric.unwrap_or(Fabric::Ovn).kind(),
            switch: open_vswitch(self.ovs, variables)?,
            slug_cache: u64::from(slug_cache.unwrap_or(SLUG_CACHE)) << 30,
            runtime: program(runtime.unwrap_or_else(|| "runc".into()))?,
            self_exe: std::env::current_exe().context("this program's own file is not known")?,
            edge: edge.or(set).config(false)?,
            join,
        };
        Ok((config, watch.log))
    }
}

/// What this host says of itself.
fn about(name: Option<String>, zone: Option<String>, labels: &[String]) -> anyhow::Result<About> {
    let own = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let name = name.or_else(|| own().map(|name| name.to_ascii_lowercase()));
    let labels = labels.iter().map(|text| label(text)).collect::<Result<_, _>>()?;
    Ok(About {
        name: word("--name", name.as_deref().unwrap_or("host"))?,
        zone: zone.map(|zone| word("--zone", &zone)).transpose()?,
        labels,
        ..About::default()
    })
}

fn word(flag: &str, text: &str) -> anyhow::Result<String> {
    let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let plain = |c: char| end(c) || "-_.".contains(c);
    let whole = text.chars().all(plain) && text.starts_with(end) && text.ends_with(end);
    if text.len() <= LONGEST && whole {
        return Ok(text.to_owned());
    }
    Err(usage(format!(
        "'{text}' cannot be {flag}: it has up to {LONGEST} lower-case letters, digits, hyphens, underscores \
         and dots, and begins and ends with a letter or digit"
    )))
}

fn label(text: &str) -> anyhow::Result<(String, String)> {
    let (key, value) = text
        .split_once('=')
        .filter(|(_, value)| !value.is_empty() && !value.contains(char::is_control))
        .ok_or_else(|| usage(format!("'{text}' is not a --label; one is like disk=ssd")))?;
    Ok((word("the key of --label", key)?, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use server::FabricKind;

    use super::*;

    #[test]
    fn what_a_host_says_of_itself_is_checked() {
        let labels = ["disk=ssd".to_owned(), "rack=7".to_owned()];
        let said = about(Some("one".to_owned()), Some("rack-7".to_owned()), &labels).unwrap();
        let labels: BTreeMap<_, _> = [("disk", "ssd"), ("rack", "7")].into();
        assert_eq!(said.labels.len(), labels.len());
        assert!(labels.iter().all(|(key, value)| said.labels[*key] == *value));
        for wrong in ["", "a b", "ä", "A", "-a", &"a".repeat(64)] {
            let error = about(Some(wrong.to_owned()), None, &[]).unwrap_err();
            assert!(error.to_string().contains("--name"), "{error}");
        }
        for wrong in ["disk", "=x", "disk=", "a b=c"] {
            let error = about(None, None, &[wrong.to_owned()]).unwrap_err();
            assert!(error.to_string().contains("--label"), "{error}");
        }
    }

    #[test]
    fn flags_are_over_the_environment_and_the_domains_are_the_installation_s() {
        let variables = |name: &str| match name {
            "CAUSEWAY_DATA" => Some("/tmp/of-variable".into()),
            "CAUSEWAY_FABRIC" => Some("none".into()),
            "CAUSEWAY_DOMAIN" => Some("not used".into()),
            _ => None,
        };
        let (config, _) = AgentArgs::default().config(&variables).unwrap();
        assert_eq!(
            (config.data.to_str(), config.fabric),
            (Some("/tmp/of-variable"), FabricKind::None)
        );
        assert!(config.join.is_none());
        let args = AgentArgs { data: Some("/tmp/of-flag".into()), ..AgentArgs::default() };
        let (config, _) = args.config(&variables).unwrap();
        assert_eq!(config.data.to_str(), Some("/tmp/of-flag"));
        let args = AgentArgs {
            join: vec!["https://a".to_owned()],
            token: Some("cwj_x".to_owned()),
            ..AgentArgs::default()
        };
        let error = args.config(&variables).unwrap_err();
        assert!(error.to_string().contains("is no join token"), "{error}");
    }
}
