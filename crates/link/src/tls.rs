//! TLS between hosts and servers: both show certificates of one authority, and trust no other.
//!
//! A host that joins has no certificate yet. It knows the authority by the fingerprint in its token.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::Timestamp;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject,
};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};

use crate::authority::{Authority, AuthorityError};
use crate::identity::SERVER_NAME;
use crate::token::Fingerprint;

/// What both ends say that they speak, so that nothing else is taken for it.
const PROTOCOL: &[u8] = b"causeway-agents";
/// How long the certificate of a server is valid, and how long it is used.
const GOOD_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
const USED_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Why a connection cannot be made ready for TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate cannot be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// TLS cannot be set up with what there is.
    #[error("TLS cannot be set up")]
    Config(#[source] Error),
    /// A certificate or a key cannot be read.
    #[error("the certificate or its key cannot be read")]
    Unreadable,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn roots(authority: &CertificateDer<'_>) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned())?;
    Ok(Arc::new(roots))
}

/// What the name is by which every server is known.
pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::try_from(SERVER_NAME).expect("it is a name of DNS")
}

/// The server's side.
#[derive(Debug)]
pub(crate) struct ServerTls {
    authority: Arc<Authority>,
    used: Mutex<Option<(Timestamp, Arc<ServerConfig>)>>,
}

impl ServerTls {
    pub(crate) fn new(authority: Arc<Authority>) -> Self {
        Self { authority, used: Mutex::default() }
    }

    /// What the next connection is accepted with. The certificate is another one every 30 days.
    pub(crate) fn config(&self, now: Timestamp) -> Result<Arc<ServerConfig>, TlsError> {
        let mut used = self.used.lock().expect("no holder panics");
        if let Some((since, config)) = &*used
            && *since <= now
            && now < *since + USED_FOR
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.make(now)?);
        *used = Some((now, Arc::clone(&config)));
        Ok(config)
    }

    fn make(&self, now: Timestamp) -> Result<ServerConfig, TlsError> {
        let authority = self.authority.certificate();
        let roots = roots(authority).map_err(TlsError::Config)?;
        let hosts = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .allow_unauthenticated()
            .build()
            .map_err(|error| TlsError::Config(Error::General(error.to_string())))?;
        let (certificate, key) = self.authority.server_certificate(now, GOOD_FOR)?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Config)?
            .with_client_cert_verifier(hosts)
            // With the authority: a host that joins knows its fingerprint alone.
            .with_single_cert(vec![certificate, authority.clone()], key)
            .map_err(TlsError::Config)?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // A host that was removed is not to come back by a ticket of an earlier session.
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// The side of a host that has a certificate and its key, in PEM.
pub(crate) fn of_host(
    authority: &str,
    certificate: &str,
    key: &str,
) -> Result<Arc<ClientConfig>, TlsError> {
    let pem = |text: &str| CertificateDer::from_pem_slice(text.as_bytes());
    let authority = pem(authority).map_err(|_| TlsError::Unreadable)?;
    let certificate = pem(certificate).map_err(|_| TlsError::Unreadable)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| TlsError::Unreadable)?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Config)?
        .with_root_certificates(roots(&authority).map_err(TlsError::Config)?)
        .with_client_auth_cert(vec![certificate], key)
        .map_err(TlsError::Config)?;
    Ok(named(config))
}

/// The side of a host that has no certificate yet.
pub(crate) fn of_stranger(authority: Fingerprint) -> Result<Arc<ClientConfig>, TlsError> {
    let pinned = Pinned { authority, provider: provider() };
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Config)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    Ok(named(config))
}

fn named(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Arc::new(config)
}

/// Trusts the one authority that has a fingerprint, which the server shows beside its own certificate.
#[derive(Debug)]
struct Pinned {
    authority: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = |shown: &&CertificateDer<'_>| Fingerprint::of(shown) == self.authority;
        let authority = intermediates.iter().find(pinned);
        let authority =
            authority.ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(roots(authority)?, provider)
            .build()
            .map_err(|error| Error::General(error.to_string()))?
            .verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
