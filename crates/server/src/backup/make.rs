//! Makes a backup.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use fabric::slug;
use flate2::Compression;
use flate2::write::GzEncoder;
use model::{Addon, Change, Key, Slug, WorkloadId, World};
use serde_json::{Value, json};
use store::Snapshot;

use super::archive::{BeginError, Code, Manifest, Part, PartError, Service, Writer};
use super::service::{self, Failed};
use super::{Missing, Place, Watch, chain};
use crate::document;
use crate::state::State;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The file to write; it must not exist yet.
    pub path: PathBuf,
    /// Whether to leave out what cannot be had now, instead of giving up.
    pub skip_unavailable: bool,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Another one is under way.
    #[error("another backup is being written: wait for its end")]
    Busy,
    /// The client went away, or the server stops.
    #[error("nobody waited for it any more")]
    Cancelled,
    /// Something that the ledger names cannot be had.
    #[error("{}", unavailable(.0))]
    Unavailable(Vec<Missing>),
    /// The ledger, or the file itself.
    #[error(transparent)]
    Store(store::Error),
    /// A file.
    #[error("{step} {}", .path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Says what to do about each of them.
fn unavailable(missing: &[Missing]) -> String {
    let each = missing.iter().map(|Missing { name, reason }| format!("{name}: {reason}"));
    let each: Vec<String> = each.collect();
    format!(
        "not all of it can be had now. {}. Mend that and try again, or leave it out with \
         --skip-unavailable",
        each.join(". ")
    )
}

