//! Certificates that the installation issues itself, for its own clients to trust.
//!
//! A certificate authority is derived from the installation's key and the number of a period, so
//! nothing else has to be stored. Each authority is valid for two periods and signs in the first of
//! them, so a client that trusts this period's and the next one's always trusts the current one. An
//! authority is constrained to the addresses of this machine, so trusting it is no risk for other
//! connections.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::Timestamp;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ED25519,
    SerialNumber, date_time_ymd,
};
use store::Secret;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The period for which one authority signs.
const PERIOD: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long a server certificate is valid, and how long the server uses it.
const GOOD_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
const USED_FOR: Duration = Duration::from_secs(15 * 24 * 3600);

/// An error of the libraries that make certificates.
pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;

/// The certificate in use, and the file of its authorities.
#[derive(Default)]
pub(super) struct Certificates {
    file: Option<PathBuf>,
    used: Mutex<Option<Used>>,
}

struct Used {
    since: Timestamp,
    config: Arc<ServerConfig>,
}

impl Certificates {
    pub(super) fn keeping(file: PathBuf) -> Self {
        Self { file: Some(file), used: Mutex::default() }
    }

    /// The authorities that a client must trust, in PEM, and the file that has them. Writes the
    /// file if its content is another.
    pub(super) fn authorities(
        &self,
        secret: &Secret,
        wall: Timestamp,
    ) -> (String, Option<PathBuf>) {
        let pem = match bundle(secret, wall) {
            Ok(pem) => pem,
            Err(error) => {
                tracing::error!(error, "the certificates of this installation cannot be made");
                return (String::new(), None);
            }
        };
        let kept = self.file.as_ref().filter(|file| {
            keep(file, &pem)
                .inspect_err(|error| {
                    let file = file.display();
                    tracing::error!(%error, "{file} cannot be written, so `heroku run` cannot verify this server");
                })
                .is_ok()
        });
        (pem, kept.cloned())
    }

    /// The TLS configuration with the current certificate.
    ///
    /// # Errors
    ///
    /// The cryptographic library refuses, which no input can cause.
    pub(crate) fn current(
        &self,
        secret: &Secret,
        wall: Timestamp,
    ) -> Result<Arc<ServerConfig>, Error> {
        let mut used = self.used.lock().expect("no holder panics");
        if let Some(used) = &*used
            && used.since <= wall
            && wall < used.since + USED_FOR
        {
            return Ok(Arc::clone(&used.config));
        }
        let config = Arc::new(server_config(secret, wall)?);
        *used = Some(Used { since: wall, config: Arc::clone(&config) });
        drop(used);
        // A new period may have begun.
        self.authorities(secret, wall);
        Ok(config)
    }
}

/// Writes a world-readable file, unless it has the same content already.
fn keep(file: &Path, pem: &str) -> std::io::Result<()> {
    if fs::read(file).is_ok_and(|kept| kept == pem.as_bytes()) {
        return Ok(());
    }
    let partial = file.with_extension("pem.partial");
    fs::File::create(&partial)?.write_all(pem.as_bytes())?;
    fs::rename(partial, file)
}

fn period(wall: Timestamp) -> u32 {
    let millis = u128::try_from(wall.millis()).unwrap_or(0);
    u32::try_from(millis / PERIOD.as_millis()).unwrap_or(u32::MAX - 2)
}

/// This period's authority and the next one's.
fn bundle(secret: &Secret, wall: Timestamp) -> Result<String, Error> {
    let now = period(wall);
    let mut text =
        "# Whoever trusts these trusts this installation of Causeway to be itself on this\n\
                    # machine's own addresses, and nobody for anything else.\n"
            .to_owned();
    for period in [now, now + 1] {
        let (params, key) = authority(secret, period)?;
        text.push_str(&params.self_signed(&key)?.pem());
    }
    Ok(text)
}

/// The parameters of an authority, and its key.
fn authority(secret: &Secret, period: u32) -> Result<(CertificateParams, KeyPair), Error> {
    // The fixed beginning of an Ed25519 key in PKCS #8 (RFC 8410 §7), before the key itself.
    const HEAD: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let seed = secret.derive("certificate-authority", &period.to_string());
    let pkcs8 = [&HEAD[..], &seed].concat();
    let key =
        KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), &PKCS_ED25519)?;
    let epoch = date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.not_before = epoch + (PERIOD * period).saturating_sub(DAY);
    params.not_after = epoch + PERIOD * (period + 2);
    params.serial_number = Some(SerialNumber::from(u64::from(period)));
    let name = hex::encode(&secret.derive("certificate-authority-name", "")[..4]);
    params
        .distinguished_name
        .push(DnType::CommonName, format!("Causeway installation {name}, authority {period}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let mut here = [0; 16];
    here[15] = 1;
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::V4([127, 0, 0, 1], [255; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6(here, [255; 16])),
        ],
        excluded_subtrees: Vec::new(),
    });
    Ok((params, key))
}

