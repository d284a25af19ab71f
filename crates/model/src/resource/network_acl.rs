//! Network ACLs.

use serde::{Deserialize, Serialize};

use super::{ClientToken, Direction, Owner, Resource, Tags};
use crate::{AclId, Alias, Cidr, IpCidr, Key, Kind, SmallMap, Timestamp, Traffic, VpcId};

/// A network ACL; what no entry matches is denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAcl {
    /// The network ACL's id.
    pub id: AclId,
    /// The VPC that the network ACL belongs to.
    pub vpc: VpcId,
    /// Whether new subnets get it.
    pub is_default: bool,
    /// Entries for what enters, by number.
    pub ingress: SmallMap<u16, AclEntry>,
    /// Entries for what leaves, by number.
    pub egress: SmallMap<u16, AclEntry>,
    /// The request that made it, for repeats.
    pub client_token: Option<ClientToken>,
    /// The tags that the owner put on the network ACL.
    pub tags: Tags,
    /// When the network ACL was created; zero in records of older versions.
    #[serde(default)]
    pub created: Timestamp,
}

/// One entry of a network ACL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclEntry {
    /// Whether it lets pass or drops.
    pub allow: bool,
    /// The traffic that the entry matches.
    pub traffic: Traffic,
    /// The block of the source of incoming traffic, or of the destination of outgoing traffic.
    pub cidr: IpCidr,
}

impl NetworkAcl {
    /// The number of the first entry of a default ACL.
    pub(crate) const DEFAULT_ENTRY: u16 = 100;
    /// The number of the one behind it, where the VPC has an IPv6 block.
    pub(crate) const DEFAULT_IPV6_ENTRY: u16 = 101;
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
    pub(crate) fn entries_mut(&mut self, direction: Direction) -> &mut SmallMap<u16, AclEntry> {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }

    /// The entries of one direction for IPv4 packets, each with its number and its block.
    pub(crate) fn cidr_entries(
        &self,
        direction: Direction,
    ) -> impl Iterator<Item = (u16, AclEntry, Cidr)> + '_ {
        let entries = self.entries(direction).iter();
        let of_ipv4 = entries.filter(|(_, entry)| entry.traffic.is_of_ipv4());
        of_ipv4.filter_map(|(number, entry)| Some((*number, *entry, entry.cidr.v4()?)))
    }

    /// Whether its first entries already let every IPv4 packet pass, both ways.
    pub(crate) fn allows_all(&self) -> bool {
        [Direction::Ingress, Direction::Egress].into_iter().all(|direction| {
            self.cidr_entries(direction).next().is_some_and(|(_, entry, block)| {
                entry.allow && entry.traffic == Traffic::All && block == Cidr::ANY
            })
        })
    }
}

impl Resource for NetworkAcl {
    fn key(&self) -> Key {
        Key::NetworkAcl(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::OfVpc(self.vpc)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Vpc(self.vpc));
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        self.client_token.iter().filter_map(|t| t.alias(Kind::NetworkAcl)).for_each(each);
    }

    fn client_token(&self) -> Option<&ClientToken> {
        self.client_token.as_ref()
    }
}
