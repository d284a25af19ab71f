//! What each command does: a request, and its answer in words or in JSON.

mod addons;
mod apps;
mod backup;
mod config;
mod deploy;
mod domains;
mod dynos;
mod identity;
mod operate;
mod people;
mod session;
mod spaces;

use std::process::ExitCode;

use anyhow::bail;
use serde_json::Value;

use crate::arguments::{Cli, Command};
use crate::output::Out;

/// Does what the command line says.
///
/// # Errors
///
/// What failed or was refused, in words.
pub fn run(cli: Cli, out: &mut Out) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve(arguments) => crate::serve::run(*arguments, out)?,
        command @ (Command::Env { .. }
        | Command::Accounts(_)
        | Command::AccountsCreate { .. }
        | Command::Keys(_)
        | Command::KeysCreate { .. }
        | Command::KeysRotate { .. }
        | Command::Users(_)
        | Command::UsersCreate { .. }
        | Command::UsersPassword { .. }
        | Command::TokensCreate { .. }
        | Command::Teams(_)
        | Command::TeamsCreate { .. }
        | Command::TeamsMembersSet { .. }) => identity::run(command, out)?,
        command @ (Command::Spaces(_)
        | Command::SpacesCreate { .. }
        | Command::SpacesInfo(_)
        | Command::SpacesWait { .. }
        | Command::Regions(_)
        | Command::SpacesRename { .. }
        | Command::SpacesDestroy { .. }
        | Command::SpacesLimitsSet { .. }
        | Command::SpacesPeeringInfo(_)
        | Command::SpacesPeerings(_)
        | Command::SpacesPeeringsAccept(_)
        | Command::SpacesPeeringsDestroy { .. }) => spaces::run(command, out)?,
        Command::People(command) => people::run(command, out)?,
        Command::Session(command) => session::run(command, out)?,
        Command::Apps(command) => apps::run(command, out)?,
        Command::Addons(command) => addons::run(command, out)?,
        command => return operate::run(command, out),
    }
    Ok(ExitCode::SUCCESS)
}

/// A value as a person reads it: text without quotes, nothing for null.
fn show(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(show).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Rows of a table, from a list of objects. A field is a path with dots.
fn rows(list: &Value, fields: &[&str]) -> Vec<Vec<String>> {
    let field = |item: &Value, path: &str| {
        let mut at = item;
        for name in path.split('.') {
            at = &at[name];
        }
        show(at)
    };
    list.as_array()
        .into_iter()
        .flatten()
        .map(|item| fields.iter().map(|path| field(item, path)).collect())
        .collect()
}

/// Puts a list into the order of one of its fields; a path with dots, as for [`rows`].
fn sort(list: &mut Value, field: &str) {
    if let Value::Array(items) = list {
        items.sort_by_cached_key(|item| {
            field
                .split('.')
                .fold(item, |at, name| &at[name])
                .as_str()
                .unwrap_or_default()
                .to_owned()
        });
    }
}

/// Makes sure that something destructive is meant: by `--confirm`, or by asking as the `heroku`
/// command does (R18).
fn confirm(warning: &str, name: &str, given: Option<&str>, out: &mut Out) -> anyhow::Result<()> {
    let typed = match given {
        Some(given) => given.to_owned(),
        None => {
            out.line(" ▸    WARNING: Destructive Action");
            out.line(format_args!(" ▸    {warning}"));
            out.line(format_args!(
                " ▸    To proceed, type {name} or re-run this command with --confirm {name}"
            ));
            out.text("\n> ");
            out.flush();
            let mut line = String::new();
            std::io::stdin().read_line(&mut line)?;
            line.trim().to_owned()
        }
    };
    if typed != name {
        bail!("Confirmation {typed} did not match {name}. Aborted; nothing was changed.");
    }
    Ok(())
}

/// A word as a shell takes it for one.
fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_by_a_field() {
        let mut list = serde_json::json!([{ "a": { "b": "y" } }, {}, { "a": { "b": "x" } }]);
        sort(&mut list, "a.b");
        assert_eq!(list, serde_json::json!([{}, { "a": { "b": "x" } }, { "a": { "b": "y" } }]));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quote("http://127.0.0.1:4880"), "http://127.0.0.1:4880");
        assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quote(""), "''");
    }
}
