//! The installation as a whole: how it fares, its limits and its clock.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::{AccountId, Cidr, Region, Timestamp};
use serde::{Deserialize, Serialize};

/// `GET /_causeway/status`: what there is, and how the fabric fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The time by the server's clock, which a test may have moved.
    pub time: Timestamp,
    /// The short random name that marks what the installation made on its machine.
    pub instance: String,
    /// The region where a space is made when none is asked for.
    pub region: Region,
    /// The account that owns the spaces' VPCs.
    pub platform_account: AccountId,
    /// Whether the server is a test double that takes any credentials.
    pub emulator: bool,
    /// How many accounts there are.
    pub accounts: usize,
    /// All spaces, oldest first.
    pub spaces: Vec<SpaceSummary>,
    /// How many VPCs there are, those of spaces among them.
    pub vpcs: usize,
    /// Some of the VPCs that are nobody's space: the oldest, with their names and owners.
    #[serde(default)]
    pub some_vpcs: Vec<String>,
    /// How many apps there are.
    #[serde(default)]
    pub apps: usize,
    /// Some of the apps: the oldest, with their spaces.
    #[serde(default)]
    pub some_apps: Vec<String>,
    /// How many peerings there are, by the code of their status.
    pub peerings: BTreeMap<String, usize>,
    /// How many instances there are, by state.
    pub instances: BTreeMap<String, usize>,
    /// How many dynos there are, by state. Dynos that have ended are not counted.
    pub dynos: BTreeMap<String, usize>,
    /// How the fabric fares.
    pub fabric: Fabric,
    /// The certificate by which other machines know the server; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsCertificate>,
    /// The certificate that an ACME server issues (`serve --acme`); absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<ServerCertificate>,
    /// What was set aside at a start.
    pub lost: Vec<SetAside>,
    /// The names that people know, by id, of what `fabric` speaks of.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// What the server is beside others; `None` where it has its database to itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerRole>,
}

/// What a server is beside others that share its database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRole {
    /// Whether it leads.
    pub leads: bool,
    /// The name of the server that leads, as far as this one knows.
    pub leader: Option<String>,
    /// The number of its leadership, if it leads.
    pub epoch: Option<u64>,
    /// Whether it drives the networks and workloads.
    pub drives_fabric: bool,
    /// The name of the server that drives the networks and workloads; `None` where none carries packets.
    pub fabric: Option<String>,
    /// The revision of its world.
    pub revision: u64,
    /// By how many revisions that is behind the database.
    pub behind: u64,
}

/// A server that shares an installation with others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerEntry {
    /// The name that people know it by.
    pub name: String,
    /// Where it is reached.
    pub address: String,
    /// The version of its program.
    pub version: String,
    /// Whether it leads.
    pub leader: bool,
    /// Whether it drives the networks and workloads.
    pub fabric: bool,
    /// The revision of its world when it was last heard of.
    pub revision: u64,
    /// By how many revisions that was behind the database.
    pub behind: u64,
    /// For how many seconds nothing was heard of it by the server that was asked.
    pub silent_seconds: u64,
    /// Whether it is the server that was asked.
    pub this: bool,
}

/// The certificate that the APIs and the dashboard show now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsCertificate {
    /// The file that it comes from; absent (`null`) for one that an ACME server issued.
    pub file: Option<String>,
    /// Its SHA-256, as `sha256:` and hexadecimal digits.
    pub fingerprint: String,
    /// Until when it is valid; absent (`null`) where that cannot be read.
    pub valid_until: Option<Timestamp>,
}

/// The certificate of the APIs and the dashboard that an ACME server issues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCertificate {
    /// The names that are asked for.
    pub names: Vec<String>,
    /// Until when the one in use is valid; absent (`null`) before the first one.
    pub valid_until: Option<Timestamp>,
    /// Why the last attempt to get the next one failed; absent (`null`) once one succeeds.
    pub failing: Option<String>,
}

/// A space, in a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceSummary {
    /// The space's name.
    pub name: String,
    /// The space's state in the Platform API, such as `allocated`.
    pub state: String,
    /// The region that the space is in.
    pub region: Region,
    /// The block of the space's VPC.
    pub cidr: Cidr,
}

/// How the fabric fares. Also the answer to `POST /_causeway/sweep`, which compares the fabric with
/// what it must be, repairs it, and takes an empty body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fabric {
    /// What carries packets: `linux`, or `none`.
    pub driver: String,
    /// Whether everything is as it must be.
    pub healthy: bool,
    /// When the fabric was last looked at or changed; absent (`null`) until the first time.
    pub last_run: Option<Timestamp>,
    /// When all of the fabric was last compared with what it must be; absent (`null`) until the
    /// first time.
    pub last_sweep: Option<Timestamp>,
    /// How often the fabric was looked at or changed since the server started.
    pub runs: u64,
    /// How often drift was repaired since the server started.
    pub repairs: u64,
    /// The last repairs in words, newest last.
    pub last_repairs: Vec<String>,
    /// What is wrong with the networks now, by what it concerns.
    pub problems: BTreeMap<String, String>,
    /// The dynos, instances and data services that could not be started yet, each with the reason.
    pub failing: BTreeMap<String, String>,
}

/// Something in the data directory that no record names, and that a start moved to `lost/`.
/// `GET /_causeway/lost` answers with all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// The name by which it is deleted: the directory that it was in, and its name there.
    pub id: String,
    /// Where it is now, on the server's machine.
    pub path: PathBuf,
    /// When it was set aside.
    pub since: Timestamp,
}

/// The answer to `DELETE /_causeway/lost/ID`, which deletes for good what was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// The id of what was deleted.
    pub id: String,
}

/// `PUT /_causeway/spaces/SPACE/limits`: sets how many VPCs may be peered with a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPeeringLimit {
    /// How many VPCs may be peered with the space.
    pub peerings: u16,
}

/// The answer to [`SetPeeringLimit`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringLimit {
    /// The space, as the request named it.
    pub space: String,
    /// How many VPCs may be peered with the space.
    pub peerings: u16,
}

/// `POST /_causeway/clock`: moves the clock of a server that was started with `--test-clock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvanceClock {
    /// By how many seconds.
    pub advance_seconds: u64,
}

/// The answer to [`AdvanceClock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockAdvanced {
    /// The time by the moved clock.
    pub now: Timestamp,
}

/// `POST /_causeway/reset`: removes everything from an emulator, or what one account has. The query
/// string.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetQuery {
    /// The account that alone is emptied, by its id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// The answer to `PUT /_causeway/snapshot`, whose body is what `GET /_causeway/snapshot` answered:
/// everything is as it was then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotLoaded {
    /// When the snapshot was made, by the clock of its server.
    pub saved: Timestamp,
    /// How many records it holds.
    pub records: usize,
}
