//! How much an archive may hold.

/// Limits of an archive's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Number of files, directories and links.
    pub files: u64,
    /// Bytes of one path.
    pub path_bytes: usize,
    /// Bytes of all paths together, which are kept in memory.
    pub name_bytes: usize,
}

impl Limits {
    /// No limits, for archives whose content was unpacked once before.
    pub const NONE: Self =
        Self { bytes: u64::MAX, files: u64::MAX, path_bytes: usize::MAX, name_bytes: usize::MAX };
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 30, files: 200_000, path_bytes: 1024, name_bytes: 64 << 20 }
    }
}
