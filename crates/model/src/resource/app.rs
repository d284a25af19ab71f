//! Apps: their code, releases, formation, dynos and data services.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AddonId, AppId, DomainId, DynoId, EniId, ReleaseId, SlugId, SpaceId, TeamId, Timestamp, UserId,
};

/// An app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// Its name, unique.
    pub name: String,
    /// The team that owns it.
    pub team: TeamId,
    /// The space that it runs in.
    pub space: SpaceId,
    /// Who made it.
    pub owner: UserId,
    /// Whether it is served inside only (R26).
    pub internal_routing: bool,
    /// Its name under the platform's domain: `<name>-<12 digits>`, unique.
    pub label: String,
    /// What its dynos find in their environment from the current release on.
    pub config: BTreeMap<String, String>,
    /// How many dynos of each process type are wanted.
    pub formation: BTreeMap<String, Formation>,
    /// Custom domains, by name.
    pub domains: BTreeMap<String, Domain>,
    /// The release that its dynos run.
    pub release: ReleaseId,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

impl App {
    /// The process type that gets web requests.
    pub const WEB: &str = "web";
}

/// How many dynos of one process type are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formation {
    /// How many.
    pub quantity: u16,
    /// Of which size.
    pub size: DynoSize,
    /// When that was last said.
    pub updated: Timestamp,
}

/// A custom domain of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Its id.
    pub id: DomainId,
    /// When it was added.
    pub created: Timestamp,
}

/// What a dyno may use. Shares, not reservations: the machine is the operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DynoSize {
    /// 1 GiB.
    #[serde(rename = "Private-S")]
    S,
    /// 2.5 GiB.
    #[serde(rename = "Private-M")]
    M,
    /// 14 GiB.
    #[serde(rename = "Private-L")]
    L,
    /// 30 GiB.
    #[serde(rename = "Private-XL")]
    Xl,
    /// 62 GiB.
    #[serde(rename = "Private-2XL")]
    Xxl,
    /// 30 GiB with the processors of an L.
    #[serde(rename = "Private-L-RAM")]
    LRam,
}

impl DynoSize {
    /// Every size.
    pub const ALL: [Self; 6] = [Self::S, Self::M, Self::L, Self::Xl, Self::Xxl, Self::LRam];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::S => "Private-S",
            Self::M => "Private-M",
            Self::L => "Private-L",
            Self::Xl => "Private-XL",
            Self::Xxl => "Private-2XL",
            Self::LRam => "Private-L-RAM",
        }
    }

    /// A size by its name, whatever its case.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of memory that a dyno of it may use.
    pub const fn memory(self) -> u64 {
        const MIB: u64 = 1 << 20;
        match self {
            Self::S => 1024 * MIB,
            Self::M => 2560 * MIB,
            Self::L => 14 * 1024 * MIB,
            Self::Xl | Self::LRam => 30 * 1024 * MIB,
            Self::Xxl => 62 * 1024 * MIB,
        }
    }

    /// Its share of the processors, as a cgroup's weight.
    pub const fn cpu_weight(self) -> u16 {
        match self {
            Self::S => 100,
            Self::M => 200,
            Self::L | Self::LRam => 400,
            Self::Xl => 800,
            Self::Xxl => 1600,
        }
    }
}

/// An app's code as it was uploaded, with what can be run of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slug {
    /// Its id.
    pub id: SlugId,
    /// The app.
    pub app: AppId,
    /// The command of each process type.
    pub process_types: BTreeMap<String, String>,
    /// Which commit it is of, as its maker says.
    pub commit: Option<String>,
    /// SHA-256 of what must be uploaded, in hexadecimal, where its maker says it.
    pub checksum: Option<String>,
    /// Bytes that were uploaded; `None` before that.
    pub size: Option<u64>,
    /// Whether a release was made of it: then it goes with the last of them.
    #[serde(default)]
    pub released: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// What an app's dynos run: code and configuration, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its id.
    pub id: ReleaseId,
    /// The app.
    pub app: AppId,
    /// Its number in the app, from 1.
    pub version: u32,
    /// Its code; `None` before any was deployed.
    pub slug: Option<SlugId>,
    /// The environment of its dynos.
    pub config: BTreeMap<String, String>,
    /// What it changed.
    pub description: String,
    /// Who made it; `None` for the operator and the platform.
    pub user: Option<UserId>,
    /// When it was made.
    pub created: Timestamp,
}

