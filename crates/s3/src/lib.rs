//! Blobs in a bucket of an object store that speaks S3.
//!
//! Each time that a blob is put it becomes an object of its own, `PREFIX/DIGEST/NUMBER`, since S3 can remove an object
//! only by its name: so what is removed is what was listed, and never what was put again meanwhile. Whoever has put
//! an object removes those that were there before.

#![warn(unreachable_pub)]

mod credentials;
mod doctor;
mod listing;
mod url;
mod wire;

use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};
use store::{Blob, BlobDigest, BlobEntry, BlobError, Blobs, BoxError};

use self::credentials::read as credentials;
pub use self::credentials::{CredentialsError, Variables};
use self::listing::{Listing, Object};
pub use self::url::{BadUrl, S3Url};
use self::wire::{Sending, Wire};

/// How often what failed for the moment is tried, and how long after the first time.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(200);

/// Blobs in a bucket.
#[derive(Debug)]
pub struct S3Blobs {
    wire: Wire,
    prefix: String,
    place: String,
}

impl S3Blobs {
    /// Those of an address, with the credentials that the environment has or names. It is tried whether the bucket
    /// can be listed.
    ///
    /// # Errors
    ///
    /// There are no credentials, or the bucket cannot be listed.
    pub fn open(url: &S3Url, variables: Variables<'_>) -> Result<Self, BoxError> {
        let credentials = credentials(variables)?;
        let wire = Wire::new(url, credentials)?;
        let blobs = Self { wire, prefix: url.prefix.clone(), place: url.to_string() };
        blobs.page(&blobs.prefix, None)?;
        Ok(blobs)
    }

    fn failed(&self, doing: &'static str, source: impl Into<BoxError>) -> BlobError {
        BlobError::Place { doing, place: self.place.clone(), source: source.into() }
    }

    /// One page of what there is below a prefix.
    fn page(&self, prefix: &str, after: Option<&str>) -> Result<Listing, BoxError> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(after) = after {
            query.append_pair("continuation-token", after);
        }
        query.append_pair("list-type", "2").append_pair("prefix", prefix);
        // A space is a plus sign in forms and nowhere else; no prefix has one, and tokens have none either.
        let query = query.finish().replace('+', "%20");
        let answer = again(|| self.wire.send("GET", "", &query, None, Sending::Nothing))?;
        let date = answer.date();
        listing::read(&answer.text()?, date).map_err(Into::into)
    }

    /// All objects below a prefix.
    fn objects(&self, prefix: &str) -> Result<Vec<Object>, BoxError> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.page(prefix, after.as_deref())?;
            found.extend(page.objects);
            match page.next {
                Some(next) if after.as_ref() != Some(&next) => after = Some(next),
                _ => return Ok(found),
            }
        }
    }

    /// The objects of a blob, newest first.
    fn objects_of(&self, digest: &BlobDigest) -> Result<Vec<Object>, BoxError> {
        let mut objects = self.objects(&format!("{}{digest}/", self.prefix))?;
        objects.sort_unstable_by(|one, other| (one.age, &one.key).cmp(&(other.age, &other.key)));
        Ok(objects)
    }

    fn delete(&self, key: &str) -> Result<(), BoxError> {
        match again(|| self.wire.send("DELETE", key, "", None, Sending::Nothing)) {
            Err(error) if error.is_missing() => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }
}

/// Does something once more that failed for the moment, and does no harm if it is done twice.
fn again<T>(work: impl Fn() -> Result<T, wire::WireError>) -> Result<T, wire::WireError> {
    let mut number = 0;
    loop {
        number += 1;
        match work() {
            Err(error) if error.is_for_the_moment() && number < TRIES => {
                wire::pause(PAUSE * 2_u32.pow(number));
            }
            other => return other,
        }
    }
}

