//! What the fabric must look like: the only thing that a driver of networks and a runtime of processes
//! are told.
//!
//! An intent is pure data, derived from the world by a pure plan.
//! A VPC's intent holds everything that its own router needs, so that a change to one VPC touches
//! nothing of another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use crate::mac::MacAddr;
use crate::{
    AclId, AddonId, Cidr, EniId, IgwId, MalformedId, NatGatewayId, OutboundWay, PcxId, PortRange,
    RouteTableId, SecurityGroupId, SlugId, Stdio, SubnetId, Traffic, VpcId, WorkloadId,
};

/// Everything that the fabric must carry and run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intent {
    /// What the driver of networks is told.
    pub networks: NetworksIntent,
    /// What the runtime of processes is told.
    pub workloads: WorkloadsIntent,
}

/// What changed of an [`Intent`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IntentDelta {
    /// What the driver of networks is told.
    pub networks: NetworksDelta,
    /// What the runtime of processes is told.
    pub workloads: WorkloadsDelta,
}

/// All networks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworksIntent {
    /// The routers, one for each VPC.
    pub vpcs: BTreeMap<VpcId, VpcIntent>,
    /// The links between routers, one for each peering connection that was accepted.
    pub peerings: BTreeMap<PcxId, PeeringIntent>,
    /// What the exits of routers lead to; `None` where nothing leads out.
    #[serde(default)]
    pub uplink: Option<UplinkIntent>,
}

/// What changed of networks: `None` means that it must go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworksDelta {
    /// Routers made, changed or removed.
    pub vpcs: BTreeMap<VpcId, Option<VpcIntent>>,
    /// Links made, changed or removed.
    pub peerings: BTreeMap<PcxId, Option<PeeringIntent>>,
    /// The uplink made, changed or removed.
    #[serde(default)]
    pub uplink: UplinkDelta,
}

/// All processes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkloadsIntent(
    /// By workload.
    #[serde(with = "by_workload")]
    pub BTreeMap<WorkloadId, WorkloadIntent>,
);

/// What changed of processes: `None` means that it must go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkloadsDelta(
    /// By workload.
    #[serde(with = "by_workload")]
    pub BTreeMap<WorkloadId, Option<WorkloadIntent>>,
);

impl WorkloadsDelta {
    /// The workloads that need not run.
    pub fn idle(&self) -> BTreeSet<WorkloadId> {
        let runs = |intent: &Option<WorkloadIntent>| intent.as_ref().is_some_and(|it| it.run);
        self.0.iter().filter(|(_, intent)| !runs(intent)).map(|(id, _)| *id).collect()
    }
}

/// One VPC's router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcIntent {
    /// The VPC's blocks, primary first. An address inside them that no interface has is
    /// unreachable, whatever wider routes the tables have: the `local` route wins.
    pub cidrs: Vec<Cidr>,
    /// Where its resolver answers to its own interfaces (`ec2.md` §1.8): no group, ACL or route
    /// stands in the way, and no peer gets there. Empty where the VPC has none.
    pub resolvers: Vec<Ipv4Addr>,
    /// The subnets of the VPC.
    pub subnets: BTreeMap<SubnetId, SubnetIntent>,
    /// Its route tables without the `local` routes. Longest prefix wins. Those to one of the VPC's blocks,
    /// or inside one, come before what lies in the VPC, but for what stays in a subnet: that meets no
    /// route table.
    pub route_tables: BTreeMap<RouteTableId, BTreeMap<Cidr, RouteTarget>>,
    /// The interfaces that something uses, and those of private NAT gateways. An interface that nothing
    /// uses is not here.
    pub interfaces: BTreeMap<EniId, InterfaceIntent>,
    /// The security groups that those interfaces are in.
    pub groups: BTreeMap<SecurityGroupId, GroupIntent>,
    /// The members of each group that a rule of `groups` names, in this VPC or, by an active
    /// peering, in another.
    pub members: BTreeMap<SecurityGroupId, BTreeSet<Member>>,
    /// The network ACLs that any subnet uses and that restrict anything. A subnet whose ACL is
    /// not here passes all.
    pub acls: BTreeMap<AclId, AclIntent>,
    /// This VPC's ends of its peerings.
    pub peerings: BTreeMap<PcxId, PeeringEnd>,
    /// Its ways to what is outside of the installation.
    #[serde(default)]
    pub exits: BTreeMap<ExitId, ExitIntent>,
    /// Blocks that nothing is sent to by any of its exits.
    #[serde(default)]
    pub denied: Vec<Cidr>,
    /// Whether its own interfaces are told at once, by ICMP, that no route leads to where they
    /// send. EC2 is silent, so only the platform's VPCs say it.
    pub refuses_unrouted: bool,
}

/// A member of a group, as one router sees it. Two peers may have the same addresses, so an
/// address alone does not say who somebody is; the way by which its packets come and go does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// By what its packets come, and what is for it leaves.
    pub via: Via,
    /// The member's address.
    pub address: Ipv4Addr,
}

