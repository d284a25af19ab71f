//! Files in the data directory that belong to no record. A start moves them to `lost/` and deletes
//! none of them.
//!
//! The database can be older than the files beside it, or new. Then code, disks and homes seem to
//! belong to nothing. So a start removes the files of a record only if the database says that the
//! record was deleted. Everything else without a record is moved to `lost/`. It comes back when a
//! start knows its record again, and is deleted only by a command.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use fabric::slug;
use model::{AddonId, AppId, Key, SlugId, Timestamp, WorkloadId, World};
use store::{DataDir, Store};

use crate::code::{CODE, Kept};

/// The directories, in the data directory and in `lost/`, whose entries are named after records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The code of apps, named after slugs.
    Slugs,
    /// The code of apps as it was uploaded, named after slugs.
    Code,
    /// Disks, named after data services.
    Disks,
    /// Homes and output, named after dynos, instances and data services.
    Workloads,
    /// The platform's log lines, two files for each app.
    Logs,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Slugs, Self::Code, Self::Disks, Self::Workloads, Self::Logs];

    const fn dir(self) -> &'static str {
        match self {
            Self::Slugs => "slugs",
            Self::Code => CODE,
            Self::Disks => "services",
            Self::Workloads => "workloads",
            Self::Logs => "logs",
        }
    }

    /// The record that an entry is named after; `None` for a file that is not Causeway's.
    fn record(self, name: &str) -> Option<Key> {
        fn id<T: FromStr>(text: &str) -> Option<T> {
            text.parse().ok()
        }
        match self {
            Self::Slugs | Self::Code => id::<SlugId>(name).map(Key::Slug),
            Self::Disks => id::<AddonId>(name).map(Key::Addon),
            Self::Workloads => id::<WorkloadId>(name).map(Key::from),
            Self::Logs => {
                let app = name.strip_suffix(".1").unwrap_or(name).strip_suffix(".log")?;
                id::<AppId>(app).map(Key::App)
            }
        }
    }

    /// Whether the files of a record belong to a world. A slug without a size has no code yet.
    fn is_known(self, world: &World, key: Key) -> bool {
        match (self, key) {
            (Self::Slugs | Self::Code, Key::Slug(id)) => {
                world.slug(id).is_some_and(|slug| slug.size.is_some())
            }
            (_, key) => world.get(key).is_some(),
        }
    }
}

/// An entry that was moved to `lost/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name in commands: the directory that it was in, a slash, and its name there.
    pub id: String,
    /// Its path in `lost/`.
    pub path: PathBuf,
    /// The time when it was moved.
    pub since: Timestamp,
}

/// The result of a start's check.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Workloads without a record. They may still run, so the runtime moves them once they have
    /// ended.
    pub workloads: BTreeSet<WorkloadId>,
    /// Disks of deleted data services, to be removed once the services have ended.
    pub deleted_disks: Vec<AddonId>,
}

/// The directory `lost/` of a data directory.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    data: PathBuf,
    dir: PathBuf,
}

impl Lost {
    /// The `lost/` of a data directory. The directory is created when it is first needed.
    pub(crate) fn at(data: &Path) -> Self {
        let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        Self { dir: DataDir::lost(&data), data }
    }

    /// The directory for workloads.
    pub(crate) fn workloads(&self) -> PathBuf {
        self.dir.join(Kind::Workloads.dir())
    }

    /// Compares the files with the world that a start has loaded. Entries of `lost/` whose record
    /// is known come back, entries without a record are moved to `lost/`, and what an interrupted
    /// removal left of deleted records is removed. No upload and no start of a workload may happen
    /// meanwhile.
    pub(crate) fn settle(&self, world: &World, store: &dyn Store) -> Found {
        self.bring_back(world);
        if let Err(error) = slug::clean(&self.data.join(Kind::Slugs.dir())) {
            tracing::warn!(%error, "cannot remove the remains of interrupted uploads");
        }
        let mut found = Found::default();
        for kind in Kind::ALL {
            for (name, key) in names(&self.data.join(kind.dir()), kind) {
                if kind.is_known(world, key) {
                    continue;
                }
                let deleted = store.was_deleted(key.kind().name(), &key.to_string());
                if deleted.is_ok_and(|deleted| deleted) {
                    self.finish_removal(kind, key, &name, &mut found);
                } else if let (Kind::Workloads, Ok(id)) = (kind, name.parse()) {
                    found.workloads.insert(id);
                } else {
                    self.set_aside(kind, &name);
                }
            }
        }
        // What was set aside holds its blob.
        if let Err(error) = Kept::at(&self.data, None).sweep(true) {
            tracing::warn!(error = os::error_chain(&error), "unneeded code is still there");
        }
        found
    }

