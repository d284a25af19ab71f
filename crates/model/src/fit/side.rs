//! One side of a peering that there is or may come to be.

use super::taken::{Taken, Whose, customers_of, taken_beside};
use crate::plan::routes_of;
use crate::resource::{Peering, PeeringSide, PeeringStatus, RouteTo, Space, Vpc, VpcRole};
use crate::{
    AccountId, Cidr, Ipv6Cidr, Key, PcxId, Quota, Region, RouteTableId, Timestamp, VpcId, World,
};

/// The requests of an account that wait for an answer.
pub(crate) fn waiting_of(
    world: &World,
    account: AccountId,
    now: Timestamp,
) -> impl Iterator<Item = &Peering> {
    let asked = world.peerings_of(Key::Account(account)).map(AsRef::as_ref);
    asked.filter(move |peering| {
        peering.requester.account == account
            && peering.status(now) == PeeringStatus::PendingAcceptance
    })
}

/// One side of a peering: all of it that decides whether it can be peered with another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The VPC; `None` where it is only planned, or where its id was not told.
    pub vpc: Option<VpcId>,
    /// The region that the VPC is in.
    pub region: Region,
    /// The VPC's blocks, primary first.
    pub blocks: Vec<Cidr>,
    /// The VPC's IPv6 blocks.
    pub ipv6: Vec<Ipv6Cidr>,
    /// Whose VPC it is.
    pub kind: SideKind,
    /// What it is peered with at present.
    pub peers: Vec<Peer>,
    /// The most peerings that it may have; `None` where that was not told.
    pub limit: Option<u16>,
    /// Blocks that its owner has elsewhere, which a new block of theirs has to leave alone.
    pub elsewhere: Vec<Cidr>,
    /// The VPC's route tables, where its owner asks.
    pub tables: Vec<Routes>,
    /// The owner's requests that wait for an answer, where they ask: from which VPC to which.
    pub waiting: Vec<(VpcId, VpcId)>,
    /// The most requests of the owner that may wait for an answer at a time.
    pub may_wait: Option<u16>,
}

/// Whose VPC a side is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SideKind {
    /// The VPC of a customer.
    Customer,
    /// The VPC of a space's dynos.
    Space {
        /// The space's name; `None` where it was not told.
        name: Option<String>,
        /// The blocks that dynos and the internal router have addresses of, dynos' first (R7).
        space_cidrs: Vec<Cidr>,
        /// The blocks that the space has beside that of its VPC.
        beside: Vec<Taken>,
    },
    /// The VPC of a space's data services, which cannot be peered with VPCs of others.
    Data,
    /// Nobody's: the VPC is gone.
    Gone,
}

/// A VPC that a side is peered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The peering.
    pub peering: PcxId,
    /// The other VPC.
    pub vpc: VpcId,
}

/// A route table of a VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    /// The route table.
    pub table: RouteTableId,
    /// The destinations in it, and the VPC that each leads to if it leads over a peering.
    pub destinations: Vec<(Cidr, Option<VpcId>)>,
}

/// What the owner of a space hands out of it, as `spaces:peering:info` prints it (R6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOut {
    /// `AWS VPC ID`, if it was told.
    pub vpc: Option<VpcId>,
    /// `AWS Region`.
    pub region: Region,
    /// `AWS VPC CIDR`.
    pub cidr: Cidr,
    /// `Space CIDRs`, in their order; none if they were not told.
    pub space_cidrs: Vec<Cidr>,
    /// `Unavailable CIDRs`; none if they were not told.
    pub unavailable: Vec<Cidr>,
}

impl Side {
    /// A customer's VPC that there is not, or not yet. `blocks` has the primary one first.
    ///
    /// # Errors
    ///
    /// No VPC can have these blocks: a sentence says why.
    pub fn planned(blocks: Vec<Cidr>, region: Region) -> Result<Self, String> {
        check_plan(&blocks)?;
        Ok(Self::of_customer(None, blocks, region))
    }

