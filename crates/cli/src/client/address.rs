//! Parts of addresses: hosts, segments of paths, query strings.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// What is escaped in a segment of a path: everything but the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where the heroku command asks about data services: it takes the bare name of a host, and the rest
/// of the address from `HEROKU_HOST`. Without these variables it asks Heroku, with our token.
pub(crate) const DATA_HOSTS: [&str; 3] =
    ["HEROKU_DATA_HOST", "HEROKU_POSTGRESQL_HOST", "HEROKU_REDIS_HOST"];

/// The name of the host in an address, without scheme and port.
pub(crate) fn host_of(url: &str) -> String {
    let host = url.parse::<hyper::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    host.unwrap_or_else(|| "127.0.0.1".to_owned())
}

/// The host in an address with its port, as requests name it.
pub(crate) fn authority_of(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/')
}

/// One segment of a path, with everything escaped that could be taken for something else.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// A query string of the members of a structure, or of pairs. Members that are absent are left out.
/// Members within members are an error.
pub(crate) fn query(fields: &impl Serialize) -> anyhow::Result<String> {
    // As a plus sign in a value is escaped, each that is left stands for a space. The signature of a
    // request wants those as `%20`.
    Ok(serde_urlencoded::to_string(fields)?.replace('+', "%20"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_a_path_are_escaped() {
        assert_eq!(segment("a b/c?é"), "a%20b%2Fc%3F%C3%A9");
        assert_eq!(segment("my-space_1.x~"), "my-space_1.x~");
    }

    #[test]
    fn queries_are_escaped_and_leave_out_what_is_absent() {
        let audit = api::AuditQuery {
            who: Some("a+b c&d@x.y".to_owned()),
            limit: Some(7),
            ..api::AuditQuery::default()
        };
        assert_eq!(query(&audit).unwrap(), "who=a%2Bb%20c%26d%40x.y&limit=7");
        assert_eq!(query(&[("arg", "1"), ("arg", "=")]).unwrap(), "arg=1&arg=%3D");
    }

    #[test]
    fn the_host_alone_is_taken_from_an_address() {
        for (url, host) in [
            ("http://127.0.0.1:4880", "127.0.0.1"),
            ("http://localhost:4880/", "localhost"),
            ("http://[::1]:80", "[::1]"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }
}
