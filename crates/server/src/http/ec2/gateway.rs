//! Internet gateways.

use aws::xml::Xml;
use model::{Ec2Command, IgwId, InternetGateway, Key, Reply, Tags, Timestamp, World};

use super::describe::{Described, Filter, Stored, View, many, one, write_tags};
use super::input::{self, id};
use super::request::{Ec2Error, Request};

impl Described for InternetGateway {
    type Id = IgwId;
    const SET: &'static str = "internetGatewaySet";
    const PARAM: &'static str = "InternetGatewayId";
    const MALFORMED: &'static str = <IgwId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) =
        ("InvalidInternetGatewayID.NotFound", "internetGateway ID");
    const FILTERS: &'static [Filter<Self>] = &[
        ("attachment.state", |_, igw| many(igw.vpc.map(|_| "available"))),
        ("attachment.vpc-id", |_, igw| many(igw.vpc)),
        ("internet-gateway-id", |_, igw| one(igw.id)),
        ("owner-id", |_, igw| one(igw.account)),
    ];

    fn id(&self) -> IgwId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, _: &View<'_>, x: &mut Xml) {
        x.el("internetGatewayId", self.id);
        x.el("ownerId", self.account);
        x.items("attachmentSet", self.vpc, |x, vpc| {
            x.el("vpcId", vpc);
            x.el("state", "available");
        });
        write_tags(x, Some(&self.tags));
    }
}

impl Stored for InternetGateway {
    fn get<'w>(view: &View<'w>, id: IgwId) -> Option<&'w Self> {
        let mine = |igw: &&Self| view.owns(igw.account, igw.region);
        view.world.gateway(id).map(|igw| &**igw).filter(mine)
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let mine = view.world.gateways_of(Key::Account(view.scope.account));
        mine.map(|igw| &**igw).filter(|igw| igw.region == view.scope.region).collect()
    }
}

/// `CreateInternetGateway`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let tags = input::tag_specifications(request.params, "internet-gateway", &[])?;
    Ok(Ec2Command::CreateInternetGateway { tags })
}

/// The answer to `CreateInternetGateway`.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        if let Some(Key::InternetGateway(id)) = reply.main()
            && let Some(gateway) = after.gateway(id)
        {
            x.nest("internetGateway", |x| gateway.write(&view, x));
        }
    })
}

/// `AttachInternetGateway`.
pub(super) fn attach(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    Ok(Ec2Command::AttachInternetGateway {
        gateway: id(params, "InternetGatewayId")?,
        vpc: id(params, "VpcId")?,
    })
}

/// `DetachInternetGateway`.
pub(super) fn detach(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    Ok(Ec2Command::DetachInternetGateway {
        gateway: id(params, "InternetGatewayId")?,
        vpc: id(params, "VpcId")?,
    })
}

/// `DeleteInternetGateway`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DeleteInternetGateway { gateway: id(request.params, "InternetGatewayId")? })
}