fn server_config(secret: &Secret, wall: Timestamp) -> Result<ServerConfig, Error> {
    let (certificate, key) = leaf(secret, wall)?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok(config)
}

/// The server's certificate, with a key that is never stored.
fn leaf(secret: &Secret, wall: Timestamp) -> Result<(Certificate, KeyPair), Error> {
    let (authority, authority_key) = authority(secret, period(wall))?;
    let issuer = Issuer::from_params(&authority, authority_key);
    let key = KeyPair::generate()?;
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let mut params = CertificateParams::new(names)?;
    let since_epoch = Duration::from_millis(u64::try_from(wall.millis()).unwrap_or(0));
    let now = date_time_ymd(1970, 1, 1) + since_epoch;
    params.not_before = now - DAY;
    params.not_after = now + GOOD_FOR;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok((params.signed_by(&key, &issuer)?, key))
}

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::RootCertStore;
    use tokio_rustls::rustls::client::WebPkiServerVerifier;
    use tokio_rustls::rustls::client::danger::ServerCertVerifier;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;

    fn secret() -> Secret {
        let dir = tempfile::tempdir().unwrap();
        store::DataDir::open(dir.path()).unwrap().secret().clone()
    }

    fn at(date: &str) -> Timestamp {
        format!("{date}T12:00:00Z").parse().unwrap()
    }

    /// Whether a client that trusts a bundle accepts a certificate for a name.
    fn trusted(
        bundle: &str,
        certificate: &CertificateDer<'_>,
        name: &str,
        when: Timestamp,
    ) -> bool {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(authority.unwrap()).unwrap();
        }
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let seconds = u64::try_from(when.millis()).unwrap() / 1000;
        let when = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(certificate, &[], &name, &[], when).is_ok()
    }

    #[test]
    fn the_server_is_trusted_on_this_machine_s_own_addresses_alone() {
        let (another, secret, now) = (secret(), secret(), at("2026-11-30"));
        let bundle = bundle(&secret, now).unwrap();
        let (certificate, _) = leaf(&secret, now).unwrap();
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert!(trusted(&bundle, certificate.der(), name, now), "{name}");
        }
        for name in ["example.com", "127.0.0.2"] {
            assert!(!trusted(&bundle, certificate.der(), name, now), "{name}");
        }
        let (foreign, _) = leaf(&another, now).unwrap();
        assert!(!trusted(&bundle, foreign.der(), "localhost", now), "another installation's");
    }

    #[test]
    fn an_authority_vouches_for_no_other_name() {
        let (secret, now) = (secret(), at("2026-11-30"));
        let (params, key) = authority(&secret, period(now)).unwrap();
        let issuer = Issuer::from_params(&params, key);
        for name in ["api.heroku.com", "evil.localhost.example", "10.0.0.1"] {
            let forged = CertificateParams::new(vec![name.to_owned()]).unwrap();
            let forged = forged.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
            assert!(!trusted(&bundle(&secret, now).unwrap(), forged.der(), name, now), "{name}");
        }
    }

    #[test]
    fn what_was_trusted_once_is_good_for_a_year_and_more_whatever_was_renewed() {
        let secret = secret();
        let first = at("2026-01-10");
        let kept = bundle(&secret, first).unwrap();
        assert_eq!(kept, bundle(&secret, first + DAY).unwrap(), "nothing in it is by chance");
        for days in (0..500).step_by(5) {
            let now = first + DAY * days;
            let (certificate, _) = leaf(&secret, now).unwrap();
            let last = now + USED_FOR;
            for when in [now, last] {
                assert!(trusted(&kept, certificate.der(), "127.0.0.1", when), "after {days} days");
            }
            let fresh = bundle(&secret, now).unwrap();
            assert!(trusted(&fresh, certificate.der(), "127.0.0.1", last), "after {days} days");
        }
    }

    #[test]
    fn a_certificate_is_renewed_in_time_and_the_file_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let (secret, now) = (secret(), at("2026-11-30"));
        let certificates = Certificates::keeping(file.clone());
        let first = certificates.current(&secret, now).unwrap();
        let kept = fs::read_to_string(&file).unwrap();
        assert_eq!(kept, bundle(&secret, now).unwrap());
        assert!(!kept.contains("PRIVATE"), "no key is in it");
        let same = certificates.current(&secret, now + DAY).unwrap();
        assert!(Arc::ptr_eq(&first, &same));
        let renewed = certificates.current(&secret, now + PERIOD).unwrap();
        assert!(!Arc::ptr_eq(&first, &renewed));
        assert_eq!(fs::read_to_string(&file).unwrap(), bundle(&secret, now + PERIOD).unwrap());
        // A clock that was ahead is set back.
        assert!(!Arc::ptr_eq(&renewed, &certificates.current(&secret, now).unwrap()));
    }
}
