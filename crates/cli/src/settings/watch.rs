//! `serve`'s settings for those who watch it.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use server::{LogFormat, WatchConfig};

use super::values::{Variables, absolute, parsed, text};
use crate::usage::usage;

/// What `serve` takes for those who watch it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct WatchArgs {
    /// Address where programs of this machine read /metrics, for Prometheus, as 127.0.0.1:9464; by
    /// default only --listen has it, for the operator's token or that of --metrics-token
    /// [env: CAUSEWAY_METRICS]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<SocketAddr>,
    /// File with a token of at least 16 characters that reads /metrics and nothing else
    /// [env: CAUSEWAY_METRICS_TOKEN]
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics_token: Option<PathBuf>,
    /// How the log on standard error is written: as text for people, or as JSON, one object a line; by
    /// default text
    /// [env: CAUSEWAY_LOG_FORMAT]
    #[arg(long, value_name = "text|json")]
    pub(crate) log_format: Option<String>,
    /// Base address of a collector of OpenTelemetry traces that takes OTLP over HTTP, as
    /// http://127.0.0.1:4318; by default nothing is traced
    /// [env: CAUSEWAY_OTLP]
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<String>,
}

impl WatchArgs {
    /// What the environment says.
    ///
    /// # Errors
    ///
    /// An address that is none.
    pub(crate) fn of(variables: Variables<'_>) -> anyhow::Result<Self> {
        Ok(Self {
            metrics: parsed(variables, "CAUSEWAY_METRICS", str::parse)?,
            metrics_token: variables("CAUSEWAY_METRICS_TOKEN").map(PathBuf::from),
            log_format: text(variables, "CAUSEWAY_LOG_FORMAT")?,
            otlp: text(variables, "CAUSEWAY_OTLP")?,
        })
    }

    /// These, and what they leave open from others.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            metrics: self.metrics.or(other.metrics),
            metrics_token: self.metrics_token.or(other.metrics_token),
            log_format: self.log_format.or(other.log_format),
            otlp: self.otlp.or(other.otlp),
        }
    }

    /// What the server is started with.
    ///
    /// # Errors
    ///
    /// A form of the log that there is not, an address of a collector that is none.
    pub(crate) fn config(self) -> anyhow::Result<WatchConfig> {
        let log = match self.log_format.as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => {
                return Err(usage(format!("'{other}' is not a --log-format; it is text or json")));
            }
        };
        Ok(WatchConfig {
            metrics: self.metrics,
            metrics_token: self.metrics_token.map(|path| absolute(&path)).transpose()?,
            log,
            otlp: self.otlp.map(|url| collector(&url)).transpose()?,
        })
    }
}

/// The base address of a collector, without a slash at its end.
fn collector(url: &str) -> anyhow::Result<http::Uri> {
    let uri: http::Uri = url
        .trim_end_matches('/')
        .parse()
        .with_context(|| format!("'{url}' is not an address for --otlp"))?;
    ensure!(
        uri.scheme_str() == Some("http") && uri.authority().is_some(),
        "--otlp takes http://HOST:PORT, not '{url}': let a collector on this machine go on over TLS"
    );
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_checked() {
        assert_eq!(WatchArgs::default().config().unwrap(), WatchConfig::default());
        let json = WatchArgs { log_format: Some("json".to_owned()), ..WatchArgs::default() };
        assert_eq!(json.config().unwrap().log, LogFormat::Json);
        let wrong = WatchArgs { log_format: Some("xml".to_owned()), ..WatchArgs::default() };
        let error = wrong.config().unwrap_err();
        assert!(crate::usage::is_usage(&error) && error.to_string().contains("'xml'"), "{error:#}");
        let of = |url: &str| collector(url).map(|uri| uri.to_string());
        assert_eq!(of("http://127.0.0.1:4318/").unwrap(), "http://127.0.0.1:4318/");
        for wrong in ["", "127.0.0.1:4318", "https://cw", "http://", "a b", "/v1/traces"] {
            assert!(of(wrong).unwrap_err().to_string().contains("--otlp"), "{wrong}");
        }
    }
}
