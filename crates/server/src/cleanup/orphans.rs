//! Finds what is left on this machine of installations whose data directories are gone, and removes
//! it on request. The kernel, the OCI runtime and `/run` say what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ::edge::EDGE;
use fabric::instance::{self, Held};
use fabric::linux::Linux;
use fabric::runtime::{SHIM, containers, end_containers, instances_with_control_groups};
use os::detached::Found;
use serde::Serialize;
use store::DataDir;

/// How often the search is repeated for processes that were being started meanwhile.
const ROUNDS: usize = 5;

/// What one installation has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remains {
    /// The name of the installation. `None` if only processes are left, which do not tell it.
    pub instance: Option<String>,
    /// The path of its data directory, if anything tells it.
    pub data: Option<PathBuf>,
    /// Its network namespaces.
    pub namespaces: Vec<String>,
    /// The ids of its containers.
    pub containers: Vec<String>,
    /// Whether control groups of it exist.
    pub control_groups: bool,
    /// The process ids of its edges and of the shims beside its containers.
    pub processes: Vec<u32>,
}

/// Finds what belongs to data directories that are gone, or to none that is known. Nothing that a
/// running server uses or that an existing data directory owns is included.
///
/// # Errors
///
/// A message about what could not be read.
pub fn find() -> Result<Vec<Remains>, String> {
    let program = program()?;
    let mut namespaces = Linux::namespaces().map_err(|error| os::error_chain(&error))?;
    let seen = instance::all();
    let held: BTreeSet<&str> =
        seen.iter().filter(|seen| seen.held).map(|seen| seen.name.as_str()).collect();
    let at: BTreeMap<&str, &PathBuf> =
        seen.iter().filter_map(|seen| Some((seen.name.as_str(), seen.data.as_ref()?))).collect();
    let groups: BTreeSet<String> = instances_with_control_groups().into_iter().collect();
    let names: BTreeSet<String> = seen
        .iter()
        .map(|seen| seen.name.clone())
        .chain(namespaces.keys().cloned())
        .chain(groups.iter().cloned())
        .collect();
    let in_use = |data: &Path| held.iter().any(|name| at.get(name).is_some_and(|at| *at == data));
    let is_gone = |data: &Path| !DataDir::is_installation(data) && !in_use(data);
    let mut processes = by_data(&program, is_gone);
    let mut found = Vec::new();
    for name in names.iter().filter(|name| !held.contains(name.as_str())) {
        let data = at.get(name.as_str()).map(|data| (*data).clone());
        if data.as_deref().is_some_and(|data| !is_gone(data)) {
            continue;
        }
        let processes = data.as_ref().and_then(|data| processes.remove(data)).unwrap_or_default();
        found.push(Remains {
            instance: Some(name.clone()),
            data,
            namespaces: namespaces.remove(name).unwrap_or_default(),
            containers: containers(name),
            control_groups: groups.contains(name),
            processes: pids(&processes),
        });
    }
    found.extend(processes.into_iter().map(|(data, processes)| Remains {
        instance: None,
        data: Some(data),
        namespaces: Vec::new(),
        containers: Vec::new(),
        control_groups: false,
        processes: pids(&processes),
    }));
    Ok(found)
}

/// Ends the processes and removes everything else.
///
/// # Errors
///
/// A message that says what is still there and why; also if a server uses it again.
pub fn remove(remains: &Remains, runtime: &Path) -> Result<(), String> {
    let data = remains.data.as_deref();
    match &remains.instance {
        Some(instance) => clear(instance, data, runtime),
        None => end_processes(&program()?, data).map(drop),
    }
}

/// Ends and removes what an instance has on this machine, whether its data directory exists or not.
pub(crate) fn clear(instance: &str, data: Option<&Path>, runtime: &Path) -> Result<(), String> {
    let program = program()?;
    let held = Held::take_to_end(instance, data.unwrap_or(Path::new("")))
        .map_err(|error| error.to_string())?;
    for _ in 0..ROUNDS {
        // The processes that start containers are ended first.
        let ended = end_processes(&program, data)?;
        let left = containers(instance).len();
        end_containers(instance, runtime).map_err(|error| os::error_chain(&error))?;
        if ended + left == 0 {
            break;
        }
    }
    Linux::purge_instance(instance).map_err(|error| os::error_chain(&error))?;
    held.remove();
    Ok(())
}

/// Ends the edges and shims of a data directory. Returns how many there were.
fn end_processes(program: &Path, data: Option<&Path>) -> Result<usize, String> {
    let Some(data) = data else { return Ok(0) };
    let found = by_data(program, |of| of == data).remove(data).unwrap_or_default();
    for process in &found {
        process.end().map_err(|error| format!("process {}: {error}", process.pid))?;
    }
    Ok(found.len())
}

/// The edges and shims of the data directories that are meant.
fn by_data(program: &Path, is_meant: impl Fn(&Path) -> bool) -> BTreeMap<PathBuf, Vec<Found>> {
    let of = |dir: &Path, depth: usize| dir.ancestors().nth(depth).map(Path::to_owned);
    let meant = |dir: &Path, depth| of(dir, depth).is_some_and(|data| is_meant(&data));
    let edges = EDGE.find(program, |dir| meant(dir, 1)).into_iter().map(|found| (1, found));
    let shims = SHIM.find(program, |dir| meant(dir, 2));
    let mut by_data: BTreeMap<PathBuf, Vec<Found>> = BTreeMap::new();
    for (depth, found) in edges.chain(shims.into_iter().map(|found| (2, found))) {
        if let Some(data) = of(&found.dir, depth) {
            by_data.entry(data).or_default().push(found);
        }
    }
    by_data
}

fn pids(processes: &[Found]) -> Vec<u32> {
    processes.iter().map(|process| process.pid).collect()
}

/// The path of this program, which the processes that are looked for run too.
fn program() -> Result<PathBuf, String> {
    std::env::current_exe()
        .map_err(|error| format!("this program's own file is not known: {error}"))
}
