//! Reaching a server.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;

use crate::tls;

/// The port of a server where none is named.
const DEFAULT_PORT: u16 = 4882;
/// How long a server may take to accept a connection, and then to say who it is.
const PATIENCE: Duration = Duration::from_secs(10);

/// The host and port in an address such as `https://cw.example.org:4882`.
pub(super) fn authority_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if rest.is_empty() || !rest.chars().all(plain) {
        return None;
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(address) => {
            let (address, port) = address.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (&rest[..address.len() + 2], port.strip_prefix(':'))
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    (!host.is_empty() && port != 0).then(|| format!("{host}:{port}"))
}

/// Connects to a server.
pub(super) async fn connect(
    address: &str,
    config: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    let stream = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await;
    let stream = stream.map_err(late)??;
    stream.set_nodelay(true)?;
    let greeted = TlsConnector::from(config).connect(tls::server_name(), stream);
    tokio::time::timeout(PATIENCE, greeted).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_address() {
        for (url, authority) in [
            ("https://cw.example.org", Some("cw.example.org:4882")),
            ("https://cw.example.org:99/", Some("cw.example.org:99")),
            ("https://10.0.0.5:4882", Some("10.0.0.5:4882")),
            ("https://[::1]:5", Some("[::1]:5")),
            ("https://[::1]", Some("[::1]:4882")),
            ("http://cw.example.org", None),
            ("cw.example.org", None),
            ("https://", None),
            ("https://a:0", None),
            ("https://a:b", None),
            ("https://a/b", None),
            ("https://u@a", None),
            ("https://[::1", None),
            ("https://::1", None),
        ] {
            assert_eq!(authority_of(url).as_deref(), authority, "{url}");
        }
    }
}
