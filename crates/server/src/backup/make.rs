//! Writes a backup.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use fabric::slug;
use flate2::Compression;
use flate2::write::GzEncoder;
use model::{Addon, Change, Key, Slug, Timestamp, WorkloadId, World};
use os::error_chain;
use store::blobs::Verified;
use store::{BlobDigest, BlobError, Blobs, Snapshot, Store};

use super::archive::{BeginError, Code, Manifest, Part, PartError, Service, Writer};
use super::service::{self, Failed};
use super::{Missing, Watch, Workspace};
use crate::apps::console::{Console, NotRun};
use crate::apps::plans::Plans;
use crate::code::Kept;
use crate::ledger::document;

/// The options of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The file to write. It must not exist.
    pub path: PathBuf,
    /// Leaves out what cannot be read now, instead of failing.
    pub skip_unavailable: bool,
}

/// What a backup reads.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// Its directories and locks.
    pub workspace: &'a Workspace,
    /// The ledger.
    pub store: &'a Mutex<Box<dyn Store>>,
    /// The time that the backup is dated with.
    pub created: Timestamp,
    /// The directory of all slugs.
    pub slugs: &'a Path,
    /// Where their code is kept.
    pub(crate) kept: &'a Kept,
    /// The plans that are on offer now.
    pub plans: &'a Plans,
    /// Runs the backup commands of data services.
    pub console: &'a dyn Console,
}

