//! Makes a data directory from a backup.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use fabric::runtime::await_restore;
use fabric::slug::{self, Limits};
use flate2::read::MultiGzDecoder;
use model::Timestamp;
use store::{BlobDigest, Blobs, BoxError, DataDir, Postgres, PostgresUrl, Restoring, Snapshot};

use super::Missing;
use super::archive::{Archive, Part};
use super::make::world_of;
use crate::apps::slugs::slugs_dir;
use crate::code::{Kept, move_all};
use crate::config::disks_dir;
use crate::ledger;

/// The report of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The new name of the instance, if it was given one.
    pub instance: Option<String>,
    /// The ledger's revision.
    pub revision: u64,
    /// The time of the backup; `None` for an old one that holds only the database.
    pub created: Option<Timestamp>,
    /// The number of slugs.
    pub slugs: usize,
    /// The names of the data services that are restored when they start.
    pub services: Vec<String>,
    /// What the ledger names and the backup does not contain.
    pub missing: Vec<Missing>,
    /// The size of the backup in bytes.
    pub bytes: u64,
}

/// Makes a data directory from a backup, and fills the database on a server if one is named. The whole backup is verified before anything is made, and
/// if something fails later, nothing is left. `progress` is called with the bytes read so far and
/// their total; the backup is read twice.
///
/// # Errors
///
/// The backup is not valid, or the directory cannot be made.
pub(crate) fn restore(
    backup: &Path,
    data: &Path,
    url: Option<&PostgresUrl>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(DataDir, Restored), BoxError> {
    DataDir::refuse_content(data)?;
    if is_database(backup)? {
        return restore_database(backup, data, url);
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
    // The database comes first, because nothing is of use without it.
    let snapshot = Snapshot::open(&database)?;
    let slugs = slugs_dir(restoring.path());
    let kept = Kept::at(restoring.path(), None);
    for code in &manifest.slugs {
        let mut part = read(Part::Slug(code.id))?;
        if let Some(digest) = &code.blob {
            let digest: BlobDigest = digest.parse()?;
            let bytes = manifest.bytes(Part::Slug(code.id)).unwrap_or(0);
            kept.local().put(&digest, bytes, &mut part)?;
            kept.link(code.id, &digest)?;
            continue;
        }
        slug::unpack(&mut part, &slug::path(&slugs, code.id), Limits::NONE)?;
        // The checksum is at the end.
        io::copy(&mut part, &mut io::sink())?;
    }
    let mut services = Vec::new();
    for service in &manifest.services {
        let Some(command) = &service.restore else { continue };
        let part = read(Part::Service(service.id))?;
        await_restore(&disks_dir(restoring.path()), service.id, command, part)?;
        services.push(service.name.clone());
    }
    nix::unistd::syncfs(File::open(restoring.path())?)?;
    fs::remove_file(&database)?;
    let dir = finish(restoring, &snapshot, url)?;
    if let Some(url) = url {
        share_code(&dir, url)?;
    }
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

/// Moves code to the database of a server, where all servers find it.
fn share_code(dir: &DataDir, url: &PostgresUrl) -> Result<(), BoxError> {
    let mut store = Postgres::open(url, dir)?;
    let (world, _) = ledger::load(&mut store, dir.secret())?;
    let kept = Kept::at(dir.path(), Some(Arc::new(store.blobs()?)));
    if let Err(error) = move_all(&kept, &world, &mut || ()) {
        let error = os::error_chain(&error);
        tracing::warn!(error, "the code is moved to the database when the server starts");
    }
    Ok(())
}

/// Whether a backup has the old form, which is only the database.
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

/// Puts the database where it is to be.
fn finish(
    restoring: Restoring,
    snapshot: &Snapshot,
    url: Option<&PostgresUrl>,
) -> store::Result<DataDir> {
    match url {
        Some(url) => restoring.finish_on(snapshot, url),
        None => restoring.finish(snapshot),
    }
}

fn restore_database(
    backup: &Path,
    data: &Path,
    url: Option<&PostgresUrl>,
) -> Result<(DataDir, Restored), BoxError> {
    let bytes = fs::metadata(backup)?.len();
    let (world, revision) = world_of(backup)?;
    let snapshot = Snapshot::open(backup)?;
    let dir = finish(Restoring::begin(data)?, &snapshot, url)?;
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
