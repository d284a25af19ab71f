//! Blobs in a database of PostgreSQL's.

use std::io::Read;

use super::{joined, opened, shared};
use crate::{Blob, BlobDigest, BlobError, Blobs, blobs};

/// How many large objects the database has.
fn objects(database: &str) -> String {
    shared().sql(database, "SELECT count(*) FROM pg_largeobject_metadata")
}

#[test]
fn it_does_what_every_place_for_blobs_does_on_several_servers() {
    let database = shared().database();
    let address = shared().url(&database);
    let scratch = tempfile::tempdir().unwrap();
    let first = scratch.path().join("first");
    let store = opened(&first, &address).unwrap();
    let other = joined(&first);
    let beside = opened(other.path(), &address).unwrap();
    let stores = std::sync::Mutex::new(vec![store, beside]);
    blobs::conformance::all(&|| {
        let mut stores = stores.lock().unwrap();
        stores.rotate_left(1);
        Box::new(stores[0].blobs().unwrap())
    });
    assert_eq!(objects(&database), "0", "nothing is left of what broke off either");
}

#[test]
fn a_writer_that_is_cut_off_leaves_nothing_and_a_reader_goes_on() {
    let database = shared().database();
    let scratch = tempfile::tempdir().unwrap();
    let store = opened(&scratch.path().join("data"), &shared().url(&database)).unwrap();
    let place = store.blobs().unwrap();
    let cut = || {
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        shared().sql(&database, cut)
    };
    let bytes: Vec<u8> = (0..4 << 20).map(|n: u32| (n % 251) as u8).collect();
    let digest = BlobDigest::of(&bytes);

    struct Cuts<'a>(&'a [u8], &'a dyn Fn() -> String);
    impl Read for Cuts<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.len() == 1 << 20 {
                (self.1)();
            }
            let most = buffer.len().min(1 << 18).min(self.0.len());
            let (some, rest) = self.0.split_at(most);
            buffer[..most].copy_from_slice(some);
            self.0 = rest;
            Ok(most)
        }
    }

    let broken = place.put(&digest, bytes.len() as u64, &mut Cuts(&bytes, &cut)).unwrap_err();
    assert!(matches!(broken, BlobError::Place { .. }), "{broken}");
    assert!(place.open(&digest, 0).unwrap().is_none());
    assert_eq!(objects(&database), "0");

    place.put(&digest, bytes.len() as u64, &mut &bytes[..]).unwrap();
    let Blob { mut content, .. } = place.open(&digest, 0).unwrap().unwrap();
    let mut start = vec![0; 100];
    content.read_exact(&mut start).unwrap();
    assert_ne!(cut(), "0");
    let mut rest = Vec::new();
    content.read_to_end(&mut rest).unwrap();
    assert!([start, rest].concat() == bytes);
}
