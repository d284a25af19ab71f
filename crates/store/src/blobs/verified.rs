//! Reads bytes that must have a digest.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::{BlobDigest, BlobError};

/// A reader that computes the digest of all that passes through it.
pub struct Verified<R> {
    inner: R,
    hasher: Sha256,
    bytes: u64,
}

impl<R: Read> Verified<R> {
    /// Reads from a reader, from its first byte on.
    pub fn new(inner: R) -> Self {
        Self { inner, hasher: Sha256::new(), bytes: 0 }
    }

    /// How many bytes were read.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether what was read is what the digest is of.
    ///
    /// # Errors
    ///
    /// [`BlobError::Damaged`].
    pub fn check(self, wanted: &BlobDigest) -> Result<(), BlobError> {
        let found = BlobDigest::finish(self.hasher);
        match found == *wanted {
            true => Ok(()),
            false => Err(BlobError::Damaged { wanted: *wanted, found }),
        }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        Ok(read)
    }
}
