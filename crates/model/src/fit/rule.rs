//! The rule.

use super::side::{Side, SideKind};
use super::taken::{Taken, Whose};
use crate::resource::Peering;
use crate::{Cidr, Ipv6Cidr, PcxId, VpcId, World};

/// Two sides, and what keeps them from being peered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// The side that asks.
    pub requester: Side,
    /// The side that is asked.
    pub accepter: Side,
    /// Every reason why they cannot be peered, in the order in which acceptance looks at them; none
    /// if they can.
    pub misfits: Vec<Misfit>,
}

/// A reason why two sides cannot be peered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// A side's VPC is gone: the request fails.
    Gone {
        /// The VPC.
        vpc: Option<VpcId>,
    },
    /// The VPC that is asked belongs to the platform's data services: the request fails (R22).
    DataServices {
        /// The VPC.
        vpc: Option<VpcId>,
    },
    /// A block of the VPC that asks has an address in common with one of the side that is asked
    /// (R3). It fails the request if that is a block of the VPC itself, and is refused at acceptance
    /// otherwise.
    Overlap {
        /// The block of the VPC that asks.
        block: Cidr,
        /// The other block.
        other: Cidr,
        /// What has the other block.
        whose: Whose,
    },
    /// An IPv6 block of one VPC has an address in common with one of the other: the request fails.
    Ipv6Overlap {
        /// The block of the VPC that asks.
        block: Ipv6Cidr,
        /// The block of the VPC that is asked.
        other: Ipv6Cidr,
    },
    /// A peering joins the two already.
    Peered {
        /// The peering that joins them.
        peering: PcxId,
    },
    /// A customer's VPC has as many peerings as it may have.
    VpcFull {
        /// The VPC.
        vpc: Option<VpcId>,
        /// How many it may have.
        limit: u16,
    },
    /// The account that asks already has as many requests waiting for an answer as it may have.
    TooManyWait {
        /// How many that is.
        limit: u16,
    },
    /// The primary block of the VPC that asks lies outside of RFC 1918 (R2).
    NotPrivate {
        /// The primary block, which lies outside.
        block: Cidr,
    },
    /// The space is peered with as many VPCs as it may be (R24).
    SpaceFull {
        /// How many that is.
        limit: u16,
    },
}

impl Misfit {
    /// Whether the request itself fails by it, so that there is nothing to accept.
    pub const fn fails_request(&self) -> bool {
        match self {
            Self::Gone { .. }
            | Self::DataServices { .. }
            | Self::Ipv6Overlap { .. }
            | Self::TooManyWait { .. } => true,
            Self::Overlap { whose, .. } => matches!(whose, Whose::Space | Whose::Vpc),
            Self::Peered { .. }
            | Self::VpcFull { .. }
            | Self::NotPrivate { .. }
            | Self::SpaceFull { .. } => false,
        }
    }
}

impl Fit {
    /// Compares two sides.
    pub fn of(requester: Side, accepter: Side) -> Self {
        let misfits = misfits(&requester, &accepter);
        Self { requester, accepter, misfits }
    }

    /// The sides of a peering as they are now. For a request that waits, this is what accepting it
    /// is decided by.
    pub fn of_peering(world: &World, peering: &Peering) -> Self {
        let side = |side| Side::of_peering(world, side);
        Self::of(side(&peering.requester), side(&peering.accepter))
    }

    /// Whether nothing keeps the two from being peered.
    pub fn fits(&self) -> bool {
        self.misfits.is_empty()
    }

    /// Whether a request fails at once.
    pub fn fails_request(&self) -> bool {
        self.misfits.iter().any(Misfit::fails_request)
    }
}

fn misfits(requester: &Side, accepter: &Side) -> Vec<Misfit> {
    let mut found: Vec<Misfit> = Vec::new();
    for side in [requester, accepter] {
        match side.kind {
            SideKind::Gone => found.push(Misfit::Gone { vpc: side.vpc }),
            SideKind::Data => found.push(Misfit::DataServices { vpc: side.vpc }),
            SideKind::Customer | SideKind::Space { .. } => {}
        }
    }
    let peered = peering_between(requester, accepter);
    found.extend(overlaps(requester, accepter).filter(Misfit::fails_request));
    found.extend(ipv6_overlaps(requester, accepter));
    found.extend(peered.map(|peering| Misfit::Peered { peering }));
    for side in [requester, accepter] {
        let limit = side.limit.filter(|_| side.kind == SideKind::Customer && side.is_full());
        found.extend(limit.map(|limit| Misfit::VpcFull { vpc: side.vpc, limit }));
    }
    if peered.is_none() {
        let reached = requester.waits_for_too_many(accepter);
        found.extend(reached.map(|limit| Misfit::TooManyWait { limit }));
    }
    if !matches!(accepter.kind, SideKind::Space { .. }) {
        return found;
    }
    let primary = requester.primary().filter(|block| block.rfc1918().is_none());
    found.extend(primary.map(|block| Misfit::NotPrivate { block }));
    // Its own blocks are taken by itself, if it is peered already.
    let others = |misfit: &Misfit| match misfit {
        Misfit::Overlap { whose: Whose::Peering { peering, .. }, .. } => Some(*peering) != peered,
        other => !other.fails_request(),
    };
    found.extend(overlaps(requester, accepter).filter(others));
    let limit = accepter.limit.filter(|_| accepter.is_full());
    found.extend(limit.map(|limit| Misfit::SpaceFull { limit }));
    found
}

/// Each block of the side that asks with each that the other side keeps, where the two overlap.
fn overlaps<'a>(requester: &'a Side, accepter: &'a Side) -> impl Iterator<Item = Misfit> + 'a {
    accepter.taken().flat_map(move |Taken { cidr: other, whose }| {
        let blocks = requester.blocks.iter().filter(move |block| block.overlaps(other));
        blocks.map(move |block| Misfit::Overlap { block: *block, other, whose })
    })
}

fn ipv6_overlaps<'a>(requester: &'a Side, accepter: &'a Side) -> impl Iterator<Item = Misfit> + 'a {
    accepter.ipv6.iter().flat_map(move |other| {
        let blocks = requester.ipv6.iter().filter(move |block| block.overlaps(*other));
        blocks.map(move |block| Misfit::Ipv6Overlap { block: *block, other: *other })
    })
}

fn peering_between(requester: &Side, accepter: &Side) -> Option<PcxId> {
    let with = |side: &Side, other: &Side| {
        side.peers.iter().find(|peer| Some(peer.vpc) == other.vpc).map(|peer| peer.peering)
    };
    with(requester, accepter).or_else(|| with(accepter, requester))
}
