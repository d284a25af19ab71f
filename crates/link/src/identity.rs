//! Who is at the other end of a connection.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::der::{self, BOOLEAN, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};

/// The name by which agents know a server, whatever its address: its certificate says it.
pub(crate) const SERVER_NAME: &str = "servers.causeway.internal";

/// What the certificate of a host begins its name with.
const SCHEME: &str = "causeway:host:";
/// The tag of a URI among the names of a certificate.
const URI: u8 = 0x86;
/// What the list of extensions is tagged with.
const EXTENSIONS: u8 = 0xa3;
/// The name of the extension with other names of whose the certificate is, 2.5.29.17.
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];
/// Characters that an id has at most.
const LONGEST: usize = 64;

/// The id of a host, which its certificate says and which it keeps for its life.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct HostId(String);

/// Text that is not the id of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a host has up to 64 lower-case letters, digits and hyphens")]
pub struct NoHostId;

impl HostId {
    /// Makes one of random bits.
    pub fn of_bits(bits: u128) -> Self {
        Self(format!("host-{:017x}", bits & ((1 << 68) - 1)))
    }

    /// It as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in a certificate.
    pub(crate) fn uri(&self) -> String {
        format!("{SCHEME}{self}")
    }

    /// The host whose certificate this is, which was checked before; `None` where it names none, or
    /// several.
    pub(crate) fn of_certificate(certificate: &[u8]) -> Option<Self> {
        let signed = der::certificate(certificate)?;
        let extensions = der::elements(signed).find(|element| element.tag == EXTENSIONS)?;
        let extensions = der::tagged(SEQUENCE, extensions.content)?;
        let names = der::elements(extensions.content).find_map(|extension| {
            let mut parts = der::elements(extension.content);
            let name = parts.next().filter(|part| part.tag == OBJECT_IDENTIFIER)?;
            if name.content != ALTERNATIVE_NAMES {
                return None;
            }
            parts.find(|part| part.tag != BOOLEAN).filter(|part| part.tag == OCTET_STRING)
        })?;
        let names = der::tagged(SEQUENCE, names.content)?;
        let mut hosts = der::elements(names.content)
            .filter(|name| name.tag == URI)
            .filter_map(|name| std::str::from_utf8(name.content).ok()?.strip_prefix(SCHEME));
        let host = hosts.next()?.parse().ok()?;
        hosts.next().is_none().then_some(host)
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HostId {
    type Err = NoHostId;

    fn from_str(text: &str) -> Result<Self, NoHostId> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_id = (1..=LONGEST).contains(&text.len()) && text.bytes().all(plain);
        if is_id { Ok(Self(text.to_owned())) } else { Err(NoHostId) }
    }
}

impl<'de> Deserialize<'de> for HostId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_word_that_fits_into_a_certificate() {
        assert_eq!(HostId::of_bits(0xabc).as_str(), "host-00000000000000abc");
        assert_eq!(HostId::of_bits(u128::MAX).as_str(), "host-fffffffffffffffff");
        for wrong in ["", "Host-1", "a b", "a/b", "ä", &"a".repeat(65)] {
            assert_eq!(wrong.parse::<HostId>(), Err(NoHostId), "{wrong}");
            assert!(serde_json::from_value::<HostId>(wrong.into()).is_err(), "{wrong}");
        }
    }
}
