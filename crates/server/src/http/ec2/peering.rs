//! Peering connections.

use aws::xml::Xml;
use model::{
    Ec2Command, Key, PcxId, Peering, PeeringSide, PeeringStatus, Reply, Tags, Timestamp, World,
};

use super::describe::{Described, Filter, Stored, View, many, one, write_tags};
use super::input::{self, id, id_opt, wrong_value};
use super::request::{Ec2Error, Request};

impl Described for Peering {
    type Id = PcxId;
    const SET: &'static str = "vpcPeeringConnectionSet";
    const PARAM: &'static str = "VpcPeeringConnectionId";
    const MALFORMED: &'static str = <PcxId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) =
        ("InvalidVpcPeeringConnectionID.NotFound", "vpcPeeringConnection ID");
    const FILTERS: &'static [Filter<Self>] = &[
        ("accepter-vpc-info.cidr-block", |view, pcx| {
            let shown = shows_blocks(pcx.status(view.now)).1;
            many(pcx.accepter.cidrs.iter().filter(|_| shown))
        }),
        ("accepter-vpc-info.owner-id", |_, pcx| one(pcx.accepter.account)),
        ("accepter-vpc-info.vpc-id", |_, pcx| one(pcx.accepter.vpc)),
        ("expiration-time", |view, pcx| many(waits(pcx.status(view.now)).then_some(pcx.expires))),
        ("requester-vpc-info.cidr-block", |view, pcx| {
            let shown = shows_blocks(pcx.status(view.now)).0;
            many(pcx.requester.cidrs.iter().filter(|_| shown))
        }),
        ("requester-vpc-info.owner-id", |_, pcx| one(pcx.requester.account)),
        ("requester-vpc-info.vpc-id", |_, pcx| one(pcx.requester.vpc)),
        ("status-code", |view, pcx| one(pcx.status(view.now).code())),
        ("status-message", |view, pcx| one(message(pcx, pcx.status(view.now), view))),
        ("vpc-peering-connection-id", |_, pcx| one(pcx.id)),
    ];

    fn id(&self) -> PcxId {
        self.id
    }

    /// Each side has tags of its own. Within one account and region both sides belong to the
    /// caller.
    fn created(&self) -> Timestamp {
        self.created()
    }

    fn tags<'v>(&'v self, view: &View<'v>) -> Option<&'v Tags> {
        let own = |side: &PeeringSide| {
            side.account == view.scope.account && side.region == view.scope.region
        };
        match (own(&self.requester), own(&self.accepter)) {
            (true, true) if self.requester.tags.is_empty() => Some(&self.accepter.tags),
            (true, _) => Some(&self.requester.tags),
            (false, true) => Some(&self.accepter.tags),
            (false, false) => None,
        }
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        write_peering(self, self.status(view.now), view, x);
    }
}

impl Stored for Peering {
    fn get<'w>(view: &View<'w>, id: PcxId) -> Option<&'w Self> {
        view.world.peering(id).map(|pcx| &**pcx).filter(|pcx| visible(pcx, view))
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let mine = view.world.peerings_of(Key::Account(view.scope.account));
        mine.map(|pcx| &**pcx).filter(|pcx| visible(pcx, view)).collect()
    }
}

fn visible(pcx: &Peering, view: &View<'_>) -> bool {
    pcx.visible_to(view.scope.account, view.scope.region, view.now)
}

/// Whether the requester's and the accepter's blocks and options are shown (`ec2.md` §1.2).
const fn shows_blocks(status: PeeringStatus) -> (bool, bool) {
    match status {
        PeeringStatus::InitiatingRequest
        | PeeringStatus::PendingAcceptance
        | PeeringStatus::Rejected
        | PeeringStatus::Failed
        | PeeringStatus::Expired => (true, false),
        PeeringStatus::Provisioning | PeeringStatus::Active | PeeringStatus::Deleting => {
            (true, true)
        }
        PeeringStatus::Deleted => (false, false),
    }
}

/// The message of a status. The owner of both VPCs is told which blocks overlap (R3). Nothing is
/// told about a VPC of somebody else, not even whether it exists.
fn message(pcx: &Peering, status: PeeringStatus, view: &View<'_>) -> String {
    let mine = |side: &PeeringSide| {
        let vpc = view.world.vpc(side.vpc)?;
        (vpc.account == view.scope.account && vpc.region == side.region).then_some(vpc)
    };
    let overlap = (status == PeeringStatus::Failed)
        .then(|| mine(&pcx.requester).zip(mine(&pcx.accepter)))
        .flatten()
        .and_then(|(one, other)| {
            let pairs = one.blocks().flat_map(|a| other.blocks().map(move |b| (a, b)));
            pairs.into_iter().find(|(a, b)| a.overlaps(*b))
        });
    match overlap {
        Some((ours, theirs)) => format!(
            "Failed due to overlapping CIDR range: {ours} of {} and {theirs} of {}",
            pcx.requester.vpc, pcx.accepter.vpc
        ),
        None => pcx.status_message(status),
    }
}

const fn waits(status: PeeringStatus) -> bool {
    matches!(status, PeeringStatus::InitiatingRequest | PeeringStatus::PendingAcceptance)
}

fn write_peering(pcx: &Peering, status: PeeringStatus, view: &View<'_>, x: &mut Xml) {
    let (requester, accepter) = shows_blocks(status);
    x.el("vpcPeeringConnectionId", pcx.id);
    x.nest("requesterVpcInfo", |x| write_side(&pcx.requester, requester, x));
    x.nest("accepterVpcInfo", |x| write_side(&pcx.accepter, accepter, x));
    x.nest("status", |x| {
        x.el("code", status.code());
        x.el("message", message(pcx, status, view));
    });
    if waits(status) {
        x.el("expirationTime", pcx.expires);
    }
    write_tags(x, pcx.tags(view));
}

