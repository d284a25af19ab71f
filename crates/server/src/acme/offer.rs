//! What a TLS greeting is answered with.

use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;

/// The protocol by which an ACME server asks for the proof (RFC 8737).
pub(crate) const PROOF: &[u8] = b"acme-tls/1";

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
