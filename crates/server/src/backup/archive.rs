//! The file that a backup is: a tar archive that any `tar` reads, and that no byte of can change
//! without being noticed.
//!
//! First comes `causeway-backup.json`, which says in which format the rest is; then the database,
//! apps' code and services' data, each compressed with gzip; then `manifest.json`, which has the
//! size and SHA-256 of every file before it; then `manifest.sha256`. Headers have one form, so that
//! they are checked by being made again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use model::{AddonId, SlugId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::NewFile;
use tar::{EntryType, Header};

use super::Missing;
use crate::state::hex;

/// The format that is written, and the newest that is read.
pub const FORMAT: u32 = 1;

const BLOCK: u64 = 512;
/// How a tar archive ends.
const END: u64 = 2 * BLOCK;
/// Bytes of what is read into memory: the first file and the last two.
const MOST_TEXT: u64 = 64 << 20;

/// A file in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What says in which format the rest is.
    Head,
    /// The ledger's database.
    Database,
    /// An app's code.
    Slug(SlugId),
    /// What a data service's backup command wrote.
    Service(AddonId),
    /// What says what is in it.
    Manifest,
    /// The manifest's checksum.
    Sum,
}

impl Part {
    fn name(self) -> String {
        match self {
            Self::Head => "causeway-backup.json".to_owned(),
            Self::Database => "causeway.db.gz".to_owned(),
            Self::Slug(id) => format!("slugs/{id}.tar.gz"),
            Self::Service(id) => format!("services/{id}.gz"),
            Self::Manifest => "manifest.json".to_owned(),
            Self::Sum => "manifest.sha256".to_owned(),
        }
    }

    /// The part that has exactly this name: nothing else is taken from a backup, and no path is
    /// ever made of a name in it.
    fn named(name: &str) -> Option<Self> {
        let inner = |start, end| name.strip_prefix(start)?.strip_suffix(end);
        let slug = || inner("slugs/", ".tar.gz")?.parse().ok().map(Self::Slug);
        let service = || inner("services/", ".gz")?.parse().ok().map(Self::Service);
        [Self::Head, Self::Database, Self::Manifest, Self::Sum]
            .into_iter()
            .chain(slug())
            .chain(service())
            .find(|part| part.name() == name)
    }

    fn header(self, size: u64) -> Header {
        let mut header = Header::new_gnu();
        let name = self.name();
        header.as_gnu_mut().expect("it was made as one").name[..name.len()]
            .copy_from_slice(name.as_bytes());
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        header
    }
}

/// The first file.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: u32,
    made_by: String,
}

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of Causeway that made it.
    pub made_by: String,
    /// When that began.
    pub created: Timestamp,
    /// The instance that it is of.
    pub instance: String,
    /// The revision of the ledger.
    pub revision: u64,
    /// Every file before the manifest, in order.
    pub files: Vec<Entry>,
    /// Apps' code.
    pub slugs: Vec<Code>,
    /// Data services.
    pub services: Vec<Service>,
    /// What the ledger names and is not there.
    pub missing: Vec<Missing>,
}

/// A file in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its checksum.
    pub sha256: String,
}

/// An app's code in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// The slug.
    pub id: SlugId,
    /// The app.
    pub app: String,
}

/// A data service in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The add-on.
    pub id: AddonId,
    /// Its name.
    pub name: String,
    /// Its plan.
    pub plan: String,
    /// The app that it is of.
    pub app: String,
    /// What restores its data; nothing where it had none yet.
    pub restore: Option<String>,
}

impl Manifest {
    /// The size of a part.
    pub fn bytes(&self, part: Part) -> Option<u64> {
        let name = part.name();
        self.files.iter().find(|file| file.name == name).map(|file| file.bytes)
    }
}

/// A backup in the making.
pub struct Writer {
    to: NewFile,
    file: BufWriter<File>,
    at: u64,
    files: Vec<Entry>,
}

/// Why a part was not written.
#[derive(Debug)]
pub enum PartError<E> {
    /// What was to be in it could not be had; the backup is as it was before.
    Source(E),
    /// The backup could not be written.
    Target(io::Error),
}

