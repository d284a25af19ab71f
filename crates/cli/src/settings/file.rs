//! The settings file of `serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::cluster::Reads;
use super::fabric::Fabric;
use super::outbound::OutboundFile;
use crate::usage::usage;

/// The settings in the file, all of them optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) data: Option<PathBuf>,
    pub(super) listen: Option<SocketAddr>,
    pub(super) agents: Option<SocketAddr>,
    pub(super) fabric: Option<Fabric>,
    pub(super) ovn_nb: Option<String>,
    pub(super) ovn_sb: Option<String>,
    pub(super) ovn_ca: Option<PathBuf>,
    pub(super) ovn_cert: Option<PathBuf>,
    pub(super) ovn_key: Option<PathBuf>,
    pub(super) outbound: Option<OutboundFile>,
    pub(super) region: Option<String>,
    pub(super) rate_limit: Option<u32>,
    pub(super) ec2_rate_limit: Option<u32>,
    pub(super) app_code_limit: Option<u32>,
    pub(super) team_code_limit: Option<u32>,
    pub(super) slug_cache: Option<u32>,
    pub(super) runtime: Option<PathBuf>,
    pub(super) test_clock: Option<bool>,
    pub(super) emulator: Option<bool>,
    pub(super) like_aws: Option<bool>,
    pub(super) ephemeral: Option<bool>,
    // Not flattened: that would let unknown keys through.
    pub(super) domain: Option<String>,
    pub(super) internal_domain: Option<String>,
    pub(super) router: Option<SocketAddr>,
    pub(super) router_tls: Option<SocketAddr>,
    pub(super) router_cert: Option<PathBuf>,
    pub(super) router_key: Option<PathBuf>,
    pub(super) dns: Option<SocketAddr>,
    pub(super) forward_dns: Option<String>,
    pub(super) plans: Option<PathBuf>,
    #[serde(default)]
    pub(super) init: Vec<PathBuf>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    #[serde(default)]
    pub(super) acme: Vec<String>,
    pub(super) acme_email: Option<String>,
    pub(super) acme_directory: Option<String>,
    pub(super) acme_ca: Option<PathBuf>,
    pub(super) insecure: Option<bool>,
    #[serde(default)]
    pub(super) trusted_proxy: Vec<String>,
    #[serde(default)]
    pub(super) allow_host: Vec<String>,
    #[serde(default)]
    pub(super) webhook_allow: Vec<String>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) metrics_token: Option<PathBuf>,
    pub(super) log_format: Option<String>,
    pub(super) otlp: Option<String>,
    pub(super) server_name: Option<String>,
    pub(super) advertise: Option<String>,
    pub(super) reads: Option<Reads>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) key_command: Option<String>,
    pub(super) store: Option<String>,
    pub(super) blobs: Option<String>,
}

/// The keys that the file may have.
const KEYS: &[&str] = &[
    "data",
    "listen",
    "agents",
    "fabric",
    "outbound",
    "region",
    "rate-limit",
    "ec2-rate-limit",
    "app-code-limit",
    "team-code-limit",
    "slug-cache",
    "runtime",
    "test-clock",
    "emulator",
    "like-aws",
    "ephemeral",
    "domain",
    "internal-domain",
    "router",
    "router-tls",
    "router-cert",
    "router-key",
    "dns",
    "forward-dns",
    "plans",
    "init",
    "tls-cert",
    "tls-key",
    "acme",
    "acme-email",
    "acme-directory",
    "acme-ca",
    "insecure",
    "trusted-proxy",
    "allow-host",
    "webhook-allow",
    "metrics",
    "metrics-token",
    "log-format",
    "otlp",
    "server-name",
    "advertise",
    "reads",
    "key-file",
    "key-command",
    "store",
    "blobs",
];

/// Reads the file.
///
/// # Errors
///
/// [`Usage`](crate::usage::Usage): the file cannot be read, has a mistake, or has an unknown key.
pub(super) fn read(path: &Path) -> anyhow::Result<File> {
    let wrong = |why: String| usage(format!("the settings file {} {why}", path.display()));
    let text =
        std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let table: toml::Table =
        toml::from_str(&text).map_err(|error| wrong(format!("has a mistake: {error}")))?;
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let hint = match nearest(key) {
            Some(meant) => format!("did you mean '{meant}'?"),
            None => format!("it may have {}", KEYS.join(", ")),
        };
        return Err(wrong(format!("has the unknown key '{key}'; {hint}")));
    }
    toml::from_str(&text).map_err(|error| wrong(format!("has a mistake: {error}")))
}

/// The key that was probably meant: the same in other letters, or with up to two letters that differ.
fn nearest(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase().replace('_', "-");
    let distances = KEYS.iter().map(|known| (strsim::osa_distance(&key, known), *known));
    distances.min().filter(|(slips, _)| *slips <= 2).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::KEYS;

    /// The settings file of the Debian package explains all that there is.
    #[test]
    fn the_shipped_file_has_every_key() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/causeway.toml");
        let text = std::fs::read_to_string(path).unwrap();
        super::read(path.as_ref()).unwrap();
        let has = |key: &str| {
            let mut lines = text.lines().map(|line| line.trim_start_matches("# "));
            lines.any(|line| line.split_once(" = ").is_some_and(|(name, _)| name == key))
        };
        for key in KEYS {
            assert!(has(key), "packaging/causeway.toml does not explain {key}");
        }
    }
}
