//! What happens to apps and their dynos, as lines for their logs, and who reads them.
//!
//! What dynos write is kept by the fabric, what routers serve by the edge. This keeps what the
//! platform itself has to say: in memory, the last lines of each app, since the start.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use model::{
    App, AppId, Caller, Change, Dyno, DynoId, DynoState, Exit, Key, Record, Release, Timestamp,
    World,
};
use tokio::sync::watch;

use crate::ledger::Step;

/// Lines that are kept of an app; nobody is shown more of it at once.
pub const MOST_LINES: usize = 1500;
/// Longer lines are cut into several.
const MOST_CHARS: usize = 10_000;
/// How long somebody who was told of a log may wait before reading it.
const SESSION_WAITS: Duration = Duration::from_secs(300);
/// Those who were told and have not come.
const MOST_SESSIONS: usize = 1000;

/// A line of an app's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it was written.
    pub at: Timestamp,
    /// Whose it is.
    pub source: Source,
    /// Which dyno wrote it or has it written of; `api` and `router` for what is of none.
    pub process: String,
    /// What it says.
    pub text: String,
}

/// Whose a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The app's own, and what people do with it.
    App,
    /// The platform's.
    Heroku,
}

impl Source {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Heroku => "heroku",
        }
    }
}

impl Line {
    /// As it is shown: `2016-09-19T22:57:33.123000+00:00 app[web.1]: text`, in several lines if
    /// it is long. Nothing in it ends a line.
    pub fn show(&self) -> Vec<String> {
        let seconds = self.at.to_seconds_string();
        let seconds = seconds.trim_end_matches('Z');
        let millis = self.at.millis().rem_euclid(1000);
        let (source, process) = (self.source.name(), &self.process);
        let prefix = format!("{seconds}.{millis:03}000+00:00 {source}[{process}]: ");
        let text: Vec<char> =
            self.text.chars().map(|c| if ends_a_line(c) { ' ' } else { c }).collect();
        if text.is_empty() {
            return vec![prefix];
        }
        let parts = text.chunks(MOST_CHARS);
        parts.map(|part| prefix.chars().chain(part.iter().copied()).collect()).collect()
    }
}

const fn ends_a_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\0')
}

/// Who was told of a log, and of which part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub caller: Caller,
    /// Of which app.
    pub app: AppId,
    /// How many lines of the past.
    pub lines: usize,
    /// Whether to go on as more is written.
    pub tail: bool,
    /// Only of this source.
    pub source: Option<Source>,
    /// Only of this dyno, by its name or its process type.
    pub process: Option<String>,
    /// When.
    pub made: Timestamp,
}

impl Session {
    /// Whether what a process has to say belongs to it.
    pub fn wants(&self, source: Source, process: &str) -> bool {
        let process_type = process.split_once('.').map_or(process, |(name, _)| name);
        self.source.is_none_or(|wanted| wanted == source)
            && self.process.as_ref().is_none_or(|name| name == process || name == process_type)
    }
}

/// The platform's own lines, and who was told of a log.
#[derive(Debug)]
pub struct Logs {
    kept: Mutex<Kept>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    apps: BTreeMap<AppId, VecDeque<(u64, Line)>>,
    last: u64,
    sessions: BTreeMap<String, Session>,
}

