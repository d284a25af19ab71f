//! Whether a VPC and a space can be peered, before anybody asks for it (R8).

use model::fit::{self, Fit, Whose};
use model::{Cidr, PcxId, Region, VpcId};
use serde::{Deserialize, Serialize};

/// The query of `GET /_causeway/peering-check`: a VPC of the caller's, and what the owner of a space
/// hands out of it, as `spaces:peering:info` prints it. Lists are separated by commas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringCheckQuery {
    /// The id of the VPC.
    pub vpc: String,
    /// The account whose VPC is meant: nothing of another one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The region whose VPC is meant: nothing in another one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `AWS VPC CIDR`.
    pub peer_cidr: String,
    /// `AWS VPC ID`; without it nothing is said about peerings that there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_vpc: Option<String>,
    /// `AWS Region`; the VPC's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_region: Option<String>,
    /// `Space CIDRs`, in their order; without them all advice is about the whole block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space_cidrs: Option<String>,
    /// `Unavailable CIDRs`; without them only the space's own block is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// The answer to [`PeeringCheckQuery`], and to `GET /spaces/{space}/peering-check` of the Platform
/// API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringCheck {
    /// Whether a request would be accepted, as far as it can be seen from here.
    pub fits: bool,
    /// Every reason why not.
    pub reasons: Vec<PeeringReason>,
    /// The VPC that asks.
    pub requester: PeeringParty,
    /// The VPC of the space.
    pub accepter: PeeringParty,
    /// Blocks that would fit instead of those that do not.
    pub free_cidr_blocks: Vec<FreeBlocks>,
    /// What will be needed beside the peering before packets flow.
    pub needs: Vec<PeeringNeed>,
}

/// A VPC of a [`PeeringCheck`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringParty {
    /// The VPC; absent (`null`) where it is only planned, or was not named.
    pub aws_vpc_id: Option<VpcId>,
    /// The region that the VPC is in.
    pub aws_region: Region,
    /// The VPC's blocks, primary first.
    pub cidr_blocks: Vec<Cidr>,
}

/// Why two VPCs cannot be peered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringReason {
    /// What kind of reason it is.
    pub reason: ReasonKind,
    /// Whether the request itself fails by it; else accepting it is refused.
    pub fails_request: bool,
    /// The block of the VPC that asks; absent (`null`) where no block is the reason.
    pub cidr_block: Option<Cidr>,
    /// The block that it overlaps; absent (`null`) where it overlaps none.
    pub overlaps: Option<Cidr>,
    /// What has that block; absent (`null`) where there is none.
    pub overlaps_with: Option<BlockOwner>,
    /// The peering that has that block, or that joins the two already; absent (`null`) where there
    /// is none.
    pub pcx_id: Option<PcxId>,
    /// The VPC that has that block, is full, or is gone; absent (`null`) where there is none.
    pub aws_vpc_id: Option<VpcId>,
    /// The limit that is reached; absent (`null`) where none is.
    pub limit: Option<u16>,
    /// The reason in words, with both blocks.
    pub message: String,
    /// What to do about it, in words.
    pub remedy: String,
}

/// A kind of [`PeeringReason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// A VPC is not there any more.
    Gone,
    /// The VPC belongs to the platform's data services.
    DataServices,
    /// Two blocks have an address in common.
    Overlap,
    /// The two are peered already.
    Peered,
    /// The VPC has as many peerings as it may have.
    VpcLimit,
    /// The VPC's owner already has as many requests waiting for an answer as an account may have.
    WaitingLimit,
    /// The VPC's primary block lies outside of RFC 1918.
    NotPrivate,
    /// The space is peered with as many VPCs as it may be.
    SpaceLimit,
}

/// What has a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockOwner {
    /// The VPC of the space.
    Space,
    /// Another VPC that is asked.
    Vpc,
    /// The space's data services.
    Data,
    /// Nobody may have it.
    Reserved,
    /// A VPC that is peered with the space already.
    Peering,
    /// One of these: the space's owner did not say which.
    Unavailable,
}

/// Blocks that would fit instead of one that does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeBlocks {
    /// The block that does not fit.
    pub instead_of: Cidr,
    /// Blocks of the same size that do.
    pub cidr_blocks: Vec<Cidr>,
}

/// Something that is needed beside a peering, or that limits what can be done over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringNeed {
    /// What it is about.
    pub need: NeedKind,
    /// In words.
    pub message: String,
    /// Commands for it, in the order in which they are run; what is not known yet is `…` in them.
    pub commands: Vec<String>,
}

