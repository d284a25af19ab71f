//! How connections come: over TLS or without it, from this machine or from another one, and for whom
//! a proxy sends what it sends.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use futures_util::future::BoxFuture;
use model::IpCidr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::{Acceptor, ClientHello};
use tokio_rustls::server::StartHandshake;
use tokio_util::sync::CancellationToken;

use crate::identity::Identity;

/// A connection, be it bare or inside another one.
pub(crate) type Wire = Box<dyn Stream>;

/// What bytes go both ways on.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// Serves a connection that is no HTTP, of a client of `heroku run`: from its TLS greeting to its end or
/// until the token is cancelled.
pub(crate) type SessionHandler =
    Arc<dyn Fn(StartHandshake<Wire>, CancellationToken) -> BoxFuture<'static, ()> + Send + Sync>;

/// Whether a client is to come that names this machine so; `None` for one that names an IP address.
pub(crate) type Awaits = Arc<dyn Fn(Option<&str>) -> bool + Send + Sync>;

/// Sessions, and when one is to come.
#[derive(Clone)]
pub(crate) struct Sessions {
    /// Serves one.
    pub serve: SessionHandler,
    /// Whether a client was just told to join one.
    pub awaits: Awaits,
}

/// How clients of other machines may come.
#[derive(Clone, Default)]
pub(crate) struct Transport {
    /// The certificate; `None` where everybody is served without TLS.
    pub identity: Option<Identity>,
    /// The proxies that are believed when they say for whom they ask. What they send comes without TLS
    /// if they like.
    pub proxies: Vec<IpCidr>,
    /// Who serves what is no HTTP; `None` for nobody.
    pub sessions: Option<Sessions>,
}

/// How a request came, among its extensions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Whether nobody between the client and this machine could read it.
    pub secure: bool,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

impl Transport {
    /// Whether a peer is a proxy that is believed.
    pub(crate) fn trusts(&self, peer: SocketAddr) -> bool {
        self.is_proxy(peer.ip())
    }

    fn is_proxy(&self, address: std::net::IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies.iter().any(|block| match (block, address) {
            (IpCidr::V4(block), std::net::IpAddr::V4(address)) => block.contains(address),
            (IpCidr::V6(block), std::net::IpAddr::V6(address)) => block.contains(address),
            _ => false,
        })
    }

    /// Whether a TLS greeting of this machine's is one of the heroku command's, which joins a session on the
    /// address by which it reaches the API, and says no more than where it goes. Others who name no protocol
    /// do the same, so it is one only while a client that was told to come by that name has not come yet.
    pub(crate) fn joins_session(&self, hello: &ClientHello<'_>) -> bool {
        let told = |sessions: &Sessions| (sessions.awaits)(hello.server_name());
        hello.alpn().is_none() && self.sessions.as_ref().is_some_and(told)
    }

    /// Who sent a request, and how. Of a proxy that is believed it is whom the proxy names, and the host is
    /// the one that its client named, for which clients of EC2's API sign.
    pub(crate) fn sender(
        &self,
        peer: SocketAddr,
        over_tls: bool,
        headers: &mut HeaderMap,
    ) -> (SocketAddr, Arrived) {
        let near = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if !self.trusts(near) {
            return (near, Arrived { secure: over_tls });
        }
        if let Some(host) = last(headers, &FORWARDED_HOST)
            && let Ok(host) = HeaderValue::from_str(&host)
        {
            headers.insert(header::HOST, host);
        }
        // Each proxy adds the one that it heard from, so what is behind the last of ours is what a
        // client claims.
        let mut sender = near;
        for text in texts(headers, &FORWARDED_FOR).into_iter().rev() {
            let Some(address) = address(&text) else { break };
            sender = address;
            if !self.is_proxy(address.ip()) {
                break;
            }
        }
        let secure = last(headers, &FORWARDED_PROTO);
        let secure = secure.map_or(over_tls, |proto| proto.eq_ignore_ascii_case("https"));
        (sender, Arrived { secure })
    }
}

/// The entries of a list that may stand on several lines.
fn texts(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let entries = lines.flat_map(|line| line.split(',')).map(|entry| entry.trim().to_owned());
    entries.filter(|entry| !entry.is_empty()).collect()
}

fn last(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    texts(headers, name).pop()
}

/// An address, with a port or without one.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = || {
        let text = text.trim_matches(['[', ']']);
        Some(SocketAddr::new(text.parse().ok()?, 0))
    };
    let at: SocketAddr = text.parse().ok().or_else(bare)?;
    Some(SocketAddr::new(at.ip().to_canonical(), at.port()))
}

