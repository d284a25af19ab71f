//! Which database was here last, and how far it had come: kept beside it, so that an older copy in
//! its place is noticed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{Error, Identity, Result, durable};

/// The file, in a data directory. Its name does not begin as the database's do, so that who copies
/// `causeway.db*` and puts the copy back later does not put back an old mark with it.
const NAME: &str = "revision";

/// The file, open.
///
/// It is written after each commit and not synced for it: it never says more than the disk holds,
/// and a process that is killed takes nothing from it. What a power cut takes is the last seconds of
/// it, so that copies which are older than those are noticed all the same.
#[derive(Debug)]
pub(crate) struct Mark {
    /// `None` where the disk had no room for it.
    file: Option<File>,
    database: String,
}

impl Identity {
    /// What the file in a data directory says; `None` if there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>> {
        let path = path(dir);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", &path)(error)),
        };
        let parse = |text: &str| {
            let mut words = text.trim_end().split(' ');
            let (database, revision) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
            let timeline = words.next().map_or(Some(0), |word| word.parse().ok())?;
            Some(Self { database, timeline, revision })
        };
        let seen = std::str::from_utf8(&text).ok().and_then(parse);
        seen.map(Some).ok_or(Error::MalformedMark { path })
    }

    /// One length for every revision, so that writing over it needs no room and is done at once.
    fn text(&self) -> String {
        match self.timeline {
            0 => format!("{} {:020}\n", self.database, self.revision),
            timeline => format!("{} {:020} {timeline:010}\n", self.database, self.revision),
        }
    }
}

impl Mark {
    /// Notes what was found at an opening, and gets ready for what comes.
    pub(crate) fn open(dir: &Path, seen: &Identity) -> Result<Self> {
        let path = path(dir);
        let database = seen.database.clone();
        if Identity::read(dir).ok().flatten().as_ref() != Some(seen) {
            match durable::write_file(&path, seen.text().as_bytes()) {
                Err(error) if error.is_no_room() => {
                    return Ok(Self { file: None, database });
                }
                written => written?,
            }
        }
        let file =
            OpenOptions::new().write(true).open(&path).map_err(Error::file("open", &path))?;
        Ok(Self { file: Some(file), database })
    }

    /// Notes that a revision of a timeline is durable.
    pub(crate) fn raise(&self, timeline: u64, revision: u64) {
        let seen = Identity { database: self.database.clone(), timeline, revision };
        // A mark that stays lower notices less, and is no reason to refuse what is durable.
        let _ = self.file.as_ref().map(|file| file.write_all_at(seen.text().as_bytes(), 0));
    }
}

/// Whether a data directory has such a file.
pub(crate) fn exists(dir: &Path) -> bool {
    path(dir).exists()
}

/// Removes it, for a database that begins anew.
pub(crate) fn remove(dir: &Path) -> Result<()> {
    let path = path(dir);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("remove", &path)(error))
        }
        _ => durable::sync_parent(&path),
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_revision_is_found_again_and_half_of_it_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Identity::read(dir.path()).unwrap(), None);
        let seen = Identity { database: "0123abcd".to_owned(), timeline: 0, revision: 7 };
        let mark = Mark::open(dir.path(), &seen).unwrap();
        assert_eq!(Identity::read(dir.path()).unwrap().as_ref(), Some(&seen));
        mark.raise(0, u64::MAX);
        mark.raise(0, 12);
        let raised = Identity { revision: 12, ..seen };
        assert_eq!(Identity::read(dir.path()).unwrap(), Some(raised.clone()));
        let promoted = Identity { timeline: 3, ..raised };
        Mark::open(dir.path(), &promoted).unwrap().raise(3, 12);
        assert_eq!(Identity::read(dir.path()).unwrap(), Some(promoted));
        fs::write(path(dir.path()), "0123abcd").unwrap();
        let refused = Identity::read(dir.path()).unwrap_err();
        assert!(matches!(refused, Error::MalformedMark { .. }), "{refused}");
        remove(dir.path()).unwrap();
        assert!(!exists(dir.path()));
    }
}
