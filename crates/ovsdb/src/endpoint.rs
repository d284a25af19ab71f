//! Where a server listens, as OVSDB's own programs write it.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a server listens: `unix:PATH`, `tcp:HOST:PORT` or `ssl:HOST:PORT`, with an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// A socket of this host.
    Unix(PathBuf),
    /// A host and a port, without any protection.
    Tcp(String, u16),
    /// A host and a port, over TLS.
    Ssl(String, u16),
}

/// A text that names no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of unix:PATH, tcp:HOST:PORT and ssl:HOST:PORT")]
pub struct MalformedEndpoint(String);

impl Endpoint {
    /// Reads several endpoints, with commas between them.
    ///
    /// # Errors
    ///
    /// One of them is malformed, or there is none.
    pub fn list(text: &str) -> Result<Vec<Self>, MalformedEndpoint> {
        text.split(',').map(|endpoint| endpoint.trim().parse()).collect()
    }
}

impl FromStr for Endpoint {
    type Err = MalformedEndpoint;

    fn from_str(text: &str) -> Result<Self, MalformedEndpoint> {
        let malformed = || MalformedEndpoint(text.to_owned());
        match text.split_once(':').ok_or_else(malformed)? {
            ("unix", path) if !path.is_empty() => Ok(Self::Unix(path.into())),
            ("tcp", address) => {
                let (host, port) = host_and_port(address).ok_or_else(malformed)?;
                Ok(Self::Tcp(host, port))
            }
            ("ssl", address) => {
                let (host, port) = host_and_port(address).ok_or_else(malformed)?;
                Ok(Self::Ssl(host, port))
            }
            _ => Err(malformed()),
        }
    }
}

fn host_and_port(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(address) => Some((address.parse::<Ipv6Addr>().ok()?.to_string(), port)),
        None if host.is_empty() || host.contains([':', '[', ']', '/', ' ']) => None,
        None => Some((host.to_owned(), port)),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
            Self::Tcp(host, port) => ("tcp", host, port),
            Self::Ssl(host, port) => ("ssl", host, port),
        };
        match host.contains(':') {
            true => write!(f, "{scheme}:[{host}]:{port}"),
            false => write!(f, "{scheme}:{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_they_are_written() {
        let all =
            "unix:/run/ovn/nb.sock,tcp:10.9.0.1:6641,ssl:[fd00::1]:6641,ssl:central.example:1";
        let endpoints = Endpoint::list(all).unwrap();
        assert_eq!(endpoints[2], Endpoint::Ssl("fd00::1".into(), 6641));
        let written: Vec<_> = endpoints.iter().map(Endpoint::to_string).collect();
        assert_eq!(written.join(","), all);
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        let wrong = [
            "",
            "unix:",
            "tcp:",
            "tcp:host",
            "tcp:host:0",
            "tcp:host:65536",
            "tcp::1",
            "ssl:fd00::1:1",
            "ssl:[fd00::1]",
            "ssl:[host]:1",
            "http:host:1",
            "tcp:a b:1",
            "tcp:h:1,",
            ",",
        ];
        for text in wrong {
            assert!(Endpoint::list(text).is_err(), "{text:?}");
        }
    }
}