/// A process of an app, with its interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dyno {
    /// Its id.
    pub id: DynoId,
    /// The app.
    pub app: AppId,
    /// The space.
    pub space: SpaceId,
    /// Its name in the app: `web.1`, `run.1234`. While one dyno takes another's place, both have
    /// the same.
    pub name: String,
    /// The process type: `run` for one-off dynos.
    pub process_type: String,
    /// Its place in the formation, from 1; `None` for one-off dynos.
    pub number: Option<u16>,
    /// The release that it runs.
    pub release: ReleaseId,
    /// What runs, for a shell.
    pub command: String,
    /// Its size.
    pub size: DynoSize,
    /// Environment variables of this dyno alone.
    pub environment: BTreeMap<String, String>,
    /// How far it is.
    pub state: DynoState,
    /// Why it ended, where it did.
    pub exit: Option<Exit>,
    /// Its interface.
    pub eni: EniId,
    /// Whether another dyno has its place: it runs on only until that one is up.
    pub superseded: bool,
    /// How often in a row the dyno in its place has crashed before.
    pub crashes: u16,
    /// When it was made.
    pub created: Timestamp,
    /// When its state last changed.
    pub updated: Timestamp,
}

impl Dyno {
    /// Whether it gets web requests.
    pub fn is_web(&self) -> bool {
        self.number.is_some() && self.process_type == App::WEB
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

/// How far a dyno is. Those that ended are kept for a while, for their logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DynoState {
    /// Asked for.
    Starting,
    /// A web dyno that runs and has not bound its port yet.
    Booting,
    /// Runs, and does what it is for.
    Up,
    /// Gets no new requests, and finishes those that it has.
    Draining,
    /// Told to stop; it still may run.
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

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with a status.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// By the kernel, for want of memory.
    OutOfMemory,
    /// It never ran.
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

/// A data service of an app, in its space's data VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addon {
    /// Its id.
    pub id: AddonId,
    /// The app that it was made for.
    pub app: AppId,
    /// The space.
    pub space: SpaceId,
    /// Its name, unique.
    pub name: String,
    /// What it is an instance of.
    pub plan: Plan,
    /// What opens it, for its process and for its app's environment.
    pub password: String,
    /// How far it is.
    pub state: AddonState,
    /// Its interface in the data VPC.
    pub eni: EniId,
    /// The variables that the app got with it, so that they go with it.
    pub variables: Vec<String>,
    /// Where else its variables are, under names of their own.
    #[serde(default)]
    pub attachments: Vec<AddonAttachment>,
    /// How often in a row its process has ended before it had run for a while.
    pub crashes: u16,
    /// How often its process was started anew, modulo 2^16.
    #[serde(default)]
    pub attempt: u16,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

impl Addon {
    /// The name under which the app that it was made for has it: `DATABASE` of `DATABASE_URL`.
    pub fn own_attachment(&self) -> &str {
        first_words(&self.variables).unwrap_or(&self.name)
    }

    /// What an app has of it: the name and the variables of each attachment, its own first.
    pub fn attachments_to(&self, app: AppId) -> impl Iterator<Item = (&str, &[String])> {
        let own = (self.app == app).then(|| (self.own_attachment(), self.variables.as_slice()));
        let others = self.attachments.iter().filter(move |attachment| attachment.app == app);
        own.into_iter().chain(others.map(|a| (a.name.as_str(), a.variables.as_slice())))
    }
}

/// What gives an app of the same space a data service's variables, beside the app that the service
/// was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddonAttachment {
    /// The app.
    pub app: AppId,
    /// Its name, unique in the app: `CACHE`.
    pub name: String,
    /// The variables that the app got with it: `CACHE_URL`.
    pub variables: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
}

/// The words that some names of variables begin with, without the last one of each; of the first
/// alone where they have none in common.
fn first_words<'a>(
    names: impl IntoIterator<Item = &'a String, IntoIter: Clone>,
) -> Option<&'a str> {
    let names = names.into_iter();
    let first = names.clone().next()?.as_str();
    let begins = |name: &String, words: &str| {
        name.strip_prefix(words).is_some_and(|rest| rest.starts_with('_'))
    };
    let mut shorter =
        std::iter::successors(first.rsplit_once('_'), |(words, _)| words.rsplit_once('_'))
            .map(|(words, _)| words);
    let common = shorter.find(|words| names.clone().all(|name| begins(name, words)));
    Some(common.unwrap_or_else(|| first.rsplit_once('_').map_or(first, |(words, _)| words)))
}

