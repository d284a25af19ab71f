//! By which certificate clients of other machines know this server.

use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::ClientHello;

use crate::acme::Certificates;

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// From two files that the operator sees to.
    Files(Arc<edge::Identity>),
    /// From an ACME server.
    Acme(Arc<Certificates>),
}

/// What a client's greeting is answered with.
pub(crate) enum Offer {
    /// The certificate, and then HTTP.
    Serve(Arc<ServerConfig>),
    /// What proves to an ACME server whose name this is. Nothing comes after the handshake.
    Prove(Arc<ServerConfig>),
    /// The end of the connection.
    Refuse(Alert),
}

/// Why there is no connection, in the numbers of RFC 8446 §6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Alert {
    /// There is no certificate to show so far.
    InternalError = 80,
    /// The client asks for a name that is another server's.
    UnrecognizedName = 112,
}

impl Alert {
    /// The record that says so.
    pub(crate) const fn record(self) -> [u8; 7] {
        const ALERT: u8 = 21;
        const FATAL: u8 = 2;
        [ALERT, 3, 3, 0, 2, FATAL, self as u8]
    }
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

/// The protocol by which an ACME server asks for the proof (RFC 8737).
pub(crate) const PROOF: &[u8] = b"acme-tls/1";
