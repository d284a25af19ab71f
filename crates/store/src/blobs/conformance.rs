//! What every place for blobs must do.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::io::{self, Read};
use std::time::Duration;

use super::{BlobDigest, BlobEntry, BlobError, Blobs};

/// Another handle on the same place, each time.
pub type Open<'a> = &'a (dyn Fn() -> Box<dyn Blobs> + Sync);

/// Tries everything in an empty place, which is empty afterwards.
pub fn all(open: Open<'_>) {
    let blobs = &*open();
    assert_eq!(listed(blobs), []);
    what_was_put_is_read_from_any_byte_on(blobs);
    other_bytes_are_not_kept(blobs);
    what_was_put_again_is_not_removed(blobs);
    a_source_that_breaks_leaves_nothing(blobs);
    the_same_from_many_threads_is_one(open);
    what_is_read_stays_or_fails(blobs);
    assert_eq!(listed(blobs), []);
}

fn put(blobs: &dyn Blobs, bytes: &[u8]) -> BlobDigest {
    let digest = BlobDigest::of(bytes);
    blobs.put(&digest, bytes.len() as u64, &mut { bytes }).unwrap();
    digest
}

fn listed(blobs: &dyn Blobs) -> Vec<BlobDigest> {
    blobs.list().unwrap().iter().map(|entry| entry.digest).collect()
}

fn entry(blobs: &dyn Blobs, digest: BlobDigest) -> BlobEntry {
    let mut list = blobs.list().unwrap();
    list.retain(|entry| entry.digest == digest);
    assert_eq!(list.len(), 1, "{list:?}");
    list.remove(0)
}

fn read(blobs: &dyn Blobs, digest: &BlobDigest, from: u64) -> Vec<u8> {
    let mut blob = blobs.open(digest, from).unwrap().unwrap();
    let mut read = Vec::new();
    blob.content.read_to_end(&mut read).unwrap();
    read
}

/// Bytes without a pattern that a part of them would repeat.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()
    };
    (0..bytes.div_ceil(4)).flat_map(next).take(bytes).collect()
}

fn what_was_put_is_read_from_any_byte_on(blobs: &dyn Blobs) {
    let large = noise((3 << 20) + 17);
    for bytes in [&b""[..], b"x", b"\0\xff text", &large] {
        let digest = BlobDigest::of(bytes);
        assert!(blobs.open(&digest, 0).unwrap().is_none());
        put(blobs, bytes);
        put(blobs, bytes);
        let length = bytes.len();
        assert_eq!(blobs.open(&digest, 0).unwrap().unwrap().bytes, length as u64);
        for from in [0, 1, length / 2, length.saturating_sub(1), length] {
            let rest = bytes.get(from..).unwrap_or_default();
            assert!(read(blobs, &digest, from as u64) == rest, "{length} bytes from {from}");
        }
        let entry = entry(blobs, digest);
        assert_eq!(entry.bytes, length as u64);
        assert!(entry.age < Duration::from_secs(60), "{entry:?}");
        assert!(blobs.remove(&entry).unwrap());
        assert!(!blobs.remove(&entry).unwrap(), "it is gone");
        assert!(blobs.open(&digest, 0).unwrap().is_none());
    }
    let many: Vec<_> = (0_u32..40).map(|n| put(blobs, &n.to_be_bytes())).collect();
    let mut sorted = many.clone();
    sorted.sort_unstable();
    assert_eq!(listed(blobs), sorted);
    blobs.list().unwrap().iter().for_each(|entry| assert!(blobs.remove(entry).unwrap()));
}

fn other_bytes_are_not_kept(blobs: &dyn Blobs) {
    let (meant, sent) = (noise(2 << 20), noise((2 << 20) - 1));
    let digest = BlobDigest::of(&meant);
    // Others, fewer than were announced, and more of them.
    for (bytes, from) in [(meant.len(), b"other".repeat(meant.len() / 5 + 1)), (meant.len(), sent)]
    {
        let refused = blobs.put(&digest, bytes as u64, &mut &from[..]).unwrap_err();
        assert!(
            matches!(refused, BlobError::Damaged { wanted, .. } if wanted == digest),
            "{refused}"
        );
        assert!(blobs.open(&digest, 0).unwrap().is_none());
    }
    assert_eq!(listed(blobs), []);
}

fn what_was_put_again_is_not_removed(blobs: &dyn Blobs) {
    let digest = put(blobs, b"twice");
    let before = entry(blobs, digest);
    // The clock of a place may count in seconds.
    let again = (0..200).any(|_| {
        pause();
        put(blobs, b"twice");
        blobs.list().unwrap() != [BlobEntry { age: entry(blobs, digest).age, ..before.clone() }]
    });
    assert!(again, "a later one is told from the one before");
    blobs.remove(&before).unwrap();
    assert_eq!(read(blobs, &digest, 0), b"twice");
    for entry in blobs.list().unwrap() {
        assert!(blobs.remove(&entry).unwrap());
    }
    assert!(blobs.open(&digest, 0).unwrap().is_none());
}

#[expect(clippy::disallowed_methods, reason = "a clock of others is waited for")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

fn a_source_that_breaks_leaves_nothing(blobs: &dyn Blobs) {
    struct Breaks(usize);

    impl Read for Breaks {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::other("the disk is broken"));
            }
            let some = buffer.len().min(self.0);
            buffer[..some].fill(7);
            self.0 -= some;
            Ok(some)
        }
    }

    let whole = vec![7; 3 << 20];
    let digest = BlobDigest::of(&whole);
    let broken = blobs.put(&digest, whole.len() as u64, &mut Breaks(2 << 20)).unwrap_err();
    assert!(matches!(broken, BlobError::Source(_)), "{broken}");
    assert_eq!(listed(blobs), []);
    // The place is as good as before.
    put(blobs, &whole);
    let entry = entry(blobs, digest);
    assert!(blobs.remove(&entry).unwrap());
}

fn the_same_from_many_threads_is_one(open: Open<'_>) {
    let bytes = noise(1 << 20);
    let digest = BlobDigest::of(&bytes);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let blobs = open();
                put(&*blobs, &bytes);
                assert!(read(&*blobs, &digest, 0) == bytes);
            });
        }
    });
    let blobs = open();
    let mut list = blobs.list().unwrap();
    assert!(list.iter().all(|entry| entry.digest == digest));
    list.drain(..).for_each(|entry| assert!(blobs.remove(&entry).unwrap()));
}

fn what_is_read_stays_or_fails(blobs: &dyn Blobs) {
    let bytes = noise(5 << 20);
    let digest = put(blobs, &bytes);
    let mut blob = blobs.open(&digest, 0).unwrap().unwrap();
    let mut start = vec![0; 1000];
    blob.content.read_exact(&mut start).unwrap();
    assert!(blobs.remove(&entry(blobs, digest)).unwrap());
    let mut rest = Vec::new();
    // Never fewer bytes as if that were all.
    if blob.content.read_to_end(&mut rest).is_ok() {
        assert!([start, rest].concat() == bytes);
    }
}
