//! What is left of an instance whose data directory cannot be asked any more.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Error;
use super::cgroup;

/// The instances that have control groups on this machine.
pub fn instances_with_control_groups() -> Vec<String> {
    cgroup::instances()
}

/// The containers of an instance that are known to the OCI runtime.
pub fn containers(instance: &str) -> Vec<String> {
    let root = crate::instance::run_dir(instance).join("runc");
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Ends all containers of an instance, and removes what the OCI runtime and the kernel keep of them.
/// Whoever might start more must have ended.
///
/// # Errors
///
/// What could not be removed.
pub fn end_containers(instance: &str, runtime: &Path) -> Result<(), Error> {
    let root = crate::instance::run_dir(instance).join("runc");
    let mut errors = Vec::new();
    for name in containers(instance) {
        let ended = Command::new(runtime)
            .arg("--root")
            .arg(&root)
            .args(["delete", "--force", &name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match ended {
            Ok(status) if status.success() => {}
            Ok(status) => errors.push(format!("container {name}: {status}")),
            Err(error) => errors.push(format!("container {name}: {error}")),
        }
    }
    errors.extend(cgroup::remove(instance));
    if errors.is_empty() {
        // It holds the empty records of containers, and nothing else.
        let _ = fs::remove_dir_all(&root);
        return Ok(());
    }
    Err(Error::Several(errors))
}
