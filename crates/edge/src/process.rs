//! The edge as a process of its own: how it is found, started and replaced.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use os::bounded_log::BoundedLog;
use os::detached::{Detached, Ready, StartError};
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::control::client::Control;
use crate::mark;
use crate::run::Edge;

#[cfg(test)]
mod tests;

/// The edge as a process that stays: `program edge DIR`, of the edge's own directory.
pub const EDGE: Detached = Detached {
    subcommand: "edge",
    variable: "CAUSEWAY_EDGE_STAYS",
    // It may have to take over from another edge first.
    patience: Duration::from_secs(60),
};
/// The size of each of the two files of an edge's own log, in bytes.
const LOG_BYTES: u64 = 1 << 20;

/// Why no edge could be started or reached.
#[derive(Debug, thiserror::Error)]
pub enum EnsureError {
    /// The edge's directory cannot be used.
    #[error("the edge's directory {} cannot be used", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The program cannot be started.
    #[error("{} cannot be started as the edge", program.display())]
    Program {
        /// The program's file.
        program: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The edge started and said why it cannot serve.
    #[error("the edge does not start: {0}")]
    Refused(String),
    /// The edge serves, but its control socket does not answer.
    #[error("the edge does not answer on its control socket; its log is edge.log beside it")]
    Silent(#[source] io::Error),
}

/// Makes sure that an edge of this build of a program and with this configuration serves, and
/// becomes its controller. One that is found is left as it is; one of another build or
/// configuration is replaced, which costs no request. `program edge <dir>` must end in
/// [`process_main`].
pub fn ensure(program: &Path, config: &Config) -> Result<Control, EnsureError> {
    let unusable = |source| EnsureError::Directory { dir: config.dir.clone(), source };
    let not_started = |source| EnsureError::Program { program: program.to_owned(), source };
    let build = mark::build(program).map_err(not_started)?;
    if let Ok(control) = Control::connect(&config.dir)
        && control.peer().build == build
        && control.peer().config == config.fingerprint()
    {
        return Ok(control);
    }
    if !config.socket().exists() {
        end_lost(program, &config.dir);
    }
    write_config(config).map_err(unusable)?;
    EDGE.start(program, &config.dir).map_err(|error| match error {
        StartError::Program { source, .. } => not_started(source),
        reason => EnsureError::Refused(reason.to_string()),
    })?;
    Control::connect(&config.dir).map_err(EnsureError::Silent)
}

/// Ends edges whose directory was removed while they ran. Their control socket went with it, so nothing
/// else could end them, and they would go on serving an old intent beside their successors.
fn end_lost(program: &Path, dir: &Path) {
    for edge in EDGE.find(program, |of| of == dir) {
        tracing::warn!(pid = edge.pid, "ending an edge whose directory was removed");
        if let Err(error) = edge.end() {
            tracing::warn!(pid = edge.pid, %error, "cannot end that edge");
        }
    }
}

fn write_config(config: &Config) -> io::Result<()> {
    crate::run::make_dir(&config.dir)?;
    let path = config_file(&config.dir);
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec_pretty(config)?)?;
    fs::rename(new, path)
}

fn config_file(dir: &Path) -> PathBuf {
    dir.join("edge.json")
}

/// The hidden subcommand `edge DIR`: starts an edge that outlives whoever started it, with the
/// configuration that [`ensure`] left in the directory.
pub fn process_main(dir: &Path) -> ExitCode {
    EDGE.run(dir, |ready| stay(dir, ready))
}

fn stay(dir: &Path, ready: Ready) -> io::Result<()> {
    let log = BoundedLog::new(dir.join("edge.log"), LOG_BYTES).open()?;
    let filter = EnvFilter::try_from_env("CAUSEWAY_LOG").unwrap_or_else(|_| "info".into());
    // A subscriber that is installed already is kept.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Mutex::new(log))
        .log_internal_errors(false)
        .try_init();
    // A socket that nobody makes, a log that nobody writes: an edge without one of its parts is none.
    os::panics::end_the_process(|said| tracing::error!("{said}"));
    let config: Config = serde_json::from_slice(&fs::read(config_file(dir))?)?;
    let edge = Edge::start(config)?;
    ready.tell()?;
    tracing::info!(pid = std::process::id(), "the edge serves");
    edge.wait();
    tracing::info!(pid = std::process::id(), "the edge ends");
    Ok(())
}
