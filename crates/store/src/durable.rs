//! Files that only their owner reads, and that are there after the power fails.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Makes the directory and those above it that are missing, for the owner only.
pub(crate) fn create_dir(path: &Path) -> Result<()> {
    let absolute = std::path::absolute(path).map_err(Error::file("find", path))?;
    let missing: Vec<&Path> = absolute.ancestors().take_while(|dir| !dir.exists()).collect();
    for dir in missing.into_iter().rev() {
        match DirBuilder::new().mode(0o700).create(dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::file("create", dir)(error)),
        }
        sync_parent(dir)?;
    }
    Ok(())
}

/// Makes a file that must not exist yet, for the owner only.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Puts a file with this content in place, whole or not at all, in a directory that is there. The caller sees
/// to it that nobody else does the same.
///
/// # Errors
///
/// [`Error::File`]: what keeps it from being written.
pub fn write_file(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let unfinished = PathBuf::from(name);
    match fs::remove_file(&unfinished) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::file("remove", &unfinished)(error)),
    }
    let mut file = create_file(&unfinished).map_err(Error::file("create", &unfinished))?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(Error::file("write", path))?;
    sync_parent(path)
}

/// Keeps a file for its owner only: whole and durable, or as it was before. Makes the directory, too. The
/// caller sees to it that nobody else does the same.
///
/// # Errors
///
/// [`Error::File`]: what keeps it from being written.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<()> {
    path.parent().map_or(Ok(()), create_dir)?;
    write_file(path, content)
}

/// A file in the making, for its owner only. Its name shows nothing, or all of it; unless it was
/// published, nothing is left of it.
#[derive(Debug)]
pub struct NewFile {
    unfinished: PathBuf,
    to: PathBuf,
}

impl NewFile {
    /// Makes it under another name beside the one that it is to have.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] where something has that name; a file that cannot be made.
    pub fn create(to: &Path) -> Result<Self> {
        if fs::symlink_metadata(to).is_ok() {
            return Err(Error::Exists { path: to.to_owned() });
        }
        let number = getrandom::u32().map_err(Error::Random)?;
        let mut name = to.as_os_str().to_owned();
        name.push(format!(".{number:08x}.partial"));
        let unfinished = PathBuf::from(name);
        create_file(&unfinished).map_err(Error::file("create", &unfinished))?;
        Ok(Self { unfinished, to: to.to_owned() })
    }

    /// Where it is until it is published.
    pub fn unfinished(&self) -> &Path {
        &self.unfinished
    }

    /// Makes its content durable, and then gives it its name, overwriting nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] where something took that name meanwhile; what keeps it from being written.
    pub fn publish(self) -> Result<()> {
        File::open(&self.unfinished)
            .and_then(|file| file.sync_all())
            .map_err(Error::file("sync", &self.unfinished))?;
        match put_in_place(&self.unfinished, &self.to) {
            Ok(()) => sync_parent(&self.to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::Exists { path: self.to.clone() })
            }
            Err(error) => Err(Error::file("write", &self.to)(error)),
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Gone already if it was renamed; if it cannot be removed, it does no harm.
        let _ = fs::remove_file(&self.unfinished);
    }
}

/// Renames without overwriting, where the file system can.
fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // No hard links here, as on a memory stick.
        Err(_) => fs::rename(from, to),
    }
}

/// Makes the directory's entries durable.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(Error::file("sync", path))
}

/// Makes the file's name durable.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    sync_dir(parent(path))
}

/// The directory that holds this path.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Takes every permission from all but the owner; says whether the file is there.
pub(crate) fn make_private(path: &Path) -> Result<bool> {
    match fs::set_permissions(path, fs::Permissions::from_mode(0o600)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::file("set the permissions of", path)(error)),
    }
}

/// Whether there is a file here with anything in it.
pub(crate) fn has_content(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len() > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::file("look at", path)(error)),
    }
}

/// Refuses what has any of the `forbidden` permissions.
pub(crate) fn check_mode(
    path: &Path,
    metadata: &fs::Metadata,
    forbidden: u32,
    wanted: u32,
) -> Result<()> {
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & forbidden == 0 {
        return Ok(());
    }
    Err(Error::Permissions { path: path.to_owned(), mode, wanted })
}
