//! The last lines of an app's log, and where the next ones are to be had.

use model::{App, Space, Timestamp};

use crate::app_paths;
use crate::context::Context;
use crate::markup::{Markup, command};

/// A line of an app's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it: a dyno, a data service, `router` or `api`.
    pub process: String,
    /// What was written.
    pub text: String,
}

impl LogLine {
    /// The time of the day, to the millisecond.
    pub fn time(&self) -> String {
        let second = self.at.to_seconds_string();
        let time = second.get(11..19).unwrap_or_default();
        format!("{time}.{:03}", self.at.millis().rem_euclid(1000))
    }

    /// The time with its day, for machines.
    pub fn exact(&self) -> String {
        self.at.to_seconds_string()
    }
}

/// What of an app's log is shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogShown<'a> {
    /// The lines, oldest first.
    pub lines: &'a [LogLine],
    /// The place after the last line, from which the stream goes on.
    pub position: &'a str,
    /// The dyno or the process type whose lines are shown alone.
    pub process: Option<&'a str>,
    /// What all lines that are shown have in them.
    pub find: &'a str,
    /// Whether the log was not read, as too many are being read.
    pub is_busy: bool,
}

/// The log as the page shows it.
pub(super) struct LogView {
    pub(super) lines: Vec<(String, String, String, String)>,
    /// Who can be chosen, and whether it is.
    pub(super) choices: Vec<(String, bool)>,
    pub(super) find: String,
    /// The address of the stream that goes on after these lines.
    pub(super) stream: String,
    /// What is said in place of lines.
    pub(super) no_lines: &'static str,
    pub(super) command: Markup,
}

impl LogView {
    pub(super) fn new(of: &Context<'_>, space: &Space, app: &App, log: &LogShown<'_>) -> Self {
        let t = of.texts();
        let mut names: Vec<String> = Vec::new();
        for dyno in of.world.shown_dynos(app.id) {
            names.extend([dyno.process_type.clone(), dyno.name.clone()]);
        }
        names.push("router".to_owned());
        names.extend(log.process.map(str::to_owned));
        names.sort_unstable();
        names.dedup();
        let mut stream = form_urlencoded::Serializer::new(String::new());
        stream.append_pair("from", log.position);
        if let Some(process) = log.process {
            stream.append_pair("dyno", process);
        }
        if !log.find.is_empty() {
            stream.append_pair("find", log.find);
        }
        let line =
            |line: &LogLine| (line.exact(), line.time(), line.process.clone(), line.text.clone());
        Self {
            lines: log.lines.iter().map(line).collect(),
            choices: names
                .into_iter()
                .map(|name| (name.clone(), log.process == Some(&*name)))
                .collect(),
            find: log.find.to_owned(),
            stream: format!("{}?{}", app_paths::app_log(space, app), stream.finish()),
            no_lines: match log {
                LogShown { is_busy: true, .. } => t.busy,
                LogShown { process: None, find: "", .. } => t.apps.log_empty,
                LogShown { .. } => t.apps.log_nothing_found,
            },
            command: command(t, &["heroku", "logs", "--tail", &format!("--app {}", app.name)]),
        }
    }
}
