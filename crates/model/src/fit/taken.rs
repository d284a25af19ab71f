//! What a space has beside the block of its VPC: nothing that is peered with it may have any of it.

use crate::resource::{Peering, PeeringKind, Space};
use crate::{Cidr, Key, PcxId, VpcId, World};

/// A block that is taken, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The block.
    pub cidr: Cidr,
    /// What has it.
    pub whose: Whose,
}

/// What has a block that another one overlaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The VPC of the space: the request itself fails.
    Space,
    /// The customer's VPC that is asked: the request itself fails.
    Vpc,
    /// The data services of the space.
    Data,
    /// The containers inside dynos, in every space.
    Reserved,
    /// A VPC that is peered with the space already.
    Peering {
        /// The peering.
        peering: PcxId,
        /// The VPC that it joins with the space.
        vpc: VpcId,
    },
    /// One of those: the owner of the space handed out the block and did not say which.
    Unavailable,
}

/// The customers' peerings that a space has at present, in the order in which they were requested.
pub(super) fn customers_of<'a>(world: &'a World, space: &Space) -> Vec<&'a Peering> {
    let mut peerings: Vec<&Peering> = world
        .peerings_of(Key::Vpc(space.vpc))
        .map(|peering| &**peering)
        .filter(|peering| peering.kind == PeeringKind::Customer && peering.carries())
        .collect();
    peerings.sort_by_key(|peering| (peering.expires, peering.id));
    peerings
}

/// The blocks that a space has beside that of its VPC: of its data services, the reserved one, and
/// those of the VPCs that are peered with it. They are its `Unavailable CIDRs` (R6, R8).
pub fn taken_beside(world: &World, space: &Space) -> Vec<Taken> {
    let own = [(space.data_cidr, Whose::Data), (Space::RESERVED, Whose::Reserved)];
    let own = own.map(|(cidr, whose)| Taken { cidr, whose });
    let peers = customers_of(world, space).into_iter().flat_map(|peering| {
        let side = peering.other_side(space.vpc);
        side.into_iter().flat_map(move |side| {
            let whose = Whose::Peering { peering: peering.id, vpc: side.vpc };
            side.cidrs.iter().map(move |cidr| Taken { cidr: *cidr, whose })
        })
    });
    own.into_iter().chain(peers).collect()
}
