//! Where webhooks and log drains send to: what an address says, and which addresses may be reached.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::{Cidr, IpCidr, Outbound};

/// The greatest length of an address.
const MAX_LENGTH: usize = 2048;

/// How something is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP over TLS.
    Https,
    /// HTTP that everybody on the way can read.
    Http,
    /// Syslog over TLS (RFC 5425).
    SyslogTls,
    /// Syslog over TCP (RFC 6587) that everybody on the way can read.
    Syslog,
}

/// An address that something is sent to: `https://user:password@host:port/path?query`.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// How it is sent.
    pub scheme: Scheme,
    /// The name and the password before the host, as they are written; they may be escaped.
    pub credentials: Option<String>,
    /// The name or the address of the host, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path and the query, with the slash that they begin with.
    pub path: String,
}

/// Text that is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedDestination(&'static str);

impl Scheme {
    /// How an address with it begins.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::SyslogTls => "syslog+tls",
            Self::Syslog => "syslog",
        }
    }

    /// Whether what is sent is encrypted on its way.
    pub const fn is_private(self) -> bool {
        matches!(self, Self::Https | Self::SyslogTls)
    }

    /// Whether it is HTTP.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Https | Self::Http)
    }

    /// The port where an address names none.
    const fn port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
            Self::SyslogTls => 6514,
            Self::Syslog => 514,
        }
    }
}

impl FromStr for Destination {
    type Err = MalformedDestination;

    fn from_str(text: &str) -> Result<Self, MalformedDestination> {
        let malformed = |why| Err(MalformedDestination(why));
        if text.len() > MAX_LENGTH {
            return malformed("an address has at most 2048 bytes");
        }
        let plain = |byte: u8| byte.is_ascii_graphic() && !br#"<>"\^`{}|"#.contains(&byte);
        if !text.bytes().all(plain) {
            return malformed("an address has neither spaces nor other special characters");
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return malformed("an address begins with a scheme, as https://");
        };
        let all = [Scheme::Https, Scheme::Http, Scheme::SyslogTls, Scheme::Syslog];
        let Some(scheme) = all.into_iter().find(|it| it.name().eq_ignore_ascii_case(scheme)) else {
            return malformed("the scheme is none of https, http, syslog+tls and syslog");
        };
        if rest.contains('#') {
            return malformed("an address to send to has no fragment");
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials.to_owned()), place),
            None => (None, authority),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => match rest.split_once(']') {
                Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() => (host, port),
                _ => return malformed("what is in brackets is an IPv6 address"),
            },
            None => place.split_at(place.find(':').unwrap_or(place.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => match port.parse() {
                Ok(port) if port != 0 => port,
                _ => return malformed("the port is a number from 1 to 65535"),
            },
            None if port.is_empty() => scheme.port(),
            None => return malformed("after the host comes a port or a path"),
        };
        let part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if host.is_empty() || host.len() > 253 || !host.bytes().all(part) {
            return malformed("the host is a name or an address");
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { scheme, credentials, host: host.to_ascii_lowercase(), port, path })
    }
}

impl Destination {
    /// The host and, where it is not the usual one, the port, as a request names them.
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Destination {
    /// Without the credentials, and without the query, which often holds some: for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{}://{}{path}", self.scheme.name(), self.authority())
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which addresses webhooks and log drains may reach. They are chosen by those who use an installation,
/// and the requests are made by its host: so what is the host's own, or only reachable from there, may be
/// reached by none, unless the operator allows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reachable {
    /// Whether everything may be reached, as by an emulator.
    pub anything: bool,
    /// What may be reached although it is special.
    pub allow: Vec<IpCidr>,
    /// What may not be reached although it is ordinary, unless it is allowed: addresses of the host, and
    /// of the installation's networks.
    pub deny: Vec<IpCidr>,
}

impl Reachable {
    /// Whether an address may be reached.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let within = |blocks: &[IpCidr]| blocks.iter().any(|block| contains(*block, address));
        self.anything || within(&self.allow) || !is_special(address) && !within(&self.deny)
    }

    /// Whether an address may be reached by what everybody on the way can read: only what the operator
    /// allows by its block.
    pub fn permits_plain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.anything || self.allow.iter().any(|block| contains(*block, address))
    }

    /// Whether an address may be reached by a scheme.
    pub fn permits_by(&self, scheme: Scheme, address: IpAddr) -> bool {
        if scheme.is_private() { self.permits(address) } else { self.permits_plain(address) }
    }

    /// Whether nothing would ever be sent to a destination. What a name leads to is not known before it is
    /// looked up, which is whenever something is sent.
    pub fn rules_out(&self, to: &Destination) -> bool {
        match to.host.parse() {
            Ok(address) => !self.permits_by(to.scheme, address),
            Err(_) => !to.scheme.is_private() && !self.anything && self.allow.is_empty(),
        }
    }
}

fn contains(block: IpCidr, address: IpAddr) -> bool {
    match (block, address) {
        (IpCidr::V4(block), IpAddr::V4(address)) => block.contains(address),
        (IpCidr::V6(block), IpAddr::V6(address)) => block.contains(address),
        (IpCidr::V4(_), IpAddr::V6(_)) | (IpCidr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// Whether an address is nobody's on the internet, or leads to an IPv4 address in disguise.
fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_special_v4(address),
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            // All that is given out is in 2000::/3.
            let global = first & 0xe000 == 0x2000;
            // Teredo, ORCHID, documentation, 6to4.
            let disguised = first == 0x2001 && (second < 0x0200 || second == 0x0db8);
            !global || disguised || first == 0x2002 || first == 0x3fff
        }
    }
}

