//! Writes the content of an archive to a directory, entry by entry.
//!
//! Links are made last: until then there are none, so no path leads anywhere but where it says.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::error::{SlugError, failed};
use super::limits::Limits;
use super::links::check_links;
use super::tree::{Node, Tree, refuse};

/// Bytes that a file's name may have in Linux's file systems.
const NAME_MAX: usize = 255;
/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes of headers that one entry may cost beside its content.
const ENTRY_BYTES: u64 = 4096;
/// Bytes that the records before an entry may have.
const RECORD_BYTES: u64 = 64 << 10;
/// The name of the top-level directory that is taken for the root, if it is the only one.
pub(super) const WRAPPER: &str = "app";

/// Writes an archive's content below a directory, and returns its root there.
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
    // The archive is read to its end, where gzip has the checksum of the whole.
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
        true => Box::new(Decompressor::new(BufReader::with_capacity(1 << 16, whole))),
        false => Box::new(BufReader::with_capacity(1 << 16, whole)),
    })
}

/// Bytes that a decoder may take beyond those that come out of it. Besides, it may take one for each
/// [`WASTE_PART`] that come out. Nothing that is compressed honestly needs as much.
const WASTE_BYTES: u64 = 1 << 20;
const WASTE_PART: u64 = 64;

/// Decompresses an archive, and fails where too little comes out: gzip members and blocks in which
/// there is nothing cost processor time, and millions of them fit into an upload.
struct Decompressor<R> {
    decoder: MultiGzDecoder<Counted<R>>,
    taken: Rc<Cell<u64>>,
    room: Rc<Cell<u64>>,
}

impl<R: BufRead> Decompressor<R> {
    fn new(inner: R) -> Self {
        let (taken, room) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(WASTE_BYTES)));
        let counted = Counted { inner, taken: Rc::clone(&taken), room: Rc::clone(&room) };
        Self { decoder: MultiGzDecoder::new(counted), taken, room }
    }
}

impl<R: BufRead> Read for Decompressor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer)?;
        let wasted = self.taken.take().saturating_sub(read as u64);
        let room = self.room.get().saturating_sub(wasted);
        self.room.set(room + read as u64 / WASTE_PART);
        Ok(read)
    }
}

/// The input of a decoder, which fails once too much was taken since something came out.
struct Counted<R> {
    inner: R,
    taken: Rc<Cell<u64>>,
    room: Rc<Cell<u64>>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let read = available.len().min(buffer.len());
        buffer[..read].copy_from_slice(&available[..read]);
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken.get() > self.room.get() {
            return Err(io::Error::other("too much of the archive holds nothing"));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.taken.set(self.taken.get() + count as u64);
        self.inner.consume(count);
    }
}

/// Fails once more bytes were read than there is room for.
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

/// What pax and GNU records say of the entry that they stand before, in place of its header.
#[derive(Debug, Default)]
struct Extensions {
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
        let mut extensions = Extensions::default();
        for entry in entries {
            let mut entry = match entry {
                Ok(entry) => entry,
                Err(_) if self.count == 0 => return Err(SlugError::NotAnArchive),
                Err(error) => return Err(SlugError::Damaged(error)),
            };
            self.count_one()?;
            match entry.header().entry_type() {
                EntryType::GNULongName => extensions.path = Some(self.record(&mut entry)?),
                EntryType::GNULongLink => extensions.link = Some(self.record(&mut entry)?),
                EntryType::XHeader => {
                    let record = self.record(&mut entry)?;
                    extensions.read(&record)?;
                }
                // A global header cannot be believed where it names paths, and says nothing else of use.
                EntryType::XGlobalHeader => {}
                _ => self.add(&mut entry, std::mem::take(&mut extensions))?,
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

    fn add<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        extensions: Extensions,
    ) -> Result<(), SlugError> {
        let name = extensions.path.unwrap_or_else(|| entry.path_bytes().into_owned());
        let path = self.clean(&name)?;
        if extensions.size.is_some_and(|size| size != entry.size()) {
            return Err(refuse(&path, "has two sizes"));
        }
        let link =
            || extensions.link.or_else(|| entry.link_name_bytes().map(|name| name.into_owned()));
        match entry.header().entry_type() {
            EntryType::Directory => self.add_dir(&path),
            // The oldest archives mark directories by nothing but their names.
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

    /// A name in the archive as a path below the root; refuses one that could lead elsewhere.
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

    /// Makes room for a file or link, and returns its path here: what comes later in an archive
    /// replaces what came before.
    fn make_room(&mut self, path: &Path) -> Result<PathBuf, SlugError> {
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
        let here = self.make_room(path)?;
        let runs = entry.header().mode().map_err(SlugError::Damaged)? & 0o111 != 0;
        let mode = if runs { 0o755 } else { 0o644 };
        let modified = entry.header().mtime().map_err(SlugError::Damaged)?;
        // The bound is later than any honest file, and all file systems can hold it.
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
        let here = self.make_room(path)?;
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
        self.make_room(path)?;
        self.name_bytes += target.len();
        let target = PathBuf::from(OsStr::from_bytes(target));
        self.tree.insert(path.to_owned(), Node::Link(target));
        Ok(())
    }

    /// Makes the links, if none of them leads out, and returns the root.
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

/// A path as seen from the wrapping directory; `None` for that directory itself.
fn inner(path: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(WRAPPER).ok()?;
    (!rest.as_os_str().is_empty()).then(|| rest.to_owned())
}

impl Extensions {
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

/// Copies to a file. An error tells whether the archive could not be read or the file written.
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

/// Makes a directory that everybody may read.
pub(super) fn make_dir(path: &Path) -> Result<(), SlugError> {
    fs::create_dir(path).map_err(failed("make", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(failed("open", path))
}
