//! Errors with an exit status of their own: wrong usage, and a missing verdict.

use std::fmt;

/// The error that a command was called in a way that cannot be right.
#[derive(Debug)]
pub(crate) struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Makes an error about wrong usage.
pub(crate) fn usage(text: impl Into<String>) -> anyhow::Error {
    Usage(text.into()).into()
}

/// The error that `why` gives no verdict, so that its exit status is neither that for yes nor for no.
#[derive(Debug)]
pub(crate) struct NoVerdict;

impl fmt::Display for NoVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no verdict")
    }
}

impl std::error::Error for NoVerdict {}

/// Whether an error is about how the command was called.
pub(crate) fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<Usage>())
}

/// Whether an error is about a missing verdict.
pub(crate) fn is_no_verdict(error: &anyhow::Error) -> bool {
    error.is::<NoVerdict>()
}