fn write_side(side: &PeeringSide, blocks: bool, x: &mut Xml) {
    x.el("ownerId", side.account);
    x.el("vpcId", side.vpc);
    x.el("region", side.region);
    if !blocks {
        return;
    }
    x.opt("cidrBlock", side.cidrs.first());
    x.items("cidrBlockSet", &side.cidrs, |x, block| x.el("cidrBlock", block));
    if !side.ipv6.is_empty() {
        x.items("ipv6CidrBlockSet", &side.ipv6, |x, block| x.el("ipv6CidrBlock", block));
    }
    x.nest("peeringOptions", |x| write_options(side, x));
}

fn write_options(side: &PeeringSide, x: &mut Xml) {
    x.el("allowDnsResolutionFromRemoteVpc", side.dns_resolution);
    x.el("allowEgressFromLocalClassicLinkToRemoteVpc", false);
    x.el("allowEgressFromLocalVpcToRemoteClassicLink", false);
}

/// `CreateVpcPeeringConnection`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let given = |name: &str| params.get(name).filter(|text| !text.is_empty());
    let invalid = |name: &str, text: &str, why: &str| params.invalid(name, text, why);
    let peer_owner = given("PeerOwnerId")
        .map(|text| text.parse().map_err(|_| invalid("PeerOwnerId", text, "Expecting 12 digits.")))
        .transpose()?;
    let peer_region = given("PeerRegion")
        .map(|text| {
            text.parse().map_err(|_| invalid("PeerRegion", text, "There is no such region."))
        })
        .transpose()?;
    Ok(Ec2Command::CreatePeering {
        vpc: id(params, "VpcId")?,
        peer_vpc: id(params, "PeerVpcId")?,
        peer_owner,
        peer_region,
        tags: input::tag_specifications(params, "vpc-peering-connection", &[])?,
    })
}

/// The answer to `CreateVpcPeeringConnection`, the only one that shows a request as initiated.
pub(super) fn created(
    before: &World,
    after: &World,
    reply: &Reply,
    request: &Request<'_>,
) -> String {
    answer(after, reply, request, |pcx| match before.peering(pcx.id) {
        None => PeeringStatus::InitiatingRequest,
        Some(_) => pcx.status(request.now),
    })
}

/// The answer to `AcceptVpcPeeringConnection`.
pub(super) fn accepted(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    answer(after, reply, request, |pcx| pcx.status(request.now))
}

fn answer(
    after: &World,
    reply: &Reply,
    request: &Request<'_>,
    status: impl Fn(&Peering) -> PeeringStatus,
) -> String {
    let view = View::new(after, request);
    let named = || request.params.get("VpcPeeringConnectionId")?.parse().ok();
    let id = match reply.main() {
        Some(Key::Peering(id)) => Some(id),
        _ => named(),
    };
    request.respond(|x| {
        if let Some(pcx) = id.and_then(|id| after.peering(id)) {
            x.nest("vpcPeeringConnection", |x| write_peering(pcx, status(pcx), &view, x));
        }
    })
}

fn peering(request: &Request<'_>) -> Result<PcxId, Ec2Error> {
    id(request.params, "VpcPeeringConnectionId")
}

/// `AcceptVpcPeeringConnection`. EC2's model has the id as optional, but EC2 refuses its absence.
pub(super) fn accept(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let given: Option<PcxId> = id_opt(request.params, "VpcPeeringConnectionId")?;
    let missing = || Ec2Error::from(request.params.missing("vpcPeeringConnectionId"));
    Ok(Ec2Command::AcceptPeering { peering: given.ok_or_else(missing)? })
}

/// `RejectVpcPeeringConnection`.
pub(super) fn reject(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::RejectPeering { peering: peering(request)? })
}

/// `DeleteVpcPeeringConnection`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DeletePeering { peering: peering(request)? })
}

/// `ModifyVpcPeeringConnectionOptions`.
pub(super) fn modify(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::ModifyPeeringOptions {
        peering: peering(request)?,
        requester_dns: dns_option(request, "RequesterPeeringConnectionOptions")?,
        accepter_dns: dns_option(request, "AccepterPeeringConnectionOptions")?,
    })
}

fn dns_option(request: &Request<'_>, side: &str) -> Result<Option<bool>, Ec2Error> {
    const CLASSIC: [&str; 2] = [
        "AllowEgressFromLocalClassicLinkToRemoteVpc",
        "AllowEgressFromLocalVpcToRemoteClassicLink",
    ];
    let Some(options) = request.params.structure(side) else { return Ok(None) };
    for name in CLASSIC {
        if options.bool(name)? == Some(true) {
            let name = options.full_name(name);
            return Err(wrong_value(format_args!("ClassicLink is not offered; leave out {name}")));
        }
    }
    Ok(options.bool("AllowDnsResolutionFromRemoteVpc")?)
}

/// The answer to `ModifyVpcPeeringConnectionOptions`, with the sides that were changed.
pub(super) fn modified(_: &World, after: &World, _: &Reply, request: &Request<'_>) -> String {
    let id = peering(request).ok();
    request.respond(|x| {
        let Some(pcx) = id.and_then(|id| after.peering(id)) else { return };
        for (parameter, element, side) in [
            ("Accepter", "accepterPeeringConnectionOptions", &pcx.accepter),
            ("Requester", "requesterPeeringConnectionOptions", &pcx.requester),
        ] {
            if request.params.contains(&format!("{parameter}PeeringConnectionOptions")) {
                x.nest(element, |x| write_options(side, x));
            }
        }
    })
}
