//! The authority that says who a server and who a host is.
//!
//! Its key follows from the installation's key, as that of the certificates for `heroku run` does: so
//! nothing else is to be kept secret, backed up, or shared among servers.

use std::time::Duration;

use model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, SanType, SerialNumber, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::identity::{HostId, SERVER_NAME, uri_of};
use crate::request::ProvedKey;
use crate::token::Fingerprint;

/// What the key of the authority is derived for, from the installation's key.
pub const PURPOSE: &str = "agents-authority";

/// How far a clock may be behind that of whoever made a certificate.
const SKEW: Duration = Duration::from_secs(24 * 3600);

/// An authority.
#[derive(Debug)]
pub struct Authority {
    params: CertificateParams,
    key: KeyPair,
    certificate: CertificateDer<'static>,
}

/// A certificate that cannot be made, which no input can cause.
#[derive(Debug, thiserror::Error)]
#[error("a certificate cannot be made")]
pub struct AuthorityError(#[from] rcgen::Error);

impl Authority {
    /// The one that follows from 32 secret bytes: the same whenever it is made.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub fn of_seed(seed: &[u8; 32]) -> Result<Self, AuthorityError> {
        // The fixed beginning of an Ed25519 key in PKCS #8 (RFC 8410 §7), before the key itself.
        const HEAD: [u8; 16] = [
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        let pkcs8 = PrivatePkcs8KeyDer::from([&HEAD[..], seed].concat());
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ED25519)?;
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2026, 1, 1);
        // It has no end of its own (RFC 5280 §4.1.2.5).
        params.not_after = date_time_ymd(9999, 12, 31);
        params.serial_number = Some(SerialNumber::from(1));
        params.distinguished_name.push(DnType::CommonName, "Causeway hosts");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { params, key, certificate })
    }

    /// Its certificate, in DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What tells it from any other.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// The certificate of a host, in DER.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub fn host_certificate(
        &self,
        host: &HostId,
        key: &ProvedKey,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        let mut params = leaf(&host.to_string(), now, lifetime);
        params.subject_alt_names = vec![SanType::URI(uri_of(*host).try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(params.signed_by(key, &self.issuer())?.der().clone())
    }

    /// The certificate of a server, with a key that is never stored.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub(crate) fn server_certificate(
        &self,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = leaf(SERVER_NAME, now, lifetime);
        params.subject_alt_names = vec![SanType::DnsName(SERVER_NAME.try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer())?.der().clone();
        Ok((certificate, PrivateKeyDer::Pkcs8(key.serialize_der().into())))
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }
}

fn leaf(name: &str, now: Timestamp, lifetime: Duration) -> CertificateParams {
    let since_epoch = Duration::from_millis(u64::try_from(now.millis()).unwrap_or(0));
    let now = date_time_ymd(1970, 1, 1) + since_epoch;
    let mut params = CertificateParams::default();
    params.not_before = now - SKEW;
    params.not_after = now + lifetime;
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

/// Writes a certificate as PEM.
pub(crate) fn to_pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.extend([line, "\n"]);
        rest = more;
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// Reads one certificate from PEM.
pub(crate) fn from_pem(pem: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::host_of;
    use crate::request::NewKey;

    #[test]
    fn an_authority_is_the_same_whenever_it_is_made() {
        let (one, two) = (Authority::of_seed(&[1; 32]).unwrap(), Authority::of_seed(&[1; 32]));
        assert_eq!(one.fingerprint(), two.unwrap().fingerprint());
        assert_ne!(one.fingerprint(), Authority::of_seed(&[2; 32]).unwrap().fingerprint());
        let pem = to_pem(one.certificate());
        assert_eq!(from_pem(&pem).as_ref(), Some(one.certificate()));
        assert!(pem.lines().all(|line| line.len() <= 64));
    }

    #[test]
    fn a_host_s_certificate_says_which_host_it_is_and_for_how_long() {
        let authority = Authority::of_seed(&[1; 32]).unwrap();
        let key = ProvedKey::of_request(&NewKey::generate().unwrap().request).unwrap();
        let (host, now) =
            (HostId::fresh(&mut model::Sequence(5)), "2026-12-01T00:00:00Z".parse().unwrap());
        let lifetime = Duration::from_secs(90 * 24 * 3600);
        let certificate = authority.host_certificate(&host, &key, now, lifetime).unwrap();
        assert_eq!(host_of(&certificate), Some(host));
        let validity = crate::Validity::of(&certificate).unwrap();
        assert_eq!((validity.from, validity.until), (now - SKEW, now + lifetime));
        assert!(validity.renewal() > now && validity.renewal() < now + lifetime);
        let (server, _) = authority.server_certificate(now, lifetime).unwrap();
        assert_eq!(host_of(&server), None);
        assert_eq!(host_of(authority.certificate()), None);
        for end in 0..certificate.len() {
            let _ = host_of(&certificate[..end]);
        }
    }
}
