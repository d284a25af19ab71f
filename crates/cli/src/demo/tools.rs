//! The real `heroku` and `aws` commands where there are any, ours where there are not.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use super::child::{self, Finished};
use super::own::Own;
use super::server::Server;
use super::stop::Stop;
use crate::client::{DATA_HOSTS, Ec2, host_of};

/// How long a real command may take; they start slowly on a small machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Variables that would point the real commands elsewhere, or at somebody else's settings.
const MISLEADING: [&str; 16] = [
    "ALL_PROXY",
    "AWS_CA_BUNDLE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SESSION_TOKEN",
    "HEROKU_HEADERS",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "http_proxy",
    "https_proxy",
];

/// The commands that the demo runs and shows.
pub(crate) struct Tools {
    heroku: Option<PathBuf>,
    aws: Option<PathBuf>,
    variables: Vec<(String, String)>,
    home: PathBuf,
    /// The small client of the EC2 API, which is used while waiting, and in place of a missing `aws`.
    pub(crate) ec2: Ec2,
    /// What is printed about the commands, a line for each.
    pub(crate) notes: Vec<String>,
}

/// The variables of the environment, as they must be for the server.
fn given(server: &Server) -> anyhow::Result<Value> {
    let mut map = Map::new();
    for name in
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "HEROKU_API_KEY"]
    {
        let value = crate::settings::variable(name).with_context(|| {
            format!("{name} is not set: run `eval \"$(causeway env)\"` first, or give --data DIR")
        })?;
        map.insert(name.to_owned(), value.to_string_lossy().into());
    }
    for name in ["AWS_ENDPOINT_URL", "HEROKU_HOST", "HEROKU_PARTICLEBOARD_URL"] {
        map.insert(name.to_owned(), server.url.clone().into());
    }
    for name in DATA_HOSTS {
        map.insert(name.to_owned(), host_of(&server.url).into());
    }
    map.insert("DISABLE_TELEMETRY".to_owned(), "true".into());
    map.insert("NO_PROXY".to_owned(), "localhost,127.0.0.1".into());
    Ok(map.into())
}

impl Tools {
    /// Looks for the real commands, and points them at the server.
    ///
    /// # Errors
    ///
    /// A named command that is not there; a server that does not say its variables.
    pub(crate) fn find(server: &Server, stop: &Stop) -> anyhow::Result<Self> {
        let env = if server.by_variables() {
            given(server)?
        } else {
            server.ask(&["env", "--json"], stop)?
        };
        let map = env.as_object().context("causeway env --json gives no variables")?;
        let home = server.home();
        let mut tools = Self {
            heroku: named("heroku", "CAUSEWAY_HEROKU")?,
            aws: named("aws", "CAUSEWAY_AWS")?,
            variables: variables(map),
            home,
            ec2: Ec2::of_variables(map)?,
            notes: Vec::new(),
        };
        let (heroku, aws) = std::thread::scope(|scope| {
            let heroku = scope.spawn(|| tools.version(tools.heroku.as_deref(), stop));
            let aws = tools.version(tools.aws.as_deref(), stop);
            (heroku.join().unwrap_or(None), aws)
        });
        stop.check()?;
        // Any other address but this machine's own makes the heroku command call Heroku itself,
        // and with our token (heroku.md §2.1).
        let near = server.url.starts_with("http://127.0.0.1:");
        let heroku = heroku.filter(|_| near);
        tools.note("heroku", heroku.as_deref(), "causeway's own commands stand in for it");
        tools.note("aws", aws.as_deref(), "a small client of the demo's own stands in for it");
        tools.heroku = tools.heroku.take().filter(|_| heroku.is_some());
        tools.aws = tools.aws.take().filter(|_| aws.is_some());
        Ok(tools)
    }

    fn note(&mut self, name: &str, version: Option<&str>, otherwise: &str) {
        self.notes.push(match version {
            Some(version) => format!("{name:<7} the real one: {version}"),
            None => format!("{name:<7} not there, so {otherwise}"),
        });
    }

    /// Whether the command line of Heroku is the real one.
    pub(crate) fn real_heroku(&self) -> bool {
        self.heroku.is_some()
    }

