//! Backups of a small installation, and backups that were damaged.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::archive::read::FormatError;
use super::archive::{Archive, Manifest, Part, PartError, Writer};
use super::{BackupError, Progress, Wanted, Watch, make, restore};
use crate::http::platform::tests::fixture::{Fixture, SLUG};

const SERVICE: &str = "00000000-0000-0000-0000-0000000000ad";

/// An installation with the code of an app and the disk of a data service, and a directory for
/// backups.
struct Bench {
    server: Fixture,
    place: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { server: Fixture::new(), place: tempfile::tempdir().unwrap() };
        let code = bench.server.data().join("slugs").join(SLUG);
        fs::create_dir_all(code.join("bin")).unwrap();
        fs::write(code.join("Procfile"), "web: bin/serve\n").unwrap();
        fs::write(code.join("bin/serve"), "#!/bin/sh\n").unwrap();
        let disk = bench.server.data().join("services").join(SERVICE);
        fs::create_dir_all(&disk).unwrap();
        fs::write(disk.join("kept"), "by the service").unwrap();
        bench.server.script.runs(&["/bin/sh", "-c", "echo some data"]);
        bench
    }

    fn file(&self) -> PathBuf {
        self.place.path().join("a.backup")
    }

    fn make(&self, skip_unavailable: bool) -> Result<api::Backup, BackupError> {
        let (mut watch, _heard) = watch();
        let wanted = Wanted { path: self.file(), skip_unavailable };
        let made = make(self.server.state.backup_sources(), &wanted, &mut watch);
        let names: Vec<_> =
            fs::read_dir(self.place.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), usize::from(made.is_ok()), "{names:?}");
        assert!(!self.server.data().join("backup.partial").exists());
        made
    }

    /// The error message about what cannot be read.
    fn unavailable(&self) -> String {
        match self.make(false) {
            Err(error @ BackupError::Unavailable(_)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

fn watch() -> (Watch, UnboundedReceiver<Progress>) {
    let (tell, heard) = unbounded_channel();
    (Watch::new(tell, CancellationToken::new()), heard)
}

fn open(path: &Path) -> Result<Archive, FormatError> {
    Archive::open(path, &mut |_, _| {})
}

#[test]
fn what_is_backed_up_is_restored() {
    let bench = Bench::new();
    let report = bench.make(false).unwrap();
    assert_eq!(fs::metadata(bench.file()).unwrap().mode() & 0o777, 0o600);
    assert_eq!(report.bytes, fs::metadata(bench.file()).unwrap().len());
    assert_eq!(report.revision, 1);
    assert_eq!(report.slugs[0].id.to_string(), SLUG);
    assert_eq!(report.services[0].name, "redis-flat-00001");
    assert_eq!(report.missing, []);
    let again = bench.make_again();
    assert!(matches!(again, BackupError::Store(store::Error::Exists { .. })), "{again}");

    let data = bench.place.path().join("new/data");
    let mut told = Vec::new();
    let (dir, restored) =
        restore(&bench.file(), &data, None, &mut |done, total| told.push((done, total))).unwrap();
    assert_eq!((restored.revision, restored.slugs, restored.missing.len()), (1, 1, 0));
    assert_eq!(restored.services, ["redis-flat-00001"]);
    assert!(told.is_sorted() && told.last().is_some_and(|(done, total)| done == total));
    assert_eq!(dir.secret(), &bench.server.state.secret);
    let mut store = store::Sqlite::open(&dir).unwrap();
    let (world, revision) = crate::ledger::load(&mut store, dir.secret()).unwrap();
    assert_eq!(revision, 1);
    assert_eq!(world.addons().next().unwrap().password, "a-password");
    let code = data.join("slugs").join(SLUG);
    assert_eq!(fs::read_to_string(code.join("Procfile")).unwrap(), "web: bin/serve\n");
    let waiting = data.join("services").join(SERVICE).join(".causeway-restore");
    let command = fs::read_to_string(waiting.join("command")).unwrap();
    assert!(command.contains("appendonly.aof"), "{command}");
    let mut text = String::new();
    let backup = File::open(waiting.join("backup.gz")).unwrap();
    flate2::read::GzDecoder::new(backup).read_to_string(&mut text).unwrap();
    assert_eq!(text, "some data\n");
    let mut names: Vec<_> = fs::read_dir(&data)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !name.starts_with("causeway.db-"));
    names.sort();
    assert_eq!(names, ["causeway.db", "lock", "revision", "secret.key", "services", "slugs"]);
    let refused = restore(&bench.file(), &data, None, &mut |_, _| {}).unwrap_err();
    assert!(refused.to_string().contains("is not empty"), "{refused}");
}

impl Bench {
    fn make_again(&self) -> BackupError {
        let (mut watch, _heard) = watch();
        let wanted = Wanted { path: self.file(), skip_unavailable: false };
        make(self.server.state.backup_sources(), &wanted, &mut watch).unwrap_err()
    }
}

#[test]
fn what_cannot_be_had_is_told_and_left_out_only_if_that_is_meant() {
    let bench = Bench::new();
    bench.server.script.runs(&[]);
    let said = bench.unavailable();
    for word in ["redis-flat-00001", "does not run", "causeway logs", "--skip-unavailable"] {
        assert!(said.contains(word), "{said}");
    }
    let failing = "head -c 1000000 /dev/zero; echo no space >&2; exit 4";
    bench.server.script.runs(&["/bin/sh", "-c", failing]);
    let said = bench.unavailable();
    assert!(said.contains("no space") && said.contains("exit status: 4"), "{said}");

    fs::remove_dir_all(bench.server.data().join("slugs").join(SLUG)).unwrap();
    let said = bench.unavailable();
    assert!(said.contains("the code of shop") && said.contains("deploy"), "{said}");
    let report = bench.make(true).unwrap();
    assert_eq!(report.missing.len(), 2, "{report:?}");
    assert_eq!(report.services, []);
    let data = bench.place.path().join("data");
    let (_, restored) = restore(&bench.file(), &data, None, &mut |_, _| {}).unwrap();
    assert_eq!(restored.missing.len(), 2);
    assert!(!data.join("services").exists(), "it begins with nothing");
}

#[test]
fn a_service_without_data_needs_no_backup() {
    let bench = Bench::new();
    bench.server.script.runs(&[]);
    fs::remove_dir_all(bench.server.data().join("services")).unwrap();
    let report = bench.make(false).unwrap();
    assert_eq!(report.services[0].bytes, None, "{report:?}");
    let (_, restored) =
        restore(&bench.file(), &bench.place.path().join("data"), None, &mut |_, _| {}).unwrap();
    assert!(restored.services.is_empty() && restored.missing.is_empty());
}

#[test]
fn it_ends_when_nobody_wants_it_and_there_is_one_at_a_time() {
    let bench = Bench::new();
    let (tell, heard) = unbounded_channel();
    drop(heard);
    let mut watch = Watch::new(tell, CancellationToken::new());
    let wanted = Wanted { path: bench.file(), skip_unavailable: true };
    let ended = make(bench.server.state.backup_sources(), &wanted, &mut watch).unwrap_err();
    assert!(matches!(ended, BackupError::Cancelled), "{ended}");
    assert!(!bench.file().exists());
    let place = &bench.server.state.backups;
    assert!(!place.needs_code());
    {
        let _busy = place.enter().unwrap();
        let refused = bench.make(false).unwrap_err();
        assert!(matches!(refused, BackupError::Busy), "{refused}");
    }
    let _reading = place.keep_code();
    assert!(place.needs_code());
}

#[test]
fn a_database_alone_is_restored_too() {
    let bench = Bench::new();
    bench.server.state.store.lock().unwrap().backup(&bench.file(), &mut |_| {}).unwrap();
    let data = bench.place.path().join("data");
    let (dir, restored) = restore(&bench.file(), &data, None, &mut |_, _| {}).unwrap();
    assert_eq!(dir.secret(), &bench.server.state.secret);
    assert_eq!((restored.revision, restored.created, restored.slugs), (1, None, 0));
    let names: Vec<_> = restored.missing.iter().map(|missing| &*missing.name).collect();
    assert_eq!(names, ["the code of apps", "redis-flat-00001"]);
}

/// A small backup with made-up parts.
fn small(place: &Path, parts: &[(Part, &[u8])]) -> PathBuf {
    let path = place.join(format!("small-{}", parts.len()));
    let mut writer = Writer::begin(&path).unwrap();
    for (part, text) in parts {
        writer.part(*part, |to| to.write_all(text)).unwrap();
    }
    writer.publish(&mut manifest()).unwrap();
    path
}

fn manifest() -> Manifest {
    Manifest {
        made_by: "0".to_owned(),
        created: model::Timestamp::from_millis(0),
        instance: "test".to_owned(),
        revision: 7,
        files: Vec::new(),
        slugs: Vec::new(),
        services: Vec::new(),
        missing: Vec::new(),
    }
}

#[test]
fn no_byte_of_it_can_change() {
    let place = tempfile::tempdir().unwrap();
    let path = small(place.path(), &[(Part::Database, b"some rows")]);
    assert_eq!(open(&path).unwrap().manifest().revision, 7);
    let whole = fs::read(&path).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    for (at, byte) in (0..).zip(&whole) {
        for flipped in [byte ^ 1, byte ^ 0x80] {
            file.write_all_at(&[flipped], at).unwrap();
            let refused = open(&path).err().unwrap_or_else(|| panic!("byte {at} was {byte}"));
            let said = refused.to_string();
            assert!(said.contains(&path.display().to_string()), "{said}");
        }
        file.write_all_at(&[*byte], at).unwrap();
    }
    open(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        match open(&path) {
            Err(FormatError::Truncated { bytes, .. }) => assert_eq!(bytes, length as u64),
            Err(FormatError::NotABackup(_)) => assert!(length < 512, "{length}"),
            other => panic!("{length}: {:?}", other.err()),
        }
    }
    fs::write(&path, [&whole[..], &[0; 512]].concat()).unwrap();
    assert!(matches!(open(&path).err(), Some(FormatError::Damaged { .. })));
}

#[test]
fn what_is_no_backup_says_so() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("file");
    for text in ["", "something", &"x".repeat(5000)] {
        fs::write(&path, text).unwrap();
        let refused = restore(&path, &place.path().join("data"), None, &mut |_, _| {}).unwrap_err();
        assert!(refused.to_string().contains("was not made by `causeway backup`"), "{refused}");
    }
    let tar = Command::new("tar").args(["-cC", "/etc", "hostname"]).output().unwrap();
    fs::write(&path, tar.stdout).unwrap();
    assert!(matches!(open(&path).err(), Some(FormatError::NotABackup(_))));
    for odd in ["/dev/null", "/"] {
        assert!(matches!(open(Path::new(odd)).err(), Some(FormatError::NotABackup(_))), "{odd}");
    }
    let refused =
        restore(&place.path().join("no"), &place.path().join("data"), None, &mut |_, _| {});
    assert!(refused.unwrap_err().to_string().contains("cannot open"));
    assert!(!place.path().join("data").exists());
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let place = tempfile::tempdir().unwrap();
    let path = small(place.path(), &[(Part::Database, b"rows")]);
    let mut text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
    text = text.replacen("\"format\": 1", "\"format\": 2", 1);
    text = text.replacen(&format!("\"{}\"", env!("CARGO_PKG_VERSION")), "\"9.9.9\"", 1);
    fs::write(&path, text).unwrap();
    let said = open(&path).err().unwrap().to_string();
    assert!(said.contains("format 2") && said.contains("version 9.9.9 or a later one"), "{said}");
}

/// Renames a file in a backup, with a valid header.
fn renamed(path: &Path, from: &str, to: &str) {
    let mut bytes = fs::read(path).unwrap();
    let at =
        (0..bytes.len()).step_by(512).find(|at| bytes[*at..].starts_with(from.as_bytes())).unwrap();
    let mut header = tar::Header::from_byte_slice(&bytes[at..at + 512]).clone();
    let name = &mut header.as_gnu_mut().unwrap().name;
    name.fill(0);
    name[..to.len()].copy_from_slice(to.as_bytes());
    header.set_cksum();
    bytes[at..at + 512].copy_from_slice(header.as_bytes());
    fs::write(path, bytes).unwrap();
}

#[test]
fn no_name_in_it_leads_anywhere() {
    let place = tempfile::tempdir().unwrap();
    let slug = Part::Slug("00000000-0000-4000-8000-00000000000a".parse().unwrap());
    for name in [
        "../../etc/passwd",
        "/etc/passwd",
        "slugs/../../x.tar.gz",
        "slugs/00000000-0000-4000-8000-00000000000A.tar.gz",
        "slugs/0000000000004000800000000000000a.tar.gz",
        "services/00000000-0000-4000-8000-00000000000a.gz",
        "causeway.db.gz",
        "manifest.sha256",
        "causeway-backup.json",
        "secret.key",
        "",
    ] {
        let path = small(place.path(), &[(Part::Database, b"rows"), (slug, b"code")]);
        renamed(&path, "slugs/", name);
        let refused = open(&path).err().unwrap();
        assert!(matches!(refused, FormatError::Damaged { .. }), "{name}: {refused}");
        fs::remove_file(path).unwrap();
    }
    // The manifest must describe the part.
    let path = small(place.path(), &[(Part::Database, b"rows"), (slug, b"code")]);
    let said = open(&path).err().unwrap().to_string();
    assert!(said.contains("names other files than there are"), "{said}");
    let path = small(place.path(), &[]);
    assert!(matches!(open(&path).err(), Some(FormatError::Damaged { .. })), "no database");
}

#[test]
fn a_part_that_fails_leaves_no_trace() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("backup");
    let mut writer = Writer::begin(&path).unwrap();
    let slug = Part::Slug("00000000-0000-4000-8000-00000000000a".parse().unwrap());
    let failed = writer.part(slug, |to| {
        to.write_all(&vec![7; 1 << 20]).unwrap();
        Err("no more")
    });
    assert!(matches!(failed, Err(PartError::Source("no more"))), "{failed:?}");
    writer.part(Part::Database, |to| to.write_all(b"rows")).unwrap();
    let size = writer.publish(&mut manifest()).unwrap();
    assert!(size < 8 << 10 && size == fs::metadata(&path).unwrap().len());
    let archive = open(&path).unwrap();
    let mut rows = String::new();
    archive.read(Part::Database).unwrap().read_to_string(&mut rows).unwrap();
    assert_eq!(rows, "rows");
    assert!(archive.read(slug).is_err());

    // A change after the verification is noticed as well.
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|four| four == b"rows").unwrap();
    File::options().write(true).open(&path).unwrap().write_all_at(b"R", at as u64).unwrap();
    let read = archive.read(Part::Database).unwrap().read_to_end(&mut Vec::new());
    assert!(read.unwrap_err().to_string().contains("changed"));
}

/// The usual tools read everything in a backup.
#[test]
fn other_tools_read_it() {
    let bench = Bench::new();
    bench.make(false).unwrap();
    let script = "set -e; cd \"$1\"; tar -xf \"$0\"; sha256sum --quiet --check manifest.sha256
        gzip -dc services/*.gz; gzip -dc slugs/*.tar.gz | tar -xO app/Procfile
        gzip -dc causeway.db.gz | head -c 15";
    let into = bench.place.path().join("into");
    fs::create_dir(&into).unwrap();
    let run = Command::new("sh").args(["-c", script]).arg(bench.file()).arg(into).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert_eq!(said, "some data\nweb: bin/serve\nSQLite format 3", "{run:?}");
}
