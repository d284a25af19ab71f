//! What an archive holds, before any of its links is made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::SlugError;

/// What an archive holds, by path.
pub(super) type Tree = BTreeMap<PathBuf, Node>;

/// Something in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// A directory.
    Dir,
    /// A file, with all of its names.
    File,
    /// A symbolic link, with what it leads to.
    Link(PathBuf),
}

/// Says what is wrong with a path.
pub(super) fn refuse(path: &Path, why: &'static str) -> SlugError {
    SlugError::Unsafe { path: path.to_owned(), why }
}
