//! Which servers are believed to be who they say, over TLS.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use clap::Args;
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::verify_tls13_signature;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use crate::settings::variable;
use crate::usage::usage;

/// The SHA-256 of a certificate, as `serve` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub(crate) fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = String;

    /// Reads 64 hexadecimal digits, with `sha256:` before them or without, and with colons between them
    /// or without, as `openssl` prints them.
    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let digits = lower.strip_prefix("sha256:").unwrap_or(&lower).replace(':', "");
        let wrong = || {
            format!("'{text}' is not a fingerprint: 64 hexadecimal digits, as `serve` prints it")
        };
        let bytes = hex::decode(digits).map_err(|_| wrong())?;
        bytes.try_into().map(Self).map_err(|_| wrong())
    }
}

/// Whom a client believes to be the server, where its address begins with `https://`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TrustArgs {
    /// File with the certificate authorities that vouch for a server over TLS, in PEM; by default those
    /// that this machine trusts [env: CAUSEWAY_CA]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Fingerprint of the server's certificate, as its `causeway serve` prints it; no authority is asked
    /// then [env: CAUSEWAY_FINGERPRINT]
    #[arg(long, global = true, value_name = "sha256:HEX")]
    pub(crate) fingerprint: Option<Fingerprint>,
}

impl TrustArgs {
    /// These, and what they leave open from the environment.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::usage::Usage): a variable that is no fingerprint.
    pub(crate) fn or_variables(&self) -> anyhow::Result<Self> {
        if self.ca.is_some() || self.fingerprint.is_some() {
            return Ok(self.clone());
        }
        let fingerprint = variable("CAUSEWAY_FINGERPRINT")
            .map(|text| text.to_string_lossy().parse())
            .transpose()
            .map_err(|error| usage(format!("CAUSEWAY_FINGERPRINT: {error}")))?;
        Ok(Self { ca: variable("CAUSEWAY_CA").map(PathBuf::from), fingerprint })
    }
}

/// The TLS configuration of clients: they believe who has a certificate of the authorities in a file, or
/// the one certificate of a fingerprint, or else one of an authority that this machine trusts.
///
/// # Errors
///
/// A file that cannot be read, or that holds no certificate.
pub(crate) fn tls(trust: &TrustArgs) -> anyhow::Result<(ClientConfig, Arc<Seen>)> {
    let provider = Arc::new(ring::default_provider());
    let seen = Arc::new(Seen::default());
    let trust = match (trust.fingerprint, trust.ca.as_deref()) {
        (Some(fingerprint), _) => Trust::One(fingerprint),
        (None, Some(file)) => {
            let (roots, named) = of_file(file)?;
            Trust::Authorities(verifier(roots, &provider)?, named)
        }
        (None, None) => Trust::Authorities(verifier(of_this_machine()?, &provider)?, Vec::new()),
    };
    let judge = Judge { trust, provider: Arc::clone(&provider), seen: Arc::clone(&seen) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS cannot be used")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge))
        .with_no_client_auth();
    // Without it a server on this machine would take it for the heroku command.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, seen))
}

/// The TLS configuration of a client that speaks none: it believes nobody.
pub(crate) fn nobody() -> anyhow::Result<ClientConfig> {
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("TLS cannot be used")?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn verifier(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> anyhow::Result<Arc<WebPkiServerVerifier>> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .context("there is no certificate authority to trust")
}

fn of_file(file: &Path) -> anyhow::Result<(RootCertStore, Vec<CertificateDer<'static>>)> {
    let named = || format!("the certificate authorities in {} cannot be used", file.display());
    let (mut roots, mut all) = (RootCertStore::empty(), Vec::new());
    for certificate in CertificateDer::pem_file_iter(file).with_context(named)? {
        let certificate = certificate.with_context(named)?;
        roots.add(certificate.clone()).with_context(named)?;
        all.push(certificate);
    }
    if roots.is_empty() {
        bail!("{} holds no certificate", file.display());
    }
    Ok((roots, all))
}

fn of_this_machine() -> anyhow::Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some machines have old ones that cannot be read.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        bail!(
            "this machine has no certificate authorities: install ca-certificates, or give --ca or \
             --fingerprint"
        );
    }
    Ok(roots)
}

/// The certificate that a server showed last.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Option<CertificateDer<'static>>>);

impl Seen {
    /// Its fingerprint.
    pub(crate) fn last(&self) -> Option<Fingerprint> {
        Some(Fingerprint::of(&self.certificate()?))
    }

    /// The certificate itself, in DER.
    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        self.0.lock().expect("no holder panics").as_ref().map(|shown| shown.to_vec())
    }
}

/// Whether a certificate may be believed, and what it was.
#[derive(Debug)]
struct Judge {
    trust: Trust,
    provider: Arc<CryptoProvider>,
    seen: Arc<Seen>,
}

