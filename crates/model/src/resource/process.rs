//! How the process of a dyno, an instance or a data service talks, and how it ends.

use serde::{Deserialize, Serialize};

/// Where a process's standard input and output lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stdio {
    /// There is nothing to read, and what it writes goes to its log.
    #[default]
    Log,
    /// Through pipes to the client that started it.
    Pipes,
    /// Through a terminal to the client that started it.
    Terminal {
        /// The width of the terminal in characters; 0 where it is not known.
        columns: u16,
        /// The height of the terminal in lines; 0 where it is not known.
        rows: u16,
    },
}

impl Stdio {
    /// Whether nobody is attached to the process.
    pub fn is_log(&self) -> bool {
        *self == Self::Log
    }
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// The process ended by itself, with this status.
    Code(i32),
    /// A signal of this number ended the process.
    Signal(i32),
    /// The kernel ended the process, as it took more memory than it may.
    OutOfMemory,
    /// It could not run, or nobody saw how it ended: why, for people.
    Failed(String),
}

impl Exit {
    /// Whether it did what it was asked to.
    pub const fn success(&self) -> bool {
        matches!(self, Self::Code(0))
    }

    /// The status as a shell would have it.
    pub const fn status(&self) -> i32 {
        match self {
            Self::Code(code) => *code,
            Self::Signal(signal) => 128 + *signal,
            Self::OutOfMemory => 137,
            Self::Failed(_) => 126,
        }
    }
}
