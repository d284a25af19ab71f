//! An app on a phone that shows codes.

use super::Server;

/// The code that follows from a secret some seconds from now, as an implementation of another's makes it.
pub fn code(server: &Server, secret: &str, ahead: u64) -> String {
    let script = format!(
        r#"
import base64, hashlib, hmac, struct, time
key = base64.b32decode("{secret}")
digest = hmac.new(key, struct.pack(">Q", int(time.time() + {ahead}) // 30), hashlib.sha1).digest()
at = digest[-1] & 15
print("%06d" % ((struct.unpack(">I", digest[at:at + 4])[0] & 0x7fffffff) % 1000000))
"#
    );
    server.python(&script).ok().trim().to_owned()
}
