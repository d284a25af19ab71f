//! What a client's request must not say in two ways.

use http::header::{self, HeaderValue};
use http::{Method, request};

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It has no host, several, or a malformed one.
    Host,
    /// It is not certain where its body ends.
    Length,
    /// Its method is `CONNECT`, which only forward proxies serve.
    Method,
    /// Its `Expect` field holds something else than `100-continue`.
    Expectation,
}

/// Refuses a request that could be understood in two ways. Gives its host.
pub(crate) fn check(parts: &request::Parts) -> Result<Host<'_>, Malformed> {
    let headers = &parts.headers;
    if parts.method == Method::CONNECT {
        return Err(Malformed::Method);
    }
    if let Some(coding) = headers.get(header::TRANSFER_ENCODING) {
        let alone = headers.get_all(header::TRANSFER_ENCODING).iter().count() == 1;
        let plain = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !alone || !plain || headers.contains_key(header::CONTENT_LENGTH) {
            return Err(Malformed::Length);
        }
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next()
        && (number(length.as_bytes()).is_none() || lengths.next().is_some())
    {
        return Err(Malformed::Length);
    }
    if let Some(expectation) = headers.get(header::EXPECT)
        && !expectation.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(Malformed::Expectation);
    }
    host(parts)
}

/// A number of decimal digits alone, as lengths are.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// The length of a request's body in bytes, if the head says it.
pub(crate) fn length(parts: &request::Parts) -> Option<u64> {
    parts.headers.get(header::CONTENT_LENGTH).and_then(|it| number(it.as_bytes()))
}

/// The host of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Host<'a> {
    pub(super) text: &'a str,
    /// The number of bytes of the name, which comes first.
    pub(super) name: usize,
}

impl<'a> Host<'a> {
    /// Reads a name or an address, with or without a port.
    fn parse(text: &'a str) -> Option<Self> {
        let end = match text.strip_prefix('[') {
            Some(address) => address.find(']')? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (name, port) = text.split_at(end);
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        let port = match port.strip_prefix(':') {
            Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()),
            None => port.is_empty(),
        };
        (port && !name.is_empty() && name.bytes().all(good)).then_some(Self { text, name: end })
    }

    /// The name or address, without the port.
    pub(crate) fn name(&self) -> &'a str {
        self.text.get(..self.name).unwrap_or_default()
    }
}

fn host(parts: &request::Parts) -> Result<Host<'_>, Malformed> {
    let mut named = parts.headers.get_all(header::HOST).iter();
    let header = named.next();
    if named.next().is_some() {
        return Err(Malformed::Host);
    }
    let text = match (parts.uri.authority(), header) {
        (Some(authority), header) => {
            // A request with two different hosts is refused. One of the two may leave out the
            // port, if that is the scheme's own.
            let said =
                |text: &[u8]| without_port(text, parts.uri.scheme_str()).to_ascii_lowercase();
            let same =
                |it: &HeaderValue| said(it.as_bytes()) == said(authority.as_str().as_bytes());
            header.is_none_or(same).then_some(authority.as_str())
        }
        (None, header) => header.and_then(|header| header.to_str().ok()),
    };
    text.and_then(Host::parse).ok_or(Malformed::Host)
}

/// A host without the port, if that is the scheme's own.
fn without_port<'a>(host: &'a [u8], scheme: Option<&str>) -> &'a [u8] {
    let port: &[u8] = if scheme == Some("https") { b":443" } else { b":80" };
    host.strip_suffix(port).unwrap_or(host)
}