impl Writer {
    /// Begins one that is to have this name in the end.
    ///
    /// # Errors
    ///
    /// Something that has that name; a file that cannot be made.
    pub fn begin(to: &Path) -> Result<Self, BeginError> {
        let to = NewFile::create(to).map_err(BeginError::Make)?;
        let file = File::options().write(true).open(to.unfinished()).map_err(BeginError::Open)?;
        let file = BufWriter::with_capacity(1 << 17, file);
        let mut writer = Self { to, file, at: 0, files: Vec::new() };
        let head = Head { format: FORMAT, made_by: env!("CARGO_PKG_VERSION").to_owned() };
        let head =
            serde_json::to_vec_pretty(&head).map_err(|error| BeginError::Open(error.into()))?;
        writer.text(Part::Head, &head).map_err(BeginError::Open)?;
        Ok(writer)
    }

    /// Adds a part: whatever `fill` writes.
    ///
    /// # Errors
    ///
    /// [`PartError`] tells what `fill` could not do from what cannot be written here.
    pub fn part<E>(
        &mut self,
        part: Part,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), PartError<E>> {
        let start = self.at;
        self.file.write_all(&[0; BLOCK as usize]).map_err(PartError::Target)?;
        let mut content =
            Content { to: &mut self.file, bytes: 0, hash: Sha256::new(), failed: None };
        let filled = fill(&mut content);
        let Content { bytes, hash, failed, .. } = content;
        if let Some(error) = failed {
            return Err(PartError::Target(error));
        }
        if let Err(error) = filled {
            self.go_back(start).map_err(PartError::Target)?;
            return Err(PartError::Source(error));
        }
        self.finish(part, start, bytes).map_err(PartError::Target)?;
        let sha256 = hex(&hash.finalize());
        self.files.push(Entry { name: part.name(), bytes, sha256 });
        Ok(())
    }

    fn text(&mut self, part: Part, text: &[u8]) -> io::Result<()> {
        match self.part(part, |to| to.write_all(text)) {
            Ok(()) => Ok(()),
            Err(PartError::Source(error) | PartError::Target(error)) => Err(error),
        }
    }

    /// What a part's header says is known only now.
    fn finish(&mut self, part: Part, start: u64, bytes: u64) -> io::Result<()> {
        let padded = bytes.next_multiple_of(BLOCK);
        let padding = usize::try_from(padded - bytes).unwrap_or_default();
        self.file.write_all(&[0; BLOCK as usize][..padding])?;
        self.file.seek(SeekFrom::Start(start))?;
        self.file.write_all(part.header(bytes).as_bytes())?;
        self.at = start + BLOCK + padded;
        self.file.seek(SeekFrom::Start(self.at))?;
        Ok(())
    }

    fn go_back(&mut self, start: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(start))?;
        self.file.get_ref().set_len(start)
    }

    /// Ends it with what is in it, and gives it its name once it is durable; its size.
    ///
    /// # Errors
    ///
    /// What keeps it from being written, or named.
    pub fn publish(mut self, manifest: &mut Manifest) -> Result<u64, BeginError> {
        manifest.files = std::mem::take(&mut self.files);
        let text = serde_json::to_vec_pretty(manifest).map_err(io::Error::from);
        let text = text.map_err(BeginError::Open)?;
        let sum = sum_line(&text);
        self.text(Part::Manifest, &text)
            .and_then(|()| self.text(Part::Sum, sum.as_bytes()))
            .and_then(|()| self.file.write_all(&[0; END as usize]))
            .and_then(|()| self.file.flush())
            .map_err(BeginError::Open)?;
        self.to.publish().map_err(BeginError::Make)?;
        Ok(self.at + END)
    }
}

/// In the form that `sha256sum --check` reads.
fn sum_line(manifest: &[u8]) -> String {
    format!("{}  {}\n", hex(&Sha256::digest(manifest)), Part::Manifest.name())
}

/// Why a backup cannot be begun or ended.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Its name.
    #[error(transparent)]
    Make(store::Error),
    /// Its content.
    #[error(transparent)]
    Open(io::Error),
}

/// Counts and hashes what is written, and remembers what went wrong below.
struct Content<'a> {
    to: &'a mut BufWriter<File>,
    bytes: u64,
    hash: Sha256,
    failed: Option<io::Error>,
}

