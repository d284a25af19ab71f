//! Control groups: which there are, and removing ours.

use std::fs;
use std::path::{Path, PathBuf};

const MOUNT: &str = "/sys/fs/cgroup";

/// The controllers that an OCI runtime can use here, with `swap` where memory's limit may hold
/// for swapped memory too. One hierarchy for all where there is one, else one for each.
pub(super) fn controllers() -> Vec<String> {
    let mount = Path::new(MOUNT);
    if let Ok(list) = fs::read_to_string(mount.join("cgroup.controllers")) {
        // The runtime copes with a machine without swap here.
        let swap = ["swap".to_owned()];
        return list.split_ascii_whitespace().map(str::to_owned).chain(swap).collect();
    }
    let mut found: Vec<String> = ["cpu", "memory", "pids"]
        .into_iter()
        .filter(|name| mount.join(name).join("cgroup.procs").exists())
        .map(str::to_owned)
        .collect();
    if mount.join("memory/memory.memsw.limit_in_bytes").exists() {
        found.push("swap".to_owned());
    }
    found
}

/// Whether all controllers are in one hierarchy.
pub(super) fn is_one_hierarchy() -> bool {
    Path::new(MOUNT).join("cgroup.controllers").exists()
}

/// How many processes of a group were killed for memory; none where nobody counts.
pub(super) fn killed_for_memory(group: &Path) -> u64 {
    let mount = Path::new(MOUNT);
    let counts = [
        mount.join(group).join("memory.events"),
        mount.join("memory").join(group).join("memory.oom_control"),
    ];
    let count = |text: String| {
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
    };
    counts.iter().find_map(|path| count(fs::read_to_string(path).ok()?)).unwrap_or(0)
}

/// The instances that have groups.
pub(super) fn instances() -> Vec<String> {
    let entries = hierarchies().into_iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten();
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            entry.file_name().to_str()?.strip_prefix("causeway-").map(str::to_owned)
        })
        .filter(|name| crate::instance::is_name(name))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Removes the groups of one instance of Causeway in every hierarchy.
pub(super) fn remove(instance: &str) -> Vec<String> {
    let ours = format!("causeway-{instance}");
    let mut errors = Vec::new();
    for hierarchy in hierarchies() {
        remove_tree(&hierarchy.join(&ours), &mut errors);
    }
    errors
}

fn hierarchies() -> Vec<PathBuf> {
    let mount = PathBuf::from(MOUNT);
    let below = fs::read_dir(&mount).into_iter().flatten().flatten();
    // A link names a hierarchy that is listed by its other name as well.
    let below =
        below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path());
    std::iter::once(mount.clone()).chain(below).collect()
}

/// A group's files go with it, so only directories are removed, the innermost first.
fn remove_tree(group: &Path, errors: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(group) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path(), errors);
        }
    }
    if let Err(error) = fs::remove_dir(group) {
        errors.push(format!("control group {}: {error}", group.display()));
    }
}
