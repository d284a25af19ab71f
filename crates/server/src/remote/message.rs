//! What a server and an agent say to each other on streams.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fabric::runtime::{Inside, LogLine, LogPart, LogPosition};
use model::{AddonId, AppId, Timestamp, WorkloadId};
use serde::{Deserialize, Serialize};

/// A stream for questions ([`Asks`]), each of which is answered by one [`Answer`].
pub(super) const LOGS: &str = "logs";
/// The standard input and output of a process ([`Attach`]): first [`Greeting`], then its output in frames;
/// what the server sends is its input.
pub(super) const ATTACH: &str = "attach";
/// A command inside a process ([`Run`]), whose output comes in frames.
pub(super) const RUN: &str = "run";

/// Opened by the host, which says which disks it has and hears which are of no use any more.
pub(super) const GONE: &str = "gone";

/// Bytes of questions, and of an answer: a log has two files of a MiB, which Base64 makes larger by a third.
pub(super) const MOST_ASKED: usize = 4 << 20;
pub(super) const MOST_ANSWERED: usize = 16 << 20;

/// What is to be attached to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attach {
    /// In which process.
    pub workload: WorkloadId,
    /// A command beside it; `None` for the process itself.
    #[serde(default)]
    pub inside: Option<InsideIt>,
}

/// A command beside a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InsideIt {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables over those of the process.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The width of the terminal.
    #[serde(default)]
    pub columns: u16,
    /// The height of the terminal.
    #[serde(default)]
    pub rows: u16,
}

impl From<&Inside> for InsideIt {
    fn from(inside: &Inside) -> Self {
        let Inside { argv, environment, columns, rows } = inside.clone();
        Self { argv, environment, columns, rows }
    }
}

impl From<InsideIt> for Inside {
    fn from(inside: InsideIt) -> Self {
        let InsideIt { argv, environment, columns, rows } = inside;
        Self { argv, environment, columns, rows }
    }
}

/// What a client is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Greeting {
    /// Whether it is a terminal, and not a pair of pipes.
    pub terminal: bool,
}

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    /// In which process.
    pub workload: WorkloadId,
    /// The program and its arguments.
    pub command: Vec<String>,
}

/// Questions.
pub(super) type Asks = Vec<Ask>;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// The last bytes of a process's output: [`Answer::Bytes`].
    Tail {
        /// Whose.
        workload: WorkloadId,
        /// How many.
        bytes: usize,
    },
    /// The lines of a process's output after a place: [`Answer::Lines`].
    Lines {
        /// Whose.
        workload: WorkloadId,
        /// The place.
        from: Option<Place>,
        /// With a last line that has not ended.
        whole: bool,
        /// The last lines alone.
        most: Option<usize>,
    },
    /// The request log of an app: [`Answer::Router`].
    Router {
        /// Whose.
        app: AppId,
        /// The last lines alone.
        most: usize,
        /// What comes after this line.
        after: Option<String>,
    },
    /// Whether commands can be run in a process: [`Answer::Runs`].
    Runs {
        /// Which.
        workload: WorkloadId,
    },
    /// The disk of a data service that was destroyed is needed no more: [`Answer::Done`].
    RemoveDisk {
        /// Whose.
        service: AddonId,
    },
    /// The request log of an app is needed no more: [`Answer::Done`].
    ForgetRouter {
        /// Whose.
        app: AppId,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// Bytes.
    Bytes(Bytes),
    /// Lines, and where the next ones begin.
    Lines {
        /// The lines.
        lines: Vec<Line>,
        /// Where the next ones begin.
        next: Option<Place>,
    },
    /// Lines of routers.
    Router(Vec<String>),
    /// Whether it runs.
    Runs(bool),
    /// It was done.
    Done,
    /// There is no such process.
    Missing,
    /// It cannot be read, and why.
    Failed(String),
}

/// Bytes, which are Base64 in JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line(Timestamp, Bytes);

/// A place in a log, which means something to the host alone that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place(u64, u64);

impl From<LogPosition> for Place {
    fn from(position: LogPosition) -> Self {
        Self(position.generation, position.offset)
    }
}

impl From<Place> for LogPosition {
    fn from(Place(generation, offset): Place) -> Self {
        Self { generation, offset }
    }
}

impl Answer {
    /// The last lines of a part of a log.
    pub(super) fn of_part(mut part: LogPart, most: Option<usize>) -> Self {
        let surplus = most.map_or(0, |most| part.lines.len().saturating_sub(most));
        part.lines.drain(..surplus);
        let lines = part.lines.into_iter().map(|line| Line(line.at, Bytes(line.text))).collect();
        Self::Lines { lines, next: part.next.map(Place::from) }
    }

    /// The part of a log that this is.
    pub(super) fn into_part(self) -> std::io::Result<LogPart> {
        match self {
            Self::Lines { lines, next } => Ok(LogPart {
                lines: lines
                    .into_iter()
                    .map(|Line(at, text)| LogLine { at, text: text.0 })
                    .collect(),
                next: next.map(LogPosition::from),
            }),
            other => Err(other.into_error()),
        }
    }

    /// Why this is not what was asked for.
    pub(super) fn into_error(self) -> std::io::Error {
        match self {
            Self::Missing => std::io::ErrorKind::NotFound.into(),
            Self::Failed(why) => std::io::Error::other(why),
            _ => std::io::Error::other("the host gave the answer to another question"),
        }
    }
}
