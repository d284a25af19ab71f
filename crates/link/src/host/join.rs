//! How a host joins: it shows its token to the one server that the token is of, and becomes its own
//! certificate.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio_rustls::rustls::{CertificateError, Error as RustlsError};

use super::connect::{authority_of, connect};
use crate::authority::from_pem;
use crate::frame::{self, FrameError, MOST_BYTES_OF_STRANGERS, Reader};
use crate::hub::Pulse;
use crate::identity::{HostId, host_of};
use crate::keep::{Identity, Keep, KeepError};
use crate::message::{About, Join, Joined, Refusal, ToHost, ToServer, Versions};
use crate::request::NewKey;
use crate::tls::{self, TlsError};
use crate::token::{Fingerprint, JoinToken};

/// What a host joins with.
#[derive(Debug)]
pub struct JoinParts<'a> {
    /// The addresses of servers, such as `https://cw.example.org:4882`: one that can be reached is
    /// asked.
    pub servers: &'a [String],
    /// What lets it in.
    pub token: &'a JoinToken,
    /// What it says of itself.
    pub about: &'a About,
    /// What it keeps.
    pub keep: &'a Keep,
    /// What it speaks.
    pub versions: Versions,
}

/// Why a host did not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The address is none.
    #[error("'{0}' is not the address of a server; one is like https://cw.example.org:4882")]
    Address(String),
    /// It has joined already.
    #[error("this host has joined already, as {0}; for another installation, name another --data")]
    Already(HostId),
    /// The server is not the one that the token is of.
    #[error(
        "{server} is not the server that the token is of: its authority is another than {authority}; \
         nothing was sent to it"
    )]
    OtherServer {
        /// Its address.
        server: String,
        /// The authority that the token names.
        authority: Fingerprint,
    },
    /// The server cannot be reached.
    #[error("{server} cannot be reached")]
    Unreachable {
        /// Its address.
        server: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The server said something else than it is to say.
    #[error("{server} did not answer as a server of Causeway does")]
    Answer {
        /// Its address.
        server: String,
        /// How.
        #[source]
        source: FrameError,
    },
    /// The server gave something that cannot be used.
    #[error("{0} gave a certificate that cannot be used")]
    Certificate(String),
    /// The server refused.
    #[error("the server refused: {}", .0.message)]
    Refused(Refusal),
    /// A key cannot be made.
    #[error("a key cannot be made")]
    Key(#[from] rcgen::Error),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// What it keeps cannot be used.
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// Joins. One whose answer was lost may be tried again with the same token.
///
/// # Errors
///
/// [`JoinError`].
pub async fn join(parts: JoinParts<'_>) -> Result<Identity, JoinError> {
    let JoinParts { servers, token, about, keep, versions } = parts;
    let address =
        |server: &String| authority_of(server).ok_or_else(|| JoinError::Address(server.to_owned()));
    let addresses = servers.iter().map(address).collect::<Result<Vec<_>, _>>()?;
    if let Some(identity) = keep.identity()? {
        return Err(JoinError::Already(identity.host));
    }
    let key = match keep.joining()? {
        Some(key) => NewKey::of_pem(&key)?,
        None => {
            let new = NewKey::generate()?;
            keep.set_joining(&new.key)?;
            new
        }
    };
    let mut answer = Err(JoinError::Address(String::new()));
    let mut server = "";
    for (address, url) in addresses.iter().zip(servers) {
        server = url;
        answer = ask(address, url, token, about, versions, &key).await;
        match &answer {
            Err(JoinError::Unreachable { source, .. }) => {
                tracing::warn!(server, "a server cannot be reached: {source}");
            }
            Err(JoinError::Answer { source, .. }) => {
                tracing::warn!(server, "a server gave no answer: {source}");
            }
            _ => break,
        }
    }
    let joined = answer?;
    let certificate = from_pem(&joined.certificate);
    let usable = certificate.is_some_and(|it| host_of(&it) == Some(joined.host))
        && from_pem(&joined.authority).is_some_and(|it| Fingerprint::of(&it) == token.authority);
    if !usable {
        return Err(JoinError::Certificate(server.to_owned()));
    }
    let identity = Identity {
        host: joined.host,
        servers: addresses,
        told: joined.servers,
        authority: joined.authority,
        certificate: joined.certificate,
        key: key.key,
        about: about.clone(),
        settings: joined.settings,
    };
    keep.set_identity(&identity)?;
    keep.end_joining();
    Ok(identity)
}

async fn ask(
    address: &str,
    server: &str,
    token: &JoinToken,
    about: &About,
    versions: Versions,
    key: &NewKey,
) -> Result<Joined, JoinError> {
    let server = || server.to_owned();
    let config = tls::of_stranger(token.authority)?;
    let stream = connect(address, config).await.map_err(|source| {
        if is_other_authority(&source) {
            JoinError::OtherServer { server: server(), authority: token.authority }
        } else {
            JoinError::Unreachable { server: server(), source }
        }
    })?;
    let (read, mut write) = tokio::io::split(stream);
    let join = ToServer::Join(Box::new(Join {
        versions,
        secret: token.secret(),
        request: STANDARD.encode(&key.request),
        about: about.clone(),
    }));
    let answer = async {
        frame::write(&mut write, &join, MOST_BYTES_OF_STRANGERS).await?;
        Reader::new(read, MOST_BYTES_OF_STRANGERS).next(Pulse::default().silence).await
    };
    match answer.await.map_err(|source| JoinError::Answer { server: server(), source })? {
        ToHost::Joined(joined) => Ok(*joined),
        ToHost::Refused(refusal) => Err(JoinError::Refused(refusal)),
        _ => Err(JoinError::Answer { server: server(), source: FrameError::Closed }),
    }
}

/// Whether a server was not believed to be the one that is meant.
fn is_other_authority(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>());
    matches!(inner, Some(RustlsError::InvalidCertificate(CertificateError::UnknownIssuer)))
}
