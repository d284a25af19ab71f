//! What happens to apps and their dynos, as lines for their logs, and who reads them.
//!
//! What dynos write is kept by the fabric, what routers serve by the edge. This keeps what the
//! platform itself has to say: the last lines of each app, in memory and in two files of bounded
//! size. These outlive the server's process; they are not synced to the disk for each line.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use model::{
    Addon, AddonState, App, AppId, Change, Dyno, DynoId, DynoState, Exit, Key, Record, Release,
    Timestamp, UserId, World,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::ledger::Step;

/// Lines that are kept of an app; nobody is shown more of it at once.
pub const MOST_LINES: usize = 1500;
/// Longer lines are cut into several.
const MOST_CHARS: usize = 10_000;
/// How long somebody who was told of a log may wait before reading it.
const SESSION_WAITS: Duration = Duration::from_secs(300);
/// How long somebody who reads on and on may come back, after the server was away.
const TAIL_STAYS: Duration = Duration::from_secs(24 * 3600);
/// What ends a process that cannot refuse.
const SIGKILL: i32 = 9;
/// How long a dyno that is told to end may take.
const GRACE: Duration = Duration::from_secs(30);
/// Of each of an app's two files.
const FILE_BYTES: u64 = 512 << 10;

/// A line of an app's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who; none is the operator.
    pub user: Option<UserId>,
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
    /// Whether it is still to be had. Who reads on may come back to it later.
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.made + if self.tail { TAIL_STAYS } else { SESSION_WAITS }
    }

    /// Whether what a process has to say belongs to it.
    pub fn wants(&self, source: Source, process: &str) -> bool {
        let process_type = process.split_once('.').map_or(process, |(name, _)| name);
        self.source.is_none_or(|wanted| wanted == source)
            && self.process.as_ref().is_none_or(|name| name == process || name == process_type)
    }
}

/// The platform's own lines.
#[derive(Debug)]
pub struct Logs {
    kept: Mutex<Kept>,
    changed: watch::Sender<u64>,
    /// Where the files are; none where nothing is kept.
    dir: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Kept {
    apps: BTreeMap<AppId, VecDeque<(u64, Line)>>,
    last: u64,
}

impl Kept {
    fn add(&mut self, app: AppId, line: Line) {
        self.last += 1;
        let number = self.last;
        let of_app = self.apps.entry(app).or_default();
        if of_app.len() == MOST_LINES {
            of_app.pop_front();
        }
        of_app.push_back((number, line));
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self { kept: Mutex::default(), changed: watch::Sender::new(0), dir: None }
    }
}

impl Logs {
    /// Reads what a directory holds of the world's apps, and keeps there what comes. Files of
    /// other apps are removed.
    ///
    /// # Errors
    ///
    /// What keeps the directory from being read or made.
    pub fn open(dir: &Path, world: &World) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut kept = Kept::default();
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            let app = name.to_str().and_then(|name| name.split('.').next()?.parse().ok());
            match app {
                Some(app) if world.app(app).is_some() => {}
                Some(app) => forget(dir, app)?,
                None => {}
            }
        }
        for app in world.apps() {
            for path in files(dir, app.id) {
                read_lines(&path)?.into_iter().for_each(|line| kept.add(app.id, line));
            }
        }
        let last = kept.last;
        let changed = watch::Sender::new(last);
        Ok(Self { kept: Mutex::new(kept), changed, dir: Some(dir.to_owned()) })
    }

    /// Takes in what a commit changed.
    pub fn follow(&self, step: &Step, now: Timestamp) {
        let mut lines = events(step, now);
        lines.retain(|(app, _)| step.after.app(*app).is_some());
        if let Some(dir) = &self.dir
            && let Err(error) = keep(dir, &lines, &step.changes)
        {
            tracing::warn!(%error, "what happened to apps is in no file");
        }
        let mut kept = self.kept.lock().expect("no holder panics");
        for change in &step.changes {
            if let Change::Delete(Key::App(id)) = change {
                kept.apps.remove(id);
            }
        }
        lines.into_iter().for_each(|(app, line)| kept.add(app, line));
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
}

/// An app's files, older one first.
fn files(dir: &Path, app: AppId) -> [PathBuf; 2] {
    [dir.join(format!("{app}.log.1")), dir.join(format!("{app}.log"))]
}

/// Lines as they were written. What was cut off, as by a crash, is passed over.
fn read_lines(path: &Path) -> io::Result<Vec<Line>> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let lines = text.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

