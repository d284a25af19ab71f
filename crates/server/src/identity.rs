//! By which certificate clients of other machines know this server.

use std::sync::Arc;

use link::Validity;
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::ClientHello;

use crate::acme::{Certificates, Offer, PROOF};

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// From two files that the operator sees to.
    Files(Arc<edge::Identity>),
    /// From an ACME server.
    Acme(Arc<Certificates>),
}

impl Identity {
    /// What a greeting is answered with now.
    pub(crate) fn offer(&self, hello: &ClientHello<'_>) -> Offer {
        match self {
            Self::Files(files) => Offer::Serve(files.config()),
            Self::Acme(certificates) => {
                let proves = hello.alpn().is_some_and(|mut it| it.any(|name| name == PROOF));
                certificates.offer(hello.server_name(), proves)
            }
        }
    }

    /// The certificate that is shown now, for people; `None` before the first one.
    pub(crate) fn shown(&self) -> Option<api::TlsCertificate> {
        let leaf = self.leaf()?;
        Some(api::TlsCertificate {
            file: match self {
                Self::Files(files) => Some(files.file().display().to_string()),
                Self::Acme(_) => None,
            },
            fingerprint: format!("sha256:{}", hex::encode(Sha256::digest(&leaf))),
            valid_until: Validity::of(&leaf).map(|validity| validity.until),
        })
    }

    /// The certificate itself, in DER, as it is now; `None` before the first one.
    pub(crate) fn leaf(&self) -> Option<CertificateDer<'static>> {
        match self {
            Self::Files(files) => {
                // Looks at the files, also where nobody connects.
                let _ = files.config();
                Some(files.leaf())
            }
            Self::Acme(certificates) => certificates.leaf(),
        }
    }
}
