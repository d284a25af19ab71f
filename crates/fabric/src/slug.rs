//! Slugs: the code of apps as it was uploaded. A slug is unpacked once, with nothing in it that could
//! do harm, and never changed afterwards. Workloads see it through a layer of their own.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use model::SlugId;

mod error;
mod extract;
#[cfg(test)]
mod fuzz;
mod limits;
mod links;
mod pack;
#[cfg(test)]
mod tests;
mod tree;

pub use self::error::SlugError;
use self::error::failed;
use self::extract::make_dir;
pub use self::limits::Limits;

/// Bytes that a Procfile may have.
const PROCFILE_BYTES: u64 = 64 << 10;

/// The content of a slug.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Bytes of all files.
    pub bytes: u64,
    /// Number of files and links.
    pub files: u64,
    /// The text of the file `Procfile`, if there is one.
    pub procfile: Option<String>,
}

/// Bytes that an empty file takes of a disk, with its entry in a directory.
const FILE_BYTES: u64 = 4096;

impl Unpacked {
    /// About how many bytes it takes of a disk; a million empty files take many, too.
    pub fn on_disk(&self) -> u64 {
        self.bytes.saturating_add(self.files.saturating_mul(FILE_BYTES))
    }
}

/// The directory of a slug's files, below that of all slugs.
pub fn path(slugs: &Path, id: SlugId) -> PathBuf {
    slugs.join(id.to_string())
}

/// Unpacks a tar archive, plain or compressed with gzip, into a directory that is made by it: all
/// of it or nothing, durable before it is there. What was unpacked before stays as it is.
///
/// An archive whose one top-level directory is `app`, as Heroku's slugs are, is unpacked without
/// it. Files belong to the caller and everybody may read them; nothing has more rights than that.
pub fn unpack(archive: impl Read, into: &Path, limits: Limits) -> Result<Unpacked, SlugError> {
    if into.is_dir() {
        return summary(into);
    }
    let (Some(parent), Some(name)) = (into.parent(), into.file_name()) else {
        return Err(failed("name", into)(io::ErrorKind::InvalidInput.into()));
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .map_err(failed("make", parent))?;
    let making = Making::start(parent, &name.to_string_lossy())?;
    let root = extract::extract(archive, &making.0, limits)?;
    let unpacked = summary(&root)?;
    publish(&root, parent, into)?;
    Ok(unpacked)
}

/// Packs a slug that was unpacked: [`unpack`] makes the same of it again.
pub fn pack(slugs: &Path, id: SlugId, out: impl Write) -> Result<(), SlugError> {
    pack::pack(&path(slugs, id), out)
}

/// Removes a slug that no workload runs from any more. One that is gone is fine.
pub fn remove(slugs: &Path, id: SlugId) -> Result<(), SlugError> {
    match set_aside(slugs, id)? {
        Some(aside) => fs::remove_dir_all(&aside).map_err(failed("remove", &aside)),
        None => Ok(()),
    }
}

/// Takes a slug's name away at once. What is left to be removed is where this says, if there is anything;
/// [`clean`] finds it too.
pub fn set_aside(slugs: &Path, id: SlugId) -> Result<Option<PathBuf>, SlugError> {
    let from = path(slugs, id);
    let aside = hidden(slugs, &id.to_string());
    match fs::rename(&from, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(|()| Some(aside)).map_err(failed("remove", &from)),
    }
}

/// What the directory of a slug's files holds; `None` where it is not there.
pub fn look_at(slugs: &Path, id: SlugId) -> Result<Option<Unpacked>, SlugError> {
    let path = path(slugs, id);
    path.is_dir().then(|| summary(&path)).transpose()
}

/// Removes what was being unpacked or removed when the machine or the server was stopped. Nothing
/// may be unpacked meanwhile.
pub fn clean(slugs: &Path) -> Result<(), SlugError> {
    let entries = match fs::read_dir(slugs) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed("list", slugs))?,
    };
    for entry in entries {
        let entry = entry.map_err(failed("list", slugs))?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            fs::remove_dir_all(entry.path()).map_err(failed("remove", &entry.path()))?;
        }
    }
    Ok(())
}

/// A directory in the making, removed with all that is in it unless it was published.
struct Making(PathBuf);

impl Making {
    fn start(parent: &Path, name: &str) -> Result<Self, SlugError> {
        let path = hidden(parent, name);
        make_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A name that nothing else has: no slug's begins with a dot.
fn hidden(parent: &Path, name: &str) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    parent.join(format!(".{name}.{}.{number}", std::process::id()))
}

/// Makes what was unpacked durable, then gives it its name.
fn publish(root: &Path, parent: &Path, into: &Path) -> Result<(), SlugError> {
    let open = |path| File::open(path).map_err(failed("open", path));
    nix::unistd::syncfs(open(root)?).map_err(|e| failed("sync", root)(e.into()))?;
    match fs::rename(root, into) {
        Ok(()) => {}
        // Somebody else unpacked the same meanwhile.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => return Ok(()),
        Err(error) => return Err(failed("name", into)(error)),
    }
    open(parent)?.sync_all().map_err(failed("sync", parent))
}

/// What a directory that was unpacked holds.
fn summary(root: &Path) -> Result<Unpacked, SlugError> {
    let mut found = Unpacked { procfile: procfile(root)?, ..Unpacked::default() };
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).map_err(failed("list", &dir))? {
            let entry = entry.map_err(failed("list", &dir))?;
            let data = entry.metadata().map_err(failed("look at", &entry.path()))?;
            if data.is_dir() {
                dirs.push(entry.path());
                continue;
            }
            found.files += 1;
            found.bytes += if data.is_file() { data.len() } else { 0 };
        }
    }
    Ok(found)
}

fn procfile(root: &Path) -> Result<Option<String>, SlugError> {
    let path = root.join("Procfile");
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        data if !data.as_ref().is_ok_and(|data| data.is_file()) => return Err(SlugError::Procfile),
        _ => {}
    }
    let file = fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(&path);
    let mut text = Vec::new();
    file.and_then(|file| file.take(PROCFILE_BYTES + 1).read_to_end(&mut text))
        .map_err(failed("read", &path))?;
    let text = String::from_utf8(text).ok().filter(|text| text.len() as u64 <= PROCFILE_BYTES);
    text.map(Some).ok_or(SlugError::Procfile)
}
