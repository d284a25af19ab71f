//! Connections to a server, over TLS where its address begins with `https://`.

use std::sync::Arc;

use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;

use super::trust::{self, Seen, TrustArgs};

/// Makes connections.
pub(super) type Connector = HttpsConnector<HttpConnector>;

/// What makes connections to the server at an address, and for one over TLS what it showed last.
///
/// # Errors
///
/// Those of [`trust::tls`].
pub(super) fn connector(
    url: &str,
    trust: &TrustArgs,
) -> anyhow::Result<(Connector, Option<Arc<Seen>>)> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    if url.starts_with("https://") {
        let (config, seen) = trust::tls(&trust.or_variables()?)?;
        let mut connector = Connector::from((http, config));
        connector.enforce_https();
        return Ok((connector, Some(seen)));
    }
    // No address that is asked leads to TLS, so no authorities need to be read.
    Ok((Connector::from((http, trust::nobody()?)), None))
}
