//! Getting at a dyno, an instance or a data service on the server's machine.

use serde::{Deserialize, Serialize};

/// The query of `GET /_causeway/workloads/TARGET`: which command is to run where TARGET runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecQuery {
    /// Whether the command is to have a terminal: `tty=true`.
    pub tty: bool,
    /// The command's words, each as an `arg` of its own.
    pub arguments: Vec<String>,
}

impl ExecQuery {
    /// Reads the pairs of a query string. Others than `tty` and `arg` are ignored.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut query = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "tty" => query.tty |= value == "true",
                "arg" => query.arguments.push(value),
                _ => {}
            }
        }
        query
    }

    /// The pairs of a query string, not escaped yet.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        let tty = ("tty", if self.tty { "true" } else { "false" });
        let arguments = self.arguments.iter().map(|word| ("arg", word.as_str()));
        std::iter::once(tty).chain(arguments).collect()
    }
}

/// The answer to [`ExecQuery`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecCommand {
    /// The id of the dyno, the instance or the data service.
    pub workload: String,
    /// The words of the command that runs the one that was asked for in the workload. It is to be
    /// run on the server's machine, as the server's user.
    pub argv: Vec<String>,
}

/// The query of `GET /_causeway/logs/TARGET`, which answers with what TARGET wrote, as plain text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogQuery {
    /// How many bytes from the end; without it 64 KiB. There are 16 MiB at most.
    pub bytes: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_passes_through_a_query() {
        let words = ["sh", "-c", "a & b", ""].map(str::to_owned);
        let query = ExecQuery { tty: true, arguments: words.into() };
        let pairs = query.pairs().into_iter().map(|(name, value)| (name.into(), value.into()));
        assert_eq!(ExecQuery::from_pairs(pairs), query);
        let other = ("x".to_owned(), "y".to_owned());
        assert_eq!(ExecQuery::from_pairs([other]), ExecQuery::default());
    }
}