    pub(super) fn of_customer(vpc: Option<VpcId>, blocks: Vec<Cidr>, region: Region) -> Self {
        Self {
            vpc,
            region,
            blocks,
            ipv6: Vec::new(),
            kind: SideKind::Customer,
            peers: Vec::new(),
            limit: Quota::Peerings.default().map(small),
            elsewhere: Vec::new(),
            tables: Vec::new(),
            waiting: Vec::new(),
            may_wait: Quota::Requests.default().map(small),
        }
    }

    /// A VPC as the world has it.
    pub fn of(world: &World, vpc: &Vpc) -> Self {
        let blocks = || vpc.blocks().collect();
        let side = || Self {
            ipv6: vpc.ipv6_blocks().collect(),
            ..Self::of_customer(Some(vpc.id), blocks(), vpc.region)
        };
        match vpc.role {
            None => {
                let limit = world.quota(vpc.account, Quota::Peerings).map(small);
                Self { peers: peers(world, vpc), limit, ..side() }
            }
            Some(VpcRole::Data(_)) => Self { kind: SideKind::Data, limit: None, ..side() },
            Some(VpcRole::Space(id)) => match world.space(id) {
                Some(space) => Self { blocks: blocks(), ..Self::of_space(world, space) },
                None => Self { kind: SideKind::Gone, ..side() },
            },
        }
    }

    /// The VPC of a space.
    pub fn of_space(world: &World, space: &Space) -> Self {
        let peer = |peering: &Peering| {
            let vpc = peering.other_side(space.vpc)?.vpc;
            Some(Peer { peering: peering.id, vpc })
        };
        Self {
            kind: SideKind::Space {
                name: Some(space.name.clone()),
                space_cidrs: space.space_cidrs().to_vec(),
                beside: taken_beside(world, space),
            },
            // The platform's own peering is not among those that the limit is for.
            peers: customers_of(world, space).into_iter().filter_map(peer).collect(),
            limit: Some(space.peering_limit),
            ..Self::of_customer(Some(space.vpc), vec![space.cidr], space.region)
        }
    }

    /// A side of a peering, by the VPC that it names.
    pub(super) fn of_peering(world: &World, side: &PeeringSide) -> Self {
        match world.vpc(side.vpc) {
            Some(vpc) => Self::of(world, vpc),
            None => Self {
                kind: SideKind::Gone,
                ipv6: side.ipv6.clone(),
                ..Self::of_customer(Some(side.vpc), side.cidrs.clone(), side.region)
            },
        }
    }

    /// A space, by no more than its owner hands out.
    pub fn handed_out(info: HandedOut) -> Self {
        let beside = info.unavailable.into_iter();
        let beside = beside.map(|cidr| Taken { cidr, whose: Whose::Unavailable }).collect();
        Self {
            kind: SideKind::Space { name: None, space_cidrs: info.space_cidrs, beside },
            limit: None,
            ..Self::of_customer(info.vpc, vec![info.cidr], info.region)
        }
    }

