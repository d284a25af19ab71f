//! Fuzz targets: whatever is uploaded is refused, or unpacked to files that stay where they are.

use std::os::unix::ffi::OsStrExt;

use super::*;

/// Small, so that inputs reach them.
const LIMITS: Limits = Limits { bytes: 64 << 10, files: 64, path_bytes: 256, name_bytes: 4096 };

/// What is below a directory: each path, with what it is.
fn listing(root: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            let what = if about.is_dir() {
                dirs.push(path.clone());
                "directory".to_owned()
            } else if about.is_symlink() {
                format!("link to {:?}", fs::read_link(&path).unwrap())
            } else {
                assert!(about.is_file(), "{path:?} is no file");
                format!("file {:?}", fs::read(&path).unwrap())
            };
            let mode = std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o7777;
            let right = about.is_symlink() || [0o644, 0o755].contains(&mode);
            assert!(right, "{path:?} has the mode {mode:o}");
            found.push((path.strip_prefix(root).unwrap().to_owned(), what));
        }
    }
    found.sort();
    found
}

/// Whether every link leads into the slug, as the kernel follows it there, or to the machine's programs.
fn links_stay(root: &Path, files: &[(PathBuf, String)]) {
    for (path, _) in files.iter().filter(|(_, what)| what.starts_with("link")) {
        let target = fs::read_link(root.join(path)).unwrap();
        if target.is_absolute() {
            continue;
        }
        // A link whose target exists is followed by the kernel; one that does not leads nowhere yet.
        if let Ok(real) = fs::canonicalize(root.join(path)) {
            let inside = real.starts_with(root.canonicalize().unwrap());
            assert!(inside || real.starts_with("/usr"), "{path:?} leads to {real:?}");
        }
    }
}

#[test]
fn fuzz_slug() {
    ::fuzz::target("slug", |archive| {
        let place = tempfile::tempdir().unwrap();
        let slugs = place.path().join("slugs");
        let slug = slugs.join("one");
        let unpacked = match unpack(archive, &slug, LIMITS) {
            Ok(unpacked) => unpacked,
            Err(error) => {
                // It is the archive's fault, never the server's, and nothing is left of it.
                assert!(error.is_of_the_archive(), "{error:?}");
                assert_eq!(fs::read_dir(&slugs).unwrap().count(), 0);
                return;
            }
        };
        let files = listing(&slug);
        assert!(unpacked.bytes <= LIMITS.bytes && files.len() as u64 <= LIMITS.files);
        assert!(
            files.iter().all(|(path, _)| path.as_os_str().as_bytes().len() <= LIMITS.path_bytes)
        );
        links_stay(&slug, &files);
        // Packed and unpacked again, it is the same.
        let mut packed = Vec::new();
        pack::pack(&slug, &mut packed).unwrap();
        let again = slugs.join("two");
        assert_eq!(unpack(&packed[..], &again, Limits::NONE).unwrap(), unpacked);
        assert_eq!(listing(&again), files);
        if let Some(text) = &unpacked.procfile
            && let Ok(types) = model::parse_procfile(text)
        {
            assert!(types.values().all(|command| !command.is_empty()));
        }
    });
}
