//! The platform's own lines in the logs of apps, and the sessions of those who read them.
//!
//! The output of dynos is kept by the fabric, and the request log by the edge. This module keeps
//! the lines that the platform itself writes: the last ones of each app, in memory and in two files
//! of bounded size. The files outlive the server's process, but are not synced for each line.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use fabric::runtime::GRACE;
use model::{
    Addon, App, AppId, Change, Dyno, DynoId, DynoState, Exit, Key, Record, Release, ReleaseId,
    ReleaseStatus, Timestamp, World,
};
use os::bounded_log::BoundedLog;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::apps::grant::Grant;
use crate::ledger::Step;

/// Lines kept for each app, and the most that a reader gets at once.
pub(crate) const MOST_LINES: usize = 1500;
/// A longer line is split into several.
const MOST_CHARS: usize = 10_000;
/// How long a log session's address may be opened after it was issued.
const SESSION_WAITS: Duration = Duration::from_secs(300);
/// How long a reader that follows a log may reconnect, for instance after a restart of the server.
const TAIL_STAYS: Duration = Duration::from_secs(24 * 3600);
/// The signal that no process can ignore.
const SIGKILL: i32 = 9;
/// The size limit of each of an app's two files, in bytes.
const FILE_BYTES: u64 = 512 << 10;

/// A line of an app's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The time when it was written.
    pub at: Timestamp,
    /// Whether the app or the platform wrote it.
    pub source: Source,
    /// The dyno that wrote the line or that the line is about; `api` or `router` if it is about
    /// none.
    pub process: String,
    /// The text, without a line end.
    pub text: String,
}

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The app itself, and its users' actions.
    App,
    /// The platform.
    Heroku,
}

impl Source {
    /// The name of the source in a line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Heroku => "heroku",
        }
    }
}

impl Line {
    /// Splits a long line into several, each of which is shown, counted and numbered by itself.
    pub fn parts(self) -> Vec<Self> {
        if self.text.len() <= MOST_CHARS {
            return vec![self];
        }
        let text: Vec<char> = self.text.chars().collect();
        let part = |chars: &[char]| Self { text: chars.iter().collect(), ..self.clone() };
        text.chunks(MOST_CHARS).map(part).collect()
    }

    /// Formats the line as `2016-09-19T22:57:33.123000+00:00 app[web.1]: text`. The result contains
    /// no line end.
    pub fn show(&self) -> String {
        let seconds = self.at.to_seconds_string();
        let seconds = seconds.trim_end_matches('Z');
        let millis = self.at.millis().rem_euclid(1000);
        let (source, process) = (self.source.name(), &self.process);
        let text = self.text.replace(ends_a_line, " ");
        format!("{seconds}.{millis:03}000+00:00 {source}[{process}]: {text}")
    }
}

const fn ends_a_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\0')
}

/// A log session: who may read which part of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The user and the token that asked for it.
    #[serde(flatten)]
    pub(crate) grant: Grant,
    /// The lines that it is for.
    #[serde(flatten)]
    pub(crate) wanted: Wanted,
    /// The time when it was issued.
    pub made: Timestamp,
}

/// Which lines of a log somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// The app whose log it is.
    pub app: AppId,
    /// How many past lines are sent first.
    pub lines: usize,
    /// Whether new lines follow as they are written.
    pub tail: bool,
    /// Only lines of this source.
    pub source: Option<Source>,
    /// Only lines of this dyno, given by its name or its process type.
    pub process: Option<String>,
}

impl Session {
    /// Whether it may still be opened. A session that follows the log may be opened again later.
    pub(crate) fn holds(&self, now: Timestamp) -> bool {
        now < self.made + if self.wanted.tail { TAIL_STAYS } else { SESSION_WAITS }
    }
}