    /// The same with what only the VPC's owner is to see: the blocks of their other VPCs and of what
    /// these are peered with, the route tables, and the requests that wait.
    pub fn for_owner(self, world: &World, now: Timestamp) -> Self {
        let Some(vpc) = self.vpc.and_then(|vpc| world.vpc(vpc)) else { return self };
        let mut elsewhere: Vec<Cidr> = Vec::new();
        for other in world.vpcs_of(Key::Account(vpc.account)) {
            elsewhere.extend(other.blocks().filter(|_| other.id != vpc.id));
            for peering in world.peerings_of(Key::Vpc(other.id)).filter(|p| p.carries()) {
                elsewhere.extend(peering.other_side(other.id).iter().flat_map(|side| &side.cidrs));
            }
        }
        elsewhere.sort_unstable();
        elsewhere.dedup();
        let leads = |to: &RouteTo| match to {
            RouteTo::Peering(id) => world.peering(*id)?.other_side(vpc.id).map(|side| side.vpc),
            RouteTo::Interface(_)
            | RouteTo::Gateway(_)
            | RouteTo::EgressGateway(_)
            | RouteTo::Nat(_) => None,
        };
        let tables = world.route_tables_in(Key::Vpc(vpc.id)).map(|table| Routes {
            table: table.id,
            destinations: routes_of(world, table)
                .into_iter()
                .map(|(cidr, (_, to))| (cidr, leads(&to)))
                .collect(),
        });
        let waiting = waiting_of(world, vpc.account, now);
        let waiting = waiting.map(|peering| (peering.requester.vpc, peering.accepter.vpc));
        Self {
            elsewhere,
            tables: tables.collect(),
            waiting: waiting.collect(),
            may_wait: world.quota(vpc.account, Quota::Requests).map(small),
            ..self
        }
    }

    /// The primary block.
    pub(super) fn primary(&self) -> Option<Cidr> {
        self.blocks.first().copied()
    }

    /// What no other side may have any address of.
    pub(super) fn taken(&self) -> impl Iterator<Item = Taken> + '_ {
        let (whose, beside) = match &self.kind {
            SideKind::Space { beside, .. } => (Whose::Space, beside.as_slice()),
            SideKind::Customer | SideKind::Data | SideKind::Gone => (Whose::Vpc, &[][..]),
        };
        let own = self.blocks.iter().map(move |cidr| Taken { cidr: *cidr, whose });
        own.chain(beside.iter().copied())
    }

    /// Whether its owner may ask for no more until a request is answered. One that waits already may be
    /// asked for again.
    pub(super) fn waits_for_too_many(&self, other: &Self) -> Option<u16> {
        let same = |(from, to): &(VpcId, VpcId)| (Some(*from), Some(*to)) == (self.vpc, other.vpc);
        let reached =
            |most: &u16| self.waiting.len() >= usize::from(*most) && !self.waiting.iter().any(same);
        self.may_wait.filter(reached)
    }

    /// Whether it has no room for one more peering.
    pub(super) fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.peers.len() >= usize::from(limit))
    }
}

/// A quota as a side says it.
fn small(most: impl TryInto<u16>) -> u16 {
    most.try_into().unwrap_or(u16::MAX)
}

pub(crate) fn peers(world: &World, vpc: &Vpc) -> Vec<Peer> {
    let carried = world.peerings_of(Key::Vpc(vpc.id)).filter(|peering| peering.carries());
    let peer = |peering: &Peering| {
        let other = peering.other_side(vpc.id)?;
        Some(Peer { peering: peering.id, vpc: other.vpc })
    };
    carried.filter_map(|peering| peer(peering)).collect()
}

/// Refuses blocks that no VPC can have.
fn check_plan(blocks: &[Cidr]) -> Result<(), String> {
    let most = Quota::VpcBlocks.of_aws().map_or(usize::MAX, |most| most as usize);
    if blocks.is_empty() || blocks.len() > most {
        return Err(format!("A VPC has 1 to {most} blocks, not {}.", blocks.len()));
    }
    for (n, block) in blocks.iter().enumerate() {
        let sizes = Vpc::BLOCK_SIZES;
        if !sizes.contains(&block.prefix_len()) {
            return Err(format!(
                "The block {block} is none that a VPC can have: that is a /{} to /{}.",
                sizes.start(),
                sizes.end()
            ));
        }
        if let Some(unusable) = Vpc::UNUSABLE.into_iter().find(|other| other.overlaps(*block)) {
            return Err(format!(
                "The block {block} is none that a VPC can have: it lies in {unusable}, which is \
                 reserved."
            ));
        }
        if let Some(other) = blocks[..n].iter().find(|other| other.overlaps(*block)) {
            return Err(format!("The blocks {other} and {block} of one VPC overlap each other."));
        }
    }
    Ok(())
}