impl Write for Content<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.to.write_all(bytes) {
            Ok(()) => {
                self.hash.update(bytes);
                self.bytes += bytes.len() as u64;
                Ok(bytes.len())
            }
            Err(error) => {
                let told = io::Error::from(error.kind());
                self.failed = Some(error);
                Err(told)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a file is no backup that can be restored.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It is something else.
    #[error("{} was not made by `causeway backup`", .0.display())]
    NotABackup(PathBuf),
    /// A later Causeway made it.
    #[error(
        "{} has format {format}, and this version of Causeway reads up to {FORMAT}: restore it with \
         version {made_by} or a later one", .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
        /// Who made it.
        made_by: String,
    },
    /// It ends too early.
    #[error(
        "{} is cut short: it ends after {bytes} bytes, before all of it is there; copy it again from \
         where it was made, or restore another backup", .path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It is not as it was written.
    #[error(
        "{} is damaged: {what}; copy it again from where it was made, or restore another backup",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A backup, found whole.
pub struct Archive {
    path: PathBuf,
    file: File,
    bytes: u64,
    manifest: Manifest,
    index: BTreeMap<Part, Place>,
}

/// Where a part is.
#[derive(Debug, Clone)]
struct Place {
    at: u64,
    bytes: u64,
    sha256: String,
}

impl Archive {
    /// Reads all of a backup, and refuses one in which any byte is not as it was written.
    /// `progress` is told how many bytes of how many were read.
    ///
    /// # Errors
    ///
    /// [`FormatError`].
    pub fn open(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Self, FormatError> {
        let unreadable = |source| FormatError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if !about.is_file() {
            return Err(FormatError::NotABackup(path.to_owned()));
        }
        let mut check = Check { path, file: &file, bytes: about.len(), at: 0, progress };
        let (manifest, index) = check.run()?;
        let (path, bytes) = (path.to_owned(), about.len());
        Ok(Self { path, file, bytes, manifest, index })
    }

    /// What is in it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads a part once more. Its end is an error if it is not what was checked.
    ///
    /// # Errors
    ///
    /// A part that is not there.
    pub fn read(&self, part: Part) -> Result<impl Read, FormatError> {
        let place = self.index.get(&part).cloned().ok_or_else(|| FormatError::Damaged {
            path: self.path.clone(),
            what: format!("{} is not in it", part.name()),
        })?;
        let hash = Sha256::new();
        Ok(Section {
            file: &self.file,
            at: place.at,
            left: place.bytes,
            hash,
            sha256: place.sha256,
        })
    }
}

struct Section<'a> {
    file: &'a File,
    at: u64,
    left: u64,
    hash: Sha256,
    sha256: String,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.hash.update(&buffer[..read]);
        self.at += read as u64;
        self.left -= read as u64;
        if self.left == 0 && hex(&self.hash.clone().finalize()) != self.sha256 {
            return Err(io::Error::other("the backup changed while it was read"));
        }
        Ok(read)
    }
}

