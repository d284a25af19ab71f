//! Egress-only internet gateways.

use aws::xml::Xml;
use model::{Ec2Command, EgressGateway, EgressGatewayId, Key, Reply, Tags, Timestamp, World};

use super::describe::{Described, Filter, Stored, View, describe_known, write_tags};
use super::input::{self, id};
use super::request::{Ec2Error, Request};

impl Described for EgressGateway {
    type Id = EgressGatewayId;
    const SET: &'static str = "egressOnlyInternetGatewaySet";
    const PARAM: &'static str = "EgressOnlyInternetGatewayId";
    const MALFORMED: &'static str = <EgressGatewayId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) = ("InvalidGatewayID.NotFound", "eigw ID");
    const PAGE: std::ops::RangeInclusive<u16> = 5..=255;
    const FILTERS: &'static [Filter<Self>] = &[];

    fn id(&self) -> EgressGatewayId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, _: &View<'_>, x: &mut Xml) {
        x.el("egressOnlyInternetGatewayId", self.id);
        x.items("attachmentSet", [self.vpc], |x, vpc| {
            x.el("vpcId", vpc);
            x.el("state", "attached");
        });
        write_tags(x, Some(&self.tags));
    }
}

impl Stored for EgressGateway {
    fn get<'w>(view: &View<'w>, id: EgressGatewayId) -> Option<&'w Self> {
        view.world.egress_gateway(id).map(|it| &**it).filter(|it| view.vpc(it.vpc).is_some())
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let inside = |id| view.world.egress_gateways_in(Key::Vpc(id)).map(|it| &**it);
        view.vpcs().flat_map(|vpc| inside(vpc.id)).collect()
    }
}

/// `DescribeEgressOnlyInternetGateways`. As in EC2, an id that there is not is left out instead of
/// being refused: clients learn from the empty list that a gateway is gone.
pub(super) fn describe(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    describe_known::<EgressGateway>(world, request)
}

/// `CreateEgressOnlyInternetGateway`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let vpc = id(params, "VpcId")?;
    let tags = input::tag_specifications(params, "egress-only-internet-gateway", &[])?;
    let client_token = input::client_token(params)?;
    Ok(Ec2Command::CreateEgressOnlyInternetGateway { vpc, client_token, tags })
}

/// The answer to `CreateEgressOnlyInternetGateway`.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        if let Some(Key::EgressGateway(id)) = reply.main()
            && let Some(gateway) = after.egress_gateway(id)
        {
            x.opt("clientToken", gateway.client_token.as_ref().map(|t| t.token.as_str()));
            x.nest("egressOnlyInternetGateway", |x| gateway.write(&view, x));
        }
    })
}

/// `DeleteEgressOnlyInternetGateway`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let gateway = id(request.params, "EgressOnlyInternetGatewayId")?;
    Ok(Ec2Command::DeleteEgressOnlyInternetGateway { gateway })
}

/// The answer to `DeleteEgressOnlyInternetGateway`.
pub(super) fn deleted(_: &World, _: &World, _: &Reply, request: &Request<'_>) -> String {
    request.respond(|x| x.el("returnCode", true))
}
