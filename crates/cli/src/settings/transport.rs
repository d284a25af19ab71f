//! `serve`'s settings of how clients reach it.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Args;
use model::IpCidr;
use server::{AcmeConfig, Certificate, TransportConfig};

use super::values::{Variables, absolute, list, parsed, switch, text};

/// What `serve` takes about how clients reach it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TransportArgs {
    /// File with the certificate chain of the APIs and the dashboard, in PEM; clients of other machines
    /// are then served over TLS alone. It is read anew when it changes
    /// [env: CAUSEWAY_TLS_CERT]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// File with the private key of --tls-cert, in PEM
    /// [env: CAUSEWAY_TLS_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Name of this server for which an ACME server, as Let's Encrypt, issues the certificate in place of
    /// --tls-cert, and renews it; connections to port 443 of the name must reach --listen. Can be given
    /// several times
    /// [env: CAUSEWAY_ACME]
    #[arg(long, value_name = "NAME")]
    pub(crate) acme: Vec<String>,
    /// Address where the ACME server may reach you
    /// [env: CAUSEWAY_ACME_EMAIL]
    #[arg(long, value_name = "EMAIL")]
    pub(crate) acme_email: Option<String>,
    /// Directory of the ACME server, whose terms you agree to by naming it; by default Let's Encrypt's
    /// [env: CAUSEWAY_ACME_DIRECTORY]
    #[arg(long, value_name = "URL")]
    pub(crate) acme_directory: Option<String>,
    /// File with the authorities by which the ACME server itself is trusted, in PEM; by default this
    /// machine's
    /// [env: CAUSEWAY_ACME_CA]
    #[arg(long, value_name = "FILE")]
    pub(crate) acme_ca: Option<PathBuf>,
    /// Listen beyond this machine without TLS: whoever is on the way can read tokens
    /// [env: CAUSEWAY_INSECURE]
    #[arg(
        long,
        value_name = "BOOL",
        value_parser = switch,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(crate) insecure: Option<bool>,
    /// Block of the proxies in front of this server, which are believed when they say for whom they ask
    /// (X-Forwarded-For, -Proto and -Host); can be given several times
    /// [env: CAUSEWAY_TRUSTED_PROXY]
    #[arg(long, value_name = "CIDR")]
    pub(crate) trusted_proxy: Vec<String>,
    /// Name by which an emulator may be reached besides localhost, as that of a container; can be given
    /// several times
    /// [env: CAUSEWAY_ALLOW_HOST]
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_host: Vec<String>,
}

impl TransportArgs {
    /// What the environment says.
    ///
    /// # Errors
    ///
    /// A switch that is neither on nor off.
    pub(crate) fn of(variables: Variables<'_>) -> anyhow::Result<Self> {
        let path = |name| variables(name).map(PathBuf::from);
        let list = |name| list(variables, name);
        Ok(Self {
            tls_cert: path("CAUSEWAY_TLS_CERT"),
            tls_key: path("CAUSEWAY_TLS_KEY"),
            acme: list("CAUSEWAY_ACME")?,
            acme_email: text(variables, "CAUSEWAY_ACME_EMAIL")?,
            acme_directory: text(variables, "CAUSEWAY_ACME_DIRECTORY")?,
            acme_ca: path("CAUSEWAY_ACME_CA"),
            insecure: parsed(variables, "CAUSEWAY_INSECURE", switch)?,
            trusted_proxy: list("CAUSEWAY_TRUSTED_PROXY")?,
            allow_host: list("CAUSEWAY_ALLOW_HOST")?,
        })
    }

    /// These, and what they leave open from others.
    pub(crate) fn or(self, other: Self) -> Self {
        let list = |own: Vec<String>, other| if own.is_empty() { other } else { own };
        Self {
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            acme: list(self.acme, other.acme),
            acme_email: self.acme_email.or(other.acme_email),
            acme_directory: self.acme_directory.or(other.acme_directory),
            acme_ca: self.acme_ca.or(other.acme_ca),
            insecure: self.insecure.or(other.insecure),
            trusted_proxy: list(self.trusted_proxy, other.trusted_proxy),
            allow_host: list(self.allow_host, other.allow_host),
        }
    }