/// An error that ends a backup.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// Another backup is being written.
    #[error("another backup is being written: wait for its end")]
    Busy,
    /// The client has gone, or the server stops.
    #[error("the client that asked for it is gone, or the server stops")]
    Cancelled,
    /// Something that the ledger names cannot be read.
    #[error("{}", unavailable(.0))]
    Unavailable(Vec<Missing>),
    /// The ledger cannot be read, or the file cannot be created.
    #[error(transparent)]
    Store(store::Error),
    /// The place where code is kept cannot be read.
    #[error("the code of apps cannot be read")]
    Code(#[source] Box<BlobError>),
    /// A file operation failed.
    #[error("{step} {}", .path.display())]
    File {
        /// The operation.
        step: &'static str,
        /// Which file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

/// A message that says how to mend each of them.
fn unavailable(missing: &[Missing]) -> String {
    let each = missing.iter().map(|Missing { name, reason }| format!("{name}: {reason}"));
    let each: Vec<String> = each.collect();
    format!(
        "not all of it can be had now. {}. Mend that and try again, or leave it out with \
         --skip-unavailable",
        each.join(". ")
    )
}

/// Writes a backup while everything runs, and returns a report of its content. The file gets its
/// name only when it is complete and durable.
///
/// # Errors
///
/// [`BackupError`]. No file is left then.
pub(crate) fn make(
    from: Sources<'_>,
    wanted: &Wanted,
    watch: &mut Watch,
) -> Result<api::Backup, BackupError> {
    let workspace = from.workspace;
    let _one = workspace.enter().ok_or(BackupError::Busy)?;
    let _code = workspace.keep_code();
    let mut writer = Writer::begin(&wanted.path).map_err(|error| begun(error, &wanted.path))?;
    let scratch = Scratch::make(workspace)?;
    watch.begin("the ledger".to_owned());
    let database = scratch.0.join("causeway.db");
    // By a handle of its own, as a copy takes a while and others want that of all meanwhile.
    let store =
        from.store.lock().expect("no holder panics").handle().map_err(BackupError::Store)?;
    store.backup(&database, &mut |_| {}).map_err(BackupError::Store)?;
    drop(store);
    let (world, revision) = world_of(&database)?;
    let listed = from.kept.blobs().list().map_err(|error| BackupError::Code(Box::new(error)))?;
    let content =
        Content::of(from, &world, &listed.into_iter().map(|entry| entry.digest).collect());
    if !wanted.skip_unavailable && !content.missing.is_empty() {
        return Err(BackupError::Unavailable(content.missing));
    }
    watch.progress.parts = 1 + content.slugs.len() + content.services.len();
    let mut job = Job { from, wanted, writer: &mut writer, watch, missing: content.missing };
    job.database(&database)?;
    drop(scratch);
    let slugs = job.slugs(&world, &content.slugs)?;
    let services = job.services(&world, content.services)?;
    let missing = job.missing;
    let settings = world.settings();
    let mut manifest = Manifest {
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
        created: from.created,
        instance: settings.map(|settings| settings.instance.clone()).unwrap_or_default(),
        revision,
        files: Vec::new(),
        slugs,
        services,
        missing,
    };
    if watch.is_over() {
        return Err(BackupError::Cancelled);
    }
    watch.progress.what = "what was written".to_owned();
    watch.say();
    let bytes = writer.publish(&mut manifest).map_err(|error| begun(error, &wanted.path))?;
    Ok(report(&wanted.path, bytes, &manifest))
}

fn begun(error: BeginError, path: &Path) -> BackupError {
    match error {
        BeginError::Make(error) => BackupError::Store(error),
        BeginError::Open(source) => written(path)(source),
    }
}

fn written(path: &Path) -> impl FnOnce(io::Error) -> BackupError + '_ {
    move |source| BackupError::File { step: "cannot write", path: path.to_owned(), source }
}

/// The report for the client.
fn report(path: &Path, bytes: u64, manifest: &Manifest) -> api::Backup {
    let size = |part| manifest.bytes(part);
    let slugs = manifest.slugs.iter().map(|code| api::SavedSlug {
        id: code.id,
        app: code.app.clone(),
        bytes: size(Part::Slug(code.id)),
    });
    let services = manifest.services.iter().map(|service| api::SavedService {
        id: service.id,
        name: service.name.clone(),
        plan: service.plan.clone(),
        app: service.app.clone(),
        bytes: size(Part::Service(service.id)),
    });
    let missing = manifest
        .missing
        .iter()
        .map(|missing| api::Missing { name: missing.name.clone(), reason: missing.reason.clone() });
    api::Backup {
        path: path.to_owned(),
        bytes,
        created: manifest.created,
        instance: manifest.instance.clone(),
        revision: manifest.revision,
        database_bytes: size(Part::Database),
        slugs: slugs.collect(),
        services: services.collect(),
        missing: missing.collect(),
    }
}

/// The world in a snapshot of the ledger, and its revision.
pub(super) fn world_of(database: &Path) -> Result<(World, u64), BackupError> {
    let snapshot = Snapshot::open(database).map_err(BackupError::Store)?;
    let mut world = World::default();
    let revision = snapshot
        .load(&mut |row| {
            world.apply(&Change::Put(document::read(&row, snapshot.secret())?));
            Ok(())
        })
        .map_err(BackupError::Store)?;
    Ok((world, revision))
}

/// A directory that is removed when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn make(workspace: &Workspace) -> Result<Self, BackupError> {
        let path = workspace.scratch.clone();
        let made = workspace.clean().and_then(|()| DirBuilder::new().mode(0o700).create(&path));
        made.map_err(|source| BackupError::File {
            step: "cannot make",
            path: path.clone(),
            source,
        })?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // If this fails, the next backup removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What belongs in a backup beside the ledger.
struct Content<'a> {
    /// Each slug with the digest of its blob; `None` for one of which only the files are there.
    slugs: Vec<(&'a Slug, Option<BlobDigest>)>,
    /// Each service with its backup and restore commands; `None` if it has no data yet.
    services: Vec<(&'a Addon, Option<Commands>)>,
    missing: Vec<Missing>,
}

struct Commands {
    /// What is run inside the service.
    backup: Vec<String>,
    restore: String,
}

impl<'a> Content<'a> {
    /// Looks for everything that a world names, before anything long is begun.
    fn of(from: Sources<'_>, world: &'a World, blobs: &BTreeSet<BlobDigest>) -> Self {
        let mut content = Self { slugs: Vec::new(), services: Vec::new(), missing: Vec::new() };
        for slug in world.slugs().filter(|slug| slug.size.is_some()) {
            let blob = slug.blob.as_deref().and_then(|blob| blob.parse().ok());
            let blob = blob.filter(|blob| blobs.contains(blob));
            if blob.is_some() || slug::path(from.slugs, slug.id).is_dir() {
                content.slugs.push((slug, blob));
            } else {
                let reason = match from.kept.is_shared() {
                    true => {
                        format!("it is not in {}: deploy the app again", from.kept.blobs().place())
                    }
                    false => "its files are not here: deploy the app again".to_owned(),
                };
                content.missing.push(Missing { name: code_of(world, slug), reason });
            }
        }
        for addon in world.addons() {
            match commands(from, addon) {
                Ok(commands) => content.services.push((addon, commands)),
                Err(reason) => content.missing.push(Missing { name: addon.name.clone(), reason }),
            }
        }
        content
    }
}

fn app_of(world: &World, app: model::AppId) -> String {
    world.app(app).map(|app| app.name.clone()).unwrap_or_default()
}

fn code_of(world: &World, slug: &Slug) -> String {
    let releases = world.releases_of(Key::App(slug.app));
    let version = releases.filter(|it| it.slug == Some(slug.id)).map(|it| it.version).max();
    let version = version.map(|version| format!(" v{version}")).unwrap_or_default();
    format!("the code of {}{version}", app_of(world, slug.app))
}

/// The commands that back a service up and restore it, or the reason why that is not possible now.
fn commands(from: Sources<'_>, addon: &Addon) -> Result<Option<Commands>, String> {
    // The add-on has a copy of its plan as it was. A plan of that name that is on offer now may
    // have the commands that the copy lacks.
    let offered = from.plans.find(&addon.plan.name()).ok();
    let both = [Some(&addon.plan), offered].into_iter().flatten();
    let found = both.filter_map(|plan| plan.backup.as_ref().zip(plan.restore.as_ref())).next();
    let runs = from.console.runs(WorkloadId::Service(addon.id));
    if let (Ok(()), Some((backup, restore))) = (&runs, found) {
        let backup = ["/bin/sh", "-c", backup].map(str::to_owned).to_vec();
        return Ok(Some(Commands { backup, restore: restore.clone() }));
    }
    // A service with an empty disk has nothing to lose. What is on the disk of another host is not seen.
    if addon.host.is_none() && !from.workspace.has_data(addon.id) {
        return Ok(None);
    }
    Err(match found {
        Some(_) => match runs {
            Err(NotRun::Elsewhere(why)) => why,
            _ => format!("it does not run; `causeway logs {}` may say why", addon.name),
        },
        None => format!(
            "its plan {} does not say how it is backed up: give it `backup` and `restore` in the \
             file of `causeway serve --plans FILE`",
            addon.plan.name()
        ),
    })
}

/// A backup under way.
struct Job<'a> {
    from: Sources<'a>,
    wanted: &'a Wanted,
    writer: &'a mut Writer,
    watch: &'a mut Watch,
    missing: Vec<Missing>,
}

impl Job<'_> {
    fn database(&mut self, path: &Path) -> Result<(), BackupError> {
        let failed =
            |source| BackupError::File { step: "cannot read", path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let watch = &mut *self.watch;
        let added = self.writer.part(Part::Database, |to| {
            compressed(to, |to| io::copy(&mut Watched { file: &mut file, watch }, to).map(drop))
        });
        match added {
            Ok(()) => Ok(()),
            Err(PartError::Source(source)) => Err(failed(source)),
            Err(PartError::Target(source)) => Err(written(&self.wanted.path)(source)),
        }
    }

    fn slugs(
        &mut self,
        world: &World,
        slugs: &[(&Slug, Option<BlobDigest>)],
    ) -> Result<Vec<Code>, BackupError> {
        let mut done = Vec::new();
        for (slug, blob) in slugs {
            let name = code_of(world, slug);
            self.begin(&name)?;
            let (from, watch) = (self.from, &mut *self.watch);
            let added = self.writer.part(Part::Slug(slug.id), |to| match blob {
                Some(blob) => copy_blob(from.kept.blobs(), blob, &mut Counted { to, watch }),
                None => compressed(to, |to| {
                    let to = Counted { to, watch };
                    slug::pack(from.slugs, slug.id, to).map_err(io::Error::other)
                }),
            });
            let added = added.map_err(|error| match error {
                PartError::Source(error) => PartError::Source(error_chain(&error)),
                PartError::Target(error) => PartError::Target(error),
            });
            if self.settle(name, added)? {
                let blob = blob.map(|blob| blob.to_string());
                done.push(Code { id: slug.id, app: app_of(world, slug.app), blob });
            }
        }
        Ok(done)
    }

    fn services(
        &mut self,
        world: &World,
        services: Vec<(&Addon, Option<Commands>)>,
    ) -> Result<Vec<Service>, BackupError> {
        let mut done = Vec::new();
        for (addon, commands) in services {
            self.begin(&addon.name)?;
            let (backup, restore) = match commands {
                Some(Commands { backup, restore }) => (Some(backup), Some(restore)),
                None => (None, None),
            };
            if let Some(argv) = backup {
                let added = self.service(addon, &argv)?;
                if !self.settle(addon.name.clone(), added)? {
                    continue;
                }
            }
            let (name, plan) = (addon.name.clone(), addon.plan.name());
            done.push(Service { id: addon.id, name, plan, app: app_of(world, addon.app), restore });
        }
        Ok(done)
    }

    fn service(
        &mut self,
        addon: &Addon,
        argv: &[String],
    ) -> Result<Result<(), PartError<String>>, BackupError> {
        let running = match self.from.console.run(WorkloadId::Service(addon.id), argv) {
            Ok(running) => running,
            Err(why) => {
                return Ok(Err(PartError::Source(format!(
                    "its backup command cannot be run: {why}"
                ))));
            }
        };
        let watch = &mut *self.watch;
        let added = self.writer.part(Part::Service(addon.id), |to| {
            let mut gzip = GzEncoder::new(to, Compression::fast());
            service::run(running, &mut gzip, watch)?;
            gzip.finish().map(drop).map_err(|error| Failed::Command(error_chain(&error)))
        });
        match added {
            Ok(()) => Ok(Ok(())),
            Err(PartError::Source(Failed::Cancelled)) => Err(BackupError::Cancelled),
            Err(PartError::Source(Failed::Command(why))) => Ok(Err(PartError::Source(why))),
            Err(PartError::Target(error)) => Ok(Err(PartError::Target(error))),
        }
    }

    fn begin(&mut self, name: &str) -> Result<(), BackupError> {
        if self.watch.is_over() {
            return Err(BackupError::Cancelled);
        }
        self.watch.begin(name.to_owned());
        Ok(())
    }

    /// Whether a part was added. A part that failed is an error, unless it may be left out.
    fn settle(
        &mut self,
        name: String,
        added: Result<(), PartError<String>>,
    ) -> Result<bool, BackupError> {
        let reason = match added {
            Ok(()) => return Ok(true),
            Err(PartError::Target(source)) => return Err(written(&self.wanted.path)(source)),
            Err(PartError::Source(reason)) => reason,
        };
        self.missing.push(Missing { name, reason });
        match self.wanted.skip_unavailable {
            true => Ok(false),
            false => Err(BackupError::Unavailable(std::mem::take(&mut self.missing))),
        }
    }
}

/// Writes a blob as it is, and verifies it.
fn copy_blob(blobs: &dyn Blobs, digest: &BlobDigest, to: &mut impl Write) -> io::Result<()> {
    let blob = blobs.open(digest, 0).map_err(io::Error::other)?;
    let blob = blob.ok_or_else(|| io::Error::other("it was removed meanwhile"))?;
    let mut content = Verified::new(blob.content);
    io::copy(&mut content, to)?;
    content.check(digest).map_err(io::Error::other)
}

fn compressed(
    to: &mut dyn Write,
    fill: impl FnOnce(&mut GzEncoder<&mut dyn Write>) -> io::Result<()>,
) -> io::Result<()> {
    let mut gzip = GzEncoder::new(to, Compression::fast());
    fill(&mut gzip)?;
    gzip.finish().map(drop)
}

/// A reader that reports progress.
struct Watched<'a> {
    file: &'a mut File,
    watch: &'a mut Watch,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.watch.read(read as u64);
        Ok(read)
    }
}

/// A writer that reports progress.
struct Counted<'a, W> {
    to: W,
    watch: &'a mut Watch,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.watch.read(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
