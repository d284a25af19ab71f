//! The VPC's half: what EC2 has.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::intent::MacAddr;
use crate::{
    AccountId, AclAssociationId, AclId, Cidr, DhcpOptionsId, EniAttachmentId, EniId, Exit, IgwId,
    InstanceId, PcxId, Region, ReservationId, RouteTableAssociationId, RouteTableId, Scope,
    SecurityGroupId, SecurityGroupRuleId, SmallMap, SpaceId, SubnetId, Tags, Timestamp, Traffic,
    VpcCidrAssociationId, VpcId, WorkloadId, Zone,
};

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// Its id.
    pub id: VpcId,
    /// Its owner.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// Its blocks, primary first; never empty.
    pub cidrs: Vec<VpcCidr>,
    /// Whether the resolver at the base address + 2 answers.
    pub dns_support: bool,
    /// Whether instances have public names.
    pub dns_hostnames: bool,
    /// Whether usage metrics are on; kept for clients that read it back.
    pub usage_metrics: bool,
    /// Whether it is the region's default VPC of its account.
    pub is_default: bool,
    /// Its DHCP options.
    pub dhcp_options: DhcpOptionsId,
    /// The route table of subnets that have none of their own.
    pub main_route_table: RouteTableId,
    /// The main table's association.
    pub main_association: RouteTableAssociationId,
    /// The network ACL of new subnets.
    pub default_acl: AclId,
    /// The group of interfaces that name none.
    pub default_group: SecurityGroupId,
    /// What it is to the platform; `None` is a customer's.
    pub role: Option<VpcRole>,
    /// The owner's tags.
    pub tags: Tags,
}

/// One block of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcCidr {
    /// The association's id.
    pub id: VpcCidrAssociationId,
    /// The block.
    pub cidr: Cidr,
}

/// What a VPC is to the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VpcRole {
    /// A space's own.
    Space(SpaceId),
    /// That of a space's data services.
    Data(SpaceId),
}

impl Vpc {
    /// Its primary block.
    pub fn primary(&self) -> Cidr {
        self.cidrs.first().expect("a VPC is made with a block, and the primary cannot go").cidr
    }

    /// All of its blocks, primary first.
    pub fn blocks(&self) -> impl Iterator<Item = Cidr> + '_ {
        self.cidrs.iter().map(|c| c.cidr)
    }

    /// Whether an address lies in one of its blocks.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.blocks().any(|block| block.contains(address))
    }
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its block.
    pub cidr: Cidr,
    /// Where it is.
    pub zone: Zone,
    /// The route table of its own; `None` follows the VPC's main table.
    pub route_table: Option<RouteTableAssociation>,
    /// The network ACL that guards its boundary.
    pub acl: AclId,
    /// The ACL's association.
    pub acl_association: AclAssociationId,
    /// Whether it is the zone's subnet of a default VPC.
    pub default_for_zone: bool,
    /// Whether instances in it are given public addresses; kept for clients that read it back.
    pub map_public_ip: bool,
    /// The owner's tags.
    pub tags: Tags,
}

/// A subnet's own route table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTableAssociation {
    /// Its id.
    pub id: RouteTableAssociationId,
    /// The table.
    pub route_table: RouteTableId,
}

impl Subnet {
    /// The base address, router, resolver, one for the future, and the last (`ec2.md` §1.8).
    pub const RESERVED_ADDRESSES: u64 = 5;

    /// Whether an address is one that no interface may have.
    pub fn reserves(&self, address: Ipv4Addr) -> bool {
        let offset = u32::from(address).wrapping_sub(u32::from(self.cidr.base()));
        offset < 4 || address == self.cidr.last()
    }
}

/// A route table, without the `local` routes: those follow from the VPC's blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Its id.
    pub id: RouteTableId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its routes, by destination.
    pub routes: SmallMap<Cidr, RouteTo>,
    /// The request that made it, for repeats.
    pub client_token: Option<ClientToken>,
    /// The owner's tags.
    pub tags: Tags,
}

/// What a route points to. Whether it is alive is a question to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTo {
    /// A peering connection.
    Peering(PcxId),
    /// An interface of the VPC.
    Interface(EniId),
    /// An internet gateway. No fabric carries it yet: what goes there is dropped.
    Gateway(IgwId),
}

/// A request's token: the same token with the same parameters is the same request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientToken {
    /// The token.
    pub token: String,
    /// A digest of the parameters.
    pub digest: String,
    /// Where it means something: with who sent it, in that region. The decision sets it.
    #[serde(default)]
    pub scope: Option<Scope>,
}

impl ClientToken {
    /// The same as it is used in a scope.
    pub(crate) fn of(&self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self.clone() }
    }
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its name, unique in the VPC.
    pub name: Arc<str>,
    /// What it is for.
    pub description: String,
    /// Its rules.
    pub rules: SmallMap<SecurityGroupRuleId, GroupRule>,
    /// The owner's tags.
    pub tags: Tags,
}

impl SecurityGroup {
    /// The name of the group that every VPC has.
    pub const DEFAULT: &str = "default";
}

/// Which way packets go, as seen from an interface or a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Into it.
    Ingress,
    /// Out of it.
    Egress,
}