#[derive(Debug)]
enum Trust {
    /// Who has a certificate of these authorities, or one of these itself.
    Authorities(Arc<WebPkiServerVerifier>, Vec<CertificateDer<'static>>),
    One(Fingerprint),
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint::of(end_entity);
        *self.seen.0.lock().expect("no holder panics") = Some(end_entity.clone().into_owned());
        match &self.trust {
            Trust::One(fingerprint) if *fingerprint == shown => Ok(ServerCertVerified::assertion()),
            Trust::One(wanted) => {
                let other = OtherFingerprint { wanted: *wanted };
                Err(CertificateError::Other(OtherError(Arc::new(other))).into())
            }
            Trust::Authorities(verifier, named) => {
                let verified = verifier.verify_server_cert(
                    end_entity,
                    intermediates,
                    server_name,
                    ocsp_response,
                    now,
                );
                match verified {
                    // As `openssl req -x509` makes them for a server: it is its own authority. That the time is
                    // right was looked at first.
                    Err(error) if is_own_authority(&error) && named.contains(end_entity) => {
                        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                        Ok(ServerCertVerified::assertion())
                    }
                    other => other,
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate is another one than the fingerprint is of.
#[derive(Debug)]
struct OtherFingerprint {
    wanted: Fingerprint,
}

impl std::fmt::Display for OtherFingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the fingerprint that was given is {}, and this is another certificate: it was renewed, or \
             somebody is in between",
            self.wanted
        )
    }
}

impl std::error::Error for OtherFingerprint {}

/// Whether a certificate is refused because it is an authority's.
fn is_own_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(why))) = error else {
        return false;
    };
    why.to_string() == "CaUsedAsEndEntity"
}

/// Why a certificate is not believed, where that is what an error means.
pub(crate) fn distrust(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(Error::InvalidCertificate(why)) = error.downcast_ref() {
        return Some(in_words(why));
    }
    // What an error of IO wraps is not its source, but what that has as its own.
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    wrapped.and_then(|wrapped| distrust(wrapped)).or_else(|| error.source().and_then(distrust))
}

fn in_words(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => {
            "no authority that is trusted here vouches for its certificate".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; look at both clocks".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is not for the name in the address".to_owned()
        }
        CertificateError::Other(_) if is_own_authority(&why.clone().into()) => {
            "its certificate is an authority's own, and is not in the file of --ca".to_owned()
        }
        CertificateError::Other(OtherError(other)) => other.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_they_are_printed() {
        let of = Fingerprint::of(b"a certificate");
        let text = of.to_string();
        assert_eq!(text.parse(), Ok(of));
        let bare = text.strip_prefix("sha256:").unwrap().to_uppercase();
        assert_eq!(bare.parse(), Ok(of));
        let pairs: Vec<_> = bare.as_bytes().chunks(2).map(String::from_utf8_lossy).collect();
        assert_eq!(pairs.join(":").parse(), Ok(of), "as openssl prints it");
        for wrong in ["", "sha256:", "sha1:00", &text[..70], "sha256:zz"] {
            assert!(wrong.parse::<Fingerprint>().unwrap_err().contains("64"), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_believed_is_told_from_what_does_not_answer() {
        use std::io::Error as Io;
        let strange = || Error::from(CertificateError::UnknownIssuer);
        let vouched = Some("no authority that is trusted here vouches for its certificate");
        assert_eq!(distrust(&Io::other(Io::other(strange()))).as_deref(), vouched);
        assert_eq!(distrust(&strange()).as_deref(), vouched);
        assert_eq!(distrust(&Io::other("it is gone")), None);
        assert_eq!(distrust(&Io::other(Error::DecryptError)), None);
        let wanted = Fingerprint::of(b"a");
        let other = OtherError(Arc::new(OtherFingerprint { wanted }));
        let why = distrust(&Error::from(CertificateError::Other(other))).unwrap();
        assert!(why.contains(&wanted.to_string()) && why.contains("another certificate"), "{why}");
    }

    /// A certificate that `openssl req -x509` makes for a server: an authority's own, for a name.
    #[test]
    fn a_certificate_that_is_its_own_authority_is_believed_where_it_is_named() {
        let own = |name: &str| {
            let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap()
        };
        let (ours, other) = (own("cw.example.org"), own("cw.example.org"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), ours.pem()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let (roots, named) = of_file(file.path()).unwrap();
        let trust = Trust::Authorities(verifier(roots, &provider).unwrap(), named);
        let judge = Judge { trust, provider, seen: Arc::default() };
        let verify = |shown: &rcgen::Certificate, name: &'static str, now: UnixTime| {
            let name = ServerName::try_from(name).unwrap();
            judge.verify_server_cert(shown.der(), &[], &name, &[], now).map(drop)
        };
        let now = UnixTime::now();
        verify(&ours, "cw.example.org", now).unwrap();
        let why = |outcome: Result<(), Error>| distrust(&outcome.unwrap_err()).unwrap();
        assert!(why(verify(&ours, "other.example.org", now)).contains("not for the name"));
        assert!(why(verify(&other, "cw.example.org", now)).contains("not in the file of --ca"));
        let later = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1 << 37));
        assert!(why(verify(&ours, "cw.example.org", later)).contains("expired"));
    }

    #[test]
    fn files_without_authorities_are_named() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        let of = |path: &Path| TrustArgs { ca: Some(path.to_owned()), ..TrustArgs::default() };
        let error = tls(&of(empty.path())).unwrap_err().to_string();
        assert!(error.contains(&empty.path().display().to_string()), "{error}");
        let error = tls(&of(Path::new("/nonexistent/ca.pem"))).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error:#}");
    }
}
