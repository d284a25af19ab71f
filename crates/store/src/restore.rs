//! Directories of installations that are restored from a backup, or begun anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data_dir::{
    DATABASE, FIRST_START, LOCK, LOST, Lock, SECRET, lock, prepare, refuse_content,
};
use crate::{
    DataDir, Error, KeySource, Postgres, PostgresUrl, Result, Snapshot, durable, mark, sqlite,
};

impl DataDir {
    /// Opens the directory of an installation whose database is lost, for a new one. What is left of
    /// the old database is set aside; the key stays.
    ///
    /// # Errors
    ///
    /// [`Error::HasDatabase`] where a sound database is there, and those of [`Self::open`].
    pub fn open_anew(path: &Path, key: Option<&KeySource>) -> Result<Self> {
        prepare(path)?;
        let lock = lock(path)?;
        let database = path.join(DATABASE);
        if sqlite::is_sound(&database) {
            return Err(Error::HasDatabase { path: database });
        }
        set_database_aside(path)?;
        durable::write_file(&path.join(FIRST_START), b"")?;
        mark::remove(path)?;
        Self::of_lock(path, lock, key)
    }

    /// Makes a directory from a file that a backup wrote. `path` must be absent or empty.
    pub fn restore(backup: &Path, path: &Path) -> Result<Self> {
        Self::refuse_content(path)?;
        let snapshot = Snapshot::open(backup)?;
        Restoring::begin(path)?.finish(&snapshot)
    }
}

/// A data directory that is being made from a backup. Unless it is finished, all that was put into
/// it goes again.
#[derive(Debug)]
pub struct Restoring {
    path: PathBuf,
    lock: Option<Arc<Lock>>,
}

impl Restoring {
    /// Makes the directory, which must be absent or empty, and locks it.
    ///
    /// # Errors
    ///
    /// [`Error::NotEmpty`], [`Error::InUse`], and what keeps it from being made.
    pub fn begin(path: &Path) -> Result<Self> {
        prepare(path)?;
        let lock = lock(path)?;
        refuse_content(path)?;
        Ok(Self { path: path.to_owned(), lock: Some(lock) })
    }

    /// The directory, for what is to be in it beside the database and the key.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the database and, last of all, the key: without that, a directory that was half
    /// restored does not open.
    ///
    /// # Errors
    ///
    /// What keeps them from being written.
    pub fn finish(mut self, snapshot: &Snapshot) -> Result<DataDir> {
        snapshot.restore(&self.path.join(DATABASE))?;
        durable::write_file(&self.path.join(SECRET), snapshot.secret().expose())?;
        self.lock = None;
        DataDir::open(&self.path)
    }

    /// Writes the database to a server, and the key and what is known of the database to the directory.
    ///
    /// # Errors
    ///
    /// What keeps them from being written.
    pub fn finish_on(mut self, snapshot: &Snapshot, url: &PostgresUrl) -> Result<DataDir> {
        Postgres::restore(url, snapshot, &self.path)?;
        durable::write_file(&self.path.join(SECRET), snapshot.secret().expose())?;
        self.lock = None;
        DataDir::open_for_server(&self.path, None)
    }
}

impl Drop for Restoring {
    fn drop(&mut self) {
        if self.lock.is_none() {
            return;
        }
        // The directory was empty, so all that is in it is ours. What cannot be removed is seen by
        // the next try.
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name() != LOCK && fs::remove_file(&path).is_err() {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

/// Moves the files of a database to a place of their own under `lost`.
fn set_database_aside(dir: &Path) -> Result<()> {
    let there = |name: &String| fs::symlink_metadata(dir.join(name)).is_ok();
    let names: Vec<String> = ["", "-wal", "-shm"]
        .map(|end| format!("{DATABASE}{end}"))
        .into_iter()
        .filter(there)
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    let place = dir.join(LOST).join("databases");
    let free = (1_u32..).map(|n| place.join(format!("causeway.{n}"))).find(|path| !path.exists());
    let to = free.unwrap_or(place);
    durable::create_dir(&to)?;
    for name in names {
        let from = dir.join(&name);
        fs::rename(&from, to.join(&name)).map_err(Error::file("set aside", &from))?;
    }
    durable::sync_dir(&to)?;
    durable::sync_dir(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_restore_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a/b");
        let restoring = Restoring::begin(&path).unwrap();
        assert!(matches!(Restoring::begin(&path).unwrap_err(), Error::InUse { .. }));
        fs::create_dir_all(path.join("slugs/one")).unwrap();
        fs::write(path.join(DATABASE), "half").unwrap();
        drop(restoring);
        DataDir::refuse_content(&path).unwrap();
        fs::write(path.join("mine"), "").unwrap();
        let refused = Restoring::begin(&path).unwrap_err();
        assert!(matches!(refused, Error::NotEmpty { .. }), "{refused}");
        assert!(path.join("mine").exists());
    }
}
