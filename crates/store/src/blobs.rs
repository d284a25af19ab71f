//! Blobs: bytes that are found by their SHA-256, such as the code of apps as it was uploaded.
//!
//! What is kept never changes. Whoever keeps a blob names it in a record afterwards; what no record names
//! is found by [`Blobs::list`] and taken away by [`Blobs::remove`], which spares what was put again since.

#[cfg(any(test, feature = "test-support"))]
pub mod conformance;
mod digest;
mod directory;
mod verified;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use crate::BoxError;

pub use self::digest::{BlobDigest, NotADigest};
pub use self::directory::DirectoryBlobs;
pub use self::verified::Verified;

/// Under what a database says where the blobs are that its records name ([`Store::meta`]). A backup has the
/// blobs themselves, so what is restored from it says nothing of that.
///
/// [`Store::meta`]: crate::Store::meta
pub const BLOBS_PLACE: &str = "blobs";

/// Where blobs are kept. Several threads may use it at once, and several servers the same one.
pub trait Blobs: Send + Sync {
    /// Where it is, for people; without secrets.
    fn place(&self) -> String;

    /// Keeps so many bytes durably, whole or not at all. Where there is a blob with this digest already, it is
    /// as if it had been put now, and nothing is read.
    ///
    /// # Errors
    ///
    /// [`BlobError`]. [`BlobError::Damaged`] where the bytes are others than the digest's.
    fn put(&self, digest: &BlobDigest, bytes: u64, from: &mut dyn Read) -> Result<(), BlobError>;

    /// The same with a file of this machine, which may be taken away from its place by it.
    ///
    /// # Errors
    ///
    /// [`BlobError`].
    fn put_file(&self, digest: &BlobDigest, file: &Path) -> Result<(), BlobError> {
        let mut from = File::open(file).map_err(BlobError::Source)?;
        let bytes = from.metadata().map_err(BlobError::Source)?.len();
        self.put(digest, bytes, &mut from)
    }

    /// A blob from a byte on; `None` where there is none. Its content is read as it is asked for, and is not
    /// verified: see [`Verified`].
    ///
    /// # Errors
    ///
    /// [`BlobError`].
    fn open(&self, digest: &BlobDigest, from: u64) -> Result<Option<Blob>, BlobError>;

    /// All that is kept, by digest.
    ///
    /// # Errors
    ///
    /// [`BlobError`].
    fn list(&self) -> Result<Vec<BlobEntry>, BlobError>;

    /// Takes away what was listed, unless it was put again since; says whether it did.
    ///
    /// # Errors
    ///
    /// [`BlobError`].
    fn remove(&self, entry: &BlobEntry) -> Result<bool, BlobError>;
}

/// A blob that is being read.
pub struct Blob {
    /// How many bytes the whole blob has.
    pub bytes: u64,
    /// Its content, from the byte on that was asked for.
    pub content: Box<dyn Read + Send>,
}

/// A blob as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobEntry {
    /// Which one it is.
    pub digest: BlobDigest,
    /// How many bytes it has.
    pub bytes: u64,
    /// How long ago it was put last, by the clock of the place.
    pub age: Duration,
    /// What tells this one from the same bytes that are put later; only the place knows what it means.
    pub tag: String,
}

/// Why a blob cannot be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The bytes are not those that the digest is of.
    #[error("what should be sha256:{wanted} is sha256:{found}: it was damaged on its way")]
    Damaged {
        /// The digest that was named.
        wanted: BlobDigest,
        /// The digest of what there is.
        found: BlobDigest,
    },
    /// The bytes that were to be kept cannot be read.
    #[error("what is to be kept cannot be read")]
    Source(#[source] io::Error),
    /// The place does not do what it was asked for.
    #[error("cannot {doing} {place}")]
    Place {
        /// What it was asked for, such as `write to`.
        doing: &'static str,
        /// The place.
        place: String,
        /// Why not.
        #[source]
        source: BoxError,
    },
}

impl BlobError {
    /// Whether the place has no room left.
    pub fn is_full(&self) -> bool {
        let Self::Place { source, .. } = self else { return false };
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&**source);
        while let Some(error) = cause {
            if error.downcast_ref::<io::Error>().is_some_and(|error| {
                matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }) {
                return true;
            }
            cause = error.source();
        }
        false
    }
}