impl Default for Logs {
    fn default() -> Self {
        Self { kept: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Logs {
    /// Takes in what a commit changed.
    pub fn follow(&self, step: &Step, now: Timestamp) {
        let lines = events(step, now);
        let mut kept = self.kept.lock().expect("no holder panics");
        for change in &step.changes {
            if let Change::Delete(Key::App(id)) = change {
                kept.apps.remove(id);
            }
        }
        for (app, line) in lines.into_iter().filter(|(app, _)| step.after.app(*app).is_some()) {
            kept.last += 1;
            let number = kept.last;
            let of_app = kept.apps.entry(app).or_default();
            if of_app.len() == MOST_LINES {
                of_app.pop_front();
            }
            of_app.push_back((number, line));
        }
        let last = kept.last;
        drop(kept);
        self.changed.send_replace(last);
    }

    /// An app's lines after the one with a number, and the number of the last one.
    pub fn since(&self, app: AppId, number: u64) -> (Vec<Line>, u64) {
        let kept = self.kept.lock().expect("no holder panics");
        let lines = kept.apps.get(&app).into_iter().flatten().filter(|(n, _)| *n > number);
        (lines.map(|(_, line)| line.clone()).collect(), kept.last)
    }

    /// Tells when there are more.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Lets somebody who has the secret read; `false` where too many others are awaited.
    pub fn admit(&self, secret: String, session: Session) -> bool {
        let mut kept = self.kept.lock().expect("no holder panics");
        let now = session.made;
        kept.sessions.retain(|_, session| now < session.made + SESSION_WAITS);
        let room = kept.sessions.len() < MOST_SESSIONS;
        if room {
            kept.sessions.insert(secret, session);
        }
        room
    }

    /// What somebody who has the secret may read, this once.
    pub fn enter(&self, secret: &str, now: Timestamp) -> Option<Session> {
        let mut kept = self.kept.lock().expect("no holder panics");
        let session = kept.sessions.remove(secret)?;
        (now < session.made + SESSION_WAITS).then_some(session)
    }
}

/// What there is to say of a commit.
fn events(step: &Step, now: Timestamp) -> Vec<(AppId, Line)> {
    let mut said = Said { now, lines: Vec::new() };
    let mut dynos: BTreeMap<DynoId, &Dyno> = BTreeMap::new();
    let mut apps: BTreeMap<AppId, &App> = BTreeMap::new();
    for change in &step.changes {
        match change {
            Change::Put(Record::Dyno(dyno)) => {
                let known = || step.before.dyno(dyno.id).map(|dyno| &**dyno);
                said.dyno(dynos.get(&dyno.id).copied().or_else(known), dyno);
                dynos.insert(dyno.id, dyno);
            }
            Change::Put(Record::App(app)) => {
                let known = || step.before.app(app.id).map(|app| &**app);
                said.app(apps.get(&app.id).copied().or_else(known), app);
                apps.insert(app.id, app);
            }
            Change::Put(Record::Release(release)) if step.before.release(release.id).is_none() => {
                said.release(&step.after, release);
            }
            Change::Put(_) | Change::Delete(_) => {}
        }
    }
    said.lines
}

struct Said {
    now: Timestamp,
    lines: Vec<(AppId, Line)>,
}

impl Said {
    fn say(&mut self, app: AppId, source: Source, process: &str, text: String) {
        let line = Line { at: self.now, source, process: process.to_owned(), text };
        self.lines.push((app, line));
    }

    fn dyno(&mut self, before: Option<&Dyno>, after: &Dyno) {
        let mut say = |text: String| self.say(after.app, Source::Heroku, &after.name, text);
        let Some(before) = before else {
            return say(format!("Starting process with command `{}`", after.command));
        };
        if before.state == after.state {
            return;
        }
        if after.state == DynoState::Stopping {
            say("Stopping all processes with SIGTERM".to_owned());
        }
        match &after.exit {
            Some(Exit::Code(code)) => say(format!("Process exited with status {code}")),
            Some(Exit::Signal(signal)) => {
                say(format!("Process exited with status {}", 128 + signal));
            }
            Some(Exit::Failed(why)) => say(format!("Error: {why}")),
            None => {}
        }
        let (from, to) = (before.state.name(), after.state.name());
        if from != to {
            say(format!("State changed from {from} to {to}"));
        }
    }

    fn app(&mut self, before: Option<&App>, after: &App) {
        let Some(before) = before.filter(|before| before.formation != after.formation) else {
            return;
        };
        let changed = after.formation.iter().filter(|(name, formation)| {
            let known = before.formation.get(*name);
            known.is_none_or(|k| (k.quantity, k.size) != (formation.quantity, formation.size))
        });
        let changed: Vec<String> = changed
            .map(|(name, formation)| {
                format!("{name}@{}:{}", formation.quantity, formation.size.name())
            })
            .collect();
        if !changed.is_empty() {
            self.say(after.id, Source::App, "api", format!("Scaled to {}", changed.join(" ")));
        }
    }

    fn release(&mut self, world: &World, release: &Release) {
        let user = release.user.and_then(|id| world.user(id));
        let by = user.map_or("the operator", |user| user.email.as_str());
        let (version, what) = (release.version, &release.description);
        self.say(release.app, Source::App, "api", format!("{what} by {by}"));
        let text = format!("Release v{version} created by {by}");
        self.say(release.app, Source::App, "api", text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line {
            at: Timestamp::from_millis(1_474_325_853_007),
            source: Source::App,
            process: "web.1".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn lines_are_shown_as_the_cli_reads_them() {
        let shown = line("hello").show();
        assert_eq!(shown, ["2016-09-19T22:57:33.007000+00:00 app[web.1]: hello"]);
        assert_eq!(line("").show().len(), 1);
        assert!(!line("a\rb\nc\0").show()[0].contains(['\r', '\n', '\0']));
        let long = line(&"é".repeat(25_000)).show();
        assert_eq!(long.len(), 3);
        assert!(long.iter().all(|part| part.starts_with("2016-09-19T22:57:33.007000+00:00 app[")));
    }

    fn session(source: Option<Source>, process: Option<&str>) -> Session {
        Session {
            caller: Caller::Operator,
            app: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
            lines: 10,
            tail: false,
            source,
            process: process.map(ToOwned::to_owned),
            made: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn sessions_choose_lines() {
        let wants = |source, process, of: &str| session(source, process).wants(Source::App, of);
        assert!(wants(None, None, "web.1"));
        assert!(wants(None, Some("web"), "web.1") && wants(None, Some("web.1"), "web.1"));
        assert!(!wants(None, Some("web.2"), "web.1") && !wants(None, Some("we"), "web.1"));
        assert!(wants(Some(Source::App), Some("api"), "api"));
        assert!(!wants(Some(Source::Heroku), None, "web.1"));
    }

    #[test]
    fn a_session_is_entered_once_and_in_time() {
        let logs = Logs::default();
        let now = Timestamp::from_millis(0);
        for secret in ["a", "b"] {
            assert!(logs.admit(secret.to_owned(), session(None, None)));
        }
        assert!(logs.enter("c", now).is_none());
        assert!(logs.enter("a", now).is_some() && logs.enter("a", now).is_none());
        assert!(logs.enter("b", now + SESSION_WAITS).is_none());
        assert!((0..MOST_SESSIONS).all(|n| logs.admit(n.to_string(), session(None, None))));
        assert!(!logs.admit("one more".to_owned(), session(None, None)));
        let later = Session { made: now + SESSION_WAITS, ..session(None, None) };
        assert!(logs.admit("later".to_owned(), later), "those who never came have no place");
    }
}