/// One rule of a security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRule {
    /// Which way.
    pub direction: Direction,
    /// Which traffic.
    pub traffic: Traffic,
    /// From or to whom.
    pub peer: GroupPeer,
    /// What it is for.
    pub description: Option<String>,
    /// The owner's tags.
    pub tags: Tags,
}

/// The other side of a security group's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupPeer {
    /// Any address of a block.
    Cidr(Cidr),
    /// The members of a group, of this VPC or of one that is peered with it.
    Group {
        /// The group; it may be gone, and the rule then matches nothing.
        group: SecurityGroupId,
        /// Its owner.
        account: AccountId,
        /// Its VPC.
        vpc: VpcId,
    },
}

/// A network ACL; what no entry matches is denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAcl {
    /// Its id.
    pub id: AclId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Whether new subnets get it.
    pub is_default: bool,
    /// Entries for what enters, by number.
    pub ingress: SmallMap<u16, AclEntry>,
    /// Entries for what leaves, by number.
    pub egress: SmallMap<u16, AclEntry>,
    /// The request that made it, for repeats.
    pub client_token: Option<ClientToken>,
    /// The owner's tags.
    pub tags: Tags,
}

/// One entry of a network ACL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclEntry {
    /// Whether it lets pass or drops.
    pub allow: bool,
    /// Which traffic.
    pub traffic: Traffic,
    /// The other side's block.
    pub cidr: Cidr,
}

impl NetworkAcl {
    /// The number of the first entry of a default ACL.
    pub const DEFAULT_ENTRY: u16 = 100;
    /// The largest number that an entry may have; 32767 is the denial that cannot be removed.
    pub const LAST_ENTRY: u16 = 32766;

    /// The entries of one direction.
    pub fn entries(&self, direction: Direction) -> &SmallMap<u16, AclEntry> {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The entries of one direction, to be changed.
    pub fn entries_mut(&mut self, direction: Direction) -> &mut SmallMap<u16, AclEntry> {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }

    /// Whether its first entries already let everything pass, both ways.
    pub fn allows_all(&self) -> bool {
        [&self.ingress, &self.egress].into_iter().all(|entries| {
            entries.first_key_value().is_some_and(|(_, entry)| {
                entry.allow && entry.traffic == Traffic::All && entry.cidr == Cidr::ANY
            })
        })
    }
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eni {
    /// Its id.
    pub id: EniId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// Its addresses, primary first; never empty.
    pub addresses: Vec<Ipv4Addr>,
    /// The groups it is in.
    pub groups: Vec<SecurityGroupId>,
    /// Whether it may only send from and receive for its own addresses.
    pub source_dest_check: bool,
    /// What it is for.
    pub description: String,
    /// What uses it.
    pub attachment: Option<Attachment>,
    /// Whether the platform made it, so that its owner may not remove it.
    pub requester_managed: bool,
    /// When it was made.
    pub created: Timestamp,
    /// The owner's tags.
    pub tags: Tags,
}

/// What uses an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its id.
    pub id: EniAttachmentId,
    /// The dyno or instance.
    pub workload: WorkloadId,
    /// Which of its interfaces this is, from 0.
    pub device_index: u8,
    /// Whether the interface goes with the workload.
    pub delete_on_termination: bool,
    /// Since when.
    pub attached: Timestamp,
}

impl Eni {
    /// Its primary address.
    pub fn primary(&self) -> Ipv4Addr {
        *self.addresses.first().expect("an interface is made with an address")
    }
}

/// An instance: a process in a customer's VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// The request that it came from.
    pub reservation: ReservationId,
    /// Which of that request's instances it is, from 0.
    pub launch_index: u16,
    /// Its owner.
    pub account: AccountId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its interface; gone with it.
    pub eni: EniId,
    /// Its address.
    pub address: Ipv4Addr,
    /// What it was made from: `ami-…`.
    pub image: String,
    /// Its size.
    pub instance_type: String,
    /// The name of the key pair that it was started with; kept for clients that read it back.
    pub key_name: Option<String>,
    /// The script that it starts with, as the client encoded it in base64.
    pub user_data: Option<String>,
    /// How far it is.
    pub state: InstanceState,
    /// Why it ended, where it did by itself.
    pub exit: Option<Exit>,
    /// When it was asked for.
    pub launched: Timestamp,
    /// When its state last changed.
    pub since: Timestamp,
    /// The request that made it, for repeats.
    pub client_token: Option<ClientToken>,
    /// The owner's tags.
    pub tags: Tags,
}

/// How far an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Asked for.
    Pending,
    /// Runs.
    Running,
    /// Told to end; it still may run.
    ShuttingDown,
    /// Ended; kept for an hour, so that clients see it.
    Terminated,
}

impl InstanceState {
    /// Its name in EC2.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
        }
    }

    /// Its number in EC2.
    pub const fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
        }
    }

    /// Whether it must run.
    pub const fn wants_to_run(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

/// An internet gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternetGateway {
    /// Its id.
    pub id: IgwId,
    /// Its owner.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// The VPC that it is attached to.
    pub vpc: Option<VpcId>,
    /// The owner's tags.
    pub tags: Tags,
}

/// A DHCP option set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpOptions {
    /// Its id.
    pub id: DhcpOptionsId,
    /// Its owner.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// The options, by name.
    pub options: BTreeMap<String, Vec<String>>,
    /// The owner's tags.
    pub tags: Tags,
}
