//! What is left of installations whose data directories are gone.

use std::path::Path;
use std::process::ExitCode;

use anyhow::anyhow;
use serde::Serialize;
use server::cleanup::orphans::{self, Remains};

use crate::arguments::Common;
use crate::output::Out;

/// What became of the remains of an installation, as `fabric:orphans --json` prints it.
#[derive(Serialize)]
struct Outcome<'a> {
    orphan: &'a Remains,
    removed: bool,
    /// Why they were not removed, if they were to be.
    problem: Option<&'a str>,
}

/// `fabric:orphans`: lists what is left of installations, and removes it where that is asked for.
///
/// # Errors
///
/// A machine that cannot be searched.
pub(super) fn run(
    purge: bool,
    instance: Option<&str>,
    runtime: &Path,
    common: &Common,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let mut found = orphans::find()
        .map_err(|why| anyhow!("this machine cannot be searched; are you root? {why}"))?;
    if let Some(instance) = instance {
        found.retain(|remains| remains.instance.as_deref() == Some(instance));
    } else if purge {
        // Nothing says that its data directory is gone: it may be on a disk that is not mounted.
        found.retain(|remains| remains.data.is_some());
    }
    let outcomes: Vec<Option<String>> = found
        .iter()
        .map(|remains| purge.then(|| orphans::remove(remains, runtime).err()).flatten())
        .collect();
    if common.json {
        let list = found.iter().zip(&outcomes).map(|(orphan, problem)| {
            let removed = purge && problem.is_none();
            Outcome { orphan, removed, problem: problem.as_deref() }
        });
        out.json(&list.collect::<Vec<_>>());
    } else {
        if found.is_empty() {
            out.line("Nothing is left of installations whose data directories are gone.");
        }
        for (remains, problem) in found.iter().zip(&outcomes) {
            print(remains, out);
            match problem {
                Some(problem) => out.line(format_args!("    NOT removed: {problem}")),
                None if purge => out.line("    removed"),
                None => {}
            }
        }
        if !purge && found.iter().any(|remains| remains.data.is_some()) {
            out.line(
                "`causeway fabric:orphans --purge` ends and removes all of those whose data \
                 directory is known.",
            );
        }
        if !purge && found.iter().any(|remains| remains.data.is_none()) {
            out.line(
                "The data directory of the others is not known. Make sure that they are not in use, \
                 and remove each with `causeway fabric:orphans --purge --instance ID`.",
            );
        }
    }
    let sound = outcomes.iter().all(Option::is_none);
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(remains: &Remains, out: &mut Out) {
    let Remains { instance, data, namespaces, containers, control_groups, processes } = remains;
    let name = instance.as_deref().unwrap_or("of an unknown name");
    match data {
        Some(data) => {
            out.line(format_args!("Instance {name}, whose data directory was {}", data.display()))
        }
        None => out.line(format_args!("Instance {name}, whose data directory is not known")),
    }
    let mut say = |what: &str, names: Vec<String>| {
        if !names.is_empty() {
            out.line(format_args!("    {what}: {}", names.join(", ")));
        }
    };
    say("namespaces", namespaces.clone());
    say("containers", containers.clone());
    say("processes", processes.iter().map(ToString::to_string).collect());
    if *control_groups {
        out.line("    control groups");
    }
}
