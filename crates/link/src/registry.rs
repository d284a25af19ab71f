//! Which hosts there are, and who may become one: whoever has servers knows.

use std::net::IpAddr;

use model::HostId;

use crate::message::About;

/// Knows the hosts of an installation, and lets new ones in.
pub trait Registry: Send + Sync + 'static {
    /// Lets a host in that shows a token. One that shows a used token with the key that it was used with is
    /// the same host, whom the answer did not reach. May wait.
    ///
    /// # Errors
    ///
    /// [`EnrolError`]; nothing was changed then.
    fn enrol(&self, newcomer: Newcomer<'_>) -> Result<HostId, EnrolError>;

    /// Whether a host that has joined is one of the installation's, as far as this server knows. Waits for
    /// nothing.
    fn admits(&self, host: &HostId) -> bool;

    /// Takes note of a host that is about to be served, and of what it says of itself. May wait.
    ///
    /// # Errors
    ///
    /// [`NotServed`].
    fn connected(&self, host: &HostId, about: &About, from: IpAddr) -> Result<(), NotServed>;
}

/// Who wants to become a host.
#[derive(Debug, Clone, Copy)]
pub struct Newcomer<'a> {
    /// The hash of the token that it shows.
    pub token: &'a str,
    /// What tells its key from any other.
    pub key: &'a [u8; 32],
    /// What it says of itself.
    pub about: &'a About,
    /// Where it connected from.
    pub from: IpAddr,
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The token is none, or was used by another host.
    #[error(
        "the token is not one of this installation's, or was used; `causeway host:token` makes another"
    )]
    Token,
    /// The token was good once.
    #[error("the token has expired; `causeway host:token` makes another")]
    Expired,
    /// What it says of itself cannot be so, as that another host has its name.
    #[error("{0}")]
    Refused(String),
    /// It cannot be kept.
    #[error("the host cannot be kept: {0}")]
    Store(String),
}

/// Why a host is not served that has a certificate.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// It was removed, by what all servers know.
    #[error("it was removed")]
    Removed,
    /// This server does not lead any more.
    #[error("this server does not lead any more")]
    NotLeading,
    /// It cannot be kept that it is there.
    #[error("it cannot be kept that it is there: {0}")]
    Store(String),
}

/// Random bits of the operating system.
pub(crate) fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has randomness once it runs");
    u128::from_be_bytes(bytes)
}
