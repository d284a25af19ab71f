//! Who is at the other end of a connection.

pub use model::HostId;

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

/// The name of a host in its certificate.
pub(crate) fn uri_of(host: HostId) -> String {
    format!("{SCHEME}{host}")
}

/// The host whose certificate this is, which was checked before; `None` where it names none, or several.
pub(crate) fn host_of(certificate: &[u8]) -> Option<HostId> {
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