/// Writes a backup while everything runs, and says what is in it. Until it is whole and durable,
/// nothing has its name.
///
/// # Errors
///
/// [`BackupError`]; then no file is left.
pub fn make(state: &State, wanted: &Wanted, watch: &mut Watch) -> Result<Value, BackupError> {
    let place = &*state.hosting.backups;
    let _one = place.enter().ok_or(BackupError::Busy)?;
    let _code = place.keep_code();
    let mut writer = Writer::begin(&wanted.path).map_err(|error| begun(error, &wanted.path))?;
    let created = state.clock.now();
    let scratch = Scratch::make(place)?;
    watch.begin("the ledger".to_owned());
    let database = scratch.0.join("causeway.db");
    state
        .store
        .lock()
        .expect("no holder panics")
        .backup(&database, &mut |_| {})
        .map_err(BackupError::Store)?;
    let (world, revision) = world_of(&database)?;
    let content = Content::of(state, place, &world);
    if !wanted.skip_unavailable && !content.missing.is_empty() {
        return Err(BackupError::Unavailable(content.missing));
    }
    watch.progress.parts = 1 + content.slugs.len() + content.services.len();
    let mut job = Job { state, wanted, writer: &mut writer, watch, missing: content.missing };
    job.database(&database)?;
    drop(scratch);
    let slugs = job.slugs(&world, &content.slugs)?;
    let services = job.services(&world, content.services)?;
    let missing = job.missing;
    let settings = world.settings();
    let mut manifest = Manifest {
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
        created,
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

/// What is in a backup, for who asked for it.
fn report(path: &Path, bytes: u64, manifest: &Manifest) -> Value {
    let size = |part| manifest.bytes(part);
    let slugs = manifest
        .slugs
        .iter()
        .map(|code| json!({ "id": code.id, "app": code.app, "bytes": size(Part::Slug(code.id)) }));
    let services = manifest.services.iter().map(|service| {
        json!({
            "id": service.id, "name": service.name, "plan": service.plan, "app": service.app,
            "bytes": size(Part::Service(service.id)),
        })
    });
    json!({
        "path": path, "bytes": bytes, "created": manifest.created, "instance": manifest.instance,
        "revision": manifest.revision, "database_bytes": size(Part::Database),
        "slugs": slugs.collect::<Vec<_>>(), "services": services.collect::<Vec<_>>(),
        "missing": manifest.missing,
    })
}

/// What a snapshot of the ledger holds, and its revision.
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

/// A directory that goes with this.
struct Scratch(PathBuf);

impl Scratch {
    fn make(place: &Place) -> Result<Self, BackupError> {
        let path = place.scratch.clone();
        let made = place.clean().and_then(|()| DirBuilder::new().mode(0o700).create(&path));
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
        // What cannot be removed now is removed by the next one.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is to be in a backup beside the ledger.
struct Content<'a> {
    slugs: Vec<&'a Slug>,
    /// Each with the command that writes its data, and the one that reads it; nothing where there
    /// is no data yet.
    services: Vec<(&'a Addon, Option<Commands>)>,
    missing: Vec<Missing>,
}

struct Commands {
    backup: Vec<String>,
    restore: String,
}

impl<'a> Content<'a> {
    /// Looks for all that a world names, so that nothing long is begun in vain.
    fn of(state: &State, place: &Place, world: &'a World) -> Self {
        let mut content = Self { slugs: Vec::new(), services: Vec::new(), missing: Vec::new() };
        for slug in world.slugs().filter(|slug| slug.size.is_some()) {
            if slug::path(&state.hosting.slugs, slug.id).is_dir() {
                content.slugs.push(slug);
            } else {
                let reason = "its files are not here: deploy the app again".to_owned();
                content.missing.push(Missing { name: code_of(world, slug), reason });
            }
        }
        for addon in world.addons() {
            match commands(state, place, addon) {
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

/// How a service is backed up, or why it cannot be now.
fn commands(state: &State, place: &Place, addon: &Addon) -> Result<Option<Commands>, String> {
    // A plan of the same name that is offered now may say more than the add-on's copy of it did.
    let offered = state.hosting.plans.find(&addon.plan.name()).ok();
    let both = [Some(&addon.plan), offered].into_iter().flatten();
    let found = both.filter_map(|plan| plan.backup.as_ref().zip(plan.restore.as_ref())).next();
    let backup = found.and_then(|(backup, _)| {
        let shell = ["/bin/sh", "-c", backup].map(str::to_owned);
        state.console.exec(WorkloadId::Service(addon.id), &shell, false)
    });
    if let (Some(backup), Some((_, restore))) = (backup, found) {
        return Ok(Some(Commands { backup, restore: restore.clone() }));
    }
    // One that has not begun to keep anything loses nothing.
    let disk = place.disks.join(addon.id.to_string());
    if fs::read_dir(&disk).map_or(true, |mut entries| entries.next().is_none()) {
        return Ok(None);
    }
    Err(match found {
        Some(_) => format!("it does not run; `causeway logs {}` may say why", addon.name),
        None => format!(
            "its plan {} does not say how it is backed up: give it `backup` and `restore` in the \
             file of `causeway serve --plans FILE`",
            addon.plan.name()
        ),
    })
}

/// A backup under way.
struct Job<'a> {
    state: &'a State,
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

    fn slugs(&mut self, world: &World, slugs: &[&Slug]) -> Result<Vec<Code>, BackupError> {
        let mut done = Vec::new();
        for slug in slugs {
            let name = code_of(world, slug);
            self.begin(&name)?;
            let (from, watch) = (&self.state.hosting.slugs, &mut *self.watch);
            let added = self.writer.part(Part::Slug(slug.id), |to| {
                compressed(to, |to| {
                    slug::pack(from, slug.id, Counted { to, watch }).map_err(io::Error::other)
                })
            });
            let added = added.map_err(|error| match error {
                PartError::Source(error) => PartError::Source(chain(&error)),
                PartError::Target(error) => PartError::Target(error),
            });
            if self.settle(name, added)? {
                done.push(Code { id: slug.id, app: app_of(world, slug.app) });
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
        let watch = &mut *self.watch;
        let added = self.writer.part(Part::Service(addon.id), |to| {
            let mut gzip = GzEncoder::new(to, Compression::fast());
            service::run(argv, &mut gzip, watch)?;
            gzip.finish().map(drop).map_err(|error| Failed::Command(chain(&error)))
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

    /// Whether a part is in the backup; an error unless it may be left out.
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

fn compressed(
    to: &mut dyn Write,
    fill: impl FnOnce(&mut GzEncoder<&mut dyn Write>) -> io::Result<()>,
) -> io::Result<()> {
    let mut gzip = GzEncoder::new(to, Compression::fast());
    fill(&mut gzip)?;
    gzip.finish().map(drop)
}

/// Counts what is read.
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

/// Counts what is written.
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
