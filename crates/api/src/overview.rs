//! Overviews of what there is: the operator sees all of it, everybody else what is theirs.
//!
//! `GET /_causeway/overview/KIND` answers with an [`Overview`] of rows of that kind. Who asks as a user
//! sees the spaces of their teams, who asks as an account its VPCs, who gives both proofs both.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use model::{AccountId, AppId, Cidr, InstanceId, PcxId, Region, SpaceId, Timestamp, VpcId};
use serde::{Deserialize, Serialize};

/// All rows of a kind, with the time by the server's clock, from which ages are counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview<Row> {
    /// The time by the server's clock.
    pub time: Timestamp,
    /// The rows, oldest first.
    pub rows: Vec<Row>,
}

/// A VPC, of `GET /_causeway/overview/vpcs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcRow {
    /// The VPC's id.
    pub id: VpcId,
    /// The name that people know it by: its tag `Name`, or what it is to a space.
    pub name: String,
    /// The name of its owner: an account, or the team of its space.
    pub owner: String,
    /// The account that it belongs to.
    pub account: AccountId,
    /// The space whose VPC it is, if it is one's.
    pub space: Option<String>,
    /// The region that it is in.
    pub region: Region,
    /// The state that EC2 shows.
    pub state: String,
    /// Its blocks, primary first.
    pub cidrs: Vec<Cidr>,
    /// How many peerings of it have not ended.
    pub peerings: usize,
    /// When it was created; absent (`null`) in what older versions made.
    pub created: Option<Timestamp>,
}

/// One side of a [`PeeringRow`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringEnd {
    /// The VPC.
    pub vpc: VpcId,
    /// The name that people know the VPC by; empty where who asks may not know it.
    pub name: String,
    /// The name of the owner, or only the account's id where who asks may not know more.
    pub owner: String,
    /// The VPC's blocks.
    pub cidrs: Vec<Cidr>,
}

/// A peering, of `GET /_causeway/overview/peerings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringRow {
    /// The peering's id.
    pub id: PcxId,
    /// The code of its status.
    pub state: String,
    /// Who asked for it.
    pub requester: PeeringEnd,
    /// Who was asked.
    pub accepter: PeeringEnd,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it came into its state.
    pub since: Timestamp,
    /// When it expires unless it is accepted; `null` once it was answered.
    pub expires: Option<Timestamp>,
}

/// An instance, of `GET /_causeway/overview/instances`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRow {
    /// The instance's id.
    pub id: InstanceId,
    /// Its tag `Name`, or nothing.
    pub name: String,
    /// The name of the account that owns it.
    pub owner: String,
    /// The region that it is in.
    pub region: Region,
    /// The VPC that it is in.
    pub vpc: VpcId,
    /// Its private address.
    pub address: Ipv4Addr,
    /// Its instance type.
    pub instance_type: String,
    /// The name of its state.
    pub state: String,
    /// When it was launched.
    pub launched: Timestamp,
    /// When it came into its state.
    pub since: Timestamp,
}

/// A space, of `GET /_causeway/overview/spaces`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceRow {
    /// The space's id.
    pub id: SpaceId,
    /// The space's name.
    pub name: String,
    /// The name of the team that owns it.
    pub owner: String,
    /// The region that it is in.
    pub region: Region,
    /// The name of its state.
    pub state: String,
    /// Its VPC.
    pub vpc: VpcId,
    /// The block of its VPC.
    pub cidr: Cidr,
    /// How many apps it has.
    pub apps: usize,
    /// How many dynos run in it, or are to.
    pub dynos: usize,
    /// How many peerings with others' VPCs have not ended.
    pub peerings: usize,
    /// When it was created.
    pub created: Timestamp,
}

/// An app, of `GET /_causeway/overview/apps`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppRow {
    /// The app's id.
    pub id: AppId,
    /// The app's name.
    pub name: String,
    /// The name of the team that owns it.
    pub owner: String,
    /// The name of the space that it runs in.
    pub space: String,
    /// The number of its current release.
    pub release: u32,
    /// How many dynos it has, by state; what ended is not counted.
    pub dynos: BTreeMap<String, usize>,
    /// When it was created.
    pub created: Timestamp,
    /// When its current release was made.
    pub released: Timestamp,
}

/// What the processes of an installation use. `GET /_causeway/usage` answers with it, for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The time by the server's clock.
    pub time: Timestamp,
    /// When the figures were read, in microseconds of a clock that nobody moves. Rates are differences
    /// of figures by differences of this.
    pub read_at_micros: u64,
    /// Everything that runs, or is to: by space and app, and by account.
    pub rows: Vec<UsageRow>,
}

/// What one process uses. The figures are `null` where nothing runs or the machine does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    /// The id of the process: of a dyno, an instance or a data service.
    pub id: String,
    /// What it is: `dyno`, `instance` or `service`.
    pub kind: String,
    /// The name that people know it by.
    pub name: String,
    /// The name of its owner: a team or an account.
    pub owner: String,
    /// The space that it is in; empty for an instance.
    pub space: String,
    /// Its state.
    pub state: String,
    /// Microseconds of processor time since it was started.
    pub cpu_micros: Option<u64>,
    /// Bytes of memory now.
    pub memory: Option<u64>,
    /// How many processes it consists of.
    pub processes: Option<u64>,
    /// Bytes that it received since it was started.
    pub received_bytes: Option<u64>,
    /// Packets that it received since it was started.
    pub received_packets: Option<u64>,
    /// Bytes that it sent since it was started.
    pub sent_bytes: Option<u64>,
    /// Packets that it sent since it was started.
    pub sent_packets: Option<u64>,
}