/// By what a packet comes to a router, or leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// An interface of the VPC itself.
    Interface(EniId),
    /// A peering connection.
    Peering(PcxId),
    /// A way to what is outside.
    Exit(ExitId),
}

/// A subnet of a router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetIntent {
    /// The subnet's block.
    pub cidr: Cidr,
    /// The route table that what leaves its interfaces follows.
    pub route_table: RouteTableId,
    /// The network ACL that guards its boundary; `None` where the ACL restricts nothing.
    pub acl: Option<AclId>,
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTarget {
    /// The VPC on the other side of a peering.
    Peering(PcxId),
    /// To an interface of the same VPC (a middlebox).
    Interface(EniId),
    /// What is outside.
    Exit(ExitId),
    /// Nowhere: what it led to is gone or not there yet. Packets are dropped.
    Blackhole,
}

/// An interface in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceIntent {
    /// The interface's Ethernet address.
    pub mac: MacAddr,
    /// The subnet it is in.
    pub subnet: SubnetId,
    /// The interface's addresses, primary first.
    pub addresses: Vec<Ipv4Addr>,
    /// The groups it is in, sorted.
    pub groups: Vec<SecurityGroupId>,
    /// Whether it may only send from and receive for its own addresses.
    pub source_dest_check: bool,
    /// Bytes that a packet may have.
    pub mtu: u16,
    /// Where a process that has several interfaces sees this one; `None` for its first one, which gives
    /// the process its network namespace.
    #[serde(default)]
    pub slot: Option<Slot>,
    /// Whether it is a private NAT gateway's: what a route leads to it is sent on by its first address, and
    /// answers go back to who sent it. It is in no group, and takes nothing that is for itself.
    #[serde(default)]
    pub translates: bool,
}

/// The place of a further interface of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The first interface of the process.
    pub host: EniId,
    /// The number of this one among those of the process, from 1.
    pub index: u8,
}

/// A security group's rules as a router needs them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupIntent {
    /// What may come in.
    pub ingress: BTreeSet<RuleIntent>,
    /// What may go out.
    pub egress: BTreeSet<RuleIntent>,
}

/// One rule of a security group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleIntent {
    /// The traffic that the rule matches.
    pub traffic: Traffic,
    /// The source of incoming traffic, or the destination of outgoing traffic.
    pub peer: RulePeer,
}

/// The other side of a security group's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RulePeer {
    /// Any address of a block.
    Cidr(Cidr),
    /// The members of a group, each by its own way: [`VpcIntent::members`].
    Group(SecurityGroupId),
}

/// A network ACL's entries, in the order of their numbers; what none matches is denied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclIntent {
    /// For packets that enter a subnet; `cidr` is the packet's source.
    pub ingress: Vec<AclEntryIntent>,
    /// For packets that leave a subnet; `cidr` is the packet's destination.
    pub egress: Vec<AclEntryIntent>,
}

/// One entry of a network ACL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclEntryIntent {
    /// Whether it lets pass or drops.
    pub allow: bool,
    /// The traffic that the entry matches.
    pub traffic: Traffic,
    /// The block of the source of incoming traffic, or of the destination of outgoing traffic.
    pub cidr: Cidr,
}

/// One VPC's end of a peering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringEnd {
    /// Blocks of this VPC that what arrives may be for. Everything else that arrives is dropped,
    /// so transit is impossible (R23), and a space's peers reach only what they may (R20).
    pub admits_to: Vec<Cidr>,
    /// Blocks that what arrives may come from; `None` is any, as EC2 has it between VPCs.
    pub admits_from: Option<Vec<Cidr>>,
    /// The blocks of the VPC behind it. What comes from a block that only other peers have is
    /// forged, and dropped.
    pub behind: Vec<Cidr>,
}

/// A way from a VPC to what is outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitId {
    /// An internet gateway: for interfaces that have public addresses, in both directions.
    Gateway(IgwId),
    /// A NAT gateway: one address for all that is sent; nothing comes in but answers.
    Nat(NatGatewayId),
}

impl fmt::Display for ExitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(igw) => igw.fmt(f),
            Self::Nat(nat) => nat.fmt(f),
        }
    }
}

impl FromStr for ExitId {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        text.parse().map(Self::Gateway).or_else(|_| text.parse().map(Self::Nat))
    }
}

/// As text, for a JSON object has no other keys.
impl Serialize for ExitId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExitId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A way to what is outside, as a router makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitIntent {
    /// Each of these private addresses has its own public one, which stands for it outside.
    OneToOne(
        /// The public address of each private one.
        BTreeMap<Ipv4Addr, Ipv4Addr>,
    ),
    /// All who send by it have one public address.
    Shared(SharedExit),
}

/// A public address that many share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedExit {
    /// The public address.
    pub address: Ipv4Addr,
    /// The subnet that it is in, whose ACL everything that goes by it meets twice: on its way
    /// into the subnet and out of it.
    pub subnet: SubnetId,
    /// The blocks that the subnet's own route table leads outside; nothing else is sent.
    pub leads_to: Vec<Cidr>,
}

