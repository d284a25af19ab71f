//! Certificates from an ACME server (RFC 8555), such as Let's Encrypt.
//!
//! Names are proved on the listener itself (TLS-ALPN-01, RFC 8737), so it needs no other port. The account
//! and the certificate are kept in the data directory: a start asks for nothing that is there. What fails
//! is tried again, with the certificate before it in use meanwhile.

mod client;
mod keep;
mod order;
mod validity;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use model::Timestamp;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

use self::keep::{Keep, Kept};
use self::validity::{Validity, millis};
use crate::clock::Clock;
use crate::config::AcmeConfig;
use crate::identity::{Alert, Offer, PROOF};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How often the clock is looked at while a certificate is good: somebody may set it.
const LOOK: Duration = Duration::from_secs(3600);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(300);

/// What the listener shows, and what is known of it.
#[derive(Debug)]
pub(crate) struct Certificates {
    config: AcmeConfig,
    keep: Keep,
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
    fn due(&self) -> Option<Timestamp> {
        let state = self.state();
        let current = state.current.as_ref().filter(|current| current.wanted)?;
        Some(current.validity.renewal())
    }

    /// Shows another proof for a name.
    fn prove(&self, name: &str, proof: Arc<ServerConfig>) {
        self.state().proofs.insert(name.to_ascii_lowercase(), proof);
    }

    /// Asks for a certificate once, keeps it and shows it. Gives back how long it is valid.
    async fn renew(&self) -> Result<Duration, Error> {
        let asked = tokio::time::timeout(ATTEMPT, order::obtain(&self.config, &self.keep, self));
        let asked = asked.await.map_err(|_| "the ACME server takes too long".into());
        self.state().proofs.clear();
        let kept = asked.and_then(|kept| kept)?;
        let current = current(&kept, &self.config)?;
        let lifetime = current.validity.lifetime();
        self.keep.set_certificate(&kept)?;
        let mut state = self.state();
        state.failing = None;
        state.current = Some(current);
        Ok(lifetime)
    }
}

/// Sees to it that there is a certificate, until it is told to stop.
pub(crate) async fn run(
    certificates: Arc<Certificates>,
    clock: Arc<Clock>,
    stop: CancellationToken,
) {
    let renewing = async {
        let mut failures = 0;
        loop {
            let wait = certificates
                .due()
                .map_or(0, |due| due.millis().saturating_sub(clock.wall().millis()));
            if wait > 0 {
                tokio::time::sleep(millis(wait).min(LOOK)).await;
                continue;
            }
            let names = certificates.config.names.join(", ");
            let pause = match certificates.renew().await {
                Ok(lifetime) => {
                    failures = 0;
                    tracing::info!(names, "there is a new certificate");
                    // By a clock that is wrong it may be due already: nobody is asked without end.
                    lifetime / 3
                }
                Err(error) => {
                    failures += 1;
                    let (error, pause) = (words(&*error), pause(failures, chance()));
                    let seconds = pause.as_secs();
                    tracing::error!(names, error, seconds, "no new certificate; it is tried again");
                    certificates.state().failing = Some(error);
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = renewing => {}
        () = stop.cancelled() => {}
    }
}

/// How long to wait after some failures: from a minute to six hours, and up to a quarter more by chance, so
/// that many servers do not come back at once.
fn pause(failures: u32, chance: u8) -> Duration {
    const FIRST: u64 = 60;
    const LONGEST: u64 = 6 * 3600;
    let factor = 4u64.saturating_pow(failures.saturating_sub(1));
    let pause = Duration::from_secs(FIRST.saturating_mul(factor).min(LONGEST));
    pause + pause * u32::from(chance) / 1024
}

fn chance() -> u8 {
    let mut byte = [0];
    // Without chance all wait for the same time, which is no harm.
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

/// An error with what caused it.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut said: Vec<String> = Vec::new();
    for cause in causes.map(ToString::to_string) {
        // Some say the cause themselves.
        if !said.last().is_some_and(|last| last.contains(&cause)) {
            said.push(cause);
        }
    }
    said.join(": ")
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
fn proof(name: &str, digest: &[u8; 32]) -> Result<ServerConfig, Error> {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(digest)];
    let key = rcgen::KeyPair::generate()?;
    let chain = vec![params.self_signed(&key)?.der().clone()];
    served(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()), &[PROOF])
}

#[cfg(test)]
mod tests;
