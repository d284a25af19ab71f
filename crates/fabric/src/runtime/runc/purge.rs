//! Removing everything of one instance of Causeway.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::super::{Error, cgroup};
use super::{EVENTS, GONE_DIR, Runc};

/// A killed workload is gone in a moment; a shim that takes longer is killed as well.
const PATIENCE: Duration = Duration::from_secs(10);

impl Runc {
    pub(super) fn purge_all(&mut self) -> Result<usize, Error> {
        let count = self.workloads.len();
        self.kill_all();
        let mut errors = Vec::new();
        for name in names_in(&self.runc_root()) {
            self.remove_container(&name);
        }
        for child in &mut self.removals {
            let _ = child.wait();
        }
        self.removals.clear();
        let ids: Vec<String> = self.workloads.keys().map(ToString::to_string).collect();
        for name in ids.iter().map(String::as_str).chain([GONE_DIR, EVENTS]) {
            remove_all(&self.dir.join(name), &mut errors);
        }
        self.workloads.clear();
        errors.extend(cgroup::remove(&self.machine.instance));
        remove_all(&self.runc_root(), &mut errors);
        for empty in [Some(self.dir.as_path()), Some(&self.run_dir), self.run_dir.parent()] {
            // Not empty: somebody else's things are in it.
            let _ = empty.map(fs::remove_dir);
        }
        if errors.is_empty() { Ok(count) } else { Err(Error::Several(errors)) }
    }

    fn kill_all(&mut self) {
        let ids: Vec<_> = self.workloads.keys().copied().collect();
        for id in &ids {
            self.stop(id, Duration::ZERO);
        }
        let deadline = Instant::now() + PATIENCE;
        while self.workloads.values().any(|workload| workload.shim.is_some()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            for id in self.poll(left) {
                self.release(&id);
            }
            self.drain();
        }
        for shim in self.workloads.values_mut().filter_map(|workload| workload.shim.take()) {
            // One that has ended meanwhile needs no signal.
            let _ = shim.process.kill();
        }
    }
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// A tree of any size and depth, which a workload may have left.
fn remove_all(path: &Path, errors: &mut Vec<String>) {
    let status = Command::new("rm")
        .args(["-rf", "--one-file-system", "--"])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => errors.push(format!("remove {}: {status}", path.display())),
        Err(error) => errors.push(format!("remove {}: {error}", path.display())),
    }
}
