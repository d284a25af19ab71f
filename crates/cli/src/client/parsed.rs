//! Answers that are read.

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An answer of the Platform API: what a command goes by, and all of it as it came, which is what
/// `--json` prints.
pub(crate) struct Parsed<T> {
    /// What it says.
    pub(crate) value: T,
    /// All of it.
    pub(crate) json: Value,
}

impl<T: DeserializeOwned> Parsed<T> {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// It is not what the server answers there.
    pub(crate) fn of(json: Value) -> anyhow::Result<Self> {
        let value = T::deserialize(&json).context("the server's answer cannot be understood")?;
        Ok(Self { value, json })
    }
}