    /// What the server is started with.
    ///
    /// # Errors
    ///
    /// A certificate without its key or the other way round, files that hold none, blocks that are none,
    /// names that are none or that a real server has no use for.
    pub(crate) fn config(self, emulator: bool) -> anyhow::Result<TransportConfig> {
        let acme = self.acme_config()?;
        ensure!(
            acme.is_none() || (self.tls_cert.is_none() && self.tls_key.is_none()),
            "--acme and --tls-cert cannot be given together: either an ACME server issues the \
             certificate, or you do"
        );
        let certificate = match (self.tls_cert, self.tls_key) {
            (None, None) => None,
            (Some(chain), Some(key)) => {
                let (chain, key) = (absolute(&chain)?, absolute(&key)?);
                ::edge::check_certificate(&chain, &key)
                    .context("the certificate of --tls-cert cannot be used")?;
                Some(Certificate { chain, key })
            }
            _ => bail!("--tls-cert and --tls-key must be given together"),
        };
        let proxies =
            self.trusted_proxy.iter().map(|text| block(text)).collect::<Result<_, _>>()?;
        ensure!(
            emulator || self.allow_host.is_empty(),
            "--allow-host is for --emulator: a real server asks who somebody is, not by which name"
        );
        let allowed_hosts =
            self.allow_host.iter().map(|name| host(name)).collect::<Result<_, _>>()?;
        let insecure = self.insecure.unwrap_or(false);
        Ok(TransportConfig { certificate, acme, insecure, proxies, allowed_hosts })
    }

    /// From which ACME server certificates come; `None` where no name was given.
    fn acme_config(&self) -> anyhow::Result<Option<AcmeConfig>> {
        if self.acme.is_empty() {
            let others = [
                ("--acme-email", self.acme_email.is_some()),
                ("--acme-directory", self.acme_directory.is_some()),
                ("--acme-ca", self.acme_ca.is_some()),
            ];
            for (name, given) in others {
                ensure!(
                    !given,
                    "{name} says how to ask for a certificate; say of which name by --acme"
                );
            }
            return Ok(None);
        }
        let mut names = Vec::new();
        for given in &self.acme {
            let name = given.trim_end_matches('.').to_ascii_lowercase();
            let is_name =
                model::names::is_domain(&name) && name.parse::<std::net::IpAddr>().is_err();
            ensure!(
                is_name,
                "'{given}' is not a name for --acme; one is like cw.example.org, without a port"
            );
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let email = self.acme_email.clone();
        ensure!(
            email
                .as_ref()
                .is_none_or(|email| email.contains('@') && !email.contains(char::is_whitespace)),
            "'{}' is not an address for --acme-email",
            email.unwrap_or_default()
        );
        let directory = self.acme_directory.clone().unwrap_or_else(|| LETS_ENCRYPT.to_owned());
        let host = directory.parse().ok().filter(|url: &http::Uri| {
            url.scheme_str() == Some("https") && url.host().is_some_and(|host| !host.is_empty())
        });
        ensure!(
            host.is_some(),
            "'{directory}' is not an address for --acme-directory; it begins with https://"
        );
        let ca = self.acme_ca.as_deref().map(absolute).transpose()?;
        if let Some(ca) = &ca {
            ::edge::check_authorities(ca).context("the authorities of --acme-ca cannot be used")?;
        }
        Ok(Some(AcmeConfig { names, email, directory, ca }))
    }
}

/// The directory of Let's Encrypt.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// A block of proxies; an address alone is the block of it.
fn block(text: &str) -> anyhow::Result<IpCidr> {
    let alone = || match text.parse().ok()? {
        std::net::IpAddr::V4(_) => format!("{text}/32").parse().ok(),
        std::net::IpAddr::V6(_) => format!("{text}/128").parse().ok(),
    };
    text.parse().ok().or_else(alone).with_context(|| {
        format!("'{text}' is not a block for --trusted-proxy; one is like 10.0.0.0/24 or ::1/128")
    })
}

/// The name or address of a host, in lower case.
fn host(name: &str) -> anyhow::Result<String> {
    let lower = name.trim_end_matches('.').to_ascii_lowercase();
    let is_address = lower.parse::<std::net::IpAddr>().is_ok();
    ensure!(
        is_address || model::names::is_domain(&lower),
        "'{name}' is not the name of a host for --allow-host; give it without a port"
    );
    Ok(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut TransportArgs)) -> anyhow::Result<TransportConfig> {
        let mut args = TransportArgs::default();
        change(&mut args);
        args.config(true)
    }

