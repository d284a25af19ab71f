//! The certificate of the routers.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Config;

/// Reads the configured certificate, if there is one.
pub(crate) fn configured(config: &Config) -> io::Result<Option<TlsAcceptor>> {
    let Some((chain, key)) = &config.tls else { return Ok(None) };
    Ok(Some(acceptor(chain, key)?))
}

/// Reads a certificate chain and its key from PEM files, and checks that they belong together.
///
/// # Errors
///
/// A file that cannot be read or holds something else, or a key of another certificate; the error
/// names the file.
pub fn check_certificate(chain: &Path, key: &Path) -> io::Result<()> {
    acceptor(chain, key).map(drop)
}

fn acceptor(chain: &Path, key: &Path) -> io::Result<TlsAcceptor> {
    let bad = |path: &Path, why: &dyn std::fmt::Display| {
        io::Error::other(format!("{}: {why}", path.display()))
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(chain, &error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, &error))?;
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, secret))
        .map_err(|error| bad(chain, &error))?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}