fn is_special_v4(address: Ipv4Addr) -> bool {
    const DOCUMENTATION: [Cidr; 3] = [
        Cidr::new(192, 0, 2, 0, 24),
        Cidr::new(198, 51, 100, 0, 24),
        Cidr::new(203, 0, 113, 0, 24),
    ];
    Outbound::NEVER.iter().chain(&DOCUMENTATION).any(|block| block.contains(address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let read = |text: &str| text.parse::<Destination>().unwrap();
        let whole = read("https://u:p%40x@Logs.Example.com:8443/in?token=t");
        assert_eq!(whole.scheme, Scheme::Https);
        assert_eq!(whole.credentials.as_deref(), Some("u:p%40x"));
        assert_eq!((whole.host.as_str(), whole.port), ("logs.example.com", 8443));
        assert_eq!(whole.path, "/in?token=t");
        assert_eq!(whole.authority(), "logs.example.com:8443");
        assert_eq!(whole.to_string(), "https://logs.example.com:8443/in", "no secret is shown");
        let syslog = read("syslog+tls://logs.example.com");
        assert_eq!((syslog.scheme, syslog.port), (Scheme::SyslogTls, 6514));
        assert_eq!(read("https://[2606:4700::1111]").host, "2606:4700::1111");
        assert_eq!(read("https://[2606:4700::1111]").authority(), "[2606:4700::1111]");
        assert_eq!(read("http://h?x").path, "/?x");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in [
            "",
            "https",
            "https://",
            "ftp://h/",
            "https://h h/",
            "https://h/#x",
            "https://h:0/",
            "https://h:65536/",
            "https://h:/",
            "https://[::1",
            "https://[x]/",
            "https://[::1]x/",
            "https://u@/",
            "https://é.example/",
            "https://h/\r\nX: y",
            "//h",
            "https:/h",
            "https://h\\@evil/",
            "javascript://h",
        ] {
            assert!(wrong.parse::<Destination>().is_err(), "{wrong}");
        }
        assert!(format!("https://h/{}", "x".repeat(3000)).parse::<Destination>().is_err());
    }

    /// What is read says the same when it is written again, and what is shown of it has no secret.
    fn is_read_or_refused(text: &str) {
        let Ok(read) = text.parse::<Destination>() else { return };
        assert!(read.port != 0 && read.path.starts_with('/') && !read.host.is_empty());
        assert!(!read.host.contains(['/', '@', '?', '[', ']']));
        let credentials = read.credentials.iter().flat_map(|secret| [secret.as_str(), "@"]);
        let credentials: String = credentials.collect();
        let Destination { scheme, path, .. } = &read;
        let again = format!("{}://{credentials}{}{path}", scheme.name(), read.authority());
        if again.len() <= MAX_LENGTH {
            assert_eq!(again.parse().as_ref(), Ok(&read), "{again}");
        }
        let shown = read.to_string();
        assert!(!shown.contains('?') && shown.len() <= again.len() - credentials.len(), "{shown}");
    }

    #[test]
    fn fuzz_destination() {
        fuzz::target("destination", |input| {
            if let Ok(text) = str::from_utf8(input) {
                is_read_or_refused(text);
            }
        });
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(https|http|syslog)://[a-z0-9@:/?.\\[\\]-]{0,40}|.{0,40}") {
            is_read_or_refused(&text);
        }
    }

    #[test]
    fn nothing_of_the_hosts_own_is_reached_unless_it_is_allowed() {
        let deny = vec!["1.2.3.4/32".parse().unwrap(), "9.9.0.0/16".parse().unwrap()];
        let usual = Reachable { deny: deny.clone(), ..Reachable::default() };
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for closed in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "203.0.113.9",
            "1.2.3.4",
            "9.9.9.9",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:1::",
            "2001:db8::1",
            "ff02::1",
            "fec0::1",
        ] {
            assert!(!usual.permits(ip(closed)), "{closed}");
        }
        for open in ["8.8.8.8", "1.2.3.5", "2606:4700::1111", "::ffff:8.8.8.8", "2001:4860::1"] {
            assert!(usual.permits(ip(open)), "{open}");
            assert!(!usual.permits_plain(ip(open)), "{open}");
        }
        let allow = vec!["10.7.0.0/16".parse().unwrap(), "fd12::/16".parse().unwrap()];
        let opened = Reachable { allow, deny, anything: false };
        for open in ["10.7.0.1", "fd12::9", "::ffff:10.7.3.3"] {
            assert!(opened.permits(ip(open)) && opened.permits_plain(ip(open)), "{open}");
        }
        assert!(!opened.permits(ip("10.8.0.1")) && !opened.permits(ip("127.0.0.1")));
        let anything = Reachable { anything: true, ..Reachable::default() };
        assert!(anything.permits(ip("127.0.0.1")) && anything.permits_plain(ip("8.8.8.8")));
    }
}