struct Check<'a> {
    path: &'a Path,
    file: &'a File,
    bytes: u64,
    at: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Check<'_> {
    fn run(&mut self) -> Result<(Manifest, BTreeMap<Part, Place>), FormatError> {
        let mut index = BTreeMap::new();
        let mut files = Vec::new();
        self.head(&mut index, &mut files)?;
        loop {
            let (part, size) = self.header()?;
            match part {
                Part::Manifest => return Ok((self.manifest(size, &index, files)?, index)),
                Part::Head | Part::Sum => return Err(self.damaged(part, "is in the wrong place")),
                Part::Database | Part::Slug(_) | Part::Service(_) => {}
            }
            if index.contains_key(&part) {
                return Err(self.damaged(part, "is there twice"));
            }
            let at = self.at;
            let (_, sha256) = self.content(part, size, false)?;
            files.push(Entry { name: part.name(), bytes: size, sha256: sha256.clone() });
            index.insert(part, Place { at, bytes: size, sha256 });
        }
    }

    /// The first file: who cannot read the format is to hear that, and nothing of damage.
    fn head(
        &mut self,
        index: &mut BTreeMap<Part, Place>,
        files: &mut Vec<Entry>,
    ) -> Result<(), FormatError> {
        let stranger = || FormatError::NotABackup(self.path.to_owned());
        let mut first = [0; BLOCK as usize];
        let name = Part::Head.name();
        if self.file.read_exact_at(&mut first, 0).is_err() || !first.starts_with(name.as_bytes()) {
            return Err(stranger());
        }
        let size = Header::from_byte_slice(&first).size().ok().filter(|size| *size <= MOST_TEXT);
        let size = size.ok_or_else(stranger)?;
        self.at = BLOCK;
        let (text, sha256) = self.content(Part::Head, size, true)?;
        let head: Head = serde_json::from_slice(&text)
            .map_err(|_| self.damaged(Part::Head, "does not say which format it has"))?;
        if head.format > FORMAT {
            let (path, Head { format, made_by }) = (self.path.to_owned(), head);
            return Err(FormatError::Newer { path, format, made_by });
        }
        if first != *Part::Head.header(size).as_bytes() || head.format == 0 {
            return Err(self.damaged(Part::Head, "is not as it was written"));
        }
        files.push(Entry { name, bytes: size, sha256: sha256.clone() });
        index.insert(Part::Head, Place { at: BLOCK, bytes: size, sha256 });
        Ok(())
    }

    fn header(&mut self) -> Result<(Part, u64), FormatError> {
        let mut block = [0; BLOCK as usize];
        self.fill(&mut block)?;
        let header = Header::from_byte_slice(&block);
        let name = header.path_bytes();
        let part = std::str::from_utf8(&name).ok().and_then(Part::named);
        let found = part.zip(header.size().ok());
        let sound = |(part, size): &(Part, u64)| block == *part.header(*size).as_bytes();
        found.filter(sound).ok_or_else(|| FormatError::Damaged {
            path: self.path.to_owned(),
            what: format!("there is no file of a backup at byte {}", self.at - BLOCK),
        })
    }

    /// Reads a part's content and what fills up its last block; keeps it only if asked to.
    fn content(
        &mut self,
        part: Part,
        size: u64,
        keep: bool,
    ) -> Result<(Vec<u8>, String), FormatError> {
        if keep && size > MOST_TEXT {
            return Err(self.damaged(part, "is too large"));
        }
        // Before anything is read: a size beyond the end may be any.
        if size.checked_next_multiple_of(BLOCK).is_none_or(|size| size > self.bytes - self.at) {
            return Err(self.truncated());
        }
        let (mut kept, mut hash) = (Vec::new(), Sha256::new());
        let mut buffer = vec![0; 1 << 17];
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let piece = &mut buffer[..most];
            self.fill(piece)?;
            hash.update(&*piece);
            if keep {
                kept.extend_from_slice(piece);
            }
            left -= most as u64;
        }
        let padding = usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or_default();
        let padding = &mut buffer[..padding];
        self.fill(padding)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(self.damaged(part, "is followed by something"));
        }
        Ok((kept, hex(&hash.finalize())))
    }

    /// The last two files, and that nothing comes after.
    fn manifest(
        &mut self,
        size: u64,
        index: &BTreeMap<Part, Place>,
        files: Vec<Entry>,
    ) -> Result<Manifest, FormatError> {
        let (text, _) = self.content(Part::Manifest, size, true)?;
        let (part, size) = self.header()?;
        if part != Part::Sum {
            return Err(self.damaged(Part::Sum, "is not where it should be"));
        }
        let (sum, _) = self.content(Part::Sum, size, true)?;
        if sum != sum_line(&text).as_bytes() {
            return Err(self.damaged(Part::Manifest, "does not have its checksum"));
        }
        let mut end = [0; END as usize];
        self.fill(&mut end)?;
        if end != [0; END as usize] || self.at != self.bytes {
            return Err(self.damaged(Part::Sum, "is followed by something"));
        }
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|_| self.damaged(Part::Manifest, "cannot be understood"))?;
        let differs = |(found, told): &(&Entry, &Entry)| found != told;
        if let Some((found, _)) = files.iter().zip(&manifest.files).find(differs) {
            let what = format!("{} does not have its checksum", found.name);
            return Err(FormatError::Damaged { path: self.path.to_owned(), what });
        }
        let slugs = manifest.slugs.iter().map(|slug| Part::Slug(slug.id));
        let full = manifest.services.iter().filter(|service| service.restore.is_some());
        let services = full.map(|service| Part::Service(service.id));
        let fixed = [Part::Head, Part::Database];
        let named: Vec<Part> = fixed.into_iter().chain(slugs).chain(services).collect();
        let all = named.iter().all(|part| index.contains_key(part)) && named.len() == index.len();
        if !all || files.len() != manifest.files.len() {
            return Err(self.damaged(Part::Manifest, "names other files than there are"));
        }
        Ok(manifest)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), FormatError> {
        if buffer.len() as u64 > self.bytes - self.at {
            return Err(self.truncated());
        }
        self.file
            .read_exact_at(buffer, self.at)
            .map_err(|source| FormatError::Read { path: self.path.to_owned(), source })?;
        self.at += buffer.len() as u64;
        (self.progress)(self.at, self.bytes);
        Ok(())
    }

    fn truncated(&self) -> FormatError {
        FormatError::Truncated { path: self.path.to_owned(), bytes: self.bytes }
    }

    fn damaged(&self, part: Part, what: &str) -> FormatError {
        let what = format!("{} {what}", part.name());
        FormatError::Damaged { path: self.path.to_owned(), what }
    }
}
