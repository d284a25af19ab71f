//! Reservations of addresses in subnets.

use serde::{Deserialize, Serialize};

use super::{Owner, Resource, Tags};
use crate::{IpCidr, Key, SubnetId, SubnetReservationId, Timestamp, VpcId};

/// A block of a subnet from which no address is given to an interface that asks for none in
/// particular.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetReservation {
    /// The reservation's id.
    pub id: SubnetReservationId,
    /// The VPC that the subnet belongs to.
    pub vpc: VpcId,
    /// The subnet.
    pub subnet: SubnetId,
    /// The block, inside one of the subnet's.
    pub cidr: IpCidr,
    /// What the block is kept for.
    pub kind: ReservationKind,
    /// What it is kept for, in words.
    pub description: Option<String>,
    /// The tags that the owner put on the reservation.
    pub tags: Tags,
    /// When the reservation was made.
    pub created: Timestamp,
}

/// What addresses are kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationKind {
    /// For prefixes of interfaces.
    Prefix,
    /// For addresses that a request names.
    Explicit,
}

impl ReservationKind {
    /// EC2's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Explicit => "explicit",
        }
    }

    /// Finds it by EC2's word.
    pub fn find(name: &str) -> Option<Self> {
        [Self::Prefix, Self::Explicit].into_iter().find(|kind| kind.name() == name)
    }
}

impl Resource for SubnetReservation {
    fn key(&self) -> Key {
        Key::SubnetReservation(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::OfVpc(self.vpc)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Vpc(self.vpc));
        each(Key::Subnet(self.subnet));
    }
}