    /// Removes what is left of a deleted record. The runtime removes workloads itself.
    fn finish_removal(&self, kind: Kind, key: Key, name: &str, found: &mut Found) {
        let path = self.data.join(kind.dir()).join(name);
        let removed = match (kind, key) {
            (Kind::Slugs, Key::Slug(id)) => {
                slug::remove(&self.data.join(kind.dir()), id).map_err(io::Error::other)
            }
            (Kind::Disks, Key::Addon(id)) => {
                found.deleted_disks.push(id);
                Ok(())
            }
            (Kind::Logs | Kind::Code, _) => fs::remove_file(&path),
            _ => Ok(()),
        };
        if let Err(error) = removed {
            tracing::warn!(path = %path.display(), %error, "cannot remove the files of a deleted record");
        }
    }

    fn set_aside(&self, kind: Kind, name: &str) {
        let from = self.data.join(kind.dir()).join(name);
        match move_to(&from, &self.dir.join(kind.dir())) {
            Ok(to) => {
                let name = to.file_name().unwrap_or_default().to_string_lossy();
                let id = format!("{}/{name}", kind.dir());
                tracing::warn!(
                    id,
                    "set aside under {}: no record names it; `causeway lost` lists such things",
                    to.display()
                );
            }
            Err(error) => tracing::warn!(
                path = %from.display(), %error,
                "no record names this, and it could not be set aside: it stays where it is"
            ),
        }
    }

    fn bring_back(&self, world: &World) {
        for kind in Kind::ALL {
            for (name, _) in names(&self.dir.join(kind.dir()), kind)
                .filter(|(_, key)| kind.is_known(world, *key))
            {
                let (id, place) = (format!("{}/{name}", kind.dir()), self.data.join(kind.dir()));
                let to = place.join(&name);
                // If something has the name already, both are kept.
                if to.exists() {
                    continue;
                }
                let moved = make_dir(&place).and_then(|()| fs::rename(self.dir.join(&id), &to));
                match moved {
                    Ok(()) => tracing::info!(id, "what was set aside is in its place again"),
                    Err(error) => tracing::warn!(id, %error, "could not be put in its place"),
                }
            }
        }
    }

    /// All entries, in the order of their names.
    pub(crate) fn list(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for kind in children(&self.dir) {
            for path in children(&kind) {
                let Ok(data) = fs::symlink_metadata(&path) else { continue };
                // A move sets the change time of the entry itself.
                let since = Timestamp::from_millis(data.ctime() * 1000);
                let id = path.strip_prefix(&self.dir).unwrap_or(&path).display().to_string();
                entries.push(Entry { id, path, since });
            }
        }
        entries.sort_by(|one, other| one.id.cmp(&other.id));
        entries
    }

    /// Deletes an entry. Returns whether it was there.
    ///
    /// # Errors
    ///
    /// It cannot be deleted.
    pub(crate) fn delete(&self, id: &str) -> io::Result<bool> {
        let Some(entry) = self.list().into_iter().find(|entry| entry.id == id) else {
            return Ok(false);
        };
        // A workload may have left a tree of any size and depth, so `rm` does it.
        let status = Command::new("rm")
            .args(["-rf", "--one-file-system", "--"])
            .arg(&entry.path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        match status.success() {
            true => Ok(true),
            false => Err(io::Error::other("not all of it could be removed")),
        }
    }
}

/// Moves a file into a directory, which is created if it is missing, under a free name.
fn move_to(from: &Path, dir: &Path) -> io::Result<PathBuf> {
    make_dir(dir)?;
    let to =
        fabric::runtime::free_name(dir, &from.file_name().unwrap_or_default().to_string_lossy());
    fs::rename(from, &to)?;
    Ok(to)
}

fn make_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// The entries of a directory that are named after records.
fn names(dir: &Path, kind: Kind) -> impl Iterator<Item = (String, Key)> {
    let names = children(dir).into_iter();
    names.filter_map(move |path| {
        let name = path.file_name()?.to_str()?.to_owned();
        let key = kind.record(&name)?;
        Some((name, key))
    })
}

fn children(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests;
