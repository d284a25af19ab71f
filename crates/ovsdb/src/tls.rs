//! TLS as OVSDB's own programs use it: both sides show certificates of an authority that the other one
//! knows, and names mean nothing unless they are asked for.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// How servers are known, and what they are shown.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl Tls {
    /// Reads PEM files: the certificates of those who vouch for servers, and the client's own certificate
    /// with its key. With a name, a server's certificate must also be for this name; without one, any
    /// that the authorities vouch for is taken, as OVSDB's own programs do: then those must be of the
    /// cluster alone.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or holds something else, or a key of another certificate.
    pub fn read(
        authorities: &Path,
        identity: Option<(&Path, &Path)>,
        name: Option<&str>,
    ) -> io::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        for certificate in certificates(authorities)? {
            roots.add(certificate).map_err(|error| unusable(authorities, error))?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let name = name.map(|name| ServerName::try_from(name.to_owned())).transpose();
        let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let builder = match name {
            Some(_) => builder.with_root_certificates(roots),
            None => {
                let verifier = Arc::new(AnyName { roots, provider });
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
        };
        let config = match identity {
            Some((chain, key)) => {
                let read =
                    PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error))?;
                let identity = builder.with_client_auth_cert(certificates(chain)?, read);
                identity.map_err(|error| unusable(chain, error))?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Self { config: Arc::new(config), name })
    }

    /// Begins a session with a host.
    pub(crate) fn connect(&self, host: &str) -> io::Result<ClientConnection> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned())
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?,
        };
        ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)
    }
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| unusable(path, error))?;
    if read.is_empty() { Err(unusable(path, "no certificate in it")) } else { Ok(read) }
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()))
}

/// Takes the certificates that an authority vouches for, whatever names they are for.
#[derive(Debug)]
struct AnyName {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &self.roots,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