fn forget(dir: &Path, app: AppId) -> io::Result<()> {
    for path in files(dir, app) {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Writes lines to the files of their apps, and removes those of apps that are gone.
fn keep(dir: &Path, lines: &[(AppId, Line)], changes: &[Change]) -> io::Result<()> {
    for change in changes {
        if let Change::Delete(Key::App(id)) = change {
            forget(dir, *id)?;
        }
    }
    let mut texts: BTreeMap<AppId, Vec<u8>> = BTreeMap::new();
    for (app, line) in lines {
        let text = texts.entry(*app).or_default();
        serde_json::to_writer(&mut *text, line)?;
        text.push(b'\n');
    }
    for (app, text) in texts {
        let [older, current] = files(dir, app);
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&current)?;
        file.write_all(&text)?;
        if file.metadata()?.len() >= FILE_BYTES {
            fs::rename(&current, &older)?;
        }
    }
    Ok(())
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
                said.dyno(&step.before, dynos.get(&dyno.id).copied().or_else(known), dyno);
                dynos.insert(dyno.id, dyno);
            }
            Change::Put(Record::App(app)) => {
                let known = || step.before.app(app.id).map(|app| &**app);
                said.app(apps.get(&app.id).copied().or_else(known), app);
                apps.insert(app.id, app);
            }
            Change::Put(Record::Addon(addon)) => {
                said.addon(step.before.addon(addon.id).map(|addon| &**addon), addon);
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

    /// What becomes of a dyno. The one before it in its place has the same name, so what is said of
    /// it tells which release it ran.
    fn dyno(&mut self, world: &World, before: Option<&Dyno>, after: &Dyno) {
        let now = self.now;
        let release = world.release(after.release).filter(|_| after.superseded);
        let whose = release.map(|release| format!(" (v{}, replaced)", release.version));
        let whose = whose.unwrap_or_default();
        let mut say = |text: String| self.say(after.app, Source::Heroku, &after.name, text);
        let Some(before) = before else {
            let place = world.dyno_named(after.app, &after.name).filter(|_| after.number.is_some());
            if place.is_some_and(|dyno| dyno.id != after.id && !dyno.state.ended()) {
                say("Restarting".to_owned());
            }
            return say(format!("Starting process with command `{}`", after.command));
        };
        if before.state == after.state {
            return;
        }
        if after.state == DynoState::Stopping {
            say(format!("Stopping all processes with SIGTERM{whose}"));
        }
        let killed = after.exit == Some(Exit::Signal(SIGKILL));
        if before.state == DynoState::Stopping && killed && now >= before.updated + GRACE {
            let seconds = GRACE.as_secs();
            say(format!(
                "Error R12 (Exit timeout) -> At least one process failed to exit within {seconds} \
                 seconds of SIGTERM{whose}"
            ));
            say(format!("Stopping remaining processes with SIGKILL{whose}"));
        }
        match &after.exit {
            // One of Heroku's own codes, or words of ours.
            Some(Exit::Failed(why)) if why.starts_with("R10") => say(format!("Error {why}")),
            Some(Exit::Failed(why)) => say(format!("Error: {why}")),
            Some(exit) => {
                if *exit == Exit::OutOfMemory {
                    let quota = after.size.memory() >> 20;
                    say(format!(
                        "Error R15 (Memory quota vastly exceeded) -> It may use {quota} MiB{whose}"
                    ));
                }
                say(format!("Process exited with status {}{whose}", exit.status()));
            }
            None => {}
        }
        let (from, to) = (before.state.name(), after.state.name());
        if from != to {
            say(format!("State changed from {from} to {to}{whose}"));
        }
    }

    /// What becomes of a data service.
    fn addon(&mut self, before: Option<&Addon>, after: &Addon) {
        let name = |state: AddonState| match state {
            AddonState::Provisioning => "starting",
            AddonState::Provisioned => "up",
            AddonState::Crashed => "crashed",
        };
        let mut say = |text: String| self.say(after.app, Source::Heroku, &after.name, text);
        match before {
            None => say(format!("Starting {}", after.plan.name())),
            Some(before) if before.state != after.state => {
                let (from, to) = (name(before.state), name(after.state));
                say(format!("State changed from {from} to {to}"));
            }
            Some(_) => {}
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
        let by = user.map_or("the operator".to_owned(), |user| format!("user {}", user.email));
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
            user: None,
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
    fn a_session_ends_and_one_that_reads_on_lasts() {
        let now = Timestamp::from_millis(0);
        let once = session(None, None);
        let tail = Session { tail: true, ..once.clone() };
        assert!(once.holds(now) && !once.holds(now + SESSION_WAITS));
        assert!(tail.holds(now + SESSION_WAITS) && !tail.holds(now + TAIL_STAYS));
    }

    fn app(number: u128) -> AppId {
        AppId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn lines_are_read_again_and_files_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let write = |text: &str| keep(dir.path(), &[(app(1), line(text))], &[]).unwrap();
        write("first");
        let [older, current] = files(dir.path(), app(1));
        // As a crash leaves it.
        OpenOptions::new().append(true).open(&current).unwrap().write_all(b"{\"at\":").unwrap();
        write("lost with what was cut off");
        write("last");
        let read = |path: &Path| read_lines(path).unwrap();
        assert_eq!(read(&current), [line("first"), line("last")]);
        assert!(read(&older).is_empty());
        let long = "x".repeat(10_000);
        (0..200).for_each(|_| write(&long));
        for path in [&older, &current] {
            assert!(fs::metadata(path).is_ok_and(|data| data.len() < FILE_BYTES + 11_000));
        }
        keep(dir.path(), &[], &[Change::Delete(Key::App(app(1)))]).unwrap();
        assert!(!older.exists() && !current.exists());
    }

    #[test]
    fn files_of_apps_that_are_gone_go() {
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path(), &[(app(1), line("x"))], &[]).unwrap();
        fs::write(dir.path().join("note"), "not ours").unwrap();
        let logs = Logs::open(dir.path(), &World::default()).unwrap();
        assert_eq!(logs.since(app(1), 0), (vec![], 0));
        let left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["note"]);
    }
}
