//! Whether a bucket does what blobs need.

use std::io::Read;

use jiff::{SignedDuration, Timestamp};
use store::{BlobDigest, BlobError, Blobs, BoxError, Finding};

use crate::{S3Blobs, S3Url, Variables, again, wire};

/// By how much the clocks of the two ends may differ. Servers of S3 take no request that is a quarter of an hour
/// older or newer.
const APART: SignedDuration = SignedDuration::from_mins(5);

impl S3Blobs {
    /// Looks at a bucket: whether it is reached and can be listed, what time it is there, and whether a blob can
    /// be written, read and removed again.
    pub fn doctor(url: &S3Url, variables: Variables<'_>) -> Vec<Finding> {
        const NAME: &str = "bucket";
        let blobs = match Self::open(url, variables) {
            Ok(blobs) => blobs,
            Err(error) => {
                let detail = format!("{url}: {}", chain(&*error));
                return vec![bad(NAME, detail, REACHED)];
            }
        };
        let mut findings = vec![good(NAME, format!("{url} is there, and can be listed"))];
        findings.push(blobs.clock());
        findings.push(match blobs.try_out() {
            Ok(()) => good("blobs", "one was written, read and removed".to_owned()),
            Err(error) => bad("blobs", chain(&error), ALLOWED),
        });
        findings
    }

    /// Compares this machine's clock with the bucket's.
    fn clock(&self) -> Finding {
        const NAME: &str = "clock of the bucket";
        let asked = Timestamp::now();
        let query = format!("list-type=2&max-keys=1&prefix={}", self.prefix.replace('/', "%2F"));
        let there = match again(|| self.wire.send("GET", "", &query, None, wire::Sending::Nothing))
        {
            Ok(answer) => answer.said_date(),
            Err(error) => return bad(NAME, chain(&error), REACHED),
        };
        match there.map(|there| there.duration_since(asked)) {
            None => weak(
                NAME,
                "it does not say what time it is".to_owned(),
                "nothing, if all else is well",
            ),
            Some(apart) if apart.abs() < APART => {
                good(NAME, format!("{} s from this machine's", apart.as_secs().abs()))
            }
            Some(apart) => bad(
                NAME,
                format!(
                    "{} s from this machine's: requests will be refused",
                    apart.as_secs().abs()
                ),
                "set the clocks of both, as by systemd-timesyncd or chrony",
            ),
        }
    }

    /// Writes a blob that nobody has, reads it, and removes it.
    fn try_out(&self) -> Result<(), BlobError> {
        let failed = |doing, error: BoxError| self.failed(doing, error);
        let number = getrandom::u64().map_err(|error| failed("write to", error.into()))?;
        let bytes = format!("causeway doctor {number:016x}").into_bytes();
        let digest = BlobDigest::of(&bytes);
        self.put(&digest, bytes.len() as u64, &mut &bytes[..])?;
        let read = self.open(&digest, 0).and_then(|blob| {
            let mut found = Vec::new();
            if let Some(mut blob) = blob {
                blob.content
                    .read_to_end(&mut found)
                    .map_err(|error| failed("read", error.into()))?;
            }
            let same = BlobDigest::of(&found);
            if same == digest {
                Ok(())
            } else {
                Err(BlobError::Damaged { wanted: digest, found: same })
            }
        });
        // Also where it could not be read.
        for object in self.objects_of(&digest).map_err(|error| failed("list", error))? {
            self.delete(&object.key).map_err(|error| failed("remove from", error))?;
        }
        read?;
        match self.objects_of(&digest).map_err(|error| failed("list", error))?.is_empty() {
            true => Ok(()),
            false => Err(failed("remove from", "what was removed is still there".into())),
        }
    }
}

const REACHED: &str = "correct the address and the credentials; they need ListBucket";
const ALLOWED: &str =
    "allow these credentials GetObject, PutObject and DeleteObject there, and keep no versions";

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn good(name: &'static str, detail: String) -> Finding {
    Finding { name, ok: true, needed: true, detail, remedy: String::new() }
}

fn bad(name: &'static str, detail: String, remedy: &str) -> Finding {
    Finding { ok: false, remedy: remedy.to_owned(), ..good(name, detail) }
}

fn weak(name: &'static str, detail: String, remedy: &str) -> Finding {
    Finding { needed: false, ..bad(name, detail, remedy) }
}
