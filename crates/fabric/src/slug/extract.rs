//! Writes what an archive holds, entry by entry.
//!
//! Links are made last: until then there are none, so no path leads anywhere but where it says.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::links::check_links;
use super::{Limits, SlugError, failed, make_dir};

/// Bytes that file systems give to one name.
const NAME_MAX: usize = 255;
/// How a gzip file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes of headers that one entry may cost beside its content.
const ENTRY_BYTES: u64 = 4096;
/// Bytes that the records before an entry may have.
const RECORD_BYTES: u64 = 64 << 10;
/// The one top-level directory that is taken for the root.
pub(super) const WRAPPER: &str = "app";

/// What is in an archive, by path.
pub(super) type Tree = BTreeMap<PathBuf, Node>;

/// Something in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Dir,
    File,
    Link(PathBuf),
}

/// Writes an archive's content below a directory, and says where its root is.
pub(super) fn extract(
    archive: impl Read,
    top: &Path,
    limits: Limits,
) -> Result<PathBuf, SlugError> {
    let overflown = Rc::new(Cell::new(false));
    let room = limits.bytes.saturating_add(limits.files.saturating_mul(ENTRY_BYTES));
    let plain = decompressed(archive)?;
    let mut plain = Metered { inner: plain, room, overflown: overflown.clone() };
    let mut archive = Archive::new(&mut plain);
    let mut extraction =
        Extraction { top, limits, tree: Tree::new(), bytes: 0, count: 0, name_bytes: 0 };
    // Read to its end, so that what checks the whole is seen too.
    let run = extraction
        .run(&mut archive)
        .and_then(|()| io::copy(&mut plain, &mut io::sink()).map_err(SlugError::Damaged).map(drop));
    match run {
        Err(SlugError::Damaged(_)) if overflown.get() => Err(SlugError::TooLarge(limits.bytes)),
        Err(error) => Err(error),
        Ok(()) => extraction.finish(),
    }
}

/// The archive as it was before it was compressed.
fn decompressed<'a>(mut archive: impl Read + 'a) -> Result<Box<dyn Read + 'a>, SlugError> {
    let mut start = Vec::new();
    archive.by_ref().take(2).read_to_end(&mut start).map_err(SlugError::Damaged)?;
    let whole = io::Cursor::new(start.clone()).chain(archive);
    Ok(match start == GZIP {
        true => Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, whole))),
        false => Box::new(BufReader::with_capacity(1 << 16, whole)),
    })
}

/// Ends with an error once too much has come out of it.
struct Metered<R> {
    inner: R,
    room: u64,
    overflown: Rc<Cell<bool>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.room.checked_sub(read as u64) {
            Some(left) => self.room = left,
            None => {
                self.overflown.set(true);
                return Err(io::Error::other("the archive is too large"));
            }
        }
        Ok(read)
    }
}

/// What records before an entry say of it.
#[derive(Debug, Default)]
struct Told {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

struct Extraction<'a> {
    top: &'a Path,
    limits: Limits,
    tree: Tree,
    bytes: u64,
    count: u64,
    name_bytes: usize,
}