impl Blobs for S3Blobs {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn put(&self, digest: &BlobDigest, bytes: u64, from: &mut dyn Read) -> Result<(), BlobError> {
        const WRITE: &str = "write to";
        let before = self.objects_of(digest).map_err(|error| self.failed(WRITE, error))?;
        let number = getrandom::u64().map_err(|error| self.failed(WRITE, error))?;
        let key = format!("{}{digest}/{number:016x}", self.prefix);
        let mut from = Hashed { inner: from.take(bytes), hasher: Sha256::new(), error: None };
        let sending = Sending::Bytes { digest, bytes, from: &mut from };
        let sent = self.wire.send("PUT", &key, "", None, sending);
        if let Some(error) = from.error {
            return Err(BlobError::Source(error));
        }
        // What the server did not take is no more than what was read.
        let _ = io::copy(&mut from.inner, &mut Hasher(&mut from.hasher));
        let found = BlobDigest::finish(from.hasher);
        if found != *digest {
            if sent.is_ok() {
                self.delete(&key).map_err(|error| self.failed(WRITE, error))?;
            }
            return Err(BlobError::Damaged { wanted: *digest, found });
        }
        sent.map_err(|error| self.failed(WRITE, error))?;
        for object in before {
            self.delete(&object.key).map_err(|error| self.failed(WRITE, error))?;
        }
        Ok(())
    }

    /// Tries again what failed for the moment, since a file can be read once more.
    fn put_file(&self, digest: &BlobDigest, file: &Path) -> Result<(), BlobError> {
        let mut number = 0;
        loop {
            number += 1;
            let mut from = std::fs::File::open(file).map_err(BlobError::Source)?;
            let bytes = from.metadata().map_err(BlobError::Source)?.len();
            match self.put(digest, bytes, &mut from) {
                Err(BlobError::Place { source, .. })
                    if number < TRIES
                        && source
                            .downcast_ref::<wire::WireError>()
                            .is_some_and(wire::WireError::is_for_the_moment) =>
                {
                    wire::pause(PAUSE * 2_u32.pow(number));
                }
                other => return other,
            }
        }
    }

    fn open(&self, digest: &BlobDigest, from: u64) -> Result<Option<Blob>, BlobError> {
        let failed = |error: BoxError| self.failed("read", error);
        // Another object may have taken the place of the one that was listed.
        for _ in 0..TRIES {
            let objects = self.objects_of(digest).map_err(failed)?;
            let Some(object) = objects.into_iter().next() else { return Ok(None) };
            let bytes = object.bytes;
            if from >= bytes {
                return Ok(Some(Blob { bytes, content: Box::new(io::empty()) }));
            }
            let range = (from > 0).then(|| format!("bytes={from}-"));
            let range = range.as_deref();
            match again(|| self.wire.send("GET", &object.key, "", range, Sending::Nothing)) {
                Ok(answer) => {
                    let content = answer.content(bytes - from);
                    return Ok(Some(Blob { bytes, content: Box::new(content) }));
                }
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(failed(error.into())),
            }
        }
        Ok(None)
    }

    fn list(&self) -> Result<Vec<BlobEntry>, BlobError> {
        let objects = self.objects(&self.prefix).map_err(|error| self.failed("list", error))?;
        let mut found: Vec<BlobEntry> = Vec::new();
        for Object { key, bytes, age } in objects {
            let name = key.strip_prefix(&self.prefix).and_then(|name| name.split_once('/'));
            let Some((digest, number)) = name else { continue };
            let Ok(digest) = digest.parse() else { continue };
            // They come in the order of their names.
            match found.last_mut().filter(|entry| entry.digest == digest) {
                Some(entry) => {
                    entry.age = entry.age.min(age);
                    entry.tag = format!("{},{number}", entry.tag);
                }
                None => found.push(BlobEntry { digest, bytes, age, tag: number.to_owned() }),
            }
        }
        Ok(found)
    }

    fn remove(&self, entry: &BlobEntry) -> Result<bool, BlobError> {
        let failed = |error| self.failed("remove from", error);
        let there = self.objects_of(&entry.digest).map_err(failed)?;
        let mut removed = false;
        for number in entry.tag.split(',') {
            let key = format!("{}{}/{number}", self.prefix, entry.digest);
            if there.iter().any(|object| object.key == key) {
                self.delete(&key).map_err(failed)?;
                removed = true;
            }
        }
        Ok(removed)
    }
}

/// Reads bytes, and computes their digest.
struct Hashed<R> {
    inner: R,
    hasher: Sha256,
    /// Why they could not be read.
    error: Option<io::Error>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.inner.read(buffer) {
                Ok(read) => {
                    self.hasher.update(buffer.get(..read).unwrap_or_default());
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let told = io::Error::other("its source cannot be read");
                    self.error = Some(error);
                    return Err(told);
                }
            }
        }
    }
}

struct Hasher<'a>(&'a mut Sha256);

impl io::Write for Hasher<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