impl SharedExit {
    /// The ports that senders behind it are seen to use outside.
    pub const PORTS: PortRange = PortRange { from: 1024, to: 65_535 };
}

impl ExitIntent {
    /// The public addresses that lead to it.
    pub fn addresses(&self) -> Vec<Ipv4Addr> {
        match self {
            Self::OneToOne(publics) => publics.values().copied().collect(),
            Self::Shared(shared) => vec![shared.address],
        }
    }
}

/// What the exits of all routers lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkIntent {
    /// The way out of this host.
    pub way: OutboundWay,
    /// Blocks that nothing is sent to.
    pub denied: Vec<Cidr>,
}

/// What changed of the uplink.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UplinkDelta {
    /// Nothing.
    #[default]
    Same,
    /// It must be this.
    Put(UplinkIntent),
    /// It must go.
    Gone,
}

/// The link between two routers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringIntent {
    /// The VPC of the side that asked.
    pub requester: VpcId,
    /// The VPC of the side that was asked.
    pub accepter: VpcId,
    /// Bytes that a packet may have: 9001 within a region, 1500 between two (R5).
    pub mtu: u16,
}

/// A process that must run, with its interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadIntent {
    /// The interface that it has, which is in the VPC's intent too.
    pub interface: EniId,
    /// The VPC that the interface is in.
    pub vpc: VpcId,
    /// The process's addresses, primary first.
    pub addresses: Vec<Ipv4Addr>,
    /// The name that it sees as its own.
    pub hostname: String,
    /// How it looks names up.
    #[serde(default)]
    pub names: NamesIntent,
    /// What runs: the program and its arguments.
    pub command: Vec<String>,
    /// A script that is run first, as an instance's user data is; its end does not end the
    /// workload.
    pub user_data: Option<Vec<u8>>,
    /// The process's environment variables.
    pub environment: BTreeMap<String, String>,
    /// The slug whose files it finds in its home, and may change there for itself.
    #[serde(default)]
    pub slug: Option<SlugId>,
    /// The SHA-256 of the packed slug, in hexadecimal, by which it is fetched where it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// A directory that outlives the process, for a data service.
    #[serde(default)]
    pub disk: Option<Disk>,
    /// The directory of the host whose files it sees as its root file system, read-only, instead
    /// of the host's own programs.
    #[serde(default)]
    pub image: Option<String>,
    /// What else of the host's it sees, read-only, each where it is.
    #[serde(default)]
    pub mounts: Vec<String>,
    /// Bytes of memory that it may use; `None` is no limit.
    pub memory_limit: Option<u64>,
    /// Its share of the processors as a cgroup's weight, 1 to 10,000; `None` is the default (100).
    #[serde(default)]
    pub cpu_weight: Option<u16>,
    /// Where its standard input and output lead.
    #[serde(default)]
    pub stdio: Stdio,
    /// How often it was tried before: what ended by itself runs again when this changes.
    #[serde(default)]
    pub attempt: u16,
    /// Whether it is to end by itself, and something waits for that.
    #[serde(default)]
    pub once: bool,
    /// Whether its host ends it once it has not reached the servers for [`Host::FENCE`](crate::Host::FENCE),
    /// as another one may run in its place from [`Host::FENCED`](crate::Host::FENCED) on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fenced: bool,
    /// Whether it must run (`true`) or be stopped and kept (`false`).
    pub run: bool,
}

/// How a process looks names up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamesIntent {
    /// The names under which it looks up a name that has no dots.
    pub search: Vec<String>,
    /// The resolvers that it asks.
    pub servers: Vec<IpAddr>,
}

/// Asks the resolver of its VPC, for names as they are.
impl Default for NamesIntent {
    fn default() -> Self {
        Self { search: Vec::new(), servers: vec![crate::edge::RESOLVER.into()] }
    }
}

/// A directory that outlives the process that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The data service whose disk it is.
    pub addon: AddonId,
    /// Where the process sees it.
    pub at: String,
    /// Bytes that it may hold; `None` for one that was made before disks had a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// Maps whose keys are written as text, since a JSON object has no other keys.
pub(crate) mod by_workload {
    use std::collections::BTreeMap;

    use serde::de::{DeserializeOwned, Error};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::WorkloadId;

    pub(crate) fn serialize<S: Serializer, Part: Serialize>(
        parts: &BTreeMap<WorkloadId, Part>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(parts.iter().map(|(id, part)| (id.to_string(), part)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, Part: DeserializeOwned>(
        deserializer: D,
    ) -> Result<BTreeMap<WorkloadId, Part>, D::Error> {
        let parts = BTreeMap::<String, Part>::deserialize(deserializer)?;
        let read = |(id, part): (String, Part)| Ok((id.parse().map_err(D::Error::custom)?, part));
        parts.into_iter().map(read).collect()
    }
}
