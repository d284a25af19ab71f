//! Which database was here last, and how far it had come: kept beside it, so that an older copy in
//! its place is noticed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{Error, Result, durable};

/// The file, in a data directory. Its name does not begin as the database's do, so that who copies
/// `causeway.db*` and puts the copy back later does not put back an old mark with it.
const NAME: &str = "revision";

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The database's own id, which every copy of it has.
    pub(crate) database: String,
    /// The highest revision that it was seen at.
    pub(crate) revision: u64,
}

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

impl Seen {
    /// What the file in a data directory says; `None` if there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>> {
        let path = path(dir);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", &path)(error)),
        };
        let parse = |text: &str| {
            let (database, revision) = text.trim_end().split_once(' ')?;
            Some(Self { database: database.to_owned(), revision: revision.parse().ok()? })
        };
        let seen = std::str::from_utf8(&text).ok().and_then(parse);
        seen.map(Some).ok_or(Error::MalformedMark { path })
    }

    /// One length for every revision, so that writing over it needs no room and is done at once.
    fn text(&self) -> String {
        format!("{} {:020}\n", self.database, self.revision)
    }
}

impl Mark {
    /// Notes what was found at an opening, and gets ready for what comes.
    pub(crate) fn open(dir: &Path, seen: &Seen) -> Result<Self> {
        let path = path(dir);
        let database = seen.database.clone();
        if Seen::read(dir).ok().flatten().as_ref() != Some(seen) {
            match durable::write_file(&path, seen.text().as_bytes()) {
                Err(error) if error.is_no_room() => return Ok(Self { file: None, database }),
                written => written?,
            }
        }
        let file =
            OpenOptions::new().write(true).open(&path).map_err(Error::file("open", &path))?;
        Ok(Self { file: Some(file), database })
    }

    /// Notes that a revision is durable.
    pub(crate) fn raise(&self, revision: u64) {
        let seen = Seen { database: self.database.clone(), revision };
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
        assert_eq!(Seen::read(dir.path()).unwrap(), None);
        let seen = Seen { database: "0123abcd".to_owned(), revision: 7 };
        let mark = Mark::open(dir.path(), &seen).unwrap();
        assert_eq!(Seen::read(dir.path()).unwrap().as_ref(), Some(&seen));
        mark.raise(u64::MAX);
        mark.raise(12);
        let raised = Seen { revision: 12, ..seen };
        assert_eq!(Seen::read(dir.path()).unwrap(), Some(raised));
        fs::write(path(dir.path()), "0123abcd").unwrap();
        let refused = Seen::read(dir.path()).unwrap_err();
        assert!(matches!(refused, Error::MalformedMark { .. }), "{refused}");
        remove(dir.path()).unwrap();
        assert!(!exists(dir.path()));
    }
}