    #[test]
    fn what_is_given_is_checked() {
        assert_eq!(with(|_| ()).unwrap(), TransportConfig::default());
        let some = with(|args| {
            args.trusted_proxy = ["10.0.0.0/24", "::1", "127.0.0.1"].map(str::to_owned).into();
            args.allow_host = ["Causeway.", "10.0.0.5", "cw.test"].map(str::to_owned).into();
        })
        .unwrap();
        let blocks: Vec<_> = some.proxies.iter().map(ToString::to_string).collect();
        assert_eq!(blocks, ["10.0.0.0/24", "::1/128", "127.0.0.1/32"]);
        assert_eq!(some.allowed_hosts, ["causeway", "10.0.0.5", "cw.test"]);
        for wrong in ["", "10.0.0.1/24", "proxy", "10.0.0.0/33"] {
            let error = with(|args| args.trusted_proxy = vec![wrong.to_owned()]).unwrap_err();
            assert!(error.to_string().contains("--trusted-proxy"), "{error:#}");
        }
        for wrong in ["", "a b", "cw:4880", "*", "http://cw"] {
            let error = with(|args| args.allow_host = vec![wrong.to_owned()]).unwrap_err();
            assert!(error.to_string().contains("--allow-host"), "{error:#}");
        }
        let error = with(|args| args.tls_cert = Some("chain.pem".into())).unwrap_err();
        assert!(error.to_string().contains("--tls-key"), "{error:#}");
        let error = with(|args| {
            args.tls_cert = Some("/nonexistent/chain.pem".into());
            args.tls_key = Some("/nonexistent/key.pem".into());
        });
        assert!(format!("{:#}", error.unwrap_err()).contains("/nonexistent/chain.pem"));
    }

    #[test]
    fn an_acme_server_is_asked_for_names_and_in_place_of_a_certificate() {
        let acme = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let some = with(|args| args.acme = acme(&["CW.example.org.", "cw.example.org", "b.test"]));
        let some = some.unwrap().acme.unwrap();
        assert_eq!(some.names, ["cw.example.org", "b.test"]);
        assert_eq!(some.directory, LETS_ENCRYPT);
        let refused = |change: &dyn Fn(&mut TransportArgs)| {
            let error = with(|args| {
                args.acme = acme(&["cw.example.org"]);
                change(args);
            });
            format!("{:#}", error.unwrap_err())
        };
        for wrong in ["", "*.example.org", "10.0.0.5", "cw:443", "https://cw.test"] {
            let error = refused(&|args| args.acme = acme(&[wrong]));
            assert!(error.contains("--acme;"), "{error}");
        }
        let error = refused(&|args| args.tls_cert = Some("chain.pem".into()));
        assert!(error.contains("--acme and --tls-cert"), "{error}");
        let error = refused(&|args| args.acme_email = Some("nobody".to_owned()));
        assert!(error.contains("--acme-email"), "{error}");
        for wrong in ["http://acme.test/dir", "acme", ""] {
            let error = refused(&|args| args.acme_directory = Some(wrong.to_owned()));
            assert!(error.contains("--acme-directory"), "{error}");
        }
        let error = refused(&|args| args.acme_ca = Some("/nonexistent/ca.pem".into()));
        assert!(error.contains("--acme-ca") && error.contains("/nonexistent/ca.pem"), "{error}");
        let alone = with(|args| args.acme_email = Some("a@example.org".to_owned())).unwrap_err();
        assert!(alone.to_string().contains("by --acme"), "{alone:#}");
    }

    #[test]
    fn a_real_server_has_no_use_for_names() {
        let args = TransportArgs { allow_host: vec!["cw".to_owned()], ..TransportArgs::default() };
        assert!(args.config(false).unwrap_err().to_string().contains("--emulator"));
    }
}