/// How far an add-on is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddonState {
    /// Its process is about to run.
    Provisioning,
    /// It runs.
    Provisioned,
    /// It ended, and is tried again after a pause.
    Crashed,
}

/// A kind of data service, as the operator defines it. Each add-on keeps its own copy: what the
/// operator changes later is for new ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The service: `heroku-postgresql`.
    pub service: String,
    /// The plan of it: `standard-0`.
    pub plan: String,
    /// What it is for, for people.
    #[serde(default)]
    pub description: String,
    /// The port that it answers on.
    pub port: u16,
    /// What runs, for a shell. It finds its disk at `data`, and `ADDRESS`, `PORT` and `PASSWORD` in
    /// its environment.
    pub command: String,
    /// A directory of the host that holds a whole root file system: what the command finds instead
    /// of the host's own programs.
    #[serde(default)]
    pub image: Option<String>,
    /// Directories and files of the host that it sees too, read-only, each where it is: an
    /// installation outside `/usr`.
    #[serde(default)]
    pub mounts: Vec<String>,
    /// Where it finds its disk.
    #[serde(default = "Plan::default_data")]
    pub data: String,
    /// Its further environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What the app gets: variables with `{host}`, `{port}` and `{password}` in them.
    pub config: BTreeMap<String, String>,
    /// Bytes of memory that it may use.
    #[serde(default)]
    pub memory: Option<u64>,
    /// What writes all of its data to standard output while it runs, for a shell beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// What reads that from standard input and puts it on an empty disk at `/data`, before the
    /// first start there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<String>,
}

impl Plan {
    /// Where a service finds its disk, unless its plan says otherwise.
    pub const DATA: &str = "/data";

    fn default_data() -> String {
        Self::DATA.to_owned()
    }

    /// `service:plan`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.plan)
    }

    /// The variables by which an attachment of a name gives what [`Self::variables`] has, in the
    /// order of those: `CACHE_URL` for `REDIS_URL`.
    pub fn attached_as(&self, name: &str) -> Vec<String> {
        let usual = self.usual_attachment();
        let rename = |variable: &String| match variable.strip_prefix(usual) {
            Some(rest) if rest.starts_with('_') => format!("{name}{rest}"),
            Some(_) | None => format!("{name}_{variable}"),
        };
        self.config.keys().map(rename).collect()
    }

    /// The name of an attachment by which its variables are what the plan calls them.
    pub fn usual_attachment(&self) -> &str {
        first_words(self.config.keys()).unwrap_or("ADDON")
    }

    /// The variables for an app, with what is known of an instance filled in.
    pub fn variables(&self, host: std::net::Ipv4Addr, password: &str) -> BTreeMap<String, String> {
        let fill = |text: &String| {
            text.replace("{host}", &host.to_string())
                .replace("{port}", &self.port.to_string())
                .replace("{password}", password)
        };
        self.config.iter().map(|(name, text)| (name.clone(), fill(text))).collect()
    }
}
