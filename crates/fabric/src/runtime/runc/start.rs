//! Starting workloads, and finding again what was started.

use std::fs::{self, File, TryLockError};
use std::io;

use model::WorkloadId;
use model::intent::WorkloadIntent;
use os::detached::StartError;
use os::error_chain;
use os::process::ProcessMark;

use super::super::Error;
use super::super::bundle;
use super::super::error::at;
use super::super::files::{self, ExitRecord, Files, ShimOrder, write_record};
use super::super::shim::SHIM;
use super::{EVENTS, Runc, Shim, Workload};

impl Runc {
    pub(super) fn adopt(&mut self) -> Result<(), Error> {
        let entries = fs::read_dir(&self.dir).map_err(at("list", &self.dir))?;
        for entry in entries {
            let name = entry.map_err(at("list", &self.dir))?.file_name();
            let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            let mut workload = Workload::default();
            match find_shim(&self.files(&id)) {
                Ok(shim) => workload.shim = shim,
                Err(error) => workload.failed = Some(error_chain(&error)),
            }
            if workload.shim.is_none() {
                self.note_if_vanished(&id);
            }
            self.workloads.insert(id, workload);
        }
        self.delete_removed();
        Ok(())
    }

    /// Removes containers of a directory that was removed under them: nobody could stop them, and
    /// they are in the way of those that take their names.
    pub(super) fn remove_lost_containers(&self) {
        for entry in fs::read_dir(self.runc_root()).into_iter().flatten().flatten() {
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if !self.dir.join(&name).exists() && name.parse::<WorkloadId>().is_ok() {
                tracing::warn!(container = name, "a container is removed whose files were");
                self.remove_container(&name);
            }
        }
    }

    /// A shim that left no record was killed: ends what it left, and writes the record.
    pub(super) fn note_if_vanished(&self, id: &WorkloadId) {
        let files = self.files(id);
        if !files.shim().exists() || files.exit().exists() {
            return;
        }
        self.remove_container(&id.to_string());
        let _ = files::remove_dir(&files.bundle());
        if let Err(error) = write_record(&files.exit(), &ExitRecord::default()) {
            tracing::warn!(workload = %id, %error, "could not note that a workload vanished");
        }
    }

    pub(super) fn start(&mut self, id: WorkloadId, intent: &WorkloadIntent) {
        let started = self.try_start(id, intent);
        let Some(workload) = self.workloads.get_mut(&id) else { return };
        match started {
            Ok(shim) => {
                (workload.failed, workload.awaits_code) = (None, false);
                workload.shim = shim;
                if workload.shim.is_none() {
                    // So short a life that it is over already.
                    self.note_if_vanished(&id);
                }
            }
            Err(Error::CodeComing) => (workload.failed, workload.awaits_code) = (None, true),
            Err(error) => {
                (workload.failed, workload.awaits_code) = (Some(error_chain(&error)), false);
            }
        }
    }

    fn try_start(
        &mut self,
        id: WorkloadId,
        intent: &WorkloadIntent,
    ) -> Result<Option<Shim>, Error> {
        let files = self.files(&id);
        if is_held(&files)? {
            return find_shim(&files);
        }
        // First of all: were this the last that the daemon does, the next one starts it.
        files::remove_file(&files.exit()).map_err(at("remove", &files.exit()))?;
        let layers = self.machine.layers(id, intent)?;
        if layers.is_some() {
            self.begin_home_anew(&id)?;
        }
        bundle::write(&self.machine, &files, id, intent)?;
        let home = self.machine.home(&files, id, layers.as_ref());
        let order = ShimOrder {
            runtime: self.runtime.clone(),
            runc_root: self.runc_root(),
            container: id.to_string(),
            events: self.dir.join(EVENTS),
            grace: u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX),
            group: bundle::group(&self.machine, id),
            layers,
            bounded: self.machine.bounded(id, intent)?,
            home,
            image: self.machine.image(id, intent)?,
            stdio: intent.stdio,
        };
        write_record(&files.order(), &order).map_err(at("write", &files.order()))?;
        self.start_shim(&files)?;
        find_shim(&files)
    }

    fn start_shim(&self, files: &Files) -> Result<(), Error> {
        let program = &self.machine.self_exe;
        SHIM.start(program, &files.root).map_err(|error| match error {
            StartError::Program { program, source } => {
                Error::Program { program: program.display().to_string(), source }
            }
            reason => Error::Refused(format!("shim: {reason}")),
        })
    }
}

/// The shim that a record names, if it lives.
fn find_shim(files: &Files) -> Result<Option<Shim>, Error> {
    let record = files::read_record::<ProcessMark>(&files.shim());
    let Some(mark) = record.map_err(at("read", &files.shim()))? else { return Ok(None) };
    let process = mark.open().map_err(at("find the process of", &files.shim()))?;
    let started_with = files.started_with();
    Ok(process.map(|process| Shim { process, started_with, stopping: false }))
}

/// Whether a shim holds the workload.
fn is_held(files: &Files) -> Result<bool, Error> {
    let path = files.lock();
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(at("open", &path)(error)),
    };
    match lock.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(at("lock", &path)(error)),
    }
}
