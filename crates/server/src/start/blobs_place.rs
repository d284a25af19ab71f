//! Whether a server has the code of apps where the others of its installation have it.
//!
//! The database says where that is. Servers that kept code in several places would each miss what the
//! others took, and the one that leads would remove nothing but its own. So a place that is another one than
//! the database says is refused, until somebody says that it is meant: then the database says that one.

use s3::S3Url;
use store::Store;
use store::blobs::BLOBS_PLACE;

use crate::error::ServeError;

/// What the database says where code is with the records themselves.
const BESIDE_RECORDS: &str = "the database";

/// Where code is as one server is told, and what it does about another place.
pub(super) struct Place<'a> {
    /// The bucket, if there is one.
    pub(super) bucket: Option<&'a S3Url>,
    /// Whether other servers may have the database open, too.
    pub(super) shared: bool,
    /// Whether the place is meant, though the database may say another one.
    pub(super) accepted: bool,
}

impl Place<'_> {
    /// Refuses another place than the one that the database says, and notes the one that there is.
    ///
    /// One server that has its database to itself may begin to use a bucket at any time: it moves there what
    /// it has.
    ///
    /// # Errors
    ///
    /// [`ServeError::BlobsElsewhere`]; the database cannot be asked or told.
    pub(super) fn settle(&self, store: &mut dyn Store) -> Result<(), ServeError> {
        let wanted = self.bucket.map_or_else(|| BESIDE_RECORDS.to_owned(), ToString::to_string);
        let broken = |source| ServeError::Database(Box::new(source));
        match store.meta(BLOBS_PLACE).map_err(broken)? {
            Some(known) if known == wanted => return Ok(()),
            // Nothing is lost by a start that has nothing to say, even if the disk is full.
            None if self.bucket.is_none() && !self.shared => return Ok(()),
            // Earlier versions have noted nothing.
            None => {}
            Some(known) => {
                let moves = known == BESIDE_RECORDS && !self.shared;
                if !(moves || self.accepted) {
                    return Err(ServeError::BlobsElsewhere { known, wanted });
                }
                tracing::warn!(before = known, now = wanted, "code is kept elsewhere from now on");
            }
        }
        store.set_meta(BLOBS_PLACE, &wanted).map_err(broken)
    }
}

#[cfg(test)]
mod tests {
    use store::{DataDir, Sqlite};

    use super::*;

    fn settle(store: &mut dyn Store, bucket: Option<&str>, shared: bool, accepted: bool) -> bool {
        let bucket = bucket.map(|url| url.parse::<S3Url>().unwrap());
        let place = Place { bucket: bucket.as_ref(), shared, accepted };
        match place.settle(store) {
            Ok(()) => true,
            Err(ServeError::BlobsElsewhere { known, wanted }) => {
                assert_ne!(known, wanted);
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    const ONE: Option<&str> = Some("s3://code/one");
    const TWO: Option<&str> = Some("s3://code/two");

    #[test]
    fn servers_of_one_database_have_code_in_one_place() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Sqlite::open(&DataDir::open(dir.path()).unwrap()).unwrap();
        assert!(settle(&mut store, ONE, true, false), "the first one says where");
        // The same bucket by another parameter that says no other place.
        assert!(settle(&mut store, Some("s3://code/one/?region=us-east-1"), true, false));
        assert!(!settle(&mut store, TWO, true, false) && !settle(&mut store, None, true, false));
        assert!(settle(&mut store, TWO, true, true), "it is meant");
        assert!(!settle(&mut store, ONE, true, false) && settle(&mut store, TWO, true, false));
        assert!(settle(&mut store, None, true, true));
        assert!(!settle(&mut store, ONE, true, false), "others may still have it elsewhere");
    }

    #[test]
    fn one_server_alone_may_begin_to_use_a_bucket_and_not_just_leave_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Sqlite::open(&DataDir::open(dir.path()).unwrap()).unwrap();
        assert!(settle(&mut store, None, false, false) && settle(&mut store, ONE, false, false));
        assert!(!settle(&mut store, None, false, false), "what is there would not be found");
        assert!(!settle(&mut store, TWO, false, false));
        assert!(settle(&mut store, None, false, true) && settle(&mut store, TWO, false, false));
    }
}
