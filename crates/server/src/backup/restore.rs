//! Makes a data directory from a backup.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use fabric::runtime::await_restore;
use fabric::slug::{self, Limits};
use flate2::read::MultiGzDecoder;
use model::Timestamp;
use store::{BoxError, DataDir, Restoring, Snapshot};

use super::Missing;
use super::archive::{Archive, Part};
use super::make::world_of;
use crate::workloads::disks;

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The instance's new name, where it was given one.
    pub instance: Option<String>,
    /// The ledger's revision.
    pub revision: u64,
    /// When the backup was begun; unknown of one that holds the database alone.
    pub created: Option<Timestamp>,
    /// How many slugs there are.
    pub slugs: usize,
    /// The data services that find their data again when they start.
    pub services: Vec<String>,
    /// What the ledger names and the backup does not hold.
    pub missing: Vec<Missing>,
    /// The backup's size.
    pub bytes: u64,
}

/// Makes a data directory from a backup. Nothing is made before all of the backup was found to be
/// as it was written; where something goes wrong later, nothing of it is left. `progress` is told
/// how many bytes of how many were read: all of it once to check it, and once more.
///
/// # Errors
///
/// What is wrong with the backup, or with the directory.
pub fn restore(
    backup: &Path,
    data: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(DataDir, Restored), BoxError> {
    DataDir::refuse_content(data)?;
    if is_database(backup)? {
        return restore_database(backup, data);
    }
    let archive = Archive::open(backup, &mut |done, total| progress(done, total * 2))?;
    let manifest = archive.manifest();
    let restoring = Restoring::begin(data)?;
    let mut done = archive.bytes();
    let total = archive.bytes() * 2;
    let mut read = |part| {
        done += manifest.bytes(part).unwrap_or(0);
        progress(done.min(total), total);
        archive.read(part)
    };
    let database = restoring.path().join("causeway.db.restoring");
    let mut unpacked = MultiGzDecoder::new(read(Part::Database)?);
    io::copy(&mut unpacked, &mut private(&database)?)?;
    // First of all, as it is the one thing that cannot be done without.
    let snapshot = Snapshot::open(&database)?;
    let slugs = restoring.path().join("slugs");
    for code in &manifest.slugs {
        let mut part = read(Part::Slug(code.id))?;
        slug::unpack(&mut part, &slug::path(&slugs, code.id), Limits::NONE)?;
        // To the end, where its checksum is.
        io::copy(&mut part, &mut io::sink())?;
    }
    let mut services = Vec::new();
    for service in &manifest.services {
        let Some(command) = &service.restore else { continue };
        let part = read(Part::Service(service.id))?;
        await_restore(&disks(restoring.path()), service.id, command, part)?;
        services.push(service.name.clone());
    }
    nix::unistd::syncfs(File::open(restoring.path())?)?;
    fs::remove_file(&database)?;
    let dir = restoring.finish(&snapshot)?;
    progress(total, total);
    let restored = Restored {
        instance: None,
        revision: manifest.revision,
        created: Some(manifest.created),
        slugs: manifest.slugs.len(),
        services,
        missing: manifest.missing.clone(),
        bytes: archive.bytes(),
    };
    Ok((dir, restored))
}

/// Whether a backup is of the time when it held the database alone.
fn is_database(backup: &Path) -> io::Result<bool> {
    let mut start = [0; Snapshot::MAGIC.len()];
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot open {}: {error}", backup.display()))
    };
    match File::open(backup).map_err(named)?.read_exact(&mut start) {
        Ok(()) => Ok(start == Snapshot::MAGIC),
        Err(_) => Ok(false),
    }
}

fn restore_database(backup: &Path, data: &Path) -> Result<(DataDir, Restored), BoxError> {
    let bytes = fs::metadata(backup)?.len();
    let (world, revision) = world_of(backup)?;
    let dir = DataDir::restore(backup, data)?;
    let of_old = |name: String| {
        let reason = "the backup is of a version of Causeway that kept the ledger alone".to_owned();
        Missing { name, reason }
    };
    let slugs = world.slugs().filter(|slug| slug.size.is_some()).count();
    let code = (slugs > 0).then(|| of_old("the code of apps".to_owned()));
    let services = world.addons().map(|addon| of_old(addon.name.clone()));
    let missing = code.into_iter().chain(services).collect();
    let (instance, created, slugs, services) = (None, None, 0, Vec::new());
    Ok((dir, Restored { instance, revision, created, slugs, services, missing, bytes }))
}

fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create_new(true).mode(0o600).open(path)
}
