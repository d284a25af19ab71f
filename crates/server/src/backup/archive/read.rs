//! Reads a backup: once as a whole to verify it, and then the parts that are needed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tar::Header;

use super::{BLOCK, END, Entry, FORMAT, Head, MOST_TEXT, Manifest, Part, sum_line};

/// A file that is not a backup, or one that cannot be restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormatError {
    /// The file is something else.
    #[error("{} was not made by `causeway backup`", .0.display())]
    NotABackup(PathBuf),
    /// It was made by a later version of Causeway.
    #[error(
        "{} has format {format}, and this version of Causeway reads up to {FORMAT}: restore it with \
         version {made_by} or a later one", .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        format: u32,
        /// The version of Causeway that made it.
        made_by: String,
    },
    /// It is incomplete.
    #[error(
        "{} is cut short: it ends after {bytes} bytes, before all of it is there; copy it again from \
         where it was made, or restore another backup", .path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        bytes: u64,
    },
    /// Its content was changed.
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
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

/// A backup that was verified.
pub(crate) struct Archive {
    path: PathBuf,
    file: File,
    bytes: u64,
    manifest: Manifest,
    index: BTreeMap<Part, Extent>,
}

/// The position of a part in the file.
#[derive(Debug, Clone)]
struct Extent {
    at: u64,
    bytes: u64,
    sha256: String,
}

impl Archive {
    /// Reads and verifies a whole backup.
    /// `progress` is called with the bytes read so far and their total.
    ///
    /// # Errors
    ///
    /// [`FormatError`], if any byte is not as it was written.
    pub(crate) fn open(
        path: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, FormatError> {
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
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its size in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads a part again. Reading it to its end fails if it has changed since it was verified.
    ///
    /// # Errors
    ///
    /// The backup does not contain the part.
    pub(crate) fn read(&self, part: Part) -> Result<impl Read, FormatError> {
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
        if self.left == 0 && hex::encode(self.hash.clone().finalize()) != self.sha256 {
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
    fn run(&mut self) -> Result<(Manifest, BTreeMap<Part, Extent>), FormatError> {
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
            index.insert(part, Extent { at, bytes: size, sha256 });
        }
    }

    /// Reads the first file. An unknown format is reported as that, and not as damage.
    fn head(
        &mut self,
        index: &mut BTreeMap<Part, Extent>,
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
        index.insert(Part::Head, Extent { at: BLOCK, bytes: size, sha256 });
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

    /// Reads the content of a part and the padding after it. Returns the content if `keep` is set.
    fn content(
        &mut self,
        part: Part,
        size: u64,
        keep: bool,
    ) -> Result<(Vec<u8>, String), FormatError> {
        if keep && size > MOST_TEXT {
            return Err(self.damaged(part, "is too large"));
        }
        // Checked first, because a damaged header may contain any size.
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
        Ok((kept, hex::encode(hash.finalize())))
    }

    /// Reads the last two files, and checks that nothing follows.
    fn manifest(
        &mut self,
        size: u64,
        index: &BTreeMap<Part, Extent>,
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