impl Wanted {
    /// Whether the lines of a process are among them.
    pub(crate) fn wants(&self, source: Source, process: &str) -> bool {
        let process_type = process.split_once('.').map_or(process, |(name, _)| name);
        self.source.is_none_or(|wanted| wanted == source)
            && self.process.as_ref().is_none_or(|name| name == process || name == process_type)
    }
}

/// The platform's own lines.
#[derive(Debug)]
pub struct Logs {
    recent: Mutex<Recent>,
    changed: watch::Sender<u64>,
    /// The directory of the files; `None` if lines are kept in memory only.
    dir: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Recent {
    apps: BTreeMap<AppId, VecDeque<(u64, Line)>>,
    last: u64,
}

impl Recent {
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
        Self { recent: Mutex::default(), changed: watch::Sender::new(0), dir: None }
    }
}

impl Logs {
    /// Reads the files of the world's apps in a directory, and writes later lines there. Files of
    /// other apps are not touched.
    ///
    /// # Errors
    ///
    /// The directory cannot be read or created.
    pub fn open(dir: &Path, world: &World) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut recent = Recent::default();
        for app in world.apps() {
            read_lines(&log_of(dir, app.id))?.into_iter().for_each(|line| recent.add(app.id, line));
        }
        let last = recent.last;
        let changed = watch::Sender::new(last);
        Ok(Self { recent: Mutex::new(recent), changed, dir: Some(dir.to_owned()) })
    }

    /// Writes the lines that the changes of a commit give rise to.
    pub fn follow(&self, step: &Step, now: Timestamp) {
        let mut lines = events(step, now);
        lines.retain(|(app, _)| step.after.app(*app).is_some());
        if let Some(dir) = &self.dir
            && let Err(error) = keep(dir, &lines, &step.changes)
        {
            tracing::warn!(%error, "cannot write the platform's lines to the logs of apps");
        }
        let mut recent = self.recent.lock().expect("no holder panics");
        for change in &step.changes {
            if let Change::Delete(Key::App(id)) = change {
                recent.apps.remove(id);
            }
        }
        lines.into_iter().for_each(|(app, line)| recent.add(app, line));
        let last = recent.last;
        drop(recent);
        self.changed.send_replace(last);
    }

    /// The lines of an app after the one with the given number, and the number of the last line.
    pub fn since(&self, app: AppId, number: u64) -> (Vec<Line>, u64) {
        let recent = self.recent.lock().expect("no holder panics");
        let lines = recent.apps.get(&app).into_iter().flatten().filter(|(n, _)| *n > number);
        (lines.map(|(_, line)| line.clone()).collect(), recent.last)
    }

    /// A receiver that is notified of new lines.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

/// The two files of an app.
fn log_of(dir: &Path, app: AppId) -> BoundedLog {
    BoundedLog::new(dir.join(format!("{app}.log")), FILE_BYTES)
}