/// Whether what goes between two addresses stays on this machine.
pub(crate) fn stays_here(peer: SocketAddr, local: SocketAddr) -> bool {
    let (peer, local) = (peer.ip().to_canonical(), local.ip().to_canonical());
    peer == local || (peer.is_loopback() && local.is_loopback())
}

/// Reads the greeting of a client that speaks TLS.
///
/// # Errors
///
/// The client breaks off, or says something else.
pub(crate) async fn greeting(wire: Wire) -> io::Result<StartHandshake<Wire>> {
    LazyConfigAcceptor::new(Acceptor::default(), wire).await
}

/// A connection of which the first byte was read already.
pub(crate) struct Peeked<S> {
    first: Option<u8>,
    stream: S,
}

impl<S: AsyncRead + Unpin> Peeked<S> {
    /// Reads the first byte, and tells it; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub(crate) async fn new(mut stream: S) -> io::Result<Option<(u8, Self)>> {
        let mut byte = [0];
        let read = stream.read(&mut byte).await?;
        Ok((read > 0).then_some((byte[0], Self { first: Some(byte[0]), stream })))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Peeked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && let Some(first) = self.first.take()
        {
            buffer.put_slice(&[first]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Peeked<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(proxies: &[&str], peer: &str, fields: &[(&'static str, &str)]) -> (String, bool) {
        let blocks = proxies.iter().map(|text| text.parse().unwrap()).collect();
        let transport = Transport { proxies: blocks, ..Transport::default() };
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("inside:4880"));
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let (from, arrived) = transport.sender(peer.parse().unwrap(), false, &mut headers);
        let host = headers.get("host").unwrap().to_str().unwrap().to_owned();
        (format!("{} for {host}", from.ip()), arrived.secure)
    }

    const ALL: [(&str, &str); 3] = [
        ("x-forwarded-for", "198.51.100.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "cw.example.org"),
    ];

    #[test]
    fn only_a_trusted_proxy_says_for_whom_it_asks() {
        let believed = ("198.51.100.7 for cw.example.org".to_owned(), true);
        assert_eq!(sender(&["10.0.0.0/24"], "10.0.0.4:9", &ALL), believed);
        assert_eq!(sender(&["::1/128"], "[::1]:9", &ALL), believed);
        assert_eq!(sender(&["10.0.0.4/32"], "[::ffff:10.0.0.4]:9", &ALL), believed);
        let strange = ("10.0.1.4 for inside:4880".to_owned(), false);
        assert_eq!(sender(&["10.0.0.0/24"], "10.0.1.4:9", &ALL), strange);
        assert_eq!(sender(&[], "10.0.1.4:9", &ALL), strange);
    }

    #[test]
    fn what_a_client_claims_of_itself_is_not_taken_from_a_proxy() {
        let from = |lines: &[&str]| {
            let fields: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            sender(&["10.0.0.0/24"], "10.0.0.4:9", &fields).0
        };
        assert_eq!(from(&["203.0.113.9, 198.51.100.7"]), "198.51.100.7 for inside:4880");
        assert_eq!(from(&["203.0.113.9", "198.51.100.7"]), "198.51.100.7 for inside:4880");
        assert_eq!(from(&["198.51.100.7, 10.0.0.5"]), "198.51.100.7 for inside:4880");
        assert_eq!(from(&["10.0.0.6"]), "10.0.0.6 for inside:4880");
        assert_eq!(from(&["198.51.100.7, nonsense"]), "10.0.0.4 for inside:4880");
        assert_eq!(from(&["[2001:db8::1]:443"]), "2001:db8::1 for inside:4880");
        assert_eq!(from(&[]), "10.0.0.4 for inside:4880");
    }

    #[test]
    fn what_stays_on_this_machine_is_told_from_what_does_not() {
        let here =
            |peer: &str, local: &str| stays_here(peer.parse().unwrap(), local.parse().unwrap());
        assert!(here("127.0.0.1:1", "127.0.0.1:2") && here("127.0.0.5:1", "127.0.0.1:2"));
        assert!(here("10.0.0.5:1", "10.0.0.5:2") && here("[::1]:1", "[::1]:2"));
        assert!(here("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:2"));
        assert!(!here("10.0.0.6:1", "10.0.0.5:2") && !here("10.0.0.5:1", "127.0.0.1:2"));
    }

    #[tokio::test]
    async fn the_first_byte_is_read_again() {
        let (one, mut other) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut other, b"hello").await.unwrap();
        drop(other);
        let (first, mut peeked) = Peeked::new(one).await.unwrap().unwrap();
        let mut all = Vec::new();
        peeked.read_to_end(&mut all).await.unwrap();
        assert_eq!((first, all.as_slice()), (b'h', b"hello".as_slice()));
        let (one, _) = tokio::io::duplex(64);
        assert!(Peeked::new(one).await.unwrap().is_none());
    }
}
