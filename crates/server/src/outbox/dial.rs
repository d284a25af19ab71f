//! Connections to where webhooks and log drains lead, to none but addresses that may be reached.
//!
//! A name is looked up here, and the connection is made to an address that was judged: so nothing that the
//! name says a moment later can lead elsewhere. No proxy is used, and no redirection is followed.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use model::{Destination, IpCidr, Reachable};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// How long looking up a name, connecting and the TLS handshake may take, each.
const TO_CONNECT: Duration = Duration::from_secs(5);
/// How long a request may take in all once there is a connection.
const TO_ANSWER: Duration = Duration::from_secs(10);
/// How many addresses of a name are tried.
const MOST_ADDRESSES: usize = 3;

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why something could not be sent. The text is for whoever chose the address: it says nothing of what
/// is on the way.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The name leads nowhere.
    #[error("the name {0} cannot be resolved")]
    NoName(String),
    /// The name leads only to what may not be reached.
    #[error("the address may not be reached from here; the operator may allow it (webhook-allow)")]
    Forbidden,
    /// There is no connection.
    #[error("no connection: {}", .0.kind())]
    Connect(io::Error),
    /// The handshake failed.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// It took too long.
    #[error("no answer in time")]
    Late,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Dialer {
    reachable: Reachable,
    /// The certificate authorities of this machine, read when they are first needed.
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Dialer {
    pub(super) fn new(reachable: Reachable) -> Self {
        Self { reachable, tls: Arc::default() }
    }

    /// The same that trusts these certificate authorities instead of the machine's.
    #[cfg(test)]
    pub(super) fn trusting(reachable: Reachable, roots: Vec<CertificateDer<'static>>) -> Self {
        let dialer = Self::new(reachable);
        let _ = dialer.tls.set(trusting(roots));
        dialer
    }

    /// Connects to one of the addresses that may be reached.
    pub(super) async fn connect(&self, to: &Destination) -> Result<Box<dyn Stream>, SendError> {
        let found = tokio::net::lookup_host((to.host.as_str(), to.port));
        let found = tokio::time::timeout(TO_CONNECT, found).await.map_err(|_| SendError::Late)?;
        let found = found.map_err(|_| SendError::NoName(to.host.clone()))?;
        let mut reachable = self.reachable.clone();
        // They may have changed since the start.
        reachable.deny.extend(own_addresses());
        let permits = |address: &SocketAddr| reachable.permits_by(to.scheme, address.ip());
        let mut last = SendError::Forbidden;
        for address in found.filter(permits).take(MOST_ADDRESSES) {
            let connecting = tokio::time::timeout(TO_CONNECT, TcpStream::connect(address)).await;
            match connecting {
                Ok(Ok(stream)) => return self.secure(stream, to).await,
                Ok(Err(error)) => last = SendError::Connect(error),
                Err(_) => last = SendError::Late,
            }
        }
        Err(last)
    }

    async fn secure(
        &self,
        stream: TcpStream,
        to: &Destination,
    ) -> Result<Box<dyn Stream>, SendError> {
        // What is small is sent at once; where this fails, it is sent a little later.
        let _ = stream.set_nodelay(true);
        if !to.scheme.is_private() {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(to.host.clone())
            .map_err(|error| SendError::Tls(io::Error::other(error)))?;
        let config = match self.tls.get() {
            Some(config) => Arc::clone(config),
            None => {
                let read = tokio::task::spawn_blocking(|| trusting(machine_roots()));
                let read = read.await.map_err(|error| SendError::Tls(io::Error::other(error)))?;
                Arc::clone(self.tls.get_or_init(|| read))
            }
        };
        let handshake = TlsConnector::from(config).connect(name, stream);
        let done =
            tokio::time::timeout(TO_CONNECT, handshake).await.map_err(|_| SendError::Late)?;
        Ok(Box::new(done.map_err(SendError::Tls)?))
    }

    /// Sends one request, and returns the status of the answer. Nothing of its body is read.
    pub(super) async fn request(
        &self,
        to: &Destination,
        request: Request<Full<Bytes>>,
    ) -> Result<StatusCode, SendError> {
        let stream = self.connect(to).await?;
        let exchange = async {
            let broken = |error: hyper::Error| SendError::Broken(error.to_string());
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .map_err(broken)?;
            let mut connection = std::pin::pin!(connection);
            let mut answer = std::pin::pin!(sender.send_request(request));
            let ended = tokio::select! {
                answer = &mut answer => {
                    return answer.map(|answer| answer.status()).map_err(broken);
                }
                ended = &mut connection => ended,
            };
            // Whoever answers and closes at once has answered all the same.
            match (answer.now_or_never(), ended) {
                (Some(Ok(answer)), _) => Ok(answer.status()),
                (_, Ok(())) => Err(SendError::Broken("it was closed without an answer".to_owned())),
                (_, Err(error)) => Err(broken(error)),
            }
        };
        tokio::time::timeout(TO_ANSWER, exchange).await.map_err(|_| SendError::Late)?
    }
}

/// The addresses of this machine, each as a block.
fn own_addresses() -> Vec<IpCidr> {
    let found = match nix::ifaddrs::getifaddrs() {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "the addresses of this machine are not known");
            return Vec::new();
        }
    };
    let addresses = found.filter_map(|interface| interface.address).filter_map(|address| {
        let v4 = address.as_sockaddr_in().map(|it| format!("{}/32", it.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|it| format!("{}/128", it.ip())))
    });
    addresses.filter_map(|block| block.parse().ok()).collect()
}

/// The certificate authorities that this machine trusts, or those that `SSL_CERT_FILE` names.
fn machine_roots() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of this machine's certificate authorities cannot be read");
    }
    found.certs
}

fn trusting(roots: Vec<CertificateDer<'static>>) -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has what the default versions need")
        .with_root_certificates(store)
        .with_no_client_auth();
    Arc::new(config)
}

/// How long to wait after an attempt that failed, the first being 1: from ten seconds to an hour.
pub(super) fn pause_after(attempts: u32) -> Duration {
    const FIRST: u64 = 10;
    const LONGEST: u64 = 3600;
    let factor = 3u64.saturating_pow(attempts.saturating_sub(1).min(20));
    Duration::from_secs(FIRST.saturating_mul(factor).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_answers_and_closes_at_once_has_answered() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.extend(byte);
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).unwrap();
            }
        });
        let dialer = Dialer::new(Reachable { anything: true, ..Reachable::default() });
        let to: Destination = url.parse().unwrap();
        for _ in 0..300 {
            let request = Request::get("/").body(Full::default()).unwrap();
            assert_eq!(dialer.request(&to, request).await.unwrap(), StatusCode::OK);
        }
    }

    #[test]
    fn the_addresses_of_this_machine_are_known() {
        let own = own_addresses();
        assert!(own.contains(&"127.0.0.1/32".parse().unwrap()), "{own:?}");
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let seconds = |attempts| pause_after(attempts).as_secs();
        assert_eq!([1, 2, 3, 4].map(seconds), [10, 30, 90, 270]);
        assert_eq!([7, 100, u32::MAX].map(seconds), [3600, 3600, 3600]);
    }
}