/// Reads the lines of an app's files. An incomplete line, as a crash leaves it, is skipped.
fn read_lines(log: &BoundedLog) -> io::Result<Vec<Line>> {
    let text = log.read()?;
    let lines = text.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Appends lines to the files of their apps, and removes the files of deleted apps.
fn keep(dir: &Path, lines: &[(AppId, Line)], changes: &[Change]) -> io::Result<()> {
    for change in changes {
        if let Change::Delete(Key::App(id)) = change {
            log_of(dir, *id).remove()?;
        }
    }
    let mut texts: BTreeMap<AppId, Vec<u8>> = BTreeMap::new();
    for (app, line) in lines {
        let text = texts.entry(*app).or_default();
        serde_json::to_writer(&mut *text, line)?;
        text.push(b'\n');
    }
    for (app, text) in texts {
        log_of(dir, app).append(&text)?;
    }
    Ok(())
}

/// The lines that the changes of a commit give rise to.
fn events(step: &Step, now: Timestamp) -> Vec<(AppId, Line)> {
    let mut events = Events { now, lines: Vec::new() };
    let mut dynos: BTreeMap<DynoId, &Dyno> = BTreeMap::new();
    let mut apps: BTreeMap<AppId, &App> = BTreeMap::new();
    let mut releases: BTreeMap<ReleaseId, &Release> = BTreeMap::new();
    for change in &step.changes {
        match change {
            Change::Put(Record::Dyno(dyno)) => {
                let known = || step.before.dyno(dyno.id).map(|dyno| &**dyno);
                events.dyno(step, dynos.get(&dyno.id).copied().or_else(known), dyno);
                dynos.insert(dyno.id, dyno);
            }
            Change::Put(Record::App(app)) => {
                let known = || step.before.app(app.id).map(|app| &**app);
                events.app(apps.get(&app.id).copied().or_else(known), app);
                apps.insert(app.id, app);
            }
            Change::Put(Record::Addon(addon)) => {
                events.addon(step.before.addon(addon.id).map(|addon| &**addon), addon);
            }
            Change::Put(Record::Release(release)) => {
                let known = || step.before.release(release.id).map(|release| &**release);
                let before = releases.get(&release.id).copied().or_else(known);
                events.release(&step.after, before, release);
                releases.insert(release.id, release);
            }
            Change::Put(_) | Change::Delete(_) => {}
        }
    }
    events.lines
}

/// The release that a dyno ran and the reason for its end, if it does not end by itself.
fn whose_end(step: &Step, before: Option<&Dyno>, after: &Dyno) -> String {
    let stopping = |dyno: &Dyno| dyno.state == DynoState::Stopping;
    if !after.superseded && !stopping(after) && !before.is_some_and(stopping) {
        return String::new();
    }
    let why = why_it_ends(&step.after, after);
    let release = version(&step.after, after.release);
    let release = release.or_else(|| version(&step.before, after.release));
    release.map_or_else(|| format!(" ({why})"), |version| format!(" (v{version}, {why})"))
}

fn version(world: &World, release: ReleaseId) -> Option<u32> {
    world.release(release).map(|release| release.version)
}

/// The reason why a dyno is stopped, as the world after the commit shows it.
fn why_it_ends(world: &World, dyno: &Dyno) -> String {
    let formation = world.app(dyno.app).map(|app| &app.formation);
    let wanted = formation.and_then(|formation| formation.get(&dyno.process_type));
    let wanted = wanted.map_or(0, |formation| formation.quantity);
    if dyno.number.is_some_and(|number| number > wanted) {
        return "scaled down".to_owned();
    }
    let holder = world.dyno_named(dyno.app, &dyno.name).filter(|holder| holder.id != dyno.id);
    let Some(holder) = holder else { return "stopped".to_owned() };
    if holder.release != dyno.release {
        let version = version(world, holder.release);
        return version.map_or("replaced".to_owned(), |version| format!("replaced by v{version}"));
    }
    if holder.size == dyno.size { "restarted".to_owned() } else { "resized".to_owned() }
}

struct Events {
    now: Timestamp,
    lines: Vec<(AppId, Line)>,
}

impl Events {
    fn say(&mut self, app: AppId, source: Source, process: &str, text: String) {
        let line = Line { at: self.now, source, process: process.to_owned(), text };
        self.lines.push((app, line));
    }

    /// Lines about a dyno. Its predecessor in the formation has the same name, so a line about an
    /// end names the release and the reason.
    fn dyno(&mut self, step: &Step, before: Option<&Dyno>, after: &Dyno) {
        let (now, world) = (self.now, &step.before);
        let whose = whose_end(step, before, after);
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
        if after.state == DynoState::Starting {
            say("The host ended it; starting it again".to_owned());
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
            // A failure is described either by one of Heroku's error codes or in our own words.
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

    /// Lines about a data service.
    fn addon(&mut self, before: Option<&Addon>, after: &Addon) {
        let mut say = |text: String| self.say(after.app, Source::Heroku, &after.name, text);
        match before {
            None => say(format!("Starting {}", after.plan.name())),
            Some(before) if before.state != after.state => {
                let (from, to) = (before.state.of_process(), after.state.of_process());
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

    /// Lines about a release. A release that waits for its release command counts as created once
    /// it is current, as on Heroku.
    fn release(&mut self, world: &World, before: Option<&Release>, release: &Release) {
        let user = release.user.and_then(|id| world.email_of(id));
        let by = user.map_or("the operator".to_owned(), |email| format!("user {email}"));
        let (version, what) = (release.version, &release.description);
        let mut say = |text: String| self.say(release.app, Source::App, "api", text);
        if before.is_none() {
            say(format!("{what} by {by}"));
        }
        if release.command.is_some() && before.is_none_or(|before| before.command.is_none()) {
            say(format!("Running release v{version} commands by {by}"));
        }
        if before.is_some_and(|before| before.status == release.status) {
            return;
        }
        match &release.status {
            ReleaseStatus::Pending => {}
            ReleaseStatus::Succeeded => say(format!("Release v{version} created by {by}")),
            ReleaseStatus::Failed(why) => say(format!("Release v{version} failed: {why}")),
        }
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
        assert_eq!(shown, "2016-09-19T22:57:33.007000+00:00 app[web.1]: hello");
        assert_eq!(line("").parts().len(), 1);
        assert!(!line("a\rb\nc\0").show().contains(['\r', '\n', '\0']));
        let long = "é".repeat(25_000);
        let parts = line(&long).parts();
        assert_eq!(parts.len(), 3);
        assert_eq!(parts.iter().map(|part| part.text.as_str()).collect::<String>(), long);
        let prefix = "2016-09-19T22:57:33.007000+00:00 app[";
        assert!(parts.iter().all(|part| part.show().starts_with(prefix)));
    }

    fn wanted(source: Option<Source>, process: Option<&str>) -> Wanted {
        Wanted {
            app: app(1),
            lines: 10,
            tail: false,
            source,
            process: process.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn sessions_choose_lines() {
        let wants = |source, process, of: &str| wanted(source, process).wants(Source::App, of);
        assert!(wants(None, None, "web.1"));
        assert!(wants(None, Some("web"), "web.1") && wants(None, Some("web.1"), "web.1"));
        assert!(!wants(None, Some("web.2"), "web.1") && !wants(None, Some("we"), "web.1"));
        assert!(wants(Some(Source::App), Some("api"), "api"));
        assert!(!wants(Some(Source::Heroku), None, "web.1"));
    }

    #[test]
    fn a_session_ends_and_one_that_reads_on_lasts() {
        let now = Timestamp::from_millis(0);
        let session = |tail| Session {
            grant: Grant { user: None, token: None },
            wanted: Wanted { tail, ..wanted(None, None) },
            made: now,
        };
        let (once, tail) = (session(false), session(true));
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
        let log = log_of(dir.path(), app(1));
        let [older, current] = log.paths();
        // An incomplete line, as a crash leaves it.
        log.append(b"{\"at\":").unwrap();
        write("lost with what was cut off");
        write("last");
        assert_eq!(read_lines(&log).unwrap(), [line("first"), line("last")]);
        assert!(current.exists() && !older.exists());
        let long = "x".repeat(10_000);
        (0..200).for_each(|_| write(&long));
        for path in [older, current] {
            assert!(fs::metadata(path).is_ok_and(|data| data.len() < FILE_BYTES + 11_000));
        }
        keep(dir.path(), &[], &[Change::Delete(Key::App(app(1)))]).unwrap();
        assert!(!older.exists() && !current.exists());
    }

    #[test]
    fn files_of_apps_that_nobody_knows_are_not_read_and_stay() {
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path(), &[(app(1), line("x"))], &[]).unwrap();
        let logs = Logs::open(dir.path(), &World::default()).unwrap();
        assert_eq!(logs.since(app(1), 0), (vec![], 0));
        assert!(log_of(dir.path(), app(1)).paths()[1].exists());
    }
}
