//! Where the value of a setting comes from, and how values are read.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::usage::usage;

/// Reads a variable, from the environment or from a test.
pub(crate) type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A variable of the environment. An empty variable counts as unset, as a shell cannot always unset one.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The value of a setting: that of the flag, or else of the variable, or else of the settings file.
///
/// # Errors
///
/// [`Usage`](crate::usage::Usage): a variable that cannot be read.
pub(super) fn first<T, E: std::fmt::Display>(
    flag: Option<T>,
    variables: Variables<'_>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
    file: Option<T>,
) -> anyhow::Result<Option<T>> {
    match flag {
        Some(flag) => Ok(Some(flag)),
        None => Ok(parsed(variables, name, parse)?.or(file)),
    }
}

/// An absolute path, as the shims and the edge have working directories of their own.
pub(super) fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("'{}' is no path of a file", path.display()))
}

/// An absolute path of a program, or its name alone, which is looked up on `PATH`.
pub(super) fn program(path: PathBuf) -> anyhow::Result<PathBuf> {
    match path.components().count() {
        1 if !path.has_root() => Ok(path),
        _ => absolute(&path),
    }
}

/// Reads yes or no, in the words that people use for them.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("say true or false (or 1, 0, yes, no, on, off)".to_owned()),
    }
}

/// A variable as text.
pub(crate) fn text(variables: Variables<'_>, name: &str) -> anyhow::Result<Option<String>> {
    parsed(variables, name, |text| Ok::<_, String>(text.to_owned()))
}

/// A variable as a list, whose entries commas separate.
pub(super) fn list(variables: Variables<'_>, name: &str) -> anyhow::Result<Vec<String>> {
    let text = text(variables, name)?.unwrap_or_default();
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    Ok(entries.map(str::to_owned).collect())
}

/// A variable, read by a function.
///
/// # Errors
///
/// [`Usage`](crate::usage::Usage): the variable cannot be read.
pub(super) fn parsed<T, E: std::fmt::Display>(
    variables: Variables<'_>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> anyhow::Result<Option<T>> {
    let Some(value) = variables(name) else { return Ok(None) };
    let text = value.to_string_lossy();
    parse(&text).map(Some).map_err(|error| usage(format!("{name}={text}: {error}")))
}