impl Extraction<'_> {
    fn run<R: Read>(&mut self, archive: &mut Archive<R>) -> Result<(), SlugError> {
        let entries = archive.entries().map_err(SlugError::Damaged)?.raw(true);
        let mut told = Told::default();
        for entry in entries {
            let mut entry = match entry {
                Ok(entry) => entry,
                Err(_) if self.count == 0 => return Err(SlugError::NotAnArchive),
                Err(error) => return Err(SlugError::Damaged(error)),
            };
            self.count_one()?;
            match entry.header().entry_type() {
                EntryType::GNULongName => told.path = Some(self.record(&mut entry)?),
                EntryType::GNULongLink => told.link = Some(self.record(&mut entry)?),
                EntryType::XHeader => {
                    let record = self.record(&mut entry)?;
                    told.read(&record)?;
                }
                // It says nothing of paths that could be believed.
                EntryType::XGlobalHeader => {}
                _ => self.add(&mut entry, std::mem::take(&mut told))?,
            }
        }
        Ok(())
    }

    fn count_one(&mut self) -> Result<(), SlugError> {
        self.count += 1;
        match self.count > self.limits.files {
            true => Err(SlugError::TooMany(self.limits.files)),
            false => Ok(()),
        }
    }

    fn record<R: Read>(&self, entry: &mut Entry<'_, R>) -> Result<Vec<u8>, SlugError> {
        if entry.size() > RECORD_BYTES {
            return Err(SlugError::PathTooLong(self.limits.path_bytes));
        }
        let mut record = Vec::new();
        entry.read_to_end(&mut record).map_err(SlugError::Damaged)?;
        if record.last() == Some(&0) {
            record.pop();
        }
        Ok(record)
    }

    fn add<R: Read>(&mut self, entry: &mut Entry<'_, R>, told: Told) -> Result<(), SlugError> {
        let name = told.path.unwrap_or_else(|| entry.path_bytes().into_owned());
        let path = self.clean(&name)?;
        if told.size.is_some_and(|size| size != entry.size()) {
            return Err(refuse(&path, "has two sizes"));
        }
        let link = || told.link.or_else(|| entry.link_name_bytes().map(|name| name.into_owned()));
        match entry.header().entry_type() {
            EntryType::Directory => self.add_dir(&path),
            // Archives of the oldest kind know directories by their names alone.
            EntryType::Regular if name.ends_with(b"/") => self.add_dir(&path),
            EntryType::Regular | EntryType::Continuous => self.add_file(&path, entry),
            EntryType::Link => {
                let target = self.clean(&link().unwrap_or_default())?;
                self.add_hard_link(&path, &target)
            }
            EntryType::Symlink => {
                let target = link().unwrap_or_default();
                self.add_link(&path, &target)
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                Err(refuse(&path, "is a device or a pipe, which an app cannot bring"))
            }
            EntryType::GNUSparse => Err(refuse(&path, "is a sparse file: pack it whole")),
            _ => Err(refuse(&path, "is of a kind that is not known")),
        }
    }

    /// A path below the root, without anything that is not a name.
    fn clean(&mut self, name: &[u8]) -> Result<PathBuf, SlugError> {
        if name.len() > self.limits.path_bytes {
            return Err(SlugError::PathTooLong(self.limits.path_bytes));
        }
        let raw = Path::new(OsStr::from_bytes(name));
        if name.contains(&0) {
            return Err(refuse(raw, "has a zero byte in its name"));
        }
        let mut path = PathBuf::new();
        for component in raw.components() {
            match component {
                Component::Normal(part) if part.len() > NAME_MAX => {
                    return Err(refuse(raw, "has a name of more than 255 bytes"));
                }
                Component::Normal(part) => path.push(part),
                Component::CurDir => {}
                Component::ParentDir => return Err(refuse(raw, "has '..' in its path")),
                Component::RootDir | Component::Prefix(_) => {
                    return Err(refuse(raw, "has an absolute path: pack it with relative ones"));
                }
            }
        }
        self.name_bytes += name.len();
        match self.name_bytes > self.limits.name_bytes {
            true => Err(SlugError::TooMany(self.limits.files)),
            false => Ok(path),
        }
    }

    fn add_dir(&mut self, path: &Path) -> Result<(), SlugError> {
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        match self.tree.get(path) {
            Some(Node::Dir) => return Ok(()),
            Some(Node::File | Node::Link(_)) => {
                return Err(refuse(path, "is a directory and something else"));
            }
            None => {}
        }
        self.add_parents(path)?;
        make_dir(&self.top.join(path))?;
        self.tree.insert(path.to_owned(), Node::Dir);
        Ok(())
    }

    /// Makes the directories above a path that the archive did not name.
    fn add_parents(&mut self, path: &Path) -> Result<(), SlugError> {
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for dir in above.into_iter().rev().filter(|dir| !dir.as_os_str().is_empty()) {
            match self.tree.get(dir) {
                Some(Node::Dir) => {}
                Some(Node::File | Node::Link(_)) => {
                    return Err(refuse(path, "lies below what is not a directory"));
                }
                None => {
                    self.count_one()?;
                    make_dir(&self.top.join(dir))?;
                    self.tree.insert(dir.to_owned(), Node::Dir);
                }
            }
        }
        Ok(())
    }

    /// Makes room for something that is not a directory: what comes later in an archive replaces
    /// what came before.
    fn place(&mut self, path: &Path) -> Result<PathBuf, SlugError> {
        let here = self.top.join(path);
        if path.as_os_str().is_empty() {
            return Err(refuse(Path::new("."), "is not a directory"));
        }
        match self.tree.remove(path) {
            Some(Node::Dir) => return Err(refuse(path, "is a directory and something else")),
            Some(Node::File) => fs::remove_file(&here).map_err(failed("replace", &here))?,
            Some(Node::Link(_)) => {}
            None => self.add_parents(path)?,
        }
        Ok(here)
    }

    fn add_file<R: Read>(
        &mut self,
        path: &Path,
        entry: &mut Entry<'_, R>,
    ) -> Result<(), SlugError> {
        self.bytes = self.bytes.saturating_add(entry.size());
        if self.bytes > self.limits.bytes {
            return Err(SlugError::TooLarge(self.limits.bytes));
        }
        let here = self.place(path)?;
        let runs = entry.header().mode().map_err(SlugError::Damaged)? & 0o111 != 0;
        let mode = if runs { 0o755 } else { 0o644 };
        let modified = entry.header().mtime().map_err(SlugError::Damaged)?;
        // Later than any file, and what every file system can hold.
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(modified.min(u32::MAX.into()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&here)
            .map_err(failed("make", &here))?;
        copy(entry, &mut file, &here)?;
        file.set_permissions(fs::Permissions::from_mode(mode))
            .and_then(|()| file.set_modified(modified))
            .map_err(failed("finish", &here))?;
        self.tree.insert(path.to_owned(), Node::File);
        Ok(())
    }

    fn add_hard_link(&mut self, path: &Path, target: &Path) -> Result<(), SlugError> {
        if self.tree.get(target) != Some(&Node::File) {
            return Err(refuse(path, "is a link to what is no file in the archive"));
        }
        if path == target {
            return Ok(());
        }
        let here = self.place(path)?;
        fs::hard_link(self.top.join(target), &here).map_err(failed("link", &here))?;
        self.tree.insert(path.to_owned(), Node::File);
        Ok(())
    }

    fn add_link(&mut self, path: &Path, target: &[u8]) -> Result<(), SlugError> {
        if target.is_empty() || target.contains(&0) {
            return Err(refuse(path, "is a link to nowhere"));
        }
        if target.len() > self.limits.path_bytes {
            return Err(SlugError::PathTooLong(self.limits.path_bytes));
        }
        self.place(path)?;
        self.name_bytes += target.len();
        let target = PathBuf::from(OsStr::from_bytes(target));
        self.tree.insert(path.to_owned(), Node::Link(target));
        Ok(())
    }

    /// Makes the links, if none of them leads out.
    fn finish(mut self) -> Result<PathBuf, SlugError> {
        if self.tree.is_empty() {
            return Err(SlugError::Empty);
        }
        let root = match self.is_wrapped() {
            true => {
                self.tree = std::mem::take(&mut self.tree)
                    .into_iter()
                    .filter_map(|(path, node)| Some((inner(&path)?, node)))
                    .collect();
                self.top.join(WRAPPER)
            }
            false => self.top.to_owned(),
        };
        check_links(&self.tree)?;
        for (path, node) in &self.tree {
            if let Node::Link(target) = node {
                let here = root.join(path);
                symlink(target, &here).map_err(failed("link", &here))?;
            }
        }
        Ok(root)
    }

    fn is_wrapped(&self) -> bool {
        self.tree.get(Path::new(WRAPPER)) == Some(&Node::Dir)
            && self.tree.keys().all(|path| path.starts_with(WRAPPER))
    }
}

/// A path as seen from the wrapping directory, which has none.
fn inner(path: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(WRAPPER).ok()?;
    (!rest.as_os_str().is_empty()).then(|| rest.to_owned())
}

impl Told {
    fn read(&mut self, record: &[u8]) -> Result<(), SlugError> {
        for extension in PaxExtensions::new(record) {
            let extension = extension.map_err(SlugError::Damaged)?;
            let value = || extension.value_bytes().to_vec();
            match extension.key_bytes() {
                b"path" => self.path = Some(value()),
                b"linkpath" => self.link = Some(value()),
                b"size" => {
                    let size = extension.value().ok().and_then(|text| text.parse().ok());
                    self.size = Some(size.unwrap_or(u64::MAX));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Copies, and tells what cannot be read from what cannot be written.
fn copy(from: &mut impl Read, to: &mut impl io::Write, path: &Path) -> Result<(), SlugError> {
    let mut buffer = [0; 1 << 14];
    loop {
        let read = from.read(&mut buffer).map_err(SlugError::Damaged)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read]).map_err(failed("write", path))?;
    }
}

/// Says what is wrong with a path.
pub(super) fn refuse(path: &Path, why: &'static str) -> SlugError {
    SlugError::Unsafe { path: path.to_owned(), why }
}
