//! The file that a backup is: a tar archive that any `tar` reads, and that no byte of can change
//! without being noticed.
//!
//! First comes `causeway-backup.json`, which says in which format the rest is; then the database,
//! apps' code and services' data, each compressed with gzip; then `manifest.json`, which has the
//! size and SHA-256 of every file before it; then `manifest.sha256`. Headers have one form, so that
//! they are checked by being made again.

mod read;

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use model::{AddonId, SlugId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::NewFile;
use tar::{EntryType, Header};

pub use self::read::{Archive, FormatError};
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
