//! Why an archive was not unpacked, or a slug not packed.

use std::io;
use std::path::{Path, PathBuf};

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum SlugError {
    /// It is not a tar archive.
    #[error("this is not a tar archive, plain or compressed with gzip")]
    NotAnArchive,
    /// It holds nothing.
    #[error("the archive is empty")]
    Empty,
    /// It ends early, or is damaged otherwise.
    #[error("the archive cannot be read")]
    Damaged(#[source] io::Error),
    /// Its content is too large.
    #[error("unpacked it has more than {0} bytes: leave out what the app does not need to run")]
    TooLarge(u64),
    /// It holds too many files, directories and links.
    #[error("it holds more than {0} files: leave out what the app does not need to run")]
    TooMany(u64),
    /// A name is too long.
    #[error("a path in it has more than {0} bytes")]
    PathTooLong(usize),
    /// An entry of it could reach beyond it, or cannot be unpacked.
    #[error("{} {why}", path.display())]
    Unsafe {
        /// The entry's path in the archive.
        path: PathBuf,
        /// What is wrong with the entry.
        why: &'static str,
    },
    /// Its Procfile is too large, or not text.
    #[error("its Procfile is not text of at most 64 KiB")]
    Procfile,
    /// A file could not be written here.
    #[error("{step} {}", path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
}

impl SlugError {
    /// Whether the archive is at fault, so that whoever sent it can mend it; otherwise this machine is.
    pub fn is_of_the_archive(&self) -> bool {
        match self {
            Self::NotAnArchive
            | Self::Empty
            | Self::Damaged(_)
            | Self::TooLarge(_)
            | Self::TooMany(_)
            | Self::PathTooLong(_)
            | Self::Unsafe { .. }
            | Self::Procfile => true,
            Self::File { .. } => false,
        }
    }
}

/// Adds the step and the file to the kernel's error.
pub(super) fn failed<'a>(
    step: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> SlugError + 'a {
    move |source| SlugError::File { step, path: path.to_owned(), source }
}
