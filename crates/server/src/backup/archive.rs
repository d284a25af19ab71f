//! The file format of backups: a tar archive that every `tar` can read, in which a change of any
//! byte is noticed.
//!
//! The first file, `causeway-backup.json`, has the format's version. Then follow the database, the
//! code of apps and the data of services, each compressed with gzip; then `manifest.json` with the
//! size and SHA-256 of every file before it; and last `manifest.sha256`. Tar headers have one form,
//! so they are verified by being made again.

pub(super) mod read;

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use model::{AddonId, SlugId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::NewFile;
use tar::{EntryType, Header};

pub(crate) use self::read::Archive;
use super::Missing;

/// The version of the format that is written, and the newest that can be read.
pub(crate) const FORMAT: u32 = 1;

const BLOCK: u64 = 512;
/// The size of the zero blocks at the end of a tar archive, in bytes.
const END: u64 = 2 * BLOCK;
/// The most bytes of a file that is read into memory: the first one and the last two.
const MOST_TEXT: u64 = 64 << 20;

/// A file in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The version of the format.
    Head,
    /// The ledger's database.
    Database,
    /// An app's code.
    Slug(SlugId),
    /// The output of a data service's backup command.
    Service(AddonId),
    /// The list of all files before it.
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

    /// The part with exactly this name. A name in a backup is never used as a path.
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

/// The content of the first file.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: u32,
    made_by: String,
}

/// The content of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The version of Causeway that made the backup.
    pub made_by: String,
    /// The time when it was begun.
    pub created: Timestamp,
    /// The name of the instance.
    pub instance: String,
    /// The revision of the ledger.
    pub revision: u64,
    /// Every file before the manifest, in order.
    pub files: Vec<Entry>,
    /// Apps' code.
    pub slugs: Vec<Code>,
    /// Data services.
    pub services: Vec<Service>,
    /// What the ledger names and the backup does not contain.
    pub missing: Vec<Missing>,
}

/// A file in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The name of the file in the archive.
    pub name: String,
    /// The size of the file in the archive, in bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// An app's code in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Code {
    /// The id of the slug.
    pub id: SlugId,
    /// The app.
    pub app: String,
    /// The digest of the upload, where the file is that; otherwise it is packed anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
}

/// A data service in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Service {
    /// The id of the add-on.
    pub id: AddonId,
    /// The name of the add-on.
    pub name: String,
    /// The plan of the add-on, as `service:plan`.
    pub plan: String,
    /// The name of the app that owns it.
    pub app: String,
    /// The command that restores its data; `None` if it had no data yet.
    pub restore: Option<String>,
}

impl Manifest {
    /// The size of a part, compressed; `None` if the backup does not contain it.
    pub(crate) fn bytes(&self, part: Part) -> Option<u64> {
        let name = part.name();
        self.files.iter().find(|file| file.name == name).map(|file| file.bytes)
    }
}

/// Writes a backup.
pub(crate) struct Writer {
    to: NewFile,
    file: BufWriter<File>,
    at: u64,
    files: Vec<Entry>,
}

/// Why a part was not written.
#[derive(Debug)]
pub(crate) enum PartError<E> {
    /// The content could not be read. The backup is as it was before.
    Source(E),
    /// The backup could not be written.
    Target(io::Error),
}

impl Writer {
    /// Begins a backup, which gets this name when it is complete.
    ///
    /// # Errors
    ///
    /// A file of that name exists, or none can be created.
    pub(crate) fn begin(to: &Path) -> Result<Self, BeginError> {
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

    /// Adds a part with the content that `fill` writes.
    ///
    /// # Errors
    ///
    /// [`PartError::Source`] if `fill` fails, [`PartError::Target`] if the backup cannot be
    /// written.
    pub(crate) fn part<E>(
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
        let sha256 = hex::encode(hash.finalize());
        self.files.push(Entry { name: part.name(), bytes, sha256 });
        Ok(())
    }

    fn text(&mut self, part: Part, text: &[u8]) -> io::Result<()> {
        match self.part(part, |to| to.write_all(text)) {
            Ok(()) => Ok(()),
            Err(PartError::Source(error) | PartError::Target(error)) => Err(error),
        }
    }

    /// The header contains the size, which is known only now.
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

    /// Writes the manifest, makes the file durable, and gives it its name. Returns its size in
    /// bytes.
    ///
    /// # Errors
    ///
    /// The file cannot be written or renamed.
    pub(crate) fn publish(mut self, manifest: &mut Manifest) -> Result<u64, BeginError> {
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

/// The checksum in the form that `sha256sum --check` reads.
fn sum_line(manifest: &[u8]) -> String {
    format!("{}  {}\n", hex::encode(Sha256::digest(manifest)), Part::Manifest.name())
}

/// An error while a backup is begun or completed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    /// The file cannot be created or renamed.
    #[error(transparent)]
    Make(store::Error),
    /// The file cannot be written.
    #[error(transparent)]
    Open(io::Error),
}

/// Counts and hashes what is written, and keeps the error of the writer below.
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
