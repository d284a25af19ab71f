//! The certificate in use, and the proofs that an ACME server asks for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use link::Validity;
use model::Timestamp;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::failure::Error;
use super::keep::{Keep, Kept};
use super::offer::{Alert, Offer, PROOF};
use crate::config::AcmeConfig;

/// What the listener shows, and what is known of it.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(super) config: AcmeConfig,
    pub(super) keep: Keep,
    state: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    current: Option<Current>,
    /// What proves that a name is this server's, while it is asked for.
    proofs: BTreeMap<String, Arc<ServerConfig>>,
    failing: Option<String>,
}

#[derive(Debug)]
struct Current {
    names: Vec<String>,
    /// Whether it is what was configured, and not of other names or of another server.
    wanted: bool,
    validity: Validity,
    config: Arc<ServerConfig>,
    leaf: CertificateDer<'static>,
}

impl Certificates {
    /// Those of a data directory. A certificate that cannot be read counts as none.
    pub(crate) fn open(data: &Path, config: AcmeConfig) -> Self {
        let keep = Keep::at(data);
        let current = keep.certificate().and_then(|kept| {
            current(&kept, &config)
                .inspect_err(|error| tracing::warn!(error, "the kept certificate is of no use"))
                .ok()
        });
        Self { config, keep, state: Mutex::new(Shown { current, ..Shown::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, Shown> {
        self.state.lock().expect("no holder panics")
    }

    /// What a greeting is answered with that asks for a name, or for a proof.
    pub(crate) fn offer(&self, name: Option<&str>, proves: bool) -> Offer {
        let state = self.state();
        let name = name.map(str::to_ascii_lowercase);
        if proves {
            let proof = name.and_then(|name| state.proofs.get(&name).cloned());
            return proof.map_or(Offer::Refuse(Alert::UnrecognizedName), Offer::Prove);
        }
        let Some(current) = &state.current else { return Offer::Refuse(Alert::InternalError) };
        match name {
            Some(name) if !current.names.contains(&name) => Offer::Refuse(Alert::UnrecognizedName),
            // Without a name it is asked for by an address, by whoever knows its fingerprint.
            _ => Offer::Serve(Arc::clone(&current.config)),
        }
    }

    /// The certificate itself, in DER.
    pub(crate) fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.state().current.as_ref().map(|current| current.leaf.clone())
    }

    /// How they fare, for the operator.
    pub(crate) fn status(&self) -> api::ServerCertificate {
        let state = self.state();
        api::ServerCertificate {
            names: self.config.names.clone(),
            valid_until: state.current.as_ref().map(|current| current.validity.until),
            failing: state.failing.clone(),
        }
    }

    /// When to ask for the next one; `None` for at once.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let state = self.state();
        let current = state.current.as_ref().filter(|current| current.wanted)?;
        Some(current.validity.renewal())
    }

    /// Shows another proof for a name.
    pub(super) fn prove(&self, name: &str, proof: Arc<ServerConfig>) {
        self.state().proofs.insert(name.to_ascii_lowercase(), proof);
    }

    /// Keeps another certificate, and shows it from now on. Gives back for how long it is valid.
    pub(super) fn replace(&self, kept: &Kept) -> Result<Duration, Error> {
        let current = current(kept, &self.config)?;
        let lifetime = current.validity.lifetime();
        self.keep.set_certificate(kept)?;
        let mut state = self.state();
        state.failing = None;
        state.current = Some(current);
        Ok(lifetime)
    }

    /// Takes note of an attempt that failed.
    pub(super) fn failed(&self, why: String) {
        self.state().failing = Some(why);
    }

    /// Shows no proofs any more.
    pub(super) fn forget_proofs(&self) {
        self.state().proofs.clear();
    }
}

/// What is shown of a certificate that was kept.
fn current(kept: &Kept, config: &AcmeConfig) -> Result<Current, Error> {
    let chain =
        CertificateDer::pem_slice_iter(kept.chain.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let leaf = chain.first().ok_or("it holds no certificate")?.clone();
    let validity = Validity::of(&leaf).ok_or("its times cannot be read")?;
    let key = PrivateKeyDer::from_pem_slice(kept.key.as_bytes())?;
    Ok(Current {
        names: kept.names.clone(),
        wanted: kept.names == config.names && kept.directory == config.directory,
        validity,
        config: Arc::new(served(chain, key, &[b"h2", b"http/1.1"])?),
        leaf,
    })
}

/// What is served by a certificate, under some protocols.
fn served(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    protocols: &[&[u8]],
) -> Result<ServerConfig, Error> {
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    server.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(server)
}

/// What proves that a name is this server's: a certificate of its own with a digest in it.
pub(super) fn proof(name: &str, digest: &[u8; 32]) -> Result<ServerConfig, Error> {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(digest)];
    let key = rcgen::KeyPair::generate()?;
    let chain = vec![params.self_signed(&key)?.der().clone()];
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    // Unchecked: whoever checks certificates for HTTP refuses the extension that holds the digest.
    let pair = CertifiedKey::new(chain, ring::sign::any_supported_type(&key)?);
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    server.alpn_protocols = vec![PROOF.to_vec()];
    Ok(server)
}
