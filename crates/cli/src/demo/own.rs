//! Our own commands, pointed at the server of the demo.

use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::child::{self, Finished};
use super::stop::Stop;

/// How long one of our own commands may take.
const LONG: Duration = Duration::from_secs(30);

/// Whose commands they are.
pub(crate) trait Own {
    /// One of our own commands, pointed at this server.
    fn own(&self, words: &[&str]) -> Command;

    /// Runs one of our own commands to its end.
    fn run_own(&self, words: &[&str], stop: &Stop) -> anyhow::Result<Finished> {
        run(self.own(words), stop)
    }

    /// Runs one of our own commands and reads the JSON that it prints.
    ///
    /// # Errors
    ///
    /// Where it prints none: what it says instead.
    fn ask(&self, words: &[&str], stop: &Stop) -> anyhow::Result<Value> {
        let done = self.run_own(words, stop)?;
        serde_json::from_str(&done.stdout).with_context(|| {
            format!("causeway {}: {}{}", words.join(" "), done.stdout, done.stderr.trim())
        })
    }
}

/// Runs a command to its end that takes no longer than our own.
pub(crate) fn run(command: Command, stop: &Stop) -> anyhow::Result<Finished> {
    child::run(command, LONG, stop)
}