/// A kind of [`PeeringNeed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeedKind {
    /// Routes in the VPC's tables.
    Route,
    /// Rules of the VPC's security groups.
    SecurityGroup,
    /// The size of packets.
    Mtu,
    /// Rules that name groups of the other side.
    GroupReference,
    /// What of the VPC can be reached.
    PrimaryBlock,
}

/// Every reason of a comparison.
pub fn peering_reasons(fit: &Fit) -> Vec<PeeringReason> {
    fit.misfits.iter().map(|misfit| PeeringReason::new(fit, misfit)).collect()
}

impl PeeringReason {
    fn new(fit: &Fit, misfit: &fit::Misfit) -> Self {
        use fit::Misfit as M;
        let plain = Self {
            reason: ReasonKind::Gone,
            fails_request: misfit.fails_request(),
            cidr_block: None,
            overlaps: None,
            overlaps_with: None,
            pcx_id: None,
            aws_vpc_id: None,
            limit: None,
            message: fit.message(misfit),
            remedy: fit.remedy(misfit),
        };
        match *misfit {
            M::Gone { vpc } => Self { aws_vpc_id: vpc, ..plain },
            M::DataServices { vpc } => {
                Self { reason: ReasonKind::DataServices, aws_vpc_id: vpc, ..plain }
            }
            M::Overlap { block, other, whose } => {
                let (owner, pcx_id, aws_vpc_id) = match whose {
                    Whose::Space => (BlockOwner::Space, None, fit.accepter.vpc),
                    Whose::Vpc => (BlockOwner::Vpc, None, fit.accepter.vpc),
                    Whose::Data => (BlockOwner::Data, None, None),
                    Whose::Reserved => (BlockOwner::Reserved, None, None),
                    Whose::Peering { peering, vpc } => {
                        (BlockOwner::Peering, Some(peering), Some(vpc))
                    }
                    Whose::Unavailable => (BlockOwner::Unavailable, None, None),
                };
                Self {
                    reason: ReasonKind::Overlap,
                    cidr_block: Some(block),
                    overlaps: Some(other),
                    overlaps_with: Some(owner),
                    pcx_id,
                    aws_vpc_id,
                    ..plain
                }
            }
            M::Ipv6Overlap { .. } => Self {
                reason: ReasonKind::Overlap,
                overlaps_with: Some(BlockOwner::Vpc),
                aws_vpc_id: fit.accepter.vpc,
                ..plain
            },
            M::Peered { peering } => {
                Self { reason: ReasonKind::Peered, pcx_id: Some(peering), ..plain }
            }
            M::VpcFull { vpc, limit } => {
                let limit = Some(limit);
                Self { reason: ReasonKind::VpcLimit, aws_vpc_id: vpc, limit, ..plain }
            }
            M::TooManyWait { limit } => {
                Self { reason: ReasonKind::WaitingLimit, limit: Some(limit), ..plain }
            }
            M::NotPrivate { block } => {
                Self { reason: ReasonKind::NotPrivate, cidr_block: Some(block), ..plain }
            }
            M::SpaceFull { limit } => {
                Self { reason: ReasonKind::SpaceLimit, limit: Some(limit), ..plain }
            }
        }
    }
}

impl From<&Fit> for PeeringCheck {
    fn from(fit: &Fit) -> Self {
        let party = |side: &fit::Side| PeeringParty {
            aws_vpc_id: side.vpc,
            aws_region: side.region,
            cidr_blocks: side.blocks.clone(),
        };
        let free =
            |instead_of: Cidr| FreeBlocks { instead_of, cidr_blocks: fit.free_blocks(instead_of) };
        Self {
            fits: fit.fits(),
            reasons: peering_reasons(fit),
            requester: party(&fit.requester),
            accepter: party(&fit.accepter),
            free_cidr_blocks: fit.misfitting_blocks().into_iter().map(free).collect(),
            needs: fit.needs().into_iter().map(PeeringNeed::from).collect(),
        }
    }
}

impl From<fit::Need> for PeeringNeed {
    fn from(need: fit::Need) -> Self {
        use fit::NeedKind as K;
        Self {
            need: match need.kind {
                K::Route => NeedKind::Route,
                K::SecurityGroup => NeedKind::SecurityGroup,
                K::Mtu => NeedKind::Mtu,
                K::GroupReference => NeedKind::GroupReference,
                K::PrimaryBlock => NeedKind::PrimaryBlock,
            },
            message: need.message,
            commands: need.commands,
        }
    }
}
