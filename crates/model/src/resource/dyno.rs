//! Dynos: processes of apps.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{App, DynoSize, Exit, Owner, Resource, Stdio, pause_after};
use crate::{Alias, AppId, DynoId, EniId, Errand, HostId, Key, ReleaseId, SpaceId, Timestamp};

/// A process of an app, with its interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dyno {
    /// The dyno's id.
    pub id: DynoId,
    /// The app that the dyno belongs to.
    pub app: AppId,
    /// The space that the dyno belongs to.
    pub space: SpaceId,
    /// Its name in the app: `web.1`, `run.1234`. While one dyno takes another's place, both have
    /// the same.
    pub name: String,
    /// The process type: `run` for one-off dynos.
    pub process_type: String,
    /// The dyno's slot in the formation, from 1; `None` for one-off dynos.
    pub number: Option<u16>,
    /// The release that the dyno runs.
    pub release: ReleaseId,
    /// The command that runs, for a shell.
    pub command: String,
    /// The size of the dyno.
    pub size: DynoSize,
    /// Environment variables of this dyno alone.
    pub environment: BTreeMap<String, String>,
    /// Where the process's standard input and output lead.
    #[serde(default, skip_serializing_if = "Stdio::is_log")]
    pub stdio: Stdio,
    /// The dyno's state.
    pub state: DynoState,
    /// How its process ended, if it has.
    pub exit: Option<Exit>,
    /// The dyno's interface.
    pub eni: EniId,
    /// The host that it runs on; `None` while it waits for one, or where there are no hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// Whether another dyno has its place: it runs on only until that one is up.
    pub superseded: bool,
    /// Before that nothing is started in its place: until then it may run, though nobody hears of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced_until: Option<Timestamp>,
    /// How many dynos in its slot have crashed before it, in a row.
    pub crashes: u16,
    /// When the dyno was created.
    pub created: Timestamp,
    /// When the dyno's state last changed.
    pub updated: Timestamp,
}

impl Dyno {
    /// The process type of one-off dynos.
    pub(crate) const ONE_OFF: &str = "run";
    /// The process type that runs once before a release becomes current.
    pub const RELEASE: &str = "release";

    /// Whether it gets web requests.
    pub(crate) fn is_web(&self) -> bool {
        self.number.is_some() && self.process_type == App::WEB
    }

    /// Whether it runs a command once, as somebody asked.
    pub(crate) fn is_one_off(&self) -> bool {
        self.number.is_none() && self.process_type == Self::ONE_OFF
    }

    /// Whether it runs what comes before a release.
    pub fn is_release_command(&self) -> bool {
        self.number.is_none() && self.process_type == Self::RELEASE
    }

    /// Whether it runs or is to, also after a pause. Others have ended, and are kept for a while for
    /// their logs.
    pub fn is_live(&self) -> bool {
        let waits = self.number.is_some() && !self.superseded && self.state == DynoState::Crashed;
        waits || !self.state.ended()
    }

    /// The port that it is told to bind: above what needs a privilege, and no habit to rely on.
    pub fn port(&self) -> u16 {
        const FIRST: u16 = 10_000;
        const SPAN: u128 = 50_000;
        FIRST + (self.id.0.as_u128() % SPAN) as u16
    }
}

/// The state of a dyno. Dynos that have ended are kept for a while, for their logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DynoState {
    /// Asked for; its process does not run yet.
    Starting,
    /// A web dyno that runs and has not bound its port yet.
    Booting,
    /// Runs, and does what it is for.
    Up,
    /// Gets no new requests, and finishes those that it has.
    Draining,
    /// Told to stop; its process may still run.
    Stopping,
    /// Ended, with success or because it was told to.
    Down,
    /// Ended with a failure, or could not start.
    Crashed,
}

impl DynoState {
    /// Its name in the Platform API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting | Self::Booting => "starting",
            Self::Up => "up",
            Self::Draining | Self::Stopping | Self::Down => "down",
            Self::Crashed => "crashed",
        }
    }

    /// Whether it must run.
    pub const fn wants_to_run(self) -> bool {
        matches!(self, Self::Starting | Self::Booting | Self::Up | Self::Draining)
    }

    /// Whether it has ended.
    pub const fn ended(self) -> bool {
        matches!(self, Self::Down | Self::Crashed)
    }
}

/// How long a dyno is kept after it has ended.
const KEPT: Duration = Duration::from_secs(3600);
/// How long the output of a release command is kept.
const RELEASE_OUTPUT_KEPT: Duration = Duration::from_secs(24 * 3600);

impl Dyno {
    /// How long a web dyno may take to bind its port before it has crashed (Heroku's error R10).
    pub(crate) const BOOT_TIME: Duration = Duration::from_secs(60);
    /// How long a web dyno that is to stop may go on answering the requests that it has.
    pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(30);
    /// How long a release command may take.
    pub(crate) const RELEASE_TIME: Duration = Duration::from_secs(3600);

    /// When another dyno is started in its place, if it has crashed and there is to be one.
    pub fn tried_again(&self) -> Option<Timestamp> {
        let waits = self.state == DynoState::Crashed && self.number.is_some() && !self.superseded;
        let pause = self.updated + pause_after(self.crashes);
        waits.then(|| self.fenced_until.unwrap_or(pause))
    }

    /// When its state changes because time passes.
    fn deadline(&self) -> Option<Timestamp> {
        match self.state {
            DynoState::Starting | DynoState::Up if self.is_release_command() => {
                Some(self.created + Self::RELEASE_TIME)
            }
            DynoState::Booting => Some(self.updated + Self::BOOT_TIME),
            DynoState::Draining => Some(self.updated + Self::DRAIN_TIME),
            DynoState::Crashed => self.tried_again(),
            DynoState::Starting | DynoState::Up | DynoState::Stopping | DynoState::Down => None,
        }
    }
}

impl Resource for Dyno {
    const SECRETS: &'static [&'static str] = &["environment"];

    fn key(&self) -> Key {
        Key::Dyno(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::App(self.app)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::App(self.app));
        each(Key::Space(self.space));
        each(Key::Release(self.release));
        self.host.into_iter().for_each(|host| each(Key::Host(host)));
    }

    /// Of dynos with the same name, the one that was not superseded has it; beside it only one that
    /// is up is ever looked for.
    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        let name = || self.name.as_str().into();
        if !self.superseded {
            each(Alias::Dyno(self.app, name()));
        } else if self.state == DynoState::Up {
            each(Alias::Predecessor(self.app, name()));
        }
    }

    fn due(&self) -> Option<(Errand, Timestamp)> {
        if let Some(at) = self.deadline() {
            return Some((Errand::Act, at));
        }
        let kept = if self.is_release_command() { RELEASE_OUTPUT_KEPT } else { KEPT };
        self.state.ended().then(|| (Errand::Forget, self.updated + kept))
    }
}
