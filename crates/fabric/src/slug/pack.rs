//! Packs what was unpacked, so that unpacking it gives the same again.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::error::{SlugError, failed};
use super::extract::WRAPPER;

/// Writes a tar archive of what is in a directory, with a top-level directory that unpacking takes
/// off again: a slug may have one of the same name itself.
pub(super) fn pack(root: &Path, out: impl Write) -> Result<(), SlugError> {
    let mut archive = Builder::new(out);
    let mut known = BTreeMap::new();
    let mut dirs = vec![(root.to_owned(), PathBuf::from(WRAPPER))];
    while let Some((dir, name)) = dirs.pop() {
        let about = fs::metadata(&dir).map_err(failed("look at", &dir))?;
        let mut header = header(EntryType::Directory, &about);
        archive.append_data(&mut header, &name, io::empty()).map_err(failed("pack", &dir))?;
        let entries = fs::read_dir(&dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = entries.map_err(failed("list", &dir))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), name.join(entry.file_name()));
            let about = entry.metadata().map_err(failed("look at", &path))?;
            if about.is_dir() {
                dirs.push((path, name));
            } else {
                add(&mut archive, &path, &name, &about, &mut known)
                    .map_err(failed("pack", &path))?;
            }
        }
    }
    archive.into_inner().map(drop).map_err(failed("pack", root))
}

/// Adds a file or a link. Of a file with several names, `known` has the first.
fn add(
    archive: &mut Builder<impl Write>,
    path: &Path,
    name: &Path,
    about: &Metadata,
    known: &mut BTreeMap<(u64, u64), PathBuf>,
) -> io::Result<()> {
    if about.is_symlink() {
        return add_link(archive, name, about, fs::read_link(path)?.as_os_str().as_bytes());
    }
    if !about.is_file() {
        return Err(io::Error::other("it is neither a file nor a directory nor a link"));
    }
    if about.nlink() > 1 {
        // Packed once, or a small archive with many names for a large file would become a large one.
        if let Some(first) = known.get(&(about.dev(), about.ino())) {
            let mut header = header(EntryType::Link, about);
            return archive.append_link(&mut header, name, first);
        }
        known.insert((about.dev(), about.ino()), name.to_owned());
    }
    let mut header = header(EntryType::Regular, about);
    header.set_size(about.len());
    archive.append_data(&mut header, name, File::open(path)?)
}

/// Adds a symbolic link with its target as it is written. The library would leave out what it holds for
/// superfluous, such as `./`.
fn add_link(
    archive: &mut Builder<impl Write>,
    name: &Path,
    about: &Metadata,
    target: &[u8],
) -> io::Result<()> {
    let mut header = header(EntryType::Symlink, about);
    if header.set_link_name_literal(target).is_err() {
        // What has no room in the header comes before it, as GNU's tar does it.
        const NAME: &[u8] = b"././@LongLink";
        let mut long = Header::new_gnu();
        long.set_entry_type(EntryType::GNULongLink);
        long.set_mode(0o644);
        long.set_mtime(0);
        long.set_size(target.len() as u64 + 1);
        long.as_old_mut().name[..NAME.len()].copy_from_slice(NAME);
        long.set_cksum();
        archive.append(&long, target.chain(&[0][..]))?;
    }
    archive.append_data(&mut header, name, io::empty())
}

fn header(kind: EntryType, about: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(about.mode() & 0o777);
    header.set_mtime(u64::try_from(about.mtime()).unwrap_or(0));
    header.set_size(0);
    header
}