    /// Runs `heroku` with these words.
    pub(crate) fn heroku(&self, words: &[&str], stop: &Stop) -> anyhow::Result<Finished> {
        let program = self.heroku.as_deref().context("there is no heroku command")?;
        self.run(program, words, stop)
    }

    /// Runs `aws` with these words, or does what it would do.
    pub(crate) fn aws(&self, words: &[&str], stop: &Stop) -> anyhow::Result<Finished> {
        if let Some(program) = &self.aws {
            return self.run(program, words, stop);
        }
        stop.check()?;
        Ok(match self.ec2.call(words) {
            Ok(answer) => {
                let stdout = match &answer {
                    Value::String(text) => text.clone(),
                    Value::Object(fields) if fields.is_empty() => String::new(),
                    other => format!("{other:#}"),
                };
                Finished { ok: true, stdout, stderr: String::new() }
            }
            Err(error) => {
                Finished { ok: false, stdout: String::new(), stderr: format!("{error:#}") }
            }
        })
    }

    fn run(&self, program: &Path, words: &[&str], stop: &Stop) -> anyhow::Result<Finished> {
        let mut command = Command::new(program);
        for name in MISLEADING {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.env("HOME", &self.home).current_dir(&self.home).args(words);
        child::run(command, PATIENCE, stop)
    }

    fn version(&self, program: Option<&Path>, stop: &Stop) -> Option<String> {
        let done = self.run(program?, &["--version"], stop).ok().filter(|done| done.ok)?;
        // Older ones of Python say it on the other side.
        let text = if done.stdout.trim().is_empty() { done.stderr } else { done.stdout };
        text.lines().next().map(|line| line.trim().to_owned())
    }
}

/// The variables that the real commands get.
fn variables(env: &Map<String, Value>) -> Vec<(String, String)> {
    let given =
        env.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let quiet = [
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_PAGER", ""),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        // A process that it would leave behind, busy with its home.
        ("HEROKU_DISABLE_AUTOUPDATE", "true"),
        ("HEROKU_SKIP_NEW_VERSION_CHECK", "true"),
        ("NO_COLOR", "1"),
        ("TERM", "dumb"),
        ("no_proxy", "localhost,127.0.0.1"),
    ];
    let quiet = quiet.map(|(name, value)| (name.to_owned(), value.to_owned()));
    given.chain(quiet).collect()
}

/// A program that a variable names, or that is on the path.
fn named(name: &str, variable: &str) -> anyhow::Result<Option<PathBuf>> {
    match std::env::var_os(variable).filter(|value| !value.is_empty()) {
        Some(value) => {
            let path = PathBuf::from(value);
            if !runs(&path) {
                bail!("{variable} is {}, which is not a program", path.display());
            }
            Ok(Some(std::path::absolute(&path).unwrap_or(path)))
        }
        None => Ok(on_path(name, &std::env::var_os("PATH").unwrap_or_default())),
    }
}

fn on_path(name: &str, path: &OsStr) -> Option<PathBuf> {
    let directories = std::env::split_paths(path).filter(|directory| directory.is_absolute());
    directories.map(|directory| directory.join(OsString::from(name))).find(|at| runs(at))
}

fn runs(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The words of our own command that stands in for one of `heroku`'s.
pub(crate) fn own_words<'w>(words: &[&'w str]) -> Vec<&'w str> {
    match words {
        ["run:detached", rest @ ..] => [&["run"], rest].concat(),
        ["spaces:wait", space, ..] => vec!["spaces:info", space],
        words => words.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_on_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("heroku");
        std::fs::write(&at, "#!/bin/sh\n").unwrap();
        let path = std::env::join_paths([Path::new("/nowhere"), directory.path()]).unwrap();
        assert_eq!(on_path("heroku", &path), None);
        std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(on_path("heroku", &path), Some(at));
        assert_eq!(on_path("aws", &path), None);
    }

    #[test]
    fn our_own_commands_stand_in() {
        let run = own_words(&["run:detached", "--app", "shop", "--", "sleep", "9"]);
        assert_eq!(run, ["run", "--app", "shop", "--", "sleep", "9"]);
        assert_eq!(own_words(&["spaces:wait", "x", "--interval", "1"]), ["spaces:info", "x"]);
        assert_eq!(own_words(&["spaces:peerings", "x"]), ["spaces:peerings", "x"]);
    }
}
