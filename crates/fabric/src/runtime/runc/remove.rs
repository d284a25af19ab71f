//! Removing what workloads leave. It is put aside at once and deleted in its own time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use model::intent::WorkloadIntent;
use model::{AddonId, WorkloadId};
use os::error_chain;

use super::super::Error;
use super::super::error::at;
use super::super::free_name;
use super::super::layers;
use super::{GONE_DIR, Runc, Wanted, private_dir};

impl Runc {
    /// Removes what is left of a workload that does not run.
    pub(super) fn forget(&mut self, id: &WorkloadId) {
        let root = self.files(id).root;
        self.remove_container(&id.to_string());
        let removed = if self.lost.1.contains(id) {
            self.set_aside(id, &root)
        } else {
            let gone = self.dir.join(GONE_DIR);
            let removed = self.put_aside(&root, &gone);
            self.delete_removed();
            removed
        };
        if let Some(workload) = self.workloads.get_mut(id) {
            workload.failed = removed.err().map(|error| error_chain(&error));
        }
    }

    /// Keeps what is left of a workload of which nobody knows whether it is wanted.
    fn set_aside(&self, id: &WorkloadId, root: &Path) -> Result<(), Error> {
        let dir = &self.lost.0;
        private_dir(dir).map_err(at("make", dir))?;
        let to = free_name(dir, &id.to_string());
        match fs::rename(root, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(at("set aside", root)(error))
            }
            Err(_) => Ok(()),
            Ok(()) => {
                tracing::warn!(
                    workload = %id,
                    "set aside under {}: no record names it; `causeway lost` lists such things",
                    to.display()
                );
                Ok(())
            }
        }
    }

    /// Empties a home that begins anew at every start, because a slug is below it.
    pub(super) fn begin_home_anew(&mut self, id: &WorkloadId) -> Result<(), Error> {
        let gone = self.dir.join(GONE_DIR);
        for part in layers::changes(&self.files(id).root) {
            self.put_aside(&part, &gone)?;
        }
        self.delete_removed();
        Ok(())
    }

    /// Removes a disk that no workload has.
    pub(super) fn give_up_disk(&mut self, id: AddonId) -> Result<(), Error> {
        let disk = self.machine.disk(id)?;
        let uses = |intent: &WorkloadIntent| intent.disk.as_ref().is_some_and(|d| d.addon == id);
        let has = |wanted: &Wanted| match wanted {
            Wanted::Intent(intent) => uses(intent),
            Wanted::Unknown | Wanted::Nothing => false,
        };
        let used = self.workloads.values().any(|workload| {
            let shim = workload.shim.as_ref().and_then(|shim| shim.started_with.as_ref());
            has(&workload.wanted) || shim.is_some_and(uses)
        });
        if used {
            return Err(Error::Refused(format!("disk {id} is in use")));
        }
        let Some(gone) = self.gone_disks() else { return Ok(()) };
        if !disk.exists() {
            return Ok(());
        }
        private_dir(&gone).map_err(at("make", &gone))?;
        self.put_aside(&disk, &gone)?;
        self.delete_removed();
        Ok(())
    }

    fn gone_disks(&self) -> Option<PathBuf> {
        self.machine.disks.as_ref().map(|disks| disks.join(GONE_DIR))
    }

    /// Moves something out of the way; what is not there is fine.
    fn put_aside(&mut self, path: &Path, gone: &Path) -> Result<(), Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        loop {
            self.removed += 1;
            match fs::rename(path, gone.join(format!("{name}.{}", self.removed))) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(at("remove", path)(error));
                }
                _ => return Ok(()),
            }
        }
    }

    /// Deletes what was put aside, in a process of its own: a workload may have left a tree of
    /// any size and depth.
    pub(super) fn delete_removed(&mut self) {
        let dirs = [Some(self.dir.join(GONE_DIR)), self.gone_disks()];
        let entries = dirs.into_iter().flatten().filter_map(|dir| fs::read_dir(dir).ok());
        let paths: Vec<_> = entries.flatten().flatten().map(|entry| entry.path()).collect();
        if paths.is_empty() {
            return;
        }
        let child = Command::new("rm")
            .args(["-rf", "--one-file-system", "--"])
            .args(paths)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => self.removals.push(child),
            Err(error) => tracing::warn!(%error, "could not run rm"),
        }
    }
}
